package mux

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Stream is one request with its response. Its methods are for the handler's goroutine, except Gone.
type Stream struct {
	m        *mux
	h        h2.Stream
	req      httpmsg.Request
	head     []byte        // octets of req
	trailers []byte        // octets of its trailers
	wake     chan struct{} // who waits to send
	more     chan struct{} // who waits for the request's body
	charged  atomic.Int64  // octets that the handler holds
	tooLarge *h2.Error     // the head is larger than the limits
	unread   atomic.Bool   // nobody wants the request's body at present

	// The handler's own.
	out   []byte // frames of our head that were not appended to the connection's output
	body  []byte // octets of our body that follow them
	taken []byte // what Next gave out last
	left  int64  // octets of our body to come, or httpmsg.LengthUnknown
	duty  bool   // this goroutine is to flush
	yield bool   // and others may append first
	begun bool   // our head was given
	gave  int64  // octets of ours that were appended to the connection's output

	// Guarded by the connection's mu.
	in       []byte         // octets of the request's body that wait
	tail     httpmsg.Fields // its trailers, apart from req: they may come while the handler reads that
	inEnd    bool           // they are the last
	err      error          // why the stream is over before its end
	ended    bool           // our END_STREAM, or RST_STREAM, was appended
	answered bool           // our head was
	sending  bool           // it waits for room
	reading  bool           // it waits for the request's body
	silent   bool           // it has waited for too long
	turn     uint64         // when it sent last
	until    time.Time
	bodyAt   int64     // when the last of the body came
	creditAt time.Time // when credit was given last
	lent     int64     // octets that its window is larger than usual

	hold      sync.Mutex // guards interrupt
	interrupt func(error)
}

func newStream() *Stream { return &Stream{wake: make(chan struct{}, 1), more: make(chan struct{}, 1)} }

// keepMax is how large a buffer a Stream keeps for its next use, in octets.
const keepMax = 16 << 10

// release makes a stream ready for its next use. It is closed, and no worker has it.
func (st *Stream) release() {
	m := st.m
	m.s.held.Add(-int64(len(st.head)+len(st.trailers)+len(st.in)+len(st.taken)) - m.limits.Stream - st.charged.Load())
	m.s.lent.Add(-st.lent)
	poison(st.head[:cap(st.head)])
	keep := func(b []byte) []byte {
		if cap(b) > keepMax {
			return nil
		}
		return b[:0]
	}
	for _, c := range [...]chan struct{}{st.wake, st.more} {
		select {
		case <-c:
		default:
		}
	}
	fields, tail := st.req.Fields, st.tail
	tail.Reset(nil)
	*st = Stream{
		wake: st.wake, more: st.more, head: keep(st.head), trailers: keep(st.trailers), out: keep(st.out), body: keep(st.body), taken: keep(st.taken), in: keep(st.in),
		req: httpmsg.Request{Fields: fields}, tail: tail,
	}
	st.req.Reset()
	m.s.streams.Put(st)
}

// serve runs the handler.
func (st *Stream) serve() {
	m := st.m
	defer func() {
		p := recover()
		st.done()
		if p != nil {
			panic(p)
		}
	}()
	switch {
	case st.Gone() != nil: // a stream that was reset before it was begun is nobody's any more
	case st.tooLarge != nil:
		m.s.o.TooLarge(st, st.tooLarge)
	default:
		m.s.o.Handler(st)
	}
}

// done ends what the handler has left open, and gives up the slot.
func (st *Stream) done() {
	m := st.m
	st.Hold(nil)
	m.mu.Lock()
	if st.h.State() != h2.Closed {
		m.out = m.conn.Reset(m.out, st.h.ID, h2.InternalError)
	}
	m.giveBack()
	m.leaveQueue(st)
	m.wakeNext()
	flush := m.claim() || st.duty
	yield := m.few()
	st.release()
	m.active--
	if m.active == 0 {
		m.quiet = time.Now()
		m.left()
	}
	m.wakeReader()
	m.mu.Unlock()
	if !flush {
		return
	}
	if yield {
		gather()
	}
	m.flush()
}

// fail ends the stream for its handler: whatever it does next returns err, and what it holds is interrupted. mu is held.
func (st *Stream) fail(err error) {
	if st.err != nil {
		return
	}
	st.err = err
	st.hold.Lock()
	if st.interrupt != nil {
		st.interrupt(err)
		st.interrupt = nil
	}
	st.hold.Unlock()
	poke(st.wake)
	poke(st.more)
}

