//go:build linux

package diagnose_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
)

// kinds are the scenarios that show each kind of thing that a report must tell. Each has six at least.
var kinds = map[string][]string{
	"the object is named": {"answer Varnish behind Cloudflare", "answer Envoy behind Cloudflare", "answer nginx behind Cloudflare", "answer nginx behind CloudFront", "answer ALB without a target", "answer Istio", "answer Fly", "answer ngrok"},
	"the page's own words are read": {
		"answer Apache's 502", "answer Envoy's errno", "answer Squid's errno", "answer Traffic Server", "answer h2o", "answer a cached error", "answer a cached error of CloudFront", "answer Vercel's function",
		"answer Whygate's TLS port", "answer another's TLS port",
	},
	"the chain is followed": {
		"chain leads to a dead port", "chain leads to an error", "chain leads to no name", "chain goes in a circle", "chain of two that is fine", "chain to a login page", "chain has no place",
	},
	"statistics": {
		"at times one of two is 500", "at times one of three is 500", "at times one of three is 502", "at times one of four hangs up", "at times one of five works", "at times one of two is slow", "one of three SYNs is lost",
	},
	"who refused, and where packets die": {
		"way to nobody's port", "way to nobody's port by IPv6", "way to another address of the host", "way to a full queue", "way to a queue with room", "way to a dead socket", "way to a file",
	},
	"on the gateway's machine": {
		"here HAProxy is well", "here HAProxy has one of two servers", "here HAProxy has no server", "here HAProxy's server is taken out", "here HAProxy's check is wrong", "here nginx is well",
		"here an upstream's queue is full", "here nginx's worker is stopped",
	},
	"no wrong maker, no false health": {
		"answer Apache's stock 503", "answer Express passes a 502 on", "answer a Deno program", "answer lighttpd's 500 is no error", "answer frps", "answer the default backend", "answer a pool that is stopped",
	},
	"another protocol": {
		"port speaks FastCGI", "port speaks uwsgi", "port speaks AJP", "port speaks HTTP/2 in clear", "port wants a PROXY header", "port hangs up on everything", "port answers both ways",
	},
	"a 200 is not yet health": {
		"answer nginx's default page", "answer Apache's default page", "answer a parked domain", "answer another site's cookie", "answer maintenance with 200", "answer gzip cut short", "answer nginx's 502 with 200",
	},
	"codes that are decisions": {"answer 451", "answer 407", "answer 511", "answer 429 of a CDN", "answer Cloudflare's 1020", "answer a challenge", "answer a challenge of AWS"},
	"healthy look-alikes": {
		"answer a slow but steady page", "chain of two that is fine", "chain to a login page", "answer a page about TLS ports", "answer a 400 about a URL's scheme", "answer an article on maintenance", "answer a file that is gzip",
		"here HAProxy is well", "here nginx is well", "way to a queue with room", "answer a site's second name", "port answers both ways",
	},
}

// least is how many scenarios each kind has at least, and looksFine how many of those that only look like faults.
const least, looksFine = 6, 8

// holdsKinds reports the kinds that have too few scenarios, a name that no scenario has, and a look-alike that is none.
func holdsKinds(t *testing.T, all []played) {
	t.Helper()
	known := map[string]*played{}
	for i := range all {
		known[all[i].name] = &all[i]
	}
	for kind, names := range kinds {
		if len(names) < least || kind == "healthy look-alikes" && len(names) < looksFine {
			t.Errorf("%s: %d scenarios", kind, len(names))
		}
		for _, name := range names {
			switch p := known[name]; {
			case p == nil && needsProgram(name):
			case p == nil:
				t.Errorf("%s: no scenario is named %q", kind, name)
			case kind == "healthy look-alikes" && len(p.want) > 0:
				t.Errorf("%q is no healthy one", name)
			}
		}
	}
}

// needsProgram reports whether a scenario is played only where a program, IPv6 or a module of the kernel is there.
func needsProgram(name string) bool {
	return strings.HasPrefix(name, "here ") || strings.Contains(name, "SYNs") || strings.Contains(name, "IPv6")
}

// chains walks to redirects.
func (h *house) chains() (all []played) {
	serve := func(handler http.HandlerFunc) string {
		s := httptest.NewServer(handler)
		h.t.Cleanup(s.Close)
		return s.URL
	}
	to := func(place string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if place != "" {
				w.Header().Set("Location", place)
			}
			w.WriteHeader(http.StatusFound)
		}
	}
	add := func(name, url string, want ...fault.Cause) {
		all = append(all, played{name: "chain " + name, options: diagnose.Options{URL: url, Timeout: straightTime, Budget: diagnose.DefaultBudget}, want: want})
	}
	fine := serve(status(200))
	add("leads to a dead port", serve(to("http://127.0.0.1:9/")), fault.CauseConnectionRefused)
	add("leads to an error", serve(to(serve(status(500)))), fault.CauseApplicationError)
	add("leads to no name", serve(to("http://nobody.invalid/")), fault.CauseDNSNXDomain, fault.CauseDNSRefused)
	add("has no place", serve(to("")), fault.CauseRouteBroken)
	circle := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", map[string]string{"/": "/a", "/a": "/b"}[r.URL.Path])
		if r.URL.Path == "/b" {
			w.Header().Set("Location", "/a")
		}
		w.WriteHeader(http.StatusFound)
	}))
	h.t.Cleanup(circle.Close)
	add("goes in a circle", circle.URL, fault.CauseRedirectLoop)
	add("of two that is fine", serve(to(serve(to(fine)))))
	add("to a login page", serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			fmt.Fprintln(w, "<html><title>Sign in</title><form method=post><input name=password type=password></form></html>")
			return
		}
		to("/login?next=/")(w, r)
	}))
	return all
}

