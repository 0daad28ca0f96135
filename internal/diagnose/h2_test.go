package diagnose

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
)

// Flags of frames, as they are short here.
const (
	endStream  = h2.FlagEndStream
	endHeaders = h2.FlagEndHeaders
)

// frame spells a frame of stream 1, or of the connection where its type is one of those.
func frame(kind h2.FrameType, flags uint8, payload string) []byte {
	stream := uint32(1)
	if kind == h2.SettingsFrame || kind == h2.GoAway {
		stream = 0
	}
	return append(h2.AppendFrameHead(nil, len(payload), kind, flags, stream), payload...)
}

// TestLengthIsChecked: a stream that ends before its Content-Length is no whole answer, and one that ends at it is.
func TestLengthIsChecked(t *testing.T) {
	t.Parallel()
	head := "\x88\x5c\x03100"
	for n, want := range map[int]fault.Cause{10: fault.CauseHTTP2StreamCut, 100: fault.CauseNone, 101: fault.CauseHTTP2ProtocolError} {
		s := serveFrames(t, frame(h2.SettingsFrame, 0, ""), frame(h2.Headers, endHeaders, head), frame(h2.Data, endStream, strings.Repeat("x", n)))
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
			_, _ = io.ReadFull(c, make([]byte, len(h2.Preface)))
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
	settings := frame(h2.SettingsFrame, 0, "")
	headers := func(flags uint8, block string) []byte { return frame(h2.Headers, flags, block) }
	for name, c := range map[string]struct {
		frames   [][]byte
		cause    fault.Cause
		code     string
		status   int
		complete bool
	}{
		"in order":                    {[][]byte{settings, headers(endHeaders, "\x88"), frame(h2.Data, endStream, "fine")}, fault.CauseNone, "", 200, true},
		"an interim answer":           {[][]byte{settings, headers(endHeaders, "\x48\x03103"), headers(endHeaders|endStream, "\x89")}, fault.CauseNone, "", 204, true},
		"a head in two frames":        {[][]byte{settings, headers(endStream, ""), frame(h2.Continuation, endHeaders, "\x88")}, fault.CauseNone, "", 200, true},
		"a reset":                     {[][]byte{settings, frame(h2.RSTStream, 0, "\x00\x00\x00\x02")}, fault.CauseHTTP2StreamReset, "INTERNAL_ERROR", 0, false},
		"refused":                     {[][]byte{settings, frame(h2.RSTStream, 0, "\x00\x00\x00\x07")}, fault.CauseHTTP2RefusedStream, "REFUSED_STREAM", 0, false},
		"not wanted":                  {[][]byte{settings, frame(h2.RSTStream, 0, "\x00\x00\x00\x0d")}, fault.CauseHTTP2NotWanted, "HTTP_1_1_REQUIRED", 0, false},
		"goaway":                      {[][]byte{settings, frame(h2.GoAway, 0, "\x00\x00\x00\x00\x00\x00\x00\x01why")}, fault.CauseHTTP2GoAway, "PROTOCOL_ERROR", 0, false},
		"a drain that answers":        {[][]byte{settings, frame(h2.GoAway, 0, "\x00\x00\x00\x01\x00\x00\x00\x00"), headers(endHeaders|endStream, "\x88")}, fault.CauseNone, "", 200, true},
		"a goaway too short":          {[][]byte{settings, frame(h2.GoAway, 0, "1234567")}, fault.CauseHTTP2ProtocolError, "", 0, false},
		"cut":                         {[][]byte{settings, headers(endHeaders, "\x88")}, fault.CauseHTTP2StreamCut, "", 200, false},
		"closed":                      {[][]byte{settings}, fault.CauseHTTP2ProtocolError, "", 0, false},
		"no HTTP/2":                   {[][]byte{[]byte("HTTP/1.1 400 Bad Request\r\n\r\n")}, fault.CauseHTTP2ProtocolError, "", 0, false},
		"a frame too large":           {[][]byte{settings, {255, 255, 255, 0, 0, 0, 0, 0, 1}}, fault.CauseHTTP2ProtocolError, "", 0, false},
		"a header that is HTTP/1.1's": {[][]byte{settings, headers(endHeaders|endStream, "\x88\x00\x0aconnection\x05close")}, fault.CauseHTTP2ProtocolError, "", 0, false},
		"padding too large":           {[][]byte{settings, frame(h2.Data, h2.FlagPadded, "\x09\x01")}, fault.CauseHTTP2ProtocolError, "", 0, false},
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

// TestH2EndsWithTheRun: a read that begins after the run's end does not wait.
func TestH2EndsWithTheRun(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x := newH2Exchange(&H2{}, near, io.Discard)
	if err := x.read(ctx, time.Second, near); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
