package lint

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/topology"
)

type (
	// Node is a line of a configuration.
	Node = topology.Node

	route    = topology.Route
	upstream = topology.Upstream
	proxy    = topology.Proxy
	app      = topology.App
)

// Severity says how sure a failure is.
type Severity uint8

const (
	// Note is worth to know: nothing fails by it alone, or it cannot be told from the files.
	Note Severity = iota
	// Risk fails under a condition that the finding names.
	Risk
	// Fault will fail.
	Fault
)

// String is the severity as JSON has it.
func (s Severity) String() string { return [...]string{"note", "risk", "fault"}[s] }

// MarshalText is String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is what a rule found at a line.
type Finding struct {
	Rule     string   `json:"rule"`
	File     string   `json:"file"`
	Line     int      `json:"line"` // from 1
	Severity Severity `json:"severity"`
	Causes   []string `json:"causes"`  // slugs of fault's catalogue
	Message  string   `json:"message"` // what will happen, and when
	Fix      string   `json:"fix"`     // the line to write
	Source   string   `json:"source"`  // what says so: a manual, with its version where it matters

	about *target // what a probe can ask, nil where that would tell nothing
}

// Rule is one thing that can be wrong.
type Rule struct {
	ID       string // kebab-case; never renamed
	Severity Severity
	Products []string // whose files it reads
	Causes   []string // slugs of fault's catalogue
	Title    string   // what is wrong, in a few words
	Happens  string   // what will happen and when
	Fix      string   // what to write
	Source   string

	Asked bool // it is found with --probe only

	check func(c *check)
}

// check is one rule's look at everything.
type check struct {
	*topology.Topology
	ctx   context.Context
	rule  *Rule
	found []Finding
	spent int
}

// spendMax bounds how many steps one rule takes: some tens of milliseconds. What a hostile configuration has beyond it is not looked at.
const spendMax = 20_000_000

// spend takes a step, and reports whether the rule may go on.
func (c *check) spend() bool {
	c.spent++
	return c.spent <= spendMax && (c.spent%4096 != 0 || c.ctx.Err() == nil)
}

// add adds a finding at a line.
func (c *check) add(severity Severity, at *Node, message, fix string) *Finding {
	f := Finding{Rule: c.rule.ID, Severity: severity, Causes: c.rule.Causes, Message: sentence(redact.URLs(message)), Fix: redact.Setting(fix), Source: c.rule.Source}
	if at != nil {
		f.File, f.Line = at.File, at.Line
	}
	c.found = append(c.found, f)
	return &c.found[len(c.found)-1]
}

// of says which upstream a finding is about, for a probe to ask it.
func (f *Finding) of(r *route, u *upstream) { f.about = &target{r, u} }

func (c *check) fault(at *Node, message, fix string) *Finding {
	return c.add(Fault, at, message, fix)
}

func (c *check) risk(at *Node, message, fix string) *Finding { return c.add(Risk, at, message, fix) }

func (c *check) note(at *Node, message, fix string) *Finding { return c.add(Note, at, message, fix) }

// routes goes through the routes of a product, of all without a name.
func (c *check) routes(products ...string) func(yield func(*route) bool) {
	return func(yield func(*route) bool) {
		for _, p := range c.Proxies {
			if len(products) > 0 && !slices.Contains(products, p.Product) {
				continue
			}
			for _, r := range p.Routes {
				if !c.spend() || !yield(r) {
					return
				}
			}
		}
	}
}

// proxies goes through the proxies of a product.
func (c *check) proxies(product string) func(yield func(*proxy) bool) {
	return func(yield func(*proxy) bool) {
		for _, p := range c.Proxies {
			if p.Product == product && !yield(p) {
				return
			}
		}
	}
}

// pairs goes through the routes with those of their upstreams whose application is known.
func (c *check) pairs(visit func(r *route, u *upstream, a *app, l *topology.AppListen)) {
	if len(c.Apps) == 0 {
		return
	}
	for r := range c.routes() {
		seen := map[*app]bool{}
		for _, u := range r.Members() {
			if a, l := c.AppOf(r, u); a != nil && !seen[a] {
				seen[a] = true
				visit(r, u, a, l)
			}
		}
	}
}

// Rules are all rules, by product.
func Rules() []*Rule {
	var all []*Rule
	for _, group := range [][]Rule{
		betweenRules, addressRules, probeRules, nginxRules, nginxHeaderRules, nginxStartRules, fpmRules, haproxyRules, apacheRules, caddyRules, traefikRules, envoyRules, kubernetesRules,
		varnishRules, iisRules, composeRules, appRules,
	} {
		for i := range group {
			all = append(all, &group[i])
		}
	}
	return all
}

// Lint looks for everything that a rule knows, in the order of files and lines. A rule for which there was too much is among the
// topology's Problems. The error is the context's.
func Lint(ctx context.Context, t *topology.Topology) ([]Finding, error) {
	var all []Finding
	for _, rule := range Rules() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c := &check{Topology: t, ctx: ctx, rule: rule}
		if rule.Asked {
			continue
		}
		rule.check(c)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if c.spent > spendMax {
			t.Problems = append(t.Problems, rule.ID+": there is too much for this rule, and the rest was not looked at")
		}
		all = append(all, c.found...)
	}
	return ordered(all), nil
}

// ordered puts findings in the order of files and lines, and each once.
func ordered(all []Finding) []Finding {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(b.Severity, a.Severity), strings.Compare(a.Rule, b.Rule))
	})
	return slices.CompactFunc(all, func(a, b Finding) bool {
		return a.Rule == b.Rule && a.File == b.File && a.Line == b.Line && a.Message == b.Message
	})
}

// at names an upstream as people do.
func at(u *upstream) string {
	switch {
	case u.Unix != "":
		return u.Unix
	case u.Host == "":
		return "an address that is known only when a request comes"
	case u.Port == "":
		return u.Host
	case strings.Contains(u.Host, ":"):
		return fmt.Sprintf("[%s]:%s", u.Host, u.Port)
	}
	return u.Host + ":" + u.Port
}

// lower are words that a sentence begins with as they are written: names of programs and of directives.
var lower = []string{"nginx", "gunicorn", "uvicorn", "hypercorn", "uWSGI", "php-fpm", "ingress-nginx", "localhost", "location", "proxy_pass", "keepalive"}

// sentence begins with a capital letter, except where a name begins it.
func sentence(text string) string {
	word, _, _ := strings.Cut(text, " ")
	word = strings.TrimRight(word, ",:;")
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyz'") != "" || slices.Contains(lower, word) || text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// called is what people call a product.
func called(product string) string {
	switch product {
	case "haproxy":
		return "HAProxy"
	case "nginx", "gunicorn", "uvicorn", "hypercorn", "php-fpm", "ingress-nginx":
		return product
	case "uwsgi":
		return "uWSGI"
	case "iis":
		return "IIS"
	case "":
		return "the proxy"
	}
	return strings.ToUpper(product[:1]) + product[1:]
}
