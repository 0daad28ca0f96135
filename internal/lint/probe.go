package lint

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// Limits of probing: it asks GET / a few times, from this machine, and waits for nobody long.
const (
	probesMax    = 100 // upstreams that are asked
	probesAtOnce = 8
	probeStep    = 3 * time.Second  // for a name, a connection, a handshake, an answer
	idleMax      = 75 * time.Second // that an idle connection is watched for
	answerMax    = 1 << 20          // bytes of a body that are read
)

// probeRules are found by asking only.
var probeRules = []Rule{
	{
		ID: "probe-name-missing", Severity: Fault, Products: []string{"nginx", "haproxy", "apache", "caddy", "traefik", "envoy", "varnish"}, Causes: []string{"dns-nxdomain"}, Asked: true,
		Title: "An upstream's name does not exist", Happens: "Every request gets 502, and nginx and HAProxy do not start: the name servers of this machine say that there is no such name.",
		Fix: "Write a name that exists.", Source: "the name server's answer, asked with --probe",
	},
	{
		ID: "probe-port-closed", Severity: Fault, Products: []string{"nginx", "haproxy", "apache", "caddy", "traefik", "envoy", "varnish"}, Causes: []string{"connection-refused", "socket-missing"}, Asked: true,
		Title: "Nothing listens at an upstream's address", Happens: "Every request gets 502 (503 of HAProxy, Apache, Envoy and Varnish): the connection was refused, or there is no such socket.",
		Fix: "Start the application, or correct the address.", Source: "the connection, tried with --probe",
	},
	{
		ID: "probe-scheme-wrong", Severity: Fault, Products: []string{"nginx", "haproxy", "apache", "caddy", "traefik", "envoy", "varnish"}, Causes: []string{"plain-http-to-tls-port", "tls-to-plain-http-port"}, Asked: true,
		Title: "An upstream speaks TLS where HTTP in clear is asked, or the other way round", Happens: "Every request fails with 400 or 502.",
		Fix: "Correct the scheme.", Source: "the answer, asked for with --probe",
	},
	{
		ID: "probe-head-too-large", Severity: Fault, Products: []string{"nginx"}, Causes: []string{"head-too-large"}, Asked: true,
		Title: "An upstream's response headers do not fit nginx's buffer", Happens: "The page that was asked for gets 502: \"upstream sent too big header\".",
		Fix: "Raise proxy_buffer_size, and the two that go with it.", Source: "nginx: proxy_buffer_size; the answer, asked for with --probe",
	},
}

// target is an upstream with a route to it.
type target struct {
	route    *route
	upstream *upstream
}

// found is what asking a target showed.
type found struct {
	missing  bool          // the name does not exist
	refused  error         // nothing listens
	wrong    string        // what is spoken there instead
	head     int           // bytes of the response's headers, 0 without an answer
	closed   time.Duration // how long an idle connection stayed
	stayed   time.Duration // the same, where it was not closed in that time
	announce bool          // the answer said that the connection closes
	withName error         // of a handshake with SNI
	without  error         // of a handshake without SNI
	shook    bool          // handshakes were tried
	cert     *x509.Certificate
}

