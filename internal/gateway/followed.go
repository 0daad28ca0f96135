package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/upstream"
)

// follow asks for the names that pools follow, each when it is due. It ends soon after stop.
func (g *Gateway) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	turn := make(chan struct{}, refreshAtOnce)
	for {
		select {
		case <-g.stop:
			return
		case <-tick.C:
		}
		now := mono.Now()
		for _, b := range g.generation().pools {
			f := b.follow
			if f == nil || now < f.due.Load() || !f.asking.CompareAndSwap(false, true) {
				continue
			}
			g.serving.Go(func() { // ends with ctx
				defer f.asking.Store(false)
				select {
				case turn <- struct{}{}:
				case <-ctx.Done():
					return
				}
				defer func() { <-turn }()
				g.guarded("a pool's names could not be looked up", func() { g.followOnce(ctx, f) })
			})
		}
	}
}

// followOnce looks a pool's names up, and has the pool's endpoints be what they stand for now.
func (g *Gateway) followOnce(ctx context.Context, f *followed) {
	news := f.look(ctx)
	if ctx.Err() != nil {
		return
	}
	g.tellFollowed(f, news)
	g.reloading.Lock() // a reload that runs would begin with what was before
	defer g.reloading.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.current.pools[f.pool]
	if b == nil || b.follow != f {
		return
	}
	if next := f.endpoints(); !slices.Equal(next, b.cfg.Endpoints) {
		g.become(b, next)
	}
}

// tellFollowed tells which names cannot be looked up, which can be again, and that there are too many endpoints.
func (g *Gateway) tellFollowed(f *followed, news looked) {
	for _, name := range slices.Sorted(maps.Keys(news.lost)) {
		g.log.Warn("a name cannot be looked up: the last endpoints stay", "pool", f.pool, "name", name, "error", news.lost[name])
		g.changedDNS(f.pool, name+" cannot be looked up: "+news.lost[name]+"; the last endpoints stay")
	}
	for _, name := range news.found {
		g.log.Info("a name can be looked up again", "pool", f.pool, "name", name)
		g.changedDNS(f.pool, name+" can be looked up again")
	}
	if news.many > 0 {
		g.log.Warn("the names of a pool stand for more endpoints than it may have: those beyond get no request", "pool", f.pool, "endpoints", news.many, "limit", followedMax)
		g.changedDNS(f.pool, fmt.Sprintf("the names stand for %d endpoints, and %d are used", news.many, followedMax))
	}
}

// changedDNS is Changed, where there is a store already: names are looked up before it is opened.
func (g *Gateway) changedDNS(pool, text string) {
	if g.store.Load() != nil {
		g.Changed(changeDNS, pool, text)
	}
}

// become gives a pool other endpoints. g.mu is held.
func (g *Gateway) become(b *builtPool, endpoints []config.Endpoint) {
	old := g.current
	next := old.withEndpoints(b, endpoints)
	g.current = next
	g.latest.Store(next)
	next.pools[b.cfg.Name].check(b.checks)
	b.checks = nil
	g.proxy.Use(next.snapshot)
	g.replaces(&generation{pools: map[string]*builtPool{b.cfg.Name: b}}, mono.Now())
	came, left := b.leave(next.pools[b.cfg.Name])
	g.log.Info("the endpoints of a pool follow its names", "pool", b.cfg.Name, "came", came, "left", left, "endpoints", len(endpoints))
	var text []string
	for _, part := range []struct {
		what  string
		names []string
	}{{"came: ", came}, {"left: ", left}} {
		if len(part.names) > 0 {
			text = append(text, part.what+strings.Join(part.names, ", "))
		}
	}
	if len(text) == 0 {
		text = []string{"weights or priorities changed"}
	}
	g.changedDNS(b.cfg.Name, fmt.Sprintf("%s; %d endpoints", strings.Join(text, "; "), len(endpoints)))
}

// withEndpoints is the generation with other endpoints in one pool and everything else as it is: no file is read again.
func (g *generation) withEndpoints(b *builtPool, endpoints []config.Endpoint) *generation {
	cfg := *g.cfg
	cfg.Pools = slices.Clone(g.cfg.Pools)
	i := slices.IndexFunc(cfg.Pools, func(p config.Pool) bool { return p.Name == b.cfg.Name })
	cfg.Pools[i].Endpoints = endpoints
	next := &generation{cfg: &cfg, pools: maps.Clone(g.pools), lists: g.lists, resolver: g.resolver, event: g.event}
	made := &builtPool{cfg: cfg.Pools[i], targets: map[string]*upstream.Target{}, before: b.targets, tls: b.tls, resolver: b.resolver, follow: b.follow}
	next.assemble(made, b)
	next.pools[b.cfg.Name] = made
	snapshot := *g.snapshot
	snapshot.Routes = slices.Clone(g.snapshot.Routes)
	for i := range snapshot.Routes {
		if cfg.Routes[i].Pool == b.cfg.Name {
			snapshot.Routes[i].Pool = next.poolFor(cfg.Routes[i])
		}
	}
	next.snapshot = &snapshot
	return next
}

// leave ends what the next form of the pool has no more: an endpoint that left loses its idle connections and gets no request, not even of those
// who began before, as long as one that stays may be asked: those know of no other. It gives the names of the endpoints that came and of those
// that left.
func (b *builtPool) leave(next *builtPool) (came, left []string) {
	kept := map[*upstream.Target]bool{}
	for _, t := range next.targets {
		kept[t] = true
	}
	for _, t := range b.targets {
		if !kept[t] {
			t.Close()
		}
	}
	has := func(all []config.Endpoint, e config.Endpoint) bool {
		return slices.ContainsFunc(all, func(other config.Endpoint) bool { return other.Place == e.Place })
	}
	var gone []int
	others := false
	for i, e := range b.cfg.Endpoints {
		if has(next.cfg.Endpoints, e) {
			others = others || b.pool.Balance.Usable(i, mono.Now())
			continue
		}
		gone = append(gone, i)
		left = append(left, e.String())
	}
	if others {
		for _, i := range gone {
			b.pool.Balance.TakeOut(i, balance.Drained)
		}
	}
	for _, e := range next.cfg.Endpoints {
		if !has(b.cfg.Endpoints, e) {
			came = append(came, e.String())
		}
	}
	return came, left
}
