package adoption

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// accounted is a place in a configuration, and directives that change an answer there. Each is put into the text in the place of HERE.
type accounted struct {
	place, name, text string
	directives        []string
}

// accountedFor are the directives of each product that change what clients or upstreams get, with values that are not the default. Where one
// is the default, or changes nothing that anybody sees, it does not belong here.
var accountedFor = []accounted{
	{"nginx http", "nginx.conf", "events {}\nhttp {\nHERE\nserver {\nlisten 80;\nlocation / { proxy_pass http://127.0.0.1:9; }\n}\n}\n", []string{
		"charset utf-8;", "keepalive_timeout 20s;", "client_header_timeout 7s;", "client_body_timeout 9s;", "send_timeout 11s;", "large_client_header_buffers 8 16k;", "absolute_redirect off;",
		"server_name_in_redirect on;", "port_in_redirect off;", "max_ranges 0;", "recursive_error_pages on;", "etag off;", "if_modified_since off;", "types { text/x x; }", "merge_slashes on;",
		"client_max_body_size 2m;", "add_header X-A b;", "set_real_ip_from 10.0.0.1;", "real_ip_header X-Real-IP;", "limit_rate 1k;", "sub_filter a b;", "underscores_in_headers on;", "ignore_invalid_headers off;",
		"error_page 404 http://a.test/;", "deny 10.0.0.0/8;", "auth_basic x;", "auth_request /a;", "proxy_set_header X-B c;", "proxy_hide_header X-Powered-By;", "proxy_redirect / /a/;", "proxy_buffer_size 128k;",
		"proxy_pass_request_headers off;", "proxy_pass_request_body off;", "proxy_method POST;", "proxy_cookie_path / /a;", "proxy_cookie_domain a b;", "proxy_ignore_headers Expires;", "proxy_cache zone;", "proxy_bind 10.0.0.2;",
		"proxy_connect_timeout 9s;", "proxy_connect_timeout 10m;", "proxy_read_timeout 9s;", "proxy_send_timeout 9s;", "proxy_next_upstream off;", "proxy_next_upstream_tries 9;", "proxy_next_upstream_timeout 3s;", "error_page 404 /x.html; proxy_intercept_errors on;",
		"add_trailer X y;", "gzip on;", "brotli on;", "gunzip on;", "expires 1h;", "addition_types a;", "image_filter off;", "perl_modules a;", "userid on;", "xslt_types a;", "ssi on;", "mirror /m;",
	}},
	{"nginx server", "nginx.conf", "events {}\nhttp {\nserver {\nlisten 80;\nHERE\nlocation / { proxy_pass https://127.0.0.1:9; }\n}\n}\n", []string{
		"listen 81;", "listen 82 proxy_protocol;", "http2 off;", "return 403;", "rewrite ^/a$ /b redirect;", "rewrite ^/a$ /b last;", "if ($http_x = 1) { return 403; }", "ssl_protocols TLSv1.3;",
		"proxy_ssl_verify on;", "proxy_ssl_name a.test;", "proxy_ssl_verify on; proxy_ssl_crl /crl.pem;", "satisfy any;", "limit_conn z 1;", "allow 10.0.0.0/8; deny all;", "location /a { return 200 x; }", "ssl_reject_handshake on;", "error_page 502 /x.html;",
	}},
	{"nginx location", "nginx.conf", "events {}\nhttp {\nlimit_req_zone $binary_remote_addr zone=z:1m rate=5r/s;\nserver {\nlisten 80;\nlocation /a/ {\nHERE\nproxy_pass http://127.0.0.1:9; }\n}\n}\n", []string{
		"limit_req zone=z;", "limit_except GET { deny all; }", "internal;", "return 404;", "rewrite ^/a/(.*)$ /$1 break;", "proxy_set_body x;", "post_action /x;", "secure_link $a;", "js_content a;", "stub_status;", "proxy_set_header Host a.test;",
	}},
	{"nginx files", "nginx.conf", "events {}\nhttp {\nserver {\nlisten 80;\nlocation / {\nHERE\n}\n}\n}\n", []string{
		"root /srv;", "root /srv; index a.html;", "root /srv; autoindex on;", "root /srv; try_files $uri /a.html;", "root /srv; random_index on;", "root /srv; disable_symlinks on;", "empty_gif;", "root /srv; dav_methods PUT;", "root /srv; mp4;",
	}},
	{"nginx upstream", "nginx.conf", "events {}\nhttp {\nupstream u {\nserver 10.0.0.1;\nHERE\n}\nserver {\nlisten 80;\nlocation / { proxy_pass http://u; }\n}\n}\n", []string{
		"server 10.0.0.2 weight=3;", "server 10.0.0.2 weight=3000;", "server 10.0.0.2 backup;", "server 10.0.0.2 max_conns=3;", "server 10.0.0.2 route=a;", "least_conn;", "ip_hash;", "hash $request_uri;", "hash $x;", "sticky cookie a;", "queue 5;", "ntlm;",
	}},
	{"HAProxy frontend", "haproxy.cfg", "defaults\n mode http\nfrontend f\n bind :80\nHERE\n default_backend b\nbackend b\n server s 127.0.0.1:9\n", []string{
		" timeout client 5s", " timeout http-request 3s", " monitor-uri /up", " option forwardfor header X-Client", " option forwardfor except 10.0.0.0/8", " option checkcache", " option http_proxy", " option accept-invalid-http-request",
		" option originalto", " rate-limit sessions 5", " unique-id-header X-Id", " errorfile 503 /e", " http-request deny", " http-request silent-drop", " http-request set-path /a", " http-request lua.auth", " http-request cache-use c",
		" http-request use-service prometheus-exporter", " http-request set-header X-A b", " http-response set-header X-A b", " http-response deny", " http-response set-status 200", " tcp-request connection reject if { src 10.0.0.0/8 }",
		" tcp-request content reject", " tcp-request inspect-delay 5s", " redirect scheme https", " redirect location / if { path /a } drop-query", " use_backend b if { path /a }", " compression algo gzip", " stats uri /s", " bind :81", " bind :82 accept-proxy",
		" bind :83 ssl crt /a.pem strict-sni", " bind :84 ssl crt /a.pem force-tlsv13", " filter cache c", " http-after-response set-header A b", " log-send-hostname x", " option http-use-proxy-header", " no option forwardfor", " declare capture request len 1",
	}},
	{"HAProxy backend", "haproxy.cfg", "defaults\n mode http\nfrontend f\n bind :80\n default_backend b\nbackend b\n server s 127.0.0.1:9 check\nHERE\n", []string{
		" timeout server 5s", " timeout connect 5s", " timeout connect 10m", " timeout tunnel 1h", " timeout queue 5s", " timeout check 1s", " retries 1", " retries 10", " retry-on 503", " retry-on all-retryable-errors", " balance leastconn", " balance rdp-cookie", " cookie a insert", " cookie a prefix",
		" cookie a insert domain b.test", " option httpchk GET /up", " option httpchk GET /up HTTP/1.1\\r\\nHost:\\ a", " option httpchk GET /up\n http-check expect string ok", " option allbackups", " option transparent", " server t 127.0.0.1:8 weight 3", " server t 127.0.0.1:8 weight 0", " server t 127.0.0.1:8 weight 256",
		" server t 127.0.0.1:8 inter 9s fall 7 rise 4", " server t 127.0.0.1:8 backup", " server t 127.0.0.1:8 port 81", " server t 127.0.0.1:8 send-proxy", " server t 127.0.0.1:8 source 10.0.0.2", " server t 127.0.0.1:8 maxconn 7", " server t 127.0.0.1:8 ssl verify none",
		" server t 127.0.0.1:8 ssl verify required verifyhost a", " server t 127.0.0.1:8 redir http://a", " server t 127.0.0.1:8 track b/s", " server-template t 3 a:80", " http-request deny if { src 10.0.0.0/8 }", " http-request replace-path /a(.*) /b\\1", " http-request set-uri /a", " tcp-request content reject",
		" use-server s if { path /a }", " dispatch 127.0.0.1:7", " stick on src", " acl a path /x\n redirect location / if a", " http-send-name-header X-S", " dynamic-cookie-key a", " errorloc 503 /e",
	}},
	{"Caddy global", "Caddyfile", "{\nHERE\n}\na.test {\n\treverse_proxy 127.0.0.1:9\n}\n", []string{
		"\tauto_https off", "\tauto_https disable_redirects", "\tauto_https ignore_loaded_certs", "\temail a@b.test", "\tacme_ca https://ca.test/", "\tacme_dns x y", "\tlocal_certs", "\thttp_port 81", "\thttps_port 444", "\tdefault_sni a", "\tdefault_bind 127.0.0.1", "\torder rate_limit first",
		"\tservers {\n\t\ttimeouts {\n\t\t\tidle 1m\n\t\t}\n\t}", "\ton_demand_tls {\n\t\task http://a.test\n\t}", "\tcert_issuer internal", "\tfallback_sni a",
	}},
	{"Caddy site", "Caddyfile", "http://a.test {\nHERE\n\treverse_proxy 127.0.0.1:9\n}\n", []string{
		"\theader X-A b", "\theader /a X-A b", "\trequest_header X-A b", "\tredir /a /b", "\trespond /a no 403", "\terror /a 403", "\tabort /a", "\thandle /a* {\n\t\trespond 204\n\t}", "\thandle_path /a/* {\n\t\treverse_proxy 127.0.0.1:8\n\t}", "\trewrite * /a{uri}", "\turi strip_prefix /a", "\turi replace a b", "\tmethod POST",
		"\tbasic_auth {\n\t\ta b\n\t}", "\tforward_auth 127.0.0.1:1 {\n\t\turi /x\n\t}", "\tencode gzip", "\ttemplates", "\trequest_body {\n\t\tmax_size 1MB\n\t}", "\thandle_errors {\n\t\trespond x\n\t}", "\tmetrics /metrics", "\tvars a b", "\tmap {host} {x} {\n\t\ta b\n\t}", "\tbind 127.0.0.1", "\timport nothing", "\tpush", "\tintercept {\n\t}",
		"\tcopy_response", "\tinvoke a", "\tacme_server", "\trate_limit {\n\t}", "\tphp_fastcgi unix//run/php.sock", "\tfile_server", "\troot * /srv\n\tfile_server /a/*", "\troot * /srv\n\tfile_server /a/* browse",
	}},
	{"Caddy reverse_proxy", "Caddyfile", "http://a.test {\n\treverse_proxy 127.0.0.1:9 {\nHERE\n\t}\n}\n", []string{
		"\t\tto 127.0.0.1:8", "\t\tlb_policy first", "\t\tlb_policy ip_hash", "\t\tlb_policy query x", "\t\tlb_retries 2", "\t\tlb_retries 9", "\t\tlb_retry_match {\n\t\t\tmethod GET\n\t\t}", "\t\thealth_uri /up", "\t\thealth_port 81", "\t\thealth_interval 9s", "\t\thealth_timeout 1s", "\t\thealth_status 200", "\t\thealth_body ok",
		"\t\thealth_fails 4", "\t\thealth_passes 4", "\t\thealth_headers {\n\t\t\tHost a\n\t\t}", "\t\theader_up X-A b", "\t\theader_up Host b.test", "\t\theader_down X-A b", "\t\theader_down -Server", "\t\tstream_timeout 1h", "\t\thandle_response {\n\t\t\trespond x\n\t\t}", "\t\treplace_status 404 200", "\t\tmethod GET", "\t\trewrite /a",
		"\t\ttrusted_proxies private_ranges", "\t\trequest_buffers 4k", "\t\tdynamic a x", "\t\ttransport fastcgi",
	}},
	{"Caddy transport", "Caddyfile", "http://a.test {\n\treverse_proxy 127.0.0.1:9 {\n\t\ttransport http {\nHERE\n\t\t}\n\t}\n}\n", []string{
		"\t\t\ttls", "\t\t\ttls_insecure_skip_verify", "\t\t\ttls_server_name a", "\t\t\ttls_trusted_ca_certs /ca.pem", "\t\t\ttls_timeout 1s", "\t\t\tdial_timeout 1s", "\t\t\tdial_timeout 1h", "\t\t\tresponse_header_timeout 1s", "\t\t\tread_timeout 1s", "\t\t\twrite_timeout 1s", "\t\t\tversions h2c 2", "\t\t\tversions 1.1", "\t\t\tversions 3",
		"\t\t\tmax_conns_per_host 5", "\t\t\tmax_response_header 1k", "\t\t\tproxy_protocol v2", "\t\t\tresolvers 10.0.0.1", "\t\t\tlocal_address 10.0.0.2", "\t\t\tnetwork_proxy url http://a", "\t\t\ttls_except_ports 80",
	}},
	{"Apache host", "apache2.conf", "<VirtualHost *:80>\nServerName a.test\nDocumentRoot /srv\nHERE\nProxyPass /app http://127.0.0.1:9/app\n</VirtualHost>\n", []string{
		"ServerAlias b.*", "ProxyPass /x http://127.0.0.1:8", "ProxyPass /x http://127.0.0.1:8 nosuch=1", "ProxyPass /x ajp://127.0.0.1:8", "ProxyPassMatch ^/y http://127.0.0.1:8", "ProxyPreserveHost On", "ProxyTimeout 5", "Timeout 7", "ProxyErrorOverride On\nErrorDocument 500 /e.html", "ProxyRequests On", "ProxyVia On",
		"ProxyPassReverse /app http://127.0.0.1:9/app", "ProxyPassReverseCookiePath / /a", "ProxyPassReverseCookieDomain a b", "ProxyHTMLEnable On", "Redirect /a /b", "Redirect gone /a", "RedirectMatch ^/a(.*) /b$1", "RewriteEngine On\nRewriteRule ^/a /b [R]", "RewriteEngine On\nRewriteRule ^/a - [F]",
		"RewriteEngine On\nRewriteRule ^/a /b", "RewriteEngine On\nRewriteMap m txt:/m", "Alias /a /b", "ScriptAlias /cgi-bin /b", "AliasMatch ^/a /b", "DirectoryIndex a.html", "FallbackResource /index.html", "FallbackResource /index.php", "ErrorDocument 404 /e.html", "ErrorDocument 404 text", "Header set A b", "Header append A b",
		"Header set A %{B}e", "Header edit A b c", "RequestHeader set A b", "RequestHeader unset A", "RequestHeader set Host a", "Options +Indexes", "Options ExecCGI", "SetHandler server-status", "SetEnv APP_ENV x", "LimitRequestBody 1000", "RequestReadTimeout header=5", "SetOutputFilter DEFLATE", "AddDefaultCharset utf-8", "ExpiresActive On",
		"CacheEnable disk", "SecRuleEngine On", "UserDir www", "Substitute s/a/b/", "SetInputFilter DEFLATE", "Dav On", "ExtFilterDefine a", "Action a /b", "ForceType text/x", "RemoteIPHeader X-Real-IP", "RemoteIPTrustedProxy 10.0.0.1", "SSLProtocol TLSv1.3", "Require ip 10.0.0.1", "MergeSlashes Off", "ProxyRemote * http://a",
		"<Location /a>\nRequire all denied\n</Location>", "<Location /a>\nHeader set A b\n</Location>", "<Directory /srv/a>\nRequire all denied\n</Directory>", "<Files a>\nRequire all denied\n</Files>", "<If \"true\">\nRequire all denied\n</If>",
	}},
	{"Traefik static", "traefik.yml", "entryPoints:\n  web:\n    address: ':80'\nHERE\nhttp:\n  routers:\n    r: {rule: 'Host(`a.test`)', service: s}\n  services:\n    s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9'}]}}\n", []string{
		"    http: {tls: {}}", "    http: {redirections: {entryPoint: {to: ':443'}}}", "    http: {middlewares: [m]}", "    http: {maxHeaderBytes: 100}", "    http: {encodeQuerySemicolons: true}", "    forwardedHeaders: {trustedIPs: [10.0.0.1]}", "    forwardedHeaders: {insecure: true}", "    proxyProtocol: {trustedIPs: [10.0.0.1]}",
		"    transport: {respondingTimeouts: {readTimeout: 5}}", "    transport: {respondingTimeouts: {idleTimeout: 5}}", "    http3: {}", "api: {insecure: true}", "ping: {}", "providers: {docker: {}}", "serversTransport: {insecureSkipVerify: true}", "serversTransport: {forwardingTimeouts: {dialTimeout: 2}}",
		"tls: {options: {default: {sniStrict: true}}}", "tcp: {routers: {}}", "udp: {services: {}}", "  other: {address: ':81'}", "plugins: {}",
	}},
	{"Traefik router", "traefik.yml", "http:\n  routers:\n    r:\n      rule: 'Host(`a.test`)'\n      service: s\nHERE\n  services:\n    s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9'}]}}\n", []string{
		"      entryPoints: [x]", "      tls: {}", "      tls: {options: x}", "      middlewares: [x]", "      ruleSyntax: v2", "    q: {rule: 'Path(`/a`)', service: t}", "    q: {rule: 'ClientIP(`10.0.0.1`)', service: s}",
	}},
	{"Traefik service", "traefik.yml", "http:\n  routers:\n    r: {rule: 'Host(`a.test`)', service: s}\n  serversTransports:\n    x: {serverName: a}\n    y: {rootCAs: [/a.pem, /b.pem]}\n    z: {rootCAs: [/a.pem], maxConnsPerHost: 3}\n    h: {disableHTTP2: true}\n    c: {certificates: [{certFile: /a, keyFile: /b}]}\n  services:\n    s:\n      loadBalancer:\n        servers:\n        - url: 'http://127.0.0.1:9'\nHERE\n", []string{
		"          weight: 3", "          weight: 3000", "          preservePath: true", "        - {url: 'http://127.0.0.1:8', weight: 2}", "        passHostHeader: false", "        sticky: {cookie: {}}", "        sticky: {cookie: {maxAge: 5}}", "        healthCheck: {path: /up}", "        healthCheck: {interval: 5s}", "        healthCheck: {timeout: 1s}",
		"        healthCheck: {port: 81}", "        healthCheck: {scheme: https}", "        healthCheck: {hostname: a}", "        healthCheck: {headers: {a: b}}", "        healthCheck: {method: HEAD}", "        healthCheck: {mode: grpc}", "        healthCheck: {status: 204}", "        healthCheck: {followRedirects: true}", "        serversTransport: x",
		"        serversTransport: y", "        serversTransport: z", "        serversTransport: h", "        serversTransport: c", "        serversTransport: nothing", "        strategy: p2c", "        strategy: odd", "        passiveHealthCheck: {}",
	}},
	{"Traefik middleware", "traefik.yml", "http:\n  routers:\n    r: {rule: 'Host(`a.test`)', service: s, middlewares: [m]}\n  services:\n    s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9'}]}}\n  middlewares:\n    m:\nHERE\n", []string{
		"      addPrefix: {prefix: /a}", "      stripPrefix: {prefixes: [/a]}", "      stripPrefix: {prefixes: [/a], forceSlash: true}", "      stripPrefixRegex: {regex: [a]}", "      replacePath: {path: /a}", "      replacePathRegex: {regex: a, replacement: b}", "      redirectScheme: {scheme: https}", "      redirectRegex: {regex: a, replacement: b}",
		"      rateLimit: {average: 5}", "      rateLimit: {average: 5, burst: 50}", "      rateLimit: {average: 5, sourceCriterion: {requestHost: true}}", "      rateLimit: {average: 5, sourceCriterion: {requestHeaderName: X-Key}}", "      rateLimit: {average: 5, period: 7s}", "      ipAllowList: {sourceRange: [10.0.0.1]}", "      ipAllowList: {sourceRange: [10.0.0.1], rejectStatusCode: 404}",
		"      basicAuth: {usersFile: /u}", "      basicAuth: {usersFile: /u, removeHeader: true}", "      digestAuth: {}", "      forwardAuth: {address: a}", "      headers: {frameDeny: true}", "      headers: {stsIncludeSubdomains: true}", "      headers: {accessControlAllowMethods: [GET]}", "      headers: {customRequestHeaders: {A: b}}", "      errors: {status: [500]}",
		"      compress: {}", "      buffering: {maxRequestBodyBytes: 5}", "      circuitBreaker: {expression: a}", "      retry: {attempts: 3}", "      inFlightReq: {amount: 5}", "      passTLSClientCert: {pem: true}", "      contentType: {}", "      plugin: {a: b}", "      grpcWeb: {}",
	}},
}

// TestAccounted: what changes an answer is in the result, or a remark names its line.
func TestAccounted(t *testing.T) {
	for _, a := range accountedFor {
		t.Run(a.place, func(t *testing.T) {
			before, plain := meant(t, a.name, strings.Replace(a.text, "HERE", "", 1))
			for _, d := range a.directives {
				after, made := meant(t, a.name, strings.Replace(a.text, "HERE", d, 1))
				told := slices.ContainsFunc(made.Notes, func(n Note) bool {
					return !slices.ContainsFunc(plain.Notes, func(o Note) bool { return o.Text == n.Text })
				})
				if !told && slices.Equal(before, after) {
					t.Errorf("nothing becomes of, and nothing tells of:\n%s\n%s", d, made.File)
				}
			}
		})
	}
}

// meant is the result without its comments.
func meant(t *testing.T, name, text string) (lines []string, made *Result) {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	made, err := Translate(t.Context(), []string{file}, strings.NewReader(""))
	if err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, text))
	}
	inOrder(t, made)
	for line := range strings.Lines(string(made.File)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			lines = append(lines, line)
		}
	}
	return lines, made
}
