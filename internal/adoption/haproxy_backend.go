package adoption

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

// Where a frontend of HAProxy sends requests: its backends, their rules, and redirects.

// turnsAway reports whether a backend answers clients by itself, or not at all: who comes to another in its place gets more. It is true of one
// that is not known, if there is any such.
func (h *haproxy) turnsAway(target *node) bool {
	if target == nil {
		for _, b := range h.backends {
			if h.turnsAway(b) {
				return true
			}
		}
		return false
	}
	servers := false
	for _, k := range append(slices.Clone(h.defaults[target]), target.Kids...) {
		switch k.Name {
		case "server":
			servers = servers || !k.Has("disabled")
		case "server-template", "dispatch":
			servers = true
		case "redirect":
			return true
		case "http-request", "tcp-request":
			if guardsHAProxy[k.Text()] || k.Has("reject") || k.Has("silent-drop") || strings.HasPrefix(k.Text(), "lua.") {
				return true
			}
		}
	}
	return !servers
}

// hasSource reports whether keys look at the client's address, which no route is matched by.
func hasSource(keys []pair) bool {
	return slices.ContainsFunc(keys, func(k pair) bool { return k.key == "src" || k.key == "not src" })
}

// to adds the route to a backend.
func (f *haproxyFront) to(keys []pair, target, at *node) {
	if hasSource(keys) {
		why := "a choice by the client's address"
		if f.turnsAway(target) {
			f.lost = true
			why += "; what comes after it is answered 501"
		}
		f.d.note(&f.mark, at, "%s", why)
		return
	}
	r := &route{keys: slices.Clone(keys)}
	b := &haproxyFront{haproxy: f.haproxy, node: target, ports: f.ports, acls: map[string]condition{}, broken: map[string]bool{}, within: keys, touched: maps.Clone(f.touched)}
	b.allow, b.deny, b.lost = slices.Clone(f.allow), slices.Clone(f.deny), f.lost
	b.set, b.made, b.out = slices.Clone(f.set), slices.Clone(f.made), slices.Clone(f.out)
	rewrite := ""
	if target != f.node {
		// The rules of the backend's own defaults; those of the frontend's hold already.
		lines := slices.DeleteFunc(slices.Clone(f.defaults[target]), func(k *node) bool {
			return !haproxyRules[k.Name] || slices.Contains(f.defaults[f.node], k)
		})
		for _, k := range append(lines, target.Kids...) {
			if path, ok := b.pathOf(k); ok {
				b.touched["path"] = true
				if rewrite == "" && !slices.ContainsFunc(keys, func(k pair) bool { return k.key == "path" }) {
					rewrite = path
					continue
				}
				f.d.note(&b.mark, k, "a path beside another one")
				continue
			}
			b.backendLine(k)
		}
	}
	r.notes = append(r.notes, b.mark...)
	defer func(before haproxyFront) { f.lost, f.allow, f.deny = before.lost, before.allow, before.deny }(*f)
	f.lost, f.allow, f.deny = b.lost, b.allow, b.deny
	for _, h := range []struct {
		key  string
		list []pair
	}{{"set_request", b.set}, {"make_request", b.made}, {"set_response", b.out}} {
		if len(h.list) > 0 {
			r.set(h.key, headers(h.list))
		}
	}
	name := f.pool(target, &r.notes)
	if name == "" {
		f.d.note(&f.mark, target, "no server in it; it is answered 503")
		r.keys = append(slices.Clone(keys), pair{"respond", "{status: 503}"})
		f.add(r)
		return
	}
	if f.compresses(f.node) || f.compresses(target) {
		r.set("compress", "on")
	}
	r.set("pool", quote(name))
	if rewrite != "" {
		parts := strings.SplitN(rewrite, "\x00", 2)
		one := r.clone()
		one.keys = append([]pair{{"path", quote("~" + parts[0])}}, append(one.keys, pair{"rewrite", quote(parts[1])})...)
		f.add(one)
	}
	f.add(r)
}

