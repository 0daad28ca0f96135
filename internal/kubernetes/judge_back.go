package kubernetes

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/words"
)

// judgeBackend looks at a Service and all behind it.
func judgeBackend(f *facts, b *backend) []finding {
	base := finding{reach: all, order: atService, confidence: diagnose.Certain, link: f.target.String() + " → " + b.label(), at: b.label(), pattern: "always", cause: fault.CauseRouteBroken}
	if b.noGrant {
		base.text = fmt.Sprintf("the Service is in namespace %s, where no ReferenceGrant lets HTTPRoutes of namespace %s refer to it", b.namespace, f.namespace)
		base.command = f.kubectl(b.namespace, "get referencegrants")
		return []finding{base}
	}
	if b.state == missing {
		base.text = fmt.Sprintf("there is no Service %s in namespace %s%s", said(b.name), b.namespace, alternatives(b))
		base.command = f.kubectl(b.namespace, "get services")
		base.proof = append(base.proof, askedWords(b))
		if len(b.abroad) > 0 {
			base.text += "; there is one of the name in namespace " + listed(b.abroad, namesShown)
		}
		base.advice = append(base.advice, "Correct the Service's name in "+f.target.String()+", or make the Service in namespace "+b.namespace+": a backend cannot be in another.")
		if f.route != nil {
			base.advice = []string{"Correct the Service's name or namespace in " + f.target.String() + ", or make the Service."}
		}
		return []finding{base}
	}
	if b.service == nil {
		return nil
	}
	if b.service.Spec.Type == "ExternalName" {
		return judgeExternal(f, b)
	}
	if out := judgePorts(f, b, base); len(out) > 0 {
		return out
	}
	out := judgeEndpoints(f, b)
	if len(out) == 0 || out[0].reach < all {
		out = append(out, judgePolicies(f, b)...)
		out = append(out, judgeAddress(f, b)...)
	}
	return out
}

func alternatives(b *backend) string {
	if len(b.others) == 0 {
		return "; it has none"
	}
	return "; there are " + listed(b.others, namesShown)
}

// askedWords say which rules lead to a backend.
func askedWords(b *backend) string {
	var all []string
	for _, a := range b.asked {
		all = append(all, said(a.from)+" → "+b.name+":"+a.port.String())
	}
	return "rules: " + listed(all, namesShown)
}

// portOf is the Service's port that a rule means, nil if there is none.
func portOf(s *service, p portRef) *servicePort {
	for i := range s.Spec.Ports {
		if own := &s.Spec.Ports[i]; p.Name != "" && own.Name == p.Name || p.Name == "" && own.Port == p.Number {
			return own
		}
	}
	return nil
}

