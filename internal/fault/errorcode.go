package fault

import (
	"fmt"
	"strconv"
	"strings"
)

// ErrorCode is why a peer ended a stream or a connection of HTTP/2: RFC 9113, section 7.
type ErrorCode uint32

// The codes of RFC 9113, section 7.
const (
	CodeNoError ErrorCode = iota
	CodeProtocolError
	CodeInternalError
	CodeFlowControlError
	CodeSettingsTimeout
	CodeStreamClosed
	CodeFrameSizeError
	CodeRefusedStream
	CodeCancel
	CodeCompressionError
	CodeConnectError
	CodeEnhanceYourCalm
	CodeInadequateSecurity
	CodeHTTP11Required
)

var codeNames = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL",
	"COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// String is the code's name, or its number where it has none.
func (c ErrorCode) String() string {
	if int64(c) < int64(len(codeNames)) {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint32(c))
}

// MarshalText makes JSON show the code's name.
func (c ErrorCode) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText finds the code by its name, or by its number where it has none.
func (c *ErrorCode) UnmarshalText(text []byte) error {
	for i, name := range codeNames {
		if name == string(text) {
			*c = ErrorCode(i)
			return nil
		}
	}
	number, found := strings.CutPrefix(string(text), "code ")
	n, err := strconv.ParseUint(number, 10, 32)
	if !found || err != nil {
		return fmt.Errorf("unknown error code %q", text)
	}
	*c = ErrorCode(n)
	return nil
}
