package adoption

import (
	"strings"
	"testing"
)

func secureServer(lines string) string {
	return "events {}\nhttp {\nserver {\nlisten 8443 ssl;\nssl_certificate /a.pem;\nssl_certificate_key /a.key;\n" + lines + "\n}\n}\n"
}

// TestNginxTLS: every certificate is shown, the main server's first, and clients are asked for theirs or turned away.
func TestNginxTLS(t *testing.T) {
	pass := "\nlocation / { proxy_pass http://127.0.0.1:9; }"
	two := func(first, second string) string {
		return "events {}\nhttp {\nserver {\nlisten 443 ssl;\nserver_name a.test;\nssl_certificate /a.pem;\nssl_certificate_key /a.key;\n" + first + pass + "\n}\nserver {\nlisten 443 ssl default_server;\nserver_name b.test;\nssl_certificate /b.pem;\nssl_certificate_key /b.key;\n" + second + pass + "\n}\n}\n"
	}
	meanings(t, []meaning{
		{
			name: "pairs by their order", text: secureServer("ssl_certificate_key /e.key;\nssl_certificate /e.pem;" + pass),
			order: []string{"tls: {cert: /a.pem, key: /a.key, certificates: [{cert: /e.pem, key: /e.key}]}", "pool:"},
		},
		{name: "the main server's first", text: two("", ""), order: []string{"tls: {cert: /b.pem, key: /b.key, certificates: [{cert: /a.pem, key: /a.key}]}"}},
		{name: "one without a key", text: secureServer("ssl_certificate /e.pem;" + pass), order: []string{"8443'\nlimits"}, notes: []string{"without its ssl_certificate_key"}},
		{name: "by variables", text: secureServer("ssl_certificate /$host.pem;\nssl_certificate_key /$host.key;" + pass), order: []string{"tls: {cert: /a.pem, key: /a.key}"}, notes: []string{"ssl_certificate /$host.pem"}},
		{
			name: "certificates of clients", text: secureServer("ssl_client_certificate /ca.pem;\nssl_verify_client on;" + pass),
			order: []string{"key: /a.key, client_ca: /ca.pem}", "pool:"}, without: []string{"501", "client_auth"},
		},
		{
			name: "optional ones", text: secureServer("ssl_client_certificate /ca.pem;\nssl_verify_client optional;" + pass),
			order: []string{"client_ca: /ca.pem, client_auth: optional}", "pool:"},
		},
		{name: "of nobody", text: secureServer("ssl_verify_client on;" + pass), order: []string{"status: 501"}, notes: []string{"ssl_verify_client on"}, without: []string{"pool:", "client_ca"}},
		{
			name: "that nobody verifies", text: secureServer("ssl_client_certificate /ca.pem;\nssl_verify_client optional_no_ca;\nreturn 200 in;"),
			order: []string{"status: 501"}, notes: []string{"optional_no_ca"}, without: []string{"body: in"},
		},
		{
			name: "that may be revoked", text: secureServer("ssl_client_certificate /ca.pem;\nssl_crl /crl.pem;\nssl_verify_client on;" + pass),
			order: []string{"status: 501"}, notes: []string{"ssl_crl"}, without: []string{"pool:"},
		},
		{
			name: "of one server of two", text: two("ssl_client_certificate /ca.pem;\nssl_verify_client on;", ""),
			order: []string{"443'", "a.test\n    respond: {status: 501}", "pool:"}, notes: []string{"other servers on :443"}, without: []string{"client_ca"},
		},
		{name: "of both", text: two(strings.Repeat("ssl_client_certificate /ca.pem;\nssl_verify_client on;", 1), "ssl_client_certificate /ca.pem;\nssl_verify_client on;"), order: []string{"client_ca: /ca.pem"}, without: []string{"501"}},
		{
			name: "without a certificate of one's own", text: "events {}\nhttp {\nserver {\nlisten 443 ssl;\nssl_client_certificate /ca.pem;\nssl_verify_client on;" + pass + "\n}\n}\n",
			order: []string{"501"}, notes: []string{"TLS without", "or it has no certificate"}, without: []string{"pool:"},
		},
		{name: "nobody is asked in clear", text: server("ssl_client_certificate /ca.pem;\nssl_verify_client on;" + pass), order: []string{"pool:"}},
		{
			name: "HTTP/3", text: secureServer("listen 8443 quic reuseport;\nlisten [::]:8443 quic;\nhttp3 on;\nhttp2 on;\nquic_retry on;" + pass),
			order: []string{"8443'\n    tls: {cert: /a.pem, key: /a.key}\n    h3: on\n", "pool:"}, without: []string{"address: ':80'"},
		},
		{name: "HTTP/3 that is turned off", text: secureServer("listen 8443 quic;\nhttp3 off;" + pass), order: []string{"pool:"}, without: []string{"h3:"}},
		{name: "no QUIC, no HTTP/3", text: secureServer("http3 on;" + pass), order: []string{"pool:"}, without: []string{"h3:"}},
		{
			name: "HTTP/3 of one server of two", text: two("listen 443 quic;", ""),
			order: []string{"443'\n    tls: {cert: /b.pem", "h3: on\n", "pool:"},
		},
		{
			name: "HTTP/3 on one address of two", text: secureServer("listen 10.0.0.2:9443 ssl;\nlisten 10.0.0.3:9443 ssl;\nlisten 10.0.0.3:9443 quic;" + pass),
			order: []string{"10.0.0.2:9443'\n    tls: {cert: /a.pem, key: /a.key}\n  - address: '10.0.0.3:9443'\n    tls: {cert: /a.pem, key: /a.key}\n    h3: on\n", "pool:"},
		},
		{
			name: "HTTP/3 alone", text: "events {}\nhttp {\nserver {\nlisten 443 quic;\nssl_certificate /a.pem;\nssl_certificate_key /a.key;" + pass + "\n}\nserver {\nlisten 443 ssl;\nssl_certificate /b.pem;\nssl_certificate_key /b.key;\nreturn 403;\n}\n}\n",
			order: []string{"cert: /b.pem", "h3: on", "status: 403"}, without: []string{"80'", "pool:"}, notes: []string{"reached over TCP, too"},
		},
		{name: "HTTP/3 without a certificate", text: "events {}\nhttp {\nserver {\nlisten 443 ssl;\nlisten 443 quic;" + pass + "\n}\n}\n", order: []string{"pool:"}, without: []string{"h3:"}, notes: []string{"TLS without"}},
		{
			name: "chains", text: secureServer("ssl_client_certificate /ca.pem;\nssl_trusted_certificate /more.pem;\nssl_verify_depth 2;\nssl_verify_client on;" + pass),
			order: []string{"client_ca: /ca.pem"}, notes: []string{"ssl_trusted_certificate", "ssl_verify_depth 2"},
		},
	})
}

