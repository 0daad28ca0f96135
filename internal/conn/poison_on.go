//go:build race || poison

package conn

// poison fills octets that nobody may look at any more, so that a view which outlives its buffer is seen by the first test
// that touches it: 0xDB is no octet of a token, of a chunk size or of UTF-8 text. Builds with the race detector do it, and
// those with -tags poison.
func poison(b []byte) {
	for i := range b {
		b[i] = 0xDB
	}
}
