//go:build linux

package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
)

// gatewayWith runs a gateway with these routes, as a YAML list, and a pool web that shows the request that it gets. It gives the gateway's URL.
func gatewayWith(t *testing.T, routes, head string) string {
	t.Helper()
	shows := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Method, r.RequestURI)
	}))
	t.Cleanup(shows.Close)
	return gatewayTo(t, routes, head, shows.URL)
}

// gatewayTo is gatewayWith with an upstream of one's own.
func gatewayTo(t *testing.T, routes, head, upstream string) string {
	t.Helper()
	text := "version: 1\nlisten: [{address: '127.0.0.1:0'}]\nadmin: 127.0.0.1:0\n" + head + "\nroutes:\n" + routes + "\npools: {web: {endpoints: ['" + upstream + "']}}\n"
	cfg, problems := config.Parse("test.yaml", []byte(text), config.Options{})
	if cfg == nil {
		t.Fatalf("the configuration is not in order: %v\n%s", problems.Err(), text)
	}
	g, err := gateway.New(cfg, gateway.Options{Store: store.Nowhere, Stdout: io.Discard, Stderr: t.Output(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	t.Cleanup(func() { g.Stop(0, patience) })
	return "http://" + g.Addresses()[0].Address
}

// asked sends a request with header lines of the form "Name: value" and gives the answer and its body. Redirects are not followed.
func asked(t *testing.T, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Add(name, value)
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// TestRoutesByHeaderQueryAndExpression goes through a gateway: the conditions see what the client sent.
func TestRoutesByHeaderQueryAndExpression(t *testing.T) {
	t.Parallel()
	url := gatewayWith(t, `
  - {path: /a/*, header: {X-Beta: "1"}, set_response: {X-Route: header}, pool: web}
  - {path: /a/*, query: {debug: "*"}, set_response: {X-Route: query}, pool: web}
  - {path: '~^/a/[0-9]+$', set_response: {X-Route: expression}, pool: web}
  - {path: /a/*, header: {Host: '~^b\.'}, set_response: {X-Route: host}, pool: web}
  - {set_response: {X-Route: rest}, pool: web}`, "")
	for _, tt := range []struct{ target, header, want string }{
		{"/a/x", "x-beta: 1", "header"},
		{"/a/x?x=1&debug=0", "X-Beta: 2", "query"},
		{"/a/17", "X-Beta: 2", "expression"},
		{"/a/x", "Host: b.test", "host"},
		{"/a/x", "Host: a.test", "rest"},
	} {
		if res, _ := asked(t, "GET", url+tt.target, tt.header); res.Header.Get("X-Route") != tt.want {
			t.Errorf("%s with %s: %s, want %s", tt.target, tt.header, res.Header.Get("X-Route"), tt.want)
		}
	}
}

// TestRoutesByScheme: a route by how the client came, as a trusted proxy tells, and headers that are made of the request.
func TestRoutesByScheme(t *testing.T) {
	t.Parallel()
	url := gatewayWith(t, `
  - {scheme: http, redirect: {to: "https://$host$path$search", status: 308}}
  - {port: [1], respond: {status: 500}}
  - {make_request: {X-A: "$client $scheme $$"}, make_response: {X-B: "$host$uri"}, pool: web}`, "trusted_proxies: [127.0.0.1]")
	res, _ := asked(t, "GET", url+"/a?b", "Host: a.test")
	if res.StatusCode != 308 || res.Header.Get("Location") != "https://a.test/a?b" {
		t.Errorf("%d, %v", res.StatusCode, res.Header)
	}
	if res, _ = asked(t, "GET", url+"/a?b", "Host: a.test:1", "X-Forwarded-Proto: https"); res.StatusCode != 200 || res.Header.Get("X-B") != "a.test/a?b" {
		t.Errorf("%d, %v", res.StatusCode, res.Header)
	}
}
