package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
	"github.com/whygate/whygate/internal/term"
)

// Limits of a comparison.
const (
	compareMost = 1000    // requests
	compareBody = 1 << 20 // bytes of a body that are compared
	compareWait = 30 * time.Second
)

// sameness asks two servers the same and says where their answers differ.
type sameness struct {
	theirs string // the other proxy's URL
	ours   string
	client *http.Client
}

// safeAsk is a request that changes nothing.
type safeAsk struct{ method, host, target string }

func (a safeAsk) String() string { return a.method + " " + a.host + a.target }

// compare runs the translated configuration, which it may change, on a port of loopback's and asks it and the other proxy the same.
func (w *world) compare(ctx context.Context, base string, cfg *config.Config) error {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return withHint(errors.New("--compare: "+base+" is no URL"), "write --compare http://127.0.0.1:80")
	}
	asks := safeAsks(cfg)
	g, err := besides(cfg, u, w.stderr)
	if err != nil {
		return err
	}
	defer g.Stop(0, compareWait)
	s := newSameness(u.Scheme+"://"+u.Host, "http://"+g.Addresses()[0].Address)
	defer s.client.CloseIdleConnections()
	differ := 0
	for _, a := range asks {
		found, err := s.ask(ctx, a)
		if err != nil {
			return err
		}
		for _, d := range found {
			fmt.Fprintf(w.stderr, "%s: %s\n", term.Clean(a.String()), term.Clean(d))
		}
		differ += min(len(found), 1)
	}
	fmt.Fprintf(w.stderr, "%s compared, %d differ\n", count(len(asks), "request"), differ)
	if differ > 0 {
		return status(exitFault)
	}
	return nil
}

func newSameness(theirs, ours string) *sameness {
	return &sameness{theirs: theirs, ours: ours, client: &http.Client{
		Timeout: compareWait, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableCompression: true, MaxResponseHeaderBytes: 1 << 20,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // nothing secret is sent, and the name is that of a route
		},
	}}
}

// besides runs a configuration on loopback, as it would be at the other proxy's port.
func besides(cfg *config.Config, u *url.URL, log io.Writer) (*gateway.Gateway, error) {
	port := map[string]int64{"http": 80, "https": 443}[u.Scheme]
	if n, err := strconv.ParseInt(u.Port(), 10, 64); err == nil {
		port = n
	}
	for i := range cfg.Routes {
		if r := &cfg.Routes[i]; slices.Contains(r.Ports, port) {
			r.Ports = nil
		}
	}
	cfg.Listen = []config.Listen{{Address: config.Address{Network: "tcp", Address: "127.0.0.1:0"}}}
	cfg.Admin, cfg.AccessLog.To = config.Address{}, config.LogOff
	cfg.TrustedProxies = append(cfg.TrustedProxies, netip.MustParsePrefix("127.0.0.1/32")) // it is told the scheme
	g, err := gateway.New(cfg, gateway.Options{Store: store.Nowhere, Stdout: io.Discard, Stderr: log})
	if err != nil {
		return nil, err
	}
	g.Start()
	return g, nil
}

// safeAsks makes requests of the routes: for each host and path one or two, without those that change anything.
func safeAsks(cfg *config.Config) []safeAsk {
	var asks []safeAsk
	add := func(a safeAsk) {
		if len(asks) < compareMost && !slices.Contains(asks, a) {
			asks = append(asks, a)
		}
	}
	for _, r := range cfg.Routes {
		host := strings.Replace(r.Host, "*", "compare", 1)
		if len(r.Methods) > 0 && !slices.Contains(r.Methods, "GET") {
			continue
		}
		for _, path := range samplePaths(r.Path) {
			add(safeAsk{"GET", host, path})
			add(safeAsk{"HEAD", host, path})
			add(safeAsk{"GET", host, path + "?whygate=compare"})
		}
	}
	return asks
}

