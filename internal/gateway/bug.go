package gateway

import (
	"fmt"
	"runtime/debug"

	"github.com/whygate/whygate/internal/upstream"
)

// bug logs what should never happen, from where it was recovered. It ends what it happened in, and nothing else.
func (g *Gateway) bug(what string, reason any) {
	stack := debug.Stack()
	if of, elsewhere := reason.(*upstream.Panic); elsewhere {
		stack = of.Stack
	}
	g.bugAt(what, reason, stack)
}

func (g *Gateway) bugAt(what string, reason any, stack []byte) {
	if g.bugs.now() {
		g.log.Error("BUG: "+what+"; please report this", g.bugs.others([]any{"reason", fmt.Sprint(reason), "stack", string(stack)})...)
	}
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
