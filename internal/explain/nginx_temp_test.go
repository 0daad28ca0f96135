package explain

import "testing"

// TestNginxMayNotWrite: a temporary directory that nginx may not use is its own fault, whether a file or the directory below it fails.
func TestNginxMayNotWrite(t *testing.T) {
	t.Parallel()
	for _, call := range []string{`open() "/var/lib/nginx/proxy/1/00/0000000001"`, `mkdir() "/var/lib/nginx/proxy/1"`} {
		r := explainText(t, "error.log", `2026/11/30 02:26:57 [crit] 7#7: *1 `+call+` failed (13: Permission denied) while reading upstream, client: 10.0.0.9, server: shop.test, request: "GET / HTTP/1.1", upstream: "http://127.0.0.1:3000/", host: "shop.test"`)
		if len(r.Findings) != 1 || r.Findings[0].Cause.String() != "route-broken" {
			t.Errorf("%s: %+v", call, r.Findings)
		}
	}
}
