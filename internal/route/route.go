// Package route decides which rule a request falls under. A Table is made once from a list of rules and never changes; a
// match is the first rule in the list's order that fits host, method and path.
//
// It must not know pools, requests or configuration: it is given octets and gives an index.
package route

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Rule is what a request must be like. Each empty field fits everything.
type Rule struct {
	Host    string      // "shop.example.com", or "*.example.com" for every name below it; without port or brackets
	Path    string      // "/a" exactly, "/a/*" for "/a/" and everything below it, or "~" and a regular expression
	Methods []string    // case-sensitive: RFC 9110, section 9.1
	Headers []Condition // all of them must hold
	Query   []Condition // all of them must hold, after percent-decoding
	Scheme  string      // "http" or "https"
	Ports   []uint16    // that the client came to
}

// Table is a compiled list of rules. It is immutable and safe for concurrent use.
//
// Each list has the indices of the rules for one host, ascending, so that a request is compared with the rules of its
// own host, the wildcards above it and the rules for any host, and with no others. A long list has an index by path.
type Table struct {
	rules []rule
	exact map[string]*list // by host
	wild  map[string]*list // by suffix, with its dot: ".example.com"
	any   *list
}

// rule is a Rule ready to be compared.
type rule struct {
	path    string
	below   bool // path ends with a slash, and everything below it fits too
	anyPath bool
	pattern *pattern // in place of path; nil for none
	methods []string
	headers []condition
	query   []condition
	scheme  string
	ports   []uint16
}

// ErrRule is wrapped by the errors of New.
var ErrRule = errors.New("invalid rule")

// New compiles the rules. It refuses a rule that no request could match.
func New(rules []Rule) (*Table, error) {
	t := &Table{rules: make([]rule, len(rules)), exact: map[string]*list{}, wild: map[string]*list{}, any: &list{}}
	for i, r := range rules {
		compiled, err := compile(r)
		if err != nil {
			return nil, fmt.Errorf("rule %d: %w", i, err)
		}
		t.rules[i] = compiled
		host := strings.TrimSuffix(strings.ToLower(r.Host), ".")
		suffix, wild := strings.CutPrefix(host, "*")
		switch {
		case host == "":
			t.any.rules = append(t.any.rules, int32(i))
		case wild:
			add(t.wild, suffix, i)
		default:
			add(t.exact, host, i)
		}
	}
	t.any.make(t.rules)
	for _, lists := range []map[string]*list{t.exact, t.wild} {
		for _, l := range lists {
			l.make(t.rules)
		}
	}
	return t, nil
}

func add(lists map[string]*list, host string, i int) {
	l := lists[host]
	if l == nil {
		l = &list{}
		lists[host] = l
	}
	l.rules = append(l.rules, int32(i))
}

func compile(r Rule) (rule, error) {
	host := strings.TrimPrefix(r.Host, "*.")
	if strings.Contains(host, "*") || r.Host != "" && host == "" || len(r.Host) > hostMax {
		return rule{}, fmt.Errorf("%w: host %q", ErrRule, r.Host)
	}
	compiled := rule{methods: r.Methods, scheme: r.Scheme, ports: r.Ports}
	var err error
	if compiled.headers, err = conditions(r.Headers); err != nil {
		return rule{}, err
	}
	if compiled.query, err = conditions(r.Query); err != nil {
		return rule{}, err
	}
	if text, regex := strings.CutPrefix(r.Path, "~"); regex {
		compiled.pattern, err = compilePattern(text)
		return compiled, err
	}
	path, below := r.Path, strings.HasSuffix(r.Path, "/*")
	if below {
		path = strings.TrimSuffix(path, "*")
	}
	if path != "" && path[0] != '/' || strings.Contains(path, "*") || Dotted([]byte(path)) {
		return rule{}, fmt.Errorf("%w: path %q", ErrRule, r.Path)
	}
	// Both sides of a comparison are canonical, so that a rule for /%7Eann fits a request for /~ann.
	compiled.path, compiled.below, compiled.anyPath = string(Canonical(nil, []byte(path))), below, path == ""
	return compiled, nil
}

// hostMax is the longest host compared, in octets: a name has 253 at most (RFC 1035, section 2.3.4), a longer one is
// nobody's.
const hostMax = 255

// Ask is a request as far as rules look at it.
type Ask struct {
	Host   []byte // it may have a port, brackets, capitals and a dot at its end
	Method []byte
	Path   []byte // without query and as the client sent it
	Query  []byte // with its question mark, or empty
	Scheme string // "http" or "https"
	Port   uint16 // that the client came to, 0 where it is not known
	From   int    // rules before this one are passed over
	// Header gives the nth value of the header of that name, counted from 0, and false where there are not so many. nil is a
	// request without headers.
	Header func(name string, n int) ([]byte, bool)

	Kept *[]byte // memory for a path that is not in canonical form, from one request to the next; nil for none
}

