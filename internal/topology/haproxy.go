package topology

import (
	"slices"
	"strings"
	"time"
)

// haproxyProxy lists what sections of HAProxy set up: those of all its files, in order.
func haproxyProxy(file string, tree []*Node) *Proxy {
	p := &Proxy{Product: "haproxy", File: file, Tree: tree, Whole: true}
	defaults := haproxyDefaults(tree)
	for _, s := range tree {
		switch s.Name {
		case "frontend", "listen":
			p.Servers = append(p.Servers, haproxyServer(s))
		}
	}
	for _, s := range tree {
		if s.Name != "backend" && s.Name != "listen" || s.Get("server") == nil && s.Get("server-template") == nil {
			continue
		}
		g := &Group{Name: s.Text(), Node: s}
		scope := []*Level{newLevel(defaults[s]), newLevel(s.Kids)}
		for _, level := range scope {
			for _, l := range level.Named("default-server") {
				g.Defaults = append(g.Defaults, l.Args...)
			}
		}
		for _, l := range s.Kids {
			if l.Name == "server" && len(l.Args) >= 2 {
				g.Members = append(g.Members, haproxyMember(l, g.Defaults))
			}
		}
		p.Groups = append(p.Groups, g)
		r := &Route{Proxy: p, Node: s, Path: "", Target: g.Name, Scheme: "http", Group: g, Host: HostClient, Keep: Timer{Off: true}}
		r.Scope = scope
		r.Read = HAProxyTimer(r, "server")
		if m := r.Setting("mode"); m == nil || m.Text() != "http" {
			r.Scheme = "tcp" // whatever the client speaks
			for _, u := range g.Members {
				if u.Scheme == "http" {
					u.Scheme = "tcp"
				}
			}
		}
		p.Routes = append(p.Routes, r)
	}
	return p
}

// HAProxyTimer is a "timeout" that holds for a section.
func HAProxyTimer(r *Route, name string) Timer {
	for i := len(r.Scope) - 1; i >= 0; i-- {
		for _, l := range r.Scope[i].Named("timeout") {
			if l.Text() == name {
				if d, ok := Duration(l.Arg(1), time.Millisecond); ok && d > 0 {
					return Timer{Time: d, Node: l}
				}
			}
		}
	}
	return Timer{Off: true}
}

// haproxyDefaults are the lines of the "defaults" section that holds for each section: the one that it names, or the last before it.
func haproxyDefaults(tree []*Node) map[*Node][]*Node {
	byName, all := map[string][]*Node{}, map[*Node][]*Node{}
	for _, s := range tree {
		if s.Name != "defaults" {
			continue
		}
		all[s] = s.Kids
		if i := slices.Index(s.Args, "from"); i >= 0 { // another such section, which stands before it
			all[s] = append(slices.Clone(byName[s.Arg(i+1)]), s.Kids...)
		}
		byName[s.Text()] = all[s]
	}
	var last []*Node
	for _, s := range tree {
		if s.Name == "defaults" {
			last = all[s]
			delete(all, s)
			continue
		}
		all[s] = last
		if i := slices.Index(s.Args, "from"); i >= 0 {
			all[s] = byName[s.Arg(i+1)]
		}
	}
	return all
}

// HAProxyDefaults are the lines of the "defaults" section that holds for each section.
func HAProxyDefaults(tree []*Node) map[*Node][]*Node { return haproxyDefaults(tree) }

// Modes are the modes of HAProxy's sections.
func (p *Proxy) Modes() map[*Node]string {
	modes := map[*Node]string{}
	for s, lines := range haproxyDefaults(p.Tree) {
		modes[s] = "tcp"
		for _, level := range [][]*Node{lines, s.Kids} {
			for _, l := range level {
				if l.Name == "mode" {
					modes[s] = l.Text()
				}
			}
		}
	}
	return modes
}

// haproxyServer is a frontend's or listen's addresses.
func haproxyServer(s *Node) *Server {
	server := &Server{Node: s}
	for b := range s.All("bind") {
		for address := range strings.SplitSeq(b.Text(), ",") {
			l := Listen{Node: b, TLS: b.Has("ssl")}
			if strings.HasPrefix(address, "/") || strings.HasPrefix(address, "unix@") {
				l.Unix = strings.TrimPrefix(address, "unix@")
			} else {
				address = strings.TrimPrefix(strings.TrimPrefix(address, "ipv4@"), "ipv6@")
				if i := strings.LastIndexByte(address, ':'); i >= 0 {
					l.Host, l.Port = strings.Trim(address[:i], "[]"), address[i+1:]
				}
				if Everywhere(l.Host) || l.Host == "::" {
					l.Host = ""
				}
			}
			server.Listen = append(server.Listen, l)
		}
	}
	return server
}

// haproxyMember is a server line. Its node has the words of default-server behind its own.
func haproxyMember(l *Node, defaults []string) *Upstream {
	u := &Upstream{Node: l, Backup: l.Has("backup"), Down: l.Has("disabled"), Scheme: "http"}
	words := append(slices.Clone(l.Args[2:]), defaults...)
	if slices.Contains(words, "ssl") && !l.Has("no-ssl") {
		u.Scheme = "https"
	}
	switch Option(words, "proto") {
	case "h2":
		if u.Scheme == "http" {
			u.Scheme = "h2c"
		}
	case "fcgi":
		u.Scheme = "fastcgi"
	}
	address := strings.TrimPrefix(strings.TrimPrefix(l.Args[1], "ipv4@"), "ipv6@")
	if path := strings.TrimPrefix(address, "unix@"); strings.HasPrefix(path, "/") {
		u.Unix = path
		return u
	}
	if i := strings.LastIndexByte(address, ':'); i >= 0 && !strings.HasSuffix(address, "]") {
		u.Host, u.Port = strings.Trim(address[:i], "[]"), address[i+1:]
	} else {
		u.Host = address
	}
	return u
}

// Option is the word after a word.
func Option(words []string, name string) string {
	if i := slices.Index(words, name); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

// ServerWords are the words of a server line of HAProxy, with those of default-server behind its own.
func (r *Route) ServerWords(u *Upstream) []string {
	if len(u.Node.Args) < 2 {
		return nil
	}
	return append(slices.Clone(u.Node.Args[2:]), r.Group.Defaults...)
}
