package explain

import (
	"bytes"
	"syscall"

	"github.com/whygate/whygate/internal/fault"
)

// The native format is "%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt", by squid.conf's logformat. %err_code
// behind it names the page of Squid's own answer, and with that the cause.

const squidBetter = `logformat why %ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt %err_code/%err_detail
access_log stdio:/var/log/squid/access.log why`

var squidNative = &Format{
	begins: "0",
	Name:   "squid", Title: "Squid access log", Product: "squid", Role: RoleProxy,
	Gives:  "The result code, the status, the time taken and who was asked; with %err_code the cause.",
	Lacks:  "Without %err_code: whose a 502 is, and why.",
	Better: squidBetter, Parse: parseSquid,
}

var squidCombined = &Format{
	common: true,
	Name:   "squid-combined", Title: "Squid combined log", Product: "squid", Role: RoleProxy,
	Gives:  "The result code, the status and how the request was forwarded.",
	Lacks:  "The time taken, whose a 502 is, and why.",
	Better: squidBetter, Parse: parseSquidCombined,
}

func parseSquid(e *Entry, line []byte) bool {
	w := words{line}
	e.Time, e.Zoned = epochTime(w.next()), true
	took, client, result := w.next(), w.next(), w.next()
	if e.Time.IsZero() || client == nil {
		return false
	}
	if e.Took = millis(took); e.Took < 0 {
		return false
	}
	code, status, ok := bytes.Cut(result, []byte("/"))
	if !ok || !isSquidResult(code) || len(status) != 3 || wholeUint(status) < 0 {
		return false
	}
	octets := wholeUint(w.next())
	if octets < 0 {
		return false
	}
	method, target := w.next(), w.next()
	w.next() // the user
	hierarchy, peer, ok := bytes.Cut(w.next(), []byte("/"))
	mime := w.next()
	if !ok || mime == nil {
		return false
	}
	e.Client, e.Method, e.Status = client, dashed(method), wholeStatus(status)
	e.setTarget(target)
	e.Upstream = dashed(peer)
	squidJudge(e, code, hierarchy, squidPage(w.rest), has(mime, "text/html"))
	if e.Kind == KindFault && squidPage(w.rest) == nil && e.By == ByGateway && (octets < squidPageLow || octets > squidPageHigh) && e.Upstream != nil && octets > 0 {
		e.By = ByUnknown
	}
	return true
}

// Sizes that Squid's error pages have in English with the default style.
const (
	squidPageLow  = 1200
	squidPageHigh = 6000
)

// squidPage finds the name of the error page, with its detail, in what follows the format's own fields.
func squidPage(b []byte) []byte {
	start := indexText(b, "ERR_")
	if start < 0 {
		return nil
	}
	return upTo(b[start:], ' ')
}

func parseSquidCombined(e *Entry, line []byte) bool {
	w := words{line}
	e.Client = w.next()
	w.skip(2)
	stamp, ok := w.bracketed()
	if !ok {
		return false
	}
	if e.Time, _, ok = commonClock(stamp); !ok {
		return false
	}
	e.Zoned = true
	request, ok := w.quoted()
	status, size := w.next(), w.next()
	if !ok || !e.setRequest(request) || wholeUint(size) < 0 && string(size) != "-" || wholeUint(status) < 0 {
		return false
	}
	e.Status = wholeStatus(status)
	for range 2 {
		if _, ok := w.quoted(); !ok {
			return false
		}
	}
	code, hierarchy, ok := bytes.Cut(w.next(), []byte(":"))
	if !ok || !isSquidResult(code) {
		return false
	}
	squidJudge(e, code, hierarchy, squidPage(w.rest), true)
	if e.Kind == KindFault && squidPage(w.rest) == nil && !has(hierarchy, "NONE") {
		e.By = ByUnknown // the format has no media type, by which Squid's own page might be told
	}
	return true
}

// isSquidResult reports whether b is one of Squid's result codes: TCP_MISS, NONE_NONE, UDP_HIT, …
func isSquidResult(b []byte) bool {
	if !starts(b, "TCP_") && !starts(b, "UDP_") && !starts(b, "NONE") {
		return false
	}
	for _, c := range b {
		if !isUpper(c) && c != '_' && !isDigit(c) {
			return false
		}
	}
	return true
}

