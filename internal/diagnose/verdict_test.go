package diagnose

import (
	"encoding/json"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
)

// walkTo makes a walk whose connection stands, with the main request given.
func walkTo(address string, x *Exchange) *Walk {
	t, _ := parseTarget("http://" + address + "/")
	w := &Walk{Target: t, Path: []*Path{{Address: address, Evidence: &fault.Evidence{Declared: -1}}}}
	if x != nil {
		w.HTTP = &HTTP{Main: x}
	}
	return w
}

// answer is an exchange that was answered in order.
func answer(status int, body string, fields ...string) *Exchange {
	x := &Exchange{Method: "GET", Status: status, Evidence: &fault.Evidence{Stage: fault.Done, Status: status, Declared: -1}, BodySize: int64(len(body)), HeadSize: 120}
	x.Cause = fault.Classify(x.Evidence).Cause
	x.answer = fingerprint.Answer{Status: status, Body: []byte(body)}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		x.answer.Fields = append(x.answer.Fields, fingerprint.Field{Name: name, Value: value})
	}
	return x
}

// broke is an exchange that ended so.
func broke(e fault.Evidence) *Exchange {
	e.Declared = -1
	e.Endpoint = "http://10.0.0.1"
	return &Exchange{Method: "GET", Evidence: &e, Cause: fault.Classify(&e).Cause, Status: e.Status}
}

// nginxPage is nginx's own error page.
func nginxPage(title string) string {
	return "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title + "</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
}

func nginx(status int, title string) *Exchange {
	return answer(status, nginxPage(title), "Server: nginx")
}

// report puts walks together, as Run does.
func report(w *Walk, upstreams ...*Walk) *Report {
	r := &Report{Walk: w, Upstreams: upstreams}
	for _, u := range upstreams {
		u.Target.Upstream = true
	}
	if x := w.main(); x.answered() {
		r.SaidBy = fingerprint.Chain(&x.answer)
	}
	return r
}

// refusedAt is a walk to an address that refuses.
func refusedAt(address string) *Walk {
	w := walkTo(address, nil)
	e := &fault.Evidence{Stage: fault.Dial, End: fault.Refused, Errno: syscall.ECONNREFUSED, Endpoint: address, Addr: address, Declared: -1}
	w.Path[0].Evidence, w.Path[0].Cause = e, fault.CauseConnectionRefused
	return w
}

// unnamed is a walk whose name gives no address.
func unnamed(d *fault.DNS, n Name) *Walk {
	w := walkTo("10.0.0.1:80", nil)
	w.Path = nil
	a := &DNSAnswer{Answered: d.Answered, rcode: d.RCode, RCode: fault.RCodeName(d.RCode), EDE: d.EDE}
	n.Host, n.Servers = "app.test", []*ServerSays{{Server: "10.0.0.53:53", A: a, AAAA: a}}
	n.judge(nil, time.Second)
	w.Name = &n
	return w
}

// ways edits a walk.
func with(w *Walk, edit func(*Walk)) *Walk {
	edit(w)
	return w
}

// Addresses of the cases: a gateway's and an upstream's.
const (
	gate = "10.0.0.1:80"
	up   = "10.0.0.7:8080"
)

// ok is an answer in order.
func ok() *Exchange { return answer(200, "fine") }

// Ends of the cases' main requests.
var (
	silence   = fault.Evidence{Stage: fault.FirstByte, End: fault.Timeout, Timer: fault.TimerHead, After: time.Second, Sent: 100}
	reset     = fault.Evidence{Stage: fault.FirstByte, End: fault.Reset, Errno: syscall.ECONNRESET, Sent: 100}
	race      = fault.Evidence{Stage: fault.FirstByte, End: fault.Closed, Reused: true, Nth: 2, Sent: 100}
	untrusted = fault.Evidence{Stage: fault.TLS, End: fault.Untrusted, Cert: &fault.Certificate{Problem: fault.CertUnknownAuthority}}
)

