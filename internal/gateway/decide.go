package gateway

import (
	"slices"
	"time"

	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/overload"
)

// wakeEvery is how often the queues are looked at while somebody waits: the shortest wait is 20 ms.
const wakeEvery = 5 * time.Millisecond

// replacedGate is the gate of an earlier generation. What that one let in waits there to the end, and has nobody else to be told by: the
// place that it waits for may be another generation's.
type replacedGate struct {
	gate *overload.Gate
	at   mono.Time // of the reload
}

// A replaced gate is looked after for as long as anybody waits, and for as long as a request that has begun may still come to it.
// replacedMax bounds them.
const (
	replacedFor = 5 * time.Second
	replacedMax = 1024
)

// replaces notes the gates of a generation that was replaced. g.mu is held.
func (g *Gateway) replaces(old *generation, now mono.Time) {
	for _, b := range old.pools {
		if b.pool.Gate != nil {
			g.replaced = append(g.replaced, replacedGate{b.pool.Gate, now})
		}
	}
	if n := len(g.replaced) - replacedMax; n > 0 {
		g.replaced = slices.Delete(g.replaced, 0, n)
	}
}

// wakeReplaced lets go what waits at replaced gates and has room, and forgets those that are done. It reports whether anybody waits still.
// g.mu is held.
func (g *Gateway) wakeReplaced(now mono.Time) (crowded bool) {
	g.replaced = slices.DeleteFunc(g.replaced, func(r replacedGate) bool {
		r.gate.Wake(now)
		crowded = crowded || r.gate.Crowded()
		return !r.gate.Crowded() && now.Sub(r.at) > replacedFor
	})
	return crowded
}

// decide moves the limits of the pools' endpoints, and ends what has waited for too long. It ends with stop.
func (g *Gateway) decide() {
	ticked, meter := mono.Now(), newLagMeter()
	timer := time.NewTimer(overload.TickEvery)
	defer timer.Stop()
	for {
		select {
		case <-g.stop:
			return
		case <-timer.C:
		}
		now := mono.Now()
		next := overload.TickEvery
		g.guarded("limits could not be decided", func() {
			g.mu.Lock()
			current := g.current
			if g.wakeReplaced(now) {
				next = wakeEvery
			}
			g.mu.Unlock()
			due := now.Sub(ticked) >= overload.TickEvery
			lag := time.Duration(0)
			if due {
				ticked, lag = now, meter.read()
			}
			for _, b := range current.pools {
				gate := b.pool.Gate
				if gate == nil {
					continue
				}
				if due && !gate.Limiter.Idle() {
					gate.Limiter.Late(lag)
					gate.Limiter.Tick(now)
				}
				gate.Wake(now)
				if gate.Crowded() {
					next = wakeEvery
				}
			}
		})
		timer.Reset(next)
	}
}
