package proxy_test

import (
	"runtime/metrics"
	"testing"

	"github.com/whygate/whygate/internal/telemetry"
)

// In the build that ships, with the compiler told by a profile what to inline (make race runs it so), a plain exchange stands on 4 KiB of stack: a larger one would be held by each connection that waits for its next request or its
// endpoint, and its lines would not stay in the processor's caches.
func TestStackOfAPlainExchange(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's frames are larger")
	}
	const clients = 400
	o := upstreamOf(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	g := start(t, setup{observe: func(*telemetry.Record) {}}, o.addr)
	ask := func(p *peer) {
		p.send(get("/path?query", "User-Agent: test/1.0", "Accept: */*"))
		if m := p.response("GET"); m.status() != 200 {
			t.Fatal(m.line)
		}
	}
	ask(g.dial())
	before := stacks()
	for range clients {
		ask(g.dial())
	}
	per := float64(stacks()-before) / clients
	t.Logf("%.0f bytes of stack for each connection", per)
	if per > 4.5*1024 {
		t.Errorf("%.0f bytes of stack for each connection, want 4096", per)
	}
}

// stacks is the memory of all stacks, in bytes.
func stacks() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
