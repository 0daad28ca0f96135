package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Full handshakes stay full, and resumed ones are resumed, or the run is refused.
func TestHandshakes(t *testing.T) {
	for _, tt := range []struct {
		name            string
		resume, tickets bool
		wrong           string
	}{
		{"full", false, true, ""},
		{"resumed", true, true, ""},
		{"no tickets", true, false, "resumed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
			s.TLS = &tls.Config{SessionTicketsDisabled: !tt.tickets}
			s.StartTLS()
			defer s.Close()
			b := &bench{cert: certificate{roots: x509.NewCertPool()}}
			b.cert.roots.AddCert(s.Certificate())
			p := &proxy{process: &process{name: "test"}, address: s.Listener.Addr().String()}
			v, err := b.driveHandshakes(t.Context(), benchCase{tls: true, resumed: tt.resume, path: "/", answer: 2}, p, 1)
			switch {
			case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
				t.Errorf("%v, want an error that says %q", err, tt.wrong)
			case tt.wrong == "" && (err != nil || v.count < 2):
				t.Errorf("%d connections, %v", v.count, err)
			}
		})
	}
}
