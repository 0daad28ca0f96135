package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
		if _, err := program(tool); err != nil {
			return fmt.Errorf("%s is not installed (apt-get install iproute2 nftables)", tool)
		}
	}
	return nil
}

// program finds a program of root's, which may not be in PATH.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

// namespaces names the network and the mount namespace of this thread, as the kernel does.
func namespaces() (network, mounts string, err error) {
	network, err = os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return "", "", err
	}
	mounts, err = os.Readlink("/proc/thread-self/ns/mnt")
	return network, mounts, err
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
	network, mounts, err := namespaces()
	if err != nil {
		return // OpenNetwork refuses there
	}
	cmd.Env = append(cmd.Env, networkVariable+"="+network+" "+mounts)
}

// Isolated reports whether this process was started by a command that Isolate prepared: it is in neither of the namespaces that
// its parent was in.
func Isolated() bool {
	outer, inner, ok := strings.Cut(os.Getenv(networkVariable), " ")
	network, mounts, err := namespaces()
	return ok && err == nil && strings.HasPrefix(outer, "net:[") && strings.HasPrefix(inner, "mnt:[") && network != outer && mounts != inner
}

// untouched refuses a network namespace that somebody uses: in a new one, nothing is up.
func untouched() error {
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 {
			return fmt.Errorf("the network namespace is in use: %s is up", i.Name)
		}
	}
	return nil
}

// OpenNetwork makes the network and its name server. Only a process that Isolate prepared may: it changes the namespaces
// that the process is in. The caller closes it.
func OpenNetwork() (*Network, error) {
	if !Isolated() {
		return nil, errors.New("BUG: not in namespaces of its own")
	}
	if err := untouched(); err != nil {
		return nil, err
	}
	n := &Network{}
	var err error
	if n.home, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return nil, err
	}
	for _, ns := range []**os.File{&n.router, &n.far} {
		if *ns, err = newNamespace(); err != nil {
			n.Close()
			return nil, fmt.Errorf("a network namespace: %w", err)
		}
	}
	for _, part := range []func() error{mountFiles, n.wire, n.serveNames} {
		if err := part(); err != nil {
			n.Close()
			return nil, err
		}
	}
	return n, nil
}

// Close ends the name server. The namespaces go with the process.
func (n *Network) Close() {
	if n.names != nil {
		n.names.close()
	}
	for _, f := range []*os.File{n.home, n.router, n.far} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// lossyPort is the port of this namespace's loopback that Lossy makes lose SYNs.
const lossyPort = 24999

// Lossy makes one of three SYNs to one port of loopback vanish, and gives the port. The rule goes with the namespace.
func (n *Network) Lossy() (port int, err error) {
	return lossyPort, in(n.home, func() error {
		return commands(fmt.Sprintf(`
nft add table ip lossy
nft add chain ip lossy in { type filter hook input priority 0 ; }
nft add rule ip lossy in tcp dport %d tcp flags syn / syn,ack numgen inc mod 3 < 1 drop`, lossyPort), nil)
	})
}

// newNamespace makes a network namespace and gives it as an open file.
func newNamespace() (ns *os.File, err error) {
	done := make(chan struct{})
	go func() { // its thread ends with it, since it stays locked
		defer close(done)
		runtime.LockOSThread()
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			ns, err = os.Open("/proc/thread-self/ns/net")
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

// Commands that make the network; % is the path of the namespace that the peer moves to. set writes a variable below
// /proc/sys/net/ipv4, and try does so where the namespace has it.
const (
	homeCommands = `
ip link set lo up
ip link add near type veth peer name rnear
ip link set rnear netns %
ip addr add ` + gatewayAddress + `/24 dev near
ip link set near up
ip route add 10.99.1.0/24 via ` + routerNear + `
set neigh/near/mcast_solicit 2
set neigh/near/retrans_time_ms 150
set ip_unprivileged_port_start 0
set tcp_syn_retries 2`

	routerCommands = `
ip link set lo up
ip link add rfar type veth peer name far
ip link set far netns %
ip addr add ` + routerNear + `/24 dev rnear
ip addr add ` + routerFar + `/24 dev rfar
ip link set rnear up
ip link set rfar up
set ip_forward 1
set icmp_ratelimit 0
try icmp_msgs_per_sec 100000
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
	for _, a := range []string{farSecond, farDropped, farRefused, farProhibited, farHostUnreach, farNetUnreach, farPortUnreach, farSmallPackets, farHostFiltered, farNameServer} {
		text += "\nip addr add " + a + "/24 dev far"
	}
	return in(n.far, func() error { return commands(text, nil) })
}

// commands runs one command per line. Its programs have the peer as the descriptor 3.
func commands(text string, peer *os.File) error {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		words := strings.Fields(line)
		if err := command(words, peer); err != nil && words[0] != "try" {
			return fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
		}
	}
	return nil
}

func command(words []string, peer *os.File) error {
	switch words[0] {
	case "set", "try":
		return os.WriteFile("/proc/sys/net/ipv4/"+words[1], []byte(words[2]), 0)
	}
	for i, w := range words {
		if w == "%" {
			words[i] = "/proc/self/fd/3"
		}
	}
	path, err := program(words[0])
	if err != nil {
		return err
	}
	cmd := exec.Command(path, words[1:]...)
	if peer != nil {
		cmd.ExtraFiles = []*os.File{peer}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// mountFiles makes the programs of this mount namespace ask the lab's name server, and no daemon outside.
func mountFiles() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("a mount namespace of its own: %w", err)
	}
	if os.Getpid() == 1 {
		_ = unix.Mount("proc", "/proc", "proc", 0, "") // the processes of this PID namespace; nobody here depends on it
	}
	resolv, err := filepath.EvalSymlinks("/etc/resolv.conf") // often a link into a directory that is hidden now
	if err != nil {
		return err
	}
	for _, dir := range []string{"/run/nscd", "/run/systemd/resolve"} {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("hide %s: %w", dir, err)
		}
	}
	if _, err := os.Stat(resolv); err != nil {
		if err := os.WriteFile(resolv, nil, 0o644); err != nil { // on the empty tmpfs
			return err
		}
	}
	if err := mountText(resolvConf, resolv); err != nil {
		return err
	}
	const services = "/etc/nsswitch.conf"
	text, err := os.ReadFile(services)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return mountText(hostsLine.ReplaceAllString(string(text), "hosts: files dns"), services)
}

// hostsLine is where nsswitch.conf says who is asked for names: it may be a daemon outside the network that has a socket here.
var hostsLine = regexp.MustCompile(`(?m)^[ \t]*hosts:.*$`)

// mountText puts a text over a file, for this mount namespace.
func mountText(text, over string) error {
	f, err := os.CreateTemp("", "whygate-lab-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // the mount keeps it
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := unix.Mount(f.Name(), over, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over %s: %w", over, err)
	}
	return nil
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
			_ = packets.Close()
			return err
		}
		n.names = serveNames(packets, streams)
		return nil
	})
}

// moveName makes the name that moves lead to its second address.
func (n *Network) moveName() { n.names.moved.Store(true) }

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
