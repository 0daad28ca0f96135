package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/visible"
)

//go:embed diagnose.html
var diagnoseHTML string

// diagnosePage is what the page shows beside the report itself.
type diagnosePage struct {
	R         *diagnose.Report
	V         *diagnose.Verdict
	Headline  string
	Sentence  string
	Type      string
	When      string
	Took      string
	Waterfall template.HTML
	Route     template.HTML
	Broke     *brokeLine
	Walks     []*diagnose.Walk
}

// brokeLine is a line of a message with a caret under the octet that breaks a rule.
type brokeLine struct{ Line, Caret, Rule string }

// titled is a list with its heading.
type titled struct {
	Title string
	Items []string
}

var diagnoseTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"pair": func(title string, items []string) titled { return titled{title, items} },
	"sign": func(m diagnose.Mark) string { return [...]string{"✓", "!", "✗", "·"}[m] },
	"ms":   millis, "join": func(s []string) string { return strings.Join(s, ", ") },
	"cause": func(c fault.Cause) bool { return c != fault.CauseNone },
	"dns":   dnsWords, "echo": echoWords, "mtu": mtuWords, "hops": hopWords, "requests": requestsOf,
}).Parse(diagnoseHTML))

// writeDiagnosis writes the report with its pictures: one file that needs no other. It stands there whole or not at all.
func writeDiagnosis(file string, r *diagnose.Report) error {
	p := &diagnosePage{
		R: r, V: &r.Verdict, Headline: "healthy", Sentence: verdictSentence(&r.Verdict, append(r.Upstreams, r.Walk)...), When: r.Began.Format("2006-01-02 15:04:05 MST"), Took: millis(r.Took),
		Waterfall: waterfallSVG(r.Walk.Waterfall), Route: routeSVG(r), Walks: append([]*diagnose.Walk{r.Walk}, r.Upstreams...),
	}
	if !r.Verdict.Healthy {
		p.Headline = r.Verdict.Cause.String()
	}
	if r.Verdict.Type != fault.TypeNone {
		p.Type = r.Verdict.Type.String()
	}
	for _, w := range p.Walks {
		if w.HTTP != nil && w.HTTP.Main != nil && w.HTTP.Main.Caret != nil {
			c := w.HTTP.Main.Caret
			p.Broke = &brokeLine{c.Line, strings.Repeat(" ", c.Column) + "^", c.Rule}
		}
	}
	var page bytes.Buffer
	if err := diagnoseTemplate.Execute(&page, p); err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return writeReport(file, page.Bytes())
}

// writeReport writes a whole report at once, into what is there: a file put in the place of a link or a device would take
// that away. What would act on a terminal, or turn a line of the page around, is shown instead.
func writeReport(file string, b []byte) error {
	if err := os.WriteFile(file, []byte(visible.Lines(string(b))), 0o600); err != nil {
		return withHint(fmt.Errorf("--html: %w", err), "--html report.html")
	}
	return nil
}

// reportWritable fails if writeReport would, before there is a report: what is there takes octets, or its directory files.
func reportWritable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err == nil && info.IsDir():
		return withHint(fmt.Errorf("--html %s is a directory", file), "--html report.html")
	case err == nil && !info.Mode().IsRegular():
		return nil
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, os.ErrNotExist) {
		return withHint(fmt.Errorf("--html: %w", err), "--html report.html")
	}
	f, err = os.CreateTemp(filepath.Dir(file), ".whygate-*")
	if err != nil {
		if place := new(os.PathError); errors.As(err, &place) {
			err = fmt.Errorf("%s: %w", filepath.Dir(file), place.Err)
		}
		return withHint(fmt.Errorf("--html: %w", err), "--html report.html")
	}
	_ = f.Close()
	return os.Remove(f.Name())
}

