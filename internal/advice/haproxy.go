package advice

import "github.com/whygate/whygate/internal/fault"

// The keywords are those of HAProxy's configuration manual (doc/configuration.txt, 2.6 to 3.2). Where an HAProxy is installed,
// TestHAProxyTakesAdvice has it check them.

var haproxyRetry = []directive{
	{where: "backend", set: "retries 3", why: "new tries of a connection that failed", fits: elsewhere},
	{where: "backend", set: "option redispatch 1", why: "each at another server; by default only the last", fits: elsewhere},
}

var haproxyServerTimeout = directive{where: "backend", set: "timeout server {longer:120}s", why: "how long to wait for each piece of the answer; the application's own limit must be below"}

var haproxyResolvers = []directive{
	{where: "resolvers", set: "nameserver dns1 10.0.0.2:53", why: "and a second one"},
	{where: "backend", set: "server app app.internal:8080 resolvers dns init-addr last,libc,none", why: "starts without the address, and looks it up while running"},
}

var ofHAProxy = table{
	fault.CauseDNSNXDomain:    haproxyResolvers,
	fault.CauseDNSNoData:      {{where: "backend", set: "server app app.internal:8080 resolvers dns resolve-prefer ipv4 init-addr last,libc,none", why: "if the name has IPv4 addresses only"}},
	fault.CauseDNSServFail:    haproxyResolvers,
	fault.CauseDNSRefused:     haproxyResolvers,
	fault.CauseDNSError:       haproxyResolvers,
	fault.CauseDNSUnreachable: haproxyResolvers,
	fault.CauseDNSTimeout: {
		{where: "resolvers", set: "timeout retry 1s", why: "between two questions"},
		{where: "resolvers", set: "hold obsolete 30s", why: "keeps the last address while no server answers"},
	},
	fault.CauseConnectionRefused:    haproxyRetry,
	fault.CauseConnectTimeout:       append([]directive{{where: "backend", set: "timeout connect 3s", why: "leaves a dead server quickly"}}, haproxyRetry...),
	fault.CauseKernelConnectTimeout: {{where: "backend", set: "timeout connect 3s", why: "below the kernel's own limit"}},
	fault.CauseHostUnreachable:      haproxyRetry,
	fault.CauseNetworkUnreachable:   haproxyRetry,
	fault.CauseConnectionLimit:      {{where: "backend", set: "server app {addr:10.0.0.7:8080} maxconn 200", why: "raise it if the server can do more at once"}},
	fault.CauseQueueFull:            {{where: "backend", set: "server app {addr:10.0.0.7:8080} maxconn 200 maxqueue 400", why: "how many may wait for this server before they are sent elsewhere"}},
	fault.CauseQueueTimeout:         {{where: "backend", set: "timeout queue 10s", why: "how long one may wait; without it, timeout connect counts"}},
	fault.CauseTLSCertificateWrongName: {
		{where: "backend", set: "server app {addr:10.0.0.7:443} ssl verify required ca-file /etc/ssl/certs/ca-certificates.crt sni str(app.internal) verifyhost app.internal", why: "the name to send and to verify"},
	},
	fault.CauseTLSCertificateUnknownAuthority: {{where: "backend", set: "server app {addr:10.0.0.7:443} ssl verify required ca-file /etc/haproxy/upstream-ca.pem", why: "the authority that issued it, and its intermediates"}},
	fault.CauseTLSCertificateSelfSigned:       {{where: "backend", set: "server app {addr:10.0.0.7:443} ssl verify required ca-file /etc/haproxy/app-self-signed.pem", why: "pins it, instead of verify none"}},
	fault.CauseTLSCertificateUntrusted:        {{where: "backend", set: "server app {addr:10.0.0.7:443} ssl verify required ca-file /etc/haproxy/upstream-ca.pem", why: "the authority that issued it"}},
	fault.CauseTLSVersionMismatch:             {{where: "backend", set: "server app {addr:10.0.0.7:443} ssl verify required ca-file /etc/haproxy/upstream-ca.pem ssl-min-ver TLSv1.1", why: "only for an upstream that cannot be renewed"}},
	fault.CauseTLSNoSharedCipher:              {{where: "backend", set: "server app {addr:10.0.0.7:443} ssl verify required ca-file /etc/haproxy/upstream-ca.pem ciphers DEFAULT@SECLEVEL=1", why: "lets old suites in for this server alone"}},
	fault.CauseTLSNameUnknown:                 {{where: "backend", set: "server app {addr:10.0.0.7:443} ssl verify required ca-file /etc/haproxy/upstream-ca.pem sni req.hdr(host)", why: "sends the name that the client asked for"}},
	fault.CauseTLSClientCertificateRequired:   {{where: "backend", set: "server app {addr:10.0.0.7:443} ssl verify required ca-file /etc/haproxy/upstream-ca.pem crt /etc/haproxy/client.pem", why: "the certificate to show, with its key in the same file"}},
	fault.CauseTLSALPN:                        {{where: "backend", set: "server app {addr:10.0.0.7:443} ssl verify required ca-file /etc/haproxy/upstream-ca.pem alpn h2,http/1.1", why: "offers both"}},
	fault.CauseTLSToPlainPort:                 {{where: "backend", set: "server app {addr:10.0.0.7:8080}", why: "without ssl: that port speaks plain HTTP"}},
	fault.CausePlainToTLSPort:                 {{where: "backend", set: "server app {addr:10.0.0.7:8443} ssl verify required ca-file /etc/ssl/certs/ca-certificates.crt", why: "that port speaks TLS"}},
	fault.CauseTLSHandshakeTimeout:            {{where: "backend", set: "timeout connect 5s", why: "is the timer of the handshake too"}},
	fault.CauseKeepaliveRace: {
		{where: "backend", set: "retry-on conn-failure empty-response", why: "asks again on a fresh connection if nothing came; for methods that may be repeated"},
		{where: "backend", set: "default-server pool-purge-delay 2s", why: "closes idle connections sooner than the server does; 5 s is the default"},
	},
	fault.CauseClosedBeforeAnswer:    {{where: "backend", set: "retry-on conn-failure empty-response", why: "only where a repeated request does no harm"}},
	fault.CauseResetBeforeAnswer:     {{where: "backend", set: "retry-on conn-failure empty-response", why: "only where a repeated request does no harm"}},
	fault.CauseHeadTimeout:           {haproxyServerTimeout},
	fault.CauseWorkerTimeout:         {haproxyServerTimeout},
	fault.CauseBodyStalled:           {haproxyServerTimeout, {where: "backend", set: "timeout tunnel 1h", why: "for WebSocket and what else has been upgraded"}},
	fault.CauseUploadStalled:         {haproxyServerTimeout},
	fault.CauseHeadTooLarge:          {{where: "global", set: "tune.bufsize 32768", why: "a head must fit, less tune.maxrewrite; it is the size of every buffer"}, {where: "global", set: "tune.maxrewrite 1024", why: "what is kept free of it for rules that add headers"}},
	fault.CauseFieldTooLarge:         {{where: "global", set: "tune.bufsize 32768", why: "the whole head must fit"}},
	fault.CauseTooManyFields:         {{where: "global", set: "tune.http.maxhdr 256", why: "101 is the default"}},
	fault.CauseBadField:              {{where: "backend", set: "option accept-invalid-http-response", why: "until the application is right; show errors keeps the bytes; accept-unsafe-violations-in-http-response from 3.0 on"}},
	fault.CauseHTTP2OnHTTP1Port:      {{where: "backend", set: "server app {addr:10.0.0.7:50051} proto h2", why: "HTTP/2 without TLS"}},
	fault.CauseHTTP1OnHTTP2Port:      {{where: "backend", set: "server app {addr:10.0.0.7:8080}", why: "without proto h2"}},
	fault.CauseGRPCOverHTTP1:         {{where: "backend", set: "server app {addr:10.0.0.7:50051} proto h2", why: "gRPC needs HTTP/2; and alpn h2 on the bind line"}},
	fault.CauseProxyProtocolMismatch: {{where: "backend", set: "server app {addr:10.0.0.7:8080} send-proxy-v2", why: "or leave it out, as the server expects; accept-proxy on a bind line that gets it"}},
	fault.CauseNobodyAvailable: {
		{where: "backend", set: "default-server inter 2s fall 3 rise 2", why: "how soon a server is out, and back"},
		{where: "backend", set: "option httpchk GET /healthz", why: "a check that fails only when traffic would"},
	},
	fault.CauseNoEndpoints:          {{where: "backend", set: "server app {addr:10.0.0.7:8080} check", why: "the backend has no server, or all are disabled: show servers state"}},
	fault.CauseNoRoute:              {{where: "frontend", set: "default_backend app", why: "where no use_backend matches"}},
	fault.CausePortsExhausted:       {{where: "backend", set: "http-reuse always", why: "uses connections again"}, {where: "backend", set: "server app {addr:10.0.0.7:8080} source 10.0.0.20:10000-65000", why: "another source address and a range of its own"}},
	fault.CauseDescriptorsExhausted: {{where: "global", set: "maxconn 20000", why: "HAProxy raises its own limit of descriptors to fit; the unit's LimitNOFILE= must allow it"}},
	fault.CauseOwnLimit:             {{where: "global", set: "maxconn 20000", why: "of the process; the frontend has a maxconn of its own"}},
	fault.CauseClientLeft:           {{where: "backend", set: "option abortonclose", why: "takes requests out of the queue whose client is gone"}},
	fault.CauseRequestHeadTimeout:   {{where: "frontend", set: "timeout http-request 10s", why: "how long a request's head may take"}},
	fault.CauseRequestHeadTooLarge:  {{where: "global", set: "tune.bufsize 32768", why: "the whole head must fit"}},
	fault.CauseRateLimited:          {{where: "frontend", set: "http-request return status 429 hdr Retry-After 10 if { sc_http_req_rate(0) gt 100 }", why: "says when to come back"}},
	fault.CauseMaintenance:          {{where: "frontend", set: "http-request return status 503 hdr Retry-After 120 if { nbsrv(app) eq 0 }", why: "tells clients when to come back"}},
	fault.CauseUpstreamOverloaded:   {{where: "backend", set: "default-server maxconn 100 slowstart 30s", why: "bounds what each server gets, and lets a new one warm up"}},
	fault.CauseUpstreamStatus:       {{where: "backend", set: "retry-on conn-failure 502 503", why: "asks another server for what one cannot answer"}},
	fault.CauseWrongHost:            {{where: "backend", set: "http-request set-header Host app.internal", why: "the name that the application's virtual host has"}},
	fault.CauseRedirectLoop:         {{where: "frontend", set: "http-request set-header X-Forwarded-Proto https if { ssl_fc }", why: "tells the application that the client came over https"}},
	fault.CauseUpgradeRefused:       {{where: "backend", set: "timeout tunnel 1h", why: "HAProxy passes an upgrade on by itself; the answer is the application's"}},
	fault.CauseShuttingDown:         {{where: "global", set: "hard-stop-after 60s", why: "how long an old process may finish its requests"}},
	fault.CauseResponseBlocked:      {{why: "An http-response deny rule, or option checkcache, did it: show errors, and the log's termination state PH."}},
}
