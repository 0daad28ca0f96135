package explain

import (
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// This file joins what applications and systems tell with the faults that a proxy saw at the same time.

// event is what an application's or a system's log tells.
type event struct {
	at      time.Time
	clocked bool // its line has a time of its own
	system  bool // the kernel or the service manager tells it
	cause   fault.Cause
	said    string
	place   place
	product string
	teller  bool // a proxy's controller tells it, of no request
}

// events has what was told, by cause. Of each it keeps the one that was read last and the one with the latest time: a log
// that begins anew, or a line with a wrong clock, hides nothing. What it costs is bounded by the number of causes that are
// told, whatever the number of lines: see happened and lookBack.
type events struct {
	of   [fault.Causes]*happenings
	list []*happenings
}

// happenings is the events of one cause.
type happenings struct {
	last, latest event
	offered      uint64 // the number of the last fault that an event of the cause was held against
}

// note remembers an event, and gives what is known of its cause.
func (v *events) note(e *event) *happenings {
	k := v.of[e.cause]
	if k == nil {
		k = &happenings{latest: *e}
		v.of[e.cause] = k
		v.list = append(v.list, k)
	}
	k.last = *e
	if !e.at.Before(k.latest.at) {
		k.latest = *e
	}
	return k
}

// happened notes an event, and counts it at the faults just before it. A fault is held against the events of one cause once:
// those that come later are further away from it.
func (g *engine) happened(r *record, at place, t time.Time) {
	e := event{at: t, clocked: !r.Time.IsZero(), system: r.format.Role == RoleSystem, cause: r.verdict.Cause, said: clip(r.Said, textMax), place: at, product: r.format.Product, teller: r.format.Role == RoleProxy}
	known := g.events.note(&e)
	w := g.window
	newest := w.at(w.count)
	if newest == nil || e.clocked && newest.clocked && !within(newest.at.Sub(e.at), nearGap) { // a line of another time says nothing of these
		return
	}
	for n := w.count; n > known.offered; n-- {
		s := w.at(n)
		g.compared++
		if s == nil || e.clocked && s.clocked && e.at.Sub(s.at) > nearGap {
			break
		}
		if e.near(s) {
			s.nearby(&e)
		}
	}
	known.offered = w.count
}

// lookBack counts the events just before a fault.
func (g *engine) lookBack(s *seen) {
	for _, k := range g.events.list {
		g.compared++
		switch {
		case k.last.near(s):
			s.nearby(&k.last)
		case k.latest.near(s):
			s.nearby(&k.latest)
		}
	}
}

// near reports whether an event and a fault are of one moment: by their clocks, and where one of them has none by their
// places in one log.
func (e *event) near(s *seen) bool {
	if e.teller && s.requestless { // it tells of itself
		return false
	}
	if e.clocked && s.clocked {
		gap := s.at.Sub(e.at)
		return within(gap, nearGap) || gap > 0 && (busy(e.cause) && gap <= s.lasted+nearGap || standing(e.cause) && gap <= outGap)
	}
	gap := e.place.line - s.place.line
	return e.place.file == s.place.file && gap >= -nearLines && gap <= nearLines
}

// busy reports whether a cause tells why requests waited: then what was told when they began counts.
func busy(c fault.Cause) bool {
	return c == fault.CauseWorkersBusy || c == fault.CauseQueueFull || c == fault.CauseSocketBacklogFull || c == fault.CauseQueueTimeout
}

// standing reports whether a cause is a state that lasts: then what a controller told of it a while ago counts.
func standing(c fault.Cause) bool { return c == fault.CauseNoEndpoints }

// nearby counts an event near a fault, each cause once for each fault.
func (s *seen) nearby(e *event) {
	for i := range s.near {
		if s.near[i] == e.cause {
			return
		}
		if s.near[i] == fault.CauseNone {
			s.near[i] = e.cause
			by := NearSeconds
			if !e.clocked || !s.clocked {
				by = NearLines
			} else if !within(s.at.Sub(e.at), nearGap) {
				if by = NearRequest; standing(e.cause) {
					by = NearMinute
				}
			}
			s.finding.nearby(e, by)
			return
		}
	}
}

func (f *finding) nearby(e *event, by Nearness) {
	for i := range f.near {
		if f.near[i].cause == e.cause && f.near[i].by == by {
			f.near[i].count++
			return
		}
	}
	if len(f.near) < nearMax {
		f.near = append(f.near, nearCount{cause: e.cause, count: 1, said: e.said, at: e.place, by: by, system: e.system, product: e.product})
	}
}
