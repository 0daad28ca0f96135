package serve3

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/h3"
)

// Options are what a Server asks of whoever made it. All of them are called from several goroutines, and must not wait.
type Options struct {
	Limits func() exchange.Limits // of connections that come from now on
	Admit  func() bool            // counts a connection that comes; false if there is one too many, or none is taken any more
	Forget func()                 // one that was admitted has ended
	Failed func(*Failure)         // is told of handshakes that failed
}

// Failure is a handshake that failed.
type Failure struct {
	Client, Local string // addresses, that of the client without its port
	How           Way
	Alert         uint8  // what the client sent, where How is Alerted
	Detail        string // what the transport says
	Took          time.Duration
}

// Way is how a handshake failed.
type Way uint8

// The ways.
const (
	Refused Way = iota // Admit said no
	Alerted            // the client refused us by an alert
	Left               // it said no more
	Slow               // it took too long
	NoWay              // no version, protocol or name in common, or a rule broken
)

// failed is a Failure by the error that the transport gave; false where it was us who ended it.
func failed(err error) (how Way, alert uint8, is bool) {
	var transport *quic.TransportError
	var application *quic.ApplicationError
	var slow *quic.HandshakeTimeoutError
	switch {
	case errors.Is(err, quic.ErrServerClosed), errors.Is(err, quic.ErrTransportClosed):
		return 0, 0, false
	case errors.As(err, &slow):
		return Slow, 0, true
	case errors.As(err, &application):
		return Left, 0, application.Remote
	case errors.As(err, &transport) && transport.ErrorCode == quic.ConnectionRefused && !transport.Remote:
		return 0, 0, false
	case errors.As(err, &transport) && transport.ErrorCode.IsCryptoError() && transport.Remote:
		return Alerted, uint8(transport.ErrorCode), true // RFC 9001, section 4.8
	case errors.As(err, &transport) && !transport.Remote:
		return NoWay, 0, true
	}
	return Left, 0, true
}

// Server serves HTTP/3 on any number of UDP sockets. Make it with New.
type Server struct {
	host *exchange.Host
	o    Options
	held atomic.Int64 // octets of heads, bodies and exchanges
	lent atomic.Int64 // octets that windows of connections are larger than at their begin

	mu    sync.Mutex // guards the fields below
	conns map[*session]struct{}
	going bool
}

// New makes a Server that hands requests to h.
func New(h *exchange.Host, o Options) *Server {
	return &Server{host: h, o: o, conns: map[*session]struct{}{}}
}

// What a connection may cost. The windows are what a client may send before it is read: they grow where it is read quickly, and what they grow by
// is counted. What they begin with is not, and is small for that reason.
const (
	streamsMax    = 128      // requests at once on one connection
	streamsOther  = 8        // the client's unidirectional streams at once
	windowStream  = 64 << 10 // octets
	windowLarge   = 4 << 20
	windowConn    = 128 << 10
	windowAll     = 8 << 20
	memoryMax     = 256 << 20 // octets that all connections hold; then new requests are refused
	memoryTight   = memoryMax / 8
	streamsTight  = 16 // requests of a connection beyond which it is refused more while memory is tight
	exchangeSize  = 32 << 10
	handshakeMax  = 5 * time.Second
	quietMax      = 30 * time.Second // without a packet, though asked for one twice: the client is gone
	addressesMany = 64               // handshakes under way, beyond which an address must prove itself (RFC 9000, section 8.1.2)
	addressesFast = 200              // the same, handshakes begun in a second
)

// Endpoint is one UDP socket that HTTP/3 is spoken on.
type Endpoint struct {
	s         *Server
	transport *quic.Transport
	listener  *quic.Listener
	conf      func() *tls.Config
	covers    func(host string) bool
	tickets   tickets
	closing   atomic.Bool

	mu      sync.Mutex // guards the next field, so that nothing begins when Close waits
	stopped bool
	served  sync.WaitGroup // Serve, and connections from their handshake's end

	shaking atomic.Int64 // handshakes under way
	second  atomic.Int64 // the second that begun counts
	begun   atomic.Int64
}

// Tag is what the ids of a process's connections begin with, so that a packet can be told from one of another process's.
type Tag [2]byte

