package mux

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
)

// raw is a client that sends what it is told, frame by frame.
type raw struct {
	t   *testing.T
	nc  net.Conn
	buf []byte
}

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// dial connects and greets.
func (w *site) dial(t *testing.T) *raw {
	t.Helper()
	c := w.connect(t)
	c.send(h2.Preface + frame(h2.SettingsFrame, 0, 0, "") + frame(h2.SettingsFrame, h2.FlagAck, 0, ""))
	return c
}

// connect connects and says nothing.
func (w *site) connect(t *testing.T) *raw {
	t.Helper()
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return &raw{t: t, nc: nc}
}

// send writes; that the server has closed shows in what is read.
func (c *raw) send(octets string) { _, _ = io.WriteString(c.nc, octets) }

// next is the next frame, false at the connection's end.
func (c *raw) next() (h2.Frame, bool) {
	c.t.Helper()
	for {
		f, n, bad := h2.ParseFrame(c.buf)
		if bad != nil {
			c.t.Fatal(bad)
		}
		if n > 0 {
			f.Payload = bytes.Clone(f.Payload)
			c.buf = c.buf[n:]
			return f, true
		}
		b := make([]byte, 64<<10)
		n, err := c.nc.Read(b)
		if c.buf = append(c.buf, b[:n]...); n == 0 && err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				c.t.Fatal("the server is silent")
			}
			return h2.Frame{}, false
		}
	}
}

// await reads until a frame of that type comes, on that stream or on any if it is 0.
func (c *raw) await(kind h2.FrameType, stream uint32) h2.Frame {
	c.t.Helper()
	for {
		f, ok := c.next()
		if !ok {
			c.t.Fatalf("the connection ended before %v", kind)
		}
		if f.Type == kind && (stream == 0 || f.Stream == stream) && !(kind == h2.SettingsFrame && f.Has(h2.FlagAck)) {
			return f
		}
	}
}

// end reads to the connection's end and gives the last GOAWAY's code, -1 without one.
func (c *raw) end() int64 {
	c.t.Helper()
	code := int64(-1)
	for {
		f, ok := c.next()
		if !ok {
			return code
		}
		if f.Type == h2.GoAway {
			code = int64(binary.BigEndian.Uint32(f.Payload[4:]))
		}
	}
}

// ping waits until everything sent so far was acted on.
func (c *raw) ping() {
	c.t.Helper()
	c.send(frame(h2.Ping, 0, 0, "whygate!"))
	for f := c.await(h2.Ping, 0); !f.Has(h2.FlagAck); f = c.await(h2.Ping, 0) {
	}
}

func frame(t h2.FrameType, flags uint8, stream uint32, payload string) string {
	return string(h2.AppendFrameHead(nil, len(payload), t, flags, stream)) + payload
}

func u32(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

// request is HEADERS of a request.
func request(stream uint32, method, path string, end bool, fields ...string) string {
	b := h2.AppendRequestLine(h2.BeginHeaders(nil, stream), &h2.RequestLine{Method: []byte(method), Scheme: []byte("http"), Authority: []byte("a.test"), Path: []byte(path)})
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		b = h2.AppendField(b, []byte(name), []byte(value))
	}
	return string(h2.FinishHeaders(b, 0, stream, end))
}

func reset(stream uint32) string { return string(h2.AppendRSTStream(nil, stream, h2.Cancel)) }

// status reads a response's head.
func (c *raw) status(stream uint32) int {
	c.t.Helper()
	f := c.await(h2.Headers, stream)
	var d h2.Decoder
	var res httpmsg.Response
	if _, err := d.ReadResponse(f.Payload, nil, &res, h2.ResponseOptions{Limits: &h2.Limits{}}); err != nil {
		c.t.Fatal(err)
	}
	return res.Status
}

// rules collects the rules that were broken.
func rules(broken chan fault.Rule) func(net.Addr, *h2.Error) {
	return func(_ net.Addr, e *h2.Error) {
		select {
		case broken <- e.Rule:
		default:
		}
	}
}

func wantRule(t *testing.T, broken chan fault.Rule, want fault.Rule) {
	t.Helper()
	for {
		select {
		case r := <-broken:
			if r == want {
				return
			}
		case <-time.After(patience):
			t.Fatalf("%v was not told", want)
		}
	}
}

// eventually polls until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			t.Fatal(what)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}
