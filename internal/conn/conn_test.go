// Contrary to house style this file is longer than 600 lines: it is one table of what a connection can do and meet.

package conn_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	soon     = 50 * time.Millisecond
	patience = 10 * time.Second
)

// pair is a Conn and the other end of its connection.
func pair(t *testing.T, network string) (*conn.Conn, net.Conn) {
	t.Helper()
	if network == "pipe" {
		a, b := net.Pipe()
		c := conn.New(a)
		t.Cleanup(func() { c.Close(); b.Close() })
		_ = b.SetDeadline(time.Now().Add(patience))
		return c, b
	}
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := conn.New(nc)
	t.Cleanup(func() { c.Close(); other.Close() })
	_ = other.SetDeadline(time.Now().Add(patience))
	return c, other
}

func want(t *testing.T, what string, got, want fault.End) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Error(err)
	}
}

func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// waitFor polls for what the kernel brings about.
func waitFor(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s", what)
		}
	}
}

func TestReadAndWrite(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "pipe"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			c, other := pair(t, network)
			go send(t, other, "hello")
			want(t, "Fill", c.Fill(), fault.Completed)
			if string(c.Buffered()) != "hello" || c.Received() != 5 {
				t.Errorf("%q, %d received", c.Buffered(), c.Received())
			}
			c.Discard(2)
			go send(t, other, "!")
			want(t, "Fill", c.Fill(), fault.Completed)
			if string(c.Buffered()) != "llo!" {
				t.Errorf("%q", c.Buffered())
			}
			got := make(chan string, 1)
			go func() {
				b := make([]byte, 9)
				_, _ = io.ReadFull(other, b)
				got <- string(b)
			}()
			want(t, "Write", c.Write([]byte("abc")), fault.Completed)
			want(t, "Write2", c.Write2([]byte("def"), []byte("ghi")), fault.Completed)
			if s := <-got; s != "abcdefghi" || c.Sent() != 9 {
				t.Errorf("%q, %d sent", s, c.Sent())
			}
			other.Close()
			want(t, "Fill at the end", c.Fill(), fault.Closed)
		})
	}
}

func TestWrite2OfEmptyPieces(t *testing.T) {
	c, other := pair(t, "tcp")
	for _, p := range [][2]string{{"", ""}, {"a", ""}, {"", "b"}, {"c", "d"}} {
		want(t, "Write2", c.Write2([]byte(p[0]), []byte(p[1])), fault.Completed)
	}
	c.CloseWrite()
	if b, _ := io.ReadAll(other); string(b) != "abcd" {
		t.Errorf("%q", b)
	}
}

// A buffer grows to its bound, rounded up to a size that is kept for reuse, and no further, and keeps what is in it.
func TestBufferIsBounded(t *testing.T) {
	for _, bound := range []int{1, 20 << 10, 64 << 10, 100 << 10} {
		c, other := pair(t, "tcp")
		c.SetMax(bound)
		data := make([]byte, 300<<10)
		_, _ = rand.Read(data)
		go func() { _, _ = other.Write(data); other.Close() }() // ends when c is closed
		var end fault.End
		for end == fault.Completed {
			end = c.Fill()
		}
		want(t, "Fill", end, fault.TooLarge)
		if n := len(c.Buffered()); n < bound || n > max(bound, 64<<10) || !bytes.Equal(c.Buffered(), data[:n]) {
			t.Errorf("bound %d: %d octets are held", bound, n)
		}
		n := len(c.Buffered())
		c.Discard(n - 10)
		want(t, "Fill", c.Fill(), fault.Completed)
		if b := c.Buffered(); !bytes.Equal(b, data[n-10:n-10+len(b)]) {
			t.Error("the octets are not those that were sent")
		}
		c.Close()
	}
}

func TestEnlargeKeepsWhatIsBuffered(t *testing.T) {
	c, other := pair(t, "tcp")
	send(t, other, "hello")
	want(t, "Fill", c.Fill(), fault.Completed)
	c.Discard(1)
	c.Enlarge()
	c.Release() // does nothing: something is in it
	if string(c.Buffered()) != "ello" {
		t.Errorf("%q", c.Buffered())
	}
	c.Discard(4)
	c.Release()
	send(t, other, "again")
	want(t, "Fill", c.Fill(), fault.Completed)
	if string(c.Buffered()) != "again" {
		t.Errorf("%q", c.Buffered())
	}
}

