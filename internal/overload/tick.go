package overload

import (
	"math"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// Tick decides: it is to be called every TickEvery.
func (l *Limiter) Tick(now mono.Time) {
	if l.fixed {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	step := min(now.Sub(l.tick), stepMost)
	l.tick = now
	for _, e := range l.endpoints {
		e.mu.Lock()
		l.expire(e, now)
		l.collect(e)
		if e.full.Load() {
			e.fullAt = now
		}
		l.begin(e)
		l.throughput(e, now)
		l.decide(e, now)
		e.mu.Unlock()
	}
	l.learn(now, step)
}

// begin makes room while not a single answer has come: nothing is known yet, and requests may be of a kind that waits for long. e.mu is
// held.
func (l *Limiter) begin(e *endpoint) {
	e.met = e.met || e.answers > 0
	if !e.met && e.full.Load() {
		l.set(e, growFast*e.size)
		e.full.Store(false)
	}
}

// expire ends the work for clients that left long ago. e.mu is held.
func (l *Limiter) expire(e *endpoint, now mono.Time) { e.forgive(now.Add(-leftFor)) }

// collect adds the endpoint's latencies to those of the classes. e.mu is held.
func (l *Limiter) collect(e *endpoint) {
	for n := range e.classes {
		s := &e.classes[n]
		if s.n == 0 {
			continue
		}
		c := l.class(n)
		c.sums.n, c.sums.l, c.sums.ll = c.sums.n+s.n, c.sums.l+s.l, c.sums.ll+s.ll
		*s = sums{}
	}
}

// set makes size the endpoint's limit. Work for clients that left keeps one place of it free. e.mu is held.
func (l *Limiter) set(e *endpoint, size float64) {
	e.size = min(size, l.most)
	limit := int64(math.Round(e.size))
	e.limit.Store(limit)
	if n := int64(len(e.left)); n > 0 && n > limit-1 {
		freed := n - max(limit-1, 0)
		e.inFlight.Add(-freed)
		e.left = append(e.left[:0], e.left[freed:]...)
	}
}

// reopen begins a new window. e.mu is held.
func (e *endpoint) reopen(now mono.Time) {
	e.w = window{opened: now}
	e.full.Store(false)
}

// decide closes the window, if it has enough, and moves the limit. e.mu is held.
func (l *Limiter) decide(e *endpoint, now mono.Time) {
	w := &e.w
	age := now.Sub(w.opened)
	if w.n < windowWant && (w.n < windowSome || age < windowSoon) && age < windowLong {
		return
	}
	full := e.full.Load()
	if w.n == 0 {
		if full && e.met { // it hangs
			l.set(e, max(minLimit, e.size/2))
			l.cutAt.Store(now)
		}
		e.reopen(now)
		return
	}
	v, r, n := w.v/w.n, w.r/w.n, w.adm/w.n
	se := math.Sqrt(max(w.vv/w.n-v*v, 0) / w.n)
	sure := v > 2*se
	if v <= 0 || n > growSlow*e.n0 {
		e.since, e.n0 = now, n
	}
	e.v, e.r = v, r
	switch {
	case v > 0 && !full: // it keeps up below its limit: it is slow, and not overloaded
		if sure && now.Sub(e.fullAt) > calmFor && now.Sub(e.since) > calmFor {
			l.accept(e)
			e.since, e.n0 = now, n
		}
	case v > 0 && !sure && w.n < windowLots && age < windowLong:
		return
	case sure && n >= minLimit:
		l.cut(e, n, v, now)
	case v > 0:
	case v < -r/2:
		l.grow(e, n, full)
	default:
		l.set(e, max(e.size, growSlow*n))
	}
	e.reopen(now)
}

// cut lowers a limit to what would have met the allowance: in a queue latency is in proportion to what was in flight at admission.
func (l *Limiter) cut(e *endpoint, n, v float64, now mono.Time) {
	floor := minLimit
	if now < e.long.floorTill {
		floor = e.long.floor
	}
	e.epoch = now
	l.cutAt.Store(now)
	l.set(e, min(e.size, max(floor, n*math.Exp2(-v), cutMost*min(e.size, n))))
}

// grow raises a limit that is in the way, or keeps it well above what is in flight, since growth without demand would be no limit when
// demand comes.
func (l *Limiter) grow(e *endpoint, n float64, full bool) {
	if full {
		l.set(e, growFast*max(e.size, n))
		return
	}
	size := max(e.size, roomKept*n)
	if size > firstLimit && size > roomMost*n {
		size = max(firstLimit, 0.9*size)
	}
	l.set(e, size)
}

// accept makes what the endpoint's classes take now their base: the service has become slower.
func (l *Limiter) accept(e *endpoint) {
	for n := range e.w.by {
		if s := &e.w.by[n]; s.n >= 8 {
			c := l.class(n)
			l.rebase(c, max(math.Float64frombits(c.base.Load()), s.l/s.n))
		}
	}
}

// rebase sets a class's base, and what follows from it.
func (l *Limiter) rebase(c *class, base float64) {
	ns := math.Exp2(base)
	c.allowed.Store(math.Float64bits(math.Log2(max(allowTimes*ns, ns+l.delay))))
	c.base.Store(math.Float64bits(base))
}

// learn lowers the bases to what was seen, and lets them drift up very slowly where all is quiet.
func (l *Limiter) learn(now mono.Time, step time.Duration) {
	quiet := true
	for _, e := range l.endpoints {
		quiet = quiet && e.v <= -e.r/4 && now.Sub(e.fullAt) > calmFor
	}
	for i := range l.classes {
		c := &l.classes[i]
		known := c.base.Load() != 0
		if known && quiet {
			l.rebase(c, math.Float64frombits(c.base.Load())+driftRate*step.Seconds())
		}
		s := c.sums
		if c.from == 0 || s.n == 0 {
			c.from = now
		}
		if s.n < 64 && (s.n < windowSome || now.Sub(c.from) < windowLong) && (known || s.n < 4) {
			continue
		}
		mean := s.l / s.n
		sd := math.Sqrt(max(s.ll/s.n-mean*mean, 0))
		upper := mean + 2*sd/math.Sqrt(s.n)
		if !known || upper < math.Float64frombits(c.base.Load()) {
			l.rebase(c, upper)
		}
		c.sums, c.from = sums{}, now
	}
}
