package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// readGateways reads the Gateways that the route names, their classes and their certificates.
func (w *walker) readGateways(ctx context.Context) {
	f := w.facts
	for _, ref := range f.route.Spec.Parents {
		if ref.Kind != "" && ref.Kind != "Gateway" {
			f.notes = append(f.notes, fmt.Sprintf("the parent %s/%s is no Gateway, and is not walked", strings.ToLower(said(ref.Kind)), said(ref.Name)))
			continue
		}
		if len(f.gateways) == gatewaysMax {
			f.notes = append(f.notes, fmt.Sprintf("more than %d Gateways: gateway/%s was not walked", gatewaysMax, said(ref.Name)))
			continue
		}
		ref.Namespace = cmp.Or(ref.Namespace, f.namespace)
		g := &gatewayFacts{ref: ref}
		f.gateways = append(f.gateways, g)
		g.gateway, g.state = either[gateway](ctx, w.reader, gateways, ref.Namespace, ref.Name)
		w.notRead(g.state, "gateways", ref.Namespace)
		if g.gateway == nil {
			continue
		}
		g.class, g.classIs = either[gatewayClass](ctx, w.reader, gatewayClasses, "", g.gateway.Spec.Class)
		w.notRead(g.classIs, "gatewayclasses", "")
		for _, l := range g.gateway.Spec.Listeners {
			if l.TLS == nil || l.TLS.Mode == "Passthrough" || !ref.takes(l.Name, l.Port) {
				continue
			}
			for _, c := range l.TLS.Certificates {
				if c.Kind == "" || c.Kind == "Secret" {
					w.addSecret(ctx, cmp.Or(c.Namespace, ref.Namespace), c.Name, hostsOn(f.route.Spec.Hostnames, l.Hostname))
				}
			}
		}
	}
}

// takes reports whether a reference means a listener.
func (p *parentRef) takes(name string, port int) bool {
	return (p.Section == "" || p.Section == name) && (p.Port == 0 || p.Port == port)
}

// hostsOn are the hosts of a route that a listener serves: its own name where the route has none.
func hostsOn(hosts []string, listener string) (all []string) {
	if len(hosts) == 0 && listener != "" {
		return []string{listener}
	}
	for _, h := range hosts {
		if covers(listener, h) {
			all = append(all, h)
		}
	}
	return all
}

// covers reports whether a listener's hostname and a route's have a name in common: Gateway API, HTTPRouteSpec.hostnames.
func covers(listener, host string) bool {
	switch {
	case listener == "" || strings.EqualFold(listener, host):
		return true
	case strings.HasPrefix(listener, "*."):
		return strings.HasSuffix(strings.ToLower(host), strings.ToLower(listener[1:]))
	case strings.HasPrefix(host, "*."):
		return strings.HasSuffix(strings.ToLower(listener), strings.ToLower(host[1:]))
	}
	return false
}

// routeBackends lists the Services of the route's rules, and whether those of other namespaces allow it.
func (w *walker) routeBackends(ctx context.Context) {
	f := w.facts
	for n, r := range f.route.Spec.Rules {
		from := fmt.Sprintf("rule %d", n+1)
		if len(r.Matches) > 0 && r.Matches[0].Path.Value != "" {
			from = said(r.Matches[0].Path.Value)
		}
		for _, b := range r.Backends {
			switch {
			case b.Kind != "" && b.Kind != "Service":
				f.notes = append(f.notes, fmt.Sprintf("the backend of %s is %s/%s, which is not walked", from, strings.ToLower(said(b.Kind)), said(b.Name)))
				continue
			case b.Weight != nil && *b.Weight == 0:
				f.notes = append(f.notes, fmt.Sprintf("%s gives service/%s the weight 0: it gets no request", from, said(b.Name)))
				continue
			}
			added := w.addBackend(cmp.Or(b.Namespace, f.namespace), b.Name, askedPort{portRef{Number: b.Port}, from})
			if added.namespace != f.namespace {
				added.noGrant = !w.granted(ctx, added)
			}
		}
	}
}

// granted reports whether a namespace lets routes of the target's refer to the Service. What may not be read counts as granted: the route's
// own status tells more.
func (w *walker) granted(ctx context.Context, b *backend) bool {
	all, s := list[referenceGrant](ctx, w.reader, grants, b.namespace, chosen{})
	if s == missing {
		all, s = list[referenceGrant](ctx, w.reader, grantsBeta, b.namespace, chosen{})
	}
	if s != found {
		return true
	}
	for i := range all {
		from, to := false, false
		for _, x := range all[i].Spec.From {
			from = from || x.Kind == "HTTPRoute" && x.Namespace == w.facts.namespace
		}
		for _, x := range all[i].Spec.To {
			to = to || x.Kind == "Service" && (x.Name == "" || x.Name == b.name)
		}
		if from && to {
			return true
		}
	}
	return false
}
