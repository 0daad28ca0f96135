package explain

import (
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// Every cause that is shown beside others has words that tell it from them.
func TestTells(t *testing.T) {
	check := func(of map[fault.Cause][]fault.Cause) {
		for _, list := range of {
			for _, c := range list {
				if tells[c] == "" {
					t.Errorf("%s: nothing tells it from others", c)
				}
			}
		}
	}
	check(alike)
	for _, of := range alikeAt {
		check(of)
	}
}
