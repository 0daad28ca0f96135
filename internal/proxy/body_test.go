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
	"github.com/whygate/whygate/internal/listener"
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
				for range 3 { // on the same connections
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

// A request body flows at once too: the upstream has each piece before the client sends the next.
func TestUploadFlowsAtOnce(t *testing.T) {
	t.Parallel()
	for _, framing := range []string{"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"} {
		got := make(chan byte)
		o := upstreamOf(t, func(p *peer) {
			_, lines, err := p.head()
			if err != nil {
				return
			}
			chunked := valuesOf(lines, "Transfer-Encoding") != nil
			for range 5 {
				if chunked {
					p.r.ReadString('\n')
				}
				b, err := p.r.ReadByte()
				if err != nil {
					close(got)
					return
				}
				if chunked {
					p.r.ReadString('\n')
				}
				got <- b
			}
			if chunked {
				p.r.ReadString('\n')
				p.r.ReadString('\n')
			}
			p.send(ok)
			p.gone()
		})
		g := start(t, setup{}, o.addr)
		c := g.dial()
		c.send("POST / HTTP/1.1\r\nHost: a.test\r\n" + framing + "\r\n")
		for _, b := range "hello" {
			if strings.HasPrefix(framing, "T") {
				c.send("1\r\n" + string(b) + "\r\n")
			} else {
				c.send(string(b))
			}
			if x := <-got; x != byte(b) {
				t.Fatalf("%q, want %q", x, b)
			}
		}
		if strings.HasPrefix(framing, "T") {
			c.send("0\r\n\r\n")
		}
		if m := c.response("POST"); m.status() != 200 || m.has("Connection") {
			t.Errorf("%s %q", m.line, m.lines)
		}
		g.want(200, fault.CauseNone)
		g.idle(0, 1)
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

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	head := "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	t.Run("upstream sends 100", func(t *testing.T) {
		t.Parallel()
		o := upstreamOf(t, func(p *peer) {
			for {
				line, lines, err := p.head()
				if err != nil {
					return
				}
				m := message{line: line, lines: lines}
				if m.get("Expect") != "100-continue" {
					t.Errorf("Expect: %q", m.get("Expect"))
				}
				p.send("HTTP/1.1 100 Continue\r\n\r\n")
				p.sized(&m, "5")
				p.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + m.body)
			}
		})
		g := start(t, setup{}, o.addr)
		c := g.dial()
		for range 2 {
			c.send(head)
			if line, _, err := c.head(); err != nil || line != "HTTP/1.1 100 Continue" {
				t.Fatalf("%q %v", line, err)
			}
			c.send("hello")
			if m := c.response("POST"); m.status() != 200 || m.body != "hello" || m.has("Connection") {
				t.Errorf("%s %q %q", m.line, m.lines, m.body)
			}
			g.want(200, fault.CauseNone)
		}
	})
	for _, status := range []string{"417 Expectation Failed", "200 OK", "401 Unauthorized"} {
		t.Run("upstream answers "+status, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, func(p *peer) {
				if _, _, err := p.head(); err != nil {
					return
				}
				p.send("HTTP/1.1 " + status + "\r\nContent-Length: 2\r\n\r\nno")
				p.gone()
			})
			g := start(t, setup{}, o.addr)
			c := g.dial()
			c.send(head)
			m := c.response("POST")
			if m.line != "HTTP/1.1 "+status || m.body != "no" {
				t.Errorf("%s %q", m.line, m.body)
			}
			// RFC 9110, section 10.1.1: who answers without having read the content should say whether the connection closes.
			if m.get("Connection") != "close" {
				t.Errorf("Connection: %q", m.get("Connection"))
			}
			c.ended()
			if r := g.record(); r.Status != m.status() || g.pool.Targets[0].IdleCount() != 0 {
				t.Errorf("record %d, %d idle connections", r.Status, g.pool.Targets[0].IdleCount())
			}
		})
	}
	t.Run("upstream ignores it", func(t *testing.T) {
		t.Parallel()
		requests := make(chan message, 1)
		o := upstreamOf(t, capturing(requests, ok))
		g := start(t, setup{}, o.addr)
		c := g.dial()
		c.send(head)
		c.send("hello") // as clients do after a second of waiting
		if m := c.response("POST"); m.status() != 200 {
			t.Errorf("%s", m.line)
		}
		if q := <-requests; q.body != "hello" {
			t.Errorf("%q", q.body)
		}
		c.send(get("/"))
		c.response("GET")
	})
	t.Run("the body is here already", func(t *testing.T) {
		t.Parallel()
		requests := make(chan message, 1)
		o := upstreamOf(t, capturing(requests, "HTTP/1.1 100 Continue\r\n\r\n"+ok))
		g := start(t, setup{}, o.addr)
		m := g.ask(head + "hello")
		if m.status() != 200 || (<-requests).body != "hello" {
			t.Errorf("%s", m.line)
		}
	})
	t.Run("HTTP/1.0", func(t *testing.T) {
		t.Parallel()
		requests := make(chan message, 1)
		o := upstreamOf(t, capturing(requests, "HTTP/1.1 100 Continue\r\n\r\n"+ok))
		g := start(t, setup{}, o.addr)
		c := g.dial()
		c.send(strings.Replace(head, "HTTP/1.1", "HTTP/1.0", 1) + "hello")
		if m := c.response("POST"); m.status() != 200 || len(m.interim) > 0 {
			t.Errorf("%s %q", m.line, m.interim)
		}
	})
}

