package route

import "bytes"

// fitQuery reports whether each condition holds for one of the parameters of its name. The query may begin with its question mark.
func fitQuery(list []condition, query []byte) bool {
	query = bytes.TrimPrefix(query, []byte{'?'})
	for i := range list {
		if !fitParameter(&list[i], query) {
			return false
		}
	}
	return true
}

func fitParameter(c *condition, query []byte) bool {
	seen := false
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte{'&'})
		name, value, _ := bytes.Cut(pair, []byte{'='})
		if string(decoded(name)) != c.name {
			continue
		}
		seen = true
		if c.fits(decoded(value)) {
			return true
		}
	}
	return !seen && c.absent()
}

// decoded is a part of a query as forms mean it: percent-encoding undone, and a space for each plus. What is no encoding stays.
func decoded(part []byte) []byte {
	if bytes.IndexByte(part, '%') < 0 && bytes.IndexByte(part, '+') < 0 {
		return part
	}
	out := make([]byte, 0, len(part))
	for i := 0; i < len(part); i++ {
		c := part[i]
		if c == '+' {
			c = ' '
		} else if u, ok := unescape(part[i:]); ok {
			c = u
			i += 2
		}
		out = append(out, c)
	}
	return out
}
