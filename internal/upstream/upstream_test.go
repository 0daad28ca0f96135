package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

func options() Options {
	return Options{
		Connect: patience, TLS: patience, Write: patience, Head: patience, Read: patience, Idle: time.Minute, HeadMax: 64 << 10,
		Resolver: NewResolver(nil, time.Second),
	}
}

func targetOf(t *testing.T, text string, change func(*Options)) *Target {
	t.Helper()
	e, err := ParseEndpoint(text)
	if err != nil {
		t.Fatal(err)
	}
	o := options()
	if change != nil {
		change(&o)
	}
	target := New(e, o)
	t.Cleanup(target.Close)
	return target
}

// serving is an upstream that hands each connection to serve.
func serving(t *testing.T, network string, serve func(net.Conn)) string {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			wg.Go(func() { defer c.Close(); serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	if network == "unix" {
		return "unix:" + addr
	}
	return "http://" + l.Addr().String()
}

const (
	question    = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	helloAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
)

// answering answers every request with s.
func answering(s string) func(net.Conn) {
	return func(c net.Conn) {
		b := make([]byte, len(question))
		for {
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			if _, err := io.WriteString(c, s); err != nil {
				return
			}
		}
	}
}

// request asks what question spells.
func request() *Head { return &Head{Method: []byte("GET"), Path: []byte("/"), Authority: []byte("a")} }

// exchange makes one attempt from the question to the end of the body, as proxy does, and keeps or drops the connection.
func exchange(a *Attempt, t *Target, fresh Fresh) (body string, good bool) {
	a.Begin(t, mono.Now())
	a.Again = true
	defer a.Drop()
	var res httpmsg.Response
	if !a.Ask(request(), nil, fresh) || !a.ReadHead(&res) {
		return "", false
	}
	if body, good = rest(a); good {
		a.Finish(mono.Now())
		a.Keep(mono.Now())
	}
	return body, good
}

// rest reads a body to its end.
func rest(a *Attempt) (body string, good bool) {
	var all strings.Builder
	for {
		data, found := a.Next()
		switch found {
		case Piece:
			all.Write(data)
		case Awaited:
			a.Await()
		default:
			return all.String(), found == Ended
		}
	}
}

func TestReuse(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		target := targetOf(t, serving(t, network, answering(helloAnswer)), nil)
		var a Attempt
		for i := range 5 {
			body, good := exchange(&a, target, AnyConnection)
			if !good || body != "hello" || a.Evidence.Nth != uint32(i+1) || a.Evidence.Reused != (i > 0) || target.IdleCount() != 1 {
				t.Errorf("%s %d: %q, nth %d, reused %t, %d idle", network, i, body, a.Evidence.Nth, a.Evidence.Reused, target.IdleCount())
			}
			if a.Evidence.Sent != int64(len(question)) || a.Evidence.Got != int64(len(helloAnswer)) || a.Evidence.Stage != fault.Done {
				t.Errorf("%d sent, %d got, %s", a.Evidence.Sent, a.Evidence.Got, a.Evidence.Stage)
			}
		}
		if _, good := exchange(&a, target, FreshConnection); !good || a.Evidence.Nth != 1 || a.Evidence.Reused || target.IdleCount() != 2 {
			t.Errorf("a fresh one: nth %d, %d idle", a.Evidence.Nth, target.IdleCount())
		}
	}
}

func TestExtraOctetsAreNotKept(t *testing.T) {
	target := targetOf(t, serving(t, "tcp", answering(helloAnswer+"extra")), nil)
	var a Attempt
	if _, good := exchange(&a, target, AnyConnection); !good || target.IdleCount() != 0 {
		t.Errorf("%d idle", target.IdleCount())
	}
	if f := fault.Classify(&a.Evidence); f.Cause != fault.CauseExtraOctets || string(a.Evidence.Sample) != "extra" || a.Evidence.Size != 5 {
		t.Errorf("%s, sample %q", f.Cause, a.Evidence.Sample)
	}
}

func TestPool(t *testing.T) {
	t.Run("the last one used is taken first", func(t *testing.T) {
		target := targetOf(t, "http://127.0.0.1:1", nil)
		for i := range 3 {
			target.put(piped(t, target, fmt.Sprint(i)), mono.Now())
		}
		for _, want := range []string{"2", "1", "0"} {
			c := target.take(true, mono.Now())
			if c == nil || c.addr != want {
				t.Fatalf("took %v, want %s", c, want)
			}
			c.Close()
		}
		if target.take(true, mono.Now()) != nil {
			t.Error("took one of none")
		}
	})
	t.Run("too old", func(t *testing.T) {
		target := targetOf(t, "http://127.0.0.1:1", func(o *Options) { o.Idle = time.Second })
		now := mono.Now()
		target.put(piped(t, target, "old"), now.Add(-2*time.Second))
		target.put(piped(t, target, "older"), now.Add(-3*time.Second))
		if c := target.take(true, now); c != nil || target.IdleCount() != 0 {
			t.Errorf("took %v, %d idle", c, target.IdleCount())
		}
	})
	t.Run("none kept", func(t *testing.T) {
		target := targetOf(t, "http://127.0.0.1:1", func(o *Options) { o.Idle = 0 })
		target.put(piped(t, target, ""), mono.Now())
		if target.IdleCount() != 0 {
			t.Error("kept")
		}
	})
	t.Run("after Close", func(t *testing.T) {
		target := targetOf(t, "http://127.0.0.1:1", nil)
		target.put(piped(t, target, ""), mono.Now())
		target.Close()
		target.put(piped(t, target, ""), mono.Now())
		if target.IdleCount() != 0 {
			t.Error("kept")
		}
	})
	t.Run("no more than so many", func(t *testing.T) {
		target := targetOf(t, "http://127.0.0.1:1", nil)
		for range idleMax + 10 {
			target.put(piped(t, target, ""), mono.Now())
		}
		if n := target.IdleCount(); n != idleMax {
			t.Errorf("%d kept", n)
		}
	})
}

// piped is a connection over net.Pipe.
func piped(t *testing.T, target *Target, addr string) *Conn {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { b.Close() })
	return &Conn{Conn: conn.New(a), target: target, addr: addr, nth: 1}
}