// The final answer during an upload reaches the client before the upload ends, and the upload ends with it.
func TestFinalAnswerDuringUpload(t *testing.T) {
	t.Parallel()
	for _, framing := range []string{"Content-Length: 10000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"} {
		for _, started := range []string{"", "4\r\nbody\r\n"} {
			for _, how := range []string{"stays", "closes"} {
				t.Run(framing[:1]+started+how, func(t *testing.T) {
					t.Parallel()
					o := upstreamOf(t, func(p *peer) {
						if _, _, err := p.head(); err != nil {
							return
						}
						p.send("HTTP/1.1 413 Too Large\r\nContent-Length: 7\r\n\r\nno more")
						if how == "stays" {
							p.gone()
						}
					})
					g := start(t, setup{}, o.addr)
					c := g.dial()
					c.send("PUT / HTTP/1.1\r\nHost: a.test\r\n" + framing + started)
					m := c.response("PUT")
					if m.line != "HTTP/1.1 413 Too Large" || m.body != "no more" || !m.complete {
						t.Errorf("%s %q %v", m.line, m.body, m.err)
					}
					c.gone()
					r := g.record()
					if r.Status != 413 || r.By.String() != "origin" || g.failures(0) != 0 || g.pool.Targets[0].IdleCount() != 0 {
						t.Errorf("record %d by %s, cause %s, %d failures, %d idle", r.Status, r.By, r.Fault.Cause, g.failures(0), g.pool.Targets[0].IdleCount())
					}
				})
			}
		}
	}
}

// An upstream that answers while it reads, as an echo does, has both bodies under way at a time.
func TestBothBodiesAtOnce(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) {
		if _, _, err := p.head(); err != nil {
			return
		}
		p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		_, _ = io.Copy(p.Conn, p.r)
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
	if line, _, err := c.head(); err != nil || line != "HTTP/1.1 200 OK" {
		t.Fatalf("%q %v", line, err)
	}
	for i := range 50 {
		piece := strings.Repeat(fmt.Sprint(i%10), 1+i*997)
		chunk := fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
		go c.send(chunk)
		got := ""
		for got != piece { // the gateway may cut chunks anew
			size, err := c.r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			var n int
			fmt.Sscanf(size, "%x", &n)
			b := make([]byte, n+2)
			if _, err := io.ReadFull(c.r, b); err != nil {
				t.Fatal(err)
			}
			got += string(b[:n])
			if !strings.HasPrefix(piece, got) {
				t.Fatalf("piece %d: %.50q", i, got)
			}
		}
	}
	c.send("0\r\n\r\n")
	if end, err := c.r.Peek(5); err != nil || string(end) != "0\r\n\r\n" {
		t.Errorf("%q %v", end, err)
	}
	g.want(200, fault.CauseNone)
}

