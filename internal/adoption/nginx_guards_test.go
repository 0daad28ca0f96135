package adoption

import "testing"

// TestNginxGuards: what nginx takes elsewhere within itself, behind a guard perhaps, gets in nowhere; nor does what another part of it keeps out.
func TestNginxGuards(t *testing.T) {
	pass := "proxy_pass http://127.0.0.1:9;"
	admin := "location /admin/ { deny all; " + pass + " }\n"
	all := "location / { " + pass + " }\n"
	lost := func(name, text string, notes ...string) meaning {
		return meaning{name: name, text: text, order: []string{"respond: {status: 501}"}, without: []string{"pool:"}, notes: notes}
	}
	php := "location ~ \\.php$ { fastcgi_pass unix:/run/f.sock; }\n"
	meanings(t, []meaning{
		{name: "a rewrite of the server", text: server("rewrite ^/app/(.*)$ /admin/$1 last;\n" + admin + all), order: []string{"'~^/app/(.*)$'\n    respond: {status: 501}", "- pool:"}, notes: []string{"rewrite ^/app/"}},
		{name: "one that ends with break", text: server("rewrite ^/app/ /admin/ break;\n" + admin + all), order: []string{"'~^/app/'\n    respond: {status: 501}", "- pool:"}, notes: []string{"rewrite ^/app/"}},
		lost("one that RE2 has not", server("rewrite ^/(?!app) /admin/ last;\n"+all), "the server is answered 501"),
		{name: "a redirect by a variable", text: server("rewrite ^ https://$x/ permanent;\n" + all), order: []string{"path: '~^'\n    respond: {status: 501}"}, notes: []string{"rewrite ^"}},
		{name: "a rewrite of a location", text: server("location /a/ { rewrite ^/a/(.*)$ /admin/$1 last; " + pass + " }\n" + admin), order: []string{"'~^/a/(.*)$'\n    respond: {status: 501}", "path: '/a/*'\n    pool:"}, notes: []string{"another location"}},
		{name: "one that is not bound", text: server("location /a/ { rewrite /x/ /admin/ last; " + pass + " }\n"), order: []string{"path: '/a/*'\n    respond: {status: 501}"}, without: []string{"pool:"}, notes: []string{"is not bound"}},
		{name: "half of it is not bound", text: server("location /a/ { rewrite ^/a/x|/a/y /admin/ last; " + pass + " }\n"), order: []string{"path: '/a/*'\n    respond: {status: 501}"}, without: []string{"pool:"}, notes: []string{"is not bound"}},
		{name: "one that stays", text: server("location ~ \\.php$ { root /srv; rewrite ^/(?!index) /index.php last; fastcgi_pass unix:/run/f.sock; }\n"), order: []string{"fastcgi:"}, notes: []string{"what RE2 has not"}},
		{name: "one that is bound", text: server("location /a/live/ { rewrite ^/a/(.*) /$1 break; " + pass + " }\n"), order: []string{"path: '~^/a/(live/.*)$'\n    rewrite: '/$1'"}},
		{name: "within an expression", text: server("location ~ ^/app/ { location ~ \\.secret$ { deny all; } " + pass + " }\n"), order: []string{"'~^/app/.*(?:\\.secret$)'", "deny:", "'~^/app/'\n    pool:"}},
		lost("within one of another kind", server("location ~ /app/ { location ~ \\.secret$ { deny all; } "+pass+" }\n"), "that one is answered 501"),
		{name: "within one, and keeping nobody out", text: server("location ~ /app/ { location ~ \\.css$ { expires 1d; } " + pass + " }\n"), order: []string{"'~/app/'\n    pool:"}, notes: []string{"as the rest of that one"}},
		lost("an expression that RE2 has not, with a guard", server("location ~ ^/(?!public) { deny all; }\n"+all), "the server is answered 501"),
		{name: "one that passes programs", text: server("root /srv;\nlocation ~ ^(?!/x).*\\.php$ { fastcgi_pass unix:/run/f.sock; }\nlocation / { }\n"), order: []string{"scripts: ['.php']"}, notes: []string{"what RE2 has not"}},
		{name: "one that cannot be bound", text: server("location /a/ { location ~ /q$ { " + pass + " } " + pass + " }\nlocation /a/b/ { " + pass + " }\nlocation ~ ^/[ab]+/b/x { deny all; }\n"), order: []string{"'/a/b/*'\n    respond: {status: 501}"}, notes: []string{"cannot be bound"}},
		lost("a log-in by a cookie", server("location / { if ($http_cookie !~ session) { rewrite ^ /login last; } "+pass+" }"), "what stands below it is answered 501"),
		lost("a target by addresses", server("location / { if ($inside = 0) { proxy_pass http://127.0.0.1:8; } "+pass+" }"), "what stands below it is answered 501"),
		{name: "a target by a cookie", text: server("location / { if ($cookie_beta = 1) { proxy_pass http://127.0.0.1:8; } " + pass + " }"), order: []string{"pool:"}, notes: []string{"if ($cookie_beta = 1)"}},
		lost("a target by a variable of two values", server("set $to http://127.0.0.1:9;\nif ($inside = 0) { set $to http://127.0.0.1:8; }\nlocation / { proxy_pass $to; }"), "proxy_pass $to"),
		{name: "of two values, the inner one", text: server("set $to http://127.0.0.1:8;\nlocation / { set $to 127.0.0.1:9; proxy_pass http://$to; }"), order: []string{"127.0.0.1:9"}, without: []string{"127.0.0.1:8'", "127.0.0.1:8]"}},
		{name: "a redirect in an if", text: server("location / { if ($scheme = http) { rewrite ^(.*)$ https://a.test$1 permanent; } " + pass + " }"), order: []string{"scheme: http\n    redirect: {to: 'https://a.test$path$search', status: 301}", "pool:"}},
		{name: "an index of its own", text: server("root /srv;\nlocation ~ \\.html$ { deny all; }\nlocation / { }\n"), order: []string{"'~\\.html$'", "'~^(?:.*/)?$'\n    respond: {status: 501}", "files:"}, notes: []string{"directories are answered 501"}},
		{name: "an index of one directory", text: server("root /srv;\nlocation = /k/index.html { deny all; }\nlocation / { }\n"), order: []string{"'~^/k/$'\n    respond: {status: 501}", "- files:"}, notes: []string{"directories are answered 501"}},
		{name: "an index of directories below", text: server("root /srv;\nlocation ~ ^/docs/in/.*\\.html$ { deny all; }\nlocation / { }\n"), order: []string{"'~^/docs/in/(?:.*/)?$'\n    respond: {status: 501}", "- files:"}, notes: []string{"directories are answered 501"}},
		{name: "an index of directories of a name", text: server("root /srv;\nlocation ~ /in/.*\\.html$ { deny all; }\nlocation / { }\n"), order: []string{"'~^(?:.*/)?$'\n    respond: {status: 501}", "- files:"}, notes: []string{"directories are answered 501"}},
		{name: "an index of another location", text: server("root /srv;\nlocation /n/ { location ~ \\.html$ { deny all; } }\nlocation / { }\n"), order: []string{"'~^/n/(?:.*/)?$'\n    respond: {status: 501}", "path: '/n/*'\n    files:", "- files:"}, notes: []string{"directories are answered 501"}},
		{name: "an index that nobody guards", text: server("root /srv;\nlocation = /index.html { internal; add_header Cache-Control no-cache; }\nlocation / { try_files $uri /index.html; }\n"), order: []string{"files:"}, without: []string{"501"}},
		{name: "a last word with a guard", text: server("root /srv;\nlocation = /in.html { allow 10.0.0.0/8; deny all; }\nlocation / { try_files $uri /in.html; }\n"), order: []string{"missing: next", "- respond: {status: 501}"}, notes: []string{"says who may see it"}},
		{name: "a program with a condition", text: server("root /srv;\nindex index.php;\nlocation ~ \\.php$ { if ($http_x = bad) { return 403; } fastcgi_pass unix:/run/f.sock; }\nlocation / { try_files $uri /index.php; }\n"), order: []string{"'~\\.php$'\n    header: {x: bad}\n    respond: {status: 403}", "missing: next", "- header: {x: bad}\n    respond: {status: 403}", "fastcgi:"}},
		lost("a program with a condition that cannot be said", server("root /srv;\nlocation ~ \\.php$ { if ($bad) { return 403; } fastcgi_pass unix:/run/f.sock; }\nlocation / { try_files $uri /index.php; }\n"), "if ($bad)"),
		lost("a text of another program", server("location / { root /srv; content_by_lua_block { x } }"), "content_by_lua_block"),
		lost("another protocol", server("location / { root /srv; memcached_pass 127.0.0.1:1; }"), "memcached_pass"),
		lost("a module's guard", server("auth_akamai on;\n"+all), "auth_akamai on: what it guards"),
		lost("a guard in Lua", server("location / { rewrite_by_lua_file /x.lua; "+pass+" }"), "rewrite_by_lua_file"),
		{name: "files by X-Accel-Redirect", text: server("location /files/ { internal; alias /srv/; }\n" + all), order: []string{"'/files/*'\n    respond: {status: 404}"}, notes: []string{"X-Accel-Redirect"}},
		{name: "a page of errors", text: server("root /srv;\nerror_page 503 /503.html;\nlocation = /503.html { internal; }\n" + all), order: []string{"respond: {status: 404}"}},
		{name: "a name to verify", text: server("location / { proxy_ssl_verify on; proxy_ssl_name $host; proxy_pass https://127.0.0.1:9; }"), order: []string{"pool:"}, notes: []string{"proxy_ssl_name $host"}},
		{name: "bodies", text: server("client_max_body_size 10k;\nlocation /a/ { client_max_body_size 1g; " + pass + " }\n" + all), order: []string{"request_body: 1073741824"}, notes: []string{"client_max_body_size 10k: there is one limit"}},
		{name: "bodies of nginx's own limit", text: server("location /a/ { client_max_body_size 1g; " + pass + " }\n" + all), order: []string{"request_body: 1073741824"}, notes: []string{"client_max_body_size 1g: there is one limit"}},
		{name: "one limit of bodies", text: server("client_max_body_size 10k;\nlocation /s/ { root /srv; }\n" + all), order: []string{"request_body: 10240"}},
		{name: "a program, plainly", text: server("root /srv;\n" + php + "location / { try_files $uri /index.php; }\n"), order: []string{"missing: next", "fastcgi:"}},
	})
}
