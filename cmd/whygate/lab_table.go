package main

import (
	"fmt"
	"slices"
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

// cellColumns is what a proxy's column takes in a table of scenarios, with the gap before it; a longer cell is cut.
const cellColumns = 14

// printBeside prints the proxies side by side: the scenarios that any of them got wrong, or all. Those that do not fit the width
// stand in a table below.
func (w *world) printBeside(scores []*lab.Score, found []*lab.Scenario, style *term.Style, everything bool) {
	var rows []int
	longest := 0
	for i, sc := range found {
		if everything || slices.ContainsFunc(scores, func(s *lab.Score) bool { return wrongAt(s, i) }) {
			rows, longest = append(rows, i), max(longest, len(sc.Name))
		}
	}
	if len(rows) == 0 {
		return
	}
	for some := range slices.Chunk(scores, max(1, (style.Width()-longest)/cellColumns)) {
		t := term.Table{Head: []string{"scenario"}, Whole: 1}
		detailed := longest+(len(some)+1)*cellColumns <= style.Width()
		if detailed {
			t.Head = append(t.Head, "right is")
		}
		for _, s := range some {
			t.Head = append(t.Head, s.Proxy)
		}
		for _, i := range rows {
			row := []string{found[i].Name}
			if detailed {
				row = append(row, found[i].Want.Short())
			}
			for _, s := range some {
				row = append(row, cellAt(s, i, style))
			}
			t.Row(row...)
		}
		fmt.Fprintf(w.stdout, "%s\n", t.Render(style))
	}
	fmt.Fprintln(w.stdout, style.Dim("✗ wrong   ≠ another 5xx than the one that RFC 9209 recommends   – not played"))
}

// wrongAt reports whether a proxy got the scenario of that place wrong.
func wrongAt(s *lab.Score, i int) bool {
	return i < len(s.Results) && s.Results[i].Skipped == "" && !s.Results[i].Right()
}

func cellAt(s *lab.Score, i int, style *term.Style) string {
	if i >= len(s.Results) {
		return style.Dim("–")
	}
	return cellOf(&s.Results[i], style)
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

// totalColumns is what a proxy's column takes in the table of totals, and totalFirst what the first column does.
const (
	totalColumns = 9
	totalFirst   = 16
)

// printTotals prints how many were right, by group and in all.
func (w *world) printTotals(scores []*lab.Score, style *term.Style) {
	groups := lab.GroupsOf(scores)
	if len(groups) == 0 {
		return
	}
	for some := range slices.Chunk(scores, max(1, (style.Width()-totalFirst)/totalColumns)) {
		fmt.Fprintf(w.stdout, "\n%s", totals(some, groups, style))
	}
	for _, s := range scores {
		if s.Version != "" {
			fmt.Fprintf(w.stdout, "%s\n", style.Dim(s.Proxy+": "+s.Version))
		}
	}
}

// totals is the table of totals of a few proxies.
func totals(scores []*lab.Score, groups []string, style *term.Style) string {
	t := term.Table{Head: []string{"right of played"}, Align: []term.Align{term.Left}, Whole: 1}
	row := func(first string, cell func(*lab.Score) string) {
		cells := []string{first}
		for _, s := range scores {
			cells = append(cells, cell(s))
		}
		t.Row(cells...)
	}
	for _, s := range scores {
		t.Head, t.Align = append(t.Head, s.Proxy), append(t.Align, term.Right)
	}
	for _, name := range groups {
		row(name, func(s *lab.Score) string {
			g := s.Group(name)
			return share(g.Right, g.Played, style)
		})
	}
	row(style.Bold("all"), func(s *lab.Score) string {
		right, played := s.Count()
		return style.Bold(share(right, played, style))
	})
	t.Row()
	for i, thing := range new(lab.Score).Things() {
		row(thing.Name, func(s *lab.Score) string {
			one := s.Things()[i]
			return share(one.Right, one.Played, style)
		})
	}
	row(style.Dim("seconds"), func(s *lab.Score) string { return style.Dim(fmt.Sprintf("%.0f", s.Took.Seconds())) })
	return t.Render(style)
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
