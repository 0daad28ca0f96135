package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
)

// How long a stop takes at most.
const (
	announceTime = 5 * time.Second // as long as two checks of a balancer that checks often
	drainTime    = 30 * time.Second
)

// serve runs a gateway until the context ends, and reloads it on SIGHUP.
func (w *world) serve(ctx context.Context, cfg *config.Config, o gateway.Options, drain drainTimes) error {
	o.Stdout, o.Stderr, o.Version = w.stdout, w.stderr, version()
	o.Readable = isTerminal(w.stdout)
	o.Color = o.Readable && os.Getenv("NO_COLOR") == ""
	g, err := gateway.New(cfg, o)
	if err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	g.Start()
	w.announce(g)
	g.Probe(ctx, w.stderr)
	for {
		select {
		case <-hup:
			g.Hangup()
		case err := <-g.Failed():
			g.Stop(0, drain.bound)
			return err
		case <-ctx.Done():
			fmt.Fprintf(w.stderr, "whygate: stopping: waiting up to %s for requests under way\n", drain.bound)
			if !g.Stop(drain.announce, drain.bound) {
				return errors.New("requests were cut: they did not end in time")
			}
			return nil
		}
	}
}

// drainTimes are how long a stop lets readiness fail before it closes the sockets, and how long it then waits.
type drainTimes struct{ announce, bound time.Duration }

// announce says where the gateway is to be found.
func (w *world) announce(g *gateway.Gateway) {
	for _, l := range g.Addresses() {
		scheme := "http"
		if l.TLS {
			scheme = "https"
		}
		fmt.Fprintf(w.stderr, "whygate: listening on %s://%s\n", scheme, l.Address)
	}
	if a := g.Admin(); a != "" {
		fmt.Fprintf(w.stderr, "whygate: admin on http://%s (/healthz /readyz /metrics /incidents)\n", a)
	}
}

// isTerminal reports whether a person reads what is written there.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
