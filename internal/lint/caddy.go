package lint

import (
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

var caddyRules = []Rule{
	{
		ID: "caddy-never-retries", Severity: Risk, Products: []string{"caddy"}, Causes: []string{"connection-refused"},
		Title:   "Several upstreams, and no second try",
		Happens: "Without lb_try_duration or lb_retries, a request that meets an upstream that restarts gets 502 at once, though the others are well.",
		Fix:     "Allow a few seconds of tries: only failed connections, and requests that may be repeated, are tried again.",
		Source:  "Caddy: reverse_proxy, lb_try_duration (default 0), lb_retries (default 0)",
		check:   checkCaddyRetries,
	},
	{
		ID: "caddy-errors-eject-all", Severity: Risk, Products: []string{"caddy"}, Causes: []string{"nobody-available"},
		Title:   "One answer of 5xx takes an upstream out",
		Happens: "unhealthy_status counts answers of the application as failures, and max_fails is 1: one broken page takes each upstream out for fail_duration, and everybody gets 503.",
		Fix:     "Leave 5xx out, or raise max_fails.",
		Source:  "Caddy: reverse_proxy, unhealthy_status, max_fails (default 1), fail_duration",
		check:   checkCaddyEject,
	},
	{
		ID: "caddy-health-without-path", Severity: Risk, Products: []string{"caddy"}, Causes: []string{"connection-refused"},
		Title:   "Settings of a health check that is not on",
		Happens: "health_interval and the others do nothing without health_uri or health_port: a dead upstream goes on to get requests.",
		Fix:     "Name the page to ask.",
		Source:  "Caddy: reverse_proxy, active health checks: health_uri or health_port enables them",
		check:   checkCaddyHealth,
	},
	{
		ID: "caddy-tries-too-long", Severity: Note, Products: []string{"caddy"}, Causes: []string{"client-left"},
		Title:   "Clients wait for long when nobody is there",
		Happens: "lb_try_duration is how long a request may be tried for: with the application down, every client waits that long for its 502, and most leave (499 elsewhere).",
		Fix:     "A few seconds are enough.",
		Source:  "Caddy: reverse_proxy, lb_try_duration",
		check:   checkCaddyTries,
	},
}

func checkCaddyRetries(c *check) {
	for r := range c.routes("caddy") {
		if len(r.Members()) < 2 || r.Node.Name == "handler" {
			continue
		}
		if r.Node.Get("lb_try_duration") == nil && r.Node.Get("lb_retries") == nil && r.Node.Get("health_uri") == nil && r.Node.Get("fail_duration") == nil && r.Node.Get("import") == nil {
			c.risk(r.Node, fmt.Sprintf("while one of the %d upstreams restarts, its share of the requests gets 502.", len(r.Members())), "lb_try_duration 5s")
		}
	}
}

func checkCaddyEject(c *check) {
	for r := range c.routes("caddy") {
		n := r.Node.Get("unhealthy_status")
		if n == nil || r.Node.Get("fail_duration") == nil || len(r.Members()) < 2 || !strings.Contains(n.Words(), " 5") {
			continue
		}
		if m := r.Node.Get("max_fails"); m == nil || m.Text() == "1" {
			c.risk(n, "one page that answers 5xx takes each upstream out: then everybody gets 503.", "max_fails 10")
		}
	}
}

func checkCaddyHealth(c *check) {
	for r := range c.routes("caddy") {
		if r.Node.Get("health_uri") != nil || r.Node.Get("health_port") != nil || r.Node.Get("health_path") != nil || r.Node.Get("import") != nil {
			continue
		}
		for _, name := range []string{"health_interval", "health_timeout", "health_status", "health_body"} {
			if n := r.Node.Get(name); n != nil {
				c.risk(n, "no check is made without health_uri: a dead upstream goes on to get requests.", "health_uri /health")
				break
			}
		}
	}
}

func checkCaddyTries(c *check) {
	for r := range c.routes("caddy") {
		n := r.Node.Get("lb_try_duration")
		if d, ok := topology.Duration(n.Text(), time.Second); n != nil && ok && d > 30*time.Second {
			c.note(n, fmt.Sprintf("with the application down, every client waits %s for its 502.", shown(d)), "lb_try_duration 5s")
		}
	}
}
