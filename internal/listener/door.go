package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/mux"
)

// Reason is why a TLS handshake with a client failed, from a fixed list.
type Reason uint8

// The reasons.
const (
	Silent        Reason      = iota // the client left without a byte: a port scan, or a load balancer's check
	PlainHTTP                        // it spoke HTTP in clear, and was told so
	NotTLS                           // it spoke something else
	NoCommonWays                     // no version, cipher suite or curve in common, or a rule of TLS broken
	AlertReceived                    // it refused us by an alert: it does not trust our certificate, for one
	LeftHalfway                      // it closed or reset the connection
	TooSlow                          // limits.head_time was over
	TooMany                          // limits.connections was reached: there was none, for it is what costs most
	Reasons       = int(iota)        // how many there are
)

var reasonNames = [Reasons]string{"silent", "plain_http", "not_tls", "no_common_ways", "alert_received", "left_halfway", "too_slow", "too_many"}

// String gives the reason's name as logs and metrics spell it.
func (r Reason) String() string { return reasonNames[r] }

// Handshake is a TLS handshake with a client that failed.
type Handshake struct {
	Client string // its address without port
	Local  string // the address it came to
	Reason Reason
	Detail string // what crypto/tls says
	Alert  uint8  // the alert that the client sent, where the reason is AlertReceived
	First  []byte // the client's first bytes, firstMax at most
	Took   time.Duration
	Limit  time.Duration // limits.head_time
	Max    int           // limits.connections
}

// detailMax bounds what crypto/tls says, in bytes.
const detailMax = 200

// firstMax is how many of a client's first bytes are kept until its handshake has ended.
const firstMax = 64

// door is the connection under a client's TLS handshake. It keeps the first bytes, which crypto/tls does not tell.
//
// While it shakes hands crypto/tls is handed whole records and nothing of the next: what follows is for whoever speaks then.
type door struct {
	net.Conn
	records *mux.Records // nil once nothing is held in it, unless HTTP/2 is spoken
	writes  *mux.Records // where HTTP/2 is spoken: it gathers
	first   []byte
	open    bool // the handshake has ended, and nothing more is kept
}

func newDoor(nc net.Conn) *door {
	d := &door{Conn: nc}
	d.records = mux.NewRecords(tap{nc, d})
	return d
}

// tap keeps the first bytes that come, whether or not they are a whole record.
type tap struct {
	net.Conn
	door *door
}

func (t tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if d := t.door; !d.open && len(d.first) < firstMax {
		d.first = append(d.first, p[:min(n, firstMax-len(d.first))]...)
	}
	return n, err
}

// take gives the records to mux, which reads and writes the socket itself.
func (d *door) take(raw net.Conn) *mux.Records {
	d.records.Conn, d.writes = raw, d.records
	return d.records
}

func (d *door) Write(p []byte) (int, error) {
	if d.writes != nil {
		return d.writes.Write(p)
	}
	return d.Conn.Write(p)
}

func (d *door) Read(p []byte) (int, error) {
	if d.records != nil && d.writes == nil && d.open && d.records.Empty() {
		d.records = nil // HTTP/1 goes past it
	}
	if d.records == nil {
		return d.Conn.Read(p)
	}
	return d.records.Read(p)
}

// handshake runs TLS on a goroutine of its own, whose stack grows deep and then goes. What failed is told.
//
//go:noinline
func (ss *session) handshake() bool {
	var err error
	began := mono.Now()
	done := make(chan struct{})
	go func() { // ends by limits.head_time
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				err = errors.New("a bug of ours")
				ss.server.panicked(r)
			}
		}()
		session := ss.conn.TLS()
		_ = session.SetDeadline(time.Now().Add(ss.limits.HeadTime))
		err = session.HandshakeContext(context.Background())
		_ = session.SetDeadline(time.Time{})
	}()
	<-done
	d := ss.door
	d.open = true
	first := d.first
	d.first = nil
	if err == nil {
		return true
	}
	if ss.http.Drained() {
		return false // it was us: there is nothing to tell of the client
	}
	reason := reasonOf(err, first)
	if reason == PlainHTTP {
		ss.turnToTLS(d)
	}
	if ss.server.Failed != nil {
		p := ss.http.Peer()
		alert, _ := conn.AlertOf(err)
		detail := err.Error()
		detail = detail[:min(len(detail), detailMax)] // crypto/tls quotes what the client offered
		ss.server.Failed(&Handshake{
			Client: p.Client, Local: p.Local, Reason: reason, Detail: detail, Alert: alert, First: first,
			Took: time.Duration(mono.Now() - began), Limit: ss.limits.HeadTime,
		})
	}
	return false
}

// reasonOf judges a failed handshake by the error's kind and the client's first bytes.
func reasonOf(err error, first []byte) Reason {
	var record tls.RecordHeaderError
	var errno syscall.Errno
	_, alert := conn.AlertOf(err)
	switch {
	case len(first) == 0:
		return Silent
	case errors.Is(err, os.ErrDeadlineExceeded):
		return TooSlow
	case errors.As(err, &record) && looksHTTP(first):
		return PlainHTTP
	case errors.As(err, &record):
		return NotTLS
	case alert:
		return AlertReceived
	case errors.As(err, &errno), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return LeftHalfway
	}
	return NoCommonWays
}

// looksHTTP reports whether first bytes are a method's, with the space behind it: RFC 9112, section 3.
func looksHTTP(first []byte) bool {
	for i, c := range first {
		if c == ' ' {
			return i > 0
		}
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return false
}

// plainAnswer is what a client gets that speaks HTTP to a port of TLS.
const plainAnswer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: 42\r\n\r\n" +
	"This port speaks TLS: ask it by https://.\n"

// How long, and for how many bytes, a client that spoke in clear is read on after its answer.
const (
	awayTime = 200 * time.Millisecond
	awayMax  = 256 << 10
)

// turnToTLS answers a client in clear, and reads on for a moment: a close with bytes unread would destroy the answer.
func (ss *session) turnToTLS(d *door) {
	ss.conn.SetWriteUntil(mono.Now().Add(awayTime))
	if _, err := io.WriteString(d.Conn, plainAnswer); err != nil {
		return
	}
	if c, ok := ss.raw.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	ss.conn.SetReadUntil(mono.Now().Add(awayTime))
	_, _ = io.CopyN(io.Discard, d.Conn, awayMax)
}

// panicked tells of a bug of ours that was caught on a connection's goroutine.
func (s *Server) panicked(reason any) {
	if s.Panicked != nil {
		s.Panicked(reason, debug.Stack())
	}
}
