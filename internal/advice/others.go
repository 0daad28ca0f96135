package advice

import "github.com/whygate/whygate/internal/fault"

// Caddyfile: the reverse_proxy directive and its http transport, caddyserver.com/docs. Traefik: entry points and
// ServersTransport of its reference, as YAML. The clouds: the command lines of their own documentation.

var caddyDialTimeout = directive{where: "reverse_proxy, transport http", set: "dial_timeout 3s", why: "3 s is the default, and the answer a 502"}

var ofCaddy = table{
	fault.CauseConnectionRefused:              {{where: "reverse_proxy", set: "lb_try_duration 5s", why: "tries until then, at another upstream or again at this one; nothing is repeated by default"}},
	fault.CauseConnectTimeout:                 {caddyDialTimeout},
	fault.CauseHeadTimeout:                    {{where: "reverse_proxy, transport http", set: "response_header_timeout 60s", why: "there is none by default"}},
	fault.CauseBodyStalled:                    {{where: "reverse_proxy", set: "flush_interval -1", why: "passes each piece on as it comes; read_timeout in the transport bounds the wait for one"}},
	fault.CauseKeepaliveRace:                  {{where: "reverse_proxy, transport http", set: "keepalive 4s", why: "shorter than the application's own; 2 min is the default"}, {where: "reverse_proxy", set: "lb_retries 1", why: "with lb_retry_match, for requests that may be repeated"}},
	fault.CauseHeadTooLarge:                   {{where: "reverse_proxy, transport http", set: "max_response_header 20MiB", why: "10 MiB is the default"}},
	fault.CauseNobodyAvailable:                {{where: "reverse_proxy", set: "fail_duration 5s", why: "how long a failure counts; max_fails how many put an upstream out"}},
	fault.CauseDNSNXDomain:                    {{where: "reverse_proxy, transport http", set: "resolvers 10.0.0.2", why: "the server that knows the name"}},
	fault.CauseDNSServFail:                    {{where: "reverse_proxy, transport http", set: "resolvers 10.0.0.2 10.0.0.3", why: "servers that answer for it"}},
	fault.CauseDNSTimeout:                     {{where: "reverse_proxy, transport http", set: "resolvers 10.0.0.2 10.0.0.3", why: "servers that answer"}},
	fault.CauseTLSCertificateWrongName:        {{where: "reverse_proxy, transport http", set: "tls_server_name app.internal", why: "the name to send and to verify"}},
	fault.CauseTLSNameUnknown:                 {{where: "reverse_proxy, transport http", set: "tls_server_name app.internal", why: "the name to send"}},
	fault.CauseTLSCertificateUnknownAuthority: {{where: "reverse_proxy, transport http", set: "tls_trust_pool file /etc/caddy/upstream-ca.pem", why: "the authority that issued it"}},
	fault.CauseTLSCertificateSelfSigned:       {{where: "reverse_proxy, transport http", set: "tls_trust_pool file /etc/caddy/app-self-signed.pem", why: "pins it, instead of tls_insecure_skip_verify"}},
	fault.CauseTLSClientCertificateRequired:   {{where: "reverse_proxy, transport http", set: "tls_client_auth /etc/caddy/client.pem /etc/caddy/client.key", why: "the certificate to show"}},
	fault.CauseTLSToPlainPort:                 {{set: "reverse_proxy http://10.0.0.7:8080", why: "that port speaks plain HTTP"}},
	fault.CausePlainToTLSPort:                 {{set: "reverse_proxy https://10.0.0.7:8443", why: "that port speaks TLS"}},
	fault.CauseTLSHandshakeTimeout:            {{where: "reverse_proxy, transport http", set: "tls_timeout 10s", why: "10 s is the default"}},
	fault.CauseHTTP2OnHTTP1Port:               {{set: "reverse_proxy h2c://10.0.0.7:50051", why: "HTTP/2 without TLS"}},
	fault.CauseHTTP1OnHTTP2Port:               {{where: "reverse_proxy, transport http", set: "versions 1.1", why: "speaks HTTP/1.1 to it"}},
	fault.CauseGRPCOverHTTP1:                  {{set: "reverse_proxy h2c://10.0.0.7:50051", why: "gRPC needs HTTP/2"}},
	fault.CauseProxyProtocolMismatch:          {{where: "reverse_proxy, transport http", set: "proxy_protocol v2", why: "or leave it out, as the upstream expects"}},
	fault.CauseWrongHost:                      {{where: "reverse_proxy", set: "header_up Host {upstream_hostport}", why: "the client's host is passed on by default"}},
	fault.CauseRequestBodyTooLarge:            {{where: "site", set: "request_body { max_size 50MB }", why: "the limit that was passed"}},
	fault.CauseUpstreamOverloaded:             {{where: "reverse_proxy", set: "unhealthy_request_count 100", why: "leaves an upstream out that has so many"}},
}

