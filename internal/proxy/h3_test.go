package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/proxy"
)

// overHTTP3 starts a gateway, and a client of it that speaks HTTP/3. It gives the gateway's URL.
func overHTTP3(t *testing.T, s setup, endpoints ...string) (*gateway, *http.Client, string) {
	t.Helper()
	g := start(t, s, endpoints...)
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	q, err := g.server.OpenQUIC(socket, listener.Tag{1, 2}, serverTLS)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- q.Serve() }() // ends when Drain closes the socket
	t.Cleanup(func() {
		g.server.Drain(0)
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if n := g.server.Open(); n != 0 {
			t.Errorf("%d connections are open after the drain", n)
		}
	})
	transport := &http3.Transport{TLSClientConfig: clientTLS().Clone(), DisableCompression: true}
	t.Cleanup(func() { _ = transport.Close() })
	c := &http.Client{Transport: transport, Timeout: 2 * patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return g, c, "https://" + socket.LocalAddr().String()
}

// Messages pass from HTTP/3 to HTTP/1 and back as they are.
func TestHTTP3Messages(t *testing.T) {
	t.Parallel()
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
	g, c, url := overHTTP3(t, setup{}, o.addr)

	res, err := c.Get(url + "/plain?x=1")
	if b := body(t, res, err); res.StatusCode != 200 || res.ProtoMajor != 3 || b != "ok" || res.ContentLength != 2 {
		t.Errorf("%s %d %q", res.Proto, res.StatusCode, b)
	}
	q := <-requests
	if q.line != "GET /plain?x=1 HTTP/1.1" || q.get("Host") != strings.TrimPrefix(url, "https://") || !strings.HasPrefix(q.get("Via"), "3 whygate") || q.get("X-Forwarded-Proto") != "https" || q.get("Transfer-Encoding") != "" {
		t.Errorf("the endpoint got %s %q", q.line, q.lines)
	}
	if r := g.want(200, fault.CauseNone); r.Version != httpmsg.HTTP3 || !r.Secure || r.Sent < 2 || r.Client != "127.0.0.1" {
		t.Errorf("logged as version %s of %s, secure %t, %d sent", r.Version, r.Client, r.Secure, r.Sent)
	}
	res, err = c.Get(url + "/chunks")
	if b := body(t, res, err); b != "abcdefg" || res.Trailer.Get("X-Sum") != "7" || res.Header.Get("X-Hop") != "" || res.Header.Get("Connection") != "" {
		t.Errorf("%q, trailers %v, header %v", b, res.Trailer, res.Header)
	}
	res, err = c.Head(url + "/")
	if b := body(t, res, err); b != "" || res.ContentLength != 500 {
		t.Errorf("HEAD: %q, %d", b, res.ContentLength)
	}
	res, err = c.Get(url + "/304")
	if b := body(t, res, err); b != "" || res.StatusCode != 304 || res.Header.Get("ETag") != `"x"` {
		t.Errorf("%d %q", res.StatusCode, b)
	}
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, h.Get("Link")))
		return nil
	}})
	request, _ := http.NewRequestWithContext(ctx, "GET", url+"/hints", nil)
	res, err = c.Do(request)
	if b := body(t, res, err); b != "ok" || len(hints) != 1 || hints[0] != "103</a.css>" {
		t.Errorf("%q after %q", b, hints)
	}
}

// A client that waits to be asked for its body is asked, by the endpoint.
func TestHTTP3Expect(t *testing.T) {
	t.Parallel()
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // asks when it begins to read
		b, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, string(b), err)
	}))
	defer o.Close()
	_, c, url := overHTTP3(t, setup{}, strings.TrimPrefix(o.URL, "http://"))
	content, w := io.Pipe()
	defer w.Close()
	asked := make(chan int, 10)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		asked <- code
		return nil
	}})
	go func() { // ends when it was asked, or with the pipe
		select {
		case <-ctx.Done():
		case <-asked:
			_, _ = w.Write([]byte("hello"))
			_ = w.Close()
		}
	}()
	request, _ := http.NewRequestWithContext(ctx, "POST", url+"/", content)
	request.Header.Set("Expect", "100-continue")
	res, err := c.Do(request)
	if b := body(t, res, err); b != "hello<nil>" {
		t.Errorf("%q", b)
	}
}

