package proxy_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/upstream"
)

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
			if r := g.record(); r.Status != m.status() || g.pool.Endpoints[0].Target.IdleCount() != 0 {
				t.Errorf("record %d, %d idle connections", r.Status, g.pool.Endpoints[0].Target.IdleCount())
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
					if r.Status != 413 || r.By.String() != "origin" || g.failures(0) != 0 || g.pool.Endpoints[0].Target.IdleCount() != 0 {
						t.Errorf("record %d by %s, cause %s, %d failures, %d idle", r.Status, r.By, r.Fault.Cause, g.failures(0), g.pool.Endpoints[0].Target.IdleCount())
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
			idle := time.Minute
			if tt.status == 408 {
				idle = 300 * time.Millisecond
			}
			g := start(t, setup{limits: func(l *listener.Limits) { l.Idle = idle }}, o.addr)
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
			if g.failures(0) != 0 || g.pool.Endpoints[0].Target.IdleCount() != 0 {
				t.Errorf("%d failures, %d idle", g.failures(0), g.pool.Endpoints[0].Target.IdleCount())
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
			if r.Fault.Family() != fault.FamilyClient || g.failures(0) != 0 || g.pool.Endpoints[0].Target.IdleCount() != 0 {
				t.Errorf("status %d, cause %s, %d failures", r.Status, r.Fault.Cause, g.failures(0))
			}
		})
	}
}

// Close0 is Close for who has no use for its error.
func (p *peer) Close0() { _ = p.Close() }