func TestSweep(t *testing.T) {
	leave := make(chan struct{})
	target := targetOf(t, serving(t, "tcp", func(c net.Conn) {
		b := make([]byte, len(question))
		_, _ = io.ReadFull(c, b)
		_, _ = io.WriteString(c, helloAnswer)
		<-leave
	}), nil)
	var a Attempt
	if _, good := exchange(&a, target, AnyConnection); !good {
		t.Fatal("no answer")
	}
	target.Sweep()
	if target.IdleCount() != 1 {
		t.Error("a live one was swept")
	}
	close(leave)
	for end := time.Now().Add(patience); target.IdleCount() == 1; time.Sleep(time.Millisecond) {
		if target.Sweep(); time.Now().After(end) {
			t.Fatal("a closed one is kept")
		}
	}
	old := targetOf(t, "http://127.0.0.1:1", func(o *Options) { o.Idle = time.Second })
	old.put(piped(t, old, ""), mono.Now().Add(-2*time.Second))
	if old.Sweep(); old.IdleCount() != 0 {
		t.Error("an old one is kept")
	}
}

// A look at an idle connection is a system call, and others wait for the lock: Sweep must not hold it meanwhile. Somebody who tries to take it
// all the time finds it taken for a small part of the tries; it was nearly all of them while Sweep looked under it.
func TestSweepLooksWithoutTheLock(t *testing.T) {
	const resting = 400
	leave := make(chan struct{})
	defer close(leave)
	target := targetOf(t, serving(t, "tcp", func(net.Conn) { <-leave }), nil)
	for range resting {
		c, err := net.Dial("tcp", target.Endpoint.Authority())
		if err != nil {
			t.Fatal(err)
		}
		target.put(&Conn{Conn: conn.New(c), target: target, nth: 1}, mono.Now())
	}
	least := 1.0
	for range 5 { // whoever holds the lock may be kept from running by other work
		least = min(least, lockedWhile(target, func() {
			for range 100 {
				target.Sweep()
			}
		}))
	}
	if n := target.IdleCount(); n != resting {
		t.Fatalf("%d of %d rest", n, resting)
	}
	if least > 0.5 {
		t.Errorf("%.2f of the tries found the lock taken", least)
	}
}

