package kubernetes

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Limits of a walk. What goes beyond them is said.
const (
	backendsMax = 8
	podsAsked   = 4 // whose events are read, of one Service
	nodesAsked  = 2
	secretsMax  = 8
	gatewaysMax = 4
	namesShown  = 5
)

// walker gathers the facts.
type walker struct {
	*reader
	facts  *facts
	lookup func(ctx context.Context, name string) ([]string, error)
}

// gather reads everything from the target to its containers. An error means that there is nothing to judge.
func (w *walker) gather(ctx context.Context) error {
	f := w.facts
	switch f.target.Kind {
	case "ingress":
		got, s := get[ingress](ctx, w.reader, ingresses, f.namespace, f.target.Name)
		if s != found {
			return w.noTarget(ctx, ingresses, s)
		}
		f.ingress = got
		f.events = w.eventsOf(ctx, f.namespace, "Ingress", f.target.Name)
		w.readClass(ctx)
		w.ingressSecrets(ctx)
		w.ingressBackends()
	case "httproute":
		got, s := either[httpRoute](ctx, w.reader, httpRoutes, f.namespace, f.target.Name)
		if s != found {
			return w.noTarget(ctx, httpRoutes, s)
		}
		f.route = got
		f.events = w.eventsOf(ctx, f.namespace, "HTTPRoute", f.target.Name)
		w.readGateways(ctx)
		w.routeBackends(ctx)
	default:
		b := &backend{namespace: f.namespace, name: f.target.Name}
		b.service, b.state = get[service](ctx, w.reader, services, b.namespace, b.name)
		if b.state != found {
			return w.noTarget(ctx, services, b.state)
		}
		f.backends = append(f.backends, b)
	}
	var group sync.WaitGroup
	for _, b := range f.backends {
		group.Go(func() { w.readBackend(ctx, b, 0) })
	}
	group.Wait()
	for _, b := range f.backends {
		w.unreadOf(b)
	}
	return nil
}

// unreadOf says what of a backend could not be read.
func (w *walker) unreadOf(b *backend) {
	for what, s := range map[string]state{"services": b.state, "endpointslices": b.slicesIs, "pods": b.podsAre} {
		w.notRead(s, what, b.namespace)
	}
	if b.elsewhere != nil {
		w.unreadOf(b.elsewhere)
	}
	slices.Sort(w.facts.unread)
	w.facts.unread = slices.Compact(w.facts.unread)
}

// notRead notes what may not be read, or was not.
func (w *walker) notRead(s state, what, namespace string) {
	switch s {
	case denied:
		can := "kubectl auth can-i list " + what
		if namespace != "" {
			can += " -n " + word(namespace)
		}
		w.facts.unread = append(w.facts.unread, "your account may not read "+what+": "+can)
	case unread:
		w.facts.unread = append(w.facts.unread, what+" could not be read")
	case found, missing:
	}
}

// noTarget says why the walk cannot begin.
func (w *walker) noTarget(ctx context.Context, of schema.GroupVersionResource, s state) error {
	f := w.facts
	switch s {
	case denied:
		return &ServerError{f.cluster, fmt.Errorf("your account may not read %s in namespace %s", of.Resource, f.namespace), f.kubectl("", "auth can-i get "+of.Resource+" -n "+word(f.namespace))}
	case missing:
		var names []string
		all, is := list[struct {
			Meta meta `json:"metadata"`
		}](ctx, w.reader, of, f.namespace, chosen{})
		for i := range all {
			names = append(names, all[i].Meta.Name)
		}
		switch {
		case is == missing && of == httpRoutes:
			return &ServerError{f.cluster, fmt.Errorf("it knows no %s: the Gateway API is not installed there", of.Resource), f.kubectl("", "api-resources --api-group "+of.Group)}
		case len(names) > 0:
			return &ServerError{f.cluster, fmt.Errorf("there is no %s in namespace %s; there are %s", f.target, f.namespace, listed(names, namesShown)), f.kubectl("", "get "+of.Resource+" -A") + "   and -n for another namespace"}
		}
		return &ServerError{f.cluster, fmt.Errorf("there is no %s in namespace %s", f.target, f.namespace), f.kubectl("", "get "+of.Resource+" -A") + "   and -n for another namespace"}
	case found, unread:
	}
	return w.serverError()
}

