//go:build linux

package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/store"
)

// ruled runs a gateway with one route of such keys to an upstream.
func ruled(t *testing.T, keys, upstream string) *gate {
	t.Helper()
	text := fmt.Sprintf("version: 1\nlisten: [{address: '127.0.0.1:0'}]\nadmin: 127.0.0.1:0\nproxy_status: full\nroutes: [{pool: web, %s}]\npools: {web: {endpoints: [%q]}}\n", keys, upstream)
	cfg, problems := config.Parse("test.yaml", []byte(text), config.Options{})
	if cfg == nil {
		t.Fatal(problems.Err())
	}
	g, err := gateway.New(cfg, gateway.Options{Store: store.Nowhere, Stdout: &lines{of: map[string]chan line{}}, Stderr: t.Output(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	t.Cleanup(func() { g.Stop(0, patience) })
	return &gate{Gateway: g}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, keys string
		fields     []string // of one request each
		allowed    int
	}{
		{"by client", "rate: {limit: 3/h}", []string{"", "", "", "", ""}, 3},
		{"by route", "rate: {per: route, limit: 2/h}", []string{"", "", "", ""}, 2},
		{"by header", "rate: {per: 'header:X-Key', limit: 1/h}", []string{"X-Key: a", "X-Key: b", "X-Key: a", "X-Key: b"}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			up := nameOf(t, "up")
			g := ruled(t, tt.keys, up.url)
			allowed := 0
			for _, field := range tt.fields {
				q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.address()+"/", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				if name, value, found := strings.Cut(field, ": "); found {
					q.Header.Set(name, value)
				}
				res, err := http.DefaultClient.Do(q)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				switch res.StatusCode {
				case 200:
					allowed++
				case 429:
					if after, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || after < 1 || after > 3600 {
						t.Errorf("Retry-After is %q", res.Header.Get("Retry-After"))
					}
				default:
					t.Errorf("answered %d", res.StatusCode)
				}
			}
			if allowed != tt.allowed || up.asked.Load() != int64(tt.allowed) {
				t.Errorf("%d allowed, %d asked, want %d", allowed, up.asked.Load(), tt.allowed)
			}
		})
	}
}

func TestRouteInMaintenance(t *testing.T) {
	t.Parallel()
	up := nameOf(t, "up")
	g := ruled(t, "maintenance: on", up.url)
	res := sendTo(t, "GET", "http://"+g.address()+"/")
	if res.StatusCode != 503 || res.Header.Get("Retry-After") != "60" || up.asked.Load() != 0 || g.newest(t).Cause.String() != "maintenance" {
		t.Errorf("%d, Retry-After %q, %d asked", res.StatusCode, res.Header.Get("Retry-After"), up.asked.Load())
	}
}

// newest is the newest incident, which is recorded right after the answer.
func (g *gate) newest(t *testing.T) *incident.Incident {
	t.Helper()
	until(t, "there is no incident", func() bool { return len(g.Incidents(1)) > 0 })
	return g.Incidents(1)[0]
}

// order asks the admin address for something, and gives what it says.
func (g *gate) order(t *testing.T, o gateway.Order) map[string]any {
	t.Helper()
	body, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post("http://"+g.Admin()+"/endpoints", "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	out := map[string]any{}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// An endpoint that is drained gets no new requests, and what is under way ends; a pool in maintenance is answered for.
func TestDrainReadyMaintenance(t *testing.T) {
	t.Parallel()
	h, other := holdingOf(t), nameOf(t, "other")
	g := start(t, "", map[string]route{"web": {endpoints: []string{h.URL, other.url}, pool: "balance: round-robin"}})
	url := "http://" + g.address() + "/web"
	var all sync.WaitGroup
	all.Go(func() {
		if res, err := headOf(t.Context(), url); err != nil || res.StatusCode != 200 {
			t.Errorf("what was under way: %v", err)
		}
	})
	<-h.reached
	if out := g.order(t, gateway.Order{Action: "drain", Pool: "web", Endpoint: h.URL, Reason: "new kernel"}); out["done"] != true || !strings.Contains(fmt.Sprint(out), "in_flight:1") {
		t.Errorf("%v", out)
	}
	for range 6 {
		if _, body := fetch(t, http.DefaultClient, url); body != "other" {
			t.Fatalf("a drained endpoint was asked: %q", body)
		}
	}
	if s := g.standings(t)[h.URL]; s.State != "drained" || s.Reason != "new kernel" {
		t.Errorf("%+v", s)
	}
	h.let()
	all.Wait()
	g.order(t, gateway.Order{Action: "ready", Pool: "web", Endpoint: h.URL})
	until(t, "it is not asked again", func() bool { fetch(t, http.DefaultClient, url); return h.total.Load() > 1 })

	g.order(t, gateway.Order{Action: "maintenance", Pool: "web", Reason: "database moves"})
	if status, _ := fetch(t, http.DefaultClient, url); status != 503 {
		t.Errorf("answered %d in maintenance", status)
	}
	if i := g.newest(t); i.Cause.String() != "maintenance" || !strings.Contains(i.Sentence, "database moves") {
		t.Errorf("%s: %s", i.Cause, i.Sentence)
	}
	g.order(t, gateway.Order{Action: "ready"})
	if status, _ := fetch(t, http.DefaultClient, url); status != 200 {
		t.Errorf("answered %d after it", status)
	}
	for _, wrong := range []gateway.Order{{Action: "explode"}, {Action: "drain", Pool: "nope"}, {Action: "drain", Pool: "web", Endpoint: "http://1.2.3.4"}, {Action: "drain", Endpoint: h.URL}} {
		if out := g.order(t, wrong); out["done"] != false || out["error"] == "" {
			t.Errorf("%+v: %v", wrong, out)
		}
	}
}
