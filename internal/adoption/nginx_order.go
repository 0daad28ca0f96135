package adoption

import (
	"cmp"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// mostCopies is how many copies of locations with expressions one server may get. Configurations that people write have a few dozen.
const mostCopies = 10_000

// locations lists a server's locations in the order in which nginx decides, those within others among them. The named are left out.
//
// nginx takes an exact location, or else the longest prefix. Then it looks at expressions: those within that prefix, and those beside it
// unless the prefix is firm (^~), and so outwards. Routes are one list of which the first holds. So a prefix whose expressions are not
// just the server's comes before them, with copies of its expressions that are bound to it, and so do all longer prefixes below it.
func (n *nginx) locations(v *nginxServer) []*location {
	if v.whole != nil {
		return v.whole
	}
	var all []*location
	n.collect(v, v.scope, nil, &all, 0)
	v.keepers = keepersOf(all, len(v.scope))
	outermost := expressionsIn(all, nil)
	var exact, prefixes []*location
	for _, l := range all {
		switch l.kind {
		case exactLocation:
			exact = append(exact, l)
		case firmLocation, prefixLocation:
			prefixes = append(prefixes, l)
		case regexLocation:
		}
	}
	slices.SortStableFunc(prefixes, func(a, b *location) int { return cmp.Compare(len(b.path), len(a.path)) })
	chains := make([][]*location, len(prefixes)) // a prefix's expressions
	apart := make([]bool, len(prefixes))         // not just the server's
	for i, l := range prefixes {
		chains[i] = chain(all, l)
		apart[i] = !slices.Equal(chains[i], outermost)
	}
	v.whole = exact
	var late []*location
	for i, l := range prefixes {
		below := false
		for j, other := range prefixes {
			below = below || apart[j] && len(other.path) < len(l.path) && strings.HasPrefix(l.path, other.path)
		}
		mine := chains[i]
		whole := below || apart[i]
		if own, ok := withoutEnd(mine, outermost); ok && !below { // the server's follow by themselves
			mine, whole = own, false
		}
		v.whole = append(v.whole, n.boundTo(v, l, mine, len(v.whole))...)
		if whole {
			v.whole = append(v.whole, l)
		} else {
			late = append(late, l)
		}
	}
	v.whole = append(append(v.whole, outermost...), late...)
	if v.whole == nil {
		v.whole = []*location{}
	}
	return v.whole
}

// expressionsIn are the locations with expressions that stand directly in another one, or in the server.
func expressionsIn(all []*location, outer *location) (found []*location) {
	for _, l := range all {
		if l.kind == regexLocation && l.outer == outer {
			found = append(found, l)
		}
	}
	return found
}

// chain is the expressions that nginx looks at where a prefix is the longest, in order.
func chain(all []*location, l *location) []*location {
	found := expressionsIn(all, l)
	for ; l != nil; l = l.outer {
		if l.kind != firmLocation {
			found = append(found, expressionsIn(all, l.outer)...)
		}
	}
	return found
}

// withoutEnd is a list without what it ends with; false where it does not.
func withoutEnd(list, end []*location) ([]*location, bool) {
	at := len(list) - len(end)
	if at < 0 || !slices.Equal(list[at:], end) {
		return list, false
	}
	return list[:at], true
}

// boundTo copies expressions, bound to a prefix. made is how many copies there are.
func (n *nginx) boundTo(v *nginxServer, l *location, expressions []*location, made int) (out []*location) {
	for _, e := range expressions {
		one := *e
		var fits, ever bool
		if one.path, fits, ever = bindTo(e.path, l.path); !fits {
			n.d.note(&v.mark, e.node, "its expression cannot be bound to the location %s, whose paths it takes", cmp.Or(l.path, "/"))
			l.lost = l.lost || mayGuard(e.node.Kids)
			continue
		}
		if made+len(out) > mostCopies {
			n.d.note(&v.mark, l.node, "too many locations with expressions; it is answered 501")
			l.lost = true
			return out
		}
		if ever {
			one.compiled = regexp.MustCompile(one.path)
			out = append(out, &one)
		}
	}
	return out
}

// bindTo makes an expression that takes only paths with a prefix. fits is false where that cannot be said; ever is false where there is no
// such path.
func bindTo(expression, prefix string) (bound string, fits, ever bool) {
	if prefix == "" || prefix == "/" {
		return expression, true, true
	}
	fold, text := "", expression
	if rest, ok := strings.CutPrefix(text, "(?i)"); ok {
		fold, text = "(?i)", rest
	}
	if strings.HasPrefix(text, "^") {
		rest, anchored := behindBegin(text)
		if !anchored { // only some of it begins so
			return "", false, false
		}
		inside, outside := true, true
		for _, head := range literalHeads(rest) {
			inside = inside && strings.HasPrefix(head, prefix)
			outside = outside && !strings.HasPrefix(head, prefix) && !strings.HasPrefix(prefix, head)
		}
		switch {
		case inside && fold == "":
			return expression, true, true
		case outside && fold == "":
			return "", true, false // it begins otherwise
		case rest == "" || rest == "/":
			return "(?-i:^" + regexp.QuoteMeta(prefix) + ")", true, true
		}
		return "", false, false
	}
	whole := "^" + sensitive(fold, prefix) + ".*(?:" + text + ")"
	if bare, ok := strings.CutSuffix(prefix, "/"); ok && !slices.ContainsFunc(literalHeads(text), func(h string) bool { return !strings.HasPrefix(h, "/") }) {
		whole = "^" + sensitive(fold, bare) + "(?:/.*)?(?:" + text + ")" // it may begin with the prefix's own slash
	}
	return fold + whole, compiles(fold + whole), true
}

// sensitive is a text as an expression that regards case.
func sensitive(fold, text string) string {
	if fold == "" {
		return regexp.QuoteMeta(text)
	}
	return "(?-i:" + regexp.QuoteMeta(text) + ")"
}

// mostHeads is how many beginnings of an expression are told apart.
const mostHeads = 200

// behindBegin is what stands behind the ^ of an expression; false where only some of its alternatives begin so.
func behindBegin(expression string) (string, bool) {
	rest, begins := strings.CutPrefix(expression, "^")
	tree, err := syntax.Parse(expression, syntax.Perl)
	return rest, begins && err == nil && (tree.Op == syntax.OpBeginText || tree.Op == syntax.OpConcat && tree.Sub[0].Op == syntax.OpBeginText)
}

// literalHeads are texts of which whatever an expression takes begins with one. An empty one says nothing.
func literalHeads(expression string) []string {
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return []string{""}
	}
	heads, _ := headsOf(tree)
	return heads
}

// headsOf are a tree's beginnings. whole says that they are all that it takes, so that what follows goes on from them.
func headsOf(tree *syntax.Regexp) (heads []string, whole bool) {
	switch {
	case tree.Op == syntax.OpCapture:
		return headsOf(tree.Sub[0])
	case tree.Op == syntax.OpLiteral && tree.Flags&syntax.FoldCase == 0:
		return []string{string(tree.Rune)}, true
	case tree.Op == syntax.OpAlternate:
		whole = true
		for _, sub := range tree.Sub {
			more, all := headsOf(sub)
			heads, whole = append(heads, more...), whole && all
		}
	case tree.Op == syntax.OpConcat:
		heads, whole = []string{""}, true
		for _, sub := range tree.Sub {
			more, all := headsOf(sub)
			var next []string
			for _, h := range heads {
				for _, m := range more {
					next = append(next, h+m)
				}
			}
			if heads, whole = next, all; !all || len(heads) > mostHeads {
				break
			}
		}
	}
	if len(heads) == 0 || len(heads) > mostHeads {
		return []string{""}, false
	}
	return heads, whole
}
