package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

func TestScenariosAreDeclaredWhole(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	row := regexp.MustCompile(`^[DCTRXGA][0-9]{1,2}$`)
	seen := map[string]bool{}
	for _, s := range All() {
		if !name.MatchString(s.Name) || seen[s.Name] {
			t.Errorf("name %q is wrong or not unique", s.Name)
		}
		seen[s.Name] = true
		if s.Row != "" && !row.MatchString(s.Row) {
			t.Errorf("%s: row %q", s.Name, s.Row)
		}
		if !strings.HasSuffix(s.Does, ".") || s.Why == "" || len(s.Want.Status) == 0 {
			t.Errorf("%s: what it does, why or the status is missing", s.Name)
		}
		if s.At.Socket == Listens && len(s.Plays) == 0 {
			t.Errorf("%s listens and does nothing", s.Name)
		}
		for _, other := range s.At.Beside {
			if Get(other) == nil {
				t.Errorf("%s is beside %s, which is no scenario", s.Name, other)
			}
		}
	}
	if len(All()) < 110 {
		t.Errorf("%d scenarios", len(All()))
	}
}

// unprovoked are the causes that no scenario provokes, with the reason.
var unprovoked = map[fault.Cause]string{
	fault.CauseDNSUnreachable:       "a resolver that cannot be reached is no upstream's doing",
	fault.CauseDNSNoResolver:        "a configuration without a resolver is no upstream's doing",
	fault.CauseKernelConnectTimeout: "the lab's timers are shorter than the kernel's",
	fault.CauseSocketPermission:     "the proxies run as root where the lab has namespaces, and root may do everything",
	fault.CauseSocketBacklogFull:    "a unix socket's full backlog answers differently in each kernel version",
	fault.CauseNetworkError:         "it stands for errors of the kernel that have no name here",
	fault.CauseConnectionLost:       "it is about connections after an upgrade",
	fault.CauseResponseTooSlow:      "the lab's configurations set no limit for a whole response, which few proxies have",
	fault.CauseHTTP2ConnectionDead:  "a gateway asks a silent connection by PING, and the lab's timers are shorter than that takes",
	fault.CauseUnaskedInterim:       "a gateway need not forward an interim answer, so that it need not refuse one",
}

// TestEveryCauseOfAnUpstreamIsProvoked checks that the faults that an upstream can have are all there.
func TestEveryCauseOfAnUpstreamIsProvoked(t *testing.T) {
	for _, e := range fault.Catalogue() {
		byUpstream := slices.ContainsFunc(e.Covers, func(row string) bool { return strings.ContainsAny(row[:1], "DCTRX") })
		if !byUpstream || !(fault.Fault{Type: e.Type, Cause: e.Cause, Stage: fault.Head}).ByUpstream() || e.Cause >= fault.CauseWorkerKilled && e.Cause <= fault.CauseResponseBodyTooLarge {
			continue
		}
		if len(Of(e.Cause)) == 0 && unprovoked[e.Cause] == "" {
			t.Errorf("no scenario provokes %s (%v)", e.Slug, e.Covers)
		}
	}
}

