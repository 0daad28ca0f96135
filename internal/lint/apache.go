package lint

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

var apacheRules = []Rule{
	{
		ID: "apache-slash-missing", Severity: Fault, Products: []string{"apache"}, Causes: []string{"dns-error", "wrong-service"},
		Title:   "ProxyPass ends with a slash on one side only",
		Happens: "Apache puts the rest of the path behind the target as it is: with http://host:8080 and no slash, /foo asks the host \"host:8080foo\": 500, \"DNS lookup failure\". With a path, /v1 becomes /v1foo.",
		Fix:     "End both with a slash, or neither.",
		Source:  "Apache 2.4: mod_proxy, ProxyPass: \"If the first argument ends with a trailing /, the second argument should also end with a trailing /, and vice versa\"",
		check:   checkApacheSlash,
	},
	{
		ID: "apache-order", Severity: Fault, Products: []string{"apache"}, Causes: []string{"wrong-service"},
		Title:   "A ProxyPass that is never reached",
		Happens: "The first ProxyPass that fits takes the request: a more exact one below it never does, and its requests go to the wrong application.",
		Fix:     "Write the longest paths first, exclusions (\"!\") at the top.",
		Source:  "Apache 2.4: mod_proxy, Ordering ProxyPass Directives",
		check:   checkApacheOrder,
	},
	{
		ID: "apache-tls-engine-off", Severity: Fault, Products: []string{"apache"}, Causes: []string{"route-broken"},
		Title:   "https:// without SSLProxyEngine",
		Happens: "Every request gets 500: AH00961, \"failed to enable ssl support\".",
		Fix:     "Switch it on.",
		Source:  "Apache 2.4: mod_ssl, SSLProxyEngine (default off)",
		check:   checkSSLProxyEngine,
	},
	{
		ID: "apache-peer-name", Severity: Risk, Products: []string{"apache"}, Causes: []string{"tls-certificate-wrong-name"},
		Title:   "TLS to an address, whose certificate has a name",
		Happens: "Apache compares the certificate with the host in ProxyPass: where that is an IP address or localhost and the certificate has a name only, every request gets 500 or 502.",
		Fix:     "Write the name, or switch the comparison off.",
		Source:  "Apache 2.4: mod_ssl, SSLProxyCheckPeerName (default on)",
		check:   checkPeerName,
	},
	{
		ID: "apache-balancer-unknown", Severity: Fault, Products: []string{"apache"}, Causes: []string{"nobody-available"},
		Title:   "A balancer without members",
		Happens: "Every request gets 503: AH01171, \"No workers in balancer\".",
		Fix:     "Write <Proxy balancer://NAME> with its BalancerMember lines.",
		Source:  "Apache 2.4: mod_proxy_balancer",
		check:   checkBalancer,
	},
	{
		ID: "apache-no-recovery", Severity: Risk, Products: []string{"apache"}, Causes: []string{"nobody-available"},
		Title:   "When all members failed, nobody is asked until retry is over",
		Happens: "One failed connection puts a member out for retry= seconds (60 by default). With forcerecovery=Off, a short restart of the application makes 503 for all of that time.",
		Fix:     "Leave forcerecovery on, and retry short.",
		Source:  "Apache 2.4: mod_proxy, forcerecovery (default On), retry (default 60)",
		check:   checkRecovery,
	},
	{
		ID: "ajp-secret", Severity: Fault, Products: []string{"tomcat", "apache"}, Causes: []string{"connection-refused", "request-denied"},
		Title:   "AJP without the secret that Tomcat wants",
		Happens: "Tomcat does not open its AJP connector without a secret, or answers 403 to a proxy that sends another: 503 or 403 for every request. Both sides need the same, since Tomcat 9.0.31 and 8.5.51.",
		Fix:     "Set the same secret at both sides (Apache 2.4.42).",
		Source:  "Tomcat: The AJP Connector, secret, secretRequired (default true); Apache 2.4: mod_proxy, secret",
		check:   checkAJPSecret,
	},
}

func checkApacheSlash(c *check) {
	for r := range c.routes("apache") {
		if !same(r.Node.Name, "ProxyPass") || !strings.HasPrefix(r.Path, "/") || strings.HasPrefix(r.Target, "unix:") || strings.HasPrefix(r.Target, "balancer://") || strings.Contains(r.Target, "$") {
			continue
		}
		host, path := hostPart(r.Target)
		switch {
		case strings.HasSuffix(r.Path, "/") && path == "":
			c.fault(r.Node, fmt.Sprintf("%sfoo is asked for at the host %q, which there is not: 500.", r.Path, host+"foo"), strings.Replace(r.Node.Words(), r.Target, r.Target+"/", 1))
		case strings.HasSuffix(r.Path, "/") && !strings.HasSuffix(path, "/"):
			c.risk(r.Node, fmt.Sprintf("%sfoo becomes %sfoo.", r.Path, path), strings.Replace(r.Node.Words(), r.Target, r.Target+"/", 1))
		}
	}
}

func same(a, b string) bool { return strings.EqualFold(a, b) }

