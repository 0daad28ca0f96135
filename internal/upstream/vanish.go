package upstream

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

const (
	// refreshEvery is how often a name is resolved again while connections to it are used.
	refreshEvery = 10 * time.Second
	// vanishAfter is how long an address must have been missing from a name's answers before its connections are given up.
	// Some name servers give a part of a service's addresses each time, and those must not cost a connection at every turn.
	vanishAfter = time.Minute
	// knownAddressesMax bounds the addresses remembered for one endpoint.
	knownAddressesMax = 256
)

// addresses is what an endpoint's name was found to stand for. Without it a connection that is never idle for long would be
// used for as long as its peer lets it live, wherever the service has moved meanwhile.
type addresses struct {
	known map[netip.Addr]mono.Time // 0, or when the first answer came that had it no more, on mono's clock
	asked mono.Time                // when it was asked for last
	used  bool                     // a connection was used since the last look
	gone  map[netip.Addr]bool      // what is known, and has been missing for vanishAfter
	news  []netip.Addr             // what came to gone since Refresh told
}

// vanished reports whether the address, host:port, belongs to the name no more.
//
// hot: once per exchange.
func (n *addresses) vanished(addr string) bool {
	if len(n.gone) == 0 {
		return false
	}
	a, err := netip.ParseAddrPort(addr)
	return err == nil && n.gone[a.Addr().Unmap()]
}

// learn notes what the name stands for now.
func (t *Target) learn(addrs []netip.Addr, now mono.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := &t.names
	addrs = addrs[:min(len(addrs), knownAddressesMax/2)]
	if n.known == nil || len(n.known)+len(addrs) > knownAddressesMax { // a name that stands for ever new ones is begun anew
		n.known, n.gone = map[netip.Addr]mono.Time{}, map[netip.Addr]bool{}
	}
	n.asked = now
	for a, since := range n.known {
		switch {
		case slices.Contains(addrs, a):
		case since == 0:
			n.known[a] = now
		case now.Sub(since) >= vanishAfter && !n.gone[a]:
			n.gone[a] = true
			n.news = append(n.news, a)
		}
	}
	for _, a := range addrs {
		n.known[a] = 0
		delete(n.gone, a)
	}
}

// Refresh resolves the endpoint's name again, if connections to it are used and it is time to. It gives the addresses that
// the name has not stood for any more for a minute: Sweep closes the idle connections to them, and one in use is closed when
// its exchange ends. A name that cannot be resolved changes nothing: the last answer holds. Somebody calls it every second or
// so; it may take as long as the resolver does.
func (t *Target) Refresh(ctx context.Context) (gone []netip.Addr) {
	if t.due(mono.Now()) {
		var ev fault.Evidence
		if addrs, ok := t.Resolver.resolve(ctx, t.Host, &ev); ok {
			t.learn(addrs, mono.Now())
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	gone, t.names.news = t.names.news, nil
	slices.SortFunc(gone, netip.Addr.Compare)
	return gone
}

// due reports whether the name is to be resolved again, and if so counts it as done.
func (t *Target) due(now mono.Time) bool {
	if _, err := netip.ParseAddr(t.Host); err == nil || t.Network == "unix" || t.At.IsValid() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := &t.names
	if t.closed || !n.used && len(t.idle) == 0 || now.Sub(n.asked) < refreshEvery {
		return false
	}
	n.used, n.asked = false, now
	return true
}
