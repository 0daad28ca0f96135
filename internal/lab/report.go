package lab

import (
	"fmt"
	"html"
	"slices"
	"strings"
	"time"
)

// GroupScore is how a proxy did in the scenarios of one group.
type GroupScore struct {
	Name          string
	Right, Played int
}

// Groups gives the score by group, in the groups' order.
func (s *Score) Groups() []GroupScore {
	var all []GroupScore
	for i := range s.Results {
		r := &s.Results[i]
		if len(all) == 0 || all[len(all)-1].Name != r.Group {
			all = append(all, GroupScore{Name: r.Group})
		}
		g := &all[len(all)-1]
		if r.Skipped != "" {
			continue
		}
		g.Played++
		if r.Right() {
			g.Right++
		}
	}
	return all
}

// GroupsOf names the groups that any of the scores has, in the order of All.
func GroupsOf(scores []*Score) []string {
	var some []string
	for _, name := range groupNames {
		if slices.ContainsFunc(scores, func(s *Score) bool { return s.Group(name).Name != "" }) {
			some = append(some, name)
		}
	}
	return some
}

// Group gives the score of one group, nothing if it has none.
func (s *Score) Group(name string) GroupScore {
	for _, g := range s.Groups() {
		if g.Name == name {
			return g
		}
	}
	return GroupScore{}
}

// Short says what is wanted in one or two words.
func (w *Want) Short() string {
	text := w.statuses()
	if w.Cut {
		text += " cut"
	}
	return strings.ReplaceAll(text, " or ", "/")
}

// Short says what came in one or two words.
func (r *Result) Short() string {
	var words []string
	for answer := range strings.SplitSeq(r.Got, "; ") {
		first, _, _ := strings.Cut(answer, " ")
		switch {
		case strings.HasPrefix(answer, "closed"):
			first = "closed"
		case strings.HasPrefix(answer, "no answer"):
			first = "nothing"
		case strings.HasPrefix(answer, "no HTTP"):
			first = "no HTTP"
		case strings.Contains(answer, "cut after"):
			first = strings.TrimSuffix(first, ",") + " cut"
		case len(r.Wrong) > 0 && strings.Contains(strings.Join(r.Wrong, " "), "looks complete") && strings.HasPrefix(first, "2"):
			first += " whole"
		}
		words = append(words, first)
	}
	if r.Serving == Wrong {
		words = append(words, "down")
	}
	if r.Broken == Wrong && strings.Contains(strings.Join(r.Wrong, " "), "reached the client") {
		words = append(words, "poisoned")
	}
	return strings.Join(words, ", ")
}

// at gives the score's result of a scenario, nil if there is none.
func (s *Score) at(name string) *Result {
	for i := range s.Results {
		if s.Results[i].Scenario == name {
			return &s.Results[i]
		}
	}
	return nil
}

// legend says what the matrix shows.
const legend = "Each scenario is one fault of an upstream. A proxy is right in it if the status is the one that RFC 9110 asks for and RFC 9209 recommends, the error in " +
	"Proxy-Status is the right one (where the proxy sends any), a broken body is visibly broken to the client and nothing of a poisoned connection " +
	"reaches anybody, and a healthy upstream is served well right afterwards."

// method says how the matrix was made.
const method = "Every proxy has the configuration that `whygate lab config` prints: its own defaults, but for timers of one second for connecting and " +
	"two seconds for an answer, connections that are kept, and certificates that are verified."

