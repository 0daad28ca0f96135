package diagnose

import (
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// symptoms are the verdicts that a state of the machine may stand behind: what it makes requests fail with, as the wire shows it.
var symptoms = map[fault.Cause][]fault.Cause{
	fault.CauseDescriptorsExhausted: {fault.CauseHeadTimeout, fault.CauseConnectTimeout, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseInternalError, fault.CauseConnectionLost},
	fault.CauseOwnLimit:             {fault.CauseHeadTimeout, fault.CauseConnectTimeout, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseInternalError},
	fault.CauseWorkersBusy:          {fault.CauseHeadTimeout, fault.CauseConnectTimeout, fault.CauseKernelConnectTimeout, fault.CauseSocketBacklogFull, fault.CauseTLSHandshakeTimeout, fault.CauseConnectionLost},
	fault.CausePortsExhausted:       {fault.CauseInternalError, fault.CauseConnectTimeout},
	fault.CauseOutOfMemory:          {fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseConnectionRefused, fault.CauseWorkerKilled, fault.CauseSocketMissing, fault.CauseHeadCut, fault.CauseBodyReset, fault.CauseBodyShort, fault.CauseChunksCut, fault.CauseDNSNXDomain, fault.CauseDNSNoData, fault.CauseHostUnreachable, fault.CauseConnectTimeout, fault.CauseNobodyAvailable},
	fault.CauseServiceFailed: {
		fault.CauseConnectionRefused, fault.CauseSocketMissing, fault.CauseDNSNXDomain, fault.CauseDNSNoData, fault.CauseHostUnreachable, fault.CauseConnectTimeout, fault.CauseClosedBeforeAnswer,
		fault.CauseResetBeforeAnswer, fault.CauseHeadTimeout, fault.CauseNobodyAvailable,
	},
	fault.CauseServiceStopped:      {fault.CauseConnectionRefused, fault.CauseDNSNXDomain, fault.CauseDNSNoData, fault.CauseHostUnreachable, fault.CauseConnectTimeout, fault.CauseNobodyAvailable},
	fault.CauseWorkerKilled:        {fault.CauseConnectionRefused, fault.CauseDNSNXDomain, fault.CauseDNSNoData, fault.CauseHostUnreachable, fault.CauseConnectTimeout, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseNobodyAvailable},
	fault.CauseDNSNXDomain:         {fault.CauseConnectTimeout, fault.CauseHostUnreachable, fault.CauseDNSError, fault.CauseNobodyAvailable},
	fault.CauseSocketPermission:    {fault.CauseConnectionRefused},
	fault.CauseQueueTimeout:        {fault.CauseNobodyAvailable, fault.CauseHeadTimeout},
	fault.CauseMaintenance:         {fault.CauseNobodyAvailable},
	fault.CauseDNSError:            {fault.CauseNobodyAvailable},
	fault.CauseConnectionRefused:   {fault.CauseNobodyAvailable, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer},
	fault.CauseHostUnreachable:     {fault.CauseNobodyAvailable},
	fault.CauseConnectTimeout:      {fault.CauseNobodyAvailable, fault.CauseConnectionLost},
	fault.CauseTLSHandshakeTimeout: {fault.CauseNobodyAvailable},
	fault.CauseTLSProtocolError:    {fault.CauseNobodyAvailable},
	fault.CauseHeadTimeout:         {fault.CauseNobodyAvailable},
}

// explains reports whether a state may be what a verdict is the symptom of. An answer that shows no cause may have any.
func explains(s *HereState, f *finding) bool {
	vague := f.cause == fault.CauseUnknown || f.cause == fault.CauseUpstreamStatus
	return vague || slices.Contains(symptoms[s.Cause], f.cause)
}

// byState lets what this machine says of itself prove the finding, or name the cause that it is a symptom of.
func (r *Report) byState(own, f *finding) *finding {
	if f == nil || own == nil || r.Here == nil {
		return f
	}
	for i := range r.Here.State {
		s := &r.Here.State[i]
		if s.Weak || !r.concerns(s, own, f) {
			continue
		}
		proof := "this machine says: " + s.Text
		switch {
		case s.Cause == f.cause:
			f.proof = append([]string{proof}, f.proof...)
			f.confidence = max(f.confidence, Likely)
			f.missing = nil
			if s.At == "" || f.walk.Target.label() != s.At {
				f.sentence += "; " + s.Text
			}
			return f
		case !explains(s, f):
			continue
		case r.answersStraight(s.At):
			f.proof = append([]string{proof}, f.proof...)
			f.sentence += "; " + s.Text
			return f
		}
		out := *f
		out.cause, out.kind, out.confidence, out.advice, out.missing = s.Cause, fault.TypeNone, max(f.confidence, Likely), nil, nil
		out.sentence = f.sentence + "; this machine says why: " + s.Text
		if s.Cause == fault.CauseWorkersBusy && strings.Contains(f.sentence, "accept queue is full") {
			out.sentence = f.sentence // the same in other words
		}
		if f.cause == fault.CauseUnknown || f.cause == fault.CauseUpstreamStatus || f.cause == fault.CauseNobodyAvailable {
			out.sentence = f.briefly(r) + s.Text
		}
		out.proof = append([]string{proof}, f.proof...)
		if s.At != "" {
			out.at = s.At
		}
		return &out
	}
	return f
}

// briefly is the beginning of a sentence that goes on with what this machine says.
func (f *finding) briefly(r *Report) string {
	w := f.walk
	if x := w.main(); x.answered() {
		return subjectHere(r, w) + " answers " + strconv.Itoa(x.Status) + ": "
	}
	return subjectHere(r, w) + " fails: "
}

// concerns reports whether a state is of the hop that the finding blames, or of what the gateway's own answer is about.
func (r *Report) concerns(s *HereState, own, f *finding) bool {
	return s.At == "" && f.walk == own.walk || s.At == f.walk.Target.label() || s.At != "" && f.walk == own.walk && f.answer != nil
}

// answersStraight reports whether the upstream, asked straight, answers well: then it is not as the gateway holds it to be.
func (r *Report) answersStraight(at string) bool {
	for _, w := range r.Upstreams {
		if x := w.main(); w.Target.label() == at && x.answered() && x.Status < 400 {
			return true
		}
	}
	return false
}

// stateNotes are the states that are in no proof.
func (r *Report) stateNotes(v *Verdict) (out []string) {
	if r.Here == nil {
		return nil
	}
	said := v.Sentence + "\n" + strings.Join(v.Proof, "\n")
	for i := range r.Here.State {
		if text := r.Here.State[i].Text; !strings.Contains(said, text) {
			out = append(out, text)
		}
	}
	return out
}
