package telemetry

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/whygate/whygate/internal/fault"
)

func TestTotals(t *testing.T) {
	var m Metrics
	p := m.Pool("web")
	for range 100 {
		m.Count(p, &Record{Status: 200, Duration: 10 * time.Millisecond})
	}
	before := p.Totals()
	if q := (Totals{}).Quantile(0.5); q != 0 {
		t.Errorf("of nothing: %v", q)
	}
	for i := range 100 {
		r := Record{Status: 200, Duration: 100 * time.Microsecond}
		if i >= 98 {
			r = Record{Status: 502, Duration: time.Second, Fault: fault.Fault{Type: fault.TypeConnectionRefused, Cause: fault.CauseConnectionRefused, Stage: fault.Dial}}
		}
		m.Count(p, &r)
	}
	got := p.Totals().Since(before)
	if got.Requests != 100 || got.Failed != 2 {
		t.Errorf("%d requests, %d failed", got.Requests, got.Failed)
	}
	if p50, p99 := got.Quantile(0.5), got.Quantile(0.99); p50 < 50*time.Microsecond || p50 > 200*time.Microsecond || p99 < 500*time.Millisecond || p99 > 2*time.Second {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
}

// TestFaultsNameAnIncident: who scrapes OpenMetrics gets the newest incident of each counter of faults, and others get the same as ever.
func TestFaultsNameAnIncident(t *testing.T) {
	var m Metrics
	for _, id := range []string{"OLD", "NEWEST"} {
		m.Count(m.Pool("web"), &Record{Status: 502, ID: []byte(id), Incident: id, Fault: fault.Fault{Type: fault.TypeConnectionRefused, Cause: fault.CauseConnectionRefused, Stage: fault.Dial}})
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(&m)
	for accept, want := range map[string]bool{"application/openmetrics-text; version=1.0.0": true, "text/plain": false} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(w, r)
		if got := strings.Contains(w.Body.String(), `# {incident="NEWEST"} 1`); got != want || !strings.Contains(w.Body.String(), `whygate_faults_total{`) {
			t.Errorf("%s: %s", accept, w.Body.String())
		}
	}
}
