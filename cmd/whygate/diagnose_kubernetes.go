package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/kubernetes"
	"github.com/whygate/whygate/internal/term"
)

// clusterFlags are the flags of a walk in Kubernetes, with the names that kubectl gives them.
type clusterFlags struct {
	object string
	where  kubernetes.Where
}

func (c *clusterFlags) add(f *pflag.FlagSet) {
	f.StringVar(&c.object, "kubernetes", "", "walk from this object instead of a URL: ingress/NAME, httproute/NAME or service/NAME")
	f.StringVarP(&c.where.Namespace, "namespace", "n", "", "its namespace, where it is not the context's (with --kubernetes)")
	f.StringVar(&c.where.Context, "context", "", "the context of the kubeconfig, where it is not the current one (with --kubernetes)")
	f.StringVar(&c.where.Kubeconfig, "kubeconfig", "", "the kubeconfig, where it is not KUBECONFIG's or ~/.kube/config (with --kubernetes)")
}

// clusterToo are the flags that a walk in Kubernetes takes beside its own.
var clusterToo = []string{"kubernetes", "namespace", "context", "kubeconfig", "timeout", "budget", "json", "html", "watch", "every", "help"}

const clusterHint = "whygate diagnose --kubernetes ingress/shop -n web"

// check finds flags that do not go together, and an object that is none.
func (c *clusterFlags) check(cmd *cobra.Command, args []string) error {
	if c.object == "" {
		if cmd.Flags().Changed("kubernetes") {
			return withHint(errors.New("--kubernetes names no object"), clusterHint)
		}
		for _, name := range []string{"namespace", "context", "kubeconfig"} {
			if cmd.Flags().Changed(name) {
				return withHint(fmt.Errorf("--%s goes with --kubernetes alone", name), clusterHint)
			}
		}
		return nil
	}
	if len(args) > 0 {
		return withHint(fmt.Errorf("diagnose walks to a URL or in Kubernetes, and got %q beside --kubernetes", args[0]), clusterHint)
	}
	var other string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(clusterToo, f.Name) {
			other = f.Name
		}
	})
	if other != "" {
		return withHint(fmt.Errorf("--%s is about a URL, and does not go with --kubernetes", other), clusterHint)
	}
	if _, err := kubernetes.ParseTarget(c.object); err != nil {
		return withHint(fmt.Errorf("--kubernetes: %w", err), clusterHint)
	}
	return nil
}

// diagnoseCluster walks in Kubernetes.
func (w *world) diagnoseCluster(ctx context.Context, flags *diagnoseFlags) error {
	if err := flags.check(); err != nil {
		return err
	}
	target, err := kubernetes.ParseTarget(flags.cluster.object)
	if err != nil {
		return err
	}
	o := &kubernetes.Options{Object: target, Where: flags.cluster.where, Timeout: flags.timeout, Budget: flags.budget}
	if flags.watch {
		return w.watch(ctx, func() (*walked, error) {
			r, err := kubernetes.Run(ctx, o)
			if err != nil {
				return nil, clusterError(err)
			}
			return &walked{&r.Verdict, r.Began, r, func(file string) error { return writeClusterDiagnosis(file, r) }}, nil
		}, flags)
	}
	if flags.html != "" {
		if err := reportWritable(flags.html); err != nil {
			return err
		}
	}
	r, err := kubernetes.Run(ctx, o)
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted: what was not waited for is no verdict")
	case err != nil:
		return clusterError(err)
	}
	if flags.html != "" {
		if err := writeClusterDiagnosis(flags.html, r); err != nil {
			return err
		}
	}
	if flags.json {
		if err := printJSON(w.stdout, r); err != nil {
			return err
		}
	} else {
		w.printCluster(r)
		if flags.html != "" {
			fmt.Fprintln(w.stdout, "report: "+term.Clean(flags.html))
		}
	}
	if !r.Verdict.Healthy {
		return status(exitFault)
	}
	return nil
}

// printCluster writes a walk in Kubernetes to a terminal: the rows, then the verdict in its box.
func (w *world) printCluster(r *kubernetes.Report) {
	page := newDiagnosis(w.stdout)
	page.begin("--kubernetes " + r.URL + " -n " + r.Kubernetes.Namespace)
	for _, s := range r.Steps {
		page.step(s)
	}
	read := diagnose.Step{Name: "read", Text: strings.Join(r.Kubernetes.Read, "; ")}
	page.step(read)
	fmt.Fprintln(w.stdout)
	page.box(&r.Verdict, r.Verdict.Sentence)
	page.sent(r.Sent)
}

// clusterError says what to type where the cluster could not be asked.
func clusterError(err error) error {
	var server *kubernetes.ServerError
	if errors.As(err, &server) {
		return withHint(err, server.Hint)
	}
	return withHint(fmt.Errorf("--kubernetes: %w", err), "kubectl config get-contexts\n"+clusterHint+" --context NAME")
}
