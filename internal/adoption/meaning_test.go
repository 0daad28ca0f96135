package adoption

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// meaning is a configuration and what must become of it.
type meaning struct {
	name, text string
	order      []string // stand in the result, in this order
	without    []string // do not stand in it, except in comments
	notes      []string // are told
}

// holds translates the configuration and looks at the result, which must be one that Whygate takes.
func (m meaning) holds(t *testing.T) {
	t.Helper()
	m.ofFiles(t, []string{"-"}, m.text)
}

func (m meaning) ofFiles(t *testing.T, names []string, stdin string) {
	t.Helper()
	made, err := Translate(t.Context(), names, strings.NewReader(stdin))
	if err != nil {
		t.Fatal(err)
	}
	inOrder(t, made)
	var lines []string
	for line := range strings.Lines(string(made.File)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") || strings.Contains(line, "needs no counterpart") {
			lines = append(lines, line)
		}
	}
	text := strings.Join(lines, "")
	rest := text
	for _, want := range m.order {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Errorf("no %q, or not in order, in\n%s", want, text)
			break
		}
		rest = after
	}
	for _, no := range m.without {
		if strings.Contains(text, no) {
			t.Errorf("%q stands in\n%s", no, text)
		}
	}
	told := fmt.Sprint(made.Notes)
	for _, want := range m.notes {
		if !strings.Contains(told, want) {
			t.Errorf("nothing tells of %q: %s", want, told)
		}
	}
	if len(m.notes) == 0 && len(made.Notes) > 0 {
		t.Errorf("remarks that nobody expects: %.1000s", told)
	}
}

func meanings(t *testing.T, all []meaning) {
	for _, m := range all {
		t.Run(m.name, m.holds)
	}
}

func server(lines string) string {
	return "events {}\nhttp {\nserver {\nlisten 8080;\n" + lines + "\n}\n}\n"
}

