//go:build linux

package gateway_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
)

// row is one failure mode, and what is to become of it.
type row struct {
	covers   string // its row in the fault taxonomy, and more words where a table has several of one
	upstream behaviour
	endpoint string // where there is no upstream of ours
	pool     string // further keys of the pool, as in a YAML flow mapping
	warm     bool   // a good exchange goes first, so that the connection is one used before
	request  request
	want     want
}

// want is what a client, the log and the operator must be told.
type want struct {
	status   int
	typ      string // RFC 9209's error type, empty where there is no error of the gateway's
	cause    string // empty where there is no fault
	attempts string // as line.attempts
	cut      error  // how a client that had the head sees that the body is broken: short or reset
	saved    bool   // a retry saved the request
	noted    bool   // the answer is the upstream's and complete, the fault only in the log
	body     string // what the client must get of the body, at its front
	interim  int    // how many interim answers come first
	params   map[string]any
	evidence map[string]any // as in the incident's JSON; a.b is b of the object a
}

// How a body that broke looks to the client. One with a length or chunks ends too early; one that ends with the connection
// can only be reset, for anything else would be its end.
var (
	short = io.ErrUnexpectedEOF
	reset = error(syscall.ECONNRESET)
)

// run runs the rows of a table side by side on one gateway.
func run(t *testing.T, head string, rows []row) {
	t.Helper()
	routes := map[string]route{}
	ups := make([]*upstream, len(rows))
	for i, r := range rows {
		endpoint := r.endpoint
		if r.upstream != nil {
			ups[i] = listen(t, r.upstream)
			endpoint += ups[i].address
			if !strings.Contains(endpoint, "://") {
				endpoint = "http://" + endpoint
			}
		}
		routes[fmt.Sprintf("row%d", i)] = route{endpoints: []string{endpoint}, pool: r.pool}
	}
	g := start(t, head, routes)
	for i, r := range rows {
		t.Run(r.covers, func(t *testing.T) {
			t.Parallel()
			r.request.path, r.request.id = fmt.Sprintf("/row%d", i), fmt.Sprintf("id-%d", i)
			r.check(t, g, ups[i])
		})
	}
}

func (r *row) check(t *testing.T, g *gate, u *upstream) {
	c := dial(t, g.address())
	if r.warm {
		if a := c.ask(t, request{path: r.request.path, id: "warm"}); a.status != http.StatusOK {
			t.Fatalf("the exchange before the one under test was answered %d %v", a.status, a.err)
		}
		<-time.After(300 * time.Millisecond) // until the connection is one that every request may be given to
	}
	a := c.ask(t, r.request)
	r.want.answered(t, a)
	l := g.lines.await(t, r.request.id)
	r.want.logged(t, g, l)
	if a.status != 0 && r.want.cause != "" && r.want.cut == nil && !r.want.saved && !r.want.noted && r.request.method != "HEAD" &&
		!strings.Contains(string(a.body), l.Fault.Incident) {
		t.Errorf("the answer does not show the incident's id %s: %s", l.Fault.Incident, a.body)
	}
	if u != nil {
		once(t, u, r.request, l)
	}
	switch {
	case a.err != nil || a.close:
		c.ended(t)
		g.healthy(t, nil)
	default:
		g.healthy(t, c)
	}
}

// once wants the upstream to have been asked as often as the log says, and never twice where that could do harm.
func once(t *testing.T, u *upstream, q request, l line) {
	t.Helper()
	sent := 0
	for _, a := range l.Attempts {
		if a.Sent > 0 {
			sent++
		}
	}
	n := u.asked(q.id)
	if n > sent {
		t.Errorf("the upstream was asked %d times, the log says %d: %s", n, sent, l.attempts())
	}
	if n > 1 && (q.method == "POST" || q.method == "PATCH") && !strings.Contains(q.fields, "Idempotency-Key") {
		t.Errorf("a %s was sent %d times", q.method, n)
	}
}

// answered compares what the client got.
func (w *want) answered(t *testing.T, a answer) {
	t.Helper()
	if a.status != w.status {
		t.Errorf("status %d, want %d (%v)", a.status, w.status, a.err)
	}
	switch {
	case w.cut == nil && a.err != nil:
		t.Errorf("the answer broke: %v", a.err)
	case w.cut != nil && !errors.Is(a.err, w.cut):
		t.Errorf("the answer's body ended with %v, want %v: the client cannot see that it is broken", a.err, w.cut)
	}
	if !strings.HasPrefix(string(a.body), w.body) {
		t.Errorf("the body begins %.60q, want %.60q", a.body, w.body)
	}
	if len(a.interim) != w.interim {
		t.Errorf("%d interim answers came, want %d", len(a.interim), w.interim)
	}
	if passed := w.cause == "upstream-status"; passed && a.header != nil {
		w.proxyStatus(t, a.header)
	}
	if made := w.typ != "" && w.cut == nil && !w.saved && !w.noted; made && a.header != nil {
		w.proxyStatus(t, a.header)
		if (a.header.Get("Retry-After") != "") != (a.status == http.StatusServiceUnavailable) {
			t.Errorf("Retry-After is %q with status %d", a.header.Get("Retry-After"), a.status)
		}
	}
}