// Markdown renders the scores as a document.
func Markdown(scores []*Score, scenarios []*Scenario) string {
	var b strings.Builder
	b.WriteString("# How gateways answer the same faults\n\nThis file is made by `make lab-matrix`; do not edit it.\n\n" + legend + "\n\n" + method + "\n\n")
	b.WriteString("![The matrix as a picture](lab-matrix.svg)\n\n## In all\n\n|")
	for _, s := range scores {
		b.WriteString(" | " + title(s))
	}
	b.WriteString(" |\n|---" + strings.Repeat("|---", len(scores)) + "|\n")
	for _, name := range GroupsOf(scores) {
		b.WriteString("| " + name)
		for _, s := range scores {
			cell := "–"
			if g := s.Group(name); g.Played > 0 {
				cell = fmt.Sprintf("%d of %d", g.Right, g.Played)
			}
			b.WriteString(" | " + cell)
		}
		b.WriteString(" |\n")
	}
	b.WriteString("| **all**")
	for _, s := range scores {
		right, played := s.Count()
		fmt.Fprintf(&b, " | **%d of %d**", right, played)
	}
	b.WriteString(" |\n\n")
	b.WriteString(things(scores))
	for _, s := range scores {
		fmt.Fprintf(&b, "- %s: %s\n", title(s), versionOf(s))
		if s.Error != "" {
			fmt.Fprintf(&b, "- **%s was not scored whole**: %s\n", title(s), escapeCell(strings.Join(strings.Fields(s.Error), " ")))
		}
	}
	b.WriteString("\n✗ is wrong; ≠ is an error in order, with another number than RFC 9209 recommends, and counts as not right. A dash is a scenario that was not played: the proxy cannot stand before such an upstream, or it is not scored yet.\n")
	group := ""
	for _, sc := range scenarios {
		if sc.Group.String() != group {
			group = sc.Group.String()
			b.WriteString("\n## " + group + "\n\n| scenario | right is")
			for _, s := range scores {
				b.WriteString(" | " + title(s))
			}
			b.WriteString(" |\n|---|---" + strings.Repeat("|---", len(scores)) + "|\n")
		}
		fmt.Fprintf(&b, "| `%s`: %s | %s", sc.Name, escapeCell(sc.Does), sc.Want.Short())
		for _, s := range scores {
			b.WriteString(" | " + markdownCell(s.at(sc.Name)))
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

// things is the table of the four things that are scored.
func things(scores []*Score) string {
	var b strings.Builder
	b.WriteString("By the four things that are scored:\n\n|")
	for _, s := range scores {
		b.WriteString(" | " + title(s))
	}
	b.WriteString(" |\n|---" + strings.Repeat("|---", len(scores)) + "|\n")
	for i, thing := range new(Score).Things() {
		b.WriteString("| " + thing.Name)
		for _, s := range scores {
			cell := "–"
			if t := s.Things()[i]; t.Played > 0 {
				cell = fmt.Sprintf("%d of %d", t.Right, t.Played)
			}
			b.WriteString(" | " + cell)
		}
		b.WriteString(" |\n")
	}
	b.WriteString("\n")
	return b.String()
}

func escapeCell(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;").Replace(text)
}

func markdownCell(r *Result) string {
	switch {
	case r == nil || r.Skipped != "":
		return "–"
	case r.Right():
		return "✓ " + r.Short()
	case r.Other:
		return "≠ " + r.Short()
	}
	return "**✗ " + escapeCell(r.Short()) + "**"
}

// title is the proxy's name as people write it.
func title(s *Score) string {
	if p := ProxyNamed(s.Proxy); p != nil {
		return p.Title
	}
	return s.Proxy
}

func versionOf(s *Score) string {
	if s.Version == "" {
		return "version not known"
	}
	return s.Version
}

// Measures of the picture, in its units.
const (
	svgLeft, svgTop   = 200, 84
	svgCellW, svgCell = 118, 9
	svgGroupGap       = 12
)

// SVG renders the scores as a picture: a column for each proxy, a line for each scenario. It reads on a light page and on a
// dark one.
func SVG(scores []*Score, scenarios []*Scenario) string {
	var cells strings.Builder
	y, group := svgTop, ""
	for _, sc := range scenarios {
		if sc.Group.String() != group {
			group = sc.Group.String()
			y += svgGroupGap
			fmt.Fprintf(&cells, "<text x=\"%d\" y=\"%d\" class=\"g\">%s</text>\n", svgLeft-12, y+svgCell, group)
		}
		for i, s := range scores {
			class, said := "n", "not played"
			if r := s.at(sc.Name); r != nil && r.Skipped == "" {
				class, said = "w", r.Short()
				switch {
				case r.Right():
					class = "r"
				case r.Other:
					class = "o"
				}
			}
			fmt.Fprintf(&cells, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"%s\"><title>%s, %s: %s</title></rect>\n",
				svgLeft+i*svgCellW, y, svgCellW-8, svgCell-2, class, html.EscapeString(title(s)), sc.Name, html.EscapeString(said))
		}
		y += svgCell
	}
	width, height := svgLeft+len(scores)*svgCellW+16, y+24
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="How gateways answer the same faults">
<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.g { text-anchor: end } .h { font-weight: 600; font-size: 15px } .s { font-size: 12px; fill: #57606a }
.r { fill: #2da44e } .w { fill: #cf222e } .o { fill: #d4a72c } .n { fill: #8c959f; fill-opacity: .25 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .s { fill: #9198a1 } .r { fill: #3fb950 } .w { fill: #f85149 } }
</style>
<text x="%d" y="22" class="h">How gateways answer the same faults</text>
`, width, height, width, height, 16)
	fmt.Fprintf(&b, "<rect x=\"%d\" y=\"34\" width=\"10\" height=\"10\" class=\"r\"/><text x=\"%d\" y=\"44\" class=\"s\">right</text>", 16, 31)
	fmt.Fprintf(&b, "<rect x=\"%d\" y=\"34\" width=\"10\" height=\"10\" class=\"o\"/><text x=\"%d\" y=\"44\" class=\"s\">another 5xx than recommended</text>", 71, 86)
	fmt.Fprintf(&b, "<rect x=\"%d\" y=\"34\" width=\"10\" height=\"10\" class=\"w\"/><text x=\"%d\" y=\"44\" class=\"s\">wrong</text>", 290, 305)
	fmt.Fprintf(&b, "<rect x=\"%d\" y=\"34\" width=\"10\" height=\"10\" class=\"n\"/><text x=\"%d\" y=\"44\" class=\"s\">not played</text>\n", 356, 371)
	for i, s := range scores {
		right, played := s.Count()
		x := svgLeft + i*svgCellW
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"68\">%s</text><text x=\"%d\" y=\"84\" class=\"s\">%d of %d right</text>\n", x, html.EscapeString(title(s)), x, right, played)
	}
	return b.String() + cells.String() + "</svg>\n"
}

// HTML renders the scores as one page that needs nothing else.
func HTML(scores []*Score, scenarios []*Scenario) string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>How gateways answer the same faults</title>
<style>
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
p { max-width: 46rem } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .2rem .6rem; border-bottom: 1px solid #8884; vertical-align: top }
thead th { position: sticky; top: 0; background: Canvas } h2 { margin: 2rem 0 .3rem; text-transform: capitalize }
.r { color: #1a7f37 } .w { color: #cf222e; font-weight: 600 } .o { color: #9a6700 } .n { opacity: .5 } small { display: block; opacity: .7 } code { font-size: 13px }
@media (prefers-color-scheme: dark) { .r { color: #3fb950 } .w { color: #f85149 } .o { color: #d4a72c } }
</style></head><body>
<h1>How gateways answer the same faults</h1>
`)
	fmt.Fprintf(&b, "<p>%s</p><p>%s</p><p><small>Made on %s.</small></p>\n", html.EscapeString(legend), html.EscapeString(strings.ReplaceAll(method, "`", "")), time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	for _, s := range scores {
		if s.Error != "" {
			fmt.Fprintf(&b, "<p><strong>%s was not scored whole:</strong> %s</p>\n", html.EscapeString(title(s)), html.EscapeString(s.Error))
		}
	}
	b.WriteString(SVG(scores, scenarios))
	group := ""
	for _, sc := range scenarios {
		if sc.Group.String() != group {
			if group != "" {
				b.WriteString("</tbody></table>\n")
			}
			group = sc.Group.String()
			fmt.Fprintf(&b, "<h2>%s</h2><table><thead><tr><th>scenario</th><th>right is</th>", group)
			for _, s := range scores {
				fmt.Fprintf(&b, "<th>%s</th>", html.EscapeString(title(s)))
			}
			b.WriteString("</tr></thead><tbody>\n")
		}
		fmt.Fprintf(&b, "<tr><td><code>%s</code><small>%s</small></td><td>%s<small>%s</small></td>", sc.Name, html.EscapeString(sc.Does), html.EscapeString(sc.Want.String()), html.EscapeString(sc.Why))
		for _, s := range scores {
			b.WriteString(htmlCell(s.at(sc.Name)))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody></table></body></html>\n")
	return b.String()
}

func htmlCell(r *Result) string {
	switch {
	case r == nil:
		return "<td class=\"n\">–</td>"
	case r.Skipped != "":
		return "<td class=\"n\">–<small>" + html.EscapeString(r.Skipped) + "</small></td>"
	case r.Right():
		return "<td class=\"r\">✓ " + html.EscapeString(r.Got) + "</td>"
	case r.Other:
		return "<td class=\"o\">≠ " + html.EscapeString(r.Got) + "<small>" + html.EscapeString(strings.Join(r.Wrong, "; ")) + "</small></td>"
	}
	return "<td class=\"w\">✗ " + html.EscapeString(r.Got) + "<small>" + html.EscapeString(strings.Join(r.Wrong, "; ")) + "</small></td>"
}
