package proxy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/upstream"
)

// pairing is the versions of HTTP on both sides of the gateway.
type pairing struct {
	client, server httpmsg.Version
	secure         bool // the endpoint speaks TLS, and its version is agreed on in the handshake
}

func (p pairing) String() string {
	s := p.client.String() + " to " + p.server.String()
	if p.secure {
		s += " over TLS"
	}
	return s
}

var pairings = []pairing{
	{httpmsg.HTTP11, httpmsg.HTTP11, false},
	{httpmsg.HTTP2, httpmsg.HTTP11, false},
	{httpmsg.HTTP11, httpmsg.HTTP2, false},
	{httpmsg.HTTP2, httpmsg.HTTP2, false},
	{httpmsg.HTTP11, httpmsg.HTTP11, true},
	{httpmsg.HTTP2, httpmsg.HTTP2, true},
}

// quiet is for servers that a test breaks on purpose.
var quiet = log.New(io.Discard, "", 0)

// between runs a test in each pairing.
func between(t *testing.T, f func(*testing.T, pairing)) {
	t.Helper()
	t.Parallel()
	for _, p := range pairings {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			f(t, p)
		})
	}
}

// endpoint runs a server in the pairing's version, and gives its address.
func (p pairing) endpoint(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	inner := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/1's server would read the request to its end before it answers
		inner.ServeHTTP(w, r)
	})
	s.Config.ErrorLog = quiet
	s.Config.Protocols = new(http.Protocols)
	two := p.server == httpmsg.HTTP2
	s.Config.Protocols.SetHTTP1(!two)
	s.Config.Protocols.SetHTTP2(two && p.secure)
	s.Config.Protocols.SetUnencryptedHTTP2(two && !p.secure)
	s.EnableHTTP2 = two
	if p.secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	if two && !p.secure {
		return strings.Replace(s.URL, "http:", "h2c:", 1)
	}
	return s.URL
}

// gateway starts one before these endpoints, and a client of it in the pairing's version.
func (p pairing) gateway(t *testing.T, s setup, endpoints ...string) (*gateway, *http.Client) {
	t.Helper()
	change := s.options
	s.options = func(o *upstream.Options) {
		o.TLSConf = &tls.Config{InsecureSkipVerify: true}
		if change != nil {
			change(o)
		}
	}
	s.h2c = true
	g := start(t, s, endpoints...)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(p.client == httpmsg.HTTP11)
	protocols.SetUnencryptedHTTP2(p.client == httpmsg.HTTP2)
	transport := &http.Transport{Protocols: protocols, DisableCompression: true, ExpectContinueTimeout: patience}
	t.Cleanup(transport.CloseIdleConnections)
	return g, &http.Client{
		Transport: transport, Timeout: 2 * patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// spoke checks which version the last attempt was made in.
func (p pairing) spoke(t *testing.T, r record) {
	t.Helper()
	if n := len(r.Attempts); n == 0 || r.Attempts[n-1].Version != p.server || r.Version != p.client {
		t.Errorf("the record has version %v, and %d attempts", r.Version, n)
	}
}

// Messages pass as they are: heads, bodies, trailers and interim responses.
func TestBetweenMessages(t *testing.T) {
	between(t, func(t *testing.T, p pairing) {
		addr := p.endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Saw", fmt.Sprintf("%s %s %s te=%q cookie=%q via=%q", r.Method, r.URL, r.Host, r.Header.Get("Te"), r.Header["Cookie"], r.Header.Get("Via")))
			switch r.URL.Path {
			case "/echo":
				w.Header().Set("Trailer", "X-Sum")
				n, _ := io.Copy(w, r.Body)
				w.Header().Set("X-Sum", fmt.Sprintf("%d %s", n, r.Trailer.Get("X-Up")))
			case "/hints":
				w.Header().Set("Link", "</a.css>")
				w.WriteHeader(103)
				fmt.Fprint(w, "ok")
			case "/304":
				w.WriteHeader(304)
			case "/204":
				w.WriteHeader(204)
			case "/empty":
			default:
				w.Header().Set("Content-Length", "2")
				if r.Method != "HEAD" {
					fmt.Fprint(w, "ok")
				}
			}
		})
		g, c := p.gateway(t, setup{}, addr)
		url := g.url(false, "")

		res, err := c.Get(url + "/plain?x=1")
		if b := body(t, res, err); b != "ok" || res.ContentLength != 2 || !strings.Contains(res.Header.Get("X-Saw"), "GET /plain?x=1 "+g.addr) || !strings.Contains(res.Header.Get("X-Saw"), "whygate") {
			t.Errorf("%q %v", b, res.Header)
		}
		p.spoke(t, g.want(200, fault.CauseNone))
		for path, status := range map[string]int{"/304": 304, "/204": 204, "/empty": 200} {
			res, err = c.Get(url + path)
			if b := body(t, res, err); b != "" || res.StatusCode != status {
				t.Errorf("%s: %d %q", path, res.StatusCode, b)
			}
			g.want(status, fault.CauseNone)
		}
		res, err = c.Head(url + "/head")
		if b := body(t, res, err); b != "" || res.ContentLength != 2 {
			t.Errorf("HEAD: %q, %d", b, res.ContentLength)
		}
		g.want(200, fault.CauseNone)
		hints := 0
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if code == 103 && h.Get("Link") == "</a.css>" {
				hints++
			}
			return nil
		}})
		q, _ := http.NewRequestWithContext(ctx, "GET", url+"/hints", nil)
		res, err = c.Do(q)
		if b := body(t, res, err); b != "ok" || hints != 1 {
			t.Errorf("%q after %d hints", b, hints)
		}
		g.want(200, fault.CauseNone)
		q, _ = http.NewRequest("GET", url+"/cookies", nil)
		q.Header["Cookie"] = []string{"a=1; b=2"}
		res, err = c.Do(q)
		body(t, res, err)
		if saw := res.Header.Get("X-Saw"); !strings.Contains(saw, `cookie=["a=1; b=2"]`) {
			t.Errorf("cookies: %s", saw)
		}
		g.want(200, fault.CauseNone)
	})
}

