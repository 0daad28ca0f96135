package diagnose

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// What the configuration of this machine's proxy itself decides.

// byConfig is the finding that the proxy's configuration explains alone: it answers by itself, or sends the request back to itself.
func (r *Report) byConfig(own *finding) *finding {
	switch f := r.proxyHeader(); {
	case r.Here == nil:
		return nil
	case f != nil:
		return f
	case own == nil:
		return nil
	}
	if f := r.itself(own); f != nil {
		return f
	}
	return r.circle(own)
}

// proxyHeader: the gateway begins its connections to an upstream with a header of the PROXY protocol, and that answers well without one.
func (r *Report) proxyHeader() *finding {
	x := r.Walk.main()
	if !x.answered() || x.Status != 400 && x.Status < 500 {
		return nil
	}
	for _, w := range r.Upstreams {
		up := w.main()
		if !w.Target.proxied || !up.answered() || up.Status >= 400 {
			continue
		}
		f := &finding{
			cause: fault.CauseProxyProtocolMismatch, confidence: Likely, evidence: up.Evidence, answer: x,
			sentence: fmt.Sprintf("%s sends a header of the PROXY protocol to %s, which answers well without one and does not know it; it answers %d for it", hereTitle(r.Here.Proxy), w.Target.label(), x.Status),
			proof:    []string{fmt.Sprintf("straight and without the header: %s", answerWords(up)), fmt.Sprintf("through the gateway: %d", x.Status)},
		}
		f.finish(w)
		return f
	}
	return nil
}

// answerCode finds the status that a rule answers with.
var answerCode = regexp.MustCompile(`\b(?:return|respond|status|deny_status|redirect)\s+"?([1-5]\d\d)\b`)

// codeOf is the status that the configuration's own answer has, 0 where it has none.
func codeOf(answer string) int {
	if m := answerCode.FindStringSubmatch(answer); m != nil {
		code, _ := strconv.Atoi(m[1])
		return code
	}
	if strings.HasPrefix(answer, "http-request deny") {
		return 403
	}
	return 0
}

// itself: the configuration has the very answer.
func (r *Report) itself(own *finding) *finding {
	code := codeOf(r.Here.Answer)
	if code == 0 {
		return nil
	}
	f := *own
	f.confidence, f.kind, f.missing, f.advice = Certain, fault.TypeNone, nil, nil
	f.proof = append([]string{"its configuration says so: " + r.Here.Answer}, own.proof...)
	x := own.answer
	switch {
	case code == 444 && x == nil && own.evidence != nil && own.evidence.Stage >= fault.Write && (own.evidence.End == fault.Closed || own.evidence.End == fault.Reset):
		f.cause, f.sentence = fault.CauseRequestDenied, fmt.Sprintf("%s at %s is told to end the connection without an answer (return 444)", hereTitle(r.Here.Proxy), r.Walk.Target.label())
	case x == nil || x.Status != code || code < 400:
		return nil
	case own.cause == fault.CauseMaintenance || own.cause == fault.CauseRateLimited || own.cause == fault.CauseRequestDenied:
		f.sentence = fmt.Sprintf("%s is told to answer %d by itself (%s)", subjectHere(r, r.Walk), code, r.Here.Answer)
	case code == 503:
		f.cause, f.sentence = fault.CauseMaintenance, subjectHere(r, r.Walk)+" is told to answer 503 by itself, and asks nobody: somebody switched it off"
	default:
		f.cause, f.sentence = fault.CauseRouteBroken, fmt.Sprintf("%s is told to answer %d by itself, and asks nobody", subjectHere(r, r.Walk), code)
	}
	return &f
}

// circle: an upstream that the configuration names is the proxy's own address. What ends such a circle is a limit of the proxy's, which
// it answers with 500; another status may come from what stands behind a second site of the same proxy.
func (r *Report) circle(own *finding) *finding {
	if own.answer == nil || own.answer.Status != 500 || len(r.Walk.Path) == 0 {
		return nil
	}
	for _, w := range r.Upstreams {
		if !w.Target.found || len(w.Path) == 0 || w.Path[0].Address != r.Walk.Path[0].Address {
			continue
		}
		f := *own
		f.cause, f.kind, f.confidence, f.missing, f.advice = fault.CauseProxyLoop, fault.TypeNone, Likely, nil, nil
		f.sentence = fmt.Sprintf("%s sends the request to %s, which is itself: it goes round until a limit ends it", subjectHere(r, r.Walk), w.Target.label())
		f.proof = append([]string{"its configuration has its own address as the upstream: " + w.Target.label()}, own.proof...)
		return &f
	}
	return nil
}
