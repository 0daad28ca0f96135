package listener_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/listener"
)

// garage is a server whose connections park soon, in clear and over TLS.
type garage struct {
	t           *testing.T
	server      *listener.Server
	plain, safe string
	conf        *tls.Config
	listening   chan error
	refused     atomic.Int64
}

func park(t *testing.T, change func(*listener.Limits)) *garage {
	t.Helper()
	limits := listener.Limits{Connections: 100_000, RequestHead: 16 << 10, HeadTime: 6 * patience, Idle: 6 * patience, Park: time.Millisecond}
	if change != nil {
		change(&limits)
	}
	g := &garage{t: t, listening: make(chan error, 2)}
	g.conf = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	g.server = &listener.Server{
		Serve:  func(x *exchange.Exchange) { answer(x, 200, string(x.Request.Path)) },
		Refuse: func(x *exchange.Exchange, _ *fault.Evidence) { g.refused.Add(1); x.Abort() },
		Limits: func() listener.Limits { return limits },
	}
	listen := func(conf func() *tls.Config) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { g.listening <- g.server.Listen(l, conf, nil) }() // ends by Drain
		return l.Addr().String()
	}
	g.plain, g.safe = listen(nil), listen(func() *tls.Config { return g.conf })
	t.Cleanup(func() {
		g.server.Drain(patience)
		for range 2 {
			if err := <-g.listening; err != nil {
				t.Errorf("Listen: %v", err)
			}
		}
		if n := g.server.Open(); n != 0 {
			t.Errorf("%d connections are open after the drain", n)
		}
		if n := g.server.Parked(); n != 0 {
			t.Errorf("%d connections are parked after the drain", n)
		}
	})
	return g
}

// client is a client's connection.
type client struct {
	net.Conn
	r *bufio.Reader
}

// dial opens a connection in clear or over TLS.
func (g *garage) dial(safe bool) (*client, error) {
	addr := g.plain
	if safe {
		addr = g.safe
	}
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if safe {
		session := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
		if err := session.Handshake(); err != nil {
			nc.Close()
			return nil, err
		}
		nc = session
	}
	_ = nc.SetDeadline(time.Now().Add(6 * patience))
	return &client{nc, bufio.NewReader(nc)}, nil
}

func (g *garage) must(safe bool) *client {
	g.t.Helper()
	c, err := g.dial(safe)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	return c
}

// ask makes one request, and is errGone where the connection ended instead of an answer.
func (c *client) ask(path string) (closing bool, err error) {
	_ = c.SetDeadline(time.Now().Add(6 * patience))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path); err != nil {
		return true, fmt.Errorf("%w: %w", errGone, err)
	}
	if _, err := c.r.Peek(1); err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return true, fmt.Errorf("no answer: %w", err)
		}
		return true, fmt.Errorf("%w: %w", errGone, err)
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return true, err
	}
	body, err := io.ReadAll(res.Body)
	if err == nil && string(body) != path {
		err = fmt.Errorf("the answer is %q, want %q", body, path)
	}
	return res.Close, err
}

var errGone = errors.New("the connection has ended")

// until waits for something to become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(6 * patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it did not come to be", what)
		}
	}
}

func kinds(t *testing.T, f func(t *testing.T, safe bool)) {
	t.Run("plain", func(t *testing.T) { f(t, false) })
	t.Run("TLS", func(t *testing.T) { f(t, true) })
}

