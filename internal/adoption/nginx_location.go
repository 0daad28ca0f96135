package adoption

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// locationKind is how a location is matched.
type locationKind int

// In the order in which nginx decides.
const (
	exactLocation locationKind = iota
	firmLocation               // ^~: no expression is looked at
	regexLocation
	prefixLocation
)

// location is a location block.
type location struct {
	node  *node
	scope scope
	kind  locationKind
	path  string    // empty for /
	outer *location // the one that it stands in; nil for the server
	lost  bool      // a location within it, which cannot be said, may keep people out

	compiled *regexp.Regexp // of a location with an expression
}

// takes reports whether a path is one of the location's.
func (l *location) takes(uri string) bool {
	switch l.kind {
	case exactLocation:
		return l.path == uri
	case regexLocation:
		return l.compiled != nil && l.compiled.MatchString(uri)
	case firmLocation, prefixLocation:
	}
	return strings.HasPrefix(uri, l.path)
}

const deepest = 20

func (n *nginx) collect(v *nginxServer, s scope, outer *location, all *[]*location, depth int) {
	for _, b := range s.own("location") {
		l := &location{node: b, scope: s.in(b.Kids), kind: prefixLocation, outer: outer}
		sign, text := "", b.Text()
		if len(b.Args) > 1 {
			sign, text = b.Text(), b.Arg(1)
		} else {
			for _, s := range []string{"^~", "~*", "=", "~"} {
				if rest, ok := strings.CutPrefix(text, s); ok {
					sign, text = s, rest
					break
				}
			}
		}
		if strings.HasPrefix(text, "@") && sign == "" {
			continue
		}
		switch sign {
		case "=":
			l.kind, l.path = exactLocation, text
		case "^~":
			l.kind, l.path = firmLocation, text
		case "~", "~*":
			if sign == "~*" {
				text = "(?i)" + text
			}
			l.kind, l.path = regexLocation, text
			var err error
			if l.compiled, err = regexp.Compile(l.path); err != nil {
				why := "the regular expression needs what RE2 has not"
				if v.passes = v.passes || len(l.scope.own("fastcgi_pass")) > 0; mayGuard(b.Kids) {
					v.lost, why = true, why+"; the server is answered 501"
				}
				n.d.note(&v.mark, l.node, "%s", why)
				continue
			}
		default:
			l.path = text
		}
		if l.kind != regexLocation && l.path == "/" && l.kind != exactLocation {
			l.path = ""
		}
		if outer != nil && (outer.kind == regexLocation || outer.kind == exactLocation) {
			if !n.withinExpression(v, l, outer) {
				continue
			}
			i := slices.Index(*all, outer)
			*all = slices.Insert(*all, i, l)
		} else {
			if l.hidden() {
				continue
			}
			*all = append(*all, l)
		}
		if depth < deepest {
			n.collect(v, l.scope, l, all, depth+1)
		}
	}
}

// withinExpression has a location with an expression, within another one that takes a prefix, stand before that one, bound to it. False: that
// cannot be said, and it is left out; the outer one is refused, where this one may keep people out.
func (n *nginx) withinExpression(v *nginxServer, l, outer *location) bool {
	head, bound := strings.CutPrefix(outer.path, "^")
	if bound && outer.kind == regexLocation && l.kind == regexLocation && regexp.QuoteMeta(head) == head {
		path, fits, ever := bindTo(l.path, head)
		if compiled, err := regexp.Compile(path); fits && err == nil {
			l.path, l.compiled, l.outer = path, compiled, outer.outer
			return ever
		}
	}
	why := "a location within one that is no prefix; it is answered as the rest of that one"
	if mayGuard(l.node.Kids) {
		outer.lost = true
		why = "a location within one that is no prefix; that one is answered 501"
	}
	n.d.note(&v.mark, l.node, "%s", why)
	return false
}

// mayGuard reports whether lines of a location, or of what stands in it, may keep people out who come to the location around it.
func mayGuard(block []*node) bool {
	return slices.ContainsFunc(block, func(b *node) bool {
		return says[b.Name] || isGuard(b.Name) || b.Name == "include" || mayGuard(b.Kids)
	})
}

