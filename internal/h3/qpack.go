package h3

import (
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Limits bounds what a message may make us hold. They are HTTP/2's, and count as SETTINGS_MAX_FIELD_SECTION_SIZE does.
type Limits = h2.Limits

// BlockMax is how many octets of a field section are gathered before it is decoded, for a limit of that many octets of a head. One that is
// somewhat larger than the limit is still decoded, so that it can be told what it is.
func BlockMax(head int) int { return 2*head + 16<<10 }

// TooLong is the Error of a field section that is larger than BlockMax.
func TooLong(head int, size uint64) *Error {
	return &Error{Rule: fault.RuleH2BlockSize, Code: ExcessiveLoad, Limit: int64(BlockMax(head)), Size: int64(min(size, varintMax))}
}

// ReadRequest decodes a whole field section into a request. Lines are appended to buf, which is returned and which the request's views
// point into. Whether the stream ends with the head is not known yet: Ended says it. A Fatal Error ends the connection; any other one is
// the stream's.
//
// hot: once per request.
func ReadRequest(block, buf []byte, req *httpmsg.Request, lim *Limits) ([]byte, *Error) {
	var s h2.Section
	s.Request(buf, req, h2.RequestOptions{Limits: lim})
	if err := decode(block, &s); err != nil {
		return buf, err
	}
	buf, err := s.Close()
	req.Version = httpmsg.HTTP3
	return buf, of(err)
}

// Ended judges a body of so many octets against what the head of the request said, and notes its length. It is called when the
// stream's end is known.
func Ended(req *httpmsg.Request, received int64) *Error {
	if req.Length >= 0 && req.Length != received {
		return WrongLength(req.Length, received)
	}
	req.Length = received
	return nil
}

// WrongLength is the Error of a body that is not as long as was said: RFC 9114, section 4.1.2.
func WrongLength(declared, received int64) *Error { return of(h2.LengthError(declared, received)) }

// ReadTrailers decodes a whole field section into trailers.
func ReadTrailers(block, buf []byte, f *httpmsg.Fields, lim *Limits) ([]byte, *Error) {
	var s h2.Section
	s.Trailers(buf, f, lim)
	if err := decode(block, &s); err != nil {
		return buf, err
	}
	buf, err := s.Close()
	return buf, of(err)
}

// decode reads the representations of RFC 9204, section 4.5. Whatever refers to the dynamic table is refused, as it is empty.
//
// hot: once per field section.
func decode(block []byte, s *h2.Section) *Error {
	required, i, err := h2.Integer(block, 0, 8) // section 4.5.1
	if err != nil {
		return of(err)
	}
	if _, i, err = h2.Integer(block, i, 7); err != nil {
		return of(err)
	}
	if required != 0 {
		return dynamic(0)
	}
	for i < len(block) {
		var e *Error
		switch c := block[i]; {
		case c&0x80 != 0: // section 4.5.2
			i, e = indexed(block, i, s)
		case c&0x40 != 0: // section 4.5.4
			i, e = namedByIndex(block, i, s)
		case c&0x20 != 0: // section 4.5.6
			i, e = literal(block, i, s)
		default: // sections 4.5.3 and 4.5.5: an index behind the base
			return dynamic(i)
		}
		if e != nil {
			return e
		}
	}
	return nil
}

func dynamic(at int) *Error {
	return &Error{Rule: fault.RuleQPACKDynamic, Code: DecompressionFailed, Fatal: true, Offset: int64(at)}
}

// lookup reads an index of the static table, which has that many bits of block[i].
func lookup(block []byte, i int, prefix uint8) (index, next int, e *Error) {
	if block[i]&(1<<prefix) == 0 {
		return 0, 0, dynamic(i)
	}
	index, next, err := h2.Integer(block, i, prefix)
	switch {
	case err != nil:
		return 0, 0, of(err)
	case index >= len(staticTable): // section 3.1
		return 0, 0, &Error{Rule: fault.RuleHPACKIndex, Code: DecompressionFailed, Fatal: true, Offset: int64(i)}
	}
	return index, next, nil
}

func indexed(block []byte, i int, s *h2.Section) (int, *Error) {
	index, next, e := lookup(block, i, 6)
	if e != nil {
		return 0, e
	}
	f := &staticTable[index]
	s.End(append(s.Name(append(s.Begin(), f.name...)), f.value...), false)
	return next, nil
}

func namedByIndex(block []byte, i int, s *h2.Section) (int, *Error) {
	never := block[i]&0x20 != 0
	index, next, e := lookup(block, i, 4)
	if e != nil {
		return 0, e
	}
	buf, next, err := h2.Text(s.Name(append(s.Begin(), staticTable[index].name...)), block, next, 7)
	if err != nil {
		return 0, of(err)
	}
	s.End(buf, never)
	return next, nil
}

func literal(block []byte, i int, s *h2.Section) (int, *Error) {
	never := block[i]&0x10 != 0
	buf, next, err := h2.Text(s.Begin(), block, i, 3)
	if err != nil {
		return 0, of(err)
	}
	if buf, next, err = h2.Text(s.Name(buf), block, next, 7); err != nil {
		return 0, of(err)
	}
	s.End(buf, never)
	return next, nil
}
