package explain

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corpusFormats are the formats whose corpora TestFormatCorpora reads with the format's own Parse, and with every other
// one's, which must not take their lines.
var corpusFormats = []*Format{
	caddyJSON, caddyConsole, traefikJSON, traefikAccess, traefikLog, albAccess, clbAccess, gcpAccess, cloudfrontAccess, cloudflareLog,
	herokuLog, iisHTTPERR, iisW3C, squidCombined, squidNative, varnishNCSA, varnishLog, whygateJSON, whygateReadable, gunicornLog,
	phpFPMLog, tomcatLog, uwsgiLog, pumaLog, nodeLog, kernelLog, systemdLog,
}

// verdict spells what an entry says as a corpus's .want file does: kind by family cause type.
func verdict(e *Entry) string {
	dash := func(s string) string {
		if s == "" || s == "none" {
			return "-"
		}
		return s
	}
	f := e.Fault()
	cause := f.Cause.String()
	if e.Kind == KindFault && len(e.Candidates) > 0 {
		slugs := make([]string, len(e.Candidates))
		for i, c := range e.Candidates {
			slugs[i] = c.String()
		}
		cause = strings.Join(slugs, "|")
	}
	return fmt.Sprintf("%s %s %s %s %s", e.Kind, dash(e.By.String()), dash(f.Family().String()), dash(cause), dash(f.Type.String()))
}

func linesOf(t *testing.T, path string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

// globCorpus gives the lines of each of the format's logs.
func globCorpus(f *Format) ([][][]byte, error) {
	names, err := filepath.Glob(filepath.Join("..", "..", "testdata", "explain", f.Name, "*.log"))
	logs := make([][][]byte, 0, len(names))
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		logs = append(logs, bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")))
	}
	return logs, err
}

func TestFormatCorpora(t *testing.T) {
	total := 0
	for _, f := range corpusFormats {
		logs, _ := filepath.Glob(filepath.Join("..", "..", "testdata", "explain", f.Name, "*.log"))
		if len(logs) == 0 {
			t.Errorf("%s has no corpus", f.Name)
		}
		for _, log := range logs {
			var wants []string
			for _, w := range linesOf(t, strings.TrimSuffix(log, ".log")+".want") {
				if len(w) > 0 && w[0] != '#' {
					wants = append(wants, string(w))
				}
			}
			lines := linesOf(t, log)
			if len(lines) != len(wants) {
				t.Errorf("%s has %d lines and %d verdicts", log, len(lines), len(wants))
				continue
			}
			total += len(lines)
			for i, line := range lines {
				checkLine(t, f, fmt.Sprintf("%s:%d", log, i+1), line, wants[i])
			}
		}
	}
	t.Logf("%d lines of %d formats", total, len(corpusFormats))
}

func checkLine(t *testing.T, f *Format, place string, line []byte, want string) {
	t.Helper()
	kept := bytes.Clone(line)
	var e Entry
	e.reset()
	if !f.Parse(&e, line) {
		t.Errorf("%s: %s does not take %q", place, f.Name, line)
		return
	}
	if strings.Contains(place, "lab.log:") { // its wants have the lab's cause: the candidates are the parser's affair
		if w := strings.Fields(want); !sameCauses(w[3], e.Fault().Cause, e.Candidates) || w[0] != e.Kind.String() {
			t.Errorf("%s: %s, want %s\n%s", place, verdict(&e), want, line)
		}
	} else if got := verdict(&e); got != want {
		t.Errorf("%s\n got %s\nwant %s\n%s", place, got, want, line)
	}
	if len(e.Candidates) > 0 && e.Kind == KindFault && !e.Bare && e.Fault().Cause != e.Candidates[0] {
		t.Errorf("%s: the verdict %s is not the first candidate, %s", place, e.Fault().Cause, e.Candidates[0])
	}
	if !bytes.Equal(kept, line) {
		t.Errorf("%s: the line was changed", place)
	}
	for _, other := range Formats() {
		if other == f {
			continue
		}
		e.reset()
		if other.Parse(&e, line) {
			t.Errorf("%s: %s takes the line too: %q", place, other.Name, line)
		}
	}
}

// TestNothingAllocatedForOK holds the promise of Format.Parse over the corpora's lines of KindOK.
func TestNothingAllocatedForOK(t *testing.T) {
	for _, f := range corpusFormats {
		logs, _ := filepath.Glob(filepath.Join("..", "..", "testdata", "explain", f.Name, "*.log"))
		for _, log := range logs {
			for i, line := range linesOf(t, log) {
				var e Entry
				e.reset()
				if !f.Parse(&e, line) || e.Kind != KindOK {
					continue
				}
				if n := testing.AllocsPerRun(10, func() { e.reset(); f.Parse(&e, line) }); n != 0 {
					t.Errorf("%s:%d: %v allocations", log, i+1, n)
				}
			}
		}
	}
}

// TestFormatsSpeak holds that each format says of itself what a user has to know.
func TestFormatsSpeak(t *testing.T) {
	for _, f := range corpusFormats {
		if f.Name == "" || f.Title == "" || f.Product == "" || f.Gives == "" || f.Lacks == "" {
			t.Errorf("%s leaves something unsaid", f.Name)
		}
		if !strings.HasSuffix(f.Gives, ".") || !strings.HasSuffix(f.Lacks, ".") {
			t.Errorf("%s: Gives and Lacks are sentences", f.Name)
		}
	}
}
