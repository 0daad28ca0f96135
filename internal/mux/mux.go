package mux

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
)

// Why a connection, or a stream, is over.
var (
	ErrGone    = errors.New("the client is gone")
	ErrReset   = errors.New("the client reset the stream")
	ErrBroken  = errors.New("the client broke a rule")
	ErrStalled = errors.New("the client left its window closed")
	ErrSilent  = errors.New("the client sent no more of the body")
	errDrained = errors.New("the server is shut down")
	errLimit   = errors.New("the client took too long")
	errEnded   = errors.New("the response has ended")
)

// mux is one client's connection.
type mux struct {
	s       *Server
	nc      net.Conn // what is written to: the TLS session, or the socket
	socket  net.Conn
	records *Records // nil in clear
	quit    chan struct{}
	room    chan struct{} // the reader waits here: for a slot, for output to be written, for streams to end

	in   []byte // plaintext: in[r:w] was not parsed. The reader's own
	r, w int

	writeSince atomic.Int64 // when the write began that is under way, in ns; 0 for none
	readAt     atomic.Int64 // when something was read last

	mu       sync.Mutex // guards the fields below
	conn     *h2.Conn
	out      []byte // to be written
	spare    []byte // to be out next
	flushing bool   // somebody has the duty to write what is in out
	over     error  // why nothing goes any more
	active   int    // streams whose workers have not ended, or were not started
	ready    []*Stream
	waiting  []*Stream // those that have DATA to send and no room
	turn     uint64
	strain   strain
	counted  h2.Counts
	streams  int // since the last pause

	began   time.Time
	quiet   time.Time // since when there is no stream
	partial time.Time // since when a head is incomplete
	leaving bool      // GOAWAY was sent as a warning
	leaveAt time.Time
	final   bool // GOAWAY was sent with the last stream
}

func newMux(s *Server, nc net.Conn, records *Records) *mux {
	l := &s.limits
	m := &mux{
		s: s, nc: nc, socket: nc, records: records, quit: make(chan struct{}), room: make(chan struct{}, 1), began: time.Now(),
		conn: h2.NewConn(h2.Config{
			Role: h2.Server, Window: l.All, Limits: h2.Limits{Head: l.Head, Trailers: l.Trailers},
			Settings: h2.Settings{MaxStreams: uint32(l.Streams), InitialWindow: uint32(l.Window), Connect: true, NoPriorities: true},
		}),
	}
	m.quiet = m.began
	m.strain.at, m.strain.since = m.began, m.began
	if records != nil {
		m.socket = records.Conn
	}
	m.out = m.conn.Start(getBuffer()[:0])
	return m
}

// run reads until the connection is over, and then waits for what runs on it.
func (m *mux) run(already []byte) {
	m.mu.Lock()
	m.handOut()
	err := error(nil)
	if len(already) > 0 {
		err = m.receive(already)
	}
	if err == nil {
		err = m.read()
	}
	m.end(err)
}

// receive acts on octets that somebody else has read.
func (m *mux) receive(already []byte) error {
	for len(already) > 0 {
		n := copy(m.space(), already)
		already = already[n:]
		m.w += n
		if err := m.parse(); err != nil {
			return err
		}
	}
	return nil
}

// space is room in the plaintext buffer for more than a frame.
func (m *mux) space() []byte {
	if m.in == nil {
		m.in = getBuffer()
	}
	if m.r > 0 {
		m.w = copy(m.in, m.in[m.r:m.w])
		m.r = 0
	}
	return m.in[m.w:]
}

// rest gives the buffer back if nothing is in it: an idle connection holds none.
func (m *mux) rest() {
	if m.in != nil && m.r == m.w {
		putBuffer(m.in)
		m.in, m.r, m.w = nil, 0, 0
	}
}

// parse acts on the frames in the buffer, and starts the streams that are complete. Its error is why reading ends.
//
// hot: once per read.
func (m *mux) parse() error {
	m.mu.Lock()
	for m.r < m.w && m.mayRead() {
		var ev h2.Event
		n, err := m.conn.Next(m.in[m.r:m.w], &ev)
		if n == 0 && err == nil {
			break
		}
		m.r += n
		if err == nil {
			err = m.event(&ev)
		}
		if err != nil {
			m.broken(err)
		}
		if m.strain.level >= strainSlow {
			m.restrain()
		}
	}
	m.count()
	m.notePartial()
	if m.strain.level > 0 {
		m.strain.leak(time.Now())
	}
	m.out = m.conn.AppendCredit(m.out, nil)
	err := m.over
	m.handOut()
	return err
}

