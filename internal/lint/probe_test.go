package lint

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// probe lints a configuration of nginx with {ADDRESS} in it, and asks.
func probe(t *testing.T, conf, address string) []Finding {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nginx.conf")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(conf, "{ADDRESS}", address)), 0o644); err != nil {
		t.Fatal(err)
	}
	top, err := topology.Read(context.Background(), []string{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Lint(context.Background(), top)
	if err != nil {
		t.Fatal(err)
	}
	all, err = Probe(context.Background(), top, all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func listening(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func has(all []Finding, rule string, severity Severity) bool {
	return slices.ContainsFunc(all, func(f Finding) bool { return f.Rule == rule && f.Severity == severity })
}

const plainConf = "http { server { listen 80; location / { proxy_pass http://{ADDRESS}; proxy_set_header Host shop.test; } } }"

func TestProbeClosedPort(t *testing.T) {
	l := listening(t)
	address := l.Addr().String()
	l.Close()
	if all := probe(t, plainConf, address); !has(all, "probe-port-closed", Fault) {
		t.Errorf("a closed port is not found: %+v", all)
	}
}

func TestProbeMissingSocket(t *testing.T) {
	if all := probe(t, plainConf, "unix:"+t.TempDir()+"/none.sock"); !has(all, "probe-port-closed", Fault) {
		t.Errorf("a missing socket is not found: %+v", all)
	}
}

func TestProbeScheme(t *testing.T) {
	l := listening(t)
	serve(t, tls.NewListener(l, tlsFor(t, "")), http.NotFoundHandler())
	if all := probe(t, plainConf, l.Addr().String()); !has(all, "probe-scheme-wrong", Fault) {
		t.Errorf("TLS at a port that is asked in clear is not found: %+v", all)
	}
	plain := listening(t)
	serve(t, plain, http.NotFoundHandler())
	if all := probe(t, strings.ReplaceAll(plainConf, "http://", "https://"), plain.Addr().String()); !has(all, "probe-scheme-wrong", Fault) {
		t.Errorf("HTTP in clear at a port that is asked by TLS is not found: %+v", all)
	}
	if all := probe(t, plainConf, plain.Addr().String()); len(all) != 0 {
		t.Errorf("the right scheme: %+v", all)
	}
}

func TestProbeHead(t *testing.T) {
	l := listening(t)
	asked := make(chan string, 4)
	serve(t, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Host
		w.Header().Set("X-Filler", strings.Repeat("x", 5000))
	}))
	if all := probe(t, plainConf, l.Addr().String()); !has(all, "probe-head-too-large", Fault) {
		t.Errorf("large headers are not found: %+v", all)
	}
	if host := <-asked; host != "shop.test" {
		t.Errorf("asked for %q", host)
	}
}

// idleServer closes a connection that is idle for longer, and says so before if it is told to.
func idleServer(t *testing.T, idle time.Duration, header string) string {
	t.Helper()
	l := listening(t)
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					_ = c.SetReadDeadline(time.Now().Add(idle))
					request, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					request.Body.Close()
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\nok", header)
				}
			}()
		}
	}()
	return l.Addr().String()
}

const keptConf = `http { upstream app { server {ADDRESS}; keepalive 4; keepalive_timeout 1s; }
server { listen 80; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host shop.test; } } }`

func TestProbeIdle(t *testing.T) {
	if all := probe(t, keptConf, idleServer(t, 200*time.Millisecond, "")); !has(all, "keepalive-race", Fault) {
		t.Errorf("an application that closes sooner is not found: %+v", all)
	}
	if all := probe(t, keptConf, idleServer(t, time.Minute, "")); len(all) != 0 {
		t.Errorf("one that closes later: %+v", all)
	}
	if all := probe(t, keptConf, idleServer(t, 200*time.Millisecond, "Connection: close\r\n")); len(all) != 0 {
		t.Errorf("one that says so: %+v", all)
	}
}

func TestProbeEnds(t *testing.T) {
	l := listening(t) // accepted by nobody: an answer never comes
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	file := filepath.Join(t.TempDir(), "nginx.conf")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(plainConf, "{ADDRESS}", l.Addr().String())), 0o644); err != nil {
		t.Fatal(err)
	}
	top, err := topology.Read(context.Background(), []string{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Probe(ctx, top, nil); err == nil {
		t.Error("it went on")
	}
}

// TestSettle: what was seen makes a fault of a risk, or takes it away.
func TestSettle(t *testing.T) {
	shop := selfSigned(t, "shop.test")
	f := Finding{Rule: "nginx-sni-off", Severity: Risk, about: &target{&route{}, &upstream{Host: "shop.test"}}}
	if cert, err := x509Of(shop); err != nil || f.settle(&found{shook: true, cert: cert}) {
		t.Errorf("a handshake without a name went well, and the risk stays: %v", err)
	}
	if !f.settle(&found{shook: true, without: fmt.Errorf("unrecognized name")}) || f.Severity != Fault {
		t.Errorf("a handshake without a name failed, and the risk is a %v", f.Severity)
	}
	a := Finding{Rule: "apache-peer-name", Severity: Risk, about: &target{&route{}, &upstream{Host: "127.0.0.1"}}}
	if cert, err := x509Of(shop); err != nil || !a.settle(&found{cert: cert}) || a.Severity != Fault {
		t.Errorf("a certificate without the address: %v, %v", a.Severity, err)
	}
}
