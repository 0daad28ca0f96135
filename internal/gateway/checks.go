package gateway

import (
	"context"
	"strings"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/health"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/proxy"
)

// check begins to check the pool's endpoints, if it wants that. It ends with uncheck.
func (b *builtPool) check() {
	p := &b.cfg
	if !p.Check.On {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
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
	for i := range b.pool.Endpoints {
		b.checks.Go(func() { b.pool.Health.Run(ctx, i, b.pool.Endpoints[i].Target, c) }) // ends with ctx
	}
}

// uncheck ends the checks.
func (b *builtPool) uncheck() {
	if b.stop != nil {
		b.stop()
		b.checks.Wait()
	}
}

// unchecked puts back what checks found down that this generation has not. It is called when those have ended.
func (g *generation) unchecked() {
	for _, b := range g.pools {
		if !b.cfg.Check.On {
			b.pool.Health.Unchecked(mono.Now())
		}
	}
}
