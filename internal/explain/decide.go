package explain

import (
	"cmp"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/redact"
)

// nearLeast is the share of a finding's faults, in percent, that another log's lines must have come with to decide for
// their cause.
const nearLeast = 60

// decide finds how sure a finding is, and lets other lines and patterns choose among its candidates.
func (g *engine) decide(s *Finding, f *finding) {
	s.Confidence = Certain
	if len(f.candidates) > 1 && !f.key.story.Certain() || s.Cause == fault.CauseUnknown {
		s.Confidence = Open
	}
	if s.Confidence == Certain && f.format.wordy { // its words say so, and words are said of other things as well
		s.Confidence = Likely
	}
	slices.SortStableFunc(f.near, func(a, b nearCount) int { return cmp.Compare(b.count, a.count) })
	for _, n := range f.near {
		if n.count*100 < f.count*nearLeast || !mayProve(n.cause, s.Cause, f.candidates) {
			continue
		}
		s.Confirmed = append(s.Confirmed, Confirmation{Cause: n.cause, Count: n.count, Of: f.count, Text: redact.Line(n.said), File: n.at.file.Name, Line: n.at.line, Near: n.by})
		if len(s.Confirmed) == 1 && (n.by != NearLines || !n.system && !f.format.wordy && mayDecide(n.cause, f.candidates)) { // the kernel's lines are put beside others by hand
			s.Cause, s.Confidence, s.decider = n.cause, Likely, &n
		}
	}
	if s.Confidence == Open && slices.Contains(f.candidates, fault.CauseWorkerTimeout) {
		if second, share := f.waits.top(); second >= 5 && share >= roundLeast {
			s.Cause, s.Confidence = fault.CauseWorkerTimeout, Likely
		}
	}
	if by := f.explainedBy(); by != nil && symptomOf(s.Cause) != symptomNone {
		s.SymptomOf, s.by = by.key.cause, by
	}
}

// mayDecide reports whether what was told beside a fault, by its place alone, is enough to decide.
func mayDecide(told fault.Cause, candidates []fault.Cause) bool {
	return told == fault.CauseRequestHeadTooLarge || slices.Contains(candidates, told)
}

// mayProve reports whether an application's or a system's line can be the reason for what a proxy saw.
func mayProve(told, seen fault.Cause, candidates []fault.Cause) bool {
	if slices.Contains(candidates, told) || told == seen {
		return true
	}
	if told == fault.CauseConnectionRefused || told == fault.CauseNobodyAvailable {
		return false
	}
	switch seen {
	case fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseUploadCut, fault.CauseHeadCut, fault.CauseBodyShort,
		fault.CauseChunksCut, fault.CauseBodyReset, fault.CauseUnknown, fault.CauseConnectionLost:
		return true
	case fault.CauseConnectionRefused, fault.CauseSocketMissing, fault.CauseNobodyAvailable:
		return told == fault.CauseServiceStopped || told == fault.CauseServiceFailed || told == fault.CauseOutOfMemory || told == fault.CauseWorkerKilled || told == fault.CauseWorkerCrashed
	case fault.CauseSocketBacklogFull, fault.CauseHeadTimeout, fault.CauseConnectTimeout:
		return told == fault.CauseWorkersBusy || told == fault.CauseWorkerTimeout
	case fault.CauseUpstreamStatus:
		return told == fault.CauseApplicationError || told == fault.CauseWorkerCrashed || told == fault.CauseWorkerTimeout
	}
	return false
}

// describe fills in the words: the catalogue's, and the product's own advice.
func (g *engine) describe(s *Finding, f *finding) {
	entry := s.Cause.Entry()
	s.Title, s.Family, s.Type = entry.Title, entry.Family, entry.Type
	v := f.verdict
	if s.Cause == f.key.cause {
		s.Type = v.Type
	} else {
		v = fault.Fault{Cause: s.Cause, Type: entry.Type, Stage: v.Stage}
	}
	e := f.evidence
	if len(s.Upstreams) != 1 {
		e.Endpoint, e.Addr = "", ""
	} else if e.Endpoint == "" {
		e.Endpoint = s.Upstreams[0].Name
	}
	facts := g.facts(s, f)
	if title := facts.Story.Title(); title != "" {
		s.Title = title
	}
	s.Sentence = facts.Story.Sentence(facts)
	if s.Sentence == "" {
		s.Sentence = strings.TrimSuffix(f.format.sentence(v, &e), ".")
	}
	for _, c := range f.candidates {
		if c != s.Cause || s.Confidence == Open {
			s.Candidates = append(s.Candidates, Candidate{c, c.Entry().Title, tellOf(c)})
		}
	}
	s.OfItself = f.requestless && facts.Story.Unlogged()
	s.Proof = entry.Proof
	if f.format.Product != "whygate" {
		s.Proof = advice.ForeignAll(s.Proof)
	}
	s.Advice = f.format.advise(facts)
	if s.Check = advice.Check(facts); s.Check == "" {
		s.Check = tellOf(s.Cause)
	}
	if beside := g.detailed[advice.FamilyOf(f.key.product)]; s.Confidence != Certain && s.decider == nil && !facts.Story.Unlogged() && (beside == nil || beside == f.format) {
		s.Better, s.Lacks = f.format.Better, f.format.Lacks
	}
}

// facts puts together what the lines of a finding show of what can be done about it.
func (g *engine) facts(s *Finding, f *finding) *advice.Facts {
	facts := &advice.Facts{
		Product: f.format.Product, Version: g.versions[advice.FamilyOf(f.key.product)], Cause: s.Cause, Text: f.raw, Module: f.module, Upstream: f.evidence.Endpoint,
		Waited: f.waits.typical(), Contained: f.contained, At: f.first,
	}
	if facts.Product == "nginx" {
		facts.Product = g.nginxKind()
	}
	if len(s.Upstreams) > 0 {
		facts.Upstream = s.Upstreams[0].Name
	}
	facts.Served = g.served[facts.Upstream] > 0
	if s.Cause == f.key.cause {
		facts.Story = f.key.story
	}
	if s.decider != nil {
		facts.Decider = s.decider.product
	}
	return facts
}

// nginxKind gives the product whose nginx it is, as the access logs beside its error log tell.
func (g *engine) nginxKind() string {
	for i, f := range g.formats[:min(len(g.formats), formatsMax)] {
		if (f.Product == "ingress-nginx" || f.Product == "kong") && g.kinds[i] != [KindNoise + 1]int64{} {
			return f.Product
		}
	}
	return "nginx"
}

// advise gives what to do. Where the cause is not known, it is to read what tells.
func (f *Format) advise(facts *advice.Facts) []string {
	if facts.Cause == fault.CauseUnknown && facts.Story == 0 {
		return []string{
			"Read the error log together with it, and the application's log: whygate explain access.log error.log app.log. Lines of one request are joined.",
			"Log who answered and how long each stage took: the format below has it.",
		}
	}
	return advice.Of(facts)
}

// sentence puts what was seen into words: in another program's log without the names of Whygate's own timers and stages.
func (f *Format) sentence(v fault.Fault, e *fault.Evidence) string {
	if f.Product == "whygate" {
		return v.Sentence(e)
	}
	return v.SentenceElsewhere(e)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
