package upstream

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// peer2 is an endpoint of HTTP/2 that does what a test tells it to.
type peer2 struct {
	*http2.Framer
	net.Conn
	t *testing.T
}

// framed is an upstream that hands each connection to serve when the prefaces have been exchanged.
func framed(t *testing.T, serve func(*peer2), settings ...http2.Setting) string {
	addr := serving(t, "tcp", func(c net.Conn) {
		p := &peer2{http2.NewFramer(c, c), c, t}
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(c, preface); err != nil || string(preface) != http2.ClientPreface {
			return
		}
		_ = p.WriteSettings(settings...)
		serve(p)
	})
	return strings.Replace(addr, "http:", "h2c:", 1)
}

// next is the next frame that is not about settings or windows; nil at the end.
func (p *peer2) next() http2.Frame {
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return nil
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = p.WriteSettingsAck()
			}
		case *http2.WindowUpdateFrame:
		case *http2.GoAwayFrame:
			return nil
		default:
			return f
		}
	}
}

// headers waits for the next request's head.
func (p *peer2) headers() *http2.HeadersFrame {
	for {
		switch f := p.next().(type) {
		case *http2.HeadersFrame:
			return f
		case nil:
			return nil
		}
	}
}

// fin ends the endpoint's octets, and reads to the end of ours: a socket that is closed over unread octets is reset.
func (p *peer2) fin() {
	_ = p.Conn.(*net.TCPConn).CloseWrite()
	for p.next() != nil {
	}
}

// answer writes a response's head.
func (p *peer2) answer(stream uint32, end bool, fields ...string) {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: end})
}

// over2 starts a server of HTTP/2 in clear, or over TLS, and gives a target of it.
func over2(t *testing.T, secure bool, change func(*Options), handler http.HandlerFunc) *Target {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(secure)
	s.Config.Protocols.SetHTTP2(secure)
	s.Config.Protocols.SetUnencryptedHTTP2(!secure)
	if secure {
		s.EnableHTTP2 = true
		s.StartTLS()
		with := change
		change = func(o *Options) {
			o.TLSConf = &tls.Config{InsecureSkipVerify: true}
			if with != nil {
				with(o)
			}
		}
	} else {
		s.Start()
		s.URL = strings.Replace(s.URL, "http:", "h2c:", 1)
	}
	target := targetOf(t, s.URL, change)
	t.Cleanup(func() { target.Close(); s.Close() })
	return target
}

func TestHTTP2Exchange(t *testing.T) {
	for _, secure := range []bool{false, true} {
		target := over2(t, secure, nil, func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor != 2 || r.Host != "a" || r.URL.Path != "/" {
				t.Errorf("%s %s %s", r.Proto, r.Host, r.URL)
			}
			w.Header().Set("Trailer", "X-Sum")
			fmt.Fprint(w, "hello")
			w.Header().Set("X-Sum", "5")
		})
		var a Attempt
		for i := range 3 {
			a.Begin(target, mono.Now())
			var res httpmsg.Response
			if !a.Ask(request(), nil, AnyConnection) || !a.ReadHead(&res) {
				t.Fatalf("%+v", a.Evidence)
			}
			body, good := rest(&a)
			if !good || body != "hello" || res.Status != 200 || res.Version != httpmsg.HTTP2 || string(res.Trailers.Value(0)) != "5" {
				t.Errorf("%t %q %d %v", good, body, res.Status, res.Version)
			}
			a.Finish(mono.Now())
			a.Keep(mono.Now())
			ev := &a.Evidence
			if ev.Version != httpmsg.HTTP2 || ev.Stream != uint32(2*i+1) || ev.Nth != uint32(i+1) || ev.Reused != (i > 0) || (ev.Idle > 0) != (i > 0) || ev.Sent == 0 || ev.Got < 5 || ev.Addr == "" {
				t.Errorf("evidence %+v", ev)
			}
		}
		if n := target.IdleCount(); n != 1 {
			t.Errorf("%d connections", n)
		}
	}
}

