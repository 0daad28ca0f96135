package explain

import (
	"testing"
	"time"

	"github.com/whygate/whygate/internal/visible"
)

// peelCases are lines as carriers wrap them, with what is inside.
var peelCases = []struct {
	name, line, inner string
	process           uint64
	at                string // RFC 3339, empty where the carrier has no time
}{
	{"rfc3164", `<134>Mar 14 12:00:01 lb1 haproxy[14389]: Proxy a started.`, "Proxy a started.", 14389, ""},
	{"file", `Mar 14 12:00:01 lb1 nginx: 2026/03/14 12:00:01 [error] 1#1: x`, "2026/03/14 12:00:01 [error] 1#1: x", 0, ""},
	{"rfc5424", `<165>1 2026-03-14T12:00:01.003Z host app 8710 ID47 [a@1 b="c\]d"] it said`, "it said", 8710, "2026-03-14T12:00:01.003Z"},
	{"rfc5424 without data", `<165>1 2026-03-14T12:00:01.003Z host app 8710 - - it said`, "it said", 8710, "2026-03-14T12:00:01.003Z"},
	{"short-iso", `2026-03-14T12:00:01+0100 host app[7]: it said`, "it said", 7, "2026-03-14T11:00:01Z"},
	{"journal json", `{"__REALTIME_TIMESTAMP":"1773489601000000","_PID":"7","MESSAGE":"it \"said\"","SYSLOG_IDENTIFIER":"app"}`, `it "said"`, 7, "2026-03-14T12:00:01Z"},
	{"docker", `{"log":"it said\n","stream":"stderr","time":"2026-03-14T12:00:01.5Z"}`, "it said", 0, "2026-03-14T12:00:01.5Z"},
	{"cri", `2026-03-14T12:00:01.000000000Z stderr F it said`, "it said", 0, "2026-03-14T12:00:01Z"},
	{"kubectl timestamps", `2026-03-14T12:00:01.000000000Z [error] it said`, "[error] it said", 0, "2026-03-14T12:00:01Z"},
	{"kubectl prefix", `[pod/web-5d/nginx] it said`, "it said", 0, ""},
	{"short-full", `Sat 2026-03-14 12:00:01 UTC host app[7]: it said`, "it said", 7, "2026-03-14T12:00:01Z"},
	{"short-unix", `1773489601.250000 host app[7]: it said`, "it said", 7, "2026-03-14T12:00:01.25Z"},
	{"short-monotonic", `[12345.123456] host app[7]: it said`, "it said", 7, ""},
	{"journal octets", `{"MESSAGE":[105,116,32,115,97,105,100],"_PID":"7"}`, "it said", 7, ""},
	{"docker, other order", `{"stream":"stderr","time":"2026-03-14T12:00:01Z","log":"it said\n"}`, "it said", 0, "2026-03-14T12:00:01Z"},
	{"compose", `web-1  | it said`, "it said", 0, ""},
}

func TestPeel(t *testing.T) {
	t.Parallel()
	for _, c := range peelCases {
		var got carrier
		inner, ok := peel(&got, []byte(c.line), corpusNow)
		if !ok || string(inner) != c.inner || got.process != c.process {
			t.Errorf("%s: %q, process %d, %t; want %q, %d", c.name, inner, got.process, ok, c.inner, c.process)
		}
		if c.at != "" && got.time.UTC().Format(time.RFC3339Nano) != c.at {
			t.Errorf("%s: %s, want %s", c.name, got.time.UTC().Format(time.RFC3339Nano), c.at)
		}
	}
}

// TestPeeledCorpus wraps every line of the corpora in every carrier: the format is still found.
func TestPeeledCorpus(t *testing.T) {
	t.Parallel()
	wraps := []func([]byte) string{
		func(b []byte) string { return "<30>Mar 14 12:00:01 host tag[77]: " + string(b) },
		func(b []byte) string { return "2026-03-14T12:00:01.000000000Z stdout F " + string(b) },
		func(b []byte) string {
			return string(visible.AppendString([]byte(`{"log":`), string(b)+"\n")) + `,"stream":"stdout","time":"2026-03-14T12:00:01Z"}`
		},
		func(b []byte) string { return "[pod/a/b] 2026-03-14T12:00:01.000000000Z " + string(b) },
	}
	var e Entry
	for i, wrap := range wraps {
		r := NewRecogniser(formats, corpusNow)
		missed, all := 0, 0
		for _, c := range corpora(t) {
			all++
			f, _ := r.Read(&e, []byte(wrap(c.text)))
			if f == nil || f.Name != c.format {
				missed++
				if missed <= 3 {
					t.Logf("carrier %d: %s is taken for %v", i, wrap(c.text), f)
				}
			}
		}
		if missed*100 > all { // a multi-line record's later lines may lose what tells them, with their indent
			t.Errorf("carrier %d: %d of %d lines are not recognised", i, missed, all)
		}
	}
}

func TestClocks(t *testing.T) {
	t.Parallel()
	if at, _, ok := commonClock([]byte("14/Mar/2026:12:00:01 +0100")); !ok || at.UTC().Format(time.RFC3339) != "2026-03-14T11:00:01Z" {
		t.Errorf("common: %s %t", at, ok)
	}
	if at, _, ok := syslogClock([]byte("Dec 31 23:59:59"), time.Date(2026, 1, 1, 0, 0, 10, 0, time.Local)); !ok || at.Year() != 2025 {
		t.Errorf("syslog at the year's end: %s %t", at, ok)
	}
	for _, bad := range []string{"", "14/Mar/2026:12:00", "32/Mar/2026:12:00:01 +0000", "14/Foo/2026:12:00:01 +0000"} {
		if _, _, ok := commonClock([]byte(bad)); ok {
			t.Errorf("%q is a time", bad)
		}
	}
}
