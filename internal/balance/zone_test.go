package balance

import "testing"

// Our own zone gets all requests while enough of it is in order, then as many as what is left can bear, and none where nothing is left.
func TestOwnZoneIsPreferred(t *testing.T) {
	const n = 10_000
	for _, policy := range []Policy{RoundRobin, LeastRequests, Latency, Hash} {
		s := New(6, policy)
		s.Describe([]Member{{Near: true}, {Near: true}, {Near: true}, {Near: true}, {}, {}})
		near := func() float64 {
			sum := 0
			for k := range n {
				if i := s.Pick(nil, Mix(uint64(k)+1), 2); i < 4 {
					sum++
				}
			}
			return float64(sum) / n
		}
		for out, want := range []float64{1, 1, 0.7, 0.35, 0} {
			if out > 0 {
				s.TakeOut(out-1, Unhealthy)
			}
			if got := near(); got < want-0.03 || got > want+0.03 {
				t.Errorf("policy %d with %d of 4 out: %.2f of the requests stay, want %.2f", policy, out, got, want)
			}
		}
		s.TakeOut(4, Unhealthy)
		s.TakeOut(5, Unhealthy)
		if i := s.Pick(nil, 1, 2); i < 0 {
			t.Errorf("policy %d: nobody is asked where all are out", policy)
		}
	}
}

// What was tried, or has no room, is passed over: another of the zone comes first, and then the others. Backups wait for both.
func TestZonesWithinATier(t *testing.T) {
	for _, policy := range []Policy{RoundRobin, LeastRequests, Latency, Hash} {
		s := New(4, policy)
		s.Describe([]Member{{Near: true, Tier: 1}, {}, {Near: true}, {Near: true}})
		var tried Tried
		var got []int
		for range 4 {
			i := s.Pick(&tried, 7, 1)
			got = append(got, i)
			tried.Add(i)
		}
		if got[0]+got[1] != 5 || got[2] != 1 || got[3] != 0 {
			t.Errorf("policy %d: %v", policy, got)
		}
	}
}

// A key stays with its endpoint though a part of the zone is out.
func TestZoneKeepsKeys(t *testing.T) {
	s := New(4, Hash)
	s.Describe([]Member{{Near: true}, {Near: true}, {}, {}})
	s.TakeOut(0, Unhealthy)
	for k := range uint64(100) {
		first := s.Pick(nil, Mix(k), 2)
		for range 5 {
			if i := s.Pick(nil, Mix(k), 2); i != first {
				t.Fatalf("key %d: %d, then %d", k, first, i)
			}
		}
	}
}