// TestNginxAccess: what nginx keeps from people, the result keeps from them.
func TestNginxAccess(t *testing.T) {
	meanings(t, []meaning{
		{
			name: "a server without a name that is not the default one", order: []string{"status: 501"}, notes: []string{"return 444"},
			text:    "events {}\nhttp {\nserver {\nlisten 8080;\nlocation / { proxy_pass http://127.0.0.1:9; }\n}\nserver {\nlisten 8080 default_server;\nserver_name _;\nreturn 444;\n}\n}\n",
			without: []string{"pool:"},
		},
		{name: "internal", text: server("root /srv;\nlocation /private/ { internal; }\nlocation / { }"), order: []string{"'/private/*'", "status: 404", "files:"}, notes: []string{"X-Accel-Redirect of upstreams is not followed"}},
		{
			name: "auth_request", text: server("location /p/ { auth_request /auth; proxy_pass http://127.0.0.1:9; }\nlocation / { proxy_pass http://127.0.0.1:8; }"),
			order: []string{"'/p/*'", "respond: {status: 501}", "pool: '127-0-0-1-8'"}, notes: []string{"auth_request /auth"}, without: []string{"127.0.0.1:9"},
		},
		{
			name: "auth_request for all but one", text: server("auth_request /auth;\nlocation /p/ { auth_request off; proxy_pass http://127.0.0.1:9; }\nlocation / { root /srv; }"),
			order: []string{"'/p/*'", "pool:", "respond: {status: 501}"}, notes: []string{"auth_request /auth"}, without: []string{"files:"},
		},
		{
			name: "limit_except", text: server("location /m/ { limit_except GET { deny all; } proxy_pass http://127.0.0.1:9; }"),
			order: []string{"'/m/*'", "status: 501"}, notes: []string{"limit_except GET"},
		},
		{
			name: "satisfy any", text: server("satisfy any; allow 10.0.0.0/8; deny all; auth_basic x; auth_basic_user_file /etc/users;\nlocation / { proxy_pass http://127.0.0.1:9; }"),
			order: []string{"status: 501"}, notes: []string{"satisfy any"},
		},
		{name: "satisfy any of one", text: server("location / { allow 10.0.0.0/8; deny all; proxy_pass http://127.0.0.1:9; satisfy all; }"), order: []string{"allow: ['10.0.0.0/8']"}},
		{
			name: "users by variables", text: server("location / { auth_basic x; auth_basic_user_file /etc/$host; root /srv; }"),
			order: []string{"status: 501"}, notes: []string{"auth_basic x"}, without: []string{"files:"},
		},
		{
			name: "a condition that cannot be said", text: server("location /a/ { if ($geo) { return 403; } proxy_pass http://127.0.0.1:9; }\nlocation / { root /srv; }"),
			order: []string{"'/a/*'\n    respond: {status: 501}", "files:"}, notes: []string{"if ($geo)"}, without: []string{"pool:"},
		},
		{
			name: "a condition of the server", text: server("if ($geo) { return 403; }\nlocation /a/ { proxy_pass http://127.0.0.1:9; }"),
			order: []string{"respond: {status: 501}", "respond: {status: 501}"}, notes: []string{"if ($geo)"}, without: []string{"pool:"},
		},
		{
			name: "a return that cannot be said", text: server("location /a/ { return 403 $geo; }\nlocation /b/ { return 444; }\nlocation / { root /srv; }"),
			order: []string{"'/a/*'\n    respond: {status: 403}", "'/b/*'\n    respond: {status: 501}", "files:"}, notes: []string{"return 403 $geo", "return 444"},
		},
		{
			name: "a condition that closes", text: server("location /a/ { if ($http_x = 1) { return 444; } proxy_pass http://127.0.0.1:9; }\nlocation /b/ { if ($geo) { return 404; } proxy_pass http://127.0.0.1:9; }"),
			order: []string{"'/a/*'", "x: '1'}\n    respond: {status: 501}", "pool:", "'/b/*'\n    respond: {status: 501}"}, notes: []string{"return 444", "if ($geo)"},
		},
		{
			name: "what a condition of a refusal has taken", text: server("location /a/ { if ($http_x ~ ^(b)) { return 403 $1; } proxy_pass http://127.0.0.1:9; }"),
			order: []string{"'/a/*'\n    respond: {status: 501}"}, notes: []string{"has taken"}, without: []string{"pool:"},
		},
		{name: "return is before access", text: server("location /ret { deny all; return 200 before; }"), order: []string{"'~^/ret'", "status: 200"}, without: []string{"deny:"}},
	})
}

// TestNginxOrder: the first route that fits is the location that nginx chooses.
func TestNginxOrder(t *testing.T) {
	meanings(t, []meaning{
		{
			name: "firm and longer", text: server("location ^~ /st/ { return 200 firm; }\nlocation /st/deep/ { return 200 deep; }\nlocation ~ \\.php$ { return 200 outer; }"),
			order: []string{`~^/st/deep/.*(?:\.php$)`, "outer", "'/st/deep/*'", "deep", "'/st/*'", "firm", `'~\.php$'`, "outer"},
		},
		{
			name: "firm without expressions", text: server("location ^~ /st/ { return 200 firm; }\nlocation /st/deep/ { return 200 deep; }"), order: []string{"deep", "firm"},
		},
		{
			name: "within another", text: server("location ~ \\.php$ { return 200 outer; }\nlocation /a/ { location ~ \\.php$ { return 200 nested; } return 200 a; }"),
			order: []string{"nested", "outer", "a"},
		},
		{
			name: "beside a longer one", text: server("location /n/ { location ~ \\.x$ { return 200 nested; } return 200 short; }\nlocation /n/b/ { return 200 long; }"),
			order: []string{"'/n/b/*'", "long", `~^/n/.*(?:\.x$)`, "nested", "short"},
		},
		{
			name: "from the slash", text: server("location /a/ { location ~ /[^/]+\\.php$ { return 200 nested; } return 200 a; }"),
			order: []string{`'~^/a(?:/.*)?(?:/[^/]+\.php$)'`, "nested"},
		},
		{
			name: "never chosen", text: server("location /a/ { location /a/b/c/ { return 200 hidden; } return 200 a; }\nlocation /a/b/ { return 200 ab; }"),
			order: []string{"ab", "a"}, without: []string{"hidden"},
		},
		{
			name: "a condition on the host", text: server("server_name old.test;\nlocation = /x { return 200 exact; }\nlocation / { if ($host = old.test) { return 301 http://new/; } return 200 root; }"),
			order: []string{"exact", "http://new/", "root"},
		},
		{
			name: "the default of one address", text: "events {}\nhttp {\nserver { listen 81 default_server; listen 82; server_name b.test; return 200 b; }\nserver { listen 82 default_server; server_name a.test; return 200 a; }\n}\n",
			order: []string{"host: b.test\n    port: [82]", "b", "port: [81]", "b", "port: [82]", "a"},
		},
		{
			name: "two addresses of a port", text: "events {}\nhttp {\nserver { listen 127.0.0.1:81; return 200 b; }\nserver { listen 127.0.0.2:81; return 200 a; }\n}\n",
			order: []string{"b"}, notes: []string{"listen 127.0.0.2:81"},
		},
	})
}

