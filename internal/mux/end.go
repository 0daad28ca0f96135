package mux

import (
	"errors"
	"io"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
)

// leave tells the client that the connection will take no new streams: RFC 9113, section 6.8. Those on their way are still taken for a
// while.
func (m *mux) leave() {
	m.mu.Lock()
	if m.over == nil && !m.leaving {
		m.leaving, m.leaveAt = true, time.Now()
		m.openOutput()
		m.out = m.conn.GoAway(m.out, h2.WindowMax, h2.NoError, "")
		m.out = h2.AppendPing(m.out, false, [8]byte{'g', 'o', 'i', 'n', 'g'}) // its answer comes behind what the client sent before it knew
	}
	m.handOut()
}

// left ends a connection that takes no new streams when it has none. mu is held.
func (m *mux) left() {
	if m.over == nil && m.final && m.active == 0 {
		m.over = errDrained
		_ = m.socket.SetReadDeadline(time.Unix(1, 0)) // the reader looks again
	}
}

// lastGoAway tells which stream is the last that is taken.
func (m *mux) lastGoAway(debug string) {
	m.leaving, m.final = true, true
	m.out = m.conn.GoAway(m.out, m.conn.LastStream(), h2.NoError, debug)
}

// kill ends the connection where it stands.
func (m *mux) kill(why error) {
	m.mu.Lock()
	if m.over == nil {
		m.over = why
	}
	m.stop()
	m.mu.Unlock()
}

// stop wakes whoever waits for the connection.
func (m *mux) stop() {
	select {
	case <-m.quit:
	default:
		close(m.quit)
	}
	_ = m.socket.SetDeadline(time.Unix(1, 0))
}

// lingerTime is how long what the client still sends is read and thrown away after we ended: a socket closed over unread octets is reset,
// and the client might not see why.
const (
	lingerTime   = time.Second
	lingerOctets = 1 << 20
)

// end is the reader's last act: streams are told, what is gathered is written, the workers are waited for.
func (m *mux) end(err error) {
	m.mu.Lock()
	ours := m.over != nil && !errors.Is(m.over, errLimit) // there is something to be told to a client that listens
	if m.over == nil {
		m.over = err
	}
	m.conn.Each(func(h *h2.Stream) { h.Owner.(*Stream).fail(ErrGone) })
	m.handOut()
	if ours && !m.stopped() {
		m.waitFor(func() bool { return !m.flushing })
		m.linger()
	}
	m.mu.Lock()
	m.stop()
	m.mu.Unlock()
	m.waitFor(func() bool { return m.active == 0 && !m.flushing })
	if m.in != nil {
		putBuffer(m.in)
	}
	m.s.lent.Add(-m.lent)
	_ = m.socket.Close()
}

func (m *mux) stopped() bool {
	select {
	case <-m.quit:
		return true
	default:
		return false
	}
}

// waitFor waits until something holds that workers bring about. Each of them ends: its stream has failed.
func (m *mux) waitFor(done func() bool) {
	m.mu.Lock()
	for !done() {
		m.mu.Unlock()
		<-m.room
		m.mu.Lock()
	}
	m.mu.Unlock()
}

// linger ends our side and reads what the client still sends, within limits.
func (m *mux) linger() {
	if c, ok := m.nc.(interface{ CloseWrite() error }); ok {
		_ = m.socket.SetWriteDeadline(time.Now().Add(lingerTime))
		_ = c.CloseWrite()
	}
	if c, ok := m.socket.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	_ = m.socket.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, m.socket, lingerOctets)
}

// wakeReader tells the reader, and whoever waits for the end, that something changed.
func (m *mux) wakeReader() {
	select {
	case m.room <- struct{}{}:
	default:
	}
}

// sweep looks at what has taken too long.
func (m *mux) sweep(now time.Time) {
	l := m.limits
	m.mu.Lock()
	since := func(t time.Time, limit time.Duration) bool { return !t.IsZero() && now.Sub(t) > limit }
	writing := m.writeSince.Load()
	switch {
	case m.over != nil:
	case !m.conn.Settled() && since(m.began, l.Preface), since(m.partial, l.HeadTime), writing != 0 && now.UnixNano()-writing > int64(l.Write):
		m.s.Stats.Killed.Add(1)
		m.over = errLimit
		m.tellLate()
		m.stop()
	case m.conn.Unacknowledged() > 0 && since(m.began, l.Settings):
		m.broken(&h2.Error{Rule: fault.RuleH2SettingsTimeout, Code: h2.SettingsTimeout})
	case m.leaving && !m.final && since(m.leaveAt, sweepTime):
		m.lastGoAway("")
	case m.leaving && m.final && m.active == 0 && len(m.out) == 0 && !m.flushing:
		m.over = errDrained
	case m.active == 0 && since(m.quiet, l.Idle) && !m.leaving:
		m.leaving, m.leaveAt = true, now
		m.out = m.conn.GoAway(m.out, h2.WindowMax, h2.NoError, "idle")
	}
	m.sweepStreams(now)
	if kick := m.over != nil && !m.stopped() || m.readAt.Load() > now.Add(-2*sweepTime).UnixNano(); kick {
		_ = m.socket.SetReadDeadline(time.Unix(1, 0)) // the reader looks again: a FIN may have come with the last octets
	}
	m.handOut()
}

// tellLate tells of a client that began to ask and did not go on. One that is silent from the beginning has asked for nothing.
func (m *mux) tellLate() {
	if m.s.o.Late == nil {
		return
	}
	switch {
	case !m.partial.IsZero():
		m.s.o.Late(m.owner, m.limits.HeadTime)
	case !m.conn.Settled() && m.readAt.Load() != 0:
		m.s.o.Late(m.owner, m.limits.Preface)
	}
}

// sweepStreams ends streams whose client keeps them waiting. One that sends no more of a body may still read why.
func (m *mux) sweepStreams(now time.Time) {
	var late []*Stream
	m.conn.Each(func(h *h2.Stream) {
		switch st := h.Owner.(*Stream); {
		case st.sending && now.After(st.until):
			late = append(late, st)
		case st.reading && st.req.Protocol == nil && now.UnixNano()-st.bodyAt > int64(m.limits.BodyTime):
			st.silent = true
			poke(st.more)
		}
	})
	for _, st := range late {
		m.tell(&h2.Error{Rule: fault.RuleH2Stall, Code: h2.Cancel, Stream: st.h.ID})
		st.fail(ErrStalled)
		m.out = m.conn.Reset(m.out, st.h.ID, h2.Cancel)
	}
}
