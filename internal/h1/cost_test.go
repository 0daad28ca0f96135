package h1

import (
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/httpmsg"
)

func TestNothingAllocates(t *testing.T) {
	var p Progress
	var lim Limits
	var req httpmsg.Request
	var res httpmsg.Response
	var d Decoder
	var e Encoder
	var trailers httpmsg.Fields
	request, response := []byte(browserRequest), []byte(nginxResponse)
	body := []byte("4;a=b\r\nabcd\r\n0\r\nETag: x\r\n\r\n")
	dst := make([]byte, 0, 4096)
	for name, f := range map[string]func(){
		"parse request": func() {
			if n, err := ParseRequest(request, &p, &req, &lim); n != len(request) || err != nil {
				t.Fatal(n, err)
			}
		},
		"parse request in two reads": func() {
			if n, err := ParseRequest(request[:99], &p, &req, &lim); n != 0 || err != nil {
				t.Fatal(n, err)
			}
			if n, err := ParseRequest(request, &p, &req, &lim); n != len(request) || err != nil {
				t.Fatal(n, err)
			}
		},
		"parse response": func() {
			if n, err := ParseResponse(response, &p, &res, httpmsg.GET, &lim); n != len(response) || err != nil {
				t.Fatal(n, err)
			}
		},
		"decode": func() {
			d.Reset(httpmsg.LengthUnknown, &lim, &trailers)
			for src := body; !d.Done(); {
				_, n, err := d.Next(src)
				if err != nil {
					t.Fatal(err)
				}
				src = src[n:]
			}
		},
		"encode": func() {
			out := AppendStatusLine(dst, 200, nil)
			out = AppendFields(out, &res.Fields)
			e.Reset(httpmsg.LengthUnknown)
			out, _ = e.Begin(out, 4)
			out = e.Finish(append(out, "abcd"...))
			if _, ok := e.End(out, &trailers); !ok {
				t.Fatal("not ended")
			}
		},
	} {
		f() // lists grow once
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// slack is how many octets a call may look at again: a version that is not complete, and a line end.
const slack = statusEndAt + 1

// A head that drips in octet by octet is looked at once. What a call looks at is what p.pos had not passed before.
func TestDrippedHeadCostsLinearTime(t *testing.T) {
	long := strings.Repeat("v", 32<<10)
	lines := strings.Repeat("Some-Field: some value\r\n", 190)
	for name, head := range map[string]string{
		"value":       "GET / HTTP/1.1\r\nHost: h\r\nA: " + long,
		"many fields": "GET / HTTP/1.1\r\nHost: h\r\n" + lines,
		"name":        "GET / HTTP/1.1\r\nHost: h\r\n" + long,
		"target":      "GET /" + long,
		"method":      long,
		"blanks":      "GET / HTTP/1.1\r\nHost: h\r\nA:" + strings.Repeat(" ", len(long)),
	} {
		t.Run(name, func(t *testing.T) {
			var p Progress
			var req httpmsg.Request
			lim := Limits{Head: 64 << 10}
			buf, looked := []byte(head), 0
			for i := range buf {
				looked += i + 1 - p.pos
				if n, err := ParseRequest(buf[:i+1], &p, &req, &lim); n != 0 || err != nil {
					t.Fatal(i, n, err)
				}
			}
			if looked > (slack+1)*len(buf) {
				t.Errorf("%d octets were looked at %d times", len(buf), looked)
			}
		})
	}
	t.Run("response", func(t *testing.T) {
		var p Progress
		var res httpmsg.Response
		lim := Limits{Head: 64 << 10}
		buf, looked := []byte("HTTP/1.1 200 "+long+"\r\n"+lines), 0
		for i := range buf {
			looked += i + 1 - p.pos
			if n, err := ParseResponse(buf[:i+1], &p, &res, httpmsg.GET, &lim); n != 0 || err != nil {
				t.Fatal(i, n, err)
			}
		}
		if looked > (slack+1)*len(buf) {
			t.Errorf("%d octets were looked at %d times", len(buf), looked)
		}
	})
}

func TestDrippedTrailersCostLinearTime(t *testing.T) {
	var d Decoder
	var trailers httpmsg.Fields
	d.Reset(httpmsg.LengthUnknown, &Limits{Trailers: 64 << 10}, &trailers)
	if _, n, err := d.Next([]byte("0\r\n")); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	buf, looked := []byte("A: "+strings.Repeat("v", 32<<10)), 0
	for i := range buf {
		looked += i + 1 - d.section.pos
		if _, n, err := d.Next(buf[:i+1]); n != 0 || err != nil {
			t.Fatal(i, n, err)
		}
	}
	if looked > (slack+1)*len(buf) {
		t.Errorf("%d octets were looked at %d times", len(buf), looked)
	}
}
