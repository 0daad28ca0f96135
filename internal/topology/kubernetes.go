package topology

import "strings"

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
	for _, o := range t.Objects {
		if o.Kind == kind && o.Name == name && o.Namespace == namespace {
			return o
		}
	}
	return nil
}

// Pods is the template of the pods that an object starts; nil if it starts none.
func (o *Object) Pods() *Node {
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
	for _, o := range t.Objects {
		pods := o.Pods()
		if pods == nil || o.Namespace != service.Namespace {
			continue
		}
		fits := true
		for s := range selector.Keys() {
			if pods.At("metadata", "labels").Get(s.Name).Text() != s.Text() {
				fits = false
			}
		}
		if fits {
			all = append(all, o)
		}
	}
	return all
}

// Routed reports whether an Ingress or a route of the Gateway API leads to the Service.
func (t *Topology) Routed(service *Object) bool {
	for _, o := range t.Objects {
		if o.Namespace != service.Namespace {
			continue
		}
		found := false
		switch {
		case o.Kind == "Ingress":
			for _, b := range IngressBackends(o) {
				found = found || b.Get("name").Text() == service.Name
			}
		case strings.HasSuffix(o.Kind, "Route"):
			walkNodes(o.Node, func(n *Node) {
				if n.Name == "backendRefs" {
					for ref := range n.Items() {
						found = found || ref.Get("name").Text() == service.Name
					}
				}
			})
		}
		if found {
			return true
		}
	}
	return false
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
