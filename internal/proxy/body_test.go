package proxy_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/upstream"
)

// noise is n octets that no coding leaves as they are.
func noise(n int) string {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d octets %x, want %d octets %x", what, len(got), sha256.Sum256([]byte(got)), len(want), sha256.Sum256([]byte(want)))
	}
}

// Every size of body, by length and by chunks, arrives as it was sent, both ways.
func TestBodies(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 100, 4 << 10, 16 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 300_000, 3 << 20} {
		for _, framing := range []string{"length", "chunks"} {
			t.Run(fmt.Sprint(framing, size), func(t *testing.T) {
				t.Parallel()
				body := noise(size)
				framed := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, body)
				if framing == "chunks" {
					framed = "Transfer-Encoding: chunked\r\n\r\n"
					var pieces []string
					for rest := body; rest != ""; {
						n := min(len(rest), 1+len(rest)*2/3)
						pieces = append(pieces, rest[:n])
						rest = rest[n:]
					}
					framed += chunkedBody(pieces...)
				}
				requests := make(chan message, 3)
				o := upstreamOf(t, capturing(requests, "HTTP/1.1 200 OK\r\n"+framed))
				g := start(t, setup{}, o.addr)
				c := g.dial()
				for i := range 3 { // on the same connections
					if i > 0 {
						<-time.After(settled)
					}
					go c.send("POST /x HTTP/1.1\r\nHost: a.test\r\n" + framed) // ends when the gateway has read it
					m := c.response("POST")
					q := <-requests
					same(t, "request", q.body, body)
					same(t, "response", m.body, body)
					if !m.complete || m.has("Connection") || m.has("Transfer-Encoding") != (framing == "chunks") || m.has("Content-Length") != (framing == "length") {
						t.Errorf("complete %t: %q", m.complete, m.lines)
					}
					if q.has("Transfer-Encoding") != (framing == "chunks") || q.has("Content-Length") != (framing == "length") {
						t.Errorf("request %q", q.lines)
					}
					g.want(200, fault.CauseNone)
				}
				if n := o.conns.Load(); n != 1 {
					t.Errorf("%d connections to the upstream, want 1", n)
				}
			})
		}
	}
}

// A body that is split at any octet is the same body.
func TestBodiesInPieces(t *testing.T) {
	t.Parallel()
	request := "POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=\"a b\"\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n"
	answer := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nX-Sum: 2\r\n\r\n"
	requests := make(chan message, 1)
	at := make(chan int, 1)
	o := upstreamOf(t, func(p *peer) {
		for {
			q, ok := p.request()
			if !ok {
				return
			}
			requests <- q
			n := min(<-at, len(answer))
			p.send(answer[:n])
			p.send(answer[n:])
		}
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	for i := range request {
		at <- i
		c.send(request[:i])
		g.await(i)
		c.send(request[i:])
		q, m := <-requests, c.response("POST")
		if q.body != "hello!" || len(q.trailers) != 1 || q.trailers[0] != "X-Sum: 1" || m.body != "abc" || len(m.trailers) != 1 || m.trailers[0] != "X-Sum: 2" {
			t.Fatalf("at %d: %q %q %q %q", i, q.body, q.trailers, m.body, m.trailers)
		}
		for _, line := range append(q.chunks, m.chunks...) {
			if strings.Contains(line, ";") {
				t.Fatalf("a chunk extension was passed on: %q", line)
			}
		}
	}
}

// await gives the gateway time to read what was sent: it looks at nothing that the gateway shows, so it only yields.
func (g *gateway) await(int) { time.Sleep(100 * time.Microsecond) }

func TestTrailersToOneThatCannotHaveThem(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 2\r\n\r\n"))
	g := start(t, setup{}, o.addr)
	m := g.ask("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
	if m.body != "abc" || !m.complete || m.has("Transfer-Encoding") {
		t.Errorf("%q %q %v", m.lines, m.body, m.err)
	}
}

// Trailers that must not be there end the message as broken: RFC 9110, section 6.5.1.
func TestForbiddenTrailer(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 2\r\n\r\n"))
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.send(get("/"))
	if m, err := c.tryResponse("GET"); err == nil && m.complete && m.status() == 200 {
		t.Errorf("%s with %q as complete", m.line, m.trailers)
	}
	if r := g.record(); r.Fault.Cause != fault.CauseBadTrailer {
		t.Errorf("cause %s", r.Fault.Cause)
	}
}

// An event arrives before the next one is sent, whatever the framing.
func TestEventsFlowAtOnce(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string]func(string) string{
		"chunks": func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) },
		"close":  func(s string) string { return s },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next := make(chan string)
			o := upstreamOf(t, func(p *peer) {
				p.request()
				head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
				if name == "chunks" {
					head += "Transfer-Encoding: chunked\r\n"
				}
				p.send(head + "\r\n")
				for event := range next {
					p.send(frame(event))
				}
				if name == "chunks" {
					p.send("0\r\n\r\n")
				}
			})
			g := start(t, setup{}, o.addr)
			c := g.dial()
			c.send(get("/events"))
			if _, lines, err := c.head(); err != nil || !strings.Contains(strings.Join(lines, "\n"), "Transfer-Encoding: chunked") {
				t.Fatalf("%q %v", lines, err)
			}
			for i := range 20 {
				event := fmt.Sprintf("data: %d\n\n", i)
				next <- event
				want := fmt.Sprintf("%x\r\n%s\r\n", len(event), event)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(c.r, got); err != nil || string(got) != want {
					t.Fatalf("event %d: %q %v", i, got, err)
				}
			}
			close(next)
			if rest, err := c.r.Peek(5); err != nil || string(rest) != "0\r\n\r\n" {
				t.Errorf("%q %v at the end", rest, err)
			}
		})
	}
}

