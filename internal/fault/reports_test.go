package fault

import (
	"regexp"
	"strings"
	"testing"
)

// noReport are causes of which the taxonomy says nothing for any other proxy, with the reason.
var noReport = map[Cause]string{
	CauseTLSCertificateUntrusted: "the proxies give the text of their TLS library",
	CauseTLSProtocolError:        "the proxies give the text of their TLS library",
	CauseNetworkError:            "whatever the kernel says",
	CauseHTTP2OnHTTP1Port:        "as not-http",
	CauseUnaskedInterim:          "not looked at",
	CauseRouteBroken:             "our own",
	CauseRequestVersion:          "not looked at",
	CauseRequestCoding:           "not looked at",
	CauseRequestMethodRefused:    "not looked at",
	CauseRequestExpectation:      "not looked at",
	CauseMemoryExhausted:         "not looked at",
	CauseShuttingDown:            "our own",
	CauseCertificateNotObtained:  "our own",
	CauseOwnCertificateRevoked:   "our own",
	CauseWrongHost:               "the upstream's answer is passed on",
	CauseRedirectLoop:            "the upstream's answer is passed on",
	CauseUnknown:                 "nothing to tell",
}

func TestReports(t *testing.T) {
	proxies := []string{"nginx", "haproxy", "envoy", "caddy", "traefik", "apache", "alb", "gcp", "cloudflare"}
	for _, s := range seenPrograms {
		proxies = append(proxies, s.name)
	}
	for _, e := range Catalogue() {
		reports := e.Reports()
		if (len(reports) == 0) != (noReport[e.Cause] != "") {
			t.Errorf("%s: %d reports, and the reason for none is %q", e.Slug, len(reports), noReport[e.Cause])
		}
		at := 0
		for _, r := range reports {
			for at < len(proxies) && proxies[at] != r.Proxy {
				at++
			}
			if at == len(proxies) {
				t.Fatalf("%s: %s is unknown or out of order", e.Slug, r.Proxy)
			}
			if len(r.Text) < 3 || strings.TrimSpace(r.Text) != r.Text || strings.Contains(r.Text, "‡") || strings.Contains(r.Text, "†") || strings.Count(r.Text, `"`)%2 != 0 {
				t.Errorf("%s: %s: %q", e.Slug, r.Proxy, r.Text)
			}
		}
	}
}

// TestReportsTablesAreApart: a cause stands in one table only, for the first one found counts.
func TestReportsTablesAreApart(t *testing.T) {
	seen := map[Cause]int{}
	for _, table := range []map[Cause]said{reportsConnect, reportsTLS, reportsHTTP1, reportsPolicy} {
		for c := range table {
			seen[c]++
		}
	}
	for c, n := range seen {
		if n != 1 {
			t.Errorf("%s stands in %d tables", c, n)
		}
	}
}

// TestReportsNameAStatus: where a proxy makes an answer of its own, its status is one that it can have.
func TestReportsNameAStatus(t *testing.T) {
	status := regexp.MustCompile(`^([0-9]+)\b`)
	for _, e := range Catalogue() {
		for _, r := range e.Reports() {
			m := status.FindString(r.Text)
			cloud := r.Proxy == "cloudflare" && len(m) >= 3
			if m != "" && m != "0" && !cloud && (len(m) != 3 || m < "200" || m > "599") {
				t.Errorf("%s: %s: status %s", e.Slug, r.Proxy, m)
			}
		}
	}
}
