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
		dst = AppendJSONRune(append(dst, encoded[done:i]...), r)
		done = i + size
	}
	if done == 0 {
		return encoded
	}
	return append(dst, encoded[done:]...)
}

// AppendJSONRune appends a character as \u and four hexadecimal digits, twice for one above U+FFFF.
func AppendJSONRune(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	if r > 0xffff {
		r -= 0x10000
		return AppendJSONRune(AppendJSONRune(dst, 0xd800+r>>10), 0xdc00+r&0x3ff)
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
