package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Whygate's own access log is described in docs/access-log.md. It names the cause, so that nothing is left to judge; the
// evidence of the last attempt is read as well, for what the cause alone does not show. Its keys had no units and an "addr" before
// they were spelled as an incident has them: both are read.

var whygateJSON = &Format{
	marks: []string{`,"by":"`, `,\"by\":\"`},
	Name:  "whygate", Title: "Whygate access log", Product: "whygate", Role: RoleProxy,
	Gives: "Everything: who made the answer, the cause, each attempt with its stage, its end, whether its connection was reused, bytes and times.",
	Lacks: "The offending bytes of a malformed answer: those are in the incident.",
	Parse: parseWhygateJSON,
}

var whygateReadable = &Format{
	begins: "0 \x1b", marks: slugMarks(),
	Name: "whygate-readable", Title: "Whygate readable log", Product: "whygate", Role: RoleProxy,
	Gives:  "The status and the request; under it the cause and its sentence.",
	Lacks:  "The date, and the attempts before the last.",
	Better: "access_log: /var/log/whygate/access.log   # one JSON object per request, with every attempt",
	Parse:  parseWhygateReadable,
}

// slugMarks are the beginnings of the sentence under a request: a cause's name and a colon.
func slugMarks() []string {
	var marks []string
	for c := fault.CauseNone + 1; int(c) < fault.Causes; c++ {
		marks = append(marks, c.String()+": ")
	}
	return marks
}

func parseWhygateJSON(e *Entry, line []byte) bool {
	if !starts(line, `{"time":"`) || !has(line, `,"by":"`) {
		return false
	}
	fields := jsonObject(line)
	var by []byte
	var cause fault.Cause
	var attempt jsonValue
	for fields.next() {
		v := fields.value
		switch string(fields.key) {
		case "time":
			e.Time, e.Zoned, _, _ = rfc3339Clock(v.text())
		case "status":
			e.Status = v.num()
		case "by":
			by = v.text()
		case "method":
			e.Method = v.text()
		case "host":
			e.Host = v.text()
		case "target":
			e.Path = v.text()
		case "client":
			e.Client = withoutPort(v.text())
		case "request_id":
			e.ID = v.text()
		case "duration_ms", "duration":
			e.Took = millis(v)
		case "attempts":
			for items := v.items(); items.next(); e.Attempts++ {
				attempt = items.value
			}
		case "fault":
			cause = whygateFault(e, v)
		}
	}
	if !fields.complete() || e.Time.IsZero() || !e.Zoned || by == nil {
		return false
	}
	if attempt != nil {
		whygateAttempt(e, attempt)
	}
	switch string(by) {
	case "origin":
		e.By = ByOrigin
	case "client":
		e.By = ByClient
	default:
		e.By = ByGateway
	}
	whygateVerdict(e, cause)
	return true
}

// whygateVerdict holds the line's own cause against the evidence: where the line shows less than the gateway saw, the
// cause is told.
func whygateVerdict(e *Entry, cause fault.Cause) {
	switch {
	case cause == fault.CauseNone:
		e.Kind = KindOK
		return
	case cause.Entry().Family == fault.FamilyClient:
		e.Kind = KindClient
	default:
		e.Kind = KindFault
	}
	if fault.Classify(&e.Evidence).Cause != cause {
		e.Evidence.Told = cause
	}
}

// whygateFault reads the object fault.
func whygateFault(e *Entry, v jsonValue) (cause fault.Cause) {
	fields := v.fields()
	for fields.next() {
		switch string(fields.key) {
		case "cause":
			if known, ok := fault.ParseCause(string(fields.value.text())); ok {
				cause = known
			} else {
				cause = fault.CauseUnknown
			}
		case "stage":
			e.Evidence.Stage = whygateStage(fields.value.text())
		case "sentence":
			e.Said = fields.value.text()
		}
	}
	return cause
}

func whygateStage(name []byte) fault.Stage {
	for s := range fault.Stages {
		if string(name) == fault.Stage(s).String() {
			return fault.Stage(s)
		}
	}
	return fault.Select
}

