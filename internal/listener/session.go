package listener

import (
	"net"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/serve1"
)

// session is one client connection: its way in, and the protocol that is spoken on it then.
type session struct {
	server *Server
	conn   *conn.Conn
	http   serve1.Session
	limits Limits
	over   bool     // it is one connection too many
	raw    net.Conn // what was accepted, where TLS is spoken
	door   *door    // what a TLS handshake under way runs over, else nil
}

// run serves the connection until it ends.
func (ss *session) run() {
	defer ss.server.forget(ss)
	defer ss.conn.Close()
	defer func() { // a bug of ours costs one connection
		if r := recover(); r != nil {
			ss.server.panicked(r)
		}
	}()
	switch {
	case ss.over && ss.conn.TLS() != nil:
		// It gets no answer: a handshake is what costs most.
		if ss.server.Failed != nil {
			p := ss.http.Peer()
			ss.server.Failed(&Handshake{Client: p.Client, Local: p.Local, Reason: TooMany, Detail: "limits.connections is reached", Max: ss.limits.Connections})
		}
	case ss.over:
		ss.http.TurnAway()
	case ss.conn.TLS() == nil || ss.handshake():
		ss.http.Run()
	}
}
