package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/phrase"
)

// This file reads a status that a client, a monitor or a shipper of logs says it was answered: "HTTP CRITICAL: HTTP/1.1 502 Bad
// Gateway", "googleapi: Error 503: …", "HTTP status=503". Such a line has no request in the form of an access log, and its writer is
// no gateway: whoever it asked answered so.

// statusFormat is the format of lines that tell of a status.
var statusFormat = &Format{
	Name: "status-words", Title: "a status that somebody was answered", Role: RoleProxy, wordy: true,
	Gives: "The status that a client, a monitor or a tool was answered.",
	Lacks: "Who made the answer, the server or a gateway in front of it, and why.", Better: "whygate diagnose URL   # asks the same and says who answered",
}

// reasons are the reason phrases of a 5xx as programs write them, in lower case.
var reasons = [...]string{"internal server error", "bad gateway", "service unavailable", "service temporarily unavailable", "service is unavailable", "gateway time", "web server is down", "origin is unreachable", "a timeout occurred"}

// introducers are words that a status stands behind, in lower case. Behind a weak one it is a status only where it ends a clause.
var introducers = [...]struct {
	word string
	weak bool
}{
	{"status", false},
	{"status_code", false},
	{"statuscode", false},
	{"status code", false},
	{"status-code", false},
	{"http_code", false},
	{"http code", false},
	{"response code", false},
	{"responsecode", false},
	{"http/1.1", false},
	{"http/1.0", false},
	{"http/2", false},
	{"http/2.0", false},
	{"http/3", false},
	{"http/3.0", false},
	{"http", true},
	{"error", true},
	{"code", true},
	{"returned", true},
	{"responded", true},
	{"responded with", true},
	{"answered", true},
	{"received", true},
	{"got", true},
	{"response", true},
}

// troubles are words of a line that tells of something that went wrong, in lower case.
const troubles = "fail|error|critical|unexpected|invalid|unhealthy|exception|retry|fatal|problem|cannot|can't|could not|couldn't|unable|received from your web server|expected|bad gateway|unavailable|gateway time|down"

// saidStatus reads a line that says that a 5xx was answered, and that this was wrong. It is false for what a program only tells.
func saidStatus(e *Entry, line []byte, level severity) bool {
	if level == severityInfo || isTestResult(line) || oneOfList(line, others[:]) || level < severityWarn && !phrase.OneOf(line, troubles) {
		return false
	}
	at, status := statusSaid(line)
	if status == 0 {
		return false
	}
	e.reset()
	e.Time, e.Zoned = anyClock(line, time.Time{})
	e.Status, e.Said = status, line
	r := phrase.Reading{From: at, To: at + 3}
	facts(e, line, &r)
	e.originSaid(status)
	e.By = ByUnknown
	return true
}

// statusSaid finds the first status of a 5xx that a word says to be one, and its place.
func statusSaid(line []byte) (at, status int) {
	for i := range line {
		if line[i] != '5' || i > 0 && !statusBefore(line[i-1]) && line[i-1] != '\'' || i+3 > len(line) || i+3 < len(line) && isAlphanumeric(line[i+3]) {
			continue
		}
		s := wholeStatus(line[i : i+3])
		if s < 500 || s > 504 && (s < 520 || s > 530) || inQuery(line[:i]) || i+4 < len(line) && line[i+3] == '.' && isDigit(line[i+4]) {
			continue
		}
		if introduced(line[:i], line[i+3:]) || isReason(line[i+3:]) && !inSentence(line[:i]) {
			return i, s
		}
	}
	return 0, 0
}

// isReason reports whether a reason phrase follows a status, behind a colon or a dash or none.
func isReason(b []byte) bool {
	b = bytes.TrimLeft(b[:min(len(b), 50)], " :-")
	for _, reason := range reasons {
		if phrase.Starts(b, reason) {
			return true
		}
	}
	return false
}

// inSentence reports whether a word stands before a number, as in "I get a 502 Bad Gateway": somebody writes about it.
func inSentence(before []byte) bool {
	b := bytes.TrimRight(before, " ")
	return len(b) > 0 && len(b) < len(before) && isAlphanumeric(b[len(b)-1])
}

// introduced reports whether the words before a number say that it is a status.
func introduced(before, behind []byte) bool {
	b := bytes.TrimRight(before[max(0, len(before)-40):], ` =:"'([>#`)
	for _, in := range introducers {
		n := len(b) - len(in.word)
		if n < 0 || !phrase.Starts(b[n:], in.word) || n > 0 && isAlphanumeric(b[n-1]) {
			continue
		}
		if !in.weak || len(behind) == 0 || bytes.IndexByte([]byte(`:,;)]"'`), behind[0]) >= 0 {
			return true
		}
	}
	return false
}
