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

// Work for clients that left never takes an endpoint's last place, also where its limit is cut afterwards.
func TestClientsThatLeftKeepNobodyOut(t *testing.T) {
	l := New(1, 100*time.Millisecond, 1)
	for range int(firstLimit) {
		l.Enter(0)
	}
	for range int(firstLimit) {
		l.Left(0, &Sample{Took: time.Second, Sent: 2})
	}
	if !l.Room(0) {
		t.Fatal("there is no room for those who wait for their answer")
	}
	e := l.endpoints[0]
	e.mu.Lock()
	l.set(e, 3)
	e.mu.Unlock()
	if n := e.inFlight.Load(); n != 2 || len(e.left) != 2 {
		t.Errorf("%d of 3 in flight, %d left", n, len(e.left))
	}
	e.mu.Lock()
	e.forgive(3)
	e.mu.Unlock()
	if n := e.inFlight.Load(); n != 0 {
		t.Errorf("%d in flight, and nobody is", n)
	}
}

// A night without a request teaches nothing: the bases do not drift over it.
func TestSilenceMovesNoBase(t *testing.T) {
	l := New(1, 100*time.Millisecond, 1)
	now := mono.Time(1)
	for range 100 {
		now = now.Add(100 * time.Millisecond)
		n, _ := l.Enter(0)
		l.Answered(0, &Sample{Took: 5 * time.Millisecond, Admitted: n, Sent: now})
		l.Tick(now)
	}
	before := l.Measured(0, 0).Base
	l.Tick(now.Add(8 * time.Hour))
	if after := l.Measured(0, 0).Base; before == 0 || after > before*101/100 {
		t.Errorf("the base was %v and is %v", before, after)
	}
}
