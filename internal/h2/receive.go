package h2

import (
	"encoding/binary"

	"github.com/whygate/whygate/internal/fault"
)

// take acts on a frame by its type. A type that we do not know is ignored: RFC 9113, section 5.5.
//
// hot: once per frame.
func (c *Conn) take(f *Frame, ev *Event) *Error {
	switch f.Type {
	case Headers:
		return c.headers(f, ev)
	case Data:
		return c.data(f, ev)
	case WindowUpdate:
		return c.windowUpdate(f, ev)
	case Continuation:
		return c.continuation(f, ev)
	case RSTStream:
		return c.rstStream(f, ev)
	case SettingsFrame:
		return c.settingsFrame(f, ev)
	case Ping:
		return c.ping(f, ev)
	case GoAway:
		return c.goAway(f, ev)
	case Priority:
		c.Counts.Priorities++
		return c.priority(f)
	case PriorityUpdate:
		c.Counts.Priorities++
		return c.priorityUpdate(f)
	case PushPromise:
		return f.fail(fault.RuleH2Push, ProtocolError)
	}
	c.Counts.Unknown++
	return nil
}

func (c *Conn) settingsFrame(f *Frame, ev *Event) *Error {
	c.Counts.Settings++
	if f.Has(FlagAck) {
		if c.unacked == 0 {
			return f.fail(fault.RuleH2SettingsAck, ProtocolError)
		}
		c.unacked--
		ev.Kind = EventSettingsAck
		return nil
	}
	if err := c.settings(f); err != nil {
		return err
	}
	c.gotSettings = true
	ev.Kind = EventSettings
	return nil
}

func (c *Conn) ping(f *Frame, ev *Event) *Error {
	c.Counts.Pings++
	ev.Kind, ev.Data = EventPing, f.Payload
	if f.Has(FlagAck) {
		ev.Kind = EventPingAck
	}
	return nil
}

func (c *Conn) goAway(f *Frame, ev *Event) *Error {
	last := binary.BigEndian.Uint32(f.Payload) &^ (1 << 31)
	if last > c.gotGoAway {
		return f.fail(fault.RuleH2GoAway, ProtocolError)
	}
	c.gotGoAway = last
	ev.Kind, ev.ID, ev.Code = EventGoAway, last, Code(binary.BigEndian.Uint32(f.Payload[4:]))
	ev.Data = f.Payload[8:min(len(f.Payload), 8+debugMax)]
	return nil
}

// priority looks at PRIORITY only as far as it can be wrong: RFC 9113, section 5.3.2, has it ignored.
func (c *Conn) priority(f *Frame) *Error {
	if f.Depends == f.Stream {
		return f.failStream(fault.RuleH2SelfDependency, ProtocolError)
	}
	return nil
}

// isIdle reports whether nobody has opened the stream.
func (c *Conn) isIdle(id uint32) bool {
	peers := id&1 == 1
	if c.role == Client {
		peers = !peers
	}
	if peers {
		return id > c.lastPeer
	}
	return id > c.lastOwn
}

func (c *Conn) rstStream(f *Frame, ev *Event) *Error {
	c.Counts.Resets++
	if c.isIdle(f.Stream) {
		return f.fail(fault.RuleH2StreamIdle, ProtocolError)
	}
	st := c.find(f.Stream)
	if st == nil {
		c.Counts.Late++
		return nil
	}
	c.shut(st)
	ev.Kind, ev.Stream, ev.Code = EventReset, st, Code(binary.BigEndian.Uint32(f.Payload))
	return nil
}

func (c *Conn) windowUpdate(f *Frame, ev *Event) *Error {
	n := int64(binary.BigEndian.Uint32(f.Payload) &^ (1 << 31))
	if n < smallWindow {
		c.Counts.SmallWindows++
	}
	if f.Stream == 0 {
		switch {
		case n == 0:
			return f.fail(fault.RuleH2WindowZero, ProtocolError)
		case c.send+n > WindowMax:
			return f.fail(fault.RuleH2WindowOverflow, FlowControlError)
		}
		c.send += n
		ev.Kind, ev.Credit = EventWindow, n
		return nil
	}
	if c.isIdle(f.Stream) {
		return f.fail(fault.RuleH2StreamIdle, ProtocolError)
	}
	st := c.find(f.Stream)
	switch {
	case st == nil:
		c.Counts.Late++
		return nil
	case n == 0:
		return f.failStream(fault.RuleH2WindowZero, ProtocolError)
	case st.send+n > WindowMax:
		return f.failStream(fault.RuleH2WindowOverflow, FlowControlError)
	}
	st.send += n
	ev.Kind, ev.Stream, ev.Credit = EventWindow, st, n
	return nil
}

// data takes DATA: RFC 9113, section 6.1. Whatever becomes of it, the connection's window counts it, and gets back what nobody will
// consume.
//
// hot: once per frame of a body.
func (c *Conn) data(f *Frame, ev *Event) *Error {
	if c.isIdle(f.Stream) {
		return f.fail(fault.RuleH2StreamIdle, ProtocolError)
	}
	length := int64(f.Length)
	if length > c.recv {
		e := f.fail(fault.RuleH2WindowExceeded, FlowControlError)
		e.Limit, e.Size = c.recv, length
		return e
	}
	c.recv -= length
	st := c.find(f.Stream)
	if st == nil || !st.state.MayReceive() {
		c.owed += length
		return c.lateData(f)
	}
	size := int64(len(f.Payload))
	st.held += size
	c.held += size
	st.owed += length - size // padding
	c.owed += length - size
	ev.End = f.Has(FlagEndStream)
	if size == 0 && !ev.End {
		c.Counts.EmptyData++
	}
	switch {
	case length > st.recv:
		e := f.failStream(fault.RuleH2WindowExceeded, FlowControlError)
		e.Limit, e.Size = st.recv, length
		return e
	case c.role == Client && !st.headDone:
		return f.failStream(fault.RuleH2DataEarly, ProtocolError)
	}
	st.recv -= length
	st.received += size
	if st.declared >= 0 && (st.received > st.declared || ev.End && st.received < st.declared) {
		e := lengthError(st.declared, st.received)
		e.Stream = st.ID
		return e
	}
	ev.Kind, ev.Stream, ev.Data = EventData, st, f.Payload
	if ev.End {
		c.remoteEnded(st)
	}
	return nil
}

// lateData judges DATA on a stream whose message has ended: RFC 9113, section 5.1. What was on its way when we closed the
// stream is ignored.
func (c *Conn) lateData(f *Frame) *Error {
	c.Counts.Late++
	if c.ignores(f.Stream) {
		return nil
	}
	return f.failStream(fault.RuleH2StreamClosed, StreamClosed)
}
