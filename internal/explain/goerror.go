package explain

import (
	"bytes"
	"strconv"
	"syscall"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/phrase"
)

// This file reads the errors of Go's net/http client, in which Caddy, Traefik and every ReverseProxy speak: the texts are
// those of the packages net, crypto/tls, crypto/x509 and net/http of Go 1.26, and of golang.org/x/net/http2.

// goError judges the text of an error. It reports false, and leaves the entry alone, where it does not know the text.
// Kind and By are set to a fault of the attempt.
func (e *Entry) goError(text []byte) bool {
	text = bytes.TrimSpace(text)
	e.Kind, e.By = KindFault, ByGateway
	switch {
	case has(text, "context canceled"), has(text, "request canceled"), has(text, "client disconnected"):
		e.clientGone()
		return true
	case has(text, "lookup "):
		if e.goLookup(text) {
			return true
		}
	case has(text, "tls: ") || has(text, "x509: ") || has(text, "TLS handshake timeout") || has(text, "HTTPS client"):
		if e.goTLS(text) {
			return true
		}
	case has(text, "http2: ") || has(text, "stream error: ") || has(text, "connection error: "):
		if e.goHTTP2(text) {
			return true
		}
	}
	return e.goDial(text) || e.goAnswer(text) || e.goEnd(text)
}

// goDialed sets the address that a dial error names: dial tcp 10.0.0.7:8080: connect: …, or dial unix /run/app.sock: ….
func (e *Entry) goDialed(text []byte) {
	_, rest, found := bytes.Cut(text, []byte("dial "))
	if !found {
		return
	}
	w := words{rest}
	w.next()
	if addr := bytes.TrimSuffix(w.next(), []byte(":")); len(addr) > 0 && string(addr) != "lookup" {
		e.Upstream = addr
	}
}

func (e *Entry) goDial(text []byte) bool {
	if !has(text, "dial ") {
		return false
	}
	e.goDialed(text)
	e.fail(ByGateway, fault.Dial, fault.Failed)
	errno := errnoIn(text)
	switch {
	case errno != 0:
		e.errno(errno)
	case has(text, "i/o timeout"), has(text, "context deadline exceeded"):
		e.Evidence.End, e.Evidence.Timer = fault.Timeout, fault.TimerConnect
	case has(text, "EOF"):
		e.Evidence.Stage, e.Evidence.End = fault.TLS, fault.Closed
	}
	e.waited()
	return true
}

// goLookup: package net drops the response code, so that no such name and no address of the family read alike, and a
// server's failure and its refusal too.
func (e *Entry) goLookup(text []byte) bool {
	rest := between(text, "lookup ", "")
	name := rest
	if end := bytes.IndexAny(rest, " :"); end > 0 {
		name = rest[:end]
	}
	e.Upstream = name
	e.fail(ByGateway, fault.Resolve, fault.NoAddress)
	switch {
	case has(rest, "no such host"):
		e.suspect(fault.CauseDNSNXDomain, fault.CauseDNSNoData)
	case has(rest, "server misbehaving"):
		e.suspect(fault.CauseDNSServFail, fault.CauseDNSRefused)
	case has(rest, "Temporary failure in name resolution"), has(rest, "try again"):
		e.suspect(fault.CauseDNSServFail, fault.CauseDNSTimeout)
	case has(rest, "i/o timeout"), has(rest, "deadline exceeded"):
		e.Evidence.End = fault.Timeout
	case errnoIn(rest) != 0:
		e.Evidence.Errno = errnoIn(rest)
		e.Evidence.End = fault.Refused
	default:
		return false
	}
	return true
}

// goAlerts are crypto/tls's texts of the alerts that a peer sends (alert.go), with their numbers.
var goAlerts = map[string]uint8{
	"unexpected message":              10,
	"bad record MAC":                  20,
	"record overflow":                 22,
	"handshake failure":               40,
	"bad certificate":                 42,
	"unsupported certificate":         43,
	"revoked certificate":             44,
	"expired certificate":             45,
	"unknown certificate":             46,
	"illegal parameter":               47,
	"unknown certificate authority":   48,
	"access denied":                   49,
	"error decoding message":          50,
	"error decrypting message":        51,
	"protocol version not supported":  70,
	"insufficient security level":     71,
	"internal error":                  80,
	"inappropriate fallback":          86,
	"user canceled":                   90,
	"missing extension":               109,
	"unsupported extension":           110,
	"unrecognized name":               112,
	"bad certificate status response": 113,
	"unknown PSK identity":            115,
	"certificate required":            116,
	"no application protocol":         120,
}

