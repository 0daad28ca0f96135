package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

func checkLoopback(c *check) {
	for r := range c.routes() {
		mine := r.Proxy.Service
		if mine == nil || mine.Mode != "" {
			continue
		}
		for _, u := range r.Members() {
			if !topology.Loopback(u.Host) || u.Down || ownListener(r.Proxy, u.Port) || c.sharesNamespace(mine) {
				continue
			}
			if a, _ := c.AppOf(r, u); a != nil {
				continue
			}
			other, port := c.serviceAt(mine, u.Port)
			if other == nil {
				c.note(u.Node, fmt.Sprintf("%s runs in the container of %q, where %s is that container itself: unless the application runs in it, too, every request fails.",
					called(r.Proxy.Product), mine.Name, at(u)), strings.ReplaceAll(u.Node.Words(), u.Host, "SERVICE"))
				continue
			}
			c.fault(u.Node, fmt.Sprintf("%s runs in the container of %q, where nothing listens at %s: the service %q is another container (%v).",
				called(r.Proxy.Product), mine.Name, at(u), other.Name, other.Node.Place),
				strings.ReplaceAll(u.Node.Words(), u.Host+":"+u.Port, other.Name+":"+port))
		}
	}
}

// sharesNamespace reports whether another service joined the container's network.
func (c *check) sharesNamespace(s *topology.Service) bool {
	return slices.ContainsFunc(c.Siblings(s), func(o *topology.Service) bool { return o.Mode == "service:"+s.Name })
}

// ownListener reports whether the proxy itself listens on a port.
func ownListener(p *proxy, port string) bool {
	for _, s := range p.Servers {
		for _, l := range s.Listen {
			if l.Port == port {
				return true
			}
		}
	}
	return false
}

// serviceAt is another service beside one that has a port, and its inner port; nil if none has.
func (c *check) serviceAt(mine *topology.Service, port string) (*topology.Service, string) {
	for _, s := range c.Siblings(mine) {
		if s == mine {
			continue
		}
		for _, p := range s.Ports {
			if p.Inner == port || p.Outer == port {
				return s, p.Inner
			}
		}
		for e := range s.Node.Get("expose").Items() {
			if e.Text() == port {
				return s, port
			}
		}
		for _, a := range c.Apps {
			if c.spend() && a.Service == s && len(a.Listen) > 0 && a.Listen[0].Port == port {
				return s, port
			}
		}
	}
	return nil, ""
}

// target is the container that an upstream names, seen from the proxy's.
func (c *check) target(r *route, u *upstream) *topology.Service {
	mine := r.Proxy.Service
	if mine == nil || u.Host == "" {
		return nil
	}
	s := c.Service(u.Host, mine)
	if s == mine {
		return nil
	}
	return s
}

func checkPublished(c *check) {
	for r := range c.routes() {
		for _, u := range r.Members() {
			s := c.target(r, u)
			if s == nil || u.Port == "" {
				continue
			}
			inner, where := "", (*Node)(nil)
			for _, p := range s.Ports {
				if p.Inner == u.Port {
					inner = ""
					break
				}
				if p.Outer == u.Port {
					inner, where = p.Inner, p.Node
				}
			}
			if inner == "" || c.exposes(s, u.Port) {
				continue
			}
			c.fault(u.Node, fmt.Sprintf("port %s of %q is the host's (%v): inside the network it listens on %s, and every request to %s is refused.", u.Port, s.Name, where.Place, inner, at(u)),
				strings.Replace(u.Node.Words(), u.Port, inner, 1))
		}
	}
}

// exposes reports whether a service says that it listens on a port inside.
func (c *check) exposes(s *topology.Service, port string) bool {
	for e := range s.Node.Get("expose").Items() {
		if e.Text() == port {
			return true
		}
	}
	for _, a := range c.Apps {
		if a.Service == s && slices.ContainsFunc(a.Listen, func(l topology.AppListen) bool { return l.Port == port }) {
			return true
		}
	}
	return false
}

func checkBoundToLoopback(c *check) {
	for _, a := range c.Apps {
		if a.Service == nil || a.Service.Mode != "" || c.sharesNamespace(a.Service) || len(a.Listen) == 0 {
			continue
		}
		reached := len(a.Service.Ports) > 0
		for r := range c.routes() {
			for _, u := range r.Members() {
				reached = reached || c.target(r, u) == a.Service
			}
		}
		if !reached || slices.ContainsFunc(a.Listen, func(l topology.AppListen) bool { return !topology.Loopback(l.Host) }) {
			continue
		}
		l := a.Listen[0]
		if !l.Sure && (a.Kind != "uvicorn" || environment(a.Service)) {
			continue // its own file, or its environment, may say otherwise
		}
		how := "is told to listen"
		if !l.Sure {
			how = "listens, unless told otherwise,"
		}
		c.fault(l.Node, fmt.Sprintf("%s in the container of %q %s on %s:%s, which nobody outside of that container reaches: every request is refused.", called(a.Kind), a.Service.Name, how, l.Host, l.Port), bindFix(a, l.Port))
	}
}

