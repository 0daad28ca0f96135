package lint

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

var traefikRules = []Rule{
	{
		ID: "traefik-service-unknown", Severity: Fault, Products: []string{"traefik"}, Causes: []string{"route-broken", "no-route"},
		Title:   "A router leads to a service that there is not",
		Happens: "Traefik leaves the router out and logs \"the service does not exist\": its requests get 404.",
		Fix:     "Write the name of a service, with @PROVIDER if it is another provider's.",
		Source:  "Traefik: Routers, service",
		check:   checkTraefikService,
	},
	{
		ID: "traefik-middleware-unknown", Severity: Fault, Products: []string{"traefik"}, Causes: []string{"route-broken", "no-route"},
		Title:   "A router uses a middleware that there is not",
		Happens: "Traefik leaves the whole router out and logs \"middleware does not exist\": its requests get 404.",
		Fix:     "Define the middleware, or write its name with @PROVIDER.",
		Source:  "Traefik: Middlewares; Provider namespace",
		check:   checkTraefikMiddleware,
	},
	{
		ID: "traefik-entrypoint-unknown", Severity: Fault, Products: []string{"traefik"}, Causes: []string{"route-broken", "no-route"},
		Title:   "A router waits at an entry point that there is not",
		Happens: "Traefik logs \"entryPoint doesn't exist\" and nobody reaches the router: 404.",
		Fix:     "Write the name of an entry point of the static configuration.",
		Source:  "Traefik: Routers, entryPoints",
		check:   checkTraefikEntry,
	},
	{
		ID: "traefik-network-not-said", Severity: Risk, Products: []string{"traefik", "compose"}, Causes: []string{"connect-timeout"},
		Title:   "A container on several networks, and Traefik is not told which",
		Happens: "Traefik takes the address of any of them: when it is one that Traefik is not on, each request gets 504 after 30 s. It changes with each start of the container.",
		Fix:     "Add the label traefik.docker.network.",
		Source:  "Traefik: Docker provider, traefik.docker.network, network",
		check:   checkTraefikNetwork,
	},
	{
		ID: "traefik-port-not-said", Severity: Risk, Products: []string{"traefik", "compose"}, Causes: []string{"connection-refused", "not-http"},
		Title:   "A container with several ports, and Traefik is not told which",
		Happens: "Traefik takes the lowest port that the container exposes: if the application listens on another, each request gets 502.",
		Fix:     "Add the label loadbalancer.server.port.",
		Source:  "Traefik: Docker provider, Port detection",
		check:   checkTraefikPort,
	},
	{
		ID: "traefik-not-enabled", Severity: Fault, Products: []string{"traefik", "compose"}, Causes: []string{"no-route"},
		Title:   "Labels of a container that Traefik is told to leave out",
		Happens: "With exposedByDefault=false a container without traefik.enable=true has no router: 404.",
		Fix:     "Add the label traefik.enable=true.",
		Source:  "Traefik: Docker provider, exposedByDefault (default true)",
		check:   checkTraefikEnabled,
	},
	{
		ID: "traefik-tls-name", Severity: Risk, Products: []string{"traefik"}, Causes: []string{"tls-certificate-wrong-name", "tls-certificate-unknown-authority"},
		Title:   "https:// to an address, with verification",
		Happens: "Traefik verifies the certificate for the address: where it has a name only, or is self-signed, each request gets 500, \"x509: cannot validate certificate … because it doesn't contain any IP SANs\".",
		Fix:     "Give the service a serversTransport with serverName and rootCAs.",
		Source:  "Traefik: ServersTransport, serverName, rootCAs, insecureSkipVerify",
		check:   checkTraefikTLS,
	},
}

// traefikNames are the names that files of Traefik define under a key of "http".
func (c *check) traefikNames(key string) map[string]bool {
	names := map[string]bool{}
	for p := range c.proxies("traefik") {
		for _, root := range p.Tree {
			for n := range root.At("http", key).Keys() {
				names[n.Name] = true
			}
		}
	}
	return names
}

// routers visits the routers of Traefik's files.
func (c *check) routers(visit func(router *Node)) {
	for p := range c.proxies("traefik") {
		for _, root := range p.Tree {
			for n := range root.At("http", "routers").Keys() {
				visit(n)
			}
		}
	}
}

// foreign reports whether a name is another provider's.
func foreign(name string) bool {
	_, provider, found := strings.Cut(name, "@")
	return found && provider != "file"
}

// sureOfFiles is how sure it is that no other file of the provider has a name: a static configuration beside them says that they are all.
func (c *check) sureOfFiles() Severity {
	for p := range c.proxies("traefik") {
		for _, root := range p.Tree {
			if root.Get("entryPoints") != nil || root.Get("providers") != nil {
				return Fault
			}
		}
	}
	return Risk
}

// elsewhere is the condition where it is not sure.
func elsewhere(s Severity) string {
	if s == Fault {
		return ""
	}
	return "unless another file of the provider has it, "
}

func checkTraefikService(c *check) {
	names, severity := c.traefikNames("services"), c.sureOfFiles()
	if len(names) == 0 {
		return // they are all in other files
	}
	c.routers(func(r *Node) {
		s := r.Get("service")
		if s != nil && s.Text() != "" && !foreign(s.Text()) && !names[strings.TrimSuffix(s.Text(), "@file")] {
			c.add(severity, s, fmt.Sprintf("no service is called %q: %sthe router %s is left out, and its requests get 404.", s.Text(), elsewhere(severity), r.Name), "services: "+s.Text()+": loadBalancer: servers: - url: http://…")
		}
	})
}

