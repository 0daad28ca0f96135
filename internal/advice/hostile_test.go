package advice

import (
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestNoCommandOfALog: what a log has in place of an address stands in no line, for it goes into commands that people paste.
func TestNoCommandOfALog(t *testing.T) {
	t.Parallel()
	for _, upstream := range []string{"$(id):443", "127.0.0.1:$(id)", "localhost:1;id", "`id`:8080", "10.0.0.7:80'x", "::1:|id", "app name:80"} {
		for product := range tables {
			for _, e := range fault.Catalogue() {
				for _, contained := range []bool{false, true} {
					f := Facts{Product: product, Cause: e.Cause, Upstream: upstream, Contained: contained, Text: `upstream: "http://` + upstream + `/"`}
					for _, line := range Of(&f) {
						if strings.Contains(line, upstream) || strings.Contains(line, "$(id)") || strings.Contains(line, ";id") || strings.Contains(line, "|id") {
							t.Fatalf("%s, %s: %s", product, e.Slug, line)
						}
					}
				}
			}
		}
	}
}

// TestNginxOwnsOnlyWhatItWrites: nobody is told to give nginx a directory that is not one of its caches.
func TestNginxOwnsOnlyWhatItWrites(t *testing.T) {
	t.Parallel()
	for line, owned := range map[string]bool{
		`[crit] 7#7: *1 open() "/var/cache/nginx/client_temp/0000000001" failed (13: Permission denied), client: 192.0.2.1`: true,
		`[crit] 7#7: *1 mkdir() "/var/lib/nginx/proxy/1" failed (13: Permission denied), client: 192.0.2.1`:                 true,
		`[crit] 7#7: *1 open() "/srv/nginx/proxy_temp/1" failed (13: Permission denied), client: 192.0.2.1`:                 true,
		`[error] 7#7: *1 open() "/etc/secret.html" failed (13: Permission denied), client: 192.0.2.1`:                       false,
		`[error] 7#7: *1 open() "/home/bob/site/a.css" failed (13: Permission denied), client: 192.0.2.1`:                   false,
		`[crit] 7#7: *1 open() "/var/cache/nginx/../../etc/x" failed (13: Permission denied), client: 192.0.2.1`:            false,
	} {
		story := StoryOf("nginx", fault.CauseRouteBroken, []byte(line))
		lines := strings.Join(Of(&Facts{Product: "nginx", Cause: fault.CauseRouteBroken, Story: story, Text: line}), "\n")
		if story == 0 || strings.Contains(lines, "chown") != owned || strings.Contains(lines, "restorecon") != owned {
			t.Errorf("%s: story %d\n%s", line, story, lines)
		}
	}
}
