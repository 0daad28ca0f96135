package httpmsg

import "bytes"

// NextToken takes the first element off a comma-separated list such as Connection's value: RFC 9110, section 5.6.1. Empty
// elements are skipped; the token is nil when there is none left.
func NextToken(list []byte) (token, rest []byte) {
	for len(list) > 0 {
		end := bytes.IndexByte(list, ',')
		if end < 0 {
			token, list = list, nil
		} else {
			token, list = list[:end], list[end+1:]
		}
		if token = trim(token); len(token) > 0 {
			return token, list
		}
	}
	return nil, nil
}

// HasToken reports whether a comma-separated list has the token, compared without case.
func HasToken(list []byte, token string) bool {
	for {
		var one []byte
		if one, list = NextToken(list); one == nil {
			return false
		}
		if EqualFold(one, token) {
			return true
		}
	}
}

// TokenLen is how many octets at the front of b are a token's: RFC 9110, section 5.6.2.
func TokenLen(b []byte) int {
	n := 0
	for n < len(b) && tokenOctet[b[n]] {
		n++
	}
	return n
}

// tokenOctet has the octets of a token: tchar.
var tokenOctet = func() (t [256]bool) {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	for _, c := range []byte("0123456789" + letters + "!#$%&'*+-.^_`|~") {
		t[c] = true
	}
	for _, c := range []byte(letters) {
		t[c-0x20] = true
	}
	return t
}()

// trim removes the optional whitespace (RFC 9110, section 5.6.3) around b.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