func checkTraefikMiddleware(c *check) {
	names, severity := c.traefikNames("middlewares"), c.sureOfFiles()
	c.routers(func(r *Node) {
		for m := range r.Get("middlewares").Items() {
			if m.Text() != "" && !foreign(m.Text()) && !names[strings.TrimSuffix(m.Text(), "@file")] {
				c.add(severity, m, fmt.Sprintf("no middleware is called %q: %sthe router %s is left out, and its requests get 404.", m.Text(), elsewhere(severity), r.Name), "middlewares: "+m.Text()+": …")
			}
		}
	})
}

func checkTraefikEntry(c *check) {
	names := map[string]bool{}
	for p := range c.proxies("traefik") {
		for _, s := range p.Servers {
			for _, n := range s.Names {
				names[n] = true
			}
		}
	}
	if len(names) == 0 {
		return // the static configuration is not here
	}
	c.routers(func(r *Node) {
		for e := range r.Get("entryPoints").Items() {
			if !names[e.Text()] && e.Text() != "traefik" { // the one of its own API
				c.fault(e, fmt.Sprintf("no entry point is called %q: nobody reaches the router %s.", e.Text(), r.Name), "entryPoints: "+e.Text()+": address: \":443\"")
			}
		}
	})
}

// labelled are the services with labels of Traefik beside one that runs Traefik.
func (c *check) labelled() (all []*topology.Service) {
	for _, s := range c.Services {
		if s.Label("rule") != nil || s.Label("loadbalancer.server.port") != nil {
			all = append(all, s)
		}
	}
	return all
}

// told reports whether Traefik's command has a flag, or its environment the variable of it.
func told(s *topology.Service, flag string) (string, bool) {
	for _, w := range s.Command {
		if v, ok := strings.CutPrefix(strings.ToLower(w), "--"+flag+"="); ok {
			return v, true
		}
	}
	return "", false
}

func checkTraefikNetwork(c *check) {
	for _, s := range c.labelled() {
		if len(s.Networks) < 2 || c.Labelled(s, "docker.network") != nil || c.Labelled(s, "swarm.network") != nil {
			continue
		}
		t := c.TraefikBeside(s)
		if t != nil {
			if _, ok := told(t, "providers.docker.network"); ok {
				continue
			}
			shared := 0
			for _, n := range s.Networks {
				if slices.Contains(t.Networks, n) {
					shared++
				}
			}
			if shared == len(s.Networks) {
				continue
			}
		}
		for p := range c.proxies("traefik") {
			for _, root := range p.Tree {
				if root.At("providers", "docker", "network") != nil {
					return
				}
			}
		}
		network := s.Networks[0]
		if t != nil && t.Shares(s) != "" {
			network = t.Shares(s)
		}
		c.risk(s.Node, fmt.Sprintf("%s is on %s: when Traefik takes the address of one that it is not on itself, each request gets 504.", s.Name, listed(s.Networks)), "traefik.docker.network="+network)
	}
}

func checkTraefikPort(c *check) {
	for _, s := range c.labelled() {
		if c.Labelled(s, "loadbalancer.server.port") != nil || c.Labelled(s, "loadbalancer.server.url") != nil || s.Label("service") != nil {
			continue
		}
		inner := map[string]bool{}
		for _, p := range s.Ports {
			inner[p.Inner] = true
		}
		for e := range s.Node.Get("expose").Items() {
			inner[e.Text()] = true
		}
		if len(inner) > 1 {
			c.risk(s.Label("rule").Node, fmt.Sprintf("%s exposes %d ports, and Traefik takes the lowest.", s.Name, len(inner)), "traefik.http.services."+s.Name+".loadbalancer.server.port=PORT")
		}
	}
}

func checkTraefikEnabled(c *check) {
	byDefault := func(s *topology.Service) bool {
		if t := c.TraefikBeside(s); t != nil {
			if v, ok := told(t, "providers.docker.exposedbydefault"); ok {
				return v != "false"
			}
		}
		for p := range c.proxies("traefik") {
			for _, root := range p.Tree {
				if root.At("providers", "docker", "exposedByDefault").Text() == "false" {
					return false
				}
			}
		}
		return true
	}
	for _, s := range c.labelled() {
		if l := s.Label("rule"); l != nil && c.Labelled(s, "enable") == nil && !byDefault(s) {
			c.fault(l.Node, fmt.Sprintf("exposedByDefault is false, and %s has no traefik.enable=true: no router is made, and its requests get 404.", s.Name), "traefik.enable=true")
		}
	}
}

func checkTraefikTLS(c *check) {
	every := false // a static configuration says how all are verified
	for p := range c.proxies("traefik") {
		for _, root := range p.Tree {
			every = every || root.At("serversTransport", "insecureSkipVerify").Text() == "true" || root.At("serversTransport", "rootCAs") != nil
		}
	}
	for r := range c.routes("traefik") {
		if len(r.Scope) > 1 || len(r.Scope) == 0 || len(r.Proxy.Tree) == 0 {
			continue // it has a transport
		}
		if r.Setting("serversTransport") != nil || every {
			continue
		}
		for _, u := range r.Members() {
			if r.TLS(u) && (net.ParseIP(u.Host) != nil || topology.Loopback(u.Host)) {
				c.risk(u.Node, fmt.Sprintf("unless the certificate of %s has that address in it and its authority is known, each request gets 500.", at(u)), "serversTransport: internal@file, with serverName and rootCAs").of(r, u)
				break
			}
		}
	}
}
