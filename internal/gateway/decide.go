package gateway

import (
	"time"

	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/overload"
)

// wakeEvery is how often the queues are looked at while somebody waits: the shortest wait is 20 ms.
const wakeEvery = 5 * time.Millisecond

// decide moves the limits of the pools' endpoints, and ends what has waited for too long. It ends with stop.
func (g *Gateway) decide() {
	ticked := mono.Now()
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
			g.mu.Unlock()
			due := now.Sub(ticked) >= overload.TickEvery
			if due {
				ticked = now
			}
			for _, b := range current.pools {
				gate := b.pool.Gate
				if gate == nil {
					continue
				}
				if due && !gate.Limiter.Idle() {
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