// ways walks to ports and sockets of this machine that refuse in different ways.
func (h *house) ways() (all []played) {
	add := func(name, url string, want ...fault.Cause) {
		all = append(all, played{name: "way to " + name, options: diagnose.Options{URL: url, Timeout: straightTime, Budget: diagnose.DefaultBudget}, want: want})
	}
	add("nobody's port", "http://"+freeAddress(h.t)+"/", fault.CauseConnectionRefused)
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		_ = l.Close()
		add("nobody's port by IPv6", "http://"+l.Addr().String()+"/", fault.CauseConnectionRefused)
	}
	s := httptest.NewServer(status(200))
	h.t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	add("another address of the host", "http://127.0.0.2:"+port+"/", fault.CauseConnectionRefused)
	add("a full queue", "http://"+h.queue(0, 3)+"/", fault.CauseConnectTimeout, fault.CauseWorkersBusy)
	waiting := httptest.NewUnstartedServer(status(200))
	waiting.Start()
	h.t.Cleanup(waiting.Close)
	for range 3 {
		if c, err := net.Dial("tcp", waiting.Listener.Addr().String()); err == nil {
			h.t.Cleanup(func() { _ = c.Close() })
		}
	}
	add("a queue with room", waiting.URL)
	dir := h.t.TempDir()
	dead, file := filepath.Join(dir, "s"), filepath.Join(dir, "f")
	if l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead}); err == nil {
		l.SetUnlinkOnClose(false)
		_ = l.Close()
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		h.t.Fatal(err)
	}
	add("a dead socket", "unix:"+dead, fault.CauseConnectionRefused)
	add("a file", "unix:"+file, fault.CauseConnectionRefused)
	return all
}

// queue is a port that nobody accepts at, with so many connections that wait.
func (h *house) queue(backlog, waiting int) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		h.t.Fatal(err)
	}
	if err := syscall.Listen(fd, backlog); err != nil {
		h.t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		h.t.Fatal(err)
	}
	at := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range waiting {
		if c, err := net.DialTimeout("tcp", at, 100*time.Millisecond); err == nil {
			h.t.Cleanup(func() { _ = c.Close() })
		}
	}
	return at
}

// protocols walks to ports that speak something else than HTTP/1.1, and to some that only look so.
func (h *house) protocols() (all []played) {
	const plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
	add := func(name string, answers map[string]string, want ...fault.Cause) {
		all = append(all, played{name: "port " + name, options: diagnose.Options{URL: "http://" + h.speaks(answers) + "/", Timeout: straightTime, Budget: diagnose.DefaultBudget}, want: want})
	}
	add("speaks FastCGI", map[string]string{"\x01\x09": "\x01\x0a\x00\x00\x00\x00\x00\x00"}, fault.CauseWrongService)
	add("speaks uwsgi", map[string]string{"\x64\x00": "\x64\x00\x00\x00"}, fault.CauseWrongService)
	add("speaks AJP", map[string]string{"\x12\x34": "AB\x00\x01\x09"}, fault.CauseWrongService)
	add("speaks HTTP/2 in clear", map[string]string{"PRI ": "\x00\x00\x00\x04\x00\x00\x00\x00\x00"}, fault.CauseHTTP1OnHTTP2Port)
	add("wants a PROXY header", map[string]string{"PROXY": plain}, fault.CauseProxyProtocolMismatch)
	add("hangs up on everything", nil, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer)
	add("answers both ways", map[string]string{"GET": plain, "HEAD": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n", "PRI ": "\x00\x00\x00\x04\x00\x00\x00\x00\x00"})
	return all
}

// speaks is a port that answers what begins with one of the octets, and hangs up on everything else.
func (h *house) speaks(answers map[string]string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = l.Close() })
	go func() { // ends when the listener is closed
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection, or with its deadline
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				in := bufio.NewReader(c)
				first, err := in.Peek(1)
				if err != nil {
					return
				}
				head, _ := in.Peek(max(in.Buffered(), 1))
				for begins, answer := range answers {
					if begins[0] == first[0] && strings.HasPrefix(string(head), begins) {
						_, _ = in.Discard(in.Buffered())
						_, _ = c.Write([]byte(answer))
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// more are the scenarios of this file.
func (h *house) more() []played { return slices.Concat(h.chains(), h.ways(), h.protocols()) }
