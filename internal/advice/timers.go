package advice

import (
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// timer is a default that people meet without having set it.
type timer struct {
	product string // empty for every product
	cause   fault.Cause
	seconds int
	whose   string
}

// timers are the defaults by the products' documentation.
var timers = [...]timer{
	{"nginx", fault.CauseHeadTimeout, 60, "nginx's proxy_read_timeout (60 s by default)"},
	{"nginx", fault.CauseConnectTimeout, 60, "nginx's proxy_connect_timeout (60 s by default)"},
	{"nginx", fault.CauseUploadStalled, 60, "nginx's proxy_send_timeout (60 s by default)"},
	{"nginx", fault.CauseBodyStalled, 60, "nginx's proxy_read_timeout (60 s by default)"},
	{"ingress-nginx", fault.CauseHeadTimeout, 60, "the controller's proxy-read-timeout (60 s by default)"},
	{"ingress-nginx", fault.CauseHeadTimeout, 5, "the controller's proxy-connect-timeout (5 s by default): then it is a connect timeout"},
	{"ingress-nginx", fault.CauseConnectTimeout, 5, "the controller's proxy-connect-timeout (5 s by default)"},
	{"kong", fault.CauseHeadTimeout, 60, "the service's read_timeout (60 s by default)"},
	{"kong", fault.CauseConnectTimeout, 60, "the service's connect_timeout (60 s by default)"},
	{"envoy", fault.CauseHeadTimeout, 15, "the route's timeout (15 s by default)"},
	{"envoy", fault.CauseResponseTooSlow, 15, "the route's timeout (15 s by default)"},
	{"envoy", fault.CauseConnectTimeout, 5, "the cluster's connect_timeout (5 s by default)"},
	{"istio", fault.CauseConnectTimeout, 10, "the DestinationRule's connectTimeout (10 s by default)"},
	{"envoy", fault.CauseBodyStalled, 300, "stream_idle_timeout (5 min by default)"},
	{"apache", fault.CauseHeadTimeout, 60, "Apache's Timeout, which ProxyTimeout falls back on (60 s by default)"},
	{"apache", fault.CauseHeadTimeout, 300, "Apache's Timeout (300 s in many distributions)"},
	{"apache", fault.CauseConnectTimeout, 60, "Apache's Timeout, which connectiontimeout falls back on (60 s by default)"},
	{"traefik", fault.CauseConnectTimeout, 30, "Traefik's forwardingTimeouts.dialTimeout (30 s by default)"},
	{"caddy", fault.CauseConnectTimeout, 3, "Caddy's dial_timeout (3 s by default)"},
	{"alb", fault.CauseHeadTimeout, 60, "the load balancer's idle timeout (60 s by default)"},
	{"alb", fault.CauseConnectTimeout, 10, "the load balancer's connect timeout (10 s, fixed)"},
	{"clb", fault.CauseHeadTimeout, 60, "the load balancer's idle timeout (60 s by default)"},
	{"gcp", fault.CauseHeadTimeout, 30, "the backend service's timeout (30 s by default)"},
	{"heroku", fault.CauseHeadTimeout, 30, "the router's limit of 30 s for the first octet, which cannot be changed"},
	{"cloudflare", fault.CauseHeadTimeout, 100, "Cloudflare's proxy read timeout (100 s by default)"},
	{"cloudflare", fault.CauseHeadTimeout, 120, "Cloudflare's proxy read timeout (120 s by default)"},
	{"varnish", fault.CauseHeadTimeout, 60, "Varnish's first_byte_timeout (60 s by default)"},
	{"varnish", fault.CauseBodyStalled, 60, "Varnish's between_bytes_timeout (60 s by default)"},
	{"squid", fault.CauseHeadTimeout, 900, "Squid's read_timeout (15 min by default)"},
	{"squid", fault.CauseConnectTimeout, 60, "Squid's connect_timeout (1 min by default)"},
	{"iis", fault.CauseHeadTimeout, 120, "the timeout of Application Request Routing (2 min by default)"},
	{"cloudfront", fault.CauseHeadTimeout, 30, "the origin's response timeout (30 s by default)"},
	{"next", fault.CauseHeadTimeout, 30, "Next.js's experimental.proxyTimeout (30 s by default)"},
	{"oauth2-proxy", fault.CauseHeadTimeout, 30, "oauth2-proxy's upstream timeout (30 s by default)"},
	{"aws-api-gateway", fault.CauseHeadTimeout, 29, "the integration's timeout (29 s by default)"},
	{"frp", fault.CauseHeadTimeout, 60, "frps's vhostHTTPTimeout (60 s by default)"},
	{"trafficserver", fault.CauseHeadTimeout, 30, "Traffic Server's transaction_no_activity_timeout_out (30 s by default)"},
	{"", fault.CauseWorkerTimeout, 30, "gunicorn's --timeout or PHP's max_execution_time (30 s by default)"},
	{"", fault.CauseWorkerTimeout, 60, "Puma's worker_timeout (60 s by default), or a limit of another proxy in between"},
	{"", fault.CauseClientLeft, 30, "the client's own limit of 30 s"},
}

// TimerOf says whose timer a whole number of seconds is, empty where nobody's is known to be. module is nginx's, empty for proxy.
func TimerOf(product, module string, c fault.Cause, second int) string {
	for i := range timers {
		t := &timers[i]
		if t.cause == c && t.seconds == second && (t.product == "" || t.product == product || t.product == "envoy" && product == "istio") {
			if module != "" {
				return strings.ReplaceAll(t.whose, "proxy_", module+"_")
			}
			return t.whose
		}
	}
	switch c {
	case fault.CauseHeadTimeout, fault.CauseConnectTimeout, fault.CauseResponseTooSlow, fault.CauseBodyStalled, fault.CauseUploadStalled:
		return fmt.Sprintf("a timeout that is configured to %d s", second)
	}
	return ""
}

// longEnough is from when on nobody's waiting longer helps, as far as a gateway is concerned: browsers give up then, too.
const longEnough = 5 * time.Minute

// tooLong takes the place of advice to wait longer, where the wait was long already.
func tooLong(f *Facts) directive {
	return directive{why: f.ranOut() + ": no default, or one that is generous, and a longer one only makes clients wait longer. Answer 202 at once and do the work in a queue, or find the request that hangs: its path is the same each time."}
}

// ranOut says which time ran out, and whose setting it is where that is known.
func (f *Facts) ranOut() string {
	seconds := int(f.Waited.Round(time.Second) / time.Second)
	whose := TimerOf(f.Product, f.Module, f.Cause, seconds)
	if whose == "" || strings.HasPrefix(whose, "a timeout that") {
		return fmt.Sprintf("%d s ran out", seconds)
	}
	return fmt.Sprintf("%d s ran out, %s", seconds, whose)
}
