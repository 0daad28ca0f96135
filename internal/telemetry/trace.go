package telemetry

import "bytes"

// Places in a traceparent of version 00: W3C Trace Context, section 3.2.2.
const (
	traceVersion = 2                // 2 hexadecimal digits, then '-'
	traceStart   = traceVersion + 1 // 32 digits, then '-'
	traceEnd     = traceStart + 32
	parentStart  = traceEnd + 1 // 16 digits, then '-'
	parentEnd    = parentStart + 16
	flagsStart   = parentEnd + 1 // 2 digits
	traceSize    = flagsStart + 2
)

// TraceID gives the trace id of a traceparent header, 32 hexadecimal digits of it; nil if the header is not valid. A later version may
// have more behind what version 00 has: section 3.2.4.
func TraceID(traceparent []byte) []byte {
	trace, _, _ := Trace(traceparent)
	return trace
}

// Trace gives the trace id and the parent's id of a traceparent header, 32 and 16 hexadecimal digits of it, and whether it says that the trace is
// sampled; nil if the header is not valid.
func Trace(traceparent []byte) (trace, parent []byte, sampled bool) {
	t := traceparent
	switch {
	case len(t) < traceSize, t[traceVersion] != '-', t[traceEnd] != '-', t[parentEnd] != '-':
		return nil, nil, false
	case !isHex(t[:traceVersion]), !isHex(t[traceStart:traceEnd]), !isHex(t[parentStart:parentEnd]), !isHex(t[flagsStart:traceSize]):
		return nil, nil, false
	case isZero(t[traceStart:traceEnd]), isZero(t[parentStart:parentEnd]): // both mean that there is none
		return nil, nil, false
	}
	switch version := string(t[:traceVersion]); {
	case version == "ff": // forbidden
		return nil, nil, false
	case version == "00" && len(t) != traceSize, len(t) > traceSize && t[traceSize] != '-':
		return nil, nil, false
	}
	return t[traceStart:traceEnd], t[parentStart:parentEnd], bytes.IndexByte(odd, t[flagsStart+1]) >= 0
}

// odd are the hexadecimal digits whose lowest bit is set.
var odd = []byte("13579bdf")

// isHex reports whether b is hexadecimal in lower case, which is what the format has.
func isHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func isZero(b []byte) bool { return len(bytes.Trim(b, "0")) == 0 }
