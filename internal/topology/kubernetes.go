package topology

import (
	"strings"
	"time"
)

// objects lists Kubernetes' objects of a file, those in a List included.
func objects(tree []*Node) (all []*Object) {
	for _, root := range tree {
		if root.Get("kind").Text() == "List" {
			for item := range root.Get("items").Items() {
				all = append(all, object(item))
			}
			continue
		}
		if root.Get("kind") != nil && root.Get("apiVersion") != nil {
			all = append(all, object(root))
		}
	}
	return all
}

func object(n *Node) *Object {
	o := &Object{Kind: n.Get("kind").Text(), Node: n, Name: n.At("metadata", "name").Text(), Namespace: n.At("metadata", "namespace").Text()}
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	return o
}

// Find is the object of a kind, a name and a namespace; nil if no file has it.
func (t *Topology) Find(kind, name, namespace string) *Object {
	return t.index.objects[objectKey{kind, namespace, name}]
}

// Pods is the template of the pods that an object starts; nil if it starts none.
func (o *Object) Pods() *Node {
	if o == nil {
		return nil
	}
	switch o.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Rollout":
		return o.Node.At("spec", "template")
	case "Pod":
		return o.Node
	}
	return nil
}

// Selected are the objects whose pods a Service selects.
func (t *Topology) Selected(service *Object) (all []*Object) {
	selector := service.Node.At("spec", "selector")
	if selector == nil || len(selector.Kids) == 0 {
		return nil
	}
	first := selector.Kids[0]
	for _, o := range t.index.pods[podKey{service.Namespace, first.Name, first.Text()}] {
		fits := true
		for s := range selector.Keys() {
			fits = fits && o.Pods().At("metadata", "labels").Get(s.Name).Text() == s.Text()
		}
		if fits {
			all = append(all, o)
		}
	}
	return all
}

// Routed reports whether an Ingress or a route of the Gateway API leads to the Service.
func (t *Topology) Routed(service *Object) bool {
	return t.index.routed[objectKey{"Service", service.Namespace, service.Name}]
}

// IngressBackends are the services that an Ingress leads to: nodes with a name and a port.
func IngressBackends(o *Object) (all []*Node) {
	spec := o.Node.Get("spec")
	if spec == nil {
		return nil
	}
	walkNodes(spec, func(n *Node) {
		if n.Name == "service" && n.Get("name") != nil {
			all = append(all, n)
		}
	})
	return all
}

// Annotation is an annotation of an object; nil if there is none.
func (o *Object) Annotation(name string) *Node { return o.Node.At("metadata", "annotations").Get(name) }

// containerPort is the number of a port of a workload's containers by its name; empty if there is none.
func (o *Object) containerPort(name string) string {
	for c := range o.Pods().At("spec", "containers").Items() {
		for p := range c.Get("ports").Items() {
			if p.Get("name").Text() == name {
				return p.Get("containerPort").Text()
			}
		}
	}
	return ""
}

// workload lists the applications that the containers of a workload start.
func (t *Topology) workload(o *Object) {
	for c := range o.Pods().At("spec", "containers").Items() {
		var words []string
		for _, key := range []string{"command", "args"} {
			for i := range c.Get(key).Items() {
				words = append(words, i.Text())
			}
		}
		at := c.Get("args")
		if n := c.Get("command"); n != nil {
			at = n
		}
		if a := appOfCommand(words, at); a != nil {
			a.Name, a.Pods = o.Name, o
			t.Apps = append(t.Apps, a)
		}
	}
}

// ingressNginx is the prefix of its annotations.
const ingressNginx = "nginx.ingress.kubernetes.io/"

// ingress lists the routes of an Ingress of ingress-nginx, which keeps connections to pods for a minute.
func (t *Topology) ingress(o *Object) {
	class := o.Node.At("spec", "ingressClassName").Text() + o.Annotation("kubernetes.io/ingress.class").Text()
	if !strings.Contains(class, "nginx") {
		return
	}
	p := &Proxy{Product: "ingress-nginx", File: o.Node.File}
	for _, b := range IngressBackends(o) {
		service := t.Find("Service", b.Get("name").Text(), o.Namespace)
		if service == nil {
			continue
		}
		u := &Upstream{Host: service.Name, Port: b.At("port", "number").Text() + b.At("port", "name").Text(), Scheme: "http", Node: b, service: service}
		switch strings.ToUpper(o.Annotation(ingressNginx + "backend-protocol").Text()) {
		case "HTTPS":
			u.Scheme = "https"
		case "GRPC":
			u.Scheme = "grpc"
		case "GRPCS":
			u.Scheme = "grpcs"
		case "FCGI":
			u.Scheme = "fastcgi"
		}
		r := &Route{Proxy: p, Node: b, Target: service.Name, Scheme: u.Scheme, Group: &Group{Node: b, Members: []*Upstream{u}}, Host: HostClient, Keep: Timer{Time: time.Minute}, Read: Timer{Time: time.Minute}}
		if n := o.Annotation(ingressNginx + "proxy-read-timeout"); n != nil {
			if d, ok := Duration(n.Text(), time.Second); ok {
				r.Read = Timer{Time: d, Node: n}
			}
		}
		p.Routes = append(p.Routes, r)
	}
	t.Proxies = append(t.Proxies, p)
}
