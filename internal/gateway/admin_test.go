package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestAdminDoesNotWaitForBodies: an answer comes, and then the end of the connection, although the body never does.
func TestAdminDoesNotWaitForBodies(t *testing.T) {
	s := httptest.NewServer(bodiless(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") })))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 200000\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || len(b) == 0 {
		t.Errorf("%q, %v", b, err)
	}
}

// TestAdminConnectionsAreFew: one more than there is room for is closed at once, and a closed one makes room.
func TestAdminConnectionsAreFew(t *testing.T) {
	raw, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &few{Listener: raw}
	defer l.Close()
	accepted := make(chan net.Conn, adminConns+2)
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
	for range adminConns {
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
