package adoption

import (
	"cmp"
	"maps"
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

// caddyGuards are directives that say who may ask, those of plug-ins among them.
var caddyGuards = words(`basic_auth basicauth forward_auth authenticate authorize jwtauth jwt crowdsec appsec coraza_waf waf ipfilter geofence import invoke`)

// caddyOrder is the order in which Caddy runs directives, whatever theirs is in the file.
var caddyOrder = strings.Fields(`tracing map vars fs root log_append log_skip log_name header copy_response_headers request_body redir method rewrite uri try_files basic_auth basicauth forward_auth
	request_header encode push intercept templates invoke handle handle_path route abort error copy_response respond metrics reverse_proxy php_fastcgi file_server acme_server`)

// around is what directives before have set for those after.
type around struct {
	match   []pair
	out     []pair // headers of the answer
	in      []pair // headers of the request
	root    string
	strip   string
	rewrite string
	try     *node
	encode  *node // the line that has answers compressed

	rewritten *node           // the line that changed the path
	touched   map[string]bool // headers of requests that lines have changed, in lower case, "" for any; "/method" for the method
	refused   bool            // who may ask cannot be said
}

// touch keeps that a line changes a header of requests: no matcher after it is one on what the client sent.
func (c *around) touch(name string) {
	c.touched = maps.Clone(c.touched)
	if c.touched == nil {
		c.touched = map[string]bool{}
	}
	c.touched[name] = true
}

// changes reports whether conditions look at what lines before have changed.
func (c *around) changes(alternatives [][]pair) bool {
	return slices.ContainsFunc(alternatives, func(keys []pair) bool {
		return slices.ContainsFunc(keys, func(k pair) bool {
			switch k.key {
			case "path", "query":
				return c.rewritten != nil
			case "method":
				return c.touched["/method"]
			case "host":
				return c.touched["host"] || c.touched[""]
			case "header":
				for name := range c.touched {
					if name == "" || named(k.value, "{"+quote(name)+": ") {
						return true
					}
				}
			}
			return false
		})
	})
}

// block translates the directives of a block, in Caddy's order, or in the file's where that is asked for by "route". What they set is in c after it.
func (s *caddySite) block(kids []*node, c *around, asWritten bool) {
	kids = slices.Clone(kids)
	if !asWritten {
		slices.SortStableFunc(kids, func(a, b *node) int {
			if o := cmp.Compare(orderOf(a), orderOf(b)); o != 0 {
				return o
			}
			return s.width(b) - s.width(a)
		})
	}
	for _, k := range kids {
		s.directive(k, c)
	}
}

// last is the last word, or line; the zero value if there is none.
func last[T any](all []T) (none T) {
	if len(all) == 0 {
		return none
	}
	return all[len(all)-1]
}

func orderOf(k *node) int {
	i := slices.Index(caddyOrder, k.Name)
	if i < 0 {
		return -1
	}
	if k.Name == "handle_path" || k.Name == "route" {
		i = slices.Index(caddyOrder, "handle")
	}
	return i
}

// width is how narrow a directive's path is: Caddy takes the longest first, and one without a matcher last.
func (s *caddySite) width(k *node) int {
	m := k.Text()
	if strings.HasPrefix(m, "/") {
		return 1000 + len(strings.TrimSuffix(m, "*"))
	}
	if d := s.matchers[m]; d != nil {
		longest := 1
		for _, p := range append(slices.Collect(d.All("path")), d) {
			if (p != d || d.Text() == "path") && len(p.Args) == map[bool]int{true: 2, false: 1}[p == d] {
				longest = max(longest, 1000+len(strings.TrimSuffix(p.Args[len(p.Args)-1], "*")))
			}
		}
		return longest
	}
	return 0
}

// directive translates one directive.
func (s *caddySite) directive(k *node, c *around) {
	args := slices.Clone(k.Args)
	var alternatives [][]pair = [][]pair{nil}
	if len(args) > 0 && (strings.HasPrefix(args[0], "/") && k.Name != "rewrite" && k.Name != "root" || strings.HasPrefix(args[0], "@") || args[0] == "*") && (k.Name != "redir" || len(args) > 1) && (k.Name != "try_files") {
		var ok bool
		alternatives, ok = s.matcher(args[0])
		changed := c.changes(alternatives) || c.try != nil && turnsAway(k) && slices.ContainsFunc(alternatives, func(keys []pair) bool {
			return slices.ContainsFunc(keys, func(k pair) bool { return k.key == "path" })
		})
		if !ok || changed {
			s.unmatched(k, changed, c)
			return
		}
		args = args[1:]
	}
	if caddyGuards[k.Name] {
		s.guard(k, alternatives, c)
		return
	}
	unmatched := len(alternatives) == 1 && alternatives[0] == nil
	switch k.Name {
	case "handle", "handle_path", "route":
		for _, keys := range alternatives {
			if match, ok := merge(c.match, keys); ok {
				inner := *c
				inner.match = match
				if k.Name == "handle_path" {
					inner.strip = strings.TrimSuffix(strings.TrimSuffix(k.Text(), "*"), "/")
				}
				s.block(k.Kids, &inner, k.Name == "route")
				if k.Name != "route" {
					s.add(&route{keys: append(slices.Clone(match), pair{"respond", "{status: 200}"})})
				} else {
					s.after(k, c, inner)
				}
			} else {
				s.pathInPath(k, c)
			}
		}
	case "redir", "respond", "reverse_proxy", "file_server", "php_fastcgi", "error", "abort":
		for _, keys := range alternatives {
			match, ok := merge(c.match, keys)
			if !ok {
				s.pathInPath(k, c)
				continue
			}
			s.answer(k, args, match, c)
		}
	default:
		if !unmatched && !strings.HasPrefix(k.Name, "@") && k.Name != "tls" && k.Name != "log" {
			s.sometimes(k, alternatives, c)
			return
		}
		s.setting(k, args, c)
	}
}

// sometimes tells of a directive that changes some requests alone. Those whose path it changes are answered 501: they are not those that what
// comes after it looks at.
func (s *caddySite) sometimes(k *node, alternatives [][]pair, c *around) {
	why := "only for some requests"
	switch k.Name {
	case "rewrite", "uri", "try_files", "method":
		why += "; they are answered 501"
		s.close(alternatives, c)
	case "request_header":
		c.touchBy(k)
	}
	s.d.note(&s.mark, k, "%s", why)
}

// close refuses the requests that fit one of the alternatives, or all that come after where they cannot be told from the others.
func (s *caddySite) close(alternatives [][]pair, c *around) {
	for _, keys := range alternatives {
		match, ok := merge(c.match, keys)
		if !ok || len(keys) == 0 {
			c.refused = true
			continue
		}
		s.add(&route{keys: match, refused: true})
	}
}

// after has what a "route" has set hold for what comes after it. Where the route is for some requests alone, and it guards them, or changes
// their paths, they are answered 501.
func (s *caddySite) after(k *node, c *around, inner around) {
	if slices.Equal(inner.match, c.match) {
		*c = inner
		return
	}
	if inner.refused && !c.refused || inner.rewritten != c.rewritten || inner.try != c.try || inner.touched["/method"] != c.touched["/method"] {
		s.add(&route{keys: inner.match, refused: true})
	}
	for name := range inner.touched {
		c.touch(name)
	}
	if !slices.Equal(inner.in, c.in) || !slices.Equal(inner.out, c.out) || inner.root != c.root || inner.encode != c.encode || inner.rewritten != c.rewritten || inner.try != c.try {
		s.d.note(&s.mark, k, "what it sets for some requests, and does not answer by itself")
	}
}

// touchBy keeps what headers a "request_header" changes, whatever its matcher.
func (c *around) touchBy(k *node) {
	args := k.Args
	if len(args) > 0 && (strings.HasPrefix(args[0], "@") || strings.HasPrefix(args[0], "/") || args[0] == "*") {
		args = args[1:]
	}
	name := ""
	if len(args) > 0 && !strings.ContainsAny(args[0], "*{") {
		name = strings.ToLower(strings.TrimLeft(headerName(args[0]), "+-?>"))
	}
	c.touch(name)
}

// unmatched tells of a directive that is left out, since its matcher has no counterpart, or looks at what another directive has changed. What
// would have turned clients away, or sent them elsewhere for who they are, has the rest answered 501.
func (s *caddySite) unmatched(k *node, changed bool, c *around) {
	if strings.HasPrefix(k.Name, "@") {
		return
	}
	why := "its matcher"
	if changed {
		why = "its matcher looks at what was changed"
	}
	who, negated := looksAtWho(s.matchers[k.Text()])
	switch {
	case turnsAway(k), who && answersCaddy[k.Name] && (negated || sendsAway(k)):
		c.refused = true
		why += "; what comes after it is answered 501"
	case k.Name == "request_header":
		c.touchBy(k)
	case k.Name == "rewrite" || k.Name == "uri" || k.Name == "try_files":
		c.rewritten = k
	case k.Name == "method":
		c.touch("/method")
	}
	s.d.note(&s.mark, k, "%s", why)
}

// answersCaddy are directives after which nothing else answers what fits their matcher.
var answersCaddy = words(`redir reverse_proxy file_server php_fastcgi handle handle_path route`)

// sendsAway reports whether a directive sends clients elsewhere, by itself or by what stands in it.
func sendsAway(k *node) bool { return k.Name == "redir" || slices.ContainsFunc(k.Kids, sendsAway) }

// looksAtWho reports whether a matcher looks at who asks, and whether it holds for those that something does not hold for.
func looksAtWho(m *node) (who, negated bool) {
	if m == nil {
		return false, false
	}
	var look func(name string, l *node)
	look = func(name string, l *node) {
		args := l.Args
		if name == "" && len(args) > 0 {
			name, args = args[0], args[1:]
		}
		switch name {
		case "not":
			negated = true
			if len(args) > 0 {
				look("", &node{Args: args})
			}
		case "", "path", "path_regexp", "host", "protocol", "method", "file":
		case "header", "header_regexp":
			who = who || !slices.ContainsFunc(args, func(a string) bool { return asksNothing[strings.ToLower(strings.TrimPrefix(a, "!"))] })
			negated = negated || len(args) > 0 && strings.HasPrefix(args[0], "!")
		case "expression":
			who = true
			negated = negated || strings.Contains(strings.Join(args, " "), "!")
		default:
			who = true
		}
		for _, k := range l.Kids {
			look(k.Name, k)
		}
	}
	look("", m)
	return who, negated
}

// asksNothing are headers that say nothing of who asks.
var asksNothing = words(`upgrade connection accept accept-language accept-encoding content-type range`)

// turnsAway reports whether a directive may turn clients away, by itself or by what stands in it.
func turnsAway(k *node) bool {
	switch {
	case caddyGuards[k.Name], k.Name == "respond", k.Name == "error", k.Name == "abort":
		return true
	case k.Name == "handle", k.Name == "handle_path", k.Name == "route":
		return slices.ContainsFunc(k.Kids, turnsAway)
	}
	return false
}

// pathInPath tells of a directive that is left out, since it looks at a path within another one. What would have turned clients away has the
// rest answered 501.
func (s *caddySite) pathInPath(k *node, c *around) {
	why := "a path within a path"
	if turnsAway(k) {
		c.refused = true
		why += "; what comes after it is answered 501"
	}
	s.d.note(&s.mark, k, "%s", why)
}

// guard refuses what a directive guards.
func (s *caddySite) guard(k *node, alternatives [][]pair, c *around) {
	if k.Name != "import" { // it is told of
		s.d.note(&s.mark, k, "what it guards is answered 501")
	}
	s.close(alternatives, c)
}

// setting takes a directive that holds for those after it.
func (s *caddySite) setting(k *node, args []string, c *around) {
	if (k.Name == "root" || k.Name == "rewrite") && len(args) > 1 { // the first is a path, whose matcher directive leaves to this
		alternatives, ok := s.matcher(args[0])
		if !ok || c.changes(alternatives) {
			s.unmatched(k, ok, c)
			return
		}
		s.sometimes(k, alternatives, c)
		return
	}
	switch k.Name {
	case "root":
		c.root = last(args)
	case "header":
		s.header(k, args, c)
	case "request_header":
		c.in = s.edit(k, args, c.in)
		c.touchBy(k)
	case "method":
		c.touch("/method")
		s.d.note(&s.mark, k, "")
	case "encode":
		for _, o := range k.Kids {
			if o.Name == "match" {
				s.d.note(&s.mark, o, "")
			}
		}
		c.encode = k
	case "uri":
		if len(args) == 2 && args[0] == "strip_prefix" {
			c.strip, c.rewritten = strings.TrimSuffix(args[1], "/"), k
			return
		}
		c.rewritten = k
		s.d.note(&s.mark, k, "")
	case "rewrite":
		to, ok := caddyText(last(args))
		if !ok || !strings.HasPrefix(to, "/") {
			c.rewritten = k
			s.d.note(&s.mark, k, "")
			return
		}
		c.rewrite, c.rewritten = to, k
	case "bind": // where it listens
	case "try_files":
		c.try = k
	case "tls", "log", "log_skip", "skip_log", "log_name", "log_append", "tracing":
		s.d.needless[k.Name] = true
	default:
		if !strings.HasPrefix(k.Name, "@") {
			s.d.note(&s.mark, k, "")
		}
	}
}

// header sets headers of the answer.
func (s *caddySite) header(k *node, args []string, c *around) {
	if len(args) > 0 {
		c.out = s.edit(k, args, c.out)
		return
	}
	for _, one := range k.Kids {
		if one.Name == "defer" || one.Name == "match" {
			s.d.note(&s.mark, one, "")
			continue
		}
		c.out = s.edit(one, append([]string{one.Name}, one.Args...), c.out)
	}
}

// edit is one change of headers: NAME VALUE, -NAME, +NAME VALUE, ?NAME VALUE.
func (s *caddySite) edit(k *node, args []string, list []pair) []pair {
	if len(args) == 0 {
		s.d.note(&s.mark, k, "")
		return list
	}
	name := headerName(args[0])
	switch {
	case strings.HasPrefix(name, "-") && len(args) == 1 && !strings.Contains(name, "*"):
		return append(slices.Clone(list), pair{name[1:], ""})
	case len(args) == 2 && !strings.ContainsAny(args[1], "{}") && !strings.HasPrefix(name, "?"):
		return append(slices.Clone(list), pair{strings.TrimPrefix(strings.TrimPrefix(name, "+"), ">"), args[1]})
	}
	s.d.note(&s.mark, k, "")
	return list
}

var caddyPlaceholder = regexp.MustCompile(`\{[^}]*\}`)

// caddyText writes a text with placeholders with the variables of here.
func caddyText(text string) (string, bool) {
	names := map[string]string{
		"{host}": "$host", "{http.request.host}": "$host", "{uri}": "$uri", "{http.request.uri}": "$uri", "{path}": "$path", "{http.request.uri.path}": "$path",
		"{scheme}": "$scheme", "{http.request.scheme}": "$scheme", "{hostport}": "$authority", "{query}": "$query", "{remote_host}": "$client", "{port}": "$port",
		"{http.request.remote.host}": "$client", "{client_ip}": "$client", "{http.request.hostport}": "$authority", "{http.request.uri.query}": "$query",
	}
	ok := true
	out := caddyPlaceholder.ReplaceAllStringFunc(strings.ReplaceAll(text, "$", "$$"), func(p string) string {
		if names[p] == "" {
			ok = false
		}
		return names[p]
	})
	return out, ok
}

// matcher gives the keys of a route for a matcher: a path, * or @name.
func (s *caddySite) matcher(text string) ([][]pair, bool) {
	switch {
	case text == "*":
		return [][]pair{nil}, true
	case strings.HasPrefix(text, "/"):
		p, ok := caddyPath(text)
		return [][]pair{p}, ok
	}
	d := s.matchers[text]
	if d == nil {
		return nil, false
	}
	lines := d.Kids
	if len(d.Args) > 0 {
		lines = []*node{{Name: d.Text(), Args: d.Args[1:], Place: d.Place}}
	}
	all := condition{nil}
	for _, l := range lines {
		one, ok := caddyCondition(l)
		if !ok {
			return nil, false
		}
		if all, ok = both(all, one); !ok {
			return nil, false
		}
	}
	return all, len(lines) > 0
}

// caddyCondition is one line of a named matcher: alternatives.
func caddyCondition(l *node) (out condition, ok bool) {
	switch l.Name {
	case "path":
		for _, p := range l.Args {
			keys, fits := caddyPath(p)
			if !fits {
				return nil, false
			}
			out = append(out, keys)
		}
	case "path_regexp":
		expression := l.Args[max(len(l.Args)-1, 0):]
		if len(expression) == 0 || !compiles(expression[0]) {
			return nil, false
		}
		out = condition{{{"path", quote("~" + expression[0])}}}
	case "host":
		for _, h := range l.Args {
			out = append(out, []pair{{"host", quote(strings.ToLower(h))}})
		}
	case "method":
		out = condition{{{"method", list(l.Args)}}}
	case "protocol":
		out = condition{{{"scheme", l.Text()}}}
		return out, l.Text() == "http" || l.Text() == "https"
	case "header":
		value := l.Arg(1)
		if name, absent := strings.CutPrefix(l.Text(), "!"); absent && len(l.Args) == 1 {
			return condition{{{"header", mapping([]pair{{quote(name), quote("")}})}}}, true
		}
		if len(l.Args) == 1 {
			value = "*"
		} else if strings.Contains(strings.Trim(value, "*"), "*") || strings.HasPrefix(l.Text(), "!") || len(l.Args) > 2 {
			return nil, false
		} else if !strings.Contains(value, "*") {
			value = literally(value)
		} else if value != "*" {
			value = "~^" + strings.ReplaceAll(regexp.QuoteMeta(value), `\*`, ".*") + "$"
		}
		out = condition{{{"header", mapping([]pair{{quote(l.Text()), quote(value)}})}}}
	case "header_regexp":
		a := l.Args[max(len(l.Args)-2, 0):]
		if len(a) != 2 || !compiles(a[1]) {
			return nil, false
		}
		out = condition{{{"header", mapping([]pair{{quote(a[0]), quote("~" + a[1])}})}}}
	case "query":
		for _, q := range l.Args {
			name, value, _ := strings.Cut(q, "=")
			if first, _, _ := strings.Cut(l.Text(), "="); name != first { // all of them, or any: versions of Caddy differ
				return nil, false
			}
			if value != "*" {
				value = literally(value)
			}
			out = append(out, []pair{{"query", mapping([]pair{{quote(name), quote(value)}})}})
		}
	}
	return out, len(out) > 0
}

// caddyPath is a path matcher: exact, or with * at an end. Caddy compares without regard to case.
func caddyPath(p string) ([]pair, bool) {
	expression := func(head, text, tail string) ([]pair, bool) {
		return []pair{{"path", quote("~(?i)" + head + regexp.QuoteMeta(text) + tail)}}, true
	}
	switch bare := strings.Trim(p, "*"); {
	case p == "/*" || p == "*":
		return nil, true
	case strings.Contains(bare, "*"):
		return nil, false
	case strings.HasPrefix(p, "*") && strings.HasSuffix(p, "*"):
		return expression("", bare, "")
	case strings.HasPrefix(p, "*"):
		return expression("", bare, "$")
	case strings.HasSuffix(p, "*"):
		return expression("^", bare, "")
	case !strings.HasPrefix(p, "/"):
		return nil, false
	case p == "/":
		return []pair{{"path", quote(p)}}, true
	}
	return expression("^", p, "$")
}
