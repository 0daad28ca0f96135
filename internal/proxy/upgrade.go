package proxy

import (
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/telemetry"
	"github.com/whygate/whygate/internal/upstream"
)

// halfClosed is the least time that one direction of a tunnel may be silent once the other has ended. A pool's timeouts.read
// lengthens it: a program whose input has ended may compute for a while before it prints.
const halfClosed = 10 * time.Second

// half is one direction of a tunnel.
type half struct {
	src, dst *conn.Conn
	cancel   *cancel.Cancel // what reads of src obey
	alone    atomic.Bool    // the other direction has ended
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
	client, server := x.Conn(), a.Socket()
	if x.Flush() != fault.Completed {
		s.left(a)
		a.Drop()
		return
	}
	x.StreamBody() // the head's octets are out of the way: what is buffered behind them belongs to the tunnel
	client.SetReadUntil(0)
	server.SetReadUntil(0)
	x.Cancel.Watch(nil) // the tunnel reads the client itself
	s.up.cancel.Clear()
	x.ReadUnder(&s.up.cancel)
	silence := max(halfClosed, s.pool.Read)
	down, up := &half{src: server, dst: client, cancel: x.Cancel}, &half{src: client, dst: server, cancel: &s.up.cancel}
	done := make(chan struct{})
	go func() { // ends when either side does, at the latest by the bounds on writing and on half a tunnel
		defer close(done)
		defer s.caught()
		s.pour(up, down, silence)
	}()
	s.pour(down, up, silence)
	<-done
	x.ReadUnder(nil)
	x.End(nil)
	a.Finish(mono.Now())
	a.Drop()
}

// pour passes octets from h.src to h.dst until the first ends or the second fails, and then tells so to h.dst and to the other
// direction. A side that does not read for limits.idle has failed; half a tunnel may be silent for so long at a time.
func (s *exchange) pour(h, other *half, silence time.Duration) {
	end := fault.Completed
	defer func() {
		h.dst.CloseWrite()
		other.alone.Store(true)
		switch end {
		case fault.Canceled: // the gateway has drained
			other.cancel.Cancel(h.cancel.Reason())
		case fault.Reset: // a peer that has reset its connection takes nothing any more
			other.cancel.LateAt(mono.Now())
		default:
			other.cancel.LateAt(mono.Now().Add(silence)) // it may be waiting without a bound
		}
	}()
	for {
		if b := h.src.Buffered(); len(b) > 0 {
			h.dst.SetWriteUntil(s.x.WriteUntil())
			if h.dst.Write(b) != fault.Completed {
				return
			}
			h.src.Discard(len(b))
		}
		if h.alone.Load() {
			h.cancel.LateAt(mono.Now().Add(silence))
		}
		if end = h.src.Fill(); end != fault.Completed {
			return
		}
	}
}
