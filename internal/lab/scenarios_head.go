package lab

import (
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// beat is a pause between two writes, long enough that they are two segments and two reads.
const beat = 50 * time.Millisecond

const (
	whyTerminated = "RFC 9209, section 2.3.8: connection_terminated, 502"
	whyProtocol   = "RFC 9209, section 2.3.28: http_protocol_error, 502"
	whyIncomplete = "RFC 9209, section 2.3.18: http_response_incomplete, 502"
	whyReadTime   = "RFC 9209, section 2.3.10: connection_read_timeout, 504"
	whyField      = "RFC 9112, section 5.1: no whitespace or other bytes where a header line has its name"
)

// want502 is a verdict of 502 with one type.
func want502(t fault.Type, causes ...fault.Cause) Want {
	return Want{Status: []int{502}, Types: []fault.Type{t}, Cause: causes}
}

// answers is a scenario whose upstream reads a request and does the steps.
func answers(g Group, name, row, does, why string, want Want, steps ...Step) Scenario {
	return Scenario{Name: name, Group: g, Row: row, Does: does, Why: why, Plays: Once(steps...), Want: want}
}

// says is a scenario whose upstream answers with those octets and keeps the connection.
func says(g Group, name, row, does, why, octets string, want Want) Scenario {
	return answers(g, name, row, does, why, want, Send(octets), Hold())
}

var (
	protocolError = want502(fault.TypeHTTPProtocolError, fault.CauseBadStatusLine)
	badField      = want502(fault.TypeHTTPProtocolError, fault.CauseBadField)
)

const headOK = "HTTP/1.1 200 OK\r\n"

var headScenarios = []Scenario{
	{Name: "ok", Group: Head, Does: "Every request is answered, and the connection is kept.", Why: "A control: nothing is wrong.", Plays: fine, Want: good, Ask: Ask{Warm: 1}},
	{Name: "ok-close", Group: Head, Does: "The connection is closed after each answer, as announced.", Why: "RFC 9112, section 9.6", Plays: Once(Answer("200 OK", okBody, "Connection: close"), Close()), Want: good},
	{Name: "ok-head", Group: Head, Does: "A HEAD request is answered with a length and no body.", Why: "RFC 9112, section 6.3, item 1", Plays: Serve(Send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")), Want: Want{Status: []int{200}}, Ask: Ask{Method: "HEAD", Warm: 1}},
	{Name: "ok-204", Group: Head, Does: "A request is answered with 204, which has no body.", Why: "RFC 9110, section 15.3.5", Plays: Serve(Send("HTTP/1.1 204 No Content\r\n\r\n")), Want: Want{Status: []int{204}}, Ask: Ask{Warm: 1}},
	{Name: "ok-304", Group: Head, Does: "A conditional request is answered with 304 and the length of what is not sent.", Why: "RFC 9110, section 15.4.5", Plays: Serve(Send("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 1000\r\n\r\n")), Want: Want{Status: []int{304}, Fields: []string{`ETag: "a"`}}, Ask: Ask{Fields: []string{`If-None-Match: "a"`}, Warm: 1}},
	{Name: "ok-103", Group: Head, Does: "An interim answer 103 comes before the final one.", Why: "RFC 9110, section 15.2: a proxy forwards interim answers.", Plays: Serve(Send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"), Wait(beat), Answer("200 OK", okBody)), Want: Want{Status: []int{200}, Body: okBody, Size: 12, Interim: 1}},
	{Name: "ok-slow-head", Group: Head, Does: "The head takes 800 ms, and comes in pieces.", Why: "Slow is not broken.", Plays: Serve(Wait(400*time.Millisecond), Send("HTTP/1.1 20"), Wait(200*time.Millisecond), Send("0 OK\r\nContent-Le"), Wait(200*time.Millisecond), Send("ngth: 3\r\n\r\nok\n")), Want: Want{Status: []int{200}, Body: "ok\n"}},
	{Name: "ok-large-head", Group: Head, Does: "The head has 24 KiB of headers, among them a cookie of 6 KiB.", Why: "RFC 9110, section 5.4: what is larger than usual is not wrong; cookies and content policies are.", Plays: Serve(Send(headOK + "Set-Cookie: s=" + strings.Repeat("c", 6<<10) + "\r\n" + strings.Repeat("X-Policy: "+strings.Repeat("p", 990)+"\r\n", 18) + "Content-Length: 3\r\n\r\nok\n")), Want: Want{Status: []int{200}, Body: "ok\n", Size: 3, Fields: []string{"Set-Cookie: s=" + strings.Repeat("c", 6<<10)}}},
	{Name: "ok-http10", Group: Head, Does: "The answer is HTTP/1.0's, and ends with the connection.", Why: "RFC 9112, section 6.3, item 8", Plays: Once(Send("HTTP/1.0 200 OK\r\n\r\n"+okBody), Close()), Want: good},

	answers(Head, "closed-before-answer", "R1", "The request is read, and the connection is closed without an answer.", whyTerminated, want502(fault.TypeConnectionTerminated, fault.CauseClosedBeforeAnswer), Close()),
	answers(Head, "reset-before-answer", "R3", "The request is read, and the connection is reset.", whyTerminated, want502(fault.TypeConnectionTerminated, fault.CauseResetBeforeAnswer), Reset()),
	{
		Name: "closed-at-once", Group: Head, Row: "R1", Does: "The connection is closed as soon as it is open.", Why: whyTerminated, Plays: Plays{Close()},
		Want: want502(fault.TypeConnectionTerminated, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer),
	},
	{
		Name: "reset-at-once", Group: Head, Row: "R3", Does: "The connection is reset as soon as it is open.", Why: whyTerminated, Plays: Plays{Reset()},
		Want: want502(fault.TypeConnectionTerminated, fault.CauseResetBeforeAnswer, fault.CauseClosedBeforeAnswer),
	},
	answers(Head, "head-cut", "R4", "The connection is closed in the middle of the head.", whyIncomplete,
		Want{Status: []int{502}, Types: []fault.Type{fault.TypeHTTPResponseIncomplete, fault.TypeConnectionTerminated}, Cause: []fault.Cause{fault.CauseHeadCut}}, Send(headOK+"Content-Le"), Close()),
	answers(Head, "head-cut-in-status-line", "R4", "The connection is closed after nine bytes.", whyIncomplete,
		Want{Status: []int{502}, Types: []fault.Type{fault.TypeHTTPResponseIncomplete, fault.TypeConnectionTerminated}, Cause: []fault.Cause{fault.CauseHeadCut}}, Send("HTTP/1.1 "), Close()),
	answers(Head, "head-reset", "R4", "The connection is reset in the middle of the head.", whyTerminated,
		Want{Status: []int{502}, Types: []fault.Type{fault.TypeHTTPResponseIncomplete, fault.TypeConnectionTerminated}, Cause: []fault.Cause{fault.CauseHeadCut}}, Send(headOK+"Content-Le"), Wait(beat), Reset()),
	answers(Head, "no-answer", "R12", "The request is read, and nothing is said.", whyReadTime,
		Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionReadTimeout}, Cause: []fault.Cause{fault.CauseHeadTimeout}}, Hold()),
	answers(Head, "head-stalled", "R12", "The head stops in the middle, and the connection stays.", whyReadTime,
		Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionReadTimeout, fault.TypeHTTPResponseTimeout}, Cause: []fault.Cause{fault.CauseHeadTimeout, fault.CauseSlowHead}}, Send(headOK+"Content-Le"), Hold()),
	answers(Head, "head-in-drops", "R13", "The head comes at one byte each 100 ms, and would take a minute.", "RFC 9209, section 2.3.26: http_response_timeout, 504: a limit on each read is none on the head.",
		Want{Status: []int{504}, Types: []fault.Type{fault.TypeHTTPResponseTimeout, fault.TypeConnectionReadTimeout}, Cause: []fault.Cause{fault.CauseSlowHead}}, Drip(headOK+"X-Slow: "+strings.Repeat("a", 600)+"\r\n\r\n", 100*time.Millisecond), Hold()),

	says(Head, "status-letters", "R6", "The status code has a letter in it.", "RFC 9112, section 4: status-code = 3DIGIT", "HTTP/1.1 2x0 OK\r\n\r\n", protocolError),
	says(Head, "status-four-digits", "R6", "The status code has four digits.", "RFC 9112, section 4: status-code = 3DIGIT", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", protocolError),
	says(Head, "status-two-digits", "R6", "The status code has two digits.", "RFC 9112, section 4: status-code = 3DIGIT", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", protocolError),
	says(Head, "status-class-0", "R6", "The status code is 099.", "RFC 9110, section 15: the first digit is 1 to 5.", "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n", protocolError),
	says(Head, "status-no-space", "R6", "There is no space after the version.", "RFC 9112, section 4: status-line = HTTP-version SP status-code", "HTTP/1.1200 OK\r\nContent-Length: 0\r\n\r\n",
		want502(fault.TypeHTTPProtocolError, fault.CauseBadStatusLine, fault.CauseUnsupportedVersion, fault.CauseNotHTTP)),
	says(Head, "version-9", "R6", "The version is HTTP/9.0.", "RFC 9110, section 2.5: another major version is another protocol.", "HTTP/9.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		want502(fault.TypeHTTPProtocolError, fault.CauseUnsupportedVersion)),
	says(Head, "version-2-in-clear", "R6", "The status line says HTTP/2.0.", "RFC 9110, section 2.5: HTTP/2 is another protocol.", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		want502(fault.TypeHTTPProtocolError, fault.CauseUnsupportedVersion)),
	says(Head, "ok-no-reason", "", "The status line has no reason phrase.", "RFC 9112, section 4: it may be empty.", "HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\nok\n", Want{Status: []int{200}, Body: "ok\n"}),

	says(Head, "field-no-colon", "R8", "A header line has no colon.", "RFC 9112, section 5: field-line = field-name \":\" OWS field-value OWS", headOK+"Warning deprecated\r\nContent-Length: 0\r\n\r\n", badField),
	says(Head, "field-no-name", "R8", "A header line begins with the colon.", "RFC 9110, section 5.1: field-name = token", headOK+": x\r\nContent-Length: 0\r\n\r\n", badField),
	says(Head, "field-name-space", "R8", "A header's name has a space in it.", whyField, headOK+"X Y: z\r\nContent-Length: 0\r\n\r\n", badField),
	says(Head, "field-nul", "R8", "A header's value has a NUL.", "RFC 9110, section 5.5: NUL is invalid and dangerous: the message is refused, or it becomes a space.", headOK+"X-A: a\x00b\r\nContent-Length: 3\r\n\r\nok\n",
		Want{Status: []int{502, 200}, Types: badField.Types, Cause: badField.Cause, Never: "a\x00b"}),
	says(Head, "field-bare-cr", "R8", "A header's value has a CR without LF.", "RFC 9112, section 2.2: a bare CR is invalid, or becomes a space.", headOK+"X-A: a\rb\r\nContent-Length: 3\r\n\r\nok\n",
		Want{Status: []int{502, 200}, Types: badField.Types, Cause: badField.Cause, Never: "a\rb"}),
	says(Head, "field-folded", "R8", "A header's value goes on in the next line.", "RFC 9112, section 5.2: a gateway discards the message, or replaces each fold by spaces.", headOK+"X-A: a\r\n b\r\nContent-Length: 3\r\n\r\nok\n",
		Want{Status: []int{502, 200}, Types: badField.Types, Cause: badField.Cause, Never: "a\r\n b"}),
	says(Head, "field-space-before-colon", "", "A header's name is followed by a space, then the colon.", "RFC 9112, section 5.1: a proxy removes it.", headOK+"Content-Length : 3\r\n\r\nok\n", Want{Status: []int{200}, Body: "ok\n", Size: 3}),
	says(Head, "head-begins-with-space", "R8", "Whitespace stands between the status line and the first header.", "RFC 9112, section 2.2: the message is refused, or the line ignored.", headOK+" X-A: b\r\nContent-Length: 3\r\n\r\nok\n",
		Want{Status: []int{502, 200}, Types: badField.Types, Cause: badField.Cause, Never: "X-A: b"}),

	answers(Head, "head-too-large", "R9", "The head has 2 MiB of headers of 8 KiB each.", "RFC 9209, section 2.3.19: http_response_header_section_size, 502",
		Want{
			Status: []int{502}, Types: []fault.Type{fault.TypeHTTPResponseHeaderSection, fault.TypeHTTPResponseHeader},
			Cause: []fault.Cause{fault.CauseHeadTooLarge},
		}, Send(headOK), Pieces("X-A: "+strings.Repeat("a", 8<<10)+"\r\n", 256, 0), Send("Content-Length: 0\r\n\r\n"), Hold()),
	answers(Head, "field-too-large", "R10", "One header line has 2 MiB.", "RFC 9209, section 2.3.20: http_response_header_size, 502",
		Want{
			Status: []int{502}, Types: []fault.Type{fault.TypeHTTPResponseHeader, fault.TypeHTTPResponseHeaderSection},
			Cause: []fault.Cause{fault.CauseFieldTooLarge},
		}, Send(headOK+"Set-Cookie: "), Pieces(strings.Repeat("a", 8<<10), 256, 0), Send("\r\nContent-Length: 0\r\n\r\n"), Hold()),
	answers(Head, "head-endless", "R11", "The head never ends: header after header.", "RFC 9209, section 2.3.19: http_response_header_section_size, 502",
		Want{
			Status: []int{502}, Types: []fault.Type{fault.TypeHTTPResponseHeaderSection, fault.TypeHTTPResponseHeader},
			Cause: []fault.Cause{fault.CauseTooManyFields, fault.CauseHeadTooLarge},
		}, Send(headOK), Pieces("X-A: b\r\n", 1<<20, 0), Hold()),

	says(Head, "unasked-upgrade", "R26", "The answer is 101 Switching Protocols, and nobody asked.", "RFC 9110, section 7.8: only to a protocol that the client named.", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nraw",
		want502(fault.TypeHTTPProtocolError, fault.CauseUnaskedUpgrade)),
	answers(Head, "interim-flood", "R28", "A thousand interim answers come.", "RFC 9110, section 15.2 sets no limit; a gateway needs one.", want502(fault.TypeHTTPProtocolError, fault.CauseTooManyInterim),
		Pieces("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n", 1000, 2*time.Millisecond), Hold()),
	answers(Head, "interim-then-silence", "R12", "An interim answer comes, and nothing after it.", whyReadTime,
		Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionReadTimeout, fault.TypeHTTPResponseTimeout}, Cause: []fault.Cause{fault.CauseHeadTimeout, fault.CauseSlowHead}},
		Send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"), Hold()),
	answers(Head, "interim-then-closed", "R1", "An interim answer comes, and the connection is closed.", whyTerminated,
		Want{Status: []int{502}, Types: []fault.Type{fault.TypeConnectionTerminated, fault.TypeHTTPResponseIncomplete}, Cause: []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseHeadCut}},
		Send("HTTP/1.1 103 Early Hints\r\n\r\n"), Wait(beat), Close()),
}
