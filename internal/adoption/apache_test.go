package adoption

import "testing"

func apacheHostText(lines string) string {
	return "<VirtualHost *:80>\nServerName a.test\n" + lines + "\n</VirtualHost>\n"
}

func apacheSecure(name, lines string) string {
	return "<VirtualHost *:443>\nServerName " + name + "\nSSLEngine on\nSSLCertificateFile /" + name + ".pem\nSSLCertificateKeyFile /" + name + ".key\n" + lines + "\n</VirtualHost>\n"
}

// TestApacheAccess: what Apache keeps from people, the result keeps from them.
func TestApacheAccess(t *testing.T) {
	pass := "ProxyPass / http://127.0.0.1:9/\nProxyPreserveHost On\n"
	at := func(lines string) string { return apacheHostText(pass + "<Location /p>\n" + lines + "\n</Location>") }
	refused := []string{"'~^/p(?:/|$)'\n    respond: {status: 501}", "pool:"}
	basic := "AuthType Basic\nAuthName Staff\nAuthUserFile /etc/users\n"
	meanings(t, []meaning{
		{
			name: "the text of programs", text: apacheHostText("DocumentRoot /srv\n<Directory /srv>\nAllowOverride None\nRequire all granted\nAddHandler cgi-script .cgi .pl\n</Directory>"),
			order: []string{"scripts: ['.php', '.phtml', '.phar', '.cgi', '.pl']"}, notes: []string{"AddHandler"},
		},
		{name: "none", text: at("Require all denied"), order: []string{"'~^/p(?:/|$)'\n    respond: {status: 403}", "- pool:"}},
		{name: "networks", text: at("Require ip 10.0.0.0/8 192.168.1"), order: []string{"'~^/p(?:/|$)'\n    allow: ['10.0.0.0/8', '192.168.1.0/24']"}},
		{name: "this machine", text: at("Require local"), order: []string{"allow: ['127.0.0.0/8', '::1/128']"}},
		{name: "users", text: at(basic + "Require valid-user"), order: []string{"auth: {users: /etc/users, realm: 'Staff'}"}},
		{name: "users and networks", text: at(basic + "<RequireAll>\nRequire ip 10.0.0.0/8\nRequire valid-user\n</RequireAll>"), order: []string{"allow: ['10.0.0.0/8']", "auth:"}},
		{name: "all but some", text: at("<RequireAll>\nRequire all granted\nRequire not ip 10.0.0.0/8\n</RequireAll>"), order: []string{"deny: ['10.0.0.0/8']"}},
		{name: "one of two ways", text: at(basic + "Require ip 10.0.0.0/8\nRequire valid-user"), order: refused, notes: []string{"answered 501"}},
		{name: "some users", text: at(basic + "Require user bob"), order: refused, notes: []string{"Require user bob"}},
		{name: "users elsewhere", text: at("AuthType Basic\nAuthBasicProvider ldap\nAuthLDAPURL ldap://x\nRequire valid-user"), order: refused, notes: []string{"Require valid-user"}},
		{name: "another way to say who", text: at("AuthType openid-connect\nRequire valid-user"), order: refused, notes: []string{"Require valid-user"}},
		{name: "an expression", text: at("Require expr %{HTTP_HOST} == 'x'"), order: refused, notes: []string{"Require expr"}},
		{name: "some methods", text: at("<LimitExcept GET>\nRequire all denied\n</LimitExcept>"), order: refused, notes: []string{"LimitExcept GET"}},
		{name: "certificates of clients", text: at("SSLVerifyClient require"), order: refused, notes: []string{"SSLVerifyClient"}},
		{name: "as in 2.2", text: at("Order deny,allow\nDeny from all\nAllow from 10.0.0.0/8"), order: []string{"allow: ['10.0.0.0/8']"}},
		{name: "as in 2.2, by name", text: at("Order deny,allow\nDeny from all\nAllow from example.com"), order: refused, notes: []string{"Allow from example.com"}},
		{name: "within another", text: at("Require all denied\n</Location>\n<Location /p/open>\nRequire all granted"), order: []string{"'~^/p/open(?:/|$)'\n    pool:", "'~^/p(?:/|$)'\n    respond: {status: 403}"}},
		{name: "of an expression", text: apacheHostText(pass + "<LocationMatch ^/p/[0-9]+>\nRequire all denied\n</LocationMatch>"), order: []string{"'~^/p/[0-9]+'\n    respond: {status: 403}", "- pool:"}},
		{name: "of the target", text: apacheHostText(pass) + "<Proxy *>\nRequire ip 10.0.0.0/8\n</Proxy>\n", order: []string{"allow: ['10.0.0.0/8']", "pool:"}},
		{name: "a condition", text: apacheHostText(pass + "<If \"%{HTTP_HOST} == 'x'\">\nRequire all denied\n</If>"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"If"}},
		{name: "a firewall of requests", text: apacheHostText(pass + "SecRuleEngine On"), order: []string{"status: 501"}, without: []string{"pool:"}, notes: []string{"SecRuleEngine On"}},
		{name: "where a rewrite leads", text: apacheHostText("RewriteEngine On\nRewriteRule ^/(.*)$ http://127.0.0.1:9/$1 [P]\n<Location /p>\nRequire all denied\n</Location>"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"blocks of paths"}},
		{name: "a rule that turns away, and cannot be said", text: apacheHostText("RewriteEngine On\nRewriteCond %{TIME_HOUR} >20\nRewriteRule .* - [F]\n" + pass), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"RewriteRule"}},
		{
			name: "directories", text: apacheHostText("DocumentRoot /srv\n<Directory /srv/closed>\nRequire all denied\n</Directory>\n<Directory /srv/staff>\n" + basic + "Require valid-user\n</Directory>"),
			order: []string{`'~/\.ht[^/]*$'` + "\n    respond: {status: 403}", "'~^/closed(?:/|$)'\n    respond: {status: 403}", "'~^/staff(?:/|$)'\n    auth:", "- files:"},
		},
		{
			name: "programs of a directory", text: apacheHostText("DocumentRoot /srv\n<FilesMatch \\.php$>\nSetHandler proxy:unix:/run/php.sock|fcgi://localhost\n</FilesMatch>\n<Directory /srv/staff>\n" + basic + "Require valid-user\n</Directory>"),
			order: []string{`^/staff/(?:.*/)?[^/]*\.php(?:/|$)'` + "\n    auth:", "fastcgi:", `'~^/(?:.*/)?[^/]*\.php(?:/|$)'` + "\n    fastcgi:", "'~^/staff(?:/|$)'\n    auth:", "files:"},
		},
		{name: "what is left out, in a closed directory", text: apacheHostText("DocumentRoot /srv\nProxyPass /a/b !\nProxyPass / http://127.0.0.1:9/\nProxyPreserveHost On\n<Directory /srv/a>\nRequire all denied\n</Directory>"), order: []string{"'~^/a/b(?:/|$)'\n    respond: {status: 403}", "- pool:"}, without: []string{"/a/b(?:/|$)'\n    files"}},
		{name: "directories by an expression", text: apacheHostText("DocumentRoot /srv\n<DirectoryMatch /srv/.*/private>\nRequire all denied\n</DirectoryMatch>"), order: []string{"501"}, without: []string{"files:"}, notes: []string{"DirectoryMatch"}},
		{name: "targets by an expression", text: apacheHostText(pass) + "<ProxyMatch ^http://.*>\nRequire ip 10.0.0.0/8\n</ProxyMatch>\n", order: []string{"allow: ['10.0.0.0/8']", "pool:"}},
		{name: "files of a name", text: apacheHostText("DocumentRoot /srv\n<Files *.bak>\nRequire all denied\n</Files>"), order: []string{`'~/[^/]*\.bak$'` + "\n    respond: {status: 403}", "files:"}},
		{name: "files of a name, for some", text: apacheHostText("DocumentRoot /srv\n<Files *.bak>\nRequire ip 10.0.0.1\n</Files>"), order: []string{"501"}, without: []string{"files:"}, notes: []string{"Files *.bak"}},
		{name: "what .htaccess says", text: apacheHostText("DocumentRoot /srv\n<Directory /srv>\nAllowOverride All\n</Directory>"), order: []string{"501"}, without: []string{"files:"}, notes: []string{"AllowOverride All"}},
		{name: "an expression beside a path", text: apacheHostText(pass + "<Location /p>\nRequire ip 10.0.0.0/8\n</Location>\n<LocationMatch \\.css$>\nHeader set A b\n</LocationMatch>"), order: []string{"routes:\n  - path: '~^/p(?:/|$)'\n    allow:"}, without: []string{"css"}, notes: []string{"LocationMatch"}},
		{name: "an expression that lets in, beside a path", text: apacheHostText(pass + "<Location /p>\nRequire ip 10.0.0.0/8\n</Location>\n<LocationMatch \\.css$>\nRequire all granted\n</LocationMatch>"), order: []string{"css$'\n    respond: {status: 501}", "allow:"}, notes: []string{"LocationMatch"}},
		{name: "an expression within a pass", text: apacheHostText("ProxyPreserveHost On\nProxyPass /a http://127.0.0.1:9/a\n<LocationMatch /private/>\nRequire ip 10.0.0.0/8\n</LocationMatch>"), order: []string{"'~/private/'\n    respond: {status: 501}", "pool:"}, notes: []string{"Require ip"}},
		{name: "a condition around a block", text: apacheHostText("DocumentRoot /srv\n<If \"%{HTTP_HOST} == 'x'\">\nRequire all denied\n</If>\n<Directory /srv>\nRequire all granted\n</Directory>"), order: []string{"501"}, without: []string{"files:"}, notes: []string{"If"}},
		{name: "a firewall around a block", text: "SecRuleEngine On\n" + apacheHostText("DocumentRoot /srv\n<Directory /srv>\nRequire all granted\n</Directory>"), order: []string{"501"}, without: []string{"files:"}, notes: []string{"SecRuleEngine On"}},
		{name: "networks around users", text: apacheHostText(pass + "<Location />\nOrder deny,allow\nDeny from all\nAllow from 10.0.0.0/8\n</Location>\n<Location /p>\n" + basic + "Require valid-user\n</Location>"), order: []string{"'~^/p(?:/|$)'\n    respond: {status: 501}", "allow:"}, notes: []string{"Order deny,allow"}},
		{name: "open around users", text: apacheHostText(pass + "<Location />\nOrder allow,deny\nAllow from all\n</Location>\n<Location /p>\n" + basic + "Require valid-user\n</Location>"), order: []string{"'~^/p(?:/|$)'\n    auth:", "- pool:"}},
		{name: "mutual failure", text: at("Order mutual-failure\nAllow from 10.0.0.0/8"), order: []string{"allow: ['10.0.0.0/8']"}},
		{name: "files of a name in a directory", text: apacheHostText("DocumentRoot /srv\n<Directory /srv>\nRequire all granted\n<Files config.ini>\nRequire all denied\n</Files>\n</Directory>"), order: []string{`'~/config\.ini$'` + "\n    respond: {status: 403}", "files:"}},
		{name: "targets of a rule", text: "<Proxy http://127.0.0.1:9/*>\nRequire ip 10.0.0.0/8\n</Proxy>\n" + apacheHostText("ProxyPreserveHost On\nRewriteEngine On\nRewriteRule ^/(.*)$ http://127.0.0.1:9/$1 [P]"), order: []string{"allow: ['10.0.0.0/8']"}},
		{name: "a rule in a directory, in full words", text: apacheHostText("DocumentRoot /srv\n<Directory /srv>\nRewriteEngine On\nRewriteRule ^a - [forbidden]\n</Directory>"), order: []string{"501"}, without: []string{"files:"}, notes: []string{"RewriteRule"}},
		{name: "a redirect in a block", text: at("Redirect / http://b.test/"), order: []string{"pool:"}, notes: []string{"Redirect"}},
		{name: "programs that are no FastCGI", text: apacheHostText("DocumentRoot /srv\nAddHandler application/x-httpd-php .php"), order: []string{"501", "files:"}, notes: []string{"AddHandler"}},
	})
}

