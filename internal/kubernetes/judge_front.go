package kubernetes

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
)

// judgeClass looks whether anybody serves the Ingress.
func judgeClass(f *facts) []finding {
	c := f.class
	if c == nil {
		return nil
	}
	served := len(f.ingress.Status.Balancer.Ingress) > 0 // an address in its status was put there by who serves it, or did
	out := finding{
		reach: all, order: atClass, cause: fault.CauseNoRoute, confidence: diagnose.Certain, link: f.target.String() + " → ingress controller", at: f.target.String(), pattern: "always",
		since: f.ingress.Meta.Created, command: f.kubectl("", "get ingressclass"),
	}
	if !served {
		out.proof = append(out.proof, "no controller has given the Ingress an address: its status.loadBalancer is empty")
	}
	have := "; there is no IngressClass at all: no ingress controller is installed"
	if len(c.others) > 0 {
		have = "; there are " + listed(c.others, namesShown)
	}
	out.why = have
	switch {
	case served && (c.state == missing || c.looked == found && len(c.controllers) == 0):
		return nil
	case c.state == missing && c.named && c.old:
		out.confidence = diagnose.Likely
		out.text = fmt.Sprintf("its annotation %s names %q, there is no IngressClass of that name, and nobody has given it an address", oldClass, said(c.name))
	case c.state == missing && c.named:
		out.text = fmt.Sprintf("it names the IngressClass %s, which does not exist", said(c.name))
		out.advice = append(out.advice, "Name a class that a controller serves: "+f.kubectl(f.namespace, "edit "+f.target.String())+" (spec.ingressClassName).")
	case c.state == missing:
		out.text = "it names no IngressClass, and none is the default"
		out.confidence = diagnose.Likely
		out.advice = append(out.advice, "Name the class in spec.ingressClassName: "+f.kubectl(f.namespace, "edit "+f.target.String())+".")
	case c.class != nil && c.looked == found:
		out.why = ""
		if found := judgeControllers(f, out); len(found) > 0 || served {
			return found
		}
		return reported(f, out)
	default:
		if served {
			return nil
		}
		return reported(f, out)
	}
	return []finding{out}
}

// reported is what a controller says itself of an Ingress that it has given no address.
func reported(f *facts, out finding) []finding {
	e := warning(f.events)
	if e == nil {
		return nil
	}
	out.confidence, out.since = diagnose.Likely, e.Meta.Created
	if out.since.IsZero() {
		out.since = e.at()
	}
	out.text, out.why = "a controller reports "+said(e.Reason)+" for it, and has given it no address", ": "+said(e.Message)
	out.command = f.kubectl(f.namespace, "describe "+f.target.String())
	out.proof = append(out.proof, eventWords(e))
	return []finding{out}
}

// judgeControllers looks at the pods of the class's controller, where their labels are known.
func judgeControllers(f *facts, out finding) []finding {
	c := f.class
	labels := controllerLabels[c.class.Spec.Controller]
	out.command = f.kubectl("", "get pods -A -l "+labels)
	ready, views := 0, []podView{}
	for _, v := range c.controllers {
		if v.over {
			continue
		}
		views = append(views, v)
		if v.ready {
			ready++
		}
	}
	switch {
	case ready > 0:
		return nil
	case len(views) == 0:
		out.confidence = diagnose.Likely
		out.text = fmt.Sprintf("its class %s belongs to %s, and no pod of that controller (%s) runs in any namespace", said(c.name), said(c.class.Spec.Controller), labels)
		out.advice = append(out.advice, "Install the controller, or name a class whose controller runs.")
		return []finding{out}
	}
	v := views[0]
	out.cause, out.since, out.at = v.cause, v.since, v.label()
	out.text, out.why = fmt.Sprintf("%s of the controller %s %s not ready", ofAll(len(views), len(views), "pod"), said(c.class.Spec.Controller), isOrAre(len(views))), ": "+v.text
	out.proof, out.advice = append(out.proof, v.proof...), append(out.advice, v.advice...)
	return []finding{out}
}

