package term

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/whygate/whygate/internal/visible"
)

// styledGuard is a guard before a buffer that shows colours.
func styledGuard(b *bytes.Buffer) *Guard { return &Guard{w: b, styled: true} }

func TestGuard(t *testing.T) {
	s := &Style{Colour: true}
	ours := s.Bold("a") + s.Dim("b") + s.Underline("c") + s.Red("d") + s.Green("e") + s.Yellow("f") + s.Blue("g") + s.Cyan("h") + "\té日\n"
	for _, tt := range []struct{ text, want string }{
		{ours, ours},
		{"\x1b[8mhidden\x1b[2J\x1b]0;title\x07\x1b", `\x1b[8mhidden\x1b[2J\x1b]0;title\a\x1b`},
		{"a\rb\x7f\u009b\u202e\u2028\U000e0001", `a\rb\x7f\u009b\u202e\u2028\U000e0001`},
		{"\xff\xe6\x97", `\xff\xe6\x97`},
		{"\x1b[31;1m", `\x1b[31;1m`},
	} {
		for size := 1; size <= len(tt.text); size++ {
			var b bytes.Buffer
			g := styledGuard(&b)
			for rest := tt.text; rest != ""; {
				n := min(size, len(rest))
				if k, err := g.Write([]byte(rest[:n])); k != n || err != nil {
					t.Fatalf("wrote %d of %d, %v", k, n, err)
				}
				rest = rest[n:]
			}
			if err := g.Flush(); err != nil {
				t.Fatal(err)
			}
			if b.String() != tt.want {
				t.Errorf("%q in writes of %d: got %q, want %q", tt.text, size, b.String(), tt.want)
			}
		}
	}
}

// Where no colours are shown, ours are not there, and a sequence is somebody else's.
func TestGuardWithoutColours(t *testing.T) {
	var b bytes.Buffer
	g := NewGuard(&b)
	if _, err := g.Write([]byte("\x1b[31mred")); err != nil || b.String() != `\x1b[31mred` {
		t.Errorf("%q, %v", b.String(), err)
	}
	if Inner(g) != &b || Inner(&b) != &b {
		t.Error("what is behind the guard is not told")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestGuardBeforeBrokenWriter(t *testing.T) {
	g := NewGuard(broken{})
	for _, text := range []string{"plain", "\x07"} {
		if n, err := g.Write([]byte(text)); n != 0 || err == nil {
			t.Errorf("%q: wrote %d, %v", text, n, err)
		}
	}
}

// What the program prints is almost always plain: that costs a look at each byte, and no copy.
func TestGuardAllocs(t *testing.T) {
	var b bytes.Buffer
	g := styledGuard(&b)
	text := []byte(strings.Repeat("plain \x1b[1mé\x1b[0m\n", 50))
	if n := testing.AllocsPerRun(100, func() { b.Reset(); _, _ = g.Write(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzGuard(f *testing.F) {
	f.Add("a\x1b]0;title\x07b\xff", 3)
	f.Add("\x1b[31mé\x1b[0m", 5)
	f.Fuzz(func(t *testing.T, text string, at int) {
		at = min(max(at, 0), len(text))
		var b bytes.Buffer
		g := styledGuard(&b)
		_, _ = g.Write([]byte(text[:at]))
		_, _ = g.Write([]byte(text[at:]))
		_ = g.Flush()
		var whole bytes.Buffer
		one := styledGuard(&whole)
		_, _ = one.Write([]byte(text))
		_ = one.Flush()
		got := b.String()
		if got != whole.String() {
			t.Errorf("%q cut at %d: %q, whole %q", text, at, got, whole.String())
		}
		for _, s := range sequences {
			got = strings.ReplaceAll(got, s, "")
		}
		if got != visible.Lines(got) {
			t.Errorf("%q let through %q", text, got)
		}
	})
}

// Lines of several goroutines come whole, each written at once.
func TestGuardByManyGoroutines(t *testing.T) {
	var b bytes.Buffer
	g := styledGuard(&b)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50 {
				_, _ = g.Write([]byte("one line\x07é\n"))
			}
		})
	}
	wait.Wait()
	if got, want := b.String(), strings.Repeat("one line\\aé\n", 400); got != want {
		t.Errorf("%.200q", got)
	}
}
