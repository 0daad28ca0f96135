package proxy_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/proxy"
)

// forwarded sends one request through a gateway and returns what the upstream saw.
func forwarded(t *testing.T, s setup, request string) message {
	t.Helper()
	requests := make(chan message, 1)
	o := upstreamOf(t, capturing(requests, ok))
	g := start(t, s, o.addr)
	if m := g.ask(request); m.status() != 200 {
		t.Fatalf("answered %s", m.line)
	}
	return <-requests
}

// returned has an upstream answer with these octets and returns what the client saw.
func returned(t *testing.T, s setup, answer string) message {
	t.Helper()
	o := upstreamOf(t, answering(answer))
	return start(t, s, o.addr).ask(get("/"))
}

var trusting = setup{snapshot: func(s *proxy.Snapshot) { s.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }}

func TestHopByHopFieldsOfARequestStay(t *testing.T) {
	t.Parallel()
	m := forwarded(t, setup{}, get("/",
		"Connection: keep-alive", "Connection: X-Second, X-Hop", "Connection: close", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
		"Proxy-Authorization: Basic c2VjcmV0", "TE: gzip", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", "X-Hop: 1", "x-second: 2", "X-Stays: 3"))
	for _, name := range []string{
		"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Upgrade", "HTTP2-Settings", "X-Hop", "X-Second",
	} {
		if m.has(name) {
			t.Errorf("%s: %s was passed on", name, m.get(name))
		}
	}
	if m.get("X-Stays") != "3" {
		t.Errorf("a field that nobody nominated is gone: %q", m.lines)
	}
}

// A client that nominates what the gateway itself vouches for must not get it removed: the next hop believes it.
func TestConnectionCannotRemoveWhatTheGatewaySays(t *testing.T) {
	t.Parallel()
	m := forwarded(t, setup{}, get("/", "Connection: close, X-Forwarded-For, Via, X-Request-ID, Host, Content-Length, Forwarded, X-Forwarded-Proto"))
	for _, name := range []string{"X-Forwarded-For", "Via", "X-Request-ID", "Host", "Forwarded", "X-Forwarded-Proto"} {
		if len(m.all(name)) != 1 {
			t.Errorf("%s: %q", name, m.all(name))
		}
	}
}

func TestHopByHopFieldsOfAResponseStay(t *testing.T) {
	t.Parallel()
	m := returned(t, setup{}, "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: X-Second, X-Hop\r\nKeep-Alive: timeout=5\r\n"+
		"Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Hop: 1\r\nx-second: 2\r\nX-Stays: 3\r\nContent-Length: 2\r\n\r\nok")
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "X-Hop", "X-Second"} {
		if m.has(name) {
			t.Errorf("%s: %s was passed on", name, m.get(name))
		}
	}
	if m.get("X-Stays") != "3" || m.get("Content-Length") != "2" || m.body != "ok" {
		t.Errorf("%q %q", m.lines, m.body)
	}
}

func TestTEIsTrailersOnly(t *testing.T) {
	t.Parallel()
	m := forwarded(t, setup{}, get("/", "TE: gzip, trailers;q=0.5", "Connection: TE"))
	if te := m.get("TE"); te != "" && te != "trailers" {
		t.Errorf("TE: %s", te)
	}
	m = forwarded(t, setup{}, get("/", "TE: trailers", "Connection: TE"))
	if m.get("TE") != "trailers" || !strings.EqualFold(m.get("Connection"), "te") {
		t.Errorf("TE: %s, Connection: %s", m.get("TE"), m.get("Connection"))
	}
}

func TestVia(t *testing.T) {
	t.Parallel()
	m := forwarded(t, setup{}, get("/", "Via: 1.0 fred, 1.1 p.example.net"))
	if got := m.all("Via"); !slices.Equal(got, []string{"1.0 fred, 1.1 p.example.net", "1.1 whygate (abc123)"}) {
		t.Errorf("Via: %q", got)
	}
	// RFC 9110, section 7.6.3: the protocol is the one that the message came with.
	m = forwarded(t, setup{}, "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
	if m.get("Via") != "1.0 whygate (abc123)" {
		t.Errorf("Via of an HTTP/1.0 request: %q", m.get("Via"))
	}
}

func TestForwardedFields(t *testing.T) {
	t.Parallel()
	spoof := []string{
		"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 7.7.7.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.test", "X-Forwarded-Port: 1",
		"X-Real-IP: 6.6.6.6", "Forwarded: for=6.6.6.6;proto=https",
	}
	tests := []struct {
		name  string
		setup setup
		want  map[string][]string
	}{
		{"untrusted", setup{}, map[string][]string{
			"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"a.test:81"}, "X-Forwarded-Port": nil,
			"X-Real-IP": nil, "Forwarded": {`for=127.0.0.1;proto=http;host="a.test:81"`},
		}},
		{"trusted", trusting, map[string][]string{
			"X-Forwarded-For": {"6.6.6.6, 7.7.7.7, 127.0.0.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil.test"}, "X-Forwarded-Port": {"1"},
			"X-Real-IP": {"6.6.6.6"}, "Forwarded": {`for=6.6.6.6;proto=https, for=127.0.0.1;proto=http;host="a.test:81"`},
		}},
		{"trusted others", setup{snapshot: func(s *proxy.Snapshot) { s.Trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }}, map[string][]string{
			"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := forwarded(t, tt.setup, "GET / HTTP/1.1\r\nHost: a.test:81\r\n"+joined(spoof)+"\r\n")
			for name, want := range tt.want {
				if got := m.all(name); !slices.Equal(got, want) {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestForwardedWithNothingToTrust(t *testing.T) {
	t.Parallel()
	m := forwarded(t, trusting, get("/"))
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "a.test", "Forwarded": `for=127.0.0.1;proto=http;host="a.test"`,
	} {
		if got := m.get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	made := regexp.MustCompile(`^[0-9a-f]{32}$`)
	tests := []struct {
		name, sent string
		kept       bool
	}{
		{"made", "", false},
		{"passed on", "7b1c-42/a_b:c", true},
		{"of 128 octets", strings.Repeat("x", 128), true},
		{"too long", strings.Repeat("x", 129), false},
		{"with a space", "a b", false},
		{"with markup", "<script>", false},
		{"with a quote", `a"b`, false},
		{"not ASCII", "caf\xc3\xa9", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			requests := make(chan message, 1)
			o := upstreamOf(t, capturing(requests, ok))
			g := start(t, setup{}, o.addr)
			request := get("/")
			if tt.sent != "" {
				request = get("/", "X-Request-ID: "+tt.sent)
			}
			g.ask(request)
			m := <-requests
			id := m.get("X-Request-ID")
			if tt.kept && id != tt.sent || !tt.kept && !made.MatchString(id) {
				t.Errorf("the upstream was told %q", id)
			}
			if r := g.record(); r.id != id {
				t.Errorf("the record has %q, the upstream was told %q", r.id, id)
			}
		})
	}
}

func TestRequestIDsDiffer(t *testing.T) {
	t.Parallel()
	requests := make(chan message, 2)
	g := start(t, setup{}, upstreamOf(t, capturing(requests, ok)).addr)
	g.ask(get("/"))
	g.ask(get("/"))
	a, b := <-requests, <-requests
	if a.get("X-Request-ID") == b.get("X-Request-ID") {
		t.Error("two requests have the same id")
	}
}

func TestPassedOnAsTheyAre(t *testing.T) {
	t.Parallel()
	lines := []string{
		"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Tracestate: a=1,b=2", "tracestate: c=3", "Cookie: a=b; c=d",
		"Authorization: Bearer x", "X-Odd:    spaces around   ", "X-Empty:", "Accept-Encoding: gzip", "X-8bit: caf\xc3\xa9", "Cache-Control: no-cache", "Expect: 100-Continue",
	}
	m := forwarded(t, setup{}, get("/a/b;c=d?x=%20y&z", lines...))
	if m.line != "GET /a/b;c=d?x=%20y&z HTTP/1.1" {
		t.Errorf("request line %q", m.line)
	}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ":")
		if !slices.Contains(m.all(name), strings.TrimSpace(value)) {
			t.Errorf("%s became %q", l, m.all(name))
		}
	}
}

func TestCDNLoop(t *testing.T) {
	t.Parallel()
	m := forwarded(t, setup{}, get("/", "CDN-Loop: foo.cdn.example; v=1, bar"))
	if got := m.get("CDN-Loop"); got != "foo.cdn.example; v=1, bar, whygate-abc123" {
		t.Errorf("CDN-Loop: %s", got)
	}
}

func TestLoops(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, line string
		loop       bool
	}{
		{"via of ours", "Via: 1.1 whygate (abc123)", true},
		{"via of ours among others", "Via: 1.0 fred, 1.1 whygate (abc123) , 1.1 other", true},
		{"via of ours without its comment", "Via: 1.1 whygate", true},
		{"via of another of our name", "Via: 1.1 whygate (zzz999)", false},
		{"via of others", "Via: 1.1 whygate-eu (abc123), 1.1 x", false},
		{"cdn-loop of ours", "CDN-Loop: a, whygate-abc123; x=1", true},
		{"cdn-loop of others", "CDN-Loop: whygate-zzz999, whygate", false},
	}
	o := upstreamOf(t, answering(ok))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := start(t, setup{}, o.addr)
			m := g.ask(get("/", tt.line))
			if !tt.loop {
				if m.status() != 200 {
					t.Errorf("answered %s", m.line)
				}
				return
			}
			if m.status() != 502 || !strings.Contains(m.get("Proxy-Status"), "error=proxy_loop_detected") {
				t.Errorf("answered %s, Proxy-Status: %s", m.line, m.get("Proxy-Status"))
			}
			g.want(502, fault.CauseProxyLoop)
		})
	}
}

// Two gateways in a ring end the request at the one that it passes for the second time.
func TestLoopThroughAnotherGateway(t *testing.T) {
	t.Parallel()
	b := start(t, setup{snapshot: func(s *proxy.Snapshot) { s.Instance = "second" }}, refusing(t))
	a := start(t, setup{}, b.addr)
	// The second one's endpoint is the first.
	_, pool := build(t, setup{}, a.addr)
	snap := *b.proxy.Snapshot()
	snap.Routes = []proxy.Route{{Name: "back", Pool: pool}}
	b.proxy.Use(snap.Prepare())
	t.Cleanup(func() { pool.Endpoints[0].Target.Close() })
	m := a.ask(get("/"))
	if m.status() != 502 || !strings.Contains(m.get("Proxy-Status"), "error=proxy_loop_detected") {
		t.Errorf("answered %s, Proxy-Status: %s", m.line, m.get("Proxy-Status"))
	}
	// The first one has two exchanges: its client's, which was passed on, and the second gateway's, which it refused.
	if x, y := a.record().Fault.Cause, a.record().Fault.Cause; x != fault.CauseProxyLoop && y != fault.CauseProxyLoop || x == y {
		t.Errorf("causes %s and %s", x, y)
	}
}

func TestEdits(t *testing.T) {
	t.Parallel()
	requests := make(chan message, 1)
	o := upstreamOf(t, capturing(requests, "HTTP/1.1 200 OK\r\nServer: secret/1.2\r\nX-Powered-By: x\r\nX-Set: theirs\r\nx-set: again\r\nContent-Length: 2\r\n\r\nok"))
	g := start(t, setup{route: func(r *proxy.Route) {
		r.SetRequest = []proxy.Edit{{Name: "X-Set", Value: "ours"}, {Name: "Cookie"}, {Name: "X-New", Value: "new"}}
		r.SetResponse = []proxy.Edit{{Name: "X-Set", Value: "ours"}, {Name: "Server"}, {Name: "x-powered-by"}, {Name: "X-New", Value: "new"}}
	}}, o.addr)
	m := g.ask(get("/", "x-set: theirs", "X-Set: again", "Cookie: a=b", "X-Other: 1"))
	q := <-requests
	for _, tt := range []struct {
		where message
		name  string
		want  []string
	}{
		{q, "X-Set", []string{"ours"}},
		{q, "Cookie", nil},
		{q, "X-New", []string{"new"}},
		{q, "X-Other", []string{"1"}},
		{m, "X-Set", []string{"ours"}},
		{m, "Server", nil},
		{m, "X-Powered-By", nil},
		{m, "X-New", []string{"new"}},
	} {
		if got := tt.where.all(tt.name); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q in %q", tt.name, got, tt.want, tt.where.lines)
		}
	}
}