// open opens a lab on any free ports.
func open(t *testing.T, scenarios ...*Scenario) *Lab {
	t.Helper()
	l, err := Open(scenarios, Options{Base: -1, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// TestOctetsAreAsShown asks an upstream by hand, and compares what comes with what the scenario says.
func TestOctetsAreAsShown(t *testing.T) {
	t.Parallel()
	s := Get("body-short")
	l := open(t, s)
	for _, where := range []struct{ address, path string }{{l.Address(s), "/"}, {l.Index(), "/body-short/x"}} {
		c, err := net.Dial("tcp", where.address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", where.path)
		got, err := io.ReadAll(c)
		if want := lengthHead + filler(640); string(got) != want || err != nil {
			t.Errorf("%s%s sent %q, %v", where.address, where.path, got, err)
		}
		_ = c.Close()
	}
	if !strings.Contains(s.Text(), "Content-Length: 1000") || l.Requests(s) != 2 {
		t.Errorf("%d requests were counted, and the text is\n%s", l.Requests(s), s.Text())
	}
}

func TestIndexGivesDirections(t *testing.T) {
	t.Parallel()
	l := open(t, All()...)
	for path, want := range map[string]string{
		"/":                     "200 OK",
		"/nothing/":             "404 Not Found",
		"/tls-expired/":         "421 Misdirected Request",
		"/ok/":                  "200 OK",
		"/upstream-503/?x=y":    "503 Service Unavailable",
		"/maintenance":          "503 Service Unavailable",
		"/connection-refused/a": "421 Misdirected Request",
	} {
		r, err := http.Get("http://" + l.Index() + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		_ = r.Body.Close()
		if r.Status != want {
			t.Errorf("%s: %s, want %s", path, r.Status, want)
		}
	}
}

func TestFind(t *testing.T) {
	for globs, want := range map[string]int{"ok": 1, "tls": 0, "body-*": 0, "nothing*": -1, "[": -1} {
		found, err := Find(globs)
		switch {
		case want < 0 && err == nil:
			t.Errorf("%q found %d", globs, len(found))
		case want >= 0 && (err != nil || len(found) == 0 || want > 0 && len(found) != want):
			t.Errorf("%q found %d, %v", globs, len(found), err)
		}
	}
}

// quick are scenarios that show what a score is about, and take no time.
var quick = []string{
	"ok", "upstream-503", "upstream-404", "filter-403", "keepalive-race-post", "rate-limited", "ok-large-body", "ok-upload", "ok-stream", "ok-103", "redirect-loop", "length-and-chunked", "connection-refused", "closed-before-answer", "garbage", "body-short", "chunks-cut", "body-reset", "desynchronised", "no-answer",
}

// played plays the quick scenarios through a handler that stands for a gateway.
func played(t *testing.T, handler func(l *Lab) http.Handler) map[string]Result {
	t.Helper()
	var scenarios []*Scenario
	for _, name := range quick {
		scenarios = append(scenarios, Get(name))
	}
	l := open(t, scenarios...)
	server := httptest.NewServer(handler(l))
	t.Cleanup(server.Close)
	player := &Player{Address: server.Listener.Addr().String(), Requests: l.Requests}
	results := map[string]Result{}
	for _, r := range player.Play(t.Context(), scenarios) {
		results[r.Scenario] = r
	}
	return results
}

// forward is a naive gateway on net/http: whole says whether it takes a broken body for a whole one.
func forward(l *Lab, whole bool) http.Handler {
	transport := &http.Transport{ResponseHeaderTimeout: 500 * time.Millisecond, DisableCompression: true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.Split(r.URL.Path, "/")[1]
		target := &url.URL{Scheme: "http", Host: l.Address(Get(name)), Path: r.URL.Path}
		ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, fields textproto.MIMEHeader) error {
			for name, values := range fields {
				w.Header()[name] = values
			}
			w.WriteHeader(code)
			return nil
		}})
		target.RawQuery = r.URL.RawQuery
		q, err := http.NewRequestWithContext(ctx, r.Method, target.String(), r.Body)
		if err != nil {
			panic(err)
		}
		q.ContentLength = r.ContentLength
		answer, err := transport.RoundTrip(q)
		var slow net.Error
		switch {
		case errors.As(err, &slow) && slow.Timeout():
			http.Error(w, "too slow", http.StatusGatewayTimeout)
			return
		case err != nil:
			http.Error(w, "bad", http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		if whole {
			w.Header().Del("Content-Length")
		}
		w.WriteHeader(answer.StatusCode)
		_ = http.NewResponseController(w).Flush()
		if _, err := io.Copy(flushing{w}, answer.Body); err != nil && !whole {
			panic(http.ErrAbortHandler)
		}
	})
}

// flushing sends each write on at once.
type flushing struct{ http.ResponseWriter }

func (f flushing) Write(b []byte) (int, error) {
	n, err := f.ResponseWriter.Write(b)
	_ = http.NewResponseController(f.ResponseWriter).Flush()
	return n, err
}

// TestGoodGatewayScores checks that a gateway that does what it should is found right: a score that nobody can reach is none.
func TestGoodGatewayScores(t *testing.T) {
	t.Parallel()
	for name, r := range played(t, func(l *Lab) http.Handler { return forward(l, false) }) {
		if !r.Right() {
			t.Errorf("%s: %v", name, r.Wrong)
		}
	}
}

// brokenGateway is a gateway that is wrong on purpose, and where the score must see it.
type brokenGateway struct {
	handler func(*Lab) http.Handler
	wrong   []string          // the scenarios
	thing   func(Result) Mark // which of the four things
}

func brokenGateways() map[string]brokenGateway {
	yes := func(*Lab) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, okBody) })
	}
	whole := func(l *Lab) http.Handler { return forward(l, true) }
	poisoned := func(l *Lab) http.Handler {
		good := forward(l, true)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			good.ServeHTTP(w, r)
			if strings.HasPrefix(r.URL.Path, "/desynchronised") {
				_, _ = io.WriteString(w, "POISON")
			}
		})
	}
	down := func(l *Lab) http.Handler {
		good := forward(l, false)
		var broken atomic.Bool
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/garbage") {
				broken.Store(true)
			}
			if broken.Load() {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			good.ServeHTTP(w, r)
		})
	}
	ownPages := func(l *Lab) http.Handler {
		return changed(l, func(string) bool { return true }, "an error page of our own\n")
	}
	mangled := func(l *Lab) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/ok") || strings.HasPrefix(r.URL.Path, "/length") || strings.HasPrefix(r.URL.Path, "/redirect") {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(map[bool]int{true: 301, false: 200}[strings.HasPrefix(r.URL.Path, "/redirect")])
				_, _ = io.WriteString(w, okBody)
				return
			}
			forward(l, false).ServeHTTP(w, r)
		})
	}
	twice := func(l *Lab) http.Handler {
		good := forward(l, false)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(b))
			if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/keepalive") {
				first := httptest.NewRecorder()
				good.ServeHTTP(first, r)
				r.Body = io.NopCloser(bytes.NewReader(b))
			}
			good.ServeHTTP(w, r)
		})
	}
	limited := func(*Lab) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })
	}
	return map[string]brokenGateway{
		"200 to everything":       {yes, []string{"upstream-503", "connection-refused", "closed-before-answer", "garbage", "no-answer"}, func(r Result) Mark { return r.Status }},
		"200 instead of a cut":    {yes, []string{"body-short", "chunks-cut", "body-reset"}, func(r Result) Mark { return r.Broken }},
		"truncated bodies ended":  {whole, []string{"body-short", "chunks-cut", "body-reset"}, func(r Result) Mark { return r.Broken }},
		"pages of its own":        {ownPages, []string{"upstream-503", "upstream-404", "filter-403"}, func(r Result) Mark { return r.Broken }},
		"bodies made up":          {mangled, []string{"ok-large-body", "ok-stream"}, func(r Result) Mark { return r.Broken }},
		"fields dropped":          {mangled, []string{"redirect-loop", "ok-103"}, func(r Result) Mark { return r.Status }},
		"uploads dropped":         {dropped, []string{"ok-upload"}, func(r Result) Mark { return r.Status }},
		"chunks taken for a body": {mangled, []string{"length-and-chunked"}, func(r Result) Mark { return r.Broken }},
		"a POST sent twice":       {twice, []string{"keepalive-race-post"}, func(r Result) Mark { return r.Broken }},
		"everything limited":      {limited, []string{"rate-limited"}, func(r Result) Mark { return r.Status }},
		"poison passed on":        {poisoned, []string{"desynchronised"}, func(r Result) Mark { return r.Broken }},
		"down after the first":    {down, []string{"garbage"}, func(r Result) Mark { return r.Serving }},
	}
}

