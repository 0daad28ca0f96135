package diagnose

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
	"github.com/whygate/whygate/internal/phrase"
)

// stock is an answer that a product makes by itself: what it means, where its own words do not name a cause that package phrase
// knows from logs as well.
type stock struct {
	product string
	status  int           // 0 for any
	says    string        // stands in the reason phrase or the text, in lower case; several joined by a bar; empty for any
	causes  []fault.Cause // the likeliest first
	means   string        // the rest of the sentence; empty where the cause says it
}

// Sets of causes of stock answers.
var (
	refusedFirst = []fault.Cause{fault.CauseConnectionRefused, fault.CauseNetworkError}
	endedFirst   = []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer}
	anyFailure   = []fault.Cause{fault.CauseConnectionRefused, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer}
	anyAnswer    = []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseNotHTTP, fault.CauseHeadTooLarge}
	lateAnswer   = []fault.Cause{fault.CauseHeadTimeout, fault.CauseConnectTimeout}
	nobodyThere  = []fault.Cause{fault.CauseNobodyAvailable}
	noRouteThere = []fault.Cause{fault.CauseNoRoute}
)

func only(c fault.Cause) []fault.Cause { return []fault.Cause{c} }

// stocks has the products' own answers. Those of h2o, Traffic Server, lighttpd, nghttpx, oauth2-proxy, frp, tinyproxy, privoxy, Apache,
// Varnish, HAProxy and the JavaScript proxies were provoked on loopback; the others are from the products' documentation and sources.
var stocks = []stock{
	{"h2o", 0, "connection failed", refusedFirst, ""},
	{"h2o", 0, "i/o error (head)", []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseHeadCut}, ""},
	{"h2o", 0, "connection timeout", []fault.Cause{fault.CauseConnectTimeout, fault.CauseTLSHandshakeTimeout}, ""},
	{"h2o", 0, "i/o timeout", only(fault.CauseHeadTimeout), ""},
	{"h2o", 0, "ssl handshake failure", only(fault.CauseTLSProtocolError), ""},
	{"h2o", 0, "failed to parse the response|invalid response from upstream", []fault.Cause{fault.CauseNotHTTP, fault.CauseBadField, fault.CauseHeadTooLarge}, ""},

	{"trafficserver", 0, "connection refused", only(fault.CauseConnectionRefused), ""},
	{"trafficserver", 0, "malformed server response status|server hangup", endedFirst, ""},
	{"trafficserver", 0, "invalid http response|malformed server response", []fault.Cause{fault.CauseNotHTTP, fault.CauseBadField}, ""},
	{"trafficserver", 0, "timed out|timeout", lateAnswer, ""},
	{"trafficserver", 0, "cannot find server|dns", only(fault.CauseDNSError), ""},
	{"trafficserver", 502, "", anyFailure, ""},

	{"lighttpd", 503, "", []fault.Cause{fault.CauseConnectionRefused, fault.CauseNobodyAvailable}, "could not connect to its application, or holds it to be down"},
	{"lighttpd", 500, "", endedFirst, "got no answer from its application, which ended the connection: its 500 stands for the 502 of others"},
	{"lighttpd", 502, "", []fault.Cause{fault.CauseNotHTTP, fault.CauseHeadTooLarge, fault.CauseBadField}, ""},
	{"lighttpd", 504, "", only(fault.CauseHeadTimeout), ""},

	{"apache", 503, "due to maintenance downtime or capacity problems", []fault.Cause{fault.CauseConnectionRefused, fault.CauseConnectTimeout, fault.CauseConnectionLimit}, "could not connect to its worker, or has none left: the page is its stock 503, whose word of maintenance means nothing"},
	{"apache", 502, "received an invalid response|could not handle the request", anyAnswer, ""},
	{"apache", 504, "", only(fault.CauseHeadTimeout), ""},
	{"varnish", 503, "backend fetch failed", anyFailure, "got no answer from its backend (its stock page, whose Retry-After says nothing)"},
	{"varnish", 503, "no backend|unhealthy", nobodyThere, ""},
	{"varnish", 503, "vcl failed", only(fault.CauseRouteBroken), ""},
	{"varnish", 503, "", anyFailure, "got no answer from its backend (its stock page, whose Retry-After says nothing)"},
	{"haproxy", 503, "no server is available", nobodyThere, "has no server for the request: each is down, refuses, or there is none"},
	{"haproxy", 502, "", anyAnswer, "got no answer from its server that it could use"},
	{"haproxy", 504, "", only(fault.CauseHeadTimeout), ""},

	{"tinyproxy", 0, "unable to connect|could not connect", refusedFirst, ""},
	{"tinyproxy", 503, "could not retrieve all the headers", []fault.Cause{fault.CauseNotHTTP, fault.CauseHeadCut}, ""},
	{"tinyproxy", 502, "", anyFailure, ""},
	{"privoxy", 0, "connect failed|connection failure", refusedFirst, ""},
	{"privoxy", 0, "no data received|no server or forwarder", endedFirst, ""},
	{"privoxy", 0, "response invalid", []fault.Cause{fault.CauseNotHTTP, fault.CauseBadField}, ""},
	{"privoxy", 0, "no such domain", only(fault.CauseDNSNXDomain), ""},
	{"sniproxy", 0, "", anyFailure, ""},
	{"nghttpx", 503, "", nobodyThere, ""},
	{"nghttpx", 504, "", lateAnswer, ""},
	{"nghttpx", 502, "", anyFailure, ""},
	{"oauth2-proxy", 502, "", anyFailure, ""},
	{"frp", 404, "", []fault.Cause{fault.CauseNoRoute, fault.CauseNobodyAvailable}, "knows no service for this name, or the service behind frpc does not answer: its 404 stands for both"},
	{"tyk", 0, "problem proxying the request", anyFailure, ""},
	{"gitlab-workhorse", 502, "", []fault.Cause{fault.CauseConnectionRefused, fault.CauseHeadTimeout, fault.CauseClosedBeforeAnswer}, "got no answer from GitLab's application (Puma)"},
	{"passenger", 0, "could not be started", only(fault.CauseServiceFailed), "could not start the application"},
	{"passenger", 0, "heavy load", only(fault.CauseQueueFull), ""},
	{"uwsgi", 0, "application not found|internal server error", only(fault.CauseServiceFailed), "has no application: it did not load"},
	{"php", 404, "file not found.", only(fault.CauseNoRoute), "got a script's path from its gateway that is not there (SCRIPT_FILENAME)"},

	{"http-proxy-middleware", 504, "", anyFailure, "could not connect, or was hung up on: its 504 stands for refused, reset and closed"},
	{"http-proxy-middleware", 502, "", only(fault.CauseNotHTTP), ""},
	{"http-proxy-middleware", 500, "", []fault.Cause{fault.CauseHeadTooLarge, fault.CauseTLSToPlainPort, fault.CauseConnectionRefused}, "got no answer that it could use: its 500 stands for a head that is too large, and for TLS to a plain port"},
	{"express-http-proxy", 504, "", endedFirst, "was hung up on by its upstream: its 504 is no timeout"},
	{"fastify", 504, "fst_reply_from", only(fault.CauseHeadTimeout), ""},
	{"fastify", 0, "fst_reply_from", anyFailure, "got no answer from its upstream (@fastify/reply-from), and does not say why"},
	{"verdaccio", 503, "resource unavailable", []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseHeadTimeout}, "got no answer from its uplink"},
	{"nitro", 0, "bad gateway|fetch failed", anyFailure, "got no answer from its upstream, for a reason that it logs nowhere"},
	{"vite", 0, "", anyFailure, "got no answer from its upstream: its terminal says why"},
	{"workerd", 0, "network connection lost", anyFailure, ""},

	{"traefik", 502, "", anyFailure, ""},
	{"traefik", 504, "", lateAnswer, ""},
	{"kong", 0, "no route matched", noRouteThere, ""},
	{"kong", 502, "an invalid response was received", append(anyFailure[:3:3], fault.CauseHeadTooLarge), ""},
	{"kong", 504, "is timing out", only(fault.CauseHeadTimeout), ""},
	{"kong", 503, "name resolution failed", only(fault.CauseDNSError), ""},
	{"kong", 503, "currently unavailable|failure to get a peer", nobodyThere, ""},
	{"apisix", 404, "route not found", noRouteThere, ""},
	{"ingress-nginx", 404, "", noRouteThere, "has no rule for this host and path"},
	{"gke-default-backend", 404, "", noRouteThere, "has no rule for this host and path"},
	{"iis", 503, "the service is unavailable", []fault.Cause{fault.CauseServiceStopped, fault.CauseQueueFull}, "has no worker for the request: the application pool is stopped, or its queue is full"},
	{"iis", 502, "acting as a gateway or proxy server", []fault.Cause{fault.CauseConnectionRefused, fault.CauseHeadTimeout, fault.CauseClosedBeforeAnswer}, ""},
	{"iis", 0, "502.5|500.30|startup failure|failed to start", only(fault.CauseServiceFailed), "could not start the application's process"},
	{"azure-app-service", 403, "stopped", only(fault.CauseServiceStopped), "says that the application is stopped"},
	{"azure-app-service", 0, "", []fault.Cause{fault.CauseServiceFailed, fault.CauseServiceStopped}, ""},

	{"alb", 503, "", []fault.Cause{fault.CauseNoEndpoints, fault.CauseNobodyAvailable}, "has no target behind it: its target group is empty, or all are drained"},
	{"alb", 502, "", append(anyFailure[:3:3], fault.CauseNotHTTP), "got no answer from its target that it could use"},
	{"alb", 504, "", lateAnswer, ""},
	{"alb", 561, "", only(fault.CauseRequestDenied), "got an error from its identity provider"},
	{"gcp", 502, "", append(anyFailure[:3:3], fault.CauseHeadTimeout), "got no answer from its backend"},
	{"gcp", 503, "", nobodyThere, "has no healthy backend"},
	{"gcp", 500, "temporary error", anyFailure, ""},
	{"cloud-run", 503, "malformed or connection to the instance", []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer}, ""},
	{"cloud-run", 0, "no available instance", []fault.Cause{fault.CauseNobodyAvailable}, ""},
	{"azure-app-gateway", 502, "", append(anyFailure[:3:3], fault.CauseHeadTimeout), "got no answer from its backend pool, or holds all of it to be unhealthy"},
	{"azure-app-gateway", 504, "", lateAnswer, ""},
	{"azure-front-door", 0, "", append(anyFailure[:3:3], fault.CauseHeadTimeout), "got no answer from its origin"},
	{"api-gateway", 403, "missing authentication token", noRouteThere, "has no such method and path: its \"Missing Authentication Token\" means that"},
	{"api-gateway", 504, "", only(fault.CauseHeadTimeout), ""},
	{"api-gateway", 0, "internal server error", []fault.Cause{fault.CauseNotHTTP, fault.CauseApplicationError}, "could not use what its integration gave"},
	{"api-gateway", 503, "service unavailable", anyFailure, ""},

	{"cloudfront", 0, "wasn't able to connect|either the attempt failed or the origin closed|can't connect to the server", append(anyFailure[:3:3], fault.CauseConnectTimeout), "got no answer from its origin"},
	{"cloudfront", 403, "request blocked", only(fault.CauseContentFilter), "refuses the request by a rule of the site's firewall (AWS WAF)"},
	{"cloudfront", 403, "bad request|could not be satisfied", []fault.Cause{fault.CauseWrongHost, fault.CauseContentFilter}, "refuses the request: it does not know the host, or a rule of the site forbids it"},
	{"cloudflare", 403, "you have been blocked|attention required", only(fault.CauseContentFilter), "refuses the request by a firewall rule of the site"},
	{"akamai", 403, "", only(fault.CauseContentFilter), "refuses the request by a rule of the site: the reference number finds it"},
	{"s3", 404, "nosuchbucket", only(fault.CauseWrongHost), "has no bucket of this name: the name leads to one that is gone"},
	{"cloudfront", 504, "", lateAnswer, ""},
	{"cloudfront", 502, "", append(anyFailure[:3:3], fault.CauseTLSProtocolError), "got no answer from its origin"},
	{"cloudfront", 503, "lambda", only(fault.CauseApplicationError), "met an error of its own function"},
	{"fastly", 0, "unknown domain|domain not found", only(fault.CauseWrongHost), "does not know this host: no service of its has the domain"},
	{"fastly", 503, "first byte timeout", only(fault.CauseHeadTimeout), ""},
	{"fastly", 503, "between bytes timeout", only(fault.CauseBodyStalled), ""},
	{"fastly", 503, "connection timed out", only(fault.CauseConnectTimeout), ""},
	{"fastly", 503, "backend read error|backend write error", endedFirst, ""},
	{"fastly", 503, "unhealthy|all backends failed", nobodyThere, ""},
	{"fastly", 503, "ssl handshake error|certificate", only(fault.CauseTLSProtocolError), ""},
	{"fastly", 503, "loop detected", only(fault.CauseProxyLoop), ""},
	{"fastly", 503, "", anyFailure, ""},
	{"akamai", 0, "zero size object", endedFirst, ""},
	{"akamai", 0, "dns failure|dns lookup failure", only(fault.CauseDNSError), ""},
	{"akamai", 0, "fail to connect", []fault.Cause{fault.CauseConnectionRefused, fault.CauseConnectTimeout}, ""},
	{"akamai", 504, "", lateAnswer, ""},
	{"akamai", 503, "", anyFailure, "got no answer from its origin"},
	{"akamai", 502, "", anyFailure, "got no answer from its origin"},
	{"heroku", 0, "no such app", only(fault.CauseWrongHost), "knows no application of this name"},
	{"heroku", 503, "maintenance", only(fault.CauseMaintenance), "is told that the application is in maintenance mode"},
	{"heroku", 503, "", []fault.Cause{fault.CauseServiceFailed, fault.CauseHeadTimeout, fault.CauseClosedBeforeAnswer}, "got no answer from the application: its log has the code (H10 to H27)"},
	{"github-pages", 404, "", only(fault.CauseWrongHost), "knows no site of this name"},
	{"fly", 502, "", anyFailure, "got no answer from the application's machine"},
	{"fly", 503, "", nobodyThere, ""},
	{"railway", 502, "", []fault.Cause{fault.CauseConnectionRefused, fault.CauseHeadTimeout, fault.CauseClosedBeforeAnswer}, "got no answer from the application"},
	{"render", 0, "", nobodyThere, ""},
	{"imperva", 0, "", only(fault.CauseContentFilter), ""},
	{"sucuri", 0, "", only(fault.CauseContentFilter), ""},
	{"big-ip", 0, "the requested url was rejected", only(fault.CauseContentFilter), ""},
	{"netscaler", 503, "", nobodyThere, ""},
}

