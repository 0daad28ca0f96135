package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/phrase"
)

// This file finds the time and the severity of a line whose format nobody knows.

// stampMax is how far into a line a time is looked for, in octets.
const stampMax = 96

// anyClock finds the first time of day with its date near the beginning of a line. The zero time stands for none.
func anyClock(line []byte, now time.Time) (t time.Time, zoned bool) {
	for i := 0; i < min(len(line), stampMax); i++ {
		if i > 0 && isAlphanumeric(line[i-1]) {
			continue
		}
		if t, zoned, ok := clockAt(line[i:], now); ok {
			return t, zoned
		}
	}
	return time.Time{}, false
}

// clockAt reads a time in whichever layout the octets begin with.
func clockAt(b []byte, now time.Time) (t time.Time, zoned, ok bool) {
	if len(b) < 15 {
		return t, false, false
	}
	switch c := b[0]; {
	case isDigit(c):
		return digitClock(b, now)
	case isUpper(c):
		if t, _, ok := apacheClock(b); ok {
			return t, false, true
		}
		if t, _, ok := syslogClock(b, now); ok {
			return t, false, true
		}
		return klogClock(b, now)
	}
	return t, false, false
}

func digitClock(b []byte, now time.Time) (t time.Time, zoned, ok bool) {
	if t, zoned, _, ok = spacedClock(b); ok {
		return t, zoned, true
	}
	if t, _, ok = commonClock(b); ok {
		return t, true, true
	}
	for _, read := range [...]func([]byte) (time.Time, []byte, bool){nginxClock, haproxyClock, datedClock, dottedClock, compactClock} {
		if t, _, ok = read(b); ok {
			return t, false, true
		}
	}
	if n, rest, ok := readUint(b); ok && n > 1e9 && n < 4e9 && starts(rest, ".") && !now.IsZero() { // seconds since 1970
		return time.Unix(n, 0).UTC(), true, true
	}
	return t, false, false
}

// dottedClock reads 2006.01.02 15:04:05, stunnel's.
func dottedClock(b []byte) (t time.Time, rest []byte, ok bool) {
	if len(b) < 19 || b[4] != '.' || b[7] != '.' || b[10] != ' ' {
		return t, b, false
	}
	return dateAndClock(b, b[11:])
}

// compactClock reads 20060102.15h04m05s, Traffic Server's.
func compactClock(b []byte) (t time.Time, rest []byte, ok bool) {
	if len(b) < 18 || b[8] != '.' || b[11] != 'h' || b[14] != 'm' || b[17] != 's' {
		return t, b, false
	}
	y, m, d := four(b), two(b[4:]), two(b[6:])
	h, minute, s := two(b[9:]), two(b[12:]), two(b[15:])
	if y < 0 || m < 1 || m > 12 || d < 1 || d > 31 || h < 0 || minute < 0 || s < 0 {
		return t, b, false
	}
	return local(y, time.Month(m), d, h*3600+minute*60+s, 0), b[18:], true
}

func dateAndClock(b, clock []byte) (t time.Time, rest []byte, ok bool) {
	y, m, d, c := four(b), two(b[5:]), two(b[8:]), clockOf(clock)
	if y < 0 || m < 1 || m > 12 || d < 1 || d > 31 || c < 0 {
		return t, b, false
	}
	return local(y, time.Month(m), d, c, 0), clock[8:], true
}

// klogClock reads W0102 15:04:05.000000, Kubernetes', which has no year.
func klogClock(b []byte, now time.Time) (t time.Time, zoned, ok bool) {
	if len(b) < 14 || b[5] != ' ' || two(b[1:]) < 1 || two(b[1:]) > 12 || two(b[3:]) < 1 || two(b[3:]) > 31 {
		return t, false, false
	}
	c := clockOf(b[6:])
	if c < 0 {
		return t, false, false
	}
	t = local(now.Year(), time.Month(two(b[1:])), two(b[3:]), c, 0)
	if t.After(now.Add(48 * time.Hour)) {
		t = t.AddDate(-1, 0, 0)
	}
	return t, false, true
}

// severity is how bad a line says it is.
type severity uint8

const (
	severityUnsaid severity = iota
	severityInfo            // debug, info, notice
	severityWarn
	severityError
)

// postgresLog is PostgreSQL's level for what it only tells, also of a client that went away.
var postgresLog = []byte("] LOG:  ")

