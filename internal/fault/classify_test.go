package fault

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/redact"
)

var update = flag.Bool("update", false, "write testdata/verdicts.golden anew")

// TestMatrix holds the verdict for each stage, end and reuse with no other fact known, so that a review sees every one.
func TestMatrix(t *testing.T) {
	var got bytes.Buffer
	fmt.Fprintln(&got, "# stage end reused -> type cause status family; written by: go test ./internal/fault -run TestMatrix -update")
	for s := range Stages {
		for end := range Ends {
			for _, reused := range []bool{false, true} {
				e := Evidence{Stage: Stage(s), End: End(end), Reused: reused}
				f := Classify(&e)
				fmt.Fprintf(&got, "%-10s %-13s %-6s -> %s %s %d %s\n", e.Stage, e.End, freshOrReused(reused), f.Type, f.Cause, f.Status(), f.Family())
			}
		}
	}
	path := filepath.Join("testdata", "verdicts.golden")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("verdicts differ from the golden file (-want +got):\n%s", diff)
	}
}

func freshOrReused(reused bool) string {
	if reused {
		return "reused"
	}
	return "fresh"
}

// verdict is hand-built evidence and what it amounts to.
type verdict struct {
	cause  Cause
	kind   Type
	status int
	e      Evidence
}

const seconds = time.Second

func dns(rcode uint16, ede int32) *DNS {
	return &DNS{Name: "app.internal", Server: "10.0.0.2:53", Answered: true, RCode: rcode, EDE: ede}
}

func malformed(r Rule, sample string) Evidence {
	return Evidence{Stage: Head, End: Malformed, Rule: r, Offset: 9, Sample: []byte(sample), Got: int64(len(sample)), Sent: 120}
}

func tooLarge(stage Stage, r Rule) Evidence {
	return Evidence{Stage: stage, End: TooLarge, Rule: r, Limit: 65536, Size: 70000, Field: "Set-Cookie"}
}

func untrusted(p CertProblem) Evidence {
	return Evidence{Stage: TLS, End: Untrusted, Cert: &Certificate{
		Problem: p, Wanted: "app.internal", Authority: "CN=Example CA",
		Chain: []CertificateInfo{{Subject: "CN=shop", Names: []string{"shop.example"}, NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(1.5e9, 0)}},
	}}
}

func silent(end End, reused bool, wait time.Duration) Evidence {
	e := Evidence{Stage: FirstByte, End: end, Reused: reused, Nth: 1, Sent: 120}
	if reused {
		e.Nth, e.Idle = 7, 5*seconds
	}
	if end == Reset {
		e.Errno = syscall.ECONNRESET
	}
	e.Spent[FirstByte] = wait
	return e
}

// over2 is an end on a connection of HTTP/2 that others used too.
func over2(s Stage, end End, code ErrorCode) Evidence {
	return Evidence{Stage: s, End: end, Version: httpmsg.HTTP2, Stream: 7, Code: code, Nth: 4, Reused: true, Sent: 120, Declared: -1}
}

// told is what a log line or an operator said, with every fact that a sentence may have.
func told(c Cause) Evidence {
	e := Evidence{
		Stage: FirstByte, End: Closed, Told: c, Nth: 7, Idle: 5 * seconds, Sent: 120, Status: 503, Declared: 1000, Body: 640, Limit: 100, Size: 101,
		After: 30 * seconds, Timer: TimerHead, Rule: RuleFieldName, Offset: 9, Sample: []byte("plain text"),
	}
	e.Spent[FirstByte] = 30 * seconds
	return e
}

