//go:build linux

package gateway_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/proxyproto"
)

// forwardedFor is an upstream that answers who the client is.
func forwardedFor(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-For"))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// headed is what is answered to a request behind a header, over TLS where conf is given; an error if the connection was closed.
func headed(t *testing.T, address, header string, conf *tls.Config) (string, error) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, header); err != nil {
		return "", err
	}
	if conf != nil {
		c = tls.Client(c, conf)
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// The client is who a trusted peer's header says, in clear and over TLS; a connection without a header, and any of who is not trusted, is
// closed.
func TestProxyProtocolIn(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "a")
	for name, tt := range map[string]struct {
		section string
		conf    *tls.Config
	}{
		"in clear": {"", nil},
		"over TLS": {fmt.Sprintf(", tls: {cert: %s, key: %s}", cert, key), &tls.Config{InsecureSkipVerify: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := startText(t, strings.Replace(pool("127.0.0.1:0", forwardedFor(t), "trusted_proxies: [127.0.0.1]"), `:0"}`, `:0", proxy_protocol: on`+tt.section+"}", 1))
			v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\x0a\x00\x00\x01\x30\x39\x01\xbb"
			for header, want := range map[string]string{
				"PROXY TCP4 203.0.113.9 10.0.0.1 12345 443\r\n": "203.0.113.9",
				"PROXY TCP6 2001:db8::9 2001:db8::1 1 443\r\n":  "2001:db8::9",
				v2:                                       "198.51.100.7",
				"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00": "127.0.0.1",
				"PROXY UNKNOWN\r\n":                      "127.0.0.1",
			} {
				if got, err := headed(t, g.address, header, tt.conf); err != nil || got != want {
					t.Errorf("%q: %q, %v", header, got, err)
				}
			}
			for _, header := range []string{"", "PROXY TCP4 203.0.113.9 10.0.0.1 12345\r\n"} {
				if got, err := headed(t, g.address, header, tt.conf); err == nil {
					t.Errorf("%q is answered %q", header, got)
				}
			}
			g.replace(strings.Replace(g.text, "trusted_proxies: [127.0.0.1]", "trusted_proxies: [10.0.0.1]", 1))
			if err := g.Reload(); err != nil {
				t.Fatal(err)
			}
			if got, err := headed(t, g.address, v2, tt.conf); err == nil {
				t.Errorf("a peer that is not trusted is answered %q", got)
			}
		})
	}
}

// HAProxy in front says who the client is, in both versions.
func TestProxyProtocolFromHAProxy(t *testing.T) {
	t.Parallel()
	g := startText(t, strings.Replace(pool("127.0.0.1:0", forwardedFor(t), "trusted_proxies: [127.0.0.1]"), `:0"}`, `:0", proxy_protocol: on}`, 1))
	for _, send := range []string{"send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c"} {
		front := freeAddress(t)
		runHAProxy(t, front, fmt.Sprintf("defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\nlisten l\n bind %s\n server s %s %s\n", front, g.address, send))
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
		nc, err := d.Dial("tcp", front)
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		b, err := io.ReadAll(nc)
		_ = nc.Close()
		if err != nil || !strings.HasSuffix(string(b), "127.0.0.9") {
			t.Errorf("%s: %q, %v", send, b, err)
		}
	}
}

// An endpoint is told who the client is, in both versions, and a connection is never another client's. HAProxy understands it.
func TestProxyProtocolOut(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1", "v2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			nth := 0
			up := listen(t, func(p *peer) {
				h, err := proxyproto.Read(p.r)
				if err != nil {
					t.Errorf("the connection begins with no header: %v", err)
					return
				}
				mu.Lock()
				nth++
				mu.Unlock()
				for {
					req, err := http.ReadRequest(p.r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					fmt.Fprintf(p, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(h.Source.String()), h.Source)
				}
			})
			g := startText(t, strings.Replace(pool("127.0.0.1:0", "http://"+up.address, ""), "]}}\n", "], proxy_protocol: "+version+"}}\n", 1))
			for i := range 6 { // three requests each of two clients, in turn
				d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%2))}}
				c, err := d.Dial("tcp", g.address)
				if err != nil {
					t.Fatal(err)
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				r := bufio.NewReader(c)
				for range 2 {
					fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
					res, err := http.ReadResponse(r, nil)
					if err != nil {
						t.Fatal(err)
					}
					if b, err := io.ReadAll(res.Body); err != nil || string(b) != c.LocalAddr().String() {
						t.Errorf("the endpoint was told %q of %s, %v", b, c.LocalAddr(), err)
					}
				}
				_ = c.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			if nth != 12 {
				t.Errorf("%d connections for 12 requests", nth)
			}
		})
	}
}

// HAProxy behind takes what it is told for the client's address.
func TestProxyProtocolToHAProxy(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1", "v2"} {
		behind := freeAddress(t)
		runHAProxy(t, behind, fmt.Sprintf("defaults\n mode http\n timeout connect 5s\n timeout client 20s\n timeout server 20s\nfrontend f\n bind %s accept-proxy\n http-request return status 200 content-type text/plain lf-string %%[src]\n", behind))
		g := startText(t, strings.Replace(pool("127.0.0.1:0", "http://"+behind, ""), "]}}\n", "], proxy_protocol: "+version+"}}\n", 1))
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
		c, err := d.Dial("tcp", g.address)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		b, err := io.ReadAll(c)
		_ = c.Close()
		if err != nil || !strings.HasSuffix(string(b), "127.0.0.9") {
			t.Errorf("%s: %q, %v", version, b, err)
		}
	}
}

// runHAProxy runs HAProxy until the test ends.
func runHAProxy(t *testing.T, listens, text string) {
	t.Helper()
	haproxy, err := exec.LookPath("haproxy")
	if err != nil {
		if haproxy, err = exec.LookPath("/usr/sbin/haproxy"); err != nil {
			t.Skip("haproxy is not installed: make setup-test")
		}
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(haproxy, "-f", file)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		nc, err := net.Dial("tcp", listens)
		if err == nil {
			_ = nc.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal("HAProxy does not listen")
		}
	}
}

// A reload that changes limits.head_time alone changes how long a header may take.
func TestHeaderTimeIsReloaded(t *testing.T) {
	t.Parallel()
	text := strings.Replace(pool("127.0.0.1:0", "http://127.0.0.1:1", "trusted_proxies: [127.0.0.1]\nlimits: {head_time: 1m}"), `:0"}`, `:0", proxy_protocol: on}`, 1)
	g := startText(t, text)
	takes := func(limit string) time.Duration { // until half a header is given up
		g.text = strings.Replace(text, "head_time: 1m", "head_time: "+limit, 1)
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		nc, err := net.Dial("tcp", g.address)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(patience))
		fmt.Fprint(nc, "PROXY TCP4")
		if b, err := io.ReadAll(nc); len(b) > 0 {
			t.Errorf("it is answered %q, %v", b, err)
		}
		return time.Since(began)
	}
	var short, long time.Duration
	for range 3 { // a machine that is busy may take as long over it as the longer limit is
		short, long = takes("100ms"), takes("1m") // three seconds: no header has longer
		if long-short > time.Second {
			return
		}
	}
	t.Errorf("a header was given up after %s with a limit of 100 ms, and after %s with one of three seconds", short, long)
}
