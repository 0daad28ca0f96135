package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
)

// defaultFile is the configuration that is read when none is named.
const defaultFile = "whygate.yaml"

func (w *world) runCommand() *cobra.Command {
	var file string
	drain := drainTimes{announceTime, drainTime}
	cmd := &cobra.Command{
		Use:     "run [-c whygate.yaml]",
		Short:   "A gateway from a file",
		Long:    "Serve by a configuration file. SIGHUP, or whygate reload, reads it again; SIGTERM drains and stops.",
		Example: "  whygate run -c whygate.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			load := func() (*config.Config, config.Problems) { return config.Load(file) }
			cfg, problems := load()
			for _, p := range problems {
				if p.Severity == config.Warning {
					fmt.Fprintln(w.stderr, p)
				}
			}
			if err := problems.Err(); err != nil {
				return err
			}
			return w.serve(cmd.Context(), cfg, gateway.Options{Load: load}, drain)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", defaultFile, "the configuration file")
	drainFlags(cmd, &drain)
	return cmd
}
