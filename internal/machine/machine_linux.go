package machine

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Limits of what is read of /proc.
const (
	socketsMax   = 200_000
	processesMax = 50_000
)

// states of /proc/net/tcp
const (
	stateTimeWait = "06"
	stateListen   = "0A"
)

// Listeners lists the TCP sockets that are listened on in the network namespace of the process, 0 for ours, with the
// processes that have them open, as far as those can be seen.
func Listeners(pid int) ([]Listener, error) {
	var all []Listener
	for _, name := range []string{"tcp", "tcp6"} {
		err := eachSocket(pid, name, func(w []string) {
			if w[3] != stateListen {
				return
			}
			address, ok := addressOf(w[1])
			if !ok {
				return
			}
			_, queued, _ := strings.Cut(w[4], ":")
			n, _ := strconv.ParseInt(queued, 16, 32)
			inode, _ := strconv.ParseUint(w[9], 10, 64)
			all = append(all, Listener{Address: address, Queue: int(n), Inode: inode})
		})
		if err != nil && name == "tcp" {
			return nil, fmt.Errorf("sockets of this machine: %w", err)
		}
	}
	owners(all)
	return all, nil
}

// PortsTo counts the ports of this machine that connections to the address hold, and those of them that only wait to be free again
// (TIME_WAIT).
func PortsTo(to netip.AddrPort) (used, waiting int) {
	for _, name := range []string{"tcp", "tcp6"} {
		_ = eachSocket(0, name, func(w []string) {
			if remote, ok := addressOf(w[2]); ok && remote.Port() == to.Port() && remote.Addr().Unmap() == to.Addr().Unmap() {
				used++
				if w[3] == stateTimeWait {
					waiting++
				}
			}
		})
	}
	return used, waiting
}

// Ports gives the range of ports that connections are made from.
func Ports() (low, high int) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, _ = fmt.Sscan(string(b), &low, &high)
	}
	return low, high
}

// eachSocket calls visit with the words of each line of /proc/net/tcp or tcp6.
func eachSocket(pid int, name string, visit func(words []string)) error {
	who := "thread-self" // the process may have threads in other namespaces
	if pid > 0 {
		who = strconv.Itoa(pid)
	}
	f, err := os.Open("/proc/" + who + "/net/" + name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Scan() // the heading
	for n := 0; lines.Scan() && n < socketsMax; n++ {
		if w := strings.Fields(lines.Text()); len(w) >= 10 {
			visit(w)
		}
	}
	return lines.Err()
}

// addressOf reads an address as /proc/net/tcp has it: octets of the address in the machine's words of four, the port.
func addressOf(text string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(text, ":")
	octets, err := hex.DecodeString(host)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(octets) != 4 && len(octets) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(octets); i += 4 { // little endian, as every machine that we build for is
		octets[i], octets[i+1], octets[i+2], octets[i+3] = octets[i+3], octets[i+2], octets[i+1], octets[i]
	}
	address, _ := netip.AddrFromSlice(octets)
	return netip.AddrPortFrom(address, uint16(n)), true
}

// owners finds the processes that have the sockets open. A server's children share its socket: the parent is taken.
func owners(all []Listener) {
	byInode := map[string]*Listener{}
	for i := range all {
		byInode["socket:["+strconv.FormatUint(all[i].Inode, 10)+"]"] = &all[i]
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	known := map[int]*Process{}
	for n, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || n > processesMax {
			continue
		}
		fds, err := os.ReadDir("/proc/" + e.Name() + "/fd")
		if err != nil {
			continue // another user's, or gone
		}
		for _, fd := range fds {
			to, err := os.Readlink("/proc/" + e.Name() + "/fd/" + fd.Name())
			if err != nil {
				continue
			}
			if l := byInode[to]; l != nil && (l.Process == nil || pid < l.Process.PID) {
				if known[pid] == nil {
					known[pid] = Look(pid)
				}
				l.Process = known[pid]
			}
		}
	}
}

var containerID = regexp.MustCompile(`[0-9a-f]{64}`)

// Look says what is known of a process; what cannot be seen is left empty.
func Look(pid int) *Process {
	dir := "/proc/" + strconv.Itoa(pid)
	p := &Process{PID: pid}
	p.Program, _ = os.Readlink(dir + "/exe")
	p.Program = strings.TrimSuffix(p.Program, " (deleted)")
	if b, err := os.ReadFile(dir + "/cmdline"); err == nil {
		p.Args = strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
		if len(p.Args) == 1 && strings.Contains(p.Args[0], " ") { // a server that writes its title there: "nginx: master process nginx -c x"
			p.Args = strings.Fields(p.Args[0])
		}
	}
	if p.Program == "" && len(p.Args) > 0 {
		p.Program = p.Args[0]
	}
	p.Dir, _ = os.Readlink(dir + "/cwd")
	if other(dir, "mnt") {
		p.Root = dir + "/root"
	}
	p.OtherNet = other(dir, "net")
	if b, err := os.ReadFile(dir + "/cgroup"); err == nil {
		if id := containerID.FindString(string(b)); id != "" {
			p.Container = id[:12]
		}
	}
	if fds, err := os.ReadDir(dir + "/fd"); err == nil {
		p.Descriptors = len(fds)
	}
	limits, _ := os.ReadFile(dir + "/limits")
	p.Limit = limitOf(string(limits))
	return p
}

// other reports whether the process's namespace of that kind is not ours; false where that cannot be seen.
func other(dir, kind string) bool {
	theirs, err := os.Readlink(filepath.Join(dir, "ns", kind))
	ours, err2 := os.Readlink(filepath.Join("/proc/thread-self/ns", kind))
	return err == nil && err2 == nil && theirs != ours
}

// Counter reads a counter of /proc/net/netstat or snmp, such as TcpExt ListenOverflows; 0 if there is none.
func Counter(group, name string) uint64 {
	for _, file := range []string{"/proc/thread-self/net/netstat", "/proc/thread-self/net/snmp"} {
		b, _ := os.ReadFile(file)
		var heads []string
		for line := range strings.Lines(string(b)) {
			w := strings.Fields(line)
			if len(w) == 0 || w[0] != group+":" {
				continue
			}
			if heads == nil {
				heads = w
				continue
			}
			for i := range min(len(heads), len(w)) {
				if heads[i] == name {
					n, _ := strconv.ParseUint(w[i], 10, 64)
					return n
				}
			}
			heads = nil
		}
	}
	return 0
}

// IsLocal reports whether packets to the address stay on this machine.
func IsLocal(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, i := range addrs {
		if p, err := netip.ParsePrefix(i.String()); err == nil && p.Addr().Unmap() == a.Unmap() {
			return true
		}
	}
	return false
}