func TestInterimResponses(t *testing.T) {
	t.Parallel()
	hints := "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: close\r\n\r\n"
	t.Run("forwarded", func(t *testing.T) {
		t.Parallel()
		next := make(chan struct{})
		o := upstreamOf(t, func(p *peer) {
			p.request()
			p.send(hints)
			<-next
			p.send(hints + ok)
			p.gone()
		})
		g := start(t, setup{}, o.addr)
		c := g.dial()
		c.send(get("/"))
		line, lines, err := c.head() // it comes before the final one
		if err != nil || line != "HTTP/1.1 103 Early Hints" || len(lines) != 1 || lines[0] != "Link: </a.css>; rel=preload" {
			t.Errorf("%q %q %v", line, lines, err)
		}
		close(next)
		if m := c.response("GET"); len(m.interim) != 1 || m.status() != 200 || m.body != "ok" {
			t.Errorf("%q %s", m.interim, m.line)
		}
		g.want(200, fault.CauseNone)
		g.idle(0, 1)
	})
	t.Run("not to HTTP/1.0", func(t *testing.T) {
		t.Parallel()
		g := start(t, setup{}, upstreamOf(t, answering(hints+ok)).addr)
		if m := g.ask("GET / HTTP/1.0\r\n\r\n"); m.status() != 200 || len(m.interim) > 0 || m.body != "ok" {
			t.Errorf("%q %s %q", m.interim, m.line, m.body)
		}
	})
	t.Run("ten", func(t *testing.T) {
		t.Parallel()
		g := start(t, setup{}, upstreamOf(t, answering(strings.Repeat(hints, 10)+ok)).addr)
		if m := g.ask(get("/")); m.status() != 200 || len(m.interim) != 10 {
			t.Errorf("%d %s", len(m.interim), m.line)
		}
	})
	t.Run("eleven", func(t *testing.T) {
		t.Parallel()
		g := start(t, setup{}, upstreamOf(t, answering(strings.Repeat(hints, 11)+ok)).addr)
		if m := g.ask(get("/")); m.status() != 502 || len(m.interim) > 10 {
			t.Errorf("%d %s", len(m.interim), m.line)
		}
		g.want(502, fault.CauseTooManyInterim)
	})
	t.Run("with a body's framing", func(t *testing.T) {
		t.Parallel()
		g := start(t, setup{}, upstreamOf(t, answering("HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\n"+ok)).addr)
		if m := g.ask(get("/")); m.status() != 502 {
			t.Errorf("%s", m.line)
		}
	})
}

// Answers that have no body, with and without the fields of one.
func TestBodiless(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, head string
		status             int
		length             string
	}{
		{"HEAD with length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "5"},
		{"HEAD without", "HEAD", "HTTP/1.1 200 OK\r\n\r\n", 200, ""},
		{"HEAD with length 0", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "0"},
		{"HEAD chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, ""},
		{"HEAD of an error", "HEAD", "HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n", 404, "5"},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		{"204 with length 0", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, ""},
		{"204 with length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 502, ""},
		{"204 chunked", "GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 502, ""},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304, ""},
		{"304 with length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, "5"},
		{"205", "GET", "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", 205, "0"},
		{"empty", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, answering(tt.head))
			g := start(t, setup{}, o.addr)
			c := g.dial()
			c.send(tt.method + " / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			m := c.response(tt.method)
			if m.status() != tt.status {
				t.Fatalf("%s", m.line)
			}
			if m.status() == 502 {
				return
			}
			if m.get("Content-Length") != tt.length || m.has("Transfer-Encoding") && tt.method != "HEAD" || m.has("Connection") {
				t.Errorf("%q, want a length of %q", m.lines, tt.length)
			}
			g.want(tt.status, fault.CauseNone)
			g.idle(0, 1)
			// The connections are in step: the next answer is the next answer.
			c.send(tt.method + " / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			if m := c.response(tt.method); m.status() != tt.status || o.conns.Load() != 1 {
				t.Errorf("then %s on connection %d", m.line, o.conns.Load())
			}
		})
	}
}

// A body where there cannot be one is never part of another answer.
func TestBodyWhereThereIsNone(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, method, answer string }{
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\nhello"},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\n\r\nhello"},
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"},
		{"chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nX"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, answering(tt.answer))
			g := start(t, setup{}, o.addr)
			c := g.dial()
			for i := range 3 {
				c.send(tt.method + " / HTTP/1.1\r\nHost: a.test\r\n\r\n")
				m := c.response(tt.method)
				if m.status()/100 > 3 || !m.complete || m.body != "ok" && m.body != "" || m.has("Connection") {
					t.Fatalf("%s %q %q", m.line, m.lines, m.body)
				}
				r := g.want(m.status(), fault.CauseExtraOctets)
				if r.Incident == "" || r.evidence.Rule != fault.RuleExtraOctets || r.By.String() != "origin" {
					t.Errorf("incident %q, rule %v, by %s", r.Incident, r.evidence.Rule, r.By)
				}
				if n := int(o.conns.Load()); n != i+1 || g.pool.Targets[0].IdleCount() != 0 {
					t.Errorf("%d connections after %d answers, %d idle", n, i+1, g.pool.Targets[0].IdleCount())
				}
			}
		})
	}
}

