package explain

import (
	"bytes"
	"time"
)

var nginxAccess = &Format{
	common: true, marks: []string{"upstream_addr", "body_bytes_sent", "upstream_response_time"},
	Name:    "nginx-access",
	Title:   "nginx access log",
	Product: "nginx",
	Gives:   "Each request with its status and, where the log_format has them, the upstream's address, status and times.",
	Lacks:   "The default (combined, which Apache writes as well) does not say who made a 502, why, or how long anything took.",
	Better:  nginxLogFormat,
	Parse:   parseNginxAccess,
	quick:   quickCombined,
}

var ingressNginx = &Format{
	common:  true,
	Name:    "ingress-nginx",
	Title:   "ingress-nginx access log",
	Product: "ingress-nginx",
	Gives:   "Each request with the upstream's name, address, status and response time, for every attempt.",
	Lacks:   "There is no connect time and no header time, so a refused connection looks like one that was closed.",
	Better: `# ConfigMap of the controller
log-format-upstream: '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id uc="$upstream_connect_time" uh="$upstream_header_time"'`,
	Parse: parseIngress,
}

var kongAccess = &Format{
	common:  true,
	Name:    "kong-access",
	Title:   "Kong access log",
	Product: "kong",
	Gives:   "Each request with its status and Kong's request id.",
	Lacks:   "It does not say whether Kong or the upstream made a status, nor how long anything took.",
	Better:  "# the file-log plugin writes latencies.proxy, latencies.kong and tries[] for every request\ncurl -X POST localhost:8001/plugins -d name=file-log -d config.path=/var/log/kong/requests.log",
	Parse: func(e *Entry, line []byte) bool {
		c, ok := cutCombined(line)
		if !ok || !starts(c.tail, ` kong_request_id: "`) {
			return false
		}
		e.ID = upTo(c.tail[len(` kong_request_id: "`):], '"')
		c.fill(e)
		nginxVars{status: c.status}.judge(e)
		return true
	},
}

// combined is a line of the Common Log Format or its "combined" form taken apart.
type combined struct {
	client, user, at, request, status, size []byte
	agent                                   bool   // it has referer and user agent
	tail                                    []byte // what follows
}

// cutCommon takes apart ADDR - USER [TIME] "REQUEST" STATUS SIZE and gives the rest of the line as the tail.
func cutCommon(line []byte) (c combined, ok bool) {
	var rest []byte
	if c.client, rest, ok = cutSpaced(line); !ok || len(c.client) == 0 {
		return c, false
	}
	if first := c.client[0]; first == '\x1b' || first == '"' || first == '\'' || first == '`' || first == '|' { // of what it stands in
		return c, false
	}
	if !starts(rest, "- ") { // the identity of RFC 1413, which nobody has
		return c, false
	}
	rest = rest[2:]
	open := bytes.IndexByte(rest, '[')
	if open < 1 || len(rest) < open+29 || rest[open-1] != ' ' || rest[open+27] != ']' {
		return c, false
	}
	c.user, c.at, rest = rest[:open-1], rest[open+1:open+27], rest[open+28:]
	if !starts(rest, ` "`) {
		return c, false
	}
	if c.request, rest, ok = cutQuoted(rest[1:]); !ok || len(rest) < 6 || rest[0] != ' ' {
		return c, false
	}
	c.status, rest, ok = cutSpaced(rest[1:])
	if !ok || len(c.status) != 3 || !isDigit(c.status[0]) || !isDigit(c.status[1]) || !isDigit(c.status[2]) {
		return c, false
	}
	end := bytes.IndexByte(rest, ' ')
	if end < 0 {
		end = len(rest)
	}
	c.size, c.tail = rest[:end], rest[end:]
	return c, string(c.size) == "-" || wholeUint(c.size) >= 0
}

// cutCombined is cutCommon with referer and user agent behind it.
func cutCombined(line []byte) (c combined, ok bool) {
	if c, ok = cutCommon(line); !ok || !starts(c.tail, ` "`) {
		return c, false
	}
	referer, rest, ok := cutQuoted(c.tail[1:])
	if !ok || !starts(rest, ` "`) || len(referer) == 0 { // who has none writes a dash
		return c, false
	}
	if _, c.tail, ok = cutQuoted(rest[1:]); !ok {
		return c, false
	}
	c.agent = true
	return c, true
}

// fill writes what every line has.
func (c *combined) fill(e *Entry) {
	e.Time, _, e.Zoned = commonClock(c.at)
	e.Client = c.client
	splitRequest(e, c.request)
	e.Said = c.request
}

// absolute reports whether the request's target is a whole URL, as varnishncsa and forward proxies write it.
func (c *combined) absolute() bool {
	_, target, ok := cutSpaced(c.request)
	return ok && (starts(target, "http://") || starts(target, "https://"))
}

