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

// hedging is a second attempt beside the first, which is sent where the first takes long. The timer's goroutine makes it, from the moment that the
// delay is over to the moment that its head is read; the exchange waits for the end of that goroutine before it does anything with what the
// goroutine has seen. Until then the exchange is inside the first attempt's Ask, which changes nothing that the goroutine reads.
type hedging struct {
	armed  bool // the timer runs, or its goroutine does
	lost   bool // it was sent, and is to stand in the record though its answer was not taken
	timer  *time.Timer
	done   chan struct{} // the timer's goroutine has ended
	winner atomic.Uint32

	first, second    cancel.Cancel  // end the two attempts, and follow the exchange's
	follow1, follow2 *cancel.Waiter // nil where they do not

	// What the goroutine has made.
	attempt  *upstream.Attempt
	endpoint int // that it is at, -1 if it was not sent
	admitted int64
	sent     mono.Time
	response httpmsg.Response
	status   int // 0 before the head was read
}

// Who wins is the first that has an answer.
const (
	nobodyYet uint32 = iota
	theFirst
	theHedge
)

// hedges reports whether a request may have a hedge: one whose method is safe (RFC 9110, section 9.2.1), since both endpoints may act on it, and of
// which all is here. That of a client that is kept at its endpoint has none: another one may not know its session.
//
// hot: once per attempt, where hedges are sent.
func (s *serving) hedges() bool {
	switch s.x.Request.Method {
	case httpmsg.GET, httpmsg.HEAD, httpmsg.OPTIONS:
	default:
		return false
	}
	return s.made == 1 && !s.upgrade && !s.connect && !s.grpc && len(s.pool.Endpoints) > 1 && (s.pool.Sticky == nil || s.stuck() != s.asking)
}

// arm has a hedge sent when the first attempt has taken long. The attempt must not have begun to ask.
func (s *serving) arm(a *upstream.Attempt) {
	delay := s.pool.Hedge.Delay(s.class)
	if delay <= 0 {
		return
	}
	h := s.hedge
	if h == nil {
		h = &hedging{done: make(chan struct{}, 1), attempt: new(upstream.Attempt)}
		h.first.Watch(s.lookForClient)
		s.hedge = h
	}
	h.armed, h.lost, h.endpoint, h.status = true, false, -1, 0
	h.winner.Store(nobodyYet)
	h.first.Clear()
	h.second.Clear()
	h.second.Watch(nil) // the timer's goroutine must not look at the client: its owner does
	h.follow1, h.follow2 = h.first.Follow(s.x.Cancel), h.second.Follow(s.x.Cancel)
	s.x.Cancel.Join(h.follow1)
	s.x.Cancel.Join(h.follow2)
	h.follow1.Wake() // a reason that came before
	h.follow2.Wake()
	a.Cancel = &h.first
	if h.timer == nil {
		h.timer = time.AfterFunc(delay, s.hedgeNow) // its goroutine is waited for in disarm
	} else {
		h.timer.Reset(delay)
	}
}

// lookForClient has the exchange's Cancel look whether the client is still there. What that finds comes by follow1 and follow2.
func (s *serving) lookForClient() bool {
	s.x.Cancel.Ask()
	return false
}

// hedgeNow makes the second attempt, on the timer's goroutine.
func (s *serving) hedgeNow() {
	h := s.hedge
	defer func() { h.done <- struct{}{} }()
	defer func() {
		if r := recover(); r != nil { // a bug of ours: the first attempt goes on
			h.attempt.Evidence.End = fault.Bug
			s.p.panicked(r)
		}
	}()
	if h.winner.Load() != nobodyYet || !s.placeHedge() {
		return
	}
	a := h.attempt
	a.Begin(s.pool.Endpoints[h.endpoint].Target, h.sent)
	a.Evidence.Hedge = true
	a.Cancel, a.Again, a.Charge = &h.second, s.pool.Attempts > 1, s.charge
	a.Whole = upstream.Whole{Until: s.until, Setting: s.setting, Timer: s.timer}
	if s.pool.Announce {
		a.Client = announced(s.x.Peer)
	}
	head := s.asked
	if !a.Ask(&head, s.x.Body, upstream.AnyConnection) || !a.ReadHead(&h.response) {
		return
	}
	h.status = h.response.Status
	if refuses(h.status) || h.status < 200 || s.pool.listed(h.status) {
		return // who fails fast is not to be the first
	}
	if h.winner.CompareAndSwap(nobodyYet, theHedge) {
		h.first.Cancel(cancel.NotWanted)
	}
}

// placeHedge takes a place for a hedge at another endpoint that is in order. It is false where there is none, where the budget is used up, and
// where endpoints have too much to do: a hedge is load.
func (s *serving) placeHedge() bool {
	h, g, now := s.hedge, s.pool.Gate, mono.Now()
	if g != nil && (g.Crowded() || !g.Limiter.Calm(now)) || !s.pool.Budget.Retry(now) {
		return false
	}
	i := s.roomForHedge(now)
	if i < 0 {
		s.pool.Budget.GiveBack(now)
		return false
	}
	s.pool.Balance.Start(i)
	h.endpoint, h.sent = i, now
	return true
}

// roomForHedge takes a place at another endpoint that is in order, and gives -1 where there is none.
func (s *serving) roomForHedge(now mono.Time) int {
	tried := s.tried
	tried.Add(s.asking)
	i := s.pool.Balance.PickSound(&tried, s.key(), now)
	if i < 0 || !s.pool.Endpoints[i].Guard.Enter() {
		return -1
	}
	if g := s.pool.Gate; g != nil {
		n, ok := g.Limiter.Enter(i)
		if !ok {
			s.pool.Endpoints[i].Guard.Leave()
			return -1
		}
		s.hedge.admitted = n
	}
	return i
}

