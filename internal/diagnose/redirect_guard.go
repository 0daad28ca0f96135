package diagnose

import (
	"net/netip"
	"sync/atomic"

	"github.com/whygate/whygate/internal/fault"
)

// NotFollowed is a redirect that was not followed, since its target is closer to this machine than the URL is: whoever answers the URL
// must not choose what is asked there.
type NotFollowed struct {
	URL     string `json:"url"` // as it may be shown
	Address string `json:"address"`
	Why     string `json:"why"`

	own bool // of the machine of whoever follows it
}

// nearness is how close to this machine an address is.
type nearness int

const (
	public    nearness = iota
	private            // RFC 1918, RFC 4193, RFC 6598
	linkLocal          // RFC 3927, RFC 4291: where clouds keep their metadata
	ownMachine
)

// words are the nearness as a sentence has it.
func (n nearness) words() string {
	return [...]string{"a public address", "a private address", "a link-local address", "an address of the machine itself"}[n]
}

// Networks of other families' addresses, and of carriers.
var (
	nat64   = netip.MustParsePrefix("64:ff9b::/96")  // RFC 6052
	carrier = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	zeroth  = netip.MustParsePrefix("0.0.0.0/8")     // RFC 1122, section 3.2.1.3: this host
)

// nearnessOf tells how close an address is.
func nearnessOf(a netip.Addr) nearness {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch {
	case a.IsLoopback() || a.IsUnspecified() || zeroth.Contains(a):
		return ownMachine
	case a.IsLinkLocalUnicast() || a.IsMulticast():
		return linkLocal
	case a.IsPrivate() || carrier.Contains(a):
		return private
	}
	return public
}

// guard decides which addresses a redirect may lead to, by the one that the URL led to.
type guard struct {
	first nearness
	kept  atomic.Pointer[netip.Addr] // the address that was refused, set where it is dialed
}

// guardOf makes the guard of a walk whose main request was answered.
func guardOf(x *Exchange) *guard {
	g := &guard{first: public}
	if at, err := netip.ParseAddrPort(x.Evidence.Addr); err == nil {
		g.first = nearnessOf(at.Addr())
	}
	return g
}

// refuse reports whether an address is not to be dialed.
func (g *guard) refuse(a netip.Addr) bool {
	n := nearnessOf(a)
	if n == public || n == g.first || n == private && g.first == ownMachine {
		return false
	}
	g.kept.CompareAndSwap(nil, &a)
	return true
}

// refused says what was refused, nil where nothing was.
func (g *guard) refused(to *Target) *NotFollowed {
	a := g.kept.Load()
	if a == nil {
		return nil
	}
	n := nearnessOf(*a)
	return &NotFollowed{URL: to.URL, Address: a.String(), Why: "it leads to " + n.words() + ", and the URL does not", own: n == ownMachine}
}

// notFollowed: a redirect that leads to the machine of whoever follows it, which its name does not show.
func notFollowed(w *Walk, f *finding) *finding {
	no := w.HTTP.NotFollowed
	if no == nil || !no.own || len(w.HTTP.Follow) > 0 {
		return nil
	}
	f.cause = fault.CauseRouteBroken
	f.sentence = w.Target.label() + " redirects to " + no.URL + ", which is the visitor's own machine: it resolves to " + no.Address
	f.missing = append(f.missing, "what the name resolves to for visitors: here it may be a line of the hosts file")
	return f
}
