package upstream

import (
	"fmt"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

const (
	// settle is how long after an answer a FIN that belongs to it has surely come: a server that closes after each answer
	// without saying so closes at once.
	settle = 250 * time.Millisecond
	// hastyMin is how many connections in a row must end after the same number of exchanges for that to be a habit, where
	// connections of the endpoint have been used again before.
	hastyMin = 3
	// strictMin and strictMax bound how long an endpoint's habit is taken for granted before it is looked at again.
	strictMin = 5 * time.Second
	strictMax = 5 * time.Minute
	// diedMax is how many ends of idle connections are remembered, diedMin how many it takes to believe in a time limit.
	diedMax, diedMin = 16, 3
	// learnedFor is how long a learned limit holds without a new sign of it: we let go first, so there is none.
	learnedFor = time.Hour
)

// manners is what an endpoint has shown of how it ends connections that we keep: after how many exchanges, and after how
// much idle time. No octet of HTTP need tell it, and a request that crosses with such an end may not be sent again if its
// method is not idempotent. Target.mu guards it.
type manners struct {
	most   uint32 // the most exchanges that one connection carried to its end, and was kept after
	hasty  int    // connections in a row that ended right after their hastyN-th answer, and none carried more meanwhile
	hastyN uint32
	keep   uint32        // a connection is not kept after so many exchanges; 0: it is
	strict mono.Time     // until when keep is not doubted
	habit  time.Duration // how long it was last taken for granted

	died   [diedMax]span // idle connections that the endpoint ended
	deaths int
	last   mono.Time     // when the newest of died was found
	limit  time.Duration // what follows from died: the endpoint's own limit on idle time, 0 if it is not known
}

// span is an idle time that is known to lie between two bounds: a connection was seen alive at lo, and dead at hi.
type span struct{ lo, hi time.Duration }

// doubted reports whether keep was believed for long enough: the next connection shows whether it still holds.
func (m *manners) doubted(now mono.Time) bool { return m.keep > 0 && now >= m.strict }

// proven reports whether a connection of the endpoint may be used at once after an answer. Of one that has not shown that it keeps
// connections open, or is suspected not to, it may be used when the FIN would have come. A request that can be sent again may
// find out.
func (m *manners) proven(again bool, now mono.Time) bool {
	return !m.doubted(now) && (m.most > 1 || again)
}

// carried notes that a connection carried its n-th exchange to the end and may carry another.
func (m *manners) carried(n uint32) {
	if n > m.hastyN {
		m.hasty = 0
	}
	if m.keep > 0 && n > m.keep {
		m.keep, m.habit = 0, 0
	}
	m.most = max(m.most, n)
}

// keeps reports whether a connection is kept after its n-th exchange, of which others rest already.
func (m *manners) keeps(n uint32, resting int, now mono.Time) bool {
	switch {
	case m.keep == 0 || n < m.keep:
		return true
	case m.doubted(now):
		return resting == 0
	}
	return false
}

// ended notes that the endpoint had ended a connection that rested after its n-th exchange.
func (m *manners) ended(n uint32, s span, now mono.Time) {
	if s.hi <= settle || m.doubted(now) && s.lo < settle {
		m.closedAtOnce(n, now)
		return
	}
	if m.deaths > 0 && now.Sub(m.last) < time.Second {
		// What ends together is one event: a limit on idle time that all of them reached, or a restart.
		at := &m.died[(m.deaths-1)%diedMax]
		at.lo, at.hi = max(at.lo, s.lo), min(at.hi, s.hi)
	} else {
		m.died[m.deaths%diedMax] = s
		m.deaths++
		m.last = now
	}
	m.learn()
}

// closedAtOnce notes a connection that ended right after its n-th answer. Where some end after one number of answers and some after
// another it is something else that ends them: a restart, for one.
func (m *manners) closedAtOnce(n uint32, now mono.Time) {
	if n != m.hastyN {
		m.hasty, m.hastyN = 0, n
	}
	m.hasty++
	if m.most > 1 && m.hasty < hastyMin {
		return
	}
	if m.doubted(now) || m.keep == 0 {
		m.habit = min(max(2*m.habit, strictMin), strictMax)
		m.keep, m.most, m.strict = n, n, now.Add(m.habit)
	}
}

// learn finds the idle time at which most of the ends that are remembered may have come.
func (m *manners) learn() {
	m.limit = 0
	var known []span
	for _, s := range m.died[:min(m.deaths, diedMax)] {
		if s.hi >= s.lo { // else what ended together had not rested for the same time
			known = append(known, s)
		}
	}
	if len(known) < diedMin {
		return
	}
	slices.SortFunc(known, func(a, b span) int { return int(a.hi - b.hi) })
	middle := known[len(known)/2].hi
	lo, hi, n := time.Duration(0), time.Duration(1<<62), 0
	for _, s := range known {
		if s.hi >= middle-middle/4-sweepLate && s.hi <= middle+middle/4+sweepLate {
			lo, hi, n = max(lo, s.lo), min(hi, s.hi), n+1
		}
	}
	if 2*n > len(known) && n >= diedMin && lo > 0 && lo-hi <= hi/4 {
		m.limit = min(lo, hi)
	}
}

// sweepLate is how much later than it came an end may be found: Sweep looks once a second.
const sweepLate = time.Second

// idle is how long a connection may rest, at most max. It is well below what the endpoint showed or said.
func (m *manners) idle(most, said time.Duration, now mono.Time) time.Duration {
	if m.limit > 0 && now.Sub(m.last) < learnedFor {
		most = min(most, before(m.limit))
	}
	if said > 0 {
		most = min(most, before(said))
	}
	return most
}

// before is when to let go of a connection whose peer does at limit: a second before, or a tenth of it, and half of it if it is
// shorter than two seconds.
func before(limit time.Duration) time.Duration {
	return limit - max(min(time.Second, limit/2), limit/10)
}

// text says what was learned, for the evidence of a request that crossed with an end. kept is for how long a connection may rest now.
// Empty if nothing was learned.
func (m *manners) text(kept time.Duration) string {
	rounded := func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
	switch {
	case m.keep == 1:
		return "it closes after each answer without saying so; its connections are not kept"
	case m.keep > 1:
		return fmt.Sprintf("it closes after %d answers without saying so; let go before that", m.keep)
	case m.limit > 0 && kept < m.limit:
		return fmt.Sprintf("it closes after %v idle; from now on let go after %v", rounded(m.limit), rounded(kept))
	}
	return ""
}