// quickCombined knows a boring line of the combined log at a glance: ADDR - USER [TIME] "METHOD /PATH" STATUS SIZE "REFERER"
// "AGENT" with a status that is nobody's fault. Everything else is for Parse to read.
//
// hot: once per line of an access log.
func quickCombined(line []byte) Kind {
	i := bytes.IndexByte(line, '"')
	if i < 30 || line[i-2] != ']' || len(line)-i < 20 || line[len(line)-1] != '"' {
		return KindUnknown
	}
	request := line[i+1:]
	j := bytes.IndexByte(request, '"')
	if j < 5 || len(request) < j+10 || request[j+1] != ' ' || request[j+5] != ' ' || request[j-1] == '\\' {
		return KindUnknown
	}
	kind := boring(request[j+2 : j+5])
	if kind == KindUnknown {
		return kind
	}
	if k := bytes.IndexByte(request[:min(j, 10)], ' '); k < 0 || request[k+1] != '/' {
		return KindUnknown
	}
	if k := bytes.IndexByte(line[:i], ' '); k < 0 || line[k+1] != '-' || line[k+2] != ' ' {
		return KindUnknown
	}
	rest := request[j+6:]
	k := 0
	for k < len(rest) && isDigit(rest[k]) {
		k++
	}
	if k == 0 || len(rest) < k+6 || rest[k] != ' ' || rest[k+1] != '"' {
		return KindUnknown
	}
	rest = rest[k+2:]
	if k = bytes.IndexByte(rest, '"'); k < 1 || len(rest) < k+4 || rest[k+1] != ' ' || rest[k+2] != '"' {
		return KindUnknown
	}
	if rest = rest[k+3:]; bytes.IndexByte(rest, '"') != len(rest)-1 {
		return KindUnknown
	}
	return kind
}

// boring gives the kind of a status that needs no second look, KindUnknown for others.
func boring(status []byte) Kind {
	switch status[0] {
	case '2', '3':
		return KindOK
	case '4':
		if status[1] == '0' && (status[2] == '1' || status[2] == '3' || status[2] == '4') {
			return KindClient
		}
	}
	return KindUnknown
}

func parseNginxAccess(e *Entry, line []byte) bool {
	if len(line) > 0 && line[0] == '{' {
		return parseNginxJSON(e, line)
	}
	c, ok := cutCombined(line)
	if !ok || c.absolute() || string(c.size) == "-" || starts(c.tail, " kong_") || len(c.tail) > 0 && isApacheAdvised(c.tail) {
		return false
	}
	v := nginxVars{status: c.status}
	if len(c.tail) > 0 && !v.readTail(e, c.tail) {
		return false
	}
	c.fill(e)
	v.judge(e)
	return true
}

// parseIngress reads REQUEST_LENGTH REQUEST_TIME [UPSTREAM] [ALTERNATIVE] ADDR LENGTH TIME STATUS ID behind a combined
// line: "upstreaminfo" of the controller's nginx.tmpl. The lists have ", " inside.
func parseIngress(e *Entry, line []byte) bool {
	c, ok := cutCombined(line)
	if !ok || len(c.tail) < 10 || c.tail[0] != ' ' || !isDigit(c.tail[1]) {
		return false
	}
	v := nginxVars{status: c.status, upstreams: true, ingress: true}
	_, rest, _ := cutSpaced(c.tail[1:])
	took, rest, ok := cutSpaced(rest)
	if !ok || len(rest) == 0 || rest[0] != '[' {
		return false
	}
	name, rest, ok := bytes.Cut(rest[1:], []byte("] ["))
	if !ok {
		return false
	}
	if _, rest, ok = bytes.Cut(rest, []byte("] ")); !ok {
		return false
	}
	v.requestTime, v.name = took, name
	v.addr, rest = cutList(rest)
	v.length, rest = cutList(rest)
	v.responseTime, rest = cutList(rest)
	v.upstreamStatus, rest = cutList(rest)
	if len(v.upstreamStatus) == 0 {
		return false
	}
	id, rest := cutField(rest)
	e.ID = id
	v.readPairs(e, rest)
	c.fill(e)
	v.judge(e)
	return true
}

