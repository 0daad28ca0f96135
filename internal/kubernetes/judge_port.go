package kubernetes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
)

// wanted are the Service's ports that requests take: those that rules name, else all by TCP.
func (b *backend) wanted() (all []*servicePort) {
	if len(b.asked) == 0 {
		for i := range b.service.Spec.Ports {
			if p := &b.service.Spec.Ports[i]; p.Protocol == "" || p.Protocol == "TCP" {
				all = append(all, p)
			}
		}
		return all
	}
	for _, a := range b.asked {
		if p := portOf(b.service, a.port); p != nil {
			all = append(all, p)
		}
	}
	return all
}

// judgeTargets looks whether the pods have the ports that the Service leads to.
func judgeTargets(f *facts, b *backend, base finding, live []podView) (out []finding) {
	base.order, base.cause = atPorts, fault.CauseConnectionRefused
	for _, p := range b.wanted() {
		target := p.target()
		var without []podView
		for _, v := range live {
			if !v.leaving && lacks(v.pod, target) {
				without = append(without, v)
			}
		}
		if len(without) == 0 {
			continue
		}
		one := base
		one.link = fmt.Sprintf("%s:%d → targetPort %s", b.label(), p.Port, target)
		one.at = without[0].label()
		one.command = f.kubectl(b.namespace, "edit service "+word(b.name))
		one.pattern = fmt.Sprintf("%d of %d pods", len(without), len(live))
		if len(without) < len(live) {
			one.reach = some
		}
		have := declaredWords(without[0].pod)
		if target.Name != "" {
			one.cause = fault.CauseNoEndpoints
			one.text = fmt.Sprintf("%s %s no port of the name %s: %s", ofAll(len(without), len(live), "pod"), hasOrHave(len(without)), said(target.Name), have)
			one.advice = append(one.advice, "Give the container's port that name, or name one that it has in the Service's targetPort.")
		} else {
			one.confidence = diagnose.Likely
			one.text = fmt.Sprintf("%s %s no port %d: %s", ofAll(len(without), len(live), "pod"), hasOrHave(len(without)), target.Number, have)
			one.advice = append(one.advice, "Set the Service's targetPort to the port on which the program listens; "+f.kubectl(b.namespace, fmt.Sprintf("port-forward pod/%s :%d", word(without[0].pod.Meta.Name), target.Number))+" shows whether anything listens there.")
		}
		out = append(out, one)
	}
	return out
}

// aside are words in the names of ports that are not for the requests of users.
var aside = []string{"metric", "prom", "admin", "health", "debug", "pprof", "probe", "status", "mgmt", "management", "monitor", "liveness", "readiness"}

// lacks reports whether a pod is known not to listen on a port. A name has to be declared. A number need not be: it is missed only where a
// container declares another port for users, and no probe asks this one.
func lacks(p *pod, target portRef) bool {
	others := false
	for _, c := range p.containers() {
		if declares(&c, target) || target.Name == "" && probes(&c, target.Number) {
			return false
		}
		for _, own := range c.Ports {
			others = others || !slices.ContainsFunc(aside, func(w string) bool { return strings.Contains(strings.ToLower(own.Name), w) })
		}
	}
	return target.Name != "" || others
}

// probes reports whether a probe of the container asks the port.
func probes(c *container, port int) bool {
	for _, p := range []*probe{c.Readiness, c.Liveness, c.Startup} {
		switch {
		case p == nil:
		case p.HTTP != nil && p.HTTP.Port.Number == port, p.TCP != nil && p.TCP.Port.Number == port, p.GRPC != nil && p.GRPC.Port == port:
			return true
		}
	}
	return false
}

// declaredWords list the ports that a pod's containers declare.
func declaredWords(p *pod) string {
	var all []string
	for _, c := range p.containers() {
		for _, own := range c.Ports {
			text := strconv.Itoa(own.Port)
			if own.Name != "" {
				text += " (" + own.Name + ")"
			}
			all = append(all, text)
		}
	}
	if len(all) == 0 {
		return "they declare no port"
	}
	return "they declare " + said(listed(all, namesShown))
}

// judgePolicies looks whether the NetworkPolicies of the namespace let anybody reach the pods on the port. Whether they are enforced is the
// network plugin's business, so that it is likely at most.
func judgePolicies(f *facts, b *backend) (out []finding) {
	var ready *pod
	for i := range b.pods {
		if b.pods[i].ready {
			ready = b.pods[i].pod
			break
		}
	}
	if ready == nil {
		return nil
	}
	over := b.policiesOf(ready)
	if len(over) == 0 {
		return nil
	}
	var names []string
	for _, p := range over {
		names = append(names, "networkpolicy/"+p.Meta.Name)
	}
	for _, port := range b.wanted() {
		if slices.ContainsFunc(over, func(p *networkPolicy) bool { return p.allows(ready, port.target(), nil) }) {
			if who := f.controllers(); len(who) > 0 && !slices.ContainsFunc(over, func(p *networkPolicy) bool { return p.allows(ready, port.target(), who) }) {
				out = append(out, shutOut(f, b, port, names, over))
			}
			continue
		}
		out = append(out, finding{
			reach: all, order: atPolicy, cause: fault.CauseConnectTimeout, confidence: diagnose.Likely, link: fmt.Sprintf("%s:%d → pods", b.label(), port.Port), at: names[0], pattern: "always",
			text:    fmt.Sprintf("%s lets nobody reach the pods on port %s", listed(names, namesShown), port.target()),
			why:     ", where the network plugin enforces it",
			since:   newest(over).Meta.Created,
			command: f.kubectl(b.namespace, "describe "+word(names[0])),
			advice:  []string{"Allow the ingress controller's namespace in the policy's ingress rules, on that port."},
		})
	}
	return out
}