// The head of a slow answer is there before its body.
func TestHeadFlowsAtOnce(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{})
	o := upstreamOf(t, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")
		<-seen
		p.send(noise(300000))
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.send(get("/"))
	_, _, err := c.head()
	close(seen)
	if err != nil {
		t.Fatal(err)
	}
}

// slowly reads with long pauses compared to what the buffers between hold.
func slowly(t *testing.T, c net.Conn, n int) string {
	t.Helper()
	var b strings.Builder
	buf := make([]byte, 20_000)
	for b.Len() < n {
		k, err := c.Read(buf)
		b.Write(buf[:k])
		if err != nil {
			t.Errorf("after %d octets: %v", b.Len(), err)
			break
		}
		time.Sleep(200 * time.Microsecond) // this is what the test is about, not synchronisation
	}
	return b.String()
}

func TestSlowReaders(t *testing.T) {
	t.Parallel()
	body := noise(6 << 20) // more than the buffers of two sockets hold
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		for _, framing := range []string{"length", "close"} {
			o := upstreamOf(t, func(p *peer) {
				p.request()
				if framing == "length" {
					p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body)))
				} else {
					p.send("HTTP/1.1 200 OK\r\n\r\n")
				}
				p.send(body)
			})
			g := start(t, setup{}, o.addr)
			c := g.dial()
			c.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
			if _, _, err := c.head(); err != nil {
				t.Fatal(err)
			}
			first, _ := c.r.Peek(c.r.Buffered())
			same(t, framing, string(first)+slowly(t, c.Conn, len(body)-len(first)), body)
			g.want(200, fault.CauseNone)
		}
	})
	t.Run("upstream", func(t *testing.T) {
		t.Parallel()
		got := make(chan string, 1)
		o := upstreamOf(t, func(p *peer) {
			if _, _, err := p.head(); err != nil {
				return
			}
			first, _ := p.r.Peek(p.r.Buffered())
			got <- string(first) + slowly(t, p.Conn, len(body)-len(first))
			p.send(ok)
		})
		g := start(t, setup{}, o.addr)
		c := g.dial()
		go c.send(fmt.Sprintf("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		if m := c.response("PUT"); m.status() != 200 {
			t.Errorf("answered %s", m.line)
		}
		same(t, "upload", <-got, body)
	})
}

