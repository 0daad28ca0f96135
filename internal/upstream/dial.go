package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// eyeballsDelay is how long one address is given before the next is tried beside it: RFC 8305, section 5.
const eyeballsDelay = 250 * time.Millisecond

// addressesMax is how many addresses of a name are tried.
const addressesMax = 16

// dialed is what became of one address.
type dialed struct {
	nc    net.Conn
	addr  string
	err   error
	spent time.Duration
	bug   *Panic
}

// dialTCP opens a connection to one of the addresses: each in turn, the next beside it when one is slow, the first that
// answers wins. Every address's failure is kept.
func (t *Target) dialTCP(ctx context.Context, ev *fault.Evidence, addrs []netip.Addr) net.Conn {
	ev.Stage = fault.Dial
	ctx, cancel := bounded(ctx, t.Connect)
	defer cancel()
	addrs = interleave(addrs)
	results := make(chan dialed, len(addrs))
	failures := make([]dialed, 0, len(addrs))
	next, running := 0, 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			if next < len(addrs) {
				go dialOne(ctx, net.JoinHostPort(addrs[next].String(), t.Port), results) // ends with ctx
				next++
				running++
				timer.Reset(eyeballsDelay)
			}
		case d := <-results:
			running--
			if d.bug != nil {
				go discard(results, running) // as below
				panic(d.bug)
			}
			if d.err == nil {
				go discard(results, running) // ends when the dials it counts have ended, at the latest with ctx
				ev.Addr = d.addr
				return d.nc
			}
			failures = append(failures, d)
			if next == len(addrs) && running == 0 {
				t.failed(ev, failures)
				return nil
			}
			timer.Reset(0)
		}
	}
}

// discard closes the connections that lost the race.
func discard(results <-chan dialed, n int) {
	for range n {
		if d := <-results; d.nc != nil {
			_ = d.nc.Close()
		}
	}
}

func dialOne(ctx context.Context, addr string, results chan<- dialed) {
	began := time.Now()
	var bug *Panic
	defer func() {
		if bug != nil {
			results <- dialed{addr: addr, bug: bug}
		}
	}()
	defer Caught(&bug)
	var d net.Dialer
	d.KeepAliveConfig = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}
	nc, err := d.DialContext(ctx, "tcp", addr)
	results <- dialed{nc: nc, addr: addr, err: err, spent: time.Since(began)}
}

// interleave alternates the address families, the first one's first: RFC 8305, section 4.
func interleave(addrs []netip.Addr) []netip.Addr {
	var six, four []netip.Addr
	for _, a := range addrs {
		if a.Is4() || a.Is4In6() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	first, second := six, four
	if len(addrs) > 0 && (addrs[0].Is4() || addrs[0].Is4In6()) {
		first, second = four, six
	}
	out := make([]netip.Addr, 0, len(addrs))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			out = append(out, first[i])
		}
		if i < len(second) {
			out = append(out, second[i])
		}
	}
	return out[:min(len(out), addressesMax)]
}

// failed writes down the failure of the address that counts: the one that came furthest, which is a refusal before an
// unreachable network, and a timeout before both.
func (t *Target) failed(ev *fault.Evidence, failures []dialed) {
	best := -1
	for _, d := range failures {
		end, errno := dialEnd(d.err)
		if len(failures) > 1 {
			ev.Tried = append(ev.Tried, fault.Address{Addr: d.addr, End: end, Errno: errno, Spent: d.spent})
		}
		if r := end.Rank(); r > best {
			best = r
			ev.Addr, ev.End, ev.Errno = d.addr, end, errno
			ev.Detail = ""
			if end == fault.Failed {
				ev.Detail = d.err.Error()
			}
		}
	}
	if ev.End == fault.Timeout && ev.Errno == 0 {
		ev.Timer, ev.After = fault.TimerConnect, t.Connect
	}
}

// dialUnix opens a unix socket.
func (t *Target) dialUnix(ctx context.Context, ev *fault.Evidence) net.Conn {
	ev.Stage, ev.Addr = fault.Dial, t.Text
	ctx, cancel := bounded(ctx, t.Connect)
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", t.Host)
	if err == nil {
		return nc
	}
	ev.End, ev.Errno = dialEnd(err)
	if ev.Errno != 0 {
		ev.End = fault.EndOfUnix(ev.Errno)
	}
	if ev.End == fault.Timeout && ev.Errno == 0 {
		ev.Timer, ev.After = fault.TimerConnect, t.Connect
	}
	return nil
}

// dialEnd puts a dial's error into fault's words.
func dialEnd(err error) (fault.End, syscall.Errno) {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return fault.EndOf(errno), errno
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		return fault.Timeout, 0
	case errors.Is(err, context.Canceled):
		return fault.Canceled, 0
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Timeout() {
		return fault.Timeout, 0
	}
	return fault.Failed, 0
}

// bounded is ctx with a bound, where there is one.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}