// disarm ends the timer, and waits for the hedge if it is on its way: for its outcome where the first attempt failed, and else for its end.
func (s *serving) disarm(answered bool) {
	h := s.hedge
	h.armed = false
	if answered {
		h.winner.CompareAndSwap(nobodyYet, theFirst)
	}
	if h.timer.Stop() {
		return
	}
	if h.winner.Load() == theFirst {
		h.second.Cancel(cancel.NotWanted)
	}
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-look.C:
			s.x.Cancel.Ask() // the first attempt did, and is over
		}
	}
}

// decided ends the race of the first attempt and its hedge, and reads the head of the one that won. False is that neither was answered.
func (s *serving) decided(a *upstream.Attempt, answered bool) bool {
	s.disarm(answered)
	h := s.hedge
	if h.winner.Load() == theHedge || !answered && h.status >= 200 && s.x.Cancel.Reason() == cancel.None { // whatever it was answered, nobody does better any more
		return s.adopt(a)
	}
	if h.endpoint >= 0 {
		s.dropHedge()
	}
	s.unfollow(&h.follow2)
	if !answered {
		s.unfollow(&h.follow1)
		return false
	}
	return s.readHead(a)
}

// unfollow has an attempt's Cancel not follow the exchange's any more.
func (s *serving) unfollow(w **cancel.Waiter) {
	if *w != nil {
		s.x.Cancel.Leave(*w)
		*w = nil
	}
}

// adopt makes the hedge the exchange's attempt, and lets go of the first.
func (s *serving) adopt(a *upstream.Attempt) bool {
	h := s.hedge
	s.tried.Add(s.asking)
	if overtaken := a.Evidence.End == fault.Canceled || a.Evidence.End == fault.Completed; overtaken {
		s.pool.Hedge.Took(s.class, mono.Now().Sub(s.now))
		notWanted(a)
		s.leaveUnjudged()
	} else {
		f := s.outcomeOf(a)
		s.settle(outcome{a, f})
		s.record.Fault, s.record.Saved, s.record.Evidence = f, true, &a.Evidence
		s.leave()
	}
	a.Drop()
	s.unfollow(&h.follow1)
	h.second.Watch(s.lookForClient)
	n := s.made
	s.made++
	h.attempt, s.later[n-1] = s.later[n-1], h.attempt
	if h.attempt == nil {
		h.attempt = new(upstream.Attempt)
	}
	a = s.later[n-1]
	s.evidence[n] = &a.Evidence
	s.asking, s.answered, s.overflow = h.endpoint, 0, false
	s.adm.entered, s.adm.admitted, s.adm.sent = s.pool.Gate != nil, h.admitted, h.sent
	s.now = h.sent
	h.response, s.response = s.response, h.response
	a.Answers(&s.response)
	s.record.Hedge = telemetry.HedgeWon
	return s.headRead(a)
}

// notWanted notes that an attempt was given up for the sake of the other.
func notWanted(a *upstream.Attempt) {
	ev := &a.Evidence
	ev.End, ev.By, ev.Detail = fault.Canceled, fault.PartyGateway, "given up: the other endpoint that was asked answered first"
}

// leaveUnjudged is leave for an attempt that was given up: how long it took says nothing about the endpoint's load.
func (s *serving) leaveUnjudged() {
	if s.adm.entered {
		s.adm.entered = false
		s.pool.Gate.Limiter.Failed(s.asking)
		s.pool.Gate.Wake(mono.Now())
	}
	s.leave()
}

// dropHedge lets go of a hedge that did not win. One that was given up is nobody's failure.
func (s *serving) dropHedge() {
	h := s.hedge
	a, i := h.attempt, h.endpoint
	ev := &a.Evidence
	switch {
	case refuses(h.status):
		s.pool.Health.Refused(i, h.status, mono.Now())
		s.tried.Add(i)
	case h.status == 0 && ev.End != fault.Canceled:
		s.settleAt(i, outcome{a, fault.Classify(ev)})
		s.tried.Add(i)
	default:
		notWanted(a)
	}
	s.pool.Balance.Finish(i)
	s.pool.Endpoints[i].Guard.Leave()
	if g := s.pool.Gate; g != nil {
		g.Limiter.Failed(i)
		g.Wake(mono.Now())
	}
	a.Drop()
	h.lost = true
	s.record.Hedge = telemetry.HedgeLost
}

// endHedge lets go of what is left of a hedge when its exchange ends, by whatever way.
func (s *serving) endHedge() {
	h := s.hedge
	if h == nil {
		return
	}
	h.lost = false
	if h.armed { // the exchange panicked
		s.disarm(true)
		if h.endpoint >= 0 {
			s.dropHedge()
		}
	}
	s.unfollow(&h.follow1)
	s.unfollow(&h.follow2)
}

// attempts are those of the exchange, for its record: a hedge that did not win stands behind the attempt that it was sent beside.
func (s *serving) attempts() []*fault.Evidence {
	if s.hedge == nil || !s.hedge.lost || s.made >= attemptsMax {
		return s.evidence[:s.made]
	}
	copy(s.evidence[2:], s.evidence[1:s.made])
	s.evidence[1] = &s.hedge.attempt.Evidence
	return s.evidence[:s.made+1]
}
