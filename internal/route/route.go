// Package route decides which rule a request falls under. A Table is made once from a list of rules and never changes; a
// match is the first rule in the list's order that fits host, method and path.
//
// It must not know pools, requests or configuration: it is given octets and gives an index.
package route

import (
	"errors"
	"fmt"
	"strings"
)

// Rule is what a request must be like. Each empty field fits everything.
type Rule struct {
	Host    string   // "shop.example.com", or "*.example.com" for every name below it; without port or brackets
	Path    string   // "/a" exactly, or "/a/*" for "/a/" and everything below it
	Methods []string // case-sensitive: RFC 9110, section 9.1
}

// Table is a compiled list of rules. It is immutable and safe for concurrent use.
//
// Each list has the indices of the rules for one host, ascending, so that a request is compared with the rules of its
// own host, the wildcards above it and the rules for any host, and with no others.
type Table struct {
	rules []rule
	exact map[string][]int32 // by host
	wild  map[string][]int32 // by suffix, with its dot: ".example.com"
	any   []int32
}

// rule is a Rule ready to be compared.
type rule struct {
	path    string
	below   bool // path ends with a slash, and everything below it fits too
	anyPath bool
	methods []string
}

// ErrRule is wrapped by the errors of New.
var ErrRule = errors.New("invalid rule")

// New compiles the rules. It refuses a rule that no request could match.
func New(rules []Rule) (*Table, error) {
	t := &Table{rules: make([]rule, len(rules)), exact: map[string][]int32{}, wild: map[string][]int32{}}
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
			t.any = append(t.any, int32(i))
		case wild:
			t.wild[suffix] = append(t.wild[suffix], int32(i))
		default:
			t.exact[host] = append(t.exact[host], int32(i))
		}
	}
	return t, nil
}

func compile(r Rule) (rule, error) {
	host := strings.TrimPrefix(r.Host, "*.")
	if strings.Contains(host, "*") || r.Host != "" && host == "" || len(r.Host) > hostMax {
		return rule{}, fmt.Errorf("%w: host %q", ErrRule, r.Host)
	}
	path, below := r.Path, strings.HasSuffix(r.Path, "/*")
	if below {
		path = strings.TrimSuffix(path, "*")
	}
	if path != "" && path[0] != '/' || strings.Contains(path, "*") || Dotted([]byte(path)) {
		return rule{}, fmt.Errorf("%w: path %q", ErrRule, r.Path)
	}
	// Both sides of a comparison are canonical, so that a rule for /%7Eann fits a request for /~ann.
	return rule{path: string(Canonical(nil, []byte(path))), below: below, anyPath: path == "", methods: r.Methods}, nil
}

// Len is the number of rules.
func (t *Table) Len() int { return len(t.rules) }

// hostMax is the longest host compared, in octets: a name has 253 at most (RFC 1035, section 2.3.4), a longer one is
// nobody's.
const hostMax = 255

// Match gives the index of the first rule that fits, -1 if none does. host may have a port, brackets, capitals and a dot
// at its end; path is without query and as the client sent it.
//
// Paths are compared in the form that Canonical gives, so that neither /a/../admin nor /%61dmin slips past a rule for
// /admin. A path with dot segments that servers read in different ways (see Dotted) fits no rule at all: whatever rule
// were chosen, the upstream might see a path that another rule was meant for.
//
// hot: once per request.
func (t *Table) Match(host, method, path []byte) int {
	if !Plain(path) {
		return t.matchCanonical(host, method, path)
	}
	return t.match(host, method, path)
}

// matchCanonical is Match for the rare path that is not in canonical form. It is a function of its own so that the
// common path does not pay for the buffer.
func (t *Table) matchCanonical(host, method, path []byte) int {
	if _, ambiguous := dotSegments(path); ambiguous {
		return -1
	}
	var buf [512]byte
	return t.match(host, method, Canonical(buf[:0], path))
}

// match finds the lowest index over the lists that the host belongs to. Each list ends where it cannot beat the best yet.
func (t *Table) match(host, method, path []byte) int {
	best := t.first(t.any, len(t.rules), method, path)
	if len(t.exact) == 0 && len(t.wild) == 0 {
		return found(best, len(t.rules))
	}
	var buf [hostMax]byte
	name := canonicalHost(buf[:0], host)
	best = t.first(t.exact[string(name)], best, method, path)
	if len(t.wild) > 0 {
		for i := 1; i < len(name); i++ {
			if name[i] == '.' {
				best = t.first(t.wild[string(name[i:])], best, method, path)
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

// first gives the first of the listed rules that fits and is below best, otherwise best.
func (t *Table) first(list []int32, best int, method, path []byte) int {
	for _, i := range list {
		if int(i) >= best {
			return best
		}
		if r := &t.rules[i]; r.fitsPath(path) && r.fitsMethod(method) {
			return int(i)
		}
	}
	return best
}

func (r *rule) fitsPath(path []byte) bool {
	switch {
	case r.anyPath:
		return true
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
