//go:build linux

package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// shared is an upstream of HTTP/2 over TLS that knows how many connections it has, and had.
type shared struct {
	open, opened atomic.Int64
	tick         chan struct{} // each lets a stream of ?slow go on by a line
}

func sharedAt(t *testing.T, at string) *shared {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Skip(err)
	}
	u := &shared{tick: make(chan struct{})}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("asked in %s", r.Proto)
		}
		host, _, _ := net.SplitHostPort(at)
		_, _ = io.WriteString(w, host+"\n")
		if r.URL.RawQuery != "slow" {
			return
		}
		_ = http.NewResponseController(w).Flush()
		for range u.tick {
			if _, err := io.WriteString(w, "more\n"); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
	}))
	_ = s.Listener.Close()
	s.Listener = l
	s.EnableHTTP2 = true
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			u.open.Add(1)
			u.opened.Add(1)
		case http.StateClosed:
			u.open.Add(-1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return u
}

// Streams of HTTP/2 go on when the endpoints of a pool change, those at an endpoint that left too: its connection ends with the last of them.
// One that stays keeps its connection.
func TestStreamsGoOnWhileEndpointsChange(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.5:0")
	if err != nil {
		t.Skip(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	_ = free.Close()
	up := map[string]*shared{}
	for _, a := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"} {
		up[a] = sharedAt(t, a+":"+port)
	}
	z := &zone{}
	z.say("app.test. 1 IN A 127.0.0.2", "app.test. 1 IN A 127.0.0.3")
	healthy := "http://" + listen(t, well).address
	g := start(t, serveZone(t, z), map[string]route{
		"web":     {endpoints: []string{"https://app.test:" + port}, pool: "resolve: {every: 100ms}, tls: {verify: false}"},
		"healthy": {endpoints: []string{healthy}},
	})
	type slow struct {
		at   string
		body *bufio.Reader
		end  func() error
	}
	ask := func(path string) slow {
		t.Helper()
		res, err := http.Get("http://" + g.address() + path)
		if err != nil {
			t.Fatal(err)
		}
		b := bufio.NewReader(res.Body)
		at, err := b.ReadString('\n')
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res.StatusCode, err)
		}
		return slow{strings.TrimSpace(at), b, res.Body.Close}
	}
	streams := map[string]slow{}
	for range 2 {
		s := ask("/web?slow")
		streams[s.at] = s
	}
	if len(streams) != 2 {
		t.Fatalf("%d endpoints were asked", len(streams))
	}
	for round := range 4 {
		who := []string{"127.0.0.2", "127.0.0.4"}[(round+1)%2]
		z.say("app.test. 1 IN A 127.0.0.3", "app.test. 1 IN A "+who)
		until(t, "the endpoints did not follow", func() bool {
			_, there := g.standings(t)["https://"+who+":"+port]
			return there
		})
		for at, s := range streams {
			up[at].tick <- struct{}{}
			if line, err := s.body.ReadString('\n'); line != "more\n" {
				t.Fatalf("round %d: the stream at %s ended: %q %v", round, at, line, err)
			}
		}
		for range 4 {
			s := ask("/web")
			_ = s.end()
		}
	}
	z.say("app.test. 1 IN A 127.0.0.3")
	until(t, "the endpoints did not follow", func() bool { return g.names(t, healthy) == "https://127.0.0.3:"+port })
	for at, s := range streams {
		close(up[at].tick)
		if _, err := io.ReadAll(s.body); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
	until(t, "connections to one that left are open", func() bool { return up["127.0.0.2"].open.Load() == 0 && up["127.0.0.4"].open.Load() == 0 })
	if n := up["127.0.0.3"].opened.Load(); n != 1 {
		t.Errorf("the one that stayed had %d connections", n)
	}
}
