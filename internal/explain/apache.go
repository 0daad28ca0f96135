package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

const apacheBetter = `# httpd.conf: what a 502 or 503 is made of
LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D %{BALANCER_WORKER_NAME}e %{proxy-status}n %L" why
CustomLog logs/why.log why
LogLevel warn proxy:info ssl:info`

var apacheError = &Format{
	begins: "[", marks: []string{"] AH0", "] AH1"},
	Name:    "apache-error",
	Title:   "Apache error log",
	Product: "apache",
	Gives:   "The failed call with its errno, the worker, and the client and path of each request that failed for it.",
	Lacks:   "TLS to the backend is told at LogLevel info only; an early end does not say whether the connection was reused.",
	Better:  apacheBetter,
	Parse:   parseApacheError,
}

var apacheAccess = &Format{
	common:  true,
	Name:    "apache-access",
	Title:   "Apache access log",
	Product: "apache",
	Gives:   "Each request with its status.",
	Lacks:   "It does not say who made a 502 or 503, why, or how long anything took.",
	Better:  apacheBetter,
	Parse:   parseApacheAccess,
}

// apacheLine is a line of an Apache error log taken apart: do_errorlog_default in server/log.c.
type apacheLine struct {
	module, level []byte
	errno         []byte // (111)Connection refused, without the colon behind it
	code          int64  // the number of AHnnnnn, 0 where there is none
	message       []byte
	process, tid  int64
	client        []byte
	remote        bool // it is about the connection to a backend
}

// parseApacheError reads [TIME] [MODULE:LEVEL] [pid P:tid T] [client IP:PORT] (ERRNO)TEXT: AHnnnnn: MESSAGE, in which the
// client's and the errno's order has changed over time.
func parseApacheError(e *Entry, line []byte) bool {
	if len(line) < 40 || line[0] != '[' {
		return false
	}
	at, rest, ok := apacheClock(line[1:])
	if !ok || !starts(rest, "] [") {
		return false
	}
	var l apacheLine
	if !l.cut(rest[2:]) {
		return false
	}
	e.Time, e.Process, e.Conn = at, uint64(l.process), uint64(l.tid)
	e.Client = withoutPort(l.client)
	e.Kind, e.Said = KindNoise, l.message
	l.judge(e)
	return true
}

// cut reads the brackets, the errno, the number and the message.
func (l *apacheLine) cut(b []byte) bool {
	for first := true; starts(b, "["); first = false {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return false
		}
		l.bracket(b[1:end], first)
		b = bytes.TrimLeft(b[end+1:], " ")
	}
	if len(l.level) == 0 {
		return false
	}
	for {
		switch {
		case starts(b, "("):
			end := indexText(b, ": ")
			if end < 0 {
				l.message = b
				return true
			}
			l.errno, b = b[:end], b[end+2:]
		case starts(b, "[client ") || starts(b, "[remote "):
			end := bytes.IndexByte(b, ']')
			if end < 0 {
				return false
			}
			l.bracket(b[1:end], false)
			b = bytes.TrimLeft(b[end+1:], " ")
		case starts(b, "AH") && len(b) > 8 && b[7] == ':' && wholeUint(b[2:7]) >= 0:
			l.code = wholeUint(b[2:7])
			b = bytes.TrimLeft(b[8:], " ")
		default:
			l.message = b
			return true
		}
	}
}

// bracket reads one of [module:level], [pid 1:tid 2], [client 10.0.0.9:51234].
func (l *apacheLine) bracket(b []byte, first bool) {
	switch {
	case starts(b, "pid "):
		n, rest, _ := readUint(b[4:])
		l.process = n
		if tid, ok := after(rest, "tid "); ok {
			l.tid, _, _ = readUint(tid)
		}
	case starts(b, "remote "):
		l.remote = true
	case starts(b, "client "):
		l.client = b[7:]
	case first:
		if module, level, ok := bytes.Cut(b, []byte(":")); ok {
			l.module, l.level = module, level
		} else {
			l.level = b
		}
	}
}