// mayRead reports whether the reader may go on, and waits until it may: for a slot for one more stream, and for output to be written. It is
// false when the connection is over.
func (m *mux) mayRead() bool {
	for m.over == nil && (len(m.out) >= outStop || m.active >= m.s.limits.Streams && m.opens()) {
		m.handOut()
		select {
		case <-m.room:
		case <-m.quit:
		}
		m.mu.Lock()
	}
	return m.over == nil
}

// opens reports whether the next frame opens a stream for which there is no worker, though the client may have one more: those before it
// are closed and their workers end soon. Other frames may be what the running ones wait for.
func (m *mux) opens() bool {
	b := m.in[m.r:m.w]
	return m.conn.Streams() < m.s.limits.Streams && len(b) >= h2.FrameHead && h2.FrameType(b[3]) == h2.Headers && binary.BigEndian.Uint32(b[5:])&^(1<<31) > m.conn.LastStream()
}

// handOut starts the streams that are ready and has the output written, and gives up mu.
//
// hot: once per read.
func (m *mux) handOut() {
	var first [16]*Stream
	ready := append(first[:0], m.ready...)
	clear(m.ready)
	m.ready = m.ready[:0]
	flush := m.claim()
	m.mu.Unlock()
	for _, st := range ready {
		m.s.workers.start(job{stream: st})
	}
	if flush {
		m.s.workers.start(job{flush: m})
	}
}

// restrain holds up a connection that costs too much, after every few streams, or ends it.
func (m *mux) restrain() {
	m.count()
	if m.over != nil || m.streams < pauseStreams {
		return
	}
	m.streams = 0
	m.s.Stats.Strained.Add(1)
	m.handOut()
	t := time.NewTimer(pauseTime)
	select {
	case <-t.C:
	case <-m.quit:
		t.Stop()
	}
	m.mu.Lock()
}

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
		buf, err := m.conn.ReadTrailers(ev, st.trailers[:0], &st.req.Trailers)
		if err != nil {
			return err
		}
		st.trailers, st.inEnd = buf, true
		poke(st.more)
	case h2.EventReset:
		st := ev.Stream.Owner.(*Stream)
		if !st.answered {
			m.strain.add(time.Now(), costReset)
		}
		st.fail(ErrReset)
	case h2.EventWindow:
		m.credit(ev)
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
	if m.s.held.Load() > m.s.limits.Memory {
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
	m.s.held.Add(int64(len(buf)))
	if err != nil {
		m.refuse(st, err)
		return nil
	}
	st.inEnd = ev.End
	st.bodyAt = m.readAt.Load()
	m.active++
	m.quiet = time.Time{}
	m.s.Stats.Streams.Add(1)
	m.ready = append(m.ready, st)
	return nil
}

// refuse ends a stream whose head breaks a rule. One that is only too large is answered: RFC 6585, section 5.
func (m *mux) refuse(st *Stream, err *h2.Error) {
	m.tell(err)
	code := err.Code
	if err.Rule == fault.RuleHeadSize || err.Rule == fault.RuleFieldCount {
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

// leave tells the client that the connection will take no new streams: RFC 9113, section 6.8. Those on their way are still taken for a
// while.
func (m *mux) leave() {
	m.mu.Lock()
	if m.over == nil && !m.leaving {
		m.leaving, m.leaveAt = true, time.Now()
		m.out = m.conn.GoAway(m.out, h2.WindowMax, h2.NoError, "")
	}
	m.handOut()
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
	l := &m.s.limits
	m.mu.Lock()
	since := func(t time.Time, limit time.Duration) bool { return !t.IsZero() && now.Sub(t) > limit }
	writing := m.writeSince.Load()
	switch {
	case m.over != nil:
	case !m.conn.Settled() && since(m.began, l.Preface), since(m.partial, l.HeadTime), writing != 0 && now.UnixNano()-writing > int64(l.Write):
		m.s.Stats.Killed.Add(1)
		m.over = errLimit
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

// sweepStreams ends streams whose client keeps them waiting.
func (m *mux) sweepStreams(now time.Time) {
	var late []*Stream
	m.conn.Each(func(h *h2.Stream) {
		st := h.Owner.(*Stream)
		if st.sending && now.After(st.until) || st.reading && now.UnixNano()-st.bodyAt > int64(m.s.limits.BodyTime) {
			late = append(late, st)
		}
	})
	for _, st := range late {
		err, code, why := &h2.Error{Rule: fault.RuleH2Stall, Code: h2.Cancel, Stream: st.h.ID}, h2.Cancel, ErrStalled
		if st.reading {
			why = ErrSilent
		} else {
			m.tell(err)
		}
		st.fail(why)
		m.out = m.conn.Reset(m.out, st.h.ID, code)
	}
}

// timedOut reports whether a read ended by a deadline that only has the reader look again.
func (m *mux) timedOut(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	_ = m.socket.SetReadDeadline(time.Time{})
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.over == nil
}
