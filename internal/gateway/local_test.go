//go:build linux

package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
)

// TestRedirectRespondRewrite: what a route answers by itself, and what it asks the pool for.
func TestRedirectRespondRewrite(t *testing.T) {
	t.Parallel()
	url := gatewayWith(t, `
  - {host: plain.test, redirect: {to: "https://$host$uri", status: 301}}
  - {path: "~^/user/([0-9]+)/(?P<what>[a-z]+)$", redirect: {to: "/u/$1?show=$what&$query", status: 308}}
  - {path: "/caf%c3%a9/*", redirect: {to: "/c/$rest"}}
  - {path: /moved, respond: {status: 301, body: moved}, set_response: {Location: "https://a.test/"}}
  - {path: /data, respond: {status: 200}, set_response: {Content-Type: text/csv}}
  - {path: "/old/*", redirect: {to: "/$rest"}}
  - {path: "/cost/*", redirect: {to: "/pay$$", status: 307}}
  - {path: /robots.txt, respond: {status: 200, body: "User-agent: *\nDisallow: /\n"}, set_response: {Cache-Control: max-age=60, Content-Type: x/y}}
  - {path: /gone, respond: {status: 410}}
  - {path: /nothing, respond: {status: 204}}
  - {path: "/api/*", rewrite: "/v2/$rest", pool: web}
  - {path: "~^/blog/(.*)$", rewrite: "/index.php?p=$1", pool: web}
  - {path: "/only/*", rewrite: "/index.php?q=$path?", pool: web}
  - {path: "/way/*", rewrite: "/in/$rest/../x", pool: web}
  - {pool: web}`, "")
	for _, tt := range []struct {
		target, host  string
		status        int
		location, got string
	}{
		{"/a?b=c", "plain.test:8080", 301, "https://plain.test/a?b=c", ""},
		{"/user/17/cart?x=y", "", 308, "/u/17?show=cart&x=y", ""},
		{"/old/a/b?x=y", "", 302, "/a/b", ""},
		{"/old//elsewhere.example/", "", 302, "/elsewhere.example/", ""},
		{"/old/%5C/elsewhere.example/", "", 302, "/%5C/elsewhere.example/", ""},
		{"/caf%C3%A9/x", "", 302, "/c/x", ""},
		{"/caf%c3%a9/", "", 302, "/c/", ""},
		{"/moved", "", 301, "https://a.test/", "moved"},
		{"/cost/x", "", 307, "/pay$", ""},
		{"/robots.txt", "", 200, "", "User-agent: *\nDisallow: /\n"},
		{"/gone", "", 410, "", ""},
		{"/nothing", "", 204, "", ""},
		{"/api/users?x=y", "", 200, "", "GET /v2/users?x=y"},
		{"/blog/post/1?x=y", "", 200, "", "GET /index.php?p=post/1&x=y"},
		{"/blog/post/1", "", 200, "", "GET /index.php?p=post/1"},
		{"/only/a?x=y", "", 200, "", "GET /index.php?q=/only/a"},
		{"/way/a", "", 200, "", "GET /in/x"},
		{"/rest", "", 200, "", "GET /rest"},
	} {
		host := "Host: a.test"
		if tt.host != "" {
			host = "Host: " + tt.host
		}
		res, body := asked(t, "GET", url+tt.target, host)
		if res.StatusCode != tt.status || res.Header.Get("Location") != tt.location || body != tt.got {
			t.Errorf("%s: %d, Location %q, %q; want %d, %q, %q", tt.target, res.StatusCode, res.Header.Get("Location"), body, tt.status, tt.location, tt.got)
		}
		if res.Header.Get("X-Request-ID") == "" {
			t.Errorf("%s: no X-Request-ID", tt.target)
		}
	}
	if res, _ := asked(t, "GET", url+"/data"); res.Header.Get("Content-Type") != "text/csv" {
		t.Errorf("/data: %v", res.Header)
	}
	res, body := asked(t, "HEAD", url+"/robots.txt")
	if res.ContentLength != 26 || body != "" || res.Header.Get("Cache-Control") != "max-age=60" || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("HEAD: %d octets, %q, %v", res.ContentLength, body, res.Header)
	}
}

