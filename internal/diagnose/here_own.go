package diagnose

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// What the configuration of this machine's proxy itself decides.

// byConfig is the finding that the proxy's configuration explains alone: it answers by itself, or sends the request back to itself.
func (r *Report) byConfig(own *finding) *finding {
	if r.Here == nil || own == nil {
		return nil
	}
	if f := r.itself(own); f != nil {
		return f
	}
	return r.circle(own)
}

// itself: the configuration has the very answer.
func (r *Report) itself(own *finding) *finding {
	words := strings.Fields(r.Here.answer)
	if len(words) < 2 || words[0] != "return" {
		return nil
	}
	code, err := strconv.Atoi(words[1])
	if err != nil {
		return nil
	}
	f := *own
	f.confidence, f.kind, f.missing, f.advice = Certain, fault.TypeNone, nil, nil
	f.proof = append([]string{"its configuration says so: " + r.Here.answer}, own.proof...)
	x := own.answer
	switch {
	case code == 444 && x == nil && own.evidence != nil && own.evidence.Stage >= fault.Write && (own.evidence.End == fault.Closed || own.evidence.End == fault.Reset):
		f.cause, f.sentence = fault.CauseRequestDenied, fmt.Sprintf("%s at %s is told to end the connection without an answer (return 444)", r.Here.Proxy, r.Walk.Target.label())
	case x == nil || x.Status != code || code < 400:
		return nil
	case own.cause == fault.CauseMaintenance || own.cause == fault.CauseRateLimited || own.cause == fault.CauseRequestDenied:
		f.sentence = fmt.Sprintf("%s is told to answer %d by itself (%s)", subjectHere(r, r.Walk), code, r.Here.answer)
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