// Many exchanges share few connections, and bodies go both ways at once.
func TestHTTP2ManyAtOnce(t *testing.T) {
	target := over2(t, false, nil, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	const bodySize = 700 << 10
	body := bytes.Repeat([]byte("0123456789abcdef"), bodySize/16)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			var a Attempt
			for range 3 {
				a.Begin(target, mono.Now())
				h := request()
				h.Method, h.Length = []byte("POST"), bodySize
				if !a.Open(h, AnyConnection) {
					t.Errorf("%+v", a.Evidence)
					return
				}
				var up cancel.Cancel
				a.SendUnder(&up)
				done := make(chan fault.End)
				go func() {
					for p := body; len(p) > 0; p = p[min(len(p), 100_000):] {
						if end := a.Send(p[:min(len(p), 100_000)]); end != fault.Completed {
							done <- end
							return
						}
					}
					done <- a.SendEnd(nil)
				}()
				var res httpmsg.Response
				if !a.AwaitHead() || !a.ReadHead(&res) {
					t.Errorf("%+v", a.Evidence)
					return
				}
				got, good := rest(&a)
				if end := <-done; end != fault.Completed || !good || got != string(body) {
					t.Errorf("sent: %v, answer %t, %d octets", end, good, len(got))
				}
				a.Sent()
				a.Finish(mono.Now())
				a.Keep(mono.Now())
			}
		})
	}
	all.Wait()
	if n := target.IdleCount(); n < 1 || n > 2 {
		t.Errorf("%d connections for 40 at once", n)
	}
}

// What ends a stream or its connection is in the evidence, and whether the endpoint has acted on the request.
func TestHTTP2Ends(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve func(*peer2)
		cause fault.Cause
		check func(*fault.Evidence) bool
	}{
		{"reset", func(p *peer2) { _ = p.WriteRSTStream(p.headers().StreamID, http2.ErrCodeInternal); p.next() }, fault.CauseHTTP2StreamReset, func(e *fault.Evidence) bool {
			return e.Code == h2.InternalError && e.Stream == 1 && !e.Unprocessed && e.Stage == fault.FirstByte
		}},
		{"refused", func(p *peer2) { _ = p.WriteRSTStream(p.headers().StreamID, http2.ErrCodeRefusedStream); p.next() }, fault.CauseHTTP2RefusedStream, func(e *fault.Evidence) bool { return e.Unprocessed && e.Sent > 0 }},
		{"HTTP/1.1", func(p *peer2) { _ = p.WriteRSTStream(p.headers().StreamID, http2.ErrCodeHTTP11Required); p.next() }, fault.CauseHTTP2NotWanted, func(e *fault.Evidence) bool { return e.Unprocessed }},
		{"above GOAWAY", func(p *peer2) { p.headers(); _ = p.WriteGoAway(0, http2.ErrCodeNo, []byte("restart")); p.next() }, fault.CauseHTTP2GoAway, func(e *fault.Evidence) bool {
			return e.Unprocessed && e.Code == h2.NoError && strings.Contains(e.Detail, "restart")
		}},
		{"below GOAWAY, and closed", func(p *peer2) {
			p.headers()
			_ = p.WriteGoAway(1, http2.ErrCodeEnhanceYourCalm, []byte("too_many_pings"))
		}, fault.CauseHTTP2GoAway, func(e *fault.Evidence) bool {
			return !e.Unprocessed && e.Code == h2.EnhanceYourCalm && strings.Contains(e.Detail, "too_many_pings")
		}},
		{"closed", func(p *peer2) { p.headers(); p.fin() }, fault.CauseClosedBeforeAnswer, func(e *fault.Evidence) bool { return e.End == fault.Closed || e.End == fault.Reset }},
		{"rule", func(p *peer2) { p.answer(p.headers().StreamID, true, "content-type", "x"); p.next() }, fault.CauseHTTP2ProtocolError, func(e *fault.Evidence) bool { return e.Rule == fault.RuleH2PseudoMissing }},
		{"101", func(p *peer2) { p.answer(p.headers().StreamID, false, ":status", "101"); p.next() }, fault.CauseHTTP2ProtocolError, func(e *fault.Evidence) bool { return e.Rule == fault.RuleH2Status }},
		{"connection rule", func(p *peer2) { p.headers(); _ = p.WriteData(7, true, nil); p.next() }, fault.CauseHTTP2ProtocolError, func(e *fault.Evidence) bool { return e.Rule == fault.RuleH2StreamIdle }},
		{"cut", func(p *peer2) {
			id := p.headers().StreamID
			p.answer(id, false, ":status", "200", "content-length", "100")
			_ = p.WriteData(id, false, []byte("abc"))
			_ = p.WriteRSTStream(id, http2.ErrCodeCancel)
			p.next()
		}, fault.CauseHTTP2StreamCut, func(e *fault.Evidence) bool {
			return e.Stage == fault.Body && e.Body == 3 && e.Declared == 100 && e.Code == h2.Cancel
		}},
		{"short", func(p *peer2) {
			id := p.headers().StreamID
			p.answer(id, false, ":status", "200", "content-length", "100")
			_ = p.WriteData(id, true, []byte("abc"))
			p.next()
		}, fault.CauseHTTP2StreamCut, func(e *fault.Evidence) bool { return e.Rule == fault.RuleH2Length }},
		{"closed in the body", func(p *peer2) {
			id := p.headers().StreamID
			p.answer(id, false, ":status", "200")
			_ = p.WriteData(id, false, []byte("abc"))
			p.fin()
		}, fault.CauseHTTP2StreamCut, func(e *fault.Evidence) bool { return e.Stage == fault.Body && e.Body == 3 }},
		{"eleven interim heads", func(p *peer2) {
			id := p.headers().StreamID
			for range 12 {
				p.answer(id, false, ":status", "103")
			}
			p.next()
		}, fault.CauseTooManyInterim, func(e *fault.Evidence) bool { return e.Rule == fault.RuleInterimCount }},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := targetOf(t, framed(t, c.serve), nil)
			var a Attempt
			body, good := exchange(&a, target, AnyConnection)
			f := fault.Classify(&a.Evidence)
			if good || f.Cause != c.cause || !c.check(&a.Evidence) || a.Evidence.Version != httpmsg.HTTP2 {
				t.Errorf("%t %q, %v: %+v", good, body, f.Cause, a.Evidence)
			}
		})
	}
}

