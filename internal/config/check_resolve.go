package config

import (
	"net/netip"
	"slices"
	"strings"
)

// Secure reports whether the endpoints that SRV records make speak TLS.
func (r *Resolve) Secure() bool { return strings.HasPrefix(r.SRV, "_https.") }

// Followed reports whether what the endpoint's name stands for is looked for: it is a name.
func (e Place) Followed() bool {
	_, err := netip.ParseAddr(e.Host)
	return e.Scheme != "unix" && err != nil
}

// checkResolve wants names to follow: those of endpoints, or of SRV records.
func (d *decoder) checkResolve(p *Pool) {
	path := "pools." + p.Name
	at, given := d.positions[path+".resolve"]
	p.Resolve.On = given
	if !given {
		return
	}
	_, srv := d.positions[path+".resolve.srv"]
	from, endpoints := d.positions[path+".endpoints"]
	switch {
	case srv && endpoints:
		d.fail(from, path+".endpoints", "resolve.srv says where the endpoints are, and so does this", "remove endpoints, or resolve.srv")
	case !srv && !endpoints:
		d.fail(at, path+".endpoints", "there is no name to follow"+of(path), "add endpoints: [http://app.internal:8080], or resolve.srv: _http._tcp.example.internal")
	case endpoints && len(p.Endpoints) > 0 && !slices.ContainsFunc(p.Endpoints, func(e Endpoint) bool { return e.Followed() }):
		d.fail(at, path+".resolve", "no endpoint of the pool is a name, so there is nothing to follow", "write names in its endpoints, or remove resolve")
	}
}
