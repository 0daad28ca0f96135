package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/store"
)

// served is a console with a store of its own.
type served struct {
	store  *store.Store
	url    string
	token  string
	orders chan Order
}

// serve starts a console whose store is in memory.
func serve(t *testing.T) *served {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(store.Options{Instance: "edge@test"})
	a := admin.New(l, admin.Options{Log: slog.New(slog.DiscardHandler)})
	orders := make(chan Order, 1)
	var base incident.Baseline
	for i := range 60 {
		base.Add(&incident.Good{At: time.Now(), Pool: "web", Route: "/", Endpoint: fmt.Sprint("http://10.0.0.", 1+i%3, ":80"), Client: "10.9.9.9:1", Method: []byte("GET"), Host: []byte("shop.example"), Target: []byte("/items/1"), UserAgent: []byte("curl/8"), Version: "1.1"})
	}
	New(Options{
		Store: func() *store.Store { return s },
		Pools: func() []Pool {
			return []Pool{{Name: "web", Rate: 12, P50: time.Millisecond, P99: 20 * time.Millisecond, Endpoints: []Endpoint{{Name: "http://10.0.0.1:80", Idle: 2}, {Name: "http://10.0.0.2:80", State: "ejected", Reason: "5 failures in a row", Since: time.Now()}}}}
		},
		Order: func(o Order) error {
			if o.Endpoint == "http://10.0.0.9:80" {
				return errors.New("the pool web has no endpoint http://10.0.0.9:80")
			}
			orders <- o
			return nil
		},
		Baseline: func(pool string, since time.Time) []incident.Values { return base.Since(pool, since, "edge@test") },
		Advice:   func(lines []string, _ string) []string { return lines },
		Recent:   func(string) *incident.Incident { return nil },
		Token:    a.Token(), Name: "edge@test", Version: "test", Log: slog.New(slog.DiscardHandler),
	}).Register(a)
	ended := make(chan error, 1)
	go func() { ended <- a.Serve() }() // ends with Close
	t.Cleanup(func() {
		a.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return &served{s, "http://" + a.Addr().String(), a.Token(), orders}
}

// fill adds incidents and waits until they are stored.
func (s *served) fill(t *testing.T, list ...*incident.Incident) {
	t.Helper()
	_, before, err := s.store.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		s.store.Add(i)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) { // a look, not a wait
		if _, all, err := s.store.Counts(t.Context()); err == nil && all == before+int64(len(list)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("not stored")
		}
	}
}

// an incident of a malformed answer, which has all that a page shows.
func an(id string, at time.Time) *incident.Incident {
	f := fault.Fault{Type: fault.TypeHTTPProtocolError, Cause: fault.CauseBadStatusLine, Stage: fault.Head}
	e := fault.Evidence{
		Stage: fault.Head, End: fault.Malformed, Endpoint: "http://10.0.0.2:80", Addr: "10.0.0.2:80", Nth: 3, Reused: true, Idle: 4 * time.Second, Sent: 300, Got: 40, Declared: -1,
		Rule: fault.RuleStatusLine, Offset: 9, Sample: []byte("HTTP/1.1 2x0 OK\r\nSet-Cookie: a=geheim\r\n\r\n"),
	}
	e.Spent[fault.Dial], e.Spent[fault.FirstByte] = 2*time.Millisecond, 5*time.Millisecond
	return &incident.Incident{
		ID: id, At: at, Status: 502, Type: f.Type, Cause: f.Cause, Family: f.Family(), Stage: f.Stage, Title: f.Title(), Sentence: f.Sentence(&e), Pool: "web", Route: "/",
		Request: incident.Request{ID: "request-" + id, Client: "192.0.2.1:5555", Method: "GET", Host: "shop.example", Target: "/items/42", Version: "1.1", Agent: "curl/8"},
		Advice:  f.Cause.Entry().Advice, Evidence: &e, Attempts: []fault.Evidence{e}, Retry: "no-other-endpoint", Duration: 1000 * 0.007,
	}
}

// get asks for a page.
func (s *served) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// pagesOf are all pages, of the store's first group and incident where it has some.
func (s *served) pagesOf(t *testing.T) []string {
	t.Helper()
	pages := []string{"/console/", "/console/?only=trouble", "/console/groups", "/console/groups?since=all&state=open", "/console/incidents", "/console/changes", "/console/live"}
	if groups, err := s.store.Groups(t.Context(), store.Query{}); err != nil {
		t.Fatal(err)
	} else if len(groups) > 0 {
		pages = append(pages, "/console/groups/"+groups[0].ID, "/console/incidents?group="+groups[0].ID)
	}
	if rows, err := s.store.Incidents(t.Context(), store.Query{}); err != nil {
		t.Fatal(err)
	} else if len(rows) > 0 {
		pages = append(pages, "/console/incidents/"+rows[0].ID)
	}
	return pages
}

func TestPagesWithNoneOneAndMany(t *testing.T) {
	s := serve(t)
	whole := func(what string, want int) {
		t.Helper()
		pages := s.pagesOf(t)
		if len(pages) != want {
			t.Fatalf("%s: %d pages", what, len(pages))
		}
		for _, path := range pages {
			status, body := s.get(t, path)
			if status != 200 || !strings.Contains(body, "</html>") {
				t.Errorf("%s: %s: %d, %d bytes", what, path, status, len(body))
			}
			if strings.Contains(body, "style=") || strings.Contains(body, "onclick") || strings.Contains(body, "<script>") || strings.Contains(body, "%!") || strings.Contains(body, "<no value>") {
				t.Errorf("%s: %s has something inline: %s", what, path, body)
			}
		}
	}
	whole("none", 7)
	s.fill(t, an("ONE", time.Now()))
	whole("one", 10)
	var many []*incident.Incident
	for i := range 3000 {
		one := an(fmt.Sprint("I", i), time.Now())
		one.Pool = fmt.Sprint("pool", i%150)
		many = append(many, one)
	}
	s.fill(t, many...)
	s.store.Note("reload", "whygate.yaml", "configuration reloaded")
	whole("many", 10)
}

func TestIncidentShowsWhy(t *testing.T) {
	s := serve(t)
	s.fill(t, an("ONE", time.Now()))
	_, body := s.get(t, "/console/incidents/one")
	for _, want := range []string{
		"The status line is malformed", "malformed", "by upstream, in head", "reused", "exchange 3, idle 4.0 s", "first byte", "0 ✗", // the stage that failed
		"caret\">         ^", "GET /items/42", "There is no other endpoint", "curl -i", "RFC 9112", "<mark>32</mark>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not there", want)
		}
	}
	if strings.Contains(body, "geheim") {
		t.Error("a cookie is shown")
	}
}