// What answers is not HTTP/2, or nothing does.
func TestHTTP2NotSpoken(t *testing.T) {
	h1 := strings.Replace(serving(t, "tcp", func(c net.Conn) {
		b := make([]byte, 10)
		_, _ = c.Read(b)
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	}), "http:", "h2c:", 1)
	silent := strings.Replace(serving(t, "tcp", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), "http:", "h2c:", 1)
	for addr, cause := range map[string]fault.Cause{h1: fault.CauseHTTP1OnHTTP2Port, silent: fault.CauseHTTP2NoSettings} {
		target := targetOf(t, addr, func(o *Options) { o.Head = 200 * time.Millisecond })
		var a Attempt
		_, good := exchange(&a, target, AnyConnection)
		if f := fault.Classify(&a.Evidence); good || f.Cause != cause {
			t.Errorf("%v, want %v: %+v", f.Cause, cause, a.Evidence)
		}
	}
}

// ALPN decides over TLS: an endpoint that speaks HTTP/1.1 alone is spoken to so, and an h2 pool does not fall back.
func TestHTTP2Negotiation(t *testing.T) {
	for _, c := range []struct {
		protocol Protocol
		server   bool // speaks HTTP/2
		want     httpmsg.Version
	}{
		{ProtocolAuto, true, httpmsg.HTTP2},
		{ProtocolAuto, false, httpmsg.HTTP11},
		{ProtocolHTTP1, true, httpmsg.HTTP11},
		{ProtocolHTTP2, true, httpmsg.HTTP2},
		{ProtocolHTTP2, false, httpmsg.VersionNone},
	} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
		s.EnableHTTP2 = c.server
		s.StartTLS()
		target := targetOf(t, s.URL, func(o *Options) {
			o.TLSConf, o.Protocol = &tls.Config{InsecureSkipVerify: true}, c.protocol
		})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				var a Attempt
				for range 2 {
					body, good := exchange(&a, target, AnyConnection)
					if c.want == httpmsg.VersionNone {
						if f := fault.Classify(&a.Evidence); good || f.Cause != fault.CauseTLSALPN {
							t.Errorf("%q, %v", body, f.Cause)
						}
					} else if !good || a.Evidence.Version != c.want || !strings.HasPrefix(body, "HTTP/"+c.want.String()) {
						t.Errorf("protocol %d: %q over %v: %+v", c.protocol, body, a.Evidence.Version, a.Evidence)
					}
				}
			})
		}
		all.Wait()
		target.Close()
		s.Close()
	}
}