// serverError is why the server gave nothing.
func (w *walker) serverError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err, hint := w.first, w.facts.kubectl("", "cluster-info")
	var unknown x509.UnknownAuthorityError
	switch {
	case apierrors.IsUnauthorized(err):
		hint = "the credentials of the kubeconfig are no longer taken: log in again, and see " + w.facts.kubectl("", "auth whoami")
	case errors.As(err, &unknown):
		hint = "the cluster's certificate is not of the authority that the kubeconfig names (certificate-authority-data)"
	}
	if err == nil {
		err = errors.New("nothing could be read within the time")
	}
	return &ServerError{w.facts.cluster, errors.New(said(err.Error())), hint}
}

// controllerLabels are the labels of the pods of known ingress controllers.
var controllerLabels = map[string]string{
	"k8s.io/ingress-nginx": "app.kubernetes.io/name=ingress-nginx", "traefik.io/ingress-controller": "app.kubernetes.io/name=traefik",
	"nginx.org/ingress-controller": "app.kubernetes.io/name=nginx-ingress", "haproxy.org/ingress-controller/haproxy": "app.kubernetes.io/name=kubernetes-ingress",
	"haproxy-ingress.github.io/controller": "app.kubernetes.io/name=haproxy-ingress", "projectcontour.io/ingress-controller": "app.kubernetes.io/name=contour",
	"ingress-controllers.konghq.com/kong": "app.kubernetes.io/name=kong", "ingress.k8s.aws/alb": "app.kubernetes.io/name=aws-load-balancer-controller",
	"apisix.apache.org/apisix-ingress": "app.kubernetes.io/name=ingress-controller",
}

// Annotations of an Ingress and of its class.
const (
	oldClass     = "kubernetes.io/ingress.class"
	defaultClass = "ingressclass.kubernetes.io/is-default-class"
)

// readClass finds who serves the Ingress.
func (w *walker) readClass(ctx context.Context) {
	i := w.facts.ingress
	c := &classFacts{name: i.Spec.Class, looked: unread}
	w.facts.class = c
	if c.name == "" {
		c.name, c.old = i.Meta.Annotations[oldClass], i.Meta.Annotations[oldClass] != ""
	}
	c.named = c.name != ""
	if c.named {
		c.class, c.state = get[ingressClass](ctx, w.reader, ingressClasses, "", c.name)
	}
	if c.class == nil && c.state != denied {
		all, s := list[ingressClass](ctx, w.reader, ingressClasses, "", chosen{})
		if c.state = s; s == found {
			c.state = missing
		}
		for k := range all {
			c.others = append(c.others, all[k].Meta.Name)
			if !c.named && all[k].Meta.Annotations[defaultClass] == "true" {
				c.name, c.class, c.state = all[k].Meta.Name, &all[k], found
			}
		}
	}
	w.notRead(c.state, "ingressclasses", "")
	if c.class == nil {
		return
	}
	labels := controllerLabels[c.class.Spec.Controller]
	if labels == "" {
		return
	}
	var all []pod
	if all, c.looked = list[pod](ctx, w.reader, pods, "", chosen{labels: labels}); c.looked == found {
		for k := range all {
			c.controllers = append(c.controllers, lookAt(&all[k], nil, nil, w.facts.now))
		}
	}
}

// ingressSecrets reads the Secrets of the Ingress's certificates.
func (w *walker) ingressSecrets(ctx context.Context) {
	for _, t := range w.facts.ingress.Spec.TLS {
		if t.Secret != "" {
			w.addSecret(ctx, w.facts.namespace, t.Secret, t.Hosts)
		}
	}
}

// addSecret reads a Secret of a certificate, once.
func (w *walker) addSecret(ctx context.Context, namespace, name string, hosts []string) {
	f := w.facts
	for _, s := range f.secrets {
		if s.namespace == namespace && s.name == name {
			s.hosts = append(s.hosts, hosts...)
			return
		}
	}
	if len(f.secrets) == secretsMax {
		f.notes = append(f.notes, fmt.Sprintf("more than %d Secrets: secret/%s was not looked at", secretsMax, said(name)))
		return
	}
	s := w.readSecret(ctx, namespace, name)
	s.hosts = hosts
	f.secrets = append(f.secrets, s)
	w.notRead(s.state, "secrets", namespace)
}

