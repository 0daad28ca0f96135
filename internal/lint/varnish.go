package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

var varnishRules = []Rule{
	{
		ID: "varnish-probe-impossible", Severity: Fault, Products: []string{"varnish"}, Causes: []string{"service-stopped"},
		Title:   "A probe's threshold is above its window",
		Happens: "The VCL does not compile: \"Threshold can not be greater than window\". Varnish does not start with it, and a reload changes nothing.",
		Fix:     "Let the threshold be at most the window.",
		Source:  "Varnish: VCL probes, .window (default 8), .threshold (default 3)",
		check:   checkProbeWindow,
	},
	{
		ID: "varnish-probe-without-host", Severity: Fault, Products: []string{"varnish"}, Causes: []string{"nobody-available"},
		Title:   "A probe by HTTP/1.1 without Host",
		Happens: "Every server must answer 400 to it: the backend is sick, and everybody gets 503.",
		Fix:     "Add a line with Host.",
		Source:  "RFC 9112, section 3.2; Varnish: VCL probes, .request",
		check:   checkProbeHost,
	},
	{
		ID: "varnish-caches-errors", Severity: Risk, Products: []string{"varnish"}, Causes: []string{"cached-error"},
		Title:   "A lifetime is set whatever the answer's status",
		Happens: "An answer of 500 or 503 is kept like a good one, and given to everybody for as long.",
		Fix:     "Give errors no lifetime.",
		Source:  "Varnish: vcl_backend_response, beresp.ttl: without it, errors are not cached",
		check:   checkVarnishErrors,
	},
	{
		ID: "varnish-few-connections", Severity: Risk, Products: []string{"varnish"}, Causes: []string{"connection-limit"},
		Title:   "Very few connections to a backend",
		Happens: "A request that needs one more connection gets 503 at once: Varnish does not queue for backends unless it is told to.",
		Fix:     "Allow as many as the application has workers, and some more.",
		Source:  "Varnish: backend .max_connections",
		check:   checkMaxConnections,
	},
}

// probes goes through the probes of a VCL, in backends or alone.
func probes(p *proxy, visit func(*Node)) {
	for _, n := range p.Tree {
		if n.Name == "probe" && n.Kids != nil {
			visit(n)
		}
		for k := range n.All(".probe") {
			if k.Kids != nil {
				visit(k)
			}
		}
	}
}

func checkProbeWindow(c *check) {
	for p := range c.proxies("varnish") {
		probes(p, func(n *Node) {
			window, threshold := 8, 3
			if v, err := strconv.Atoi(topology.VCLValue(n, ".window")); err == nil {
				window = v
			}
			at := n.Get(".threshold")
			if v, err := strconv.Atoi(topology.VCLValue(n, ".threshold")); err == nil {
				threshold = v
			}
			if threshold > window {
				if at == nil {
					at = n.Get(".window")
				}
				c.fault(at, fmt.Sprintf("the VCL does not compile: the threshold is %d, and the window %d.", threshold, window), fmt.Sprintf(".threshold = %d;", max(window/2, 1)))
			}
		})
	}
}

func checkProbeHost(c *check) {
	for p := range c.proxies("varnish") {
		probes(p, func(n *Node) {
			request := n.Get(".request")
			if request == nil {
				return
			}
			text := strings.ToLower(request.Words())
			if strings.Contains(text, "http/1.1") && !strings.Contains(text, "host:") {
				c.fault(request, "the probe is HTTP/1.1 without Host: the server answers 400, and is taken for sick.", `"Host: shop.example.com"`)
			}
		})
	}
}

func checkVarnishErrors(c *check) {
	for p := range c.proxies("varnish") {
		for _, sub := range p.Tree {
			if sub.Name != "sub" || sub.Text() != "vcl_backend_response" {
				continue
			}
			guarded := slices.ContainsFunc(sub.Kids, func(n *Node) bool {
				return (n.Name == "if" || n.Name == "elseif" || n.Name == "elsif") && strings.Contains(n.Words(), "beresp.status")
			})
			for _, n := range sub.Kids {
				if n.Name == "set" && n.Text() == "beresp.ttl" && !guarded && !slices.Contains(n.Args, "0s") {
					c.risk(n, "an error of the application is kept for that long, and given to everybody.", "if (beresp.status >= 500) { set beresp.uncacheable = true; set beresp.ttl = 0s; return (deliver); }")
				}
			}
		}
	}
}

func checkMaxConnections(c *check) {
	for p := range c.proxies("varnish") {
		for _, g := range p.Groups {
			n := g.Node.Get(".max_connections")
			if v, err := strconv.Atoi(topology.VCLValue(g.Node, ".max_connections")); n != nil && err == nil && v > 0 && v < 10 {
				c.risk(n, fmt.Sprintf("the request that needs connection %d to %s gets 503 at once.", v+1, g.Name), ".max_connections = 200;")
			}
		}
	}
}
