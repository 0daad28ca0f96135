package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/health"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/overload"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/resilience"
	"github.com/whygate/whygate/internal/telemetry"
)

// hedged is a pool whose first endpoint is asked first, and whose requests are hedged after a moment, behind a gate.
func hedged(p *proxy.Pool) {
	n := len(p.Endpoints)
	p.Hedge = resilience.NewHedge(20 * time.Millisecond)
	p.Budget = resilience.NewBudget(100)
	p.Gate = overload.NewGate(overload.New(n, 100*time.Millisecond, mono.Now()), 1024, 100*time.Millisecond)
	p.Balance = balance.New(n, balance.RoundRobin)
	p.Balance.Describe([]balance.Member{{}, {Tier: 1}})
	p.Health = health.New(p.Balance, health.Options{Pool: p.Name, Names: make([]string, n), Passive: health.EjectFailing})
}

const short = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

// hanging takes one request after another, tells of each, and answers none.
func hanging(taken chan<- string, ended chan<- struct{}) func(*peer) {
	return func(p *peer) {
		for {
			q, ok := p.request()
			if !ok {
				ended <- struct{}{}
				return
			}
			taken <- q.line
		}
	}
}

// free waits until no endpoint has anything in flight, in the balance and at the gate.
func (g *gateway) free() {
	g.t.Helper()
	eventually(g.t, func() bool {
		for i, e := range g.pool.Balance.Snapshot(nil, 0) {
			if e.InFlight != 0 || g.pool.Gate.Limiter.Measured(i, 0).InFlight != 0 {
				return false
			}
		}
		return true
	}, "a place is taken still: %+v", g.pool.Balance.Snapshot(nil, 0))
}

// A GET at an endpoint that takes long is answered by another. The one that was given up is nobody's failure, its connection is closed, and its
// place is free.
func TestHedgeWins(t *testing.T) {
	t.Parallel()
	taken, ended := make(chan string, 8), make(chan struct{}, 8)
	slow := upstreamOf(t, hanging(taken, ended))
	fast := upstreamOf(t, func(p *peer) {
		for {
			q, ok := p.request()
			if !ok {
				return
			}
			if p.send(short); !strings.HasPrefix(q.line, "HEAD ") {
				p.send("quick")
			}
		}
	})
	g := start(t, setup{pool: hedged}, slow.addr, fast.addr)
	for _, request := range []string{get("/x"), "HEAD /x HTTP/1.1\r\nHost: a.test\r\n\r\n", "OPTIONS /x HTTP/1.1\r\nHost: a.test\r\n\r\n"} {
		m := g.ask(request)
		if want := "quick"; m.status() != 200 || m.body != want && methodOf(request) != "HEAD" {
			t.Errorf("%q: %s %q", request, m.line, m.body)
		}
		<-taken
		<-ended
		r := g.want(200, fault.CauseNone)
		if r.Hedge != telemetry.HedgeWon || len(r.Attempts) != 2 || r.Saved {
			t.Fatalf("%+v", r.Record)
		}
		if a, b := r.Attempts[0], r.Attempts[1]; a.End != fault.Canceled || a.By != fault.PartyGateway || a.Detail == "" || a.Hedge || !b.Hedge || b.Endpoint == a.Endpoint {
			t.Errorf("%+v\n%+v", a, b)
		}
		g.free()
	}
	if g.failures(0)+g.failures(1) != 0 {
		t.Errorf("%d and %d failures are counted", g.failures(0), g.failures(1))
	}
}

// What may not be sent twice is sent once, however long it takes.
func TestHedgeOfNothingElse(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"POST": "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", "PUT": "PUT /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
		"DELETE": "DELETE /x HTTP/1.1\r\nHost: a.test\r\n\r\n", "an upgrade": get("/x", "Connection: upgrade", "Upgrade: foo"),
		"a POST with a key": "POST /x HTTP/1.1\r\nHost: a.test\r\nIdempotency-Key: k\r\nContent-Length: 5\r\n\r\nhello",
	} {
		slow := upstreamOf(t, func(p *peer) {
			if _, ok := p.request(); ok {
				<-time.After(200 * time.Millisecond) // ten times the delay
				p.send(short + "first")
				p.gone()
			}
		})
		other := upstreamOf(t, answering(short+"other"))
		g := start(t, setup{pool: hedged}, slow.addr, other.addr)
		if m := g.ask(request); m.body != "first" {
			t.Errorf("%s: %s %q", name, m.line, m.body)
		}
		if r := g.want(200, fault.CauseNone); r.Hedge != telemetry.NotHedged || len(r.Attempts) != 1 || other.conns.Load() != 0 {
			t.Errorf("%s: %d attempts, %d connections to the other", name, len(r.Attempts), other.conns.Load())
		}
		g.free()
	}
}

