package proxy_test

import (
	"encoding/json"
	"fmt"
	"mime"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/route"
)

// refused is a gateway whose one endpoint refuses.
func refused(t testing.TB, s setup) *gateway { return start(t, s, refusing(t)) }

func TestRefusedMethods(t *testing.T) {
	t.Parallel()
	tests := []struct {
		request string
		status  int
		cause   fault.Cause
	}{
		{"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", 405, fault.CauseRequestMethodRefused},
		{"TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", 405, fault.CauseRequestMethodRefused},
		{get("/", "Expect: something-else"), 417, fault.CauseRequestExpectation},
		{get("/", "Expect: 100-continue, x=y"), 417, fault.CauseRequestExpectation},
		{get("/", "Expect: 100-continue", "Expect: other"), 417, fault.CauseRequestExpectation},
	}
	for _, tt := range tests {
		t.Run(strings.ReplaceAll(strings.Fields(tt.request)[0], "/", ""), func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, answering(ok))
			g := start(t, setup{}, o.addr)
			c := g.dial()
			c.send(tt.request)
			m := c.response(methodOf(tt.request))
			if m.status() != tt.status || tt.status == 405 && m.get("Allow") == "" || !strings.Contains(m.get("Proxy-Status"), "error=http_request_error") {
				t.Errorf("%s %q", m.line, m.lines)
			}
			if strings.Contains(m.get("Allow"), "TRACE") || strings.Contains(m.get("Allow"), "CONNECT") {
				t.Errorf("Allow: %s", m.get("Allow"))
			}
			g.want(tt.status, tt.cause)
			if o.conns.Load() != 0 {
				t.Error("the upstream was asked")
			}
		})
	}
}

