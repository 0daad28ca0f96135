package explain

import (
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// tells says for a cause, in a few words, what would tell it from the others that the same line may stand for. The
// catalogue's Proof is longer, and for one cause by itself.
var tells = map[fault.Cause]string{
	fault.CauseClosedBeforeAnswer:             "the application's log, or its restarts, at that second",
	fault.CauseKeepaliveRace:                  "only on reused connections, at once, spread over all routes; gone with keep-alive off",
	fault.CauseResetBeforeAnswer:              "the application's log at that second; a firewall if the RST's TTL differs",
	fault.CauseWorkerTimeout:                  "each one after the same whole number of seconds: log the upstream's time",
	fault.CauseWorkerKilled:                   "the application server's log: SIGKILL, WORKER TIMEOUT; dmesg: Killed process",
	fault.CauseWorkerCrashed:                  "a signal or a stack trace in the application's log; one route only",
	fault.CauseOutOfMemory:                    "dmesg -T | grep -i 'killed process'",
	fault.CauseConnectionRefused:              "the proxy's error log says so; at once; ss -lnt on the upstream has no such port",
	fault.CauseConnectTimeout:                 "all after the connect timeout, to the tenth of a second",
	fault.CauseKernelConnectTimeout:           "after the kernel's own minutes, not after a configured time",
	fault.CauseHeadTimeout:                    "all after the read timeout, to the tenth of a second",
	fault.CauseWorkersBusy:                    "many routes at once, at peak times; the accept queue is full: ss -lnt",
	fault.CauseHostUnreachable:                "ip neigh says FAILED; other ports of the host fail as well",
	fault.CauseFirewallRejected:               "other ports of the same host answer; an ICMP prohibited in tcpdump; SELinux: ausearch -m avc",
	fault.CauseSocketPermission:               "ls -l of the socket, and the proxy's user; SELinux: ausearch -m avc",
	fault.CauseUpstreamStatus:                 "the upstream's own access log has the same status",
	fault.CauseHeadTooLarge:                   "one route with large cookies or headers, always; the error log says too big",
	fault.CauseUploadCut:                      "only requests with a body; the upstream's body limit",
	fault.CauseBodyShort:                      "Content-Length is larger than what came: curl -v says so",
	fault.CauseChunksCut:                      "Transfer-Encoding: chunked, and no last chunk: curl -v says so",
	fault.CauseBodyReset:                      "tcpdump shows RST instead of FIN",
	fault.CauseNotHTTP:                        "nc HOST PORT shows what it speaks",
	fault.CauseWrongService:                   "nc HOST PORT shows another protocol's greeting",
	fault.CausePlainToTLSPort:                 "openssl s_client -connect HOST:PORT gets a certificate",
	fault.CauseHTTP2OnHTTP1Port:               "curl --http2-prior-knowledge works, curl --http1.1 does not",
	fault.CauseHTTP1OnHTTP2Port:               "curl --http1.1 works, curl --http2-prior-knowledge does not",
	fault.CauseHTTP2ProtocolError:             "the same request over HTTP/1.1 works",
	fault.CauseNobodyAvailable:                "failures of the endpoints just before, or failed health checks",
	fault.CauseNoEndpoints:                    "kubectl get endpointslices shows none ready",
	fault.CauseConnectionLimit:                "max_conns or the like is set, and nothing failed before",
	fault.CauseRateLimited:                    "limit_req or limit_conn in the configuration, and its lines in the error log",
	fault.CauseMaintenance:                    "a return 503 or a maintenance page in the configuration",
	fault.CauseInternalError:                  "the proxy's own error log at that second",
	fault.CauseTLSProtocolError:               "openssl s_client -connect HOST:PORT fails as well",
	fault.CauseTLSHandshakeTimeout:            "TCP connects, openssl s_client hangs",
	fault.CauseTLSHandshakeClosed:             "openssl s_client is cut off without an alert",
	fault.CauseTLSCertificateUntrusted:        "openssl s_client -verify_return_error names the certificate's fault",
	fault.CauseTLSToPlainPort:                 "curl http://HOST:PORT/ answers",
	fault.CauseTLSNameUnknown:                 "openssl s_client works with -servername, and not without",
	fault.CauseTLSNoSharedCipher:              "openssl s_client fails whatever -servername is",
	fault.CauseTLSClientCertificateRequired:   "openssl s_client shows Acceptable client certificate CA names",
	fault.CauseDNSNXDomain:                    "dig NAME: NXDOMAIN",
	fault.CauseDNSNoData:                      "dig NAME: NOERROR without an answer",
	fault.CauseDNSServFail:                    "dig NAME: SERVFAIL",
	fault.CauseDNSTimeout:                     "dig @RESOLVER NAME: no answer",
	fault.CauseDNSError:                       "dig @RESOLVER NAME",
	fault.CauseDNSNoResolver:                  "the error log says no resolver defined",
	fault.CausePortsExhausted:                 "ss -s: about 28,000 in timewait to one upstream",
	fault.CauseDescriptorsExhausted:           "ls /proc/PID/fd | wc -l is at the limit in /proc/PID/limits",
	fault.CauseMemoryExhausted:                "dmesg: Out of memory, or the cgroup's memory.events",
	fault.CauseBadField:                       "curl -v to the upstream shows a broken header line",
	fault.CauseConflictingLengths:             "curl -v to the upstream shows Content-Length twice",
	fault.CauseResponseBlocked:                "an http-response deny rule in the configuration",
	fault.CauseBadChunk:                       "curl -v --raw: what stands before a chunk is no hexadecimal size",
	fault.CauseBadTrailer:                     "curl -v --raw: what stands after the last chunk, of size 0",
	fault.CauseBadStatusLine:                  "curl -v --http0.9: the first line is not HTTP/1.1 and three digits",
	fault.CauseUnsupportedVersion:             "curl -v --http0.9: the first line says another version than HTTP/1.x",
	fault.CauseInvalidLength:                  "curl -v: Content-Length is not one number",
	fault.CauseNoHead:                         "curl -v --http0.9: the body comes without a status line and headers",
	fault.CauseHeadCut:                        "curl -v: some headers come, and then the end of the connection",
	fault.CauseSlowHead:                       "curl -v: some headers come, and then nothing for long",
	fault.CauseBodyStalled:                    "curl -v: part of the body comes, and then nothing for long",
	fault.CauseFieldTooLarge:                  "curl -sD - -o /dev/null: one header alone has some kilobytes",
	fault.CauseTooManyFields:                  "curl -sD - -o /dev/null | wc -l: a hundred headers or more",
	fault.CauseTooManyInterim:                 "curl -v: one 1xx answer after another, and no final one",
	fault.CauseUnaskedInterim:                 "curl -v: a 1xx answer that no Expect asked for",
	fault.CauseUnaskedUpgrade:                 "curl -v: 101 Switching Protocols to a request without Upgrade",
	fault.CauseUploadStalled:                  "only requests with large bodies: the upstream stops reading, netstat -tn shows a full Send-Q",
	fault.CauseNetworkUnreachable:             "ip route get ADDRESS: Network is unreachable",
	fault.CauseSocketMissing:                  "ls -l of the socket: No such file",
	fault.CauseProxyProtocolMismatch:          "the upstream's log has a request that begins with PROXY, or its port expects one",
	fault.CauseTLSAlert:                       "openssl s_client -connect HOST:PORT names the alert",
	fault.CauseTLSRecordCorrupt:               "openssl s_client: bad record mac, or wrong version number in mid-stream",
	fault.CauseTLSCertificateExpired:          "openssl x509 -noout -enddate: in the past",
	fault.CauseTLSCertificateNotYetValid:      "openssl x509 -noout -startdate: in the future, or this machine's clock is behind",
	fault.CauseTLSCertificateSelfSigned:       "openssl x509 -noout -issuer -subject: both the same",
	fault.CauseTLSCertificateUnknownAuthority: "openssl s_client: unable to get local issuer certificate",
	fault.CauseTLSCertificateWrongName:        "openssl x509 -noout -ext subjectAltName has not the name that is asked for",
	fault.CauseDNSBlocked:                     "dig NAME: an EDE of 15 to 18, or 0.0.0.0",
	fault.CauseDNSBogus:                       "dig NAME fails, and dig +cd NAME answers: the signatures are wrong",
	fault.CauseDNSRefused:                     "dig @RESOLVER NAME: REFUSED",
}

// tellOf gives what tells a cause from others: the first sentence of the catalogue's proof where there is nothing shorter.
func tellOf(c fault.Cause) string {
	if text, ok := tells[c]; ok {
		return text
	}
	text := first(c.Entry().Proof)
	if i := strings.Index(text, ". "); i > 0 {
		text = text[:i]
	}
	return strings.TrimSuffix(text, ".")
}