// Bodies arrive both ways, small ones at once and large ones piece by piece, with their trailers; so they do at the second endpoint.
func TestHTTP3Bodies(t *testing.T) {
	t.Parallel()
	requests := make(chan message, 10)
	dead := upstreamOf(t, func(p *peer) { p.head() }) // takes the head, and goes
	large := noise(1 << 20)
	o := upstreamOf(t, capturing(requests, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(large), large)))
	g, c, url := overHTTP3(t, setup{pool: func(p *proxy.Pool) { p.ReplayBody = 2 << 20 }}, dead.addr, o.addr)
	for _, size := range []int{0, 5, 20_000, 100_000, 1 << 20} {
		for _, declared := range []bool{true, false} {
			text := noise(size)
			var r io.Reader = strings.NewReader(text)
			if !declared {
				r = io.MultiReader(r) // of no known size
			}
			request, _ := http.NewRequest("PUT", url+"/", r)
			if !declared {
				request.Trailer = http.Header{"X-Sum": {"7"}}
			}
			res, err := c.Do(request)
			if b := body(t, res, err); b != large {
				t.Fatalf("%d octets, declared %t: %d, %d octets of an answer", size, declared, res.StatusCode, len(b))
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
func TestHTTP3Faults(t *testing.T) {
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
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, tt.serve)
			g, c, url := overHTTP3(t, setup{pool: func(p *proxy.Pool) { p.Attempts = 1 }}, o.addr)
			res, err := c.Get(url + "/")
			var b []byte
			if err == nil {
				b, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			var reset *http3.Error
			switch {
			case tt.status == 0 && !(errors.As(err, &reset) && reset.ErrorCode == http3.ErrCodeInternalError):
				t.Errorf("%v after %d octets, want H3_INTERNAL_ERROR", err, len(b))
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

// A request that the client gives up, wherever its exchange is, is the client's leaving, and the endpoint's connection ends with it.
func TestHTTP3ClientLeaves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		serve  func(*peer)
		upload bool
		whole  bool // the connection goes, not the request alone
	}{
		{name: "before the answer", serve: func(p *peer) { p.head() }},
		{name: "in the answer's head", serve: func(p *peer) { p.head(); p.send("HTTP/1.1 200 OK\r\nX: ") }},
		{name: "in the answer", serve: func(p *peer) { p.head(); p.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello") }},
		{name: "in the request", serve: func(p *peer) { p.head() }, upload: true},
		{name: "with its connection", serve: func(p *peer) { p.head() }, whole: true},
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
			g, c, url := overHTTP3(t, setup{}, o.addr)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var upload io.Reader
			if tt.upload {
				r, w := io.Pipe()
				defer w.Close()
				upload = r
				go func() { _, _ = w.Write([]byte("hello")) }() // and no more
			}
			request, _ := http.NewRequestWithContext(ctx, "POST", url+"/", upload)
			ended := make(chan bool)
			go func() {
				defer close(ended)
				if res, err := c.Do(request); err == nil {
					_, _ = io.ReadAll(res.Body)
					res.Body.Close()
				}
			}()
			<-there
			if tt.whole {
				_ = c.Transport.(*http3.Transport).Close()
			} else {
				cancel()
			}
			<-ended
			g.want(499, fault.CauseClientLeft)
			select {
			case <-over:
			case <-time.After(patience):
				t.Error("the endpoint's connection goes on")
			}
			if g.failures(0) != 0 {
				t.Error("the endpoint is blamed")
			}
		})
	}
}

// A drain tells the client to go elsewhere, lets what is under way end, and then cuts it, answered.
func TestHTTP3Drain(t *testing.T) {
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
	g, c, url := overHTTP3(t, setup{}, o.addr)
	answers := make(chan string, 2)
	for _, path := range []string{"/slow", "/fine"} {
		go func() {
			res, err := c.Get(url + path)
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
	go func() { done <- g.server.Drain(300 * time.Millisecond) }()
	close(release)
	if a := <-answers; a != "/fine200" {
		t.Errorf("what could end: %s", a)
	}
	if a := <-answers; a != "/slow503" {
		t.Errorf("what could not: %s", a)
	}
	if <-done {
		t.Error("the drain says that all ended in time")
	}
	late := &http3.Transport{TLSClientConfig: clientTLS().Clone()}
	defer late.Close()
	if _, err := (&http.Client{Transport: late, Timeout: time.Second}).Get(url + "/"); err == nil {
		t.Error("a new connection is taken")
	}
}

// Many requests of one connection are under way together, more than may be at once.
func TestHTTP3Parallel(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) {
		for {
			q, there := p.request()
			if !there {
				return
			}
			text := strings.Fields(q.line)[1]
			p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text)*1000, strings.Repeat(text, 1000)))
		}
	})
	g, c, url := overHTTP3(t, setup{}, o.addr)
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			path := fmt.Sprint("/", i)
			res, err := c.Get(url + path)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if b, err := io.ReadAll(res.Body); err != nil || string(b) != strings.Repeat(path, 1000) {
				t.Errorf("%s: %d octets, %v", path, len(b), err)
			}
		})
	}
	all.Wait()
	if n := g.server.Open(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// A request that is larger than the limits is answered with what HTTP/1 answers.
func TestHTTP3Limits(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, answering(ok))
	g, c, url := overHTTP3(t, setup{limits: func(l *listener.Limits) { l.RequestHead, l.RequestBody = 4<<10, 1000 }}, o.addr)
	request, _ := http.NewRequest("GET", url+"/", nil)
	request.Header.Set("X-Large", strings.Repeat("x", 6<<10))
	res, err := c.Do(request)
	if body(t, res, err); res.StatusCode != 431 {
		t.Errorf("a large head: %d", res.StatusCode)
	}
	g.want(431, fault.CauseRequestHeadTooLarge)
	res, err = c.Post(url+"/", "text/plain", strings.NewReader(strings.Repeat("x", 2000)))
	if body(t, res, err); res.StatusCode != 413 {
		t.Errorf("a large body: %d", res.StatusCode)
	}
	g.want(413, fault.CauseRequestBodyTooLarge)
	res, err = c.Post(url+"/", "text/plain", io.MultiReader(strings.NewReader(strings.Repeat("x", 200_000))))
	if body(t, res, err); res.StatusCode != 413 {
		t.Errorf("a large body of no known size: %d", res.StatusCode)
	}
	g.want(413, fault.CauseRequestBodyTooLarge)
	res, err = c.Get(url + "/")
	if body(t, res, err); res.StatusCode != 200 {
		t.Errorf("what is within them: %d", res.StatusCode)
	}
}

