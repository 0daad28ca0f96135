package advice

import "github.com/whygate/whygate/internal/fault"

// The fields are those of Envoy's v3 API: cluster.proto, protocol.proto (HttpProtocolOptions), route_components.proto,
// http_connection_manager.proto, tls.proto, circuit_breaker.proto and outlier_detection.proto. max_response_headers_kb is
// of 1.32 (changelogs/1.32.0.yaml).

var envoyRetry = directive{where: "route", set: `retry_policy: {retry_on: "connect-failure,refused-stream,reset-before-request", num_retries: 2}`, why: "asks another endpoint where the request cannot have been acted on; Envoy repeats nothing by default"}

var envoyTLS = directive{where: "cluster", set: `transport_socket: {name: envoy.transport_sockets.tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: app.internal}}`, why: "speaks TLS to the upstream, and sends the name"}

var envoyTrust = directive{where: "UpstreamTlsContext.common_tls_context", set: "validation_context: {trusted_ca: {filename: /etc/envoy/upstream-ca.pem}}", why: "the authority that issued the upstream's certificate"}

var envoyHTTP2 = directive{where: "cluster's HttpProtocolOptions", set: "explicit_http_config: {http2_protocol_options: {}}", why: "speaks HTTP/2 to it"}

var envoyHTTP1 = directive{where: "cluster's HttpProtocolOptions", set: "explicit_http_config: {http_protocol_options: {}}", why: "speaks HTTP/1.1 to it"}

var envoyCircuit = directive{where: "cluster", set: "circuit_breakers: {thresholds: [{max_connections: 4096, max_pending_requests: 4096, max_requests: 4096, max_retries: 10}]}", why: "1024, 1024, 1024 and 3 are the defaults: flag UO is one of them"}

var envoyDNS = directive{where: "cluster", set: "dns_resolvers: [{socket_address: {address: 10.0.0.2, port_value: 53}}]", why: "the server that knows the name; typed_dns_resolver_config in newer releases"}

