package term

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/whygate/whygate/internal/visible"
)

// Wrap breaks the text into lines of at most width columns, each beginning with indent, which counts. A newline in the
// text stays one; runs of spaces become one. A word that does not fit has a line of its own, and is not broken. The result
// does not end with a newline.
func Wrap(text string, width int, indent string) string { return Hang(text, width, indent, indent) }

// Hang is Wrap with another beginning of the first line: a bullet, a number, a label.
func Hang(text string, width int, first, rest string) string {
	var out strings.Builder
	begin := first
	for paragraph := range strings.SplitSeq(text, "\n") {
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		appendWrapped(&out, paragraph, width, begin, rest)
		begin = rest
	}
	return out.String()
}

func appendWrapped(out *strings.Builder, paragraph string, width int, first, rest string) {
	words := strings.FieldsFunc(paragraph, func(r rune) bool { return r == ' ' || r == '\t' }) // not U+00A0, which holds words together
	if len(words) == 0 {
		out.WriteString(strings.TrimRight(first, " "))
		return
	}
	out.WriteString(first)
	used, fresh := Columns(first), true
	for _, word := range words {
		n := Columns(word)
		switch {
		case fresh:
		case used+1+n > width:
			out.WriteByte('\n')
			out.WriteString(rest)
			used = Columns(rest)
		default:
			out.WriteByte(' ')
			used++
		}
		out.WriteString(word)
		used += n
		fresh = false
	}
}

// Columns gives how many columns the text takes on a terminal: escape sequences and combining marks none, wide characters
// two.
func Columns(text string) int {
	n := 0
	for text != "" {
		if k := escape(text); k > 0 {
			text = text[k:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		n += runeColumns(r)
		text = text[size:]
	}
	return n
}

// Cut shortens the text to width columns, the last of them an ellipsis if anything is left out. Styles end where it is cut.
func Cut(text string, width int) string {
	if Columns(text) <= width {
		return text
	}
	if width <= 0 {
		return ""
	}
	var out strings.Builder
	used, styled := 0, false
	for rest := text; rest != ""; {
		if k := escape(rest); k > 0 {
			out.WriteString(rest[:k])
			styled = rest[:k] != "\x1b[0m"
			rest = rest[k:]
			continue
		}
		r, size := utf8.DecodeRuneInString(rest)
		if used+runeColumns(r) > width-1 {
			break
		}
		used += runeColumns(r)
		out.WriteString(rest[:size])
		rest = rest[size:]
	}
	out.WriteString("…")
	if styled {
		out.WriteString("\x1b[0m")
	}
	return out.String()
}

// Clean makes text from outside safe to print on one line: control characters, and what is not UTF-8, are shown as Go
// writes them (\n, \x1b), and characters that turn the direction of writing as \u202e.
func Clean(text string) string { return visible.Line(text) }

// escape gives the length of the control sequence that the text begins with, 0 if it begins with none. Only those that
// Style writes are known: ESC [ digits and semicolons, then a letter.
func escape(text string) int {
	if len(text) < 3 || text[0] != 0x1b || text[1] != '[' {
		return 0
	}
	for i := 2; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '0' && c <= '9' || c == ';':
		case c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z':
			return i + 1
		default:
			return 0
		}
	}
	return 0
}

// wide are the ranges of Unicode's East Asian Width property "W" and "F" that texts have, in broad strokes.
var wide = [...][2]rune{
	{0x1100, 0x115f},
	{0x2e80, 0x303e},
	{0x3041, 0x4dbf},
	{0x4e00, 0xa4cf},
	{0xac00, 0xd7a3},
	{0xf900, 0xfaff},
	{0xfe30, 0xfe6f},
	{0xff00, 0xff60},
	{0xffe0, 0xffe6},
	{0x1f300, 0x1f64f},
	{0x1f680, 0x1f6ff},
	{0x1f900, 0x1f9ff},
	{0x20000, 0x3fffd},
}

func runeColumns(r rune) int {
	switch {
	case r < 0x20 || r == 0x7f:
		return 0
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	for i := range wide {
		if r >= wide[i][0] && r <= wide[i][1] {
			return 2
		}
	}
	return 1
}
