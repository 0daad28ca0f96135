package words

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCount(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"0 pods": Count(0, "pod"), "1 pod": Count(1, "pod"), "3 pods": Count(int64(3), "pod"), "1 address": Count(1, "address"), "2 addresses": Count(2, "address"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	if got := List([]string{"a", "b"}, 2); got != "a, b" {
		t.Error(got)
	}
	if got := List([]string{"a", "b", "c", "d"}, 2); got != "a, b and 2 more" {
		t.Error(got)
	}
}

func TestFirst(t *testing.T) {
	t.Parallel()
	if got := First("  short \n"); got != "short" {
		t.Errorf("%q", got)
	}
	if got := First(strings.Repeat("é", 200)); len(got) > firstMax+len(" …") || !utf8.ValidString(got) || !strings.HasSuffix(got, "é …") {
		t.Errorf("%q", got)
	}
}
