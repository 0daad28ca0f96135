//go:build linux

package gateway_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// upstream is a listener whose connections do as its behaviour says.
type upstream struct {
	address string
	over    chan struct{} // closed when the test ends

	mu    sync.Mutex // guards the fields below
	conns []net.Conn
	seen  map[string]int // heads that were read, by request id
}

// peer is the upstream's end of one connection.
type peer struct {
	net.Conn
	r   *bufio.Reader
	nth int // which connection of this upstream, from 1
	u   *upstream
}

// behaviour is what an upstream does with a connection. When it returns the connection is closed.
type behaviour func(*peer)

// listen runs an upstream until the test ends.
func listen(t *testing.T, b behaviour) *upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, l, b)
}

func serve(t *testing.T, l net.Listener, b behaviour) *upstream {
	u := &upstream{address: l.Addr().String(), seen: map[string]int{}, over: make(chan struct{})}
	var running sync.WaitGroup
	running.Go(func() { // ends when the listener is closed
		for nth := 1; ; nth++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			u.mu.Lock()
			u.conns = append(u.conns, c)
			u.mu.Unlock()
			running.Go(func() { // ends when the connection is closed
				defer c.Close()
				b(&peer{Conn: c, r: bufio.NewReader(c), nth: nth, u: u})
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		close(u.over)
		u.mu.Lock()
		for _, c := range u.conns {
			_ = c.Close()
		}
		u.mu.Unlock()
		running.Wait()
	})
	return u
}

// asked is how many heads with that request id have come.
func (u *upstream) asked(id string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.seen[id]
}

// head reads a request head, nil at the connection's end.
func (p *peer) head() *http.Request {
	q, err := http.ReadRequest(p.r)
	if err != nil {
		return nil
	}
	p.u.mu.Lock()
	p.u.seen[q.Header.Get("X-Request-ID")]++
	p.u.mu.Unlock()
	return q
}

// read reads a whole request, nil at the connection's end.
func (p *peer) read() *http.Request {
	q := p.head()
	if q == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, q.Body); err != nil {
		return nil
	}
	return q
}

func (p *peer) say(text string) { _, _ = io.WriteString(p.Conn, text) }

// Endings of a connection.

// fin closes the connection in order. What was sent has been read, so no RST comes of it.
func fin(p *peer) { _ = p.Close() }

// finAndRead ends its own side and reads on: a close with octets unread would be a reset.
func finAndRead(p *peer) {
	_ = p.Conn.(*net.TCPConn).CloseWrite()
	hold(p)
}

// rst resets the connection.
func rst(p *peer) {
	if t, ok := p.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = p.Close()
}

// hold stays silent until the other side has closed.
func hold(p *peer) { _, _ = io.Copy(io.Discard, p.r) }

// Behaviours.

const (
	wellBody = "all is well"
	wellText = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + wellBody
)

// well answers every request in order.
func well(p *peer) {
	for q := p.read(); q != nil; q = p.read() {
		if q.Method == "HEAD" {
			p.say(strings.TrimSuffix(wellText, wellBody))
		} else {
			p.say(wellText)
		}
	}
}

// says reads one request, writes a text and goes on with an ending.
func says(text string, then behaviour) behaviour {
	return func(p *peer) {
		if p.read() != nil {
			p.say(text)
			then(p)
		}
	}
}

// silent reads one request and goes on with an ending, without a word.
func silent(then behaviour) behaviour { return says("", then) }

// greets writes a text before it reads anything, as servers of other protocols do.
func greets(text string, then behaviour) behaviour {
	return func(p *peer) { p.say(text); then(p) }
}

// drips reads one request and writes a text octet by octet.
func drips(text string, every time.Duration, then behaviour) behaviour {
	return says("", trickles(text, every, then))
}

// trickles writes a text octet by octet.
func trickles(text string, every time.Duration, then behaviour) behaviour {
	return func(p *peer) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := range len(text) {
			if _, err := io.WriteString(p.Conn, text[i:i+1]); err != nil {
				return
			}
			<-tick.C
		}
		then(p)
	}
}

// after answers one request well and then does as b: the exchange under test is the second on its connection.
func after(b behaviour) behaviour {
	return func(p *peer) {
		if p.read() != nil {
			p.say(wellText)
			b(p)
		}
	}
}

// first does as b on the first connection and well on all others.
func first(b behaviour) behaviour {
	return func(p *peer) {
		if p.nth == 1 {
			b(p)
		} else {
			well(p)
		}
	}
}

// request is what a client sends.
type request struct {
	method  string // GET if empty
	path    string
	id      string
	version string // HTTP/1.1 if empty
	fields  string // further field lines, each with its CRLF
	body    string // what follows the head; a Content-Length stands in fields, or chunks here
}

func (q request) text() string {
	method, version := q.method, q.version
	if method == "" {
		method = "GET"
	}
	if version == "" {
		version = "HTTP/1.1"
	}
	return fmt.Sprintf("%s %s %s\r\nHost: site.test\r\nX-Request-ID: %s\r\nAccept: application/json\r\n%s\r\n%s", method, q.path, version, q.id, q.fields, q.body)
}

// post is a POST of n octets.
func post(n int) request { return sized("POST", n) }

func sized(method string, n int) request {
	return request{method: method, fields: fmt.Sprintf("Content-Length: %d\r\n", n), body: strings.Repeat("x", n)}
}

// chunked is a request with a chunked body, which the gateway always streams.
func chunked(method string) request {
	return request{method: method, fields: "Transfer-Encoding: chunked\r\n", body: "5\r\nhello\r\n0\r\n\r\n"}
}

// client is a raw connection to the gateway.
type client struct {
	net.Conn
	r *bufio.Reader
}

// answer is what a client got.
type answer struct {
	interim []int // the statuses that came before
	status  int
	header  http.Header
	body    []byte
	err     error // how reading ended, nil for a complete message
	close   bool  // the gateway said that it closes the connection
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &client{c, bufio.NewReader(c)}
}

// ask sends a request and reads its answer. What is sent goes out beside the reading: an answer may come before the
// request has ended, and the gateway may then not want the rest.
func (c *client) ask(t *testing.T, q request) answer {
	t.Helper()
	sent := make(chan struct{})
	go func() { // ends when all is written, or when the connection is closed below or by the test's end
		defer close(sent)
		_, _ = io.WriteString(c.Conn, q.text())
	}()
	a := c.answer(q.method)
	if a.err != nil || a.close {
		_ = c.Close()
	}
	<-sent
	return a
}

// answer reads the answer to a request with that method.
func (c *client) answer(method string) answer {
	var a answer
	for {
		res, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			a.err = err
			return a
		}
		if res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			a.interim = append(a.interim, res.StatusCode)
			continue
		}
		a.status, a.header, a.close = res.StatusCode, res.Header, res.Close
		if res.StatusCode != http.StatusSwitchingProtocols {
			a.body, a.err = io.ReadAll(res.Body)
		}
		return a
	}
}

// ended wants nothing more to come: the gateway has closed, with FIN.
func (c *client) ended(t *testing.T) {
	t.Helper()
	if b, err := c.r.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, net.ErrClosed) {
		t.Errorf("the client's connection goes on after its end: %q, %v", b, err)
	}
}
