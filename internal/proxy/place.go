package proxy

import (
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/upstream"
)

// place is where a request with an upload stands: while the gateway waits for its client the endpoint is not at work on it, so that it
// takes no place there, and clients that send slowly cannot fill an endpoint. upload.place has it, since the upload's goroutine says when
// the last octet has come.
type place = uint32

const (
	placeTaken  place = iota // as that of any request
	placeAside               // given back: the client's body has not ended
	placeBack                // taken again: it has
	placeJudged              // the answer, or the end, has come
)

// stepAside gives the place back until the whole request body has come from the client.
func (s *serving) stepAside() {
	if s.x.BodyRead {
		return
	}
	s.up.place.Store(placeAside)
	if s.adm.entered {
		s.adm.entered = false
		s.pool.Gate.Limiter.Failed(s.asking)
		s.pool.Gate.Wake(mono.Now())
	}
}

// comeBack takes the place again, on the upload's goroutine. Nobody is turned away for want of room who was let in once.
func (s *serving) comeBack() {
	u := &s.up
	if u.place.Load() != placeAside {
		return
	}
	g := s.pool.Gate
	u.back = mono.Now()
	if g != nil {
		u.admitted = g.Limiter.Resume(s.asking)
	}
	if !u.place.CompareAndSwap(placeAside, placeBack) && g != nil { // it was answered meanwhile
		g.Limiter.Failed(s.asking)
		g.Wake(u.back)
	}
}

// judge ends the part of the upload's goroutine: what it did about the place is the exchange's from now on.
func (s *serving) judge() {
	u := &s.up
	if u.place.Load() == placeTaken || u.place.CompareAndSwap(placeAside, placeJudged) || !u.place.CompareAndSwap(placeBack, placeJudged) {
		return
	}
	u.whole = true
	s.adm.sent = u.back
	if s.pool.Gate != nil {
		s.adm.entered, s.adm.admitted = true, u.admitted
	}
}

// took is how long the endpoint had the whole request before its answer, or the end of the attempt. It is false if it never had.
func (s *serving) took(a *upstream.Attempt) (time.Duration, bool) {
	if s.up.place.Load() == placeTaken {
		ev := &a.Evidence
		return ev.Spent[fault.Write] + ev.Spent[fault.FirstByte] + ev.Spent[fault.Head], true
	}
	return mono.Now().Sub(s.up.back), s.up.whole
}
