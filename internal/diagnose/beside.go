package diagnose

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// Beside is another port of a host whose own port is silent: whatever answers there shows that the host is up.
type Beside struct {
	Port  int    `json:"port"`
	State string `json:"state"` // open, refused or silent
}

// besidePorts are the ports that are compared: those that most hosts have open, or refuse. Two of them are asked.
var besidePorts = [...]uint16{443, 80, 22}

const (
	besideMax  = 2
	besideTime = time.Second
)

// States of a port.
const (
	besideOpen    = "open"
	besideRefused = "refused"
	besideSilent  = "silent"
)

// besides connects to other ports of the host, at once, and asks them nothing.
func besides(ctx context.Context, at netip.AddrPort) []Beside {
	var ports []uint16
	for _, port := range besidePorts {
		if port != at.Port() && len(ports) < besideMax {
			ports = append(ports, port)
		}
	}
	found := make([]Beside, len(ports))
	var group sync.WaitGroup
	for i, port := range ports {
		group.Go(func() {
			d := dial(ctx, netip.AddrPortFrom(at.Addr(), port), dialing{timeout: besideTime})
			found[i] = Beside{Port: int(port), State: besideSilent}
			switch {
			case d.timeout:
			case d.errno == 0:
				found[i].State = besideOpen
			case (d.errno == syscall.ECONNREFUSED || d.errno == syscall.ECONNRESET) && d.icmp == nil:
				found[i].State = besideRefused
			}
		})
	}
	group.Wait()
	return found
}

// alive says by what a silent port's host shows that it is up, empty where it shows nothing.
func (p *Path) alive() string {
	var signs []string
	if p.Echo != nil && p.Echo.Answered {
		signs = append(signs, "a ping is answered in "+mono.Words(time.Duration(p.Echo.Took)))
	}
	for _, b := range p.Beside {
		if b.State != besideSilent {
			signs = append(signs, fmt.Sprintf("port %d is %s", b.Port, b.State))
		}
	}
	return strings.Join(signs, ", ")
}

// where says where the packets to a silent port are lost, as far as the other signs tell: it goes behind the sentence.
func (p *Path) where() string {
	if a, b := circleOf(p.Hops); a != "" {
		return fmt.Sprintf("; packets go round between the routers %s and %s: a routing loop", a, b)
	}
	if signs := p.alive(); signs != "" {
		return "; the host is up (" + signs + "), so this port alone is dropped: by a filter on the way or on the host, or by an accept queue that is full"
	}
	if len(p.Beside) == 0 {
		return ""
	}
	tried := make([]string, 0, len(p.Beside)+1)
	if p.Echo != nil {
		tried = append(tried, "a ping")
	}
	for _, b := range p.Beside {
		tried = append(tried, fmt.Sprintf("port %d", b.Port))
	}
	return "; nothing else of the host answers either (" + join(tried) + "): it is gone, or a filter drops everything to it"
}

// loopLeast is how often two routers must follow each other before it is called a loop.
const loopLeast = 4

// circleOf finds two routers that hand packets to each other, by turns at the end of what a traceroute saw.
func circleOf(hops []Hop) (a, b string) {
	var seen []string
	for _, h := range hops {
		if h.From != "" {
			seen = append(seen, h.From)
		}
	}
	if len(seen) < loopLeast {
		return "", ""
	}
	tail := seen[len(seen)-loopLeast:]
	if tail[0] == tail[2] && tail[1] == tail[3] && tail[0] != tail[1] {
		return tail[0], tail[1]
	}
	return "", ""
}