func TestGroupShowsWhatIsDifferent(t *testing.T) {
	s := serve(t)
	s.store.Note("deploy", "web", "version 1.2")
	var list []*incident.Incident
	for i := range 15 {
		list = append(list, an(fmt.Sprint("I", i), time.Now().Add(time.Second)))
	}
	s.fill(t, list...)
	groups, err := s.store.Groups(t.Context(), store.Query{})
	if err != nil || len(groups) != 1 {
		t.Fatal(groups, err)
	}
	_, body := s.get(t, "/console/groups/"+groups[0].ID)
	for _, want := range []string{"<b>all</b> at <span class=\"mono\">http://10.0.0.2:80</span>", "33 % of good traffic", "version 1.2", "before the first"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not there: %s", want, body)
		}
	}
	var got struct {
		Group Difference `json:"group"`
	}
	_, answer := s.get(t, "/api/groups/"+groups[0].ID)
	if err := json.Unmarshal([]byte(answer), &got); err != nil || len(got.Group.Facets) == 0 || got.Group.Before == nil || got.Group.Before.Kind != "deploy" {
		t.Errorf("%v: %s", err, answer)
	}
}

// corpus are texts that clients and upstreams may write, made to become markup, script, a link or an event.
var corpus = []string{
	`<script>window.hit=1</script>`, `"><img src=x onerror=window.hit=1>`, `'><svg onload=window.hit=1>`, `</textarea><script>window.hit=1</script>`, `</title><script>window.hit=1</script>`,
	`javascript:window.hit=1`, "{{.Token}}", "data: x\n\nevent: y", "`;window.hit=1;//", `\u003cscript\u003ewindow.hit=1`, "\u202e\u2066evil", "\x00\xff\x1b[31m", `--><script>window.hit=1</script>`, "]]><script>window.hit=1</script>",
}