// verdicts reach every cause. Each one that Classify can give must be here, in each of its variants.
var verdicts = []verdict{
	{CauseDNSNXDomain, TypeDNSError, 502, Evidence{Stage: Resolve, End: NoAddress, DNS: dns(3, -1)}},
	{CauseDNSNoData, TypeDNSError, 502, Evidence{Stage: Resolve, End: NoAddress, DNS: dns(0, -1)}},
	{CauseDNSServFail, TypeDNSError, 502, Evidence{Stage: Resolve, End: NoAddress, DNS: dns(2, 22)}},
	{CauseDNSServFail, TypeDNSError, 502, Evidence{Stage: Resolve, End: NoAddress, DNS: dns(2, -1)}},
	{CauseDNSRefused, TypeDNSError, 502, Evidence{Stage: Resolve, End: NoAddress, DNS: dns(5, -1)}},
	{CauseDNSError, TypeDNSError, 502, Evidence{Stage: Resolve, End: NoAddress, DNS: dns(1, -1)}},
	{CauseDNSError, TypeDNSError, 502, Evidence{Stage: Resolve, End: NoAddress}},
	{CauseDNSError, TypeDNSError, 502, Evidence{Stage: Resolve, End: Malformed}},
	{CauseDNSTimeout, TypeDNSTimeout, 504, Evidence{Stage: Resolve, End: Timeout, Timer: TimerResolve, After: 5 * seconds}},
	{CauseDNSTimeout, TypeDNSTimeout, 504, Evidence{Stage: Resolve, End: NoAddress, DNS: &DNS{Name: "a", EDE: -1}}},
	{CauseDNSUnreachable, TypeDNSError, 502, Evidence{Stage: Resolve, End: NoAddress, Errno: syscall.ECONNREFUSED, DNS: &DNS{Name: "a", EDE: -1}}},
	{CauseDNSUnreachable, TypeDNSError, 502, Evidence{Stage: Resolve, End: Refused, Errno: syscall.ECONNREFUSED}},
	{CauseDNSBogus, TypeDNSError, 502, Evidence{Stage: Resolve, End: NoAddress, DNS: dns(2, 6)}},
	{CauseDNSBogus, TypeDNSError, 502, Evidence{Stage: Resolve, End: NoAddress, DNS: dns(2, 12)}},
	{CauseDNSBlocked, TypeDNSError, 502, Evidence{Stage: Resolve, End: NoAddress, DNS: dns(3, 15)}},
	{CauseDNSBlocked, TypeDNSError, 502, Evidence{Stage: Resolve, End: NoAddress, DNS: dns(0, 18)}},
	{CauseDNSNoResolver, TypeProxyConfigurationError, 500, Evidence{Stage: Resolve, End: Misconfigured}},

	{CauseConnectionRefused, TypeConnectionRefused, 502, Evidence{Stage: Dial, End: Refused, Errno: syscall.ECONNREFUSED}},
	{CauseConnectionRefused, TypeConnectionRefused, 502, Evidence{Stage: Dial, End: Refused, Errno: syscall.ECONNREFUSED, Endpoint: "unix:/run/app.sock"}},
	{CauseConnectTimeout, TypeConnectionTimeout, 504, Evidence{Stage: Dial, End: Timeout, Timer: TimerConnect, After: 3 * seconds}},
	{CauseKernelConnectTimeout, TypeConnectionTimeout, 504, Evidence{Stage: Dial, End: Timeout, Errno: syscall.ETIMEDOUT}},
	{CauseHostUnreachable, TypeDestinationIPUnroutable, 502, Evidence{Stage: Dial, End: Unreachable, Errno: syscall.EHOSTUNREACH}},
	{CauseNetworkUnreachable, TypeDestinationIPUnroutable, 502, Evidence{Stage: Dial, End: Unreachable, Errno: syscall.ENETUNREACH}},
	{CauseFirewallRejected, TypeDestinationIPUnroutable, 502, Evidence{Stage: Dial, End: Unreachable, Errno: syscall.EACCES}},
	{CauseFirewallRejected, TypeDestinationIPUnroutable, 502, Evidence{Stage: Dial, End: Unreachable, Errno: syscall.EPERM}},
	{CauseSocketMissing, TypeConnectionRefused, 502, Evidence{Stage: Dial, End: Refused, Errno: syscall.ENOENT, Endpoint: "unix:/run/app.sock"}},
	{CauseSocketPermission, TypeConnectionRefused, 502, Evidence{Stage: Dial, End: Refused, Errno: syscall.EACCES, Endpoint: "unix:/run/app.sock"}},
	{CauseSocketBacklogFull, TypeConnectionRefused, 502, Evidence{Stage: Dial, End: Refused, Errno: syscall.EAGAIN, Endpoint: "unix:/run/app.sock"}},
	{CauseNetworkError, TypeDestinationIPUnroutable, 502, Evidence{Stage: Dial, End: Failed, Errno: syscall.EAFNOSUPPORT}},
	{CauseNetworkError, TypeConnectionTerminated, 502, Evidence{Stage: Head, End: Failed, Errno: syscall.ENETDOWN}},
	{CauseAddressProhibited, TypeDestinationIPProhibited, 502, Evidence{Stage: Dial, End: Denied, Addr: "169.254.169.254:80"}},
	{CauseConnectionLimit, TypeConnectionLimitReached, 503, Evidence{Stage: Select, End: Limit, Limit: 100}},
	{CauseConnectionLimit, TypeConnectionLimitReached, 503, Evidence{Stage: Dial, End: Limit, Limit: 100}},

	{CauseTLSCertificateExpired, TypeTLSCertificateError, 502, untrusted(CertExpired)},
	{CauseTLSCertificateNotYetValid, TypeTLSCertificateError, 502, untrusted(CertNotYetValid)},
	{CauseTLSCertificateWrongName, TypeTLSCertificateError, 502, untrusted(CertWrongName)},
	{CauseTLSCertificateUnknownAuthority, TypeTLSCertificateError, 502, untrusted(CertUnknownAuthority)},
	{CauseTLSCertificateSelfSigned, TypeTLSCertificateError, 502, untrusted(CertSelfSigned)},
	{CauseTLSCertificateRevoked, TypeTLSCertificateError, 502, untrusted(CertRevoked)},
	{CauseTLSCertificateUntrusted, TypeTLSCertificateError, 502, untrusted(CertBadUsage)},
	{CauseTLSVersionMismatch, TypeTLSAlertReceived, 502, Evidence{Stage: TLS, End: Alert, Alert: 70}},
	{CauseTLSVersionMismatch, TypeTLSProtocolError, 502, Evidence{Stage: TLS, End: Malformed, Rule: RuleTLSVersion}},
	{CauseTLSNoSharedCipher, TypeTLSAlertReceived, 502, Evidence{Stage: TLS, End: Alert, Alert: 40}},
	{CauseTLSAlert, TypeTLSAlertReceived, 502, Evidence{Stage: TLS, End: Alert, Alert: 80}},
	{CauseTLSNameUnknown, TypeTLSAlertReceived, 502, Evidence{Stage: TLS, End: Alert, Alert: 112}},
	{CauseTLSClientCertificateRequired, TypeTLSAlertReceived, 502, Evidence{Stage: TLS, End: Alert, Alert: 40, ClientCert: ClientCertMissing}},
	{CauseTLSClientCertificateRefused, TypeTLSAlertReceived, 502, Evidence{Stage: TLS, End: Alert, Alert: 42, ClientCert: ClientCertShown}},
	{CauseTLSClientCertificateRequired, TypeTLSAlertReceived, 502, Evidence{Stage: TLS, End: Alert, Alert: 42}},
	{CauseTLSClientCertificateRequired, TypeTLSAlertReceived, 502, Evidence{Stage: FirstByte, End: Alert, Alert: 116}},
	{CauseTLSClientCertificateRefused, TypeTLSAlertReceived, 502, Evidence{Stage: TLS, End: Alert, Alert: 48}},
	{CauseTLSALPN, TypeTLSAlertReceived, 502, Evidence{Stage: TLS, End: Alert, Alert: 120}},
	{CauseTLSToPlainPort, TypeTLSProtocolError, 502, Evidence{Stage: TLS, End: Malformed, Sample: []byte("HTTP/1.1 400 Bad Request\r\n")}},
	{CausePlainToTLSPort, TypeHTTPProtocolError, 502, malformed(RuleNotHTTP, "\x15\x03\x01\x00\x02\x02\x46")},
	{CausePlainToTLSPort, TypeHTTPProtocolError, 502, Evidence{Stage: Head, End: Closed, Rule: RuleHeadCut, Got: 7, Sample: []byte("\x15\x03\x01\x00\x02\x02\x46")}},
	{CauseTLSHandshakeTimeout, TypeConnectionTimeout, 504, Evidence{Stage: TLS, End: Timeout, Timer: TimerTLS, After: 5 * seconds}},
	{CauseTLSHandshakeClosed, TypeTLSProtocolError, 502, Evidence{Stage: TLS, End: Closed}},
	{CauseTLSHandshakeClosed, TypeTLSProtocolError, 502, Evidence{Stage: TLS, End: Reset, Errno: syscall.ECONNRESET}},
	{CauseTLSProtocolError, TypeTLSProtocolError, 502, Evidence{Stage: TLS, End: Malformed, Sample: []byte("\x00\x01\x02\x03\x04\x05")}},
	{CauseTLSRecordCorrupt, TypeTLSProtocolError, 502, Evidence{Stage: Body, End: Malformed, Rule: RuleTLSRecord, Got: 9000}},
	{CauseTLSRecordCorrupt, TypeTLSAlertReceived, 502, Evidence{Stage: Head, End: Alert, Alert: 20}},

	{CauseClosedBeforeAnswer, TypeConnectionTerminated, 502, silent(Closed, false, 120*time.Millisecond)},
	{CauseClosedBeforeAnswer, TypeConnectionTerminated, 502, silent(Closed, false, 33*seconds)},
	{CauseClosedBeforeAnswer, TypeConnectionTerminated, 502, silent(Closed, true, 3*seconds)},
	{CauseKeepaliveRace, TypeConnectionTerminated, 502, silent(Closed, true, 300*time.Microsecond)},
	{CauseKeepaliveRace, TypeConnectionTerminated, 502, silent(Reset, true, 300*time.Microsecond)},
	{CauseKeepaliveRace, TypeConnectionTerminated, 502, Evidence{Stage: Write, End: Reset, Errno: syscall.EPIPE, Reused: true, Nth: 2}},
	{CauseKeepaliveRace, TypeConnectionTerminated, 502, Evidence{Stage: Write, End: Reset, Errno: syscall.EPIPE, Reused: true, Nth: 2, Upload: true}},
	{CauseResetBeforeAnswer, TypeConnectionTerminated, 502, silent(Reset, false, 20*time.Millisecond)},
	{CauseWorkerTimeout, TypeConnectionTerminated, 502, silent(Closed, false, 30*seconds+12*time.Millisecond)},
	{CauseWorkerTimeout, TypeConnectionTerminated, 502, silent(Closed, false, 59*seconds+900*time.Millisecond)},
	{CauseWorkerTimeout, TypeConnectionTerminated, 502, silent(Closed, true, 30*seconds)},
	{CauseWorkerTimeout, TypeConnectionTerminated, 502, silent(Closed, false, 5*seconds+800*time.Millisecond)},
	{CauseWorkerTimeout, TypeConnectionTerminated, 502, silent(Closed, false, 6*seconds+500*time.Millisecond)},
	{CauseClosedBeforeAnswer, TypeConnectionTerminated, 502, silent(Closed, false, 8*seconds)},
	{CauseClosedBeforeAnswer, TypeConnectionTerminated, 502, silent(Closed, false, 40*seconds)},
	{CauseUploadCut, TypeConnectionTerminated, 502, Evidence{Stage: Write, End: Reset, Errno: syscall.EPIPE, Upload: true, Sent: 1 << 20}},
	{CauseUploadStalled, TypeConnectionWriteTimeout, 504, Evidence{Stage: Write, End: Timeout, Timer: TimerWrite, After: 60 * seconds, Upload: true}},
	{CauseHeadTimeout, TypeConnectionReadTimeout, 504, Evidence{Stage: FirstByte, End: Timeout, Timer: TimerHead, After: 60 * seconds}},
	{CauseSlowHead, TypeHTTPResponseTimeout, 504, Evidence{Stage: Head, End: Timeout, Timer: TimerHead, After: 60 * seconds, Got: 12}},
	{CauseHeadCut, TypeHTTPResponseIncomplete, 502, Evidence{Stage: Head, End: Closed, Rule: RuleHeadCut, Got: 312, Sample: []byte("HTTP/1.1 200 OK\r\nServ")}},
	{CauseHeadCut, TypeConnectionTerminated, 502, Evidence{Stage: Head, End: Reset, Rule: RuleHeadCut, Got: 312}},
	{CauseBodyStalled, TypeConnectionReadTimeout, 504, Evidence{Stage: Body, End: Timeout, Timer: TimerRead, After: 60 * seconds, Status: 200, Declared: 1000, Body: 640}},
	{CauseResponseTooSlow, TypeHTTPResponseTimeout, 504, Evidence{Stage: Body, End: Timeout, Timer: TimerResponse, After: 300 * seconds, Status: 200, Declared: -1, Body: 640}},
	{CauseResponseTooSlow, TypeHTTPResponseTimeout, 504, Evidence{Stage: FirstByte, End: Timeout, Timer: TimerResponse, After: 300 * seconds}},
	{CauseBodyShort, TypeHTTPResponseIncomplete, 502, Evidence{Stage: Body, End: Closed, Rule: RuleBodyShort, Status: 200, Declared: 1000, Body: 640}},
	{CauseBodyReset, TypeConnectionTerminated, 502, Evidence{Stage: Body, End: Reset, Errno: syscall.ECONNRESET, Status: 200, Declared: 1000, Body: 640}},
	{CauseChunksCut, TypeHTTPResponseIncomplete, 502, Evidence{Stage: Body, End: Closed, Rule: RuleChunksCut, Status: 200, Declared: -1, Body: 640}},
	{CauseConnectionLost, TypeConnectionReadTimeout, 504, Evidence{Stage: FirstByte, End: Timeout, Errno: syscall.ETIMEDOUT, Reused: true, Nth: 3, Idle: 612 * seconds}},

	{CauseWrongService, TypeHTTPProtocolError, 502, malformed(RuleNotHTTP, "SSH-2.0-OpenSSH_9.6\r\n")},
	{CauseWrongService, TypeHTTPProtocolError, 502, Evidence{Stage: Head, End: Closed, Rule: RuleHeadCut, Got: 20, Sample: []byte("220 mx ESMTP Postfix\r\n")}},
	{CauseWrongService, TypeTLSProtocolError, 502, Evidence{Stage: TLS, End: Malformed, Sample: []byte("SSH-2.0-OpenSSH_9.6\r\n")}},
	{CauseHTTP2OnHTTP1Port, TypeHTTPProtocolError, 502, malformed(RuleNotHTTP, "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64")},
	{CauseProxyProtocolMismatch, TypeHTTPProtocolError, 502, malformed(RuleNotHTTP, "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n")},
	{CauseNotHTTP, TypeHTTPProtocolError, 502, malformed(RuleNotHTTP, "\x01\x02\x03\x04hello")},
	{CauseNoHead, TypeHTTPProtocolError, 502, malformed(RuleNotHTTP, "<!DOCTYPE html><title>x</title>")},
	{CauseBadStatusLine, TypeHTTPProtocolError, 502, malformed(RuleStatusCode, "HTTP/1.1 2x0 OK\r\n")},
	{CauseUnsupportedVersion, TypeHTTPProtocolError, 502, malformed(RuleVersion, "HTTP/9 200 OK\r\n")},
	{CauseUnaskedUpgrade, TypeHTTPProtocolError, 502, malformed(RuleUnaskedUpgrade, "")},
	{CauseUnaskedInterim, TypeHTTPProtocolError, 502, malformed(RuleInterim, "")},
	{CauseTooManyInterim, TypeHTTPProtocolError, 502, Evidence{Stage: Head, End: TooLarge, Rule: RuleInterimCount, Limit: 10}},
	{CauseBadField, TypeHTTPProtocolError, 502, Evidence{Stage: Head, End: Malformed, Rule: RuleMissingColon, Offset: 24, Sample: []byte("HTTP/1.1 200 OK\r\nWarning deprecated in foo.php\r\n")}},
	{CauseHeadTooLarge, TypeHTTPResponseHeaderSection, 502, tooLarge(Head, RuleHeadSize)},
	{CauseFieldTooLarge, TypeHTTPResponseHeader, 502, tooLarge(Head, RuleFieldSize)},
	{CauseTooManyFields, TypeHTTPResponseHeaderSection, 502, Evidence{Stage: Head, End: TooLarge, Rule: RuleFieldCount, Limit: 200, Size: 201}},
	{CauseLengthAndEncoding, TypeHTTPProtocolError, 502, malformed(RuleLengthAndEncoding, "HTTP/1.1 200 OK\r\n")},
	{CauseConflictingLengths, TypeHTTPProtocolError, 502, malformed(RuleContentLengthConflict, "HTTP/1.1 200 OK\r\n")},
	{CauseInvalidLength, TypeHTTPProtocolError, 502, malformed(RuleContentLength, "HTTP/1.1 200 OK\r\n")},
	{CauseUnknownTransferCoding, TypeHTTPResponseTransferCoding, 502, malformed(RuleTransferEncoding, "HTTP/1.1 200 OK\r\n")},
	{CauseEncodingInHTTP10, TypeHTTPProtocolError, 502, malformed(RuleTransferEncodingVersion, "HTTP/1.0 200 OK\r\n")},
	{CauseFramingNotAllowed, TypeHTTPProtocolError, 502, malformed(RuleForbiddenFraming, "HTTP/1.1 204 No Content\r\n")},
	{CauseBadChunk, TypeHTTPResponseTransferCoding, 502, Evidence{Stage: Body, End: Malformed, Rule: RuleChunkSize, Offset: 8192, Status: 200}},
	{CauseExtraOctets, TypeHTTPProtocolError, 502, Evidence{Stage: Done, End: Malformed, Rule: RuleExtraOctets, Size: 37, Status: 200}},
	{CauseTrailerTooLarge, TypeHTTPResponseTrailerSection, 502, tooLarge(Body, RuleTrailerSize)},
	{CauseBadTrailer, TypeHTTPProtocolError, 502, Evidence{Stage: Body, End: Malformed, Rule: RuleTrailer, Offset: 99, Field: "Content-Length"}},

	{CauseNobodyAvailable, TypeDestinationUnavailable, 503, Evidence{Stage: Select, End: Unavailable, Size: 3}},
	{CauseNoEndpoints, TypeDestinationUnavailable, 503, Evidence{Stage: Select, End: Unavailable, Rule: RulePoolEmpty}},
	{CauseNoRoute, TypeDestinationNotFound, 404, Evidence{Stage: Select, End: NoRoute}},
	{CauseRouteBroken, TypeProxyConfigurationError, 503, Evidence{Stage: Select, End: Misconfigured}},
	{CauseProxyLoop, TypeProxyLoopDetected, 502, Evidence{Stage: Select, End: Loop}},

	{CauseClientLeft, TypeNone, 499, Evidence{Stage: FirstByte, End: Canceled}},
	{CauseClientLeft, TypeNone, 499, Evidence{Stage: Receive, End: Reset}},
	{CauseRequestMalformed, TypeHTTPRequestError, 400, Evidence{Stage: Receive, End: Malformed, Rule: RuleHostMissing, Offset: 16}},
	{CauseRequestTLSOnPlainPort, TypeHTTPRequestError, 400, Evidence{Stage: Receive, End: Malformed, Rule: RuleMethod, Sample: []byte("\x16\x03\x01\x02\x00\x01")}},
	{CauseRequestPlainOnTLSPort, TypeHTTPRequestError, 400, Evidence{Stage: Receive, End: Malformed, Rule: RulePlainOnTLS, Sample: []byte("GET / HTTP/1.1\r\n")}},
	{CauseRequestTLSFailed, TypeHTTPRequestError, 400, Evidence{Stage: Receive, End: Alert, Alert: 48, Rule: RuleTLSHandshake}},
	{CauseRequestTLSFailed, TypeHTTPRequestError, 400, Evidence{Stage: Receive, End: Timeout, Timer: TimerRequest, Rule: RuleTLSHandshake}},
	{CauseRequestHeadTooLarge, TypeHTTPRequestError, 431, tooLarge(Receive, RuleHeadSize)},
	{CauseRequestTargetTooLong, TypeHTTPRequestError, 414, tooLarge(Receive, RuleTargetSize)},
	{CauseRequestBodyTooLarge, TypeHTTPRequestError, 413, tooLarge(Receive, RuleBodySize)},
	{CauseRequestHeadTimeout, TypeHTTPRequestError, 408, Evidence{Stage: Receive, End: Timeout, Timer: TimerRequest, After: 10 * seconds}},
	{CauseRequestBodyTimeout, TypeHTTPRequestError, 408, Evidence{Stage: Receive, End: Timeout, Timer: TimerIdle, After: 60 * seconds}},
	{CauseRequestVersion, TypeHTTPRequestError, 505, Evidence{Stage: Receive, End: Malformed, Rule: RuleVersion}},
	{CauseRequestCoding, TypeHTTPRequestError, 501, Evidence{Stage: Receive, End: Malformed, Rule: RuleTransferEncoding}},
	{CauseRequestMethodRefused, TypeHTTPRequestError, 405, Evidence{Stage: Receive, End: Denied, Rule: RuleConnect}},
	{CauseRequestExpectation, TypeHTTPRequestError, 417, Evidence{Stage: Receive, End: Denied, Rule: RuleExpectation}},
	{CauseRequestDenied, TypeHTTPRequestDenied, 403, Evidence{Stage: Select, End: Denied}},

	{CausePortsExhausted, TypeProxyInternalError, 500, Evidence{Stage: Dial, End: Exhausted, Errno: syscall.EADDRNOTAVAIL}},
	{CauseDescriptorsExhausted, TypeProxyInternalError, 500, Evidence{Stage: Dial, End: Exhausted, Errno: syscall.EMFILE}},
	{CauseMemoryExhausted, TypeProxyInternalError, 500, Evidence{Stage: Dial, End: Exhausted, Errno: syscall.ENOBUFS}},
	{CauseOwnLimit, TypeProxyInternalResponse, 503, Evidence{Stage: Receive, End: Limit, Limit: 10000}},
	{CauseShuttingDown, TypeProxyInternalResponse, 503, Evidence{Stage: Select, End: Unavailable, Rule: RuleDraining}},
	{CauseInternalError, TypeProxyInternalError, 500, Evidence{Stage: Body, End: Bug}},

	{CauseUpstreamStatus, TypeNone, 0, Evidence{Stage: Done, End: Completed, Status: 503}},
	{CauseNone, TypeNone, 0, Evidence{Stage: Done, End: Completed, Status: 200}},

	{CauseHTTP2GoAway, TypeConnectionTerminated, 502, over2(FirstByte, GoAway, CodeNoError)},
	{CauseHTTP2GoAway, TypeConnectionTerminated, 502, over2(Write, GoAway, CodeEnhanceYourCalm)},
	{CauseHTTP2NotWanted, TypeHTTPUpgradeFailed, 502, over2(FirstByte, GoAway, CodeHTTP11Required)},
	{CauseHTTP2NotWanted, TypeHTTPUpgradeFailed, 502, over2(FirstByte, StreamReset, CodeHTTP11Required)},
	{CauseHTTP2RefusedStream, TypeDestinationUnavailable, 503, over2(FirstByte, StreamReset, CodeRefusedStream)},
	{CauseHTTP2StreamReset, TypeHTTPProtocolError, 502, over2(FirstByte, StreamReset, CodeInternalError)},
	{CauseHTTP2StreamReset, TypeHTTPProtocolError, 502, over2(Head, StreamReset, CodeNoError)},
	{CauseHTTP2StreamCut, TypeHTTPResponseIncomplete, 502, over2(Body, StreamReset, CodeCancel)},
	{CauseHTTP2StreamCut, TypeHTTPResponseIncomplete, 502, over2(Body, GoAway, CodeNoError)},
	{CauseHTTP2StreamCut, TypeHTTPResponseIncomplete, 502, over2(Body, Closed, CodeNoError)},
	{CauseHTTP2ConnectionDead, TypeConnectionTerminated, 502, Evidence{Stage: Body, End: Timeout, Rule: RuleH2Ping, Version: httpmsg.HTTP2, Stream: 5, After: 5 * seconds}},
	{CauseHTTP2NoSettings, TypeConnectionReadTimeout, 504, Evidence{Stage: FirstByte, End: Timeout, Timer: TimerHead, Rule: RuleH2Preface, Version: httpmsg.HTTP2, After: 5 * seconds}},
	{CauseHTTP2StreamLimit, TypeConnectionLimitReached, 503, Evidence{Stage: Write, End: Limit, Rule: RuleH2StreamLimit, Version: httpmsg.HTTP2, Limit: 100}},
	{CauseHTTP1OnHTTP2Port, TypeHTTPUpgradeFailed, 502, Evidence{Stage: FirstByte, End: Malformed, Rule: RuleH2Preface, Version: httpmsg.HTTP2, Sample: []byte("HTTP/1.1 400 Bad Request\r\n")}},
	{CausePlainToTLSPort, TypeHTTPProtocolError, 502, Evidence{Stage: FirstByte, End: Malformed, Rule: RuleH2Preface, Version: httpmsg.HTTP2, Sample: []byte("\x15\x03\x01\x00\x02\x02\x46")}},
	{CauseHTTP2ProtocolError, TypeHTTPProtocolError, 502, Evidence{Stage: FirstByte, End: Malformed, Rule: RuleH2Preface, Version: httpmsg.HTTP2, Sample: []byte("\x00\x00\x00\x01\x00\x00\x00\x00\x00")}},
	{CauseClosedBeforeAnswer, TypeConnectionTerminated, 502, over2(FirstByte, Closed, CodeNoError)},
	{CauseUpgradeRefused, TypeHTTPUpgradeFailed, 502, Evidence{Stage: Head, End: Malformed, Rule: RuleUnaskedUpgrade, Told: CauseUpgradeRefused, Status: 200}},
	{CauseGRPCDeadline, TypeHTTPResponseTimeout, 504, Evidence{Stage: FirstByte, End: Timeout, Timer: TimerGRPC, After: 2 * seconds}},
	{CauseGRPCDeadline, TypeHTTPResponseTimeout, 504, Evidence{Stage: Dial, End: Timeout, Timer: TimerGRPC, After: 2 * seconds}},
	{CauseHTTP2GoAway, TypeConnectionTerminated, 502, told(CauseHTTP2GoAway)},
	{CauseHTTP2RefusedStream, TypeDestinationUnavailable, 503, told(CauseHTTP2RefusedStream)},
	{CauseHTTP2StreamReset, TypeHTTPProtocolError, 502, told(CauseHTTP2StreamReset)},
	{CauseHTTP2NotWanted, TypeHTTPUpgradeFailed, 502, told(CauseHTTP2NotWanted)},
	{CauseHTTP2NoSettings, TypeConnectionReadTimeout, 504, told(CauseHTTP2NoSettings)},
	{CauseHTTP2ProtocolError, TypeHTTPProtocolError, 502, told(CauseHTTP2ProtocolError)},
	{CauseHTTP1OnHTTP2Port, TypeHTTPUpgradeFailed, 502, told(CauseHTTP1OnHTTP2Port)},
	{CauseHTTP2StreamLimit, TypeConnectionLimitReached, 503, told(CauseHTTP2StreamLimit)},
	{CauseHTTP2ConnectionDead, TypeConnectionTerminated, 502, told(CauseHTTP2ConnectionDead)},
	{CauseHTTP2StreamCut, TypeHTTPResponseIncomplete, 502, told(CauseHTTP2StreamCut)},
	{CauseGRPCStatusMissing, TypeHTTPResponseIncomplete, 502, told(CauseGRPCStatusMissing)},
	{CauseGRPCDeadline, TypeHTTPResponseTimeout, 504, told(CauseGRPCDeadline)},
	{CauseGRPCOverHTTP1, TypeHTTPRequestError, 505, told(CauseGRPCOverHTTP1)},

	{CauseWorkerKilled, TypeConnectionTerminated, 502, told(CauseWorkerKilled)},
	{CauseOutOfMemory, TypeConnectionTerminated, 502, told(CauseOutOfMemory)},
	{CauseWorkerCrashed, TypeConnectionTerminated, 502, told(CauseWorkerCrashed)},
	{CauseWorkersBusy, TypeConnectionReadTimeout, 504, told(CauseWorkersBusy)},
	{CauseApplicationError, TypeNone, 0, told(CauseApplicationError)},
	{CauseServiceStopped, TypeConnectionRefused, 502, told(CauseServiceStopped)},
	{CauseServiceFailed, TypeConnectionRefused, 502, told(CauseServiceFailed)},
	{CauseUpstreamOverloaded, TypeNone, 0, told(CauseUpstreamOverloaded)},
	{CauseCircuitOpen, TypeDestinationUnavailable, 503, told(CauseCircuitOpen)},
	{CauseQueueFull, TypeConnectionLimitReached, 503, told(CauseQueueFull)},
	{CauseQueueTimeout, TypeConnectionLimitReached, 503, told(CauseQueueTimeout)},
	{CauseMaintenance, TypeProxyInternalResponse, 503, told(CauseMaintenance)},
	{CauseCertificateNotObtained, TypeProxyConfigurationError, 500, told(CauseCertificateNotObtained)},
	{CauseOwnCertificateRevoked, TypeProxyConfigurationError, 500, told(CauseOwnCertificateRevoked)},
	{CauseRateLimited, TypeHTTPRequestError, 429, told(CauseRateLimited)},
	{CauseContentFilter, TypeHTTPRequestDenied, 403, told(CauseContentFilter)},
	{CauseResponseBlocked, TypeHTTPProtocolError, 502, told(CauseResponseBlocked)},
	{CauseCachedError, TypeNone, 0, told(CauseCachedError)},
	{CauseWrongHost, TypeNone, 0, told(CauseWrongHost)},
	{CauseRedirectLoop, TypeNone, 0, told(CauseRedirectLoop)},
	{CauseUpgradeRefused, TypeNone, 0, told(CauseUpgradeRefused)},
	{CauseBadContentCoding, TypeHTTPResponseContentCoding, 502, told(CauseBadContentCoding)},
	{CauseResponseBodyTooLarge, TypeHTTPResponseBodySize, 502, told(CauseResponseBodyTooLarge)},

	{CauseUnknown, TypeProxyInternalError, 500, Evidence{Stage: Stage(Stages)}},
	{CauseUnknown, TypeProxyInternalError, 500, Evidence{Told: Cause(Causes)}},
}

