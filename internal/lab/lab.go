package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultBase is the index's port; the scenarios' follow, in the order of All.
const DefaultBase = 25000

// Options say how a lab is opened.
type Options struct {
	Base    int       // the index's port; 0 takes DefaultBase, -1 any free ports
	Dir     string    // where the authority's certificates are kept; they are made there if they are not
	Network *Network  // the network of namespaces that the scenarios with a Host need; nil leaves those out
	Hit     func(Hit) // told of each request and each failed handshake, on the connection's goroutine; nil for nobody
}

// Hit is one request, or one connection that sent none, that a scenario got.
type Hit struct {
	Time     time.Time
	Scenario string
	From     string
	Request  string // the request line, or what happened instead
}

// Lab is a set of scenarios being served.
type Lab struct {
	Skipped map[string]string // scenarios that are not served, with the reason

	authority *Authority
	stages    map[string]*stage
	index     net.Listener
	hit       func(Hit)
	network   *Network
	dir       string
	sockets   string // the directory of the unix sockets, if the lab has one of its own; empty: dir, and the base in each name
	base      int    // the index's port, 0 or less where any will do

	stop  context.Context
	close context.CancelFunc
	group sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	conns map[net.Conn]bool
}

// stage is one scenario being served.
type stage struct {
	*Scenario
	lab      *Lab
	listener net.Listener // nil where there is none to accept from
	address  string       // host:port, or a unix socket's path
	config   *tls.Config
	requests atomic.Int64
	inflight atomic.Int64
	done     []func() // what ends what the socket needed
}

// end ends the stage's sockets.
func (g *stage) end() {
	if g.listener != nil {
		_ = g.listener.Close()
	}
	for _, end := range g.done {
		end()
	}
	g.done = nil
}

// Open serves the scenarios on loopback, and those that need it in the network. The caller closes the lab.
func Open(scenarios []*Scenario, o Options) (*Lab, error) {
	if o.Base == 0 {
		o.Base = DefaultBase
	}
	a, err := OpenAuthority(o.Dir)
	if err != nil {
		return nil, err
	}
	l := &Lab{
		Skipped: map[string]string{}, authority: a, stages: map[string]*stage{}, hit: o.Hit, network: o.Network, dir: o.Dir,
		base: o.Base, conns: map[net.Conn]bool{},
	}
	l.stop, l.close = context.WithCancel(context.Background())
	if err := l.place(); err != nil {
		l.Close()
		return nil, err
	}
	for i, s := range scenarios {
		if err := l.stageOf(s, portOf(s, i, o.Base)); err != nil {
			l.Close()
			return nil, err
		}
	}
	for _, s := range scenarios {
		l.complete(s, o.Base)
	}
	l.group.Go(l.serveIndex)
	return l, nil
}

// place takes the index's port, before anything that a lab on the same port may have is touched, and makes the directory of
// the sockets, where nobody else has to know their paths.
func (l *Lab) place() (err error) {
	l.index, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(max(l.base, 0))))
	if err != nil {
		return fmt.Errorf("the index port: %w", err)
	}
	if l.base > 0 {
		return nil
	}
	if l.sockets, err = os.MkdirTemp("", "whygate-lab-"); err != nil {
		return err
	}
	return os.Chmod(l.sockets, 0o755) // the proxy may be another user's
}

// portOf is the scenario's port: always the same one after the base, by its place in the list of all, and i for one of a
// caller's own; 0 where any will do.
func portOf(s *Scenario, i, base int) int {
	if base <= 0 {
		return 0
	}
	for n := range all {
		if all[n] == s {
			return base + 1 + n
		}
	}
	return base + 1 + len(all) + i
}

// BaseMax is the last base port that leaves a port for each scenario.
func BaseMax() int { return 1<<16 - 1 - len(all) }

// addressAt is the address that the scenario's upstream has when it is served at that base port.
func (l *Lab) addressAt(s *Scenario, base int) string {
	switch {
	case s.At.Unix != "" && l.sockets != "":
		return filepath.Join(l.sockets, s.Name+".sock")
	case s.At.Unix != "":
		return filepath.Join(l.dir, s.Name+"-"+strconv.Itoa(base)+".sock")
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(portOf(s, 0, base)))
}