// lockedWhile is which part of many tries finds the target's lock taken while f runs.
func lockedWhile(target *Target, f func()) float64 {
	stop, over := make(chan struct{}), make(chan struct{})
	tries, taken := 0, 0
	go func() { // ends with stop
		defer close(over)
		for {
			select {
			case <-stop:
				return
			default:
			}
			tries++
			if target.mu.TryLock() {
				target.mu.Unlock()
			} else {
				taken++
			}
			runtime.Gosched()
		}
	}()
	f()
	close(stop)
	<-over
	return float64(taken) / float64(max(tries, 1))
}

// Concurrent exchanges and sweeps on one target: every connection is one exchange's at a time.
func TestConcurrently(t *testing.T) {
	target := targetOf(t, serving(t, "tcp", func(c net.Conn) {
		b := make([]byte, len(question))
		for i := 0; ; i++ {
			if _, err := io.ReadFull(c, b); err != nil || i == 7 {
				return
			}
			_, _ = io.WriteString(c, helloAnswer)
		}
	}), nil)
	stop := make(chan struct{})
	var sweeper, wg sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				target.Sweep()
			}
		}
	})
	for range 8 {
		wg.Go(func() {
			var a Attempt
			for range 60 {
				if body, good := exchange(&a, target, AnyConnection); good && body != "hello" {
					t.Errorf("%q", body)
				} else if !good && !a.Evidence.Reused {
					t.Errorf("a fresh one failed: %s %s", a.Evidence.Stage, a.Evidence.End)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	sweeper.Wait()
}

// faulty is a connection whose nth operation fails, and every one after it.
type faulty struct {
	net.Conn
	left  atomic.Int64
	err   error
	fired atomic.Bool
}

func (f *faulty) fails() bool {
	failed := f.left.Add(-1) < 0
	if failed {
		f.fired.Store(true)
	}
	return failed
}

func (f *faulty) Read(p []byte) (int, error) {
	if f.fails() {
		return 0, f.err
	}
	return f.Conn.Read(p[:min(len(p), 7)]) // in small pieces, so that there are many
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.fails() {
		return 0, f.err
	}
	return f.Conn.Write(p)
}

// The connection fails at its nth operation, n = 1, 2, 3 ... until nothing fails. Each failure has a stage, an end and a
// cause, and the connection is never kept.
func TestTheNthOperationFails(t *testing.T) {
	text := "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5;x\r\nworld\r\n0\r\nX: y\r\n\r\n"
	for name, failure := range map[string]error{
		"reset": &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, "end": io.EOF, "timeout": os.ErrDeadlineExceeded,
		"closed": net.ErrClosed, "other": errors.New("something else"), "kernel's timeout": &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)},
	} {
		t.Run(name, func(t *testing.T) {
			for n := int64(0); ; n++ {
				target := targetOf(t, "http://127.0.0.1:1", nil)
				inner, other := net.Pipe()
				f := &faulty{Conn: inner, err: failure}
				f.left.Store(n)
				var wg sync.WaitGroup
				wg.Go(func() { answering(text)(other) })
				target.put(&Conn{Conn: conn.New(f), target: target, addr: "pipe", nth: 1}, mono.Now())
				var a Attempt
				body, good := exchange(&a, target, AnyConnection)
				idle := target.IdleCount()
				inner.Close()
				other.Close()
				wg.Wait()
				ev := &a.Evidence
				if good {
					if f.fired.Load() || body != "helloworld" || idle != 1 {
						t.Errorf("operation %d: good, and fired %t, %q, %d idle", n, f.fired.Load(), body, idle)
					}
					if n < 10 {
						t.Errorf("only %d operations", n)
					}
					return
				}
				v := fault.Classify(ev)
				if ev.End == fault.Completed || !v.Is() || v.Cause == fault.CauseUnknown || v.Status() < 500 || v.Status() == 500 || idle != 0 || !f.fired.Load() {
					t.Errorf("operation %d: stage %s, end %s, cause %s, %d idle, fired %t", n, ev.Stage, ev.End, v.Cause, idle, f.fired.Load())
				}
				if (ev.Got == 0) != (ev.Stage <= fault.FirstByte) || ev.Stage == fault.Write && ev.Sent != 0 || ev.Stage > fault.Write && ev.Sent == 0 {
					t.Errorf("operation %d: stage %s with %d sent and %d got", n, ev.Stage, ev.Sent, ev.Got)
				}
				if !strings.HasPrefix("helloworld", body) || n > 300 {
					t.Fatalf("operation %d: %q", n, body)
				}
			}
		})
	}
}

func TestParseEndpoint(t *testing.T) {
	tests := []struct {
		text      string
		want      Endpoint
		authority string
	}{
		{"http://app.internal", Endpoint{Network: "tcp", Host: "app.internal", Port: "80"}, "app.internal"},
		{"http://app.internal:8080", Endpoint{Network: "tcp", Host: "app.internal", Port: "8080"}, "app.internal:8080"},
		{"https://app.internal", Endpoint{Network: "tcp", Host: "app.internal", Port: "443", Secure: true}, "app.internal"},
		{"https://app.internal:80", Endpoint{Network: "tcp", Host: "app.internal", Port: "80", Secure: true}, "app.internal:80"},
		{"http://[::1]", Endpoint{Network: "tcp", Host: "::1", Port: "80"}, "[::1]"},
		{"http://[::1]:8080", Endpoint{Network: "tcp", Host: "::1", Port: "8080"}, "[::1]:8080"},
		{"unix:/run/app.sock", Endpoint{Network: "unix", Host: "/run/app.sock"}, "localhost"},
		{"unix:///run/app.sock", Endpoint{Network: "unix", Host: "/run/app.sock"}, "localhost"},
	}
	for _, tt := range tests {
		tt.want.Text = tt.text
		if e, err := ParseEndpoint(tt.text); err != nil || e != tt.want || e.Authority() != tt.authority {
			t.Errorf("%s: %+v %v, authority %s", tt.text, e, err, e.Authority())
		}
	}
	for _, text := range []string{"", "app.internal:80", "ftp://a", "http://", "http://:80", "unix:", "http://a b"} {
		if e, err := ParseEndpoint(text); err == nil {
			t.Errorf("%q became %+v", text, e)
		}
	}
}

func addrs(s ...string) (out []netip.Addr) {
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func TestInterleave(t *testing.T) {
	for _, tt := range []struct{ in, want []netip.Addr }{
		{addrs("::1", "::2", "1.1.1.1", "2.2.2.2", "3.3.3.3"), addrs("::1", "1.1.1.1", "::2", "2.2.2.2", "3.3.3.3")},
		{addrs("1.1.1.1", "2.2.2.2", "::1"), addrs("1.1.1.1", "::1", "2.2.2.2")},
		{addrs("::1", "::2"), addrs("::1", "::2")},
		{nil, nil},
	} {
		if got := interleave(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("%v became %v, want %v", tt.in, got, tt.want)
		}
	}
	many := make([]netip.Addr, 40)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
	}
	if n := len(interleave(many)); n != addressesMax {
		t.Errorf("%d addresses", n)
	}
}

func TestDialFailures(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		var a Attempt
		a.Begin(targetOf(t, "http://127.0.0.1:1", nil), mono.Now())
		a.Again = true
		if a.Ask(request(), nil, AnyConnection) || a.Evidence.Stage != fault.Dial || a.Evidence.End != fault.Refused || a.Evidence.Errno != syscall.ECONNREFUSED || a.Evidence.Addr != "127.0.0.1:1" {
			t.Errorf("%+v", a.Evidence)
		}
		if !a.Evidence.SafeToRetry() || a.conn != nil {
			t.Error("something was sent")
		}
	})
	t.Run("no such socket", func(t *testing.T) {
		var a Attempt
		a.Begin(targetOf(t, "unix:"+filepath.Join(t.TempDir(), "none"), nil), mono.Now())
		a.Again = true
		if a.Open(request(), AnyConnection) || a.Evidence.End != fault.Refused || fault.Classify(&a.Evidence).Cause != fault.CauseSocketMissing {
			t.Errorf("%+v", a.Evidence)
		}
	})
	t.Run("every address is tried and kept", func(t *testing.T) {
		target := targetOf(t, "http://127.0.0.1:1", nil)
		var ev fault.Evidence
		if nc := target.dialTCP(context.Background(), &ev, addrs("127.0.0.1", "127.0.0.2", "127.0.0.3")); nc != nil {
			nc.Close()
			t.Fatal("connected")
		}
		if len(ev.Tried) != 3 || ev.End != fault.Refused || ev.Addr == "" {
			t.Errorf("%+v", ev)
		}
	})
	t.Run("the one that answers wins", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.3:0")
		if err != nil {
			t.Skip(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		target := targetOf(t, "http://127.0.0.1:"+port, nil)
		var ev fault.Evidence
		nc := target.dialTCP(context.Background(), &ev, addrs("127.0.0.1", "127.0.0.2", "127.0.0.3"))
		if nc == nil || ev.Addr != l.Addr().String() {
			t.Fatalf("%+v", ev)
		}
		nc.Close()
	})
}

// nameServer answers by f and counts the questions for A records.
func nameServer(t *testing.T, f dns.HandlerFunc) (addr string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	s := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		if m.Question[0].Qtype == dns.TypeA {
			asked.Add(1)
		}
		f(w, m)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.ActivateAndServe() }() // ends by Shutdown
	<-ready
	t.Cleanup(func() { _ = s.Shutdown(); <-done })
	return pc.LocalAddr().String(), asked
}

