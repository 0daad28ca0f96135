package advice

import (
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

func TestStories(t *testing.T) {
	t.Parallel()
	if len(stories) > storiesMax {
		t.Fatalf("%d stories", len(stories))
	}
	for i, s := range stories {
		if s.words == "" || s.words != strings.ToLower(s.words) || s.and != strings.ToLower(s.and) || len(s.causes) == 0 || s.check == "" {
			t.Errorf("story %d: %+v", i+1, s)
		}
		if s.alone && len(s.do) == 0 {
			t.Errorf("story %d says nothing: %q", i+1, s.words)
		}
	}
	for _, c := range []struct {
		product string
		cause   fault.Cause
		line    string
		want    string // in the sentence
	}{
		{"nginx", fault.CauseInternalError, `2026/11/24 10:00:00 [alert] 1#1: worker process 30 exited on signal 11`, "crashed"},
		{"openresty", fault.CauseInternalError, `worker process 30 exited on signal 6`, "crashed"},
		{"nginx", fault.CauseMemoryExhausted, `worker process 30 exited on signal 9`, "killed"},
		{"nginx", fault.CauseRouteBroken, `[emerg] 1#1: bind() to [::]:80 failed (98: Address already in use)`, "has the port already"},
		{"nginx", fault.CauseRouteBroken, `[emerg] 1#1: bind() to 0.0.0.0:81 failed (13: Permission denied)`, "may not open"},
		{"nginx", fault.CauseRouteBroken, `[emerg] 1#1: unknown directive "brotli" in /etc/nginx/nginx.conf:5`, "does not know"},
		{"nginx", fault.CauseRouteBroken, `[emerg] 1#1: cannot load certificate "/etc/x.pem": BIO_new_file() failed`, "certificate"},
		{"nginx", fault.CauseDNSNXDomain, `[emerg] 1#1: host not found in upstream "api:80" in /etc/nginx/conf.d/a.conf:2`, `"api:80" did not resolve`},
		{"nginx", fault.CauseDNSNXDomain, `[error] 1#1: *1 host not found in upstream "api:80"`, ""},
		{"caddy", fault.CauseInternalError, `write /var/lib/caddy/x: no space left on device`, "disk is full"},
		{"nginx", fault.CauseRouteBroken, `[crit] 15#15: *4 open() "/var/cache/nginx/client_temp/1" failed (13: Permission denied)`, "may not open a file"},
		{"nginx", fault.CauseRouteBroken, `rewrite or internal redirection cycle while internally redirecting to "/index.html"`, "ten times"},
		{"haproxy", fault.CauseRouteBroken, "[ALERT]    (1) : config : parsing [/etc/haproxy/haproxy.cfg:12] : unknown keyword 'foo'", "HAProxy did not start"},
		{"haproxy", fault.CauseDNSNXDomain, "[ALERT]    (1) : parsing [/x:21] : 'server app' : could not resolve address 'app'.", "HAProxy did not start"},
		{"apache", fault.CauseInternalError, "(28)No space left on device: AH00023: Couldn't create the proxy mutex", "no semaphore left"},
		{"apache", fault.CauseInternalError, "(28)No space left on device: AH00489: x", "disk is full"},
		{"haproxy", fault.CauseInternalError, `be/a 0/0/1/-1/12 500 217 - - PH-- 12/12/3`, "tune.maxrewrite"},
		{"haproxy", fault.CauseNotHTTP, `be/a 0/0/1/-1/12 502 217 - - PHVN 12/12/3`, "refused it"},
		{"haproxy", fault.CauseNotHTTP, `be/a 0/0/1/-1/12 502 217 - - SH-- 12/12/3`, ""},
		{"nginx", fault.CauseUpstreamStatus, `auth request unexpected status: 503 while sending to client`, "answered 503"},
	} {
		f := Facts{Product: c.product, Cause: c.cause, Text: c.line, Story: StoryOf(c.product, c.cause, []byte(c.line))}
		if got := f.Story.Sentence(&f); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.line, got, c.want)
		}
	}
}
