package explain

import (
	"bytes"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// This file reads JSON logs without building a document: a line is walked over once, field by field, and what a format asks
// for is given as a slice of the line. Nothing is allocated, but for a text whose escapes somebody wants undone.

// jsonFields walks over the fields of one JSON object (RFC 8259 section 4).
//
//	fields := jsonObject(line)
//	for fields.next() {
//		switch string(fields.key) { … fields.value … }
//	}
//	if !fields.complete() { … not an object, or more than one … }
type jsonFields struct {
	key   []byte    // the field's name as it stands between the quotes
	value jsonValue // the field's value

	rest  []byte
	begun bool
	ended bool
}

// jsonValue is one value as it stands in the line, without white space around it: a string with its quotes, an object with
// its braces. The zero value is no value.
type jsonValue []byte

// jsonItems walks over the values of one JSON array.
type jsonItems struct {
	value jsonValue

	rest  []byte
	begun bool
}

// jsonObject begins to walk over an object. Where b does not begin with one, the first next reports false.
func jsonObject(b []byte) jsonFields { return jsonFields{rest: b} }

// next goes to the next field. It reports false at the object's end, and at the first octet that is not JSON.
//
// hot: once per field of each line.
func (f *jsonFields) next() bool {
	b := skipBlank(f.rest)
	switch {
	case f.ended || len(b) == 0:
		return false
	case !f.begun:
		if b[0] != '{' {
			return false
		}
		f.begun = true
		b = skipBlank(b[1:])
	case b[0] == ',':
		b = skipBlank(b[1:])
		if len(b) > 0 && b[0] == '}' {
			return false // a comma with nothing behind it
		}
	case b[0] != '}':
		return false
	}
	if len(b) > 0 && b[0] == '}' {
		f.ended, f.rest = true, b[1:]
		return false
	}
	end := stringEnd(b)
	if end < 0 {
		return false
	}
	f.key = b[1 : end-1]
	b = skipBlank(b[end:])
	if len(b) == 0 || b[0] != ':' {
		return false
	}
	b = skipBlank(b[1:])
	end = valueEnd(b)
	if end < 0 {
		return false
	}
	f.value, f.rest = jsonValue(b[:end]), b[end:]
	return true
}

// complete reports whether the object ended with its brace and nothing but white space follows it.
func (f *jsonFields) complete() bool { return f.ended && len(skipBlank(f.rest)) == 0 }

// next goes to the array's next value.
func (a *jsonItems) next() bool {
	b := skipBlank(a.rest)
	if len(b) == 0 {
		return false
	}
	switch {
	case !a.begun && b[0] == '[':
		a.begun = true
	case a.begun && b[0] == ',':
	default:
		return false
	}
	b = skipBlank(b[1:])
	end := valueEnd(b)
	if end < 0 {
		return false
	}
	a.value, a.rest = jsonValue(b[:end]), b[end:]
	return true
}

// fields begins to walk over the fields of a value that is an object.
func (v jsonValue) fields() jsonFields { return jsonObject(v) }

// items begins to walk over a value that is an array.
func (v jsonValue) items() jsonItems { return jsonItems{rest: v} }

// isText reports whether the value is a string.
func (v jsonValue) isText() bool { return len(v) >= 2 && v[0] == '"' }

// isTrue reports whether the value is true.
func (v jsonValue) isTrue() bool { return string(v) == "true" }

// text gives what stands between the quotes of a string, its escapes as they are written; nil for what is no string.
func (v jsonValue) text() []byte {
	if !v.isText() {
		return nil
	}
	return v[1 : len(v)-1]
}

// bare gives the text of a string, and a number or a literal as it stands.
func (v jsonValue) bare() []byte {
	if v.isText() {
		return v.text()
	}
	return v
}

// int reads a whole number, also one that stands in quotes, as some exporters write them.
func (v jsonValue) int() (int64, bool) { return wholeInt(v.bare()) }

// num reads a whole number that fits an int, 0 for what is none.
func (v jsonValue) num() int {
	n, _ := v.int()
	return int(n)
}

// seconds reads a number of seconds with decimals; -1 for what is none.
func (v jsonValue) seconds() time.Duration { return decimalSeconds(v.bare()) }

// plain gives the text of a string with its escapes undone. It allocates where there are any: not for a line of KindOK.
func (v jsonValue) plain() []byte { return unescapeJSON(v.text()) }

// skipBlank drops JSON's white space from the front.
func skipBlank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// stringEnd gives the index behind the closing quote of the string that b begins with, -1 where there is none.
func stringEnd(b []byte) int {
	if len(b) < 2 || b[0] != '"' {
		return -1
	}
	for i := 1; i < len(b); {
		quote := bytes.IndexByte(b[i:], '"')
		if quote < 0 {
			return -1
		}
		quote += i
		slashes := 0
		for quote-slashes-1 > 0 && b[quote-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return quote + 1
		}
		i = quote + 1
	}
	return -1
}

// valueEnd gives the index behind the value that b begins with, -1 where it begins with none. What stands inside a nested
// object or array is only walked over: its brackets and strings are matched, its grammar is looked at when somebody walks
// into it.
func valueEnd(b []byte) int {
	if len(b) == 0 {
		return -1
	}
	switch c := b[0]; {
	case c == '"':
		return stringEnd(b)
	case c == '{' || c == '[':
		return nestedEnd(b)
	case c == 't' || c == 'f' || c == 'n' || c == '-' || c >= '0' && c <= '9':
		i := 1
		for i < len(b) && (b[i] >= '0' && b[i] <= '9' || b[i] >= 'a' && b[i] <= 'z' || b[i] == '.' || b[i] == '+' || b[i] == '-' || b[i] == 'E') {
			i++
		}
		if c >= 'a' && !isLiteral(b[:i]) {
			return -1
		}
		return i
	}
	return -1
}

func isLiteral(b []byte) bool {
	return string(b) == "true" || string(b) == "false" || string(b) == "null"
}

func nestedEnd(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			end := stringEnd(b[i:])
			if end < 0 {
				return -1
			}
			i += end - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// unescapeJSON undoes the escapes of a string's inside (RFC 8259 section 7). Without any it gives b itself. An escape that
// is none stays as it stands.
func unescapeJSON(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			continue
		}
		i++
		switch b[i] {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'u':
			r, n := unicodeEscape(b[i-1:])
			if n == 0 {
				out = append(out, '\\', 'u')
				continue
			}
			out = utf8.AppendRune(out, r)
			i += n - 2
		default:
			out = append(out, b[i])
		}
	}
	return out
}

// unicodeEscape reads \uXXXX, or two of them that are a surrogate pair, and gives how many octets it took; 0 for none.
func unicodeEscape(b []byte) (rune, int) {
	first, ok := hexRune(b)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	if second, ok := hexRune(b[6:]); ok {
		if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
			return r, 12
		}
	}
	return utf8.RuneError, 6
}

func hexRune(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}
