package adoption

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

// traefik is one file of Traefik on its way.
type traefik struct {
	d    *draft
	file string
	http *node
}

// traefikRoute is a route with what Traefik sorts it by.
type traefikRoute struct {
	*route
	priority int
}

// fromTraefik translates a file of Traefik's, static or dynamic. Labels of containers are not in it.
func fromTraefik(d *draft, p *topology.Proxy) {
	t := &traefik{d: d, file: p.File}
	for _, root := range p.Tree {
		for e := range root.Get("entryPoints").Keys() {
			t.entry(e)
		}
		for _, k := range root.Kids {
			switch strings.ToLower(k.Name) {
			case "entrypoints", "http":
			case "log", "accesslog", "api", "metrics", "ping", "global", "tracing", "providers", "serverstransport":
				d.needless[k.Name] = true
			default:
				d.note(&d.notes, k, "")
			}
		}
		if t.http = root.Get("http"); t.http == nil {
			continue
		}
		var all []traefikRoute
		for r := range t.http.Get("routers").Keys() {
			all = append(all, t.router(r)...)
		}
		slices.SortStableFunc(all, func(a, b traefikRoute) int { return b.priority - a.priority })
		for _, r := range all {
			d.routes = append(d.routes, r.route)
		}
	}
}

// entry opens a listener.
func (t *traefik) entry(e *node) {
	address := strings.TrimSuffix(e.Get("address").Text(), "/tcp")
	_, port, found := strings.Cut(address, ":")
	if _, err := strconv.Atoi(port); !found || err != nil {
		t.d.note(&t.d.notes, e, "an address of that kind")
		return
	}
	l := t.d.listenOn(address)
	if port == "443" || e.At("http", "tls") != nil {
		t.d.note(&l.notes, e, "its certificate; add one: tls: {cert: ..., key: ...}")
	}
	if r := e.At("http", "redirections", "entryPoint"); r != nil {
		t.d.routes = append(t.d.routes, &route{keys: []pair{{"scheme", "http"}, {"port", "[" + port + "]"}, {"redirect", "{to: 'https://$host$uri', status: 301}"}}})
	}
}

// router makes the routes of a router: one for each alternative of its rule.
func (t *traefik) router(r *node) []traefikRoute {
	rule := r.Get("rule").Text()
	made := &route{}
	alternatives, ok := traefikRule(rule)
	if !ok {
		t.d.note(&t.d.notes, r, "the rule %s", rule)
		return nil
	}
	scheme := "http"
	if r.Get("tls") != nil {
		scheme = "https"
	}
	for m := range r.Get("middlewares").Items() {
		t.middleware(m, made)
	}
	if !answers(made.keys) {
		name := t.service(r.Get("service"), made)
		if name == "" {
			t.d.note(&t.d.notes, r, "a service that is not in the file, or is no loadBalancer of URLs")
			return nil
		}
		made.set("pool", quote(name))
	}
	priority := len(rule)
	if n, err := strconv.Atoi(r.Get("priority").Text()); err == nil && n > 0 {
		priority = n
	}
	var out []traefikRoute
	for i, keys := range alternatives {
		one := made.clone()
		if i == 0 {
			one.notes = made.notes
		}
		one.keys = append(append([]pair{{"scheme", scheme}}, keys...), one.keys...)
		out = append(out, traefikRoute{one, priority})
	}
	return out
}

var traefikTerm = regexp.MustCompile("^([A-Za-z]+)\\(((?:\\s*[`\"][^`\"]*[`\"]\\s*,?)+)\\)$")

// traefikRule reads a rule without negation and brackets: alternatives of conditions.
func traefikRule(rule string) (condition, bool) {
	var out condition
	for alternative := range strings.SplitSeq(rule, "||") {
		all := condition{nil}
		for term := range strings.SplitSeq(alternative, "&&") {
			parts := traefikTerm.FindStringSubmatch(strings.TrimSpace(term))
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
			var next condition
			for _, a := range all {
				for _, b := range c {
					both, fits := merge(a, b)
					if !fits {
						return nil, false
					}
					next = append(next, both)
				}
			}
			if all = next; len(all) > 1000 {
				return nil, false
			}
		}
		out = append(out, all...)
	}
	return out, true
}

