package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/whygate/whygate/internal/term"
	"github.com/whygate/whygate/internal/visible"
)

// page writes text for a terminal in sections: a heading at the margin, what belongs to it two columns in.
type page struct {
	w     io.Writer
	style *term.Style
	width int
}

func newPage(w io.Writer) *page {
	s := term.New(w)
	return &page{w: w, style: s, width: s.ReadingWidth()}
}

// title begins the page: what it is about, and a line on what that is.
func (p *page) title(name, rest, facts string) {
	fmt.Fprintf(p.w, "%s  %s\n", p.style.Bold(p.style.Cyan(name)), p.style.Bold(rest))
	fmt.Fprintln(p.w, p.style.Dim(term.Wrap(facts, p.width, "")))
}

func (p *page) heading(text string) { fmt.Fprintf(p.w, "\n%s\n", p.style.Bold(text)) }

func (p *page) paragraph(text string) { fmt.Fprintln(p.w, term.Wrap(text, p.width, "  ")) }

func (p *page) bullets(items []string) {
	for _, item := range items {
		fmt.Fprintln(p.w, term.Hang(item, p.width, "  - ", "    "))
	}
}

func (p *page) numbered(items []string) {
	for i, item := range items {
		fmt.Fprintln(p.w, term.Hang(item, p.width, fmt.Sprintf("%4d. ", i+1), "      "))
	}
}

// labelled writes a label in a column of its own and the text beside it.
func (p *page) labelled(label string, columns int, text string) {
	pad := strings.Repeat(" ", max(columns-term.Columns(label), 0))
	fmt.Fprintln(p.w, term.Hang(text, p.width, "  "+p.style.Cyan(label)+pad+"  ", strings.Repeat(" ", columns+4)))
}

// command writes a line to type. It is not wrapped, so that it can be copied.
func (p *page) command(indent, line string) {
	fmt.Fprintf(p.w, "%s%s %s\n", indent, p.style.Dim("$"), p.style.Green(line))
}

// printJSON prints a value for programs, with two spaces of indentation.
func printJSON(w io.Writer, value any) error { return visible.WriteJSON(w, value, "  ") }

// printJSONLine prints a value for programs on one line.
func printJSONLine(w io.Writer, value any) error { return visible.WriteJSON(w, value, "") }
