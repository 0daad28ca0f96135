package explain

import (
	"slices"
	"time"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/fault"
)

// This file joins what several lines, or several programs, tell of one request, or of one start of a program.

// began gives how long before its fault a request may have begun, which is the time that some access logs have.
func (s *seen) began() time.Duration {
	if s.lasted == waitUnsaid { // a timer ran out, and the line does not say which
		return outcomeLate
	}
	return s.lasted + outcomeEarly
}

// joinTrace joins what two programs say of one request, by an id that both have: the one that passed an answer on says less
// than the one that made it.
func (g *engine) joinTrace(r *record, t time.Time, j *joint) bool {
	family := advice.FamilyOf(r.format.Product)
	s := g.window.find(byTrace, j.keys[byTrace], func(s *seen) bool {
		return !s.gone && advice.FamilyOf(s.product) != family && within(t.Sub(s.at), outcomeLate)
	})
	switch {
	case s == nil:
		return false
	case r.verdict.Cause == fault.CauseUpstreamStatus && s.finding.key.cause != fault.CauseUpstreamStatus:
		return true
	case s.finding.key.cause == fault.CauseUpstreamStatus && r.verdict.Cause != fault.CauseUpstreamStatus:
		g.replace(s)
	}
	return false
}

// Bounds of what is taken for one start of a program: it tries again for some seconds, and says so twice.
const (
	startGap   = 10 * time.Second
	startLines = 10
	startBack  = 4
)

// joinStart joins what a program says of one start that failed: to its log and to standard error, and of each address that
// it could not have.
func (g *engine) joinStart(r *record, at place, t time.Time) bool {
	if !r.story.Unlogged() || r.Conn != 0 {
		return false
	}
	for n := g.window.count; n > 0 && g.window.count-n < startBack; n-- {
		s := g.window.at(n)
		if s == nil || !s.starting || s.gone || advice.FamilyOf(s.product) != advice.FamilyOf(r.format.Product) {
			continue
		}
		clocked := s.clocked && !r.Time.IsZero()
		if clocked && !within(t.Sub(s.at), startGap) || !clocked && (s.place.file == at.file && abs(int64(at.line-s.place.line)) > startLines) {
			continue
		}
		said := g.window.hash(r.Said)
		copied := slices.Contains(s.tried[:], said) && (s.process == 0 || r.Process == 0 || !clocked)
		if copied || r.Process != 0 && s.process == r.Process {
			s.ask(said)
			return true
		}
	}
	return false
}

// ask notes an upstream, or words, that are of this fault too.
func (s *seen) ask(number uint64) {
	for i := range s.tried {
		if s.tried[i] == 0 || s.tried[i] == number {
			s.tried[i] = number
			return
		}
	}
}

// outGap is how long an endpoint that failed is left alone by most proxies: what is said of it meanwhile follows from that.
const outGap = time.Minute

// requestless reports whether a line is about no request that it names.
func (r *record) requestless() bool {
	return len(r.Client) == 0 && len(r.Path) == 0 && len(r.ID) == 0 && r.Conn == 0 && r.Status == 0
}

// joinConsequence joins what is said of no request, and only follows from a fault just before: a worker that failed is disabled.
func (g *engine) joinConsequence(r *record, t time.Time) bool {
	kind := symptomOf(r.verdict.Cause)
	if kind == symptomNone || r.Time.IsZero() || !r.requestless() {
		return false
	}
	by, ok := g.explained[explainerKey{advice.FamilyOf(r.format.Product), kind, ""}]
	gap := t.Sub(by.at)
	return ok && gap >= 0 && gap <= outGap
}

// joinConnection joins lines about one request: what follows from what was wrong with an answer, and the next upstream that
// was asked after one had failed. nginx names the connection and the request, Apache the thread.
func (g *engine) joinConnection(r *record, t time.Time, s *seen, j *joint) bool {
	gap := t.Sub(s.at)
	switch family := advice.FamilyOf(r.format.Product); {
	case gap < 0:
		return false
	case family == "nginx":
		if s.keys[byExchange] == 0 || s.keys[byExchange] != j.keys[byExchange] {
			return false
		}
	case family != "apache" || r.Again || len(r.Upstream) == 0 || s.joined:
		return false
	}
	upstream := g.window.hash(r.Upstream)
	for i := range s.tried {
		switch s.tried[i] {
		case upstream: // the same one: another line about the same attempt, if it has other words
			return gap <= attemptGap && s.said != g.window.hash(r.Said) && len(r.Client) > 0
		case 0:
			if gap > attemptGap+r.lasted() {
				return false
			}
			s.tried[i] = upstream
			return true
		}
	}
	return false
}
