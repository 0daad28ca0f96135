package kubernetes

import (
	"cmp"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
)

// reach is how many requests a broken link keeps from an answer.
type reach uint8

const (
	perhaps reach = iota // it may be another's, or only look so
	some                 // those of some pods, of some names, or by https alone
	all                  // all that take this link
)

// finding is one broken link.
type finding struct {
	reach      reach
	order      int // the link's place on the way
	cause      fault.Cause
	confidence diagnose.Confidence
	link       string // between which objects: "service/shop → pods"
	text       string // what is wrong with it, with the count
	since      time.Time
	why        string // goes behind the time, with its own separator
	command    string // shows it, or mends it
	at         string // the object to look at
	pattern    string // always; 2 of 3 pods
	proof      []string
	advice     []string
}

// Places on the way.
const (
	atClass = iota
	atTLS
	atService
	atEndpoints
	atPods
	atPorts
	atPolicy
)

// sentence says the link, its object, since when and how many, and what to type.
func (f *finding) sentence(now time.Time) string {
	is := " is broken: "
	switch f.reach {
	case some:
		is = " is broken in part: "
	case perhaps:
		is = " may be broken: "
	case all:
	}
	text := f.link + is + f.text + since(f.since, now) + f.why
	if f.command != "" {
		text += " (" + f.command + ")"
	}
	return text
}

// words are what is wrong, without the time.
func (f *finding) words() string { return f.text + f.why }

// broken lists every broken link of the facts, the one that matters most first: what keeps all requests from an answer before what keeps
// some, and of those the first on the way.
func broken(f *facts) []finding {
	var out []finding
	out = append(out, judgeClass(f)...)
	out = append(out, judgeRoute(f)...)
	for _, g := range f.gateways {
		out = append(out, judgeGateway(f, g)...)
	}
	for _, s := range f.secrets {
		out = append(out, judgeSecret(f, s)...)
	}
	if len(f.backends) == 0 && f.ingress != nil && len(f.notes) == 0 {
		out = append(out, finding{
			reach: all, order: atService, cause: fault.CauseNoRoute, confidence: diagnose.Certain, link: f.target.String() + " → service", at: f.target.String(), pattern: "always",
			text: "the Ingress has no rule with a backend, and no default backend", command: f.kubectl(f.namespace, "edit "+f.target.String()),
		})
	}
	for _, b := range f.backends {
		out = append(out, judgeBackend(f, b)...)
	}
	slices.SortStableFunc(out, func(a, b finding) int {
		return cmp.Or(cmp.Compare(b.reach, a.reach), cmp.Compare(a.order, b.order))
	})
	return out
}

// Limits of what the verdict says beside.
const besideMax = 6

// judge weighs the facts. It is pure.
func judge(f *facts) diagnose.Verdict {
	links := broken(f)
	v := diagnose.Verdict{
		Proof: []string{}, RuledOut: []string{}, Advice: []string{}, Missing: []string{}, Notes: []string{}, Config: []diagnose.ConfigPlace{},
		At: f.target.String(), Pattern: diagnose.Never.String(),
	}
	if f.class != nil && f.class.class != nil {
		v.Product = productOf(f.class.class.Spec.Controller)
	}
	v.Missing = append(v.Missing, f.unread...)
	v.RuledOut = append(v.RuledOut, inOrder(f)...)
	if len(links) == 0 {
		v.Healthy, v.Confidence, v.Title, v.Sentence = true, diagnose.Certain, "No fault", healthyWords(f)
		v.Notes = append(v.Notes, notes(f)...)
		if len(f.unread) > 0 {
			v.Confidence = diagnose.Likely
		}
		return v
	}
	first := links[0]
	entry := first.cause.Entry()
	v.Family, v.Cause, v.Title, v.Type = entry.Family, first.cause, entry.Title, entry.Type
	v.Confidence, v.Sentence, v.Pattern = first.confidence, first.sentence(f.now), first.pattern
	v.At = cmp.Or(first.at, v.At)
	v.Proof = append(v.Proof, first.proof...)
	if len(v.Proof) == 0 {
		v.Proof = append(v.Proof, "the API server says: "+first.words())
	}
	v.Advice = append(v.Advice, first.advice...)
	if first.command != "" {
		v.Advice = append(v.Advice, first.command)
	}
	for i, other := range links[1:] {
		if i == besideMax {
			break
		}
		if i == 0 && other.reach > perhaps {
			v.Sentence += "; beside it, " + other.link + ": " + other.words()
		}
		v.Notes = append(v.Notes, "beside it: "+other.sentence(f.now))
		v.Advice = append(v.Advice, other.advice[:min(len(other.advice), 1)]...)
	}
	v.Notes = append(v.Notes, notes(f)...)
	return v
}

// productOf is the product of a controller, for advice; empty where it is none that we know.
func productOf(controller string) string {
	switch controller {
	case "k8s.io/ingress-nginx", "nginx.org/ingress-controller":
		return "nginx"
	case "traefik.io/ingress-controller":
		return "traefik"
	case "haproxy.org/ingress-controller/haproxy", "haproxy-ingress.github.io/controller":
		return "haproxy"
	}
	return ""
}
