package balance

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// Classes is how many classes of requests are told apart. Requests of one class are expected to take about as long as each other, so
// that an endpoint is not taken for slow because it got the export of a year.
const Classes = 64

// The parameters of the latency policy, as a simulation chose them.
const (
	scanMax     = 8                // up to so many endpoints are all looked at; of more, two at random
	forgetIn    = 10 * time.Second // an endpoint that is not asked is thought to be e times less slow after that
	fastTime    = time.Second      // how soon a single answer counts in full where there are few
	gainLeast   = 0.1              // of an answer, where there are many
	meanGain    = 0.01             // of an answer in its class's mean, once there are a hundred
	deadZone    = 1.0              // octaves by which an endpoint may be slower without being asked less: noise
	penaltySize = 6.0              // octaves that a failure adds
)

// class is the mean of the binary logarithm of latency of one class of requests, over all endpoints.
type class struct {
	mean atomic.Uint64 // bits of a float64
	n    atomic.Uint64
}

// slowness is how much slower than the others an endpoint answers.
type slowness struct {
	octaves atomic.Uint64 // bits of a float64: the binary logarithm of how many times slower, smoothed
	at      mono.Atomic   // when that was true
	failed  mono.Atomic   // when it failed last, 0 for never
	key     atomic.Uint64 // what Hash knows it by, 0 for its index
}

// identity is what an endpoint's share of the keys depends on.
func (w *slowness) identity(i int) uint64 {
	if k := w.key.Load(); k != 0 {
		return k
	}
	return uint64(i) + 1
}

// Identify says what Hash knows an endpoint by, so that its keys stay when others come and go.
func (s *Set) Identify(i int, key uint64) { s.endpoints[i].slow.key.Store(key) }

// penalise notes a failure.
func (w *slowness) penalise(now mono.Time) { w.failed.Store(now) }

// Answered notes how long an endpoint took from the request to the response head. It does nothing under other policies.
//
// hot: once per answer, under Latency.
func (s *Set) Answered(i, of int, took time.Duration, now mono.Time) {
	if s.classes == nil {
		return
	}
	l := math.Log2(float64(max(took, time.Microsecond)))
	c := &s.classes[of%Classes]
	n := c.n.Add(1)
	mean := math.Float64frombits(c.mean.Load())
	x := l - mean
	if n == 1 {
		x = 0
		c.mean.Store(math.Float64bits(l))
	} else {
		// Two at once lose one sample, which does no harm.
		c.mean.Store(math.Float64bits(mean + max(1/float64(n), meanGain)*x))
	}
	w := &s.endpoints[i].slow
	since := now.Sub(w.at.Load())
	r := math.Float64frombits(w.octaves.Load()) * decay(since, forgetIn)
	r += max(gainLeast, 1-decay(since, fastTime)) * (x - r)
	w.octaves.Store(math.Float64bits(r))
	w.at.Store(now)
}

// Refused notes that an endpoint answered, but with a status that says that it cannot serve: it is asked less for a while under
// Latency, so that who fails fast does not draw all requests.
func (s *Set) Refused(i int, now mono.Time) { s.endpoints[i].slow.penalise(now) }

// decay is e^(-d/tau).
func decay(d, tau time.Duration) float64 {
	return math.Exp(-float64(d) / float64(tau))
}

// cost is what it means to give the endpoint one more request.
func (c *choice) cost(i int) float64 {
	e := c.s.endpoints[i]
	r := math.Float64frombits(e.slow.octaves.Load())
	if r > deadZone {
		r *= decay(c.now.Sub(e.slow.at.Load()), forgetIn)
	}
	if failed := e.slow.failed.Load(); failed != 0 {
		if ago := c.now.Sub(failed); ago < 10*forgetIn {
			r = max(r, penaltySize*decay(ago, forgetIn))
		}
	}
	cost := float64(e.inFlight.Load() + 1)
	if r > deadZone {
		cost *= math.Exp2(r - deadZone)
	}
	if c.s.weighted || c.ramps {
		cost /= c.weight(i)
	}
	return cost
}

// fastest is the endpoint that costs least, among all or among two at random; in turn among equals.
func (c *choice) fastest(turn uint64) int {
	if c.ramps {
		c.ramps = !c.young()
	}
	n := len(c.s.endpoints)
	if n > scanMax {
		if i := c.betterOfTwo(n); i >= 0 {
			return i
		}
	}
	best, least := -1, 0.0
	for k := range n {
		i := int((turn + uint64(k)) % uint64(n))
		if !c.candidate(i) {
			continue
		}
		if cost := c.cost(i); best < 0 || cost < least {
			best, least = i, cost
		}
	}
	return best
}

// betterOfTwo looks at two candidates at random, -1 if they were not found soon.
func (c *choice) betterOfTwo(n int) int {
	best, least := -1, 0.0
	for range 2 * 4 {
		i := int(rand.Uint32N(uint32(n)))
		if i == best || !c.candidate(i) {
			continue
		}
		cost := c.cost(i)
		if best < 0 {
			best, least = i, cost
			continue
		}
		if cost < least {
			return i
		}
		return best
	}
	return best
}
