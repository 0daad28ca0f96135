package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/words"
)

// notReady says of how many pods the requests get no answer, and why.
func notReady(f *facts, b *backend, base finding, live []podView) []finding {
	var bad []podView
	ready, here := 0, 0
	for _, v := range live {
		switch {
		case v.ready:
			ready, here = ready+1, here+1
		case v.leaving:
		default:
			here++
			if ready == 0 || !v.young {
				bad = append(bad, v)
			}
		}
	}
	if ready > 0 { // what has only just begun is no fault while others answer
		bad = slices.DeleteFunc(bad, func(v podView) bool { return v.young })
	}
	if len(bad) == 0 && ready > 0 {
		return nil
	}
	if here == 0 {
		base.cause, base.since, base.order = fault.CauseServiceStopped, live[0].since, atPods
		base.text = fmt.Sprintf("%s %s being deleted, and none has come in the place", ofAll(len(live), len(live), "pod"), isOrAre(len(live)))
		base.command = f.kubectl(b.namespace, "get pods -l "+word(selectorWords(b.service.Spec.Selector)))
		return []finding{base}
	}
	main := commonest(bad)
	base.order, base.cause, base.at = atPods, main.cause, main.label()
	base.since = main.since
	for _, v := range bad {
		if v.cause == main.cause && v.since.Before(base.since) {
			base.since = v.since
		}
	}
	base.text, base.why = fmt.Sprintf("%s %s not ready", ofAll(len(bad), here, "pod"), isOrAre(len(bad))), ": "+main.text
	if main.cause == fault.CauseServiceFailed && strings.Contains(main.text, "probe") {
		base.cause = fault.CauseNobodyAvailable
	}
	base.pattern = fmt.Sprintf("%d of %d pods", len(bad), here)
	if ready > 0 {
		base.reach = some
	}
	if main.young {
		base.confidence = diagnose.Possible
		base.advice = append(base.advice, "It may only need time: ask again in a minute.")
	}
	base.command = f.kubectl(b.namespace, "describe pod "+word(main.pod.Meta.Name))
	if main.logs != "" {
		again := ""
		if v := statusOf(main.pod.Status.Containers, main.logs); v != nil && v.Restarts > 0 {
			again = " --previous"
		}
		base.command = f.kubectl(b.namespace, "logs "+word(main.pod.Meta.Name)+" -c "+word(main.logs)+again)
	}
	base.proof, base.advice = append([]string{main.status()}, main.proof...), append(base.advice, main.advice...)
	if ready, whole := counts(b); b.slicesIs == found {
		base.proof = append(base.proof, fmt.Sprintf("its EndpointSlices have %d of %s ready", ready, addresses(whole)))
	}
	for _, v := range bad {
		if v.text != main.text && len(base.proof) < 6 {
			base.proof = append(base.proof, v.label()+": "+v.text)
		}
	}
	return []finding{base}
}

// commonest is the pod whose cause most of them have; of those one that has not just begun, with the most proof.
func commonest(bad []podView) podView {
	number := map[fault.Cause]int{}
	for _, v := range bad {
		number[v.cause]++
	}
	best := bad[0]
	for _, v := range bad[1:] {
		switch n, m := number[v.cause], number[best.cause]; {
		case best.young && !v.young, best.young == v.young && n > m, best.young == v.young && v.cause == best.cause && len(v.proof) > len(best.proof):
			best = v
		}
	}
	return best
}

// shaken is about pods that are ready now, and whose containers ended a moment ago.
func shaken(f *facts, b *backend, base finding, live []podView) []finding {
	var bad []podView
	for _, v := range live {
		if v.ready && v.shaken(f.now) {
			bad = append(bad, v)
		}
	}
	if len(bad) == 0 {
		return flapping(f, b, base, live)
	}
	v := bad[0]
	for _, other := range bad[1:] {
		if other.ended.Finished.After(v.ended.Finished) {
			v = other
		}
	}
	base.reach, base.order, base.confidence, base.at, base.cause = some, atPods, diagnose.Likely, v.label(), v.ended.cause()
	if base.cause == fault.CauseServiceStopped {
		base.cause = fault.CauseWorkerCrashed
	}
	base.pattern = fmt.Sprintf("sometimes, %d of %d pods", len(bad), len(live))
	base.text = fmt.Sprintf("container %s of %s %s %s ago and was started again (%s); %s touched, and all answer now", v.endedIn, v.label(), v.ended.words(), ago(f.now.Sub(v.ended.Finished)),
		words.Count(v.restarts, "restart"), ofAll(len(bad), len(live), "pod")+" "+isOrAre(len(bad)))
	if limit := v.pod.container(v.endedIn).Resources.Limits.Memory; v.ended.Reason == "OOMKilled" && limit != "" {
		base.text += "; its limit is " + limit
		base.advice = append(base.advice, "Raise resources.limits.memory, or have the program take less: what it was doing when it was killed was lost.")
	}
	base.command = f.kubectl(b.namespace, "logs "+word(v.pod.Meta.Name)+" -c "+word(v.endedIn)+" --previous")
	if e := v.alive; e != nil && (v.ended.Code == 137 || v.ended.Code == 143) && v.ended.Reason != "OOMKilled" {
		base.text += "; kubelet killed it since its liveness probe failed"
		base.proof = append(base.proof, eventWords(e))
	}
	v.lastWords(v.ended)
	base.proof = append(base.proof, v.proof...)
	return []finding{base}
}

// flapping is about pods that are ready now, and were not a moment ago, again and again.
func flapping(f *facts, b *backend, base finding, live []podView) []finding {
	var bad []podView
	for _, v := range live {
		if v.flaps != nil {
			bad = append(bad, v)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	v := bad[0]
	base.reach, base.order, base.confidence, base.cause, base.at = some, atPods, diagnose.Likely, fault.CauseNobodyAvailable, v.label()
	base.pattern = fmt.Sprintf("sometimes, %d of %d pods", len(bad), len(live))
	base.text = fmt.Sprintf("%s %s ready now, and %s not a moment ago: the readiness probe of %s failed %s, last %s ago: %s", ofAll(len(bad), len(live), "pod"), isOrAre(len(bad)),
		map[bool]string{true: "was", false: "were"}[len(bad) == 1], v.label(), times(v.flaps.times()), ago(f.now.Sub(v.flaps.at())), said(afterColon(v.flaps.Message)))
	base.command = f.kubectl(b.namespace, "describe pod "+word(v.pod.Meta.Name))
	base.proof = append(base.proof, v.status(), eventWords(v.flaps))
	return []finding{base}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
