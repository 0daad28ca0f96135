package admin

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// connections bounds the connections at a time: the descriptors are the proxy's.
const connections = 64

// few closes a connection at once while as many are open as there may be. So that no client keeps the others away, one that has more of them
// than the client that comes gives one up instead: one on which no request is being answered, or any where the client has more than half of
// all. Who comes by a unix socket has no address: they all are as one client.
type few struct {
	net.Listener
	mu   sync.Mutex // guards the fields below, and those of what is open that say so
	open []*counted
}

// counted is one of the connections of few, which it leaves when it is closed.
type counted struct {
	net.Conn
	of     *few
	client netip.Prefix // the zero Prefix by a unix socket

	// few.mu guards the fields below.
	asks  bool      // a request on it is being answered
	since time.Time // since when it does, or does not
}

// Accept waits for a connection there is room for.
func (l *few) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &counted{Conn: nc, of: l, client: clientOf(nc.RemoteAddr()), since: time.Now()}
		if l.enter(c) {
			return c, nil
		}
		nc.Close()
	}
}

// enter counts a connection, in the place of another one if need be. It is false where there is no room.
func (l *few) enter(c *counted) bool {
	l.mu.Lock()
	var out *counted
	if len(l.open) >= connections {
		if out = l.givesUp(c.client); out == nil {
			l.mu.Unlock()
			return false
		}
		l.drop(out)
	}
	l.open = append(l.open, c)
	l.mu.Unlock()
	if out != nil {
		out.Conn.Close()
	}
	return true
}

// givesUp is the connection that makes room for one of a client, nil if there is none: of the client that has most, the one that has waited
// longest. mu is held.
func (l *few) givesUp(to netip.Prefix) (out *counted) {
	has := map[netip.Prefix]int{}
	for _, c := range l.open {
		has[c.client]++
	}
	for _, c := range l.open {
		n := has[c.client]
		switch {
		case n < has[to]+2: // it would have fewer than the other then
		case c.asks && n <= connections/2:
		case out == nil, n > has[out.client], n == has[out.client] && out.asks && !c.asks, n == has[out.client] && out.asks == c.asks && c.since.Before(out.since):
			out = c
		}
	}
	return out
}

// drop takes a connection from those that are open. mu is held.
func (l *few) drop(c *counted) {
	for i, other := range l.open {
		if other == c {
			last := len(l.open) - 1
			l.open[i], l.open[last] = l.open[last], nil
			l.open = l.open[:last]
			return
		}
	}
}

// Close closes the connection, which counts no more.
func (c *counted) Close() error {
	c.of.mu.Lock()
	c.of.drop(c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// note notes that a request on the connection begins to be answered, or is answered.
func (c *counted) note(asks bool) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.asks, c.since = asks, time.Now()
}

// ipv6Client is how many bits of an address of IPv6 one client has at least: a network is given that many, and each of its hosts chooses the rest.
const ipv6Client = 64

// clientOf is who is at the other end.
func clientOf(a net.Addr) netip.Prefix {
	at, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := at.AddrPort().Addr().Unmap()
	p, err := addr.Prefix(min(addr.BitLen(), ipv6Client))
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// countedKey is the key of a request's connection in its context.
type countedKey struct{}

// withCounted is http.Server.ConnContext.
func withCounted(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	return context.WithValue(ctx, countedKey{}, c)
}

// asking has each request's connection count as one that is being answered.
func asking(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(countedKey{}).(*counted); ok {
			c.note(true)
			defer c.note(false)
		}
		next.ServeHTTP(w, r)
	})
}