// A hedge that is overtaken by the first attempt is given up, and stands in the record.
func TestHedgeLoses(t *testing.T) {
	t.Parallel()
	taken, ended := make(chan string, 1), make(chan struct{}, 1)
	hedge := upstreamOf(t, hanging(taken, ended))
	late := upstreamOf(t, func(p *peer) {
		if _, ok := p.request(); ok {
			<-taken // the hedge is out
			p.send(short + "first")
			p.gone()
		}
	})
	g := start(t, setup{pool: hedged}, late.addr, hedge.addr)
	if m := g.ask(get("/x")); m.body != "first" {
		t.Errorf("%s %q", m.line, m.body)
	}
	<-ended
	r := g.want(200, fault.CauseNone)
	if r.Hedge != telemetry.HedgeLost || len(r.Attempts) != 2 {
		t.Fatalf("%+v", r.Record)
	}
	if a, b := r.Attempts[0], r.Attempts[1]; a.End != fault.Completed || !b.Hedge || b.End != fault.Canceled || b.By != fault.PartyGateway {
		t.Errorf("%+v\n%+v", a, b)
	}
	g.free()
	if g.failures(0)+g.failures(1) != 0 {
		t.Error("a failure is counted")
	}
}

// Where the first attempt breaks while its hedge is out, the hedge's answer saves the request; a hedge that fails, or that is answered by an
// error, leaves the first attempt alone.
func TestHedgeBesideFailures(t *testing.T) {
	t.Parallel()
	out := make(chan struct{}, 1)
	broken := upstreamOf(t, func(p *peer) {
		if _, ok := p.request(); ok {
			<-out
			p.reset()
		}
	})
	saves := upstreamOf(t, func(p *peer) {
		if _, ok := p.request(); ok {
			out <- struct{}{}
			<-time.After(50 * time.Millisecond)
			p.send(short + "hedge")
			p.gone()
		}
	})
	g := start(t, setup{pool: hedged}, broken.addr, saves.addr)
	if m := g.ask(get("/x")); m.body != "hedge" {
		t.Errorf("%s %q", m.line, m.body)
	}
	if r := g.record(); r.Status != 200 || !r.Saved || !r.Fault.Is() || r.Hedge != telemetry.HedgeWon || g.failures(0) != 1 || g.failures(1) != 0 {
		t.Errorf("%+v; %d and %d failures", r.Record, g.failures(0), g.failures(1))
	}
	g.free()
	for name, other := range map[string]string{
		"refused": refusing(t), "an error": upstreamOf(t, answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")).addr,
	} {
		late := upstreamOf(t, func(p *peer) {
			if _, ok := p.request(); ok {
				<-time.After(200 * time.Millisecond)
				p.send(short + "first")
				p.gone()
			}
		})
		g := start(t, setup{pool: hedged}, late.addr, other)
		if m := g.ask(get("/x")); m.body != "first" {
			t.Errorf("%s: %s %q", name, m.line, m.body)
		}
		if r := g.want(200, fault.CauseNone); r.Hedge != telemetry.HedgeLost || len(r.Attempts) != 2 {
			t.Errorf("%s: %+v", name, r.Record)
		}
		if refused := name == "refused"; refused != (g.failures(1) == 1) {
			t.Errorf("%s: %d failures", name, g.failures(1))
		}
		g.free()
	}
}

// Hedges stay within the pool's budget, go to another endpoint only, and to none that has no room.
func TestHedgeIsBounded(t *testing.T) {
	t.Parallel()
	late := func() *origin {
		return upstreamOf(t, func(p *peer) {
			for {
				if _, ok := p.request(); !ok {
					return
				}
				<-time.After(100 * time.Millisecond)
				p.send(short + "first")
			}
		})
	}
	count := func(name string, requests int, hedges int, change func(*proxy.Pool)) {
		other := upstreamOf(t, answering(short+"other"))
		g := start(t, setup{pool: func(p *proxy.Pool) { hedged(p); change(p) }}, late().addr, other.addr)
		won := 0
		for range requests {
			g.ask(get("/x"))
			if g.record().Hedge == telemetry.HedgeWon {
				won++
			}
		}
		if won != hedges {
			t.Errorf("%s: %d of %d requests had a hedge that won, want %d", name, won, requests, hedges)
		}
	}
	count("a budget of its floor", 6, 3, func(p *proxy.Pool) { p.Budget = resilience.NewBudget(0) })
	count("no other endpoint", 2, 0, func(p *proxy.Pool) { p.Balance.TakeOut(1, balance.Drained) })
	count("one that failed", 2, 0, func(p *proxy.Pool) { p.Balance.Failed(1, mono.Now().Add(time.Minute)) })
	count("no room", 2, 0, func(p *proxy.Pool) {
		p.Gate.Limiter.Fix(1)
		p.Gate.Limiter.Enter(1)
	})
}

// A client that leaves takes both attempts with it, and nobody's failure is counted.
func TestHedgeOfAClientThatLeaves(t *testing.T) {
	t.Parallel()
	taken, ended := make(chan string, 2), make(chan struct{}, 2)
	one, two := upstreamOf(t, hanging(taken, ended)), upstreamOf(t, hanging(taken, ended))
	g := start(t, setup{pool: hedged}, one.addr, two.addr)
	c := g.dial()
	c.send(get("/x"))
	<-taken
	<-taken
	c.reset()
	<-ended
	<-ended
	if r := g.want(fault.StatusClientLeft, fault.CauseClientLeft); len(r.Attempts) != 2 {
		t.Errorf("%+v", r.Record)
	}
	eventually(t, func() bool {
		all := g.pool.Balance.Snapshot(nil, 0)
		return all[0].InFlight+all[1].InFlight == 0
	}, "an attempt goes on")
	if g.failures(0)+g.failures(1) != 0 {
		t.Error("a failure is counted")
	}
}

// With a delay that is learned, requests that hang at one endpoint are answered by the other, and nothing of two answers is mixed. Over HTTP/2
// too, and with many at once.
func TestHedgeLearnsAndIsNotMixed(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			var protocols http.Protocols
			protocols.SetHTTP1(true)
			protocols.SetUnencryptedHTTP2(true)
			var hangs atomic.Bool
			var hung atomic.Int64
			serve := func(slow bool) string {
				s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if slow && hangs.Load() && strings.HasSuffix(r.URL.Path, "7") {
						hung.Add(1)
						<-r.Context().Done()
						return
					}
					_, _ = io.WriteString(w, strings.Repeat(r.URL.Path+" ", 2000))
					w.Header().Set(http.TrailerPrefix+"X-Path", r.URL.Path)
				}))
				s.Config.Protocols = &protocols
				s.Start()
				t.Cleanup(s.Close)
				return scheme + strings.TrimPrefix(s.URL, "http")
			}
			g := start(t, setup{observe: func(*telemetry.Record) {}, pool: func(p *proxy.Pool) {
				hedged(p)
				p.Hedge = resilience.NewHedge(resilience.HedgeLearned)
			}}, serve(true), serve(false))
			c := &http.Client{Timeout: patience}
			defer c.CloseIdleConnections()
			ask := func(client, i int) {
				path := fmt.Sprintf("/x-%d-%d", client, i) // one class: they have one first segment of their own, so
				res, err := c.Get("http://" + g.addr + "/a/" + path[1:])
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if want := strings.Repeat("/a"+path+" ", 2000); err != nil || res.StatusCode != 200 || string(body) != want {
					t.Errorf("%s: %d, %d bytes of %d, %v", path, res.StatusCode, len(body), len(want), err)
				}
			}
			for i := range 150 {
				ask(0, i)
			}
			hangs.Store(true)
			var all sync.WaitGroup
			for client := range 8 {
				all.Go(func() {
					for i := range 40 {
						ask(client, i)
					}
				})
			}
			all.Wait()
			if hung.Load() == 0 {
				t.Error("no request hung: the test shows nothing")
			}
			g.free()
		})
	}
}

