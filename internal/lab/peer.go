package lab

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// errEnded ends a script whose connection the lab has ended itself.
var errEnded = errors.New("ended")

// requestMax bounds what the lab reads of a request's head, in octets.
const requestMax = 256 << 10

// Peer is the lab's end of one connection. One goroutine owns it.
type Peer struct {
	conn    net.Conn // the TLS connection where the lab speaks TLS
	raw     *tapped  // the connection beneath it
	in      *bufio.Reader
	stage   *stage
	done    <-chan struct{} // closed when the lab stops
	request request         // the one read last
	number  int64           // which request that is at this scenario, from 1
	stream  stream          // of HTTP/2: that request's
	index   bool            // the connection is one of the index's: requests for other paths end the script
	ahead   ahead           // what in reads from, on a connection of the index
}

// ahead reads octets that were read already once more, then the rest. The connection's goroutine owns it.
type ahead struct {
	octets string
	from   io.Reader
}

// Read reads what was put back first.
func (a *ahead) Read(b []byte) (int, error) {
	if a.octets == "" {
		return a.from.Read(b)
	}
	n := copy(b, a.octets)
	a.octets = a.octets[n:]
	return n, nil
}

// unread puts octets back before those that are to be read next.
func (p *Peer) unread(octets string) {
	held, _ := p.in.Peek(p.in.Buffered())
	p.ahead.octets = octets + string(held) + p.ahead.octets
	p.in.Reset(&p.ahead)
}

// request is what the lab knows of a request: what its naive eye sees.
type request struct {
	raw     string // the head, and the body's first octets once it was read
	method  string
	target  string
	length  int64 // -1 where there is none
	chunked bool
	expect  bool
	body    int64 // octets of the body that were read
}

// bodyKept is how much of a request body is kept for Where, in octets.
const bodyKept = 64 << 10

// play does the steps until one fails.
func (p *Peer) play(steps Plays) error {
	for i := range steps {
		if err := steps[i].do(p); err != nil {
			return err
		}
	}
	return nil
}

// readHead reads a request's head, and counts the request. io.EOF: the client has no further one.
func (p *Peer) readHead() error {
	if err := p.receive(); err != nil {
		return err
	}
	if p.index && scenarioOf(p.request.target) != p.stage.Name {
		p.unread(p.request.raw)
		return errElsewhere
	}
	p.number = p.stage.hit(p)
	return nil
}

// receive reads a request's head.
func (p *Peer) receive() error {
	p.request = request{length: -1}
	_ = p.conn.SetReadDeadline(time.Now().Add(holdMax))
	var b strings.Builder
	for {
		line, err := p.in.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return err
		}
		if b.Len() > requestMax {
			return fmt.Errorf("a request head of more than %d bytes", requestMax)
		}
		if strings.TrimRight(line, "\r\n") != "" {
			p.request.line(strings.TrimRight(line, "\r\n"))
			continue
		}
		if b.Len() > len(line) {
			break // the empty line after a head; one before it is none
		}
		b.Reset()
	}
	p.request.raw = b.String()
	return nil
}

// line takes one line of a head.
func (r *request) line(line string) {
	if r.method == "" {
		words := append(strings.Fields(line), "", "") // a line of spaces has none
		r.method, r.target = words[0], words[1]
		return
	}
	name, value, _ := strings.Cut(line, ":")
	value = strings.ToLower(strings.TrimSpace(value))
	switch strings.ToLower(name) {
	case "content-length":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			r.length = n
		}
	case "transfer-encoding":
		r.chunked = strings.HasSuffix(value, "chunked")
	case "expect":
		r.expect = value == "100-continue"
	}
}

// readBody reads the body of the request whose head was read.
func (p *Peer) readBody() error {
	if p.request.expect {
		p.request.expect = false
		if err := p.write("HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return err
		}
	}
	switch {
	case p.request.chunked:
		return p.readChunks()
	case p.request.length > 0:
		return p.take(p.request.length)
	}
	return nil
}

// take reads so many octets of a body, and keeps the first ones.
func (p *Peer) take(n int64) error {
	keep := min(n, max(0, bodyKept-int64(len(p.request.raw))))
	kept := make([]byte, keep)
	if _, err := io.ReadFull(p.in, kept); err != nil {
		return err
	}
	p.request.raw += string(kept)
	rest, err := io.CopyN(io.Discard, p.in, n-keep)
	p.request.body += keep + rest
	return err
}

func (p *Peer) readChunks() error {
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
		if err != nil {
			return fmt.Errorf("chunk size: %w", err)
		}
		if n == 0 {
			break
		}
		if err := p.take(n); err != nil {
			return err
		}
		if _, err := p.in.ReadString('\n'); err != nil {
			return err
		}
	}
	for { // trailers
		line, err := p.in.ReadString('\n')
		if err != nil || strings.TrimSpace(line) == "" {
			return err
		}
	}
}

func (p *Peer) write(octets string) error {
	_ = p.conn.SetWriteDeadline(time.Now().Add(holdMax))
	_, err := io.WriteString(p.conn, octets)
	return err
}

// wait waits, unless the lab stops.
func (p *Peer) wait(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-p.done:
		return errEnded
	}
}

// close sends FIN, after TLS's close_notify, and reads what still comes for a while, so that the kernel sends no RST for it.
func (p *Peer) close() {
	if t, ok := p.conn.(*tls.Conn); ok {
		_ = t.CloseWrite()
	}
	p.cutoff()
}

// cutoff is close without TLS's close_notify.
func (p *Peer) cutoff() {
	if t, ok := p.raw.Conn.(interface{ CloseWrite() error }); ok {
		_ = t.CloseWrite()
		_ = p.raw.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, p.raw.Conn)
	}
	_ = p.raw.Close()
}

func (p *Peer) reset() {
	linger(p.raw.Conn)
	_ = p.raw.Close()
}

// tapped is a connection whose output can be spoilt.
type tapped struct {
	net.Conn
	spoil bool // flip a bit in what is written
}

// Write writes, and spoils the last octet where it is told to.
func (t *tapped) Write(b []byte) (int, error) {
	if !t.spoil || len(b) == 0 {
		return t.Conn.Write(b)
	}
	spoilt := append([]byte(nil), b...)
	spoilt[len(spoilt)-1] ^= 0x20
	return t.Conn.Write(spoilt)
}