// What the gateway makes itself can be set too, and is then there once.
func TestEditsOfWhatTheGatewayMakes(t *testing.T) {
	t.Parallel()
	names := []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Request-ID", "Via"}
	for _, value := range []string{"set", ""} {
		s := setup{route: func(r *proxy.Route) {
			for _, n := range names {
				r.SetRequest = append(r.SetRequest, proxy.Edit{Name: n, Value: value})
			}
		}}
		m := forwarded(t, s, get("/"))
		for _, n := range names {
			want := []string{value}
			if value == "" {
				want = nil
			}
			if n == "Via" { // RFC 9110, section 7.6.3: a gateway MUST send it in each request
				continue
			}
			if got := m.all(n); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", n, got, want)
			}
		}
	}
}

func TestStrip(t *testing.T) {
	t.Parallel()
	tests := []struct{ sent, want string }{
		{"/api/users?x=1", "/users?x=1"},
		{"/api/", "/"},
		{"/api", "/"},
		{"/api?x", "/?x"},
		{"/apis/users", "/apis/users"},
		{"/other/api/x", "/other/api/x"},
		{"/api//x", "//x"},
		{"/x/../api/users", "/users"},
		{"/%61pi/users", "/users"},
		{"/api/a%2Fb", "/a%2Fb"},
		{"http://a.test/api/users", "/users"},
	}
	for _, tt := range tests {
		t.Run(tt.sent, func(t *testing.T) {
			t.Parallel()
			m := forwarded(t, setup{route: func(r *proxy.Route) { r.Strip = "/api" }}, get(tt.sent))
			if want := "GET " + tt.want + " HTTP/1.1"; m.line != want {
				t.Errorf("%q, want %q", m.line, want)
			}
		})
	}
}

