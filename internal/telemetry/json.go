package telemetry

import (
	"strconv"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/visible"
)

// valueMax bounds what of a client's own words goes into a line, in bytes of the value.
const valueMax = 2 << 10

// JSON appends one line of the access log as a JSON object. Its keys are described in docs/access-log.md. Durations are
// milliseconds.
//
// hot: once per request.
func JSON(dst []byte, r *Record) []byte { return appendLine(dst, r, 0) }

// appendLine is JSON without some keys.
func appendLine(dst []byte, r *Record, without Fields) []byte {
	dst = append(dst, `{"time":"`...)
	dst = appendTime(dst, r.At)
	dst = append(dst, `","status":`...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	if status, is := r.GRPC.Status(); is {
		dst = append(dst, `,"grpc_status":`...)
		dst = strconv.AppendInt(dst, int64(status), 10)
	}
	if r.Hedge != NotHedged {
		dst = append(append(append(dst, `,"hedge":"`...), r.Hedge.String()...), '"')
	}
	dst = append(append(append(dst, `,"by":"`...), r.By.String()...), '"')
	dst = appendKey(dst, "method", r.Method)
	if without&FieldHost == 0 {
		dst = appendKey(dst, "host", r.Host)
	}
	if without&FieldTarget == 0 {
		dst = appendKey(dst, "target", r.Target)
	}
	dst = appendKeyString(dst, "version", r.Version.String())
	if r.Secure {
		dst = append(dst, `,"tls":true`...)
	}
	if without&FieldClient == 0 {
		dst = appendKeyString(dst, "client", r.Client)
	}
	if without&FieldRequestID == 0 {
		dst = appendKey(dst, "request_id", r.ID)
	}
	if len(r.Traceparent) > 0 && without&FieldTraceID == 0 {
		dst = appendKey(dst, "trace_id", TraceID(r.Traceparent))
	}
	dst = append(dst, `,"sent":`...)
	dst = strconv.AppendInt(dst, r.Sent, 10)
	dst = append(dst, `,"duration_ms":`...)
	dst = appendMillis(dst, r.Duration)
	if without&FieldRoute == 0 {
		dst = appendKeyString(dst, "route", r.Route)
	}
	dst = appendKeyString(dst, "pool", r.Pool)
	if without&FieldAgent == 0 {
		dst = appendKey(dst, "user_agent", r.Agent)
	}
	if without&FieldReferer == 0 {
		dst = appendKey(dst, "referer", r.Referer)
	}
	if len(r.Attempts) > 0 && without&FieldAttempts == 0 {
		dst = append(dst, `,"attempts":[`...)
		for i := range r.Attempts {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendAttempt(dst, r.Attempts[i])
		}
		dst = append(dst, ']')
	}
	if r.Fault.Is() {
		dst = appendFault(dst, r)
	}
	return append(dst, '}', '\n')
}

// appendAttempt appends one attempt: where, how far, the four bits (reused, sent, received, who ended it), and what each
// stage took.
func appendAttempt(dst []byte, e *fault.Evidence) []byte {
	dst = append(dst, `{"endpoint":`...)
	dst = appendText(dst, e.Endpoint)
	if e.Addr != "" {
		dst = appendKeyString(dst, "address", e.Addr)
	}
	if e.Status != 0 {
		dst = append(dst, `,"status":`...)
		dst = strconv.AppendInt(dst, int64(e.Status), 10)
	}
	if e.Version == httpmsg.HTTP2 {
		dst = append(dst, `,"version":"2","stream":`...)
		dst = strconv.AppendUint(dst, uint64(e.Stream), 10)
	}
	dst = append(append(append(dst, `,"stage":"`...), e.Stage.String()...), '"')
	if e.End == fault.StreamReset || e.End == fault.GoAway {
		dst = append(append(append(dst, `,"code":"`...), e.Code.String()...), '"')
	}
	if e.End != fault.Completed {
		dst = append(append(append(dst, `,"end":"`...), e.End.String()...), '"')
	}
	if e.Hedge {
		dst = append(dst, `,"hedge":true`...)
	}
	dst = append(dst, `,"reused":`...)
	dst = strconv.AppendBool(dst, e.Reused)
	dst = append(dst, `,"nth":`...)
	dst = strconv.AppendUint(dst, uint64(e.Nth), 10)
	if e.Reused {
		dst = append(dst, `,"idle_ms":`...)
		dst = appendMillis(dst, e.Idle)
	}
	dst = append(dst, `,"sent":`...)
	dst = strconv.AppendInt(dst, e.Sent, 10)
	dst = append(dst, `,"got":`...)
	dst = strconv.AppendInt(dst, e.Got, 10)
	dst = append(dst, `,"spent_ms":{`...)
	first := true
	for s, d := range e.Spent {
		if d == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(append(dst, '"'), fault.Stage(s).String()...), `":`...)
		dst = appendMillis(dst, d)
	}
	return append(dst, "}}"...)
}

// appendFault appends what went wrong, in the catalogue's words.
func appendFault(dst []byte, r *Record) []byte {
	f := r.Fault
	dst = append(append(append(dst, `,"fault":{"type":"`...), f.Type.String()...), '"')
	dst = append(append(append(dst, `,"cause":"`...), f.Cause.String()...), '"')
	dst = append(append(append(dst, `,"family":"`...), f.Family().String()...), '"')
	dst = append(append(append(dst, `,"stage":"`...), f.Stage.String()...), '"')
	if r.Saved {
		dst = append(dst, `,"saved":true`...)
	}
	if r.Late {
		dst = append(dst, `,"late":true`...)
	}
	dst = appendKeyString(dst, "retry", r.Retry)
	dst = appendKeyString(dst, "incident", r.Incident)
	if r.Evidence != nil {
		var b [320]byte
		dst = appendKey(dst, "sentence", f.AppendSentence(b[:0], r.Evidence))
	}
	return append(dst, '}')
}

// appendTime appends a moment as RFC 3339 in UTC with milliseconds. It is time.AppendFormat for this one layout at a
// quarter of the price.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(dst, byte('0'+year/1000%10), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), '-')
	dst = append(appendTwo(dst, int(month)), '-')
	dst = append(appendTwo(dst, day), 'T')
	dst = append(appendTwo(dst, hour), ':')
	dst = append(appendTwo(dst, minute), ':')
	dst = append(appendTwo(dst, second), '.')
	ms := t.Nanosecond() / 1e6
	return append(dst, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// appendMillis appends a duration in milliseconds with three decimals, which are microseconds.
func appendMillis(dst []byte, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	dst = strconv.AppendInt(dst, us/1000, 10)
	us %= 1000
	return append(dst, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}

func appendKey(dst []byte, key string, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	return appendText(append(append(append(dst, `,"`...), key...), `":`...), value)
}

func appendKeyString(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	return appendText(append(append(append(dst, `,"`...), key...), `":`...), value)
}

// appendText appends a JSON string of at most valueMax bytes of the value.
func appendText[T string | []byte](dst []byte, s T) []byte {
	return visible.AppendString(dst, s[:min(len(s), valueMax)])
}
