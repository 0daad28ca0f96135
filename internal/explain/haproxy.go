package explain

import (
	"bytes"
	"time"
)

const haproxyBetter = `# haproxy.cfg, in defaults or the frontend: the default HTTP log, and why connecting failed (2.5 and later)
log-format "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r bc_err=%{+Q}[bc_err_str] ssl_err=%{+Q}[ssl_bc_err_str]"`

// haproxyStates stand in the HTTP log, with dashes for the cookies that hardly anybody uses: what is left of a line that was
// pasted without its head is known by them.
var haproxyStates = []string{
	" ----", " SC--", " SH--", " SD--", " sC--", " sH--", " sD--", " sQ--", " PR--", " PH--", " PC--", " PD--", " CC--", " CH--", " CD--", " CR--", " cR--", " cD--", " LR--", " RC--",
	" IH--", " DC--", " K---", " U---",
}

var haproxyHTTP = &Format{
	common:  true,
	marks:   haproxyStates,
	Name:    "haproxy-http",
	Title:   "HAProxy HTTP log",
	Product: "haproxy",
	Gives:   "The termination state, the times of each phase, backend and server, retries and queues for each request.",
	Lacks:   "SC does not say whether the server refused, was unreachable or failed in TLS; SH not whether the connection was reused.",
	Better:  haproxyBetter,
	Parse: func(e *Entry, line []byte) bool {
		h, ok := cutHAProxy(line)
		if !ok || h.tcp || h.tls {
			return false
		}
		h.judge(e)
		return true
	},
}

var haproxyHTTPS = &Format{
	common:  true,
	Name:    "haproxy-https",
	Title:   "HAProxy HTTPS log",
	Product: "haproxy",
	Gives:   "What the HTTP log gives, and the client's TLS: its errors, name, version and cipher.",
	Lacks:   "It has nothing on TLS to the server: SC does not say whether that failed.",
	Better:  haproxyBetter,
	Parse: func(e *Entry, line []byte) bool {
		h, ok := cutHAProxy(line)
		if !ok || !h.tls {
			return false
		}
		h.judge(e)
		return true
	},
}

var haproxyTCP = &Format{
	common:  true,
	Name:    "haproxy-tcp",
	Title:   "HAProxy TCP log",
	Product: "haproxy",
	Gives:   "The termination state, the times, backend and server of each connection.",
	Lacks:   "It knows no requests: how many there were on the connection, and how they ended, it cannot say.",
	Better:  "# haproxy.cfg: mode http and option httplog, where HTTP is what goes through",
	Parse: func(e *Entry, line []byte) bool {
		h, ok := cutHAProxy(line)
		if !ok || !h.tcp {
			return false
		}
		h.judge(e)
		return true
	},
}

var haproxyCLF = &Format{
	common:  true,
	Name:    "haproxy-clf",
	Title:   "HAProxy HTTP log in CLF",
	Product: "haproxy",
	Gives:   "What the HTTP log gives, in the Common Log Format's shape.",
	Lacks:   "SC does not say whether the server refused, was unreachable or failed in TLS; SH not whether the connection was reused.",
	Better:  haproxyBetter,
	Parse:   parseHAProxyCLF,
}

// haproxyLine is a line of HAProxy's traffic log taken apart. Times that never came to be are negative.
type haproxyLine struct {
	client, backend, server, request, state   []byte
	said                                      []byte // the state and all behind it
	bcErr, sslErr                             []byte // of a longer log-format
	at                                        time.Time
	receive, queue, connect, response, active time.Duration
	status                                    int
	retries                                   int64
	tcp, tls                                  bool
	reused                                    bool
	badStatus                                 bool // the server's status is no number of three digits
	errors                                    bool // the format has what connecting failed with
	octets                                    int64
}

// cutHAProxy takes apart the HTTP, HTTPS and TCP log: CLIENT:PORT [DATE] FRONTEND BACKEND/SERVER TIMES ... in that order.
func cutHAProxy(line []byte) (h haproxyLine, ok bool) {
	open := bytes.IndexByte(line[:min(len(line), 64)], '[')
	if open < 0 {
		return cutHAProxyTail(line)
	}
	if open < 4 || line[open-1] != ' ' || len(line) < open+30 {
		return h, false
	}
	if h.client = line[:open-1]; bytes.ContainsAny(h.client, "\"{ ") {
		return h, false
	}
	rest := line[open+1:]
	if h.at, rest, ok = haproxyClock(rest); !ok || !starts(rest, "] ") {
		return h, false
	}
	return h, h.cut(rest[2:])
}

// cutHAProxyTail takes apart a line that somebody pasted without its client and its date. The HTTP log only: its five times
// and its state are nobody else's.
func cutHAProxyTail(line []byte) (h haproxyLine, ok bool) {
	w := words{line}
	frontend, _, times := w.next(), w.next(), w.next()
	if bytes.Count(times, []byte{'/'}) != 4 || bytes.ContainsAny(frontend, "/\"={") {
		return h, false
	}
	return h, h.cut(line)
}

// cut reads what stands behind the date.
func (h *haproxyLine) cut(rest []byte) bool {
	w := words{rest}
	frontend, target, times := w.next(), w.next(), w.next()
	slashes := bytes.Count(times, []byte{'/'})
	if frontend == nil || !h.cutTarget(target) && (slashes != 4 || target == nil) { // somebody may have taken the server's name out
		return false
	}
	if slashes == 2 || slashes == 3 {
		h.tcp = true
		return h.cutTCP(times, &w)
	}
	if slashes != 4 || !h.cutTimes(times) {
		return false
	}
	status := w.next()
	if h.status = wholeStatus(status); h.status == 0 && string(status) != "-1" && string(status) != "0" {
		if n := wholeUint(status); n < 0 || n > 9999 { // HAProxy passes on a status of any number of digits
			return false
		}
		h.badStatus = true
	}
	h.octets = wholeUint(bytes.TrimPrefix(w.next(), []byte("+")))
	w.skip(2) // the captured cookies
	h.said = bytes.TrimLeft(w.rest, " ")
	if h.state = w.next(); len(h.state) != 4 || !h.cutCounts(&w) {
		return false
	}
	h.cutRequest(w.rest)
	return true
}

