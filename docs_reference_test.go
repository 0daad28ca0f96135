package whygate

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/statuscode"
)

// The pages of docs/codes and docs/causes are made here from the same values that the command line prints.

// generatedNote is the first line of each page: who edits it would lose the edit.
const generatedNote = "<!-- Made from internal/%s by: go test . -run TestGenerated -update -->\n\n"

// referencePages gives every generated page of the two references by its path.
func referencePages() map[string][]byte {
	pages := map[string][]byte{"docs/codes/README.md": codesIndex(), "docs/causes/README.md": causesIndex()}
	for _, e := range statuscode.All() {
		pages["docs/codes/"+codeFile(e.Code)] = codePage(e)
	}
	for _, e := range fault.Catalogue() {
		pages["docs/causes/"+e.Slug+".md"] = causePage(e)
	}
	return pages
}

// codeFile is the name of a code's page. A name may not begin with a hyphen: it would look like an option.
func codeFile(code string) string { return strings.Replace(code, "-", "minus-", 1) + ".md" }

// text makes prose safe for Markdown: what has a meaning there is escaped.
func text(s string) string {
	return strings.NewReplacer("<", "&lt;", "*", "\\*", "|", "\\|", "`", "\\`", "~", "\\~").Replace(s)
}

func codesIndex() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, generatedNote, "statuscode")
	b.WriteString("# Status codes\n\nEvery code of IANA's registry and the unofficial ones that somebody who runs a gateway meets. " +
		"`whygate code 502` prints the same on the command line. The guides to read first: [502](502.md), [503](503.md), [504](504.md).\n")
	class := ""
	for _, e := range statuscode.All() {
		if e.Class() != class {
			class = e.Class()
			fmt.Fprintf(&b, "\n## %s\n\n| Code | Name | Defined in |\n|---|---|---|\n", class)
		}
		where := e.Source
		if e.Owner != "" {
			where = e.Owner
		}
		fmt.Fprintf(&b, "| [%s](%s) | %s | %s |\n", e.Code, codeFile(e.Code), text(e.Title), text(where))
	}
	return []byte(b.String())
}

func codePage(e *statuscode.Entry) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, generatedNote, "statuscode")
	fmt.Fprintf(&b, "# %s %s\n\n%s.", e.Code, text(e.Title), e.Class())
	switch e.Kind {
	case statuscode.Unofficial, statuscode.Substatus:
		fmt.Fprintf(&b, " Not registered; used by %s.", text(e.Owner))
	case statuscode.LogOnly:
		fmt.Fprintf(&b, " Never sent: it stands in the logs of %s.", text(e.Owner))
	}
	fmt.Fprintf(&b, " Defined in %s", text(e.Source))
	if e.Earlier != "" {
		fmt.Fprintf(&b, ", earlier in %s", text(e.Earlier))
	}
	fmt.Fprintf(&b, ".\n\n%s\n\n## What a gateway does with it\n\n%s\n", text(e.Meaning), text(e.Gateway))
	writeReasons(&b, e)
	b.WriteString("\n## What to do\n")
	for i, s := range e.Steps {
		fmt.Fprintf(&b, "\n%d. **%s.** %s\n\n   ```sh\n   %s\n   ```\n", i+1, text(s.Title), text(s.Do), s.Command)
	}
	writeCodeCauses(&b, e)
	fmt.Fprintf(&b, "\n## May the request be repeated?\n\n%s\n\n## May the response be cached?\n\n%s\n", text(e.Retry), text(e.Caching))
	if constants := e.Constants(); len(constants) > 0 {
		b.WriteString("\n## What it is called\n\n| Where | Name |\n|---|---|\n")
		for _, c := range constants {
			fmt.Fprintf(&b, "| %s | `%s` |\n", text(c.Place), c.Name)
		}
	}
	if e.Request != "" {
		fmt.Fprintf(&b, "\n## Example\n\n```http\n%s\n```\n\n```http\n%s\n```\n", strings.TrimSuffix(e.Request, "\n"), strings.TrimSuffix(e.Response, "\n"))
	}
	writeCodeLinks(&b, "In the logs of IIS, more precisely", e.Substatuses())
	var related []*statuscode.Entry
	for _, code := range e.Related {
		related = append(related, statuscode.ByCode(code))
	}
	writeCodeLinks(&b, "Related", related)
	b.WriteString("\n[All status codes](README.md) · [All causes](../causes/README.md)\n")
	return []byte(b.String())
}

