package h1

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/httpmsg"
)

// fuzzLimits are small so that the limits are met too.
var fuzzLimits = [...]Limits{{}, {Head: 80, Trailers: 40}, {BareLF: true}}

// replayMax is the size up to which a fuzzed message is split everywhere.
const replayMax = 160

// fuzzReplay is replay for messages of any size.
func fuzzReplay(t *testing.T, parse parser, octets string) string {
	if len(octets) <= replayMax {
		return replay(t, parse, octets)
	}
	want := inSteps(parse, octets, len(octets))
	for _, i := range []int{1, len(octets) / 3, len(octets) / 2, len(octets) - 1} {
		if got := inSteps(parse, octets, i, len(octets)); got != want {
			t.Fatalf("%q split at %d\n got %s\nwant %s", octets, i, got, want)
		}
	}
	return want
}

func isMessage(outcome string) bool {
	return outcome != needMore && !strings.HasPrefix(outcome, "error")
}

var requestSeeds = []string{
	wrkRequest, browserRequest,
	"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
	"POST http://u.example:80/?x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
	"\r\nOPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"CONNECT [::1]:443 HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET / HTTP/1.1\nHost: h\nContent-Length: 5, 5\n\n",
	"GET http://%c3%a4.example/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://%80/ HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n c\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
}

func FuzzRequest(f *testing.F) {
	for _, seed := range requestSeeds {
		f.Add(seed, uint8(0))
	}
	f.Fuzz(func(t *testing.T, octets string, variant uint8) {
		lim := &fuzzLimits[int(variant)%len(fuzzLimits)]
		outcome := fuzzReplay(t, requestParser(lim), octets)
		if !isMessage(outcome) || lim.Head != 0 {
			return
		}
		var p Progress
		var req, again httpmsg.Request
		if _, err := ParseRequest([]byte(octets), &p, &req, lim); err != nil {
			t.Fatal(err)
		}
		head := fmt.Appendf(nil, "%s %s HTTP/%s\r\n", req.Name, req.Target, req.Version)
		head = append(AppendFields(head, &req.Fields), "\r\n"...)
		n, err := ParseRequest(head, &p, &again, &Limits{Head: len(head)})
		if err != nil || n != len(head) || showRequest(0, &again) != showRequest(0, &req) {
			t.Fatalf("%q, again %q: %d of %d octets, %v", octets, head, n, len(head), err)
		}
	})
}

var responseSeeds = []string{
	nginxResponse,
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0\r\nA: b\r\n\r\n",
	"HTTP/1.0 404\r\nContent-Length : 3, 3\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
	"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 304 Not Modified\nContent-Length: 5\n\n",
	"HTTP/1.1 200 OK\r\n\r\nuntil close",
	"SSH-2.0-OpenSSH_9.6\r\n",
}

func FuzzResponse(f *testing.F) {
	for _, seed := range responseSeeds {
		f.Add(seed, uint8(0))
	}
	methods := [...]httpmsg.Method{httpmsg.GET, httpmsg.HEAD, httpmsg.CONNECT}
	f.Fuzz(func(t *testing.T, octets string, variant uint8) {
		lim := &fuzzLimits[int(variant)%len(fuzzLimits)]
		method := methods[int(variant)/len(fuzzLimits)%len(methods)]
		outcome := fuzzReplay(t, responseParser(method, lim), octets)
		if !isMessage(outcome) || lim.Head != 0 {
			return
		}
		var p Progress
		var res, again httpmsg.Response
		if _, err := ParseResponse([]byte(octets), &p, &res, method, lim); err != nil {
			t.Fatal(err)
		}
		head := fmt.Appendf(nil, "HTTP/%s %d %s\r\n", res.Version, res.Status, res.Reason)
		head = append(AppendFields(head, &res.Fields), "\r\n"...)
		n, err := ParseResponse(head, &p, &again, method, &Limits{Head: len(head)})
		if err != nil || n != len(head) || showResponse(0, &again) != showResponse(0, &res) {
			t.Fatalf("%q, again %q: %d of %d octets, %v", octets, head, n, len(head), err)
		}
	})
}

func FuzzChunked(f *testing.F) {
	f.Add("3\r\nabc\r\n0\r\n\r\n", uint8(0))
	f.Add("00a ; x=\"y\"\r\n0123456789\r\n0;z\r\nETag: x\r\nA: b\r\n\r\nrest", uint8(0))
	f.Add("1\na\n0\n\n", uint8(2))
	f.Add("7fffffffffffffff\r\nabc", uint8(1))
	f.Fuzz(func(t *testing.T, octets string, variant uint8) {
		lim := &fuzzLimits[int(variant)%len(fuzzLimits)]
		var outcome string
		if len(octets) <= replayMax {
			outcome = replayBody(t, octets, httpmsg.LengthUnknown, lim)
		} else {
			outcome = decoded(octets, httpmsg.LengthUnknown, lim, []int{len(octets)})
		}
		if !strings.Contains(outcome, " done after ") {
			return
		}
		payload, trailers, ok := decodeAll([]byte(octets), httpmsg.LengthUnknown, lim)
		if !ok {
			return // the outcome's quoted payload had those words in it
		}
		body, ok := encodeBody(httpmsg.LengthUnknown, []string{string(payload)}, &trailers)
		again, trailersAgain, okAgain := decodeAll(body, httpmsg.LengthUnknown, &Limits{Trailers: len(body)})
		var a, b strings.Builder
		showFields(&a, &trailers)
		showFields(&b, &trailersAgain)
		if !ok || !okAgain || !bytes.Equal(payload, again) || a.String() != b.String() {
			t.Fatalf("%q, again %q: %q%s, %q%s", octets, body, payload, a.String(), again, b.String())
		}
	})
}

// decodeAll decodes a body that stands in src whole and is followed by the end of the connection.
func decodeAll(src []byte, length int64, lim *Limits) (payload []byte, trailers httpmsg.Fields, ok bool) {
	var d Decoder
	d.Reset(length, lim, &trailers)
	for !d.Done() {
		data, n, err := d.Next(src)
		if err != nil {
			return nil, trailers, false
		}
		payload = append(payload, data...)
		if src = src[n:]; n == 0 {
			break
		}
	}
	return payload, trailers, d.EOF() == nil
}
