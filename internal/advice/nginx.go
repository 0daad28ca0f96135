package advice

import "github.com/whygate/whygate/internal/fault"

// The directives are those of ngx_http_proxy_module, ngx_http_upstream_module, ngx_http_core_module, ngx_http_grpc_module and
// ngx_http_limit_req_module on nginx.org/en/docs. Where an nginx is installed, TestNginxTakesAdvice has it check them.

var nginxResolver = directive{where: "http", set: "resolver 10.0.0.2 10.0.0.3 valid=30s;", why: "two servers that know the name, by address; nginx does not read /etc/resolv.conf"}

var nginxAnother = directive{where: "upstream", set: "server 10.0.0.8:8080 backup;", why: "another endpoint to go on with", fits: elsewhere}

var nginxBuffers = []directive{
	{where: "location", set: "proxy_buffer_size 16k;", why: "the whole head must fit into this one buffer"},
	{where: "location", set: "proxy_buffers 8 16k;", why: "must be as large, each"},
	{where: "location", set: "proxy_busy_buffers_size 32k;", why: "nginx -t asks for it between the two; with FastCGI: fastcgi_buffer_size and fastcgi_buffers"},
}

var nginxTrust = []directive{
	{where: "location", set: "proxy_ssl_trusted_certificate /etc/nginx/upstream-ca.pem;", why: "the authority that issued the upstream's certificate"},
	{where: "location", set: "proxy_ssl_verify_depth 3;", why: "the default of 1 does not allow for an intermediate certificate"},
}

var nginxServerName = directive{where: "location", set: "proxy_ssl_server_name on;", why: "sends the name; the default is off, and the upstream then shows the certificate of its default host"}

var nginxReadTimeout = directive{where: "location", set: "proxy_read_timeout {longer:120}s;", why: "for this route alone; 60 s is the default, and the application's own limit must be below"}

