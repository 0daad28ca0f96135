package proxy

import (
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/overload"
	"github.com/whygate/whygate/internal/resilience"
	"github.com/whygate/whygate/internal/telemetry"
	"github.com/whygate/whygate/internal/upstream"
)

// Proxy answers exchanges. Set Observe before the first one.
type Proxy struct {
	// Observe is told what became of each exchange, on the connection's goroutine. It must not keep the record.
	Observe func(*telemetry.Record)
	// Panicked is told of a bug of ours that was caught, nil to tell nobody.
	Panicked func(reason any, stack []byte)

	snapshot atomic.Pointer[Snapshot]
	packers  packers
}

// Use makes later exchanges see s. Those under way end with what they began with.
func (p *Proxy) Use(s *Snapshot) { p.snapshot.Store(s) }

// Snapshot is what exchanges see at present.
func (p *Proxy) Snapshot() *Snapshot { return p.snapshot.Load() }

// attemptsMax bounds the attempts of one request, whatever the configuration says.
const attemptsMax = 5

// serving is what one request needs beside the Exchange. It is used again.
type serving struct {
	p          *Proxy
	snap       *Snapshot
	x          *exchange.Exchange
	route      *Route
	pool       *Pool
	now        mono.Time     // the clock as it was last read
	until      mono.Time     // when Pool.Response ends, or the client's deadline; 0 for never
	setting    time.Duration // which of them it is
	timer      fault.Timer
	full       int64     // the connection limit of an endpoint that was passed over because of it, 0 for none
	adm        admission // how it stands with the pool's gate
	retryAfter int       // what Retry-After says in a 503, in seconds, 0 for what it says as a rule
	asking     int       // the endpoint being asked, -1 if none is
	answered   int       // the status it answered with, 0 before its head was read
	class      int       // which requests this one is expected to take as long as
	made       int       // attempts begun
	raced      int       // of those, the ones that were lost to the end of an idle connection and repeated
	upgrade    bool      // the client asked for another protocol
	grpc       bool      // the request is a call of gRPC
	lost       bool      // the request body was larger than replay holds: it cannot be sent again
	streamed   bool      // the request body was read piece by piece
	connect    bool      // it asked for another protocol by an extended CONNECT
	overflow   bool      // an interim response named too many fields in Connection
	interim    func(*httpmsg.Response)
	charge     func(int64)
	asked      upstream.Head
	id         [idSize]byte
	tried      balance.Tried
	response   httpmsg.Response
	head       exchange.Head
	extra      httpmsg.Fields // fields of ours, in the request and then in the response
	extraBuf   []byte
	record     telemetry.Record
	first      upstream.Attempt
	evidence   [attemptsMax]*fault.Evidence // those of the attempts, for the record

	*rare
}

// rare is what most requests have no use for. It has memory of its own, so that serving is small: hundreds of requests may be under way.
type rare struct {
	replay    []byte // what of a streamed request body was already sent, while it fits Pool.ReplayBody
	up        upload
	hop, back options                            // what the request's and the response's Connection names
	own       *fault.Evidence                    // of a fault that came before there was an attempt; nil until there is one
	later     [attemptsMax - 1]*upstream.Attempt // the attempts after the first; nil until there is such a one
	waiter    overload.Waiter                    // in the pool's queue
	wsKey     []byte                             // of the WebSocket that we ask for in place of an extended CONNECT
	packed    coding                             // of the answer's body, where the route compresses
	hedge     *hedging                           // nil until there was one
	indexed   string                             // the script that is the index of the directory that was asked for; empty for none
	canonical []byte                             // the path, where it was not canonical
	header    func(string, int) ([]byte, bool)   // nth, made once
}

// stateOf is the exchange's state of ours, which stays with it from one request to the next.
func stateOf(x *exchange.Exchange) *serving {
	if s, ok := x.State.(*serving); ok {
		return s
	}
	s := &serving{rare: &rare{}}
	x.State = s
	s.evidence[0] = &s.first.Evidence
	s.interim = s.passInterim // made once, so that it does not allocate
	s.charge = func(n int64) { s.x.Charge(n) }
	s.header = s.nth
	return s
}

// Serve answers one request. It reads as the journey in docs/ARCHITECTURE.md: every way an exchange can end is a return.
func (p *Proxy) Serve(x *exchange.Exchange) {
	s := stateOf(x)
	s.begin(p, x)
	s.serveSafely()
	s.observe()
	s.end()
}