// judgeSecret looks at the Secret of a certificate: a missing one breaks https, and leaves http as it is.
func judgeSecret(f *facts, s *secretFacts) []finding {
	label := "secret/" + s.name
	out := finding{
		reach: some, order: atTLS, cause: fault.CauseTLSCertificateUntrusted, confidence: diagnose.Certain, link: f.target.String() + " → " + label, at: label, pattern: "https only",
		command: f.kubectl(s.namespace, "describe secret "+word(s.name)),
	}
	names := " for " + listed(s.hosts, namesShown)
	if len(s.hosts) == 0 {
		names = ""
	}
	shown := ", so that the controller shows a certificate of its own, which no browser trusts"
	switch {
	case s.state == missing:
		out.text = fmt.Sprintf("the Secret of the certificate%s does not exist in namespace %s%s", names, s.namespace, shown)
		out.advice = append(out.advice, "Make it: "+f.kubectl(s.namespace, "create secret tls "+word(s.name)+" --cert=FILE --key=FILE")+"; where cert-manager should, "+f.kubectl(s.namespace, "get certificates,certificaterequests,orders,challenges")+" says why it has not.")
	case s.state != found:
		return nil
	case !s.hasCert || !s.hasKey:
		out.text = fmt.Sprintf("the Secret%s has no %s%s", names, lacking(s), shown)
		if s.kind != "" && s.kind != "kubernetes.io/tls" {
			out.text += "; its type is " + said(s.kind) + ", and not kubernetes.io/tls"
		}
	case s.problem != "":
		out.text = "the Secret's " + s.problem + shown
	default:
		return judgeLeaf(f, s, out)
	}
	return []finding{out}
}

func lacking(s *secretFacts) string {
	switch {
	case !s.hasCert && !s.hasKey:
		return "tls.crt and no tls.key"
	case !s.hasCert:
		return "tls.crt"
	}
	return "tls.key"
}

// judgeLeaf looks at the certificate itself.
func judgeLeaf(f *facts, s *secretFacts, out finding) []finding {
	leaf := s.leaf
	out.proof = append(out.proof, fmt.Sprintf("tls.crt is of %s, from %s to %s", names(leaf), leaf.NotBefore.Format("2006-01-02"), leaf.NotAfter.Format("2006-01-02")))
	var wrong []string
	for _, h := range s.hosts {
		if h != "" && !namesHost(leaf, h) {
			wrong = append(wrong, h)
		}
	}
	switch {
	case f.now.After(leaf.NotAfter):
		out.cause, out.since = fault.CauseTLSCertificateExpired, leaf.NotAfter
		out.text = "its certificate has expired"
		out.advice = append(out.advice, "Renew it; where cert-manager should have, "+f.kubectl(s.namespace, "describe certificate")+" says why it has not.")
	case f.now.Before(leaf.NotBefore):
		out.cause = fault.CauseTLSCertificateNotYetValid
		out.text = "its certificate is not valid before " + leaf.NotBefore.Format("2006-01-02 15:04 MST")
	case len(wrong) > 0:
		out.cause = fault.CauseTLSCertificateWrongName
		out.text = fmt.Sprintf("its certificate is for %s, and not for %s", names(leaf), listed(wrong, namesShown))
		out.pattern = "https of " + listed(wrong, namesShown)
	default:
		return nil
	}
	return []finding{out}
}

// names are those of a certificate.
func names(leaf *x509.Certificate) string {
	all := append([]string(nil), leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name"
	}
	return said(listed(all, namesShown))
}

// namesHost reports whether a certificate is for a host, which may be a wildcard itself.
func namesHost(leaf *x509.Certificate, host string) bool {
	if rest, wild := strings.CutPrefix(host, "*."); wild {
		for _, n := range leaf.DNSNames {
			if strings.EqualFold(n, "*."+rest) {
				return true
			}
		}
		return false
	}
	return leaf.VerifyHostname(host) == nil
}

