package proxy_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/whygate/whygate/internal/fault"
)

// webSocket is a client of HTTP/2 that opens one WebSocket.
type webSocket struct {
	*http2.Framer
	net.Conn
	t *testing.T
}

// openWebSocket asks for one, and gives the answer's status and fields.
func openWebSocket(t *testing.T, g *gateway, fields ...string) (*webSocket, map[string]string) {
	t.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, http2.ClientPreface)
	w := &webSocket{http2.NewFramer(c, c), c, t}
	w.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = w.WriteSettings()
	settings, err := w.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := settings.(*http2.SettingsFrame).Value(http2.SettingEnableConnectProtocol); v != 1 {
		t.Error("extended CONNECT is not offered")
	}
	_ = w.WriteSettingsAck()
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	fields = append([]string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/chat?x=1", ":authority", "a.test", "sec-websocket-version", "13"}, fields...)
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = w.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b.Bytes(), EndHeaders: true})
	got := map[string]string{}
	if f, is := w.next().(*http2.MetaHeadersFrame); is {
		for _, f := range f.Fields {
			got[f.Name] = f.Value
		}
	}
	return w, got
}

// next is the next frame of the stream; nil at the connection's end.
func (w *webSocket) next() http2.Frame {
	for {
		f, err := w.ReadFrame()
		if err != nil {
			return nil
		}
		if f.Header().StreamID == 1 && f.Header().Type != http2.FrameWindowUpdate {
			return f
		}
	}
}

// want reads DATA until it has as many octets.
func (w *webSocket) want(s string) {
	w.t.Helper()
	got := ""
	for len(got) < len(s) {
		f, is := w.next().(*http2.DataFrame)
		if !is {
			break
		}
		got += string(f.Data())
	}
	if got != s {
		w.t.Errorf("read %q, want %q", got, s)
	}
}

// accept is the answer to a request for a WebSocket.
func accept(q message) string {
	sum := sha1.Sum([]byte(q.get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
}

// A WebSocket over HTTP/2 reaches an endpoint of HTTP/1.1, and octets go both ways until either side ends.
func TestWebSocketOverHTTP2(t *testing.T) {
	t.Parallel()
	heads := make(chan message, 1)
	o := upstreamOf(t, func(p *peer) {
		line, lines, _ := p.head()
		q := message{line: line, lines: lines}
		heads <- q
		p.send(accept(q) + "first")
		for {
			b := make([]byte, 4)
			if _, err := io.ReadFull(p.r, b); err != nil || string(b) == "stop" {
				return
			}
			p.send(strings.ToUpper(string(b)))
		}
	})
	g := start(t, setup{h2c: true}, o.addr)
	w, head := openWebSocket(t, g, "sec-websocket-protocol", "chat", "origin", "http://a.test")
	q := <-heads
	if q.line != "GET /chat?x=1 HTTP/1.1" || q.get("Upgrade") != "websocket" || !strings.EqualFold(q.get("Connection"), "upgrade") || len(q.get("Sec-WebSocket-Key")) != 24 ||
		q.get("Sec-WebSocket-Version") != "13" || q.get("Sec-WebSocket-Protocol") != "chat" || q.get("Host") != "a.test" || q.has("Content-Length") || q.has("Transfer-Encoding") {
		t.Errorf("the upstream was asked %s %q", q.line, q.lines)
	}
	if head[":status"] != "200" || head["sec-websocket-protocol"] != "chat" || head["sec-websocket-accept"] != "" || head["upgrade"] != "" || head["content-length"] != "" {
		t.Errorf("the client was answered %v", head)
	}
	w.want("first")
	for i := range 5 {
		_ = w.WriteData(1, false, fmt.Appendf(nil, "ab%02d", i))
		w.want(fmt.Sprintf("AB%02d", i))
	}
	_ = w.WriteData(1, false, []byte("stop"))
	for f := w.next(); ; f = w.next() {
		if d, is := f.(*http2.DataFrame); f == nil || is && d.StreamEnded() {
			break
		}
	}
	if r := g.want(200, fault.CauseNone); r.method != "CONNECT" || r.Incident != "" {
		t.Errorf("%s, incident %q", r.method, r.Incident)
	}
}

// Either end of the tunnel ends it: END_STREAM and RST_STREAM of the client reach the endpoint.
func TestWebSocketOverHTTP2Ends(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"end", "reset", "close"} {
		gone := make(chan struct{})
		o := upstreamOf(t, func(p *peer) {
			line, lines, _ := p.head()
			p.send(accept(message{line: line, lines: lines}))
			p.gone()
			close(gone)
		})
		g := start(t, setup{h2c: true}, o.addr)
		w, _ := openWebSocket(t, g)
		switch how {
		case "end":
			_ = w.WriteData(1, true, nil)
		case "reset":
			_ = w.WriteRSTStream(1, http2.ErrCodeCancel)
		case "close":
			w.Close()
		}
		select {
		case <-gone:
		case <-time.After(patience):
			t.Errorf("%s: the endpoint was not told", how)
		}
		g.record()
	}
}

// An answer that is no upgrade is passed on, unless a client would take it for one.
func TestWebSocketOverHTTP2Refused(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]struct {
		status int
		cause  fault.Cause
	}{
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno": {403, fault.CauseNone},
		ok: {502, fault.CauseUpgradeRefused},
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n": {502, fault.CauseUnaskedUpgrade},
	} {
		o := upstreamOf(t, func(p *peer) { p.head(); p.send(answer); p.gone() })
		g := start(t, setup{h2c: true}, o.addr)
		_, head := openWebSocket(t, g)
		if head[":status"] != fmt.Sprint(want.status) {
			t.Errorf("%.20q: %v", answer, head)
		}
		g.want(want.status, want.cause)
	}
	g := start(t, setup{h2c: true}, refusing(t))
	_, head := openWebSocket(t, g)
	if head[":status"] != "502" {
		t.Errorf("%v", head)
	}
	g.want(502, fault.CauseConnectionRefused)
}

