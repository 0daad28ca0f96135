//go:build linux

package gateway_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// insideOf is the variable that tells a test that it runs in a process of its own.
const insideOf = "WHYGATE_TEST_INSIDE"

// again runs one test of this binary in a process of its own, which may change what concerns the whole process.
func again(t *testing.T, name string, attr *syscall.SysProcAttr) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+name+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), insideOf+"="+name)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM):
		t.Skipf("skipped: %v", err)
	case err != nil || !strings.Contains(string(out), "--- PASS: "+name) && !strings.Contains(string(out), "--- SKIP: "+name):
		t.Errorf("%s in a process of its own: %v\n%s", name, err, out)
	default:
		t.Logf("%s", out)
	}
}

// TestNetworkFaults runs the rows that need a network of their own: routes, firewall rules, limits of the kernel. It is
// made with the process, and goes with it.
func TestNetworkFaults(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: a network namespace needs root (C3, C4, C5, C6, C7, C13)")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("skipped: %v (C3, C4, C5, C6, C7, C13)", err)
		}
	}
	t.Parallel()
	again(t, "TestInNamespace", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET})
}

// network is what the namespace looks like. A packet to 127.0.0.N meets the rule of that number.
const network = `
ip link set lo up
ip -6 addr add fd00::6/128 dev lo nodad
ip link add v0 type veth peer name v1
ip addr add 10.77.0.1/24 dev v0
ip link set v0 up
ip link set v1 up
ip route add prohibit 10.66.0.0/16
ip route add unreachable 10.67.0.0/16
sysctl -qw net.ipv4.neigh.v0.mcast_solicit=1 net.ipv4.neigh.v0.retrans_time_ms=50
sysctl -qw net.ipv4.tcp_syn_retries=1 net.ipv4.tcp_retries2=2
nft add table inet t
nft add chain inet t out { type filter hook output priority 0 ; }
nft add rule inet t out ip daddr 127.0.0.20 drop
nft add rule inet t out ip daddr 127.0.0.21 reject with icmp type host-unreachable
nft add rule inet t out ip daddr 127.0.0.22 reject with icmp type admin-prohibited
nft add rule inet t out ip daddr 127.0.0.23 reject with icmp type net-prohibited
nft add rule inet t out ip daddr 127.0.0.24 reject with tcp reset
nft add rule inet t out ip6 daddr fd00::6 tcp dport 80 reject with icmpv6 type admin-prohibited
nft add rule inet t out ip saddr 127.0.0.25 meta length > 1000 drop
nft add rule inet t out ip daddr 127.0.0.26 meta length > 1000 drop`

// prepare runs one command per line, and skips the test where this machine cannot.
func prepare(t *testing.T, commands string) {
	t.Helper()
	for command := range strings.Lines(strings.TrimSpace(commands)) {
		words := strings.Fields(command)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Skipf("skipped: %s: %v: %s", strings.TrimSpace(command), err, out)
		}
	}
}