// judgeRoute reads what the gateways' controllers say of the route.
func judgeRoute(f *facts) (out []finding) {
	if f.route == nil {
		return nil
	}
	base := finding{order: atClass, reach: all, confidence: diagnose.Certain, link: f.target.String() + " → gateway", at: f.target.String(), pattern: "always", cause: fault.CauseNoRoute, command: f.kubectl(f.namespace, "describe "+f.target.String())}
	if len(f.route.Spec.Parents) == 0 {
		base.text, base.since = "it names no Gateway (spec.parentRefs is empty)", f.route.Meta.Created
		return append(out, base)
	}
	out = append(out, emptyRules(f)...)
	refused := 0
	for i := range f.route.Status.Parents {
		p := &f.route.Status.Parents[i]
		label := "gateway/" + p.Parent.Name
		if c := conditionOf(p.Conditions, "Accepted"); c != nil && c.Status == "False" {
			refused++
			one := base
			one.link, one.since = f.target.String()+" → "+label, c.Since
			one.text, one.why = label+" does not accept it", behind(c.Reason, c.Message)
			one.advice = routeAdvice(c.Reason)
			if refused < len(f.route.Status.Parents) {
				one.reach, one.pattern = some, fmt.Sprintf("%d of %d Gateways", refused, len(f.route.Status.Parents))
			}
			out = append(out, one)
		}
		if c := conditionOf(p.Conditions, "ResolvedRefs"); c != nil && c.Status == "False" && !f.knowsWhy() {
			one := base
			one.order, one.cause, one.since, one.link = atService, fault.CauseRouteBroken, c.Since, f.target.String()+" → service"
			one.text, one.why = label+" cannot resolve what it refers to", behind(c.Reason, c.Message)
			out = append(out, one)
		}
	}
	if len(f.route.Status.Parents) == 0 && f.gatewaysThere() {
		base.confidence, base.since = diagnose.Likely, f.route.Meta.Created
		base.text = "no controller has taken it: its status names no Gateway"
		base.advice = append(base.advice, "Look whether the controller of the GatewayClass runs: "+f.kubectl("", "get gatewayclass")+".")
		out = append(out, base)
	}
	return out
}

// emptyRules are those that lead nowhere: the gateway answers 500 for them (Gateway API, HTTPRouteRule.backendRefs).
func emptyRules(f *facts) (out []finding) {
	for n, r := range f.route.Spec.Rules {
		weight := 0
		for _, b := range r.Backends {
			if b.Weight == nil {
				weight++
			} else {
				weight += *b.Weight
			}
		}
		if weight > 0 || slices.ContainsFunc(r.Filters, func(x routeFilter) bool { return x.Type == "RequestRedirect" || x.Type == "ExtensionRef" }) {
			continue
		}
		one := finding{
			reach: some, order: atService, confidence: diagnose.Certain, cause: fault.CauseRouteBroken, link: f.target.String() + " → service", at: f.target.String(),
			pattern: fmt.Sprintf("rule %d of %d", n+1, len(f.route.Spec.Rules)), text: fmt.Sprintf("rule %d has no backend that gets a request: the gateway answers 500 itself", n+1),
			command: f.kubectl(f.namespace, "edit "+f.target.String()),
		}
		if len(f.route.Spec.Rules) == 1 {
			one.reach, one.pattern = all, "always"
		}
		out = append(out, one)
	}
	return out
}

// knowsWhy reports whether a backend shows by itself what the status says of it.
func (f *facts) knowsWhy() bool {
	for _, b := range f.backends {
		if b.state == missing || b.noGrant {
			return true
		}
		for _, a := range b.asked {
			if b.service != nil && portOf(b.service, a.port) == nil {
				return true
			}
		}
	}
	return false
}

// gatewaysThere reports whether every Gateway that the route names exists: a missing one is a finding of its own.
func (f *facts) gatewaysThere() bool {
	for _, g := range f.gateways {
		if g.state == missing || g.classIs == missing {
			return false
		}
	}
	return true
}

