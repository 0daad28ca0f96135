package adoption

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// apacheRegion is a part of a host's paths, with the blocks that hold there, the outermost first.
type apacheRegion struct {
	prefix string // as <Location> has it; "/" for all
	expr   string // of a <LocationMatch>, in place of the prefix
	levels [][]*node
	mixed  *node // the <LocationMatch>, where some of what fits it is in other blocks that say who may ask
}

// routes translates a host, in the order in which Apache decides: rewrite rules, what is passed on, redirects, directories.
func (h *apacheHost) routes() {
	h.account(h.kids, &h.mark)
	h.before = true
	h.rewrites()
	passes := h.passes()
	h.before = false
	for _, p := range passes {
		if p.target == "!" {
			h.excluded(p.path)
			continue
		}
		h.content(p.path, p.levels, func(r *route, region apacheRegion) { h.pass(p, r, region) })
	}
	h.before = true
	everywhere := func(string) bool { return true }
	h.redirects(h.kids, everywhere)
	h.redirects(h.tree, everywhere)
	h.before = false
	h.files()
}

// excluded serves what a ProxyPass leaves out: its files, before the line that takes the rest.
func (h *apacheHost) excluded(where string) {
	h.before = true
	within := func(path string) bool { return strings.HasPrefix(path, "/") && apacheUnder(where, path) }
	h.redirects(h.kids, within)
	h.redirects(h.tree, within)
	h.before = false
	for _, block := range [][]*node{h.kids, h.tree} {
		for _, k := range a2all(block, "Alias") {
			if len(k.Args) == 2 && (apacheUnder(k.Text(), where) || apacheUnder(where, k.Text())) {
				h.directory(k, k.Text(), k.Arg(1))
				return
			}
		}
	}
	root := h.get("DocumentRoot")
	if root == nil {
		h.add(&route{keys: append(prefixed(where), pair{"respond", "{status: 404}"})})
		return
	}
	h.directory(root, where, root.Text())
}

// sections are the blocks of a kind that hold for the host: those of the main server, and then its own.
func (h *apacheHost) sections(names ...string) []*node {
	return append(a2all(h.tree, names...), a2all(h.kids, names...)...)
}

// under reports whether a path of <Location> holds another one.
func apacheUnder(outer, inner string) bool {
	return outer == "/" || outer == inner || strings.HasPrefix(inner, outer) && (strings.HasSuffix(outer, "/") || inner[len(outer)] == '/') || outer == inner+"/"
}

// content adds routes for what answers the paths of a prefix: one for each block within it that says something of its own, the narrowest
// first. sections are the blocks that hold for all of it, such as those of directories.
func (h *apacheHost) content(prefix string, sections [][]*node, add func(*route, apacheRegion)) {
	base := append([][]*node{h.tree, h.kids}, sections...)
	locations := h.sections("Location", "LocationMatch")
	at := func(paths string) [][]*node {
		levels := slices.Clone(base)
		for _, l := range locations {
			if plain, ok := h.locationOf(l); ok && apacheUnder(plain, paths) {
				levels = append(levels, l.Kids)
			}
		}
		return levels
	}
	var regions []apacheRegion
	for _, l := range locations {
		plain, ok := h.locationOf(l)
		switch {
		case ok && plain != prefix && apacheUnder(prefix, plain) && !slices.ContainsFunc(regions, func(r apacheRegion) bool { return r.prefix == plain }):
			regions = append(regions, apacheRegion{prefix: plain, levels: at(plain)})
		case !ok && h.speaks(l):
			expr, fits := h.expression(l)
			if !fits {
				h.d.note(&h.mark, l, "an expression that RE2 has not; the host is answered 501")
				h.blocked = true
				continue
			}
			one := apacheRegion{expr: expr, prefix: prefix, levels: append(at(prefix), l.Kids)}
			if own := h.access([][]*node{l.Kids}); !own.denied && h.besideGuards(l, prefix, locations) {
				if !own.guards() && len(a2all(l.Kids, apacheSays...)) == 0 {
					h.d.note(&h.mark, l, "left out: some of what fits it may be in blocks that say who may ask")
					continue
				}
				one.mixed = l
			}
			regions = append(regions, one)
		}
	}
	slices.SortStableFunc(regions, func(a, b apacheRegion) int {
		if (a.expr != "") != (b.expr != "") {
			return map[bool]int{true: -1, false: 1}[a.expr != ""]
		}
		return len(b.prefix) - len(a.prefix)
	})
	for _, region := range append(regions, apacheRegion{prefix: prefix, levels: at(prefix)}) {
		r := &route{}
		if region.expr != "" {
			r.set("path", quote("~"+region.expr))
			own := region.levels[len(region.levels)-1]
			if region.mixed != nil {
				h.d.note(&r.notes, region.mixed, "beside other blocks that say who may ask; what fits it is answered 501")
				r.refused = true
			}
			if prefix != "/" && !strings.HasPrefix(region.expr, "^"+regexp.QuoteMeta(prefix)) { // it may reach beyond the prefix
				a := h.access([][]*node{own})
				if !a.guards() {
					h.d.note(&r.notes, own[0], "only for some requests of %s", prefix)
					continue
				}
				if !a.denied && a.lost == nil {
					h.d.note(&r.notes, own[0], "only for some requests of %s; what fits it is answered 501", prefix)
					r.refused = true
				}
			}
		}
		add(r, region)
	}
}