// GenerateConnectionID implements quic.ConnectionIDGenerator.
func (t Tag) GenerateConnectionID() (quic.ConnectionID, error) {
	var id [connectionID]byte
	randomize(id[copy(id[:], t[:]):])
	return quic.ConnectionIDFromBytes(id[:]), nil
}

// ConnectionIDLen implements quic.ConnectionIDGenerator.
func (t Tag) ConnectionIDLen() int { return connectionID }

// connectionID is the length of connection ids, in octets.
const connectionID = 8

// quietEnv keeps quic-go from writing to the log of the standard library that a buffer is small: whoever opens the socket says that.
const quietEnv = "QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING"

// Open begins to listen on a socket, which is the Endpoint's from here on. conf is what connections are served with, apart from their
// protocol, and is called for each; covers reports whether the certificate that they are shown has a name. 0-RTT is not accepted: what
// comes by it may have been sent before by somebody else. Connection ids begin with tag.
func (s *Server) Open(socket net.PacketConn, tag Tag, conf func() *tls.Config, covers func(host string) bool) (*Endpoint, error) {
	if os.Getenv(quietEnv) == "" {
		_ = os.Setenv(quietEnv, "true")
	}
	e := &Endpoint{s: s, conf: conf, covers: covers}
	var key quic.StatelessResetKey
	randomize(key[:])
	e.transport = &quic.Transport{Conn: socket, ConnectionIDGenerator: tag, StatelessResetKey: &key, VerifySourceAddress: e.doubts, ConnContext: e.arrive}
	var err error
	e.listener, err = e.transport.Listen(&tls.Config{GetConfigForClient: e.config, MinVersion: tls.VersionTLS13}, &quic.Config{
		GetConfigForClient: func(*quic.ClientInfo) (*quic.Config, error) { return e.settings(), nil },
	})
	if err != nil {
		_ = e.transport.Close()
		_ = socket.Close()
		return nil, err
	}
	return e, nil
}

// settings are a connection's, as the limits are now.
func (e *Endpoint) settings() *quic.Config {
	l := e.s.o.Limits()
	quiet := quietMax
	if l.Idle > 0 {
		quiet = min(quiet, max(l.Idle, time.Second))
	}
	shake := handshakeMax
	if l.HeadTime > 0 {
		shake = min(shake, l.HeadTime)
	}
	return &quic.Config{
		Versions:             []quic.Version{quic.Version1, quic.Version2},
		HandshakeIdleTimeout: shake, MaxIdleTimeout: quiet, KeepAlivePeriod: quiet / 3,
		MaxIncomingStreams: streamsMax, MaxIncomingUniStreams: streamsOther, RequireStreamCreditRelease: true,
		InitialStreamReceiveWindow: windowStream, MaxStreamReceiveWindow: windowLarge,
		InitialConnectionReceiveWindow: windowConn, MaxConnectionReceiveWindow: windowAll,
		AllowConnectionWindowIncrease: e.s.lend,
	}
}

// lend lets a connection's window grow while there is memory.
func (s *Server) lend(c *quic.Conn, delta uint64) bool {
	a, is := c.Context().Value(arrivalKey{}).(*arrival)
	if !is || s.lent.Load()+s.held.Load()+int64(delta) > memoryMax/2 {
		return false
	}
	s.lent.Add(int64(delta))
	a.lent.Add(int64(delta))
	return true
}

// arrival is a connection from its first packet on.
type arrival struct {
	began time.Time
	shook atomic.Bool // the handshake has ended, well or not
	lent  atomic.Int64
}

type arrivalKey struct{}

var errTooMany = errors.New("limits.connections is reached")

// arrive counts a connection that begins, until it ends.
func (e *Endpoint) arrive(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	client := clientOf(info.RemoteAddr)
	local := e.transport.Conn.LocalAddr().String()
	if !e.s.o.Admit() {
		e.s.o.Failed(&Failure{Client: client, Local: local, How: Refused, Detail: errTooMany.Error()})
		return nil, errTooMany
	}
	a := &arrival{began: time.Now()}
	e.shaking.Add(1)
	context.AfterFunc(ctx, func() {
		if a.shook.CompareAndSwap(false, true) {
			e.shaking.Add(-1)
			err := context.Cause(ctx)
			if how, alert, is := failed(err); is {
				e.s.o.Failed(&Failure{Client: client, Local: local, How: how, Alert: alert, Detail: err.Error(), Took: time.Since(a.began)})
			}
			e.s.o.Forget()
		}
	})
	return context.WithValue(ctx, arrivalKey{}, a), nil
}

