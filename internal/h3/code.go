package h3

import (
	"fmt"
	"strconv"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
)

// Code is an error code of RFC 9114, section 8.1, or RFC 9204, section 6.
type Code uint64

// The codes.
const (
	NoError              Code = 0x100
	GeneralProtocolError Code = 0x101
	InternalError        Code = 0x102
	StreamCreationError  Code = 0x103
	ClosedCriticalStream Code = 0x104
	FrameUnexpected      Code = 0x105
	FrameError           Code = 0x106
	ExcessiveLoad        Code = 0x107
	IDError              Code = 0x108
	SettingsError        Code = 0x109
	MissingSettings      Code = 0x10a
	RequestRejected      Code = 0x10b
	RequestCancelled     Code = 0x10c
	RequestIncomplete    Code = 0x10d
	MessageError         Code = 0x10e
	ConnectError         Code = 0x10f
	VersionFallback      Code = 0x110
	DecompressionFailed  Code = 0x200
	EncoderStreamError   Code = 0x201
	DecoderStreamError   Code = 0x202
)

var codeNames = map[Code]string{
	NoError: "H3_NO_ERROR", GeneralProtocolError: "H3_GENERAL_PROTOCOL_ERROR", InternalError: "H3_INTERNAL_ERROR", StreamCreationError: "H3_STREAM_CREATION_ERROR",
	ClosedCriticalStream: "H3_CLOSED_CRITICAL_STREAM", FrameUnexpected: "H3_FRAME_UNEXPECTED", FrameError: "H3_FRAME_ERROR", ExcessiveLoad: "H3_EXCESSIVE_LOAD",
	IDError: "H3_ID_ERROR", SettingsError: "H3_SETTINGS_ERROR", MissingSettings: "H3_MISSING_SETTINGS", RequestRejected: "H3_REQUEST_REJECTED",
	RequestCancelled: "H3_REQUEST_CANCELLED", RequestIncomplete: "H3_REQUEST_INCOMPLETE", MessageError: "H3_MESSAGE_ERROR", ConnectError: "H3_CONNECT_ERROR",
	VersionFallback: "H3_VERSION_FALLBACK", DecompressionFailed: "QPACK_DECOMPRESSION_FAILED", EncoderStreamError: "QPACK_ENCODER_STREAM_ERROR",
	DecoderStreamError: "QPACK_DECODER_STREAM_ERROR",
}

// String is the code's name in the RFC, or its number.
func (c Code) String() string {
	if name := codeNames[c]; name != "" {
		return name
	}
	return "0x" + strconv.FormatUint(uint64(c), 16)
}

// Error says which rule the peer broke, and what must become of it: RFC 9114, section 8.
type Error struct {
	Rule   fault.Rule
	Code   Code
	Fatal  bool   // the connection cannot go on; else it is the stream's alone
	Offset int64  // octets before the one that broke the rule, in the header block
	Limit  int64  // the limit passed, where Rule is one: octets, or a count
	Size   int64  // what was seen against Limit
	Field  string // the name of the header that Rule is about, empty if it is about none
	Value  string // the part of a value that Rule is about
}

func (e *Error) Error() string {
	s := fmt.Sprintf("rule %v broken: %v", e.Rule, e.Code)
	if e.Field != "" {
		s += ", field " + e.Field
	}
	if e.Limit != 0 {
		s += fmt.Sprintf(", %d of at most %d", e.Size, e.Limit)
	}
	return s
}

// TooLarge reports whether the message broke a limit of ours and nothing else: it can be answered.
func (e *Error) TooLarge() bool { return !e.Fatal && e.Code == ExcessiveLoad }

func fatal(rule fault.Rule, code Code) *Error { return &Error{Rule: rule, Code: code, Fatal: true} }

// of is an Error of package h2 as HTTP/3 tells it. One of the compression ends the connection (RFC 9204, section 2.2.3), any other one
// is the stream's.
func of(err *h2.Error) *Error {
	if err == nil {
		return nil
	}
	e := &Error{Rule: err.Rule, Code: MessageError, Offset: err.Offset, Limit: err.Limit, Size: err.Size, Field: err.Field, Value: err.Value}
	switch err.Code {
	case h2.CompressionError:
		e.Code, e.Fatal = DecompressionFailed, true
	case h2.EnhanceYourCalm:
		e.Code = ExcessiveLoad
	}
	return e
}