// Bodies of every size go both ways, with a length and without, and trailers behind them.
func TestBetweenBodies(t *testing.T) {
	between(t, func(t *testing.T, p pairing) {
		addr := p.endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("Trailer", "X-Sum")
			w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
			_ = http.NewResponseController(w).Flush() // else it says a length, beside which HTTP/1 has no trailers
			_, _ = w.Write(b)
			w.Header().Set("X-Sum", r.Trailer.Get("X-Up"))
		})
		g, c := p.gateway(t, setup{}, addr)
		for _, size := range []int{0, 1, 100, 9000, 64 << 10, 300 << 10, 3 << 20} {
			data := []byte(noise(size))
			for _, declared := range []bool{true, false} {
				q, _ := http.NewRequest("POST", g.url(false, "/"), bytes.NewReader(data))
				if !declared {
					q.Body, q.ContentLength = io.NopCloser(io.MultiReader(bytes.NewReader(data))), -1
					q.Trailer = http.Header{"X-Up": {"t"}}
				}
				res, err := c.Do(q)
				got := body(t, res, err)
				same(t, fmt.Sprintf("%d octets, declared %t", size, declared), got, string(data))
				if want := map[bool]string{true: "", false: "t"}[declared]; res.Trailer.Get("X-Sum") != want {
					t.Errorf("%d octets: trailers %v", size, res.Trailer)
				}
				if want := fmt.Sprint(size); declared && res.Header.Get("X-Length") != want {
					t.Errorf("the endpoint was told of %s octets, not %s", res.Header.Get("X-Length"), want)
				}
				p.spoke(t, g.want(200, fault.CauseNone))
			}
		}
	})
}

// Pieces pass in both directions as they come, before either message has ended.
func TestBetweenStreams(t *testing.T) {
	between(t, func(t *testing.T, p pairing) {
		addr := p.endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			b := make([]byte, 100)
			for {
				n, err := r.Body.Read(b)
				_, _ = w.Write(b[:n])
				_ = http.NewResponseController(w).Flush()
				if err != nil {
					return
				}
			}
		})
		g, c := p.gateway(t, setup{}, addr)
		r, w := io.Pipe()
		q, _ := http.NewRequest("POST", g.url(false, "/"), r)
		res, err := c.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b := make([]byte, 4)
		for i := range 20 {
			if _, err := fmt.Fprintf(w, "%04d", i); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != fmt.Sprintf("%04d", i) {
				t.Fatalf("%q, %v", b, err)
			}
		}
		w.Close()
		if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
		g.want(200, fault.CauseNone)
	})
}