// Octets that come while a connection is idle belong to nobody: it is not used again.
func TestOctetsOnAnIdleConnection(t *testing.T) {
	t.Parallel()
	late := make(chan struct{})
	o := upstreamOf(t, func(p *peer) {
		for {
			if _, ok := p.request(); !ok {
				return
			}
			p.send(ok)
			if p.nth == 1 {
				<-late
				p.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
				late <- struct{}{}
			}
		}
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.open()
	g.idle(0, 1)
	late <- struct{}{}
	<-late
	c.send(get("/"))
	if m := c.response("GET"); m.body != "ok" || o.conns.Load() != 2 {
		t.Errorf("%s %q on connection %d", m.line, m.body, o.conns.Load())
	}
}

func TestHTTP10Clients(t *testing.T) {
	t.Parallel()
	sized, chunks, closed := ok, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"
	tests := []struct {
		name, line, answer string
		keep               bool
	}{
		{"length", "", sized, false},
		{"length, keep-alive", "Connection: Keep-Alive\r\n", sized, true},
		{"chunks", "", chunks, false},
		{"chunks, keep-alive", "Connection: keep-alive\r\n", chunks, false},
		{"close", "", closed, false},
		{"close, keep-alive", "Connection: keep-alive\r\n", closed, false},
		{"204, keep-alive", "Connection: keep-alive\r\n", "HTTP/1.1 204 No Content\r\n\r\n", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, func(p *peer) {
				for {
					if _, ok := p.request(); !ok {
						return
					}
					p.send(tt.answer)
					if tt.answer == closed {
						return
					}
				}
			})
			g := start(t, setup{}, o.addr)
			c := g.dial()
			for range 2 {
				c.send("GET / HTTP/1.0\r\n" + tt.line + "\r\n")
				m := c.response("GET")
				if m.status()/100 != 2 || m.status() == 200 && m.body != "ok" || !m.complete || m.has("Transfer-Encoding") {
					t.Errorf("%s %q %q %v", m.line, m.lines, m.body, m.err)
				}
				if got := m.get("Connection"); tt.keep && got != "keep-alive" || !tt.keep && got != "close" {
					t.Errorf("Connection: %s", got)
				}
				if !tt.keep {
					c.ended()
					break
				}
			}
		})
	}
}

func TestHTTP10Upstreams(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, head string
		closes     bool
	}{
		{"close", "HTTP/1.0 200 OK\r\n\r\n", true},
		{"length", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", true},
		{"length, stays open", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", false},
		{"keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, func(p *peer) {
				for {
					if _, ok := p.request(); !ok {
						return
					}
					p.send(tt.head + "ok")
					if tt.closes {
						return
					}
				}
			})
			g := start(t, setup{}, o.addr)
			c := g.dial()
			for range 3 {
				c.send(get("/"))
				m := c.response("GET")
				if m.line != "HTTP/1.1 200 OK" || m.body != "ok" || !m.complete || m.has("Connection") {
					t.Errorf("%s %q %q %v", m.line, m.lines, m.body, m.err)
				}
				g.want(200, fault.CauseNone)
			}
			want := int32(3)
			if tt.name == "keep-alive" {
				want = 1
			}
			if n := o.conns.Load(); n != want {
				t.Errorf("%d connections, want %d", n, want)
			}
		})
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