func writeReasons(b *strings.Builder, e *statuscode.Entry) {
	if len(e.Reasons) == 0 {
		return
	}
	b.WriteString("\n## Common causes\n\n")
	for _, r := range e.Reasons {
		fmt.Fprintf(b, "- **%s.** %s\n", r.Family.Title(), text(r.Text))
	}
}

func writeCodeCauses(b *strings.Builder, e *statuscode.Entry) {
	if len(e.Causes) == 0 {
		return
	}
	b.WriteString("\n## Causes in the catalogue\n")
	for _, g := range e.ByFamily() {
		if len(g.Causes) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n%s:\n\n", g.Family.Title())
		for _, c := range g.Causes {
			fmt.Fprintf(b, "- [%s](../causes/%s.md): %s\n", c, c, text(c.Entry().Title))
		}
	}
}

func writeCodeLinks(b *strings.Builder, heading string, entries []*statuscode.Entry) {
	if len(entries) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n", heading)
	for _, e := range entries {
		fmt.Fprintf(b, "- [%s %s](%s)\n", e.Code, text(e.Title), codeFile(e.Code))
	}
}

func causesIndex() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, generatedNote, "fault")
	b.WriteString("# Causes\n\nWhat makes a gateway answer with an error, by family: what happened, what proves it, what to do. " +
		"`whygate cause keepalive-race` prints the same on the command line; the access log, incidents and `whygate explain` use the same slugs. " +
		"The status codes have [pages of their own](../codes/README.md).\n")
	for f := fault.FamilyOverload; int(f) < fault.Families; f++ {
		fmt.Fprintf(&b, "\n## %s\n\n| Cause | Status | What happened |\n|---|---|---|\n", f.Title())
		for _, e := range fault.Catalogue() {
			if e.Family == f {
				fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s |\n", e.Slug, e.Slug, statusLink(e), text(e.Title))
			}
		}
	}
	return []byte(b.String())
}

// statusLink is the status that a cause is answered with, as a link to its page.
func statusLink(e *fault.Entry) string {
	status := fault.Fault{Type: e.Type, Cause: e.Cause}.Status()
	if status == 0 {
		return "passed on"
	}
	code := strconv.Itoa(status)
	return fmt.Sprintf("[%s](../codes/%s)", code, codeFile(code))
}

func causePage(e *fault.Entry) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, generatedNote, "fault")
	fmt.Fprintf(&b, "# %s\n\n`%s` · %s · ", text(e.Title), e.Slug, e.Family.Title())
	switch {
	case e.Cause == fault.CauseClientLeft:
		fmt.Fprintf(&b, "logged as %s, nobody is left to be answered", statusLink(e))
	case e.Type == fault.TypeNone:
		b.WriteString("the upstream's own answer is passed on, without an error in `Proxy-Status`")
	default:
		fmt.Fprintf(&b, "answered with %s and `Proxy-Status: …; error=%s` (RFC 9209)", statusLink(e), e.Type)
	}
	fmt.Fprintf(&b, "\n\n## What happened\n\n%s\n\n## What proves it\n\n", text(e.Meaning))
	for _, p := range e.Proof {
		fmt.Fprintf(&b, "- %s\n", text(p))
	}
	b.WriteString("\n## What to do\n\n")
	for i, a := range e.Advice {
		fmt.Fprintf(&b, "%d. %s\n", i+1, text(a))
	}
	fmt.Fprintf(&b, "\n## May the request be repeated?\n\n%s\n", text(e.Retry))
	if reports := e.Reports(); len(reports) > 0 {
		b.WriteString("\n## How other proxies report it\n\n| Proxy | What its client gets, and what its log says |\n|---|---|\n")
		for _, r := range reports {
			fmt.Fprintf(&b, "| %s | %s |\n", r.Proxy, text(r.Text))
		}
	}
	b.WriteString("\n## Related\n\n")
	for _, c := range e.Related {
		fmt.Fprintf(&b, "- [%s](%s.md): %s\n", c, c, text(c.Entry().Title))
	}
	b.WriteString("\n[All causes](README.md) · [All status codes](../codes/README.md)\n")
	return []byte(b.String())
}
