package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/openfile"
)

func (w *world) checkCommand() *cobra.Command {
	var file, ask string
	var asJSON, probe bool
	cmd := &cobra.Command{
		Use:   "check [-c FILE] [--route 'GET HOST/PATH' | --probe]",
		Short: "Validate a configuration, say which route a request takes, or probe every endpoint",
		Long: `Read a configuration, load its certificates, open its files, and name every error at once, with its place and what to
write instead. Nothing is listened on and nothing is sent.

With --route, say which route a request would take. With --probe, walk to every endpoint of every pool as whygate diagnose
does: resolve, connect, shake hands, ask GET / a few times.`,
		Example: "  whygate check -c whygate.yaml\n  whygate check --route 'GET shop.example.com/api/cart'\n  whygate check --probe",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if ask != "" && probe {
				return withHint(errors.New("--route and --probe are two questions"), "ask one after the other")
			}
			cfg, problems := config.Load(file)
			if err := unreadable(file); err != nil && !asJSON {
				return cmp.Or(problems.Err(), err)
			}
			if cfg != nil {
				problems = append(problems, gateway.Check(cfg)...)
			}
			if ask != "" && !problems.Failed() {
				return w.printRoute(cfg, ask, asJSON)
			}
			if probe && !problems.Failed() {
				return w.probeAll(cmd.Context(), file, cfg, asJSON)
			}
			return w.printProblems(file, cfg, problems, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "config", "c", defaultFile, "the configuration `FILE`")
	f.StringVar(&ask, "route", "", "a `REQUEST`, as 'METHOD host/path' or a URL")
	f.BoolVar(&probe, "probe", false, "walk to every endpoint, and say which is broken")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printProblems prints everything that is wrong, or that nothing is.
func (w *world) printProblems(file string, cfg *config.Config, problems config.Problems, asJSON bool) error {
	failed := problems.Failed()
	switch {
	case asJSON:
		if problems == nil {
			problems = config.Problems{}
		}
		if err := printJSON(w.stdout, map[string]any{"file": file, "ok": !failed, "problems": problems}); err != nil {
			return err
		}
	default:
		for _, p := range problems {
			fmt.Fprintln(w.stdout, p)
		}
		if !failed {
			fmt.Fprintf(w.stdout, "%s: in order: %s, %s, %s\n", file,
				count(len(cfg.Listen), "listener"), count(len(cfg.Routes), "route"), count(len(cfg.Pools), "pool"))
		}
	}
	switch {
	case failed && unreadable(file) != nil:
		return status(exitUsage)
	case failed:
		return status(exitFault)
	}
	return nil
}

// unreadable says why a file cannot be read: that is wrong use, and no fault in a configuration.
func unreadable(file string) error {
	f, err := openfile.Open(context.Background(), file, openfile.Options{}) // a regular file: it is never waited for
	if err != nil {
		return err // a directory or a FIFO, for instance
	}
	return f.Close()
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// printRoute prints which route a request takes.
func (w *world) printRoute(cfg *config.Config, ask string, asJSON bool) error {
	method, host, path, err := parseAsk(ask)
	if err != nil {
		return err
	}
	i := gateway.MatchRoute(cfg, method, host, path)
	if asJSON {
		answer := map[string]any{"method": method, "host": host, "path": path, "matched": i >= 0}
		if i >= 0 {
			file, line, _ := cfg.Position(fmt.Sprintf("routes[%d]", i))
			answer["route"], answer["pool"], answer["file"], answer["line"] = i, cfg.Routes[i].Pool, file, line
		}
		if err := printJSON(w.stdout, answer); err != nil {
			return err
		}
	} else if i >= 0 {
		w.describeRoute(cfg, i)
	} else {
		fmt.Fprintf(w.stdout, "no route matches %s %s%s: it is answered 404 destination_not_found\n", method, host, path)
	}
	if i < 0 {
		return status(exitFault)
	}
	return nil
}

func (w *world) describeRoute(cfg *config.Config, i int) {
	r := cfg.Routes[i]
	pool := cfg.Pool(r.Pool)
	file, line, column := cfg.Position(fmt.Sprintf("routes[%d]", i))
	fmt.Fprintf(w.stdout, "%s:%d:%d: routes[%d]", file, line, column, i)
	for _, part := range []struct{ name, value string }{{"host", r.Host}, {"path", r.Path}, {"method", strings.Join(r.Methods, ",")}} {
		if part.value != "" {
			fmt.Fprintf(w.stdout, " %s %s", part.name, part.value)
		}
	}
	if pool == nil {
		what := fmt.Sprintf("respond %d", r.Respond.Status)
		switch {
		case r.Files.Root != "":
			what = "files of " + r.Files.Root
		case r.FastCGI.Address.Network != "":
			what = "fastcgi " + r.FastCGI.Address.String()
		case r.Redirect.To != "":
			what = fmt.Sprintf("redirect %d to %s", r.Redirect.Status, r.Redirect.To)
		}
		fmt.Fprintf(w.stdout, "\n  %s\n", what)
		return
	}
	fmt.Fprintf(w.stdout, "\n  pool %s, %s\n", pool.Name, pool.Balance)
	for _, e := range pool.Endpoints {
		fmt.Fprintf(w.stdout, "    %s\n", e)
	}
	t := pool.Timeouts
	fmt.Fprintf(w.stdout, "  timeouts connect %s, tls %s, write %s, head %s, read %s, response %s, idle %s\n",
		t.Connect, t.TLS, t.Write, t.Head, t.Read, orOff(t.Response.String(), t.Response == 0), orAuto(t.Idle))
	fmt.Fprintf(w.stdout, "  attempts %d, budget %d%%\n", pool.Retry.Attempts, pool.Retry.Budget)
}

// orAuto is a time for idle connections as the configuration spells it.
func orAuto(idle time.Duration) string {
	if idle == config.IdleAuto {
		return "auto"
	}
	return idle.String()
}

func orOff(s string, off bool) string {
	if off {
		return "off"
	}
	return s
}

// parseAsk understands "GET host/path", "host/path" and a URL.
func parseAsk(ask string) (method, host, path string, err error) {
	method, rest := "GET", strings.TrimSpace(ask)
	if m, after, ok := strings.Cut(rest, " "); ok {
		method, rest = m, strings.TrimSpace(after)
	}
	if !strings.Contains(rest, "://") {
		rest = "http://" + rest
	}
	u, perr := url.Parse(rest)
	if perr != nil || u.Host == "" || strings.ContainsAny(u.Host, " ") || isMethod(strings.TrimSpace(ask)) {
		return "", "", "", withHint(errors.New("--route: "+ask+" is not a request"), "write it as: --route 'GET shop.example.com/api/cart'")
	}
	path = u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return method, u.Host, path, nil
}

// isMethod reports whether a word is one of HTTP's methods: what is asked about then lacks the rest.
func isMethod(word string) bool {
	switch word {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return true
	}
	return false
}
