//go:build linux

package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/whygate/whygate/internal/gateway"
)

// An answer whose status retry.on names is given up for another endpoint's, also for a POST where the status says that it was not handled.
func TestRetryOnStatus(t *testing.T) {
	t.Parallel()
	var status, asked atomic.Int64
	var wait atomic.Bool
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked.Add(1)
		if wait.Load() {
			w.Header().Set("Retry-After", "7")
		}
		w.WriteHeader(int(status.Load()))
	}))
	defer sick.Close()
	var bodies atomic.Int64
	well := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies.Add(int64(len(b)))
	}))
	defer well.Close()
	const pool = "eject: off, retry: {on: [502, 503], budget: 100%}"
	g := start(t, "", map[string]route{"web": {endpoints: []string{sick.URL, well.URL}, pool: pool}, "other": {endpoints: []string{sick.URL, well.URL}, pool: strings.ReplaceAll(pool, "[502, 503]", "[502]")}})
	tests := []struct {
		name, method, path string
		status             int64
		wait               bool
		saved              bool
	}{
		{"GET, 503", "GET", "/web", 503, false, true},
		{"GET, 502", "GET", "/web", 502, false, true},
		{"POST, 503", "POST", "/web", 503, false, true},
		{"POST, 502: it may have been done", "POST", "/web", 502, false, false},
		{"GET, 503 with Retry-After", "GET", "/web", 503, true, false},
		{"GET, 500", "GET", "/web", 500, false, false},
		{"GET, 503 not listed", "GET", "/other", 503, false, false},
	}
	for _, tt := range tests {
		status.Store(tt.status)
		wait.Store(tt.wait)
		met := false
		for range 40 { // until the sick one is asked
			before, got := asked.Load(), bodies.Load()
			res := sendTo(t, tt.method, "http://"+g.address()+tt.path)
			if asked.Load() == before {
				continue
			}
			met = true
			if (res.StatusCode == 200) != tt.saved || !tt.saved && res.StatusCode != int(tt.status) {
				t.Errorf("%s: answered %d", tt.name, res.StatusCode)
			}
			if tt.saved && tt.method == "POST" && bodies.Load() != got+5 {
				t.Errorf("%s: the other endpoint got %d octets of the body", tt.name, bodies.Load()-got)
			}
			if tt.wait && res.Header.Get("Retry-After") != "7" {
				t.Errorf("%s: Retry-After is %q", tt.name, res.Header.Get("Retry-After"))
			}
			break
		}
		if !met {
			t.Errorf("%s: the sick endpoint was never asked", tt.name)
		}
	}
}

func sendTo(t *testing.T, method, url string) *http.Response {
	t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("hello")
	}
	q, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res
}

// An answer is passed on as it is where nobody else can be asked: the other endpoint is drained, or full.
func TestRetryOnWithNobodyElse(t *testing.T) {
	t.Parallel()
	const words = "the application's own words"
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusServiceUnavailable
		if r.URL.RawQuery == "429" {
			status = http.StatusTooManyRequests
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, words)
	}))
	defer sick.Close()
	h, other := holdingOf(t), nameOf(t, "other")
	const pool = "eject: off, retry: {on: [429, 503], budget: 100%}, overload: {adaptive: off}"
	g := start(t, "", map[string]route{
		"drained":     {endpoints: []string{sick.URL, other.url}, pool: pool},
		"full":        {endpoints: []string{h.URL, sick.URL}, pool: pool + ", limits: {requests: 1}"},
		"connections": {endpoints: []string{h.URL, sick.URL}, pool: pool + ", limits: {connections: 1}"},
	})
	if _, err := g.Obey(gateway.Order{Action: gateway.ActionDrain, Pool: "drained", Endpoint: other.url}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, path := range []string{"/full", "/connections"} { // one of each is held; the first may come to the other
		for held := false; !held; {
			ended := make(chan struct{})
			all.Go(func() {
				_, _ = headOf(t.Context(), "http://"+g.address()+path)
				close(ended)
			})
			select {
			case <-h.reached:
				held = true
			case <-ended:
			}
		}
	}
	for _, path := range []string{"/drained", "/full", "/connections"} {
		for _, status := range []int{429, 503} {
			if code, body := fetch(t, http.DefaultClient, fmt.Sprintf("http://%s%s?%d", g.address(), path, status)); code != status || body != words {
				t.Errorf("%s: the endpoint said %d, the client got %d %.150q", path, status, code, body)
			}
		}
	}
	h.let()
	all.Wait()
}