// Where nothing is slow, a pool with hedges allocates nothing for a request but what its timer takes.
func TestHedgeAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c, answered := allocationLoop(t, setup{observe: func(*telemetry.Record) {}, pool: func(p *proxy.Pool) {
		hedged(p)
		p.Hedge = resilience.NewHedge(time.Hour)
	}}, get("/x"), short+"quick")
	request := []byte(get("/x"))
	exchange := func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		answered()
	}
	for range 200 {
		exchange()
	}
	if n := testing.AllocsPerRun(500, exchange); n > 5 {
		t.Errorf("%v allocations for an exchange", n)
	}
}

// A client that leaves is noticed too while its hedge alone is under way, and while the answer of a hedge that won comes.
func TestHedgeAloneOfAClientThatLeaves(t *testing.T) {
	t.Parallel()
	taken, ended := make(chan string, 1), make(chan struct{}, 1)
	breaks := make(chan struct{})
	broken := upstreamOf(t, func(p *peer) {
		if _, ok := p.request(); ok {
			<-taken
			p.reset()
			close(breaks)
		}
	})
	alone := func(other *origin, first *origin, until func(c *peer)) {
		t.Helper()
		g := start(t, setup{pool: hedged}, first.addr, other.addr)
		c := g.dial()
		c.send(get("/x"))
		until(c)
		c.reset()
		select {
		case <-ended:
		case <-time.After(patience / 2):
			t.Error("the hedge goes on for nobody")
		}
		if r := g.record(); r.Status != fault.StatusClientLeft && r.Fault.Cause != fault.CauseClientLeft {
			t.Errorf("%+v", r.Record)
		}
		g.free()
	}
	alone(upstreamOf(t, hanging(taken, ended)), broken, func(*peer) { <-breaks })
	half := upstreamOf(t, func(p *peer) {
		if _, ok := p.request(); ok {
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")
			p.gone()
			ended <- struct{}{}
		}
	})
	alone(half, upstreamOf(t, func(p *peer) { p.gone() }), func(c *peer) { _, _, _ = c.head() })
}

