// Package balance chooses among the endpoints of a pool. It keeps, for each, how many requests are in flight, how fast it answers
// against the others, whether it failed just now, and whether others have taken it out.
//
// It must not know addresses, connections or faults: an endpoint is an index, and others say when it failed. All state is
// atomic; nothing here locks or allocates while requests pass.
package balance

import (
	"iter"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// Policy is the way of choosing.
type Policy uint8

const (
	RoundRobin    Policy = iota // each in turn
	LeastRequests               // the one with the fewest requests in flight; in turn among equals
	Latency                     // the one with the lowest product of requests in flight and how slow it is against the others
	Hash                        // the one that a key belongs to, unless it has much more to do than the others
)

// FailedFor is how long an endpoint is tried last after it failed. A process that restarts is away for about as long,
// and without this every request in that time would first fail there. It is no more than a matter of order, so a longer
// time would gain little, while a shorter one would try a dead endpoint, and wait for it, more often.
const FailedFor = 5 * time.Second

// Set is the state of a pool's endpoints. Its methods may be called concurrently, except Carry and Describe.
type Set struct {
	policy    Policy
	endpoints []*endpoint // pointers, so that two sets can share an endpoint over a reload
	members   []Member    // what the configuration says of each
	weighted  bool        // the weights differ
	lastTier  int         // the highest of the members' tiers
	zoned     bool        // some members are in our zone, and others are not
	classes   *[Classes]class
	_         [cacheLine]byte
	turn      atomic.Uint64
	ramping   mono.Atomic // until when some endpoint may be in its slow start
	_         [cacheLine]byte
}

// Member is what the configuration says of an endpoint.
type Member struct {
	Weight int  // its share against the others'; 0 counts as 1
	Tier   int  // it gets requests only while no member of a lower tier can: 0 for most, 1 for backups
	Near   bool // it is in our own zone, which is preferred
}

// cacheLine keeps what different cores write apart. 128 octets are two lines: the hardware fetches neighbours in pairs.
const cacheLine = 128

// Out is why an endpoint gets no request: a set of reasons, each set and taken back by whoever knows of it.
type Out uint32

const (
	Unhealthy Out = 1 << iota // active checks found it down: it is asked where nobody else is left
	Drained                   // somebody took it out: it is not asked at all
)

// endpoint is the state of one endpoint.
type endpoint struct {
	inFlight atomic.Int64
	started  atomic.Uint64
	failed   atomic.Uint64
	until    mono.Atomic   // tried last until then; 0 if it did not fail since its last success
	held     mono.Atomic   // an answer before then does not end that
	out      atomic.Uint32 // a set of Out
	young    mono.Atomic   // when its slow start ends, 0 for long ago
	slow     slowness
	_        [cacheLine - 88]byte
}

// New makes a set of n endpoints, all unused.
func New(n int, policy Policy) *Set {
	s := &Set{policy: policy, endpoints: make([]*endpoint, n), members: make([]Member, n)}
	for i := range s.endpoints {
		s.endpoints[i] = new(endpoint)
		s.members[i].Weight = 1
	}
	if policy == Latency {
		s.classes = new([Classes]class)
	}
	return s
}

// Describe says what each member is. It is called before the set is used.
func (s *Set) Describe(members []Member) {
	copy(s.members, members)
	for i := range s.members {
		m := &s.members[i]
		m.Weight = max(m.Weight, 1)
		s.weighted = s.weighted || m.Weight != s.members[0].Weight
		s.lastTier = max(s.lastTier, m.Tier)
		s.zoned = s.zoned || m.Near != s.members[0].Near
	}
}

// Carry takes over endpoints of an earlier set: from[i] is the index in old of this set's i-th endpoint, negative for one
// that is new, which begins slowly. The state is shared, so requests that began under the old set still count. It is called before
// the set is used.
func (s *Set) Carry(old *Set, from []int, now mono.Time) {
	for i, j := range from {
		if j >= 0 {
			s.endpoints[i] = old.endpoints[j]
		}
	}
	for i, j := range from {
		if j < 0 {
			s.ramp(i, now)
		}
	}
	if s.classes != nil && old.classes != nil {
		s.classes = old.classes
	}
	s.turn.Store(old.turn.Load())
	s.ramping.Store(max(s.ramping.Load(), old.ramping.Load()))
}

// Len is the number of endpoints.
func (s *Set) Len() int { return len(s.endpoints) }

// Pick gives the endpoint to try next, -1 if each was tried or is drained. now is nanoseconds of any clock that does not go back, the
// same for all calls. key is what Hash goes by.
//
// Endpoints that failed come last, the one that failed longest ago first, but they do come: to ask somebody who may be dead
// is better than to answer 503 at once. When FailedFor is over, one request tries the endpoint and the others wait for its
// outcome for another FailedFor, so that an endpoint that swallows connections costs one request its time, not all. A tier
// comes when no endpoint of a lower one is in order.
//
// hot: once per attempt.
func (s *Set) Pick(tried *Tried, key uint64, now mono.Time) int {
	turn := s.turn.Add(1) - 1
	if i := s.sound(tried, key, now, turn); i >= 0 {
		return i
	}
	return s.lastResort(tried, key, now, turn)
}

// PickSound is Pick without those that failed, or that checks found down: -1 if each of the others was tried.
//
// hot: once per attempt.
func (s *Set) PickSound(tried *Tried, key uint64, now mono.Time) int {
	return s.sound(tried, key, now, s.turn.Add(1)-1)
}

// sound picks among the endpoints that are in order.
func (s *Set) sound(tried *Tried, key uint64, now mono.Time, turn uint64) int {
	for range s.endpoints {
		i := s.eachOf(choice{s: s, tried: tried, now: now}, key, turn)
		if i < 0 || s.claim(i, now) {
			return i
		}
	}
	return -1 // others claimed every endpoint meanwhile
}

// eachOf picks by the policy, of a higher tier where there is nobody else.
func (s *Set) eachOf(c choice, key, turn uint64) int {
	i := s.inTier(c, key, turn)
	for i < 0 && c.tier < s.lastTier {
		c.tier++
		i = s.inTier(c, key, turn)
	}
	return i
}

// lastResort picks where no endpoint is in order: the one whose failure is longest ago. Of those that checks found down, and whose own
// traffic says nothing against them, it picks by the policy: the checks may be wrong, and one endpoint cannot do the work of all.
func (s *Set) lastResort(tried *Tried, key uint64, now mono.Time, turn uint64) int {
	i := s.longestFailed(tried)
	if i < 0 || Out(s.endpoints[i].out.Load()) != Unhealthy || s.endpoints[i].until.Load() > now {
		return i
	}
	if j := s.eachOf(choice{s: s, tried: tried, now: now, ignored: Unhealthy}, key, turn); j >= 0 {
		return j
	}
	return i
}

// Open yields the endpoints that a request can be given: those that are in order, or where none is, all that are not drained.
func (s *Set) Open(now mono.Time) iter.Seq[int] {
	return func(yield func(int) bool) {
		sound := s.Sound(now)
		for i, e := range s.endpoints {
			if sound && !e.sound(now) || Out(e.out.Load())&Drained != 0 {
				continue
			}
			if !yield(i) {
				return
			}
		}
	}
}

// Sound reports whether any endpoint is in order, as far as is known.
func (s *Set) Sound(now mono.Time) bool {
	for _, e := range s.endpoints {
		if e.sound(now) {
			return true
		}
	}
	return false
}

// sound reports whether the endpoint is in order, or due to be tried again.
func (e *endpoint) sound(now mono.Time) bool { return e.out.Load() == 0 && e.until.Load() <= now }

// among picks by the policy.
func (s *Set) among(c choice, key, turn uint64) int {
	c.ramps = c.now < s.ramping.Load()
	switch s.policy {
	case LeastRequests:
		return c.leastRequests(turn)
	case Latency:
		return c.fastest(turn)
	case Hash:
		return c.owner(key)
	}
	if s.weighted || c.ramps {
		return c.inWeightedTurn(turn)
	}
	return c.inTurn(turn)
}

// claim reports whether the caller may try the endpoint. It refuses one that is due again after a failure and that
// another request has just claimed.
func (s *Set) claim(i int, now mono.Time) bool {
	e := s.endpoints[i]
	until := e.until.Load()
	return until == 0 || until > now || e.until.CompareAndSwap(until, now.Add(FailedFor))
}

// longestFailed is the endpoint whose failure is longest ago, -1 if each was tried or is drained. One that checks found down comes
// behind all others.
func (s *Set) longestFailed(tried *Tried) int {
	best, earliest, worst := -1, mono.Time(0), false
	for i, e := range s.endpoints {
		out := Out(e.out.Load())
		if tried.Has(i) || out&Drained != 0 {
			continue
		}
		until, down := e.until.Load(), out&Unhealthy != 0
		if best < 0 || worst && !down || worst == down && until < earliest {
			best, earliest, worst = i, until, down
		}
	}
	return best
}

// Usable reports whether an endpoint may be preferred: it is in order, as far as is known.
func (s *Set) Usable(i int, now mono.Time) bool {
	return i >= 0 && i < len(s.endpoints) && s.endpoints[i].out.Load() == 0 && s.endpoints[i].until.Load() == 0
}

// Start counts a request to the endpoint as in flight, and tells how many are, with it. Each Start has one Finish.
func (s *Set) Start(i int) int64 {
	e := s.endpoints[i]
	e.started.Add(1)
	return e.inFlight.Add(1)
}

// Finish ends what Start began.
func (s *Set) Finish(i int) { s.endpoints[i].inFlight.Add(-1) }

// Failed notes that the endpoint failed: it is tried last for FailedFor.
func (s *Set) Failed(i int, now mono.Time) {
	e := s.endpoints[i]
	e.failed.Add(1)
	e.until.Raise(now.Add(FailedFor))
	e.slow.penalise(now)
}

// Eject has the endpoint tried last until then, whatever it answers meanwhile. One request tries it after that.
func (s *Set) Eject(i int, until mono.Time) {
	s.endpoints[i].held.Raise(until)
	s.endpoints[i].until.Raise(until)
}

// Readmit ends an ejection before its time: the endpoint begins slowly.
func (s *Set) Readmit(i int, now mono.Time) {
	s.endpoints[i].held.Store(0)
	s.endpoints[i].until.Store(0)
	s.ramp(i, now)
}

// Succeeded notes that the endpoint answered, whatever it answered. It reports whether that ended an ejection: then the endpoint
// begins slowly.
func (s *Set) Succeeded(i int, now mono.Time) bool {
	e := s.endpoints[i]
	until := e.until.Load()
	if until == 0 { // read first: a write would take the line from all other cores
		return false
	}
	held := e.held.Load()
	if held > now || !e.until.CompareAndSwap(until, 0) || held == 0 || !e.held.CompareAndSwap(held, 0) {
		return false
	}
	s.ramp(i, now)
	return true
}

// TakeOut gives a reason for an endpoint to get no request, and PutBack takes it away again.
func (s *Set) TakeOut(i int, why Out) { s.endpoints[i].out.Or(uint32(why)) }

// PutBack takes a reason away that TakeOut gave. An endpoint without any left begins slowly.
func (s *Set) PutBack(i int, why Out, now mono.Time) {
	e := s.endpoints[i]
	if was := e.out.And(^uint32(why)); was == uint32(why) {
		e.until.Store(0)
		e.held.Store(0)
		s.ramp(i, now)
	}
}

// State is what is known of one endpoint at a moment.
type State struct {
	InFlight int64  // requests at this moment
	Started  uint64 // requests ever
	Failures uint64 // failures ever
	Last     bool   // it failed just now and is tried last
	Out      Out    // why it gets no request, 0 for no reason
}

// Snapshot appends the state of each endpoint, in order.
func (s *Set) Snapshot(dst []State, now mono.Time) []State {
	for _, e := range s.endpoints {
		dst = append(dst, State{e.inFlight.Load(), e.started.Load(), e.failed.Load(), e.until.Load() > now, Out(e.out.Load())})
	}
	return dst
}