// evil is an incident with a text wherever somebody else writes.
func evil(n int, text string) *incident.Incident {
	i := an(fmt.Sprint("EVIL", n), time.Now())
	i.Request.ID, i.Request.Host, i.Request.Target, i.Request.Agent, i.Request.Method, i.Request.Client = text, text, "/"+text, text, text, text
	i.Title, i.Sentence, i.Pool, i.Route, i.Retry = text, text, text, text, text
	e := *i.Evidence
	e.Sample, e.Detail, e.Endpoint, e.Addr, e.Field = []byte(text), text, text, text, text
	i.Evidence, i.Attempts, i.Advice = &e, []fault.Evidence{e, e}, []string{text}
	return i
}

// TestNothingBecomesMarkup: what somebody else wrote is text on every page.
func TestNothingBecomesMarkup(t *testing.T) {
	s := serve(t)
	for n, text := range corpus {
		s.fill(t, evil(n, text))
		s.store.Note(text, text, text)
		for _, path := range append(s.pagesOf(t), "/console/find?q="+url.QueryEscape(text), "/console/incidents?pool="+url.QueryEscape(text), "/console/incidents/"+url.PathEscape(text)) {
			_, body := s.get(t, path)
			for _, bad := range []string{"<script>", "<img src=x", "<svg onload", "href=\"javascript:", s.token + "</", "\x1b", "\u202e"} {
				if strings.Contains(body, bad) {
					t.Errorf("%q: %s has %q", text, path, bad)
				}
			}
		}
	}
}

