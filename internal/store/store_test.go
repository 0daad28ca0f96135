package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/incident"

	"github.com/whygate/whygate/internal/pgtest"
)

// places are the three kinds, each empty. Every behaviour is tested on all of them.
var places = []struct {
	name string
	make func(t *testing.T) Place
}{
	{"memory", func(*testing.T) Place { return memory }},
	{"SQLite", func(t *testing.T) Place { return InFile(filepath.Join(t.TempDir(), "state", "incidents.db")) }},
	{"PostgreSQL", onPostgres},
}

// onAll runs a test on each kind.
func onAll(t *testing.T, f func(t *testing.T, p Place)) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) { f(t, p.make(t)) })
	}
}

// an incident for tests.
func an(id, pool string, cause fault.Cause, at time.Time) *incident.Incident {
	f := fault.Fault{Type: fault.TypeConnectionRefused, Cause: cause, Stage: fault.Dial}
	return &incident.Incident{
		ID: id, At: at, Status: 502, Type: f.Type, Cause: cause, Family: f.Family(), Stage: f.Stage, Title: f.Title(), Pool: pool, Route: "/a/*",
		Sentence: "refused", Request: incident.Request{ID: "req-" + id, Client: "10.0.0.7:41234", Method: "GET", Host: "shop.example", Target: "/a/123/x", Version: "1.1", Agent: "curl/8"},
		Evidence: &fault.Evidence{Stage: fault.Dial, End: fault.Refused, Endpoint: "http://10.0.0.9:80", Addr: "10.0.0.9:80", Declared: -1},
	}
}

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); {
		if time.Now().After(deadline) {
			t.Fatal("never: ", what)
		}
		time.Sleep(5 * time.Millisecond) // a look, not a wait: what is looked for may be there at once
	}
}

func count(t *testing.T, s *Store) int64 {
	t.Helper()
	_, all, err := s.Counts(t.Context())
	if err != nil {
		return -1
	}
	return all
}

