// Package health decides which endpoints of a pool get requests: by what became of the requests that they got (passive), by checks of
// its own (active), and by what people say. It is the only one that ejects, takes out and puts back, and each change of state has a
// reason in words and a time.
//
// It must not know requests, routes or where its events go.
package health

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/mono"
)

// State is how an endpoint stands.
type State uint8

// The states, the worse the higher.
const (
	Up      State = iota // it gets its share
	Ejected              // its own traffic failed: it is asked again after a while
	Down                 // active checks failed: it is asked again when they succeed
	Drained              // somebody took it out
)

var stateNames = [...]string{"up", "ejected", "down", "drained"}

// String is the state's name as logs, metrics and JSON spell it.
func (s State) String() string { return stateNames[s] }

// States is how many states there are.
const States = len(stateNames)

// Event is a change of an endpoint's state.
type Event struct {
	At       time.Time
	Pool     string
	Endpoint string
	From, To State
	Reason   string // in words, without a full stop
}

// Policy says whether endpoints are ejected for what their own traffic meets.
type Policy bool

// The two policies.
const (
	EjectNobody  Policy = false
	EjectFailing Policy = true
)

// Options are what a Watcher takes from the configuration.
type Options struct {
	Pool    string
	Names   []string // of the endpoints, in the order of the set
	Passive Policy
	Event   func(Event) // told of each change, on whatever goroutine it happens; it must not block. Nil tells nobody
}

// The rules of passive ejection.
const (
	rowMin    = 3                // failures of the connection in a row
	shareMin  = 10               // attempts within the window, of which half failed
	againMin  = 4                // the same for an endpoint that came back within the last minute
	apart     = 3                // and so many times the share of the others: what fails everywhere ejects nobody
	ejectFor  = 5 * time.Second  // at first; it doubles each time
	doublings = 4                // at most
	calmAfter = time.Minute      // the next ejection is shorter for each of these in order
	window    = 10 * time.Second // over which failures are counted
	slots     = 10               // of the window
)

// Watcher watches one pool's endpoints. Its methods may be called concurrently.
type Watcher struct {
	options   Options
	set       *balance.Set
	endpoints []*endpoint // pointers, so that two watchers share one over a reload

	// mu guards the fields of the endpoints that say so: it is taken for failures and ticks, not for answers. Watchers that share an
	// endpoint share it too.
	mu *sync.Mutex
}

// endpoint is what is known of one endpoint.
type endpoint struct {
	ok atomic.Uint64 // answers that count as good
	_  [120]byte     // what every request writes stays apart

	// Watcher.mu guards the rest.
	bad     uint64
	okAt    uint64 // ok when the last failure came
	row     int    // failures without an answer between them
	past    [slots]counts
	slot    int
	state   State
	reason  string
	since   time.Time
	until   mono.Time // of the ejection
	broke   bool      // it was ejected for connections that failed: a check can tell that this is over
	times   int       // how often it doubled
	calm    mono.Time // since when nothing was wrong
	checked checked
	watcher *Watcher // whose checks' results these are, and where it is there: the last that took it
	place   int
}

type counts struct{ ok, bad uint64 }

// New makes a watcher of the endpoints of a set, all up.
func New(set *balance.Set, o Options) *Watcher {
	w := &Watcher{options: o, set: set, mu: new(sync.Mutex)}
	for i := range o.Names {
		w.endpoints = append(w.endpoints, &endpoint{since: time.Now(), watcher: w, place: i})
	}
	return w
}

// Carry takes over what an earlier watcher knows: from[i] is the index there of the i-th endpoint here, negative for a new one.
// It is called before the watcher is used.
func (w *Watcher) Carry(old *Watcher, from []int) {
	w.mu = old.mu
	for i, j := range from {
		if j >= 0 {
			w.endpoints[i] = old.endpoints[j]
		}
	}
}

// Unchecked puts back what checks found down: there are none any more, so that nothing else would. It is called when the checks have
// ended.
func (w *Watcher) Unchecked(now mono.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, e := range w.endpoints {
		e.checked = checked{}
		w.set.PutBack(i, balance.Unhealthy, now)
		if e.state == Down {
			w.forget(e)
			e.calm = now
			w.become(i, Up, "checks were switched off")
		}
	}
}

// Answered notes an answer that says nothing bad of the endpoint.
//
// hot: once per answer.
func (w *Watcher) Answered(i int, now mono.Time) {
	w.endpoints[i].ok.Add(1)
	if w.set.Succeeded(i, now) {
		w.back(i, now)
	}
}

// back notes that an ejected endpoint answered the request that tried it.
func (w *Watcher) back(i int, now mono.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.endpoints[i]; e.state == Ejected {
		e.calm = now
		w.forget(e)
		w.become(i, Up, "it answered the request that tried it")
	}
}

// Failed notes that a request failed for the endpoint's sake. reason says how, in words; it is called when it is needed.
func (w *Watcher) Failed(i int, now mono.Time, reason func() string) {
	w.set.Failed(i, now)
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.endpoints[i]
	if ok := e.ok.Load(); ok != e.okAt {
		e.okAt, e.row = ok, 0
	}
	e.row++
	w.bad(i, now, reason)
}

// Refused notes an answer whose status says that the endpoint cannot serve: 500 and above.
func (w *Watcher) Refused(i, status int, now mono.Time) {
	w.set.Refused(i, now)
	w.set.Succeeded(i, now) // it speaks HTTP; that it has nothing to say is for the share to judge
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad(i, now, func() string { return fmt.Sprintf("it answered %d", status) })
}

