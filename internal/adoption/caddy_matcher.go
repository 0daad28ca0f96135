package adoption

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// What Caddy's matchers ask of requests, as routes match, and what lines before have made of it.

// touch keeps that a line changes a header of requests: no matcher after it is one on what the client sent.
func (c *around) touch(name string) {
	c.touched = maps.Clone(c.touched)
	if c.touched == nil {
		c.touched = map[string]bool{}
	}
	c.touched[name] = true
}

// changes reports whether conditions look at what lines before have changed.
func (c *around) changes(alternatives [][]pair) bool {
	return slices.ContainsFunc(alternatives, func(keys []pair) bool {
		return slices.ContainsFunc(keys, func(k pair) bool {
			switch k.key {
			case "path", "query":
				return c.rewritten != nil
			case "method":
				return c.touched["/method"]
			case "host":
				return c.touched["host"] || c.touched[""]
			case "header":
				for name := range c.touched {
					if name == "" || named(k.value, "{"+quote(name)+": ") {
						return true
					}
				}
			}
			return false
		})
	})
}

// touchBy keeps what headers a "request_header" changes, whatever its matcher.
func (c *around) touchBy(k *node) {
	args := k.Args
	if len(args) > 0 && (strings.HasPrefix(args[0], "@") || strings.HasPrefix(args[0], "/") || args[0] == "*") {
		args = args[1:]
	}
	name := ""
	if len(args) > 0 && !strings.ContainsAny(args[0], "*{") {
		name = strings.ToLower(strings.TrimLeft(headerName(args[0]), "+-?>"))
	}
	c.touch(name)
}

// looksAtWho reports whether a matcher looks at who asks, and whether it holds for those that something does not hold for.
func looksAtWho(m *node) (who, negated bool) {
	if m == nil {
		return false, false
	}
	var look func(name string, l *node)
	look = func(name string, l *node) {
		args := l.Args
		if name == "" && len(args) > 0 {
			name, args = args[0], args[1:]
		}
		switch name {
		case "not":
			negated = true
			if len(args) > 0 {
				look("", &node{Args: args})
			}
		case "", "path", "path_regexp", "host", "protocol", "method", "file":
		case "header", "header_regexp":
			who = who || !slices.ContainsFunc(args, func(a string) bool { return asksNothing[strings.ToLower(strings.TrimPrefix(a, "!"))] })
			negated = negated || len(args) > 0 && strings.HasPrefix(args[0], "!")
		case "expression":
			who = true
			negated = negated || strings.Contains(strings.Join(args, " "), "!")
		default:
			who = true
		}
		for _, k := range l.Kids {
			look(k.Name, k)
		}
	}
	look("", m)
	return who, negated
}

// asksNothing are headers that say nothing of who asks.
var asksNothing = words(`upgrade connection accept accept-language accept-encoding content-type range`)

// matcher gives the keys of a route for a matcher: a path, * or @name.
func (s *caddySite) matcher(text string) ([][]pair, bool) {
	switch {
	case text == "*":
		return [][]pair{nil}, true
	case strings.HasPrefix(text, "/"):
		p, ok := caddyPath(text)
		return [][]pair{p}, ok
	}
	d := s.matchers[text]
	if d == nil {
		return nil, false
	}
	lines := d.Kids
	if len(d.Args) > 0 {
		lines = []*node{{Name: d.Text(), Args: d.Args[1:], Place: d.Place}}
	}
	all := condition{nil}
	for _, l := range lines {
		one, ok := caddyCondition(l)
		if !ok {
			return nil, false
		}
		if all, ok = both(all, one); !ok {
			return nil, false
		}
	}
	return all, len(lines) > 0
}

// caddyCondition is one line of a named matcher: alternatives.
func caddyCondition(l *node) (out condition, ok bool) {
	switch l.Name {
	case "path":
		for _, p := range l.Args {
			keys, fits := caddyPath(p)
			if !fits {
				return nil, false
			}
			out = append(out, keys)
		}
	case "path_regexp":
		expression := l.Args[max(len(l.Args)-1, 0):]
		if len(expression) == 0 || !compiles(expression[0]) {
			return nil, false
		}
		out = condition{{{"path", quote("~" + expression[0])}}}
	case "host":
		for _, h := range l.Args {
			out = append(out, []pair{{"host", quote(strings.ToLower(h))}})
		}
	case "method":
		out = condition{{{"method", list(l.Args)}}}
	case "protocol":
		out = condition{{{"scheme", l.Text()}}}
		return out, l.Text() == "http" || l.Text() == "https"
	case "header":
		value := l.Arg(1)
		if name, absent := strings.CutPrefix(l.Text(), "!"); absent && len(l.Args) == 1 {
			return condition{{{"header", mapping([]pair{{quote(name), quote("")}})}}}, true
		}
		if len(l.Args) == 1 {
			value = "*"
		} else if strings.Contains(strings.Trim(value, "*"), "*") || strings.HasPrefix(l.Text(), "!") || len(l.Args) > 2 {
			return nil, false
		} else if !strings.Contains(value, "*") {
			value = literally(value)
		} else if value != "*" {
			value = "~^" + strings.ReplaceAll(regexp.QuoteMeta(value), `\*`, ".*") + "$"
		}
		out = condition{{{"header", mapping([]pair{{quote(l.Text()), quote(value)}})}}}
	case "header_regexp":
		a := l.Args[max(len(l.Args)-2, 0):]
		if len(a) != 2 || !compiles(a[1]) {
			return nil, false
		}
		out = condition{{{"header", mapping([]pair{{quote(a[0]), quote("~" + a[1])}})}}}
	case "query":
		for _, q := range l.Args {
			name, value, _ := strings.Cut(q, "=")
			if first, _, _ := strings.Cut(l.Text(), "="); name != first { // all of them, or any: versions of Caddy differ
				return nil, false
			}
			if value != "*" {
				value = literally(value)
			}
			out = append(out, []pair{{"query", mapping([]pair{{quote(name), quote(value)}})}})
		}
	}
	return out, len(out) > 0
}

// caddyPath is a path matcher: exact, or with * at an end. Caddy compares without regard to case.
func caddyPath(p string) ([]pair, bool) {
	expression := func(head, text, tail string) ([]pair, bool) {
		return []pair{{"path", quote("~(?i)" + head + regexp.QuoteMeta(text) + tail)}}, true
	}
	switch bare := strings.Trim(p, "*"); {
	case p == "/*" || p == "*":
		return nil, true
	case strings.Contains(bare, "*"):
		return nil, false
	case strings.HasPrefix(p, "*") && strings.HasSuffix(p, "*"):
		return expression("", bare, "")
	case strings.HasPrefix(p, "*"):
		return expression("", bare, "$")
	case strings.HasSuffix(p, "*"):
		return expression("^", bare, "")
	case !strings.HasPrefix(p, "/"):
		return nil, false
	case p == "/":
		return []pair{{"path", quote(p)}}, true
	}
	return expression("^", p, "$")
}
