package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/phrase"
)

// This file reads JSON of any program by what its keys mean, in whatever case and style they are written.

// jsonWords is the format of JSON that was read by the meaning of its keys.
var jsonWords = &Format{
	Name: "json-words", Title: "JSON of an unknown program", Product: "", Role: RoleProxy, wordy: true,
	Gives: "The status, the upstream, the duration and the error, by keys whose names say so.",
	Lacks: "Which program wrote it, and so what its keys mean exactly.",
}

// meant is what the keys of an object say.
type meant struct {
	status, upstreamStatus int
	upstreams              []byte // upstreamStatus as it stands: one of each attempt
	method, path, host     []byte
	client, upstream, id   []byte
	routed                 bool // there is a key for the upstream, perhaps an empty one
	flags, details         []byte
	took                   time.Duration
	lasted                 []byte // took as it stands
	time                   time.Time
	zoned                  bool
	level                  severity
	msg                    []byte
	failed                 bool // there is an error, whatever the level: some programs tell of every request at the same one
	keys                   int  // walked so far
}

// Bounds of a walk over JSON.
const (
	meaningDepth = 6
	meaningKeys  = 400
)

// jsonIn gives the object that the line is, or that ends it behind a prefix; nil where there is none.
func jsonIn(line []byte) []byte {
	i := bytes.IndexByte(line, '{')
	if i < 0 || i > 200 || i+1 == len(line) {
		return nil
	}
	body := line[i:]
	if c := skipBlank(body[1:]); len(c) == 0 || c[0] != '"' {
		return nil
	}
	return body
}

// meaning judges an object. It gives nil where its keys say nothing of a failed exchange.
func (r *Recogniser) meaning(e *Entry, object []byte) *Format {
	m := meant{took: -1}
	m.walk(jsonValue(object), 0)
	if m.level == severityUnsaid {
		m.level = severityOf(object)
	}
	f := m.judge(e, object)
	if f == nil {
		return nil
	}
	m.fill(e)
	return f
}

// judge decides: what an error says in words, then what flags say, then the upstream's status, then the status.
func (m *meant) judge(e *Entry, object []byte) *Format {
	if len(m.flags) > 0 && string(m.flags) != "-" {
		v := envoyLine{
			code: m.status, flags: m.flags, details: m.details, duration: tookOf(m.lasted, true), serviceTime: -1, sent: -1, host: m.upstream, method: m.method, path: m.path,
		}
		v.judge(e)
		if e.Kind == KindFault || e.Kind == KindClient {
			m.took = v.duration // in milliseconds, whatever the key says of its unit
			return wordsFormats["envoy"]
		}
		e.reset()
	}
	level := m.level
	if level == severityInfo && m.failed {
		level = severityWarn
	}
	if f := wording(e, object, level); f != nil && (level != severityInfo || e.read.Is == phrase.Strong) {
		return f
	}
	e.reset()
	switch {
	case m.status < 500:
		return nil
	case m.routed && len(m.upstream) == 0 && (m.status == 502 || m.status == 503):
		e.verbal([]fault.Cause{fault.CauseNobodyAvailable, fault.CauseNoEndpoints})
	case m.upstreamStatus == m.status && !bytes.ContainsAny(m.upstreams, ",") && m.status != 502 && m.status != 504, m.upstreamStatus == 0 && (m.status == 500 || m.status == 501 || m.status > 504):
		e.originSaid(m.status)
		if m.upstreamStatus == 0 {
			e.By = ByUnknown
		}
	default:
		e.gatewayStatus(m.status)
	}
	return jsonWords
}

// fill writes what every record has.
func (m *meant) fill(e *Entry) {
	if m.status > 0 {
		e.Status = m.status
	}
	if len(m.method) > 0 {
		e.Method = m.method
	}
	if len(m.path) > 0 {
		e.setTarget(m.path)
	}
	if len(m.host) > 0 && len(e.Host) == 0 {
		e.Host = m.host
	}
	if len(m.upstream) > 0 && (len(e.Upstream) == 0 || hostPort(e.Upstream) == nil) {
		e.Upstream = withoutUser(bytes.TrimRight(upTo(m.upstream, ','), " "))
	}
	if len(m.client) > 0 {
		e.Client = m.client
	}
	if m.id != nil {
		e.ID = m.id
	}
	if m.took >= 0 {
		e.Took = m.took
		e.waited()
	}
	if !m.time.IsZero() {
		e.Time, e.Zoned = m.time, m.zoned
	}
	if len(e.Said) == 0 {
		e.Said = m.msg
	}
}

