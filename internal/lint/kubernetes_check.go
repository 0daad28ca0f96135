package lint

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// services are the Services that the files have.
func (c *check) services() (all []*topology.Object) {
	for _, o := range c.Objects {
		if o.Kind == "Service" {
			all = append(all, o)
		}
	}
	return all
}

// hasPort reports whether a Service has a port by its number or name.
func hasPort(service *topology.Object, port string) bool {
	for p := range service.Node.At("spec", "ports").Items() {
		if p.Get("port").Text() == port || p.Get("name").Text() == port {
			return true
		}
	}
	return false
}

func portsOf(service *topology.Object) string {
	var all []string
	for p := range service.Node.At("spec", "ports").Items() {
		text := p.Get("port").Text()
		if n := p.Get("name").Text(); n != "" {
			text = n + " (" + text + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func checkIngressPort(c *check) {
	report := func(o *topology.Object, name string, port *Node) {
		s := c.Find("Service", name, o.Namespace)
		if s == nil || port.Text() == "" || hasPort(s, port.Text()) || s.Node.At("spec", "type").Text() == "ExternalName" {
			return
		}
		c.fault(port, fmt.Sprintf("the Service %s has no port %s, only %s (%v): there are no endpoints.", name, port.Text(), portsOf(s), s.Node.At("spec", "ports").Place), "number: "+firstPort(s))
	}
	for _, o := range c.Objects {
		if o.Kind == "Ingress" {
			for _, b := range topology.IngressBackends(o) {
				port := b.At("port", "number")
				if port == nil {
					port = b.At("port", "name")
				}
				if port != nil {
					report(o, b.Get("name").Text(), port)
				}
			}
		}
		if o.Kind == "HTTPRoute" || o.Kind == "GRPCRoute" {
			for rule := range o.Node.At("spec", "rules").Items() {
				for ref := range rule.Get("backendRefs").Items() {
					if k := ref.Get("kind").Text(); (k == "" || k == "Service") && ref.Get("port") != nil && ref.Get("namespace") == nil {
						report(o, ref.Get("name").Text(), ref.Get("port"))
					}
				}
			}
		}
	}
}

func firstPort(s *topology.Object) string {
	for p := range s.Node.At("spec", "ports").Items() {
		return p.Get("port").Text()
	}
	return "80"
}

// containers are those of an object's pods.
func containers(o *topology.Object) (all []*Node) {
	for n := range o.Pods().At("spec", "containers").Items() {
		all = append(all, n)
	}
	for n := range o.Pods().At("spec", "initContainers").Items() {
		if n.Get("restartPolicy").Text() == "Always" { // a sidecar
			all = append(all, n)
		}
	}
	return all
}

// targetPorts are the ports of pods that a Service sends to: names and numbers.
func targetPorts(service *topology.Object) (all []*Node) {
	for p := range service.Node.At("spec", "ports").Items() {
		if t := p.Get("targetPort"); t != nil {
			all = append(all, t)
		} else if n := p.Get("port"); n != nil {
			all = append(all, n)
		}
	}
	return all
}

func isNumber(s string) bool { _, err := strconv.Atoi(s); return err == nil }

func checkTargetPort(c *check) {
	for _, s := range c.services() {
		workloads := c.Selected(s)
		if len(workloads) == 0 {
			continue
		}
		for _, t := range targetPorts(s) {
			if isNumber(t.Text()) || t.Text() == "" {
				continue
			}
			found, names := false, []string{}
			for _, w := range workloads {
				for _, k := range containers(w) {
					for p := range k.Get("ports").Items() {
						found = found || p.Get("name").Text() == t.Text()
						names = append(names, p.Get("name").Text()+" ("+p.Get("containerPort").Text()+")")
					}
				}
			}
			if !found {
				c.fault(t, fmt.Sprintf("no port of the pods of %s is called %q, only %s: the Service has no endpoints.", workloads[0].Name, t.Text(), listed(names)), "targetPort: NAME OR NUMBER OF THE CONTAINER'S PORT")
			}
		}
	}
}

func checkSelector(c *check) {
	for _, s := range c.services() {
		selector := s.Node.At("spec", "selector")
		if selector == nil || len(selector.Kids) == 0 || len(c.Selected(s)) > 0 {
			continue
		}
		for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Rollout"} {
			o := c.Find(kind, s.Name, s.Namespace)
			if o.Pods() != nil && filepath.Dir(o.Node.File) == filepath.Dir(s.Node.File) {
				c.fault(selector, fmt.Sprintf("it fits none of the labels of the pods of %s %s (%v): the Service has no endpoints.", o.Kind, o.Name, o.Pods().Place), labelsOf(o))
				break
			}
		}
	}
}

func labelsOf(o *topology.Object) string {
	for l := range o.Pods().At("metadata", "labels").Keys() {
		return fmt.Sprintf("selector: {%s: %s}", l.Name, l.Text())
	}
	return "selector: the labels of the pods"
}

// routed goes through the workloads behind a Service that an Ingress or a route leads to.
func (c *check) routed(visit func(service, workload *topology.Object)) {
	for _, s := range c.services() {
		if !c.Routed(s) {
			continue
		}
		for _, w := range c.Selected(s) {
			visit(s, w)
		}
	}
}

// serving are the containers that have one of the ports that a Service sends to: the only one, or those that say so.
func serving(service, workload *topology.Object) (all []*Node) {
	every := containers(workload)
	for _, k := range every {
		for p := range k.Get("ports").Items() {
			if slices.ContainsFunc(targetPorts(service), func(t *Node) bool {
				return t.Text() == p.Get("containerPort").Text() || t.Text() == p.Get("name").Text()
			}) {
				all = append(all, k)
				break
			}
		}
	}
	if len(all) == 0 && len(every) == 1 {
		return every
	}
	return all
}

func checkReadiness(c *check) {
	c.routed(func(s, w *topology.Object) {
		for _, k := range serving(s, w) {
			if k.Get("readinessProbe") == nil && k.Get("startupProbe") == nil {
				c.risk(k, fmt.Sprintf("the pods of %s get requests before they listen, at each roll-out.", w.Name), "readinessProbe: {httpGet: {path: /healthz, port: "+targetPorts(s)[0].Text()+"}}")
			}
		}
	})
}

// stopsAtOnce are servers that close their listening socket as soon as SIGTERM comes.
var stopsAtOnce = []string{"gunicorn", "uvicorn", "hypercorn", "puma", "unicorn", "uwsgi", "nginx", "httpd", "apache2-foreground", "php-fpm"}

// programOf is the server of stopsAtOnce that words start; empty if they start none.
func programOf(words string) string {
	for _, w := range strings.Fields(words) {
		if name := w[strings.LastIndexByte(w, '/')+1:]; slices.Contains(stopsAtOnce, name) {
			return name
		}
	}
	return ""
}

func checkDrain(c *check) {
	c.routed(func(s, w *topology.Object) {
		for _, k := range serving(s, w) {
			if k.Get("lifecycle").Get("preStop") != nil {
				continue
			}
			words := ""
			for _, name := range []string{"command", "args"} {
				for i := range k.Get(name).Items() {
					words += " " + i.Text()
				}
			}
			image := k.Get("image").Text()
			image = image[strings.LastIndexByte(image, '/')+1:]
			switch program := programOf(words); {
			case program != "":
				c.risk(k, fmt.Sprintf("at SIGTERM %s stops to listen at once, while proxies still send requests: 502 or 503 at each roll-out.", program), "lifecycle: {preStop: {sleep: {seconds: 10}}}")
			case strings.HasPrefix(image, "nginx:") || strings.HasPrefix(image, "httpd:"):
				c.risk(k, fmt.Sprintf("at SIGTERM %s stops at once, while proxies still send requests: 502 or 503 at each roll-out.", image), "lifecycle: {preStop: {sleep: {seconds: 10}}}")
			default:
				c.note(k, fmt.Sprintf("unless %s goes on to serve for some seconds after SIGTERM, requests fail at each roll-out.", k.Get("name").Text()), "lifecycle: {preStop: {sleep: {seconds: 10}}}")
			}
		}
	})
}

// sleepOf is how long a preStop hook sleeps.
func sleepOf(hook *Node) (time.Duration, *Node) {
	if n := hook.At("sleep", "seconds"); n != nil {
		d, _ := topology.Duration(n.Text(), time.Second)
		return d, n
	}
	var words []string
	for i := range hook.At("exec", "command").Items() {
		words = append(words, strings.Fields(i.Text())...)
	}
	for i, w := range words {
		if (w == "sleep" || w == "/bin/sleep") && i+1 < len(words) {
			d, _ := topology.Duration(strings.Trim(words[i+1], ";"), time.Second)
			return d, hook
		}
	}
	return 0, nil
}

func checkGrace(c *check) {
	for _, o := range c.Objects {
		if o.Pods() == nil {
			continue
		}
		grace := 30 * time.Second
		set := o.Pods().At("spec", "terminationGracePeriodSeconds")
		if set != nil {
			grace, _ = topology.Duration(set.Text(), time.Second)
		}
		for _, k := range containers(o) {
			if sleep, where := sleepOf(k.Get("lifecycle").Get("preStop")); where != nil && sleep >= grace {
				if set != nil {
					where = set
				}
				c.fault(where, fmt.Sprintf("the hook sleeps for %s, and the pod is killed after %s.", shown(sleep), shown(grace)), fmt.Sprintf("terminationGracePeriodSeconds: %d", int((sleep+30*time.Second)/time.Second)))
			}
		}
	}
}

func checkReadinessPort(c *check) {
	c.routed(func(s, w *topology.Object) {
		for _, k := range serving(s, w) {
			port := k.At("readinessProbe", "httpGet", "port")
			if port == nil {
				port = k.At("readinessProbe", "tcpSocket", "port")
			}
			if port == nil {
				continue
			}
			numbers := map[string]string{} // of the container's ports, by name and by number
			for p := range k.Get("ports").Items() {
				numbers[p.Get("name").Text()], numbers[p.Get("containerPort").Text()] = p.Get("containerPort").Text(), p.Get("containerPort").Text()
			}
			probed := port.Text()
			if n := numbers[probed]; n != "" {
				probed = n
			}
			same := false
			for _, t := range targetPorts(s) {
				sent := t.Text()
				if n := numbers[sent]; n != "" {
					sent = n
				}
				same = same || sent == probed || !isNumber(sent) || !isNumber(probed)
			}
			if !same {
				c.note(port, fmt.Sprintf("the probe asks port %s, and requests go to %s.", port.Text(), targetPorts(s)[0].Text()), "port: "+targetPorts(s)[0].Text())
			}
		}
	})
}

func checkStrategy(c *check) {
	c.routed(func(_, w *topology.Object) {
		strategy := w.Node.At("spec", "strategy")
		most := strategy.At("rollingUpdate", "maxUnavailable")
		replicas, fault := strconv.Atoi(w.Node.At("spec", "replicas").Text()) // an autoscaler may have others where none are said
		stopped, err := strconv.Atoi(most.Text())
		switch {
		case w.Kind != "Deployment":
		case strategy.Get("type").Text() == "Recreate":
			c.risk(strategy.Get("type"), fmt.Sprintf("at each roll-out of %s all pods stop before new ones start: 503 until they are ready.", w.Name), "strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0}}")
		case most.Text() == "100%", err == nil && fault == nil && replicas > 0 && stopped >= replicas:
			c.risk(most, fmt.Sprintf("at each roll-out of %s all pods may stop at once: 503 until new ones are ready.", w.Name), "maxUnavailable: 0")
		}
	})
}

const ingressNginx = "nginx.ingress.kubernetes.io/"

// ingresses are those with annotations of ingress-nginx.
func (c *check) ingresses(visit func(o *topology.Object)) {
	for _, o := range c.Objects {
		if o.Kind == "Ingress" {
			visit(o)
		}
	}
}

func checkAnnotationUnit(c *check) {
	c.ingresses(func(o *topology.Object) {
		for _, name := range []string{"proxy-read-timeout", "proxy-send-timeout", "proxy-connect-timeout"} {
			n := o.Annotation(ingressNginx + name)
			if n == nil || isNumber(n.Text()) {
				continue
			}
			if d, ok := topology.Duration(n.Text(), time.Second); ok {
				c.fault(n, fmt.Sprintf("%q is no number: the annotation is not read, and the default goes on to hold.", n.Text()), fmt.Sprintf("%s%s: \"%d\"", ingressNginx, name, int(d/time.Second)))
			}
		}
	})
}

func checkAnnotationNumber(c *check) {
	c.ingresses(func(o *topology.Object) {
		for n := range o.Node.At("metadata", "annotations").Keys() {
			if n.Bare && len(n.Args) > 0 {
				c.fault(n, fmt.Sprintf("%s is a number or a truth, and an annotation is text: Kubernetes refuses the object.", n.Text()), fmt.Sprintf("%s: %q", n.Name, n.Text()))
			}
		}
	})
}

// ingressPaths are the paths of an Ingress.
func ingressPaths(o *topology.Object) (all []*Node) {
	for rule := range o.Node.At("spec", "rules").Items() {
		for p := range rule.At("http", "paths").Items() {
			if n := p.Get("path"); n != nil {
				all = append(all, n)
			}
		}
	}
	return all
}

var groupUsed = regexp.MustCompile(`\$([1-9])`)

func checkRewriteCapture(c *check) {
	c.ingresses(func(o *topology.Object) {
		n := o.Annotation(ingressNginx + "rewrite-target")
		m := groupUsed.FindStringSubmatch(n.Text())
		if m == nil {
			return
		}
		wanted, _ := strconv.Atoi(m[1])
		for _, p := range ingressPaths(o) {
			if groups := strings.Count(p.Text(), "(") - strings.Count(p.Text(), "(?:") - strings.Count(p.Text(), `\(`); groups < wanted {
				c.fault(p, fmt.Sprintf("rewrite-target is %s, and this path has %d groups: every request asks for the same path.", n.Text(), groups), fmt.Sprintf("path: %s(/|$)(.*)", strings.TrimSuffix(p.Text(), "/")))
			}
		}
	})
}

func checkRewriteRoot(c *check) {
	c.ingresses(func(o *topology.Object) {
		n := o.Annotation(ingressNginx + "rewrite-target")
		if n.Text() != "/" {
			return
		}
		for _, p := range ingressPaths(o) {
			if p.Text() != "/" && !strings.Contains(p.Text(), "(") && !exactPath(o, p) {
				c.risk(n, fmt.Sprintf("every request under %s asks for /, scripts and images as well.", p.Text()), fmt.Sprintf("path: %s(/|$)(.*)\n%srewrite-target: /$2", strings.TrimSuffix(p.Text(), "/"), ingressNginx))
				return
			}
		}
	})
}

// exactPath reports whether a path of an Ingress is of type Exact.
func exactPath(o *topology.Object, path *Node) bool {
	for rule := range o.Node.At("spec", "rules").Items() {
		for p := range rule.At("http", "paths").Items() {
			if p.Get("path") == path {
				return p.Get("pathType").Text() == "Exact"
			}
		}
	}
	return false
}

func checkBackendProtocol(c *check) {
	c.ingresses(func(o *topology.Object) {
		class := o.Node.At("spec", "ingressClassName").Text() + o.Annotation("kubernetes.io/ingress.class").Text()
		if !strings.Contains(class, "nginx") || o.Annotation(ingressNginx+"backend-protocol") != nil || o.Annotation(ingressNginx+"ssl-passthrough") != nil {
			return
		}
		for _, b := range topology.IngressBackends(o) {
			s := c.Find("Service", b.Get("name").Text(), o.Namespace)
			if s == nil {
				continue
			}
			port := b.At("port", "number").Text() + b.At("port", "name").Text()
			for p := range s.Node.At("spec", "ports").Items() {
				if p.Get("port").Text() != port && p.Get("name").Text() != port {
					continue
				}
				name := p.Get("name").Text()
				protocol := strings.ToLower(p.Get("appProtocol").Text())
				switch {
				case name == "https" || strings.HasPrefix(name, "https-") || protocol == "https" || p.Get("port").Text() == "443":
					c.risk(b, fmt.Sprintf("port %s of %s (%v) looks like TLS, and ingress-nginx speaks HTTP in clear to it.", port, s.Name, p.Place), ingressNginx+"backend-protocol: \"HTTPS\"")
				case name == "grpc" || strings.HasPrefix(name, "grpc-") || protocol == "grpc" || p.Get("port").Text() == "50051":
					c.risk(b, fmt.Sprintf("port %s of %s (%v) looks like gRPC, and ingress-nginx speaks HTTP/1.1 to it.", port, s.Name, p.Place), ingressNginx+"backend-protocol: \"GRPC\"")
				}
			}
		}
	})
}
