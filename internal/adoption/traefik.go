package adoption

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

// traefik is the files of one Traefik on their way.
type traefik struct {
	d         *draft
	https     []traefikPart // what they say of HTTP
	tls       []traefikPart
	resolvers []traefikPart // of certificates
	entries   []traefikEntry

	standardTransport traefikPart // how services are spoken to that name no other way
}

// traefikPart is a part of one file.
type traefikPart struct {
	file string
	*node
}

// traefikEntry is an entry point.
type traefikEntry struct {
	node     *node
	listen   *listen
	host     string
	port     string
	narrow   bool // others on its port are reached by more clients: what it leads to is left out
	tls      bool // its routers are for TLS, whatever they say
	secure   bool // it speaks TLS
	standard bool // it is for routers that name none
}

// traefikRoute is a route with what Traefik sorts it by.
type traefikRoute struct {
	*route
	priority int
}

// fromTraefik translates files of Traefik, static and dynamic: they are one configuration. Labels of containers are not in it.
func fromTraefik(ctx context.Context, d *draft, proxies []*topology.Proxy) error {
	t := &traefik{d: d}
	for _, p := range proxies {
		for _, root := range p.Tree {
			for e := range root.Get("entryPoints").Keys() {
				t.entry(e)
			}
			for _, k := range root.Kids {
				switch strings.ToLower(k.Name) {
				case "entrypoints", "http":
				case "tls":
					t.tls = append(t.tls, traefikPart{p.File, k})
				case "certificatesresolvers":
					t.resolvers = append(t.resolvers, traefikPart{p.File, k})
				case "log", "accesslog", "metrics", "global", "tracing", "core", "experimental":
					d.needless[k.Name] = true
				case "serverstransport":
					t.standardTransport = traefikPart{p.File, k}
				case "providers":
					t.providers(k)
				default:
					d.note(&d.notes, k, "")
				}
			}
			if http := root.Get("http"); http != nil {
				t.https = append(t.https, traefikPart{p.File, http})
			}
		}
	}
	t.standard()
	t.narrow()
	t.secure()
	t.clients()
	t.redirections()
	var all []traefikRoute
	for _, f := range t.https {
		for r := range f.Get("routers").Keys() {
			if err := ctx.Err(); err != nil {
				return err
			}
			all = append(all, t.router(r)...)
		}
	}
	slices.SortStableFunc(all, func(a, b traefikRoute) int { return cmp.Compare(b.priority, a.priority) })
	for _, r := range all {
		t.peers(r.route)
		d.add(r.route)
	}
	return nil
}

// peers refuses a route that lets in clients of a proxy in front which Traefik keeps out: there it is the proxy's address that is compared.
func (t *traefik) peers(r *route) {
	for _, k := range r.keys {
		if k.key != "allow" {
			continue
		}
		nets := strings.Split(strings.Trim(k.value, "[]"), ", ")
		for _, proxy := range t.d.trusted {
			if !slices.ContainsFunc(nets, func(n string) bool { return holdsNetwork(strings.Trim(n, "'"), proxy) }) {
				t.d.tell(&r.notes, r.at, "ipAllowList: Traefik compares the address of the proxy in front ("+proxy+"), and not the client's; it is answered 501")
				r.refuse()
				return
			}
		}
	}
}

// providers tells of routers that are not in the files.
func (t *traefik) providers(k *node) {
	for p := range k.Keys() {
		if strings.EqualFold(p.Name, "file") || strings.EqualFold(p.Name, "providersThrottleDuration") {
			t.d.needless["providers: "+p.Name] = true
			continue
		}
		t.d.note(&t.d.notes, p, "its routers are not in the files")
	}
}

// find is what a name stands for in any of the files, and the file; nil if there is none.
func (t *traefik) find(kind, name string) (*node, string) {
	for _, f := range t.https {
		if found := f.At(kind, strings.TrimSuffix(name, "@file")); found != nil {
			return found, f.file
		}
	}
	return nil, ""
}

