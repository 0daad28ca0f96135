package proxy

import (
	"fmt"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/overload"
	"github.com/whygate/whygate/internal/upstream"
)

// admission is how an exchange stands with its pool's gate.
type admission struct {
	entered  bool  // an endpoint has been given the request, and its head has not come
	woken    bool  // the queue let it go, and it has no endpoint yet
	admitted int64 // how many the endpoint had in flight then
	sent     mono.Time
	full     int       // an endpoint that had no room, -1 if none was met
	passed   bool      // one had none since the request last began to look for an endpoint
	heldAs   int64     // how many it has in flight with that
	held     int       // an endpoint that a place is held at for the next attempt, -1 if none is
	since    mono.Time // when it began to wait, 0 if it did not
}

// hold takes a place at the endpoint for the next attempt: a connection, and room at the gate. It is false if there is none. Each hold
// that is true has an enter or a letGo.
//
// hot: once per attempt.
func (s *serving) hold(i int) bool {
	guard := s.pool.Endpoints[i].Guard
	if !guard.Enter() {
		s.full = guard.Limit()
		return false
	}
	if g := s.pool.Gate; g != nil {
		n, ok := g.Limiter.Enter(i)
		if !ok {
			guard.Leave()
			s.adm.full, s.adm.passed = i, true
			return false
		}
		s.adm.heldAs = n
	}
	s.adm.held = i
	return true
}

// enter makes the place that is held the next attempt's.
//
// hot: once per attempt.
func (s *serving) enter() {
	a := &s.adm
	a.held = -1
	if s.pool.Gate != nil {
		a.admitted, a.entered, a.sent = a.heldAs, true, s.now
		s.arrived()
	}
}

// letGo gives back a place that is held, if one is.
func (s *serving) letGo() {
	i := s.adm.held
	if i < 0 {
		return
	}
	s.adm.held = -1
	s.pool.Endpoints[i].Guard.Leave()
	if g := s.pool.Gate; g != nil {
		g.Limiter.Failed(i)
		g.Wake(mono.Now())
	}
}

// keep ends an attempt like leave, and holds its place for the next one at the same endpoint.
func (s *serving) keep() {
	s.judge()
	a := &s.adm
	if g := s.pool.Gate; g != nil {
		if a.heldAs = a.admitted; !a.entered {
			a.heldAs = g.Limiter.Resume(s.asking)
		}
		a.entered = false
	}
	a.held = s.asking
	s.pool.Balance.Finish(s.asking)
	s.asking = -1
}

// another holds a place at an endpoint that is in order and was not tried. It reports whether there is one.
func (s *serving) another() bool {
	for {
		i := s.pool.Balance.PickSound(&s.tried, s.key(), s.now)
		if i < 0 || s.hold(i) {
			return i >= 0
		}
		s.tried.Add(i)
	}
}

// arrived tells the gate that the request it let go has looked for an endpoint.
func (s *serving) arrived() {
	if s.adm.woken {
		s.adm.woken = false
		s.pool.Gate.Arrived(mono.Now())
	}
}

// crowded reports whether the request has to wait before it looks for an endpoint: others do.
func (s *serving) crowded() bool {
	return s.pool.Gate != nil && s.pool.Gate.Crowded()
}

// waitMost bounds the time in the queue, over all times that it was left in vain.
const waitMost = time.Second

// wait has the request wait for room. False means that the exchange is over.
func (s *serving) wait() bool {
	a := &s.adm
	s.now = mono.Now()
	s.arrived()
	if a.since == 0 {
		a.since = s.now
	}
	if s.now.Sub(a.since) > waitMost {
		s.shed(fault.CauseQueueTimeout)
		return false
	}
	if s.waiter.Ready == nil {
		s.waiter.Ready = make(chan overload.Verdict, 1)
	}
	s.waiter.Priority = s.route.Priority
	if !s.pool.Gate.Wait(&s.waiter, s.now) {
		s.shed(fault.CauseQueueFull)
		return false
	}
	verdict, waited := s.awaitVerdict()
	s.now = mono.Now()
	if !waited {
		s.pool.Gate.Leave(&s.waiter, s.now)
		s.gone()
		return false
	}
	switch verdict {
	case overload.TooLong:
		s.shed(fault.CauseQueueTimeout)
		return false
	case overload.Evicted:
		s.shed(fault.CauseQueueFull)
		return false
	}
	a.woken = true
	if s.x.Left() { // nothing is sent for a client that has left
		s.arrived()
		s.gone()
		return false
	}
	s.tried.Reset()
	a.passed = false
	return true
}

