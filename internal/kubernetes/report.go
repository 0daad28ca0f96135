package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/words"
)

// Defaults of a run.
const (
	DefaultTimeout = 5 * time.Second  // of one request to the API server
	DefaultBudget  = 20 * time.Second // of all of them
)

// Report is everything that a walk found, in the form of diagnose.Report as far as they have the same. docs/diagnose.md documents its JSON.
type Report struct {
	Schema     int              `json:"schema"` // diagnose.SchemaVersion
	URL        string           `json:"url"`    // the object, e.g. ingress/shop
	Began      time.Time        `json:"began"`
	Took       diagnose.Millis  `json:"took_ms"`
	Verdict    diagnose.Verdict `json:"verdict"`
	Kubernetes Seen             `json:"kubernetes"`
	Steps      []diagnose.Step  `json:"steps"`
	Sent       []string         `json:"sent"`
	Cut        bool             `json:"cut"` // a limit, or the time, kept something from being read
}

// Seen is what a walk saw of the cluster.
type Seen struct {
	Cluster   string   `json:"cluster"`
	Namespace string   `json:"namespace"`
	Object    string   `json:"object"`
	Links     []Link   `json:"links"`
	Pods      []Pod    `json:"pods"`
	Read      []string `json:"read"` // everything that was read
}

// Link leads from one object to the next.
type Link struct {
	From string        `json:"from"`
	To   string        `json:"to"`
	Mark diagnose.Mark `json:"mark"`
	Text string        `json:"text"`
}