// Where the first attempt breaks, what its hedge was answered is better than nothing, whatever it says.
func TestHedgeOfAFailureIsAnswered(t *testing.T) {
	t.Parallel()
	out := make(chan struct{}, 1)
	broken := upstreamOf(t, func(p *peer) {
		if _, ok := p.request(); ok {
			<-out
			<-time.After(50 * time.Millisecond) // the hedge's answer is here
			p.reset()
		}
	})
	busy := upstreamOf(t, func(p *peer) {
		if _, ok := p.request(); ok {
			p.send("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
			out <- struct{}{}
			p.gone()
		}
	})
	g := start(t, setup{pool: hedged}, broken.addr, busy.addr)
	if m := g.ask(get("/x")); m.status() != 503 || m.body != "busy" {
		t.Errorf("%s %q", m.line, m.body)
	}
	if r := g.record(); r.Hedge != telemetry.HedgeWon || g.failures(0) != 1 {
		t.Errorf("%+v", r.Record)
	}
	g.free()
}

// A client that a cookie keeps at its endpoint has its session there: another one would answer quickly that it knows nothing.
func TestHedgeOfAClientThatSticks(t *testing.T) {
	t.Parallel()
	slow := upstreamOf(t, func(p *peer) {
		for {
			if _, ok := p.request(); !ok {
				return
			}
			<-time.After(200 * time.Millisecond)
			p.send(short + "first")
		}
	})
	other := upstreamOf(t, answering(short+"other"))
	g := start(t, setup{pool: func(p *proxy.Pool) { hedged(p); p.Sticky = []byte("route") }}, slow.addr, other.addr)
	if m := g.ask(get("/x", "Cookie: route=t0")); m.body != "first" {
		t.Errorf("%s %q", m.line, m.body)
	}
	if r := g.want(200, fault.CauseNone); r.Hedge != telemetry.NotHedged {
		t.Errorf("%+v", r.Record)
	}
	if m := g.ask(get("/x")); m.body != "other" { // it belongs nowhere yet
		t.Errorf("%s %q", m.line, m.body)
	}
}

// A hedge that has nowhere to go takes nothing from the budget that retries need.
func TestHedgeThatIsNotSentCostsNothing(t *testing.T) {
	t.Parallel()
	late := upstreamOf(t, func(p *peer) {
		for {
			if _, ok := p.request(); !ok {
				return
			}
			<-time.After(60 * time.Millisecond)
			p.send(short + "first")
		}
	})
	other := upstreamOf(t, answering(short+"other"))
	g := start(t, setup{pool: func(p *proxy.Pool) {
		hedged(p)
		p.Budget = resilience.NewBudget(0)
		p.Balance.TakeOut(1, balance.Drained)
	}}, late.addr, other.addr)
	for range 3 { // as many as the budget's floor
		g.ask(get("/x"))
		g.want(200, fault.CauseNone)
	}
	if !g.pool.Budget.Retry(mono.Now()) {
		t.Error("hedges that were never sent have used the budget up")
	}
}