// besideGuards reports whether other blocks than one of an expression, and than those that hold for all of a prefix, say who may ask.
func (h *apacheHost) besideGuards(l *node, prefix string, locations []*node) bool {
	return slices.ContainsFunc(locations, func(o *node) bool {
		if plain, ok := h.locationOf(o); o == l || ok && apacheUnder(plain, prefix) {
			return false
		}
		a := h.access([][]*node{o.Kids})
		return a.guards()
	})
}

// speaks reports whether a block says something of what is in it.
func (h *apacheHost) speaks(l *node) bool { return len(l.Kids) > 0 }

// locationOf is the path of a <Location>; false for an expression.
func (h *apacheHost) locationOf(l *node) (string, bool) {
	return l.Text(), strings.EqualFold(l.Name, "Location") && strings.HasPrefix(l.Text(), "/") && !strings.ContainsAny(l.Text(), "*?[")
}

// expression is what a <LocationMatch>, a <Location ~> or one with a pattern matches; false where RE2 has not what it needs.
func (h *apacheHost) expression(l *node) (string, bool) {
	text := last(l.Args)
	if strings.EqualFold(l.Name, "Location") && l.Text() != "~" {
		text = "^" + globbed(text)
	}
	return text, compiles(text)
}

// globbed is a pattern of names as an expression.
func globbed(pattern string) string {
	return strings.NewReplacer(`\*`, "[^/]*", `\?`, "[^/]").Replace(regexp.QuoteMeta(pattern))
}

// prefixed is what matches a prefix as Apache takes it: /a is /a and /a/b, and not /ab.
func prefixed(prefix string) []pair {
	switch {
	case prefix == "/" || prefix == "":
		return nil
	case strings.HasSuffix(prefix, "/") && plainPath(prefix):
		return []pair{{"path", quote(prefix + "*")}}
	case strings.HasSuffix(prefix, "/"):
		return []pair{{"path", quote("~^" + regexp.QuoteMeta(prefix))}}
	}
	return []pair{{"path", quote("~^" + regexp.QuoteMeta(prefix) + "(?:/|$)")}}
}

// common sets what holds for a region whatever answers it, and reports whether it is passed on at all.
func (h *apacheHost) common(r *route, region apacheRegion) bool {
	a := h.access(region.levels)
	h.bodies(region.levels)
	if h.keep(&a, region.levels, r); a.denied && a.lost == nil {
		return false
	}
	h.headers(region.levels, r)
	h.errors(region.levels, r)
	return true
}

// headers sets those of requests and answers: of all blocks, the innermost last.
func (h *apacheHost) headers(levels [][]*node, r *route) {
	var in, out []pair
	for _, level := range levels {
		for _, k := range a2all(level, "Header", "RequestHeader") {
			args := slices.Clone(k.Args)
			answer := strings.EqualFold(k.Name, "Header")
			if answer && len(args) > 0 && (strings.EqualFold(args[0], "always") || strings.EqualFold(args[0], "onsuccess")) {
				args = args[1:]
			}
			to := &in
			if answer {
				to = &out
			}
			action, name, value := "", "", ""
			if len(args) > 1 {
				action, name = strings.ToLower(args[0]), headerName(args[1])
			}
			if len(args) > 2 {
				value = args[2]
			}
			switch {
			case !answer && (strings.EqualFold(name, "X-Forwarded-Proto") || strings.EqualFold(name, "X-Forwarded-For")):
				h.d.needless["RequestHeader "+name] = true // Whygate writes it
			case action == "unset" && len(args) == 2:
				*to = append(*to, pair{name, ""})
			case action == "set" && len(args) == 3 && !strings.Contains(value, "%") && !strings.HasPrefix(value, "expr=") && (answer || !strings.EqualFold(name, "Host")):
				*to = append(*to, pair{name, value})
			case !answer && len(args) >= 3 && slices.Contains([]string{"set", "add", "append", "merge"}, action) && takenAway(name):
				*to = append(*to, pair{name, ""})
				h.d.note(&r.notes, k, "only a text that is always set"+clientsOwn)
			default:
				h.d.note(&r.notes, k, "only set with a text, and unset")
			}
		}
	}
	if len(in) > 0 {
		r.set("set_request", headers(in))
	}
	if len(out) > 0 {
		r.set("set_response", headers(out))
	}
}

