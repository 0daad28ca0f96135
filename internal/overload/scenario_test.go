//go:build !race

// The simulation is one goroutine with a clock of its own: there is nothing for the race detector, which makes it twenty times as slow.

package overload

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// Two and three gateways in front of the same endpoints share them, also where one comes in the middle of the overload.
func TestGatewaysShare(t *testing.T) {
	for _, tt := range []struct {
		name     string
		gateways int
		joins    float64 // when the last one begins
		draw     service
	}{{"two", 2, 0, exp}, {"two, det", 2, 0, det}, {"three", 3, 0, exp}, {"one joins", 2, 20, exp}} {
		t.Run(tt.name, func(t *testing.T) {
			least := 1.0
			mean, _ := average(t, func(seed uint64) result {
				s := newSim(seed, tt.gateways, 3, 8)
				s.from = sec(tt.joins + 20)
				for k, g := range s.gateways {
					from := 0.0
					if k == tt.gateways-1 {
						from = tt.joins
					}
					s.offer(g, 1440/float64(tt.gateways), from, tt.joins+50, tt.draw)
				}
				s.run(tt.joins + 50)
				total := 0
				for _, g := range s.gateways {
					total += g.counted.good
				}
				for _, g := range s.gateways {
					least = min(least, float64(g.counted.good)/float64(total)*float64(tt.gateways))
				}
				return resultOf(30, 480, s.gateways...)
			})
			t.Logf("goodput %.1f, p99 %.0f, the smallest share is %.2f of a fair one", mean.goodput, mean.p99, least)
			if mean.goodput < 95 || least < 0.25 {
				t.Errorf("goodput is %.1f %%, the smallest share %.2f of a fair one", mean.goodput, least)
			}
		})
	}
}

// A service that becomes five times slower, and is not overloaded, is accepted: nobody is refused for it.
func TestSlowerServiceIsAccepted(t *testing.T) {
	for _, sv := range services[:2] {
		t.Run(sv.name, func(t *testing.T) {
			mean, _ := average(t, func(seed uint64) result {
				s := newSim(seed, 1, 3, 8)
				s.from = sec(35)
				s.offer(s.gateways[0], 0.5*480, 0, 20, sv.draw)
				s.offer(s.gateways[0], 0.9*96, 20, 60, times(5, sv.draw))
				s.run(60)
				return resultOf(25, 96, s.gateways[0])
			})
			t.Logf("goodput %.1f, refused %.2f", mean.goodput, mean.refused)
			if mean.refused > 1.5 || mean.goodput < 97 {
				t.Errorf("goodput %.1f %%, refused %.2f %%", mean.goodput, mean.refused)
			}
		})
	}
}

// It becomes slower and is overloaded as well: cuts that cost throughput are undone.
func TestSlowerAndOverloaded(t *testing.T) {
	mean, _ := average(t, func(seed uint64) result {
		s := newSim(seed, 1, 3, 8)
		s.from = sec(35)
		s.offer(s.gateways[0], 0.5*480, 0, 20, det)
		s.offer(s.gateways[0], 2.5*96, 20, 80, times(5, det))
		s.run(80)
		return resultOf(45, 96, s.gateways[0])
	})
	t.Logf("goodput %.1f", mean.goodput)
	if mean.goodput < 80 {
		t.Errorf("goodput %.1f %%", mean.goodput)
	}
}

// A long incident moves nothing: the last part of it is like the first.
func TestLongIncident(t *testing.T) {
	minutes := 6.0
	if os.Getenv("SIMULATION_SEEDS") != "" {
		minutes = 60
	}
	drift := 0.0
	mean, _ := average(t, func(seed uint64) result {
		s := newSim(seed, 1, 1, 4)
		g := s.gateways[0]
		s.offer(g, 2*80, 0, 60*minutes, exp)
		s.run(60)
		before := math.Float64frombits(g.limiter.classes[0].base.Load())
		s.run(60 * (minutes - 1))
		drift = max(drift, math.Float64frombits(g.limiter.classes[0].base.Load())-before)
		g.counted = counted{}
		s.run(60 * minutes)
		return resultOf(60, 80, g)
	})
	t.Logf("goodput %.1f, p99 %.0f, the base drifts by %.3f octaves", mean.goodput, mean.p99, drift)
	if mean.goodput < 95 || mean.p99 > 1000 || drift > 0.3 {
		t.Errorf("goodput %.1f %%, p99 %.0f ms, the base drifted by %.3f octaves", mean.goodput, mean.p99, drift)
	}
}

