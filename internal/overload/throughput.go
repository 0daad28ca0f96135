package overload

import (
	"github.com/whygate/whygate/internal/mono"
)

// long is what is known of an endpoint's throughput at its limit. It only undoes cuts that cost throughput: from one gateway a service
// that has become slower is not to be told from one that others load as well.
type long struct {
	from      mono.Time
	ticks     int
	atLimit   int
	inFlight  float64 // summed over ticks
	bestX     float64 // answers in a second, the most there were
	bestN     float64 // and how many were in flight for it
	floor     float64
	floorTill mono.Time
	trying    bool // more than the floor, since it is in force and latency is still too high
	x0        float64
	floor0    float64
	nextTry   mono.Time
}

// throughput measures over longWant answers or windowLong. e.mu is held.
func (l *Limiter) throughput(e *endpoint, now mono.Time) {
	g := &e.long
	g.ticks++
	n := e.inFlight.Load()
	g.inFlight += float64(n)
	if n >= e.limit.Load() {
		g.atLimit++
	}
	spent := now.Sub(g.from)
	if e.answers < longWant && spent < windowLong || spent < TickEvery {
		return
	}
	x, mean, limited := e.answers/spent.Seconds(), g.inFlight/float64(g.ticks), 2*g.atLimit > g.ticks
	g.from, g.ticks, g.atLimit, g.inFlight, e.answers = now, 0, 0, 0, 0
	if !limited {
		g.trying = false
		return
	}
	l.compare(e, x, mean, now)
}

// compare judges one measurement of throughput at the limit. e.mu is held.
func (l *Limiter) compare(e *endpoint, x, n float64, now mono.Time) {
	g := &e.long
	if g.trying {
		g.trying = false
		if x < 1.2*g.x0 || x < 1.1*g.bestX { // more did not help
			g.floor = g.floor0
			l.set(e, max(minLimit, g.floor))
			g.nextTry = now.Add(tryAgain)
		} else {
			g.bestX, g.bestN, g.floorTill = x, n, now.Add(floorFor)
		}
		return
	}
	switch {
	case g.bestX == 0, n >= 0.95*g.bestN && x < 0.8*g.bestX, x > 1.1*g.bestX:
		g.bestX, g.bestN = x, n // none yet, or the capacity itself fell, or rose
	case x >= 0.9*g.bestX:
		g.bestX, g.bestN = max(g.bestX, x), min(g.bestN, n)
	case x < 0.8*g.bestX && n < g.bestN: // the cut cost throughput
		g.floor, g.floorTill = max(g.bestN, minLimit), now.Add(floorFor)
		l.set(e, max(e.size, g.floor))
		e.epoch = now
		e.reopen(now)
	}
	if now < g.floorTill && e.v > 0 && e.size <= 1.2*g.floor && now >= g.nextTry {
		g.x0, g.floor0, g.trying = x, g.floor, true
		g.floor *= 1.3
		l.set(e, max(e.size, g.floor))
	}
}
