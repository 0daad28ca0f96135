package lint

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/whygate/whygate/internal/topology"
)

// A proof is testdata/proof/RULE.txtar: a configuration with the bad line and one with the mended one, which a real proxy runs in front of
// upstreams that the test makes. Its comment says which:
//
//	product: nginx
//	a: slow 2s            what listens at {A}; b: is {B}, unix: is {DIR}/app.sock; see stage.upstream
//	bad: GET / 504        what the client gets with the bad line, step by step
//	good: GET / 200
//
// Steps are METHOD PATH STATUS, "UPGRADE PATH STATUS", "many N PATH any|all STATUS" at the same time, "posts N", "wait TIME", and "refuses" or
// "takes" alone for what the program does with the configuration. {LISTEN} is the proxy's port, {DIR} a directory.
type proof struct {
	rule    string
	product string
	has     map[string]string // a, b, unix
	steps   map[string][]string
	archive *txtar.Archive
}

// notProved are the rules without a proof, with the reason.
var notProved = map[string]string{
	"loopback-in-container": "it needs containers", "published-port-inside": "it needs containers", "no-shared-network": "it needs containers",
	"service-unknown": "it needs containers", "fpm-allowed-clients": "it needs containers", "compose-host-gateway": "it needs containers",
	"systemd-private-tmp": "it needs systemd", "uwsgi-socket-mode": "it needs uWSGI", "name-resolved-once": "it needs a name server whose answers change",
	"nginx-descriptors": "it needs thousands of connections", "nginx-sni-of-group": "nginx resolves the names of a group when it starts, and there is no name server then",
	"app-queue-short": "all workers busy at once is a load test", "fpm-few-children": "it is a load test", "rollout-without-drain": "it needs a cluster",
	"nginx-grpc-by-http1": "it needs a gRPC server", "nginx-grpc-without-http2": "it needs a gRPC client", "platform-needs-its-host": "the platforms are elsewhere",
	"nginx-forwarded-proto-http": "the loop is the application's", "haproxy-no-timeouts": "for ever is longer than a test", "haproxy-check-other-port": "both servers are down in the end",
	"head-larger-than-app-takes": "it needs uWSGI", "ajp-secret": "it needs Tomcat",
}

// packaged are the products that Debian packages, and the program that runs them.
var packaged = map[string]string{"nginx": "nginx", "haproxy": "haproxy", "apache": "apache2", "varnish": "varnishd", "caddy": "caddy", "php-fpm": "php-fpm8.2"}

// TestProofs: with the bad line the real proxy makes the failure, with the mended one it does not, and lint tells the two apart.
func TestProofs(t *testing.T) {
	if os.Getenv("WHYGATE_LINT") == "" {
		t.Skip("real proxies are run by: make test-lint")
	}
	files, err := filepath.Glob("testdata/proof/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no proofs: ", err)
	}
	proved := map[string]bool{}
	for _, f := range files {
		p := readProof(t, f)
		proved[p.rule] = true
		t.Run(p.rule, func(t *testing.T) {
			t.Parallel()
			for _, side := range []string{"bad", "good"} {
				t.Run(side, func(t *testing.T) { p.run(t, side) })
			}
		})
	}
	for _, r := range Rules() {
		if proved[r.ID] || r.Asked {
			continue
		}
		why := notProved[r.ID]
		if why == "" && r.Severity == Note {
			why = "a note: nothing fails by it alone"
		}
		if why == "" && !slices.ContainsFunc(r.Products, func(name string) bool { return packaged[name] != "" }) {
			why = "not a program that is run here"
		}
		if why == "" {
			why = "no scenario yet"
		}
		t.Logf("skipped %s: %s", r.ID, why)
	}
}

func readProof(t *testing.T, file string) *proof {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &proof{rule: strings.TrimSuffix(filepath.Base(file), ".txtar"), has: map[string]string{}, steps: map[string][]string{}, archive: archive}
	for line := range strings.Lines(string(archive.Comment)) {
		key, value, found := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case !found:
		case key == "product":
			p.product = value
		case key == "bad" || key == "good":
			p.steps[key] = append(p.steps[key], value)
		default:
			p.has[key] = value
		}
	}
	if p.product == "" || len(p.steps["bad"]) == 0 || len(p.steps["good"]) == 0 {
		t.Fatalf("%s: no product, or no steps", file)
	}
	return p
}

