package adoption

import (
	"slices"
	"strings"
)

// What Traefik's middlewares do, and whom they keep out.

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
