package explain

import (
	"bytes"
	"time"
)

// This file reads what plain text lines are made of: words, quoted and bracketed parts, numbers, times. Nothing here
// allocates.

// words walks over the parts of a line that blanks separate.
type words struct{ rest []byte }

// next gives the octets up to the next blank, nil at the end of the line.
//
// hot: once per field of each line.
func (w *words) next() []byte {
	for len(w.rest) > 0 && w.rest[0] == ' ' {
		w.rest = w.rest[1:]
	}
	if len(w.rest) == 0 {
		return nil
	}
	end := bytes.IndexByte(w.rest, ' ')
	if end < 0 {
		end = len(w.rest)
	}
	word := w.rest[:end]
	w.rest = w.rest[end:]
	return word
}

// skip drops n words.
func (w *words) skip(n int) {
	for range n {
		w.next()
	}
}

// quoted gives what stands between double quotes, with the escapes as they are written. It reports false, and takes
// nothing, where no quoted part follows.
func (w *words) quoted() ([]byte, bool) {
	b := w.rest
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	end := stringEnd(b)
	if end < 0 {
		return nil, false
	}
	w.rest = b[end:]
	return b[1 : end-1], true
}

// bracketed gives what stands between [ and ].
func (w *words) bracketed() ([]byte, bool) {
	b := w.rest
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	if len(b) == 0 || b[0] != '[' {
		return nil, false
	}
	end := bytes.IndexByte(b, ']')
	if end < 0 {
		return nil, false
	}
	w.rest = b[end+1:]
	return b[1:end], true
}

// wholeInt reads an optional minus and digits that fit 63 bits, and nothing else.
func wholeInt(b []byte) (int64, bool) {
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if n < 0 { // 19 digits, and more than 2^63
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}

// decimal reads digits with an optional fraction, in billionths; false for anything else. More than nine decimals are
// cut off.
func decimal(b []byte) (int64, bool) {
	whole, fraction, dotted := bytes.Cut(b, []byte("."))
	n, ok := wholeInt(whole)
	if !ok || n > 1<<33 || n < -1<<33 || dotted && len(fraction) == 0 {
		return 0, false
	}
	n *= 1e9
	unit := int64(1e8)
	if len(whole) > 0 && whole[0] == '-' {
		unit = -unit
	}
	for _, c := range fraction {
		if c < '0' || c > '9' {
			return 0, false
		}
		n += int64(c-'0') * unit
		unit /= 10
	}
	return n, true
}

// decimalSeconds reads a number of seconds; -1 for what is none, or is negative.
func decimalSeconds(b []byte) time.Duration {
	n, ok := decimal(b)
	if !ok || n < 0 {
		return -1
	}
	return time.Duration(n)
}

// millis reads a whole or decimal number of milliseconds; -1 for what is none, or is negative.
func millis(b []byte) time.Duration {
	n, ok := decimal(b)
	if !ok || n < 0 {
		return -1
	}
	return time.Duration(n / 1000)
}

// epochTime reads seconds since 1970 with decimals; the zero time for anything else.
func epochTime(b []byte) time.Time {
	n, ok := decimal(b)
	if !ok || n <= 0 {
		return time.Time{}
	}
	return time.Unix(n/1e9, n%1e9).UTC()
}

// spacedClock is rfc3339Clock for layouts that have a blank before the zone: 2006-01-02 15:04:05 +0000.
func spacedClock(b []byte) (t time.Time, zoned bool, rest []byte, ok bool) {
	t, zoned, rest, ok = rfc3339Clock(b)
	if !ok || zoned || len(rest) < 6 || rest[0] != ' ' || rest[1] != '+' && rest[1] != '-' {
		return t, zoned, rest, ok
	}
	offset, tail, ok := offsetOf(rest[1:])
	if !ok {
		return t, false, rest, true
	}
	_, here := t.Zone()
	return t.Add(time.Duration(here-offset) * time.Second).UTC(), true, tail, true
}

// datedClock reads 02-Jan-2006 15:04:05, with or without a fraction, as php-fpm and Tomcat write it.
func datedClock(b []byte) (t time.Time, rest []byte, ok bool) {
	if len(b) < 20 || b[2] != '-' || b[6] != '-' || b[11] != ' ' {
		return t, b, false
	}
	d, m, y, c := two(b), monthOf(b[3:6]), four(b[7:]), clockOf(b[12:])
	if d < 1 || d > 31 || m == 0 || y < 0 || c < 0 {
		return t, b, false
	}
	ns, rest := fraction(b[20:])
	return local(y, m, d, c, ns), rest, true
}

// unixClock reads Mon Jan _2 15:04:05 2006, the layout of ctime(3).
func unixClock(b []byte) (t time.Time, rest []byte, ok bool) { return apacheClock(b) }

// between gives what stands between two marks, nil where one is missing; an empty last mark means the end.
func between(b []byte, first, last string) []byte {
	_, rest, found := bytes.Cut(b, []byte(first))
	if !found {
		return nil
	}
	if last == "" {
		return rest
	}
	inner, _, found := bytes.Cut(rest, []byte(last))
	if !found {
		return nil
	}
	return inner
}

// numberAfter reads the digits that follow a mark, -1 where there are none.
func numberAfter(b []byte, mark string) int64 {
	_, rest, found := bytes.Cut(b, []byte(mark))
	if !found {
		return -1
	}
	n, _, ok := readUint(rest)
	if !ok {
		return -1
	}
	return n
}

// dashed gives nil for a dash, which is how logs write that there is nothing.
func dashed(b []byte) []byte {
	if len(b) == 1 && b[0] == '-' {
		return nil
	}
	return b
}

// isMethod reports whether b looks like a request method: capitals, perhaps with a hyphen or an underscore.
func isMethod(b []byte) bool {
	if len(b) < 2 || len(b) > 24 {
		return false
	}
	for _, c := range b {
		if (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return b[0] != '-'
}

// setTarget sets path and host from a request target, also where it is a whole URL.
func (e *Entry) setTarget(target []byte) {
	_, rest, absolute := bytes.Cut(target, []byte("://"))
	if !absolute || len(target) == 0 || target[0] == '/' {
		e.Path = target
		return
	}
	slash := bytes.IndexAny(rest, "/?")
	if slash < 0 {
		e.Host, e.Path = rest, nil
		return
	}
	e.Host, e.Path = rest[:slash], rest[slash:]
}

// setRequest sets method, host and path from a request line: METHOD target HTTP/1.1. It reports whether it is one.
func (e *Entry) setRequest(line []byte) bool {
	w := words{line}
	method, target := w.next(), w.next()
	if !isMethod(method) || target == nil {
		return false
	}
	e.Method = method
	e.setTarget(target)
	return true
}
