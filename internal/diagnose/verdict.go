package diagnose

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/phrase"
	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/words"
)

// finding is one fault at one hop, before it is weighed against others.
type finding struct {
	cause       fault.Cause
	kind        fault.Type // TypeNone is the cause's own
	confidence  Confidence
	sentence    string
	proof       []string
	ruled       []string
	advice      []string // what fits better than the catalogue's, and goes before it
	adviceAlone bool     // the catalogue's does not fit at all
	missing     []string // which further fact would tell more
	pattern     string
	walk        *Walk
	evidence    *fault.Evidence
	answer      *Exchange  // the answer that it was read from, nil where it was none
	tail        string     // goes behind the sentence, where that is made of the evidence
	at          string     // the hop that is to blame, where that is not the walk's target
	weak        bool       // it rests on words that are said of many things
	decided     bool       // who answered decided it before anybody behind was asked
	by          phrase.Who // whose words it rests on
}

// Judge weighs everything that a run found and names one root cause, where it allows that. It is pure: the same report gives
// the same verdict. What it looks at is the facts of the walks and of Here; Report.Verdict and Report.Steps are not read.
//
// The order is that of the path: a fault hides what comes after it, since nothing after it was reached or can be blamed. A
// gateway's answer is a symptom where one of its upstreams shows a fault straight, and a cause where none does.
func Judge(r *Report) Verdict {
	own := judgeWalk(r.Walk)
	var broken []*finding
	for _, w := range r.Upstreams {
		if f := judgeWalk(w); f != nil {
			broken = append(broken, f)
		}
	}
	f := r.byState(own, r.byLog(own, weigh(r, own, broken)))
	v := healthyOr(r, f)
	v.Notes = append(v.Notes, r.stateNotes(&v)...)
	return v
}

func healthyOr(r *Report, f *finding) Verdict {
	if f == nil {
		return healthy(r)
	}
	f.whatIsLeft(r)
	return f.verdict(r)
}

// whatIsLeft lowers the confidence of a silence that was not waited out, and says what would tell more.
func (f *finding) whatIsLeft(r *Report) {
	e := f.evidence
	if e == nil || e.End != fault.Timeout {
		return
	}
	switch x := f.walk.main(); {
	case r.Cut && (x == nil || x.cut):
		f.confidence = Possible
		f.missing = append(f.missing, "the same with more time: the budget ended before the answer came (--budget)")
	case e.Timer == fault.TimerHead && f.cause == fault.CauseHeadTimeout && e.After > 0 && f.answer == nil:
		f.missing = append(f.missing, fmt.Sprintf("whether an answer comes later than %s: --timeout 60s --budget 150s waits as long as most gateways do", mono.Words(e.After)))
	}
}

// weigh chooses between what the URL shows and what its upstreams show.
func weigh(r *Report, own *finding, broken []*finding) *finding {
	broken = slices.DeleteFunc(broken, func(f *finding) bool { return f.onlyStraight(own) })
	if f := r.byConfig(own); f != nil {
		return f
	}
	switch {
	case own == nil && len(broken) == 0:
		return nil
	case own == nil:
		f := surest(broken)
		f.pattern = hidden(r, broken)
		f.sentence += fmt.Sprintf("; %s hides it: %s %s", gatewayTitle(r), f.pattern, map[bool]string{true: "fails", false: "fail"}[len(broken) == 1])
		f.proof = append(f.proof, "the gateway hides it: "+answerWords(r.Walk.main()))
		return f
	case !r.askedUpstreams():
		return own.withHere(r)
	case own.answer == nil && (own.evidence == nil || own.evidence.Stage < fault.Write):
		return own // the gateway itself is not reached: what is behind it does not matter yet
	case own.policy() && !slices.ContainsFunc(broken, func(f *finding) bool { return f.cause == own.cause }):
		return own.atGateway(r, broken)
	case own.decided && len(broken) > 0:
		own.proof = append(own.proof, "that an upstream fails too is not the reason: "+surest(broken).sentence)
		return own
	case own.decided:
		return own.atGateway(r, broken)
	case len(broken) > 0:
		return blame(r, own, broken)
	}
	return differ(r, own)
}

// onlyStraight reports whether an upstream's fault is about us asking it straight, and explains nothing of what the gateway, which
// asks in its own way, meets: it may be the only one to be let in, have the certificate, or trust the upstream's.
func (f *finding) onlyStraight(own *finding) bool {
	if own != nil && own.cause == f.cause {
		return false
	}
	if own != nil && own.answer != nil && own.answer.Status < 500 {
		return false
	}
	switch {
	case f.answer != nil && f.answer.Status < 500 && f.cause != fault.CausePlainToTLSPort && f.cause != fault.CauseTLSClientCertificateRequired:
		return true
	case own == nil && !f.walk.Target.found && f.schemeOnly():
		return true // it was named with a scheme that is not its own, and the gateway knows better
	case own == nil:
		return f.evidence != nil && f.evidence.End == fault.Untrusted || f.cause == fault.CauseTLSClientCertificateRequired || f.cause == fault.CauseContentFilter
	}
	return false
}