// TestNginxMany: a server with as many locations as a large site has takes a moment, not minutes.
func TestNginxMany(t *testing.T) {
	var b strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&b, "location /l%d/ { proxy_pass http://127.0.0.1:%d; }\nlocation ~ ^/r%d/.*\\.x$ { root /srv; error_page 404 /e.html; }\n", i, 1000+i, i)
	}
	b.WriteString("location ~ \\.php$ { fastcgi_pass 127.0.0.1:9000; root /srv; }")
	start := time.Now()
	meaning{text: server("root /srv;\n" + b.String()), order: []string{"'/l7/*'"}}.holds(t)
	if took := time.Since(start); took > time.Minute {
		t.Errorf("%v", took)
	} else {
		t.Log(took)
	}
}

func frontend(lines string) string {
	return "defaults\n mode http\nfrontend f\n bind :8080\n" + lines + "\n default_backend app\nbackend app\n server s 127.0.0.1:9\n"
}

// TestHAProxyRules: rules stand in the order in which HAProxy runs them, and turn away whom it turns away.
func TestHAProxyRules(t *testing.T) {
	meanings(t, []meaning{
		{
			name: "rules before the choice of a backend", text: frontend(" acl adm path_beg /admin/\n use_backend app if adm\n http-request deny deny_status 429 if adm\n http-request set-header X-Late 1"),
			order: []string{"'/admin/*'\n    respond: {status: 429}", "'X-Late': '1'", "pool: app"},
		},
		{
			name:  "rules of the defaults first",
			text:  "defaults\n mode http\n http-request deny deny_status 404 if { path_beg /dadm/ }\nfrontend f\n bind :8080\n use_backend app if { path_beg /dadm/ }\n default_backend app\nbackend app\n server s 127.0.0.1:9\n",
			order: []string{"'/dadm/*'\n    respond: {status: 404}", "pool: app"},
		},
		{
			name:  "rules of a backend's own defaults",
			text:  "defaults open\n mode http\ndefaults locked\n mode http\n http-request deny unless { src 10.0.0.0/8 }\nfrontend f from open\n bind :8080\n default_backend app\nbackend app from locked\n server s 127.0.0.1:9\n",
			order: []string{"pool:", "allow: ['10.0.0.0/8']"},
		},
		{name: "return", text: frontend(" http-request return status 403 content-type text/plain string no if { path /ret }\n http-request return if { path /ok }"), order: []string{"path: /ret", "status: 403, type: 'text/plain', body: 'no'", "path: /ok", "status: 200"}},
		{
			name: "unless one or the other", text: frontend(" http-request redirect location /login unless { ssl_fc } or { path /login }"),
			without: []string{"/login"}, notes: []string{"redirect location /login"},
		},
		{
			name: "unless both", text: frontend(" http-request deny deny_status 405 unless { ssl_fc } { src 10.0.0.0/8 }"),
			order: []string{"scheme: http\n    respond: {status: 405}", "respond: {status: 501}"}, notes: []string{"deny_status 405"},
		},
		{
			name: "addresses but some of them", text: frontend(" acl trusted src 10.1.0.0/16\n http-request deny if { src 10.0.0.0/8 } !trusted"),
			order: []string{"respond: {status: 501}"}, without: []string{"allow", "deny:"}, notes: []string{"!trusted"},
		},
		{
			name: "a path and addresses", text: frontend(" http-request deny if { path_beg /admin/ } !{ src 10.0.0.0/8 }"),
			order: []string{"path: '/admin/*'\n    respond: {status: 501}", "pool: app"}, notes: []string{"/admin/"},
		},
		{name: "all but some", text: frontend(" http-request deny unless { src 10.0.0.0/8 192.168.0.0/16 }"), order: []string{"allow: ['10.0.0.0/8', '192.168.0.0/16']"}},
		{
			name: "first these, then all but some of them", text: frontend(" http-request deny if { src 127.0.0.0/8 }\n http-request deny unless { src 127.0.0.1 }"),
			order: []string{"deny: ['0.0.0.0/0', '::/0']"}, without: []string{"allow:"},
		},
		{
			name: "a condition that cannot be said", text: frontend(" http-request deny if { url_sub attack }"),
			order: []string{"respond: {status: 501}"}, notes: []string{"url_sub attack"}, without: []string{"pool:"},
		},
		{name: "users", text: frontend(" http-request auth realm x unless { path /open }"), order: []string{"respond: {status: 501}"}, notes: []string{"auth realm x"}, without: []string{"pool:"}},
		{
			name: "users of a backend", text: frontend(" use_backend two if { path /x }") + "backend two\n http-request auth unless { path /y }\n server s 127.0.0.1:8\n",
			order: []string{"path: /x\n    respond: {status: 501}", "pool: app"}, notes: []string{"http-request auth"},
		},
		{
			name: "a header twice", text: frontend(" acl a hdr(x-a) -m beg 1\n acl b hdr(X-A) -m end 2\n use_backend app if a b"),
			order: []string{"pool: app"}, notes: []string{"use_backend app if a b"},
		},
		{name: "two headers", text: frontend(" acl a hdr(x-a) 1\n acl b hdr(x-b) 2\n http-request deny if a b"), order: []string{"header: {x-a: '~(?:^|,)[ \\t]*1[ \\t]*(?:,|$)', x-b: '~(?:^|,)[ \\t]*2[ \\t]*(?:,|$)'}", "403"}},
		{
			name:  "a server's own words",
			text:  "defaults\n mode http\nfrontend f\n bind :8080\n default_backend app\nbackend app\n default-server weight 20 maxconn 5\n server s 127.0.0.1:9 weight 10 maxconn 50\n server u 127.0.0.1:8 maxconn 50\n",
			order: []string{"127.0.0.1:9, weight: 10}", "weight: 20}", "requests: 50"}, without: []string{"requests: 5}"},
		},
		{
			name:  "servers with different limits",
			text:  "defaults\n mode http\nfrontend f\n bind :8080\n default_backend app\nbackend app\n server s 127.0.0.1:9 maxconn 50\n server u 127.0.0.1:8 maxconn 60\n",
			order: []string{"requests: 50"}, notes: []string{"different limits"},
		},
		{name: "dropped without an answer", text: frontend(" http-request silent-drop if { path_beg /adm/ }"), order: []string{"'/adm/*'\n    respond: {status: 403}", "pool: app"}, notes: []string{"silent-drop"}},
		{name: "rejected before a request", text: frontend(" tcp-request connection reject if { src 10.0.0.0/8 }"), order: []string{"pool: app\n    deny: ['10.0.0.0/8']"}},
		{name: "rejected for what cannot be said", text: frontend(" tcp-request connection reject if { src_conn_rate gt 5 }"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"tcp-request"}},
		{name: "rejected by the backend", text: frontend("") + " tcp-request content reject if { src 10.0.0.0/8 }\n", order: []string{"pool:", "deny: ['10.0.0.0/8']"}},
		{name: "a program that may turn clients away", text: frontend(" http-request lua.login"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"lua.login"}},
		{name: "answers that are kept back", text: frontend(" http-response deny if { res.hdr(x) 1 }"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"kept back"}},
		{
			name: "checks in the defaults", text: "defaults\n mode http\n option httpchk\n http-check send uri /up\n timeout check 1s\nfrontend f\n bind :80\n default_backend app\nbackend app\n server s 127.0.0.1:9 check inter 9s fall 4\n",
			order: []string{"check: {path: /up, every: 9s, timeout: 1s, fall: 4}"},
		},
		{
			name: "times of clients", text: "defaults\n mode http\n timeout client 30s\n timeout http-request 4s\nfrontend f\n bind :80\n default_backend app\nfrontend g\n bind :81\n timeout client 40s\n default_backend app\nbackend app\n server s 127.0.0.1:9\n",
			order: []string{"limits: {head_time: 4s, idle: 40s}"}, notes: []string{"timeout client 40s: limits.idle is one"},
		},
		{name: "monitor-uri", text: frontend(" monitor-uri /health\n http-request deny deny_status 404"), order: []string{"path: /health", "Service ready", "status: 404"}},
	})
}

