package explain

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"

	"github.com/whygate/whygate/internal/phrase"
)

// This file looks at a line once, before any format does: how it begins, and which words stand in it. Most lines of most
// logs tell of no exchange, and a format whose lines begin otherwise, or have a word that this one has not, is not asked.

// signs is what a glance finds in a line, wherever it stands.
type signs uint16

const (
	signWords   signs = 1 << iota // a phrase of package phrase
	signStatus                    // a 5xx that stands by itself
	signLevel                     // a word for an error's level: severityOf says whether it is one
	signCommon                    // [22/Nov, the date of the Common Log Format and of HAProxy
	signEnvoy                     // [2026-, the date of Envoy's format
	signMark                      // a word without which some format's lines are not
	signRequest                   // a method with a target, or a word for a status: without one a 5xx is any number
	signCarrier                   // a key of docker's, of journald's or of what they are written into: the line is a string in an object
	signForeign                   // octets beyond printable ASCII: colours and blanks of other kinds may hide words
)

// tell reports whether a line with these signs may tell of something.
func (s signs) tell() bool {
	return s&(signWords|signLevel|signCommon|signEnvoy|signMark) != 0 || s&(signStatus|signRequest) == signStatus|signRequest
}

// dates are layouts of a date that lines begin with.
type dates uint8

const (
	datedDashes  dates = 1 << iota // 2026-11-22
	datedSlashes                   // 2026/11/22
	datedBracket                   // [2026-11-22
)

// The heads of lines: an octet, all digits taken for 0, or one of the dates.
const (
	headDashes = 256 + iota
	headSlashes
	headBracket
	headsAll
)

// headOf gives the head of a line that is not empty.
//
// hot: once per line of an unknown format.
func headOf(line []byte) int {
	c := line[0]
	switch {
	case isDigit(c):
		if len(line) > 7 && line[4] == line[7] {
			if line[4] == '-' {
				return headDashes
			}
			if line[4] == '/' {
				return headSlashes
			}
		}
		return '0'
	case c == '[' && len(line) > 8 && isDigit(line[1]) && line[5] == '-' && line[8] == '-':
		return headBracket
	}
	return int(c)
}

// set is a set of formats by their place in a list, of which it holds the first setMax.
type set uint64

const setMax = 64

// levelWords are the words for an error's level that are long enough for a finder; letters and other short ones stand at a
// line's head, where severityOf looks.
var levelWords = [...]string{"error", "fatal", "panic", "emerg", "alert", "severe", "[crit", "\"crit", "=crit", " crit", "<crit"}

// requestWords stand in lines that tell of a request or of its status; methods are looked for by hand, where there is a 5xx.
var requestWords = [...]string{"http/1", "http/2", "http/3", "status", "code=", "code:", "code\"", "code ", "answer", "respon"}

// hasMethod reports whether a method stands in the line as a word, in capitals or in quotes.
func hasMethod(line []byte) bool {
	for i := 0; i+3 < len(line); i++ {
		c := line[i] | 0x20
		if c < 'c' || c > 'p' || i > 0 && (isAlphanumeric(line[i-1]) || line[i-1] == '_') {
			continue
		}
		for _, m := range [...]string{"get", "post", "put", "patch", "delete", "head", "options", "connect"} {
			if n := len(m); c == m[0] && phrase.Starts(line[i:], m) && i+n < len(line) && !isAlphanumeric(line[i+n]) && (isUpper(line[i]) || line[i+n] == '"') {
				return true
			}
		}
	}
	return false
}

// carrierKeys are keys without which peelJSON peels nothing; they are given in their own case of letters.
var carrierKeys = [...]string{`"stream":`, `"MESSAGE"`}

// sights is the finder of a glance, with what each of its words is a sign of.
type sights struct {
	finder *phrase.Finder
	words  []sight
}

// sight is a word: a mark as formats write it, in that case of letters, or the sign that it is.
type sight struct {
	mark    string
	sign    signs
	formats []*Format
}

var glances = newSights()

func newSights() *sights {
	s := &sights{}
	var texts []string
	for _, p := range phrase.All() {
		texts = append(texts, p.Text)
		s.words = append(s.words, sight{sign: signWords})
	}
	for _, w := range levelWords {
		texts = append(texts, w)
		s.words = append(s.words, sight{sign: signLevel})
	}
	for _, w := range requestWords {
		texts = append(texts, w)
		s.words = append(s.words, sight{sign: signRequest})
	}
	for _, w := range carrierKeys {
		texts = append(texts, strings.ToLower(w))
		s.words = append(s.words, sight{mark: w, sign: signCarrier})
	}
	known := map[string]int{}
	for _, f := range formats {
		for _, mark := range f.marks {
			at, ok := known[mark]
			if !ok {
				at = len(texts)
				known[mark] = at
				texts = append(texts, strings.ToLower(mark))
				s.words = append(s.words, sight{mark: mark, sign: signMark})
			}
			s.words[at].formats = append(s.words[at].formats, f)
		}
	}
	s.finder = phrase.NewFinder(texts)
	return s
}

// dispatch says which formats of a list a line is offered to.
type dispatch struct {
	heads  [headsAll]set
	marked [][]int // of each word of the glance, the places of the formats whose mark it is
	common set     // the formats whose lines have [22/Nov somewhere
	words  set     // those that the head alone does not rule out
}