// cutList cuts a value that may be a list: "a, b" or "a : b", of which the parts have no spaces.
func cutList(b []byte) (list, rest []byte) {
	for i := 0; i < len(b); i++ {
		if b[i] != ' ' {
			continue
		}
		switch {
		case i > 0 && b[i-1] == ',':
		case i+2 < len(b) && b[i+1] == ':' && b[i+2] == ' ':
			i += 2
		default:
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// readTail reads what people put behind a combined line: key=value, key="value", and values alone that show by their
// shape what they are. It is false where the tail belongs to another format.
func (v *nginxVars) readTail(e *Entry, tail []byte) bool {
	for len(tail) > 0 {
		if tail[0] == ' ' {
			tail = tail[1:]
			continue
		}
		if tail[0] == '"' {
			value, rest, ok := cutQuoted(tail)
			if !ok {
				return false
			}
			v.guess(value)
			tail = rest
			continue
		}
		if !isVariable(tail) {
			field, rest := cutList(tail)
			if ends(field, "ms") || len(field) > 0 && field[0] == '[' { // Traefik's, ingress-nginx's
				return false
			}
			v.guess(field)
			tail = rest
			continue
		}
		key, rest, _ := bytes.Cut(tail, []byte("="))
		value, rest := cutValue(rest)
		v.set(e, key, value)
		tail = rest
	}
	return true
}

// readPairs reads key=value and leaves out everything else.
func (v *nginxVars) readPairs(e *Entry, b []byte) {
	for len(b) > 0 {
		if !isVariable(b) {
			_, b = cutField(b)
			continue
		}
		key, rest, _ := bytes.Cut(b, []byte("="))
		value, rest := cutValue(rest)
		v.set(e, key, value)
		b = bytes.TrimLeft(rest, " ")
	}
}

// cutValue cuts a quoted value, or one up to a space outside of a list.
func cutValue(b []byte) (value, rest []byte) {
	if value, rest, ok := cutQuoted(b); ok {
		return value, rest
	}
	return cutList(b)
}

// isVariable reports whether b begins with a name and an equals sign.
func isVariable(b []byte) bool {
	for i, c := range b {
		switch {
		case c == '=':
			return i > 0
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '.' || i > 0 && (isDigit(c) || c == '-'):
		default:
			return false
		}
	}
	return false
}

// guess takes a value by its shape: 0.012 is a time (the request's first, then the upstream's), 127.0.0.1:8080 an
// upstream, three digits behind it the upstream's status.
func (v *nginxVars) guess(value []byte) {
	first, _ := cutList(value)
	if i := bytes.IndexByte(value, ','); i > 0 {
		first = value[:i]
	}
	switch {
	case len(first) > 2 && bytes.IndexByte(first, '.') > 0 && len(first)-bytes.IndexByte(first, '.') == 4 && wholeSeconds(first) >= 0:
		if v.requestTime == nil {
			v.requestTime = value
		} else if v.responseTime == nil {
			v.responseTime, v.upstreams = value, true
		}
	case v.addr == nil && (starts(first, "unix:") || bytes.IndexByte(first, ':') > 0 && wholeUint(first[bytes.LastIndexByte(first, ':')+1:]) > 0):
		v.addr, v.upstreams = value, true
	case v.addr != nil && v.upstreamStatus == nil && wholeStatus(first) > 0:
		v.upstreamStatus = value
	}
}

// set takes a value by its key: nginx's variable, or the short name that people give it.
func (v *nginxVars) set(e *Entry, key, value []byte) {
	switch string(key) {
	case "rt", "request_time", "req_time", "time":
		v.requestTime = value
	case "uct", "uc", "upstream_connect_time", "connect_time":
		v.connectTime, v.upstreams = value, true
	case "uht", "uh", "upstream_header_time", "header_time":
		v.headerTime, v.upstreams = value, true
	case "urt", "ur", "upstream_response_time", "upstream_time", "response_time", "upstream_resp_time":
		v.responseTime, v.upstreams = value, true
	case "us", "ustatus", "upstream_status", "ups_status", "upstatus":
		v.upstreamStatus, v.upstreams = value, true
	case "ua", "upstream", "upstream_addr", "ups", "backend", "upaddr", "uaddr":
		v.addr, v.upstreams = value, true
	case "upstream_response_length", "url", "ul":
		v.length = value
	case "upstream_name", "proxy_upstream_name":
		v.name = value
	case "host", "vhost", "server", "http_host", "h":
		e.Host = value
	case "request_id", "reqid", "rid", "req_id", "id", "trace_id":
		e.ID = value
	case "conn", "connection":
		e.Conn = uint64(max(wholeUint(value), 0))
	case "pid":
		e.Process = uint64(max(wholeUint(value), 0))
	}
}

// lastOf gives the last value of a list over attempts, which nginx joins by ", " and, after an internal redirect to another
// group, by " : ".
func lastOf(list []byte) []byte {
	if i := bytes.LastIndexByte(list, ' '); i >= 0 {
		return list[i+1:]
	}
	return list
}

// countOf gives how many values a list has.
func countOf(list []byte) int {
	if len(list) == 0 || string(list) == "-" {
		return 0
	}
	return 1 + bytes.Count(list, []byte(", ")) + bytes.Count(list, []byte(" : "))
}

// secondsOf reads the last value of a list of times, -1 where it is not known.
func secondsOf(list []byte) time.Duration { return wholeSeconds(lastOf(list)) }
