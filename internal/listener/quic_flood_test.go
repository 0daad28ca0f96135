//go:build linux

package listener_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/whygate/whygate/internal/h3"
	"github.com/whygate/whygate/internal/listener"
)

// unsent is a socket that keeps what a client says first, and never hears anything.
type unsent struct {
	first chan []byte
	done  chan struct{}
}

var errUnsent = errors.New("nothing comes")

func (u *unsent) WriteTo(p []byte, _ net.Addr) (int, error) {
	select {
	case u.first <- append([]byte(nil), p...):
	default:
	}
	return len(p), nil
}

func (u *unsent) ReadFrom([]byte) (int, net.Addr, error) {
	<-u.done
	return 0, nil, errUnsent
}

func (u *unsent) Close() error                     { close(u.done); return nil }
func (u *unsent) LocalAddr() net.Addr              { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (u *unsent) SetDeadline(time.Time) error      { return nil }
func (u *unsent) SetReadDeadline(time.Time) error  { return nil }
func (u *unsent) SetWriteDeadline(time.Time) error { return nil }

// hello is the first packet of a client that says no more.
func hello(t *testing.T, to net.Addr) []byte {
	t.Helper()
	u := &unsent{first: make(chan []byte, 1), done: make(chan struct{})}
	tr := &quic.Transport{Conn: u}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { // ends with ctx
		_, _ = tr.Dial(ctx, to, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}, ServerName: "a.test", CurvePreferences: []tls.CurveID{tls.X25519}}, nil)
		close(ended)
	}()
	p := <-u.first
	cancel()
	<-ended
	_ = u.Close()
	_ = tr.Close()
	return p
}

// First packets from thousands of addresses that never say more cost little memory, and who speaks is served meanwhile. All of them are
// forgotten when their time is over.
func TestHTTP3Flood(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	s := serveQUIC(t, echo, func(l *listener.Limits) { l.Connections = 100_000; l.HeadTime = 2 * time.Second })
	to, err := net.ResolveUDPAddr("udp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	const many = 3000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	served, open := int64(0), int64(0)
	for i := range many {
		from, err := net.ListenPacket("udp", fmt.Sprintf("127.%d.%d.1:0", 1+i/250, 1+i%250))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := from.WriteTo(hello(t, to), to); err != nil {
			t.Fatal(err)
		}
		_ = from.Close()
		open = max(open, s.server.Open())
		if i%500 == 250 {
			if got, _ := code(t, s.dial().ask(getHead(), true)); got != 0 {
				t.Errorf("after %d packets: %v", i, h3.Code(got))
			}
			served++
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse)
	t.Logf("%d first packets: at most %d handshakes at once, %d KiB more than before, %d others served", many, open, used>>10, served)
	if used > 32<<20 {
		t.Errorf("%d KiB are held", used>>10)
	}
	eventually(t, func() bool { return s.server.Open() <= served })
}