func (e *Entry) goTLS(text []byte) bool {
	e.fail(ByGateway, fault.TLS, fault.Malformed)
	v := &e.Evidence
	if alert := between(text, "remote error: tls: ", ""); alert != nil {
		v.Alert = goAlerts[string(alert)]
		v.End = fault.Alert
		if v.Alert == 116 { // RFC 8446 appendix E.1.2: after the client thinks that the handshake is done
			v.Stage = fault.FirstByte
		}
		return true
	}
	if has(text, "x509: ") {
		v.End, v.Cert = fault.Untrusted, &fault.Certificate{}
		v.Cert.Problem = goCertificate(text)
		if v.Cert.Problem == fault.CertExpired && !has(text, " is after ") {
			e.suspect(fault.CauseTLSCertificateExpired, fault.CauseTLSCertificateNotYetValid)
		}
		return true
	}
	switch {
	case has(text, "TLS handshake timeout"):
		v.End = fault.Timeout
	case has(text, "first record does not look like a TLS handshake"):
		e.suspect(fault.CauseTLSToPlainPort, fault.CauseWrongService)
	case has(text, "server gave HTTP response to HTTPS client"):
		v.Sample = []byte("HTTP/1.") // that is what net/http looks at before it says so
	case has(text, "unsupported protocol version"):
		v.Rule = fault.RuleTLSVersion
	case has(text, "bad record MAC"):
		v.Rule = fault.RuleTLSRecord
	case has(text, "ALPN"), has(text, "application protocol"):
		e.told(ByGateway, fault.CauseTLSALPN)
	}
	return true
}

// goCertificate tells x509's errors apart. An expired certificate and one that is not valid yet have one text, whose end
// says which: current time T is after, or is before.
func goCertificate(text []byte) fault.CertProblem {
	switch {
	case has(text, "is not yet valid") || has(text, "has expired"):
		if has(text, " is before ") {
			return fault.CertNotYetValid
		}
		return fault.CertExpired
	case has(text, "certificate is valid for "), has(text, "cannot validate certificate for "),
		has(text, "certificate is not valid for any names"), has(text, "doesn't contain any IP SANs"), has(text, "legacy Common Name"):
		return fault.CertWrongName
	case has(text, "signed by unknown authority"):
		return fault.CertUnknownAuthority
	case has(text, "incompatible key usage"):
		return fault.CertBadUsage
	case has(text, "revoked"):
		return fault.CertRevoked
	}
	return fault.CertOther
}

// goHTTP2 reads golang.org/x/net/http2's errors.
func (e *Entry) goHTTP2(text []byte) bool {
	e.fail(ByGateway, fault.Head, fault.Malformed)
	switch {
	case has(text, "unexpected ALPN protocol"):
		e.told(ByGateway, fault.CauseTLSALPN)
	case has(text, "looked like an HTTP/1"):
		e.told(ByGateway, fault.CauseHTTP1OnHTTP2Port)
	case has(text, "GOAWAY"):
		e.told(ByGateway, fault.CauseHTTP2GoAway)
	case has(text, "REFUSED_STREAM"):
		e.told(ByGateway, fault.CauseHTTP2RefusedStream)
	case has(text, "HTTP_1_1_REQUIRED"):
		e.told(ByGateway, fault.CauseHTTP2NotWanted)
	case has(text, "client connection lost"), has(text, "timeout awaiting response headers") && has(text, "ping"):
		e.told(ByGateway, fault.CauseHTTP2ConnectionDead)
	case has(text, "timeout awaiting response headers"):
		e.Evidence.Stage, e.Evidence.End = fault.FirstByte, fault.Timeout
		e.waited()
	case has(text, "received from peer"):
		e.told(ByGateway, fault.CauseHTTP2StreamReset)
	case has(text, "response header list larger"):
		e.Evidence.End, e.Evidence.Rule = fault.TooLarge, fault.RuleHeadSize
	case has(text, "server closed the stream"), has(text, "unexpected EOF"):
		e.told(ByGateway, fault.CauseHTTP2StreamCut)
	default:
		e.told(ByGateway, fault.CauseHTTP2ProtocolError)
	}
	return true
}

