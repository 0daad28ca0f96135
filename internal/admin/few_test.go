package admin

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// from dials the server from an address of this machine. It skips the test where there is no such address.
func from(t *testing.T, local string, to net.Addr) net.Conn {
	t.Helper()
	d := net.Dialer{Timeout: 10 * time.Second}
	if local != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(local)}
	}
	c, err := d.DialContext(t.Context(), to.Network(), to.String())
	if err != nil {
		if local != "127.0.0.1" && local != "" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// answers asks for something on a connection, and reports whether it was answered.
func answers(c net.Conn, path string) bool {
	_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	b := make([]byte, 1024)
	n, err := c.Read(b)
	return err == nil && strings.HasPrefix(string(b[:n]), "HTTP/1.1 200 ")
}

// A client that holds all connections does not keep another one away, whatever it does on them: nothing, half a head, half a handshake, or
// requests whose answers take long. It has no more right to one of its own than the others to theirs.
func TestOneClientDoesNotKeepOthersAway(t *testing.T) {
	pair := httptest.NewUnstartedServer(nil)
	pair.StartTLS()
	pair.Close()
	for _, tt := range []struct {
		name, first string
		tls         *tls.Config
	}{
		{"silent", "", nil},
		{"half a head", "GET / HT", nil},
		{"answers that take long", "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n", nil},
		{"half a handshake", "\x16\x03\x01", &tls.Config{Certificates: pair.TLS.Certificates}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, Options{TLS: tt.tls})
			began, over := make(chan struct{}, 2*connections), make(chan struct{})
			s.HandleOpen("GET /slow", func(w http.ResponseWriter, _ *http.Request) {
				began <- struct{}{}
				<-over
			})
			defer close(over)
			slow := strings.Contains(tt.first, "/slow")
			hold := func() net.Conn {
				c := from(t, "127.0.0.1", s.Addr())
				_, _ = io.WriteString(c, tt.first)
				if slow {
					<-began
				}
				return c
			}
			var held []net.Conn
			for range connections {
				held = append(held, hold())
			}
			if c := from(t, "127.0.0.1", s.Addr()); !ended(c) {
				t.Error("the same client has one more")
			}
			for range 5 {
				other := from(t, "127.0.0.2", s.Addr())
				if tt.tls != nil {
					other = tls.Client(other, &tls.Config{InsecureSkipVerify: true})
				}
				if !answers(other, "/healthz") {
					t.Fatal("another client is kept away")
				}
			}
			for i, c := range held { // those that came first have made room, and no others
				_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				if i >= 5 {
					_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
				}
				if got := ended(c); got != (i < 5) {
					t.Errorf("connection %d has ended: %v", i, got)
				}
			}
		})
	}
}

// ended reports whether the server has closed a connection, as far as its deadline lets it be seen.
func ended(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return false
	}
	return err != nil
}

// A client of few connections loses none on which it is being answered.
func TestAnswersOfFewConnectionsGoOn(t *testing.T) {
	s := start(t, Options{})
	began, over := make(chan struct{}, 2), make(chan struct{})
	s.HandleOpen("GET /slow", func(w http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		<-over
		Text(w, http.StatusOK, "done\n")
	})
	slow := from(t, "127.0.0.1", s.Addr())
	_, _ = io.WriteString(slow, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-began
	for i := range connections - 1 {
		from(t, []string{"127.0.0.1", "127.0.0.3"}[i%2], s.Addr())
	}
	for range connections {
		other := from(t, "127.0.0.2", s.Addr())
		if !answers(other, "/healthz") {
			t.Fatal("another client is kept away")
		}
		other.Close()
	}
	close(over)
	b := make([]byte, 1024)
	if n, err := slow.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "HTTP/1.1 200 ") {
		t.Errorf("%q %v", b[:n], err)
	}
}

// Those who come by a unix socket are as one client: they may have all connections, and none that is open makes room.
func TestUnixSocketHasAllConnections(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	s := New(l, Options{Log: slog.New(slog.DiscardHandler)})
	s.HandleOpen("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { Text(w, http.StatusOK, "ok\n") })
	done := make(chan error, 1)
	go func() { done <- s.Serve() }() // ends with Close
	defer func() { s.Close(); <-done }()
	var all []net.Conn
	for range connections {
		c := from(t, "", s.Addr())
		if !answers(c, "/healthz") {
			t.Fatalf("%d connections are all", len(all))
		}
		all = append(all, c)
	}
	if c := from(t, "", s.Addr()); !ended(c) {
		t.Error("one too many was taken")
	}
	for _, c := range all {
		if !answers(c, "/healthz") {
			t.Fatal("one was ended")
		}
	}
}

func TestClientOf(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32", "2001:db8:1:2:3::4": "2001:db8:1:2::/64",
	} {
		if got := clientOf(&net.TCPAddr{IP: net.ParseIP(text), Port: 1}).String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if clientOf(&net.UnixAddr{Name: "@", Net: "unix"}).IsValid() {
		t.Error("a unix socket has an address")
	}
}
