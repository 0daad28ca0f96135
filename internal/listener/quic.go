package listener

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/whygate/whygate/internal/serve3"
)

// QUIC is a UDP socket on which HTTP/3 is spoken. Its connections count among the Server's, and end with its Drain at the latest.
type QUIC struct {
	server *Server
	e      *serve3.Endpoint
}

// Tag is what the ids of a process's connections over QUIC begin with.
type Tag = serve3.Tag

// OpenQUIC takes a UDP socket over. conf is called for each connection. Nothing is accepted before Serve.
func (s *Server) OpenQUIC(socket net.PacketConn, tag Tag, conf func() *tls.Config) (*QUIC, error) {
	s.mu.Lock()
	s.prepare()
	if s.http3 == nil {
		s.http3 = serve3.New(&s.host, serve3.Options{Limits: s.Limits, Admit: s.admit, Forget: s.forgetQUIC, Failed: s.handshakeFailed})
	}
	http3 := s.http3
	s.mu.Unlock()
	e, err := http3.Open(socket, tag, conf, func(host string) bool { return covers(conf(), host) })
	if err != nil {
		return nil, err
	}
	q := &QUIC{s, e}
	s.mu.Lock()
	s.quic[q] = struct{}{}
	draining := s.host.Draining.Load()
	s.mu.Unlock()
	if draining {
		q.e.Stop()
	}
	return q, nil
}

// Serve accepts connections until the Server drains, or Close. The error is nil then.
func (q *QUIC) Serve() error { return q.e.Serve() }

// Close accepts no connection any more, tells those that are there, waits for their requests up to the bound, cuts off what is left,
// and closes the socket.
func (q *QUIC) Close(bound time.Duration) {
	q.e.Leave()
	if bound > 0 {
		q.e.Gone(bound)
	}
	q.e.Close()
	q.server.mu.Lock()
	delete(q.server.quic, q)
	q.server.mu.Unlock()
}

// admit counts a connection over QUIC, unless there are too many.
func (s *Server) admit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.host.Draining.Load() {
		return false
	}
	if s.open.Add(1) > int64(max(s.Limits().Connections, 1)) {
		s.open.Add(-1)
		return false
	}
	s.wait.Add(1)
	return true
}

func (s *Server) forgetQUIC() {
	s.open.Add(-1)
	s.wait.Done()
}

// handshakeFailed tells of a handshake over QUIC.
func (s *Server) handshakeFailed(f *serve3.Failure) {
	if s.Failed == nil || s.host.Draining.Load() { // then it was us
		return
	}
	reasons := [...]Reason{serve3.Refused: TooMany, serve3.Alerted: AlertReceived, serve3.Left: LeftHalfway, serve3.Slow: TooSlow, serve3.NoWay: NoCommonWays}
	l := s.Limits()
	s.Failed(&Handshake{
		Client: f.Client, Local: f.Local, Reason: reasons[f.How], Alert: f.Alert, Detail: f.Detail[:min(len(f.Detail), detailMax)], Took: f.Took,
		Limit: l.HeadTime, Max: l.Connections,
	})
}

// eachQUIC does one thing to each of the UDP sockets.
func (s *Server) eachQUIC(do func(*serve3.Endpoint)) {
	s.mu.Lock()
	all := make([]*serve3.Endpoint, 0, len(s.quic))
	for q := range s.quic {
		all = append(all, q.e)
	}
	s.mu.Unlock()
	for _, e := range all {
		do(e)
	}
}
