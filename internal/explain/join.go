package explain

import (
	"hash/maphash"
	"time"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/fault"
)

// Bounds of the windows in which lines are joined.
const (
	windowSize   = 8192            // faults remembered
	windowPart   = 256             // of which so many are made at a time
	outcomeLate  = 5 * time.Minute // how long after an attempt failed its exchange may be logged: all timers of all attempts
	outcomeEarly = 2 * time.Second // how long before, by clocks of one second
	startEarly   = time.Minute     // how long before, where the line has the time when the request came, and not how long it took
	attemptGap   = time.Second     // between the lines of one attempt
	nearGap      = 2 * time.Second // between an application's line and the proxy's
	nearLines    = 10              // the same, in lines of one log, where one of the two has no clock
)

// seen is a fault that was counted, and may have to be joined with a line that comes later.
type seen struct {
	number   uint64 // how many came before it, from 1; 0 for none
	keys     keys
	earlier  keys // the numbers of those that came before it with the same keys
	at       time.Time
	finding  *finding
	group    *group
	outcome  bool          // it is a line about the whole exchange, with the status that the client saw
	joined   bool          // with a line of the other kind
	answered bool          // with a line that has no more than the status
	bare     bool          // it rests on the status alone
	gone     bool          // another one took its place
	open     bool          // it leaves open what happened
	head     bool          // it is about the answer's head
	lasted   time.Duration // how long its request had waited
	more     int           // how many lines behind it are part of it
	clocked  bool          // its line has a time of its own
	place    place
	near     [nearMax]fault.Cause
	said     uint64           // of its words
	process  uint64           // that wrote its line
	starting bool             // it is about a program that did not start, and about no request
	tried    [triedMax]uint64 // whom its request has asked so far
	product  string

	requestless bool // its line names no request
}

// triedMax is how many upstreams of one request are remembered.
const triedMax = 8

// keys are what a fault has in common with others: client, method and path; process and connection; the client alone.
// Each is 0 where the line lacks a part.
type keys [5]uint64

const (
	byExchange = iota
	byWorker
	byClient
	byRequest
	byTrace // a request's id that is long enough to be nobody else's, whatever the product
)

// window remembers the last faults.
type window struct {
	seed  maphash.Seed
	ring  [windowSize / windowPart]*[windowPart]seen // the parts are made when they are used: most logs have few faults
	count uint64
	last  [len(keys{})]map[uint64]uint64 // by each key, the number of the last fault with it
}

func newWindow() *window {
	w := &window{seed: maphash.MakeSeed()}
	for i := range w.last {
		w.last[i] = map[uint64]uint64{}
	}
	return w
}

// keys gives what a record has in common with others of its exchange, and of its attempt. Products of one family share
// their keys: ingress-nginx's errors are nginx's.
func (w *window) keys(r *record) (k keys) {
	var h maphash.Hash
	h.SetSeed(w.seed)
	family := advice.FamilyOf(r.format.Product)
	if len(r.Client) > 0 && len(r.Path) > 0 {
		h.WriteString(family)
		h.WriteByte(0)
		h.Write(withoutPort(r.Client))
		h.WriteByte(0)
		h.Write(r.Method)
		h.WriteByte(0)
		h.Write(r.Path)
		k[byExchange] = h.Sum64()
	}
	if r.Conn != 0 || family == "apache" && r.Process != 0 { // a process without threads has one request at a time
		h.Reset()
		h.WriteString(family)
		maphash.WriteComparable(&h, [2]uint64{r.Process, r.Conn})
		k[byWorker] = h.Sum64()
	}
	if len(r.ID) > 7 || len(r.ID) > 0 && r.format.wordy {
		h.Reset()
		h.WriteString(family)
		h.Write(r.ID)
		if r.format.wordy { // a short one is of one process
			maphash.WriteComparable(&h, r.Process)
		}
		k[byRequest] = h.Sum64()
	}
	if len(r.ID) >= traceLeast {
		h.Reset()
		h.Write(r.ID)
		k[byTrace] = h.Sum64()
	}
	if len(r.Client) > 0 && (family == "apache" || r.Bare) {
		h.Reset()
		h.Write(withoutPort(r.Client))
		k[byClient] = h.Sum64()
	}
	return k
}

// traceLeast is how long an id must be to be one request's, and no other's, in the logs of several programs, in octets.
const traceLeast = 16

