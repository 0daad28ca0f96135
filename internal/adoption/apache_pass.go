package adoption

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// apachePass is a ProxyPass.
type apachePass struct {
	node   *node
	path   string
	expr   string // of a ProxyPassMatch, in place of the path
	target string // "!" for none
	args   []string
	levels [][]*node // blocks of <Proxy> that hold for the target
}

// passes are the lines that pass requests on, in the order in which they are looked at.
func (h *apacheHost) passes() (all []apachePass) {
	add := func(k *node, within string) {
		args := slices.Clone(k.Args)
		p := apachePass{node: k, path: within}
		match := strings.EqualFold(k.Name, "ProxyPassMatch")
		if within == "" && len(args) > 0 {
			p.path, args = args[0], args[1:]
		}
		if match && within == "" {
			p.expr, p.path = p.path, "/"
		}
		if len(args) == 0 || p.expr != "" && !compiles(p.expr) || p.expr == "" && !strings.HasPrefix(p.path, "/") {
			h.d.note(&h.mark, k, "a path, or an expression, without a counterpart")
			return
		}
		p.target, p.args = args[0], args[1:]
		for _, s := range h.sections("Proxy", "ProxyMatch") {
			if name := s.Text(); name == "*" || strings.EqualFold(s.Name, "ProxyMatch") || strings.HasPrefix(p.target, strings.TrimSuffix(name, "*")) {
				p.levels = append(p.levels, s.Kids)
			}
		}
		all = append(all, p)
	}
	for _, block := range [][]*node{h.kids, h.tree} {
		for _, k := range block {
			switch strings.ToLower(k.Name) {
			case "proxypass", "proxypassmatch":
				add(k, "")
			case "location":
				for _, one := range a2all(k.Kids, "ProxyPass", "ProxyPassMatch") {
					if where, ok := h.locationOf(k); ok {
						add(one, where)
					} else {
						h.d.note(&h.mark, one, "in a block for an expression")
					}
				}
			case "locationmatch":
				for _, one := range a2all(k.Kids, "ProxyPass", "ProxyPassMatch") {
					h.d.note(&h.mark, one, "in a block for an expression")
				}
			}
		}
	}
	return all
}

// pass adds the route of a ProxyPass for one region.
func (h *apacheHost) pass(p apachePass, r *route, region apacheRegion) {
	scheme, host, to := apacheTarget(p.target)
	if region.expr != "" && p.expr == "" && p.path != to && !(p.path == "/" && to == "") {
		h.d.note(&r.notes, p.node, "another path, in a block for an expression; it is answered 501")
		r.refused = true
	}
	if region.expr == "" && p.expr == "" {
		h.replaced(p, r, region.prefix, to)
	} else if p.expr != "" {
		r.keys = slices.DeleteFunc(r.keys, func(k pair) bool { return k.key == "path" })
		if region.prefix != "/" || region.expr != "" {
			if a := h.access(region.levels); a.guards() {
				h.d.note(&h.mark, p.node, "a block within an expression says who may ask; the host is answered 501")
				h.blocked = true
			}
			return
		}
		r.set("path", quote("~"+p.expr))
		if scheme != "fcgi" && to != "" {
			r.text("rewrite", withSlash(to))
		}
	}
	h.passTo(p, r, region, scheme, host)
}

// replaced sets path and rewrite of a region: what stands behind the line's path goes behind the target's.
func (h *apacheHost) replaced(p apachePass, r *route, region, to string) {
	switch {
	case p.path == to || p.path == "/" && to == "":
		r.keys = append(r.keys, prefixed(region)...)
		return
	case to == "" && strings.TrimSuffix(p.path, "/") == p.path:
		r.keys = append(r.keys, prefixed(region)...)
		r.text("strip", p.path)
		return
	}
	behind := ".*"
	if !strings.HasSuffix(region, "/") {
		behind = "(?:/.*)?"
	}
	rest := strings.TrimPrefix(region, p.path)
	r.set("path", quote("~^"+regexp.QuoteMeta(p.path)+"("+regexp.QuoteMeta(rest)+behind+")$"))
	r.text("rewrite", withSlash(strings.ReplaceAll(to, "$", "$$")+"$1"))
}

// apacheTarget takes a target apart: its scheme, the host or the socket, and the path.
func apacheTarget(target string) (scheme, host, to string) {
	socket := ""
	if rest, ok := strings.CutPrefix(target, "unix:"); ok {
		var found bool
		if socket, target, found = strings.Cut(rest, "|"); !found {
			target = "http://localhost"
		}
	}
	scheme, rest, _ := strings.Cut(target, "://")
	host = rest
	if i := strings.IndexAny(rest, "/$"); i >= 0 {
		host, to = rest[:i], rest[i:]
	}
	if socket != "" {
		host = "unix:" + socket
	}
	return strings.ToLower(scheme), host, to
}

