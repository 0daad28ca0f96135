package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dunglas/httpsfv"
)

// Mark is how a proxy did in one of the four things that are scored.
type Mark uint8

const (
	Unasked Mark = iota // the scenario does not ask for it, or the proxy does not do it
	Right
	Wrong
)

var markNames = [...]string{"", "right", "wrong"}

// String gives the mark's name as JSON spells it.
func (m Mark) String() string { return markNames[m] }

// MarshalText makes JSON show the mark's name.
func (m Mark) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText made.
func (m *Mark) UnmarshalText(b []byte) error {
	for i, name := range markNames {
		if name == string(b) {
			*m = Mark(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no mark", b)
}

// Result is how a proxy did in one scenario.
type Result struct {
	Scenario string `json:"scenario"`
	Group    string `json:"group"`
	Skipped  string `json:"skipped,omitempty"` // why it was not played

	Status  Mark     `json:"status"`  // the right status
	Type    Mark     `json:"type"`    // the right error in Proxy-Status
	Broken  Mark     `json:"broken"`  // a broken body is visibly broken, and what must not reach a client did not
	Serving Mark     `json:"serving"` // still serving afterwards
	Got     string   `json:"got"`     // what came
	Wanted  string   `json:"wanted"`  // what was right
	Wrong   []string `json:"wrong,omitempty"`
	First   string   `json:"first,omitempty"` // what came at first, where it was wrong and right the second time, played alone

	// Other: all that is wrong is the number: it is another server error than the one that RFC 9209 recommends.
	Other bool `json:"other,omitempty"`

	Took time.Duration `json:"took_ns"`

	explains bool // the proxy sends Proxy-Status
	missing  bool // a field that had to be in the answer was not
	silent   bool // no answer came at all
}

// Right reports whether nothing was wrong.
func (r *Result) Right() bool { return r.Skipped == "" && len(r.Wrong) == 0 }

// Score is how a proxy did in all of them.
type Score struct {
	Proxy   string        `json:"proxy"`
	Version string        `json:"version,omitempty"`
	Error   string        `json:"error,omitempty"` // why it could not be scored at all
	Results []Result      `json:"results"`
	Took    time.Duration `json:"took_ns"`
}

// Count gives how many scenarios were right, and how many were played.
func (s *Score) Count() (right, played int) {
	for i := range s.Results {
		switch r := &s.Results[i]; {
		case r.Skipped != "":
		case r.Right():
			right++
			fallthrough
		default:
			played++
		}
	}
	return right, played
}

// Thing is one of the four things that are scored.
type Thing struct {
	Name          string
	Right, Played int
}

// Things gives the score of each of the four things, over all scenarios that ask for it.
func (s *Score) Things() [4]Thing {
	all := [4]Thing{{Name: "status"}, {Name: "explanation"}, {Name: "breakage shown"}, {Name: "still serving"}}
	for i := range s.Results {
		r := &s.Results[i]
		for t, mark := range [4]Mark{r.Status, r.Type, r.Broken, r.Serving} {
			if mark != Unasked {
				all[t].Played++
			}
			if mark == Right {
				all[t].Right++
			}
		}
	}
	return all
}

// atOnce is how many scenarios are played at the same time.
const atOnce = 12

// Player plays scenarios through a proxy that has the lab behind it.
type Player struct {
	Address  string                 // the proxy's, host:port
	Prefix   string                 // what goes before /NAME/ in the target, usually nothing
	Explains bool                   // the proxy sends Proxy-Status: one that is missing from a fault's answer is wrong
	Requests func(*Scenario) int64  // how many requests a scenario's upstream has got; nil if that is not known
	Skip     func(*Scenario) string // why the proxy cannot be put before this scenario; empty if it can
	Progress func(done, all int)    // told of each scenario played, from several goroutines; nil for nobody
}

// Play plays the scenarios, beside each other where they do not disturb each other, and gives the results in their order.
func (p *Player) Play(ctx context.Context, scenarios []*Scenario) []Result {
	results := make([]Result, len(scenarios))
	for i, s := range scenarios {
		results[i] = Result{Scenario: s.Name, Group: s.Group.String(), Wanted: s.Want.String(), Skipped: "the play was interrupted"}
	}
	var mu sync.Mutex // guards done
	done := 0
	play := func(i int) {
		results[i] = p.one(ctx, scenarios[i])
		if p.Progress != nil {
			mu.Lock()
			done++
			p.Progress(done, len(scenarios))
			mu.Unlock()
		}
	}
	tickets := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for i, s := range scenarios {
		if s.Alone || ctx.Err() != nil {
			continue
		}
		tickets <- struct{}{}
		group.Go(func() {
			play(i)
			<-tickets
		})
	}
	group.Wait()
	for i, s := range scenarios {
		if s.Alone && ctx.Err() == nil {
			play(i)
		}
	}
	p.again(ctx, scenarios, results)
	return results
}

// again plays once more, alone, the healthy scenarios that got no answer at all: a machine under load is not held against a
// proxy. A wrong answer is one, whatever the load.
func (p *Player) again(ctx context.Context, scenarios []*Scenario, results []Result) {
	for i := range results {
		if r := &results[i]; r.silent && scenarios[i].Healthy() && ctx.Err() == nil {
			if second := p.one(ctx, scenarios[i]); second.Right() {
				second.First = r.Got
				results[i] = second
			}
		}
	}
}

// one plays one scenario.
func (p *Player) one(ctx context.Context, s *Scenario) Result {
	r := Result{Scenario: s.Name, Group: s.Group.String(), Wanted: s.Want.String(), explains: p.Explains}
	if p.Skip != nil {
		r.Skipped = p.Skip(s)
	}
	if r.Skipped != "" {
		return r
	}
	began := time.Now()
	before := p.requests(s)
	answers, kept := p.answers(ctx, s)
	r.Took = time.Since(began)
	for i := range answers {
		r.judge(s, &answers[i])
	}
	r.Got = summary(answers)
	r.together(s, answers)
	r.poison(s, kept)
	if n := p.requests(s) - before; s.Want.Requests > 0 && n > s.Want.Requests {
		r.Broken = Wrong
		r.fail("the upstream got %d requests, and may get %d", n, s.Want.Requests)
	}
	r.Serving = Right
	if a, _ := p.answers(ctx, control); len(a) != 1 || a[0].Status != 200 || a[0].Body != okBody {
		r.Serving = Wrong
		r.fail("afterwards a healthy upstream was answered %s", summary(a))
	}
	r.Other = r.other(s, answers)
	if ctx.Err() != nil {
		return Result{Scenario: r.Scenario, Group: r.Group, Wanted: r.Wanted, Skipped: "the play was interrupted"}
	}
	return r
}

func (p *Player) requests(s *Scenario) int64 {
	if p.Requests == nil {
		return 0
	}
	return p.Requests(s)
}

// together judges what holds for all answers, not for each.
func (r *Result) together(s *Scenario, answers []reply) {
	r.silent = !slices.ContainsFunc(answers, func(a reply) bool { return a.Status != 0 })
	for status, least := range s.Want.AtLeast {
		n := 0
		for i := range answers {
			if answers[i].Status == status {
				n++
			}
		}
		if n < least {
			r.Status = Wrong
			r.fail("%d of %d answers were %d, not %d or more", n, len(answers), status, least)
		}
	}
}

// other reports whether all that is wrong is the number: one server error instead of another.
func (r *Result) other(s *Scenario, answers []reply) bool {
	if r.Status != Wrong || r.Type == Wrong || r.Broken == Wrong || r.Serving == Wrong || r.missing || slices.ContainsFunc(s.Want.Status, func(n int) bool { return n < 500 }) {
		return false
	}
	return !slices.ContainsFunc(answers, func(a reply) bool { return a.Status < 500 || a.Status > 504 || a.Broken != nil })
}

// control is the scenario by which a proxy shows that it still serves.
var control = &Scenario{Name: "ok", Want: good}

// answers asks what the scenario wants asked. kept has the octets that came, per connection.
func (p *Player) answers(ctx context.Context, s *Scenario) (answers []reply, kept []string) {
	times := max(1, s.Ask.Times)
	if s.Ask.Together {
		answers, kept = make([]reply, times), make([]string, times)
		var group sync.WaitGroup
		for i := range times {
			group.Go(func() {
				one := *s
				one.Ask.Times, one.Ask.Together = 1, false
				a, k := p.answers(ctx, &one)
				answers[i], kept[i] = a[0], strings.Join(k, "")
			})
		}
		group.Wait()
		return answers, kept
	}
	var c *client
	leave := func() {
		if c != nil {
			kept = append(kept, c.kept.String())
			_ = c.conn.Close()
		}
		c = nil
	}
	defer leave()
	ask := func(a *Ask) reply {
		if c == nil {
			var err error
			if c, err = connect(p.Address, p.Prefix); err != nil {
				return reply{Failed: err}
			}
		}
		conn := c.conn
		unwatch := context.AfterFunc(ctx, func() { _ = conn.Close() })
		got := c.ask(s, a)
		unwatch()
		if got.Failed != nil || got.Broken != nil || got.closes() || got.Status == 101 {
			leave()
		}
		return got
	}
	warm := Ask{}
	if s.Ask.Method == "HEAD" {
		warm.Method = "HEAD" // an upstream that answers HEAD sends no body
	}
	for range s.Ask.Warm {
		ask(&warm)
	}
	select {
	case <-time.After(s.Ask.Pause):
	case <-ctx.Done():
	}
	for range times {
		answers = append(answers, ask(&s.Ask))
	}
	leave()
	return answers, kept
}

func (r *Result) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(r.Wrong, text) {
		r.Wrong = append(r.Wrong, text)
	}
}

// worse keeps the worse of two marks.
func (m *Mark) worse(other Mark) { *m = max(*m, other) }

// judge compares one answer with what is wanted.
func (r *Result) judge(s *Scenario, a *reply) {
	w := &s.Want
	if slices.Contains(w.Status, a.Status) {
		r.Status.worse(Right)
	} else {
		r.Status.worse(Wrong)
		r.fail("status %s, not %s", a, w.statuses())
	}
	for _, field := range w.Fields {
		if name, value, _ := strings.Cut(field, ": "); a.Header.Get(name) != value {
			r.missing = true
			r.Status.worse(Wrong)
			r.fail("the header %q did not arrive", field)
		}
	}
	if a.Interim < w.Interim {
		r.Status.worse(Wrong)
		r.fail("%d interim answers came, not %d", a.Interim, w.Interim)
	}
	r.body(s, a)
	r.explained(s, a)
}

// body judges the answer's body.
func (r *Result) body(s *Scenario, a *reply) {
	w := &s.Want
	wanted := slices.Contains(w.Status, a.Status) && s.Ask.method() != "HEAD"
	success := a.Status != 0 && a.Status < 400
	switch {
	case a.Status == 0:
	case w.Cut && success && a.Broken == nil:
		r.Broken.worse(Wrong)
		r.fail("the broken body looks complete (%d bytes)", a.Size)
	case (w.Cut || w.MayCut) && success && a.Broken != nil:
		r.Broken.worse(Right)
	case a.Broken != nil:
		r.Broken.worse(Wrong)
		r.fail("the answer's body is broken: %v", a.Broken)
	case wanted && !(w.Cut && !success) && !strings.HasPrefix(a.Body, w.Body) && r.own(s, a):
		r.Broken.worse(Wrong)
		r.fail("the body begins %q, not %q", head(a.Body, 40), head(w.Body, 40))
	case wanted && success && w.Size > 0 && a.Size != w.Size:
		r.Broken.worse(Wrong)
		r.fail("the body has %d bytes, not %d", a.Size, w.Size)
	case wanted && success && w.Within > 0 && a.First > w.Within:
		r.Broken.worse(Wrong)
		r.fail("the first byte of the body came after %v", a.First.Round(time.Millisecond))
	}
}

// own reports whether the answer is the upstream's own, as far as its status tells: the gateway's own errors have bodies of
// their own, where the scenario allows them beside another status.
func (*Result) own(s *Scenario, a *reply) bool {
	return a.Status == s.Want.Status[0] || a.Status < 500
}

// explained judges the error in Proxy-Status, where the proxy sends one.
func (r *Result) explained(s *Scenario, a *reply) {
	kind, is := proxyError(a)
	switch {
	case !is && r.explains && len(s.Want.Types) > 0 && a.Status >= 500:
		r.Type.worse(Wrong)
		r.fail("there is no Proxy-Status, where %s belongs", s.Want.types())
	case !is:
	case kind == "" && len(s.Want.Types) > 0 && a.Status >= 500:
		r.Type.worse(Wrong)
		r.fail("Proxy-Status has no error, not %s", s.Want.types())
	case kind == "":
	case !slices.Contains(s.Want.typeNames(), kind):
		r.Type.worse(Wrong)
		r.fail("Proxy-Status says %s, not %s", kind, s.Want.types())
	default:
		r.Type.worse(Right)
	}
}

// proxyError gives the error of the last member of Proxy-Status, empty if it has none; false if there is no such field.
func proxyError(a *reply) (string, bool) {
	if a.Header == nil || a.Header.Get("Proxy-Status") == "" {
		return "", false
	}
	list, err := httpsfv.UnmarshalList(a.Header.Values("Proxy-Status"))
	if err != nil || len(list) == 0 {
		return "unreadable", true
	}
	item, ok := list[len(list)-1].(httpsfv.Item)
	if !ok {
		return "unreadable", true
	}
	switch v, _ := item.Params.Get("error"); v := v.(type) {
	case httpsfv.Token:
		return string(v), true
	case string:
		return v, true
	}
	return "", true
}

// poison looks for what must not have reached the client.
func (r *Result) poison(s *Scenario, kept []string) {
	if s.Want.Never == "" {
		return
	}
	for _, k := range kept {
		if strings.Contains(k, s.Want.Never) {
			r.Broken = Wrong
			r.fail("%q reached the client", s.Want.Never)
			return
		}
	}
	r.Broken.worse(Right)
}

// summary shows the answers, equal ones once.
func summary(answers []reply) string {
	var words []string
	for i := range answers {
		text := answers[i].String()
		if kind, _ := proxyError(&answers[i]); kind != "" {
			text += " " + kind
		}
		if !slices.Contains(words, text) {
			words = append(words, text)
		}
	}
	return strings.Join(words, "; ")
}

func (w *Want) statuses() string {
	var words []string
	for _, s := range w.Status {
		words = append(words, fmt.Sprint(s))
	}
	return strings.Join(words, " or ")
}

func (w *Want) typeNames() []string {
	var words []string
	for _, t := range w.Types {
		words = append(words, t.String())
	}
	return words
}

func (w *Want) types() string {
	if len(w.Types) == 0 {
		return "no error"
	}
	return strings.Join(w.typeNames(), " or ")
}
