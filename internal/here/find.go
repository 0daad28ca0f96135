package here

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/machine"
	"github.com/whygate/whygate/internal/proxyconf"
	"github.com/whygate/whygate/internal/resolve"
)

// What is read of logs: the end of each, and of few of them.
const (
	logTail   = 512 << 10
	logsMax   = 4
	logSince  = time.Hour
	findMax   = 5
	linesMax  = 3
	settleMax = 3 * time.Second // bounds the reading of logs
)

// products name the proxies by their program.
var products = map[string]string{
	"nginx": "nginx", "openresty": "openresty", "haproxy": "haproxy", "apache2": "apache", "httpd": "apache", "caddy": "caddy", "traefik": "traefik",
	"envoy": "envoy", "varnishd": "varnish", "squid": "squid", "whygate": "whygate",
}

// Find finds the program that listens at the target on this machine: what it is, the lines of its configuration that
// route the URL, the upstreams of that route, and what its log's last hour tells. It is nil where the target is not on this
// machine. It reads, and sends nothing.
func Find(ctx context.Context, t diagnose.Target) (*diagnose.Here, error) {
	return find(ctx, &t, false)
}

// FindAnyway is Find, but takes what listens on the target's port here where its address is not this machine's: it
// may be translated on the way.
func FindAnyway(ctx context.Context, t diagnose.Target) (*diagnose.Here, error) {
	return find(ctx, &t, true)
}

func find(ctx context.Context, t *diagnose.Target, anyway bool) (*diagnose.Here, error) {
	addresses, local := localAddresses(ctx, t)
	if !local && !anyway {
		return nil, nil
	}
	listeners, err := machine.Listeners(0)
	if err != nil {
		return nil, err
	}
	h := &finder{Here: &diagnose.Here{}}
	l := acceptor(listeners, addresses)
	if !local {
		l = byPort(listeners, t.Port)
	}
	if l == nil {
		h.Note("nothing on this machine listens on port %s%s", t.Port, others(listeners, t.Port))
		h.front(ctx, t, nil)
		return h.Here, nil
	}
	if l.Process == nil {
		h.Note("a process of another user listens on %v: run as root to see which", l.Address)
		h.front(ctx, t, l)
		return h.Here, nil
	}
	h.Proxy, h.PID = productOf(l.Process), l.Process.PID
	h.listens = l.Address
	h.limits(l)
	if proxyconf.Readable(h.Proxy) {
		err = h.configured(ctx, t, l, listeners)
	}
	if isEngineHelper(l.Process.Program) {
		h.front(ctx, t, l)
	}
	h.lookAround(ctx, &around{
		config: h.config, backend: h.backend, process: l.Process, listeners: listeners, system: &machine.System{}, run: runSystemd, kernel: machine.KernelLog,
		engines: engineSockets(), listen: machine.Listeners,
	})
	return h.Here, err
}

// configured reads the proxy's configuration and its logs.
func (h *finder) configured(ctx context.Context, t *diagnose.Target, l *machine.Listener, listeners []machine.Listener) error {
	at := net.JoinHostPort(t.Host, t.Port)
	if !l.Address.Addr().IsUnspecified() {
		at = l.Address.String()
	} else if t.Address.IsValid() {
		at = net.JoinHostPort(t.Address.String(), t.Port)
	}
	c, err := proxyconf.Read(ctx, h.Proxy, mainFile(h.Proxy, l.Process), proxyconf.Files{Root: l.Process.Root})
	if err != nil {
		h.Note("its configuration could not be read: %v", err)
		return nil
	}
	h.config = c
	for _, file := range c.Files {
		h.WasRead(file)
	}
	for _, p := range c.Problems {
		h.Note("its configuration: %s", p)
	}
	host, _, err := net.SplitHostPort(t.Authority)
	if err != nil {
		host = t.Authority
	}
	scheme := "http"
	if t.Secure {
		scheme = "https"
	}
	known := logsOf(h.Proxy, c, l.Process)
	known.host, known.path = strings.ToLower(host), t.Path
	defer h.selinux()
	route, err := c.Match(ctx, proxyconf.Request{Scheme: scheme, Host: host, Address: at, Path: t.Path})
	if route != nil {
		known.server, known.backend, h.backend = route.Server, route.Name, route.Name
	}
	h.read(ctx, known)
	if err != nil {
		h.Note("its configuration: %v", err)
		return nil
	}
	if route == nil {
		h.Note("no route of its configuration takes this URL")
		return nil
	}
	h.Config = append(h.Config, diagnose.ConfigPlace{File: route.Place.File, Line: route.Place.Line, Text: route.Place.Text})
	for _, s := range route.Settings {
		h.Config = append(h.Config, diagnose.ConfigPlace{File: s.File, Line: s.Line, Text: s.Text})
	}
	if route.Answer != "" {
		h.Note("the proxy answers this URL by itself: %s", route.Answer)
		h.Answer = route.Answer
	}
	if route.Unsure != "" {
		h.Note("whether another rule takes it cannot be told from the URL alone: %s", route.Unsure)
	}
	for i := range route.Upstreams {
		h.upstream(&route.Upstreams[i], route, l.Process, listeners)
	}
	return nil
}

