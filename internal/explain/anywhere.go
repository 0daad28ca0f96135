package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/phrase"
)

// This file reads lines that no format takes as they stand: a format's record behind something or inside something, then
// what the words, the keys or the shape of an access line say. Each tier is less sure than the one before it.

// anywhere looks for a record anywhere in the line, and judges what is no record by its words.
func (r *Recogniser) anywhere(e *Entry, line []byte) (*Format, []byte) {
	clean := plainText(line)
	if len(clean) != len(line) {
		if f, inner := r.strict(e, clean); f != nil {
			return f, inner
		}
	}
	_, r.offer = r.offers.glance(clean, &r.marks)
	if f, inner := r.within(e, clean, r.marks); f != nil {
		return f, inner
	}
	if r.csv != nil {
		if f := r.csv.read(e, clean, r); f != nil {
			return f, clean
		}
	}
	e.reset()
	return r.loose(e, clean, severityUnsaid)
}

// loose judges what is no format's by its words, the meaning of its keys, and the shape of an access line. level is what a
// carrier said of it.
func (r *Recogniser) loose(e *Entry, line []byte, level severity) (*Format, []byte) {
	troubled := phrase.Any(line)
	failed := has5xx(line)
	if !troubled && !failed {
		return nil, nil
	}
	if body := jsonIn(line); body != nil {
		if f := r.meaning(e, body); f != nil {
			r.stamped(e, line)
			return f, line
		}
		e.reset()
	}
	if f := headless(e, line); f != nil {
		r.stamped(e, line)
		return f, line
	}
	if troubled {
		if level == severityUnsaid {
			level = severityOf(line)
		}
		if f := wording(e, line, level); f != nil {
			r.stamped(e, line)
			return f, line
		}
		e.reset()
	}
	if failed {
		if level == severityUnsaid {
			level = severityOf(line)
		}
		_, _, access := requestIn(line)
		if !access && level >= severityWarn && saidStatus(e, line, level) {
			r.stamped(e, line)
			return statusFormat, line
		}
		e.reset()
		if anyAccess(e, line) {
			r.stamped(e, line)
			return accessWords, line
		}
		e.reset()
		if !access && saidStatus(e, line, level) {
			r.stamped(e, line)
			return statusFormat, line
		}
		e.reset()
	}
	return nil, nil
}

// apacheNumber finds a message number of Apache's: AH and five digits with a colon behind them. It is -1 where there is none.
func apacheNumber(line []byte) int {
	for from := 0; ; {
		i := indexText(line[from:], "AH")
		if i < 0 {
			return -1
		}
		if i += from; len(line)-i > 8 && line[i+7] == ':' && wholeUint(line[i+2:i+7]) > 0 && (i == 0 || !isAlphanumeric(line[i-1])) {
			return i
		}
		from = i + 2
	}
}

// headless reads a message of Apache's that lost what stands before it in the log: its number says what it is. An errno in front of it
// is kept.
func headless(e *Entry, line []byte) *Format {
	at := apacheNumber(line)
	if at < 0 {
		return nil
	}
	if i := bytes.LastIndexByte(line[:at], '('); i >= 0 && i+1 < at && isDigit(line[i+1]) {
		at = i
	}
	whole := append([]byte(apacheHead), bytes.TrimRight(line[at:], " \t`'\"*")...)
	if !apacheError.Parse(e, whole) || e.Kind != KindFault && e.Kind != KindClient {
		e.reset()
		return nil
	}
	e.Time, e.Process, e.Conn = time.Time{}, 0, 0
	e.widen(apacheError)
	return wordsFormats["apache"]
}

// apacheHead is what stands before a message in Apache's log.
const apacheHead = "[Thu Jan 01 00:00:00.000000 2026] [proxy:error] [pid 1:tid 1] "

// stamped gives the entry the time of the line or of its carrier, where it has none.
func (r *Recogniser) stamped(e *Entry, line []byte) {
	if e.Time.IsZero() {
		e.Time, e.Zoned = anyClock(line, r.now)
	}
	if c := &r.carrier; !c.time.IsZero() && (e.Time.IsZero() || c.zoned && !e.Zoned) {
		e.Time, e.Zoned = c.time, c.zoned
	}
	if e.Process == 0 {
		e.Process = r.carrier.process
	}
}

