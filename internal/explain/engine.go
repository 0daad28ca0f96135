package explain

import (
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/fault"
)

// engine is what is known so far of all sources. One goroutine has it.
type engine struct {
	ended    ended // the worker whose end was told last
	reasoned place // where a program told last why it failed
	grown    bool  // the lines that are taken were appended after their file had been opened
	o        *Options
	formats  []*Format // those that lines are offered to, and those of lines that were read loosely
	places   map[*Format]int
	files    []*File

	kinds   [formatsMax][KindNoise + 1]int64
	times   [formatsMax]span
	clients [fault.Causes]int64
	limits  [fault.Causes]*Format // whose limit refused requests, by cause
	lines   int64
	octets  int64
	unknown int64
	long    int64
	skipped int64
	span    span

	findings map[findingKey]*finding
	groups   map[groupKey]*group
	folded   int64 // faults whose group there was no room for
	faults   int64
	joined   int64 // lines that told of a fault that was counted already

	window    *window
	explained map[explainerKey]explainer
	events    events
	compared  int64 // how often an event was held against a fault
	markers   []MarkerSeen
	served    map[string]int64 // answers that ended well, by upstream, as far as lines name it
	markerCut bool
	route     []byte
	unjudged  []*Unjudged
	versions  map[string]string  // of products, as their logs say when they start, by family
	detailed  map[string]*Format // by family, a log that says who was asked and how long it took
}

// span is a time from the first to the last line that has one.
type span struct{ start, end time.Time }

func (s *span) add(start, end time.Time) {
	if start.IsZero() {
		return
	}
	if s.start.IsZero() || start.Before(s.start) {
		s.start = start
	}
	if end.After(s.end) {
		s.end = end
	}
}

// MarkerSeen is a start, stop or reload that a log tells of.
type MarkerSeen struct {
	Kind   string    `json:"kind"`
	Time   time.Time `json:"time"`
	Format string    `json:"format"`
	File   string    `json:"file"`
	Line   int       `json:"line"`
	Text   string    `json:"text"`

	role Role
}

// markersMax bounds the markers kept: those that come later are left out.
const markersMax = 512

func newEngine(o *Options) *engine {
	g := &engine{
		o: o, places: map[*Format]int{}, findings: map[findingKey]*finding{}, groups: map[groupKey]*group{}, window: newWindow(),
		explained: map[explainerKey]explainer{}, served: map[string]int64{},
		versions: map[string]string{}, detailed: map[string]*Format{},
	}
	g.formats = o.Formats
	if len(o.Formats) > 1 {
		g.formats = append(slices.Clone(o.Formats), looseFormats...)
	}
	for i, f := range g.formats[:min(len(g.formats), formatsMax)] {
		g.places[f] = i
	}
	return g
}

// tally adds the counts of a block.
func (g *engine) tally(f *feed, b *block) {
	f.file.Lines += int64(b.lines)
	f.file.Octets += b.octets
	f.file.Unknown += int64(b.unknown)
	f.file.Long += int64(b.long)
	g.lines += int64(b.lines)
	g.octets += b.octets
	g.unknown += int64(b.unknown)
	g.long += int64(b.long)
	g.skipped += int64(b.skipped)
	g.span.add(b.start, b.end)
	g.takeUnjudged(b, f.file)
	for i := range g.formats[:min(len(g.formats), formatsMax)] {
		any := false
		for k, n := range b.kinds[i] {
			g.kinds[i][k] += int64(n)
			any = any || n > 0
		}
		if any {
			g.times[i].add(b.start, b.end)
		}
	}
	for name, n := range b.served {
		if _, ok := g.served[name]; ok || len(g.served) < servedMax {
			g.served[name] += *n
		}
	}
	for c, n := range b.causes {
		g.clients[c] += int64(n)
		if b.limits[c] != nil {
			g.limits[c] = b.limits[c]
		}
	}
}

// ended is the worker whose end an application told of last.
type ended struct {
	product string
	worker  uint64
	at      time.Time
}

