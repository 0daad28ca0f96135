package explain

import (
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// directive is one thing to set in a product, ready to paste.
type directive struct {
	where string // the block or file that it belongs into; empty where only one is possible
	set   string // the directive in the product's own syntax; empty for advice that is no directive
	why   string // what it does about the cause, and what to mind
	newer bool   // the product has it only since a release that is not everywhere yet; why says which
}

// String gives the directive with a comment behind it that says where it goes and what it does.
func (d directive) String() string {
	switch {
	case d.set == "":
		return d.why
	case d.where == "":
		return d.set + "   # " + d.why
	}
	return d.set + "   # " + d.where + ": " + d.why
}

// adviceTable has a product's directives by cause.
type adviceTable map[fault.Cause][]directive

// adviceTables has each product's table. A product that is another one with additions has that one's as well: adviceKin.
var adviceTables = map[string]adviceTable{
	"nginx": adviceNginx, "ingress-nginx": adviceIngressNginx, "kong": adviceKong, "haproxy": adviceHAProxy, "envoy": adviceEnvoy, "istio": adviceIstio,
	"apache": adviceApache, "caddy": adviceCaddy, "traefik": adviceTraefik, "alb": adviceALB, "cloudflare": adviceCloudflare, "cloudfront": adviceCloudFront,
	"gcp": adviceGCP, "varnish": adviceVarnish, "squid": adviceSquid, "iis": adviceIIS, "heroku": adviceHeroku,
	"gunicorn": adviceGunicorn, "uwsgi": adviceUWSGI, "php-fpm": advicePHPFPM, "puma": advicePuma, "node": adviceNode, "tomcat": adviceTomcat, "linux": adviceLinux,
}

var adviceKin = map[string]string{"openresty": "nginx", "istio": "envoy", "systemd": "linux"}

// Advice says what to do about a cause where the product met it: first what to set there, in the product's own syntax, then
// the catalogue's advice, without what is about Whygate's own configuration if the product is another. It is never empty.
func Advice(product string, c fault.Cause) []string {
	general := c.Entry().Advice
	if product == "whygate" {
		return general
	}
	var lines []string
	for name := product; name != ""; name = adviceKin[name] {
		for _, d := range adviceTables[name][c] {
			lines = append(lines, d.String())
		}
	}
	for _, line := range general {
		if !isOwnAdvice(line) {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 { // all of it is about Whygate
		return []string{"Read the proxy's own error log at that second: it has the reason."}
	}
	return lines
}

// ownKeys begin the names of Whygate's configuration keys.
var ownKeys = [...]string{"pools.NAME", "timeouts.", "limits.connections", "limits.request", "limits.response", "limits.idle", "limits.head", "resolver.servers", "whygate check", "whygate reload", "Whygate does so by itself", "the incident's JSON", "stage select"}

// isOwnAdvice reports whether a line of the catalogue's advice is about Whygate's own configuration.
func isOwnAdvice(line string) bool {
	for _, key := range ownKeys {
		if strings.Contains(line, key) {
			return true
		}
	}
	return false
}
