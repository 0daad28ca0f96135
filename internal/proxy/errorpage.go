package proxy

import (
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/telemetry"
	"github.com/whygate/whygate/internal/upstream"
)

// ErrorPage is a page of one's own for answers that tell of an error.
type ErrorPage struct {
	Status   []StatusRange
	Body     []byte
	Type     string // of the body
	Upstream bool   // it also stands in for what an endpoint answers with
}

// errorPage is the route's page for a status, nil for none.
func (s *serving) errorPage(status int, ofUpstream bool) *ErrorPage {
	if s.route == nil {
		return nil
	}
	for i := range s.route.ErrorPages {
		p := &s.route.ErrorPages[i]
		for _, r := range p.Status {
			if status >= r.From && status <= r.To && (p.Upstream || !ofUpstream) {
				return p
			}
		}
	}
	return nil
}

// replaces answers with a page of the route's in the place of the endpoint's answer, where there is one for it. What the endpoint
// answered still counts as its answer.
func (s *serving) replaces(a *upstream.Attempt) bool {
	status := s.response.Status
	if len(s.route.ErrorPages) == 0 || status < 400 {
		return false
	}
	p := s.errorPage(status, true)
	if p == nil {
		return false
	}
	s.stopUpload(a)
	s.settle(outcome{attempt: a})
	s.now = mono.Now()
	s.beginOwn(status, int64(len(p.Body)))
	s.record.By = telemetry.ByOrigin
	s.extra.AppendKnown(httpmsg.ContentType, []byte(p.Type))
	for _, name := range keptOfErrors {
		if v, ok := s.response.Fields.Lookup(name); ok && !edited(s.route.SetResponse, []byte(name)) {
			s.extra.Append(name, v, httpmsg.Other)
		}
	}
	if status >= 500 {
		if s.snap.Disclosure != fault.DisclosureOff {
			s.extra.AppendKnown(httpmsg.ProxyStatus, fault.AppendReceivedStatus(nil, s.snap.Name, status, &a.Evidence, s.snap.Disclosure))
		}
		s.record.Saved = false
		s.record.Fault = fault.Fault{Cause: fault.CauseUpstreamStatus, Stage: fault.Done}
		s.record.Evidence = &a.Evidence
	}
	s.endOwn(p.Body)
	a.Drop() // with the rest of its answer
	return true
}