// schemeOnly reports whether a finding is that a port was spoken to by TLS that is none of TLS, or the other way round.
func (f *finding) schemeOnly() bool {
	return f.cause == fault.CauseTLSToPlainPort || f.cause == fault.CausePlainToTLSPort
}

// schemeNote says of an upstream that was named with another scheme than it speaks, and of no fault, how to name it.
func (r *Report) schemeNote(w *Walk) string {
	f := judgeWalk(w)
	if f == nil || w.Target.found || !f.schemeOnly() || judgeWalk(r.Walk) != nil {
		return ""
	}
	other := w.Target
	other.as(!other.Secure)
	return fmt.Sprintf("%s was asked by %s, as it was named, and speaks %s: name it --upstream %s://%s", w.Target.label(), w.Target.scheme(), other.scheme(), other.scheme(), w.Target.label())
}

// askedUpstreams reports whether any upstream was walked as far as it could be.
func (r *Report) askedUpstreams() bool {
	return slices.ContainsFunc(r.Upstreams, func(w *Walk) bool { return w.HTTP != nil || w.goodPath() == nil || w.Speaks != nil })
}

// policy reports whether the answer is one that somebody decided on, and no failure.
func (f *finding) policy() bool {
	switch f.cause {
	case fault.CauseRateLimited, fault.CauseContentFilter, fault.CauseRedirectLoop, fault.CauseRequestDenied, fault.CauseMaintenance, fault.CausePlainToTLSPort,
		fault.CauseTLSClientCertificateRequired:
		return f.answer != nil
	}
	return false
}

// atGateway is a decision of the gateway itself: straight, no upstream shows it.
func (f *finding) atGateway(r *Report, broken []*finding) *finding {
	if w := f.schemeUnknown(r); w != nil {
		return f
	}
	if len(broken) == 0 && r.Upstreams[0].main().answered() {
		f.proof = append(f.proof, "straight to the upstream it does not happen: "+answerWords(r.Upstreams[0].main()))
		f.confidence = max(f.confidence, Likely)
	}
	return f
}

// schemeUnknown explains a circle that an upstream makes: asked in clear, as a gateway that ends TLS asks it, it redirects to the
// https URL that the client had asked already. It gives that upstream, nil if there is none.
func (f *finding) schemeUnknown(r *Report) *Walk {
	if f.cause != fault.CauseRedirectLoop || !r.Walk.Target.Secure {
		return nil
	}
	for _, w := range r.Upstreams {
		x := w.main()
		if !x.answered() || !isRedirect(x) || w.Target.Secure {
			continue
		}
		to, err := locate(&url.URL{}, x.field("Location"))
		if err != nil || to.Scheme != "https" || !strings.EqualFold(to.Host, w.Target.Authority) {
			continue
		}
		f.sentence = fmt.Sprintf("the answer redirects in a circle: %s is not told that the client speaks https, and sends it to https again", w.Target.label())
		f.proof = append(f.proof, fmt.Sprintf("straight to %s: %d with Location: %s", w.Target.label(), x.Status, redact.URL(x.field("Location"))))
		f.advice = append(f.advice, "Let the gateway say X-Forwarded-Proto: https (nginx: proxy_set_header X-Forwarded-Proto $scheme), and the application trust it.")
		return w
	}
	return nil
}

// surest is the finding that is proven best: of a chain, whose links before the broken one only pass on that something failed, that one.
func surest(broken []*finding) *finding {
	root := broken[0]
	for _, f := range broken[1:] {
		if f.confidence > root.confidence {
			root = f
		}
	}
	return root
}

// blame names the upstream's fault as the root of what the gateway shows.
func blame(r *Report, own *finding, broken []*finding) *finding {
	root := surest(broken)
	all := len(broken) == len(r.Upstreams)
	if all && len(broken) > 1 && same(broken) {
		root.proof = append(root.proof, fmt.Sprintf("all %d upstreams fail alike", len(broken)))
	}
	if !all {
		root.pattern = fmt.Sprintf("%d of %d upstreams", len(broken), len(r.Upstreams))
		root.ruled = append(root.ruled, healthyUpstreams(r, broken)...)
	}
	if root.schemeOnly() && !root.walk.Target.found {
		root.confidence = Likely
		root.missing = append(root.missing, fmt.Sprintf("whether the gateway speaks to it by %s, as --upstream has it: its configuration says so (--here)", root.walk.Target.scheme()))
	}
	if x := own.answer; x != nil {
		maker := "the gateway"
		if m := r.maker(); m != "" {
			maker = m
		}
		text := fmt.Sprintf("%s answers %d for it", maker, x.Status)
		if x.Status < 500 {
			text = fmt.Sprintf("%s passes it on as %d", maker, x.Status)
		}
		root.proof = append(root.proof, text)
		root.sentence += "; " + text
		if !all {
			root.sentence += ", " + root.pattern
		}
		if a := r.Walk.Again; a != nil && a.Failed > 0 && a.Asked > 1 {
			root.sentence += fmt.Sprintf(", %d of %d times", a.Failed, a.Asked)
		}
	} else {
		root.proof = append(root.proof, "through the gateway: "+own.sentence)
	}
	return root
}

