// Package balance chooses among the endpoints of a pool. It keeps, for each, how many requests are in flight and whether it
// failed just now.
//
// It must not know addresses, connections or faults: an endpoint is an index, and others say when it failed. All state is
// atomic; nothing here locks or allocates while requests pass.
package balance

import (
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// Policy is the way of choosing.
type Policy uint8

const (
	RoundRobin    Policy = iota // each in turn
	LeastRequests               // the one with the fewest requests in flight; in turn among equals
)

// FailedFor is how long an endpoint is tried last after it failed. A process that restarts is away for about as long,
// and without this every request in that time would first fail there. It is no more than a matter of order, so a longer
// time would gain little, while a shorter one would try a dead endpoint, and wait for it, more often.
const FailedFor = 5 * time.Second

// Set is the state of a pool's endpoints. Its methods may be called concurrently, but for Carry.
type Set struct {
	policy    Policy
	endpoints []*endpoint // pointers, so that two sets can share an endpoint over a reload
	_         [cacheLine]byte
	turn      atomic.Uint64
	_         [cacheLine]byte
}

// cacheLine keeps what different cores write apart. 128 octets are two lines: the hardware fetches neighbours in pairs.
const cacheLine = 128

// endpoint is the state of one endpoint.
type endpoint struct {
	inFlight atomic.Int64
	started  atomic.Uint64
	failed   atomic.Uint64
	until    mono.Atomic // tried last until then; 0 if it did not fail since its last success
	_        [cacheLine - 32]byte
}

// New makes a set of n endpoints, all unused.
func New(n int, policy Policy) *Set {
	s := &Set{policy: policy, endpoints: make([]*endpoint, n)}
	for i := range s.endpoints {
		s.endpoints[i] = new(endpoint)
	}
	return s
}

// Carry takes over endpoints of an earlier set: from[i] is the index in old of this set's i-th endpoint, negative for one
// that is new. The state is shared, so requests that began under the old set still count. It is called before the set is
// used.
func (s *Set) Carry(old *Set, from []int) {
	for i, j := range from {
		if j >= 0 {
			s.endpoints[i] = old.endpoints[j]
		}
	}
	s.turn.Store(old.turn.Load())
}

// Len is the number of endpoints.
func (s *Set) Len() int { return len(s.endpoints) }

// Pick gives the endpoint to try next, -1 if each was tried. now is nanoseconds of any clock that does not go back, the same for all calls.
//
// Endpoints that failed come last, the one that failed longest ago first, but they do come: to ask somebody who may be dead
// is better than to answer 503 at once. When FailedFor is over, one request tries the endpoint and the others wait for its
// outcome for another FailedFor, so that an endpoint that swallows connections costs one request its time, not all.
//
// hot: once per attempt.
func (s *Set) Pick(tried *Tried, now mono.Time) int {
	turn := s.turn.Add(1) - 1
	for range s.endpoints {
		i := s.choose(tried, now, turn)
		if i < 0 || s.claim(i, now) {
			return i
		}
	}
	return s.longestFailed(tried) // others claimed every endpoint meanwhile
}

// choose picks among the endpoints that did not fail, and where there is none, among those that did.
func (s *Set) choose(tried *Tried, now mono.Time, turn uint64) int {
	i := -1
	switch s.policy {
	case RoundRobin:
		i = s.inTurn(tried, now, turn)
	case LeastRequests:
		i = s.leastRequests(tried, now, turn)
	}
	if i < 0 {
		i = s.longestFailed(tried)
	}
	return i
}

// claim reports whether the caller may try the endpoint. It refuses one that is due again after a failure and that
// another request has just claimed.
func (s *Set) claim(i int, now mono.Time) bool {
	e := s.endpoints[i]
	until := e.until.Load()
	return until == 0 || until > now || e.until.CompareAndSwap(until, now.Add(FailedFor))
}

// inTurn counts the candidates first, so that the share of one that is left out is spread over all others, instead of
// falling to its neighbour.
func (s *Set) inTurn(tried *Tried, now mono.Time, turn uint64) int {
	n := uint64(0)
	for i := range s.endpoints {
		if s.candidate(i, tried, now) {
			n++
		}
	}
	if n == 0 {
		return -1
	}
	skip, last := turn%n, -1
	for i := range s.endpoints {
		if !s.candidate(i, tried, now) {
			continue
		}
		if last = i; skip == 0 {
			break
		}
		skip--
	}
	return last
}

func (s *Set) leastRequests(tried *Tried, now mono.Time, turn uint64) int {
	n := len(s.endpoints)
	best, fewest := -1, int64(0)
	for k := range n {
		i := int((turn + uint64(k)) % uint64(n))
		if !s.candidate(i, tried, now) {
			continue
		}
		if load := s.endpoints[i].inFlight.Load(); best < 0 || load < fewest {
			best, fewest = i, load
		}
	}
	return best
}

// longestFailed is the endpoint whose failure is longest ago, -1 if each was tried.
func (s *Set) longestFailed(tried *Tried) int {
	best, earliest := -1, mono.Time(0)
	for i, e := range s.endpoints {
		if until := e.until.Load(); !tried.Has(i) && (best < 0 || until < earliest) {
			best, earliest = i, until
		}
	}
	return best
}

// candidate reports whether the endpoint was not tried and is not to be tried last.
func (s *Set) candidate(i int, tried *Tried, now mono.Time) bool {
	return !tried.Has(i) && s.endpoints[i].until.Load() <= now
}

// Start counts a request to the endpoint as in flight. Each Start has one Finish.
func (s *Set) Start(i int) {
	e := s.endpoints[i]
	e.inFlight.Add(1)
	e.started.Add(1)
}

// Finish ends what Start began.
func (s *Set) Finish(i int) { s.endpoints[i].inFlight.Add(-1) }

// Failed notes that the endpoint failed: it is tried last for FailedFor.
func (s *Set) Failed(i int, now mono.Time) {
	e := s.endpoints[i]
	e.failed.Add(1)
	e.until.Store(now.Add(FailedFor))
}

// Succeeded notes that the endpoint answered, whatever it answered.
func (s *Set) Succeeded(i int) {
	if e := s.endpoints[i]; e.until.Load() != 0 { // read first: a write would take the line from all other cores
		e.until.Store(0)
	}
}

// State is what is known of one endpoint at a moment.
type State struct {
	InFlight int64  // requests at this moment
	Started  uint64 // requests ever
	Failures uint64 // failures ever
	Last     bool   // it failed just now and is tried last
}

// Snapshot appends the state of each endpoint, in order.
func (s *Set) Snapshot(dst []State, now mono.Time) []State {
	for _, e := range s.endpoints {
		dst = append(dst, State{e.inFlight.Load(), e.started.Load(), e.failed.Load(), e.until.Load() > now})
	}
	return dst
}
