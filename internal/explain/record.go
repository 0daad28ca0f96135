package explain

import (
	"bytes"

	"github.com/whygate/whygate/internal/phrase"
)

// This file puts together records of several lines that no format takes line by line: the stack under an error, and an object
// of JSON that is printed over many lines.

// Bounds of a record of several lines.
const (
	recordLines  = 200
	recordOctets = 32 << 10
	gatherMax    = 4 << 20 // octets that are looked at in vain for records of several lines, in one block
)

// gather looks whether the line begins a record of several lines, and reads it. It gives nil, and leaves the entry as it
// is, where the line is better read by itself; more is how many lines of rest belong to the record.
func (p *parser) gather(line, rest []byte) (f *Format, text []byte, more int) {
	if p.spent > gatherMax {
		return nil, nil, 0
	}
	clean := plainText(line)
	if body := bytes.TrimLeft(clean, " \t"); len(body) > 0 && (body[0] == '{' || body[0] == '-' && ends(body, "{")) && len(body) < 80 {
		body = body[bytes.IndexByte(body, '{'):]
		if nestedEnd(body) > 0 { // a record of its own
			return nil, nil, 0
		}
		return p.gatherJSON(body, rest)
	}
	if isContinuation(clean) || len(rest) == 0 {
		return nil, nil, 0
	}
	return p.gatherStack(clean, rest)
}

// mayBegin reports whether the line may begin a record of several lines: it opens an object, or the next one that is not blank
// goes on with it.
//
// hot: once per line of an unknown format.
func (p *parser) mayBegin(line, rest []byte) bool {
	if len(line) < 80 && bytes.IndexByte(line, '{') >= 0 {
		return true
	}
	if len(rest) > 0 && rest[0] == '{' { // a record of its own
		return false
	}
	for range 3 {
		next := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			next, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		bare := next[min(carried(next), len(next)):]
		for len(bare) > 0 && bare[0] == '\x1b' { // in colour
			_, after, found := bytes.Cut(bare, []byte{'m'})
			if !found {
				break
			}
			bare = after
		}
		if isContinuation(bare) || isErrorLine(bare) || starts(bare, "See https://nodejs.org") || bytes.Contains(bare[:min(len(bare), 8)], []byte(" - http")) {
			return true
		}
		if len(bytes.TrimSpace(bare)) > 0 || len(rest) == 0 {
			return false
		}
	}
	return false
}

// gatherJSON reads an object that begins in a line and ends in the rest behind it.
func (p *parser) gatherJSON(line, rest []byte) (f *Format, text []byte, more int) {
	head := append(append(p.joined[:0], line...), '\n')
	region := rest[:min(len(rest), recordOctets)]
	head = append(head, region...)
	p.joined = head
	end := nestedEnd(head)
	if end < 0 {
		p.spent += len(head)
		return nil, nil, 0
	}
	p.spent += end
	more = bytes.Count(head[:end], []byte{'\n'})
	if more > recordLines {
		return nil, nil, 0
	}
	object := compactJSON(p.packed[:0], head[:end])
	p.packed = object
	if bytes.Contains(object, []byte("[{")) { // a list: its objects are the records
		return nil, nil, 0
	}
	p.entry.reset()
	f, text = p.recogniser.Read(&p.entry, object)
	if f == nil {
		return nil, nil, 0
	}
	return f, text, more
}

// compactJSON appends the value without the white space between its tokens.
func compactJSON(dst, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case ' ', '\t', '\n', '\r':
		case '"':
			end := stringEnd(b[i:])
			if end < 0 {
				return append(dst, b[i:]...)
			}
			dst = append(dst, b[i:i+end]...)
			i += end - 1
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// gatherStack puts an error together with what is indented under it.
func (p *parser) gatherStack(head, rest []byte) (f *Format, text []byte, more int) {
	p.joined = append(p.joined[:0], head...)
	depth := carried(head)
	blank := 0
	for len(rest) > 0 && more < recordLines && len(p.joined) < wordMax {
		p.spent += len(p.joined)
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		bare := plainText(line)
		if depth > 0 {
			bare = bare[min(carried(bare), len(bare)):]
		}
		switch {
		case len(bytes.TrimSpace(bare)) == 0:
			if blank++; blank > 1 {
				rest = nil
			}
			continue
		case !isContinuation(bare) && !p.follows(bare, more, blank):
			rest = nil
			continue
		}
		p.joined = append(append(p.joined, '\n'), bare...)
		more += 1 + blank
		blank = 0
	}
	if more == 0 || !phrase.Any(p.joined) {
		return nil, nil, 0
	}
	p.entry.reset()
	if f, text = p.recogniser.loose(&p.entry, p.joined, severityUnsaid); f == nil {
		return nil, nil, 0
	}
	return f, text, more
}

// follows reports whether a line that is not indented goes on with what was joined so far: the error that a log's line was
// about, the error behind "throw err;", and what Node and bun print at the end.
func (p *parser) follows(line []byte, more, blank int) bool {
	switch {
	case starts(line, "See https://nodejs.org"), blank == 1 && bytes.Contains(line[:min(len(line), 8)], []byte(" - http")):
		return true
	case !isErrorLine(line):
		return false
	case has(p.joined, "throw "):
		return true
	}
	return more == 0 && blank <= 1 && (!phrase.Any(p.joined) && phrase.OneOf(p.joined, "error|failed|exception| 500 | 502 | 503 | 504 ") || phrase.OneOf(p.joined, "proxy error|middleware error|server error"))
}

// isErrorLine reports whether a line is an error as languages print it: a class whose name ends with Error or Exception, a
// colon or a bracket.
func isErrorLine(line []byte) bool {
	n := 0
	for n < len(line) && (isAlphanumeric(line[n]) || line[n] == '.' || line[n] == '_' || line[n] == '$') {
		n++
	}
	return (ends(line[:n], "Error") || ends(line[:n], "Exception")) && n < len(line) && (line[n] == ':' || line[n] == ' ')
}

// isContinuation reports whether a line goes on with the one before it.
func isContinuation(line []byte) bool {
	if len(line) == 0 {
		return false
	}
	switch line[0] {
	case ' ', '\t', '}', ']', '^':
		return true
	}
	return starts(line, "at ") || starts(line, "Caused by: ") || starts(line, "caused by: ") || starts(line, "... ") || starts(line, "Suppressed: ") || starts(line, "[cause]") || starts(line, "Error #0")
}

// carried gives how many octets stand before a line's own text: a name and a bar, or a syslog head with its tag. Blanks
// behind them are the line's own, but for the first.
func carried(line []byte) int {
	if i := indexText(line[:min(len(line), 90)], "|"); i > 0 && bytes.IndexByte(line[:i], '"') < 0 && bytes.IndexByte(line[:i], '(') < 0 {
		return skipOne(line, i+1)
	}
	if len(line) > 16 && isUpper(line[0]) && line[3] == ' ' || len(line) > 19 && isDigit(line[0]) && line[4] == '-' && line[10] == 'T' {
		if i := indexText(line[:min(len(line), 120)], "]: "); i > 0 {
			return i + 3
		}
	}
	return 0
}

func skipOne(line []byte, i int) int {
	if i < len(line) && line[i] == ' ' {
		return i + 1
	}
	return i
}

// opens reports whether a line of JSON only opens what its records stand in.
func opens(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) > 0 && len(line) < 80 && (ends(line, "[") || ends(line, "{")) && (len(line) == 1 || line[0] == '"' || string(line) == "[{")
}
