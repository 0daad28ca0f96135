package gateway

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/health"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/upstream"
)

// checking is the checks of one endpoint, which go on while the pool's other endpoints come and go.
type checking struct {
	target *upstream.Target
	stop   context.CancelFunc
	done   chan struct{} // closed when they have ended
}

// end ends checks. They are told of it at once, so that none waits for another.
func end(all []*checking) {
	for _, c := range all {
		c.stop()
	}
	for _, c := range all {
		<-c.done
	}
}

// check begins to check the pool's endpoints, if it wants that. Those that before checked in the same way it goes on with. It ends with uncheck.
func (b *builtPool) check(before []*checking) {
	if !b.cfg.Check.On {
		return
	}
	b.pool.Health.Take()
	c := b.checkOf()
	for i := range b.pool.Endpoints {
		t := b.pool.Endpoints[i].Target
		if at := slices.IndexFunc(before, func(c *checking) bool { return c.target == t }); at >= 0 {
			b.checks = append(b.checks, before[at])
			before = slices.Delete(before, at, at+1)
			continue
		}
		ctx, stop := context.WithCancel(context.Background())
		one := &checking{t, stop, make(chan struct{})}
		go func() { // ends with ctx
			defer close(one.done)
			b.pool.Health.Run(ctx, i, t, c)
		}()
		b.checks = append(b.checks, one)
	}
	end(before)
}

// takeChecks gives the checks of a pool, for the one that takes its place to go on with, where that makes them in the same way: a reload must
// not hide an endpoint that is dead, however often there is one. They are retire's to end otherwise.
func (g *generation) takeChecks(pool string, next *builtPool) []*checking {
	if g == nil || g.pools[pool] == nil {
		return nil
	}
	b := g.pools[pool]
	if !next.cfg.Check.On || !reflect.DeepEqual(b.checkOf(), next.checkOf()) {
		return nil
	}
	all := b.checks
	b.checks = nil
	return all
}

// checkOf is what the pool's endpoints are asked.
func (b *builtPool) checkOf() *health.Check {
	p := &b.cfg
	c := &health.Check{Path: p.Check.Path, Every: p.Check.Every, Timeout: p.Check.Timeout, Fall: p.Check.Fall, Rise: p.Check.Rise}
	switch p.Check.Type {
	case config.CheckTCP:
		c.Kind = health.TCP
	case config.CheckGRPC:
		c.Kind, c.Service = health.GRPC, strings.TrimPrefix(p.Check.Path, "/")
	}
	switch {
	case p.Check.Host != "":
		c.Host = []byte(p.Check.Host)
	case b.pool.Host == proxy.HostFixed:
		c.Host = b.pool.HostName
	}
	for _, r := range p.Check.Status {
		c.Status = append(c.Status, health.Range(r))
	}
	return c
}

// uncheck ends the checks.
func (b *builtPool) uncheck() {
	end(b.checks)
	b.checks = nil
}

// unchecked puts back what checks found down that this generation has not. It is called when those have ended.
func (g *generation) unchecked() {
	for _, b := range g.pools {
		if !b.cfg.Check.On {
			b.pool.Health.Unchecked(mono.Now())
		}
	}
}