func TestDecide(t *testing.T) {
	s := serve(t)
	s.fill(t, an("ONE", time.Now()))
	groups, err := s.store.Groups(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	post := func(values url.Values, origin string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/console/groups/"+groups[0].ID, strings.NewReader(values.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", origin)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	resolved := url.Values{"state": {"resolved"}, "note": {"fixed"}, "token": {s.token}}
	if status := post(resolved, "http://evil.example"); status != 403 {
		t.Errorf("by another page: %d", status)
	}
	if status := post(url.Values{"state": {"resolved"}}, s.url); status != 403 {
		t.Errorf("without a token: %d", status)
	}
	if g, err := s.store.Group(t.Context(), groups[0].ID); err != nil || g.State != store.StateOpen {
		t.Fatalf("%+v, %v", g, err)
	}
	if status := post(url.Values{"state": {"gone"}, "token": {s.token}}, s.url); status != 400 {
		t.Errorf("a state that there is not: %d", status)
	}
	if status := post(resolved, s.url); status != 303 {
		t.Errorf("by its own page: %d", status)
	}
	if g, err := s.store.Group(t.Context(), groups[0].ID); err != nil || g.State != store.StateResolved || g.Note != "fixed" {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestMarkdownStaysWhatItIs(t *testing.T) {
	for _, text := range append(corpus, "a\n# heading\n````\nb", "'; rm -rf / #") {
		v := view{Row: store.Row{ID: "A", Method: text, Host: text, Request: text, Cause: text, Instance: text, Title: text}, Target: "/" + text, Sentence: text}
		v.Attempts = []attempt{{Number: 1, Endpoint: "http://10.0.0.1:80" + text, End: text, Facts: []fact{{"detail", text}}}}
		v.Broken = &broken{Lines: linesOf([]byte(text), 0)}
		md := v.markdown()
		outside := "" // of what is fenced
		for i, part := range strings.Split(md, "\n"+fence) {
			if i%2 == 0 {
				outside += part
			}
		}
		if strings.Contains(outside, "\n# heading") || strings.Count(md, "\n"+fence)%2 != 0 || strings.Contains(strings.ReplaceAll(md, "`", ""), "\x1b") {
			t.Errorf("%q: %s", text, md)
		}
	}
	v := view{Row: store.Row{Host: "h", Method: "GET"}, Target: "/a'b", Attempts: []attempt{{Endpoint: "http://x:1"}}}
	if got, want := v.curl(), `curl -i -H 'Host: h' 'http://x:1/a'\''b'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestFactsOfHTTP2(t *testing.T) {
	got := fmt.Sprint(factsOf(object{"stream": 7.0, "code": "REFUSED_STREAM", "unprocessed": true, "version": "2"}))
	if got != "[{stream 7 of the connection} {HTTP/2 error code REFUSED_STREAM} {the upstream says it has not processed the request} {HTTP version of the connection 2}]" {
		t.Error(got)
	}
}

func TestBrokenBytes(t *testing.T) {
	b := brokenOf(map[string]any{"sample_hex": fmt.Sprintf("%x", "AB\r\nCD\x01E"), "rule": "x", "offset": 6.0})
	if len(b.Lines) != 2 || b.Lines[1].Text != `CD\x01E` || b.Lines[1].Caret != "  ^" || b.Lines[0].Caret != "" || !b.Hex[0].Cells[6].Bad {
		t.Errorf("%+v", b)
	}
	for _, offset := range []float64{-1, 8, 9, 1e12} {
		brokenOf(map[string]any{"sample_hex": fmt.Sprintf("%x", "AB\r\nCD\x01E"), "rule": "x", "offset": offset})
	}
	if brokenOf(nil) != nil || brokenOf(map[string]any{"sample_hex": "xyz"}) != nil {
		t.Error("bytes from nothing")
	}
}

func TestStreamSendsWhatComes(t *testing.T) {
	s := serve(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/console/live/stream?pool=web", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", time.Now().Add(-time.Minute).Format(time.RFC3339Nano))
	s.fill(t, an("BEFORE", time.Now().Add(-time.Second)), evil(1, "data: x\n\nevent: y"))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Error(kind)
	}
	got := ""
	buf := make([]byte, 4096)
	for !strings.Contains(got, `"id":"BEFORE"`) || !strings.Contains(got, `"id":"AFTER"`) {
		n, err := res.Body.Read(buf)
		if got += string(buf[:n]); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		if strings.Contains(got, `"id":"BEFORE"`) && !strings.Contains(got, "EVIL") && strings.Count(got, "AFTER") == 0 {
			s.store.Add(an("AFTER", time.Now()))
		}
		if len(got) > 100_000 {
			t.Fatal("never")
		}
	}
	if strings.Contains(got, "EVIL") || strings.Contains(got, "event: y") {
		t.Errorf("of another pool: %s", got)
	}
}

// TestOrders: the form of an endpoint's row is obeyed once it has the page's token, and what cannot be done is said.
func TestOrders(t *testing.T) {
	t.Parallel()
	s := serve(t)
	post := func(values url.Values) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/console/endpoints", strings.NewReader(values.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", s.url)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	want := Order{Action: "drain", Pool: "web", Endpoint: "http://10.0.0.1:80", Reason: "a new disk"}
	form := url.Values{"action": {want.Action}, "pool": {want.Pool}, "endpoint": {want.Endpoint}, "reason": {want.Reason}}
	if status, _ := post(form); status != 403 {
		t.Errorf("%d without a token", status)
	}
	form.Set("token", s.token)
	if status, body := post(form); status != 303 {
		t.Fatalf("%d: %s", status, body)
	}
	got := <-s.orders
	want.By = got.By
	if got != want || got.By == "" {
		t.Errorf("%+v", got)
	}
	form.Set("endpoint", "http://10.0.0.9:80")
	if status, body := post(form); status != 422 || !strings.Contains(body, "no endpoint http://10.0.0.9:80") {
		t.Errorf("%d: %s", status, body)
	}
	form.Del("pool")
	if status, _ := post(form); status != 400 {
		t.Errorf("%d without a pool", status)
	}
}