// within finds a record behind what stands before it, or in a string of JSON.
func (r *Recogniser) within(e *Entry, line []byte, marks marksAt) (*Format, []byte) {
	if quoted(line) {
		if f, inner := r.strict(e, bytes.TrimSpace(line[1:len(line)-1])); f != nil {
			return f, inner
		}
	}
	tries, offer := 0, r.offer
	for i := 1; i < min(len(line), anchorMax) && tries < anchorTries; i++ {
		if !anchored(line, i) && !valueBegins(line, i) && !marks.has(i) {
			continue
		}
		tries++
		rest, fresh := line[i:], false
		if line[i-1] == '"' { // up to the end of the string
			if end := stringEnd(line[i-1:]); end > 0 {
				rest = line[i : i-2+end]
			}
			if bytes.IndexByte(rest, '\\') >= 0 {
				rest, fresh = unescapeJSON(rest), true
			}
			rest = bytes.TrimRight(rest, "\r\n")
		}
		r.offer = offer
		if f, inner := r.record(e, rest, fresh); f != nil && (e.Kind != KindNoise || i < 40) {
			r.outer(e, line[:i])
			return f, inner
		}
		if trimmed := bytes.TrimRight(rest, " \t`'\"*_,;)]}>|"); len(trimmed) < len(rest) {
			if f, inner := r.record(e, trimmed, fresh); f != nil && (e.Kind != KindNoise || i < 40) {
				r.outer(e, line[:i])
				return f, inner
			}
		}
	}
	if trimmed := bytes.Trim(line, " \t`'\"*_,;>|"); len(trimmed) < len(line) && len(trimmed) > 8 {
		if f, inner := r.strict(e, trimmed); f != nil {
			return f, inner
		}
	}
	return nil, nil
}

// quoted reports whether a line stands in quotes of one kind, or between bars.
func quoted(line []byte) bool {
	n := len(line)
	return n > 20 && line[0] == line[n-1] && (line[0] == '"' || line[0] == '\'' || line[0] == '`' || line[0] == '|')
}

// outer gives the record the time of what stands before it, where it has none of its own.
func (r *Recogniser) outer(e *Entry, before []byte) {
	t, zoned := anyClock(before, r.now)
	if t.IsZero() {
		t, zoned = jsonClock(before)
	}
	if !t.IsZero() && (e.Time.IsZero() || zoned && !e.Zoned) {
		e.Time, e.Zoned = t, zoned
	}
}

// jsonClock finds a time among the keys that stand before a string of JSON.
func jsonClock(b []byte) (time.Time, bool) {
	for _, key := range [...]string{`"timestamp"`, `"@timestamp"`, `"time"`, `"ts"`, `"date"`, `"eventTime"`, `"receiveTimestamp"`} {
		i := indexText(b, key)
		if i < 0 {
			continue
		}
		rest := bytes.TrimLeft(b[i+len(key):], ": \"")
		if t, zoned, ok := clockAt(rest, time.Time{}); ok {
			return t, zoned
		}
		if t := epochAny(rest); !t.IsZero() {
			return t, true
		}
	}
	return time.Time{}, false
}

// epochAny reads seconds, milliseconds, microseconds or nanoseconds since 1970, told by their size.
func epochAny(b []byte) time.Time {
	n, _, ok := readUint(b)
	switch {
	case !ok || n < 1e9:
		return time.Time{}
	case n < 1e11:
		return time.Unix(n, 0).UTC()
	case n < 1e14:
		return time.UnixMilli(n).UTC()
	case n < 1e17:
		return time.UnixMicro(n).UTC()
	}
	return time.Unix(0, n).UTC()
}

// anchorMax is how far into a line a record's beginning is looked for, in octets; anchorTries how many places are tried.
const (
	anchorMax   = 4096
	anchorTries = 12
)

// anchored reports whether a format's record may begin at i: a date, an address before a common log's dash, a program's tag,
// a key that formats begin with. What stands before it is no letter or digit.
//
// hot: once for each octet of an unknown line.
func anchored(line []byte, i int) bool {
	c := line[i]
	if !anchorFirst[c] {
		return false
	}
	before := line[i-1]
	b := line[i:]
	if isAlphanumeric(before) || before == '.' || before == '/' || before == '_' {
		return false
	}
	if before == '-' && (i < 2 || !isDigit(line[i-2])) { // but for grep's, which stands behind the number of a line of context
		return false
	}
	if len(b) < 16 {
		return starts(b, "nginx: [")
	}
	switch {
	case isDigit(c):
		return anchoredDigit(b)
	case c == '[':
		return b[1] == '2' && b[2] == '0' && isDigit(b[3]) || isDigit(b[1]) && isDigit(b[2]) && (b[3] == '/' || b[3] == '-') || isUpper(b[1]) && b[4] == ' ' && b[8] == ' '
	case c == '{':
		return b[1] == '"' || b[1] == ' ' && b[2] == '"'
	case c == '-': // varnishlog's level and tag
		return (b[1] == '-' && b[2] == ' ' || b[1] == ' ' && b[2] == ' ') && b[3] == ' ' && isUpper(b[4])
	case c == '<':
		return isDigit(b[1]) && (b[2] == '>' || b[3] == '>' || b[4] == '>')
	case isUpper(c):
		return b[3] == ' ' && monthOf(b[:3]) != 0 && b[9] == ':'
	}
	return anchoredWord(b)
}

