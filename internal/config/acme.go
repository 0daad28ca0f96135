package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ACME says how certificates are obtained for the listeners whose TLS has issue: auto.
type ACME struct {
	Email     string   `key:"email"`
	Directory string   `key:"directory"` // URL
	CA        string   `key:"ca"`        // path of a PEM file; empty: the system's authorities
	Names     []string `key:"names"`     // beside the hosts of the routes
	Challenge string   `key:"challenge"` // ChallengeTLS, ChallengeHTTP or ChallengeDNS
	DNS       ACMEDNS  `key:"dns"`
	OnDemand  OnDemand `key:"on_demand"`
	Storage   string   `key:"storage"` // path of a directory; empty: one in the state directory
}

// ACMEDNS is how a record comes into the zone for dns-01.
type ACMEDNS struct {
	Command []string `key:"command"`
}

// OnDemand says which names may get a certificate when a client asks for them. The zero value: none.
type OnDemand struct {
	Ask      string   `key:"ask"` // URL
	Suffixes []string `key:"suffixes"`
}

// On reports whether there is a decision, and so whether names come on demand.
func (o *OnDemand) On() bool { return o.Ask != "" || len(o.Suffixes) > 0 }

// The values of acme.challenge.
const (
	ChallengeTLS  = "tls-alpn-01"
	ChallengeHTTP = "http-01"
	ChallengeDNS  = "dns-01"
)

// DefaultDirectory is Let's Encrypt's.
const DefaultDirectory = "https://acme-v02.api.letsencrypt.org/directory"

// The values of listen[].tls.issue.
const (
	IssueAuto     = "auto"     // from an authority, by ACME
	IssueInternal = "internal" // from an authority on this machine, for development
)

// emailAddress is whom an authority writes to.
var emailAddress = &kind{what: "an e-mail address", parse: parseEmail, schema: map[string]any{"type": "string", "pattern": `^(.+@.+|.*\$\{.*)$`}}

// parseEmail reads an address. Authorities refuse what they do not like.
func parseEmail(k *key, s string) (any, *trouble) {
	at := strings.IndexByte(s, '@')
	if at < 1 || at == len(s)-1 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' || r == '?' }) {
		return nil, k.not(s, "write it alone: "+k.example)
	}
	return s, nil
}

// Auto reports whether a listener gets its certificates by ACME.
func (c *Config) Auto() bool {
	return slices.ContainsFunc(c.Listen, func(l Listen) bool { return l.TLS.Issue == IssueAuto })
}

// CertificateNames are the names that certificates are obtained for: the hosts of the routes, wildcards only where dns-01 can prove them,
// and acme.names.
func (c *Config) CertificateNames() []string {
	var out []string
	for _, r := range c.Routes {
		wild := strings.HasPrefix(r.Host, "*.")
		if r.Host != "" && certifiable(r.Host) && (!wild || c.ACME.Challenge == ChallengeDNS) {
			out = append(out, r.Host)
		}
	}
	out = append(out, c.ACME.Names...)
	slices.Sort(out)
	return slices.Compact(out)
}

// certifiable reports whether an authority could give a certificate for a host: a name of two labels or more.
func certifiable(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil && strings.Contains(strings.TrimPrefix(host, "*."), ".")
}

// Routed reports whether requests for a host lead anywhere. A wildcard does if one of its names does.
func (c *Config) Routed(host string) bool {
	host = strings.Replace(strings.ToLower(host), "*.", "any.", 1)
	return slices.ContainsFunc(c.Routes, func(r Route) bool { return coversHost(r.Host, host) })
}

// checkACME wants names where certificates are to be obtained, and what the challenge needs.
func (d *decoder) checkACME(c *Config) {
	at, given := d.positions["acme"]
	if !c.Auto() {
		if given && !d.problems.Failed() {
			d.warn(at, "acme", "no listener has tls: auto, so this has no effect", "write tls: auto for the listener on port 443")
		}
		return
	}
	a := &c.ACME
	place := func(path string) position {
		if p, ok := d.positions[path]; ok {
			return p
		}
		return at
	}
	_, demand := d.positions["acme.on_demand"]
	if demand && !a.OnDemand.On() {
		d.fail(place("acme.on_demand"), "acme.on_demand", "nobody decides which names may get a certificate", "add ask: a URL that answers 200 for a name that may, or suffixes: [example.com]; without one anybody could use up what the authority allows")
	}
	if len(a.OnDemand.Suffixes) > 0 && a.OnDemand.Ask == "" && !d.problems.Failed() {
		d.warn(place("acme.on_demand.suffixes"), "acme.on_demand.suffixes", "any client may have names made up below these ordered, until the authority has had enough and customers get none", "add ask: a URL that answers 200 for the names of your customers alone")
	}
	if a.Challenge == ChallengeDNS && len(a.DNS.Command) == 0 {
		d.fail(place("acme.challenge"), "acme.dns.command", "dns-01 needs a command that puts a record into the zone", "add dns: {command: [/path/of/a/program]}")
	}
	for i, name := range a.Names {
		path := fmt.Sprintf("acme.names[%d]", i)
		switch {
		case !certifiable(name):
			d.fail(place(path), path, "no authority gives a certificate for "+quote(d.shown(path, name)), "write a name with a dot in it; for a name of your own network use cert and key")
		case strings.HasPrefix(name, "*.") && a.Challenge != ChallengeDNS:
			d.fail(place(path), path, "only dns-01 can prove the wildcard "+quote(d.shown(path, name)), "write challenge: dns-01, or the names one by one")
		case !c.Routed(name):
			d.fail(place(path), path, "no route is for "+quote(d.shown(path, name)), "give a route that host, or remove the name")
		}
	}
	if len(c.CertificateNames()) == 0 && !a.OnDemand.On() && !d.problems.Failed() {
		at := d.positions[fmt.Sprintf("listen[%d].tls", slices.IndexFunc(c.Listen, func(l Listen) bool { return l.TLS.Issue == IssueAuto }))]
		d.fail(at, "acme.names", "there is no name to get a certificate for", "give the routes hosts, or add acme: {names: [shop.example.com]}")
	}
	if a.Challenge == ChallengeHTTP && !slices.ContainsFunc(c.Listen, func(l Listen) bool { return !l.TLS.On() }) && !d.problems.Failed() {
		d.warn(place("acme.challenge"), "acme.challenge", "http-01 is asked for on port 80 in clear, and every listener speaks TLS", "add a listener without tls: {address: :80}")
	}
}