// says are the directives by which a location answers some, or all, in another way than with what it serves.
var says = words(`allow deny auth_basic internal return rewrite if`)

// hidden reports whether a location is never chosen, since one that stands beside one around it has a longer prefix of its path.
func (l *location) hidden() bool {
	if l.kind == regexLocation {
		return false
	}
	for o := l.outer; o != nil; o = o.outer {
		for _, b := range o.scope[len(o.scope)-2] {
			if b.Name != "location" || b == o.node {
				continue
			}
			beside := b.Text()
			if len(b.Args) > 1 {
				if b.Text() != "^~" {
					continue
				}
				beside = b.Arg(1)
			}
			if len(beside) > len(o.path) && strings.HasPrefix(beside, "/") && strings.HasPrefix(l.path, beside) {
				return true
			}
		}
	}
	return false
}

// match is the path of a route for the location.
func (l *location) match() []pair {
	switch {
	case l.kind == exactLocation && plainPath(l.path):
		return []pair{{"path", quote(l.path)}}
	case l.kind == exactLocation:
		return []pair{{"path", quote("~^" + regexp.QuoteMeta(l.path) + "$")}}
	case l.kind == regexLocation:
		return []pair{{"path", quote("~" + l.path)}}
	case l.path == "":
		return nil
	case strings.HasSuffix(l.path, "/") && plainPath(l.path):
		return []pair{{"path", quote(l.path + "*")}}
	}
	return []pair{{"path", quote("~^" + regexp.QuoteMeta(l.path))}}
}

// plainPath reports whether a path is one for a route, to the letter.
func plainPath(text string) bool {
	return strings.HasPrefix(text, "/") && !strings.ContainsAny(text, "*?#%\\") && path.Clean(text) == strings.TrimSuffix(text, "/") || text == "/"
}

// location translates one location.
func (n *nginx) location(v *nginxServer, l *location) {
	n.d.at = l.node.Place
	if l.node != v.node {
		n.account(l.node.Kids, &v.mark)
	}
	named := strings.HasPrefix(l.node.Text(), "@") && l.node.Name == "location"
	if l.scope.get("internal") != nil && !named { // no client sees it; error_page looks for the file itself
		r := &route{keys: l.match()}
		n.withoutPage(l.scope, "404", &v.mark)
		if !l.ledTo(append(slices.Clone(v.scope[len(v.scope)-1]), v.scope[:len(v.scope)-1].all("error_page")...)) {
			n.d.note(&v.mark, l.scope.get("internal"), "X-Accel-Redirect of upstreams is not followed")
		}
		r.set("respond", "{status: 404}")
		n.add(v, r)
		return
	}
	unread := slices.ContainsFunc(l.scope, func(level []*node) bool { return unreadLine(level) != nil })
	if n.conditions(v, l, l.scope) || v.lost || l.lost || unread {
		n.refuses(v, l.match())
		return
	}
	if l.node != v.node {
		for _, b := range l.scope.own("return") {
			n.answer(v, l, b, l.scope)
			return
		}
		n.rewrites(v, l)
	}
	if try := l.scope.own("try_files"); len(try) > 0 { // it is not inherited
		n.tryFiles(v, l, try[0])
		return
	}
	n.serves(v, l)
}

// ledTo reports whether lines of a server, or in its blocks, lead to a location by themselves.
func (l *location) ledTo(block []*node) bool {
	return slices.ContainsFunc(block, func(b *node) bool {
		switch b.Name {
		case "error_page", "try_files", "rewrite", "auth_request", "mirror", "index":
			return slices.ContainsFunc(b.Args, func(a string) bool {
				a, _, _ = strings.Cut(a, "$")
				return strings.HasPrefix(a, "/") && l.takes(a)
			})
		}
		return l.ledTo(b.Kids)
	})
}

