package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/term"
)

// This file prints what is no finding: that nothing failed, and what keeps that from being said.

// nothing says that nothing failed, and what that is founded on.
func (p *reportPrinter) nothing() {
	known := int64(0) // lines of nothing but spaces are of no format, and nobody misses one
	for _, f := range p.r.Formats {
		known += f.Lines
	}
	switch {
	case p.r.Lines == 0:
		fmt.Fprintln(p.out, p.s.Yellow("Nothing to read: there is no line."))
	case known <= 0 && p.r.Skipped == 0:
		fmt.Fprintln(p.out, p.s.Yellow(fmt.Sprintf("No format that whygate knows: %s read.", lines(p.r.Lines))))
		p.unjudged()
		fmt.Fprintf(p.out, "%s whygate explain --format list\n", p.s.Dim("hint:"))
		fmt.Fprintf(p.out, "%s whygate explain --access-format '<the log_format or log-format of the configuration>' FILE\n", p.s.Dim("hint:"))
	case len(p.r.Unjudged) > 0:
		p.unjudged()
		p.limits()
	case p.r.Skipped == 0 && known < p.r.Unknown: // noise, or another program's log
		fmt.Fprintln(p.out, p.s.Yellow(fmt.Sprintf("Nothing failed in the %s of a known format; the other %s could not be read.", lines(max(known, 0)), number(p.r.Unknown))))
		fmt.Fprintf(p.out, "%s whygate explain --format list\n", p.s.Dim("hint:"))
	case p.limits():
	default:
		fmt.Fprintln(p.out, p.s.Green("Nothing failed, as far as these lines tell."))
	}
	p.footer()
}

// unjudged says which lines look as if something failed, and could not be judged: then it is not said that nothing did.
func (p *reportPrinter) unjudged() {
	for i, u := range p.r.Unjudged {
		if i == unjudgedShown {
			break
		}
		what := fmt.Sprintf("%s of no known format %s as if something failed", lines(u.Count), verb(u.Count, "looks", "look"))
		if u.Product != "" {
			what = fmt.Sprintf("%s reports an error that whygate does not know: %s", makerOf(u.Product), lines(u.Count))
		}
		fmt.Fprintln(p.out, p.s.Yellow(what))
		p.line("line", fmt.Sprintf("%s:%d  %s", term.Clean(u.File), u.Line, term.Clean(u.Text)))
	}
	if p.r.Unread() > 0 && len(p.r.Formats) > 0 {
		fmt.Fprintf(p.out, "%s whygate explain --access-format '<the log_format or log-format of the configuration>' FILE\n", p.s.Dim("hint:"))
	}
	if p.r.OpenErrors() > 0 {
		fmt.Fprintf(p.out, "%s read these lines as they stand; the access log has whether a client got a 5xx at that second\n", p.s.Dim("hint:"))
	}
}

// unjudgedShown is how many shapes of lines that could not be judged are shown.
const unjudgedShown = 3

func verb(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// makerOf gives a product's name as people write it.
func makerOf(product string) string {
	if name := makers[product]; name != "" {
		return name
	}
	return product
}

// limits says which requests were refused for a limit that the configuration sets, and how to raise it.
func (p *reportPrinter) limits() bool {
	any := false
	for _, c := range p.r.Clients {
		if len(c.Advice) == 0 {
			continue
		}
		any = true
		maker := makers[c.Product]
		if maker == "" {
			maker = "the proxy"
		}
		fmt.Fprintln(p.out, p.s.Yellow(fmt.Sprintf("%s: %s refused by a limit of %s's configuration; no upstream was asked.", c.Title, counted(c.Count, "request was", "requests were"), maker)))
		own := slices.IndexFunc(c.Advice, func(line string) bool { return strings.Contains(line, "   # ") })
		if own < 0 {
			own = 0
		}
		p.label("do", c.Advice[own])
	}
	return any
}

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}
