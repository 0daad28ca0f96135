package proxy

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The page is put together by hand, so what html/template would see to is looked at here: everything that varies is escaped, and each
// element that is opened is closed.
func TestPageHTML(t *testing.T) {
	const evil = `</dd><script>alert("x")</script>&'`
	const safe = `&lt;/dd&gt;&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;&amp;&#39;`
	at := time.Date(2026, 12, 1, 3, 4, 5, 0, time.UTC)
	for _, p := range []page{
		{Status: 502, Incident: evil, Request: evil, At: at, Sentence: evil, Type: evil, Cause: evil},
		{Status: 404, Incident: evil, Request: evil, At: at},
	} {
		got := string(p.html())
		escaped := strings.Count(got, safe)
		if want := strings.Count(p.Incident+p.Request+p.Type, evil); escaped != want || strings.Contains(got, "<script") {
			t.Errorf("%d: %d of %d escaped in:\n%s", p.Status, escaped, want, got)
		}
		if has := strings.Contains(got, "<dt>Reason</dt>"); has != (p.Type != "") {
			t.Errorf("%d: a reason: %v", p.Status, has)
		}
		for _, want := range []string{"<title>" + p.Title() + "</title>", "<h1>" + p.Heading() + "</h1>", "<dd>2026-12-01T03:04:05Z</dd>", html.EscapeString(p.Paragraph()), html.EscapeString(p.Visitor())} {
			if !strings.Contains(got, want) {
				t.Errorf("%d: no %q in:\n%s", p.Status, want, got)
			}
		}
		var open []string
		for _, tag := range regexp.MustCompile(`<(/?)([a-z0-9]+)[^>]*>`).FindAllStringSubmatch(got, -1) {
			switch last := len(open) - 1; {
			case tag[2] == "meta":
			case tag[1] == "":
				open = append(open, tag[2])
			case last < 0 || open[last] != tag[2]:
				t.Fatalf("%d: </%s> closes none of %q", p.Status, tag[2], open)
			default:
				open = open[:last]
			}
		}
		if len(open) > 0 {
			t.Errorf("%d: left open: %q", p.Status, open)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	p := page{Status: 502, Incident: "5CM75JH251", Request: "1f0b6c1e9a4d4f0c8a2e6b7d5c3f9e10", At: time.Now(), Type: "connection_refused"}
	b.ReportAllocs()
	for b.Loop() {
		p.html()
	}
}
