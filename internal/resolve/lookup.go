// Package resolve looks names up: as a program on this machine would, or by name servers that are told, and as one name server says it,
// with what the standard library keeps to itself, the response code and the extended error (RFC 8914).
package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// Lookup turns names into addresses as a program would: hosts file, search list and the system's name servers, or the servers that
// it was told. It may be used by many goroutines at once.
type Lookup struct {
	servers []string // host:port; empty means those of the system
	timeout time.Duration
	by      []*net.Resolver // one for each server, or the system's
	first   atomic.Int32    // the one that answered last
}

// NewLookup makes a Lookup. Servers are addresses with or without a port; none means the system's. Timeout bounds a look-up with all
// its tries, so that a silent server leaves time for the next one; 0 leaves that to the context.
func NewLookup(servers []string, timeout time.Duration) *Lookup {
	l := &Lookup{servers: Servers(servers), timeout: timeout}
	for _, server := range l.servers {
		l.by = append(l.by, &net.Resolver{PreferGo: true, Dial: l.dial(server)})
	}
	if len(l.by) == 0 {
		l.by = []*net.Resolver{net.DefaultResolver}
	}
	return l
}

// Servers gives each server's address with its port: 53 where it was given without.
func Servers(given []string) (all []string) {
	for _, s := range given {
		if _, _, err := net.SplitHostPort(s); err != nil {
			s = net.JoinHostPort(strings.Trim(s, "[]"), "53")
		}
		all = append(all, s)
	}
	return all
}

// tries is how often net.Resolver asks at least before it gives a name up.
const tries = 2

// dial makes the standard resolver ask our server instead of the system's.
func (l *Lookup) dial(server string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, server)
		if err == nil && l.timeout > 0 {
			// net.Resolver gives each try five seconds, which may be all there is, and does not look at ctx while it reads.
			share := l.timeout / time.Duration(tries*len(l.servers))
			try := time.AfterFunc(share, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
			context.AfterFunc(ctx, func() { try.Stop(); _ = c.Close() }) // ctx ends with the try at the latest
		}
		return c, err
	}
}

// Addresses asks one server after another until one knows whether the name exists, beginning with the one that did last time. The
// error is a *net.DNSError where a server answered or was silent.
func (l *Lookup) Addresses(ctx context.Context, host string) (addrs []netip.Addr, err error) {
	first := int(l.first.Load())
	for i := range l.by {
		at := (first + i) % len(l.by)
		share, cancel := ctx, context.CancelFunc(func() {})
		if end, ok := ctx.Deadline(); ok {
			share, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(len(l.by)-i))
		}
		addrs, err = l.by[at].LookupNetIP(share, "ip", host)
		cancel()
		var e *net.DNSError
		if errors.As(err, &e) && len(l.servers) > 0 {
			e.Server = l.servers[at] // net.Resolver believes that it asked the system's
		}
		if err == nil || e != nil && e.IsNotFound {
			l.first.Store(int32(at))
			break
		}
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}