// run plays one side.
func (p *proof) run(t *testing.T, side string) {
	program := packaged[p.product]
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	dir, err := os.MkdirTemp("", "lint") // short: the path of a socket has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &stage{dir: dir}
	words := []string{"{DIR}", dir, "{LISTEN}", freePort(t), "{SPARE}", freePort(t)}
	for _, name := range []string{"a", "b", "unix"} {
		kind := p.has[name]
		if kind == "" {
			continue
		}
		words = append(words, "{"+strings.ToUpper(name)+"}", s.upstream(t, kind, name))
	}
	if slices.ContainsFunc(p.archive.Files, func(f txtar.File) bool { return strings.Contains(string(f.Data), "{DNS}") }) {
		words = append(words, "{DNS}", nameServer(t))
	}
	replace := strings.NewReplacer(words...)
	main := ""
	for _, f := range p.archive.Files {
		name, ok := strings.CutPrefix(f.Name, side+"/")
		if !ok {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(replace.Replace(string(f.Data))), 0o644); err != nil {
			t.Fatal(err)
		}
		if main == "" {
			main = filepath.Join(dir, name)
		}
	}
	p.judge(t, side, dir)
	if _, err := os.Stat(filepath.Join(dir, "gunicorn.conf.py")); err == nil && p.has["gunicorn"] != "" {
		gunicornOf(t, dir)
	}
	if p.has["php"] != "" {
		phpOf(t, dir)
	}
	listen := "127.0.0.1:" + words[3]
	r := &runner{t: t, stage: s, product: p.product, dir: dir, main: main, listen: listen}
	if p.steps[side][0] == "takes" {
		if out, err := r.check(); err != nil {
			t.Errorf("%s: %s refuses the configuration: %s", side, program, out)
		}
		return
	}
	if p.steps[side][0] == "refuses" {
		if out, err := r.check(); err == nil {
			t.Errorf("%s: %s takes the configuration: %s", side, program, out)
		} else {
			t.Logf("%s: refused: %s", side, lastLine(out))
		}
		return
	}
	r.start()
	defer r.stop()
	for _, step := range p.steps[side] {
		r.step(side, step)
	}
}