// TestBrokenGatewaysAreCaught checks that the score falls for gateways that are wrong on purpose, each where it should.
func TestBrokenGatewaysAreCaught(t *testing.T) {
	t.Parallel()
	for name, test := range brokenGateways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := played(t, test.handler)
			for _, scenario := range test.wrong {
				if r := results[scenario]; r.Right() || test.thing(r) != Wrong {
					t.Errorf("%s was taken for right: %+v", scenario, r)
				}
			}
			if control := results["ok"]; name != "down after the first" && name != "everything limited" && !control.Right() {
				t.Errorf("a healthy upstream was taken for wrong: %v", control.Wrong)
			}
		})
	}
}

// changed is a gateway that puts a page of its own in the place of the upstream's errors.
func changed(l *Lab, which func(name string) bool, page string) http.Handler {
	good := forward(l, false)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !which(r.URL.Path) || strings.HasPrefix(r.URL.Path, "/ok") {
			good.ServeHTTP(w, r)
			return
		}
		first := httptest.NewRecorder()
		func() {
			defer func() { _ = recover() }()
			good.ServeHTTP(first, r)
		}()
		w.WriteHeader(first.Code)
		_, _ = io.WriteString(w, page)
	})
}

// dropped is a gateway that loses the octets of uploads.
func dropped(l *Lab) http.Handler {
	good := forward(l, false)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body, r.ContentLength = http.NoBody, 0
		good.ServeHTTP(w, r)
	})
}

