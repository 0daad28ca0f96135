package explain

import (
	"strings"
	"testing"
	"time"
)

// TestTimeOnHostileText: a MiB of what looks like the beginning of a record, again and again, is read in a moment.
func TestTimeOnHostileText(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes times mean nothing")
	}
	for name, text := range map[string]string{
		"objects that open":  strings.Repeat("{\n", 1<<19),
		"errors that go on":  strings.Repeat("XError: throw x\n", 1<<16),
		"escapes":            strings.Repeat("1"+strings.Repeat("\x1b", 60_000)+"\n", 17),
		"slashes":            strings.Repeat(`{"level":"error","msg":"connection refused `+strings.Repeat("/", 60_000)+"\"}\n", 17),
		"the same words":     strings.Repeat(strings.Repeat("read econnreset ", 4000)+"\n", 16),
		"brackets and fives": strings.Repeat(strings.Repeat("[5", 30_000)+"\n", 17),
	} {
		began := time.Now()
		explainText(t, "a.log", text)
		if d := time.Since(began); d > 8*time.Second {
			t.Errorf("%s: %s", name, d)
		} else {
			t.Logf("%s: %s", name, d)
		}
	}
}
