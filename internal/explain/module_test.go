package explain

import (
	"strings"
	"testing"
)

// TestModule: advice for an upstream of FastCGI has its directives, and none of proxy's.
func TestModule(t *testing.T) {
	t.Parallel()
	for _, module := range []string{"fastcgi", "uwsgi", "scgi", "grpc"} {
		line := "2026/11/24 10:00:00 [error] 1046#1046: *2094 upstream timed out (110: Connection timed out) while reading response header from upstream, " +
			"client: 192.0.2.17, server: s, request: \"GET /update HTTP/1.1\", upstream: \"" + module + "://127.0.0.1:9000\", host: \"s\"\n"
		all := strings.Join(explainText(t, "error.log", line).Findings[0].Advice, "\n")
		if !strings.Contains(all, module+"_read_timeout") || strings.Contains(all, "proxy_") {
			t.Errorf("%s: %s", module, all)
		}
	}
}