// goRules are net/http's words for what is wrong with a response, with the rule that each is about.
var goRules = [...]struct {
	text string
	rule fault.Rule
}{
	{"malformed HTTP status code", fault.RuleStatusCode},
	{"malformed HTTP version", fault.RuleVersion},
	{"malformed HTTP response", fault.RuleNotHTTP},
	{"malformed MIME header: missing colon", fault.RuleMissingColon},
	{"malformed MIME header initial line", fault.RuleLeadingSpace},
	{"malformed MIME header", fault.RuleFieldName},
	{"message cannot contain multiple Content-Length headers", fault.RuleContentLengthConflict},
	{"bad Content-Length", fault.RuleContentLength},
	{"invalid empty Content-Length", fault.RuleContentLength},
	{"unsupported transfer encoding", fault.RuleTransferEncoding},
	{"too many transfer encodings", fault.RuleTransferEncodingTwice},
	{"invalid byte in chunk length", fault.RuleChunkSize},
	{"http chunk length too large", fault.RuleChunkSizeOverflow},
	{"malformed chunked encoding", fault.RuleChunkEnd},
	{"unexpected EOF reading trailer", fault.RuleTrailer},
	{"trailer header without chunked", fault.RuleTrailer},
}

// goAnswer reads what is wrong with a response that came.
func (e *Entry) goAnswer(text []byte) bool {
	v := &e.Evidence
	switch {
	case has(text, "server response headers exceeded"):
		e.fail(ByGateway, fault.Head, fault.TooLarge)
		v.Rule, v.Limit = fault.RuleHeadSize, max(numberAfter(text, "exceeded "), 0)
		return true
	case has(text, "suspiciously long trailer"):
		e.fail(ByGateway, fault.Body, fault.TooLarge)
		v.Rule = fault.RuleTrailerSize
		return true
	case has(text, "readLoopPeekFailLocked: <nil>"): // octets came before the request was sent: a protocol in which the server speaks first
		e.fail(ByGateway, fault.Head, fault.Malformed)
		v.Rule = fault.RuleNotHTTP
		e.suspect(fault.CauseWrongService, fault.CauseNotHTTP)
		return true
	case has(text, "too many 1xx informational responses"):
		e.fail(ByGateway, fault.Head, fault.TooLarge)
		v.Rule = fault.RuleInterimCount
		return true
	case has(text, "tried to switch"):
		e.fail(ByGateway, fault.Head, fault.Malformed)
		v.Rule = fault.RuleUnaskedUpgrade
		return true
	case has(text, "timeout awaiting response headers"):
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		v.Timer = fault.TimerHead
		e.waited()
		return true
	}
	for i := range goRules {
		if !has(text, goRules[i].text) {
			continue
		}
		v.Rule = goRules[i].rule
		stage := fault.Head
		if v.Rule >= fault.RuleChunkSize {
			stage = fault.Body
		}
		e.fail(ByGateway, stage, fault.Malformed)
		switch v.Rule {
		case fault.RuleMissingColon: // Go says so of a head that ends within a field line as well
			if isCutField(between(text, `missing colon: "`, `"`)) || isCutField(between(text, `missing colon: \"`, `\"`)) {
				e.fail(ByGateway, fault.Head, fault.Closed)
				v.Rule = fault.RuleHeadCut
				e.suspect(fault.CauseHeadCut, fault.CauseBadField)
			} else {
				e.suspect(fault.CauseBadField, fault.CauseHeadCut)
			}
		case fault.RuleNotHTTP:
			v.Sample = goQuoted(between(text, "malformed HTTP response ", ""))
		}
		return true
	}
	return false
}

// goQuoted undoes strconv.Quote on what a text goes on with, nil where it cannot.
func goQuoted(b []byte) []byte {
	end := stringEnd(b)
	if end < 0 {
		return nil
	}
	s, err := strconv.Unquote(string(b[:end]))
	if err != nil {
		return nil
	}
	return []byte(s)[:min(len(s), fault.SampleMax)]
}