// rewritePass adds the route of a rule that passes requests on.
func (h *apacheHost) rewritePass(k *node, r *route, target string) {
	scheme, host, to := apacheTarget(target)
	p := apachePass{node: k, path: "/", target: target}
	to = strings.TrimSuffix(to, "$search")
	if to != "" && to != "$path" && to != "/$1" {
		r.text("rewrite", withSlash(to))
	} else if to == "/$1" {
		r.text("rewrite", to)
	}
	for _, s := range h.sections("Proxy", "ProxyMatch") {
		if s.Text() == "*" || strings.EqualFold(s.Name, "ProxyMatch") || strings.HasPrefix(target, strings.TrimSuffix(s.Text(), "*")) {
			p.levels = append(p.levels, s.Kids)
		}
	}
	levels := append([][]*node{h.tree, h.kids}, p.levels...)
	for _, l := range h.sections("Location", "LocationMatch") { // what a rule takes may be of any of them
		where, ok := h.locationOf(l)
		if a := h.access([][]*node{l.Kids}); where == "/" && ok {
			levels = append(levels, l.Kids)
		} else if a.guards() {
			h.d.note(&h.mark, k, "blocks of paths say who may ask; it is answered 501")
			r.refused = true
		}
	}
	h.passTo(p, r, apacheRegion{prefix: "/", levels: levels}, scheme, host)
}

// apacheSchemes are what endpoints are written with.
var apacheSchemes = map[string]string{"http": "http", "https": "https", "ws": "http", "wss": "https", "h2c": "h2c", "h2": "https", "balancer": ""}

// passTo ends a route that passes requests on: to a pool, or to an application.
func (h *apacheHost) passTo(p apachePass, r *route, region apacheRegion, scheme, host string) {
	own, known := apacheSchemes[scheme]
	switch {
	case !h.common(r, region):
		h.add(r)
		return
	case scheme == "fcgi" && p.expr != "":
		_, _, to := apacheTarget(p.target)
		root := regexp.MustCompile(`/?\$.*$`).ReplaceAllString(to, "")
		h.cgi(p.node, r, host, root)
		return
	case !known || strings.ContainsAny(host, "$%{") || host == "":
		h.d.note(&r.notes, p.node, "a protocol, or an address, without a counterpart; it is answered 501")
		r.refused = true
		h.add(r)
		return
	}
	h.d.at = p.node.Place
	pool := &apachePool{h: h, p: p, notes: &r.notes}
	if scheme == "balancer" {
		pool.balancer(host)
	} else {
		pool.member(p.node, own, host, p.args)
	}
	if len(pool.endpoints) == 0 {
		h.d.note(&r.notes, p.node, "no member in it; it is answered 501")
		r.refused = true
		h.add(r)
		return
	}
	if scheme == "h2" {
		pool.keys = append(pool.keys, pair{"protocol", "h2"})
	}
	if h.compresses(region.levels) {
		r.set("compress", "on")
	}
	r.set("pool", quote(h.d.pool(host, pool.all(region.levels), nil)))
	h.add(r)
}

// compresses reports whether answers are compressed.
func (h *apacheHost) compresses(levels [][]*node) bool {
	for _, level := range levels {
		for _, k := range a2all(level, "SetOutputFilter", "AddOutputFilterByType") {
			if strings.Contains(k.Text(), "DEFLATE") || strings.Contains(k.Text(), "BROTLI") {
				return true
			}
		}
	}
	return false
}

// apacheCompresses reports whether all of some filters compress.
func apacheCompresses(filters string) bool {
	return !slices.ContainsFunc(strings.Split(filters, ";"), func(f string) bool { return f != "DEFLATE" && f != "BROTLI_COMPRESS" })
}

// apachePool is the pool of a target on its way.
type apachePool struct {
	h         *apacheHost
	p         apachePass
	endpoints []string
	secure    bool
	keys      []pair
	notes     *[]Note
}

// balancer adds the members of a <Proxy balancer://...>.
func (b *apachePool) balancer(name string) {
	for _, s := range b.h.sections("Proxy") {
		if s.Text() != "balancer://"+name {
			continue
		}
		for _, k := range s.Kids {
			switch strings.ToLower(k.Name) {
			case "balancermember":
				scheme, host, to := apacheTarget(k.Text())
				own, known := apacheSchemes[scheme]
				if !known || own == "" || to != "" && to != "/" {
					b.h.d.note(b.notes, k, "a protocol, or a path, without a counterpart")
					continue
				}
				b.member(k, own, host, k.Args[1:])
			case "proxyset":
				for _, a := range k.Args {
					b.set(k, a)
				}
			}
		}
	}
	for _, a := range b.p.args {
		b.set(b.p.node, a)
	}
}