// bad counts a failure, and ejects the endpoint if that is one too many. w.mu is held.
func (w *Watcher) bad(i int, now mono.Time, reason func() string) {
	e := w.endpoints[i]
	e.bad++
	switch {
	case w.options.Passive == EjectNobody || len(w.endpoints) < 2 || e.state > Ejected:
	case e.state == Ejected:
		if now >= e.until {
			w.eject(i, now, "the request that tried it failed: "+reason())
		}
	default:
		here := w.recent(i)
		n := here.ok + here.bad
		least := uint64(shareMin)
		if e.calm != 0 && now.Sub(e.calm) < calmAfter {
			least = againMin
		}
		share := n >= least && 2*here.bad >= n
		if !share && e.row < rowMin || !w.apart(i, here) {
			return
		}
		e.broke = !share
		why := fmt.Sprintf("%d of %d requests failed in %v", here.bad, n, window)
		if !share {
			why = fmt.Sprintf("%d requests in a row failed", e.row)
		}
		w.eject(i, now, why+", the last: "+reason())
	}
}

// recent is what happened at an endpoint within the window. w.mu is held.
func (w *Watcher) recent(i int) counts {
	e := w.endpoints[i]
	then := e.past[e.slot]
	return counts{e.ok.Load() - min(then.ok, e.ok.Load()), e.bad - then.bad}
}

// apart reports whether the endpoint fails much more than the others, which have to have something to show. w.mu is held.
func (w *Watcher) apart(i int, here counts) bool {
	var others counts
	for j := range w.endpoints {
		if j != i && w.endpoints[j].state == Up {
			c := w.recent(j)
			others.ok, others.bad = others.ok+c.ok, others.bad+c.bad
		}
	}
	if others.ok == 0 {
		return false
	}
	mine := float64(here.bad) / float64(max(here.ok+here.bad, 1))
	return mine >= apart*float64(others.bad)/float64(others.ok+others.bad)
}

// eject has the endpoint tried last for a while, unless half of the pool is out already. w.mu is held.
func (w *Watcher) eject(i int, now mono.Time, reason string) {
	out := 0
	for j, e := range w.endpoints {
		if j != i && e.state == Ejected {
			out++
		}
	}
	if out >= max(1, len(w.endpoints)/2) {
		return
	}
	e := w.endpoints[i]
	d := ejectFor << e.times
	d += time.Duration((rand.Float64() - 0.5) / 5 * float64(d)) // so that several do not come back at once
	e.times = min(e.times+1, doublings)
	e.until, e.calm = now.Add(d), 0
	w.set.Eject(i, e.until)
	w.forget(e)
	w.become(i, Ejected, reason+"; tried again in "+d.Round(100*time.Millisecond).String())
}

// forget begins to count anew. w.mu is held.
func (w *Watcher) forget(e *endpoint) {
	for k := range e.past {
		e.past[k] = counts{e.ok.Load(), e.bad}
	}
	e.row, e.okAt = 0, e.ok.Load()
}

// become changes the endpoint's state, if it is another, and tells of it. w.mu is held.
func (w *Watcher) become(i int, to State, reason string) {
	e := w.endpoints[i]
	from := e.state
	if from == to && to != Ejected {
		return
	}
	e.state, e.reason, e.since = to, reason, time.Now()
	if w.options.Event != nil {
		w.options.Event(Event{At: e.since, Pool: w.options.Pool, Endpoint: w.options.Names[i], From: from, To: to, Reason: reason})
	}
}

// Tick is to be called once a second: it moves the window on.
func (w *Watcher) Tick(now mono.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.endpoints {
		e.past[e.slot] = counts{e.ok.Load(), e.bad}
		e.slot = (e.slot + 1) % slots
		if e.state == Up && e.times > 0 && e.calm != 0 && now.Sub(e.calm) >= calmAfter {
			e.times, e.calm = e.times-1, now
		}
	}
}

// Drain takes an endpoint out, and Ready puts it back: somebody said so, and why.
func (w *Watcher) Drain(i int, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set.TakeOut(i, balance.Drained)
	w.become(i, Drained, reason)
}

// Ready puts an endpoint back, whoever took it out: somebody, checks, or its own traffic, which may do so again. It reports whether it was
// out.
func (w *Watcher) Ready(i int, reason string, now mono.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.endpoints[i]
	if e.state == Up {
		return false
	}
	e.checked.forget()
	w.forget(e)
	e.calm = now
	w.set.PutBack(i, balance.Unhealthy, now)
	w.set.PutBack(i, balance.Drained, now)
	w.set.Readmit(i, now)
	w.become(i, Up, reason)
	return true
}

// Status is how an endpoint stands, and since when, and why.
type Status struct {
	Endpoint string    `json:"endpoint"`
	State    State     `json:"state"`
	Reason   string    `json:"reason,omitempty"`
	Since    time.Time `json:"since"`
	InFlight int64     `json:"in_flight"`
	Requests uint64    `json:"requests"`
	Failures uint64    `json:"failures"`
	Check    string    `json:"last_check,omitempty"`
}

// MarshalText makes JSON show the name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Statuses are those of all endpoints, in order.
func (w *Watcher) Statuses(now mono.Time) []Status {
	load := w.set.Snapshot(nil, now)
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]Status, len(w.endpoints))
	for i, e := range w.endpoints {
		out[i] = Status{
			Endpoint: w.options.Names[i], State: e.state, Reason: e.reason, Since: e.since.UTC(), InFlight: load[i].InFlight,
			Requests: load[i].Started, Failures: e.bad, Check: e.checked.last,
		}
	}
	return out
}
