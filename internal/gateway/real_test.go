//go:build linux

package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// These tests put the gateway between clients and servers of other people's making.

// realNginx starts the nginx of this machine with a server block, and returns its address and how to stop it.
func realNginx(t *testing.T, block string) (address string, stop func()) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if _, err := os.Stat("/usr/sbin/nginx"); err != nil {
			t.Skip("nginx is not installed (apt-get install nginx-light)")
		}
		program = "/usr/sbin/nginx"
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	address = freeAddress(t)
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
  access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  client_max_body_size 10m;
  server { listen %[2]s; root %[1]s; %[3]s }
}
`, dir, address, block)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "big"), bytes.Repeat([]byte("0123456789abcdef"), 1<<18), 0o644); err != nil { // 4 MiB
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(program, "-p", dir, "-c", file)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(stop)
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
			return address, stop
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not listen: %s", stderr.String())
		}
		<-time.After(10 * time.Millisecond)
	}
}

// curl runs the curl of this machine.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	out, err := exec.CommandContext(t.Context(), "curl", append([]string{"-sS", "--max-time", "20"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl %v: %v: %s", args, err, out)
	}
	return string(out)
}

func TestCurlAndNginx(t *testing.T) {
	t.Parallel()
	address, stop := realNginx(t, `location /hello { return 200 "hello\n"; } location /upload { proxy_pass http://unix:/nowhere; }`)
	g := startText(t, pool("127.0.0.1:0", "http://"+address, ""))
	url := "http://" + g.address

	if got := curl(t, url+"/hello", url+"/hello", url+"/hello"); got != "hello\nhello\nhello\n" {
		t.Errorf("three requests on one connection: %q", got)
	}
	if got := curl(t, "-o", os.DevNull, "-w", "%{http_code} %{size_download}", url+"/big"); got != "200 4194304" {
		t.Errorf("a large file: %q", got)
	}
	if got := curl(t, "--http1.0", "-o", os.DevNull, "-w", "%{http_code} %{size_download}", url+"/big"); got != "200 4194304" {
		t.Errorf("a large file by HTTP/1.0: %q", got)
	}
	if got := curl(t, "-I", "-w", "%{http_code}", url+"/big"); !strings.Contains(got, "Content-Length: 4194304") {
		t.Errorf("HEAD: %q", got)
	}
	if got := curl(t, "-r", "16-31", url+"/big"); got != "0123456789abcdef" {
		t.Errorf("a range: %q", got)
	}
	// An upload with Expect: 100-continue that the server answers early, and one whose upstream fails behind nginx.
	upload := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(upload, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := curl(t, "-T", upload, "-o", os.DevNull, "-w", "%{http_code}", url+"/big"); got != "405" {
		t.Errorf("PUT to a static file: %q", got)
	}
	got := curl(t, "-i", "-F", "file=@"+upload, url+"/upload")
	if !strings.Contains(got, " 502 ") || !strings.Contains(got, "received-status=502") || !strings.Contains(got, "nginx") {
		t.Errorf("nginx's own 502 is passed through: %.400q", got)
	}
	stop()
	began := time.Now()
	got = curl(t, "-i", url+"/hello")
	if !strings.Contains(got, "502 Bad Gateway") || !strings.Contains(got, "error=connection_refused") {
		t.Errorf("with nginx stopped: %.400q", got)
	}
	t.Logf("502 after %s, curl's start included", time.Since(began))
}

func TestSSE(t *testing.T) {
	t.Parallel()
	next := make(chan string)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for event := range next {
			fmt.Fprintf(w, "data: %s\n\n", event)
			_ = http.NewResponseController(w).Flush()
		}
	})}
	go func() { _ = s.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = s.Close() })
	g := startText(t, pool("127.0.0.1:0", "http://"+l.Addr().String(), ""))
	go func() { next <- "first" }() // the head comes with the first event
	res, err := http.Get("http://" + g.address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewScanner(res.Body)
	for _, want := range []string{"first", "second", "third"} {
		if want != "first" {
			next <- want // only when the one before was received
		}
		if !r.Scan() || r.Text() != "data: "+want {
			t.Fatalf("%q, want %s", r.Text(), want)
		}
		r.Scan()
	}
	close(next)
	if r.Scan() || r.Err() != nil {
		t.Errorf("after the end: %q, %v", r.Text(), r.Err())
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			t.Error(err)
			return
		}
		c.SetReadLimit(1 << 20)
		for {
			kind, b, err := c.Read(context.Background())
			if err != nil {
				return
			}
			if err := c.Write(context.Background(), kind, b); err != nil {
				return
			}
		}
	})}
	go func() { _ = s.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = s.Close() })
	g := startText(t, pool("127.0.0.1:0", "http://"+l.Addr().String(), ""))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+g.address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	for _, size := range []int{0, 1, 125, 70_000, 500_000} {
		message := bytes.Repeat([]byte{'m'}, size)
		if err := c.Write(ctx, websocket.MessageBinary, message); err != nil {
			t.Fatal(err)
		}
		if _, b, err := c.Read(ctx); err != nil || !bytes.Equal(b, message) {
			t.Fatalf("%d octets came back of %d: %v", len(b), size, err)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("the close handshake: %v", err)
	}
}