// stageOf opens one scenario's socket and serves it.
func (l *Lab) stageOf(s *Scenario, port int) error {
	g := &stage{Scenario: s, lab: l}
	if s.At.Network() && l.network == nil {
		l.Skipped[s.Name] = "it needs the network of namespaces that whygate lab score makes, as root on Linux"
		return nil
	}
	if s.At.TLS != nil {
		config, err := l.authority.server(s.At.TLS)
		if err != nil {
			return fmt.Errorf("scenario %s: %w", s.Name, err)
		}
		g.config = config
	}
	if err := g.open(port); err != nil {
		g.end()
		if errors.Is(err, errUnsupported) {
			l.Skipped[s.Name] = err.Error()
			return nil
		}
		return fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	l.stages[s.Name] = g
	if g.listener != nil {
		l.group.Go(g.serve)
	}
	return nil
}

// complete opens the upstreams that stand beside the scenario's own, where they are not served already.
func (l *Lab) complete(s *Scenario, base int) {
	for _, name := range s.At.Beside {
		if l.stages[name] == nil && l.Skipped[name] == "" {
			if other := Get(name); other != nil {
				if err := l.stageOf(other, portOf(other, 0, base)); err != nil {
					l.Skipped[s.Name] = err.Error()
				}
			}
		}
	}
}

// Close ends every connection and every socket, and waits until nothing runs any more.
func (l *Lab) Close() {
	l.close()
	if l.index != nil {
		_ = l.index.Close()
	}
	for _, g := range l.stages {
		g.end()
	}
	l.mu.Lock()
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.group.Wait()
	if l.sockets != "" {
		_ = os.RemoveAll(l.sockets)
	}
}

// Index is the address of the index port.
func (l *Lab) Index() string { return l.index.Addr().String() }

// Serves reports whether the scenario is being served.
func (l *Lab) Serves(s *Scenario) bool { return l.stages[s.Name] != nil && l.Skipped[s.Name] == "" }

// CA is the file of the authority that signed the upstreams' certificates.
func (l *Lab) CA() string { return filepath.Join(l.dir, caFile) }

// Client is the files of the client certificate that upstreams ask for, and of its key.
func (l *Lab) Client() (certificate, key string) {
	return filepath.Join(l.dir, clientFile), filepath.Join(l.dir, clientKeyFile)
}

// CRL is the file of the authority's list of revoked certificates.
func (l *Lab) CRL() string { return filepath.Join(l.dir, crlFile) }

// Address is where the scenario's own upstream is: host:port as a proxy should dial it, or a unix socket's path.
func (l *Lab) Address(s *Scenario) string {
	if g := l.stages[s.Name]; g != nil {
		return g.address
	}
	return ""
}

// Requests is how many requests the scenario's upstream has got.
func (l *Lab) Requests(s *Scenario) int64 {
	if g := l.stages[s.Name]; g != nil {
		return g.requests.Load()
	}
	return 0
}

// serve accepts until the listener is closed.
func (g *stage) serve() { g.lab.accept(g.listener, g.connection) }

// accept hands over each connection of the listener, until it is closed.
func (l *Lab) accept(from net.Listener, to func(net.Conn)) {
	for {
		c, err := from.Accept()
		if err != nil {
			if l.stop.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(10 * time.Millisecond) // out of descriptors: they come back
			continue
		}
		l.group.Go(func() { to(c) })
	}
}

// connection plays the scenario on one connection.
func (g *stage) connection(c net.Conn) {
	if !g.lab.track(c) {
		return
	}
	defer g.lab.untrack(c)
	raw := &tapped{Conn: c}
	p := &Peer{conn: raw, raw: raw, stage: g, done: g.lab.stop.Done()}
	if g.config != nil {
		t := tls.Server(raw, g.config)
		_ = t.SetDeadline(time.Now().Add(holdMax))
		if err := t.HandshakeContext(g.lab.stop); err != nil {
			g.tell(c, "handshake failed: "+err.Error())
			p.close()
			return
		}
		p.conn = t
	}
	p.in = bufio.NewReaderSize(p.conn, 16<<10)
	g.finish(p, p.play(g.Plays))
}

// finish ends the connection whose script ended with err.
func (g *stage) finish(p *Peer, err error) {
	switch {
	case errors.Is(err, errEnded):
	case err != nil && !errors.Is(err, io.EOF):
		_ = p.raw.Close()
	default:
		p.close()
	}
}

// hit counts a request and tells of it.
func (g *stage) hit(p *Peer) int64 {
	n := g.requests.Add(1)
	line, _, _ := strings.Cut(p.request.raw, "\r\n")
	g.tell(p.raw.Conn, line)
	return n
}

func (g *stage) tell(c net.Conn, what string) {
	if g.lab.hit != nil {
		g.lab.hit(Hit{Time: time.Now(), Scenario: g.Name, From: c.RemoteAddr().String(), Request: what})
	}
}

// track notes a connection, so that Close can end it; false if the lab has ended.
func (l *Lab) track(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop.Err() != nil {
		_ = c.Close()
		return false
	}
	l.conns[c] = true
	return true
}

func (l *Lab) untrack(c net.Conn) {
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
	_ = c.Close()
}

// DefaultDir is where the certificates are kept unless told otherwise: the user's cache directory.
func DefaultDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no directory for the lab's certificates: %w", err)
	}
	return filepath.Join(cache, "whygate", "lab"), nil
}
