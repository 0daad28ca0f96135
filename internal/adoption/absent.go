package adoption

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// Conditions on a header, or a parameter of the query. nginx and Apache compare the empty text where there is none; HAProxy, Caddy and
// Traefik compare nothing, and the condition does not hold. A route compares nothing either.

// like is what a header (key "header") or a parameter ("query") must be like where the empty text stands for one that is absent: what the
// expression finds, and an absent one too if the expression finds the empty text.
func like(key, name, expression string) condition {
	one := func(value string) []pair { return []pair{{key, mapping([]pair{{quote(name), quote(value)}})}} }
	all := condition{one("~" + expression)}
	if e, err := regexp.Compile(expression); err == nil && e.MatchString("") {
		all = append(all, one(""))
	}
	return all
}

// inList makes an expression for one value one for a header's whole line, which HAProxy takes apart at commas: a beginning is that of any of
// its values, and so is an end. False means that it cannot be said.
func inList(expression string) (string, bool) {
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return "", false
	}
	if !anchored(tree) {
		return expression, true
	}
	if middle, bound := strings.CutPrefix(expression, "^"); bound { // one text: as people write it
		if text, ends := strings.CutSuffix(middle, "$"); ends && regexp.QuoteMeta(text) == text {
			return `(?:^|,)[ \t]*` + text + `[ \t]*(?:,|$)`, true
		}
	}
	head, err := syntax.Parse(`(?:^|,)[ \t]*`, syntax.Perl)
	if err != nil {
		return "", false
	}
	tail, err := syntax.Parse(`[ \t]*(?:,|$)`, syntax.Perl)
	if err != nil {
		return "", false
	}
	return valued(tree, head, tail).String(), true
}

// anchored reports whether an expression is bound to the beginning or the end of a text.
func anchored(tree *syntax.Regexp) bool {
	if tree.Op == syntax.OpBeginText || tree.Op == syntax.OpEndText {
		return true
	}
	for _, sub := range tree.Sub {
		if anchored(sub) {
			return true
		}
	}
	return false
}

// valued puts others in the place of an expression's beginnings and ends.
func valued(tree, head, tail *syntax.Regexp) *syntax.Regexp {
	switch tree.Op {
	case syntax.OpBeginText:
		return head
	case syntax.OpEndText:
		return tail
	}
	for i, sub := range tree.Sub {
		tree.Sub[i] = valued(sub, head, tail)
	}
	return tree
}

// headerName is a header's name as Apache and Caddy take it: with a colon behind it, or without.
func headerName(text string) string { return strings.TrimSuffix(text, ":") }