func reply(m *dns.Msg, rcode int, address string) *dns.Msg {
	r := new(dns.Msg)
	r.SetRcode(m, rcode)
	if q := m.Question[0]; address != "" && q.Qtype == dns.TypeA {
		rr, _ := dns.NewRR(q.Name + " 60 IN A " + address)
		r.Answer = append(r.Answer, rr)
	}
	return r
}

// Many who ask at once are one query, an answer is used again, and a failure is not.
func TestResolverAsksOnce(t *testing.T) {
	addr, asked := nameServer(t, func(w dns.ResponseWriter, m *dns.Msg) { _ = w.WriteMsg(reply(m, dns.RcodeSuccess, "127.0.0.9")) })
	r := NewResolver([]string{addr}, patience)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			var ev fault.Evidence
			if got, ok := r.resolve(context.Background(), "app.test.", &ev); !ok || !slices.Equal(got, addrs("127.0.0.9")) {
				t.Errorf("%v %+v", got, ev)
			}
		})
	}
	wg.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

func TestResolverFailures(t *testing.T) {
	for _, tt := range []struct {
		rcode int
		cause fault.Cause
	}{{dns.RcodeNameError, fault.CauseDNSNXDomain}, {dns.RcodeServerFailure, fault.CauseDNSServFail}, {dns.RcodeRefused, fault.CauseDNSRefused}, {dns.RcodeSuccess, fault.CauseDNSNoData}} {
		t.Run(dns.RcodeToString[tt.rcode], func(t *testing.T) {
			t.Parallel()
			addr, asked := nameServer(t, func(w dns.ResponseWriter, m *dns.Msg) { _ = w.WriteMsg(reply(m, tt.rcode, "")) })
			r := NewResolver([]string{addr}, patience)
			for range 2 {
				before := asked.Load()
				ev := fault.Evidence{Stage: fault.Resolve}
				if got, ok := r.resolve(context.Background(), "app.test.", &ev); ok || fault.Classify(&ev).Cause != tt.cause {
					t.Errorf("%v, cause %s, %+v", got, fault.Classify(&ev).Cause, ev.DNS)
				}
				if asked.Load() == before {
					t.Error("a failure was remembered")
				}
			}
		})
	}
}

func TestResolverTimeout(t *testing.T) {
	t.Parallel()
	addr, _ := nameServer(t, func(dns.ResponseWriter, *dns.Msg) {})
	r := NewResolver([]string{addr}, 200*time.Millisecond)
	ev := fault.Evidence{Stage: fault.Resolve}
	began := time.Now()
	if _, ok := r.resolve(context.Background(), "app.test.", &ev); ok || fault.Classify(&ev).Cause != fault.CauseDNSTimeout || time.Since(began) > 5*time.Second {
		t.Errorf("%+v after %v", ev, time.Since(began))
	}
}