// judgeCases has one case for each way the verdict decides.
var judgeCases = []struct {
	name       string
	report     *Report
	cause      fault.Cause
	confidence Confidence
	at         string
	says       string // stands in sentence, proof, missing, notes or pattern
}{
	{"healthy", report(walkTo(gate, ok())), fault.CauseNone, Certain, gate, "answers 200"},
	{"an answer of 404 is no fault", report(walkTo(gate, answer(404, ""))), fault.CauseNone, Certain, gate, "no fault on the way"},
	{"healthy, upstreams too", report(walkTo(gate, ok()), walkTo(up, ok())), fault.CauseNone, Certain, gate, "answers 200"},
	{"an IPv6 address and no IPv6 here", report(with(walkTo(gate, ok()), func(w *Walk) {
		w.Path = append(w.Path, &Path{Address: "[fd00::1]:80", NoFamily: true, Cause: fault.CauseNetworkUnreachable, Evidence: &fault.Evidence{Stage: fault.Dial, End: fault.Unreachable, Errno: syscall.ENETUNREACH}})
	})), fault.CauseNone, Certain, gate, "no route for IPv6"},

	{"NXDOMAIN", report(unnamed(&fault.DNS{Answered: true, RCode: 3, EDE: -1}, Name{})), fault.CauseDNSNXDomain, Certain, gate, "NXDOMAIN"},
	{"silence of the name server", report(unnamed(&fault.DNS{EDE: -1}, Name{})), fault.CauseDNSTimeout, Certain, gate, "did not answer"},
	{"bogus by CD", report(unnamed(&fault.DNS{Answered: true, RCode: 2, EDE: -1}, Name{Bogus: true})), fault.CauseDNSBogus, Certain, gate, "SERVFAIL"},
	{"a sinkhole", report(unnamed(&fault.DNS{Answered: true, EDE: -1}, Name{Sinkhole: true, Addresses: []string{"0.0.0.0"}})), fault.CauseDNSBlocked, Certain, gate, "leads nowhere"},
	{"no name server", report(unnamed(&fault.DNS{EDE: -1}, Name{NoServer: true})), fault.CauseDNSNoResolver, Certain, gate, "no name server"},

	{"slow look-ups", report(with(walkTo(gate, ok()), func(w *Walk) {
		w.Name = &Name{Host: "app.test", Addresses: []string{"10.0.0.1"}, Took: Millis(5 * time.Second), Servers: []*ServerSays{{Server: "10.0.0.53:53", A: &DNSAnswer{}, AAAA: &DNSAnswer{}}}}
	})), fault.CauseDNSTimeout, Likely, gate, "10.0.0.53:53 does not answer at all"},
	{"a look-up that takes half a second", report(with(walkTo(gate, ok()), func(w *Walk) {
		w.Name = &Name{Host: "app.test", Addresses: []string{"10.0.0.1"}, Took: Millis(500 * time.Millisecond), Servers: []*ServerSays{{Server: "10.0.0.53:53", A: &DNSAnswer{}, AAAA: &DNSAnswer{}}}}
	})), fault.CauseNone, Certain, gate, "answers 200"},

	{"refused", report(refusedAt(gate)), fault.CauseConnectionRefused, Certain, gate, "ECONNREFUSED"},
	{"a filter says so", report(with(refusedAt(gate), func(w *Walk) {
		d := dialled{errno: syscall.EHOSTUNREACH, icmp: &ICMP{Type: 3, Code: 13, Name: "administratively prohibited", From: "10.0.0.254"}}
		p := w.Path[0]
		p.Evidence, p.ICMP = d.evidence(gate, time.Second), d.icmp
		p.Cause = fault.Classify(p.Evidence).Cause
	})), fault.CauseFirewallRejected, Certain, gate, "ICMP 3/13"},
	{"one of two addresses", report(with(walkTo(gate, ok()), func(w *Walk) { w.Path = append(w.Path, refusedAt("10.0.0.2:80").Path[0]) })), fault.CauseConnectionRefused, Certain, gate, "only on 10.0.0.2:80"},
	{"the accept queue is full", report(with(refusedAt(gate), func(w *Walk) {
		w.Path[0].Evidence = &fault.Evidence{Stage: fault.Dial, End: fault.Timeout, Timer: fault.TimerConnect}
		w.Path[0].Cause, w.Path[0].Queue = fault.CauseConnectTimeout, &Queue{Length: 3, Max: 2, Rose: 4}
	})), fault.CauseConnectTimeout, Certain, gate, "accept queue is full"},

	{"a missing intermediate", report(with(walkTo(gate, broke(untrusted)), func(w *Walk) {
		w.TLS = &TLS{Completed: true, Problem: "x509: certificate signed by unknown authority", Missing: "CN=R11"}
	})), fault.CauseTLSCertificateUnknownAuthority, Certain, gate, "CN=R11"},
	{"old versions only", report(with(walkTo(gate, broke(fault.Evidence{Stage: fault.TLS, End: fault.Alert, Alert: 40})), func(w *Walk) {
		w.TLS = &TLS{Versions: []Tried{{What: "TLS 1.0", OK: true}, {What: "TLS 1.2"}}}
	})), fault.CauseTLSVersionMismatch, Certain, gate, "TLS 1.0 only"},
	{"the name is the matter", report(with(walkTo(gate, broke(fault.Evidence{Stage: fault.TLS, End: fault.Alert, Alert: 80})), func(w *Walk) {
		w.TLS = &TLS{NoSNI: &Tried{OK: true}}
	})), fault.CauseTLSNameUnknown, Likely, gate, "without SNI"},
	{"TLS to a port that waits for a line", report(with(walkTo(gate, broke(fault.Evidence{Stage: fault.TLS, End: fault.Timeout, Timer: fault.TimerTLS})), func(w *Walk) {
		w.TLS = &TLS{Plain: &Plain{Status: 200}}
	})), fault.CauseTLSToPlainPort, Certain, gate, "plain HTTP with 200"},
	{"clear to a TLS port that hangs up", report(with(walkTo(gate, broke(reset)), func(w *Walk) { w.HTTP.TLSWorks = &Tried{OK: true, Detail: "TLS 1.3"} })), fault.CausePlainToTLSPort, Certain, gate, "handshake"},
	{"clear to a TLS port that says so", report(walkTo(gate, answer(400, "Client sent an HTTP request to an HTTPS server."))), fault.CausePlainToTLSPort, Certain, gate, "HTTPS server"},

	{"silence", report(walkTo(gate, broke(silence))), fault.CauseHeadTimeout, Certain, gate, "timeout"},
	{"large packets vanish", report(with(walkTo(gate, broke(silence)), func(w *Walk) { w.Path[0].MTU = &MTU{Passed: 576, Vanished: 1024} })), fault.CauseConnectionLost, Likely, gate, "1024"},
	{"and small segments pass", report(with(walkTo(gate, broke(silence)), func(w *Walk) { w.HTTP.Clamped = answer(200, "") })), fault.CauseConnectionLost, Certain, gate, "segments of 480"},
	{"a greeting that came first", report(with(walkTo(gate, broke(silence)), func(w *Walk) {
		w.HTTP.Spoke = &Spoke{First: "SSH-2.0-x", sample: []byte("SSH-2.0-OpenSSH_9\r\n")}
	})), fault.CauseWrongService, Certain, gate, "SSH-2.0"},
	{"a close that came first", report(with(walkTo(gate, broke(silence)), func(w *Walk) { w.HTTP.Spoke = &Spoke{Closed: true} })), fault.CauseClosedBeforeAnswer, Likely, gate, "closes"},
	{"a proxy of TCP closes so too", report(walkTo(gate, broke(fault.Evidence{Stage: fault.FirstByte, End: fault.Closed, Sent: 100}))), fault.CauseClosedBeforeAnswer, Likely, gate, "stunnel"},
	{"a filter of queries", report(with(walkTo(gate, broke(reset)), func(w *Walk) { w.HTTP.Bare = ok() })), fault.CauseContentFilter, Likely, gate, "without its query"},
	{"a filter of user agents", report(with(walkTo(gate, answer(403, "no")), func(w *Walk) { w.HTTP.Browser = ok() })), fault.CauseContentFilter, Certain, gate, "browser"},
	{"a refusal", report(walkTo(gate, answer(403, "no"))), fault.CauseRequestDenied, Possible, gate, "error log"},
	{"sometimes", report(with(walkTo(gate, ok()), func(w *Walk) {
		w.Again = &Again{Exchanges: []*Exchange{ok(), broke(fault.Evidence{Stage: fault.FirstByte, End: fault.Closed, Sent: 9})}}
		w.Again.judge(w.HTTP.Main)
	})), fault.CauseClosedBeforeAnswer, Certain, gate, "sometimes: 1 of 3"},
	{"on kept connections", report(with(walkTo(gate, ok()), func(w *Walk) {
		x := broke(race)
		x.Reused = true
		w.Again = &Again{Exchanges: []*Exchange{x}}
		w.Again.judge(w.HTTP.Main)
	})), fault.CauseKeepaliveRace, Certain, gate, "kept"},
	{"HTTP/2 is offered only", report(with(walkTo(gate, ok()), func(w *Walk) { w.HTTP.H2 = &H2{Error: "EOF", Cause: fault.CauseHTTP2ProtocolError} })), fault.CauseHTTP2ProtocolError, Likely, gate, "HTTP/2"},

	{"a circle", report(with(walkTo(gate, answer(301, "", "Location: /")), func(w *Walk) { w.HTTP.Loop = "http://10.0.0.1/" })), fault.CauseRedirectLoop, Certain, gate, "circle"},
	{"421", report(walkTo(gate, answer(421, ""))), fault.CauseWrongHost, Likely, gate, "Misdirected"},
	{"429", report(walkTo(gate, answer(429, "", "Retry-After: 7"))), fault.CauseRateLimited, Certain, gate, "Retry-After: 7"},
	{"500", report(walkTo(gate, answer(500, "oops"))), fault.CauseApplicationError, Likely, gate, "500"},
	{"503 of maintenance", report(walkTo(gate, answer(503, "Down for maintenance"))), fault.CauseMaintenance, Likely, gate, "maintenance"},
	{"503 of load", report(walkTo(gate, answer(503, "server too busy"))), fault.CauseUpstreamOverloaded, Likely, gate, "busy"},
	{"503 for long", report(walkTo(gate, answer(503, "", "Retry-After: 600"))), fault.CauseMaintenance, Possible, gate, "600"},
	{"503 for a moment", report(walkTo(gate, answer(503, "", "Retry-After: 1"))), fault.CauseUpstreamOverloaded, Possible, gate, "moment"},
	{"508", report(walkTo(gate, answer(508, ""))), fault.CauseProxyLoop, Likely, gate, "508"},
	{"Cloudflare's code", report(walkTo(gate, answer(521, "", "Server: cloudflare"))), fault.CauseConnectionRefused, Likely, gate, "Cloudflare"},
	{"Envoy's words", report(walkTo(gate, answer(503, "upstream connect error or disconnect/reset before headers. reset reason: connection timeout"))), fault.CauseConnectTimeout, Likely, gate, "reset reason"},
	{"Proxy-Status", report(walkTo(gate, answer(502, "", "Proxy-Status: gw; error=connection_refused; next-hop=\"10.0.0.7\""))), fault.CauseConnectionRefused, Likely, gate, "connection_refused"},
	{"a 502 of nobody known", report(walkTo(gate, answer(502, "oops"))), fault.CauseUpstreamStatus, Likely, gate, "--upstream"},
	{"a 502 of nginx alone", report(walkTo(gate, nginx(502, "502 Bad Gateway"))), fault.CauseUnknown, Possible, gate, "--upstream"},
	{"a 504 of nginx alone", report(walkTo(gate, nginx(504, "504 Gateway Time-out"))), fault.CauseHeadTimeout, Possible, gate, "nginx"},
	{"a 500 of nginx itself", report(walkTo(gate, nginx(500, "500 Internal Server Error"))), fault.CauseInternalError, Possible, gate, "error log"},

	{"behind the gateway: refused", report(walkTo(gate, nginx(502, "502 Bad Gateway")), refusedAt(up)), fault.CauseConnectionRefused, Certain, up, "nginx answers 502"},
	{"behind the gateway: one of two", report(walkTo(gate, ok()), refusedAt(up), walkTo("10.0.0.8:8080", ok())), fault.CauseConnectionRefused, Certain, up, "1 of 2"},
	{"a chain whose last link is broken", report(walkTo(gate, ok()), walkTo(up, nginx(502, "502 Bad Gateway")), refusedAt("10.0.0.8:8080")), fault.CauseConnectionRefused, Certain, "10.0.0.8:8080", "hides it: 2 of 2 upstreams fail"},
	{"behind the gateway: both", report(walkTo(gate, nginx(502, "502 Bad Gateway")), refusedAt(up), refusedAt("10.0.0.8:8080")), fault.CauseConnectionRefused, Certain, up, "all 2"},
	{"passed through", report(walkTo(gate, answer(500, "oops")), walkTo(up, answer(500, "oops"))), fault.CauseApplicationError, Likely, up, "500"},
	{"the gateway is not reached", report(refusedAt(gate), refusedAt(up)), fault.CauseConnectionRefused, Certain, gate, "ECONNREFUSED"},
	{"the gateway limits", report(walkTo(gate, answer(429, "")), walkTo(up, ok())), fault.CauseRateLimited, Certain, gate, "straight"},
	{"the head is too large for it", report(walkTo(gate, nginx(502, "502 Bad Gateway")), with(walkTo(up, ok()), func(w *Walk) { w.HTTP.Main.HeadSize = 24 << 10 })), fault.CauseHeadTooLarge, Certain, up, "24576"},
	{"slower than it waits", report(with(walkTo(gate, nginx(504, "504 Gateway Time-out")), func(w *Walk) { w.HTTP.Main.FirstByte = Millis(time.Second) }), with(walkTo(up, ok()), func(w *Walk) { w.HTTP.Main.FirstByte = Millis(3 * time.Second) })), fault.CauseHeadTimeout, Certain, up, "gives up after"},
	{"it sends no name", report(walkTo(gate, nginx(502, "502 Bad Gateway")), with(walkTo(up, ok()), func(w *Walk) { w.TLS = &TLS{Completed: true, NoSNI: &Tried{}} })), fault.CauseTLSNameUnknown, Likely, up, "SNI"},
	{"it cannot be told", report(walkTo(gate, nginx(502, "502 Bad Gateway")), walkTo(up, ok())), fault.CauseUnknown, Possible, gate, "scheme"},
	{"it holds them to be down", report(walkTo(gate, answer(503, "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n")), walkTo(up, ok())), fault.CauseNobodyAvailable, Likely, gate, "health check"},
	{"a database that refuses is the application's", report(walkTo(gate, answer(500, "dial tcp 10.0.0.9:5432: connect: connection refused"))), fault.CauseApplicationError, Likely, gate, "itself"},
	{"a code of Cloudflare's from somebody else", report(walkTo(gate, answer(522, ""))), fault.CauseConnectTimeout, Possible, gate, "Cloudflare"},
	{"530 of somebody else", report(walkTo(gate, answer(530, "site frozen"))), fault.CauseUpstreamStatus, Likely, gate, "530"},
	{"529 of anybody", report(walkTo(gate, answer(529, "{}"))), fault.CauseUpstreamOverloaded, Possible, gate, "529"},
	{"Traefik's words", report(walkTo(gate, answer(503, "no available server\n"))), fault.CauseNobodyAvailable, Likely, gate, "no available server"},
	{"a quick 502 is no timeout", report(walkTo(gate, nginx(502, "502 Bad Gateway")), with(walkTo(up, ok()), func(w *Walk) { w.HTTP.Main.FirstByte = Millis(800 * time.Millisecond) })), fault.CauseUnknown, Possible, gate, "answers well"},
	{"an upstream that lets only the gateway in", report(walkTo(gate, ok()), walkTo(up, answer(403, "no"))), fault.CauseNone, Certain, gate, "403"},
	{"a certificate that the gateway takes", report(walkTo(gate, ok()), walkTo(up, broke(untrusted))), fault.CauseNone, Certain, gate, "answers 200"},
	{"an upstream named with a wrong scheme", report(walkTo(gate, ok()), with(walkTo(up, broke(reset)), func(w *Walk) { w.HTTP.TLSWorks = &Tried{OK: true, Detail: "TLS 1.3"} })), fault.CauseNone, Certain, gate, "name it --upstream https://10.0.0.7:8080"},
	{"and a gateway that fails", report(walkTo(gate, nginx(502, "502 Bad Gateway")), with(walkTo(up, broke(reset)), func(w *Walk) { w.HTTP.TLSWorks = &Tried{OK: true, Detail: "TLS 1.3"} })), fault.CausePlainToTLSPort, Likely, up, "as --upstream has it"},
	{"a 403 explains no 502", report(walkTo(gate, nginx(502, "502 Bad Gateway")), walkTo(up, answer(403, "no"))), fault.CauseUnknown, Possible, gate, "straight"},
	{"a certificate that the gateway does not take", report(walkTo(gate, nginx(502, "502 Bad Gateway")), walkTo(up, broke(untrusted))), fault.CauseTLSCertificateUnknownAuthority, Certain, up, "nginx answers 502"},
	{"limited pings are no black hole", report(with(walkTo(gate, broke(silence)), func(w *Walk) {
		w.Path[0].MTU = &MTU{Passed: 576, Vanished: 1024}
		w.HTTP.Clamped = &Exchange{}
	})), fault.CauseHeadTimeout, Certain, gate, "--timeout 60s"},
	{"the budget ended it", with2(report(walkTo(gate, &Exchange{Evidence: &silence, Cause: fault.CauseHeadTimeout, cut: true})), func(r *Report) { r.Cut = true }), fault.CauseHeadTimeout, Possible, gate, "--budget"},
	{"the budget ended what was repeated", report(with(walkTo(gate, ok()), func(w *Walk) {
		w.Again = &Again{Exchanges: []*Exchange{ok(), {Evidence: &silence, Cause: fault.CauseHeadTimeout, cut: true}}}
		w.Again.judge(w.HTTP.Main)
	})), fault.CauseNone, Certain, gate, "2 of 2 times"},
	{"HTTP/2 is reset", report(with(walkTo(gate, ok()), func(w *Walk) { w.HTTP.H2 = &H2{}; w.HTTP.H2.ended("RST_STREAM", 2) })), fault.CauseHTTP2StreamReset, Likely, gate, "RST_STREAM INTERNAL_ERROR"},
	{"HTTP/2 ends with GOAWAY", report(with(walkTo(gate, ok()), func(w *Walk) { w.HTTP.H2 = &H2{}; w.HTTP.H2.ended("GOAWAY", 11) })), fault.CauseHTTP2GoAway, Likely, gate, "ENHANCE_YOUR_CALM"},
	{"HTTP/2 asks for HTTP/1.1", report(with(walkTo(gate, ok()), func(w *Walk) { w.HTTP.H2 = &H2{}; w.HTTP.H2.ended("RST_STREAM", 13) })), fault.CauseNone, Certain, gate, "HTTP_1_1_REQUIRED"},
	{"HTTP/2 is answered otherwise", report(with(walkTo(gate, ok()), func(w *Walk) { w.HTTP.H2 = &H2{Status: 503} })), fault.CauseUpstreamStatus, Likely, gate, "503 by HTTP/2"},
	{"HTTP/2 ran out of time", report(with(walkTo(gate, ok()), func(w *Walk) { w.HTTP.H2 = &H2{Error: "no answer", Cause: fault.CauseHeadTimeout, cut: true} })), fault.CauseNone, Certain, gate, "answers 200"},
	{"a cut that HTTP/2 hides", report(with(walkTo(gate, broke(fault.Evidence{Stage: fault.Body, End: fault.Closed, Status: 200, Rule: fault.RuleBodyShort, Body: 10, Sent: 9, Got: 99})), func(w *Walk) { w.HTTP.H2 = &H2{Status: 200, Complete: true, BodySize: 10} })), fault.CauseBodyShort, Certain, gate, "as if it were whole"},
	{"HTTP/2 only", report(with(walkTo(gate, broke(fault.Evidence{Stage: fault.FirstByte, End: fault.Closed, Sent: 9})), func(w *Walk) { w.HTTP.H2 = &H2{Status: 200, Complete: true} })), fault.CauseHTTP1OnHTTP2Port, Likely, gate, "by HTTP/2"},
	{"a reset of a middlebox", report(with(walkTo(gate, broke(reset)), func(w *Walk) { w.Path[0].TTL = &TTL{Answer: 58, Reset: 61} })), fault.CauseResetBeforeAnswer, Certain, gate, "3 hops nearer"},
	{"a refusal of a middlebox", report(with(refusedAt(gate), func(w *Walk) { w.Path[0].TTL = &TTL{Answer: 116, Ping: true, Reset: 63} })), fault.CauseConnectionRefused, Certain, gate, "11 hops nearer"},
	{"a circle that an upstream makes", report(with(walkTo(gate, answer(301, "", "Location: https://10.0.0.1/")), func(w *Walk) {
		w.HTTP.Loop = "https://10.0.0.1/"
		w.Target, _ = parseTarget("https://10.0.0.1:80/")
	}), with(walkTo(up, answer(301, "", "Location: https://10.0.0.1:80/")), func(w *Walk) { w.Target.Authority = "10.0.0.1:80" })), fault.CauseRedirectLoop, Certain, gate, "straight to 10.0.0.7:8080"},
	{"an upstream without a scheme that speaks TLS", report(walkTo(gate, nginx(502, "502 Bad Gateway")), with(walkTo(up, ok()), func(w *Walk) { w.Target.assumed, w.Target.Secure = true, true })), fault.CausePlainToTLSPort, Possible, up, "https"},
	{"the log says it", with2(report(walkTo(gate, nginx(502, "502 Bad Gateway"))), func(r *Report) {
		r.Here = &Here{Proxy: "nginx", Findings: []HereFinding{{Cause: fault.CauseSocketPermission, Text: "(13: Permission denied)"}}}
	}), fault.CauseSocketPermission, Likely, gate, "Permission denied"},
}

