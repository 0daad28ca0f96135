package diagnose

import (
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestLogOutweighsTheWire: what the gateway's log says of the very request decides over what its answer looks like.
func TestLogOutweighsTheWire(t *testing.T) {
	t.Parallel()
	closed := fault.Evidence{Stage: fault.FirstByte, End: fault.Closed, Sent: 100}
	said := func(c fault.Cause, text string) *Here {
		return &Here{Proxy: "nginx", Request: []HereFinding{{Cause: c, Text: text, Line: "[crit] " + text}}}
	}
	const denied = `open() "/var/lib/nginx/proxy/1" failed (13: Permission denied)`
	for name, c := range map[string]struct {
		r     *Report
		cause fault.Cause
		at    string
		says  string
	}{
		"a page of nginx": {with2(report(walkTo(gate, nginx(500, "500 Internal Server Error"))), func(r *Report) { r.Here = said(fault.CauseRouteBroken, denied) }), fault.CauseRouteBroken, gate, "of this request in its log"},
		"a crash that is none": {with2(report(walkTo(gate, broke(closed))), func(r *Report) {
			r.Here = said(fault.CauseDescriptorsExhausted, "accept4() failed (24: Too many open files)")
		}), fault.CauseDescriptorsExhausted, gate, "Too many open files"},
		"an upstream that looks closed": {with2(report(walkTo(gate, nginx(502, "502 Bad Gateway")), walkTo(up, broke(closed))), func(r *Report) { r.Here = said(fault.CauseRouteBroken, denied) }), fault.CauseRouteBroken, gate, "without the log"},
		"an upstream that is closed":    {with2(report(walkTo(gate, nginx(502, "502 Bad Gateway")), walkTo(up, broke(closed))), func(r *Report) { r.Here = said(fault.CauseResetBeforeAnswer, "recv() failed (104)") }), fault.CauseClosedBeforeAnswer, up, "recv() failed (104)"},
		"an upstream that refuses":      {with2(report(walkTo(gate, nginx(502, "502 Bad Gateway")), refusedAt(up)), func(r *Report) { r.Here = said(fault.CauseConnectionRefused, "connect() failed (111)") }), fault.CauseConnectionRefused, up, "connect() failed (111)"},
		"clients that left":             {with2(report(walkTo(gate, nginx(502, "502 Bad Gateway"))), func(r *Report) { r.Here = said(fault.CauseClientLeft, "client closed connection") }), fault.CauseUnknown, gate, "does not show why"},
		"another request's trouble": {with2(report(walkTo(gate, answer(403, "no"))), func(r *Report) {
			r.Here = &Here{Proxy: "nginx", Request: []HereFinding{{Cause: fault.CauseDescriptorsExhausted, Text: "x", Line: "[crit] 7#7: accept4() failed (24: Too many open files)"}}}
		}), fault.CauseRequestDenied, gate, "forbids"},
		"a trouble at that time": {with2(report(walkTo(gate, broke(closed))), func(r *Report) {
			r.Here = &Here{Proxy: "nginx", Request: []HereFinding{{Cause: fault.CauseDescriptorsExhausted, Text: "x", Line: "[crit] 7#7: accept4() failed (24: Too many open files)"}}}
		}), fault.CauseDescriptorsExhausted, gate, "says at this time in its log: accept4() failed"},
		"nothing is wrong": {with2(report(walkTo(gate, ok())), func(r *Report) { r.Here = said(fault.CauseConnectionRefused, "connect() failed (111)") }), fault.CauseNone, gate, "answers 200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := Judge(c.r)
			if all := v.Sentence + "\n" + strings.Join(v.Proof, "\n"); v.Cause != c.cause || v.At != c.at || !strings.Contains(all, c.says) {
				t.Errorf("%v at %s, want %v at %s and %q:\n%s", v.Cause, v.At, c.cause, c.at, c.says, all)
			}
		})
	}
}

// TestNamelessLineIsLikely: a line that names no request was written at the time of ours, and proves no more than that.
func TestNamelessLineIsLikely(t *testing.T) {
	t.Parallel()
	const refused = "[Sun Nov 22 19:47:32.0 2026] [proxy:error] [pid 62:tid 92] (111)Connection refused: AH00957: http: attempt to connect to 127.0.0.1:9 (127.0.0.1:9) failed\n"
	const returned = "[Sun Nov 22 19:47:32.0 2026] [proxy:error] [pid 62:tid 92] [client 127.0.0.1:6] AH00898: Error reading from remote server returned by /a\n"
	for line, named := range map[string]bool{refused: false, returned: true} {
		r := report(walkTo(gate, answer(503, "<h1>Service Unavailable</h1>", "Server: Apache")))
		r.Here = &Here{Proxy: "apache", Request: []HereFinding{{Cause: fault.CauseConnectionRefused, Text: "x", Line: line, Nameless: !named}}}
		v := Judge(r)
		want, when := Likely, "at this time"
		if named {
			want, when = Certain, "of this request"
		}
		if v.Cause != fault.CauseConnectionRefused || v.Confidence != want || !strings.Contains(v.Sentence, when) {
			t.Errorf("%v, %v: %s", v.Cause, v.Confidence, v.Sentence)
		}
	}
}