// serves adds the route of a location that passes requests on, or serves files.
func (n *nginx) serves(v *nginxServer, l *location) {
	if pass := passOf(l); pass != nil {
		n.slash(v, l)
		n.pass(v, l, pass, l.match(), nil)
		return
	}
	for _, name := range []string{"fastcgi_pass", "uwsgi_pass", "scgi_pass"} {
		if pass := l.scope.own(name); len(pass) > 0 {
			n.slash(v, l)
			n.cgi(v, l, pass[0], l.match(), nil)
			return
		}
	}
	if slices.ContainsFunc(l.scope[len(l.scope)-1], answersByItself) { // its files are not what it shows; account tells of the line
		n.refuses(v, l.match())
		return
	}
	r := &route{keys: l.match()}
	n.common(v, l, r)
	n.files(v, l, r, "404")
	n.add(v, r)
	n.index(v, l)
}

// answersByItself reports whether a line has a location answered by something that has no counterpart.
func answersByItself(b *node) bool {
	return strings.HasSuffix(b.Name, "_pass") || strings.HasPrefix(b.Name, "content_by_lua") || contents[b.Name]
}

// contents are such lines.
var contents = words(`js_content perl stub_status empty_gif echo status api hls rtmp_stat nchan_subscriber nchan_publisher push_stream_subscriber push_stream_publisher`)

// slash redirects a prefix without its slash to the one with it, as nginx does where requests are passed on.
func (n *nginx) slash(v *nginxServer, l *location) {
	if l.kind == regexLocation || l.kind == exactLocation || !strings.HasSuffix(l.path, "/") {
		return
	}
	bare := strings.TrimSuffix(l.path, "/")
	for _, other := range v.scope.own("location") {
		if other.Text() == bare || other.Text() == "=" && other.Arg(1) == bare {
			return
		}
	}
	r := &route{keys: []pair{{"path", quote(bare)}}}
	r.set("redirect", mapping([]pair{{"to", quote("$scheme://$authority" + strings.ReplaceAll(l.path, "$", "$$") + "$search")}, {"status", "301"}}))
	n.add(v, r)
}

// rewrites translates the "rewrite" lines of a location.
func (n *nginx) rewrites(v *nginxServer, l *location) {
	lines := l.scope.own("rewrite")
	for i, b := range lines {
		expression, to, flag := within(b.Text(), l), b.Arg(1), b.Arg(2)
		replaced, ok := n.variables(to, l.scope)
		switch {
		case !compiles(expression) || !bound(expression, l):
			why := "its regular expression needs what RE2 has not, or is not bound to the location's prefix"
			if n.leaves(v, l, to, flag) {
				n.refuses(v, l.match())
				why += "; the location is answered 501"
			}
			n.d.note(&v.mark, b, "%s", why)
		case !ok && !n.leaves(v, l, to, flag):
			n.d.note(&v.mark, b, "a variable without a counterpart")
		case !ok:
			n.d.note(&v.mark, b, "a variable without a counterpart; it is answered 501")
			n.refuses(v, []pair{{"path", quote("~" + expression)}})
		case redirects(to, flag):
			n.redirect(v, b, expression, replaced, flag)
		case flag == "last" || flag == "" || i < len(lines)-1 && flag != "break":
			n.d.note(&v.mark, b, "it has another location chosen; it is answered 501")
			n.refuses(v, []pair{{"path", quote("~" + expression)}})
		case passOf(l) == nil:
			n.d.note(&v.mark, b, "only where requests are passed on by HTTP; it is answered 501")
			n.refuses(v, []pair{{"path", quote("~" + expression)}})
		case capturesOf(replaced) > regexp.MustCompile(expression).NumSubexp():
			n.d.note(&v.mark, b, "what its expression has not taken; it is answered 501")
			n.refuses(v, []pair{{"path", quote("~" + expression)}})
		default:
			match := []pair{{"path", quote("~" + expression)}}
			n.pass(v, l, passOf(l), match, []pair{{"rewrite", quote(withSlash(replaced))}})
		}
	}
}