// compresses reports whether a section has answers compressed.
func (h *haproxy) compresses(s *node) bool {
	for _, name := range []string{"algo", "algo-res"} {
		if k := h.setting(s, "compression", name); k != nil {
			return slices.ContainsFunc(k.Args[1:], func(a string) bool { return a != "identity" })
		}
	}
	return false
}

// compression tells of what has no counterpart: types, and requests.
func (f *haproxyFront) compression(k *node) {
	switch k.Text() {
	case "algo", "algo-res":
	case "type", "type-res", "minsize-res", "offload":
		f.d.needless["compression "+k.Text()] = true
	default:
		f.d.note(&f.mark, k, "")
	}
}

// backendLine translates a line of a backend: what it does to requests that are on their way to it.
func (f *haproxyFront) backendLine(k *node) {
	f.line(k)
}

// pathOf reads "http-request replace-path" and its relatives: the expression and what stands in its place.
func (f *haproxyFront) pathOf(k *node) (string, bool) {
	if k.Name != "http-request" || k.Text() != "replace-path" && k.Text() != "replace-uri" || len(k.Args) != 3 || !compiles(k.Arg(1)) {
		return "", false
	}
	to := regexp.MustCompile(`\\([1-9])`).ReplaceAllString(strings.ReplaceAll(k.Arg(2), "$", "$$"), "$$$1")
	if strings.Contains(to, "%[") || !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "$") {
		return "", false
	}
	return k.Arg(1) + "\x00" + to, true
}

// redirect translates "redirect scheme|prefix|location TO [code N] if ...".
func (f *haproxyFront) redirect(k *node, args []string) {
	i := slices.IndexFunc(args, func(a string) bool { return a == "if" || a == "unless" })
	var condition []string
	if i >= 0 {
		args, condition = args[:i], args[i:]
	}
	alternatives, ok := f.when(condition)
	if !ok || len(args) < 2 {
		if !f.leads(condition) && args[0] != "scheme" {
			f.close(k, condition, "a condition without a counterpart")
			return
		}
		f.d.note(&f.mark, k, "a condition without a counterpart")
		return
	}
	to, known := haproxyFormat(args[1])
	switch args[0] {
	case "scheme":
		to += "://$authority$uri"
	case "prefix":
		to += "$uri"
	case "location":
	default:
		known = false
	}
	status := "302"
	for j := 2; j < len(args); j++ {
		switch args[j] {
		case "code":
			status, j = topology.Option(args, "code"), j+1
		default:
			known = false
		}
	}
	if !known {
		if !f.leads(condition) {
			f.close(k, condition, "a form without a counterpart")
			return
		}
		f.d.note(&f.mark, k, "a form without a counterpart")
		return
	}
	for _, keys := range alternatives {
		if hasSource(keys) && args[0] != "scheme" {
			f.close(k, condition, "a choice by the client's address")
			return
		}
		if hasSource(keys) {
			f.d.note(&f.mark, k, "a choice by the client's address")
			continue
		}
		f.add(&route{keys: append(slices.Clone(keys), pair{"redirect", mapping([]pair{{"to", quote(to)}, {"status", status}})})})
	}
}

// haproxyFormat writes a format of HAProxy's with the variables of here.
func haproxyFormat(text string) (string, bool) {
	text = strings.ReplaceAll(text, "$", "$$")
	ok := true
	out := regexp.MustCompile(`%\[[^\]]*\]|%[a-zA-Z]+|%\{[^}]*\}|%%`).ReplaceAllStringFunc(text, func(v string) string {
		switch v {
		case "%[hdr(host)]", "%[req.hdr(host)]", "%[req.hdr(Host)]", "%[hdr(Host)]":
			return "$authority"
		case "%[req.hdr(host),host_only]":
			return "$host"
		case "%[path]", "%HP":
			return "$path"
		case "%[query]":
			return "$query"
		case "%[url]", "%[capture.req.uri]", "%HU", "%[pathq]":
			return "$uri"
		case "%[src]", "%ci":
			return "$client"
		case "%[dst_port]", "%fp":
			return "$port"
		case "%%":
			return "%"
		}
		ok = false
		return v
	})
	return out, ok
}
