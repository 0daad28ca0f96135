package lab

import (
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

const (
	whyLengths = "RFC 9112, section 6.3, item 5: invalid lengths are unrecoverable; a proxy closes the connection and answers 502."
	whyBoth    = "RFC 9112, section 6.3, item 3: Transfer-Encoding overrides, or the message is an error; in a response it may be an attempt at splitting."
	whyCoding  = "RFC 9209, section 2.3.24: http_response_transfer_coding"
	whyNoBody  = "RFC 9112, section 6.3, item 1: such a response has no body, whatever its headers say."
	poison     = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-Poison: yes\r\n\r\nPOISON\n"
)

// broken is what becomes of a body that breaks after the head is out: a gateway that had not sent the head yet answers 502.
func broken(types []fault.Type, causes ...fault.Cause) Want {
	return Want{Status: []int{200, 502}, Cut: true, Types: types, Cause: causes}
}

var (
	badCoding = []fault.Type{fault.TypeHTTPResponseTransferCoding, fault.TypeHTTPProtocolError}
	// RFC 9209 has types for trailers that are too large, and none for one that is malformed.
	trailerTypes = []fault.Type{fault.TypeHTTPProtocolError, fault.TypeHTTPResponseTrailerSection, fault.TypeHTTPResponseTrailer, fault.TypeHTTPResponseTransferCoding}
	cutTypes     = []fault.Type{fault.TypeConnectionTerminated, fault.TypeHTTPResponseIncomplete}
)

const chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

var framingScenarios = []Scenario{
	{
		Name: "ok-chunked", Group: Framing, Does: "The body has chunks with extensions, and trailers.", Why: "RFC 9112, section 7.1", Ask: Ask{Warm: 1},
		Plays: Serve(Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4;name=\"a;b\"\r\nall \r\n8\r\nis well\n\r\n0\r\nX-Sum: 12\r\n\r\n")), Want: Want{Status: []int{200}, Body: okBody, Size: 12},
	},
	{Name: "ok-no-length", Group: Framing, Does: "The body has no length and ends with the connection.", Why: "RFC 9112, section 6.3, item 8", Plays: Once(Send("HTTP/1.1 200 OK\r\n\r\n"+okBody), Close()), Want: good},
	{Name: "ok-length-twice", Group: Framing, Does: "Content-Length comes twice, with the same value.", Why: "RFC 9110, section 8.6: a recipient may take equal values as one, or refuse the message.", Plays: Once(Send("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Length: 12\r\n\r\n"+okBody), Hold()), Want: Want{Status: []int{200, 502}, Body: okBody, Size: 12, Types: []fault.Type{fault.TypeHTTPProtocolError}}},

	says(Framing, "length-and-chunked", "R20", "There is a length, and there are chunks.", whyBoth, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok\n\r\n0\r\n\r\n",
		Want{Status: []int{200, 502}, Body: "ok\n", Size: 3, Types: []fault.Type{fault.TypeHTTPProtocolError}, Cause: []fault.Cause{fault.CauseLengthAndEncoding}}),
	says(Framing, "lengths-differ", "R21", "Content-Length comes twice, with two values.", whyLengths, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nok\n!", want502(fault.TypeHTTPProtocolError, fault.CauseConflictingLengths)),
	says(Framing, "lengths-listed", "R21", "Content-Length is a list of two values.", whyLengths, "HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nok\n!", want502(fault.TypeHTTPProtocolError, fault.CauseConflictingLengths, fault.CauseInvalidLength)),
	says(Framing, "length-negative", "R22", "Content-Length is negative.", whyLengths, "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nok\n", want502(fault.TypeHTTPProtocolError, fault.CauseInvalidLength)),
	says(Framing, "length-signed", "R22", "Content-Length has a plus sign.", whyLengths, "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nok\n", want502(fault.TypeHTTPProtocolError, fault.CauseInvalidLength)),
	says(Framing, "length-letters", "R22", "Content-Length has letters.", whyLengths, "HTTP/1.1 200 OK\r\nContent-Length: 3abc\r\n\r\nok\n", want502(fault.TypeHTTPProtocolError, fault.CauseInvalidLength)),
	says(Framing, "length-hexadecimal", "R22", "Content-Length is hexadecimal.", whyLengths, "HTTP/1.1 200 OK\r\nContent-Length: 0x3\r\n\r\nok\n", want502(fault.TypeHTTPProtocolError, fault.CauseInvalidLength)),
	says(Framing, "length-too-large", "R22", "Content-Length does not fit 64 bits.", whyLengths, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nok\n", want502(fault.TypeHTTPProtocolError, fault.CauseInvalidLength)),
	says(Framing, "length-empty", "R22", "Content-Length is empty.", whyLengths, "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok\n", want502(fault.TypeHTTPProtocolError, fault.CauseInvalidLength)),
	answers(Framing, "coding-unknown", "R23", "The transfer coding is one that nobody knows.", whyCoding, want502(fault.TypeHTTPResponseTransferCoding, fault.CauseUnknownTransferCoding),
		Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: wonderful\r\n\r\nok\n"), Close()),
	answers(Framing, "coding-chunked-twice", "R23", "The transfer coding is \"chunked, chunked\".", "RFC 9112, section 6.1: a sender must not apply chunked more than once.",
		Want{Status: []int{502}, Types: badCoding, Cause: []fault.Cause{fault.CauseUnknownTransferCoding}}, Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n3\r\nok\n\r\n0\r\n\r\n"), Close()),
	answers(Framing, "coding-identity", "R23", "The transfer coding is \"identity\", which RFC 7230 removed.", whyCoding,
		Want{Status: []int{200, 502}, Body: "ok\n", Size: 3, Types: badCoding, Cause: []fault.Cause{fault.CauseUnknownTransferCoding}}, Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok\n"), Close()),
	answers(Framing, "chunked-in-http10", "R24", "An HTTP/1.0 answer has chunks.", "RFC 9112, section 6.1: its framing is faulty; the connection is closed after it.",
		Want{Status: []int{200, 502}, Body: "ok\n", Size: 3, Types: []fault.Type{fault.TypeHTTPProtocolError}, Cause: []fault.Cause{fault.CauseEncodingInHTTP10}}, Send("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok\n\r\n0\r\n\r\n"), Close()),
	says(Framing, "coding-in-204", "R36", "A 204 has a transfer coding.", "RFC 9112, section 6.1: a server must not send it.", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		Want{Status: []int{502, 204}, Types: []fault.Type{fault.TypeHTTPProtocolError}, Cause: []fault.Cause{fault.CauseFramingNotAllowed, fault.CauseExtraOctets}}),

	says(Framing, "chunk-size-letters", "R19", "A chunk's size is no number.", whyCoding, chunkedHead+"zz\r\nok\n\r\n0\r\n\r\n", broken(badCoding, fault.CauseBadChunk)),
	says(Framing, "chunk-size-negative", "R19", "A chunk's size is negative.", whyCoding, chunkedHead+"-3\r\nok\n\r\n0\r\n\r\n", broken(badCoding, fault.CauseBadChunk)),
	says(Framing, "chunk-size-too-large", "R19", "A chunk's size does not fit 64 bits.", "RFC 9112, section 7.1: a recipient must prevent overflow.", chunkedHead+"10000000000000003\r\nok\n\r\n0\r\n\r\n", broken(badCoding, fault.CauseBadChunk)),
	says(Framing, "chunk-size-0x", "R19", "A chunk's size is written 0x3.", "RFC 9112, section 7.1: chunk-size = 1*HEXDIG", chunkedHead+"0x3\r\nok\n\r\n0\r\n\r\n", broken(badCoding, fault.CauseBadChunk)),
	says(Framing, "chunk-size-empty", "R19", "A chunk's size is missing.", "RFC 9112, section 7.1: chunk-size = 1*HEXDIG", chunkedHead+"\r\nok\n\r\n0\r\n\r\n", broken(badCoding, fault.CauseBadChunk)),
	says(Framing, "chunk-too-long", "R19", "A chunk has more bytes than its size says.", "RFC 9112, section 7.1: chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF", chunkedHead+"3\r\nokay\n\r\n0\r\n\r\n", broken(badCoding, fault.CauseBadChunk)),
	says(Framing, "chunk-bare-lf", "R19", "The line of a chunk's size ends with LF alone.", "RFC 9112, section 7.1: CRLF; section 2.2 lets only the start line and headers end with LF. Taking it for one is common, and so allowed here.", chunkedHead+"3\nok\n\r\n0\r\n\r\n",
		Want{Status: []int{200, 502}, MayCut: true, Body: "ok\n", Size: 3, Types: badCoding, Cause: []fault.Cause{fault.CauseBadChunk}}),
	answers(Framing, "chunk-extension-endless", "R19", "A chunk's extension has 2 MiB.", "RFC 9112, section 7.1.1: a recipient limits what it reads of extensions.", broken(badCoding, fault.CauseBadChunk),
		Send(chunkedHead+"3;"), Pieces(strings.Repeat("a", 8<<10), 256, 0), Hold()),
	answers(Framing, "chunks-cut", "R18", "The connection is closed before the last chunk.", "RFC 9112, section 8: without the last chunk the body is incomplete.", broken(cutTypes, fault.CauseChunksCut),
		Send(chunkedHead+"3\r\nok\n\r\n"), Wait(beat), Close()),
	answers(Framing, "chunks-cut-in-chunk", "R18", "The connection is closed inside a chunk.", "RFC 9112, section 8: without the last chunk the body is incomplete.", broken(cutTypes, fault.CauseChunksCut),
		Send(chunkedHead+"1000\r\nok\n"), Wait(beat), Close()),
	answers(Framing, "chunks-reset", "R17", "The connection is reset before the last chunk.", whyTerminated, broken(cutTypes, fault.CauseBodyReset, fault.CauseChunksCut),
		Send(chunkedHead+"3\r\nok\n\r\n"), Wait(beat), Reset()),
	says(Framing, "trailer-broken", "R35", "A trailer line has no colon.", "RFC 9112, section 7.1.2: trailers may be dropped, and the body is whole once the last chunk came; or the message is refused.", chunkedHead+"3\r\nok\n\r\n0\r\nbroken\r\n\r\n",
		Want{Status: []int{200, 502}, MayCut: true, Body: "ok\n", Size: 3, Types: trailerTypes, Cause: []fault.Cause{fault.CauseBadTrailer}}),
	answers(Framing, "trailer-endless", "R35", "The trailers never end.", "RFC 9209, section 2.3.22: http_response_trailer_section_size", broken(trailerTypes, fault.CauseTrailerTooLarge, fault.CauseBadTrailer),
		Send(chunkedHead+"3\r\nok\n\r\n0\r\n"), Pieces("X-A: b\r\n", 1<<20, 0), Hold()),

	{
		Name: "body-on-204", Group: Framing, Row: "R36", Does: "A 204 is followed by a body, in which a second answer hides.", Why: whyNoBody, Ask: Ask{Times: 2},
		Plays: Serve(Send("HTTP/1.1 204 No Content\r\n\r\n" + poison)), Want: Want{Status: []int{204}, Never: "POISON", Cause: []fault.Cause{fault.CauseExtraOctets}},
	},
	{
		Name: "body-on-304", Group: Framing, Row: "R36", Does: "A 304 is followed by a body, in which a second answer hides.", Why: whyNoBody, Ask: Ask{Times: 2, Fields: []string{`If-None-Match: "a"`}},
		Plays: Serve(Send("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 60\r\n\r\n" + poison)), Want: Want{Status: []int{304}, Never: "POISON", Cause: []fault.Cause{fault.CauseExtraOctets}},
	},
	{
		Name: "body-on-head", Group: Framing, Row: "R36", Does: "The answer to HEAD is followed by a body, in which a second answer hides.", Why: whyNoBody, Ask: Ask{Method: "HEAD", Times: 2},
		Plays: Serve(Send("HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n" + poison)), Want: Want{Status: []int{200}, Never: "POISON", Cause: []fault.Cause{fault.CauseExtraOctets}},
	},
	{
		Name: "desynchronised", Group: Framing, Row: "R29", Does: "A whole answer that nobody asked for follows the right one.", Why: "RFC 9112, section 9.2: bytes that belong to no request are no answer; the connection is closed.", Ask: Ask{Times: 3},
		Plays: Serve(Send(response("200 OK", okBody) + poison)), Want: Want{Status: []int{200}, Body: okBody, Never: "POISON", Cause: []fault.Cause{fault.CauseExtraOctets}},
	},
	{
		Name: "desynchronised-late", Group: Framing, Row: "R29", Does: "An answer that nobody asked for comes 50 ms after the right one, on the idle connection.", Why: "RFC 9112, section 9.2: bytes that belong to no request are no answer; the connection is closed.",
		Ask:   Ask{Warm: 1, Pause: 4 * beat},
		Plays: Serve(Answer("200 OK", okBody), Wait(beat), Send(poison)), Want: Want{Status: []int{200}, Body: okBody, Never: "POISON"},
	},
	{
		Name: "body-too-long", Group: Framing, Row: "R29", Does: "The body has more bytes than Content-Length says.", Why: "RFC 9112, section 6.3, item 6: the body ends with the length.", Ask: Ask{Times: 2},
		Plays: Serve(Send("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + okBody + "POISON and more")), Want: Want{Status: []int{200}, Body: okBody, Never: "POISON", Cause: []fault.Cause{fault.CauseExtraOctets}},
	},
	{
		Name: "idle-408", Group: Framing, Row: "R30", Does: "The server says 408 on the idle connection, and closes it.", Why: "RFC 9110, section 15.5.9: it is the notice that the connection ends.", Ask: Ask{Warm: 1, Pause: 4 * beat},
		Plays: Plays{Await(), Answer("200 OK", okBody), Wait(beat), Answer("408 Request Timeout", "POISON", "Connection: close"), Close()}, Want: Want{Status: []int{200}, Body: okBody, Never: "POISON"},
	},
}
