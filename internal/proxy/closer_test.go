package proxy_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/resilience"
)

// An endpoint that closes after each answer without saying so, as hypercorn 0.13.2 does, costs no request, whatever its method:
// the first connection tells, and none is used again.
func TestCloserCostsNoRequest(t *testing.T) {
	t.Parallel()
	const requests = 300
	const atOnce = 200 * time.Millisecond                                                  // the gateway takes 250 ms without an end for a sign that the connection is kept
	for _, lag := range []time.Duration{0, 200 * time.Microsecond, 5 * time.Millisecond} { // how long after its answer it closes
		for _, method := range []string{"GET", "POST"} {
			t.Run(fmt.Sprint(method, " ", lag), func(t *testing.T) {
				t.Parallel()
				var slowest atomic.Int64 // nanoseconds from an answer to its end
				o := upstreamOf(t, func(p *peer) {
					if _, good := p.request(); good {
						p.send(ok)
						answered := time.Now()
						time.Sleep(lag) // the lag is what is tested
						slowest.Store(max(slowest.Load(), int64(time.Since(answered))))
					}
				})
				// No budget to speak of: a repeat after a lost race must not need one.
				g := start(t, setup{pool: func(p *proxy.Pool) { p.Budget = resilience.NewBudget(0) }}, o.addr)
				c := g.dial()
				for i := range requests {
					c.send(method + " /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n")
					m := c.response(method)
					r := g.record()
					if late := time.Duration(slowest.Load()); m.status() != 200 && late > atOnce {
						t.Skipf("request %d: the machine was so busy that the endpoint closed only %v after its answer", i, late)
					}
					if m.status() != 200 {
						t.Fatalf("request %d: %s: %s, %+v", i, m.line, r.Fault.Cause, *r.Attempts[len(r.Attempts)-1])
					}
					if r.Fault.Is() && (r.Fault.Cause != fault.CauseKeepaliveRace || !r.Saved) {
						t.Fatalf("request %d: %s, saved %t", i, r.Fault.Cause, r.Saved)
					}
				}
				if n := g.failures(0); n != 0 {
					t.Errorf("%d failures are counted against the endpoint", n)
				}
			})
		}
	}
}

// A race that is lost is no retry: another endpoint may still be asked after it, with retry.attempts at 2.
func TestRaceIsNoRetry(t *testing.T) {
	t.Parallel()
	other := upstreamOf(t, answering(ok))
	stop := make(chan func(), 1)
	dying := upstreamOf(t, func(p *peer) {
		if _, good := p.request(); !good {
			return
		}
		p.send(ok)
		if _, good := p.request(); good {
			(<-stop)() // the process is killed: its connection ends, and nobody listens any more
			p.reset()
		}
	})
	stop <- dying.stop
	g := start(t, setup{pool: func(p *proxy.Pool) { p.Budget = resilience.NewBudget(0) }}, dying.addr, other.addr)
	c := g.dial()
	for i := range 4 {
		c.send(get("/x"))
		if m := c.response("GET"); m.status() != 200 {
			t.Fatalf("request %d: %s", i, m.line)
		}
		if r := g.record(); i == 2 && len(r.Attempts) != 3 {
			t.Errorf("%d attempts, want the race, the refusal and the other endpoint", len(r.Attempts))
		}
	}
}

// A process that is killed resets what waits in its accept queue too: the fresh connection after a lost race is lost as well, and another
// endpoint is asked then.
func TestAnotherEndpointAfterRaceAndReset(t *testing.T) {
	t.Parallel()
	other := upstreamOf(t, answering(ok))
	dying := upstreamOf(t, func(p *peer) {
		if p.nth == 1 {
			p.request()
			p.send(ok)
		}
		p.request()
		p.reset()
	})
	g := start(t, setup{}, dying.addr, other.addr)
	c := g.dial()
	for i := range 3 {
		c.send(get("/x"))
		if m := c.response("GET"); m.status() != 200 {
			t.Fatalf("request %d: %s", i, m.line)
		}
		if r := g.record(); i == 2 && (len(r.Attempts) != 3 || !r.Saved) {
			t.Errorf("%d attempts, saved %t", len(r.Attempts), r.Saved)
		}
	}
}
