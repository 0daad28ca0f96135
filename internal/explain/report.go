package explain

import (
	"cmp"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/redact"
)

// Report is what the logs tell, ready to be shown. Its JSON is described in docs/explain.md, and stable: keys may be
// added, none changes its meaning.
type Report struct {
	Version  int           `json:"version"`
	First    *time.Time    `json:"first"`
	Last     *time.Time    `json:"last"`
	Lines    int64         `json:"lines"`
	Octets   int64         `json:"octets"`
	Unknown  int64         `json:"unknown"`
	Long     int64         `json:"long"`
	Skipped  int64         `json:"skipped"`
	Joined   int64         `json:"joined"`
	Faults   int64         `json:"faults"`
	Others   int64         `json:"others"`
	Findings []*Finding    `json:"findings"`
	Clients  []ClientCount `json:"clients"`
	Formats  []FormatCount `json:"formats"`
	Files    []*File       `json:"files"`
	Markers  []MarkerSeen  `json:"markers"`
	Unjudged []Unjudged    `json:"unjudged"` // lines that look as if something failed, and that nobody could judge; at most 8 shapes
}

// Finding is one cause as one product's log tells of it, with what there is to do about it there.
type Finding struct {
	Cause      fault.Cause    `json:"cause"`
	Title      string         `json:"title"`
	Family     fault.Family   `json:"family"`
	Type       fault.Type     `json:"type"`
	By         string         `json:"by"`
	Product    string         `json:"product"`
	Count      int64          `json:"count"`
	Share      float64        `json:"share"`
	Saved      int64          `json:"saved"`
	Confidence Confidence     `json:"confidence"`
	Sentence   string         `json:"sentence"`
	SymptomOf  fault.Cause    `json:"symptom_of,omitempty"` // CauseNone for none
	First      *time.Time     `json:"first"`
	Last       *time.Time     `json:"last"`
	Rate       []int          `json:"rate"`
	Statuses   []StatusShown  `json:"statuses"`
	Upstreams  []Share        `json:"upstreams"`
	Routes     []Share        `json:"routes"`
	Groups     []Group        `json:"groups"`
	Patterns   []Pattern      `json:"patterns"`
	Candidates []Candidate    `json:"candidates"`
	Confirmed  []Confirmation `json:"confirmed"`
	Example    Example        `json:"example"`
	Proof      []string       `json:"proof"`
	Advice     []string       `json:"advice"`
	OfItself   bool           `json:"of_itself,omitempty"` // the lines are about the program and about no request
	Check      string         `json:"check"`               // the one command or line of a log that would make it certain
	Better     string         `json:"better,omitempty"`
	Lacks      string         `json:"lacks,omitempty"`

	source   *finding
	by       *finding // of a symptom: what explains it
	proxy    bool
	decider  *nearCount
	explains bool // an application's or a system's lines, which another finding has for its proof
}

// Confidence is how sure a finding is.
type Confidence string

// Certain: the lines say it. Likely: they leave several causes open, and other lines or a pattern decide. Open: nothing
// decides; the cause is the likeliest of the candidates.
const (
	Certain Confidence = "certain"
	Likely  Confidence = "likely"
	Open    Confidence = "open"
)

// Share is a name with how many of the faults are its.
type Share struct {
	Name  string  `json:"name"`
	Count int64   `json:"count"`
	Share float64 `json:"share"`
}

// StatusShown is a status that clients were given, with how many.
type StatusShown struct {
	Status int   `json:"status"`
	Count  int64 `json:"count"`
}

// Group is the faults of a finding at one upstream and one route.
type Group struct {
	Upstream string     `json:"upstream"`
	Route    string     `json:"route"`
	Count    int64      `json:"count"`
	Share    float64    `json:"share"`
	First    *time.Time `json:"first"`
	Last     *time.Time `json:"last"`
	Rate     []int      `json:"rate"`
	File     string     `json:"file"`
	Line     int        `json:"line"`
}

// Candidate is a cause that the lines may stand for as well, with what would tell it from the others.
type Candidate struct {
	Cause fault.Cause `json:"cause"`
	Title string      `json:"title"`
	Tells string      `json:"tells"`
}

// Nearness is how another log's line came with the faults.
type Nearness string

// NearSeconds: within 2 s of them. NearRequest: while their requests waited. NearLines: within 10 lines of them in one log,
// where one of the two lines has no clock. NearMinute: in the minute before them, of a state that lasts.
const (
	NearSeconds Nearness = "seconds"
	NearRequest Nearness = "request"
	NearLines   Nearness = "lines"
	NearMinute  Nearness = "minute"
)