func TestReadDeadline(t *testing.T) {
	for _, network := range []string{"tcp", "pipe"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			c, other := pair(t, network)
			for range 3 { // a deadline that has passed ends nothing later
				began := mono.Now()
				c.SetReadUntil(began.Add(soon))
				want(t, "Fill", c.Fill(), fault.Timeout)
				if d := mono.Now().Sub(began); d < soon || d > 5*time.Second || c.ReadErrno() != 0 {
					t.Errorf("after %v, errno %v", d, c.ReadErrno())
				}
				c.SetReadUntil(mono.Now().Add(patience))
				go send(t, other, "x")
				want(t, "Fill", c.Fill(), fault.Completed)
			}
			c.SetReadUntil(mono.Now() - 1)
			want(t, "Fill in the past", c.Fill(), fault.Timeout)
			c.SetReadUntil(0)
			go send(t, other, "x")
			want(t, "Fill without a bound", c.Fill(), fault.Completed)
		})
	}
}

// An earlier deadline than the one the timer is armed for, and a later one.
func TestReadDeadlineMoves(t *testing.T) {
	c, other := pair(t, "tcp")
	c.SetReadUntil(mono.Now().Add(time.Hour))
	send(t, other, "x")
	want(t, "Fill", c.Fill(), fault.Completed)
	c.SetReadUntil(mono.Now().Add(soon))
	want(t, "Fill", c.Fill(), fault.Timeout)
	c.SetReadUntil(mono.Now().Add(soon))
	send(t, other, "x")
	want(t, "Fill", c.Fill(), fault.Completed)
	after := time.After(2 * soon)
	c.SetReadUntil(mono.Now().Add(4 * soon)) // the timer is armed for less
	go func() { <-after; send(t, other, "y") }()
	want(t, "Fill", c.Fill(), fault.Completed)
}

func TestWriteDeadline(t *testing.T) {
	for _, network := range []string{"tcp", "pipe"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			c, other := pair(t, network)
			c.SetWriteUntil(mono.Now().Add(soon))
			data := make([]byte, 64<<20) // nobody reads
			want(t, "Write", c.Write(data), fault.Timeout)
			if c.WriteErrno() != 0 || c.Sent() >= int64(len(data)) {
				t.Errorf("errno %v, %d sent", c.WriteErrno(), c.Sent())
			}
			go func() { _, _ = io.Copy(io.Discard, other) }() // ends with the connection
			c.SetWriteUntil(mono.Now().Add(patience))
			want(t, "Write when somebody reads", c.Write(data[:1<<20]), fault.Completed)
		})
	}
}

// A moment that somebody else sets ends a wait as timed out, and a later one gives more time again.
func TestLate(t *testing.T) {
	for _, network := range []string{"tcp", "pipe"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			c, other := pair(t, network)
			_ = other.SetDeadline(time.Time{}) // the last wait may be longer
			var why cancel.Cancel
			c.Obey(&why, &why, mono.Now())
			for _, until := range []mono.Time{0, mono.Now().Add(time.Hour)} {
				c.SetReadUntil(until)
				why.LateAt(0)
				go why.LateAt(mono.Now().Add(soon)) // before the wait, or in it
				want(t, "Fill that becomes late", c.Fill(), fault.Timeout)
			}
			for wait := soon; ; wait *= 4 { // a busy machine may give the time too late: then it is given more of it
				first, longer := time.After(wait), time.After(4*wait)
				end := mono.Now().Add(2 * wait)
				why.LateAt(end)
				given := make(chan bool, 1)
				go func() {
					<-first
					why.LateAt(mono.Now().Add(patience))
					given <- mono.Now() < end
					<-longer
					if _, err := other.Write([]byte("x")); err != nil {
						t.Error(err)
					}
				}()
				got := c.Fill()
				if inTime := <-given; !inTime && got == fault.Timeout && wait < patience {
					continue
				}
				want(t, "Fill with more time", got, fault.Completed)
				break
			}
		})
	}
}

