//go:build linux

package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
)

// named is an upstream that answers with its name, or with the status that it is told.
type named struct {
	url    string
	status atomic.Int64
	checks atomic.Int64
	asked  atomic.Int64
}

func nameOf(t *testing.T, name string) *named {
	n := &named{}
	n.status.Store(200)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("User-Agent") == "whygate-check" {
			n.checks.Add(1)
		} else {
			n.asked.Add(1)
		}
		w.WriteHeader(int(n.status.Load()))
		_, _ = io.WriteString(w, name)
	}))
	t.Cleanup(s.Close)
	n.url = s.URL
	return n
}

// fetch is a request's status and body.
func fetch(t *testing.T, c *http.Client, url string, fields ...string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		q.Header.Set(name, value)
	}
	res, err := c.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// standing is what the admin address says of one endpoint.
type standing struct {
	Endpoint, State, Reason string
	Check                   string `json:"last_check"`
}

func (g *gate) standings(t *testing.T) map[string]standing {
	t.Helper()
	_, body := fetch(t, http.DefaultClient, "http://"+g.Admin()+"/endpoints")
	var all struct {
		Pools []struct{ Endpoints []standing }
	}
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]standing{}
	for _, p := range all.Pools {
		for _, e := range p.Endpoints {
			out[e.Endpoint] = e
		}
	}
	return out
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// An endpoint whose checks fail gets no request, and the admin address says why; when they pass it is back.
func TestChecksDecideWhoIsAsked(t *testing.T) {
	t.Parallel()
	a, b := nameOf(t, "a"), nameOf(t, "b")
	b.status.Store(500)
	g := start(t, "", map[string]route{"web": {endpoints: []string{a.url, b.url}, pool: "check: {path: /, every: 100ms, timeout: 5s, fall: 2, rise: 2}, retry: {attempts: 1}"}})
	until(t, "the one that fails was not taken out", func() bool { return g.standings(t)[b.url].State == "down" })
	if s := g.standings(t)[b.url]; !strings.Contains(s.Reason, "was answered 500") || s.Check == "" {
		t.Errorf("%+v", s)
	}
	before := b.asked.Load()
	for range 20 {
		if status, body := fetch(t, http.DefaultClient, "http://"+g.address()+"/web"); status != 200 || body != "a" {
			t.Fatalf("%d %q", status, body)
		}
	}
	if n := b.asked.Load() - before; n != 0 {
		t.Errorf("%d requests went to an endpoint that checks found down", n)
	}
	_, metrics := fetch(t, http.DefaultClient, "http://"+g.Admin()+"/metrics")
	if want := fmt.Sprintf("whygate_endpoint_state{endpoint=%q,pool=\"web\",state=\"down\"} 1", b.url); !strings.Contains(metrics, want) {
		t.Errorf("the metrics lack %s", want)
	}
	b.status.Store(200)
	until(t, "it was not put back", func() bool { return g.standings(t)[b.url].State == "up" })
	until(t, "it gets no request", func() bool {
		fetch(t, http.DefaultClient, "http://"+g.address()+"/web")
		return b.asked.Load() > before
	})
}

// gRPC's health service decides as well, and what it said stands on the admin address.
func TestHealthServiceDecidesWhoIsAsked(t *testing.T) {
	t.Parallel()
	real := grpchealth.NewServer()
	real.SetServingStatus("shop.Cart", grpc_health_v1.HealthCheckResponse_SERVING)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, real)
	done := make(chan error)
	go func() { done <- server.Serve(l) }()
	defer func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	url := "h2c://" + l.Addr().String()
	g := start(t, "", map[string]route{"web": {endpoints: []string{url}, pool: "check: {type: grpc, path: /shop.Cart, every: 100ms, timeout: 5s, fall: 2, rise: 2}"}})
	until(t, "it did not pass", func() bool { return g.standings(t)[url].Check == "passed" })
	real.SetServingStatus("shop.Cart", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	until(t, "it was not taken out", func() bool { return g.standings(t)[url].State == "down" })
	if s := g.standings(t)[url]; s.Reason != "the health service says that the service shop.Cart is NOT_SERVING" {
		t.Errorf("%+v", s)
	}
	real.SetServingStatus("shop.Cart", grpc_health_v1.HealthCheckResponse_SERVING)
	until(t, "it was not put back", func() bool { return g.standings(t)[url].State == "up" })
}

// One endpoint answers 500 and 200 in turn, without any check: its traffic puts it out.
func TestOwnTrafficEjects(t *testing.T) {
	t.Parallel()
	a := nameOf(t, "a")
	var n atomic.Int64
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer sick.Close()
	g := start(t, "", map[string]route{"web": {endpoints: []string{a.url, sick.URL}, pool: "retry: {attempts: 1}"}, "off": {endpoints: []string{a.url, sick.URL}, pool: "eject: off"}})
	failed := map[string]int{}
	for range 200 {
		for _, path := range []string{"/web", "/off"} {
			if status, _ := fetch(t, http.DefaultClient, "http://"+g.address()+path); status != 200 {
				failed[path]++
			}
		}
	}
	if failed["/web"] > 10 || failed["/off"] < 40 {
		t.Errorf("of 200 requests each, %d failed, and %d with eject: off", failed["/web"], failed["/off"])
	}
}

