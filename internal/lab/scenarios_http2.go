package lab

import "github.com/whygate/whygate/internal/fault"

// Frames of HTTP/2, RFC 9113, section 4.1: length (24 bits), type, flags, stream.
const (
	h2Settings    = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	h2SettingsAck = "\x00\x00\x00\x04\x01\x00\x00\x00\x00"
	h2Status200   = "\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88" // HEADERS of stream 1, END_STREAM: :status 200
	h2Head200     = "\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88" // the same without END_STREAM
	prefaceSize   = 24
)

// goAway is a GOAWAY frame: the last stream that was acted on, and an error code.
func goAway(last, code byte) string {
	return "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00" + string([]byte{last}) + "\x00\x00\x00" + string([]byte{code})
}

// resetStream is a RST_STREAM frame of stream 1.
func resetStream(code byte) string {
	return "\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00" + string([]byte{code})
}

// h2 is a scenario of an upstream that is asked in HTTP/2 with prior knowledge: it reads the preface and the first frames,
// sends its settings, and then the octets.
func h2(name, row, does, why string, want Want, steps ...Step) Scenario {
	opening := Plays{AwaitOctets(prefaceSize), Send(h2Settings + h2SettingsAck), AwaitOctets(9)}
	return Scenario{Name: name, Group: HTTP2, Row: row, Does: does, Why: why, At: At{Scheme: "h2c"}, Plays: append(opening, steps...), Want: want}
}

var http2Scenarios = []Scenario{
	h2("h2-ok", "", "A stream is answered with 200 and no body.", "RFC 9113, section 8.1", Want{Status: []int{200}}, Send(h2Status200), Hold()),
	h2("h2-goaway-unprocessed", "X1", "GOAWAY with last stream 0: the request was not acted on.", "RFC 9113, section 8.7: any method may be repeated.", want502(fault.TypeConnectionTerminated, fault.CauseHTTP2GoAway), Send(goAway(0, 0)), Close()),
	h2("h2-goaway-calm", "X2", "GOAWAY ENHANCE_YOUR_CALM with last stream 1: it may have been acted on.", "RFC 9113, section 6.8", want502(fault.TypeConnectionTerminated, fault.CauseHTTP2GoAway), Send(goAway(1, 11)), Close()),
	h2("h2-refused-stream", "X3", "RST_STREAM REFUSED_STREAM: the request was not acted on.", "RFC 9113, section 8.7: any method may be repeated.", Want{Status: []int{502, 503}, Types: []fault.Type{fault.TypeDestinationUnavailable}, Cause: []fault.Cause{fault.CauseHTTP2RefusedStream}}, Send(resetStream(7)), Hold()),
	h2("h2-stream-internal-error", "X4", "RST_STREAM INTERNAL_ERROR.", whyProtocol, want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2StreamReset), Send(resetStream(2)), Hold()),
	h2("h2-stream-cancel", "X4", "RST_STREAM CANCEL.", whyProtocol, want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2StreamReset), Send(resetStream(8)), Hold()),
	h2("h2-http11-required", "X5", "RST_STREAM HTTP_1_1_REQUIRED.", "RFC 9113, section 7: the request is to be sent in HTTP/1.1.", want502(fault.TypeHTTPUpgradeFailed, fault.CauseHTTP2NotWanted), Send(resetStream(13)), Hold()),
	{
		Name: "h2-no-settings", Group: HTTP2, Row: "X6", Does: "The preface is read, and no SETTINGS frame comes.", Why: whyReadTime, At: At{Scheme: "h2c"}, Plays: Plays{AwaitOctets(prefaceSize), Hold()},
		Want: Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionReadTimeout}, Cause: []fault.Cause{fault.CauseHTTP2NoSettings}},
	},
	h2("h2-frame-too-large", "X7", "A frame announces 1 MiB.", "RFC 9113, section 4.2: FRAME_SIZE_ERROR", want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2ProtocolError), Send("\x10\x00\x00\x00\x00\x00\x00\x00\x01"), Hold()),
	h2("h2-window-zero", "X8", "A WINDOW_UPDATE of 0.", "RFC 9113, section 6.9: PROTOCOL_ERROR", want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2ProtocolError), Send("\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x00"), Hold()),
	{
		Name: "h2-answered-in-http1", Group: HTTP2, Row: "X9", Does: "The preface is answered with an HTTP/1.1 error.", Why: "RFC 9209, section 2.3.27: http_upgrade_failed, 502", At: At{Scheme: "h2c"},
		Plays: Plays{AwaitOctets(prefaceSize), Answer("400 Bad Request", "what is this?\n", "Connection: close"), Close()}, Want: want502(fault.TypeHTTPUpgradeFailed, fault.CauseHTTP1OnHTTP2Port),
	},
	h2("h2-no-status", "X10", "A HEADERS frame without :status.", "RFC 9113, section 8.3.2: malformed", want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2ProtocolError), Send("\x00\x00\x00\x01\x05\x00\x00\x00\x01"), Hold()),
	h2("h2-compression-error", "X11", "A header block with an index that does not exist.", "RFC 9113, section 4.3: COMPRESSION_ERROR", want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2ProtocolError), Send("\x00\x00\x02\x01\x05\x00\x00\x00\x01\xff\x7f"), Hold()),
	h2("h2-stream-cut", "X14", "The connection is closed between HEADERS and the end of the stream.", whyIncomplete, Want{Status: []int{200, 502}, Cut: true, Types: cutTypes, Cause: []fault.Cause{fault.CauseHTTP2StreamCut}}, Send(h2Head200), Wait(beat), Close()),
}