// A reason or a moment that races with the arming of the timer is not lost.
func TestCancelRaces(t *testing.T) {
	for _, network := range []string{"tcp", "pipe"} {
		c, _ := pair(t, network)
		var why cancel.Cancel
		c.Obey(&why, &why, mono.Now())
		for i := range 600 {
			why.Clear()
			c.SetReadUntil(mono.Now().Add(time.Hour))
			var wg sync.WaitGroup
			if i%2 == 0 {
				wg.Go(func() { why.LateAt(mono.Now()) })
				want(t, "Fill", c.Fill(), fault.Timeout)
			} else {
				wg.Go(func() { why.Cancel(cancel.ClientLeft) })
				want(t, "Fill", c.Fill(), fault.Canceled)
			}
			wg.Wait()
		}
	}
}

func TestCancel(t *testing.T) {
	for _, network := range []string{"tcp", "pipe"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			c, other := pair(t, network)
			c.SetReadUntil(0)
			var reading, writing cancel.Cancel
			for range 20 {
				c.Obey(&reading, &writing, mono.Now())
				var wg sync.WaitGroup
				wg.Go(func() { want(t, "Fill", c.Fill(), fault.Canceled) })
				wg.Go(func() { want(t, "Write", c.Write(make([]byte, 64<<20)), fault.Canceled) })
				reading.Cancel(cancel.NotWanted)
				writing.Cancel(cancel.Drained)
				wg.Wait()
				want(t, "Fill after it", c.Fill(), fault.Canceled)
				reading.Clear()
				writing.Clear()
			}
			go send(t, other, "x")
			want(t, "Fill without a reason", c.Fill(), fault.Completed)
		})
	}
}

// What an exchange says of a connection that it has no more is not heard there.
func TestAnotherExchangesReason(t *testing.T) {
	for _, network := range []string{"tcp", "pipe"} {
		c, other := pair(t, network)
		var first, second cancel.Cancel
		c.Obey(&first, &first, mono.Now())
		c.Obey(&second, &second, mono.Now())
		c.SetReadUntil(mono.Now().Add(patience))
		go func() {
			first.Cancel(cancel.ClientLeft)
			first.LateAt(mono.Now())
			send(t, other, "x")
		}()
		want(t, "Fill for the second", c.Fill(), fault.Completed)
	}
}

func TestWatch(t *testing.T) {
	c, other := pair(t, "tcp")
	asked := 0
	var why cancel.Cancel
	why.Watch(func() bool { asked++; return asked == 1 })
	c.Obey(&why, &why, mono.Now())
	c.SetReadUntil(mono.Now().Add(patience))
	began := time.Now()
	want(t, "Fill", c.Fill(), fault.Canceled)
	if d := time.Since(began); d < 500*time.Millisecond || d > 3*time.Second || why.Reason() != cancel.ClientLeft {
		t.Errorf("asked after %v: %s", d, why.Reason())
	}
	c.Obey(nil, nil, 0)
	send(t, other, "x")
	want(t, "Fill", c.Fill(), fault.Completed)
}

func TestIdleAndGone(t *testing.T) {
	t.Run("silent", func(t *testing.T) {
		c, _ := pair(t, "tcp")
		want(t, "Idle", c.Idle(), fault.Completed)
		if c.Gone() {
			t.Error("gone")
		}
	})
	t.Run("octets", func(t *testing.T) {
		c, other := pair(t, "tcp")
		send(t, other, "x")
		waitFor(t, "octets", func() bool { return c.Idle() == fault.Malformed })
		if c.Gone() {
			t.Error("gone")
		}
		want(t, "Fill", c.Fill(), fault.Completed)
		want(t, "Idle with octets buffered", c.Idle(), fault.Malformed)
	})
	t.Run("closed", func(t *testing.T) {
		c, other := pair(t, "tcp")
		other.Close()
		waitFor(t, "the end", c.Gone)
		want(t, "Idle", c.Idle(), fault.Closed)
	})
	t.Run("reset", func(t *testing.T) {
		c, other := pair(t, "tcp")
		reset(other)
		waitFor(t, "the reset", c.Gone)
	})
}

