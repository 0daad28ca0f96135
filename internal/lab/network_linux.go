package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Network is a small network of namespaces: this process's own, a router, and a far one where upstreams listen. It exists as
// long as the process does: nothing of it has a name that could be left behind.
type Network struct {
	home, router, far *os.File // the namespaces
	names             *nameserver
}

// CanIsolate says why this process cannot make the lab's network; nil if it can.
func CanIsolate() error {
	if os.Getuid() != 0 {
		return errors.New("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not installed (apt-get install iproute2 nftables)", tool)
		}
	}
	return nil
}

// Isolate makes a command that was not started yet run in a network and a mount namespace of its own, where OpenNetwork works.
func Isolate(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET | syscall.CLONE_NEWNS
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, networkVariable+"=1")
}

// Isolated reports whether this process was started by a command that Isolate prepared.
func Isolated() bool { return os.Getenv(networkVariable) == "1" }

// OpenNetwork makes the network and its name server. Only a process that Isolate prepared may: it changes the namespaces
// that the process is in. The caller closes it.
func OpenNetwork() (*Network, error) {
	if !Isolated() {
		return nil, errors.New("BUG: not in namespaces of its own")
	}
	n := &Network{}
	var err error
	if n.home, err = os.Open("/proc/self/ns/net"); err != nil {
		return nil, err
	}
	for _, ns := range []**os.File{&n.router, &n.far} {
		if *ns, err = newNamespace(); err != nil {
			return nil, fmt.Errorf("a network namespace: %w", err)
		}
	}
	if err := n.wire(); err != nil {
		return nil, err
	}
	if err := mountResolvConf(); err != nil {
		return nil, err
	}
	return n, n.serveNames()
}

// Close ends the name server. The namespaces go with the process.
func (n *Network) Close() {
	if n.names != nil {
		n.names.close()
	}
	for _, f := range []*os.File{n.home, n.router, n.far} {
		_ = f.Close()
	}
}

// newNamespace makes a network namespace and gives it as an open file.
func newNamespace() (ns *os.File, err error) {
	done := make(chan struct{})
	go func() { // its thread ends with it, since it stays locked
		defer close(done)
		runtime.LockOSThread()
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			ns, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		}
	}()
	<-done
	return ns, err
}

// in runs f on a thread that is in the namespace: sockets that f opens and commands that f starts are there.
func in(ns *os.File, f func() error) error {
	failed := make(chan error, 1)
	go func() { // its thread ends with it, since it stays locked
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			failed <- err
			return
		}
		failed <- f()
	}()
	return <-failed
}

// Commands that make the network; % is the path of the namespace that the peer moves to.
const (
	homeCommands = `
ip link set lo up
ip link add near type veth peer name rnear
ip link set rnear netns %
ip addr add ` + gatewayAddress + `/24 dev near
ip link set near up
ip route add 10.99.1.0/24 via ` + routerNear + `
sysctl -qw net.ipv4.neigh.near.mcast_solicit=2 net.ipv4.neigh.near.retrans_time_ms=150
sysctl -qw net.ipv4.ip_unprivileged_port_start=0 net.ipv4.tcp_syn_retries=2`

	routerCommands = `
ip link set lo up
ip link add rfar type veth peer name far
ip link set far netns %
ip addr add ` + routerNear + `/24 dev rnear
ip addr add ` + routerFar + `/24 dev rfar
ip link set rnear up
ip link set rfar up
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000
nft add table ip lab
nft add chain ip lab pass { type filter hook forward priority 0 ; }
nft add rule ip lab pass ip daddr ` + farDropped + ` drop
nft add rule ip lab pass ip daddr ` + farRefused + ` meta l4proto tcp reject with tcp reset
nft add rule ip lab pass ip daddr ` + farProhibited + ` reject with icmp type admin-prohibited
nft add rule ip lab pass ip daddr ` + farHostUnreach + ` reject with icmp type host-unreachable
nft add rule ip lab pass ip daddr ` + farNetUnreach + ` reject with icmp type net-unreachable
nft add rule ip lab pass ip daddr ` + farPortUnreach + ` reject with icmp type port-unreachable
nft add rule ip lab pass ip daddr ` + farHostFiltered + ` reject with icmp type host-prohibited
nft add rule ip lab pass ip saddr ` + farSmallPackets + ` meta length > 600 drop
nft add rule ip lab pass ip daddr ` + farSmallPackets + ` meta length > 600 drop`

	farCommands = `
ip link set lo up
ip addr add ` + farGood + `/24 dev far
ip link set far up
ip route add default via ` + routerFar
)

// wire connects the namespaces and gives the router its rules.
func (n *Network) wire() error {
	if err := in(n.home, func() error { return commands(homeCommands, n.router) }); err != nil {
		return err
	}
	if err := in(n.router, func() error { return commands(routerCommands, n.far) }); err != nil {
		return err
	}
	text := farCommands
	for _, a := range []string{farDropped, farRefused, farProhibited, farHostUnreach, farNetUnreach, farPortUnreach, farSmallPackets, farHostFiltered, farNameServer} {
		text += "\nip addr add " + a + "/24 dev far"
	}
	return in(n.far, func() error { return commands(text, nil) })
}

// commands runs one command per line.
func commands(text string, peer *os.File) error {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		words := strings.Fields(line)
		for i, w := range words {
			if w == "%" {
				words[i] = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), peer.Fd())
			}
		}
		cmd := exec.Command(words[0], words[1:]...)
		if path, err := exec.LookPath(words[0]); err != nil {
			cmd.Path, cmd.Err = "/usr/sbin/"+words[0], nil
		} else {
			cmd.Path = path
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.TrimSpace(line), err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// mountResolvConf makes the programs of this mount namespace ask the lab's name server.
func mountResolvConf() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("a mount namespace of its own: %w", err)
	}
	f, err := os.CreateTemp("", "whygate-lab-resolv")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // the mount keeps it
	if _, err := f.WriteString(resolvConf); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := unix.Mount(f.Name(), "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over /etc/resolv.conf: %w", err)
	}
	return f.Close()
}

// serveNames starts the name server in the far namespace.
func (n *Network) serveNames() error {
	return in(n.far, func() error {
		packets, err := net.ListenPacket("udp", farNameServer+":53")
		if err != nil {
			return err
		}
		streams, err := net.Listen("tcp", farNameServer+":53")
		if err != nil {
			return err
		}
		n.names = serveNames(packets, streams)
		return nil
	})
}

// openInNetwork listens in the far namespace, where the scenario's host is an address there or a name for one. Its address
// has the host as a proxy should dial it.
func (g *stage) openInNetwork(port int) error {
	if port == 0 {
		port = 8080
	}
	g.address = net.JoinHostPort(g.At.Host, strconv.Itoa(port))
	if g.At.Socket == Absent {
		return nil
	}
	return in(g.lab.network.far, func() error {
		l, err := g.listen(net.JoinHostPort("", strconv.Itoa(port)))
		g.listener = l
		return err
	})
}
