package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/route"
	"github.com/whygate/whygate/internal/telemetry"
)

// overHTTP2 starts a gateway, and a client of it that speaks HTTP/2: in clear, or over TLS.
func overHTTP2(t *testing.T, secure bool, s setup, endpoints ...string) (*gateway, *http.Client) {
	t.Helper()
	s.h2c = true
	var protocols http.Protocols
	protocols.SetHTTP2(secure)
	protocols.SetUnencryptedHTTP2(!secure)
	transport := &http.Transport{Protocols: &protocols, DisableCompression: true}
	if secure {
		s.front = serverTLS().Clone()
		s.front.NextProtos = []string{"h2", "http/1.1"}
		transport.TLSClientConfig = clientTLS().Clone()
	}
	g := start(t, s, endpoints...)
	c := &http.Client{Transport: transport, Timeout: 2 * patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(transport.CloseIdleConnections)
	return g, c
}

// url is the gateway's.
func (g *gateway) url(secure bool, path string) string {
	if secure {
		return "https://" + g.addr + path
	}
	return "http://" + g.addr + path
}

// body reads an answer to its end.
func body(t *testing.T, res *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("after %q: %v", b, err)
	}
	return string(b)
}

// Messages pass from HTTP/2 to HTTP/1 and back as they are.
func TestHTTP2Messages(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		requests := make(chan message, 10)
		o := upstreamOf(t, func(p *peer) {
			for {
				q, there := p.request()
				if !there {
					return
				}
				requests <- q
				switch {
				case strings.HasPrefix(q.line, "HEAD"):
					p.send("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
				case strings.Contains(q.line, "/304"):
					p.send("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n")
				case strings.Contains(q.line, "/chunks"):
					p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n")
				case strings.Contains(q.line, "/hints"):
					p.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + ok)
				default:
					p.send(ok)
				}
			}
		})
		g, c := overHTTP2(t, secure, setup{}, o.addr)

		res, err := c.Get(g.url(secure, "/plain?x=1"))
		if b := body(t, res, err); res.StatusCode != 200 || res.ProtoMajor != 2 || b != "ok" || res.ContentLength != 2 {
			t.Errorf("%s %d %q", res.Proto, res.StatusCode, b)
		}
		q := <-requests
		if q.line != "GET /plain?x=1 HTTP/1.1" || q.get("Host") != g.addr || !strings.HasPrefix(q.get("Via"), "2 whygate") || q.get("X-Forwarded-Proto") != map[bool]string{false: "http", true: "https"}[secure] {
			t.Errorf("the endpoint got %s %q", q.line, q.lines)
		}
		if r := g.want(200, fault.CauseNone); r.Version != httpmsg.HTTP2 || r.Secure != secure || r.Sent < 2 {
			t.Errorf("logged as version %s, secure %t, %d sent", r.Version, r.Secure, r.Sent)
		}

		res, err = c.Get(g.url(secure, "/chunks"))
		if b := body(t, res, err); b != "abcdefg" || res.Trailer.Get("X-Sum") != "7" || res.Header.Get("X-Hop") != "" || res.Header.Get("Connection") != "" {
			t.Errorf("%q, trailers %v, header %v", b, res.Trailer, res.Header)
		}
		res, err = c.Head(g.url(secure, "/"))
		if b := body(t, res, err); b != "" || res.ContentLength != 500 {
			t.Errorf("HEAD: %q, %d", b, res.ContentLength)
		}
		res, err = c.Get(g.url(secure, "/304"))
		if b := body(t, res, err); b != "" || res.StatusCode != 304 || res.Header.Get("ETag") != `"x"` {
			t.Errorf("%d %q", res.StatusCode, b)
		}
		var hints []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, h.Get("Link")))
			return nil
		}})
		request, _ := http.NewRequestWithContext(ctx, "GET", g.url(secure, "/hints"), nil)
		res, err = c.Do(request)
		if b := body(t, res, err); b != "ok" || len(hints) != 1 || hints[0] != "103</a.css>" {
			t.Errorf("%q after %q", b, hints)
		}
	}
}

