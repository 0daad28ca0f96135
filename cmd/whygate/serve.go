package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/term"
	"github.com/whygate/whygate/internal/visible"
)

// How long a stop takes at most.
const (
	announceTime = 5 * time.Second // as long as two checks of a balancer that checks often
	drainTime    = 30 * time.Second
)

// serving is how a gateway is served: by flags that run and proxy share.
type serving struct {
	announce, drain time.Duration // how long readiness fails before the sockets are closed, and how long requests may then take
	logFormat       string        // of the gateway's own log
}

// The forms of the gateway's own log.
const (
	logText = "text"
	logJSON = "json"
)

func servingFlags(cmd *cobra.Command) *serving {
	s := &serving{}
	f := cmd.Flags()
	f.DurationVar(&s.announce, "drain-announce", announceTime, "how long readiness fails before the sockets are closed on SIGTERM, where somebody asks for it")
	f.DurationVar(&s.drain, "drain", drainTime, "how long requests under way may take to end on SIGTERM")
	f.StringVar(&s.logFormat, "log-format", logText, "of the gateway's own log, on standard error: text (key=value) or json")
	return s
}

// check refuses what cannot be meant.
func (s *serving) check() error {
	if s.logFormat != logText && s.logFormat != logJSON {
		return withHint(fmt.Errorf("--log-format must be %s or %s, not %q", logText, logJSON, s.logFormat), "--log-format json")
	}
	return nil
}

// together is a writer that several goroutines share: the log, and the words at the start.
type together struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (t *together) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(b)
}

// plainly is a writer of whole lines of JSON, which shows what slog leaves raw: C1, DEL, characters that turn the direction of writing.
type plainly struct{ w io.Writer }

func (p plainly) Write(b []byte) (int, error) {
	if _, err := p.w.Write(visible.JSON(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// voice is what a gateway says to people: a few plain words at the start, and its own log, on one stream. With JSON all of it
// is the log.
type voice struct {
	out   io.Writer // the stream itself: the access log, which may go there too, cleans its own lines
	words io.Writer
	log   *slog.Logger
	json  bool
}

func (w *world) voice(s *serving) *voice {
	v := &voice{out: &together{w: term.Inner(w.stderr)}, json: s.logFormat == logJSON}
	v.words = term.NewGuard(v.out)
	if v.json {
		v.log = slog.New(slog.NewJSONHandler(plainly{v.out}, nil))
	} else {
		v.log = slog.New(slog.NewTextHandler(v.out, nil)) // quotes what does not print
	}
	return v
}

// serve runs a gateway until the context ends. SIGHUP has it open its logs and read its configuration again; SIGUSR2 has a new process take
// over.
func (w *world) serve(ctx context.Context, cfg *config.Config, o gateway.Options, s *serving) error {
	v := w.voice(s)
	o.Stdout, o.Stderr, o.Log, o.Version = term.Inner(w.stdout), v.out, v.log, version()
	o.Readable = term.IsTerminal(w.stdout)
	o.Color = o.Readable && os.Getenv("NO_COLOR") == ""
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	upgrade := make(chan os.Signal, 1)
	signal.Notify(upgrade, syscall.SIGUSR2)
	defer signal.Stop(upgrade)
	g, err := gateway.New(cfg, o)
	if err != nil {
		return err
	}
	g.Start()
	v.addresses(g)
	looking, look := context.WithCancel(ctx)
	var looks sync.WaitGroup
	looks.Go(func() { g.LookAround(looking, v.look) }) // ends with looking
	defer looks.Wait()
	defer look()
	for {
		select {
		case <-hup:
			g.Hangup()
		case <-upgrade:
			if !v.upgrade(ctx, g) {
				continue
			}
			if !g.Retire(s.drain) {
				v.log.Error("stopped: requests were cut, since they did not end in time", "hint", "give them longer: --drain 2m")
				return status(exitUsage)
			}
			v.log.Info("stopped: the new process goes on")
			return nil
		case err := <-g.Failed():
			g.Stop(0, s.drain)
			v.log.Error("stopped: a socket cannot be served any more", "error", err)
			return status(exitUsage)
		case <-ctx.Done():
			v.log.Info("stopping", "requests_may_take", s.drain)
			if !g.Stop(s.announce, s.drain) {
				v.log.Error("stopped: requests were cut, since they did not end in time", "hint", "give them longer: --drain 2m")
				return status(exitUsage)
			}
			v.log.Info("stopped")
			return nil
		}
	}
}

// upgrade hands the sockets to the program's file as it is now. It reports whether a new process serves.
func (v *voice) upgrade(ctx context.Context, g *gateway.Gateway) bool {
	program := os.Args[0]
	if path, err := exec.LookPath(program); err == nil {
		program = path
	}
	v.log.Info("a new process is to take over", "program", program)
	process, err := g.Upgrade(ctx, program, os.Args[1:])
	if err != nil {
		v.log.Error("not upgraded: this process goes on", "error", err)
		return false
	}
	v.log.Info("a new process has taken over; what is under way here ends", "process", process)
	return true
}

// addresses says where the gateway is to be found.
func (v *voice) addresses(g *gateway.Gateway) {
	for _, l := range g.Addresses() {
		url := "http://" + l.Address
		if l.TLS {
			url = "https://" + l.Address
		}
		if l.Network == "unix" {
			url = "unix:" + l.Address
		}
		if v.json {
			v.log.Info("listening", "address", url)
		} else {
			fmt.Fprintf(v.words, "whygate: listening on %s\n", url)
		}
	}
	a := g.AdminURL()
	switch {
	case a == "":
	case v.json:
		v.log.Info("admin", "address", a)
	default:
		fmt.Fprintf(v.words, "whygate: admin on %s (/console/ /healthz /readyz /metrics)\n", a)
	}
}

// look says what an endpoint did when it was asked at the start.
func (v *voice) look(l gateway.Look) {
	if !v.json {
		text := fmt.Sprintf("whygate: upstream %s (pool %s) %s\n", l.Endpoint, l.Pool, l.Text)
		if l.Fault.Is() {
			text += "  do: " + l.Advice + "\n"
		}
		_, _ = io.WriteString(v.words, text)
		return
	}
	if l.Fault.Is() {
		v.log.Warn("upstream "+l.Text, "endpoint", l.Endpoint, "pool", l.Pool, "cause", l.Fault.Cause.String(), "hint", l.Advice)
		return
	}
	v.log.Info("upstream "+l.Text, "endpoint", l.Endpoint, "pool", l.Pool)
}
