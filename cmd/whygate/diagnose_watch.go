package main

import (
	"context"
	"fmt"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/term"
)

// watch repeats the walk until it is interrupted. It prints a line when the verdict changes, and a dot line is none: what stays
// as it is is not repeated. With --json it prints one report a line.
func (w *world) watch(ctx context.Context, o *diagnose.Options, flags *diagnoseFlags) error {
	style := term.New(w.stdout)
	var last string
	var since time.Time
	var exit error
	for runs := 1; ; runs++ {
		r, err := diagnose.Run(ctx, o)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return exit
		}
		if flags.html != "" {
			if err := writeDiagnosis(flags.html, r); err != nil {
				return err
			}
		}
		now := r.Verdict.Cause.String() + " " + r.Verdict.At
		exit = nil
		if !r.Verdict.Healthy {
			exit = status(exitFault)
		}
		switch {
		case flags.json:
			if err := printJSONLine(w.stdout, r); err != nil {
				return err
			}
		case now != last:
			fmt.Fprintln(w.stdout, watchLine(style, r, since))
			since = r.Began
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
func watchLine(style *term.Style, r *diagnose.Report, since time.Time) string {
	v := &r.Verdict
	text := style.Green("healthy")
	if !v.Healthy {
		text = style.Red(v.Cause.String())
	}
	line := r.Began.Format("15:04:05") + "  " + text + "  " + term.Clean(v.Sentence)
	if !since.IsZero() {
		line += style.Dim(fmt.Sprintf(" (before: for %s)", r.Began.Sub(since).Round(time.Second)))
	}
	return term.Cut(line, max(style.Width(), 80))
}
