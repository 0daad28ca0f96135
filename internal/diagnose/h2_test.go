package diagnose

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// TestStatusOfHeaders reads :status in each form that HPACK has for it.
func TestStatusOfHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		block string
		want  int
	}{
		{"\x88", 200},
		{"\x8e", 500},
		{"\x48\x03302", 302},
		{"\x08\x03503", 503},
		{"\x18\x03503", 503},
		{"\x48\x82\x64\x02", 302},     // RFC 7541, C.6.1
		{"\x48\x83\x64\x0e\xff", 307}, // C.6.2
		{"\x20\x88", 200},
		{"\x3f\xe1\x1f\x88", 200},
		{"\x90", 0},
		{"", 0},
		{"\x48", 0},
		{"\x48\x7f302", 0},
		{"\x48\x03abc", 0},
		{"\x3f\xff", 0},
		{"\x48\x81\xff", 0},
	} {
		if got := hpackStatus([]byte(c.block)); got != c.want {
			t.Errorf("%q: %d, want %d", c.block, got, c.want)
		}
	}
}

// TestLengthOfHeaders reads Content-Length wherever it stands in a block.
func TestLengthOfHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		block string
		want  int64
	}{
		{"\x88\x0f\x0d\x03100", 100},             // not indexed: 28 is 15 + 13
		{"\x88\x5c\x03100", 100},                 // with incremental indexing
		{"\x88\x5c\x82\x08\x01", 100},            // in Huffman's code: 00001 00000 00000 1
		{"\x88\x00\x0econtent-length\x0210", 10}, // by its name
		{"\x88\x00\x04date\x03abc\x5c\x010", 0},  // behind another
		{"\x20\x88", -1},
		{"\x88\x5c\x03ab", -1},
		{"\x88\x5c\x031x0", -1},
		{"", -1},
	} {
		if got := hpackLength([]byte(c.block)); got != c.want {
			t.Errorf("%q: %d, want %d", c.block, got, c.want)
		}
	}
}

// TestLengthIsChecked: a stream that ends before its Content-Length is no whole answer, and one that ends at it is.
func TestLengthIsChecked(t *testing.T) {
	t.Parallel()
	head := []byte("\x88\x5c\x03100")
	for n, want := range map[int]fault.Cause{10: fault.CauseHTTP2StreamCut, 100: fault.CauseNone, 101: fault.CauseHTTP2ProtocolError} {
		s := serveFrames(t, appendFrame(nil, frameSettings, 0, 0, nil), appendFrame(nil, frameHeaders, flagEndHeaders, 1, head), appendFrame(nil, frameData, flagEndStream, 1, make([]byte, n)))
		if h := s.probeH2(t.Context(), nil); h.Cause != want || h.Complete != (want == fault.CauseNone) {
			t.Errorf("%d octets: %v, %q, complete %v", n, h.Cause, h.Error, h.Complete)
		}
	}
}

