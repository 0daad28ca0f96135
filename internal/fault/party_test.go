package fault

import (
	"strings"
	"testing"
)

// Whoever ended an exchange is told beside what was observed, and the client's leaving is its verdict whatever that was.
func TestParty(t *testing.T) {
	for end := range End(Ends) {
		for stage := range Stage(Stages) {
			e := Evidence{Stage: stage, End: end, By: PartyClient}
			if f := Classify(&e); f.Cause != CauseClientLeft {
				t.Errorf("%s %s by the client: %s", stage, end, f.Cause)
			}
		}
	}
	for p, want := range map[Party]string{PartyUpstream: "", PartyClient: `"by":"client"`, PartyGateway: `"by":"gateway"`} {
		got := string((&Evidence{Stage: Head, End: Closed, By: p}).AppendJSON(nil))
		if strings.Contains(got, `"by"`) != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%s: %s", p, got)
		}
	}
	if Party(99).String() != "unknown" {
		t.Error("a party that is none")
	}
}
