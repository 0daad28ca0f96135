package explain

import (
	"bytes"
	"slices"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestJudgeTextAgrees: what is said of a line that somebody pastes is what Explain says of it.
func TestJudgeTextAgrees(t *testing.T) {
	t.Parallel()
	r, e := NewRecogniser(formats, corpusNow), Entry{}
	for _, c := range corpora(t) {
		f, _ := r.Read(&e, c.text)
		if f == nil || e.Kind != KindFault || e.Fault().Cause == fault.CauseUnknown || f.Name == "iis-w3c" || f.Name == "whygate-access" {
			continue
		}
		if got := JudgeText(c.text, corpusNow); !slices.Contains(got, e.Fault().Cause) {
			t.Errorf("%s/%s:%d: %v, and Explain says %s: %s", c.format, c.file, c.line, got, e.Fault().Cause, c.text)
		}
	}
}

// TestJudgeTextOfPieces: a line without its date, or an error's number, means what the line does.
func TestJudgeTextOfPieces(t *testing.T) {
	t.Parallel()
	r, e := NewRecogniser(formats, corpusNow), Entry{}
	for _, c := range corpora(t) {
		if c.format != "nginx-error" {
			continue
		}
		l, ok := cutNginx(c.text)
		r.Read(&e, c.text)
		if !ok || e.Kind != KindFault || e.Fault().Cause == fault.CauseUnknown || !bytes.Contains(l.message, []byte("upstream")) {
			continue
		}
		if got := JudgeText(l.message, corpusNow); len(got) == 0 || got[0] != e.Fault().Cause && !slices.Contains(e.Candidates, got[0]) {
			t.Errorf("%v, and Explain says %s: %s", got, e.Fault().Cause, l.message)
		}
	}
	for text, want := range map[string]fault.Cause{
		"AH01030": fault.CauseKeepaliveRace,
		"AH01102": fault.CauseClosedBeforeAnswer,
		"AH00957: HTTP: attempt to connect to 10.0.0.7:80 failed": fault.CauseConnectionRefused,
		"502 Bad Gateway": fault.CauseConnectionRefused,
		"<html><head><title>504 Gateway Time-out</title></head>":                                                                                            fault.CauseHeadTimeout,
		`192.0.2.1 - - [24/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 502 157 "-" "-"`:                                                                       fault.CauseConnectionRefused,
		"SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::sslv3 alert handshake failure:SSL alert number 40) while SSL handshaking to upstream": fault.CauseTLSNameUnknown,
		"nothing of this kind": fault.CauseNone,
	} {
		got := fault.CauseNone
		if causes := JudgeText([]byte(text), corpusNow); len(causes) > 0 {
			got = causes[0]
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
