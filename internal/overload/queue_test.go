package overload

import (
	"testing"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

func waiters(n, priority int) []*Waiter {
	out := make([]*Waiter, n)
	for i := range out {
		out[i] = &Waiter{Priority: priority}
	}
	return out
}

func TestQueueTurnsAround(t *testing.T) {
	var q Queue
	w := waiters(4, 1)
	for i, one := range w {
		if _, ok := q.Enter(one, 10, sec(float64(i)/10)); !ok {
			t.Fatal("no place")
		}
	}
	if got := q.Next(sec(0.5)); got != w[0] {
		t.Error("the oldest is not first in a burst")
	}
	if got := q.Next(sec(1.5)); got != w[3] {
		t.Error("the newest is not first once the queue has not been empty for a second")
	}
	if q.Wait(true, 100*time.Millisecond, sec(0.5)) != waitLongest || q.Wait(false, 100*time.Millisecond, sec(0.5)) != 100*time.Millisecond || q.Wait(true, 0, sec(1.5)) != waitShort {
		t.Error("the wait is not 1 s while all is calm, the delay after a cut, and 20 ms in a persistent queue")
	}
	q.Remove(w[1])
	q.Remove(w[1])
	q.Remove(w[2])
	if q.Length() != 0 || q.Next(sec(2)) != nil {
		t.Error("it is not empty")
	}
	if q.Enter(w[0], 10, sec(2)); q.persistent(sec(2.9)) {
		t.Error("it does not begin anew when it was empty")
	}
}

func TestQueueByPriority(t *testing.T) {
	var q Queue
	low, high := waiters(2, 3), waiters(3, 0)
	q.Enter(low[0], 3, 1)
	q.Enter(low[1], 3, 2)
	q.Enter(high[0], 3, 3)
	if evicted, ok := q.Enter(high[1], 3, 4); !ok || evicted != low[0] {
		t.Fatal("the oldest of the lowest priority did not give way")
	}
	if evicted, ok := q.Enter(&Waiter{Priority: 3}, 3, 5); ok || evicted != nil {
		t.Fatal("somebody gave way to one who is no more important")
	}
	for _, want := range []*Waiter{high[0], high[1], low[1]} {
		if got := q.Next(6); got != want {
			t.Fatal("not in the order of priority")
		}
	}
}

func TestQueueIsBounded(t *testing.T) {
	var q Queue
	n := 0
	for range 2 * queueMost {
		if _, ok := q.Enter(&Waiter{}, NoLimit, 1); ok {
			n++
		}
	}
	if n != queueMost {
		t.Errorf("%d wait", n)
	}
	if w := q.Expired(time.Second, mono.Time(time.Second)+1); w != nil {
		t.Error("expired too early")
	}
	for range n {
		if q.Expired(time.Second, mono.Time(time.Second)+2) == nil {
			t.Fatal("not expired")
		}
	}
}

func TestLimiterAllocatesNothing(t *testing.T) {
	l := New(3, 100*time.Millisecond, 1)
	now := mono.Time(1)
	s := &Sample{Class: 7, Took: time.Millisecond}
	play := func() {
		now += 1000
		n, _ := l.Enter(1)
		s.Admitted, s.Sent = n, now
		l.Answered(1, s)
	}
	play()
	l.Tick(sec(0.1))
	play()
	if n := testing.AllocsPerRun(1000, play); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLimiter(b *testing.B) {
	l := New(3, 100*time.Millisecond, 1)
	now := mono.Time(1)
	s := &Sample{Class: 7, Took: time.Millisecond}
	for range 10 {
		n, _ := l.Enter(1)
		s.Admitted = n
		l.Answered(1, s)
	}
	l.Tick(sec(1))
	for b.Loop() {
		now += 1000
		n, _ := l.Enter(1)
		s.Admitted, s.Sent = n, now
		l.Answered(1, s)
	}
}

func sec(t float64) mono.Time { return 1 + mono.Time(t*1e9) }