// entry opens a listener.
func (t *traefik) entry(e *node) {
	t.d.at = e.Place
	address := strings.TrimSuffix(e.Get("address").Text(), "/tcp")
	i := strings.LastIndexByte(address, ':')
	port := address[i+1:]
	if _, err := strconv.Atoi(port); i < 0 || err != nil {
		t.d.note(&t.d.notes, e, "an address of that kind")
		return
	}
	l := t.d.listenOn(address)
	tls := e.At("http", "tls") != nil
	for k := range e.Keys() {
		switch strings.ToLower(k.Name) {
		case "address", "asdefault":
		case "http":
			for h := range k.Keys() {
				switch strings.ToLower(h.Name) {
				case "middlewares", "tls", "redirections":
				default:
					t.d.note(&l.notes, h, "")
				}
			}
		case "transport":
			t.transportOf(k, l)
		case "forwardedheaders":
			for h := range k.Keys() {
				if !strings.EqualFold(h.Name, "trustedIPs") {
					t.d.note(&l.notes, h, "write trusted_proxies")
					continue
				}
				for ip := range h.Items() {
					t.d.trust(h, ip.Text())
				}
			}
		case "proxyprotocol":
			t.d.unseen(&l.notes, k, "the PROXY protocol; write proxy_protocol: on, and trusted_proxies")
		case "http2", "reuseport", "observability", "allowacmebypass":
			t.d.needless["entryPoints: "+k.Name] = true
		default:
			t.d.note(&l.notes, k, "")
		}
	}
	t.entries = append(t.entries, traefikEntry{node: e, listen: l, host: address[:i], port: port, tls: tls})
}

// narrow finds the entry points on whose ports others are reached by more clients, and tells of others on another address of one port.
func (t *traefik) narrow() {
	wide := reaches{}
	for _, e := range t.entries {
		wide.on(e.host, e.port)
	}
	for i := range t.entries {
		e := &t.entries[i]
		if e.narrow = wide.narrow(e.port, []string{e.host}); e.narrow {
			t.d.note(&t.d.notes, e.node, narrowly, e.port)
			continue
		}
		if t.shared(e, func(o *traefikEntry) bool { return o.host != e.host && !o.narrow }) {
			t.d.note(&e.listen.notes, e.node, "another entry point has port %s of another address; routes look at the port alone", e.port)
		}
	}
}

// shared reports whether some other entry point on the port of one is like that.
func (t *traefik) shared(e *traefikEntry, is func(*traefikEntry) bool) bool {
	for i := range t.entries {
		if o := &t.entries[i]; o != e && o.port == e.port && is(o) {
			return true
		}
	}
	return false
}

// guardsOf are the middlewares that an entry point puts before its routers.
func (e *traefikEntry) guardsOf() (names []string) {
	for m := range e.node.At("http", "middlewares").Items() {
		names = append(names, m.Text())
	}
	return names
}

// transportOf takes how long an entry point waits for clients.
func (t *traefik) transportOf(k *node, l *listen) {
	for one := range k.Keys() {
		if !strings.EqualFold(one.Name, "respondingTimeouts") {
			t.d.needless["transport: "+one.Name] = true
			continue
		}
		for time := range one.Keys() {
			if strings.EqualFold(time.Name, "idleTimeout") {
				t.d.limitTime(&l.notes, time, "idle", time.Text(), second)
			} else {
				t.d.note(&l.notes, time, "a time for all of a request")
			}
		}
	}
}

// standard says which entry points are for routers that name none: those that say so, or all.
func (t *traefik) standard() {
	says := func(e traefikEntry) bool { return e.node.Get("asDefault").Text() == "true" }
	some := slices.ContainsFunc(t.entries, says)
	for i, e := range t.entries {
		t.entries[i].standard = !some || says(e)
	}
}