// ofStock is the finding that a product's own answer makes, nil where it is none that is known.
func ofStock(w *Walk, x *Exchange) *finding {
	maker, made := fingerprint.Maker(&x.answer)
	if !made {
		return nil
	}
	text := strings.ToLower(x.answer.Reason + " " + plainText(x.answer.Body))
	if maker.Product == "heroku" {
		text += strings.ToLower(string(x.answer.Body)) // the page's words are in a frame, whose name tells
	}
	for i := range stocks {
		s := &stocks[i]
		if s.product != maker.Product || s.status != 0 && s.status != x.Status || x.Status < 400 || s.says != "" && !phrase.OneOf([]byte(text), s.says) {
			continue
		}
		return s.finding(w, x, maker)
	}
	return nil
}

func (s *stock) finding(w *Walk, x *Exchange, maker fingerprint.Match) *finding {
	cause, alone := oneLink(s.causes)
	f := &finding{
		cause: cause, confidence: Likely, proof: []string{fmt.Sprintf("the %d was made by %s itself: %s", x.Status, maker.Title, maker.Why)},
		missing: []string{straightHint, "on the gateway's machine: whygate diagnose --here, or its error log: whygate explain"},
	}
	who := subject(w, x)
	switch {
	case s.means != "":
		f.sentence = who + " " + s.means
	case cause == fault.CauseUnknown:
		f.sentence = fmt.Sprintf("%s got no answer from its upstream, and answers %d; from here it does not show why", who, x.Status)
	default:
		f.sentence = who + " " + clauseOf(cause, "")
	}
	if !alone {
		f.confidence = Possible
		f.missing = append([]string{"which it was: " + titlesOf(s.causes)}, f.missing...)
	}
	if text := bodyLine(x); text != "" {
		f.proof = append(f.proof, "the page says: "+text)
	} else if x.answer.Reason != "" {
		f.proof = append(f.proof, "the reason phrase is: "+firstLine([]byte(x.answer.Reason)))
	}
	return f
}

