package visible

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"
)

// JSON gives encoded JSON without a raw hidden character: each is written as \u and four digits, those above U+FFFF as a surrogate
// pair (RFC 8259 section 7), so that what is decoded stays the same; octets that are not UTF-8 become U+FFFD. Outside of strings
// JSON has whitespace only, which stays. JSON that needs nothing is given back as it is, without a copy.
func JSON(encoded []byte) []byte {
	var dst []byte
	done := 0
	for i, size := 0, 0; i < len(encoded); i += size {
		if c := encoded[i]; c < 0x7f {
			size = 1
			continue
		}
		var r rune
		r, size = utf8.DecodeRune(encoded[i:])
		if !Hidden(r) {
			continue
		}
		dst = appendRune(append(dst, encoded[done:i]...), r)
		done = i + size
	}
	if done == 0 {
		return encoded
	}
	return append(dst, encoded[done:]...)
}

// AppendString appends a JSON string (RFC 8259, section 7) with each hidden character escaped. An octet that is not UTF-8 is written
// as U+00XX: the string is valid whatever somebody sent, and says which octet it was.
//
// hot: some ten times per request.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return append(appendEscaped(append(dst, s[:i]...), string(s[i:])), '"')
		}
	}
	return append(append(dst, s...), '"')
}

func appendEscaped(dst []byte, s string) []byte {
	done := 0
	for i, size := 0, 0; i < len(s); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		quoted := r == '"' || r == '\\'
		if !quoted && !Hidden(r) {
			continue
		}
		dst = append(dst, s[done:i]...)
		done = i + size
		switch {
		case quoted:
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case size == 1 && r == utf8.RuneError:
			dst = appendRune(dst, rune(s[i]))
		default:
			dst = appendRune(dst, r)
		}
	}
	return append(dst, s[done:]...)
}

// appendRune appends a character as \u and four hexadecimal digits, twice for one above U+FFFF.
func appendRune(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	if r > 0xffff {
		r -= 0x10000
		return appendRune(appendRune(dst, 0xd800+r>>10), 0xdc00+r&0x3ff)
	}
	return append(dst, '\\', 'u', digits[r>>12], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

// WriteJSON writes a value as JSON and a newline, in one write and without escapes for HTML. Lines within it begin with as many
// indents as they are deep; with none it is one line. The errors are those of json.Encoder and of the writer.
func WriteJSON(w io.Writer, value any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", indent)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(JSON(b.Bytes()))
	return err
}
