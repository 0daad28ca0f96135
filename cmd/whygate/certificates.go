package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/term"
)

// renewWait is how long the command waits for a renewal: longer than the gateway does.
const renewWait = 150 * time.Second

func (w *world) certificatesCommand() *cobra.Command {
	var file, admin string
	cmd := &cobra.Command{
		Use:   "certificates",
		Short: "The running gateway's certificates, and those of its upstreams",
		Long: `List the certificates that the running gateway shows to clients, from files and from an authority (tls: auto), and those that its https
endpoints showed it: for which names, from whom, how many days are left, when the next renewal or try is, and why the last one failed.
Of an endpoint it is its whole chain that counts: the first of it to end. Where a certificate names an OCSP responder, ocsp says what that says of it:
good, revoked, or none while there is no response to staple.

Exit codes: 0 all are well, 1 one has ended, ends within a week, could not be renewed, was revoked, or must be stapled and is not, 2 the
gateway was not found.`,
		Example: "  whygate certificates\n  whygate certificates renew shop.example.com",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.listCertificates(cmd.Context(), file, admin)
		},
	}
	renew := &cobra.Command{
		Use:   "renew NAME",
		Short: "Obtain a certificate anew now",
		Long: `Have the running gateway obtain the certificate of a name anew, whatever time is left of it, and wait for it. Authorities count how often
that happens. The old one is shown until the new one is there.

Exit codes: 0 done, 1 it could not be obtained, 2 the gateway was not found.`,
		Example: "  whygate certificates renew shop.example.com",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.renewCertificate(cmd.Context(), file, admin, args[0])
		},
	}
	cmd.AddCommand(renew)
	for _, c := range []*cobra.Command{cmd, renew} {
		c.Flags().StringVarP(&file, "config", "c", defaultFile, "the gateway's configuration `FILE`, for its admin address")
		c.Flags().StringVar(&admin, "admin", "", "the gateway's admin `ADDRESS` (default: the file's)")
	}
	return cmd
}

// askGateway gives the program at the admin address, once it has said that it is a gateway.
func askGateway(ctx context.Context, file, admin string) (*asked, error) {
	address, err := adminAddress(file, admin)
	if err != nil {
		return nil, err
	}
	a := newAsked(address, file)
	if a.password, err = adminPassword(file, ""); err != nil {
		return nil, err
	}
	v, err := a.do(ctx, http.MethodGet, "/version", nil)
	if err != nil {
		return nil, err
	}
	if v.Product != gateway.Product {
		return nil, a.foreign(fmt.Sprintf("its answer (%d) to GET /version does not say so", v.code))
	}
	return a, nil
}

func (w *world) listCertificates(ctx context.Context, file, admin string) error {
	a, err := askGateway(ctx, file, admin)
	if err != nil {
		return err
	}
	r, err := a.do(ctx, http.MethodGet, "/certificates", nil)
	if err != nil {
		return err
	}
	if r.Error != "" {
		return fmt.Errorf("the gateway says: %s", term.Clean(r.Error))
	}
	if len(r.Certificates) == 0 {
		fmt.Fprintln(w.stdout, "no certificate yet: no listener speaks TLS, and no https endpoint was connected to")
		return nil
	}
	return w.printCertificates(r.Certificates)
}

// urgentDays is how few days may be left before the command's exit code says so.
const urgentDays = 7

func (w *world) printCertificates(list []gateway.Certificate) error {
	style := term.New(w.stdout)
	table := term.Table{Head: []string{"from", "name", "days left", "next", "ocsp", "issuer"}, Align: []term.Align{term.Left, term.Left, term.Right}, Whole: 3}
	bad := false
	for _, c := range list {
		days, next := strconv.Itoa(c.DaysLeft), ""
		if c.NotAfter.IsZero() {
			days = "none"
		}
		if !c.Next.IsZero() {
			next = c.Next.Local().Format("2006-01-02 15:04")
		}
		bad = bad || c.Problem != "" || c.NotAfter.IsZero() || c.DaysLeft < urgentDays && c.From != gateway.FromACME
		name := term.Clean(c.Name)
		if c.Pool != "" {
			name = term.Clean(c.Pool) + " " + name
		}
		stapled := ""
		if o := c.OCSP; o != nil {
			stapled = o.Status
			bad = bad || o.Status == gateway.OCSPRevoked || o.MustStaple && o.Status != gateway.OCSPGood
		}
		table.Row(c.From, name, days, next, stapled, term.Clean(c.Issuer))
	}
	fmt.Fprint(w.stdout, table.Render(style))
	for _, c := range list {
		if c.Problem != "" {
			fmt.Fprintf(w.stdout, "\n%s\nhint: %s\n", term.Clean(c.Problem), term.Clean(c.Do))
		}
		if c.OCSP != nil && c.OCSP.Problem != "" {
			fmt.Fprintf(w.stdout, "\n%s: no OCSP response: %s\n", term.Clean(c.Name), term.Clean(c.OCSP.Problem))
		}
	}
	if bad {
		return status(exitFault)
	}
	return nil
}

func (w *world) renewCertificate(ctx context.Context, file, admin, name string) error {
	a, err := askGateway(ctx, file, admin)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"renew": name})
	if err != nil {
		return err
	}
	a.client.Timeout = renewWait
	r, err := a.do(ctx, http.MethodPost, "/certificates", body)
	if err != nil {
		return err
	}
	if !r.Renewed {
		fmt.Fprintln(w.stdout, term.Clean(r.Error))
		if r.Hint != "" {
			fmt.Fprintln(w.stdout, "hint:", term.Clean(r.Hint))
		}
		return status(exitFault)
	}
	return w.printCertificates(r.Certificates)
}
