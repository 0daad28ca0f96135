package advice

import (
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// This file has, for each cause, the one command or line of a log that makes it certain: by product where a product has one
// of its own, for all others otherwise.

// Check gives the one command or line of a log that would make the cause certain; empty where nothing better is known than what
// tells the cause from others.
func Check(f *Facts) string {
	if s := f.Story.story(); s != nil && s.check != "" {
		return f.fill(s.check)
	}
	family := FamilyOf(f.Product)
	if f.Cause == fault.CauseConnectionRefused && placeOf(f.Upstream) == placeSocket {
		return f.fill("ss -lxp | grep {peer:SOCKET}: whether anybody listens on it; a file without a listener was left by a process that is gone")
	}
	for _, of := range [...]map[fault.Cause]string{checksOfModule[f.Module], checks[f.Product], checks[family], checksOfAll} {
		if text := of[f.Cause]; text != "" && !(f.Module != "" && f.Module != "grpc" && strings.Contains(text, "http://{addr")) {
			return f.fill(text)
		}
	}
	return ""
}

// moment gives the time of day around the first fault, as journalctl takes it.
func moment(at time.Time, by time.Duration) (string, bool) {
	if at.IsZero() || at.Year() < 2000 {
		return "", false
	}
	return at.Add(by).Local().Format("2006-01-02 15:04:05"), true
}

const (
	atThatMoment = "journalctl -S '{since:TIME}' -U '{until:TIME}': what the application and the kernel say of that moment; docker logs --since and kubectl logs --previous have a container's"
	tlsShown     = "openssl s_client -connect {addr:HOST:PORT} -servername NAME </dev/null: how the handshake ends, and with which certificate"
	headShown    = "curl -sv -o /dev/null http://{addr:HOST:PORT}/PATH: the head as the application sends it"
	bodyCut      = "curl -sv -o /dev/null http://{addr:HOST:PORT}/PATH: (18) transfer closed with outstanding data, if the application ends it"
	spoken       = `printf 'GET / HTTP/1.0\r\n\r\n' | nc -w3 {host:HOST} {port:PORT} | head -c 60: what the port speaks`
	dug          = "dig +short {host:NAME} @RESOLVER, with the proxy's own resolver: what it answers"
)

var checksOfAll = map[fault.Cause]string{
	fault.CauseConnectionRefused:    "ss -lntp 'sport = :{port:PORT}' where the application runs: whether anybody listens, and on which address",
	fault.CauseConnectTimeout:       "nc -zvw3 {host:HOST} {port:PORT} from the proxy's machine, and tcpdump -ni any port {port:PORT} on the application's: whether the SYN arrives",
	fault.CauseKernelConnectTimeout: "tcpdump -ni any port {port:PORT} on the application's machine: whether the SYN arrives",
	fault.CauseHostUnreachable:      "ip neigh show {host:HOST}: FAILED or INCOMPLETE means that nobody has the address",
	fault.CauseNetworkUnreachable:   "ip route get {host:HOST}",
	fault.CauseFirewallRejected:     "ausearch -m avc -ts recent; nft list ruleset | grep -n reject",
	fault.CauseSocketMissing:        "ls -l {peer:SOCKET}; ss -lxp: where the application made its socket",
	fault.CauseSocketPermission:     "namei -l {peer:SOCKET}: each directory needs x for the proxy's user, the socket w",
	fault.CauseSocketBacklogFull:    "ss -lx | grep {peer:SOCKET}: Recv-Q at Send-Q is a full queue",

	fault.CauseClosedBeforeAnswer: atThatMoment,
	fault.CauseResetBeforeAnswer:  atThatMoment,
	fault.CauseWorkerCrashed:      atThatMoment,
	fault.CauseServiceStopped:     atThatMoment,
	fault.CauseServiceFailed:      atThatMoment,
	fault.CauseApplicationError:   atThatMoment,
	fault.CauseUpstreamStatus:     "the application's own log at {time:that second}: the error is there",
	fault.CauseWorkerKilled:       "dmesg -T | grep -i 'killed process'; kubectl get pod POD -o yaml | grep -A3 lastState",
	fault.CauseOutOfMemory:        "dmesg -T | grep -i 'killed process'",
	fault.CauseKeepaliveRace:      "whygate diagnose --idle-probe http://{addr:HOST:PORT}/: how long it keeps an idle connection, against how long the proxy does",
	fault.CauseWorkerTimeout:      "the application server's log at {time:that second}: WORKER TIMEOUT, harakiri, execution timed out",
	fault.CauseHeadTimeout:        "curl -so /dev/null -w '%{time_starttransfer}\\n' http://{addr:HOST:PORT}/PATH: how long the application takes without the proxy",
	fault.CauseWorkersBusy:        "ss -lnt 'sport = :{port:PORT}' where the application runs, while it happens: Recv-Q grows",
	fault.CauseConnectionLost:     "ss -tno dst {host:HOST}: a timer that backs off means that packets vanish",

	fault.CauseHeadTooLarge: "curl -sD - -o /dev/null http://{addr:HOST:PORT}/PATH | wc -c: octets of the head", fault.CauseFieldTooLarge: headShown, fault.CauseTooManyFields: headShown,
	fault.CauseBadField: headShown, fault.CauseConflictingLengths: headShown, fault.CauseLengthAndEncoding: headShown, fault.CauseInvalidLength: headShown, fault.CauseHeadCut: headShown,
	fault.CauseBodyShort: bodyCut, fault.CauseChunksCut: bodyCut, fault.CauseBodyReset: bodyCut, fault.CauseBodyStalled: bodyCut,
	fault.CauseNotHTTP: spoken, fault.CauseWrongService: spoken, fault.CauseBadStatusLine: spoken, fault.CauseNoHead: spoken,
	fault.CausePlainToTLSPort: tlsShown, fault.CauseTLSNameUnknown: "openssl s_client -connect {addr:HOST:PORT} -servername NAME </dev/null, and once more with -noservername: the first works and the second fails",
	fault.CauseTLSToPlainPort: "curl -sv http://{addr:HOST:PORT}/: an answer means that the port speaks plain HTTP", fault.CauseTLSNoSharedCipher: tlsShown, fault.CauseTLSVersionMismatch: tlsShown,
	fault.CauseTLSCertificateExpired: tlsShown, fault.CauseTLSCertificateWrongName: tlsShown, fault.CauseTLSCertificateUntrusted: tlsShown, fault.CauseTLSCertificateUnknownAuthority: tlsShown,
	fault.CauseTLSCertificateSelfSigned: tlsShown, fault.CauseTLSHandshakeClosed: tlsShown, fault.CauseTLSHandshakeTimeout: tlsShown, fault.CauseTLSProtocolError: tlsShown, fault.CauseTLSAlert: tlsShown,
	fault.CauseTLSClientCertificateRequired: tlsShown, fault.CauseTLSALPN: "openssl s_client -connect {addr:HOST:PORT} -alpn h2,http/1.1 </dev/null | grep ALPN",
	fault.CauseDNSNXDomain: dug, fault.CauseDNSNoData: dug, fault.CauseDNSServFail: dug, fault.CauseDNSError: dug, fault.CauseDNSTimeout: dug, fault.CauseDNSRefused: dug,
	fault.CauseHTTP2OnHTTP1Port:    "curl -sv --http2-prior-knowledge http://{addr:HOST:PORT}/: an answer means that the port speaks HTTP/2",
	fault.CauseHTTP1OnHTTP2Port:    "curl -sv --http1.1 http://{addr:HOST:PORT}/: an answer means that the port speaks HTTP/1",
	fault.CauseNoEndpoints:         "kubectl get endpointslices -l kubernetes.io/service-name=SERVICE: none is ready",
	fault.CauseNobodyAvailable:     "the lines just before {time:it} in the proxy's own log: which failures or health checks put the servers out",
	fault.CausePortsExhausted:      "ss -s: about 28,000 in timewait to one upstream",
	fault.CauseMemoryExhausted:     "dmesg -T | grep -i 'out of memory'",
	fault.CauseRouteBroken:         "the proxy's own check of its configuration, such as nginx -t, apachectl -t, haproxy -c -f FILE or caddy validate",
	fault.CauseRequestHeadTooLarge: "the application server's log at {time:that second}: invalid request block size, Request header is too large",
}

// checksOfModule are those of what nginx's modules ask, which curl cannot.
var checksOfModule = map[string]map[fault.Cause]string{
	"fastcgi": {
		fault.CauseHeadTimeout: "request_slowlog_timeout = 5s and slowlog in php-fpm's pool: the stack of the script that takes so long",
		fault.CauseWorkersBusy: "grep max_children /var/log/php*-fpm.log", fault.CauseHeadTooLarge: "SCRIPT_FILENAME=FILE REQUEST_METHOD=GET cgi-fcgi -bind -connect {peer:SOCKET} | head -c 9000",
	},
	"uwsgi": {fault.CauseHeadTimeout: "uwsgitop, with stats = in uWSGI's configuration: what each worker is at", fault.CauseHeadTooLarge: "uwsgi_curl {addr:HOST:PORT} /PATH | head -c 9000"},
	"grpc":  {fault.CauseHeadTimeout: "grpcurl -plaintext {addr:HOST:PORT} list: whether it answers at all", fault.CauseClosedBeforeAnswer: atThatMoment},
}

// checks are those of one product.
var checks = map[string]map[fault.Cause]string{
	"nginx": {
		fault.CauseUnknown:            "grep '{clock:HH:MM:SS}' /var/log/nginx/error.log: the line of the same second says why",
		fault.CauseNobodyAvailable:    "grep -B50 'no live upstreams' /var/log/nginx/error.log | grep -v 'no live': what failed in the 10 s before",
		fault.CauseNoEndpoints:        "kubectl get endpointslices -l kubernetes.io/service-name=SERVICE: none is ready",
		fault.CauseConnectionLimit:    "nginx -T | grep -n max_conns",
		fault.CauseRateLimited:        "grep 'limiting requests' /var/log/nginx/error.log",
		fault.CauseOwnLimit:           "nginx -T | grep worker_connections",
		fault.CauseConnectTimeout:     "grep 'while connecting to upstream' /var/log/nginx/error.log; nc -zvw3 {host:HOST} {port:PORT}",
		fault.CauseTLSNameUnknown:     "openssl s_client -connect {addr:HOST:PORT} -noservername </dev/null: it fails, since nginx sends no name unless proxy_ssl_server_name is on",
		fault.CauseHTTP2ProtocolError: "curl -sv --http1.1 http://{addr:HOST:PORT}/: an answer means that the port speaks no HTTP/2, and grpc_pass is wrong",
	},
	"haproxy": {
		fault.CauseUnknown:         `echo "show errors" | socat stdio /run/haproxy/admin.sock`,
		fault.CauseNobodyAvailable: `echo "show servers state" | socat stdio /run/haproxy/admin.sock, and the log's "is DOWN, reason:"`,
		fault.CauseConnectionLimit: `echo "show stat" | socat stdio /run/haproxy/admin.sock | cut -d, -f1,2,3,5,7: qcur, scur and slim`,
		fault.CauseQueueTimeout:    `echo "show stat" | socat stdio /run/haproxy/admin.sock | cut -d, -f1,2,3,5,7: qcur, scur and slim`,
		fault.CauseBadField:        `echo "show errors" | socat stdio /run/haproxy/admin.sock`,
		fault.CauseNotHTTP:         `echo "show errors" | socat stdio /run/haproxy/admin.sock`,
	},
	"envoy": {
		fault.CauseUnknown:            "%RESPONSE_CODE_DETAILS% and %UPSTREAM_TRANSPORT_FAILURE_REASON% in the access log",
		fault.CauseNobodyAvailable:    "curl -s localhost:9901/clusters | grep health_flags (15000 in Istio)",
		fault.CauseConnectionLimit:    "curl -s localhost:9901/stats | grep overflow (15000 in Istio)",
		fault.CauseConnectionRefused:  "%UPSTREAM_TRANSPORT_FAILURE_REASON% in the access log: delayed connect error: 111",
		fault.CauseClosedBeforeAnswer: "curl -s localhost:9901/stats | grep -E 'cx_destroy_remote|cx_idle_timeout', and " + atThatMoment,
	},
	"whygate": {fault.CauseRouteBroken: "whygate check -c FILE names the error with file, line and column"},
	"apache":  {fault.CauseRouteBroken: "apachectl -t, and apachectl -M | grep proxy: the module for the scheme (proxy_http_module, proxy_fcgi_module) is loaded", fault.CauseUnknown: "LogLevel warn proxy:debug ssl:info, and the error log's line at that second", fault.CauseNobodyAvailable: "http://SERVER/balancer-manager: which members are in error, and since when"},
	"traefik": {fault.CauseUnknown: "log.level: DEBUG, and error= of the line at that second", fault.CauseNobodyAvailable: "curl -s localhost:8080/api/http/services: serverStatus"},
	"caddy":   {fault.CauseUnknown: "the line at level error with the same request id", fault.CauseNobodyAvailable: "curl -s localhost:2019/reverse_proxy/upstreams: fails"},
	"varnish": {fault.CauseUnknown: "varnishlog -g request -q 'FetchError'", fault.CauseNobodyAvailable: "varnishadm backend.list: sick, and by which probe"},
	"squid":   {fault.CauseUnknown: "X-Squid-Error in the answer, and cache.log at that second", fault.CauseNobodyAvailable: "squidclient mgr:server_list: Status DOWN"},
	"alb":     {fault.CauseUnknown: "target_status_code and the three times of the log line", fault.CauseNobodyAvailable: "aws elbv2 describe-target-health --target-group-arn ARN"},
	"cloudflare": {
		fault.CauseUnknown: "the origin's log, by CF-Ray", fault.CauseConnectTimeout: "curl -sv --connect-to ::ORIGIN: https://NAME/ from elsewhere: whether the origin answers without Cloudflare",
	},
	"kong": {fault.CauseNobodyAvailable: "curl -s localhost:8001/upstreams/NAME/health"},
	"iis":  {fault.CauseUnknown: `C:\Windows\System32\LogFiles\HTTPERR, and sc-substatus and sc-win32-status of the line`},
}