// hash gives a number for some octets, 0 for none.
func (w *window) hash(b []byte) uint64 {
	if len(b) == 0 {
		return 0
	}
	return maphash.Bytes(w.seed, b)
}

// at gives the fault of that number, nil where it is not remembered any more.
func (w *window) at(number uint64) *seen {
	part := w.ring[number%windowSize/windowPart]
	if number == 0 || part == nil {
		return nil
	}
	if s := &part[number%windowPart]; s.number == number {
		return s
	}
	return nil
}

// add remembers a fault that was counted.
func (w *window) add(s seen) {
	w.count++
	s.number = w.count
	part := &w.ring[s.number%windowSize/windowPart]
	if *part == nil {
		*part = new([windowPart]seen)
	}
	old := &(*part)[s.number%windowPart]
	for i, key := range old.keys {
		if key != 0 && w.last[i][key] == old.number {
			delete(w.last[i], key)
		}
	}
	*old = s
	for i, key := range s.keys {
		w.link(old, i, key)
	}
}

// link lets a fault be found by a key.
func (w *window) link(s *seen, by int, key uint64) {
	if key == 0 {
		return
	}
	s.keys[by], s.earlier[by] = key, w.last[by][key]
	w.last[by][key] = s.number
}

// chainMax bounds how many faults with the same key are looked at.
const chainMax = 32

// find gives the last fault with the key that is fit, nil where there is none.
func (w *window) find(by int, key uint64, fit func(s *seen) bool) *seen {
	if key == 0 {
		return nil
	}
	s := w.at(w.last[by][key])
	for range chainMax {
		if s == nil || fit(s) {
			return s
		}
		s = w.at(s.earlier[by])
	}
	return nil
}

// joint is what became of a record that was looked up among the others.
type joint struct {
	keys    keys
	counted bool // its fault has been counted already
	joined  bool // it took the place of another line of its exchange
}

// join looks for the other lines of the record's exchange. It says so if the record is one of a fault that has been counted
// already, and is not to be counted again.
func (g *engine) join(r *record, at place, t time.Time) joint {
	j := joint{keys: g.window.keys(r)}
	if g.joinBeside(r, at) || g.joinStart(r, at, t) || g.joinConsequence(r, t) || g.joinRequest(r, t, &j) || g.joinTrace(r, t, &j) {
		j.counted = true
	} else if r.Status != 0 {
		g.joinOutcome(r, t, &j)
	} else {
		g.joinAttempt(r, t, &j)
	}
	if j.counted {
		g.joined++
	}
	return j
}

// besideMost is how many lines behind a record the same error may be printed again.
const besideMost = 3

// joinBeside joins an error that was read by its words with the same one just before it: programs print an error with its
// stack and without, and each layer that it passes through.
func (g *engine) joinBeside(r *record, at place) bool {
	s := g.window.at(g.window.count)
	if s == nil || !r.format.wordy || s.place.file != at.file || at.line-s.place.line-s.more > besideMost || len(r.ID) > 0 || s.keys[byRequest] != 0 {
		return false
	}
	same := s.finding.key.cause == r.verdict.Cause && (len(r.Upstream) == 0 || s.group == nil || s.group.upstream == "" || string(r.Upstream) == s.group.upstream)
	return s.finding.format.wordy && same && (r.Time.IsZero() || s.clocked && within(r.Time.Sub(s.at), attemptGap)) && (len(r.Path) == 0 || at.line-s.place.line-s.more <= 1 && s.more > 0)
}

// joinRequest joins lines that carry the same id of a request.
func (g *engine) joinRequest(r *record, t time.Time, j *joint) bool {
	s := g.window.find(byRequest, j.keys[byRequest], func(s *seen) bool { return !s.gone && within(t.Sub(s.at), outcomeLate) })
	if s == nil {
		return false
	}
	if s.bare && !r.Bare || s.open && !open(r) && s.finding.key.cause == fault.CauseUnknown {
		g.replace(s)
		return false
	}
	if r.Status != 0 && !s.outcome {
		s.joined = true
		s.finding.answered(r.Status)
	}
	return true
}

