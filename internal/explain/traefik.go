package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Traefik's access log has no cause, and its OriginStatus is the status that was sent, whoever made it (field_middleware.go
// of its package accesslog). What tells its own answers is their body, which is the status text and nothing else: 11 octets
// for a 502. The cause is in the main log, at DEBUG, in the words of Go's net/http client.

const traefikBetter = `[log]
  level = "DEBUG"      # the cause of a 502 is logged at DEBUG only
[accessLog]
  format = "json"
  [accessLog.fields]
    defaultMode = "keep"`

var traefikAccess = &Format{
	common: true,
	Name:   "traefik-access", Title: "Traefik access log", Product: "traefik", Role: RoleProxy,
	Gives:  "Status, size, router, the endpoint's URL and the whole time; the size tells Traefik's own error pages from the origin's.",
	Lacks:  "Why: the cause is in the main log at DEBUG; and whether an endpoint was asked at all.",
	Better: traefikBetter, Parse: parseTraefikAccess,
}

var traefikJSON = &Format{
	marks: []string{"DownstreamStatus"},
	Name:  "traefik-json", Title: "Traefik JSON access log", Product: "traefik", Role: RoleProxy,
	Gives:  "Status, size, router, endpoint, the origin's share of the time, and the number of retries.",
	Lacks:  "Why: the cause is in the main log at DEBUG; OriginStatus is what was sent, whoever made it.",
	Better: traefikBetter, Parse: parseTraefikJSON,
}

// traefikMarks stand in Traefik's own log, one of them in each line.
var traefikMarks = []string{"entryPointName", "routerName", "traefik/traefik", "serviceName", "providerName", "middlewareName", `"error":`, "error=", " caused by: ", "Traefik", "Starting server on", "I have to go", "Stopping server gracefully", "Configuration received", "Configuration loaded from", "Health check failed"}

var traefikLog = &Format{
	marks: traefikMarks,
	Name:  "traefik-log", Title: "Traefik log", Product: "traefik", Role: RoleProxy,
	Gives:  "The error of Go's HTTP client as text, with the status that it became.",
	Lacks:  "The request, the endpoint (unless the text names it), and whether the connection was reused.",
	Better: traefikBetter, Parse: parseTraefikLog,
}

// traefikAnswer is what an access line says of an answer.
type traefikAnswer struct {
	status int
	size   int64 // -1 where unknown
	router []byte
	url    []byte
}

// traefikOwn has the sizes of Traefik's own answers: http.StatusText and nothing else, or http.Error's text with its line
// end (package server/service/loadbalancer: "no available server").
func traefikOwn(status int, size int64) bool {
	switch status {
	case 404:
		return size == 19
	case 500:
		return size == 21
	case 502:
		return size == 11
	case 503:
		return size == 19 || size == 20
	case 504:
		return size == 15
	}
	return false
}

// judge: with the size of one of Traefik's own answers, it is its own; otherwise it was passed on.
func (a *traefikAnswer) judge(e *Entry) {
	e.Status = a.status
	if a.url != nil {
		_, rest, found := bytes.Cut(a.url, []byte("://"))
		if !found {
			rest = a.url
		}
		e.Upstream = upTo(rest, '/')
	}
	own := traefikOwn(a.status, a.size)
	switch {
	case a.status == 499:
		e.clientGone()
	case a.status == 404 && own && a.router == nil:
		e.clientFault(404)
	case a.status < 500:
		e.originSaid(a.status)
	case !own && a.size >= 0 && a.url != nil:
		e.originSaid(a.status)
	case a.status == 500:
		e.fail(ByGateway, fault.Head, fault.Malformed)
		e.suspect(fault.CauseTLSCertificateUntrusted, fault.CauseTLSToPlainPort, fault.CauseNotHTTP, fault.CauseHeadCut, fault.CauseKeepaliveRace)
	case a.status == 502:
		a.judgeBadGateway(e)
	case a.status == 504 && e.Took >= 29*time.Second && e.Took < 31*time.Second:
		e.fail(ByGateway, fault.Dial, fault.Timeout) // dialTimeout is 30 s unless it is set
		e.waited()
		e.suspect(fault.CauseConnectTimeout, fault.CauseHeadTimeout)
	default:
		e.gatewayStatus(a.status)
	}
}

