package gateway

import (
	"math"
	"runtime/metrics"
	"time"
)

// schedLatencies is how long goroutines were ready to run before they ran, since the program began: a histogram in seconds.
const schedLatencies = "/sched/latencies:seconds"

// lagMeter measures how late this process is to look at what has come: where its processors have more to do than they can, an answer waits
// for its goroutine, and what it took is not the endpoint's doing alone. It is for one goroutine.
type lagMeter struct {
	sample []metrics.Sample
	before []uint64
}

func newLagMeter() *lagMeter { return &lagMeter{sample: []metrics.Sample{{Name: schedLatencies}}} }

// lagTimes is for the part of the wait that is not measured: a socket is looked at when the goroutines before it have run, and its own
// goroutine runs after those that were ready by then. Both waits are alike.
const lagTimes = 2

// read gives the lag since the last call, as a mean; 0 the first time, and where nothing ran.
func (m *lagMeter) read() time.Duration {
	metrics.Read(m.sample)
	if m.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0
	}
	h := m.sample[0].Value.Float64Histogram()
	if len(m.before) != len(h.Counts) {
		m.before = append(m.before[:0], h.Counts...)
		return 0
	}
	n, sum := 0.0, 0.0
	for i, count := range h.Counts {
		fresh := float64(count - m.before[i])
		m.before[i] = count
		low, high := max(h.Buckets[i], 0), h.Buckets[i+1]
		if math.IsInf(high, 1) {
			high = low
		}
		n += fresh
		sum += fresh * (low + high) / 2
	}
	if n == 0 {
		return 0
	}
	return time.Duration(lagTimes * sum / n * float64(time.Second))
}