func site(lines string) string {
	return "{\n\tauto_https off\n}\nhttp://:8080 {\n" + lines + "\n}\n"
}

// TestCaddyMeaning: what Caddy keeps from people, the result keeps from them, and paths are those that Caddy compares.
func TestCaddyMeaning(t *testing.T) {
	proxy := "\treverse_proxy 127.0.0.1:9"
	meanings(t, []meaning{
		{name: "basic_auth", text: site("\tbasic_auth {\n\t\tu x\n\t}\n" + proxy), order: []string{"status: 501"}, without: []string{"pool:"}, notes: []string{"basic_auth"}},
		{name: "forward_auth", text: site("\tforward_auth 127.0.0.1:2 {\n\t\turi /x\n\t}\n" + proxy), order: []string{"status: 501"}, without: []string{"pool:"}, notes: []string{"forward_auth"}},
		{
			name: "basic_auth of a path", text: site("\tbasicauth /a/* {\n\t\tu x\n\t}\n" + proxy),
			order: []string{"'~(?i)^/a/'\n    respond: {status: 501}", "pool:"}, notes: []string{"basicauth"},
		},
		{
			name: "in a handle", text: site("\thandle /a/* {\n\t\tbasic_auth {\n\t\t\tu x\n\t\t}\n\t\troot * /srv\n\t\tfile_server\n\t}\n" + proxy),
			order: []string{"'~(?i)^/a/'\n    respond: {status: 501}", "pool:"}, without: []string{"files:"}, notes: []string{"basic_auth"},
		},
		{
			name: "a matcher that cannot be said", text: site("\t@out not remote_ip 10.0.0.0/8\n\trespond @out 403\n" + proxy),
			order: []string{"status: 501"}, without: []string{"pool:"}, notes: []string{"respond @out 403"},
		},
		{
			name: "placeholders in a refusal", text: site("\trespond /admin/* \"no, {remote_host}\" 403\n\trespond /x/* 403 {\n\t\tclose\n\t}\n" + proxy),
			order: []string{"'~(?i)^/admin/'\n    respond: {status: 403}", "'~(?i)^/x/'\n    respond: {status: 403}", "pool:"}, notes: []string{"placeholders", "respond /x/*"},
		},
		{name: "bind", text: site("\tbind 127.0.0.1\n" + proxy), order: []string{"address: '127.0.0.1:8080'"}},
		{name: "case", text: site("\trespond /admin/* no 403\n\tredir /old /new\n" + proxy), order: []string{"'~(?i)^/old$'", "'~(?i)^/admin/'", "pool:"}},
		{
			name: "order within a site", text: site("\t@a host a.test\n\tredir /old /new\n\trespond /admin/* no 403\n\treverse_proxy @a 127.0.0.1:1\n" + proxy),
			order: []string{"/old", "/admin/", "host: a.test", "127-0-0-1-9"},
		},
		{name: "a rewrite of a path", text: site("\trewrite /old /new\n" + proxy), order: []string{"pool:"}, notes: []string{"rewrite /old /new"}, without: []string{"rewrite:"}},
		{name: "a root of a path", text: site("\troot /a/* /srv\n\tfile_server"), order: []string{"501"}, notes: []string{"root /a/*"}, without: []string{"files:"}},
		{
			name: "a prefix and a rewrite", text: site("\thandle_path /a/* {\n\t\trewrite * /new\n\t\treverse_proxy 127.0.0.1:9\n\t}"),
			order: []string{"pool:"}, notes: []string{"rewrite * /new"},
		},
		{name: "rewritten files", text: site("\troot * /srv\n\trewrite * /index.html\n\tfile_server"), order: []string{"status: 501"}, without: []string{"files:"}, notes: []string{"rewrite"}},
		{name: "several words", text: site("\troot * /srv\n\ttry_files {path}.html /index.html\n\tfile_server"), order: []string{"files:"}, notes: []string{"try_files"}},
		{name: "a last word", text: site("\troot * /srv\n\ttry_files {path} /index.html\n\tfile_server"), order: []string{"missing: /index.html"}},
		{
			name: "a path behind a changed one", text: site("\turi strip_prefix /api\n\thandle /users/* {\n\t\treverse_proxy 127.0.0.1:9\n\t}\n\trespond 404"),
			order: []string{"status: 404"}, without: []string{"pool:"}, notes: []string{"handle /users/*"},
		},
		{name: "a snippet in itself", text: "(a) {\n\timport a\n\timport a\n\timport a\n}\n:80 {\n\timport a\n\trespond 204\n}\n", order: []string{"204"}, notes: []string{"a cycle"}},
		{name: "snippets that multiply", text: multiplied(12), order: []string{"routes:"}, notes: []string{"too many lines"}},
	})
}

