package lint

import (
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

var iisRules = []Rule{
	{
		ID: "iis-proxy-off", Severity: Fault, Products: []string{"iis"}, Causes: []string{"route-broken", "no-route"},
		Title:   "A rule that rewrites to another server, with the proxy off",
		Happens: "Application Request Routing passes nothing on while it is not enabled: 404, or 502.3.",
		Fix:     "Enable the proxy.",
		Source:  "IIS, Application Request Routing: <proxy enabled>",
		check:   checkARR,
	},
	{
		ID: "iis-timeout-below-app", Severity: Risk, Products: []string{"iis"}, Causes: []string{"head-timeout"},
		Title:   "A short time for the application",
		Happens: "ARR ends a request after that time with 502.3, \"The operation timed out\"; the ASP.NET Core module with 502.3, too. Both have two minutes by default.",
		Fix:     "Give it the longest request's time.",
		Source:  "IIS, Application Request Routing: <proxy timeout> (default 00:02:00); ASP.NET Core module: requestTimeout (whole minutes only)",
		check:   checkARRTime,
	},
	{
		ID: "iis-request-timeout-seconds", Severity: Risk, Products: []string{"iis"}, Causes: []string{"head-timeout"},
		Title:   "requestTimeout has seconds in it",
		Happens: "The ASP.NET Core module takes whole minutes only, and two minutes instead of anything else: a request that takes longer gets 502.3.",
		Fix:     "Write whole minutes.",
		Source:  "ASP.NET Core module: requestTimeout: \"must be specified in whole minutes only, otherwise it defaults to 2 minutes\"",
		check:   checkANCMTime,
	},
}

// elements visits the elements of a name in the files of IIS.
func (c *check) elements(name string, visit func(*Node)) {
	for p := range c.proxies("iis") {
		var down func(n *Node)
		down = func(n *Node) {
			if same(n.Name, name) && len(n.Kids) > 0 {
				visit(n)
			}
			for _, k := range n.Kids {
				down(k)
			}
		}
		for _, root := range p.Tree {
			down(root)
		}
	}
}

func checkARR(c *check) {
	rewrites := false
	for range c.routes("iis") {
		rewrites = true
	}
	c.elements("proxy", func(n *Node) {
		if on := n.Get("enabled"); rewrites && same(on.Text(), "false") {
			c.fault(on, "rules rewrite to another server, and the proxy is off.", `<proxy enabled="true" />`)
		}
	})
}

// clock reads a time as IIS writes it: 00:02:00.
func clock(text string) (time.Duration, bool) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return 0, false
	}
	return topology.Duration(parts[0]+"h"+parts[1]+"m"+parts[2]+"s", time.Second)
}

func checkARRTime(c *check) {
	c.elements("proxy", func(n *Node) {
		at := n.Get("timeout")
		if d, ok := clock(at.Text()); ok && d < 30*time.Second {
			c.risk(at, fmt.Sprintf("a request that takes longer than %s gets 502.3.", shown(d)), `<proxy enabled="true" timeout="00:02:00" />`)
		}
	})
}

func checkANCMTime(c *check) {
	c.elements("aspNetCore", func(n *Node) {
		at := n.Get("requestTimeout")
		if d, ok := clock(at.Text()); ok && d%time.Minute != 0 {
			c.risk(at, fmt.Sprintf("%s is not whole minutes: two minutes hold instead.", at.Text()), fmt.Sprintf(`requestTimeout="00:%02d:00"`, int(d/time.Minute)+1))
		}
	})
}
