//go:build linux

package gateway_test

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Reloads with the same access log, and with another one, lose no line of the exchanges between them.
func TestReloadLosesNoLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs := []string{filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")}
	text := pool("127.0.0.1:0", httpOrigin(t, "x"), "")
	to := func(log string) string { return strings.Replace(text, `access_log: "off"`, "access_log: "+log, 1) }
	g := startText(t, to(logs[0]))
	const askers, each = 4, 50
	var wait sync.WaitGroup
	for range askers {
		wait.Go(func() {
			for range each {
				ask(t, g.address)
			}
		})
	}
	over := make(chan struct{})
	go func() { wait.Wait(); close(over) }()
	for i := 0; ; i++ {
		g.replace(to(logs[i/3%2])) // twice the same, then the other
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-over:
		default:
			continue
		}
		break
	}
	want, lines := askers*each, 0
	for deadline := time.Now().Add(patience); lines < want && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		lines = 0
		for _, name := range logs {
			b, err := os.ReadFile(name)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			lines += bytes.Count(b, []byte("\n"))
		}
	}
	if lines != want {
		t.Errorf("%d lines of %d requests", lines, want)
	}
}

// A pipe that nobody reads is refused: it would hold up the start, or a reload, for ever.
func TestLogIsNoPipeWithoutReader(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	text := pool("127.0.0.1:0", "http://127.0.0.1:1", "")
	g := startText(t, text)
	g.replace(strings.Replace(text, `access_log: "off"`, "access_log: "+pipe, 1))
	if err := g.Reload(); err == nil {
		t.Error("a pipe without a reader is taken for a log")
	}
}

// Every exchange counts in its pool, also when that goes or comes with a reload just then.
func TestReloadCountsInPools(t *testing.T) {
	t.Parallel()
	text := pool("127.0.0.1:0", httpOrigin(t, "x"), "")
	g := startText(t, text)
	var wait sync.WaitGroup
	const askers, each = 4, 50
	for range askers {
		wait.Go(func() {
			for range each {
				ask(t, g.address)
			}
		})
	}
	over := make(chan struct{})
	go func() { wait.Wait(); close(over) }()
	for i := 0; ; i++ {
		g.replace(strings.ReplaceAll(text, "web", []string{"web", "api", "shop"}[i%3]))
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-over:
		default:
			continue
		}
		break
	}
	var counted map[string]float64
	total := func() (n float64) {
		counted = requestsByPool(t, g.Admin())
		for _, m := range counted {
			n += m
		}
		return n
	}
	for deadline := time.Now().Add(patience); total() < askers*each && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
	}
	if counted[""] != 0 || total() != askers*each {
		t.Errorf("%v", counted)
	}
}

// requestsByPool sums whygate_requests_total by pool.
func requestsByPool(t *testing.T, admin string) map[string]float64 {
	t.Helper()
	res, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got := map[string]float64{}
	for s := bufio.NewScanner(res.Body); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "whygate_requests_total{"); ok {
			_, after, _ := strings.Cut(rest, `pool="`)
			name, _, _ := strings.Cut(after, `"`)
			_, value, _ := strings.Cut(rest, "} ")
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			got[name] += n
		}
	}
	return got
}

// What is logged of good requests can be chosen, and changed by a reload; what failed always has its whole line.
func TestAccessLogShape(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "a.log")
	text := pool("127.0.0.1:0", httpOrigin(t, "x"), "")
	with := func(more string) string {
		return strings.Replace(text, `access_log: "off"`, "access_log: {to: "+log+", "+more+"}", 1)
	}
	g := startText(t, with("sample: 1000000"))
	for range 20 {
		ask(t, g.address)
	}
	g.replace(with("without: [user_agent, attempts], mask: [client, query]"))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + g.address + "/?token=s3cret")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	text = pool("127.0.0.1:0", "http://127.0.0.1:1", "")
	g.replace(with("without: [user_agent, attempts], mask: [client, query]"))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	resp, err = http.Get("http://" + g.address + "/?token=s3cret")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	var lines []string
	for deadline := time.Now().Add(patience); len(lines) < 2 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		lines = strings.Split(strings.TrimSpace(string(b)), "\n")
	}
	if len(lines) != 2 {
		t.Fatalf("%d lines, want those of the two requests that were not sampled: %q", len(lines), lines)
	}
	good, bad := lines[0], lines[1]
	if strings.Contains(good, "user_agent") || strings.Contains(good, "attempts") || !strings.Contains(good, `"client":"127.0.0.0"`) || !strings.Contains(good, `"target":"/?token=***"`) {
		t.Errorf("the good request's line is not as it was chosen: %s", good)
	}
	if !strings.Contains(bad, "user_agent") || !strings.Contains(bad, `"attempts":[`) || !strings.Contains(bad, `"status":502`) || strings.Contains(bad, "s3cret") || !strings.Contains(bad, `"client":"127.0.0.0"`) {
		t.Errorf("the failed request's line is not whole, or not masked: %s", bad)
	}
}
