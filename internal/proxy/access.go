package proxy

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/whygate/whygate/internal/fault"
)

// Access says which addresses may ask. Of the networks that have an address the smallest decides; where there are networks that may,
// an address in none may not.
type Access struct {
	networks []verdict // the smallest first
	open     bool      // an address in none of them may ask
}

type verdict struct {
	network netip.Prefix
	allowed bool
}

// NewAccess makes an Access. A network in both lists is denied.
func NewAccess(allow, deny []netip.Prefix) *Access {
	a := &Access{open: len(allow) == 0}
	for _, p := range deny {
		a.networks = append(a.networks, verdict{p, false})
	}
	for _, p := range allow {
		a.networks = append(a.networks, verdict{p, true})
	}
	slices.SortStableFunc(a.networks, func(x, y verdict) int { return cmp.Compare(y.network.Bits(), x.network.Bits()) })
	return a
}

// allows reports whether an address may ask. One that is not known, as of a client behind a unix socket, may only where nobody is denied.
func (a *Access) allows(addr netip.Addr) bool {
	if addr = addr.Unmap().WithZone(""); !addr.IsValid() {
		return len(a.networks) == 0
	}
	for i := range a.networks {
		if a.networks[i].network.Contains(addr) {
			return a.networks[i].allowed
		}
	}
	return a.open
}

// denied finds out whether the client may not ask the route.
func (s *serving) denied(a *Access) *fault.Evidence {
	addr, unknown := s.clientAddr()
	if unknown != nil {
		addr = netip.Addr{}
	}
	if a.allows(addr) {
		return nil
	}
	return &fault.Evidence{Stage: fault.Select, End: fault.Denied, Told: fault.CauseRequestDenied, By: fault.PartyGateway, Declared: -1}
}
