package explain

// routeMax bounds a route's template, in octets.
const routeMax = 96

// appendRoute appends the template of a path: without its query, and with what differs from one request to the next
// (numbers, UUIDs, hashes, tokens) replaced, so that /users/17/orders/9b1d... and its like are one route. Octets that a
// terminal or a page should not see become question marks.
func appendRoute(dst, path []byte) []byte {
	from := len(dst)
	for len(path) > 0 {
		if len(dst)-from > routeMax {
			return append(dst, "..."...)
		}
		if path[0] == '/' {
			dst, path = append(dst, '/'), path[1:]
			continue
		}
		end := 0
		for end < len(path) && path[end] != '/' && path[end] != '?' && path[end] != ';' && path[end] != '#' {
			end++
		}
		dst = appendSegment(dst, path[:end])
		if path = path[end:]; len(path) > 0 && path[0] != '/' {
			return dst
		}
	}
	return dst
}

// appendSegment appends one segment of a path, or what stands for it.
func appendSegment(dst, s []byte) []byte {
	digits, hex, letters, upper, other := 0, 0, 0, 0, 0
	for _, c := range s {
		switch {
		case isDigit(c):
			digits++
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			hex++
		case c >= 'g' && c <= 'z' || c >= 'G' && c <= 'Z':
			letters++
		case c == '@':
			return append(dst, "{mail}"...)
		default:
			other++
		}
		if isUpper(c) {
			upper++
		}
	}
	switch {
	case len(s) == 0: // of /?query
		return dst
	case digits == len(s):
		return append(dst, "{n}"...)
	case isUUID(s):
		return append(dst, "{uuid}"...)
	case len(s) >= 8 && digits+hex == len(s) && digits > 0:
		return append(dst, "{hash}"...)
	case len(s) >= 20 && digits >= 3 && (upper > 0 && letters+hex > upper || other == 0):
		return append(dst, "{token}"...)
	}
	return appendWords(dst, s)
}

// appendWords appends a segment word by word, with numbers and hashes replaced: order-1234 is order-{n}, app.3f2a9c01.js is
// app.{hash}.js, and v1 stays as it is.
func appendWords(dst, s []byte) []byte {
	for from := 0; from < len(s); {
		if from >= routeMax {
			return append(dst, "..."...)
		}
		end := from
		for end < len(s) && isAlphanumeric(s[end]) {
			end++
		}
		if end == from {
			c := s[from]
			if c < 0x21 || c > 0x7e {
				c = '?'
			}
			dst = append(dst, c)
			from++
			continue
		}
		dst = appendWord(dst, s[from:end])
		from = end
	}
	return dst
}

// appendWord appends one word: a hash or a number is replaced, and so is a longer number at the word's end.
func appendWord(dst, w []byte) []byte {
	digits, hex := 0, 0
	for _, c := range w {
		switch {
		case isDigit(c):
			digits++
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			hex++
		}
	}
	switch {
	case digits == len(w) && digits >= 2:
		return append(dst, "{n}"...)
	case len(w) >= 8 && digits+hex == len(w) && digits > 0 && hex > 0:
		return append(dst, "{hash}"...)
	}
	end := len(w)
	for end > 0 && isDigit(w[end-1]) {
		end--
	}
	if len(w)-end >= 2 && end > 0 {
		return append(append(dst, w[:min(end, routeMax)]...), "{n}"...)
	}
	return append(dst, w[:min(len(w), routeMax)]...)
}

func isAlphanumeric(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'z' || isUpper(c) }

// isUUID reports whether s has the form of RFC 9562, section 4.
func isUUID(s []byte) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !isDigit(c) && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
