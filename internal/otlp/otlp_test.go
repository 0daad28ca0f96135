package otlp

import (
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/telemetry"
)

// collector is what an OpenTelemetry collector is to us: it answers as it is told, and keeps what it took.
type collector struct {
	*httptest.Server
	refuse atomic.Int32 // so many requests are answered with status first
	status int

	mu    sync.Mutex
	spans []ptrace.Span
	logs  []plog.LogRecord
	names []string // service.name of each request
	auth  string
}

func collect(t *testing.T) *collector {
	c := &collector{status: http.StatusServiceUnavailable}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.refuse.Add(-1) >= 0 {
			w.WriteHeader(c.status)
			return
		}
		z, err := gzip.NewReader(r.Body)
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body, err := io.ReadAll(z)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.auth = r.Header.Get("Authorization")
		switch r.URL.Path {
		case "/v1/traces":
			td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
			if err != nil {
				t.Error(err)
				return
			}
			for _, rs := range td.ResourceSpans().All() {
				name, _ := rs.Resource().Attributes().Get("service.name")
				c.names = append(c.names, name.Str())
				for _, ss := range rs.ScopeSpans().All() {
					for _, s := range ss.Spans().All() {
						c.spans = append(c.spans, s)
					}
				}
			}
		case "/v1/logs":
			ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(body)
			if err != nil {
				t.Error(err)
				return
			}
			for _, rl := range ld.ResourceLogs().All() {
				for _, sl := range rl.ScopeLogs().All() {
					for _, l := range sl.LogRecords().All() {
						c.logs = append(c.logs, l)
					}
				}
			}
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) exporter(o Options) *Exporter {
	o.Endpoint, o.Service, o.Log = c.URL+"/", "edge", slog.New(slog.DiscardHandler)
	return New(o)
}

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

func exchange() *telemetry.Record {
	return &telemetry.Record{
		At: time.Unix(1700000000, 0), Duration: 30 * time.Millisecond, Status: 502, Method: []byte("GET"), Host: []byte("shop.example.com:8443"), Target: []byte("/cart?token=abcdefghijklmnopqrst"),
		Secure: true, Version: httpmsg.HTTP2, Client: "203.0.113.7", ID: []byte("r1"), Route: "shop", Pool: "web", Incident: "5CM75JH251", Traceparent: []byte(traceparent),
		Fault:    fault.Fault{Cause: fault.CauseConnectionRefused, Type: fault.TypeConnectionRefused, Stage: fault.Dial},
		Evidence: &fault.Evidence{Stage: fault.Dial, End: fault.Refused, Endpoint: "http://10.0.0.1:80", Addr: "10.0.0.1:80"},
		Attempts: []*fault.Evidence{
			{Stage: fault.Dial, End: fault.Refused, Endpoint: "http://10.0.0.1:80", Addr: "10.0.0.1:80", Spent: [fault.Stages]time.Duration{fault.Resolve: time.Millisecond, fault.Dial: 2 * time.Millisecond}},
			{Stage: fault.FirstByte, End: fault.Timeout, Endpoint: "http://10.0.0.2:80", Addr: "10.0.0.2:80", Spent: [fault.Stages]time.Duration{fault.Write: time.Millisecond, fault.FirstByte: 20 * time.Millisecond}},
		},
	}
}

func attribute(t *testing.T, get func(string) (string, bool), want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got, _ := get(key); got != value {
			t.Errorf("%s is %q, want %q", key, got, value)
		}
	}
}

