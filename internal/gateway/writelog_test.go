package gateway

import (
	"bytes"
	"testing"

	"github.com/whygate/whygate/internal/telemetry"
)

// A line that meets a log which a reload closes just then goes to the log that has taken its place.
func TestLineGoesToTheNextLog(t *testing.T) {
	var first, second bytes.Buffer
	g := &Gateway{}
	g.clock.Store(readClock())
	next := &accessLog{Log: telemetry.NewLog(&second, telemetry.JSON), name: "b"}
	old := &accessLog{name: "a"}
	old.Log = telemetry.NewLog(&first, func(dst []byte, r *telemetry.Record) []byte {
		g.access.Store(next)
		g.closeLog(old)
		return telemetry.JSON(dst, r)
	})
	g.access.Store(old)
	g.writeLog(&telemetry.Record{Status: 200})
	g.closeLog(next)
	if first.Len() != 0 || bytes.Count(second.Bytes(), []byte("\n")) != 1 || g.droppedLines() != 0 {
		t.Errorf("%d bytes in the first, %q in the second, %d dropped", first.Len(), second.String(), g.droppedLines())
	}
	g.access.Store(old)
	if g.writeLog(&telemetry.Record{Status: 200}); g.droppedLines() != 1 {
		t.Errorf("after the end: %d dropped", g.droppedLines())
	}
}
