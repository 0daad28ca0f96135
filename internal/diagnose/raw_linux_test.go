package diagnose

import (
	"net/netip"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/lab"
)

// exceeded4 is a router's "time exceeded" about a SYN from port 4660.
var exceeded4 = append([]byte{
	0x45, 0, 0, 56, 0, 0, 0, 0, 64, unix.IPPROTO_ICMP, 0, 0, 10, 0, 0, 254, 10, 0, 0, 1, // from 10.0.0.254
	11, 0, 0, 0, 0, 0, 0, 0,
	0x45, 0, 0, 40, 0, 0, 0, 0, 1, unix.IPPROTO_TCP, 0, 0, 10, 0, 0, 1, 10, 9, 9, 9,
}, 0x12, 0x34, 0, 80, 0, 0, 0, 0)

func TestICMPAboutASegment(t *testing.T) {
	t.Parallel()
	i, port := parseICMP4(exceeded4)
	if i == nil || !i.exceeded() || i.From != "10.0.0.254" || port != 0x1234 {
		t.Errorf("%+v, port %d", i, port)
	}
	six := append([]byte{1, 1, 0, 0, 0, 0, 0, 0}, make([]byte, 40)...)
	six[8], six[8+6] = 0x60, unix.IPPROTO_TCP
	six = append(six, 0x12, 0x34, 0, 80)
	if i, port := parseICMP6(six, "fd00::254"); i == nil || !i.filtered() || i.From != "fd00::254" || port != 0x1234 {
		t.Errorf("%+v, port %d", i, port)
	}
	udp := append([]byte{}, exceeded4...)
	udp[28+9] = unix.IPPROTO_UDP
	for n := range exceeded4[:len(exceeded4)-8] {
		if i, _ := parseICMP4(exceeded4[:n]); i != nil {
			t.Errorf("the first %d octets were read", n)
		}
	}
	if i, _ := parseICMP4(udp); i != nil {
		t.Error("an error about a datagram was taken for one of ours")
	}
}

// FuzzPackets reads octets as what raw sockets give: nothing may panic.
func FuzzPackets(f *testing.F) {
	f.Add(exceeded4)
	f.Fuzz(func(_ *testing.T, b []byte) {
		parseICMP4(b)
		parseICMP6(b, "fd00::1")
		ttlOf(b)
		offender(b)
		w := &ttlWatch{}
		if segment, protocol := ipv4Payload(b); protocol == unix.IPPROTO_TCP {
			w.note(segment, int(b[8]))
		}
	})
}

func TestHopsAway(t *testing.T) {
	t.Parallel()
	for ttl, want := range map[int]int{64: 0, 61: 3, 128: 0, 117: 11, 255: 0, 250: 5} {
		if got := hopsAway(ttl); got != want {
			t.Errorf("%d: %d hops, want %d", ttl, got, want)
		}
	}
	for _, none := range []*TTL{nil, {Answer: 60}, {Reset: 60}, {Answer: 63, Reset: 60}} {
		if none.nearer() != 0 {
			t.Errorf("%+v is nearer", none)
		}
	}
}

// TestRawSockets looks into the lab's network: the hops of a traceroute without an error queue, as before Linux 5.8, and a firewall's
// reset that comes from nearer than the server. It runs in namespaces of its own.
func TestRawSockets(t *testing.T) {
	if why := lab.CanIsolate(); why != nil {
		t.Skipf("skipped: raw sockets: %v", why)
	}
	if !lab.Isolated() {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestRawSockets$", "-test.timeout=60s", "-test.v")
		lab.Isolate(cmd)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("in the lab's network: %v\n%s", err, out)
		}
		return
	}
	network, err := lab.OpenNetwork()
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	names := netip.MustParseAddrPort(lab.NameServer)
	for _, quiet := range []bool{false, true} {
		hops, syns := trace(t.Context(), netip.AddrPortFrom(names.Addr(), 9), tracing{tries: 2, quiet: quiet})
		if len(hops) != 2 || hops[0].From != "10.99.0.254" || hops[0].Lost != 0 || hops[0].Took == 0 || hops[0].Reached || !hops[1].Reached || syns != 2*traceBatch {
			t.Errorf("quiet %v: %+v, %d SYNs", quiet, hops, syns)
		}
	}
	o := &Options{URL: "http://10.99.1.21:9/", NoTrace: true} // the router answers for this address with RST
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p := r.Walk.Path[0]
	if p.Cause != fault.CauseConnectionRefused || p.TTL == nil || p.TTL.Reset != 64 {
		t.Errorf("%+v, TTL %+v, echo %+v", p, p.TTL, p.Echo)
	}
	if p.TTL != nil && p.TTL.Answer != 0 && p.TTL.nearer() != 1 {
		t.Errorf("TTL %+v", p.TTL)
	}
	t.Logf("TTL %+v, echo %+v, proof %q, sent %q", p.TTL, p.Echo, r.Verdict.Proof, r.Sent)
	watch := watchTTL(names)
	if d := dial(t.Context(), names, dialing{timeout: DefaultTimeout}); d.errno != 0 {
		t.Fatalf("the name server's port: %v", d.errno)
	}
	watch.close()
	if ttl := watch.seen(); ttl == nil || ttl.Answer != 63 || ttl.Reset != 0 {
		t.Errorf("of the name server: %+v", ttl)
	}
}
