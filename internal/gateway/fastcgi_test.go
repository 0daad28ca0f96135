//go:build linux

package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// application runs a FastCGI application of somebody else's codec on a unix socket.
func application(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fcgi") // short: the path of a socket has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { _ = fcgi.Serve(l, handle) }() // ends when the listener is closed
	return socket
}

func TestFastCGI(t *testing.T) {
	t.Parallel()
	socket := application(t, func(w http.ResponseWriter, r *http.Request) {
		env := fcgi.ProcessEnv(r)
		body, _ := io.ReadAll(r.Body)
		if strings.HasSuffix(env["SCRIPT_FILENAME"], "big.php") {
			_, _ = w.Write(make([]byte, 300_000))
			return
		}
		w.Header().Set("X-App", "yes")
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.Query().Get("status") != "" {
			w.WriteHeader(418)
		}
		fmt.Fprintf(w, "%s %s|%s%s|%s|%d|%s|%s|%s", r.Method, env["SCRIPT_FILENAME"], env["DOCUMENT_URI"], "", env["APP"], len(body), r.Header.Get("X-In"), r.Header.Get("Proxy"), r.Host)
	})
	url := gatewayWith(t, `
  - {path: "/blog/*", rewrite: "/index.php?p=$rest", fastcgi: {address: "unix:`+socket+`", root: /srv/app}}
  - {fastcgi: {address: "unix:`+socket+`", root: /srv/app, params: {APP: prod}}, set_request: {X-In: set}, set_response: {X-App: ""}}`, "")
	for _, tt := range []struct {
		method, target string
		status         int
		want           string
	}{
		{"GET", "/a.php?x=y", 200, "GET /srv/app/a.php|/a.php|prod|0|set||a.test"},
		{"GET", "/a.php/info/x?x=y", 200, "GET /srv/app/a.php|/a.php/info/x|prod|0|set||a.test"},
		{"GET", "/dir/", 200, "GET /srv/app/dir/index.php|/dir/index.php|prod|0|set||a.test"},
		{"GET", "/a%20b.php", 200, "GET /srv/app/a b.php|/a b.php|prod|0|set||a.test"},
		{"GET", "/a.phpx", 404, ""},
		{"GET", "/..%2fb.php", 404, ""},
		{"GET", "/blog/post?x=y", 200, "GET /srv/app/index.php|/index.php||0|||a.test"},
		{"GET", "/a.php?status=1", 418, "GET /srv/app/a.php|/a.php|prod|0|set||a.test"},
	} {
		res, body := asked(t, tt.method, url+tt.target, "Host: a.test", "Proxy: evil")
		if res.StatusCode != tt.status || tt.want != "" && body != tt.want {
			t.Errorf("%s: %d %q, want %d %q", tt.target, res.StatusCode, body, tt.status, tt.want)
		}
		if tt.status != 404 && (res.Header.Get("X-App") == "yes") != strings.HasPrefix(tt.target, "/blog") {
			t.Errorf("%s: %v", tt.target, res.Header)
		}
	}
	if res, body := asked(t, "GET", url+"/big.php"); res.StatusCode != 200 || len(body) != 300_000 {
		t.Errorf("%d, %d octets", res.StatusCode, len(body))
	}
	for _, chunked := range []bool{false, true} {
		var from io.Reader = strings.NewReader(strings.Repeat("x", 200_000))
		if chunked {
			from = io.MultiReader(from)
		}
		res, err := http.Post(url+"/a.php", "text/plain", from)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if !strings.Contains(string(body), "|200000|") {
			t.Errorf("%d %s", res.StatusCode, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// raw runs a peer that answers each connection with these octets, once it has the request.
func raw(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends when the listener is closed
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 64<<10)
			for n := 0; ; {
				k, err := c.Read(buf[n:])
				if n += k; err != nil || strings.HasSuffix(string(buf[:n]), "\x01\x05\x00\x01\x00\x00\x00\x00") {
					break
				}
			}
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// rec is a record of an application.
func rec(kind byte, content string) string {
	return string([]byte{1, kind, 0, 1, byte(len(content) >> 8), byte(len(content)), 0, 0}) + content
}

// TestFastCGIFaults: each way an application fails, with its stage and its cause.
func TestFastCGIFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tt := range []struct{ name, address, answer, cause string }{
		{"refused", reserved(t), "", "nothing listens"},
		{"no socket", "unix:" + dir + "/none", "", "no socket to connect to"},
		{"overloaded", "", rec(3, "\x00\x00\x00\x00\x02\x00\x00\x00"), "connection_limit_reached"},
		{"nothing", "", "", "without answering"},
		{"end without an answer", "", rec(3, "\x00\x00\x00\x00\x00\x00\x00\x00"), "ended the connection"},
		{"not FastCGI", "", "HTTP/1.1 200 OK\r\n\r\n", "not a record of FastCGI"},
		{"no head", "", rec(6, "no header\n\n"), "not the head of an answer"},
	} {
		address := tt.address
		if address == "" {
			address = raw(t, tt.answer)
		}
		url := gatewayWith(t, "\n  - {fastcgi: {address: '"+address+"', root: /srv}}", "proxy_status: full")
		res, _ := asked(t, "GET", url+"/a.php", "Accept: application/json")
		cause := res.Header.Get("Proxy-Status")
		t.Logf("%s: %d %s", tt.name, res.StatusCode, cause)
		if res.StatusCode < 502 && tt.name != "overloaded" || !strings.Contains(cause, tt.cause) {
			t.Errorf("%s: %d, %s; want %s", tt.name, res.StatusCode, cause, tt.cause)
		}
	}
	cut := gatewayWith(t, "\n  - {fastcgi: {address: '"+raw(t, rec(6, "Content-Length: 10\n\nabc"))+"', root: /srv}}", "")
	res, err := http.Get(cut + "/a.php")
	if err == nil {
		_, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	if err == nil {
		t.Error("a body that was cut reaches the client as whole")
	}
	http.DefaultClient.CloseIdleConnections()
}

// takes is the address of an application that does the same with each connection.
func takes(t *testing.T, each func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends when the listener is closed
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection, which the gateway closes
				defer c.Close()
				each(c)
			}()
		}
	}()
	return l.Addr().String()
}

// TestFastCGIEnds: an application is waited for no longer than the route says, nor for a client that has left, nor past a drain.
func TestFastCGIEnds(t *testing.T) {
	t.Parallel()
	asks, ends := make(chan struct{}, 8), make(chan time.Time, 8)
	_, port, _ := net.SplitHostPort(takes(t, func(c net.Conn) {
		first := make([]byte, 1)
		_, _ = io.ReadFull(c, first)
		asks <- struct{}{}
		_, _ = io.Copy(io.Discard, c)
		ends <- time.Now()
	}))
	url := gatewayWith(t, "\n  - {path: /long.php, fastcgi: {address: 'localhost:"+port+"', root: /srv}}\n  - {fastcgi: {address: 'localhost:"+port+"', root: /srv}, timeouts: {response: 300ms}}", "proxy_status: full")
	began := time.Now()
	res, _ := asked(t, "GET", url+"/a.php")
	if took := time.Since(began); res.StatusCode != 504 || !strings.Contains(res.Header.Get("Proxy-Status"), "timeouts.response") || took < 250*time.Millisecond {
		t.Errorf("%d after %v, %s", res.StatusCode, took, res.Header.Get("Proxy-Status"))
	}
	<-asks
	<-ends
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "GET /long.php HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-asks
	left := time.Now()
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
	select {
	case at := <-ends:
		t.Logf("the application's connection ended %v after the client had left", at.Sub(left))
	case <-time.After(patience):
		t.Error("a client that has left is still worked for")
	}
}

// TestFastCGIWhole: timeouts.response is over all of it: a connection that nobody accepts, and a request that goes on coming.
func TestFastCGIWhole(t *testing.T) {
	t.Parallel()
	address := takes(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	url := gatewayWith(t, "\n  - {path: /dial, fastcgi: {address: '"+full(t)+"', root: /srv}, timeouts: {response: 300ms}}\n  - {fastcgi: {address: '"+
		address+"', root: /srv}, timeouts: {response: 300ms}}", "proxy_status: full")
	res, _ := asked(t, "GET", url+"/dial/a.php")
	if said := res.Header.Get("Proxy-Status"); res.StatusCode != 504 || !strings.Contains(said, "timeouts.response") {
		t.Errorf("dialing: %d, %s", res.StatusCode, said)
	}
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "POST /a.php HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n")
	ended := make(chan struct{})
	defer close(ended)
	go func() { // ends with the test
		for {
			select {
			case <-ended:
				return
			case <-time.After(10 * time.Millisecond): // the time under test
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
			}
		}
	}()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if said := answer.Header.Get("Proxy-Status"); answer.StatusCode != 504 || !strings.Contains(said, "timeouts.response") {
		t.Errorf("sending: %d, %s", answer.StatusCode, said)
	}
}

// TestPHP: the real php-fpm, and what it says of a script that is not there.
func TestPHP(t *testing.T) {
	fpm := ""
	for _, name := range []string{"php-fpm", "/usr/sbin/php-fpm", "php-fpm8.2", "/usr/sbin/php-fpm8.2", "/usr/sbin/php-fpm8.4"} {
		if found, err := exec.LookPath(name); err == nil {
			fpm = found
			break
		}
	}
	if fpm == "" {
		t.Skip("php-fpm is not installed")
	}
	dir, err := os.MkdirTemp("", "php")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	_ = os.Chmod(dir, 0o755)
	user := ""
	if os.Getuid() == 0 {
		user = "user = nobody\n"
	}
	conf := "[global]\nerror_log = " + dir + "/log\ndaemonize = no\n[www]\n" + user + "listen = " + dir + "/s\nlisten.mode = 0666\npm = static\npm.max_children = 2\n"
	for name, text := range map[string]string{
		"conf": conf, "a.php": `<?php header("X-PHP: 1"); http_response_code(201); echo $_SERVER["PATH_INFO"] ?? "", "|", $_GET["x"] ?? "", "|", strlen(file_get_contents("php://input"));`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(fpm, "-F", "-y", dir+"/conf")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the group that Start made
		_ = cmd.Wait()
	})
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) { // between looks
		if c, err := net.Dial("unix", dir+"/s"); err == nil {
			_ = c.Close()
			break
		}
		if time.Since(begun) > patience {
			t.Skip("php-fpm does not start here")
		}
	}
	url := gatewayWith(t, "\n  - {path: /blog/*, rewrite: '/a.php?x=$rest', fastcgi: {address: 'unix:"+dir+"/s', root: "+dir+"}}\n  - {fastcgi: {address: 'unix:"+dir+"/s', root: "+dir+"}}", "")
	res, body := asked(t, "GET", url+"/a.php/info?x=y")
	if res.StatusCode != 201 || body != "/info|y|0" || res.Header.Get("X-PHP") != "1" {
		t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
	}
	if _, body = asked(t, "GET", url+"/blog/post"); body != "|post|0" {
		t.Errorf("%q", body)
	}
	if res, body = asked(t, "GET", url+"/none.php"); res.StatusCode != 404 || !strings.Contains(body, "File not found") {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

// TestHeadersOfAnApplication: no client's header is taken for the gateway's, whatever an application makes of its name; of several values
// none is lost; and who asks is who trusted proxies tell of.
func TestHeadersOfAnApplication(t *testing.T) {
	t.Parallel()
	socket := application(t, func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			fmt.Fprintf(w, "%s: %s\n", name, strings.Join(values, " AND "))
		}
		fmt.Fprintf(w, "from %s\n", r.RemoteAddr)
	})
	url := gatewayWith(t, `
  - {fastcgi: {address: "unix:`+socket+`", root: /srv/app}, set_request: {X-User: gateway}, make_request: {X-Who: $client}}`, "trusted_proxies: [127.0.0.0/8]\n")
	_, body := asked(t, "GET", url+"/a.php", "X-Client.Cert.Subject: CN=admin", "X.User: forged", "X_User: forged", "CF.Connecting.IP: 6.6.6.6", "Proxy: evil",
		"X-A: 1", "X-A: 2", "X-Forwarded-For: 203.0.113.9", "X-Request-ID: abc")
	for _, want := range []string{"X-User: gateway\n", "X-A: 1, 2\n", "X-Forwarded-For: 203.0.113.9, 127.0.0.1\n", "X-Who: 203.0.113.9\n", "X-Request-Id: abc\n", "from 203.0.113.9"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in\n%s", want, body)
		}
	}
	for _, not := range []string{"forged", "admin", "6.6.6.6", "evil"} {
		if strings.Contains(body, not) {
			t.Errorf("%q is in\n%s", not, body)
		}
	}
}

