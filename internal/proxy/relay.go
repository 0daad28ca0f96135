package proxy

import (
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/telemetry"
	"github.com/whygate/whygate/internal/upstream"
)

// relay passes the response in s.response on, and its body as it comes. Only a body that was read to its end is ended; any
// other is aborted, so that the client sees that it is not complete.
//
// hot: once per request.
func (s *serving) relay(a *upstream.Attempt) {
	r := &s.response
	if r.Status == 101 {
		s.settle(outcome{attempt: a}) // a tunnel may last for hours
		s.tunnel(a)
		return
	}
	s.record.By = telemetry.ByOrigin
	if s.up.done != nil && !s.up.read.Load() {
		s.x.Last = true // RFC 9110, section 10.1.1: who answers before the end of the content says whether he reads the rest
	}
	s.passHead(a)
	var read bool
	var write fault.End
	if s.route.Compress && s.packed != identity {
		read, write = s.relayPacked(a)
	} else {
		read, write = s.relayBody(a)
	}
	s.stopUpload(a)
	switch {
	case write != fault.Completed:
		a.Unwanted(mono.Now())
		s.left(a)
	case !read && s.up.broken(): // who sent the body ended the answer to it too
		s.left(a)
	case !read:
		s.brokenBody(a)
	default:
		s.relayed(a)
	}
	a.Drop()
}

// relayed ends an exchange whose response came to its end.
//
// hot: once per request.
func (s *serving) relayed(a *upstream.Attempt) {
	s.settle(outcome{attempt: a})
	s.now = mono.Now()
	a.Finish(s.now)
	s.x.Ended = s.now
	if s.grpc {
		s.grpcEnded(a)
	}
	if s.response.Trailers.Len() > 0 {
		dropTrailers(&s.response.Trailers, s.route.SetResponse, &s.back, 0)
	}
	ended := s.x.End(&s.response.Trailers)
	if !ended || s.x.Lost != fault.Completed {
		s.left(a)
		return
	}
	if s.response.Status >= 500 { // also after another attempt: that saved nobody from an error
		s.record.Saved = false
		s.record.Fault = fault.Fault{Cause: fault.CauseUpstreamStatus, Stage: fault.Done}
		s.record.Evidence = &a.Evidence
	}
	if !a.Keep(s.now) {
		// RFC 9112, section 6.3: octets after the end are not ours to guess about. The answer was good; the connection is not.
		s.record.Fault, s.record.Saved = fault.Classify(&a.Evidence), false
		s.record.Evidence = &a.Evidence
		s.record.Incident = NewIncidentID()
	}
}

// passHead appends the response head for the client.
//
// hot: once per response.
func (s *serving) passHead(a *upstream.Attempt) {
	r := &s.response
	s.dropHopByHop(r)
	h := s.newHead(r.Status, r.Length)
	if r.Length == 0 && s.x.Request.Version >= httpmsg.HTTP2 && !r.Fields.Has(httpmsg.ContentLength) {
		h.Length = httpmsg.LengthUnknown // it was not said, and need not be
	}
	h.Reason, h.Fields = r.Reason, &r.Fields
	coded := s.route.Compress && s.compress(h)
	if r.Status == 304 || s.x.Request.Method == httpmsg.HEAD {
		h.NoBody, h.Length = true, httpmsg.LengthClose
		if length, _ := httpmsg.NextToken(r.Fields.Get(httpmsg.ContentLength)); length != nil && !coded && r.Status != 204 && r.Status >= 200 {
			s.extra.AppendKnown(httpmsg.ContentLength, length) // it tells of another answer's body; several lines say the same
		}
	}
	if edits := s.route.SetResponse; len(edits) > 0 {
		for i := range r.Fields.Len() {
			if edited(edits, r.Fields.Name(i)) {
				r.Fields.Drop(i)
			}
		}
		for _, e := range edits {
			s.addEdit(e)
		}
	}
	if r.Status >= 500 && s.snap.Disclosure != fault.DisclosureOff {
		value := fault.AppendReceivedStatus(nil, s.snap.Name, r.Status, &a.Evidence, s.snap.Disclosure)
		s.extra.AppendKnown(httpmsg.ProxyStatus, value)
	}
	s.tellID(&r.Fields)
	s.tellAlternative(&r.Fields)
	s.stick()
	s.x.Head(h)
	s.extraBuf = s.extra.Buffer()
}

// tellID adds the request's id to an answer of the endpoint, so that whoever has the answer finds the log line. An endpoint
// that names an id of its own is let be, and so is a route that sets or removes it.
func (s *serving) tellID(f *httpmsg.Fields) {
	if f.Has(httpmsg.XRequestID) || edited(s.route.SetResponse, []byte("X-Request-ID")) {
		return
	}
	id := s.passedID()
	if id == nil {
		id = s.id[:]
	}
	s.extra.AppendKnown(httpmsg.XRequestID, id)
}

// tellAlternative says in an answer where else the same is served (RFC 7838). An endpoint that says so itself is let be, and so is a route
// that sets or removes it: they may know ports that others see in place of ours. f may be nil.
func (s *serving) tellAlternative(f *httpmsg.Fields) {
	shown := s.x.Peer.Shown
	if shown == nil || shown.AltSvc == nil || s.route != nil && edited(s.route.SetResponse, []byte("Alt-Svc")) {
		return
	}
	if f != nil {
		if _, said := f.Lookup("Alt-Svc"); said {
			return
		}
	}
	if value := shown.AltSvc(); value != nil {
		s.extra.Append("Alt-Svc", value, httpmsg.Other)
	}
}

// relayBody moves the body. read is whether the endpoint's side came to its end; write is how the client's side stands.
//
// hot: once per request.
func (s *serving) relayBody(a *upstream.Attempt) (read bool, write fault.End) {
	for {
		data, found := a.Next()
		switch found {
		case upstream.Piece:
			if end := s.x.Write(data); end != fault.Completed {
				return false, end
			}
		case upstream.Awaited:
			if end := s.x.Flush(); end != fault.Completed {
				return false, end
			}
			done, end := a.Splice(s.x)
			if end != fault.Completed {
				return false, end
			}
			if !done {
				a.Await()
			}
		default:
			return found == upstream.Ended, fault.Completed
		}
	}
}

// brokenBody ends an exchange whose response broke after its head.
func (s *serving) brokenBody(a *upstream.Attempt) {
	f := s.outcomeOf(a)
	s.settle(outcome{a, f})
	if f.Cause == fault.CauseClientLeft || s.clientLeft(f) {
		s.left(a)
		return
	}
	s.fail(&a.Evidence, f)
}

// left ends an exchange whose client is gone, or that a drain cut off from it. What the attempt had come to until then stays as it
// was observed.
//
//go:noinline
func (s *serving) left(a *upstream.Attempt) {
	ev := &a.Evidence
	own := s.keepOwn(&fault.Evidence{
		Stage: ev.Stage, End: ev.End, By: fault.PartyClient, Endpoint: ev.Endpoint, Addr: ev.Addr, Sent: ev.Sent, Got: ev.Got,
		Status: ev.Status, Spent: ev.Spent, Declared: ev.Declared, Body: ev.Body, Reused: ev.Reused, Nth: ev.Nth, Idle: ev.Idle,
	})
	if s.x.Lost == fault.Canceled { // it would not read, but it was we who left
		own.End, own.Rule, own.By = fault.Unavailable, fault.RuleDraining, fault.PartyGateway
	}
	s.fail(own, fault.Classify(own))
}
