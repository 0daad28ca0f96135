package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/phrase"
)

// JudgeText says what a text that somebody gives may mean, the likeliest cause first: a whole line of a log, a piece of one,
// or an error's words. It gives none where the text says nothing. What it says of a line is what Explain says.
func JudgeText(text []byte, now time.Time) []fault.Cause {
	text = bytes.TrimSpace(text)
	r, e := NewRecogniser(formats, now), Entry{}
	if f, _ := r.Read(&e, text); f != nil && (e.Kind == KindFault || e.Kind == KindClient) && e.Fault().Cause != fault.CauseUnknown && !e.Bare {
		causes := []fault.Cause{e.Fault().Cause}
		for _, c := range e.Candidates {
			if c != causes[0] {
				causes = append(causes, c)
			}
		}
		return causes
	}
	return phrase.Read(text).Causes()
}
