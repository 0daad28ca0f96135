package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestSocketActivation starts the program as systemd does: with a listening socket as descriptor 3.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "whygate") // by this name the test binary is the program: see TestMain
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "whygate.yaml")
	if err := os.WriteFile(file, []byte(`version: 1
listen: [{address: "systemd:web"}]
admin: "off"
access_log: "off"
routes: [{pool: web}]
pools: {web: {endpoints: ["http://127.0.0.1:1"]}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(shell, "-c", `LISTEN_PID=$$ exec "$0" run -c "$1"`, program, file)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=web")
	cmd.ExtraFiles = []*os.File{f}
	cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Get("http://" + l.Addr().String() + "/") // the kernel holds the connection until the program accepts
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusBadGateway {
		t.Errorf("%s", res.Status)
	}
	client.CloseIdleConnections()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}