var ofNginx = table{
	fault.CauseDNSNXDomain: {
		{why: "nginx resolves the names in upstream and proxy_pass when it starts: nginx -t && nginx -s reload once the name exists."},
		{where: "upstream", set: "server app.internal:8080 resolve;", why: "looks the name up again by its TTL; needs zone in the same block and resolver, open source since 1.27.3", newer: true, since: "1.27.3"},
	},
	fault.CauseDNSNoData:      {{where: "http", set: "resolver 10.0.0.2 ipv6=off;", why: "asks for IPv4 addresses only, if the name has no others that can be reached"}},
	fault.CauseDNSServFail:    {nginxResolver},
	fault.CauseDNSRefused:     {nginxResolver},
	fault.CauseDNSUnreachable: {nginxResolver},
	fault.CauseDNSError:       {nginxResolver},
	fault.CauseDNSTimeout: {
		nginxResolver,
		{where: "http", set: "resolver_timeout 5s;", why: "30 s is the default, and the answer is then a 502"},
	},
	fault.CauseDNSNoResolver: {{where: "http", set: "resolver 10.0.0.2 valid=30s;", why: "a proxy_pass with a variable in it needs one"}},
	fault.CauseConnectionRefused: {
		nginxAnother,
		{where: "location", set: "proxy_next_upstream error timeout;", why: "tries the next endpoint; this is the default, and proxy_next_upstream off; undoes it", fits: elsewhere},
	},
	fault.CauseConnectTimeout:       {{where: "location", set: "proxy_connect_timeout 3s;", why: "60 s is the default: leave a dead endpoint quickly"}, nginxAnother},
	fault.CauseKernelConnectTimeout: {{where: "location", set: "proxy_connect_timeout 3s;", why: "below the kernel's own limit, so that the answer is a 504 and not a 502"}, nginxAnother},
	fault.CauseHostUnreachable:      {nginxAnother},
	fault.CauseNetworkUnreachable:   {{where: "http", set: "resolver 10.0.0.2 ipv6=off;", why: "if the address is an IPv6 one, and this host has no IPv6 route"}},
	fault.CauseFirewallRejected:     {{why: "With SELinux, permission denied on TCP is its boolean: setsebool -P httpd_can_network_connect 1"}},
	fault.CauseSocketMissing:        {{where: "location", set: "proxy_pass http://unix:/run/app/app.sock;", why: "the path that the application creates; with PrivateTmp= in its unit, /tmp is another one"}},
	fault.CauseSocketPermission: {
		{where: "main", set: "user www-data;", why: "put this user into the socket's group, and give the socket mode 0660"},
		{why: "Every directory above the socket needs the x bit for that user: namei -l /run/app/app.sock"},
	},
	fault.CauseSocketBacklogFull: {{why: "The queue is the application's: listen.backlog in php-fpm, --backlog in gunicorn, listen in uWSGI, all below net.core.somaxconn."}},
	fault.CauseConnectionLimit:   {{where: "upstream", set: "server {addr:10.0.0.7:8080} max_conns=200;", why: "raise it if the endpoint can do more at once; past it nginx says no live upstreams"}},
	fault.CauseTLSCertificateWrongName: {
		{where: "location", set: "proxy_ssl_name app.internal;", why: "the name to verify and to send, where it is not the one in proxy_pass"}, nginxServerName,
	},
	fault.CauseTLSCertificateUnknownAuthority: nginxTrust,
	fault.CauseTLSCertificateSelfSigned:       {{where: "location", set: "proxy_ssl_trusted_certificate /etc/nginx/app-self-signed.pem;", why: "pins it, instead of turning proxy_ssl_verify off"}},
	fault.CauseTLSCertificateUntrusted:        nginxTrust,
	fault.CauseTLSCertificateRevoked:          {{where: "location", set: "proxy_ssl_crl /etc/nginx/upstream.crl;", why: "the list that says so; replace it if it is outdated"}},
	fault.CauseTLSVersionMismatch:             {{where: "location", set: "proxy_ssl_protocols TLSv1.2 TLSv1.3;", why: "what nginx offers; add TLSv1.1 only for an upstream that cannot be renewed"}},
	fault.CauseTLSNoSharedCipher:              {{where: "location", set: "proxy_ssl_ciphers DEFAULT@SECLEVEL=1;", why: "lets old suites and short keys in for this upstream alone"}},
	fault.CauseTLSNameUnknown:                 {nginxServerName},
	fault.CauseTLSHandshakeClosed:             {nginxServerName},
	fault.CauseTLSClientCertificateRequired: {
		{where: "location", set: "proxy_ssl_certificate /etc/nginx/client.pem;", why: "the certificate to show the upstream"},
		{where: "location", set: "proxy_ssl_certificate_key /etc/nginx/client.key;", why: "its key"},
	},
	fault.CauseTLSToPlainPort:      {{where: "location", set: "proxy_pass http://{addr:10.0.0.7:8080};", why: "that port speaks plain HTTP"}},
	fault.CausePlainToTLSPort:      {{where: "location", set: "proxy_pass https://{addr:10.0.0.7:8443};", why: "that port speaks TLS"}, nginxServerName},
	fault.CauseTLSHandshakeTimeout: {{where: "location", set: "proxy_connect_timeout 5s;", why: "is the timer of the handshake too"}},
	fault.CauseKeepaliveRace: {
		{where: "upstream", set: "keepalive_timeout 4s;", why: "shorter than the application's own keep-alive timeout; 60 s is the default"},
		{where: "upstream", set: "keepalive_requests 1000;", why: "below the application's own limit of requests for a connection"},
		{where: "location", set: "proxy_next_upstream error timeout non_idempotent;", why: "repeats a POST too: only where a second one does no harm"},
	},
	fault.CauseClosedBeforeAnswer: {
		{where: "location", set: "proxy_http_version 1.1;", why: "some servers close on the HTTP/1.0 that is the default before 1.29.7"},
		{where: "location", set: `proxy_set_header Connection "";`, why: "goes with it"},
	},
	fault.CauseWorkerTimeout: {nginxReadTimeout},
	fault.CauseHeadTimeout:   {nginxReadTimeout},
	fault.CauseBodyStalled: {
		nginxReadTimeout,
		{where: "location", set: "proxy_buffering off;", why: "for event streams: passes each piece on as it comes"},
	},
	fault.CauseUploadCut: {
		{where: "location", set: "client_max_body_size 50m;", why: "refuses what the application would refuse, before it is sent"},
		{where: "location", set: "proxy_request_buffering off;", why: "sends the body as it comes, so that an early answer is seen"},
	},
	fault.CauseUploadStalled:         {{where: "location", set: "proxy_send_timeout {longer:120}s;", why: "between two writes; 60 s is the default"}},
	fault.CauseHeadTooLarge:          nginxBuffers,
	fault.CauseFieldTooLarge:         nginxBuffers,
	fault.CauseWrongService:          {{where: "location", set: "proxy_pass http://{addr:10.0.0.7:8080};", why: "the application's HTTP port; for uwsgi and FastCGI sockets: uwsgi_pass, fastcgi_pass"}},
	fault.CauseHTTP2OnHTTP1Port:      {{where: "location", set: "grpc_pass grpc://{addr:10.0.0.7:50051};", why: "speaks HTTP/2 without TLS; grpcs:// with it"}},
	fault.CauseHTTP1OnHTTP2Port:      {{where: "location", set: "proxy_pass http://{addr:10.0.0.7:8080};", why: "instead of grpc_pass: that port speaks HTTP/1"}},
	fault.CauseGRPCOverHTTP1:         {{where: "location", set: "grpc_pass grpc://{addr:10.0.0.7:50051};", why: "instead of proxy_pass; the server needs http2 on its listen"}},
	fault.CauseHTTP2RefusedStream:    {{where: "location", set: "grpc_next_upstream error timeout invalid_header;", why: "a refused stream counts as an invalid header, and is safe to repeat"}},
	fault.CauseHTTP2GoAway:           {{where: "location", set: "grpc_next_upstream error timeout invalid_header;", why: "GOAWAY counts as an invalid header, and is not tried again by default"}},
	fault.CauseProxyProtocolMismatch: {{where: "server", set: "listen 8081 proxy_protocol;", why: "where nginx is the one that receives it; towards HTTP upstreams nginx sends none"}},
	fault.CauseNobodyAvailable: {
		{where: "upstream", set: "server {addr:10.0.0.7:8080} max_fails=3 fail_timeout=5s;", why: "one failure puts it out for 10 s by default"},
		{where: "upstream", set: "server 10.0.0.9:8080 max_fails=0;", why: "never puts it out: right where there is only one"},
	},
	fault.CauseNoRoute: {{where: "server", set: "server_name shop.example.com;", why: "the name that was asked for; listen 80 default_server; says who answers all others"}},
	fault.CausePortsExhausted: {
		{where: "upstream", set: "keepalive 64;", why: "uses connections again; before 1.29.7 with proxy_http_version 1.1 and an empty Connection"},
		{where: "location", set: "proxy_bind 10.0.0.20;", why: "another source address has 28,000 more ports; split_clients chooses among several"},
	},
	fault.CauseDescriptorsExhausted: {
		{where: "main", set: "worker_rlimit_nofile 65536;", why: "two for each proxied connection, and the unit's LimitNOFILE= at least as much"},
		{where: "events", set: "worker_connections 16384;", why: "below the half of it"},
	},
	fault.CauseOwnLimit:             {{where: "events", set: "worker_connections 16384;", why: "counts the upstream's connections as well; worker_rlimit_nofile must be above"}},
	fault.CauseClientLeft:           {{where: "location", set: "proxy_ignore_client_abort on;", why: "lets the application finish what must be finished"}},
	fault.CauseRequestBodyTooLarge:  {{where: "location", set: "client_max_body_size 50m;", why: "1m is the default"}},
	fault.CauseRequestHeadTooLarge:  {{where: "server", set: "large_client_header_buffers 4 16k;", why: "8k is the default for a line"}},
	fault.CauseRequestTargetTooLong: {{where: "server", set: "large_client_header_buffers 4 16k;", why: "the request line must fit into one of them"}},
	fault.CauseRequestHeadTimeout:   {{where: "server", set: "client_header_timeout 60s;", why: "60 s is the default"}},
	fault.CauseRequestBodyTimeout:   {{where: "location", set: "client_body_timeout 60s;", why: "between two reads"}},
	fault.CauseRateLimited: {
		{where: "http", set: "limit_req_status 429;", why: "says what it is: the default of 503 looks like an outage"},
		{where: "location", set: "limit_req zone=perip burst=20 nodelay;", why: "lets a page's burst of requests through"},
	},
	fault.CauseMaintenance:    {{where: "location", set: "add_header Retry-After 120 always;", why: "tells clients when to come back"}},
	fault.CauseUpstreamStatus: {{where: "location", set: "proxy_next_upstream error timeout http_502 http_503;", why: "asks another endpoint for what one cannot answer"}},
	fault.CauseCachedError:    {{where: "location", set: "proxy_cache_valid 200 301 10m;", why: "keeps nothing else; proxy_cache_valid any keeps errors too"}},
	fault.CauseWrongHost:      {{where: "location", set: "proxy_set_header Host $host;", why: "the default is the name in proxy_pass"}},
	fault.CauseRedirectLoop:   {{where: "location", set: "proxy_set_header X-Forwarded-Proto $scheme;", why: "tells the application that the client came over https"}},
	fault.CauseUpgradeRefused: {
		{where: "location", set: "proxy_http_version 1.1;", why: "an upgrade needs it"},
		{where: "location", set: "proxy_set_header Upgrade $http_upgrade;", why: "is not passed on by itself"},
		{where: "location", set: `proxy_set_header Connection "upgrade";`, why: "goes with it"},
	},
	fault.CauseBadContentCoding: {{where: "location", set: `proxy_set_header Accept-Encoding "";`, why: "has the upstream answer without compression, and only nginx compress"}},
}