// TestHAProxyTLS: every certificate of a bind line is shown, and clients are asked for theirs or turned away.
func TestHAProxyTLS(t *testing.T) {
	bases := "global\n ca-base /etc/ca\n crt-base /etc/crt\n"
	meanings(t, []meaning{
		{name: "several", text: frontend(" bind :8443 ssl crt /a.pem alpn h2 crt /b.pem"), order: []string{"tls: {cert: /a.pem, key: /a.pem, certificates: [{cert: /b.pem, key: /b.pem}]}"}},
		{name: "beneath their directories", text: bases + frontend(" bind :8443 ssl crt a.pem ca-file ca.pem verify required"), order: []string{"cert: /etc/crt/a.pem", "client_ca: /etc/ca/ca.pem}", "pool:"}, without: []string{"501"}},
		{name: "of servers", text: bases + strings.Replace(frontend(""), "127.0.0.1:9", "127.0.0.1:9 ssl ca-file ca.pem crt me.pem", 1), order: []string{"ca: /etc/ca/ca.pem", "cert: /etc/crt/me.pem"}},
		{name: "optional certificates of clients", text: frontend(" bind :8443 ssl crt /a.pem ca-file /ca.pem verify optional"), order: []string{"client_auth: optional", "pool:"}},
		{name: "nobody is asked", text: frontend(" bind :8443 ssl crt /a.pem ca-file /ca.pem"), order: []string{"8443'\n    tls: {cert: /a.pem, key: /a.pem}\n", "pool:"}},
		{name: "of nobody", text: frontend(" bind :8443 ssl crt /a.pem verify required"), order: []string{"status: 501"}, without: []string{"pool:", "client_ca"}, notes: []string{"certificates of clients"}},
		{
			name: "that may be revoked", text: frontend(" bind :8443 ssl crt /a.pem crl-file /crl.pem ca-file /ca.pem verify required"),
			order: []string{"status: 501"}, without: []string{"pool:", "client_ca"}, notes: []string{"crl-file", "certificates of clients"},
		},
		{
			name: "on one address, asked and not", text: strings.Replace(frontend(" bind :8443 ssl crt /a.pem ca-file /ca.pem verify required"), "frontend f", "frontend g\n bind :8443 ssl crt /b.pem\n default_backend app\nfrontend f", 1),
			order: []string{"pool: app", "status: 501"}, without: []string{"client_ca"}, notes: []string{"certificates of clients"},
		},
		{name: "a directory", text: frontend(" bind :8443 ssl crt /etc/certs/"), order: []string{"8443'\nroutes"}, notes: []string{"a directory"}},
		{name: "words that change answers", text: frontend(" bind :8443 ssl crt /a.pem strict-sni crt-list /l accept-proxy"), order: []string{"tls:"}, notes: []string{"strict-sni", "crt-list", "PROXY"}},
	})
}

