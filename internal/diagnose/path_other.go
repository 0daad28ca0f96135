//go:build !linux

package diagnose

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// canTrace: only Linux passes ICMP errors on to a TCP socket. Elsewhere a report has no hops.
const canTrace = false

// States of a neighbour, as the probes name them. The table is read on Linux only.
const neighbourFailed = "no answer"

// mtuSizes are Linux's.
var mtuSizes []int

// icmpListener hears ICMP errors on Linux only.
type icmpListener struct{}

func listenICMP(bool) *icmpListener { return nil }

func (*icmpListener) close() {}

func (*icmpListener) explain(*dialled) {}

// ttlWatch sees packets on Linux only.
type ttlWatch struct{}

func watchTTL(netip.AddrPort) *ttlWatch { return nil }

func (*ttlWatch) close() {}

func (*ttlWatch) seen() *TTL { return nil }

// dial tries to connect. What the network says against it beside an errno is not known here, and a TTL is not set.
func dial(ctx context.Context, at netip.AddrPort, how dialing) (d dialled) {
	d.began = time.Now()
	defer func() { d.spent = time.Since(d.began) }()
	dialer := net.Dialer{Timeout: how.timeout}
	c, err := dialer.DialContext(ctx, "tcp", at.String())
	if err != nil {
		d.timeout = !errors.As(err, &d.errno)
		return d
	}
	d.from, _, _ = net.SplitHostPort(c.LocalAddr().String())
	_ = c.Close()
	return d
}

func dialUnix(ctx context.Context, path string, timeout time.Duration) (errno syscall.Errno, timedOut bool) {
	dialer := net.Dialer{Timeout: timeout}
	c, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		timedOut = !errors.As(err, &errno)
		return errno, timedOut
	}
	_ = c.Close()
	return 0, false
}

func hasRoute(bool) bool { return true }

func neighbour(netip.Addr) string { return "" }

func echo(context.Context, netip.Addr, time.Duration) *Echo { return nil }

func pathMTU(context.Context, netip.Addr) *MTU { return nil }