// portWords list a Service's ports.
func portWords(s *service) string {
	var all []string
	for _, p := range s.Spec.Ports {
		text := strconv.Itoa(p.Port)
		if p.Name != "" {
			text += " (" + said(p.Name) + ")"
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return "no port"
	}
	return listed(all, namesShown)
}

// judgePorts looks whether the Service has the ports that the rules name.
func judgePorts(f *facts, b *backend, base finding) (out []finding) {
	for _, a := range b.asked {
		p := portOf(b.service, a.port)
		one := base
		one.command = f.kubectl(f.namespace, "edit "+f.target.String())
		switch {
		case p == nil && a.port == (portRef{}):
			one.text = "the rule of " + said(a.from) + " names no port; the Service has " + portWords(b.service)
		case p == nil:
			one.text = fmt.Sprintf("the rule of %s names port %s, which the Service does not have: it has %s", said(a.from), said(a.port.String()), portWords(b.service))
			if a.port.Name == "" {
				for _, own := range b.service.Spec.Ports {
					if own.target().Number == a.port.Number {
						one.text += fmt.Sprintf("; %d is the port of the pods (targetPort), and %d leads to it", a.port.Number, own.Port)
						one.advice = append(one.advice, fmt.Sprintf("Name the Service's port %d in %s: the port of the pods is the Service's business.", own.Port, f.target))
					}
				}
			}
		case p.Protocol != "" && p.Protocol != "TCP":
			one.confidence = diagnose.Likely
			one.text = fmt.Sprintf("port %d of the Service is %s, and HTTP goes by TCP", p.Port, said(p.Protocol))
			one.command = f.kubectl(b.namespace, "edit service "+word(b.name))
		default:
			continue
		}
		if len(b.asked) > 1 {
			one.pattern = fmt.Sprintf("1 of %d ports", len(b.asked))
		}
		out = append(out, one)
	}
	if len(b.asked) == 0 && len(b.service.Spec.Ports) == 0 && b.service.Spec.Type != "ExternalName" && b.service.Spec.ClusterIP != "None" {
		base.text = "the Service has no port"
		out = append(out, base)
	}
	return out
}

// judgeExternal looks at a name in the place of endpoints.
func judgeExternal(f *facts, b *backend) []finding {
	name := b.service.Spec.ExternalName
	base := finding{
		reach: all, order: atEndpoints, confidence: diagnose.Certain, link: b.label() + " → " + said(name), at: b.label(), pattern: "always", cause: fault.CauseDNSNXDomain,
		command: f.kubectl(b.namespace, "edit service "+word(b.name)),
	}
	switch {
	case name == "":
		base.text = "the Service is of type ExternalName, and has no name"
	case net.ParseIP(name) != nil:
		base.text = "an ExternalName is a name: the address " + said(name) + " is looked up as if it were one, and there is none"
		base.advice = append(base.advice, "Make a Service without selector, and an EndpointSlice with the address.")
	case b.elsewhere != nil:
		if b.elsewhere.state == missing {
			base.text = fmt.Sprintf("there is no Service %s in namespace %s%s", said(b.elsewhere.name), said(b.elsewhere.namespace), alternatives(b.elsewhere))
			return []finding{base}
		}
		return judgeBackend(f, b.elsewhere)
	case b.noSuch:
		base.confidence = diagnose.Likely
		base.text = "the name does not exist: DNS says NXDOMAIN, asked from here"
		base.command = f.kubectl(b.namespace, "run -it --rm lookup --image=busybox --restart=Never -- nslookup "+word(name))
	default:
		return nil
	}
	return []finding{base}
}

// judgeEndpoints looks at the pods behind a Service, or at its EndpointSlices where it has no selector, or where pods may not be read.
func judgeEndpoints(f *facts, b *backend) []finding {
	base := finding{reach: all, order: atEndpoints, confidence: diagnose.Certain, link: b.label() + " → pods", at: b.label(), pattern: "always", cause: fault.CauseNoEndpoints}
	ready, whole := counts(b)
	if len(b.service.Spec.Selector) == 0 {
		if b.slicesIs != found || ready > 0 {
			return slicePorts(f, b, base)
		}
		base.link = b.label() + " → endpoints"
		base.text = "the Service has no selector, and no EndpointSlice with an address: nothing fills it"
		base.command = f.kubectl(b.namespace, "get endpointslices -l kubernetes.io/service-name="+word(b.name))
		return []finding{base}
	}
	if b.podsAre != found {
		if b.slicesIs != found || ready > 0 {
			return nil
		}
		base.text = fmt.Sprintf("its EndpointSlices have no ready address (%d of %d)", ready, whole)
		base.command = f.kubectl(b.namespace, "get endpointslices -l kubernetes.io/service-name="+word(b.name))
		return []finding{base}
	}
	live := slices.DeleteFunc(slices.Clone(b.pods), func(v podView) bool { return v.over })
	if len(live) == 0 {
		return []finding{noPods(f, b, base)}
	}
	if out := notReady(f, b, base, live); len(out) > 0 {
		return out
	}
	if out := judgeTargets(f, b, base, live); len(out) > 0 {
		return out
	}
	if b.slicesIs == found && ready == 0 && !b.service.Spec.NotReady && slices.ContainsFunc(live, func(v podView) bool { return v.ready && f.now.Sub(v.since) > startLeast }) {
		base.confidence = diagnose.Likely
		base.link, base.text = b.label()+" → endpoints", fmt.Sprintf("%s ready, and its EndpointSlices have no ready address: the controller that fills them does not work, or has not yet", ofAllReady(live))
		base.command = f.kubectl(b.namespace, "get endpointslices -l kubernetes.io/service-name="+word(b.name))
		return []finding{base}
	}
	if out := append(staleAddresses(f, b, base), slicePorts(f, b, base)...); len(out) > 0 {
		return out
	}
	return shaken(f, b, base, live)
}

// slicePorts is about EndpointSlices whose ports do not have the name of the Service's port: by that name they belong together.
func slicePorts(f *facts, b *backend, base finding) (out []finding) {
	if b.slicesIs != found {
		return nil
	}
	for _, p := range b.wanted() {
		ready, fit, names := 0, false, []string{}
		for i := range b.slices {
			ready += len(b.slices[i].Endpoints)
			for _, own := range b.slices[i].Ports {
				fit = fit || own.Name == p.Name
				names = append(names, fmt.Sprintf("%d (%s)", own.Port, orWord(own.Name, "no name")))
			}
		}
		if ready == 0 || fit || len(names) == 0 {
			continue
		}
		base.link, base.cause, base.pattern = fmt.Sprintf("%s:%d → endpoints", b.label(), p.Port), fault.CauseNoEndpoints, "always"
		base.text = fmt.Sprintf("none of its EndpointSlices has a port of the name %s, which is the Service's: they have %s", orWord(p.Name, "\"\""), listed(names, namesShown))
		base.command = f.kubectl(b.namespace, "get endpointslices -l kubernetes.io/service-name="+word(b.name)+" -o yaml")
		base.advice = append(base.advice, "Give the EndpointSlice's port the name of the Service's port.")
		out = append(out, base)
	}
	return out
}

// staleAddresses is about ready addresses of EndpointSlices that no pod of the Service has: what is sent there is lost.
func staleAddresses(f *facts, b *backend, base finding) []finding {
	own, pods := map[string]bool{}, 0
	for _, v := range b.pods {
		if v.pod.Status.IP != "" {
			own[v.pod.Status.IP] = true
			pods++
		}
	}
	var stale []string
	whole := 0
	for i := range b.slices {
		s := &b.slices[i]
		for _, e := range s.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready || len(e.Addresses) == 0 || s.Type == "IPv6" || s.Type == "FQDN" {
				continue
			}
			if whole++; !own[e.Addresses[0]] {
				stale = append(stale, said(e.Addresses[0]))
			}
		}
	}
	if len(stale) == 0 || pods < len(b.pods) {
		return nil
	}
	base.reach, base.confidence, base.cause = some, diagnose.Likely, fault.CauseConnectTimeout
	base.link = b.label() + " → endpoints"
	base.pattern = fmt.Sprintf("%d of %s", len(stale), addresses(whole))
	base.text = fmt.Sprintf("%d of %s in its EndpointSlices (%s) %s of no pod that the selector fits", len(stale), addresses(whole), listed(stale, namesShown), isOrAre(len(stale)))
	base.command = f.kubectl(b.namespace, "get endpointslices -l kubernetes.io/service-name="+word(b.name)+" -o yaml")
	base.advice = append(base.advice, "Remove an EndpointSlice that somebody made by hand; if a controller made it, that has not kept up.")
	if len(stale) == whole {
		base.reach = all
	}
	return []finding{base}
}

