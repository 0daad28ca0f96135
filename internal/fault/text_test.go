package fault

import (
	"encoding"
	"encoding/json"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/redact"
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
	roundTrip[Party](t, Parties, Party.MarshalText)
	roundTrip[Cause](t, Causes, Cause.MarshalText)
	roundTrip[Type](t, Types, Type.MarshalText)
	roundTrip[Family](t, Families, Family.MarshalText)
	roundTrip[Timer](t, len(timerNames), Timer.MarshalText)
	roundTrip[Rule](t, Rules, func(r Rule) ([]byte, error) { return []byte(r.String()), nil })
	roundTrip[CertProblem](t, len(certProblemNames), CertProblem.MarshalText)
	roundTrip[ClientCert](t, len(clientCertNames), ClientCert.MarshalText)
}

// TestEvidenceIsReadAgain: what was written comes back, with secrets masked, and is judged the same.
func TestEvidenceIsReadAgain(t *testing.T) {
	for _, v := range verdicts {
		if int(v.e.Stage) >= Stages || int(v.e.Told) >= Causes || int(v.e.End) >= Ends {
			continue
		}
		e := v.e
		e.By, e.Reused, e.Nth, e.Idle, e.Detail = PartyGateway, true, 7, 1500*time.Microsecond, "a \x1b \u00e9"
		e.Spent[Dial], e.Spent[FirstByte] = 12345*time.Microsecond, time.Hour
		e.Endpoint, e.Addr, e.Field = "http://app:80", "10.0.0.7:80", "content-length"
		e.Version, e.Stream, e.Unprocessed, e.Hedge = httpmsg.HTTP2, 7, true, true
		e.Tried = []Address{{Addr: "[::1]:80", End: Refused, Errno: syscall.ECONNREFUSED, Spent: time.Millisecond}, {Addr: "10.0.0.7:80", End: Timeout}}
		var got Evidence
		if err := json.Unmarshal(e.AppendJSON(nil), &got); err != nil {
			t.Errorf("%s: %v", v.cause, err)
			continue
		}
		if e.Sample = redact.Head(e.Sample); len(e.Sample) == 0 {
			e.Sample = nil
		}
		if e.Declared == 0 {
			e.Declared = -1
		}
		if e.DNS != nil && !e.DNS.Answered {
			e.DNS = &DNS{Name: e.DNS.Name, Server: e.DNS.Server, EDE: -1}
		}
		if a, b := string(e.AppendJSON(nil)), string(got.AppendJSON(nil)); a != b {
			t.Errorf("%s: %s\nread again: %s", v.cause, a, b)
		}
		if got.Cert != nil && e.Cert != nil { // its moments are the same, and not of the same place
			got.Cert = e.Cert
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("%s: %+v\nread again: %+v", v.cause, e, got)
		}
		if a, b := Classify(&e), Classify(&got); a != b {
			t.Errorf("%s: read again it is %v", v.cause, b)
		}
	}
}

// TestEvidenceOfAnother: what another version wrote, or somebody else, is an error that leaves the evidence alone.
func TestEvidenceOfAnother(t *testing.T) {
	for _, b := range []string{
		``, `[]`, `{"stage":"lunch"}`, `{"end":"x"}`, `{"spent_ms":{"lunch":1}}`, `{"spent_ms":{"dial":-1}}`, `{"idle_ms":1e300}`, `{"idle_ms":"1"}`, `{"sample_hex":"0"}`,
		`{"alert":256}`, `{"version":"4"}`, `{"code":"SORRY"}`, `{"nth":-1}`, `{"told":"bad-luck"}`, `{"dns":{"rcode":65536}}`, `{"tried":[{"end":"x"}]}`, `{"certificate":{"problem":"x"}}`,
	} {
		e := Evidence{Nth: 7}
		if err := json.Unmarshal([]byte(b), &e); err == nil || !reflect.DeepEqual(e, Evidence{Nth: 7}) {
			t.Errorf("%s: %v, %+v", b, err, e)
		}
	}
	var e Evidence
	if err := json.Unmarshal([]byte(`{"stage":"dial","end":"refused","mood":"bad"}`), &e); err != nil || e.Stage != Dial || e.End != Refused {
		t.Errorf("%+v: %v", e, err)
	}
}
