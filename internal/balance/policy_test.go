package balance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

func TestWeights(t *testing.T) {
	for _, policy := range []Policy{RoundRobin, Hash} {
		s := New(3, policy)
		s.Describe([]Member{{Weight: 1}, {Weight: 2}, {Weight: 5}})
		got := make([]float64, 3)
		for n := range uint64(8000) {
			got[s.Pick(nil, Mix(n+1), 0)]++
		}
		for i, want := range []float64{1000, 2000, 5000} {
			if math.Abs(got[i]-want) > 0.06*8000 {
				t.Errorf("policy %d: %v, want about 1:2:5", policy, got)
				break
			}
		}
	}
}

func TestWeightsOfLeastRequests(t *testing.T) {
	s := New(2, LeastRequests)
	s.Describe([]Member{{Weight: 1}, {Weight: 3}})
	for range 40 {
		s.Start(s.Pick(nil, 0, 0))
	}
	if st := s.Snapshot(nil, 0); st[0].InFlight != 10 || st[1].InFlight != 30 {
		t.Errorf("%d and %d in flight, want 10 and 30", st[0].InFlight, st[1].InFlight)
	}
}

// Each tier waits for those before it, however many there are.
func TestTiersComeInOrder(t *testing.T) {
	for _, policy := range []Policy{RoundRobin, LeastRequests, Latency, Hash} {
		s := New(4, policy)
		s.Describe([]Member{{Tier: 2}, {Tier: 1}, {}, {Tier: 5}})
		var got []int
		for range 4 {
			i := s.Pick(nil, 7, 1)
			got = append(got, i)
			s.TakeOut(i, Drained)
		}
		if fmt.Sprint(got) != "[2 1 0 3]" {
			t.Errorf("policy %d: %v", policy, got)
		}
		if i := s.Pick(nil, 7, 1); i != -1 {
			t.Errorf("policy %d: %d is drained", policy, i)
		}
	}
}

func TestBackupWaitsForTheOthers(t *testing.T) {
	for _, policy := range []Policy{RoundRobin, LeastRequests, Latency, Hash} {
		s := New(3, policy)
		s.Describe([]Member{{}, {}, {Tier: 1}})
		if got := picks(s, 30, 1); got[2] != 0 {
			t.Fatalf("policy %d: the backup got %d requests", policy, got[2])
		}
		s.Failed(0, 1)
		if got := picks(s, 30, 2); got[1] != 30 {
			t.Fatalf("policy %d: %v with one of two in order", policy, got)
		}
		s.TakeOut(1, Unhealthy)
		if got := picks(s, 30, 2); got[2] != 30 {
			t.Fatalf("policy %d: %v with only the backup in order", policy, got)
		}
	}
}

func TestDrainedIsNeverPicked(t *testing.T) {
	s := New(2, RoundRobin)
	s.TakeOut(0, Drained)
	s.TakeOut(1, Unhealthy)
	if got := picks(s, 10, 1); got[1] != 10 {
		t.Errorf("%v: the one that checks found down is asked where nobody else is left", got)
	}
	s.TakeOut(1, Drained)
	if i := s.Pick(nil, 0, 1); i != -1 {
		t.Errorf("picked %d of two that are drained", i)
	}
	s.PutBack(1, Drained, 1)
	s.PutBack(1, Unhealthy, 1)
	if got := picks(s, 10, mono.Time(time.Minute)); got[1] != 10 {
		t.Errorf("%v after it was put back", got)
	}
}

func TestEjectedStaysOutWhateverItAnswers(t *testing.T) {
	s := New(2, RoundRobin)
	s.Eject(0, 10*second)
	s.Succeeded(0, 5*second) // of a request that was under way
	if got := picks(s, 10, 6*second); got[0] != 0 {
		t.Fatalf("picked %d times while it is ejected", got[0])
	}
	if got := picks(s, 10, 10*second); got[0] != 1 {
		t.Fatalf("picked %d times at first when it is over, want 1", got[0])
	}
	if !s.Succeeded(0, 11*second) {
		t.Fatal("not told that it is back")
	}
	if got := picks(s, 1000, 11*second); got[0] < 50 || got[0] > 150 {
		t.Errorf("picked %d of 1000 times right after it is back, want about a tenth of a share", got[0])
	}
	if got := picks(s, 1000, 11*second+mono.Time(RampFor)); got[0] != 500 {
		t.Errorf("picked %d of 1000 times when the slow start is over", got[0])
	}
}

func TestSlowStartOfMostIsNone(t *testing.T) {
	old := New(1, RoundRobin)
	s := New(3, RoundRobin)
	s.Carry(old, []int{0, -1, -1}, second)
	if got := picks(s, 300, second); got[0] > 110 {
		t.Errorf("%v: the only old one does all the work", got)
	}
}

func TestHashKeepsItsKeys(t *testing.T) {
	before, after := New(5, Hash), New(4, Hash)
	for i := range uint64(5) {
		before.Identify(int(i), Mix(i+77))
	}
	for i := range uint64(4) {
		after.Identify(int(i), Mix(i+77))
	}
	moved, lost := 0, 0
	for key := range uint64(10000) {
		i, j := before.Pick(nil, Mix(key), 0), after.Pick(nil, Mix(key), 0)
		if i == 4 {
			lost++
		} else if i != j {
			moved++
		}
	}
	if moved != 0 || lost < 1800 || lost > 2200 {
		t.Errorf("%d keys moved though their endpoint stayed, %d lost theirs of 10000", moved, lost)
	}
}

