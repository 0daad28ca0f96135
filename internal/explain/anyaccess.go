package explain

import (
	"bytes"
	"strconv"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/phrase"
)

// accessWords is the format of access lines of any shape.
var accessWords = &Format{
	Name: "access-words", Title: "access line of an unknown shape", Product: "", Role: RoleProxy, wordy: true,
	Gives:  "The request and its status, and an upstream's address and a duration where they can be told.",
	Lacks:  "Its shape is not known, so that its columns were told by what they look like.",
	Better: "whygate explain --access-format '<the log_format or log-format of the configuration>' FILE",
}

// has5xx reports whether three digits of a 5xx stand by themselves in the line.
//
// hot: once per line of an unknown format.
func has5xx(line []byte) bool {
	for from := 0; ; {
		i := bytes.IndexByte(line[from:], '5')
		if i < 0 {
			return false
		}
		i += from
		if from = i + 1; isStatusAt(line, i) && !inQuery(line[:i]) {
			return true
		}
	}
}

// inQuery reports whether what follows b is the value of a parameter in a URL, as in /items?page=502.
func inQuery(b []byte) bool {
	if !ends(b, "=") {
		return false
	}
	word := b[bytes.LastIndexAny(b, " \"\t")+1:]
	return bytes.ContainsAny(word, "?&") && !starts(word, "?")
}

// isStatusAt reports whether a status of 500 to 599 stands by itself at i.
func isStatusAt(line []byte, i int) bool {
	if i+3 > len(line) || line[i] != '5' || !isDigit(line[i+1]) || !isDigit(line[i+2]) {
		return false
	}
	return (i == 0 || statusBefore(line[i-1]) || escapedTab(line[:i])) && (i+3 == len(line) || statusAfter(line[i+3:]))
}

// escapedTab reports whether b ends with a tab as a string of JSON has it.
func escapedTab(b []byte) bool { return ends(b, `\t`) || ends(b, `\u0009`) }

func statusBefore(c byte) bool {
	return c == ' ' || c == '"' || c == '=' || c == ':' || c == '\t' || c == '[' || c == '|' || c == ',' || c == '/' || c == '>' || c == '('
}

func statusAfter(b []byte) bool {
	switch b[0] {
	case ' ', '"', '\t', ']', '|', ';', '<', ')', '}', '\\': // the last begins an escape in a string of JSON
		return true
	case ',':
		return len(b) < 4 || !isDigit(b[1]) || b[1] == '5' // not a number with a comma in it
	}
	return false
}

// anyAccess reads a line that has a request and a status, whatever stands around and between them. It is false where no 5xx
// stands where a status stands: right behind the request, at a key that says so, or as the only number of three digits.
func anyAccess(e *Entry, line []byte) bool {
	if isMetric(line) {
		return false
	}
	method, target, ok := requestIn(line)
	status := 0
	if ok {
		status = statusNear(line, cap(line)-cap(target)+len(target))
		e.Method = method
		e.setTarget(target)
	} else {
		status = statusKey(line)
	}
	if status < 500 {
		return false
	}
	e.Time, e.Zoned = anyClock(line, time.Time{})
	e.Status, e.Said = status, line
	e.Took = tookIn(line)
	if upstream := between(line, "[Sent-to ", "]"); len(upstream) > 0 {
		e.Upstream = upstream
	} else if tail := bytes.Trim(line[bytes.LastIndexByte(line, ' ')+1:], `"[]`); hostPort(tail) != nil {
		e.Upstream = tail
	}
	e.gatewayStatus(status)
	if status == 500 || status > 504 && status != 599 {
		e.originSaid(status)
		e.By = ByUnknown
		return true
	}
	if status == 502 || status == 504 {
		e.addCandidate(fault.CauseUpstreamStatus)
	}
	return true
}

// isMetric reports whether a line is a sample in Prometheus' text format, as in http_requests_total{code="502"} 0: it counts requests, and
// is none.
func isMetric(line []byte) bool {
	name, labels, ok := bytes.Cut(line, []byte{'{'})
	end := bytes.LastIndexByte(labels, '}')
	if !ok || end < 0 || bytes.IndexByte(labels[:end], '=') < 0 || len(name) == 0 || len(hostName(name)) != len(name) && bytes.IndexByte(name, ':') < 0 || bytes.IndexByte(name, ' ') >= 0 {
		return false
	}
	value, _, _ := bytes.Cut(bytes.TrimSpace(labels[end+1:]), []byte{' '})
	_, err := strconv.ParseFloat(string(value), 64)
	return err == nil
}

