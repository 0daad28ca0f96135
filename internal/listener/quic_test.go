package listener_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/quic-go/quic-go"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/h3"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/listener"
)

// overQUIC is a server with one UDP socket.
type overQUIC struct {
	t       *testing.T
	addr    string
	server  *listener.Server
	q       *listener.QUIC
	refused chan fault.Evidence
	failed  chan listener.Handshake
	conf    atomic.Pointer[tls.Config]
}

func serveQUIC(t *testing.T, handler func(*exchange.Exchange), change func(*listener.Limits)) *overQUIC {
	t.Helper()
	limits := listener.Limits{Connections: 100, RequestHead: 16 << 10, HeadTime: patience, RequestBody: 1 << 20, Idle: patience}
	if change != nil {
		change(&limits)
	}
	s := &overQUIC{t: t, refused: make(chan fault.Evidence, 2000), failed: make(chan listener.Handshake, 2000)}
	s.conf.Store(&tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, NextProtos: []string{"h2", "http/1.1"}})
	s.server = &listener.Server{
		Serve: handler,
		Refuse: func(x *exchange.Exchange, e *fault.Evidence) {
			s.refused <- *e
			answer(x, 400, "refused")
		},
		Limits: func() listener.Limits { return limits },
		Failed: func(h *listener.Handshake) { s.failed <- *h },
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	q, err := s.server.OpenQUIC(socket, listener.Tag{1, 2}, s.conf.Load)
	if err != nil {
		t.Fatal(err)
	}
	s.q, s.addr = q, socket.LocalAddr().String()
	done := make(chan error, 1)
	go func() { done <- q.Serve() }() // ends by Drain
	t.Cleanup(func() {
		s.server.Drain(0)
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if open, busy := s.server.Open(), s.server.Busy(); open != 0 || busy != 0 {
			t.Errorf("%d connections are open after the drain, %d exchanges under way", open, busy)
		}
	})
	return s
}

// raw is a QUIC connection of a client that sends what it likes.
type raw struct {
	*quic.Conn
	t *testing.T
}

func (s *overQUIC) dial() *raw {
	s.t.Helper()
	c, err := s.tryDial(&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}, ServerName: "a.test"})
	if err != nil {
		s.t.Fatal(err)
	}
	return &raw{c, s.t}
}

// refusal is the next thing that was told as no request.
func (s *overQUIC) refusal() fault.Evidence {
	s.t.Helper()
	select {
	case e := <-s.refused:
		return e
	case <-time.After(patience):
		s.t.Error("nobody is told")
		return fault.Evidence{}
	}
}

// failure is the next handshake that failed.
func (s *overQUIC) failure() listener.Handshake {
	s.t.Helper()
	select {
	case h := <-s.failed:
		return h
	case <-time.After(patience):
		s.t.Error("no handshake is told of")
		return listener.Handshake{}
	}
}

func (s *overQUIC) tryDial(conf *tls.Config) (*quic.Conn, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	c, err := quic.DialAddr(ctx, s.addr, conf, nil)
	if err == nil {
		s.t.Cleanup(func() { _ = c.CloseWithError(0x100, "") })
	}
	return c, err
}

// uni sends octets on a stream of one direction, which stays open unless end says it ends.
func (c *raw) uni(octets string) *quic.SendStream {
	c.t.Helper()
	st, err := c.OpenUniStream()
	if err != nil {
		c.t.Fatal(err)
	}
	_, _ = st.Write([]byte(octets))
	return st
}

