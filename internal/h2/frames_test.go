package h2

import (
	"encoding/binary"
	"strings"

	"github.com/whygate/whygate/internal/httpmsg"
)

// frame spells a frame.
func frame(t FrameType, flags uint8, stream uint32, payload string) string {
	return string(AppendFrameHead(nil, len(payload), t, flags, stream)) + payload
}

func u32(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

func setting(id uint16, value uint32) string {
	return string(binary.BigEndian.AppendUint16(nil, id)) + u32(value)
}

// literals spells a block of fields "name: value", each of them a literal that is not indexed.
func literals(fields ...string) string {
	var b []byte
	for _, f := range fields {
		n := strings.Index(f[1:], ":") + 1
		b = appendText(append(b, 0), []byte(f[:n]))
		b = appendText(b, []byte(strings.TrimPrefix(f[n+1:], " ")))
	}
	return string(b)
}

// line is the pseudo-fields of a request, with a method and a path.
func line(method, path string) []string {
	return []string{":method: " + method, ":scheme: https", ":authority: a.test", ":path: " + path}
}

func head(stream uint32, flags uint8, fields ...string) string {
	b := append(AppendFrameHead(nil, 0, Headers, 0, stream), literals(fields...)...)
	return string(FinishHeaders(b, 0, stream, flags&FlagEndStream != 0))
}

// get and post are requests on a stream, the second without its body.
func get(stream uint32, more ...string) string {
	return head(stream, FlagEndStream, append(line("GET", "/"), more...)...)
}

func post(stream uint32, more ...string) string {
	return head(stream, 0, append(line("POST", "/"), more...)...)
}

const clientStart = Preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// endpoint is a Conn with what its owner keeps, and what became of each frame.
type endpoint struct {
	*Conn
	req     httpmsg.Request
	res     httpmsg.Response
	trailer httpmsg.Fields
	buf     []byte
	in      []byte
	out     []byte
	told    []string // what happened
	err     *Error   // the last one
	keep    bool     // an error of a stream is not answered
}

func newEndpoint(o Config) *endpoint { return &endpoint{Conn: NewConn(o)} }

// feed gives octets to the connection and acts on what they mean, until more are needed or the connection is over.
func (e *endpoint) feed(octets string) *endpoint {
	e.in = append(e.in, octets...)
	for len(e.in) > 0 && (e.err == nil || !e.err.Fatal()) {
		var ev Event
		n, err := e.Next(e.in, &ev)
		if n == 0 && err == nil {
			break
		}
		if err == nil {
			err = e.act(&ev)
		}
		e.in = e.in[n:]
		if err == nil {
			continue
		}
		e.err = err
		e.tell("error " + err.Rule.String() + " " + err.Code.String())
		if !e.keep {
			e.out = e.Tell(e.out, err)
		}
	}
	return e
}

func (e *endpoint) tell(s string) { e.told = append(e.told, s) }

func (e *endpoint) act(ev *Event) (err *Error) {
	end := ""
	if ev.End {
		end = " end"
	}
	switch ev.Kind {
	case EventRequest:
		e.buf, err = e.ReadRequest(ev, new(Stream), nil, &e.req)
		if err == nil {
			e.tell("request " + string(e.req.Name) + " " + string(e.req.Target) + end)
		}
	case EventResponse:
		e.buf, err = e.ReadResponse(ev, nil, &e.res)
		if err == nil {
			e.tell("response " + string(rune('0'+e.res.Status/100)) + "xx" + end)
		}
	case EventTrailers:
		e.buf, err = e.ReadTrailers(ev, nil, &e.trailer)
		if err == nil {
			e.tell("trailers")
		}
	case EventData:
		e.tell("data " + string(ev.Data) + end)
		e.Consume(ev.Stream, int64(len(ev.Data)))
	case EventReset:
		e.tell("reset " + ev.Code.String())
	case EventGoAway:
		e.tell("goaway " + ev.Code.String())
	case EventSettings, EventPing:
		e.out = e.Answer(e.out, ev)
	}
	return err
}
