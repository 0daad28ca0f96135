package telemetry

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

const (
	shards    = 4
	buckets   = 28 // powers of two of a microsecond: up to 134 s
	makers    = 3
	grpcCodes = 18 // the seventeen that there are, and one for what is none
	hedgesMax = 3  // what can become of a hedge
	classes   = 6  // 1xx to 5xx by their first digit
)

// timed are the stages with a histogram of their own.
var timed = [...]fault.Stage{fault.Resolve, fault.Dial, fault.TLS, fault.Write, fault.FirstByte, fault.Head, fault.Body}

type counters struct {
	requests [makers][classes]atomic.Uint64
	faults   atomic.Pointer[counted] // those that there were
	attempts atomic.Uint64
	reused   atomic.Uint64
	hedges   [hedgesMax]atomic.Uint64
	sent     atomic.Uint64
	grpc     atomic.Pointer[[grpcCodes]atomic.Uint64]
	duration histogram
	stages   [len(timed)]atomic.Pointer[histogram]
	_        [64]byte // keeps shards off each other's cache lines
}

// kind is what faults are counted by.
type kind struct {
	cause fault.Cause
	typ   fault.Type
}

// counted counts one kind of fault. It is a list: a pool has met a few kinds, and there are as many as causes times types at most.
type counted struct {
	kind
	faults atomic.Uint64
	saved  atomic.Uint64
	last   atomic.Pointer[exemplar]
	next   *counted
}

// exemplar is an incident that shows what a counter has counted.
type exemplar struct {
	incident string
	at       time.Time
}

// fault finds the counters of a kind of fault, made when it is first met.
func (c *counters) fault(k kind) *counted {
	var made *counted
	for {
		first := c.faults.Load()
		for f := first; f != nil; f = f.next {
			if f.kind == k {
				return f
			}
		}
		if made == nil {
			made = &counted{kind: k}
		}
		made.next = first
		if c.faults.CompareAndSwap(first, made) {
			return made
		}
	}
}

// histogram counts durations by powers of two of a microsecond.
type histogram struct {
	count [buckets]atomic.Uint64
	sum   atomic.Uint64 // nanoseconds
}

func (h *histogram) observe(d time.Duration) {
	ns := uint64(max(d, 0))
	h.count[min(bits.Len64(ns/1000), buckets-1)].Add(1)
	h.sum.Add(ns)
}

// filled gives what a pointer leads to, made when it is first needed.
func filled[T any](p *atomic.Pointer[T]) *T {
	if v := p.Load(); v != nil {
		return v
	}
	if v := new(T); p.CompareAndSwap(nil, v) {
		return v
	}
	return p.Load()
}

func (c *counters) attempt(e *fault.Evidence) {
	c.attempts.Add(1)
	if e.Reused {
		c.reused.Add(1)
	}
	for i, s := range timed {
		if d := e.Spent[s]; d > 0 {
			filled(&c.stages[i]).observe(d)
		}
	}
}