// ask sends octets on a request's stream.
func (c *raw) ask(octets string, end bool) *quic.Stream {
	c.t.Helper()
	st, err := c.OpenStreamSync(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	if octets != "" {
		_, _ = st.Write([]byte(octets))
	}
	if end {
		_ = st.Close()
	}
	return st
}

// code is the error code by which reading a stream ends: of the stream, or of its connection; 0 for a good end.
func code(t *testing.T, st *quic.Stream) (of uint64, connection bool) {
	t.Helper()
	_ = st.SetReadDeadline(time.Now().Add(patience))
	_, err := io.ReadAll(st)
	var reset *quic.StreamError
	var closed *quic.ApplicationError
	switch {
	case errors.As(err, &reset):
		return uint64(reset.ErrorCode), false
	case errors.As(err, &closed):
		return uint64(closed.ErrorCode), true
	case err != nil:
		t.Errorf("the stream ended by %v", err)
	}
	return 0, false
}

// closedBy is the error code of the connection's end.
func (c *raw) closedBy() h3.Code {
	c.t.Helper()
	select {
	case <-c.Context().Done():
	case <-time.After(patience):
		c.t.Error("the connection goes on")
		return 0
	}
	var closed *quic.ApplicationError
	if !errors.As(context.Cause(c.Context()), &closed) {
		c.t.Errorf("the connection ended by %v", context.Cause(c.Context()))
		return 0
	}
	return h3.Code(closed.ErrorCode)
}

// heads is a HEADERS frame of lines "name: value".
func heads(lines ...string) string {
	b := h3.BeginHeaders(nil)
	for _, l := range lines {
		name, value, _ := strings.Cut(l[1:], ": ")
		name = l[:1] + name
		b = append(h2.AppendInteger(b, 0x20, 3, len(name)), name...)
		b = append(h2.AppendInteger(b, 0, 7, len(value)), value...)
	}
	return string(h3.FinishHeaders(b, 0))
}

func getHead(more ...string) string {
	return heads(append([]string{":method: GET", ":scheme: https", ":authority: a.test", ":path: /"}, more...)...)
}

func postHead(more ...string) string {
	return heads(append([]string{":method: POST", ":scheme: https", ":authority: a.test", ":path: /"}, more...)...)
}

func frame(t h3.FrameType, payload string) string {
	return string(h3.AppendHeader(nil, t, len(payload))) + payload
}

// settings is a control stream as it begins.
const settings = "\x00\x04\x00"

// echo answers with the request's body.
func echo(x *exchange.Exchange) {
	if x.BodyHere {
		answer(x, 200, string(x.Body))
		return
	}
	var all []byte
	for !x.BodyRead {
		p, end := x.Next()
		if end != fault.Completed {
			x.Abort()
			return
		}
		all = append(all, p...)
	}
	answer(x, 200, string(all))
}

// Each rule of RFC 9114 and RFC 9204 is enforced on the wire, with its code, for the stream or for the connection.
func TestHTTP3Rules(t *testing.T) {
	const stream, connection = false, true
	for _, v := range []struct {
		name   string
		octets string // of a request's stream, which ends with them
		others string // of a stream of one direction, "" for none
		code   h3.Code
		whole  bool
		rule   fault.Rule
	}{
		{"a good request", getHead(), settings, 0, stream, fault.RuleNone},
		{"unknown frames and streams", frame(0x21, "xx") + postHead("content-length: 5") + frame(0x40, "") + frame(h3.Data, "he") + frame(0x21, "y") + frame(h3.Data, "llo"), "\x21abc", 0, stream, fault.RuleNone},
		{"no head", "", "", h3.RequestIncomplete, stream, fault.RuleH3Cut},
		{"unknown frames alone", frame(0x21, "x"), "", h3.RequestIncomplete, stream, fault.RuleH3Cut},
		{"a head cut", getHead()[:9], "", h3.FrameError, connection, fault.RuleH3FrameSize},
		{"a frame's header cut", "\x01", "", h3.FrameError, connection, fault.RuleH3FrameSize},
		{"data cut", postHead() + frame(h3.Data, "hello")[:4], "", h3.FrameError, connection, fault.RuleH3FrameSize},
		{"data first", frame(h3.Data, "x") + getHead(), "", h3.FrameUnexpected, connection, fault.RuleH3Frame},
		{"data after trailers", postHead() + frame(h3.Data, "x") + heads("a: b") + frame(h3.Data, "x"), "", h3.FrameUnexpected, connection, fault.RuleH3Frame},
		{"a head after trailers", postHead() + heads("a: b") + heads("a: b"), "", h3.FrameUnexpected, connection, fault.RuleH3Frame},
		{"SETTINGS on a request", frame(h3.Settings, ""), "", h3.FrameUnexpected, connection, fault.RuleH3Frame},
		{"PUSH_PROMISE", postHead() + frame(h3.PushPromise, "\x00"), "", h3.FrameUnexpected, connection, fault.RuleH3Frame},
		{"GOAWAY on a request", frame(h3.GoAway, "\x00"), "", h3.FrameUnexpected, connection, fault.RuleH3Frame},
		{"HTTP/2's PING", frame(6, "12345678"), "", h3.FrameUnexpected, connection, fault.RuleH3Frame},
		{"an unknown frame that is huge", string(h3.AppendHeader(nil, 0x21, 1<<20)), "", h3.ExcessiveLoad, connection, fault.RuleH3Unknown},

		{"an upper-case name", getHead("A: b"), "", h3.MessageError, stream, fault.RuleH2FieldName},
		{"a connection field", getHead("connection: close"), "", h3.MessageError, stream, fault.RuleH2ConnectionField},
		{"a missing path", heads(":method: GET", ":scheme: https", ":authority: a"), "", h3.MessageError, stream, fault.RuleH2PseudoMissing},
		{"a pseudo-field late", getHead("a: b", ":path: /"), "", h3.MessageError, stream, fault.RuleH2PseudoLate},
		{"a length with no body", getHead("content-length: 5"), "", h3.MessageError, stream, fault.RuleH2Length},
		{"a body too short", postHead("content-length: 5") + frame(h3.Data, "hell"), "", h3.MessageError, stream, fault.RuleH2Length},
		{"a body too long", postHead("content-length: 5") + frame(h3.Data, "hello!"), "", h3.MessageError, stream, fault.RuleH2Length},
		{"pseudo-fields in trailers", postHead() + frame(h3.Data, "x") + heads(":path: /"), "", h3.MessageError, stream, fault.RuleH2PseudoLate},
		{"a bad trailer", postHead() + frame(h3.Data, "x") + heads("content-length: 1"), "", h3.MessageError, stream, fault.RuleTrailer},
		{"extended CONNECT, which is not offered", heads(":method: CONNECT", ":scheme: https", ":authority: a", ":path: /", ":protocol: websocket"), "", h3.MessageError, stream, fault.RuleH2PseudoUnknown},

		{"the dynamic table", frame(h3.Headers, "\x02\x00\x80"), "", h3.DecompressionFailed, connection, fault.RuleQPACKDynamic},
		{"no such static entry", frame(h3.Headers, "\x00\x00\xff\x24"), "", h3.DecompressionFailed, connection, fault.RuleHPACKIndex},
		{"a block cut", frame(h3.Headers, "\x00\x00\x22a"), "", h3.DecompressionFailed, connection, fault.RuleHPACKCut},
		{"the dynamic table in trailers", postHead() + frame(h3.Headers, "\x02\x00\x80"), "", h3.DecompressionFailed, connection, fault.RuleQPACKDynamic},

		{"no SETTINGS", "-", "\x00" + frame(h3.GoAway, "\x00"), h3.MissingSettings, connection, fault.RuleH3Settings},
		{"SETTINGS twice", "-", settings + frame(h3.Settings, ""), h3.FrameUnexpected, connection, fault.RuleH3Frame},
		{"a setting of HTTP/2", "-", "\x00" + frame(h3.Settings, "\x04\x00"), h3.SettingsError, connection, fault.RuleH3Settings},
		{"a setting twice", "-", "\x00" + frame(h3.Settings, "\x06\x01\x06\x01"), h3.SettingsError, connection, fault.RuleH3Settings},
		{"SETTINGS cut", "-", "\x00" + frame(h3.Settings, "\x06"), h3.FrameError, connection, fault.RuleH3FrameSize},
		{"DATA on the control stream", "-", settings + frame(h3.Data, ""), h3.FrameUnexpected, connection, fault.RuleH3Frame},
		{"CANCEL_PUSH", "-", settings + frame(h3.CancelPush, "\x00"), h3.IDError, connection, fault.RuleH3ID},
		{"MAX_PUSH_ID down", "-", settings + frame(h3.MaxPushID, "\x02") + frame(h3.MaxPushID, "\x01"), h3.IDError, connection, fault.RuleH3ID},
		{"GOAWAY up", "-", settings + frame(h3.GoAway, "\x02") + frame(h3.GoAway, "\x03"), h3.IDError, connection, fault.RuleH3ID},
		{"a push of the client's", "-", "\x01", h3.StreamCreationError, connection, fault.RuleH3Stream},
		{"an insert into no table", "-", "\x02\xc0\x01x", h3.EncoderStreamError, connection, fault.RuleQPACKStream},
		{"an acknowledgement of nothing", "-", "\x03\x80", h3.DecoderStreamError, connection, fault.RuleQPACKStream},
		{"a count of nothing", "-", "\x03\x01", h3.DecoderStreamError, connection, fault.RuleQPACKStream},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := serveQUIC(t, echo, nil)
			c := s.dial()
			if v.others != "" {
				c.uni(v.others)
			}
			if v.octets != "-" {
				got, connection := code(t, c.ask(v.octets, true))
				if h3.Code(got) != v.code || connection != v.whole {
					t.Errorf("%v, of the connection %t; want %v %t", h3.Code(got), connection, v.code, v.whole)
				}
			}
			if v.whole {
				if got := c.closedBy(); got != v.code {
					t.Errorf("the connection ends with %v, want %v", got, v.code)
				}
			} else if got, _ := code(t, c.ask(getHead(), true)); got != 0 {
				t.Errorf("the next request ends with %v", h3.Code(got))
			}
			if v.rule != fault.RuleNone && (v.whole || !strings.Contains(v.name, "body") && !strings.Contains(v.name, "trailer")) {
				if e := s.refusal(); e.Rule != v.rule || e.Stage != fault.Receive {
					t.Errorf("told as %v at %v, want %v", e.Rule, e.Stage, v.rule)
				}
			}
		})
	}
}

