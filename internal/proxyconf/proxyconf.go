package proxyconf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
)

// Place is a line of a configuration.
type Place struct {
	File string
	Line int // from 1
	Text string
}

// String shows the place as compilers do.
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Upstream is where a route sends requests.
type Upstream struct {
	Scheme     string // http, https, h2c, fastcgi, uwsgi, grpc, ...
	Address    string // host:port; empty for a unix socket, or where it cannot be told
	Unix       string // a unix socket's path
	Variable   string // what the configuration has instead of an address: it is known only when a request comes
	Backup     bool
	Down       bool   // switched off in the configuration
	ServerName string // the name that is sent (SNI) and verified, where the configuration has one
	Insecure   bool   // the certificate is not verified
	SendsProxy bool   // each connection begins with a header of the PROXY protocol
	Place      Place
}

// Route is what takes requests of some hosts and paths.
type Route struct {
	Name      string // the upstream group, backend or service, as the configuration calls it
	Place     Place  // the line that sends requests there
	Upstreams []Upstream
	Answer    string  // where the proxy answers by itself: its words, such as "return 503"
	Settings  []Place // timers, sizes and the like that hold for this route
	Unsure    string  // a condition that could not be judged from the request alone, empty if none
	Path      string  // the path and query that the upstreams are asked for, where they are not the client's
	Host      string  // the Host field that the upstreams get, where it is not the client's
	Server    string  // the name of the site that takes the request, as the logs have it; empty where it has none
}

// Config is one proxy's configuration.
type Config struct {
	Product  string   // nginx, haproxy, caddy, apache, traefik
	Files    []string // those that were read
	Logs     []string // files of its logs, the error log first; a relative one begins at the product's own prefix
	Problems []string // what could not be read

	Connections int      // the most that a worker has at once (nginx's worker_connections), 0 where it is not said
	Sockets     []string // unix sockets where the proxy tells its state (HAProxy's "stats socket")
	Status      []Status // where it tells its state by HTTP, on loopback and in clear (nginx's stub_status)

	match func(q Request) *Route
}

// Status is a page on loopback where a proxy tells its own state.
type Status struct {
	Address string // host:port
	Host    string // the Host field
	Path    string
}

// Request is what a route is chosen by.
type Request struct {
	Scheme  string // http or https, as the client speaks it
	Address string // host:port that the client connects to; the host may be empty
	Host    string // the Host field, without its port
	Path    string // with the query
	Method  string // GET if empty

	work *work
}

// Match finds the route that takes the request; nil if none does. The error is the context's, or says that the
// configuration's patterns take too much work.
func (c *Config) Match(ctx context.Context, q Request) (*Route, error) {
	if q.Path == "" {
		q.Path = "/"
	}
	q.Host = strings.ToLower(q.Host)
	q.work = &work{ctx: ctx, judged: map[judgement]truth{}}
	route := c.match(q)
	if q.work.failed == nil {
		q.work.failed = ctx.Err()
	}
	if q.work.failed != nil {
		return nil, q.work.failed
	}
	return route, nil
}

// path is the request's path without its query.
func (q *Request) path() string {
	path, _, _ := strings.Cut(q.Path, "?")
	return path
}

// address is the IP address that the client connects to, empty where it is not known.
func (q *Request) address() string {
	host, _, err := net.SplitHostPort(q.Address)
	if err != nil || net.ParseIP(host) == nil {
		return ""
	}
	return host
}

// How well an address that is listened on fits the one that the client connects to.
const (
	unfit    = iota
	anywhere // it is listened on at every address
	exactly
)

// fits says how well a host that is listened on fits. A name, and an address of the client's that is not known, fit anywhere.
func (q *Request) fits(host string) int {
	bound, wanted := net.ParseIP(strings.Trim(host, "[]")), net.ParseIP(q.address())
	switch {
	case bound == nil || wanted == nil || bound.IsUnspecified():
		return anywhere
	case bound.Equal(wanted):
		return exactly
	}
	return unfit
}

// port is the port that the client connects to.
func (q *Request) port() string {
	if _, port, err := net.SplitHostPort(q.Address); err == nil && port != "" {
		return port
	}
	if q.Scheme == "https" {
		return "443"
	}
	return "80"
}