func TestIncidentsAreFound(t *testing.T) {
	onAll(t, func(t *testing.T, p Place) {
		s := New(Options{Place: p, Instance: "edge-1"})
		defer s.Close()
		now := time.Now().UTC().Truncate(time.Microsecond)
		s.Add(an("AAA", "web", fault.CauseConnectionRefused, now.Add(-time.Hour)))
		s.Add(an("BBB", "web", fault.CauseConnectionRefused, now))
		s.Add(an("CCC", "api", fault.CauseHeadTimeout, now.Add(-time.Minute)))
		eventually(t, "three incidents", func() bool { return count(t, s) == 3 })
		ids := func(q Query) string {
			t.Helper()
			list, err := s.Incidents(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, r := range list {
				b.WriteString(r.ID + " ")
			}
			return strings.TrimSpace(b.String())
		}
		group := groupKey{"web", "connection-refused", "dial"}.id()
		for _, tt := range []struct {
			q    Query
			want string
		}{
			{Query{}, "BBB CCC AAA"},
			{Query{Limit: 1}, "BBB"},
			{Query{Since: now.Add(-10 * time.Minute)}, "BBB CCC"},
			{Query{Until: now}, "CCC AAA"},
			{Query{Pool: "api"}, "CCC"},
			{Query{Cause: "connection-refused"}, "BBB AAA"},
			{Query{Group: group}, "BBB AAA"},
			{Query{Pool: "none"}, ""},
		} {
			if got := ids(tt.q); got != tt.want {
				t.Errorf("%+v: %q, want %q", tt.q, got, tt.want)
			}
		}
		r, err := s.Incident(t.Context(), "aaa")
		if err != nil {
			t.Fatal(err)
		}
		r.Doc = nil
		want := Row{
			ID: "AAA", At: now.Add(-time.Hour), Group: group, Pool: "web", Cause: "connection-refused", Stage: "dial", Title: r.Title, Status: 502, Route: "/a/*",
			Endpoint: "http://10.0.0.9:80", Method: "GET", Host: "shop.example", Path: "/a/:id/x", Client: "10.0.0.7", Agent: "curl", Version: "1.1", Request: "req-AAA", Instance: "edge-1", Reused: -1,
		}
		if fmt.Sprint(*r) != fmt.Sprint(want) {
			t.Errorf("%+v\nwant %+v", *r, want)
		}
		if _, err := s.Incident(t.Context(), "ZZZ"); !errors.Is(err, ErrNone) {
			t.Errorf("one that there is not: %v", err)
		}
		if found, err := s.Find(t.Context(), "req-BBB"); err != nil || len(found) != 1 || found[0].ID != "BBB" || !json.Valid(found[0].Doc) {
			t.Errorf("%v, %v", found, err)
		}
	})
}

func TestGroups(t *testing.T) {
	onAll(t, func(t *testing.T, p Place) {
		var mu sync.Mutex
		var told []string
		s := New(Options{Place: p, Told: func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, string(e.Kind)+" "+e.Group.Pool)
		}})
		defer s.Close()
		now := time.Now().UTC().Truncate(time.Microsecond)
		for i := range 300 {
			one := an(fmt.Sprintf("I%d", i), "web", fault.CauseConnectionRefused, now.Add(time.Duration(i)*time.Millisecond))
			one.Saved = i%3 == 0
			one.Request.Client = fmt.Sprintf("10.0.%d.7:1", i%50)
			s.Add(one)
		}
		s.Add(an("X", "", fault.CauseNoRoute, now))
		eventually(t, "all are counted", func() bool { return count(t, s) == 301 })
		groups, err := s.Groups(t.Context(), Query{Pool: "web"})
		if err != nil || len(groups) != 1 {
			t.Fatalf("%v, %v", groups, err)
		}
		g := groups[0]
		if g.Count != 300 || g.Saved != 100 || !g.First.Equal(now) || !g.Last.Equal(now.Add(299*time.Millisecond)) || g.State != StateOpen || g.Clients < 45 || g.Clients > 55 || g.Family != "application" {
			t.Errorf("%+v", g)
		}
		kept, all, err := s.Counts(t.Context())
		if err != nil || all != 301 || kept > 50 || kept < 21 {
			t.Errorf("%d of %d are kept whole (%v)", kept, all, err)
		}
		buckets, err := s.Buckets(t.Context(), g.ID, now.Add(-time.Hour))
		sum := int64(0)
		for _, b := range buckets[g.ID] {
			sum += b.Count
		}
		if err != nil || sum != 300 {
			t.Errorf("the hours have %d: %v, %v", sum, buckets, err)
		}
		if err := s.Decide(t.Context(), g.ID, StateResolved, "fixed in 1.2", time.Time{}, "ann"); err != nil {
			t.Fatal(err)
		}
		if g, err := s.Group(t.Context(), g.ID); err != nil || g.State != StateResolved || g.Note != "fixed in 1.2" || !g.Regressed.IsZero() {
			t.Errorf("%+v, %v", g, err)
		}
		s.Add(an("LATER", "web", fault.CauseConnectionRefused, time.Now().Add(time.Second)))
		eventually(t, "it counts", func() bool { return count(t, s) == 302 })
		if g, err := s.Group(t.Context(), g.ID); err != nil || g.State != StateOpen || g.Regressed.IsZero() {
			t.Errorf("it came back: %+v, %v", g, err)
		}
		eventually(t, "all is told", func() bool {
			mu.Lock()
			defer mu.Unlock()
			got := fmt.Sprint(told)
			return got == "[new  new web regressed web]" || got == "[new web new  regressed web]"
		})
		for _, err := range []error{s.Decide(t.Context(), "none", StateOpen, "", time.Time{}, "ann"), s.Decide(t.Context(), g.ID, "gone", "", time.Time{}, "ann")} {
			if err == nil {
				t.Error("decided on nothing")
			}
		}
	})
}

func TestNearestChange(t *testing.T) {
	onAll(t, func(t *testing.T, p Place) {
		s := New(Options{Place: p, Instance: "edge-1"})
		defer s.Close()
		s.Note("reload", "whygate.yaml", "reloaded")
		s.Note("deploy", "web", "version 1.2\x00")
		eventually(t, "two changes", func() bool {
			list, err := s.Changes(t.Context(), Query{})
			return err == nil && len(list) == 2
		})
		c, err := s.Nearest(t.Context(), time.Now().Add(time.Minute), time.Hour)
		if err != nil || c == nil || c.Kind != "deploy" || c.Instance != "edge-1" || c.Subject != "web" {
			t.Errorf("%+v, %v", c, err)
		}
		if c, err := s.Nearest(t.Context(), time.Now().Add(-time.Minute), time.Hour); err != nil || c != nil {
			t.Errorf("before all of them: %+v, %v", c, err)
		}
	})
}