// controllers are the pods of the Ingress's controller, where they are known.
func (f *facts) controllers() (all []*pod) {
	if f.class == nil {
		return nil
	}
	for i := range f.class.controllers {
		if v := &f.class.controllers[i]; !v.over && v.pod.Meta.Namespace != "" {
			all = append(all, v.pod)
		}
	}
	return all
}

// shutOut is about policies that let some reach the pods, and the ingress controller not.
func shutOut(f *facts, b *backend, port *servicePort, names []string, over []*networkPolicy) finding {
	from := f.controllers()[0].Meta.Namespace
	return finding{
		reach: all, order: atPolicy, cause: fault.CauseConnectTimeout, confidence: diagnose.Likely, link: fmt.Sprintf("%s:%d → pods", b.label(), port.Port), at: names[0], pattern: "always",
		text:    fmt.Sprintf("%s lets some reach the pods on port %s, and not the ingress controller in namespace %s", listed(names, namesShown), port.target(), said(from)),
		since:   newest(over).Meta.Created,
		why:     ", where the network plugin enforces it",
		command: f.kubectl(b.namespace, "describe "+word(names[0])),
		advice:  []string{"Allow it in the policy's ingress rules: from a namespaceSelector with kubernetes.io/metadata.name: " + said(from) + "."},
	}
}

// policiesOf are the policies that are about what comes to a pod.
func (b *backend) policiesOf(p *pod) (all []*networkPolicy) {
	for i := range b.policies {
		n := &b.policies[i]
		if n.Spec.Pods.fits(p.Meta.Labels) && (len(n.Spec.Types) == 0 || slices.Contains(n.Spec.Types, "Ingress")) {
			all = append(all, n)
		}
	}
	return all
}

func newest(all []*networkPolicy) *networkPolicy {
	best := all[0]
	for _, p := range all[1:] {
		if p.Meta.Created.After(best.Meta.Created) {
			best = p
		}
	}
	return best
}

// allows reports whether a rule of the policy lets anybody reach the port; of who, where that is not empty, and as far as it can be told.
func (n *networkPolicy) allows(p *pod, target portRef, who []*pod) bool {
	for _, rule := range n.Spec.Ingress {
		taken := len(who) == 0 || len(rule.From) == 0
		for i := range rule.From {
			taken = taken || slices.ContainsFunc(who, func(from *pod) bool { return rule.From[i].mayBe(from, n.Meta.Namespace) })
		}
		if !taken {
			continue
		}
		if len(rule.Ports) == 0 {
			return true
		}
		for _, own := range rule.Ports {
			if own.Protocol != "" && own.Protocol != "TCP" {
				continue
			}
			if own.Port == nil || *own.Port == target || numberOf(p, *own.Port) == numberOf(p, target) || own.End > 0 && own.Port.Number <= numberOf(p, target) && numberOf(p, target) <= own.End {
				return true
			}
		}
	}
	return false
}

// mayBe reports whether a peer of a rule may be the pod. Of a namespace only the label that each has of itself is known; a block of
// addresses may hold anybody.
func (r *policyPeer) mayBe(p *pod, own string) bool {
	if r.Block != nil {
		return true
	}
	if r.Pods != nil && !r.Pods.fits(p.Meta.Labels) {
		return false
	}
	if r.Namespaces == nil {
		return p.Meta.Namespace == own
	}
	for k, v := range r.Namespaces.Match {
		if k == "kubernetes.io/metadata.name" && v != p.Meta.Namespace {
			return false
		}
	}
	return true
}

// numberOf is the number of a port of a pod, 0 where no container has the name.
func numberOf(p *pod, port portRef) int {
	if port.Name == "" {
		return port.Number
	}
	for _, c := range p.containers() {
		for _, own := range c.Ports {
			if own.Name == port.Name {
				return own.Port
			}
		}
	}
	return 0
}

// fits reports whether labels are what a selector asks for: an empty one fits all.
func (s *labelSelector) fits(labels map[string]string) bool {
	if !fits(s.Match, labels) {
		return false
	}
	for _, e := range s.Expressions {
		got, has := labels[e.Key]
		in := has && slices.Contains(e.Values, got)
		switch e.Operator {
		case "In":
			if !in {
				return false
			}
		case "NotIn":
			if in {
				return false
			}
		case "Exists":
			if !has {
				return false
			}
		case "DoesNotExist":
			if has {
				return false
			}
		}
	}
	return true
}

// judgeAddress is about a Service whose address in the world is still to come, where the walk begins at it.
func judgeAddress(f *facts, b *backend) []finding {
	if b.service.Spec.Type != "LoadBalancer" || len(b.service.Status.Balancer.Ingress) > 0 || f.target.Kind != "service" {
		return nil
	}
	out := finding{
		reach: all, order: atClass, cause: fault.CauseNoRoute, confidence: diagnose.Likely, link: "load balancer → " + b.label(), at: b.label(), pattern: "from outside",
		text: "nobody has given the Service of type LoadBalancer an address (EXTERNAL-IP is <pending>)", since: b.service.Meta.Created,
		command: f.kubectl(b.namespace, "describe service "+word(b.name)),
		advice:  []string{"A cloud's controller, MetalLB or the like gives it; without one take an Ingress, or type NodePort."},
	}
	for i := range b.events {
		if e := &b.events[i]; e.Type == "Warning" {
			out.proof = append(out.proof, eventWords(e))
			out.why = ": " + said(e.Message)
			break
		}
	}
	if f.now.Sub(b.service.Meta.Created) < startLeast {
		out.confidence = diagnose.Possible
	}
	return []finding{out}
}
