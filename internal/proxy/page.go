package proxy

import (
	"encoding/json"
	"fmt"
	"html"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/visible"
)

// page is what the public is told of a failure. It has no address and no name of anything inside.
type page struct {
	Status   int
	Incident string
	Request  string // the request id
	At       time.Time
	Sentence string
	Type     string // RFC 9209's error type; empty where Proxy-Status is off
	Cause    string
	Plain    bool // the bare page
}

// kind is the form of a page.
type kind uint8

const (
	kindHTML kind = iota
	kindJSON
	kindText
)

// negotiate chooses the form by the Accept fields (RFC 9110, section 12.5.1): the acceptable one of the highest weight, the
// page where the client does not mind.
func negotiate(f *httpmsg.Fields) kind {
	best, weight := kindHTML, 0.0
	var refused [kindText + 1]bool
	for i := range f.Len() {
		if f.ID(i) != httpmsg.Accept {
			continue
		}
		for element, rest := httpmsg.NextToken(f.Value(i)); element != nil; element, rest = httpmsg.NextToken(rest) {
			media, params, _ := strings.Cut(string(element), ";")
			k, known := kindOf(strings.ToLower(strings.TrimSpace(media)))
			if !known {
				continue
			}
			q := quality(params)
			refused[k] = refused[k] || q == 0
			if q > weight {
				best, weight = k, q
			}
		}
	}
	for k := range refused {
		if refused[best] && !refused[k] {
			best = kind(k)
		}
	}
	return best
}

func kindOf(media string) (kind, bool) {
	switch media {
	case "text/html", "application/xhtml+xml", "*/*", "text/*":
		return kindHTML, true
	case "application/problem+json", "application/json", "application/*":
		return kindJSON, true
	case "text/plain":
		return kindText, true
	}
	return kindJSON, strings.HasSuffix(media, "+json") // an API's own media type
}

// quality is the q parameter, 1 where there is none or it makes no sense.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		if name, value, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(name, "q") {
			if q, err := strconv.ParseFloat(value, 64); err == nil && q >= 0 && q <= 1 {
				return q
			}
		}
	}
	return 1
}

// contentType is the page's media type.
func (p *page) contentType(k kind) string {
	switch {
	case k == kindJSON:
		return "application/problem+json"
	case k == kindText:
		return "text/plain; charset=utf-8"
	}
	return "text/html; charset=utf-8"
}

// render makes the page in one of its forms.
func (p *page) render(k kind) []byte {
	switch {
	case k == kindJSON:
		return p.json()
	case k == kindText:
		return p.text()
	case p.Plain:
		return p.bare()
	}
	return p.html()
}

// Title is the status with its reason phrase, as browsers' users know it.
func (p *page) Title() string { return strconv.Itoa(p.Status) + " " + p.Heading() }

// Heading is the reason phrase.
func (p *page) Heading() string { return httpmsg.Reason(p.Status) }

// Paragraph is what the page says, in the words that people search for.
func (p *page) Paragraph() string {
	switch p.Status {
	case 502:
		return "The server received an invalid response from the upstream server while trying to fulfill the request."
	case 503:
		return "The server is temporarily unable to service the request. Please try again later."
	case 504:
		return "The server did not receive a timely response from the upstream server while trying to fulfill the request."
	case 500:
		return "The server encountered an internal error and was unable to complete the request."
	case 404:
		return "The requested address was not found on this server."
	case 408:
		return "The server did not receive the complete request in time."
	case 413:
		return "The request is larger than the server is willing to process."
	case 414:
		return "The requested address is longer than the server is willing to interpret."
	case 431:
		return "The request's headers are larger than the server is willing to process."
	}
	if p.Status < 500 {
		return "The server cannot process the request as it was sent."
	}
	return "The server could not fulfill the request."
}

