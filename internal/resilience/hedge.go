package resilience

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	hedgeClasses = 64   // of requests that take about as long as each other: balance.Classes
	hedgeFirst   = 16   // buckets begin at 2^16 ns, 65 µs,
	hedgeOctaves = 20   // and end at 2^36 ns, 69 s
	hedgeShare   = 95   // percent of requests that are answered before the delay is over
	hedgeKnown   = 100  // answers that a delay is learned from at least
	hedgeFor     = 1024 // answers after which those before count half
	hedgeEvery   = 32   // answers between two looks at what was learned

	// HedgeLeast is the shortest delay that is learned: below it a second request gains nobody much.
	HedgeLeast = 10 * time.Millisecond
)

// HedgeLearned as a delay of NewHedge is what is learned from the answers.
const HedgeLearned time.Duration = -1

// Hedge says when a request has taken so long that a second one is sent beside it: after a fixed time, or after what 95 of 100 requests of its
// class take. Jeffrey Dean and Luiz Barroso, The Tail at Scale (2013), call that a hedged request, and find that it costs some 5 % more
// load. Its methods may be called concurrently.
type Hedge struct {
	fixed   time.Duration
	classes []hedgeClass
}

// hedgeClass is a histogram with two buckets for each octave. Counting is atomic, and may be off by a few where the counts are halved.
type hedgeClass struct {
	n       atomic.Uint32
	delay   atomic.Int64 // nanoseconds; 0 while too little is known
	buckets [2 * hedgeOctaves]atomic.Uint32
}

// NewHedge makes a Hedge with a delay, or HedgeLearned.
func NewHedge(delay time.Duration) *Hedge {
	h := &Hedge{fixed: delay}
	if delay == HedgeLearned {
		h.classes = make([]hedgeClass, hedgeClasses)
	}
	return h
}

// Delay is after how long a request of a class is hedged, 0 if it is not: too little is known.
//
// hot: once per request, where hedges are sent.
func (h *Hedge) Delay(class int) time.Duration {
	if h.classes == nil {
		return h.fixed
	}
	return time.Duration(h.classes[class%hedgeClasses].delay.Load())
}

// Took notes how long the first attempt of a request took to its answer, or until it was given up: one that was overtaken by its hedge counts as
// well, or the slow ones would go from what is learned and the delay would sink.
//
// hot: once per answer, where hedges are sent.
func (h *Hedge) Took(class int, took time.Duration) {
	if h.classes == nil {
		return
	}
	c := &h.classes[class%hedgeClasses]
	c.buckets[hedgeBucket(took)].Add(1)
	n := c.n.Add(1)
	if n < hedgeKnown || n%hedgeEvery != 0 && n != hedgeKnown {
		return
	}
	c.learn()
	if n >= hedgeFor && c.n.CompareAndSwap(n, n/2) {
		for i := range c.buckets {
			c.buckets[i].Store(c.buckets[i].Load() / 2)
		}
	}
}

// learn sets the delay to the end of the bucket that the last of hedgeShare percent fall into.
func (c *hedgeClass) learn() {
	total := uint64(0)
	for i := range c.buckets {
		total += uint64(c.buckets[i].Load())
	}
	sum := uint64(0)
	for i := range c.buckets {
		if sum += uint64(c.buckets[i].Load()); 100*sum >= hedgeShare*total {
			c.delay.Store(int64(max(HedgeLeast, hedgeEnd(i))))
			return
		}
	}
}

// hedgeBucket is where a time is counted: by its octave, and by which half of it.
func hedgeBucket(d time.Duration) int {
	n := uint64(max(d, 1<<hedgeFirst))
	octave := bits.Len64(n) - 1
	half := int(n>>(octave-1)) & 1
	return min(2*(octave-hedgeFirst)+half, 2*hedgeOctaves-1)
}

// hedgeEnd is where a bucket ends.
func hedgeEnd(i int) time.Duration {
	octave := hedgeFirst + i/2
	if i%2 == 0 {
		return 3 << (octave - 1)
	}
	return 1 << (octave + 1)
}
