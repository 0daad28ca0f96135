package gateway

import (
	"cmp"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/console"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/telemetry"
)

// openConsole adds the console's pages to the admin server.
func (g *Gateway) openConsole(s *admin.Server, cfg *config.Config) {
	instance := instanceName(cfg)
	console.New(console.Options{
		Store: g.store.Load, Pools: g.poolsNow, Advice: g.allAdvice, Recent: g.recorder.Find, Order: g.orderFromConsole, Token: s.Token(), Name: instance,
		Version: g.options.Version, Log: g.log,
		Baseline: func(pool string, since time.Time) []incident.Values { return g.baseline.Since(pool, since, instance) },
	}).Register(s)
}

// rates remembers the counters of each pool over the last minute.
type rates struct {
	mu   sync.Mutex // guards the fields below
	past []moment   // the oldest first
}

// moment is what was counted by then.
type moment struct {
	at    time.Time
	pools map[string]telemetry.Totals
}

// The counters are noted every ten seconds, and compared with those a minute ago.
const (
	ratesEach = 10 * time.Second
	ratesKept = 7
)

// note keeps the counters, if it is time to.
func (r *rates) note(g *Gateway, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.past); n > 0 && now.Sub(r.past[n-1].at) < ratesEach {
		return
	}
	m := moment{at: now, pools: map[string]telemetry.Totals{}}
	for _, p := range g.config().Pools {
		m.pools[p.Name] = g.metrics.Pool(p.Name).Totals()
	}
	if len(r.past) == ratesKept {
		r.past = r.past[1:]
	}
	r.past = append(r.past, m)
}

// oldest is the earliest moment kept.
func (r *rates) oldest() moment {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.past) == 0 {
		return moment{}
	}
	return r.past[0]
}

// poolsNow are the pools as they are now, in the configuration's order.
func (g *Gateway) poolsNow() []console.Pool {
	g.mu.Lock()
	current := g.current
	g.mu.Unlock()
	then, now := g.rates.oldest(), time.Now()
	states := map[string]PoolStatus{}
	for _, s := range g.endpointStates() {
		states[s.Pool] = s
	}
	var out []console.Pool
	for _, p := range current.cfg.Pools {
		line := console.Pool{Name: p.Name}
		if before, ok := then.pools[p.Name]; ok && now.Sub(then.at) > time.Second {
			d, s := g.metrics.Pool(p.Name).Totals().Since(before), now.Sub(then.at).Seconds()
			line.Rate, line.Failures = float64(d.Requests)/s, float64(d.Failed)/s
			line.P50, line.P99 = d.Quantile(0.5), d.Quantile(0.99)
		}
		b := current.pools[p.Name]
		if s := states[p.Name]; s.Maintenance != nil {
			line.Maintenance = cmp.Or(*s.Maintenance, "on")
		}
		line.Queue = states[p.Name].Queue
		for _, e := range states[p.Name].Endpoints {
			one := console.Endpoint{Name: e.Endpoint, State: e.State.String(), Reason: e.Reason, Since: e.Since, InFlight: e.InFlight, Limit: e.Limit}
			if t := b.targets[e.Endpoint]; t != nil {
				one.Idle = t.IdleCount()
			}
			line.Endpoints = append(line.Endpoints, one)
		}
		out = append(out, line)
	}
	return out
}

// orderFromConsole is Obey for the console's forms.
func (g *Gateway) orderFromConsole(o console.Order) error {
	_, err := g.Obey(Order{Action: o.Action, Pool: o.Pool, Endpoint: o.Endpoint, Reason: o.Reason})
	return err
}