// An endpoint that breaks off in the body: the client sees that the answer is not whole.
func TestBetweenCut(t *testing.T) {
	between(t, func(t *testing.T, p pairing) {
		begun := make(chan struct{}) // the client has what came
		addr := p.endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/length" {
				w.Header().Set("Content-Length", "100")
			}
			fmt.Fprint(w, "part")
			_ = http.NewResponseController(w).Flush()
			<-begun
			panic(http.ErrAbortHandler)
		})
		g, c := p.gateway(t, setup{}, addr)
		for path, cause := range map[string]fault.Cause{"/length": fault.CauseBodyShort, "/": fault.CauseChunksCut} {
			res, err := c.Get(g.url(false, path))
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 4)
			if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "part" {
				t.Errorf("%s: %q, %v", path, b, err)
			}
			begun <- struct{}{}
			if rest, err := io.ReadAll(res.Body); err == nil || len(rest) > 0 {
				t.Errorf("%s: %q, %v", path, rest, err)
			}
			if p.server == httpmsg.HTTP2 {
				cause = fault.CauseHTTP2StreamCut
			}
			r := g.record()
			if r.Status != 200 || !r.Late || r.Fault.Cause != cause {
				t.Errorf("%s: %d, late %t, %v, %+v", path, r.Status, r.Late, r.Fault.Cause, r.evidence)
			}
		}
	})
}

// An endpoint that breaks off before an answer: what may be repeated is, elsewhere.
func TestBetweenRetry(t *testing.T) {
	between(t, func(t *testing.T, p pairing) {
		var bad, good atomic.Int32
		breaks := p.endpoint(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			bad.Add(1)
			panic(http.ErrAbortHandler)
		})
		answers := p.endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			good.Add(1)
			_, _ = io.Copy(w, r.Body)
		})
		g, c := p.gateway(t, setup{}, breaks, answers)
		saved := 0
		for range 4 {
			q, _ := http.NewRequest("PUT", g.url(false, "/"), strings.NewReader("again"))
			res, err := c.Do(q)
			if b := body(t, res, err); b != "again" || res.StatusCode != 200 {
				t.Errorf("%d %q", res.StatusCode, b)
			}
			if r := g.record(); r.Saved {
				saved++
			}
		}
		if saved == 0 || bad.Load() == 0 {
			t.Errorf("%d saved, %d broke", saved, bad.Load())
		}
		before := bad.Load()
		failed := 0
		for range 8 {
			res, err := c.Post(g.url(false, "/"), "text/plain", strings.NewReader("once"))
			if body(t, res, err); res.StatusCode == 502 {
				failed++
			}
			if r := g.record(); len(r.Attempts) != 1 {
				t.Errorf("a POST was sent %d times", len(r.Attempts))
			}
		}
		if int32(failed) != bad.Load()-before {
			t.Errorf("%d failed, %d broke", failed, bad.Load()-before)
		}
	})
}

// An endpoint that nobody listens at costs nobody an answer, whatever the method.
func TestBetweenRefused(t *testing.T) {
	between(t, func(t *testing.T, p pairing) {
		answers := p.endpoint(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
		nobody := answers[:strings.Index(answers, "://")+3] + refusing(t)
		g, c := p.gateway(t, setup{}, nobody, answers)
		for range 3 {
			res, err := c.Post(g.url(false, "/"), "text/plain", strings.NewReader("once"))
			if b := body(t, res, err); b != "once" || res.StatusCode != 200 {
				t.Errorf("%d %q", res.StatusCode, b)
			}
			p.spoke(t, g.record())
		}
	})
}

// Timers end what waits for an endpoint, with their page or visibly.
func TestBetweenTimers(t *testing.T) {
	between(t, func(t *testing.T, p pairing) {
		ends := make(chan struct{})
		addr := p.endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/body" {
				fmt.Fprint(w, "part")
				_ = http.NewResponseController(w).Flush()
			}
			select {
			case <-r.Context().Done():
			case <-ends:
			}
		})
		t.Cleanup(func() { close(ends) })
		g, c := p.gateway(t, setup{options: func(o *upstream.Options) { o.Head, o.Read = 300*time.Millisecond, 300*time.Millisecond }}, addr)
		res, err := c.Get(g.url(false, "/head"))
		if body(t, res, err); res.StatusCode != 504 {
			t.Errorf("%d", res.StatusCode)
		}
		g.want(504, fault.CauseHeadTimeout)
		res, err = c.Get(g.url(false, "/body"))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); err == nil || string(b) != "part" {
			t.Errorf("%q, %v", b, err)
		}
		if r := g.want(200, fault.CauseBodyStalled); !r.Late {
			t.Error("not late")
		}
	})
}