// judgeBadGateway: a refusal takes no time. Who waited was let in and then dropped.
func (a *traefikAnswer) judgeBadGateway(e *Entry) {
	if e.Took >= time.Second {
		e.closedSilently(fault.Closed)
		return
	}
	e.fail(ByGateway, fault.Dial, fault.Refused)
	e.waited()
	e.suspect(fault.CauseConnectionRefused, fault.CauseClosedBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseResetBeforeAnswer, fault.CauseDNSNXDomain)
}

// parseTraefikAccess reads the common format of accesslog.CommonLogFormatter: the combined format and then the request's
// number, the router, the endpoint and the milliseconds.
func parseTraefikAccess(e *Entry, line []byte) bool {
	if !ends(line, "ms") {
		return false
	}
	w := words{line}
	e.Client = w.next()
	w.skip(1)
	user := w.next()
	stamp, ok := w.bracketed()
	if user == nil || !ok {
		return false
	}
	if e.Time, _, ok = commonClock(stamp); !ok {
		return false
	}
	e.Zoned = true
	request, ok := w.quoted()
	if !ok || !e.setRequest(request) {
		return false
	}
	a := traefikAnswer{status: wholeStatus(w.next()), size: wholeUint(w.next())}
	for range 2 { // referrer, user agent
		if _, ok := w.quoted(); !ok {
			w.skip(1)
		}
	}
	if count := w.next(); dashed(count) != nil && wholeUint(count) < 0 {
		return false
	}
	router, ok := w.quoted()
	url, found := w.quoted()
	took := w.next()
	if !ok || !found || len(took) < 3 || len(w.rest) > 0 || a.status == 0 {
		return false
	}
	e.Took = millis(took[:len(took)-2])
	a.router, a.url = dashed(router), dashed(url)
	a.judge(e)
	return e.Took >= 0
}

func parseTraefikJSON(e *Entry, line []byte) bool {
	if len(line) == 0 || line[0] != '{' || !has(line, `"DownstreamStatus":`) || !has(line, `"RequestMethod":`) {
		return false
	}
	a := traefikAnswer{size: -1}
	fields := jsonObject(line)
	for fields.next() {
		v := fields.value
		switch string(fields.key) {
		case "DownstreamStatus":
			a.status = v.num()
		case "DownstreamContentSize":
			a.size, _ = v.int()
		case "RouterName":
			a.router = dashed(v.text())
		case "ServiceURL":
			a.url = traefikURL(v)
		case "ServiceAddr":
			if a.url == nil {
				a.url = dashed(v.text())
			}
		case "ClientHost":
			e.Client = v.text()
		case "RequestHost":
			e.Host = v.text()
		case "RequestMethod":
			e.Method = v.text()
		case "RequestPath":
			e.Path = v.text()
		case "Duration":
			if ns, ok := v.int(); ok {
				e.Took = time.Duration(ns)
			}
		case "RetryAttempts":
			e.Attempts = v.num() + 1
		case "StartUTC", "time":
			if t, zoned, _, ok := rfc3339Clock(v.text()); ok && e.Time.IsZero() {
				e.Time, e.Zoned = t, zoned
			}
		case "TraceId":
			e.ID = v.text()
		}
	}
	if !fields.complete() || a.status == 0 {
		return false
	}
	a.judge(e)
	return true
}

// traefikURL reads ServiceURL: a string, or the fields of Go's url.URL, as older versions write it.
func traefikURL(v jsonValue) []byte {
	if v.isText() {
		return dashed(v.text())
	}
	fields := v.fields()
	for fields.next() {
		if string(fields.key) == "Host" {
			return fields.value.text()
		}
	}
	return nil
}

