package serve3

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h3"
)

// session is one client connection.
type session struct {
	s       *Server
	e       *Endpoint
	conn    *quic.Conn
	peer    exchange.Peer
	limits  exchange.Limits
	control *quic.SendStream // ours; nil until run has opened it
	work    sync.WaitGroup   // goroutines of its streams

	mu      sync.Mutex // guards the fields below
	streams h3.Streams
	taken   int       // requests under way
	active  []*stream // those that have a Cancel to be told
	next    uint64    // the request after the last that was taken
	going   bool      // no new requests are taken
	drained bool
	broken  bool // it ends, since a rule was broken or it costs too much
	strain  strain
	idle    *time.Timer // ends the connection when it had no request for long, or after its last one
}

func newSession(e *Endpoint, c *quic.Conn) *session {
	ss := &session{s: e.s, e: e, conn: c, limits: e.s.o.Limits()}
	p := &ss.peer
	p.Secure, p.Local, p.Client = true, c.LocalAddr().String(), clientOf(c.RemoteAddr())
	if u, is := c.RemoteAddr().(*net.UDPAddr); is {
		p.Addr, p.Port = u.AddrPort().Addr().Unmap(), u.AddrPort().Port()
	}
	p.Shown = &exchange.Shown{Covers: e.covers}
	if chains := c.ConnectionState().TLS.VerifiedChains; len(chains) > 0 {
		p.Shown.Subject = certs.Subject(chains[0][0])
	}
	return ss
}

// run serves the connection until it is over.
func (ss *session) run() {
	defer func() {
		ss.work.Wait() // each wait of theirs ends with the connection
		ss.mu.Lock()
		defer ss.mu.Unlock()
		if ss.idle != nil {
			ss.idle.Stop() // the last request has set it anew
		}
	}()
	defer ss.close(h3.InternalError, "") // it is over, unless a bug of ours ends us
	control, err := ss.conn.OpenUniStream()
	if err != nil { // RFC 9114, section 6.2, wants three to be allowed
		ss.close(h3.GeneralProtocolError, "no control stream can be opened")
		return
	}
	hello := h3.AppendSettings(h3.AppendVarint(nil, uint64(h3.ControlStream)), ss.headMax())
	if _, err := control.Write(hello); err != nil {
		ss.close(h3.ClosedCriticalStream, "the control stream is not wanted")
		return
	}
	ss.mu.Lock()
	ss.control = control
	ss.idle = time.AfterFunc(ss.idleTime(), ss.leave)
	ss.mu.Unlock()
	s := ss.s
	s.mu.Lock()
	s.conns[ss] = struct{}{}
	going := s.going
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.conns, ss)
		s.mu.Unlock()
	}()
	switch {
	case ss.e.closing.Load():
		ss.end()
	case going:
		ss.leave()
	}
	ss.work.Go(ss.acceptOthers) // ends with the connection
	for {
		st, err := ss.conn.AcceptStream(ss.conn.Context())
		if err != nil {
			return
		}
		ss.take(st)
	}
}

func (ss *session) idleTime() time.Duration {
	if ss.limits.Idle > 0 {
		return ss.limits.Idle
	}
	return time.Hour
}

// headMax is limits.request_head, in octets.
func (ss *session) headMax() int {
	if ss.limits.RequestHead > 0 {
		return ss.limits.RequestHead
	}
	return 32 << 10
}

// take begins a request, unless none is taken any more.
func (ss *session) take(st *quic.Stream) {
	ss.mu.Lock()
	refused := ss.going || ss.drained
	if held := ss.s.held.Load(); held > memoryMax || held > memoryTight && ss.taken >= streamsTight {
		refused = true
	}
	if refused {
		told := ss.going
		ss.mu.Unlock()
		reject(st, h3.RequestRejected)
		st.ReleaseStreamCredit()
		if told { // else it is not the client's doing
			ss.costs(costReset)
		}
		return
	}
	ss.next = max(ss.next, uint64(st.StreamID())+4)
	ss.taken++
	ss.idle.Stop()
	ss.mu.Unlock()
	x := streams.Get().(*stream)
	x.open(st, ss)
	ss.mu.Lock()
	x.place = len(ss.active)
	ss.active = append(ss.active, x)
	if ss.drained {
		x.cancel.Cancel(cancel.Drained)
	}
	ss.mu.Unlock()
	ss.work.Go(x.serve) // ends with the handler; what it waits for of the client ends with the connection
}