// Visitor is what a visitor can do.
func (p *page) Visitor() string {
	switch {
	case p.Status == 502 || p.Status == 503 || p.Status == 504:
		return "The gateway is working; the application behind it did not answer as it should. Wait a moment and reload the page. If it stays, tell the site's operator the incident id."
	case p.Status >= 500:
		return "Reload the page in a moment. If it stays, tell the site's operator the incident id."
	case p.Status == 404:
		return "Check the address for typing errors."
	}
	return "If you typed the address, check it. If a program sent the request, its developer can find out more with the incident id."
}

// Time is when it happened, in the form of RFC 3339.
func (p *page) Time() string { return p.At.Format(time.RFC3339) }

// bare is the page that every user knows.
func (p *page) bare() []byte {
	return fmt.Appendf(nil, "<html>\n<head>\n<title>%s</title>\n</head>\n<body>\n<h1>%s</h1>\n<p>%s</p>\n</body>\n</html>\n",
		p.Title(), p.Heading(), p.Paragraph())
}

func (p *page) text() []byte {
	return fmt.Appendf(nil, "%s\n\n%s\n%s\n\nIncident: %s\nRequest:  %s\nTime:     %s\n",
		p.Title(), p.Paragraph(), p.Sentence, p.Incident, p.Request, p.Time())
}

// problem is RFC 9457's object with members of our own.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Instance  string `json:"instance"`
	Incident  string `json:"incident"`
	RequestID string `json:"request_id"`
	Time      string `json:"time"`
	Error     string `json:"error,omitempty"` // RFC 9209's error type
	Cause     string `json:"cause,omitempty"`
}

func (p *page) json() []byte {
	b, err := json.Marshal(problem{
		Type: "about:blank", Title: p.Heading(), Status: p.Status, Detail: p.Sentence, Instance: "urn:whygate:incident:" + p.Incident,
		Incident: p.Incident, RequestID: p.Request, Time: p.Time(), Error: p.Type, Cause: p.Cause,
	})
	if err != nil {
		panic("BUG: proxy: a problem object that does not marshal: " + err.Error())
	}
	return append(visible.JSON(b), '\n')
}

// html is the whole page. It is put together by hand: a server that is down has this made for every request, and html/template takes
// 20 µs for it. Everything that varies goes through escape, whether it could hold a character of HTML's or not.
func (p *page) html() []byte {
	b := make([]byte, 0, len(pageHead)+len(pageStyle)+1<<10)
	escape := func(before, text string) { b = append(append(b, before...), html.EscapeString(text)...) }
	b = append(b, pageHead...)
	escape("", p.Title())
	b = append(b, pageStyle...)
	escape("<p class=\"status\">", strconv.Itoa(p.Status))
	escape("</p>\n<h1>", p.Heading())
	escape("</h1>\n<p>", p.Paragraph())
	escape("</p>\n<p class=\"soft\">", p.Visitor())
	escape("</p>\n<dl>\n<dt>Incident</dt><dd>", p.Incident)
	escape("</dd>\n<dt>Request</dt><dd>", p.Request)
	escape("</dd>\n<dt>Time</dt><dd>", p.Time())
	if p.Type != "" {
		escape("</dd>\n<dt>Reason</dt><dd>", p.Type)
	}
	return append(b, "</dd>\n</dl>\n</main>\n</body>\n</html>\n"...)
}

// pageHead ends where the title begins.
const pageHead = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>`

// pageStyle is what stands between the title and the words.
const pageStyle = `</title>
<style>
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --paper: #fff; --accent: #b3261e }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebef; --soft: #9aa5b3; --line: #343c47; --paper: #14181d; --accent: #ff897d } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
main { max-width: 38rem; margin: 0 auto; padding: 14vh 1.5rem 3rem }
.status { color: var(--accent); font-weight: 600; letter-spacing: .04em; margin: 0 }
h1 { font-size: 2.1rem; line-height: 1.2; margin: .1rem 0 1rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 2rem 0 0; padding-top: 1.25rem; border-top: 1px solid var(--line); font-size: .9rem }
dt { color: var(--soft) }
dd { margin: 0; font-family: ui-monospace, monospace; overflow-wrap: anywhere }
.soft { color: var(--soft) }
</style>
</head>
<body>
<main>
`
