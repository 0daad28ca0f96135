package explain

import (
	"fmt"
	"strings"
	"testing"
)

// TestOneRequestIsOneFault counts what several lines, or several programs, tell of one request.
func TestOneRequestIsOneFault(t *testing.T) {
	t.Parallel()
	const nginx = "2026/11/24 10:00:%02d [error] 20#20: *%d %s, client: 192.0.2.1, server: s, request: \"GET /a HTTP/1.1\", upstream: \"http://%s/a\", host: \"s\"\n"
	refusedAt := func(second, conn int, upstream string) string {
		return fmt.Sprintf(nginx, second, conn, "connect() failed (111: Connection refused) while connecting to upstream", upstream)
	}
	for name, c := range map[string]struct {
		text   string
		faults int64
		cause  string
	}{
		"nginx: localhost is two addresses": {refusedAt(0, 5, "[::1]:8089") + refusedAt(0, 5, "127.0.0.1:8089"), 1, "connection-refused"},
		"nginx: the next upstream, and none is left": {
			refusedAt(0, 5, "10.0.0.7:80") + refusedAt(0, 5, "10.0.0.8:80") + fmt.Sprintf(nginx, 0, 5, "no live upstreams while connecting to upstream", "app"), 1, "connection-refused",
		},
		"nginx: the next upstream after a time-out": {
			fmt.Sprintf(nginx, 0, 5, "connect() failed (111: Connection refused) while connecting to upstream", "10.0.0.7:80") +
				fmt.Sprintf(nginx, 59, 5, "upstream timed out (110: Connection timed out) while reading response header from upstream", "10.0.0.8:80"), 1, "connection-refused",
		},
		"nginx: two connections":               {refusedAt(0, 5, "10.0.0.7:80") + refusedAt(0, 6, "10.0.0.8:80"), 2, "connection-refused"},
		"nginx: the same upstream once more":   {refusedAt(0, 5, "10.0.0.7:80") + refusedAt(0, 5, "10.0.0.7:80"), 2, "connection-refused"},
		"nginx: the connection's next request": {refusedAt(0, 5, "10.0.0.7:80") + refusedAt(9, 5, "10.0.0.8:80"), 2, "connection-refused"},
		"nginx: one answer, two words": {
			fmt.Sprintf(nginx, 0, 5, "upstream sent invalid http2 table index: 67 while reading response header from upstream", "10.0.0.1:9513") +
				fmt.Sprintf(nginx, 0, 5, "upstream sent invalid header while reading response header from upstream", "10.0.0.1:9513"), 1, "http2-protocol-error",
		},
		"nginx: one start, two addresses, and the copy on standard error": {
			"2026/11/24 10:00:00 [emerg] 1#1: bind() to 0.0.0.0:80 failed (98: Address already in use)\n" +
				"nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)\n" +
				"2026/11/24 10:00:00 [emerg] 1#1: bind() to [::]:80 failed (98: Address already in use)\n" +
				"nginx: [emerg] bind() to [::]:80 failed (98: Address already in use)\n" +
				"2026/11/24 10:00:03 [emerg] 1#1: still could not bind()\n", 1, "route-broken",
		},
		"HAProxy: two lines of one start": {
			"[ALERT]    (1) : config : parsing [/etc/haproxy/haproxy.cfg:12] : unknown keyword 'foo' in 'frontend' section\n[ALERT]    (1) : config : Fatal errors found in configuration.\n", 1, "route-broken",
		},
		"nginx: two starts": {
			"2026/11/24 10:00:00 [emerg] 1#1: host not found in upstream \"api\" in /etc/nginx/nginx.conf:7\nnginx: [emerg] host not found in upstream \"api\" in /etc/nginx/nginx.conf:7\n" +
				"2026/11/24 10:01:00 [emerg] 1#1: host not found in upstream \"api\" in /etc/nginx/nginx.conf:7\nnginx: [emerg] host not found in upstream \"api\" in /etc/nginx/nginx.conf:7\n", 2, "dns-nxdomain",
		},
		"Apache: three lines of one process": {
			"[Tue Nov 24 10:00:00.123456 2026] [proxy_ajp:error] [pid 25957] (70014)End of file found: AH01030: ajp_ilink_receive() can't receive header\n" +
				"[Tue Nov 24 10:00:00.123460 2026] [proxy_ajp:error] [pid 25957] [client 192.0.2.220:56452] AH00992: ajp_read_header: ajp_ilink_receive failed\n" +
				"[Tue Nov 24 10:00:00.123470 2026] [proxy_ajp:error] [pid 25957] (120006)APR does not understand this error code: [client 192.0.2.220:56452] AH00878: read response failed from 127.0.0.1:8009 (localhost)\n",
			1, "keepalive-race",
		},
		"Apache: each member of a balancer": {
			apacheRefused("10.0.0.7:80") + apacheRefused("10.0.0.8:80") + `192.0.2.1 - - [24/Nov/2026:10:00:00 +0000] "GET /r HTTP/1.1" 503 341 "-" "-"` + "\n", 1, "connection-refused",
		},
		"Apache: the access log has the time when the request began": {
			"[Tue Nov 24 10:00:00.1 2026] [proxy_http:error] [pid 7:tid 8] (70007)The timeout specified has expired: [client 192.0.2.1:5] AH01102: error reading status line from remote server 10.0.0.7:8080\n" +
				"[Tue Nov 24 10:00:00.1 2026] [proxy:error] [pid 7:tid 8] [client 192.0.2.1:5] AH00898: Error reading from remote server returned by /r\n" +
				`192.0.2.1 - - [24/Nov/2026:09:59:00 +0000] "GET /r HTTP/1.1" 502 341 "-" "-"` + "\n", 1, "head-timeout",
		},
		"Apache 2.2: the worker is disabled for it": {
			"[Tue Nov 24 16:38:35 2026] [error] (111)Connection refused: proxy: HTTP: attempt to connect to 127.0.0.1:8881 (localhost) failed\n" +
				"[Tue Nov 24 16:38:35 2026] [error] ap_proxy_connect_backend disabling worker for (localhost)\n[Tue Nov 24 16:38:55 2026] [error] proxy: HTTP: disabled connection for (localhost)\n",
			1, "connection-refused",
		},
		"SELinux tells why": {
			strings.Replace(refusedAt(42, 5, "127.0.0.1:8081"), "failed (111: Connection refused)", "to 127.0.0.1:8081 failed (13: Permission denied)", 1) +
				`type=AVC msg=audit(1795514442.358:1081): avc:  denied  { name_connect } for  pid=20 comm="nginx" dest=8081 scontext=system_u:system_r:httpd_t:s0 tclass=tcp_socket permissive=0` + "\n",
			1, "firewall-rejected",
		},
		"auth_request: the answer, the word and the last answer": {
			`192.0.2.1 - - [24/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 500 0 "-" "-" 0 0.421 [ns-app-443] [] 10.0.4.127:443 0 0.390 500 bf17e304ea9f801bffd5de0bed1c351d` + "\n" +
				"2026/11/24 10:00:00 [error] 34#34: *9 auth request unexpected status: 500 while sending to client, client: 192.0.2.1, server: s, request: \"GET /a HTTP/1.1\", host: \"s\"\n" +
				`192.0.2.1 - - [24/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 500 572 "-" "-" 437 0.421 [ns-app-443] [] - - - - bf17e304ea9f801bffd5de0bed1c351d` + "\n",
			1, "upstream-status",
		},
		"the controller says that a service has no endpoint": {
			"W1124 10:00:00.954692       5 controller.go:769] Service \"ns/app\" does not have any active Endpoint.\n" +
				`192.0.2.1 - - [24/Nov/2026:10:00:12 +0000] "GET /a HTTP/2.0" 503 194 "-" "-" 33 0.000 [ns-app-80] [] - - - - 8b5cf4a2cbd4d4f0f3b8a2b0f7a1c111` + "\n", 1, "no-endpoints",
		},
	} {
		r := explainText(t, "all.log", c.text)
		if r.Faults != c.faults || len(r.Findings) == 0 || r.Findings[0].Cause.String() != c.cause {
			cause := "none"
			if len(r.Findings) > 0 {
				cause = r.Findings[0].Cause.String()
			}
			t.Errorf("%s: %d faults, first %s; want %d and %s", name, r.Faults, cause, c.faults, c.cause)
		}
	}
}

