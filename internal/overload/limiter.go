// Package overload keeps a pool's endpoints from more work than they can do in time: a limit on requests in flight for each, learned
// from latency and proven by throughput, and a bounded queue for what has no room.
//
// Work that comes too late is worse than none: an endpoint that is given three times what it can do answers nobody in time, since it
// goes on working for clients that have left. The rules and their constants come from a simulation, which stands in this package's
// tests; TestGoodput and its neighbours say what they reach and where they do not.
//
// It knows no requests, endpoints or sockets: an endpoint is an index, a class of requests a number, and the time is told.
package overload

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// Classes is how many classes of requests are told apart: each has a latency of its own when nothing is wrong.
const Classes = 64

// The constants of the limiter. What they are worth, one by one, is in the simulation.
const (
	NoLimit    = 1 << 30
	minLimit   = 2.0
	firstLimit = 24.0
	allowTimes = 1.5 // an answer may take so many times what its class takes
	windowWant = 50  // samples for a decision
	windowSome = 16  // that will do after windowSoon
	windowLots = 400 // and when no more are waited for
	windowSoon = 500 * time.Millisecond
	windowLong = 5 * time.Second
	cutMost    = 0.7 // of the limit is left at least
	growFast   = 2.0
	growSlow   = 1.25
	roomKept   = 8.0  // a limit that is not reached is so many times what is in flight
	roomMost   = 16.0 // and sinks above that
	driftRate  = 0.0014
	calmFor    = 5 * time.Second
	leftFor    = 10 * time.Second // how long an endpoint is thought to work for a client that left
	leftMax    = 4096             // of them are remembered
	longWant   = 200              // answers for a measurement of throughput
	floorFor   = time.Minute
	tryAgain   = 30 * time.Second
	shedOctave = 1.0 // what an endpoint's own 503 or 429 counts for
)

// TickEvery is how often Tick is to be called.
const TickEvery = 100 * time.Millisecond

// stepMost bounds the time that one Tick accounts for: where nothing was asked for hours, nothing was learned either.
const stepMost = time.Second

// Limiter has the limits of one pool's endpoints. Its methods may be called concurrently.
type Limiter struct {
	delay     float64 // nanoseconds that an endpoint may add
	most      float64 // no limit is above it
	fixed     bool    // the limits are not learned
	used      atomic.Bool
	endpoints []*endpoint
	classes   *[Classes]class

	lag atomic.Int64 // nanoseconds that answers wait for us

	cutAt mono.Atomic // when a limit was cut last, 0 for never
	mu    sync.Mutex  // guards ticks: there is one at a time
	tick  mono.Time   // the last one
}

// class is what is known of one class of requests.
type class struct {
	base    atomic.Uint64 // bits of a float64: binary logarithm of nanoseconds; 0 while nothing is known
	allowed atomic.Uint64 // the same, of what an answer may take

	// Limiter.mu guards the rest.
	sums sums
	from mono.Time
}

// sums add up samples of a class.
type sums struct{ n, l, ll float64 }

// endpoint is the state of one endpoint.
type endpoint struct {
	limit    atomic.Int64
	inFlight atomic.Int64 // heads that are awaited, and work for clients that left
	full     atomic.Bool  // the limit was reached since the window was opened
	_        [104]byte    // what every request writes stays apart

	mu      sync.Mutex // guards the fields below
	w       window
	answers float64 // since the measurement of throughput began
	classes [Classes]sums
	left    []mono.Time // when the requests were sent whose clients left, the oldest first
	epoch   mono.Time   // samples of requests sent earlier say nothing about the limit

	// Limiter.mu guards the rest.
	size   float64 // the limit, as a number that need not be whole
	v, r   float64 // of the last window
	since  mono.Time
	n0     float64
	fullAt mono.Time
	long   long
	met    bool // an answer came
}

// window is what came since the last decision.
type window struct {
	n, v, vv, r, adm float64
	by               [Classes]sums
	opened           mono.Time
}

