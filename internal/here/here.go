// Package here looks for the proxy that stands at a URL from its own machine: its configuration, its logs, its state, what it asks, and
// what the machine, systemd, the engines of containers and the kernel say of all of them. It reads what is there, skips in silence what
// is not, changes nothing, and names everything that it read. What to make of it is decided elsewhere.
package here

import (
	"net/netip"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/proxyconf"
)

// finder gathers what is known of the target, and keeps what it needs for that.
type finder struct {
	*diagnose.Here

	logs    *logs             // to be read again when the requests were made
	listens netip.AddrPort    // where the proxy takes the URL's connections
	config  *proxyconf.Config // the proxy's, nil where it could not be read
	backend string            // the route's name
}
