package explain

import (
	"bytes"
	"time"
)

// readUint reads the decimal digits at the beginning, and gives what follows them.
func readUint(b []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && i < 18 && b[i] >= '0' && b[i] <= '9' {
		n = n*10 + int64(b[i]-'0')
		i++
	}
	return n, b[i:], i > 0
}

// wholeUint reads b as decimal digits and nothing else, -1 where it is not.
func wholeUint(b []byte) int64 {
	n, rest, ok := readUint(b)
	if !ok || len(rest) > 0 {
		return -1
	}
	return n
}

// wholeStatus reads three digits that are a status code of 100 to 999, 0 where they are not.
func wholeStatus(b []byte) int {
	if len(b) != 3 || !isDigit(b[0]) || !isDigit(b[1]) || !isDigit(b[2]) {
		return 0
	}
	return int(b[0]-'0')*100 + int(b[1]-'0')*10 + int(b[2]-'0')
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// wholeSeconds reads seconds with a fraction, as nginx writes its times: 0.012; -1 where b is not that.
func wholeSeconds(b []byte) time.Duration {
	n, rest, ok := readUint(b)
	if !ok || n > 1e9 {
		return -1
	}
	d := time.Duration(n) * time.Second
	if len(rest) == 0 {
		return d
	}
	if rest[0] != '.' || len(rest) > 10 {
		return -1
	}
	unit := time.Second
	for _, c := range rest[1:] {
		if !isDigit(c) {
			return -1
		}
		unit /= 10
		d += time.Duration(c-'0') * unit
	}
	return d
}

// cutField cuts at the first space. A line without one is a field to its end.
func cutField(b []byte) (field, rest []byte) {
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// cutQuoted cuts a value in double quotes, in which a backslash escapes the next octet.
func cutQuoted(b []byte) (value, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, b, false
	}
	b = b[1:]
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '"')
		if i < 0 {
			return nil, b, false
		}
		i += from
		escapes := 0
		for i-escapes > 0 && b[i-escapes-1] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return b[:i], b[i+1:], true
		}
		from = i + 1
	}
}

// cutSpaced cuts a field and the one space behind it; it is false where no space follows.
func cutSpaced(b []byte) (field, rest []byte, ok bool) {
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		return nil, b, false
	}
	return b[:i], b[i+1:], true
}

// splitRequest takes a request line apart. What is not one (an empty request, garbage) leaves the fields empty.
func splitRequest(e *Entry, line []byte) {
	method, rest, ok := cutSpaced(line)
	if !ok || len(method) == 0 || len(method) > 32 || !isUpper(method[0]) {
		return
	}
	if i := bytes.LastIndexByte(rest, ' '); i >= 0 && bytes.HasPrefix(rest[i+1:], []byte("HTTP/")) {
		rest = rest[:i]
	}
	e.Method, e.Path = method, rest
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

// withoutPort takes the port off an address that surely has one: the colon is the last, and outside of brackets.
func withoutPort(b []byte) []byte {
	i := bytes.LastIndexByte(b, ':')
	if i <= 0 || wholeUint(b[i+1:]) < 0 {
		return b
	}
	host := b[:i]
	if host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	if bytes.IndexByte(host, ':') >= 0 && host[0] != '[' { // a bare IPv6 address, which has no port
		return b
	}
	return host
}

// isAddress reports whether b looks like an IP address: digits, hex, dots and colons, with one of the latter.
func isAddress(b []byte) bool {
	seen := false
	for _, c := range b {
		switch {
		case c == '.' || c == ':':
			seen = true
		case isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == '%':
		default:
			return false
		}
	}
	return seen && len(b) >= 2 && len(b) <= 64
}

// has reports whether text occurs in b, for tables of log messages.
func has(b []byte, text string) bool { return indexText(b, text) >= 0 }

// indexText is bytes.Index for a text of the source, without an allocation.
func indexText(b []byte, text string) int { return bytes.Index(b, []byte(text)) }

// starts reports whether b begins with the text.
func starts(b []byte, text string) bool { return len(b) >= len(text) && string(b[:len(text)]) == text }

// ends reports whether b ends with the text.
func ends(b []byte, text string) bool {
	return len(b) >= len(text) && string(b[len(b)-len(text):]) == text
}

// after gives what follows the first occurrence of the text.
func after(b []byte, text string) ([]byte, bool) {
	i := indexText(b, text)
	if i < 0 {
		return nil, false
	}
	return b[i+len(text):], true
}

// upTo gives b up to the first occurrence of the octet, all of it where there is none.
func upTo(b []byte, c byte) []byte {
	if i := bytes.IndexByte(b, c); i >= 0 {
		return b[:i]
	}
	return b
}