func TestVerdicts(t *testing.T) {
	for _, v := range verdicts {
		f := Classify(&v.e)
		if f.Cause != v.cause || f.Type != v.kind || f.Status() != v.status || f.Stage != v.e.Stage {
			t.Errorf("%s %s %+v:\ngot  %s %s %d\nwant %s %s %d", v.e.Stage, v.e.End, v.e, f.Cause, f.Type, f.Status(), v.cause, v.kind, v.status)
		}
	}
}

func TestVerdictsReachEveryCause(t *testing.T) {
	var reached [Causes]bool
	for _, v := range verdicts {
		reached[v.cause] = true
	}
	for c, is := range reached {
		if !is {
			t.Errorf("no evidence here amounts to %s", Cause(c))
		}
	}
}

// TestMatrixSensible states what must hold whatever the facts are.
func TestMatrixSensible(t *testing.T) {
	for s := range Stages + 1 {
		for end := range Ends + 1 {
			for _, reused := range []bool{false, true} {
				for r := range Rules {
					e := Evidence{Stage: Stage(s), End: End(end), Reused: reused, Rule: Rule(r)}
					f := Classify(&e)
					if int(f.Cause) >= Causes || int(f.Type) >= Types {
						t.Fatalf("%+v: %+v", e, f)
					}
					checkSensible(t, &e, f)
				}
			}
		}
	}
}