// redirections adds the routes of entry points that send everything to another one.
func (t *traefik) redirections() {
	for _, e := range t.entries {
		r := e.node.At("http", "redirections", "entryPoint")
		if r == nil || e.narrow {
			continue
		}
		to := strings.TrimPrefix(r.Get("to").Text(), ":")
		for _, other := range t.entries {
			if other.node.Name == to {
				to = other.port
			}
		}
		scheme, behind, status := cmp.Or(r.Get("scheme").Text(), "https"), "", "301"
		if _, err := strconv.Atoi(to); err == nil && to != map[string]string{"https": "443", "http": "80"}[scheme] {
			behind = ":" + to
		}
		if r.Get("permanent").Text() == "false" {
			status = "302"
		}
		t.d.add(&route{at: e.node.Place, keys: []pair{{"scheme", map[bool]string{true: "https", false: "http"}[e.tls]}, {"port", "[" + e.port + "]"}, {"redirect", mapping([]pair{{"to", quote(scheme + "://$host" + behind + "$uri")}, {"status", status}})}}})
	}
}

// traefikWay is some of a router's entry points: what a route must match for them, and middlewares that they put before.
type traefikWay struct {
	match   []pair
	before  []*node
	entries []*traefikEntry
}

// ways are a router's entry points: those that it names, or those that are for routers which name none.
func (t *traefik) ways(r *node, notes *[]Note) []traefikWay {
	scheme := func(tls bool) pair {
		return pair{"scheme", map[bool]string{true: "https", false: "http"}[tls || r.Get("tls") != nil]}
	}
	var mine []*traefikEntry
	for name := range r.Get("entryPoints").Items() {
		if !slices.ContainsFunc(t.entries, func(e traefikEntry) bool { return e.node.Name == name.Text() }) {
			t.d.note(notes, name, "the entry point %s is not in the files; the router is for every port", name.Text())
			return []traefikWay{{match: []pair{scheme(false)}}}
		}
	}
	for i := range t.entries {
		if own, any := t.named(r, &t.entries[i]); own || any {
			mine = append(mine, &t.entries[i])
		}
	}
	if len(mine) == 0 {
		return []traefikWay{{match: []pair{scheme(false)}}}
	}
	mine = slices.DeleteFunc(mine, func(e *traefikEntry) bool { return e.narrow })
	apart := func(e *traefikEntry) bool { return e.node.At("http", "middlewares") != nil || e.tls }
	if len(mine) == len(t.entries) && !slices.ContainsFunc(mine, apart) {
		return []traefikWay{{match: []pair{scheme(false)}, entries: mine}}
	}
	var out []traefikWay
	for _, e := range mine {
		out = append(out, traefikWay{[]pair{scheme(e.tls), {"port", "[" + e.port + "]"}}, slices.Collect(e.node.At("http", "middlewares").Items()), []*traefikEntry{e}})
	}
	return out
}

