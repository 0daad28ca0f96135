package resilience

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

const (
	windowSlots = 10          // the window is as many slots long: ten seconds
	slotLength  = time.Second // of a slot
	budgetFloor = 3           // retries per window that a pool has whatever its traffic, so that quiet ones are not left without
)

// Budget keeps retries to a share of a pool's requests over the last ten seconds or so: when everything fails, each request
// tried twice would double the load on upstreams that are already in trouble. The share and the floor are what Envoy's
// retry budget has by default.
//
// Counting a request is atomic and may be off by a few at the turn of a slot, which does no harm. The zero Budget has no
// share, only the floor.
type Budget struct {
	percent int64
	slots   [windowSlots]slot

	mu sync.Mutex // mu makes looking and taking one step in Retry, which is rare
}

// slot is what happened in one second.
type slot struct {
	second   atomic.Int64 // which one, counted from the clock's zero
	requests atomic.Int64
	retries  atomic.Int64
}

// NewBudget makes a budget of a share in percent.
func NewBudget(percent int) *Budget { return &Budget{percent: int64(percent)} }

// Request counts a request, not an attempt. now must not go back by more than the window.
//
// hot: once per request.
func (b *Budget) Request(now mono.Time) { b.slot(now).requests.Add(1) }

// Retry reports whether one more retry is within the budget, and counts it if so.
func (b *Budget) Retry(now mono.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	current := b.slot(now)
	requests, retries := b.window(now)
	if retries >= max(budgetFloor, requests*b.percent/100) {
		return false
	}
	current.retries.Add(1)
	return true
}

// GiveBack undoes a Retry of the same moment that nothing came of.
func (b *Budget) GiveBack(now mono.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slot(now).retries.Add(-1)
}

// slot is the slot of now, emptied if it was of an earlier time.
func (b *Budget) slot(now mono.Time) *slot {
	second := int64(now) / int64(slotLength)
	s := &b.slots[second%windowSlots]
	if was := s.second.Load(); was != second && s.second.CompareAndSwap(was, second) {
		s.requests.Store(0)
		s.retries.Store(0)
	}
	return s
}

// window adds up the slots that are not too old.
func (b *Budget) window(now mono.Time) (requests, retries int64) {
	second := int64(now) / int64(slotLength)
	for i := range b.slots {
		if s := &b.slots[i]; s.second.Load() > second-windowSlots {
			requests += s.requests.Load()
			retries += s.retries.Load()
		}
	}
	return requests, retries
}
