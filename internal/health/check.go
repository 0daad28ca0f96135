package health

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/upstream"
)

// Kind is what a check asks for.
type Kind uint8

// The kinds of check.
const (
	HTTP Kind = iota // an answer with a status of Check.Status
	TCP              // a connection, with its handshake where the endpoint speaks TLS
	GRPC             // what the endpoint's grpc.health.v1.Health says of Check.Service
)

// Check says how endpoints are checked.
type Check struct {
	Kind    Kind
	Path    string // with its query; for HTTP
	Service string // for GRPC; empty for the server as a whole
	Host    []byte // the Host field; nil for the endpoint's own
	Every   time.Duration
	Timeout time.Duration
	Status  []Range // empty: 200 to 399
	Fall    int     // failures in a row that take an endpoint out
	Rise    int     // successes in a row that put it back
}

// Range is a range of status codes, both ends in it.
type Range struct{ From, To int }

// closer is how often an endpoint is checked that is down or suspicious, if Every is longer.
const closer = time.Second

// witnessed is the share of an endpoint's own requests that must have been answered for a check that only timed out not to count.
const witnessed = 0.9

// checked is what the checks of one endpoint came to. Watcher.mu guards it.
type checked struct {
	good, bad int // in a row
	last      string
}

func (c *checked) forget() { c.good, c.bad = 0, 0 }

// Take makes w the watcher that results go to of the checks of its endpoints, also of those that another one's Run began.
func (w *Watcher) Take() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, e := range w.endpoints {
		e.watcher, e.place = w, i
	}
}

// Run checks one endpoint until ctx ends, for whichever watcher has taken it. The first check comes within a second, at random, so that
// many gateways and endpoints do not check at once.
func (w *Watcher) Run(ctx context.Context, i int, t *upstream.Target, c *Check) {
	mu, e := w.mu, w.endpoints[i]
	at := func() (*Watcher, int) {
		mu.Lock()
		defer mu.Unlock()
		return e.watcher, e.place
	}
	wait := time.Duration(rand.Float64() * float64(min(closer, c.Every)))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		before := e.ok.Load()
		ev, verdict := ask(ctx, t, c)
		if ctx.Err() != nil {
			return // it was we who ended it: that is no result
		}
		taker, place := at()
		taker.result(place, c, ev, verdict, before)
		timer.Reset(taker.pause(place, c))
	}
}

// pause is the time until the next check: Every, less or more by a fifth, or closer where something is wrong.
func (w *Watcher) pause(i int, c *Check) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.endpoints[i]
	d := c.Every
	if e.state != Up || e.checked.bad > 0 {
		d = min(d, closer)
	}
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// ask makes one check on a connection of its own, so that it tests the accept queue too. The words are empty for a good one.
func ask(ctx context.Context, t *upstream.Target, c *Check) (fault.Evidence, string) {
	if c.Kind == GRPC {
		return askGRPC(ctx, t, c)
	}
	ev, wrong := c.ask(ctx, t)
	if ev.Unprocessed && ev.Code == fault.CodeHTTP11Required { // it is asked in HTTP/1.1 from now on, as it is for a request
		ev, wrong = c.ask(ctx, t)
	}
	return ev, wrong
}

func (c *Check) ask(ctx context.Context, t *upstream.Target) (fault.Evidence, string) {
	var res httpmsg.Response
	if c.Kind == HTTP && t.MayShare() {
		t = t.Apart()
		defer t.Close()
	}
	a, end := c.begin(ctx, t)
	defer end()
	if c.Kind == TCP {
		if a.Connect() {
			return a.Evidence, ""
		}
		return a.Evidence, failure(&a.Evidence, c)
	}
	var fields httpmsg.Fields
	fields.Append("User-Agent", []byte("whygate-check"), httpmsg.Other)
	head := upstream.Head{Method: []byte("GET"), Path: []byte(c.Path), Authority: c.Host, Extra: &fields, Close: true}
	if !a.Ask(&head, nil, upstream.FreshConnection) || !a.ReadHead(&res) {
		return a.Evidence, failure(&a.Evidence, c)
	}
	if !c.wants(res.Status) {
		return a.Evidence, fmt.Sprintf("the check of %s was answered %d", c.Path, res.Status)
	}
	return a.Evidence, ""
}

// begin starts a check's attempt, which ends with ctx and with Check.Timeout. end is to be called when it is over.
func (c *Check) begin(ctx context.Context, t *upstream.Target) (a *upstream.Attempt, end func()) {
	a = new(upstream.Attempt)
	now := mono.Now()
	a.Begin(t, now)
	a.Cancel = new(cancel.Cancel)
	a.Whole = upstream.Whole{Until: now.Add(c.Timeout), Setting: c.Timeout}
	stop := context.AfterFunc(ctx, func() { a.Cancel.Cancel(cancel.NotWanted) })
	return a, func() {
		stop()
		a.Drop()
	}
}

// failure says why a check failed.
func failure(ev *fault.Evidence, c *Check) string {
	if ev.Timer == fault.TimerResponse {
		return unanswered(ev, c)
	}
	return "the check failed: " + fault.Classify(ev).Sentence(ev)
}

func unanswered(ev *fault.Evidence, c *Check) string {
	return fmt.Sprintf("the check was not answered within %v (at %s)", c.Timeout, ev.Stage)
}

// wants reports whether a status is one that the check takes for good.
func (c *Check) wants(status int) bool {
	if len(c.Status) == 0 {
		return status >= 200 && status < 400
	}
	for _, r := range c.Status {
		if status >= r.From && status <= r.To {
			return true
		}
	}
	return false
}

// result counts what a check came to. before is how many requests the endpoint had answered when the check began.
func (w *Watcher) result(i int, c *Check, ev fault.Evidence, wrong string, before uint64) {
	now := mono.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.endpoints[i]
	if wrong == "" {
		e.checked.good, e.checked.bad, e.checked.last = e.checked.good+1, 0, "passed"
		w.passed(i, c, now)
		return
	}
	e.checked.last = wrong
	if ev.Timer == fault.TimerResponse && !w.agrees(i, before, now) {
		// An overloaded endpoint must not be taken from the others' help: its own traffic is answered.
		e.checked.last += "; it does not count, since requests are answered"
		return
	}
	e.checked.good = 0
	e.checked.bad++
	if e.checked.bad >= c.Fall && e.state < Down {
		w.set.TakeOut(i, balance.Unhealthy)
		w.become(i, Down, wrong)
	}
}

// passed puts an endpoint back that was down for long enough, and at once one that was ejected because connections to it failed. What
// its traffic was answered with a check cannot take back. w.mu is held.
func (w *Watcher) passed(i int, c *Check, now mono.Time) {
	e := w.endpoints[i]
	switch {
	case e.state == Down && e.checked.good >= c.Rise:
		w.forget(e)
		e.calm = now
		w.set.PutBack(i, balance.Unhealthy, now)
		w.become(i, Up, fmt.Sprintf("%d checks in a row passed", e.checked.good))
	case e.state == Ejected && e.broke:
		w.forget(e)
		e.calm = now
		w.set.Readmit(i, now)
		w.become(i, Up, "a check passed")
	}
}

// agrees reports whether the endpoint's own traffic bears out that it does not answer: too few answers of late, none at all while the
// check waited, or no traffic. w.mu is held.
func (w *Watcher) agrees(i int, before uint64, now mono.Time) bool {
	e := w.endpoints[i]
	if e.ok.Load() == before {
		return true
	}
	c := w.recent(i)
	return float64(c.ok) < witnessed*float64(c.ok+c.bad)
}
