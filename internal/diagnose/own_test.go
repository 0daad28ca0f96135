package diagnose

import (
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestConfigurationDecides: what the proxy is told to do explains its answer.
func TestConfigurationDecides(t *testing.T) {
	t.Parallel()
	answering := func(text string) *Here { return &Here{Proxy: "nginx", Answer: text} }
	closed := fault.Evidence{Stage: fault.FirstByte, End: fault.Closed, Sent: 100}
	itself := with(walkTo(gate, nginx(500, "500 Internal Server Error")), func(w *Walk) { w.Target.found = true })
	for name, c := range map[string]struct {
		r     *Report
		cause fault.Cause
		says  string
	}{
		"return 444":              {with2(report(walkTo(gate, broke(closed))), func(r *Report) { r.Here = answering("return 444") }), fault.CauseRequestDenied, "is told to end the connection"},
		"return 503":              {with2(report(walkTo(gate, nginx(503, "503 Service Temporarily Unavailable"))), func(r *Report) { r.Here = answering("return 503") }), fault.CauseMaintenance, "is told to answer 503"},
		"return 502":              {with2(report(walkTo(gate, nginx(502, "502 Bad Gateway"))), func(r *Report) { r.Here = answering("return 502") }), fault.CauseRouteBroken, "is told to answer 502"},
		"return 403":              {with2(report(walkTo(gate, nginx(403, "403 Forbidden"))), func(r *Report) { r.Here = answering("return 403") }), fault.CauseRequestDenied, "is told to answer 403"},
		"return 301 is no fault":  {with2(report(walkTo(gate, ok())), func(r *Report) { r.Here = answering("return 301 /x") }), fault.CauseNone, "answers 200"},
		"return 503 is not a 502": {with2(report(walkTo(gate, nginx(502, "502 Bad Gateway"))), func(r *Report) { r.Here = answering("return 503") }), fault.CauseUnknown, "does not show why"},
		"it sends to itself":      {with2(report(walkTo(gate, nginx(500, "500 Internal Server Error")), itself), func(r *Report) { r.Here = answering("") }), fault.CauseProxyLoop, "which is itself"},
		"its second site fails":   {with2(report(walkTo(gate, nginx(502, "502 Bad Gateway")), with(walkTo(gate, nginx(502, "502 Bad Gateway")), func(w *Walk) { w.Target.found = true })), func(r *Report) { r.Here = answering("") }), fault.CauseUnknown, "does not show why"},
		"HAProxy's return": {with2(report(walkTo(gate, answer(503, "closed"))), func(r *Report) {
			r.Here = answering("http-request return status 503 content-type text/plain string closed")
		}), fault.CauseMaintenance, "is told to answer 503"},
		"HAProxy's deny":           {with2(report(walkTo(gate, answer(403, "no"))), func(r *Report) { r.Here = answering("http-request deny if { path_beg /deny }") }), fault.CauseRequestDenied, "is told to answer 403"},
		"a PROXY header":           {with2(report(walkTo(gate, answer(400, "")), with(walkTo(up, ok()), func(w *Walk) { w.Target.proxied = true })), func(r *Report) { r.Here = answering("") }), fault.CauseProxyProtocolMismatch, "PROXY protocol"},
		"a PROXY header that fits": {with2(report(walkTo(gate, ok()), with(walkTo(up, ok()), func(w *Walk) { w.Target.proxied = true })), func(r *Report) { r.Here = answering("") }), fault.CauseNone, "answers 200"},
		"files are no such answer": {with2(report(walkTo(gate, nginx(403, "403 Forbidden"))), func(r *Report) { r.Here = answering("files, or another module than a proxy") }), fault.CauseRequestDenied, "forbids the request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if v := Judge(c.r); v.Cause != c.cause || !strings.Contains(v.Sentence, c.says) {
				t.Errorf("%v, want %v and %q: %s", v.Cause, c.cause, c.says, v.Sentence)
			}
		})
	}
}

// TestFirstSentenceNamesAll: the upstream, what failed there, the gateway, and of how many requests.
func TestFirstSentenceNamesAll(t *testing.T) {
	t.Parallel()
	w := walkTo(gate, nginx(502, "502 Bad Gateway"))
	w.Again = &Again{Exchanges: []*Exchange{ok(), nginx(502, "502 Bad Gateway"), ok()}}
	w.Again.judge(w.HTTP.Main)
	v := Judge(report(w, refusedAt(up), walkTo("10.0.0.8:8080", ok())))
	for _, part := range []string{up, "refused", "nginx answers 502 for it", "1 of 2 upstreams", "2 of 4 times"} {
		if !strings.Contains(v.Sentence, part) {
			t.Errorf("no %q in %q", part, v.Sentence)
		}
	}
}
