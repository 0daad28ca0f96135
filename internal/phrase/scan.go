package phrase

import (
	"encoding/binary"
	"strings"
)

// textMin is the shortest phrase, in octets: five of them have two pieces of four, one at an even place of any text.
const textMin = 5

// matcher finds the phrases of a text in one pass over every second octet. Of each phrase it knows five octets, the rarest
// ones, as two pieces of four: where one of them stands in the text, which a table of bits tells, the phrase is compared.
type matcher struct {
	bits  [1 << 16 / 64]uint64
	heads map[uint32][]piece // by the four octets, folded
	all   []Phrase
}

// piece is four octets of a phrase.
type piece struct {
	phrase uint16
	offset uint8 // where in the phrase they stand
}

var table = build(phrases)

func build(all []Phrase) *matcher {
	m := &matcher{heads: map[uint32][]piece{}, all: all}
	for i := range all {
		from := rarest(all[i].Text)
		for _, offset := range [...]int{from, from + 1} {
			key := binary.LittleEndian.Uint32([]byte(all[i].Text[offset:offset+4])) | fold
			h := hash(key)
			m.bits[h>>6] |= 1 << (h & 63)
			m.heads[key] = append(m.heads[key], piece{uint16(i), uint8(offset)})
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

// any reports whether a phrase stands in the text.
func (m *matcher) any(text []byte) bool {
	for i := 0; i+4 <= len(text); i += 2 {
		h := hash(binary.LittleEndian.Uint32(text[i:]) | fold)
		if m.bits[h>>6]&(1<<(h&63)) != 0 && m.compare(text, i, nil) {
			return true
		}
	}
	return false
}

// compare looks for the phrases that have a piece at i, and calls found for each; without found, one is enough.
func (m *matcher) compare(text []byte, i int, found func(p *Phrase, at int)) bool {
	hit := false
	for _, piece := range m.heads[binary.LittleEndian.Uint32(text[i:])|fold] {
		p := &m.all[piece.phrase]
		at := i - int(piece.offset)
		if at < 0 || !Starts(text[at:], p.Text) {
			continue
		}
		if hit = true; found == nil {
			return true
		}
		found(p, at)
	}
	return hit
}

// scan calls found for each phrase that stands in the text, in the text's order.
func scan(text []byte, found func(p *Phrase, at int)) {
	for i := 0; i+4 <= len(text); i += 2 {
		h := hash(binary.LittleEndian.Uint32(text[i:]) | fold)
		if table.bits[h>>6]&(1<<(h&63)) != 0 {
			table.compare(text, i, found)
		}
	}
}
