package overload

import (
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// Gate lets a pool's requests through to endpoints that have room, and has the others wait for a short time. Its methods may be called
// concurrently.
type Gate struct {
	Limiter *Limiter
	// Open yields the endpoints that requests are given at present; nil for all. Set it before the gate is used. Room at another is none.
	Open  func(now mono.Time) iter.Seq[int]
	delay time.Duration
	most  int64 // waiting requests

	waiting atomic.Int64
	going   atomic.Int64 // told to go, and not yet at an endpoint

	mu    sync.Mutex // guards queue: it is taken only where somebody waits
	queue Queue
}

// NewGate makes a gate before a limiter's endpoints. most is how many requests may wait, at most 16,384; 0 for none.
func NewGate(l *Limiter, most int64, delay time.Duration) *Gate {
	return &Gate{Limiter: l, delay: delay, most: most}
}

// Crowded reports whether requests wait already: who comes now has to as well.
//
// hot: once per request.
func (g *Gate) Crowded() bool { return g.waiting.Load() > 0 }

// Wait puts a request into the queue. It is false if that is full. What becomes of it w.Ready says; it must have room for one verdict.
func (g *Gate) Wait(w *Waiter, now mono.Time) bool {
	most := min(g.most, queueMost)
	if !g.Limiter.Calm(now) {
		most = g.Limiter.Limits(most)
	}
	g.mu.Lock()
	evicted, ok := g.queue.Enter(w, most, now)
	g.waiting.Store(int64(g.queue.Length()))
	if evicted != nil {
		evicted.Ready <- Evicted // it has room: who has left the queue, and taken its verdict, gets no other
	}
	g.mu.Unlock()
	if ok {
		g.Wake(now) // there may have been room since it was looked for
	}
	return ok
}

// Leave takes a request out of the queue that waits no more. It may have been told to go: then that is undone.
func (g *Gate) Leave(w *Waiter, now mono.Time) {
	g.mu.Lock()
	g.queue.Remove(w)
	g.waiting.Store(int64(g.queue.Length()))
	g.mu.Unlock()
	select {
	case v := <-w.Ready:
		if v == Go {
			g.Arrived(now)
		}
	default:
	}
}

// Arrived tells that a request that was told to go has looked for an endpoint.
func (g *Gate) Arrived(now mono.Time) {
	g.going.Add(-1)
	g.Wake(now)
}

// Wake lets as many go as there is room for. It is to be called when a request has left an endpoint, and every few milliseconds while
// somebody waits.
//
// hot: once per request.
func (g *Gate) Wake(now mono.Time) {
	if g.waiting.Load() == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	room := g.rooms(now) - g.going.Load()
	for g.queue.Length() > 0 {
		wait := g.queue.Wait(Calm(g.Limiter.Calm(now)), g.delay, now) + time.Duration(g.Limiter.lag.Load())
		if w := g.queue.Expired(wait, now); w != nil {
			w.Ready <- TooLong
			continue
		}
		if room <= 0 {
			break
		}
		room--
		g.going.Add(1)
		g.queue.Next(now).Ready <- Go
	}
	g.waiting.Store(int64(g.queue.Length()))
}

// Length is how many requests wait.
func (g *Gate) Length() int64 { return g.waiting.Load() }

// RetryAfter is after how many seconds a client that was turned away may come again: not all at once.
func RetryAfter() int { return 1 + rand.IntN(3) }

// rooms is how many requests more the endpoints may be given that get any.
func (g *Gate) rooms(now mono.Time) (n int64) {
	if g.Open == nil {
		for i := range g.Limiter.endpoints {
			n += g.Limiter.rooms(i)
		}
		return n
	}
	for i := range g.Open(now) {
		n += g.Limiter.rooms(i)
	}
	return n
}

// rooms is how many requests more an endpoint may be given, at most queueMost.
func (l *Limiter) rooms(i int) int64 {
	e := l.endpoints[i]
	return min(max(e.limit.Load()-e.inFlight.Load(), 0), queueMost)
}

// Idle reports whether nothing happened since the last call and nothing is under way: then there is nothing to decide.
func (l *Limiter) Idle() bool {
	if l.used.Swap(false) {
		return false
	}
	for _, e := range l.endpoints {
		if e.inFlight.Load() > 0 {
			return false
		}
	}
	return true
}

// Fix makes the limits of all endpoints one that does not change, instead of learned ones.
func (l *Limiter) Fix(requests int64) {
	l.fixed = true
	for _, e := range l.endpoints {
		e.limit.Store(requests)
	}
}

// Cap bounds the limits that are learned.
func (l *Limiter) Cap(requests int64) {
	l.most = float64(requests)
	for _, e := range l.endpoints {
		e.mu.Lock()
		l.set(e, e.size)
		e.mu.Unlock()
	}
}
