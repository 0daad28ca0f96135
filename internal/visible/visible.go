// Package visible shows what would otherwise act instead of being seen: control characters, characters that turn the direction
// of writing or have no shape, and octets that are not UTF-8. Text from outside is full of them where somebody means harm: an
// escape sequence steers the terminal, and U+202E makes a line read as another.
//
// It knows where such text ends up in general (a line, a page, JSON), and nothing of who writes it there.
package visible

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Hidden reports whether a character acts instead of being seen: a control (C0, DEL, C1), a format character (Unicode's category
// Cf: bidirectional controls, joiners, tags), a separator of lines or paragraphs, or the replacement character, which stands for
// octets that were not UTF-8.
func Hidden(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r < ' ' || r == 0x7f
	case r < 0xad: // the first format character, SOFT HYPHEN
		return r < 0xa0
	}
	return r == utf8.RuneError || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Append appends a text that ended in the middle of no character, with each hidden one as Go writes it (\n, \x1b, \u202e), and
// each octet that is not UTF-8 as \xff. Characters that keep names stay as they are.
func Append(dst []byte, text, keep string) []byte {
	done := 0
	for i, size := 0, 0; i < len(text); i += size {
		if c := text[i]; c >= ' ' && c < 0x7f {
			size = 1
			continue
		}
		var r rune
		r, size = utf8.DecodeRuneInString(text[i:])
		if !Hidden(r) || strings.ContainsRune(keep, r) {
			continue
		}
		dst = append(dst, text[done:i]...)
		done = i + size
		dst = appendShown(dst, text[i:done], r)
	}
	return append(dst, text[done:]...)
}

// appendShown appends one hidden character, which is the text, or one octet that is none.
func appendShown(dst []byte, text string, r rune) []byte {
	if r == utf8.RuneError && len(text) == 1 {
		const digits = "0123456789abcdef"
		return append(dst, '\\', 'x', digits[text[0]>>4], digits[text[0]&15])
	}
	quoted := strconv.AppendQuoteRuneToASCII(nil, r)
	return append(dst, quoted[1:len(quoted)-1]...)
}

// Line makes text from outside safe to show on one line.
func Line(text string) string { return shown(text, "") }

// Lines makes text from outside safe to show on as many lines as it has: newlines and tabs stay.
func Lines(text string) string { return shown(text, "\n\t") }

func shown(text, keep string) string {
	if clean(text, keep) {
		return text
	}
	return string(Append(make([]byte, 0, len(text)+16), text, keep))
}

func clean(text, keep string) bool {
	for _, r := range text {
		if Hidden(r) && !strings.ContainsRune(keep, r) {
			return false
		}
	}
	return true
}