// TestStateDecides: what the machine says of itself proves a verdict, or is the cause that it is a symptom of.
func TestStateDecides(t *testing.T) {
	t.Parallel()
	says := func(s HereState, r *Report) *Report {
		r.Here = &Here{Proxy: "haproxy", State: []HereState{s}}
		return r
	}
	silentUp := broke(silence)
	down := HereState{Cause: fault.CauseConnectionRefused, At: up, Text: "HAProxy's web/s1 has been DOWN for 35s: its check ends with L4CON (Connection refused)"}
	full := HereState{Cause: fault.CauseWorkersBusy, At: up, Text: "the accept queue of 10.0.0.7:8080 is full"}
	weak := down
	weak.Weak = true
	nofile := HereState{Cause: fault.CauseDescriptorsExhausted, Text: "nginx (process 8) has 1024 of its 1024 descriptors open"}
	for name, c := range map[string]struct {
		r     *Report
		cause fault.Cause
		says  string
	}{
		"a 503 of nobody":          {says(down, report(walkTo(gate, answer(503, "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n")))), fault.CauseConnectionRefused, "L4CON"},
		"an upstream that refuses": {says(down, report(walkTo(gate, nginx(502, "502 Bad Gateway")), refusedAt(up))), fault.CauseConnectionRefused, "refused"},
		"it answers straight":      {says(down, report(walkTo(gate, answer(503, "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n")), walkTo(up, ok()))), fault.CauseNobodyAvailable, "its health check or its address of them is wrong; HAProxy's web/s1 has been DOWN"},
		"a silent upstream":        {says(full, report(walkTo(gate, nginx(504, "504 Gateway Time-out")), walkTo(up, silentUp))), fault.CauseWorkersBusy, "accept queue"},
		"a silent gateway":         {says(nofile, report(walkTo(gate, broke(silence)))), fault.CauseDescriptorsExhausted, "1024 of its 1024"},
		"nothing is wrong":         {says(nofile, report(walkTo(gate, ok()))), fault.CauseNone, "answers 200"},
		"it is a note only":        {says(weak, report(walkTo(gate, nginx(502, "502 Bad Gateway")))), fault.CauseUnknown, "does not show why"},
		"it is of another matter":  {says(nofile, report(walkTo(gate, answer(403, "no")))), fault.CauseRequestDenied, "forbids"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := Judge(c.r)
			if v.Cause != c.cause || !strings.Contains(v.Sentence, c.says) {
				t.Errorf("%v, want %v and %q: %s\n%q", v.Cause, c.cause, c.says, v.Sentence, v.Proof)
			}
			if all := strings.Join(append(v.Proof, v.Notes...), "\n") + v.Sentence; !strings.Contains(all, c.r.Here.State[0].Text) {
				t.Errorf("what the machine says is lost:\n%s", all)
			}
		})
	}
}

// TestContainerDecides: a gateway's 502, an upstream's name that is gone, and the container that explains both.
func TestContainerDecides(t *testing.T) {
	t.Parallel()
	r := report(walkTo(gate, nginx(502, "502 Bad Gateway")), refusedAt(up))
	r.Here = &Here{Proxy: "nginx", State: []HereState{{Cause: fault.CauseOutOfMemory, At: up, Text: "container app exited with code 137, killed for want of memory (OOMKilled) 3m0s ago"}}}
	if v := Judge(r); v.Cause != fault.CauseOutOfMemory || !strings.Contains(v.Sentence, "container app exited with code 137") || v.At != up {
		t.Errorf("%v %s", v.Cause, v.Sentence)
	}
}

// TestHereShowsNoSecret of the configuration and of logs.
func TestHereShowsNoSecret(t *testing.T) {
	t.Parallel()
	h := &Here{
		Config: []ConfigPlace{{Text: `proxy_set_header Authorization "Basic hunter2"`}}, LogLines: []string{"GET /?t=hunter2"},
		Upstreams: []HereUpstream{{Text: "to http://me:hunter2@10.0.0.1"}}, Findings: []HereFinding{{Text: "/?t=hunter2"}}, Notes: []string{"http://me:hunter2@a"},
	}
	h.Redact()
	for _, text := range []string{h.Config[0].Text, h.LogLines[0], h.Upstreams[0].Text, h.Findings[0].Text, h.Notes[0]} {
		if strings.Contains(text, "hunter2") {
			t.Error(text)
		}
	}
}
