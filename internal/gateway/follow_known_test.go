package gateway

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/upstream"
)

// A reload that adds a name forgets nothing of the others: they may not be there to be looked up now.
func TestNamesAreRememberedOverAReload(t *testing.T) {
	t.Parallel()
	app, more := config.Endpoint{Place: config.Place{Scheme: "http", Host: "app.test", Port: 80}}, config.Endpoint{Place: config.Place{Scheme: "http", Host: "more.test", Port: 80}}
	pool := config.Pool{Name: "web", Endpoints: []config.Endpoint{app}, Resolve: config.Resolve{On: true}}
	before := followOf(&config.Config{}, &pool, nil)
	before.known["app.test"] = []config.Endpoint{{Place: config.Place{At: "127.0.0.2"}}}
	before.known["gone.test"] = []config.Endpoint{{Place: config.Place{At: "127.0.0.3"}}}
	pool.Endpoints = []config.Endpoint{app, more}
	f := followOf(&config.Config{}, &pool, &builtPool{follow: before})
	if all := f.endpoints(); f == before || len(all) != 2 || all[0].String() != "http://127.0.0.2:80" || all[1] != more || len(f.known) != 1 {
		t.Errorf("%v", all)
	}
}

// A bug of ours in a look-up ends that look-up, and not the process.
func TestLookUpSurvivesABug(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	g := &Gateway{log: slog.New(slog.NewTextHandler(&out, nil))}
	app := config.Endpoint{Place: config.Place{Scheme: "http", Host: "app.test", Port: 80}}
	f := followOf(&config.Config{}, &config.Pool{Name: "web", Endpoints: []config.Endpoint{app}, Resolve: config.Resolve{On: true, Every: config.EveryTTL}}, nil)
	f.lookup = nil // as bad as it can be
	g.guarded("this", func() { f.look(t.Context()) })
	if !strings.Contains(out.String(), "BUG: this") || !strings.Contains(out.String(), "nil pointer") || !strings.Contains(out.String(), "lookOne") {
		t.Errorf("%s", out.String())
	}
}

// A request that has its endpoints from before all of them left is asked of those, not answered that there are none; where one stayed, it is
// that one.
func TestEndpointsThatLeft(t *testing.T) {
	t.Parallel()
	cfg, problems := config.Parse("test.yaml", []byte("version: 1\nlisten: [{address: '127.0.0.1:0'}]\nroutes: [{path: /, pool: web}]\npools: {web: {endpoints: ['http://127.0.0.2:80', 'http://127.0.0.3:80']}}\n"), config.Options{})
	if cfg == nil {
		t.Fatal(problems.Err())
	}
	at := func(addrs ...string) (all []config.Endpoint) {
		for _, a := range addrs {
			all = append(all, config.Endpoint{Place: config.Place{Scheme: "http", Host: a, Port: 80}, Weight: 1})
		}
		return all
	}
	for _, tt := range []struct {
		next []config.Endpoint
		want []string // who may get the requests that began before
	}{
		{at("127.0.0.4"), []string{"127.0.0.2", "127.0.0.3"}},
		{nil, []string{"127.0.0.2", "127.0.0.3"}},
		{at("127.0.0.3", "127.0.0.4"), []string{"127.0.0.3"}},
	} {
		g, problems := build(cfg, nil, nil, "", nil)
		if len(problems) > 0 {
			t.Fatal(problems.Err())
		}
		b := g.pools["web"]
		next := g.withEndpoints(b, tt.next).pools["web"]
		b.leave(next)
		asked := map[string]bool{}
		for range 10 {
			i := b.pool.Balance.Pick(nil, 0, mono.Now())
			if i < 0 {
				t.Fatalf("%v: there is no endpoint", tt.next)
			}
			b.pool.Balance.Start(i)
			asked[b.cfg.Endpoints[i].Host] = true
		}
		if got := slices.Sorted(maps.Keys(asked)); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v are asked, want %v", tt.next, got, tt.want)
		}
	}
}

