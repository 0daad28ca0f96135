//go:build linux

package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
)

// started is a gateway of a configuration text, stopped with the test. The text can be replaced before a reload.
type started struct {
	*gateway.Gateway
	address string

	mu   sync.Mutex // guards text
	text string
}

func (s *started) load() (*config.Config, config.Problems) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return config.Parse("test.yaml", []byte(s.text), config.Options{})
}

func (s *started) replace(text string) {
	s.mu.Lock()
	s.text = text
	s.mu.Unlock()
}

func startText(t *testing.T, text string) *started {
	t.Helper()
	s := &started{text: text}
	cfg, problems := s.load()
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var err error
	s.Gateway, err = gateway.New(cfg, gateway.Options{Store: store.Nowhere, Stdout: io.Discard, Stderr: io.Discard, Load: s.load, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Stop(0, 5*time.Second) })
	s.address = s.Addresses()[0].Address
	return s
}

// pool is a configuration with one pool. The rest is put behind it.
func pool(listen, endpoint, rest string) string {
	return fmt.Sprintf("version: 1\nlisten: [{address: %q}]\nadmin: 127.0.0.1:0\naccess_log: \"off\"\nroutes: [{pool: web}]\npools: {web: {endpoints: [%q]}}\n%s", listen, endpoint, rest)
}

// httpOrigin answers every request with a text.
func httpOrigin(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })}
	go func() { _ = s.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = s.Close() })
	return "http://" + l.Addr().String()
}

// ask sends one request on a connection of its own and returns status and body.
func ask(t *testing.T, address string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestReloadCutsNothing(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	slow := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "begun,")
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, "ended")
	})}
	go func() { _ = slow.Serve(l) }()
	t.Cleanup(func() { _ = slow.Close() })
	g := startText(t, pool("127.0.0.1:0", "http://"+l.Addr().String(), ""))

	res, err := http.Get("http://" + g.address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b := make([]byte, 6)
	if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "begun," {
		t.Fatalf("%q, %v", b, err)
	}
	g.replace(pool("127.0.0.1:0", httpOrigin(t, "new"), ""))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if status, body := ask(t, g.address); status != 200 || body != "new" {
		t.Errorf("after the reload: %d %q", status, body)
	}
	close(release)
	rest, err := io.ReadAll(res.Body)
	if err != nil || string(rest) != "ended" {
		t.Errorf("the request under way: %q, %v", rest, err)
	}
}

func TestReloadKeepsConnectionsAndMovesListeners(t *testing.T) {
	t.Parallel()
	origin := httpOrigin(t, "x")
	g := startText(t, pool("127.0.0.1:0", origin, ""))
	ask(t, g.address)
	idle := func() string {
		res, err := http.Get("http://" + g.Admin() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			if v, ok := strings.CutPrefix(s.Text(), `whygate_upstream_idle_connections{pool="web"} `); ok {
				return v
			}
		}
		return ""
	}
	if got := idle(); got != "1" {
		t.Errorf("%s idle upstream connections after a request", got)
	}
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := idle(); got != "1" {
		t.Errorf("%s idle upstream connections after a reload of the same pool", got)
	}
	sock := filepath.Join(t.TempDir(), "s")
	g.replace(pool("unix:"+sock, origin, ""))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", g.address); err == nil {
		_ = c.Close()
		t.Error("the old listener still accepts")
	}
	c, err := net.Dial("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 200 {
		t.Errorf("over the new unix socket: %v %v", res, err)
	}
}

func TestBadReloadChangesNothing(t *testing.T) {
	t.Parallel()
	g := startText(t, pool("127.0.0.1:0", httpOrigin(t, "old"), ""))
	for name, text := range map[string]string{
		"a syntax error":          "version: [",
		"an unknown key":          pool("127.0.0.1:0", "http://127.0.0.1:1", "colour: red\n"),
		"a missing authority":     strings.Replace(pool("127.0.0.1:0", "https://127.0.0.1:1", ""), `:1"]`, `:1"], tls: {ca: /nowhere/ca.pem}`, 1),
		"a listener in use":       pool(mustListen(t), "http://127.0.0.1:1", ""),
		"a log that cannot be":    strings.Replace(pool("127.0.0.1:0", "http://127.0.0.1:1", ""), `"off"`, "/nowhere/access.log", 1),
		"a certificate not there": strings.Replace(pool("127.0.0.1:0", "http://127.0.0.1:1", ""), `:0"}`, `:0", tls: {cert: /nowhere/c, key: /nowhere/k}}`, 1),
	} {
		g.replace(text)
		if err := g.Reload(); err == nil {
			t.Errorf("%s: reloaded", name)
		}
		if status, body := ask(t, g.address); status != 200 || body != "old" {
			t.Errorf("after %s: %d %q", name, status, body)
		}
	}
}