var traefikTransport = "http.serversTransports.NAME"

var ofTraefik = table{
	fault.CauseConnectionRefused: {
		{where: "middleware", set: "retry: {attempts: 3, initialInterval: 100ms}", why: "nothing is repeated by default"},
		{where: "docker label", set: "traefik.docker.network=web", why: "of several networks Traefik takes any: name the one it is on as well"},
	},
	fault.CauseConnectTimeout:                 {{where: traefikTransport, set: "forwardingTimeouts: {dialTimeout: 3s}", why: "30 s is the default"}},
	fault.CauseHeadTimeout:                    {{where: traefikTransport, set: "forwardingTimeouts: {responseHeaderTimeout: 60s}", why: "there is none by default"}},
	fault.CauseBodyStalled:                    {{where: "entryPoints.NAME.transport", set: "respondingTimeouts: {writeTimeout: 0s}", why: "no limit for streams; readTimeout is 60 s by default"}},
	fault.CauseUploadStalled:                  {{where: "entryPoints.NAME.transport", set: "respondingTimeouts: {readTimeout: 600s}", why: "60 s is the default for a whole request since 2.11.2"}},
	fault.CauseUploadCut:                      {{where: "entryPoints.NAME.transport", set: "respondingTimeouts: {readTimeout: 600s}", why: "60 s is the default for a whole request since 2.11.2"}},
	fault.CauseKeepaliveRace:                  {{where: traefikTransport, set: "forwardingTimeouts: {idleConnTimeout: 4s}", why: "shorter than the application's own; 90 s is the default"}},
	fault.CauseTLSCertificateUnknownAuthority: {{where: traefikTransport, set: "rootCAs: [/etc/traefik/upstream-ca.pem]", why: "the authority that issued it"}},
	fault.CauseTLSCertificateSelfSigned:       {{where: traefikTransport, set: "rootCAs: [/etc/traefik/app-self-signed.pem]", why: "pins it, instead of insecureSkipVerify"}},
	fault.CauseTLSCertificateWrongName:        {{where: traefikTransport, set: "serverName: app.internal", why: "endpoints are asked by address, which certificates rarely have"}},
	fault.CauseTLSNameUnknown:                 {{where: traefikTransport, set: "serverName: app.internal", why: "the name to send"}},
	fault.CauseTLSClientCertificateRequired:   {{where: traefikTransport, set: "certificates: [{certFile: /etc/traefik/client.pem, keyFile: /etc/traefik/client.key}]", why: "the certificate to show"}},
	fault.CauseTLSToPlainPort:                 {{where: "docker label", set: "traefik.http.services.NAME.loadbalancer.server.scheme=http", why: "that port speaks plain HTTP"}},
	fault.CausePlainToTLSPort:                 {{where: "docker label", set: "traefik.http.services.NAME.loadbalancer.server.scheme=https", why: "that port speaks TLS"}},
	fault.CauseHTTP2OnHTTP1Port:               {{where: "docker label", set: "traefik.http.services.NAME.loadbalancer.server.scheme=h2c", why: "HTTP/2 without TLS"}},
	fault.CauseGRPCOverHTTP1:                  {{where: "docker label", set: "traefik.http.services.NAME.loadbalancer.server.scheme=h2c", why: "gRPC needs HTTP/2"}},
	fault.CauseHTTP2ProtocolError:             {{where: traefikTransport, set: "disableHTTP2: true", why: "speaks HTTP/1.1 to it"}},
	fault.CauseNoRoute:                        {{where: "router", set: "rule: Host(`shop.example.com`)", why: "a name that matches, on the entry point that was asked"}},
	fault.CauseNobodyAvailable:                {{where: "service loadBalancer", set: "healthCheck: {path: /healthz, interval: 5s, timeout: 2s}", why: "a check that fails only when traffic would"}},
	fault.CauseWrongHost:                      {{where: "service loadBalancer", set: "passHostHeader: false", why: "sends the endpoint's own name; true is the default"}},
	fault.CauseProxyProtocolMismatch:          {{where: "entryPoints.NAME", set: "proxyProtocol: {trustedIPs: [10.0.0.0/8]}", why: "where Traefik is the one that receives it"}},
	fault.CauseRateLimited:                    {{where: "middleware", set: "rateLimit: {average: 100, burst: 200}", why: "lets a page's burst of requests through"}},
	fault.CauseCircuitOpen:                    {{where: "middleware", set: "circuitBreaker: {expression: NetworkErrorRatio() > 0.30}", why: "what opens it"}},
}