// A step from half to three times the capacity costs next to nothing, and neither does the step back.
func TestStep(t *testing.T) {
	up, _ := average(t, func(seed uint64) result {
		s := newSim(seed, 1, 3, 8)
		s.from = sec(20)
		s.offer(s.gateways[0], 240, 0, 20, exp)
		s.offer(s.gateways[0], 1440, 20, 25, exp)
		s.run(25)
		return resultOf(5, 480, s.gateways[0])
	})
	down, _ := average(t, func(seed uint64) result {
		s := newSim(seed, 1, 3, 8)
		s.from = sec(41)
		s.offer(s.gateways[0], 1440, 0, 40, exp)
		s.offer(s.gateways[0], 240, 40, 60, exp)
		s.run(60)
		return resultOf(19, 480, s.gateways[0])
	})
	t.Logf("up: goodput %.1f; down: refused %.2f, p99 %.0f", up.goodput, down.refused, down.p99)
	if up.goodput < 95 || down.refused > 0.5 || down.p99 > 400 {
		t.Errorf("up: goodput %.1f %%; down: refused %.2f %%, p99 %.0f ms", up.goodput, down.refused, down.p99)
	}
}

// What matters more is served first: at three times the capacity a fifth of the requests, which are of priority 0, nearly all get through.
func TestPriorities(t *testing.T) {
	got := 0.0
	mean, _ := average(t, func(seed uint64) result {
		s := newSim(seed, 1, 3, 8)
		s.from = sec(5)
		s.priority = func(r *rand.Rand) int {
			if r.Float64() < 0.2 {
				return 0
			}
			return 2
		}
		g := s.gateways[0]
		s.offer(g, 1440, 0, 25, exp)
		s.run(25)
		got += float64(g.counted.byPriority[0]) / (0.2 * float64(g.counted.offered)) / float64(seeds(t))
		return resultOf(20, 480, g)
	})
	t.Logf("goodput %.1f, of priority 0 %.2f", mean.goodput, got)
	if got < 0.9 || mean.goodput < 95 {
		t.Errorf("%.2f of priority 0 are served, goodput is %.1f %%", got, mean.goodput)
	}
}

// Clients that leave early, and an endpoint of one slot with requests of a second: where no adaptive algorithm does well, it does not
// collapse either.
func TestHardCases(t *testing.T) {
	leavers, _ := average(t, func(seed uint64) result {
		s := newSim(seed, 1, 3, 8)
		s.leavers, s.from = 0.2, sec(5)
		s.offer(s.gateways[0], 1440, 0, 25, exp)
		s.run(25)
		return resultOf(20, 480, s.gateways[0])
	})
	single, _ := average(t, func(seed uint64) result {
		s := newSim(seed, 1, 1, 1)
		s.from = sec(20)
		s.offer(s.gateways[0], 3, 0, 120, times(20, det))
		s.run(120)
		return resultOf(100, 1, s.gateways[0])
	})
	t.Logf("leavers: goodput %.1f; one slot of 1 s: %.1f", leavers.goodput, single.goodput)
	if leavers.goodput < 90 || single.goodput < 15 {
		t.Errorf("leavers: goodput %.1f %%; one slot of 1 s: %.1f %%", leavers.goodput, single.goodput)
	}
}

// Requests that wait for long by their nature, and have answered nothing yet, are not kept out.
func TestLongPollsAreLetIn(t *testing.T) {
	s := newSim(1, 1, 1, 100_000)
	s.patience = time.Minute
	g := s.gateways[0]
	s.offer(g, 500, 0, 4, func(*rand.Rand) (int, time.Duration) { return 0, 30 * time.Second })
	s.run(10)
	if r := resultOf(10, 500, g); r.refused > 0.5 {
		t.Errorf("%.1f %% of the requests that wait for 30 s are refused", r.refused)
	}
}
