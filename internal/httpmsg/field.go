package httpmsg

// FieldsMax is the largest number of field lines in one section. A message with more is refused: real messages have
// fewer than 60, and a bound keeps lookups cheap.
const FieldsMax = 200

// Fields is a field section: an ordered list of views into one buffer. The zero value is empty and ready; Reset before
// each use keeps its memory.
type Fields struct {
	buf     []byte
	list    []Span
	present uint64 // a bit for each ID that occurs, so that Has is one test

	held        int    // lines that Suspend took away: they stand behind list
	heldPresent uint64 // their present
}

// Span is one field line as offsets into the buffer, so that the garbage collector has nothing to follow and the buffer may move.
type Span struct {
	Name, NameEnd, Value, ValueEnd uint32
	id                             ID
	Dropped                        bool
	Sensitive                      bool // its sender wants it in no compression table (RFC 7541, section 6.2.3), on no hop
}

// Reset empties the section and sets the buffer that later Adds refer to.
func (f *Fields) Reset(buf []byte) {
	f.buf, f.list, f.present = buf, f.list[:0], 0
	f.held, f.heldPresent = 0, 0
}

// Suspend empties a section that is read in part, and lets go of its buffer: whoever waits for the rest may move the octets,
// and give the buffer to somebody else. Nothing may be added until Resume.
func (f *Fields) Suspend() {
	f.held, f.heldPresent = len(f.list), f.present
	f.buf, f.list, f.present = nil, f.list[:0], 0
}

// Resume undoes Suspend: the same octets now stand in buf, at the same offsets.
func (f *Fields) Resume(buf []byte) {
	f.buf, f.list, f.present = buf, f.list[:f.held], f.heldPresent
	f.held, f.heldPresent = 0, 0
}

// Add appends one field line whose name is buf[name:nameEnd] and whose value is buf[value:valueEnd].
func (f *Fields) Add(name, nameEnd, value, valueEnd int, id ID) {
	f.list = append(f.list, Span{Name: uint32(name), NameEnd: uint32(nameEnd), Value: uint32(value), ValueEnd: uint32(valueEnd), id: id})
	f.present |= 1 << id
}

// Append adds a line of one's own, copied into the section's own memory: for a section that was Reset to a buffer nobody
// else uses.
func (f *Fields) Append(name string, value []byte, id ID) {
	f.Begin(name, id)
	f.buf = append(f.buf, value...)
	f.End()
}

// AppendKnown is Append of a known name.
func (f *Fields) AppendKnown(id ID, value []byte) {
	f.Begin(id.String(), id)
	f.buf = append(f.buf, value...)
	f.End()
}

// Begin adds a line of one's own whose value is put together from pieces: Put each, then End. As with Append the section has
// memory of its own. What stands between name and value there is what HTTP/1 writes, so that its codec copies several lines at
// once.
//
// hot: some times per request.
func (f *Fields) Begin(name string, id ID) {
	n := uint32(len(f.buf))
	f.buf = append(append(f.buf, name...), ": "...)
	value := uint32(len(f.buf))
	f.list = append(f.list, Span{Name: n, NameEnd: value - 2, Value: value, id: id})
	f.present |= 1 << id
}

// Put appends a piece of the value of the line that was begun.
func (f *Fields) Put(piece []byte) { f.buf = append(f.buf, piece...) }

// PutString is Put of a string.
func (f *Fields) PutString(piece string) { f.buf = append(f.buf, piece...) }

// End ends the line that was begun.
func (f *Fields) End() {
	f.list[len(f.list)-1].ValueEnd = uint32(len(f.buf))
	f.buf = append(f.buf, '\r', '\n')
}

// Drop marks the i-th line as not to be passed on. Has and Get still know it.
func (f *Fields) Drop(i int) { f.list[i].Dropped = true }

// Dropped reports whether the i-th line is not to be passed on.
func (f *Fields) Dropped(i int) bool { return f.list[i].Dropped }

// Span is where the i-th line stands in Buffer: its name, its value, and whether it is dropped. How the octets between
// them spell a line is the codec's to know.
func (f *Fields) Span(i int) *Span { return &f.list[i] }

// Buffer is the memory behind the section, to be emptied and used again by its owner.
func (f *Fields) Buffer() []byte { return f.buf }

// Len is the number of field lines.
func (f *Fields) Len() int { return len(f.list) }

// Name is the i-th line's name as it was received.
func (f *Fields) Name(i int) []byte { s := &f.list[i]; return f.buf[s.Name:s.NameEnd] }

// Value is the i-th line's value without the whitespace around it.
func (f *Fields) Value(i int) []byte { s := &f.list[i]; return f.buf[s.Value:s.ValueEnd] }

// ID is the i-th line's identity, Other for a name that the gateway has no use for.
func (f *Fields) ID(i int) ID { return f.list[i].id }

// Has reports whether a field of that identity occurs. It is not meant for Other.
func (f *Fields) Has(id ID) bool { return f.present&(1<<id) != 0 }

// Get is the first value of the field, nil if it does not occur.
func (f *Fields) Get(id ID) []byte {
	if !f.Has(id) {
		return nil
	}
	for i := range f.list {
		if f.list[i].id == id {
			return f.Value(i)
		}
	}
	return nil
}

// Lookup is the first value of the field with that name, compared without case, and whether it occurs.
func (f *Fields) Lookup(name string) ([]byte, bool) {
	for i := range f.list {
		if EqualFold(f.Name(i), name) {
			return f.Value(i), true
		}
	}
	return nil, false
}

// EqualFold compares an octet string with a name without regard to ASCII case.
func EqualFold(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(name[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