// named are products' own names for errors in a field of theirs.
type named map[string][]struct {
	value  string // the beginning of the field's value
	causes []fault.Cause
}

// of gives the causes that a field's value stands for, nil where it is not known.
func (n named) of(field, value string) []fault.Cause {
	for _, e := range n[field] {
		if strings.HasPrefix(value, e.value) {
			if _, errno, found := strings.Cut(value, " "); found && field == "X-Squid-Error" {
				if number, err := strconv.Atoi(strings.TrimSpace(errno)); err == nil && squidErrno[number] != fault.CauseNone {
					return only(squidErrno[number])
				}
			}
			return e.causes
		}
	}
	return nil
}

// causesNamed gives the causes that a field's value stands for, nil where it is not known.
func causesNamed(field, value string) []fault.Cause {
	if causes := namedErrors.of(field, value); causes != nil {
		return causes
	}
	name, _, _ := strings.Cut(value, " ")
	if c := phrase.ByCode(name); c != nil && len(name) >= namedMin {
		return c.Causes
	}
	return nil
}

// namedMin is how long a name is at least that stands for one thing: a flag or a number stands for several.
const namedMin = 10

// squidErrno is what the number behind Squid's name of an error, an errno of Linux, stands for.
var squidErrno = map[int]fault.Cause{
	111: fault.CauseConnectionRefused, 110: fault.CauseConnectTimeout, 113: fault.CauseHostUnreachable, 101: fault.CauseNetworkUnreachable, 104: fault.CauseResetBeforeAnswer, 99: fault.CausePortsExhausted,
	24: fault.CauseDescriptorsExhausted, 13: fault.CauseFirewallRejected,
}

