package explain

import (
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/fault"
)

// Bounds of what is kept: a log may have any number of paths, upstreams and times.
const (
	groupsMax   = 8192
	findingsMax = 512
	burstsMax   = 256
	nearMax     = 4
	textMax     = 600 // octets of an example
	nameMax     = 80  // octets of an upstream's name
)

// groupKey is what makes faults one group.
type groupKey struct {
	finding  *finding
	upstream string
	route    string
}

// group is the faults of one cause at one upstream and one route.
type group struct {
	finding  *finding
	upstream string
	route    string
	count    int64
	first    time.Time
	last     time.Time
	example  place
	rate     series
}

// findingKey is what makes groups one finding: who said what. Lines that cannot tell are apart from those that can.
type findingKey struct {
	product    string
	by         By
	cause      fault.Cause
	candidates uint64
	story      advice.Story
}

// place is where a line stands.
type place struct {
	file *File
	line int
}

// finding is the faults of one cause, as one product tells of it.
type finding struct {
	key         findingKey
	format      *Format // of the example
	candidates  []fault.Cause
	count       int64
	saved       int64 // of them, those that the client did not see: another attempt was answered well
	first       time.Time
	last        time.Time
	firstLine   place
	rate        series
	example     place
	said        string
	raw         string
	path        string
	module      string // of nginx
	requestless bool   // its lines name no request
	contained   bool   // its line looks as if its program ran in a container
	verdict     fault.Fault
	evidence    fault.Evidence
	waits       waits
	idle        idle
	bursts      []int64 // when each began, in seconds
	burstLast   int64
	burstMany   bool // there were more than burstsMax
	statuses    [6]statusCount
	near        []nearCount
	explainers  map[*finding]int64 // of a symptom: what came just before it, how often
}

type statusCount struct {
	status int
	count  int64
}

// nearCount is how many faults of a finding were within seconds of what an application's or a system's log tells, or within
// lines of it where there is no clock.
type nearCount struct {
	cause  fault.Cause
	count  int64
	said   string
	at     place
	by     Nearness
	system bool // the kernel or the service manager tells it

	product string // whose log tells it
}

// waits counts how long exchanges had taken when they failed.
type waits struct {
	known    int64
	least    time.Duration
	most     time.Duration
	seconds  [waitsMax + 1]uint32 // within waitSlip of that many whole seconds
	under100 int64                // faster than 100 ms
}

// waitsMax is the longest time that is looked at for being a round number, in seconds; waitSlip is how far from it a
// timer's end may be logged.
const (
	waitsMax  = 600
	waitEarly = 15 * time.Millisecond
	waitSlip  = 120 * time.Millisecond
)

func (w *waits) add(d time.Duration) {
	if d < 0 {
		return
	}
	if w.known == 0 || d < w.least {
		w.least = d
	}
	w.most = max(w.most, d)
	w.known++
	if d < 100*time.Millisecond {
		w.under100++
	}
	whole := (d + waitEarly) / time.Second
	if whole >= 1 && whole <= waitsMax && d+waitEarly-whole*time.Second <= waitEarly+waitSlip {
		w.seconds[whole]++
	}
}

// typical gives how long nearly all exchanges had taken, 0 where they differ.
func (w *waits) typical() time.Duration {
	if second, share := w.top(); share >= roundLeast {
		return time.Duration(second) * time.Second
	}
	if w.known > 0 && w.least >= waitsMax*time.Second && w.most-w.least <= time.Second { // longer than is counted by seconds
		return w.most.Round(time.Second)
	}
	return 0
}

// idle is how long reused connections had been idle.
type idle struct {
	count       int64
	least, most time.Duration
}

func (i *idle) add(d time.Duration) {
	if i.count == 0 || d < i.least {
		i.least = d
	}
	i.most = max(i.most, d)
	i.count++
}

// burstGap is how long nothing must have failed for the next fault to begin another burst, in seconds.
const burstGap = 45