// New makes a limiter of n endpoints, which may add delay to what their requests take by themselves.
func New(n int, delay time.Duration, now mono.Time) *Limiter {
	l := &Limiter{delay: float64(delay), most: NoLimit, classes: new([Classes]class), tick: now}
	for range n {
		e := &endpoint{size: firstLimit}
		e.limit.Store(firstLimit)
		e.w.opened = now
		e.since, e.fullAt, e.long.from = now, now.Add(-calmFor), now
		l.endpoints = append(l.endpoints, e)
	}
	return l
}

// Carry takes over what an earlier limiter learned: from[i] is the index there of the i-th endpoint here, negative for a new one. It is
// called before the limiter is used.
func (l *Limiter) Carry(old *Limiter, from []int) {
	for i, j := range from {
		if j >= 0 {
			l.endpoints[i] = old.endpoints[j]
		}
	}
	if l.delay == old.delay {
		l.classes = old.classes
	}
	l.cutAt.Store(old.cutAt.Load())
}

// Room reports whether the endpoint may be given another request.
func (l *Limiter) Room(i int) bool {
	e := l.endpoints[i]
	return e.inFlight.Load() < e.limit.Load()
}

// Enter counts a request to the endpoint, and tells how many are in flight with it. It is false if there is no room. Each Enter
// that is true has one of Answered, Failed and Left.
//
// hot: once per attempt.
func (l *Limiter) Enter(i int) (admitted int64, ok bool) {
	e := l.endpoints[i]
	if !l.used.Load() {
		l.used.Store(true)
	}
	limit := e.limit.Load()
	n := e.inFlight.Add(1)
	if n >= limit && !e.full.Load() {
		e.full.Store(true)
	}
	if n > limit {
		e.inFlight.Add(-1)
		return n, false
	}
	return n, true
}

// Resume counts a request to the endpoint whether there is room or not: it was let in once, gave its place up with Failed while it was
// not the endpoint that kept it waiting, and is at the endpoint again. It is ended as what Enter began.
func (l *Limiter) Resume(i int) (admitted int64) {
	e := l.endpoints[i]
	n := e.inFlight.Add(1)
	if n >= e.limit.Load() && !e.full.Load() {
		e.full.Store(true)
	}
	return n
}

// Sample is one answer, as the limiter needs it.
type Sample struct {
	Class    int
	Took     time.Duration // to the response head
	Admitted int64         // what Enter said
	Sent     mono.Time
	Shed     bool // the endpoint said itself that it has too much: 429 or 503
}

// Answered ends what Enter began: the head came.
//
// hot: once per answer.
func (l *Limiter) Answered(i int, s *Sample) {
	e := l.endpoints[i]
	e.inFlight.Add(-1)
	if l.fixed {
		return
	}
	lat := log2(l.took(s))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answers++
	e.forgive(s.Sent)
	if s.Sent < e.epoch {
		return
	}
	e.classes[s.Class%Classes].add(lat)
	l.sample(e, s, lat)
	if c := l.class(s.Class); c.base.Load() != 0 {
		e.w.by[s.Class%Classes].add(lat)
	}
}

func (l *Limiter) class(n int) *class { return &l.classes[n%Classes] }

// sample puts a latency into the window, if it is known what it may be. e.mu is held.
func (l *Limiter) sample(e *endpoint, s *Sample, lat float64) {
	c := l.class(s.Class)
	bits := c.base.Load()
	if bits == 0 {
		return
	}
	base, allowed := math.Float64frombits(bits), math.Float64frombits(c.allowed.Load())
	v := lat - allowed
	if s.Shed {
		v = max(v, shedOctave)
	}
	w := &e.w
	w.n++
	w.v += v
	w.vv += v * v
	w.r += allowed - base
	w.adm += float64(s.Admitted)
}

func (s *sums) add(lat float64) {
	s.n++
	s.l += lat
	s.ll += lat * lat
}

