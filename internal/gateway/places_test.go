//go:build linux

package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// waiting waits until so many requests are in the pool's queue. It is false if somebody was turned away meanwhile: the machine is slow.
func (g *gate) waiting(t *testing.T, queue string) bool {
	t.Helper()
	waits := false
	until(t, "the queue has "+queue, func() bool {
		waits = strings.Contains(metricsOf(t, g), `whygate_queue_length{pool="web"} `+queue+"\n")
		return waits || g.turnedAway(t)
	})
	return waits
}

// A client whose cookie names an endpoint that has no room is served by another.
func TestStickyEndpointIsFull(t *testing.T) {
	t.Parallel()
	h, other := holdingOf(t), nameOf(t, "other")
	g := start(t, "", map[string]route{"web": {endpoints: []string{h.URL, other.url}, pool: "sticky: {cookie: route}, limits: {requests: 1}, overload: {adaptive: off}, eject: off"}})
	url := "http://" + g.address() + "/web"
	go func() { // the first that it holds is answered
		<-h.reached
		h.release <- struct{}{}
	}()
	var cookie string
	for range 2 { // in turn
		res, err := headOf(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if h.total.Load() > 0 && cookie == "" {
			cookie, _, _ = strings.Cut(res.Header.Get("Set-Cookie"), ";")
		}
	}
	var all sync.WaitGroup
	all.Go(func() { fetch(t, http.DefaultClient, url, "Cookie: "+cookie) })
	<-h.reached
	c := &http.Client{Timeout: patience}
	if status, body := fetch(t, c, url, "Cookie: "+cookie); status != 200 || body != "other" {
		t.Errorf("%d %q", status, body)
	}
	h.let()
	all.Wait()
}

// A request that the queue let go, and for which there is no connection, gives its turn back: whoever waits later is let go.
func TestTurnIsGivenBack(t *testing.T) {
	t.Parallel()
	headNow, end, quit := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var reached atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		select {
		case <-headNow:
		case <-quit:
		}
		w.(http.Flusher).Flush() // the head goes, the body is not over
		<-end
	}))
	defer s.Close()
	defer close(quit)
	stop := sync.OnceFunc(func() { close(end) })
	defer stop()
	g := start(t, "", map[string]route{"web": {endpoints: []string{s.URL}, pool: "limits: {requests: 1, connections: 2}, overload: {adaptive: off}"}})
	url := "http://" + g.address() + "/web"
	var all sync.WaitGroup
	ask := func() <-chan int {
		status := make(chan int, 1)
		all.Go(func() {
			res, err := headOf(t.Context(), url)
			if err != nil {
				status <- 0
				return
			}
			status <- res.StatusCode
		})
		return status
	}
	let := func(n int64) { // the n-th that reaches the endpoint is answered
		until(t, "the endpoint is asked", func() bool { return reached.Load() >= n || g.turnedAway(t) })
		if reached.Load() < n {
			t.Skip("the machine is too slow: a request waited for longer than any may")
		}
		headNow <- struct{}{}
	}
	ask()
	until(t, "the first is there", func() bool { return reached.Load() == 1 })
	ask()
	g.waiting(t, "1")
	ask()
	if !g.waiting(t, "2") {
		t.Skip("the machine is too slow: a request waited for longer than any may")
	}
	let(1) // the second goes
	let(2) // and the third is let go, while both connections are in use
	until(t, "the third was not told that there is no connection", func() bool { return strings.Contains(metricsOf(t, g), "connection-limit") || g.turnedAway(t) })
	stop()
	all.Wait()
	for range 3 { // a wait that the machine makes too long is no leak
		before := reached.Load()
		ask()
		until(t, "one is there", func() bool { return reached.Load() == before+1 })
		last := ask()
		g.waiting(t, "1")
		headNow <- struct{}{}
		status := 0
		select {
		case headNow <- struct{}{}: // it reached the endpoint
			status = <-last
		case status = <-last:
		}
		all.Wait()
		if status == http.StatusOK {
			return
		}
	}
	t.Error("nobody who waits is let go, though the endpoint is idle")
}

// While the only endpoint in order is full, requests wait for it: the other is known to be dead.
func TestOverflowWaitsBesideADeadEndpoint(t *testing.T) {
	t.Parallel()
	h := holdingOf(t)
	dead := "http://" + reserved(t)
	g := start(t, "", map[string]route{"web": {endpoints: []string{h.URL, dead}, pool: "limits: {requests: 1}, overload: {adaptive: off}, check: {type: tcp, every: 100ms, fall: 1}"}})
	until(t, "the dead endpoint is not down", func() bool { return g.standings(t)[dead].State == "down" })
	url := "http://" + g.address() + "/web"
	var all sync.WaitGroup
	all.Go(func() { _, _ = headOf(t.Context(), url) })
	<-h.reached
	answered := make(chan *http.Response, 1)
	all.Go(func() {
		res, err := headOf(t.Context(), url)
		if err != nil {
			t.Error(err)
		}
		answered <- res
	})
	until(t, "it neither waits nor is answered", func() bool {
		return len(answered) > 0 || strings.Contains(metricsOf(t, g), `whygate_queue_length{pool="web"} 1`+"\n")
	})
	h.let()
	if res := <-answered; res.StatusCode != 200 && !strings.Contains(res.Header.Get("Proxy-Status"), "in flight") { // in flight: it waited for too long on a slow machine
		t.Errorf("%d %s", res.StatusCode, res.Header.Get("Proxy-Status"))
	}
	all.Wait()
}

// An upload takes no place at the endpoint while the gateway waits for its client, and takes one when it has all of it.
func TestSlowUploadTakesNoPlace(t *testing.T) {
	t.Parallel()
	held, release := make(chan struct{}, 10), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.Copy(io.Discard, r.Body)
			held <- struct{}{}
			<-release
		}
	}))
	defer s.Close()
	let := sync.OnceFunc(func() { close(release) })
	defer let()
	g := start(t, "", map[string]route{"web": {endpoints: []string{s.URL}, pool: "limits: {requests: 1}, overload: {adaptive: off}"}})
	url := "http://" + g.address() + "/web"
	body, feed := io.Pipe()
	uploaded := make(chan int, 1)
	go func() {
		q, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			uploaded <- 0
			return
		}
		res.Body.Close()
		uploaded <- res.StatusCode
	}()
	_, _ = feed.Write([]byte("x"))
	until(t, "the upload has not begun", func() bool {
		return strings.Contains(metricsOf(t, g), `whygate_endpoint_in_flight{endpoint="`+s.URL+`",pool="web"} 1`)
	})
	for range 3 {
		if res, err := headOf(t.Context(), url); err != nil || res.StatusCode != 200 {
			t.Errorf("beside an upload whose client sends nothing: %+v, %v", res, err)
		}
	}
	_ = feed.Close()
	<-held
	after := make(chan struct{})
	go func() {
		_, _ = headOf(t.Context(), url)
		close(after)
	}()
	if !g.waiting(t, "1") {
		t.Log("the machine is slow")
	}
	let()
	<-after
	if status := <-uploaded; status != 200 {
		t.Errorf("the upload was answered %d", status)
	}
}