func TestAsk(t *testing.T) {
	t.Run("answered", func(t *testing.T) {
		for _, network := range []string{"tcp", "pipe"} {
			c, other := pair(t, network)
			go func() {
				b := make([]byte, 8)
				_, _ = io.ReadFull(other, b)
				_, _ = other.Write([]byte("answer to " + string(b)))
			}()
			stage, end := c.Ask(request("question"), true)
			if stage != fault.Head || end != fault.Completed || string(c.Buffered()) != "answer to question" || c.Sent() != 8 || c.Received() != 18 {
				t.Errorf("%s %s %q", stage, end, c.Buffered())
			}
		}
	})
	t.Run("closed while idle", func(t *testing.T) {
		c, other := pair(t, "tcp")
		other.Close()
		waitFor(t, "the end", c.Gone)
		if stage, end := c.Ask(request("q"), true); stage != fault.Select || end != fault.Closed || c.Sent() != 0 {
			t.Errorf("%s %s, %d sent", stage, end, c.Sent())
		}
	})
	t.Run("octets while idle", func(t *testing.T) {
		c, other := pair(t, "tcp")
		send(t, other, "x")
		waitFor(t, "octets", func() bool { return c.Idle() == fault.Malformed })
		if stage, end := c.Ask(request("q"), true); stage != fault.Select || end != fault.Malformed || c.Sent() != 0 {
			t.Errorf("%s %s, %d sent", stage, end, c.Sent())
		}
	})
	t.Run("not looked at", func(t *testing.T) {
		c, other := pair(t, "tcp")
		other.Close()
		waitFor(t, "the end", c.Gone)
		if stage, end := c.Ask(request("q"), false); stage != fault.FirstByte || end != fault.Closed || c.Sent() != 1 {
			t.Errorf("%s %s, %d sent", stage, end, c.Sent())
		}
	})
	t.Run("reset", func(t *testing.T) {
		c, other := pair(t, "tcp")
		reset(other)
		waitFor(t, "the reset", c.Gone) // which takes the error with it
		if stage, end := c.Ask(request("q"), false); stage != fault.Write || end != fault.Reset {
			t.Errorf("%s %s", stage, end)
		}
	})
	// What a peer does at once has no edge after the poller is made ready for the answer: it must be seen all the same.
	t.Run("spoken to at once", func(t *testing.T) {
		c, other := pair(t, "tcp")
		send(t, other, "220 mail.lab.test ESMTP\r\n")
		waitFor(t, "octets", func() bool { return c.Idle() == fault.Malformed })
		c.SetReadUntil(mono.Now().Add(patience))
		if stage, end := c.Ask(request("q"), false); stage != fault.Head || end != fault.Completed || !strings.HasPrefix(string(c.Buffered()), "220 ") {
			t.Errorf("%s %s %q", stage, end, c.Buffered())
		}
	})
	t.Run("ended at once, and read on", func(t *testing.T) {
		c, other := pair(t, "tcp")
		if err := other.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the end", c.Gone)
		c.SetReadUntil(mono.Now().Add(patience))
		if stage, end := c.Ask(request("q"), false); stage != fault.FirstByte || end != fault.Closed {
			t.Errorf("%s %s", stage, end)
		}
	})
	t.Run("closed without an answer", func(t *testing.T) {
		c, other := pair(t, "tcp")
		go func() { _, _ = io.ReadFull(other, make([]byte, 1)); other.Close() }()
		if stage, end := c.Ask(request("q"), true); stage != fault.FirstByte || end != fault.Closed {
			t.Errorf("%s %s", stage, end)
		}
	})
	t.Run("no answer in time", func(t *testing.T) {
		c, _ := pair(t, "tcp")
		c.SetReadUntil(mono.Now().Add(soon))
		if stage, end := c.Ask(request("q"), true); stage != fault.FirstByte || end != fault.Timeout || c.Sent() != 1 {
			t.Errorf("%s %s", stage, end)
		}
	})
	t.Run("more than fits", func(t *testing.T) {
		c, other := pair(t, "tcp")
		big := make([]byte, 16<<20)
		_, _ = rand.Read(big)
		got := make(chan []byte, 1)
		go func() {
			b := make([]byte, len(big))
			_, _ = io.ReadFull(other, b)
			got <- b
			_, _ = other.Write([]byte("done"))
		}()
		stage, end := c.Ask(append(conn.GetBuffer(), big...), true)
		if stage != fault.Head || end != fault.Completed || !bytes.Equal(<-got, big) || c.Sent() != int64(len(big)) {
			t.Errorf("%s %s, %d sent", stage, end, c.Sent())
		}
	})
	t.Run("more than anybody reads", func(t *testing.T) {
		c, _ := pair(t, "tcp")
		c.SetWriteUntil(mono.Now().Add(soon))
		if stage, end := c.Ask(append(conn.GetBuffer(), make([]byte, 64<<20)...), true); stage != fault.Write || end != fault.Timeout || c.Sent() == 0 {
			t.Errorf("%s %s, %d sent", stage, end, c.Sent())
		}
	})
}

