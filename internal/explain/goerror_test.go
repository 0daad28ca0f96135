package explain

import (
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// goTexts are what Go 1.26's net, crypto/tls, crypto/x509 and net/http and x/net/http2 write, as Caddy and Traefik log them.
var goTexts = []struct {
	text string
	want fault.Cause
}{
	{"dial tcp 10.0.0.7:8080: connect: connection refused", fault.CauseConnectionRefused},
	{"dial tcp 10.0.0.7:8080: i/o timeout", fault.CauseConnectTimeout},
	{"dial tcp 10.0.0.7:8080: connect: connection timed out", fault.CauseKernelConnectTimeout},
	{"dial tcp 10.0.0.7:8080: connect: no route to host", fault.CauseHostUnreachable},
	{"dial tcp 10.0.0.7:8080: connect: network is unreachable", fault.CauseNetworkUnreachable},
	{"dial tcp 10.0.0.7:8080: connect: cannot assign requested address", fault.CausePortsExhausted},
	{"dial tcp 10.0.0.7:8080: socket: too many open files", fault.CauseDescriptorsExhausted},
	{"dial tcp 10.0.0.7:8080: connect: permission denied", fault.CauseFirewallRejected},
	{"dial unix /run/app.sock: connect: no such file or directory", fault.CauseSocketMissing},
	{"dial unix /run/app.sock: connect: permission denied", fault.CauseSocketPermission},
	{"dial unix /run/app.sock: connect: resource temporarily unavailable", fault.CauseSocketBacklogFull},
	{"dial tcp: lookup app.internal on 10.0.0.2:53: no such host", fault.CauseDNSNXDomain},
	{"dial tcp: lookup app.internal on 10.0.0.2:53: server misbehaving", fault.CauseDNSServFail},
	{"dial tcp: lookup app.internal: Temporary failure in name resolution", fault.CauseDNSServFail},
	{"dial tcp: lookup app.internal on 10.0.0.2:53: read udp 10.0.0.1:5000->10.0.0.2:53: i/o timeout", fault.CauseDNSTimeout},
	{"dial tcp: lookup app.internal on 10.0.0.2:53: read udp 10.0.0.1:5->10.0.0.2:53: read: connection refused", fault.CauseDNSUnreachable},
	{"tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2025-08-21T09:53:21Z is after 2025-08-01T00:00:00Z", fault.CauseTLSCertificateExpired},
	{"tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2025-08-21T09:53:21Z is before 2026-08-01T00:00:00Z", fault.CauseTLSCertificateNotYetValid},
	{"tls: failed to verify certificate: x509: certificate is valid for a.example, not app.internal", fault.CauseTLSCertificateWrongName},
	{"tls: failed to verify certificate: x509: cannot validate certificate for 10.0.0.7 because it doesn't contain any IP SANs", fault.CauseTLSCertificateWrongName},
	{"tls: failed to verify certificate: x509: certificate signed by unknown authority", fault.CauseTLSCertificateUnknownAuthority},
	{"remote error: tls: handshake failure", fault.CauseTLSNoSharedCipher},
	{"remote error: tls: protocol version not supported", fault.CauseTLSVersionMismatch},
	{"remote error: tls: unrecognized name", fault.CauseTLSNameUnknown},
	{"remote error: tls: certificate required", fault.CauseTLSClientCertificateRequired},
	{"remote error: tls: no application protocol", fault.CauseTLSALPN},
	{"remote error: tls: internal error", fault.CauseTLSAlert},
	{"local error: tls: bad record MAC", fault.CauseTLSRecordCorrupt},
	{"tls: server selected unsupported protocol version 302", fault.CauseTLSVersionMismatch},
	{"tls: first record does not look like a TLS handshake", fault.CauseTLSToPlainPort},
	{"http: server gave HTTP response to HTTPS client", fault.CauseTLSToPlainPort},
	{"net/http: TLS handshake timeout", fault.CauseTLSHandshakeTimeout},
	{"EOF", fault.CauseClosedBeforeAnswer},
	{"read tcp 10.0.0.1:5000->10.0.0.7:8080: read: connection reset by peer", fault.CauseResetBeforeAnswer},
	{"http: server closed idle connection", fault.CauseKeepaliveRace},
	{"write tcp 10.0.0.1:5000->10.0.0.7:8080: write: broken pipe", fault.CauseUploadCut},
	{"net/http: timeout awaiting response headers", fault.CauseHeadTimeout},
	{"net/http: HTTP/1.x transport connection broken: unexpected EOF", fault.CauseHeadCut},
	{`net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-OpenSSH_9.6"`, fault.CauseWrongService},
	{`net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x15\x03\x01\x00\x02\x02"`, fault.CausePlainToTLSPort},
	{`net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x00\x00\x12\x04\x00\x00\x00\x00\x00"`, fault.CauseHTTP2OnHTTP1Port},
	{`net/http: HTTP/1.x transport connection broken: malformed HTTP response "hello"`, fault.CauseNotHTTP},
	{`net/http: HTTP/1.x transport connection broken: malformed HTTP status code "2x0"`, fault.CauseBadStatusLine},
	{`net/http: HTTP/1.x transport connection broken: malformed HTTP version "HTTP/9"`, fault.CauseUnsupportedVersion},
	{`net/http: HTTP/1.x transport connection broken: malformed MIME header: missing colon: "Warning"`, fault.CauseBadField},
	{`net/http: HTTP/1.x transport connection broken: malformed MIME header: missing colon: "Content-Ty"`, fault.CauseHeadCut},
	{`net/http: HTTP/1.x transport connection broken: malformed MIME header: missing colon: "Content-Type"`, fault.CauseBadField},
	{`net/http: HTTP/1.x transport connection broken: http: message cannot contain multiple Content-Length headers; got ["5" "6"]`, fault.CauseConflictingLengths},
	{`net/http: HTTP/1.x transport connection broken: bad Content-Length "abc"`, fault.CauseInvalidLength},
	{`net/http: HTTP/1.x transport connection broken: unsupported transfer encoding: "gzip"`, fault.CauseUnknownTransferCoding},
	{"net/http: server response headers exceeded 10485760 bytes; aborted", fault.CauseHeadTooLarge},
	{"invalid byte in chunk length", fault.CauseBadChunk},
	{"http: suspiciously long trailer after chunked body", fault.CauseTrailerTooLarge},
	{`backend tried to switch protocol "x" when "" was requested`, fault.CauseUnaskedUpgrade},
	{"http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug=\"\"", fault.CauseHTTP2GoAway},
	{"stream error: stream ID 1; REFUSED_STREAM; received from peer", fault.CauseHTTP2RefusedStream},
	{"stream error: stream ID 1; INTERNAL_ERROR; received from peer", fault.CauseHTTP2StreamReset},
	{"http2: failed reading the frame payload: http2: frame too large, note that the frame header looked like an HTTP/1.1 header", fault.CauseHTTP1OnHTTP2Port},
	{"http2: client connection lost", fault.CauseHTTP2ConnectionDead},
	{`http2: unexpected ALPN protocol ""; want "h2"`, fault.CauseTLSALPN},
	{"context canceled", fault.CauseClientLeft},
	{"no upstreams available", fault.CauseNobodyAvailable},
}

func TestGoError(t *testing.T) {
	for _, g := range goTexts {
		text, want := g.text, g.want
		var e Entry
		e.reset()
		if !e.goError([]byte(text)) {
			t.Errorf("%q is not known", text)
			continue
		}
		if got := e.Fault().Cause; got != want {
			t.Errorf("%q is %s, not %s", text, got, want)
		}
		if len(e.Candidates) > 0 && e.Candidates[0] != want {
			t.Errorf("%q: the first candidate is %s", text, e.Candidates[0])
		}
	}
	var e Entry
	e.reset()
	if e.goError([]byte("something that Go does not say")) {
		t.Error("an unknown text was judged")
	}
}

// TestSilentEnd: the method and the wait move the candidates of a connection that closed without an answer.
func TestSilentEnd(t *testing.T) {
	for _, c := range []struct {
		method string
		took   time.Duration
		want   fault.Cause
	}{
		{"GET", 3 * time.Millisecond, fault.CauseClosedBeforeAnswer},
		{"POST", 3 * time.Millisecond, fault.CauseKeepaliveRace},
		{"POST", 30002 * time.Millisecond, fault.CauseWorkerTimeout},
		{"GET", 7300 * time.Millisecond, fault.CauseClosedBeforeAnswer},
		{"GET", -1, fault.CauseClosedBeforeAnswer},
	} {
		var e Entry
		e.reset()
		e.Method, e.Took = []byte(c.method), c.took
		e.closedSilently(fault.Closed)
		if got := e.Fault().Cause; got != c.want || e.Candidates[0] != c.want {
			t.Errorf("%s after %v is %s, not %s", c.method, c.took, got, c.want)
		}
	}
}
