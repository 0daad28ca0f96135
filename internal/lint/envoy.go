package lint

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

var envoyRules = []Rule{
	{
		ID: "envoy-cluster-unknown", Severity: Fault, Products: []string{"envoy"}, Causes: []string{"service-stopped", "route-broken"},
		Title:   "A route leads to a cluster that there is not",
		Happens: "Envoy refuses the static configuration: \"route: unknown cluster\".",
		Fix:     "Write the name of a cluster.",
		Source:  "Envoy: RouteConfiguration, validate_clusters (default true for static routes)",
		check:   checkEnvoyCluster,
	},
	{
		ID: "envoy-static-name", Severity: Fault, Products: []string{"envoy"}, Causes: []string{"service-stopped"},
		Title:   "A name in a cluster that takes addresses only",
		Happens: "Envoy refuses the configuration: \"malformed IP address\". A cluster is of type STATIC unless it says otherwise.",
		Fix:     "Take STRICT_DNS or LOGICAL_DNS.",
		Source:  "Envoy: Cluster.DiscoveryType (default STATIC)",
		check:   checkEnvoyStatic,
	},
	{
		ID: "envoy-sni-missing", Severity: Risk, Products: []string{"envoy"}, Causes: []string{"tls-name-unknown", "tls-certificate-wrong-name"},
		Title:   "TLS to a name without SNI",
		Happens: "A server with several sites or behind a CDN refuses the handshake: 503 with UF.",
		Fix:     "Say sni.",
		Source:  "Envoy: UpstreamTlsContext, sni (empty by default), auto_host_sni",
		check:   checkEnvoySNI,
	},
	{
		ID: "envoy-grpc-without-http2", Severity: Risk, Products: []string{"envoy"}, Causes: []string{"http1-on-http2-port", "grpc-over-http1"},
		Title:   "gRPC to a cluster that is spoken to by HTTP/1.1",
		Happens: "A cluster speaks HTTP/1.1 unless told otherwise: gRPC calls fail with 503 or a protocol error.",
		Fix:     "Set http2_protocol_options for the cluster.",
		Source:  "Envoy: HttpProtocolOptions, explicit_http_config",
		check:   checkEnvoyGRPC,
	},
	{
		ID: "envoy-route-timeout", Severity: Note, Products: []string{"envoy"}, Causes: []string{"response-too-slow", "head-timeout"},
		Title:   "Envoy ends each request after 15 seconds",
		Happens: "A route without timeout has 15 s for the whole response: what takes longer, a download or a stream as well, gets 504 with UT, or is cut.",
		Fix:     "Say the time, 0s for streams with an idle_timeout.",
		Source:  "Envoy: RouteAction, timeout (default 15s)",
		check:   checkEnvoyTimeout,
	},
	{
		ID: "envoy-ejects-all", Severity: Risk, Products: []string{"envoy"}, Causes: []string{"nobody-available"},
		Title:   "Outlier detection may eject every host",
		Happens: "With max_ejection_percent 100, five errors in a row of one broken page take each host out: 503 with UH for everybody, 30 s and longer each time.",
		Fix:     "Leave the default of 10, or at most 50.",
		Source:  "Envoy: OutlierDetection, max_ejection_percent (default 10), consecutive_5xx (default 5)",
		check:   checkEnvoyOutlier,
	},
	{
		ID: "envoy-few-pending", Severity: Risk, Products: []string{"envoy"}, Causes: []string{"queue-full", "circuit-open"},
		Title:   "Circuit breakers that open at once",
		Happens: "Requests above max_requests, or waiting above max_pending_requests, get 503 with UO at once.",
		Fix:     "Leave the default of 1024, or count the requests that go on at the same time.",
		Source:  "Envoy: CircuitBreakers.Thresholds (defaults 1024)",
		check:   checkEnvoyBreaker,
	},
}

func checkEnvoyCluster(c *check) {
	for r := range c.routes("envoy") {
		dynamic := false
		for _, root := range r.Proxy.Tree {
			dynamic = dynamic || root.At("dynamic_resources", "cds_config") != nil
		}
		if r.Group == nil && r.Target != "" && !dynamic && len(r.Proxy.Groups) > 0 {
			c.fault(r.Node.Get("cluster"), fmt.Sprintf("Envoy does not start: no cluster is called %q.", r.Target), "clusters: - name: "+r.Target)
		}
	}
}

