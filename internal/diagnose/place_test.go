package diagnose

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/explain"
	"github.com/whygate/whygate/internal/fault"
)

// made is an address or a name that some table made up.
var made = regexp.MustCompile(`10\.0\.0\.\d|app\.internal|shop\.example|/run/app/app\.sock`)

// everyCause gives all causes.
func everyCause() (all []fault.Cause) {
	for _, e := range fault.Catalogue() {
		all = append(all, e.Cause)
	}
	return all
}

// Whoever pastes a line of advice pastes no made-up address, whatever the product and the cause.
func TestAdviceHasNoMadeUpAddress(t *testing.T) {
	t.Parallel()
	products := map[string]bool{"": true}
	for _, f := range explain.Formats() {
		products[f.Product] = true
	}
	url, _ := parseTarget("https://site.test/a")
	upstream, _ := upstreamTarget("127.0.0.1:3943", &url)
	for product := range products {
		for _, c := range everyCause() {
			for _, at := range []*Target{nil, &upstream} {
				for _, visited := range []bool{false, true} {
					on := On{Product: product, Cause: c, URL: &url, At: at, Visited: visited}
					lines := StackAdvice(on)
					if len(lines) == 0 {
						t.Errorf("%s, %v: nothing to do", product, c)
					}
					for _, line := range lines {
						if found := made.FindString(line); found != "" {
							t.Errorf("%s, %v: %s in %q", product, c, found, line)
						}
						if visited && strings.ContainsAny(line, "{}") || visited && (strings.Contains(line, "endpoint") || strings.Contains(line, "pool")) {
							t.Errorf("of the URL itself, %v: %q", c, line)
						}
					}
				}
			}
		}
	}
}

// nginx is where the address, the file and the line are known two rows above the advice.
func TestAdviceNamesTheConfiguration(t *testing.T) {
	t.Parallel()
	url, _ := parseTarget("http://site.test/a")
	upstream, _ := upstreamTarget("127.0.0.1:3943", &url)
	pass := ConfigPlace{File: "/etc/nginx/a.conf", Line: 7, Text: "proxy_pass http://127.0.0.1:3943"}
	server := ConfigPlace{File: "/etc/nginx/a.conf", Line: 3, Text: "server 127.0.0.1:3943"}
	for _, tt := range []struct {
		cause  fault.Cause
		config []ConfigPlace
		has    string
		not    string
	}{
		{fault.CausePlainToTLSPort, []ConfigPlace{pass}, "proxy_pass https://127.0.0.1:3943;   # location, in place of /etc/nginx/a.conf:7: that port speaks TLS", "Write the endpoint"},
		{fault.CauseConnectionRefused, []ConfigPlace{server, pass}, "server ADDRESS:PORT backup;   # upstream, beside /etc/nginx/a.conf:3: another endpoint to go on with", "10.0.0.8"},
		{fault.CauseConnectionRefused, []ConfigPlace{pass}, "Start the application", "backup"},
		{fault.CauseConnectionRefused, []ConfigPlace{pass}, "Start the application", "proxy_next_upstream"},
		{fault.CauseConnectionRefused, nil, "server ADDRESS:PORT backup;   # upstream: another", "10.0.0.8"},
	} {
		lines := strings.Join(StackAdvice(On{Product: "nginx", Cause: tt.cause, URL: &url, At: &upstream, Config: tt.config}), "\n")
		if !strings.Contains(lines, tt.has) || strings.Contains(lines, tt.not) {
			t.Errorf("%v, %v: want %q and not %q in\n%s", tt.cause, tt.config, tt.has, tt.not, lines)
		}
	}
}

// HAProxy's servers have names.
func TestAdviceNamesTheServer(t *testing.T) {
	t.Parallel()
	url, _ := parseTarget("http://site.test/a")
	upstream, _ := upstreamTarget("127.0.0.1:3943", &url)
	config := []ConfigPlace{{File: "/h.cfg", Line: 15, Text: "server two 127.0.0.1:3943 check"}, {File: "/h.cfg", Line: 10, Text: "use_backend tls"}}
	lines := StackAdvice(On{Product: "haproxy", Cause: fault.CausePlainToTLSPort, URL: &url, At: &upstream, Config: config})
	if !strings.HasPrefix(lines[0], "server two 127.0.0.1:3943 ssl ") || !strings.Contains(lines[0], "# backend, in place of /h.cfg:15: ") {
		t.Errorf("%q", lines)
	}
}

