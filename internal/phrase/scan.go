package phrase

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// textMin is the shortest text that a Finder looks for, in octets: five of them have two pieces of four, one at an even
// place of any text.
const textMin = 5

// Finder finds texts in one pass over every second octet. Of each it knows five octets, the rarest ones, as two pieces of
// four: where one of them stands, which a table of bits tells, the text is compared. Letters of either case are alike. It is
// not changed once it is built, and for any number of goroutines.
type Finder struct {
	bits   [1 << hashBits / 64]uint64
	pieces []piece                  // by hash
	starts [1<<startBits + 1]uint16 // by the first bits of the hash, where its pieces begin
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
			m.bits[h>>6] |= 1 << (h & 63)
			m.pieces = append(m.pieces, piece{key, uint16(i), uint8(offset)})
		}
	}
	slices.SortStableFunc(m.pieces, func(a, b piece) int { return cmp.Compare(hash(a.key), hash(b.key)) })
	for start, at := 0, 0; start < len(m.starts); start++ {
		for at < len(m.pieces) && int(hash(m.pieces[at].key)>>(hashBits-startBits)) < start {
			at++
		}
		m.starts[start] = uint16(at)
	}
	return m
}

// fold makes letters of either case alike. It makes some other octets alike too, which the comparison tells apart.
const fold = 0x20202020

// hashBits is how large the tables are: the bits fit into a core's first cache with room to spare.
const (
	hashBits  = 17
	startBits = 12
)

func hash(key uint32) uint32 { return key * 2654435761 >> (32 - hashBits) }

// common has letters in the order of how often logs have them, the rarest first.
const common = "\x00zqjx_[]({\"#@vkwybf>-pgmhudlcnrsiato/0123456789:.e "

// rank gives each letter's place in common, 0 for the others.
var rank = func() (rank [256]uint8) {
	for i := range len(common) {
		rank[common[i]] = uint8(i)
	}
	return rank
}()

// ordinary are words that logs are full of, though their letters are rare: what a Finder looks for a text by is none of theirs where it
// can be something else.
const ordinary = " request requests path uri url method session client server http timeout time connect connection connected service process response message status header headers handler module " +
	"value update created deleted found index cache queue user order failed error info debug warn level version config worker task job process database query queries "

// ordinaryPieces has a bit for each piece of the ordinary words.
var ordinaryPieces = func() (bits [1 << hashBits / 64]uint64) {
	for i := range len(ordinary) - 3 {
		h := hash(binary.LittleEndian.Uint32([]byte(ordinary[i:i+4])) | fold)
		bits[h>>6] |= 1 << (h & 63)
	}
	return bits
}()

// ordinaryCost is what an ordinary piece costs, in places of the common letters: more than five letters can.
const ordinaryCost = 8 * len(common)

// pieceCost is how much more often a piece stands in logs than its letters say.
func pieceCost(text string) int {
	h := hash(binary.LittleEndian.Uint32([]byte(text[:4])) | fold)
	if ordinaryPieces[h>>6]&(1<<(h&63)) != 0 {
		return ordinaryCost
	}
	return 0
}

// rarest gives the place of the five bytes of a text that stand least often in logs.
func rarest(text string) int {
	best, least, sum := 0, int(^uint(0)>>1), 0
	for i := range len(text) {
		sum += int(rank[text[i]])
		if i >= textMin {
			sum -= int(rank[text[i-textMin]])
		}
		if from := i - textMin + 1; from >= 0 {
			if cost := sum + pieceCost(text[from:]) + pieceCost(text[from+1:]); cost < least {
				best, least = from, cost
			}
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
	start := hash(key) >> (hashBits - startBits)
	for _, piece := range m.pieces[m.starts[start]:m.starts[start+1]] {
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