// Answers over TCP name the port of HTTP/3 while there is one, unless the endpoint or the route does so itself.
func TestAlternative(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) {
		for {
			q, there := p.request()
			if !there {
				return
			}
			if strings.Contains(q.line, "/own") {
				p.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAlt-Svc: h3=\":8443\"\r\n\r\nok")
			} else {
				p.send(ok)
			}
		}
	})
	value := []byte(`h3=":443"; ma=86400`)
	var now []byte
	var mu sync.Mutex
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := serverTLS().Clone()
	front.NextProtos = []string{"h2", "http/1.1"}
	g := start(t, setup{}, o.addr)
	done := make(chan error, 1)
	go func() {
		done <- g.server.ListenAs(l, listener.Spoken{TLS: func() *tls.Config { return front }, AltSvc: func() []byte { mu.Lock(); defer mu.Unlock(); return now }})
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	for _, h2 := range []bool{false, true} {
		conf := clientTLS().Clone()
		transport := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: h2}
		defer transport.CloseIdleConnections()
		c := &http.Client{Transport: transport, Timeout: patience}
		for _, v := range []struct {
			path string
			now  []byte
			want string
		}{{"/", nil, ""}, {"/", value, string(value)}, {"/own", value, `h3=":8443"`}, {"/", nil, ""}} {
			mu.Lock()
			now = v.now
			mu.Unlock()
			res, err := c.Get("https://" + l.Addr().String() + v.path)
			body(t, res, err)
			if got := strings.Join(res.Header["Alt-Svc"], ", "); got != v.want {
				t.Errorf("%s %s: %q, want %q", res.Proto, v.path, got, v.want)
			}
		}
	}
	res, err := http.Get("http://" + g.addr + "/")
	if body(t, res, err); res.Header.Get("Alt-Svc") != "" {
		t.Error("in clear it is named too")
	}
	http.DefaultClient.CloseIdleConnections()
}
