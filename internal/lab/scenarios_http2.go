package lab

import (
	"fmt"
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// status200 is the header block ":status: 200", from the static table.
const status200 = "\x88"

const (
	whyMalformed = "RFC 9113, section 8.1.1: a malformed message is not passed on."
	whyRepeated  = "RFC 9113, section 8.7: what was not acted on may be repeated, whatever its method."
	whyHTTP2     = "RFC 9113, section 8.1"
)

// goAway is a GOAWAY frame: the last stream that was acted on, and an error code.
func goAway(last, code uint32) Step {
	return Send(frame(frameGoAway, 0, 0, number32(last)+number32(code)))
}

// resetStream is RST_STREAM for the request.
func resetStream(code uint32) Step { return Frame(frameReset, 0, number32(code)) }

// head2 is the head of an answer that has a body.
func head2(fields ...string) Step { return Frame(frameHeaders, flagEndHeaders, status200+join(fields)) }

func join(texts []string) string { return strings.Join(texts, "") }

// whole2 are the frames of a whole answer.
func whole2() Plays {
	return Plays{head2(fields("content-length", "12", "content-type", "text/plain")), Frame(frameData, flagEndStream, okBody)}
}

// serve2 reads requests to their ends, one after the other, and does the steps for each.
func serve2(steps ...Step) Step {
	return Loop(append([]Step{AwaitStream(), AwaitStreamEnd()}, steps...)...)
}

// over2 is a scenario of an upstream that is asked in HTTP/2 with prior knowledge.
func over2(name, row, does, why string, want Want, ask Ask, steps ...Step) Scenario {
	return Scenario{Name: name, Group: HTTP2, Row: row, Does: does, Why: why, At: At{Scheme: "h2c"}, Plays: steps, Ask: ask, Want: want}
}

// h2 is a scenario of an upstream that reads a GET in HTTP/2 and does the steps.
func h2(name, row, does, why string, want Want, steps ...Step) Scenario {
	return over2(name, row, does, why, want, Ask{}, append(Plays{Preface(""), AwaitStream()}, steps...)...)
}

// breaks2 is a scenario in which the answer's head breaks a rule.
func breaks2(name, does, why string, steps ...Step) Scenario {
	return h2(name, "X10", does, why, want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2ProtocolError, fault.CauseBadField), append(steps, Silent())...)
}

var (
	post2  = Ask{Method: "POST", Body: 1 << 10}
	whole  = Want{Status: []int{200}, Body: okBody, Size: int64(len(okBody))}
	ended2 = broken(append([]fault.Type{fault.TypeHTTPProtocolError}, cutTypes...), fault.CauseHTTP2StreamCut, fault.CauseHTTP2StreamReset, fault.CauseHTTP2GoAway, fault.CauseBodyShort, fault.CauseHTTP2ProtocolError)
)