// poke wakes who waits, or will.
func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// Request is the request, except for its Trailers, which may come at any time: see there. Its views are valid until the handler returns.
func (st *Stream) Request() *httpmsg.Request { return &st.req }

// ID is the stream's identifier.
func (st *Stream) ID() uint32 { return st.h.ID }

// Owner is what the connection was given to Serve or ServeTLS with.
func (st *Stream) Owner() any { return st.m.owner }

// RemoteAddr is the client's address.
func (st *Stream) RemoteAddr() net.Addr { return st.m.socket.RemoteAddr() }

// Hold has interrupt called, with the reason, when the client goes away, resets the stream, or breaks a rule: for what the handler waits for elsewhere. It is called at most
// once, never after Hold was called again, and must neither wait nor call the Stream. It is called at once if the stream is over.
// nil holds nothing.
func (st *Stream) Hold(interrupt func(error)) {
	st.hold.Lock()
	st.interrupt = interrupt
	st.hold.Unlock()
	if interrupt == nil {
		return
	}
	if err := st.Gone(); err != nil {
		st.hold.Lock()
		if st.interrupt != nil {
			st.interrupt = nil
			interrupt(err)
		}
		st.hold.Unlock()
	}
}

// Charge counts n octets that the handler holds for the stream in Limits.Memory, until it returns.
func (st *Stream) Charge(n int64) {
	st.charged.Add(n)
	st.m.s.held.Add(n)
}

// Gone is why the stream is over before its end, nil if it is not.
func (st *Stream) Gone() error {
	st.m.mu.Lock()
	defer st.m.mu.Unlock()
	return st.err
}

// WholeBody is the request's body where all of it is here already, without trailers; false where more is to come. It is valid until the handler returns.
func (st *Stream) WholeBody() ([]byte, bool) {
	m := st.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if !st.inEnd || st.err != nil || st.tail.Len() > 0 {
		return nil, false
	}
	if len(st.taken) == 0 {
		st.in, st.taken = st.taken, st.in
	}
	return st.taken, len(st.in) == 0
}

// Next is the next octets of the request's body, which are valid until it is called again. end says that they are the last. The client may send
// as many again when they are used up, which the next call tells. It may be called by another goroutine than the response's
// methods, which the handler waits for. Before it waits, what was held back of the response should be given: Flush.
//
// hot: once per read of a body.
func (st *Stream) Next() (data []byte, end bool, err error) {
	m := st.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(st.taken); n > 0 {
		m.s.held.Add(-int64(n))
		m.conn.Consume(&st.h, int64(n))
		poison(st.taken)
		st.taken = st.taken[:0]
		m.grow(st)
		m.openOutput()
		m.out = m.conn.AppendCredit(m.out, &st.h)
		if m.claim() {
			m.mu.Unlock()
			m.flush()
			m.mu.Lock()
		}
	}
	for st.err == nil && !st.silent && !st.unread.Load() {
		if len(st.in) > 0 || st.inEnd {
			st.in, st.taken = st.taken, st.in
			return st.taken, st.inEnd, nil
		}
		st.reading, st.bodyAt = true, time.Now().UnixNano()
		m.mu.Unlock()
		<-st.more
		m.mu.Lock()
		st.reading = false
	}
	switch {
	case st.err != nil:
		return nil, false, st.err
	case st.silent:
		return nil, false, ErrSilent
	}
	return nil, false, ErrUnread
}

// StopReading makes Next return ErrUnread, also where it waits already, until StopReading(false). It may be called from any goroutine,
// also from what Hold was given, while the handler has the stream.
func (st *Stream) StopReading(stop bool) {
	st.unread.Store(stop)
	if stop {
		poke(st.more)
	}
}

// Trailers are those of the request, when its body has ended.
func (st *Stream) Trailers() *httpmsg.Fields { return &st.tail }

// WriteInterim sends an interim response, which is not the last one: 100 to 199 except 101. f may be nil.
func (st *Stream) WriteInterim(status int, f *httpmsg.Fields) error {
	if st.begun || status < 100 || status > 199 || status == 101 {
		return fmt.Errorf("BUG: mux: an interim response %d that cannot be one", status)
	}
	st.out = appendHead(st.out[:0], st.h.ID, status, f, nil, httpmsg.LengthUnknown)
	if err := st.push(nil, false); err != nil {
		return err
	}
	st.Flush()
	st.gave = 0
	return nil
}