// TestApacheMeaning: what is passed on, where clients are sent, and what hosts are called.
func TestApacheMeaning(t *testing.T) {
	preserve := "ProxyPreserveHost On\n"
	meanings(t, []meaning{
		{name: "paths", text: apacheHostText(preserve + "ProxyPass /a/ http://127.0.0.1:9/\nProxyPass /b http://127.0.0.1:9/c"), order: []string{"'~^/a/(.*)$'\n    rewrite: '/$1'", "'~^/b((?:/.*)?)$'\n    rewrite: '/c$1'", "status: 404"}},
		{name: "left out", text: apacheHostText(preserve + "ProxyPass /x !\nDocumentRoot /srv\nProxyPass / http://127.0.0.1:9/"), order: []string{"'~^/x(?:/|$)'\n    files: {root: /srv", "- pool:"}},
		{name: "the host of the endpoint", text: apacheHostText("ProxyPass / http://127.0.0.1:9/\nProxyPassReverse / http://127.0.0.1:9/"), order: []string{"host: endpoint"}, notes: []string{"ProxyPassReverse"}},
		{name: "a socket", text: apacheHostText(preserve + "ProxyPass / unix:/run/app.sock|http://localhost/"), order: []string{"endpoints: ['unix:/run/app.sock']"}},
		{name: "TLS to the endpoint", text: apacheHostText(preserve + "SSLProxyEngine on\nProxyPass / https://127.0.0.1:9/ timeout=7 connectiontimeout=2"), order: []string{"tls: {verify: false}", "timeouts: {connect: 2s, write: 7s, head: 7s, read: 7s}"}},
		{name: "verified", text: apacheHostText(preserve + "SSLProxyVerify require\nSSLProxyCACertificateFile /ca.pem\nProxyPass / https://127.0.0.1:9/"), order: []string{"tls: {ca: /ca.pem}"}},
		{name: "a protocol that is not spoken", text: apacheHostText("ProxyPass / ajp://127.0.0.1:9/"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"ajp://"}},
		{
			name: "a balancer", text: "<Proxy balancer://b>\nBalancerMember http://10.0.0.1 loadfactor=2\nBalancerMember http://10.0.0.2 status=+H\nProxySet lbmethod=bybusyness\n</Proxy>\n" + apacheHostText(preserve+"ProxyPass / balancer://b/"),
			order: []string{"{url: http://10.0.0.1, weight: 2}, {url: http://10.0.0.2, backup: true}", "balance: least-requests"},
		},
		{name: "an application", text: apacheHostText("ProxyPassMatch ^/(.*\\.php)$ fcgi://127.0.0.1:9000/srv/$1"), order: []string{"fastcgi: {address: '127.0.0.1:9000', root: /srv}"}},
		{name: "to https", text: apacheHostText("RewriteEngine On\nRewriteCond %{HTTPS} !=on\nRewriteRule ^/?(.*) https://%{SERVER_NAME}/$1 [R=301,L]"), order: []string{"scheme: http", "redirect: {to: 'https://$host/$1$search', status: 301}"}},
		{name: "one condition or another", text: apacheHostText("RewriteEngine On\nRewriteCond %{HTTP_USER_AGENT} a [OR]\nRewriteCond %{HTTP_USER_AGENT} b\nRewriteRule ^ - [F]"), order: []string{"'~a'}\n    respond: {status: 403}", "'~b'}\n    respond: {status: 403}"}},
		{name: "rules that are switched off", text: apacheHostText("RewriteRule ^ - [F]\nDocumentRoot /srv"), order: []string{"files:"}},
		{name: "a path that is changed", text: apacheHostText("RewriteEngine On\nRewriteRule ^/a$ /b\nDocumentRoot /srv"), order: []string{"files:"}, notes: []string{"RewriteRule ^/a$ /b"}},
		{
			name: "names in their order", text: apacheHostText("DocumentRoot /srv") + "<VirtualHost *:80>\nServerName b.test\nServerAlias *.b.test www.*\nDocumentRoot /b\n</VirtualHost>\n",
			order: []string{"host: b.test", "host: '*.b.test'", `{Host: '~(?i)^www\..*(:[0-9]+)?$'}`, "root: /srv"},
		},
		{name: "addresses of Listen lines", text: "Listen 127.0.0.1:80\n" + apacheHostText("DocumentRoot /srv"), order: []string{"address: '127.0.0.1:80'\nroutes"}},
		{name: "a port without hosts", text: "Listen 80\nListen 81\nDocumentRoot /main\n" + apacheHostText("DocumentRoot /srv"), order: []string{"':80'", "':81'", "port: [81]\n    files: {root: /main"}},
		{name: "compression", text: apacheHostText(preserve + "AddOutputFilterByType DEFLATE text/html\nProxyPass / http://127.0.0.1:9/"), order: []string{"compress: on"}},
		{name: "networks of proxies", text: "RemoteIPHeader X-Forwarded-For\nRemoteIPTrustedProxy 10.0.0.0/8\n" + apacheHostText("DocumentRoot /srv"), order: []string{"trusted_proxies: ['10.0.0.0/8']"}},
	})
}

