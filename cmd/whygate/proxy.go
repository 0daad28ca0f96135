package main

import (
	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
)

func (w *world) proxyCommand() *cobra.Command {
	var from, to []string
	var admin, accessLog, pages string
	drain := drainTimes{announceTime, drainTime}
	cmd := &cobra.Command{
		Use:   "proxy --from ADDRESS --to URL [--to URL...]",
		Short: "A gateway in one line, without a file",
		Long: `Forward every request that comes to --from to one of --to. The gateway starts even if nothing answers there yet.

An address is host:port, :port or a port. A URL is http://host:port, https://host or unix:/path.`,
		Example: "  whygate proxy --from 127.0.0.1:8080 --to http://127.0.0.1:3000",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.FromFlags(from, to)
			if err != nil {
				return err
			}
			if err := override(cfg, admin, accessLog, pages); err != nil {
				return err
			}
			return w.serve(cmd.Context(), cfg, gateway.Options{AnyAdminPort: admin == ""}, drain)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&from, "from", nil, "address to listen on; may be repeated")
	f.StringArrayVar(&to, "to", nil, "where requests go; may be repeated")
	f.StringVar(&admin, "admin", "", "admin address (default 127.0.0.1:9502, or a free port if that is taken; off for none)")
	f.StringVar(&accessLog, "access-log", "", "stdout, stderr, off or a file (default stdout)")
	f.StringVar(&pages, "error-pages", "", "full or plain (default full)")
	drainFlags(cmd, &drain)
	return cmd
}

func drainFlags(cmd *cobra.Command, d *drainTimes) {
	cmd.Flags().DurationVar(&d.announce, "drain-announce", d.announce, "how long readiness fails before the sockets are closed on SIGTERM, where somebody asks for it")
	cmd.Flags().DurationVar(&d.bound, "drain", d.bound, "how long requests under way may take to end on SIGTERM")
}
