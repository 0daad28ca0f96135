package proxy

import (
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/telemetry"
	"github.com/whygate/whygate/internal/upstream"
)

// halfClosed is the least time that one direction of a tunnel may be silent once the other has ended. A pool's timeouts.read
// lengthens it: a program whose input has ended may compute for a while before it prints.
const halfClosed = 10 * time.Second

// direction is one direction of a tunnel.
type direction struct {
	cancel  *cancel.Cancel // what its reads obey
	silence time.Duration  // how long it may be silent once it is alone
	alone   atomic.Bool    // the other direction has ended
}

// quiet bounds the wait for the next octets of a direction that is alone.
func (d *direction) quiet() {
	if d.alone.Load() {
		d.cancel.LateAt(mono.Now().Add(d.silence))
	}
}

// ended tells a direction that the other one has, and how. It may be waiting without a bound.
func (d *direction) ended(how fault.End, why cancel.Reason) {
	d.alone.Store(true)
	switch {
	case why != cancel.None: // the gateway has drained
		d.cancel.Cancel(why)
	case how == fault.Reset: // a peer that has reset its connection takes nothing any more
		d.cancel.LateAt(mono.Now())
	default:
		d.cancel.LateAt(mono.Now().Add(d.silence))
	}
}

// tunnel passes octets both ways until either side ends: the protocol after a 101 is none of ours. A side that does not read
// for limits.idle has failed; half a tunnel may be silent for so long at a time as halfClosed says.
func (s *serving) tunnel(a *upstream.Attempt) {
	x, r := s.x, &s.response
	s.record.By = telemetry.ByOrigin
	s.dropHopByHop(r)
	h := s.newHead(101, 0)
	h.Reason, h.Fields = r.Reason, &r.Fields
	if s.connect { // RFC 8441, section 5
		dropAccept(&r.Fields)
		h.Status, h.Length = 200, httpmsg.LengthUnknown
	}
	x.Head(h)
	s.extraBuf = s.extra.Buffer()
	if x.Flush() != fault.Completed {
		s.left(a)
		a.Drop()
		return
	}
	x.Detach()          // the head's octets are out of the way: what is buffered behind them belongs to the tunnel
	x.Cancel.Watch(nil) // the tunnel reads the client itself
	s.up.cancel.Clear()
	x.Obey(&s.up.cancel)
	a.Tunnel(x.Idle)
	silence := max(halfClosed, s.pool.Read)
	down, up := &direction{cancel: x.Cancel, silence: silence}, &direction{cancel: &s.up.cancel, silence: silence}
	done := make(chan struct{})
	defer func() {
		if r := recover(); r != nil { // a bug of ours: the other direction ends before what it uses is given back
			s.up.cancel.Cancel(cancel.NotWanted)
			<-done
			x.Obey(nil)
			panic(r)
		}
	}()
	go func() { // ends when either side does, at the latest by the bounds on writing and on half a tunnel
		defer close(done)
		defer s.caught()
		s.pourUp(a, up, down)
	}()
	s.pourDown(a, down, up)
	<-done
	x.Obey(nil)
	a.Finish(mono.Now())
	a.Drop()
}

// pourDown passes the endpoint's octets to the client, and then tells so to the client and to the other direction.
func (s *serving) pourDown(a *upstream.Attempt, down, up *direction) {
	how := fault.Completed
	defer func() {
		s.x.End(nil)
		up.ended(how, down.cancel.Reason())
	}()
	for {
		data, found := a.Next()
		switch found {
		case upstream.Piece:
			if s.x.Write(data) != fault.Completed {
				return
			}
		case upstream.Awaited:
			if s.x.Flush() != fault.Completed {
				return
			}
			down.quiet()
			a.Await()
		default:
			how = a.Evidence.End
			return
		}
	}
}

// pourUp is pourDown for the client's octets.
func (s *serving) pourUp(a *upstream.Attempt, up, down *direction) {
	how := fault.Completed
	defer func() {
		a.SendEnd(nil)
		down.ended(how, up.cancel.Reason())
	}()
	for {
		up.quiet()
		data, end := s.x.Next()
		if how = end; end != fault.Completed || len(data) == 0 || a.Send(data) != fault.Completed {
			return
		}
	}
}
