package explain

import (
	"hash/maphash"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Bounds of the windows in which lines are joined.
const (
	windowSize   = 8192            // faults remembered
	eventsSize   = 512             // events of applications and systems remembered
	outcomeLate  = 5 * time.Minute // how long after an attempt failed its exchange may be logged: all timers of all attempts
	outcomeEarly = 2 * time.Second // how long before, by clocks of one second
	attemptGap   = time.Second     // between the lines of one attempt
	nearGap      = 2 * time.Second // between an application's line and the proxy's
)

// seen is a fault that was counted, and may have to be joined with a line that comes later.
type seen struct {
	exchange uint64 // client, method and path; 0 where the line lacks one
	worker   uint64 // process and connection; 0 where it lacks one
	at       time.Time
	finding  *finding
	group    *group
	outcome  bool // it is a line about the whole exchange, with the status that the client saw
	joined   bool
	open     bool // it leaves open what happened
	near     [nearMax]fault.Cause
}

// window remembers the last faults.
type window struct {
	seed      maphash.Seed
	ring      [windowSize]seen
	next      int
	exchanges map[uint64]int // the last of each
	workers   map[uint64]int
}

func newWindow() *window {
	return &window{seed: maphash.MakeSeed(), exchanges: map[uint64]int{}, workers: map[uint64]int{}}
}

// keys gives what a record has in common with others of its exchange, and of its attempt. Products of one family share
// their keys: ingress-nginx's errors are nginx's.
func (w *window) keys(r *record) (exchange, worker uint64) {
	var h maphash.Hash
	h.SetSeed(w.seed)
	family := joinFamily(r.format.Product)
	if len(r.Client) > 0 && len(r.Path) > 0 {
		h.WriteString(family)
		h.WriteByte(0)
		h.Write(withoutPort(r.Client))
		h.WriteByte(0)
		h.Write(r.Method)
		h.WriteByte(0)
		h.Write(r.Path)
		exchange = h.Sum64()
	}
	if r.Conn != 0 {
		h.Reset()
		h.WriteString(family)
		maphash.WriteComparable(&h, [2]uint64{r.Process, r.Conn})
		worker = h.Sum64()
	}
	return exchange, worker
}

func joinFamily(product string) string {
	switch product {
	case "ingress-nginx", "kong", "openresty":
		return "nginx"
	}
	return product
}

// add remembers a fault that was counted.
func (w *window) add(s seen) {
	old := &w.ring[w.next]
	if at, ok := w.exchanges[old.exchange]; ok && at == w.next {
		delete(w.exchanges, old.exchange)
	}
	if at, ok := w.workers[old.worker]; ok && at == w.next {
		delete(w.workers, old.worker)
	}
	*old = s
	if s.exchange != 0 {
		w.exchanges[s.exchange] = w.next
	}
	if s.worker != 0 {
		w.workers[s.worker] = w.next
	}
	w.next = (w.next + 1) % windowSize
}

// of gives the last fault with the key, nil where there is none.
func of(index map[uint64]int, w *window, key uint64) *seen {
	if key == 0 {
		return nil
	}
	if at, ok := index[key]; ok {
		return &w.ring[at]
	}
	return nil
}

// join looks for the other lines of the record's exchange. It reports true if the record is one of a fault that has been
// counted already, and is not to be counted again.
func (g *engine) join(r *record, t time.Time) (key, worker uint64, counted bool) {
	key, worker = g.window.keys(r)
	outcome := r.Status != 0
	if s := of(g.window.exchanges, g.window, key); s != nil && s.outcome != outcome {
		gap := t.Sub(s.at)
		if outcome && !s.joined && gap >= -outcomeEarly && gap <= outcomeLate { // the error line came first, as it does
			s.joined = true
			s.finding.answered(r.Status)
			if r.Status < 500 && s.finding.verdict.Stage < fault.Body {
				s.finding.saved++
			}
			s.finding.wait(r)
			g.joined++
			return key, worker, true
		}
		if !outcome && !s.joined && gap >= -outcomeEarly && gap <= outcomeEarly { // the access line came first
			g.uncount(s)
			s.joined = true
			g.joined++
		}
	}
	if s := of(g.window.exchanges, g.window, key); s != nil && outcome && s.outcome && !s.joined && twoLines(r.format.Product) {
		if gap := t.Sub(s.at); gap >= -outcomeEarly && gap <= outcomeEarly {
			switch {
			case open(r) && !s.open:
				s.joined = true
				g.joined++
				return key, worker, true
			case !open(r) && s.open:
				g.uncount(s)
				s.joined = true
				g.joined++
			}
		}
	}
	if s := of(g.window.workers, g.window, worker); s != nil && !s.outcome && !outcome {
		if gap := t.Sub(s.at); gap >= 0 && gap <= attemptGap && weaker(r, s.finding) {
			g.joined++
			return key, worker, true
		}
	}
	return key, worker, false
}

// twoLines reports whether a product writes of a failed request both the failure and the answer, with the status in each.
func twoLines(product string) bool { return product == "caddy" || product == "traefik" }

// open reports whether a record leaves open what happened.
func open(r *record) bool { return len(r.Candidates) > 1 || r.verdict.Cause == fault.CauseUnknown }

// weaker reports whether the record says less than the finding of another line of its attempt: it cannot tell, and the
// other can.
func weaker(r *record, f *finding) bool {
	if f.key.cause == fault.CauseUnknown {
		return r.verdict.Cause == fault.CauseUnknown
	}
	return r.verdict.Cause == fault.CauseUnknown || r.format.Product == "apache" && (len(r.Candidates) > 1 || r.verdict.Cause == f.key.cause)
}

// uncount takes back a fault that turned out to be another line of one that is counted now.
func (g *engine) uncount(s *seen) {
	s.finding.count--
	s.finding.rate.add(s.at.Unix(), -1)
	if s.group != nil {
		s.group.count--
		s.group.rate.add(s.at.Unix(), -1)
	}
	g.faults--
}

// event is what an application's or a system's log tells.
type event struct {
	at    time.Time
	cause fault.Cause
	said  string
	place place
}

// happened notes an event, and counts it at the faults just before it.
func (g *engine) happened(r *record, at place, t time.Time) {
	e := event{at: t, cause: r.verdict.Cause, said: clip(r.Said, textMax), place: at}
	if len(g.events) < eventsSize {
		g.events = append(g.events, e)
	} else {
		g.events[g.eventNext] = e
		g.eventNext = (g.eventNext + 1) % eventsSize
	}
	w := g.window
	for i := 1; i <= windowSize; i++ {
		s := &w.ring[(w.next-i+windowSize)%windowSize]
		if s.finding == nil || t.Sub(s.at) > nearGap {
			return
		}
		s.nearby(&e)
	}
}

// lookBack counts the events just before a fault.
func (g *engine) lookBack(s *seen) {
	for i := range g.events {
		e := &g.events[i]
		if gap := s.at.Sub(e.at); gap >= -nearGap && gap <= nearGap {
			s.nearby(e)
		}
	}
}

// nearby counts an event near a fault, each cause once for each fault.
func (s *seen) nearby(e *event) {
	for i := range s.near {
		if s.near[i] == e.cause {
			return
		}
		if s.near[i] == fault.CauseNone {
			s.near[i] = e.cause
			s.finding.nearby(e)
			return
		}
	}
}

func (f *finding) nearby(e *event) {
	for i := range f.near {
		if f.near[i].cause == e.cause {
			f.near[i].count++
			return
		}
	}
	if len(f.near) < nearMax {
		f.near = append(f.near, nearCount{cause: e.cause, count: 1, said: e.said, at: e.place})
	}
}
