package health

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/whygate/whygate/internal/upstream"
)

// secured is a server over TLS that offers these protocols, and keeps how each request and its connection were.
type secured struct {
	*httptest.Server
	mu   sync.Mutex // guards the field below
	seen []seen
}

type seen struct {
	proto          string
	closes, resume bool
}

func (s *secured) all() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// serveTLS starts one; change is called before, and may be nil.
func serveTLS(t *testing.T, http2 bool, change func(*secured)) *secured {
	t.Helper()
	s := &secured{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen = append(s.seen, seen{r.Proto, r.Close, r.TLS.DidResume})
	}))
	s.EnableHTTP2 = http2
	if change != nil {
		change(s)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// target is the server as an endpoint of a protocol.
func (s *secured) target(t *testing.T, p upstream.Protocol) *upstream.Target {
	t.Helper()
	e, err := upstream.ParseEndpoint(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	target := upstream.New(e, upstream.Options{
		Connect: 10 * time.Second, TLS: 10 * time.Second, Head: 10 * time.Second, Write: 10 * time.Second, Idle: time.Minute, HeadMax: 1 << 16,
		Protocol: p, TLSConf: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Resolver: upstream.NewResolver(nil, time.Second),
	})
	t.Cleanup(target.Close)
	return target
}

// A check of an endpoint that may speak HTTP/2 is made as any other: it says what its connection is for where it is of HTTP/1.1, goes on with
// the TLS session of the check before, and tells what certificate it was shown.
func TestCheckOfWhatMayShare(t *testing.T) {
	for _, tt := range []struct {
		name     string
		protocol upstream.Protocol
		http2    bool
		proto    string
		resumes  int // from which check on
	}{
		{"auto, of both", upstream.ProtocolAuto, true, "HTTP/2.0", 1},
		{"auto, of HTTP/1.1", upstream.ProtocolAuto, false, "HTTP/1.1", 2}, // the second offers less than the first
		{"HTTP/2", upstream.ProtocolHTTP2, true, "HTTP/2.0", 1},
		{"HTTP/1.1", upstream.ProtocolHTTP1, true, "HTTP/1.1", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serveTLS(t, tt.http2, nil)
			target := s.target(t, tt.protocol)
			for range 3 {
				if ev, wrong := ask(t.Context(), target, &Check{Path: "/", Timeout: 10 * time.Second}); wrong != "" || ev.Reused {
					t.Fatalf("%q, reused: %v", wrong, ev.Reused)
				}
			}
			for i, r := range s.all() {
				if r.proto != tt.proto || r.closes != (tt.proto == "HTTP/1.1") || r.resume != (i >= tt.resumes) {
					t.Errorf("check %d: %+v", i, r)
				}
			}
			if shown := target.Shown(); shown == nil || !shown.NotAfter.Equal(s.Certificate().NotAfter) {
				t.Errorf("its certificate is not known: %v", shown)
			}
			if n := target.IdleCount(); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

// A check by TCP shakes hands as requests do: an endpoint of HTTP/2 alone agrees on nothing else.
func TestCheckTCPOffersWhatRequestsDo(t *testing.T) {
	for _, tt := range []struct {
		name     string
		protocol upstream.Protocol
		offered  []string
		wrong    string
	}{
		{"HTTP/2 of h2", upstream.ProtocolHTTP2, []string{"h2"}, ""},
		{"auto of h2", upstream.ProtocolAuto, []string{"h2"}, ""},
		{"auto of both", upstream.ProtocolAuto, []string{"h2", "http/1.1"}, ""},
		{"auto of HTTP/1.1", upstream.ProtocolAuto, []string{"http/1.1"}, ""},
		{"HTTP/1.1", upstream.ProtocolHTTP1, []string{"http/1.1"}, ""},
		{"HTTP/2 of HTTP/1.1", upstream.ProtocolHTTP2, []string{"http/1.1"}, "the check failed"},
	} {
		s := serveTLS(t, true, func(s *secured) {
			s.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				for _, p := range hello.SupportedProtos {
					if slices.Contains(tt.offered, p) {
						return &tls.Config{Certificates: s.TLS.Certificates, NextProtos: tt.offered, MinVersion: tls.VersionTLS12}, nil
					}
				}
				return nil, tls.AlertError(120)
			}}
		})
		target := s.target(t, tt.protocol)
		for range 2 {
			if _, wrong := ask(t.Context(), target, &Check{Kind: TCP, Timeout: 10 * time.Second}); (wrong == "") != (tt.wrong == "") || !strings.Contains(wrong, tt.wrong) {
				t.Errorf("%s: %q", tt.name, wrong)
			}
		}
		if n := target.IdleCount(); n != 0 {
			t.Errorf("%s: %d connections are kept", tt.name, n)
		}
	}
}

// An endpoint that agrees on HTTP/2 and then wants HTTP/1.1 (RFC 9113, section 8.1) passes its checks, as it gets its requests.
func TestCheckOfWhatWantsHTTP11(t *testing.T) {
	var asked atomic.Int64
	next := map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": func(_ *http.Server, c *tls.Conn, _ http.Handler) {
		f := http2.NewFramer(c, c)
		if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		_ = f.WriteSettings()
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			if h, ok := frame.(*http2.HeadersFrame); ok {
				asked.Add(1)
				_ = f.WriteRSTStream(h.StreamID, http2.ErrCodeHTTP11Required)
			}
		}
	}}
	s := serveTLS(t, true, func(s *secured) { s.Config.TLSNextProto = next })
	target := s.target(t, upstream.ProtocolAuto)
	for range 3 {
		if _, wrong := ask(t.Context(), target, &Check{Path: "/", Timeout: 10 * time.Second}); wrong != "" {
			t.Errorf("%q", wrong)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("it was asked in HTTP/2 %d times", n)
	}
	if all := s.all(); len(all) != 3 || all[0].proto != "HTTP/1.1" {
		t.Errorf("%+v", all)
	}
}
