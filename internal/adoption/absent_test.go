package adoption

import "testing"

// TestAbsentHeader: whom a condition on a header keeps out that is not sent, stays out.
func TestAbsentHeader(t *testing.T) {
	pass := "\nlocation / { proxy_pass http://127.0.0.1:9; }"
	both := func(value string) []string {
		return []string{"header: {user-agent: '" + value + "'}\n    respond: {status: 403}", "header: {user-agent: ''}\n    respond: {status: 403}", "pool:"}
	}
	apache := func(condition string) string {
		return apacheHostText("RewriteEngine On\nRewriteCond " + condition + "\nRewriteRule .* - [F]\nProxyPreserveHost On\nProxyPass / http://127.0.0.1:9/")
	}
	agent := func(value string) []string {
		return []string{"header: {'USER-AGENT': '" + value + "'}\n    respond: {status: 403}", "header: {'USER-AGENT': ''}\n    respond: {status: 403}", "pool:"}
	}
	meanings(t, []meaning{
		{name: "nginx, equal", text: server(`if ($http_user_agent = "") { return 403; }` + pass), order: []string{"header: {user-agent: ''}\n    respond: {status: 403}", "pool:"}},
		{name: "nginx, an expression", text: server("if ($http_user_agent ~ ^$) { return 403; }" + pass), order: both("~^$")},
		{name: "nginx, perhaps a dash", text: server(`if ($http_user_agent ~* "^-?$") { return 403; }` + pass), order: both("~(?i)^-?$")},
		{name: "nginx, an empty alternative", text: server(`if ($http_user_agent ~ (curl|)) { return 403; }` + pass), order: both("~(curl|)")},
		{name: "nginx, a parameter", text: server(`if ($arg_key ~ "^$") { return 403; }` + pass), order: []string{"query: {key: '~^$'}\n    respond:", "query: {key: ''}\n    respond:", "pool:"}},
		{name: "nginx, in a location", text: server("location /a/ { if ($http_referer ~ ^-?$) { return 403; } proxy_pass http://127.0.0.1:9; }"), order: []string{"path: '/a/*'\n    header: {referer: '~^-?$'}", "path: '/a/*'\n    header: {referer: ''}\n    respond: {status: 403}"}},
		{name: "nginx, no host", text: server(`if ($http_host = "") { return 403; }` + pass), order: []string{"header: {'Host': ''}\n    respond: {status: 403}"}},
		{name: "nginx, only what is there", text: server("if ($http_user_agent ~ curl) { return 403; }" + pass), order: []string{"header: {user-agent: '~curl'}\n    respond: {status: 403}\n  - pool:"}},
		{name: "nginx, a log-in", text: server("if ($cookie_session = \"\") { return 302 /login; }" + pass), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"if ("}},
		{name: "nginx, closed for work", text: server("if ($closed) { return 503; }" + pass), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"if ($closed)"}},
		{name: "nginx, a file that closes", text: server("if (-f /srv/closed.html) { return 503; }" + pass), order: []string{"pool:"}, notes: []string{"if (-f"}},
		{name: "nginx, where it leads", text: server("if ($host != a.test) { return 301 http://a.test; }" + pass), order: []string{"pool:"}, notes: []string{"if ($host != a.test)"}},
		{name: "Apache", text: apache("%{HTTP_USER_AGENT} ^-?$"), order: agent("~^-?$")},
		{name: "Apache, by HTTP:", text: apache("%{HTTP:USER-AGENT} ^$ [NC]"), order: agent("~(?i)^$")},
		{name: "Apache, equal", text: apache(`%{HTTP_USER_AGENT} =""`), order: agent("~^$")},
		{name: "Apache, an empty alternative", text: apache("%{HTTP_USER_AGENT} (curl|)"), order: agent("~(curl|)")},
		{name: "Apache, one that is there", text: apache("%{HTTP_USER_AGENT} !^$"), order: []string{"header: {'USER-AGENT': '~.'}\n    respond: {status: 403}\n  - pool:"}},
		{name: "HAProxy, none", text: frontend(" http-request deny unless { req.hdr(x-key) -m found }"), order: []string{"header: {x-key: ''}\n    respond: {status: 403}", "pool:"}},
		{name: "HAProxy, none by a name", text: frontend(" acl key hdr(x-key) -m found\n http-request deny if !key"), order: []string{"header: {x-key: ''}\n    respond: {status: 403}", "pool:"}},
		{name: "HAProxy, none by number", text: frontend(" http-request deny if { req.hdr_cnt(x-key) eq 0 }"), order: []string{"header: {x-key: ''}\n    respond: {status: 403}", "pool:"}},
		{name: "HAProxy, none by no number", text: frontend(" http-request deny unless { hdr_cnt(x-key) gt 0 }"), order: []string{"header: {x-key: ''}\n    respond: {status: 403}", "pool:"}},
		{name: "HAProxy, a number", text: frontend(" http-request deny unless { hdr_cnt(x-key) 1 }"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"deny unless"}},
		{name: "HAProxy, a test of nothing", text: frontend(" http-request deny unless { req.hdr(x-key) }"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"deny unless"}},
		{name: "HAProxy, an absent one fits nothing", text: frontend(" http-request deny if { hdr(x-key) -m reg ^$ }"), order: []string{`'~(?:^|,)[ \t]*[ \t]*(?:,|$)'` + "}\n    respond: {status: 403}\n  - pool:"}},
		{name: "HAProxy, one value of several", text: frontend(" http-request deny if { hdr(x-role) guest }"), order: []string{`{x-role: '~(?:^|,)[ \t]*guest[ \t]*(?:,|$)'}`}},
		{name: "HAProxy, the whole line", text: frontend(" http-request deny if { req.fhdr(x-role) guest }"), order: []string{`{x-role: '~^guest$'}`}},
		{name: "Caddy, none", text: site("\t@no header !X-Key\n\trespond @no 403\n\treverse_proxy 127.0.0.1:9"), order: []string{"header: {'X-Key': ''}\n    respond: {status: 403}", "pool:"}},
		{name: "Caddy, an absent one fits nothing", text: site("\t@no header_regexp X-Key ^$\n\trespond @no 403\n\treverse_proxy 127.0.0.1:9"), order: []string{"header: {'X-Key': '~^$'}\n    respond: {status: 403}", "pool:"}},
	})
}
