package h1

import (
	"fmt"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

func TestChunkedBodiesAccepted(t *testing.T) {
	for _, c := range []struct{ name, octets, want string }{
		{"two chunks", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET", `"abcde" done after 20`},
		{"empty", "0\r\n\r\n", `"" done after 5`},
		{"octets that look like framing", "9\r\n0\r\n\r\n0\r\nx\r\n0\r\n\r\n", `"0\r\n\r\n0\r\nx" done after 19`},
		{"hexadecimal in both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", `"01234567890123456789" done after 35`},
		{"leading zeros", "0003\r\nabc\r\n0000\r\n\r\n", `"abc" done after 19`},
		{"as many digits as are allowed", strings.Repeat("0", 31) + "1\r\na\r\n0\r\n\r\n", `"a" done`},
		{"extensions", "3;a=b;c=\"d;\t\xe4\\\"e\" ; f\r\nabc\r\n0;last\r\n\r\n", `"abc" done`},
		{"whitespace before an extension", "3 \t;a\r\nabc\r\n0\r\n\r\n", `"abc" done`},
		{"trailers", "0\r\nETag: \"x\"\r\nServer-Timing:\ta \r\n\r\nmore", `"" done after 35 | ETag(0)="\"x\"" | Server-Timing(0)="a"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := replayBody(t, c.octets, httpmsg.LengthUnknown, &Limits{}); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

// checkBody is broken.check for a chunked body.
func (c broken) checkBody(t *testing.T, lim *Limits) {
	t.Helper()
	octets, offset := c.split(t)
	got := replayBody(t, octets, httpmsg.LengthUnknown, lim)
	want := fmt.Sprintf(" error: rule %d at %d awaiting ", c.rule, offset)
	if !strings.Contains(got, want) || !strings.Contains(got, fmt.Sprintf("field %q", c.field)) {
		t.Errorf("%q\n got %s\nwant%s…, field %q", octets, got, want, c.field)
	}
}

func TestChunkedBodiesRefused(t *testing.T) {
	for _, c := range []broken{
		{"no size", "‸\r\nabc", fault.RuleChunkSize, ""},
		{"space first", "‸ 3\r\nabc", fault.RuleChunkSize, ""},
		{"plus", "‸+3\r\nabc", fault.RuleChunkSize, ""},
		{"minus", "‸-3\r\nabc", fault.RuleChunkSize, ""},
		{"0x", "0‸x3\r\nabc", fault.RuleChunkSize, ""},
		{"underscore", "1‸_0\r\nabc", fault.RuleChunkSize, ""},
		{"not hexadecimal", "‸g\r\nabc", fault.RuleChunkSize, ""},
		{"extension without a size", "‸;a\r\nabc", fault.RuleChunkSize, ""},
		{"NUL", "3‸\x00\r\nabc", fault.RuleChunkSize, ""},
		{"VT", "3‸\x0b\r\nabc", fault.RuleChunkSize, ""},
		{"HTML instead of chunks", "‸<html>", fault.RuleChunkSize, ""},
		{"overflow of 63 bits", "800000000000000‸0\r\n", fault.RuleChunkSizeOverflow, ""},
		{"wraps around to 3", "1000000000000000‸3\r\nabc", fault.RuleChunkSizeOverflow, ""},
		{"endless zeros", strings.Repeat("0", 32) + "‸0", fault.RuleChunkSize, ""},
		{"lone LF after the size", "3‸\nabc\r\n", fault.RuleBareLF, ""},
		{"lone CR after the size", "3‸\rabc", fault.RuleBareCR, ""},
		{"two CRs", "3‸\r\r\nabc", fault.RuleBareCR, ""},
		{"space after the size", "3 ‸\r\nabc", fault.RuleChunkExtension, ""},
		{"word after the size", "3 ‸a\r\nabc", fault.RuleChunkExtension, ""},
		{"CTL in an extension", "3;a‸\x01\r\nabc", fault.RuleChunkExtension, ""},
		{"lone LF in a quoted string", "3;a=\"‸\n\"\r\nabc", fault.RuleBareLF, ""},
		{"lone CR in a quoted string", "3;a=\"‸\r\"\r\nabc", fault.RuleBareCR, ""},
		{"data longer than the chunk", "3\r\nabc‸d\r\n", fault.RuleChunkEnd, ""},
		{"data shorter than the chunk", "3\r\na\r\n‸0\r\n\r\n", fault.RuleChunkEnd, ""},
		{"lone LF after the data", "3\r\nabc‸\n", fault.RuleBareLF, ""},
		{"lone CR after the data", "3\r\nabc\r‸0\r\n\r\n", fault.RuleChunkEnd, ""},
		{"trailer without a colon", "0\r\nabc‸\r\n\r\n", fault.RuleTrailer, "abc"},
		{"trailer with a space before the colon", "0\r\nabc‸ : d\r\n\r\n", fault.RuleTrailer, "abc"},
		{"trailer with a NUL", "0\r\nabc: ‸\x00\r\n\r\n", fault.RuleTrailer, "abc"},
		{"trailer folded", "0\r\nabc: d\r\n‸ e\r\n\r\n", fault.RuleTrailer, "abc"},
		{"trailer after a lone LF", "0\r\nabc: d‸\ne: f\r\n\r\n", fault.RuleTrailer, "abc"},
		{"trailer after a lone CR", "0\r\n‸\rX", fault.RuleTrailer, ""},
		{"Content-Length as trailer", "3\r\nabc\r\n0\r\nA: b\r\n‸Content-Length: 3\r\n\r\n", fault.RuleTrailer, "Content-Length"},
		{"Transfer-Encoding as trailer", "0\r\n‸transfer-encoding: chunked\r\n\r\n", fault.RuleTrailer, "transfer-encoding"},
		{"Host as trailer", "0\r\n‸Host: h\r\n\r\n", fault.RuleTrailer, "Host"},
		{"Authorization as trailer", "0\r\n‸Authorization: x\r\n\r\n", fault.RuleTrailer, "Authorization"},
		{"Cache-Control as trailer", "0\r\n‸Cache-Control: no-store\r\n\r\n", fault.RuleTrailer, "Cache-Control"},
		{"Trailer as trailer", "0\r\n‸Trailer: x\r\n\r\n", fault.RuleTrailer, "Trailer"},
	} {
		t.Run(c.name, func(t *testing.T) { c.checkBody(t, &Limits{}) })
	}
}

func TestTrailerSectionIsBounded(t *testing.T) {
	lim := &Limits{Trailers: 16}
	broken{"endless", "0\r\nA: 0123456789abc‸def", fault.RuleTrailerSize, "A"}.checkBody(t, lim)
	if got := replayBody(t, "0\r\nA: 012345678\r\n\r\n", httpmsg.LengthUnknown, lim); !strings.Contains(got, "done after 19") {
		t.Errorf("a section of exactly the limit: %s", got)
	}
}

func TestExtensionIsBounded(t *testing.T) {
	fits := "1;" + strings.Repeat("a", extensionMax-1)
	if got := decoded(fits+"\r\nx\r\n0\r\n\r\n", httpmsg.LengthUnknown, &Limits{}, []int{len(fits), len(fits) + 10}); !strings.HasPrefix(got, `"x" done`) {
		t.Errorf("an extension of exactly the limit: %s", got)
	}
	want := fmt.Sprintf("rule %d at %d ", fault.RuleChunkExtension, len(fits))
	for _, ends := range [][]int{{len(fits) + 1}, {9, len(fits), len(fits) + 1}} {
		if got := decoded(fits+"a", httpmsg.LengthUnknown, &Limits{}, ends); !strings.Contains(got, want) {
			t.Errorf("one octet too many: %s", got)
		}
	}
}

// Small chunks with large extensions must not keep us reading for ever: each is legal, together they are an attack.
func TestExtensionsTogetherAreBounded(t *testing.T) {
	chunk := "1;" + strings.Repeat("a", 1000) + "\r\nx\r\n"
	got := decoded(strings.Repeat(chunk, 20), httpmsg.LengthUnknown, &Limits{}, []int{20 * len(chunk)})
	if !strings.Contains(got, fmt.Sprintf("rule %d ", fault.RuleChunkExtension)) {
		t.Errorf("got %s", got)
	}
	signed := "1000;chunk-signature=" + strings.Repeat("0", 64) + "\r\n" + strings.Repeat("x", 0x1000) + "\r\n"
	all := strings.Repeat(signed, 250) + "0\r\n\r\n"
	if got := decoded(all, httpmsg.LengthUnknown, &Limits{}, []int{len(all)}); !strings.HasSuffix(got, fmt.Sprintf("done after %d", len(all))) {
		t.Errorf("signed chunks: %s", got[len(got)-100:])
	}
}

func TestLoneLFInChunksIsAcceptedWhereTold(t *testing.T) {
	got := replayBody(t, "3;a\nabc\n0\nA: b\n\n", httpmsg.LengthUnknown, &Limits{BareLF: true})
	if got != `"abc" done after 16 | A(0)="b"` {
		t.Errorf("got %s", got)
	}
}

func TestBodyByLength(t *testing.T) {
	if got := replayBody(t, "hello world", 5, &Limits{}); got != `"hello" done after 5` {
		t.Errorf("got %s", got)
	}
	if got := replayBody(t, "hello", 6, &Limits{}); got != `"hello" more` {
		t.Errorf("got %s", got)
	}
	var none Decoder
	if !none.Done() || none.EOF() != nil {
		t.Error("the zero value is not a body of no octets")
	}
}

// What the end of the connection means, wherever it comes.
func TestEndOfConnection(t *testing.T) {
	for _, c := range []struct {
		octets string
		length int64
		rule   fault.Rule
		state  State
		offset int64
	}{
		{"", 0, fault.RuleNone, 0, 0},
		{"", 5, fault.RuleBodyShort, AwaitBody, 0},
		{"abc", 5, fault.RuleBodyShort, AwaitBody, 3},
		{"abcde", 5, fault.RuleNone, 0, 0},
		{"", httpmsg.LengthClose, fault.RuleNone, 0, 0},
		{"abc", httpmsg.LengthClose, fault.RuleNone, 0, 0},
		{"", httpmsg.LengthUnknown, fault.RuleChunksCut, AwaitChunkSize, 0},
		{"3", httpmsg.LengthUnknown, fault.RuleChunksCut, AwaitChunkSize, 1},
		{"3;a", httpmsg.LengthUnknown, fault.RuleChunksCut, AwaitChunkExtension, 3},
		{"3\r\na", httpmsg.LengthUnknown, fault.RuleChunksCut, AwaitChunkData, 4},
		{"3\r\nabc", httpmsg.LengthUnknown, fault.RuleChunksCut, AwaitChunkEnd, 6},
		{"3\r\nabc\r\n", httpmsg.LengthUnknown, fault.RuleChunksCut, AwaitChunkSize, 8},
		{"0\r\n", httpmsg.LengthUnknown, fault.RuleChunksCut, AwaitTrailers, 3},
		{"0\r\n\r\n", httpmsg.LengthUnknown, fault.RuleNone, 0, 0},
	} {
		var d Decoder
		var trailers httpmsg.Fields
		d.Reset(c.length, &Limits{}, &trailers)
		for src := []byte(c.octets); ; {
			_, n, err := d.Next(src)
			if err != nil {
				t.Fatal(err)
			}
			if src = src[n:]; n == 0 || len(src) == 0 {
				break
			}
		}
		err := d.EOF()
		switch {
		case err == nil && (c.rule != fault.RuleNone || !d.Done()):
			t.Errorf("%q: legal end (done %t)", c.octets, d.Done())
		case err != nil && (err.Rule != c.rule || err.State != c.state || err.Offset != c.offset || d.Done()):
			t.Errorf("%q: %s", c.octets, showError(err))
		case err != nil && c.rule == fault.RuleBodyShort && (err.Limit != c.length || err.Size != d.Received()):
			t.Errorf("%q: %d of %d", c.octets, err.Size, err.Limit)
		}
	}
}

// A relay that moves payload past the decoder asks Left and tells Skip.
func TestSkip(t *testing.T) {
	var d Decoder
	var trailers httpmsg.Fields
	d.Reset(5, &Limits{}, nil)
	d.Skip(d.Left())
	if !d.Done() || d.Received() != 5 {
		t.Errorf("by length: done %t, received %d", d.Done(), d.Received())
	}
	d.Reset(httpmsg.LengthClose, &Limits{}, nil)
	if d.Skip(7); d.Left() != -1 || d.Received() != 7 || d.EOF() != nil {
		t.Errorf("until close: left %d, received %d", d.Left(), d.Received())
	}
	d.Reset(httpmsg.LengthUnknown, &Limits{}, &trailers)
	if d.Left() != 0 {
		t.Errorf("before a chunk: left %d", d.Left())
	}
	if _, n, err := d.Next([]byte("0a")); n != 2 || err != nil || d.Left() != 0 {
		t.Errorf("in a chunk size: left %d (%d, %v)", d.Left(), n, err)
	}
	if _, n, err := d.Next([]byte("\r\n")); n != 2 || err != nil || d.Left() != 10 {
		t.Errorf("in a chunk: left %d (%d, %v)", d.Left(), n, err)
	}
	d.Skip(10)
	if _, n, err := d.Next([]byte("\r\n0\r\n\r\n")); n != 7 || err != nil || !d.Done() || d.Received() != 10 {
		t.Errorf("after a chunk: done %t, received %d (%d, %v)", d.Done(), d.Received(), n, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("more was moved than there is")
		}
	}()
	d.Reset(5, &Limits{}, nil)
	d.Skip(6)
}