// A second control stream, and the end of the first, end the connection.
func TestHTTP3CriticalStreams(t *testing.T) {
	t.Parallel()
	s := serveQUIC(t, echo, nil)
	for _, begin := range []string{settings, "\x02", "\x03"} {
		c := s.dial()
		c.uni(begin)
		c.uni(begin)
		if got := c.closedBy(); got != h3.StreamCreationError {
			t.Errorf("%x twice: %v", begin, got)
		}
		c = s.dial()
		_ = c.uni(begin).Close()
		if got := c.closedBy(); got != h3.ClosedCriticalStream {
			t.Errorf("%x ended: %v", begin, got)
		}
		ended := false
		for range 10 { // a reset that overtakes what the stream says it is ends a stream of which nothing is known, and no connection
			c = s.dial()
			if begin != settings {
				c.uni(settings)
			}
			st := c.uni(begin)
			_, _ = code(t, c.ask(getHead(), true)) // the server has most likely begun to read it then
			st.CancelWrite(0x10c)
			select {
			case <-c.Context().Done():
				ended = true
			case <-time.After(2 * time.Second):
			}
			if ended {
				break
			}
		}
		if !ended {
			t.Errorf("%x reset: the connection goes on", begin)
		} else if got := c.closedBy(); got != h3.ClosedCriticalStream {
			t.Errorf("%x reset: %v", begin, got)
		}
	}
}

