package listener_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/listener"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// served is a server with one socket.
type served struct {
	t       *testing.T
	addr    string
	server  *listener.Server
	refused chan fault.Evidence
}

func serve(t *testing.T, handler func(*exchange.Exchange), change func(*listener.Limits)) *served {
	t.Helper()
	limits := listener.Limits{Connections: 100, RequestHead: 16 << 10, HeadTime: patience, RequestBody: 1 << 20, Idle: patience}
	if change != nil {
		change(&limits)
	}
	s := &served{t: t, refused: make(chan fault.Evidence, 100)}
	s.server = &listener.Server{
		Serve: handler,
		Refuse: func(x *exchange.Exchange, e *fault.Evidence) {
			s.refused <- *e
			if !x.Aborted {
				answer(x, 400, "refused")
			}
		},
		Limits: func() listener.Limits { return limits },
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.server.Listen(l, nil, nil) }() // ends by Drain
	t.Cleanup(func() {
		s.server.Drain(0)
		if err := <-done; err != nil {
			t.Errorf("Listen: %v", err)
		}
		if n := s.server.Open(); n != 0 {
			t.Errorf("%d connections are open after the drain", n)
		}
		if n := s.server.Busy(); n != 0 {
			t.Errorf("%d exchanges are under way after the drain", n)
		}
	})
	return s
}

func answer(x *exchange.Exchange, status int, body string) {
	x.Head(&exchange.Head{Status: status, Length: int64(len(body))})
	x.Write([]byte(body))
	x.End(nil)
}

func (s *served) dial() (net.Conn, *bufio.Reader) {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	s.t.Cleanup(func() { c.Close() })
	return c, bufio.NewReader(c)
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

func read(t *testing.T, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res, string(b)
}

func ended(t *testing.T, r io.Reader) {
	t.Helper()
	if b, err := io.ReadAll(r); err != nil || len(b) > 0 {
		t.Errorf("%q %v, want the connection's end", b, err)
	}
}

// A handler that returns without End, or with less or more than it declared, leaves an answer that is visibly cut.
func TestAnswersThatAreNotWhole(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		minor   int
		handler func(t *testing.T, x *exchange.Exchange)
		body    string
		reset   bool
	}{
		{"nothing at all", 1, func(*testing.T, *exchange.Exchange) {}, "", false},
		{"a head only", 1, func(_ *testing.T, x *exchange.Exchange) { x.Head(&exchange.Head{Status: 200, Length: 5}) }, "", false},
		{"less than declared", 1, func(t *testing.T, x *exchange.Exchange) {
			x.Head(&exchange.Head{Status: 200, Length: 5})
			x.Write([]byte("hel"))
			if x.End(nil) || !x.Aborted {
				t.Error("End took it for whole")
			}
		}, "hel", false},
		{"more than declared", 1, func(t *testing.T, x *exchange.Exchange) {
			x.Head(&exchange.Head{Status: 200, Length: 2})
			if end := x.Write([]byte("hello")); end != fault.Malformed {
				t.Errorf("Write: %s", end)
			}
		}, "", false},
		{"chunks without an end", 1, func(_ *testing.T, x *exchange.Exchange) {
			x.Head(&exchange.Head{Status: 200, Length: httpmsg.LengthUnknown})
			x.Write([]byte("hello"))
		}, "hello", false},
		{"close to HTTP/1.0", 0, func(_ *testing.T, x *exchange.Exchange) {
			x.Head(&exchange.Head{Status: 200, Length: httpmsg.LengthClose})
			x.Write([]byte("hello"))
			x.Flush()
			x.Abort()
		}, "hello", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(x *exchange.Exchange) { tt.handler(t, x) }, nil)
			c, r := s.dial()
			fmt.Fprintf(c, "GET / HTTP/1.%d\r\nHost: a\r\n\r\n", tt.minor)
			b, err := io.ReadAll(r)
			_, body, _ := strings.Cut(string(b), "\r\n\r\n")
			if strings.Contains(body, "0\r\n\r\n") || !strings.Contains(body, tt.body) || strings.Contains(string(b), "Content-Length: 3") {
				t.Errorf("%q", b)
			}
			// A reset may take what came before it along, but there must be one where a FIN would be an end.
			if tt.reset && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestLifeOfAConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, func(x *exchange.Exchange) { answer(x, 200, string(x.Request.Path)) }, nil)
	c, r := s.dial()
	for i := range 5 {
		fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
		if res, body := read(t, r); body != fmt.Sprintf("/%d", i) || res.Close {
			t.Errorf("%q, close %t", body, res.Close)
		}
	}
	if n := s.server.Open(); n != 1 {
		t.Errorf("%d connections", n)
	}
	c.Close()
}

