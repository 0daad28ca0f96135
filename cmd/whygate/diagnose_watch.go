package main

import (
	"context"
	"fmt"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/term"
)

// walked is what came of one walk, whatever was walked.
type walked struct {
	verdict *diagnose.Verdict
	began   time.Time
	report  any                     // as --json prints it
	page    func(file string) error // writes it with pictures
}

// walkURL makes a walk to a URL.
func walkURL(ctx context.Context, o *diagnose.Options) (*walked, error) {
	r, err := diagnose.Run(ctx, o)
	if err != nil {
		return nil, err
	}
	return &walked{&r.Verdict, r.Began, r, func(file string) error { return writeDiagnosis(file, r) }}, nil
}

// watch repeats the walk until it is interrupted. It prints a line when the verdict changes, and a dot line is none: what stays
// as it is is not repeated. With --json it prints one report a line.
func (w *world) watch(ctx context.Context, walk func() (*walked, error), flags *diagnoseFlags) error {
	style := term.New(w.stdout)
	var last string
	var since time.Time
	var exit error
	for runs := 1; ; runs++ {
		r, err := walk()
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return exit
		}
		if flags.html != "" {
			if err := r.page(flags.html); err != nil {
				return err
			}
		}
		now := r.verdict.Cause.String() + " " + r.verdict.At
		exit = nil
		if !r.verdict.Healthy {
			exit = status(exitFault)
		}
		switch {
		case flags.json:
			if err := printJSONLine(w.stdout, r.report); err != nil {
				return err
			}
		case now != last:
			fmt.Fprintln(w.stdout, watchLine(style, r, since))
			since = r.began
		}
		last = now
		select {
		case <-ctx.Done():
			return exit
		case <-time.After(flags.every):
		}
	}
}

// watchLine is what changed, in a line.
func watchLine(style *term.Style, r *walked, since time.Time) string {
	v := r.verdict
	text := style.Green("healthy")
	if !v.Healthy {
		text = style.Red(v.Cause.String())
	}
	line := r.began.Format("15:04:05") + "  " + text + "  " + term.Clean(v.Sentence)
	if !since.IsZero() {
		line += style.Dim(fmt.Sprintf(" (before: for %s)", r.began.Sub(since).Round(time.Second)))
	}
	return term.Cut(line, max(style.Width(), 80))
}