// Exchanges say HTTP/3, and know who asks; connections of TCP and QUIC count together.
func TestHTTP3Exchange(t *testing.T) {
	t.Parallel()
	var seen atomic.Pointer[string]
	s := serveQUIC(t, func(x *exchange.Exchange) {
		text := x.Request.Version.String() + " " + x.Peer.Client + " " + x.Peer.Local
		if !x.Peer.Secure || x.Peer.Port == 0 || !x.Peer.Addr.IsLoopback() || !x.Peer.Shown.Covers("a.test") || x.Peer.Shown.Covers("other.example") {
			text += " and what is not so"
		}
		seen.Store(&text)
		answer(x, 200, "ok")
	}, func(l *listener.Limits) { l.Connections = 2 })
	c := s.dial()
	if got, _ := code(t, c.ask(getHead(), true)); got != 0 {
		t.Error(got)
	}
	if want := httpmsg.HTTP3.String() + " 127.0.0.1 " + s.addr; *seen.Load() != want {
		t.Errorf("%q, want %q", *seen.Load(), want)
	}
	s.dial()
	if _, err := s.tryDial(&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}); err == nil {
		t.Error("a third connection is taken")
	}
	if h := s.failure(); h.Reason != listener.TooMany || h.Max != 2 {
		t.Errorf("told as %v", h)
	}
}

