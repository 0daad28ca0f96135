package kubernetes

import (
	"fmt"
	"strings"

	"github.com/whygate/whygate/internal/words"
)

// healthyWords say what the way looks like where nothing is wrong.
func healthyWords(f *facts) string {
	var parts []string
	for _, b := range f.backends {
		if b.service != nil {
			parts = append(parts, b.label()+" with "+readyWords(b))
		}
	}
	switch {
	case f.target.Kind == "service" && len(parts) > 0:
		return f.target.String() + " is in order, " + strings.TrimPrefix(parts[0], f.target.String()+" ")
	case len(parts) == 0:
		return f.target.String() + " is in order; it leads to no Service"
	}
	return f.target.String() + " leads to " + listed(parts, namesShown)
}

// readyWords say how many of what a Service leads to take requests.
func readyWords(b *backend) string {
	if b.service.Spec.Type == "ExternalName" {
		if b.elsewhere != nil && b.elsewhere.service != nil {
			return "its name leading to " + b.elsewhere.label() + " with " + readyWords(b.elsewhere)
		}
		return "the name " + said(b.service.Spec.ExternalName) + " in the place of pods"
	}
	if len(b.service.Spec.Selector) == 0 || b.podsAre != found {
		ready, all := counts(b)
		return fmt.Sprintf("%d of %s ready", ready, addresses(all))
	}
	ready, all := 0, 0
	for _, v := range b.pods {
		if v.over || v.leaving {
			continue
		}
		all++
		if v.ready {
			ready++
		}
	}
	return fmt.Sprintf("%d of %s ready", ready, words.Count(all, "pod"))
}

func addresses(n int) string {
	if n == 1 {
		return "1 address"
	}
	return fmt.Sprintf("%d addresses", n)
}

// inOrder lists what was looked at and is in order.
func inOrder(f *facts) (out []string) {
	if c := f.class; c != nil && c.class != nil && len(judgeClass(f)) == 0 {
		out = append(out, "ingressclass/"+c.class.Meta.Name+" is of "+said(c.class.Spec.Controller))
	}
	if f.ingress != nil && len(f.ingress.Status.Balancer.Ingress) > 0 {
		a := f.ingress.Status.Balancer.Ingress[0]
		out = append(out, "a controller gave the Ingress the address "+said(a.IP+a.Hostname))
	}
	for _, g := range f.gateways {
		if g.gateway != nil && len(judgeGateway(f, g)) == 0 {
			out = append(out, "gateway/"+g.ref.Name+" has what the route names")
		}
	}
	for _, s := range f.secrets {
		if s.leaf != nil && len(judgeSecret(f, s)) == 0 {
			out = append(out, fmt.Sprintf("secret/%s: a certificate of %s until %s", s.name, names(s.leaf), s.leaf.NotAfter.Format("2006-01-02")))
		}
	}
	for _, b := range f.backends {
		if b.service != nil && len(judgePorts(f, b, finding{})) == 0 && b.service.Spec.Type != "ExternalName" {
			out = append(out, b.label()+" has the ports that are named: "+portWords(b.service))
		}
		if b.service != nil && len(judgeBackend(f, b)) == 0 {
			out = append(out, b.label()+": "+readyWords(b))
		}
	}
	return out
}

// notes are what is no fault, and worth knowing.
func notes(f *facts) []string {
	out := append([]string(nil), f.notes...)
	if i := f.ingress; i != nil && len(i.Status.Balancer.Ingress) == 0 && f.class != nil && f.class.class != nil && f.class.looked != found {
		out = append(out, "the Ingress has no address in its status, and whether the controller "+said(f.class.class.Spec.Controller)+" runs was not to be seen; some give none")
	}
	if i := f.ingress; i != nil && len(i.Status.Balancer.Ingress) > 0 && f.class != nil && f.class.looked == found && len(f.class.controllers) == 0 {
		out = append(out, "the Ingress has an address, and no pod of "+said(f.class.class.Spec.Controller)+" was found by its usual label: who gave the address may be gone")
	}
	if e := warning(f.events); e != nil {
		out = append(out, eventWords(e))
	}
	out = append(out, hostsWithoutTLS(f)...)
	if r := f.route; r != nil {
		for n, rule := range r.Spec.Rules {
			if len(rule.Backends) == 0 && len(rule.Filters) > 0 {
				out = append(out, fmt.Sprintf("rule %d has no backend: its filter %s answers", n+1, said(rule.Filters[0].Type)))
			}
		}
	}
	for _, b := range f.backends {
		out = append(out, notesOf(f, b)...)
	}
	return out
}