// TestSpan: an exchange is a server's span by the conventions of HTTP, with its stages as events and without secrets.
func TestSpan(t *testing.T) {
	t.Parallel()
	c := collect(t)
	e := c.exporter(Options{Traces: true, Header: http.Header{"Authorization": {"Bearer t"}}})
	r := exchange()
	if !e.Takes(r) {
		t.Fatal("what failed is not taken")
	}
	e.Exchange(r)
	e.Close()
	if len(c.spans) != 1 || c.auth != "Bearer t" || c.names[0] != "edge" {
		t.Fatalf("%d spans of %v, as %q", len(c.spans), c.names, c.auth)
	}
	s := c.spans[0]
	if s.Name() != "GET shop" || s.Kind() != ptrace.SpanKindServer || s.TraceID().String() != "4bf92f3577b34da6a3ce929d0e0e4736" || s.ParentSpanID().String() != "00f067aa0ba902b7" || s.SpanID().IsEmpty() {
		t.Errorf("%s %s %s %s", s.Name(), s.Kind(), s.TraceID(), s.ParentSpanID())
	}
	if s.StartTimestamp().AsTime() != r.At.UTC() || s.EndTimestamp().AsTime() != r.At.Add(r.Duration).UTC() || s.Status().Code() != ptrace.StatusCodeError || !strings.Contains(s.Status().Message(), "10.0.0.1:80 refused") {
		t.Errorf("%s to %s: %s %s", s.StartTimestamp(), s.EndTimestamp(), s.Status().Code(), s.Status().Message())
	}
	attribute(t, func(k string) (string, bool) { v, ok := s.Attributes().Get(k); return v.AsString(), ok }, map[string]string{
		"http.request.method": "GET", "url.scheme": "https", "url.path": "/cart", "server.address": "shop.example.com", "server.port": "8443", "http.response.status_code": "502", "network.protocol.version": "2",
		"client.address": "203.0.113.7", "http.route": "shop", "error.type": "connection-refused", "whygate.pool": "web", "whygate.incident": "5CM75JH251", "whygate.request_id": "r1",
	})
	if q, _ := s.Attributes().Get("url.query"); strings.Contains(q.Str(), "abcdefgh") {
		t.Errorf("a secret: %s", q.Str())
	}
	var events []string
	for _, ev := range s.Events().All() {
		events = append(events, fmt.Sprint(ev.Name(), " ", ev.Timestamp().AsTime().Sub(r.At)))
	}
	if got := strings.Join(events, ", "); got != "attempt 0s, resolve 0s, dial 1ms, attempt 3ms, write 3ms, first_byte 4ms" {
		t.Errorf("%s", got)
	}
}

// TestIncidentRecord: an incident is a log record, whose body is its sentence.
func TestIncidentRecord(t *testing.T) {
	t.Parallel()
	c := collect(t)
	e := c.exporter(Options{Logs: true})
	e.Incident(&incident.Incident{
		ID: "5CM75JH251", At: time.Unix(1700000000, 0), Status: 502, Cause: fault.CauseConnectionRefused, Type: fault.TypeConnectionRefused, Family: fault.FamilyApplication, Stage: fault.Dial,
		Sentence: "10.0.0.1:80 refused the connection", Pool: "web", Advice: []string{"Start it."}, Request: incident.Request{ID: "r1", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", Method: "BREW", Host: "shop.example.com", Target: "/cart"},
		Attempts: []fault.Evidence{{Endpoint: "http://10.0.0.1:80"}},
	})
	e.Incident(&incident.Incident{ID: "A", Saved: true, Family: fault.FamilyApplication})
	e.Incident(&incident.Incident{ID: "B", Family: fault.FamilyClient})
	if e.Takes(exchange()) {
		t.Error("a span is taken where only logs are wanted")
	}
	e.Close()
	if len(c.logs) != 3 {
		t.Fatalf("%d records", len(c.logs))
	}
	l := c.logs[0]
	if l.Body().Str() != "10.0.0.1:80 refused the connection" || l.SeverityText() != "ERROR" || l.TraceID().String() != "4bf92f3577b34da6a3ce929d0e0e4736" || l.EventName() != "whygate.incident" {
		t.Errorf("%s %s %s %s", l.Body().Str(), l.SeverityText(), l.TraceID(), l.EventName())
	}
	attribute(t, func(k string) (string, bool) { v, ok := l.Attributes().Get(k); return v.AsString(), ok }, map[string]string{
		"whygate.incident": "5CM75JH251", "whygate.fault.cause": "connection-refused", "whygate.pool": "web", "http.request.method": "_OTHER", "http.request.method_original": "BREW", "whygate.do": "Start it.",
		"whygate.endpoint": "http://10.0.0.1:80", "http.response.status_code": "502", "url.path": "/cart",
	})
	if c.logs[1].SeverityText() != "WARN" || c.logs[2].SeverityText() != "INFO" {
		t.Errorf("%s, %s", c.logs[1].SeverityText(), c.logs[2].SeverityText())
	}
}

// TestCollectorComesBack: what the collector cannot take now is sent again; what it refuses for good is counted, and no second request made.
func TestCollectorComesBack(t *testing.T) {
	t.Parallel()
	c := collect(t)
	c.refuse.Store(1)
	e := c.exporter(Options{Traces: true})
	e.Exchange(exchange())
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		n := len(c.spans)
		c.mu.Unlock()
		if n == 1 {
			break
		}
	}
	if e.Close(); len(c.spans) != 1 || e.Dropped() != 0 {
		t.Errorf("%d spans came, %d lost", len(c.spans), e.Dropped())
	}
	c.status = http.StatusUnauthorized
	c.refuse.Store(1)
	e = c.exporter(Options{Traces: true})
	e.Exchange(exchange())
	if e.Close(); e.Dropped() != 1 || !e.Failing() || len(c.spans) != 1 {
		t.Errorf("%d lost, failing %v, %d came", e.Dropped(), e.Failing(), len(c.spans))
	}
}