func same(broken []*finding) bool {
	for _, f := range broken {
		if f.cause != broken[0].cause {
			return false
		}
	}
	return true
}

// gatewayTitle is the gateway's name with its address.
func gatewayTitle(r *Report) string {
	if t := title(r); t != "the gateway" {
		return t + " at " + r.Walk.Target.label()
	}
	return r.Walk.Target.label()
}

// hidden says how many upstreams fail behind a gateway that answers well.
func hidden(r *Report, broken []*finding) string {
	return fmt.Sprintf("%d of %d upstreams", len(broken), len(r.Upstreams))
}

func healthyUpstreams(r *Report, broken []*finding) (out []string) {
	for _, w := range r.Upstreams {
		if !slices.ContainsFunc(broken, func(f *finding) bool { return f.walk == w }) {
			out = append(out, "upstream "+w.Target.label()+": "+answerWords(w.main()))
		}
	}
	return out
}

// answerWords says an answer in a few words.
func answerWords(x *Exchange) string {
	if !x.answered() {
		return "not asked"
	}
	return fmt.Sprintf("%d in %s", x.Status, mono.Words(time.Duration(x.FirstByte)))
}

// withHere lets what a log says outright decide where the answer alone does not tell.
func (f *finding) withHere(r *Report) *finding {
	if r.Here == nil || len(r.Here.Findings) == 0 || f.cause != fault.CauseUnknown {
		return f
	}
	said := r.Here.Findings[0]
	f.cause, f.kind, f.confidence = said.Cause, fault.TypeNone, Likely
	f.proof = append(f.proof, "the log says: "+said.Text)
	f.missing = nil
	if f.answer != nil && said.Cause != fault.CauseUnknown {
		f.sentence = fmt.Sprintf("%s answers %d, and its log says: %s", subjectHere(r, f.walk), f.answer.Status, said.Text)
	}
	return f
}

// verdict is the finding in the form of the report.
func (f *finding) verdict(r *Report) Verdict {
	entry := f.cause.Entry()
	v := Verdict{
		Family: entry.Family, Cause: f.cause, Title: entry.Title, Type: f.kind, Confidence: f.confidence, Sentence: f.sentence,
		Proof: nonNil(f.proof), RuledOut: nonNil(f.ruled), Advice: nonNil(f.advice), Missing: nonNil(f.missing), Notes: nonNil(notes(r, f.answer)),
		At: f.walk.Target.label(), Pattern: f.pattern, Product: r.product(), Config: []ConfigPlace{},
		alone: f.adviceAlone && len(f.advice) > 0,
	}
	if n := f.counted(); n != "" && !strings.Contains(v.Sentence, n) {
		v.Sentence += ", " + n
	}
	if f.at != "" {
		v.At = f.at
	}
	if v.Type == fault.TypeNone {
		v.Type = entry.Type
	}
	if f.cause == fault.CauseUnknown {
		v.Type = fault.TypeNone // the proxy's own internal error is not what is meant
	}
	if f.walk.Target.Place != nil {
		v.Config = append(v.Config, *f.walk.Target.Place)
	}
	if r.Here != nil {
		for i, c := range r.Here.Config {
			if !slices.Contains(v.Config, c) && (i == 0 || broughtBy(f.cause, c.Text)) {
				v.Config = append(v.Config, c)
			}
		}
	}
	return v
}

// counted says of how many requests it failed, empty where one was made: 3 of 8 times.
func (f *finding) counted() string {
	a := f.walk.Again
	if f.walk.Target.Upstream || a == nil || a.Asked < 2 || a.Failed == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d times", a.Failed, a.Asked)
}

