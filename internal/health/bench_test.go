package health

import (
	"testing"
	"time"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/overload"
)

// BenchmarkWatched is everything that a request passes between its route and its answer: the choice of an endpoint by latency, the limit,
// the counts of the watcher.
func BenchmarkWatched(b *testing.B) {
	set := balance.New(3, balance.Latency)
	w := New(set, Options{Pool: "web", Names: []string{"a", "b", "c"}, Passive: EjectFailing})
	gate := overload.NewGate(overload.New(3, 100*time.Millisecond, 1), 1024, 100*time.Millisecond)
	now := mono.Time(1)
	request := func() {
		now += 1000
		i := set.Pick(nil, 0, now)
		n, _ := gate.Limiter.Enter(i)
		set.Start(i)
		set.Answered(i, 5, time.Millisecond, now)
		s := overload.Sample{Class: 5, Took: time.Millisecond, Admitted: n, Sent: now}
		gate.Limiter.Answered(i, &s)
		gate.Wake(now)
		w.Answered(i, now)
		set.Finish(i)
	}
	for range 100 {
		request()
	}
	gate.Limiter.Tick(mono.Time(time.Second))
	b.ReportAllocs()
	for b.Loop() {
		request()
	}
}