// serveFrames is a server that agrees on HTTP/2 and then does as it is told.
func serveFrames(t *testing.T, frames ...[]byte) *shaker {
	t.Helper()
	pair := httptest.NewUnstartedServer(nil)
	pair.StartTLS()
	certificates := pair.TLS.Certificates
	pair.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certificates, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // until the listener is closed
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(c, make([]byte, len(h2Preface)))
			for _, f := range frames {
				_, _ = c.Write(f)
			}
			_ = c.(*tls.Conn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	return shakerTo(l.Addr().String())
}

func shakerTo(address string) *shaker {
	target, _ := parseTarget("https://" + address + "/x?y")
	return &shaker{network: "tcp", address: address, target: &target, o: &Options{Timeout: 3 * time.Second}}
}

// TestH2 asks servers that end a stream in each way.
func TestH2(t *testing.T) {
	t.Parallel()
	settings := appendFrame(nil, frameSettings, 0, 0, nil)
	headers := func(flags byte, block string) []byte { return appendFrame(nil, frameHeaders, flags, 1, []byte(block)) }
	for name, c := range map[string]struct {
		frames   [][]byte
		cause    fault.Cause
		code     string
		status   int
		complete bool
	}{
		"in order":             {[][]byte{settings, headers(flagEndHeaders, "\x88"), appendFrame(nil, frameData, flagEndStream, 1, []byte("fine"))}, fault.CauseNone, "", 200, true},
		"an interim answer":    {[][]byte{settings, headers(flagEndHeaders, "\x48\x03103"), headers(flagEndHeaders|flagEndStream, "\x89")}, fault.CauseNone, "", 204, true},
		"a head in two frames": {[][]byte{settings, headers(flagEndStream, ""), appendFrame(nil, frameContinuation, flagEndHeaders, 1, []byte("\x88"))}, fault.CauseNone, "", 200, true},
		"a reset":              {[][]byte{settings, appendFrame(nil, frameRSTStream, 0, 1, []byte{0, 0, 0, 2})}, fault.CauseHTTP2StreamReset, "INTERNAL_ERROR", 0, false},
		"refused":              {[][]byte{settings, appendFrame(nil, frameRSTStream, 0, 1, []byte{0, 0, 0, 7})}, fault.CauseHTTP2RefusedStream, "REFUSED_STREAM", 0, false},
		"not wanted":           {[][]byte{settings, appendFrame(nil, frameRSTStream, 0, 1, []byte{0, 0, 0, 13})}, fault.CauseHTTP2NotWanted, "HTTP_1_1_REQUIRED", 0, false},
		"goaway":               {[][]byte{settings, appendFrame(nil, frameGoAway, 0, 0, []byte("\x00\x00\x00\x00\x00\x00\x00\x01why"))}, fault.CauseHTTP2GoAway, "PROTOCOL_ERROR", 0, false},
		"a drain that answers": {[][]byte{settings, appendFrame(nil, frameGoAway, 0, 0, []byte{0, 0, 0, 1, 0, 0, 0, 0}), headers(flagEndHeaders|flagEndStream, "\x88")}, fault.CauseNone, "", 200, true},
		"a goaway too short":   {[][]byte{settings, appendFrame(nil, frameGoAway, 0, 0, make([]byte, 7))}, fault.CauseHTTP2ProtocolError, "", 0, false},
		"cut":                  {[][]byte{settings, headers(flagEndHeaders, "\x88")}, fault.CauseHTTP2StreamCut, "", 200, false},
		"closed":               {[][]byte{settings}, fault.CauseHTTP2ProtocolError, "", 0, false},
		"no HTTP/2":            {[][]byte{[]byte("HTTP/1.1 400 Bad Request\r\n\r\n")}, fault.CauseHTTP2ProtocolError, "", 0, false},
		"a frame too large":    {[][]byte{settings, {255, 255, 255, 0, 0, 0, 0, 0, 1}}, fault.CauseHTTP2ProtocolError, "", 0, false},
		"padding too large":    {[][]byte{settings, appendFrame(nil, frameData, flagPadded, 1, []byte{9, 1})}, fault.CauseHTTP2ProtocolError, "", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := serveFrames(t, c.frames...).askH2(t.Context(), []Field{{"X-A", "b"}, {"Connection", "close"}})
			if h.Cause != c.cause || h.Code != c.code || h.Status != c.status || h.Complete != c.complete {
				t.Errorf("%+v", h)
			}
		})
	}
}

// TestH2WithARealServer asks net/http's own, and gets a body larger than the window is by default.
func TestH2WithARealServer(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.URL.RawQuery != "y" || r.Header.Get("X-A") != "b" {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = w.Write(make([]byte, 200_000))
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	h := shakerTo(s.Listener.Addr().String()).probeH2(t.Context(), []Field{{"X-A", "b"}})
	if h.Status != 200 || !h.Complete || h.BodySize != 200_000 || h.Error != "" || h.Tries != 1 {
		t.Errorf("%+v", h)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if h := shakerTo(s.Listener.Addr().String()).probeH2(gone, nil); !h.cut {
		t.Errorf("a run that has ended: %+v", h)
	}
}

// FuzzH2 reads octets as frames and header blocks: nothing may panic.
func FuzzH2(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, frameSettings, 0, 0, nil), frameHeaders, flagEndHeaders|flagPriority|flagPadded, 1, []byte{1, 0, 0, 0, 0, 0, 0x88, 0}))
	f.Add([]byte("\x3f\xe1\x1f\x48\x82\x64\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		hpackStatus(b)
		x := &h2Exchange{H2: &H2{}, out: io.Discard}
		for len(b) > 2 {
			n := min(int(b[2]), len(b)-3)
			if ended, err := x.frame(b[0], b[1], 1, b[3:3+n]); ended || err != nil {
				return
			}
			b = b[3+n:]
		}
	})
}

// TestH2EndsWithTheRun: a read that begins after the run's end does not wait.
func TestH2EndsWithTheRun(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x := &h2Exchange{H2: &H2{}, in: bufio.NewReader(near), out: io.Discard}
	if err := x.read(ctx, time.Second, near); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
