package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/proxyproto"
)

// socket is one open listener. Its TLS may change with a reload while it stays open.
type socket struct {
	address config.Address // tells whether a new configuration means the same
	net     net.Listener
	tls     config.ListenTLS             // guarded by Gateway.mu
	server  atomic.Pointer[certs.Server] // what new connections are served with, nil without TLS
	headed  *proxyproto.Listener         // net, where connections begin with a header of the PROXY protocol; else nil
	proxied bool                         // they do so now; guarded by Gateway.mu
	h2c     atomic.Bool                  // HTTP/2 is spoken in clear with those that begin with it
	quic    *listener.QUIC               // the UDP port beside it, nil without HTTP/3; guarded by Gateway.mu
	altSvc  atomic.Pointer[[]byte]       // what answers say of it, nil without
}

// config is what a new connection is served with, nil without TLS.
func (s *socket) config() *tls.Config {
	if server := s.server.Load(); server != nil {
		return server.Config()
	}
	return nil
}

// use makes later connections be served as the configuration says, with the certificates of server, nil for none.
func (s *socket) use(l *config.Listen, server *certs.Server) {
	s.tls, s.proxied = l.TLS, l.ProxyProtocol == config.On
	s.h2c.Store(l.H2C)
	if old := s.server.Swap(server); old != nil {
		old.Close()
	}
}

func (s *socket) close() {
	_ = s.net.Close()
	if s.quic != nil {
		s.quic.Close(0)
	}
	if server := s.server.Load(); server != nil {
		server.Close()
	}
}

// serverTLS loads a listener's certificates and goes on to look at their files; nil without TLS.
func (g *Gateway) serverTLS(l *config.ListenTLS) (*certs.Server, error) {
	if !l.On() {
		return nil, nil
	}
	o := certs.Options{
		ClientCA: l.ClientCA, ClientAuth: tls.RequireAndVerifyClientCert, TicketKeys: l.TicketKeys, Protocols: []string{"http/1.1"}, Changed: g.certificateChanged,
		KeysChanged: g.ticketKeysChanged, Stapler: g.stapler,
	}
	for _, p := range l.Pairs() {
		o.Pairs = append(o.Pairs, certs.Files(p))
	}
	if l.ClientAuth == config.ClientOptional {
		o.ClientAuth = tls.VerifyClientCertIfGiven
	}
	if l.MinVersion == config.TLS13 {
		o.MinVersion = tls.VersionTLS13
	}
	if l.Issue == config.IssueAuto {
		o.ACME = g.acme
	}
	if l.Issue == config.IssueInternal {
		var err error
		if o.Local, err = g.localAuthority(); err != nil {
			return nil, err
		}
		o.Routed = func(host string) bool { return g.served.Load().Routed(host) }
	}
	if l.H2 {
		o.Protocols = []string{"h2", "http/1.1"}
	}
	server, err := certs.NewServer(o)
	var keys *certs.TicketKeysError
	if errors.As(err, &keys) {
		return nil, &HintError{err, ticketKeysHint}
	}
	return server, err
}

// ticketKeysHint says what to do about a file of session ticket keys.
const ticketKeysHint = "make one by " + certs.MakeTicketKeys + ", and give each gateway the same"

