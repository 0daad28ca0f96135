package diagnose_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/here"
)

// haproxyWith runs a real HAProxy with one backend, and gives its port and its stats socket.
func haproxyWith(t *testing.T, backend string) (port, socket string) {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		program = "/usr/sbin/haproxy"
		if _, err := os.Stat(program); err != nil {
			t.Skip("skipped: HAProxy is not installed (apt-get install haproxy)")
		}
	}
	dir, err := os.MkdirTemp("", "h") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port, socket = freePort(t), filepath.Join(dir, "s")
	file := filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf("global\n  stats socket %s mode 600 level user\ndefaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\nfrontend front\n  bind 127.0.0.1:%s\n  default_backend web\nbackend web\n%s", socket, port, backend)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-db", "-f", file)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	await(t, "HAProxy does not listen", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return port, socket
}

// await polls until it is so, for ten seconds.
func await(t *testing.T, failure string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(failure)
		}
	}
}

// TestHereAsksHAProxy: a server that is down by its check, and one that somebody took out, with HAProxy's own words.
func TestHereAsksHAProxy(t *testing.T) {
	t.Parallel()
	dead := deafPort(t)
	for name, c := range map[string]struct {
		backend string
		cause   fault.Cause
		says    string
	}{
		"down":        {"  server s1 127.0.0.1:" + dead + " check inter 100ms fall 1\n", fault.CauseConnectionRefused, "DOWN"},
		"maintenance": {"  server s1 127.0.0.1:" + dead + " disabled\n", fault.CauseMaintenance, "in MAINT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, socket := haproxyWith(t, c.backend)
			url := "http://127.0.0.1:" + port + "/"
			await(t, "HAProxy does not hold the server to be down", func() bool {
				h, err := here.Find(t.Context(), target(t, url))
				return err == nil && slices.ContainsFunc(h.State, func(s diagnose.HereState) bool { return strings.Contains(s.Text, c.says) })
			})
			r, err := diagnose.Run(t.Context(), &diagnose.Options{URL: url, Here: here.Find, NoTrace: true, Count: 1})
			if err != nil {
				t.Fatal(err)
			}
			v := r.Verdict
			if v.Cause != c.cause || !strings.Contains(v.Sentence+strings.Join(v.Proof, "\n"), c.says) || !slices.Contains(r.Here.Read, "HAProxy's stats socket "+socket) {
				t.Errorf("%v: %s\n%q\nread %q", v.Cause, v.Sentence, v.Proof, r.Here.Read)
			}
		})
	}
}

// TestHereFindsStoppedWorkers: nginx takes the connection, and nobody works on it.
func TestHereFindsStoppedWorkers(t *testing.T) {
	t.Parallel()
	port, _ := nginxWith(t, "return 200 ok; }\n location = /state { stub_status;")
	url := "http://127.0.0.1:" + port + "/"
	h, err := here.Find(t.Context(), target(t, url))
	if err != nil || h == nil || h.PID == 0 || len(h.State) != 0 {
		t.Fatalf("%+v, %v", h, err)
	}
	if !slices.ContainsFunc(h.Read, func(s string) bool { return strings.Contains(s, "stub_status at 127.0.0.1:"+port+"/state") }) {
		t.Errorf("read %q", h.Read)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", h.PID, h.PID))
	if err != nil {
		t.Skipf("skipped: a process's children are not told here: %v", err)
	}
	for child := range strings.FieldsSeq(string(b)) {
		pid, err := strconv.Atoi(child)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	}
	r, err := diagnose.Run(t.Context(), &diagnose.Options{URL: url, Here: here.Find, NoTrace: true, Count: 1, Timeout: 700 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if v := r.Verdict; v.Cause != fault.CauseWorkersBusy || !strings.Contains(v.Sentence, "is stopped") {
		t.Errorf("%v: %s\n%q\n%+v", v.Cause, v.Sentence, v.Proof, r.Here.State)
	}
}
