package explain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/openfile"
)

// compared counts how often an event was held against a fault while the text was read.
func compared(t *testing.T, text string) int64 {
	t.Helper()
	o := Options{Sources: []Source{StreamSource("-", strings.NewReader(text))}, Now: corpusNow, Zone: time.UTC, Workers: 1}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r := newRun(ctx, &o)
	if err := r.run(stop); err != nil {
		t.Fatal(err)
	}
	return r.engine.compared
}

// TestEventsAreLinear reads bursts of faults and of an application's lines, one after the other and by turns: the work grows
// with their sum, not with their product.
func TestEventsAreLinear(t *testing.T) {
	t.Parallel()
	const n = 2000
	n1 := newNginx()
	var events, turns strings.Builder
	for i := range n {
		event := fmt.Sprintf("[2026-03-14 12:00:00 +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:%d)\n", i)
		events.WriteString(event)
		n1.fail(closed, "GET", "/", "10.0.1.7:80", 0)
		turns.WriteString(event)
	}
	faults := n1.errors.String()
	both := interleaveAll(faults, turns.String())
	for name, text := range map[string]string{"faults first": faults + events.String(), "events first": events.String() + faults, "by turns": both} {
		if c := compared(t, text); c > 8*n {
			t.Errorf("%s: %d comparisons for %d lines", name, c, 2*n)
		}
	}
}

func interleaveAll(a, b string) string {
	var out strings.Builder
	as, bs := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	for i := range as {
		out.WriteString(as[i] + bs[i])
	}
	return out.String()
}

// TestOldLines puts lines of another year behind, before and between faults: they decide nothing, and hide nothing.
func TestOldLines(t *testing.T) {
	t.Parallel()
	const killed = "[%s +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:99)\n"
	n := newNginx()
	n.fail(closed, "GET", "/", "10.0.1.7:80", 0)
	alone := n.errors.String()
	for _, at := range []string{"2019-01-01 03:00:00", "2033-01-01 03:00:00", "2026-03-14 12:00:09", "2026-03-14 11:59:51"} {
		old := fmt.Sprintf(killed, at)
		for _, text := range []string{alone + old, old + alone} {
			for _, f := range explainText(t, "all.log", text).Findings {
				if f.Product == "nginx" && (len(f.Confirmed) > 0 || f.Cause != fault.CauseClosedBeforeAnswer) {
					t.Errorf("%s: %s, confirmed by %+v", at, f.Cause, f.Confirmed)
				}
			}
		}
		now := fmt.Sprintf(killed, "2026-03-14 12:00:01")
		if f := explainText(t, "all.log", alone+old+now).Findings[0]; at[:4] != "2026" && (f.Cause != fault.CauseWorkerTimeout || len(f.Confirmed) != 1) {
			t.Errorf("%s hides the line of the same second: %s, confirmed by %+v", at, f.Cause, f.Confirmed)
		}
	}
}

// TestOldSymptom: a refusal of last year explains nobody's being unavailable today.
func TestOldSymptom(t *testing.T) {
	t.Parallel()
	n := newNginx()
	n.fail(noLive, "GET", "/", "app", 0)
	later := n.errors.String()
	n = newNginx()
	for _, year := range []int{2019, 2031} {
		n.errors.Reset()
		n.at = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		n.fail(refused, "GET", "/", "10.0.1.7:80", 0)
		for _, f := range explainText(t, "error.log", n.errors.String()+later).Findings {
			if f.SymptomOf != fault.CauseNone {
				t.Errorf("%d: %s is called a symptom of %s", year, f.Cause, f.SymptomOf)
			}
		}
	}
}

// TestNoClock: a line that has no time is near by its place, never by seconds.
func TestNoClock(t *testing.T) {
	t.Parallel()
	n := newNginx()
	n.fail(closed, "GET", "/", "10.0.1.7:80", 0)
	f := explainText(t, "all.log", n.errors.String()+"[148522.291772] php-fpm8.2[37887]: segfault at 2c ip 00000000006fbc7a sp 00007fffd9773590 error 4 in php-fpm8.2[400000+800000]\n").Findings
	for _, f := range f {
		if f.Product != "nginx" {
			continue
		}
		if len(f.Confirmed) != 1 || f.Confirmed[0].Near != NearLines || f.Cause != fault.CauseClosedBeforeAnswer {
			t.Errorf("%s, confirmed by %+v", f.Cause, f.Confirmed)
		}
	}
}

// TestPipeIsRead gives a real named pipe by name: nothing of it is lost, and the context ends the wait for a writer.
func TestPipeIsRead(t *testing.T) {
	t.Parallel()
	path := namedPipe(t)
	n := newNginx()
	for range 500 {
		n.fail(refused, "GET", "/", "10.0.1.7:80", 0)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(path, []byte(n.errors.String()), 0) }() // ends with its reader
	r, err := Explain(t.Context(), Options{Sources: []Source{FileSource(path), FileSource(os.DevNull)}, Now: corpusNow})
	if err != nil || <-written != nil || r.Faults != 500 {
		t.Errorf("%d of 500 faults, %v", r.Faults, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for _, follow := range []bool{false, true} {
		if _, err := Explain(ctx, Options{Sources: []Source{FileSource(path)}, Follow: follow}); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("follow %v: %v", follow, err)
		}
	}
}

// TestOnlyRegular: what took the name of a file after it was looked at is not waited for.
func TestOnlyRegular(t *testing.T) {
	t.Parallel()
	for _, path := range []string{namedPipe(t), t.TempDir()} {
		if _, err := openRegular(t.Context(), path); !errors.As(err, new(*openfile.NotRegularError)) {
			t.Error(err)
		}
	}
	file := filepath.Join(t.TempDir(), "a.log")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openRegular(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// TestEndlessLine: a line without an end is left when the context ends.
func TestEndlessLine(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	zeros := &zeroReader{stop: stop}
	if _, err := Explain(ctx, Options{Sources: []Source{StreamSource("-", zeros)}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	l := lineReader{ctx: ctx, r: zeros}
	if err := l.fill(&block{space: make([]byte, 0, blockSize)}, true); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// zeroReader gives one line for ever, and calls stop after a megabyte.
type zeroReader struct {
	stop  func()
	given int
}

func (z *zeroReader) Read(p []byte) (int, error) {
	clear(p)
	if z.given += len(p); z.given > 1<<20 {
		z.stop()
	}
	return len(p), nil
}