// reject gives a stream up in both directions.
func reject(st *quic.Stream, code h3.Code) {
	st.CancelRead(quic.StreamErrorCode(code))
	st.CancelWrite(quic.StreamErrorCode(code))
}

// done takes a request out. cost is what it adds to the strain.
func (ss *session) done(x *stream, cost float64) {
	ss.mu.Lock()
	last := len(ss.active) - 1
	ss.active[x.place] = ss.active[last]
	ss.active[x.place].place = x.place
	ss.active[last] = nil
	ss.active = ss.active[:last]
	ss.taken--
	if ss.taken == 0 {
		ss.idle.Stop()
		if ss.going {
			ss.idle = time.AfterFunc(ss.linger(), ss.end)
		} else {
			ss.idle = time.AfterFunc(ss.idleTime(), ss.leave)
		}
	}
	ss.mu.Unlock()
	ss.costs(cost)
}

// costs adds to the strain, and sends away or cuts off who costs too much.
func (ss *session) costs(cost float64) {
	ss.mu.Lock()
	level := ss.strain.add(time.Now(), cost)
	kill := level >= strainKill && !ss.broken
	ss.mu.Unlock()
	switch {
	case kill:
		ss.fail(&h3.Error{Rule: fault.RuleH2Strain, Code: h3.ExcessiveLoad, Fatal: true})
	case level >= strainLeave:
		ss.leave()
	}
}

// How long a connection stays after its last answer, so that what was lost on the way is sent again: four round trips, within these
// bounds. Clients that have GOAWAY close it themselves.
const (
	lingerLeast = 100 * time.Millisecond
	lingerMost  = time.Second
)

func (ss *session) linger() time.Duration {
	return min(max(4*ss.conn.ConnectionStats().SmoothedRTT, lingerLeast), lingerMost)
}

// leave tells the client that no new requests are taken. The connection ends with the last one.
func (ss *session) leave() {
	ss.mu.Lock()
	if ss.going || ss.control == nil {
		ss.mu.Unlock()
		return
	}
	ss.going = true
	next := ss.next
	ss.mu.Unlock()
	_ = ss.control.SetWriteDeadline(time.Now().Add(lingerMost))
	_, _ = ss.control.Write(h3.AppendGoAway(nil, next))
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.taken == 0 {
		ss.idle.Stop()
		ss.idle = time.AfterFunc(ss.linger(), ss.end)
	}
}

// end closes the connection, and cuts off what is left of it.
func (ss *session) end() { ss.close(h3.NoError, "") }

func (ss *session) close(code h3.Code, why string) {
	_ = ss.conn.CloseWithError(quic.ApplicationErrorCode(code), why)
}

// stopWaiting ends what the requests under way wait for elsewhere.
func (ss *session) stopWaiting() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.drained = true
	for _, x := range ss.active {
		x.cancel.Cancel(cancel.Drained)
	}
}

// fail ends the connection for a rule, and has it told of, once.
func (ss *session) fail(err *h3.Error) {
	ss.mu.Lock()
	first := !ss.broken
	ss.broken = true
	ss.mu.Unlock()
	if !first {
		return
	}
	e := brokenRule(err)
	ss.tell(&e)
	ss.close(err.Code, err.Rule.String())
}

// tell has a line written of what no handler sees.
func (ss *session) tell(e *fault.Evidence) {
	x := streams.Get().(*stream)
	defer func() {
		if r := recover(); r != nil {
			ss.s.host.Panicked(r)
		}
	}()
	x.refuse(ss)
	ss.s.host.Refuse(&x.x, e)
	x.x.Release()
	x.ss = nil
	streams.Put(x)
}

