//go:build !race

// The simulation is one goroutine with a clock of its own: there is nothing for the race detector, which makes it twenty times as slow.

package overload

import (
	"os"
	"strconv"
	"testing"
)

// seeds is how many runs each row of the simulation has: a few, or as many as SIMULATION_SEEDS says.
func seeds(t *testing.T) uint64 {
	if s := os.Getenv("SIMULATION_SEEDS"); s != "" {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil || n == 0 {
			t.Fatalf("SIMULATION_SEEDS must be a number of runs, not %q", s)
		}
		return n
	}
	return 3
}

// average plays a run with each seed, and gives the means.
func average(t *testing.T, play func(seed uint64) result) (mean, worst result) {
	n := seeds(t)
	worst.goodput = 1e9
	for i := range n {
		r := play(1000 + i)
		mean.goodput += r.goodput / float64(n)
		mean.refused += r.refused / float64(n)
		mean.p50 += r.p50 / float64(n)
		mean.p99 += r.p99 / float64(n)
		worst.goodput, worst.refused = min(worst.goodput, r.goodput), max(worst.refused, r.refused)
	}
	return mean, worst
}

// grid is one row: 3 endpoints of 8 slots, 25 s from a cold start under the load, the first 5 s not counted.
func grid(seed uint64, load float64, draw service) result {
	s := newSim(seed, 1, 3, 8)
	s.from = sec(5)
	s.offer(s.gateways[0], 480*load, 0, 25, draw)
	s.run(25)
	return resultOf(20, 480, s.gateways[0])
}

var services = []struct {
	name string
	draw service
}{{"det", det}, {"exp", exp}, {"logn", logn}, {"bi2", bi2}, {"mix", mix}}

// At 0.9 times the capacity next to nobody is refused, whatever the service is like.
func TestRefusesNextToNobody(t *testing.T) {
	for _, sv := range services {
		t.Run(sv.name, func(t *testing.T) {
			mean, worst := average(t, func(seed uint64) result { return grid(seed, 0.9, sv.draw) })
			t.Logf("goodput %.2f, refused %.2f (worst %.2f), p50 %.0f, p99 %.0f", mean.goodput, mean.refused, worst.refused, mean.p50, mean.p99)
			if mean.refused > 1.3 {
				t.Errorf("%.2f %% are refused", mean.refused)
			}
		})
	}
}

// At 1.2 to 10 times the capacity all of it is used for clients that wait for it.
func TestGoodput(t *testing.T) {
	for _, sv := range services {
		for _, load := range []float64{1.2, 2, 3, 10} {
			t.Run(sv.name+strconv.FormatFloat(load, 'f', 1, 64), func(t *testing.T) {
				mean, worst := average(t, func(seed uint64) result { return grid(seed, load, sv.draw) })
				t.Logf("goodput %.2f (worst %.2f), refused %.2f, p50 %.0f, p99 %.0f", mean.goodput, worst.goodput, mean.refused, mean.p50, mean.p99)
				if mean.goodput < 95 {
					t.Errorf("goodput is %.2f %%", mean.goodput)
				}
			})
		}
	}
}
