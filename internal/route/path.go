package route

import "bytes"

// Plain reports whether the path is in canonical form already and says the same to every server, as nearly every path does: it has no
// percent sign, no backslash, no empty segment, and none that begins with a dot.
//
// hot: once per request.
func Plain(path []byte) bool {
	return bytes.IndexByte(path, '%') < 0 && bytes.IndexByte(path, '\\') < 0 && !bytes.Contains(path, slashDot) && !bytes.Contains(path, slashSlash)
}

var slashDot, slashSlash = []byte("/."), []byte("//")

// Dotted reports whether the path has a dot segment, as it is or percent-encoded: /a/../b, /a/%2e%2E/b. Segments that only
// some servers take for one count as well: those that end at an encoded slash or at a backslash (/a/..%2fb, /a/..\b), and
// those with a parameter (/a/..;x/b, RFC 3986, section 3.3).
//
// Find copes with such paths. Whoever changes a path, as by taking a prefix off it, has to begin with its Canonical form.
func Dotted(path []byte) bool {
	if Plain(path) {
		return false
	}
	clear, ambiguous := dotSegments(path)
	return clear || ambiguous
}

// dotSegments reports whether the path has a segment that is a dot segment for every server, and whether it has one that
// is a dot segment only for some.
func dotSegments(path []byte) (clear, ambiguous bool) {
	for i := range path {
		n, plain := slash(path[i:])
		if n == 0 {
			continue
		}
		dots := dot(path[i+n:])
		dots += dot(path[i+n+dots:])
		if dots == 0 {
			continue
		}
		after := path[i+n+dots:]
		end, plainEnd := slash(after)
		switch {
		case len(after) == 0, end > 0 && plainEnd:
			clear, ambiguous = clear || plain, ambiguous || !plain
		case end > 0, after[0] == ';':
			ambiguous = true
		}
	}
	return clear, ambiguous
}

// slash is the length of what some server takes for a slash at the beginning of p, 0 if there is nothing such, and
// whether it is "/".
func slash(p []byte) (n int, plain bool) {
	switch {
	case len(p) == 0:
		return 0, false
	case p[0] == '/':
		return 1, true
	case p[0] == '\\':
		return 1, false
	}
	if c, ok := unescape(p); ok && (c == '/' || c == '\\') {
		return 3, false
	}
	return 0, false
}

// dot is the length of a dot at the beginning of p, 0 if there is none.
func dot(p []byte) int {
	if len(p) > 0 && p[0] == '.' {
		return 1
	}
	if c, ok := unescape(p); ok && c == '.' {
		return 3
	}
	return 0
}

// Canonical appends the path with percent-encoded unreserved characters decoded (RFC 3986, section 6.2.2.2), other encodings in
// capital letters (section 6.2.2.1) and dot segments removed (section 5.2.4). Slashes stay as many as they are, an encoded slash stays encoded, and what does not
// begin with a slash, such as the * of OPTIONS, stays what it is.
func Canonical(dst, path []byte) []byte {
	if len(path) == 0 || path[0] != '/' {
		return append(dst, path...)
	}
	base := len(dst)
	for len(path) > 0 {
		segment := path[1:]
		if i := bytes.IndexByte(segment, '/'); i >= 0 {
			segment = segment[:i]
		}
		path = path[1+len(segment):]
		start := len(dst)
		dst = appendUnreserved(append(dst, '/'), segment)
		switch string(dst[start+1:]) {
		case ".":
			dst = dst[:start]
		case "..":
			dst = dst[:base+max(bytes.LastIndexByte(dst[base:start], '/'), 0)]
		default:
			continue
		}
		if len(path) == 0 { // "/a/." and "/a/b/.." are directories
			dst = append(dst, '/')
		}
	}
	return dst
}

// appendLoose appends the path as a server reads it that decodes it, takes a backslash for a slash, and several slashes for one. What is not
// ASCII stays encoded, as it is in rules.
func appendLoose(dst, path []byte) []byte {
	base := len(dst)
	for i := 0; i < len(path); i++ {
		c := path[i]
		if decoded, ok := unescape(path[i:]); ok && decoded > ' ' && decoded < 0x7f && decoded != '%' {
			c = decoded
			i += 2
		}
		if c == '\\' {
			c = '/'
		}
		if n := len(dst); c != '/' || n == base || dst[n-1] != '/' {
			dst = append(dst, c)
		}
	}
	return dst
}

// appendUnreserved appends the segment with the encodings decoded that mean the same decoded, and the others in capital letters.
func appendUnreserved(dst, segment []byte) []byte {
	for i := 0; i < len(segment); i++ {
		c, ok := unescape(segment[i:])
		switch {
		case !ok:
			dst = append(dst, segment[i])
			continue
		case unreserved(c):
			dst = append(dst, c)
		default:
			dst = append(dst, '%', capitals[c>>4], capitals[c&15])
		}
		i += 2
	}
	return dst
}

// unescape gives the octet that the beginning of p encodes.
func unescape(p []byte) (byte, bool) {
	if len(p) < 3 || p[0] != '%' {
		return 0, false
	}
	hi, ok1 := hex(p[1])
	lo, ok2 := hex(p[2])
	return hi<<4 | lo, ok1 && ok2
}

const capitals = "0123456789ABCDEF"

func hex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// unreserved is RFC 3986, section 2.3.
func unreserved(c byte) bool {
	switch {
	case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9':
		return true
	}
	return c == '-' || c == '.' || c == '_' || c == '~'
}
