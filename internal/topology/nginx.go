package topology

import (
	"strings"
	"time"
)

// nginxPass are the directives that pass requests on, with the scheme that they speak unless the target says otherwise.
var nginxPass = map[string]string{"proxy_pass": "http", "fastcgi_pass": "fastcgi", "uwsgi_pass": "uwsgi", "scgi_pass": "scgi", "grpc_pass": "grpc"}

// nginxProxy lists what a tree of nginx sets up.
func nginxProxy(file string, tree []*Node) *Proxy {
	p := &Proxy{Product: "nginx", File: file, Tree: tree}
	n := &nginxLister{p: p, groups: map[string]*Group{}}
	level := tree
	for _, d := range tree {
		if d.Name == "http" {
			p.Whole = true
		}
	}
	if p.Whole {
		for _, d := range tree {
			if d.Name == "http" {
				n.upstreams(d.Kids)
			}
		}
		for _, d := range tree {
			if d.Name == "http" {
				n.level([]*Level{newLevel(tree), newLevel(d.Kids)}, nil, "")
			}
		}
		return p
	}
	n.upstreams(level)
	n.level([]*Level{newLevel(level)}, nil, "")
	return p
}

type nginxLister struct {
	p      *Proxy
	groups map[string]*Group
}

// upstreams collects the upstream blocks.
func (n *nginxLister) upstreams(level []*Node) {
	for _, d := range level {
		if d.Name != "upstream" {
			continue
		}
		g := &Group{Name: d.Text(), Node: d}
		for s := range d.All("server") {
			g.Members = append(g.Members, nginxMember(s))
		}
		n.p.Groups = append(n.p.Groups, g)
		n.groups[g.Name] = g
	}
}

// nginxMember is a server line of an upstream block.
func nginxMember(s *Node) *Upstream {
	u := &Upstream{Node: s, Backup: s.Has("backup"), Down: s.Has("down")}
	if path, ok := strings.CutPrefix(s.Text(), "unix:"); ok {
		u.Unix = path
		return u
	}
	u.Host, u.Port = HostPort(s.Text())
	if u.Port == "" {
		u.Port = "80"
	}
	return u
}

// level goes through the directives of a block.
func (n *nginxLister) level(scope []*Level, server *Server, path string) {
	for _, d := range scope[len(scope)-1].Nodes {
		if _, pass := nginxPass[d.Name]; pass && d.Text() != "" && (server == nil || path != "") { // directly in a server it is one of stream
			n.route(d, scope, server, path)
		}
		if d.Kids == nil {
			continue
		}
		if len(scope) > deepest {
			continue
		}
		inner := func() []*Level { return append(append([]*Level(nil), scope...), newLevel(d.Kids)) }
		switch d.Name {
		case "server":
			s := nginxServer(d)
			n.p.Servers = append(n.p.Servers, s)
			n.level(inner(), s, "")
		case "location":
			n.level(inner(), server, orElse(strings.Join(d.Args, " "), "/"))
		case "if", "limit_except":
			n.level(inner(), server, path)
		}
	}
}

// orElse is a text, or another where it is empty.
func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// nginxServer is a server block.
func nginxServer(d *Node) *Server {
	s := &Server{Node: d}
	for n := range d.All("server_name") {
		s.Names = append(s.Names, n.Args...)
	}
	for l := range d.All("listen") {
		at := Listen{Node: l, TLS: l.Has("ssl") || l.Has("quic")}
		if path, ok := strings.CutPrefix(l.Text(), "unix:"); ok {
			at.Unix = path
		} else {
			at.Host, at.Port = HostPort(l.Text())
			if at.Port == "" {
				at.Port = "80"
			}
			if Everywhere(at.Host) {
				at.Host = ""
			}
		}
		s.Listen = append(s.Listen, at)
	}
	if len(s.Listen) == 0 {
		s.Listen = []Listen{{Port: "80", Node: d}}
	}
	return s
}

// route is a line that passes requests on.
func (n *nginxLister) route(d *Node, scope []*Level, server *Server, path string) {
	r := &Route{Proxy: n.p, Server: server, Node: d, Path: path, Target: d.Text(), Scheme: nginxPass[d.Name], Scope: scope}
	n.target(r)
	module := strings.TrimSuffix(d.Name, "_pass")
	r.Read = nginxTimer(r.Setting(module+"_read_timeout"), 60*time.Second)
	r.Keep = r.nginxKeep()
	r.Host = HostTarget
	for _, h := range r.Inherit("proxy_set_header") {
		if strings.EqualFold(h.Text(), "Host") {
			switch r.Host = h.Arg(1); h.Arg(1) {
			case "$host", "$http_host", "$host:$server_port", "$host:$proxy_port":
				r.Host = HostClient
			case "$proxy_host":
				r.Host = HostTarget
			}
		}
	}
	n.p.Routes = append(n.p.Routes, r)
}