// newDispatch builds it. A format that says nothing of its lines is offered all of them.
func newDispatch(list []*Format) *dispatch {
	d := &dispatch{marked: make([][]int, len(glances.words))}
	places := map[*Format]int{}
	for i, f := range list[:min(len(list), setMax)] {
		one := set(1) << i
		if f.begins == "" && f.dated == 0 && len(f.marks) == 0 && !f.common {
			for h := range d.heads {
				d.heads[h] |= one
			}
		}
		for _, c := range []byte(f.begins) {
			d.heads[c] |= one
		}
		for bit, head := range map[dates]int{datedDashes: headDashes, datedSlashes: headSlashes, datedBracket: headBracket} {
			if f.dated&bit != 0 {
				d.heads[head] |= one
			}
		}
		if f.common {
			d.common |= one
		}
		if f.common || len(f.marks) > 0 {
			d.words |= one
		}
		places[f] = i
	}
	for w := range glances.words {
		for _, f := range glances.words[w].formats {
			if place, listed := places[f]; listed {
				d.marked[w] = append(d.marked[w], place)
			}
		}
	}
	return d
}

// marksAt are the places of a line's first marks: a record may begin there, whatever stands before.
type marksAt struct {
	at [4]int
	n  int
}

func (m *marksAt) add(at int) {
	if m.n < len(m.at) {
		m.at[m.n] = at
		m.n++
	}
}

func (m *marksAt) has(at int) bool {
	for _, place := range m.at[:m.n] {
		if place == at {
			return true
		}
	}
	return false
}

// mayTake reports whether the line's head allows the format at the place, or its words may.
func (d *dispatch) mayTake(place int, line []byte) bool {
	return place >= setMax || (d.words|d.heads[headOf(line)])&(1<<place) != 0
}

// glance looks at a line, and gives the formats that its words are marks of, and where the first marks stand.
//
// hot: once per line of an unknown format.
func (d *dispatch) glance(line []byte, places *marksAt) (seen signs, offer set) {
	places.n = 0
	glances.finder.Each(line, func(which, at int) {
		w := &glances.words[which]
		if w.mark != "" {
			if string(line[at:at+len(w.mark)]) != w.mark {
				return
			}
			if seen |= w.sign; w.sign != signMark {
				return
			}
			for _, i := range d.marked[which] {
				offer |= 1 << i
			}
			places.add(at)
		}
		seen |= w.sign
	})
	seen |= numbers(line)
	if seen&(signStatus|signRequest) == signStatus && hasMethod(line) {
		seen |= signRequest
	}
	if seen&signCommon != 0 {
		offer |= d.common
	}
	return seen, offer
}

// numbers looks for a status that stands by itself, for dates in brackets, and for octets that are no printable ASCII, eight
// octets at a time.
//
// hot: once per line of an unknown format.
func numbers(line []byte) (seen signs) {
	const highs, blanks = 0x8080808080808080, 0x2020202020202020
	i, foreign := 0, uint64(0)
	for ; i+8 <= len(line); i += 6 { // the last two octets are only looked at behind another
		eight := binary.LittleEndian.Uint64(line[i:])
		foreign |= eight | (eight - blanks) // a high bit, or a control below the blank
		digits := octetsDigit(eight)
		for hits := (octetsEqual(eight, '5') | octetsEqual(eight, '[')) & (digits >> 8) & (digits >> 16); hits != 0; hits &= hits - 1 {
			seen |= numberAt(line, i+bits.TrailingZeros64(hits)>>3)
		}
	}
	for ; i < len(line); i++ {
		c := line[i]
		foreign |= uint64(c) | (uint64(c) - ' ')
		if c == '5' || c == '[' {
			seen |= numberAt(line, i)
		}
	}
	if foreign&highs != 0 {
		seen |= signForeign
	}
	return seen
}

// octetsEqual gives the highest bit of each of eight octets that is c. One more, behind one that is, may be given by mistake,
// which numberAt finds out.
func octetsEqual(eight uint64, c byte) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	x := eight ^ ones*uint64(c)
	return (x - ones) &^ x & highs
}

// octetsDigit gives the highest bit of each of eight octets that is a digit.
func octetsDigit(eight uint64) uint64 {
	const zeros, lows, highs = 0x3030303030303030, 0x7f7f7f7f7f7f7f7f, 0x8080808080808080
	x := eight ^ zeros // a digit is 0 to 9 now, and with 0x76 below 0x80
	return ^((x&lows + 0x7676767676767676) | x) & highs
}

func numberAt(line []byte, i int) signs {
	switch {
	case isStatusAt(line, i):
		return signStatus
	case line[i] != '[' || i+7 > len(line) || !isDigit(line[i+1]) || !isDigit(line[i+2]):
	case line[i+3] == '/', line[i+3] == '\\' && line[i+4] == '/': // as it is, and as PHP writes it in JSON
		return signCommon
	case line[i+5] == '-' && isDigit(line[i+3]) && bracketed(line[i:]):
		return signEnvoy
	}
	return 0
}

// bracketed reports whether what stands behind a date in brackets is what Envoy and gunicorn write there.
func bracketed(b []byte) bool {
	end := bytes.IndexByte(b[:min(len(b), 40)], ']')
	return end > 0 && (starts(b[end:], `] "`) || starts(b[end:], "] [") || starts(b[end:], `] \"`))
}
