package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/redact"
)

// batch is what is written in one transaction.
type batch struct {
	*pending
	process  string
	seq      int64
	instance string
}

// transaction is a transaction in one database's spelling. Its first error stays.
type transaction struct {
	ctx context.Context
	tx  *sql.Tx
	db  *database
	one *sql.Stmt    // that keeps an example, once there was one
	cut func() error // is asked before each statement; nil except in tests
	err error
}

// ready reports whether to go on.
func (t *transaction) ready() bool {
	if t.err == nil && t.cut != nil {
		t.err = t.cut()
	}
	return t.err == nil
}

// exec runs a statement and gives how many rows it touched.
func (t *transaction) exec(statement string, args ...any) int64 {
	if !t.ready() {
		return 0
	}
	var result sql.Result
	if result, t.err = t.tx.ExecContext(t.ctx, t.db.q(statement), args...); t.err != nil {
		return 0
	}
	n, err := result.RowsAffected()
	t.err = err
	return n
}

// row reads one row, and reports whether there is one.
func (t *transaction) row(statement string, args []any, into ...any) bool {
	if !t.ready() {
		return false
	}
	err := t.tx.QueryRowContext(t.ctx, t.db.q(statement), args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false
	}
	t.err = err
	return err == nil
}

// within runs f in a transaction of the connection that writes.
func (db *database) within(ctx context.Context, f func(*transaction)) error {
	return db.withinTime(ctx, writeTime, f)
}

func (db *database) withinTime(ctx context.Context, most time.Duration, f func(*transaction)) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	t := &transaction{ctx: ctx, tx: tx, db: db}
	f(t)
	if t.err != nil {
		_ = tx.Rollback()
		return t.err
	}
	return tx.Commit()
}

// save writes a batch, whole and once: one that had been written when its answer was lost is known by its number.
func (db *database) save(ctx context.Context, b *batch) ([]Event, error) {
	return db.saveCutting(ctx, b, nil)
}

