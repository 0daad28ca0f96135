package topology

import (
	"strings"
	"time"
)

// traefikKeep is how long Traefik keeps an idle connection to a server, unless a serversTransport says otherwise.
const traefikKeep = 90 * time.Second

// traefikProxy lists what a file of Traefik sets up, YAML or TOML, static or dynamic.
func traefikProxy(file string, tree []*Node) *Proxy {
	p := &Proxy{Product: "traefik", File: file, Tree: tree}
	for _, root := range tree {
		for e := range root.Get("entryPoints").Keys() {
			_, port := HostPort(strings.TrimSuffix(e.Get("address").Text(), "/tcp"))
			p.Servers = append(p.Servers, &Server{Names: []string{e.Name}, Node: e, Listen: []Listen{{Port: port, Node: e}}})
		}
		for s := range root.At("http", "services").Keys() {
			balancer := s.Get("loadBalancer")
			if balancer == nil {
				continue
			}
			g := &Group{Name: s.Name, Node: s}
			for server := range balancer.Get("servers").Items() {
				at := server.Get("url")
				if at == nil {
					continue
				}
				if u, _ := urlOf(at.Text(), at); u != nil {
					g.Members = append(g.Members, u)
				}
			}
			r := &Route{Proxy: p, Node: s, Target: s.Name, Scheme: "http", Group: g, Host: HostClient, Keep: Timer{Time: traefikKeep}, Read: Timer{Off: true}}
			if b := balancer.Get("passHostHeader"); b.Text() == "false" {
				r.Host = HostTarget
			}
			r.Scope = []*Level{newLevel(balancer.Kids)}
			transport := root.At("http", "serversTransports", strings.TrimSuffix(balancer.Get("serversTransport").Text(), "@file"))
			if transport != nil {
				r.Scope = append(r.Scope, newLevel(transport.Kids))
				if t := transport.At("forwardingTimeouts", "idleConnTimeout"); t != nil {
					if v, ok := Duration(t.Text(), time.Second); ok {
						r.Keep = Timer{Time: v, Node: t, Off: v == 0}
					}
				}
				if t := transport.At("forwardingTimeouts", "responseHeaderTimeout"); t != nil {
					if v, ok := Duration(t.Text(), time.Second); ok && v > 0 {
						r.Read = Timer{Time: v, Node: t}
					}
				}
			}
			p.Groups, p.Routes = append(p.Groups, g), append(p.Routes, r)
		}
	}
	return p
}

// envoyProxy lists what Envoy's bootstrap sets up.
func envoyProxy(file string, tree []*Node) *Proxy {
	p := &Proxy{Product: "envoy", File: file, Tree: tree, Whole: true}
	groups := map[string]*Group{}
	for _, root := range tree {
		for l := range root.At("static_resources", "listeners").Items() {
			socket := l.At("address", "socket_address")
			p.Servers = append(p.Servers, &Server{Names: []string{l.Get("name").Text()}, Node: l, Listen: []Listen{{Host: socket.Get("address").Text(), Port: socket.Get("port_value").Text(), Node: l}}})
		}
		for c := range root.At("static_resources", "clusters").Items() {
			g := envoyCluster(c)
			groups[g.Name] = g
			p.Groups = append(p.Groups, g)
		}
		walkNodes(root, func(n *Node) {
			to := n.Get("route")
			if n.Name != "-" || to == nil || n.Get("match") == nil {
				return
			}
			r := &Route{Proxy: p, Node: to, Path: n.At("match", "prefix").Text() + n.At("match", "path").Text(), Scheme: "http", Host: HostClient, Scope: []*Level{newLevel(n.Kids), newLevel(to.Kids)}}
			r.Target = to.Get("cluster").Text()
			r.Read = Timer{Time: 15 * time.Second}
			if t := to.Get("timeout"); t != nil {
				if v, ok := Duration(t.Text(), time.Second); ok {
					r.Read = Timer{Time: v, Node: t, Off: v == 0}
				}
			}
			if h := to.Get("host_rewrite_literal"); h != nil {
				r.Host = h.Text()
			} else if to.Get("auto_host_rewrite").Text() == "true" {
				r.Host = HostTarget
			}
			r.Keep = Timer{Time: time.Hour}
			if r.Group = groups[r.Target]; r.Group != nil {
				if t := deep(r.Group.Node, "idle_timeout"); t != nil {
					if v, ok := Duration(t.Text(), time.Second); ok {
						r.Keep = Timer{Time: v, Node: t}
					}
				}
			}
			p.Routes = append(p.Routes, r)
		})
	}
	return p
}