var albAttributes = "aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN --attributes "

var ofALB = table{
	fault.CauseKeepaliveRace: {
		{why: "Set the application's keep-alive timeout above the balancer's idle timeout of 60 s, e.g. 65 s: keepAliveTimeout in Node.js, --keep-alive 65 in gunicorn, keepalive_timeout 65s; in nginx, KeepAliveTimeout 65 in Apache."},
		{set: albAttributes + "Key=idle_timeout.timeout_seconds,Value=60", why: "the other side of it: lower than the application's"},
	},
	fault.CauseHeadTimeout:         {{set: albAttributes + "Key=idle_timeout.timeout_seconds,Value={longer:120}", why: "60 s is the default; the application's own limit must be below"}},
	fault.CauseWorkerTimeout:       {{set: albAttributes + "Key=idle_timeout.timeout_seconds,Value={longer:120}", why: "above the application's own limit"}},
	fault.CauseConnectTimeout:      {{set: "aws ec2 authorize-security-group-ingress --group-id TARGET_SG --protocol tcp --port 8080 --source-group ALB_SG", why: "lets the balancer in; network ACLs must let ports 1024 to 65535 back"}},
	fault.CauseConnectionRefused:   {{set: "aws elbv2 describe-target-health --target-group-arn ARN", why: "which targets, and why; the port must be the one that the application listens on"}},
	fault.CauseNoEndpoints:         {{set: "aws elbv2 describe-target-health --target-group-arn ARN", why: "no target is registered, or the zone has none"}},
	fault.CauseNobodyAvailable:     {{set: "aws elbv2 modify-target-group --target-group-arn ARN --health-check-path /healthz --matcher HttpCode=200-399", why: "a check that fails only when traffic would"}},
	fault.CauseTLSHandshakeTimeout: {{set: "aws elbv2 describe-target-groups --query 'TargetGroups[].[Protocol,Port]'", why: "HTTPS towards a port that does not answer a handshake"}},
	fault.CauseTLSToPlainPort:      {{why: "A target group's protocol cannot be changed: make one with --protocol HTTP, and point the rule at it."}},
	fault.CausePlainToTLSPort:      {{why: "A target group's protocol cannot be changed: make one with --protocol HTTPS, and point the rule at it."}},
	fault.CauseGRPCOverHTTP1:       {{why: "A target group's protocol version cannot be changed: make one with --protocol-version GRPC (or HTTP2), and point the rule at it."}},
	fault.CauseHeadTooLarge:        {{why: "The balancer's limit of 32 KiB for a response's head is fixed: make the headers smaller."}},
	fault.CauseServiceStopped:      {{set: "aws elbv2 modify-target-group-attributes --target-group-arn ARN --attributes Key=deregistration_delay.timeout_seconds,Value=30", why: "how long a target that leaves may finish; the application must live that long after SIGTERM"}},
	fault.CauseUpstreamOverloaded:  {{set: "aws elbv2 modify-target-group-attributes --target-group-arn ARN --attributes Key=load_balancing.algorithm.type,Value=least_outstanding_requests", why: "gives a slow target less"}},
	fault.CauseClientLeft:          {{why: "460: the client's own timeout is shorter than the application takes."}},
}