// sameWorker reports whether a line tells once more of the end of a worker whose end was told just before: gunicorn kills one that
// is over its time limit, and says both.
func (g *engine) sameWorker(r *record, t time.Time) bool {
	if r.Conn == 0 {
		return false
	}
	last := g.ended
	g.ended = ended{r.format.Product, r.Conn, t}
	return r.Again && last.worker == r.Conn && last.product == r.format.Product && within(t.Sub(last.at), nearGap)
}

// exitNear is how many lines a supervisor's word of an exit may stand behind the reason for it: a few more tries lie between.
const exitNear = 12

// onlyExit reports whether a line says no more than that a program ended, and the reason was told just before.
func (g *engine) onlyExit(r *record, at place) bool {
	return r.read != nil && strings.HasPrefix(r.read.Text, "exited with code") && at.file == g.reasoned.file && at.line-g.reasoned.line <= exitNear
}

// take takes one record: a marker, what an application or a system tells, or a proxy's fault.
func (g *engine) take(r *record, file *File, t time.Time) {
	at := place{file, r.line}
	if r.Marker != MarkerNone {
		g.mark(r, at, t)
	}
	if r.Kind != KindFault {
		return
	}
	if r.Took >= 0 && r.Status != 0 && len(r.Upstream) > 0 && !r.Bare {
		g.detailed[advice.FamilyOf(r.format.Product)] = r.format
	}
	if r.format.Role != RoleProxy {
		if g.sameWorker(r, t) || g.onlyExit(r, at) {
			return
		}
		g.reasoned = at
		r.story = advice.StoryOf(r.format.Product, r.verdict.Cause, r.text)
		g.faults++
		g.count(r, at, t)
		g.happened(r, at, t)
		g.tell(r, file, t)
		return
	}
	r.story = advice.StoryOf(r.format.Product, r.verdict.Cause, r.text)
	j := g.join(r, at, t)
	if j.counted {
		return
	}
	g.faults++
	f, group := g.count(r, at, t)
	g.symptom(f, t)
	s := seen{
		keys: j.keys, at: t, finding: f, group: group, outcome: r.Status != 0, joined: j.joined, answered: j.joined, bare: r.Bare, open: open(r),
		head: r.verdict.Stage == fault.Head, clocked: !r.Time.IsZero(), place: at, more: r.more, lasted: r.lasted(),
		said: g.window.hash(r.Said), process: r.Process, starting: r.story.Unlogged(), product: r.format.Product, requestless: r.requestless(),
	}
	if s.tried[0] = g.window.hash(r.Upstream); s.starting {
		s.tried[0] = s.said
	}
	if s.starting {
		g.reasoned = at
	}
	g.lookBack(&s)
	if standing(r.verdict.Cause) && r.requestless() {
		g.happened(r, at, t)
	}
	g.window.add(s)
	g.tell(r, file, t)
}

// waitUnsaid is how long a request that timed out is taken to have waited where its line does not say: most timers' default.
const waitUnsaid = 60 * time.Second

// lasted gives how long the request had waited when it failed.
func (r *record) lasted() time.Duration {
	switch {
	case r.verdict.Cause != fault.CauseHeadTimeout && r.verdict.Cause != fault.CauseConnectTimeout && r.verdict.Cause != fault.CauseWorkerTimeout:
		return 0
	case r.Took > 0:
		return r.Took
	}
	return waitUnsaid
}

// tell passes a fault on as it comes.
func (g *engine) tell(r *record, file *File, t time.Time) {
	if g.o.Seen == nil {
		return
	}
	v := r.Evidence
	if v.Endpoint == "" || v.Endpoint == "unix:" {
		v.Endpoint = clip(r.Upstream, nameMax)
	}
	g.o.Seen(&Seen{File: file.Name, Line: r.line, At: t, Format: r.format, Entry: &r.Entry, Sentence: r.format.sentence(r.verdict, &v), Grown: g.grown})
}

// markerApart is how far apart the lines of one start, stop or reload may be.
const markerApart = 5 * time.Second

// within reports whether a distance in time is at most so long, to either side: a clock may go back, and a log may hold
// lines of another day.
func within(gap, most time.Duration) bool { return gap >= -most && gap <= most }