// readSecret looks at a Secret's type, the names of its keys and tls.crt. The rest of it is dropped where it comes.
func (w *walker) readSecret(ctx context.Context, namespace, name string) *secretFacts {
	s := &secretFacts{namespace: namespace, name: name}
	u, is := w.fetch(ctx, secrets, namespace, name)
	if s.state = is; is != found {
		return s
	}
	s.kind, _ = u.Object["type"].(string)
	data, _ := u.Object["data"].(map[string]any)
	encoded, _ := data["tls.crt"].(string)
	_, s.hasKey = data["tls.key"]
	clear(data)
	cert, err := base64.StdEncoding.DecodeString(encoded)
	s.hasCert = len(cert) > 0
	if err != nil || !s.hasCert {
		return s
	}
	block, _ := pem.Decode(cert)
	if block == nil || block.Type != "CERTIFICATE" {
		s.problem = "tls.crt holds no certificate in PEM form"
		return s
	}
	if s.leaf, err = x509.ParseCertificate(block.Bytes); err != nil {
		s.problem = "tls.crt cannot be read: " + said(err.Error())
	}
	return s
}

// ingressBackends lists the Services of the Ingress's rules.
func (w *walker) ingressBackends() {
	i := w.facts.ingress
	if i.Spec.Default != nil {
		w.addIngressBackend(i.Spec.Default, "the default backend")
	}
	for _, r := range i.Spec.Rules {
		for _, p := range r.HTTP.Paths {
			w.addIngressBackend(&p.Backend, cmp.Or(r.Host, "*")+cmp.Or(p.Path, "/"))
		}
	}
}

func (w *walker) addIngressBackend(b *ingressBackend, from string) {
	switch {
	case b.Service != nil:
		w.addBackend(w.facts.namespace, b.Service.Name, askedPort{portRef{b.Service.Port.Number, b.Service.Port.Name}, from})
	case b.Resource != nil:
		w.facts.notes = append(w.facts.notes, fmt.Sprintf("the backend of %s is %s/%s, which is not walked", said(from), strings.ToLower(said(b.Resource.Kind)), said(b.Resource.Name)))
	}
}

// addBackend notes that a rule leads to a port of a Service.
func (w *walker) addBackend(namespace, name string, asked askedPort) *backend {
	for _, b := range w.facts.backends {
		if b.namespace == namespace && b.name == name {
			if !slices.ContainsFunc(b.asked, func(a askedPort) bool { return a.port == asked.port }) {
				b.asked = append(b.asked, asked)
			}
			return b
		}
	}
	b := &backend{namespace: namespace, name: name, asked: []askedPort{asked}}
	if len(w.facts.backends) == backendsMax {
		w.facts.notes = append(w.facts.notes, fmt.Sprintf("more than %d Services: service/%s was not walked; give it by itself", backendsMax, said(name)))
		return b
	}
	w.facts.backends = append(w.facts.backends, b)
	return b
}

// externalMost is how many Services an ExternalName may lead through.
const externalMost = 2

// readBackend reads a Service and all behind it.
func (w *walker) readBackend(ctx context.Context, b *backend, depth int) {
	if b.service == nil {
		b.service, b.state = get[service](ctx, w.reader, services, b.namespace, b.name)
	}
	if b.state == missing {
		all, _ := list[service](ctx, w.reader, services, b.namespace, chosen{})
		for i := range all {
			b.others = append(b.others, all[i].Meta.Name)
		}
		all, _ = list[service](ctx, w.reader, services, "", chosen{fields: "metadata.name=" + b.name})
		for i := range all {
			if all[i].Meta.Name == b.name {
				b.abroad = append(b.abroad, all[i].Meta.Namespace)
			}
		}
		return
	}
	if b.service == nil {
		return
	}
	if b.service.Spec.Type == "ExternalName" {
		w.readExternal(ctx, b, depth)
		return
	}
	b.slices, b.slicesIs = list[endpointSlice](ctx, w.reader, endpointSlices, b.namespace, chosen{labels: "kubernetes.io/service-name=" + b.name})
	if len(b.service.Spec.Selector) > 0 {
		w.readPods(ctx, b)
	}
	if b.service.Spec.Type == "LoadBalancer" && len(b.service.Status.Balancer.Ingress) == 0 {
		b.events = w.eventsOf(ctx, b.namespace, "Service", b.name)
	}
}

// readExternal follows a name: to another Service of the cluster, or, by a look-up from here, out of it.
func (w *walker) readExternal(ctx context.Context, b *backend, depth int) {
	name := strings.TrimSuffix(strings.ToLower(b.service.Spec.ExternalName), ".")
	if labels := strings.Split(name, "."); len(labels) >= 3 && labels[2] == "svc" && depth < externalMost {
		b.elsewhere = &backend{namespace: labels[1], name: labels[0], asked: b.asked}
		w.readBackend(ctx, b.elsewhere, depth+1)
		return
	}
	if name == "" || net.ParseIP(name) != nil || !strings.Contains(name, ".") || !w.begin("a DNS question for "+name) {
		return
	}
	_, err := w.lookup(ctx, name)
	b.lookedUp = true
	var no *net.DNSError
	b.noSuch = errors.As(err, &no) && no.IsNotFound
}