// brokenRule is the evidence of a request, or a connection, that broke a rule.
func brokenRule(err *h3.Error) fault.Evidence {
	e := fault.Evidence{
		Stage: fault.Receive, End: fault.Malformed, Rule: err.Rule, Offset: err.Offset, Limit: err.Limit, Size: err.Size, Field: err.Field,
	}
	if err.TooLarge() {
		e.End = fault.TooLarge
	}
	return e
}

func tooLarge(limit, size int64) fault.Evidence {
	return fault.Evidence{Stage: fault.Receive, End: fault.TooLarge, Rule: fault.RuleBodySize, Limit: limit, Size: size}
}

// acceptOthers takes the client's unidirectional streams until the connection is over.
func (ss *session) acceptOthers() {
	for {
		st, err := ss.conn.AcceptUniStream(ss.conn.Context())
		if err != nil {
			return
		}
		ss.work.Go(func() { // ends with the stream, or the connection
			defer st.ReleaseStreamCredit()
			defer func() {
				if reason := recover(); reason != nil { // a bug of ours costs one connection
					ss.close(h3.InternalError, "")
					ss.s.host.Panicked(reason)
				}
			}()
			if err := ss.other(st); err != nil {
				ss.fail(err)
			}
		})
	}
}

// typeTime is how long a stream may take to say what it is.
const typeTime = 10 * time.Second

// otherSize is how much of a unidirectional stream is read at once, in octets. A connection has three of them for as long as it is open,
// and little comes on them.
const otherSize = 128

// other reads one of the client's unidirectional streams to its end: RFC 9114, section 6.2.
func (ss *session) other(st *quic.ReceiveStream) *h3.Error {
	r := reader{st: st, buf: make([]byte, otherSize)}
	_ = st.SetReadDeadline(time.Now().Add(typeTime))
	kind, there := r.varint()
	if !there { // it may end before it has said that: section 6.2
		st.CancelRead(quic.StreamErrorCode(h3.StreamCreationError))
		ss.costs(costUnknown)
		return nil
	}
	_ = st.SetReadDeadline(time.Time{})
	t := h3.StreamType(kind)
	ss.mu.Lock()
	err := ss.streams.Open(t)
	ss.mu.Unlock()
	switch {
	case err != nil:
		return err
	case !t.Known():
		st.CancelRead(quic.StreamErrorCode(h3.StreamCreationError))
		ss.costs(costUnknown)
		return nil
	case t == h3.ControlStream:
		err = ss.readControl(&r)
	default:
		err = readQPACK(t, &r)
	}
	if err == nil && ss.conn.Context().Err() == nil && !ended(r.err) {
		err = h3.Closed()
	}
	return err
}

// ended reports whether a stream's end is that of the connection.
func ended(err error) bool {
	var stream *quic.StreamError
	return err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &stream)
}

// readControl reads the client's control stream.
func (ss *session) readControl(r *reader) *h3.Error {
	var c h3.Control
	var buf []byte
	for {
		h, there := r.header()
		if !there {
			return nil
		}
		wanted, err := c.Begin(h)
		switch {
		case err != nil:
			return err
		case !wanted:
			if h.Length > h3.UnknownMax {
				return h3.Unknown(int64(h.Length))
			}
			ss.costs(costUnknown)
			if !r.skip(h.Length) {
				return nil
			}
			continue
		}
		if buf, there = r.payload(buf[:0], h.Length); !there {
			return nil
		}
		if err := c.Frame(h.Type, buf); err != nil {
			return err
		}
		if h.Type != h3.Settings {
			ss.costs(costUnknown)
		}
	}
}

// readQPACK reads one of the client's QPACK streams.
func readQPACK(t h3.StreamType, r *reader) *h3.Error {
	var d h3.Decoder
	for {
		b, there := r.some()
		if !there {
			return nil
		}
		var err *h3.Error
		if t == h3.EncoderStream {
			err = h3.Encoder(b)
		} else {
			err = d.Read(b)
		}
		if err != nil {
			return err
		}
	}
}
