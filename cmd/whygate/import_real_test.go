package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/whygate/whygate/internal/adoption"
	"github.com/whygate/whygate/internal/config"
)

// moves are the features that are translated: testdata/import/PRODUCT-FEATURE.txtar has a configuration and, in its comment, what is asked, one
// request a line: METHOD HOST/PATH, with headers behind it. {A} and {B} are upstreams that answer with what they got, {LISTEN} is the proxy's
// address, {PORT} its port, {DIR} a directory with the archive's other files. "left: N" says how many lines are not translated, none where it is not said.
//
// What need not be equal: the headers in told, and those that each proxy writes for upstreams by itself.
type move struct {
	name, product string
	asks          []string
	left          string
	archive       *txtar.Archive
}

// asksEach is how many requests each feature is asked, its own over and over.
const asksEach = 30

// TestImported: the original proxy and the translated configuration answer the same, in front of the same upstreams.
func TestImported(t *testing.T) {
	if os.Getenv("WHYGATE_IMPORT") == "" {
		t.Skip("real proxies are run by: make test-import")
	}
	files, err := filepath.Glob("testdata/import/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no features: ", err)
	}
	for _, f := range files {
		m := readMove(t, f)
		t.Run(m.name, func(t *testing.T) { m.run(t) })
	}
}

func readMove(t *testing.T, file string) *move {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := &move{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), archive: archive, left: "0"}
	m.product, _, _ = strings.Cut(m.name, "-")
	for line := range strings.Lines(string(archive.Comment)) {
		line = strings.TrimSpace(line)
		if n, ok := strings.CutPrefix(line, "left: "); ok {
			m.left = n
		} else if line != "" {
			m.asks = append(m.asks, line)
		}
	}
	if len(m.asks) == 0 || len(archive.Files) == 0 {
		t.Fatalf("%s: nothing is asked", file)
	}
	return m
}

// run plays one feature.
func (m *move) run(t *testing.T) {
	if _, err := exec.LookPath(m.program()); err != nil {
		t.Skipf("%s is not installed", m.program())
	}
	dir, err := os.MkdirTemp("", "import") // short: the path of a socket has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	listen := freeAddress(t)
	replace := strings.NewReplacer("{A}", recording(t, "a"), "{B}", recording(t, "b"), "{LISTEN}", listen, "{PORT}", listen[strings.LastIndexByte(listen, ':')+1:], "{DIR}", dir)
	for _, f := range m.archive.Files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(replace.Replace(string(f.Data))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	main := filepath.Join(dir, m.archive.Files[0].Name)
	made, err := adoption.Translate(t.Context(), []string{main}, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(len(made.Notes)); got != m.left {
		t.Errorf("%s lines are not translated, want %s: %v", got, m.left, made.Notes)
	}
	cfg, problems := config.Parse("whygate.yaml", made.File, config.Options{})
	if cfg == nil {
		t.Fatalf("%v\n%s", problems.Err(), made.File)
	}
	m.original(t, dir, main, listen)
	g, err := besides(cfg, &url.URL{Scheme: "http", Host: listen}, t.Output())
	if err != nil {
		t.Fatalf("%v\n%s", err, made.File)
	}
	defer g.Stop(0, compareWait)
	s := newSameness("http://"+listen, "http://"+g.Addresses()[0].Address)
	defer s.client.CloseIdleConnections()
	equal := true
	for i := range asksEach {
		ask := m.asks[i%len(m.asks)]
		found := s.both(t, ask)
		if len(found) > 0 {
			equal = false
			t.Errorf("%s: %s", ask, strings.Join(found, "; "))
		}
		if len(found) > 0 && i >= len(m.asks) {
			break
		}
	}
	if !equal {
		t.Logf("%s", made.File)
	}
}

// program is what the product's program is called.
func (m *move) program() string {
	if m.product == "apache" {
		return "apache2"
	}
	return m.product
}

// both sends a request of a feature's to both servers.
func (s *sameness) both(t *testing.T, ask string) []string {
	t.Helper()
	words := strings.Fields(ask)
	method, place := words[0], words[1]
	host, path, _ := strings.Cut(place, "/")
	a := safeAsk{method, host, "/" + path}
	var answers []*comparedAnswer
	for _, base := range []string{s.theirs, s.ours} {
		one := *s
		client := *s.client
		client.Transport = headed{s.client.Transport, words[2:]}
		one.client = &client
		got, err := one.one(t.Context(), base, a)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, got)
	}
	return differences(answers[0], answers[1])
}

// headed adds headers, NAME=VALUE, to requests.
type headed struct {
	http.RoundTripper
	headers []string
}

func (h headed) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, one := range h.headers {
		name, value, _ := strings.Cut(one, "=")
		r.Header.Add(name, strings.ReplaceAll(value, "+", " "))
	}
	return h.RoundTripper.RoundTrip(r)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// made are headers that proxies write for upstreams, each its own.
var madeByProxies = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Server", "Forwarded", "Via", "X-Request-Id", "Connection", "Content-Length", "Cdn-Loop", "Accept-Encoding"}

// recording runs an upstream that answers with what it got, and its name.
func recording(t *testing.T, name string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		fmt.Fprintf(&b, "%s %s\nHost: %s\n", r.Method, r.RequestURI, r.Host)
		var lines []string
		for key, values := range r.Header {
			if !slices.Contains(madeByProxies, key) {
				lines = append(lines, key+": "+strings.Join(values, ", "))
			}
		}
		slices.Sort(lines)
		fmt.Fprintln(&b, strings.Join(lines, "\n"))
		if r.URL.Query().Get("who") != "" {
			fmt.Fprintln(&b, name)
		}
		w.Header().Set("X-Powered-By", "test")
		w.Header().Set("X-Inner", "1")
		w.Header().Set("Content-Type", "text/plain")
		switch {
		case strings.Contains(r.URL.Path, "status404"):
			w.WriteHeader(404)
		case strings.Contains(r.URL.Path, "status503"):
			w.WriteHeader(503)
		}
		_, _ = w.Write(b.Bytes())
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// original runs the other proxy until the test ends.
func (m *move) original(t *testing.T, dir, main, listen string) {
	t.Helper()
	args := map[string][]string{
		"nginx":   {"-p", dir, "-c", main, "-e", dir + "/error.log", "-g", "daemon off; pid " + dir + "/pid;"},
		"haproxy": {"-db", "-f", main},
		"caddy":   {"run", "--config", main, "--adapter", "caddyfile"},
		"apache":  {"-d", dir, "-f", main, "-DFOREGROUND"},
	}[m.product]
	var out bytes.Buffer
	cmd := exec.CommandContext(context.Background(), m.program(), args...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the group that Start made
		_ = cmd.Wait()
	})
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) { // between looks
		if c, err := net.DialTimeout("tcp", listen, time.Second); err == nil {
			_ = c.Close()
			return
		}
		if time.Since(begun) > 20*time.Second {
			log, _ := io.ReadAll(&out)
			t.Fatalf("%s does not listen: %s", m.product, log)
		}
	}
}
