package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
)

func (w *world) proxyCommand() *cobra.Command {
	var from, to []string
	var flags config.Overrides
	var printConfig bool
	var s *serving
	cmd := &cobra.Command{
		Use:   "proxy --from ADDRESS --to URL [--to URL...]",
		Short: "A gateway in one line, without a file",
		Long: `Forward every request that comes to --from to one of --to. The gateway starts even if nothing answers there yet.

With --domain clients are spoken to over TLS, with a certificate from Let's Encrypt that is obtained and renewed by itself: the name must lead
to this machine, and port 443 be reachable. You agree to the authority's terms of service by it. Only that name is answered. Beside port 443
port 80 is listened on, and who comes there is sent to https://; --no-redirect leaves it alone. With another port it is not, unless there is
a --from for it. Without --domain clients speak HTTP/1.1 in clear. For certificates from files go on with a file: --print-config makes it, its key is listen[].tls.

An address is host:port, :port or a port. A URL is http://host:port, https://host or unix:/path. SIGHUP opens the access log again;
SIGTERM drains and stops.`,
		Example: `  whygate proxy --from 127.0.0.1:8080 --to http://127.0.0.1:3000
  whygate proxy --from :8080 --to https://10.0.0.7:8443 --ca internal-ca.pem --server-name app.internal
  whygate proxy --from :443 --to http://127.0.0.1:3000 --domain shop.example.com
  whygate proxy --from :8080 --to http://127.0.0.1:3000 --print-config > whygate.yaml`,
		Args: proxyArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, warnings, err := proxyConfig(from, to, flags)
			if err != nil {
				return err
			}
			for _, p := range warnings {
				fmt.Fprintln(w.stderr, p)
			}
			if printConfig {
				_, err := w.stdout.Write(config.PrintFlags(cfg, "whygate proxy as a file. To serve by it:", "  whygate run -c whygate.yaml"+servingGiven(cmd)))
				return err
			}
			if err := s.check(); err != nil {
				return err
			}
			state, _ := store.StateDirectory(os.Getenv) // whoever needs it says that it is missing
			return w.serve(cmd.Context(), cfg, gateway.Options{Flags: true, AnyAdminPort: flags.Admin == "", State: state}, s)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&from, "from", nil, "`ADDRESS` to listen on; may be repeated")
	f.StringArrayVar(&to, "to", nil, "`URL` that requests go to; may be repeated")
	f.StringVar(&flags.CA, "ca", "", "PEM `FILE` of the authorities to trust for https://, in place of the system's; or the certificate itself")
	f.StringVar(&flags.ServerName, "server-name", "", "the `NAME` to ask for (SNI) and to verify the certificate against, in place of the URL's host")
	f.BoolVar(&flags.Insecure, "insecure", false, "do not verify certificates: anybody on the way can read and change what passes")
	f.StringArrayVar(&flags.Domains, "domain", nil, "`NAME` to get a certificate for and to answer by; may be repeated")
	f.BoolVar(&flags.NoRedirect, "no-redirect", false, "do not listen on port 80 for --domain, to send clients to https://")
	f.StringVar(&flags.Email, "email", "", "`ADDRESS` that the authority writes to about certificates")
	f.StringVar(&flags.Directory, "acme-directory", "", "`URL` of another authority than Let's Encrypt")
	f.StringVar(&flags.Root, "acme-ca", "", "PEM `FILE` of who signs that authority's own certificate")
	f.StringVar(&flags.Admin, "admin", "", "admin `ADDRESS` (default 127.0.0.1:9502, or a free port if that is taken; off for none)")
	f.StringVar(&flags.AccessLog, "access-log", "", "stdout, stderr, off or a `FILE` (default stdout)")
	f.StringVar(&flags.ErrorPages, "error-pages", "", "full or plain (default full)")
	f.BoolVar(&printConfig, "print-config", false, "print a configuration file that means the same, and do nothing else")
	s = servingFlags(cmd)
	return cmd
}

// proxyConfig is the configuration that the flags mean, and what is to be said of it. What they name must be there: without a file to
// mend nobody waits for it.
func proxyConfig(from, to []string, flags config.Overrides) (*config.Config, config.Problems, error) {
	cfg, err := config.FromFlags(from, to)
	if err != nil {
		return nil, nil, err
	}
	problems := flags.Apply(cfg)
	if err := problems.Err(); err != nil {
		return nil, nil, err
	}
	return cfg, problems, gateway.CheckFlags(cfg)
}

// servingGiven are the flags of serving as they were given, for another command that takes them too.
func servingGiven(cmd *cobra.Command) string {
	var b strings.Builder
	for _, name := range []string{"drain-announce", "drain", "log-format"} {
		if f := cmd.Flags().Lookup(name); f.Changed {
			b.WriteString(" --" + name + " " + f.Value.String())
		}
	}
	return b.String()
}

// location matches an address or a URL that may be shown as one to paste.
var location = regexp.MustCompile(`^[A-Za-z0-9._:/\[\]-]{1,200}$`)

// proxyArguments takes none, and says which flags were meant by whoever writes addresses as other tools take them.
func proxyArguments(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("proxy: %q is no flag: say which address is which", args[0])
	from, to := ":8080", args
	if len(args) > 1 {
		from, to = args[0], args[1:]
	}
	for _, arg := range args {
		if !location.MatchString(arg) {
			return withHint(err, "whygate proxy --from :8080 --to http://127.0.0.1:3000")
		}
	}
	cfg, wrong := config.FromFlags([]string{from}, to)
	if wrong != nil {
		return withHint(err, "whygate proxy --from :8080 --to http://127.0.0.1:3000")
	}
	hint := "whygate proxy --from " + cfg.Listen[0].Address.String()
	for _, e := range cfg.Pools[0].Endpoints {
		hint += " --to " + e.String()
	}
	return withHint(err, hint)
}
