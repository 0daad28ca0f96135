package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNone says that there is no such incident or group.
var ErrNone = errors.New("there is none")

// reading gives the database to read from, and a context that ends soon.
func (s *Store) reading(ctx context.Context) (*database, context.Context, context.CancelFunc, error) {
	db, err := s.opened(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	return db, ctx, cancel, nil
}

// where collects conditions with their values.
type where struct {
	conditions []string
	args       []any
}

// and adds a condition, whose %d is the number of its value.
func (w *where) and(condition string, value any) {
	w.args = append(w.args, value)
	w.conditions = append(w.conditions, fmt.Sprintf(condition, len(w.args)))
}

func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// query reads all rows before it returns, so that a slow reader of what comes of them holds nothing up.
func query[T any](ctx context.Context, db *database, statement string, args []any, scan func(scanner) (T, error)) ([]T, error) {
	rows, err := db.read.QueryContext(ctx, db.q(statement), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

const rowColumns = "i.id, i.at, i.grp, g.pool, g.cause, g.stage, g.title, i.status, i.saved, i.late, i.route, i.endpoint, i.method, i.host, i.path, i.client, i.agent, i.version, i.request, i.trace, i.instance, i.reused"

func scanRow(scan scanner, more ...any) (Row, error) {
	var r Row
	var at int64
	var saved, late int
	into := append([]any{
		&r.ID, &at, &r.Group, &r.Pool, &r.Cause, &r.Stage, &r.Title, &r.Status, &saved, &late, &r.Route, &r.Endpoint, &r.Method, &r.Host, &r.Path,
		&r.Client, &r.Agent, &r.Version, &r.Request, &r.Trace, &r.Instance, &r.Reused,
	}, more...)
	err := scan(into...)
	r.At, r.Saved, r.Late = moment(at), saved != 0, late != 0
	return r, err
}

func scanPlain(scan scanner) (Row, error) { return scanRow(scan) }

func scanWhole(scan scanner) (Row, error) {
	var doc string
	r, err := scanRow(scan, &doc)
	r.Doc = json.RawMessage(doc)
	return r, err
}

// Incidents gives incidents without their documents, the newest first.
func (s *Store) Incidents(ctx context.Context, q Query) ([]Row, error) {
	db, ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	var w where
	if !q.Since.IsZero() {
		w.and("i.at >= $%d", q.Since.UnixMicro())
	}
	if !q.Until.IsZero() {
		w.and("i.at < $%d", q.Until.UnixMicro())
	}
	if q.Group != "" {
		w.and("i.grp = $%d", q.Group)
	}
	if q.Pool != "" {
		w.and("g.pool = $%d", q.Pool)
	}
	if q.Cause != "" {
		w.and("g.cause = $%d", q.Cause)
	}
	return query(ctx, db, "SELECT "+rowColumns+" FROM incident i JOIN grp g ON g.id = i.grp"+w.String()+fmt.Sprintf(" ORDER BY i.at DESC LIMIT %d", q.limit()), w.args, scanPlain)
}

// Incident gives one incident with its document. The error is ErrNone where it is not kept.
func (s *Store) Incident(ctx context.Context, id string) (*Row, error) {
	list, err := s.whole(ctx, "i.id = $1", strings.ToUpper(id), 1)
	if err == nil && len(list) == 0 {
		err = ErrNone
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

// foundMax is how many incidents one request has at most in a look-up.
const foundMax = 20

// Find gives the incidents of what a user reads out: an incident's id, a request's or a trace's, the newest first.
func (s *Store) Find(ctx context.Context, id string) ([]Row, error) {
	list, err := s.whole(ctx, "(i.id = $1 OR i.request = $2 OR i.trace = $2)", strings.ToUpper(id), foundMax, id)
	return list, err
}

func (s *Store) whole(ctx context.Context, condition string, first any, limit int, more ...any) ([]Row, error) {
	db, ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	return query(ctx, db, "SELECT "+rowColumns+", i.doc FROM incident i JOIN grp g ON g.id = i.grp WHERE "+condition+fmt.Sprintf(" ORDER BY i.at DESC LIMIT %d", limit),
		append([]any{first}, more...), scanWhole)
}

// Groups gives the groups that had incidents since then, the one with the newest first.
func (s *Store) Groups(ctx context.Context, q Query) ([]Group, error) {
	db, ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	var w where
	if !q.Since.IsZero() {
		w.and("last >= $%d", q.Since.UnixMicro())
	}
	if !q.Until.IsZero() {
		w.and("first < $%d", q.Until.UnixMicro())
	}
	if q.Pool != "" {
		w.and("pool = $%d", q.Pool)
	}
	if q.Cause != "" {
		w.and("cause = $%d", q.Cause)
	}
	if q.Group != "" {
		w.and("id = $%d", q.Group)
	}
	return query(ctx, db, "SELECT "+groupColumns+" FROM grp"+w.String()+fmt.Sprintf(" ORDER BY last DESC LIMIT %d", q.limit()), w.args, func(scan scanner) (Group, error) {
		g, err := scanGroup(scan)
		if err != nil {
			return Group{}, err
		}
		return g.Group, nil
	})
}

// Group gives one group. The error is ErrNone where there is none of that id.
func (s *Store) Group(ctx context.Context, id string) (*Group, error) {
	list, err := s.Groups(ctx, Query{Group: id, Limit: 1})
	if err == nil && len(list) == 0 {
		err = ErrNone
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

// Step is the span of time of a Bucket.
const Step = 30 * time.Minute

// bucketsRead is how many spans of all groups are read at most.
const bucketsRead = 50_000

// Buckets gives the counts since then in spans of Step, by group; of one group if one is named. Spans without an incident are left out.
func (s *Store) Buckets(ctx context.Context, group string, since time.Time) (map[string][]Bucket, error) {
	db, ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	var w where
	w.and("slot >= $%d", since.Unix()/60/halfHour)
	if group != "" {
		w.and("grp = $%d", group)
	}
	type counted struct {
		group string
		Bucket
	}
	list, err := query(ctx, db, fmt.Sprintf("SELECT grp, slot, n, saved FROM halfhour%s ORDER BY slot LIMIT %d", w.String(), bucketsRead), w.args, func(scan scanner) (counted, error) {
		var c counted
		var slot int64
		err := scan(&c.group, &slot, &c.Count, &c.Saved)
		c.At = time.Unix(slot*halfHour*60, 0).UTC()
		return c, err
	})
	if err != nil {
		return nil, err
	}
	out := map[string][]Bucket{}
	for _, c := range list {
		out[c.group] = append(out[c.group], c.Bucket)
	}
	return out, nil
}

// Trouble says how many incidents each endpoint had since then, in each group.
func (s *Store) Trouble(ctx context.Context, since time.Time) ([]Trouble, error) {
	db, ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	return query(ctx, db, `SELECT b.endpoint, g.pool, b.grp, g.title, SUM(b.n), SUM(b.saved) FROM bucket b JOIN grp g ON g.id = b.grp
		WHERE b.minute >= $1 AND g.state <> 'muted' GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC LIMIT 1000`, []any{since.Unix() / 60}, func(scan scanner) (Trouble, error) {
		var t Trouble
		err := scan(&t.Endpoint, &t.Pool, &t.Group, &t.Title, &t.Count, &t.Saved)
		return t, err
	})
}

// Changes gives changes, the newest first. Of the query it heeds the times and the limit.
func (s *Store) Changes(ctx context.Context, q Query) ([]Change, error) {
	db, ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	var w where
	if !q.Since.IsZero() {
		w.and("at >= $%d", q.Since.UnixMicro())
	}
	if !q.Until.IsZero() {
		w.and("at <= $%d", q.Until.UnixMicro())
	}
	return query(ctx, db, "SELECT at, instance, kind, subject, text FROM change"+w.String()+fmt.Sprintf(" ORDER BY at DESC, id DESC LIMIT %d", q.limit()), w.args, func(scan scanner) (Change, error) {
		var c Change
		var at int64
		err := scan(&at, &c.Instance, &c.Kind, &c.Subject, &c.Text)
		c.At = moment(at)
		return c, err
	})
}

// Nearest gives the last change before a moment, at most within before it; nil if there is none.
func (s *Store) Nearest(ctx context.Context, at time.Time, within time.Duration) (*Change, error) {
	list, err := s.Changes(ctx, Query{Since: at.Add(-within), Until: at, Limit: 1})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// noteMax is the longest note on a group, in bytes.
const noteMax = 2000

// Decide sets a group's state, with a note on why; until is for StateMuted. It is kept as a change by who. The error is ErrNone where
// there is no such group.
func (s *Store) Decide(ctx context.Context, id string, state State, note string, until time.Time, who string) error {
	if !state.Known() {
		return fmt.Errorf("%q is no state of a group", string(state))
	}
	if len(note) > noteMax {
		return fmt.Errorf("a note has %d bytes at most", noteMax)
	}
	db, err := s.opened(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	found := false
	err = db.within(ctx, func(t *transaction) {
		g, ok := t.read(id, "")
		if found = ok; !ok {
			return
		}
		t.exec("UPDATE grp SET state = $2, note = $3, changed = $4, muted = $5, regressed = 0 WHERE id = $1", id, string(state), plain(note), now.UnixMicro(), micro(until))
		t.exec("INSERT INTO change (id, at, instance, kind, subject, text) VALUES ($1, $2, $3, 'decision', $4, $5)",
			fmt.Sprintf("%s-d%d", s.process, now.UnixNano()), now.UnixMicro(), s.options.Instance, g.Pool, plain(string(state)+": "+g.Title+" ("+who+")"))
	})
	if err == nil && !found {
		err = ErrNone
	}
	return err
}

// plain is text that every database keeps: UTF-8 without NUL.
func plain(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "�"), "\x00", "�") }

// Size is how many bytes the place takes.
func (s *Store) Size(ctx context.Context) (int64, error) {
	db, ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return 0, err
	}
	defer cancel()
	return db.size(ctx)
}

// Counts are how many incidents are kept whole, and how many there were.
func (s *Store) Counts(ctx context.Context) (kept, all int64, err error) {
	db, ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer cancel()
	var sum sql.NullInt64
	if err := db.read.QueryRowContext(ctx, "SELECT count(*) FROM incident").Scan(&kept); err != nil {
		return 0, 0, err
	}
	err = db.read.QueryRowContext(ctx, "SELECT CAST(SUM(n) AS BIGINT) FROM grp").Scan(&sum)
	return kept, sum.Int64, err
}