// environment reports whether a service's environment may hold settings of its server.
func environment(s *topology.Service) bool {
	if s.Node.Get("env_file") != nil {
		return true
	}
	for e := range s.Node.Get("environment").Keys() {
		if strings.Contains(e.Name+e.Text(), "UVICORN") {
			return true
		}
	}
	return false
}

func bindFix(a *app, port string) string {
	switch a.Kind {
	case "uvicorn":
		return "uvicorn --host 0.0.0.0 --port " + port
	case "gunicorn", "hypercorn":
		return a.Kind + " --bind 0.0.0.0:" + port
	}
	return "listen on 0.0.0.0:" + port
}

func checkNetworks(c *check) {
	for r := range c.routes() {
		for _, u := range r.Members() {
			s := c.target(r, u)
			mine := r.Proxy.Service
			if s == nil || s.Mode != "" || mine.Mode != "" || mine.Shares(s) != "" || mine.File != s.File {
				continue
			}
			c.fault(u.Node, fmt.Sprintf("%q is on %s, %q on %s: they have no network together, and %s is not reached.", mine.Name, listed(mine.Networks), s.Name, listed(s.Networks), at(u)),
				fmt.Sprintf("services: %s: networks: [%s]", s.Name, strings.Join(append(slices.Clone(s.Networks), mine.Networks[0]), ", ")))
		}
	}
}

func listed(names []string) string {
	if len(names) == 0 {
		return "no network"
	}
	return strings.Join(names, " and ")
}

func checkServiceUnknown(c *check) {
	for r := range c.routes() {
		mine := r.Proxy.Service
		if mine == nil || mine.Mode != "" || outside(mine) {
			continue
		}
		for _, u := range r.Members() {
			if !topology.IsName(u.Host) || strings.Contains(u.Host, ".") || c.Service(u.Host, mine) != nil || len(u.Host) > 63 {
				continue
			}
			var names []string
			for _, s := range c.Siblings(mine) {
				if s != mine {
					names = append(names, s.Name)
				}
			}
			c.risk(u.Node, fmt.Sprintf("%q is no service of %s, which has %s: unless the name comes from elsewhere, it does not resolve.", u.Host, mine.File, listed(names)), strings.ReplaceAll(u.Node.Words(), u.Host, "SERVICE"))
		}
	}
}

// outside reports whether names may come from outside of a compose file: an external network, links, extra hosts.
func outside(s *topology.Service) bool {
	for _, key := range []string{"extra_hosts", "external_links", "links", "dns"} {
		if s.Node.Get(key) != nil {
			return true
		}
	}
	for n := range s.Project.Get("networks").Keys() {
		if slices.Contains(s.Networks, n.Name) && n.Get("external") != nil {
			return true
		}
	}
	return s.Project.Get("include") != nil
}

func checkSchemePort(c *check) {
	for r := range c.routes("nginx", "haproxy", "apache", "caddy", "traefik", "envoy", "varnish", "iis") { // a Service's port says nothing
		for _, u := range r.Members() {
			scheme := r.SchemeOf(u)
			plain := scheme == "http" || scheme == "h2c" || scheme == "grpc"
			switch refused := r.Proxy.Product == "caddy" && strings.Contains(r.Target, "://") && r.Scheme != "fastcgi"; {
			case refused && (plain && u.Port == "443" || scheme == "https" && u.Port == "80"):
				c.fault(u.Node, fmt.Sprintf("Caddy does not start: %s has a scheme and a port that conflict.", r.Target), strings.Replace(strings.Replace(u.Node.Words(), ":443", "", 1), ":80", "", 1))
			case plain && u.Port == "443":
				severity, where := portSure(u)
				c.add(severity, u.Node, fmt.Sprintf("%s speaks HTTP in clear to %s, %s TLS is spoken: every request fails.", called(r.Proxy.Product), at(u), where), tlsFix(r, u))
			case (scheme == "https" || scheme == "grpcs") && u.Port == "80":
				severity, where := portSure(u)
				c.add(severity, u.Node, fmt.Sprintf("%s speaks TLS to %s, %s HTTP in clear is spoken: every handshake fails.", called(r.Proxy.Product), at(u), where), strings.Replace(u.Node.Words(), "https://", "http://", 1))
			}
		}
	}
}