var ofIngressNginx = table{
	fault.CauseHeadTimeout:         {{where: "annotation", set: `nginx.ingress.kubernetes.io/proxy-read-timeout: "{longer:120}"`, why: "seconds, as a string; for this Ingress alone"}},
	fault.CauseConnectTimeout:      {{where: "annotation", set: `nginx.ingress.kubernetes.io/proxy-connect-timeout: "3"`, why: "leaves a dead pod quickly"}},
	fault.CauseHeadTooLarge:        {{where: "annotation", set: `nginx.ingress.kubernetes.io/proxy-buffer-size: "16k"`, why: "the whole head must fit"}},
	fault.CauseKeepaliveRace:       {{where: "ConfigMap", set: `upstream-keepalive-timeout: "4"`, why: "seconds, shorter than the pods' own"}},
	fault.CausePlainToTLSPort:      {{where: "annotation", set: `nginx.ingress.kubernetes.io/backend-protocol: "HTTPS"`, why: "the pods' port speaks TLS"}},
	fault.CauseGRPCOverHTTP1:       {{where: "annotation", set: `nginx.ingress.kubernetes.io/backend-protocol: "GRPC"`, why: "speaks HTTP/2 to the pods"}},
	fault.CauseTLSNameUnknown:      {{where: "annotation", set: `nginx.ingress.kubernetes.io/proxy-ssl-server-name: "on"`, why: "sends the name"}},
	fault.CauseRequestBodyTooLarge: {{where: "annotation", set: `nginx.ingress.kubernetes.io/proxy-body-size: 50m`, why: "1m is the default"}},
	fault.CauseNoEndpoints:         {{why: "kubectl get endpointslices -l kubernetes.io/service-name=SERVICE shows which pods are ready, and whether the selector matches any."}},
	fault.CauseConnectionRefused:   {{where: "pod", set: `lifecycle: {preStop: {exec: {command: ["sleep", "10"]}}}`, why: "the pod goes on answering until every proxy has left it out"}},
}

