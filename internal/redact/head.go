package redact

import "bytes"

// bodyKept is how many octets of a body Head leaves readable: the first line of a chunked one, where its fault is often.
const bodyKept = 16

// Head gives a copy of a head's first octets with the secrets masked by asterisks: the values of fields whose names say
// so (Authorization, Cookie, Set-Cookie, X-Api-Key and the like) with their folded lines, the query of a request target,
// and the body that follows a response's head, but for its first line. The length stays, so that offsets still fit. A
// sample that is not HTTP is masked by the same rules, line by line.
func Head(sample []byte) []byte {
	out := append([]byte(nil), sample...)
	isResponse := bytes.HasPrefix(out, []byte("HTTP/"))
	hiding := false
	for start := 0; start < len(out); {
		end := lineEnd(out, start)
		line := out[start:end]
		switch trimmed := bytes.TrimRight(line, "\r\n"); {
		case start == 0:
			maskQuery(trimmed)
		case len(trimmed) == 0 && isResponse:
			maskBody(out[end:])
			return out
		case len(trimmed) == 0:
			hiding = false
		case hiding && (trimmed[0] == ' ' || trimmed[0] == '\t'):
			mask(trimmed)
		default:
			hiding = maskField(trimmed)
		}
		start = end
	}
	return out
}

// lineEnd gives the offset behind the line that begins at start, with its LF.
func lineEnd(b []byte, start int) int {
	if i := bytes.IndexByte(b[start:], '\n'); i >= 0 {
		return start + i + 1
	}
	return len(b)
}

// maskField masks the value of a field line whose name tells of a secret, and reports whether it does.
func maskField(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return false
	}
	if !Header(line[:colon]) {
		return false
	}
	mask(line[colon+1:])
	return true
}

// maskQuery masks the query of a request line, and nothing of another line.
func maskQuery(line []byte) {
	space := bytes.IndexByte(line, ' ')
	if space < 0 || space+1 >= len(line) || bytes.HasPrefix(line, []byte("HTTP/")) {
		return
	}
	target := line[space+1:]
	if target[0] != '/' && !bytes.Contains(target, []byte("://")) {
		return
	}
	if end := bytes.IndexByte(target, ' '); end >= 0 {
		target = target[:end]
	}
	if query := bytes.IndexByte(target, '?'); query >= 0 {
		mask(target[query+1:])
	}
}

// maskBody masks all but the first line's first octets.
func maskBody(body []byte) {
	mask(body[min(lineEnd(body, 0), bodyKept, len(body)):])
}

// mask overwrites what is not white space.
func mask(b []byte) {
	for i, c := range b {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			b[i] = '*'
		}
	}
}
