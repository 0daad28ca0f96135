package diagnose

import (
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// TestWhereItIsSilent tells a port that is dropped from a host that is gone, and a loop of routers from both.
func TestWhereItIsSilent(t *testing.T) {
	t.Parallel()
	silent := func(edit func(*Path)) *Walk {
		w := refusedAt(gate)
		p := w.Path[0]
		p.Evidence = &fault.Evidence{Stage: fault.Dial, End: fault.Timeout, Timer: fault.TimerConnect, After: time.Second, Addr: gate, Endpoint: gate, Declared: -1}
		p.Cause = fault.CauseConnectTimeout
		edit(p)
		return w
	}
	hops := func(from ...string) (all []Hop) {
		for i, f := range from {
			all = append(all, Hop{TTL: i + 1, From: f})
		}
		return all
	}
	for name, c := range map[string]struct {
		w    *Walk
		says string
	}{
		"another port is open": {silent(func(p *Path) { p.Beside = []Beside{{443, besideOpen}, {22, besideSilent}} }), "the host is up (port 443 is open), so this port alone is dropped"},
		"another port refuses": {silent(func(p *Path) { p.Beside = []Beside{{443, besideRefused}} }), "the host is up (port 443 is refused)"},
		"a ping is answered": {silent(func(p *Path) {
			p.Echo, p.Beside = &Echo{Answered: true, Took: Millis(time.Millisecond)}, []Beside{{443, besideSilent}}
		}), "a ping is answered"},
		"nothing answers":           {silent(func(p *Path) { p.Echo, p.Beside = &Echo{}, []Beside{{443, besideSilent}, {80, besideSilent}} }), "(a ping, port 443 and port 80): it is gone, or a filter drops everything"},
		"routers go round":          {silent(func(p *Path) { p.Hops = hops("10.0.1.1", "10.0.2.1", "10.0.3.1", "10.0.2.1", "10.0.3.1") }), "a routing loop"},
		"routers in a row":          {silent(func(p *Path) { p.Hops = hops("10.0.1.1", "10.0.2.1", "10.0.3.1", "10.0.4.1") }), "connect"},
		"the queue is known better": {silent(func(p *Path) { p.Queue, p.Beside = &Queue{Length: 3, Max: 2}, []Beside{{443, besideOpen}} }), "accept queue is full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := Judge(report(c.w))
			all := v.Sentence
			if strings.Contains(c.says, "queue is full") {
				all = strings.Join(v.Proof, "\n")
				if strings.Contains(v.Sentence, "alone") {
					t.Errorf("%s", v.Sentence)
				}
			}
			if v.Cause != fault.CauseConnectTimeout || !strings.Contains(all, c.says) || name == "routers in a row" && strings.Contains(all, "loop") {
				t.Errorf("%v, want %q: %s", v.Cause, c.says, all)
			}
		})
	}
}