// Request bodies arrive, small ones at once and large ones piece by piece, with their trailers; so they do at the second endpoint.
func TestHTTP2Uploads(t *testing.T) {
	t.Parallel()
	requests := make(chan message, 10)
	dead := upstreamOf(t, func(p *peer) { p.head() }) // takes the head, and goes
	o := upstreamOf(t, capturing(requests, ok))
	g, c := overHTTP2(t, false, setup{pool: func(p *proxy.Pool) { p.ReplayBody = 2 << 20 }}, dead.addr, o.addr)
	for _, size := range []int{0, 5, 100_000, 1 << 20} {
		for _, declared := range []bool{true, false} {
			text := noise(size)
			var r io.Reader = strings.NewReader(text)
			if !declared {
				r = io.MultiReader(r) // of no known size
			}
			request, _ := http.NewRequest("PUT", g.url(false, "/"), r)
			if !declared {
				request.Trailer = http.Header{"X-Sum": {"7"}}
			}
			res, err := c.Do(request)
			if b := body(t, res, err); b != "ok" {
				t.Fatalf("%d octets, declared %t: %d %.200q", size, declared, res.StatusCode, b)
			}
			if q := <-requests; q.body != text {
				t.Errorf("%d octets, declared %t: %d came, %q", size, declared, len(q.body), q.lines)
			} else if !declared && size > 0 && (len(q.trailers) != 1 || !strings.EqualFold(q.trailers[0], "x-sum: 7")) {
				t.Errorf("trailers %q", q.trailers)
			}
			if r := g.record(); r.Status != 200 || r.Fault.Is() && !r.Saved {
				t.Errorf("logged as %d, %s, saved %t", r.Status, r.Fault.Cause, r.Saved)
			}
		}
	}
}

// Whatever the endpoint does, the client gets the answer that HTTP/1 gets.
func TestHTTP2Faults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		serve  func(*peer)
		status int // 0 for a stream that is reset
		logged int
		cause  fault.Cause
	}{
		{"closes", func(p *peer) { p.request() }, 502, 502, fault.CauseClosedBeforeAnswer},
		{"resets", func(p *peer) { p.request(); p.reset() }, 502, 502, fault.CauseResetBeforeAnswer},
		{"no HTTP", func(p *peer) { p.request(); p.send("SSH-2.0-x\r\n\r\n"); p.gone() }, 502, 502, fault.CauseWrongService},
		{"short body", func(p *peer) {
			p.request()
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + noise(70_000))
		}, 0, 200, fault.CauseBodyShort},
		{"short body before anything was sent", func(p *peer) { p.request(); p.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello") }, 0, 200, fault.CauseBodyShort},
		{"cut chunks", func(p *peer) {
			p.request()
			p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		}, 0, 200, fault.CauseChunksCut},
		{"500", func(p *peer) { p.request(); p.send("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops") }, 500, 500, fault.CauseUpstreamStatus},
		{"upgrade", func(p *peer) { p.request(); p.send(switched) }, 502, 502, fault.CauseUnaskedUpgrade},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, tt.serve)
			g, c := overHTTP2(t, false, setup{pool: func(p *proxy.Pool) { p.Attempts = 1 }}, o.addr)
			res, err := c.Get(g.url(false, "/"))
			var b []byte
			if err == nil {
				b, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			var reset http2.StreamError
			switch {
			case tt.status == 0 && !(errors.As(err, &reset) && reset.Code == http2.ErrCodeInternal):
				t.Errorf("%v after %d octets, want INTERNAL_ERROR", err, len(b))
			case tt.status != 0 && (err != nil || res.StatusCode != tt.status):
				t.Errorf("%v, %v", res, err)
			case tt.status == 502 && (!strings.Contains(res.Header.Get("Proxy-Status"), "whygate; error=") || len(b) == 0):
				t.Errorf("Proxy-Status %q, %d octets of a page", res.Header.Get("Proxy-Status"), len(b))
			}
			r := g.want(tt.logged, tt.cause)
			if tt.status == 0 && !r.Late {
				t.Error("it is not called late")
			}
		})
	}
}

