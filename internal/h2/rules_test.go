package h2

import (
	"fmt"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// broken are octets that break a rule, at a server unless it says otherwise: the rule, its code, and whether it is the stream's alone.
var broken = []struct {
	octets string // what comes behind the client's preface and SETTINGS, unless raw
	rule   fault.Rule
	code   Code
	stream uint32 // 0: the connection is over
}{
	// Section 4.
	{"\x00\x40\x01\x00\x00\x00\x00\x00\x01", fault.RuleH2FrameSize, FrameSizeError, 0},
	{get(1) + frame(Ping, 0, 0, "1234567"), fault.RuleH2FrameLength, FrameSizeError, 0},
	{frame(Ping, 0, 0, "123456789"), fault.RuleH2FrameLength, FrameSizeError, 0},
	{frame(SettingsFrame, 0, 0, "12345"), fault.RuleH2FrameLength, FrameSizeError, 0},
	{frame(SettingsFrame, FlagAck, 0, setting(3, 1)), fault.RuleH2FrameLength, FrameSizeError, 0},
	{post(1) + frame(RSTStream, 0, 1, "123"), fault.RuleH2FrameLength, FrameSizeError, 0},
	{post(1) + frame(WindowUpdate, 0, 1, "123"), fault.RuleH2FrameLength, FrameSizeError, 0},
	{frame(WindowUpdate, 0, 0, "12345"), fault.RuleH2FrameLength, FrameSizeError, 0},
	{frame(GoAway, 0, 0, "1234567"), fault.RuleH2FrameLength, FrameSizeError, 0},
	{frame(Priority, 0, 1, "1234"), fault.RuleH2FrameLength, FrameSizeError, 1},
	{frame(PriorityUpdate, 0, 0, "123"), fault.RuleH2FrameLength, FrameSizeError, 0},
	{post(1) + frame(Data, FlagPadded, 1, ""), fault.RuleH2FrameLength, FrameSizeError, 0},
	{frame(Headers, FlagEndHeaders|FlagPriority, 1, "1234"), fault.RuleH2FrameLength, FrameSizeError, 0},

	// Sections 5.1, 5.1.1 and 5.1.2.
	{frame(Data, 0, 1, "x"), fault.RuleH2StreamIdle, ProtocolError, 0},
	{frame(RSTStream, 0, 1, "1234"), fault.RuleH2StreamIdle, ProtocolError, 0},
	{frame(WindowUpdate, 0, 1, u32(1)), fault.RuleH2StreamIdle, ProtocolError, 0},
	{frame(WindowUpdate, 0, 2, u32(1)), fault.RuleH2StreamIdle, ProtocolError, 0},
	{get(1) + frame(Data, 0, 1, "x"), fault.RuleH2StreamClosed, StreamClosed, 1},
	{get(1) + head(1, FlagEndStream, "a: b"), fault.RuleH2StreamClosed, StreamClosed, 1},
	{post(1) + frame(RSTStream, 0, 1, u32(8)) + frame(Data, 0, 1, "x"), fault.RuleH2StreamClosed, StreamClosed, 1},
	{post(1) + frame(RSTStream, 0, 1, u32(8)) + get(1), fault.RuleH2StreamClosed, StreamClosed, 0},
	{get(2), fault.RuleH2StreamID, ProtocolError, 0},
	{get(5) + get(3), fault.RuleH2StreamID, ProtocolError, 0},
	{get(1) + get(3) + get(5) + get(7), fault.RuleH2StreamLimit, RefusedStream, 7},
	{frame(Priority, 0, 3, u32(3)+"\x00"), fault.RuleH2SelfDependency, ProtocolError, 3},
	{frame(Headers, FlagEndHeaders|FlagEndStream|FlagPriority, 1, u32(1)+"\x00"+literals(line("GET", "/")...)), fault.RuleH2SelfDependency, ProtocolError, 1},

	// Section 6.
	{frame(Data, 0, 0, "x"), fault.RuleH2StreamZero, ProtocolError, 0},
	{frame(Headers, FlagEndHeaders, 0, "\x82"), fault.RuleH2StreamZero, ProtocolError, 0},
	{frame(Priority, 0, 0, "12345"), fault.RuleH2StreamZero, ProtocolError, 0},
	{frame(RSTStream, 0, 0, "1234"), fault.RuleH2StreamZero, ProtocolError, 0},
	{frame(SettingsFrame, 0, 1, ""), fault.RuleH2StreamZero, ProtocolError, 0},
	{frame(Ping, 0, 1, "12345678"), fault.RuleH2StreamZero, ProtocolError, 0},
	{frame(GoAway, 0, 1, "12345678"), fault.RuleH2StreamZero, ProtocolError, 0},
	{frame(Continuation, 0, 0, ""), fault.RuleH2StreamZero, ProtocolError, 0},
	{frame(PriorityUpdate, 0, 1, u32(1)), fault.RuleH2StreamZero, ProtocolError, 0},
	{post(1) + frame(Data, FlagPadded, 1, "\x02ab"), fault.RuleNone, 0, 0},
	{post(1) + frame(Data, FlagPadded, 1, "\x03ab"), fault.RuleH2Padding, ProtocolError, 0},
	{frame(Headers, FlagPadded|FlagEndHeaders, 1, "\x01"), fault.RuleH2Padding, ProtocolError, 0},
	{frame(Headers, FlagPadded|FlagPriority|FlagEndHeaders, 1, "\x0212345"), fault.RuleH2Padding, ProtocolError, 0},
	{frame(Headers, 0, 1, "\x82") + get(3), fault.RuleH2Continuation, ProtocolError, 0},
	{frame(Headers, 0, 1, "\x82") + frame(Ping, 0, 0, "12345678"), fault.RuleH2Continuation, ProtocolError, 0},
	{frame(Headers, 0, 1, "\x82") + frame(0x77, 0, 1, ""), fault.RuleH2Continuation, ProtocolError, 0},
	{frame(Headers, 0, 1, "\x82") + frame(Continuation, FlagEndHeaders, 3, "\x84"), fault.RuleH2Continuation, ProtocolError, 0},
	{post(1) + frame(Continuation, FlagEndHeaders, 1, "\x84"), fault.RuleH2Continuation, ProtocolError, 0},
	{frame(PushPromise, FlagEndHeaders, 1, u32(2)), fault.RuleH2Push, ProtocolError, 0},
	{frame(SettingsFrame, 0, 0, setting(2, 2)), fault.RuleH2Setting, ProtocolError, 0},
	{frame(SettingsFrame, 0, 0, setting(4, 1<<31)), fault.RuleH2SettingWindow, FlowControlError, 0},
	{frame(SettingsFrame, 0, 0, setting(5, 1<<14-1)), fault.RuleH2Setting, ProtocolError, 0},
	{frame(SettingsFrame, 0, 0, setting(5, 1<<24)), fault.RuleH2Setting, ProtocolError, 0},
	{frame(SettingsFrame, 0, 0, setting(8, 2)), fault.RuleH2Setting, ProtocolError, 0},
	{frame(SettingsFrame, 0, 0, setting(8, 1)+setting(8, 0)), fault.RuleH2Setting, ProtocolError, 0},
	{frame(SettingsFrame, 0, 0, setting(9, 2)), fault.RuleH2Setting, ProtocolError, 0},
	{frame(SettingsFrame, 0, 0, setting(9, 1)), fault.RuleH2Setting, ProtocolError, 0},
	{frame(SettingsFrame, FlagAck, 0, "") + frame(SettingsFrame, FlagAck, 0, ""), fault.RuleH2SettingsAck, ProtocolError, 0},
	{frame(WindowUpdate, 0, 0, u32(0)), fault.RuleH2WindowZero, ProtocolError, 0},
	{post(1) + frame(WindowUpdate, 0, 1, u32(0)), fault.RuleH2WindowZero, ProtocolError, 1},
	{frame(WindowUpdate, 0, 0, u32(WindowMax)), fault.RuleH2WindowOverflow, FlowControlError, 0},
	{post(1) + frame(WindowUpdate, 0, 1, u32(WindowMax)), fault.RuleH2WindowOverflow, FlowControlError, 1},
	{post(1) + frame(WindowUpdate, 0, 1, u32(1000)) + frame(SettingsFrame, 0, 0, setting(4, WindowMax)), fault.RuleH2WindowOverflow, FlowControlError, 0},
	{frame(GoAway, 0, 0, u32(2)+u32(0)) + frame(GoAway, 0, 0, u32(4)+u32(0)), fault.RuleH2GoAway, ProtocolError, 0},
	{frame(PriorityUpdate, 0, 0, u32(0)), fault.RuleH2StreamID, ProtocolError, 0},
	{frame(PriorityUpdate, 0, 0, u32(2)), fault.RuleH2StreamID, ProtocolError, 0},

	// RFC 7541.
	{frame(Headers, FlagEndHeaders|FlagEndStream, 1, "\x80"), fault.RuleHPACKIndex, CompressionError, 0},
	{frame(Headers, FlagEndHeaders|FlagEndStream, 1, "\xbe"), fault.RuleHPACKIndex, CompressionError, 0},
	{frame(Headers, FlagEndHeaders|FlagEndStream, 1, "\x7f\x00\x01x"), fault.RuleHPACKIndex, CompressionError, 0},
	{frame(Headers, FlagEndHeaders|FlagEndStream, 1, "\xff\x80\x80\x80\x80\x80\x00"), fault.RuleHPACKInteger, CompressionError, 0},
	{frame(Headers, FlagEndHeaders|FlagEndStream, 1, "\x00\x01a\x02b"), fault.RuleHPACKCut, CompressionError, 0},
	{frame(Headers, FlagEndHeaders|FlagEndStream, 1, "\x00"), fault.RuleHPACKCut, CompressionError, 0},
	{frame(Headers, FlagEndHeaders|FlagEndStream, 1, "\x00\x01a\x81\x18"), fault.RuleHPACKHuffman, CompressionError, 0},
	{frame(Headers, FlagEndHeaders|FlagEndStream, 1, "\x3f\xe2\x1f"), fault.RuleHPACKTableSize, CompressionError, 0},
	{frame(Headers, FlagEndHeaders|FlagEndStream, 1, "\x82\x20"), fault.RuleHPACKTableSize, CompressionError, 0},
	{frame(Headers, FlagEndHeaders|FlagEndStream, 1, "\x20\x20\x20\x82"), fault.RuleHPACKTableSize, CompressionError, 0},
	{get(1) + frame(Headers, FlagEndHeaders|FlagEndStream, 1, "\xbe"), fault.RuleHPACKIndex, CompressionError, 0}, // though the stream is closed

	// Section 8.
	{get(1, "Upper: case"), fault.RuleH2FieldName, ProtocolError, 1},
	{get(1, "a b: c"), fault.RuleH2FieldName, ProtocolError, 1},
	{frame(Headers, FlagEndHeaders|FlagEndStream, 1, literals(line("GET", "/")...)+"\x00\x00\x01x"), fault.RuleH2FieldName, ProtocolError, 1},
	{get(1, "a:  b"), fault.RuleH2FieldValue, ProtocolError, 1},
	{get(1, "a: b\t"), fault.RuleH2FieldValue, ProtocolError, 1},
	{get(1, "a: b\x00c"), fault.RuleNUL, ProtocolError, 1},
	{get(1, "a: b\r\nc: d"), fault.RuleFieldValue, ProtocolError, 1},
	{get(1, "a: 0123456789\x7f"), fault.RuleFieldValue, ProtocolError, 1},
	{get(1, "connection: close"), fault.RuleH2ConnectionField, ProtocolError, 1},
	{get(1, "keep-alive: x"), fault.RuleH2ConnectionField, ProtocolError, 1},
	{get(1, "proxy-connection: x"), fault.RuleH2ConnectionField, ProtocolError, 1},
	{get(1, "transfer-encoding: chunked"), fault.RuleH2ConnectionField, ProtocolError, 1},
	{get(1, "upgrade: websocket"), fault.RuleH2ConnectionField, ProtocolError, 1},
	{get(1, "te: trailers, deflate"), fault.RuleH2TE, ProtocolError, 1},
	{get(1, ":new: x"), fault.RuleH2PseudoUnknown, ProtocolError, 1},
	{head(1, FlagEndStream, append([]string{":status: 200"}, line("GET", "/")...)...), fault.RuleH2PseudoUnknown, ProtocolError, 1},
	{head(1, FlagEndStream, append([]string{":new: 200"}, line("GET", "/")...)...), fault.RuleH2PseudoUnknown, ProtocolError, 1},
	{head(1, FlagEndStream, append([]string{":path: /"}, line("GET", "/")...)...), fault.RuleH2PseudoTwice, ProtocolError, 1},
	{head(1, FlagEndStream, append([]string{"a: b"}, line("GET", "/")...)...), fault.RuleH2PseudoLate, ProtocolError, 1},
	{post(1) + head(1, FlagEndStream, ":path: /"), fault.RuleH2PseudoLate, ProtocolError, 1},
	{head(1, FlagEndStream, line("GET", "/")[1:]...), fault.RuleH2PseudoMissing, ProtocolError, 1},
	{head(1, FlagEndStream, line("GET", "/")[:3]...), fault.RuleH2PseudoMissing, ProtocolError, 1},
	{head(1, FlagEndStream, ":method: GET", ":authority: a", ":path: /"), fault.RuleH2PseudoMissing, ProtocolError, 1},
	{head(1, FlagEndStream, ":method: GET", ":scheme: https", ":path: /"), fault.RuleH2PseudoMissing, ProtocolError, 1},
	{head(1, FlagEndStream, line("GE T", "/")...), fault.RuleMethod, ProtocolError, 1},
	{head(1, FlagEndStream, line("", "/")...), fault.RuleMethod, ProtocolError, 1},
	{head(1, FlagEndStream, line("GET", "")...), fault.RuleTarget, ProtocolError, 1},
	{head(1, FlagEndStream, line("GET", "*")...), fault.RuleTarget, ProtocolError, 1},
	{head(1, FlagEndStream, line("GET", "x")...), fault.RuleTarget, ProtocolError, 1},
	{head(1, FlagEndStream, line("GET", "/a b")...), fault.RuleTarget, ProtocolError, 1},
	{head(1, FlagEndStream, line("GET", "/#a")...), fault.RuleTarget, ProtocolError, 1},
	{head(1, FlagEndStream, ":method: GET", ":scheme: ftp", ":authority: a", ":path: /"), fault.RuleH2Scheme, ProtocolError, 1},
	{get(1, "host: b.test"), fault.RuleH2Authority, ProtocolError, 1},
	{head(1, FlagEndStream, ":method: GET", ":scheme: https", ":path: /", "host: a", "host: a"), fault.RuleHostMultiple, ProtocolError, 1},
	{head(1, FlagEndStream, ":method: GET", ":scheme: https", ":authority: u@a", ":path: /"), fault.RuleHostInvalid, ProtocolError, 1},
	{head(1, FlagEndStream, ":method: GET", ":scheme: https", ":authority: ", ":path: /"), fault.RuleHostInvalid, ProtocolError, 1},
	{head(1, 0, ":method: CONNECT", ":scheme: https", ":authority: a:1"), fault.RuleH2Connect, ProtocolError, 1},
	{head(1, 0, ":method: CONNECT", ":authority: a:1", ":path: /"), fault.RuleH2Connect, ProtocolError, 1},
	{head(1, 0, ":method: CONNECT", ":authority: a"), fault.RuleTarget, ProtocolError, 1},
	{head(1, 0, ":method: CONNECT", ":scheme: https"), fault.RuleH2PseudoMissing, ProtocolError, 1},
	{head(1, 0, append([]string{":protocol: websocket"}, line("GET", "/")...)...), fault.RuleH2Connect, ProtocolError, 1},
	{get(1, "content-length: 5"), fault.RuleH2Length, ProtocolError, 1},
	{post(1, "content-length: 5") + frame(Data, FlagEndStream, 1, "abc"), fault.RuleH2Length, ProtocolError, 1},
	{post(1, "content-length: 2") + frame(Data, 0, 1, "abc"), fault.RuleH2Length, ProtocolError, 1},
	{post(1, "content-length: 2") + frame(Data, 0, 1, "a") + head(1, FlagEndStream, "a: b"), fault.RuleH2Length, ProtocolError, 1},
	{post(1, "content-length: +2"), fault.RuleContentLength, ProtocolError, 1},
	{post(1, "content-length: "), fault.RuleContentLength, ProtocolError, 1},
	{post(1, "content-length: 9223372036854775808"), fault.RuleContentLengthOverflow, ProtocolError, 1},
	{post(1, "content-length: 2", "content-length: 2"), fault.RuleContentLengthConflict, ProtocolError, 1},
	{post(1) + head(1, 0, "a: b"), fault.RuleH2TrailersEnd, ProtocolError, 1},
	{post(1) + head(1, FlagEndStream, "content-type: x"), fault.RuleTrailer, ProtocolError, 1},

	// Limits of ours.
	{get(1, "a: "+strings.Repeat("x", headDefault)), fault.RuleHeadSize, EnhanceYourCalm, 1},
	{get(1, strings.Split(strings.Repeat("a: b,", httpmsg.FieldsMax+1), ",")[:httpmsg.FieldsMax+1]...), fault.RuleFieldCount, EnhanceYourCalm, 1},
	{post(1) + head(1, FlagEndStream, "a: "+strings.Repeat("x", trailersDefault)), fault.RuleTrailerSize, EnhanceYourCalm, 1},
	{frame(Headers, 0, 1, "\x82") + strings.Repeat(frame(Continuation, 0, 1, strings.Repeat("\x82", FrameMax)), 5), fault.RuleH2BlockSize, EnhanceYourCalm, 0},
	{frame(Headers, 0, 1, "") + strings.Repeat(frame(Continuation, 0, 1, ""), 30), fault.RuleH2BlockFrames, EnhanceYourCalm, 0},
	{frame(SettingsFrame, 0, 0, strings.Repeat(setting(0x7777, 1), settingsMax+1)), fault.RuleH2SettingCount, EnhanceYourCalm, 0},
}

func TestServerRefuses(t *testing.T) {
	for _, tt := range broken {
		e := newEndpoint(Config{Settings: Settings{MaxStreams: 3, Connect: true}})
		e.Start(nil)
		e.keep = true
		checkBroken(t, e.feed(clientStart+tt.octets), tt.octets, tt.rule, tt.code, tt.stream)
	}
}

func checkBroken(t *testing.T, e *endpoint, octets string, rule fault.Rule, code Code, stream uint32) {
	t.Helper()
	if len(octets) > 120 {
		octets = octets[:120]
	}
	switch {
	case rule == fault.RuleNone:
		if e.err != nil {
			t.Errorf("%q: %v", octets, e.err)
		}
	case e.err == nil:
		t.Errorf("%q: no error, want %v; %v", octets, rule, e.told)
	case e.err.Rule != rule || e.err.Code != code || e.err.Stream != stream:
		t.Errorf("%q: %v, want %v, %v, stream %d", octets, e.err, rule, code, stream)
	}
}

// The server's own windows, which are large elsewhere.
func TestServerRefusesTooMuchData(t *testing.T) {
	piece := func(stream uint32) string { return frame(Data, 0, stream, strings.Repeat("x", FrameMax)) }
	for _, tt := range []struct {
		octets string
		stream uint32
		window int64
	}{
		{post(1) + strings.Repeat(piece(1), 4), 1, 1 << 20},
		{post(1) + post(3) + strings.Repeat(piece(1), 2) + strings.Repeat(piece(3), 2), 0, 0},
		{post(1) + frame(Data, 0, 1, strings.Repeat("x", FrameMax-1)) + strings.Repeat(piece(1), 3), 0, 0}, // exactly full
	} {
		e := &slowEndpoint{newEndpoint(Config{Window: tt.window})}
		e.Start(nil)
		e.feed(t, clientStart+tt.octets)
		want := fault.RuleH2WindowExceeded
		if strings.Contains(tt.octets, frame(Data, 0, 1, strings.Repeat("x", FrameMax-1))) {
			want = fault.RuleNone
		}
		checkBroken(t, e.endpoint, tt.octets, want, FlowControlError, tt.stream)
	}
}

// slowEndpoint consumes nothing.
type slowEndpoint struct{ *endpoint }

func (e *slowEndpoint) feed(t *testing.T, octets string) {
	t.Helper()
	for in := []byte(octets); len(in) > 0; {
		var ev Event
		n, err := e.Next(in, &ev)
		if err == nil && ev.Kind == EventRequest {
			_, err = e.ReadRequest(&ev, new(Stream), nil, &e.req)
		}
		if err != nil {
			e.err = err
			return
		}
		if n == 0 {
			t.Fatal("more is needed")
		}
		in = in[n:]
	}
}

// What a client's preface can be: section 3.4.
func TestServerRefusesPreface(t *testing.T) {
	for _, octets := range []string{
		"GET / HTTP/1.1\r\n", "PRI * HTTP/2.1", Preface[:20] + "x", Preface + frame(Ping, 0, 0, "12345678"), Preface + get(1), Preface + frame(SettingsFrame, FlagAck, 0, ""),
		Preface + frame(WindowUpdate, 0, 0, u32(0)),
	} {
		e := newEndpoint(Config{})
		e.Start(nil)
		checkBroken(t, e.feed(octets), octets, fault.RuleH2Preface, ProtocolError, 0)
	}
}

// What a client refuses of a server, whose stream 1 answers a GET.
func TestClientRefuses(t *testing.T) {
	const settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	for _, tt := range []struct {
		octets string
		rule   fault.Rule
		code   Code
		stream uint32
	}{
		{"HTTP/1.1 400 Bad Request\r\n", fault.RuleH2Preface, ProtocolError, 0},
		{settings + frame(PushPromise, FlagEndHeaders, 1, u32(2)), fault.RuleH2Push, ProtocolError, 0},
		{settings + head(2, 0, ":status: 200"), fault.RuleH2StreamID, ProtocolError, 0},
		{settings + head(3, 0, ":status: 200"), fault.RuleH2StreamID, ProtocolError, 0},
		{settings + frame(SettingsFrame, 0, 0, setting(2, 1)), fault.RuleH2Setting, ProtocolError, 0},
		{settings + frame(PriorityUpdate, 0, 0, u32(1)), fault.RuleH2StreamID, ProtocolError, 0},
		{settings + frame(Data, 0, 1, "x"), fault.RuleH2DataEarly, ProtocolError, 1},
		{settings + head(1, 0, "a: b"), fault.RuleH2PseudoMissing, ProtocolError, 1},
		{settings + head(1, 0, ":status: 20"), fault.RuleStatusCode, ProtocolError, 1},
		{settings + head(1, 0, ":status: 2x0"), fault.RuleStatusCode, ProtocolError, 1},
		{settings + head(1, 0, ":status: 099"), fault.RuleStatusCode, ProtocolError, 1},
		{settings + head(1, 0, ":status: 101"), fault.RuleH2Status, ProtocolError, 1},
		{settings + head(1, FlagEndStream, ":status: 100"), fault.RuleH2TrailersEnd, ProtocolError, 1},
		{settings + head(1, 0, ":status: 200", ":path: /"), fault.RuleH2PseudoUnknown, ProtocolError, 1},
		{settings + head(1, 0, ":status: 200", "connection: close"), fault.RuleH2ConnectionField, ProtocolError, 1},
		{settings + head(1, 0, ":status: 200") + head(1, 0, ":status: 200"), fault.RuleH2TrailersEnd, ProtocolError, 1},
		{settings + head(1, 0, ":status: 200", "content-length: 5") + frame(Data, FlagEndStream, 1, "abc"), fault.RuleH2Length, ProtocolError, 1},
		{settings + head(1, 0, ":status: 200", "content-length: 5, 6"), fault.RuleContentLengthConflict, ProtocolError, 1},
		{settings + head(1, 0, ":status: 200", "content-length: 5", "content-length: x"), fault.RuleContentLength, ProtocolError, 1},
		{settings + head(1, FlagEndStream, ":status: 200", "content-length: 5"), fault.RuleH2Length, ProtocolError, 1},
		{settings + head(1, FlagEndStream, ":status: 204", "content-length: 5"), fault.RuleForbiddenFraming, ProtocolError, 1},
		{settings + head(1, 0, ":status: 103", "content-length: 0"), fault.RuleForbiddenFraming, ProtocolError, 1},
		{settings + head(1, 0, ":status: 304", "content-length: 5") + frame(Data, FlagEndStream, 1, "abcde"), fault.RuleH2Length, ProtocolError, 1},
		{settings + head(1, 0, ":status: 200", "content-length: 5, 5") + frame(Data, FlagEndStream, 1, "abcde"), fault.RuleNone, 0, 0},
		{settings + head(1, FlagEndStream, ":status: 304", "content-length: 5"), fault.RuleNone, 0, 0},
		{settings + head(1, FlagEndStream, ":status: 204", "content-length: 0"), fault.RuleNone, 0, 0},
		{settings + head(1, 0, ":status: 103", "link: x") + head(1, FlagEndStream, ":status: 200"), fault.RuleNone, 0, 0},
	} {
		e := newEndpoint(Config{Role: Client})
		e.Start(nil)
		if !e.Open(new(Stream), httpmsg.GET) {
			t.Fatal("no stream")
		}
		e.keep = true
		checkBroken(t, e.feed(tt.octets), tt.octets, tt.rule, tt.code, tt.stream)
	}
}

// Every rule of HTTP/2 is broken by a test here. Three are the server's, which counts what a connection costs.
func TestEveryRuleIsBroken(t *testing.T) {
	seen := map[fault.Rule]bool{
		fault.RuleH2Preface: true, fault.RuleH2WindowExceeded: true, fault.RuleH2DataEarly: true, fault.RuleH2Status: true,
		fault.RuleH2Strain: true, fault.RuleH2Stall: true, fault.RuleH2SettingsTimeout: true, fault.RuleH2Ping: true,
	}
	for _, tt := range broken {
		seen[tt.rule] = true
	}
	for i := range fault.Rules {
		r := fault.Rule(i)
		if of2 := strings.HasPrefix(r.String(), "h2_") || strings.HasPrefix(r.String(), "hpack_"); of2 && !seen[r] {
			t.Errorf("no test breaks %s", r)
		}
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	e := newEndpoint(Config{})
	e.feed(clientStart + get(1, "connection: close"))
	want := "rule h2_connection_field broken in HEADERS on stream 1 at octet 0: PROTOCOL_ERROR, field connection"
	if e.err == nil || e.err.Error() != want {
		t.Errorf("%v\nwant %s", e.err, want)
	}
	e = newEndpoint(Config{})
	e.feed(clientStart + frame(SettingsFrame, 0, 0, setting(3, 1)+setting(5, 7)))
	if e.err == nil || e.err.Field != "SETTINGS_MAX_FRAME_SIZE" || e.err.Offset != 6 || e.err.Size != 7 {
		t.Errorf("%+v", e.err)
	}
	if s := fmt.Sprint(Code(99), FrameType(0xee), HTTP11Required, PriorityUpdate); s != "code 99 frame type 0xee HTTP_1_1_REQUIRED PRIORITY_UPDATE" {
		t.Error(s)
	}
}
