//go:build race || poison

package serve3

import "strings"

// poison fills octets that nobody may look at any more, so that a view which outlives its buffer is seen by the first test
// that touches it: 0xDB is no octet of a token, of a chunk size or of UTF-8 text. Builds with the race detector do it, and
// those with -tags poison.
func poison(b []byte) {
	for len(b) > 0 {
		b = b[copy(b, dead):] // the race detector sees one access, not one for each octet
	}
}

// dead is what stands in octets that nobody may look at. It is only read.
var dead = strings.Repeat("\xdb", 4<<10)
