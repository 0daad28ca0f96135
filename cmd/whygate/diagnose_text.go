package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/term"
)

// diagnosis writes a walk to a terminal: a row for each step as it happens, the waterfall, the verdict in a box.
type diagnosis struct {
	w     io.Writer
	style *term.Style
	width int
}

func newDiagnosis(w io.Writer) *diagnosis {
	s := term.New(w)
	return &diagnosis{w: w, style: s, width: s.ReadingWidth()}
}

// Columns of a row.
const (
	rowName = 10
	rowTime = 9
)

// What a page has at most, so that it fits one screen.
const (
	proofShown   = 4
	doShown      = 3
	missingShown = 2
	notesShown   = 2
	rowShown     = 3 // lines of one row
	readShown    = 9 // lines of the row that names all that was read
	itemShown    = 5 // lines of one item of the verdict
)

func (d *diagnosis) begin(what string) {
	fmt.Fprintln(d.w, d.style.Bold("whygate diagnose ")+d.style.Bold(d.style.Cyan(term.Cut(term.Clean(what), d.width-18))))
}

// mark is a step's sign, readable without colour.
func (d *diagnosis) mark(m diagnose.Mark) string {
	switch m {
	case diagnose.Failed:
		return d.style.Red("✗")
	case diagnose.Noted:
		return d.style.Yellow("!")
	case diagnose.Left:
		return d.style.Dim("·")
	}
	return d.style.Green("✓")
}

// step writes one row: its text on as many lines as it needs, its time at the right of the first.
func (d *diagnosis) step(s diagnose.Step) {
	text := s.Text
	if s.Of != "" {
		text = s.Of + ": " + text
	}
	textWidth := d.width - rowName - rowTime - 5
	lines := strings.Split(term.Wrap(term.Clean(text), textWidth, ""), "\n")
	most := rowShown
	if s.Name == "read" {
		most = readShown
	}
	for i, line := range short(lines, most) {
		line = term.Cut(line, textWidth)
		if i > 0 {
			fmt.Fprintf(d.w, "    %s%s\n", strings.Repeat(" ", rowName), line)
			continue
		}
		took := ""
		if s.Took > 0 {
			took = millis(s.Took)
		}
		fmt.Fprintf(d.w, "  %s %s%s%s%s\n", d.mark(s.Mark), pad(s.Name, rowName), pad(line, textWidth), strings.Repeat(" ", max(rowTime-term.Columns(took), 1)), d.style.Dim(took))
	}
}

// short leaves out what is too long to be read, such as a field of a hostile answer.
func short(lines []string, most int) []string {
	if len(lines) > most {
		lines = append(lines[:most-1:most-1], lines[most-1]+" …")
	}
	return lines
}

func pad(text string, columns int) string {
	return text + strings.Repeat(" ", max(columns-term.Columns(text), 0))
}

// millis shows a time as people compare them.
func millis(m diagnose.Millis) string { return mono.Words(time.Duration(m)) }

// end writes what follows the rows.
func (d *diagnosis) end(r *diagnose.Report) {
	fmt.Fprintln(d.w)
	d.waterfall(r.Walk.Waterfall)
	d.broke(r)
	fmt.Fprintln(d.w)
	d.box(&r.Verdict, verdictSentence(&r.Verdict, append(r.Upstreams, r.Walk)...))
	d.sent(r.Sent)
}

// sent says what was sent.
func (d *diagnosis) sent(lines []string) {
	if len(lines) > 0 {
		fmt.Fprintln(d.w, d.style.Dim(term.Hang("sent: "+term.Clean(strings.Join(lines, "; ")), d.width, "", "      ")))
	}
}

// waterfall draws the stages of the main request under one time line.
func (d *diagnosis) waterfall(bars []diagnose.Bar) {
	var whole diagnose.Millis
	for _, b := range bars {
		whole += b.Took
	}
	width := d.width - rowName - rowTime - 7
	for _, b := range bars {
		if !b.Reached {
			fmt.Fprintf(d.w, "    %s%s\n", pad(b.Name, rowName), d.style.Dim("not reached"))
			continue
		}
		left, long := 0, 0
		if whole > 0 {
			left = int(int64(b.From) * int64(width) / int64(whole))
			long = max(int(int64(b.Took)*int64(width)/int64(whole)), 1)
		}
		left = min(left, width-1)
		long = min(long, width-left)
		bar, sign := strings.Repeat("█", long), " "
		if b.Failed {
			bar, sign = d.style.Red(strings.Repeat("▒", long)), d.style.Red("✗")
		}
		took := millis(b.Took)
		fmt.Fprintf(d.w, "    %s%s%s%s %s%s\n", pad(b.Name, rowName), strings.Repeat(" ", left), bar, strings.Repeat(" ", max(width-left-long, 0)), sign, strings.Repeat(" ", max(rowTime-term.Columns(took), 0))+took)
	}
}

// broke shows the octet that broke a rule, with a caret under it.
func (d *diagnosis) broke(r *diagnose.Report) {
	for _, w := range append(r.Upstreams, r.Walk) {
		if w.HTTP == nil || w.HTTP.Main == nil || w.HTTP.Main.Caret == nil {
			continue
		}
		c := w.HTTP.Main.Caret
		fmt.Fprintf(d.w, "    %s\n    %s%s %s\n", term.Cut(c.Line, d.width-4), strings.Repeat(" ", c.Column), d.style.Red("^"), d.style.Dim(c.Rule))
		return
	}
}

// box writes the verdict.
func (d *diagnosis) box(v *diagnose.Verdict, sentence string) {
	inner := d.width - 4
	head := " HEALTHY "
	paint := d.style.Green
	if !v.Healthy {
		head, paint = " "+v.Cause.String()+" · "+v.Family.String()+" · "+v.Confidence.String()+" ", d.style.Red
	}
	if v.Pattern != "" && !v.Healthy {
		head += "· " + term.Clean(v.Pattern) + " "
	}
	head = term.Cut(head, d.width-4)
	edge := func(left, right, title string) {
		fmt.Fprintln(d.w, paint(left+"─")+d.style.Bold(paint(title))+paint(strings.Repeat("─", max(d.width-3-term.Columns(title), 0))+right))
	}
	line := func(text string) {
		fmt.Fprintln(d.w, paint("│")+" "+pad(term.Cut(text, inner), inner)+" "+paint("│"))
	}
	block := func(first, rest, text string) {
		for _, l := range short(strings.Split(term.Hang(term.Clean(text), inner, first, rest), "\n"), itemShown) {
			line(l)
		}
	}
	edge("╭", "╮", head)
	block("", "", sentence+".")
	list := func(title string, items []string, most int) {
		for i, item := range items[:min(len(items), most)] {
			first := strings.Repeat(" ", 7)
			if i == 0 {
				first = pad(title, 7)
			}
			block(first+"- ", strings.Repeat(" ", 9), item)
		}
	}
	list("proof", v.Proof, proofShown)
	if len(v.RuledOut) > 0 {
		title := "not    "
		if v.Healthy {
			title = "tried  "
		}
		block(title, strings.Repeat(" ", 7), strings.Join(v.RuledOut, "; "))
	}
	for _, c := range v.Config[:min(len(v.Config), 2)] {
		block("line   ", strings.Repeat(" ", 9), fmt.Sprintf("%s:%d: %s", c.File, c.Line, c.Text))
	}
	list("do", v.Advice, doShown)
	list("then", v.Missing, missingShown)
	list("note", v.Notes, notesShown)
	edge("╰", "╯", "")
}
