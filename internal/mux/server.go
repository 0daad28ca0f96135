package mux

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/h2"
)

// Config is what a Server is made with.
type Config struct {
	Limits Limits
	// Handler serves one stream. When it returns, a response that it did not end is cut off with INTERNAL_ERROR.
	Handler func(*Stream)
	// NoConnect has the extended CONNECT of RFC 8441 not offered.
	NoConnect bool
	// Broken is told of each rule that a client broke, with its address. It must not wait. It may be nil.
	Broken func(net.Addr, *h2.Error)
	// Refused is told of each request that breaks a rule before a handler has it, and of the rule for which a connection ends: nobody else
	// is. owner is the connection's. It is called with the connection locked, and must neither wait nor panic. It may be nil.
	Refused func(owner any, err *h2.Error)
	// TooLarge answers a request whose head is larger than the limits, of which the Stream has what fits them. It is called as Handler
	// is, and instead of Refused. Where it is nil the answer is a bare 431.
	TooLarge func(*Stream, *h2.Error)
	// Late is told of each connection that is ended for a head that did not come to its end in time: nobody else is. owner is the
	// connection's. It is called with the connection locked, and must neither wait nor panic. It may be nil.
	Late func(owner any, after time.Duration)
}

// Server serves connections. It owns the workers and one goroutine that looks at all connections each second.
type Server struct {
	o       Config
	limits  atomic.Pointer[Limits] // of connections that come from now on
	workers workers
	streams sync.Pool
	held    atomic.Int64 // octets of heads and bodies that wait
	lent    atomic.Int64 // octets that windows are larger than usual
	rtt     func(net.Conn) time.Duration

	mu      sync.Mutex // guards the fields below
	conns   map[*mux]struct{}
	going   bool
	closed  bool
	serving sync.WaitGroup // calls of serve
	stop    chan struct{}
	swept   chan struct{}

	Stats Stats
}

// Stats are counters of all connections.
type Stats struct {
	Streams  atomic.Uint64 // requests begun
	Writes   atomic.Uint64 // writes to sockets
	Answers  atomic.Uint64 // heads of final responses in them
	Refused  atomic.Uint64 // streams refused
	Strained atomic.Uint64 // pauses of readers
	Left     atomic.Uint64 // connections that were told to go for what they cost
	Killed   atomic.Uint64 // connections ended by a rule or a limit
}

// sweepTime is how often every connection is looked at.
const sweepTime = time.Second

// NewServer makes a Server. Close ends it.
func NewServer(o Config) *Server {
	s := &Server{o: o, conns: map[*mux]struct{}{}, rtt: rttOf, stop: make(chan struct{}), swept: make(chan struct{})}
	s.SetLimits(o.Limits)
	s.streams.New = func() any { return newStream() }
	go s.sweep()
	return s
}

// SetLimits sets the limits of connections that come from now on. A zero field has the default.
func (s *Server) SetLimits(l Limits) {
	l = l.withDefaults()
	if old := s.limits.Load(); old == nil || *old != l {
		s.limits.Store(&l)
	}
}

// sweep looks at all connections until Close.
func (s *Server) sweep() {
	defer close(s.swept)
	t := time.NewTicker(sweepTime)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-t.C:
			for _, m := range s.list() {
				m.sweep(now)
			}
			s.workers.sweep(now)
		}
	}
}

func (s *Server) list() []*mux {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*mux, 0, len(s.conns))
	for m := range s.conns {
		all = append(all, m)
	}
	return all
}

// ServeTLS serves a connection whose handshake has agreed on h2, until it is over. records is what crypto/tls runs over. The configuration
// ought to have DynamicRecordSizingDisabled, since records are gathered anyway.
func (s *Server) ServeTLS(session *tls.Conn, records *Records, owner any) {
	s.serve(session, records, nil, owner)
}

// Serve serves a connection in clear, until it is over. already are octets of it that were read.
func (s *Server) Serve(nc net.Conn, already []byte, owner any) { s.serve(nc, nil, already, owner) }

func (s *Server) serve(nc net.Conn, records *Records, already []byte, owner any) {
	m := newMux(s, nc, records)
	m.owner = owner
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = nc.Close()
		return
	}
	s.serving.Add(1)
	defer s.serving.Done()
	s.conns[m] = struct{}{}
	going := s.going
	s.mu.Unlock()
	if going {
		m.leave()
	}
	m.run(already)
	s.mu.Lock()
	delete(s.conns, m)
	s.mu.Unlock()
}

// Leave tells every client that no new streams are taken. Connections end when their last stream has.
func (s *Server) Leave() {
	s.mu.Lock()
	s.going = true
	s.mu.Unlock()
	for _, m := range s.list() {
		m.leave()
	}
}

// Kill cuts off every connection.
func (s *Server) Kill() {
	for _, m := range s.list() {
		m.kill(errDrained)
	}
}

// Drain tells every client that no new streams are taken, and waits until all connections are over. What still runs when ctx or
// Limits.Drain is over is cut off.
func (s *Server) Drain(ctx context.Context) {
	s.Leave()
	ctx, cancel := context.WithTimeout(ctx, s.limits.Load().Drain)
	defer cancel()
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for len(s.list()) > 0 {
		select {
		case <-t.C:
		case <-ctx.Done():
			s.Kill()
			ctx = context.Background()
		}
	}
}

// Close cuts off every connection, and waits for all goroutines of the server, and for every Serve to return. In this order: a
// connection hands streams to the workers until it is over, and so does the look at all connections.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Kill()
	s.serving.Wait()
	close(s.stop)
	<-s.swept
	s.workers.close()
}

// Connections is how many there are.
func (s *Server) Connections() int { return len(s.list()) }
