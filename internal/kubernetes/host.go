package kubernetes

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
)

// Limits of a look that was not asked for by an object's name.
const (
	hostTime = 2 * time.Second // of one request
	hostMost = 5 * time.Second // of all
	hostMax  = 2               // objects that are walked
)

// OfHost is what serves a host in a cluster, and what is wrong with it.
type OfHost struct {
	Object, Namespace string
	Verdict           diagnose.Verdict
}

// FindHost looks in the cluster of the kubeconfig for Ingresses and HTTPRoutes of a host, and walks them. Where there is no kubeconfig, or it
// gets its credentials from a program, nothing is asked: that may want to talk to somebody. It gives what was read, in words.
func FindHost(ctx context.Context, host string) (found []OfHost, read []string) {
	c, err := Open(Where{}, hostTime)
	if err != nil || c.runs != "" {
		return nil, nil
	}
	return c.ofHost(ctx, host)
}

func (c *Cluster) ofHost(ctx context.Context, host string) (out []OfHost, read []string) {
	ctx, cancel := context.WithTimeout(ctx, hostMost)
	defer cancel()
	r := &reader{cluster: c}
	all := ingressesOf(ctx, r, host)
	if r.first == nil { // else the server does not answer, and is not waited for again
		all = append(all, routesOf(ctx, r, host)...)
	}
	for _, at := range all {
		if len(out) == hostMax {
			break
		}
		there := *c
		there.namespace = at.Namespace
		target, err := ParseTarget(at.Object)
		if err != nil {
			continue
		}
		report, err := there.walk(ctx, &Options{Object: target}, net.DefaultResolver.LookupHost, time.Now())
		if err != nil {
			continue
		}
		at.Verdict = report.Verdict
		out, read = append(out, at), append(read, report.Kubernetes.Read...)
	}
	if len(out) == 0 && len(r.said) > 0 && r.first != nil {
		return nil, nil
	}
	return out, append(r.said, read...)
}

// everywhere lists the objects of all namespaces, or of the context's own where that is all that may be read.
func everywhere[T any](ctx context.Context, r *reader, by func(namespace string) ([]T, state)) []T {
	all, s := by("")
	if s == denied {
		all, _ = by(r.cluster.namespace)
	}
	return all
}

func ingressesOf(ctx context.Context, r *reader, host string) (out []OfHost) {
	for _, i := range everywhere(ctx, r, func(namespace string) ([]ingress, state) {
		return list[ingress](ctx, r, ingresses, namespace, chosen{})
	}) {
		for _, rule := range i.Spec.Rules {
			if rule.Host != "" && isHost(rule.Host, host) {
				out = append(out, OfHost{Object: "ingress/" + i.Meta.Name, Namespace: cmp.Or(i.Meta.Namespace, r.cluster.namespace)})
				break
			}
		}
	}
	return out
}

func routesOf(ctx context.Context, r *reader, host string) (out []OfHost) {
	for _, i := range everywhere(ctx, r, func(namespace string) ([]httpRoute, state) {
		return list[httpRoute](ctx, r, httpRoutes, namespace, chosen{})
	}) {
		if slices.ContainsFunc(i.Spec.Hostnames, func(name string) bool { return isHost(name, host) }) {
			out = append(out, OfHost{Object: "httproute/" + i.Meta.Name, Namespace: cmp.Or(i.Meta.Namespace, r.cluster.namespace)})
		}
	}
	return out
}

// isHost reports whether a rule's host, which may begin with a wildcard for one label, is the host.
func isHost(rule, host string) bool {
	if rest, wild := strings.CutPrefix(rule, "*."); wild {
		_, tail, _ := strings.Cut(host, ".")
		return strings.EqualFold(rest, tail)
	}
	return strings.EqualFold(rule, host)
}
