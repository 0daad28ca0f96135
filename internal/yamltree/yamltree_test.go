package yamltree

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

var limits = Limits{Tokens: 1000, Aliases: Resolved}

// TestBounds: each bound lets through what is at it and refuses what is beyond, at its place.
func TestBounds(t *testing.T) {
	keys := func(n int) string { return strings.Repeat("k: v\n", n) }
	wide := Limits{Tokens: 50_000, Aliases: Resolved}
	for name, c := range map[string]struct {
		l         Limits
		in, out   string
		line, col int
	}{
		"tokens":          {limits, strings.Repeat("- x\n", 500), strings.Repeat("- x\n", 501), 501, 1},
		"signs":           {limits, `a: "` + strings.Repeat(",", 1490) + `"`, `a: "` + strings.Repeat(",", 1500) + `"`, 0, 0},
		"brackets":        {limits, strings.Repeat("[", 32) + strings.Repeat("]", 32), strings.Repeat("[", 33) + strings.Repeat("]", 33), 1, 33},
		"dashes":          {limits, strings.Repeat(" ", 255) + "- x", strings.Repeat(" ", 256) + "- x", 1, 257},
		"deep keys":       {limits, strings.Repeat(" ", 255) + "k: x", strings.Repeat(" ", 256) + "k: x", 1, 258},
		"documents":       {limits, strings.Repeat("---\n", 100), strings.Repeat("---\n", 101), 101, 1},
		"keys":            {wide, keys(KeysMax), keys(2 * KeysMax), 2236, 2},
		"keys in two":     {wide, "a:\n" + strings.ReplaceAll(keys(1500), "k", " k") + "b:\n" + strings.ReplaceAll(keys(1500), "k", " k"), strings.Repeat(keys(1000)+"---\n", 6), 5000, 2},
		"items' keys":     {wide, strings.Repeat("- k: v\n", 10_000), "", 0, 0},
		"values left out": {wide, strings.Repeat("-\n", 2001), strings.Repeat("-\n", 2002), 2002, 1},
		"keys without":    {wide, strings.Repeat("- k:\n", 2001), strings.Repeat("- k:\n", 2002), 2002, 1},
		"long values":     {wide, strings.Repeat("-\n  x\n", 3000), "", 0, 0},
	} {
		if _, err := Parse(c.in, c.l); err != nil {
			t.Errorf("%s: within: %.200v", name, err)
		}
		if c.out == "" {
			continue
		}
		var beyond *BeyondError
		if _, err := Parse(c.out, c.l); !errors.As(err, &beyond) {
			t.Errorf("%s: beyond: %v", name, err)
		} else if name != "keys in two" && (beyond.Line != c.line || beyond.Column != c.col) {
			t.Errorf("%s: at %d:%d, want %d:%d", name, beyond.Line, beyond.Column, c.line, c.col)
		}
	}
}

func TestAliases(t *testing.T) {
	for _, text := range []string{"a: &x 1\n", "a: &x 1\nb: *x\n", "b:\n  <<: {a: 1}\n"} {
		if _, err := Parse(text, limits); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		var beyond *BeyondError
		if _, err := Parse(text, Limits{Tokens: 100}); !errors.As(err, &beyond) || !strings.Contains(err.Error(), "aliases") {
			t.Errorf("%q, refused: %v", text, err)
		}
	}
	if _, err := Parse(`a: "&x *y <<: z"`, Limits{Tokens: 100}); err != nil {
		t.Errorf("within quotes: %v", err)
	}
}

// TestMemoryIsBounded for kinds of text at their bound, none of which is large for the library.
func TestMemoryIsBounded(t *testing.T) {
	l := Limits{Tokens: 50_000, Aliases: Resolved}
	for _, text := range []string{
		strings.Repeat("k: v\n", KeysMax), strings.Repeat("- k: v\n", 12_000), "a: [" + strings.Repeat("x,", 24_000) + "]",
		strings.Repeat("- x\n", 25_000), strings.Repeat("-\n", 2000), "a: [" + strings.Repeat(",", 1<<20) + "]",
	} {
		if used := allocated(func() { _, _ = Parse(text, l) }); used > 48<<20 {
			t.Errorf("%.20q of %d bytes took %d MB", text, len(text), used>>20)
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