// joinOutcome joins a line about a whole exchange, with its status.
func (g *engine) joinOutcome(r *record, t time.Time, j *joint) {
	w := g.window
	late := func(s *seen) bool { gap := t.Sub(s.at); return gap >= -s.began() && gap <= outcomeLate }
	near := func(s *seen) bool { gap := t.Sub(s.at); return gap >= -s.began() && gap <= outcomeEarly }
	s := w.find(byExchange, j.keys[byExchange], func(s *seen) bool { return !s.outcome && !s.joined && !s.answered && late(s) })
	if s == nil && r.Bare {
		s = w.find(byClient, j.keys[byClient], func(s *seen) bool { return !s.outcome && !s.joined && !s.answered && near(s) })
	}
	if s != nil { // the error line came first, as it does
		s.joined = true
		s.answered = r.Bare
		s.finding.answered(r.Status)
		if r.Status < 500 && s.finding.verdict.Stage < fault.Body {
			s.finding.saved++
		}
		s.finding.wait(r)
		j.counted = true
		return
	}
	if !twoLines(r.format.Product) {
		return
	}
	s = w.find(byExchange, j.keys[byExchange], func(s *seen) bool { return (s.outcome || s.joined) && !s.answered && s.bare != r.Bare && near(s) })
	switch {
	case s == nil:
	case r.Bare:
		s.answered = true
		j.counted = true
	default:
		g.replace(s)
		s.answered, j.joined = true, true
	}
}

// joinAttempt joins a line about one attempt.
func (g *engine) joinAttempt(r *record, t time.Time, j *joint) {
	w := g.window
	s := w.find(byWorker, j.keys[byWorker], func(s *seen) bool { return !s.outcome && !s.gone })
	better := false
	if s != nil {
		gap := t.Sub(s.at)
		switch {
		case gap < 0:
		case g.joinConnection(r, t, s, j):
			j.counted = true
			return
		case gap <= attemptGap && r.Again && s.open && !open(r) && !s.joined:
			g.replace(s)
			better = true
		case gap <= attemptGap && (r.Again || weaker(r, s.finding)), gap <= outcomeLate && s.follows(r, j):
			j.counted = true
			if s.keys[byClient] == 0 {
				w.link(s, byClient, j.keys[byClient])
				s.joined = s.joined || g.takeOutcome(j, t)
			}
			return
		}
	}
	if s := w.at(w.count); s != nil && s.precedes(r) {
		if s.finding.key.cause != fault.CauseUpstreamStatus && !(s.open && !open(r)) {
			j.counted = true
			return
		}
		g.replace(s)
	}
	if r.Again && r.Bare && !better { // nobody knows what it is about
		j.counted = true
		return
	}
	j.joined = g.takeOutcome(j, t)
}

// takeOutcome takes back the line about the exchange that came before the one that says why.
func (g *engine) takeOutcome(j *joint, t time.Time) bool {
	near := func(s *seen) bool {
		gap := t.Sub(s.at)
		return s.outcome && !s.joined && gap >= -outcomeEarly && gap <= outcomeEarly
	}
	s := g.window.find(byExchange, j.keys[byExchange], near)
	if s == nil {
		s = g.window.find(byClient, j.keys[byClient], func(s *seen) bool {
			return s.outcome && s.bare && !s.joined && t.Sub(s.at) >= -outcomeEarly && t.Sub(s.at) <= startEarly
		})
	}
	if s == nil {
		return false
	}
	if j.keys[byRequest] == 0 { // the last line about the exchange has its id alone
		j.keys[byRequest] = s.keys[byRequest]
	}
	g.replace(s)
	return true
}

// replace takes back a fault of which another line says more.
func (g *engine) replace(s *seen) {
	g.uncount(s)
	s.joined, s.gone = true, true
	g.joined++
}

// lineGap is how many lines further the second line of an attempt may be, in logs that number no processes.
const lineGap = 3

// precedes reports whether a record is the second line of this fault's attempt, by its place.
func (s *seen) precedes(r *record) bool {
	return r.Again && r.Conn == 0 && s.keys[byWorker] == 0 && !s.joined && s.finding.key.product == r.format.Product && r.line > s.place.line && r.line <= s.place.line+lineGap
}

// follows reports whether a record only tells what became of an answer that was wrong from its head on.
func (s *seen) follows(r *record, j *joint) bool {
	return s.head && !s.joined && s.keys[byExchange] != 0 && s.keys[byExchange] == j.keys[byExchange] && r.verdict.Stage == fault.Body
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
	return r.verdict.Cause == fault.CauseUnknown
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
