package serve3

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h3"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// stream is an exchange's place on its connection: an exchange.Stream.
type stream struct {
	x      exchange.Exchange
	st     *quic.Stream
	ss     *session
	place  int           // in the session's active; guarded by its mu
	cancel cancel.Cancel // the exchange's

	// Of what the client sends: one goroutine at a time.
	r        reader
	head     []byte // octets of the request
	trailers []byte
	order    h3.Message
	headed   bool  // the request was read
	ended    bool  // its body was, to its end
	left     int64 // octets of a DATA frame to come
	taken    int64 // octets of the body that were given out
	passed   int64 // octets of frames of unknown types

	// Of the answer: the handler's goroutine.
	out     []byte // frames that were not written
	more    int64  // octets of the body to come, or httpmsg.LengthUnknown
	gave    int64  // octets of the final response that were written, frames and all
	closed  bool   // the answer was ended
	aborted atomic.Bool
	stopped atomic.Bool // the client was told to send no more
	charged atomic.Int64

	stop   func() bool // ends the watch over the client's leaving
	answer atomic.Bool // a final head was begun
	gone   atomic.Bool // the client gave the request up, or has left

	life sync.Mutex // guards live
	live int        // which of the stream's uses this is: what comes late is for another one

	mu     sync.Mutex     // guards the fields below
	obeys  *cancel.Cancel // ends Next too; nil for none
	unread bool           // Next ends
	waiter cancel.Waiter  // of obeys
	late   *time.Timer    // looks when obeys is late; nil before it was ever needed
}

// streams keeps what requests need between requests.
var streams = sync.Pool{New: func() any {
	s := &stream{}
	s.x.Stream = s
	s.waiter.Wake = s.wake
	return s
}}

// open prepares for a stream of the client's.
func (s *stream) open(st *quic.Stream, ss *session) {
	s.st, s.ss = st, ss
	s.cancel.Clear()
	s.order, s.headed, s.ended, s.left, s.taken, s.passed = h3.Message{}, false, false, 0, 0, 0
	s.out, s.more, s.gave, s.closed = s.out[:0], httpmsg.LengthUnknown, 0, false
	s.aborted.Store(false)
	s.stopped.Store(false)
	s.answer.Store(false)
	s.gone.Store(false)
	s.mu.Lock() // late may look
	s.obeys, s.unread = nil, false
	s.mu.Unlock()
	s.r.st = st
	s.x.Begin(&ss.peer, &s.cancel, ss.limits.Idle)
	s.charge(exchangeSize)
	s.life.Lock()
	live := s.live
	s.life.Unlock()
	s.stop = context.AfterFunc(st.Context(), func() { s.over(live, context.Cause(st.Context())) })
}

// over ends what the exchange waits for, where the client asked for no more of the answer, or has left.
func (s *stream) over(live int, why error) {
	s.life.Lock()
	defer s.life.Unlock()
	var reset *quic.StreamError
	if s.live != live || errors.Is(why, quic.ErrStreamClosed) || errors.As(why, &reset) && !reset.Remote {
		return // it was us, or the stream is another exchange's
	}
	s.gone.Store(true)
	s.cancel.Cancel(cancel.ClientLeft)
}

// refuse prepares for a request that is none: there is nothing to read, and nothing to write any more.
func (s *stream) refuse(ss *session) {
	s.ss = ss
	s.cancel.Clear()
	s.x.Begin(&ss.peer, &s.cancel, ss.limits.Idle)
	s.x.Request.Reset()
	s.x.Broken, s.x.Aborted = true, true
}

// close ends what the handler has left open, and says what the request adds to the connection's strain.
func (s *stream) close() (cost float64) {
	if s.stop != nil {
		s.stop()
	}
	s.life.Lock()
	s.live++
	s.life.Unlock()
	gone := s.gone.Load()
	if !s.closed {
		s.abort(h3.InternalError)
	}
	if !s.ended {
		s.stopReading(h3.NoError) // RFC 9114, section 4.1: the answer did not need the rest
	}
	s.st.ReleaseStreamCredit()
	switch {
	case gone && !s.answer.Load():
		return costReset
	case s.headed && !s.aborted.Load():
		return -worthStream
	}
	return 0
}