// What a client sends behind its extended CONNECT before it has an answer belongs to the tunnel. As the body of a GET without framing it would
// be another request to the endpoint, past all routes.
func TestWebSocketEarlyOctets(t *testing.T) {
	t.Parallel()
	const early = "GET /smuggled HTTP/1.1\r\nHost: internal\r\n\r\n"
	for _, c := range []struct {
		name    string
		accepts bool
		status  string
	}{{"refused", false, "404"}, {"accepted", true, "200"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			behind := make(chan string, 1)
			o := upstreamOf(t, func(p *peer) {
				line, lines, _ := p.head()
				b, _ := p.r.Peek(p.r.Buffered()) // one write, one read: what was sent with the head is here
				behind <- string(b)
				if !c.accepts {
					p.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
					p.gone()
					return
				}
				p.send(accept(message{line: line, lines: lines}))
				got := make([]byte, len(early))
				_, _ = io.ReadFull(p.r, got)
				p.send(strings.ToUpper(string(got)))
			})
			g := start(t, setup{h2c: true}, o.addr)
			w := earlyWebSocket(t, g, early)
			if b := <-behind; b != "" {
				t.Errorf("the endpoint had %q behind the head that it was to answer", b)
			}
			h, is := w.next().(*http2.MetaHeadersFrame)
			if !is || h.PseudoValue("status") != c.status {
				t.Fatalf("the client was answered %v", h)
			}
			if c.accepts {
				w.want(strings.ToUpper(early))
			}
		})
	}
}

// earlyWebSocket asks for a WebSocket and sends octets that belong into it, all in one write, with the end of the stream.
func earlyWebSocket(t *testing.T, g *gateway, octets string) *webSocket {
	t.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	var out, block bytes.Buffer
	out.WriteString(http2.ClientPreface)
	fr := http2.NewFramer(&out, nil)
	_ = fr.WriteSettings()
	e := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", "/chat"}, {":authority", "a.test"}, {"sec-websocket-version", "13"}} {
		_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	_ = fr.WriteData(1, true, []byte(octets))
	if _, err := c.Write(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	w := &webSocket{http2.NewFramer(c, c), c, t}
	w.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return w
}
