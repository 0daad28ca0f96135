package topology

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/conftree"
)

// compose lists the services of a compose file.
func (t *Topology) compose(file string, tree []*Node) {
	for _, root := range tree {
		for n := range root.Get("services").Keys() {
			s := &Service{Name: n.Name, Node: n, File: file, Project: root, Mode: n.Get("network_mode").Text(), Image: n.Get("image").Text()}
			for p := range n.Get("ports").Items() {
				s.Ports = append(s.Ports, composePort(p))
			}
			s.networks(n)
			for _, key := range []string{"container_name", "hostname"} {
				if v := n.Get(key).Text(); v != "" {
					s.Aliases = append(s.Aliases, v)
				}
			}
			for v := range n.Get("volumes").Items() {
				source, _, _ := strings.Cut(v.Text(), ":")
				if v.Get("source") != nil {
					source = v.Get("source").Text()
				}
				if strings.HasPrefix(source, ".") || strings.HasPrefix(source, "/") {
					s.Mounts = append(s.Mounts, filepath.Join(filepath.Dir(file), source))
				}
			}
			for c := range n.Get("configs").Items() {
				if f := root.At("configs", c.Text()+c.Get("source").Text(), "file"); f != nil {
					s.Mounts = append(s.Mounts, filepath.Join(filepath.Dir(file), f.Text()))
				}
			}
			at := n.Get("command")
			if entry := n.Get("entrypoint"); entry != nil {
				s.Command = commandOf(entry)
				if at == nil {
					at = entry
				}
			}
			s.Command = append(s.Command, commandOf(n.Get("command"))...)
			t.Services = append(t.Services, s)
			if a := appOfCommand(s.Command, at); a != nil {
				a.Name, a.Service = n.Name, s
				t.Apps = append(t.Apps, a)
			}
		}
	}
}

// commandOf is a command as words: of a list, or of a line.
func commandOf(n *Node) (words []string) {
	if n == nil {
		return nil
	}
	if len(n.Args) > 0 {
		return conftree.Words(strings.ReplaceAll(n.Text(), "\n", " "))
	}
	for i := range n.Items() {
		words = append(words, i.Text())
	}
	return words
}

func (s *Service) networks(n *Node) {
	networks := n.Get("networks")
	if networks == nil {
		if s.Mode == "" {
			s.Networks = []string{"default"}
		}
		return
	}
	for k := range networks.Keys() {
		if k.Name == conftree.Item {
			s.Networks = append(s.Networks, k.Text())
			continue
		}
		s.Networks = append(s.Networks, k.Name)
		for alias := range k.Get("aliases").Items() {
			s.Aliases = append(s.Aliases, alias.Text())
		}
	}
}

func composePort(p *Node) Port {
	if p.Get("target") != nil {
		return Port{Outer: p.Get("published").Text(), Inner: p.Get("target").Text(), Node: p}
	}
	text, _, _ := strings.Cut(p.Text(), "/")
	i := strings.LastIndexByte(text, ':')
	port := Port{Inner: text[i+1:], Node: p}
	if i >= 0 {
		outer := text[:i]
		port.Outer = outer[strings.LastIndexByte(outer, ':')+1:]
	}
	return port
}

// Named reports whether other containers reach the service by a name.
func (s *Service) Named(name string) bool { return s.Name == name || slices.Contains(s.Aliases, name) }

// Shares is a network that two services are both on, empty if there is none.
func (s *Service) Shares(o *Service) string {
	for _, n := range s.Networks {
		if slices.Contains(o.Networks, n) {
			return n
		}
	}
	return ""
}

// Service is the service of a compose file by a name of its, in the same file as another; nil if there is none.
func (t *Topology) Service(name string, beside *Service) *Service {
	if s := t.index.services[beside.Project][name]; s != nil {
		return s
	}
	return t.index.nearby[filepath.Dir(beside.File)][name]
}

// unit lists what a unit of systemd starts.
func (t *Topology) unit(file string, tree []*Node) {
	u := &Unit{Name: filepath.Base(file), Sections: tree}
	if len(tree) > 0 {
		u.Node = tree[0]
	}
	t.Units = append(t.Units, u)
	start := u.Get("Service", "ExecStart")
	if start == nil {
		return
	}
	if a := appOfCommand(conftree.Words(strings.TrimLeft(start.Text(), "-@:+!")), start); a != nil {
		a.Name, a.Unit = u.Name, u
		t.Apps = append(t.Apps, a)
	}
}

// Label is a label of Traefik by the end of its name, as in traefik.http.services.NAME.loadbalancer.server.port.
type Label struct {
	Value string
	Node  *Node
}

// Label is the label with the end; nil if there is none.
func (s *Service) Label(end string) *Label {
	for k := range s.Node.Get("labels").Keys() {
		name, value := k.Name, k.Text()
		if name == conftree.Item {
			name, value, _ = strings.Cut(k.Text(), "=")
		}
		if name = strings.ToLower(name); strings.HasPrefix(name, "traefik.") && (name == "traefik."+end || strings.HasSuffix(name, "."+end)) {
			return &Label{strings.Trim(value, `"`), k}
		}
	}
	return nil
}

// Labelled is the label with the end, of the service or of one of its name in a compose file beside it, which is laid over it; nil if there
// is none.
func (t *Topology) Labelled(s *Service, end string) *Label {
	if l := s.Label(end); l != nil {
		return l
	}
	for _, o := range t.Siblings(s) {
		if o.Name == s.Name && o != s {
			if l := o.Label(end); l != nil {
				return l
			}
		}
	}
	return nil
}

// labels lists what labels of Traefik in compose files set up: a route to the container itself, at the port that a label names.
func (t *Topology) labels() {
	proxies := map[*Node]*Proxy{}
	for _, s := range t.Services {
		rule, port, scheme := s.Label("rule"), s.Label("loadbalancer.server.port"), s.Label("loadbalancer.server.scheme")
		if rule == nil && port == nil {
			continue
		}
		p := proxies[s.Project]
		if p == nil {
			p = &Proxy{Product: "traefik", File: s.File, Service: t.TraefikBeside(s)}
			proxies[s.Project] = p
			t.Proxies = append(t.Proxies, p)
		}
		u := &Upstream{Host: s.Name, Scheme: "http", Node: s.Node}
		if rule != nil {
			u.Node = rule.Node
		}
		if port != nil {
			u.Port, u.Node = port.Value, port.Node
		}
		if scheme != nil {
			u.Scheme = scheme.Value
		}
		g := &Group{Name: s.Name, Node: s.Node, Members: []*Upstream{u}}
		p.Groups = append(p.Groups, g)
		p.Routes = append(p.Routes, &Route{Proxy: p, Node: u.Node, Target: s.Name, Scheme: u.Scheme, Group: g, Host: HostClient, Keep: Timer{Time: traefikKeep}, Read: Timer{Off: true}})
	}
}

// TraefikBeside is the service that runs Traefik beside another; nil if none does.
func (t *Topology) TraefikBeside(beside *Service) *Service {
	for _, s := range t.Siblings(beside) {
		if strings.Contains(s.Image, "traefik") {
			return s
		}
	}
	return nil
}
