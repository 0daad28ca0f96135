//go:build linux

package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// holding is an upstream that answers when it is told, and counts who reaches it.
type holding struct {
	*httptest.Server
	reached chan string
	release chan struct{}
	total   atomic.Int64
}

func holdingOf(t *testing.T) *holding {
	h := &holding{reached: make(chan string, 100), release: make(chan struct{})}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.total.Add(1)
		h.reached <- r.URL.RawQuery
		<-h.release
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(h.Close)
	return h
}

// headOf sends a request and gives the answer's head.
func headOf(ctx context.Context, url string) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(q)
	if err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	return res, err
}

// inTime plays a scenario that has to be over before a wait of a second is. On a busy machine it may not be, so that it is played again.
func inTime(t *testing.T, play func(t *testing.T) error) {
	t.Helper()
	var err error
	for range 6 {
		if err = play(t); err == nil {
			return
		}
	}
	t.Error(err)
}

// With two places and a queue of three, two of ten are served, three wait, and five are answered 503 at once, with what was measured. When
// the endpoint answers, those that wait are served.
func TestQueueBeforeAFullEndpoint(t *testing.T) {
	t.Parallel()
	inTime(t, fullEndpoint)
}

func fullEndpoint(t *testing.T) error {
	h := holdingOf(t)
	g := start(t, "", map[string]route{"web": {endpoints: []string{h.URL}, pool: "limits: {requests: 2}, overload: {adaptive: off, queue: 3}"}})
	var all sync.WaitGroup
	var served atomic.Int64
	refused := make(chan *http.Response, 10)
	for range 10 {
		all.Go(func() {
			res, err := headOf(t.Context(), "http://"+g.address()+"/web")
			switch {
			case err != nil:
				t.Error(err)
			case res.StatusCode == 200:
				served.Add(1)
			default:
				refused <- res
			}
		})
	}
	<-h.reached
	<-h.reached
	for range 5 {
		res := <-refused
		if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(res.Header.Get("Proxy-Status"), "connection_limit_reached") ||
			!strings.Contains(res.Header.Get("Proxy-Status"), "2 of 2 in flight") {
			t.Errorf("%d, %q", res.StatusCode, res.Header)
		}
	}
	close(h.release)
	all.Wait()
	if served.Load() != 5 || h.total.Load() != 5 {
		return fmt.Errorf("%d served, %d reached the endpoint, want 5", served.Load(), h.total.Load())
	}
	return nil
}

// Who left while it waited costs the endpoint nothing.
func TestNothingIsSentForWhoLeftTheQueue(t *testing.T) {
	t.Parallel()
	inTime(t, leftTheQueue)
}

func leftTheQueue(t *testing.T) error {
	h := holdingOf(t)
	g := start(t, "", map[string]route{"web": {endpoints: []string{h.URL}, pool: "limits: {requests: 1}, overload: {adaptive: off}"}})
	var all sync.WaitGroup
	release := sync.OnceFunc(func() { close(h.release) })
	defer all.Wait()
	defer release()
	all.Go(func() { _, _ = headOf(t.Context(), "http://"+g.address()+"/web?first") })
	<-h.reached
	began := time.Now()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for range 5 {
		all.Go(func() { _, _ = headOf(ctx, "http://"+g.address()+"/web?gone") })
	}
	waiting := func(n ...int) error {
		for m := ""; time.Since(began) < 900*time.Millisecond; m = metricsOf(t, g) {
			for _, k := range n {
				if strings.Contains(m, fmt.Sprintf(`whygate_queue_length{pool="web"} %d`+"\n", k)) {
					return nil
				}
			}
		}
		return fmt.Errorf("%v do not wait", n)
	}
	if err := waiting(5); err != nil {
		return err
	}
	<-time.After(60 * time.Millisecond) // an end that comes with a request is the habit of a client that waits for its answer
	leave()
	stayed := make(chan struct{})
	all.Go(func() { _, _ = headOf(t.Context(), "http://"+g.address()+"/web?stays"); close(stayed) })
	if err := waiting(6, 1); err != nil {
		return err
	}
	release()
	<-stayed
	if n := h.total.Load(); n != 2 {
		return fmt.Errorf("the endpoint was asked %d times", n)
	}
	if got := <-h.reached; got != "stays" {
		t.Errorf("the endpoint was asked %q", got)
	}
	return nil
}

// A request waits for a second at most, and is told how long it waited.
func TestQueueEnds(t *testing.T) {
	t.Parallel()
	h := holdingOf(t)
	g := start(t, "", map[string]route{"web": {endpoints: []string{h.URL}, pool: "limits: {requests: 1}, overload: {adaptive: off}"}})
	var all sync.WaitGroup
	all.Go(func() { _, _ = headOf(t.Context(), "http://"+g.address()+"/web") })
	<-h.reached
	began := time.Now()
	res, err := headOf(t.Context(), "http://"+g.address()+"/web")
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); res.StatusCode != 503 || d < 900*time.Millisecond || d > 5*time.Second || !strings.Contains(res.Header.Get("Proxy-Status"), "in flight") {
		t.Errorf("%d after %v: %s", res.StatusCode, d, res.Header.Get("Proxy-Status"))
	}
	close(h.release)
	all.Wait()
}

func metricsOf(t *testing.T, g *gate) string {
	t.Helper()
	_, body := fetch(t, http.DefaultClient, "http://"+g.Admin()+"/metrics")
	return body
}
