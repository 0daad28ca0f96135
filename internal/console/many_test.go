package console

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/store"
)

// pageBound is what a page may take with a million incidents.
const pageBound = 100 * time.Millisecond

// TestPagesWithAMillion times each page. It makes half a gigabyte first, so it runs where WHYGATE_MANY says how many incidents.
func TestPagesWithAMillion(t *testing.T) {
	many, err := strconv.Atoi(os.Getenv("WHYGATE_MANY"))
	if err != nil {
		t.Skip("skipped: it takes minutes; WHYGATE_MANY=1000000 runs it")
	}
	file := filepath.Join(t.TempDir(), "incidents.db")
	s := store.New(store.Options{Place: store.InFile(file), Instance: "edge@test"})
	defer s.Close()
	for i := range 200 {
		one := an(fmt.Sprint("G", i), time.Now())
		one.Pool = fmt.Sprint("pool", i)
		s.Add(one)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, all, err := s.Counts(t.Context()); err == nil && all == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("not stored")
		}
	}
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < $1), g AS (SELECT id, row_number() OVER () - 1 AS k FROM grp)
		INSERT INTO incident SELECT 'X' || n, $2 - n * 2000000, g.id, 502, 0, 0, '/', 'http://10.0.0.' || (n % 3) || ':80', 'GET', 'shop.example', '/items/:id', '10.0.0.7', 'curl', '1.1', 'r' || n, 't' || n, 'edge', 1, hex(randomblob(150))
		FROM c JOIN g ON g.k = n % 200`, many, time.Now().UnixMicro()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO bucket SELECT at / 60000000, grp, endpoint, route, count(*), 0 FROM incident WHERE true GROUP BY 1, 2, 3, 4 ON CONFLICT DO NOTHING`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO halfhour SELECT minute / 30, grp, sum(n), 0 FROM bucket WHERE true GROUP BY 1, 2 ON CONFLICT DO NOTHING`); err != nil {
		t.Fatal(err)
	}
	c := New(Options{
		Store: func() *store.Store { return s }, Pools: func() []Pool { return nil }, Baseline: func(string, time.Time) []incident.Values { return nil },
		Advice: func(lines []string, _ string) []string { return lines }, Recent: func(string) *incident.Incident { return nil },
	})
	groups, err := s.Groups(t.Context(), store.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for path, h := range map[string]http.HandlerFunc{
		"/console/": c.now, "/console/groups": c.groups, "/console/groups/" + groups[0].ID: c.group, "/console/incidents": c.incidents, "/console/incidents?since=all&pool=pool7": c.incidents,
		"/console/incidents/G7": c.incident, "/console/live": c.live, "/console/find?q=r77777": c.find, "/console/changes": c.changes,
	} {
		var times []time.Duration
		for range 20 {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.SetPathValue("id", filepath.Base(path))
			w := httptest.NewRecorder()
			began := time.Now()
			h(w, r)
			times = append(times, time.Since(began))
			if w.Code >= 400 {
				t.Fatalf("%s: %d", path, w.Code)
			}
		}
		slices.Sort(times)
		t.Logf("%-42s p50 %8v  p95 %8v", path, times[10].Round(100*time.Microsecond), times[18].Round(100*time.Microsecond))
		if times[18] > pageBound {
			t.Errorf("%s takes %v", path, times[18])
		}
	}
}
