package lint

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// stage is where one side of a proof plays.
type stage struct {
	dir   string
	posts atomic.Int64 // that upstreams got
}

// upstream starts an upstream, and gives its port; of a unix socket, its path. The kinds:
//
//	ok              answers 200; /err is answered with 500, /slow after two seconds
//	refused         nothing listens
//	late TIME       nothing listens before that
//	slow TIME       answers after it
//	only PATH       answers 404 to another path
//	host NAME       answers 421 to another Host
//	head BYTES      answers with so large a header
//	once-error      answers the first request with 500
//	websocket       answers 101 to a right handshake, 426 to another
//	no-options      answers 405 to OPTIONS
//	race TIME       closes on a request that comes on a connection that was idle for longer
//	tls [NAME]      answers by TLS, with SNI NAME only
//	tls443          the same at port 443 of 127.0.0.77
//
// Each POST that an upstream gets is counted.
func (s *stage) upstream(t *testing.T, kind, name string) string {
	t.Helper()
	word, arg, _ := strings.Cut(kind, " ")
	if word == "refused" {
		return freePort(t)
	}
	network, address := "tcp", "127.0.0.1:0"
	switch {
	case name == "unix":
		network, address = "unix", filepath.Join(s.dir, "app.sock")
	case word == "tls443":
		address = "127.0.0.77:443"
	case word == "late":
		address = "127.0.0.1:" + freePort(t)
	}
	if word == "late" {
		d := lasting(t, arg)
		timer := time.AfterFunc(d, func() {
			if l, err := net.Listen(network, address); err == nil {
				serve(t, l, s.handler(t, "ok", ""))
			}
		})
		t.Cleanup(func() { timer.Stop() })
		return address[strings.LastIndexByte(address, ':')+1:]
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("%s: %v", address, err)
	}
	if network == "unix" {
		if err := os.Chmod(address, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	result := address
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		result = strconv.Itoa(a.Port)
	}
	switch word {
	case "race":
		raceServer(t, l, lasting(t, arg))
		return result
	case "tls", "tls443":
		l = tls.NewListener(l, tlsFor(t, arg))
		word = "ok"
	}
	serve(t, l, s.handler(t, word, arg))
	return result
}

func lasting(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func serve(t *testing.T, l net.Listener, h http.Handler) {
	s := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.Serve(l) }() // ends with Close
	t.Cleanup(func() { s.Close() })
}

func (s *stage) handler(t *testing.T, word, arg string) http.Handler {
	t.Helper()
	var asked atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		if r.Method == http.MethodPost {
			s.posts.Add(1)
		}
		switch {
		case r.URL.Path == "/err" || word == "once-error" && asked.Add(1) == 1:
			status = http.StatusInternalServerError
		case r.URL.Path == "/slow":
			time.Sleep(2 * time.Second) // what it is asked for
		case word == "slow":
			d, _ := time.ParseDuration(arg)
			time.Sleep(d)
		case word == "only" && r.RequestURI != arg:
			status = http.StatusNotFound
		case word == "host" && r.Host != arg:
			status = http.StatusMisdirectedRequest
		case word == "no-options" && r.Method == http.MethodOptions:
			status = http.StatusMethodNotAllowed
		case word == "head":
			n, _ := strconv.Atoi(arg)
			w.Header().Set("X-Filler", strings.Repeat("x", n))
		case word == "websocket":
			if r.ProtoMinor == 1 && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
				w.Header().Set("Upgrade", "websocket")
				w.Header().Set("Connection", "Upgrade")
				w.Header().Set("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
				status = http.StatusSwitchingProtocols
			} else {
				status = http.StatusUpgradeRequired
			}
		}
		w.WriteHeader(status)
		if status != http.StatusSwitchingProtocols {
			fmt.Fprintln(w, "hello")
		}
	})
}

// raceServer answers one connection's requests, and closes where one comes later than the connection may be idle.
func raceServer(t *testing.T, l net.Listener, idle time.Duration) {
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer c.Close()
				r := bufio.NewReader(c)
				for last := time.Now(); ; last = time.Now() {
					_ = c.SetDeadline(time.Now().Add(30 * time.Second))
					request, err := http.ReadRequest(r)
					if err != nil || time.Since(last) > idle {
						return
					}
					request.Body.Close()
					if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")); err != nil {
						return
					}
				}
			}()
		}
	}()
}

// nameServer answers every name with 127.0.0.1, and gives its address.
func nameServer(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: c, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }() // ends with Shutdown
	t.Cleanup(func() { _ = s.Shutdown() })
	return c.LocalAddr().String()
}

func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// gunicornOf runs gunicorn with the proof's settings: /slow takes two seconds.
func gunicornOf(t *testing.T, dir string) {
	t.Helper()
	if _, err := exec.LookPath("gunicorn"); err != nil {
		t.Skip("gunicorn is not installed")
	}
	const app = "import time\ndef app(env, start):\n    if env['PATH_INFO'] == '/slow':\n        time.sleep(2)\n    start('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n"
	if err := os.WriteFile(filepath.Join(dir, "shop.py"), []byte(app), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gunicorn", "-c", "gunicorn.conf.py", "shop:app")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	for begun := time.Now(); time.Since(begun) < 15*time.Second; time.Sleep(50 * time.Millisecond) { // between looks
		if c, err := net.Dial("unix", filepath.Join(dir, "app.sock")); err == nil {
			c.Close()
			return
		}
	}
	t.Fatal("gunicorn does not listen")
}

// phpOf runs php-fpm with the proof's pool, www.conf.
func phpOf(t *testing.T, dir string) {
	t.Helper()
	program, err := exec.LookPath(packaged["php-fpm"])
	if err != nil {
		t.Skip("php-fpm is not installed")
	}
	pool, err := os.ReadFile(filepath.Join(dir, "www.conf"))
	if err != nil {
		t.Fatal(err)
	}
	main := filepath.Join(dir, "main")
	if err := os.WriteFile(main, append([]byte("[global]\nerror_log = "+dir+"/php.log\n"), pool...), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.php"), []byte("<?php echo 'ok';"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-F", "-y", main)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	for begun := time.Now(); time.Since(begun) < 15*time.Second; time.Sleep(50 * time.Millisecond) { // between looks
		if log, _ := os.ReadFile(dir + "/php.log"); strings.Contains(string(log), "ready to handle connections") {
			return
		}
	}
	t.Fatal("php-fpm is not ready")
}

func x509Of(c tls.Certificate) (*x509.Certificate, error) {
	return x509.ParseCertificate(c.Certificate[0])
}