// A stream that the client resets, wherever its exchange is, is the client's leaving, and the endpoint's connection ends soon.
func TestHTTP2ClientLeaves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		serve  func(*peer)
		upload bool
	}{
		{name: "before the answer", serve: func(p *peer) { p.head() }},
		{name: "in the answer's head", serve: func(p *peer) { p.head(); p.send("HTTP/1.1 200 OK\r\nX: ") }},
		{name: "in the answer", serve: func(p *peer) { p.head(); p.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello") }},
		{name: "in the request", serve: func(p *peer) { p.head() }, upload: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			there, over := make(chan bool, 1), make(chan bool, 1)
			o := upstreamOf(t, func(p *peer) {
				tt.serve(p)
				there <- true
				p.gone()
				over <- true
			})
			g, c := overHTTP2(t, false, setup{}, o.addr)
			ctx, cancel := context.WithCancel(t.Context())
			var upload io.Reader
			if tt.upload {
				r, w := io.Pipe()
				defer w.Close()
				upload = r
				go func() { _, _ = w.Write([]byte("hello")) }() // and no more
			}
			request, _ := http.NewRequestWithContext(ctx, "POST", g.url(false, "/"), upload)
			ended := make(chan bool)
			go func() {
				defer close(ended)
				if res, err := c.Do(request); err == nil {
					_, _ = io.ReadAll(res.Body)
					res.Body.Close()
				}
			}()
			<-there
			began := time.Now()
			cancel()
			<-ended
			g.want(499, fault.CauseClientLeft)
			<-over
			if d := time.Since(began); d > 800*time.Millisecond {
				t.Errorf("it took %v: nobody was woken", d)
			}
			if g.failures(0) != 0 {
				t.Error("the endpoint is blamed")
			}
		})
	}
}

// A drain tells the client to go elsewhere, lets what is under way end, and then cuts it, answered.
func TestHTTP2Drain(t *testing.T) {
	t.Parallel()
	there, release := make(chan bool, 2), make(chan bool)
	o := upstreamOf(t, func(p *peer) {
		for {
			q, more := p.request()
			if !more {
				return
			}
			there <- true
			if strings.Contains(q.line, "/slow") {
				p.gone()
				return
			}
			<-release
			p.send(ok)
		}
	})
	g, c := overHTTP2(t, false, setup{}, o.addr)
	answers := make(chan string, 2)
	for _, path := range []string{"/slow", "/fine"} {
		go func() {
			res, err := c.Get(g.url(false, path))
			if err != nil {
				answers <- err.Error()
				return
			}
			res.Body.Close()
			answers <- fmt.Sprint(path, res.StatusCode)
		}()
		<-there
	}
	done := make(chan bool, 1)
	began := time.Now()
	go func() { done <- g.server.Drain(300 * time.Millisecond) }()
	eventually(t, func() bool { // it has begun: nothing is accepted any more
		c, err := net.Dial("tcp", g.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	}, "the drain never began")
	close(release)
	if a := <-answers; a != "/fine200" {
		t.Errorf("what could end: %s", a)
	}
	if a := <-answers; a != "/slow503" {
		t.Errorf("what could not: %s", a)
	}
	if <-done {
		t.Error("the drain had time")
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("it took %v", d)
	}
	g.want(200, fault.CauseNone)
	if g.want(503, fault.CauseShuttingDown); g.failures(0) != 0 {
		t.Error("the endpoint is blamed")
	}
}

// A request body beyond the limit is refused, whether its length was said or not.
func TestHTTP2BodyLimit(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) { p.head(); p.gone() })
	g, c := overHTTP2(t, false, setup{limits: func(l *listener.Limits) { l.RequestBody = 1000 }}, o.addr)
	for _, r := range []io.Reader{strings.NewReader(noise(2000)), io.MultiReader(strings.NewReader(noise(200_000)))} {
		res, err := c.Post(g.url(false, "/"), "text/plain", r)
		if body(t, res, err); res.StatusCode != 413 {
			t.Errorf("status %d", res.StatusCode)
		}
		g.want(413, fault.CauseRequestBodyTooLarge)
	}
}

// Many requests share one connection, and none gets another's answer.
func TestHTTP2ManyAtOnce(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) {
		for {
			q, more := p.request()
			if !more {
				return
			}
			path := strings.Fields(q.line)[1]
			p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(path)+len(q.body), path, q.body))
		}
	})
	g, c := overHTTP2(t, true, setup{}, o.addr)
	res, err := c.Get(g.url(true, "/"))
	body(t, res, err) // there is a connection
	var wg sync.WaitGroup
	for i := range 120 {
		wg.Go(func() {
			path := fmt.Sprintf("/%d", i)
			upload := strings.Repeat(path, i*20)
			res, err := c.Post(g.url(true, path), "text/plain", strings.NewReader(upload))
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if b, err := io.ReadAll(res.Body); err != nil || string(b) != path+upload {
				t.Errorf("%s: %d octets, %v", path, len(b), err)
			}
		})
	}
	wg.Wait()
	if n := g.server.Open(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// A client that falls silent in the middle of its upload is told so, as over HTTP/1, and does not count as one that left.
func TestHTTP2SilentUpload(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) { p.head(); p.gone() })
	g, c := overHTTP2(t, false, setup{limits: func(l *listener.Limits) { l.Idle = time.Second }}, o.addr)
	r, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = w.Write([]byte("hello")) }() // and no more
	res, err := c.Post(g.url(false, "/"), "text/plain", r)
	if body(t, res, err); res.StatusCode != http.StatusRequestTimeout {
		t.Errorf("status %d", res.StatusCode)
	}
	if g.want(408, fault.CauseRequestBodyTimeout); g.failures(0) != 0 {
		t.Error("the endpoint is blamed")
	}
}

