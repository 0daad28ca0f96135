package otlp

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/telemetry"
)

// span is what is sent of an exchange: a copy of what a Record shows.
type span struct {
	began    time.Time
	duration time.Duration
	trace    [16]byte
	parent   [8]byte // zero for none
	request
	status   int
	by       string
	route    string
	pool     string
	incident string
	saved    bool
	fault    fault.Fault
	sentence string
	attempts []fault.Evidence
}

// request is what the semantic conventions have of a request.
type request struct {
	id, method, host, target, version, client, agent string
	scheme                                           string // empty where it is not known
}

// textMost bounds what of a client's words is sent, in bytes.
const textMost = 2 << 10

func text(b []byte) string { return redact.Line(string(b[:min(len(b), textMost)])) }

func newSpan(r *telemetry.Record) span {
	s := span{
		began: r.At, duration: r.Duration, status: r.Status, by: r.By.String(), route: r.Route, pool: r.Pool, incident: r.Incident, saved: r.Saved, fault: r.Fault,
		request: request{
			id: string(r.ID[:min(len(r.ID), textMost)]), method: string(r.Method), host: text(r.Host), target: text(r.Target), version: r.Version.String(), client: r.Client, agent: text(r.Agent), scheme: "http",
		},
	}
	if r.Secure {
		s.scheme = "https"
	}
	if trace, parent, _ := telemetry.Trace(r.Traceparent); trace != nil {
		_, _ = hex.Decode(s.trace[:], trace)
		_, _ = hex.Decode(s.parent[:], parent)
	} else {
		_, _ = rand.Read(s.trace[:]) // it never fails
	}
	if r.Fault.Is() && r.Evidence != nil {
		var b [320]byte
		s.sentence = redact.Line(string(r.Fault.AppendSentence(b[:0], r.Evidence)))
	}
	s.attempts = make([]fault.Evidence, len(r.Attempts))
	for i, a := range r.Attempts {
		s.attempts[i] = *a
		s.attempts[i].Sample = nil
	}
	return s
}

// resource says who sends.
func (e *Exporter) resource(to pcommon.Resource) {
	for _, a := range [...]struct{ key, value string }{{"service.name", e.o.Service}, {"service.instance.id", e.o.Instance}, {"service.version", e.o.Version}} {
		put1(to.Attributes(), a.key, a.value)
	}
}

const scopeName = "whygate"

// put1 puts an attribute that is known.
func put1(to pcommon.Map, key, value string) {
	if value != "" {
		to.PutStr(key, value)
	}
}

// traces encodes exchanges as an ExportTraceServiceRequest, which is on the wire what TracesData is.
func (e *Exporter) traces(batch []span) ([]byte, error) {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	e.resource(rs.Resource())
	scope := rs.ScopeSpans().AppendEmpty()
	scope.Scope().SetName(scopeName)
	scope.Scope().SetVersion(e.o.Version)
	for i := range batch {
		batch[i].encode(scope.Spans().AppendEmpty())
	}
	return (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
}

// encode writes the exchange as a server's span, by the semantic conventions of HTTP. Its stages are events.
func (s *span) encode(to ptrace.Span) {
	to.SetTraceID(s.trace)
	to.SetParentSpanID(s.parent)
	var id [8]byte
	_, _ = rand.Read(id[:])
	to.SetSpanID(id)
	to.SetKind(ptrace.SpanKindServer)
	to.SetName(s.name())
	to.SetStartTimestamp(pcommon.NewTimestampFromTime(s.began))
	to.SetEndTimestamp(pcommon.NewTimestampFromTime(s.began.Add(s.duration)))
	at := to.Attributes()
	s.conventions(at)
	at.PutInt("http.response.status_code", int64(s.status))
	put1(at, "http.route", s.route)
	put1(at, "whygate.pool", s.pool)
	put1(at, "whygate.answered_by", s.by)
	put1(at, "whygate.incident", s.incident)
	if s.fault.Is() {
		at.PutStr("whygate.fault.cause", s.fault.Cause.String())
		at.PutStr("whygate.fault.type", s.fault.Type.String())
		at.PutStr("whygate.fault.stage", s.fault.Stage.String())
		at.PutBool("whygate.fault.saved", s.saved)
	}
	if s.status >= 500 || s.fault.Is() && !s.saved && s.fault.Family() != fault.FamilyClient {
		to.Status().SetCode(ptrace.StatusCodeError)
		to.Status().SetMessage(s.sentence)
		kind := strconv.Itoa(s.status)
		if s.fault.Is() {
			kind = s.fault.Cause.String()
		}
		at.PutStr("error.type", kind)
	}
	s.events(to)
}

// name is the method and the route: of few values, whoever asks.
func (s *span) name() string {
	name := "HTTP"
	if known(s.method) {
		name = s.method
	}
	if s.route != "" {
		name += " " + s.route
	}
	return name
}

// known reports whether a method is one of RFC 9110 or PATCH: the others are _OTHER to the conventions.
func known(method string) bool {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH":
		return true
	}
	return false
}

