package h2

import (
	"encoding/binary"
	"math"

	"github.com/whygate/whygate/internal/fault"
)

// The settings of RFC 9113, section 6.5.2, RFC 8441, section 3, and RFC 9218, section 2.1.
const (
	settingHeaderTableSize      = 0x1
	settingEnablePush           = 0x2
	settingMaxConcurrentStreams = 0x3
	settingInitialWindowSize    = 0x4
	settingMaxFrameSize         = 0x5
	settingMaxHeaderListSize    = 0x6
	settingEnableConnect        = 0x8
	settingNoPriorities         = 0x9
)

const (
	settingSize = 6 // octets: a 16-bit name and a 32-bit value
	// settingsMax is how many settings one frame may have. Nine are defined; the rest is room for ones to come.
	settingsMax = 64
)

// WindowDefault is the size of every window before anybody changes it: RFC 9113, section 6.9.2. WindowMax is the largest.
const (
	WindowDefault = 1<<16 - 1
	WindowMax     = 1<<31 - 1
)

// Settings are what one endpoint tells the other. For ours, 0 stands for the RFC's default and is not sent.
type Settings struct {
	MaxStreams    uint32 // SETTINGS_MAX_CONCURRENT_STREAMS, math.MaxUint32 where the peer has set no limit
	InitialWindow uint32 // SETTINGS_INITIAL_WINDOW_SIZE, octets; ours may not be less than WindowDefault
	MaxFrame      uint32 // SETTINGS_MAX_FRAME_SIZE, octets; ours is FrameMax, and this is not looked at
	MaxHeaderList uint32 // SETTINGS_MAX_HEADER_LIST_SIZE, octets, math.MaxUint32 where the peer has set no limit
	Connect       bool   // SETTINGS_ENABLE_CONNECT_PROTOCOL: extended CONNECT
	NoPriorities  bool   // SETTINGS_NO_RFC7540_PRIORITIES
	NoPush        bool   // SETTINGS_ENABLE_PUSH is 0
}

// defaultSettings are a peer's before its first SETTINGS frame.
func defaultSettings() Settings {
	return Settings{MaxStreams: math.MaxUint32, InitialWindow: WindowDefault, MaxFrame: FrameMax, MaxHeaderList: math.MaxUint32}
}

// appendSettings appends a SETTINGS frame.
func appendSettings(dst []byte, s *Settings) []byte {
	start := len(dst)
	dst = AppendFrameHead(dst, 0, SettingsFrame, 0, 0)
	one := func(id uint16, value uint32) {
		dst = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(dst, id), value)
	}
	if s.NoPush {
		one(settingEnablePush, 0)
	}
	if s.MaxStreams != 0 {
		one(settingMaxConcurrentStreams, s.MaxStreams)
	}
	if s.InitialWindow != 0 {
		one(settingInitialWindowSize, s.InitialWindow)
	}
	if s.MaxHeaderList != 0 {
		one(settingMaxHeaderListSize, s.MaxHeaderList)
	}
	if s.Connect {
		one(settingEnableConnect, 1)
	}
	if s.NoPriorities {
		one(settingNoPriorities, 1)
	}
	patchLength(dst[start:], len(dst)-start-FrameHead)
	return dst
}

// settings takes a SETTINGS frame of the peer: RFC 9113, section 6.5.3, wants the values in their order.
func (c *Conn) settings(f *Frame) *Error {
	if n := len(f.Payload) / settingSize; n > settingsMax {
		e := f.fail(fault.RuleH2SettingCount, EnhanceYourCalm)
		e.Limit, e.Size = settingsMax, int64(n)
		return e
	}
	for i := 0; i < len(f.Payload); i += settingSize {
		id, value := binary.BigEndian.Uint16(f.Payload[i:]), binary.BigEndian.Uint32(f.Payload[i+2:])
		if rule, code := c.setting(id, value); rule != fault.RuleNone {
			e := f.fail(rule, code)
			e.Offset, e.Size = int64(i), int64(value)
			if int(id) < len(settingNames) {
				e.Field = settingNames[id]
			}
			return e
		}
	}
	return nil
}

var settingNames = [...]string{
	"", "SETTINGS_HEADER_TABLE_SIZE", "SETTINGS_ENABLE_PUSH", "SETTINGS_MAX_CONCURRENT_STREAMS", "SETTINGS_INITIAL_WINDOW_SIZE", "SETTINGS_MAX_FRAME_SIZE",
	"SETTINGS_MAX_HEADER_LIST_SIZE", "", "SETTINGS_ENABLE_CONNECT_PROTOCOL", "SETTINGS_NO_RFC7540_PRIORITIES",
}

// setting takes one setting. SETTINGS_HEADER_TABLE_SIZE is not kept: our encoder uses no table. Unknown ones are ignored.
func (c *Conn) setting(id uint16, value uint32) (fault.Rule, Code) {
	p := &c.peer
	switch id {
	case settingEnablePush:
		// A server must not send anything but 0, which RFC 9113, section 6.5.2, makes an error of the client to accept.
		if value > 1 || value == 1 && c.role == Client {
			return fault.RuleH2Setting, ProtocolError
		}
		p.NoPush = value == 0
	case settingMaxConcurrentStreams:
		p.MaxStreams = value
	case settingInitialWindowSize:
		if value > WindowMax {
			return fault.RuleH2SettingWindow, FlowControlError
		}
		if !c.shiftWindows(int64(value) - int64(p.InitialWindow)) {
			return fault.RuleH2WindowOverflow, FlowControlError
		}
		p.InitialWindow = value
	case settingMaxFrameSize:
		if value < FrameMax || value > 1<<24-1 {
			return fault.RuleH2Setting, ProtocolError
		}
		p.MaxFrame = value
	case settingMaxHeaderListSize:
		p.MaxHeaderList = value
	case settingEnableConnect: // RFC 8441, section 3: 0 or 1, and never 0 after 1
		if value > 1 || value == 0 && p.Connect {
			return fault.RuleH2Setting, ProtocolError
		}
		p.Connect = value == 1
	case settingNoPriorities: // RFC 9218, section 2.1: 0 or 1, and the same in every frame
		if value > 1 || c.gotSettings && (value == 1) != p.NoPriorities {
			return fault.RuleH2Setting, ProtocolError
		}
		p.NoPriorities = value == 1
	}
	return fault.RuleNone, NoError
}

// shiftWindows changes what may be sent on every stream: RFC 9113, section 6.9.2. A window may become negative.
func (c *Conn) shiftWindows(delta int64) bool {
	for _, st := range c.streams {
		if st.send+delta > WindowMax {
			return false
		}
		st.send += delta
	}
	return true
}