// samplePaths are paths that a route is for.
func samplePaths(path string) []string {
	switch {
	case path == "":
		return []string{"/", "/whygate-compare"}
	case strings.HasSuffix(path, "/*"):
		stem := strings.TrimSuffix(path, "*")
		return []string{stem, stem + "whygate-compare", strings.TrimSuffix(path, "/*")}
	case strings.HasPrefix(path, "~"):
		expression, err := regexp.Compile(path[1:])
		if err != nil {
			return nil
		}
		literal, _ := regexp.MustCompile(strings.TrimPrefix(path[1:], "^")).LiteralPrefix()
		var fitting []string
		for _, try := range []string{literal, literal + "x", literal + "/x", literal + "/1", literal + "1", "/x" + literal, "/x" + strings.NewReplacer(`\`, "", "$", "").Replace(path[1:])} {
			if strings.HasPrefix(try, "/") && expression.MatchString(try) {
				fitting = append(fitting, try)
			}
		}
		return fitting[:min(len(fitting), 2)]
	}
	return []string{path}
}

// told are headers of one server's own: they tell who answers, and when.
var told = []string{"Date", "Server", "Via", "Connection", "Keep-Alive", "X-Request-Id", "Proxy-Status", "Transfer-Encoding", "Content-Length", "Etag", "Last-Modified", "Accept-Ranges", "Alt-Svc", "Retry-After", "Set-Cookie", "Www-Authenticate", "Expires"}

// comparedAnswer is what is compared of one.
type comparedAnswer struct {
	status  int
	headers http.Header
	body    string
}

// ask sends a request to both.
func (s *sameness) ask(ctx context.Context, a safeAsk) ([]string, error) {
	theirs, err := s.one(ctx, s.theirs, a)
	if err != nil {
		return nil, err
	}
	ours, err := s.one(ctx, s.ours, a)
	if err != nil {
		return nil, err
	}
	return differences(theirs, ours), nil
}

func (s *sameness) one(ctx context.Context, base string, a safeAsk) (*comparedAnswer, error) {
	req, err := http.NewRequestWithContext(ctx, a.method, base+a.target, nil)
	if err != nil {
		return nil, err
	}
	if a.host != "" {
		req.Host = a.host
	}
	if base == s.ours && strings.HasPrefix(s.theirs, "https") {
		req.Header.Set("X-Forwarded-Proto", "https")
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, compareBody))
	if err != nil {
		return nil, err
	}
	own := strings.SplitN(base, "://", 2)[1]
	out := &comparedAnswer{res.StatusCode, res.Header, strings.ReplaceAll(string(body), own, "SELF")}
	for name, values := range out.headers {
		for i, v := range values {
			values[i] = strings.ReplaceAll(v, own, "SELF")
		}
		if name == "Location" {
			if _, port, err := net.SplitHostPort(own); err == nil { // some name the port that they listen on
				values[0] = strings.Replace(values[0], ":"+port+"/", "/", 1)
			}
			values[0] = wholeURL(values[0], base, a)
		}
	}
	return out, nil
}

// wholeURL is a Location as a client takes it: one without a host is on the server that was asked.
func wholeURL(to, base string, a safeAsk) string {
	if !strings.HasPrefix(to, "/") {
		return to
	}
	host := a.host
	if host == "" {
		host = "SELF"
	}
	scheme, _, _ := strings.Cut(base, "://")
	return scheme + "://" + host + to
}

// differences are what a client would see. What a server says of an error in its own words is its own.
func differences(theirs, ours *comparedAnswer) (out []string) {
	if theirs.status != ours.status {
		return []string{fmt.Sprintf("status %d there, %d here", theirs.status, ours.status)}
	}
	if theirs.status >= 400 && theirs.headers.Get("X-Powered-By") == "" { // each makes its own pages
		return nil
	}
	names := map[string]bool{}
	for _, h := range []http.Header{theirs.headers, ours.headers} {
		for name := range h {
			names[name] = true
		}
	}
	own := theirs.status >= 300
	for _, name := range slices.Sorted(maps.Keys(names)) {
		there, here := strings.Join(theirs.headers[name], ", "), strings.Join(ours.headers[name], ", ")
		if name == "Content-Type" && theirs.body == "" && ours.body == "" {
			continue
		}
		if slices.Contains(told, name) || own && (name == "Content-Type" || name == "Cache-Control") || there == here || strings.EqualFold(name, "Content-Type") && sameType(there, here) {
			continue
		}
		out = append(out, fmt.Sprintf("header %s: %q there, %q here", name, there, here))
	}
	if !own && theirs.body != ours.body {
		out = append(out, fmt.Sprintf("body: %s there, %s here", bodyShown(theirs.body), bodyShown(ours.body)))
	}
	return out
}

// sameType compares media types without the character set, which some servers add.
func sameType(a, b string) bool {
	a, _, _ = strings.Cut(a, ";")
	b, _, _ = strings.Cut(b, ";")
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

func bodyShown(body string) string {
	if len(body) > 200 {
		return fmt.Sprintf("%d bytes", len(body))
	}
	return strconv.Quote(body)
}
