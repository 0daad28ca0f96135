package main

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/whygate/whygate/internal/explain"
	"github.com/whygate/whygate/internal/term"
)

// followTo makes a followed log print each fault as it comes, and the state when it has been quiet for a moment. The
// first summary takes the place of the faults that were in the files from the start.
func (w *world) followTo(o *explain.Options, flags *explainFlags) {
	style := term.New(w.stdout)
	o.Quiet = 2 * time.Second
	o.Seen = func(s *explain.Seen) {
		if !s.Grown {
			return
		}
		if flags.json {
			printSeenJSON(w.stdout, s)
		} else {
			printSeen(w.stdout, style, s)
		}
	}
	o.Summary = func(r *explain.Report) {
		if flags.html != "" {
			if err := writePage(flags.html, r); err != nil {
				fmt.Fprintf(w.stderr, "whygate: %v\n", err)
			}
		}
		if flags.json {
			return
		}
		out := bufio.NewWriter(w.stdout)
		fmt.Fprintln(out, style.Dim(fmt.Sprintf("-- %s, %s so far", time.Now().Format(time.TimeOnly), faults(r.Faults))))
		printSummary(out, style, r)
		_ = out.Flush()
	}
}

// printSeen prints one fault in one line.
func printSeen(out io.Writer, s *term.Style, f *explain.Seen) {
	at := ""
	if !f.At.IsZero() {
		at = f.At.Format(time.TimeOnly) + "  "
	}
	v := f.Entry.Fault()
	cause := v.Cause.String()
	if len(f.Entry.Candidates) > 1 {
		cause += "?"
	}
	fmt.Fprintln(out, term.Cut(at+s.Red(cause)+"  "+term.Clean(f.Sentence)+s.Dim(fmt.Sprintf("  (%s:%d)", term.Clean(f.File), f.Line)), s.Width()))
}

// seenJSON is one fault as --follow --json prints it.
type seenJSON struct {
	Time       *time.Time `json:"time"`
	File       string     `json:"file"`
	Line       int        `json:"line"`
	Format     string     `json:"format"`
	Cause      string     `json:"cause"`
	Candidates []string   `json:"candidates"`
	Family     string     `json:"family"`
	Type       string     `json:"type"`
	Upstream   string     `json:"upstream"`
	Sentence   string     `json:"sentence"`
}

func printSeenJSON(out io.Writer, f *explain.Seen) {
	v := f.Entry.Fault()
	s := seenJSON{
		File: f.File, Line: f.Line, Format: f.Format.Name, Cause: v.Cause.String(), Candidates: []string{}, Family: v.Family().String(),
		Type: v.Type.String(), Upstream: string(f.Entry.Upstream), Sentence: f.Sentence,
	}
	if !f.At.IsZero() {
		s.Time = &f.At
	}
	for _, c := range f.Entry.Candidates {
		s.Candidates = append(s.Candidates, c.String())
	}
	_ = printJSONLine(out, s)
}
