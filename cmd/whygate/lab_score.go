package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/lab"
	"github.com/whygate/whygate/internal/term"
	"github.com/whygate/whygate/internal/visible"
)

// scoring is the flags of lab score.
type scoring struct {
	only       []string
	asJSON     bool
	everything bool
	html       string
	markdown   string
	svg        string
	base       int
	dir        string
	anywhere   bool
	try        bool // only try whether the lab's network can be made, for isolation
}

func (w *world) labScoreCommand() *cobra.Command {
	var o scoring
	cmd := &cobra.Command{
		Use:   "score [PROXY|URL...]",
		Short: "Play every scenario through a proxy, and score what it makes of it",
		Long: `Start the proxy before a lab of its own, play every scenario through it, and score four things: the right status; the right
error in Proxy-Status, where the proxy sends one; a broken body that is visibly broken and a poisoned connection that is not used
again; and that it still serves afterwards. Several proxies give one table side by side.

A URL stands for a proxy that runs already and has the lab behind it, as whygate lab config makes it; the lab is served meanwhile.

As root on Linux, each proxy runs in network namespaces of its own, with a router, a firewall and a name server: otherwise those
scenarios are left out.`,
		Example: "  whygate lab score whygate\n  whygate lab score whygate nginx haproxy\n  whygate lab score nginx --only tls --all\n  whygate lab score http://127.0.0.1:8080",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"whygate"}
			}
			ctx, stop := untilHangup(cmd.Context())
			defer stop()
			if o.try {
				return tryNetwork()
			}
			err := w.score(ctx, args, &o)
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				fmt.Fprintln(w.stderr, "whygate: interrupted")
				return status(exitInterrupted)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.only, "only", nil, "`GLOB`s of scenarios, or groups; all of them by default")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	f.BoolVar(&o.everything, "all", false, "print what was right as well")
	f.StringVar(&o.html, "html", "", "write a page to this `FILE`")
	f.StringVar(&o.markdown, "markdown", "", "write a table in Markdown to this `FILE`")
	f.StringVar(&o.svg, "svg", "", "write the picture to this `FILE`")
	f.IntVar(&o.base, "base-port", lab.DefaultBase, "for a URL: the lab's base `PORT`")
	f.BoolVar(&o.anywhere, "anywhere", false, "for a URL: it may lead to another machine")
	f.BoolVar(&o.try, "try-network", false, "")
	_ = f.MarkHidden("try-network")
	f.StringVar(&o.dir, "dir", "", "for a URL: the `DIRECTORY` of the lab's certificates (default: the user's cache directory)")
	return cmd
}

// score scores each proxy and prints the result.
func (w *world) score(ctx context.Context, names []string, o *scoring) error {
	found, err := scenarios(o.only)
	if err != nil {
		return err
	}
	if err := known(names, o.anywhere); err != nil {
		return err
	}
	if err := cmp.Or(baseInRange(o.base), canWrite(o.html), canWrite(o.markdown), canWrite(o.svg)); err != nil {
		return err
	}
	if lab.Isolated() && lab.ProxyNamed(names[0]) != nil {
		return w.scoreInside(ctx, names[0], found)
	}
	progress := term.NewProgress(w.stderr, "scoring", int64(len(names)*len(found)))
	var mu sync.Mutex // guards counts
	counts := make([]int, len(names))
	scores, network := w.scores(ctx, names, found, o, func(i, done int) {
		mu.Lock()
		defer mu.Unlock()
		counts[i] = done
		sum := 0
		for _, n := range counts {
			sum += n
		}
		progress.Set(int64(sum))
	})
	progress.Done()
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.printScores(scores, found, network, o)
}

// canWrite checks that a file can be written before minutes are spent on what goes into it. It makes the file.
func canWrite(file string) error {
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return withHint(err, "name a file in a directory that is there and may be written to")
	}
	return f.Close()
}

// exitInterrupted is what shells make of a command that SIGINT ended.
const exitInterrupted = 130

// proxyNames is the hint for a name that is none.
const proxyNames = "one of whygate, nginx, haproxy, caddy, traefik, envoy, apache, varnish, or a URL such as http://127.0.0.1:8080"

// known checks the names before anything is started.
func known(names []string, anywhere bool) error {
	for _, name := range names {
		if lab.ProxyNamed(name) != nil {
			continue
		}
		if !strings.Contains(name, "://") {
			return withHint(fmt.Errorf("no proxy is called %q", name), proxyNames)
		}
		u, err := url.Parse(name)
		if err != nil || u.Scheme != "http" || u.Hostname() == "" {
			return withHint(fmt.Errorf("%q is no URL of a proxy: only http://HOST:PORT is asked", name), proxyNames)
		}
		if !anywhere && !loopback(u.Hostname()) {
			return withHint(fmt.Errorf("%s is not on this machine: many of the lab's requests look like attacks", u.Host), "--anywhere plays them there nevertheless")
		}
	}
	return nil
}

// loopback reports whether a URL's host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// sideBySide is how many proxies are scored at the same time.
const sideBySide = 2

