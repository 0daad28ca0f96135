package gateway

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// bugEvery is how often a bug is logged at most: one that every request meets would fill the disk with stacks.
const bugEvery = time.Second

// bug logs what should never happen, from where it was recovered. It ends what it happened in, and nothing else.
func (g *Gateway) bug(what string, reason any) { g.bugAt(what, reason, debug.Stack()) }

func (g *Gateway) bugAt(what string, reason any, stack []byte) {
	now := mono.Now()
	last := g.bugged.Load()
	if last != 0 && now.Sub(last) < bugEvery || !g.bugged.CompareAndSwap(last, now) {
		g.bugs.Add(1)
		return
	}
	g.log.Error("BUG: "+what+"; please report this", "reason", fmt.Sprint(reason), "unlogged_before", g.bugs.Swap(0), "stack", string(stack))
}

// guarded runs f so that a bug of ours in it is logged and costs what f does, not the process.
func (g *Gateway) guarded(what string, f func()) {
	defer func() {
		if reason := recover(); reason != nil {
			g.bug(what, reason)
		}
	}()
	f()
}