// valueBegins reports whether a long string of JSON begins at i, or the text behind a carrier's mark near the line's beginning.
func valueBegins(line []byte, i int) bool {
	if len(line)-i < 20 {
		return false
	}
	if line[i-1] == '"' && i > 3 && (line[i-2] == ':' || line[i-2] == ' ' && line[i-3] == ':') {
		end := stringEnd(line[i-1:])
		return end < 0 || end > 24 || line[i] == '{' || line[i] == '['
	}
	return i < 64 && i > 1 && line[i-1] == ' ' && bytes.IndexByte([]byte("|:>-*]r/7"), line[i-2]) >= 0 && line[i] != ' '
}

// anchorFirst are the octets that anchors begin with.
var anchorFirst = [256]bool{
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true, '[': true, '{': true, '<': true,
	'J': true, 'F': true, 'M': true, 'A': true, 'S': true, 'O': true, 'N': true, 'D': true, 'n': true, 't': true, 'h': true, 'a': true, 'u': true, ':': true, '-': true,
}

func anchoredDigit(b []byte) bool {
	switch {
	case isDigit(b[1]) && isDigit(b[2]) && isDigit(b[3]) && (b[4] == '/' || b[4] == '-') && isDigit(b[5]) && isDigit(b[6]) && b[7] == b[4]: // a date
		return true
	case isDigit(b[1]) && (b[2] == '/' || b[2] == '-') && isUpper(b[3]) && b[6] == b[2]: // 24/Nov/2026, 24-Nov-2026
		return true
	case b[10] == '.' && b[14] == ' ': // seconds since 1970
		n, rest, ok := readUint(b)
		return ok && n > 1e9 && len(rest) == len(b)-10
	}
	n := 0
	for n < 46 && n < len(b) && (isDigit(b[n]) || b[n] == '.' || b[n] == ':' || b[n] >= 'a' && b[n] <= 'f') {
		n++
	}
	rest := b[n:]
	return n >= 7 && (starts(rest, " - ") || starts(rest, " [")) // an address, and a common log's user or HAProxy's date
}

func anchoredWord(b []byte) bool {
	for _, word := range [...]string{"nginx: [", "time=\"", "ts=", "at=", "http ", "https ", "h2 ", "haproxy[", "http/", "app/", "::1 - ", "type=AVC", "http2 "} {
		if starts(b, word) {
			return true
		}
	}
	return false
}

// plainText gives the line without colours (ECMA-48's CSI sequences), no-break blanks, zero-width marks and blanks at its end.
// It copies only where there are any.
func plainText(line []byte) []byte {
	line = bytes.TrimRight(line, " \t\r")
	if bytes.IndexByte(line, 0x1b) < 0 && bytes.IndexByte(line, 0xc2) < 0 && bytes.IndexByte(line, 0xe2) < 0 && bytes.IndexByte(line, 0xef) < 0 && bytes.IndexByte(line, 0) < 0 {
		return line
	}
	out := make([]byte, 0, len(line))
	for i := 0; i < len(line); i++ {
		switch b := line[i:]; {
		case b[0] == 0x1b && len(b) > 1 && b[1] == '[':
			i += 2
			for i < len(line) && (line[i] < '@' || line[i] > '~') {
				i++
			}
		case b[0] == 0x1b, b[0] == 0:
		case starts(b, "\xc2\xa0"): // a no-break blank
			out = append(out, ' ')
			i++
		case starts(b, "\xe2\x80\xaf"), starts(b, "\xe2\x80\x87"):
			out = append(out, ' ')
			i += 2
		case starts(b, "\xe2\x80\x8b"), starts(b, "\xef\xbb\xbf"):
			i += 2
		default:
			out = append(out, b[0])
		}
	}
	return bytes.TrimRight(out, " \t\r")
}