// waterfallSVG draws the stages of the main request under one time line, those that were not reached too.
func waterfallSVG(bars []diagnose.Bar) template.HTML {
	const row, left, width, right = 34, 110, 620, 130
	var whole diagnose.Millis
	for _, b := range bars {
		whole += b.Took
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg viewBox="0 0 %d %d" role="img" aria-label="Time of each stage">`, left+width+right, row*len(bars)+20)
	for i, b := range bars {
		y := 10 + row*i
		fmt.Fprintf(&s, `<text x="16" y="%d">%s</text>`, y+21, template.HTMLEscapeString(b.Name))
		if !b.Reached {
			fmt.Fprintf(&s, `<text class="soft" x="%d" y="%d">not reached</text>`, left, y+21)
			continue
		}
		from, long := 0.0, 2.0
		if whole > 0 {
			from, long = float64(b.From)/float64(whole)*width, max(float64(b.Took)/float64(whole)*width, 2)
		}
		from = min(from, width-2)
		fill := "var(--bar)"
		if b.Failed {
			fill = "var(--bad)"
		}
		fmt.Fprintf(&s, `<rect x="%.1f" y="%d" width="%.1f" height="18" rx="3" fill="%s"/>`, left+from, y+8, min(long, width-from), fill)
		sign := ""
		if b.Failed {
			sign = `<tspan class="mark">✗ </tspan>`
		}
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s%s</text>`, left+width+right-14, y+21, sign, millis(b.Took))
	}
	s.WriteString("</svg>")
	return template.HTML(s.String()) //nolint:gosec // numbers and escaped names only
}

// station is one box of the way.
type station struct {
	title, below string
	state        string // good, bad, or empty where it was not reached
}

// routeLeast is the width of the picture of a way that fills the page: a shorter one is not drawn larger, and takes a part of it.
const routeLeast = 860

// routeSVG draws the way: this machine, the hops, the target, the upstreams behind it.
func routeSVG(r *diagnose.Report) template.HTML {
	const wide, high, gap = 158, 54, 34
	line := stations(r)
	rows := max(len(r.Upstreams), 1)
	columns := len(line)
	if len(r.Upstreams) > 0 {
		columns++
	}
	height := max(rows*(high+16)+24, high+40)
	var s strings.Builder
	width := columns*(wide+gap) - gap + 32
	fmt.Fprintf(&s, `<svg viewBox="0 0 %d %d" style="--part:%.2f" role="img" aria-label="The way from here to the target">`, width, height, min(float64(width)/routeLeast, 1))
	middle := (height - high) / 2
	for i, st := range line {
		x := 16 + i*(wide+gap)
		if i > 0 {
			state := st.state
			if st.below != "" && st.below[0] >= '1' && st.below[0] <= '5' && state == "bad" {
				state = "good" // it answered: the way to it is open
			}
			link(&s, x-gap, middle+high/2, x, middle+high/2, state)
		}
		box(&s, x, middle, wide, high, st)
	}
	for i, w := range r.Upstreams {
		x, y := 16+len(line)*(wide+gap), (height-len(r.Upstreams)*(high+16)+16)/2+i*(high+16)
		st := upstreamStation(r, w)
		link(&s, x-gap, middle+high/2, x, y+high/2, st.state)
		box(&s, x, y, wide, high, st)
	}
	s.WriteString("</svg>")
	return template.HTML(s.String()) //nolint:gosec // numbers and escaped texts only
}

// hopsDrawn is how many routers the picture has at most.
const hopsDrawn = 3

// stations are the boxes from here to the target.
func stations(r *diagnose.Report) []station {
	all := []station{{title: "this machine", state: "good"}}
	failed := false
	if len(r.Walk.Path) > 0 {
		p := r.Walk.Path[0]
		all[0].below = p.From
		failed = p.Cause != fault.CauseNone
		for _, h := range p.Hops {
			if h.Reached && !failed || len(all) > hopsDrawn {
				break
			}
			st := station{title: h.From, below: fmt.Sprintf("hop %d, %s", h.TTL, millis(h.Took)), state: "good"}
			if h.From == "" {
				st = station{title: "silent", below: fmt.Sprintf("hop %d", h.TTL)}
			} else if h.Reached {
				st.state, st.below = "bad", h.Says
			}
			all = append(all, st)
		}
	}
	last := station{title: r.Walk.Target.Host, below: "not reached"}
	if r.Walk.Target.Port != "" {
		last.title += ":" + r.Walk.Target.Port
	}
	switch x := r.Walk.HTTP; {
	case x != nil && x.Main != nil && x.Main.Status != 0:
		last.state, last.below = "good", fmt.Sprint(x.Main.Status)
		if x.Main.Status >= 500 || !r.Verdict.Healthy && r.Verdict.At != "" && len(r.Upstreams) == 0 {
			last.state = "bad"
		}
	case x != nil && x.Main != nil, failed:
		last.state, last.below = "bad", r.Verdict.Cause.String()
	case r.Walk.Name != nil && r.Walk.Name.Cause != fault.CauseNone:
		last.state, last.below = "bad", r.Walk.Name.Cause.String()
	}
	return append(all, last)
}