// TestCaddyTLS: certificates are obtained as Caddy does, or a remark tells that they are not.
func TestCaddyTLS(t *testing.T) {
	proxy := " {\n\treverse_proxy 127.0.0.1:9\n}\n"
	with := func(address, lines string) string {
		return address + " {\n" + lines + "\n\treverse_proxy 127.0.0.1:9\n}\n"
	}
	clients := func(lines string) string {
		return with("a.test", "\ttls /a.pem /a.key {\n\t\tclient_auth {\n"+lines+"\n\t\t}\n\t}")
	}
	both := "listen:\n  - address: ':443'\n    tls: auto\n  - address: ':80'\n"
	meanings(t, []meaning{
		{name: "a public name", text: "a.test" + proxy, order: []string{both + "routes:", "redirect: {to: 'https://$host$uri', status: 308}", "scheme: https\n    host: a.test"}},
		{
			name: "whom the authority writes to", text: "{\n\temail me@a.test\n\tacme_ca https://ca.test/dir\n}\na.test" + proxy,
			order: []string{both + "acme: {email: 'me@a.test', directory: 'https://ca.test/dir'}"},
		},
		{name: "the site says whom", text: with("a.test", "\ttls me@a.test"), order: []string{"tls: auto", "acme: {email: 'me@a.test'}"}},
		{name: "two of them", text: with("a.test", "\ttls me@a.test") + with("b.test", "\ttls me@b.test"), order: []string{"acme: {email: 'me@a.test'}"}, notes: []string{"tls me@b.test"}},
		{name: "an issuer", text: with("a.test", "\ttls {\n\t\tissuer acme {\n\t\t\tdir https://ca.test/dir\n\t\t}\n\t}"), order: []string{"tls: auto", "directory: 'https://ca.test/dir'"}},
		{name: "what proves nothing here", text: with("a.test", "\ttls {\n\t\tdns cloudflare x\n\t}"), order: []string{"tls: auto"}, notes: []string{"dns cloudflare"}},
		{name: "internal", text: with("a.test", "\ttls internal"), order: []string{"tls: internal"}, without: []string{"auto"}},
		{name: "from a snippet", text: "(own) {\n\ttls internal\n}\n" + with("a.test", "\timport own"), order: []string{"tls: internal"}},
		{name: "localhost", text: "localhost" + proxy, order: []string{"443'\n    tls: internal", "scheme: http\n    host: localhost\n    redirect:", "scheme: https\n    host: localhost"}},
		{name: "names of one's own", text: "shop.localhost, a.local, b.internal, c.home.arpa, 10.0.0.1" + proxy, order: []string{"443'\n    tls: internal"}, without: []string{"auto"}},
		{name: "certificates of one's own for all", text: "{\n\tlocal_certs\n}\na.test" + proxy, order: []string{"tls: internal"}},
		{name: "both kinds", text: "a.test" + proxy + "localhost" + proxy, order: []string{"tls: auto"}, notes: []string{"localhost: certificates by ACME and certificates of one's own"}},
		{name: "switched off", text: "{\n\tauto_https off\n}\na.test" + proxy, order: []string{"443'\nroutes"}, notes: []string{"auto_https is off"}, without: []string{"redirect"}},
		{name: "certificates switched off", text: "{\n\tauto_https disable_certs\n}\na.test" + proxy, order: []string{"443'\n  - address: ':80'\nroutes", "redirect"}, notes: []string{"auto_https is off"}},
		{name: "a wildcard", text: "*.a.test" + proxy, order: []string{"443'\n  - "}, notes: []string{"dns-01"}},
		{name: "no dot", text: "shop" + proxy, order: []string{"443'\n  - "}, notes: []string{"dns-01"}},
		{name: "no name", text: ":443" + proxy, order: []string{"443'\nroutes"}, notes: []string{"dns-01"}},
		{name: "files on another port", text: with(":8443", "\ttls /a.pem /a.key"), order: []string{"8443'\n    tls: {cert: /a.pem, key: /a.key}", "port: [8443]"}},
		{
			name: "several files", text: with("a.test", "\ttls /a.pem /a.key") + with("b.test", "\ttls /b.pem /b.key") + "c.test" + proxy,
			order: []string{"tls: {cert: /a.pem, key: /a.key, certificates: [{cert: /b.pem, key: /b.key}], issue: auto}"},
		},
		{name: "other ports", text: "{\n\thttp_port 8080\n\thttps_port 8443\n}\na.test" + proxy, order: []string{"8443'\n    tls: auto\n  - address: ':8080'", "port: [8080]", "https://$host$uri"}},
		{name: "a port of its own", text: "a.test:8443" + proxy, order: []string{"https://$host:8443$uri", "port: [8443]\n    host: a.test\n    pool:"}},
		{name: "http and https", text: "http://a.test, https://a.test" + proxy, order: []string{"routes:\n  - host: a.test\n    pool:"}, without: []string{"redirect", "scheme"}},
		{name: "two ports", text: ":8080, :8081" + proxy, order: []string{"port: [8080, 8081]"}},
		{name: "certificates of clients", text: clients("\t\t\ttrusted_ca_cert_file /ca.pem"), order: []string{"client_ca: /ca.pem}", "pool:"}, without: []string{"501"}},
		{name: "in the new form", text: clients("\t\t\tmode verify_if_given\n\t\t\ttrust_pool file /ca.pem"), order: []string{"client_ca: /ca.pem, client_auth: optional}", "pool:"}},
		{name: "that nobody verifies", text: clients("\t\t\tmode require\n\t\t\ttrusted_ca_cert_file /ca.pem"), order: []string{"501"}, without: []string{"pool:", "client_ca"}, notes: []string{"client_auth"}},
		{name: "by another authority", text: clients("\t\t\ttrust_pool pki_root x"), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"client_auth"}},
		{
			name: "of one site of two", text: clients("\t\t\ttrusted_ca_cert_file /ca.pem") + "b.test" + proxy,
			order: []string{"host: a.test\n    respond: {status: 501}", "pool:"}, without: []string{"client_ca"}, notes: []string{"other sites of the listener"},
		},
	})
}

