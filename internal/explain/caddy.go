package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Caddy writes one zap object for each line, as JSON or in the console layout. What went wrong is in the error log's msg,
// in the words of Go's net/http client; the access log has the same exchange once more, with the same client port, which
// is therefore the entry's Conn.

const (
	caddyGives  = "The error of Go's HTTP client as text, the status, the request, and what the exchange took; the access line says by its Via header whether the origin answered."
	caddyLacks  = "The endpoint (unless the text names it), whether the connection was reused, and how many bytes were sent and received."
	caddyBetter = `{
	log default {
		level DEBUG   # adds "upstream roundtrip" with the endpoint of every attempt
		format json
	}
}
example.com {
	log
}`
)

var caddyJSON = &Format{
	marks: caddyMarks,
	Name:  "caddy-json", Title: "Caddy JSON log", Product: "caddy", Role: RoleProxy,
	Gives: caddyGives, Lacks: caddyLacks, Better: caddyBetter, Parse: parseCaddyJSON,
}

var caddyConsole = &Format{
	dated: datedSlashes,
	Name:  "caddy-console", Title: "Caddy console log", Product: "caddy", Role: RoleProxy,
	Gives: caddyGives, Lacks: caddyLacks, Better: caddyBetter, Parse: parseCaddyConsole,
}

// caddyLine is what one line has, whatever its layout.
type caddyLine struct {
	level, logger, msg  jsonValue
	failure, upstream   []byte
	status              int
	size                int64
	access              bool // the line has a request and what was answered
	via, server, noSize bool // the answer passed through Caddy; it has Caddy's own Server field; no size is written
}

// caddyMarks stand in each object of Caddy's: one of its loggers, or a message that it writes before it has one.
var caddyMarks = []string{
	`"logger":"http`, `"logger":"tls`, `"logger":"admin`, `"logger":"pki`, `"logger":"caddy`, `"logger":"events`, `"logger":"layer4`, `"logger":"dynamic_dns`,
	`\"logger\":\"`, "using config from file", "adapted config to JSON", "redirected default logger", "autosaved config", "using adjacent Caddyfile",
	"Caddyfile input is not formatted", "Unsolicited response received on idle HTTP channel", "Transport: unhandled response frame type", "using provided configuration", "maxprocs: ", "GOMEMLIMIT is updated",
	"serving initial configuration", "shutting down apps", "shutdown complete", "exiting; bye", "http: panic serving ",
}

func parseCaddyJSON(e *Entry, line []byte) bool {
	if !starts(line, `{"level":"`) {
		return false
	}
	l := caddyLine{noSize: true}
	fields := jsonObject(line)
	timed := false
	for fields.next() {
		switch string(fields.key) {
		case "level":
			l.level = fields.value
		case "ts":
			timed = caddyTime(e, fields.value)
		case "logger":
			l.logger = fields.value
		case "msg":
			l.msg = fields.value
		default:
			l.field(e, fields.key, fields.value)
		}
	}
	return timed && fields.complete() && l.msg.isText() && l.judge(e, l.logger.text(), l.msg.plain)
}

// caddyTime reads ts: seconds since 1970, or one of the layouts of time_format.
func caddyTime(e *Entry, v jsonValue) bool {
	if !v.isText() {
		e.Time, e.Zoned = epochTime(v), true
		return !e.Time.IsZero()
	}
	t, zoned, _, ok := rfc3339Clock(v.text())
	if !ok {
		var rest []byte
		if t, rest, ok = nginxClock(v.text()); ok {
			ns, _ := fraction(rest)
			t = t.Add(time.Duration(ns))
		}
	}
	e.Time, e.Zoned = t, zoned
	return ok
}

// parseCaddyConsole reads 2006/01/02 15:04:05.000 LEVEL logger msg {…}, between tabs, the level perhaps in colour.
func parseCaddyConsole(e *Entry, line []byte) bool {
	t, rest, ok := nginxClock(line)
	if !ok {
		return false
	}
	ns, rest := fraction(rest)
	e.Time = t.Add(time.Duration(ns))
	if len(rest) == 0 || rest[0] != '\t' {
		return false
	}
	level, rest, ok := bytes.Cut(rest[1:], []byte("\t"))
	if !ok || !isZapLevel(withoutColor(level)) {
		return false
	}
	l := caddyLine{noSize: true}
	if brace := bytes.LastIndex(rest, []byte("\t{")); brace >= 0 {
		fields := jsonObject(rest[brace+1:])
		for fields.next() {
			l.field(e, fields.key, fields.value)
		}
		if !fields.complete() {
			return false
		}
		rest = rest[:brace]
	}
	var logger []byte
	if first, second, found := bytes.Cut(rest, []byte("\t")); found {
		logger, rest = first, second
	}
	msg := rest
	return l.judge(e, logger, func() []byte { return msg })
}

// withoutColor drops an SGR sequence before a word and the one behind it.
func withoutColor(b []byte) []byte {
	if len(b) > 0 && b[0] == '\x1b' {
		_, b, _ = bytes.Cut(b, []byte("m"))
		b = upTo(b, '\x1b')
	}
	return b
}

func isZapLevel(b []byte) bool {
	switch string(b) {
	case "DEBUG", "INFO", "WARN", "ERROR", "DPANIC", "PANIC", "FATAL":
		return true
	}
	return false
}