func TestStickyCookie(t *testing.T) {
	t.Parallel()
	a, b := nameOf(t, "a"), nameOf(t, "b")
	g := start(t, "", map[string]route{"web": {endpoints: []string{a.url, b.url}, pool: "sticky: {cookie: route}"}})
	seen := map[string]bool{}
	for range 4 {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		c := &http.Client{Jar: jar}
		_, first := fetch(t, c, "http://"+g.address()+"/web")
		seen[first] = true
		for range 5 {
			if _, body := fetch(t, c, "http://"+g.address()+"/web"); body != first {
				t.Fatalf("first %s, then %s", first, body)
			}
		}
		fetch(t, http.DefaultClient, "http://"+g.address()+"/web")
		if status, _ := fetch(t, http.DefaultClient, "http://"+g.address()+"/web", "Cookie: x=1; route=ffffffffffffffff"); status != 200 {
			t.Errorf("an unknown cookie was answered %d", status)
		}
	}
	if len(seen) != 2 {
		t.Errorf("everybody went to %v", seen)
	}
}

func TestHashByHeader(t *testing.T) {
	t.Parallel()
	a, b, c := nameOf(t, "a"), nameOf(t, "b"), nameOf(t, "c")
	g := start(t, "", map[string]route{"web": {endpoints: []string{a.url, b.url, c.url}, pool: "balance: hash, hash: 'header:X-User'"}})
	seen := map[string]bool{}
	for user := range 20 {
		field := fmt.Sprintf("X-User: user-%d", user)
		_, first := fetch(t, http.DefaultClient, "http://"+g.address()+"/web", field)
		seen[first] = true
		for range 3 {
			if _, body := fetch(t, http.DefaultClient, "http://"+g.address()+"/web", field); body != first {
				t.Fatalf("%s went to %s, then to %s", field, first, body)
			}
		}
	}
	if len(seen) < 2 {
		t.Errorf("20 users all went to %v", seen)
	}
}

func TestBackupEndpoint(t *testing.T) {
	t.Parallel()
	a, spare := nameOf(t, "a"), nameOf(t, "spare")
	g := start(t, "", map[string]route{"web": {pool: fmt.Sprintf("check: {every: 100ms, fall: 1}, endpoints: [{url: %q, weight: 2}, {url: %q, backup: true}]", a.url, spare.url)}})
	for range 10 {
		if _, body := fetch(t, http.DefaultClient, "http://"+g.address()+"/web"); body != "a" {
			t.Fatalf("%s was asked", body)
		}
	}
	a.status.Store(500)
	until(t, "the backup was not asked", func() bool {
		_, body := fetch(t, http.DefaultClient, "http://"+g.address()+"/web")
		return body == "spare"
	})
}

// The gateway's own zone is asked while it is in order, and others where it is not.
func TestZones(t *testing.T) {
	t.Parallel()
	a, b := nameOf(t, "a"), nameOf(t, "b")
	head := "zone: b"
	text := fmt.Sprintf("check: {every: 100ms, fall: 1}, endpoints: [{url: %q, zone: a}, {url: %q, zone: b}]", a.url, b.url)
	g := start(t, head, map[string]route{"web": {pool: text}})
	for range 10 {
		if _, body := fetch(t, http.DefaultClient, "http://"+g.address()+"/web"); body != "b" {
			t.Fatalf("%s was asked", body)
		}
	}
	b.status.Store(500)
	until(t, "the other zone was not asked", func() bool {
		_, body := fetch(t, http.DefaultClient, "http://"+g.address()+"/web")
		return body == "a"
	})
	if _, body := fetch(t, http.DefaultClient, "http://"+g.Admin()+"/endpoints"); !strings.Contains(body, `"zone": "b"`) {
		t.Errorf("%s", body)
	}
}

// A check that a reload takes away takes its verdict with it.
func TestCheckTakenAway(t *testing.T) {
	t.Parallel()
	a, b := nameOf(t, "a"), nameOf(t, "b")
	a.status.Store(404) // of the path that is checked
	b.status.Store(404)
	file := filepath.Join(t.TempDir(), "w.yaml")
	write := func(keys string) {
		text := fmt.Appendf(nil, "version: 1\nlisten: [{address: '127.0.0.1:0'}]\nadmin: 127.0.0.1:0\nroutes: [{pool: web}]\npools: {web: {endpoints: [%q, %q], %s}}\n", a.url, b.url, keys)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() (*config.Config, config.Problems) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		return config.Parse(file, text, config.Options{})
	}
	write("check: {path: /nowhere, every: 100ms, fall: 1}")
	cfg, problems := load()
	if cfg == nil {
		t.Fatal(problems)
	}
	raw, err := gateway.New(cfg, gateway.Options{Stdout: io.Discard, Stderr: t.Output(), Load: load})
	if err != nil {
		t.Fatal(err)
	}
	raw.Start()
	defer raw.Stop(0, 0)
	g := &gate{Gateway: raw}
	both := func(state string) bool {
		s := g.standings(t)
		return s[a.url].State == state && s[b.url].State == state
	}
	until(t, "they are not down", func() bool { return both("down") })
	write("eject: off")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if !both("up") {
		t.Errorf("%+v", g.standings(t))
	}
}
