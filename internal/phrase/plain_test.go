package phrase

import (
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestPlainSentencesYield: what anybody may write says less than what was seen on the connection, wherever in the message the two stand.
func TestPlainSentencesYield(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]fault.Cause{
		`Unable to reach the origin service. Get "http://10.0.0.5:8080/": EOF`: fault.CauseClosedBeforeAnswer,
		`read tcp 10.0.0.1:5000->10.0.0.5:8080: EOF: backend did not answer`:   fault.CauseClosedBeforeAnswer,
		`the backend did not answer`:                                           fault.CauseHeadTimeout,
	} {
		if r := Read([]byte(text)); r.Phrase == nil || r.Phrase.Causes[0] != want {
			t.Errorf("%s: %+v, want %s", text, r.Phrase, want)
		}
	}
}
