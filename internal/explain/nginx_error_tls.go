package explain

import (
	"strconv"

	"github.com/whygate/whygate/internal/fault"
)

// The problems of a certificate, as a log tells them: shared, since nobody changes them.
var (
	certExpired     = fault.Certificate{Problem: fault.CertExpired}
	certNotYetValid = fault.Certificate{Problem: fault.CertNotYetValid}
	certWrongName   = fault.Certificate{Problem: fault.CertWrongName}
	certUnknownCA   = fault.Certificate{Problem: fault.CertUnknownAuthority}
	certSelfSigned  = fault.Certificate{Problem: fault.CertSelfSigned}
	certRevoked     = fault.Certificate{Problem: fault.CertRevoked}
	certOther       = fault.Certificate{Problem: fault.CertOther}
)

// judgeSSL reads TLS to the upstream, and the client's TLS, which is the client's.
func (l *nginxLine) judgeSSL(e *Entry) bool {
	m := l.message
	stage := e.Evidence.Stage
	switch {
	case starts(m, "upstream SSL certificate verify error: ("):
		rest, _ := after(m, "verify error: (")
		n, _, _ := readUint(rest)
		e.fail(ByGateway, fault.TLS, fault.Untrusted)
		e.Evidence.Cert = certificateOf(n)
	case starts(m, "upstream SSL certificate does not match"):
		e.fail(ByGateway, fault.TLS, fault.Untrusted)
		e.Evidence.Cert = &certWrongName
	case starts(m, "peer closed connection in SSL handshake"):
		if stage != fault.TLS {
			client(e, ByClient, fault.Receive, fault.Closed)
			e.Evidence.Rule = fault.RuleTLSHandshake
			return true
		}
		e.fail(ByGateway, fault.TLS, fault.Closed)
		if has(m, "reset by peer") {
			e.Evidence.End = fault.Reset
		}
	case starts(m, "SSL_do_handshake() failed"), starts(m, "SSL_read() failed"), starts(m, "SSL_write() failed"), starts(m, "SSL_shutdown() failed"):
		if stage < fault.Dial {
			judgeClientTLS(e, m)
			return true
		}
		blameTLS(e, m, stage)
		e.nameless()
		if has(m, "bad extension") { // the server selected a protocol that was not offered
			e.Evidence.Told = fault.CauseTLSALPN
		}
	default:
		return false
	}
	return true
}

// nameless puts first what a handshake failure is with a proxy that sends no name unless it is told to: nginx without
// proxy_ssl_server_name, HAProxy without sni, Envoy without sni or auto_sni.
func (e *Entry) nameless() {
	if e.Evidence.Alert == 40 {
		e.Evidence.Told = fault.CauseTLSNameUnknown
		e.may(fault.CauseTLSNameUnknown, fault.CauseTLSNoSharedCipher, fault.CauseTLSClientCertificateRequired)
	}
}

// certificateOf reads the number of an X509_V_ERR of OpenSSL.
func certificateOf(n int64) *fault.Certificate {
	switch n {
	case 9:
		return &certNotYetValid
	case 10:
		return &certExpired
	case 18, 19:
		return &certSelfSigned
	case 2, 20, 21:
		return &certUnknownCA
	case 23:
		return &certRevoked
	case 62, 63, 64:
		return &certWrongName
	}
	return &certOther
}

// judgeClientTLS: a client that does not get through the handshake is no fault of the exchange's, for there is none.
func judgeClientTLS(e *Entry, m []byte) {
	client(e, ByClient, fault.Receive, fault.Closed)
	if has(m, ":http request") || has(m, ":https proxy request") {
		e.Evidence.End, e.Evidence.Rule = fault.Malformed, fault.RulePlainOnTLS
	} else if has(m, "while SSL handshaking") {
		e.Evidence.Rule = fault.RuleTLSHandshake
	}
}

// blameTLS reads OpenSSL's or BoringSSL's words on TLS to an upstream. Alerts have their number in them, in both.
func blameTLS(e *Entry, m []byte, stage fault.Stage) {
	e.fail(ByGateway, stage, fault.Malformed)
	v := &e.Evidence
	if rest, found := after(m, "SSL alert number "); found {
		n, _, _ := readUint(rest)
		v.End, v.Alert = fault.Alert, uint8(n)
		blameAlert(e)
		return
	}
	if n := opensslAlert(m); n != 0 {
		v.End, v.Alert = fault.Alert, n
		blameAlert(e)
		return
	}
	for i := range tlsReasons {
		r := &tlsReasons[i]
		if !has(m, r.text) {
			continue
		}
		v.End, v.Rule, v.Told, v.Alert, v.Cert = r.end, r.rule, r.cause, r.alert, r.cert
		if r.end == fault.Alert {
			blameAlert(e)
		}
		return
	}
}

// opensslAlert reads the alert out of OpenSSL's error:HHHHHHHH, 0 where it is none: the reason of a received alert is 1000
// and the alert's number (SSL_AD_REASON_OFFSET in ssl.h). Both layouts of the code, before and since 3.0, end with the reason.
func opensslAlert(m []byte) uint8 {
	code := between(m, "error:", "")
	if len(code) < 9 || code[8] != ':' {
		return 0
	}
	n, err := strconv.ParseUint(string(code[:8]), 16, 32)
	if err != nil || n&0xfff < 1000 || n&0xfff > 1000+255 {
		return 0
	}
	return uint8(n&0xfff - 1000)
}