// TestJudge wants each case's verdict.
func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range judgeCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := Judge(c.report)
			if v.Cause != c.cause || v.Healthy != (c.cause == fault.CauseNone) {
				t.Fatalf("verdict %v (healthy %v), want %v\n%s\n%q", v.Cause, v.Healthy, c.cause, v.Sentence, v.Proof)
			}
			if v.Confidence != c.confidence || v.At != c.at {
				t.Errorf("%v at %s, want %v at %s", v.Confidence, v.At, c.confidence, c.at)
			}
			all := strings.Join(slices.Concat([]string{v.Sentence, v.Pattern}, v.Proof, v.Missing, v.Notes), "\n")
			if !strings.Contains(all, c.says) {
				t.Errorf("nothing says %q:\n%s", c.says, all)
			}
			if !v.Healthy && (len(v.Proof) == 0 || v.Sentence == "" || v.Family == fault.FamilyNone) {
				t.Errorf("a verdict without proof, sentence or family: %+v", v)
			}
			if again := Judge(c.report); again.Sentence != v.Sentence || len(again.Proof) != len(v.Proof) {
				t.Errorf("the second verdict differs: %q, %q", again.Sentence, again.Proof)
			}
		})
	}
}

func with2(r *Report, edit func(*Report)) *Report {
	edit(r)
	return r
}

