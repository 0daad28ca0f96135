package proxy

import (
	"time"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/telemetry"
	"github.com/whygate/whygate/internal/upstream"
)

// halfClosed is how long one direction of a tunnel may be silent once the other has ended.
const halfClosed = 10 * time.Second

// upgradeFits reports whether a 101 answers what the client asked: RFC 9110, section 7.8.
func (s *exchange) upgradeFits() bool {
	if !s.upgrade {
		return false
	}
	asked := s.x.Request.Fields.Get(httpmsg.Upgrade)
	protocol, rest := h1.NextToken(s.response.Fields.Get(httpmsg.Upgrade))
	if protocol == nil {
		return false
	}
	for ; protocol != nil; protocol, rest = h1.NextToken(rest) { // several are layers over each other
		if !h1.HasToken(asked, string(protocol)) {
			return false
		}
	}
	return true
}

// tunnel passes octets both ways until either side ends: the protocol after a 101 is none of ours.
func (s *exchange) tunnel(a *upstream.Attempt) {
	x, r := s.x, &s.response
	s.record.By = telemetry.ByOrigin
	s.dropHopByHop(r)
	h := s.newHead(101, 0)
	h.Reason, h.Fields = r.Reason, &r.Fields
	s.extra.AppendKnown(httpmsg.Connection, []byte("upgrade"))
	x.TakeWholeBody()
	x.WriteHead(h)
	s.extraBuf = s.extra.Buffer()
	client, server := x.Conn(), a.Conn.Conn
	if x.Flush() != fault.Completed {
		s.left(a)
		a.Drop()
		return
	}
	x.StreamBody() // the head's octets are out of the way: what is buffered behind them belongs to the tunnel
	client.SetReadUntil(0)
	server.SetReadUntil(0)
	server.Watch(nil, 0)
	up := make(chan struct{})
	go func() { // ends when either side does, at the latest by the bounds on writing and on half a tunnel
		defer close(up)
		defer s.caught()
		s.pour(server, client)
		server.CloseWrite()
		server.Hurry(conn.Now() + int64(halfClosed))
	}()
	s.pour(client, server)
	client.CloseWrite()
	client.Hurry(conn.Now() + int64(halfClosed))
	<-up
	x.End(nil)
	a.Finish(conn.Now())
	a.Drop()
}

// pour passes octets from src to dst until src ends or dst fails. A side that does not read for limits.idle has failed.
func (s *exchange) pour(dst, src *conn.Conn) {
	for {
		if b := src.Buffered(); len(b) > 0 {
			dst.SetWriteUntil(s.x.WriteUntil())
			if dst.Write(b) != fault.Completed {
				return
			}
			src.Discard(len(b))
		}
		if src.Fill() != fault.Completed {
			return
		}
	}
}