func request(s string) []byte { return append(conn.GetBuffer(), s...) }

func TestHowItEnds(t *testing.T) {
	t.Run("Close is a FIN", func(t *testing.T) {
		c, other := pair(t, "tcp")
		c.Close()
		if b, err := io.ReadAll(other); err != nil || len(b) > 0 {
			t.Errorf("%q %v", b, err)
		}
		c.Close() // twice is once
	})
	t.Run("Abort is a RST", func(t *testing.T) {
		c, other := pair(t, "tcp")
		c.Abort()
		if _, err := io.ReadAll(other); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v", err)
		}
	})
	t.Run("what is buffered stays until Close", func(t *testing.T) {
		for _, end := range []func(*conn.Conn){(*conn.Conn).End, (*conn.Conn).Abort} {
			c, other := pair(t, "tcp")
			send(t, other, "hello")
			want(t, "Fill", c.Fill(), fault.Completed)
			b := c.Buffered()
			end(c)
			d, _ := pair(t, "tcp") // who takes a buffer now takes another
			d.Enlarge()
			if string(b) != "hello" || string(c.Buffered()) != "hello" {
				t.Errorf("%q", b)
			}
		}
	})
	t.Run("a reset of the peer", func(t *testing.T) {
		c, other := pair(t, "tcp")
		reset(other)
		want(t, "Fill", c.Fill(), fault.Reset)
		if c.ReadErrno() != syscall.ECONNRESET {
			t.Errorf("errno %v", c.ReadErrno())
		}
	})
	t.Run("a write to one that is gone", func(t *testing.T) {
		c, other := pair(t, "tcp")
		other.Close()
		end := fault.Completed
		waitFor(t, "the write to fail", func() bool { end = c.Write([]byte("x")); return end != fault.Completed })
		want(t, "Write", end, fault.Reset)
	})
	t.Run("a close from another goroutine", func(t *testing.T) {
		c, _ := pair(t, "tcp")
		go c.End() // before the wait, or in it
		want(t, "Fill", c.Fill(), fault.Closed)
	})
}

func TestEndOf(t *testing.T) {
	for errno, end := range map[syscall.Errno]fault.End{
		syscall.ECONNRESET: fault.Reset, syscall.EPIPE: fault.Reset, syscall.ETIMEDOUT: fault.Timeout, syscall.ECONNREFUSED: fault.Refused,
		syscall.EHOSTUNREACH: fault.Unreachable, syscall.ENETUNREACH: fault.Unreachable, syscall.EADDRNOTAVAIL: fault.Exhausted,
		syscall.EMFILE: fault.Exhausted, syscall.EINVAL: fault.Failed,
	} {
		want(t, errno.Error(), fault.EndOf(errno), end)
	}
}

// spliced is two connections and what goes between them.
func spliced(t *testing.T) (dst, src *conn.Conn, sink, source net.Conn) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("splice(2) is Linux's")
	}
	dst, sink = pair(t, "tcp")
	src, source = pair(t, "tcp")
	if !conn.CanSplice(dst, src) {
		t.Fatal("two sockets cannot be spliced")
	}
	return dst, src, sink, source
}

func never() mono.Time { return 0 }

