//go:build linux

package gateway_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// startH3 runs a gateway whose listener speaks HTTP/3 too. more has further keys of tls.
func startH3(t *testing.T, endpoint, cert, key, more string) *started {
	t.Helper()
	section := fmt.Sprintf(`:0", h3: on, tls: {cert: %s, key: %s%s}}`, cert, key, more)
	return startText(t, strings.Replace(pool("127.0.0.1:0", endpoint, ""), `:0"}`, section, 1))
}

// h3Client is a client of HTTP/3 with a connection of its own.
func h3Client(t *testing.T, name string, mine ...tls.Certificate) *http.Client {
	t.Helper()
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: name, Certificates: mine}}
	t.Cleanup(func() { _ = transport.Close() })
	return &http.Client{Transport: transport, Timeout: patience}
}

// got is an answer's status and body.
func got(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// Answers over TLS name the port of HTTP/3, which is there then; a reload changes routes and certificates without a connection being
// lost, and takes HTTP/3 away or brings it.
func TestH3Reload(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "first.example.com")
	other, otherKey, _ := serverCertificate(t, "second.example.com")
	g := startH3(t, httpOrigin(t, "one"), cert, key, "")
	url := "https://" + g.address
	_, port, _ := net.SplitHostPort(g.address)
	over := func() string { // HTTP/2, by a connection of its own
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		res, _ := got(t, &http.Client{Transport: transport, Timeout: patience}, url)
		return res.Header.Get("Alt-Svc")
	}
	if alt := over(); alt != `h3=":`+port+`"; ma=86400` {
		t.Errorf("Alt-Svc %q", alt)
	}
	c := h3Client(t, "first.example.com")
	res, text := got(t, c, url)
	if text != "one" || res.ProtoMajor != 3 || res.Header.Get("Alt-Svc") != "" || res.TLS.PeerCertificates[0].Subject.CommonName != "first.example.com" {
		t.Errorf("%s %q, Alt-Svc %q", res.Proto, text, res.Header.Get("Alt-Svc"))
	}

	before := g.text
	g.text = strings.Replace(g.text, httpAddress(g.text), httpOrigin(t, "two"), 1)
	g.text = strings.Replace(strings.Replace(g.text, cert, other, 1), key, otherKey, 1)
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, text := got(t, c, url); text != "two" {
		t.Errorf("after a reload: %q", text)
	}
	if res, _ := got(t, h3Client(t, "second.example.com"), url); res.TLS.PeerCertificates[0].Subject.CommonName != "second.example.com" {
		t.Errorf("a new connection is shown %s", res.TLS.PeerCertificates[0].Subject)
	}
	if res, _ := got(t, c, url); res.TLS.PeerCertificates[0].Subject.CommonName != "first.example.com" {
		t.Error("the connection was another one")
	}

	g.text = strings.Replace(before, "h3: on", "h3: off", 1)
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if alt := over(); alt != "" {
		t.Errorf("without HTTP/3: Alt-Svc %q", alt)
	}
	deadline := time.Now().Add(patience)
	for { // the port is free when what was under way has ended
		if l, err := net.ListenPacket("udp", g.address); err == nil {
			_ = l.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the UDP port stays taken")
		}
		time.Sleep(5 * time.Millisecond)
	}
	g.text = before
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, text := got(t, h3Client(t, "first.example.com"), url); text != "one" || over() == "" {
		t.Errorf("with HTTP/3 again: %q", text)
	}
}

// httpAddress is the first http:// URL of a text.
func httpAddress(text string) string {
	from := strings.Index(text, "http://")
	return text[from : from+strings.IndexByte(text[from:], '"')]
}

// While the configuration is loaded again and again, no request is lost.
func TestH3ReloadLosesNothing(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "first.example.com")
	g := startH3(t, httpOrigin(t, "one"), cert, key, "")
	c := h3Client(t, "first.example.com")
	got(t, c, "https://"+g.address)
	var asked, failed atomic.Int64
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			asked.Add(1)
			res, err := c.Get("https://" + g.address)
			if err != nil || res.StatusCode != 200 {
				failed.Add(1)
				continue
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	}()
	for i := range 10 {
		g.text = strings.Replace(g.text, "access_log: \"off\"", fmt.Sprintf("name: n%d\naccess_log: \"off\"", i), 1)
		before := asked.Load()
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		g.text = strings.Replace(g.text, fmt.Sprintf("name: n%d\n", i), "", 1)
		for deadline := time.Now().Add(patience); asked.Load() < before+3 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	<-done
	if failed.Load() > 0 || asked.Load() < 30 {
		t.Errorf("%d of %d requests failed", failed.Load(), asked.Load())
	}
}