// proxyStatus reads the field as RFC 9209 has it: a list of one member, whose error is a token.
func (w *want) proxyStatus(t *testing.T, h http.Header) {
	t.Helper()
	list, err := httpsfv.UnmarshalList(h.Values("Proxy-Status"))
	if err != nil || len(list) != 1 {
		t.Errorf("Proxy-Status %q is not a list of one: %v", h.Values("Proxy-Status"), err)
		return
	}
	item, ok := list[0].(httpsfv.Item)
	if !ok || item.Value != httpsfv.Token("whygate") {
		t.Errorf("Proxy-Status %q is not by us", h.Values("Proxy-Status"))
		return
	}
	if e, given := item.Params.Get("error"); given != (w.typ != "") || given && e != httpsfv.Token(w.typ) {
		t.Errorf("error is %v, want %s", e, w.typ)
	}
	for name, value := range w.params {
		if got, _ := item.Params.Get(name); got != value {
			t.Errorf("%s is %#v in Proxy-Status, want %#v", name, got, value)
		}
	}
}

// logged compares the line of the access log, and the incident it names.
func (w *want) logged(t *testing.T, g *gate, l line) {
	t.Helper()
	by := "gateway"
	if w.cause == "" || w.cut != nil || w.saved || w.noted {
		by = "origin"
	}
	if l.Status != w.status || l.By != by {
		t.Errorf("logged as status %d by %s, want %d by %s", l.Status, l.By, w.status, by)
	}
	if got := l.attempts(); got != w.attempts {
		t.Errorf("attempts %q, want %q", got, w.attempts)
	}
	for _, a := range l.Attempts {
		if a.Reused != (a.Nth > 1) {
			t.Errorf("the %d. exchange on a connection has reused %t", a.Nth, a.Reused)
		}
	}
	if (l.Fault != nil) != (w.cause != "") {
		t.Fatalf("the logged fault is %+v, want %q", l.Fault, w.cause)
	}
	if l.Fault == nil {
		return
	}
	f := l.Fault
	if f.Cause != w.cause || f.Type != or(w.typ, "none") {
		t.Errorf("logged as %s %s, want %s %s: %s", f.Type, f.Cause, w.typ, w.cause, f.Sentence)
	}
	if f.Late != (w.cut != nil) || f.Saved != w.saved {
		t.Errorf("late is %t and saved %t in the log", f.Late, f.Saved)
	}
	if f.Sentence == "" {
		t.Error("the line has no sentence")
	}
	switch {
	case f.Incident != "":
		w.kept(t, g.incident(t, f.Incident), f.Sentence)
	case w.typ != "":
		t.Error("the line names no incident")
	}
}

// kept compares the incident.
func (w *want) kept(t *testing.T, i found, sentence string) {
	t.Helper()
	if i.Cause != w.cause || i.Type != or(w.typ, "none") || i.Status != w.status || i.Late != (w.cut != nil) || i.Saved != w.saved {
		t.Errorf("the incident is %s %s, status %d, late %t, saved %t", i.Type, i.Cause, i.Status, i.Late, i.Saved)
	}
	if i.Sentence != sentence || i.Title == "" || len(i.Advice) == 0 {
		t.Errorf("the incident's words are %q, %q, %q", i.Title, i.Sentence, i.Advice)
	}
	if i.Evidence == nil {
		t.Error("the incident has no evidence")
	}
	for name, value := range w.evidence {
		var got any
		if outer, inner, nested := strings.Cut(name, "."); nested {
			object, _ := i.Evidence[outer].(map[string]any)
			got = object[inner]
		} else {
			got = i.Evidence[name]
		}
		if fmt.Sprint(got) != fmt.Sprint(value) {
			t.Errorf("the evidence's %s is %v, want %v", name, got, value)
		}
	}
	if t.Failed() {
		delete(i.Evidence, "sample_hex")
		t.Logf("evidence: %.600v", fmt.Sprint(i.Evidence))
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