// Where another name comes to stand for an address, it is spoken to by that name, also on routes with time-outs of their own: the name is what
// its certificate is looked at for.
func TestAnotherNameOfAnAddress(t *testing.T) {
	t.Parallel()
	cfg, problems := config.Parse("test.yaml", []byte("version: 1\nlisten: [{address: '127.0.0.1:0'}]\nroutes: [{path: /, pool: web, timeouts: {head: 7s}}]\npools: {web: {endpoints: ['https://a.test:80']}}\n"), config.Options{})
	if cfg == nil {
		t.Fatal(problems.Err())
	}
	at := func(name string) []config.Endpoint {
		return []config.Endpoint{{Place: config.Place{Scheme: "https", Host: name, Port: 80, At: "127.0.0.2"}, Weight: 1}}
	}
	g, problems := build(cfg, nil, nil, "", nil)
	if len(problems) > 0 {
		t.Fatal(problems.Err())
	}
	target := func(g *generation) *upstream.Target { return g.snapshot.Routes[0].Pool.Endpoints[0].Target }
	g = g.withEndpoints(g.pools["web"], at("a.test"))
	first := target(g)
	if g = g.withEndpoints(g.pools["web"], at("a.test")); target(g) != first || first.Host != "a.test" {
		t.Error("the endpoint that stays is another one")
	}
	if g = g.withEndpoints(g.pools["web"], at("b.test")); target(g).Host != "b.test" {
		t.Errorf("b.test is spoken to as %s", target(g).Host)
	}
}

// How an endpoint stands, what it is at work on and its connections stay while others come and go, also where its place in the list is another.
func TestStateStaysWhileEndpointsChange(t *testing.T) {
	t.Parallel()
	cfg, problems := config.Parse("test.yaml", []byte("version: 1\nlisten: [{address: '127.0.0.1:0'}]\nroutes: [{path: /, pool: web}]\npools: {web: {endpoints: ['http://127.0.0.9:80'], limits: {connections: 7}, overload: {adaptive: on}}}\n"), config.Options{})
	if cfg == nil {
		t.Fatal(problems.Err())
	}
	at := func(last ...string) (all []config.Endpoint) {
		for _, a := range last {
			all = append(all, config.Endpoint{Place: config.Place{Scheme: "http", Host: "app.test", Port: 80, At: "127.0.0." + a}, Weight: 1})
		}
		return all
	}
	g, problems := build(cfg, nil, nil, "", nil)
	if len(problems) > 0 {
		t.Fatal(problems.Err())
	}
	g = g.withEndpoints(g.pools["web"], at("2", "3", "4", "5"))
	p := g.pools["web"].pool
	now := mono.Now()
	for range 10 {
		p.Health.Answered(1, now)
	}
	for range 3 {
		p.Health.Failed(0, now, func() string { return "refused" })
	}
	p.Health.Drain(2, "by hand")
	p.Balance.Start(3)
	p.Endpoints[3].Guard.Enter()
	p.Gate.Limiter.Enter(3)
	target := p.Endpoints[3].Target

	g = g.withEndpoints(g.pools["web"], at("1", "5", "4", "2"))
	p = g.pools["web"].pool
	var got []string
	for _, s := range p.Health.Statuses(now) {
		got = append(got, fmt.Sprint(s.State, s.InFlight))
	}
	if want := []string{"up 0", "up 1", "drained 0", "ejected 0"}; !slices.Equal(got, want) {
		t.Errorf("they stand as %v, want %v", got, want)
	}
	if p.Endpoints[1].Target != target || p.Endpoints[1].Guard.Inside() != 1 || p.Gate.Limiter.Measured(1, 0).InFlight != 1 {
		t.Errorf("one that stays has other connections, %d places are taken, %d at the gate", p.Endpoints[1].Guard.Inside(), p.Gate.Limiter.Measured(1, 0).InFlight)
	}
}