// A client that leaves ends the request at the endpoint.
func TestBetweenClientLeaves(t *testing.T) {
	between(t, func(t *testing.T, p pairing) {
		began, ended := make(chan struct{}, 1), make(chan struct{}, 1)
		addr := p.endpoint(t, func(_ http.ResponseWriter, r *http.Request) {
			began <- struct{}{}
			<-r.Context().Done()
			ended <- struct{}{}
		})
		g, c := p.gateway(t, setup{}, addr)
		ctx, leave := context.WithCancel(context.Background())
		go func() {
			<-began
			leave()
		}()
		q, _ := http.NewRequestWithContext(ctx, "GET", g.url(false, "/"), nil)
		if _, err := c.Do(q); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		g.want(499, fault.CauseClientLeft)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the endpoint goes on")
		}
		if g.failures(0) != 0 {
			t.Error("the endpoint was blamed")
		}
	})
}

// An answer that comes before the request's end is passed on.
func TestBetweenEarlyAnswer(t *testing.T) {
	between(t, func(t *testing.T, p pairing) {
		addr := p.endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(413)
			fmt.Fprint(w, "too large")
		})
		g, c := p.gateway(t, setup{}, addr)
		r, w := io.Pipe()
		defer w.Close()
		go func() { _, _ = io.WriteString(w, "some of it") }()
		q, _ := http.NewRequest("POST", g.url(false, "/"), r)
		res, err := c.Do(q)
		if b := body(t, res, err); res.StatusCode != 413 || b != "too large" {
			t.Errorf("%d %q", res.StatusCode, b)
		}
		g.want(413, fault.CauseNone)
	})
}

// Who asks first whether the body is wanted is told so.
func TestBetweenExpect(t *testing.T) {
	between(t, func(t *testing.T, p pairing) {
		addr := p.endpoint(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
		g, c := p.gateway(t, setup{}, addr)
		q, _ := http.NewRequest("POST", g.url(false, "/"), strings.NewReader("wanted"))
		q.Header.Set("Expect", "100-continue")
		res, err := c.Do(q)
		if b := body(t, res, err); res.StatusCode != 200 || b != "wanted" {
			t.Errorf("%d %q", res.StatusCode, b)
		}
		g.want(200, fault.CauseNone)
	})
}

// What an endpoint makes too large is not passed on.
func TestBetweenTooMuch(t *testing.T) {
	between(t, func(t *testing.T, p pairing) {
		addr := p.endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/fields":
				for i := range 250 {
					w.Header().Set(fmt.Sprintf("X-%d", i), "x")
				}
			case "/head":
				for i := range 20 {
					w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 8<<10))
				}
			}
			fmt.Fprint(w, "ok")
		})
		g, c := p.gateway(t, setup{}, addr)
		for path, cause := range map[string]fault.Cause{"/fields": fault.CauseTooManyFields, "/head": fault.CauseHeadTooLarge} {
			res, err := c.Get(g.url(false, path))
			if body(t, res, err); res.StatusCode != 502 {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
			g.want(502, cause)
		}
		res, err := c.Get(g.url(false, "/"))
		if b := body(t, res, err); b != "ok" {
			t.Errorf("%d %q", res.StatusCode, b)
		}
	})
}

// Many exchanges at once do not get each other's octets.
func TestBetweenMany(t *testing.T) {
	between(t, func(t *testing.T, p pairing) {
		addr := p.endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Path", r.URL.Path)
			_, _ = io.Copy(w, r.Body)
		})
		g, c := p.gateway(t, setup{}, addr)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				for j := range 10 {
					path := fmt.Sprintf("/%d/%d", i, j)
					data := strings.Repeat(path, 1+i*j*20)
					res, err := c.Post(g.url(false, path), "text/plain", strings.NewReader(data))
					if err != nil {
						t.Error(err)
						return
					}
					got, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err != nil || string(got) != data || res.Header.Get("X-Path") != path {
						t.Errorf("%s: %d octets of %s, %v", path, len(got), res.Header.Get("X-Path"), err)
					}
				}
			})
		}
		all.Wait()
	})
}
