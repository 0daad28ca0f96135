package main

import (
	"bytes"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/kubernetes"
)

// clusterPage is what the page shows beside the report itself.
type clusterPage struct {
	R     *kubernetes.Report
	V     *diagnose.Verdict
	Title string
	When  string
	Took  string
	Route template.HTML
}

// writeClusterDiagnosis writes the report of a walk in Kubernetes with its picture: one file that needs no other.
func writeClusterDiagnosis(file string, r *kubernetes.Report) error {
	p := &clusterPage{R: r, V: &r.Verdict, Title: "healthy", When: r.Began.Format("2006-01-02 15:04:05 MST"), Took: millis(r.Took), Route: clusterSVG(r)}
	if !r.Verdict.Healthy {
		p.Title = r.Verdict.Cause.String()
	}
	var page bytes.Buffer
	if err := diagnoseTemplate.ExecuteTemplate(&page, "kubernetes", p); err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return writeReport(file, page.Bytes())
}

// clusterColumns orders the objects of the links: each stands one column right of what leads to it.
func clusterColumns(links []kubernetes.Link) [][]string {
	column := map[string]int{}
	var order []string
	add := func(name string) {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	for _, l := range links {
		add(l.From)
		add(l.To)
	}
	for range links { // a walk's links form no circle, so that as many rounds as there are links place all
		for _, l := range links {
			column[l.To] = max(column[l.To], column[l.From]+1)
		}
	}
	var out [][]string
	for _, name := range order {
		for len(out) <= column[name] {
			out = append(out, nil)
		}
		out[column[name]] = append(out[column[name]], name)
	}
	return out
}

// clusterSVG draws the objects as boxes and the links between them, the broken ones in their colour.
func clusterSVG(r *kubernetes.Report) template.HTML {
	const wide, high, gapX, gapY = 190, 54, 42, 16
	columns := clusterColumns(r.Kubernetes.Links)
	rows := 1
	for _, c := range columns {
		rows = max(rows, len(c))
	}
	width, height := max(len(columns), 1)*(wide+gapX)-gapX+32, rows*(high+gapY)-gapY+32
	var s strings.Builder
	fmt.Fprintf(&s, `<svg viewBox="0 0 %d %d" style="--part:%.2f" role="img" aria-label="The objects and the links between them">`, width, height, min(float64(width)/routeLeast, 1))
	x, y := map[string]int{}, map[string]int{}
	for i, c := range columns {
		for k, name := range c {
			x[name], y[name] = 16+i*(wide+gapX), (height-len(c)*(high+gapY)+gapY)/2+k*(high+gapY)
		}
	}
	states := map[string]string{}
	below := map[string]string{}
	for _, l := range r.Kubernetes.Links {
		state := "good"
		if l.Mark == diagnose.Failed {
			state = "bad"
		}
		link(&s, x[l.From]+wide, y[l.From]+high/2, x[l.To], y[l.To]+high/2, state)
		if state == "bad" && l.To == r.URL { // what leads to the target is broken, and not the target
			states[l.From], below[l.From] = state, "broken"
			continue
		}
		if state == "bad" || states[l.To] == "" {
			states[l.To], below[l.To] = state, map[string]string{"good": "in order", "bad": "broken"}[state]
		}
		if strings.HasPrefix(l.To, "pods of ") && state == "good" {
			below[l.To] = l.Text
		}
	}
	for name := range x {
		if states[name] == "" {
			states[name] = "good"
		}
	}
	for name := range x {
		box(&s, x[name], y[name], wide, high, station{title: name, below: below[name], state: states[name]})
	}
	s.WriteString("</svg>")
	return template.HTML(s.String()) //nolint:gosec // numbers and escaped texts only
}
