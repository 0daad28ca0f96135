package fault

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// checkPrintable: one line of printable ASCII, with nothing left of a template.
func checkPrintable(t *testing.T, s string) {
	t.Helper()
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			t.Errorf("byte %#x in %q", s[i], s)
			return
		}
	}
}

func checkSentence(t *testing.T, c Cause, s string) {
	t.Helper()
	checkPrintable(t, s)
	for _, wrong := range []string{"{", "}", "%!", "  ", "()", " ,", " ;", " :", "[]"} {
		if strings.Contains(s, wrong) {
			t.Errorf("%s: %q in %q", c, wrong, s)
		}
	}
	if s == "" {
		t.Errorf("%s has no sentence", c)
	}
}

func TestSentenceOfEveryVerdict(t *testing.T) {
	for _, v := range verdicts {
		if v.cause == CauseNone {
			continue
		}
		e := v.e
		f := Classify(&e)
		checkSentence(t, f.Cause, f.Sentence(&e))
		if e.Endpoint == "" {
			e.Endpoint = "https://app.internal:8443"
		}
		e.Addr = "10.0.0.7:8443"
		s := f.Sentence(&e)
		checkSentence(t, f.Cause, s)
		if len(s) > 240 {
			t.Errorf("%s: %d bytes: %s", f.Cause, len(s), s)
		}
	}
}

func TestPublicSentenceOfEveryCause(t *testing.T) {
	for c := CauseNone + 1; int(c) < Causes; c++ {
		s := Fault{Cause: c}.PublicSentence()
		checkSentence(t, c, s)
		if !strings.HasSuffix(s, ".") || s[0] < 'A' || s[0] > 'Z' {
			t.Errorf("%s: not a sentence: %q", c, s)
		}
	}
	if s := (Fault{}).PublicSentence(); s != "" {
		t.Errorf("no fault, but %q", s)
	}
}

func TestSentence(t *testing.T) {
	for _, tt := range []struct {
		e    Evidence
		want string
	}{
		{
			Evidence{Stage: FirstByte, End: Closed, Reused: true, Nth: 7, Idle: 5 * time.Second, Sent: 120, Endpoint: "http://app.internal:8080", Addr: "10.0.0.7:8080"},
			"app.internal:8080 (10.0.0.7:8080) closed a reused connection (request 7, idle 5s) before answering: its close and the request crossed on the way",
		},
		{
			Evidence{Stage: Dial, End: Refused, Errno: syscall.ECONNREFUSED, Endpoint: "http://127.0.0.1:3000", Addr: "127.0.0.1:3000", Spent: [Stages]time.Duration{Dial: 420 * time.Microsecond}},
			"127.0.0.1:3000 refused the connection (ECONNREFUSED) after 0.4ms: nothing listens on that port",
		},
		{
			Evidence{Stage: Dial, End: Refused, Errno: syscall.ECONNREFUSED, Addr: "127.0.0.1:3000", Spent: [Stages]time.Duration{Dial: 42 * time.Microsecond}},
			"127.0.0.1:3000 refused the connection (ECONNREFUSED) after 0.04ms: nothing listens on that port",
		},
		{
			Evidence{Stage: Dial, End: Refused, Errno: syscall.ECONNREFUSED, Addr: "127.0.0.1:3000", Spent: [Stages]time.Duration{Dial: 2 * time.Microsecond}},
			"127.0.0.1:3000 refused the connection (ECONNREFUSED) after 0.01ms: nothing listens on that port",
		},
		{
			Evidence{Stage: Resolve, End: NoAddress, DNS: &DNS{Name: "app.internal", Server: "10.0.0.2:53", Answered: true, RCode: 3, EDE: -1}},
			"app.internal does not exist: name server 10.0.0.2:53 answered NXDOMAIN",
		},
		{
			Evidence{Stage: Resolve, End: NoAddress, DNS: &DNS{Name: "app.internal", Server: "10.0.0.2:53", Answered: true, RCode: 2, EDE: 22}},
			"name server 10.0.0.2:53 could not resolve app.internal: SERVFAIL (EDE 22 No Reachable Authority)",
		},
		{
			Evidence{Stage: FirstByte, End: Timeout, Timer: TimerHead, After: time.Minute, Endpoint: "http://app:80", Addr: "10.0.0.7:80"},
			"app:80 (10.0.0.7:80) took the request and sent nothing for 60s (timeouts.head)",
		},
		{
			Evidence{Stage: Head, End: Malformed, Rule: RuleNotHTTP, Sample: []byte("SSH-2.0-OpenSSH_9.6\r\n"), Endpoint: "http://app:22"},
			`app:22 is not an HTTP server but an SSH server: it sent "SSH-2.0-OpenSSH_9.6\r\n"`,
		},
		{
			Evidence{Stage: Head, End: Malformed, Rule: RuleMissingColon, Offset: 24, Sample: []byte("HTTP/1.1 200 OK\r\nWarning deprecated\r\n"), Endpoint: "http://app:80"},
			`app:80 sent a malformed header line: a header line has no colon (RFC 9112 section 5) at byte 24, near "Warning deprecated"`,
		},
		{
			Evidence{Stage: TLS, End: Alert, Alert: 112, Endpoint: "https://app:443"},
			"app:443 does not serve the name that was sent to it as SNI (alert 112 unrecognized_name)",
		},
		{
			Evidence{Stage: Body, End: Closed, Rule: RuleBodyShort, Declared: 1000, Body: 640, Endpoint: "unix:/run/app.sock", Addr: "/run/app.sock"},
			"unix:/run/app.sock closed the connection before the response body was complete: 640 of 1000 bytes came",
		},
		{
			Evidence{Stage: FirstByte, End: Closed, Endpoint: "http://app:80", Spent: [Stages]time.Duration{Write: time.Millisecond, FirstByte: 30011 * time.Millisecond}},
			"app:80 hung up without answering after a round time (30s): a time limit of the upstream most likely killed the worker",
		},
		{
			Evidence{Stage: Dial, End: Timeout, Timer: TimerConnect, After: 3 * time.Second, Endpoint: "http://app:80", Addr: "[fd00::7]:80", Tried: []Address{{Addr: "10.0.0.7:80", End: Refused}, {Addr: "[fd00::7]:80", End: Timeout}}},
			"app:80 ([fd00::7]:80) did not accept the connection within 3s (timeouts.connect): packets are dropped, or its accept queue is full; " +
				"2 addresses failed: 10.0.0.7:80 refused, [fd00::7]:80 timeout",
		},
		{
			Evidence{Stage: Select, End: Misconfigured, Detail: "pool \"api\": no such\npool"},
			`the gateway cannot serve this route: its configuration is broken; pool "api": no such?pool`,
		},
	} {
		if got := Classify(&tt.e).Sentence(&tt.e); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// TestSentenceQuotesNoSecret: what a sentence shows of a message is redacted.
func TestSentenceQuotesNoSecret(t *testing.T) {
	sample := "HTTP/1.1 200 OK\r\nSet-Cookie: sid=5ecret\x00\r\n"
	e := Evidence{Stage: Head, End: Malformed, Rule: RuleNUL, Offset: int64(strings.IndexByte(sample, 0)), Sample: []byte(sample)}
	if s := Classify(&e).Sentence(&e); strings.Contains(s, "5ecret") {
		t.Error(s)
	}
}