// router makes the routes of a router: one for each alternative of its rule, and each way to it.
func (t *traefik) router(r *node) []traefikRoute {
	t.d.at = r.Place
	rule := r.Get("rule").Text()
	alternatives, exact := traefikRule(rule)
	if !exact {
		t.d.note(&t.d.notes, r, "the rule %s", rule)
	}
	priority := len(rule)
	if n, err := strconv.Atoi(r.Get("priority").Text()); err == nil && n != 0 {
		priority = n
	}
	var out []traefikRoute
	var notes []Note
	for k := range r.Keys() {
		switch strings.ToLower(k.Name) {
		case "rule", "priority", "service", "middlewares", "entrypoints", "tls", "observability":
		default:
			t.d.note(&notes, k, "")
		}
	}
	for _, w := range t.ways(r, &notes) {
		made := &route{keys: slices.Clone(w.match), notes: notes, at: r.Place}
		notes = nil
		for _, m := range append(slices.Clone(w.before), slices.Collect(r.Get("middlewares").Items())...) {
			t.middleware(m, made, 0)
		}
		if !answers(made.keys) {
			if name := t.service(r.Get("service"), made); name != "" {
				made.set("pool", quote(name))
			} else {
				t.d.note(&made.notes, r, "a service that is not in the files, or is no loadBalancer of URLs; it is answered 501")
				made.refused = true
			}
		}
		if !slices.ContainsFunc(made.keys, func(k pair) bool { return k.key == "pool" }) { // there is nothing to compress
			made.keys = slices.DeleteFunc(made.keys, func(k pair) bool { return k.key == "compress" })
		}
		for _, e := range w.entries {
			t.guard(r, made, e)
			if own := e.guardsOf(); t.shared(e, func(o *traefikEntry) bool { return !o.narrow && !slices.Equal(o.guardsOf(), own) }) {
				t.lose(e.node, made, "another entry point on its port has other middlewares")
			}
		}
		if len(w.entries) == 0 {
			t.guard(r, made, nil)
		}
		if !exact {
			guarded := func(k pair) bool { return k.key == "allow" || k.key == "auth" }
			away := func(k pair) bool { return k.key == "redirect" }
			who := traefikWho.MatchString(rule)
			if !made.refused && !slices.ContainsFunc(made.keys, guarded) && !(who && (traefikWhoNot.MatchString(rule) || slices.ContainsFunc(made.keys, away))) {
				continue
			}
			made.refused = true // whom it turns away, no other router may let in: all that may be its is answered 501
		}
		if made.refused {
			made.refuse()
		}
		for _, keys := range alternatives {
			one := made.clone()
			one.notes, made.notes = made.notes, nil
			one.keys = slices.Insert(one.keys, len(w.match), keys...)
			out = append(out, traefikRoute{one, priority})
		}
	}
	return out
}

// traefikWho are matchers that look at who asks. A router for whom something does not hold keeps others out of those behind it.
var (
	traefikWho    = regexp.MustCompile(`\b(?:ClientIP|Header|Headers|HeaderRegexp|HeadersRegexp|Query|QueryRegexp)\(`)
	traefikWhoNot = regexp.MustCompile(`![\s(!]*(?:ClientIP|Header|Headers|HeaderRegexp|HeadersRegexp|Query|QueryRegexp)\(|!\s*\(.*(?:ClientIP|Header|Query)`)
)

// traefikNamed is a part of a path, or a host, that Traefik 2 takes by a name and an expression.
var traefikNamed = regexp.MustCompile(`\{[A-Za-z][A-Za-z0-9_-]*(?::[^}]*)?\}`)

var traefikTerm = regexp.MustCompile("^([A-Za-z]+)\\(((?:\\s*[`\"][^`\"]*[`\"]\\s*,?)+)\\)$")

// mostBrackets is how many a rule may have.
const mostBrackets = 200

// traefikRule reads a rule: alternatives of conditions. Where it is not exact, as with a negation, they match what the rule does and more.
func traefikRule(rule string) (out condition, exact bool) {
	if strings.Count(rule, "(") > mostBrackets {
		return condition{nil}, false
	}
	exact = true
	for _, alternative := range traefikParts(rule, "||") {
		all := condition{nil}
		for _, term := range traefikParts(alternative, "&&") {
			c, ok := traefikTerms(strings.TrimSpace(term))
			exact = exact && ok
			if c == nil {
				continue
			}
			if more, fits := both(all, c); fits {
				all = more
			} else {
				exact = false
			}
		}
		out = append(out, all...)
	}
	return out, exact
}

// traefikTerms reads one matcher, or a rule in brackets. It is nil where nothing is known of it.
func traefikTerms(term string) (condition, bool) {
	if inner, ok := strings.CutPrefix(term, "("); ok && strings.HasSuffix(inner, ")") {
		return traefikRule(strings.TrimSuffix(inner, ")"))
	}
	parts := traefikTerm.FindStringSubmatch(term)
	if parts == nil {
		return nil, false
	}
	var args []string
	for _, a := range regexp.MustCompile("[`\"]([^`\"]*)[`\"]").FindAllStringSubmatch(parts[2], -1) {
		args = append(args, a[1])
	}
	c, ok := traefikMatcher(parts[1], args)
	if !ok {
		return nil, false
	}
	return c, true
}

