package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// asks is a handshake's wish for a name, over a connection.
func asks(t *testing.T, name string) *tls.ClientHelloInfo {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	return &tls.ClientHelloInfo{ServerName: name, Conn: a}
}

func anywhere(string) bool { return true }

// A local authority is made once, where nobody else can read its key, and its certificates verify by its root.
func TestLocalAuthority(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "local")
	if _, err := LocalRoot(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it was made: %v", err)
	}
	l, err := OpenLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{localRoot, localKey} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	root, err := LocalRoot(dir)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(root) || bytes.Contains(root, []byte("PRIVATE")) {
		t.Fatalf("the root: %s, %v", root, err)
	}
	again, err := OpenLocal(dir)
	if err != nil || !again.root.Equal(l.root) {
		t.Errorf("opened again it is another authority: %v", err)
	}
	for name, want := range map[string]string{"shop.test": "shop.test", "LOCALHOST.": "localhost", "": "localhost"} {
		c, err := again.get(asks(t, name), anywhere)
		if err != nil || c == nil {
			t.Fatalf("%q: %v", name, err)
		}
		if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: want}); err != nil || c.Leaf.IsCA {
			t.Errorf("%q: %v", name, err)
		}
		if same, _ := again.get(asks(t, name), anywhere); same != c {
			t.Errorf("%q has another certificate each time", name)
		}
	}
	for _, name := range []string{"a b", "*.test", "a/b"} {
		if c, _ := again.get(asks(t, name), anywhere); c != nil {
			t.Errorf("%q has a certificate", name)
		}
	}
	if c, _ := again.get(asks(t, "other.test"), func(string) bool { return false }); c != nil {
		t.Error("a name without a route has a certificate")
	}
	if c, _ := again.get(&tls.ClientHelloInfo{ServerName: "look.test"}, anywhere); c != nil {
		t.Error("a look makes a certificate")
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLocal(dir); err == nil {
		t.Error("a directory that others may read is taken")
	}
}

// What was signed is signed anew before it ends, and no more is kept than there is room for.
func TestLocalRenews(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "local")
	synctest.Test(t, func(t *testing.T) {
		l, err := OpenLocal(dir)
		if err != nil {
			t.Fatal(err)
		}
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		hello := &tls.ClientHelloInfo{ServerName: "shop.test", Conn: a}
		first, _ := l.get(hello, anywhere)
		time.Sleep(localLife / 2)
		if same, _ := l.get(hello, anywhere); same != first {
			t.Error("half of its time is left, and it was made anew")
		}
		time.Sleep(localLife / 4)
		if next, _ := l.get(hello, anywhere); next == first || time.Until(next.Leaf.NotAfter) < localLife*9/10 {
			t.Error("a quarter of its time is left, and it was not made anew")
		}
		time.Sleep(localRootLife)
		if next, err := OpenLocal(dir); err != nil || next.root.Equal(l.root) {
			t.Errorf("a root that has ended is used: %v", err)
		}
		for i := range localMost + 10 {
			hello.ServerName = fmt.Sprintf("n%d.test", i)
			if c, err := l.get(hello, anywhere); c == nil || err != nil {
				t.Fatal(err)
			}
		}
		if len(l.made) > localMost {
			t.Errorf("%d are kept", len(l.made))
		}
	})
}

// A server shows them to clients that trust the root, beside certificates from files.
func TestServerWithLocal(t *testing.T) {
	t.Parallel()
	l, err := OpenLocal(filepath.Join(t.TempDir(), "local"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(Options{Local: l, Routed: anywhere})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(l.root)
	a, b := net.Pipe()
	defer a.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- tls.Server(b, s.Config()).HandshakeContext(ctx) }() // ends with the handshake
	if err := tls.Client(a, &tls.Config{ServerName: "shop.test", RootCAs: pool}).HandshakeContext(ctx); err != nil {
		t.Error(err)
	}
	_ = a.Close()
	<-done
}