// mark notes a marker. Neighbours of a kind (a reload's many lines) are one.
func (g *engine) mark(r *record, at place, t time.Time) {
	if v := versionIn(r.Said); v != "" && len(g.versions) < formatsMax {
		g.versions[advice.FamilyOf(r.format.Product)] = v
	}
	if n := len(g.markers); n > 0 {
		last := &g.markers[n-1]
		if last.Kind == r.Marker.String() && last.Format == r.format.Name && within(t.Sub(last.Time), markerApart) {
			return
		}
	}
	if len(g.markers) == markersMax {
		g.markerCut = true
		return
	}
	g.markers = append(g.markers, MarkerSeen{
		Kind: r.Marker.String(), Time: t, Format: r.format.Name, File: at.file.Name, Line: at.line, Text: clip(r.Said, 200), role: r.format.Role,
	})
}

// symptomGap is how long after an endpoint's failures its being out of service is explained by them: nginx's fail_timeout
// is 10 s by default, and it begins again with each try.
const symptomGap = 15 * time.Second

// symptomKind is a kind of fault that something else explains.
type symptomKind uint8

const (
	symptomNone        symptomKind = iota
	symptomUnavailable             // nobody was left: the endpoints had failed before
	symptomUnresolved              // no name server answered: its port is closed
)

// explainer is the last fault that explains a kind of symptom.
type explainer struct {
	finding *finding
	at      time.Time
}

// explainerKey is whose fault, of what it is the explanation, and on which route; the route is empty for any.
type explainerKey struct {
	family string
	kind   symptomKind
	route  string
}

// explainersMax bounds the routes for which explanations are remembered.
const explainersMax = 1024

// symptom counts a fault that only follows from another, where one that explains it came just before.
func (g *engine) symptom(f *finding, t time.Time) {
	family := advice.FamilyOf(f.key.product)
	route := string(g.route) // of the record that was counted just now
	if kind := explains(f.key.cause); kind != symptomNone {
		if len(g.explained) >= explainersMax {
			clear(g.explained)
		}
		g.explained[explainerKey{family, kind, route}] = explainer{f, t}
		g.explained[explainerKey{family, kind, ""}] = explainer{f, t}
	}
	kind := symptomOf(f.key.cause)
	if kind == symptomNone {
		return
	}
	by, ok := g.explained[explainerKey{family, kind, route}]
	if !ok || !within(t.Sub(by.at), symptomGap) {
		by, ok = g.explained[explainerKey{family, kind, ""}]
	}
	if ok && within(t.Sub(by.at), symptomGap) {
		if f.explainers == nil {
			f.explainers = map[*finding]int64{}
		}
		f.explainers[by.finding]++
	}
}

// symptomOf gives the kind of symptom that a cause may be.
func symptomOf(c fault.Cause) symptomKind {
	switch c {
	case fault.CauseNobodyAvailable, fault.CauseCircuitOpen:
		return symptomUnavailable
	case fault.CauseDNSTimeout:
		return symptomUnresolved
	}
	return symptomNone
}

// explains gives the kind of symptom that a cause leads to: a failure that counts against an endpoint takes it out of
// service.
func explains(c fault.Cause) symptomKind {
	f := fault.Fault{Cause: c, Type: c.Entry().Type, Stage: fault.FirstByte}
	switch {
	case c == fault.CauseDNSUnreachable:
		return symptomUnresolved
	case c == fault.CauseUnknown || symptomOf(c) != symptomNone || f.Type == fault.TypeDNSError || f.Type == fault.TypeDNSTimeout || !f.ByUpstream():
		return symptomNone
	}
	return symptomUnavailable
}

// explainedBy gives the finding that explains most of a symptom, nil where at least half is not explained at all.
func (f *finding) explainedBy() *finding {
	var most *finding
	var all int64
	for by, n := range f.explainers {
		all += n
		if most == nil || n > f.explainers[most] || n == f.explainers[most] && by.key.cause < most.key.cause {
			most = by
		}
	}
	if all*2 < f.count {
		return nil
	}
	return most
}
