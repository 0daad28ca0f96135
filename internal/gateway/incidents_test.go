package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
)

// keeping starts a gateway of a configuration, and gives how it is stopped.
func keeping(t *testing.T, text string) (*gateway.Gateway, func()) {
	t.Helper()
	cfg, problems := config.Parse("whygate.yaml", []byte(text), config.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if err := gateway.Check(cfg).Err(); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(cfg, gateway.Options{Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	return g, func() { g.Stop(0, time.Second) }
}

// fetchAs asks the admin address.
func fetchAs(t *testing.T, g *gateway.Gateway, path, user, password string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Admin()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth(user, password)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// TestIncidentsOutliveTheGateway: what one gateway kept the next one shows, and a command was told of it.
func TestIncidentsOutliveTheGateway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	told := filepath.Join(dir, "told")
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`version: 1
listen: [{address: "127.0.0.1:0"}]
admin: "127.0.0.1:0"
access_log: "off"
incidents: {store: "sqlite:%s"}
console: {password_file: %q}
notify: [{command: [/bin/sh, -c, "cat >> %s"]}]
routes: [{pool: web}]
pools: {web: {endpoints: ["http://127.0.0.1:1"]}}
`, filepath.Join(dir, "i.db"), password, told)
	g, stop := keeping(t, text)
	if status, _ := ask(t, g.Addresses()[0].Address); status != 502 {
		t.Fatal(status)
	}
	id := g.Incidents(1)[0].ID
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // a look, not a wait
		if b, err := os.ReadFile(told); err == nil && strings.Contains(string(b), `"kind":"new","pool":"web","cause":"connection-refused"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody was told")
		}
	}
	stop()
	g, stop = keeping(t, text)
	defer stop()
	for path, want := range map[string]string{
		"/incidents/" + id: `"cause": "connection-refused"`, "/console/incidents/" + id: "Connection refused", "/console/": "Connection refused",
		"/metrics": "whygate_incident_store_failing 0", "/api/groups": `"count": 1`, "/api/changes": `"kind": "start"`,
	} {
		if status, body := fetchAs(t, g, path, "ann", "correct horse"); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
		if status, _ := fetchAs(t, g, path, "", ""); status != 401 && path != "/metrics" {
			t.Errorf("%s without the password: %d", path, status)
		}
	}
	if status, _ := fetchAs(t, g, "/healthz", "", ""); status != 200 {
		t.Errorf("health asks for a password: %d", status)
	}
}

// TestAPoolIsShown: the first page has each pool, and says that nothing failed.
func TestAPoolIsShown(t *testing.T) {
	t.Parallel()
	g, stop := keeping(t, pool("127.0.0.1:0", httpOrigin(t, "well"), ""))
	defer stop()
	for range 3 {
		if status, _ := ask(t, g.Addresses()[0].Address); status != 200 {
			t.Fatal(status)
		}
	}
	var body string
	until(t, "the page can be read", func() bool { // a store that is being opened says so
		var status int
		status, body = fetchAs(t, g, "/console/", "", "")
		return status == 200
	})
	if !strings.Contains(body, "well") || !strings.Contains(body, "There are no incidents yet") {
		t.Error(body)
	}
}

// TestReloadMovesTheStore: another store is written to from then on, and the old one has what came before.
func TestReloadMovesTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := func(name string) []byte {
		return fmt.Appendf(nil, "version: 1\nlisten: [{address: \"127.0.0.1:0\"}]\nadmin: \"127.0.0.1:0\"\naccess_log: \"off\"\nincidents: {store: \"sqlite:%s\"}\nroutes: [{pool: web}]\npools: {web: {endpoints: [\"http://127.0.0.1:1\"]}}\n", filepath.Join(dir, name))
	}
	parse := func(name string) (*config.Config, config.Problems) {
		return config.Parse("whygate.yaml", text(name), config.Options{})
	}
	cfg, problems := parse("one.db")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(cfg, gateway.Options{Stdout: io.Discard, Stderr: io.Discard, Load: func() (*config.Config, config.Problems) { return parse("two.db") }})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	for _, file := range []string{"one.db", "two.db"} {
		if status, _ := ask(t, g.Addresses()[0].Address); status != 502 {
			t.Fatal(status)
		}
		// A store that is closed has two seconds, which a busy machine may need for the tables alone.
		s := store.NewReader(store.Options{Place: store.InFile(filepath.Join(dir, file))})
		until(t, "the incident is not in "+file, func() bool {
			_, all, err := s.Counts(t.Context())
			return err == nil && all == 1
		})
		s.Close()
		if file == "one.db" {
			if err := g.Reload(); err != nil {
				t.Fatal(err)
			}
		}
	}
	g.Stop(0, time.Second)
	for _, file := range []string{"one.db", "two.db"} {
		s := store.NewReader(store.Options{Place: store.InFile(filepath.Join(dir, file))})
		if _, all, err := s.Counts(t.Context()); err != nil || all != 1 {
			t.Errorf("%s has %d incidents, %v", file, all, err)
		}
		s.Close()
	}
}

// TestIncidentsAreShownMasked: what the store does not keep of an incident is not shown from memory either.
func TestIncidentsAreShownMasked(t *testing.T) {
	t.Parallel()
	g, stop := keeping(t, `version: 1
listen: [{address: "127.0.0.1:0"}]
admin: "127.0.0.1:0"
access_log: "off"
incidents: {store: memory}
routes: [{pool: web}]
pools: {web: {endpoints: ["http://127.0.0.1:1"]}}
`)
	defer stop()
	const secret = "hunter2hunter2"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Addresses()[0].Address+"/in/token="+secret+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "tool (password: "+secret+")")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	until(t, "there is no incident", func() bool { return len(g.Incidents(1)) > 0 })
	id := g.Incidents(1)[0].ID
	for _, path := range []string{"/incidents", "/incidents/" + id, "/api/incidents/" + id, "/console/incidents/" + id} {
		status, body := fetchAs(t, g, path, "", "")
		if status != 200 || !strings.Contains(body, id) || strings.Contains(body, secret) {
			t.Errorf("%s: %d, %s", path, status, body)
		}
	}
}
