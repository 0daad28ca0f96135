package fault

import (
	"encoding/json"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/visible"
)

func TestEvidenceJSONOfEveryVerdict(t *testing.T) {
	for _, v := range verdicts {
		e := v.e
		e.Detail = "\"\\\n\x01\xff<é>"
		var m map[string]any
		if err := json.Unmarshal(e.AppendJSON(nil), &m); err != nil {
			t.Errorf("%s: %v", v.cause, err)
			continue
		}
		if m["stage"] != e.Stage.String() || m["end"] != e.End.String() {
			t.Errorf("%s: %v", v.cause, m)
		}
		if _, err := json.Marshal(&e); err != nil {
			t.Errorf("%s: %v", v.cause, err)
		}
	}
}

// Names, servers' words and certificates are somebody else's text: an operator's cat must not act on it.
func TestEvidenceJSONShowsWhatActs(t *testing.T) {
	const evil = "\x1b\u009b\x7f\u202e\u2028\U000e0041\xff"
	e := Evidence{
		Endpoint: evil, Addr: evil, Detail: evil, Field: evil, DNS: &DNS{Name: evil, Answered: true, EDE: 1, EDEText: evil},
		Cert: &Certificate{Wanted: evil, Authority: evil, Chain: []CertificateInfo{{Subject: evil}}},
	}
	got := e.AppendJSON(nil)
	var m map[string]any
	if err := json.Unmarshal(got, &m); err != nil || m["detail"] != "\x1b\u009b\x7f\u202e\u2028\U000e0041\u00ff" {
		t.Errorf("%v: detail is %q", err, m["detail"])
	}
	if shown := visible.Line(string(got)); shown != string(got) {
		t.Errorf("raw: %q", got)
	}
}

func TestEvidenceJSON(t *testing.T) {
	e := Evidence{
		Stage: FirstByte, End: Reset, Reused: true, Nth: 7, Idle: 5010 * time.Millisecond, Sent: 120, Declared: -1,
		Errno: syscall.ECONNRESET, Endpoint: "http://app:80", Addr: "10.0.0.7:80",
		Sample: []byte("HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n"),
		Tried:  []Address{{Addr: "10.0.0.7:80", End: Refused, Errno: syscall.ECONNREFUSED, Spent: 1500 * time.Microsecond}},
		DNS:    &DNS{Name: "app", Answered: true, EDE: -1},
	}
	e.Spent[Dial] = 1234567 * time.Nanosecond
	want := `{"stage":"first_byte","end":"reset","reused":true,"nth":7,"idle_ms":5010,"spent_ms":{"dial":1.234},"sent":120,` +
		`"errno":104,"errno_name":"ECONNRESET","errno_text":"connection reset by peer","endpoint":"http://app:80","address":"10.0.0.7:80",` +
		`"sample":"HTTP/1.1 200 OK\\r\\nSet-Cookie: ***\\r\\n","sample_hex":"485454502f312e3120323030204f4b0d0a5365742d436f6f6b69653a202a2a2a0d0a","sample_protocol":"an HTTP/1 server",` +
		`"dns":{"name":"app","answered":true,"rcode":0,"rcode_name":"NOERROR"},` +
		`"tried":[{"address":"10.0.0.7:80","end":"refused","errno":111,"errno_name":"ECONNREFUSED","errno_text":"connection refused","spent_ms":1.5}]}`
	if got := string(e.AppendJSON(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
