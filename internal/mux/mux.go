package mux

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/h2"
)

// Why a connection, or a stream, is over.
var (
	ErrGone    = errors.New("the client is gone")
	ErrReset   = errors.New("the client reset the stream")
	ErrBroken  = errors.New("the client broke a rule")
	ErrStalled = errors.New("the client left its window closed")
	ErrUnread  = errors.New("nobody wants the body")
	ErrSilent  = errors.New("the client sent no more of the body")
	errDrained = errors.New("the server is shut down")
	errLimit   = errors.New("the client took too long")
	errEnded   = errors.New("the response has ended")
)

// mux is one client's connection.
type mux struct {
	s       *Server
	limits  *Limits  // only read
	nc      net.Conn // what is written to: the TLS session, or the socket
	socket  net.Conn
	records *Records // nil in clear
	owner   any
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
	streams  int       // since the last pause
	all      int64     // the connection's window, in octets
	allAt    time.Time // when credit for it was given last
	lent     int64     // of it, beyond the usual

	began   time.Time
	quiet   time.Time // since when there is no stream
	partial time.Time // since when a head is incomplete
	leaving bool      // GOAWAY was sent as a warning
	leaveAt time.Time
	final   bool // GOAWAY was sent with the last stream
}

func newMux(s *Server, nc net.Conn, records *Records) *mux {
	l := s.limits.Load()
	m := &mux{
		s: s, limits: l, nc: nc, socket: nc, records: records, quit: make(chan struct{}), room: make(chan struct{}, 1), began: time.Now(),
		conn: h2.NewConn(h2.Config{
			Role: h2.Server, Window: l.All, Limits: h2.Limits{Head: l.Head, Trailers: l.Trailers},
			Settings: h2.Settings{MaxStreams: uint32(l.Streams), InitialWindow: uint32(l.Window), Connect: !s.o.NoConnect, NoPriorities: true},
		}),
	}
	m.quiet, m.all = m.began, l.All
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

// emptied gives the plaintext buffer back if nothing is in it.
func (m *mux) emptied() {
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
	m.openOutput()
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
	m.giveBack()
	err := m.over
	m.handOut()
	return err
}

// mayRead reports whether the reader may go on, and waits until it may: for a slot for one more stream, and for output to be written. It is
// false when the connection is over.
func (m *mux) mayRead() bool {
	for m.over == nil && (len(m.out) >= outStop || m.active >= m.limits.Streams && m.opens()) {
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
	return m.conn.Streams() < m.limits.Streams && len(b) >= h2.FrameHead && h2.FrameType(b[3]) == h2.Headers && binary.BigEndian.Uint32(b[5:])&^(1<<31) > m.conn.LastStream()
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
	m.rest()
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