// Client certificates are wanted, refused and passed on as over TCP.
func TestH3ClientCertificates(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "first.example.com")
	clients := newAuthority(t, "clients", nil)
	alice, stranger := clients.issue(t, "alice", nil), newAuthority(t, "strangers", nil).issue(t, "mallory", nil)
	subjects := make(chan string, 10)
	u := listen(t, func(p *peer) {
		for {
			r, err := http.ReadRequest(p.r)
			if err != nil {
				return
			}
			subjects <- r.Header.Get(subjectHeader)
			_, _ = io.WriteString(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	g := startH3(t, "http://"+u.address, cert, key, ", client_ca: "+clients.file)
	if _, text := got(t, h3Client(t, "first.example.com", alice), "https://"+g.address); text != "ok" {
		t.Errorf("%q", text)
	}
	if s := <-subjects; s != "CN=alice" {
		t.Errorf("the upstream is told %q", s)
	}
	if _, err := h3Client(t, "first.example.com").Get("https://" + g.address); err == nil {
		t.Error("a client without a certificate is served")
	}
	show := h3Client(t, "first.example.com")
	show.Transport.(*http3.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &stranger, nil }
	if _, err := show.Get("https://" + g.address); err == nil {
		t.Error("a client whose certificate does not verify is served")
	}
}

// A name that neither a route nor the certificate has is answered with 421, one that only the routes lack with 404.
func TestH3Misdirected(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "first.example.com")
	section := fmt.Sprintf(`:0", h3: on, tls: {cert: %s, key: %s}}`, cert, key)
	text := strings.Replace(pool("127.0.0.1:0", httpOrigin(t, "one"), ""), `:0"}`, section, 1)
	g := startText(t, strings.Replace(text, "{pool: web}", "{host: shop.example.com, pool: web}", 1))
	c := h3Client(t, "first.example.com")
	for host, want := range map[string]int{"shop.example.com": 200, "first.example.com": 404, "other.example.com": 421} {
		r, _ := http.NewRequest("GET", "https://"+g.address, nil)
		r.Host = host
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, res.StatusCode, want)
		}
	}
}

// Somebody else's implementation is served, and resumes its session.
func TestH3WithNgtcp2(t *testing.T) {
	program, err := exec.LookPath("gtlsclient")
	if err != nil {
		t.Skip("gtlsclient is not installed (Debian: ngtcp2-client)")
	}
	t.Parallel()
	cert, key, _ := serverCertificate(t, "localhost")
	g := startH3(t, httpOrigin(t, strings.Repeat("hello from afar ", 5000)), cert, key, "")
	host, port, _ := net.SplitHostPort(g.address)
	session := filepath.Join(t.TempDir(), "session.pem")
	for name, args := range map[string][]string{
		"plain": nil, "many": {"-n", "20"}, "key update": {"--key-update=1ms", "-n", "20"}, "migration": {"--change-local-addr=1ms", "-n", "20"},
		"loss": {"-t", "0.05", "-r", "0.05", "-n", "5"},
	} {
		askNgtcp2(t, program, name, append(args, host, port, "https://localhost/"))
	}
	shake := regexp.MustCompile(`frm rx \d+ Handshake CRYPTO\(0x06\) offset=\d+ len=(\d+)`)
	var sizes []int // of what the server says in the handshake: a resumed one has no certificate
	for _, name := range []string{"first", "resumed"} {
		text := askNgtcp2(t, program, name, []string{"--session-file=" + session, "--disable-early-data", host, port, "https://localhost/"})
		size := 0
		for _, m := range shake.FindAllStringSubmatch(text, -1) {
			n, _ := strconv.Atoi(m[1])
			size += n
		}
		sizes = append(sizes, size)
	}
	if sizes[0] == 0 || sizes[1] == 0 || sizes[1] > sizes[0]/2 {
		t.Errorf("the handshakes have %d bytes: the second one is not resumed", sizes)
	}
}

// askNgtcp2 runs gtlsclient, which must get whole answers.
func askNgtcp2(t *testing.T, program, name string, args []string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, append([]string{"--exit-on-all-streams-close", "--timeout=20s"}, args...)...)
	out, err := c.CombinedOutput()
	text := string(out)
	if err != nil || !strings.Contains(text, "[:status: 200]") || !strings.Contains(text, "hello from afar") && !strings.Contains(text, "ello from") {
		t.Errorf("%s: %v\n%.3000s", name, err, text)
	}
	return text
}

// A listener that a reload takes away answers what it has taken, over HTTP/3 as over TCP.
func TestH3ListenerGoes(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "first.example.com")
	there, release := make(chan bool, 1), make(chan bool)
	u := listen(t, func(p *peer) {
		if _, err := http.ReadRequest(p.r); err != nil {
			return
		}
		there <- true
		<-release
		_, _ = io.WriteString(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	g := startH3(t, "http://"+u.address, cert, key, "")
	answered := make(chan error, 1)
	c, url := h3Client(t, "first.example.com"), "https://"+g.address
	go func() {
		res, err := c.Get(url)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		answered <- err
	}()
	<-there
	g.text = strings.Replace(g.text, "127.0.0.1:0", "127.0.0.2:0", 1)
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// A listener of every IPv4 address takes no IPv6, over TCP and over UDP: whoever writes 0.0.0.0 has told us no more.
func TestListenersFamily(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "first.example.com")
	section := fmt.Sprintf(`address: "0.0.0.0:0", h3: on, tls: {cert: %s, key: %s}}`, cert, key)
	g := startText(t, strings.Replace(pool("127.0.0.1:0", httpOrigin(t, "one"), ""), `address: "127.0.0.1:0"}`, section, 1))
	_, port, _ := net.SplitHostPort(g.address)
	if c, err := net.Dial("tcp", "[::1]:"+port); err == nil {
		_ = c.Close()
		t.Error("it takes IPv6 over TCP")
	}
	if l, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Log("this machine has no IPv6")
	} else {
		_ = l.Close()
		l, err = net.ListenPacket("udp6", "[::1]:"+port)
		if err == nil {
			_ = l.Close()
		} else {
			t.Errorf("it has the UDP port of IPv6: %v", err)
		}
	}
	if _, text := got(t, h3Client(t, "first.example.com"), "https://127.0.0.1:"+port); text != "one" {
		t.Errorf("over HTTP/3: %q", text)
	}
}
