package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/term"
)

// probesAtOnce is how many endpoints are walked to at once.
const probesAtOnce = 16

// probed is one endpoint and what the walk to it showed.
type probed struct {
	Pool     string           `json:"pool"`
	Endpoint string           `json:"endpoint"`
	Healthy  bool             `json:"healthy"`
	Verdict  diagnose.Verdict `json:"verdict"`
	Status   int              `json:"status,omitempty"`
	Took     diagnose.Millis  `json:"took_ms"`
}

// probeAll walks to every endpoint of the configuration and prints a table.
func (w *world) probeAll(ctx context.Context, file string, cfg *config.Config, asJSON bool) error {
	var all []*probed
	var options []*diagnose.Options
	for i := range cfg.Pools {
		p := &cfg.Pools[i]
		for _, e := range p.Endpoints {
			o, err := probeOptions(cfg, p, e)
			if err != nil {
				return err
			}
			all = append(all, &probed{Pool: p.Name, Endpoint: o.URL})
			options = append(options, o)
		}
	}
	progress := term.NewProgress(w.stderr, "probing", int64(len(all)))
	slots := make(chan bool, probesAtOnce)
	failed := make([]error, len(all))
	var group sync.WaitGroup
	for i, p := range all {
		slots <- true
		group.Go(func() { // ends within the budget
			defer func() { <-slots; progress.Add(1) }()
			failed[i] = p.walk(ctx, options[i])
		})
	}
	group.Wait()
	progress.Done()
	broken := 0
	for i, p := range all {
		if failed[i] != nil {
			return failed[i]
		}
		if !p.Healthy {
			broken++
		}
	}
	if asJSON {
		if err := printJSON(w.stdout, map[string]any{"file": file, "ok": broken == 0, "endpoints": all}); err != nil {
			return err
		}
	} else {
		w.printProbed(all, broken)
	}
	if broken > 0 {
		return status(exitFault)
	}
	return nil
}

// walk walks to the endpoint.
func (p *probed) walk(ctx context.Context, o *diagnose.Options) error {
	r, err := diagnose.Run(ctx, o)
	if err != nil {
		return err
	}
	p.Verdict, p.Healthy, p.Took = r.Verdict, r.Verdict.Healthy, r.Took
	if r.Walk.HTTP != nil && r.Walk.HTTP.Main != nil {
		p.Status = r.Walk.HTTP.Main.Status
	}
	return nil
}

// probeTime bounds each wait of a walk: as long as the pool lets an upstream think, where that is less than the walk's own bound. 0 is
// off there, and leaves the walk's. A second is the least, since names, connections and handshakes have their waits too.
func probeTime(head time.Duration) time.Duration {
	if head <= 0 {
		return diagnose.DefaultTimeout
	}
	return max(min(head, diagnose.DefaultTimeout), time.Second)
}

// probeOptions are the pool's settings as the walk needs them.
func probeOptions(cfg *config.Config, p *config.Pool, e config.Endpoint) (*diagnose.Options, error) {
	o := &diagnose.Options{URL: endpointURL(e), NoTrace: true, HTTP1: true, Count: 2, ServerName: p.TLS.ServerName, Insecure: !p.TLS.Verify, Advice: func(on diagnose.On) []string {
		return gateway.Advise(cfg, p.Name, advice.For("whygate", on.Cause))
	}}
	o.Servers = cfg.Resolver.Servers
	if p.Host != config.HostClient && p.Host != config.HostEndpoint {
		o.Host = p.Host
	}
	o.Timeout = probeTime(p.Timeouts.Head)
	if p.TLS.CA != "" {
		var err error
		if o.Roots, err = certs.LoadPool(p.TLS.CA); err != nil {
			return nil, err
		}
	}
	if p.TLS.CRL != "" {
		var err error
		if o.Revoked, err = certs.LoadRevocations(p.TLS.CRL); err != nil {
			return nil, err
		}
	}
	if p.TLS.Cert != "" {
		var err error
		if o.Certificate, err = certs.LoadPair(p.TLS.Cert, p.TLS.Key); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func endpointURL(e config.Endpoint) string {
	if e.Scheme == "unix" {
		return "unix:" + e.Path
	}
	return e.Scheme + "://" + net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// printProbed prints the table, and what to do below it.
func (w *world) printProbed(all []*probed, broken int) {
	style := term.New(w.stdout)
	t := &term.Table{Head: []string{"", "pool", "endpoint", "verdict", "time"}, Align: []term.Align{term.Left, term.Left, term.Left, term.Left, term.Right}}
	for _, p := range all {
		mark, verdict := style.Green("✓"), fmt.Sprintf("answers %d", p.Status)
		if !p.Healthy {
			mark, verdict = style.Red("✗"), style.Red(p.Verdict.Cause.String())
		}
		t.Row(mark, p.Pool, term.Clean(p.Endpoint), verdict, millis(p.Took))
	}
	fmt.Fprint(w.stdout, t.Render(style))
	for _, p := range all {
		if p.Healthy {
			continue
		}
		fmt.Fprintln(w.stdout, term.Hang(term.Clean(verdictSentence(&p.Verdict))+".", style.ReadingWidth(), "\n"+p.Endpoint+": ", "  "))
		for _, a := range p.Verdict.Advice[:min(len(p.Verdict.Advice), 2)] {
			fmt.Fprintln(w.stdout, term.Hang(term.Clean(a), style.ReadingWidth(), "  - ", "    "))
		}
	}
	fmt.Fprintf(w.stdout, "%s%d of %s in order\n", map[bool]string{true: "\n", false: ""}[broken > 0], len(all)-broken, count(len(all), "endpoint"))
}