// release lets go of what belongs to others.
func (s *stream) release() {
	s.ss.s.held.Add(-s.charged.Swap(0))
	s.r.release()
	s.st, s.ss, s.stop = nil, nil, nil
	if cap(s.head) > bufferSize {
		s.head = nil
	}
	if cap(s.trailers) > bufferSize {
		s.trailers = nil
	}
	if cap(s.out) > 2*gatherMax {
		s.out = nil
	}
	s.x.Request.Reset()
	s.x.Release()
}

func (s *stream) charge(n int64) {
	s.charged.Add(n)
	s.ss.s.held.Add(n)
}

// Charge counts octets that the handler holds in what clients of HTTP/3 may make us hold.
func (s *stream) Charge(n int64) { s.charge(n) }

// Detach implements exchange.Stream: the request's octets stay where they are for as long as the stream.
func (s *stream) Detach() {}

// Left implements exchange.Stream.
func (s *stream) Left() bool { return s.gone.Load() }

// Obey implements exchange.Stream.
func (s *stream) Obey(c *cancel.Cancel) {
	s.mu.Lock()
	before := s.obeys
	s.obeys = c
	s.mu.Unlock()
	if before != nil {
		before.Leave(&s.waiter)
		s.mu.Lock()
		s.unread = false
		s.mu.Unlock()
	}
	if c != nil {
		c.Join(&s.waiter)
		s.wake()
	}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// wake ends Next if what it obeys has a reason. It may come late, when the stream is another exchange's: then there is none.
func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := s.obeys.Late()
	left := time.Duration(0)
	if late != 0 {
		left = late.Sub(mono.Now())
	}
	switch {
	case s.obeys.Reason() != cancel.None, late != 0 && left <= 0:
		s.unread = true
		if s.st != nil {
			_ = s.st.SetReadDeadline(past)
		}
	case late == 0:
	case s.late == nil:
		s.late = time.AfterFunc(left, s.wake)
	default:
		s.late.Reset(left)
	}
}

// mayRead sets the deadline of the next read. It is false where Next is to end.
func (s *stream) mayRead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unread {
		return false
	}
	deadline := time.Time{}
	if idle := s.ss.limits.Idle; idle > 0 {
		deadline = time.Now().Add(idle)
	}
	_ = s.st.SetReadDeadline(deadline)
	return true
}

// fill reads more of the client's.
func (s *stream) fill() fault.End {
	switch {
	case s.r.err != nil:
	case !s.mayRead():
		return s.broke(fault.Canceled)
	case s.r.fill():
		return fault.Completed
	}
	err := s.r.err
	switch {
	case err == io.EOF:
		return fault.Completed
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.r.err = nil
		s.mu.Lock()
		unread := s.unread
		s.mu.Unlock()
		if unread {
			return s.broke(fault.Canceled)
		}
		s.x.Broke = fault.Evidence{Stage: fault.Receive, End: fault.Timeout, Timer: fault.TimerIdle, After: s.ss.limits.Idle}
		return fault.Timeout
	}
	s.gone.Store(true)
	return s.broke(fault.Canceled)
}

// broke notes how the request body ended before its end.
func (s *stream) broke(end fault.End) fault.End {
	s.x.Broke = fault.Evidence{Stage: fault.Receive, End: end}
	return end
}

// bad ends the stream, or the connection, for a rule that the body breaks.
func (s *stream) bad(err *h3.Error) fault.End {
	e := brokenRule(err)
	s.x.Broke = e
	if err.Fatal {
		s.ss.fail(err)
	} else {
		s.abort(err.Code)
		s.ss.costs(costError)
	}
	return e.End
}