// A request that breaks a rule of HTTP/2 never comes to a handler. It is in the log all the same, and so is what ended a connection.
func TestHTTP2RefusalsAreLogged(t *testing.T) {
	t.Parallel()
	const id = 1
	fields := func(more ...string) []byte {
		b := h2.BeginHeaders(nil, id)
		for i, f := range append([]string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a.test"}, more...) {
			if i%2 == 0 {
				b = append(b, 0, byte(len(f))) // a literal without indexing, its name and its value without Huffman's code
			} else if n := len(f); n < 127 {
				b = append(b, byte(n))
			} else {
				n -= 127
				for b = append(b, 127); n >= 128; n >>= 7 {
					b = append(b, byte(n)|128)
				}
				b = append(b, byte(n))
			}
			b = append(b, f...)
		}
		return h2.FinishHeaders(b, 0, id, true)
	}
	for _, tt := range []struct {
		name   string
		send   []byte
		status int
		cause  fault.Cause
		rule   fault.Rule
	}{
		{"head too large", fields("x-long", strings.Repeat("a", 6<<10)), 431, fault.CauseRequestHeadTooLarge, fault.RuleHeadSize},
		{"connection field", fields("connection", "close"), 400, fault.CauseRequestMalformed, fault.RuleH2ConnectionField},
		{"DATA of no stream", []byte{0, 0, 0, 0, 0, 0, 0, 0, 0}, 400, fault.CauseRequestMalformed, fault.RuleH2StreamZero},
	} {
		t.Run(strings.ReplaceAll(tt.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			g := start(t, setup{h2c: true, limits: func(l *listener.Limits) { l.RequestHead = 4 << 10 }}, upstreamOf(t, answering(ok)).addr)
			c := g.dial()
			c.send(h2.Preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + string(tt.send))
			r := g.want(tt.status, tt.cause)
			if r.evidence.Rule != tt.rule || r.Client == "" || r.Incident == "" || r.By != telemetry.ByGateway {
				t.Errorf("rule %v of %q, incident %q, by %v", r.evidence.Rule, r.Client, r.Incident, r.By)
			}
		})
	}
}

// A client whose body is not as long as it said broke a rule, and did not leave.
func TestHTTP2BodyBreaksARule(t *testing.T) {
	t.Parallel()
	there := make(chan bool, 1)
	o := upstreamOf(t, func(p *peer) { p.head(); there <- true; p.gone() })
	g, _ := overHTTP2(t, false, setup{}, o.addr)
	c := g.dial()
	var head bytes.Buffer
	fields := hpack.NewEncoder(&head)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/"}, {"content-length", "10"}} {
		_ = fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	c.send(http2.ClientPreface)
	frames := http2.NewFramer(c.Conn, c.r)
	_ = frames.WriteSettings()
	_ = frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndHeaders: true})
	<-there
	_ = frames.WriteData(1, true, []byte("hello"))
	if g.want(400, fault.CauseRequestMalformed); g.failures(0) != 0 {
		t.Error("the endpoint is blamed")
	}
}

// A client that leaves in the middle of an answer's body: the line says so, and how much had come, over both versions.
func TestClientLeavesTheBody(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.1", "2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			const piece = 1 << 20
			o := upstreamOf(t, func(p *peer) {
				p.request()
				p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				for chunk := fmt.Sprintf("%x\r\n%s\r\n", piece, noise(piece)); ; {
					if _, err := io.WriteString(p.Conn, chunk); err != nil {
						return
					}
				}
			})
			g, c := overHTTP2(t, false, setup{}, o.addr)
			if version == "1.1" {
				c = &http.Client{Transport: &http.Transport{}, Timeout: patience}
			}
			res, err := c.Get(g.url(false, "/"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, res.Body, piece); err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			r := g.want(499, fault.CauseClientLeft)
			if a := r.Attempts[0]; r.evidence.Stage != fault.Body || a.Stage != fault.Body || a.Got < piece || a.Body < piece {
				t.Errorf("stage %v, the attempt's %v, %d bytes, %d of the body", r.evidence.Stage, a.Stage, a.Got, a.Body)
			}
		})
	}
}

