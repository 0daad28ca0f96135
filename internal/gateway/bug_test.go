package gateway

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/telemetry"
)

// A bug where exchanges are counted and logged costs one line, is logged itself, and does not fill the log.
func TestObserveSurvives(t *testing.T) {
	var out bytes.Buffer
	g := &Gateway{log: slog.New(slog.NewTextHandler(&out, nil))} // without counters, which is as bad as it can be
	for range 100 {
		g.observe(&telemetry.Record{Pool: "web"})
	}
	if n := strings.Count(out.String(), "BUG: an exchange could not be counted and logged"); n != 1 || !strings.Contains(out.String(), "observe") {
		t.Errorf("logged %d times: %s", n, out.String())
	}
	if n := g.bugs.untold.Load(); n != 99 {
		t.Errorf("%d not logged", n)
	}
}

func TestGuarded(t *testing.T) {
	var out bytes.Buffer
	g := &Gateway{log: slog.New(slog.NewTextHandler(&out, nil))}
	g.guarded("this", func() { panic("reason") })
	if !strings.Contains(out.String(), `"BUG: this; please report this" reason=reason`) {
		t.Errorf("%s", out.String())
	}
}
