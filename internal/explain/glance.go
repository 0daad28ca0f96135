package explain

import (
	"bytes"
	"strings"

	"github.com/whygate/whygate/internal/phrase"
)

// This file looks at a line once, before any format does: how it begins, and which words stand in it. Most lines of most
// logs tell of no exchange, and a format whose lines begin otherwise, or have a word that this one has not, is not asked.

// signs is what a glance finds in a line, wherever it stands.
type signs uint16

const (
	signWords  signs = 1 << iota // a phrase of package phrase
	signStatus                   // a 5xx that stands by itself
	signLevel                    // a word for an error's level: severityOf says whether it is one
	signCommon                   // [22/Nov, the date of the Common Log Format and of HAProxy
	signEnvoy                    // [2026-, the date of Envoy's format
	signMark                     // a word without which some format's lines are not
)

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
		for w := range glances.words {
			for _, marked := range glances.words[w].formats {
				if marked == f {
					d.marked[w] = append(d.marked[w], i)
				}
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
		if w.sign == signMark {
			if string(line[at:at+len(w.mark)]) != w.mark {
				return
			}
			for _, i := range d.marked[which] {
				offer |= 1 << i
			}
			places.add(at)
		}
		seen |= w.sign
	})
	if has5xx(line) {
		seen |= signStatus
	}
	for from := 0; ; {
		i := bytes.IndexByte(line[from:], '[')
		if i < 0 || from+i+6 > len(line) {
			break
		}
		b := line[from+i+1:]
		if isDigit(b[0]) && isDigit(b[1]) {
			if b[2] == '/' {
				seen |= signCommon
				offer |= d.common
			} else if b[4] == '-' && isDigit(b[2]) {
				seen |= signEnvoy
			}
		}
		from += i + 1
	}
	return seen, offer
}
