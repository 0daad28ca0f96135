package conn

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// A socket is the net.Conn that TLS runs over: what crypto/tls asks of one.

// Read is for TLS above.
func (s *socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.rd.op, s.rd.p = opRead, p
	end := s.waitRead(s.readHalf)
	s.rd.p = nil
	switch end {
	case fault.Timeout:
		return 0, os.ErrDeadlineExceeded
	case fault.Canceled:
		return 0, errCanceled
	case fault.Closed:
		return 0, net.ErrClosed
	}
	switch {
	case s.rd.n > 0:
		return s.rd.n, nil
	case s.rd.errno == 0:
		s.ended = true
		return 0, io.EOF
	case s.rd.errno == syscall.EAGAIN:
		return 0, errWouldBlock
	}
	return 0, s.rd.errno
}

// Write is for TLS above.
func (s *socket) Write(p []byte) (int, error) {
	var h half
	h.until.Store(s.writeHalf.until.Load())
	h.cancel = s.writeHalf.cancel
	switch s.writeAll(&h, p, nil) {
	case fault.Completed:
		return len(p), nil
	case fault.Timeout:
		if h.errno == 0 {
			return int(h.octets), os.ErrDeadlineExceeded
		}
	case fault.Canceled:
		return int(h.octets), errCanceled
	}
	if h.errno == 0 {
		return int(h.octets), net.ErrClosed
	}
	return int(h.octets), h.errno
}

// SetDeadline, SetReadDeadline and SetWriteDeadline are for TLS above.
func (s *socket) SetDeadline(t time.Time) error {
	_ = s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// SetReadDeadline is for TLS above.
func (s *socket) SetReadDeadline(t time.Time) error {
	s.readHalf.until.Store(mono.FromWall(t))
	return nil
}

// SetWriteDeadline is for TLS above.
func (s *socket) SetWriteDeadline(t time.Time) error {
	s.writeHalf.until.Store(mono.FromWall(t))
	return nil
}
