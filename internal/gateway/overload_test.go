//go:build linux

package gateway_test

import (
	"context"
	"io"
	"net"
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
	let     func() // those that are held are answered, and all that come
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
	h.let = sync.OnceFunc(func() { close(h.release) })
	t.Cleanup(func() { h.let(); h.Close() })
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

// With two places and a queue of three, two of ten are served, three wait, and five are answered 503 at once, with what was measured. When
// the endpoint answers, those that wait are served.
func TestQueueBeforeAFullEndpoint(t *testing.T) {
	t.Parallel()
	for range 6 { // on a busy machine somebody may have waited for the second that is the most
		if fullEndpoint(t) {
			return
		}
	}
	t.Error("somebody waited in vain each time")
}

// fullEndpoint plays it once. It is false where somebody waited for too long.
func fullEndpoint(t *testing.T) bool {
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
	h.let()
	all.Wait()
	if g.turnedAway(t) {
		return false
	}
	if served.Load() != 5 || h.total.Load() != 5 {
		t.Errorf("%d served, %d reached the endpoint, want 5", served.Load(), h.total.Load())
	}
	return true
}

// Who left while it waited costs the endpoint nothing.
func TestNothingIsSentForWhoLeftTheQueue(t *testing.T) {
	t.Parallel()
	h := holdingOf(t)
	g := start(t, "", map[string]route{"web": {endpoints: []string{h.URL}, pool: "limits: {requests: 1}, overload: {adaptive: off}"}})
	var all sync.WaitGroup
	all.Go(func() { _, _ = headOf(t.Context(), "http://"+g.address()+"/web?first") })
	<-h.reached
	var gone []net.Conn
	for range 5 {
		c, err := net.Dial("tcp", g.address())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /web?gone HTTP/1.1\r\nHost: a.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		gone = append(gone, c)
	}
	until(t, "nobody waits", func() bool {
		return strings.Contains(metricsOf(t, g), `whygate_queue_length{pool="web"} 5`) || g.turnedAway(t)
	})
	<-time.After(60 * time.Millisecond) // an end that comes with a request is the habit of a client that waits for its answer
	for _, c := range gone {
		_ = c.Close()
	}
	<-time.After(50 * time.Millisecond) // a busy kernel hands over the end of a connection some time after Close returns
	h.let()
	all.Wait()
	if res, err := headOf(t.Context(), "http://"+g.address()+"/web?stays"); err != nil || res.StatusCode != 200 {
		t.Errorf("%v", err)
	}
	if n := h.total.Load(); n != 2 {
		t.Errorf("the endpoint was asked %d times", n)
	}
}

// turnedAway reports whether somebody waited for as long as anybody may: the machine is slow.
func (g *gate) turnedAway(t *testing.T) bool {
	return strings.Contains(metricsOf(t, g), `cause="queue-timeout"`)
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
	h.let()
	all.Wait()
}

func metricsOf(t *testing.T, g *gate) string {
	t.Helper()
	_, body := fetch(t, http.DefaultClient, "http://"+g.Admin()+"/metrics")
	return body
}
