// Package phrase is the one table of what programs say when an exchange with an upstream fails: the errno words of every
// language, TLS alerts, the error texts of proxies and of HTTP clients, flags and numbers of products. It reads a message,
// whatever line, export or page it stands in, and knows no format, file or clock.
package phrase

import (
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// Strength is how much a phrase says by itself.
type Strength uint8

const (
	// Weak phrases are said of many things: they mean something beside words of an exchange (upstream, proxy, a URL).
	Weak Strength = iota
	// Errno phrases name what the kernel or a library met: with whom, the text around them says.
	Errno
	// Strong phrases are said of a failed exchange, or of an application that dies, and of nothing else.
	Strong
)

// Phrase is some words and what they mean.
type Phrase struct {
	Text    string        // in lower case, five octets at least
	And     string        // stands in the message as well, in lower case; several joined by a bar, of which one is enough
	Not     string        // does not stand in the message, in lower case; several joined by a bar
	Causes  []fault.Cause // the likeliest first
	Rank    int8          // of several phrases in one message the one with the highest rank decides
	Is      Strength
	By      Who
	Product string // whose words they are, empty where many say so
	Since   string // which versions write it, empty where that is not known or all do
}

// Who is who failed, or who says so.
type Who uint8

const (
	Gateway     Who = iota // a proxy or a client of an upstream says what it met
	Application            // the application or its platform says why it cannot answer
	Client                 // the client is the reason: it left, or its request was refused
)

// Reading is what a message says.
type Reading struct {
	Phrase *Phrase // the one that decides, nil where the message says nothing
	From   int     // where it stands in the message
	To     int
}

// Causes gives what the message may mean, the likeliest first; none where it says nothing.
func (r Reading) Causes() []fault.Cause {
	if r.Phrase == nil {
		return nil
	}
	return r.Phrase.Causes
}

// phrasesMax bounds the table, for a set of its phrases on the stack.
const phrasesMax = 2048

// textMax bounds how much of a message is looked at for the words beside a phrase, in octets.
const textMax = 16 << 10

// Read finds the phrase that says most of a message. It allocates nothing.
func Read(text []byte) (r Reading) {
	text = text[:min(len(text), textMax)]
	var unfit [phrasesMax / 64]uint64 // those that were looked at: what stands beside them is the same wherever they stand
	table.Each(text, func(which, at int) {
		p := &phrases[which]
		if r.Phrase != nil && p.Rank <= r.Phrase.Rank || unfit[which>>6]&(1<<(which&63)) != 0 || p.inside(text, at) {
			return
		}
		if p.fits(text) {
			r = Reading{p, at, at + len(p.Text)}
		} else {
			unfit[which>>6] |= 1 << (which & 63)
		}
	})
	return r
}

// Any reports whether a text has words of the table: what is false says nothing that Read would find.
//
// hot: once per line of an unknown format.
func Any(text []byte) bool { return table.Any(text) }

// inside reports whether what looks like an errno's name is the end of another word: ENOTFOUND in ModuleNotFoundError.
func (p *Phrase) inside(text []byte, at int) bool {
	if p.Is != Errno || p.Text[0] != 'e' || at == 0 || !isLetter(text[at-1]) {
		return false
	}
	return at < 3 || !Starts(text[at-3:], "wsa") // Windows' sockets have the names with WSA in front
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// fits looks at the words beside the phrase.
func (p *Phrase) fits(text []byte) bool {
	return (p.And == "" || OneOf(text, p.And)) && (p.Not == "" || !OneOf(text, p.Not))
}

// OneOf reports whether one of the words, joined by bars and in lower case, stands in the text, whatever its case.
func OneOf(text []byte, words string) bool {
	for len(words) > 0 {
		word := words
		if i := strings.IndexByte(words, '|'); i >= 0 {
			word, words = words[:i], words[i+1:]
		} else {
			words = ""
		}
		if Index(text, word) >= 0 {
			return true
		}
	}
	return false
}

// Index finds a word in a text, whatever the case of its letters; the word is in lower case. It is -1 where it is not there.
func Index(text []byte, word string) int {
	if word == "" {
		return 0
	}
	lower, upper := word[0], word[0]
	if lower >= 'a' && lower <= 'z' {
		upper -= 'a' - 'A'
	}
	for i := 0; i+len(word) <= len(text); i++ {
		if c := text[i]; (c == lower || c == upper) && Starts(text[i:], word) {
			return i
		}
	}
	return -1
}

// Starts reports whether a text begins with a word in lower case, whatever the case of its letters.
func Starts(text []byte, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		c := text[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// All gives the whole table, for the reference and for tests.
func All() []Phrase { return phrases }
