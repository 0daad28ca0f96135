package telemetry

import (
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestRouteCounts: routes with a name are counted, over a reload as well, and others are not.
func TestRouteCounts(t *testing.T) {
	m := &Metrics{}
	count := func(route string, status int) { m.Count(nil, &Record{Route: route, Status: status, ID: []byte("x")}) }
	m.UseRoutes([]string{"checkout", "checkout", "static"})
	count("checkout", 200)
	count("checkout", 502)
	count("/a/*", 200)
	m.UseRoutes([]string{"checkout"})
	count("checkout", 204)
	count("static", 200)
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			if f.GetName() == "whygate_route_requests_total" {
				got[one.GetLabel()[1].GetValue()+" "+one.GetLabel()[0].GetValue()] = one.GetCounter().GetValue()
			}
		}
	}
	if want := map[string]float64{"checkout 2xx": 2, "checkout 5xx": 1}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
