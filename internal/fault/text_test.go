package fault

import (
	"encoding"
	"encoding/json"
	"testing"
)

// roundTrip checks that each of n values is read again from the text that it gives, and that nonsense is an error which
// changes nothing.
func roundTrip[T ~uint8, P interface {
	*T
	encoding.TextUnmarshaler
}](t *testing.T, n int, text func(T) ([]byte, error),
) {
	t.Helper()
	for i := range n {
		b, err := text(T(i))
		if err != nil {
			t.Fatal(err)
		}
		var got T
		if err := P(&got).UnmarshalText(b); err != nil || got != T(i) {
			t.Errorf("%T %d: %q is read as %d, %v", got, i, b, got, err)
		}
	}
	got := T(1)
	if err := P(&got).UnmarshalText([]byte("nonsense")); err == nil || got != 1 {
		t.Errorf("%T: nonsense is %d, %v", got, got, err)
	}
}

func TestTextRoundTrip(t *testing.T) {
	roundTrip[Stage](t, Stages, Stage.MarshalText)
	roundTrip[End](t, Ends, End.MarshalText)
	roundTrip[Cause](t, Causes, Cause.MarshalText)
	roundTrip[Type](t, Types, Type.MarshalText)
	roundTrip[Family](t, Families, Family.MarshalText)
	roundTrip[Timer](t, len(timerNames), Timer.MarshalText)
	roundTrip[Rule](t, Rules, func(r Rule) ([]byte, error) { return []byte(r.String()), nil })
	roundTrip[CertProblem](t, len(certProblemNames), CertProblem.MarshalText)
	roundTrip[ClientCert](t, len(clientCertNames), ClientCert.MarshalText)
}

// TestEvidenceJSONIsReadAgain: what explain needs of the log's evidence decodes into the same values.
func TestEvidenceJSONIsReadAgain(t *testing.T) {
	for _, v := range verdicts {
		if int(v.e.Stage) >= Stages || int(v.e.Told) >= Causes {
			continue
		}
		var got struct {
			Stage Stage
			End   End
			Told  Cause
			Timer Timer
			Rule  Rule
			Cert  ClientCert `json:"client_certificate"`
		}
		if err := json.Unmarshal(v.e.AppendJSON(nil), &got); err != nil {
			t.Errorf("%s: %v", v.cause, err)
			continue
		}
		if got.Stage != v.e.Stage || got.End != v.e.End || got.Told != v.e.Told || got.Timer != v.e.Timer || got.Rule != v.e.Rule || got.Cert != v.e.ClientCert {
			t.Errorf("%s: %+v", v.cause, got)
		}
	}
}
