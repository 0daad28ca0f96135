package h2

import (
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Section reads a field section that came in another compression than HPACK, and judges it as the Decoder judges its own: RFC 9114,
// sections 4.2 and 4.3, gives HTTP/3's messages the rules that RFC 9113, sections 8.2 and 8.3, gives HTTP/2's. Its user appends each
// field's name to what Begin returns, and its value to what Name returns; End takes the field. An Error has HTTP/2's code.
type Section struct {
	s     section
	req   *httpmsg.Request // nil for trailers
	end   bool
	at    int // where the field begins
	value int // where its value does
}

// Request begins a request head, as ReadRequest does.
func (s *Section) Request(buf []byte, req *httpmsg.Request, o RequestOptions) {
	*s = Section{s: section{buf: buf, fields: &req.Fields, may: requestPseudo, limit: o.Limits.head()}, req: req, end: o.End}
	if o.Extended {
		s.s.may |= 1 << pseudoProtocol
	}
	req.Fields.Reset(nil)
	req.Trailers.Reset(nil)
}

// Trailers begins a trailer section, as ReadTrailers does.
func (s *Section) Trailers(buf []byte, f *httpmsg.Fields, lim *Limits) {
	*s = Section{s: section{buf: buf, fields: f, limit: lim.trailers()}}
	f.Reset(nil)
}

// Begin begins a field, whose name is to be appended.
func (s *Section) Begin() []byte {
	s.at = len(s.s.buf)
	return s.s.buf
}

// Name takes the name that was appended. The value is to be appended to what it returns.
func (s *Section) Name(buf []byte) []byte {
	s.value = len(buf)
	return append(buf, ':', ' ')
}

// End takes the value that was appended, and judges the field. sensitive says that it must be in no compression table.
//
// hot: once per field.
func (s *Section) End(buf []byte, sensitive bool) {
	e := entry{name: uint32(s.value - s.at), value: uint32(len(buf) - s.value - 2)}
	e.id, e.pseudo, e.badName = judgeName(buf[s.at:s.value])
	e.badValue = judgeValue(buf[s.value+2:])
	s.s.buf = append(buf, '\r', '\n')
	if s.s.admit(e.cost()) {
		s.s.add(s.at, &e, sensitive)
	} else {
		s.s.buf = s.s.buf[:s.at]
	}
}

// Close ends the section, and returns what its views point into.
func (s *Section) Close() ([]byte, *Error) {
	s.s.finish()
	switch {
	case s.req == nil && s.s.rule == fault.RuleHeadSize:
		s.s.rule = fault.RuleTrailerSize
		return s.s.buf, s.s.malformed()
	case s.s.rule != fault.RuleNone:
		return s.s.buf, s.s.malformed()
	case s.req != nil:
		return s.s.buf, s.s.request(s.req, s.end)
	}
	if f := s.s.fields; f.ForbiddenTrailer() >= 0 {
		i := f.ForbiddenTrailer()
		return s.s.buf, about(fault.RuleTrailer, string(f.Name(i)), f.Value(i))
	}
	return s.s.buf, nil
}

// Integer reads RFC 7541, section 5.1, which RFC 9204, section 4.1.1, takes over: an integer whose first octet, at i of block, has
// that many bits of it. It returns where the next octet is.
func Integer(block []byte, i int, prefix uint8) (n, next int, err *Error) {
	if i >= len(block) {
		return 0, 0, compression(fault.RuleHPACKCut, i)
	}
	return integer(block, i, prefix)
}

// Text reads a string onto dst whose length has that many bits of its first octet, with the flag of Huffman's code above them: RFC
// 7541, section 5.2, and RFC 9204, section 4.1.2.
func Text(dst, block []byte, i int, prefix uint8) ([]byte, int, *Error) {
	length, next, err := Integer(block, i, prefix)
	if err != nil {
		return dst, 0, err
	}
	if length > len(block)-next {
		return dst, 0, compression(fault.RuleHPACKCut, i)
	}
	octets := block[next : next+length]
	if block[i]&(1<<prefix) == 0 {
		return append(dst, octets...), next + length, nil
	}
	dst, ok := appendHuffman(dst, octets)
	if !ok {
		return dst, 0, compression(fault.RuleHPACKHuffman, next)
	}
	return dst, next + length, nil
}

// AppendInteger appends an integer behind the bits of first: RFC 7541, section 5.1.
func AppendInteger(dst []byte, first, prefix uint8, n int) []byte {
	return appendInteger(dst, first, prefix, n)
}

// LengthError is a body that is not as long as was said: RFC 9113, section 8.1.1, and RFC 9114, section 4.1.2.
func LengthError(declared, received int64) *Error { return lengthError(declared, received) }

// Carried reports whether the i-th field goes onto a connection of HTTP/2 or HTTP/3: an intermediary must take out what belongs to one
// of HTTP/1 (RFC 9113, section 8.2.2; RFC 9114, section 4.2). Of te only "trailers" is passed on.
func Carried(f *httpmsg.Fields, i int) bool {
	id := f.ID(i)
	return !f.Dropped(i) && notInHTTP2&(1<<id) == 0 && (id != httpmsg.TE || httpmsg.EqualFold(f.Value(i), "trailers"))
}