// hostsWithoutTLS are hosts of rules for which an Ingress that has certificates names none.
func hostsWithoutTLS(f *facts) []string {
	if f.ingress == nil || len(f.ingress.Spec.TLS) == 0 {
		return nil
	}
	var bare []string
	for _, r := range f.ingress.Spec.Rules {
		named := r.Host == ""
		for _, t := range f.ingress.Spec.TLS {
			named = named || len(t.Hosts) == 0
			for _, h := range t.Hosts {
				named = named || isHost(h, r.Host)
			}
		}
		if !named {
			bare = append(bare, said(r.Host))
		}
	}
	if len(bare) == 0 {
		return nil
	}
	return []string{"no certificate is named for " + listed(bare, namesShown) + ": by https the controller shows one of its own there"}
}

func notesOf(f *facts, b *backend) (out []string) {
	if b.service == nil {
		return nil
	}
	s := b.service
	if s.Spec.Type == "ExternalName" {
		if b.elsewhere == nil && len(judgeExternal(f, b)) == 0 {
			out = append(out, fmt.Sprintf("%s leads out of the cluster: whygate diagnose http://%s/ walks on from there", b.label(), word(s.Spec.ExternalName)))
		}
		return out
	}
	if s.Spec.NotReady {
		out = append(out, b.label()+" publishes pods that are not ready as well (publishNotReadyAddresses)")
	}
	if s.Spec.Internal == "Local" {
		out = append(out, b.label()+" is reached only from nodes that have a pod of it (internalTrafficPolicy: Local)")
	}
	if s.Spec.External == "Local" {
		out = append(out, b.label()+" is reached from outside only by nodes that have a pod of it (externalTrafficPolicy: Local)")
	}
	for _, p := range b.wanted() {
		speaksTLS := p.Name == "https" || p.Port == 443 || p.target() == (portRef{Number: 443}) || p.target() == (portRef{Number: 8443})
		if f.ingress != nil && speaksTLS && f.ingress.Meta.Annotations["nginx.ingress.kubernetes.io/backend-protocol"] == "" && len(b.asked) > 0 {
			out = append(out, fmt.Sprintf("%s:%d looks as if it spoke TLS, and the Ingress does not say so: an nginx speaks http to it (annotation nginx.ingress.kubernetes.io/backend-protocol: HTTPS)", b.label(), p.Port))
		}
	}
	return append(append(out, podNotes(f, b)...), policyNotes(b)...)
}

// podNotes are about pods that are no fault, or none any more.
func podNotes(f *facts, b *backend) (out []string) {
	over, why := 0, ""
	ready := strings.HasPrefix(readyWords(b), "0 of")
	for _, v := range b.pods {
		switch {
		case v.over:
			over, why = over+1, v.text
		case v.leaving && f.now.Sub(v.since) > leavingMost:
			out = append(out, fmt.Sprintf("%s was deleted %s ago, and is still there: a finalizer, or a node that does not answer", v.label(), ago(f.now.Sub(v.since))))
		case v.leaving:
			out = append(out, v.label()+" is being deleted: it gets no new requests")
		case !v.ready && v.young && !ready:
			out = append(out, v.label()+" has just begun: "+v.text)
		case v.ready && v.ended != nil && !v.shaken(f.now):
			out = append(out, fmt.Sprintf("container %s of %s %s %s ago, and has run since (%s)", v.endedIn, v.label(), v.ended.words(), ago(f.now.Sub(v.ended.Finished)), words.Count(v.restarts, "restart")))
		}
	}
	if over > 0 {
		out = append(out, fmt.Sprintf("%s of %s ended for good and not counted: %s", words.Count(over, "pod"), b.label(), why))
	}
	const most = 6
	return out[:min(len(out), most)]
}

// policyNotes say who may reach the pods, where a policy lets only some.
func policyNotes(b *backend) (out []string) {
	for i := range b.pods {
		if !b.pods[i].ready {
			continue
		}
		for _, n := range b.policiesOf(b.pods[i].pod) {
			var who []string
			open := false
			for _, rule := range n.Spec.Ingress {
				open = open || len(rule.From) == 0
				for _, from := range rule.From {
					who = append(who, peerWords(from.Namespaces, from.Pods))
					if from.Block != nil {
						who[len(who)-1] = said(from.Block.CIDR)
					}
				}
			}
			if !open && len(who) > 0 {
				out = append(out, fmt.Sprintf("networkpolicy/%s lets only %s reach the pods of %s: is the ingress controller among them?", n.Meta.Name, said(listed(who, 3)), b.label()))
			}
		}
		return out
	}
	return nil
}

func peerWords(namespaces, pods *labelSelector) string {
	where, which := "this namespace", "pods"
	if namespaces != nil {
		where = "all namespaces"
		if len(namespaces.Match)+len(namespaces.Expressions) > 0 {
			where = "namespaces with " + chosenBy(namespaces)
		}
	}
	if pods != nil && len(pods.Match)+len(pods.Expressions) > 0 {
		which = "pods with " + chosenBy(pods)
	}
	return which + " of " + where
}

func chosenBy(s *labelSelector) string {
	text := selectorWords(s.Match)
	for _, e := range s.Expressions {
		text = strings.TrimPrefix(text+","+e.Key+" "+e.Operator+" "+strings.Join(e.Values, "|"), ",")
	}
	return text
}
