//go:build linux

package gateway_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// A failed request is told to the OpenTelemetry collector as an incident and as a span of the client's trace; after a reload that takes the
// collector away nothing is sent.
func TestCollector(t *testing.T) {
	t.Parallel()
	type told struct {
		path string
		body []byte
	}
	bodies := make(chan told, 64)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body, _ := io.ReadAll(z)
		bodies <- told{r.URL.Path, body}
	}))
	defer collector.Close()
	text := pool("127.0.0.1:0", "http://127.0.0.1:1", "")
	g := startText(t, text+"\notlp: {endpoint: "+collector.URL+"}\n")
	send := func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.address+"/cart", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		req.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	send()
	var span, record bool
	for deadline := time.After(patience); !span || !record; {
		select {
		case b := <-bodies:
			switch b.path {
			case "/v1/traces":
				td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(b.body)
				if err != nil || td.SpanCount() == 0 {
					t.Fatal(err, td.SpanCount())
				}
				s := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
				cause, _ := s.Attributes().Get("whygate.fault.cause")
				if s.TraceID().String() != "4bf92f3577b34da6a3ce929d0e0e4736" || cause.Str() != "connection-refused" || s.Events().Len() < 2 {
					t.Errorf("%s %s %d", s.TraceID(), cause.Str(), s.Events().Len())
				}
				if began := s.StartTimestamp().AsTime(); time.Since(began).Abs() > time.Minute || s.EndTimestamp().AsTime().Before(began) {
					t.Errorf("from %s to %s", began, s.EndTimestamp().AsTime())
				}
				span = true
			case "/v1/logs":
				ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(b.body)
				if err != nil || ld.LogRecordCount() == 0 {
					t.Fatal(err, ld.LogRecordCount())
				}
				l := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
				if !strings.Contains(l.Body().Str(), "refused the connection") {
					t.Errorf("%s", l.Body().Str())
				}
				record = true
			}
		case <-deadline:
			t.Fatalf("a span came: %v, an incident: %v", span, record)
		}
	}
	g.replace(text)
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	send()
	select {
	case b := <-bodies:
		t.Errorf("something was sent to %s after the reload", b.path)
	case <-time.After(1500 * time.Millisecond): // what comes is sent within a second
	}
}
