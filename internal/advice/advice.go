package advice

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

// table has a product's directives by cause.
type table map[fault.Cause][]directive

// tables has each product's table. A product that is another one with additions has that one's as well: kin.
var tables = map[string]table{
	"nginx": ofNginx, "ingress-nginx": ofIngressNginx, "kong": ofKong, "haproxy": ofHAProxy, "envoy": ofEnvoy, "istio": ofIstio,
	"apache": ofApache, "caddy": ofCaddy, "traefik": ofTraefik, "alb": ofALB, "cloudflare": ofCloudflare, "cloudfront": ofCloudFront,
	"gcp": ofGCP, "varnish": ofVarnish, "squid": ofSquid, "iis": ofIIS, "heroku": ofHeroku,
	"gunicorn": ofGunicorn, "uwsgi": ofUWSGI, "php-fpm": ofPHPFPM, "puma": ofPuma, "node": ofNode, "tomcat": ofTomcat, "linux": ofLinux,
}

var kin = map[string]string{"openresty": "nginx", "istio": "envoy", "systemd": "linux"}

// Knows reports whether there is a table for a product, or for the one that it is a kind of.
func Knows(product string) bool { return tables[product] != nil || kin[product] != "" }

// For says what to do about a cause where the product met it: first what to set there, in the product's own syntax, then
// the catalogue's advice, without what is about Whygate's own configuration if the product is another. It is never empty.
func For(product string, c fault.Cause) []string {
	general := c.Entry().Advice
	if product == "whygate" {
		return general
	}
	var lines []string
	for name := product; name != ""; name = kin[name] {
		for _, d := range tables[name][c] {
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
