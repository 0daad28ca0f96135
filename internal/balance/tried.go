package balance

import "math/bits"

// Tried is a set of endpoints by index. The zero value is empty and ready; up to 256 endpoints it allocates nothing.
type Tried struct {
	few  [4]uint64
	more []uint64 // indices from 256
}

// Add puts an endpoint into the set.
func (t *Tried) Add(i int) {
	word := i / 64
	if word < len(t.few) {
		t.few[word] |= 1 << (i % 64)
		return
	}
	word -= len(t.few)
	for len(t.more) <= word {
		t.more = append(t.more, 0)
	}
	t.more[word] |= 1 << (i % 64)
}

// Has reports whether the endpoint is in the set. A nil set is empty.
func (t *Tried) Has(i int) bool {
	if t == nil {
		return false
	}
	word := i / 64
	if word < len(t.few) {
		return t.few[word]&(1<<(i%64)) != 0
	}
	word -= len(t.few)
	return word < len(t.more) && t.more[word]&(1<<(i%64)) != 0
}

// Len is the number of endpoints in the set.
func (t *Tried) Len() int {
	n := 0
	for _, w := range t.few {
		n += bits.OnesCount64(w)
	}
	for _, w := range t.more {
		n += bits.OnesCount64(w)
	}
	return n
}

// Reset empties the set and keeps its memory.
func (t *Tried) Reset() {
	t.few = [4]uint64{}
	clear(t.more)
}
