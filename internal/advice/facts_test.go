package advice

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// ownKey is what keys of Whygate's configuration look like, and what else is called so there alone.
var ownKey = regexp.MustCompile(`(?i)\b(pools|timeouts|resolver)\.[a-z_A-Z]|limits\.(connections|request|response|idle|head)|stage select|the incident|whygate (check|reload|run)|\{(peer|port|longer|ran|status|quoted|name|dir|boolean|host|since|until|time|clock):`)

// TestNothingOfOurs: what is said of another program has none of Whygate's own words, whatever the cause and the line.
func TestNothingOfOurs(t *testing.T) {
	t.Parallel()
	check := func(f *Facts) {
		lines := Of(f)
		if len(lines) == 0 {
			t.Errorf("%+v: no advice", f)
		}
		if text := strings.Join(append(lines, f.Story.Sentence(f), Check(f)), "\n"); ownKey.MatchString(text) {
			t.Errorf("%+v: %q", f, ownKey.FindString(text))
		}
	}
	for s := range stories {
		check(&Facts{Product: "nginx", Cause: stories[s].causes[0], Story: Story(s + 1)})
	}
	for c := range fault.Causes {
		for product := range tables {
			for _, upstream := range []string{"", "127.0.0.1:8080", "[::1]:8080", "172.18.0.5:80", "10.0.0.7:443", "unix:/run/app.sock"} {
				check(&Facts{Product: product, Cause: fault.Cause(c), Upstream: upstream, Contained: true, Served: true})
			}
		}
		for _, line := range ForeignAll(fault.Cause(c).Entry().Proof) {
			if ownKey.MatchString(line) {
				t.Errorf("%s: %s", fault.Cause(c), line)
			}
		}
	}
}

func TestForeign(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"Start the application.": "Start the application.",
		"Move long work to a queue and answer 202; raise timeouts.head for that pool alone.":   "Move long work to a queue and answer 202.",
		"The gateway's timer (timeouts.read in Whygate) fired with part of the body received.": "The gateway's timer fired with part of the body received.",
		"Set pools.NAME.tls.ca to that authority's certificate.":                               "",
		"Go on with that proxy's log: whygate explain FILE reads it.":                          "Go on with that proxy's log: whygate explain FILE reads it.",
		"Set pools.NAME.tls.server_name to a name that it has; it is sent as SNI.":             "",
	} {
		if got := Foreign(line); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestPlaces: that nobody listens is another story for each kind of address.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f       Facts
		has     string // in the first two lines
		lacking string // in all of them
	}{
		{Facts{Product: "nginx", Upstream: "127.0.0.1:4180", Contained: true}, "proxy_pass http://SERVICE:4180;", "backup"},
		{Facts{Product: "nginx", Upstream: "127.0.0.1:9000", Contained: true, Module: "fastcgi"}, "fastcgi_pass SERVICE:9000;", "proxy_pass"},
		{Facts{Product: "haproxy", Upstream: "127.0.0.1:4180", Contained: true}, "server app SERVICE:4180", "redispatch"},
		{Facts{Product: "apache", Upstream: "127.0.0.1:4180", Contained: true}, "ProxyPass / http://SERVICE:4180/", "status=+H"},
		{Facts{Product: "caddy", Upstream: "localhost:4180", Contained: true}, "reverse_proxy SERVICE:4180", "backup"},
		{Facts{Product: "traefik", Upstream: "127.0.0.1:4180"}, "ss -lntp 'sport = :4180'", "retry"},
		{Facts{Product: "vite", Upstream: "::1:3000"}, "http://127.0.0.1:3000", "backup"},
		{Facts{Product: "caddy", Upstream: "app", Cause: fault.CauseDNSNXDomain}, "getent hosts app", "backup"},
		{Facts{Product: "nginx", Upstream: "127.0.0.1:4180"}, "ss -lntp 'sport = :4180'", "backup"},
		{Facts{Product: "nginx", Upstream: "[::1]:8089"}, "proxy_pass http://127.0.0.1:8089;", "backup"},
		{Facts{Product: "caddy", Upstream: "[::1]:8089"}, "reverse_proxy 127.0.0.1:8089", "backup"},
		{Facts{Product: "nginx", Upstream: "172.19.0.4:8000", Contained: true}, "resolver 127.0.0.11", "backup"},
		{Facts{Product: "haproxy", Upstream: "172.19.0.4:8000"}, "nameserver dns 127.0.0.11:53", "backup"},
		{Facts{Product: "nginx", Upstream: "10.244.1.7:8080", Contained: true, Cause: fault.CauseHostUnreachable}, "resolver 127.0.0.11", "nothing"},
		{Facts{Product: "nginx", Upstream: "10.9.9.9:8080", Cause: fault.CauseTLSToPlainPort}, "proxy_pass http://10.9.9.9:8080;", "10.0.0.7"},
		{Facts{Product: "nginx", Upstream: "192.0.2.7:80"}, "Start the application", "SERVICE"},
		{Facts{Product: "nginx", Upstream: "10.0.0.7:8000", Served: true}, "Start the application", "nothing"},
		{Facts{Product: "nginx", Upstream: "10.0.0.7:443", Cause: fault.CauseNotHTTP, Text: `upstream: "http://10.0.0.7:443/"`}, "https://10.0.0.7:443", "nothing"},
		{Facts{Product: "nginx", Upstream: "10.0.0.7:8080", Cause: fault.CauseNotHTTP, Text: `upstream: "http://10.0.0.7:8080/"`}, "ss -lntp", "https://10.0.0.7"},
	} {
		if c.f.Cause == 0 {
			c.f.Cause = fault.CauseConnectionRefused
		}
		lines := Of(&c.f)
		if head := strings.Join(lines[:min(2, len(lines))], "\n"); !strings.Contains(head, c.has) {
			t.Errorf("%+v lacks %q:\n%s", c.f, c.has, head)
		}
		if all := strings.Join(lines, "\n"); strings.Contains(all, c.lacking) {
			t.Errorf("%+v says %q:\n%s", c.f, c.lacking, all)
		}
	}
}