// multiplied is a Caddyfile of a few lines that are many once imports are replaced.
func multiplied(levels int) string {
	var b strings.Builder
	b.WriteString("(s0) {\n\theader A b\n}\n")
	for i := 1; i <= levels; i++ {
		fmt.Fprintf(&b, "(s%d) {\n%s}\n", i, strings.Repeat(fmt.Sprintf("\timport s%d\n", i-1), 5))
	}
	fmt.Fprintf(&b, ":80 {\n\timport s%d\n\treverse_proxy 127.0.0.1:9\n}\n", levels)
	return b.String()
}

// traefikFiles translates several files of Traefik.
func traefikFiles(t *testing.T, m meaning, files ...string) {
	t.Helper()
	var names []string
	for i, text := range files {
		name := filepath.Join(t.TempDir(), fmt.Sprintf("f%d.yml", i))
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	m.ofFiles(t, names, "")
}

// TestTraefikMeaning: routers are for their entry points, stand in their order whatever file they are in, and keep what guards them.
func TestTraefikMeaning(t *testing.T) {
	static := "entryPoints:\n  web: {address: \":81\"}\n  secure: {address: \":82\", http: {tls: {}}}\n  internal: {address: \"127.0.0.1:83\"}\n"
	service := "  services:\n    a: {loadBalancer: {servers: [{url: \"http://127.0.0.1:9/base\"}]}}\n"
	router := func(more string) string {
		return "http:\n  routers:\n    one: {rule: \"PathPrefix(`/p`)\", service: a" + more + "}\n" + service
	}
	certificate := "its certificate"
	for name, c := range map[string]struct {
		meaning
		files []string
	}{
		"an entry point":     {meaning{order: []string{"scheme: http\n    port: [83]\n    path: '~^/p'"}, notes: []string{certificate}, without: []string{"port: [81]"}}, []string{static, router(", entryPoints: [internal]")}},
		"TLS of an entry":    {meaning{order: []string{"scheme: https\n    port: [82]"}, notes: []string{certificate}}, []string{static, router(", entryPoints: [secure]")}},
		"unknown entry":      {meaning{order: []string{"pool: a"}, notes: []string{"entry point nowhere"}}, []string{router(", entryPoints: [nowhere]")}},
		"every entry":        {meaning{order: []string{"scheme: http\n    port: [81]", "scheme: https\n    port: [82]", "scheme: http\n    port: [83]"}, notes: []string{certificate}}, []string{static, router("")}},
		"order across files": {meaning{order: []string{"/p/longer", "'~^/p'"}}, []string{router(""), "http:\n  routers:\n    two: {rule: \"PathPrefix(`/p/longer`)\", service: a}\n" + service}},
		"users in the file":  {meaning{order: []string{"status: 501"}, without: []string{"pool:"}, notes: []string{"users in the file"}}, []string{router(", middlewares: [m]") + "  middlewares:\n    m: {basicAuth: {users: [\"u:x\"]}}\n"}},
		"forwardAuth":        {meaning{order: []string{"status: 501"}, without: []string{"pool:"}, notes: []string{"forwardAuth"}}, []string{router(", middlewares: [c]") + "  middlewares:\n    c: {chain: {middlewares: [m]}}\n    m: {forwardAuth: {address: \"http://127.0.0.1:1\"}}\n"}},
		"missing middleware": {meaning{order: []string{"status: 501"}, without: []string{"pool:"}, notes: []string{"no such middleware"}}, []string{router(", middlewares: [\"m@docker\"]")}},
		"ipStrategy":         {meaning{order: []string{"status: 501"}, without: []string{"allow:"}, notes: []string{"ipStrategy"}}, []string{router(", middlewares: [m]") + "  middlewares:\n    m: {ipAllowList: {sourceRange: [10.0.0.0/8], ipStrategy: {depth: 1}}}\n"}},
		"two paths":          {meaning{order: []string{"rewrite: /y", "endpoints: [http://127.0.0.1:9]"}, without: []string{"/x"}}, []string{router(", middlewares: [m, n]") + "  middlewares:\n    m: {addPrefix: {prefix: /x}}\n    n: {replacePath: {path: /y}}\n"}},
		"options of TLS":     {meaning{order: []string{"status: 501"}, without: []string{"pool:"}, notes: []string{"clients for certificates"}}, []string{router(", tls: {options: mtls}")}},
		"several paths":      {meaning{order: []string{"pool:"}, notes: []string{"the rule"}, without: []string{"/a*"}}, []string{router("") + "", "http:\n  routers:\n    two: {rule: \"Path(`/a*`, `/b`)\", service: a}\n"}},
		"of an entry":        {meaning{order: []string{"allow: ['10.0.0.0/8']"}}, []string{"entryPoints:\n  web: {address: \":81\", http: {middlewares: [m]}}\n", router("") + "  middlewares:\n    m: {ipAllowList: {sourceRange: [10.0.0.0/8]}}\n"}},
	} {
		t.Run(name, func(t *testing.T) { traefikFiles(t, c.meaning, c.files...) })
	}
}

// TestTranslateEnds: who interrupts a translation does not wait for its end.
func TestTranslateEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := newDraft()
	if err := fromTraefik(ctx, d, nil); err != nil {
		t.Error("nothing to interrupt: ", err)
	}
	one := &topology.Proxy{Tree: []*node{{Name: "server", Kids: []*node{{Name: "location", Args: []string{"/"}}}}}}
	if err := fromNginx(ctx, d, []*topology.Proxy{one}); !errors.Is(err, context.Canceled) {
		t.Error("nginx: ", err)
	}
	if err := each(fromCaddy)(ctx, d, []*topology.Proxy{one}); !errors.Is(err, context.Canceled) {
		t.Error("caddy: ", err)
	}
}

