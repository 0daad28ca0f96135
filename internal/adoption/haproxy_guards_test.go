package adoption

import "testing"

// TestHAProxyGuards: whom HAProxy turns away by a backend, by a rule that cannot be said, or by what it has made of a request, gets in nowhere.
func TestHAProxyGuards(t *testing.T) {
	backends := func(rule, target string) string {
		return "defaults\n mode http\nfrontend f\n bind :8080\n" + rule + "\n default_backend app\nbackend app\n server s 127.0.0.1:9\nbackend other\n" + target + "\n"
	}
	server := " server t 127.0.0.1:8"
	lost := func(name, text string, notes ...string) meaning {
		return meaning{name: name, text: text, order: []string{"respond: {status: 501}"}, without: []string{"pool:"}, notes: notes}
	}
	unsaid := " use_backend other if { sc_http_req_rate(0) gt 10 }"
	meanings(t, []meaning{
		lost("a backend that denies", backends(unsaid, " http-request deny"), "use_backend other"),
		lost("a backend that denies some", backends(unsaid, " http-request deny unless { src 10.0.0.0/8 }\n"+server), "use_backend other"),
		lost("a backend that answers by itself", backends(unsaid, " http-request return status 403"), "use_backend other"),
		lost("a backend that sends to a log-in", backends(unsaid, " redirect location /login"), "use_backend other"),
		lost("a backend without servers", backends(unsaid, " balance roundrobin"), "use_backend other"),
		lost("a backend of a disabled server", backends(unsaid, server+" disabled"), "use_backend other"),
		lost("by the client's address", backends(" use_backend other if { src 10.0.0.0/8 }", " http-request deny"), "a choice by the client's address"),
		lost("a backend by a map", backends(" use_backend %[req.hdr(host),lower,map(/m)]", " http-request deny"), "use_backend"),
		{name: "an open backend", text: backends(unsaid, server), order: []string{"pool: app"}, notes: []string{"use_backend other"}},
		{name: "a denying backend, by half a condition", text: backends(" use_backend other if { path_beg /a/ } { sc_http_req_rate(0) gt 10 }", " http-request deny"), order: []string{"'/a/*'\n    respond: {status: 501}", "- pool: app"}, notes: []string{"what it may be for"}},
		{name: "a rule of a backend", text: backends(" use_backend other if { path_beg /a/ }", " http-request deny if METH_POST\n"+server), order: []string{"path: '/a/*'\n    method: ['POST']\n    respond: {status: 403}", "path: '/a/*'\n    pool: other", "- pool: app"}},
		{name: "addresses of a backend", text: backends(" use_backend other if { path_beg /a/ }", " http-request deny unless { src 10.0.0.0/8 }\n"+server), order: []string{"pool: other\n    allow: ['10.0.0.0/8']\n  - pool: app\n"}},
		{name: "a redirect of a backend", text: backends(" use_backend other if { path_beg /a/ }", " redirect scheme https unless { ssl_fc }\n"+server), order: []string{"path: '/a/*'\n    scheme: http\n    redirect:", "path: '/a/*'\n    pool: other"}},
		{name: "a rule of a backend beside another path", text: backends(" use_backend other if { path_beg /a/ }", " http-request deny if { path_end .bak }\n"+server), order: []string{"path: '/a/*'\n    respond: {status: 501}", "- pool: app"}, without: []string{"pool: other"}, notes: []string{"looks at what led to it"}},
		{name: "users for a path", text: frontend(" http-request auth realm x if { path_beg /a/ } !{ http_auth(u) }"), order: []string{"'/a/*'\n    respond: {status: 501}", "pool: app"}, notes: []string{"http-request auth"}},
		{name: "a log-in", text: frontend(" http-request redirect location /login unless { req.cook(session) -m found } || { path_beg /public/ }"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"http-request redirect"}},
		{name: "where a request leads", text: frontend(" acl main hdr(host) -i a.test\n http-request redirect prefix http://a.test unless main"), order: []string{"pool: app"}, notes: []string{"http-request redirect"}},
		{name: "by the client's address, elsewhere", text: frontend(" redirect location /out if { src 10.0.0.0/8 }"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"redirect location"}},
		lost("an answer to others", frontend(" http-request return status 503 if { nbsrv(app) lt 1 }"), "http-request return"),
		lost("an answer by addresses", frontend(" http-request return status 403 content-type text/plain string no if { src 10.0.0.0/8 }"), "http-request return"),
		{name: "an answer from a file", text: frontend(" http-request return status 503 content-type text/html file /m.html if { path_beg /a/ }"), order: []string{"'/a/*'\n    respond: {status: 503, type: 'text/html'}"}, notes: []string{"without a text"}},
		lost("a header that a line has set", frontend(" http-request set-header X-In 1 if { src 10.0.0.0/8 }\n http-request deny if !{ req.hdr(x-in) -m found }"), "http-request deny"),
		lost("a header that a line has taken off", frontend(" http-request del-header X-In\n http-request deny unless { req.hdr(x-in) -m found }"), "http-request deny"),
		lost("a path that a line has changed", frontend(" http-request set-path %[path,lower]\n http-request deny if { path_beg /admin }"), "http-request deny"),
		lost("a network of its own", frontend(" bind :81 interface eth1"), "a network of its own"),
		{name: "global lines", text: "global\n daemon\n tune.bufsize 32768\n ssl-default-bind-options no-sslv3\n lua-load /x.lua\n ssl-server-verify none\n" + frontend(""), order: []string{"pool:"}, notes: []string{"lua-load /x.lua", "ssl-server-verify none"}},
		{name: "defaults of defaults", text: "defaults base\n mode http\n timeout client 7s\ndefaults guarded from base\n http-request deny if { path /x }\nfrontend f from guarded\n bind :80\n default_backend app\nbackend app from base\n server s 127.0.0.1:9\n", order: []string{"idle: 7s", "path: /x\n    respond: {status: 403}", "pool: app"}},
		{name: "servers of which one is verified", text: "defaults\n mode http\nfrontend f\n bind :80\n default_backend app\nbackend app\n server s 127.0.0.1:9 ssl verify none\n server t 127.0.0.1:8 ssl verify required\n", order: []string{"pool: app"}, without: []string{"verify: false"}, notes: []string{"in different ways"}},
		{name: "servers that are not verified", text: "defaults\n mode http\n default-server ssl verify none\nfrontend f\n bind :80\n default_backend app\nbackend app\n server s 127.0.0.1:9\n server t 127.0.0.1:8\n", order: []string{"verify: false"}},
		{name: "what a check sends", text: "defaults\n mode http\nfrontend f\n bind :80\n default_backend app\nbackend app\n option httpchk\n http-check send meth HEAD uri /h hdr X-A b\n server s 127.0.0.1:9 check\n", order: []string{"path: /h"}, notes: []string{"http-check send meth HEAD uri /h hdr X-A b: meth", "X-A b: hdr"}},
		{name: "TLS 1.3 alone", text: frontend(" bind :8443 ssl crt /a.pem ssl-min-ver TLSv1.3"), order: []string{"cert: /a.pem"}, notes: []string{"TLS 1.2 is spoken too"}},
		{name: "a list of certificates", text: frontend(" bind :8443 ssl crt-list /l crt /a.pem"), order: []string{"cert: /a.pem"}, notes: []string{"[-:5: not translated: bind :8443 ssl crt-list /l crt /a.pem: crt-list]"}},
	})
}

