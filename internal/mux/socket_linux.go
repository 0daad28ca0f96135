package mux

import (
	"errors"
	"io"
	"syscall"
	"time"
)

// read reads until the connection is over. It stays in the poller and reads there, so that going back to wait needs no read that finds
// nothing: a read that did not fill its buffer has emptied the socket, and what comes later wakes us.
func (m *mux) read() error {
	sc, ok := m.socket.(syscall.Conn)
	if !ok {
		return m.readPlainly()
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	if m.records != nil {
		m.records.inside = true
		if err := m.decrypt(); err != nil { // what came with the handshake
			return err
		}
	}
	for {
		var end error
		err := raw.Read(func(fd uintptr) bool {
			var wait bool
			wait, end = m.onReadable(int(fd))
			return !wait
		})
		switch {
		case end != nil:
			return end
		case err == nil || !m.timedOut(err):
			return errors.Join(err, m.why())
		}
	}
}

// onReadable reads what is there. wait says that the socket is empty.
//
// hot: once per wake-up.
func (m *mux) onReadable(fd int) (wait bool, end error) {
	for {
		dst := m.target()
		n, err := syscall.Read(fd, dst)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			m.idle()
			return true, nil
		case err != nil:
			return false, err
		case n == 0:
			return false, io.EOF
		}
		if err := m.came(n); err != nil {
			return false, err
		}
		if n < len(dst) {
			m.idle()
			return true, nil
		}
	}
}

// target is where the next octets of the socket go.
func (m *mux) target() []byte {
	if m.records != nil {
		return m.records.space()
	}
	return m.space()
}

// idle gives back the buffers that hold nothing.
func (m *mux) idle() {
	m.emptied()
	if c := m.records; c != nil && c.buf != nil && c.r == c.w {
		putBuffer(c.buf)
		c.buf, c.r, c.w = nil, 0, 0
	}
}

// came acts on n octets that the socket gave.
func (m *mux) came(n int) error {
	m.readAt.Store(time.Now().UnixNano())
	if m.records != nil {
		m.records.w += n
		return m.decrypt()
	}
	m.w += n
	return m.parse()
}

// decrypt takes the whole records that are here.
func (m *mux) decrypt() error {
	for {
		dst := m.space()
		n, err := m.nc.Read(dst)
		if m.w += n; n > 0 {
			if err := m.parse(); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, waitError{}):
			return nil
		case err != nil:
			return err
		case n < len(dst) && m.records.rest == 0 && m.records.whole() == 0:
			return nil
		}
	}
}
