package term

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		text   string
		width  int
		indent string
		want   string
	}{
		{"", 20, "  ", ""},
		{"one two three", 8, "", "one two\nthree"},
		{"one two three", 9, "  ", "  one two\n  three"},
		{"one  two\n\nthree", 20, "  ", "  one two\n\n  three"},
		{"averylongwordthatdoesnotfit a", 10, "- ", "- averylongwordthatdoesnotfit\n- a"},
		{"\x1b[1mone\x1b[0m two", 7, "", "\x1b[1mone\x1b[0m two"},
		{"held\u00a0together now", 13, "", "held\u00a0together\nnow"},
	} {
		if got := Wrap(tt.text, tt.width, tt.indent); got != tt.want {
			t.Errorf("Wrap(%q, %d): got %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
	if got, want := Hang("one two three", 9, "1. ", "   "), "1. one\n   two\n   three"; got != want {
		t.Errorf("Hang: got %q, want %q", got, want)
	}
}

func TestColumns(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "\x1b[1mabc\x1b[0m": 3, "é": 1, "e\u0301": 1, "日本": 4, "…": 1, "█▌": 2, "\x1b[": 1, "\x1b[1": 2} {
		if got := Columns(text); got != want {
			t.Errorf("Columns(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"abcd", 1, "…"},
		{"abcd", 0, ""},
		{"日本語", 4, "日…"},
		{"\x1b[31mabcd\x1b[0m", 3, "\x1b[31mab…\x1b[0m"},
		{"\x1b[31mab\x1b[0mcd", 3, "\x1b[31mab\x1b[0m…"},
	} {
		if got := Cut(tt.text, tt.width); got != tt.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"plain é 日":          "plain é 日",
		"a\x1b[2Jb":          `a\x1b[2Jb`,
		"a\nb\tc\x00":        `a\nb\tc\x00`,
		"\xff":               `\xff`,
		"\u202eevil":         `\u202eevil`,
		"\u009b31m":          `\u009b31m`,
		"right\u2028or left": `right\u2028or left`,
	} {
		if got := Clean(text); got != want {
			t.Errorf("Clean(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b]0;title\x07b")
	f.Fuzz(func(t *testing.T, text string) {
		got := Clean(text)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }) {
			t.Errorf("Clean(%q) = %q", text, got)
		}
		for _, width := range []int{1, 7, 40} {
			if n := Columns(Cut(got, width)); n > width {
				t.Errorf("Cut(%q, %d) has %d columns", got, width, n)
			}
		}
	})
}

func TestTable(t *testing.T) {
	table := Table{Head: []string{"cause", "n"}, Align: []Align{Left, Right}, Indent: "  "}
	if table.Render(&Style{}) != "" {
		t.Error("a table without rows has lines")
	}
	table.Row("keepalive-race", "12")
	table.Row("日本", "3", "more")
	want := "  cause            n\n  keepalive-race  12\n  日本             3  more\n"
	if got := table.Render(&Style{}); got != want || table.Len() != 2 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	coloured := table.Render(&Style{Colour: true})
	if !strings.HasPrefix(coloured, "  \x1b[2mcause\x1b[0m ") {
		t.Errorf("the heading is not dim: %q", coloured)
	}
}

func TestTableFits(t *testing.T) {
	var table Table
	table.Row("short", strings.Repeat("long ", 30), strings.Repeat("x", 50))
	for width := 24; width < 220; width++ {
		for line := range strings.Lines(table.Render(&Style{Columns: width})) {
			if n := Columns(strings.TrimSuffix(line, "\n")); n > max(width, 5+2+columnLeast+2+columnLeast) {
				t.Fatalf("width %d: %d columns: %q", width, n, line)
			}
		}
	}
}

func TestBar(t *testing.T) {
	for _, tt := range []struct {
		fraction float64
		want     string
	}{{0, "    "}, {1, "████"}, {2, "████"}, {-1, "    "}, {0.5, "██  "}, {0.125, "▌   "}, {0.00001, "▏   "}, {math.NaN(), "    "}, {math.Inf(1), "████"}} {
		if got := Bar(tt.fraction, 4); got != tt.want {
			t.Errorf("Bar(%v) = %q, want %q", tt.fraction, got, tt.want)
		}
	}
	if Bar(1, 0) != "" || Bar(1, -1) != "" {
		t.Error("a bar without width")
	}
}

func TestSparkline(t *testing.T) {
	for _, tt := range []struct {
		values []int
		want   string
	}{{nil, ""}, {[]int{0, 0}, "▁▁"}, {[]int{0, 1, 1000}, "▁▂█"}, {[]int{-4, 7, 14}, "▁▄█"}} {
		if got := Sparkline(tt.values); got != tt.want {
			t.Errorf("Sparkline(%v) = %q, want %q", tt.values, got, tt.want)
		}
	}
}

func TestStyleOfNoTerminal(t *testing.T) {
	t.Setenv("COLUMNS", "")
	var b bytes.Buffer
	s := New(&b)
	if s.Width() != 80 || s.Colour || s.Bold("x") != "x" || IsTerminal(&b) {
		t.Errorf("a buffer is taken for a terminal: %+v", s)
	}
	for columns, want := range map[string]int{"132": 132, "3": 40, "wide": 80, "-1": 80, "99999": 80} {
		t.Setenv("COLUMNS", columns)
		if got := New(&b).Width(); got != want {
			t.Errorf("COLUMNS=%s: %d, want %d", columns, got, want)
		}
	}
	if (&Style{}).Width() != 80 || (&Style{Columns: 200}).ReadingWidth() != 100 {
		t.Error("the widths of a plain style are wrong")
	}
	p := NewProgress(&b, "reading", 10)
	p.Add(1)
	p.Set(2)
	p.Note("x")
	p.Done()
	if p != nil || b.Len() != 0 {
		t.Errorf("progress was drawn on a buffer: %q", b.String())
	}
}
