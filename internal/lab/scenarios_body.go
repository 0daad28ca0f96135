package lab

import (
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

const (
	whyShort    = "RFC 9112, section 8: a body shorter than its length is incomplete; a proxy must not make it look complete."
	whyStalled  = "RFC 9209, section 2.3.10: connection_read_timeout; the client must see that the body is not whole."
	whyEarly    = "RFC 9112, section 9.3: a server may answer before it has read the request; section 9.5: the client is told."
	whyWriteEnd = "RFC 9209, section 2.3.11: connection_write_timeout, 504"
)

const lengthHead = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"

var bodyScenarios = []Scenario{
	{
		Name: "ok-stream", Group: Body, Does: "An event comes each 300 ms, five times: slow, and alive.", Why: "A control: silence between events is no fault, and events are not held back.",
		Plays: Once(Send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"), Pieces("9\r\ndata: a\n\n\r\n", 5, 300*time.Millisecond), Send("0\r\n\r\n"), Hold()), Want: Want{Status: []int{200}, Body: "data: a\n\n", Size: 45, Within: time.Second},
	},
	{Name: "ok-large-body", Group: Body, Does: "The body has 8 MiB.", Why: "A control: nothing is wrong.", Plays: Serve(Send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 8<<20)), Pieces(strings.Repeat("0123456789abcdef", 4<<10), 128, 0)), Want: Want{Status: []int{200}, Body: "0123456789", Size: 8 << 20}},
	{Name: "ok-upload", Group: Body, Does: "A body of 1 MiB is taken, then answered.", Why: "A control: nothing is wrong.", Plays: taken(1 << 20), Want: good, Ask: Ask{Method: "POST", Body: 1 << 20}},
	{Name: "ok-upload-chunked", Group: Body, Does: "A chunked body of 1 MiB is taken, then answered.", Why: "A control: nothing is wrong.", Plays: taken(1 << 20), Want: good, Ask: Ask{Method: "POST", Body: 1 << 20, Chunked: true}},
	{Name: "ok-expect", Group: Body, Does: "The client waits for 100 Continue; the upstream says it, takes the body and answers.", Why: "RFC 9110, section 10.1.1", Plays: taken(64 << 10), Want: good, Ask: Ask{Method: "POST", Body: 64 << 10, Fields: []string{"Expect: 100-continue"}}},

	answers(Body, "body-short", "R16", "The connection is closed after 640 of 1,000 bytes.", whyShort, broken(cutTypes, fault.CauseBodyShort), Send(lengthHead+filler(640)), Wait(beat), Close()),
	answers(Body, "body-empty", "R16", "A length of 1,000 bytes is announced, and the connection is closed before the first.", whyShort, broken(cutTypes, fault.CauseBodyShort), Send(lengthHead), Wait(beat), Close()),
	answers(Body, "body-short-by-one", "R16", "The last byte of the body is missing.", whyShort, broken(cutTypes, fault.CauseBodyShort), Send(lengthHead+filler(999)), Wait(beat), Close()),
	answers(Body, "body-reset", "R17", "The connection is reset after 640 of 1,000 bytes.", whyShort, broken(cutTypes, fault.CauseBodyReset), Send(lengthHead+filler(640)), Wait(beat), Reset()),
	answers(Body, "body-reset-no-length", "R17", "The connection is reset in a body without a length.", "RFC 9112, section 8: only an end in order completes such a body.", broken(cutTypes, fault.CauseBodyReset), Send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+filler(640)), Wait(beat), Reset()),
	answers(Body, "body-reset-large", "R17", "The connection is reset in the middle of a body of 4 MiB.", whyShort, broken(cutTypes, fault.CauseBodyReset), Send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 4<<20)), Pieces(filler(64<<10), 32, 0), Wait(beat), Reset()),
	answers(Body, "body-stalled", "R14", "The body stops after 640 of 1,000 bytes, and the connection stays.", whyStalled,
		Want{Status: []int{200, 504}, Cut: true, Types: []fault.Type{fault.TypeConnectionReadTimeout}, Cause: []fault.Cause{fault.CauseBodyStalled}}, Send(lengthHead+filler(640)), Hold()),
	answers(Body, "chunks-stalled", "R14", "The chunks stop, and the connection stays.", whyStalled,
		Want{Status: []int{200, 504}, Cut: true, Types: []fault.Type{fault.TypeConnectionReadTimeout}, Cause: []fault.Cause{fault.CauseBodyStalled}}, Send(chunkedHead+"3\r\nok\n\r\n"), Hold()),

	{
		Name: "early-answer", Group: Body, Row: "R31", Does: "An upload is refused with 413 before it was read, and the connection is closed.", Why: whyEarly, Ask: Ask{Method: "POST", Body: 4 << 20},
		Plays: Plays{AwaitHead(), Answer("413 Content Too Large", "too large\n", "Connection: close"), Close()}, Want: Want{Status: []int{413}},
	},
	{
		Name: "early-answer-ok", Group: Body, Row: "R31", Does: "An upload is answered with 200 before it was read, then it is read.", Why: whyEarly, Ask: Ask{Method: "POST", Body: 256 << 10},
		Plays: Plays{AwaitHead(), Answer("200 OK", okBody), AwaitBody(), Hold()}, Want: Want{Status: []int{200}, Body: okBody},
	},
	{
		Name: "upload-cut", Group: Body, Row: "R32", Does: "The connection is reset in the middle of an upload.", Why: whyTerminated, Ask: Ask{Method: "POST", Body: 4 << 20},
		Plays: Plays{AwaitHead(), AwaitOctets(64 << 10), Reset()}, Want: want502(fault.TypeConnectionTerminated, fault.CauseUploadCut, fault.CauseResetBeforeAnswer),
	},
	{
		Name: "upload-closed", Group: Body, Row: "R32", Does: "The connection is closed in the middle of an upload, without an answer.", Why: whyTerminated, Ask: Ask{Method: "POST", Body: 4 << 20},
		Plays: Plays{AwaitHead(), AwaitOctets(64 << 10), abandon()}, Want: want502(fault.TypeConnectionTerminated, fault.CauseUploadCut, fault.CauseResetBeforeAnswer, fault.CauseClosedBeforeAnswer),
	},
	{
		Name: "upload-not-read", Group: Body, Row: "R33", Does: "The upload is not read: the window closes.", Why: whyWriteEnd, Ask: Ask{Method: "POST", Body: 8 << 20}, At: At{Socket: SmallWindow},
		Plays: Plays{AwaitHead(), Deaf()}, Want: Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionWriteTimeout}, Cause: []fault.Cause{fault.CauseUploadStalled}},
	},
	{
		Name: "coding-mislabelled", Group: Body, Row: "R25", Does: "The body is said to be gzip, and is not.", Why: "RFC 9110, section 8.4: the coding is the origin's and the client's affair; a gateway passes it on.",
		Plays: Serve(Send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n" + okBody)), Want: Want{Status: []int{200, 502}, Body: okBody, Size: 12, Types: []fault.Type{fault.TypeHTTPResponseContentCoding}},
	},
}

// taken answers uploads of so many octets with 200, and others with 400.
func taken(size int64) Plays {
	return Serve(Act(fmt.Sprintf("answer 200 if the body was %d bytes of u, 400 if not", size), func(p *Peer) error {
		_, body, _ := strings.Cut(p.request.raw, "\r\n\r\n")
		if p.request.body != size || strings.Trim(body, "u") != "" {
			return p.write(response("400 Bad Request", fmt.Sprintf("the body had %d bytes\n", p.request.body)))
		}
		return p.write(response("200 OK", okBody))
	}))
}

// abandon closes the connection at once, with what was not read.
func abandon() Step {
	return Act("close at once, with what was not read", func(p *Peer) error {
		_ = p.raw.Close()
		return errEnded
	})
}