// traefikParts splits a rule at an operator that stands in no brackets and no quotes.
func traefikParts(rule, operator string) (parts []string) {
	depth, from := 0, 0
	var quoted byte
	for i := 0; i < len(rule); i++ {
		switch c := rule[i]; {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '`' || c == '"':
			quoted = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth == 0 && strings.HasPrefix(rule[i:], operator):
			parts, from = append(parts, rule[from:i]), i+len(operator)
			i = from - 1
		}
	}
	return append(parts, rule[from:])
}

// traefikMatcher is one matcher of a rule.
func traefikMatcher(name string, args []string) (out condition, ok bool) {
	first := args[0]
	if strings.HasPrefix(name, "Path") || strings.HasPrefix(name, "Host") {
		if slices.ContainsFunc(args, traefikNamed.MatchString) {
			return nil, false
		}
	}
	switch name {
	case "Host":
		for _, h := range args {
			out = append(out, []pair{{"host", quote(strings.ToLower(h))}})
		}
		return out, true
	case "Path":
		for _, p := range args {
			if !plainPath(p) {
				return nil, false
			}
			out = append(out, []pair{{"path", quote(p)}})
		}
		return out, true
	case "PathPrefix":
		for _, p := range args {
			if p == "/" {
				out = append(out, nil)
			} else {
				out = append(out, []pair{{"path", quote("~^" + regexp.QuoteMeta(p))}})
			}
		}
		return out, true
	case "PathRegexp":
		return condition{{{"path", quote("~" + first)}}}, compiles(first)
	case "HostRegexp":
		return condition{{{"header", "{Host: " + quote("~(?i)"+strings.TrimSuffix(first, "$")+"(:[0-9]+)?$") + "}"}}}, compiles(first)
	case "Method":
		return condition{{{"method", list(args)}}}, true
	case "Header", "Headers", "Query", "HeaderRegexp", "QueryRegexp":
		if len(args) != 2 {
			return nil, false
		}
		key, value := "header", args[1]
		if strings.HasPrefix(name, "Query") {
			key = "query"
		}
		if strings.HasSuffix(name, "Regexp") {
			value = "~" + value
		} else {
			value = literally(value)
		}
		return condition{{{key, mapping([]pair{{quote(first), quote(value)}})}}}, !strings.HasPrefix(value, "~") || compiles(value[1:])
	}
	return nil, false
}

// deepestChain is how many chains of middlewares may stand in each other.
const deepestChain = 8

// put sets a key that a route has once. A second one is told of.
func (t *traefik) put(k *node, r *route, key, value string) {
	if slices.ContainsFunc(r.keys, func(p pair) bool { return p.key == key }) {
		t.d.note(&r.notes, k, "a second one of the kind")
		r.refused = r.refused || key == "allow" || key == "auth"
		return
	}
	r.set(key, value)
}

// lose tells of a middleware that says who may ask, and has no counterpart: the router is answered 501.
func (t *traefik) lose(k *node, r *route, why string) {
	t.d.note(&r.notes, k, "%s; it is answered 501", why)
	r.refused = true
}