// target finds out where a route goes. Variables that are set to a text around the line are replaced.
func (n *nginxLister) target(r *Route) {
	text := r.Known(r.Target)
	scheme, rest, found := strings.Cut(text, "://")
	if found {
		r.Scheme = strings.ToLower(scheme)
	} else {
		rest = text
	}
	u := &Upstream{Node: r.Node}
	r.Group = &Group{Node: r.Node, Members: []*Upstream{u}}
	if path, ok := strings.CutPrefix(rest, "unix:"); ok {
		u.Unix, _, _ = strings.Cut(path, ":")
		return
	}
	host, _, _ := strings.Cut(rest, "/")
	if strings.Contains(host, "$") {
		return
	}
	if g := n.groups[host]; g != nil {
		r.Group = g
		return
	}
	if u.Host, u.Port = HostPort(host); u.Port == "" {
		u.Port = schemePorts[r.Scheme]
	}
}

// Known replaces the variables of nginx that a "set" around the route gives a text without variables.
func (r *Route) Known(text string) string {
	if !strings.Contains(text, "$") {
		return text
	}
	for i := len(r.Scope) - 1; i >= 0; i-- {
		for _, s := range r.Scope[i].Named("set") {
			if v := s.Text(); strings.HasPrefix(v, "$") && len(v) > 1 && len(text) < targetMax && len(s.Arg(1)) < targetMax && !strings.Contains(s.Arg(1), "$") {
				text = strings.ReplaceAll(text, "${"+v[1:]+"}", s.Arg(1))
				if at := strings.Index(text, v); at >= 0 && !wordAt(text, at+len(v)) {
					text = text[:at] + s.Arg(1) + text[at+len(v):]
				}
			}
		}
	}
	return text
}

// wordAt reports whether a variable's name goes on at an offset.
func wordAt(text string, at int) bool {
	return at < len(text) && (text[at] == '_' || text[at] >= '0' && text[at] <= '9' || text[at]|0x20 >= 'a' && text[at]|0x20 <= 'z')
}

// Bounds of what is made of a hostile file: locations within locations, and bytes of a target whose variables are replaced.
const (
	deepest   = 40
	targetMax = 1 << 10
)

func nginxTimer(n *Node, or time.Duration) Timer {
	if n != nil {
		if d, ok := Duration(n.Text(), time.Second); ok {
			return Timer{Time: d, Node: n}
		}
	}
	return Timer{Time: or}
}

// nginxKeep says how long idle connections are kept: only where the block has "keepalive", and the requests are such that the
// connection can stay.
func (r *Route) nginxKeep() Timer {
	off := Timer{Off: true}
	if r.Group.Name == "" {
		return off
	}
	keep := r.Group.Node.Get("keepalive")
	if keep == nil || keep.Text() == "0" {
		return off
	}
	switch r.Scheme {
	case "http", "https":
		if v := r.Setting("proxy_http_version"); v == nil || v.Text() != "1.1" {
			return off
		}
		empty := false
		for _, h := range r.Inherit("proxy_set_header") {
			if strings.EqualFold(h.Text(), "Connection") {
				empty = h.Arg(1) == "" || r.keepsConnection(h.Arg(1))
			}
		}
		if !empty {
			return off
		}
	case "fastcgi":
		if k := r.Setting("fastcgi_keep_conn"); k == nil || k.Text() != "on" {
			return off
		}
	case "uwsgi", "scgi":
		return off
	}
	t := nginxTimer(r.Group.Node.Get("keepalive_timeout"), 60*time.Second)
	if t.Node == nil {
		t.Node = keep
	}
	return t
}

// keepsConnection reports whether a variable is empty for ordinary requests by a map, as in: map $http_upgrade $x { default upgrade; ” ”; }.
func (r *Route) keepsConnection(variable string) bool {
	m := r.MapOf(variable)
	return m != nil && m.Get("") != nil && m.Get("").Text() == ""
}

// MapOf is the map block that gives a variable its value; nil if there is none.
func (r *Route) MapOf(variable string) *Node {
	for _, level := range r.Scope {
		for _, m := range level.Named("map") {
			if m.Arg(1) == variable {
				return m
			}
		}
	}
	return nil
}
