package h2

import (
	"bytes"
	"encoding/binary"

	"github.com/whygate/whygate/internal/fault"
)

// Urgency is a response's place among others of the connection: RFC 9218, section 4.
type Urgency struct {
	Level       uint8 // 0 to 7, 0 first
	Incremental bool  // parts of it are of use, so it may share with others of its level
}

// urgencyDefault is the level of who says nothing.
const urgencyDefault = 3

// ParsePriority reads a priority field value: RFC 9218, section 4. Parameters it does not know or that have no valid value are
// ignored, as section 4 wants.
func ParsePriority(value []byte) Urgency {
	u := Urgency{Level: urgencyDefault}
	for len(value) > 0 {
		var one []byte
		one, value, _ = bytes.Cut(value, comma)
		one, _, _ = bytes.Cut(bytes.Trim(one, " \t"), []byte(";"))
		switch {
		case len(one) == 3 && one[0] == 'u' && one[1] == '=' && '0' <= one[2] && one[2] <= '7':
			u.Level = one[2] - '0'
		case string(one) == "i" || string(one) == "i=?1":
			u.Incremental = true
		case string(one) == "i=?0":
			u.Incremental = false
		}
	}
	return u
}

// earlyMax is how many PRIORITY_UPDATEs for streams that are not open yet are remembered.
const earlyMax = 16

// early is a priority that came before its stream.
type early struct {
	stream  uint32
	urgency Urgency
}

// priorityUpdate takes PRIORITY_UPDATE: RFC 9218, section 7.1.
func (c *Conn) priorityUpdate(f *Frame) *Error {
	id := binary.BigEndian.Uint32(f.Payload) &^ (1 << 31)
	if c.role == Client || id == 0 || id&1 == 0 {
		return f.fail(fault.RuleH2StreamID, ProtocolError)
	}
	u := ParsePriority(f.Payload[4:])
	if st := c.find(id); st != nil {
		st.Urgency = u
		return nil
	}
	if id <= c.lastPeer {
		return nil
	}
	for i := range c.early {
		if c.early[i].stream == id {
			c.early[i].urgency = u
			return nil
		}
	}
	if len(c.early) < earlyMax {
		c.early = append(c.early, early{id, u})
	}
	return nil
}

// takeEarly is the priority that was told for a stream before it was opened.
func (c *Conn) takeEarly(id uint32) Urgency {
	u := Urgency{Level: urgencyDefault}
	kept := c.early[:0]
	for _, e := range c.early {
		switch {
		case e.stream == id:
			u = e.urgency
		case e.stream > id:
			kept = append(kept, e)
		}
	}
	c.early = kept
	return u
}
