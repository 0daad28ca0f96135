package fingerprint

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Field is one field line of an answer.
type Field struct{ Name, Value string }

// Answer is an HTTP answer as a client received it.
type Answer struct {
	Status int
	Reason string // the reason phrase, empty where there was none, or by HTTP/2
	Fields []Field
	Body   []byte // decoded, or its beginning: BodyMax octets are looked at
}

// BodyMax is how much of a body is looked at, in octets: more than any error page has before its mark.
const BodyMax = 64 << 10

// Certainty is how sure a match is.
type Certainty uint8

const (
	Hint    Certainty = iota + 1 // it fits, and other products have it as well
	Likely                       // only this product is known to have it
	Certain                      // it names itself, or its page is word for word its own
)

var certaintyNames = [...]string{"", "hint", "likely", "certain"}

// String gives the name as JSON spells it.
func (c Certainty) String() string { return certaintyNames[c] }

// MarshalText makes JSON show the name.
func (c Certainty) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Layer is where in the path from the client to the application a product stands as a rule.
type Layer uint8

const (
	Edge     Layer = iota // a CDN, or a platform's own front
	Balancer              // a cloud's load balancer
	Proxy                 // a reverse proxy or gateway
	Origin                // the application's server
)

// What a match was made by.
const (
	PartPage   = "error page"
	PartHeader = "header"
)

// Match is one product that had its hand in an answer.
type Match struct {
	Product   string    `json:"product"` // as package explain names it: nginx, haproxy, alb, …
	Title     string    `json:"title"`   // as people call it
	Part      string    `json:"part"`    // PartPage or PartHeader
	Certainty Certainty `json:"certainty"`
	Own       bool      `json:"own"` // the product made the answer itself; otherwise it passed it on, or may have
	Why       string    `json:"why"` // what it was known by, as half a sentence

	layer Layer
	via   int // its place in Via from the client's side, from 1; 0 where it is not there
}

// Hosted reports whether the product is somebody else's service, or a machine of its own, in which nothing can be started by hand.
func (m Match) Hosted() bool { return m.layer <= Balancer }

// Identify names every product that the answer shows, the most certain first, and of two as certain the one that made the
// answer before one that passed it on. Each product stands there once, by its best mark.
func Identify(a *Answer) []Match {
	v := look(a)
	best := map[string]Match{}
	for _, rules := range ruleSets() {
		for i := range rules {
			r := &rules[i]
			why := r.knows(v)
			if why == "" {
				continue
			}
			m := Match{Product: r.product, Title: r.title, Part: r.part, Certainty: r.certainty, Own: r.own, Why: why, layer: r.layer, via: v.viaPlace(r.via)}
			if r.calls != nil {
				m.Title = r.calls(v)
			}
			if old, ok := best[r.product]; !ok || better(m, old) {
				if ok && m.via == 0 {
					m.via = old.via
				}
				best[r.product] = m
			} else if old.via == 0 && m.via != 0 {
				old.via = m.via
				best[r.product] = old
			}
		}
	}
	matches := make([]Match, 0, len(best))
	for _, m := range best {
		matches = append(matches, m)
	}
	slices.SortFunc(matches, func(a, b Match) int {
		switch {
		case better(a, b):
			return -1
		case better(b, a):
			return 1
		}
		return cmp.Or(cmp.Compare(a.layer, b.layer), cmp.Compare(a.Product, b.Product))
	})
	return matches
}

// ruleSets are all rules, those of the edge first.
func ruleSets() [6][]rule {
	return [...][]rule{edgeRules, platformRules, balancerRules, slices.Concat(proxyRules, gatewayRules, apiRules, serverRules), nodeRules, originRules}
}

// Forwards reports whether a product stands before applications, and is none itself.
func Forwards(product string) bool {
	for _, rules := range ruleSets() {
		for i := range rules {
			if rules[i].product == product && rules[i].layer != Origin {
				return true
			}
		}
	}
	return false
}

// better reports whether a says more than b: that a product made the answer says more than that it passed it on, if it is
// not less certain by more than a step.
func better(a, b Match) bool {
	if a.Own != b.Own && a.Certainty > Hint && b.Certainty > Hint {
		return a.Own
	}
	if a.Certainty != b.Certainty {
		return a.Certainty > b.Certainty
	}
	if a.Own != b.Own {
		return a.Own
	}
	return a.Part == PartPage && b.Part != PartPage
}

// Maker gives who made the answer, as far as it can be told.
func Maker(a *Answer) (Match, bool) { return maker(Identify(a)) }

// maker prefers a page to a field: fields are set by everyone on the way, the body by one.
func maker(matches []Match) (Match, bool) {
	found := -1
	for i, m := range matches {
		if !m.Own {
			continue
		}
		if found < 0 || m.Certainty > matches[found].Certainty || m.Certainty == matches[found].Certainty && m.Part == PartPage && matches[found].Part != PartPage {
			found = i
		}
	}
	if found < 0 {
		return Match{}, false
	}
	return matches[found], true
}

// Chain gives the products in the order of the path, the one nearest to the client first and the maker of the answer, where it
// is known, last. What would stand behind the maker is left out: it was not asked, or what it said was thrown away.
func Chain(a *Answer) []Match {
	matches := Identify(a)
	made, known := maker(matches)
	chain := make([]Match, 0, len(matches))
	for _, m := range matches {
		if known && (m.Product == made.Product || m.layer > made.layer || m.layer == made.layer && m.Certainty < Likely) {
			continue
		}
		m.Own = false
		chain = append(chain, m)
	}
	slices.SortStableFunc(chain, func(a, b Match) int {
		if a.via != 0 && b.via != 0 {
			return cmp.Compare(a.via, b.via)
		}
		return cmp.Compare(a.layer, b.layer)
	})
	if known {
		chain = append(chain, made)
	}
	return chain
}

// Sentence says the chain in words: "Cloudflare relayed a 502 made by nginx at the origin". It is empty where nothing is
// known of the answer.
func Sentence(a *Answer) string {
	chain := Chain(a)
	if len(chain) == 0 {
		return ""
	}
	status := strconv.Itoa(a.Status)
	last := chain[len(chain)-1]
	switch {
	case !last.Own && last.layer == Origin && len(chain) == 1:
		return last.Title + " stands there; who made this " + status + " does not show"
	case !last.Own && last.layer == Origin:
		return join(titles(chain[:len(chain)-1])) + " passed on " + article(status) + status + "; " + last.Title + " stands behind, and who made it does not show"
	case !last.Own:
		return join(titles(chain)) + " passed on " + article(status) + status + "; who made it does not show"
	case len(chain) == 1 && last.Certainty == Hint:
		return last.Title + " perhaps made this " + status + " itself: " + last.Why
	case len(chain) == 1:
		return last.Title + " made this " + status + " itself"
	}
	where := ""
	if chain[0].layer <= Balancer && last.layer >= Proxy {
		where = " at the origin"
	}
	return join(titles(chain[:len(chain)-1])) + " relayed " + article(status) + status + " made by " + last.Title + where
}

// article is what goes before a number as it is read: an 800, a 502.
func article(status string) string {
	if strings.HasPrefix(status, "8") {
		return "an "
	}
	return "a "
}

func titles(chain []Match) []string {
	names := make([]string, len(chain))
	for i := range chain {
		names[i] = chain[i].Title
	}
	return names
}

// join lists names as a sentence does.
func join(names []string) string {
	switch len(names) {
	case 1:
		return names[0]
	case 2:
		return names[0] + " and " + names[1]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