// upstream adds one upstream of the route, and what this machine knows of it.
func (h *finder) upstream(u *proxyconf.Upstream, route *proxyconf.Route, p *machine.Process, listeners []machine.Listener) {
	switch {
	case u.Variable != "":
		h.Note("%v: the upstream %s is known only when a request comes", u.Place, u.Variable)
		return
	case u.Down:
		h.Note("%v: this upstream is switched off", u.Place)
		return
	case p.OtherNet:
		h.Note("the proxy is in another network namespace (%s): walk its upstreams from there, with --netns %d", containerOr(p, "process "+strconv.Itoa(p.PID)), p.PID)
	}
	h.Upstreams = append(h.Upstreams, diagnose.HereUpstream{
		Address: u.Address, Unix: u.Unix, Scheme: u.Scheme, ServerName: u.ServerName, Insecure: u.Insecure,
		Path: route.Path, Host: route.Host, SendsProxy: u.SendsProxy,
		File: u.Place.File, Line: u.Place.Line, Text: u.Place.Text,
	})
	if u.Unix != "" {
		h.socket(proxyconf.Files{Root: p.Root}, u)
		return
	}
	to, err := netip.ParseAddrPort(strings.Replace(u.Address, "localhost:", "127.0.0.1:", 1))
	if err != nil || !to.Addr().IsLoopback() || p.OtherNet {
		return
	}
	h.ports(to, u)
	for i := range listeners {
		if listeners[i].Accepts(to) {
			if q := listeners[i].Queue; q >= queueWorth {
				h.Note("%d connections wait to be accepted at %s", q, u.Address)
			}
			return
		}
	}
	h.Note("nothing on this machine listens at %s%s", u.Address, elsewhere(listeners, to))
}

// portsNear is the share of this machine's ports for connections from which there are few left for one destination.
const portsNear = 0.9

// ports notes when nearly all ports to the upstream are in use, or wait to be free again.
func (h *finder) ports(to netip.AddrPort, u *proxyconf.Upstream) {
	low, high := machine.Ports()
	used, waiting := machine.PortsTo(to)
	if high > low && float64(used) > portsNear*float64(high-low) {
		h.Tell(diagnose.HereState{
			Cause: fault.CausePortsExhausted, At: u.Address,
			Text: fmt.Sprintf("%d of this machine's %d ports for connections to %s are taken, %d of them in TIME_WAIT", used, high-low+1, u.Address, waiting),
		})
	}
}

// selinux notes that SELinux may be what forbids a connection, where it is enforced and the log tells of a permission.
func (h *finder) selinux() {
	if b, err := os.ReadFile("/sys/fs/selinux/enforce"); err != nil || strings.TrimSpace(string(b)) != "1" {
		return
	}
	for _, f := range h.Findings {
		if f.Cause == fault.CauseSocketPermission || f.Cause == fault.CauseFirewallRejected {
			h.Note("SELinux is enforced here, and forbids web servers to connect unless told otherwise: ausearch -m avc -ts recent; setsebool -P httpd_can_network_connect 1")
			return
		}
	}
}

// socket says what keeps a unix socket from being used, as far as its file tells.
func (h *finder) socket(files proxyconf.Files, u *proxyconf.Upstream) {
	info, err := files.Stat(u.Unix)
	switch {
	case errors.Is(err, os.ErrNotExist):
		h.Note("%v: the socket %s is not there", u.Place, u.Unix)
	case err != nil:
		h.Note("%v: the socket %s: %v", u.Place, u.Unix, err)
	case info.Mode()&os.ModeSocket == 0:
		h.Note("%v: %s is no socket", u.Place, u.Unix)
	case info.Mode().Perm()&0o222 == 0:
		h.Note("%v: nobody may write to the socket %s (mode %v)", u.Place, u.Unix, info.Mode().Perm())
	}
}

// elsewhere says where a program listens that may be the one that was meant.
func elsewhere(listeners []machine.Listener, to netip.AddrPort) string {
	for i := range listeners {
		if l := &listeners[i]; l.Address.Port() == to.Port() {
			return fmt.Sprintf(", but at %v (%s)", l.Address, who(l))
		}
	}
	return others(listeners, strconv.Itoa(int(to.Port())))
}

// othersMax is how many programs others lists.
const othersMax = 3

// daemons are programs that listen on many machines, and are no application that a URL or a proxy could mean.
var daemons = []string{"sshd", "systemd", "systemd-resolve", "systemd-resolved", "rpcbind", "cupsd", "master", "exim4", "chronyd", "dnsmasq", "named", "dockerd", "containerd"}

