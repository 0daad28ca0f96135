package balance

import (
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

const second = mono.Time(time.Second)

// picks counts how often each endpoint is picked in n requests, each of which is over before the next.
func picks(s *Set, n int, now mono.Time) []int {
	count := make([]int, s.Len())
	for range n {
		count[s.Pick(nil, 0, now)]++
	}
	return count
}

func TestRoundRobinIsEven(t *testing.T) {
	if got, want := picks(New(3, RoundRobin), 300, 0), []int{100, 100, 100}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRoundRobinSpreadsTheShareOfAFailedOne(t *testing.T) {
	s := New(4, RoundRobin)
	s.Failed(1, 0)
	if got, want := picks(s, 300, second), []int{100, 0, 100, 100}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLeastRequests(t *testing.T) {
	s := New(3, LeastRequests)
	s.Start(0)
	s.Start(0)
	s.Start(2)
	for _, want := range []int{1, 1} { // it stays the least until it starts
		if got := s.Pick(nil, 0, 0); got != want {
			t.Errorf("picked %d, want %d", got, want)
		}
	}
	s.Start(1)
	s.Finish(0)
	s.Finish(0)
	if got := s.Pick(nil, 0, 0); got != 0 {
		t.Errorf("picked %d, want 0 after it finished", got)
	}
}

func TestLeastRequestsInTurnAmongEquals(t *testing.T) {
	if got, want := picks(New(3, LeastRequests), 300, 0), []int{100, 100, 100}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTriedIsNotPickedAgain(t *testing.T) {
	for _, policy := range []Policy{RoundRobin, LeastRequests} {
		s := New(5, policy)
		s.Failed(2, 0)
		var tried Tried
		for range 5 {
			i := s.Pick(&tried, 0, 0)
			if i < 0 || tried.Has(i) {
				t.Fatalf("policy %d: picked %d, tried %v", policy, i, tried)
			}
			tried.Add(i)
			if tried.Len() < 5 && tried.Has(2) {
				t.Fatalf("policy %d: the failed one was not tried last", policy)
			}
		}
		if i := s.Pick(&tried, 0, 0); i != -1 {
			t.Errorf("policy %d: picked %d, want none", policy, i)
		}
	}
}

func TestAllFailedStillPicks(t *testing.T) {
	s := New(3, RoundRobin)
	s.Failed(1, 0)
	s.Failed(0, second)
	s.Failed(2, 2*second)
	if i := s.Pick(nil, 0, 3*second); i != 1 {
		t.Errorf("picked %d, want the one that failed longest ago", i)
	}
}

func TestEmptySet(t *testing.T) {
	for _, policy := range []Policy{RoundRobin, LeastRequests} {
		if i := New(0, policy).Pick(nil, 0, 0); i != -1 {
			t.Errorf("picked %d of none", i)
		}
	}
}

func TestFailedIsTriedByOneFirst(t *testing.T) {
	s := New(2, RoundRobin)
	s.Failed(0, 0)
	if got := picks(s, 10, mono.Time(FailedFor-1)); got[0] != 0 {
		t.Fatalf("picked %d times while it is last", got[0])
	}
	if got := picks(s, 10, mono.Time(FailedFor)); got[0] != 1 {
		t.Fatalf("picked %d times before its outcome is known, want 1", got[0])
	}
	s.Succeeded(0, mono.Time(FailedFor))
	if got := picks(s, 10, mono.Time(FailedFor)); got[0] != 5 {
		t.Errorf("picked %d times after it answered, want 5", got[0])
	}
}

func TestUnknownOutcomeIsTriedAgainLater(t *testing.T) {
	s := New(2, RoundRobin)
	s.Failed(0, 0)
	picks(s, 10, mono.Time(FailedFor)) // one of them went to it and never came back
	if got := picks(s, 10, 2*mono.Time(FailedFor)); got[0] != 1 {
		t.Errorf("picked %d times, want 1", got[0])
	}
}

func TestCarry(t *testing.T) {
	old := New(2, LeastRequests)
	old.Start(1)
	old.Failed(0, 0)
	s := New(3, LeastRequests)
	s.Carry(old, []int{1, -1, 0}, 0)
	want := []State{{InFlight: 1, Started: 1}, {}, {Failures: 1, Last: true}}
	if got := s.Snapshot(nil, 0); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	old.Finish(1) // a request that began before the reload
	if got := s.Snapshot(nil, 0)[0].InFlight; got != 0 {
		t.Errorf("%d in flight after the old set's request finished", got)
	}
}

func TestTried(t *testing.T) {
	var tried Tried
	for _, i := range []int{0, 63, 64, 255, 256, 1000} {
		if tried.Has(i) {
			t.Errorf("%d before it was added", i)
		}
		tried.Add(i)
		tried.Add(i)
		if !tried.Has(i) {
			t.Errorf("%d was added", i)
		}
	}
	if tried.Len() != 6 || tried.Has(1) || tried.Has(257) || tried.Has(5000) {
		t.Errorf("has %d", tried.Len())
	}
	if tried.Reset(); tried.Len() != 0 {
		t.Errorf("has %d after Reset", tried.Len())
	}
}

func TestConcurrently(t *testing.T) {
	for _, policy := range []Policy{RoundRobin, LeastRequests} {
		s := New(8, policy)
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for n := range mono.Time(2000) {
					now := n * second / 100
					i := s.Pick(nil, 0, now)
					if i < 0 {
						t.Error("nothing picked")
						return
					}
					s.Start(i)
					if (n+mono.Time(g))%7 == 0 {
						s.Failed(i, now)
					} else {
						s.Succeeded(i, 0)
					}
					s.Finish(i)
				}
			})
		}
		wg.Wait()
		for i, st := range s.Snapshot(nil, 0) {
			if st.InFlight != 0 {
				t.Errorf("endpoint %d has %d in flight at the end", i, st.InFlight)
			}
		}
	}
}

func TestAllocates(t *testing.T) {
	for _, policy := range []Policy{RoundRobin, LeastRequests} {
		s := New(256, policy)
		if n := testing.AllocsPerRun(100, func() {
			var tried Tried
			for range 3 {
				i := s.Pick(&tried, 0, 0)
				tried.Add(i)
				s.Start(i)
				s.Finish(i)
			}
		}); n != 0 {
			t.Errorf("policy %d: %v allocations", policy, n)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, bm := range []struct {
		name   string
		policy Policy
		n      int
	}{{"round-robin/3", RoundRobin, 3}, {"round-robin/64", RoundRobin, 64}, {"least-requests/3", LeastRequests, 3}, {"least-requests/64", LeastRequests, 64}} {
		b.Run(bm.name, func(b *testing.B) {
			s := New(bm.n, bm.policy)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := s.Pick(nil, 0, 0)
					s.Start(i)
					s.Finish(i)
				}
			})
		})
	}
}