// awaitVerdict waits until the queue says something. It is false if the client left first, the time for the response is over or the
// gateway's to drain.
func (s *serving) awaitVerdict() (overload.Verdict, bool) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	// The gate ends every wait that is too long. One whose pool was replaced by a reload meanwhile has nobody who does.
	late := time.NewTimer(mono.Earlier(s.adm.since.Add(waitMost+waitMost/10), s.until).Sub(s.now))
	defer late.Stop()
	for {
		select {
		case v := <-s.waiter.Ready:
			return v, true
		case <-s.x.Cancel.Done():
			return 0, false
		case <-late.C:
			return overload.TooLong, false
		case <-look.C:
			if s.x.Cancel.Ask() {
				return 0, false
			}
		}
	}
}

// gone ends an exchange that waited until its client left, or a drain or the time for its response was over.
func (s *serving) gone() {
	switch {
	case s.drained():
		s.failEarly(&fault.Evidence{Stage: fault.Select, End: fault.Unavailable, Rule: fault.RuleDraining, By: fault.PartyGateway})
	case s.x.Cancel.Reason() == cancel.None && !s.x.Left():
		s.shed(fault.CauseQueueTimeout)
	default:
		s.failEarly(&fault.Evidence{Stage: fault.Select, End: fault.Canceled, By: fault.PartyClient})
	}
}

// shed turns the request away, and says what was measured.
func (s *serving) shed(cause fault.Cause) {
	g, i := s.pool.Gate, max(s.adm.full, 0)
	e := fault.Evidence{Stage: fault.Select, End: fault.Limit, Told: cause, By: fault.PartyGateway, Declared: -1}
	e.Endpoint = s.pool.Endpoints[i].Target.Text
	if cause == fault.CauseQueueTimeout {
		e.After = s.now.Sub(s.adm.since).Round(time.Millisecond)
	}
	m := g.Limiter.Measured(i, s.class)
	e.Limit, e.Size = m.Limit, m.InFlight
	e.Detail = fmt.Sprintf("%d of %d in flight", m.InFlight, m.Limit)
	if m.Base > 0 {
		e.Detail += fmt.Sprintf("; such requests take %v, and may take %v", rounded(m.Base), rounded(m.Allowed))
	}
	s.retryAfter = overload.RetryAfter()
	s.failEarly(&e)
}

// rounded is a duration with two digits or so.
func rounded(d time.Duration) time.Duration {
	unit := time.Microsecond
	for d >= 100*unit {
		unit *= 10
	}
	return d.Round(unit)
}

// sample is the attempt as the limiter sees it.
func (s *serving) sample(a *upstream.Attempt) overload.Sample {
	took, _ := s.took(a)
	return overload.Sample{
		Class: s.class, Took: took, Admitted: s.adm.admitted, Sent: s.adm.sent,
		Shed: s.answered == 503 || s.answered == 429,
	}
}

// admitted tells the gate that the head came.
//
// hot: once per answer.
func (s *serving) headCame(a *upstream.Attempt) {
	s.judge()
	if s.adm.entered {
		s.adm.entered = false
		sample := s.sample(a)
		s.pool.Gate.Limiter.Answered(s.asking, &sample)
		if s.pool.Gate.Crowded() {
			s.pool.Gate.Wake(mono.Now()) // the clock was last read before the answer
		}
	}
}

// leftGate tells the gate that the attempt is over, where its head has not come.
func (s *serving) leftGate() {
	s.judge()
	if !s.adm.entered {
		return
	}
	s.adm.entered = false
	g := s.pool.Gate
	a := s.last()
	ev := &a.Evidence
	if ev.Sent > 0 && (ev.End == fault.Timeout || ev.End == fault.Canceled) { // the endpoint is at work on it still
		sample := s.sample(a)
		g.Limiter.Left(s.asking, &sample)
	} else {
		g.Limiter.Failed(s.asking)
	}
	g.Wake(mono.Now())
}
