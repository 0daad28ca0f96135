package mux

import (
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
)

// event acts on what a frame means.
//
// hot: once per frame.
func (m *mux) event(ev *h2.Event) *h2.Error {
	switch ev.Kind {
	case h2.EventRequest:
		return m.request(ev)
	case h2.EventData:
		st := ev.Stream.Owner.(*Stream)
		st.in = append(st.in, ev.Data...)
		m.s.held.Add(int64(len(ev.Data)))
		st.inEnd = ev.End
		st.bodyAt = m.readAt.Load()
		poke(st.more)
	case h2.EventTrailers:
		st := ev.Stream.Owner.(*Stream)
		buf, err := m.conn.ReadTrailers(ev, st.trailers[:0], &st.tail)
		if err != nil {
			return err
		}
		st.trailers, st.inEnd = buf, true
		m.s.held.Add(int64(len(buf)))
		poke(st.more)
	case h2.EventReset:
		st := ev.Stream.Owner.(*Stream)
		if !st.answered {
			m.strain.add(time.Now(), costReset)
		}
		st.fail(ErrReset)
	case h2.EventWindow:
		m.credit(ev)
	case h2.EventPingAck:
		if m.leaving && !m.final { // what the client sent before it knew has come
			m.lastGoAway("")
			m.left()
		}
	case h2.EventSettings, h2.EventPing:
		m.out = m.conn.Answer(m.out, ev)
		if ev.Kind == h2.EventSettings { // windows may have grown
			m.wakeNext()
		}
	}
	return nil
}

// request opens a stream.
func (m *mux) request(ev *h2.Event) *h2.Error {
	if held, l := m.s.held.Load(), m.limits; held > l.Memory || held > l.Memory/tightShare && m.active >= streamsTight {
		id := ev.ID
		if err := m.conn.Skip(ev); err != nil {
			return err
		}
		m.s.Stats.Refused.Add(1)
		m.out = m.conn.Reset(m.out, id, h2.RefusedStream)
		return nil
	}
	st := m.s.streams.Get().(*Stream)
	st.m, st.h.Owner = m, st
	buf, err := m.conn.ReadRequest(ev, &st.h, st.head[:0], &st.req)
	st.head = buf
	if err != nil && err.Fatal() {
		return err
	}
	m.streams++
	m.s.held.Add(int64(len(buf)) + m.limits.Stream)
	if err != nil {
		m.refuse(st, err)
		return nil
	}
	st.inEnd = ev.End
	m.begin(st)
	return nil
}

// begin has a worker take the stream at the end of the read.
func (m *mux) begin(st *Stream) {
	st.bodyAt = m.readAt.Load()
	m.active++
	m.quiet = time.Time{}
	m.s.Stats.Streams.Add(1)
	m.ready = append(m.ready, st)
}

// refuse ends a stream whose head breaks a rule. One that is only too large is answered: RFC 6585, section 5.
func (m *mux) refuse(st *Stream, err *h2.Error) {
	m.tell(err)
	tooLarge := err.Rule == fault.RuleHeadSize || err.Rule == fault.RuleFieldCount
	if tooLarge && m.s.o.TooLarge != nil {
		st.tooLarge = err
		m.begin(st)
		return
	}
	m.tellRefused(err)
	code := err.Code
	if tooLarge {
		at := len(m.out)
		m.out = h2.AppendStatus(h2.BeginHeaders(m.out, st.h.ID), 431)
		m.out = h2.FinishHeaders(m.out, at, st.h.ID, true)
		m.conn.Ended(&st.h)
		code = h2.NoError
	}
	if st.h.State() != h2.Closed {
		m.out = m.conn.Reset(m.out, st.h.ID, code)
	}
	st.release()
}

// broken tells the client which rule it broke, and ends the stream or the connection.
func (m *mux) broken(err *h2.Error) {
	m.tell(err)
	if st := m.conn.Stream(err.Stream); st != nil {
		st.Owner.(*Stream).fail(ErrBroken)
	}
	m.out = m.conn.Tell(m.out, err)
	if err.Fatal() && m.over == nil {
		m.s.Stats.Killed.Add(1)
		m.over = ErrBroken
		m.tellRefused(err)
	}
}

// tellRefused tells of what no handler sees.
func (m *mux) tellRefused(err *h2.Error) {
	if m.s.o.Refused != nil {
		m.s.o.Refused(m.owner, err)
	}
}

// tell reports a broken rule, and counts what it costs.
func (m *mux) tell(err *h2.Error) {
	if !err.Fatal() {
		m.strain.add(time.Now(), costError)
	}
	if m.s.o.Broken != nil {
		m.s.o.Broken(m.socket.RemoteAddr(), err)
	}
}

// count turns what the codec counted into strain, and acts on it.
func (m *mux) count() {
	c, b := &m.conn.Counts, &m.counted
	control := c.Settings - b.Settings + c.Pings - b.Pings + c.Priorities - b.Priorities + c.EmptyData - b.EmptyData + c.EmptyBlocks - b.EmptyBlocks + c.Unknown - b.Unknown + c.Refused - b.Refused
	small := c.SmallWindows - b.SmallWindows
	if control+small > 0 {
		now := time.Now()
		m.strain.control(now, control, costControl)
		m.strain.control(now, small, costWindow)
	}
	*b = *c
	switch {
	case m.over != nil || m.strain.level < strainLeave:
	case m.strain.level >= strainKill:
		m.broken(&h2.Error{Rule: fault.RuleH2Strain, Code: h2.EnhanceYourCalm, Limit: strainKill, Size: int64(m.strain.level)})
	case !m.final:
		m.s.Stats.Left.Add(1)
		m.lastGoAway(fault.RuleH2Strain.Text())
	}
}

// notePartial remembers since when a head is incomplete.
func (m *mux) notePartial() {
	switch {
	case !m.conn.Heading() && (m.w-m.r < h2.FrameHead || h2.FrameType(m.in[m.r+3]) == h2.Data):
		m.partial = time.Time{}
	case m.partial.IsZero():
		m.partial = time.Now()
	}
}
