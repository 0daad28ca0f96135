package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/lab"
	"github.com/whygate/whygate/internal/term"
)

// labWait is how long a scoring process may take to end when it is told to.
const labWait = 10 * time.Second

// printTables prints what a person reads: failures first, then the totals.
func (w *world) printTables(scores []*lab.Score, found []*lab.Scenario, network string, everything bool) {
	style := term.New(w.stdout)
	for _, s := range scores {
		if s.Error != "" {
			fmt.Fprintf(w.stdout, "%s %s: %s\n", style.Red("✗"), style.Bold(s.Proxy), s.Error)
		}
	}
	if len(scores) == 1 {
		w.printFailures(scores[0], style, everything)
	} else {
		w.printBeside(scores, found, style, everything)
	}
	w.printTotals(scores, style)
	if network != "" {
		fmt.Fprintf(w.stdout, "\nThe scenarios of the network were left out: %s.\n", network)
	}
}

// printFailures prints each scenario that one proxy got wrong, and how.
func (w *world) printFailures(s *lab.Score, style *term.Style, everything bool) {
	for i := range s.Results {
		r := &s.Results[i]
		switch {
		case r.Skipped != "":
			if everything {
				fmt.Fprintf(w.stdout, "%s %-26s %s\n", style.Dim("–"), r.Scenario, style.Dim("not played: "+r.Skipped))
			}
		case !r.Right():
			fmt.Fprintf(w.stdout, "%s %-26s came %s\n", style.Red("✗"), style.Bold(r.Scenario), term.Clean(r.Got))
			fmt.Fprintf(w.stdout, "  %-26s right is %s\n", "", r.Wanted)
			for _, why := range r.Wrong {
				fmt.Fprintln(w.stdout, term.Hang(term.Clean(why), style.ReadingWidth(), strings.Repeat(" ", 29)+"– ", strings.Repeat(" ", 31)))
			}
		case everything:
			fmt.Fprintf(w.stdout, "%s %-26s %s%s\n", style.Green("✓"), r.Scenario, term.Clean(r.Got), first(r))
		}
	}
}

// first says what came at first, where only the second time was right.
func first(r *lab.Result) string {
	if r.First == "" {
		return ""
	}
	return " (the second time; at first " + term.Clean(r.First) + ")"
}

// printBeside prints the proxies side by side: the scenarios that any of them got wrong, or all.
func (w *world) printBeside(scores []*lab.Score, found []*lab.Scenario, style *term.Style, everything bool) {
	t := term.Table{Head: []string{"scenario"}}
	crowded := len(scores) > 4 && style.Width() < 120
	if !crowded {
		t.Head = append(t.Head, "right is")
	}
	for _, s := range scores {
		t.Head = append(t.Head, s.Proxy)
	}
	for i, sc := range found {
		row, wrong := []string{sc.Name}, false
		if !crowded {
			row = append(row, sc.Want.Short())
		}
		for _, s := range scores {
			cell := style.Dim("–")
			if i < len(s.Results) {
				cell = cellOf(&s.Results[i], style)
				wrong = wrong || s.Results[i].Skipped == "" && !s.Results[i].Right()
			}
			row = append(row, cell)
		}
		if wrong || everything {
			t.Row(row...)
		}
	}
	fmt.Fprint(w.stdout, t.Render(style))
	if t.Len() > 0 {
		fmt.Fprintln(w.stdout, style.Dim("✗ wrong   ≠ another 5xx than the one that RFC 9209 recommends   – not played"))
	}
}

func cellOf(r *lab.Result, style *term.Style) string {
	switch {
	case r.Skipped != "":
		return style.Dim("–")
	case r.Right():
		return style.Green("✓ ") + r.Short()
	case r.Other:
		return style.Yellow("≠ ") + r.Short()
	}
	return style.Red("✗ ") + r.Short()
}

// printTotals prints how many were right, by group and in all.
func (w *world) printTotals(scores []*lab.Score, style *term.Style) {
	t := term.Table{Head: []string{"right of played"}, Align: []term.Align{term.Left}}
	rows := map[string][]string{}
	var groups []string
	for i, s := range scores {
		t.Head, t.Align = append(t.Head, s.Proxy), append(t.Align, term.Right)
		for _, g := range s.Groups() {
			if rows[g.Name] == nil {
				groups = append(groups, g.Name)
				rows[g.Name] = make([]string, len(scores))
			}
			rows[g.Name][i] = share(g.Right, g.Played, style)
		}
	}
	if len(groups) == 0 {
		return
	}
	for _, g := range groups {
		t.Row(append([]string{g}, rows[g]...)...)
	}
	total, took := []string{style.Bold("all")}, []string{style.Dim("seconds")}
	for _, s := range scores {
		right, played := s.Count()
		total = append(total, style.Bold(share(right, played, style)))
		took = append(took, style.Dim(fmt.Sprintf("%.0f", s.Took.Seconds())))
	}
	t.Row(total...)
	t.Row()
	for i := range 4 {
		var row []string
		for _, s := range scores {
			thing := s.Things()[i]
			if row == nil {
				row = []string{thing.Name}
			}
			row = append(row, share(thing.Right, thing.Played, style))
		}
		t.Row(row...)
	}
	t.Row(took...)
	fmt.Fprintf(w.stdout, "\n%s", t.Render(style))
	for _, s := range scores {
		if s.Version != "" {
			fmt.Fprintf(w.stdout, "%s\n", style.Dim(s.Proxy+": "+s.Version))
		}
	}
}

func share(right, played int, style *term.Style) string {
	text := fmt.Sprintf("%d/%d", right, played)
	switch {
	case played == 0:
		return style.Dim("–")
	case right == played:
		return style.Green(text)
	}
	return text
}
