package certs

import (
	"errors"
	"time"
)

// silence is that the authority cannot be asked, or the storage not be read, which is no name's trouble: it is tried for one name at a time
// then, and the others wait for what comes of that. A thousand certificates that are due while it is down are one question each few minutes,
// and one line of the log. ACME.mu guards it.
type silence struct {
	failed  int       // tries in a row that it left unanswered; 0 while it answers
	until   time.Time // nobody tries before
	failure *Failure  // what the last of them met
	prober  *managed  // whose try is under way, nil for nobody's
}

// holdsBack reports whether a name that is due waits for that. One that somebody waits for does not: who asked for a renewal, or a client who
// has come with the name. a.mu is held.
func (a *ACME) holdsBack(m *managed, now time.Time) bool {
	s := &a.silence
	if s.failed == 0 || m.asked != nil || m.demand && m.cert == nil {
		return false
	}
	if now.Before(s.until) {
		m.due = s.until
		f := *s.failure
		if m.failure != nil && m.failure.heard() { // it has a reason of its own
			f = *m.failure
		}
		f.Name, f.Next = m.name, s.until
		m.failure = &f
		return true
	}
	if s.prober != nil {
		return true // whoever ends nudges
	}
	return false
}

// heard takes from the end of a try whether the authority answers. a.mu is held.
func (a *ACME) heard(m *managed, err error, now time.Time) {
	s := &a.silence
	probed := s.prober == m
	if probed {
		s.prober = nil
	}
	var command *commandError
	switch {
	case err != nil && !m.asks:
	case err == nil, m.failure.heard(), errors.As(err, &command):
		*s = silence{prober: s.prober}
	case probed, s.failed == 0: // of those that began before it was known the first counts
		s.until = now.Add(pause(s.failed, m.failure))
		s.failed++
		s.failure = m.failure
	}
	m.asks = false
}

// heard reports whether the authority has judged the name.
func (f *Failure) heard() bool {
	switch f.Problem {
	case "", "badNonce", "serverInternal":
		return false
	}
	return true
}