// judge holds lint against the same files.
func (p *proof) judge(t *testing.T, side, dir string) {
	t.Helper()
	top, err := topology.Read(context.Background(), []string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	found, err := Lint(context.Background(), top)
	if err != nil {
		t.Fatal(err)
	}
	got := slices.ContainsFunc(found, func(f Finding) bool { return f.Rule == p.rule })
	if got != (side == "bad") {
		t.Errorf("%s: lint finds it: %v", side, got)
	}
	for _, f := range found {
		if side == "good" && f.Severity > Note {
			t.Errorf("good: %s: %s", f.Rule, f.Message)
		}
	}
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, l := range lines {
		if strings.Contains(l, "emerg") || strings.Contains(l, "ALERT") || strings.Contains(l, "Threshold") {
			return l
		}
	}
	return lines[len(lines)-1]
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// runner runs one proxy.
type runner struct {
	t       *testing.T
	stage   *stage
	product string
	dir     string
	main    string
	listen  string
	cmd     *exec.Cmd
	out     bytes.Buffer
}

// apacheBase is what an Apache needs besides what a proof says.
const apacheBase = `ServerRoot /usr/lib/apache2
ServerName lint.test
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
Listen %[2]s
User www-data
Group www-data
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
LoadModule proxy_balancer_module modules/mod_proxy_balancer.so
LoadModule slotmem_shm_module modules/mod_slotmem_shm.so
LoadModule lbmethod_byrequests_module modules/mod_lbmethod_byrequests.so
LoadModule ssl_module modules/mod_ssl.so
Include %[3]s
`

func (r *runner) command(ctx context.Context, check bool) *exec.Cmd {
	args := map[string][]string{
		"nginx":   {"-p", r.dir, "-c", r.main, "-e", r.dir + "/error.log", "-g", "daemon off; pid " + r.dir + "/pid;"},
		"haproxy": {"-db", "-f", r.main},
		"apache":  {"-f", r.dir + "/base.conf", "-D", "FOREGROUND"},
		"varnish": {"-F", "-f", r.main, "-a", r.listen, "-n", r.dir + "/v", "-s", "malloc,16m"},
		"caddy":   {"run", "--config", r.main, "--adapter", "caddyfile"},
	}[r.product]
	if check {
		switch r.product {
		case "nginx":
			args = append(args, "-t")
		case "haproxy":
			args = []string{"-c", "-f", r.main}
		case "php-fpm":
			args = []string{"-t", "-y", r.main}
		case "varnish":
			args = []string{"-C", "-f", r.main}
		case "caddy":
			args = []string{"adapt", "--config", r.main, "--adapter", "caddyfile"}
		}
	}
	if r.product == "apache" {
		if err := os.WriteFile(r.dir+"/base.conf", fmt.Appendf(nil, apacheBase, r.dir, r.listen, r.main), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(ctx, packaged[r.product], args...)
	cmd.Env = append(os.Environ(), "HOME="+r.dir, "XDG_CONFIG_HOME="+r.dir, "XDG_DATA_HOME="+r.dir)
	return cmd
}

func (r *runner) check() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return r.command(ctx, true).CombinedOutput()
}

func (r *runner) start() {
	r.cmd = r.command(context.Background(), false)
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	for begun := time.Now(); ; {
		if c, err := net.Dial("tcp", r.listen); err == nil {
			c.Close()
			return
		}
		if time.Since(begun) > 20*time.Second {
			r.stop()
			r.t.Fatalf("%s does not listen: %s", r.product, r.out.String())
		}
		time.Sleep(20 * time.Millisecond) // between looks
	}
}

// stop ends the process group that start made.
func (r *runner) stop() {
	if r.cmd == nil || r.cmd.Process == nil {
		return
	}
	_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { // ends with the process, which SIGKILL ends at the latest
		_ = r.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
		<-done
	}
}

// step plays one step.
func (r *runner) step(side, step string) {
	r.t.Helper()
	f := strings.Fields(step)
	switch f[0] {
	case "wait":
		d, err := time.ParseDuration(f[1])
		if err != nil {
			r.t.Fatal(err)
		}
		time.Sleep(d) // the time itself is what the step is about
	case "posts": // so many POSTs came to the upstreams
		if got := strconv.FormatInt(r.stage.posts.Load(), 10); got != f[1] {
			r.t.Errorf("%s: %s: got %s", side, step, got)
		}
	case "many":
		n, err := strconv.Atoi(f[1])
		if err != nil {
			r.t.Fatal(err)
		}
		got := make([]int, n)
		var wait sync.WaitGroup
		for i := range got {
			wait.Go(func() { got[i] = r.ask("GET", f[2]) })
		}
		wait.Wait()
		fits := 0
		for _, s := range got {
			if fitsStatus(s, f[4]) {
				fits++
			}
		}
		if f[3] == "any" && fits == 0 || f[3] == "all" && fits < n {
			r.t.Errorf("%s: %s: got %v", side, step, got)
		} else {
			r.t.Logf("%s: %s: %v", side, step, got)
		}
	default:
		if got := r.ask(f[0], f[1]); !fitsStatus(got, f[2]) {
			log, _ := os.ReadFile(r.dir + "/error.log")
			r.t.Errorf("%s: %s: got %d\n%s%s", side, step, got, r.out.String(), log)
		} else {
			r.t.Logf("%s: %s: %d", side, step, got)
		}
	}
}

// fitsStatus: 502, 5xx.
func fitsStatus(got int, want string) bool {
	text := strconv.Itoa(got)
	return text == want || strings.HasSuffix(want, "xx") && text[:1] == want[:1]
}

// ask asks on a connection of its own, and gives the status; 0 for none.
func (r *runner) ask(method, path string) int {
	c, err := net.DialTimeout("tcp", r.listen, 5*time.Second)
	if err != nil {
		return 0
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	more := "Connection: close\r\n"
	body := ""
	switch method {
	case "UPGRADE":
		method, more = "GET", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	case "UPLOAD": // two mebibytes
		method, body = "POST", strings.Repeat("x", 2<<20)
		more += "Content-Type: application/octet-stream\r\nContent-Length: 2097152\r\n"
	case "POST":
		more, body = more+"Content-Length: 2\r\n", "ab"
	}
	if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: shop.test\r\n%s\r\n%s", method, path, more, body); err != nil && body == "" {
		return 0 // who refuses a body need not read it
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSwitchingProtocols {
		if _, err := io.Copy(io.Discard, answer.Body); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0
		}
	}
	return answer.StatusCode
}

// tlsFor is a server's TLS that answers to a name only; to every client where the name is empty.
func tlsFor(t *testing.T, name string) *tls.Config {
	t.Helper()
	cert := selfSigned(t, "shop.test")
	return &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if name != "" && h.ServerName != name {
			return nil, fmt.Errorf("no site is called %q", h.ServerName)
		}
		return &cert, nil
	}}
}