// conventions writes the request's attributes.
func (r *request) conventions(to pcommon.Map) {
	switch {
	case known(r.method):
		to.PutStr("http.request.method", r.method)
	case r.method != "":
		to.PutStr("http.request.method", "_OTHER")
		to.PutStr("http.request.method_original", r.method)
	}
	put1(to, "url.scheme", r.scheme)
	path, query, _ := strings.Cut(r.target, "?")
	put1(to, "url.path", path)
	put1(to, "url.query", query)
	if host, port, err := net.SplitHostPort(r.host); err == nil {
		put1(to, "server.address", host)
		if n, err := strconv.Atoi(port); err == nil {
			to.PutInt("server.port", int64(n))
		}
	} else {
		put1(to, "server.address", r.host)
	}
	put1(to, "network.protocol.version", r.version)
	put1(to, "client.address", r.client)
	put1(to, "user_agent.original", r.agent)
	put1(to, "whygate.request_id", r.id)
}

// events writes each attempt and its stages. What an attempt spent is known, and not when it began: the attempts are put one behind the other from the
// request's first byte on.
func (s *span) events(to ptrace.Span) {
	at := s.began
	for i := range s.attempts {
		a := &s.attempts[i]
		ev := to.Events().AppendEmpty()
		ev.SetName("attempt")
		ev.SetTimestamp(pcommon.NewTimestampFromTime(at))
		m := ev.Attributes()
		m.PutInt("whygate.attempt", int64(i+1))
		put1(m, "whygate.endpoint", redact.Line(a.Endpoint))
		if host, port, err := net.SplitHostPort(a.Addr); err == nil {
			put1(m, "network.peer.address", host)
			if n, err := strconv.Atoi(port); err == nil {
				m.PutInt("network.peer.port", int64(n))
			}
		}
		if a.Status != 0 {
			m.PutInt("http.response.status_code", int64(a.Status))
		}
		m.PutBool("whygate.reused", a.Reused)
		m.PutStr("whygate.stage", a.Stage.String())
		if a.End != fault.Completed {
			m.PutStr("whygate.end", a.End.String())
		}
		if a.Hedge {
			m.PutBool("whygate.hedge", true)
		}
		for stage, spent := range a.Spent {
			if spent == 0 {
				continue
			}
			ev := to.Events().AppendEmpty()
			ev.SetName(fault.Stage(stage).String())
			ev.SetTimestamp(pcommon.NewTimestampFromTime(at))
			ev.Attributes().PutInt("whygate.attempt", int64(i+1))
			ev.Attributes().PutDouble("whygate.spent_ms", float64(spent.Microseconds())/1000)
			at = at.Add(spent)
		}
	}
}

// records encodes incidents as an ExportLogsServiceRequest, which is on the wire what LogsData is.
func (e *Exporter) records(batch []*incident.Incident) ([]byte, error) {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	e.resource(rl.Resource())
	scope := rl.ScopeLogs().AppendEmpty()
	scope.Scope().SetName(scopeName)
	scope.Scope().SetVersion(e.o.Version)
	for _, i := range batch {
		encodeIncident(scope.LogRecords().AppendEmpty(), i)
	}
	return (&plog.ProtoMarshaler{}).MarshalLogs(ld)
}

// encodeIncident writes an incident: its sentence is the body.
func encodeIncident(to plog.LogRecord, i *incident.Incident) {
	to.SetEventName("whygate.incident")
	to.SetTimestamp(pcommon.NewTimestampFromTime(i.At))
	to.SetObservedTimestamp(pcommon.NewTimestampFromTime(i.At.Add(time.Duration(i.Duration * float64(time.Millisecond)))))
	switch {
	case i.Family == fault.FamilyClient:
		to.SetSeverityNumber(plog.SeverityNumberInfo)
		to.SetSeverityText("INFO")
	case i.Saved:
		to.SetSeverityNumber(plog.SeverityNumberWarn)
		to.SetSeverityText("WARN")
	default:
		to.SetSeverityNumber(plog.SeverityNumberError)
		to.SetSeverityText("ERROR")
	}
	to.Body().SetStr(redact.Line(i.Sentence))
	if b, err := hex.DecodeString(i.Request.TraceID); err == nil && len(b) == 16 {
		to.SetTraceID(pcommon.TraceID(b))
	}
	at := to.Attributes()
	r := request{
		id: i.Request.ID, method: i.Request.Method, host: text([]byte(i.Request.Host)), target: text([]byte(i.Request.Target)), version: i.Request.Version, client: i.Request.Client,
		agent: text([]byte(i.Request.Agent)),
	}
	r.conventions(at)
	at.PutInt("http.response.status_code", int64(i.Status))
	put1(at, "http.route", i.Route)
	put1(at, "whygate.pool", i.Pool)
	at.PutStr("whygate.incident", i.ID)
	at.PutStr("whygate.fault.cause", i.Cause.String())
	at.PutStr("whygate.fault.type", i.Type.String())
	at.PutStr("whygate.fault.family", i.Family.String())
	at.PutStr("whygate.fault.stage", i.Stage.String())
	at.PutBool("whygate.fault.saved", i.Saved)
	at.PutInt("whygate.attempts", int64(len(i.Attempts)))
	if n := len(i.Attempts); n > 0 {
		put1(at, "whygate.endpoint", redact.Line(i.Attempts[n-1].Endpoint))
	}
	if len(i.Advice) > 0 {
		at.PutStr("whygate.do", i.Advice[0])
	}
	put1(at, "whygate.retry", i.Retry)
}