// freeAddress is an address of loopback that nobody listens on. Its port is below those that the kernel gives to others.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+mathrand.IntN(12000))); err == nil {
			defer l.Close()
			if _, given := givenAddresses.LoadOrStore(l.Addr().String(), true); !given {
				return l.Addr().String()
			}
		}
	}
	t.Fatal("no free port")
	return ""
}

// givenAddresses are those of freeAddress, of which none is given to two tests.
var givenAddresses sync.Map

// mustListen is an address that is in use.
func mustListen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestDrain(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}), make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	origin := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(asked)
			<-release
		}
		_, _ = io.WriteString(w, "done")
	})}
	go func() { _ = origin.Serve(l) }()
	t.Cleanup(func() { _ = origin.Close() })
	s := &started{text: pool("127.0.0.1:0", "http://"+l.Addr().String(), "")}
	cfg, _ := s.load()
	g, err := gateway.New(cfg, gateway.Options{Store: store.Nowhere, Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	address := g.Addresses()[0].Address

	idle, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	fmt.Fprintf(idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	idleReader := bufio.NewReader(idle)
	if res, err := http.ReadResponse(idleReader, nil); err != nil || res.Close {
		t.Fatalf("%v %v", res, err)
	} else if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	slow, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	<-asked

	stopped := make(chan bool)
	go func() { stopped <- g.Stop(0, 10*time.Second) }()
	// The idle connection is closed, so that its client opens another elsewhere.
	if _, err := idleReader.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection: %v", err)
	}
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("a draining gateway accepts")
	}
	close(release)
	res, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil || res.StatusCode != 200 || !res.Close {
		t.Errorf("the request under way: %v, %v", res, err)
	}
	if !<-stopped {
		t.Error("the drain did not end in time")
	}
}