// goEnd reads how a connection ended that was open.
func (e *Entry) goEnd(text []byte) bool {
	v := &e.Evidence
	switch {
	case has(text, "server closed idle connection"):
		e.fail(ByGateway, fault.FirstByte, fault.Closed)
		v.Reused = true
	case has(text, "no upstreams available"), has(text, "no available server"):
		e.fail(ByGateway, fault.Select, fault.Unavailable)
	case has(text, "unexpected EOF"):
		e.fail(ByGateway, fault.Head, fault.Closed)
		v.Rule = fault.RuleHeadCut
		if !has(text, "HTTP/1.") { // over HTTP/2 it is said of any end without an answer
			e.suspect(fault.CauseHeadCut, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseTLSHandshakeClosed, fault.CauseHTTP1OnHTTP2Port)
		}
	case has(text, "write tcp ") && has(text, "i/o timeout"):
		e.fail(ByGateway, fault.Write, fault.Timeout)
		v.Timer, v.Upload = fault.TimerWrite, true
	case has(text, "use of closed network connection"):
		e.fail(ByGateway, fault.Write, fault.Closed)
		v.Upload = true
		e.suspect(fault.CauseUploadCut, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer)
	case has(text, "write: broken pipe"), has(text, "write: connection reset by peer"):
		e.fail(ByGateway, fault.Write, fault.Reset)
		v.Errno, v.Upload = syscall.EPIPE, true
		e.goPeer(text, "->", ": write")
	case has(text, "read: connection reset by peer"):
		e.goPeer(text, "->", ": read")
		v.Errno = syscall.ECONNRESET
		e.closedSilently(fault.Reset)
	case has(text, "connection timed out"):
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		v.Errno = syscall.ETIMEDOUT
	case has(text, "i/o timeout"), has(text, "context deadline exceeded"), has(text, "Client.Timeout"):
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.waited()
	case string(text) == "EOF", bytes.HasSuffix(text, []byte(": EOF")):
		e.closedSilently(fault.Closed)
	default:
		e.Kind, e.By = KindUnknown, ByUnknown
		return false
	}
	return true
}

// goPeer sets the upstream from the two addresses of an open connection: read tcp 10.0.0.1:5000->10.0.0.7:8080: read: ….
func (e *Entry) goPeer(text []byte, first, last string) {
	if peer := between(text, first, last); peer != nil {
		e.Upstream = peer
	}
}

// goBodyError is goError for what broke a body whose head had gone out.
func (e *Entry) goBodyError(text []byte) bool {
	v := &e.Evidence
	e.fail(ByGateway, fault.Body, fault.Closed)
	switch {
	case has(text, "context canceled"), has(text, "client disconnected"), has(text, "broken pipe"):
		e.Kind, e.By = KindClient, ByClient
		v.End = fault.Canceled
	case has(text, "connection reset by peer"):
		v.End, v.Errno = fault.Reset, syscall.ECONNRESET
	case has(text, "unexpected EOF"):
		e.suspect(fault.CauseBodyShort, fault.CauseChunksCut)
	case has(text, "suspiciously long trailer"):
		v.End, v.Rule = fault.TooLarge, fault.RuleTrailerSize
		e.suspect(fault.CauseTrailerTooLarge, fault.CauseBadTrailer)
	case has(text, "malformed MIME header"):
		v.End, v.Rule = fault.Malformed, fault.RuleTrailer
		e.suspect(fault.CauseBadTrailer, fault.CauseBadChunk)
	case has(text, "header line too long"):
		v.End, v.Rule = fault.Malformed, fault.RuleChunkSize
		e.suspect(fault.CauseBadChunk, fault.CauseBadTrailer)
	case has(text, "chunk"):
		v.End, v.Rule = fault.Malformed, fault.RuleChunkSize
	case has(text, "gzip: "), has(text, "flate: "):
		e.told(ByGateway, fault.CauseBadContentCoding)
	case has(text, "bad record MAC"):
		v.End, v.Rule = fault.Malformed, fault.RuleTLSRecord
	case has(text, "i/o timeout"), has(text, "deadline exceeded"):
		v.End = fault.Timeout
	default:
		return e.goError(text)
	}
	return true
}

// usualFields are the names of fields that most answers have, in lower case.
var usualFields = [...]string{
	"content-type", "content-length", "content-encoding", "content-security-policy", "transfer-encoding", "connection", "cache-control", "server", "date", "set-cookie", "location", "vary", "etag",
	"last-modified", "expires", "strict-transport-security", "x-powered-by", "access-control-allow-origin", "keep-alive", "accept-ranges", "x-frame-options", "x-content-type-options", "x-request-id", "link", "age", "via",
}

// isCutField reports whether a text is the beginning of a usual field's name, and not the whole of one.
func isCutField(text []byte) bool {
	cut := false
	for _, name := range usualFields {
		if len(text) > 0 && len(text) <= len(name) && phrase.Starts([]byte(name[:len(text)]), string(bytes.ToLower(text))) {
			if cut = true; len(text) == len(name) {
				return false
			}
		}
	}
	return cut
}