func TestSplice(t *testing.T) {
	data := make([]byte, 8<<20)
	_, _ = rand.Read(data)
	t.Run("all", func(t *testing.T) {
		dst, src, sink, source := spliced(t)
		go func() { _, _ = source.Write(data); _, _ = source.Write([]byte("behind")) }()
		got := make(chan []byte, 1)
		go func() { b, _ := io.ReadAll(sink); got <- b }()
		moved, read, write := conn.Splice(dst, src, int64(len(data)), never, never)
		if moved != int64(len(data)) || read != fault.Completed || write != fault.Completed || src.Received() != moved || dst.Sent() != moved {
			t.Errorf("%d moved, %s, %s; %d received, %d sent", moved, read, write, src.Received(), dst.Sent())
		}
		dst.CloseWrite()
		if !bytes.Equal(<-got, data) {
			t.Error("what arrived is not what was sent")
		}
		want(t, "Fill behind it", src.Fill(), fault.Completed)
		if string(src.Buffered()) != "behind" {
			t.Errorf("%q", src.Buffered())
		}
	})
	t.Run("source ends", func(t *testing.T) {
		dst, src, sink, source := spliced(t)
		go func() { _, _ = source.Write(data[:1<<20]); source.Close() }()
		got := make(chan []byte, 1)
		go func() { b, _ := io.ReadAll(sink); got <- b }()
		moved, read, write := conn.Splice(dst, src, int64(len(data)), never, never)
		if moved != 1<<20 || read != fault.Closed || write != fault.Completed {
			t.Errorf("%d moved, %s, %s", moved, read, write)
		}
		dst.CloseWrite()
		if !bytes.Equal(<-got, data[:1<<20]) {
			t.Error("what arrived is not what was sent")
		}
	})
	t.Run("sink is reset", func(t *testing.T) {
		dst, src, sink, source := spliced(t)
		go func() { _, _ = io.Copy(source, bytes.NewReader(data)); _, _ = source.Write(data) }()
		go func() { _, _ = io.ReadFull(sink, make([]byte, 1000)); reset(sink) }()
		moved, read, write := conn.Splice(dst, src, 1<<40, never, never)
		if read != fault.Completed || write != fault.Reset {
			t.Errorf("%d moved, %s, %s", moved, read, write)
		}
	})
	t.Run("source is silent", func(t *testing.T) {
		dst, src, _, source := spliced(t)
		send(t, source, "x")
		gap := func() mono.Time { return mono.Now().Add(soon) }
		if moved, read, write := conn.Splice(dst, src, 1<<20, gap, never); moved != 1 || read != fault.Timeout || write != fault.Completed {
			t.Errorf("%d moved, %s, %s", moved, read, write)
		}
	})
	t.Run("sink does not read", func(t *testing.T) {
		dst, src, _, source := spliced(t)
		go func() { _, _ = source.Write(make([]byte, 64<<20)) }() // ends when the connection does
		gap := func() mono.Time { return mono.Now().Add(soon) }
		if moved, read, write := conn.Splice(dst, src, 64<<20, never, gap); read != fault.Completed || write != fault.Timeout {
			t.Errorf("%d moved, %s, %s", moved, read, write)
		}
	})
}

// A pipe that was left with octets in it is not used for another body.
func TestSpliceAfterABrokenOne(t *testing.T) {
	for range 20 {
		dst, src, sink, source := spliced(t)
		go func() { _, _ = source.Write(make([]byte, 8<<20)) }()
		reset(sink)
		conn.Splice(dst, src, 8<<20, never, never)
		dst.Close()
		src.Close()
		dst2, src2, sink2, source2 := spliced(t)
		send(t, source2, "clean")
		if moved, _, _ := conn.Splice(dst2, src2, 5, never, never); moved != 5 {
			t.Errorf("%d moved", moved)
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(sink2, b); err != nil || string(b) != "clean" {
			t.Fatalf("%q %v", b, err)
		}
	}
}

// Each takes what comes, again and again, until its func wants out.
func TestEach(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			c, other := pair(t, network)
			var got []byte
			taken := make(chan int)
			done := make(chan fault.End, 1)
			go func() {
				done <- c.Each(func() (mono.Time, bool) {
					got = append(got, c.Buffered()...)
					c.Discard(len(c.Buffered()))
					taken <- len(got)
					return mono.Now(), true
				})
			}()
			for i := range 200 {
				send(t, other, "x")
				if n := <-taken; n != i+1 {
					t.Fatalf("%d taken, want %d", n, i+1)
				}
			}
			other.Close()
			want(t, "Each", <-done, fault.Closed)
		})
	}
	t.Run("left over", func(t *testing.T) {
		c, other := pair(t, "tcp")
		send(t, other, "hello")
		want(t, "Each", c.Each(func() (mono.Time, bool) { c.Discard(2); return mono.Now(), false }), fault.Completed)
		if string(c.Buffered()) != "llo" {
			t.Errorf("%q", c.Buffered())
		}
	})
	t.Run("closed inside", func(t *testing.T) {
		for how, end := range map[string]func(*conn.Conn){"close": (*conn.Conn).Close, "end": (*conn.Conn).End, "abort": (*conn.Conn).Abort} {
			c, other := pair(t, "tcp")
			send(t, other, "hello")
			want(t, "Each", c.Each(func() (mono.Time, bool) {
				end(c)
				if string(c.Buffered()) != "hello" {
					t.Errorf("%s: %q after it was closed inside", how, c.Buffered())
				}
				return mono.Now(), false
			}), fault.Closed)
			if _, err := io.ReadAll(other); (how == "abort") != errors.Is(err, syscall.ECONNRESET) && how == "abort" {
				t.Errorf("%s: %v", how, err)
			}
		}
	})
	t.Run("deadline", func(t *testing.T) {
		c, _ := pair(t, "tcp")
		c.SetReadUntil(mono.Now().Add(soon))
		want(t, "Each", c.Each(func() (mono.Time, bool) { t.Error("called"); return 0, false }), fault.Timeout)
	})
	t.Run("canceled", func(t *testing.T) {
		c, _ := pair(t, "tcp")
		var why cancel.Cancel
		c.Obey(&why, &why, 0)
		c.SetReadUntil(0)
		go why.Cancel(cancel.Drained) // before the wait, or in it
		want(t, "Each", c.Each(func() (mono.Time, bool) { t.Error("called"); return 0, false }), fault.Canceled)
	})
}