// Pod is one pod of a Service.
type Pod struct {
	Service  string    `json:"service"`
	Name     string    `json:"name"`
	Ready    bool      `json:"ready"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	Text     string    `json:"text,omitempty"` // why it is not ready, or how its container ended last
}

// Options say what is walked.
type Options struct {
	Object Target
	Where  Where
	// Timeout bounds one request, Budget the run; 0 is the default of each.
	Timeout, Budget time.Duration
	Step            func(diagnose.Step) // is told of each row; nil tells nobody
}

// Run walks from the object to its containers, and judges what it saw. An error means that there is nothing to judge: no such object, no
// cluster, no right to read. It is a *ServerError with a hint where the cluster was asked.
func Run(ctx context.Context, o *Options) (*Report, error) {
	c, err := Open(o.Where, cmp.Or(o.Timeout, DefaultTimeout))
	if err != nil {
		return nil, err
	}
	return c.walk(ctx, o, net.DefaultResolver.LookupHost, time.Now())
}

// walk is Run with the cluster, the resolver and the time given.
func (c *Cluster) walk(ctx context.Context, o *Options, lookup func(context.Context, string) ([]string, error), now time.Time) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.Budget, DefaultBudget))
	defer cancel()
	began := time.Now()
	f := &facts{now: now, where: c.where, cluster: c.title(), target: o.Object, namespace: c.namespace}
	w := &walker{reader: &reader{cluster: c}, facts: f, lookup: lookup}
	if err := w.gather(ctx); err != nil {
		return nil, err
	}
	if w.first != nil {
		f.unread = append(f.unread, "the API server said: "+said(w.first.Error()))
	}
	r := &Report{
		Schema: diagnose.SchemaVersion, URL: o.Object.String(), Began: now, Verdict: judge(f), Steps: rows(f), Cut: w.cut || ctx.Err() != nil,
		Kubernetes: Seen{Cluster: f.cluster, Namespace: f.namespace, Object: o.Object.String(), Links: links(f), Pods: podsOf(f), Read: w.said},
		Sent:       []string{requests(w.reads) + " to the API server of " + f.cluster + ", by get and list alone"},
	}
	if c.runs != "" {
		r.Sent = append(r.Sent, "the credentials came from the program that the kubeconfig names: "+said(c.runs))
	}
	if r.Cut {
		r.Verdict.Notes = append(r.Verdict.Notes, "a limit, or the time, kept something from being read")
	}
	for _, s := range r.Steps {
		if o.Step != nil {
			o.Step(s)
		}
	}
	r.Took = diagnose.Millis(time.Since(began))
	return r, nil
}

func requests(n int) string { return words.Count(n, "request") }

// marked is the mark and the cause of what findings say of a row.
func marked(found []finding, at ...int) (diagnose.Mark, fault.Cause, string) {
	for _, f := range found {
		if slices.Contains(at, f.order) {
			mark := diagnose.Failed
			if f.reach == perhaps {
				mark = diagnose.Noted
			}
			return mark, f.cause, f.words()
		}
	}
	return diagnose.Passed, fault.CauseNone, ""
}

// rows are the walk as a person reads it.
func rows(f *facts) []diagnose.Step {
	out := []diagnose.Step{{Name: "cluster", Text: f.cluster + ", namespace " + f.namespace}}
	add := func(name, of, good string, found []finding, at ...int) {
		s := diagnose.Step{Name: name, Of: of, Text: good}
		if mark, cause, text := marked(found, at...); mark != diagnose.Passed {
			s.Mark, s.Cause, s.Text = mark, cause, text
		} else if name == "endpoints" && strings.HasPrefix(good, "0 of") {
			s.Mark = diagnose.Noted
		}
		out = append(out, s)
	}
	if f.class != nil {
		text := "none is named"
		if f.class.class != nil {
			text = f.class.name + ", of " + said(f.class.class.Spec.Controller)
		} else if f.class.name != "" {
			text = f.class.name
		}
		add("class", "", text, judgeClass(f), atClass)
	}
	if f.route != nil {
		add("httproute", "", f.target.String()+" for "+orWord(listed(append([]string(nil), f.route.Spec.Hostnames...), namesShown), "every host"), judgeRoute(f), atClass, atService)
	}
	for _, g := range f.gateways {
		add("gateway", g.ref.Name, "it has what the route names", judgeGateway(f, g), atClass)
	}
	for _, s := range f.secrets {
		text := "may not be read"
		if s.leaf != nil {
			text = "a certificate of " + names(s.leaf) + " until " + s.leaf.NotAfter.Format("2006-01-02")
		}
		add("tls", "secret/"+s.name, text, judgeSecret(f, s), atTLS)
		if s.state != found && s.state != missing {
			out[len(out)-1].Mark = diagnose.Left
		}
	}
	for _, b := range f.backends {
		rowsOf(f, b, add)
	}
	return out
}

func rowsOf(f *facts, b *backend, add func(name, of, good string, found []finding, at ...int)) {
	judged := judgeBackend(f, b)
	if b.service == nil {
		add("service", b.name, "was not read", judged, atService)
		return
	}
	add("service", b.name, serviceWords(b), judged, atService, atClass)
	if mark, _, _ := marked(judged, atService); mark == diagnose.Failed {
		return
	}
	ready, all := counts(b)
	add("endpoints", b.name, fmt.Sprintf("%d of %s ready", ready, addresses(all)), judged, atEndpoints)
	if len(b.pods) > 0 {
		add("pods", b.name, readyWords(b), judged, atPods)
		var ports []string
		for _, p := range b.wanted() {
			ports = append(ports, fmt.Sprintf("%d → %s", p.Port, p.target()))
		}
		add("ports", b.name, listed(ports, namesShown), judged, atPorts)
		if len(b.policies) > 0 {
			add("policy", b.name, words.Count(len(b.policies), "NetworkPolicy object")+" in the namespace", judged, atPolicy)
		}
	}
}

func serviceWords(b *backend) string {
	text := orWord(b.service.Spec.Type, "ClusterIP") + ", " + portWords(b.service)
	if n := b.service.Spec.ExternalName; n != "" {
		text = "ExternalName " + said(n)
	} else if len(b.service.Spec.Selector) > 0 {
		text += ", pods with " + said(selectorWords(b.service.Spec.Selector))
	}
	return text
}

// links are the way as a graph: what serves the target, the target's Services, and what is behind each.
func links(f *facts) (out []Link) {
	link := func(from, to, good string, found []finding, at ...int) {
		l := Link{From: from, To: to, Text: good}
		if mark, _, text := marked(found, at...); mark != diagnose.Passed {
			l.Mark, l.Text = mark, text
		}
		out = append(out, l)
	}
	if f.class != nil {
		link("ingressclass/"+cmp.Or(f.class.name, "none"), f.target.String(), "", judgeClass(f), atClass)
	}
	for _, g := range f.gateways {
		link("gateway/"+g.ref.Name, f.target.String(), "", append(judgeGateway(f, g), judgeRoute(f)...), atClass)
	}
	for _, s := range f.secrets {
		link("secret/"+s.name, f.target.String(), "", judgeSecret(f, s), atTLS)
	}
	for _, b := range f.backends {
		said := judgeBackend(f, b)
		if f.target.Kind != "service" {
			link(f.target.String(), b.label(), "", said, atService)
		}
		if b.service == nil || strings.HasPrefix(b.service.Spec.Type, "External") {
			continue
		}
		link(b.label(), "pods of "+b.name, readyWords(b), said, atEndpoints, atPods, atPorts, atPolicy)
	}
	return out
}

// podsShown bounds the list of pods.
const podsShown = 50

func podsOf(f *facts) []Pod {
	out := []Pod{}
	for _, b := range f.backends {
		if b.elsewhere != nil {
			b = b.elsewhere
		}
		for _, v := range b.pods {
			if len(out) == podsShown {
				return out
			}
			text := v.text
			if text == "" && v.ended != nil {
				text = fmt.Sprintf("container %s %s %s ago", v.endedIn, v.ended.words(), ago(f.now.Sub(v.ended.Finished)))
			}
			out = append(out, Pod{Service: b.name, Name: v.pod.Meta.Name, Ready: v.ready, Since: v.since, Restarts: v.restarts, Text: text})
		}
	}
	return out
}