// listenOn is listen at an address of its own.
func listenOn(t *testing.T, ip string, b behaviour) string {
	t.Helper()
	l, err := net.Listen("tcp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + serve(t, l, b).address
}

// TestInNamespace is what TestNetworkFaults runs.
func TestInNamespace(t *testing.T) {
	if os.Getenv(insideOf) != t.Name() {
		t.Skip("runs in a process of its own, started by TestNetworkFaults")
	}
	prepare(t, network)
	unroutable := func(cause, errno string) want {
		return want{
			status: 502, typ: "destination_ip_unroutable", cause: cause, attempts: "0 dial unreachable",
			evidence: map[string]any{"errno_name": errno},
		}
	}
	t.Run("ports", portsExhausted)
	run(t, "", []row{
		{
			covers: "C2 a firewall drops", endpoint: "http://127.0.0.20", pool: "timeouts: {connect: 300ms}",
			want: want{
				status: 504, typ: "connection_timeout", cause: "connect-timeout", attempts: "0 dial timeout",
				evidence: map[string]any{"timer": "timeouts.connect"},
			},
		},
		{
			covers: "C3 the kernel gives up first", endpoint: "http://127.0.0.20", pool: "timeouts: {connect: 30s}",
			want: want{
				status: 504, typ: "connection_timeout", cause: "kernel-connect-timeout", attempts: "0 dial timeout",
				evidence: map[string]any{"errno_name": "ETIMEDOUT", "timer": nil},
			},
		},
		{covers: "C4 nobody has the address", endpoint: "http://10.77.0.9", want: unroutable("host-unreachable", "EHOSTUNREACH")},
		{covers: "C4 a router says so", endpoint: "http://127.0.0.21", want: unroutable("host-unreachable", "EHOSTUNREACH")},
		{covers: "C4 an unreachable route", endpoint: "http://10.67.0.1", want: unroutable("host-unreachable", "EHOSTUNREACH")},
		{covers: "C5 no route", endpoint: "http://203.0.113.1", want: unroutable("network-unreachable", "ENETUNREACH")},
		{covers: "C5 no route for IPv6", endpoint: "http://[2001:db8::1]", want: unroutable("network-unreachable", "ENETUNREACH")},
		{covers: "C6 ICMP 3/13", endpoint: "http://127.0.0.22", want: unroutable("host-unreachable", "EHOSTUNREACH")},
		{covers: "C6 ICMP 3/9", endpoint: "http://127.0.0.23", want: unroutable("network-unreachable", "ENETUNREACH")},
		{covers: "C6 ICMPv6 1/1", endpoint: "http://[fd00::6]", want: unroutable("firewall-rejected", "EACCES")},
		{covers: "C6 a prohibit route", endpoint: "http://10.66.0.1", want: unroutable("firewall-rejected", "EACCES")},
		{
			covers: "C1 a firewall resets", endpoint: "http://127.0.0.24",
			want: want{status: 502, typ: "connection_refused", cause: "connection-refused", attempts: "0 dial refused"},
		},
		{
			covers: "C13 large answers vanish", pool: "timeouts: {head: 300ms, read: 300ms, write: 300ms}",
			endpoint: listenOn(t, "127.0.0.25", says("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", func(p *peer) { p.say(strings.Repeat("x", 5000)); hold(p) })),
			want: want{
				status: 200, typ: "connection_read_timeout", cause: "body-stalled", attempts: "1 body timeout", cut: short,
				evidence: map[string]any{"timer": "timeouts.read", "declared": 5000},
			},
		},
		{
			covers: "C13 large requests vanish", endpoint: listenOn(t, "127.0.0.26", well), pool: "timeouts: {head: 300ms, read: 300ms, write: 300ms}", request: post(5000),
			want: want{
				status: 504, typ: "connection_read_timeout", cause: "head-timeout", attempts: "1 first_byte timeout",
				evidence: map[string]any{"timer": "timeouts.head"},
			},
		},
		{
			covers: "C13 large uploads vanish", endpoint: listenOn(t, "127.0.0.26", well), pool: "timeouts: {head: 300ms, read: 300ms, write: 300ms}", request: post(huge),
			want: want{
				status: 504, typ: "connection_write_timeout", cause: "upload-stalled", attempts: "1 write timeout",
				evidence: map[string]any{"timer": "timeouts.write"},
			},
		},
		{
			covers: "C13 the kernel gives up", endpoint: listenOn(t, "127.0.0.26", well), request: post(5000),
			want: want{
				status: 504, typ: "connection_read_timeout", cause: "connection-lost", attempts: "1 first_byte timeout",
				evidence: map[string]any{"errno_name": "ETIMEDOUT", "timer": nil},
			},
		},
	})
}

// portRange sets the ports that the kernel chooses from.
func portRange(t *testing.T, ports string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(ports), 0); err != nil {
		t.Skipf("skipped: %v (C7)", err)
	}
}

// portsExhausted is C7: all local ports are taken by connections to the same endpoint.
func portsExhausted(t *testing.T) {
	portRange(t, "40000 40007")
	up := listen(t, hold)
	g := start(t, "", map[string]route{"a": {endpoints: []string{"http://" + up.address}}})
	c := dial(t, g.address())
	for {
		taken, err := net.Dial("tcp", up.address)
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
	}
	a := c.ask(t, request{path: "/a", id: "ports"})
	portRange(t, "32768 60999")
	w := want{
		status: 500, typ: "proxy_internal_error", cause: "ports-exhausted", attempts: "0 dial exhausted",
		evidence: map[string]any{"errno_name": "EADDRNOTAVAIL"},
	}
	w.answered(t, a)
	w.logged(t, g, g.lines.await(t, "ports"))
	g.healthy(t, c)
}

// TestDescriptorFaults is C8 in a process of its own, since the limit is the process's.
func TestDescriptorFaults(t *testing.T) {
	t.Parallel()
	again(t, "TestWithoutDescriptors", nil)
}

// TestWithoutDescriptors is what TestDescriptorFaults runs.
func TestWithoutDescriptors(t *testing.T) {
	if os.Getenv(insideOf) != t.Name() {
		t.Skip("runs in a process of its own, started by TestDescriptorFaults")
	}
	up := listen(t, well)
	g := start(t, "", map[string]route{"a": {endpoints: []string{"http://" + up.address, "http://" + listen(t, well).address}}})
	c := dial(t, g.address())
	g.healthy(t, c)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	next, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	low := syscall.Rlimit{Cur: uint64(next.Fd()), Max: limit.Max}
	_ = next.Close()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	a := c.ask(t, request{path: "/a", id: "descriptors"})
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	w := want{
		status: 500, typ: "proxy_internal_error", cause: "descriptors-exhausted", attempts: "0 dial exhausted",
		evidence: map[string]any{"errno_name": "EMFILE"},
	}
	w.answered(t, a)
	w.logged(t, g, g.lines.await(t, "descriptors"))
	g.healthy(t, c)
	if a := c.ask(t, request{path: "/a", id: "later"}); a.status != 200 {
		t.Errorf("once there are descriptors again, the answer is %d", a.status)
	}
}
