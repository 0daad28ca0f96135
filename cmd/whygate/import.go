package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/adoption"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/term"
)

func (w *world) importCommand() *cobra.Command {
	var compare string
	cmd := &cobra.Command{
		Use:   "import FILE|DIR... [--compare URL]",
		Short: "Translate another proxy's configuration to Whygate's",
		Long: `Read the configuration of nginx (with includes, or the output of nginx -T), HAProxy (files in order), Caddy (Caddyfile), Traefik
(YAML and TOML files) or Apache (with includes), and print one for Whygate: listeners, hosts, paths, rewrites, redirects, headers, pools, time-outs, limits, files.

What has no counterpart stands as a comment at its place, and on standard error as FILE:LINE: not translated: WHAT.

With --compare, the result is run on a port of loopback's and asked the same as the other proxy, which has to be up: a GET and a HEAD for each
route. Where status, Location, headers or body differ is told on standard error.

Exit codes: 0 everything was translated, 1 something was not or answers differ, 2 wrong use or nothing could be read.`,
		Example: `  whygate import /etc/nginx/nginx.conf > whygate.yaml
  nginx -T | whygate import - > whygate.yaml
  whygate import /etc/haproxy/haproxy.cfg > whygate.yaml && whygate check -c whygate.yaml
  whygate import Caddyfile --compare http://127.0.0.1:80 > whygate.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return w.adopt(cmd.Context(), args, compare) },
	}
	cmd.Flags().StringVar(&compare, "compare", "", "the other proxy's `URL`: ask it and the result the same, and show where they differ")
	return cmd
}

// adopt runs the command.
func (w *world) adopt(ctx context.Context, names []string, compare string) error {
	made, err := adoption.Translate(ctx, names, w.stdin)
	switch {
	case errors.Is(err, context.Canceled):
		return status(exitInterrupted)
	case errors.Is(err, fs.ErrPermission):
		return withHint(err, "sudo whygate import ...")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, adoption.ErrNothing):
		return withHint(err, "whygate import /etc/nginx/nginx.conf\nwhygate import /etc/haproxy/haproxy.cfg")
	case err != nil:
		return err
	}
	for _, p := range made.Problems {
		fmt.Fprintf(w.stderr, "whygate: %s\n", term.Clean(p))
	}
	for _, n := range made.Notes {
		fmt.Fprintln(w.stderr, term.Clean(n.String()))
	}
	cfg, problems := config.Parse("the result", made.File, config.Options{})
	for _, p := range problems {
		if p.Severity == config.Error { // what is right there has no counterpart here, and nobody has thought of it
			fmt.Fprintf(w.stderr, "whygate: %s\n", p)
		}
	}
	if _, err := w.stdout.Write(made.File); err != nil {
		return err
	}
	if compare != "" && cfg != nil {
		if err := w.compare(ctx, compare, cfg); err != nil {
			return err
		}
	}
	if len(made.Notes)+len(made.Problems) > 0 || problems.Failed() {
		return status(exitFault)
	}
	return nil
}