// set is one setting of a balancer.
func (b *apachePool) set(k *node, text string) {
	switch name, value, _ := strings.Cut(text, "="); strings.ToLower(name) {
	case "lbmethod":
		switch value {
		case "byrequests":
		case "bybusyness":
			b.keys = append(b.keys, pair{"balance", "least-requests"})
		default:
			b.h.d.note(b.notes, k, "lbmethod=%s", value)
		}
	case "stickysession":
		cookie, _, _ := strings.Cut(value, "|")
		setOnce(&b.keys, pair{"sticky", mapping([]pair{{"cookie", quote(cookie)}})})
		b.h.d.note(b.notes, k, "the cookie is Whygate's own, and no route within the application's")
	case "timeout", "connectiontimeout":
	case "nofailover", "maxattempts", "growth", "nonce", "failonstatus", "failontimeout", "scolonpathdelim", "stickysessionsep", "forcerecovery":
		b.h.d.note(b.notes, k, "%s", name)
	case "nocanon", "retry":
		b.h.d.needless["ProxyPass "+name] = true
	default:
		b.h.d.note(b.notes, k, "%s", name)
	}
}

// member adds an endpoint.
func (b *apachePool) member(k *node, scheme, host string, args []string) {
	url := scheme + "://" + host
	if strings.HasPrefix(host, "unix:") {
		url = host
	}
	b.secure = b.secure || scheme == "https"
	parts := []pair{{"url", quote(url)}}
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		switch strings.ToLower(name) {
		case "loadfactor":
			if n, err := strconv.ParseFloat(value, 64); err == nil && n >= 1 && n <= mostWeight && n == float64(int(n)) {
				parts = append(parts, pair{"weight", strconv.Itoa(int(n))})
			} else {
				b.h.d.note(b.notes, k, "a weight that is not from 1 to %d", mostWeight)
			}
		case "status":
			switch {
			case strings.Contains(value, "D"), strings.Contains(value, "S"):
				return
			case strings.Contains(value, "H"), strings.Contains(value, "R"):
				parts = append(parts, pair{"backup", "true"})
			default:
				b.h.d.note(b.notes, k, "status=%s", value)
			}
		case "timeout", "connectiontimeout":
		case "route", "retry", "max", "min", "smax", "ttl", "keepalive", "disablereuse", "enablereuse", "flushpackets", "flushwait", "iobuffersize", "receivebuffersize", "acquire", "nocanon", "upgrade", "lbset":
			if name == "lbset" && value != "0" {
				b.h.d.note(b.notes, k, "lbset")
			}
			b.h.d.needless["ProxyPass "+name] = true
		case "hcmethod", "hcuri", "hcinterval", "hcpasses", "hcfails", "hcexpr":
			b.h.d.note(b.notes, k, "%s; write check", name)
		default:
			b.h.d.note(b.notes, k, "%s", name)
		}
	}
	if len(parts) == 1 {
		b.endpoints = append(b.endpoints, quote(url))
	} else {
		b.endpoints = append(b.endpoints, mapping(parts))
	}
}

// all are the keys of the pool.
func (b *apachePool) all(levels [][]*node) []pair {
	keys := append([]pair{{"endpoints", "[" + strings.Join(b.endpoints, ", ") + "]"}}, b.keys...)
	preserve := false
	for _, level := range levels {
		for _, k := range a2all(level, "ProxyPreserveHost") {
			preserve = strings.EqualFold(k.Text(), "on")
		}
	}
	if !preserve {
		keys = append(keys, pair{"host", "endpoint"})
		for _, k := range b.h.all("ProxyPassReverse") {
			b.h.d.note(b.notes, k, "Location is passed on as the application writes it; write ProxyPreserveHost On there, or host: client here")
		}
	}
	if b.secure {
		if tls := b.h.proxyTLS(); tls != "" {
			keys = append(keys, pair{"tls", tls})
		}
	}
	if t := b.h.timeouts(b.p.args); t != "" {
		keys = append(keys, pair{"timeouts", t})
	}
	return keys
}

// proxyTLS says how TLS is spoken to a pool: Apache verifies nothing unless it is told to.
func (h *apacheHost) proxyTLS() string {
	var tls []pair
	verify := h.get("SSLProxyVerify")
	if verify == nil || strings.EqualFold(verify.Text(), "none") {
		tls = append(tls, pair{"verify", "false"})
	} else if ca := h.get("SSLProxyCACertificateFile"); ca != nil {
		tls = append(tls, pair{"ca", quote(h.path(ca.Text()))})
	}
	if me := h.get("SSLProxyMachineCertificateFile"); me != nil {
		tls = append(tls, pair{"cert", quote(h.path(me.Text()))}, pair{"key", quote(h.path(me.Text()))})
	}
	if len(tls) == 0 {
		return ""
	}
	return mapping(tls)
}

// cgi ends a route that asks an application by FastCGI.
func (h *apacheHost) cgi(at *node, r *route, address, root string) {
	if root == "" || strings.ContainsAny(root, "${") || address == "" {
		h.d.note(&r.notes, at, "FastCGI without a directory that is known; it is answered 501")
		r.refused = true
		h.add(r)
		return
	}
	if t := h.timeouts(nil); t != "" {
		r.set("timeouts", t)
	}
	r.set("fastcgi", mapping([]pair{{"address", quote(address)}, {"root", quote(h.path(path.Clean(root)))}}))
	h.add(r)
}