// A link is asked whether it lives only while something waits on it, and ends when it does not say so.
func TestHTTP2Ping(t *testing.T) {
	pinged := make(chan struct{})
	addr := framed(t, func(p *peer2) {
		p.headers()
		for f := p.next(); f != nil; f = p.next() {
			if f, is := f.(*http2.PingFrame); is && !f.IsAck() {
				close(pinged)
			}
		}
	})
	target := targetOf(t, addr, nil)
	var a Attempt
	done := make(chan fault.Cause)
	go func() {
		exchange(&a, target, AnyConnection)
		done <- fault.Classify(&a.Evidence).Cause
	}()
	link := func() *link {
		target.mu.Lock()
		defer target.mu.Unlock()
		if len(target.links) == 0 {
			return nil
		}
		return target.links[0]
	}
	for end := time.Now().Add(patience); link() == nil || func() bool { _, n := link().quiet(0); return n == 0 }(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no link")
		}
	}
	l := link()
	now := mono.Now()
	l.sweep(now.Add(pingQuiet/2), false)
	l.mu.Lock()
	if l.pinged != 0 {
		t.Error("asked too early")
	}
	l.mu.Unlock()
	l.sweep(now.Add(pingQuiet+time.Second), false)
	<-pinged
	l.mu.Lock()
	l.heard = l.pinged.Add(2 * time.Second) // something that was on its way, and no acknowledgement
	l.mu.Unlock()
	l.sweep(now.Add(pingQuiet+time.Second+pingTime+time.Second), false)
	l.mu.Lock()
	if l.over != nil {
		t.Error("given up too early")
	}
	l.mu.Unlock()
	l.sweep(now.Add(pingQuiet+time.Second+2*pingTime), false)
	if cause := <-done; cause != fault.CauseHTTP2ConnectionDead || a.Evidence.After != pingTime {
		t.Errorf("%v: %+v", cause, a.Evidence)
	}
}

// A link that is not used is closed after Options.Idle, and says so.
func TestHTTP2Idle(t *testing.T) {
	gone := make(chan struct{})
	target := targetOf(t, framed(t, func(p *peer2) {
		p.answer(p.headers().StreamID, true, ":status", "204")
		p.next()
		close(gone)
	}), nil)
	var a Attempt
	if _, good := exchange(&a, target, AnyConnection); !good {
		t.Fatalf("%+v", a.Evidence)
	}
	target.Sweep()
	if target.IdleCount() != 1 {
		t.Error("it was closed at once")
	}
	target.sweepLinks(mono.Now().Add(time.Hour))
	<-gone
}