// whygateAttempt reads the last attempt's evidence.
func whygateAttempt(e *Entry, v jsonValue) {
	ev := &e.Evidence
	fields := v.fields()
	for fields.next() {
		value := fields.value
		switch string(fields.key) {
		case "endpoint":
			if _, rest, found := bytes.Cut(value.text(), []byte("://")); found && e.Upstream == nil {
				e.Upstream = rest
			}
		case "address", "addr":
			e.Upstream = value.text()
		case "status":
			ev.Status = value.num()
		case "stage":
			ev.Stage = whygateStage(value.text())
		case "end":
			ev.End = whygateEnd(value.text())
		case "reused":
			ev.Reused = value.isTrue()
		case "nth":
			ev.Nth = uint32(max(value.num(), 0))
		case "idle_ms", "idle":
			ev.Idle = max(millis(value), 0)
		case "sent":
			ev.Sent, _ = value.int()
		case "got":
			ev.Got, _ = value.int()
		case "spent_ms", "spent":
			spent := value.fields()
			for spent.next() {
				ev.Spent[whygateStage(spent.key)] = max(millis(spent.value), 0)
			}
		}
	}
}

func whygateEnd(name []byte) fault.End {
	for i := range fault.Ends {
		if string(name) == fault.End(i).String() {
			return fault.End(i)
		}
	}
	return fault.Completed
}

// whygateTook reads 12ms or, as it was written once, 12 ms; it is negative where neither stands there.
func whygateTook(w *words) time.Duration {
	took := w.next()
	unit := bytes.TrimLeft(took, "0123456789.")
	if took = took[:len(took)-len(unit)]; len(unit) == 0 {
		unit = w.next()
	}
	switch d := millis(took); {
	case d < 0, string(unit) == "ms":
		return d
	case string(unit) == "s":
		return d * 1000
	}
	return -1
}

// parseWhygateReadable reads "15:04:05.000 502 GET host/path  12ms  107 B  http://…  from …" and the two lines under it:
// "  cause: sentence" and "  do: advice". The cause stands in the second, which is the one that counts.
func parseWhygateReadable(e *Entry, line []byte) bool {
	line = bytes.TrimSuffix(line, []byte("\x1b[0m"))
	if starts(line, "  ") && len(line) > 6 && line[2] != ' ' {
		return whygateStory(e, line[2:])
	}
	if has(line, "  incident WG") && (line[0] == '\x1b' || line[0] >= 'a' && line[0] <= 'z') { // what it stands in has taken the blanks
		return whygateStory(e, line)
	}
	line = withoutColors(line)
	if len(line) < 18 || clockOf(line) < 0 || line[8] != '.' || line[12] != ' ' {
		return false
	}
	w := words{line[13:]}
	e.Status = wholeStatus(w.next())
	method := w.next()
	if e.Status == 0 || !isMethod(method) && string(method) != "(no" {
		return false
	}
	target := w.next()
	if e.Took = whygateTook(&w); e.Took < 0 {
		return false
	}
	if method[0] != '(' {
		e.Method = method
		if slash := bytes.IndexByte(target, '/'); slash >= 0 {
			e.Host, e.Path = target[:slash], target[slash:]
		}
	}
	if from := between(w.rest, "  from ", ""); from != nil {
		e.Client = withoutPort(from)
	}
	if url := between(w.rest, " B  ", ""); url != nil {
		_, rest, _ := bytes.Cut(upTo(url, ' '), []byte("://"))
		e.Upstream = rest
	}
	switch {
	case e.Status == 499:
		e.clientGone()
	case e.Status < 400:
		e.Kind = KindOK
	case e.Status < 500:
		e.Kind = KindOK
	default:
		e.noise(MarkerNone) // the line under it says why, and counts
	}
	return true
}

// whygateStory reads a line under an access line.
func whygateStory(e *Entry, line []byte) bool {
	line = withoutColors(line)
	slug, sentence, ok := bytes.Cut(line, []byte(": "))
	if !ok {
		return false
	}
	e.Said = line
	if string(slug) == "do" {
		e.noise(MarkerNone)
		return true
	}
	cause, known := fault.ParseCause(string(slug))
	if !known || cause == fault.CauseNone || len(sentence) == 0 {
		return false
	}
	e.told(ByGateway, cause)
	switch {
	case cause == fault.CauseUpstreamStatus:
		e.By = ByOrigin
	case cause.Entry().Family == fault.FamilyClient:
		e.Kind = KindClient
	}
	return true
}

// withoutColors drops every SGR sequence; without any it gives b itself.
func withoutColors(b []byte) []byte {
	if bytes.IndexByte(b, '\x1b') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		if b[0] == '\x1b' {
			if end := bytes.IndexByte(b, 'm'); end > 0 {
				b = b[end+1:]
				continue
			}
			return append(out, b...) // no sequence ends any more
		}
		out, b = append(out, b[0]), b[1:]
	}
	return out
}