// A head that breaks a rule is refused with its status and the connection closed; nothing behind it is read as a request.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, request string
		status        int
	}{
		{"no version", "GET /\r\n\r\n", 400},
		{"garbage", "\x00\x01\x02\x03\r\n\r\n", 400},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		{"version 3", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
		{"bad host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
		{"space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
		{"obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400},
		{"bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
		{"bare CR", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
		{"NUL", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400},
		{"length twice", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
		{"negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
		{"huge length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
		{"length and chunks", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
		{"chunked not last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400},
		{"chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"long target", "GET /" + strings.Repeat("a", 40<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
		{"long field", "GET / HTTP/1.1\r\nHost: a\r\nCookie: " + strings.Repeat("a", 40<<10) + "\r\n\r\n", 431},
		{"many fields", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 300) + "\r\n", 431},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, answering(ok))
			g := start(t, setup{}, o.addr)
			c := g.dial()
			c.send(tt.request + get("/smuggled"))
			m := c.response("GET")
			if m.status() != tt.status || m.get("Connection") != "close" || !m.complete || !strings.Contains(m.get("Proxy-Status"), "error=http_request_error") {
				t.Errorf("%s %q", m.line, m.lines)
			}
			c.ended()
			r := g.record()
			if r.Status != tt.status || r.Incident == "" || !strings.Contains(m.body, r.Incident) || o.conns.Load() != 0 || len(g.records) > 0 {
				t.Errorf("record %d, incident %q, %d connections to the upstream", r.Status, r.Incident, o.conns.Load())
			}
		})
	}
}

func TestSlowHead(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]string{"line": "GET / HT", "fields": "GET / HTTP/1.1\r\nHost: a.test\r\nX"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t, setup{limits: func(l *listener.Limits) { l.HeadTime = 150 * time.Millisecond }}, refusing(t))
			c := g.dial()
			began := time.Now()
			for _, b := range []byte(part) { // dripping does not prolong it
				c.send(string(b))
			}
			m := c.response("GET")
			if m.status() != 408 || m.get("Connection") != "close" || time.Since(began) > 3*time.Second {
				t.Errorf("%s after %v", m.line, time.Since(began))
			}
			c.ended()
			g.want(408, fault.CauseRequestHeadTimeout)
		})
	}
	t.Run("none at all", func(t *testing.T) {
		t.Parallel()
		g := start(t, shortIdle, refusing(t))
		g.dial().ended() // no answer to nothing
		if len(g.records) != 0 {
			t.Errorf("a record of %d", g.record().Status)
		}
	})
	t.Run("client leaves in it", func(t *testing.T) {
		t.Parallel()
		g := start(t, setup{}, refusing(t))
		c := g.dial()
		c.send("GET / HT")
		c.Close()
		g.want(499, fault.CauseClientLeft)
	})
}

const plainPage = "<html>\n<head>\n<title>502 Bad Gateway</title>\n</head>\n<body>\n<h1>Bad Gateway</h1>\n<p>The server received an invalid response from the upstream server while trying to fulfill the request.</p>\n</body>\n</html>\n"

func TestPlainPage(t *testing.T) {
	t.Parallel()
	g := refused(t, setup{snapshot: func(s *proxy.Snapshot) { s.PlainPages = true }})
	for _, accept := range []string{"", "Accept: text/html", "Accept: */*"} {
		m := g.ask(get("/", accept)[:len(get("/", accept))])
		if accept == "" {
			m = g.ask(get("/"))
		}
		if m.body != plainPage || m.get("Content-Type") != "text/html; charset=utf-8" || m.status() != 502 {
			t.Errorf("%s %q\n%s", m.line, m.lines, m.body)
		}
	}
}

func TestHTMLPage(t *testing.T) {
	t.Parallel()
	g := refused(t, setup{})
	m := g.ask(get("/", "X-Request-ID: my-id-7"))
	r := g.want(502, fault.CauseConnectionRefused)
	for _, part := range []string{
		"<title>502 Bad Gateway</title>", "<h1>Bad Gateway</h1>",
		"<p>The server received an invalid response from the upstream server while trying to fulfill the request.</p>", r.Incident, "my-id-7",
	} {
		if part == "" || !strings.Contains(m.body, part) {
			t.Errorf("no %q in the page", part)
		}
	}
	if m.get("Content-Type") != "text/html; charset=utf-8" || r.By.String() != "gateway" || m.get("X-Request-ID") != "my-id-7" || m.get("Date") == "" || m.get("Cache-Control") != "no-store" {
		t.Errorf("%q", m.lines)
	}
	if m.has("Connection") {
		t.Errorf("a page closes the connection: %q", m.lines)
	}
	if leak := leaks(m.body+strings.Join(m.lines, "\n"), "127.0.0.1", ":"+strings.Split(g.pool.Endpoints[0].Target.Text, ":")[2]); leak != "" {
		t.Errorf("%q is shown", leak)
	}
}

func TestNegotiation(t *testing.T) {
	t.Parallel()
	const html, problem, text = "text/html", "application/problem+json", "text/plain"
	tests := []struct{ accept, want string }{
		{"", html},
		{"*/*", html},
		{"text/html", html},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", html},
		{"application/json", problem},
		{"application/problem+json", problem},
		{"application/vnd.api+json", problem},
		{"text/plain", text},
		{"application/json, text/html;q=0.9", problem},
		{"text/html;q=0.9, application/json", problem},
		{"application/json;q=0.5, text/html", html},
		{"text/plain;q=0.5, application/json;q=0.6", problem},
		{"application/json;q=0, text/plain", text},
		{"application/json, text/plain, */*", problem},
		{"*/*;q=0.1, text/plain;q=0.2", text},
		{"image/png", html},
		{"APPLICATION/JSON", problem},
		{"application/json ; q=0.1 , text/plain ; q=0.9", text},
		{"application/json;charset=utf-8", problem},
		{"text/*", html},
		{"application/*", problem},
		{"application/json;Q=0.1, text/plain;q=0.5", text},
		{"text/html;q=0, */*", problem},
	}
	g := refused(t, setup{})
	for _, tt := range tests {
		request := get("/", "Accept: "+tt.accept)
		if tt.accept == "" {
			request = get("/")
		}
		m := g.ask(request)
		r := g.record()
		got, _, err := mime.ParseMediaType(m.get("Content-Type"))
		if got != tt.want || err != nil || !strings.Contains(m.body, r.Incident) {
			t.Errorf("Accept: %s gets %s, want %s", tt.accept, m.get("Content-Type"), tt.want)
		}
	}
	// The field may have several lines: RFC 9110, section 5.3.
	if m := g.ask(get("/", "Accept: image/png", "Accept: application/json")); m.get("Content-Type") != problem {
		t.Errorf("on the second line: %s", m.get("Content-Type"))
	}
}

// checkProblem checks RFC 9457.
func checkProblem(t *testing.T, m message, r record) {
	t.Helper()
	var p map[string]any
	if err := json.Unmarshal([]byte(m.body), &p); err != nil || m.get("Content-Type") != "application/problem+json" {
		t.Errorf("%v: %s", err, m.body)
		return
	}
	str := func(key string) string { s, _ := p[key].(string); return s }
	if str("type") == "" || str("title") == "" || str("detail") == "" || p["status"] != float64(m.status()) {
		t.Errorf("%s", m.body)
	}
	if str("incident") != r.Incident || !strings.Contains(str("instance"), r.Incident) || str("request_id") != m.get("X-Request-ID") {
		t.Errorf("incident %s of the record, %s", r.Incident, m.body)
	}
	if _, err := time.Parse(time.RFC3339, str("time")); err != nil {
		t.Error(err)
	}
}

func TestHEADOfAFault(t *testing.T) {
	t.Parallel()
	g := refused(t, setup{})
	c := g.dial()
	for range 2 {
		c.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		m := c.response("HEAD")
		if m.status() != 502 || m.get("Content-Length") == "" || m.get("Content-Length") == "0" || c.r.Buffered() > 0 {
			t.Errorf("%s %q", m.line, m.lines)
		}
		g.want(502, fault.CauseConnectionRefused)
	}
	c.fin()
	c.ended()
}

func TestProxyStatusDisclosure(t *testing.T) {
	t.Parallel()
	for d, want := range map[fault.Disclosure][]string{
		fault.DisclosureSafe: {"whygate; error=connection_refused"}, fault.DisclosureFull: {"whygate; error=connection_refused", "next-hop="}, fault.DisclosureOff: nil,
	} {
		g := refused(t, setup{snapshot: func(s *proxy.Snapshot) { s.Disclosure = d }})
		m := g.ask(get("/"))
		for _, part := range want {
			if !strings.Contains(m.get("Proxy-Status"), part) {
				t.Errorf("%d: Proxy-Status: %s", d, m.get("Proxy-Status"))
			}
		}
		if d != fault.DisclosureFull && strings.Contains(m.get("Proxy-Status"), "127.0.0.1") || d == fault.DisclosureOff && m.has("Proxy-Status") {
			t.Errorf("%d: Proxy-Status: %s", d, m.get("Proxy-Status"))
		}
		m = g.ask(get("/", "Accept: application/json"))
		if d == fault.DisclosureOff && strings.Contains(m.body, "connection_refused") {
			t.Errorf("it is off, and the page says %s", m.body)
		}
		if strings.Contains(m.body, "127.0.0.1") {
			t.Errorf("%s", m.body)
		}
	}
}

func TestNoRouteAndBrokenRoute(t *testing.T) {
	t.Parallel()
	g := refused(t, setup{snapshot: func(s *proxy.Snapshot) {
		s.Table, _ = route.New([]route.Rule{{Path: "/broken"}, {Path: "/empty"}})
		s.Routes = []proxy.Route{{Name: "broken", Pool: s.Routes[0].Pool, Broken: "open /etc/secret/ca.pem: no such file"}, {Name: "empty", Pool: &proxy.Pool{
			Name: "none", Balance: s.Routes[0].Pool.Balance, Budget: s.Routes[0].Pool.Budget,
		}}}
	}})
	for _, tt := range []struct {
		path   string
		status int
		cause  fault.Cause
		error  string
	}{
		{"/nowhere", 404, fault.CauseNoRoute, "destination_not_found"},
		{"/broken", 503, fault.CauseRouteBroken, "proxy_configuration_error"},
	} {
		m := g.ask(get(tt.path))
		r := g.want(tt.status, tt.cause)
		if m.status() != tt.status || !strings.Contains(m.get("Proxy-Status"), "error="+tt.error) || !strings.Contains(m.body, r.Incident) || strings.Contains(m.body, "secret") {
			t.Errorf("%s %q %s", m.line, m.lines, m.body)
		}
		if (m.status() == 503) != m.has("Retry-After") {
			t.Errorf("Retry-After: %q with %s", m.get("Retry-After"), m.line)
		}
	}
}

// One evidence for each cause that evidence can have, all of it with things that are nobody's business.
func everyCause() map[fault.Cause]fault.Evidence {
	secret := func(e fault.Evidence) fault.Evidence {
		e.Endpoint, e.Addr, e.Detail = "http://secret.internal:8086", "10.66.77.88:8086", "secret detail"
		e.Sample = []byte("secret sample\r\nSet-Cookie: secret=1\r\n")
		e.Tried = []fault.Address{{Addr: "10.66.77.88:8086", End: fault.Refused}, {Addr: "10.66.77.89:8086", End: fault.Refused}}
		return e
	}
	found := map[fault.Cause]fault.Evidence{}
	try := func(e fault.Evidence) {
		if f := fault.Classify(&e); f.Is() {
			if _, have := found[f.Cause]; !have {
				found[f.Cause] = e
			}
		}
	}
	for stage := range fault.Stage(fault.Stages) {
		for end := range fault.End(fault.Ends) {
			e := secret(fault.Evidence{Stage: stage, End: end, Declared: -1})
			try(e)
			for rule := range fault.Rule(fault.Rules) {
				r := e
				r.Rule = rule
				try(r)
				r.Sample = nil
				try(r)
			}
			for _, timer := range []fault.Timer{fault.TimerIdle, fault.TimerResponse, fault.TimerHead, fault.TimerRead} {
				r := e
				r.Timer, r.After = timer, time.Second
				try(r)
			}
			for _, errno := range []syscall.Errno{
				syscall.ENOENT, syscall.EACCES, syscall.EAGAIN, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ETIMEDOUT, syscall.EADDRNOTAVAIL,
				syscall.EMFILE, syscall.ENOMEM,
			} {
				r := e
				r.Errno = errno
				try(r)
			}
			for _, wait := range []time.Duration{0, 5 * time.Second} {
				r := e
				r.Sample, r.Reused, r.Nth = nil, wait == 0, 7
				r.Spent[fault.FirstByte] = wait
				try(r)
				r.Upload = true
				r.Spent[fault.FirstByte] = 3 * time.Second
				try(r)
			}
			for alert := range uint8(121) {
				r := e
				r.Alert = alert
				try(r)
			}
			for rcode := range uint16(6) {
				for _, ede := range []int32{-1, 6, 15} {
					r := e
					r.DNS = &fault.DNS{Name: "secret.internal", Server: "10.66.77.1:53", Answered: true, RCode: rcode, EDE: ede, EDEText: "secret text"}
					try(r)
					r.DNS.Answered = ede > 0
					try(r)
				}
			}
			for problem := range fault.CertBadUsage + 1 {
				r := e
				r.Cert = &fault.Certificate{Problem: problem, Wanted: "secret.internal", Authority: "Secret CA", Chain: []fault.CertificateInfo{
					{Subject: "CN=secret.internal", Issuer: "Secret CA", Names: []string{"secret.internal"}},
				}}
				try(r)
			}
			for _, sample := range []string{"\x15\x03\x03\x00\x02\x02\x46", "SSH-2.0-secret\r\n", "\x00\x00\x12\x04\x00\x00\x00\x00\x00", "<html>secret", "PROXY TCP4 10.66.77.88", "HTTP/1.1 400 secret"} {
				r := e
				r.Sample = []byte(sample)
				try(r)
			}
		}
	}
	return found
}

// Every cause makes an answer of the right status, in each form, with the incident of the record and without anything
// that is nobody's business.
func TestEveryCause(t *testing.T) {
	t.Parallel()
	all := everyCause()
	for c := range fault.Cause(fault.Causes) {
		if _, have := all[c]; !have && c != fault.CauseNone {
			t.Logf("no evidence for %s", c)
		}
	}
	if len(all) < 80 {
		t.Errorf("evidence for %d causes only", len(all))
	}
	next := make(chan fault.Evidence, 1)
	g := refused(t, setup{serve: func(p *proxy.Proxy, x *exchange.Exchange) {
		e := <-next
		p.Refuse(x, &e)
	}})
	secrets := []string{"secret", "Secret", "10.66.77.88", "10.66.77.89", "10.66.77.1", "127.0.0.1"}
	for cause, e := range all {
		f := fault.Classify(&e)
		for _, accept := range []string{"text/html", "application/json", "text/plain"} {
			next <- e
			c := g.dial()
			c.send(get("/", "Accept: "+accept))
			m, err := c.tryResponse("GET")
			c.Close()
			r := g.record()
			if cause == fault.CauseClientLeft {
				if err == nil || r.Status != 499 {
					t.Errorf("%s: answered %s, record %d", cause, m.line, r.Status)
				}
				continue
			}
			if cause == fault.CauseUpstreamStatus {
				continue // not a page of ours: its status is the upstream's
			}
			if err != nil || !m.complete || m.status() != f.Status() || r.Status != f.Status() || r.Fault != f || m.status() < 400 {
				t.Errorf("%s: %v %s, record %d, want %d", cause, err, m.line, r.Status, f.Status())
				continue
			}
			if r.Incident == "" || !strings.Contains(m.body, r.Incident) {
				t.Errorf("%s: the page has not the incident %q of the record", cause, r.Incident)
			}
			if (m.status() == 503) != m.has("Retry-After") {
				t.Errorf("%s: %s, Retry-After %q", cause, m.line, m.get("Retry-After"))
			}
			if leak := leaks(m.body+strings.Join(m.lines, "\n"), secrets...); leak != "" {
				t.Errorf("%s: %q is shown in\n%q\n%s", cause, leak, m.lines, m.body)
			}
			if f.Type != fault.TypeNone && !strings.HasPrefix(m.get("Proxy-Status"), "whygate; error="+f.Type.String()) {
				t.Errorf("%s: Proxy-Status: %s", cause, m.get("Proxy-Status"))
			}
			if accept == "application/json" {
				checkProblem(t, m, r)
			}
		}
	}
}

// One connection too many is told so, and the others go on.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, answering(ok))
	g := start(t, setup{limits: func(l *listener.Limits) { l.Connections = 2 }}, o.addr)
	a, b := g.dial(), g.dial()
	a.open()
	b.open()
	c := g.dial()
	m := c.response("GET")
	if m.status() != 503 || m.get("Retry-After") == "" || m.get("Connection") != "close" {
		t.Errorf("%s %q", m.line, m.lines)
	}
	c.fin()
	c.ended()
	a.open()
	a.Close()
	eventually(t, func() bool { return g.server.Open() < 2 }, "a closed connection counts still")
	g.dial().open()
}

// A panic is ours: it costs one exchange.
func TestPanicCostsOneExchange(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, answering(ok))
	g := start(t, setup{route: func(r *proxy.Route) { r.Name = "all" }}, o.addr)
	healthy := g.proxy.Snapshot()
	sick := *healthy
	sick.Routes = []proxy.Route{{Name: "sick", Pool: &proxy.Pool{Name: "sick"}}} // no balance: nil is dereferenced
	g.proxy.Use(&sick)
	c := g.dial()
	c.send(get("/"))
	m, err := c.tryResponse("GET")
	if err == nil && m.status() != 500 {
		t.Errorf("%s", m.line)
	}
	g.want(500, fault.CauseInternalError)
	g.proxy.Use(healthy)
	g.dial().open()
}

// The fields of a request are views; the record of one that was cut short has them still, whatever other connections read
// meanwhile.
func TestRecordsOfCutExchanges(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
	})
	g := start(t, setup{}, o.addr)
	const clients, each = 8, 30
	done := make(chan error, clients)
	for i := range clients {
		go func() {
			for j := range each {
				nc, err := net.Dial("tcp", g.addr)
				if err != nil {
					done <- err
					return
				}
				p := newPeer(t, nc)
				lines := []string{"X-A: b"}
				if j%2 == 1 { // these are served out of the poller
					lines = []string{"Connection: upgrade", "Upgrade: other"}
				}
				p.send(get(fmt.Sprintf("/client%d/request%d/%s", i, j, strings.Repeat("x", 500)), lines...))
				p.gone()
				p.Close()
			}
			done <- nil
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	seen := map[string]bool{}
	for range clients * each {
		r := g.record()
		if !strings.HasPrefix(r.target, "/client") || !strings.HasSuffix(r.target, strings.Repeat("x", 500)) || r.host != "a.test" || r.method != "GET" || seen[r.target] {
			t.Errorf("target %.60q, host %q, method %q", r.target, r.host, r.method)
		}
		seen[r.target] = true
	}
}
