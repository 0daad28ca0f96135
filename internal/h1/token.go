package h1

import (
	"bytes"

	"github.com/whygate/whygate/internal/httpmsg"
)

// NextToken takes the first element off a comma-separated list such as Connection's value: RFC 9110, section 5.6.1. Empty
// elements are skipped; the token is nil when there is none left.
func NextToken(list []byte) (token, rest []byte) {
	for len(list) > 0 {
		token, list, _ = bytes.Cut(list, comma)
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
		if httpmsg.EqualFold(one, token) {
			return true
		}
	}
}

// TokenLen is how many octets at the front of b are a token's: RFC 9110, section 5.6.2.
func TokenLen(b []byte) int {
	n := 0
	for n < len(b) && class[b[n]]&tokenOctet != 0 {
		n++
	}
	return n
}
