package phrase

import (
	"strings"
	"testing"
	"time"
)

// TestReadIsLinear: a word that comes again and again costs its neighbourhood once, and the table fits into the set.
func TestReadIsLinear(t *testing.T) {
	t.Parallel()
	if len(phrases) > phrasesMax {
		t.Fatalf("%d phrases, and the set has room for %d", len(phrases), phrasesMax)
	}
	for _, word := range []string{"econnreset ", "read econnreset ", "timeout "} {
		text := []byte(strings.Repeat(word, textMax/len(word)))
		least := time.Hour // of many, since others may be at work
		for range 20 {
			began := time.Now()
			Read(text)
			least = min(least, time.Since(began))
		}
		if least > 20*time.Millisecond {
			t.Errorf("%q: %s for %d bytes", word, least, len(text))
		}
	}
}
