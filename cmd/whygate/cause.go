package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/lab"
	"github.com/whygate/whygate/internal/statuscode"
	"github.com/whygate/whygate/internal/term"
)

// nearestMax is how many names are offered for one that does not exist.
const nearestMax = 3

// titleLeast is how many columns a title needs beside its slug; in fewer it stands on a line of its own.
const titleLeast = 24

// scenariosMax is how many scenarios are named for one cause.
const scenariosMax = 6

// scenariosOf names the lab's scenarios that provoke a cause, or in which a gateway sees the same.
func scenariosOf(c fault.Cause) []string {
	names := append(lab.Of(c), c.Entry().SeenIn()...)
	return names[:min(len(names), scenariosMax)]
}

func (w *world) causeCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cause [SLUG|WORDS|LOG TEXT]",
		Short: "The catalogue of causes: what happened, what proves it, and what to do",
		Long: `Print what there is to know about a cause of a gateway's error: what happened, how it is answered, how nginx, HAProxy, Envoy,
Caddy, Traefik, Apache and the clouds report it, what proves it, what to do, and whether the request may be repeated.

It can be asked for by its slug, as the access log, incidents and whygate explain have it, by words of its name, by an error type
of RFC 9209, and by what a log says: a line or a piece of one, an errno (ECONNREFUSED, errno 111, 0x80072ee2), flags of Envoy
(UC) and HAProxy (SH--), codes of Heroku (H12), Cloudflare (1033), IIS (502.3) and Apache (AH01102), exit codes, TLS alerts, an
error page, a directive's name. Several matches are listed, the commonest first. Without a word, the whole catalogue is listed
by family.

With --json, the answer is an object whose "causes" has one object for each match.`,
		Example: "  whygate cause keepalive-race\n  whygate cause certificate\n  whygate cause upstream prematurely closed connection\n  whygate cause AH01102\n  whygate cause",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return w.listCauses(asJSON)
			}
			text := strings.Join(args, " ")
			found := findCauses(text)
			switch {
			case len(found) == 0 && statuscode.ByCode(text) != nil:
				return withHint(fmt.Errorf("%s is a status code, not a cause", text), "whygate code "+text)
			case len(found) == 0:
				return withHint(fmt.Errorf("unknown cause %q", text), nearestHint(text))
			case asJSON:
				return printJSON(w.stdout, map[string]any{"causes": causesForJSON(found)})
			case len(found) > 1:
				w.offerCauses(text, found)
			default:
				describeCause(newPage(w.stdout), found[0])
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// causeJSON is an entry with what is not stored in it.
type causeJSON struct {
	*fault.Entry
	Answer    int            `json:"answer"` // the status that the gateway answers with, 0 where it makes no answer
	Settings  []setting      `json:"settings"`
	Reports   []fault.Report `json:"reports"`
	Scenarios []string       `json:"scenarios"`
}

func causesForJSON(entries []*fault.Entry) []causeJSON {
	all := make([]causeJSON, 0, len(entries))
	for _, e := range entries {
		all = append(all, causeForJSON(e))
	}
	return all
}

func causeForJSON(e *fault.Entry) causeJSON {
	j := causeJSON{Entry: e, Answer: answer(e), Settings: settingsOf(e), Reports: e.Reports(), Scenarios: scenariosOf(e.Cause)}
	if j.Settings == nil {
		j.Settings = []setting{}
	}
	if j.Reports == nil {
		j.Reports = []fault.Report{}
	}
	if j.Scenarios == nil {
		j.Scenarios = []string{}
	}
	return j
}

// setting is what to set in a product about a cause.
type setting struct {
	Product string `json:"product"`
	Text    string `json:"text"` // in the product's own syntax, with a comment behind it
}

// products are those whose settings a cause's page has, the proxies first.
var products = []string{
	"nginx", "haproxy", "envoy", "apache", "caddy", "traefik", "alb", "gcp", "cloudflare", "varnish", "iis",
	"gunicorn", "uwsgi", "php-fpm", "puma", "node", "tomcat", "linux",
}

// settingsOf gives what whygate explain advises to set in each product.
func settingsOf(e *fault.Entry) []setting {
	var all []setting
	for _, product := range products {
		for _, line := range advice.Settings(product, e.Cause) {
			all = append(all, setting{product, line})
		}
	}
	return all
}

// answer is the status that a cause is answered with as a rule.
func answer(e *fault.Entry) int { return fault.Fault{Type: e.Type, Cause: e.Cause}.Status() }

// listCauses lists the catalogue by family, in each family in the order of an exchange.
func (w *world) listCauses(asJSON bool) error {
	entries := fault.Catalogue()
	if asJSON {
		return printJSON(w.stdout, map[string]any{"causes": causesForJSON(entries)})
	}
	p := newPage(w.stdout)
	fmt.Fprintln(p.w, p.style.Bold("Causes of a gateway's errors"))
	for f := fault.FamilyOverload; int(f) < fault.Families; f++ {
		p.heading(f.Title())
		p.causes(slices.DeleteFunc(slices.Clone(entries), func(e *fault.Entry) bool { return e.Family != f }))
	}
	fmt.Fprintln(p.w, "\nMore on one of them: whygate cause keepalive-race")
	return nil
}

// offerCauses lists what a text may mean.
func (w *world) offerCauses(text string, found []*fault.Entry) {
	p := newPage(w.stdout)
	fmt.Fprintf(p.w, "%s %q:\n\n", counted(int64(len(found)), "cause matches", "causes match"), term.Cut(term.Clean(text), p.width/2))
	p.causes(found)
	fmt.Fprintf(p.w, "\nMore on one of them: whygate cause %s\nFrom a log, with how often and since when: whygate explain FILE\n", found[0].Slug)
}

// causes writes a line for each cause; a long title goes on below itself, or stands below the slug where that is long.
func (p *page) causes(entries []*fault.Entry) {
	columns := 0
	for _, e := range entries {
		columns = max(columns, len(e.Slug))
	}
	for _, e := range entries {
		first := fmt.Sprintf("  %s%*s  %-3s  ", p.style.Cyan(e.Slug), columns-len(e.Slug), "", statusOrDash(e))
		rest := strings.Repeat(" ", columns+9)
		if len(rest) > p.width-titleLeast {
			fmt.Fprintln(p.w, strings.TrimRight(first, " "))
			first, rest = "      ", "      "
		}
		fmt.Fprintln(p.w, term.Hang(e.Title, p.width, first, rest))
	}
}

func statusOrDash(e *fault.Entry) string {
	if status := answer(e); status != 0 {
		return strconv.Itoa(status)
	}
	return "-"
}

// nearestHint names the slugs that are most like a text.
func nearestHint(text string) string {
	near := nearest(strings.Join(strings.Fields(strings.ToLower(text)), "-"))
	if len(near) == 0 {
		return "whygate cause lists all of them"
	}
	lines := make([]string, len(near))
	for i, slug := range near {
		lines[i] = "whygate cause " + slug
	}
	return strings.Join(lines, "\n")
}

// nearest gives the slugs that are most like a text.
func nearest(text string) []string {
	var slugs []string
	for _, e := range fault.Catalogue() {
		slugs = append(slugs, e.Slug)
	}
	return nearestOf(slugs, text)
}

// nearestOf gives the names that have the text in them, or that differ from it in few characters, the most alike first.
func nearestOf(names []string, text string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var all []candidate
	for _, name := range names {
		d := statuscode.Distance(text, name)
		if len(text) > 2 && strings.Contains(name, text) {
			d = 1
		}
		if d <= len(text)/3+1 {
			all = append(all, candidate{name, d})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.distance - b.distance })
	var near []string
	for _, c := range all[:min(len(all), nearestMax)] {
		near = append(near, c.name)
	}
	return near
}

// describeCause prints an entry: first what happened and what to do, then the rest.
func describeCause(p *page, e *fault.Entry) {
	p.title(e.Slug, e.Title, causeFacts(e))
	p.heading("What happened")
	p.paragraph(e.Meaning)
	p.heading("What proves it")
	p.bullets(e.Proof)
	p.heading("What to do")
	p.numbered(e.Advice)
	p.heading("May the request be repeated?")
	p.paragraph(e.Retry)
	if settings := settingsOf(e); len(settings) > 0 {
		p.heading("What to set")
		for _, s := range settings {
			p.labelled(s.Product, len("cloudflare"), s.Text)
		}
	}
	if reports := e.Reports(); len(reports) > 0 {
		p.heading("How other proxies report it")
		for _, r := range reports {
			if r.Version == "" {
				p.labelled(r.Proxy, len("cloudflare"), r.Text)
			}
		}
		p.seen(reports)
	}
	if names := scenariosOf(e.Cause); len(names) > 0 {
		p.heading("How to reproduce it")
		for _, name := range names {
			p.command("  ", reproduced(name))
		}
	}
	p.heading("Related")
	table := term.Table{Indent: "  "}
	for _, c := range e.Related {
		table.Row(p.style.Cyan(c.String()), c.Entry().Title)
	}
	fmt.Fprint(p.w, table.Render(p.style))
}

// seen prints what programs did that were run with such an upstream, each with its version.
func (p *page) seen(reports []fault.Report) {
	any := false
	for _, r := range reports {
		if r.Version == "" {
			continue
		}
		if !any {
			p.heading("What was seen of others")
			any = true
		}
		p.labelled(r.Proxy, len("http-proxy-middleware"), fmt.Sprintf("(%s) %s", r.Version, r.Text))
	}
}

// reproduced is the command that shows a scenario: served by itself where that is possible here, and played where it needs the
// lab's network.
func reproduced(name string) string {
	switch s := lab.Get(name); {
	case s.At.URLScheme() == "h2c":
		return "whygate lab show " + name
	case s.At.Network():
		return "whygate lab score whygate --only " + name
	}
	return "whygate lab serve " + name
}

// causeFacts says in a line which family a cause is of and how the gateway answers it.
func causeFacts(e *fault.Entry) string {
	status := answer(e)
	switch {
	case e.Cause == fault.CauseClientLeft:
		return fmt.Sprintf("%s. Logged as %d; nobody is left to be answered.", e.Family.Title(), status)
	case e.Type == fault.TypeNone:
		return e.Family.Title() + ". The upstream's own answer is passed on: no error in Proxy-Status."
	}
	return fmt.Sprintf("%s. Answered with %s, Proxy-Status error=%s.", e.Family.Title(), statusName(status), e.Type)
}

func statusName(status int) string {
	code := strconv.Itoa(status)
	if e := statuscode.ByCode(code); e != nil {
		return code + " " + e.Title
	}
	return code
}
