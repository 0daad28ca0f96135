package explain

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/visible"
)

// TestNotLog: what is no log is told, and what is one is not.
func TestNotLog(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"<!DOCTYPE html><html><head><title>504 Gateway Time-out</title></head><body><center>nginx</center></body></html>":     "HTML page",
		"* Connected to a (10.0.0.1) port 80\n> GET /x HTTP/1.1\n> Host: a\n>\n< HTTP/1.1 502 Bad Gateway\n< Server: nginx\n": "curl -v",
		"frontend web\n  bind :80\nbackend app\n  server s1 10.0.0.1:80\n":                                                    "configuration of HAProxy",
		"upstream app { server 127.0.0.1:3000; }\nserver { listen 80; }\n":                                                    "configuration of nginx",
		"\xfd7zXZ\x00rest": "xz",
		"PK\x03\x04rest":   "ZIP",
		`{"log": {"version": "1.2", "creator": {"name": "Firefox"}, "entries": []}}`: "HAR",
	} {
		n := lookAt("-", []byte(text))
		if n == nil || !strings.Contains(n.Is, want) || len(n.Do) == 0 {
			t.Errorf("%.40q: %+v, want %s", text, n, want)
		}
	}
	for _, c := range corpora(t) {
		if n := lookAt("-", c.text); n != nil {
			t.Errorf("%s/%s:%d is called %s", c.format, c.file, c.line, n.Is)
		}
	}
}

// TestUTF16 reads a log as PowerShell writes it, in both orders.
func TestUTF16(t *testing.T) {
	t.Parallel()
	n := newNginx()
	n.fail(refused, "GET", "/é/😀", "10.0.1.7:80", 0)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		out := order.AppendUint16(nil, 0xfeff)
		for _, c := range utf16.Encode([]rune(strings.Repeat(n.errors.String(), 300))) {
			out = order.AppendUint16(out, c)
		}
		if r := explainText(t, "a.log", string(out)); r.Faults != 300 || r.Unknown != 0 {
			t.Errorf("%v: %d of 300 faults, %d lines unknown", order, r.Faults, r.Unknown)
		}
	}
}

// carriers are what a line stands behind and inside of, with %s for the line and %j for it as a string of JSON.
var carriers = []string{
	"/var/log/app/error.log:%s", "error.log-1204-%s", "1204:%s", "pod-6f7b9c5d4f-x2x1z main %s", "web-6f7b9 \u203a nginx %s", "web-1  | %s", "\x1b[36mweb-1  | \x1b[0m%s", "\x1b[31m%s\x1b[0m",
	"shop_web.1.x8d9fjsk3kd9@node1    | %s", "weblate_1   | nginx stderr | %s", "0|web      | %s", "10:00:00 web.1   | %s", "> %s", "- %s", "* %s", "    %s", "\t%s", "`%s`", "\"%s\"", "'%s'", "%s   ", "%s\t", "\u00a0\u00a0%s",
	"2026-11-24T10:00:00.1Z %s", "[pod/web-1/nginx] %s", "2026-11-24T10:00:00.1Z stdout F %s", "ecs/web/4f3 %s",
	`{"log":"%j\n","stream":"stderr","time":"2026-11-24T10:00:00.1Z"}`, `{"_index":"logs","_source":{"@timestamp":"2026-11-24T10:00:00.1Z","message":"%j"}}`,
	`{"labels":{"app":"web"},"line":"%j","timestamp":"2026-11-24T10:00:00.1Z"}`, `{"insertId":"a","severity":"ERROR","textPayload":"%j","timestamp":"2026-11-24T10:00:00.5Z"}`,
	`{"date":1795514400.1,"log":"%j","kubernetes":{"pod_name":"web-1"}}`, `{"preview":false,"result":{"_raw":"%j"}}`, `{"@timestamp":"2026-11-24T10:00:00Z","event":{"original":"%j"},"host":{"name":"a"}}`,
	`{"status":"info","service":"web","message":"%j"}`, `{"events":[{"timestamp":1795514400000,"message":"%j"}]}`, `{"file":"/var/log/x","host":"a","message":"%j","source_type":"file"}`,
	"<134>Nov 24 10:00:00 lb1 app[7]: %s", "Nov 24 10:00:00 web1 app[7]: %s", "|%s|", "%s\r",
}

// TestCarriers: each judged line, behind and inside each carrier, has the cause that it has by itself.
func TestCarriers(t *testing.T) {
	t.Parallel()
	r, e := NewRecogniser(formats, corpusNow), Entry{}
	total, same := 0, 0
	lost := map[string]int{}
	for _, c := range corpora(t) {
		if c.want[0] != "fault" || len(c.text) < 40 {
			continue
		}
		r.forget()
		r.Read(&e, c.text)
		want := e.Fault().Cause
		for _, carrier := range carriers {
			r.forget()
			inner := visible.AppendString(nil, string(c.text))
			line := strings.ReplaceAll(strings.ReplaceAll(carrier, "%s", string(c.text)), "%j", string(inner[1:len(inner)-1]))
			f, _ := r.Read(&e, []byte(line))
			total++
			if f != nil && e.Fault().Cause == want && want != fault.CauseNone {
				same++
			} else {
				lost[carrier]++
			}
		}
	}
	share := float64(same) * 100 / float64(total)
	t.Logf("%d of %d (%.2f %%) in %d carriers", same, total, share, len(carriers))
	for carrier, n := range lost {
		t.Logf("%4d lost in %q", n, carrier)
	}
	if share < carriedLeast {
		t.Errorf("%.2f %% have the cause that they have by themselves, want %.1f", share, carriedLeast)
	}
}

// carriedLeast is the share of lines that must keep their cause, in percent.
const carriedLeast = 99.5

// TestJudgeText: pieces that people search for.
func TestJudgeText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]fault.Cause{
		"connect ECONNREFUSED 10.0.0.7:3000": fault.CauseConnectionRefused,
		"upstream sent too big header":       fault.CauseHeadTooLarge,
		"OOMKilled":                          fault.CauseOutOfMemory,
	} {
		if got := JudgeText([]byte(text), time.Time{}); len(got) == 0 || got[0] != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if got := JudgeText([]byte("all is well"), time.Time{}); len(got) > 0 {
		t.Errorf("%v", got)
	}
}