// blameAlert adds what an alert may stand for beside its name: 40 is what servers send for much.
func blameAlert(e *Entry) {
	switch e.Evidence.Alert {
	case 40:
		e.may(fault.CauseTLSNoSharedCipher, fault.CauseTLSNameUnknown, fault.CauseTLSClientCertificateRequired)
	case 42:
		e.may(fault.CauseTLSClientCertificateRequired, fault.CauseTLSClientCertificateRefused)
	}
}

// tlsReason is a reason of OpenSSL or BoringSSL.
type tlsReason struct {
	text  string
	end   fault.End
	rule  fault.Rule
	cause fault.Cause
	alert uint8
	cert  *fault.Certificate
}

// tlsReasons are in the order in which they are looked for: the alerts' names without numbers come from Envoy, which
// logs BoringSSL's constants.
var tlsReasons = [...]tlsReason{
	{text: "certificate has expired", end: fault.Untrusted, cert: &certExpired},
	{text: "certificate is not yet valid", end: fault.Untrusted, cert: &certNotYetValid},
	{text: "self-signed certificate", end: fault.Untrusted, cert: &certSelfSigned},
	{text: "self signed certificate", end: fault.Untrusted, cert: &certSelfSigned},
	{text: "unable to get local issuer", end: fault.Untrusted, cert: &certUnknownCA},
	{text: "unable_to_get_local_issuer", end: fault.Untrusted, cert: &certUnknownCA},
	{text: "unable to verify the first", end: fault.Untrusted, cert: &certUnknownCA},
	{text: "SAN matcher", end: fault.Untrusted, cert: &certWrongName},
	{text: "verify_SAN_list", end: fault.Untrusted, cert: &certWrongName},
	{text: "verify SAN list", end: fault.Untrusted, cert: &certWrongName},
	{text: "certificate_has_expired", end: fault.Untrusted, cert: &certExpired},
	{text: "certificate_is_not_yet_valid", end: fault.Untrusted, cert: &certNotYetValid},
	{text: "self_signed_certificate", end: fault.Untrusted, cert: &certSelfSigned},
	{text: "certificate verify failed", end: fault.Untrusted, cert: &certOther},
	{text: "CERTIFICATE_VERIFY_FAILED", end: fault.Untrusted, cert: &certOther},
	{text: "wrong version number", end: fault.Malformed, cause: fault.CauseTLSToPlainPort},
	{text: "WRONG_VERSION_NUMBER", end: fault.Malformed, cause: fault.CauseTLSToPlainPort},
	{text: "packet length too long", end: fault.Malformed, cause: fault.CauseTLSToPlainPort},
	{text: "unknown protocol", end: fault.Malformed, cause: fault.CauseTLSToPlainPort},
	{text: "ALERT_PROTOCOL_VERSION", end: fault.Alert, alert: 70},
	{text: "ALERT_HANDSHAKE_FAILURE", end: fault.Alert, alert: 40},
	{text: "HANDSHAKE_FAILURE_ON_CLIENT_HELLO", end: fault.Alert, alert: 40},
	{text: "ALERT_CERTIFICATE_REQUIRED", end: fault.Alert, alert: 116},
	{text: "ALERT_UNKNOWN_CA", end: fault.Alert, alert: 48},
	{text: "ALERT_BAD_CERTIFICATE", end: fault.Alert, alert: 42},
	{text: "ALERT_CERTIFICATE_EXPIRED", end: fault.Alert, alert: 45},
	{text: "ALERT_CERTIFICATE_REVOKED", end: fault.Alert, alert: 44},
	{text: "ALERT_CERTIFICATE_UNKNOWN", end: fault.Alert, alert: 46},
	{text: "ALERT_UNRECOGNIZED_NAME", end: fault.Alert, alert: 112},
	{text: "ALERT_NO_APPLICATION_PROTOCOL", end: fault.Alert, alert: 120},
	{text: "ALERT_ACCESS_DENIED", end: fault.Alert, alert: 49},
	{text: "ALERT_INTERNAL_ERROR", end: fault.Alert, alert: 80},
	{text: "unsupported protocol", end: fault.Malformed, rule: fault.RuleTLSVersion},
	{text: "UNSUPPORTED_PROTOCOL", end: fault.Malformed, rule: fault.RuleTLSVersion},
	{text: "version too low", end: fault.Malformed, rule: fault.RuleTLSVersion},
	{text: "no protocols available", end: fault.Malformed, rule: fault.RuleTLSVersion},
	{text: "decryption failed or bad record mac", end: fault.Malformed, rule: fault.RuleTLSRecord},
	{text: "DECRYPTION_FAILED_OR_BAD_RECORD_MAC", end: fault.Malformed, rule: fault.RuleTLSRecord},
	{text: "unexpected eof", end: fault.Closed},
	{text: "Connection reset by peer", end: fault.Reset},
	{text: "Connection_reset_by_peer", end: fault.Reset},
}