// cutTarget takes BACKEND/SERVER apart.
func (h *haproxyLine) cutTarget(target []byte) bool {
	h.backend = target
	i := bytes.IndexByte(target, '/')
	if i <= 0 {
		return false
	}
	h.backend, h.server = target, target[i+1:]
	return true
}

// cutTimes reads TR/Tw/Tc/Tr/Ta, the last perhaps with a plus of logasap.
func (h *haproxyLine) cutTimes(b []byte) bool {
	for _, d := range [...]*time.Duration{&h.receive, &h.queue, &h.connect, &h.response, &h.active} {
		field := upTo(b, '/')
		if *d = haproxyTime(field); *d < -1 {
			return false
		}
		b = b[min(len(field)+1, len(b)):]
	}
	return true
}

// cutTCP reads Tw/Tc/Tt and what follows it in the TCP log.
func (h *haproxyLine) cutTCP(times []byte, w *words) bool {
	h.response = -1
	for _, d := range [...]*time.Duration{&h.queue, &h.connect, &h.active} {
		field := upTo(times, '/')
		if *d = haproxyTime(field); *d < -1 {
			return false
		}
		times = times[min(len(field)+1, len(times)):]
	}
	if h.octets = wholeUint(bytes.TrimPrefix(w.next(), []byte("+"))); h.octets < 0 {
		return false
	}
	h.said = bytes.TrimLeft(w.rest, " ")
	h.state = w.next()
	return (len(h.state) == 2 || len(h.state) == 4) && h.cutCounts(w)
}

// haproxyTime reads milliseconds: -1 where a phase never ended, -2 where b is no time.
func haproxyTime(b []byte) time.Duration {
	if string(b) == "-1" {
		return -1
	}
	n := wholeUint(bytes.TrimPrefix(b, []byte("+")))
	if n < 0 || n > 1e12 {
		return -2
	}
	return time.Duration(n) * time.Millisecond
}

// cutCounts reads ACT/FE/BE/SRV/RETRIES SQ/BQ.
func (h *haproxyLine) cutCounts(w *words) bool {
	counts := w.next()
	i := bytes.LastIndexByte(counts, '/')
	if i < 0 || bytes.Count(counts, []byte{'/'}) != 4 {
		return false
	}
	h.retries = wholeUint(bytes.TrimPrefix(counts[i+1:], []byte("+")))
	return h.retries >= 0 && bytes.IndexByte(w.next(), '/') > 0
}

// cutRequest finds the request behind the captured headers, and what longer formats have behind it.
func (h *haproxyLine) cutRequest(rest []byte) {
	i := bytes.IndexByte(rest, '"')
	if i < 0 {
		return
	}
	request, rest, ok := cutQuoted(rest[i:])
	if !ok {
		request, rest = bytes.TrimPrefix(rest, []byte(`"`)), nil // cut short by syslog
	}
	h.request = request
	rest = bytes.TrimLeft(rest, " ")
	if first, _ := cutField(rest); bytes.Count(first, []byte{'/'}) == 4 {
		h.tls = true
		return
	}
	for len(rest) > 0 {
		if !isVariable(rest) {
			_, rest = cutField(rest)
			continue
		}
		key, value, _ := bytes.Cut(rest, []byte("="))
		value, rest = cutValue(value)
		h.set(key, value)
	}
}

// set takes a value of a longer log-format.
func (h *haproxyLine) set(key, value []byte) {
	switch string(key) {
	case "bc_err", "bc_err_name", "bc_err_str":
		h.bcErr, h.errors = dashed(value), true
	case "ssl_err", "ssl_bc_err", "ssl_bc_err_str":
		h.sslErr = dashed(value)
	case "reused", "bc_reused":
		h.reused = string(value) == "1"
	}
}

// parseHAProxyCLF reads option httplog clf: CLIENT - - [DATE] "REQUEST" STATUS OCTETS "" "" PORT MS "FRONTEND" "BACKEND"
// "SERVER" TR Tw Tc Tr Ta "STATE" AC FC BC SC RC SQ BQ ...
func parseHAProxyCLF(e *Entry, line []byte) bool {
	c, ok := cutCommon(line)
	if !ok || !starts(c.tail, ` "" "" `) {
		return false
	}
	h := haproxyLine{client: c.client, request: c.request, status: wholeStatus(c.status), octets: wholeUint(c.size)}
	h.at, _, _ = commonClock(c.at)
	w := words{c.tail[len(` "" "" `):]}
	w.skip(3) // port, milliseconds, frontend
	backend, server := bytes.Trim(w.next(), `"`), bytes.Trim(w.next(), `"`)
	for _, d := range [...]*time.Duration{&h.receive, &h.queue, &h.connect, &h.response, &h.active} {
		if *d = haproxyTime(w.next()); *d < -1 {
			return false
		}
	}
	h.state = bytes.Trim(w.next(), `"`)
	if len(h.state) != 4 || len(server) == 0 {
		return false
	}
	h.backend, h.server = backend, server
	w.skip(4)
	h.retries = max(wholeUint(bytes.TrimPrefix(w.next(), []byte("+"))), 0)
	h.judge(e)
	e.Zoned = true
	return true
}
