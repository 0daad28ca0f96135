package adoption

import "testing"

// TestClientAddress: a list of addresses lets nobody in where the original learns clients' addresses in a way without a counterpart.
func TestClientAddress(t *testing.T) {
	allow := "\nallow 10.0.0.0/8;\ndeny all;\nlocation / { proxy_pass http://127.0.0.1:9; }"
	nginx := func(lines string) string { return server(lines + allow) }
	apache := func(lines string) string {
		return lines + "\n" + apacheHostText("ProxyPreserveHost On\nProxyPass / http://127.0.0.1:9/\n<Location />\nRequire ip 10.0.0.0/8\n</Location>")
	}
	src := " http-request deny unless { src 10.0.0.0/8 }"
	refused := func(name, text string, notes ...string) meaning {
		return meaning{name: name, text: text, order: []string{"respond: {status: 501}"}, without: []string{"pool:", "allow:"}, notes: notes}
	}
	meanings(t, []meaning{
		{name: "nginx", text: nginx("set_real_ip_from 10.0.0.1;\nreal_ip_header X-Forwarded-For;"), order: []string{"trusted_proxies: ['10.0.0.1']", "allow:"}},
		refused("nginx, by default", nginx("set_real_ip_from 10.0.0.1;"), "X-Real-IP"),
		refused("nginx, another header", nginx("set_real_ip_from 10.0.0.1;\nreal_ip_header CF-Connecting-IP;"), "real_ip_header CF-Connecting-IP"),
		refused("nginx, the PROXY protocol", nginx("set_real_ip_from 10.0.0.1;\nreal_ip_header proxy_protocol;"), "real_ip_header proxy_protocol"),
		refused("nginx, a name", nginx("set_real_ip_from lb.test;\nreal_ip_header X-Forwarded-For;"), "lb.test is no address"),
		refused("nginx, a socket", nginx("set_real_ip_from unix:;\nreal_ip_header X-Forwarded-For;"), "unix: is no address"),
		{name: "nginx, nobody is asked", text: server("set_real_ip_from 10.0.0.1;\nlocation / { proxy_pass http://127.0.0.1:9; }"), order: []string{"pool:"}, notes: []string{"X-Real-IP"}},
		{name: "nginx, for nobody", text: server("set_real_ip_from 10.0.0.1;\nlocation / { deny all; proxy_pass http://127.0.0.1:9; }"), order: []string{"deny:"}, notes: []string{"X-Real-IP"}},
		{name: "nginx, for one location", text: server("real_ip_header X-Forwarded-For;\nlocation / { set_real_ip_from 10.0.0.1; allow 10.0.0.0/8; deny all; proxy_pass http://127.0.0.1:9; }"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"for one location"}},
		{name: "Apache", text: apache("RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 10.0.0.1 192.168"), order: []string{"trusted_proxies: ['10.0.0.1/32', '192.168.0.0/16']", "allow:"}},
		{
			name: "Apache, one name of three", text: apache("RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 10.0.0.1 lb.test 10.0.0.3"),
			order: []string{"trusted_proxies: ['10.0.0.1/32', '10.0.0.3/32']", "501"}, without: []string{"allow:"}, notes: []string{"lb.test is no address"},
		},
		refused("Apache, another header", apache("RemoteIPHeader X-Real-IP\nRemoteIPInternalProxy 10.0.0.1"), "RemoteIPHeader X-Real-IP"),
		refused("Apache, from everybody", apache("RemoteIPHeader X-Forwarded-For"), "taken from everybody"),
		refused("Apache, a file", apache("RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 10.0.0.1\nRemoteIPTrustedProxyList /list"), "a file of addresses"),
		refused("Apache, the PROXY protocol", apache("RemoteIPProxyProtocol On"), "RemoteIPProxyProtocol"),
		{name: "HAProxy", text: frontend(src), order: []string{"allow: ['10.0.0.0/8']"}},
		refused("HAProxy, the PROXY protocol", frontend(src+"\n bind :81 accept-proxy"), "PROXY"),
		refused("HAProxy, the PROXY protocol by a rule", frontend(" tcp-request connection expect-proxy layer4 if { src 10.0.0.1 }\n"+src), "expect-proxy"),
		refused("HAProxy, a header", frontend(" http-request set-src req.hdr(x-forwarded-for)\n"+src), "set-src"),
	})
	static := func(lines string) string {
		return "entryPoints:\n  web:\n    address: ':80'\n" + lines + "http:\n  routers:\n    r: {rule: 'Host(`a.test`)', service: s, middlewares: [m]}\n  services:\n    s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9'}]}}\n  middlewares:\n    m: {ipAllowList: {sourceRange: [10.0.0.0/8]}}\n"
	}
	for name, c := range map[string]struct {
		meaning
		text string
	}{
		"Traefik":                     {meaning{order: []string{"allow: ['10.0.0.0/8']"}}, static("")},
		"Traefik, proxies of its own": {meaning{order: []string{"allow: ['10.0.0.0/8']"}}, static("    forwardedHeaders: {trustedIPs: [10.0.0.1]}\n")},
		"Traefik, other proxies":      {meaning{order: []string{"501"}, without: []string{"pool:"}, notes: []string{"the address of the proxy in front"}}, static("    forwardedHeaders: {trustedIPs: [192.168.0.1]}\n")},
		"Traefik, the PROXY protocol": {meaning{order: []string{"501"}, without: []string{"pool:"}, notes: []string{"proxyProtocol"}}, static("    proxyProtocol: {trustedIPs: [10.0.0.1]}\n")},
	} {
		t.Run(name, func(t *testing.T) { traefikFiles(t, c.meaning, c.text) })
	}
}