func TestTargetForms(t *testing.T) {
	t.Parallel()
	tests := []struct{ sent, want, host string }{
		{"GET http://b.test:8080/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET /x?y HTTP/1.1", "b.test:8080"},
		{"GET http://b.test HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET / HTTP/1.1", "b.test"},
		{"GET http://b.test?y HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET /?y HTTP/1.1", "b.test"},
		{"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", "OPTIONS * HTTP/1.1", "a.test"},
		{"OPTIONS http://b.test HTTP/1.1\r\nHost: b.test\r\n\r\n", "OPTIONS * HTTP/1.1", "b.test"},
		{"M-SEARCH /x HTTP/1.1\r\nHost: a.test\r\n\r\n", "M-SEARCH /x HTTP/1.1", "a.test"},
		{"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", "GET / HTTP/1.1", "a.test"},
	}
	for _, tt := range tests {
		m := forwarded(t, setup{}, tt.sent)
		if m.line != tt.want || m.get("Host") != tt.host || m.get("X-Forwarded-Host") != tt.host {
			t.Errorf("%q became %q, Host: %s, X-Forwarded-Host: %s", tt.sent, m.line, m.get("Host"), m.get("X-Forwarded-Host"))
		}
	}
}

func TestHostModes(t *testing.T) {
	t.Parallel()
	requests := make(chan message, 1)
	o := upstreamOf(t, capturing(requests, ok))
	for _, tt := range []struct {
		mode       proxy.Host
		name, want string
	}{{proxy.HostClient, "", "a.test"}, {proxy.HostEndpoint, "", o.addr}, {proxy.HostFixed, "fixed.test", "fixed.test"}} {
		g := start(t, setup{pool: func(p *proxy.Pool) { p.Host, p.HostName = tt.mode, []byte(tt.name) }}, o.addr)
		g.ask(get("/"))
		m := <-requests
		if !slices.Equal(m.all("Host"), []string{tt.want}) || m.get("X-Forwarded-Host") != "a.test" {
			t.Errorf("mode %d: Host: %q, X-Forwarded-Host: %s", tt.mode, m.all("Host"), m.get("X-Forwarded-Host"))
		}
	}
}

