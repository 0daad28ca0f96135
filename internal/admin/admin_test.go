package admin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// start serves with one handler that takes a body and one that takes none.
func start(t *testing.T, o Options) *Server {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Log = slog.New(slog.DiscardHandler)
	s := New(l, o)
	s.HandleOpen("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { Text(w, http.StatusOK, "ok\n") })
	s.Handle("GET /page", func(w http.ResponseWriter, _ *http.Request) { Text(w, http.StatusOK, "ok\n") })
	s.HandleBody("POST /form", 100, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		Text(w, http.StatusOK, fmt.Sprint("done ", r.PostFormValue("what"), string(b), err, "\n"))
	})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }() // ends with Close
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestBodiesAreNotWaitedFor: an answer comes, and then the end of the connection, although the body never does.
func TestBodiesAreNotWaitedFor(t *testing.T) {
	s := start(t, Options{})
	for _, head := range []string{
		"POST /page HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n",
		"POST /form HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 200000\r\n\r\n",
		"POST /form HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /form HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 50\r\n\r\n",
	} {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(c, head); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(c); err != nil || len(b) == 0 {
			t.Errorf("%q: %q, %v", head, b, err)
		}
		c.Close()
	}
}

// TestConnectionsAreFew: one more than there is room for is closed at once, and a closed one makes room.
func TestConnectionsAreFew(t *testing.T) {
	raw, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &few{Listener: raw}
	defer l.Close()
	accepted := make(chan net.Conn, connections+2)
	go func() { // ends when the listener is closed
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", raw.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(10 * time.Second))
		return c
	}
	var first net.Conn
	for range connections {
		dial()
		first = <-accepted
	}
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("one too many was taken")
	}
	first.Close()
	first.Close() // twice counts once
	dial()
	select {
	case <-accepted:
	case <-time.After(10 * time.Second):
		t.Error("a closed connection made no room")
	}
}
