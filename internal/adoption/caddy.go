package adoption

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/conftree"
	"github.com/whygate/whygate/internal/topology"
)

// caddy is one Caddyfile on its way.
type caddy struct {
	d        *draft
	file     string
	snippets map[string]*node

	plain       bool  // no redirect to https
	uncertified bool  // no certificates are obtained
	bind        *node // where sites listen that do not say so; nil: everywhere
	unread      bool  // a file of sites and snippets could not be read
	local       bool  // all are Caddy's own
	httpPort    string
	httpsPort   string
}

// fromCaddy translates a Caddyfile. Of the JSON nothing is.
func fromCaddy(d *draft, p *topology.Proxy) {
	c := &caddy{d: d, file: p.File, snippets: map[string]*node{}, httpPort: "80", httpsPort: "443"}
	for _, site := range p.Tree {
		if strings.HasPrefix(site.Name, "(") {
			c.snippets[strings.Trim(site.Name, "()")] = site
		}
		if site.Name == "" {
			c.global(site)
		}
	}
	var sites []*caddySite
	for _, site := range p.Tree {
		switch {
		case strings.HasPrefix(site.Name, "("), strings.HasPrefix(site.Name, "&("), site.Name == "":
		case site.Name == "apps" || site.Name == "{":
			d.note(&d.notes, site, "Caddy's JSON; write a Caddyfile")
		case site.Name == "import" && site.Kids == nil:
			d.note(&d.notes, site, "it could not be read; what it may guard is answered 501")
			c.unread = true
		default:
			sites = append(sites, c.site(site))
		}
	}
	wide := reaches{}
	for _, s := range sites {
		for _, port := range s.ports {
			for _, host := range s.binds(nil) {
				wide.on(host, port)
			}
		}
	}
	for _, s := range sites {
		if i := slices.IndexFunc(s.ports, func(port string) bool { return wide.narrow(port, s.binds(nil)) }); i >= 0 {
			d.note(&d.notes, s.node, narrowly, s.ports[i])
			d.notes = append(d.notes, s.mark...)
			continue
		}
		s.agree()
		s.refused = s.refused || c.unread
		s.routes()
	}
	d.sortByHost()
}

// global takes the block of options.
func (c *caddy) global(b *node) {
	for _, k := range b.Kids {
		switch k.Name {
		case "auto_https":
			c.plain = c.plain || k.Has("off") || k.Has("disable_redirects")
			c.uncertified = c.uncertified || k.Has("off") || k.Has("disable_certs")
			if !c.plain && !c.uncertified {
				c.d.note(&c.d.notes, k, "")
			}
		case "http_port":
			c.httpPort = cmp.Or(k.Text(), c.httpPort)
		case "https_port":
			c.httpsPort = cmp.Or(k.Text(), c.httpsPort)
		case "default_bind":
			c.bind = k
		case "local_certs":
			c.local = true
		case "email":
			c.d.authority(k, "email", k.Text())
		case "acme_ca":
			c.d.authority(k, "directory", k.Text())
		case "acme_ca_root":
			c.d.authority(k, "ca", beside(c.file, k.Text()))
		case "log", "admin", "grace_period", "shutdown_delay", "persist_config", "debug", "ocsp_stapling", "storage", "storage_clean_interval", "renew_interval", "ocsp_interval", "key_type", "skip_install_trust", "metrics":
			c.d.needless["global: "+k.Name] = true
		default:
			c.d.note(&c.d.notes, k, "")
		}
	}
}

// caddySite is a site on its way.
type caddySite struct {
	*caddy
	node     *node
	kids     []*node // its directives, imports replaced
	tls      *node   // nil if there is none
	asks     clientDemand
	listens  []*listen // over TLS
	hosts    []string
	match    []pair
	matchers map[string]*node
	mark     []Note
	ports    []string
	from     []string // ports that requests over HTTP are sent to
	refused  bool     // it is answered 501
	at       conftree.Place
}

// site opens a site's listeners.
func (c *caddy) site(b *node) *caddySite {
	s := &caddySite{caddy: c, node: b, matchers: map[string]*node{}}
	s.kids = c.expand(b.Kids, nil, new(int), &s.mark)
	more := false // a second tls, of a snippet perhaps, asks clients for certificates
	for _, k := range s.kids {
		switch {
		case strings.HasPrefix(k.Name, "@"):
			s.matchers[k.Name] = k
		case k.Name == "tls" && s.tls == nil:
			s.tls = k
		case k.Name == "tls":
			c.d.note(&s.mark, k, "a second one of the site; write them into one")
			more = more || k.Get("client_auth") != nil
		}
	}
	c.d.at, s.at = b.Place, b.Place
	s.asks, s.refused = s.clientAuth()
	s.refused = s.refused || more
	for _, address := range append([]string{b.Name}, b.Args...) {
		a, ok := s.address(b, strings.Trim(address, ","))
		if !ok {
			c.d.note(&s.mark, b, "an address of that kind")
			continue
		}
		s.open(b, a)
		if !slices.Contains(s.hosts, a.host) {
			s.hosts = append(s.hosts, a.host)
		}
		if !slices.Contains(s.ports, a.port) {
			s.ports = append(s.ports, a.port)
		}
	}
	clear, secure := slices.Contains(s.ports, c.httpPort), slices.Contains(s.ports, c.httpsPort)
	switch {
	case slices.ContainsFunc(s.ports, func(p string) bool { return p != c.httpPort && p != c.httpsPort }):
		s.match = []pair{{"port", "[" + strings.Join(s.ports, ", ") + "]"}}
	case clear && !secure:
		s.match = []pair{{"scheme", "http"}}
	case secure && !clear:
		s.match = []pair{{"scheme", "https"}}
	}
	if clear { // it says itself what becomes of requests over HTTP
		s.from = nil
	}
	return s
}

