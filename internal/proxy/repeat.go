package proxy

import (
	"math/rand/v2"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/resilience"
	"github.com/whygate/whygate/internal/upstream"
)

// StatusRange is a range of status codes, both ends in it.
type StatusRange struct{ From, To int }

// listed reports whether the pool's requests are sent again after such a status.
func (p *Pool) listed(status int) bool {
	for _, r := range p.RetryOn {
		if status >= r.From && status <= r.To {
			return true
		}
	}
	return false
}

// repeats gives an answer up whose status asks for another attempt, where there may be one. Nothing of it has gone to the client.
//
// hot: once per answer.
func (s *serving) repeats(a *upstream.Attempt) bool {
	status := s.response.Status
	if len(s.pool.RetryOn) == 0 || status == 101 || !s.pool.listed(status) {
		return false
	}
	if s.made >= attemptsMax || s.x.Committed() || s.expired() || s.drained() || s.up.done != nil && !s.up.read.Load() {
		return false
	}
	answer := resilience.Answer{Refused: status == 503 || status == 429, Waits: s.response.Fields.Has(httpmsg.RetryAfter)}
	ask := s.question()
	s.tried.Add(s.asking)
	ask.EndpointsLeft = ask.EndpointsLeft && s.another() // really: an answer is not given up for one that there may not be
	decision, reason := resilience.AgainOn(ask, answer, s.pool.Budget)
	s.record.Retry = string(reason)
	if decision == resilience.No {
		s.letGo()
		return false
	}
	s.stopUpload(a)
	a.Evidence.Stage, a.Evidence.End = fault.Done, fault.Completed
	s.settle(outcome{attempt: a})
	s.leave()
	a.Drop()
	s.record.Fault, s.record.Saved = fault.Fault{Cause: fault.CauseUpstreamStatus, Stage: fault.Done}, true
	s.record.Evidence = &a.Evidence
	s.backOff()
	return true
}

// backOffFirst is the longest wait before the second retry of a request. It doubles with each more; the first one goes at once, for it goes
// elsewhere.
const backOffFirst = 25 * time.Millisecond

// backOff waits before another attempt, for a random part of a time that grows, so that the retries of many requests do not come at once.
// It is false if there was a reason to stop waiting.
func (s *serving) backOff() bool {
	s.now = mono.Now()
	n := s.made - s.raced - 1
	if n < 1 {
		return true
	}
	wait := time.Duration(rand.Int64N(int64(backOffFirst) << (n - 1)))
	if s.until != 0 {
		wait = min(wait, s.until.Sub(s.now))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.x.Cancel.Done():
	}
	s.now = mono.Now()
	return s.x.Cancel.Reason() == cancel.None
}
