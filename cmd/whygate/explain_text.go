package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/explain"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/term"
)

// How much of a report a terminal gets: about 25 lines for the usual case. --json and --html have all of it.
const (
	detailed    = 2 // findings with what proves them and what to do
	shown       = 6 // findings with a line or two
	labelWidth  = 10
	sparkline   = 24
	adviceShown = 2
	choiceShown = 4
)

// reportPrinter prints one report.
type reportPrinter struct {
	out    io.Writer
	s      *term.Style
	r      *explain.Report
	layout string
	first  bool // there is one finding only, or it is the first: it may take more lines
}

// printReport prints the verdict first, then what proves it, then what to do.
func printReport(out io.Writer, s *term.Style, r *explain.Report) {
	p := &reportPrinter{out: out, s: s, r: r, layout: timeLayout(r)}
	if p.notLogs() && len(r.Findings) == 0 {
		return
	}
	if len(r.Findings) == 0 {
		p.nothing()
		return
	}
	for i, f := range r.Findings {
		switch {
		case f.SymptomOf != fault.CauseNone:
			p.symptom(f)
		case i < detailed:
			p.first = i == 0
			p.finding(i, f)
		case i < shown:
			p.brief(i, f)
		}
	}
	if rest := len(r.Findings) - shown; rest > 0 {
		fmt.Fprintf(out, "%s\n", s.Dim(fmt.Sprintf("and %s; --json has them all", count(rest, "more cause"))))
	}
	p.footer()
}

// printSummary prints a report in a few lines: each cause with where it is and what to do.
func printSummary(out io.Writer, s *term.Style, r *explain.Report) {
	p := &reportPrinter{out: out, s: s, r: r, layout: timeLayout(r)}
	for i, f := range r.Findings[:min(len(r.Findings), shown)] {
		if f.SymptomOf != fault.CauseNone {
			p.symptom(f)
		} else {
			p.brief(i, f)
		}
	}
}

// timeLayout shows the date only where the log goes over more than one day.
func timeLayout(r *explain.Report) string {
	if r.First != nil && r.Last != nil && r.First.Local().YearDay() == r.Last.Local().YearDay() && r.Last.Sub(*r.First) < 24*time.Hour {
		return time.TimeOnly
	}
	return "01-02 15:04:05"
}

// notLogs says of files that are no logs what they are, and what to do with them.
func (p *reportPrinter) notLogs() bool {
	any := false
	for _, f := range p.r.Files {
		if f.NotLog == nil {
			continue
		}
		any = true
		name := "it"
		if f.Name != "-" {
			name = f.Name
		}
		is := strings.Replace(f.NotLog.Is, f.Name, name, 1)
		fmt.Fprintln(p.out, p.s.Yellow(term.Wrap(term.Clean(capital(is, nil)), p.s.ReadingWidth(), "")))
		for _, do := range f.NotLog.Do {
			fmt.Fprintf(p.out, "%s %s\n", p.s.Dim("hint:"), term.Clean(do))
		}
	}
	return any
}

// label prints one labelled paragraph.
func (p *reportPrinter) label(name, text string) {
	if text == "" {
		return
	}
	head := "  " + p.s.Dim(name) + strings.Repeat(" ", max(labelWidth-len(name), 1))
	fmt.Fprintln(p.out, term.Hang(text, p.s.ReadingWidth(), head, strings.Repeat(" ", labelWidth+2)))
}

// line prints one labelled line, cut to the width.
func (p *reportPrinter) line(name, text string) {
	if text == "" {
		return
	}
	head := "  " + p.s.Dim(name) + strings.Repeat(" ", max(labelWidth-len(name), 1))
	fmt.Fprintln(p.out, term.Cut(head+text, p.s.Width()))
}

// heading is the line that everything else is read under.
func (p *reportPrinter) heading(i int, f *explain.Finding) {
	title := f.Title
	if f.Cause == fault.CauseUpstreamStatus && len(f.Statuses) > 0 {
		title = fmt.Sprintf("%s (%d)", title, f.Statuses[0].Status)
	}
	if f.Cause == fault.CauseUnknown && len(f.Statuses) > 0 {
		title = fmt.Sprintf("%d, and this log does not say why", f.Statuses[0].Status)
	}
	style := p.s.Red
	if f.By == "client" {
		style = p.s.Yellow
	}
	of := fmt.Sprintf("%s of %s (%s)", number(f.Count), number(p.r.Faults), percent(f.Share))
	if f.Count == p.r.Faults {
		of = faults(f.Count)
	}
	fmt.Fprintf(p.out, "%s %s\n", p.s.Bold(style(fmt.Sprintf("%d. %s:", i+1, title))), p.s.Bold(of))
}