// TestNobodyWaits: a collector that hangs holds nobody up, nor the end; what there is no room for is counted.
func TestNobodyWaits(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-gate }))
	defer s.Close()
	defer close(gate)
	e := New(Options{Endpoint: s.URL, Traces: true, Log: slog.New(slog.DiscardHandler)})
	began := time.Now()
	const all = 3 * waitingMost
	for range all {
		e.Exchange(exchange())
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%d exchanges took %s", all, took)
	}
	if began = time.Now(); true {
		e.Close()
	}
	if took := time.Since(began); took > closeTime+3*time.Second {
		t.Errorf("Close took %s", took)
	}
	if e.Dropped() != all {
		t.Errorf("%d of %d are told as lost", e.Dropped(), all)
	}
}

// TestTakes: whose spans are sent.
func TestTakes(t *testing.T) {
	t.Parallel()
	good := func(trace string) *telemetry.Record {
		return &telemetry.Record{Status: 200, ID: []byte("x"), Traceparent: []byte(trace)}
	}
	e := New(Options{Endpoint: "http://127.0.0.1:1", Traces: true, Log: slog.New(slog.DiscardHandler)})
	defer e.Close()
	if e.Takes(good("")) || e.Takes(good(traceparent)) {
		t.Error("a good exchange is taken though none is wanted")
	}
	asked := 0
	for range 10 * askedMost {
		if e.Takes(good(strings.TrimSuffix(traceparent, "0") + "1")) {
			asked++
		}
	}
	if asked < askedMost || asked > 3*askedMost { // within a second or two
		t.Errorf("traceparent asked for %d spans", asked)
	}
	sampling := New(Options{Endpoint: "http://127.0.0.1:1", Traces: true, Sample: 10, Log: slog.New(slog.DiscardHandler)})
	defer sampling.Close()
	taken := 0
	for i := range 10000 {
		if sampling.Takes(good(fmt.Sprintf("00-%032x-00f067aa0ba902b7-00", i+1))) {
			taken++
		}
	}
	if taken < 800 || taken > 1200 {
		t.Errorf("%d of 10000 are taken, want about one in ten", taken)
	}
	var none *Exporter
	if none.Takes(good("")) || none.Failing() || none.Dropped() != 0 {
		t.Error("no exporter takes something")
	}
}
