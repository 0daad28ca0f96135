package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// routeCounts are the requests of the routes with one name, by the first digit of their status.
type routeCounts struct{ classes [classes]atomic.Uint64 }

// UseRoutes says which names of routes are counted. What is counted already goes on; a name that is gone is forgotten.
func (m *Metrics) UseRoutes(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(names) == 0 {
		m.routes.Store(nil)
		return
	}
	old := m.routes.Load()
	next := make(map[string]*routeCounts, len(names))
	for _, name := range names {
		if old != nil && (*old)[name] != nil {
			next[name] = (*old)[name]
		} else if next[name] == nil {
			next[name] = &routeCounts{}
		}
	}
	m.routes.Store(&next)
}

// countRoute counts one exchange of a route that has a name.
//
// hot: once per request.
func (m *Metrics) countRoute(r *Record) {
	routes := m.routes.Load()
	if routes == nil {
		return
	}
	if c := (*routes)[r.Route]; c != nil {
		c.classes[min(r.Status/100, classes-1)].Add(1)
	}
}

var descRoutes = prometheus.NewDesc("whygate_route_requests_total", "Requests answered, by the name of their route, and by the first digit of the status. Routes without a name are not counted.", []string{"route", "class"}, nil)

func (m *Metrics) collectRoutes(ch chan<- prometheus.Metric) {
	routes := m.routes.Load()
	if routes == nil {
		return
	}
	for name, c := range *routes {
		for class := range c.classes {
			if n := c.classes[class].Load(); n > 0 {
				ch <- prometheus.MustNewConstMetric(descRoutes, prometheus.CounterValue, float64(n), name, string(rune('0'+class))+"xx")
			}
		}
	}
}