// WriteHead gives the final response's head. It goes out with what follows, or by Flush. length is how many octets of a body Write will
// give, or httpmsg.LengthUnknown; it is declared unless f has the field. f may be nil.
func (st *Stream) WriteHead(status int, f *httpmsg.Fields, length int64) error {
	if st.begun {
		return fmt.Errorf("BUG: mux: a second head %d", status)
	}
	declare := length
	if f != nil && f.Has(httpmsg.ContentLength) || status == 204 || status == 304 {
		declare = httpmsg.LengthUnknown
	}
	st.Head(status, f, nil, declare, length)
	return nil
}

// Head is WriteHead of two sections of fields, either of which may be nil, and with the length that is declared apart from that of the body:
// the answer to HEAD has none. A head that was given before is forgotten if nothing of it has gone out (Committed).
func (st *Stream) Head(status int, f, extra *httpmsg.Fields, declare, body int64) {
	if !st.begun {
		st.m.s.Stats.Answers.Add(1)
	}
	st.begun, st.left, st.body = true, body, st.body[:0]
	st.out = appendHead(st.out[:0], st.h.ID, status, f, extra, declare)
}

// Given is how many octets of the final response, frames and all, were appended to the connection's output.
func (st *Stream) Given() int64 { return st.gave }

// Committed reports whether something of the final response was appended to the connection's output.
func (st *Stream) Committed() bool { return st.begun && len(st.out) == 0 }

func appendHead(dst []byte, id uint32, status int, f, extra *httpmsg.Fields, length int64) []byte {
	dst = h2.AppendStatus(h2.BeginHeaders(dst, id), status)
	if f != nil {
		dst = h2.AppendFields(dst, f)
	}
	if extra != nil {
		dst = h2.AppendFields(dst, extra)
	}
	return h2.FinishHeaders(h2.AppendLength(dst, length), 0, id, false)
}

// gatherMax is up to which size a body is held back, so that it goes out with its head and its end.
const gatherMax = 8 << 10

// Write gives octets of the response's body. Small ones are held back until Flush, End, or more come; otherwise it waits until the
// connection has taken them.
func (st *Stream) Write(data []byte) error {
	if st.left >= 0 {
		if int64(len(data)) > st.left {
			return fmt.Errorf("the response has more octets than were declared")
		}
		st.left -= int64(len(data))
	}
	if len(st.body)+len(data) <= gatherMax {
		st.body = append(st.body, data...)
		return nil
	}
	if len(st.body) > 0 {
		if err := st.give(false); err != nil {
			return err
		}
	}
	if err := st.push(data, false); err != nil {
		return err
	}
	return nil
}

// give pushes what is held back.
func (st *Stream) give(end bool) error {
	err := st.push(st.body, end)
	st.body = st.body[:0]
	return err
}

// Flush gives what is held back to the client. Whoever waits for something else has to call it first.
func (st *Stream) Flush() {
	if len(st.out) > 0 || len(st.body) > 0 {
		_ = st.give(false)
	}
	if st.duty {
		st.duty = false
		if st.yield {
			gather()
		}
		st.m.flush()
	}
}

// End ends the response. It is refused, and the stream is reset, where octets are missing that were declared. What was gathered is written when
// the handler returns, or by Flush: until then the handler may give back what it used. f has trailers, or is nil.
func (st *Stream) End(f *httpmsg.Fields) error {
	switch {
	case !st.begun:
		return fmt.Errorf("BUG: mux: the end of a response without a head")
	case st.left > 0:
		st.Abort(h2.InternalError)
		return fmt.Errorf("%d octets of the response are missing", st.left)
	case f == nil || f.Len() == 0:
		return st.give(true)
	}
	if err := st.give(false); err != nil {
		return err
	}
	st.out = h2.AppendFields(h2.BeginHeaders(st.out[:0], st.h.ID), f)
	st.out = h2.FinishHeaders(st.out, 0, st.h.ID, false)
	return st.push(nil, true)
}

// Abort ends the response where it is, visibly cut off.
func (st *Stream) Abort(code h2.Code) {
	m := st.m
	m.mu.Lock()
	st.out, st.body = st.out[:0], st.body[:0]
	if st.h.State() != h2.Closed {
		m.out = m.conn.Reset(m.out, st.h.ID, code)
	}
	if st.ended = true; st.err == nil {
		st.err = errEnded
	}
	st.duty = m.claim() || st.duty
	m.mu.Unlock()
}
