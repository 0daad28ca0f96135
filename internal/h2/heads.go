package h2

import (
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// headSkipped is the kind of a head that is decoded for the table alone.
const headSkipped EventKind = 0xff

// headers takes HEADERS, which begins a head: RFC 9113, section 6.2. What is wrong with its stream alone is told when the head
// was decoded, since the table must stay in step.
//
// hot: once per head.
func (c *Conn) headers(f *Frame, ev *Event) *Error {
	ev.End = f.Has(FlagEndStream)
	kind, err := c.headKind(f, ev)
	if err != nil {
		if err.Fatal() {
			return err
		}
		kind = headSkipped
	}
	c.heading, c.pending, c.frames = Event{Kind: kind, End: ev.End, ID: ev.ID, Stream: ev.Stream, frame: Headers}, err, 1
	if f.Has(FlagEndHeaders) {
		return c.headEnd(f.Payload, ev)
	}
	if len(f.Payload) == 0 {
		c.Counts.EmptyBlocks++
	}
	c.block = c.block[:0]
	return c.gather(f)
}

// continuation takes CONTINUATION, which goes on with a head: RFC 9113, section 6.10.
func (c *Conn) continuation(f *Frame, ev *Event) *Error {
	c.Counts.Fragments++
	if len(f.Payload) == 0 {
		c.Counts.EmptyBlocks++
	}
	if c.heading.Kind == EventNone {
		return f.fail(fault.RuleH2Continuation, ProtocolError)
	}
	c.frames++
	if err := c.gather(f); err != nil || !f.Has(FlagEndHeaders) {
		return err
	}
	block := c.block
	if cap(block) > FrameMax { // such heads are rare, and connections are many
		c.block = nil
	}
	return c.headEnd(block, ev)
}

// gather keeps a part of a head, within limits.
func (c *Conn) gather(f *Frame) *Error {
	rule, size, limit := fault.RuleNone, len(c.block)+len(f.Payload), c.limits.block()
	if size > limit {
		rule = fault.RuleH2BlockSize
	} else if c.frames > c.limits.blockFrames() {
		rule, size, limit = fault.RuleH2BlockFrames, c.frames, c.limits.blockFrames()
	}
	if rule != fault.RuleNone {
		e := f.fail(rule, EnhanceYourCalm)
		e.Limit, e.Size = int64(limit), int64(size)
		return e
	}
	c.block = append(c.block, f.Payload...)
	return nil
}

// block is how many octets of a field block are gathered before it is decoded. A head that is somewhat larger than the limit
// is still decoded, so that it can be answered and need not end the connection.
func (l *Limits) block() int { return 2*l.head() + FrameMax }

// blockFrames is how many frames a field block may be in. A peer divides it where a frame is full, at 16 KiB, or somewhat earlier.
func (l *Limits) blockFrames() int { return 4 + l.block()/(4<<10) }

// headEnd gives out a head that is complete, or decodes one that nobody is to read.
func (c *Conn) headEnd(block []byte, ev *Event) *Error {
	*ev = c.heading
	c.heading.Kind = EventNone
	ev.block = block
	if ev.Kind != headSkipped {
		c.reading = true
		return nil
	}
	ev.Kind = EventNone
	if err := c.decoder.Skip(block); err != nil {
		return c.about(ev, err)
	}
	return c.pending
}

// headKind tells what a head on that stream is: RFC 9113, sections 5.1, 5.1.1, 5.1.2 and 8.1.
func (c *Conn) headKind(f *Frame, ev *Event) (EventKind, *Error) {
	st := c.find(f.Stream)
	ev.Stream = st
	switch {
	case st != nil:
		return c.laterHead(f, st)
	case !c.isIdle(f.Stream):
		return c.lateHead(f)
	case c.role == Client || f.Stream&1 == 0:
		return EventNone, f.fail(fault.RuleH2StreamID, ProtocolError)
	}
	c.lastPeer = f.Stream
	switch {
	case f.Stream > c.sentGoAway:
		c.Counts.Refused++
		return headSkipped, nil
	case f.Depends == f.Stream:
		return EventNone, f.failStream(fault.RuleH2SelfDependency, ProtocolError)
	case c.own.MaxStreams > 0 && len(c.streams) >= int(c.own.MaxStreams):
		e := f.failStream(fault.RuleH2StreamLimit, RefusedStream)
		e.Limit, e.Size = int64(c.own.MaxStreams), int64(len(c.streams)+1)
		return EventNone, e
	}
	return EventRequest, nil
}

// laterHead judges a head on a stream that is open: trailers, or a response.
func (c *Conn) laterHead(f *Frame, st *Stream) (EventKind, *Error) {
	switch {
	case !st.state.MayReceive():
		return EventNone, f.failStream(fault.RuleH2StreamClosed, StreamClosed)
	case f.Depends == f.Stream:
		return EventNone, f.failStream(fault.RuleH2SelfDependency, ProtocolError)
	case c.role == Client && !st.headDone:
		return EventResponse, nil
	case !f.Has(FlagEndStream):
		return EventNone, f.failStream(fault.RuleH2TrailersEnd, ProtocolError)
	case st.declared >= 0 && st.received != st.declared:
		e := lengthError(st.declared, st.received)
		e.Stream = st.ID
		return EventNone, e
	}
	return EventTrailers, nil
}

// lateHead judges a head on a stream that is closed. One that was closed by its order among others, without ever having been open, is
// an error of numbering.
func (c *Conn) lateHead(f *Frame) (EventKind, *Error) {
	c.Counts.Late++
	switch {
	case c.ignores(f.Stream):
		return headSkipped, nil
	case c.closed.has(f.Stream):
		return EventNone, f.fail(fault.RuleH2StreamClosed, StreamClosed)
	}
	return EventNone, f.fail(fault.RuleH2StreamID, ProtocolError)
}

// ignores reports whether a frame on a closed stream may have been sent before its sender knew: RFC 9113, section 5.1. A server's
// answers are, however long ago we closed the stream: nothing but the server's own speed bounds that.
func (c *Conn) ignores(id uint32) bool {
	return c.resets.has(id) || id > c.sentGoAway || c.role == Client && !c.closed.has(id)
}

// read takes an event's block to be decoded.
func (c *Conn) read(ev *Event, want EventKind) []byte {
	if !c.reading || ev.Kind != want {
		panic("BUG: h2: there is no such head to read")
	}
	c.reading = false
	return ev.block
}

// about completes an Error of the decoder, which knows no stream.
func (c *Conn) about(ev *Event, err *Error) *Error {
	if err.Frame = ev.frame; err.Code != CompressionError {
		err.Stream = ev.ID
	}
	return err
}

// Skip decodes a head that nobody will read. A request's stream stays closed, and the caller must Reset it.
func (c *Conn) Skip(ev *Event) *Error {
	if err := c.decoder.Skip(c.read(ev, ev.Kind)); err != nil {
		return c.about(ev, err)
	}
	return nil
}

// ReadRequest reads an EventRequest and opens its stream in st, whose memory must stay where it is until the stream is closed. The
// head's octets are appended to buf, which is returned. After an Error that is not Fatal the stream is open too, so that it can
// be answered; otherwise it must be Reset.
//
// hot: once per request.
func (c *Conn) ReadRequest(ev *Event, st *Stream, buf []byte, req *httpmsg.Request) ([]byte, *Error) {
	block := c.read(ev, EventRequest)
	buf, err := c.decoder.ReadRequest(block, buf, req, RequestOptions{Limits: &c.limits, End: ev.End, Extended: c.own.Connect})
	if err != nil && err.Code == CompressionError {
		return buf, c.about(ev, err)
	}
	state := Open
	if ev.End {
		state = HalfClosedRemote
	}
	c.open(st, ev.ID, state)
	st.Urgency, st.headDone = Urgency{Level: urgencyDefault}, true
	if len(c.early) > 0 {
		st.Urgency = c.takeEarly(ev.ID)
	} else if v := req.Fields.Get(httpmsg.Priority); v != nil && err == nil {
		st.Urgency = ParsePriority(v)
	}
	if err != nil {
		return buf, c.about(ev, err)
	}
	st.declared = req.Length
	return buf, nil
}

// ReadResponse reads an EventResponse as ReadRequest reads its kind. More heads follow an interim response. After an Error that is
// not Fatal the stream must be Reset.
//
// hot: once per response.
func (c *Conn) ReadResponse(ev *Event, buf []byte, res *httpmsg.Response) ([]byte, *Error) {
	block, st := c.read(ev, EventResponse), ev.Stream
	buf, err := c.decoder.ReadResponse(block, buf, res, ResponseOptions{Limits: &c.limits, Method: st.method, End: ev.End})
	if err != nil {
		return buf, c.about(ev, err)
	}
	if res.Status >= 200 {
		st.headDone, st.declared = true, res.Length
	}
	if ev.End {
		c.remoteEnded(st)
	}
	return buf, nil
}

// ReadTrailers reads an EventTrailers, which ends the peer's message. After an Error that is not Fatal the stream must be Reset.
func (c *Conn) ReadTrailers(ev *Event, buf []byte, f *httpmsg.Fields) ([]byte, *Error) {
	block := c.read(ev, EventTrailers)
	buf, err := c.decoder.ReadTrailers(block, buf, f, &c.limits)
	if err != nil {
		return buf, c.about(ev, err)
	}
	c.remoteEnded(ev.Stream)
	return buf, nil
}

// Open opens the next stream of a client, for a request with that method. It is false where the peer takes no more now, or this
// connection never will: then another connection is needed. Before the peer's SETTINGS have come there may be streamsBlind.
func (c *Conn) Open(st *Stream, method httpmsg.Method) bool {
	limit := int64(c.peer.MaxStreams)
	if !c.gotSettings {
		limit = streamsBlind
	}
	if c.role != Client || int64(len(c.streams)) >= limit || c.gotGoAway != WindowMax || c.lastOwn >= WindowMax-2 {
		return false
	}
	id := uint32(1)
	if c.lastOwn > 0 {
		id = c.lastOwn + 2
	}
	c.lastOwn = id
	c.open(st, id, Open)
	st.method = method
	return true
}

// streamsBlind is how many streams a client opens before it knows the server's limit: what RFC 9113, section 6.5.2, wants every limit
// to be at least.
const streamsBlind = 100