func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &started{text: pool("127.0.0.1:0", "http://"+l.Addr().String(), "")}
	cfg, _ := s.load()
	g, err := gateway.New(cfg, gateway.Options{Store: store.Nowhere, Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	c, err := net.Dial("tcp", g.Addresses()[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	up, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if _, err := bufio.NewReader(up).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if g.Stop(0, 100*time.Millisecond) {
		t.Error("a request that was cut counts as ended in time")
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("the stop took %s", d)
	}
}

func TestTLSListener(t *testing.T) {
	t.Parallel()
	cert, key, authority := serverCertificate(t, "localhost")
	text := strings.Replace(pool("127.0.0.1:0", httpOrigin(t, "over tls"), ""), `:0"}`, fmt.Sprintf(`:0", tls: {cert: %s, key: %s}}`, cert, key), 1)
	g := startText(t, text)
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}}
	defer client.CloseIdleConnections()
	for range 3 { // the second and third go over the connection of the first
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://"+g.address+"/", bytes.NewReader(make([]byte, 100<<10)))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(b) != "over tls" || res.TLS.Version != tls.VersionTLS13 {
			t.Errorf("%q, %v", b, err)
		}
	}
	// Plain HTTP to the TLS port ends at once and costs nobody anything.
	c, err := net.Dial("tcp", g.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(c); os.IsTimeout(err) {
		t.Error("plain HTTP on the TLS port is left hanging")
	}
}

// A reload changes a listener's TLS while it stays open: on, to another certificate, and off again.
func TestReloadChangesTLS(t *testing.T) {
	t.Parallel()
	origin := httpOrigin(t, "x")
	plain := pool(freeAddress(t), origin, "") // a port by its number, so that the address stays the same
	g := startText(t, plain)
	for _, name := range []string{"one.example.com", "two.example.com"} {
		cert, key, authority := serverCertificate(t, name)
		g.replace(strings.Replace(plain, `"}]`, fmt.Sprintf(`", tls: {cert: %s, key: %s}}]`, cert, key), 1))
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(authority)
		c, err := tls.Dial("tcp", g.address, &tls.Config{RootCAs: roots, ServerName: name})
		if err != nil {
			t.Fatalf("with the certificate of %s: %v", name, err)
		}
		_ = c.Close()
	}
	g.replace(strings.Replace(plain, `"}]`, `", tls: {cert: /nowhere/c, key: /nowhere/k}}]`, 1))
	if err := g.Reload(); err == nil {
		t.Error("a certificate that is not there is taken")
	}
	g.replace(plain)
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if status, body := ask(t, g.address); status != 200 || body != "x" {
		t.Errorf("in clear again: %d %q", status, body)
	}
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	g := startText(t, pool("127.0.0.1:0", "http://127.0.0.1:1", ""))
	status, body := ask(t, g.address)
	if status != 502 {
		t.Fatalf("%d %s", status, body)
	}
	get := func(path, host string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Admin()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	for path, want := range map[string]int{"/": 200, "/healthz": 200, "/readyz": 200, "/metrics": 200, "/version": 200, "/incidents": 200, "/incidents/NONE": 404, "/nothing": 404, "/reload": 405} {
		if status, _ := get(path, ""); status != want {
			t.Errorf("GET %s: %d, want %d", path, status, want)
		}
	}
	if status, _ := get("/incidents", "attacker.example.com"); status != 421 {
		t.Errorf("asked by a name of the web: %d", status)
	}
	id := g.Incidents(1)[0].ID
	if !strings.Contains(body, id) {
		t.Errorf("the page does not show incident %s", id)
	}
	_, found := get("/incidents/"+strings.ToLower(id), "localhost")
	var incident struct {
		ID, Cause, Sentence string
		Attempts            []map[string]any
	}
	if err := json.Unmarshal([]byte(found), &incident); err != nil || incident.ID != id || incident.Cause != "connection-refused" || len(incident.Attempts) != 1 {
		t.Errorf("%v: %s", err, found)
	}
}

func TestBrokenPoolLeavesTheRestServing(t *testing.T) {
	t.Parallel()
	g := startText(t, fmt.Sprintf(`version: 1
listen: [{address: "127.0.0.1:0"}]
admin: "off"
access_log: "off"
proxy_status: full
routes: [{path: /broken, pool: broken}, {pool: web}]
pools:
  web: {endpoints: [%q]}
  broken: {endpoints: ["https://127.0.0.1:1"], tls: {ca: /nowhere/ca.pem}}
`, httpOrigin(t, "well")))
	if status, body := ask(t, g.address); status != 200 || body != "well" {
		t.Errorf("%d %q", status, body)
	}
	res, err := http.Get("http://" + g.address + "/broken")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(res.Header.Get("Proxy-Status"), "proxy_configuration_error") {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

func TestNotifiesSystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	s := &started{text: pool("127.0.0.1:0", "http://127.0.0.1:1", "")}
	cfg, _ := s.load()
	g, err := gateway.New(cfg, gateway.Options{Store: store.Nowhere, Stdout: io.Discard, Stderr: io.Discard, Load: s.load})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	next := func() string {
		b := make([]byte, 256)
		_ = l.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := l.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	if got := next(); got != "READY=1" {
		t.Errorf("at the start: %q", got)
	}
	if err := g.Reload(); err != nil {
		t.Error(err)
	}
	if got := next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("at a reload: %q", got)
	}
	if got := next(); got != "READY=1" {
		t.Errorf("after a reload: %q", got)
	}
	g.Stop(0, time.Second)
	if got := next(); got != "STOPPING=1" {
		t.Errorf("at the end: %q", got)
	}
}

// serverCertificate makes a certificate for a name, as files, and gives the authority's.
func serverCertificate(t *testing.T, name string) (certFile, keyFile string, authority *x509.Certificate) {
	t.Helper()
	ca := newAuthority(t, "authority of "+name, nil)
	certFile, keyFile = files(t, ca.issue(t, name, nil))
	return certFile, keyFile, ca.cert
}