func ofAllReady(live []podView) string {
	n := 0
	for _, v := range live {
		if v.ready {
			n++
		}
	}
	return ofAll(n, len(live), "pod") + " " + isOrAre(n)
}

// counts are the ready addresses of the EndpointSlices, and all of them.
func counts(b *backend) (ready, whole int) {
	for i := range b.slices {
		for _, e := range b.slices[i].Endpoints {
			whole++
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				ready++
			}
		}
	}
	return ready, whole
}

// noPods says why a Service has no pod.
func noPods(f *facts, b *backend, base finding) finding {
	selector := selectorWords(b.service.Spec.Selector)
	base.command = f.kubectl(b.namespace, "get pods -l "+word(selector))
	for i := range b.makers {
		m := &b.makers[i]
		base.link = b.label() + " → " + m.label()
		base.at = m.label()
		if m.Spec.Replicas != nil && *m.Spec.Replicas == 0 {
			base.cause = fault.CauseServiceStopped
			base.text = m.label() + " is scaled to 0: there is no pod"
			base.command = f.kubectl(b.namespace, "scale "+word(m.label())+" --replicas=1")
			if c := conditionOf(m.Status.Conditions, "Available"); c != nil {
				base.since = c.Since
			}
			return base
		}
		if m.kind == "daemonset" && m.Status.Desired == 0 {
			base.cause = fault.CauseServiceStopped
			base.text = m.label() + " wants no pod on any node: its nodeSelector, affinity or tolerations fit none"
			base.command = f.kubectl(b.namespace, "describe "+word(m.label()))
			return base
		}
		if c := failure(m); c != nil {
			base.cause, base.since = fault.CauseServiceFailed, c.Since
			base.text, base.why = m.label()+" cannot make its pods", behind(c.Reason, c.Message)
			base.command = f.kubectl(b.namespace, "describe "+word(m.label()))
			return base
		}
	}
	if over := b.pods; len(over) > 0 {
		v := over[0]
		base.link, base.at, base.cause, base.since = b.label()+" → pods", v.label(), v.cause, v.since
		base.text, base.why = fmt.Sprintf("%s ended for good, and none took the place", ofAll(len(over), len(over), "pod")), ": "+v.text
		base.command = f.kubectl(b.namespace, "describe pod "+word(v.pod.Meta.Name))
		return base
	}
	if len(b.makers) > 0 {
		m := &b.makers[0]
		base.cause, base.since = fault.CauseServiceFailed, m.Meta.Created
		base.text = m.label() + " should have pods, and has none"
		base.command = f.kubectl(b.namespace, "describe "+word(m.label()))
		return base
	}
	base.text = "the selector " + said(selector) + " fits no pod of namespace " + b.namespace
	near, differ := nearest(b)
	if near != "" {
		base.text += "; " + near
		base.command = f.kubectl(b.namespace, "get pods --show-labels")
		base.advice = append(base.advice, "Make the Service's selector and the labels of the pods' template agree in "+differ+".")
	}
	return base
}