var ofCloudflare = table{
	fault.CauseConnectionRefused:       {{why: "521: let Cloudflare's addresses in (https://www.cloudflare.com/ips-v4 and ips-v6), and see that the web server listens on the port of the zone's SSL mode: 443 for Full, 80 for Flexible."}},
	fault.CauseConnectTimeout:          {{why: "522: let Cloudflare's addresses through the firewall and through fail2ban; check that the DNS record has the origin's present address."}},
	fault.CauseConnectionLost:          {{why: "522 after the connection stood: the origin's kernel dropped it; look at its load and at rate limits by address."}},
	fault.CauseHostUnreachable:         {{why: "523: the DNS record has an address that cannot be reached; correct it to the origin's."}},
	fault.CauseHeadTimeout:             {{why: "524: 120 s is the limit; Enterprise zones can raise proxy_read_timeout. Answer 202 and let the client ask again, or use a name that is not proxied for long work."}},
	fault.CauseTLSHandshakeClosed:      {{why: "525: the origin must speak TLS on 443 with a certificate for this name and take SNI; an Origin CA certificate does for Full (strict)."}},
	fault.CauseTLSCertificateUntrusted: {{why: "526: renew the origin's certificate, or install an Origin CA certificate; Full instead of Full (strict) does not verify it."}},
	fault.CauseTLSCertificateExpired:   {{why: "526: renew the origin's certificate, or install an Origin CA certificate, which lasts 15 years."}},
	fault.CauseTLSCertificateWrongName: {{why: "526: the origin's certificate must have the name that is asked for, or the target of its CNAME."}},
	fault.CauseTLSToPlainPort:          {{why: "The SSL mode Full speaks TLS to port 443: with an origin that has none, install an Origin CA certificate there."}},
	fault.CauseDNSError:                {{why: "530 with 1016: the origin's CNAME does not resolve; correct the record."}},
	fault.CauseProxyLoop:               {{why: "1000: the record points at Cloudflare itself, or the origin sends the request back; use the origin's own address."}},
	fault.CauseHeadTooLarge:            {{why: "520: the response's head is over 128 KiB; mostly it is Set-Cookie."}},
	fault.CauseClosedBeforeAnswer:      {{why: "520: join RayID with the origin's log (CF-Ray is a request header there), to see what it did."}},
	fault.CauseKeepaliveRace:           {{why: "520: set the origin's keep-alive timeout above 900 s, which is how long Cloudflare keeps an idle connection."}},
	fault.CauseRedirectLoop:            {{why: "Set the SSL mode to Full (strict): Flexible asks the origin over http, which redirects to https for ever."}},
	fault.CauseRateLimited:             {{why: "Security > Events shows the rule; match less, or raise its threshold."}},
	fault.CauseContentFilter:           {{why: "Security > Events shows the rule by RayID; skip it for this path with a WAF exception."}},
	fault.CauseBadContentCoding:        {{why: "A 502 without the origin's page: its body is not what Content-Encoding says; compress in one place only."}},
}

var ofCloudFront = table{
	fault.CauseDNSError:                {{why: "OriginDnsError: the origin's domain name does not resolve publicly; correct it in the distribution."}},
	fault.CauseConnectionRefused:       {{why: "OriginConnectError: let CloudFront's managed prefix list in (com.amazonaws.global.cloudfront.origin-facing), on the port of the origin's protocol policy."}},
	fault.CauseTLSCertificateUntrusted: {{why: "The origin's certificate must be of a public authority and have the origin's domain name, or the Host that is forwarded."}},
	fault.CauseHeadTimeout:             {{where: "origin", set: "OriginReadTimeout: 60", why: "seconds; 30 is the default, and 60 the most without a quota"}},
	fault.CauseConnectTimeout:          {{where: "origin", set: "ConnectionTimeout: 3, ConnectionAttempts: 2", why: "10 s and 3 are the defaults"}},
	fault.CauseKeepaliveRace:           {{where: "origin", set: "OriginKeepaliveTimeout: 4", why: "seconds, shorter than the origin's own; 5 is the default"}},
	fault.CauseHeadTooLarge:            {{why: "OriginHeaderTooBigError: the limit of 32 KiB is fixed: make the headers smaller."}},
	fault.CauseCachedError:             {{where: "distribution", set: "CustomErrorResponses: [{ErrorCode: 502, ErrorCachingMinTTL: 0}]", why: "10 s is the default"}},
}