// One who leaves takes its stream along, and no other's.
func TestHTTP2Cancel(t *testing.T) {
	reset := make(chan http2.ErrCode, 1)
	target := targetOf(t, framed(t, func(p *peer2) {
		first := p.headers().StreamID
		second := p.headers().StreamID
		for f := p.next(); f != nil; f = p.next() {
			if f, is := f.(*http2.RSTStreamFrame); is && f.StreamID == first {
				reset <- f.ErrCode
				p.answer(second, true, ":status", "204")
			}
		}
	}), nil)
	var leaves, stays Attempt
	var c cancel.Cancel
	opened, done := make(chan struct{}), make(chan bool)
	go func() {
		leaves.Begin(target, mono.Now())
		leaves.Cancel = &c
		leaves.Open(&Head{Method: []byte("POST"), Path: []byte("/"), Authority: []byte("a"), Length: -1}, AnyConnection)
		close(opened)
		good := leaves.AwaitHead()
		leaves.Drop()
		done <- good
	}()
	<-opened
	go func() { _, good := exchange(&stays, target, AnyConnection); done <- good }()
	for {
		target.mu.Lock()
		l := target.links[0]
		target.mu.Unlock()
		if _, n := l.quiet(0); n == 2 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	c.Cancel(cancel.ClientLeft)
	if <-done {
		t.Error("it got an answer")
	}
	if code := <-reset; code != http2.ErrCodeCancel {
		t.Errorf("reset by %v", code)
	}
	if !<-done {
		t.Errorf("the other one: %+v", stays.Evidence)
	}
	if f := fault.Classify(&leaves.Evidence); f.Cause != fault.CauseClientLeft {
		t.Errorf("%v", f.Cause)
	}
}

func TestHTTP2Allocates(t *testing.T) {
	target := targetOf(t, framed(t, func(p *peer2) {
		for {
			f := p.headers()
			if f == nil {
				return
			}
			p.answer(f.StreamID, false, ":status", "200", "content-length", "5")
			_ = p.WriteData(f.StreamID, true, []byte("hello"))
		}
	}), nil)
	var a Attempt
	var res httpmsg.Response
	head := request()
	one := func() {
		a.Begin(target, mono.Now())
		if !a.Ask(head, nil, AnyConnection) || !a.ReadHead(&res) {
			t.Fatalf("%+v", a.Evidence)
		}
		for {
			_, found := a.Next()
			if found == Awaited {
				a.Await()
			} else if found != Piece {
				break
			}
		}
		a.Finish(mono.Now())
		a.Keep(mono.Now())
	}
	one()
	// The test's own server allocates some 40 times per exchange: what is over that is ours.
	if n := testing.AllocsPerRun(200, one); n > 60 {
		t.Errorf("%.0f allocations", n)
	}
}

// One who does not read holds up nobody else on the link, and makes us hold no more than its stream's window.
func TestHTTP2SlowReader(t *testing.T) {
	const size = 10 << 20
	target := over2(t, false, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			_, _ = w.Write(make([]byte, size))
			return
		}
		fmt.Fprint(w, "small")
	})
	var slow Attempt
	var res httpmsg.Response
	slow.Begin(target, mono.Now())
	var charged atomic.Int64
	slow.Charge = func(n int64) { charged.Add(n) }
	defer slow.Drop()
	h := request()
	h.Path = []byte("/large")
	if !slow.Ask(h, nil, AnyConnection) || !slow.ReadHead(&res) {
		t.Fatalf("%+v", slow.Evidence)
	}
	full := func() bool {
		_, _, body := slow.call.progress()
		return body == h2.WindowDefault
	}
	for end := time.Now().Add(patience); !full(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the window is not used")
		}
	}
	var quick Attempt
	for range 100 {
		if body, good := exchange(&quick, target, AnyConnection); !good || body != "small" {
			t.Fatalf("%q: %+v", body, quick.Evidence)
		}
	}
	target.mu.Lock()
	n := len(target.links)
	target.mu.Unlock()
	if n != 1 || !full() || charged.Load() != h2.WindowDefault {
		t.Errorf("%d links, %d octets are told of", n, charged.Load())
	}
	if body, good := rest(&slow); !good || len(body) != size {
		t.Errorf("%t, %d octets", good, len(body))
	}
	if w := slow.call.h.Window(); w <= streamWindow/2 || w > streamWindow || charged.Load() > streamWindow {
		t.Errorf("the window of one that reads is %d octets, and %d are told of", w, charged.Load())
	}
}

