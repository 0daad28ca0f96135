package certs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

var shopChallenge = acme.Challenge{Identifier: acme.Identifier{Value: "shop.example.com"}, KeyAuthorization: "x"}

// shellCommand is a DNS command of one line of sh, which finds the directory in $D.
func shellCommand(t *testing.T, line string) (solveDNS, string) {
	t.Helper()
	dir := t.TempDir()
	return solveDNS{[]string{"/bin/sh", "-c", "D=" + dir + "\n" + line}}, dir
}

// hasEnded waits until the process whose id is in a file is no more.
func hasEnded(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d still runs", pid)
}

// What a DNS command leaves running in the background holds nothing up, and ends.
func TestDNSCommandLeavesNobody(t *testing.T) {
	s, dir := shellCommand(t, "sleep 60 & echo $! >$D/pid; exit 0")
	began := time.Now()
	if err := s.Present(t.Context(), shopChallenge); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	hasEnded(t, filepath.Join(dir, "pid"))
}

// A DNS command that hangs ends with its order, with what it has started.
func TestDNSCommandEndsWithTheOrder(t *testing.T) {
	s, dir := shellCommand(t, "sleep 60 & echo $! >$D/new; mv $D/new $D/pid; wait")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Present(ctx, shopChallenge) }() // ends with ctx
	file := filepath.Join(dir, "pid")
	for range 1000 {
		if _, err := os.Stat(file); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Error("it is said to have done its part")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it goes on")
	}
	hasEnded(t, file)
}

// The record is taken out even when the order has ended, but that has its bound.
func TestDNSCommandCleansUp(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s, dir := shellCommand(t, "echo ran >$D/ran")
	if err := s.CleanUp(ended, shopChallenge); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ran")); err != nil {
		t.Error(err)
	}
	s, _ = shellCommand(t, "sleep 60")
	began := time.Now()
	if err := s.CleanUp(ended, shopChallenge); err == nil {
		t.Error("one that hangs is said to have done its part")
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

// Of what a DNS command says the beginning is told, however much it is.
func TestDNSCommandSaysALot(t *testing.T) {
	s, _ := shellCommand(t, "echo first; head -c 3000000 /dev/zero | tr '\\0' x; exit 3")
	var wrong *commandError
	if err := s.Present(t.Context(), shopChallenge); !errors.As(err, &wrong) || !strings.HasPrefix(wrong.said, "first\nxxx") || len(wrong.said) > saidMax {
		t.Errorf("%v", err)
	}
}
