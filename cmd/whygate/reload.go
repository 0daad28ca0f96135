package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/term"
)

// Bounds of a question to a running gateway. What answers may be any program.
const (
	adminTimeout = 10 * time.Second // a reload reads every certificate anew
	answerMax    = 1 << 20          // bytes of an answer; a hundred mistakes with their lines are far below
)

func (w *world) reloadCommand() *cobra.Command {
	var file, admin string
	cmd := &cobra.Command{
		Use:   "reload [-c whygate.yaml]",
		Short: "Have the running gateway read its configuration again",
		Long: `Check a configuration, and have the gateway that was started with it read it again. If the file has mistakes they are printed,
and the gateway keeps its present configuration. A gateway that was started with another file is left alone.

Exit codes: 0 reloaded, 1 the file has mistakes, 2 the gateway was not found or is not that file's.`,
		Example: "  whygate reload -c /etc/whygate/whygate.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.reload(cmd.Context(), file, admin)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", defaultFile, "the configuration `FILE`")
	cmd.Flags().StringVar(&admin, "admin", "", "the gateway's admin `ADDRESS` (default: the file's)")
	return cmd
}

// reload checks the file, finds the gateway that serves by it, and asks it to read the file again.
func (w *world) reload(ctx context.Context, file, admin string) error {
	_, problems := config.Load(file)
	if err := unreadable(file); err != nil {
		return problems.Err()
	}
	failed := false
	for _, p := range problems {
		// What only this shell lacks, the gateway may have: a variable, the right to read a secret. It checks once more.
		if !p.Outside {
			fmt.Fprintln(w.stdout, p)
			failed = failed || p.Severity == config.Error
		}
	}
	if failed {
		fmt.Fprintf(w.stdout, "not reloaded: %s has mistakes, and the gateway keeps its present configuration\n", file)
		return status(exitFault)
	}
	path, err := resolved(file)
	if err != nil {
		return err
	}
	address, err := adminAddress(file, admin)
	if err != nil {
		return err
	}
	a := newAsked(address, file)
	if a.password, err = adminPassword(file, ""); err != nil {
		return err
	}
	if err := a.identify(ctx, path); err != nil {
		return err
	}
	return w.askReload(ctx, a, path)
}

// resolved is the file's absolute path with symbolic links resolved, which is what a gateway compares.
func resolved(file string) (string, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// adminAddress is where the gateway is asked: what was given, or what the file says.
func adminAddress(file, admin string) (config.Address, error) {
	var a config.Address
	var err error
	if admin != "" {
		if a, err = config.ParseAddress(admin); err != nil {
			return a, fmt.Errorf("--admin %w", err)
		}
	} else if a, err = config.LoadAdmin(file); err != nil {
		return a, err
	}
	_, port, _ := net.SplitHostPort(a.Address)
	switch {
	case a.Network == "":
		return a, withHint(errors.New("the configuration has no admin address"), "send the gateway's process SIGHUP instead: kill -HUP PID, or systemctl reload whygate")
	case a.Network == "systemd":
		return a, withHint(fmt.Errorf("the admin address %s does not say where it is", a), "name it: --admin ADDRESS")
	case port == "0":
		return a, withHint(fmt.Errorf("the admin address %s has no fixed port", a), "the gateway said at its start which one it got: --admin ADDRESS")
	}
	return a, nil
}

// asked is the program at an admin address.
type asked struct {
	client  *http.Client
	base    string // the scheme, and a host that every admin server knows
	address config.Address
	file    string // as the user named it

	password string // empty for none
}

// adminPassword is what the gateway asks for: the first line of the file that was given, or of the configuration's; empty where neither is there.
func adminPassword(file, given string) (string, error) {
	if given == "" {
		cfg, problems := config.Load(file)
		if problems.Failed() || cfg.Console.PasswordFile == "" {
			return "", nil
		}
		given = cfg.Console.PasswordFile
	}
	b, err := os.ReadFile(given)
	if err != nil {
		return "", fmt.Errorf("the admin address's password: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimRight(line, "\r"), nil
}

// askedBy is the user name that the gateway notes beside what was changed.
const askedBy = "whygate"

func newAsked(address config.Address, file string) *asked {
	scheme, conf := "http", adminTLS(file)
	if conf != nil {
		scheme = "https"
	}
	transport := &http.Transport{TLSClientConfig: conf, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, address.Network, address.Address)
	}, DisableKeepAlives: true}
	return &asked{address: address, file: file, base: scheme + "://localhost", client: &http.Client{
		Timeout: adminTimeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it would lead elsewhere
	}}
}

// The variables that name a client certificate for the admin address, where console.tls.client_ca asks for one.
const (
	adminCertVar = "WHYGATE_ADMIN_CERT"
	adminKeyVar  = "WHYGATE_ADMIN_KEY"
)

// adminTLS is what to speak at the admin address of the file's gateway, nil for HTTP in clear. The certificate that is in console.tls.cert is taken for the gateway's,
// and no other: it need not have the name by which it is asked.
func adminTLS(file string) *tls.Config {
	cfg, problems := config.Load(file)
	if problems.Failed() || cfg.Console.TLS.Cert == "" {
		return nil
	}
	c := cfg.Console.TLS
	return &tls.Config{
		InsecureSkipVerify: true, // VerifyConnection looks at it
		VerifyConnection: func(s tls.ConnectionState) error {
			text, err := os.ReadFile(c.Cert) // its key may be another's to read
			if err != nil {
				return err
			}
			own, _ := pem.Decode(text)
			if own == nil || len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, own.Bytes) {
				return fmt.Errorf("the certificate shown is not the one in %s", c.Cert)
			}
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if os.Getenv(adminCertVar) == "" {
				return new(tls.Certificate), nil
			}
			return certs.LoadPair(os.Getenv(adminCertVar), os.Getenv(adminKeyVar))
		},
	}
}