// errors sets the pages of errors.
func (h *apacheHost) errors(levels [][]*node, r *route) {
	var pages []string
	root := h.get("DocumentRoot")
	upstream := false
	for _, level := range levels {
		for _, k := range a2all(level, "ProxyErrorOverride") {
			upstream = strings.EqualFold(k.Text(), "on")
		}
	}
	seen := map[string]bool{}
	for _, level := range slices.Backward(levels) {
		for _, k := range a2all(level, "ErrorDocument") {
			switch page := k.Arg(1); {
			case seen[k.Text()]:
			case !strings.HasPrefix(page, "/") || root == nil || strings.Contains(page, "?") || len(k.Args) != 2:
				h.d.note(&r.notes, k, "only a file beneath the DocumentRoot")
			default:
				keys := []pair{{"status", "[" + k.Text() + "]"}, {"file", quote(h.path(path.Join(root.Text(), page)))}}
				if upstream {
					keys = append(keys, pair{"upstream", "true"})
				}
				pages = append(pages, mapping(keys))
			}
			seen[k.Text()] = true
		}
	}
	if len(pages) > 0 {
		r.set("errors", "["+strings.Join(pages, ", ")+"]")
	}
}

// redirects translates the lines of mod_alias that send clients elsewhere, of some paths or expressions.
func (h *apacheHost) redirects(block []*node, of func(path string) bool) {
	for _, k := range a2all(block, "Redirect", "RedirectMatch", "RedirectPermanent", "RedirectTemp") {
		args := slices.Clone(k.Args)
		status := map[string]string{"redirectpermanent": "301"}[strings.ToLower(k.Name)]
		if status == "" {
			status = "302"
		}
		if len(args) > 0 {
			if named := map[string]string{"permanent": "301", "temp": "302", "seeother": "303", "gone": "410"}[strings.ToLower(args[0])]; named != "" {
				status, args = named, args[1:]
			} else if regexp.MustCompile(`^[1-5][0-9][0-9]$`).MatchString(args[0]) {
				status, args = args[0], args[1:]
			}
		}
		if len(args) > 0 && of(args[0]) {
			h.redirect(k, status, args)
		}
	}
}

// redirect adds the route of one line: a path and where it leads.
func (h *apacheHost) redirect(k *node, status string, args []string) {
	match := strings.EqualFold(k.Name, "RedirectMatch")
	if len(args) == 0 || match && !compiles(args[0]) || !match && !strings.HasPrefix(args[0], "/") {
		h.d.note(&h.mark, k, "a path, or an expression, without a counterpart")
		h.blocked = h.blocked || strings.HasPrefix(status, "4")
		return
	}
	r := &route{}
	if !strings.HasPrefix(status, "3") {
		if match {
			r.set("path", quote("~"+args[0]))
		} else {
			r.keys = prefixed(args[0])
		}
		r.set("respond", mapping([]pair{{"status", status}}))
		h.add(r)
		return
	}
	if len(args) != 2 || strings.Contains(args[1], "%") {
		h.d.note(&h.mark, k, "")
		return
	}
	to := args[1]
	if match {
		r.set("path", quote("~"+args[0]))
	} else {
		to = strings.ReplaceAll(to, "$", "$$") + "$1"
		if prefix := regexp.QuoteMeta(args[0]); strings.HasSuffix(args[0], "/") {
			r.set("path", quote("~^"+prefix+"(.*)$"))
		} else {
			r.set("path", quote("~^"+prefix+"((?:/.*)?)$"))
		}
	}
	if !strings.Contains(to, "?") {
		to += "$search"
	}
	r.set("redirect", mapping([]pair{{"to", quote(absolute(to))}, {"status", status}}))
	h.add(r)
}