func TestItLasts(t *testing.T) {
	for _, p := range places[1:] {
		t.Run(p.name, func(t *testing.T) {
			place := p.make(t)
			for i := range 3 {
				s := New(Options{Place: place})
				s.Add(an(fmt.Sprintf("I%d", i), "web", fault.CauseConnectionRefused, time.Now()))
				s.Close() // writes what waits
			}
			s := NewReader(Options{Place: place})
			defer s.Close()
			if n := count(t, s); n != 3 {
				t.Errorf("%d are left", n)
			}
		})
	}
}

// TestABatchCountsOnce: an answer that was lost makes nobody count twice.
func TestABatchCountsOnce(t *testing.T) {
	onAll(t, func(t *testing.T, p Place) {
		db, _, err := open(t.Context(), p, moveDamaged)
		if err != nil {
			t.Fatal(err)
		}
		defer db.close()
		b := &batch{pending: newPending(), process: "p", seq: 1}
		b.add(an("A", "web", fault.CauseConnectionRefused, time.Now()), true)
		for range 3 {
			if _, err := db.save(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		var n int64
		if err := db.read.QueryRow("SELECT n FROM grp").Scan(&n); err != nil || n != 1 {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// TestAnyStatementMayFail cuts a batch at its first statement, at its second, and so on: what is written in the end is the same.
func TestAnyStatementMayFail(t *testing.T) {
	onAll(t, func(t *testing.T, p Place) {
		db, _, err := open(t.Context(), p, moveDamaged)
		if err != nil {
			t.Fatal(err)
		}
		defer db.close()
		b := &batch{pending: newPending(), process: "p", seq: 1}
		for i := range 5 {
			b.add(an(fmt.Sprint("A", i), fmt.Sprint("pool", i%2), fault.CauseConnectionRefused, time.Now()), true)
		}
		b.changes = []Change{{At: time.Now(), Kind: "reload"}}
		cut := errors.New("cut")
		left := 0
		for ; left < 100; left++ {
			n := 0
			_, err = db.saveCutting(t.Context(), b, func() error {
				if n++; n > left {
					return cut
				}
				return nil
			})
			if err == nil {
				break
			}
			if !errors.Is(err, cut) {
				t.Fatal(err)
			}
		}
		if left < 15 || left == 100 {
			t.Errorf("a batch has %d statements", left)
		}
		var groups, n, examples, changes int64
		err = db.read.QueryRow("SELECT (SELECT count(*) FROM grp), (SELECT CAST(sum(n) AS BIGINT) FROM bucket), (SELECT count(*) FROM incident), (SELECT count(*) FROM change)").Scan(&groups, &n, &examples, &changes)
		if err != nil || groups != 2 || n != 5 || examples != 5 || changes != 1 {
			t.Errorf("%d groups, %d incidents, %d examples, %d changes, %v", groups, n, examples, changes, err)
		}
	})
}

func TestManyGatewaysWriteAtOnce(t *testing.T) {
	for _, p := range places[1:] {
		t.Run(p.name, func(t *testing.T) {
			place := p.make(t)
			const gateways, each = 4, 200
			var wait sync.WaitGroup
			s := NewReader(Options{Place: place})
			defer s.Close()
			written := make(chan struct{}) // a gateway that ends waits for two seconds at most
			for g := range gateways {
				s := New(Options{Place: place, Instance: fmt.Sprint("edge-", g)})
				wait.Go(func() {
					if _, err := s.open(t.Context()); err != nil { // all of them make the tables
						t.Error(err)
					}
					for i := range each {
						s.Add(an(fmt.Sprintf("I%d-%d", g, i), fmt.Sprint("pool", i%7), fault.CauseConnectionRefused, time.Now()))
					}
					<-written
					s.Close()
				})
			}
			for began := time.Now(); count(t, s) < gateways*each && time.Since(began) < time.Minute; {
				<-time.After(20 * time.Millisecond)
			}
			close(written)
			wait.Wait()
			if n := count(t, s); n != gateways*each {
				t.Errorf("%d, want %d", n, gateways*each)
			}
			list, err := s.Incidents(t.Context(), Query{})
			if err != nil {
				t.Fatal(err)
			}
			from := map[string]bool{}
			for _, r := range list {
				from[r.Instance] = true
			}
			if len(from) != gateways {
				t.Errorf("incidents of %v", from)
			}
		})
	}
}

// logged is a log that can be read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestDamagedFileIsMovedAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "incidents.db")
	if err := os.WriteFile(path, append([]byte(sqliteMagic), bytes.Repeat([]byte("this is no database "), 1000)...), 0o600); err != nil {
		t.Fatal(err)
	}
	var log logged
	s := New(Options{Place: InFile(path), Log: slog.New(slog.NewTextHandler(&log, nil))})
	s.Add(an("A", "web", fault.CauseConnectionRefused, time.Now()))
	eventually(t, "it is stored", func() bool { return count(t, s) == 1 })
	s.Close()
	aside, err := filepath.Glob(path + ".damaged-*")
	if err != nil || len(aside) != 1 {
		t.Fatalf("%v, %v", aside, err)
	}
	if b, err := os.ReadFile(aside[0]); err != nil || !bytes.HasPrefix(b, []byte(sqliteMagic+"this is no database")) {
		t.Errorf("what was there is gone: %v", err)
	}
	if !strings.Contains(log.String(), "moved aside") || !strings.Contains(log.String(), aside[0]) {
		t.Errorf("the log: %s", log.String())
	}
}

func TestFileIsItsUsersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	s := New(Options{Place: InFile(filepath.Join(dir, "incidents.db"))})
	s.Add(an("A", "web", fault.CauseConnectionRefused, time.Now()))
	eventually(t, "it is stored", func() bool { return count(t, s) == 1 })
	defer s.Close()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

// TestNothingWaitsForABrokenStore: what cannot be written is bounded, counted, and written later.
func TestNothingWaitsForABrokenStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blocked")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file where the directory should be
		t.Fatal(err)
	}
	var log logged
	s := New(Options{Place: InFile(filepath.Join(dir, "incidents.db")), Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer s.Close()
	eventually(t, "it fails", func() bool { _, err := s.Failing(); return err != nil })
	const many = 3 * examplesMax
	began := time.Now()
	for i := range many {
		one := an(fmt.Sprint("I", i), fmt.Sprint("pool", i%1000), fault.CauseConnectionRefused, began)
		s.Add(one)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are counted", func() bool { return count(t, s) == many })
	kept, _, err := s.Counts(t.Context())
	if err != nil || kept > 2*examplesMax || kept+int64(s.Dropped()) != many {
		t.Errorf("%d kept, %d dropped, of %d, %v", kept, s.Dropped(), many, err)
	}
	if n := strings.Count(log.String(), "cannot be stored"); n != 1 {
		t.Errorf("said %d times: %s", n, log.String())
	}
	eventually(t, "it says that it is well", func() bool { return strings.Contains(log.String(), "stored again") })
}

func TestOldIncidentsGo(t *testing.T) {
	onAll(t, func(t *testing.T, p Place) {
		s := New(Options{Place: p, KeepFor: time.Hour})
		defer s.Close()
		s.Add(an("OLD", "web", fault.CauseConnectionRefused, time.Now().Add(-2*time.Hour)))
		s.Add(an("NEW", "web", fault.CauseConnectionRefused, time.Now()))
		eventually(t, "both are there", func() bool { return count(t, s) == 2 })
		if err := s.keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if kept, all, err := s.Counts(t.Context()); err != nil || kept != 1 || all != 2 {
			t.Errorf("%d of %d, %v", kept, all, err)
		}
		s.options.KeepSize = 1
		if err := s.keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if kept, all, err := s.Counts(t.Context()); err != nil || kept != 0 || all != 2 {
			t.Errorf("%d of %d, %v", kept, all, err)
		}
	})
}

func TestSecretsAreNotStored(t *testing.T) {
	onAll(t, func(t *testing.T, p Place) {
		s := New(Options{Place: p})
		defer s.Close()
		i := an("A", "web", fault.CauseBadStatusLine, time.Now())
		const secret = "hunter2hunter2"
		i.Request.Target = "/in/token=" + secret + "/x"
		i.Request.Agent = "tool (password: " + secret + ")"
		i.Evidence.Detail = "Authorization: Bearer " + secret
		i.Evidence.Sample = []byte("HTTP/1.1 200 OK\r\nSet-Cookie: s=" + secret + "\r\n\r\n")
		i.Attempts = []fault.Evidence{*i.Evidence}
		s.Add(i)
		eventually(t, "it is stored", func() bool { return count(t, s) == 1 })
		r, err := s.Incident(t.Context(), "A")
		if err != nil {
			t.Fatal(err)
		}
		if all := fmt.Sprint(*r) + string(r.Doc); strings.Contains(all, secret) || strings.Contains(all, fmt.Sprintf("%x", secret)) {
			t.Errorf("kept: %s", all)
		}
		if !bytes.Contains(r.Doc, []byte(`"sample"`)) {
			t.Errorf("the first bytes are gone: %s", r.Doc)
		}
	})
}

func TestServerStoppedAndStarted(t *testing.T) {
	pg := pgtest.The(t)
	var log logged
	s := New(Options{Place: onPostgres(t), Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer s.Close()
	s.Add(an("BEFORE", "web", fault.CauseConnectionRefused, time.Now()))
	eventually(t, "the first is stored", func() bool { return count(t, s) == 1 })
	pg.Stop(syscall.SIGINT)
	for i := range 100 {
		s.Add(an(fmt.Sprint("DURING", i), fmt.Sprint("pool", i), fault.CauseConnectionRefused, time.Now()))
	}
	eventually(t, "it fails", func() bool { _, err := s.Failing(); return err != nil })
	if err := pg.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all that waited is stored", func() bool { return count(t, s) == 101 })
	if kept, _, err := s.Counts(t.Context()); err != nil || kept != 101 || s.Dropped() != 0 {
		t.Errorf("%d kept, %d dropped, %v", kept, s.Dropped(), err)
	}
	eventually(t, "it says so", func() bool { return strings.Contains(log.String(), "stored again") })
}

func TestParsePlace(t *testing.T) {
	for text, want := range map[string]string{
		"memory": "memory", "sqlite:/var/lib/x.db": "sqlite:/var/lib/x.db",
		"postgres://u:geheim@db/w?sslmode=require":              "postgres://u@db:5432/w",
		"postgres:host=/run/pg user=u password=geheim dbname=w": "postgres:host=/run/pg port=5432 user=u dbname=w",
		"sqlite:": "", "postgres:": "", "mysql://x": "", "": "", "/var/lib/x.db": "",
	} {
		p, err := ParsePlace(text)
		if (err == nil) != (want != "") || err == nil && p.String() != want {
			t.Errorf("%q: %v, %v; want %q", text, p, err, want)
		}
	}
}

func TestDefault(t *testing.T) {
	home := t.TempDir()
	for _, tt := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"STATE_DIRECTORY": "/var/lib/whygate:/var/lib/other", "HOME": home}, "sqlite:/var/lib/whygate/incidents.db"},
		{map[string]string{"XDG_STATE_HOME": "/x", "HOME": home}, "sqlite:/x/whygate/incidents.db"},
		{map[string]string{"XDG_STATE_HOME": "relative", "HOME": home}, "sqlite:" + home + "/.local/state/whygate/incidents.db"},
		{map[string]string{"HOME": "/nonexistent"}, ""},
		{nil, ""},
	} {
		p, err := Default(func(k string) string { return tt.env[k] })
		if (err == nil) != (tt.want != "") || err == nil && p.String() != tt.want || err != nil && !p.IsMemory() {
			t.Errorf("%v: %v, %v", tt.env, p, err)
		}
	}
}

func TestClientsAreEstimated(t *testing.T) {
	for _, n := range []int{0, 1, 2, 10, 100, 1000, 20000} {
		var a, b clients
		for i := range n {
			address := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
			a.add(address)
			a.add(address)
			if i%2 == 0 {
				b.add(address)
			}
		}
		b.merge(a[:])
		if got := a.count(); float64(got) < 0.8*float64(n) || float64(got) > 1.2*float64(n)+1 {
			t.Errorf("%d are taken for %d", n, got)
		}
		if a != b {
			t.Errorf("%d: a part merged into the whole changes it", n)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	s := New(Options{Place: memory})
	defer s.Close()
	i := an("A", "web", fault.CauseConnectionRefused, time.Now())
	b.ReportAllocs()
	for b.Loop() {
		s.Add(i)
	}
}

// BenchmarkSave is what an example costs the goroutine that writes.
func BenchmarkSave(b *testing.B) {
	db, _, err := open(context.Background(), InFile(filepath.Join(b.TempDir(), "i.db")), moveDamaged)
	if err != nil {
		b.Fatal(err)
	}
	defer db.close()
	n, seq := 0, int64(0)
	for b.Loop() {
		seq++
		one := &batch{pending: newPending(), process: "p", seq: seq}
		for range 256 {
			n++
			one.add(an(fmt.Sprint("I", n), "web", fault.CauseConnectionRefused, time.Now()), true)
		}
		if _, err := db.save(context.Background(), one); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/example")
}