// Next implements exchange.Stream.
func (s *stream) Next() ([]byte, fault.End) {
	for {
		buffered := len(s.r.buffered())
		switch {
		case s.ended:
			s.x.BodyRead = true
			return nil, fault.Completed
		case buffered == 0 && s.r.err == nil:
			if end := s.fill(); end != fault.Completed {
				return nil, end
			}
			continue
		case buffered == 0 && s.r.err == io.EOF && s.left > 0:
			return nil, s.bad(s.order.Cut(true))
		case buffered == 0 && s.r.err == io.EOF:
			if want := s.x.Request.Length; want >= 0 && want != s.taken {
				return nil, s.bad(h3.WrongLength(want, s.taken))
			}
			s.ended = true
			continue
		case buffered == 0:
			return nil, s.fill()
		case s.left > 0:
			return s.piece(int(min(int64(buffered), s.left)))
		}
		if end := s.frame(); end != fault.Completed {
			return nil, end
		}
	}
}

// piece gives out n octets of the body.
func (s *stream) piece(n int) ([]byte, fault.End) {
	p := s.r.buf[s.r.r : s.r.r+n]
	s.r.r += n
	s.left -= int64(n)
	s.taken += int64(n)
	if want := s.x.Request.Length; want >= 0 && s.taken > want {
		return nil, s.bad(h3.WrongLength(want, s.taken))
	}
	if limit := s.ss.limits.RequestBody; limit > 0 && s.taken > limit {
		s.x.Broke = tooLarge(limit, s.taken)
		return nil, fault.TooLarge
	}
	return p, fault.Completed
}

// frame begins the next frame behind the head.
func (s *stream) frame() fault.End {
	h, n := h3.ParseHeader(s.r.buffered())
	if n == 0 {
		if s.r.err == io.EOF {
			return s.bad(s.order.Cut(true))
		}
		return s.fill()
	}
	s.r.r += n
	part, err := s.order.Frame(h.Type)
	switch {
	case err != nil:
		return s.bad(err)
	case part == h3.Body:
		s.left = int64(h.Length)
		return fault.Completed
	case part == h3.Trailers:
		return s.readTrailers(h.Length)
	}
	if err := s.unknown(h.Length); err != nil {
		return s.bad(err)
	}
	_, end := s.whole(h.Length, nil)
	return end
}

// whole reads n octets onto dst, which must be there.
func (s *stream) whole(n uint64, dst []byte) ([]byte, fault.End) {
	for n > 0 {
		b := s.r.buffered()
		if len(b) == 0 {
			if s.r.err == io.EOF {
				return dst, s.bad(s.order.Cut(true))
			}
			if end := s.fill(); end != fault.Completed {
				return dst, end
			}
			continue
		}
		take := min(n, uint64(len(b)))
		dst = append(dst, b[:take]...)
		s.r.r += int(take)
		n -= take
	}
	return dst, fault.Completed
}

// readTrailers reads the trailer section.
func (s *stream) readTrailers(n uint64) fault.End {
	limit := s.ss.headMax()
	if n > uint64(h3.BlockMax(limit)) {
		return s.bad(h3.TooLong(limit, n))
	}
	block, end := s.whole(n, nil)
	if end != fault.Completed {
		return end
	}
	var err *h3.Error
	if s.trailers, err = h3.ReadTrailers(block, s.trailers[:0], &s.x.Request.Trailers, &h3.Limits{Head: limit, Trailers: limit}); err != nil {
		return s.bad(err)
	}
	return fault.Completed
}

// abort resets the stream in both directions.
func (s *stream) abort(code h3.Code) {
	if !s.aborted.Swap(true) {
		s.st.CancelWrite(quic.StreamErrorCode(code))
		s.stopReading(code)
	}
}

// stopReading tells the client that no more of its request is wanted.
func (s *stream) stopReading(code h3.Code) {
	if !s.stopped.Swap(true) {
		s.st.CancelRead(quic.StreamErrorCode(code))
	}
}