// open opens the sockets of one listener: one, or several that systemd passes under one name.
// where says, for an error, what gave the address.
func (g *Gateway) open(l config.Listen, where string) ([]*socket, error) {
	list := g.ours(l.Address)
	switch {
	case list != nil:
	case l.Address.Network == "systemd":
		var err error
		if list, err = g.activated.take(l.Address.Address); err != nil {
			return nil, err
		}
	case l.Address.Network == "unix":
		if err := removeStale(l.Address.Address); err != nil {
			return nil, err
		}
		fallthrough
	default:
		n, err := net.Listen(networkOf(l.Address), l.Address.Address)
		if err != nil {
			return nil, listenError(err, l.Address, where)
		}
		list = append(list, n)
	}
	var out []*socket
	for i, n := range list {
		server, err := g.serverTLS(&l.TLS)
		if err != nil {
			g.closeSockets(out)
			for _, rest := range list[i:] {
				_ = rest.Close()
			}
			return nil, err
		}
		s := &socket{address: l.Address, net: n}
		if l.ProxyProtocol == config.On {
			s.headed = proxyproto.NewListener(n)
			s.net = s.headed
		}
		g.takeHeaders(s, &l)
		s.use(&l, server)
		out = append(out, s)
		if l.H3 == config.On {
			pc, err := g.bindQUIC(n, l.Address, "listen[].h3")
			if err == nil {
				err = g.openQUIC(s, pc)
			}
			if err != nil {
				g.closeSockets(out)
				for _, rest := range list[i+1:] {
					_ = rest.Close()
				}
				return nil, err
			}
		}
	}
	return out, nil
}

// listenError says what to do about the two errors that everybody meets. where is what gave the address.
func listenError(err error, a config.Address, where string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		_, port, _ := net.SplitHostPort(a.Address)
		return &HintError{fmt.Errorf("listen on %s: %w", a, syscall.EADDRINUSE), "another program has it (ss -lntp 'sport = :" + port + "'): stop it, or choose another port in " + where}
	case errors.Is(err, syscall.EACCES):
		return &HintError{fmt.Errorf("listen on %s: permission denied", a), "ports below 1024 need CAP_NET_BIND_SERVICE, or a socket from systemd (systemd: as the address in " + where + ")"}
	}
	return fmt.Errorf("listen on %s: %w", a, err)
}

// HintError is an error with what to do about it.
type HintError struct {
	Err  error
	Hint string
}

func (e *HintError) Error() string { return e.Err.Error() }

// Unwrap gives the error itself.
func (e *HintError) Unwrap() error { return e.Err }

// removeStale removes a unix socket that nobody listens on any more.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil // Listen says what is wrong, if anything is
	}
	if c, err := net.Dial("unix", path); err == nil {
		_ = c.Close()
		return fmt.Errorf("listen on unix:%s: another program listens there", path)
	}
	return os.Remove(path)
}

// activation is what systemd passed: sd_listen_fds(3).
type activation struct {
	listeners map[string][]net.Listener
}

// firstPassed is SD_LISTEN_FDS_START.
const firstPassed = 3

// passed takes over the sockets that systemd passed to this process. The environment is cleared, so that no child takes
// them for its own.
func passed() (*activation, error) {
	a := &activation{listeners: map[string][]net.Listener{}}
	pid, n, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name)
	}
	count, err := strconv.Atoi(n)
	if err != nil || pid != strconv.Itoa(os.Getpid()) {
		return a, nil
	}
	for i := range count {
		fd := firstPassed + i
		syscall.CloseOnExec(fd)
		name := ""
		if i < len(names) {
			name = names[i]
		}
		f := os.NewFile(uintptr(fd), name)
		l, err := net.FileListener(f)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("socket %d from systemd: %w", i, err)
		}
		a.listeners[name] = append(a.listeners[name], l)
	}
	return a, nil
}

// take hands out the sockets of a name, or all that are left for an empty one.
func (a *activation) take(name string) ([]net.Listener, error) {
	var out []net.Listener
	for n, list := range a.listeners {
		if name == "" || n == name {
			out = append(out, list...)
			delete(a.listeners, n)
		}
	}
	if len(out) == 0 {
		return nil, &HintError{fmt.Errorf("systemd passed no socket named %q", name), "start it from a .socket unit; FileDescriptorName= gives the name"}
	}
	return out, nil
}

// notify tells systemd how the service is, where it asked to be told: sd_notify(3).
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte(state))
}

// networkOf is what a socket of an address is opened by. Go's "tcp" takes 0.0.0.0 for every address, those of IPv6 too; who writes it means
// those of IPv4.
func networkOf(a config.Address) string {
	if a.Network == "tcp" && strings.HasPrefix(a.Address, "0.0.0.0:") {
		return "tcp4"
	}
	return a.Network
}