// Probe asks the upstreams what can be asked: whether the name exists, whether somebody listens, what is spoken there, how large the
// response's headers are, how long an idle connection stays, what TLS needs. A risk that was seen becomes a fault, one that was seen not to
// be goes. Containers' names are not asked for: they exist in their network only. The error is the context's.
func Probe(ctx context.Context, t *topology.Topology, all []Finding) ([]Finding, error) {
	targets := probed(t)
	answers := make([]found, len(targets))
	turn := make(chan struct{}, probesAtOnce)
	var wait sync.WaitGroup
	for i := range targets {
		wait.Go(func() { // ends with its steps, which have time limits, or with ctx
			select {
			case turn <- struct{}{}:
				answers[i] = ask(ctx, targets[i])
				<-turn
			case <-ctx.Done():
			}
		})
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	byNode := map[*Node]*found{}
	for i := range targets {
		byNode[targets[i].upstream.Node] = &answers[i]
		all = append(all, targets[i].judge(&answers[i])...)
	}
	var kept []Finding
	for _, f := range all {
		if f.about == nil || byNode[f.about.upstream.Node] == nil || f.settle(byNode[f.about.upstream.Node]) {
			kept = append(kept, f)
		}
	}
	return ordered(kept), nil
}

// probed are the upstreams that can be asked from here, each once.
func probed(t *topology.Topology) (all []target) {
	seen := map[string]bool{}
	for _, p := range t.Proxies {
		if p.Service != nil || p.Product == "ingress-nginx" || p.Tree == nil {
			continue // what runs in containers is reached by other names
		}
		for _, r := range p.Routes {
			for _, u := range r.Members() {
				key := r.SchemeOf(u) + " " + at(u)
				if u.Down || u.Unix == "" && (u.Host == "" || u.Port == "") || strings.ContainsAny(u.Host+u.Unix, "$%{}") || seen[key] || len(all) >= probesMax {
					continue
				}
				seen[key] = true
				all = append(all, target{r, u})
			}
		}
	}
	return all
}

// ask asks one upstream.
func ask(ctx context.Context, t target) (f found) {
	u := t.upstream
	if topology.IsName(u.Host) {
		c, cancel := context.WithTimeout(ctx, probeStep)
		_, err := net.DefaultResolver.LookupHost(c, u.Host)
		cancel()
		var failed *net.DNSError
		if errors.As(err, &failed) {
			f.missing = failed.IsNotFound && strings.Contains(u.Host, ".") // another may be a container's name
			return f
		}
	}
	conn, err := dial(ctx, u)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
			f.refused = err
		}
		return f
	}
	defer conn.Close()
	switch t.route.SchemeOf(u) {
	case "http":
		f.http(ctx, conn, t)
	case "https":
		f.https(ctx, conn, t)
	}
	return f
}

func dial(ctx context.Context, u *upstream) (net.Conn, error) {
	d := net.Dialer{Timeout: probeStep}
	if u.Unix != "" {
		return d.DialContext(ctx, "unix", u.Unix)
	}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(u.Host, u.Port))
}

// http asks in clear, and watches the idle connection where the proxy keeps connections.
func (f *found) http(ctx context.Context, conn net.Conn, t target) {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	r := bufio.NewReaderSize(conn, 64<<10)
	first := f.exchange(conn, r, t)
	if first == "tls" {
		f.wrong = "TLS"
	}
	if f.head == 0 || f.announce || t.route.Keep.Off {
		return
	}
	begun := time.Now()
	watch := min(t.route.Keep.Time+time.Second, idleMax)
	_ = conn.SetReadDeadline(begun.Add(watch))
	_, err := r.ReadByte()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		f.stayed = watch
	case err != nil:
		f.closed = max(time.Since(begun), time.Millisecond)
	}
}

