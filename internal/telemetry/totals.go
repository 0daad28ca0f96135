package telemetry

import (
	"math"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Totals are a pool's counters at a moment. Two of them give what happened between.
type Totals struct {
	Requests uint64
	Failed   uint64 // faults that clients saw; an upstream's own 5xx is none
	duration [buckets]uint64
}

// Totals sums the pool's counters.
func (p *Pool) Totals() (t Totals) {
	for _, c := range p.counters() {
		for by := range makers {
			for class := range classes {
				t.Requests += c.requests[by][class].Load()
			}
		}
		for f := c.faults.Load(); f != nil; f = f.next {
			if f.cause != fault.CauseNone && f.cause != fault.CauseUpstreamStatus {
				t.Failed += minus(f.faults.Load(), f.saved.Load())
			}
		}
		for i := range c.duration.count {
			t.duration[i] += c.duration.count[i].Load()
		}
	}
	return t
}

// Since gives what was counted after an earlier moment.
func (t Totals) Since(earlier Totals) Totals {
	t.Requests, t.Failed = minus(t.Requests, earlier.Requests), minus(t.Failed, earlier.Failed)
	for i := range t.duration {
		t.duration[i] = minus(t.duration[i], earlier.duration[i])
	}
	return t
}

// minus is 0 where a counter was begun anew.
func minus(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}

// Quantile estimates the time that a share q of the requests took at most; 0 where there were none. Within a bucket, which is a power of two,
// the times are taken to be spread evenly by their logarithm.
func (t Totals) Quantile(q float64) time.Duration {
	sum := uint64(0)
	for _, n := range t.duration {
		sum += n
	}
	if sum == 0 {
		return 0
	}
	rank := q * float64(sum)
	for i, n := range t.duration {
		if n > 0 && rank <= float64(n) {
			return time.Duration(math.Exp2(float64(i-1)+rank/float64(n)) * float64(time.Microsecond))
		}
		rank -= float64(n)
	}
	return time.Duration(math.Exp2(buckets-1)) * time.Microsecond
}