// TestWaited: a time that ran out is named with whose it is, and waiting longer is advised only where that is any use.
func TestWaited(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f            Facts
		has, lacking string
	}{
		{Facts{Product: "nginx", Waited: 60 * time.Second}, "nginx's proxy_read_timeout (60 s by default)", "600"},
		{Facts{Product: "nginx", Module: "uwsgi", Waited: 60 * time.Second}, "uwsgi_read_timeout (60 s by default)", "proxy_"},
		{Facts{Product: "nginx", Waited: 30 * time.Second}, "proxy_read_timeout 60s;", "120s"},
		{Facts{Product: "haproxy", Waited: 600 * time.Second}, "600 s ran out", "timeout server"},
		{Facts{Product: "haproxy", Waited: 50 * time.Second}, "timeout server 100s", "120s"},
		{Facts{Product: "envoy", Waited: 15 * time.Second}, "the route's timeout (15 s by default)", "120s"},
		{Facts{Product: "haproxy"}, "timeout server 120s", "ran out"},
	} {
		c.f.Cause = fault.CauseHeadTimeout
		if all := strings.Join(Of(&c.f), "\n"); !strings.Contains(all, c.has) || strings.Contains(all, c.lacking) {
			t.Errorf("%+v: want %q and not %q:\n%s", c.f, c.has, c.lacking, all)
		}
	}
}

// TestVersions: a directive that is newer than the product says it is cannot work.
func TestVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{"": true, "1.22.1": false, "1.27.3": true, "1.28.0": true, "1.9.10": false} {
		f := Facts{Product: "nginx", Cause: fault.CauseDNSNXDomain, Version: version}
		if got := strings.Contains(strings.Join(Of(&f), "\n"), "app.internal:8080 resolve;"); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}

// TestNothingToPaste: what a log holds becomes part of a command only if it is harmless there.
func TestNothingToPaste(t *testing.T) {
	t.Parallel()
	for _, evil := range []string{"x; rm -rf ~", "$(id)", "`id`", "a'b", "a\nb", "a|b", "a&b"} {
		for _, text := range []string{`[emerg] host not found in upstream "` + evil + `"`, `pwrite() "/var/` + evil + `/x" failed (28: No space left on device)`} {
			for _, c := range []fault.Cause{fault.CauseDNSNXDomain, fault.CauseInternalError, fault.CauseFirewallRejected} {
				f := Facts{Product: "nginx", Cause: c, Text: text, Upstream: evil, Story: StoryOf("nginx", c, []byte(text))}
				for _, line := range Of(&f) {
					if strings.Contains(line, evil) {
						t.Errorf("%q: %s", evil, line)
					}
				}
			}
		}
	}
}

// TestCheck: the one command is a product's own where it has one, with the address and the moment that the lines show.
func TestCheck(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.Local)
	for _, c := range []struct {
		f    Facts
		want string
	}{
		{Facts{Product: "nginx", Cause: fault.CauseConnectionRefused, Upstream: "10.0.0.7:8080"}, "ss -lntp 'sport = :8080'"},
		{Facts{Product: "nginx", Cause: fault.CauseClosedBeforeAnswer, At: at}, "journalctl -S '2026-11-24 09:59:58' -U '2026-11-24 10:00:03'"},
		{Facts{Product: "kong", Cause: fault.CauseNobodyAvailable}, "localhost:8001/upstreams"},
		{Facts{Product: "istio", Cause: fault.CauseNobodyAvailable}, "/clusters"},
		{Facts{Product: "haproxy", Cause: fault.CauseNobodyAvailable}, "show servers state"},
		{Facts{Product: "nginx", Cause: fault.CauseUnknown, At: at}, "grep '10:00:00'"},
		{Facts{Product: "x", Cause: fault.CauseHeadTimeout, Upstream: "a;b:80"}, "http://HOST:PORT/PATH"},
	} {
		if got := Check(&c.f); !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.f, got, c.want)
		}
	}
}

// TestNoAdviceBeginsWithOr: the alternative to a line that is left out stands by itself.
func TestNoAdviceBeginsWithOr(t *testing.T) {
	t.Parallel()
	for product := range tables {
		for c := range fault.Causes {
			if lines := For(product, fault.Cause(c)); strings.HasPrefix(lines[0], "Or ") {
				t.Errorf("%s, %s: %s", product, fault.Cause(c), lines[0])
			}
		}
	}
}
