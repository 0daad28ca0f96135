package conn_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// lot is a Lot that is closed at the test's end.
func lot(t *testing.T) *conn.Lot {
	l := &conn.Lot{}
	t.Cleanup(l.Close)
	return l
}

// A parked connection comes back once, by what comes first, and can be read then.
func TestPark(t *testing.T) {
	t.Parallel()
	const never = mono.Time(0)
	tests := []struct {
		name   string
		until  time.Duration // 0 for never
		before func(net.Conn)
		after  func(net.Conn, *cancel.Cancel)
		why    conn.Wakeup
		end    fault.End
	}{
		{name: "octets that came before", before: func(c net.Conn) { io.WriteString(c, "x") }, why: conn.Readable, end: fault.Completed},
		{name: "octets", after: func(c net.Conn, _ *cancel.Cancel) { io.WriteString(c, "x") }, why: conn.Readable, end: fault.Completed},
		{name: "FIN that came before", before: func(c net.Conn) { c.Close() }, why: conn.Readable, end: fault.Closed},
		{name: "FIN", after: func(c net.Conn, _ *cancel.Cancel) { c.Close() }, why: conn.Readable, end: fault.Closed},
		{name: "deadline", until: time.Millisecond, why: conn.Expired, end: fault.Timeout},
		{name: "a reason", after: func(_ net.Conn, c *cancel.Cancel) { c.Cancel(cancel.Drained) }, why: conn.Canceled, end: fault.Canceled},
		{name: "octets and a deadline", until: time.Millisecond, before: func(c net.Conn) { io.WriteString(c, "x") }, why: conn.Readable, end: fault.Completed},
	}
	for _, network := range []string{"tcp", "unix"} {
		for _, tt := range tests {
			t.Run(network+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				l := lot(t)
				c, other := pair(t, network)
				var stop cancel.Cancel
				c.Obey(&stop, &stop, 0)
				if tt.before != nil {
					tt.before(other)
				}
				until := never
				if tt.until != 0 {
					until = mono.Now().Add(tt.until)
				}
				back := make(chan conn.Wakeup, 2)
				if !l.Park(c, until, func(w conn.Wakeup) { back <- w }) {
					t.Fatal("it was not parked")
				}
				if tt.after != nil {
					tt.after(other, &stop)
				}
				select {
				case w := <-back:
					if w != tt.why {
						t.Errorf("woken because of %d, want %d", w, tt.why)
					}
				case <-time.After(patience):
					t.Fatal("it was not woken")
				}
				if n := l.Parked(); n != 0 {
					t.Errorf("%d are parked, want none", n)
				}
				if tt.end == fault.Timeout {
					c.SetReadUntil(until)
				}
				want(t, "read", c.Fill(), tt.end)
				if len(back) > 0 {
					t.Error("it was woken twice")
				}
			})
		}
	}
}

// What may not be parked stays its owner's.
func TestParkNot(t *testing.T) {
	t.Parallel()
	never := func(conn.Wakeup) { t.Error("it was woken") }
	t.Run("a reason", func(t *testing.T) {
		c, other := pair(t, "tcp")
		var stop cancel.Cancel
		c.Obey(&stop, &stop, 0)
		stop.Cancel(cancel.Drained)
		l := lot(t)
		if l.Park(c, 0, never) || l.Parked() != 0 {
			t.Error("it was parked")
		}
		send(t, other, "x")
		want(t, "read", c.Fill(), fault.Canceled)
	})
	t.Run("buffered octets", func(t *testing.T) {
		c, other := pair(t, "tcp")
		send(t, other, "x")
		want(t, "read", c.Fill(), fault.Completed)
		if lot(t).Park(c, 0, never) {
			t.Error("it was parked")
		}
	})
	t.Run("closed lot", func(t *testing.T) {
		c, _ := pair(t, "tcp")
		l := lot(t)
		l.Close()
		if l.Park(c, 0, never) {
			t.Error("it was parked")
		}
	})
	t.Run("no socket", func(t *testing.T) {
		c, _ := pair(t, "pipe")
		if c.CanPark() || lot(t).Park(c, 0, never) {
			t.Error("it was parked")
		}
	})
	t.Run("closed connection", func(t *testing.T) {
		c, _ := pair(t, "tcp")
		c.Close()
		l := lot(t)
		if l.Park(c, 0, never) || l.Parked() != 0 {
			t.Error("it was parked")
		}
	})
}