// A request body that nobody read: a short one that is here is passed over, and any other ends the connection after the
// answer, which the client can read in full.
func TestUnreadBodies(t *testing.T) {
	t.Parallel()
	s := serve(t, func(x *exchange.Exchange) {
		x.Head(&exchange.Head{Status: 200, Length: 2})
		x.Write([]byte("ok"))
		x.End(nil)
	}, nil)
	for _, body := range []string{"Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"} {
		c, r := s.dial()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\n"+body+get)
		for range 2 {
			if res, b := read(t, r); res.StatusCode != 200 || b != "ok" {
				t.Errorf("%d %q", res.StatusCode, b)
			}
		}
	}
	for _, head := range []string{"Content-Length: 200000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"} {
		c, r := s.dial()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\n"+head)
		go func() { // ends when the connection does
			piece := strings.Repeat("x", 1000)
			if strings.HasPrefix(head, "T") {
				piece = "3e8\r\n" + piece + "\r\n"
			}
			for range 150 {
				if _, err := io.WriteString(c, piece); err != nil {
					return
				}
			}
			c.(*net.TCPConn).CloseWrite()
		}()
		if res, b := read(t, r); res.StatusCode != 200 || b != "ok" {
			t.Errorf("%d %q", res.StatusCode, b)
		}
		ended(t, r)
	}
}

