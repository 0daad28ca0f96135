package explain

import (
	"io"
	"strings"
	"testing"
)

// TestJoinLines counts the faults of lines that real proxies wrote of one exchange, or of several that look alike.
func TestJoinLines(t *testing.T) {
	t.Parallel()
	const nginx = `2026/11/22 19:49:56 [error] 61#61: *907 `
	const request = `, client: 127.0.0.1, server: , request: "GET /a/ HTTP/1.1", upstream: "http://127.0.0.1:25232/a/", host: "lab.test"` + "\n"
	for name, c := range map[string]struct {
		lines  map[string]string
		faults int64
		causes string
	}{
		"nginx: what follows from a head that is no HTTP": {map[string]string{
			"error.log": nginx + "upstream sent no valid HTTP/1.0 header while reading response header from upstream" + request +
				strings.Replace(nginx, ":56", ":58", 1) + "upstream timed out (110: Connection timed out) while reading upstream" + request,
		}, 1, "not-http"},
		"nginx: two requests alike, each saved": {map[string]string{
			"error.log":  strings.Repeat(nginx+"upstream prematurely closed connection while reading response header from upstream"+request, 2),
			"access.log": strings.Repeat(`127.0.0.1 - - [22/Nov/2026:19:49:56 +0000] "GET /a/ HTTP/1.1" 200 12 "-" "-" rt=0.001 ua="127.0.0.1:25232, 127.0.0.1:25232" us="502, 200" uc="0.000, 0.001" uh="-, 0.001" ur="0.000, 0.001" conn=907 pid=61`+"\n", 2),
		}, 2, "closed-before-answer"},
		"Apache: the connection's line, the request's and the access log's": {map[string]string{
			"error.log": `[Sun Nov 22 19:47:22.020524 2026] [proxy:error] [pid 147:tid 168] (111)Connection refused: AH00957: http: attempt to connect to 127.0.0.1:25023 (127.0.0.1:25023) failed
[Sun Nov 22 19:47:22.020598 2026] [proxy_http:error] [pid 147:tid 168] [client 127.0.0.1:33722] AH01114: HTTP: failed to make connection to backend: 127.0.0.1
`,
			"access.log": `127.0.0.1 - - [22/Nov/2026:19:47:22 +0000] "GET /a/ HTTP/1.1" 503 339 "-" "-"` + "\n",
		}, 1, "connection-refused"},
		"Apache: two requests of one thread": {map[string]string{
			"error.log": strings.Repeat(`[Sun Nov 22 19:47:22.020524 2026] [proxy:error] [pid 147:tid 168] (111)Connection refused: AH00957: http: attempt to connect to 127.0.0.1:25023 (127.0.0.1:25023) failed
[Sun Nov 22 19:47:22.020598 2026] [proxy_http:error] [pid 147:tid 168] [client 127.0.0.1:33722] AH01114: HTTP: failed to make connection to backend: 127.0.0.1
`, 2),
		}, 2, "connection-refused"},
		"Apache: mod_ssl says why": {map[string]string{
			"error.log": `[Sun Nov 22 19:47:32.055766 2026] [ssl:info] [pid 62:tid 92] [remote 127.0.0.1:25080] AH02003: SSL Proxy connect failed
[Sun Nov 22 19:47:32.055788 2026] [ssl:info] [pid 62:tid 92] SSL Library Error: error:0A000418:SSL routines::tlsv1 alert unknown ca (SSL alert number 48)
[Sun Nov 22 19:47:32.055827 2026] [proxy:error] [pid 62:tid 92] (20014)Internal error (specific information not available): [client 127.0.0.1:60492] AH01084: pass request body failed to 127.0.0.1:25080 (localhost)
[Sun Nov 22 19:47:32.055834 2026] [proxy:error] [pid 62:tid 92] [client 127.0.0.1:60492] AH00898: Error during SSL Handshake with remote server returned by /a/
`,
		}, 1, "tls-client-certificate-refused"},
		"Apache: a client's own TLS": {map[string]string{
			"error.log": "[Sun Nov 22 19:47:32.055788 2026] [ssl:info] [pid 62:tid 92] SSL Library Error: error:0A000418:SSL routines::tlsv1 alert unknown ca (SSL alert number 48)\n",
		}, 0, ""},
		"Varnish: the errno, and what it came to": {map[string]string{
			"varnish.log": "--  FetchError     Connection reset by peer\n--  FetchError     straight insufficient bytes\n",
		}, 1, "body-reset"},
	} {
		var sources []Source
		for file, text := range c.lines {
			sources = append(sources, Source{Name: file, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }})
		}
		r, err := Explain(t.Context(), Options{Sources: sources, Now: corpusNow})
		if err != nil {
			t.Fatal(err)
		}
		var causes []string
		for _, f := range r.Findings {
			causes = append(causes, f.Cause.String())
		}
		if got := strings.Join(causes, " "); r.Faults != c.faults || got != c.causes {
			t.Errorf("%s: %d faults, %s; want %d, %s", name, r.Faults, got, c.faults, c.causes)
		}
	}
}
