package h3

import (
	"encoding/binary"

	"github.com/whygate/whygate/internal/fault"
)

// varintMax is the largest number that a variable-length integer holds: RFC 9000, section 16.
const varintMax = 1<<62 - 1

// Varint reads a variable-length integer at the front of b. size is how many octets it has, 0 where b has not all of them.
func Varint(b []byte) (v uint64, size int) {
	if len(b) == 0 {
		return 0, 0
	}
	size = 1 << (b[0] >> 6)
	if len(b) < size {
		return 0, 0
	}
	switch size {
	case 1:
		return uint64(b[0] & 0x3f), 1
	case 2:
		return uint64(binary.BigEndian.Uint16(b) & 0x3fff), 2
	case 4:
		return uint64(binary.BigEndian.Uint32(b) & 0x3fffffff), 4
	}
	return binary.BigEndian.Uint64(b) & varintMax, 8
}

// AppendVarint appends v, of varintMax at most, in the shortest form.
func AppendVarint(dst []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(dst, byte(v))
	case v < 1<<14:
		return binary.BigEndian.AppendUint16(dst, uint16(v)|0x4000)
	case v < 1<<30:
		return binary.BigEndian.AppendUint32(dst, uint32(v)|0x80000000)
	}
	return binary.BigEndian.AppendUint64(dst, v|0xc000000000000000)
}

// FrameType is the type of a frame: RFC 9114, section 7.2.
type FrameType uint64

// The types.
const (
	Data        FrameType = 0x00
	Headers     FrameType = 0x01
	CancelPush  FrameType = 0x03
	Settings    FrameType = 0x04
	PushPromise FrameType = 0x05
	GoAway      FrameType = 0x07
	MaxPushID   FrameType = 0x0d
)

// reserved reports whether a type is one of HTTP/2's that HTTP/3 has not: section 7.2.8.
func (t FrameType) reserved() bool { return t == 2 || t == 6 || t == 8 || t == 9 }

// Header is what a frame begins with.
type Header struct {
	Type   FrameType
	Length uint64 // octets of the payload
}

// HeaderMax is how many octets a Header may have.
const HeaderMax = 16

// ParseHeader reads a Header at the front of b. size is how many octets it has, 0 where b has not all of them.
func ParseHeader(b []byte) (h Header, size int) {
	t, n := Varint(b)
	if n == 0 {
		return h, 0
	}
	length, m := Varint(b[n:])
	if m == 0 {
		return h, 0
	}
	return Header{FrameType(t), length}, n + m
}

// AppendHeader appends a frame's Header.
func AppendHeader(dst []byte, t FrameType, length int) []byte {
	return AppendVarint(AppendVarint(dst, uint64(t)), uint64(length))
}

// Part is what a frame on a request's stream is.
type Part uint8

// The parts.
const (
	Skipped  Part = iota // of a type that is not known: its payload is passed over (section 9)
	Head                 // the request head
	Body                 // octets of the body
	Trailers             // the trailer section
)

// Message is the order of frames on a stream that brings a request: section 4.1. The zero value is its begin.
type Message struct {
	headed, ended bool
}

// Frame judges the next frame by its type.
//
// hot: some times per request.
func (m *Message) Frame(t FrameType) (Part, *Error) {
	switch {
	case t == Data && m.headed && !m.ended:
		return Body, nil
	case t == Headers && !m.headed:
		m.headed = true
		return Head, nil
	case t == Headers && !m.ended:
		m.ended = true
		return Trailers, nil
	case t == Data, t == Headers, t == CancelPush, t == Settings, t == PushPromise, t == GoAway, t == MaxPushID, t.reserved():
		return Skipped, fatal(fault.RuleH3Frame, FrameUnexpected)
	}
	return Skipped, nil
}

// Cut judges that the stream has ended, between two frames or inside one.
func (m *Message) Cut(inside bool) *Error {
	switch {
	case inside: // section 7.1
		return fatal(fault.RuleH3FrameSize, FrameError)
	case !m.headed: // section 4.1.1
		return Incomplete()
	}
	return nil
}

// UnknownMax is how many octets of frames of unknown types a stream may have. Such frames exist to be ignored, and are small.
const UnknownMax = 64 << 10

// Unknown is the Error of a stream with more than that.
func Unknown(size int64) *Error {
	return &Error{Rule: fault.RuleH3Unknown, Code: ExcessiveLoad, Fatal: true, Limit: UnknownMax, Size: size}
}

// Incomplete is the Error of a request that ended before it was whole: section 4.1.1.
func Incomplete() *Error { return &Error{Rule: fault.RuleH3Cut, Code: RequestIncomplete} }
