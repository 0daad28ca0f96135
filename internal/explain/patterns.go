package explain

import (
	"fmt"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/fault"
)

// Pattern is something that many faults have in common, which one of them does not show.
type Pattern struct {
	Kind string `json:"kind"` // timer, quick, idle, upstream, route, began, ended, marker, periodic
	Text string `json:"text"`
}

// Shares from which a pattern is one, in percent, and how many faults it takes.
const (
	roundLeast   = 80
	onlyLeast    = 95
	patternLeast = 3
)

// patterns finds what a finding's faults have in common.
func (g *engine) patterns(s *Finding, f *finding) []Pattern {
	if f.count < patternLeast {
		return nil
	}
	var out []Pattern
	add := func(kind, format string, args ...any) { out = append(out, Pattern{kind, fmt.Sprintf(format, args...)}) }
	if second, share := f.waits.top(); second > 0 && share >= roundLeast && f.waits.known*2 >= f.count && mayBeTimer(s.Cause) {
		text := fmt.Sprintf("%s took %d.0 s: a timer's mark", allOf(share), second)
		if whose := advice.TimerOf(f.key.product, f.module, s.Cause, second); whose != "" {
			text += ", most likely " + whose
		}
		add("timer", "%s", text)
	} else if f.waits.known*2 >= f.count && f.waits.under100*100 >= f.waits.known*onlyLeast {
		add("quick", "%s failed within 0.1 s: nothing was waited for", allOf(int(f.waits.under100*100/f.waits.known)))
	}
	if f.idle.count == f.count && f.idle.least > 0 {
		add("idle", "only on reused connections that had been idle for at least %s", short(f.idle.least))
	}
	if len(s.Upstreams) > 0 && s.Upstreams[0].Share*100 >= onlyLeast && g.upstreamsOf(f) > 1 {
		add("upstream", "only %s: the other upstreams do not have it", s.Upstreams[0].Name)
	}
	if len(s.Routes) > 0 && s.Routes[0].Share*100 >= onlyLeast && g.routesOf(f) > 1 {
		add("route", "only %s", s.Routes[0].Name)
	}
	g.patternsInTime(f, add)
	return out
}

// mayBeTimer reports whether a time that all have in common says something: a refused connection that took three seconds
// was only tried three times.
func mayBeTimer(c fault.Cause) bool {
	switch c.Entry().Type {
	case fault.TypeConnectionTimeout, fault.TypeConnectionReadTimeout, fault.TypeConnectionWriteTimeout, fault.TypeHTTPResponseTimeout, fault.TypeConnectionTerminated,
		fault.TypeHTTPResponseIncomplete, fault.TypeDNSTimeout, fault.TypeNone:
		return true
	}
	return c == fault.CauseUnknown
}

// patternsInTime finds when a finding's faults began and ended, what happened just before, and whether they come again
// and again.
func (g *engine) patternsInTime(f *finding, add func(kind, format string, args ...any)) {
	total := g.span.end.Sub(g.span.start)
	if f.first.IsZero() || total < time.Minute {
		return
	}
	period := f.period()
	m := g.markerBefore(f.first)
	late, early := f.first.Sub(g.span.start), g.span.end.Sub(f.last)
	margin := max(total/20, 30*time.Second)
	switch {
	case m != nil:
		add("marker", "began %s after %s (%s, %s:%d)", short(f.first.Sub(m.Time)), m.what(), m.Time.Format(time.TimeOnly), m.File, m.Line)
	case period == 0 && late > margin && early <= margin:
		add("began", "began at %s, and goes on to the end of the log", f.first.Format(time.TimeOnly))
	case period == 0 && late > margin:
		add("began", "began at %s and ended at %s; the log goes from %s to %s", f.first.Format(time.TimeOnly), f.last.Format(time.TimeOnly),
			g.span.start.Format(time.TimeOnly), g.span.end.Format(time.TimeOnly))
	case period == 0 && early > margin:
		add("ended", "ended at %s; the log goes on to %s", f.last.Format(time.TimeOnly), g.span.end.Format(time.TimeOnly))
	}
	if period > 0 {
		add("periodic", "comes every %s: look for what runs then (cron, a backup, a rotation, a health check)", short(time.Duration(period)*time.Second))
	} else if n, of := g.burstsAfterMarkers(f); n >= 2 && n*100 >= of*roundLeast && m == nil {
		add("marker", "%d of %d bursts begin within %s of a start, stop or reload in the log", n, of, short(markerGap))
	}
}