// A head that is too large is answered with a page, and a line names the field's limit.
func TestHTTP2HeadTooLargeHasAPage(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, answering(ok))
	g := start(t, setup{h2c: true, limits: func(l *listener.Limits) { l.RequestHead = 4 << 10 }}, o.addr)
	c := g.dial()
	c.send(h2.Preface)
	frames := http2.NewFramer(c.Conn, c.r)
	frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = frames.WriteSettings()
	var head bytes.Buffer
	e := hpack.NewEncoder(&head)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/"}, {"x-long", strings.Repeat("a", 6<<10)}} {
		_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	_ = frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: true})
	status, page := "", ""
	for {
		f, err := frames.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			status = f.PseudoValue("status")
		case *http2.DataFrame:
			page += string(f.Data())
		}
		if f.Header().StreamID == 1 && f.Header().Flags.Has(http2.FlagDataEndStream) {
			break
		}
	}
	r := g.want(431, fault.CauseRequestHeadTooLarge)
	if status != "431" || !strings.Contains(page, r.Incident) || r.Sent == 0 {
		t.Errorf("%s %.100q, incident %s, %d sent", status, page, r.Incident, r.Sent)
	}
}

// A head that does not come to its end in time is in the log, though there is nobody to answer.
func TestHTTP2HeadTooLate(t *testing.T) {
	t.Parallel()
	g := start(t, setup{h2c: true, limits: func(l *listener.Limits) { l.HeadTime = 200 * time.Millisecond }}, refusing(t))
	c := g.dial()
	c.send(h2.Preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x01\x01\x01\x00\x00\x00\x01\x82") // HEADERS that CONTINUATION is to follow
	if r := g.want(408, fault.CauseRequestHeadTimeout); r.evidence.After != 200*time.Millisecond || r.Client == "" {
		t.Errorf("after %v, from %q", r.evidence.After, r.Client)
	}
	c.gone()
}

// A name that neither a route nor the certificate has was asked for on a connection of another name: 421. Where the certificate has it,
// there is no such route; and a route serves it whatever the certificate says.
func TestHTTP2Misdirected(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, answering(ok))
	only := setup{snapshot: func(s *proxy.Snapshot) {
		table, err := route.New([]route.Rule{{Host: "routed.test"}})
		if err != nil {
			t.Fatal(err)
		}
		s.Table = table
	}}
	for _, secure := range []bool{true, false} {
		g, c := overHTTP2(t, secure, only, o.addr)
		for host, status := range map[string]int{"routed.test": 200, "127.0.0.1": 404, "127.0.0.1:444": 404, "other.test": 421, "other.test:443": 421} {
			if !secure && status == 421 {
				status = 404 // there is no certificate
			}
			q, _ := http.NewRequest("GET", g.url(secure, "/"), nil)
			q.Host = host
			res, err := c.Do(q)
			if page := body(t, res, err); res.StatusCode != status {
				t.Errorf("%s: %d, not %d: %.80q", host, res.StatusCode, status, page)
			}
			if r := g.record(); r.Status != status || (r.Fault.Cause == fault.CauseNoRoute) != (status != 200) {
				t.Errorf("%s: logged as %d, %v", host, r.Status, r.Fault.Cause)
			}
		}
	}
}

// counting is a Stream that adds up what it is charged.
type counting struct {
	exchange.Stream
	n *atomic.Int64
}

func (c counting) Charge(n int64) { c.n.Add(n) }

// What waits of an answer over HTTP/2 counts in what clients may make us hold.
func TestHTTP2AnswerIsCharged(t *testing.T) {
	t.Parallel()
	const size = 100_000
	addr := pairing{httpmsg.HTTP2, httpmsg.HTTP2, false}.endpoint(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) })
	var charged atomic.Int64
	g, c := overHTTP2(t, false, setup{serve: func(p *proxy.Proxy, x *exchange.Exchange) {
		stream := x.Stream
		x.Stream = counting{stream, &charged}
		p.Serve(x)
		x.Stream = stream
	}}, addr)
	res, err := c.Get(g.url(false, "/"))
	if got := body(t, res, err); len(got) != size {
		t.Errorf("%d octets", len(got))
	}
	g.want(200, fault.CauseNone)
	if n := charged.Load(); n == 0 || n > size {
		t.Errorf("%d octets were charged", n)
	}
}