// log2 is the binary logarithm of a duration in nanoseconds, within 0.01: the place of its leading bit, and between powers of two a
// parabola.
func log2(d time.Duration) float64 {
	ns := uint64(max(d, time.Microsecond))
	n := bits.Len64(ns) - 1
	f := float64(ns)/float64(uint64(1)<<n) - 1
	return float64(n) + f*(1.346-0.346*f)
}

// Late tells how late the gateway itself is to see an answer that has come, since it has more to do than it can. That is not the
// endpoint's doing: it is left out of what answers took. Of several values the longest counts for a while.
func (l *Limiter) Late(lag time.Duration) {
	l.lag.Store(int64(max(lag, time.Duration(l.lag.Load())*lagKept/8)))
}

// lagKept is how many eighths of a lag are kept from one Late to the next.
const lagKept = 7

// took is what an answer took but for the gateway's own lag.
func (l *Limiter) took(s *Sample) time.Duration { return s.Took - time.Duration(l.lag.Load()) }

// Failed ends what Enter began without an answer that says anything about load.
func (l *Limiter) Failed(i int) { l.endpoints[i].inFlight.Add(-1) }

// Left ends what Enter began: the client left, or the time ran out. The endpoint is thought to go on working until it answers a request
// that was sent later. A wait that was longer than allowed counts, or only those that were served in time would be measured.
func (l *Limiter) Left(i int, s *Sample) {
	e := l.endpoints[i]
	if l.fixed {
		e.inFlight.Add(-1)
		return
	}
	lat := log2(l.took(s))
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := l.class(s.Class); s.Sent >= e.epoch && c.base.Load() != 0 && lat > math.Float64frombits(c.allowed.Load()) {
		l.sample(e, s, lat)
	}
	if n := int64(len(e.left)); n >= leftMax || n >= e.limit.Load()-1 { // one place is left to those who wait for their answer
		e.inFlight.Add(-1)
		return
	}
	e.left = append(e.left, s.Sent)
}

// forgive ends the work for clients that left, of requests that were sent before then. e.mu is held.
func (e *endpoint) forgive(before mono.Time) {
	if len(e.left) == 0 {
		return
	}
	kept := e.left[:0]
	for _, sent := range e.left {
		if sent < before {
			e.inFlight.Add(-1)
		} else {
			kept = append(kept, sent)
		}
	}
	e.left = kept
}

// Calm reports whether no limit was cut of late.
func (l *Limiter) Calm(now mono.Time) bool {
	at := l.cutAt.Load()
	return at == 0 || now.Sub(at) > 2*calmFor
}

// Limits is the sum of the limits, at most most.
func (l *Limiter) Limits(most int64) int64 {
	sum := int64(0)
	for _, e := range l.endpoints {
		if sum += e.limit.Load(); sum >= most {
			return most
		}
	}
	return sum
}

// Measured is what is known of an endpoint, for who is told that there was no room.
type Measured struct {
	Limit    int64         // requests in flight; NoLimit for none
	InFlight int64         // at present
	Base     time.Duration // what requests of the class take by themselves, 0 if that is not known
	Allowed  time.Duration // and what they may take
}

// Limit is an endpoint's limit at present, 0 where it is far from any number of requests that there could be.
func (l *Limiter) Limit(i int) int64 {
	if n := l.endpoints[i].limit.Load(); n < NoLimit {
		return n
	}
	return 0
}

// Measured tells what is known of an endpoint and a class.
func (l *Limiter) Measured(i, of int) Measured {
	e, c := l.endpoints[i], l.class(of)
	m := Measured{Limit: e.limit.Load(), InFlight: e.inFlight.Load()}
	if bits := c.base.Load(); bits != 0 {
		m.Base = time.Duration(math.Exp2(math.Float64frombits(bits)))
		m.Allowed = time.Duration(math.Exp2(math.Float64frombits(c.allowed.Load())))
	}
	return m
}