// Where checks find every endpoint down they share the requests: one could not do the work of all. One whose own traffic fails is behind
// those, and one that is drained gets nothing.
func TestAllDownShare(t *testing.T) {
	s := New(5, RoundRobin)
	for i := range 5 {
		s.TakeOut(i, Unhealthy)
	}
	s.Failed(3, 1*second)
	s.TakeOut(4, Drained)
	var n [5]int
	for range 300 {
		n[s.Pick(nil, 0, 2*second)]++
	}
	if n != [5]int{100, 100, 100, 0, 0} {
		t.Errorf("they got %v", n)
	}
}

// PickSound takes nobody that failed, and Open yields whom requests are given.
func TestSound(t *testing.T) {
	s := New(4, RoundRobin)
	s.Failed(1, 0*second)
	s.TakeOut(2, Unhealthy)
	s.TakeOut(3, Drained)
	var tried Tried
	if i := s.PickSound(&tried, 0, 1*second); i != 0 {
		t.Errorf("%d was picked", i)
	}
	tried.Add(0)
	if i := s.PickSound(&tried, 0, 1*second); i != -1 {
		t.Errorf("%d was picked", i)
	}
	for _, tt := range []struct {
		now  mono.Time
		want []int
	}{{1 * second, []int{0}}, {20 * second, []int{0, 1}}} {
		if got := slices.Collect(s.Open(tt.now)); !slices.Equal(got, tt.want) {
			t.Errorf("open at %v: %v, want %v", tt.now, got, tt.want)
		}
	}
	s.Eject(0, 50*second)
	s.Eject(1, 50*second)
	if got := slices.Collect(s.Open(30 * second)); !slices.Equal(got, []int{0, 1, 2}) || s.Sound(30*second) {
		t.Errorf("open where nobody is in order: %v", got)
	}
}
