package overload

import (
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

func waiterOf(priority int) *Waiter {
	return &Waiter{Priority: priority, Ready: make(chan Verdict, 1)}
}

// Whoever has left the queue gets no verdict any more: the next wait would take it for its own, and the one who tells it would wait for
// ever.
func TestNoVerdictComesAfterLeave(t *testing.T) {
	l := New(1, 100*time.Millisecond, mono.Now())
	l.Fix(1)
	l.Enter(0)
	for range 2000 {
		g := NewGate(l, 1, 100*time.Millisecond)
		low, high := waiterOf(3), waiterOf(0)
		g.Wait(low, mono.Now())
		var both sync.WaitGroup
		both.Go(func() { g.Wait(high, mono.Now()) })
		for g.mu.Lock(); low.queued; g.mu.Lock() {
			g.mu.Unlock()
		}
		g.mu.Unlock()
		g.Leave(low, mono.Now())
		both.Wait()
		if len(low.Ready) > 0 {
			t.Fatal("a verdict came after Leave")
		}
	}
}

// Room at an endpoint that gets no requests is none: whoever waits would be let go again and again.
func TestRoomOfEndpointsThatGetNothing(t *testing.T) {
	l := New(2, 100*time.Millisecond, mono.Now())
	l.Fix(1)
	l.Enter(0)
	g := NewGate(l, 10, 100*time.Millisecond)
	g.Open = func(mono.Time) iter.Seq[int] { return slices.Values([]int{0}) }
	w := waiterOf(0)
	if !g.Wait(w, mono.Now()) || len(w.Ready) > 0 {
		t.Error("a request was let go, and nobody has room for it")
	}
	l.Failed(0)
	g.Wake(mono.Now())
	if len(w.Ready) != 1 {
		t.Error("there is room, and nobody was let go")
	}
}
