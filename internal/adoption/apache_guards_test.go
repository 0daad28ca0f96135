package adoption

import "testing"

// TestApacheGuards: whom a rule of Apache takes behind a guard, or past another rule, gets in nowhere; nor does who asks for a directory whose
// index is kept from them.
func TestApacheGuards(t *testing.T) {
	rules := func(lines string) string {
		return "<VirtualHost *:8080>\nServerName a.test\nProxyPreserveHost On\nRewriteEngine On\n" + lines + "\nProxyPass / http://127.0.0.1:9/\n</VirtualHost>\n"
	}
	files := func(lines string) string {
		return "<VirtualHost *:8080>\nServerName a.test\nDocumentRoot /srv/www\n<Directory /srv/www>\nAllowOverride None\n</Directory>\n" + lines + "\n</VirtualHost>\n"
	}
	lost := func(name, text string, notes ...string) meaning {
		return meaning{name: name, text: text, order: []string{"respond: {status: 501}"}, without: []string{"pool:", "files:"}, notes: notes}
	}
	some := func(name, text, path string, notes ...string) meaning {
		return meaning{name: name, text: text, order: []string{"path: '" + path + "'\n    respond: {status: 501}", "- pool:"}, notes: notes}
	}
	meanings(t, []meaning{
		some("another path", rules("RewriteRule ^/pub/(.*)$ /admin/$1 [PT]"), "~^/pub/(.*)$", "RewriteRule ^/pub/"),
		some("another path, by a file", rules("RewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^/pub/(.*)$ /admin/$1 [L]"), "~^/pub/(.*)$", "what fits it is answered 501"),
		{name: "a front controller", text: rules("RewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^ /index.php [L]"), order: []string{"- pool:"}, notes: []string{"RewriteRule ^ /index.php"}},
		some("a log-in", rules("RewriteCond %{HTTP_COOKIE} !session=\nRewriteRule ^/app/ /login [R,L]"), "~^/app/", "what fits it is answered 501"),
		lost("a log-in for all", rules("RewriteCond %{HTTP_COOKIE} !session=\nRewriteRule !^/login /login [R,L]"), "what comes after it is answered 501"),
		{name: "where it leads", text: rules("RewriteCond %{HTTP_HOST} !^a\\.test$\nRewriteRule ^ https://a.test/ [R]"), order: []string{"- pool:"}, notes: []string{"RewriteRule ^ https://a.test/"}},
		some("past another rule", rules("RewriteCond %{REMOTE_ADDR} !^10\\.\nRewriteRule ^/k/ - [L]\nRewriteRule ^/k/(.*) http://127.0.0.1:8/$1 [P]"), "~^/k/", "RewriteRule ^/k/ - [L]"),
		{name: "a rule that skips one", text: rules("RewriteCond %{REMOTE_ADDR} !^10\\.\nRewriteRule ^ - [S=1]\nRewriteRule ^/s/(.*) http://127.0.0.1:8/$1 [P]\nRewriteRule ^/o/(.*) http://127.0.0.1:7/$1 [P]"), order: []string{"'~^/s/(.*)'\n    respond: {status: 501}"}, without: []string{"127.0.0.1:8'", "127.0.0.1:8]"}, notes: []string{"another rule says"}},
		{name: "a rule of a chain", text: rules("RewriteCond %{REQUEST_FILENAME} -f\nRewriteRule ^/c/ - [C]\nRewriteRule ^/c/(.*) http://127.0.0.1:8/$1 [P]\nRewriteRule ^/o/(.*) http://127.0.0.1:7/$1 [P]"), order: []string{"'~^/c/(.*)'\n    respond: {status: 501}", "rewrite: '/$1'"}, without: []string{"127.0.0.1:8]"}, notes: []string{"another rule says"}},
		{name: "a variable of the environment", text: rules("RewriteCond %{HTTP:Authorization} ^(.*)\nRewriteRule .* - [E=HTTP_AUTHORIZATION:%1]"), order: []string{"- pool:"}, notes: []string{"a flag without a counterpart"}},
		lost("a log-in within a block", rules("<Location /app>\nRewriteCond %{REMOTE_USER} ^$\nRewriteRule ^ /login [R]\n</Location>"), "a rule within a block"),
		{name: "an index that is closed", text: files("<Location /index.html>\nRequire all denied\n</Location>"), order: []string{"'~^/(?:.*/)?$'\n    respond: {status: 501}", "files:"}, notes: []string{"directories are answered 501"}},
		{name: "an index below that is closed", text: files("<Location /s/index.html>\nRequire ip 10.0.0.1\n</Location>"), order: []string{"'~^/(?:.*/)?$'\n    respond: {status: 501}", "files:"}, notes: []string{"directories are answered 501"}},
		{name: "an index that is closed by name", text: files("<FilesMatch \"\\.html$\">\nRequire all denied\n</FilesMatch>"), order: []string{"'~^/(?:.*/)?$'\n    respond: {status: 501}", "files:"}, notes: []string{"directories are answered 501"}},
		lost("what is served for what is missing", files("FallbackResource /secret.html\n<Location /secret.html>\nRequire all denied\n</Location>"), "FallbackResource"),
		{name: "an index that is not closed", text: files("<Location /x>\nRequire all denied\n</Location>"), order: []string{"files:"}, without: []string{"501"}},
		{name: "a redirect within a block, that closes", text: files("<Directory /srv/www/x>\nRedirectMatch 403 .*\n</Directory>"), order: []string{"'~^/x(?:/|$)'\n    respond: {status: 501}", "files:"}, notes: []string{"RedirectMatch 403"}},
		{name: "one that does not", text: files("<Location /x>\nRedirect /y\n</Location>"), order: []string{"files:"}, without: []string{"501"}, notes: []string{"Redirect /y"}},
		{name: "an address of a network that is refused", text: files("<Location />\n<RequireAll>\nRequire ip 10.0.0.1 192.0.2.1\nRequire not ip 10.0.0.0/8\n</RequireAll>\n</Location>"), order: []string{"allow: ['192.0.2.1/32']\n    deny: ['10.0.0.0/8']"}},
		{name: "nobody is let in", text: files("<Location />\n<RequireAll>\nRequire ip 10.0.0.1\nRequire not ip 10.0.0.0/8\n</RequireAll>\n</Location>"), order: []string{"respond: {status: 403}"}, without: []string{"files:"}},
		{name: "a redirect that closes", text: files("RedirectMatch 403 ^/red/"), order: []string{"'~^/red/'\n    respond: {status: 403}", "files:"}},
		{name: "filters and times", text: rules("SetOutputFilter INCLUDES;DEFLATE\nAddOutputFilterByType DEFLATE text/html\nRequestReadTimeout header=20 body=10"), order: []string{"head_time: 20s"}, notes: []string{"SetOutputFilter INCLUDES;DEFLATE: only what compresses", "RequestReadTimeout header=20 body=10: a time"}},
		{name: "bodies", text: rules("LimitRequestBody 1000\n<Location /up>\nLimitRequestBody 1000000\n</Location>"), order: []string{"request_body: 1000000"}, notes: []string{"LimitRequestBody 1000: there is one limit"}},
	})
}