func TestPipelining(t *testing.T) {
	t.Parallel()
	requests := make(chan message, 20)
	o := upstreamOf(t, func(p *peer) {
		for {
			q, ok := p.request()
			if !ok {
				return
			}
			requests <- q
			path := strings.Fields(q.line)[1]
			p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(path)+len(q.body), path, q.body))
		}
	})
	t.Run("in order", func(t *testing.T) {
		g := start(t, setup{}, o.addr)
		c := g.dial()
		var all strings.Builder
		for i := range 10 {
			switch i % 3 {
			case 0:
				all.WriteString(get(fmt.Sprintf("/%d", i)))
			case 1:
				fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody", i)
			case 2:
				fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", i)
			}
		}
		c.send(all.String())
		for i := range 10 {
			want := fmt.Sprintf("/%d", i)
			if i%3 > 0 {
				want += "body"
			}
			if m := c.response("GET"); m.body != want {
				t.Errorf("answer %d is %q", i, m.body)
			}
			<-requests
			if r := g.want(200, fault.CauseNone); r.target != fmt.Sprintf("/%d", i) {
				t.Errorf("record %d has target %q", i, r.target)
			}
		}
	})
	t.Run("a broken one in the middle", func(t *testing.T) {
		g := start(t, setup{}, o.addr)
		c := g.dial()
		c.send(get("/1") + get("/2") + "GET /3 HTTP/1.1\r\nHost : a.test\r\n\r\n" + get("/4"))
		for _, want := range []string{"/1", "/2"} {
			if m := c.response("GET"); m.body != want {
				t.Errorf("%s %q", m.line, m.body)
			}
			<-requests
		}
		if m := c.response("GET"); m.status() != 400 || m.get("Connection") != "close" {
			t.Errorf("%s %q", m.line, m.lines)
		}
		c.ended()
		if len(requests) > 0 {
			t.Errorf("the one behind it was forwarded")
		}
	})
	t.Run("a large one in the middle", func(t *testing.T) {
		g := start(t, setup{}, o.addr)
		c := g.dial()
		body := noise(200_000)
		go c.send(get("/1") + fmt.Sprintf("POST /2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body) + get("/3"))
		for _, want := range []string{"/1", "/2" + body, "/3"} {
			same(t, "answer", c.response("GET").body, want)
			<-requests
		}
	})
	t.Run("more than the buffer holds", func(t *testing.T) {
		g := start(t, setup{}, o.addr)
		c := g.dial()
		go c.send(strings.Repeat(get("/x", "X-Fill: "+strings.Repeat("y", 3000)), 40))
		for range 40 {
			if m := c.response("GET"); m.body != "/x" {
				t.Fatalf("%s %q", m.line, m.body)
			}
			<-requests
		}
	})
}

// Several requests on one connection: close is honoured, whoever says it.
func TestConnectionClose(t *testing.T) {
	t.Parallel()
	t.Run("the client says it", func(t *testing.T) {
		t.Parallel()
		o := upstreamOf(t, answering(ok))
		g := start(t, setup{}, o.addr)
		c := g.dial()
		c.send(get("/", "Connection: close"))
		if m := c.response("GET"); m.get("Connection") != "close" || m.body != "ok" {
			t.Errorf("%q", m.lines)
		}
		c.ended()
		g.idle(0, 1) // that is the client's connection only
	})
	t.Run("the upstream says it", func(t *testing.T) {
		t.Parallel()
		o := upstreamOf(t, answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"))
		g := start(t, setup{}, o.addr)
		c := g.dial()
		c.open()
		c.open()
		if n := o.conns.Load(); n != 2 {
			t.Errorf("%d connections", n)
		}
	})
}

// Request bodies that end early or break a rule: nothing of them is ever complete for the upstream.
func TestBrokenUploads(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, framing, body string
		leaves              bool
		status              int
		cause               fault.Cause
	}{
		{"length, client leaves", "Content-Length: 10", "hello", true, 499, fault.CauseClientLeft},
		{"chunks, client leaves", "Transfer-Encoding: chunked", "5\r\nhello\r\n", true, 499, fault.CauseClientLeft},
		{"length, silence", "Content-Length: 10", "hello", false, 408, fault.CauseRequestBodyTimeout},
		{"chunks, silence", "Transfer-Encoding: chunked", "5\r\nhel", false, 408, fault.CauseRequestBodyTimeout},
		{"bad chunk", "Transfer-Encoding: chunked", "5\r\nhello\r\nzz\r\n", false, 400, fault.CauseRequestMalformed},
		{"bad chunk at once", "Transfer-Encoding: chunked", "zz\r\n", false, 400, fault.CauseRequestMalformed},
		{"bad trailer", "Transfer-Encoding: chunked", "0\r\nContent-Length: 4\r\n\r\n", false, 400, fault.CauseRequestMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan message, 1)
			o := upstreamOf(t, func(p *peer) {
				line, lines, err := p.head()
				if err != nil {
					return
				}
				m := message{line: line, lines: lines}
				if m.has("Transfer-Encoding") {
					p.chunked(&m)
				} else {
					p.sized(&m, m.get("Content-Length"))
				}
				seen <- m
			})
			g := start(t, setup{limits: func(l *listener.Limits) { l.Idle = 300 * time.Millisecond }}, o.addr)
			c := g.dial()
			c.send("POST / HTTP/1.1\r\nHost: a.test\r\n" + tt.framing + "\r\n\r\n" + tt.body)
			if tt.leaves {
				c.Close()
			} else {
				m := c.response("POST")
				if m.status() != tt.status || m.get("Connection") != "close" {
					t.Errorf("%s %q", m.line, m.lines)
				}
				c.ended()
			}
			g.want(tt.status, tt.cause)
			if m := <-seen; m.complete {
				t.Errorf("the upstream got a complete body: %q", m.body)
			}
			if g.failures(0) != 0 || g.pool.Targets[0].IdleCount() != 0 {
				t.Errorf("%d failures, %d idle", g.failures(0), g.pool.Targets[0].IdleCount())
			}
		})
	}
}