// judge reads the number, and the text where a module gives none.
func (l *apacheLine) judge(e *Entry) {
	if l.judgeProxy(e) || l.judgeTLS(e) || l.judgeServer(e) || l.judgeText(e) {
		return
	}
	if has(l.message, "proxy") && (string(l.level) == "error" || string(l.level) == "crit") && bytes.HasPrefix(l.module, []byte("proxy")) {
		e.told(ByGateway, fault.CauseUnknown)
		return
	}
	if has(l.errno, "No space left on device") {
		told(e, ByGateway, fault.Select, fault.Exhausted, fault.CauseInternalError)
		return
	}
	if has(l.message, "is larger than the configured limit") {
		e.clientFault(413)
		return
	}
	switch string(l.level) {
	case "error", "crit", "alert", "emerg":
		e.unruled = true
	}
}

// parseApacheAccess takes what of the common formats is Apache's alone: common, vhost_combined, and combined lines with a
// dash for no octets. A combined line with a number could be nginx's as well, and is taken for that.
func parseApacheAccess(e *Entry, line []byte) bool {
	c, ok := cutCommon(line)
	vhost := false
	if !ok {
		first, rest, spaced := cutSpaced(line)
		i := bytes.LastIndexByte(first, ':')
		if !spaced || i <= 0 || wholeUint(first[i+1:]) < 0 {
			return false
		}
		if c, ok = cutCommon(rest); !ok {
			return false
		}
		e.Host, vhost = first[:i], true
	} else if i := bytes.LastIndexByte(c.client, ':'); i > 0 && isDigit(c.client[len(c.client)-1]) && !isAddress(c.client) {
		return false
	}
	if len(c.tail) > 0 {
		d, combined := cutCombined(line)
		if vhost {
			_, rest, _ := cutSpaced(line)
			d, combined = cutCombined(rest)
		}
		if combined && len(d.tail) > 0 && apacheAdvised(e, &c, d.tail) {
			return true
		}
		if !combined || len(d.tail) > 0 && !isApacheTail(d.tail) || !vhost && string(c.size) != "-" && len(d.tail) == 0 {
			return false
		}
	}
	if c.absolute() {
		return false
	}
	c.fill(e)
	if bytes.Equal(bytes.Trim(c.request, "-"), nil) {
		e.Said = c.status
	}
	nginxVars{status: c.status}.judge(e)
	return true
}

// apacheAdvised reads what apacheBetter has behind combined: %D, the worker, the status that the backend answered, and the
// error log's id. It tells who made an error.
func apacheAdvised(e *Entry, c *combined, tail []byte) bool {
	if !isApacheAdvised(tail) {
		return false
	}
	w := words{tail}
	took, worker, said, id := wholeUint(w.next()), w.next(), w.next(), w.next()
	status := wholeStatus(said)
	c.fill(e)
	e.Took, e.Upstream, e.ID = time.Duration(took)*time.Microsecond, dashed(worker), dashed(id)
	e.Time = e.Time.Add(e.Took)
	switch e.Status = wholeStatus(c.status); {
	case e.Status < 400 || status == e.Status:
		e.originSaid(e.Status)
	case e.Status < 500:
		nginxVars{status: c.status}.judge(e)
	case e.Status < 502:
		e.By = ByGateway
		judgeBare(e)
		e.Candidates = append(e.Candidates[:0], fault.CauseDNSError, fault.CauseTLSAlert, fault.CauseTLSCertificateUntrusted, fault.CauseTLSProtocolError, fault.CauseTLSHandshakeClosed,
			fault.CauseTLSHandshakeTimeout, fault.CauseTLSToPlainPort, fault.CauseBadField, fault.CauseInternalError)
	default:
		e.By = ByGateway
		judgeBare(e)
	}
	return true
}

// isApacheAdvised reports whether it is that which follows a combined line. The id of the error log has eleven characters, or
// is a dash where nothing was logged.
func isApacheAdvised(tail []byte) bool {
	w := words{tail}
	took, worker, said, id := wholeUint(w.next()), w.next(), w.next(), w.next()
	return took >= 0 && worker != nil && len(w.rest) == 0 && (wholeStatus(said) != 0 || string(said) == "-") && (len(id) == 11 || string(id) == "-")
}

// isApacheTail reports whether all that follows a combined line is one whole number: %D, microseconds.
func isApacheTail(tail []byte) bool {
	return len(tail) > 4 && tail[0] == ' ' && wholeUint(tail[1:]) >= 0
}
