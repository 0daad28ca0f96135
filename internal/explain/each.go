package explain

import (
	"strconv"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/visible"
)

// eachWriter prints one JSON object for each line read. A line that has no time, cause or upstream has null or an empty
// string there; the keys are always the same. docs/explain.md describes them.
type eachWriter struct{ file string }

// append appends the object of one line, whose format is nil where nobody knows it.
func (w *eachWriter) append(dst []byte, number int, f *Format, e *Entry) []byte {
	dst = visible.AppendString(append(dst, `{"file":`...), w.file)
	dst = strconv.AppendInt(append(dst, `,"line":`...), int64(number), 10)
	if f == nil {
		return append(dst, `,"format":null,"kind":"unknown","by":null,"family":null,"cause":null,"candidates":[],"type":null,"stage":null,"upstream":null,"time":null}`+"\n"...)
	}
	dst = visible.AppendString(append(dst, `,"format":`...), f.Name)
	dst = visible.AppendString(append(dst, `,"kind":`...), e.Kind.String())
	dst = appendName(append(dst, `,"by":`...), e.By.String())
	v := e.Fault()
	if v.Is() {
		dst = visible.AppendString(append(dst, `,"family":`...), v.Family().String())
		dst = visible.AppendString(append(dst, `,"cause":`...), v.Cause.String())
	} else {
		dst = append(dst, `,"family":null,"cause":null`...)
	}
	dst = append(dst, `,"candidates":[`...)
	for i, c := range e.Candidates {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = visible.AppendString(dst, c.String())
	}
	dst = append(dst, ']')
	if v.Is() && v.Type != fault.TypeNone {
		dst = visible.AppendString(append(dst, `,"type":`...), v.Type.String())
	} else {
		dst = append(dst, `,"type":null`...)
	}
	if v.Is() {
		dst = visible.AppendString(append(dst, `,"stage":`...), v.Stage.String())
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
	return visible.AppendString(dst, s)
}
