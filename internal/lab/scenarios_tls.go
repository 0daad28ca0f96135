package lab

import (
	"crypto/tls"

	"github.com/whygate/whygate/internal/fault"
)

const (
	whyCertificate = "RFC 9209, section 2.3.14: tls_certificate_error, 502"
	whyAlert       = "RFC 9209, section 2.3.15: tls_alert_received, 502"
	whyTLSProtocol = "RFC 9209, section 2.3.13: tls_protocol_error, 502"
)

// untrusted is a scenario of a certificate that does not verify.
func untrusted(name, certificate, row, does string, causes ...fault.Cause) Scenario {
	return Scenario{
		Name: name, Group: TLS, Row: row, Does: does, Why: whyCertificate, At: At{Scheme: "https", TLS: &Terms{Certificate: certificate}}, Plays: fine,
		Want: Want{Status: []int{502}, Types: []fault.Type{fault.TypeTLSCertificateError}, Cause: causes},
	}
}

// secure is a healthy scenario over TLS.
func secure(name, does, why string, t *Terms) Scenario {
	return Scenario{Name: name, Group: TLS, Does: does, Why: why, At: At{Scheme: "https", TLS: t}, Plays: fine, Want: good}
}

// handshake is a scenario whose octets stand for a server's end of TLS.
func handshake(name, row, does, why string, want Want, steps ...Step) Scenario {
	return Scenario{Name: name, Group: TLS, Row: row, Does: does, Why: why, At: At{Scheme: "https"}, Plays: append(Plays{AwaitHello()}, steps...), Want: want}
}

// clear is a scenario of a TLS port that is asked in clear.
func clear(name, does string, want Want, steps ...Step) Scenario {
	return Scenario{Name: name, Group: TLS, Row: "T10", Does: does, Why: "RFC 9209, section 2.3.28: http_protocol_error, 502", Plays: Once(steps...), Want: want}
}

func tlsFault(t fault.Type, causes ...fault.Cause) Want {
	return Want{Status: []int{502}, Types: []fault.Type{t}, Cause: causes}
}

// serverHello is the beginning of a server's answer: a handshake record that promises 122 octets.
const serverHello = "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"