func TestRequestTooLarge(t *testing.T) {
	t.Parallel()
	s := setup{limits: func(l *listener.Limits) { l.RequestBody = 1000 }}
	t.Run("by length", func(t *testing.T) {
		t.Parallel()
		o := upstreamOf(t, answering(ok))
		g := start(t, s, o.addr)
		c := g.dial()
		c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1001\r\n\r\n")
		if m := c.response("POST"); m.status() != 413 || m.get("Connection") != "close" {
			t.Errorf("%s %q", m.line, m.lines)
		}
		c.ended()
		g.want(413, fault.CauseRequestBodyTooLarge)
		if o.conns.Load() != 0 {
			t.Error("the upstream was asked")
		}
	})
	t.Run("by chunks", func(t *testing.T) {
		t.Parallel()
		o := upstreamOf(t, answering(ok))
		g := start(t, s, o.addr)
		c := g.dial()
		c.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + noise(1000) + "\r\n")
		c.send("1\r\nx\r\n")
		if m := c.response("POST"); m.status() != 413 || m.get("Connection") != "close" {
			t.Errorf("%s %q", m.line, m.lines)
		}
		c.ended()
		g.want(413, fault.CauseRequestBodyTooLarge)
	})
	t.Run("at the limit", func(t *testing.T) {
		t.Parallel()
		g := start(t, s, upstreamOf(t, answering(ok)).addr)
		body := noise(1000)
		for _, framed := range []string{"Content-Length: 1000\r\n\r\n" + body, "Transfer-Encoding: chunked\r\n\r\n" + chunkedBody(body[:1], body[1:])} {
			if m := g.ask("POST / HTTP/1.1\r\nHost: a.test\r\n" + framed); m.status() != 200 {
				t.Errorf("%s", m.line)
			}
		}
	})
}

// The request body ends while the answer's is read already: timeouts.head, which begins then, is over, not begun.
func TestUploadThatEndsDuringTheAnswer(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	o := upstreamOf(t, func(p *peer) {
		line, lines, err := p.head()
		if err != nil {
			return
		}
		m := message{line: line, lines: lines}
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		p.chunked(&m)
		close(ended)
		time.Sleep(500 * time.Millisecond) // longer than timeouts.head
		p.send("world")
		p.gone()
	})
	g := start(t, setup{options: func(o *upstream.Options) { o.Head = 200 * time.Millisecond }}, o.addr)
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	if _, _, err := c.head(); err != nil {
		t.Fatal(err)
	}
	c.send("0\r\n\r\n")
	<-ended
	c.want("helloworld")
	g.want(200, fault.CauseNone)
}

// The client leaves, falls silent or breaks a rule in its upload while the answer flows: the endpoint is not to blame.
func TestUploadThatBreaksDuringTheAnswer(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*peer){
		"leaves": (*peer).Close0, "resets": (*peer).reset, "is silent": func(*peer) {}, "breaks a rule": func(p *peer) { p.send("zz\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, func(p *peer) {
				if _, _, err := p.head(); err != nil {
					return
				}
				p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				_, _ = io.Copy(p.Conn, p.r)
			})
			g := start(t, setup{limits: func(l *listener.Limits) { l.Idle = 300 * time.Millisecond }}, o.addr)
			c := g.dial()
			c.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
			if _, _, err := c.head(); err != nil {
				t.Fatal(err)
			}
			c.want("5\r\nhello\r\n")
			end(c)
			if name == "is silent" || name == "breaks a rule" {
				if rest, _ := io.ReadAll(c.r); strings.Contains(string(rest), "0\r\n\r\n") {
					t.Errorf("the answer looks whole: %q", rest)
				}
			}
			r := g.record()
			definite(t, name, r)
			if r.Fault.Family() != fault.FamilyClient || g.failures(0) != 0 || g.pool.Targets[0].IdleCount() != 0 {
				t.Errorf("status %d, cause %s, %d failures", r.Status, r.Fault.Cause, g.failures(0))
			}
		})
	}
}

// Close0 is Close for who has no use for its error.
func (p *peer) Close0() { _ = p.Close() }
