package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestProbeTime(t *testing.T) {
	for head, want := range map[time.Duration]time.Duration{0: 4 * time.Second, time.Millisecond: time.Second, 2 * time.Second: 2 * time.Second, time.Minute: 4 * time.Second} {
		if got := probeTime(head); got != want {
			t.Errorf("timeouts.head %s: %s, want %s", head, got, want)
		}
	}
}

// What bounds a probe is its own, and not a timer of the gateway.
func TestProbeNamesNoTimer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := filepath.Join(t.TempDir(), "whygate.yaml")
	text := "version: 1\nlisten: [{address: \"127.0.0.1:0\"}]\nroutes: [{pool: web}]\npools: {web: {endpoints: [\"http://" + l.Addr().String() + "\"], timeouts: {head: 100ms}}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code := run(t.Context(), []string{"check", "-c", file, "--probe"}, strings.NewReader(""), &out, &out)
	said := strings.Join(strings.Fields(out.String()), " ")
	if code != exitFault || strings.Contains(said, "(timeouts.") || !strings.Contains(said, "sent nothing for 1s, which is as long as this probe waits") {
		t.Errorf("exit %d: %s", code, said)
	}
}

// What to do names the pool, and the line where its key stands.
func TestProbeAdvises(t *testing.T) {
	t.Parallel()
	secure, _ := quiet(t)
	file := filepath.Join(t.TempDir(), "whygate.yaml")
	text := "version: 1\nlisten: [{address: \"127.0.0.1:0\"}]\nroutes: [{pool: web}]\npools:\n  web:\n    endpoints: [\"https://" + secure + "\"]\n    tls: {server_name: other.internal}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code := run(t.Context(), []string{"check", "-c", file, "--probe", "--json"}, strings.NewReader(""), &out, &out)
	if code != exitFault || strings.Contains(out.String(), "pools.NAME") || !strings.Contains(out.String(), "pools.web.tls.server_name ("+file+", line 7)") {
		t.Errorf("exit %d: %s", code, out.String())
	}
}