func TestBodyIsStreamed(t *testing.T) {
	t.Parallel()
	s := serve(t, func(x *exchange.Exchange) {
		var got []byte
		if !x.BodyHere && !x.BodyRead {
			x.Detach()
			for {
				data, end := x.Next()
				if end != fault.Completed || len(data) == 0 {
					break
				}
				got = append(got, data...)
			}
		} else {
			got = append(got, x.Body...)
		}
		got = append(got, x.Request.Path...) // still there
		answer(x, 200, string(got))
	}, nil)
	c, r := s.dial()
	body := strings.Repeat("0123456789", 10_000)
	for range 2 {
		go fmt.Fprintf(c, "POST /path HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body) // ends when it is read
		if _, b := read(t, r); b != body+"/path" {
			t.Errorf("%d octets", len(b))
		}
		io.WriteString(c, "POST /path HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
		if _, b := read(t, r); b != "hi/path" {
			t.Errorf("%q", b)
		}
	}
}

func TestInterimAndTrailers(t *testing.T) {
	t.Parallel()
	s := serve(t, func(x *exchange.Exchange) {
		var f httpmsg.Fields
		f.Reset(nil)
		f.Append("Link", []byte("x"), httpmsg.Other)
		x.Interim(103, nil, &f)
		if x.Committed() {
			t.Error("an interim answer commits")
		}
		x.Head(&exchange.Head{Status: 200, Length: httpmsg.LengthUnknown})
		x.Write([]byte("hello"))
		if end := x.Flush(); end != fault.Completed || !x.Committed() {
			t.Errorf("Flush: %s", end)
		}
		x.Interim(103, nil, &f) // too late
		x.End(&f)
	}, nil)
	c, r := s.dial()
	io.WriteString(c, get)
	want := "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nLink: x\r\n\r\n"
	b := make([]byte, len(want))
	if _, err := io.ReadFull(r, b); err != nil || string(b) != want {
		t.Errorf("%q %v", b, err)
	}
	c2, r2 := s.dial()
	io.WriteString(c2, "GET / HTTP/1.0\r\n\r\n")
	if b, err := io.ReadAll(r2); err != nil || string(b) != "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello" {
		t.Errorf("%q %v", b, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	change := func(l *listener.Limits) { l.HeadTime, l.RequestBody = 100*time.Millisecond, 10 }
	for name, tt := range map[string]struct {
		request string
		end     fault.End
		rule    fault.Rule
	}{
		"malformed":  {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", fault.Malformed, fault.RuleSpaceBeforeColon},
		"slow":       {"GET / HTTP/1.1\r\nHost:", fault.Timeout, fault.RuleNone},
		"large head": {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 20<<10), fault.TooLarge, fault.RuleHeadSize},
		"large body": {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", fault.TooLarge, fault.RuleBodySize},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(*exchange.Exchange) { t.Error("served") }, change)
			c, r := s.dial()
			io.WriteString(c, tt.request)
			res, body := read(t, r)
			if res.StatusCode != 400 || body != "refused" || !res.Close {
				t.Errorf("%d %q close %t", res.StatusCode, body, res.Close)
			}
			c.(*net.TCPConn).CloseWrite()
			ended(t, r)
			if e := <-s.refused; e.Stage != fault.Receive || e.End != tt.end || e.Rule != tt.rule {
				t.Errorf("%s %s %v", e.Stage, e.End, e.Rule)
			}
		})
	}
}

// Two sockets on one server: one can be closed, and its connections go on.
func TestCloseListener(t *testing.T) {
	t.Parallel()
	s := serve(t, func(x *exchange.Exchange) { answer(x, 200, "ok") }, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.server.Listen(l, nil, nil) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	io.WriteString(c, get)
	read(t, r)
	s.server.CloseListener(l)
	if err := <-done; err != nil {
		t.Errorf("Listen: %v", err)
	}
	io.WriteString(c, get)
	read(t, r)
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the socket is open")
	}
	_, r2 := s.dial()
	_ = r2
}

// Accepting goes on after an error that passes.
func TestAcceptErrors(t *testing.T) {
	t.Parallel()
	var served atomic.Int32
	s := &listener.Server{
		Serve: func(x *exchange.Exchange) { served.Add(1); answer(x, 200, "ok") },
		Limits: func() listener.Limits {
			return listener.Limits{Connections: 10, RequestHead: 16 << 10, HeadTime: patience}
		},
	}
	l := &sickListener{errs: []error{
		&net.OpError{Op: "accept", Err: syscall.EMFILE}, &net.OpError{Op: "accept", Err: syscall.ECONNABORTED}, &net.OpError{Op: "accept", Err: syscall.ENFILE},
	}, conns: make(chan net.Conn, 1)}
	done := make(chan error, 1)
	go func() { done <- s.Listen(l, nil, nil) }()
	a, b := net.Pipe()
	l.conns <- b
	go io.WriteString(a, get)
	_ = a.SetDeadline(time.Now().Add(patience))
	if res, err := http.ReadResponse(bufio.NewReader(a), nil); err != nil || res.StatusCode != 200 {
		t.Errorf("%v %v", res, err)
	}
	a.Close()
	close(l.conns)
	if err := <-done; err != nil {
		t.Errorf("Listen: %v", err)
	}
	s.Drain(0)
}

type sickListener struct {
	errs  []error
	conns chan net.Conn
}

func (l *sickListener) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (*sickListener) Close() error   { return nil }
func (*sickListener) Addr() net.Addr { return &net.TCPAddr{} }

// Drains that come at any moment of a connection's life leave nothing behind and cut no answer.
func TestDrainRaces(t *testing.T) {
	t.Parallel()
	for i := range 60 {
		s := serve(t, func(x *exchange.Exchange) { answer(x, 200, "ok") }, nil)
		c, r := s.dial()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 20 {
				if _, err := io.WriteString(c, get); err != nil {
					return
				}
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					return // the drain came between two requests
				}
				if b, err := io.ReadAll(res.Body); err != nil || string(b) != "ok" {
					t.Errorf("an answer was cut: %q %v", b, err)
				}
				if res.Close {
					return
				}
			}
		}()
		time.Sleep(time.Duration(i) * 20 * time.Microsecond) // at different moments
		if !s.server.Drain(patience) {
			t.Error("the drain ran out of time")
		}
		<-done
	}
}
