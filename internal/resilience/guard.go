package resilience

import "sync/atomic"

// Guard limits how many may be inside at a time: connections, or requests in flight. The zero Guard lets everybody in and
// counts them.
type Guard struct {
	limit   atomic.Int64 // 0: none
	inside  atomic.Int64
	refused atomic.Uint64
}

// NewGuard makes a guard with a limit, 0 for none.
func NewGuard(limit int64) *Guard {
	g := new(Guard)
	g.limit.Store(limit)
	return g
}

// Enter reports whether there was room. Each Enter that reports true has one Leave.
func (g *Guard) Enter() bool {
	limit := g.limit.Load()
	// Add first, then look: two that come at once for the last place may both be refused, but never both let in.
	if g.inside.Add(1) > limit && limit > 0 {
		g.inside.Add(-1)
		g.refused.Add(1)
		return false
	}
	return true
}

// Leave gives the place back.
func (g *Guard) Leave() { g.inside.Add(-1) }

// SetLimit changes the limit, as a reload does. Nobody inside is turned out.
func (g *Guard) SetLimit(limit int64) { g.limit.Store(limit) }

// Limit is the limit, 0 for none.
func (g *Guard) Limit() int64 { return g.limit.Load() }

// Inside is the number inside.
func (g *Guard) Inside() int64 { return g.inside.Load() }

// Refused is how many were refused ever.
func (g *Guard) Refused() uint64 { return g.refused.Load() }