// field takes one field of the object.
func (l *caddyLine) field(e *Entry, key []byte, v jsonValue) {
	switch string(key) {
	case "request":
		caddyRequest(e, v)
	case "duration":
		e.Took = v.seconds()
	case "status":
		l.status = v.num()
	case "size":
		l.size, _ = v.int()
		l.noSize = false
	case "error":
		l.failure = v.text()
	case "upstream":
		l.upstream = v.text()
	case "resp_headers":
		l.access = true
		l.via = has(v, `"Via"`) && has(v, "Caddy\"")
		l.server = has(v, `"Server":["Caddy"]`) || has(v, `"Server": ["Caddy"]`)
	}
}

func caddyRequest(e *Entry, v jsonValue) {
	fields := v.fields()
	for fields.next() {
		text := fields.value.text()
		switch string(fields.key) {
		case "remote_ip", "client_ip":
			e.Client = text
		case "remote_port":
			e.Conn = uint64(max(wholeUint(text), 0))
		case "method":
			e.Method = text
		case "host":
			e.Host = text
		case "uri":
			e.Path = text
		}
	}
}

// judge says what the line means. The message is given as a function, for only errors need their escapes undone.
func (l *caddyLine) judge(e *Entry, logger []byte, msg func() []byte) bool {
	e.Status = l.status
	switch {
	case starts(logger, "http.log.access"):
		e.Said = msg()
		l.judgeAccess(e)
	case starts(logger, "http.log.error"):
		e.Said = msg()
		l.judgeError(e, e.Said)
	case starts(logger, "http.handlers.reverse_proxy") && l.failure != nil:
		e.Upstream, e.Said = l.upstream, l.failure
		failure := unescapeJSON(l.failure)
		switch {
		case has(logger, "health_checker"):
			e.noise(MarkerNone)
		case starts(msg(), "aborting with incomplete response"), starts(msg(), "reading from backend"):
			e.Again = starts(msg(), "aborting")
			if !e.goBodyError(failure) {
				e.told(ByGateway, fault.CauseUnknown)
			}
		case !e.goError(failure):
			e.told(ByGateway, fault.CauseUnknown)
		}
		if l.upstream != nil {
			e.Upstream = l.upstream
		}
	case starts(logger, "http.handlers.reverse_proxy") && l.upstream != nil && l.status != 0:
		e.Upstream = l.upstream
		e.originSaid(l.status)
	default:
		e.Said = msg()
		if starts(logger, "http.handlers.reverse_proxy") && starts(e.Said, "backend tried to switch") {
			e.fail(ByGateway, fault.Head, fault.Malformed)
			e.Evidence.Rule = fault.RuleUnaskedUpgrade
			return true
		}
		if starts(logger, "http.handlers.") && has(e.Said, "reverseproxy.DialError{") { // a handler that prints the error's fields
			e.fail(ByGateway, fault.Dial, fault.Failed)
			e.suspect(fault.CauseConnectionRefused, fault.CauseDNSNXDomain, fault.CauseConnectTimeout, fault.CauseHostUnreachable)
			return true
		}
		if starts(e.Said, "http: panic serving ") && has(e.Said, "invalid WriteHeader code") {
			e.fail(ByGateway, fault.Head, fault.Malformed) // net/http panics at a status of the upstream's that is none
			e.Evidence.Rule = fault.RuleStatusCode
			return true
		}
		return caddyNotice(e, logger, e.Said)
	}
	return true
}

// judgeAccess: what passed through Caddy has its Via field since 2.10; an answer of its own has its Server field and no
// body, unless handle_errors made one.
func (l *caddyLine) judgeAccess(e *Entry) {
	switch {
	case l.status == 499:
		e.clientGone()
	case l.status < 400:
		e.originSaid(l.status)
	case l.via || !l.server && l.access && l.size > 0:
		e.originSaid(l.status)
	case l.status < 500:
		e.Kind = KindOK
	case l.size == 0 && !l.noSize:
		e.gatewayStatus(l.status)
	default:
		e.originSaid(l.status)
		e.By = ByUnknown
		e.suspect(fault.CauseUpstreamStatus, fault.CauseConnectionRefused, fault.CauseClosedBeforeAnswer)
	}
}

func (l *caddyLine) judgeError(e *Entry, msg []byte) {
	switch {
	case e.goError(msg):
		// It knew the words.
	case l.status >= 400 && l.status < 500:
		e.clientFault(l.status)
	case l.status >= 500:
		e.gatewayStatus(l.status)
	default:
		e.told(ByGateway, fault.CauseUnknown)
	}
}

// caddyNotice takes the lines about no exchange. A zap object of another program is not Caddy's: its logger must be one of
// Caddy's, or the words must be.
func caddyNotice(e *Entry, logger, msg []byte) bool {
	e.noise(MarkerNone)
	switch {
	case string(msg) == "serving initial configuration":
		e.Marker = MarkerStart
	case starts(msg, "shutting down apps"), starts(msg, "shutdown complete"), starts(msg, "exiting; bye"):
		e.Marker = MarkerStop
	case string(logger) == "admin.api" && starts(msg, "load complete"):
		e.Marker = MarkerReload
	case logger == nil:
		return starts(msg, "using config from file") || starts(msg, "adapted config to JSON") || starts(msg, "redirected default logger") ||
			starts(msg, "autosaved config") || starts(msg, "using adjacent Caddyfile") || starts(msg, "Caddyfile input is not formatted") ||
			starts(msg, "Unsolicited response received on idle HTTP channel") || starts(msg, "Transport: unhandled response frame type") || starts(msg, "using provided configuration") || starts(msg, "maxprocs: ") || starts(msg, "GOMEMLIMIT is updated")
	default:
		for _, known := range [...]string{"http", "tls", "admin", "pki", "caddy", "events", "layer4", "dynamic_dns"} {
			if starts(logger, known) {
				return true
			}
		}
		return false
	}
	return true
}
