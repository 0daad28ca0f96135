package explain

import (
	"bytes"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/redact"
)

// FuzzEveryFormat offers octets to every format: none may panic, and whatever one takes must be an entry that the rest can
// work with.
func FuzzEveryFormat(f *testing.F) {
	for _, c := range corpora(f) {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var e Entry
		for _, format := range formats {
			e.reset()
			if len(line) == 0 || !format.Parse(&e, line) {
				continue
			}
			v := e.Fault()
			if int(e.Kind) >= len(kindNames) || int(e.By) >= len(byNames) || e.Kind == KindUnknown {
				t.Errorf("%s takes %q and says %d by %d", format.Name, line, e.Kind, e.By)
			}
			_ = v.Sentence(&e.Evidence)
			_ = appendRoute(nil, e.Path)
			_ = redact.Line(string(e.Said))
		}
		for _, format := range formats {
			if format.quick == nil {
				continue
			}
			if kind := format.quick(line); kind != KindUnknown {
				e.reset()
				if format.Parse(&e, line) && e.Kind != kind {
					t.Errorf("%s: the quick look at %q says %s, the parser %s", format.Name, line, kind, e.Kind)
				}
			}
		}
	})
}

// FuzzPeel takes the carriers off octets: what is left is never longer, and nothing panics.
func FuzzPeel(f *testing.F) {
	for _, c := range peelCases {
		f.Add([]byte(c.line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var c carrier
		rest := line
		for range peelMax {
			inner, ok := peel(&c, rest, corpusNow)
			if !ok {
				break
			}
			if len(inner) > len(rest)*3 {
				t.Fatalf("%q became longer: %q", rest, inner)
			}
			rest = inner
		}
		var e Entry
		NewRecogniser(formats, corpusNow).Read(&e, line)
	})
}

// FuzzAccessFormat compiles octets as a log format and reads octets with it.
func FuzzAccessFormat(f *testing.F) {
	for _, c := range customCases {
		f.Add(c.format, c.line)
	}
	f.Fuzz(func(t *testing.T, format, line string) {
		compiled, err := Compile(format)
		if err != nil {
			return
		}
		var e Entry
		e.reset()
		if compiled.Parse(&e, []byte(line)) {
			v := e.Fault()
			_ = v.Sentence(&e.Evidence)
		}
	})
}

// FuzzReader reads octets in pieces: the lines are those that a split at newlines gives, with their numbers.
func FuzzReader(f *testing.F) {
	f.Add([]byte("a\nb\r\n\nc"))
	f.Add([]byte(strings.Repeat("x", lineMax+10) + "\nend\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := lineReader{ctx: t.Context(), r: bytes.NewReader(text)}
		b := &block{space: make([]byte, 0, blockSize)}
		lines, next := 0, 1
		for {
			err := l.fill(b, true)
			if b.first != next {
				t.Fatalf("a block begins at line %d, want %d", b.first, next)
			}
			n := bytes.Count(b.text, []byte{'\n'})
			next += n
			lines += n
			if err != nil {
				break
			}
		}
		if want := bytes.Count(text, []byte{'\n'}); lines != want {
			t.Fatalf("%d lines, want %d", lines, want)
		}
	})
}
