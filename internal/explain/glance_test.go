package explain

import (
	"testing"

	"github.com/whygate/whygate/internal/visible"
)

// TestEveryLineIsOffered: what a glance leaves out, no format would have taken. It holds each line of the corpora against each
// format, bare and as a string of JSON has it.
func TestEveryLineIsOffered(t *testing.T) {
	t.Parallel()
	d := newDispatch(formats)
	e := Entry{}
	taken := 0
	for _, c := range corpora(t) {
		if len(c.text) == 0 {
			continue
		}
		seen, offer := d.glance(c.text, &marksAt{})
		for place, f := range formats {
			e.reset()
			if !f.Parse(&e, c.text) {
				continue
			}
			if taken++; (offer|d.heads[headOf(c.text)])&(1<<place) == 0 {
				t.Errorf("%s takes a line that it is not offered: %.120q", f.Name, c.text)
			}
			if !d.mayTake(place, c.text) {
				t.Errorf("%s is not asked again for a line that it takes: %.120q", f.Name, c.text)
			}
			if e.Kind != KindFault {
				continue
			}
			inside := visible.AppendString(nil, string(c.text))
			if within, _ := d.glance(inside, &marksAt{}); seen.tell() && !within.tell() {
				t.Errorf("%s: inside of JSON a fault has no sign: %.120q", f.Name, c.text)
			}
		}
	}
	if taken < 1000 || len(formats) > setMax {
		t.Errorf("%d lines were taken, of %d formats", taken, len(formats))
	}
}

// TestGlance: what the signs are read off.
func TestGlance(t *testing.T) {
	t.Parallel()
	d := newDispatch(formats)
	for line, want := range map[string]signs{
		"user 77 logged in":                    0,
		"took 512 ms":                          signStatus, // any number: without a word for a request it tells of nothing
		`"GET /x HTTP/1.1" 502 17`:             signRequest | signStatus,
		`{"status":504,"path":"/x"}`:           signRequest | signStatus,
		`1.2.3.4 - - [24/Nov/2026:10:00:00 +0`: signCommon,
		`[2026-11-24T10:00:00.1Z] "GET`:        signEnvoy,
		"I, [2026-11-24T10:00:00.1 #9] INFO":   0,
		"connect: connection refused":          signWords,
		"\x1b[31mred\x1b[0m":                   signForeign,
		"caf\u00e9":                            signForeign,
		"oom_reaper: reaped process 7 (x)":     signMark,
		"a fatal mistake":                      signLevel,
	} {
		if got, _ := d.glance([]byte(line), &marksAt{}); got != want {
			t.Errorf("%q: %b, want %b", line, got, want)
		}
	}
}
