package gateway

import (
	"testing"
	"time"

	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/overload"
	"github.com/whygate/whygate/internal/proxy"
)

// Whoever waits at a gate that a reload replaced is let go when there is room, though the one who left was another generation's.
func TestReplacedGatesAreLookedAfter(t *testing.T) {
	now := mono.Now()
	l := overload.New(1, 100*time.Millisecond, now)
	l.Fix(1)
	l.Enter(0)
	gate := overload.NewGate(l, 10, 100*time.Millisecond)
	w := &overload.Waiter{Ready: make(chan overload.Verdict, 1)}
	g := &Gateway{}
	g.replaces(&generation{pools: map[string]*builtPool{"web": {pool: &proxy.Pool{Gate: gate}}, "open": {pool: &proxy.Pool{}}}}, now)
	if gate.Wait(w, now); !g.wakeReplaced(now) || len(w.Ready) > 0 {
		t.Error("it does not wait")
	}
	later := now.Add(2 * replacedFor)
	if g.wakeReplaced(now.Add(10*time.Millisecond)) != true || len(g.replaced) != 1 {
		t.Error("a gate where somebody waits was forgotten")
	}
	l.Failed(0) // under another generation's gate
	if g.wakeReplaced(now.Add(20*time.Millisecond)) || len(w.Ready) != 1 || <-w.Ready != overload.Go {
		t.Error("nobody was let go")
	}
	if g.wakeReplaced(later); len(g.replaced) != 0 {
		t.Error("a gate that is done with is kept")
	}
	for range 2 * replacedMax {
		g.replaces(&generation{pools: map[string]*builtPool{"web": {pool: &proxy.Pool{Gate: gate}}}}, now)
	}
	if len(g.replaced) != replacedMax {
		t.Errorf("%d are kept", len(g.replaced))
	}
}