// healthy is the verdict when nothing is wrong: it says what was tried.
func healthy(r *Report) Verdict {
	v := Verdict{Healthy: true, Confidence: Certain, Title: "No fault", Pattern: Never.String(), Proof: []string{}, RuledOut: nonNil(passed(r.Walk, fault.Done)), Advice: []string{}, Missing: []string{}, Notes: nonNil(notes(r, nil)), Config: []ConfigPlace{}}
	x := r.Walk.main()
	if x == nil {
		v.Sentence = r.Walk.Target.label() + " can be connected to; nothing was asked"
		return v
	}
	v.At = r.Walk.Target.label()
	v.Sentence = fmt.Sprintf("%s answers %d in %s", r.Walk.Target.label(), x.Status, mono.Words(time.Duration(x.FirstByte)))
	if a := r.Walk.Again; a != nil && a.Asked > 1 {
		v.Sentence += fmt.Sprintf(", %d of %d times", a.Asked, a.Asked)
		v.Notes = append(v.Notes, a.excludes())
	}
	for _, w := range r.Upstreams {
		v.RuledOut = append(v.RuledOut, "upstream "+w.Target.label()+": "+answerWords(w.main()))
	}
	return v
}

// notes are what is no fault, and worth knowing: of the answer that is to blame, where one is, the verdict says enough.
func notes(r *Report, blamed *Exchange) (out []string) {
	for _, w := range append([]*Walk{r.Walk}, r.Upstreams...) {
		out = append(out, notesOf(w, blamed)...)
	}
	for _, w := range r.Upstreams {
		if text := r.schemeNote(w); text != "" {
			out = append(out, text)
		}
	}
	if h := r.Walk.HTTP; h != nil && h.NotFollowed != nil {
		out = append(out, fmt.Sprintf("the redirect to %s was not followed: %s (%s)", h.NotFollowed.URL, h.NotFollowed.Why, h.NotFollowed.Address))
	}
	if r.Here != nil {
		out = append(out, r.Here.Notes...)
	}
	if r.Cut {
		out = append(out, "the time was up before every probe had been made: --budget gives more")
	}
	return out
}

func notesOf(w *Walk, blamed *Exchange) (out []string) {
	of := ""
	if w.Target.Upstream {
		of = w.Target.label() + ": "
	}
	if w.onlyMissingFamily() {
		out = append(out, of+"the IPv6 address was not tried: this machine has no route for IPv6")
	}
	if n := w.Name; n != nil && n.Cause == fault.CauseNone {
		if words := n.wildcardWords(); words != "" {
			out = append(out, of+words)
		}
		if n.Disagree {
			out = append(out, of+"the name servers do not agree on "+n.Host)
		}
		if n.HostsDiffer {
			out = append(out, of+"the hosts file has "+words.List(n.HostsFile, 2)+" for "+n.Host+", and DNS other addresses")
		}
	}
	if t := w.TLS; t != nil && t.Completed {
		if t.Trusted && t.DaysLeft < expirySoon {
			out = append(out, of+fmt.Sprintf("the certificate ends in %d days", t.DaysLeft))
		}
		if t.Disorder != "" {
			out = append(out, of+t.Disorder)
		}
		if t.NoSNI != nil && (!t.NoSNI.OK || t.NoSNI.Other) {
			out = append(out, of+"without SNI it "+map[bool]string{true: "shows another certificate", false: "refuses the handshake"}[t.NoSNI.OK]+": a gateway must send the name (nginx: proxy_ssl_server_name on)")
		}
	}
	x := w.main()
	if !x.answered() {
		return out
	}
	if other, proof, _ := x.otherSite(siteAsked(w)); other != "" && x.Status < 300 {
		out = append(out, of+"the page belongs to "+other+" by its own words: "+proof)
	}
	if text := lossNote(w); text != "" {
		out = append(out, of+text)
	}
	if w.Again.hangsUp(x) {
		out = append(out, of+"it closes each connection after its answer and does not say so (no Connection: close): a gateway that keeps connections loses requests to it, POSTs among them (whygate cause keepalive-race)")
	}
	if l := passedLimit(x); l != nil {
		out = append(out, of+fmt.Sprintf("the response head has %d bytes, more than the %d KiB of %s", x.HeadSize, l.Octets>>10, l.Of))
	}
	if x.Status >= 400 && x.Status < 500 && x != blamed {
		out = append(out, of+refusedBy(x))
	}
	if w.HTTP.H2 != nil {
		out = append(out, h2Notes(of, w)...)
	}
	return out
}

// passedLimit gives the largest limit of other proxies that the head passes, nil if it passes none.
func passedLimit(x *Exchange) *Limit {
	var last *Limit
	for i := range headLimits {
		if x.HeadSize > headLimits[i].Octets {
			last = &headLimits[i]
		}
	}
	return last
}

// maker is the title of who made the answer, empty where that is not known.
func (r *Report) maker() string {
	if n := len(r.SaidBy); n > 0 && r.SaidBy[n-1].Own {
		return r.SaidBy[n-1].Title
	}
	return ""
}

// product is the stack that advice is for: who listens here, else who made or passed on the answer.
func (r *Report) product() string {
	if r.Here != nil && r.Here.Proxy != "" {
		return r.Here.Proxy
	}
	if n := len(r.SaidBy); n > 0 {
		return r.SaidBy[n-1].Product
	}
	return ""
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