// Deep is the first node of a name anywhere below; nil if there is none.
func Deep(root *Node, name string) *Node { return deep(root, name) }

func deep(root *Node, name string) *Node {
	for k := range root.Keys() {
		if k.Name == name {
			return k
		}
		if found := deep(k, name); found != nil {
			return found
		}
	}
	return nil
}

func envoyCluster(c *Node) *Group {
	g := &Group{Name: c.Get("name").Text(), Node: c}
	scheme := "http"
	if s := c.Get("transport_socket"); s != nil && strings.Contains(s.Get("name").Text(), "tls") {
		scheme = "https"
	} else if deep(c, "http2_protocol_options") != nil {
		scheme = "h2c"
	}
	walkNodes(c, func(n *Node) {
		if n.Name != "socket_address" {
			return
		}
		u := &Upstream{Host: n.Get("address").Text(), Port: n.Get("port_value").Text(), Scheme: scheme, Node: n}
		if at := n.Get("address"); at != nil {
			u.Node = at
		}
		g.Members = append(g.Members, u)
	})
	return g
}

// varnishProxy lists the backends of a VCL.
func varnishProxy(file string, tree []*Node) *Proxy {
	p := &Proxy{Product: "varnish", File: file, Tree: tree, Whole: true}
	for _, b := range tree {
		if b.Name != "backend" || b.Kids == nil {
			continue
		}
		u := &Upstream{Node: b, Scheme: "http", Host: VCLValue(b, ".host"), Port: VCLValue(b, ".port"), Unix: VCLValue(b, ".path")}
		if u.Port == "" && u.Unix == "" {
			u.Port = "80"
		}
		g := &Group{Name: b.Text(), Node: b, Members: []*Upstream{u}}
		r := &Route{Proxy: p, Node: b, Target: g.Name, Scheme: "http", Group: g, Host: HostClient, Read: Timer{Time: time.Minute}, Keep: Timer{Time: time.Minute}, Scope: []*Level{newLevel(tree), newLevel(b.Kids)}}
		if t := b.Get(".first_byte_timeout"); t != nil {
			if v, ok := Duration(VCLValue(b, ".first_byte_timeout"), time.Second); ok {
				r.Read = Timer{Time: v, Node: t}
			}
		}
		p.Groups, p.Routes = append(p.Groups, g), append(p.Routes, r)
	}
	return p
}

// VCLValue is what a setting of VCL is set to: the words after its "=".
func VCLValue(n *Node, name string) string {
	s := n.Get(name)
	if s == nil || len(s.Args) < 2 || s.Args[0] != "=" {
		return ""
	}
	return strings.Join(s.Args[1:], "")
}

// iisProxy lists what a web.config passes on: rules of URL Rewrite to another server.
func iisProxy(file string, tree []*Node) *Proxy {
	p := &Proxy{Product: "iis", File: file, Tree: tree}
	for _, root := range tree {
		walkNodes(root, func(n *Node) {
			url := n.Get("url")
			if n.Name != "action" || !same(n.Get("type").Text(), "Rewrite") || url == nil {
				return
			}
			u, _ := urlOf(url.Text(), url)
			if u == nil {
				return
			}
			if strings.ContainsAny(u.Host, "{}") {
				u.Host, u.Port = "", ""
			}
			r := &Route{Proxy: p, Node: url, Target: url.Text(), Scheme: u.Scheme, Group: &Group{Node: url, Members: []*Upstream{u}}, Host: HostTarget}
			r.Scope, r.Read, r.Keep = []*Level{newLevel(tree)}, Timer{Time: 2 * time.Minute}, Timer{Off: true}
			if t := deep(root, "proxy"); t != nil {
				if t.Get("preserveHostHeader").Text() == "true" {
					r.Host = HostClient
				}
			}
			p.Routes = append(p.Routes, r)
		})
	}
	return p
}
