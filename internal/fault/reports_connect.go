package fault

// What Traefik says where Caddy's column has the Go error: its own log has the same one, mostly where nobody looks.
const (
	traefik502 = "502; the Go error stands in error= of its log, at DEBUG only"
	traefik504 = "504; the Go error stands in error= of its log, at DEBUG only"
	traefik500 = "500, although the upstream is at fault; the Go error stands in error= of its log, at DEBUG only"
)

// DNS failures that many proxies cannot tell apart.
const (
	haproxyDNS = "503, termination state SC, server <NOSRV>: the resolvers section holds the server down"
	envoyDNS   = "503 UH no_healthy_upstream (strict_dns); 503 DF dns_resolution_failure{...} (dynamic forward proxy)"
	apacheDNS  = "500 from 2.4.59 on, 502 before: AH00898: DNS lookup failure for: X returned by /URI"
	cfDNS      = "530, with 1016 in the page"
)

// reportsConnect are the reports of the stages resolve and dial, and of the gateway's own shortages.
var reportsConnect = map[Cause]said{
	CauseDNSNXDomain: {
		nginx:      `502 "X could not be resolved (3: Host not found)"; with a fixed name it does not start: [emerg] host not found in upstream "X" in FILE:LINE`,
		haproxy:    haproxyDNS,
		envoy:      envoyDNS,
		caddy:      `502 "dial tcp: lookup X on R:53: no such host"`,
		traefik:    traefik502,
		apache:     apacheDNS + ", after (EAI 2)Name or service not known",
		cloudflare: cfDNS,
	},
	CauseDNSNoData: {
		nginx:      `502 "X could not be resolved (3: Host not found)", as if the name did not exist`,
		haproxy:    haproxyDNS,
		envoy:      envoyDNS,
		caddy:      `502 "dial tcp: lookup X on R:53: no such host", as if the name did not exist`,
		traefik:    traefik502,
		apache:     apacheDNS,
		cloudflare: cfDNS,
	},
	CauseDNSServFail: {
		nginx:      `502 "X could not be resolved (2: Server failure)"`,
		haproxy:    haproxyDNS,
		envoy:      envoyDNS,
		caddy:      `502 "dial tcp: lookup X on R:53: server misbehaving"`,
		traefik:    traefik502,
		apache:     apacheDNS,
		cloudflare: cfDNS,
	},
	CauseDNSBogus: {
		nginx:      `502 "X could not be resolved (2: Server failure)": DNSSEC is not told apart`,
		haproxy:    haproxyDNS,
		envoy:      envoyDNS,
		caddy:      `502 "dial tcp: lookup X on R:53: server misbehaving"`,
		traefik:    traefik502,
		apache:     apacheDNS,
		cloudflare: cfDNS,
	},
	CauseDNSRefused: {
		nginx:      `502 "X could not be resolved (5: Operation refused)"`,
		haproxy:    haproxyDNS,
		envoy:      envoyDNS,
		caddy:      `502 "dial tcp: lookup X on R:53: server misbehaving"`,
		traefik:    traefik502,
		apache:     "500: AH00898: DNS lookup failure for: X returned by /URI",
		cloudflare: cfDNS,
	},
	CauseDNSError: {
		nginx:      `502 "X could not be resolved (1: Format error)" or "(4: Unimplemented)"`,
		haproxy:    haproxyDNS,
		envoy:      envoyDNS,
		caddy:      `502 "dial tcp: lookup X on R:53: server misbehaving"`,
		traefik:    traefik502,
		apache:     "500: AH00898: DNS lookup failure for: X returned by /URI",
		cloudflare: cfDNS,
	},
	CauseDNSTimeout: {
		nginx:      `502, not 504: "X could not be resolved (110: Operation timed out)"`,
		haproxy:    "503",
		envoy:      "503 DF",
		caddy:      `502 "dial tcp: lookup X on R:53: read udp ...: i/o timeout"` + inferred,
		traefik:    traefik504,
		apache:     "500",
		cloudflare: cfDNS,
	},
	CauseDNSUnreachable: {
		nginx:      `502; "recv() failed (111: Connection refused) while resolving, resolver: R:53", then as if the resolver were silent`,
		haproxy:    "503",
		envoy:      "503",
		caddy:      `502 "read udp ...: read: connection refused"`,
		traefik:    traefik502,
		apache:     "500",
		cloudflare: cfDNS,
	},
	CauseDNSBlocked: {
		nginx:   "502 with the words of the response code that the filter sent: (3: Host not found), (5: Operation refused)",
		haproxy: haproxyDNS,
		envoy:   envoyDNS,
	},
	CauseDNSNoResolver: {
		nginx: `502 "no resolver defined to resolve X"`,
	},
	CauseConnectionRefused: reportsC1,
	CauseServiceStopped:    reportsC1,
	CauseServiceFailed:     reportsC1,
	CauseConnectTimeout: {
		nginx:      `504 "upstream timed out (110: Connection timed out) while connecting to upstream" (60 s unless set)`,
		haproxy:    "503, termination state sC, Tc -1",
		envoy:      "503 UF upstream_reset_before_response_started{connection_timeout} or {connection_timeout|connect_timeout} (5 s unless set)",
		caddy:      `502 "dial tcp IP:P: i/o timeout" (3 s unless set)` + inferred,
		traefik:    "504 (30 s unless set)",
		apache:     "503 (110)Connection timed out: AH00957, then AH01114",
		alb:        "504, target_status_code - (10 s)",
		gcp:        "502 or 503, statusDetails failed_to_connect_to_backend",
		cloudflare: "522",
	},
	CauseKernelConnectTimeout: {
		nginx:      `502, not 504: "connect() failed (110: Connection timed out) while connecting to upstream"`,
		haproxy:    "503, termination state SC" + inferred,
		envoy:      "503 UF upstream_reset_before_response_started{...delayed_connect_error:_Connection_timed_out}" + inferred,
		caddy:      `502 "connect: connection timed out"` + inferred,
		traefik:    traefik504,
		apache:     "503",
		alb:        "504, target_status_code -",
		cloudflare: "522",
	},
	CauseHostUnreachable: {
		nginx:      `502 "connect() failed (113: No route to host) while connecting to upstream"`,
		haproxy:    "503, termination state SC, bc_err_name EUNREACH",
		envoy:      "503 UF upstream_reset_before_response_started{...delayed_connect_error:_No_route_to_host}" + inferred,
		caddy:      `502 "dial tcp IP:P: connect: no route to host"`,
		traefik:    traefik502,
		apache:     "503 (113)No route to host: AH00957",
		alb:        "502, target_status_code -",
		gcp:        "502 or 503, statusDetails failed_to_connect_to_backend",
		cloudflare: "523",
	},
	CauseNetworkUnreachable: {
		nginx:      `502 "connect() to IP:P failed (101: Network is unreachable) while connecting to upstream"`,
		haproxy:    "503, termination state SC",
		envoy:      "503 UF upstream_reset_before_response_started{remote_connection_failure|immediate_connect_error:_Network_is_unreachable...}",
		caddy:      `502 "dial tcp IP:P: connect: network is unreachable"`,
		traefik:    traefik502,
		apache:     "503 (101)Network is unreachable: AH00957",
		cloudflare: "523",
	},
	CauseFirewallRejected: {
		nginx:   `502 "connect() failed (113: No route to host) while connecting to upstream", or (101: Network is unreachable) for ICMP code 9`,
		haproxy: "503, termination state SC",
		envoy:   "503 UF",
		caddy:   `502 "connect: no route to host", or "connect: network is unreachable" for ICMP code 9`,
		traefik: traefik502,
		apache:  "503: AH00957",
		alb:     "502, target_status_code -",
	},
	CauseSocketMissing: {
		nginx:   `502 [crit] "connect() to unix:/PATH failed (2: No such file or directory) while connecting to upstream"`,
		haproxy: "503, termination state SC",
		envoy:   "503 UF",
		caddy:   `502 "dial unix /PATH: connect: no such file or directory"`,
		traefik: "502",
		apache:  "503: AH02454",
	},
	CauseSocketPermission: {
		nginx:   `502 [crit] "connect() to unix:/PATH failed (13: Permission denied) while connecting to upstream"`,
		haproxy: "503, termination state SC",
		envoy:   "503 UF",
		apache:  "503: AH02454",
	},
	CauseSocketBacklogFull: {
		nginx:   `502 [error] "connect() to unix:/PATH failed (11: Resource temporarily unavailable) while connecting to upstream"`,
		haproxy: "503, termination state SC",
		envoy:   "503 UF",
		apache:  "503: AH02454",
	},
	CauseAddressProhibited: {
		haproxy: "403, termination state PR (a deny rule)",
		envoy:   "403 (RBAC)",
		apache:  "403: AH00916 or AH00917 (ProxyBlock)",
		alb:     "403 (WAF)",
	},
	CauseConnectionLimit: {
		nginx:   `502 "no live upstreams while connecting to upstream" (max_conns), the same words as when all are down`,
		haproxy: "503, termination state sQ after timeout queue, SQ when maxqueue is full",
		envoy:   "503 UO upstream_reset_before_response_started{overflow}, header x-envoy-overloaded: true",
		caddy:   `503 "no upstreams available" (max_requests)`,
		apache:  "503: AH00941: HTTP: failed to acquire connection for (H:P), or AH00934: all workers are busy.  Unable to serve URL",
	},
	CausePortsExhausted: {
		nginx:   `502 [crit] "connect() to IP:P failed (99: Cannot assign requested address) while connecting to upstream"`,
		haproxy: `503, termination state RC by the manual; syslog "Connect() failed for backend B: no free ports.", bc_err_name FREE_PORTS or PORT_RANGE`,
		envoy:   "503 UF, local_connection_failure or immediate_connect_error" + inferred,
		caddy:   `502 "connect: cannot assign requested address"`,
		traefik: traefik502,
		apache:  "503 (99)Cannot assign requested address: AH00957",
	},
	CauseDescriptorsExhausted: {
		nginx:   `500 [alert] "socket() failed (24: Too many open files) while connecting to upstream", or "N worker_connections are not enough while connecting to upstream"`,
		haproxy: "503, termination state PC or RC by the manual; bc_err_name SYS_FDLIM, PROC_FDLIM or CONF_FDLIM",
		caddy:   `502 "socket: too many open files"`,
		traefik: traefik502,
		apache:  "503: AH00952 ... error creating fam 2 socket",
	},
	CauseProxyProtocolMismatch: {
		nginx:   `502 "upstream prematurely closed connection while reading response header from upstream", or the upstream's 400 passed on`,
		haproxy: "502, termination state SH or PH; as the receiver PRX_NOT_HDR",
		envoy:   "503 UC, or the upstream's 400 passed on",
		caddy:   `502 "EOF", or the upstream's 400 passed on`,
		traefik: `502 "EOF", or the upstream's 400 passed on`,
		apache:  "502: AH01102",
		alb:     "502, target_status_code -",
	},
	CauseConnectionLost: {
		nginx:   `504 "upstream timed out (110: Connection timed out) while reading response header from upstream"; 502 if the kernel gives up first`,
		haproxy: "504, termination state sH",
		envoy:   "504 UT",
		caddy:   "504 if a timeout is set",
		traefik: "504 if a timeout is set",
		apache:  "502, as for any read timeout",
		alb:     "504, target_status_code -",
	},
	CauseOwnLimit: {
		nginx:   `500 "worker_connections are not enough", or the connection is reset`,
		haproxy: "the accept queue, or termination state RC or PC",
		envoy:   `503 "envoy overloaded", details overload, flag OM; drop_overload, flag DO`,
		apache:  "503, or the connection is refused",
	},
	CauseInternalError: {
		nginx:   "500",
		haproxy: "500, termination state beginning with I",
		envoy:   "503 or 500",
		caddy:   "500",
		traefik: "500",
		apache:  "500",
		alb:     "500",
		gcp:     "4xx or 5xx, statusDetails internal_error",
	},
}

// reportsC1 is a port that refuses, whatever the reason.
var reportsC1 = said{
	nginx:      `502 "connect() failed (111: Connection refused) while connecting to upstream"`,
	haproxy:    "503, termination state SC; bc_err_name SOCK_ERR or EREFUSED" + inferred,
	envoy:      "503 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
	caddy:      `502 "dial tcp IP:P: connect: connection refused"`,
	traefik:    traefik502,
	apache:     "503 (111)Connection refused: AH00957: HTTP: attempt to connect to IP:P (H:P) failed, then AH01114: HTTP: failed to make connection to backend: H",
	alb:        "502, target_status_code -",
	gcp:        "502 or 503, statusDetails failed_to_connect_to_backend",
	cloudflare: "521",
}