// namedErrors: Squid's err_type.h. The names of other products are in package phrase.
var namedErrors = named{
	"X-Squid-Error": {
		{"ERR_ZERO_SIZE_OBJECT", only(fault.CauseClosedBeforeAnswer)},
		{"ERR_READ_ERROR", []fault.Cause{fault.CauseNobodyAvailable}},
		{"ERR_WRITE_ERROR", endedFirst},
		{"ERR_CONNECT_FAIL", refusedFirst},
		{"ERR_CANNOT_FORWARD", nobodyThere},
		{"ERR_SECURE_CONNECT_FAIL", only(fault.CauseTLSProtocolError)},
		{"ERR_DNS_FAIL", only(fault.CauseDNSError)},
		{"ERR_READ_TIMEOUT", only(fault.CauseHeadTimeout)},
		{"ERR_LIFETIME_EXP", only(fault.CauseResponseTooSlow)},
		{"ERR_TOO_BIG", only(fault.CauseHeadTooLarge)},
		{"ERR_INVALID_RESP", []fault.Cause{fault.CauseBadField, fault.CauseHeadCut, fault.CauseNotHTTP}},
		{"ERR_GATEWAY_FAILURE", anyFailure},
		{"ERR_SHUTTING_DOWN", only(fault.CauseShuttingDown)},
		{"ERR_CACHE_ACCESS_DENIED", only(fault.CauseRequestDenied)},
		{"ERR_ACCESS_DENIED", only(fault.CauseRequestDenied)},
		{"ERR_FORWARDING_DENIED", only(fault.CauseRequestDenied)},
		{"ERR_INVALID_URL", only(fault.CauseRequestMalformed)},
		{"ERR_INVALID_REQ", only(fault.CauseRequestMalformed)},
	},
}