func checkEnvoyStatic(c *check) {
	for p := range c.proxies("envoy") {
		for _, g := range p.Groups {
			if t := strings.ToUpper(g.Node.Get("type").Text()); t != "" && t != "STATIC" || g.Node.Get("cluster_type") != nil {
				continue
			}
			for _, u := range g.Members {
				if u.Host != "" && net.ParseIP(u.Host) == nil && !strings.ContainsAny(u.Host, "$%{") {
					c.fault(u.Node, fmt.Sprintf("Envoy does not start: the cluster %s takes addresses only, and %s is a name.", g.Name, u.Host), "type: STRICT_DNS")
				}
			}
		}
	}
}

func checkEnvoySNI(c *check) {
	for r := range c.routes("envoy") {
		if r.Group == nil || topology.Deep(r.Group.Node, "sni") != nil || topology.Deep(r.Group.Node, "auto_host_sni") != nil || topology.Deep(r.Group.Node, "auto_sni") != nil {
			continue
		}
		for _, u := range r.Members() {
			if u.Scheme == "https" && topology.IsName(u.Host) && strings.Contains(u.Host, ".") {
				c.risk(u.Node, fmt.Sprintf("%s is spoken to by TLS without its name.", at(u)), "sni: "+u.Host).of(r, u)
				break
			}
		}
	}
}

func checkEnvoyGRPC(c *check) {
	for r := range c.routes("envoy") {
		if r.Group == nil || topology.Deep(r.Group.Node, "http2_protocol_options") != nil || topology.Deep(r.Group.Node, "auto_config") != nil || topology.Deep(r.Group.Node, "use_downstream_protocol_config") != nil {
			continue
		}
		for _, n := range r.Scope[0].Nodes {
			if n.Name == "match" && n.Get("grpc") != nil {
				c.risk(r.Node, fmt.Sprintf("gRPC goes to the cluster %s by HTTP/1.1: every call fails.", r.Target), "typed_extension_protocol_options: envoy.extensions.upstreams.http.v3.HttpProtocolOptions: explicit_http_config: http2_protocol_options: {}")
				return
			}
		}
		for _, u := range r.Members() {
			if u.Port == "50051" {
				c.risk(u.Node, fmt.Sprintf("%s is the usual port of gRPC, and the cluster %s speaks HTTP/1.1.", at(u), r.Target), "typed_extension_protocol_options: envoy.extensions.upstreams.http.v3.HttpProtocolOptions: explicit_http_config: http2_protocol_options: {}")
				return
			}
		}
	}
}

func checkEnvoyTimeout(c *check) {
	for r := range c.routes("envoy") {
		if r.Read.Node == nil && r.Node.Get("max_grpc_timeout") == nil && r.Target != "" {
			c.note(r.Node, "a response that is not done after 15 s is cut, or gets 504.", "timeout: 60s")
		}
	}
}

func checkEnvoyOutlier(c *check) {
	for p := range c.proxies("envoy") {
		for _, g := range p.Groups {
			n := g.Node.At("outlier_detection", "max_ejection_percent")
			if v, err := strconv.Atoi(n.Text()); n != nil && err == nil && v >= 100 && g.Node.At("outlier_detection", "enforcing_consecutive_5xx").Text() != "0" {
				c.risk(n, fmt.Sprintf("one broken page takes each host of %s out: then everybody gets 503.", g.Name), "max_ejection_percent: 50")
			}
		}
	}
}

func checkEnvoyBreaker(c *check) {
	for p := range c.proxies("envoy") {
		for _, g := range p.Groups {
			for t := range g.Node.At("circuit_breakers", "thresholds").Items() {
				for _, name := range []string{"max_pending_requests", "max_requests", "max_connections"} {
					if n := t.Get(name); n != nil && t.Get("priority").Text() != "HIGH" {
						if v, err := strconv.Atoi(n.Text()); err == nil && v < 10 && name != "max_connections" {
							c.risk(n, fmt.Sprintf("with %s at %d, a handful of requests at the same time gets 503.", name, v), name+": 1024")
						}
					}
				}
			}
		}
	}
}
