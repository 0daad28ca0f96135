package visible

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"plain é 日":          "plain é 日",
		"a\x1b[2Jb":          `a\x1b[2Jb`,
		"a\nb\tc\x00\r\x7f":  `a\nb\tc\x00\r\x7f`,
		"\xff\xe2\x82":       `\xff\xe2\x82`,
		"\u202eevil\u2066":   `\u202eevil\u2066`,
		"\u009b31m":          `\u009b31m`,
		"right\u2028or left": `right\u2028or left`,
		"\U000e0041":         `\U000e0041`,
		"\ufffd\ufeff\u00ad": `\ufffd\ufeff\u00ad`,
		"":                   "",
	} {
		if got := Line(text); got != want {
			t.Errorf("Line(%q) = %q, want %q", text, got, want)
		}
	}
	if got := Lines("a\n\tb\x1b"); got != "a\n\tb\\x1b" {
		t.Errorf("Lines: %q", got)
	}
}

// hidden is whether a text has what acts instead of being seen, other than newline and tab.
func hidden(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return Hidden(r) && r != '\n' && r != '\t' })
}

var hostile = []string{
	"", "plain", "é日\u00a0", "\x1b]0;x\x07", "\u009b2J", "\x7f", "\u202e\u2066\u2028\u2029\ufeff\u00ad\u200d", "\U000e0001\U000e007f", "\xff\xc3", "\"\\</script>\u2028", "a\r\nb\tc\x00",
}

// The JSON that is made is ours to the last byte, and means what it meant.
func TestJSON(t *testing.T) {
	for _, text := range hostile {
		plain, err := json.Marshal(map[string]any{"k" + text: []string{text, "after"}})
		if err != nil {
			t.Fatal(err)
		}
		got := JSON(plain)
		var was, is any
		if err := json.Unmarshal(plain, &was); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(got, &is); err != nil {
			t.Fatalf("%q: %v in %q", text, err, got)
		}
		a, _ := json.Marshal(was)
		b, _ := json.Marshal(is)
		if string(a) != string(b) || hidden(string(got)) {
			t.Errorf("%q became %q", text, got)
		}
	}
	raw := []byte("[\"a\xffb\"]") // as an encoder of somebody's own may give it
	if got := string(JSON(raw)); got != `["a\ufffdb"]` {
		t.Errorf("what is not UTF-8: %q", got)
	}
	clean := []byte(`{"a": "é 日"}`)
	if got := JSON(clean); &got[0] != &clean[0] {
		t.Error("JSON that needs nothing was copied")
	}
}

func TestWriteJSON(t *testing.T) {
	var b strings.Builder
	if err := WriteJSON(&b, map[string]string{"<a>": "\u009b\U000e0001"}, "  "); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"<a>\": \"\\u009b\\udb40\\udc01\"\n}\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	if WriteJSON(&b, func() {}, "") == nil {
		t.Error("a function was written")
	}
}

// The exchange's way makes JSON too: what needs no escape costs no memory.
func TestJSONAllocs(t *testing.T) {
	clean := []byte(strings.Repeat(`"é",`, 100))
	if n := testing.AllocsPerRun(100, func() { JSON(clean) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzVisible(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := Line(text); hidden(got) || strings.ContainsAny(got, "\n\t") {
			t.Errorf("Line(%q) = %q", text, got)
		}
		if got := Lines(text); hidden(got) {
			t.Errorf("Lines(%q) = %q", text, got)
		}
		encoded, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var was, is string
		if json.Unmarshal(encoded, &was) != nil || json.Unmarshal(JSON(encoded), &is) != nil || was != is || hidden(string(JSON(encoded))) {
			t.Errorf("JSON(%q) = %q", encoded, JSON(encoded))
		}
	})
}

func TestAppendString(t *testing.T) {
	for in, want := range map[string]string{
		"":                       `""`,
		"/a?b=1&c=<d>":           `"/a?b=1&c=<d>"`,
		"caf\u00e9 \"x\" \\":     `"café \"x\" \\"`,
		"a\nb\tc\x1b[31m\x7f":    `"a\nb\u0009c\u001b[31m\u007f"`,
		"caf\xe9 \u00e9\xff":     `"caf\u00e9 é\u00ff"`,
		"\u202e\u2028\U000e0041": `"\u202e\u2028\udb40\udc41"`,
		"\ufffd":                 `"\ufffd"`,
	} {
		if got := string(AppendString(nil, in)); got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
		if a, b := string(AppendString(nil, in)), string(AppendString(nil, []byte(in))); a != b {
			t.Errorf("%q: %s, %s", in, a, b)
		}
	}
}