// severityWords are how programs write it, in lower case; a number is pino's, bunyan's, syslog's or stunnel's.
var severityWords = [...]struct {
	word string
	is   severity
}{
	{"error", severityError},
	{"err", severityError},
	{"crit", severityError},
	{"critical", severityError},
	{"alert", severityError},
	{"emerg", severityError},
	{"emergency", severityError},
	{"fatal", severityError},
	{"panic", severityError},
	{"severe", severityError},
	{"fail", severityError},
	{"fehler", severityError},
	{"warn", severityWarn},
	{"warning", severityWarn},
	{"wrn", severityWarn},
	{"crt", severityError},
	{"ftl", severityError},
	{"info", severityInfo},
	{"inf", severityInfo},
	{"information", severityInfo},
	{"notice", severityInfo},
	{"debug", severityInfo},
	{"dbg", severityInfo},
	{"trace", severityInfo},
	{"fine", severityInfo},
	{"finest", severityInfo},
	{"log5", severityInfo},
	{"log3", severityError},
	{"log4", severityWarn},
	{"verbose", severityInfo},
}

// severityOf reads the severity near the beginning of a line: the first word of the list that stands by itself.
func severityOf(line []byte) severity {
	if s := letterSeverity(line); s != severityUnsaid {
		return s
	}
	head := line[:min(len(line), 200)]
	if bytes.Contains(head, postgresLog) {
		return severityInfo
	}
	if i := indexText(line, `"level":`); i >= 0 && i+12 < len(line) {
		if n, _, ok := readUint(line[i+8:]); ok {
			return numberSeverity(n)
		}
		head = line[i+8 : min(len(line), i+30)]
	} else if i := indexText(line, `"severity":`); i >= 0 {
		head = line[i+11 : min(len(line), i+32)]
	} else if i := indexText(line, "level="); i >= 0 {
		head = line[i+6 : min(len(line), i+20)]
	}
	for i := range head {
		if i > 0 && isWordByte(head[i-1]) {
			continue
		}
		for _, w := range severityWords {
			end := i + len(w.word)
			if phrase.Starts(head[i:], w.word) && (end == len(head) || !isWordByte(head[end])) && (w.is != severityInfo || isTag(head, i, end)) {
				return w.is
			}
		}
	}
	return severityUnsaid
}

// isTag reports whether a word is a line's level and no word of a sentence, as in "for more information (ECONNREFUSED)": it is
// in capitals, or set off by what follows or precedes it, or nothing but a stamp stands before it.
func isTag(head []byte, from, end int) bool {
	if head[from] >= 'A' && head[from] <= 'Z' && head[end-1] >= 'A' && head[end-1] <= 'Z' {
		return true
	}
	if end-from > len("info") && from > 1 && head[from-1] == ' ' && 'a' <= head[from-2] && head[from-2] <= 'z' && end < len(head) && head[end] == ':' {
		return false // no further information: localhost/127.0.0.1:8761
	}
	if end == len(head) || bytes.IndexByte([]byte("]:|>\"\t,})"), head[end]) >= 0 || from > 0 && bytes.IndexByte([]byte("[<|\"=\t"), head[from-1]) >= 0 {
		return true
	}
	for _, c := range head[:from] {
		if c != 'T' && c != 'Z' && (c|0x20 >= 'a' && c|0x20 <= 'z') {
			return false
		}
	}
	return true
}

// numberSeverity reads pino's and bunyan's numbers, from 10 to 60.
func numberSeverity(n int64) severity {
	switch {
	case n >= 50:
		return severityError
	case n >= 40:
		return severityWarn
	case n >= 10:
		return severityInfo
	}
	return severityUnsaid
}

// letterSeverity reads a letter by itself: Ruby's "E, [", klog's "E1124 ", Passenger's "[ E ".
func letterSeverity(line []byte) severity {
	b := bytes.TrimLeft(line[:min(len(line), 16)], "[< ")
	if len(b) < 3 || b[1] != ',' && b[1] != ' ' && b[1] != ']' && b[1] != '>' && (!isDigit(b[1]) || !isDigit(b[2])) {
		return severityUnsaid
	}
	switch b[0] {
	case 'E', 'F', 'e', 'f':
		return severityError
	case 'W', 'w':
		return severityWarn
	case 'I', 'D', 'i', 'd':
		if b[1] == ',' || b[1] == ']' || b[1] == '>' || isDigit(b[1]) {
			return severityInfo
		}
	}
	return severityUnsaid
}
