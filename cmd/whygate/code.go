package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/phrase"
	"github.com/whygate/whygate/internal/statuscode"
	"github.com/whygate/whygate/internal/term"
)

func (w *world) codeCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "code [CODE|NAME|CONSTANT]",
		Short: "The status code reference: what a code means, its causes, and what to do",
		Long: `Print what there is to know about an HTTP status code: where it is defined, what it means, what a gateway does with it, its
causes by family, the steps to find the one you have, and the constant that names it in eleven places.

It can be asked for by number (502, or 502.3 as in the logs of IIS), by name (bad gateway), by a constant (StatusBadGateway,
:bad_gateway, BAD_GATEWAY), and with typing errors. Several matches are listed. Without a word, all codes are listed.

With --json, the answer is an object whose "codes" has one object for each match.`,
		Example: "  whygate code 502\n  whygate code bad gateway\n  whygate code StatusGatewayTimeout\n  whygate code",
		RunE: func(_ *cobra.Command, args []string) error {
			text := strings.Join(args, " ")
			found := statuscode.All()
			if len(args) > 0 {
				found = statuscode.Find(text)
			}
			if len(found) == 0 {
				return w.otherCode(text, asJSON)
			}
			switch {
			case asJSON:
				return printJSON(w.stdout, map[string]any{"codes": codesForJSON(found)})
			case len(args) == 0:
				listCodes(newPage(w.stdout), found)
			case len(found) > 1:
				w.offerCodes(text, found)
			default:
				describeCode(newPage(w.stdout), found[0])
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// otherCode says what a text is that is no status code: a flag or a number of a log, or words that a log has.
func (w *world) otherCode(text string, asJSON bool) error {
	causes := findCauses(text)
	if len(causes) == 0 {
		return withHint(fmt.Errorf("no status code is called %q", text), "whygate code lists all of them")
	}
	if asJSON {
		return printJSON(w.stdout, map[string]any{"codes": []codeJSON{}, "causes": causesForJSON(causes)})
	}
	p := newPage(w.stdout)
	if c := phrase.ByCode(text); c != nil {
		p.paragraph(fmt.Sprintf("%s is no status code. %s.", text, capital(c.Of, nil)))
		fmt.Fprintln(p.w)
	} else {
		fmt.Fprintf(p.w, "%q is no status code, but words of a log.\n\n", text)
	}
	w.offerCauses(text, causes)
	return nil
}

// codeJSON is an entry with what is not stored in it.
type codeJSON struct {
	*statuscode.Entry
	Class       string                `json:"class"`
	Constants   []statuscode.Constant `json:"constants"`
	Substatuses []string              `json:"substatuses,omitempty"`
}

func codesForJSON(entries []*statuscode.Entry) []codeJSON {
	all := make([]codeJSON, 0, len(entries))
	for _, e := range entries {
		j := codeJSON{Entry: e, Class: e.Class(), Constants: e.Constants()}
		if j.Constants == nil {
			j.Constants = []statuscode.Constant{}
		}
		for _, sub := range e.Substatuses() {
			j.Substatuses = append(j.Substatuses, sub.Code)
		}
		all = append(all, j)
	}
	return all
}

// listCodes lists all codes by class.
func listCodes(p *page, entries []*statuscode.Entry) {
	fmt.Fprintln(p.w, p.style.Bold("HTTP status codes"))
	class, table := "", term.Table{}
	flush := func() {
		if class != "" {
			p.heading(class)
			fmt.Fprint(p.w, table.Render(p.style))
		}
	}
	details := 0
	for _, e := range entries {
		if e.Kind == statuscode.Substatus {
			details++
			continue
		}
		if e.Class() != class {
			flush()
			class, table = e.Class(), term.Table{Indent: "  "}
		}
		table.Row(p.style.Cyan(e.Code), e.Title, p.style.Dim(e.Owner))
	}
	flush()
	fmt.Fprintf(p.w, "\nAnd %d substatuses of IIS, listed under their codes, such as 404.13 under 404.\nMore on one of them: whygate code 502\n", details)
}

// offerCodes lists what a text may mean.
func (w *world) offerCodes(text string, found []*statuscode.Entry) {
	p := newPage(w.stdout)
	fmt.Fprintf(p.w, "%d status codes match %q:\n\n", len(found), text)
	table := term.Table{Indent: "  "}
	for _, e := range found {
		table.Row(p.style.Cyan(e.Code), e.Title, p.style.Dim(e.Owner))
	}
	fmt.Fprint(p.w, table.Render(p.style))
	fmt.Fprintf(p.w, "\nMore on one of them: whygate code %s\n", found[0].Code)
}

// describeCode prints all there is on a code, what is needed first first.
func describeCode(p *page, e *statuscode.Entry) {
	p.title(e.Code, e.Title, codeFacts(e))
	fmt.Fprintln(p.w)
	p.paragraph(e.Meaning)
	p.heading("What a gateway does with it")
	p.paragraph(e.Gateway)
	describeReasons(p, e)
	p.heading("What to do")
	for i, s := range e.Steps {
		fmt.Fprintf(p.w, "%4d. %s\n", i+1, p.style.Bold(s.Title))
		fmt.Fprintln(p.w, term.Wrap(s.Do, p.width, "      "))
		p.command("      ", s.Command)
	}
	describeCodeCauses(p, e)
	p.heading("May the request be repeated?")
	p.paragraph(e.Retry)
	p.heading("May the response be cached?")
	p.paragraph(e.Caching)
	describeConstants(p, e)
	if e.Request != "" {
		p.heading("Example")
		printMessage(p, ">", e.Request)
		fmt.Fprintln(p.w)
		printMessage(p, "<", e.Response)
	}
	describeCodes(p, "In the logs of IIS, more precisely", e.Substatuses())
	var related []*statuscode.Entry
	for _, code := range e.Related {
		related = append(related, statuscode.ByCode(code))
	}
	describeCodes(p, "Related", related)
}

func codeFacts(e *statuscode.Entry) string {
	facts := e.Class()
	switch e.Kind {
	case statuscode.Unofficial:
		facts += ", not registered, used by " + e.Owner
	case statuscode.LogOnly:
		facts += ", never sent: it stands in the logs of " + e.Owner
	case statuscode.Substatus:
		facts += ", a substatus of " + e.Owner
	}
	facts += ". Defined in " + e.Source
	if e.Earlier != "" {
		facts += ", earlier in " + e.Earlier
	}
	return facts + "."
}

// describeReasons says in words what it comes from, family by family; without words, it is left to describeCodeCauses.
func describeReasons(p *page, e *statuscode.Entry) {
	if len(e.Reasons) == 0 {
		return
	}
	p.heading("Common causes")
	for _, g := range e.ByFamily() {
		if g.Reason != "" {
			p.labelled(g.Family.Title(), len("Misconfiguration"), g.Reason)
		}
	}
}

// describeCodeCauses names the causes of the catalogue, family by family.
func describeCodeCauses(p *page, e *statuscode.Entry) {
	if len(e.Causes) == 0 {
		return
	}
	p.heading("Causes in the catalogue")
	for _, g := range e.ByFamily() {
		var slugs []string
		for _, c := range g.Causes {
			slugs = append(slugs, c.String())
		}
		if len(slugs) > 0 {
			p.labelled(g.Family.Title(), len("Misconfiguration"), strings.Join(slugs, ", "))
		}
	}
	fmt.Fprintf(p.w, "\n  More on one of them: whygate cause %s\n", e.Causes[0])
}

func describeConstants(p *page, e *statuscode.Entry) {
	constants := e.Constants()
	if len(constants) == 0 {
		return
	}
	p.heading("What it is called")
	for _, c := range constants { // no table: a name that is cut off cannot be copied
		fmt.Fprintf(p.w, "  %-21s  %s\n", c.Place, p.style.Cyan(c.Name))
	}
}

// printMessage prints an example, each line marked for its direction.
func printMessage(p *page, mark, message string) {
	for line := range strings.Lines(message) {
		fmt.Fprintln(p.w, strings.TrimRight("  "+p.style.Dim(mark)+" "+strings.TrimSuffix(line, "\n"), " "))
	}
}

func describeCodes(p *page, heading string, entries []*statuscode.Entry) {
	if len(entries) == 0 {
		return
	}
	p.heading(heading)
	table := term.Table{Indent: "  "}
	for _, e := range entries {
		table.Row(p.style.Cyan(e.Code), e.Title)
	}
	fmt.Fprint(p.w, table.Render(p.style))
}