// A large body on plain sockets goes by splice(2). It is cut at every kind of place; what arrived is a prefix, visibly cut.
func TestLargeBodyCut(t *testing.T) {
	t.Parallel()
	body := noise(1 << 20)
	for _, cut := range []int{1, 1000, 64 << 10, 500_000, len(body) - 1} {
		for _, how := range []string{"fin", "rst"} {
			t.Run(fmt.Sprint(how, cut), func(t *testing.T) {
				t.Parallel()
				read := make(chan struct{})
				o := upstreamOf(t, func(p *peer) {
					p.request()
					p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body)))
					p.send(body[:cut])
					if how == "rst" {
						<-read // or the reset would overtake what was sent
						p.reset()
					}
				})
				g := start(t, setup{}, o.addr)
				c := g.dial()
				c.send(get("/"))
				if _, _, err := c.head(); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, cut)
				if _, err := io.ReadFull(c.r, got); err != nil {
					t.Fatal(err)
				}
				close(read)
				same(t, "prefix", string(got), body[:cut])
				if rest, _ := io.ReadAll(c.r); len(rest) > 0 {
					t.Errorf("%d octets more", len(rest))
				}
				cause := fault.CauseBodyShort
				if how == "rst" {
					cause = fault.CauseBodyReset
				}
				r := g.want(200, cause)
				if !r.Late || r.evidence.Body != int64(cut) || r.evidence.Declared != int64(len(body)) || g.failures(0) != 1 {
					t.Errorf("late %t, body %d of %d, %d failures", r.Late, r.evidence.Body, r.evidence.Declared, g.failures(0))
				}
			})
		}
	}
}

// The end of a message × the way it breaks × the client's version: what is broken never looks complete.
func TestBrokenBodiesAreVisiblyBroken(t *testing.T) {
	t.Parallel()
	heads := map[string]string{
		"length": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
		"close":  "HTTP/1.1 200 OK\r\n\r\n",
	}
	ends := map[string]func(*peer){
		"fin":   func(p *peer) {},
		"rst":   func(p *peer) { p.reset() },
		"bad":   func(p *peer) { p.send(strings.Repeat("x", 997) + "garbage\r\n\r\n"); p.gone() },
		"stall": func(p *peer) { p.gone() },
	}
	for framing, head := range heads {
		for how, end := range ends {
			if how == "bad" && framing != "chunks" || how == "fin" && framing == "close" {
				continue // garbage is a body like another; a FIN is the end there
			}
			for _, version := range []string{"1.1", "1.0"} {
				t.Run(framing+" "+how+" "+version, func(t *testing.T) {
					t.Parallel()
					read := make(chan struct{})
					o := upstreamOf(t, func(p *peer) {
						p.request()
						p.send(head + "abc")
						<-read
						end(p)
					})
					g := start(t, setup{options: func(o *upstream.Options) { o.Read = 200 * time.Millisecond }}, o.addr)
					c := g.dial()
					c.send("GET / HTTP/" + version + "\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n")
					_, _, err := c.head()
					if err != nil {
						t.Fatal(err)
					}
					if _, err := c.r.Peek(3); err != nil { // what came is passed on before the end is known
						t.Fatal(err)
					}
					close(read)
					rest, err := io.ReadAll(c.r)
					if strings.Contains(string(rest), "0\r\n\r\n") {
						t.Errorf("a last chunk: %q", rest)
					}
					if !strings.Contains(string(rest), "abc") {
						t.Errorf("what had come did not reach the client: %q", rest)
					}
					if version == "1.0" && framing != "length" && !isReset(err) {
						t.Errorf("the end looks like a complete body's: %v", err)
					}
					r := g.record()
					if !r.Late || !r.Fault.Is() || r.Status != 200 || g.failures(0) != 1 || r.Incident == "" {
						t.Errorf("late %t, cause %s, status %d, %d failures", r.Late, r.Fault.Cause, r.Status, g.failures(0))
					}
				})
			}
		}
	}
}

// A body that broke before an octet of the answer left is a 502, not a broken 200.
func TestBrokenBeforeAnythingLeft(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"))
	g := start(t, setup{}, o.addr)
	m := g.ask(get("/"))
	if m.status() != 502 || !m.complete || m.has("Transfer-Encoding") {
		t.Errorf("%s %q", m.line, m.lines)
	}
	if r := g.want(502, fault.CauseBadChunk); r.Late || r.By.String() != "gateway" {
		t.Errorf("late %t, by %s", r.Late, r.By)
	}
}