// TestSilenceIsNoExplanation checks that a gateway that sends Proxy-Status must send it for each fault.
func TestSilenceIsNoExplanation(t *testing.T) {
	a := reply{Status: 502, Header: http.Header{}}
	r := Result{explains: true}
	r.judge(Get("connection-refused"), &a)
	if r.Type != Wrong {
		t.Errorf("a fault without Proxy-Status: %v", r.Type)
	}
	own := Result{explains: true}
	own.judge(Get("upstream-502"), &reply{Status: 502, Header: http.Header{}, Body: "the upstream's own words\n"})
	if !own.Right() {
		t.Errorf("an upstream's own 502 without Proxy-Status: %v", own.Wrong)
	}
}

// TestInterruptedPlayIsNotRight checks that what was not played counts for nobody.
func TestInterruptedPlayIsNotRight(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := Score{Results: (&Player{Address: "127.0.0.1:1"}).Play(ctx, All())}
	if right, played := s.Count(); right != 0 || played != 0 {
		t.Errorf("%d of %d", right, played)
	}
}

// TestOtherNumber checks when a wrong status is only another number.
func TestOtherNumber(t *testing.T) {
	for name, c := range map[string]struct {
		scenario string
		answer   reply
		serving  Mark
		want     bool
	}{
		"another 5xx":           {"connection-refused", reply{Status: 503}, Right, true},
		"and down":              {"connection-refused", reply{Status: 503}, Wrong, false},
		"a success":             {"connection-refused", reply{Status: 200}, Right, false},
		"where 200 was right":   {"keepalive-race-close", reply{Status: 502}, Right, false},
		"a field missing":       {"maintenance", reply{Status: 503}, Right, false},
		"with a wrong reason":   {"connection-refused", reply{Status: 503, Header: http.Header{"Proxy-Status": {"gw; error=dns_error"}}}, Right, false},
		"with the right reason": {"connection-refused", reply{Status: 503, Header: http.Header{"Proxy-Status": {"gw; error=connection_refused"}}}, Right, true},
	} {
		if c.answer.Header == nil {
			c.answer.Header = http.Header{}
		}
		s := Get(c.scenario)
		r := Result{Serving: c.serving}
		r.judge(s, &c.answer)
		if got := r.other(s, []reply{c.answer}); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestWrongExplanationIsCaught checks the error in Proxy-Status.
func TestWrongExplanationIsCaught(t *testing.T) {
	s := Get("connection-refused")
	for field, want := range map[string]Mark{
		"":                                    Unasked,
		"gw; error=connection_refused":        Right,
		`"gw"; error="connection_refused"`:    Right,
		"origin, gw;error=connection_refused": Right,
		"gw; error=dns_error":                 Wrong,
		"gw":                                  Wrong,
		"gw; error=(":                         Wrong,
	} {
		a := reply{Status: 502, Header: http.Header{}}
		if field != "" {
			a.Header.Set("Proxy-Status", field)
		}
		var r Result
		r.judge(s, &a)
		if r.Type != want {
			t.Errorf("%q: %v, want %v (%v)", field, r.Type, want, r.Wrong)
		}
	}
}

// TestEveryConfigurationIsInOrder lets each proxy that is installed check the configuration that is made for it.
func TestEveryConfigurationIsInOrder(t *testing.T) {
	t.Parallel()
	l := open(t, All()...)
	for _, p := range Proxies() {
		t.Run(p.Name, func(t *testing.T) {
			s := &Setup{Lab: l, Scenarios: All(), Listen: "127.0.0.1:18080", Dir: t.TempDir()}
			text := p.Config(s)
			for _, sc := range All() {
				has := strings.Contains(text, "/"+sc.Name+"/")
				if wanted := l.Serves(sc) && p.Skip(sc) == ""; has != wanted {
					t.Errorf("%s is in the configuration: %v, want %v", sc.Name, has, wanted)
				}
			}
			check := map[string][]string{
				"nginx": {"-t", "-p", s.Dir, "-c", s.Dir + "/nginx.conf", "-e", s.Dir + "/error.log"}, "haproxy": {"-c", "-f", s.Dir + "/haproxy.cfg"}, "apache": {"-t", "-f", s.Dir + "/apache.conf"},
				"caddy": {"validate", "--config", s.Dir + "/Caddyfile", "--adapter", "caddyfile"},
			}[p.Name]
			program, err := p.Program("")
			if check == nil || err != nil {
				t.Skipf("skipped: %s cannot check it here", p.Name)
			}
			if err := p.write(s); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), program, check...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, tail(string(out), 1500))
			}
		})
	}
}

