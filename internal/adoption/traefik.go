package adoption

import (
	"cmp"
	"context"
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
