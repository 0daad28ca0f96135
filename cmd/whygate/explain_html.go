package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/explain"
)

//go:embed explain.html
var explainPage string

// Measures of the timeline picture, in its own units.
const (
	pictureWidth  = 960
	pictureHeight = 200
	pictureLeft   = 44
	pictureBottom = 24
	pictureBands  = 6 // findings with a colour of their own; the rest share one
)

// pageData is what the page is made of.
type pageData struct {
	*explain.Report
	Picture template.HTML
	Made    string
	Shown   []pageFinding
}

// pageFinding is one finding with its place in the picture.
type pageFinding struct {
	*explain.Finding
	Number int
	Band   int
}

// writePage writes the report as one self-contained file: no script, no resource of another place.
func writePage(file string, r *explain.Report) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"number": number, "percent": percent, "nearness": nearness, "clock": func(t *time.Time) string { return clockOf(r, t) },
		"sentence": sentenceOf, "top": func(list []explain.Share) []explain.Share { return list[:min(len(list), 5)] },
		"groups": func(list []explain.Group) []explain.Group { return list[:min(len(list), 12)] },
	}).Parse(explainPage)
	if err != nil {
		return fmt.Errorf("BUG: %w", err)
	}
	data := pageData{Report: r, Picture: template.HTML(picture(r)), Made: time.Now().Format("2006-01-02 15:04:05 MST")}
	for i, f := range r.Findings {
		data.Shown = append(data.Shown, pageFinding{f, i + 1, min(i, pictureBands)})
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return err
	}
	return writeReport(file, out.Bytes())
}

func clockOf(r *explain.Report, t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(timeLayout(r))
}

// picture draws the faults over time as stacked bars, a colour for each of the most frequent causes.
func picture(r *explain.Report) string {
	if r.First == nil || len(r.Findings) == 0 {
		return ""
	}
	bins := len(r.Findings[0].Rate)
	sums := make([]int, bins)
	for _, f := range r.Findings {
		for i, n := range f.Rate {
			sums[i] += n
		}
	}
	most := 1
	for _, n := range sums {
		most = max(most, n)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="Faults over time">`, pictureWidth, pictureHeight+pictureBottom)
	step := float64(pictureWidth-pictureLeft) / float64(bins)
	for _, n := range []int{most / 2, most} {
		if n == 0 { // there are no halves of faults
			continue
		}
		y := pictureHeight - (pictureHeight-12)*n/most
		fmt.Fprintf(&b, `<line class="grid" x1="%d" x2="%d" y1="%d" y2="%d"/><text class="tick" x="%d" y="%d" text-anchor="end">%s</text>`,
			pictureLeft, pictureWidth, y, y, pictureLeft-6, y+4, number(int64(n)))
	}
	for i := range bins {
		y := float64(pictureHeight)
		for k, f := range r.Findings {
			if f.Rate[i] == 0 {
				continue
			}
			h := max(float64(f.Rate[i])/float64(most)*(pictureHeight-12), 1)
			y -= h
			fmt.Fprintf(&b, `<rect class="b%d" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s: %d</title></rect>`,
				min(k, pictureBands), pictureLeft+float64(i)*step, max(y, 0), max(step-1.5, 1), h, template.HTMLEscapeString(f.Title), f.Rate[i])
		}
	}
	fmt.Fprintf(&b, `<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>`, pictureLeft, pictureWidth, pictureHeight, pictureHeight)
	drawMarkers(&b, r)
	fmt.Fprintf(&b, `<text class="tick" x="%d" y="%d">%s</text><text class="tick" x="%d" y="%d" text-anchor="end">%s</text></svg>`,
		pictureLeft, pictureHeight+17, clockOf(r, r.First), pictureWidth, pictureHeight+17, clockOf(r, r.Last))
	return b.String()
}

// drawMarkers draws starts, stops and reloads as dashed lines.
func drawMarkers(b *strings.Builder, r *explain.Report) {
	span := r.Last.Sub(*r.First)
	if span <= 0 {
		return
	}
	for i, m := range r.Markers {
		if i == 40 || m.Time.Before(*r.First) {
			continue
		}
		x := pictureLeft + float64(m.Time.Sub(*r.First))/float64(span)*(pictureWidth-pictureLeft)
		fmt.Fprintf(b, `<line class="marker" x1="%.1f" x2="%.1f" y1="0" y2="%d"><title>%s %s</title></line>`, x, x, pictureHeight,
			template.HTMLEscapeString(m.Kind), template.HTMLEscapeString(m.Time.Format(time.TimeOnly)))
	}
}