// A link that goes is not used for new requests, and those on it end on it.
func TestHTTP2GoingLink(t *testing.T) {
	var nth atomic.Int32
	target := targetOf(t, framed(t, func(p *peer2) {
		if nth.Add(1) > 1 {
			for f := p.headers(); f != nil; f = p.headers() {
				p.answer(f.StreamID, true, ":status", "204")
			}
			return
		}
		first := p.headers().StreamID
		p.answer(first, false, ":status", "200")
		_ = p.WriteGoAway(first, http2.ErrCodeNo, nil)
		for f := p.next(); f != nil; f = p.next() { // the PING that the test waits with
			if f, is := f.(*http2.PingFrame); is {
				_ = p.WritePing(true, f.Data)
				_ = p.WriteData(first, true, []byte("late"))
			}
		}
	}), nil)
	var old Attempt
	var res httpmsg.Response
	old.Begin(target, mono.Now())
	if !old.Ask(request(), nil, AnyConnection) || !old.ReadHead(&res) {
		t.Fatalf("%+v", old.Evidence)
	}
	l := old.call.link
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		going := l.gone != nil
		l.mu.Unlock()
		if going {
			break
		}
		if time.Now().After(end) {
			t.Fatal("GOAWAY was not seen")
		}
	}
	var a Attempt
	if _, good := exchange(&a, target, AnyConnection); !good || a.Evidence.Nth != 1 || nth.Load() != 2 {
		t.Errorf("%+v, %d connections", a.Evidence, nth.Load())
	}
	l.sweep(mono.Now().Add(pingQuiet+time.Second), false)
	if body, good := rest(&old); !good || body != "late" {
		t.Errorf("%q: %+v", body, old.Evidence)
	}
	old.Finish(mono.Now())
	old.Keep(mono.Now())
	for end := time.Now().Add(patience); target.IdleCount() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the link that went is still there")
		}
	}
}

// Many requests that come at once for an endpoint that is new wait until it has said how many streams it takes: none is refused. The first
// goes out at once.
func TestManyAtOnceForANewEndpoint(t *testing.T) {
	const streams, requests = 3, 20
	var refused atomic.Int64
	addr := serving(t, "tcp", func(c net.Conn) {
		p := &peer2{http2.NewFramer(c, c), c, t}
		if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		heads := make(chan uint32, requests)
		go func() { // ends with the connection
			defer close(heads)
			for {
				f, err := p.ReadFrame() // the acknowledgement of settings can wait
				if err != nil {
					return
				}
				if h, is := f.(*http2.HeadersFrame); is {
					heads <- h.StreamID
				}
			}
		}()
		first, ok := <-heads
		if !ok {
			return
		}
		under := []uint32{first}
		time.Sleep(50 * time.Millisecond) // the way to the endpoint is long
		_ = p.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: streams})
		for {
			pause := time.After(20 * time.Millisecond)
			for waits := true; waits; {
				select {
				case id, ok := <-heads:
					switch {
					case !ok:
						return
					case len(under) == streams:
						refused.Add(1)
						_ = p.WriteRSTStream(id, http2.ErrCodeRefusedStream)
					default:
						under = append(under, id)
					}
				case <-pause:
					waits = false
				}
			}
			for _, id := range under {
				p.answer(id, true, ":status", "200")
			}
			under = nil
		}
	})
	target := targetOf(t, strings.Replace(addr, "http:", "h2c:", 1), nil)
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			var a Attempt
			a.Begin(target, mono.Now())
			var res httpmsg.Response
			if !a.Ask(request(), nil, AnyConnection) || !a.ReadHead(&res) || res.Status != 200 {
				t.Errorf("%v %v: %s", a.Evidence.Stage, a.Evidence.End, a.Evidence.Detail)
			}
			a.Drop()
		})
	}
	all.Wait()
	if n := refused.Load(); n != 0 {
		t.Errorf("%d were refused", n)
	}
}

// Who waits for an endpoint that never says how many streams it takes, or ends the connection before, does so for a moment, and not each time.
func TestNewEndpointThatSaysNothing(t *testing.T) {
	var opened atomic.Int64
	addr := serving(t, "tcp", func(c net.Conn) {
		opened.Add(1)
		_, _ = io.ReadFull(c, make([]byte, len(http2.ClientPreface)+1))
	})
	target := targetOf(t, strings.Replace(addr, "http:", "h2c:", 1), nil)
	began := time.Now()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			var a Attempt
			a.Begin(target, mono.Now())
			if a.Ask(request(), nil, AnyConnection) {
				t.Error("it was answered")
			}
			a.Drop()
		})
	}
	all.Wait()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v, on %d connections", took, opened.Load())
	}
}