// TestJudgeEveryEnd judges each stage and end that the main request can have: what Classify finds must not get lost.
func TestJudgeEveryEnd(t *testing.T) {
	t.Parallel()
	for stage := fault.Resolve; stage <= fault.Body; stage++ {
		for end := fault.Closed; int(end) < fault.Ends; end++ {
			e := fault.Evidence{Stage: stage, End: end, Sent: 10}
			x := broke(e)
			v := Judge(report(walkTo("10.0.0.1:80", x)))
			if v.Healthy || v.Cause != x.Cause || v.Sentence == "" || len(v.Proof) == 0 {
				t.Errorf("%v/%v: verdict %v (%q), Classify says %v", stage, end, v.Cause, v.Sentence, x.Cause)
			}
		}
	}
}

// TestReportJSON checks the form that programs read: the members that docs/diagnose.md names, and lists that are never null.
func TestReportJSON(t *testing.T) {
	t.Parallel()
	r := report(walkTo("10.0.0.1:80", answer(200, "secret body", "Set-Cookie: id=hunter2")))
	r.Walk.HTTP.Main.Fields = []Field{redactField(Field{"Set-Cookie", "id=hunter2"})}
	r.Verdict = Judge(r)
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"healthy":true`, `"family":"none"`, `"cause":"none"`, `"confidence":"certain"`, `"proof":[]`, `"ruled_out":[`, `"advice":[]`, `"said_by":`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
	for _, secret := range []string{"hunter2", "secret body"} {
		if strings.Contains(string(b), secret) {
			t.Errorf("%s is in the JSON", secret)
		}
	}
}
