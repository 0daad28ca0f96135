//go:build linux

package gateway_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// socketOf is a TCP socket that is bound and does not listen. It is closed when the test ends.
func socketOf(t *testing.T, ip net.IP) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte(ip.To4())}); err != nil {
		t.Fatal(err)
	}
	return fd
}

func addressOf(t *testing.T, fd int) string {
	t.Helper()
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	in := name.(*syscall.SockaddrInet4)
	return net.JoinHostPort(net.IP(in.Addr[:]).String(), strconv.Itoa(in.Port))
}

// full is the address of a listener whose queue is full, so that further SYNs are dropped as a firewall would.
func full(t *testing.T) string {
	t.Helper()
	fd := socketOf(t, net.IPv4(127, 0, 0, 1))
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	address := addressOf(t, fd)
	for i := range 16 {
		bound := patience // the first finds room; after it there is none
		if i > 0 {
			bound = 200 * time.Millisecond
		}
		c, err := net.DialTimeout("tcp", address, bound)
		if err != nil {
			return address // this SYN was dropped
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Skip("skipped: the kernel takes more connections than the backlog has places")
	return ""
}

// fullUnix is the path of a unix socket whose backlog is full.
func fullUnix(t *testing.T, path string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	to := &syscall.SockaddrUnix{Name: path}
	if err := errors.Join(syscall.Bind(fd, to), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 16 {
		c, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Close(c) })
		if err := syscall.Connect(c, to); errors.Is(err, syscall.EAGAIN) {
			return
		}
	}
	t.Fatal("the unix socket's backlog does not fill")
}

// TestConnectFaults has the rows in which no connection comes about. Those that need a network of their own are in
// TestNetworkFaults.
func TestConnectFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fullUnix(t, filepath.Join(dir, "full.sock"))
	stale := filepath.Join(dir, "stale.sock")
	if l, err := net.Listen("unix", stale); err != nil {
		t.Fatal(err)
	} else {
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		_ = l.Close()
	}
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "", []row{
		{
			covers: "C1 the port is closed", endpoint: "http://" + reserved(t),
			want: want{
				status: 502, typ: "connection_refused", cause: "connection-refused", attempts: "0 dial refused",
				evidence: map[string]any{"errno_name": "ECONNREFUSED", "sent": nil},
			},
		},
		{
			covers: "C1 POST", endpoint: "http://" + reserved(t), request: post(5),
			want: want{status: 502, typ: "connection_refused", cause: "connection-refused", attempts: "0 dial refused"},
		},
		{
			covers: "C1 a streamed POST", endpoint: "http://" + reserved(t), request: chunked("POST"),
			want: want{status: 502, typ: "connection_refused", cause: "connection-refused", attempts: "0 dial refused"},
		},
		{
			covers: "C1 a large POST", endpoint: "http://" + reserved(t), request: post(100 << 10),
			want: want{status: 502, typ: "connection_refused", cause: "connection-refused", attempts: "0 dial refused"},
		},
		{
			covers: "C2 nobody answers the SYN", endpoint: "http://" + full(t), pool: "timeouts: {connect: 200ms}",
			want: want{
				status: 504, typ: "connection_timeout", cause: "connect-timeout", attempts: "0 dial timeout",
				evidence: map[string]any{"timer": "timeouts.connect", "after_ms": 200},
			},
		},
		{
			covers: "C9 the socket is missing", endpoint: "unix:" + filepath.Join(dir, "missing.sock"),
			want: want{
				status: 502, typ: "connection_refused", cause: "socket-missing", attempts: "0 dial refused",
				evidence: map[string]any{"errno_name": "ENOENT"},
			},
		},
		{
			covers: "C9 the socket is left over", endpoint: "unix:" + stale,
			want: want{status: 502, typ: "connection_refused", cause: "connection-refused", attempts: "0 dial refused"},
		},
		{
			covers: "C9 the file is no socket", endpoint: "unix:" + plain,
			want: want{status: 502, typ: "connection_refused", cause: "connection-refused", attempts: "0 dial refused"},
		},
		{
			covers: "C9 the backlog is full", endpoint: "unix:" + filepath.Join(dir, "full.sock"),
			want: want{
				status: 502, typ: "connection_refused", cause: "socket-backlog-full", attempts: "0 dial refused",
				evidence: map[string]any{"errno_name": "EAGAIN"},
			},
		},
		{
			covers: "C12 the upstream wants PROXY and closes", upstream: func(p *peer) { p.read(); fin(p) },
			want: want{status: 502, typ: "connection_terminated", cause: "closed-before-answer", attempts: "1 first_byte closed"},
		},
	})
}

// TestSocketPermission is C9 for a socket that the gateway may not open.
func TestSocketPermission(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("skipped: root may open every socket (C9 permission)")
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, well)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	run(t, "", []row{{
		covers: "C9", endpoint: "unix:" + path,
		want: want{status: 502, typ: "connection_refused", cause: "socket-permission", attempts: "0 dial refused"},
	}})
}

// TestConnectionLimit is C11: while one exchange has the only connection, the next is refused at once.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}), make(chan struct{})
	up := listen(t, func(p *peer) {
		for q := p.read(); q != nil; q = p.read() {
			if q.Header.Get("X-Request-ID") == "holds" {
				close(asked)
				<-release
			}
			p.say(wellText)
		}
	})
	g := start(t, "", map[string]route{"a": {endpoints: []string{"http://" + up.address}, pool: "limits: {connections: 1}"}})
	held := make(chan answer)
	c := dial(t, g.address())
	go func() { held <- c.ask(t, request{path: "/a", id: "holds"}) }()
	<-asked
	w := want{
		status: 503, typ: "connection_limit_reached", cause: "connection-limit",
		evidence: map[string]any{"limit": 1, "stage": "select", "end": "limit"},
	}
	w.answered(t, dial(t, g.address()).ask(t, request{path: "/a", id: "refused"}))
	w.logged(t, g, g.lines.await(t, "refused"))
	close(release)
	if a := <-held; a.status != 200 {
		t.Errorf("the request that held the connection was answered %d", a.status)
	}
	g.lines.await(t, "holds") // then its place is free again
	if a := dial(t, g.address()).ask(t, request{path: "/a", id: "later"}); a.status != 200 {
		t.Errorf("a request after the limit was answered %d", a.status)
	}
}
