package balance

import (
	"math/bits"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

const (
	// RampFor is how long an endpoint that is new, or that is back, gets less than its share: caches and compilers are cold, and
	// connections are opened anew.
	RampFor = 10 * time.Second
	// rampLeast is the share that it begins with, so that it is asked at all.
	rampLeast = 0.1
)

// choice is one look for an endpoint.
type choice struct {
	s       *Set
	tried   *Tried
	now     mono.Time
	tier    int  // among the members of this one
	side    side // of our zone, or of others
	ramps   bool // some endpoint may be in its slow start
	ignored Out  // reasons that do not count
}

// candidate reports whether the endpoint is in order and was not tried.
func (c *choice) candidate(i int) bool {
	e := c.s.endpoints[i]
	return !c.tried.Has(i) && e.until.Load() <= c.now && Out(e.out.Load())&^c.ignored == 0 && c.s.members[i].Tier == c.tier &&
		(c.side == anySide || c.s.members[i].Near == (c.side == nearSide))
}

// ramp has an endpoint begin slowly.
func (s *Set) ramp(i int, now mono.Time) {
	until := now.Add(RampFor)
	s.endpoints[i].young.Store(until)
	s.ramping.Raise(until)
}

// young reports whether most of the candidates are in their slow start: then none is, for somebody has to do the work.
func (c *choice) young() bool {
	young, all := 0, 0
	for i, e := range c.s.endpoints {
		if c.candidate(i) {
			all++
			if e.young.Load() > c.now {
				young++
			}
		}
	}
	return 2*young > all
}

// weight is the share that the endpoint is to have now.
func (c *choice) weight(i int) float64 {
	w := float64(c.s.members[i].Weight)
	if !c.ramps {
		return w
	}
	left := c.s.endpoints[i].young.Load().Sub(c.now)
	if left <= 0 {
		return w
	}
	return w * max(rampLeast, 1-float64(left)/float64(RampFor))
}

// inTurn counts the candidates first, so that the share of one that is left out is spread over all others, instead of
// falling to its neighbour.
func (c *choice) inTurn(turn uint64) int {
	n := uint64(0)
	for i := range c.s.endpoints {
		if c.candidate(i) {
			n++
		}
	}
	if n == 0 {
		return -1
	}
	skip, last := turn%n, -1
	for i := range c.s.endpoints {
		if !c.candidate(i) {
			continue
		}
		if last = i; skip == 0 {
			break
		}
		skip--
	}
	return last
}

// golden is 2^64 divided by the golden ratio: its multiples fall evenly into an interval however many of them there are.
const golden = 0x9e3779b97f4a7c15

// inWeightedTurn gives each its share of the turns, spread evenly.
func (c *choice) inWeightedTurn(turn uint64) int {
	c.ramps = c.ramps && !c.young()
	total := 0.0
	for i := range c.s.endpoints {
		if c.candidate(i) {
			total += c.weight(i)
		}
	}
	at, last := float64(turn*golden)/(1<<64)*total, -1
	for i := range c.s.endpoints {
		if !c.candidate(i) {
			continue
		}
		last = i
		if at -= c.weight(i); at < 0 {
			break
		}
	}
	return last
}

// leastRequests is the endpoint with the fewest requests for its weight.
func (c *choice) leastRequests(turn uint64) int {
	n := len(c.s.endpoints)
	uneven := c.s.weighted || c.ramps
	if c.ramps {
		c.ramps = !c.young()
	}
	best, fewest := -1, 0.0
	for k := range n {
		i := int((turn + uint64(k)) % uint64(n))
		if !c.candidate(i) {
			continue
		}
		load := float64(c.s.endpoints[i].inFlight.Load())
		if uneven {
			load = (load + 1) / c.weight(i)
		}
		if best < 0 || load < fewest {
			best, fewest = i, load
		}
	}
	return best
}

// boundedLoad is how much more than its share an endpoint may have in flight before a key goes elsewhere: the paper on consistent
// hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam) finds little movement from 1.25 on.
const boundedLoad = 1.25

// owner is the endpoint that a key belongs to: the one whose hash with it is highest, for its weight, among those that have no more
// in flight than boundedLoad allows. A key moves only if its endpoint goes, or is full.
func (c *choice) owner(key uint64) int {
	total, weights := 1.0, 0.0
	for i, e := range c.s.endpoints {
		if c.candidate(i) {
			total += float64(e.inFlight.Load())
			weights += float64(c.s.members[i].Weight)
		}
	}
	best, highest := -1, -1.0
	for i, e := range c.s.endpoints {
		if !c.candidate(i) {
			continue
		}
		w := float64(c.s.members[i].Weight)
		if float64(e.inFlight.Load()) >= max(1, boundedLoad*total*w/weights) {
			continue
		}
		if score := rendezvous(key, e.slow.identity(i), w); score > highest {
			best, highest = i, score
		}
	}
	if best < 0 { // everybody is at the bound, which moves as we look
		return c.leastRequests(key)
	}
	return best
}

// Mix spreads a key over all its bits: the finaliser of MurmurHash3.
func Mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// rendezvous is an endpoint's claim to a key, so that the highest claim falls to each in proportion to its weight: u^(1/w) for a
// uniform u, in a form without powers: -w/log2 u.
func rendezvous(key, identity uint64, w float64) float64 {
	u := Mix(key ^ Mix(identity))
	// -log2(u/2^64), by the leading bits: a straight line between powers of two is close enough to keep the order fair.
	lead := bits.LeadingZeros64(u | 1)
	fraction := float64((u|1)<<(lead+1)) / (1 << 64)
	return w / (float64(lead) + 1 - fraction + 1e-9)
}
