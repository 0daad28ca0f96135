package machine

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

func TestListenerIsFound(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		host := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network]
		l, err := net.Listen(network, host)
		if err != nil {
			t.Logf("skipped: %s: %v", network, err)
			continue
		}
		defer l.Close()
		c, err := net.Dial(network, l.Addr().String()) // it waits in the queue: nobody accepts
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all, err := Listeners(0)
		if errors.Is(err, ErrUnsupported) {
			t.Skip("skipped: there is no /proc")
		}
		if err != nil {
			t.Fatal(err)
		}
		to := netip.MustParseAddrPort(l.Addr().String())
		found := false
		for _, one := range all {
			if !one.Accepts(to) {
				continue
			}
			found = true
			if one.Queue != 1 || one.Process == nil || one.Process.PID != os.Getpid() {
				t.Errorf("%s: queue %d, process %+v", network, one.Queue, one.Process)
			}
		}
		if !found {
			t.Errorf("%v is not among the listeners", to)
		}
	}
}

func TestAccepts(t *testing.T) {
	for _, c := range []struct {
		bound, to string
		want      bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"0.0.0.0:80", "127.0.0.1:80", true},
		{"0.0.0.0:80", "[::1]:80", false},
		{"[::]:80", "127.0.0.1:80", true},
		{"[::]:80", "[::1]:80", true},
		{"[::1]:80", "127.0.0.1:80", false},
		{"[::ffff:127.0.0.1]:80", "127.0.0.1:80", true},
	} {
		l := Listener{Address: netip.MustParseAddrPort(c.bound)}
		if got := l.Accepts(netip.MustParseAddrPort(c.to)); got != c.want {
			t.Errorf("a socket at %s takes %s: %v", c.bound, c.to, got)
		}
	}
}

func TestProcess(t *testing.T) {
	p := Look(os.Getpid())
	if p.Program == "" {
		t.Skip("skipped: there is no /proc")
	}
	exe, err := os.Executable()
	if err != nil || p.Program != exe || p.Root != "" || p.OtherNet || p.Descriptors == 0 || p.Limit == 0 {
		t.Errorf("%+v, the program is %s, %v", p, exe, err)
	}
	dir, err := os.Getwd()
	if err != nil || p.Path("x") != filepath.Join(dir, "x") || p.Path("/x") != "/x" {
		t.Errorf("paths: %s, %s", p.Path("x"), p.Path("/x"))
	}
	if gone := Look(1 << 30); gone.Program != "" || gone.Descriptors != 0 {
		t.Errorf("a process that is not there: %+v", gone)
	}
}

func TestFlag(t *testing.T) {
	p := Process{Args: []string{"nginx:", "master", "process", "/usr/sbin/nginx", "-c", "/a", "-p/b", "--config=/c", "--file", "/d"}}
	for want, names := range map[string][]string{"/a": {"-c"}, "/b": {"-p"}, "/c": {"--config"}, "/d": {"-x", "--file"}, "": {"-z", "--zz"}} {
		if got := p.Flag(names...); got != want {
			t.Errorf("%v: %q, want %q", names, got, want)
		}
	}
}

func TestCounters(t *testing.T) {
	if low, high := Ports(); high != 0 && (low >= high || low < 1024) {
		t.Errorf("ports from %d to %d", low, high)
	}
	if _, err := os.Stat("/proc/self/net/snmp"); err == nil && Counter("Tcp", "ActiveOpens") == 0 {
		t.Error("no connection was ever opened")
	}
	if used, waiting := PortsTo(netip.MustParseAddrPort("192.0.2.1:1")); Counter("Tcp", "Nothing") != 0 || used != 0 || waiting != 0 {
		t.Error("something was found that cannot be there")
	}
}