// doubts reports whether a client must prove its address by a Retry first. That costs it a round trip, so only where many come.
func (e *Endpoint) doubts(net.Addr) bool {
	now := time.Now().Unix()
	if e.second.Swap(now) != now {
		e.begun.Store(0)
	}
	return e.begun.Add(1) > addressesFast || e.shaking.Load() >= addressesMany
}

// Serve accepts connections until Stop. It returns nil then.
func (e *Endpoint) Serve() error {
	e.mu.Lock()
	if e.stopped {
		e.mu.Unlock()
		return nil
	}
	e.served.Add(1)
	e.mu.Unlock()
	defer e.served.Done()
	for {
		c, err := e.listener.Accept(context.Background())
		if err != nil {
			if errors.Is(err, quic.ErrServerClosed) || errors.Is(err, quic.ErrTransportClosed) {
				return nil
			}
			return err
		}
		a, is := c.Context().Value(arrivalKey{}).(*arrival)
		if !is {
			panic("BUG: serve3: a connection that did not arrive")
		}
		if a.shook.CompareAndSwap(false, true) { // else it has ended already
			e.shaking.Add(-1)
			e.served.Add(1)
			go e.serve(c, a) // Close waits for it
		}
	}
}

// serve serves a connection until it ends.
func (e *Endpoint) serve(c *quic.Conn, a *arrival) {
	defer e.served.Done()
	defer e.s.o.Forget()
	defer func() { e.s.lent.Add(-a.lent.Load()) }()
	defer func() {
		if r := recover(); r != nil { // a bug of ours costs one connection
			_ = c.CloseWithError(quic.ApplicationErrorCode(h3.InternalError), "")
			e.s.host.Panicked(r)
		}
	}()
	newSession(e, c).run()
}

// Stop ends accepting. Connections go on, and need the socket still.
func (e *Endpoint) Stop() {
	e.mu.Lock()
	e.stopped = true
	e.mu.Unlock()
	_ = e.listener.Close()
}

// Leave tells the clients of this socket that no new requests are taken. A connection ends with its last request.
func (e *Endpoint) Leave() {
	e.Stop()
	for _, ss := range e.s.list() {
		if ss.e == e {
			ss.leave()
		}
	}
}

// Close cuts off what is left, waits for it, and closes the socket. Serve has returned then, or is about to.
func (e *Endpoint) Close() {
	e.Stop()
	e.closing.Store(true)
	for _, ss := range e.s.list() {
		if ss.e == e {
			ss.stopWaiting() // it is us who leave, not the client
			ss.end()
		}
	}
	_ = e.transport.Close()
	e.served.Wait()
	_ = e.transport.Conn.Close()
}

// Gone waits until no connection of this socket is left, or time is over. It reports whether none is.
func (e *Endpoint) Gone(bound time.Duration) bool {
	done := make(chan struct{})
	go func() { e.served.Wait(); close(done) }() // ends with the last connection, which Close ends at the latest
	t := time.NewTimer(bound)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

func (s *Server) list() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*session, 0, len(s.conns))
	for ss := range s.conns {
		all = append(all, ss)
	}
	return all
}

// Leave tells every client that no new requests are taken. A connection ends with its last request.
func (s *Server) Leave() {
	s.mu.Lock()
	s.going = true
	s.mu.Unlock()
	for _, ss := range s.list() {
		ss.leave()
	}
}

// StopWaiting ends what requests under way wait for elsewhere.
func (s *Server) StopWaiting() {
	for _, ss := range s.list() {
		ss.stopWaiting()
	}
}

// Kill cuts off every connection.
func (s *Server) Kill() {
	for _, ss := range s.list() {
		ss.end()
	}
}

// clientOf is an address without its port.
func clientOf(a net.Addr) string {
	if u, is := a.(*net.UDPAddr); is {
		return u.AddrPort().Addr().Unmap().String()
	}
	return a.String()
}