// saveCutting is save with an error before a statement of the test's choice.
func (db *database) saveCutting(ctx context.Context, b *batch, cut func() error) (events []Event, err error) {
	err = db.withinTime(ctx, batchTime, func(t *transaction) {
		t.cut = cut
		var had int64
		if t.row("SELECT seq FROM writer WHERE process = $1", []any{b.process}, &had) && had >= b.seq {
			return
		}
		events = t.groups(b)
		t.buckets(b)
		for _, i := range b.examples {
			t.example(b, i)
		}
		for n, c := range b.changes {
			t.exec("INSERT INTO change (id, at, instance, kind, subject, text) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
				b.process+"-"+strconv.FormatInt(b.seq, 36)+"-"+fmt.Sprintf("%04d", n), c.At.UnixMicro(), c.Instance, plain(c.Kind), plain(c.Subject), plain(c.Text))
		}
		t.exec("INSERT INTO writer (process, seq, at) VALUES ($1, $2, $3) ON CONFLICT (process) DO UPDATE SET seq = excluded.seq, at = excluded.at",
			b.process, b.seq, time.Now().UnixMicro())
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// groups adds to the groups, in the order of their keys: two gateways that lock the same rows lock them in the same order.
func (t *transaction) groups(b *batch) []Event {
	all := make([]*delta, 0, len(b.groups))
	for _, d := range b.pending.groups {
		all = append(all, d)
	}
	slices.SortFunc(all, func(x, y *delta) int { return cmp.Compare(x.key.id(), y.key.id()) })
	var events []Event
	for _, d := range all {
		if e, is := t.group(d); is {
			events = append(events, e)
		}
	}
	return events
}

// group adds to one group, and says whether it is new or came back.
func (t *transaction) group(d *delta) (e Event, is bool) {
	id := d.key.id()
	isNew := t.exec(`INSERT INTO grp (id, pool, cause, stage, family, type, title, first, last, n, saved, clients, state, note, changed, muted, regressed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, $10, $11, '', 0, 0, 0) ON CONFLICT (id) DO NOTHING`,
		id, d.key.pool, d.key.cause, d.key.stage, d.family, d.kind, d.title, d.first.UnixMicro(), d.last.UnixMicro(), []byte{}, string(StateOpen)) > 0
	lock := ""
	if t.db.kind == postgres {
		lock = " FOR UPDATE"
	}
	g, ok := t.read(id, lock)
	if !ok {
		return e, false
	}
	merged := d.clients
	merged.merge(g.registers)
	state, regressed := g.State, g.Regressed
	if state == StateResolved && d.last.After(g.Changed) {
		state, regressed = StateOpen, d.last
		e.Kind, is = Regression, true
	}
	if isNew {
		e.Kind, is = NewGroup, true
	}
	first, last := d.first, d.last
	if g.First.Before(first) {
		first = g.First
	}
	if g.Last.After(last) {
		last = g.Last
	}
	t.exec("UPDATE grp SET title = $2, first = $3, last = $4, n = n + $5, saved = saved + $6, clients = $7, state = $8, regressed = $9 WHERE id = $1",
		id, d.title, first.UnixMicro(), last.UnixMicro(), d.tally.n, d.tally.saved, merged[:], string(state), micro(regressed))
	e.Group = g.Group
	e.Group.First, e.Group.Last, e.Group.State, e.Group.Regressed = first, last, state, regressed
	e.Group.Count, e.Group.Saved, e.Group.Clients = g.Count+d.tally.n, g.Saved+d.tally.saved, merged.count()
	return e, is
}

// groupRow is a group with the registers that its number of clients is made from.
type groupRow struct {
	Group
	registers []byte
}

const groupColumns = "id, pool, cause, stage, family, type, title, first, last, n, saved, clients, state, note, changed, muted, regressed"

// scanner is a row of a result.
type scanner func(into ...any) error

func scanGroup(scan scanner) (*groupRow, error) {
	var g groupRow
	var first, last, changed, muted, regressed int64
	var state string
	if err := scan(&g.ID, &g.Pool, &g.Cause, &g.Stage, &g.Family, &g.Type, &g.Title, &first, &last, &g.Count, &g.Saved, &g.registers, &state, &g.Note, &changed, &muted, &regressed); err != nil {
		return nil, err
	}
	g.First, g.Last, g.Changed, g.Muted, g.Regressed = moment(first), moment(last), moment(changed), moment(muted), moment(regressed)
	g.State = State(state)
	var c clients
	c.merge(g.registers)
	g.Clients = c.count()
	return &g, nil
}

// read gives a group as it stands.
func (t *transaction) read(id, lock string) (*groupRow, bool) {
	if !t.ready() {
		return nil, false
	}
	g, err := scanGroup(t.tx.QueryRowContext(t.ctx, t.db.q("SELECT "+groupColumns+" FROM grp WHERE id = $1"+lock), id).Scan)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.err = err
	}
	return g, err == nil
}

// buckets adds to the counts of each minute, in the order of their keys.
func (t *transaction) buckets(b *batch) {
	keys := make([]bucketKey, 0, len(b.pending.buckets))
	for k := range b.pending.buckets {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y bucketKey) int {
		return cmp.Or(cmp.Compare(x.group.id(), y.group.id()), cmp.Compare(x.minute, y.minute), cmp.Compare(x.endpoint, y.endpoint), cmp.Compare(x.route, y.route))
	})
	halves := map[halfKey]*tally{}
	for _, k := range keys {
		n := b.pending.buckets[k]
		h := halfKey{k.minute / halfHour, k.group.id()}
		if halves[h] == nil {
			halves[h] = &tally{}
		}
		halves[h].n, halves[h].saved = halves[h].n+n.n, halves[h].saved+n.saved
		t.exec(`INSERT INTO bucket (minute, grp, endpoint, route, n, saved) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (grp, minute, endpoint, route) DO UPDATE SET n = bucket.n + excluded.n, saved = bucket.saved + excluded.saved`,
			k.minute, k.group.id(), k.endpoint, k.route, n.n, n.saved)
	}
	for _, h := range slices.SortedFunc(maps.Keys(halves), func(x, y halfKey) int { return cmp.Or(cmp.Compare(x.group, y.group), cmp.Compare(x.slot, y.slot)) }) {
		t.exec(`INSERT INTO halfhour (slot, grp, n, saved) VALUES ($1, $2, $3, $4)
			ON CONFLICT (slot, grp) DO UPDATE SET n = halfhour.n + excluded.n, saved = halfhour.saved + excluded.saved`, h.slot, h.group, halves[h].n, halves[h].saved)
	}
}

// halfHour is half an hour in minutes.
const halfHour = int64(Step / time.Minute)

// halfKey is half an hour of a group.
type halfKey struct {
	slot  int64
	group string
}

const insertExample = `INSERT INTO incident (id, at, grp, status, saved, late, route, endpoint, method, host, path, client, agent, version, request, trace, instance, reused, doc)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT (id) DO NOTHING`

// example keeps one incident whole.
func (t *transaction) example(b *batch, i *incident.Incident) {
	if t.err != nil {
		return
	}
	doc, err := document(i)
	if err != nil {
		t.err = err
		return
	}
	r := &i.Request
	key := groupKey{i.Pool, i.Cause.String(), i.Stage.String()}
	if !t.ready() {
		return
	}
	if t.one == nil {
		if t.one, t.err = t.tx.PrepareContext(t.ctx, t.db.q(insertExample)); t.err != nil {
			return
		}
	}
	_, t.err = t.one.ExecContext(t.ctx,
		i.ID, i.At.UnixMicro(), key.id(), i.Status, bit(i.Saved), bit(i.Late), plain(i.Route), plain(endpointOf(i)), plain(r.Method), plain(redact.Line(r.Host)), plain(incident.Template(redact.Line(r.Target))),
		host(r.Client), incident.Agent(r.Agent), r.Version, plain(r.ID), r.TraceID, b.instance, reused(i), plain(string(doc)))
}

// reused tells whether the attempt that failed was on a connection that had been used before: -1 where there was no connection.
func reused(i *incident.Incident) int {
	if i.Evidence == nil || i.Evidence.Nth == 0 {
		return -1
	}
	return bit(i.Evidence.Reused)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// micro is a moment as it is kept, 0 for none.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
