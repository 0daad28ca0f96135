package resilience

import (
	"sync"
	"testing"
	"time"
)

// A delay is learned from what 95 of 100 requests take, within the half of an octave that a bucket has, and follows when that changes.
func TestHedgeLearnsItsDelay(t *testing.T) {
	h := NewHedge(HedgeLearned)
	feed := func(n int, usual, slow time.Duration) {
		for i := range n {
			if i%50 == 0 { // 2 of 100
				h.Took(3, slow)
			} else {
				h.Took(3, usual)
			}
		}
	}
	feed(hedgeKnown-1, 20*time.Millisecond, time.Second)
	if d := h.Delay(3); d != 0 {
		t.Errorf("%v after %d answers", d, hedgeKnown-1)
	}
	feed(1000, 20*time.Millisecond, time.Second)
	if d := h.Delay(3); d < 20*time.Millisecond || d > 30*time.Millisecond {
		t.Errorf("%v, want 20 to 30 ms", d)
	}
	if d := h.Delay(4); d != 0 {
		t.Errorf("another class has %v", d)
	}
	feed(10_000, 200*time.Millisecond, time.Second)
	if d := h.Delay(3); d < 200*time.Millisecond || d > 300*time.Millisecond {
		t.Errorf("%v, want 200 to 300 ms", d)
	}
	feed(10_000, 100*time.Microsecond, time.Second)
	if d := h.Delay(3); d != HedgeLeast {
		t.Errorf("%v, want %v", d, HedgeLeast)
	}
	if d := NewHedge(7 * time.Millisecond).Delay(3); d != 7*time.Millisecond {
		t.Errorf("a set delay is %v", d)
	}
}

func TestHedgeBuckets(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 65 * time.Microsecond, time.Millisecond, 1100 * time.Microsecond, 1500 * time.Microsecond, time.Second, 40 * time.Second} {
		i := hedgeBucket(d)
		if end := hedgeEnd(i); d > end || i > 0 && i < 2*hedgeOctaves-1 && d < hedgeEnd(i-1) {
			t.Errorf("%v is in bucket %d, which ends at %v", d, i, end)
		}
	}
	if i := hedgeBucket(24 * time.Hour); i != 2*hedgeOctaves-1 {
		t.Errorf("a day is in bucket %d", i)
	}
}

func TestHedgeMayBeUsedAtOnce(t *testing.T) {
	h := NewHedge(HedgeLearned)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5000 {
				h.Took(0, 20*time.Millisecond)
				h.Delay(0)
			}
		})
	}
	all.Wait()
	if d := h.Delay(0); d < 20*time.Millisecond || d > 30*time.Millisecond {
		t.Errorf("%v", d)
	}
	if n := testing.AllocsPerRun(100, func() { h.Took(0, time.Millisecond); h.Delay(0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