func checkApacheOrder(c *check) {
	for p := range c.proxies("apache") {
		levels := [][]*Node{p.Tree}
		for _, s := range p.Servers {
			levels = append(levels, s.Node.Kids)
		}
		for _, level := range levels {
			var before []*Node
			for _, n := range level {
				if !same(n.Name, "ProxyPass") || !strings.HasPrefix(n.Text(), "/") {
					continue
				}
				for _, b := range before {
					if b.Arg(1) != "!" && covers(b.Text(), n.Text()) {
						c.fault(n, fmt.Sprintf("%s (%v) takes these requests first: this line never does.", b.Text(), b.Place), n.Words()+"\n"+b.Words())
						break
					}
				}
				before = append(before, n)
			}
		}
	}
}

// covers reports whether a prefix takes every request of another.
func covers(first, second string) bool {
	return strings.HasPrefix(second, first) && (strings.HasSuffix(first, "/") || len(second) == len(first) || second[len(first)] == '/')
}

func checkSSLProxyEngine(c *check) {
	for r := range c.routes("apache") {
		tls := slices.ContainsFunc(r.Members(), func(u *upstream) bool { return r.TLS(u) })
		if on := r.Fold("SSLProxyEngine"); tls && (on == nil || same(on.Text(), "off")) && (r.Server != nil || len(r.Proxy.Servers) == 0) && !r.Node.Has("!") {
			severity, unless := Fault, ""
			if on == nil && !apacheMain(r.Proxy) {
				severity, unless = Risk, ", unless the main file switches it on"
			}
			c.add(severity, r.Node, fmt.Sprintf("%s is https, and SSLProxyEngine is off: every request gets 500%s.", r.Target, unless), "SSLProxyEngine on")
		}
	}
}

// apacheMain reports whether the main file is here.
func apacheMain(p *proxy) bool {
	return slices.ContainsFunc(p.Tree, func(n *Node) bool {
		return same(n.Name, "ServerRoot") || same(n.Name, "LoadModule") || same(n.Name, "PidFile")
	})
}

func checkPeerName(c *check) {
	for r := range c.routes("apache") {
		on := r.Fold("SSLProxyEngine")
		if on == nil || !same(on.Text(), "on") || r.Host == topology.HostClient {
			continue
		}
		off := false
		for _, name := range []string{"SSLProxyCheckPeerName", "SSLProxyCheckPeerCN"} {
			n := r.Fold(name)
			off = off || n != nil && same(n.Text(), "off")
		}
		for _, u := range r.Members() {
			if r.TLS(u) && !off && (net.ParseIP(u.Host) != nil || topology.Loopback(u.Host)) {
				c.risk(r.Node, fmt.Sprintf("unless the certificate of %s has that address in it, every request fails.", at(u)), "SSLProxyCheckPeerName off").of(r, u)
				break
			}
		}
	}
}

func checkBalancer(c *check) {
	for r := range c.routes("apache") {
		if strings.HasPrefix(r.Target, "balancer://") && len(r.Members()) == 0 && !strings.Contains(r.Target, "$") {
			c.fault(r.Node, fmt.Sprintf("balancer://%s has no members: every request gets 503.", r.Group.Name), fmt.Sprintf("<Proxy balancer://%s>\n  BalancerMember http://127.0.0.1:8080\n</Proxy>", r.Group.Name))
		}
	}
}

func checkRecovery(c *check) {
	for r := range c.routes("apache") {
		lines := []*Node{r.Node}
		if r.Group.Name != "" {
			lines = append(lines, r.Group.Node.Kids...)
		}
		for _, n := range lines {
			for _, a := range n.Args {
				if same(a, "forcerecovery=Off") {
					c.risk(n, fmt.Sprintf("when every member of %s has failed once, all requests get 503 until retry= is over.", r.Target), strings.TrimSpace(strings.Replace(n.Words(), " "+a, "", 1)+" forcerecovery=On"))
				}
			}
		}
	}
}

func checkAJPSecret(c *check) {
	for _, a := range c.Apps {
		if a.Kind != "tomcat" || a.Listen[0].Protocol != "ajp" || same(a.Node.Get("secretRequired").Text(), "false") {
			continue
		}
		secret := a.Node.Get("secret").Text()
		if secret == "" {
			c.fault(a.Node, "Tomcat does not open this connector: it wants a secret.", `<Connector … secret="LONG RANDOM TEXT"/>`)
			continue
		}
		for r := range c.routes("apache") {
			for _, u := range r.Members() {
				if u.Scheme != "ajp" || u.Port != a.Listen[0].Port {
					continue
				}
				if said, ok := ajpSecret(r, u); !ok || said != secret {
					c.fault(u.Node, fmt.Sprintf("Tomcat wants a secret here (%v), and this line sends none, or another: every request gets 403.", a.Node.Place), u.Node.Words()+" secret=THE SAME TEXT")
				}
			}
		}
	}
}

// ajpSecret is the secret that Apache sends.
func ajpSecret(r *route, u *upstream) (string, bool) {
	for _, n := range []*Node{u.Node, r.Node} {
		for _, a := range n.Args {
			if v, ok := strings.CutPrefix(a, "secret="); ok {
				if text, err := strconv.Unquote(v); err == nil {
					v = text
				}
				return v, true
			}
		}
	}
	return "", false
}