func routeAdvice(reason string) []string {
	switch reason {
	case "NotAllowedByListeners":
		return []string{"The listener takes routes of other namespaces only where its allowedRoutes.namespaces say so."}
	case "NoMatchingListenerHostname":
		return []string{"None of the route's hostnames is one of a listener: make them agree."}
	case "NoMatchingParent":
		return []string{"The Gateway has no listener of the sectionName or port that parentRefs name."}
	}
	return nil
}

// judgeGateway looks at one Gateway that the route names.
func judgeGateway(f *facts, g *gatewayFacts) (out []finding) {
	label := "gateway/" + g.ref.Name
	base := finding{order: atClass, reach: all, confidence: diagnose.Certain, link: f.target.String() + " → " + label, at: label, pattern: "always", cause: fault.CauseNoRoute, command: f.kubectl(g.ref.Namespace, "describe "+"gateway "+word(g.ref.Name))}
	if len(f.gateways) > 1 {
		base.reach, base.pattern = some, fmt.Sprintf("1 of %d Gateways", len(f.gateways))
	}
	if g.state == missing {
		base.text = fmt.Sprintf("there is no %s in namespace %s", label, g.ref.Namespace)
		base.command = f.kubectl("", "get gateways -A")
		return []finding{base}
	}
	if g.gateway == nil {
		return nil
	}
	if g.classIs == missing {
		base.link, base.text = label+" → gatewayclass/"+g.gateway.Spec.Class, "there is no GatewayClass of that name"
		base.command = f.kubectl("", "get gatewayclass")
		return []finding{base}
	}
	if g.class != nil {
		if c := conditionOf(g.class.Status.Conditions, "Accepted"); c == nil || c.Status != "True" {
			base.link, base.since = label+" → gatewayclass/"+g.class.Meta.Name, g.class.Meta.Created
			base.text = "no controller has accepted the class (" + said(g.class.Spec.Controller) + ")"
			base.command = f.kubectl("", "describe gatewayclass "+word(g.class.Meta.Name))
			if c != nil {
				base.since, base.why = c.Since, behind(c.Reason, c.Message)
			}
			return []finding{base}
		}
	}
	for _, kind := range []string{"Accepted", "Programmed"} {
		if c := conditionOf(g.gateway.Status.Conditions, kind); c != nil && c.Status == "False" {
			base.text, base.since, base.why = label+" is not "+strings.ToLower(kind), c.Since, behind(c.Reason, c.Message)
			return []finding{base}
		}
	}
	return append(out, judgeListeners(f, g, base)...)
}

// judgeListeners looks at the listeners that the route may use.
func judgeListeners(f *facts, g *gatewayFacts, base finding) (out []finding) {
	fit, hosted := 0, 0
	for _, l := range g.gateway.Spec.Listeners {
		if !g.ref.takes(l.Name, l.Port) {
			continue
		}
		fit++
		if len(f.route.Spec.Hostnames) == 0 || len(hostsOn(f.route.Spec.Hostnames, l.Hostname)) > 0 {
			hosted++
		}
		for _, s := range g.gateway.Status.Listeners {
			if s.Name != l.Name {
				continue
			}
			for _, kind := range []string{"Accepted", "ResolvedRefs", "Programmed"} {
				if c := conditionOf(s.Conditions, kind); c != nil && c.Status == "False" {
					one := base
					one.reach, one.pattern, one.since = some, "listener "+said(l.Name), c.Since
					one.text, one.why = fmt.Sprintf("%s of its listener %s (port %d) is false", kind, said(l.Name), l.Port), behind(c.Reason, c.Message)
					out = append(out, one)
					break
				}
			}
		}
	}
	switch {
	case fit == 0 && len(g.gateway.Spec.Listeners) > 0:
		base.text = fmt.Sprintf("it has no listener that the route names (sectionName %q, port %d)", said(g.ref.Section), g.ref.Port)
		out = append(out, base)
	case hosted == 0 && fit > 0:
		base.text = "none of its listeners is for " + listed(slices.Clone(f.route.Spec.Hostnames), namesShown)
		out = append(out, base)
	}
	return out
}