var ofGCP = table{
	fault.CauseKeepaliveRace:     {{why: "Set the backend's keep-alive timeout above 600 s, which is fixed at the balancer: keepalive_timeout 620s; in nginx, KeepAliveTimeout 620 in Apache, keepAliveTimeout = 620000 in Node.js."}},
	fault.CauseHeadTimeout:       {{set: "gcloud compute backend-services update SERVICE --global --timeout={longer:120}", why: "30 s is the default, for the whole answer"}},
	fault.CauseConnectionRefused: {{set: "gcloud compute firewall-rules create allow-lb --source-ranges=130.211.0.0/22,35.191.0.0/16 --allow=tcp:8080", why: "the balancer's addresses; and the named port must be the application's"}},
	fault.CauseConnectTimeout:    {{set: "gcloud compute firewall-rules create allow-lb --source-ranges=130.211.0.0/22,35.191.0.0/16 --allow=tcp:8080", why: "the balancer's addresses"}},
	fault.CauseNobodyAvailable:   {{set: "gcloud compute backend-services get-health SERVICE --global", why: "which backends are unhealthy; a check must get 200, not a redirect"}},
	fault.CauseServiceStopped:    {{set: "gcloud compute backend-services update SERVICE --global --connection-draining-timeout=60", why: "lets requests finish when a backend leaves"}},
	fault.CauseHeadTooLarge:      {{why: "The limit of 128 KiB for a response's head is fixed: make the headers smaller."}},
	fault.CauseTLSALPN:           {{set: "gcloud compute backend-services update SERVICE --global --protocol=HTTPS", why: "HTTP2 needs a backend that offers h2"}},
	fault.CauseContentFilter:     {{set: "gcloud logging read 'jsonPayload.enforcedSecurityPolicy.outcome=\"DENY\"' --limit=5", why: "names the rule of Cloud Armor"}},
	fault.CauseRateLimited:       {{set: "gcloud compute security-policies describe POLICY", why: "the rule's threshold"}},
	fault.CauseConnectionLimit:   {{set: "gcloud compute backend-services describe SERVICE --global --format='value(circuitBreakers)'", why: "the limits of an Envoy-based balancer"}},
}

var ofVarnish = table{
	fault.CauseHeadTimeout:        {{where: "backend", set: ".first_byte_timeout = {longer:120}s;", why: "60 s is the default"}},
	fault.CauseBodyStalled:        {{where: "backend", set: ".between_bytes_timeout = {longer:120}s;", why: "60 s is the default"}},
	fault.CauseConnectTimeout:     {{where: "backend", set: ".connect_timeout = 3.5s;", why: "3.5 s is the default"}},
	fault.CauseConnectionLimit:    {{where: "backend", set: ".max_connections = 400;", why: "past it the backend is called busy"}},
	fault.CauseNobodyAvailable:    {{where: "backend", set: `.probe = {.url = "/healthz"; .interval = 2s; .threshold = 2; .window = 5;}`, why: "how many of the last checks must be good"}},
	fault.CauseKeepaliveRace:      {{set: "varnishd -p backend_idle_timeout=4", why: "seconds, shorter than the backend's own; 60 is the default"}},
	fault.CauseHeadTooLarge:       {{set: "varnishd -p http_resp_hdr_len=32k -p http_resp_size=64k", why: "of one line, and of the head; workspace_backend must be above"}},
	fault.CauseFieldTooLarge:      {{set: "varnishd -p http_resp_hdr_len=32k", why: "8k is the default"}},
	fault.CauseTooManyFields:      {{set: "varnishd -p http_max_hdr=128", why: "64 is the default"}},
	fault.CauseClosedBeforeAnswer: {{where: "vcl_backend_error", set: "if (bereq.retries < 1 && bereq.method == \"GET\") { return (retry); }", why: "asks once more"}},
}