var ofEnvoy = table{
	fault.CauseDNSNXDomain: {envoyDNS},
	fault.CauseDNSServFail: {envoyDNS},
	fault.CauseDNSError:    {envoyDNS},
	fault.CauseDNSTimeout:  {envoyDNS},
	fault.CauseDNSNoData:   {{where: "cluster", set: "dns_lookup_family: V4_ONLY", why: "AUTO asks for IPv6 first"}},
	fault.CauseConnectionRefused: {
		envoyRetry,
		{where: "cluster", set: "outlier_detection: {consecutive_local_origin_failure: 3, split_external_local_origin_errors: true, max_ejection_percent: 50}", why: "leaves an endpoint out that refuses"},
	},
	fault.CauseConnectTimeout:       {{where: "cluster", set: "connect_timeout: 3s", why: "5 s is the default"}, envoyRetry},
	fault.CauseKernelConnectTimeout: {{where: "cluster", set: "connect_timeout: 3s", why: "below the kernel's own limit"}, envoyRetry},
	fault.CauseHostUnreachable:      {envoyRetry},
	fault.CauseNetworkUnreachable:   {{where: "cluster", set: "dns_lookup_family: V4_ONLY", why: "if the address is an IPv6 one, and there is no IPv6 route"}},
	fault.CauseConnectionLimit:      {envoyCircuit},
	fault.CauseQueueFull:            {envoyCircuit},
	fault.CauseTLSCertificateWrongName: {
		{where: "UpstreamTlsContext", set: "sni: app.internal", why: "the name to send"},
		{where: "validation_context", set: "match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: app.internal}}]", why: "the name to verify"},
	},
	fault.CauseTLSCertificateUnknownAuthority: {envoyTrust},
	fault.CauseTLSCertificateSelfSigned:       {{where: "UpstreamTlsContext.common_tls_context", set: "validation_context: {trusted_ca: {filename: /etc/envoy/app-self-signed.pem}}", why: "pins it"}},
	fault.CauseTLSCertificateUntrusted:        {envoyTrust},
	fault.CauseTLSVersionMismatch:             {{where: "UpstreamTlsContext.common_tls_context", set: "tls_params: {tls_minimum_protocol_version: TLSv1_0}", why: "only for an upstream that cannot be renewed"}},
	fault.CauseTLSNoSharedCipher:              {{where: "UpstreamTlsContext.common_tls_context", set: "tls_params: {cipher_suites: [ECDHE-RSA-AES128-GCM-SHA256, AES128-GCM-SHA256]}", why: "what the upstream has"}},
	fault.CauseTLSNameUnknown:                 {{where: "UpstreamTlsContext", set: "sni: app.internal", why: "none is sent by default; auto_sni in HttpProtocolOptions takes the request's host"}},
	fault.CauseTLSHandshakeClosed:             {{where: "UpstreamTlsContext", set: "sni: app.internal", why: "none is sent by default"}},
	fault.CauseTLSClientCertificateRequired:   {{where: "UpstreamTlsContext.common_tls_context", set: "tls_certificates: [{certificate_chain: {filename: /etc/envoy/client.pem}, private_key: {filename: /etc/envoy/client.key}}]", why: "the certificate to show"}},
	fault.CauseTLSALPN:                        {{where: "UpstreamTlsContext.common_tls_context", set: "alpn_protocols: [h2, http/1.1]", why: "and auto_config in HttpProtocolOptions, which takes what is agreed on"}},
	fault.CauseTLSToPlainPort:                 {{why: "Leave transport_socket out of the cluster: that port speaks plain HTTP."}},
	fault.CausePlainToTLSPort:                 {envoyTLS},
	fault.CauseTLSHandshakeTimeout:            {{where: "cluster", set: "connect_timeout: 5s", why: "is the timer of the handshake too"}},
	fault.CauseKeepaliveRace: {
		{where: "cluster's HttpProtocolOptions", set: "common_http_protocol_options: {idle_timeout: 4s}", why: "shorter than the application's own; 1 h is the default"},
		{where: "route", set: `retry_policy: {retry_on: "reset-before-request,connect-failure,refused-stream", num_retries: 2}`, why: "asks again on another connection"},
	},
	fault.CauseClosedBeforeAnswer:    {{where: "route", set: `retry_policy: {retry_on: "reset", num_retries: 1}`, why: "only for methods that may be repeated"}},
	fault.CauseResetBeforeAnswer:     {{where: "route", set: `retry_policy: {retry_on: "reset", num_retries: 1}`, why: "only for methods that may be repeated"}},
	fault.CauseWorkerTimeout:         {{where: "route", set: "timeout: {longer:120}s", why: "above the application's own limit"}},
	fault.CauseHeadTimeout:           {{where: "route", set: "timeout: {longer:120}s", why: "for this route alone; 15 s is the default, and it counts the whole answer and all retries"}},
	fault.CauseResponseTooSlow:       {{where: "route", set: "timeout: 0s", why: "no limit for streams and downloads; idle_timeout still ends one that stands still"}},
	fault.CauseBodyStalled:           {{where: "route", set: "idle_timeout: 3600s", why: "5 min is the default of stream_idle_timeout"}},
	fault.CauseUploadStalled:         {{where: "route", set: "idle_timeout: 300s", why: "between two pieces in either direction"}},
	fault.CauseHeadTooLarge:          {{where: "cluster's HttpProtocolOptions", set: "common_http_protocol_options: {max_response_headers_kb: 192}", why: "60 KiB is the default; since 1.32", newer: true}},
	fault.CauseFieldTooLarge:         {{where: "cluster's HttpProtocolOptions", set: "common_http_protocol_options: {max_response_headers_kb: 192}", why: "of all headers together; since 1.32", newer: true}},
	fault.CauseTooManyFields:         {{where: "cluster's HttpProtocolOptions", set: "common_http_protocol_options: {max_headers_count: 200}", why: "100 is the default"}},
	fault.CauseLengthAndEncoding:     {{where: "cluster's HttpProtocolOptions", set: "explicit_http_config: {http_protocol_options: {allow_chunked_length: true}}", why: "until the application sends one of the two"}},
	fault.CauseHTTP2OnHTTP1Port:      {envoyHTTP2},
	fault.CauseGRPCOverHTTP1:         {envoyHTTP2},
	fault.CauseHTTP1OnHTTP2Port:      {envoyHTTP1},
	fault.CauseHTTP2NotWanted:        {envoyHTTP1},
	fault.CauseHTTP2ProtocolError:    {envoyHTTP1},
	fault.CauseHTTP2RefusedStream:    {{where: "route", set: `retry_policy: {retry_on: "refused-stream", num_retries: 2}`, why: "safe for every method"}},
	fault.CauseHTTP2GoAway:           {{where: "route", set: `retry_policy: {retry_on: "refused-stream,reset", num_retries: 2}`, why: "while endpoints drain"}},
	fault.CauseHTTP2ConnectionDead:   {{where: "cluster's HttpProtocolOptions", set: "explicit_http_config: {http2_protocol_options: {connection_keepalive: {interval: 30s, timeout: 5s}}}", why: "notices a connection that a middlebox dropped"}},
	fault.CauseHTTP2StreamLimit:      {envoyCircuit},
	fault.CauseGRPCDeadline:          {{where: "route", set: "max_stream_duration: {grpc_timeout_header_max: 0s}", why: "lets the client's own grpc-timeout count, without a limit here"}},
	fault.CauseProxyProtocolMismatch: {{where: "cluster", set: `transport_socket: {name: envoy.transport_sockets.upstream_proxy_protocol, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, config: {version: V2}, transport_socket: {name: envoy.transport_sockets.raw_buffer}}}`, why: "or leave it out, as the upstream expects"}},
	fault.CauseNobodyAvailable: {
		{where: "cluster", set: "common_lb_config: {healthy_panic_threshold: {value: 50}}", why: "below this share of healthy ones, all are asked"},
		{where: "cluster", set: "outlier_detection: {consecutive_5xx: 10, base_ejection_time: 10s, max_ejection_percent: 50}", why: "does not leave everybody out"},
	},
	fault.CauseNoEndpoints:         {{set: "curl -s localhost:9901/clusters | grep CLUSTER", why: "which endpoints it has, and their health_flags"}},
	fault.CauseCircuitOpen:         {envoyCircuit},
	fault.CauseNoRoute:             {{where: "virtual_host", set: `domains: ["shop.example.com", "shop.example.com:*"]`, why: "the host as it comes, with its port"}},
	fault.CauseRouteBroken:         {{set: "curl -s localhost:9901/config_dump?resource=dynamic_active_clusters", why: "whether the cluster that the route names is there: flag NC says it is not"}},
	fault.CauseRequestHeadTooLarge: {{where: "http_connection_manager", set: "max_request_headers_kb: 96", why: "60 is the default"}},
	fault.CauseRequestBodyTooLarge: {{where: "listener", set: "per_connection_buffer_limit_bytes: 10485760", why: "where a filter buffers the body"}},
	fault.CauseRequestHeadTimeout:  {{where: "http_connection_manager", set: "request_headers_timeout: 10s", why: "how long a request's head may take"}},
	fault.CauseOwnLimit:            {{set: "curl -s localhost:9901/stats?filter=overload", why: "which of the overload manager's actions is active"}},
	fault.CauseUpgradeRefused:      {{where: "http_connection_manager", set: "upgrade_configs: [{upgrade_type: websocket}]", why: "passes WebSocket on, which is off by default"}},
	fault.CauseWrongHost:           {{where: "route", set: "host_rewrite_literal: app.internal", why: "the name that the application's virtual host has; auto_host_rewrite takes the endpoint's"}},
	fault.CauseRedirectLoop:        {{where: "http_connection_manager", set: "xff_num_trusted_hops: 1", why: "keeps the X-Forwarded-Proto that the balancer before it set"}},
	fault.CauseUpstreamStatus:      {{where: "route", set: `retry_policy: {retry_on: "gateway-error", num_retries: 1}`, why: "asks another endpoint on 502, 503 and 504"}},
	fault.CauseShuttingDown:        {{set: "curl -X POST localhost:9901/drain_listeners?graceful", why: "before SIGTERM, which drains nothing; --drain-time-s says how long"}},
}