// count adds the record to its finding and its group, both made where they are new, and gives them. The group is nil
// where there are too many.
func (g *engine) count(r *record, at place, t time.Time) (*finding, *group) {
	f := g.findingOf(r)
	if f.count == 0 {
		f.example, f.firstLine = at, at
		f.first, f.last = t, t
		f.keepExample(r)
		f.requestless = true
	}
	f.requestless = f.requestless && r.requestless()
	f.count++
	if t.Before(f.first) {
		f.first, f.firstLine = t, at
	}
	if t.After(f.last) {
		f.last = t
	}
	f.wait(r)
	if r.Evidence.Reused {
		f.idle.add(r.Evidence.Idle)
	}
	if r.Status != 0 {
		f.answered(r.Status)
		if r.Status < 500 && r.Attempts > 1 && r.verdict.Stage < fault.Body {
			f.saved++
		}
	}
	if !t.IsZero() {
		f.rate.add(t.Unix(), 1)
		f.burst(t.Unix())
	}
	return f, g.groupOf(f, r, at, t)
}

// wait notes how long the exchange had taken, by the finest that the line has.
func (f *finding) wait(r *record) {
	v := &r.Evidence
	var sum time.Duration
	if int(v.Stage) < fault.Stages {
		for s := fault.Resolve; s <= v.Stage; s++ {
			sum += v.Spent[s]
		}
	}
	switch {
	case sum > 0:
		f.waits.add(sum)
	case r.Took >= 0:
		f.waits.add(r.Took)
	}
}

// answered counts what clients were told.
func (f *finding) answered(status int) {
	for i := range f.statuses {
		s := &f.statuses[i]
		if s.status == status || s.status == 0 {
			s.status = status
			s.count++
			return
		}
	}
}

func (f *finding) burst(t int64) {
	if len(f.bursts) == 0 || t-f.burstLast > burstGap {
		if len(f.bursts) < burstsMax {
			f.bursts = append(f.bursts, t)
		} else {
			f.burstMany = true
		}
	}
	f.burstLast = max(f.burstLast, t)
}

// keepExample copies what the report shows of a line.
func (f *finding) keepExample(r *record) {
	f.format = r.format
	f.said, f.raw = clip(r.Said, textMax), clip(r.text, textMax)
	if f.said == "" {
		f.said = f.raw
	}
	f.path, f.module = clip(r.Path, textMax), r.module
	f.contained = contained(r)
	f.verdict, f.evidence = r.verdict, r.Evidence
	if f.evidence.Endpoint == "" || f.evidence.Endpoint == "unix:" {
		f.evidence.Endpoint = clip(r.Upstream, nameMax)
	}
	f.evidence.Addr = strings.Clone(f.evidence.Addr)
	f.evidence.Field = strings.Clone(f.evidence.Field)
	f.evidence.Detail = strings.Clone(f.evidence.Detail)
	f.evidence.Sample = slices.Clone(f.evidence.Sample)
}

// clip copies at most limit octets.
func clip(b []byte, limit int) string {
	if len(b) > limit {
		return string(b[:limit]) + "..."
	}
	return string(b)
}

func (g *engine) findingOf(r *record) *finding {
	key := findingKey{product: r.format.Product, by: r.By, cause: r.verdict.Cause, candidates: setOf(r.Candidates), story: r.story}
	f := g.findings[key]
	switch {
	case f != nil:
		return f
	case len(g.findings) >= findingsMax:
		key = findingKey{product: r.format.Product, cause: fault.CauseUnknown}
		if f = g.findings[key]; f != nil {
			return f
		}
	}
	f = &finding{key: key, candidates: slices.Clone(r.Candidates)}
	g.findings[key] = f
	return f
}

// setOf gives a number for a list of causes, in which the order counts.
func setOf(causes []fault.Cause) uint64 {
	if len(causes) == 0 {
		return 0
	}
	h := uint64(14695981039346656037)
	for _, c := range causes {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

func (g *engine) groupOf(f *finding, r *record, at place, t time.Time) *group {
	g.route = appendRoute(g.route[:0], r.Path)
	key := groupKey{f, string(r.Upstream[:min(len(r.Upstream), nameMax)]), string(g.route)}
	p := g.groups[key]
	if p == nil {
		if len(g.groups) >= groupsMax {
			g.folded++
			return nil
		}
		p = &group{finding: f, upstream: key.upstream, route: key.route, first: t, last: t, example: at}
		g.groups[key] = p
	}
	p.count++
	if t.Before(p.first) {
		p.first = t
	}
	if t.After(p.last) {
		p.last = t
	}
	if !t.IsZero() {
		p.rate.add(t.Unix(), 1)
	}
	return p
}
