package mux

import "time"

// How far the windows of a client that uploads may grow, in octets. The usual windows carry 128 KiB per round trip, which on a
// long way makes an upload many times slower than the line.
const (
	windowMax = 4 << 20
	allMax    = 16 << 20
)

// grow makes windows larger of which half was used up within two round trips: then it is the window that the client waits for, and
// not we. The stream's doubles, and the connection's, which all of its uploads share, stays at four times that, and doubles where they
// use it up together. What is lent comes from the memory of all connections, and is given back when the stream or the connection ends.
// mu is held, and credit is about to be given.
func (m *mux) grow(st *Stream) {
	if m.conn.Due(&st.h) && m.fast(&st.creditAt) {
		window := st.h.Window()
		if more := min(window, windowMax-window); m.lend(more) {
			st.lent += more
			m.conn.Grow(&st.h, window+more)
			m.growAll(4 * (window + more))
		}
	}
	if m.conn.Due(nil) && m.fast(&m.allAt) {
		m.growAll(2 * m.all)
	}
}

// giveBack gives credit for what streams held that have ended: nobody else would, and the client may wait for it. mu is held.
func (m *mux) giveBack() {
	if m.conn.Due(nil) {
		if m.fast(&m.allAt) {
			m.growAll(2 * m.all)
		}
		m.openOutput()
		m.out = m.conn.AppendCredit(m.out, nil)
	}
}

// fast reports whether the time since at is at most two round trips, and sets it to now.
func (m *mux) fast(at *time.Time) bool {
	now := time.Now()
	took := now.Sub(*at)
	*at = now
	return took <= 2*m.s.rtt(m.socket)
}

// lend takes octets from the memory of all connections. It is false where there are none, or none are wanted.
func (m *mux) lend(n int64) bool {
	if n <= 0 {
		return false
	}
	if m.s.lent.Add(n) > m.limits.Memory {
		m.s.lent.Add(-n)
		return false
	}
	return true
}

// growAll makes the connection's window so large, within its bound.
func (m *mux) growAll(all int64) {
	all = min(all, allMax)
	if more := all - m.all; m.lend(more) {
		m.all = all
		m.lent += more
		m.conn.Grow(nil, all)
	}
}
