package h2

import (
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Decoder is the field decompressor of one direction of a connection: RFC 7541. The zero value is ready for a peer that keeps to
// the default size of the dynamic table, which is the only one we let it have. Blocks must be read in the order in which
// they came, each to its end; an Error whose Code is CompressionError means that no later one can be read.
type Decoder struct {
	table   table
	started bool // table.max has its first value
}

// representation is how a field is written: RFC 7541, section 6.
type representation struct {
	prefix    uint8 // bits of the first integer
	indexing  bool  // it goes into the dynamic table
	sensitive bool  // it must never go into one
}

// The literal representations: sections 6.2.1, 6.2.2 and 6.2.3.
var (
	withIndexing    = representation{prefix: 6, indexing: true}
	withoutIndexing = representation{prefix: 4}
	neverIndexed    = representation{prefix: 4, sensitive: true}
)

// read decodes a block into s. What is wrong with the message is noted in s, and the rest is decoded all the same to keep the
// table in step. An Error is one of compression.
//
// hot: once per field block.
func (d *Decoder) read(block []byte, s *section) *Error {
	if !d.started {
		d.started, d.table.max = true, tableMax
	}
	updates := 0
	for i := 0; i < len(block); {
		var err *Error
		switch c := block[i]; {
		case c&0x80 != 0: // section 6.1: an indexed field
			i, err = d.indexed(block, i, s)
		case c&0x40 != 0:
			i, err = d.literal(block, i, &withIndexing, s)
		case c&0x20 != 0:
			// Section 4.2: an update stands at the front of a block, and two are enough for any number of changes.
			if updates++; updates > 2 || s.count > 0 {
				return compression(fault.RuleHPACKTableSize, i)
			}
			i, err = d.resize(block, i)
		case c&0x10 != 0:
			i, err = d.literal(block, i, &neverIndexed, s)
		default:
			i, err = d.literal(block, i, &withoutIndexing, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func compression(rule fault.Rule, at int) *Error {
	return &Error{Rule: rule, Code: CompressionError, Offset: int64(at)}
}

// lookup is the entry at an index and its line: RFC 7541, section 2.3.3. It is nil where there is none.
func (d *Decoder) lookup(index int) (*entry, []byte) {
	switch {
	case index == 0:
		return nil, nil
	case index <= staticSize:
		e := &static.entries[index]
		return e, static.lines[e.at : int(e.at)+e.line()]
	case index-staticSize <= d.table.count:
		e := d.table.get(index - staticSize - 1)
		return e, d.table.at(e)
	}
	return nil, nil
}

func (d *Decoder) indexed(block []byte, i int, s *section) (int, *Error) {
	index, next, err := integer(block, i, 7)
	if err != nil {
		return 0, err
	}
	e, line := d.lookup(index)
	if e == nil {
		return 0, compression(fault.RuleHPACKIndex, i)
	}
	if s.admit(e.cost()) {
		at := len(s.buf)
		s.buf = append(s.buf, line...)
		s.add(at, e, false)
	}
	return next, nil
}

func (d *Decoder) resize(block []byte, i int) (int, *Error) {
	size, next, err := integer(block, i, 5)
	if err != nil {
		return 0, err
	}
	if size > tableMax {
		e := compression(fault.RuleHPACKTableSize, i)
		e.Limit, e.Size = tableMax, int64(size)
		return 0, e
	}
	d.table.resize(size)
	return next, nil
}

// literal reads RFC 7541, section 6.2. Name and value are put into the section's buffer as a line, which is also what the
// table keeps; one that the section does not take is removed again.
//
// hot: once per field that is no table's.
func (d *Decoder) literal(block []byte, i int, r *representation, s *section) (int, *Error) {
	first := i
	index, i, err := integer(block, i, r.prefix)
	if err != nil {
		return 0, err
	}
	at := len(s.buf)
	var e entry
	if index > 0 {
		known, line := d.lookup(index)
		if known == nil {
			return 0, compression(fault.RuleHPACKIndex, first)
		}
		e = *known
		s.buf = append(s.buf, line[:known.name]...)
	} else {
		if s.buf, i, err = text(s.buf, block, i); err != nil {
			return 0, err
		}
		name := s.buf[at:]
		e.name = uint32(len(name))
		e.id, e.pseudo, e.badName = judgeName(name)
	}
	s.buf = append(s.buf, ':', ' ')
	value := len(s.buf)
	if s.buf, i, err = text(s.buf, block, i); err != nil {
		return 0, err
	}
	e.value = uint32(len(s.buf) - value)
	e.badValue = judgeValue(s.buf[value:])
	s.buf = append(s.buf, '\r', '\n')
	if r.indexing {
		d.table.insert(s.buf[at:], e)
	}
	if s.admit(e.cost()) {
		s.add(at, &e, r.sensitive)
	} else {
		s.buf = s.buf[:at]
	}
	return i, nil
}

// text reads a string (RFC 7541, section 5.2) onto dst.
func text(dst, block []byte, i int) ([]byte, int, *Error) {
	if i == len(block) {
		return dst, 0, compression(fault.RuleHPACKCut, i)
	}
	coded := block[i]&0x80 != 0
	length, next, err := integer(block, i, 7)
	if err != nil {
		return dst, 0, err
	}
	if length > len(block)-next {
		return dst, 0, compression(fault.RuleHPACKCut, i)
	}
	octets := block[next : next+length]
	if !coded {
		return append(dst, octets...), next + length, nil
	}
	dst, ok := appendHuffman(dst, octets)
	if !ok {
		return dst, 0, compression(fault.RuleHPACKHuffman, next)
	}
	return dst, next + length, nil
}

// integerOctets is how many octets may follow an integer's prefix. Four hold 28 bits, more than any length or index there
// can be; zeros in front beyond that are refused, as RFC 7541, section 5.1, advises.
const integerOctets = 4

// integer reads RFC 7541, section 5.1: an integer whose first octet, at i, has that many bits of it. It returns where the
// next octet is.
//
// hot: two or three times per field.
func integer(block []byte, i int, prefix uint8) (n, next int, err *Error) {
	mask := 1<<prefix - 1
	n = int(block[i]) & mask
	if n < mask {
		return n, i + 1, nil
	}
	for k := 1; ; k++ {
		if i+k == len(block) {
			return 0, 0, compression(fault.RuleHPACKCut, i)
		}
		if k > integerOctets {
			return 0, 0, compression(fault.RuleHPACKInteger, i)
		}
		c := block[i+k]
		n += int(c&0x7f) << (7 * (k - 1))
		if c&0x80 == 0 {
			return n, i + k + 1, nil
		}
	}
}

// section is a field section being read.
type section struct {
	buf    []byte // lines of HTTP/1, pseudo-fields too
	fields *httpmsg.Fields
	pseudo [pseudos]span
	may    uint16 // a bit for each pseudo-field that this kind of message may have
	seen   uint16 // a bit for each that was there
	limit  int    // octets as RFC 9113, section 6.5.2, counts SETTINGS_MAX_HEADER_LIST_SIZE
	size   int    // so far
	count  int    // fields so far, with pseudo-fields and crumbs of cookies
	crumbs int    // cookie fields that do not follow the one before

	rule fault.Rule // the first rule that the message breaks
	bad  span       // the name of the field that broke it
}

// span is where a value stands in a buffer.
type span struct{ from, to int }

// fieldsMax is the largest number of fields in a section. Pseudo-fields come on top of those that a section can hold.
const fieldsMax = httpmsg.FieldsMax + int(pseudos)

// admit counts a field and reports whether there is any use in keeping it.
func (s *section) admit(cost int) bool {
	s.size += cost
	s.count++
	switch {
	case s.rule != fault.RuleNone:
		return false
	case s.size > s.limit:
		s.rule = fault.RuleHeadSize
		return false
	case s.count > fieldsMax || s.fields.Len() == httpmsg.FieldsMax:
		s.rule = fault.RuleFieldCount
		return false
	}
	return true
}

// broken notes the rule that the field at that place breaks.
func (s *section) broken(rule fault.Rule, at int, e *entry) {
	s.rule, s.bad = rule, span{at, at + int(e.name)}
}

// connectionFields has a bit for each field of RFC 9113, section 8.2.2.
const connectionFields uint64 = 1<<httpmsg.Connection | 1<<httpmsg.ProxyConnection | 1<<httpmsg.KeepAlive | 1<<httpmsg.TransferEncoding | 1<<httpmsg.Upgrade

// add takes the line at buf[at:].
//
// hot: once per field.
func (s *section) add(at int, e *entry, sensitive bool) {
	nameEnd := at + int(e.name)
	value, valueEnd := nameEnd+2, nameEnd+2+int(e.value)
	switch {
	case e.badName != fault.RuleNone:
		s.broken(e.badName, at, e)
		return
	case e.badValue != fault.RuleNone:
		s.broken(e.badValue, at, e)
		return
	case e.pseudo != pseudoNone:
		s.addPseudo(at, e, span{value, valueEnd})
		return
	case connectionFields&(1<<e.id) != 0:
		s.broken(fault.RuleH2ConnectionField, at, e)
		return
	case e.id == httpmsg.TE && !httpmsg.EqualFold(s.buf[value:valueEnd], "trailers"):
		s.broken(fault.RuleH2TE, at, e)
		return
	case e.id == httpmsg.Cookie && s.fields.Has(httpmsg.Cookie):
		if s.crumb(at, value, valueEnd, sensitive) {
			return
		}
	}
	s.fields.Add(at, nameEnd, value, valueEnd, e.id)
	if sensitive {
		s.fields.Span(s.fields.Len() - 1).Sensitive = true
	}
}

func (s *section) addPseudo(at int, e *entry, value span) {
	bit := uint16(1) << e.pseudo
	switch {
	case s.may == 0 || s.fields.Len() > 0: // in trailers, or after a field
		s.broken(fault.RuleH2PseudoLate, at, e)
	case s.may&bit == 0:
		s.broken(fault.RuleH2PseudoUnknown, at, e)
	case s.seen&bit != 0:
		s.broken(fault.RuleH2PseudoTwice, at, e)
	default:
		s.seen |= bit
		s.pseudo[e.pseudo] = value
	}
}

// value is the pseudo-field's value, nil where it was not there.
func (s *section) value(p pseudo) []byte {
	if s.seen&(1<<p) == 0 {
		return nil
	}
	return s.buf[s.pseudo[p].from:s.pseudo[p].to:s.pseudo[p].to]
}

// crumb joins a cookie field to the one that stands right before it (RFC 9113, section 8.2.3), as browsers send them. One
// that stands elsewhere is joined at the end. An empty one adds nothing: the join must not end in a space, which no field
// value does.
func (s *section) crumb(at, value, valueEnd int, sensitive bool) bool {
	last := s.fields.Len() - 1
	before := s.fields.Span(last)
	if value == valueEnd {
		s.buf = s.buf[:at]
		return true
	}
	if s.fields.ID(last) != httpmsg.Cookie || int(before.ValueEnd)+2 != at {
		s.crumbs++
		return false
	}
	s.buf = s.buf[:before.ValueEnd]
	if before.Value < before.ValueEnd {
		s.buf = append(s.buf, "; "...)
	}
	from := len(s.buf)
	s.buf = append(s.buf[:from], s.buf[value:valueEnd:valueEnd]...)
	before.ValueEnd = uint32(len(s.buf))
	before.Sensitive = before.Sensitive || sensitive
	s.buf = append(s.buf, '\r', '\n')
	return true
}

// joinCrumbs makes one line of cookies that do not stand together. The first line becomes it, and the others are dropped.
func (s *section) joinCrumbs() {
	at, first, sensitive := len(s.buf), -1, false
	s.buf = append(s.buf, "cookie: "...)
	for i := range s.fields.Len() {
		if s.fields.ID(i) != httpmsg.Cookie {
			continue
		}
		sp := s.fields.Span(i)
		sensitive = sensitive || sp.Sensitive
		if first < 0 {
			first = i
		} else {
			s.fields.Drop(i)
			if len(s.buf) > at+len("cookie: ") && sp.Value < sp.ValueEnd {
				s.buf = append(s.buf, "; "...)
			}
		}
		s.buf = append(s.buf, s.buf[sp.Value:sp.ValueEnd]...)
	}
	sp := s.fields.Span(first)
	sp.Sensitive = sensitive
	sp.Name, sp.NameEnd = uint32(at), uint32(at+len("cookie"))
	sp.Value, sp.ValueEnd = uint32(at+len("cookie: ")), uint32(len(s.buf))
	s.buf = append(s.buf, '\r', '\n')
}

// finish gives the fields their buffer.
func (s *section) finish() {
	if s.crumbs > 0 && s.rule == fault.RuleNone {
		s.joinCrumbs()
	}
	s.fields.Suspend()
	s.fields.Resume(s.buf)
}
