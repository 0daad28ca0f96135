package diagnose

import (
	"slices"

	"github.com/whygate/whygate/internal/fault"
)

// Sets of causes of stock answers.
var (
	refusedFirst = []fault.Cause{fault.CauseConnectionRefused, fault.CauseNetworkError}
	endedFirst   = []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer}
	anyFailure   = []fault.Cause{fault.CauseConnectionRefused, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer}
	anyAnswer    = []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseNotHTTP, fault.CauseHeadTooLarge}
	lateAnswer   = []fault.Cause{fault.CauseHeadTimeout, fault.CauseConnectTimeout}
	nobodyThere  = []fault.Cause{fault.CauseNobodyAvailable}
	noRouteThere = []fault.Cause{fault.CauseNoRoute}
	notReady     = []fault.Cause{fault.CauseNoEndpoints, fault.CauseNoRoute}
	notRouted    = []fault.Cause{fault.CauseNoRoute, fault.CauseServiceStopped}
	functionFell = []fault.Cause{fault.CauseApplicationError, fault.CauseWorkerCrashed}
)

func only(c fault.Cause) []fault.Cause { return []fault.Cause{c} }

// stocks has the products' own answers: of several that fit, the first counts.
var stocks = slices.Concat(programStocks, proxyStocks, gatewayStocks, platformStocks)

// proxyStocks has those of proxies and servers. Those of h2o, Traffic Server, lighttpd, nghttpx, oauth2-proxy, frp, tinyproxy, privoxy, Apache,
// Varnish, HAProxy and the JavaScript proxies were provoked on loopback; the others are from the products' documentation and sources.
var proxyStocks = []stock{
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
	{"trafficserver", 404, "not found on accelerator", noRouteThere, "has no rule for this host and path (remap.config)"},
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
	{"passenger", 0, "could not be started|tried to start", only(fault.CauseServiceFailed), "could not start the application"},
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
	{"envoy", 403, "rbac: access denied", only(fault.CauseRequestDenied), "refuses the request by its authorization policy (RBAC)"},
	{"envoy", 404, "", noRouteThere, "has no route for this host and path"},
	{"iis", 400, "invalid hostname|hostname is invalid", only(fault.CauseWrongHost), "has no site for this host name: no binding of HTTP.sys has it"},
	{"iis", 404, "the requested resource is not found", notRouted, "has nobody for this host, port and path: no site or program that runs has registered them with HTTP.sys"},
	{"iis", 503, "the service is unavailable", []fault.Cause{fault.CauseServiceStopped, fault.CauseQueueFull}, "has no worker for the request: the application pool is stopped, or its queue is full"},
	{"iis", 502, "acting as a gateway or proxy server", []fault.Cause{fault.CauseConnectionRefused, fault.CauseHeadTimeout, fault.CauseClosedBeforeAnswer}, ""},
	{"iis", 0, "502.5|500.30|startup failure|failed to start", only(fault.CauseServiceFailed), "could not start the application's process"},
	{"azure-app-service", 403, "stopped", only(fault.CauseServiceStopped), "says that the application is stopped"},
	{"azure-app-service", 404, "", only(fault.CauseWrongHost), "knows no application of this name: the host is bound to none"},
	{"azure-app-service", 0, "", []fault.Cause{fault.CauseServiceFailed, fault.CauseServiceStopped}, ""},
}
