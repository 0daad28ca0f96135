package h3

import (
	"slices"

	"github.com/whygate/whygate/internal/fault"
)

// StreamType is what a unidirectional stream begins with: RFC 9114, section 6.2, and RFC 9204, section 4.2.
type StreamType uint64

// The types.
const (
	ControlStream StreamType = 0
	PushStream    StreamType = 1
	EncoderStream StreamType = 2
	DecoderStream StreamType = 3
)

// Known reports whether a type is one of those. The octets of another one are not wanted.
func (t StreamType) Known() bool { return t <= DecoderStream }

// Streams are the unidirectional streams that a client has opened. The zero value is none.
type Streams struct{ seen [DecoderStream + 1]bool }

// Open judges a stream that begins. Its user has one goroutine for them, or a lock.
func (s *Streams) Open(t StreamType) *Error {
	switch {
	case !t.Known():
		return nil
	case t == PushStream || s.seen[t]:
		return fatal(fault.RuleH3Stream, StreamCreationError)
	}
	s.seen[t] = true
	return nil
}

// Closed is the Error of a stream that ended and must not: section 6.2.1.
func Closed() *Error { return fatal(fault.RuleH3Critical, ClosedCriticalStream) }

// The settings that we send or judge: section 7.2.4.1, RFC 9204, section 5, RFC 9220, section 3, and RFC 9297, section 2.1.1.
const (
	settingTableCapacity   = 0x01
	settingFieldSection    = 0x06
	settingBlockedStreams  = 0x07
	settingExtendedConnect = 0x08
	settingDatagram        = 0x33
)

// AppendSettings appends the SETTINGS frame of a server that takes heads of so many octets. That it has no dynamic table and lets no
// stream be blocked are the defaults.
func AppendSettings(dst []byte, head int) []byte {
	var p []byte
	p = AppendVarint(AppendVarint(p, settingFieldSection), uint64(head))
	return append(AppendHeader(dst, Settings, len(p)), p...)
}

// AppendGoAway appends a GOAWAY frame: no request on that stream or a later one is taken.
func AppendGoAway(dst []byte, stream uint64) []byte {
	var p [8]byte
	id := AppendVarint(p[:0], stream)
	return append(AppendHeader(dst, GoAway, len(id)), id...)
}

// controlMax bounds the payload of a frame on the control stream, in octets, and settingsMax the number of settings in one.
const (
	controlMax  = 4 << 10
	settingsMax = 64
)

// Control judges what comes on the client's control stream. The zero value is its begin.
type Control struct {
	settled bool
	push    uint64 // MAX_PUSH_ID and one more; 0 for none
	goAway  uint64 // what GOAWAY named and one more; 0 for none
}

// Begin judges a frame by its header, and says whether its payload is wanted for Frame. It is passed over otherwise.
func (c *Control) Begin(h Header) (wanted bool, err *Error) {
	if !c.settled && h.Type != Settings {
		return false, fatal(fault.RuleH3Settings, MissingSettings)
	}
	switch t := h.Type; {
	case t == Settings && c.settled, t == Data, t == Headers, t == PushPromise, t.reserved():
		return false, fatal(fault.RuleH3Frame, FrameUnexpected)
	case t == Settings, t == CancelPush, t == GoAway, t == MaxPushID:
		wanted = true
	}
	c.settled = true
	if wanted && h.Length > controlMax {
		return false, &Error{Rule: fault.RuleH3FrameSize, Code: ExcessiveLoad, Fatal: true, Limit: controlMax, Size: int64(h.Length)}
	}
	return wanted, nil
}

// Frame judges a frame that Begin wanted.
func (c *Control) Frame(t FrameType, payload []byte) *Error {
	if t == Settings {
		return settings(payload)
	}
	id, n := Varint(payload)
	if n == 0 || n != len(payload) {
		return fatal(fault.RuleH3FrameSize, FrameError)
	}
	switch t {
	case CancelPush: // nothing was promised: section 7.2.3
		return fatal(fault.RuleH3ID, IDError)
	case GoAway:
		if c.goAway != 0 && id >= c.goAway {
			return fatal(fault.RuleH3ID, IDError)
		}
		c.goAway = id + 1
	case MaxPushID:
		if id+1 < c.push {
			return fatal(fault.RuleH3ID, IDError)
		}
		c.push = id + 1
	}
	return nil
}

// settings judges a SETTINGS payload: section 7.2.4. What the client lets us do is no concern of ours: the encoder uses no table, and
// heads of ours are small.
func settings(p []byte) *Error {
	var seen []uint64
	for len(p) > 0 {
		id, n := Varint(p)
		value, m := Varint(p[n:])
		switch {
		case n == 0 || m == 0:
			return fatal(fault.RuleH3FrameSize, FrameError)
		case len(seen) == settingsMax:
			return &Error{Rule: fault.RuleH3Settings, Code: ExcessiveLoad, Fatal: true, Limit: settingsMax, Size: settingsMax + 1}
		case slices.Contains(seen, id), id == 0, id >= 2 && id <= 5: // those are HTTP/2's, reserved: section 7.2.4.1
			return fatal(fault.RuleH3Settings, SettingsError)
		case (id == settingExtendedConnect || id == settingDatagram) && value > 1:
			return fatal(fault.RuleH3Settings, SettingsError)
		}
		seen = append(seen, id)
		p = p[n+m:]
	}
	return nil
}

// Encoder judges what comes on the client's QPACK encoder stream: as the table that we offer has no size, all that it may say is that
// it makes no use of one (RFC 9204, sections 4.3.1 and 3.2.3).
func Encoder(b []byte) *Error {
	for _, c := range b {
		if c != 0x20 { // Set Dynamic Table Capacity of 0
			return fatal(fault.RuleQPACKStream, EncoderStreamError)
		}
	}
	return nil
}

// Decoder judges what comes on the client's QPACK decoder stream: it may cancel streams, and has nothing to acknowledge (RFC 9204,
// section 4.4). The zero value is its begin.
type Decoder struct{ more int }

// decoderOctets is how many octets may follow a stream's number: as many as 62 bits need.
const decoderOctets = 9

// Read judges the next octets.
func (d *Decoder) Read(b []byte) *Error {
	for _, c := range b {
		switch {
		case d.more > 0: // inside a number: RFC 7541, section 5.1
			if d.more--; c&0x80 == 0 {
				d.more = 0
			} else if d.more == 0 {
				return fatal(fault.RuleQPACKStream, DecoderStreamError)
			}
		case c&0xc0 != 0x40: // not a Stream Cancellation
			return fatal(fault.RuleQPACKStream, DecoderStreamError)
		case c&0x3f == 0x3f:
			d.more = decoderOctets
		}
	}
	return nil
}