// TestTrace: two proxies write of one request, by the id that both have. The inner one knows more.
func TestTrace(t *testing.T) {
	t.Parallel()
	inner := "2026/11/24 10:00:00 [error] 34#34: *9 connect() failed (111: Connection refused) while connecting to upstream, client: 192.0.2.1, server: kong, request: \"GET /a HTTP/1.1\", upstream: \"http://10.0.0.7:80/a\", host: \"s\", request_id: \"bf17e304ea9f801bffd5de0bed1c351d\"\n"
	outer := `{"time":"2026-11-24T10:00:00Z","level":"error","status":500,"upstream_status":500,"upstream":"10.0.0.9:8000","method":"GET","path":"/a","request_id":"bf17e304ea9f801bffd5de0bed1c351d"}` + "\n"
	for _, text := range []string{inner + outer, outer + inner} {
		if r := explainText(t, "all.log", text); r.Faults != 1 || r.Findings[0].Cause.String() != "connection-refused" {
			t.Errorf("%d faults, first %s:\n%s", r.Faults, r.Findings[0].Cause, text)
		}
	}
}

// apacheRefused is what Apache writes of a balancer's member that refused.
func apacheRefused(peer string) string {
	return "[Tue Nov 24 10:00:00.1 2026] [proxy:error] [pid 7:tid 8] (111)Connection refused: AH00957: http: attempt to connect to " + peer + " (" + peer + ") failed\n" +
		"[Tue Nov 24 10:00:00.1 2026] [proxy_balancer:error] [pid 7:tid 8] AH00959: ap_proxy_connect_backend disabling worker for (" + peer + ") for 60s\n" +
		"[Tue Nov 24 10:00:00.1 2026] [proxy_http:error] [pid 7:tid 8] [client 192.0.2.1:5] AH01114: HTTP: failed to make connection to backend: 10.0.0.7\n"
}