// TestReports renders a score in every form.
func TestReports(t *testing.T) {
	scenarios := []*Scenario{Get("ok"), Get("connection-refused"), Get("body-short"), Get("tls-revoked")}
	scores := []*Score{{Proxy: "nginx", Version: "1", Results: []Result{
		{Scenario: "ok", Group: "head", Status: Right, Serving: Right, Got: "200"},
		{Scenario: "connection-refused", Group: "connect", Status: Wrong, Serving: Right, Got: "503", Other: true, Wrong: []string{"status 503, not 502"}},
		{Scenario: "body-short", Group: "body", Status: Right, Broken: Wrong, Got: "200", Wrong: []string{"the broken body looks complete (640 bytes)"}},
		{Scenario: "tls-revoked", Group: "tls", Skipped: "not <yet>"},
	}}}
	if right, played := scores[0].Count(); right != 1 || played != 3 {
		t.Errorf("%d of %d", right, played)
	}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"markdown": {Markdown(scores, scenarios), []string{"| **1 of 3**", "≠ 503", "**✗ 200 whole**", "| – |"}},
		"svg":      {SVG(scores, scenarios), []string{`class="r"`, `class="o"`, `class="w"`, `class="n"`, "1 of 3 right"}},
		"html":     {HTML(scores, scenarios), []string{"not &lt;yet&gt;", "✓ 200", "≠ 503"}},
	} {
		for _, w := range c.want {
			if !strings.Contains(c.text, w) {
				t.Errorf("%s lacks %q", name, w)
			}
		}
	}
}

// TestEveryStepEndsWithTheLab opens connections to every upstream, and closes the lab while they are under way.
func TestEveryStepEndsWithTheLab(t *testing.T) {
	t.Parallel()
	l, err := Open(All(), Options{Base: -1, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	for _, s := range All() {
		if !l.Serves(s) || s.At.Unix != "" || s.At.Socket != Listens && s.At.Socket != SmallWindow {
			continue
		}
		c, err := net.Dial("tcp", l.Address(s))
		switch {
		case errors.Is(err, syscall.ECONNRESET): // it is one that resets at once
			continue
		case err != nil:
			t.Fatal(err)
		}
		conns = append(conns, c)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, _ = bufio.NewReader(c).ReadByte()
	}
	ended := make(chan struct{})
	go func() {
		l.Close()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the lab does not end")
	}
	for _, c := range conns {
		_ = c.Close()
	}
}
