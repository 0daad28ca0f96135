package config

import (
	"net"
	"strings"
)

// certify makes the listeners speak TLS for the domains, and routes of them.
func (o Overrides) certify(c *Config) (problems Problems) {
	refuse := func(flag, message, hint string) {
		problems = append(problems, Problem{Path: flag, Message: flag + " " + message, Hint: hint})
	}
	if len(o.Domains) == 0 {
		for _, f := range [][2]string{{"--email", o.Email}, {"--acme-directory", o.Directory}, {"--acme-ca", o.Root}} {
			if f[1] != "" {
				refuse(f[0], "is about certificates, and there is no --domain", "write --domain shop.example.com")
			}
		}
		if o.NoRedirect {
			refuse("--no-redirect", "is about the names of --domain, and there is none", "write --domain shop.example.com, or leave it out")
		}
		return problems
	}
	every := c.Routes[0]
	c.Routes = nil
	k := find("acme.names")
	for _, domain := range o.Domains {
		v, t := parseHostPattern(k, domain)
		switch {
		case t != nil:
			refuse("--domain", t.message, t.hint)
			continue
		case !certifiable(v.(string)):
			refuse("--domain", "is nothing that an authority gives a certificate for: "+quote(domain), "write a name with a dot in it that leads to this machine")
			continue
		case strings.HasPrefix(v.(string), "*."):
			refuse("--domain", "cannot be a wildcard, which dns-01 alone can prove: "+quote(domain), "go on with a file: --print-config makes it, its keys are acme.challenge and acme.dns")
			continue
		}
		r := every
		r.Host = v.(string)
		c.Routes = append(c.Routes, r)
	}
	return append(problems, o.redirect(c)...)
}

// redirect makes the listeners speak TLS, except those on port 80, from which clients are sent to https. Beside a listener on port 443 there
// is one on port 80 of the same address.
func (o Overrides) redirect(c *Config) (problems Problems) {
	var secure, plain []Listen
	for _, l := range c.Listen {
		if onPort(l, "80") {
			plain = append(plain, l)
			continue
		}
		l.TLS.Issue = IssueAuto
		secure = append(secure, l)
	}
	if len(secure) == 0 {
		return Problems{{Path: "--from", Message: "--from has port 80 alone, and certificates are shown on another", Hint: "write --from :443; port 80 is listened on with it"}}
	}
	given := len(plain)
	for _, l := range secure {
		if onPort(l, "443") && given == 0 && !o.NoRedirect {
			host, _, _ := net.SplitHostPort(l.Address.Address)
			l.Address.Address, l.TLS.Issue = net.JoinHostPort(host, "80"), ""
			plain = append(plain, l)
		}
	}
	c.Listen = append(secure, plain...)
	switch {
	case o.NoRedirect && given > 0:
		return Problems{{Path: "--no-redirect", Message: "--no-redirect is against a listener on port 80, and --from has one", Hint: "leave one of the two out"}}
	case len(plain) > 0:
		c.Routes = append(redirects(c.Routes), c.Routes...)
	case !o.NoRedirect:
		problems = append(problems, Problem{
			Severity: Warning, Path: "--from", Message: "nobody listens on port 80 for those who come by http://, since --from has no port 443",
			Hint: "add --from :80 to send them to https://, or --no-redirect if something else does",
		})
	}
	return problems
}

// onPort reports whether a listener has that TCP port.
func onPort(l Listen, port string) bool {
	_, p, err := net.SplitHostPort(l.Address.Address)
	return err == nil && l.Address.Network == "tcp" && p == port
}

// redirects are routes that send who comes in clear to https, one for each host: what else is asked for by that port is not found.
func redirects(routes []Route) []Route {
	var out []Route
	for _, r := range routes {
		r.Pool, r.Scheme = "", "http"
		r.Redirect = Redirect{To: "https://$host$uri", Status: 308}
		out = append(out, r)
	}
	return out
}
