package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// heard is what a program wrote so far.
type heard struct {
	mu  sync.Mutex // guards the field below
	buf bytes.Buffer
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.Write(b)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.String()
}

// untilSaid runs a command until its standard error has every text, and gives all of it once it has ended.
func untilSaid(t *testing.T, args []string, texts ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := &heard{}
	code := make(chan int)
	go func() { code <- run(ctx, args, strings.NewReader(""), io.Discard, errs) }()
	missing := func() string {
		for _, text := range texts {
			if !strings.Contains(errs.String(), text) {
				return text
			}
		}
		return ""
	}
	for deadline := time.Now().Add(20 * time.Second); missing() != "" && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		select {
		case got := <-code:
			t.Fatalf("%v: exit %d: %s", args, got, errs)
		default:
		}
	}
	if text := missing(); text != "" {
		t.Errorf("%v does not say %q:\n%s", args, text, errs)
	}
	cancel()
	if got := <-code; got != exitFine {
		t.Errorf("%v: exit %d: %s", args, got, errs)
	}
	return errs.String()
}

// quiet is a TLS server that says nothing to plain HTTP, and a plain one.
func quiet(t *testing.T) (secure, plain string) {
	t.Helper()
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	s := httptest.NewUnstartedServer(hello)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	p := httptest.NewServer(hello)
	t.Cleanup(p.Close)
	return s.Listener.Addr().String(), p.Listener.Addr().String()
}

// The look at the start tells what is wrong from what does not answer, and says what to do in terms of the command.
func TestLookOfProxy(t *testing.T) {
	t.Parallel()
	secure, plain := quiet(t)
	said := untilSaid(t, []string{"proxy", "--from", "127.0.0.1:0", "--admin", "off", "--access-log", "off", "--to", "https://" + secure, "--to", "http://" + secure, "--to", "https://" + plain, "--to", "http://" + plain, "--to", "http://127.0.0.1:1"},
		"upstream https://"+secure+" (pool to) answers, but its certificate is not accepted: ",
		"Or --insecure",
		"upstream http://"+secure+" (pool to) answers, but not a request: "+secure+" speaks TLS, and was asked with http",
		"upstream https://"+plain+" (pool to) answers, but not a request: "+plain+" speaks plain HTTP, and was asked with https",
		"upstream http://"+plain+" (pool to) answered 200 in ",
		"upstream http://127.0.0.1:1 (pool to) does not answer yet: ",
	)
	if !strings.HasSuffix(said, "msg=stopped\n") || strings.Contains(said, "pools.") {
		t.Errorf("%s", said)
	}
}

// With a file, advice names the place in it.
func TestLookOfRun(t *testing.T) {
	t.Parallel()
	secure, _ := quiet(t)
	file := filepath.Join(t.TempDir(), "whygate.yaml")
	text := "version: 1\nlisten: [{address: \"127.0.0.1:0\"}]\nadmin: \"off\"\naccess_log: \"off\"\nroutes: [{pool: web}]\npools:\n  web:\n    endpoints: [\"https://" + secure + "\"]\n    tls: {server_name: other.internal}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	untilSaid(t, []string{"run", "-c", file}, " do: Set pools.web.tls.server_name ("+file+", line 9)")
	said := untilSaid(t, []string{"run", "-c", file, "--log-format", "json"}, `"cause":"tls-certificate-wrong-name","hint":"Set pools.web.tls.server_name (`+file+`, line 9)`)
	for line := range strings.Lines(said) {
		if line[0] != '{' {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// The first SIGTERM waits for requests under way, and the second does not.
func TestSecondSignalEnds(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(asked)
			<-r.Context().Done()
		}
	}))
	defer origin.Close()
	errs := &heard{}
	cmd := exec.Command(program(t), "proxy", "--from", "127.0.0.1:0", "--to", origin.URL, "--admin", "off", "--access-log", "off", "--drain", "1m")
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`listening on (http://\S+)`)
	until := func(what string) {
		for deadline := time.Now().Add(20 * time.Second); !strings.Contains(errs.String(), what) && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		}
	}
	until("listening on")
	m := address.FindStringSubmatch(errs.String())
	if m == nil {
		t.Fatal(errs)
	}
	go func() { // ends with the gateway
		if res, err := http.Get(m[1] + "/slow"); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-asked
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	until("msg=stopping")
	select {
	case err := <-ended:
		t.Fatalf("the first signal cuts a request: %v\n%s", err, errs)
	default:
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
			t.Errorf("%v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the second signal is not heard")
		_ = cmd.Process.Kill()
		<-ended
	}
}