// traefikMatcher is one matcher of a rule.
func traefikMatcher(name string, args []string) (out condition, ok bool) {
	first := args[0]
	switch name {
	case "Host":
		for _, h := range args {
			out = append(out, []pair{{"host", quote(strings.ToLower(h))}})
		}
		return out, true
	case "Path":
		for _, p := range args {
			out = append(out, []pair{{"path", quote(p)}})
			ok = plainPath(p)
		}
		return out, ok
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
		}
		return condition{{{key, mapping([]pair{{quote(first), quote(value)}})}}}, !strings.HasPrefix(value, "~") || compiles(value[1:])
	}
	return nil, false
}

// service makes the pool of a service.
func (t *traefik) service(name *node, r *route) string {
	s := t.http.At("services", strings.TrimSuffix(name.Text(), "@file"))
	balancer := s.Get("loadBalancer")
	var urls []string
	for server := range balancer.Get("servers").Items() {
		if url := server.Get("url").Text(); url != "" {
			urls = append(urls, strings.TrimSuffix(url, "/"))
		}
	}
	if len(urls) == 0 {
		return ""
	}
	keys := []pair{{"endpoints", list(urls)}}
	for _, k := range balancer.Kids {
		switch strings.ToLower(k.Name) {
		case "servers":
		case "passhostheader":
			if k.Text() == "false" {
				keys = append(keys, pair{"host", "endpoint"})
			}
		case "sticky":
			keys = append(keys, pair{"sticky", mapping([]pair{{"cookie", quote(orElse(k.At("cookie", "name").Text(), "lb"))}})})
		case "healthcheck":
			check := []pair{{"path", quote(orElse(k.Get("path").Text(), "/"))}}
			keys = append(keys, pair{"check", mapping(check)})
		case "serverstransport":
			if t.http.At("serversTransports", strings.TrimSuffix(k.Text(), "@file")).Get("insecureSkipVerify").Text() == "true" {
				keys = append(keys, pair{"tls", "{verify: false}"})
			}
		default:
			t.d.note(&r.notes, k, "")
		}
	}
	return t.d.pool(s.Name, keys, nil)
}

// middleware sets what a middleware does.
func (t *traefik) middleware(name *node, r *route) {
	m := t.http.At("middlewares", strings.TrimSuffix(name.Text(), "@file"))
	if m == nil {
		t.d.note(&r.notes, name, "there is no such middleware in the file")
		return
	}
	for _, k := range m.Kids {
		switch strings.ToLower(k.Name) {
		case "stripprefix":
			var prefixes []string
			for p := range k.Get("prefixes").Items() {
				prefixes = append(prefixes, strings.TrimSuffix(p.Text(), "/"))
			}
			if len(prefixes) != 1 || prefixes[0] == "" {
				t.d.note(&r.notes, k, "several prefixes, or none")
				continue
			}
			r.set("strip", quote(prefixes[0]))
		case "addprefix":
			r.set("rewrite", quote(k.Get("prefix").Text()+"$path"))
		case "replacepath":
			r.set("rewrite", quote(k.Get("path").Text()))
		case "redirectscheme":
			status := "302"
			if k.Get("permanent").Text() == "true" {
				status = "301"
			}
			r.set("redirect", mapping([]pair{{"to", quote(k.Get("scheme").Text() + "://$host$uri")}, {"status", status}}))
		case "ipallowlist", "ipwhitelist":
			var nets []string
			for n := range k.Get("sourceRange").Items() {
				nets = append(nets, n.Text())
			}
			r.set("allow", list(nets))
		case "basicauth":
			if file := k.Get("usersFile").Text(); file != "" {
				r.set("auth", mapping([]pair{{"users", quote(beside(t.file, file))}}))
				continue
			}
			t.d.note(&r.notes, k, "users in the file; write them into one of their own")
		case "ratelimit":
			if average := k.Get("average").Text(); average != "" && k.Get("period") == nil {
				r.set("rate", mapping([]pair{{"limit", quote(average + "/s")}}))
				continue
			}
			t.d.note(&r.notes, k, "")
		case "headers":
			t.headers(k, r)
		default:
			t.d.note(&r.notes, k, "")
		}
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
		r.set("set_request", headers(in))
	}
	if len(out) > 0 {
		r.set("set_response", headers(out))
	}
}