// portSure is how sure it is that a port of an upstream is used for what it is meant for: in public it is, inside somebody may do otherwise.
func portSure(u *upstream) (Severity, string) {
	if topology.IsName(u.Host) && strings.Contains(u.Host, ".") && publicly(u.Host) == Risk {
		return Fault, "where"
	}
	return Risk, "where most probably"
}

// tlsFix is the line that speaks TLS.
func tlsFix(r *route, u *upstream) string {
	switch r.Proxy.Product {
	case "haproxy":
		return u.Node.Words() + fmt.Sprintf(" ssl verify required ca-file @system-ca sni str(%s)", u.Host)
	case "varnish":
		return "put a TLS client before it: .host = \"127.0.0.1\"; .port = \"8443\"; (Varnish before 9 speaks no TLS to backends)"
	case "envoy":
		return "transport_socket: {name: envoy.transport_sockets.tls, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: " + u.Host + "}}"
	case "traefik":
		if r.Proxy.Service != nil || strings.Contains(u.Node.Words(), "loadbalancer") {
			return "traefik.http.services." + r.Target + ".loadbalancer.server.scheme=https"
		}
	}
	if text := u.Node.Words(); strings.Contains(text, "http://") {
		return strings.Replace(text, "http://", "https://", 1)
	}
	return "https://" + at(u)
}

// platforms choose the application by the Host header: the ends of their names.
var platforms = []string{
	".herokuapp.com", ".azurewebsites.net", ".cloudfront.net", ".vercel.app", ".netlify.app", ".run.app", ".github.io", ".pages.dev", ".workers.dev", ".fly.dev",
	".onrender.com", ".web.app", ".firebaseapp.com", ".appspot.com", ".supabase.co", ".railway.app", ".s3.amazonaws.com", ".on.aws", ".azurefd.net", ".ngrok.app", ".gitlab.io",
}

func onPlatform(host string) bool {
	return slices.ContainsFunc(platforms, func(p string) bool { return strings.HasSuffix(host, p) }) ||
		strings.Contains(host, ".execute-api.") || strings.Contains(host, ".s3-website") || strings.Contains(host, ".s3.") && strings.HasSuffix(host, ".amazonaws.com")
}

func checkPlatform(c *check) {
	for r := range c.routes() {
		if r.Host != topology.HostClient {
			continue
		}
		for _, u := range r.Members() {
			if !onPlatform(u.Host) {
				continue
			}
			c.risk(u.Node, fmt.Sprintf("%s gets the client's Host, and knows the application by %s: unless the client's domain is registered there, every request gets its error page.", at(u), u.Host), hostFix(r, u))
			break
		}
	}
}

func hostFix(r *route, u *upstream) string {
	switch r.Proxy.Product {
	case "nginx":
		return fmt.Sprintf("proxy_set_header Host %s;", u.Host)
	case "apache":
		return "ProxyPreserveHost Off"
	case "caddy":
		return "header_up Host {upstream_hostport}"
	case "traefik":
		return "passHostHeader: false"
	}
	return "host_rewrite_literal: " + u.Host
}

func checkProxyProtocol(c *check) {
	for r := range c.routes("haproxy") {
		for _, u := range r.Members() {
			words := r.ServerWords(u)
			sends := slices.Contains(words, "send-proxy") || slices.Contains(words, "send-proxy-v2")
			if a, l := c.AppOf(r, u); a != nil && sends && !a.ReadsProxy && (a.Kind != "tomcat" || l.Protocol == "http") {
				c.fault(u.Node, fmt.Sprintf("HAProxy begins each connection to %s with a PROXY line, which %s does not read (%v): every request gets 400.", at(u), called(a.Kind), l.Node.Place), "server without send-proxy, and option forwardfor")
				continue
			}
			l := c.listener(u)
			if l == nil || sends == l.Node.Has("proxy_protocol") {
				continue
			}
			if sends {
				c.fault(l.Node, fmt.Sprintf("HAProxy begins each connection with a PROXY line (%v), which nginx does not expect here: every request gets 400.", u.Node.Place), l.Node.Words()+" proxy_protocol;")
			} else {
				c.fault(u.Node, fmt.Sprintf("nginx expects a PROXY line at %s (%v), and HAProxy sends none: every request fails.", at(u), l.Node.Place), u.Node.Words()+" send-proxy")
			}
		}
	}
}

// listener is where one of the nginx listens that are known, for an upstream on the same machine or in the same compose file.
func (c *check) listener(u *upstream) *topology.Listen {
	if u.Port == "" {
		return nil
	}
	for p := range c.proxies("nginx") {
		if !topology.Loopback(u.Host) && (p.Service == nil || !p.Service.Named(u.Host)) {
			continue
		}
		for _, s := range p.Servers {
			for i := range s.Listen {
				if l := &s.Listen[i]; l.Port == u.Port {
					return l
				}
			}
		}
	}
	return nil
}

