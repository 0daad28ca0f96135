package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/store"
	"github.com/whygate/whygate/internal/term"
)

func (w *world) listIncidents(ctx context.Context, f *incidentsFlags) error {
	return w.asking(f, func(s *source, q store.Query) error {
		rows, err := s.incidents(ctx, q)
		switch {
		case err != nil:
			return err
		case f.json:
			return printJSON(w.stdout, rows)
		case len(rows) == 0:
			fmt.Fprintln(w.stdout, "no incidents in this time")
			return nil
		}
		for i := range rows {
			w.incidentLine(&rows[i])
		}
		return nil
	})
}

// incidentLine prints an incident as one line, or as two where the terminal is narrow.
func (w *world) incidentLine(r *store.Row) {
	style := term.New(w.stdout)
	status := style.Red(fmt.Sprint(r.Status))
	after := ""
	switch {
	case r.Status == 0: // nobody was answered
		status = style.Yellow(" - ")
	case r.Saved:
		status, after = style.Green(fmt.Sprint(r.Status)), " (saved by a retry)"
	case r.Late:
		after = " (cut short)"
	case r.Status < 500:
		status = style.Yellow(fmt.Sprint(r.Status))
	}
	what := fmt.Sprintf("%s%s  %s", r.Title, after, style.Dim(strings.TrimSpace(r.Method+" "+r.Host+r.Path)+pooled(r.Pool)+at(r.Endpoint)))
	line := fmt.Sprintf("%s  %s  %s  %s", style.Dim(r.At.Format("2006-01-02 15:04:05")), style.Cyan(r.ID), status, what)
	fmt.Fprintln(w.stdout, term.Hang(line, style.Width(), "", "    "))
}

func pooled(pool string) string {
	if pool == "" {
		return ""
	}
	return ", pool " + pool
}

func at(endpoint string) string {
	if endpoint == "" {
		return ""
	}
	return ", at " + endpoint
}

func (w *world) listGroups(ctx context.Context, f *incidentsFlags) error {
	return w.asking(f, func(s *source, q store.Query) error {
		groups, err := s.groups(ctx, q)
		switch {
		case err != nil:
			return err
		case f.json:
			return printJSON(w.stdout, groups)
		case len(groups) == 0:
			fmt.Fprintln(w.stdout, "no incidents in this time")
			return nil
		}
		style := term.New(w.stdout)
		for _, g := range groups {
			head := fmt.Sprintf("%s  %s%s  %s", style.Cyan(g.ID), style.Bold(g.Title), pooled(g.Pool), style.Dim(g.Cause+" in "+g.Stage))
			fmt.Fprintln(w.stdout, term.Hang(head, style.Width(), "", "    "))
			facts := fmt.Sprintf("%d incidents, %d saved by a retry, about %d clients; first %s, last %s; %s", g.Count, g.Saved, g.Clients,
				g.First.Format("2006-01-02 15:04:05"), g.Last.Format("2006-01-02 15:04:05"), g.State)
			if !g.Regressed.IsZero() {
				facts += ", came back " + g.Regressed.Format("2006-01-02 15:04:05")
			}
			fmt.Fprintln(w.stdout, term.Hang(facts, style.Width(), "    ", "    "))
		}
		return nil
	})
}

func (w *world) listChanges(ctx context.Context, f *incidentsFlags) error {
	return w.asking(f, func(s *source, q store.Query) error {
		list, err := s.changes(ctx, q)
		switch {
		case err != nil:
			return err
		case f.json:
			return printJSON(w.stdout, list)
		case len(list) == 0:
			fmt.Fprintln(w.stdout, "no changes in this time")
			return nil
		}
		style := term.New(w.stdout)
		for _, c := range list {
			subject := c.Subject
			if subject != "" {
				subject += ": "
			}
			line := fmt.Sprintf("%s  %s  %s%s  %s", style.Dim(c.At.Format("2006-01-02 15:04:05")), style.Cyan(c.Kind), subject, c.Text, style.Dim(c.Instance))
			fmt.Fprintln(w.stdout, term.Hang(line, style.Width(), "", "    "))
		}
		return nil
	})
}

// tailEach is how often a tail looks for more.
const tailEach = 500 * time.Millisecond

func (w *world) tailIncidents(ctx context.Context, f *incidentsFlags) error {
	return w.asking(f, func(s *source, q store.Query) error {
		t := store.Tail{Query: q, From: time.Now()}
		if f.since != "" {
			t.From = q.Since
		}
		t.Query.Limit = store.Most
		tick := time.NewTicker(tailEach)
		defer tick.Stop()
		for {
			rows, err := t.NextOf(ctx, s.incidents)
			if ctx.Err() != nil {
				return nil //nolint:nilerr // Ctrl-C is how it ends
			}
			if err != nil {
				return err
			}
			for _, r := range slices.Backward(rows) {
				if f.json {
					if err := printJSONLine(w.stdout, r); err != nil {
						return err
					}
					continue
				}
				w.incidentLine(&r)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
}