func TestMaxForwards(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ method, sent, want string }{
		{"OPTIONS", "5", "4"}, {"OPTIONS", "1", "0"}, {"GET", "5", "5"}, {"OPTIONS", "many", "many"},
	} {
		m := forwarded(t, setup{}, tt.method+" / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: "+tt.sent+"\r\n\r\n")
		if got := m.get("Max-Forwards"); got != tt.want {
			t.Errorf("%s with %s: %s, want %s", tt.method, tt.sent, got, tt.want)
		}
	}
	// RFC 9110, section 7.6.2: at 0 the recipient is the final one, and answers itself.
	g := start(t, setup{}, refusing(t))
	c := g.dial()
	c.send("OPTIONS * HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 0\r\n\r\n")
	if m := c.response("OPTIONS"); m.status()/100 != 2 {
		t.Errorf("answered %s", m.line)
	}
	c.send("OPTIONS / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 0\r\n\r\n")
	if m := c.response("OPTIONS"); m.status()/100 != 2 {
		t.Errorf("answered %s", m.line)
	}
}

func TestResponseHeadIsPassedOn(t *testing.T) {
	t.Parallel()
	m := returned(t, setup{}, "HTTP/1.1 299 A Reason Of Its Own\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: x\r\nDate: y\r\nX-8bit: caf\xe9\r\n"+
		"Cache-Control: no-store\r\nVia: 1.1 inner\r\nETag: \"x\"\r\nContent-Length: 2\r\n\r\nok")
	want := []string{"Set-Cookie: a=1", "Set-Cookie: b=2", "Server: x", "Date: y", "X-8bit: caf\xe9", "Cache-Control: no-store", "Via: 1.1 inner", `ETag: "x"`}
	if m.line != "HTTP/1.1 299 A Reason Of Its Own" || !slices.Equal(m.lines[:len(want)], want) {
		t.Errorf("%q %q", m.line, m.lines)
	}
}