// A Cancel that the connection obeyed before may still wake it: for nothing, as elsewhere.
func TestParkedWokenForNothing(t *testing.T) {
	t.Parallel()
	l := lot(t)
	c, other := pair(t, "tcp")
	var stop cancel.Cancel
	c.Obey(&stop, &stop, 0)
	back := make(chan conn.Wakeup, 1)
	if !l.Park(c, 0, func(w conn.Wakeup) { back <- w }) {
		t.Fatal("it was not parked")
	}
	stop.LateAt(mono.Now().Add(time.Hour))
	if w := <-back; w != conn.Canceled {
		t.Errorf("woken because of %d", w)
	}
	send(t, other, "x")
	want(t, "read", c.Fill(), fault.Completed)
}

// Octets, the deadline and a reason race for a parked connection, many times and on many at once: each comes back exactly once for each
// time that it was parked, and no octet is lost.
func TestParkRaces(t *testing.T) {
	t.Parallel()
	const rounds = 300
	l := lot(t)
	var all sync.WaitGroup
	for range 32 {
		c, other := pair(t, "tcp")
		_ = other.SetDeadline(time.Time{}) // pair's is for one exchange, and here are hundreds
		all.Go(func() {
			var stop cancel.Cancel
			c.Obey(&stop, &stop, 0)
			var parked, back atomic.Int64
			again := make(chan conn.Wakeup, 1)
			for round := range rounds {
				var after sync.WaitGroup
				after.Go(func() {
					spin(rand.IntN(200))
					if _, err := other.Write([]byte{byte(round)}); err != nil {
						t.Error(err)
						stop.Cancel(cancel.Drained) // nobody waits for it
					}
				})
				after.Go(func() {
					spin(rand.IntN(200))
					stop.LateAt(mono.Now().Add(time.Hour)) // wakes, and is no reason
				})
				for got := false; !got; {
					spin(rand.IntN(100))
					until := mono.Time(0)
					if rand.IntN(4) == 0 {
						until = mono.Now()
					}
					parked.Add(1)
					if !l.Park(c, until, func(w conn.Wakeup) { back.Add(1); again <- w }) {
						t.Error("it was not parked")
						return
					}
					if w := <-again; w != conn.Readable {
						continue
					}
					c.SetReadUntil(mono.Now().Add(patience))
					if end := c.Fill(); end != fault.Completed {
						t.Errorf("read: %s", end)
						return
					}
					if b := c.Buffered(); len(b) != 1 || b[0] != byte(round) {
						t.Errorf("read %v, want %d", b, byte(round))
					}
					c.Discard(len(c.Buffered()))
					got = true
				}
				after.Wait()
			}
			if p, b := parked.Load(), back.Load(); p != b {
				t.Errorf("parked %d times and back %d times", p, b)
			}
		})
	}
	all.Wait()
	if n := l.Parked(); n != 0 {
		t.Errorf("%d are parked, want none", n)
	}
}

// spin lets some time pass that is shorter than a sleep.
func spin(n int) {
	for range n {
		_ = mono.Now()
	}
}

// The Lot's spots are used again, and those that stay keep theirs.
func TestParkMany(t *testing.T) {
	t.Parallel()
	const n = 300
	l := lot(t)
	conns, others := make([]*conn.Conn, n), make([]net.Conn, n)
	back := make([]chan conn.Wakeup, n)
	for i := range conns {
		conns[i], others[i] = pair(t, "tcp")
		_ = others[i].SetDeadline(time.Time{})
		back[i] = make(chan conn.Wakeup, 1)
	}
	in := make([]bool, n)
	for round := range 2000 {
		i := rand.IntN(n)
		if !in[i] {
			if !l.Park(conns[i], mono.Now().Add(time.Hour+time.Duration(rand.IntN(100))*time.Second), func(w conn.Wakeup) { back[i] <- w }) {
				t.Fatal("it was not parked")
			}
			in[i] = true
			continue
		}
		text := fmt.Sprint(round)
		send(t, others[i], text)
		if w := <-back[i]; w != conn.Readable {
			t.Fatalf("woken because of %d", w)
		}
		in[i] = false
		want(t, "read", conns[i].Fill(), fault.Completed)
		if got := string(conns[i].Buffered()); got != text {
			t.Fatalf("read %q, want %q", got, text)
		}
		conns[i].Discard(len(text))
	}
	left := 0
	for i := range in {
		if in[i] {
			left++
		}
	}
	if l.Parked() != left {
		t.Errorf("%d are parked, want %d", l.Parked(), left)
	}
	for i := range in {
		if in[i] {
			_ = others[i].Close()
			<-back[i]
		}
	}
}
