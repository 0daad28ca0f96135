package diagnose

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"

	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/words"
)

// firstLineMax bounds a first line that is shown, in octets.
const firstLineMax = 60

// firstLine is the first line of octets from outside, with its secrets masked, in printable ASCII.
func firstLine(b []byte) string {
	b = redact.Head(b[:min(len(b), 4*firstLineMax)])
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b = b[:i]
	}
	b = bytes.TrimRight(b, "\r\n")
	quoted := fmt.Sprintf("%q", b[:min(len(b), firstLineMax)])
	return quoted[1 : len(quoted)-1]
}

// size shows a number of octets.
func size(n int64) string {
	switch {
	case n < 10<<10:
		return words.Count(int(n), "byte")
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// parseName reads a DER distinguished name, empty if it is none.
func parseName(der []byte) string {
	var rdn pkix.RDNSequence
	if _, err := asn1.Unmarshal(der, &rdn); err != nil {
		return ""
	}
	return rdn.String()
}

// Caret shows the line of a message that breaks a rule, with the place of the octet that does so: the line as it may be
// printed, and how many columns stand before that octet. It is false where the place is not in the sample.
func Caret(sample []byte, offset int64) (line string, column int, ok bool) {
	if offset < 0 || offset >= int64(len(sample)) {
		return "", 0, false
	}
	sample = redact.Head(sample)
	at := int(offset)
	start := bytes.LastIndexByte(sample[:at], '\n') + 1
	end := len(sample)
	if i := bytes.IndexByte(sample[at:], '\n'); i >= 0 {
		end = at + i + 1
	}
	const before, after = 40, 24
	start, end = max(start, at-before), min(end, at+after)
	return escape(sample[start:end]), len(escape(sample[start:at])), true
}

// escape writes octets as Go does, without the quotes.
func escape(b []byte) string {
	q := fmt.Sprintf("%+q", string(b))
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