// finding prints one in full, or the second one with less.
func (p *reportPrinter) finding(i int, f *explain.Finding) {
	p.heading(i, f)
	if f.Cause != fault.CauseUnknown && (p.first || f.Confidence != explain.Certain) {
		p.label("what", term.Clean(sentenceOf(f))+".")
	}
	p.line("when", p.when(f))
	p.line("where", p.where(f))
	p.label("sure", p.sure(f))
	if len(f.Confirmed) > 0 {
		c := f.Confirmed[0]
		p.label("proof", fmt.Sprintf("%d of %d %s %q (%s:%d)", c.Count, c.Of, nearness(c), term.Cut(term.Clean(c.Text), 70), term.Clean(c.File), c.Line))
	}
	var patterns []string
	for _, t := range f.Patterns {
		patterns = append(patterns, term.Clean(t.Text))
	}
	p.label("pattern", strings.Join(patterns, "; "))
	p.line("line", p.place(f)+"  "+term.Clean(f.Example.Text))
	p.choices(f)
	if f.Confidence != explain.Certain {
		p.label("check", f.Check)
	}
	p.advice(f)
}

// nearness says how near another log's line was to the faults.
func nearness(c explain.Confirmation) string {
	switch c.Near {
	case explain.NearLines:
		return "beside, with no clock to compare:"
	case explain.NearMinute:
		return "came in the minute after"
	case explain.NearRequest:
		return "were waiting when this was logged:"
	}
	return "within 2 s of"
}

// place is where the example stands: the line's number alone where there is one file.
func (p *reportPrinter) place(f *explain.Finding) string {
	if len(p.r.Files) == 1 {
		return number(int64(f.Example.Line))
	}
	return fmt.Sprintf("%s:%d", term.Clean(f.Example.File), f.Example.Line)
}

// when says since when, and draws the rate over the whole of the log.
func (p *reportPrinter) when(f *explain.Finding) string {
	if f.First == nil {
		return ""
	}
	span := f.First.Format(p.layout)
	if f.Last.After(*f.First) {
		span += " to " + f.Last.Format(p.layout)
	}
	if p.r.First == nil || p.r.Last.Sub(*p.r.First) < time.Second || f.Count < 3 {
		return span
	}
	return span + "  " + p.s.Cyan(term.Sparkline(squeeze(f.Rate, sparkline)))
}

// squeeze sums bins into fewer.
func squeeze(bins []int, n int) []int {
	out := make([]int, n)
	for i, b := range bins {
		out[i*n/len(bins)] += b
	}
	return out
}

// where names the upstreams and the routes, the most frequent first.
func (p *reportPrinter) where(f *explain.Finding) string {
	upstreams, routes := names(f.Upstreams, f.Count, 3), names(f.Routes, f.Count, 3)
	switch {
	case upstreams == "":
		return routes
	case routes == "":
		return upstreams
	}
	return upstreams + "  on  " + routes
}