// TestApacheTLS: certificates are shown, or obtained, and clients are asked for theirs or turned away.
func TestApacheTLS(t *testing.T) {
	root := "DocumentRoot /srv\n"
	clients := root + "SSLVerifyClient require\nSSLCACertificateFile /ca.pem\n"
	meanings(t, []meaning{
		{name: "several", text: apacheSecure("a.test", root) + apacheSecure("b.test", root), order: []string{"tls: {cert: /a.test.pem, key: /a.test.key, certificates: [{cert: /b.test.pem, key: /b.test.key}]}"}},
		{name: "http beside it", text: apacheHostText("Redirect permanent / https://a.test/") + apacheSecure("a.test", root), order: []string{"scheme: http", "redirect: {to: 'https://a.test/$1$search', status: 301}", "scheme: https"}},
		{name: "none", text: "<VirtualHost *:443>\nSSLEngine on\n" + root + "</VirtualHost>\n", order: []string{"':443'\nroutes"}, notes: []string{"TLS without"}},
		{
			name: "obtained", text: "MDomain a.test\nMDContactEmail me@a.test\n<VirtualHost *:443>\nServerName a.test\nSSLEngine on\n" + root + "</VirtualHost>\n",
			order: []string{"tls: auto\nacme: {email: 'me@a.test'}", "host: a.test"},
		},
		{name: "of clients", text: apacheSecure("a.test", clients), order: []string{"client_ca: /ca.pem}", "files:"}, without: []string{"501"}},
		{name: "of clients, optional", text: apacheSecure("a.test", "SSLVerifyClient optional\nSSLCACertificateFile /ca.pem\n"+root), order: []string{"client_auth: optional"}},
		{name: "of clients, that may be revoked", text: apacheSecure("a.test", "SSLCARevocationFile /crl.pem\n"+clients), order: []string{"501"}, without: []string{"files:"}, notes: []string{"SSLVerifyClient"}},
		{name: "of clients of one host", text: apacheSecure("a.test", clients) + apacheSecure("b.test", root), order: []string{"501"}, without: []string{"client_ca"}, notes: []string{"other hosts"}},
	})
}
