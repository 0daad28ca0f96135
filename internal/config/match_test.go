package config

import (
	"strings"
	"testing"
)

// routesOf parses a file with these routes and a pool web.
func routesOf(t *testing.T, routes string) (*Config, string) {
	t.Helper()
	text := "version: 1\nlisten: [{address: ':8080'}]\nroutes:\n" + routes + "\npools: {web: {endpoints: ['http://127.0.0.1:3000']}}\n"
	cfg, problems := Parse("whygate.yaml", []byte(text), Options{})
	var all []string
	for _, p := range problems {
		all = append(all, p.Message+" | "+p.Hint)
	}
	return cfg, strings.Join(all, "\n")
}

// TestMatchKeys: what a route may look at, and what is said of what it may not.
func TestMatchKeys(t *testing.T) {
	cfg, problems := routesOf(t, `
  - {name: beta, path: '~^/user/([0-9]+)$', header: {X-Beta: "1", Cookie: "~group=b"}, query: {"a[b]": "*"}, pool: web}
  - {path: "~.*", pool: web}
  - {path: /x, pool: web}`)
	if cfg == nil || problems != "" {
		t.Fatal(problems)
	}
	r := cfg.Routes[0]
	if r.Name != "beta" || len(r.Header) != 2 || r.Header[1] != (Field{"Cookie", "~group=b"}) || r.Query[0] != (Field{"a[b]", "*"}) {
		t.Errorf("%+v", r)
	}
	for _, tt := range []struct{ route, want string }{
		{`{path: "~(", pool: web}`, "regular expression that cannot be read: missing closing )"},
		{`{path: "~ ^/x", pool: web}`, `did you mean "~^/x"?`},
		{`{path: "~* \\.jpg", pool: web}`, `did you mean "~(?i)\\.jpg"?`},
		{`{path: "~^/(?=x)", pool: web}`, "no look-arounds"},
		{`{header: {X-A: "~["}, pool: web}`, "regular expression that cannot be read"},
		{`{header: {"X A": "1"}, pool: web}`, "not a header's name"},
		{`{header: {X-A: }, pool: web}`, "must have a value"},
		{`{name: "a b", pool: web}`, "must be the name of a route"},
	} {
		if cfg, problems := routesOf(t, "  - "+tt.route); cfg != nil || !strings.Contains(problems, tt.want) {
			t.Errorf("%s: %s; want %s", tt.route, problems, tt.want)
		}
	}
}

// TestMatchCovers: a route that looks at headers, or whose path is an expression, is not said to take everything.
func TestMatchCovers(t *testing.T) {
	for _, first := range []string{`{header: {X-A: "1"}, pool: web}`, `{query: {a: "1"}, pool: web}`, `{path: "~^/a.*", pool: web}`, `{path: "/a/*", pool: web}`} {
		if _, problems := routesOf(t, "  - "+first+"\n  - {path: '~^/a/b', pool: web}"); problems != "" {
			t.Errorf("%s: %s", first, problems)
		}
	}
	if _, problems := routesOf(t, "  - {path: '/*', pool: web}\n  - {path: '~^/a/b', pool: web}"); !strings.Contains(problems, "never reached") {
		t.Error(problems)
	}
}

// TestAnswerKeys: a route has one thing that answers.
func TestAnswerKeys(t *testing.T) {
	for _, tt := range []struct{ route, want string }{
		{`{path: /a}`, `"pool" is missing in routes[0] | add pool: web`},
		{`{pool: web, redirect: {to: /b}}`, "a route has one of pool, redirect, respond, files and fastcgi, and here are pool and redirect"},
		{`{redirect: {to: /b}, strip: /a}`, `"strip" is about what a pool is asked for`},
		{`{redirect: {to: /b}, timeouts: {head: 1s}}`, `timeouts are about a pool or an application, and redirect asks none`},
		{`{files: {root: /srv}, timeouts: {read: 1s}}`, `files asks none`},
		{`{redirect: {to: b}}`, "must be a place to go to"},
		{`{redirect: {to: "/b c"}}`, "without spaces"},
		{`{redirect: {to: /b, status: 304}}`, "cannot have the status 304"},
		{`{redirect: {to: /b, status: 200}}`, "must be between 301 and 308"},
		{`{respond: {status: 204, body: x}}`, "an answer 204 has no body"},
		{`{respond: {body: x}}`, `the key "status" is missing`},
		{`{path: /a/*, pool: web, strip: /a, rewrite: /$rest}`, "two answers to the same question"},
		{`{fastcgi: {address: 'fastcgi://:9000', root: /a}}`, "must be an address of an application"},
		{`{fastcgi: {address: '127.0.0.1:9000', root: a}}`, "must be an absolute path"},
		{`{fastcgi: {root: /a}}`, `the key "address" is missing`},
		{`{pool: web, auth: {}}`, `the key "users" is missing`},
		{`{pool: web, allow: [10.0.0.1/8]}`, "has bits set outside its network"},
	} {
		if cfg, problems := routesOf(t, "  - "+tt.route); cfg != nil || !strings.Contains(problems, tt.want) {
			t.Errorf("%s: %s; want %s", tt.route, problems, tt.want)
		}
	}
}

// What the gateway answers itself is not compressed, and a route that asks for it is told so.
func TestCompressWantsAPool(t *testing.T) {
	for route, refused := range map[string]bool{"{compress: on, respond: {status: 200}}": true, "{compress: off, respond: {status: 200}}": false, "{compress: on, pool: web}": false} {
		_, problems := parsed("listen: [{address: :80}]\nroutes: [" + route + ", {pool: web, path: /never}]")
		if problems.Failed() != refused {
			t.Errorf("%s: %v", route, problems)
		}
	}
}
