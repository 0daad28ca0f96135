package advice

import "github.com/whygate/whygate/internal/fault"

// The directives and the parameters of ProxyPass are those of mod_proxy, mod_proxy_http, mod_proxy_balancer, mod_ssl, core and
// mod_reqtimeout, on httpd.apache.org/docs/2.4. All were taken by apache2 2.4.71 -t.

const apachePass = "ProxyPass / http://{addr:10.0.0.7:8080}/"

var apacheTimeout = directive{where: "virtual host", set: apachePass + " timeout={longer:120}", why: "for this worker alone; ProxyTimeout, and then Timeout, count without it"}

var apacheRetry = directive{where: "virtual host", set: apachePass + " retry=5", why: "a worker that refused is left alone for 60 s by default"}

var apacheTrust = []directive{
	{where: "virtual host", set: "SSLProxyCACertificateFile /etc/apache2/upstream-ca.pem", why: "the authority that issued it, and its intermediates"},
	{where: "virtual host", set: "SSLProxyVerify require", why: "none is the default"},
}

var ofApache = table{
	fault.CauseDNSNXDomain: {{where: "virtual host", set: "ProxyPass / http://app.internal:8080/ disablereuse=On", why: "looks the name up for each connection; a worker looks it up once otherwise"}},
	fault.CauseDNSServFail: {{where: "virtual host", set: "ProxyPass / http://app.internal:8080/ addressttl=30", why: "looks the name up again every 30 s; since 2.4.59", newer: true, since: "2.4.59"}},
	fault.CauseDNSError:    {{where: "virtual host", set: "ProxyPass / http://app.internal:8080/ addressttl=30", why: "looks the name up again every 30 s; since 2.4.59", newer: true, since: "2.4.59"}},
	fault.CauseDNSTimeout:  {{why: "Apache uses the system's resolver: options timeout:1 attempts:2 in /etc/resolv.conf bound it."}},
	fault.CauseConnectionRefused: {
		apacheRetry,
		{where: "balancer", set: "BalancerMember http://10.0.0.8:8080 status=+H", why: "a spare that is asked when the others are out", fits: elsewhere},
	},
	fault.CauseRouteBroken: {
		{set: "a2enmod proxy_http", why: "loads what speaks http://; proxy_fcgi is for fcgi://, proxy_wstunnel for ws://, proxy_uwsgi for uwsgi://"},
		{where: "virtual host", set: "SSLProxyEngine on", why: "where the URL is https:// or wss://"},
	},
	fault.CauseConnectTimeout:       {{where: "virtual host", set: apachePass + " connectiontimeout=3", why: "timeout counts without it"}},
	fault.CauseKernelConnectTimeout: {{where: "virtual host", set: apachePass + " connectiontimeout=3", why: "below the kernel's own limit"}},
	fault.CauseHostUnreachable:      {apacheRetry},
	fault.CauseFirewallRejected:     {{set: "setsebool -P httpd_can_network_connect 1", why: "SELinux forbids it by default, which reads as permission denied"}},
	fault.CauseSocketPermission:     {{where: "server", set: "User www-data", why: "put this user into the socket's group, and give the socket mode 0660"}},
	fault.CauseSocketMissing:        {{where: "virtual host", set: "ProxyPass / unix:/run/app/app.sock|http://localhost/", why: "the path that the application creates; with PrivateTmp= in its unit, /tmp is another one"}},
	fault.CauseConnectionLimit:      {{where: "virtual host", set: apachePass + " max=200 acquire=3000", why: "connections of each process, and the milliseconds to wait for one"}},
	fault.CauseTLSCertificateWrongName: {
		{where: "virtual host", set: "ProxyPass / https://app.internal/", why: "the name to send and to verify is the one in the URL"},
		{where: "virtual host", set: "ProxyPreserveHost Off", why: "with On, the client's host is verified instead"},
	},
	fault.CauseTLSCertificateUnknownAuthority: apacheTrust,
	fault.CauseTLSCertificateSelfSigned:       {{where: "virtual host", set: "SSLProxyCACertificateFile /etc/apache2/app-self-signed.pem", why: "pins it, instead of SSLProxyVerify none"}},
	fault.CauseTLSCertificateUntrusted:        apacheTrust,
	fault.CauseTLSCertificateExpired:          {{where: "server", set: "LogLevel warn ssl:info", why: "says which certificate: AH02004 is not shown by default"}},
	fault.CauseTLSVersionMismatch:             {{where: "virtual host", set: "SSLProxyProtocol all -SSLv3", why: "what Apache offers"}},
	fault.CauseTLSNoSharedCipher:              {{where: "virtual host", set: "SSLProxyCipherSuite DEFAULT@SECLEVEL=1", why: "lets old suites in for this upstream alone"}},
	fault.CauseTLSClientCertificateRequired:   {{where: "virtual host", set: "SSLProxyMachineCertificateFile /etc/apache2/client.pem", why: "the certificate to show, and its key, unencrypted, in one file"}},
	fault.CauseTLSToPlainPort:                 {{where: "virtual host", set: apachePass, why: "that port speaks plain HTTP"}},
	fault.CausePlainToTLSPort: {
		{where: "virtual host", set: "ProxyPass / https://app.internal:8443/", why: "that port speaks TLS"},
		{where: "virtual host", set: "SSLProxyEngine on", why: "goes with it"},
	},
	fault.CauseTLSProtocolError: {{where: "server", set: "LogLevel warn ssl:info proxy:debug", why: "the reason is logged at info"}},
	fault.CauseKeepaliveRace: {
		{where: "virtual host", set: apachePass + " ttl=4", why: "shorter than the application's own keep-alive timeout"},
		{where: "virtual host", set: "SetEnv proxy-initial-not-pooled 1", why: "sends a client's first request on a fresh connection"},
	},
	fault.CauseClosedBeforeAnswer:    {{where: "virtual host", set: apachePass + " disablereuse=On", why: "to see whether it is the keep-alive race after all"}},
	fault.CauseWorkerTimeout:         {apacheTimeout},
	fault.CauseHeadTimeout:           {apacheTimeout},
	fault.CauseBodyStalled:           {apacheTimeout, {where: "virtual host", set: apachePass + " flushpackets=on", why: "for event streams: passes each piece on as it comes"}},
	fault.CauseUploadStalled:         {apacheTimeout},
	fault.CauseUploadCut:             {{where: "virtual host", set: "LimitRequestBody 52428800", why: "refuses what the application would refuse, before it is sent"}},
	fault.CauseHeadTooLarge:          {{where: "virtual host", set: apachePass + " responsefieldsize=32768", why: "of one line; 8192 is the default"}},
	fault.CauseFieldTooLarge:         {{where: "virtual host", set: apachePass + " responsefieldsize=32768", why: "8192 is the default"}},
	fault.CauseBadField:              {{where: "virtual host", set: "ProxyBadHeader Ignore", why: "leaves the line out, until the application is right"}},
	fault.CauseProxyProtocolMismatch: {{where: "server", set: "RemoteIPProxyProtocol On", why: "where Apache is the one that receives it; towards upstreams it sends none"}},
	fault.CauseHTTP2OnHTTP1Port:      {{where: "virtual host", set: "ProxyPass / h2c://{addr:10.0.0.7:50051}/", why: "with mod_proxy_http2"}},
	fault.CauseHTTP1OnHTTP2Port:      {{where: "virtual host", set: apachePass, why: "http:// instead of h2c://"}},
	fault.CauseNobodyAvailable: {
		{where: "balancer", set: "BalancerMember http://{addr:10.0.0.7:8080} retry=5", why: "60 s is the default"},
		{where: "balancer", set: "ProxySet forcerecovery=On", why: "asks all again when none is left; on by default"},
	},
	fault.CauseNoEndpoints:          {{where: "balancer", set: "BalancerMember http://{addr:10.0.0.7:8080}", why: "AH01171: the balancer has none"}},
	fault.CausePortsExhausted:       {{where: "virtual host", set: apachePass + " enablereuse=On", why: "uses connections again"}, {where: "virtual host", set: "ProxySourceAddress 10.0.0.20", why: "another source address has ports of its own"}},
	fault.CauseOwnLimit:             {{where: "server", set: "MaxRequestWorkers 800", why: "AH00484 and AH00161 say that it is reached; ServerLimit and ThreadsPerChild must fit"}},
	fault.CauseClientLeft:           {{why: "Apache goes on reading from the upstream; the access log's %X says X for a connection that the client broke."}},
	fault.CauseRequestBodyTooLarge:  {{where: "virtual host", set: "LimitRequestBody 52428800", why: "1 GiB is the default since 2.4.53"}},
	fault.CauseRequestHeadTooLarge:  {{where: "server", set: "LimitRequestFieldSize 16380", why: "8190 is the default"}},
	fault.CauseRequestTargetTooLong: {{where: "server", set: "LimitRequestLine 16380", why: "8190 is the default"}},
	fault.CauseRequestHeadTimeout:   {{where: "server", set: "RequestReadTimeout header=20-40,MinRate=500 body=20,MinRate=500", why: "mod_reqtimeout"}},
	fault.CauseRequestBodyTimeout:   {{where: "server", set: "RequestReadTimeout body=60,MinRate=100", why: "mod_reqtimeout"}},
	fault.CauseMaintenance:          {{where: "virtual host", set: `Header always set Retry-After 120 "expr=%{REQUEST_STATUS} == 503"`, why: "tells clients when to come back"}},
	fault.CauseUpstreamStatus:       {{where: "balancer", set: "ProxySet failonstatus=502,503", why: "leaves a member out that answers so"}},
	fault.CauseWrongHost:            {{where: "virtual host", set: "ProxyPreserveHost On", why: "the default is the name in ProxyPass"}},
	fault.CauseRedirectLoop:         {{where: "virtual host", set: `RequestHeader set X-Forwarded-Proto "https"`, why: "tells the application that the client came over https"}, {where: "virtual host", set: "ProxyPassReverse / http://{addr:10.0.0.7:8080}/", why: "mends its redirects"}},
	fault.CauseUpgradeRefused:       {{where: "virtual host", set: apachePass + " upgrade=websocket", why: "since 2.4.47, without mod_proxy_wstunnel"}},
	fault.CauseProxyLoop:            {{where: "server", set: "ProxyVia On", why: "makes a loop visible"}},
}