// Read reads the product's configuration from its main file, or from where the product looks by itself if that is empty. It
// ends with ctx.
func Read(ctx context.Context, product, file string, files Files) (*Config, error) {
	kind, ok := readers[product]
	if !ok {
		return nil, fmt.Errorf("the configuration of %s cannot be read here", product)
	}
	candidates := kind.places
	if file != "" {
		candidates = []string{file}
	}
	var failed error
	for _, name := range candidates {
		r := &reader{Config: &Config{Product: product}, ctx: ctx, files: files}
		err := kind.read(r, name)
		if ended := ctx.Err(); ended != nil {
			return nil, ended
		}
		if err == nil {
			return r.Config, nil
		}
		if failed == nil || !errors.Is(err, os.ErrNotExist) {
			failed = err
		}
	}
	return nil, failed
}

var readers = map[string]struct {
	places []string
	read   func(r *reader, file string) error
}{
	"nginx":     {[]string{"/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf", "/usr/local/etc/nginx/nginx.conf"}, readNginx},
	"openresty": {[]string{"/usr/local/openresty/nginx/conf/nginx.conf", "/etc/openresty/nginx.conf"}, readNginx},
	"haproxy":   {[]string{"/etc/haproxy/haproxy.cfg", "/usr/local/etc/haproxy/haproxy.cfg"}, readHAProxy},
	"apache":    {[]string{"/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/usr/local/apache2/conf/httpd.conf"}, readApache},
	"caddy":     {[]string{"/etc/caddy/Caddyfile"}, readCaddy},
	"traefik":   {[]string{"/etc/traefik/traefik.yml", "/etc/traefik/traefik.yaml"}, readTraefik},
}

// Readable reports whether the product's configuration can be read.
func Readable(product string) bool { _, ok := readers[product]; return ok }

func (c *Config) problem(format string, args ...any) {
	switch {
	case len(c.Problems) == problemsMax:
		c.Problems = append(c.Problems, "there are more problems than these")
	case len(c.Problems) < problemsMax:
		c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
	}
}

// log adds a log file.
func (c *Config) log(name string) {
	if len(c.Logs) < logsMax && isFile(name) && !slices.Contains(c.Logs, name) {
		c.Logs = append(c.Logs, name)
	}
}

// isFile reports whether a log goes to a file whose name is known: not to a device, a socket or a program.
func isFile(name string) bool {
	return name != "" && !strings.HasPrefix(name, "/dev/") && !strings.ContainsAny(name, ":|$") && name != "off" && name != "stderr"
}

// withURL makes an upstream of a URL, as http://host:port/path or unix:/path. A port is added where the scheme has one.
func withURL(text string, place Place) Upstream {
	u := Upstream{Scheme: "http", Place: place}
	scheme, rest, found := strings.Cut(text, "://")
	if found {
		u.Scheme = strings.ToLower(scheme)
	} else {
		rest = text
	}
	if path, ok := strings.CutPrefix(rest, "unix:"); ok {
		u.Unix, _, _ = strings.Cut(path, ":") // nginx: unix:/path:/uri
		return u
	}
	host, _, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(host, "${}") {
		u.Variable = host
		return u
	}
	u.Address = withPort(host, map[string]string{"https": "443", "http": "80", "grpcs": "443"}[u.Scheme])
	return u
}

// withPort adds the port where the address has none.
func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil || host == "" || port == "" {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// hostFits reports whether the host fits a name with an optional wildcard at either end, as *.example.com.
func hostFits(pattern, host string) bool {
	pattern = strings.ToLower(pattern)
	switch {
	case pattern == host || pattern == "*":
		return true
	case strings.HasPrefix(pattern, "*."):
		return strings.HasSuffix(host, pattern[1:])
	case strings.HasPrefix(pattern, "."): // nginx: .example.com
		return host == pattern[1:] || strings.HasSuffix(host, pattern)
	case strings.HasSuffix(pattern, ".*"):
		return strings.HasPrefix(host, pattern[:len(pattern)-1])
	}
	return false
}