var ofSquid = table{
	fault.CauseHeadTimeout:          {{where: "squid.conf", set: "read_timeout 5 minutes", why: "15 minutes is the default"}},
	fault.CauseConnectTimeout:       {{where: "squid.conf", set: "connect_timeout 5 seconds", why: "60 s is the default"}},
	fault.CauseHeadTooLarge:         {{where: "squid.conf", set: "reply_header_max_size 128 KB", why: "64 KB is the default"}},
	fault.CauseKeepaliveRace:        {{where: "squid.conf", set: "server_idle_pconn_timeout 4 seconds", why: "shorter than the origin's own; 1 minute is the default"}},
	fault.CauseDNSTimeout:           {{where: "squid.conf", set: "dns_timeout 10 seconds", why: "30 s is the default"}},
	fault.CauseNobodyAvailable:      {{where: "squid.conf", set: "never_direct deny all", why: "lets Squid ask the origin itself when no peer is left"}},
	fault.CauseDescriptorsExhausted: {{where: "squid.conf", set: "max_filedescriptors 65536", why: "and the unit's LimitNOFILE= at least as much"}},
}

var ofTrafficServer = table{
	fault.CauseHeadTimeout:       {{where: "records.config", set: "CONFIG proxy.config.http.transaction_no_activity_timeout_out INT {longer:120}", why: "seconds; 30 is the default"}},
	fault.CauseConnectTimeout:    {{where: "records.config", set: "CONFIG proxy.config.http.connect_attempts_timeout INT 5", why: "seconds; 30 is the default"}},
	fault.CauseHeadTooLarge:      {{where: "records.config", set: "CONFIG proxy.config.http.response_header_max_size INT 262144", why: "bytes; 131072 is the default"}},
	fault.CauseKeepaliveRace:     {{where: "records.config", set: "CONFIG proxy.config.http.keep_alive_no_activity_timeout_out INT 4", why: "seconds, shorter than the origin's own; 120 is the default"}},
	fault.CauseConnectionRefused: {{set: "grep CONNECT /var/log/trafficserver/error.log", why: "has the address and the errno of each attempt"}},
}

var ofIIS = table{
	fault.CauseHeadTimeout:         {{set: `appcmd set config -section:system.webServer/proxy /timeout:"00:02:00" /commit:apphost`, why: "of ARR; 2 minutes is the default, and a farm has a timeout of its own"}},
	fault.CauseConnectTimeout:      {{set: `appcmd set config -section:system.webServer/proxy /timeout:"00:00:30" /commit:apphost`, why: "counts for the connection as well"}},
	fault.CauseServiceStopped:      {{set: "appcmd start apppool /apppool.name:DefaultAppPool", why: "rapid-fail protection stops a pool whose worker crashes five times in five minutes"}},
	fault.CauseQueueFull:           {{set: "appcmd set apppool DefaultAppPool /queueLength:5000", why: "1000 is the default"}},
	fault.CauseWrongHost:           {{set: `appcmd set config -section:system.webServer/proxy /preserveHostHeader:"True" /commit:apphost`, why: "passes the client's host on"}},
	fault.CauseRequestBodyTooLarge: {{where: "web.config", set: `<requestLimits maxAllowedContentLength="52428800" />`, why: "30000000 is the default"}},
	fault.CauseBodyStalled:         {{set: `appcmd set config -section:system.webServer/proxy /responseBufferLimit:"0" /commit:apphost`, why: "passes streams on as they come"}},
}

var ofHeroku = table{
	fault.CauseHeadTimeout:   {{why: "H12: the router's 30 s are fixed; do the work in a worker dyno, and set the server's own limit below 30 s (rack-timeout, gunicorn --timeout 25), so that the log says where it stood."}},
	fault.CauseServiceFailed: {{set: "heroku logs --tail --dyno web.1", why: "H10: what it printed before it crashed; heroku ps:restart once it is mended"}},
	fault.CauseNoEndpoints:   {{set: "heroku ps:scale web=1", why: "H14: no web dyno runs"}},
	fault.CauseOutOfMemory:   {{set: "heroku ps:resize web=standard-2x", why: "or fewer workers in each dyno: WEB_CONCURRENCY"}},
	fault.CauseKeepaliveRace: {{set: "heroku labs:enable http-disable-keepalive-to-dyno", why: "Router 2.0 keeps its connections for 90 s: a shorter keep-alive timeout of the server loses requests; better raise that to 95 s"}},
	fault.CauseQueueFull:     {{set: "heroku ps:scale web=4", why: "H11: more dynos, or faster answers"}},
	fault.CauseMaintenance:   {{set: "heroku maintenance:off", why: "H80: the mode was turned on by hand"}},
	fault.CauseBodyStalled:   {{why: "H15: 55 s without a byte end a stream: send a comment line or a ping every 30 s."}},
}
