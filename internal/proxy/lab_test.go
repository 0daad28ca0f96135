package proxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/config"
	wired "github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/lab"
)

// TestEveryScenario plays every scenario of the lab through the real gateway over real sockets: the client must get the right
// status, the right error, a visible cut where there is one and the next request served; the log must name the cause. As root
// it runs in a process of its own, in the lab's network.
func TestEveryScenario(t *testing.T) {
	t.Parallel()
	why := lab.CanIsolate()
	if why == nil && !lab.Isolated() {
		if why = scenariosIsolated(t); why == nil {
			return
		}
	}
	if why != nil {
		t.Logf("skipped: the scenarios of the network: %v", why)
	}
	dir := t.TempDir()
	options := lab.Options{Base: -1, Dir: dir}
	if lab.Isolated() {
		network, err := lab.OpenNetwork()
		if err != nil {
			t.Fatal(err)
		}
		defer network.Close()
		options.Network, options.Base = network, lab.DefaultBase
	}
	l, err := lab.Open(lab.All(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	log := &causes{of: map[string][]string{}}
	address, stop := gatewayBefore(t, l, dir, log)
	player := &lab.Player{Address: address, Explains: true, Requests: l.Requests, Skip: func(s *lab.Scenario) string { return l.Skipped[s.Name] }}
	results := player.Play(t.Context(), lab.All())
	stop() // the log is whole then
	for i, s := range lab.All() {
		t.Run(s.Name, func(t *testing.T) {
			r := &results[i]
			if r.Skipped != "" {
				t.Skip("skipped: " + r.Skipped)
			}
			if !r.Right() {
				t.Errorf("came %s, right is %s: %v", r.Got, r.Wanted, r.Wrong)
			}
			if r.First != "" {
				t.Errorf("it was right only the second time; at first came %s", r.First)
			}
			log.check(t, s)
		})
	}
}

// scenariosIsolated runs the test again in the lab's namespaces. It gives why it could not.
func scenariosIsolated(t *testing.T) error {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestEveryScenario$", "-test.v", "-test.timeout=150s")
	lab.Isolate(cmd)
	out, err := cmd.CombinedOutput()
	if len(out) == 0 && err != nil {
		return fmt.Errorf("network namespaces: %w", err)
	}
	if err != nil {
		t.Errorf("in the lab's network: %v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("--- PASS: TestEveryScenario/dns-nxdomain")) {
		t.Errorf("the scenarios of the network were not played:\n%s", out)
	}
	return nil
}

// gatewayBefore runs the gateway with the configuration that the lab makes for it, and gives its address, and what stops it.
func gatewayBefore(t *testing.T, l *lab.Lab, dir string, log *causes) (address string, stop func()) {
	t.Helper()
	text := lab.ProxyNamed("whygate").Config(&lab.Setup{Lab: l, Scenarios: lab.All(), Listen: "127.0.0.1:0", Dir: dir})
	cfg, problems := config.Parse("lab.yaml", []byte(text), config.Options{ReadFile: func(name string, _ int64) ([]byte, error) { return os.ReadFile(name) }})
	if cfg == nil {
		t.Fatalf("the lab's configuration is not in order: %v", problems.Err())
	}
	g, err := wired.New(cfg, wired.Options{Stdout: log, Stderr: t.Output(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	return g.Addresses()[0].Address, func() { g.Stop(0, 5*time.Second) }
}

// causes is the access log's writer: it keeps the causes that the log names for each scenario.
type causes struct {
	mu sync.Mutex // guards of
	of map[string][]string
}

func (c *causes) Write(p []byte) (int, error) {
	for text := range bytes.Lines(p) {
		var line struct {
			Target string
			Fault  *struct{ Cause string }
		}
		if err := json.Unmarshal(text, &line); err != nil {
			return 0, fmt.Errorf("a line that is not JSON: %w: %s", err, text)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(line.Target, "/"), "/")
		cause := ""
		if line.Fault != nil {
			cause = line.Fault.Cause
		}
		c.mu.Lock()
		c.of[name] = append(c.of[name], cause)
		c.mu.Unlock()
	}
	return len(p), nil
}

// check wants the log to name the scenario's cause, and no other.
func (c *causes) check(t *testing.T, s *lab.Scenario) {
	t.Helper()
	var wanted []string
	for _, cause := range s.Want.Cause {
		wanted = append(wanted, cause.String())
	}
	c.mu.Lock()
	got := slices.DeleteFunc(slices.Clone(c.of[s.Name]), func(cause string) bool { return cause == "" })
	c.mu.Unlock()
	if len(wanted) > 0 && len(got) == 0 {
		t.Errorf("the log names no cause, want %v", wanted)
	}
	for _, cause := range got {
		if !slices.Contains(wanted, cause) {
			t.Errorf("the log names %s, want %v", cause, wanted)
		}
	}
}