// TestNginxMeaning: what a directive does, the result does, or a remark tells of it.
func TestNginxMeaning(t *testing.T) {
	meanings(t, []meaning{
		{
			name: "a rewrite before files", text: server("root /srv;\nlocation /dl/ { rewrite ^/dl/(.*)$ /files/$1 break; }"),
			order: []string{"'~^/dl/(.*)$'\n    respond: {status: 501}"}, notes: []string{"rewrite ^/dl/(.*)$"},
		},
		{name: "variables leave the query out", text: server("location ~ ^/u/(.*)$ { proxy_pass http://127.0.0.1:9/x/$1; }"), order: []string{"rewrite: '/x/$1?'"}},
		{name: "variables with the query", text: server("location ~ ^/u/(.*)$ { proxy_pass http://127.0.0.1:9/x/$1$is_args$args; }"), order: []string{"rewrite: '/x/$1$search?'"}},
		{name: "a host by a variable", text: server("set $app 127.0.0.1:9;\nlocation /a/ { proxy_pass http://$app/x; }"), order: []string{"rewrite: '/x?'"}},
		{
			name: "two headers of a name", text: server("add_header Link \"<a>\"; add_header X-Ok 1; add_header Link \"<b>\";\nlocation / { root /srv; }"),
			order: []string{"'Link': '<a>', 'X-Ok': '1'"}, notes: []string{"add_header Link <b>"}, without: []string{"<b>"},
		},
		{name: "needless only as they are", text: server("location / { proxy_pass http://127.0.0.1:9; proxy_redirect off; merge_slashes off; }"), order: []string{"pool:"}},
		{
			name: "not needless", text: server("merge_slashes on;\nlocation / { proxy_pass http://127.0.0.1:9; proxy_redirect http://a/ /b/; proxy_pass_request_headers off; }"),
			order: []string{"pool:"}, notes: []string{"proxy_redirect", "proxy_pass_request_headers off", "merge_slashes on"},
		},
		{
			name: "a socket beside a port", text: "events {}\nhttp {\nserver { listen 8080; location / { return 403; } }\nserver { listen unix:/run/in.sock; location / { return 200 inside; } }\n}\n",
			order: []string{"403"}, without: []string{"inside"}, notes: []string{"a unix socket beside ports"},
		},
		{
			name: "a header that clients must not set", text: server("location / { proxy_set_header X-Verified $ssl_client_verify; proxy_pass http://127.0.0.1:9; }"),
			order: []string{"set_request: {'X-Verified': ''}"}, notes: []string{"is taken away"},
		},
		{name: "pages of a return", text: server("root /srv;\nlocation /err/ { error_page 404 /index.html; return 404; }"), order: []string{"'/err/*'\n    respond: {status: 404}"}, notes: []string{"its page of 404"}},
		{
			name: "texts that look like more", text: server("location / { if ($http_x = \"*\") { return 403; } if ($http_x = \"~bot\") { return 402; } return 200 y; }"),
			order: []string{`x: '~^\*$'`, "403", "x: '~^~bot$'", "402"},
		},
		{name: "no header", text: server("location / { if ($http_x = \"\") { return 403; } return 200 y; }"), order: []string{"x: ''", "403", "200"}},
		{
			name: "a page that is asked for elsewhere", text: server("root /srv;\nerror_page 404 /e.html;\nlocation / { proxy_pass http://127.0.0.1:9; }"),
			order: []string{"pool:"}, notes: []string{"error_page 404 /e.html"}, without: []string{"errors:"},
		},
		{name: "a host on another port", text: server("if ($host ~ ^www\\.x\\.test$) { return 301 http://x.test/; }\nlocation / { return 200 y; }"), order: []string{`{Host: '~(?i)^www\.x\.test(:[0-9]+)?$'}`, "http://x.test/"}},
		{
			name: "what a condition has taken", text: server("if ($host ~* ^www\\.(.*)$) { return 301 https://$1$request_uri; }\nlocation /r { return 301 /q/$1; }"),
			order: []string{"404"}, notes: []string{"if ($host", "return 301 /q/$1"}, without: []string{"$1"},
		},
		{name: "what a location has taken", text: server("location ~ ^/p/(.*)$ { return 301 /q/$1; }"), order: []string{"/q/$1"}},
	})
}
