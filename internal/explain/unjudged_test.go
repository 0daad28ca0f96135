package explain

import (
	"fmt"
	"strings"
	"testing"
)

// TestUnjudged: what looks as if something failed, and nobody can judge, is counted by its shape and shown.
func TestUnjudged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text         string
		open, unread int64
		shapes       int
	}{
		"nginx, wording of no rule": {"2026/11/24 10:00:00 [error] 7#7: *1 frobnicator 17 gave up, client: 192.0.2.1, server: s, request: \"GET /a HTTP/1.1\", host: \"s\"\n" +
			"2026/11/24 10:00:01 [error] 7#7: *2 frobnicator 18 gave up, client: 192.0.2.1, server: s, request: \"GET /b HTTP/1.1\", host: \"s\"\n", 2, 0, 1},
		"nginx, a rule that says it is nothing": {"2026/11/24 10:00:00 [error] 7#7: *1 FastCGI sent in stderr: \"PHP message: PHP Warning:  x\" while reading response header from upstream, client: 192.0.2.1, server: s, request: \"GET /a HTTP/1.1\", upstream: \"fastcgi://127.0.0.1:9000\", host: \"s\"\n", 0, 0, 0},
		"nginx, a notice":                       {"2026/11/24 10:00:00 [notice] 7#7: frobnicator 17 gave up\n", 0, 0, 0},
		"Apache":                                {"[Tue Nov 24 10:00:00.1 2026] [frob:error] [pid 5:tid 6] [client 192.0.2.1:4] AH09999: the frobnicator gave up\n", 1, 0, 1},
		"Traefik":                               {"2026-11-24T10:00:00Z ERR The frobnicator gave up error=\"x\" entryPointName=web providerName=docker github.com/traefik/traefik/v3/x.go:1\n", 1, 0, 1},
		"no format, a 5xx":                      {"the answer 502 was frobnicated\nthe answer 502 was frobnicated\n", 0, 2, 1},
		"no format, an error":                   {"24.11.2026 10h00 ERROR the frobnicator gave up\n24.11.2026 10h00 INFO the frobnicator is well\n", 0, 1, 1},
		"another program's error":               {"Nov 30 06:00:01 web sshd[7]: error: kex_exchange_identification: gave up\n", 0, 0, 0},
	} {
		r := explainText(t, "a.log", c.text)
		if r.OpenErrors() != c.open || r.Unread() != c.unread || len(r.Unjudged) != c.shapes {
			t.Errorf("%s: %d open, %d unread, %+v; findings %d", name, r.OpenErrors(), r.Unread(), r.Unjudged, len(r.Findings))
		}
	}
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, "ERROR %s %s\n", strings.Repeat("x", i%97+1), strings.Repeat("y", i%89+1))
	}
	if r := explainText(t, "a.log", many.String()); r.Unread() > 5000 || len(r.Unjudged) != unjudgedShown {
		t.Errorf("%d shapes of %d lines", len(r.Unjudged), r.Unread())
	}
}

// A number in a URL's query is no status.
func TestQueriesAreNotErroneous(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		`GET /items?page=502 200 2 - 8.448 ms`:                          false,
		`GET /items?id=1&page=502 200 2 - 8.448 ms`:                     false,
		`10.0.0.9 "GET /items?page=503 HTTP/1.1" 200 5`:                 false,
		`level=warn msg="upstream call" status=503 path=/items?page=12`: true,
	} {
		seen, _ := newDispatch(formats).glance([]byte(line), &marksAt{})
		if got := erroneous([]byte(line), seen); got != want {
			t.Errorf("%s: %v; want %v", line, got, want)
		}
	}
}