// serveSafely runs serve so that a bug of ours costs one exchange, not the process.
func (s *serving) serveSafely() {
	defer func() {
		if r := recover(); r != nil {
			s.panicked(r)
		}
	}()
	s.serve()
}

// panicked ends an exchange in which we panicked: 500 if there was no answer yet, and never a fault of the endpoint.
//
//go:noinline
func (s *serving) panicked(reason any) {
	s.p.panicked(reason)
	s.endHedge()
	if s.made > 0 {
		a := s.last()
		s.stopUpload(a)
		a.Drop()
	}
	if s.asking >= 0 {
		s.leave()
	}
	if s.pool != nil && s.pool.Gate != nil {
		s.arrived()
	}
	s.x.Last = true
	s.failEarly(&fault.Evidence{Stage: fault.Select, End: fault.Bug})
}

// panicked tells of a panic that was recovered, with the stack of the goroutine that it came from.
func (p *Proxy) panicked(reason any) {
	if p.Panicked == nil {
		return
	}
	stack := debug.Stack()
	if of, elsewhere := reason.(*upstream.Panic); elsewhere {
		reason, stack = of.Reason, of.Stack
	}
	p.Panicked(reason, stack)
}

// What ends here before there is an attempt does so in functions that are not inlined: evidence is large, and each of them would add its own to
// the stack that every request stands on while it waits.
//
// hot: once per request.
func (s *serving) serve() {
	if e := s.refused(); e != nil {
		s.failEarly(e)
		return
	}
	if s.answeredHere() {
		return
	}
	for i := 0; ; i++ {
		if i = s.match(i); i < 0 {
			s.failEarly(s.noRoute())
			return
		}
		if s.answeredBy(i) {
			return
		}
	}
}

// answeredBy answers a request by the ith route. False means that the route leaves it to those after it.
//
// hot: once per request.
func (s *serving) answeredBy(i int) bool {
	s.route = &s.snap.Routes[i]
	s.pool = s.route.Pool
	if s.route.Broken != "" || s.pool == nil && !s.route.Local.answers() {
		s.failMisconfigured()
		return true
	}
	if e := s.turnedAway(); e != nil {
		s.failEarly(e)
		return true
	}
	if l := s.route.Local; l != nil {
		if s.here(l) {
			return true
		}
		if l.answers() { // there was nothing to answer with
			return false
		}
	}
	s.pool.Budget.Request(s.now)
	if s.pool.Response > 0 {
		s.until, s.setting = s.now.Add(s.pool.Response), s.pool.Response
	}
	if s.grpc {
		s.deadline()
	}
	s.upgrade = wantsUpgrade(&s.x.Request)
	s.classify(i)
	s.tryAll()
	return true
}

// place finds the next endpoint to ask, and holds a place there, waiting for one if need be. It is negative where there is none: then the
// exchange has ended.
func (s *serving) place() int {
	for {
		if s.adm.since == 0 && s.made == 0 && s.crowded() && !s.wait() {
			return -1
		}
		i := s.adm.held
		if i < 0 {
			i = s.pick()
		}
		if i < 0 {
			if s.adm.full >= 0 && s.made == 0 && s.full == 0 {
				if s.wait() {
					continue
				}
				return -1
			}
			s.failUnavailable()
			return -1
		}
		if s.adm.held >= 0 || s.hold(i) {
			return i
		}
		s.tried.Add(i)
	}
}

// tryAll asks one endpoint after another until one answers or there is no reason to ask again.
func (s *serving) tryAll() {
	fresh := upstream.AnyConnection
	for {
		i := s.place()
		if i < 0 {
			return
		}
		s.enter()
		a := s.attempt(i)
		answered := s.try(a, fresh)
		a, i = s.last(), s.asking // a hedge may have taken its place
		if answered {
			if s.repeats(a) {
				fresh = upstream.AnyConnection
				continue
			}
			if !s.replaces(a) {
				s.relay(a)
			}
			s.leave()
			return
		}
		f := s.outcomeOf(a)
		left := s.clientLeft(f)
		if !left && a.Suspect() {
			f = fault.Classify(&a.Evidence)
		}
		s.settle(outcome{a, f})
		if left {
			s.leave()
			a.Drop()
			s.left(a)
			return
		}
		decision := s.again(a, f)
		if decision == resilience.FreshConnection {
			s.keep()
		} else {
			s.leave()
		}
		a.Drop()
		switch decision {
		case resilience.OtherEndpoint:
			s.tried.Add(i)
			fresh = upstream.AnyConnection
		case resilience.FreshConnection:
			fresh = upstream.FreshConnection
		default:
			s.fail(&a.Evidence, f)
			return
		}
		if !s.backOff() {
			s.letGo()
			s.fail(&a.Evidence, f)
			return
		}
		s.record.Fault, s.record.Saved = f, true
		s.record.Evidence = &s.last().Evidence
	}
}