func checkLoop(c *check) {
	for r := range c.routes("nginx") {
		_, rest, _ := strings.Cut(r.Target, "://")
		if r.Server == nil || strings.Contains(rest, "/") || r.Scheme != "http" && r.Scheme != "https" {
			continue
		}
		for _, u := range r.Members() {
			if !topology.Loopback(u.Host) && !topology.Everywhere(u.Host) || u.Host == "" {
				continue
			}
			listening := 0
			mine := false
			for _, s := range r.Proxy.Servers {
				if !c.spend() {
					return
				}
				for _, l := range s.Listen {
					if l.Port == u.Port && (l.Host == "" || topology.Loopback(l.Host)) && l.Unix == "" {
						listening++
						mine = mine || s == r.Server
						break
					}
				}
			}
			if mine && (r.Host == topology.HostClient || listening == 1) {
				c.fault(u.Node, fmt.Sprintf("this server listens on port %s itself (%v): each request comes back to it, again and again.", u.Port, r.Server.Node.Place), strings.Replace(u.Node.Words(), ":"+u.Port, ":PORT OF THE APPLICATION", 1))
			}
		}
	}
}

// moving are names whose addresses change by design: their ends.
var moving = []string{".elb.amazonaws.com", ".herokuapp.com", ".herokudns.com", ".azurewebsites.net", ".cloudfront.net", ".run.app", ".fly.dev", ".onrender.com", ".vercel.app", ".netlify.app", ".trafficmanager.net", ".cloudapp.azure.com", ".amazonaws.com", ".appspot.com"}

func checkResolvedOnce(c *check) {
	for r := range c.routes("nginx", "haproxy", "varnish") {
		if r.Proxy.Product == "nginx" && strings.Contains(r.Target, "$") {
			continue
		}
		for _, u := range r.Members() {
			if !topology.IsName(u.Host) || u.Down {
				continue
			}
			fix := ""
			switch r.Proxy.Product {
			case "nginx":
				if u.Node.Has("resolve") {
					continue
				}
				fix = resolveFix(r, u)
			case "haproxy":
				if slices.Contains(r.ServerWords(u), "resolvers") {
					continue
				}
				fix = u.Node.Words() + " resolvers dns init-addr libc,none"
			case "varnish":
				fix = "import dynamic; and a director of libvmod-dynamic, or reload the VCL when the address changes"
			}
			severity, why := Note, "if its address changes, requests go to the old one until the proxy is reloaded."
			if s := c.target(r, u); s != nil {
				severity, why = Risk, fmt.Sprintf("when the container of %q is made anew, its address may be another, and requests fail until the proxy is reloaded.", s.Name)
			} else if slices.ContainsFunc(moving, func(end string) bool { return strings.HasSuffix(u.Host, end) }) {
				severity, why = Risk, "the addresses behind this name change by design, and requests go to the old ones until the proxy is reloaded."
			}
			c.add(severity, u.Node, fmt.Sprintf("%s resolves %s once, when it starts: %s", called(r.Proxy.Product), u.Host, why), fix)
		}
	}
}

// resolveFix lets nginx resolve while it runs.
func resolveFix(r *route, u *upstream) string {
	resolver := "ADDRESS OF A NAME SERVER"
	if r.Proxy.Service != nil {
		resolver = "127.0.0.11"
	}
	if r.Group.Name != "" {
		return fmt.Sprintf("zone %s 64k; resolver %s valid=10s; server %s:%s resolve; (nginx 1.27.3)", r.Group.Name, resolver, u.Host, u.Port)
	}
	return fmt.Sprintf("resolver %s valid=10s; set $upstream %s; proxy_pass %s://$upstream:%s;", resolver, u.Host, r.Scheme, u.Port)
}

func checkLocalhost(c *check) {
	c.pairs(func(r *route, u *upstream, a *app, l *topology.AppListen) {
		if r.Proxy.Product != "nginx" || u.Host != "localhost" || l.Host != "127.0.0.1" && l.Host != "" {
			return
		}
		if l.Host == "" && a.Kind != "gunicorn" && a.Kind != "uvicorn" { // what listens everywhere may do so by IPv6
			return
		}
		c.note(u.Node, fmt.Sprintf("localhost may be ::1 as well, where %s does not listen (%v): each second request is refused first.", called(a.Kind), l.Node.Place), strings.ReplaceAll(u.Node.Words(), "localhost", "127.0.0.1"))
	})
}