// Find gives the index of the first rule that fits, -1 if none does.
//
// Paths are compared in the form that Canonical gives, so that neither /a/../admin nor /%61dmin slips past a rule for
// /admin. A path that servers read in different ways fits no rule at all where that makes a difference: whatever rule were chosen, the
// upstream might see a path that another rule was meant for. These are dot segments that only some take for such (see Dotted), and
// encoded or doubled slashes, encoded reserved characters and backslashes, where the path without them would fit another rule:
// //admin, /admin%2fx.
//
// hot: once per request.
func (t *Table) Find(a *Ask) int {
	if !Plain(a.Path) {
		return t.findCanonical(a)
	}
	return t.find(a, a.Path)
}

// findCanonical is Find for the rare path that is not in canonical form.
func (t *Table) findCanonical(a *Ask) int {
	if _, ambiguous := dotSegments(a.Path); ambiguous {
		return -1
	}
	var fresh []byte
	kept := a.Kept
	if kept == nil {
		kept = &fresh
	}
	canonical := Canonical((*kept)[:0], a.Path)
	*kept = appendLoose(canonical, canonical) // one behind the other in the same memory
	canonical, loose := (*kept)[:len(canonical)], (*kept)[len(canonical):]
	i := t.find(a, canonical)
	written := i >= 0 && (strings.Contains(t.rules[i].path, "%") || t.rules[i].pattern != nil && strings.Contains(t.rules[i].pattern.expr.String(), "%")) // somebody wants just that
	if !bytes.Equal(canonical, loose) && !written && t.find(a, loose) != i {
		i = -1
	}
	if cap(*kept) > canonicalKept {
		*kept = nil
	}
	return i
}

// canonicalKept is the largest buffer that is kept, in bytes.
const canonicalKept = 16 << 10

// find finds the lowest index over the lists that the host belongs to. Each list ends where it cannot beat the best yet.
func (t *Table) find(a *Ask, path []byte) int {
	best := t.any.first(t.rules, len(t.rules), a, path)
	if len(t.exact) == 0 && len(t.wild) == 0 {
		return found(best, len(t.rules))
	}
	var buf [hostMax]byte
	name := canonicalHost(buf[:0], a.Host)
	if l := t.exact[string(name)]; l != nil {
		best = l.first(t.rules, best, a, path)
	}
	if len(t.wild) > 0 {
		for i := 1; i < len(name); i++ {
			if name[i] != '.' {
				continue
			}
			if l := t.wild[string(name[i:])]; l != nil {
				best = l.first(t.rules, best, a, path)
			}
		}
	}
	return found(best, len(t.rules))
}

func found(best, none int) int {
	if best == none {
		return -1
	}
	return best
}

// fits reports whether a request fits the rule. path is in canonical form.
func (r *rule) fits(a *Ask, path []byte) bool {
	return r.fitsPath(path) && r.fitsMethod(a.Method) && (r.scheme == "" || r.scheme == a.Scheme) &&
		(len(r.ports) == 0 || slices.Contains(r.ports, a.Port)) &&
		(len(r.headers) == 0 || fitHeaders(r.headers, a)) && (len(r.query) == 0 || fitQuery(r.query, a.Query))
}

func (r *rule) fitsPath(path []byte) bool {
	switch {
	case r.anyPath:
		return true
	case r.pattern != nil:
		return r.pattern.fits(path)
	case r.below:
		return len(path) >= len(r.path) && string(path[:len(r.path)]) == r.path
	}
	return string(path) == r.path
}

func (r *rule) fitsMethod(method []byte) bool {
	for _, m := range r.methods {
		if string(method) == m {
			return true
		}
	}
	return len(r.methods) == 0
}

// canonicalHost appends the host in lower case without port, brackets and the dot at its end. A host longer than a name
// can be gives nothing, which is no rule's.
func canonicalHost(dst, host []byte) []byte {
	if len(host) > 0 && host[0] == '[' {
		for i, c := range host {
			if c == ']' {
				host = host[1:i]
				break
			}
		}
	} else {
		for i := len(host) - 1; i >= 0; i-- {
			if host[i] == ':' {
				host = host[:i]
				break
			}
		}
	}
	if n := len(host); n > 0 && host[n-1] == '.' {
		host = host[:n-1]
	}
	if len(host) > hostMax {
		return dst
	}
	for _, c := range host {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