// A handshake without h3 fails, also one for another protocol of the listener's; what failed is told.
func TestHTTP3Handshakes(t *testing.T) {
	t.Parallel()
	s := serveQUIC(t, echo, nil)
	for _, proto := range []string{"h2", "http/1.1", "acme-tls/1"} {
		if _, err := s.tryDial(&tls.Config{InsecureSkipVerify: true, NextProtos: []string{proto}}); err == nil {
			t.Errorf("%s is spoken over QUIC", proto)
		}
		if h := s.failure(); h.Reason != listener.NoCommonWays || h.Client != "127.0.0.1" || h.Local != s.addr {
			t.Errorf("told as %+v", h)
		}
	}
	if _, err := s.tryDial(&tls.Config{NextProtos: []string{"h3"}, ServerName: "a.test", RootCAs: x509.NewCertPool()}); err == nil {
		t.Error("a client that does not trust us is content")
	}
	if h := s.failure(); h.Reason != listener.AlertReceived || h.Alert == 0 {
		t.Errorf("told as %+v", h)
	}
	eventually(t, func() bool { return s.server.Open() == 0 })
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came")
		}
	}
}

// A session is resumed, without early data, until the configuration is another one.
func TestHTTP3Resumption(t *testing.T) {
	t.Parallel()
	s := serveQUIC(t, echo, nil)
	cache := tls.NewLRUClientSessionCache(10)
	again := func() bool {
		conf := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}, ServerName: "a.test", ClientSessionCache: cache}
		c, err := quic.DialAddrEarly(t.Context(), s.addr, conf, &quic.Config{TokenStore: quic.NewLRUTokenStore(10, 10)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.CloseWithError(0x100, "") }()
		<-c.HandshakeComplete()
		if got, _ := code(t, (&raw{c, t}).ask(getHead(), true)); got != 0 { // the ticket has come then
			t.Error(got)
		}
		state := c.ConnectionState()
		if state.Used0RTT {
			t.Error("early data were taken")
		}
		return state.TLS.DidResume
	}
	if again() {
		t.Error("the first session is resumed")
	}
	if !again() {
		t.Error("no session is resumed")
	}
	s.conf.Store(s.conf.Load().Clone())
	if again() {
		t.Error("a session of the configuration before is resumed")
	}
}

// Who gives up request after request is told to go, and then cut off.
func TestHTTP3Strain(t *testing.T) {
	t.Parallel()
	s := serveQUIC(t, func(x *exchange.Exchange) { <-x.Cancel.Done(); x.Abort() }, nil)
	c := s.dial()
	for range 5000 {
		st, err := c.OpenStreamSync(t.Context())
		if err != nil {
			break
		}
		_, _ = st.Write([]byte(getHead()))
		st.CancelRead(0x10c)
		st.CancelWrite(0x10c)
		if c.Context().Err() != nil {
			break
		}
	}
	if got := c.closedBy(); got != h3.ExcessiveLoad && got != h3.NoError {
		t.Errorf("the connection ends with %v", got)
	}
}

// A client that sends no head is let go by limits.head_time, one without requests by limits.idle.
func TestHTTP3Silence(t *testing.T) {
	t.Parallel()
	s := serveQUIC(t, echo, func(l *listener.Limits) { l.HeadTime = 2 * time.Second })
	c := s.dial()
	if got, connection := code(t, c.ask(getHead()[:5], false)); h3.Code(got) != h3.RequestRejected || connection {
		t.Errorf("half a head ends with %v", h3.Code(got))
	}
	if e := s.refusal(); e.End != fault.Timeout || e.Timer != fault.TimerRequest {
		t.Errorf("told as %+v", e)
	}
	s = serveQUIC(t, echo, func(l *listener.Limits) { l.Idle = 200 * time.Millisecond })
	if got := s.dial().closedBy(); got != h3.NoError {
		t.Errorf("an idle connection ends with %v", got)
	}
}

// retries counts the Retry packets that come: RFC 9000, section 17.2.5.
type retries struct {
	net.PacketConn
	n atomic.Int64
}