// Waiting for a request holds no buffer, and neither reading nor writing allocates.
func TestAllocate(t *testing.T) {
	c, other := pair(t, "tcp")
	echo := make([]byte, 100)
	go func() {
		for {
			n, err := other.Read(echo)
			if err != nil {
				return
			}
			if _, err := other.Write(echo[:n]); err != nil {
				return
			}
		}
	}()
	message := []byte("hello")
	var why cancel.Cancel
	c.Obey(&why, &why, 0)
	if n := testing.AllocsPerRun(500, func() {
		c.Obey(nil, nil, 0)
		c.Obey(&why, &why, 0)
		c.SetReadUntil(mono.Now().Add(time.Minute))
		if stage, _ := c.Ask(append(conn.GetBuffer(), message...), true); stage != fault.Head {
			t.Fatal(stage)
		}
		c.Discard(len(c.Buffered()))
		c.Release()
		c.Write(message)
		c.Fill()
		c.Discard(len(c.Buffered()))
		c.Release()
	}); n != 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
	c.Close()
}

// A watch is first asked a second after it began, whatever the one before it had come to, and however its timer was left.
func TestWatchBeginsAnew(t *testing.T) {
	t.Parallel()
	c, other := pair(t, "tcp")
	var why cancel.Cancel
	why.Watch(func() bool { return false })
	c.Obey(&why, &why, mono.Now())
	go func() { time.Sleep(900 * time.Millisecond); send(t, other, "x") }() // its timer is about to fire
	want(t, "Fill", c.Fill(), fault.Completed)
	for _, wait := range []time.Duration{300 * time.Millisecond, 3500 * time.Millisecond} {
		asked := make(chan time.Duration, 10)
		began := time.Now()
		why.Watch(func() bool { asked <- time.Since(began); return false })
		c.Obey(&why, &why, mono.Now())
		go func() { time.Sleep(wait); send(t, other, "x") }()
		want(t, "Fill", c.Fill(), fault.Completed)
		close(asked)
		first, any := <-asked
		if wait < time.Second && any || wait > 2*time.Second && (first < 950*time.Millisecond || first > 2*time.Second) {
			t.Errorf("waiting for %v it was first asked after %v", wait, first)
		}
	}
}

// TestControl gives the descriptor of a socket, and says where there is none.
func TestControl(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := conn.New(nc)
	defer c.Close()
	var fd uintptr
	if !c.Control(func(n uintptr) { fd = n }) || fd == 0 {
		t.Errorf("descriptor %d", fd)
	}
	a, b := net.Pipe()
	defer b.Close()
	in := conn.New(a)
	defer in.Close()
	if in.Control(func(uintptr) {}) {
		t.Error("a pipe in memory has no descriptor")
	}
}