// walk reads the fields of an object, and of those inside of it.
func (m *meant) walk(object jsonValue, depth int) {
	fields := object.fields()
	for fields.next() && m.keys < meaningKeys {
		m.keys++
		if v := fields.value; len(v) > 0 && v[0] == '{' && depth < meaningDepth {
			m.walk(v, depth+1)
			continue
		}
		var name [40]byte
		m.take(keyName(name[:0], fields.key), fields.value)
	}
}

// keyName gives a key in lower case without what joins its words: response_code, responseCode and Response-Code are one.
func keyName(dst, key []byte) []byte {
	if i := bytes.LastIndexByte(key, '.'); i > 0 && i+1 < len(key) {
		key = key[i+1:]
	}
	for _, c := range key {
		switch {
		case len(dst) == cap(dst):
			return dst
		case isUpper(c):
			dst = append(dst, c+'a'-'A')
		case isAlphanumeric(c):
			dst = append(dst, c)
		}
	}
	return dst
}

// take keeps a value by what its key means.
func (m *meant) take(key []byte, v jsonValue) {
	text := v.bare()
	switch string(key) {
	case "status", "statuscode", "httpstatus", "httpstatuscode", "responsecode", "responsestatus", "responsestatuscode", "rescode", "downstreamstatus", "elbstatuscode", "edgeresponsestatus":
		if s := wholeStatus(text); s > 0 && (m.status == 0 || s > m.status && s >= 500) {
			m.status = s
		}
	case "upstreamstatus", "serverstatus", "originstatus", "backendstatus", "targetstatuscode", "originresponsestatus", "originstatuscode", "upstreamstatuscode":
		m.upstreams = text
		if len(text) >= 3 {
			m.upstreamStatus = wholeStatus(text[len(text)-3:])
		}
	case "method", "requestmethod", "httpmethod", "verb", "reqmethod", "requestverb":
		if isMethod(text) {
			m.method = text
		}
	case "path", "uri", "url", "requesturi", "requestpath", "requesturl", "target", "fullpath", "rawpath", "urlpath":
		if len(m.path) == 0 || len(text) > 0 && text[0] == '/' && m.path[0] != '/' {
			m.path = text
		}
	case "host", "authority", "vhost", "hostheader", "originalhost", "requesthost":
		m.host = text
	case "upstream", "upstreamaddr", "upstreamaddress", "upstreamhost", "serverrouted", "backendaddr", "backendaddress", "serviceaddr", "serverip", "originip", "upstreamip", "backendhost", "targetaddr":
		m.routed = true
		if len(m.upstream) == 0 {
			m.upstream = dashed(text)
		}
	case "clientip", "remoteaddr", "remoteip", "clientaddr", "remoteaddress", "clienthost", "sourceip":
		m.client = text
	case "requestid", "reqid", "traceid", "correlationid", "xrequestid", "rid":
		m.id = text
	case "responseflags", "flags":
		m.flags = text
	case "responsecodedetails":
		m.details = text
	case "level", "severity", "loglevel", "lvl", "levelname":
		m.level = levelValue(text)
	case "msg", "message", "errormessage", "error", "err":
		if len(m.msg) == 0 || string(key) == "msg" || string(key) == "message" {
			m.msg = text
		}
		if (string(key) == "error" || string(key) == "err") && len(text) > 0 && string(text) != "null" && string(text) != "false" {
			m.failed = true
		}
	default:
		m.takeTime(key, v)
	}
}

// takeTime keeps times and durations: the unit stands in the key, or in the value.
func (m *meant) takeTime(key []byte, v jsonValue) {
	text := v.bare()
	switch string(key) {
	case "time", "ts", "timestamp", "datetime", "date", "starttime", "timelocal", "timeiso8601", "eventtime", "asctime":
		if !m.time.IsZero() {
			return
		}
		if t, zoned, ok := clockAt(text, time.Time{}); ok {
			m.time, m.zoned = t, zoned
		} else if t := epochAny(text); !t.IsZero() {
			m.time, m.zoned = t, true
		}
	case "durationms", "elapsedms", "latencyms", "tookms", "responsetimems", "responsetime", "elapsed", "ms":
		m.took = tookOf(text, true)
	case "duration", "latency", "took", "requesttime", "timetaken", "durations", "elapseds", "requesttimes":
		m.took, m.lasted = tookOf(text, false), text
	}
}

func levelValue(text []byte) severity {
	if n := wholeUint(text); n >= 10 {
		return numberSeverity(n)
	}
	for _, w := range severityWords {
		if len(w.word) == len(text) && phrase.Starts(text, w.word) {
			return w.is
		}
	}
	return severityUnsaid
}

// indexFold finds a word in lower case, whatever the case of the text.
func indexFold(b []byte, word string) int { return phrase.Index(b, word) }
