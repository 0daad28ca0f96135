package h2

import (
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// tableMax is the largest dynamic table that a peer's encoder may have with us, in octets as RFC 7541, section 4.1, counts
// them: the default of SETTINGS_HEADER_TABLE_SIZE. Larger ones save few octets more and cost that much of each connection.
const tableMax = 4096

// entryOverhead is what RFC 7541, section 4.1, adds to the octets of name and value.
const entryOverhead = 32

// lineOverhead is what a line of HTTP/1 has beside name and value: colon, space, CR, LF.
const lineOverhead = 4

// entry is what is known of a table's line without looking at its octets again.
type entry struct {
	at          uint32 // where the line begins; of a dynamic table counted from its first line ever, and so wraps around
	name, value uint32 // octets
	id          httpmsg.ID
	pseudo      pseudo
	badName     fault.Rule // the rule that the name breaks, RuleNone if it is valid
	badValue    fault.Rule
}

// line is how many octets the entry's line has.
func (e *entry) line() int { return int(e.name) + int(e.value) + lineOverhead }

// cost is what the entry counts in a table or a list.
func (e *entry) cost() int { return int(e.name) + int(e.value) + entryOverhead }

// table is the dynamic table of RFC 7541, section 2.3.2. Its entries are kept as lines of HTTP/1, one behind the other, so that
// an indexed field is one copy. It has no memory before the first insertion.
type table struct {
	lines   []byte  // those of the entries, and of evicted ones before them
	base    uint32  // what at is of lines[0]
	entries []entry // a ring, its length a power of two
	newest  int     // the last one inserted
	count   int
	size    int // octets by RFC 7541, section 4.1
	max     int // as the encoder last said
}

// get is the entry that was inserted so many entries before the newest.
func (t *table) get(age int) *entry { return &t.entries[(t.newest-age)&(len(t.entries)-1)] }

// at is the entry's line.
func (t *table) at(e *entry) []byte {
	i := int(e.at - t.base)
	return t.lines[i : i+e.line()]
}

// resize sets the largest size, which evicts what is beyond it: RFC 7541, section 4.3.
func (t *table) resize(limit int) {
	t.max = limit
	t.evict(limit)
}

// evict removes the oldest entries until at most limit octets are left.
func (t *table) evict(limit int) {
	for t.size > limit {
		t.size -= t.get(t.count - 1).cost()
		t.count--
	}
}

// insert puts a line and what is known of it in front: RFC 7541, section 4.4. One that is larger than the table empties it.
//
// hot: once per field that is to be indexed.
func (t *table) insert(line []byte, e entry) {
	cost := e.cost()
	if cost > t.max {
		t.evict(0)
		return
	}
	t.evict(t.max - cost)
	if len(t.lines)+len(line) > cap(t.lines) {
		t.makeRoom(len(line))
	}
	if t.count == len(t.entries) {
		t.growRing()
	}
	e.at = t.base + uint32(len(t.lines))
	t.lines = append(t.lines, line...)
	t.newest = (t.newest + 1) & (len(t.entries) - 1)
	t.entries[t.newest] = e
	t.count++
	t.size += cost
}

const (
	linesFirst = 1 << 10 // octets of the first memory
	ringFirst  = 16      // entries
)

// makeRoom moves the lines of living entries to the front, into larger memory where they would fill half of this one. With twice
// the table's size a line is moved once at most before it is evicted, on average.
func (t *table) makeRoom(n int) {
	from := len(t.lines)
	if t.count > 0 {
		from = int(t.get(t.count-1).at - t.base)
	}
	living := t.lines[from:]
	t.base += uint32(from)
	size := max(cap(t.lines), linesFirst)
	for size < 2*(len(living)+n) && size < 2*t.max {
		size *= 2
	}
	if size == cap(t.lines) {
		t.lines = t.lines[:copy(t.lines, living)]
		return
	}
	t.lines = append(make([]byte, 0, size), living...)
}

func (t *table) growRing() {
	ring := make([]entry, max(ringFirst, 2*len(t.entries)))
	for age := range t.count {
		ring[t.count-1-age] = *t.get(age)
	}
	t.entries, t.newest = ring, t.count-1
}