func upstreamStation(r *diagnose.Report, w *diagnose.Walk) station {
	st := station{title: w.Target.Host, state: "good"}
	if w.Target.Port != "" {
		st.title += ":" + w.Target.Port
	}
	for _, step := range r.Steps {
		if step.Name == "upstream" && strings.HasSuffix(step.Of, st.title) {
			st.below = "straight: fine"
			if step.Mark == diagnose.Failed {
				st.state, st.below = "bad", step.Cause.String()
			}
		}
	}
	return st
}

func link(s *strings.Builder, x1, y1, x2, y2 int, state string) {
	colour, dash := "var(--bar)", ""
	switch state {
	case "bad":
		colour = "var(--bad)"
	case "":
		colour, dash = "var(--soft)", ` stroke-dasharray="4 4"`
	}
	fmt.Fprintf(s, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="2"%s/>`, x1, y1, x2, y2, colour, dash)
}

func box(s *strings.Builder, x, y, wide, high int, st station) {
	colour := map[string]string{"good": "var(--good)", "bad": "var(--bad)", "": "var(--soft)"}[st.state]
	fmt.Fprintf(s, `<rect x="%d" y="%d" width="%d" height="%d" rx="8" fill="none" stroke="%s" stroke-width="2"/>`, x, y, wide, high, colour)
	for i, text := range []string{st.title, st.below} {
		if runes := []rune(text); len(runes) > 21 {
			text = string(runes[:19]) + "…"
		}
		class := []string{"", ` class="soft"`}[i]
		fmt.Fprintf(s, `<text%s x="%d" y="%d" text-anchor="middle">%s</text>`, class, x+wide/2, y+22+i*20, template.HTMLEscapeString(text))
	}
}

// dnsWords say a name server's answer.
func dnsWords(a *diagnose.DNSAnswer) string {
	switch {
	case a.Errno != "":
		return a.Errno
	case !a.Answered:
		return "no answer"
	}
	text := a.RCode
	if len(a.Addresses) > 0 {
		text += ": " + strings.Join(a.Addresses, ", ") + fmt.Sprintf(" (TTL %d s)", a.TTL)
	}
	if a.EDEName != "" {
		text += ", " + a.EDEName
	}
	return text
}

func echoWords(p *diagnose.Path) string {
	switch {
	case p.Echo == nil:
		return "not asked"
	case p.Echo.Answered:
		return millis(p.Echo.Took)
	}
	return "no answer"
}

func mtuWords(p *diagnose.Path) string {
	switch {
	case p.MTU == nil:
		return ""
	case p.MTU.Vanished > 0:
		return fmt.Sprintf("%d bytes pass, %d vanish", p.MTU.Passed, p.MTU.Vanished)
	}
	return fmt.Sprintf("%d bytes pass", p.MTU.Passed)
}

func hopWords(p *diagnose.Path) string {
	var all []string
	for _, h := range p.Hops {
		text := h.From
		if text == "" {
			text = "silent"
		}
		if h.Lost > 0 {
			text += fmt.Sprintf(" (%d of %d lost)", h.Lost, h.Sent)
		}
		all = append(all, fmt.Sprintf("%d %s", h.TTL, text))
	}
	return strings.Join(all, " → ")
}

// requestsOf lists the requests of a walk.
func requestsOf(w *diagnose.Walk) (all []*diagnose.Exchange) {
	if w.HTTP == nil {
		return nil
	}
	for _, x := range append([]*diagnose.Exchange{w.HTTP.Main, w.HTTP.Head, w.HTTP.Browser, w.HTTP.Bare, w.HTTP.Clamped}, w.HTTP.Follow...) {
		if x != nil {
			all = append(all, x)
		}
	}
	if w.Again != nil {
		all = append(all, w.Again.Exchanges...)
	}
	return all
}
