package proxyconf

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Limits of what is read, so that neither a wrong path nor a hostile file costs much.
const (
	fileMax    = 4 << 20  // octets of one file
	octetsMax  = 16 << 20 // octets of all files
	filesMax   = 500      // files of one configuration
	includeMax = 10       // includes within includes
	importsMax = 50_000   // lines that imports of snippets put in place
	textMax    = 16 << 10 // octets of a text whose variables are replaced: their values may have variables, too
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
}

// Config is one proxy's configuration.
type Config struct {
	Product  string   // nginx, haproxy, caddy, apache, traefik
	Files    []string // those that were read
	Logs     []string // files of its logs, the error log first
	Problems []string // what could not be read

	match   func(q Request) *Route
	octets  int // read so far
	imports int // lines that imports put in place so far
}

// Request is what a route is chosen by.
type Request struct {
	Scheme  string // http or https, as the client speaks it
	Address string // host:port that the client connects to; the host may be empty
	Host    string // the Host field, without its port
	Path    string // with the query
	Method  string // GET if empty
}

// Match finds the route that takes the request; nil if none does.
func (c *Config) Match(q Request) *Route {
	if q.Path == "" {
		q.Path = "/"
	}
	q.Host = strings.ToLower(q.Host)
	return c.match(q)
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

// Files is how a configuration's files are read: os.DirFS's rules do not fit absolute paths. Root is put before each path,
// so that the files of another mount namespace can be read; it is empty for this one's.
type Files struct{ Root string }

// linksMax is how many symbolic links a path may lead over, as in the kernel.
const linksMax = 40

// Path makes a path below Root one of ours. Its symbolic links are followed below Root, too: an absolute one of a container
// would otherwise lead to a file of this machine.
func (f Files) Path(name string) string {
	if f.Root == "" {
		return name
	}
	done, rest := "/", filepath.Clean("/"+name)
	for links := 0; rest != "" && rest != "/"; {
		var part string
		part, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		next := filepath.Join(done, part)
		to, err := os.Readlink(f.Root + next)
		if links++; err != nil || links > linksMax {
			done = next
			continue
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(done, to)
		}
		done, rest = "/", filepath.Join(to, rest)
	}
	return f.Root + done
}

// open opens a regular file. Another one may block, or never end.
func (f Files) open(name string) (*os.File, error) {
	path := f.Path(name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	return os.Open(path)
}

// glob lists the files of a pattern, in order; the pattern itself if it has no wildcard.
func (f Files) glob(pattern string) []string {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}
	}
	dir := filepath.Dir(pattern)
	if strings.ContainsAny(filepath.Dir(dir), "*?[") {
		return nil // wildcards in more than the last two parts may lead over the whole file system
	}
	if strings.ContainsAny(dir, "*?[") {
		dir = filepath.Dir(dir)
	}
	last := strings.TrimPrefix(pattern, dir)
	base := f.Path(dir)
	found, _ := filepath.Glob(filepath.Join(base, last))
	for i := range found {
		found[i] = filepath.Join(dir, strings.TrimPrefix(found[i], base))
	}
	sort.Strings(found)
	return found
}

// list lists a directory's files with one of the endings.
func (f Files) list(dir string, endings ...string) []string {
	entries, _ := os.ReadDir(f.Path(dir))
	var names []string
	for _, e := range entries {
		for _, ending := range endings {
			if strings.HasSuffix(e.Name(), ending) && !e.IsDir() {
				names = append(names, filepath.Join(dir, e.Name()))
				break
			}
		}
	}
	return names
}

// Read reads the product's configuration from its main file, or from where the product looks by itself if that is empty.
func Read(product, file string, files Files) (*Config, error) {
	reader, ok := readers[product]
	if !ok {
		return nil, fmt.Errorf("the configuration of %s cannot be read here", product)
	}
	candidates := reader.places
	if file != "" {
		candidates = []string{file}
	}
	var failed error
	for _, name := range candidates {
		c := &Config{Product: product}
		err := reader.read(c, name, files)
		if err == nil {
			return c, nil
		}
		if failed == nil || !errors.Is(err, os.ErrNotExist) {
			failed = err
		}
	}
	return nil, failed
}

var readers = map[string]struct {
	places []string
	read   func(c *Config, file string, files Files) error
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

// read reads one file and notes it, as long as the configuration is not too large.
func (c *Config) read(files Files, name string) ([]byte, error) {
	if c.full() {
		return nil, fmt.Errorf("more than %d files, or %d octets: %s was not read", filesMax, octetsMax, name)
	}
	file, err := files.open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, fileMax+1))
	if err == nil && len(b) > fileMax {
		err = fmt.Errorf("%s is larger than %d octets", name, fileMax)
	}
	if err != nil {
		return nil, err
	}
	c.octets += len(b)
	c.Files = append(c.Files, name)
	return b, nil
}

// full reports whether no further file is read.
func (c *Config) full() bool { return len(c.Files) >= filesMax || c.octets >= octetsMax }

func (c *Config) problem(format string, args ...any) {
	if len(c.Problems) < 100 {
		c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
	}
}

// log adds a log file.
func (c *Config) log(name string) {
	if name != "" && strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "/dev/") {
		for _, known := range c.Logs {
			if known == name {
				return
			}
		}
		c.Logs = append(c.Logs, name)
	}
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
