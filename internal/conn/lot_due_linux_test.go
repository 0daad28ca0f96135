package conn

import (
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// Deadlines near and far are kept to the second, whoever leaves in between. The clock is the test's: expire is called with it.
func TestParkedUntil(t *testing.T) {
	l := &Lot{}
	t.Cleanup(l.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const n = 200
	now := mono.Now()
	conns, until := make([]*Conn, n), make([]mono.Time, n)
	came := make(chan int, n)
	for i := range conns {
		other, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c := New(nc)
		t.Cleanup(func() { c.Close(); other.Close() })
		conns[i], until[i] = c, now.Add(time.Minute+time.Duration(rand.Int64N(int64(5*time.Minute))))
		if !l.Park(c, until[i], func(Wakeup) { came <- i }) {
			t.Fatal("it was not parked")
		}
	}
	var gone []int
	for i := 0; i < n; i += 3 { // some leave before
		l.unpark(conns[i].spot.Load(), Canceled)
		gone = append(gone, <-came)
	}
	for at := now; len(gone) < n; at = at.Add(700 * time.Millisecond) {
		var out []woken
		for more := true; more; {
			out, more = l.expire(at, nil)
			start(out)
			for range out {
				i := <-came
				if late := at.Sub(until[i]); late < 0 || late > 2*time.Second {
					t.Errorf("a connection's deadline was met %s late", late)
				}
				gone = append(gone, i)
			}
		}
		if at.Sub(now) > 7*time.Minute {
			t.Fatalf("%d of %d came back", len(gone), n)
		}
	}
	slices.Sort(gone)
	if len(slices.Compact(gone)) != n || l.Parked() != 0 || l.timed != 0 {
		t.Errorf("%d came back, %d are parked, %d have deadlines", len(gone), l.parked, l.timed)
	}
}