// TestFastCGIBodies: what is more than was announced is left out, and a request body that cannot be held is refused with its reason.
func TestFastCGIBodies(t *testing.T) {
	t.Parallel()
	long := gatewayWith(t, "\n  - {fastcgi: {address: '"+raw(t, rec(6, "Content-Length: 3\n\nabcdefghij")+rec(3, "\x00\x00\x00\x00\x00\x00\x00\x00"))+"', root: /srv}}", "")
	if res, body := asked(t, "GET", long+"/a.php"); res.StatusCode != 200 || body != "abc" {
		t.Errorf("more than its Content-Length: %d %q", res.StatusCode, body)
	}
	socket := application(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.ContentLength, " ", len(body))
	})
	url := gatewayWith(t, "\n  - {fastcgi: {address: 'unix:"+socket+"', root: /srv}}", "")
	res, err := http.Post(url+"/a.php", "text/plain", io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)))) // in chunks
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if string(body) != "100000 100000" {
		t.Errorf("in chunks: %d %q", res.StatusCode, body)
	}
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "POST /a.php HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", 1<<20+1, make([]byte, 1<<20+1)) // and says no more
	if res, err = http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Fatalf("more than is held: %v %v", res, err)
	}
	page := filepath.Join(t.TempDir(), "401.html")
	if err := os.WriteFile(page, []byte("who are you?"), 0o600); err != nil {
		t.Fatal(err)
	}
	denied := gatewayWith(t, "\n  - {fastcgi: {address: '"+raw(t, rec(6, "Status: 401\nWWW-Authenticate: Basic realm=x\nContent-Length: 0\n\n")+rec(3, "\x00\x00\x00\x00\x00\x00\x00\x00"))+"', root: /srv}, errors: [{status: 401, file: '"+page+"', upstream: true}]}", "")
	if res, body := asked(t, "GET", denied+"/a.php"); res.StatusCode != 401 || body != "who are you?" || res.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("a page of one's own: %d %q %v", res.StatusCode, body, res.Header)
	}
	http.DefaultClient.CloseIdleConnections()
}
