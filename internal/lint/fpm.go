package lint

import (
	"fmt"
	"strconv"
)

var fpmRules = []Rule{
	{
		ID: "app-queue-short", Severity: Risk, Products: []string{"php-fpm", "unicorn", "gunicorn", "uwsgi"}, Causes: []string{"socket-backlog-full", "connect-timeout"},
		Title:   "A short queue for connections",
		Happens: "When all workers are busy, connections wait in the queue; one more than it holds gets 502 at once on a unix socket (\"Resource temporarily unavailable\"), and waits for a second and more by TCP.",
		Fix:     "Leave the default (511, 2048, 1024, 100), or raise it with net.core.somaxconn.",
		Source:  "php-fpm: listen.backlog (default 511, -1 on some systems); gunicorn: backlog (2048); Unicorn: :backlog (1024); uWSGI: listen (100); listen(2)",
		check:   checkQueue,
	},
	{
		ID: "fpm-few-children", Severity: Risk, Products: []string{"php-fpm"}, Causes: []string{"workers-busy", "head-timeout"},
		Title:   "Very few PHP processes",
		Happens: "One slow page holds a process: with one or two of them, the next requests wait until nginx gives up with 504, or get 502 when the queue is full.",
		Fix:     "Memory for PHP divided by that of one process is how many may be.",
		Source:  "php-fpm: pm.max_children",
		check:   checkChildren,
	},
	{
		ID: "fpm-servers-disagree", Severity: Fault, Products: []string{"php-fpm"}, Causes: []string{"service-stopped", "socket-missing"},
		Title:   "The numbers of a dynamic pool contradict each other",
		Happens: "php-fpm refuses the pool and does not start: every request gets 502.",
		Fix:     "min_spare ≤ start ≤ max_spare ≤ max_children.",
		Source:  "php-fpm: pm.start_servers must not be less than pm.min_spare_servers and not greater than pm.max_spare_servers, which must not be greater than pm.max_children",
		check:   checkSpare,
	},
	{
		ID: "fpm-allowed-clients", Severity: Fault, Products: []string{"php-fpm", "nginx", "compose"}, Causes: []string{"reset-before-answer", "closed-before-answer"},
		Title:   "php-fpm refuses connections from other containers",
		Happens: "listen.allowed_clients names loopback only, and nginx comes from another container: php-fpm closes each connection, 502.",
		Fix:     "Leave it out inside a network of containers.",
		Source:  "php-fpm: listen.allowed_clients",
		check:   checkAllowed,
	},
}

func checkQueue(c *check) {
	for _, a := range c.Apps {
		if a.QueueAt != nil && a.Queue > 0 && a.Queue < 64 {
			c.risk(a.QueueAt, fmt.Sprintf("with all workers busy, connection %d fails, or waits.", a.Queue+1), queueFix(a))
		}
	}
}

func queueFix(a *app) string {
	switch a.Kind {
	case "php-fpm":
		return "listen.backlog = 511"
	case "uwsgi":
		return "listen = 100"
	case "unicorn":
		return a.QueueAt.Name + " …, :backlog => 1024"
	}
	return "backlog = 2048"
}

// number is a setting's number.
func number(n *Node, name string) (int, bool) {
	v, err := strconv.Atoi(n.Get(name).Text())
	return v, err == nil
}

func checkChildren(c *check) {
	for _, a := range c.Apps {
		if a.Kind != "php-fpm" {
			continue
		}
		if v, ok := number(a.Node, "pm.max_children"); ok && v <= 2 {
			c.risk(a.Node.Get("pm.max_children"), fmt.Sprintf("%d slow pages hold all of PHP: the next requests wait until the proxy gives up.", v), "pm.max_children = 20")
		}
	}
}

func checkSpare(c *check) {
	for _, a := range c.Apps {
		if a.Kind != "php-fpm" || a.Node.Get("pm").Text() != "dynamic" {
			continue
		}
		lowest, hasLow := number(a.Node, "pm.min_spare_servers")
		highest, hasHigh := number(a.Node, "pm.max_spare_servers")
		most, hasMost := number(a.Node, "pm.max_children")
		start, hasStart := number(a.Node, "pm.start_servers")
		switch {
		case hasHigh && hasMost && highest > most:
			c.fault(a.Node.Get("pm.max_spare_servers"), fmt.Sprintf("php-fpm does not start: %d spare servers, and %d children at most.", highest, most), fmt.Sprintf("pm.max_spare_servers = %d", most))
		case hasLow && hasHigh && lowest > highest:
			c.fault(a.Node.Get("pm.min_spare_servers"), fmt.Sprintf("php-fpm does not start: at least %d spare servers, and at most %d.", lowest, highest), fmt.Sprintf("pm.min_spare_servers = %d", highest))
		case hasStart && hasLow && hasHigh && (start < lowest || start > highest):
			c.fault(a.Node.Get("pm.start_servers"), fmt.Sprintf("php-fpm does not start: %d servers at the start, and between %d and %d spare ones.", start, lowest, highest), fmt.Sprintf("pm.start_servers = %d", (lowest+highest)/2))
		}
	}
}

func checkAllowed(c *check) {
	for _, a := range c.Apps {
		n := a.Node.Get("listen.allowed_clients")
		if a.Kind != "php-fpm" || n == nil || n.Text() != "127.0.0.1" || a.Listen[0].Unix != "" {
			continue
		}
		for r := range c.routes() {
			for _, u := range r.Members() {
				if s := c.target(r, u); s != nil && u.Port == a.Listen[0].Port && r.SchemeOf(u) == "fastcgi" {
					c.fault(n, fmt.Sprintf("connections come from the container of %q, and only 127.0.0.1 is let in: each is closed.", r.Proxy.Service.Name), "; listen.allowed_clients left out")
					return
				}
			}
		}
	}
}