// names joins the most frequent names with their shares.
func names(list []explain.Share, of int64, most int) string {
	var parts []string
	for i, s := range list {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		name := term.Clean(s.Name)
		if s.Count < of {
			name += " " + percent(s.Share)
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", ")
}

// makers are the products' names as people write them, where the key is written otherwise.
var makers = map[string]string{
	"haproxy": "HAProxy", "envoy": "Envoy", "istio": "Istio's Envoy", "apache": "Apache", "caddy": "Caddy", "traefik": "Traefik", "kong": "Kong", "openresty": "OpenResty",
	"alb": "the load balancer", "clb": "the load balancer", "gcp": "Google's load balancer", "cloudflare": "Cloudflare", "cloudfront": "CloudFront", "varnish": "Varnish",
	"squid": "Squid", "iis": "IIS", "heroku": "Heroku's router", "whygate": "Whygate", "ingress-nginx": "ingress-nginx", "nginx": "nginx",
}

// whose says who made the answer that the client got, or who says what failed.
func whose(f *explain.Finding) string {
	maker := makers[f.Product]
	if maker == "" {
		maker = "the proxy"
	}
	switch f.By {
	case "gateway":
		if f.OfItself {
			return maker + " says so of itself"
		}
		if slug := f.Cause.String(); strings.HasPrefix(slug, "body-") || strings.HasPrefix(slug, "chunk") {
			return "noticed by " + maker
		}
		return maker + " made this answer itself"
	case "origin":
		return "the application's own answer, passed on"
	case "hop":
		return "made by another proxy behind this one"
	case "client":
		return "the client"
	}
	return "the line does not say whose"
}

// sure says how sure it is, who says so, and what clients saw.
func (p *reportPrinter) sure(f *explain.Finding) string {
	who := whose(f)
	if f.By == "origin" && f.Cause != fault.CauseUpstreamStatus {
		who = "the application itself says so"
	}
	if f.Cause == fault.CauseUpstreamStatus && len(f.Statuses) > 0 && (f.Statuses[0].Status == 502 || f.Statuses[0].Status == 504) {
		who += ": a 502 or 504 that an upstream sends is most often another proxy's"
	}
	text := map[explain.Confidence]string{
		explain.Certain: "certain", explain.Likely: "likely", explain.Open: "open",
	}[f.Confidence]
	text += fmt.Sprintf(" (%s, %s); %s", f.Family, f.Example.Format, who)
	if len(f.Statuses) > 0 && f.Cause != fault.CauseUpstreamStatus {
		var parts []string
		for _, s := range f.Statuses {
			parts = append(parts, fmt.Sprintf("%d for %s", s.Status, number(s.Count)))
		}
		text += "; answered " + strings.Join(parts, ", ")
	}
	if f.Saved > 0 {
		text += fmt.Sprintf("; another attempt saved %s", number(f.Saved))
	}
	return text
}

// choices shows the causes that are left open, with what tells them apart.
func (p *reportPrinter) choices(f *explain.Finding) {
	if f.Confidence != explain.Open || len(f.Candidates) == 0 {
		return
	}
	if !p.first {
		var causes []string
		for _, c := range f.Candidates {
			causes = append(causes, c.Cause.String())
		}
		p.label("either", strings.Join(causes, ", "))
		return
	}
	for i, c := range f.Candidates {
		name := "or"
		switch i {
		case 0:
			name = "either"
		case choiceShown:
			return
		}
		p.label(name, c.Cause.String()+": "+c.Tells)
	}
}

// advice prints what to do, and what to configure to be surer.
func (p *reportPrinter) advice(f *explain.Finding) {
	most := adviceShown
	if !p.first {
		most = 1
	}
	for i, a := range f.Advice {
		if i == most {
			break
		}
		name := "do"
		if i > 0 {
			name = "and"
		}
		p.label(name, a)
	}
	if f.Better == "" || !p.first {
		return
	}
	p.label("surer", "add to the configuration:")
	for line := range strings.Lines(f.Better) {
		fmt.Fprintf(p.out, "%s\n", p.s.Dim(strings.TrimRight("    "+line, "\n")))
	}
}

// brief prints a finding in two lines.
func (p *reportPrinter) brief(i int, f *explain.Finding) {
	p.heading(i, f)
	text := p.where(f)
	if text != "" {
		text = "  " + text
	}
	p.line("line", p.place(f)+"  "+f.Cause.String()+text)
	if len(f.Advice) > 0 {
		p.line("do", f.Advice[0])
	}
}

// symptom prints a finding that another explains, in one line.
func (p *reportPrinter) symptom(f *explain.Finding) {
	fmt.Fprintln(p.out, term.Cut(fmt.Sprintf("%s %s of %s is a symptom of %s: it goes with it", p.s.Dim("and"), number(f.Count), f.Cause, f.SymptomOf), p.s.Width()))
}

// footer says what all this was read from, and what was counted and is nobody's fault.
func (p *reportPrinter) footer() {
	var parts []string
	for _, f := range p.r.Formats {
		parts = append(parts, fmt.Sprintf("%s of %s", number(f.Lines), f.Name))
	}
	text := lines(p.r.Lines) + " read"
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if p.r.Unknown > 0 {
		text += fmt.Sprintf("; %s of no known format", number(p.r.Unknown))
	}
	if open := p.r.OpenErrors() + p.r.Unread(); open > 0 && len(p.r.Findings) > 0 {
		u := p.r.Unjudged[0]
		text += fmt.Sprintf("; %s that %s as if something failed could not be judged, the first at %s:%d: %s", lines(open), verb(open, "looks", "look"), term.Clean(u.File), u.Line, term.Cut(term.Clean(u.Text), 100))
	}
	if p.r.Skipped > 0 {
		text += fmt.Sprintf("; %s are earlier", number(p.r.Skipped))
	}
	if p.r.Joined > 0 {
		text += fmt.Sprintf("; %s tell of a fault that another line tells better", number(p.r.Joined))
	}
	var clients []string
	for i, c := range p.r.Clients {
		if i == 4 {
			break
		}
		name := c.Cause
		if name == "" {
			name = "other 4xx"
		}
		clients = append(clients, fmt.Sprintf("%s %s", name, number(c.Count)))
	}
	if len(clients) > 0 {
		text += "; the clients' own: " + strings.Join(clients, ", ")
	}
	fmt.Fprintln(p.out, p.s.Dim(term.Wrap(text+".", p.s.ReadingWidth(), "")))
}

func lines(n int64) string {
	if n == 1 {
		return "1 line"
	}
	return number(n) + " lines"
}

func faults(n int64) string {
	if n == 1 {
		return "1 fault"
	}
	return number(n) + " faults"
}

// number writes a count with a comma between thousands.
func number(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// percent writes a share; one that is not nothing is never 0 %.
func percent(share float64) string {
	switch {
	case share <= 0.0001:
		return "<0.1 %"
	case share < 0.1:
		return fmt.Sprintf("%.1f %%", share*100)
	}
	return fmt.Sprintf("%.0f %%", share*100)
}