// What was typed is a URL: nobody has a pool.
func TestAdviceOnTheURLItself(t *testing.T) {
	t.Parallel()
	url, _ := parseTarget("https://localhost:18443/a")
	for _, tt := range []struct {
		product string
		cause   fault.Cause
		names   []string
		want    string
	}{
		{"whygate", fault.CauseTLSCertificateSelfSigned, nil, "Give the server a certificate that clients trust: listen[].tls.cert in its configuration"},
		{"nginx", fault.CauseTLSCertificateWrongName, []string{"a.test"}, "Ask for a name that the certificate has: a.test"},
		{"", fault.CauseTLSCertificateWrongName, nil, "Give the server a certificate for localhost, in its subjectAltName."},
		{"", fault.CauseDNSNXDomain, nil, "Check how localhost is spelt in the URL."},
		{"", fault.CausePlainToTLSPort, nil, "Ask for it with https: https://localhost:18443/a"},
		{"", fault.CauseTLSToPlainPort, nil, "Ask for it with http: http://localhost:18443/a"},
	} {
		if got := StackAdvice(On{Product: tt.product, Cause: tt.cause, Visited: true, URL: &url, Names: tt.names}); got[0] != tt.want {
			t.Errorf("%s, %v: got %q, want %q first", tt.product, tt.cause, got, tt.want)
		}
	}
}

// Two lines that have one type the same command are one too many, and a timeout has nothing to do with a refusal.
func TestAdviceSaysItOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []fault.Cause{fault.CauseConnectionRefused, fault.CauseNetworkUnreachable} {
		url, _ := parseTarget("http://127.0.0.1:3999/")
		r := &Report{Walk: &Walk{Target: url}, Verdict: Verdict{Cause: c, At: "127.0.0.1:3999"}}
		advise(r, nil)
		seen := 0
		for _, line := range r.Verdict.Advice {
			if strings.Contains(line, ": ss ") || strings.Contains(line, "ip route get") {
				seen++
			}
		}
		if seen != 1 {
			t.Errorf("%v: %q", c, r.Verdict.Advice)
		}
	}
	for text, causes := range map[string][]fault.Cause{
		"proxy_read_timeout 3s":    {fault.CauseHeadTimeout, fault.CauseBodyStalled, fault.CauseUnknown},
		"proxy_connect_timeout 3s": {fault.CauseConnectTimeout},
		"proxy_ssl_verify on":      {fault.CauseTLSCertificateWrongName, fault.CausePlainToTLSPort},
		"resolver 127.0.0.1":       {fault.CauseDNSTimeout},
	} {
		for _, c := range []fault.Cause{fault.CauseConnectionRefused, fault.CauseHostUnreachable, fault.CauseDNSTimeout, fault.CauseConnectTimeout, fault.CauseHeadTimeout, fault.CauseBodyStalled, fault.CauseUnknown, fault.CauseTLSCertificateWrongName, fault.CausePlainToTLSPort} {
			if got := broughtBy(c, text); got != slices.Contains(causes, c) {
				t.Errorf("%q for %v: %v", text, c, got)
			}
		}
	}
}

// What is not there is said, and not left out of the middle of a sentence.
func TestProofsAreWhole(t *testing.T) {
	t.Parallel()
	proof := strings.Join(certificateProof(&TLS{Problem: "x509: bad", Chain: []fault.CertificateInfo{{Issuer: "CN=localhost"}}}), "\n")
	if !strings.Contains(proof, "the first for no name (it has no subjectAltName), from CN=localhost") {
		t.Errorf("%s", proof)
	}
	x := &Exchange{Evidence: &fault.Evidence{Stage: fault.TLS, End: fault.Malformed, Sample: []byte("<html>")}, Caret: &Pointed{Line: "<html>"}}
	for _, text := range ofExchange(x).proof {
		if strings.HasPrefix(text, ":") {
			t.Errorf("%q", text)
		}
	}
}

// A sentence about a URL that was typed speaks of no endpoint.
func TestSentenceOnTheURLItself(t *testing.T) {
	t.Parallel()
	for _, c := range []fault.Cause{fault.CausePlainToTLSPort, fault.CauseTLSToPlainPort} {
		if s := (fault.Fault{Cause: c}).Sentence(&fault.Evidence{Endpoint: "http://a.test:1"}); strings.Contains(s, "endpoint is") {
			t.Errorf("%q", s)
		}
	}
}
