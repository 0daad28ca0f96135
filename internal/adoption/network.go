package adoption

import "net/netip"

// network reads a network, or an address, which is a network of one.
func network(text string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, fault := netip.ParseAddr(text)
		if fault != nil {
			return netip.Prefix{}, false
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	return p.Masked(), true
}
