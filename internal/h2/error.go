package h2

import (
	"fmt"

	"github.com/whygate/whygate/internal/fault"
)

// Code is an error code of RFC 9113, section 7. It is fault's, since evidence names it.
type Code = fault.ErrorCode

const (
	NoError            = fault.CodeNoError
	ProtocolError      = fault.CodeProtocolError
	InternalError      = fault.CodeInternalError
	FlowControlError   = fault.CodeFlowControlError
	SettingsTimeout    = fault.CodeSettingsTimeout
	StreamClosed       = fault.CodeStreamClosed
	FrameSizeError     = fault.CodeFrameSizeError
	RefusedStream      = fault.CodeRefusedStream
	Cancel             = fault.CodeCancel
	CompressionError   = fault.CodeCompressionError
	ConnectError       = fault.CodeConnectError
	EnhanceYourCalm    = fault.CodeEnhanceYourCalm
	InadequateSecurity = fault.CodeInadequateSecurity
	HTTP11Required     = fault.CodeHTTP11Required
)

// Error says which rule the peer broke, where, and what must become of it: RFC 9113, section 5.4. With a Stream it is that
// stream's alone and is told by RST_STREAM; without one the connection ends with GOAWAY. Both name Code.
type Error struct {
	Rule   fault.Rule
	Code   Code
	Stream uint32    // 0 where the connection cannot go on
	Frame  FrameType // the frame that broke the rule, or in which the block began
	Offset int64     // octets before the one that broke the rule, in the frame's payload or in the field block
	Limit  int64     // the limit passed, where Rule is one: octets, or a count
	Size   int64     // what was seen against Limit
	Field  string    // the name of the field or the setting that Rule is about, empty if it is about none
	Value  string    // the part of a value that Rule is about, at most valueMax octets
}

// valueMax bounds what an Error repeats of a message: enough for a number, a name or a host.
const valueMax = 80

func (e *Error) Error() string {
	s := fmt.Sprintf("rule %v broken in %v", e.Rule, e.Frame)
	if e.Stream != 0 {
		s += fmt.Sprintf(" on stream %d", e.Stream)
	}
	s += fmt.Sprintf(" at octet %d: %v", e.Offset, e.Code)
	if e.Field != "" {
		s += ", field " + e.Field
	}
	if e.Limit != 0 {
		s += fmt.Sprintf(", %d of at most %d", e.Size, e.Limit)
	}
	return s
}

// Fatal reports whether the connection cannot go on.
func (e *Error) Fatal() bool { return e.Stream == 0 }

func clip(b []byte) string { return string(b[:min(len(b), valueMax)]) }