// nearest finds the pods that miss the selector by least, and says by which label.
func nearest(b *backend) (text, differ string) {
	best, names, keys := 0, []string{}, map[string]bool{}
	for i := range b.near {
		labels := b.near[i].Meta.Labels
		hit := 0
		for k, v := range b.service.Spec.Selector {
			if got, has := labels[k]; has && got == v {
				hit++
			} else if has && strings.EqualFold(strings.TrimSpace(got), strings.TrimSpace(v)) || alikeKey(labels, k, v) {
				hit++ // by its value or in other words, a slip
			}
		}
		switch {
		case hit > best:
			best, names, keys = hit, []string{b.near[i].Meta.Name}, map[string]bool{}
			fallthrough
		case hit == best && hit > 0:
			if !slices.Contains(names, b.near[i].Meta.Name) {
				names = append(names, b.near[i].Meta.Name)
			}
			for k, v := range b.service.Spec.Selector {
				if got := labels[k]; got != v {
					keys[said(k+"="+v)+" (they have "+said(orNone(k, got))+")"] = true
				}
			}
		}
	}
	if best == 0 && len(b.near) > 0 {
		names := map[string]bool{}
		for i := range b.near {
			for k := range b.service.Spec.Selector {
				names[orNone(k, b.near[i].Meta.Labels[k])] = true
			}
		}
		return fmt.Sprintf("its %s %s", words.Count(len(b.near), "pod"), "have "+said(listed(keysOf(names), 3))), "those labels"
	}
	if best == 0 {
		return "the namespace has no pod", "what makes the pods, and where"
	}
	differ = listed(keysOf(keys), 3)
	return fmt.Sprintf("%s (%s) would fit but for %s", words.Count(len(names), "pod"), said(listed(names, 2)), differ), differ
}

// alikeKey reports whether a label has the selector's value under another key.
func alikeKey(labels map[string]string, key, value string) bool {
	for k, v := range labels {
		if v == value && k != key && v != "true" && len(v) > 2 {
			return true
		}
	}
	return false
}

func orNone(key, value string) string {
	if value == "" {
		return "no " + key
	}
	return key + "=" + value
}

func keysOf(m map[string]bool) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}