// Upstream errors are the upstream's: they pass through unchanged, and Proxy-Status says so.
func TestUpstreamErrorsPassThrough(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"500", "502", "503", "504", "599"} {
		o := upstreamOf(t, answering("HTTP/1.1 "+status+" Oh\r\nContent-Length: 5\r\n\r\nsorry"))
		g := start(t, setup{}, o.addr)
		m := g.ask(get("/"))
		if m.line != "HTTP/1.1 "+status+" Oh" || m.body != "sorry" || m.get("Proxy-Status") != "whygate; received-status="+status {
			t.Errorf("%s %q %q", m.line, m.get("Proxy-Status"), m.body)
		}
		r := g.record()
		if r.By.String() != "origin" || r.Fault.Cause != fault.CauseUpstreamStatus || g.failures(0) != 0 || o.conns.Load() != 1 {
			t.Errorf("%s: by %s, cause %s, %d failures, %d connections", status, r.By, r.Fault.Cause, g.failures(0), o.conns.Load())
		}
	}
}

// RFC 9112, section 5.1: whitespace before the colon of a response's field is removed, whatever the field is and whether the
// response is final.
func TestSpaceBeforeColonIsRemoved(t *testing.T) {
	for _, line := range []string{"X-Foo :bar", "X-Foo : bar", "X-Foo\t:bar", "X-Foo \t :  bar"} {
		o := upstreamOf(t, answering("HTTP/1.1 103 Early Hints\r\n"+line+"\r\n\r\nHTTP/1.1 200 OK\r\nServer: a\r\n"+line+"\r\nContent-Length: 2\r\n\r\nok"))
		g := start(t, setup{}, o.addr)
		m := g.ask(get("/"))
		if !slices.Contains(m.lines, "X-Foo: bar") || len(m.interim) != 1 || !strings.Contains(m.interim[0], "X-Foo: bar") {
			t.Errorf("%q is passed on as %q and %q", line, m.lines, m.interim)
		}
	}
}

