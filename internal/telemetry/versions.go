package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/whygate/whygate/internal/httpmsg"
)

var descVersions = prometheus.NewDesc("whygate_requests_by_version_total", "Requests answered, by the version of HTTP that they came in.", []string{"version"}, nil)

// versionCounts has a counter for each version of HTTP. It fills a line of the cache.
type versionCounts [8]atomic.Uint64

// collectVersions gives the requests by version, of those that there were.
func (m *Metrics) collectVersions(ch chan<- prometheus.Metric) {
	for v := httpmsg.HTTP10; v <= httpmsg.HTTP3; v++ {
		sum := uint64(0)
		for i := range m.versions {
			sum += m.versions[i][v].Load()
		}
		if sum > 0 {
			ch <- prometheus.MustNewConstMetric(descVersions, prometheus.CounterValue, float64(sum), v.String())
		}
	}
}