// parseTraefikLog reads the main log in its three layouts: version 2's key=value, version 3's console and JSON. They are
// those of logrus and zerolog, which many programs use, so that the words must be Traefik's.
func parseTraefikLog(e *Entry, line []byte) bool {
	switch {
	case starts(line, `time="`):
		return parseTraefikLogrus(e, line)
	case starts(line, `{"level":"`):
		return parseTraefikZerolog(e, line)
	}
	t, zoned, rest, ok := rfc3339Clock(line)
	if !ok || len(rest) < 5 || rest[0] != ' ' || !isZerologLevel(withoutColor(rest[1:min(len(rest), 13)])) {
		return false
	}
	e.Time, e.Zoned = t, zoned
	_, msg, _ := bytes.Cut(rest[1:], []byte(" "))
	ours := has(msg, "traefik/traefik") || has(msg, "Traefik")
	if _, behind, found := bytes.Cut(msg, []byte(" > ")); found {
		msg = behind
	}
	var failure []byte
	if tail := between(msg, "error=", ""); tail != nil {
		w := words{tail}
		if quoted, ok := w.quoted(); ok {
			failure = unescapeJSON(quoted)
		} else {
			failure = w.next()
		}
	}
	return traefikSaid(e, msg, failure, ours)
}

func isZerologLevel(b []byte) bool {
	switch string(upTo(b, ' ')) {
	case "TRC", "DBG", "INF", "WRN", "ERR", "FTL", "PNC":
		return true
	}
	return false
}

func parseTraefikLogrus(e *Entry, line []byte) bool {
	t, zoned, _, ok := rfc3339Clock(between(line, `time="`, `"`))
	if !ok || !has(line, " level=") {
		return false
	}
	e.Time, e.Zoned = t, zoned
	w := words{between(line, " msg=", "")}
	msg, ok := w.quoted()
	if !ok {
		msg = w.next()
	}
	return traefikSaid(e, msg, unescapeJSON(between(msg, " caused by: ", "")), has(msg, "Traefik") || has(line, "providerName=") || has(line, "entryPointName="))
}

func parseTraefikZerolog(e *Entry, line []byte) bool {
	var msg, failure []byte
	ours := false
	fields := jsonObject(line)
	for fields.next() {
		switch string(fields.key) {
		case "message":
			msg = fields.value.text()
		case "error":
			failure = fields.value.plain()
		case "time":
			e.Time, e.Zoned, _, _ = rfc3339Clock(fields.value.text())
		case "entryPointName", "routerName", "serviceName", "providerName", "middlewareName":
			ours = true
		}
	}
	return fields.complete() && msg != nil && traefikSaid(e, msg, failure, ours || has(msg, "Traefik"))
}

// traefikSaid judges a message: NNN Status Text with its cause, or one of the words that only Traefik has.
func traefikSaid(e *Entry, msg, failure []byte, ours bool) bool {
	e.Said = msg
	head := bytes.TrimPrefix(msg, []byte("'"))
	status := 0
	if len(head) > 4 && head[3] == ' ' {
		status = wholeStatus(head[:3])
	}
	switch {
	case status >= 400 && failure != nil:
		e.Status, e.Said = status, failure
		if !e.goError(failure) {
			e.told(ByGateway, fault.CauseUnknown)
		}
	case starts(msg, "Traefik version"), has(msg, "Starting server on"):
		e.noise(MarkerStart)
	case starts(msg, "I have to go"), starts(msg, "Stopping server gracefully"), starts(msg, "Shutting down"):
		e.noise(MarkerStop)
		return ours || !starts(msg, "Shutting down")
	case starts(msg, "Configuration received"), starts(msg, "Configuration loaded from"):
		e.noise(MarkerReload)
	case starts(msg, "Health check failed"), ours:
		e.noise(MarkerNone)
	default:
		return false
	}
	return true
}