func (r *retries) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := r.PacketConn.ReadFrom(p)
	if n > 0 && p[0]&0xf0 == 0xf0 {
		r.n.Add(1)
	}
	return n, from, err
}

// Where many handshakes are under way, an address must prove itself, and whoever does gets in.
func TestHTTP3Retry(t *testing.T) {
	t.Parallel()
	s := serveQUIC(t, echo, func(l *listener.Limits) { l.Connections = 1000 })
	blocked := make(chan bool)
	release := sync.OnceFunc(func() { close(blocked) })
	t.Cleanup(release) // before the drain, which waits for handshakes
	slow := s.conf.Load().Clone()
	certificate := slow.Certificates[0]
	slow.Certificates = nil
	slow.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if h.ServerName == "slow" {
			<-blocked
		}
		return &certificate, nil
	}
	s.conf.Store(slow)
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen := &retries{PacketConn: socket}
	client := &quic.Transport{Conn: seen}
	defer func() { _ = client.Close(); _ = socket.Close() }()
	to, _ := net.ResolveUDPAddr("udp", s.addr)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool, 80)
	for range 80 {
		go func() { // ends with ctx
			_, _ = client.Dial(ctx, to, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}, ServerName: "slow"}, nil)
			ended <- true
		}()
	}
	eventually(t, func() bool { return s.server.Open() >= 70 && seen.n.Load() > 0 })
	if got, _ := code(t, s.dial().ask(getHead(), true)); got != 0 {
		t.Errorf("who proves its address: %v", h3.Code(got))
	}
	release()
	cancel()
	for range 80 {
		<-ended
	}
}

// So is who resets its half before the head is there, which says nothing of the other half.
func TestHTTP3StrainOfHalves(t *testing.T) {
	t.Parallel()
	s := serveQUIC(t, echo, nil)
	c := s.dial()
	for range 3000 {
		st, err := c.OpenStreamSync(t.Context())
		if err != nil {
			break
		}
		_, _ = st.Write([]byte(getHead()[:5]))
		st.CancelWrite(0x10c)
	}
	if got := c.closedBy(); got != h3.ExcessiveLoad && got != h3.NoError {
		t.Errorf("the connection ends with %v", got)
	}
}

// A head that is said to be large counts from its frame's first octets on.
func TestHTTP3MemoryOfHeads(t *testing.T) {
	t.Parallel()
	s := serveQUIC(t, echo, func(l *listener.Limits) { l.RequestHead = 1 << 20 })
	c := s.dial()
	begun := string(h3.AppendHeader(nil, h3.Headers, 2<<20))
	for range 40 { // of which 16 are let be where memory is tight
		c.ask(begun, false)
	}
	eventually(t, func() bool { // they are being read
		got, _ := code(t, c.ask(getHead(), true))
		return h3.Code(got) == h3.RequestRejected
	})
}

// A connection that is over is let go of, also where requests were under way.
func TestHTTP3NothingStays(t *testing.T) {
	t.Parallel()
	peers := make(chan weak.Pointer[exchange.Peer], 1)
	s := serveQUIC(t, func(x *exchange.Exchange) {
		peers <- weak.Make(x.Peer)
		<-x.Cancel.Done()
		time.Sleep(50 * time.Millisecond) // the connection is over before its last request
		x.Abort()
	}, func(l *listener.Limits) { l.Idle = 10 * patience })
	c := s.dial()
	c.ask(getHead(), true)
	peer := <-peers
	_ = c.CloseWithError(0x100, "")
	eventually(t, func() bool { return s.server.Open() == 0 })
	eventually(t, func() bool { runtime.GC(); return peer.Value() == nil })
}

// What a socket's end cuts off is not called the client's leaving.
func TestHTTP3CutByUs(t *testing.T) {
	t.Parallel()
	there, reasons := make(chan bool, 1), make(chan cancel.Reason, 1)
	s := serveQUIC(t, func(x *exchange.Exchange) {
		there <- true
		<-x.Cancel.Done()
		reasons <- x.Cancel.Reason()
		x.Abort()
	}, nil)
	s.dial().ask(getHead(), true)
	<-there
	s.q.Close(time.Millisecond)
	if got := <-reasons; got != cancel.Drained {
		t.Errorf("the exchange ends since: %v", got)
	}
}
