package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/term"
)

// diagnoseFlags are the flags of diagnose.
type diagnoseFlags struct {
	upstreams       []string
	address         string
	host, sni       string
	ca, crl         string
	cert, key       string
	insecure, http1 bool
	method          string
	unsafe          bool
	headers         []string
	timeout, budget time.Duration
	count           int
	noTrace         bool
	idleProbe       time.Duration
	patient         bool
	here, noHere    bool
	netns           int
	json            bool
	html            string
	watch           bool
	every           time.Duration
	cluster         clusterFlags
}

// watchEvery is the pause of --watch unless told otherwise.
const watchEvery = 10 * time.Second

func (w *world) diagnoseCommand() *cobra.Command {
	var flags diagnoseFlags
	cmd := &cobra.Command{
		Use:   "diagnose URL | --kubernetes KIND/NAME",
		Short: "Walk the path to a URL as a gateway would, and say which step is broken",
		Long: `Walk the path to a URL as a gateway would: the name, the path, TLS, HTTP, who made the answer, and whether it lasts. Give the
upstreams behind a gateway with --upstream, and the same walk is made straight to them. Then say which step is broken, what
proves it, what was ruled out and what to do.

Probing harms nobody: a handful of requests with safe methods, a few connections without a request, some pings. The report
says what was sent. Secrets (Authorization, cookies, the values of a query) are masked in what is shown.

With --kubernetes there is no URL: the walk goes from an Ingress, an HTTPRoute or a Service to the containers behind it, through the
API server that kubectl would ask, and reads alone.

Exit codes: 0 nothing is wrong, 1 a fault was found, 2 wrong use.`,
		Example: `  whygate diagnose https://shop.example.com/cart
  whygate diagnose https://shop.example.com/ --upstream 10.0.0.7:8080 --upstream 10.0.0.8:8080
  whygate diagnose https://shop.example.com/ --address 203.0.113.7
  whygate diagnose http://127.0.0.1/ --html report.html
  whygate diagnose --kubernetes ingress/shop -n web`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := flags.cluster.check(cmd, args); err != nil || flags.cluster.object != "" {
				return err
			}
			if len(args) != 1 {
				return withHint(fmt.Errorf("diagnose takes one URL, and got %d", len(args)), "whygate diagnose https://shop.example.com/")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.cluster.object != "" {
				return w.diagnoseCluster(cmd.Context(), &flags)
			}
			return w.diagnose(cmd.Context(), args[0], &flags)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&flags.upstreams, "upstream", nil, "an upstream behind the gateway, to walk straight: host:port, a URL or unix:/path (repeatable)")
	f.StringVar(&flags.address, "address", "", "dial this IP address; SNI, Host and verification stay the name's")
	f.StringVar(&flags.host, "host", "", "the Host header, where it is not the URL's")
	f.StringVar(&flags.sni, "sni", "", "the name in TLS, sent and verified, where it is not the URL's")
	f.StringVar(&flags.ca, "ca", "", "a PEM file of authorities to trust instead of the system's")
	f.StringVar(&flags.crl, "crl", "", "a file of certificate revocation lists to look in")
	f.StringVar(&flags.cert, "cert", "", "a PEM file of the client certificate to show")
	f.StringVar(&flags.key, "key", "", "its key")
	f.BoolVar(&flags.insecure, "insecure", false, "go on with a certificate that does not verify")
	f.StringVar(&flags.method, "method", "GET", "the request method: GET, HEAD or OPTIONS; others only with --unsafe-method")
	f.BoolVar(&flags.unsafe, "unsafe-method", false, "allow a --method that may change something; it is sent once to the URL and once to each --upstream")
	f.StringArrayVarP(&flags.headers, "header", "H", nil, "a request header, 'Name: value' (repeatable)")
	f.BoolVar(&flags.http1, "http1", false, "do not ask by HTTP/2 where it is offered")
	f.DurationVar(&flags.timeout, "timeout", diagnose.DefaultTimeout, "bounds each wait")
	f.DurationVar(&flags.budget, "budget", diagnose.DefaultBudget, "bounds the whole run")
	f.IntVar(&flags.count, "count", diagnose.DefaultCount, "how often the request is repeated to see whether it lasts, 0 to 20")
	f.BoolVar(&flags.noTrace, "no-traceroute", false, "do not look for the routers on the way")
	f.DurationVar(&flags.idleProbe, "idle-probe", 0, "wait so long for the server to close an idle connection: 75s")
	f.BoolVar(&flags.patient, "patient", false, "ask again after pauses of up to 15 s, as a gateway's kept connections have them: about a minute")
	f.BoolVar(&flags.here, "here", false, "look for the proxy on this machine, even if the address is not local")
	f.BoolVar(&flags.noHere, "no-here", false, "do not look for the proxy on this machine")
	f.IntVar(&flags.netns, "netns", 0, "walk from the network namespace of this process, with its name servers (root)")
	f.BoolVar(&flags.json, "json", false, "print JSON")
	f.StringVar(&flags.html, "html", "", "write a report with pictures to this file")
	f.BoolVar(&flags.watch, "watch", false, "repeat, and show what changes")
	f.DurationVar(&flags.every, "every", watchEvery, "the pause of --watch")
	flags.cluster.add(f)
	return cmd
}

// diagnose runs the command.
func (w *world) diagnose(ctx context.Context, url string, flags *diagnoseFlags) error {
	if flags.netns != 0 {
		return w.enterNamespace(ctx, flags.netns)
	}
	o, err := flags.options(url)
	if err != nil {
		return err
	}
	target, err := diagnose.ParseTarget(o)
	if err != nil {
		return withHint(err, "whygate diagnose https://shop.example.com/")
	}
	if !flags.noHere {
		o.Here = hereHook(flags.here)
	}
	if flags.watch {
		return w.watch(ctx, func() (*walked, error) { return walkURL(ctx, o) }, flags)
	}
	if flags.html != "" { // that it cannot be written is to be known before the walk
		if err := reportWritable(flags.html); err != nil {
			return err
		}
	}
	page := newDiagnosis(w.stdout)
	if !flags.json {
		begin := sync.OnceFunc(func() { page.begin(target.URL) })
		o.Step = func(s diagnose.Step) { begin(); page.step(s) }
	}
	r, err := diagnose.Run(ctx, o)
	if err != nil {
		return withHint(err, "whygate diagnose https://shop.example.com/ --upstream 127.0.0.1:3000")
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: what was not waited for is no verdict")
	}
	if flags.html != "" {
		if err := writeDiagnosis(flags.html, r); err != nil {
			return err
		}
	}
	if flags.json {
		if err := printJSON(w.stdout, r); err != nil {
			return err
		}
	} else {
		page.end(r)
	}
	if flags.html != "" && !flags.json {
		fmt.Fprintln(w.stdout, "report: "+term.Clean(flags.html))
	}
	if !r.Verdict.Healthy {
		return status(exitFault)
	}
	return nil
}

// safeMethods may be sent without a word: RFC 9110, section 9.2.1.
var safeMethods = []string{"GET", "HEAD", "OPTIONS"}

// options checks the flags and reads the files they name.
func (f *diagnoseFlags) options(url string) (*diagnose.Options, error) {
	o := &diagnose.Options{
		URL: url, Upstreams: f.upstreams, Host: f.host, ServerName: f.sni, Insecure: f.insecure, Method: f.method, HTTP1: f.http1,
		Timeout: f.timeout, Budget: f.budget, Count: f.count, NoTrace: f.noTrace, IdleProbe: f.idleProbe, Patient: f.patient, Advice: diagnose.StackAdvice,
	}
	if f.count == 0 {
		o.Count = -1
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	if f.idleProbe > 0 {
		o.Budget = max(o.Budget, diagnose.DefaultBudget+f.idleProbe)
	}
	if f.patient {
		o.Budget = max(o.Budget, diagnose.DefaultBudget+diagnose.PatientBudget)
	}
	if f.address != "" {
		a, err := netip.ParseAddr(f.address)
		if err != nil {
			return nil, withHint(fmt.Errorf("--address %s is no IP address", f.address), "--address 203.0.113.7")
		}
		o.Address = a
	}
	for _, h := range f.headers {
		field, err := parseField(h)
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(field.Name, "Host") {
			o.Host = cmp.Or(o.Host, field.Value)
			continue
		}
		o.Fields = append(o.Fields, field)
	}
	return o, f.readFiles(o)
}

// everyLeast is the shortest pause of --watch: a walk sends some ten requests.
const everyLeast = time.Second

// check finds wrong use that needs no file.
func (f *diagnoseFlags) check() error {
	switch {
	case !isToken(f.method):
		return withHint(fmt.Errorf("--method %q is no method", f.method), "--method HEAD")
	case !slices.Contains(safeMethods, f.method) && !f.unsafe:
		return withHint(fmt.Errorf("--method %s may change something", f.method), "add --unsafe-method if that is what you want: it is sent once to the URL, and once to each --upstream")
	case f.count < 0 || f.count > diagnose.CountMax:
		return withHint(fmt.Errorf("--count %d: 0 to %d", f.count, diagnose.CountMax), "--count 10")
	case f.timeout <= 0 || f.budget <= 0 || f.idleProbe < 0:
		return withHint(errors.New("--timeout, --budget and --idle-probe are longer than nothing"), "--timeout 4s --budget 15s")
	case f.watch && f.every < everyLeast:
		return withHint(fmt.Errorf("--every %s would be load: %s is the least", f.every, everyLeast), "--every 10s")
	case (f.cert == "") != (f.key == ""):
		return withHint(errors.New("--cert and --key belong together"), "--cert client.pem --key client-key.pem")
	case strings.ContainsFunc(f.host+f.sni, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return withHint(errors.New("--host and --sni are names in ASCII"), "--host shop.example.com")
	}
	return nil
}

// framing are the fields that say how a message goes on: what is sent here has no body, and stays HTTP/1.1.
var framing = []string{"content-length", "transfer-encoding", "expect", "upgrade", "te", "trailer"}

// parseField reads a field as --header has it.
func parseField(text string) (diagnose.Field, error) {
	name, value, found := strings.Cut(text, ":")
	value = strings.Trim(value, " \t")
	switch {
	case !found || !isToken(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return diagnose.Field{}, withHint(fmt.Errorf("--header %q is no header", name), "--header 'Accept: text/html'")
	case slices.Contains(framing, strings.ToLower(name)):
		return diagnose.Field{}, withHint(fmt.Errorf("--header %s: the requests have no body and no other protocol", name), "--header 'Accept: text/html'")
	}
	return diagnose.Field{Name: name, Value: value}, nil
}

// isToken reports whether the text may be a method or the name of a field: RFC 9110, section 5.6.2.
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}

// readFiles reads the authorities and the client certificate.
func (f *diagnoseFlags) readFiles(o *diagnose.Options) error {
	if f.ca != "" {
		var err error
		if o.Roots, err = certs.LoadPool(f.ca); err != nil {
			return withHint(fmt.Errorf("--ca: %w", err), "a certificate in PEM form begins with -----BEGIN CERTIFICATE-----")
		}
	}
	if f.crl != "" {
		var err error
		if o.Revoked, err = certs.LoadRevocations(f.crl); err != nil {
			return fmt.Errorf("--crl: %w", err)
		}
	}
	if f.cert != "" {
		var err error
		if o.Certificate, err = certs.LoadPair(f.cert, f.key); err != nil {
			return fmt.Errorf("--cert, --key: %w", err)
		}
	}
	return nil
}
