package gateway

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/upstream"
)

// probeTime bounds what an endpoint is given to answer at the start.
const probeTime = 3 * time.Second

// Probe asks every endpoint once, as the proxy would, and prints what each answered: one line per endpoint, in the order
// of the configuration. It sends GET / and nothing else.
func (g *Gateway) Probe(ctx context.Context, out io.Writer) {
	g.mu.Lock()
	cfg := g.current.cfg
	g.mu.Unlock()
	var lines []*string
	var wait sync.WaitGroup
	known := lists{}
	for _, p := range cfg.Pools {
		tlsConf, _ := clientTLS(cfg, p, known)
		for _, e := range p.Endpoints {
			line := new(string)
			lines = append(lines, line)
			t := upstream.New(endpointOf(e), upstream.Options{
				Connect: bound(p.Timeouts.Connect), TLS: bound(p.Timeouts.TLS), Write: probeTime, Head: probeTime,
				HeadMax: int(p.Limits.ResponseHead), TLSConf: tlsConf, Resolver: upstream.NewResolver(cfg.Resolver.Servers, bound(cfg.Resolver.Timeout)),
			})
			wait.Go(func() { *line = probe(ctx, p.Name, t) })
		}
	}
	wait.Wait()
	for _, l := range lines {
		fmt.Fprint(out, *l)
	}
}

func bound(d time.Duration) time.Duration {
	if d <= 0 {
		return probeTime
	}
	return min(d, probeTime)
}

// probe asks one endpoint and puts what came into words.
func probe(ctx context.Context, pool string, t *upstream.Target) string {
	var a upstream.Attempt
	var res httpmsg.Response
	began := conn.Now()
	a.Begin(t, began)
	defer a.Drop()
	request := "GET / HTTP/1.1\r\nHost: " + t.Authority() + "\r\nUser-Agent: whygate-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n"
	ok := a.Ask([]byte(request), upstream.FreshConnection, func() bool { return ctx.Err() != nil })
	for ok {
		if ok = a.ReadHead(&res, httpmsg.GET); ok && res.Status >= 200 {
			ms := float64(conn.Now()-began) / 1e6
			over := "HTTP/1." + string(rune('0'+res.Minor))
			if t.Secure {
				over += " over TLS"
			}
			return fmt.Sprintf("whygate: upstream %s (pool %s) answered %d in %.1f ms, %s\n", t.Text, pool, res.Status, ms, over)
		}
	}
	f := fault.Classify(&a.Evidence)
	return fmt.Sprintf("whygate: upstream %s (pool %s) does not answer yet: %s\n  do: %s\n", t.Text, pool, f.Sentence(&a.Evidence), f.Advice())
}