// caught tells of a panic on another goroutine of the exchange, which ends with it. It is deferred there.
func (s *serving) caught() {
	if r := recover(); r != nil {
		s.p.panicked(r)
	}
}

// attempt is the next attempt's place, begun at the i-th endpoint. leave ends it.
func (s *serving) attempt(i int) *upstream.Attempt {
	s.pool.Balance.Start(i)
	s.asking, s.answered = i, 0
	a := s.next()
	a.Begin(s.pool.Endpoints[i].Target, s.now)
	a.Cancel, a.Again = s.x.Cancel, s.pool.Attempts > 1 && s.idempotent()
	a.Whole = upstream.Whole{Until: s.until, Setting: s.setting, Timer: s.timer}
	if s.pool.Announce {
		a.Client = announced(s.x.Peer)
	}
	return a
}

// next is the next attempt's place. Nearly all exchanges have one attempt, so the others have memory once there was need of it.
func (s *serving) next() *upstream.Attempt {
	n := s.made
	s.made++
	if n == 0 {
		return &s.first
	}
	if s.later[n-1] == nil {
		s.later[n-1] = new(upstream.Attempt)
	}
	s.evidence[n] = &s.later[n-1].Evidence
	return s.later[n-1]
}

// last is the attempt that was begun last.
func (s *serving) last() *upstream.Attempt {
	if s.made <= 1 {
		return &s.first
	}
	return s.later[s.made-2]
}

// leave tells that the endpoint is not being asked any more.
func (s *serving) leave() {
	s.leftGate()
	s.pool.Balance.Finish(s.asking)
	s.pool.Endpoints[s.asking].Guard.Leave()
	s.asking = -1
}

// outcome is what an attempt came to: with no fault the endpoint answered, whatever it answered.
type outcome struct {
	attempt *upstream.Attempt
	fault   fault.Fault
}

// settle tells who watches the pool how the endpoint being asked did. No other place does. Some failures are not counted against the endpoint:
// somebody else ended the attempt, or had its own deadline; it closed a connection that was idle, or let go of one in order (GOAWAY); or the time for the whole response was over before it had the
// request, because earlier attempts had used that time up.
func (s *serving) settle(o outcome) { s.settleAt(s.asking, o) }

// settleAt is settle for an endpoint that is not the one that is being asked.
func (s *serving) settleAt(i int, o outcome) {
	ev := &o.attempt.Evidence
	switch {
	case !o.fault.Is() && refuses(s.answered):
		s.pool.Health.Refused(i, s.answered, mono.Now())
	case !o.fault.Is():
		s.pool.Health.Answered(i, s.now)
	case !o.fault.ByUpstream(), o.fault.Cause == fault.CauseKeepaliveRace, ev.End == fault.GoAway && ev.Unprocessed, o.fault.Cause == fault.CauseGRPCDeadline, ev.Timer == fault.TimerResponse && ev.Stage < fault.FirstByte:
	default:
		s.pool.Health.Failed(i, mono.Now(), func() string { return o.fault.Sentence(ev) })
	}
}

// refuses reports whether a status says that the endpoint cannot serve what it should: 501 and 505 say that it would not.
func refuses(status int) bool {
	return status >= 500 && status != 501 && status != 505
}

// clientLeft looks whether the client has gone, now that an attempt failed with f. Then there is nobody to answer, and no reason to ask
// another endpoint.
func (s *serving) clientLeft(f fault.Fault) bool {
	return f.Cause != fault.CauseClientLeft && s.up.client != fault.Bug && !s.drained() && s.x.Left()
}