// squidJudge: the error page says it; without, an answer that is a page may be Squid's or the origin's.
func squidJudge(e *Entry, code, hierarchy, page []byte, html bool) {
	switch {
	case has(code, "ABORTED") && e.Status < 500:
		e.clientGone()
	case has(code, "DENIED"):
		e.clientFault(403)
	case page != nil:
		e.Said = page
		squidError(e, page)
	case has(code, "TIMEDOUT"), has(code, "TIMEOUT"):
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.waited()
	case e.Status < 500:
		e.originSaid(e.Status)
	case starts(hierarchy, "HIER_NONE") || starts(hierarchy, "NONE"):
		// Nobody was asked: the name did not resolve, or there is no peer.
		if e.Status == 502 && e.Took == 0 { // a dead peer: nobody was asked, not even a name server
			e.fail(ByGateway, fault.Select, fault.Unavailable)
			e.suspect(fault.CauseNobodyAvailable, fault.CauseConnectionRefused, fault.CauseDNSError)
			return
		}
		e.fail(ByGateway, fault.Resolve, fault.NoAddress)
		e.suspect(fault.CauseDNSError, fault.CauseDNSNXDomain, fault.CauseNobodyAvailable)
	case !html && e.Method != nil && string(e.Method) != "CONNECT":
		e.originSaid(e.Status)
	case e.Status == 503:
		e.fail(ByGateway, fault.Dial, fault.Refused)
		e.waited()
		e.suspect(fault.CauseConnectionRefused, fault.CauseHostUnreachable, fault.CauseUpstreamStatus)
	case e.Status == 504:
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.waited()
		e.suspect(fault.CauseHeadTimeout, fault.CauseConnectTimeout, fault.CauseUpstreamStatus)
	case e.Status == 502:
		e.closedSilently(fault.Closed)
		e.Candidates = append(e.Candidates, fault.CauseResetBeforeAnswer, fault.CauseBadField, fault.CauseNotHTTP, fault.CauseHeadTooLarge, fault.CauseUpstreamStatus)
	default:
		e.originSaid(e.Status)
	}
}

// squidError judges the name of an error page (err_type.h).
func squidError(e *Entry, page []byte) {
	v := &e.Evidence
	page, detail, _ := bytes.Cut(page, []byte("/"))
	e.fail(ByGateway, fault.Head, fault.Malformed)
	switch string(page) {
	case "ERR_CONNECT_FAIL":
		v.Stage, v.End = fault.Dial, fault.Refused
		if errno := squidErrno(detail); errno != 0 {
			e.errno(errno)
		} else {
			e.suspect(fault.CauseConnectionRefused, fault.CauseConnectTimeout, fault.CauseHostUnreachable)
		}
	case "ERR_DNS_FAIL":
		v.Stage, v.End = fault.Resolve, fault.NoAddress
	case "ERR_READ_TIMEOUT", "ERR_LIFETIME_EXP":
		v.Stage, v.End = fault.FirstByte, fault.Timeout
	case "ERR_READ_ERROR":
		e.closedSilently(fault.Reset)
	case "ERR_WRITE_ERROR":
		v.Stage, v.End, v.Upload = fault.Write, fault.Reset, true
	case "ERR_ZERO_SIZE_OBJECT":
		e.closedSilently(fault.Closed)
	case "ERR_INVALID_RESP":
		v.Rule = fault.RuleNotHTTP
		e.suspect(fault.CauseNotHTTP, fault.CauseBadField, fault.CauseHeadCut)
	case "ERR_TOO_BIG":
		v.End, v.Rule = fault.TooLarge, fault.RuleHeadSize
		if e.Status == 413 {
			e.clientFault(413)
		}
	case "ERR_SECURE_CONNECT_FAIL":
		v.Stage, v.End = fault.TLS, fault.Malformed
		e.suspect(fault.CauseTLSCertificateUntrusted, fault.CauseTLSProtocolError, fault.CauseTLSHandshakeClosed)
	case "ERR_CANNOT_FORWARD", "ERR_NO_RELAY":
		v.Stage, v.End = fault.Select, fault.Unavailable
	case "ERR_SOCKET_FAILURE":
		v.Stage, v.End, v.Errno = fault.Dial, fault.Exhausted, 0
		e.suspect(fault.CauseDescriptorsExhausted, fault.CausePortsExhausted)
	case "ERR_SHUTTING_DOWN":
		e.told(ByGateway, fault.CauseShuttingDown)
	case "ERR_CLIENT_GONE":
		e.clientGone()
	case "ERR_ACCESS_DENIED", "ERR_CACHE_ACCESS_DENIED":
		e.clientFault(403)
	case "ERR_INVALID_REQ", "ERR_INVALID_URL", "ERR_UNSUP_REQ", "ERR_UNSUP_HTTPVERSION", "ERR_PROTOCOL_UNKNOWN":
		e.clientFault(400)
	default:
		e.told(ByGateway, fault.CauseUnknown)
	}
	e.waited()
}

// squidErrno reads %err_detail where it is an errno, bare or as errno=111.
func squidErrno(detail []byte) syscall.Errno {
	if tail := between(detail, "errno=", ""); tail != nil {
		detail = tail
	}
	return syscall.Errno(max(wholeUint(detail), 0))
}
