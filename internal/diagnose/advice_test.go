package diagnose

import (
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestAdviceOfTheUnknown: whoever runs diagnose is not told to run it.
func TestAdviceOfTheUnknown(t *testing.T) {
	r := &Report{Verdict: Verdict{Cause: fault.CauseUnknown}}
	if advise(r, nil); len(r.Verdict.Advice) != 0 {
		t.Errorf("%q", r.Verdict.Advice)
	}
	r.Verdict.Cause = fault.CauseHeadTimeout
	if advise(r, nil); len(r.Verdict.Advice) == 0 {
		t.Error("a cause that is known has no advice")
	}
}
