package resilience

import (
	"sync"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// Rate limits how many requests each of many keys may make in a time, in bounded memory: it remembers so many sets of rateWays keys, and
// forgets first who has been quiet for longest, who then begins anew. It is the generic cell rate algorithm (ITU-T I.371): each
// request moves a moment on by a part of the time, and there is no room while that moment is too far ahead. So a key may make all of its
// requests at once, and gets room for one after another then.
type Rate struct {
	limit int64
	step  time.Duration // between two requests of one key at the limit
	ahead time.Duration // how far its moment may be ahead

	locks [rateLocks]sync.Mutex // each guards the sets whose number it divides
	sets  []rateSet             // a power of two
}

// Keys is how many keys a Rate is for.
type Keys int

// The kinds of Keys.
const (
	ManyKeys Keys = rateSets // the memory for them is half a megabyte
	OneKey   Keys = 1
)

const (
	rateSets  = 4096 // a power of two
	rateWays  = 8
	rateLocks = 64
)

// rateSet has the keys that share a place.
type rateSet [rateWays]struct {
	key  uint64
	next mono.Time // the moment; 0 for an empty place
}

// NewRate makes a limit of so many requests in a time for each key.
func NewRate(limit int64, in time.Duration, keys Keys) *Rate {
	step := max(in/time.Duration(limit), 1)
	return &Rate{limit: limit, step: step, ahead: in - step, sets: make([]rateSet, keys)}
}

// Limit is how many requests a key may make in the time.
func (r *Rate) Limit() int64 { return r.limit }

// Allow reports whether a key may make a request now, and if not, after which time it may.
//
// hot: once per request of a route with a limit.
func (r *Rate) Allow(key uint64, now mono.Time) (wait time.Duration, ok bool) {
	at := key % uint64(len(r.sets))
	mu := &r.locks[at%rateLocks]
	mu.Lock()
	defer mu.Unlock()
	set := &r.sets[at]
	place := 0
	for i := range set {
		if set[i].next != 0 && set[i].key == key {
			place = i
			break
		}
		if set[i].next < set[place].next {
			place = i
		}
	}
	p := &set[place]
	if p.key != key || p.next < now {
		p.key, p.next = key, now
	}
	if early := p.next.Sub(now) - r.ahead; early > 0 {
		return early, false
	}
	p.next = p.next.Add(r.step)
	return 0, true
}
