package diagnose

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/words"
)

// Race is the request again after growing pauses: a gateway, or what is before it, then uses connections that were idle for so long.
type Race struct {
	Why    string  `json:"why"` // what made it worth asking
	Pauses []Pause `json:"pauses"`
}

// Pause is a request that came so long after the one before.
type Pause struct {
	After    Millis    `json:"after_ms"`
	Exchange *Exchange `json:"exchange"`
}

// The pauses: few and short where only a hint asks for them, longer where somebody is patient. A run's requests bound their number, and
// its budget their time.
var (
	shortPauses   = []time.Duration{400 * time.Millisecond, time.Second, 2 * time.Second}
	patientPauses = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second}
)

// Bounds of the pauses.
const (
	PatientBudget = 75 * time.Second       // what a patient run may take beside its budget: the pauses, one of them twice, and the answers
	keptShort     = 2 * time.Second        // an announced time from which on it is worth asking without patience
	raceBefore    = 20 * time.Millisecond  // how long before its announced end a connection is used
	raceAfter     = 150 * time.Millisecond // what is left for the answer when the budget is near its end
	pausesMax     = 9
)

// announced is how long a server says that it keeps an idle connection (Keep-Alive: timeout=5), 0 if it does not say.
func (x *Exchange) announced() time.Duration {
	if !x.answered() {
		return 0
	}
	for part := range strings.SplitSeq(x.field("Keep-Alive"), ",") {
		if value, is := strings.CutPrefix(strings.ToLower(strings.TrimSpace(part)), "timeout="); is {
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && n > 0 && n < 3600 {
				return time.Duration(n) * time.Second
			}
		}
	}
	return 0
}

// raceWorth says why it is worth asking after pauses, and gives the pauses; empty where it is not. It waits for what upstreams say.
func (w *walker) raceWorth(ctx context.Context) (why string, pauses []time.Duration) {
	select {
	case <-w.walked:
	case <-ctx.Done():
		return "", nil
	}
	keeps, who := w.walk.main().announced(), w.walk.Target.label()
	for _, up := range w.report.Upstreams {
		if k := up.main().announced(); k > 0 && (keeps == 0 || k < keeps) {
			keeps, who = k, up.Target.label()
		}
	}
	a := w.walk.Again
	switch {
	case w.o.Patient:
		why, pauses = "--patient", patientPauses
	case keeps > 0 && keeps <= keptShort:
		why, pauses = fmt.Sprintf("%s keeps an idle connection for %v by its own word", who, keeps), shortPauses
	case a != nil && a.Pattern == Sometimes && a.closes():
		why, pauses = "some connections were closed before the answer", shortPauses
	default:
		return "", nil
	}
	if last := pauses[len(pauses)-1]; keeps > 0 && keeps <= last {
		pauses = append([]time.Duration{keeps - raceBefore, keeps}, pauses...)
	}
	return why, pauses
}

// closes reports whether a repeated request was ended before its answer, or a gateway says that its own was.
func (a *Again) closes() bool {
	for _, x := range a.Exchanges {
		e := x.Evidence
		if e.Got == 0 && (e.End == fault.Closed || e.End == fault.Reset) || x.Status == 502 {
			return true
		}
	}
	return false
}

// probeRace asks again after pauses, nil where it is not worth it. A pause after which it failed is made twice.
func (w *walker) probeRace(ctx context.Context) *Race {
	main := w.walk.main()
	if w.walk.Target.Upstream || !w.o.safe() || w.o.count() == 0 || !main.answered() || failed(main) {
		return nil
	}
	why, pauses := w.raceWorth(ctx)
	if why == "" {
		return nil
	}
	r := &Race{Why: why}
	for i := 0; i < len(pauses) && len(r.Pauses) < pausesMax; i++ {
		if w.tally.sent(w.walk.Target.label()) >= requestsMax || w.client.left() < pauses[i]+raceAfter || ctx.Err() != nil {
			break
		}
		select {
		case <-time.After(pauses[i]):
		case <-ctx.Done():
			return r
		}
		x := w.client.ask(query{label: "after a pause of " + pauses[i].String(), method: w.o.method(), kept: true})
		if x.cut {
			break
		}
		again := len(r.Pauses) > 0 && r.Pauses[len(r.Pauses)-1].After == Millis(pauses[i])
		r.Pauses = append(r.Pauses, Pause{Millis(pauses[i]), x})
		if failed(x) && !again {
			i--
		}
	}
	return r
}

// failed gives the pauses after which it failed.
func (r *Race) failed() (all []Pause) {
	for _, p := range r.Pauses {
		if failed(p.Exchange) {
			all = append(all, p)
		}
	}
	return all
}

// judgeRace: without a pause all is answered, and after one it fails.
func judgeRace(w *Walk) *finding {
	if w.Race == nil || w.Again != nil && w.Again.Failed > 0 {
		return nil
	}
	bad := w.Race.failed()
	if len(bad) == 0 {
		return nil
	}
	x := bad[0].Exchange
	what := fmt.Sprintf("with %d", x.Status)
	if x.broken() {
		what = "by " + lowerFirst(fault.Fault{Cause: x.Cause}.Title())
	}
	var pauses []string
	for _, p := range bad {
		pauses = append(pauses, mono.Words(time.Duration(p.After)))
	}
	asked := 1
	if w.Again != nil {
		asked = w.Again.Asked
	}
	f := &finding{
		cause: fault.CauseKeepaliveRace, kind: fault.TypeConnectionTerminated, confidence: Likely, evidence: x.Evidence,
		sentence: fmt.Sprintf("%s fails after a pause, %s: %d of %d requests that came later than the one before them, and none of %d that came at once", w.Target.label(), what, len(bad), len(w.Race.Pauses), asked),
		proof:    []string{"it failed after pauses of " + words.List(pauses, 4) + ": a connection that was idle for so long is closed, or forgotten by a firewall, as it is used again"},
		pattern:  fmt.Sprintf("after a pause, %d of %d", len(bad), len(w.Race.Pauses)),
	}
	if len(bad) < 2 {
		f.confidence = Possible
	}
	if k := w.main().announced(); k > 0 {
		f.proof = append(f.proof, fmt.Sprintf("it announces Keep-Alive: timeout=%d", int(k.Seconds())))
	}
	return f
}

func raceStep(r *Race) Step {
	s := Step{Name: "pauses"}
	for _, p := range r.Pauses {
		s.Took += p.After + p.Exchange.Took
	}
	if bad := r.failed(); len(bad) > 0 {
		s.Mark, s.Cause = Failed, fault.CauseKeepaliveRace
		s.Text = fmt.Sprintf("it fails %d of %d times after a pause", len(bad), len(r.Pauses))
		return s
	}
	var longest Millis
	for _, p := range r.Pauses {
		longest = max(longest, p.After)
	}
	s.Text = fmt.Sprintf("%s after pauses of up to %s are answered alike", words.Count(len(r.Pauses), "request"), mono.Words(time.Duration(longest)))
	return s
}
