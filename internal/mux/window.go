package mux

import "time"

// How far the windows of a client that uploads may grow, in octets. The usual windows carry 256 KiB per round trip, which on a
// long way makes an upload many times slower than the line.
const (
	windowMax = 4 << 20
	allMax    = 16 << 20
)

// grow doubles a stream's window when half of it was used up within two round trips: then it is the window that the client waits for, and not we.
// What is lent comes from the memory of all connections, and is given back when the stream ends. mu is held, and credit is about
// to be given.
func (m *mux) grow(st *Stream) {
	now := time.Now()
	took := now.Sub(st.creditAt)
	st.creditAt = now
	window := st.h.Window()
	if window >= windowMax || took > 2*m.s.rtt(m.socket) {
		return
	}
	more := min(window, windowMax-window)
	all := min(allMax, max(m.all, 4*(window+more)))
	cost := more + all - m.all
	if m.s.lent.Add(cost) > m.s.limits.Memory {
		m.s.lent.Add(-cost)
		return
	}
	st.lent += more
	m.lent += all - m.all
	m.all = all
	m.conn.Grow(&st.h, window+more)
	m.conn.Grow(nil, all)
}