var http2Scenarios = []Scenario{
	h2("h2-ok", "", "A stream is answered with 200 and no body.", whyHTTP2, Want{Status: []int{200}}, Frame(frameHeaders, flagEndHeaders|flagEndStream, status200), Silent()),
	over2("h2-ok-body", "", "A body comes in three frames of DATA, one of them padded and one empty.", whyHTTP2, whole, Ask{Times: 2},
		Preface(""), serve2(head2(fields("content-type", "text/plain")), Frame(frameData, flagPadded, "\x03"+okBody[:5]+"\x00\x00\x00"), Frame(frameData, 0, okBody[5:]), Frame(frameData, flagEndStream, ""))),
	over2("h2-ok-trailers", "", "Trailers follow the body.", whyHTTP2, whole, Ask{}, Preface(""),
		serve2(head2(fields("trailer", "x-checksum")), Frame(frameData, 0, okBody), Frame(frameHeaders, flagEndHeaders|flagEndStream, fields("x-checksum", "7")))),
	over2("h2-ok-103", "", "An interim answer 103 comes before the final one.", "RFC 9110, section 15.2: a proxy forwards interim answers.", Want{Status: []int{200}, Body: okBody, Size: 12, Interim: 1}, Ask{},
		append(Plays{Preface(""), AwaitStream(), AwaitStreamEnd(), Frame(frameHeaders, flagEndHeaders, fields(":status", "103", "link", "</a.css>; rel=preload")), Wait(beat)}, append(whole2(), Silent())...)...),
	over2("h2-ok-continuation", "", "The head comes in HEADERS and two CONTINUATIONs.", "RFC 9113, section 6.10", whole, Ask{}, Preface(""),
		serve2(Frame(frameHeaders, 0, status200), Frame(frameContinuation, 0, fields("content-type", "text/plain")), Frame(frameContinuation, flagEndHeaders, fields("x-more", "1")), Frame(frameData, flagEndStream, okBody))),
	over2("h2-ok-unknown-frame", "", "A frame of a type that nobody knows comes before the answer.", "RFC 9113, section 5.5: unknown frames are ignored.", whole, Ask{}, Preface(""),
		serve2(append(Plays{Frame(0xfa, 0, "what is this?")}, whole2()...)...)),
	over2("h2-ok-ping", "", "The upstream sends PING, and answers only when it was acknowledged.", "RFC 9113, section 6.7: PING is acknowledged.", whole, Ask{}, Preface(""),
		serve2(append(Plays{Send(frame(framePing, 0, 0, "are you?")), AwaitFrame(framePing, flagAck)}, whole2()...)...)),
	over2("h2-ok-small-window", "", "The window for an upload is 100 bytes, and opens as it is read.", "RFC 9113, section 5.2", whole, Ask{Method: "POST", Body: 2000},
		Preface(setting(settingInitialWindow, 100)), serve2(whole2()...)),
	over2("h2-ok-one-stream", "", "One stream at a time is allowed, and four requests come at once.", "RFC 9113, section 5.1.2: others wait, or take another connection.", whole, Ask{Times: 4, Together: true},
		Preface(setting(settingMaxStreams, 1)), serve2(append(Plays{Wait(beat)}, whole2()...)...)),
	over2("h2-ok-goaway", "", "GOAWAY announces the end of the connection, and the request is answered all the same.", "RFC 9113, section 6.8: streams up to the last one are completed.", whole, Ask{Times: 2},
		append(Plays{Preface(""), AwaitStream(), AwaitStreamEnd(), goAway(1, 0), Wait(beat)}, append(whole2(), Close())...)...),
	over2("h2-ok-early-answer", "", "An upload is refused with 413 before it was read, and RST_STREAM NO_ERROR stops it.", "RFC 9113, section 8.1: the answer is complete, and is not discarded.", Want{Status: []int{413}}, Ask{Method: "POST", Body: 256 << 10},
		Preface(""), AwaitStream(), Frame(frameHeaders, flagEndHeaders|flagEndStream, fields(":status", "413")), resetStream(0), Silent()),

	h2("h2-goaway-unprocessed", "X1", "GOAWAY with last stream 0: the request was not acted on.", whyRepeated, want502(fault.TypeConnectionTerminated, fault.CauseHTTP2GoAway), goAway(0, 0), Close()),
	over2("h2-goaway-saved", "X1", "GOAWAY with last stream 0 for a POST; the next connection is served.", whyRepeated, savedFrom(fault.CauseHTTP2GoAway), post2,
		Preface(""), AwaitStream(), First(1, Plays{goAway(0, 0), Close()}, append(Plays{AwaitStreamEnd()}, append(whole2(), Silent())...))),
	h2("h2-goaway-calm", "X2", "GOAWAY ENHANCE_YOUR_CALM with last stream 1: it may have been acted on.", "RFC 9113, section 6.8", want502(fault.TypeConnectionTerminated, fault.CauseHTTP2GoAway), goAway(1, 11), Close()),
	h2("h2-goaway-in-body", "X2", "GOAWAY INTERNAL_ERROR comes after 640 bytes of the body, and the connection is closed.", whyIncomplete, ended2, head2(), Frame(frameData, 0, filler(640)), Wait(beat), goAway(1, 2), Close()),
	h2("h2-refused-stream", "X3", "RST_STREAM REFUSED_STREAM: the request was not acted on.", whyRepeated, Want{Status: []int{502, 503}, Types: []fault.Type{fault.TypeDestinationUnavailable}, Cause: []fault.Cause{fault.CauseHTTP2RefusedStream}}, resetStream(7), Silent()),
	over2("h2-refused-saved", "X3", "RST_STREAM REFUSED_STREAM for a POST; its repetition is served.", whyRepeated, savedFrom(fault.CauseHTTP2RefusedStream), post2,
		Preface(""), Loop(AwaitStream(), First(1, Plays{resetStream(7)}, append(Plays{AwaitStreamEnd()}, whole2()...)))),
	h2("h2-stream-internal-error", "X4", "RST_STREAM INTERNAL_ERROR.", whyProtocol, want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2StreamReset), resetStream(2), Silent()),
	h2("h2-stream-cancel", "X4", "RST_STREAM CANCEL.", whyProtocol, want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2StreamReset), resetStream(8), Silent()),
	h2("h2-stream-reset-in-body", "X4", "RST_STREAM INTERNAL_ERROR comes after 640 bytes of the body.", whyIncomplete, ended2, head2(), Frame(frameData, 0, filler(640)), Wait(beat), resetStream(2), Silent()),
	h2("h2-http11-required", "X5", "RST_STREAM HTTP_1_1_REQUIRED.", "RFC 9113, section 7: the request is to be sent in HTTP/1.1.", want502(fault.TypeHTTPUpgradeFailed, fault.CauseHTTP2NotWanted), resetStream(13), Silent()),
	over2("h2-no-settings", "X6", "The preface is read, and no SETTINGS frame comes.", whyReadTime, Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionReadTimeout}, Cause: []fault.Cause{fault.CauseHTTP2NoSettings}}, Ask{}, AwaitOctets(prefaceSize), Hold()),
	h2("h2-frame-too-large", "X7", "A frame announces 1 MiB.", "RFC 9113, section 4.2: FRAME_SIZE_ERROR", want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2ProtocolError), Send("\x10\x00\x00\x00\x00\x00\x00\x00\x01"), Hold()),
	h2("h2-window-zero", "X8", "A WINDOW_UPDATE of 0.", "RFC 9113, section 6.9: PROTOCOL_ERROR", want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2ProtocolError), Frame(frameWindow, 0, number32(0)), Silent()),
	h2("h2-window-overflow", "X8", "A WINDOW_UPDATE makes the connection's window larger than 31 bits hold.", "RFC 9113, section 6.9.1: FLOW_CONTROL_ERROR", want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2ProtocolError), Send(frame(frameWindow, 0, 0, number32(1<<31-1))), Silent()),
	over2("h2-answered-in-http1", "X9", "The preface is answered with an HTTP/1.1 error.", "RFC 9209, section 2.3.27: http_upgrade_failed, 502", want502(fault.TypeHTTPUpgradeFailed, fault.CauseHTTP1OnHTTP2Port), Ask{},
		AwaitOctets(prefaceSize), Answer("400 Bad Request", "what is this?\n", "Connection: close"), Close()),
	breaks2("h2-no-status", "A HEADERS frame without :status.", "RFC 9113, section 8.3.2: malformed", Frame(frameHeaders, flagEndHeaders|flagEndStream, "")),
	h2("h2-bad-status", "X10", "The status is no number.", "RFC 9113, section 8.3.2: malformed", want502(fault.TypeHTTPProtocolError, fault.CauseBadStatusLine, fault.CauseHTTP2ProtocolError), Frame(frameHeaders, flagEndHeaders|flagEndStream, fields(":status", "fine")), Silent()),
	breaks2("h2-status-twice", "There are two statuses.", "RFC 9113, section 8.3: malformed", Frame(frameHeaders, flagEndHeaders|flagEndStream, status200+fields(":status", "404"))),
	breaks2("h2-status-late", "A header comes before :status.", "RFC 9113, section 8.3: malformed", Frame(frameHeaders, flagEndHeaders|flagEndStream, fields("server", "lab")+status200)),
	breaks2("h2-upper-case", "A header's name has capitals.", "RFC 9113, section 8.2.1: malformed", Frame(frameHeaders, flagEndHeaders|flagEndStream, status200+fields("X-Served-By", "lab"))),
	breaks2("h2-space-before-value", "A header's value begins with a space.", "RFC 9113, section 8.2.1: malformed", Frame(frameHeaders, flagEndHeaders|flagEndStream, status200+fields("x-served-by", " lab"))),
	breaks2("h2-connection-header", "The answer has the header Connection.", "RFC 9113, section 8.2.2: malformed", Frame(frameHeaders, flagEndHeaders|flagEndStream, status200+fields("connection", "keep-alive"))),
	h2("h2-length-short", "X10", "1,000 bytes are announced, and the stream ends after 640.", whyMalformed, ended2, head2(fields("content-length", "1000")), Frame(frameData, 0, filler(640)), Wait(beat), Frame(frameData, flagEndStream, ""), Silent()),
	h2("h2-length-long", "X10", "10 bytes are announced, and 640 come.", whyMalformed, Want{Status: []int{200, 502}, Cut: true, Types: ended2.Types, Cause: ended2.Cause}, head2(fields("content-length", "10")), Wait(beat), Frame(frameData, flagEndStream, filler(640)), Silent()),
	h2("h2-compression-error", "X11", "A header block with an index that does not exist.", "RFC 9113, section 4.3: COMPRESSION_ERROR", want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2ProtocolError), Frame(frameHeaders, flagEndHeaders|flagEndStream, "\xff\x7f"), Silent()),
	h2("h2-head-too-large", "X11", "The head has some 600 KB, in CONTINUATIONs.", "RFC 9113, section 10.5.1: an endpoint limits what it takes.", Want{Status: []int{502}, Types: []fault.Type{fault.TypeHTTPResponseHeaderSection, fault.TypeHTTPResponseHeader, fault.TypeHTTPProtocolError}, Cause: []fault.Cause{fault.CauseHeadTooLarge, fault.CauseHTTP2ProtocolError}},
		Frame(frameHeaders, 0, status200), manyFields(40), Frame(frameContinuation, flagEndHeaders, ""), Silent()),
	h2("h2-head-interrupted", "X11", "A frame of DATA comes in the middle of a header block.", "RFC 9113, section 6.10: PROTOCOL_ERROR", want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2ProtocolError), Frame(frameHeaders, 0, status200), Frame(frameData, flagEndStream, okBody), Silent()),
	h2("h2-push", "X7", "A PUSH_PROMISE comes, though nobody takes pushes.", "RFC 9113, section 8.4: PROTOCOL_ERROR where push is switched off", want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2ProtocolError), Frame(framePush, flagEndHeaders, number32(2)+fields(":method", "GET", ":scheme", "http", ":authority", "lab.test", ":path", "/pushed")), Silent()),
	h2("h2-strange-stream", "X7", "An answer comes on a stream that nobody opened.", "RFC 9113, section 5.1: PROTOCOL_ERROR", want502(fault.TypeHTTPProtocolError, fault.CauseHTTP2ProtocolError), Send(frame(frameHeaders, flagEndHeaders|flagEndStream, 101, status200)), Silent()),

	h2("h2-closed", "X14", "The request is read, and the connection is closed without an answer.", whyTerminated, want502(fault.TypeConnectionTerminated, fault.CauseClosedBeforeAnswer, fault.CauseHTTP2StreamCut), Close()),
	h2("h2-reset", "X14", "The request is read, and the connection is reset.", whyTerminated, want502(fault.TypeConnectionTerminated, fault.CauseResetBeforeAnswer), Reset()),
	h2("h2-stream-cut", "X14", "The connection is closed between HEADERS and the end of the stream.", whyIncomplete, Want{Status: []int{200, 502}, Cut: true, Types: cutTypes, Cause: []fault.Cause{fault.CauseHTTP2StreamCut}}, head2(), Wait(beat), Close()),
	h2("h2-silent", "R12", "The request is read, PING is acknowledged, and no answer comes.", whyReadTime, Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionReadTimeout}, Cause: []fault.Cause{fault.CauseHeadTimeout}}, Silent()),
	h2("h2-body-stalled", "R14", "The body stops after 640 bytes, and the stream stays open.", whyIncomplete, Want{Status: []int{200, 504}, Cut: true, Types: []fault.Type{fault.TypeConnectionReadTimeout}, Cause: []fault.Cause{fault.CauseBodyStalled}}, head2(), Frame(frameData, 0, filler(640)), Silent()),
	over2("h2-upload-not-read", "R33", "The upload is not read: the window stays closed.", whyWriteEnd, Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionWriteTimeout}, Cause: []fault.Cause{fault.CauseUploadStalled}}, Ask{Method: "POST", Body: 256 << 10}, Preface(""), AwaitStream(), Silent()),
}

// savedFrom is what becomes of a request that was repeated after the fault.
func savedFrom(c fault.Cause) Want {
	return Want{Status: []int{200}, Body: okBody, Saved: true, Cause: []fault.Cause{c}}
}

// manyFields sends so many CONTINUATION frames full of headers.
func manyFields(frames int) Step {
	var b strings.Builder
	for b.Len() < 15<<10 {
		b.WriteString(fields("x-filler", strings.Repeat("x", 100)))
	}
	payload := b.String()
	return Step{fmt.Sprintf("send CONTINUATION %d times on the request's stream, each with 15 KB of headers", frames), func(p *Peer) error {
		for range frames {
			if err := p.write(frame(frameContinuation, 0, p.stream.id, payload)); err != nil {
				return err
			}
		}
		return nil
	}}
}
