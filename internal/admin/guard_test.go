package admin

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// ask sends a request and gives the status and the body.
func ask(t *testing.T, s *Server, method, path, host string, header http.Header, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr().String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// TestRebindingIsRefused: a name that nobody allowed is refused on every path, those that there are not included.
func TestRebindingIsRefused(t *testing.T) {
	s := start(t, Options{Hosts: []string{"Gateway.Example"}})
	for host, want := range map[string]int{
		"": 200, "localhost": 200, "LOCALHOST:9502": 200, "127.0.0.1": 200, "[::1]:9502": 200, "10.0.0.7": 200,
		"gateway.example": 200, "GATEWAY.example:443": 200,
		"evil.example": 421, "gateway.example.evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.nip.example": 421, "localhost.": 421,
	} {
		res, _ := ask(t, s, "GET", "/page", host, nil, "")
		if res.StatusCode != want {
			t.Errorf("Host %q: %d, want %d", host, res.StatusCode, want)
		}
		if want == 421 {
			if res, _ := ask(t, s, "GET", "/nothing", host, nil, ""); res.StatusCode != 421 {
				t.Errorf("Host %q is routed before it is looked at: %d", host, res.StatusCode)
			}
		}
		if csp := res.Header.Get("Content-Security-Policy"); csp != policy || strings.Contains(csp, "unsafe") || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("Host %q: %v", host, res.Header)
		}
	}
}

// TestOtherPagesAreRefused: what changes something is asked for by a program, or by a page of ours that has the token.
func TestOtherPagesAreRefused(t *testing.T) {
	s := start(t, Options{})
	own := "http://" + s.Addr().String()
	form := "application/x-www-form-urlencoded"
	tests := []struct {
		name                     string
		kind, origin, site, body string
		field                    string
		want                     int
	}{
		{name: "a program", kind: "application/json", body: "{}", want: 200},
		{name: "a program without a body", want: 200},
		{name: "our page", kind: form, origin: own, site: "same-origin", body: "what=x&token=" + s.Token(), want: 200},
		{name: "our page by its script", origin: own, site: "same-origin", field: s.Token(), want: 200},
		{name: "our page without the token", kind: form, origin: own, site: "same-origin", body: "what=x", want: 403},
		{name: "a token of another process", kind: form, origin: own, site: "same-origin", body: "token=" + url.QueryEscape(strings.ToLower(s.Token())), want: 403},
		{name: "another page that knows the token", kind: form, origin: "http://evil.example", site: "cross-site", body: "token=" + s.Token(), want: 403},
		{name: "another port of this machine", kind: form, origin: "http://127.0.0.1:1", site: "same-site", body: "token=" + s.Token(), want: 403},
		{name: "an old browser's form, which says nothing of itself", kind: form, body: "what=x", want: 403},
		{name: "a form's plain text, made to look like JSON", kind: "text/plain", body: "{}", want: 403},
		{name: "a frame without an origin", kind: form, origin: "null", body: "token=" + s.Token(), want: 403},
	}
	for _, tt := range tests {
		h := http.Header{}
		for k, v := range map[string]string{"Content-Type": tt.kind, "Origin": tt.origin, "Sec-Fetch-Site": tt.site, TokenField: tt.field} {
			if v != "" {
				h.Set(k, v)
			}
		}
		if res, body := ask(t, s, "POST", "/form", "", h, tt.body); res.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d: %s", tt.name, res.StatusCode, tt.want, body)
		}
	}
	if res, _ := ask(t, s, "GET", "/page", "", http.Header{"Sec-Fetch-Site": {"cross-site"}}, ""); res.StatusCode != 200 {
		t.Errorf("a link from elsewhere: %d", res.StatusCode)
	}
}

// TestPassword: what is open asks nobody; all else asks for the password, and is refused where others come and there is none.
func TestPassword(t *testing.T) {
	basic := func(password string) http.Header {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth("ann", password)
		return r.Header
	}
	for _, tt := range []struct {
		name string
		o    Options
		path string
		h    http.Header
		want int
	}{
		{"open", Options{Password: "geheim", Exposed: true}, "/healthz", nil, 200},
		{"none given", Options{Password: "geheim"}, "/page", nil, 401},
		{"a wrong one", Options{Password: "geheim"}, "/page", basic("Geheim"), 401},
		{"an empty one", Options{Password: "geheim"}, "/page", basic(""), 401},
		{"the right one", Options{Password: "geheim"}, "/page", basic("geheim"), 200},
		{"what there is not", Options{Password: "geheim"}, "/nothing", nil, 401},
		{"exposed without one", Options{Exposed: true}, "/page", nil, 403},
		{"exposed with an empty one given", Options{Exposed: true}, "/page", basic(""), 403},
		{"exposed, and open", Options{Exposed: true}, "/healthz", nil, 200},
		{"on loopback without one", Options{}, "/page", nil, 200},
	} {
		s := start(t, tt.o)
		if res, _ := ask(t, s, "GET", tt.path, "", tt.h, ""); res.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, res.StatusCode, tt.want)
		}
	}
}

// TestWhoByCertificate: whoever shows a certificate is noted by the name in it.
func TestWhoByCertificate(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/changes", nil)
	r.RemoteAddr = "192.0.2.7:41234"
	r.SetBasicAuth("bob", "x")
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "alice"}}
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	if got := Who(r); got != "bob at 192.0.2.7" {
		t.Errorf("a certificate that nobody verified names %q", got)
	}
	r.TLS.VerifiedChains = [][]*x509.Certificate{{leaf}}
	if got := Who(r); got != "alice at 192.0.2.7" {
		t.Errorf("%q", got)
	}
}
