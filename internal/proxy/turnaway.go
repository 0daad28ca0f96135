package proxy

import (
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/fault"
)

// Maintenance is a switch that somebody turns on a running gateway: the pool's requests are answered in its place. The zero value is off.
type Maintenance struct{ reason atomic.Pointer[string] }

// On switches it on, and Off off.
func (m *Maintenance) On(reason string) { m.reason.Store(&reason) }

// Off switches it off. It reports whether it was on.
func (m *Maintenance) Off() bool { return m.reason.Swap(nil) != nil }

// Reason is why it is on; ok is false if it is off. Nil is off.
func (m *Maintenance) Reason() (reason string, ok bool) {
	if m == nil {
		return "", false
	}
	if p := m.reason.Load(); p != nil {
		return *p, true
	}
	return "", false
}

// maintenanceAfter is what Retry-After says during a maintenance, in seconds.
const maintenanceAfter = 60

// turnedAway finds out whether the request is answered without asking anybody: since its client may not ask, for a
// maintenance, or since its client asks too often.
//
// hot: once per request.
//
//go:noinline
func (s *serving) turnedAway() *fault.Evidence {
	if l := s.route.Local; l != nil && l.Access != nil {
		if e := s.denied(l.Access); e != nil {
			return e
		}
	}
	reason, on := "", false
	if s.pool != nil {
		reason, on = s.pool.Maintenance.Reason()
	}
	if on || s.route.Maintenance {
		s.retryAfter = maintenanceAfter
		return &fault.Evidence{Stage: fault.Select, End: fault.Unavailable, Told: fault.CauseMaintenance, By: fault.PartyGateway, Detail: reason, Declared: -1}
	}
	if s.route.Rate == nil {
		return nil
	}
	wait, ok := s.route.Rate.Allow(s.rateKey(), s.now)
	if ok {
		return nil
	}
	s.retryAfter = int((wait + time.Second - 1) / time.Second)
	return &fault.Evidence{Stage: fault.Select, End: fault.Limit, Told: fault.CauseRateLimited, By: fault.PartyGateway, Limit: s.route.Rate.Limit(), Declared: -1}
}

// rateKey is whose rate the request counts against.
func (s *serving) rateKey() uint64 {
	switch s.route.RateKey {
	case RateRoute:
		return 1
	case RateHeader:
		return balance.Mix(hash(fnvOffset, named(&s.x.Request.Fields, s.route.RateName)))
	}
	return balance.Mix(s.client())
}
