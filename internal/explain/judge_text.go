package explain

import (
	"bytes"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/phrase"
)

// JudgeText says what a text that somebody gives may mean, the likeliest cause first: a whole line of a log, a piece of one,
// an error's words, or an error page. It gives none where the text says nothing. What it says of a line is what Explain says.
func JudgeText(text []byte, now time.Time) []fault.Cause {
	r := NewRecogniser(formats, now)
	r.loosely = false
	for _, line := range [...][]byte{bytes.TrimRight(text, " \t\r\n"), bytes.TrimSpace(text)} {
		if causes := judgeLine(r, line); causes != nil {
			return causes
		}
	}
	text = bytes.TrimSpace(text)
	for _, f := range fragments {
		if phrase.OneOf(text, f.words) && f.begins(text) {
			if causes := judgeLine(r, slices.Concat([]byte(f.before), text, []byte(f.after))); causes != nil {
				return causes
			}
		}
	}
	r.loosely = true
	if causes := judgeLine(r, text); causes != nil {
		return causes
	}
	if causes := phrase.Read(text).Causes(); causes != nil {
		return causes
	}
	if causes := judgeTitle(text); causes != nil {
		return causes
	}
	var e Entry
	if f, _ := r.Read(&e, text); f == nil || e.Kind != KindFault || e.Status < 500 { // else a line with a status and nothing more
		return nil
	}
	e.gatewayStatus(e.Status)
	return e.causes()
}

// judgeLine judges a line of a format; nil where it is none, or rests on the status alone.
func judgeLine(r *Recogniser, line []byte) []fault.Cause {
	var e Entry
	f, _ := r.Read(&e, line)
	if f == nil || e.Kind != KindFault && e.Kind != KindClient || e.Fault().Cause == fault.CauseUnknown || e.Bare {
		return nil
	}
	return e.causes()
}

// causes gives the verdict and what the line may stand for as well.
func (e *Entry) causes() []fault.Cause {
	causes := []fault.Cause{e.Fault().Cause}
	for _, c := range e.Candidates {
		if c != causes[0] {
			causes = append(causes, c)
		}
	}
	return causes
}

// fragment is how a message becomes the line that its program would have written.
type fragment struct {
	words  string // one of these stands in such a message
	before string // what stands before it in the log
	after  string // and behind it
	begins func(text []byte) bool
}

var fragments = [...]fragment{
	{"ah0|ah1", apacheHead, ": -", func(text []byte) bool {
		return starts(text, "AH") && len(text) >= 7 && wholeUint(text[2:7]) > 0
	}},
	{"upstream", "2026/01/01 00:00:00 [error] 1#1: *1 ", ", client: 192.0.2.1, server: s", func(text []byte) bool { return len(text) > 12 && text[0] > ' ' && text[4] != '/' }},
}

// titles are what error pages are called, in lower case, with the status.
var titles = [...]struct {
	text   string
	status int
}{
	{"502 bad gateway", 502},
	{"502 proxy error", 502},
	{"504 gateway time-out", 504},
	{"504 gateway timeout", 504},
	{"503 service temporarily unavailable", 503},
	{"503 service unavailable", 503},
	{"503 backend fetch failed", 503},
	{"bad gateway", 502},
	{"gateway timeout", 504},
	{"gateway time-out", 504},
	{"service temporarily unavailable", 503},
}

// judgeTitle judges an error page, or its title, by what such a status stands for with every gateway.
func judgeTitle(text []byte) []fault.Cause {
	for _, t := range titles {
		if phrase.Index(text, t.text) >= 0 {
			var e Entry
			e.gatewayStatus(t.status)
			return e.Candidates
		}
	}
	return nil
}