func TestHashIsBounded(t *testing.T) {
	s := New(4, Hash)
	for range 100 { // one key only
		s.Start(s.Pick(nil, 42, 0))
	}
	for i, st := range s.Snapshot(nil, 0) {
		if st.InFlight > 33 {
			t.Errorf("endpoint %d has %d of 100 in flight for one key", i, st.InFlight)
		}
	}
}

// serve plays requests at a set for some time: arrivals at random, each endpoint with its own latency, and gives each one's share.
func serve(s *Set, rate float64, from, until mono.Time, took func(i int, rnd *rand.Rand) (time.Duration, bool)) []float64 {
	rnd := rand.New(rand.NewPCG(1, 2))
	type end struct {
		at     mono.Time
		i      int
		began  mono.Time
		failed bool
	}
	var running []end
	got, all := make([]float64, s.Len()), 0.0
	for now := from; now < until; {
		now += mono.Time(rnd.ExpFloat64() / rate * float64(second))
		kept := running[:0]
		for _, e := range running {
			if e.at > now {
				kept = append(kept, e)
				continue
			}
			s.Finish(e.i)
			if e.failed {
				s.Refused(e.i, e.at)
			} else {
				s.Answered(e.i, 3, e.at.Sub(e.began), e.at)
			}
		}
		running = kept
		i := s.Pick(nil, 0, now)
		s.Start(i)
		d, failed := took(i, rnd)
		running = append(running, end{now.Add(d), i, now, failed})
		if now > from+(until-from)/2 {
			got[i]++
			all++
		}
	}
	for i := range got {
		got[i] /= all
	}
	return got
}

func TestLatencyAsksTheSlowOneLess(t *testing.T) {
	s := New(3, Latency)
	share := serve(s, 1000, 1, 40*second, func(i int, rnd *rand.Rand) (time.Duration, bool) {
		d := time.Duration(rnd.ExpFloat64() * float64(2*time.Millisecond))
		if i == 1 {
			d += 300 * time.Millisecond
		}
		return d, false
	})
	if share[1] > 0.05 || share[1] == 0 {
		t.Errorf("the slow one's share is %.4f of the traffic, want 5 %% at most, and not nothing", share[1])
	}
	share = serve(s, 1000, 40*second, 100*second, func(_ int, rnd *rand.Rand) (time.Duration, bool) {
		return time.Duration(rnd.ExpFloat64() * float64(2*time.Millisecond)), false
	})
	if share[1] < 0.25 {
		t.Errorf("its share is %.4f long after it is well again", share[1])
	}
}

func TestLatencyIsNotDrawnByFastFailures(t *testing.T) {
	s := New(3, Latency)
	share := serve(s, 300, 1, 40*second, func(i int, rnd *rand.Rand) (time.Duration, bool) {
		if i == 2 {
			return time.Millisecond, true
		}
		return time.Duration(rnd.ExpFloat64() * float64(50*time.Millisecond)), false
	})
	if share[2] > 0.05 {
		t.Errorf("who fails in a millisecond gets %.3f of the traffic", share[2])
	}
}

func TestLatencyIsEvenWhereAllAreWell(t *testing.T) {
	for _, n := range []int{4, 16} {
		share := serve(New(n, Latency), 1000, 1, 20*second, func(_ int, rnd *rand.Rand) (time.Duration, bool) {
			return time.Duration(rnd.ExpFloat64() * float64(10*time.Millisecond)), false
		})
		for i, got := range share {
			if got*float64(n) < 0.7 || got*float64(n) > 1.3 {
				t.Errorf("endpoint %d of %d gets %.2f of its share", i, n, got*float64(n))
			}
		}
	}
}

func TestPoliciesAllocateNothing(t *testing.T) {
	for _, policy := range []Policy{RoundRobin, LeastRequests, Latency, Hash} {
		s := New(16, policy)
		s.Describe([]Member{{Weight: 2}})
		now := mono.Time(1)
		if n := testing.AllocsPerRun(100, func() {
			now += second / 100
			i := s.Pick(nil, uint64(now), now)
			s.Start(i)
			s.Answered(i, 5, time.Millisecond, now)
			s.Succeeded(i, now)
			s.Finish(i)
		}); n != 0 {
			t.Errorf("policy %d: %v allocations", policy, n)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	for name, policy := range map[string]Policy{"round-robin": RoundRobin, "least-requests": LeastRequests, "latency": Latency, "hash": Hash} {
		b.Run(name, func(b *testing.B) {
			s := New(3, policy)
			now := mono.Time(1)
			for b.Loop() {
				now += 1000
				i := s.Pick(nil, uint64(now), now)
				s.Start(i)
				s.Answered(i, 5, time.Millisecond, now)
				s.Succeeded(i, now)
				s.Finish(i)
			}
		})
	}
}
