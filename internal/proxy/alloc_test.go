package proxy_test

import (
	"fmt"
	"io"
	"math"
	"net"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/health"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/overload"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/telemetry"
)

// A whole proxied exchange on kept connections allocates nothing, through real sockets. Client and upstream are loops over
// buffers of their own, so that every allocation in the process is the gateway's.
func TestAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	body := noise(1 << 10)
	tests := []struct{ name, request, answer string }{
		{
			"GET", get("/some/path?with=query", "User-Agent: test/1.0", "Accept: */*", "Accept-Encoding: gzip, deflate", "Cookie: a=b; c=d"),
			"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 13:00:00 GMT\r\nServer: x\r\nContent-Type: text/plain\r\nContent-Length: 100\r\nConnection: keep-alive\r\n\r\n" + body[:100],
		},
		{
			"POST", fmt.Sprintf("POST /form HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
			"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
		},
		{"answer of 10 KiB", get("/"), "HTTP/1.1 200 OK\r\nContent-Length: 10240\r\n\r\n" + noise(10<<10)},
		{"answer in chunks", get("/"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + body[:100] + "\r\n0\r\n\r\n"},
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"},
		{"304", get("/", `If-None-Match: "x"`), "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var failed atomic.Int64
			observe := func(r *telemetry.Record) {
				if r.Fault.Is() {
					failed.Add(1)
				}
			}
			c, answered := allocationLoop(t, setup{observe: observe, pool: gated}, tt.request, tt.answer)
			request := []byte(tt.request) // io.WriteString would copy it each time
			exchange := func() {
				if _, err := c.Write(request); err != nil {
					t.Fatal(err)
				}
				answered()
			}
			exchange()
			<-time.After(settled)
			for range 200 {
				exchange()
			}
			defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would empty the pools
			runtime.GC()
			for range 20 {
				exchange()
			}
			const runs = 2000
			if total := fewestAllocations(t, runs, exchange); total > runs/100 { // the runtime's own are a few: timers, goroutines of its own
				t.Errorf("%d allocations in %d exchanges", total, runs)
			}
			if n := testing.AllocsPerRun(500, exchange); n != 0 {
				t.Errorf("%v allocations for an exchange", n)
			}
			if failed.Load() > 0 {
				t.Errorf("%d exchanges failed", failed.Load())
			}
		})
	}
}

// fewestAllocations plays so many exchanges up to five times, until a round has hardly any allocation, and gives the fewest of a
// round. What an exchange allocates is there in every round. What the runtime and the gateway's clocks allocate grows with the
// time that a round takes, and on a busy machine one round may take long.
func fewestAllocations(t *testing.T, runs int, exchange func()) uint64 {
	t.Helper()
	fewest := uint64(math.MaxUint64)
	for round := 0; round < 5 && fewest > uint64(runs/100); round++ {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			exchange()
		}
		runtime.ReadMemStats(&after)
		total := after.Mallocs - before.Mallocs
		t.Logf("%d allocations, %d octets in %d exchanges", total, after.TotalAlloc-before.TotalAlloc, runs)
		fewest = min(fewest, total)
	}
	return fewest
}

// allocationLoop is a gateway with a client's connection and a func that reads one answer.
func allocationLoop(t *testing.T, s setup, request, answer string) (net.Conn, func()) {
	t.Helper()
	o := upstreamOf(t, func(p *peer) {
		buf := make([]byte, 64<<10)
		out := []byte(answer)
		rest := len(request) - len(headOf(request)) // of the body; the head is longer here, by what the gateway adds
		for {
			n := 0
			for !whole(buf[:n], rest) {
				k, err := p.Conn.Read(buf[n:])
				if err != nil {
					return
				}
				n += k
			}
			if _, err := p.Conn.Write(out); err != nil {
				return
			}
		}
	})
	g := start(t, s, o.addr)
	c := g.dial().Conn
	buf := make([]byte, 64<<10)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	// What the gateway makes of the answer is the same each time: its size is learned from the first.
	n := 0
	for want := len(bodyOf(answer)); n == 0 || n-len(headOf(string(buf[:n]))) < want; {
		k, err := c.Read(buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	return c, func() {
		for got := 0; got < n; {
			k, err := c.Read(buf[got:])
			if err != nil {
				t.Fatal(err)
			}
			got += k
		}
	}
}

// gated puts everything that watches a request before a pool: a limit that is learned, and the latency of its endpoints.
func gated(p *proxy.Pool) {
	n := len(p.Endpoints)
	p.Gate = overload.NewGate(overload.New(n, 100*time.Millisecond, mono.Now()), 1024, 100*time.Millisecond)
	p.Balance = balance.New(n, balance.Latency)
	p.Health = health.New(p.Balance, health.Options{Pool: p.Name, Names: make([]string, n), Passive: health.EjectFailing})
	p.Key = proxy.KeyIP
}

func headOf(s string) string {
	for i := 0; i+4 <= len(s); i++ {
		if s[i:i+4] == "\r\n\r\n" {
			return s[:i+4]
		}
	}
	return s
}

func bodyOf(s string) string { return s[len(headOf(s)):] }

// whole reports whether a head and so many octets of body are there.
func whole(b []byte, body int) bool {
	for i := 0; i+4 <= len(b); i++ {
		if string(b[i:i+4]) == "\r\n\r\n" {
			return len(b)-i-4 >= body
		}
	}
	return false
}
