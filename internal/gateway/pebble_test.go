//go:build linux

package gateway_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
)

// pebble is an authority for tests, strict, that refuses every seventh nonce, with a name server that has 127.0.0.1 for every name.
type pebble struct {
	directory string
	ca        string // a PEM file: what signs the directory's own certificate
	tls, http string // where challenges are looked for
	dns       string // the name server's management address
	out       *transcript
	command   func() *exec.Cmd
	running   *exec.Cmd
}

// transcript is what a program wrote.
type transcript struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// tool finds a program that make test installs.
func tool(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	out, err := exec.Command("go", "env", "GOPATH").Output()
	path := filepath.Join(strings.TrimSpace(string(out)), "bin", name)
	if _, missing := os.Stat(path); err != nil || missing != nil {
		t.Skip(name + " is not installed: make setup-test")
	}
	return path
}

// newPebble prepares an authority that does not run yet, and runs its name server.
func newPebble(t *testing.T, env ...string) *pebble {
	t.Helper()
	program, dnsProgram := tool(t, "pebble"), tool(t, "pebble-challtestsrv")
	var ports []string
	for range 6 {
		ports = append(ports, freeAddress(t))
	}
	directory, management, tlsAt, httpAt, dns, dnsManagement := ports[0], ports[1], ports[2], ports[3], ports[4], ports[5]
	own := newAuthority(t, "pebble", nil)
	cert, key := files(t, own.issue(t, "localhost", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }))
	port := func(address string) int {
		_, p, _ := net.SplitHostPort(address)
		n, _ := strconv.Atoi(p)
		return n
	}
	conf, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": directory, "managementListenAddress": management, "certificate": cert, "privateKey": key,
		"httpPort": port(httpAt), "tlsPort": port(tlsAt), "ocspResponderURL": "", "externalAccountBindingRequired": false,
		"profiles": map[string]any{"default": map[string]any{"description": "ninety days", "validityPeriod": 7776000}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pebble.json")
	if err := os.WriteFile(file, conf, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &pebble{directory: "https://" + directory + "/dir", ca: own.file, tls: tlsAt, http: httpAt, dns: dnsManagement, out: &transcript{}}
	p.command = func() *exec.Cmd {
		c := exec.Command(program, "-config", file, "-dnsserver", dns, "-strict")
		c.Env = append(append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_VA_ALWAYS_VALID=0", "PEBBLE_WFE_NONCEREJECT=15", "PEBBLE_AUTHZREUSE=0"), env...)
		c.Stdout, c.Stderr = p.out, p.out
		return c
	}
	server := exec.Command(dnsProgram, "-management", dnsManagement, "-dnsserver", dns, "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	open(t, dnsManagement)
	return p
}

// run runs the authority until the test ends, or halt.
func (p *pebble) run(t *testing.T) *pebble {
	t.Helper()
	p.running = p.command()
	if err := p.running.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.halt)
	open(t, strings.TrimSuffix(strings.TrimPrefix(p.directory, "https://"), "/dir"))
	return p
}

func (p *pebble) halt() {
	if p.running != nil {
		_ = p.running.Process.Kill()
		_ = p.running.Wait()
		p.running = nil
	}
}

// orders is how many were made.
func (p *pebble) orders() int { return strings.Count(p.out.String(), "orders in the db") }

// say tells the name server something, such as set-default-ipv4.
func (p *pebble) say(t *testing.T, what string, body map[string]string) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Post("http://"+p.dns+"/"+what, "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

// open waits until somebody listens.
func open(t *testing.T, address string) {
	t.Helper()
	eventually(t, "nobody listens on "+address, func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// eventually waits for a state.
func eventually(t *testing.T, otherwise string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
	}
}

// certified is a gateway whose certificates are from an authority.
type certified struct {
	*gateway.Gateway
	log     *transcript
	address string // of the listener that speaks TLS
	storage string
}

// certify runs a gateway whose listener with TLS is at tlsAt, and one in clear at httpAt if that is not empty. acme are further keys of the section.
func (p *pebble) certify(t *testing.T, tlsAt, httpAt, storage, acme, routes string) *certified {
	t.Helper()
	clear := ""
	if httpAt != "" {
		clear = fmt.Sprintf(", {address: %q}", httpAt)
	}
	text := fmt.Sprintf("version: 1\nadmin: 127.0.0.1:0\naccess_log: \"off\"\nlisten: [{address: %q, tls: auto}%s]\nacme: {directory: %q, ca: %q, storage: %q, email: admin@example.com, %s}\nroutes: [%s]\npools: {web: {endpoints: [%q]}}\n",
		tlsAt, clear, p.directory, p.ca, storage, acme, routes, httpOrigin(t, "x"))
	c := &certified{log: &transcript{}, address: tlsAt, storage: storage}
	load := func() (*config.Config, config.Problems) {
		return config.Parse("test.yaml", []byte(text), config.Options{})
	}
	cfg, problems := load()
	if cfg == nil {
		t.Fatal(problems, text)
	}
	var err error
	c.Gateway, err = gateway.New(cfg, gateway.Options{
		Store: store.Nowhere, Stdout: io.Discard, Stderr: io.Discard, Load: load, Version: "test", Log: slog.New(slog.NewTextHandler(c.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Start()
	return c
}

// end stops the gateway.
func (c *certified) end(t *testing.T) {
	if !c.Stop(0, patience) {
		t.Error("the gateway did not stop cleanly")
	}
	if t.Failed() {
		t.Log(c.log.String())
	}
}

// shown is the certificate that a handshake for the name ends with.
func (c *certified) shown(t *testing.T, name string) (*x509.Certificate, error) {
	t.Helper()
	d := net.Dialer{Timeout: patience}
	nc, err := tls.DialWithDialer(&d, "tcp", c.address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	return nc.ConnectionState().PeerCertificates[0], nil
}

// awaitCertificate waits for the certificate of a name.
func (c *certified) awaitCertificate(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	for end := time.Now().Add(2 * patience); ; time.Sleep(100 * time.Millisecond) {
		cert, err := c.shown(t, name)
		if err == nil && cert.VerifyHostname(name) == nil {
			return cert
		}
		if time.Now().After(end) {
			t.Fatalf("no certificate for %s: %v\n%s", name, err, c.log)
		}
	}
}

// awaitLog waits for a line of the log that has all the words.
func (c *certified) awaitLog(t *testing.T, words ...string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		for line := range strings.Lines(c.log.String()) {
			n := 0
			for _, w := range words {
				if strings.Contains(line, w) {
					n++
				}
			}
			if n == len(words) {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("no line of the log has %q\n%s", words, c.log)
		}
	}
}
