package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/term"
)

// demoTimeout bounds one of the demo's requests.
const demoTimeout = 5 * time.Second

func (w *world) demoCommand() *cobra.Command {
	var from, admin string
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A gateway with healthy and failing upstreams, on loopback",
		Long: `Start a gateway in front of two healthy upstreams and one that fails in several ways, send it a little traffic, say what
it answered and why, and stay up to be tried by hand. Everything listens on loopback.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return w.demo(cmd.Context(), from, admin, once) },
	}
	cmd.Flags().StringVar(&from, "from", demoFrom, "`ADDRESS` to listen on")
	cmd.Flags().StringVar(&admin, "admin", "127.0.0.1:9502", "admin `ADDRESS`")
	cmd.Flags().BoolVar(&once, "once", false, "stop after the traffic")
	return cmd
}

func (w *world) demo(ctx context.Context, from, admin string, once bool) error {
	up, err := startDemoUpstreams()
	if err != nil {
		return err
	}
	defer up.close()
	g, err := w.demoGateway(up, from, admin)
	if errors.Is(err, syscall.EADDRINUSE) && from == demoFrom {
		g, err = w.demoGateway(up, "127.0.0.1:0", admin) // something else has the usual port: any other will do
	}
	if err != nil {
		return err
	}
	g.Start()
	defer g.Stop(0, time.Second)
	address := g.Addresses()[0].Address
	fmt.Fprintf(w.stdout, "The gateway listens on http://%s, in front of two healthy upstreams and one that fails.\n\n", address)
	for _, d := range demoRequests {
		if err := w.demoRequest(ctx, g, address, d); err != nil {
			return err
		}
	}
	w.demoHints(g, address)
	if once {
		return nil
	}
	fmt.Fprintln(w.stdout, "It stays up, and some of its traffic goes on failing. Ctrl-C stops it.")
	demoTraffic(ctx, address)
	return nil
}

// The traffic that goes on, and how often some of it fails in a way of its own.
const (
	demoEvery   = 50 * time.Millisecond
	demoFailing = 80 // of so many requests one goes where it fails
)

// demoTraffic sends requests until the context ends: to the healthy pool, to one of which an endpoint crashes now and then, and now and then to one that fails.
func demoTraffic(ctx context.Context, address string) {
	client := &http.Client{Timeout: demoTimeout}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(demoEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		path := []string{"/", "/shop/cart", "/shop/items/" + strconv.Itoa(n)}[n%3]
		if n%demoFailing == demoFailing-1 {
			path = demoRequests[2+n/demoFailing%(len(demoRequests)-2)].path
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			return
		}
		if res, err := client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	}
}

// demoFrom is where the demo listens unless told otherwise.
const demoFrom = "127.0.0.1:8080"

func (w *world) demoGateway(up *demoUpstreams, from, admin string) (*gateway.Gateway, error) {
	cfg, problems := config.Parse("demo.yaml", up.config(from, admin), config.Options{})
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return gateway.New(cfg, gateway.Options{Stdout: io.Discard, Stderr: w.stderr, Version: version(), AnyAdminPort: true})
}

// demoRequests are the demo's traffic: the path, and what the upstream behind it does.
var demoRequests = []struct{ path, what string }{
	{"/", "a healthy pool"},
	{"/stream", "a stream that is slow but alive"},
	{"/race", "a kept-alive connection that the upstream closes under a GET: saved by a retry"},
	{"/refused", "nothing listens on the upstream's port"},
	{"/crash", "the upstream closes the connection without an answer"},
	{"/garbage", "the port speaks another protocol: an SSH server"},
	{"/smuggle", "an answer with Content-Length and Transfer-Encoding"},
	{"/slow", "the upstream does not answer within timeouts.head"},
	{"/cut", "the upstream breaks off in the middle of a body"},
	{"/own-500", "the upstream's own 500: passed through"},
	{"/nowhere", "no route matches"},
}

// demoRequest sends one request and says what came of it.
func (w *world) demoRequest(ctx context.Context, g *gateway.Gateway, address string, d struct{ path, what string }) error {
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	if d.path == "/race" { // the first request makes the connection that the second finds closed
		if res, err := http.Get("http://" + address + d.path); err == nil { //nolint:noctx // on loopback
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	}
	before := g.Incidents(1)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+d.path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, bodyErr := io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	fmt.Fprintf(w.stdout, "GET %-10s %s\n  -> %s", d.path, d.what, res.Status)
	if bodyErr != nil {
		fmt.Fprintf(w.stdout, ", visibly cut short (%v)", bodyErr)
	}
	fmt.Fprintln(w.stdout)
	if p := res.Header.Get("Proxy-Status"); p != "" {
		w.tell("Proxy-Status: " + p)
	}
	for range 100 { // the incident is recorded just after the answer's last octet
		if after := g.Incidents(1); len(after) > 0 && (len(before) == 0 || after[0].ID != before[0].ID) {
			i := after[0]
			w.tell(fmt.Sprintf("%s: %s", i.Cause, i.Sentence))
			w.tell("do: " + i.Advice[0])
			break
		} else if res.StatusCode < 400 && bodyErr == nil && d.path != "/race" || res.StatusCode == 500 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Fprintln(w.stdout)
	return nil
}

// tell prints a line below a request, on a terminal as many as its width asks for.
func (w *world) tell(text string) {
	if term.IsTerminal(w.stdout) {
		text = term.Hang(text, term.New(w.stdout).ReadingWidth()-2, "", "    ")
	}
	fmt.Fprintf(w.stdout, "  %s\n", text)
}

func (w *world) demoHints(g *gateway.Gateway, address string) {
	fmt.Fprintf(w.stdout, "Try it:\n  curl -i http://%s/garbage\n  curl -i -H 'Accept: application/problem+json' http://%s/refused\n", address, address)
	if a := g.Admin(); a != "" {
		fmt.Fprintf(w.stdout, "  curl http://%s/incidents\n  curl http://%s/metrics\n\nSee what failed and why:\n  http://%s/console/\n", a, a, a)
	}
}

// demoUpstreams are the servers behind the demo's gateway.
type demoUpstreams struct {
	healthy []*http.Server
	addrs   []string
	faults  map[string]net.Listener
	shaky   net.Listener // crashes on one request of three
}

// demoFaults are the ways to fail, by path, as a function of a fresh connection whose request head has been read.
var demoFaults = map[string]func(c net.Conn){
	"/crash":   func(net.Conn) {},
	"/garbage": func(c net.Conn) { say(c, "SSH-2.0-OpenSSH_9.6\r\n") },
	"/smuggle": func(c net.Conn) {
		say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	},
	"/slow": func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, // until the gateway hangs up
	"/cut":  func(c net.Conn) { say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this much") },
	"/own-500": func(c net.Conn) {
		say(c, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\noops\n")
	},
	"/race": func(c net.Conn) { // answers once and closes when it is asked again
		say(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n")
		readHead(c)
	},
}

func say(c net.Conn, s string) { _, _ = io.WriteString(c, s) }

func startDemoUpstreams() (*demoUpstreams, error) {
	up := &demoUpstreams{faults: map[string]net.Listener{}}
	for i := range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		s := &http.Server{Handler: healthy(i + 1), ReadHeaderTimeout: demoTimeout}
		up.healthy, up.addrs = append(up.healthy, s), append(up.addrs, l.Addr().String())
		go func() { _ = s.Serve(l) }() // ends with close
	}
	var err error
	if up.shaky, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	var asked atomic.Uint64
	go failOn(up.shaky, func(c net.Conn) { // ends with close
		if asked.Add(1)%3 != 0 {
			say(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhi\n")
		}
	})
	for path, fail := range demoFaults {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		up.faults[path] = l
		go failOn(l, fail) // ends with close
	}
	return up, nil
}

// healthy answers every path; /stream slowly.
func healthy(n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stream" {
			fmt.Fprintf(w, "upstream %d is well\n", n)
			return
		}
		flusher := http.NewResponseController(w)
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = flusher.Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
}

// failOn fails on every connection.
func failOn(l net.Listener, fail func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { // ends when the gateway closes the connection, or at once
			defer c.Close()
			if readHead(c) == nil {
				fail(c)
			}
		}()
	}
}

// readHead reads a request head without a body. It is no parser: the demo's gateway sends well-formed ones.
func readHead(c net.Conn) error {
	b := make([]byte, 0, 4096)
	for {
		n, err := c.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err != nil:
			return err
		case len(b) >= 4 && string(b[len(b)-4:]) == "\r\n\r\n":
			return nil
		case len(b) == cap(b):
			return errors.New("head too large")
		}
	}
}

func (up *demoUpstreams) close() {
	for _, s := range up.healthy {
		_ = s.Close()
	}
	_ = up.shaky.Close()
	for _, l := range up.faults {
		_ = l.Close()
	}
}

// config is the demo's configuration, as a user would write it.
func (up *demoUpstreams) config(from, admin string) []byte {
	out := fmt.Appendf(nil, "version: 1\nname: demo\nlisten:\n  - address: %s\nadmin: %q\naccess_log: \"off\"\nproxy_status: full\nroutes:\n", from, admin)
	for path := range up.faults {
		out = fmt.Appendf(out, "  - {path: %s, pool: %s}\n", path, path[1:])
	}
	out = append(out, "  - {path: /refused, pool: refused}\n  - {path: /, pool: web}\n  - {path: /stream, pool: web}\n  - {path: /shop/*, pool: shop}\npools:\n"...)
	out = fmt.Appendf(out, "  web: {endpoints: [http://%s, http://%s], balance: least-requests}\n", up.addrs[0], up.addrs[1])
	out = fmt.Appendf(out, "  shop: {endpoints: [http://%s, http://%s, http://%s]}\n", up.addrs[0], up.addrs[1], up.shaky.Addr())
	out = append(out, "  refused: {endpoints: [http://127.0.0.1:1]}\n"...)
	for path, l := range up.faults {
		out = fmt.Appendf(out, "  %s: {endpoints: [http://%s], timeouts: {head: 1s}}\n", path[1:], l.Addr())
	}
	return out
}