// readPods reads the pods that the selector fits, and what tells why one of them is not ready.
func (w *walker) readPods(ctx context.Context, b *backend) {
	var all []pod
	all, b.podsAre = list[pod](ctx, w.reader, pods, b.namespace, chosen{labels: selectorWords(b.service.Spec.Selector)})
	asked, nodesLeft, known := 0, nodesAsked, map[string]*node{}
	for i := range all {
		p := &all[i]
		v := lookAt(p, nil, nil, w.facts.now)
		if !v.ready && !v.over && !v.leaving || v.shaken(w.facts.now) || v.wasNot(w.facts.now) {
			var seen []event
			if asked < podsAsked {
				asked++
				seen = w.eventsOf(ctx, b.namespace, "Pod", p.Meta.Name)
			}
			name := p.Spec.Node
			if known[name] == nil && name != "" && nodesLeft > 0 && p.alive() {
				nodesLeft--
				known[name], _ = get[node](ctx, w.reader, nodes, "", name)
			}
			v = lookAt(p, seen, known[name], w.facts.now)
		}
		b.pods = append(b.pods, v)
	}
	if b.podsAre != found {
		return
	}
	if !slices.ContainsFunc(b.pods, func(v podView) bool { return !v.over }) {
		if len(all) == 0 {
			b.near, _ = list[pod](ctx, w.reader, pods, b.namespace, chosen{})
		}
		w.readMakers(ctx, b)
		return
	}
	b.policies, _ = list[networkPolicy](ctx, w.reader, policies, b.namespace, chosen{})
}

// alive reports whether all containers of a pod say that they are ready: then it is not they that keep it from being ready.
func (p *pod) alive() bool {
	if len(p.Status.Containers) == 0 {
		return false
	}
	return !slices.ContainsFunc(p.Status.Containers, func(s containerStatus) bool { return !s.Ready })
}

// readMakers finds what should make the pods: a Deployment or the like whose template has the labels.
func (w *walker) readMakers(ctx context.Context, b *backend) {
	for kind, of := range map[string]schema.GroupVersionResource{"deployment": deployments, "statefulset": statefulSets, "daemonset": daemonSets, "replicaset": replicaSets} {
		all, _ := list[workload](ctx, w.reader, of, b.namespace, chosen{})
		for i := range all {
			if fits(b.service.Spec.Selector, all[i].Spec.Template.Meta.Labels) && (kind != "replicaset" || len(all[i].Meta.Owners) == 0) {
				all[i].kind = kind
				b.makers = append(b.makers, all[i])
			} else if kind == "replicaset" && failure(&all[i]) != nil && fits(b.service.Spec.Selector, all[i].Spec.Template.Meta.Labels) {
				all[i].kind = kind
				b.makers = append(b.makers, all[i])
			}
		}
	}
	slices.SortFunc(b.makers, func(x, y workload) int { return cmp.Compare(x.label(), y.label()) })
}

// failure is the condition that says why no pod can be made, nil if there is none.
func failure(w *workload) *condition {
	if c := conditionOf(w.Status.Conditions, "ReplicaFailure"); c != nil && c.Status == "True" {
		return c
	}
	return nil
}

// fits reports whether labels have everything that a selector asks for.
func fits(selector, labels map[string]string) bool {
	for k, v := range selector {
		if got, has := labels[k]; !has || got != v {
			return false
		}
	}
	return true
}

// eventsSince is how old an event may be to tell of now. The API server keeps them for an hour by default.
const eventsSince = time.Hour

// eventsOf reads the events of one object.
func (w *walker) eventsOf(ctx context.Context, namespace, kind, name string) []event {
	all, s := list[event](ctx, w.reader, events, namespace, chosen{fields: "involvedObject.name=" + name})
	if s == denied {
		w.mu.Lock()
		w.facts.unread = append(w.facts.unread, "your account may not read events: kubectl auth can-i list events -n "+word(namespace))
		w.mu.Unlock()
	}
	return slices.DeleteFunc(all, func(e event) bool {
		return e.Object.Name != name || !strings.EqualFold(e.Object.Kind, kind) || w.facts.now.Sub(e.at()) > eventsSince
	})
}