// TestReach: what listens where fewer clients come is not reached by others on its port.
func TestReach(t *testing.T) {
	nginx := func(a, b string) string {
		return "events {}\nhttp {\nserver {\nlisten " + a + ";\nserver_name admin.test;\nlocation / { proxy_pass http://127.0.0.1:8; }\n}\nserver {\nlisten " + b + ";\nserver_name b.test;\nlocation / { proxy_pass http://127.0.0.1:9; }\n}\n}\n"
	}
	haproxy := func(a, b string) string {
		return "defaults\n mode http\nfrontend admin\n bind " + a + "\n default_backend a\nfrontend web\n bind " + b + "\n default_backend b\nbackend a\n server s 127.0.0.1:8\nbackend b\n server s 127.0.0.1:9\n"
	}
	apache := func(a, b string) string {
		return "<VirtualHost " + a + ">\nServerName admin.test\nProxyPreserveHost On\nProxyPass / http://127.0.0.1:8/\n</VirtualHost>\n<VirtualHost " + b + ">\nServerName b.test\nProxyPreserveHost On\nProxyPass / http://127.0.0.1:9/\n</VirtualHost>\n"
	}
	caddy := func(global, bind string) string {
		return global + "http://admin.test {\n" + bind + "\n\treverse_proxy 127.0.0.1:8\n}\nhttp://b.test {\n\tbind 203.0.113.1\n\treverse_proxy 127.0.0.1:9\n}\n"
	}
	narrow := func(name, text string) meaning {
		return meaning{name: name, text: text, order: []string{"http://127.0.0.1:9"}, without: []string{"127.0.0.1:8]"}, notes: []string{"are reached by more clients"}}
	}
	both := func(name, text string, notes ...string) meaning {
		return meaning{name: name, text: text, order: []string{"pool: ", "pool: "}, notes: notes}
	}
	meanings(t, []meaning{
		narrow("nginx, loopback", nginx("127.0.0.1:80", "80")),
		narrow("nginx, loopback and private", nginx("127.0.0.1:80", "10.0.0.1:80")),
		narrow("nginx, private", nginx("10.0.0.1:80", "203.0.113.1:80")),
		both("nginx, alike", nginx("10.0.0.1:80", "10.0.0.2:80"), "routes look at the port alone"),
		both("nginx, other ports", nginx("127.0.0.1:81", "80")),
		both("nginx, both of one", nginx("127.0.0.1:80;\nlisten 80", "80"), "routes look at the port alone"),
		narrow("HAProxy, loopback", haproxy("127.0.0.1:80", ":80")),
		{name: "HAProxy, alike", text: haproxy("203.0.113.1:80", "203.0.113.2:80"), order: []string{"pool: a"}, notes: []string{"of another address"}},
		both("HAProxy, one", haproxy("127.0.0.1:81", ":80")),
		narrow("Apache, loopback", apache("127.0.0.1:80", "*:80")),
		both("Apache, alike", apache("*:80", "*:80")),
		narrow("Caddy, loopback", caddy("", "\tbind 127.0.0.1")),
		narrow("Caddy, loopback for who says nothing", caddy("{\n\tdefault_bind 127.0.0.1\n}\n", "")),
		both("Caddy, all", caddy("", ""), "already listened on"),
	})
}