// again decides whether there is another attempt, and at whom.
func (s *serving) again(a *upstream.Attempt, f fault.Fault) resilience.Decision {
	if s.made >= attemptsMax || s.x.Committed() || s.up.broken() || s.expired() || s.drained() {
		return resilience.No
	}
	decision, reason := resilience.Again(s.question(), &a.Evidence, f, s.pool.Budget)
	s.record.Retry = string(reason)
	if decision != resilience.No && resilience.Raced(&a.Evidence, f) {
		s.raced++
	}
	return decision
}

// question is what the rules for another attempt have to know of the request.
func (s *serving) question() resilience.Ask {
	return resilience.Ask{
		Now:           mono.Now(),
		SentBefore:    s.sentBefore(),
		Idempotent:    s.idempotent(),
		Replayable:    !s.lost,
		Attempt:       s.made - s.raced,
		Attempts:      s.pool.Attempts,
		EndpointsLeft: s.tried.Len()+1 < len(s.pool.Endpoints), // the one that just failed is not among the tried yet
	}
}

// idempotent reports whether the request has the effect of one when it is sent twice.
func (s *serving) idempotent() bool {
	return s.x.Request.Method.Idempotent() || s.x.Request.Fields.Has(httpmsg.IdempotencyKey)
}

// drained reports whether the gateway's time to drain is over.
func (s *serving) drained() bool { return s.x.Cancel.Reason() == cancel.Drained }

// sentBefore reports whether an attempt before the last had given octets of the request to an endpoint that may have read them. One that
// was lost to the end of an idle connection had not.
func (s *serving) sentBefore() bool {
	for i := range s.made - 1 {
		if ev := s.evidence[i]; ev.Sent > 0 && !ev.Unprocessed && !resilience.Raced(ev, fault.Classify(ev)) {
			return true
		}
	}
	return false
}

// expired reports whether the time for the whole response is over.
func (s *serving) expired() bool { return s.until != 0 && mono.Now() >= s.until }

// begin prepares for a request.
func (s *serving) begin(p *Proxy, x *exchange.Exchange) {
	s.p, s.x, s.snap = p, x, p.snapshot.Load()
	s.route, s.pool, s.now = nil, nil, x.Ready
	s.tried.Reset()
	s.asking, s.retryAfter = -1, 0
	s.adm.held = -1
	s.adm.entered, s.adm.woken, s.adm.full, s.adm.passed, s.adm.since = false, false, -1, false, 0
	s.made, s.raced, s.lost, s.streamed, s.full, s.until, s.upgrade = 0, 0, false, false, 0, 0, false
	s.indexed = ""
	s.setting, s.timer, s.grpc = 0, fault.TimerNone, isGRPC(&x.Request)
	s.connect = connectsWebSocket(&x.Request)
	s.replay = s.replay[:0]
	s.up.reset()
	s.record = telemetry.Record{}
	s.requestID()
}

// end lets go of what belongs to others.
func (s *serving) end() {
	if s.pool != nil {
		s.endHedge()
		s.letGo()
		s.arrived()
	}
	s.x, s.snap, s.route, s.pool = nil, nil, nil, nil
	if cap(s.replay) > bufferKept {
		s.replay = nil
	}
}

// bufferKept is the largest buffer that an exchange keeps for the next request.
const bufferKept = 64 << 10

// observe tells what became of the exchange.
//
// hot: once per request.
func (s *serving) observe() {
	r := &s.record
	x := s.x
	if s.now == x.Ready {
		s.now = mono.Now()
	}
	x.Ended = s.now
	r.Duration = time.Duration(s.now - x.Began)
	r.Began, r.Client, r.Secure = x.Began, x.Peer.Client, x.Peer.Secure
	r.ID = s.id[:]
	if passed := s.passedID(); passed != nil {
		r.ID = passed
	}
	if !x.Broken || x.Request.Name != nil {
		q := &x.Request
		r.Method, r.Host, r.Target, r.Version = q.Name, q.Authority, q.Target, q.Version
		r.Agent, r.Referer = q.Fields.Get(httpmsg.UserAgent), q.Fields.Get(httpmsg.Referer)
		r.Traceparent = q.Fields.Get(httpmsg.Traceparent)
	}
	if s.route != nil {
		r.Route = s.route.Name
	}
	if s.pool != nil {
		r.Pool = s.pool.Name
	}
	if r.Status == 0 {
		r.Status = x.Status
	}
	r.Sent = x.Sent
	r.Attempts = s.attempts()
	if r.Saved && r.Incident == "" {
		r.Incident = NewIncidentID()
	}
	s.p.Observe(r)
}