// top gives the whole number of seconds that most exchanges took, with its share of all in percent; 0 where none did.
func (w *waits) top() (second, share int) {
	most := uint32(0)
	for i, n := range w.seconds {
		if n > most {
			most, second = n, i
		}
	}
	if w.known == 0 || second == 0 {
		return 0, 0
	}
	return second, int(int64(most) * 100 / w.known)
}

func allOf(share int) string {
	if share >= 99 {
		return "all"
	}
	return fmt.Sprintf("%d %%", share)
}

// upstreamsOf counts the upstreams that the log of a finding names in all its faults.
func (g *engine) upstreamsOf(f *finding) int {
	seen := map[string]bool{}
	for key := range g.groups {
		if key.finding.key.product == f.key.product && key.upstream != "" {
			seen[key.upstream] = true
		}
	}
	for name := range g.served {
		seen[name] = true
	}
	return len(seen)
}

func (g *engine) routesOf(f *finding) int {
	seen := map[string]bool{}
	for key := range g.groups {
		if key.finding.key.product == f.key.product && key.route != "" {
			seen[key.route] = true
		}
	}
	return len(seen)
}

// markerGap is how long after a start, stop or reload faults are taken to have to do with it.
const markerGap = 2 * time.Minute

// markerBefore gives the last marker at most markerGap before t.
func (g *engine) markerBefore(t time.Time) *MarkerSeen {
	for i := range slices.Backward(g.markers) {
		if gap := t.Sub(g.markers[i].Time); gap >= 0 && gap <= markerGap {
			return &g.markers[i]
		}
	}
	return nil
}

// what says in words what a marker stands for.
func (m *MarkerSeen) what() string {
	who := "the proxy"
	switch m.role {
	case RoleApplication:
		who = "the application"
	case RoleSystem:
		who = "a service"
	}
	switch m.Kind {
	case "start":
		return who + " started"
	case "stop":
		return who + " stopped"
	}
	return who + " reloaded"
}

func (g *engine) burstsAfterMarkers(f *finding) (n, of int) {
	for _, b := range f.bursts {
		if g.markerBefore(time.Unix(b, 0)) != nil {
			n++
		}
	}
	return n, len(f.bursts)
}

// period gives the seconds between a finding's bursts if they come at regular times, 0 otherwise.
func (f *finding) period() int64 {
	const least = 4
	if len(f.bursts) < least {
		return 0
	}
	gaps := make([]int64, 0, len(f.bursts)-1)
	for i := 1; i < len(f.bursts); i++ {
		gaps = append(gaps, f.bursts[i]-f.bursts[i-1])
	}
	sorted := slices.Clone(gaps)
	slices.Sort(sorted)
	p := sorted[len(sorted)/2]
	if p < 60 {
		return 0
	}
	slip := max(p/20, 3)
	regular := 0
	for _, gap := range gaps {
		k := (gap + p/2) / p
		if k >= 1 && k <= 3 && abs(gap-k*p) <= slip {
			regular++
		}
	}
	if regular*100 < len(gaps)*roundLeast {
		return 0
	}
	for _, round := range [...]int64{60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400} {
		if abs(p-round) <= slip {
			return round
		}
	}
	return p
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// short writes a duration with as many digits as one compares: 0.8 s, 12 s, 5 min, 2 h.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second && d%time.Second != 0:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}