// TestTraefikTLS: certificates are those of the files and of resolvers, and clients are asked for theirs or turned away.
func TestTraefikTLS(t *testing.T) {
	static := "entryPoints:\n  web: {address: \":80\"}\n  secure: {address: \":443\"}\ncertificatesResolvers:\n  le: {acme: {email: me@a.test, storage: acme.json, tlsChallenge: {}}}\n  other: {acme: {email: me@a.test, caServer: \"https://ca.test/dir\", dnsChallenge: {provider: x}}}\n"
	router := func(name, more string) string {
		return "    " + name + ": {rule: \"Host(`" + name + ".test`)\", service: s, entryPoints: [secure]" + more + "}\n"
	}
	dynamic := func(routers, more string) string {
		return "http:\n  routers:\n" + routers + "  services:\n    s: {loadBalancer: {servers: [{url: \"http://127.0.0.1:9\"}]}}\n" + more
	}
	files := "tls:\n  certificates: [{certFile: /a.pem, keyFile: /a.key}, {certFile: /b.pem, keyFile: /b.key}]\n"
	options := func(name, clients string) string {
		return files + "  options:\n    " + name + ": {clientAuth: " + clients + "}\n"
	}
	required := "{caFiles: [/ca.pem], clientAuthType: RequireAndVerifyClientCert}"
	shown := "tls: {cert: /a.pem, key: /a.key, certificates: [{cert: /b.pem, key: /b.key}]"
	for name, c := range map[string]struct {
		meaning
		files []string
	}{
		"a resolver":          {meaning{order: []string{"':80'\n  - address: ':443'\n    tls: auto\nacme: {email: 'me@a.test'}"}}, []string{static, dynamic(router("a", ", tls: {certResolver: le}"), "")}},
		"of the entry point":  {meaning{order: []string{"tls: auto", "scheme: https"}}, []string{strings.Replace(static, "\":443\"", "\":443\", http: {tls: {certResolver: le}}", 1), dynamic(router("a", ""), "")}},
		"another authority":   {meaning{order: []string{"tls: auto\nacme: {email: 'me@a.test', directory: 'https://ca.test/dir'}"}, notes: []string{"dnsChallenge"}}, []string{static, dynamic(router("a", ", tls: {certResolver: other}"), "")}},
		"unknown":             {meaning{order: []string{"':443'\nroutes"}, notes: []string{"no resolver nobody", "its certificate"}}, []string{static, dynamic(router("a", ", tls: {certResolver: nobody}"), "")}},
		"no name":             {meaning{order: []string{"':443'\nroutes"}, notes: []string{"no route has a host"}}, []string{static, dynamic("    a: {rule: \"PathPrefix(`/`)\", service: s, entryPoints: [secure], tls: {certResolver: le}}\n", "")}},
		"files":               {meaning{order: []string{shown + "}"}}, []string{static, dynamic(router("a", ", tls: {}"), files)}},
		"the default first":   {meaning{order: []string{"tls: {cert: /d.pem, key: /d.key, certificates: [{cert: /a.pem"}}, []string{static, dynamic(router("a", ", tls: {}"), files+"  stores: {default: {defaultCertificate: {certFile: /d.pem, keyFile: /d.key}}}\n")}},
		"clients, by default": {meaning{order: []string{shown + ", client_ca: /ca.pem}", "pool:"}}, []string{static, dynamic(router("a", ", tls: {}"), options("default", required))}},
		"clients, by options": {meaning{order: []string{shown + ", client_ca: /ca.pem, client_auth: optional}", "pool:"}}, []string{static, dynamic(router("a", ", tls: {options: m}"), options("m", "{caFiles: [/ca.pem], clientAuthType: VerifyClientCertIfGiven}"))}},
		"clients, by entry": {
			meaning{order: []string{", client_ca: /ca.pem}", "pool:"}},
			[]string{strings.Replace(static, "\":443\"", "\":443\", http: {tls: {options: m}}", 1), dynamic(router("a", ""), options("m", "{caFiles: [/ca.pem]}"))},
		},
		"clients of one router": {
			meaning{order: []string{shown + "}\n", "host: a.test\n    respond: {status: 501}", "host: b.test\n    pool:"}, without: []string{"client_ca"}, notes: []string{"certificates of clients"}},
			[]string{static, dynamic(router("a", ", tls: {options: m}")+router("b", ", tls: {}"), options("m", required))},
		},
		"clients that nobody verifies": {
			meaning{order: []string{"status: 501"}, without: []string{"pool:"}, notes: []string{"may ask clients"}},
			[]string{static, dynamic(router("a", ", tls: {}"), options("default", "{clientAuthType: RequireAnyClientCert}"))},
		},
		"clients of several authorities": {
			meaning{order: []string{"status: 501"}, without: []string{"pool:"}, notes: []string{"may ask clients"}},
			[]string{static, dynamic(router("a", ", tls: {}"), options("default", "{caFiles: [/ca.pem, /cb.pem]}"))},
		},
		"an entry point of both":     {meaning{order: []string{shown}, notes: []string{"TLS and without"}}, []string{static, dynamic(router("a", ", tls: {}")+router("b", ""), files)}},
		"a redirect that is no more": {meaning{order: []string{"pool:"}, without: []string{"redirect:"}}, []string{static, dynamic(router("a", ", tls: {}, middlewares: [m]"), "  middlewares:\n    m: {redirectScheme: {scheme: https}}\n"+files)}},
	} {
		t.Run(name, func(t *testing.T) { traefikFiles(t, c.meaning, c.files...) })
	}
}
