package lint

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

var composeRules = []Rule{
	{
		ID: "compose-grace-short", Severity: Risk, Products: []string{"compose"}, Causes: []string{"worker-killed", "reset-before-answer"},
		Title:   "The container is killed before its requests are done",
		Happens: "After stop_grace_period (10 s by default) the container is killed: requests that the server was told to finish are cut, at each deployment.",
		Fix:     "Let it be longer than the server's own time.",
		Source:  "Compose specification: stop_grace_period (default 10s); gunicorn: graceful_timeout (default 30)",
		check:   checkComposeGrace,
	},
	{
		ID: "compose-check-other-port", Severity: Risk, Products: []string{"compose"}, Causes: []string{"connection-refused"},
		Title:   "The health check asks another port than the traffic",
		Happens: "The container is healthy while the port that the proxy asks may not listen: 502 after a start, and nobody is told.",
		Fix:     "Check the port of the traffic.",
		Source:  "Compose specification: healthcheck",
		check:   checkComposeCheck,
	},
	{
		ID: "compose-start-order", Severity: Note, Products: []string{"compose"}, Causes: []string{"connection-refused"},
		Title:   "The proxy starts before the application listens",
		Happens: "depends_on as a list waits until the other container runs, not until its application listens: the first requests after a start get 502.",
		Fix:     "Wait for its health.",
		Source:  "Compose specification: depends_on, condition: service_healthy",
		check:   checkComposeOrder,
	},
	{
		ID: "compose-host-gateway", Severity: Risk, Products: []string{"compose", "nginx", "caddy", "haproxy", "traefik"}, Causes: []string{"dns-nxdomain"},
		Title:   "host.docker.internal without extra_hosts",
		Happens: "On Linux the name does not exist unless the service says so: 502, and nginx does not start.",
		Fix:     "Add extra_hosts.",
		Source:  "Docker: host-gateway; extra_hosts",
		check:   checkHostGateway,
	},
}

func checkComposeGrace(c *check) {
	for _, a := range c.Apps {
		if a.Service == nil || a.Stop.Off || a.Stop.Time <= 0 {
			continue
		}
		grace, set := 10*time.Second, a.Service.Node.Get("stop_grace_period")
		if set != nil {
			d, ok := topology.Duration(set.Text(), time.Second)
			if !ok {
				continue
			}
			grace = d
		}
		if grace >= a.Stop.Time {
			continue
		}
		severity, where := Note, a.Service.Node
		if a.Stop.Node != nil || set != nil {
			severity, where = Risk, set
		}
		if where == nil {
			where = a.Stop.Node
		}
		c.add(severity, where, fmt.Sprintf("%s lets requests go on for %s after it is told to stop, and the container is killed after %s.", called(a.Kind), shown(a.Stop.Time), shown(grace)), fmt.Sprintf("stop_grace_period: %ds", int((a.Stop.Time+5*time.Second)/time.Second)))
	}
}

var checkedPort = regexp.MustCompile(`(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]):(\d+)`)

func checkComposeCheck(c *check) {
	for r := range c.routes() {
		for _, u := range r.Members() {
			s := c.target(r, u)
			if s == nil || u.Port == "" {
				continue
			}
			test := s.Node.At("healthcheck", "test")
			text := test.Text()
			for i := range test.Items() {
				text += " " + i.Text()
			}
			if m := checkedPort.FindStringSubmatch(text); m != nil && m[1] != u.Port {
				c.risk(test, fmt.Sprintf("the check asks port %s, and requests go to %s (%v).", m[1], u.Port, u.Node.Place), strings.Replace(strings.TrimSpace(text), ":"+m[1], ":"+u.Port, 1))
			}
		}
	}
}

func checkComposeOrder(c *check) {
	seen := map[*Node]bool{}
	for r := range c.routes() {
		for _, u := range r.Members() {
			s := c.target(r, u)
			if s == nil {
				continue
			}
			for d := range r.Proxy.Service.Node.Get("depends_on").Items() {
				if d.Text() == s.Name && !seen[d] {
					seen[d] = true
					c.note(d, fmt.Sprintf("the proxy starts as soon as %s runs, whether it listens or not.", s.Name), fmt.Sprintf("depends_on: {%s: {condition: service_healthy}}", s.Name))
				}
			}
		}
	}
}

func checkHostGateway(c *check) {
	for r := range c.routes() {
		mine := r.Proxy.Service
		if mine == nil || mine.Mode != "" {
			continue
		}
		for _, u := range r.Members() {
			if u.Host == "host.docker.internal" && mine.Node.Get("extra_hosts") == nil {
				c.risk(u.Node, fmt.Sprintf("on Linux this name does not exist in the container of %q.", mine.Name), "extra_hosts: [\"host.docker.internal:host-gateway\"]")
				break
			}
		}
	}
}
