package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/lab"
	"github.com/whygate/whygate/internal/statuscode"
	"github.com/whygate/whygate/internal/term"
)

// nearestMax is how many slugs are offered for one that does not exist.
const nearestMax = 3

// titleLeast is how many columns a title needs beside its slug; in fewer it stands on a line of its own.
const titleLeast = 24

// scenariosMax is how many scenarios are named for one cause.
const scenariosMax = 6

// scenariosOf names the lab's scenarios that provoke a cause.
func scenariosOf(c fault.Cause) []string {
	names := lab.Of(c)
	return names[:min(len(names), scenariosMax)]
}

func (w *world) causeCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cause [SLUG]",
		Short: "The catalogue of causes: what happened, what proves it, and what to do",
		Long: `Print what there is to know about a cause of a gateway's error: what happened, how it is answered, how nginx, HAProxy, Envoy,
Caddy, Traefik, Apache and the clouds report it, what proves it, what to do, and whether the request may be repeated.

Slugs are those of the access log, of incidents and of whygate explain. Without one, the whole catalogue is listed by family.

With --json, the answer is an object whose "causes" has one object for each cause.`,
		Example: "  whygate cause keepalive-race\n  whygate cause",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return w.listCauses(asJSON)
			}
			text := strings.Join(args, " ")
			slug := strings.Join(strings.Fields(strings.ToLower(text)), "-")
			c, ok := fault.ParseCause(slug)
			if !ok || c == fault.CauseNone {
				return withHint(fmt.Errorf("unknown cause %q", text), nearestHint(slug))
			}
			if asJSON {
				return printJSON(w.stdout, map[string]any{"causes": []causeJSON{causeForJSON(c.Entry())}})
			}
			describeCause(newPage(w.stdout), c.Entry())
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
	Reports   []fault.Report `json:"reports"`
	Scenarios []string       `json:"scenarios"`
}

func causeForJSON(e *fault.Entry) causeJSON {
	j := causeJSON{Entry: e, Answer: answer(e), Reports: e.Reports(), Scenarios: scenariosOf(e.Cause)}
	if j.Reports == nil {
		j.Reports = []fault.Report{}
	}
	if j.Scenarios == nil {
		j.Scenarios = []string{}
	}
	return j
}

// answer is the status that a cause is answered with as a rule.
func answer(e *fault.Entry) int { return fault.Fault{Type: e.Type, Cause: e.Cause}.Status() }

// listCauses lists the catalogue by family, in each family in the order of an exchange.
func (w *world) listCauses(asJSON bool) error {
	entries := fault.Catalogue()
	if asJSON {
		all := make([]causeJSON, 0, len(entries))
		for _, e := range entries {
			all = append(all, causeForJSON(e))
		}
		return printJSON(w.stdout, map[string]any{"causes": all})
	}
	p := newPage(w.stdout)
	fmt.Fprintln(p.w, p.style.Bold("Causes of a gateway's errors"))
	for f := fault.FamilyOverload; int(f) < fault.Families; f++ {
		p.heading(f.Title())
		columns := widestSlug(entries, f)
		for _, e := range entries {
			if e.Family == f {
				first := fmt.Sprintf("  %s%*s  %-3s  ", p.style.Cyan(e.Slug), columns-len(e.Slug), "", statusOrDash(e))
				rest := strings.Repeat(" ", columns+9)
				if len(rest) > p.width-titleLeast {
					fmt.Fprintln(p.w, strings.TrimRight(first, " "))
					first, rest = "      ", "      "
				}
				fmt.Fprintln(p.w, term.Hang(e.Title, p.width, first, rest))
			}
		}
	}
	fmt.Fprintln(p.w, "\nMore on one of them: whygate cause keepalive-race")
	return nil
}

// widestSlug gives the length of a family's longest slug.
func widestSlug(entries []*fault.Entry, f fault.Family) int {
	widest := 0
	for _, e := range entries {
		if e.Family == f {
			widest = max(widest, len(e.Slug))
		}
	}
	return widest
}

func statusOrDash(e *fault.Entry) string {
	if status := answer(e); status != 0 {
		return strconv.Itoa(status)
	}
	return "-"
}

// nearestHint names the slugs that are most like a text.
func nearestHint(text string) string {
	near := nearest(strings.ToLower(text))
	if len(near) == 0 {
		return "whygate cause lists all of them"
	}
	lines := make([]string, len(near))
	for i, slug := range near {
		lines[i] = "whygate cause " + slug
	}
	return strings.Join(lines, "\n")
}

// nearest gives the slugs that have the text in them, or that differ from it in few characters, the most alike first.
func nearest(text string) []string {
	type candidate struct {
		slug     string
		distance int
	}
	var all []candidate
	for _, e := range fault.Catalogue() {
		d := statuscode.Distance(text, e.Slug)
		if len(text) > 2 && strings.Contains(e.Slug, text) {
			d = 1
		}
		if d <= len(text)/3+1 {
			all = append(all, candidate{e.Slug, d})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.distance - b.distance })
	var slugs []string
	for _, c := range all[:min(len(all), nearestMax)] {
		slugs = append(slugs, c.slug)
	}
	return slugs
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
	if reports := e.Reports(); len(reports) > 0 {
		p.heading("How other proxies report it")
		for _, r := range reports {
			p.labelled(r.Proxy, len("cloudflare"), r.Text)
		}
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

// reproduced is the command that shows a scenario: served by itself where that is possible here, and played where it needs the
// lab's network.
func reproduced(name string) string {
	switch s := lab.Get(name); {
	case s.Unscored != "" || s.At.URLScheme() == "h2c":
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