// middleware sets what a middleware does.
func (t *traefik) middleware(name *node, r *route, depth int) {
	m, file := t.find("middlewares", name.Text())
	if m == nil || depth > deepestChain {
		t.lose(name, r, "there is no such middleware in the files")
		return
	}
	if answers(r.keys) {
		return // it is answered before
	}
	for _, k := range m.Kids {
		switch strings.ToLower(k.Name) {
		case "chain":
			for one := range k.Get("middlewares").Items() {
				t.middleware(one, r, depth+1)
			}
		case "stripprefix", "addprefix", "replacepath":
			t.path(k, r)
		case "redirectscheme":
			if slices.Contains(r.keys, pair{"scheme", k.Get("scheme").Text()}) {
				continue // it is there already
			}
			status, behind := "302", ""
			if k.Get("permanent").Text() == "true" {
				status = "301"
			}
			if port := k.Get("port").Text(); port != "" && port != "80" && port != "443" {
				behind = ":" + port
			}
			t.put(k, r, "redirect", mapping([]pair{{"to", quote(k.Get("scheme").Text() + "://$host" + behind + "$uri")}, {"status", status}}))
		case "ipallowlist", "ipwhitelist":
			var nets []string
			for n := range k.Get("sourceRange").Items() {
				nets = append(nets, n.Text())
			}
			t.only(k, r, "sourceRange", "ipStrategy")
			if k.Get("ipStrategy") != nil || len(nets) == 0 {
				t.lose(k, r, "ipStrategy, or no sourceRange")
				continue
			}
			t.put(k, r, "allow", list(nets))
		case "basicauth":
			users := k.Get("usersFile").Text()
			if users == "" || k.Get("users") != nil {
				t.lose(k, r, "users in the file; write them into one of their own")
				continue
			}
			t.only(k, r, "usersFile", "users", "realm")
			keys := []pair{{"users", quote(beside(file, users))}}
			if realm := k.Get("realm").Text(); realm != "" {
				keys = append(keys, pair{"realm", quote(realm)})
			}
			t.put(k, r, "auth", mapping(keys))
		case "forwardauth", "digestauth", "plugin":
			t.lose(k, r, "it may say who may ask")
		case "ratelimit":
			t.rate(k, r)
		case "compress":
			t.only(k, r, "minResponseBodyBytes", "defaultEncoding", "encodings")
			t.put(k, r, "compress", "on")
		case "headers":
			t.headers(k, r)
		default:
			t.d.note(&r.notes, k, "")
		}
	}
}

// path sets what a middleware makes of the path, one after the other.
func (t *traefik) path(k *node, r *route) {
	i := slices.IndexFunc(r.keys, func(p pair) bool { return p.key == "rewrite" })
	stripped := slices.ContainsFunc(r.keys, func(p pair) bool { return p.key == "strip" })
	kind := strings.ToLower(k.Name)
	switch {
	case kind == "replacepath" && stripped: // it takes the place of whatever is there
		r.keys = slices.DeleteFunc(r.keys, func(p pair) bool { return p.key == "strip" })
		r.set("rewrite", quote(k.Get("path").Text()))
	case kind == "replacepath" && i >= 0:
		r.keys[i].value = quote(k.Get("path").Text())
	case kind == "replacepath":
		r.set("rewrite", quote(k.Get("path").Text()))
	case stripped || i >= 0:
		t.d.note(&r.notes, k, "a path that is changed twice")
	case kind == "addprefix":
		r.set("rewrite", quote(k.Get("prefix").Text()+"$path"))
	default:
		t.only(k, r, "prefixes")
		var prefixes []string
		for p := range k.Get("prefixes").Items() {
			prefixes = append(prefixes, strings.TrimSuffix(p.Text(), "/"))
		}
		if len(prefixes) != 1 || prefixes[0] == "" {
			t.d.note(&r.notes, k, "several prefixes, or none")
			return
		}
		r.set("strip", quote(prefixes[0]))
	}
}

// headers sets those of requests and answers.
func (t *traefik) headers(k *node, r *route) {
	var in, out []pair
	for _, h := range k.Kids {
		switch strings.ToLower(h.Name) {
		case "customrequestheaders":
			for _, one := range h.Kids {
				in = append(in, pair{one.Name, one.Text()})
			}
		case "customresponseheaders":
			for _, one := range h.Kids {
				out = append(out, pair{one.Name, one.Text()})
			}
		case "stsseconds":
			out = append(out, pair{"Strict-Transport-Security", "max-age=" + h.Text()})
		case "framedeny":
			out = append(out, pair{"X-Frame-Options", "DENY"})
		case "contenttypenosniff":
			out = append(out, pair{"X-Content-Type-Options", "nosniff"})
		default:
			t.d.note(&r.notes, h, "")
		}
	}
	if len(in) > 0 {
		t.put(k, r, "set_request", headers(in))
	}
	if len(out) > 0 {
		t.put(k, r, "set_response", headers(out))
	}
}
