package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/lab"
	"github.com/whygate/whygate/internal/term"
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
			return w.score(cmd.Context(), args, &o)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.only, "only", nil, "globs of scenarios, or groups; all of them by default")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	f.BoolVar(&o.everything, "all", false, "print what was right as well")
	f.StringVar(&o.html, "html", "", "write a page to this file")
	f.StringVar(&o.markdown, "markdown", "", "write a table in Markdown to this file")
	f.StringVar(&o.svg, "svg", "", "write the picture to this file")
	f.IntVar(&o.base, "base-port", lab.DefaultBase, "for a URL: the lab's base port")
	f.StringVar(&o.dir, "dir", "", "for a URL: where the lab's certificates are kept (default: the user's cache directory)")
	return cmd
}

// score scores each proxy and prints the result.
func (w *world) score(ctx context.Context, names []string, o *scoring) error {
	found, err := scenarios(o.only)
	if err != nil {
		return err
	}
	if lab.Isolated() {
		return w.scoreInside(ctx, names[0], found)
	}
	if err := known(names); err != nil {
		return err
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

// known checks the names before anything is started.
func known(names []string) error {
	for _, name := range names {
		if lab.ProxyNamed(name) == nil && !strings.Contains(name, "://") {
			return withHint(fmt.Errorf("no proxy is called %q", name), "one of whygate, nginx, haproxy, caddy, traefik, envoy, apache, varnish, or a URL such as http://127.0.0.1:8080")
		}
	}
	return nil
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
	if err := isolation(self); err != nil {
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
	if err == nil && u.Scheme != "http" {
		err = errors.New("only http:// is asked")
	}
	var dir string
	if err == nil {
		dir, err = labDir(o.dir)
	}
	if err != nil {
		return &lab.Score{Proxy: name, Error: err.Error()}
	}
	return run.ScoreURL(ctx, u, lab.Options{Base: o.base, Dir: dir})
}

// isolation says why this machine cannot make the lab's network: it tries.
func isolation(self string) error {
	if err := lab.CanIsolate(); err != nil {
		return err
	}
	cmd := exec.Command(self, "version")
	lab.Isolate(cmd)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("network namespaces: %w", err)
	}
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
	return json.NewEncoder(w.stdout).Encode(run.Score(ctx, lab.ProxyNamed(name)))
}

// printScores prints the scores in the form that was asked for, and fails with 1 if anything was wrong.
func (w *world) printScores(scores []*lab.Score, found []*lab.Scenario, network string, o *scoring) error {
	for file, render := range map[string]func([]*lab.Score, []*lab.Scenario) string{o.html: lab.HTML, o.markdown: lab.Markdown, o.svg: lab.SVG} {
		if file == "" {
			continue
		}
		if err := os.WriteFile(file, []byte(render(scores, found)), 0o644); err != nil {
			return err
		}
	}
	if o.asJSON {
		if err := w.printJSON(map[string]any{"version": 1, "network": network == "", "scores": scores}); err != nil {
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