// leaves reports whether a "rewrite" that cannot be said may lead out of its location, behind a guard perhaps.
func (n *nginx) leaves(v *nginxServer, l *location, to, flag string) bool {
	if flag == "break" {
		return false
	}
	head, behind, _ := strings.Cut(to, "$")
	head, _, _ = strings.Cut(head, "?")
	for _, uri := range []string{head, head + "/x"} {
		i := slices.IndexFunc(n.locations(v), func(o *location) bool { return o.takes(uri) })
		if i < 0 || n.locations(v)[i].node != l.node {
			return true
		}
		if behind == "" {
			break
		}
	}
	return redirects(to, flag)
}

// within binds an expression that takes the rest of a path behind a beginning of the location's prefix to the whole of that prefix.
func within(expression string, l *location) string {
	head, found := strings.CutPrefix(strings.TrimSuffix(expression, "$"), "^")
	head, rest := strings.CutSuffix(head, "(.*)")
	if !found || !rest || l.kind == regexLocation || l.kind == exactLocation || regexp.QuoteMeta(head) != head || len(head) >= len(l.path) || !strings.HasPrefix(l.path, head) {
		return expression
	}
	return "^" + head + "(" + regexp.QuoteMeta(l.path[len(head):]) + ".*)$"
}

// passOf is the line that passes a location's requests on; nil if there is none.
func passOf(l *location) *node {
	for _, name := range []string{"proxy_pass", "grpc_pass"} {
		if all := l.scope.own(name); len(all) > 0 {
			return all[0]
		}
	}
	return nil
}

func compiles(expression string) bool {
	_, err := regexp.Compile(expression)
	return err == nil
}

// bound reports whether what an expression takes is the location's in any case.
func bound(expression string, l *location) bool {
	if l == nil || l.path == "" && l.kind == prefixLocation {
		return true
	}
	if l.kind == regexLocation {
		return l.path == expression
	}
	rest, anchored := behindBegin(expression)
	return anchored && !slices.ContainsFunc(literalHeads(rest), func(head string) bool { return !strings.HasPrefix(head, l.path) })
}

// redirects reports whether a rewrite sends the client elsewhere.
func redirects(to, flag string) bool {
	return flag == "permanent" || flag == "redirect" || strings.HasPrefix(to, "http://") || strings.HasPrefix(to, "https://") || strings.HasPrefix(to, "$scheme")
}

func withSlash(text string) string {
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, "$") {
		return text
	}
	return "/" + text
}

// rewriteAlways translates a "rewrite" that stands in a server. What it would have taken elsewhere, behind a guard perhaps, gets in nowhere.
func (n *nginx) rewriteAlways(v *nginxServer, b *node) {
	replaced, ok := n.variables(b.Arg(1), v.scope)
	switch {
	case !compiles(b.Text()):
		n.d.note(&v.mark, b, "its regular expression needs what RE2 has not; the server is answered 501")
		v.lost = true
		return
	case !ok || !redirects(b.Arg(1), b.Arg(2)):
		n.d.note(&v.mark, b, "only redirects are translated here; what fits it is answered 501")
		n.refuses(v, []pair{{"path", quote("~" + b.Text())}})
		return
	}
	n.redirect(v, b, b.Text(), replaced, b.Arg(2))
}

// redirect adds a route for a "rewrite" that sends the client elsewhere. The client's query goes with it, unless a question mark ends it.
func (n *nginx) redirect(v *nginxServer, b *node, expression, to, flag string) {
	status := "302"
	if flag == "permanent" {
		status = "301"
	}
	switch {
	case strings.HasSuffix(to, "?"):
		to = to[:len(to)-1]
	case strings.Contains(to, "?"):
		n.d.note(&v.mark, b, "the client's query behind one of its own")
	default:
		to += "$search"
	}
	r := &route{keys: []pair{{"path", quote("~" + expression)}}}
	r.set("redirect", mapping([]pair{{"to", quote(absolute(to))}, {"status", status}}))
	n.add(v, r)
}

// absolute is where a redirect leads as nginx writes it: with scheme and host.
func absolute(to string) string {
	if strings.HasPrefix(to, "/") {
		return "$scheme://$authority" + to
	}
	return to
}
