package httpmsg

import "testing"

func TestTokens(t *testing.T) {
	var got []string
	for token, rest := NextToken([]byte(" ,close,\tUpgrade , ,x y,")); token != nil; token, rest = NextToken(rest) {
		got = append(got, string(token))
	}
	if len(got) != 3 || got[0] != "close" || got[1] != "Upgrade" || got[2] != "x y" {
		t.Errorf("got %q", got)
	}
	if HasToken([]byte("a, upGRADE"), "upgrade") != true || HasToken([]byte("upgraded, x-upgrade"), "upgrade") || HasToken(nil, "upgrade") {
		t.Error("upgrade")
	}
}

// A token's octets are RFC 9110's, and no other.
func TestTokenLen(t *testing.T) {
	for text, want := range map[string]int{"": 0, "for=x": 3, "a~b|c`_^.-+*'&%$#!9Z": 20, "a b": 1, "\"x\"": 0, "a\x80": 1, "a,b": 1, "a(": 1} {
		if got := TokenLen([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