// exchange sends GET / and reads the answer. It says "tls" where that is spoken instead.
func (f *found) exchange(conn net.Conn, r *bufio.Reader, t target) string {
	_ = conn.SetDeadline(time.Now().Add(probeStep))
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nUser-Agent: whygate-lint\r\nAccept: */*\r\n\r\n", hostFor(t)); err != nil {
		return ""
	}
	start, err := r.Peek(1)
	if err == nil && start[0] == 0x15 { // a TLS alert
		return "tls"
	}
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	f.head = headSize(answer)
	f.announce = answer.Close
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerMax))
	if err != nil || len(body) == answerMax {
		f.announce = true // the connection cannot be watched
	}
	if answer.StatusCode == http.StatusBadRequest && strings.Contains(strings.ToLower(string(body)), "https") {
		return "tls"
	}
	return ""
}

// headSize is about how many bytes a response's head has: its lines with their ends.
func headSize(r *http.Response) int {
	n := len(r.Proto) + len(r.Status) + 3 + 2
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n
}

// hostFor is the Host header that the proxy would send.
func hostFor(t target) string {
	switch t.route.Host {
	case topology.HostClient:
		if s := t.route.Server; s != nil {
			for _, name := range s.Names {
				if !strings.ContainsAny(name, "*~_$") && name != "" {
					return name
				}
			}
		}
	case topology.HostTarget:
	default:
		if !strings.ContainsAny(t.route.Host, "$%{} \r\n") {
			return t.route.Host
		}
	}
	if t.upstream.Unix != "" {
		return "localhost"
	}
	return at(t.upstream)
}

// https shakes hands without a name and with it. Nothing is verified here: what the certificate covers is looked at.
func (f *found) https(ctx context.Context, conn net.Conn, t target) {
	shake := func(conn net.Conn, name string) error {
		c, cancel := context.WithTimeout(ctx, probeStep)
		defer cancel()
		client := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		err := client.HandshakeContext(c)
		if err == nil {
			f.cert = client.ConnectionState().PeerCertificates[0]
		}
		return err
	}
	f.shook = true
	f.without = shake(conn, "")
	var plain tls.RecordHeaderError
	if errors.As(f.without, &plain) {
		f.wrong = "HTTP in clear"
		return
	}
	if !topology.IsName(t.upstream.Host) {
		return
	}
	again, err := dial(ctx, t.upstream)
	if err != nil {
		f.withName = err
		return
	}
	defer again.Close()
	f.withName = shake(again, t.upstream.Host)
}

// judge makes findings of what was seen.
func (t *target) judge(f *found) (all []Finding) {
	u := t.upstream
	add := func(id, message, fix string) {
		for i := range probeRules {
			if probeRules[i].ID == id {
				c := &check{rule: &probeRules[i]}
				c.fault(u.Node, message, fix)
				all = append(all, c.found...)
			}
		}
	}
	switch {
	case f.missing:
		add("probe-name-missing", fmt.Sprintf("there is no name %s: asked from this machine.", u.Host), strings.ReplaceAll(u.Node.Words(), u.Host, "NAME"))
	case f.refused != nil:
		add("probe-port-closed", fmt.Sprintf("nothing listens at %s: %v.", at(u), f.refused), u.Node.Words())
	case f.wrong == "TLS":
		add("probe-scheme-wrong", fmt.Sprintf("%s speaks TLS, and is asked by HTTP in clear.", at(u)), tlsFix(t.route, u))
	case f.wrong != "":
		add("probe-scheme-wrong", fmt.Sprintf("%s speaks %s, and is asked by TLS.", at(u), f.wrong), strings.Replace(u.Node.Words(), "https://", "http://", 1))
	}
	if r := t.route; r.Proxy.Product == "nginx" && r.Node.Name == "proxy_pass" && f.head > 0 {
		size := int64(pageSize)
		if n, ok := topology.Size(r.Setting("proxy_buffer_size").Text()); ok {
			size = n
		}
		if int64(f.head) > size {
			add("probe-head-too-large", fmt.Sprintf("the response of %s to GET / has %d bytes of headers, and the buffer %d.", at(u), f.head, size), "proxy_buffer_size 16k;\nproxy_buffers 8 16k;\nproxy_busy_buffers_size 32k;")
		}
	}
	if early := f.closed > 0 && f.closed < t.route.Keep.Time && !t.route.Keep.Off; early {
		for i := range betweenRules {
			if betweenRules[i].ID == "keepalive-race" {
				c := &check{rule: &betweenRules[i]}
				c.fault(place(t.route.Keep, t.route.Node), fmt.Sprintf("%s keeps idle connections to %s for %s, and the application closed one after %s: a POST that is sent in that moment gets %d.",
					called(t.route.Proxy.Product), at(u), shown(t.route.Keep.Time), shown(f.closed.Round(100*time.Millisecond)), lostStatus(t.route)), "let the application keep connections longer")
				all = append(all, c.found...)
			}
		}
	}
	return all
}

// settle makes a fault of a risk that was seen, and reports whether the finding stays.
func (f *Finding) settle(seen *found) bool {
	u := f.about.upstream
	switch f.Rule {
	case "keepalive-race": // what was measured says it better
		return seen.closed == 0 && seen.stayed == 0 && !seen.announce
	case "nginx-sni-off", "haproxy-sni-missing", "envoy-sni-missing":
		switch {
		case !seen.shook || seen.withName != nil:
		case seen.without != nil:
			f.Severity, f.Message = Fault, f.Message+fmt.Sprintf(" It does: without the name, %v.", seen.without)
		case seen.cert != nil:
			return false
		}
	case "apache-peer-name", "traefik-tls-name":
		if seen.cert == nil {
			return true
		}
		if err := seen.cert.VerifyHostname(u.Host); err != nil {
			f.Severity, f.Message = Fault, f.Message+fmt.Sprintf(" It has not: %v.", err)
			return true
		}
		return f.Rule == "traefik-tls-name" // its authority may be unknown all the same
	case "nginx-grpc-by-http1":
		return seen.head == 0
	}
	return true
}