// An idle connection has no goroutine, and answers the next request all the same, again and again.
func TestParked(t *testing.T) {
	kinds(t, func(t *testing.T, safe bool) {
		g := park(t, nil)
		const n = 50
		var clients []*client
		for range n {
			clients = append(clients, g.must(safe))
		}
		for round := range 4 {
			until(t, "all are parked", func() bool { return g.server.Parked() == n })
			until(t, "their goroutines end", func() bool { return owners() == 0 })
			for i, c := range clients {
				if _, err := c.ask(fmt.Sprintf("/%d/%d", round, i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, c := range clients {
			c.Close()
		}
		until(t, "what their clients close ends", func() bool { return g.server.Open() == 0 })
	})
}

// owners is how many goroutines serve a connection.
func owners() int {
	buf := make([]byte, 4<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "listener.(*session).own(")
}

// A request that comes in pieces to a parked connection is one request.
func TestParkedPieces(t *testing.T) {
	kinds(t, func(t *testing.T, safe bool) {
		g := park(t, nil)
		c := g.must(safe)
		for range 3 {
			until(t, "it is parked", func() bool { return g.server.Parked() == 1 })
			io.WriteString(c, "GE")
			until(t, "it is woken", func() bool { return g.server.Parked() == 0 })
			if _, err := io.WriteString(c, "T /x HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if res, body := read(t, c.r); res.StatusCode != 200 || body != "/x" {
				t.Errorf("%s %q", res.Status, body)
			}
		}
	})
}

// limits.idle holds for what is parked.
func TestParkedIdle(t *testing.T) {
	kinds(t, func(t *testing.T, safe bool) {
		const idle = 1200 * time.Millisecond
		g := park(t, func(l *listener.Limits) { l.Idle = idle })
		c := g.must(safe)
		began := time.Now()
		if _, err := c.ask("/"); err != nil {
			t.Fatal(err)
		}
		until(t, "it is parked", func() bool { return g.server.Parked() == 1 })
		if _, err := c.r.ReadByte(); err != io.EOF {
			t.Errorf("%v, want the connection's end", err)
		}
		if took := time.Since(began); took < idle {
			t.Errorf("it ended after %s, want %s at least", took, idle)
		}
		until(t, "it is forgotten", func() bool { return g.server.Open() == 0 })
	})
}

// A drain ends what is parked, and waits for it.
func TestParkedDrain(t *testing.T) {
	kinds(t, func(t *testing.T, safe bool) {
		g := park(t, nil)
		const n = 100
		var clients []*client
		for range n {
			clients = append(clients, g.must(safe))
		}
		until(t, "all are parked", func() bool { return g.server.Parked() == n })
		if !g.server.Drain(patience) {
			t.Error("the drain ran out of time")
		}
		for _, c := range clients {
			if _, err := c.r.ReadByte(); err != io.EOF {
				t.Errorf("%v, want the connection's end", err)
			}
		}
	})
}

// Where another process has taken the sockets over, a parked connection still answers, and ends with the answer.
func TestParkedQuiet(t *testing.T) {
	kinds(t, func(t *testing.T, safe bool) {
		g := park(t, nil)
		c := g.must(safe)
		until(t, "it is parked", func() bool { return g.server.Parked() == 1 })
		quiet := make(chan struct{})
		go func() { g.server.Quiet(patience); close(quiet) }()
		until(t, "no connection is accepted", func() bool {
			nc, err := net.Dial("tcp", g.plain)
			if err == nil {
				nc.Close()
			}
			return err != nil
		})
		if closing, err := c.ask("/"); err != nil || !closing {
			t.Errorf("%v, closing is %v", err, closing)
		}
		c.Close()
		<-quiet
	})
}

// parkStorm is how many connections a storm has at a time, and how many come in all. WHYGATE_PARK=50000 makes it a large one (make park): a tenth of them at a time is bounded by
// the descriptors that the process may have.
func parkStorm(t *testing.T) (atOnce, all int) {
	if s := os.Getenv("WHYGATE_PARK"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 10 {
			t.Fatalf("WHYGATE_PARK=%s: want a number of connections", s)
		}
		return n / 10, n
	}
	return 50, 300
}

// Connections come, ask at moments around the one in which they are parked, and go. Each request is answered.
func TestParkStorm(t *testing.T) {
	kinds(t, func(t *testing.T, safe bool) {
		g := park(t, nil)
		atOnce, all := parkStorm(t)
		if safe {
			atOnce, all = atOnce/5, all/5 // handshakes are slow
		}
		var left, asked atomic.Int64
		left.Store(int64(all))
		var clients sync.WaitGroup
		for range atOnce {
			clients.Go(func() {
				for left.Add(-1) >= 0 && !t.Failed() {
					c, err := g.dial(safe)
					if err != nil {
						t.Error(err)
						return
					}
					for i := range rand.IntN(12) {
						time.Sleep(time.Duration(rand.IntN(2500)) * time.Microsecond) // before, while and after it is parked
						if _, err := c.ask(fmt.Sprintf("/%d", i)); err != nil {
							t.Error(err)
						}
						asked.Add(1)
					}
					time.Sleep(time.Duration(rand.IntN(2500)) * time.Microsecond)
					c.Close()
				}
			})
		}
		clients.Wait()
		t.Logf("%d connections, %d requests", all, asked.Load())
		until(t, "all end", func() bool { return g.server.Open() == 0 })
	})
}

// A drain in the middle of a storm: a connection that answered last with Connection: close, or was idle, ends; an answer is whole or not there.
func TestParkStormDrained(t *testing.T) {
	for round := range 20 {
		g := park(t, nil)
		var clients sync.WaitGroup
		for range 20 {
			clients.Go(func() {
				c, err := g.dial(false)
				if err != nil {
					return // the drain came first
				}
				defer c.Close()
				for i := range 1000 {
					time.Sleep(time.Duration(rand.IntN(2500)) * time.Microsecond)
					closing, err := c.ask(fmt.Sprintf("/%d", i))
					if err != nil && !errors.Is(err, errGone) {
						t.Error(err)
					}
					if closing || err != nil {
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(round) * 500 * time.Microsecond)
		if !g.server.Drain(patience) {
			t.Error("the drain ran out of time")
		}
		clients.Wait()
	}
}
