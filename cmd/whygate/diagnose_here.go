package main

import (
	"cmp"
	"context"
	"net"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/here"
	"github.com/whygate/whygate/internal/kubernetes"
)

// hereHook gives the function that finds the proxy on this machine: where the address is this machine's, or by the port alone
// if forced. Whoever forces it is told of the cluster that the kubeconfig leads to as well, where that serves the host.
func hereHook(forced bool) func(context.Context, diagnose.Target) (*diagnose.Here, error) {
	if !forced {
		return here.Find
	}
	return func(ctx context.Context, t diagnose.Target) (*diagnose.Here, error) {
		cluster := make(chan func(*diagnose.Here), 1)
		go func() { cluster <- clusterHere(ctx, &t) }() // ends with its own time, which is bounded, or with ctx
		h, err := here.FindAnyway(ctx, t)
		if h == nil {
			h = &diagnose.Here{}
		}
		(<-cluster)(h)
		return h, err
	}
}

// clusterHere asks the kubeconfig's cluster for what serves the host, and gives what tells of it.
func clusterHere(ctx context.Context, t *diagnose.Target) func(*diagnose.Here) {
	host, _, err := net.SplitHostPort(t.Authority)
	if err != nil {
		host = t.Authority
	}
	found, read := kubernetes.FindHost(ctx, cmp.Or(host, t.Host))
	return func(h *diagnose.Here) {
		for _, f := range found {
			if !f.Verdict.Healthy {
				h.Tell(diagnose.HereState{Cause: f.Verdict.Cause, Text: "Kubernetes, namespace " + f.Namespace + ": " + f.Verdict.Sentence})
			}
		}
		for _, what := range read {
			h.WasRead("Kubernetes: " + what)
		}
	}
}