// Confirmation is another log's line that came with the faults.
type Confirmation struct {
	Cause fault.Cause `json:"cause"`
	Count int64       `json:"count"`
	Of    int64       `json:"of"`
	Text  string      `json:"text"`
	File  string      `json:"file"`
	Line  int         `json:"line"`
	Near  Nearness    `json:"near"`
}

// Example is one line of a finding.
type Example struct {
	Format string `json:"format"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Text   string `json:"text"` // the message, or the request
	Raw    string `json:"raw"`  // the whole line without its carriers, with what is secret masked
}

// ClientCount is how many requests ended by the client's doing; the cause is empty for what the log does not say. Where it was
// a limit of the proxy's configuration that refused them, there is what to do about it.
type ClientCount struct {
	Cause   string   `json:"cause"`
	Title   string   `json:"title"`
	Count   int64    `json:"count"`
	Product string   `json:"product,omitempty"` // whose limit it was
	Advice  []string `json:"advice,omitempty"`
}

// ownLimit reports whether a request is refused with the cause for a limit that a configuration sets: then the client is not
// the only one who can do something about it.
func ownLimit(c fault.Cause) bool {
	return c == fault.CauseRequestBodyTooLarge || c == fault.CauseRequestHeadTooLarge || c == fault.CauseRequestTargetTooLong
}

// FormatCount is what was read of one format.
type FormatCount struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Product string `json:"product"`
	Lines   int64  `json:"lines"`
	Faults  int64  `json:"faults"`
	Client  int64  `json:"client"`
	OK      int64  `json:"ok"`
	Noise   int64  `json:"noise"`
}

// Bounds of a report: what is beyond them is in the counts only.
const (
	rateBins     = 48
	sharesMax    = 10
	findingsKept = 64
	groupsShown  = 50
)

// report puts together what is known so far.
func (g *engine) report() *Report {
	r := &Report{
		Version: 1, First: moment0(g.span.start), Last: moment0(g.span.end), Lines: g.lines, Octets: g.octets, Unknown: g.unknown,
		Long: g.long, Skipped: g.skipped, Joined: g.joined, Faults: g.faults, Others: g.folded,
		Findings: []*Finding{}, Clients: []ClientCount{}, Formats: []FormatCount{}, Files: g.files, Markers: g.markers, Unjudged: g.showUnjudged(),
	}
	if r.Markers == nil {
		r.Markers = []MarkerSeen{}
	}
	groups := map[*finding][]*group{}
	for _, p := range g.groups {
		if p.count > 0 {
			groups[p.finding] = append(groups[p.finding], p)
		}
	}
	for _, f := range g.findings {
		if f.count > 0 {
			r.Findings = append(r.Findings, g.show(f, groups[f]))
		}
	}
	r.relate()
	g.countLines(r)
	return r
}

// Understood reports whether at least one line could be read: it was of a format, or of one and before the time that was
// asked for. A report on nothing says nothing, least of all that nothing failed.
func (r *Report) Understood() bool { return len(r.Formats) > 0 || r.Skipped > 0 }

// moment0 gives nil for the zero time.
func moment0(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// countLines fills in what was read of each format, and what clients did.
func (g *engine) countLines(r *Report) {
	for i, f := range g.formats[:min(len(g.formats), formatsMax)] {
		k := &g.kinds[i]
		c := FormatCount{Name: f.Name, Title: f.Title, Product: f.Product, Faults: k[KindFault], Client: k[KindClient], OK: k[KindOK], Noise: k[KindNoise]}
		if c.Lines = c.Faults + c.Client + c.OK + c.Noise + k[KindUnknown]; c.Lines > 0 {
			r.Formats = append(r.Formats, c)
		}
	}
	slices.SortStableFunc(r.Formats, func(a, b FormatCount) int { return cmp.Compare(b.Lines, a.Lines) })
	var client int64
	for _, c := range r.Formats {
		client += c.Client
	}
	for c, n := range g.clients {
		client -= n
		if n > 0 {
			e := fault.Cause(c).Entry()
			count := ClientCount{Cause: e.Slug, Title: e.Title, Count: n}
			if fault.Cause(c) == fault.CauseNone {
				count.Cause, count.Title = "", "Other 4xx"
			}
			if f := g.limits[c]; f != nil {
				count.Product, count.Advice = f.Product, advice.For(f.Product, fault.Cause(c))
			}
			r.Clients = append(r.Clients, count)
		}
	}
	if client > 0 { // those that a quick look counted: 401, 403, 404
		r.addOther4xx(client)
	}
	slices.SortStableFunc(r.Clients, func(a, b ClientCount) int { return cmp.Compare(b.Count, a.Count) })
}

func (r *Report) addOther4xx(n int64) {
	for i := range r.Clients {
		if r.Clients[i].Cause == "" {
			r.Clients[i].Count += n
			return
		}
	}
	r.Clients = append(r.Clients, ClientCount{Title: "Other 4xx", Count: n})
}

// show makes a finding ready to be shown.
func (g *engine) show(f *finding, groups []*group) *Finding {
	s := &Finding{
		By: f.key.by.String(), Product: f.key.product, Count: f.count, Saved: f.saved, First: moment0(f.first), Last: moment0(f.last),
		Statuses: []StatusShown{}, Groups: []Group{}, Confirmed: []Confirmation{}, Candidates: []Candidate{}, Patterns: []Pattern{},
		Cause: f.key.cause, source: f, proxy: f.format.Role == RoleProxy,
	}
	for _, c := range f.statuses {
		if c.count > 0 {
			s.Statuses = append(s.Statuses, StatusShown{c.status, c.count})
		}
	}
	slices.SortStableFunc(s.Statuses, func(a, b StatusShown) int { return cmp.Compare(b.Count, a.Count) })
	s.Upstreams = sharesOf(groups, f.count, func(p *group) string { return p.upstream })
	s.Routes = sharesOf(groups, f.count, func(p *group) string { return p.route })
	s.Rate = f.rate.over(g.span.start, g.span.end, rateBins)
	g.showGroups(s, f, groups)
	g.decide(s, f)
	s.Patterns = append(s.Patterns, g.patterns(s, f)...)
	s.Example = Example{Format: f.format.Name, File: f.example.file.Name, Line: f.example.line, Text: redact.Line(f.said), Raw: redact.Line(f.raw)}
	if f.format.Product == "haproxy" {
		s.Example.Text, s.Example.Raw = maskCaptured(s.Example.Text), maskCaptured(s.Example.Raw)
	}
	g.describe(s, f)
	return s
}

func (g *engine) showGroups(s *Finding, f *finding, groups []*group) {
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.upstream, b.upstream), cmp.Compare(a.route, b.route))
	})
	for _, p := range groups[:min(len(groups), groupsShown)] {
		s.Groups = append(s.Groups, Group{
			Upstream: p.upstream, Route: p.route, Count: p.count, Share: shareOf(p.count, f.count), First: moment0(p.first), Last: moment0(p.last),
			Rate: p.rate.over(g.span.start, g.span.end, rateBins), File: p.example.file.Name, Line: p.example.line,
		})
	}
}

// sharesOf sums the groups by a name, the largest first.
func sharesOf(groups []*group, of int64, name func(*group) string) []Share {
	sums := map[string]int64{}
	for _, p := range groups {
		if n := name(p); n != "" {
			sums[n] += p.count
		}
	}
	out := make([]Share, 0, len(sums))
	for n, c := range sums {
		out = append(out, Share{n, c, shareOf(c, of)})
	}
	slices.SortFunc(out, func(a, b Share) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	return out[:min(len(out), sharesMax)]
}

func shareOf(n, of int64) float64 {
	if of <= 0 {
		return 0
	}
	return float64(n*10000/of) / 10000
}

// relate ranks the findings: causes by their number, each symptom behind what explains it, and puts an application's lines
// into the finding that they prove.
func (r *Report) relate() {
	for _, s := range r.Findings {
		for _, c := range s.Confirmed {
			for _, o := range r.Findings {
				if (!o.proxy || o.source.requestless && o.source != s.source) && o.Cause == c.Cause && s.Cause == c.Cause {
					o.explains = true
				}
			}
		}
	}
	r.Findings = slices.DeleteFunc(r.Findings, func(s *Finding) bool {
		if s.explains {
			r.Faults -= s.Count
		}
		return s.explains
	})
	slices.SortFunc(r.Findings, func(a, b *Finding) int {
		return cmp.Or(boolOrder(a.SymptomOf != fault.CauseNone, b.SymptomOf != fault.CauseNone), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Cause.String(), b.Cause.String()), cmp.Compare(a.Product, b.Product),
			cmp.Compare(a.By, b.By), cmp.Compare(a.Example.Line, b.Example.Line))
	})
	for _, s := range r.Findings {
		s.Share = shareOf(s.Count, r.Faults)
		for _, o := range r.Findings {
			if s.by != nil && o.source == s.by { // its verdict may have become another
				s.SymptomOf = o.Cause
			}
		}
	}
	r.Findings = r.Findings[:min(len(r.Findings), findingsKept)]
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