var ofIstio = table{
	fault.CauseKeepaliveRace:     {{where: "DestinationRule trafficPolicy", set: "connectionPool: {http: {idleTimeout: 4s}}", why: "shorter than the application's own"}},
	fault.CauseConnectTimeout:    {{where: "DestinationRule trafficPolicy", set: "connectionPool: {tcp: {connectTimeout: 3s}}", why: "leaves a dead pod quickly"}},
	fault.CauseHeadTimeout:       {{where: "VirtualService http", set: "timeout: {longer:120}s", why: "for this route alone"}},
	fault.CauseConnectionLimit:   {{where: "DestinationRule trafficPolicy", set: "connectionPool: {http: {http1MaxPendingRequests: 4096, http2MaxRequests: 4096}}", why: "flag UO is one of them"}},
	fault.CauseTLSToPlainPort:    {{where: "DestinationRule trafficPolicy", set: "tls: {mode: DISABLE}", why: "where the other side has no sidecar"}},
	fault.CausePlainToTLSPort:    {{where: "DestinationRule trafficPolicy", set: "tls: {mode: ISTIO_MUTUAL}", why: "where the other side is STRICT"}},
	fault.CauseConnectionRefused: {{where: "VirtualService http", set: "retries: {attempts: 2, retryOn: connect-failure,refused-stream,reset-before-request}", why: "while pods come and go"}},
	fault.CauseGRPCOverHTTP1:     {{where: "Service port", set: "appProtocol: grpc", why: "or a port name that begins with grpc-: Istio chooses the protocol by it"}},
}