// statusNear finds the status of a request: a number of three digits right behind it, or else the last one before it, or else
// the first one behind it that no word calls something else.
func statusNear(line []byte, end int) int {
	if s := statusBehind(line, end, 3); s > 0 {
		return s
	}
	for i := min(end, len(line)) - 4; i >= 0; i-- {
		if i > 0 && !statusBefore(line[i-1]) {
			continue
		}
		if s := statusAt(line, i); s > 0 {
			return s
		}
	}
	return statusBehind(line, end, 8)
}

// statusBehind finds a status within so many words behind end.
func statusBehind(line []byte, end, words int) int {
	for i := end; i < len(line) && words > 0; i++ {
		if c := line[i]; c != ' ' && c != '"' && c != '=' && c != ':' && c != '(' && c != '[' && c != '\t' && c != '|' {
			continue
		}
		words--
		if s := statusAt(line, i+1); s > 0 && !counted(line[:i]) {
			return s
		}
	}
	return 0
}

// counted reports whether the word at the end of b says that a number of something follows, or an address's port.
func counted(b []byte) bool {
	word := bytes.TrimRight(b, "=: ")
	word = word[bytes.LastIndexAny(word, " [(,\"\t|")+1:]
	for _, w := range [...]string{"length", "size", "bytes", "port", "took", "time", "duration", "pid", "client"} {
		if len(word) == len(w) && phrase.Starts(word, w) {
			return true
		}
	}
	return false
}

// statusAt reads a status of three digits that ends where a field does.
func statusAt(line []byte, i int) int {
	if i < 0 || i+3 > len(line) {
		return 0
	}
	s := wholeStatus(line[i : i+3])
	if s < 100 || s > 599 || i+3 < len(line) && !statusAfter(line[i+3:]) {
		return 0
	}
	return s
}

// statusKeys are what stands before a status in lines of keys and values.
var statusKeys = [...]string{"status=", "status_code=", "statuscode=", "http.status=", "http_status=", "code=", "response_code=", "responsecode=", "downstreamstatus=", "status: ", "status code ", "http status ", "status:"}

func statusKey(line []byte) int {
	for _, key := range statusKeys {
		for from := 0; ; {
			i := indexFold(line[from:], key)
			if i < 0 {
				break
			}
			at := from + i + len(key)
			from = at
			if at < len(line) && line[at] == '"' {
				at++
			}
			if s := statusAt(line, at); s >= 500 {
				return s
			}
		}
	}
	return 0
}

// tookIn finds a duration that says its unit or stands at a key that does; -1 where there is none.
func tookIn(line []byte) time.Duration {
	for _, key := range [...]string{"duration_ms=", "took_ms=", "elapsed_ms=", "rt=", "request_time=", "duration=", "took=", "elapsed=", "latency="} {
		i := indexFold(line, key)
		if i < 0 {
			continue
		}
		if d := tookOf(bytes.TrimLeft(line[i+len(key):], `"`), key == "duration_ms=" || key == "took_ms=" || key == "elapsed_ms="); d >= 0 {
			return d
		}
	}
	for i := indexText(line, "ms"); i > 0; i = -1 {
		start := i
		for start > 0 && (isDigit(line[start-1]) || line[start-1] == '.') || start == i && start > 0 && line[start-1] == ' ' {
			start--
		}
		if d := millis(bytes.TrimRight(line[start:i], " ")); d >= 0 {
			return d
		}
	}
	return -1
}

// tookOf reads a number with its unit; a bare one is in seconds, or in milliseconds where the key says so.
func tookOf(b []byte, inMS bool) time.Duration {
	end := 0
	for end < len(b) && (isDigit(b[end]) || b[end] == '.') {
		end++
	}
	switch unit := b[end:]; {
	case end == 0:
		return -1
	case starts(unit, "ms") || inMS:
		return millis(b[:end])
	case starts(unit, "us") || starts(unit, "µs"):
		return millis(b[:end]) / 1000
	}
	return decimalSeconds(b[:end])
}
