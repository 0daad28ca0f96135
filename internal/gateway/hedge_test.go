//go:build linux

package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A pool's hedge is what its key says, and the metrics count what became of it: what hangs is answered elsewhere, and a POST is sent once.
func TestHedge(t *testing.T) {
	t.Parallel()
	var hung, posted atomic.Int64
	release := make(chan struct{})
	stalls := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posted.Add(1)
			<-release
			return
		}
		hung.Add(1)
		<-r.Context().Done()
	}))
	defer stalls.Close()
	var other atomic.Int64
	well := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			other.Add(1)
		}
	}))
	defer well.Close()
	g := start(t, "", map[string]route{"web": {endpoints: []string{stalls.URL, well.URL}, pool: "hedge: 30ms, eject: off, retry: {budget: 100%}"}})
	for range 20 {
		if status, _ := fetch(t, http.DefaultClient, "http://"+g.address()+"/web"); status != 200 {
			t.Fatalf("%d", status)
		}
	}
	if hung.Load() == 0 {
		t.Error("no request hung: the test shows nothing")
	}
	_, metrics := fetch(t, http.DefaultClient, "http://"+g.Admin()+"/metrics")
	if !strings.Contains(metrics, `whygate_hedges_total{outcome="won",pool="web"} `) {
		t.Error("the metrics do not tell of hedges")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for posted.Load() == 0 { // until the one that stalls is asked
			sendTo(t, "POST", "http://"+g.address()+"/web")
		}
	}()
	until(t, "the POST did not come", func() bool { return posted.Load() == 1 })
	before := other.Load()
	for range 10 { // a request after the other: the delay is over meanwhile
		fetch(t, http.DefaultClient, "http://"+g.address()+"/web")
	}
	close(release)
	<-done
	if posted.Load() != 1 || other.Load() != before {
		t.Errorf("the POST was sent %d times, and %d times to the other", posted.Load(), other.Load()-before)
	}
}
