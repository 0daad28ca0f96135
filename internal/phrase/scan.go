package phrase

import (
	"encoding/binary"
	"strings"
)

// textMin is the shortest text that a Finder looks for, in octets: five of them have two pieces of four, one at an even
// place of any text.
const textMin = 5

// Finder finds texts in one pass over every second octet. Of each it knows five octets, the rarest ones, as two pieces of
// four: where one of them stands, which a table of bits tells, the text is compared. Letters of either case are alike. It is
// not changed once it is built, and for any number of goroutines.
type Finder struct {
	bits   [1 << 16 / 64]uint64
	bucket [1 << 16]uint16 // by hash, which of the pieces
	pieces [][]piece
	texts  []string
}

// piece is four octets of a text.
type piece struct {
	key    uint32 // the octets, folded
	text   uint16
	offset uint8 // where in the text they stand
}

var table = NewFinder(texts(phrases))

func texts(all []Phrase) []string {
	list := make([]string, len(all))
	for i := range all {
		list[i] = all[i].Text
	}
	return list
}

// NewFinder builds a finder of texts in lower case, each of five octets at least and 255 at most. What it finds, it names by
// its place in the list.
func NewFinder(texts []string) *Finder {
	m := &Finder{texts: texts}
	for i, text := range texts {
		from := rarest(text)
		for _, offset := range [...]int{from, from + 1} {
			key := binary.LittleEndian.Uint32([]byte(text[offset:offset+4])) | fold
			h := hash(key)
			if m.bits[h>>6]&(1<<(h&63)) == 0 {
				m.bits[h>>6] |= 1 << (h & 63)
				m.bucket[h] = uint16(len(m.pieces))
				m.pieces = append(m.pieces, nil)
			}
			m.pieces[m.bucket[h]] = append(m.pieces[m.bucket[h]], piece{key, uint16(i), uint8(offset)})
		}
	}
	return m
}

// fold makes letters of either case alike. It makes some other octets alike too, which the comparison tells apart.
const fold = 0x20202020

func hash(key uint32) uint32 { return key * 2654435761 >> 16 }

// common has letters in the order of how often logs have them, the rarest first.
const common = "\x00zqjx_[]({\"#@vkwybf>-pgmhudlcnrsiato/0123456789:.e "

// rarest gives the place of the five octets of a text that stand least often in logs.
func rarest(text string) int {
	best, most := 0, int(^uint(0)>>1)
	for i := 0; i+textMin <= len(text); i++ {
		sum := 0
		for _, c := range []byte(text[i : i+textMin]) {
			sum += max(strings.IndexByte(common, c), 0)
		}
		if sum < most {
			best, most = i, sum
		}
	}
	return best
}

// Any reports whether one of the texts stands in b.
func (m *Finder) Any(b []byte) bool {
	for i := 0; i+4 <= len(b); i += 2 {
		h := hash(binary.LittleEndian.Uint32(b[i:]) | fold)
		if m.bits[h>>6]&(1<<(h&63)) != 0 && m.compare(b, i, nil) {
			return true
		}
	}
	return false
}

// Each calls found for each text that stands in b, in b's order: which one, and where. It allocates nothing.
//
// hot: once per line of an unknown format. Three pieces are cut from one load of eight octets.
func (m *Finder) Each(b []byte, found func(which, at int)) {
	i := 0
	for ; i+8 <= len(b); i += 6 {
		eight := binary.LittleEndian.Uint64(b[i:]) | fold<<32 | fold
		if h := hash(uint32(eight)); m.bits[h>>6]&(1<<(h&63)) != 0 {
			m.compare(b, i, found)
		}
		if h := hash(uint32(eight >> 16)); m.bits[h>>6]&(1<<(h&63)) != 0 {
			m.compare(b, i+2, found)
		}
		if h := hash(uint32(eight >> 32)); m.bits[h>>6]&(1<<(h&63)) != 0 {
			m.compare(b, i+4, found)
		}
	}
	for ; i+4 <= len(b); i += 2 {
		h := hash(binary.LittleEndian.Uint32(b[i:]) | fold)
		if m.bits[h>>6]&(1<<(h&63)) != 0 {
			m.compare(b, i, found)
		}
	}
}

// compare looks for the texts that have a piece at i, and calls found for each; without found, one is enough.
func (m *Finder) compare(b []byte, i int, found func(which, at int)) bool {
	hit := false
	key := binary.LittleEndian.Uint32(b[i:]) | fold
	for _, piece := range m.pieces[m.bucket[hash(key)]] {
		at := i - int(piece.offset)
		if piece.key != key || at < 0 || !Starts(b[at:], m.texts[piece.text]) {
			continue
		}
		if hit = true; found == nil {
			return true
		}
		found(int(piece.text), at)
	}
	return hit
}