// TestLinks: symbolic links are followed where the original follows them.
func TestLinks(t *testing.T) {
	root := func(lines string) string {
		return apacheHostText("DocumentRoot /srv\n<Directory /srv>\n" + lines + "\n</Directory>")
	}
	meanings(t, []meaning{
		{name: "Apache, nothing said", text: root("Require all granted"), order: []string{"links: follow"}},
		{name: "Apache, said", text: root("Options FollowSymLinks"), order: []string{"links: follow"}},
		{name: "Apache, added", text: "<Directory />\nOptions None\n</Directory>\n" + root("Options +FollowSymLinks"), order: []string{"links: follow"}},
		{name: "Apache, all", text: root("Options All"), order: []string{"links: follow"}, notes: []string{"Options All"}},
		{name: "Apache, both", text: root("Options FollowSymLinks SymLinksIfOwnerMatch"), order: []string{"links: follow"}},
		{name: "Apache, taken away", text: root("Options -FollowSymLinks"), order: []string{"files:"}, without: []string{"links:"}, notes: []string{"Options -FollowSymLinks"}},
		{name: "Apache, none", text: root("Options None"), order: []string{"files:"}, without: []string{"links:"}, notes: []string{"Options None"}},
		{name: "Apache, others in its place", text: root("Options MultiViews"), order: []string{"files:"}, without: []string{"links:"}, notes: []string{"Options MultiViews"}},
		{name: "Apache, of the owner", text: root("Options SymLinksIfOwnerMatch"), order: []string{"files:"}, without: []string{"links:"}, notes: []string{"Options SymLinksIfOwnerMatch"}},
		{name: "Apache, around it", text: "<Directory />\nOptions None\n</Directory>\n" + root("Require all granted"), order: []string{"files:"}, without: []string{"links:"}, notes: []string{"Options None"}},
		{name: "nginx", text: server("location / { root /srv; disable_symlinks if_not_owner; }"), order: []string{"files:"}, without: []string{"links:"}, notes: []string{"disable_symlinks"}},
	})
}

// TestApacheSmall: lines that Apache takes for less than they look like.
func TestApacheSmall(t *testing.T) {
	pass := "ProxyPreserveHost On\nProxyPass / http://127.0.0.1:9/\n"
	version := func(args string) string {
		return apacheHostText(pass + "<IfVersion " + args + ">\n<Location />\nRequire all denied\n</Location>\n</IfVersion>")
	}
	closed, open := []string{"respond: {status: 403}"}, []string{"- pool:"}
	meanings(t, []meaning{
		{name: "a colon", text: apacheHostText(pass + "Header set X-A: b\nRequestHeader set X-B: c"), order: []string{"set_request: {'X-B': c}", "set_response: {'X-A': b}", "pool:"}},
		{name: "a colon in Caddy", text: site("\theader X-A: b\n\treverse_proxy 127.0.0.1:9"), order: []string{"set_response: {'X-A': b}", "pool:"}},
		{name: "a header of answers that is none", text: apacheHostText(pass + "Header set \"X A\" b"), order: []string{"- pool:"}, without: []string{"501"}, notes: []string{"it is left out"}},
		{name: "cookies that follow visitors", text: apacheHostText(pass + "CookieTracking on"), order: open, notes: []string{"CookieTracking on"}},
		{name: "cookies of sessions", text: apacheHostText(pass + "SessionCookieName s path=/"), order: open, notes: []string{"SessionCookieName"}},
		{name: "methods", text: apacheHostText(pass + "<Location />\nAllowMethods GET\n</Location>"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"AllowMethods GET"}},
		{name: "blocks that add up", text: apacheHostText(pass + "<Location /p>\nAuthMerging And\nRequire ip 10.0.0.0/8\n</Location>"), order: []string{"501", "pool:"}, without: []string{"allow:"}, notes: []string{"AuthMerging And"}},
		{name: "a version", text: version(">= 2.4"), order: closed},
		{name: "an older version", text: version("< 2.4"), order: open},
		{name: "the version", text: version("2.4.62"), order: closed},
		{name: "another one", text: version("2.2"), order: open},
		{name: "none of another one", text: version("!< 2.3"), order: closed},
		{name: "a version by an expression", text: version("= /^2\\.4/"), order: closed},
		{name: "an older version by an expression", text: version("~ ^2\\.2"), order: open},
	})
}
