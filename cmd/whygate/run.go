package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
)

// defaultFile is the configuration that is read when none is named.
const defaultFile = "whygate.yaml"

func (w *world) runCommand() *cobra.Command {
	var file string
	var s *serving
	cmd := &cobra.Command{
		Use:   "run [-c whygate.yaml]",
		Short: "A gateway from a file",
		Long: `Serve by a configuration file. SIGHUP opens the access log again and then reads the file again, as whygate reload does; SIGTERM
drains and stops. SIGUSR2 upgrades the program while it runs: a new process of its file takes the sockets over, no connection is
refused, and this one drains.`,
		Example: "  whygate run -c whygate.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.check(); err != nil {
				return err
			}
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
			place, err := store.Default(os.Getenv)
			if err != nil && cfg.Incidents.Store == "" {
				fmt.Fprintf(w.stderr, "whygate: incidents are kept in memory only: %v; say where with incidents: {store: sqlite:PATH}\n", err)
			}
			state, _ := store.StateDirectory(os.Getenv) // whoever needs it says that it is missing
			return w.serve(cmd.Context(), cfg, gateway.Options{Load: load, Store: place, State: state}, s)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", defaultFile, "the configuration `FILE`")
	s = servingFlags(cmd)
	return cmd
}
