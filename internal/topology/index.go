package topology

import (
	"path"
	"path/filepath"
	"strings"
)

// index finds things by their names, so that a thousand of them ask for a thousand others in a moment.
type index struct {
	apps     map[string][]*App              // by port, or by a socket's path
	services map[*Node]map[string]*Service  // of a compose file, by every name
	objects  map[objectKey]*Object          // of Kubernetes
	pods     map[podKey][]*Object           // that start pods, by one of their labels
	started  map[*Object][]*App             // by the workload that starts them
	routed   map[objectKey]bool             // Services that an Ingress or a route leads to
	projects map[string][]*Service          // of the compose files of a directory, which may be laid over each other
	nearby   map[string]map[string]*Service // the same, by every name
}

type objectKey struct{ kind, namespace, name string }

type podKey struct{ namespace, label, value string }

// build builds the index, once everything was read.
func (t *Topology) build() {
	x := index{
		apps: map[string][]*App{}, services: map[*Node]map[string]*Service{}, objects: map[objectKey]*Object{}, pods: map[podKey][]*Object{}, routed: map[objectKey]bool{}, started: map[*Object][]*App{},
		projects: map[string][]*Service{}, nearby: map[string]map[string]*Service{},
	}
	for _, a := range t.Apps {
		if a.Pods != nil {
			x.started[a.Pods] = append(x.started[a.Pods], a)
			continue
		}
		for _, l := range a.Listen {
			if key := listenKey(l.Port, l.Unix); key != "" {
				x.apps[key] = append(x.apps[key], a)
			}
		}
	}
	for _, s := range t.Services {
		names := x.services[s.Project]
		if names == nil {
			names = map[string]*Service{}
			x.services[s.Project] = names
		}
		dir := filepath.Dir(s.File)
		x.projects[dir] = append(x.projects[dir], s)
		if x.nearby[dir] == nil {
			x.nearby[dir] = map[string]*Service{}
		}
		for _, name := range append([]string{s.Name}, s.Aliases...) {
			if names[name] == nil || name == s.Name {
				names[name] = s
			}
			if x.nearby[dir][name] == nil {
				x.nearby[dir][name] = s
			}
		}
	}
	for _, o := range t.Objects {
		x.object(o)
	}
	t.index = x
}

// object indexes one of Kubernetes' objects.
func (x *index) object(o *Object) {
	if key := (objectKey{o.Kind, o.Namespace, o.Name}); x.objects[key] == nil {
		x.objects[key] = o
	}
	for l := range o.Pods().At("metadata", "labels").Keys() {
		key := podKey{o.Namespace, l.Name, l.Text()}
		x.pods[key] = append(x.pods[key], o)
	}
	switch {
	case o.Kind == "Ingress":
		for _, b := range IngressBackends(o) {
			x.routed[objectKey{"Service", o.Namespace, b.Get("name").Text()}] = true
		}
	case strings.HasSuffix(o.Kind, "Route"):
		walkNodes(o.Node, func(n *Node) {
			if n.Name == "backendRefs" {
				for ref := range n.Items() {
					x.routed[objectKey{"Service", o.Namespace, ref.Get("name").Text()}] = true
				}
			}
		})
	}
}

// listenKey is what an application is found by: the port, or the socket's path.
func listenKey(port, unix string) string {
	if unix != "" {
		return strings.TrimPrefix(path.Clean(unix), "/var")
	}
	return port
}

// Siblings are the services of the compose files of a directory.
func (t *Topology) Siblings(s *Service) []*Service { return t.index.projects[filepath.Dir(s.File)] }

// contain finds the containers that proxies run in: those that mount the proxy's file, or a directory that it is in.
func (t *Topology) contain() {
	mounts := map[string][]*Service{}
	for _, s := range t.Services {
		for _, m := range s.Mounts {
			if m, err := filepath.Abs(m); err == nil {
				mounts[m] = append(mounts[m], s)
			}
		}
	}
	if len(mounts) == 0 {
		return
	}
	for _, p := range t.Proxies {
		file, err := filepath.Abs(p.File)
		if err != nil || p.Service != nil {
			continue
		}
		for _, s := range mounts[file] {
			p.Service = s
		}
		for dir := filepath.Dir(file); p.Service == nil && len(dir) > 1; dir = filepath.Dir(dir) {
			for _, s := range mounts[dir] {
				if strings.Contains(s.Image, p.Product) {
					p.Service = s
				}
			}
		}
	}
}
