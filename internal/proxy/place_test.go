package proxy_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/overload"
	"github.com/whygate/whygate/internal/proxy"
)

// A request that lost an idle connection goes again with the place that it had, however many want one.
func TestKeepaliveRaceKeepsItsPlace(t *testing.T) {
	var between atomic.Bool // the request has lost a connection, and has not come on another
	var stolen atomic.Int64
	o := upstreamOf(t, func(p *peer) { // closes each connection when a second request has come
		if _, ok := p.request(); !ok {
			return
		}
		between.Store(false)
		p.send(ok)
		if _, again := p.request(); again {
			between.Store(true)
			p.Close()
		}
	})
	limiter := overload.New(1, 100*time.Millisecond, mono.Now())
	limiter.Fix(1)
	gate := overload.NewGate(limiter, 10, 100*time.Millisecond)
	g := start(t, setup{pool: func(p *proxy.Pool) { p.Gate = gate }}, o.addr)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // looks for a place that becomes free between
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if between.Load() {
				if _, entered := limiter.Enter(0); entered {
					if between.Load() {
						stolen.Add(1)
					}
					limiter.Failed(0)
					gate.Wake(mono.Now())
				}
			}
			runtime.Gosched()
		}
	}()
	for range 100 {
		for range 2 {
			if m := g.ask(get("/")); m.status() != 200 {
				t.Errorf("%s", m.line)
			}
			g.record()
		}
	}
	close(stop)
	<-stopped
	if n := stolen.Load(); n > 0 {
		t.Errorf("others could have had its place %d times", n)
	}
}
