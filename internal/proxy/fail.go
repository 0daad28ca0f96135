package proxy

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/telemetry"
)

// retryAfter is what Retry-After says, in seconds: as long as a failed endpoint is tried last.
const retryAfter = 5

// retrySeconds is when a client that got a 503 may ask again.
func (s *serving) retrySeconds() int { return max(cmp.Or(s.retryAfter, retryAfter), 1) }

// Refuse answers what was no request, or one connection too many: a connection calls it instead of Serve.
func (p *Proxy) Refuse(x *exchange.Exchange, e *fault.Evidence) {
	s := stateOf(x)
	s.begin(p, x)
	if e.End == fault.Canceled && x.Request.Name == nil {
		// Part of a head and then the end: nothing was asked, but it is worth a line.
		s.record.Status, s.record.By = fault.StatusClientLeft, telemetry.ByClient
		s.record.Fault, s.record.Evidence = fault.Classify(e), s.keepOwn(e)
	} else {
		s.failEarly(e)
	}
	s.observe()
	s.end()
}

// fail ends an exchange whose last attempt left ev, of which f is the verdict.
//
//go:noinline
func (s *serving) fail(ev *fault.Evidence, f fault.Fault) {
	if s.up.client == fault.Bug { // while the request body was sent
		s.failEarly(&fault.Evidence{Stage: fault.Receive, End: fault.Bug})
		return
	}
	if s.up.client != fault.Completed && s.x.Broke.End != fault.Canceled {
		ev = &s.x.Broke // the request body broke a rule, or its client fell silent: that comes first
		f = fault.Classify(ev)
	}
	s.conclude(ev, f)
}

// failEarly ends an exchange that came to no attempt.
func (s *serving) failEarly(e *fault.Evidence) {
	own := s.keepOwn(e)
	if s.pool != nil && own.Endpoint == "" {
		own.Endpoint = s.pool.Name
	}
	s.conclude(own, fault.Classify(own))
}

// keepOwn copies the evidence of a fault that no attempt has, to where it stays until the exchange was observed.
func (s *serving) keepOwn(e *fault.Evidence) *fault.Evidence {
	if s.own == nil {
		s.own = new(fault.Evidence)
	}
	*s.own = *e
	return s.own
}

// failMisconfigured ends an exchange whose route has nobody to go to.
//
//go:noinline
func (s *serving) failMisconfigured() {
	s.failEarly(&fault.Evidence{Stage: fault.Select, End: fault.Misconfigured, Detail: s.route.Broken})
}

// failUnavailable ends an exchange for which there was nobody to ask.
//
//go:noinline
func (s *serving) failUnavailable() {
	s.arrived() // before the answer, which may wait for the client
	for n := s.made - 1; n >= 0; n-- {
		ev := s.evidence[n]
		if f := fault.Classify(ev); f.Is() && f.Cause != fault.CauseUpstreamStatus { // an answer that was given up is none to tell
			s.fail(ev, f)
			return
		}
	}
	if s.full > 0 {
		s.failEarly(&fault.Evidence{Stage: fault.Select, End: fault.Limit, Limit: s.full})
		return
	}
	e := fault.Evidence{Stage: fault.Select, End: fault.Unavailable, Size: int64(len(s.pool.Endpoints))}
	if len(s.pool.Endpoints) == 0 {
		e.Rule = fault.RulePoolEmpty
	}
	s.failEarly(&e)
}

// conclude makes the answer that a fault deserves: none if the client left, a visible break if the head is out, a page else.
func (s *serving) conclude(ev *fault.Evidence, f fault.Fault) {
	r := &s.record
	r.Fault, r.Evidence, r.Saved = f, ev, false
	s.now = mono.Now()
	if f.Cause == fault.CauseClientLeft {
		r.Status, r.By = fault.StatusClientLeft, telemetry.ByClient
		s.x.Abort()
		return
	}
	r.Incident = NewIncidentID()
	if s.x.Committed() {
		r.Late = true
		if s.x.Status == 0 { // nothing was said, and nothing can be
			r.Status, r.Late, r.By = f.Status(), false, telemetry.ByGateway
		}
		if !s.grpc || !s.endGRPC(f) {
			s.x.Abort()
		}
		return
	}
	r.By = telemetry.ByGateway
	s.answer(ev, f)
}

// answer writes the page, or the JSON, or the text, that says what happened as far as it is the public's.
func (s *serving) answer(ev *fault.Evidence, f fault.Fault) {
	if s.grpc {
		s.answerGRPC(ev, f)
		return
	}
	status := f.Status()
	if ev.Rule == fault.RuleMisdirected {
		status = http.StatusMisdirectedRequest
	}
	p := page{
		Status: status, Incident: s.record.Incident, At: time.Now().UTC(), Sentence: f.PublicSentence(),
		Request: string(s.id[:]), Plain: s.snap.PlainPages,
	}
	if id := s.passedID(); id != nil {
		p.Request = string(id)
	}
	if s.snap.Disclosure != fault.DisclosureOff {
		p.Type, p.Cause = f.Type.String(), f.Cause.String()
	}
	kind := negotiate(&s.x.Request.Fields)
	body, media := p.render(kind), p.contentType(kind)
	if own := s.errorPage(status, false); own != nil {
		body, media = own.Body, own.Type
	}
	if !s.x.BodyRead && !s.x.BodyHere {
		s.x.Last = true
	}
	h := s.newHead(status, int64(len(body)))
	add := func(id httpmsg.ID, value string) { s.extra.AppendKnown(id, []byte(value)) }
	add(httpmsg.Date, p.At.Format(http.TimeFormat))
	add(httpmsg.ContentType, media)
	s.extra.Append("Cache-Control", []byte("no-store"), httpmsg.Other)
	if s.snap.Disclosure != fault.DisclosureOff {
		s.extra.AppendKnown(httpmsg.ProxyStatus, fault.AppendProxyStatus(nil, s.snap.Name, f, ev, s.snap.Disclosure))
	}
	switch status {
	case http.StatusServiceUnavailable:
		add(httpmsg.RetryAfter, strconv.Itoa(s.retrySeconds()))
	case http.StatusTooManyRequests:
		add(httpmsg.RetryAfter, strconv.Itoa(max(s.retryAfter, 1)))
	case http.StatusMethodNotAllowed:
		s.extra.Append("Allow", []byte("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"), httpmsg.Other)
	}
	s.extra.Append("X-Request-ID", []byte(p.Request), httpmsg.Other)
	s.tellAlternative(nil)
	s.x.Head(h)
	s.extraBuf = s.extra.Buffer()
	if s.x.Request.Method != httpmsg.HEAD {
		s.x.Write(body)
	}
	s.x.End(nil)
}

// incidentDigits are Crockford's base 32: no letter looks like a digit, so an id can be read out over the telephone.
const incidentDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewIncidentID makes an id of ten digits: 50 random bits.
func NewIncidentID() string {
	var id [10]byte
	r := rand.Uint64()
	for i := range id {
		id[i] = incidentDigits[r&31]
		r >>= 5
	}
	return string(id[:])
}