// adminAnswer is what a gateway says, with the keys that both questions need.
type adminAnswer struct {
	Product  string  `json:"product"`
	Version  string  `json:"version"`
	Process  int     `json:"process"`
	File     *string `json:"file"`
	Reloaded bool    `json:"reloaded"`
	Error    string  `json:"error"`
	Hint     string  `json:"hint"`
	Pools    []struct {
		Pool        string  `json:"pool"`
		Maintenance *string `json:"maintenance"`
		Endpoints   []struct {
			Endpoint string `json:"endpoint"`
			State    string `json:"state"`
			Reason   string `json:"reason"`
			InFlight int64  `json:"in_flight"`
		} `json:"endpoints"`
	} `json:"pools"`
	Certificates []gateway.Certificate `json:"certificates"`
	Renewed      bool                  `json:"renewed"`
	code         int
}

// do asks one question. An answer that is no JSON object is not a gateway's.
func (a *asked) do(ctx context.Context, method, path string, body []byte) (*adminAnswer, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if a.password != "" {
		req.SetBasicAuth(askedBy, a.password)
	}
	res, err := a.client.Do(req)
	if err != nil {
		if request := new(url.Error); errors.As(err, &request) {
			err = request.Err // its URL says localhost, which is not where the gateway was asked
		}
		if op := new(net.OpError); !errors.As(err, &op) && !os.IsTimeout(err) && ctx.Err() == nil {
			return nil, a.foreign("its answer cannot be read: " + term.Clean(err.Error()))
		}
		return nil, withHint(fmt.Errorf("ask the gateway at %s: %s", a.address, term.Clean(err.Error())),
			"is it running? whygate run -c "+a.file+"\nif the file's admin address has changed since it was started, name the old one with --admin")
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, answerMax))
	if err != nil {
		return nil, fmt.Errorf("ask the gateway at %s: %s", a.address, term.Clean(err.Error()))
	}
	if res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden {
		return nil, withHint(fmt.Errorf("the gateway at %s answers %d: %s", a.address, res.StatusCode, term.Clean(strings.TrimSpace(string(b[:min(len(b), 300)])))),
			"make console.password_file readable for whoever asks, or name a client certificate in "+adminCertVar+" and "+adminKeyVar+", or send the gateway's process SIGHUP")
	}
	out := &adminAnswer{code: res.StatusCode}
	if json.Unmarshal(b, out) != nil {
		return nil, a.foreign(fmt.Sprintf("it answers %d to GET /version, and no JSON", res.StatusCode))
	}
	return out, nil
}

// foreign says that another program has the admin address.
func (a *asked) foreign(how string) error {
	hint := "see who has it"
	if _, port, err := net.SplitHostPort(a.address.Address); err == nil {
		hint += ": ss -lntp 'sport = :" + port + "'"
	}
	return withHint(fmt.Errorf("what listens at %s is not a Whygate: %s", a.address, how), hint+"\nname the gateway's own address with --admin")
}

// identify makes sure that it is the gateway of the file, before anything is asked of it that changes something.
func (a *asked) identify(ctx context.Context, path string) error {
	v, err := a.do(ctx, http.MethodGet, "/version", nil)
	switch {
	case err != nil:
		return err
	case v.Product == "" && v.Version != "" && v.code == http.StatusOK:
		return withHint(fmt.Errorf("the gateway at %s is of an older version, which does not say whose file it has", a.address), "send its process SIGHUP instead: kill -HUP PID")
	case v.Product != gateway.Product || v.File == nil:
		return a.foreign(fmt.Sprintf("its answer (%d) to GET /version does not say so", v.code))
	case *v.File != path:
		with := "without a file (whygate proxy)"
		if *v.File != "" {
			with = "with " + term.Clean(*v.File)
		}
		return withHint(fmt.Errorf("the gateway at %s (process %d) was started %s, not with %s: nothing was reloaded", a.address, v.Process, with, path),
			"start one with it: whygate run -c "+a.file+"\nor, if it runs with another admin address, name that with --admin")
	}
	return nil
}

// askReload asks for the reload and prints what came of it.
func (w *world) askReload(ctx context.Context, a *asked, path string) error {
	body, err := json.Marshal(map[string]string{"file": path})
	if err != nil {
		return err
	}
	r, err := a.do(ctx, http.MethodPost, "/reload", body)
	switch {
	case err != nil:
		return err
	case r.Reloaded:
		fmt.Fprintf(w.stdout, "reloaded %s (process %d)\n", a.file, r.Process)
		return nil
	}
	for line := range strings.SplitSeq(r.Error, "\n") {
		fmt.Fprintln(w.stdout, term.Clean(line))
	}
	if r.Hint != "" {
		fmt.Fprintln(w.stdout, "hint:", term.Clean(r.Hint))
	}
	fmt.Fprintln(w.stdout, "not reloaded: the gateway keeps its present configuration")
	if r.code == http.StatusConflict {
		return status(exitUsage)
	}
	return status(exitFault)
}
