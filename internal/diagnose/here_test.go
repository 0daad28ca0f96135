//go:build linux

package diagnose_test

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/here"
)

// freePort finds a port of loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// deafPort is a port of loopback that nobody listens on while the test runs: a socket is bound to it.
func deafPort(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	addr, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(addr.(*syscall.SockaddrInet4).Port)
}

// nginxWith runs a real nginx with one location, and gives its port. Another test may take the free port before nginx does: nginx ends
// then, and is given another one.
func nginxWith(t *testing.T, location string) (port, config string) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
		if _, err := os.Stat(program); err != nil {
			t.Skip("skipped: nginx is not installed (apt-get install nginx-light)")
		}
	}
	for range 5 {
		dir := t.TempDir()
		port, config = freePort(t), filepath.Join(dir, "nginx.conf")
		text := fmt.Sprintf("daemon off;\npid %[1]s/pid;\nerror_log %[1]s/error.log;\nevents {}\nhttp {\n    access_log %[1]s/access.log;\n"+
			"    client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n"+
			"    server {\n        listen 127.0.0.1:%[2]s;\n        location / {\n            %[3]s\n        }\n    }\n}\n", dir, port, location)
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if nginxListens(t, program, dir, config) {
			return port, config
		}
	}
	t.Fatal("nginx does not listen: five ports were taken before it could have them")
	return "", ""
}

// nginxListens starts nginx and reports whether it has its port: it writes its pid then. Without one it ends by itself.
func nginxListens(t *testing.T, program, dir, config string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "-p", dir, "-c", config, "-e", filepath.Join(dir, "error.log"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // ends with nginx, which the context ends
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
	})
	for {
		if b, err := os.ReadFile(filepath.Join(dir, "pid")); err == nil && len(b) > 0 {
			return true
		}
		select {
		case <-ended:
			return false
		case <-t.Context().Done():
			t.Fatal("nginx does not listen")
		case <-time.After(20 * time.Millisecond): // a look
		}
	}
}

func target(t *testing.T, text string) diagnose.Target {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return diagnose.Target{Network: "tcp", Host: u.Hostname(), Port: cmp.Or(u.Port(), "80"), Authority: u.Host, Path: u.RequestURI()}
}

// TestHereNamesTheLine stops an application behind a real nginx: the walk must name nginx, the upstream that refuses and the
// line of the configuration that sends requests there.
func TestHereNamesTheLine(t *testing.T) {
	t.Parallel()
	dead := freePort(t)
	port, config := nginxWith(t, "proxy_pass http://127.0.0.1:"+dead+";")
	url := "http://127.0.0.1:" + port + "/"
	r, err := diagnose.Run(t.Context(), &diagnose.Options{URL: url, Here: here.Find, NoTrace: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict.Cause != fault.CauseConnectionRefused || r.Verdict.Healthy {
		t.Errorf("the verdict is %+v", r.Verdict)
	}
	h, err := here.Find(t.Context(), target(t, url))
	if err != nil || h == nil {
		t.Fatalf("%v, %v", h, err)
	}
	if h.Proxy != "nginx" || len(h.Config) == 0 || h.Config[0].File != config || h.Config[0].Line != 11 {
		t.Errorf("found %+v", h)
	}
	if len(h.Upstreams) != 1 || h.Upstreams[0].Address != "127.0.0.1:"+dead {
		t.Errorf("upstreams: %+v", h.Upstreams)
	}
	if !slices.ContainsFunc(h.Notes, func(n string) bool { return strings.Contains(n, "nothing on this machine listens at 127.0.0.1:"+dead) }) {
		t.Errorf("notes: %q", h.Notes)
	}
	if !slices.ContainsFunc(h.Findings, func(f diagnose.HereFinding) bool { return f.Cause == fault.CauseConnectionRefused && f.Count > 0 }) {
		t.Errorf("the log's findings: %+v", h.Findings)
	}
}

// TestHereSaysWhatThePositionExplains looks at upstreams that cannot be there.
func TestHereSaysWhatThePositionExplains(t *testing.T) {
	t.Parallel()
	six, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("skipped: no IPv6 here: %v", err)
	}
	defer six.Close()
	_, sixPort, _ := net.SplitHostPort(six.Addr().String())
	for location, want := range map[string]string{
		"proxy_pass http://127.0.0.1:" + sixPort + ";": "but at [::1]:" + sixPort,
		"proxy_pass http://unix:/nowhere/app.sock;":    "the socket /nowhere/app.sock is not there",
		"return 503;": "answers this URL by itself: return 503",
		"resolver 127.0.0.1; proxy_pass http://$arg_x:80;": "known only when a request comes",
		"fastcgi_pass 127.0.0.1:9;":                        "nothing on this machine listens at 127.0.0.1:9",
	} {
		t.Run(want, func(t *testing.T) {
			port, _ := nginxWith(t, location)
			h, err := here.Find(t.Context(), target(t, "http://127.0.0.1:"+port+"/"))
			if err != nil || h == nil || !strings.Contains(strings.Join(h.Notes, "\n"), want) {
				t.Errorf("%+v, %v", h, err)
			}
		})
	}
}

func TestHereWithoutAListener(t *testing.T) {
	t.Parallel()
	h, err := here.Find(t.Context(), target(t, "http://127.0.0.1:"+deafPort(t)+"/"))
	if err != nil || h == nil || h.Proxy != "" || !strings.Contains(strings.Join(h.Notes, "\n"), "nothing on this machine listens on port") {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err := here.Find(t.Context(), target(t, "http://192.0.2.1/")); h != nil || err != nil {
		t.Errorf("an address of another machine: %+v, %v", h, err)
	}
}

// TestOnlyTheLogTells has an upstream that no configuration names: the line that nginx wrote for this run's own requests decides.
func TestOnlyTheLogTells(t *testing.T) {
	t.Parallel()
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
			_, _ = c.Read(make([]byte, 4096))
			_ = c.Close()
		}
	}()
	port, _ := nginxWith(t, "resolver 127.0.0.1; proxy_pass http://$arg_to;")
	r, err := diagnose.Run(t.Context(), &diagnose.Options{URL: "http://127.0.0.1:" + port + "/a?to=" + l.Addr().String(), Here: here.Find, NoTrace: true, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	v := r.Verdict
	if v.Cause != fault.CauseClosedBeforeAnswer || v.Confidence != diagnose.Certain || len(r.Here.Request) == 0 || !strings.Contains(strings.Join(v.Proof, "\n"), "the log says of this request") {
		t.Errorf("%v, %v: %s\n%q\n%+v", v.Cause, v.Confidence, v.Sentence, v.Proof, r.Here)
	}
}
