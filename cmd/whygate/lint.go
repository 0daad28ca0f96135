package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/lint"
	"github.com/whygate/whygate/internal/term"
	"github.com/whygate/whygate/internal/topology"
)

func (w *world) lintCommand() *cobra.Command {
	var asJSON, probe bool
	var apps []string
	cmd := &cobra.Command{
		Use:   "lint FILE|DIR... [--app FILE] [--probe] [--json]",
		Short: "Read any proxy's configuration, and say which 502, 503, 504 and 499 it will make",
		Long: `Read the configuration of nginx (with includes, or the output of nginx -T), HAProxy (files in order), Apache, Caddy (Caddyfile
and JSON), Traefik (YAML, TOML, labels in a compose file), Envoy, Kubernetes (Ingress, Service, HTTPRoute, Deployment), Varnish
and IIS, and beside it what the application says: php-fpm pools, gunicorn, uWSGI, Puma, Unicorn, Tomcat's server.xml, systemd
units, compose files. Say which failures they will make or allow, at which line, and what to write instead.

A fault will fail. A risk fails under a condition that is named. A note is worth to know. Where the truth needs both sides, as
with time-outs and kept connections, name the application's file, too. Nothing is sent, except with --probe, which looks up names
and asks the upstreams.

Exit codes: 0 neither fault nor risk, 1 faults or risks were found, 2 wrong use or nothing could be read.`,
		Example: `  whygate lint /etc/nginx
  nginx -T | whygate lint -
  whygate lint /etc/haproxy/haproxy.cfg --app gunicorn.conf.py
  whygate lint compose.yaml nginx.conf
  whygate lint k8s/ --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.lint(cmd.Context(), append(args, apps...), probe, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&apps, "app", nil, "a `FILE` of the application's: its server's settings, a unit, a compose file; may be given again")
	f.BoolVar(&probe, "probe", false, "ask what can be asked: a risk becomes a fault, or goes")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// lint runs the command.
func (w *world) lint(ctx context.Context, names []string, probe, asJSON bool) error {
	t, err := topology.Read(ctx, names, w.stdin)
	switch {
	case errors.Is(err, context.Canceled):
		return status(exitInterrupted)
	case errors.Is(err, fs.ErrPermission):
		return withHint(err, "sudo whygate lint ...")
	case errors.Is(err, fs.ErrNotExist):
		return withHint(err, "whygate lint /etc/nginx\nwhygate lint /etc/haproxy/haproxy.cfg")
	case err != nil:
		return err
	}
	for _, name := range t.Unknown {
		fmt.Fprintf(w.stderr, "whygate: %s: no configuration that is known here\n", term.Clean(name))
	}
	if len(t.Files) == 0 {
		w.printProblemsOf(t)
		return withHint(errors.New("nothing could be read"), "whygate lint --help lists what is read")
	}
	found, err := lint.Lint(ctx, t)
	if err == nil && probe {
		found, err = lint.Probe(ctx, t, found)
	}
	if err != nil {
		return status(exitInterrupted)
	}
	w.printProblemsOf(t)
	if asJSON {
		if found == nil {
			found = []lint.Finding{}
		}
		err = printJSON(w.stdout, map[string]any{"findings": found})
	} else {
		w.printFindings(t, found)
	}
	if err != nil {
		return err
	}
	for i := range found {
		if found[i].Severity > lint.Note {
			return status(exitFault)
		}
	}
	return nil
}

// printProblemsOf says on standard error what could not be read, or not be looked at.
func (w *world) printProblemsOf(t *topology.Topology) {
	for _, p := range t.Problems {
		fmt.Fprintf(w.stderr, "whygate: %s\n", term.Clean(p))
	}
}

// lintLabel is how wide the labels are.
const lintLabel = 8

// printFindings prints the faults and risks, each with what to write, then the notes.
func (w *world) printFindings(t *topology.Topology, found []lint.Finding) {
	s := term.New(w.stdout)
	label := func(name, text string) {
		head := "  " + s.Dim(name) + strings.Repeat(" ", lintLabel-len(name))
		fmt.Fprintln(w.stdout, term.Hang(term.Clean(text), s.ReadingWidth(), head, strings.Repeat(" ", lintLabel+2)))
	}
	counts := [3]int{}
	for _, severity := range []lint.Severity{lint.Fault, lint.Risk, lint.Note} {
		for i := range found {
			f := &found[i]
			if f.Severity != severity {
				continue
			}
			counts[severity]++
			colour := [...]func(string) string{s.Blue, s.Yellow, s.Red}[severity]
			where := fmt.Sprintf("%s:%d", f.File, f.Line)
			fmt.Fprintf(w.stdout, "%s  %s  %s\n", s.Bold(term.Clean(where)), colour(severity.String()), s.Cyan(f.Rule))
			label("what", f.Message)
			for j, line := range strings.Split(f.Fix, "\n") {
				label([...]string{"write", ""}[min(j, 1)], s.Green(line))
			}
			if severity > lint.Note {
				label("causes", strings.Join(f.Causes, ", "))
			}
		}
	}
	summary := fmt.Sprintf("%s read: %s, %s, %s", count(len(t.Files), "file"), count(counts[lint.Fault], "fault"), count(counts[lint.Risk], "risk"), count(counts[lint.Note], "note"))
	if n := len(t.Idle); n > 0 {
		summary += fmt.Sprintf("; %s that nothing includes, left out", count(n, "file"))
	}
	fmt.Fprintln(w.stdout, s.Dim(summary))
	if len(found) > 0 {
		fmt.Fprintln(w.stdout, s.Dim("whygate cause SLUG says more about a cause, docs/lint/RULE.md about a rule"))
	}
}