func checkSensible(t *testing.T, e *Evidence, f Fault) {
	t.Helper()
	status := f.Status()
	switch {
	case e.End == Canceled && int(e.Stage) < Stages && status != StatusClientLeft:
		t.Errorf("%s %s: %d for a client that left", e.Stage, e.End, status)
	case status == 504 && e.End != Timeout:
		t.Errorf("%s %s %s: 504 though no timer fired", e.Stage, e.End, e.Rule)
	case status == 500 && f.ByUpstream():
		t.Errorf("%s %s %s: 500 blamed on the upstream", e.Stage, e.End, e.Rule)
	case status == 502 && e.Stage == Receive && e.End != Loop:
		t.Errorf("%s %s %s: 502 though no upstream was asked", e.Stage, e.End, e.Rule)
	case f.Cause == CauseNone && e.End != Completed && e.Stage != Done:
		t.Errorf("%s %s %s: no fault", e.Stage, e.End, e.Rule)
	}
}

func TestClassifyAllocatesNothing(t *testing.T) {
	for _, v := range verdicts {
		if n := testing.AllocsPerRun(100, func() { Classify(&v.e) }); n != 0 {
			t.Errorf("%s: %v allocations", v.cause, n)
		}
	}
}

func TestByUpstream(t *testing.T) {
	for _, c := range []Cause{CausePortsExhausted, CauseDescriptorsExhausted, CauseConnectionLimit, CauseClientLeft, CauseRequestMalformed, CauseNoRoute, CauseInternalError, CauseUpstreamStatus} {
		if (Fault{Type: c.Entry().Type, Cause: c, Stage: Body}).ByUpstream() {
			t.Errorf("%s counts against the endpoint", c)
		}
	}
	for _, c := range []Cause{CauseConnectionRefused, CauseKeepaliveRace, CauseHeadTimeout, CauseTLSCertificateExpired, CauseBodyShort} {
		if !(Fault{Type: c.Entry().Type, Cause: c, Stage: Body}).ByUpstream() {
			t.Errorf("%s does not count against the endpoint", c)
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add(uint8(1), uint8(1), uint8(1), []byte("SSH-2.0-x"), int64(3))
	f.Fuzz(func(t *testing.T, stage, end, rule uint8, sample []byte, offset int64) {
		e := Evidence{Stage: Stage(stage), End: End(end), Rule: Rule(rule), Sample: sample, Offset: offset, Endpoint: string(sample), Detail: string(sample), Field: string(sample)}
		v := Classify(&e)
		checkPrintable(t, v.Sentence(&e))
		if len(redact.Head(sample)) != len(sample) {
			t.Error("Redact changed the length")
		}
		checkMember(t, AppendProxyStatus(nil, string(sample), v, &e, DisclosureFull))
	})
}
