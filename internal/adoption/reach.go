package adoption

import (
	"net/netip"
	"slices"
	"strings"
)

// An address that something listens on keeps out who cannot reach it. Routes look at the port alone: where one port has several addresses, what
// listens on one that fewer clients reach is left out, so that the others do not reach it.

// How many clients reach an address.
const (
	reachLoopback = iota + 1
	reachPrivate
	reachAll
)

// reachOf is how many clients reach an address, as configurations write it.
func reachOf(host string) int {
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return reachLoopback
	}
	a, err := netip.ParseAddr(host)
	switch {
	case err != nil || a.IsUnspecified():
		return reachAll
	case a.IsLoopback():
		return reachLoopback
	case a.IsPrivate() || a.IsLinkLocalUnicast():
		return reachPrivate
	}
	return reachAll
}

// reaches is how far the widest address of each port is reached.
type reaches map[string]int

// on takes one more address.
func (r reaches) on(host, port string) { r[port] = max(r[port], reachOf(host)) }

// narrow reports whether others on the port are reached by more clients than any of these addresses.
func (r reaches) narrow(port string, hosts []string) bool {
	return !slices.ContainsFunc(hosts, func(h string) bool { return reachOf(h) >= r[port] })
}

const narrowly = "others on port %s are reached by more clients, and routes look at the port alone; what it leads to there is left out"