// Whatever tells who the client is, or what it asked for, is dropped from a peer that is not trusted: by rule for the
// X-Forwarded family in any spelling, by name for its relatives; in trailers too.
func TestClaimsOfAnybody(t *testing.T) {
	t.Parallel()
	spoofs := []string{
		"X-Forwarded: for=6", "X-Forwarded-Ssl: on", "X-Forwarded-Scheme: https", "X-Forwarded-Prefix: /evil", "X-Forwarded-Server: evil",
		"x-forwarded-user: root", "X_Forwarded_Prefix: /evil", "X-Forwarded_Ssl: on", "X-FORWARDED-TLS-CLIENT-CERT: x", "X-Forwarded-: 1",
		"True-Client-IP: 6.6.6.6", "CF-Connecting-IP: 6.6.6.6", "X-Client-IP: 6.6.6.6", "X_Client_Ip: 6.6.6.6", "X-Original-URL: /admin",
		"X-Rewrite-URL: /admin", "Front-End-Https: on", "X-Cluster-Client-Ip: 6.6.6.6", "Proxy: http://evil",
		"Client-Cert: :AA==:", "client_cert_chain: :AA==:", "X-Client-Cert-Subject: CN=root", "x_client_cert_subject: CN=root",
	}
	fine := []string{"X-Forward: 1", "X-Foo: 1", "X-Original-Name: a.png", "True-Client: 1", "Proxy-Foo: 1"}
	request := "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n" + joined(append(spoofs[:len(spoofs):len(spoofs)], fine...)) +
		"\r\n2\r\nhi\r\n0\r\nX-Forwarded-Ssl: on\r\nTrue-Client-IP: 6.6.6.6\r\nX-Client-Cert-Subject: CN=root\r\nX-Sum: 1\r\n\r\n"
	m := forwarded(t, setup{}, request)
	for _, l := range spoofs {
		name, value, _ := strings.Cut(l, ": ")
		if slices.Contains(m.all(name), value) {
			t.Errorf("anybody's %q is passed on", l)
		}
	}
	for _, l := range fine {
		if !slices.Contains(m.lines, l) {
			t.Errorf("%q is missing", l)
		}
	}
	if !slices.Equal(m.trailers, []string{"X-Sum: 1"}) {
		t.Errorf("trailers %q", m.trailers)
	}
	m = forwarded(t, trusting, request)
	for _, l := range []string{"X-Client-Cert-Subject: CN=root", "x_client_cert_subject: CN=root"} {
		if slices.Contains(m.lines, l) {
			t.Errorf("a trusted peer's %q is passed on", l)
		}
	}
	for _, l := range []string{"X-Forwarded-Ssl: on", "X-Forwarded-Prefix: /evil", "True-Client-IP: 6.6.6.6", "Client-Cert: :AA==:"} {
		if !slices.Contains(m.lines, l) {
			t.Errorf("a trusted peer's %q is missing", l)
		}
	}
}

