package mux

import (
	"encoding/binary"
	"net"
	"sync"
)

// Sizes of TLS records in octets: RFC 8446, section 5.2, and RFC 5246, section 6.2.3, which allows more.
const (
	recordHead = 5
	recordMax  = recordHead + 16<<10 + 2048

	recordFirst, recordLast = 20, 24 // content types: RFC 8446, section 5.1, and RFC 6520
	recordMajor             = 3      // of the version, in every record
)

// Records is the net.Conn below crypto/tls. It hands over whole records and no octet more, so that crypto/tls never holds ciphertext of
// the next one: what is left to read is known without asking it, and a read that would have to wait is refused at once.
// While it is corked it gathers what is written, so that several records are one system call.
type Records struct {
	net.Conn
	buf    []byte // ciphertext: buf[r:w] was not handed over
	r, w   int
	rest   int  // octets of the record that is being handed over
	inside bool // a read must not wait

	mu     sync.Mutex // guards the fields below
	corked bool
	out    []byte
}

// NewRecords puts itself between a connection and tls.Server.
func NewRecords(nc net.Conn) *Records { return &Records{Conn: nc} }

// Empty reports whether nothing is held that was read and not handed over: then whoever read through it may read past it.
func (c *Records) Empty() bool { return c.r == c.w }

// errWait is what a read inside the poller finds where there is no whole record. crypto/tls forgets a temporary error.
type waitError struct{}

func (waitError) Error() string   { return "no whole record is here" }
func (waitError) Timeout() bool   { return false }
func (waitError) Temporary() bool { return true }

// Read hands over octets of the record at the front, and waits for it only where it may.
func (c *Records) Read(p []byte) (int, error) {
	for c.rest == 0 {
		if c.rest = c.whole(); c.rest > 0 {
			break
		}
		if c.inside {
			return 0, waitError{}
		}
		n, err := c.Conn.Read(c.space())
		c.w += n
		if n == 0 && err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf[c.r:c.r+c.rest])
	c.r += n
	if c.rest -= n; c.r == c.w {
		putBuffer(c.buf)
		c.buf, c.r, c.w = nil, 0, 0
	}
	return n, nil
}

// whole is how many octets the record at the front has, 0 if they are not all here. What is no record is handed over as it is: crypto/tls is
// to say so.
func (c *Records) whole() int {
	have := c.w - c.r
	switch {
	case have > 0 && (c.buf[c.r] < recordFirst || c.buf[c.r] > recordLast), have > 1 && c.buf[c.r+1] != recordMajor:
		return have
	case have < recordHead:
		return 0
	}
	n := recordHead + int(binary.BigEndian.Uint16(c.buf[c.r+3:]))
	switch {
	case n > recordMax:
		return have
	case n > have:
		return 0
	}
	return n
}

// space is room for more, at least for the rest of a record.
func (c *Records) space() []byte {
	if c.buf == nil {
		c.buf = getBuffer()
	}
	if c.r > 0 && len(c.buf)-c.r < recordMax {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	return c.buf[c.w:]
}

// Write writes, or gathers while it is corked.
func (c *Records) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.corked {
		c.out = append(c.out, p...)
		c.mu.Unlock()
		return len(p), nil
	}
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// cork begins to gather what n octets become.
func (c *Records) cork(n int) {
	c.mu.Lock()
	c.corked = true
	if c.out == nil {
		c.out = getBufferFor(n + n/64 + recordMax - 16<<10)[:0]
	}
	c.mu.Unlock()
}

// uncork writes what was gathered.
func (c *Records) uncork() error {
	c.mu.Lock()
	out := c.out
	c.out, c.corked = nil, false
	c.mu.Unlock()
	_, err := c.Conn.Write(out)
	putBuffer(out)
	return err
}
