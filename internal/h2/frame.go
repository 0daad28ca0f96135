package h2

import (
	"encoding/binary"
	"fmt"

	"github.com/whygate/whygate/internal/fault"
)

// Preface is what a client sends first: RFC 9113, section 3.4.
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Sizes of frames in octets: RFC 9113, sections 4.1 and 4.2.
const (
	FrameHead = 9
	// FrameMax is the largest payload that we take, and the largest we send: the least that everybody must take. A larger
	// one saves nothing, since a record of TLS has no more either.
	FrameMax = 16 << 10
)

// FrameType is the type of a frame: RFC 9113, section 6, and RFC 9218, section 7.1.
type FrameType uint8

const (
	Data           FrameType = 0x0
	Headers        FrameType = 0x1
	Priority       FrameType = 0x2
	RSTStream      FrameType = 0x3
	SettingsFrame  FrameType = 0x4
	PushPromise    FrameType = 0x5
	Ping           FrameType = 0x6
	GoAway         FrameType = 0x7
	WindowUpdate   FrameType = 0x8
	Continuation   FrameType = 0x9
	PriorityUpdate FrameType = 0x10
)

var frameNames = [...]string{
	Data: "DATA", Headers: "HEADERS", Priority: "PRIORITY", RSTStream: "RST_STREAM", SettingsFrame: "SETTINGS", PushPromise: "PUSH_PROMISE",
	Ping: "PING", GoAway: "GOAWAY", WindowUpdate: "WINDOW_UPDATE", Continuation: "CONTINUATION", PriorityUpdate: "PRIORITY_UPDATE",
}

// String is the type's name, or its number where it has none.
func (t FrameType) String() string {
	if int(t) < len(frameNames) && frameNames[t] != "" {
		return frameNames[t]
	}
	return fmt.Sprintf("frame type 0x%x", uint8(t))
}

// Flags of frames. Which means what depends on the type.
const (
	FlagEndStream  = 0x1
	FlagAck        = 0x1
	FlagEndHeaders = 0x4
	FlagPadded     = 0x8
	FlagPriority   = 0x20
)

// Frame is one frame. Payload is a view into what was read, without padding and without the priority of HEADERS.
type Frame struct {
	Type    FrameType
	Flags   uint8
	Stream  uint32
	Payload []byte
	Length  int    // octets of the whole payload: what flow control counts
	Depends uint32 // the stream that HEADERS or PRIORITY says this one depends on; RFC 9113 ignores it
}

// Has reports whether a flag is set.
func (f *Frame) Has(flag uint8) bool { return f.Flags&flag != 0 }

// shapes has, for each type, what its frames must look like.
var shapes = [...]struct {
	stream bool // it belongs to a stream; otherwise to the connection, and either only with any
	any    bool
	least  int // octets of payload
	most   int // 0 for no bound of its own
	padded bool
	fatal  bool // a wrong length ends the connection
}{
	Data:           {stream: true, padded: true},
	Headers:        {stream: true, padded: true, fatal: true},
	Priority:       {stream: true, least: 5, most: 5},
	RSTStream:      {stream: true, least: 4, most: 4, fatal: true},
	SettingsFrame:  {fatal: true},
	PushPromise:    {stream: true, least: 4, padded: true, fatal: true},
	Ping:           {least: 8, most: 8, fatal: true},
	GoAway:         {least: 8, fatal: true},
	WindowUpdate:   {any: true, least: 4, most: 4, fatal: true},
	Continuation:   {stream: true, fatal: true},
	PriorityUpdate: {least: 4, fatal: true},
}

// ParseFrame parses the frame at the front of buf and returns how many octets it has, 0 where more must come. What every
// frame of a type must look like is checked here: sizes, streams, padding. An Error with a Stream is that stream's alone; n is
// then the frame's size, and the next one can be read. A frame of a type that we do not know is no error.
//
// hot: once per frame.
func ParseFrame(buf []byte) (f Frame, n int, err *Error) {
	if len(buf) < FrameHead {
		return f, 0, nil
	}
	head := binary.BigEndian.Uint64(buf)
	f.Length = int(head >> 40)
	f.Type, f.Flags = FrameType(head>>32), uint8(head>>24)
	f.Stream = uint32(head<<8)&^(1<<31) | uint32(buf[8])
	if f.Length > FrameMax {
		return f, 0, &Error{Rule: fault.RuleH2FrameSize, Code: FrameSizeError, Frame: f.Type, Limit: FrameMax, Size: int64(f.Length)}
	}
	err = f.checkShape()
	if err != nil && err.Fatal() {
		return f, 0, err
	}
	if len(buf) < FrameHead+f.Length {
		return f, 0, nil
	}
	n = FrameHead + f.Length
	f.Payload = buf[FrameHead:n:n]
	if err == nil {
		err = f.strip()
	}
	return f, n, err
}

// checkShape judges what the frame's head alone shows.
func (f *Frame) checkShape() *Error {
	if int(f.Type) >= len(shapes) || frameNames[f.Type] == "" {
		return nil
	}
	shape := &shapes[f.Type]
	if !shape.any && shape.stream != (f.Stream != 0) {
		return f.fail(fault.RuleH2StreamZero, ProtocolError)
	}
	if f.Length < shape.least || shape.most > 0 && f.Length > shape.most || f.Type == SettingsFrame && (f.Length%settingSize != 0 || f.Has(FlagAck) && f.Length != 0) {
		e := f.fail(fault.RuleH2FrameLength, FrameSizeError)
		e.Size = int64(f.Length)
		if !shape.fatal {
			e.Stream = f.Stream
		}
		return e
	}
	return nil
}

// strip takes padding and priority from the payload: RFC 9113, sections 6.1 and 6.2.
func (f *Frame) strip() *Error {
	p := f.Payload
	if f.Has(FlagPadded) && (f.Type == Data || f.Type == Headers || f.Type == PushPromise) {
		if len(p) == 0 {
			return f.fail(fault.RuleH2FrameLength, FrameSizeError)
		}
		padding := int(p[0])
		if padding >= len(p) {
			return f.fail(fault.RuleH2Padding, ProtocolError)
		}
		p = p[1 : len(p)-padding]
	}
	if f.Type == Headers && f.Has(FlagPriority) {
		switch {
		case len(p) >= prioritySize:
		case f.Has(FlagPadded):
			return f.fail(fault.RuleH2Padding, ProtocolError)
		default:
			return f.fail(fault.RuleH2FrameLength, FrameSizeError)
		}
		f.Depends = binary.BigEndian.Uint32(p) &^ (1 << 31)
		p = p[prioritySize:]
	}
	if f.Type == Priority {
		f.Depends = binary.BigEndian.Uint32(p) &^ (1 << 31)
	}
	f.Payload = p
	return nil
}

const prioritySize = 5

// fail is an Error that ends the connection.
func (f *Frame) fail(rule fault.Rule, code Code) *Error {
	return &Error{Rule: rule, Code: code, Frame: f.Type}
}

// failStream is an Error of the frame's stream alone.
func (f *Frame) failStream(rule fault.Rule, code Code) *Error {
	return &Error{Rule: rule, Code: code, Frame: f.Type, Stream: f.Stream}
}