// scores scores the proxies, in namespaces if this machine can. network says why not, empty if it can.
func (w *world) scores(ctx context.Context, names []string, found []*lab.Scenario, o *scoring, progress func(i, done int)) (scores []*lab.Score, network string) {
	self, err := ownProgram()
	if err != nil {
		return []*lab.Score{{Proxy: names[0], Error: err.Error()}}, ""
	}
	scores = make([]*lab.Score, len(names))
	if err := isolation(ctx, self); err != nil {
		network = err.Error()
	}
	tickets := make(chan struct{}, sideBySide)
	var group sync.WaitGroup
	for i, name := range names {
		run := lab.Run{Self: self, Scenarios: found, Progress: func(done, _ int) { progress(i, done) }}
		switch p := lab.ProxyNamed(name); {
		case p == nil:
			group.Wait()
			scores[i] = w.scoreURL(ctx, name, &run, o)
		case network != "":
			one, cancel := context.WithTimeout(ctx, labTime)
			scores[i] = run.Score(one, p)
			cancel()
		default:
			tickets <- struct{}{}
			group.Go(func() {
				scores[i] = scoreIsolated(ctx, self, name, o.only, func(done int) { progress(i, done) })
				<-tickets
			})
		}
	}
	group.Wait()
	return scores, network
}

func (w *world) scoreURL(ctx context.Context, name string, run *lab.Run, o *scoring) *lab.Score {
	u, err := url.Parse(name)
	var dir string
	if err == nil {
		dir, err = labDir(o.dir)
	}
	if err != nil {
		return &lab.Score{Proxy: name, Error: err.Error()}
	}
	score := run.ScoreURL(ctx, u, lab.Options{Base: o.base, Dir: dir})
	if strings.Contains(score.Error, syscall.EADDRINUSE.Error()) { // a score's error is text: it may come from another process
		score.Error += "\nhint: stop whygate lab serve: the score serves the lab itself"
	}
	return score
}

// tryTime bounds the trial of the network.
const tryTime = 20 * time.Second

// isolation says why this machine cannot make the lab's network: it tries, in a process of its own.
func isolation(ctx context.Context, self string) error {
	if err := lab.CanIsolate(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	runtime.LockOSThread() // the process ends with the thread
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, self, "lab", "score", "--try-network")
	lab.Isolate(cmd)
	lab.Enclose(cmd)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if said := strings.TrimSpace(strings.TrimPrefix(string(out), "whygate: ")); said != "" {
		return errors.New(said)
	}
	return fmt.Errorf("network namespaces: %w", err)
}

// tryNetwork is what the process of isolation does.
func tryNetwork() error {
	n, err := lab.OpenNetwork()
	if err != nil {
		return err
	}
	n.Close()
	return nil
}

// scoreIsolated scores one proxy in a process of its own, in namespaces of its own.
func scoreIsolated(ctx context.Context, self, name string, only []string, progress func(done int)) *lab.Score {
	ctx, cancel := context.WithTimeout(ctx, labTime)
	defer cancel()
	args := []string{"lab", "score", name}
	for _, g := range only {
		args = append(args, "--only", g)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = labWait
	lab.Isolate(cmd)
	lab.Enclose(cmd)
	runtime.LockOSThread() // the process ends with the thread
	defer runtime.UnlockOSThread()
	var out bytes.Buffer
	cmd.Stdout = &out
	told, err := cmd.StderrPipe()
	if err != nil {
		return &lab.Score{Proxy: name, Error: err.Error()}
	}
	if err := cmd.Start(); err != nil {
		return &lab.Score{Proxy: name, Error: err.Error()}
	}
	var said strings.Builder
	for lines := bufio.NewScanner(told); lines.Scan(); {
		var done int
		if _, err := fmt.Sscanf(lines.Text(), "played %d", &done); err == nil {
			progress(done)
			continue
		}
		said.WriteString(lines.Text() + "\n")
	}
	_, _ = io.Copy(io.Discard, told) // a line that was too long ended the scan
	err = cmd.Wait()
	var score lab.Score
	if json.Unmarshal(out.Bytes(), &score) != nil {
		return &lab.Score{Proxy: name, Error: fmt.Sprintf("the process that scored it ended: %v\n%s", err, said.String())}
	}
	return &score
}

// scoreInside is what the process of scoreIsolated does: the score as JSON on stdout, the progress on stderr.
func (w *world) scoreInside(ctx context.Context, name string, found []*lab.Scenario) error {
	self, err := ownProgram()
	if err != nil {
		return err
	}
	run := lab.Run{Self: self, Scenarios: found, Progress: func(done, _ int) { fmt.Fprintf(w.stderr, "played %d\n", done) }}
	return printJSONLine(w.stdout, run.Score(ctx, lab.ProxyNamed(name)))
}

// printScores prints the scores in the form that was asked for, and fails with 1 if anything was wrong.
func (w *world) printScores(scores []*lab.Score, found []*lab.Scenario, network string, o *scoring) error {
	for file, render := range map[string]func([]*lab.Score, []*lab.Scenario) string{o.html: lab.HTML, o.markdown: lab.Markdown, o.svg: lab.SVG} {
		if file == "" {
			continue
		}
		if err := os.WriteFile(file, []byte(visible.Lines(render(scores, found))), 0o644); err != nil {
			return err
		}
	}
	if o.asJSON {
		if err := printJSON(w.stdout, map[string]any{"version": 1, "network": network == "", "scores": scores}); err != nil {
			return err
		}
	} else {
		w.printTables(scores, found, network, o.everything)
	}
	for _, s := range scores {
		if right, played := s.Count(); s.Error != "" || right < played {
			return status(exitFault)
		}
	}
	return nil
}