var tlsScenarios = []Scenario{
	secure("tls-ok-13", "TLS 1.3 only, with a good certificate.", "A control: nothing is wrong.", &Terms{Min: tls.VersionTLS13}),
	secure("tls-ok-12", "TLS 1.2 only, with a good certificate.", "A control: RFC 9325, section 3.1.1: TLS 1.2 is supported.", &Terms{Max: tls.VersionTLS12}),
	secure("tls-ok-intermediate", "The chain has an intermediate certificate, and it is sent.", "A control: nothing is wrong.", &Terms{Certificate: certWithIntermediate}),
	{
		Name: "tls-ok-client-certificate", Group: TLS, Does: "A client certificate is required, and the gateway has one that is right.", Why: "A control: nothing is wrong.",
		At: At{Scheme: "https", TLS: &Terms{ClientCert: true}, Shows: true}, Plays: fine, Want: good,
	},
	secure("tls-sni-required", "A handshake that names no server (SNI) is refused.", "RFC 6066, section 3: the client says which server it wants.", &Terms{NeedName: true}),

	untrusted("tls-expired", certExpired, "T1", "The certificate has expired ten days ago.", fault.CauseTLSCertificateExpired),
	untrusted("tls-not-yet-valid", certNotYetValid, "T2", "The certificate is valid from in ten days on.", fault.CauseTLSCertificateNotYetValid),
	untrusted("tls-wrong-name", certWrongName, "T3", "The certificate is for other.example.", fault.CauseTLSCertificateWrongName),
	untrusted("tls-self-signed", certSelfSigned, "T5", "The certificate is signed by itself.", fault.CauseTLSCertificateSelfSigned),
	untrusted("tls-unknown-authority", certUnknownAuthority, "T4", "The certificate is signed by an authority that nobody here trusts.", fault.CauseTLSCertificateUnknownAuthority),
	untrusted("tls-missing-intermediate", certMissingIntermediate, "T4", "The intermediate certificate is not sent.", fault.CauseTLSCertificateUnknownAuthority),
	untrusted("tls-wrong-use", certWrongUse, "T4", "The certificate is one for clients only (extended key usage).", fault.CauseTLSCertificateUntrusted),
	{
		Name: "tls-revoked", Group: TLS, Row: "T6", Does: "The certificate is on the authority's list of revoked ones.", Why: whyCertificate,
		At: At{Scheme: "https", TLS: &Terms{Certificate: certRevoked}, Lists: true}, Plays: fine, Want: tlsFault(fault.TypeTLSCertificateError, fault.CauseTLSCertificateRevoked),
	},
	{
		Name: "tls-ok-not-revoked", Group: TLS, Does: "The gateway has the authority's list of revoked certificates, and this one is not on it.", Why: "A control: nothing is wrong.",
		At: At{Scheme: "https", TLS: &Terms{}, Lists: true}, Plays: fine, Want: good,
	},
	{
		Name: "tls-10-only", Group: TLS, Row: "T7", Does: "The upstream speaks TLS 1.0 only.", Why: "RFC 8996: TLS 1.0 is not to be used.",
		At: At{Scheme: "https", TLS: &Terms{Max: tls.VersionTLS10}}, Plays: fine,
		Want: Want{Status: []int{502}, Types: []fault.Type{fault.TypeTLSAlertReceived, fault.TypeTLSProtocolError}, Cause: []fault.Cause{fault.CauseTLSVersionMismatch}},
	},
	{
		Name: "tls-11-only", Group: TLS, Row: "T7", Does: "The upstream speaks TLS 1.1 only.", Why: "RFC 8996: TLS 1.1 is not to be used.",
		At: At{Scheme: "https", TLS: &Terms{Min: tls.VersionTLS11, Max: tls.VersionTLS11}}, Plays: fine,
		Want: Want{Status: []int{502}, Types: []fault.Type{fault.TypeTLSAlertReceived, fault.TypeTLSProtocolError}, Cause: []fault.Cause{fault.CauseTLSVersionMismatch}},
	},
	{
		Name: "tls-no-shared-cipher", Group: TLS, Row: "T8", Does: "The upstream offers one cipher suite, which nobody should take (3DES with RSA).", Why: whyAlert,
		At: At{Scheme: "https", TLS: &Terms{Max: tls.VersionTLS12, Suites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}}}, Plays: fine,
		Want: tlsFault(fault.TypeTLSAlertReceived, fault.CauseTLSNoSharedCipher),
	},
	{
		Name: "tls-name-unknown", Group: TLS, Row: "T12", Does: "The upstream does not know the name it is asked for, and says so (alert 112).", Why: whyAlert,
		At: At{Scheme: "https"}, Plays: Plays{AwaitHello(), alert(112)}, Want: tlsFault(fault.TypeTLSAlertReceived, fault.CauseTLSNameUnknown),
	},
	{
		Name: "tls-client-certificate-12", Group: TLS, Row: "T13", Does: "TLS 1.2: a client certificate is required, and the upstream takes none that the gateway has (alert 42).", Why: whyAlert,
		At: At{Scheme: "https", TLS: &Terms{Max: tls.VersionTLS12, ClientCert: true}}, Plays: fine,
		Want: tlsFault(fault.TypeTLSAlertReceived, fault.CauseTLSClientCertificateRequired),
	},
	{
		Name: "tls-client-certificate-13", Group: TLS, Row: "T14", Does: "TLS 1.3: a client certificate is required; the alert comes after the handshake, on the first read.", Why: whyAlert,
		At: At{Scheme: "https", TLS: &Terms{Min: tls.VersionTLS13, ClientCert: true}}, Plays: fine,
		Want: tlsFault(fault.TypeTLSAlertReceived, fault.CauseTLSClientCertificateRequired),
	},
	handshake("tls-stalled", "T15", "The connection opens, and the handshake is never answered.", "RFC 9209 has no type for a slow handshake; the connection is not open before it ends: connection_timeout, 504.",
		Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionTimeout, fault.TypeConnectionReadTimeout, fault.TypeTLSProtocolError}, Cause: []fault.Cause{fault.CauseTLSHandshakeTimeout}}, Hold()),
	handshake("tls-stalled-halfway", "T15", "The handshake stops in the middle of the server's first record.", "RFC 9209 has no type for a slow handshake; the connection is not open before it ends: connection_timeout, 504.",
		Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionTimeout, fault.TypeConnectionReadTimeout, fault.TypeTLSProtocolError}, Cause: []fault.Cause{fault.CauseTLSHandshakeTimeout}}, Send(serverHello), Hold()),
	handshake("tls-closed", "T16", "The connection is closed when the ClientHello has come.", whyTLSProtocol,
		Want{Status: []int{502}, Types: []fault.Type{fault.TypeTLSProtocolError, fault.TypeConnectionTerminated}, Cause: []fault.Cause{fault.CauseTLSHandshakeClosed}}, Close()),
	handshake("tls-reset", "T16", "The connection is reset when the ClientHello has come.", whyTLSProtocol,
		Want{Status: []int{502}, Types: []fault.Type{fault.TypeTLSProtocolError, fault.TypeConnectionTerminated}, Cause: []fault.Cause{fault.CauseTLSHandshakeClosed}}, Reset()),
	handshake("tls-cut", "T16", "The connection is closed in the middle of the server's first record.", whyTLSProtocol,
		Want{Status: []int{502}, Types: []fault.Type{fault.TypeTLSProtocolError, fault.TypeConnectionTerminated}, Cause: []fault.Cause{fault.CauseTLSHandshakeClosed}}, Send(serverHello), Close()),
	handshake("tls-garbage", "T11", "The ClientHello is answered with bytes that are no TLS record.", whyTLSProtocol,
		tlsFault(fault.TypeTLSProtocolError, fault.CauseTLSProtocolError), Send("\xde\xad\xbe\xef\xde\xad\xbe\xef"), Hold()),
	handshake("tls-to-plain-http", "T11", "The port speaks HTTP in clear, and answers the ClientHello with 400.", whyTLSProtocol,
		tlsFault(fault.TypeTLSProtocolError, fault.CauseTLSToPlainPort), Answer("400 Bad Request", "what is this?\n", "Connection: close"), Close()),
	handshake("tls-to-ssh", "R5", "The port is an SSH server's.", whyTLSProtocol,
		tlsFault(fault.TypeTLSProtocolError, fault.CauseWrongService), Send("SSH-2.0-OpenSSH_9.6\r\n"), Hold()),
	{
		Name: "tls-record-corrupt", Group: TLS, Row: "T18", Does: "A record of the body is corrupted on its way.", Why: "RFC 8446, section 5.2: a record that does not decrypt ends the connection.",
		At: At{Scheme: "https", TLS: &Terms{}}, Plays: Once(Send("HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"+filler(100)), Wait(beat), corrupt(), Send(filler(100)), Hold()),
		Want: Want{Status: []int{200, 502}, Cut: true, Types: []fault.Type{fault.TypeTLSProtocolError}, Cause: []fault.Cause{fault.CauseTLSRecordCorrupt}},
	},
	{
		Name: "tls-cut-body", Group: TLS, Row: "R16", Does: "The TCP connection ends without close_notify, in a body that has no length.", Why: "RFC 9112, section 9.8: without close_notify the body is incomplete.",
		At: At{Scheme: "https", TLS: &Terms{}}, Plays: Once(Send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+filler(100)), Wait(beat), cutoff()),
		Want: Want{Status: []int{200, 502}, Cut: true, Types: []fault.Type{fault.TypeConnectionTerminated, fault.TypeHTTPResponseIncomplete}, Cause: []fault.Cause{fault.CauseBodyShort, fault.CauseBodyReset}},
	},

	clear("plain-to-tls-alert", "The port speaks TLS, and answers the request with an alert.", Want{
		Status: []int{502}, Types: []fault.Type{fault.TypeHTTPProtocolError, fault.TypeTLSProtocolError}, Cause: []fault.Cause{fault.CausePlainToTLSPort},
	}, Send("\x15\x03\x01\x00\x02\x02\x46"), Close()),
	{
		Name: "plain-to-tls-nginx", Group: TLS, Row: "T10", Does: "The port speaks TLS; nginx there answers 400 \"The plain HTTP request was sent to HTTPS port\".",
		Why:   "It is the upstream's own answer: RFC 9110, section 15.5.1, passed on.",
		Plays: Once(Answer("400 Bad Request", "<center>The plain HTTP request was sent to HTTPS port</center>\n", "Server: nginx", "Connection: close"), Close()),
		Want:  Want{Status: []int{400, 502}, Types: []fault.Type{fault.TypeHTTPProtocolError, fault.TypeTLSProtocolError}},
	},
	{
		Name: "plain-to-tls-go", Group: TLS, Row: "T10", Does: "The port speaks TLS; a Go server answers 400 \"Client sent an HTTP request to an HTTPS server\".",
		Why:   "It is the upstream's own answer: RFC 9110, section 15.5.1, passed on.",
		Plays: Once(Send("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"), Close()),
		Want:  Want{Status: []int{400, 502}, Types: []fault.Type{fault.TypeHTTPProtocolError, fault.TypeTLSProtocolError}},
	},
}

// alert sends a fatal TLS alert in clear.
func alert(number byte) Step {
	return Act("send a fatal TLS alert, number "+digits(number)+"\n"+indent(printable("\x15\x03\x03\x00\x02\x02"+string(rune(number)))), func(p *Peer) error {
		if err := p.write("\x15\x03\x03\x00\x02\x02" + string([]byte{number})); err != nil {
			return err
		}
		p.close()
		return errEnded
	})
}

// corrupt spoils what is written from now on.
func corrupt() Step {
	return Act("from now on, flip a bit in each record that is sent", func(p *Peer) error {
		p.raw.spoil = true
		return nil
	})
}

// cutoff ends the TCP connection without TLS's close_notify.
func cutoff() Step {
	return Act("close the TCP connection without close_notify", func(p *Peer) error {
		p.cutoff()
		return errEnded
	})
}
