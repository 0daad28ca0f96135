package store

import (
	"context"
	"time"
)

// tailOverlap is how far a look goes back behind the newest incident seen: batches are written late, and clocks of gateways differ.
const tailOverlap = 10 * time.Second

// Tail gives incidents as they are stored. Limit of its query bounds a look.
type Tail struct {
	Query Query
	From  time.Time // what is older is not given

	seen map[string]time.Time // what was given, of the overlap
	last time.Time
}

// Next gives what was stored since the last look, the newest first.
func (t *Tail) Next(ctx context.Context, s *Store) ([]Row, error) {
	return t.NextOf(ctx, s.Incidents)
}

// NextOf is Next from wherever incidents are asked for.
func (t *Tail) NextOf(ctx context.Context, incidents func(context.Context, Query) ([]Row, error)) ([]Row, error) {
	q := t.Query
	q.Since = t.From
	if back := t.last.Add(-tailOverlap); back.After(q.Since) {
		q.Since = back
	}
	rows, err := incidents(ctx, q)
	if err != nil {
		return nil, err
	}
	if t.seen == nil {
		t.seen = map[string]time.Time{}
	}
	fresh := rows[:0]
	for _, r := range rows {
		if _, had := t.seen[r.ID]; had {
			continue
		}
		t.seen[r.ID] = r.At
		fresh = append(fresh, r)
		if r.At.After(t.last) {
			t.last = r.At
		}
	}
	for id, at := range t.seen {
		if at.Before(t.last.Add(-2 * tailOverlap)) {
			delete(t.seen, id)
		}
	}
	return fresh, nil
}