// address reads one address of a site.
func (s *caddySite) address(b *node, text string) (a caddyAddress, ok bool) {
	host := text
	if scheme, rest, found := strings.Cut(text, "://"); found {
		a.scheme, host = scheme, rest
	}
	if at := strings.IndexByte(host, '/'); at >= 0 {
		s.d.note(&s.mark, b, "a path in a site's address")
		host = host[:at]
	}
	a.host, a.port = topology.HostPort(host)
	if strings.HasPrefix(host, ":") {
		a.host, a.port = "", host[1:]
	}
	a.tls = a.scheme == "https" || a.port == s.httpsPort || a.scheme == "" && a.port != s.httpPort && (a.host != "" || s.tls != nil)
	if a.port == "" {
		a.port = map[bool]string{true: s.httpsPort, false: s.httpPort}[a.tls]
	}
	_, err := strconv.Atoi(a.port)
	return a, err == nil && !strings.ContainsAny(a.host, "{}")
}

// routes translates a site's directives, after the redirect to https that Caddy makes.
func (s *caddySite) routes() {
	s.d.at = s.at
	if len(s.from) > 0 {
		s.redirects()
	}
	s.block(s.kids, &around{refused: s.refused}, false)
	s.add(&route{keys: []pair{{"respond", "{status: 200}"}}}) // what no directive answers, Caddy answers so
}

// binds are the addresses that a site listens on: those of its bind, or all, which is the empty one.
func (s *caddySite) binds(notes *[]Note) []string {
	k := s.bind
	if i := slices.IndexFunc(s.kids, func(k *node) bool { return k.Name == "bind" }); i >= 0 {
		k = s.kids[i]
	}
	if k == nil {
		return []string{""}
	}
	var out []string
	for _, a := range k.Args {
		if isAddress(a) {
			out = append(out, a)
			continue
		}
		if notes != nil {
			s.d.note(notes, k, "only addresses; it listens on loopback")
		}
		out = append(out, "127.0.0.1")
	}
	return out
}

// mostNodes is how many lines a site may have once its imports are replaced.
const mostNodes = 5_000

// expand puts snippets in the place of imports. within are the snippets that it is in; made counts the lines.
func (c *caddy) expand(kids []*node, within []*node, made *int, notes *[]Note) []*node {
	var out []*node
	for _, k := range kids {
		if *made++; *made > mostNodes {
			c.d.note(notes, k, "too many lines once imports are replaced: more than %d; this and what follows is left out", mostNodes)
			return out
		}
		s := c.snippets[k.Text()]
		switch {
		case k.Name != "import":
			if len(k.Kids) > 0 {
				one := *k
				one.Kids = c.expand(k.Kids, within, made, notes)
				k = &one
			}
			out = append(out, k)
		case slices.Contains(within, s) && s != nil:
			c.d.note(notes, k, "a cycle: the snippet imports itself")
		case s == nil: // it stands for guards, perhaps
			out = append(out, &node{Name: k.Name, Place: k.Place})
			c.d.note(notes, k, "a file that could not be read, or no snippet of the file; what it may guard is answered 501")
		default:
			body, ok := withArgs(s.Kids, k.Args[1:])
			if !ok {
				out = append(out, &node{Name: k.Name, Place: k.Place})
				c.d.note(notes, k, "arguments of another kind than {args[N]}; what it may guard is answered 501")
				continue
			}
			out = append(out, c.expand(body, append(slices.Clone(within), s), made, notes)...)
		}
	}
	return out
}

var caddyArg = regexp.MustCompile(`\{args(?:\[([0-9]{1,3})\]|\.([0-9]{1,3}))\}`)

// withArgs is a snippet's lines with an import's arguments in their places. False: they ask for what there is not, or in another way.
func withArgs(body []*node, args []string) ([]*node, bool) {
	ok := true
	put := func(text string) string {
		if !strings.Contains(text, "{args") && !strings.Contains(text, "{block") {
			return text
		}
		text = caddyArg.ReplaceAllStringFunc(text, func(found string) string {
			parts := caddyArg.FindStringSubmatch(found)
			i, err := strconv.Atoi(parts[1] + parts[2])
			if err != nil || i >= len(args) {
				ok = false
				return found
			}
			return args[i]
		})
		ok = ok && !strings.Contains(text, "{args") && !strings.Contains(text, "{block")
		return text
	}
	var out []*node
	for _, k := range body {
		one := *k
		one.Name = put(k.Name)
		one.Args = slices.Clone(k.Args)
		for i := range one.Args {
			one.Args[i] = put(one.Args[i])
		}
		kids, fits := withArgs(k.Kids, args)
		one.Kids, ok = kids, ok && fits
		out = append(out, &one)
	}
	return out, ok
}
