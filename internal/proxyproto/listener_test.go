package proxyproto

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func timeout(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// Close waits for all that it ends: nobody is told of anything afterwards. What would begin after it does not.
func TestListenerCloseWaits(t *testing.T) {
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(raw)
	var told atomic.Int32
	taken := make(chan struct{})
	l.Use(&Policy{
		Trusted: func(net.Addr) bool { return true }, Timeout: func() time.Duration { taken <- struct{}{}; return time.Hour },
		Refused: func(net.Addr, error) {
			for range 100 { // somebody who waits for this is slower than it
				runtime.Gosched()
			}
			told.Add(1)
		},
	})
	var all sync.WaitGroup
	all.Go(func() { _, _ = l.Accept() })
	const n = 20
	for range n {
		c, err := net.Dial("tcp", raw.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		<-taken
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if got := told.Load(); got != n {
		t.Errorf("%d connections of %d were done with when it was closed", got, n)
	}
	all.Wait()

	raw, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = NewListener(raw)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the close: %v", err)
	}
}

// One that is slow with its header, or sends something else, keeps nobody waiting and is told of; a close ends all that wait.
func TestListener(t *testing.T) {
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(raw)
	refused := make(chan error, 8)
	l.Use(&Policy{Trusted: func(net.Addr) bool { return true }, Timeout: timeout(100 * time.Millisecond), Refused: func(_ net.Addr, err error) { refused <- err }})
	dial := func(say string) net.Conn {
		c, err := net.Dial("tcp", raw.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, say); err != nil {
			t.Fatal(err)
		}
		return c
	}
	dial("PROXY TCP4")
	dial("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello")
	c, err := l.Accept()
	if err != nil || c.RemoteAddr().String() != "192.0.2.1:1" || c.LocalAddr().String() != "192.0.2.2:2" {
		t.Fatalf("%v, %v", c, err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	_ = c.Close()
	if err := <-refused; err == nil || IsBroken(err) {
		t.Errorf("a slow one: %v", err)
	}
	dial("GET / HTTP/1.1\r\n\r\n")
	if err := <-refused; !IsBroken(err) {
		t.Errorf("one that sends something else: %v", err)
	}
	l.Use(nil)
	dial("as it is")
	if c, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	if _, is := c.(*Conn); is {
		t.Error("a connection without a header has one")
	}
	_ = c.Close()

	l.Use(&Policy{Trusted: func(net.Addr) bool { return true }, Timeout: timeout(time.Hour), Refused: func(net.Addr, error) {}})
	dial("PROXY")
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the close: %v", err)
		}
	})
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
}