// A trusted proxy's Forwarded that is no list is left out: an open quote would swallow what is appended to it.
func TestForwardedThatIsNoList(t *testing.T) {
	t.Parallel()
	const own = `for=127.0.0.1;proto=http;host="a.test"`
	for value, want := range map[string]string{
		`for="x`:                    own,
		`for=1.2.3.4, for="x\"`:     own,
		`for=`:                      own,
		`for=a b`:                   own,
		`=a`:                        own,
		`for=1.2.3.4, for="[::1]"`:  `for=1.2.3.4, for="[::1]", ` + own,
		`for="a,b;c\"d";by=_x, , `:  `for="a,b;c\"d";by=_x, ,, ` + own,
		"for=1.2.3.4 ;\tproto=http": "for=1.2.3.4 ;\tproto=http, " + own,
	} {
		m := forwarded(t, trusting, get("/", "Forwarded: "+value))
		if got := m.get("Forwarded"); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
	m := forwarded(t, trusting, get("/", "Forwarded: for=1.2.3.4", `Forwarded: for="x`))
	if got := m.get("Forwarded"); got != own {
		t.Errorf("two lines, one of them broken: %s", got)
	}
	m = forwarded(t, trusting, get("/", `CDN-Loop: other; x="y`))
	if got := m.get("CDN-Loop"); got != "whygate-abc123" {
		t.Errorf("CDN-Loop: %s", got)
	}
}

// Every answer has the request's id, so that whoever has the answer finds the log line.
func TestEveryAnswerHasTheRequestID(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ sent, answered, want string }{
		{"", "", "made"}, {"X-Request-ID: mine", "", "mine"}, {"X-Request-ID: mine", "X-Request-Id: theirs\r\n", "theirs"},
	} {
		o := upstreamOf(t, answering("HTTP/1.1 200 OK\r\n"+tt.answered+"Content-Length: 2\r\n\r\nok"))
		g := start(t, setup{}, o.addr)
		lines := []string{}
		if tt.sent != "" {
			lines = append(lines, tt.sent)
		}
		m := g.ask(get("/", lines...))
		r := g.record()
		want := tt.want
		if want == "made" {
			want = r.id
		}
		if got := m.get("X-Request-ID"); got != want || got == "" {
			t.Errorf("%+v: %q, want %q", tt, got, want)
		}
	}
}

// A port that speaks TLS and was never known to do otherwise is said to, also where it closes without a word; one that has
// answered in HTTP is not asked.
func TestAPlainRequestToATLSPort(t *testing.T) {
	t.Parallel()
	cert, _ := certificate()
	var handshakes atomic.Int32
	o := upstreamOf(t, func(p *peer) {
		if b, err := p.r.Peek(1); err != nil || b[0] != 0x16 {
			return // as Node does
		}
		handshakes.Add(1)
		c := tls.Server(&buffered{p.Conn, p.r}, &tls.Config{Certificates: []tls.Certificate{cert}})
		_ = c.Handshake()
	})
	g := start(t, setup{}, o.addr)
	for range 3 {
		g.ask(get("/"))
		g.want(502, fault.CausePlainToTLSPort)
	}
	if n := handshakes.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	var conns atomic.Int32
	known := upstreamOf(t, func(p *peer) {
		if q, ok := p.request(); ok && strings.Contains(q.line, "/good") {
			p.send(ok2)
		}
		conns.Add(1)
	})
	g = start(t, setup{}, known.addr)
	g.ask(get("/good"))
	g.want(200, fault.CauseNone)
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi")
	c.response("POST")
	g.want(502, fault.CauseClosedBeforeAnswer)
	if n := conns.Load(); n != 2 {
		t.Errorf("%d connections: an endpoint that has answered is asked whether it speaks TLS", n)
	}
}

const ok2 = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

// buffered is a connection of which some was read ahead.
type buffered struct {
	net.Conn
	r io.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }
