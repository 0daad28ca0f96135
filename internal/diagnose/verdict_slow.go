package diagnose

import (
	"fmt"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// slowName is how long a look-up may take before it is a fault by itself: resolvers wait a second at least before they ask anew, and
// the next server.
const slowName = time.Second

// judgeSlowName: the name has its addresses, and each look-up takes seconds.
func judgeSlowName(w *Walk) *finding {
	n := w.Name
	if n == nil || n.Cause != fault.CauseNone || time.Duration(n.Took) < slowName || !w.main().answered() {
		return nil
	}
	f := &finding{
		cause: fault.CauseDNSTimeout, confidence: Possible,
		sentence: fmt.Sprintf("looking up %s takes %s, before anything is asked; %s itself answers %s", n.Host, mono.Words(time.Duration(n.Took)), w.Target.label(), answerWords(w.main())),
		missing:  []string{"whether it takes as long each time: dig +stats " + n.Host},
	}
	f.proof = append(f.proof, fmt.Sprintf("a program on this machine has the name's addresses after %s", mono.Words(time.Duration(n.Took))))
	for _, s := range n.Servers {
		if !s.A.Answered || !s.AAAA.Answered {
			f.confidence = Likely
			what := "at all"
			if s.A.Answered {
				what = "for AAAA (IPv6), and is asked for both"
			}
			f.sentence = fmt.Sprintf("looking up %s takes %s each time: the name server %s does not answer %s", n.Host, mono.Words(time.Duration(n.Took)), s.Server, what)
			f.proof = append(f.proof, s.Server+" says nothing "+what)
			f.advice = append(f.advice, "Take "+s.Server+" out of /etc/resolv.conf, or make it answer: each program waits for it first.")
			return f
		}
		if took := max(time.Duration(s.A.Took), time.Duration(s.AAAA.Took)); took >= slowName/2 {
			f.confidence = Likely
			f.proof = append(f.proof, fmt.Sprintf("%s answers after %s", s.Server, mono.Words(took)))
		}
	}
	return f
}
