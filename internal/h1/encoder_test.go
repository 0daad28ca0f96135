package h1

import (
	"testing"

	"github.com/whygate/whygate/internal/httpmsg"
)

func TestEncoder(t *testing.T) {
	for _, c := range []struct {
		name   string
		length int64
		pieces []string
		want   string
	}{
		{"by length", 5, []string{"ab", "", "cde"}, "abcde"},
		{"no body", 0, nil, ""},
		{"until close", httpmsg.LengthClose, []string{"ab", "cde"}, "abcde"},
		{"chunked", httpmsg.LengthUnknown, []string{"ab", "", "0123456789abcdef"}, "2\r\nab\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"},
		{"chunked and empty", httpmsg.LengthUnknown, nil, "0\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := encodeBody(c.length, c.pieces, nil)
			if !ok || string(got) != c.want {
				t.Errorf("got %q (%t), want %q", got, ok, c.want)
			}
		})
	}
}

// encodeBody encodes one body of those pieces.
func encodeBody(length int64, pieces []string, trailers *httpmsg.Fields) (dst []byte, ok bool) {
	var e Encoder
	e.Reset(length)
	for _, piece := range pieces {
		if dst, ok = e.Begin(dst, len(piece)); !ok {
			return dst, false
		}
		dst = append(dst, piece...)
		dst = e.Finish(dst)
	}
	return e.End(dst, trailers)
}

func TestEncoderRefusesToLie(t *testing.T) {
	var e Encoder
	e.Reset(5)
	if dst, ok := e.End(nil, nil); ok || dst != nil {
		t.Errorf("a short body was ended: %q", dst)
	}
	if dst, ok := e.Begin(nil, 6); ok || dst != nil {
		t.Errorf("more than declared: %q", dst)
	}
	if e.Skip(4); e.Left() != 1 {
		t.Errorf("left %d", e.Left())
	}
	if _, ok := e.Begin(nil, 1); !ok {
		t.Error("the last octet was refused")
	}
	if _, ok := e.End(nil, nil); !ok {
		t.Error("a complete body was not ended")
	}
	if _, ok := e.Begin(nil, 1); ok {
		t.Error("an octet after the end")
	}
	e.Reset(httpmsg.LengthUnknown)
	dst, _ := e.Begin(nil, 3)
	if dst, ok := e.End(dst, nil); ok || string(dst) != "3\r\n" {
		t.Errorf("ended inside a chunk: %q", dst)
	}
	dst = e.Finish(append(dst, "abc"...))
	if dst, ok := e.End(dst, nil); !ok || string(dst) != "3\r\nabc\r\n0\r\n\r\n" {
		t.Errorf("got %q", dst)
	}
	if dst, ok := e.Begin(nil, 3); ok || dst != nil {
		t.Errorf("a chunk after the last: %q", dst)
	}
	if dst, ok := e.End(nil, nil); !ok || dst != nil {
		t.Errorf("a second end: %q", dst)
	}
}

func TestEncoderSkipKnowsItsBounds(t *testing.T) {
	var e Encoder
	e.Reset(httpmsg.LengthClose)
	if e.Skip(1 << 40); e.Left() != -1 {
		t.Errorf("left %d", e.Left())
	}
	for _, length := range []int64{httpmsg.LengthUnknown, 3} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("length %d: four octets were moved", length)
				}
			}()
			e.Reset(length)
			e.Skip(4)
		}()
	}
}

func TestTrailersAreWrittenAfterChunksOnly(t *testing.T) {
	var d Decoder
	var trailers httpmsg.Fields
	d.Reset(httpmsg.LengthUnknown, &Limits{}, &trailers)
	const octets = "0\r\nETag: x\r\nA: b\r\n\r\n"
	for src := []byte(octets); !d.Done(); {
		_, n, err := d.Next(src)
		if err != nil {
			t.Fatal(err)
		}
		src = src[n:]
	}
	if got, ok := encodeBody(httpmsg.LengthUnknown, nil, &trailers); !ok || string(got) != octets {
		t.Errorf("chunked: %q", got)
	}
	if got, ok := encodeBody(3, []string{"abc"}, &trailers); !ok || string(got) != "abc" {
		t.Errorf("by length: %q", got)
	}
}

func TestAppend(t *testing.T) {
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{AppendRequestLine(nil, []byte("GET"), []byte("/a"), []byte("?b")), "GET /a?b HTTP/1.1\r\n"},
		{AppendStatusLine(nil, 502, nil), "HTTP/1.1 502 Bad Gateway\r\n"},
		{AppendStatusLine(nil, 299, nil), "HTTP/1.1 299 \r\n"},
		{AppendStatusLine(nil, 999, nil), "HTTP/1.1 999 \r\n"},
		{AppendStatusLine(nil, 200, []byte("Fine")), "HTTP/1.1 200 Fine\r\n"},
		{AppendStatusLine(nil, 200, []byte{}), "HTTP/1.1 200 \r\n"},
		{AppendField(nil, []byte("A"), []byte("b")), "A: b\r\n"},
		{AppendKnownField(nil, httpmsg.RetryAfter, []byte("5")), "Retry-After: 5\r\n"},
		{AppendFraming(nil, 0), "Content-Length: 0\r\n"},
		{AppendFraming(nil, httpmsg.LengthUnknown), "Transfer-Encoding: chunked\r\n"},
		{AppendFraming(nil, httpmsg.LengthClose), ""},
	} {
		if string(c.got) != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// A head that is parsed and appended again is the same octets.
func TestParseAndAppendAreInverse(t *testing.T) {
	var p Progress
	var lim Limits
	var req httpmsg.Request
	var res httpmsg.Response
	for _, head := range []string{wrkRequest, browserRequest} {
		if _, err := ParseRequest([]byte(head), &p, &req, &lim); err != nil {
			t.Fatal(err)
		}
		got := AppendFields(AppendRequestLine(nil, req.Name, req.Target, nil), &req.Fields)
		if string(got)+"\r\n" != head {
			t.Errorf("got %q", got)
		}
	}
	if _, err := ParseResponse([]byte(nginxResponse), &p, &res, httpmsg.GET, &lim); err != nil {
		t.Fatal(err)
	}
	got := AppendFields(AppendStatusLine(nil, res.Status, res.Reason), &res.Fields)
	if string(got)+"\r\n" != nginxResponse {
		t.Errorf("got %q", got)
	}
}
