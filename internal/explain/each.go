package explain

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/visible"
)

// eachWriter prints one JSON object for each line read. A line that has no time, cause or upstream has null or an empty
// string there; the keys are always the same. docs/explain.md describes them.
type eachWriter struct{ file string }

// append appends the object of one line, whose format is nil where nobody knows it.
func (w *eachWriter) append(dst []byte, number int, f *Format, e *Entry) []byte {
	dst = appendJSON(append(dst, `{"file":`...), w.file)
	dst = strconv.AppendInt(append(dst, `,"line":`...), int64(number), 10)
	if f == nil {
		return append(dst, `,"format":null,"kind":"unknown","by":null,"family":null,"cause":null,"candidates":[],"type":null,"stage":null,"upstream":null,"time":null}`+"\n"...)
	}
	dst = appendJSON(append(dst, `,"format":`...), f.Name)
	dst = appendJSON(append(dst, `,"kind":`...), e.Kind.String())
	dst = appendName(append(dst, `,"by":`...), e.By.String())
	v := e.Fault()
	if v.Is() {
		dst = appendJSON(append(dst, `,"family":`...), v.Family().String())
		dst = appendJSON(append(dst, `,"cause":`...), v.Cause.String())
	} else {
		dst = append(dst, `,"family":null,"cause":null`...)
	}
	dst = append(dst, `,"candidates":[`...)
	for i, c := range e.Candidates {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, c.String())
	}
	dst = append(dst, ']')
	if v.Is() && v.Type != fault.TypeNone {
		dst = appendJSON(append(dst, `,"type":`...), v.Type.String())
	} else {
		dst = append(dst, `,"type":null`...)
	}
	if v.Is() {
		dst = appendJSON(append(dst, `,"stage":`...), v.Stage.String())
	} else {
		dst = append(dst, `,"stage":null`...)
	}
	dst = appendName(append(dst, `,"upstream":`...), string(e.Upstream))
	dst = append(dst, `,"time":`...)
	if e.Time.IsZero() {
		dst = append(dst, "null"...)
	} else {
		dst = append(e.Time.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
	}
	return append(dst, "}\n"...)
}

// appendName appends a JSON string, null for an empty one.
func appendName(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return appendJSON(dst, s)
}

// appendJSON appends a JSON string without a raw character that acts instead of being seen. What is not UTF-8 is written as U+00XX
// for each octet, so that the line is valid whatever the log has, and says which octets they were.
func appendJSON(dst []byte, s string) []byte {
	valid := utf8.ValidString(s)
	dst = append(dst, '"')
	done := 0
	for i, size := 0, 0; i < len(s); i += size {
		r := rune(s[i])
		size = 1
		if r >= ' ' && r < 0x7f && r != '"' && r != '\\' {
			continue
		}
		if r >= utf8.RuneSelf && valid {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		quoted := r == '"' || r == '\\'
		if !quoted && !visible.Hidden(r) && (r < utf8.RuneSelf || valid) {
			continue
		}
		dst = append(dst, s[done:i]...)
		done = i + size
		if quoted {
			dst = append(dst, '\\', byte(r))
		} else {
			dst = visible.AppendJSONRune(dst, r)
		}
	}
	return append(append(dst, s[done:]...), '"')
}
