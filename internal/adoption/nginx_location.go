package adoption

import (
	"cmp"
	"path"
	"regexp"
	"regexp/syntax"
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
	path  string // empty for /
	deep  int    // in which order it stands
}

// locations lists a server's locations in the order in which nginx decides, those within others among them. The named are left out.
func (n *nginx) locations(v *nginxServer) []*location {
	var all []*location
	n.collect(v, v.scope, nil, &all, 0)
	slices.SortStableFunc(all, func(a, b *location) int {
		if c := cmp.Compare(a.kind, b.kind); c != 0 || a.kind == regexLocation {
			return c
		}
		return len(b.path) - len(a.path)
	})
	return all
}

const deepest = 20

func (n *nginx) collect(v *nginxServer, s scope, outer *location, all *[]*location, depth int) {
	for _, b := range s.own("location") {
		l := &location{node: b, scope: s.in(b.Kids), kind: prefixLocation, deep: len(*all)}
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
			if !n.expression(v, l, outer) {
				continue
			}
		default:
			l.path = strings.TrimSuffix(text, "")
			if outer != nil && outer.kind == firmLocation {
				l.kind = firmLocation
			}
		}
		if l.kind != regexLocation && l.path == "/" && l.kind != exactLocation {
			l.path = ""
		}
		if depth < deepest {
			n.collect(v, l.scope, l, all, depth+1)
		}
		*all = append(*all, l)
	}
}

// expression reads a location's regular expression, and binds it to the location around it.
func (n *nginx) expression(v *nginxServer, l, outer *location) bool {
	if _, err := regexp.Compile(l.path); err != nil {
		n.d.note(&v.mark, l.node, "the regular expression needs what RE2 has not")
		return false
	}
	if outer == nil || outer.path == "" {
		return true
	}
	if outer.kind == regexLocation || outer.kind == exactLocation {
		n.d.note(&v.mark, l.node, "a location with an expression within one that is no prefix")
		return false
	}
	fold, text := "", l.path
	if rest, ok := strings.CutPrefix(text, "(?i)"); ok {
		fold, text = "(?i)", rest
	}
	if strings.HasPrefix(text, "^"+regexp.QuoteMeta(outer.path)) || strings.HasPrefix(text, "^"+outer.path) {
		return true
	}
	if strings.HasPrefix(text, "^") {
		n.d.note(&v.mark, l.node, "an expression that is bound to another beginning than that of the location around it")
		return false
	}
	l.path = fold + "^" + regexp.QuoteMeta(outer.path) + ".*(?:" + text + ")"
	return true
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
	if l.node != v.node {
		n.account(l.node.Kids, &v.mark)
	}
	if len(l.scope.own("internal")) > 0 {
		return // clients cannot ask for it; error_page looks for the file itself
	}
	n.conditions(v, l, l.scope)
	if l.node != v.node {
		for _, b := range l.scope.own("return") {
			n.answer(v, l, b, l.scope)
			return
		}
		if n.rewrites(v, l) {
			return
		}
	}
	if try := l.scope.own("try_files"); len(try) > 0 { // it is not inherited
		n.tryFiles(v, l, try[0])
		return
	}
	n.serves(v, l, l.match(), nil)
}

// serves adds the route of a location that passes requests on, or serves files. extra are keys of its route.
func (n *nginx) serves(v *nginxServer, l *location, match, extra []pair) {
	for _, name := range []string{"proxy_pass", "grpc_pass"} {
		if pass := l.scope.own(name); len(pass) > 0 {
			n.slash(v, l, match)
			n.pass(v, l, pass[0], match, extra)
			return
		}
	}
	for _, name := range []string{"fastcgi_pass", "uwsgi_pass", "scgi_pass"} {
		if pass := l.scope.own(name); len(pass) > 0 {
			n.slash(v, l, match)
			n.cgi(v, l, pass[0], match, extra)
			return
		}
	}
	r := &route{keys: slices.Clone(match)}
	n.common(v, l, r)
	n.files(v, l, r, "404")
	n.add(v, r)
	n.index(v, l, match)
}

// slash redirects a prefix without its slash to the one with it, as nginx does where requests are passed on.
func (n *nginx) slash(v *nginxServer, l *location, match []pair) {
	if l.kind == regexLocation || l.kind == exactLocation || !strings.HasSuffix(l.path, "/") || len(match) == 0 {
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

// rewrites translates the "rewrite" lines of a location. True means that nothing of the location is left to translate.
func (n *nginx) rewrites(v *nginxServer, l *location) bool {
	lines := l.scope.own("rewrite")
	if len(lines) == 0 {
		return false
	}
	for i, b := range lines {
		expression, to, flag := within(b.Text(), l), b.Arg(1), b.Arg(2)
		replaced, ok := n.variables(to, l.scope)
		switch {
		case !compiles(expression) || !bound(expression, l):
			n.d.note(&v.mark, b, "its regular expression needs what RE2 has not, or is not bound to the location's prefix")
		case !ok:
			n.d.note(&v.mark, b, "a variable without a counterpart")
		case redirects(to, flag):
			n.redirect(v, l, b, expression, replaced, flag)
		case flag == "last" || flag == "" || i < len(lines)-1 && flag != "break":
			n.d.note(&v.mark, b, "it has another location chosen")
		default:
			match := []pair{{"path", quote("~" + expression)}}
			n.pass(v, l, passOf(l), match, []pair{{"rewrite", quote(withSlash(replaced))}})
		}
	}
	return false
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
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil || tree.Op != syntax.OpConcat || len(tree.Sub) < 2 || tree.Sub[0].Op != syntax.OpBeginText || tree.Sub[1].Op != syntax.OpLiteral {
		return false
	}
	return strings.HasPrefix(string(tree.Sub[1].Rune), l.path)
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

// rewriteAlways translates a "rewrite" that stands in a server.
func (n *nginx) rewriteAlways(v *nginxServer, b *node) {
	replaced, ok := n.variables(b.Arg(1), v.scope)
	if !compiles(b.Text()) || !ok || !redirects(b.Arg(1), b.Arg(2)) {
		n.d.note(&v.mark, b, "only redirects are translated here")
		return
	}
	n.redirect(v, nil, b, b.Text(), replaced, b.Arg(2))
}

// redirect adds a route for a "rewrite" that sends the client elsewhere. The client's query goes with it, unless a question mark ends it.
func (n *nginx) redirect(v *nginxServer, l *location, b *node, expression, to, flag string) {
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
	if l != nil {
		n.access(v, l, r)
	}
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
