//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// SIGUSR2 has a new process take the sockets over, again and again, under traffic on kept and on new connections: no request is lost, what
// is under way ends, and the unix socket stays where it is.
func TestUpgradeLosesNothing(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	reached := make(chan struct{}, 1)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			reached <- struct{}{}
			<-hold
		}
		_, _ = io.WriteString(w, "ok")
	}))
	defer origin.Close()
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "whygate.yaml"), filepath.Join(dir, "gate.sock")
	address, admin := unused(t), unused(t)
	text := fmt.Sprintf("version: 1\nlisten: [{address: '%s'}, {address: 'unix:%s'}]\nadmin: %s\naccess_log: off\nroutes: [{pool: web}]\npools: {web: {endpoints: ['%s']}}\n", address, socket, admin, origin.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(program(t), "run", "-c", file, "--drain", "20s")
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its successors are in its group
		_ = cmd.Wait()
	}()
	process := awaitProcess(t, admin, 0)

	var held sync.WaitGroup
	held.Go(func() {
		if body, err := getBody(http.DefaultClient, "http://"+address+"/held"); err != nil || body != "ok" {
			t.Errorf("what was under way ended with %q, %v", body, err)
		}
	})
	<-reached
	var stop atomic.Bool
	var traffic sync.WaitGroup
	var done atomic.Int64
	for k := range 4 {
		traffic.Go(func() {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: k%2 == 0}}
			defer c.CloseIdleConnections()
			for !stop.Load() {
				if body, err := getBody(c, "http://"+address+"/"); err != nil || body != "ok" {
					t.Errorf("lost: %q, %v", body, err)
				}
				done.Add(1)
			}
		})
	}
	for range 3 {
		if err := syscall.Kill(process, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		process = awaitProcess(t, admin, process)
		before := done.Load()
		for done.Load() < before+50 {
			<-time.After(time.Millisecond)
		}
	}
	stop.Store(true)
	traffic.Wait()
	close(hold)
	held.Wait()
	unix := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	if body, err := getBody(unix, "http://gate/"); err != nil || body != "ok" {
		t.Errorf("the unix socket: %q, %v", body, err)
	}
	if t.Failed() {
		t.Log(said.String())
	}
}

// unused is an address of loopback that nobody listened on a moment ago.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func getBody(c *http.Client, url string) (string, error) {
	res, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// awaitProcess waits until a process other than before answers at the admin address, and gives it.
func awaitProcess(t *testing.T, admin string, before int) int {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		body, err := getBody(c, "http://"+admin+"/version")
		var v struct{ Process int }
		if err == nil && json.Unmarshal([]byte(body), &v) == nil && v.Process != before && v.Process != 0 {
			return v.Process
		}
	}
	t.Fatal("no process has taken over")
	return 0
}
