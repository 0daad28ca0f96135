package adoption

import (
	"regexp"
	"slices"
	"strings"
)

// Traefik's rules, as routes match.

// traefikWho are matchers that look at who asks. A router for whom something does not hold keeps others out of those behind it.
var (
	traefikWho    = regexp.MustCompile(`\b(?:ClientIP|Header|Headers|HeaderRegexp|HeadersRegexp|Query|QueryRegexp)\(`)
	traefikWhoNot = regexp.MustCompile(`![\s(!]*(?:ClientIP|Header|Headers|HeaderRegexp|HeadersRegexp|Query|QueryRegexp)\(|!\s*\(.*(?:ClientIP|Header|Query)`)
)

// traefikNamed is a part of a path, or a host, that Traefik 2 takes by a name and an expression.
var traefikNamed = regexp.MustCompile(`\{[A-Za-z][A-Za-z0-9_-]*(?::[^}]*)?\}`)

var traefikTerm = regexp.MustCompile("^([A-Za-z]+)\\(((?:\\s*[`\"][^`\"]*[`\"]\\s*,?)+)\\)$")

// mostBrackets is how many a rule may have.
const mostBrackets = 200

// traefikRule reads a rule: alternatives of conditions. Where it is not exact, as with a negation, they match what the rule does and more.
func traefikRule(rule string) (out condition, exact bool) {
	if strings.Count(rule, "(") > mostBrackets {
		return condition{nil}, false
	}
	exact = true
	for _, alternative := range traefikParts(rule, "||") {
		all := condition{nil}
		for _, term := range traefikParts(alternative, "&&") {
			c, ok := traefikTerms(strings.TrimSpace(term))
			exact = exact && ok
			if c == nil {
				continue
			}
			if more, fits := both(all, c); fits {
				all = more
			} else {
				exact = false
			}
		}
		out = append(out, all...)
	}
	return out, exact
}

// traefikTerms reads one matcher, or a rule in brackets. It is nil where nothing is known of it.
func traefikTerms(term string) (condition, bool) {
	if inner, ok := strings.CutPrefix(term, "("); ok && strings.HasSuffix(inner, ")") {
		return traefikRule(strings.TrimSuffix(inner, ")"))
	}
	parts := traefikTerm.FindStringSubmatch(term)
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
	return c, true
}

// traefikParts splits a rule at an operator that stands in no brackets and no quotes.
func traefikParts(rule, operator string) (parts []string) {
	depth, from := 0, 0
	var quoted byte
	for i := 0; i < len(rule); i++ {
		switch c := rule[i]; {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '`' || c == '"':
			quoted = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth == 0 && strings.HasPrefix(rule[i:], operator):
			parts, from = append(parts, rule[from:i]), i+len(operator)
			i = from - 1
		}
	}
	return append(parts, rule[from:])
}

// traefikMatcher is one matcher of a rule.
func traefikMatcher(name string, args []string) (out condition, ok bool) {
	first := args[0]
	if strings.HasPrefix(name, "Path") || strings.HasPrefix(name, "Host") {
		if slices.ContainsFunc(args, traefikNamed.MatchString) {
			return nil, false
		}
	}
	switch name {
	case "Host":
		for _, h := range args {
			out = append(out, []pair{{"host", quote(strings.ToLower(h))}})
		}
		return out, true
	case "Path":
		for _, p := range args {
			if !plainPath(p) {
				return nil, false
			}
			out = append(out, []pair{{"path", quote(p)}})
		}
		return out, true
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
		} else {
			value = literally(value)
		}
		return condition{{{key, mapping([]pair{{quote(first), quote(value)}})}}}, !strings.HasPrefix(value, "~") || compiles(value[1:])
	}
	return nil, false
}