// others lists where the programs listen that may have been meant: applications first, then proxies, then what the system runs; each by
// its port nearest to the one that was asked for.
func others(listeners []machine.Listener, port string) string {
	wanted, _ := strconv.Atoi(port)
	far := func(l *machine.Listener) int { return max(int(l.Address.Port())-wanted, wanted-int(l.Address.Port())) }
	rank := func(l *machine.Listener) int {
		switch name := l.Process.Name(); {
		case slices.Contains(daemons, name):
			return 2
		case products[name] != "":
			return 1
		}
		return 0
	}
	var named []*machine.Listener
	for i := range listeners {
		if listeners[i].Process != nil {
			named = append(named, &listeners[i])
		}
	}
	slices.SortStableFunc(named, func(a, b *machine.Listener) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(far(a), far(b)), cmp.Compare(a.Address.Port(), b.Address.Port()))
	})
	var words []string
	seen := map[string]bool{}
	for _, l := range named {
		if name := l.Process.Name(); !seen[name] && len(words) < othersMax {
			seen[name] = true
			words = append(words, fmt.Sprintf("%d (%s)", l.Address.Port(), name))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "; listened on are " + strings.Join(words, ", ")
}

func who(l *machine.Listener) string {
	if l.Process == nil {
		return "another user's process"
	}
	return fmt.Sprintf("%s, process %d", l.Process.Name(), l.Process.PID)
}

func containerOr(p *machine.Process, otherwise string) string {
	if p.Container != "" {
		return "container " + p.Container
	}
	return otherwise
}

// descriptorsNear is the share of its descriptors from which a process is near its limit.
const descriptorsNear = 0.95

// queueWorth is how many waiting connections are worth a word. Fewer may be the walk's own.
const queueWorth = 8

// limits notes what of this machine's limits the proxy is near.
func (h *finder) limits(l *machine.Listener) {
	p := l.Process
	if p.Limit > 0 && float64(p.Descriptors) > descriptorsNear*float64(p.Limit) {
		h.Tell(diagnose.HereState{Cause: fault.CauseDescriptorsExhausted, Text: fmt.Sprintf("%s (process %d) has %d of its %d descriptors open (LimitNOFILE, worker_rlimit_nofile, ulimit -n)", p.Name(), p.PID, p.Descriptors, p.Limit)})
	}
	if l.Queue >= queueWorth {
		h.Note("%d connections wait to be accepted at %v; since this machine started, %d found an accept queue full (ListenOverflows)",
			l.Queue, l.Address, machine.Counter("TcpExt", "ListenOverflows"))
	}
}

// acceptor is the listener that takes connections to one of the addresses: the one bound most narrowly. A socket of :: takes IPv4
// only where none of IPv4's own does.
func acceptor(listeners []machine.Listener, addresses []netip.AddrPort) *machine.Listener {
	var best *machine.Listener
	rank := 0
	for _, a := range addresses {
		for i := range listeners {
			l := &listeners[i]
			bound := l.Address.Addr().Unmap()
			fit := 1
			switch {
			case !l.Accepts(a):
				fit = 0
			case bound == a.Addr().Unmap():
				fit = 3
			case bound.Is4() == a.Addr().Unmap().Is4():
				fit = 2
			}
			if fit > rank {
				best, rank = l, fit
			}
		}
	}
	return best
}

// byPort is the first listener on the port, whatever address it is bound to.
func byPort(listeners []machine.Listener, port string) *machine.Listener {
	for i := range listeners {
		if strconv.Itoa(int(listeners[i].Address.Port())) == port {
			return &listeners[i]
		}
	}
	return nil
}

// localAddresses gives the target's addresses, and whether they are this machine's.
func localAddresses(ctx context.Context, t *diagnose.Target) ([]netip.AddrPort, bool) {
	port, err := strconv.ParseUint(t.Port, 10, 16)
	if t.Network != "tcp" || err != nil {
		return nil, false
	}
	var found []netip.Addr
	switch literal, err := netip.ParseAddr(t.Host); {
	case t.Address.IsValid():
		found = []netip.Addr{t.Address}
	case err == nil:
		found = []netip.Addr{literal}
	default:
		found, _ = resolve.NewLookup(nil, 0).Addresses(ctx, t.Host)
	}
	own := map[netip.Addr]bool{}
	interfaces, _ := net.InterfaceAddrs()
	for _, a := range interfaces {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				own[ip.Unmap()] = true
			}
		}
	}
	var all []netip.AddrPort
	for _, a := range found {
		if a = a.Unmap(); a.IsLoopback() || own[a] {
			all = append(all, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	return all, len(all) > 0
}

// productOf names the proxy by its program; the program's own name if it is none that we know.
func productOf(p *machine.Process) string {
	name := p.Name()
	if product := products[name]; product != "" {
		if product == "nginx" && strings.Contains(p.Program, "openresty") {
			return "openresty"
		}
		return product
	}
	return name
}

// mainFile is the configuration file that the process was started with, empty if it takes its usual one.
func mainFile(product string, p *machine.Process) string {
	var file string
	switch product {
	case "nginx", "openresty":
		file = p.Flag("-c")
		if prefix := p.Flag("-p"); file != "" && prefix != "" && !filepath.IsAbs(file) {
			file = filepath.Join(prefix, file)
		}
	case "haproxy", "apache":
		file = p.Flag("-f")
	case "caddy":
		file = p.Flag("--config", "-c")
	case "traefik":
		file = p.Flag("--configFile", "--configfile")
	}
	if file != "" && !filepath.IsAbs(file) {
		file = filepath.Join(p.Dir, file)
	}
	return file
}