var ofKong = table{
	fault.CauseHeadTimeout:       {{where: "service", set: `curl -X PATCH localhost:8001/services/NAME -d read_timeout={longer:120}000`, why: "milliseconds; 60000 is the default"}},
	fault.CauseConnectTimeout:    {{where: "service", set: `curl -X PATCH localhost:8001/services/NAME -d connect_timeout=3000`, why: "milliseconds; 60000 is the default"}},
	fault.CauseUploadStalled:     {{where: "service", set: `curl -X PATCH localhost:8001/services/NAME -d write_timeout={longer:120}000`, why: "milliseconds"}},
	fault.CauseConnectionRefused: {{where: "service", set: `curl -X PATCH localhost:8001/services/NAME -d retries=5`, why: "tries the other targets of the upstream"}},
	fault.CauseKeepaliveRace:     {{where: "kong.conf", set: "upstream_keepalive_idle_timeout = 4", why: "seconds, shorter than the application's own; 60 is the default"}},
	fault.CauseHeadTooLarge: {
		{where: "kong.conf", set: "nginx_proxy_proxy_buffer_size = 16k", why: "the whole head must fit"},
		{where: "kong.conf", set: "nginx_proxy_proxy_buffers = 8 16k", why: "as large, each"},
		{where: "kong.conf", set: "nginx_proxy_proxy_busy_buffers_size = 32k", why: "between the two"},
	},
	fault.CauseNobodyAvailable:                {{where: "upstream", set: `curl localhost:8001/upstreams/NAME/health`, why: "which targets are out, by which check"}},
	fault.CauseNoRoute:                        {{set: `curl localhost:8001/routes`, why: "Kong's 404 \"no Route matched with those values\" is about these"}},
	fault.CauseRequestBodyTooLarge:            {{where: "kong.conf", set: "nginx_http_client_max_body_size = 50m", why: "the plugin request-size-limiting has a limit of its own"}},
	fault.CauseDNSNXDomain:                    {{where: "kong.conf", set: "dns_resolver = 10.0.0.2:53", why: "the server that knows the name"}},
	fault.CauseTLSCertificateUnknownAuthority: {{where: "kong.conf", set: "lua_ssl_trusted_certificate = system,/etc/kong/upstream-ca.pem", why: "or the service's own ca_certificates"}},
	fault.CausePlainToTLSPort:                 {{where: "service", set: `curl -X PATCH localhost:8001/services/NAME -d protocol=https`, why: "that port speaks TLS"}},
	fault.CauseTLSToPlainPort:                 {{where: "service", set: `curl -X PATCH localhost:8001/services/NAME -d protocol=http`, why: "that port speaks plain HTTP"}},
}
