package lab

import (
	"fmt"
	"strings"
)

func nginx() *Proxy {
	return &Proxy{
		Name: "nginx", Title: "nginx", Package: "nginx-light", programs: []string{"nginx"}, version: []string{"-v"},
		config: func(s *Setup) []file { return []file{{"nginx.conf", nginxConfig(s)}} },
		command: func(s *Setup) []string {
			return []string{"-p", s.Dir, "-c", s.Dir + "/nginx.conf", "-e", s.Dir + "/error.log"}
		},
	}
}

func nginxConfig(s *Setup) string {
	var b, servers strings.Builder
	fmt.Fprintf(&b, `# nginx before the lab's upstreams: /NAME/ reaches each. Made by: whygate lab config nginx
daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
    access_log %[1]s/access.log;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    client_max_body_size 0;
    proxy_connect_timeout %[2]ss;
    proxy_send_timeout %[3]ss;
    proxy_read_timeout %[3]ss;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_ssl_protocols TLSv1.2 TLSv1.3;
    proxy_ssl_verify on;
    proxy_ssl_verify_depth 3;
    proxy_ssl_trusted_certificate %[4]s;
    proxy_ssl_server_name on;
    proxy_ssl_name %[5]s;
    # nginx speaks HTTP/2 to upstreams by grpc_pass alone, which takes any request.
    grpc_connect_timeout %[2]ss;
    grpc_send_timeout %[3]ss;
    grpc_read_timeout %[3]ss;
`, s.Dir, seconds(connectTime), seconds(answerTime), s.Lab.CA(), UpstreamName)
	if s.needsNames() {
		fmt.Fprintf(&b, "    resolver %s valid=1s ipv6=on;\n    resolver_timeout %ss;\n", NameServer, seconds(answerTime))
	}
	fmt.Fprintf(&servers, "    server {\n        listen %s;\n", s.Listen)
	for _, sc := range s.Scenarios {
		target := sc.Name
		own := s.endpoint(sc)
		extra := ""
		if sc.At.named() {
			extra, target = fmt.Sprintf("set $upstream_host %s; ", sc.At.Host), "$upstream_host:"+own.Port
		} else {
			fmt.Fprintf(&b, "    upstream %s {\n", sc.Name)
			for _, e := range s.endpoints(sc) {
				if e.Unix != "" {
					fmt.Fprintf(&b, "        server unix:%s;\n", e.Unix)
					continue
				}
				fmt.Fprintf(&b, "        server %s;\n", e.address())
			}
			b.WriteString("        keepalive 8;\n    }\n")
		}
		if sc.At.Lists {
			extra += fmt.Sprintf("proxy_ssl_crl %s; ", s.Lab.CRL())
		}
		if sc.At.Shows {
			cert, key := s.Lab.Client()
			extra += fmt.Sprintf("proxy_ssl_certificate %s; proxy_ssl_certificate_key %s; ", cert, key)
		}
		pass := "proxy_pass " + own.Scheme
		if own.Scheme == "h2c" {
			pass = "grpc_pass grpc"
		}
		fmt.Fprintf(&servers, "        location /%s/ { %s%s://%s; }\n", sc.Name, extra, pass, target)
	}
	servers.WriteString("    }\n}\n")
	return b.String() + servers.String()
}