// TestAccess: who may ask by address, behind a proxy that is trusted as well.
func TestAccess(t *testing.T) {
	t.Parallel()
	const routes = `
  - {path: /inside, allow: [10.0.0.0/8], deny: [10.1.0.0/16], pool: web}
  - {path: /here, allow: [127.0.0.1], respond: {status: 200, body: here}}
  - {path: /not-here, deny: [127.0.0.0/8], respond: {status: 200, body: here}}`
	trusting, alone := gatewayWith(t, routes, "trusted_proxies: [127.0.0.1]"), gatewayWith(t, routes, "")
	for _, tt := range []struct {
		url, path, client string
		status            int
	}{
		{trusting, "/inside", "10.2.3.4", 200},
		{trusting, "/inside", "10.1.3.4", 403},
		{trusting, "/inside", "192.0.2.1", 403},
		{trusting, "/inside", "10.2.3.4, 192.0.2.1", 403},
		{trusting, "/inside", "unknown", 403},
		{trusting, "/not-here", "192.0.2.1", 200},
		{alone, "/inside", "10.2.3.4", 403}, // anybody can write that
		{alone, "/here", "10.2.3.4", 200},
		{alone, "/not-here", "10.2.3.4", 403},
	} {
		if res, body := asked(t, "GET", tt.url+tt.path, "X-Forwarded-For: "+tt.client); res.StatusCode != tt.status {
			t.Errorf("%s from %s: %d, want %d: %s", tt.path, tt.client, res.StatusCode, tt.status, body)
		}
	}
}

// TestBasicAuth: a name and its password, and nobody else.
func TestBasicAuth(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("s3cret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte("ann:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := gatewayWith(t, "\n  - {auth: {users: "+file+", realm: Staff only}, pool: web}", "")
	for _, tt := range []struct {
		name, header string
		status       int
	}{
		{"none", "X-A: b", 401},
		{"right", "Authorization: Basic YW5uOnMzY3JldA==", 200},
		{"right again", "Authorization: basic YW5uOnMzY3JldA==", 200},
		{"wrong password", "Authorization: Basic YW5uOnMzY3JldDE=", 401},
		{"wrong user", "Authorization: Basic Ym9iOnMzY3JldA==", 401},
		{"not base 64", "Authorization: Basic !", 401},
		{"another scheme", "Authorization: Bearer YW5uOnMzY3JldA==", 401},
	} {
		res, _ := asked(t, "GET", url+"/", tt.header)
		if res.StatusCode != tt.status {
			t.Errorf("%s: %d, want %d", tt.name, res.StatusCode, tt.status)
		}
		if challenge := res.Header.Get("WWW-Authenticate"); tt.status == 401 && challenge != `Basic realm="Staff only", charset="UTF-8"` {
			t.Errorf("%s: challenged with %s", tt.name, challenge)
		}
	}
}

// TestRouteProblems: what check says of a route that cannot do what it should.
func TestRouteProblems(t *testing.T) {
	for _, tt := range []struct{ route, want string }{
		{`{redirect: {to: /$1}}`, "there is no group for $1"},
		{`{path: "~^/a$", redirect: {to: /$1}}`, "there is no group for $1"},
		{`{path: "~^/(a)$", redirect: {to: /$rest}}`, "$rest is what the star"},
		{`{redirect: {to: /$nobody}}`, "$nobody is no variable"},
		{`{auth: {users: /nowhere/users}, pool: web}`, "routes[0].auth.users"},
		{`{path: /a, rewrite: "/b$", pool: web}`, "is no variable"},
	} {
		cfg, problems := config.Parse("test.yaml", []byte("version: 1\nlisten: [{address: ':0'}]\nroutes:\n  - "+tt.route+"\npools: {web: {endpoints: ['http://127.0.0.1:1']}}"), config.Options{})
		if cfg == nil {
			t.Fatal(problems.Err())
		}
		if problems := gateway.Check(cfg); problems.Err() == nil || !strings.Contains(problems.Err().Error(), tt.want) || problems[0].Line != 4 {
			t.Errorf("%s: %v, want %s", tt.route, problems, tt.want)
		}
	}
}

// TestDeniedAsksNobody: neither an address that may not ask nor a request without a password reaches an endpoint.
func TestDeniedAsksNobody(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the endpoint was asked") }))
	t.Cleanup(upstream.Close)
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte("ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := gatewayTo(t, "\n  - {path: /a, deny: [127.0.0.1], pool: web}\n  - {auth: {users: "+file+"}, pool: web}", "", upstream.URL)
	for _, path := range []string{"/a", "/b"} {
		if res, _ := asked(t, "POST", url+path); res.StatusCode != 403 && res.StatusCode != 401 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}
