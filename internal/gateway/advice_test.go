package gateway

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/fault"
)

const advised = `version: 1
listen: [{address: ":80"}]
limits: {head_time: 3s}
routes: [{pool: web}, {pool: api}]
pools:
  web:
    endpoints: ["https://a"]
    tls: {server_name: b}
  api:
    endpoints: ["http://c"]
`

// Advice names the user's own pool, and the line where its key stands or would stand; or the command's own flag.
func TestAdvise(t *testing.T) {
	cfg, problems := config.Parse("w.yaml", []byte(advised), config.Options{})
	if problems.Failed() {
		t.Fatal(problems)
	}
	flags, err := config.FromFlags([]string{":80"}, []string{"https://a"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ pool, text, file, flags string }{
		{"web", "Set pools.NAME.tls.server_name to it.", "Set pools.web.tls.server_name (w.yaml, line 8) to it.", "Set --server-name to it."},
		{"web", "Set pools.NAME.tls.ca.", "Set pools.web.tls.ca (w.yaml, line 8).", "Set --ca."},
		{"api", "Raise timeouts.head there.", "Raise pools.api.timeouts.head (w.yaml, line 9) there.", "Raise pools.to.timeouts.head (in a file: add --print-config to this command to get one) there."},
		{"", "Set pools.NAME.tls.ca.", "Set the pool's tls.ca.", "Set --ca."},
		{"", "Raise limits.head_time.", "Raise limits.head_time (w.yaml, line 3).", "Raise limits.head_time (in a file: add --print-config to this command to get one)."},
		{"web", "resources.limits.memory, example.com, go.mod", "resources.limits.memory, example.com, go.mod", "resources.limits.memory, example.com, go.mod"},
		{"web", "Set pools.NAME.tls.cert and pools.NAME.tls.key.", "Set pools.web.tls.cert (w.yaml, line 8) and pools.web.tls.key.", "Set pools.to.tls.cert (in a file: add --print-config to this command to get one) and pools.to.tls.key."},
	}
	for _, tt := range tests {
		if got := (&Options{}).advise(cfg, tt.pool, tt.text); got != tt.file {
			t.Errorf("%q of a file: %q", tt.text, got)
		}
		pool := tt.pool
		if pool != "" {
			pool = config.FlagPool
		}
		if got := (&Options{Flags: true}).advise(flags, pool, tt.text); got != tt.flags {
			t.Errorf("%q of flags: %q", tt.text, got)
		}
	}
}

// No advice of the catalogue names a pool that nobody has.
func TestAdviceNamesNoNAME(t *testing.T) {
	cfg, _ := config.Parse("w.yaml", []byte(advised), config.Options{})
	for _, e := range fault.Catalogue() {
		for _, line := range e.Advice {
			for _, pool := range []string{"", "web"} {
				if got := (&Options{}).advise(cfg, pool, line); strings.Contains(got, "pools.NAME") {
					t.Errorf("%s: %s", e.Slug, got)
				}
			}
		}
	}
}

// A port that is taken is named with what gave it.
func TestListenErrorNamesItsKey(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	for _, tt := range []struct{ listen, admin, want string }{
		{taken, "off", "choose another port in listen[1].address (w.yaml, line 4)"},
		{"127.0.0.1:0", taken, "choose another port in admin (w.yaml, line 5)"},
	} {
		text := fmt.Sprintf("version: 1\nlisten:\n  - address: 127.0.0.1:0\n  - address: %s\nadmin: %q\nroutes: [{pool: web}]\npools: {web: {endpoints: [http://127.0.0.1:1]}}\n", tt.listen, tt.admin)
		cfg, problems := config.Parse("w.yaml", []byte(text), config.Options{})
		if problems.Failed() {
			t.Fatal(problems)
		}
		var hint *HintError
		if _, err := New(cfg, Options{Stdout: io.Discard, Stderr: io.Discard}); !errors.As(err, &hint) || !strings.Contains(hint.Hint, tt.want) {
			t.Errorf("%v, %+v", err, hint)
		}
	}
	cfg, err := config.FromFlags([]string{taken}, []string{"1"})
	if err != nil {
		t.Fatal(err)
	}
	var hint *HintError
	if _, err := New(cfg, Options{Stdout: io.Discard, Stderr: io.Discard, Flags: true}); !errors.As(err, &hint) || !strings.HasSuffix(hint.Hint, "choose another port in --from") {
		t.Errorf("%v, %+v", err, hint)
	}
}

// What bounds the look at the start is its own, and not a timer of the configuration.
func TestLookNamesNoTimer(t *testing.T) {
	ev := &fault.Evidence{Stage: fault.FirstByte, End: fault.Timeout, Timer: fault.TimerHead, After: lookTime, Endpoint: "http://a:1", Addr: "a:1", Declared: -1}
	if got := sentence(fault.Classify(ev), ev); strings.Contains(got, "timeouts.") || !strings.HasSuffix(got, "for 3s, which is as long as this look waits") {
		t.Errorf("%s", got)
	}
	ev.Timer, ev.After, ev.Stage = fault.TimerConnect, time.Second, fault.Dial
	if got := sentence(fault.Classify(ev), ev); !strings.Contains(got, "(timeouts.connect)") {
		t.Errorf("%s", got)
	}
}
