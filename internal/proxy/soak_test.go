package proxy_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/telemetry"
	"github.com/whygate/whygate/internal/upstream"
)

// soakEnv is how long the soak test keeps trying, as a duration; make soak sets it.
const soakEnv = "WHYGATE_SOAK"

// secret begins every secret: nobody but the victim it belongs to, and its endpoint, may ever see it.
const secret = "SECRET-"

// poisoned is what stands in a buffer that went back, in builds that poison them.
const poisoned = "\xdb\xdb\xdb\xdb"

// sizes are around every size at which a buffer is full, moves or is exchanged.
var sizes = func() (out []int) {
	for _, n := range []int{256, 4 << 10, smallBuffer, 16 << 10, 32 << 10, 4 * smallBuffer, 64 << 10} {
		for d := -3; d <= 3; d++ {
			out = append(out, n+d)
		}
	}
	return out
}()

// Nobody gets an octet of another: victims with secrets in headers, cookies and bodies, beside clients and endpoints that stop,
// cut and stall at every size around every buffer size. No secret is in any answer to others, nor in any record.
func TestNoOctetOfAnother(t *testing.T) {
	length := 3 * time.Second
	if d, err := time.ParseDuration(os.Getenv(soakEnv)); err == nil {
		length = d
	} else if testing.Short() {
		t.Skip("it keeps trying for a while")
	}
	var seen atomic.Pointer[string]
	found := func(where, what string) {
		if strings.Contains(what, secret) || strings.Contains(what, poisoned) {
			what = fmt.Sprintf("%s: %.300q", where, what)
			seen.CompareAndSwap(nil, &what)
		}
	}
	var records atomic.Int64
	o := upstreamOf(t, soakOrigin)
	g := start(t, setup{
		limits: func(l *listener.Limits) { l.HeadTime, l.Idle = 60*time.Millisecond, 400*time.Millisecond },
		options: func(o *upstream.Options) {
			o.Head, o.Read, o.HeadMax = 60*time.Millisecond, 60*time.Millisecond, 48<<10
		},
		pool:    func(p *proxy.Pool) { p.Attempts = 1 },
		observe: func(r *telemetry.Record) { records.Add(1); found("record", everything(r)) },
	}, o.addr)
	end := time.Now().Add(length)
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() { victim(t, g, k, end) })
		wg.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(k)))
			for time.Now().Before(end) && seen.Load() == nil {
				found("answer", attack(g, r))
			}
		})
	}
	wg.Wait()
	if s := seen.Load(); s != nil {
		t.Error(*s)
	}
	if records.Load() < 50 {
		t.Errorf("only %d exchanges", records.Load())
	}
	t.Logf("%d exchanges", records.Load())
}

// everything is all the text of a record.
func everything(r *telemetry.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %s %s %s %s", r.ID, r.Method, r.Host, r.Target, r.Agent, r.Referer, r.Traceparent)
	if r.Evidence != nil {
		b.WriteString(r.Fault.Sentence(r.Evidence))
	}
	for _, e := range r.Attempts {
		fmt.Fprintf(&b, " %s %s %s %s", e.Sample, e.Detail, e.Field, e.Addr)
	}
	return b.String()
}

// victim sends requests full of secrets, and checks that each answer is its own.
func victim(t *testing.T, g *gateway, k int, end time.Time) {
	mine := fmt.Sprintf("%s%d-", secret, k)
	for i := 0; time.Now().Before(end); i++ {
		c := g.dial()
		for j := range 8 {
			body := strings.Repeat(mine, 1+(i*8+j)*37%1500)
			c.send(fmt.Sprintf("POST /echo HTTP/1.1\r\nHost: a.test\r\nAuthorization: %s\r\nCookie: %s\r\nContent-Length: %d\r\n\r\n%s",
				strings.Repeat(mine, 30), strings.Repeat(mine, 200), len(body), body))
			m, err := c.tryResponse("POST")
			if err != nil || m.status() != 200 {
				break // the machine is busy, and the timers are short
			}
			if m.complete && m.body != body {
				t.Errorf("a victim got another's body: %.100q", m.body)
			}
		}
		c.Close()
	}
}

// attack sends one broken request, or one that is answered badly, and returns all that came back.
func attack(g *gateway, r *rand.Rand) string {
	c := g.dial()
	defer c.Close()
	size := sizes[r.IntN(len(sizes))]
	id := strings.Repeat("A", 100)
	head := "GET / HTTP/1.1\r\nHost: a.test\r\nX-Pad: " + strings.Repeat("p", r.IntN(200)) + "\r\nX-Request-ID: " + id + "\r\nAccept: application/json\r\nX-Fill: "
	switch r.IntN(4) {
	case 0: // a head that stops, most often where it fills the first buffer
		if r.IntN(3) > 0 {
			size = smallBuffer
		}
		c.send(head + strings.Repeat("f", max(size-len(head), 0)))
		if r.IntN(3) == 0 {
			c.fin()
		}
	case 1: // a body that stops, with half a trailer
		c.send("POST /read HTTP/1.1\r\nHost: a.test\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n")
		c.send(fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Hop: 1\r\nX-T: ", size, strings.Repeat("b", size)))
		if r.IntN(2) == 0 {
			c.send("1\r\n\r\n")
		}
	default: // an endpoint that stops
		c.send(get(fmt.Sprintf("/stop/%d/%d", r.IntN(5), size), "TE: trailers"))
	}
	b, _ := io.ReadAll(c.r)
	return string(b)
}

// soakOrigin echoes bodies, and answers /stop/HOW/SIZE badly: its answer stops, or ends, at that size.
func soakOrigin(p *peer) {
	for {
		q, ok := p.request()
		if !ok {
			return
		}
		var how, size int
		if n, _ := fmt.Sscanf(q.line, "GET /stop/%d/%d", &how, &size); n != 2 {
			cookie := "none"
			if strings.HasPrefix(q.line, "POST /echo ") {
				cookie = strings.Repeat(secret, 20)
			}
			p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nSet-Cookie: %s\r\nContent-Length: %d\r\n\r\n%s", cookie, len(q.body), q.body))
			continue
		}
		fill := strings.Repeat("f", size)
		switch how {
		case 0:
			p.send("HTTP/1.1 200 OK\r\nX-Fill: " + fill)
		case 1:
			p.send("HTTP/1.1 103 Early Hints\r\nX-Fill: " + fill[:size/2] + "\r\n\r\nHTTP/1.1 200 OK\r\nX-Fill: " + fill[:size/2])
		case 2:
			p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Hop: 1\r\nX-T: ", size, fill))
		case 3:
			p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size+10, fill))
		case 4:
			p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Hop: 1\r\nX-T: 2\r\n\r\n", size, fill))
			continue
		}
		if size%2 == 0 {
			p.gone() // it stalls
		}
		return
	}
}
