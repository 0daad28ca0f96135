package topology

import (
	"slices"
	"strings"
	"time"
)

// caddyKeep is how long Caddy keeps an idle connection to an upstream.
const caddyKeep = 2 * time.Minute

// caddyfileProxy lists what a Caddyfile sets up.
func caddyfileProxy(file string, tree []*Node) *Proxy {
	p := &Proxy{Product: "caddy", File: file, Tree: tree, Whole: true}
	for _, site := range tree {
		if site.Name == "" || strings.HasPrefix(site.Name, "(") || site.Name == "import" {
			if strings.HasPrefix(site.Name, "(") {
				p.caddyBlock(site, nil, "")
			}
			continue
		}
		if site.Kids == nil && (site.Name == "reverse_proxy" || site.Name == "php_fastcgi") {
			continue
		}
		s := &Server{Node: site}
		for _, address := range append([]string{site.Name}, site.Args...) {
			address = strings.TrimSuffix(address, ",")
			scheme, host, found := strings.Cut(address, "://")
			if !found {
				scheme, host = "", address
			}
			host, _, _ = strings.Cut(host, "/")
			h, port := HostPort(host)
			if port == "" {
				port = "443"
			}
			if h != "" {
				s.Names = append(s.Names, h)
			}
			s.Listen = append(s.Listen, Listen{Port: port, TLS: scheme != "http" && port != "80", Node: site})
		}
		p.Servers = append(p.Servers, s)
		p.caddyBlock(site, s, "")
	}
	return p
}

// caddyBlock finds what passes requests on in a block.
func (p *Proxy) caddyBlock(block *Node, s *Server, path string) {
	for _, d := range block.Kids {
		switch d.Name {
		case "reverse_proxy", "php_fastcgi":
			p.caddyRoute(d, block, s, path)
		case "handle", "handle_path", "route", "handle_errors", "redir":
			inner := path
			if strings.HasPrefix(d.Text(), "/") {
				inner = d.Text()
			}
			p.caddyBlock(d, s, inner)
		}
	}
}

func (p *Proxy) caddyRoute(d, block *Node, s *Server, path string) {
	r := &Route{Proxy: p, Server: s, Node: d, Path: path, Scheme: "http", Host: HostClient, Keep: Timer{Time: caddyKeep}, Read: Timer{Off: true}}
	r.Scope = []*Level{newLevel(block.Kids), newLevel(d.Kids)}
	if d.Name == "php_fastcgi" {
		r.Scheme, r.Keep = "fastcgi", Timer{Off: true}
	}
	transport := d.Get("transport")
	if transport != nil && transport.Text() == "fastcgi" {
		r.Scheme, r.Keep = "fastcgi", Timer{Off: true}
	}
	targets := slices.Clone(d.Args)
	for to := range d.All("to") {
		targets = append(targets, to.Args...)
	}
	g := &Group{Node: d}
	for i, t := range targets {
		if i == 0 && (strings.HasPrefix(t, "/") || strings.HasPrefix(t, "@") || t == "*") && len(targets) > 1 {
			if strings.HasPrefix(t, "/") {
				r.Path = t
			}
			continue
		}
		if r.Target == "" {
			r.Target = t
		}
		g.Members = append(g.Members, caddyUpstream(t, d))
	}
	r.Group = g
	if transport != nil {
		if transport.Get("tls") != nil || transport.Get("tls_insecure_skip_verify") != nil || transport.Get("tls_server_name") != nil {
			for _, m := range g.Members {
				m.Scheme = "https"
			}
		}
		if t := transport.Get("response_header_timeout"); t != nil {
			if v, ok := Duration(t.Text(), time.Second); ok {
				r.Read = Timer{Time: v, Node: t}
			}
		}
		if t := transport.Get("keepalive"); t != nil {
			if v, ok := Duration(t.Text(), time.Second); ok {
				r.Keep = Timer{Time: v, Node: t}
			} else if t.Text() == "off" {
				r.Keep = Timer{Off: true, Node: t}
			}
		}
	}
	for h := range d.All("header_up") {
		if same(h.Text(), "Host") {
			if r.Host = h.Arg(1); strings.Contains(h.Arg(1), "upstream") {
				r.Host = HostTarget
			}
		}
	}
	p.Routes = append(p.Routes, r)
}

func caddyUpstream(text string, at *Node) *Upstream {
	if path, ok := strings.CutPrefix(text, "unix/"); ok {
		return &Upstream{Unix: path, Node: at}
	}
	if u, _ := urlOf(text, at); u != nil {
		return u
	}
	u := &Upstream{Node: at}
	if !strings.ContainsAny(text, "{}") {
		if u.Host, u.Port = HostPort(text); u.Port == "" {
			u.Port = "80"
		}
	}
	return u
}

// caddyJSON lists what Caddy's JSON sets up.
func caddyJSON(file string, tree []*Node) *Proxy {
	p := &Proxy{Product: "caddy", File: file, Tree: tree, Whole: true}
	for _, root := range tree {
		for server := range root.At("apps", "http", "servers").Keys() {
			s := &Server{Node: server}
			for l := range server.Get("listen").Items() {
				_, port := HostPort(l.Text())
				s.Listen = append(s.Listen, Listen{Port: port, Node: l})
			}
			p.Servers = append(p.Servers, s)
			walkNodes(server, func(n *Node) {
				if n.Get("handler").Text() == "reverse_proxy" {
					p.caddyHandler(n, s)
				}
			})
		}
	}
	return p
}

// walkNodes visits a node and all below it.
func walkNodes(root *Node, visit func(*Node)) {
	visit(root)
	for _, k := range root.Kids {
		walkNodes(k, visit)
	}
}

func (p *Proxy) caddyHandler(n *Node, s *Server) {
	at := n.Get("handler")
	r := &Route{Proxy: p, Server: s, Node: at, Scheme: "http", Host: HostClient, Keep: Timer{Time: caddyKeep}, Read: Timer{Off: true}, Scope: []*Level{newLevel(n.Kids)}}
	g := &Group{Node: at}
	transport := n.Get("transport")
	for u := range n.Get("upstreams").Items() {
		m := caddyUpstream(u.Get("dial").Text(), u)
		if transport.Get("tls") != nil {
			m.Scheme = "https"
		}
		g.Members = append(g.Members, m)
	}
	if transport.Get("protocol").Text() == "fastcgi" {
		r.Scheme, r.Keep = "fastcgi", Timer{Off: true}
	}
	if t := transport.At("keep_alive", "idle_timeout"); t != nil {
		if v, ok := Duration(t.Text(), time.Nanosecond); ok {
			r.Keep = Timer{Time: v, Node: t}
		}
	}
	if t := transport.Get("response_header_timeout"); t != nil {
		if v, ok := Duration(t.Text(), time.Nanosecond); ok {
			r.Read = Timer{Time: v, Node: t}
		}
	}
	for h := range n.At("headers", "request", "set", "Host").Items() {
		if r.Host = h.Text(); strings.Contains(h.Text(), "upstream") {
			r.Host = HostTarget
		}
	}
	r.Group = g
	if len(g.Members) > 0 {
		r.Target = g.Members[0].Node.Get("dial").Text()
	}
	p.Routes = append(p.Routes, r)
}
