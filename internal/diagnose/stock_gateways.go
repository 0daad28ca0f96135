package diagnose

import (
	"github.com/whygate/whygate/internal/fault"
)

// gatewayStocks has those of API gateways, routers and gateway libraries.
var gatewayStocks = []stock{
	{"openshift", 503, "", notReady, "has no pod behind its route that is ready, or no route for this host and path: its page stands for both"},
	{"gorouter", 404, "", notRouted, "has no route of this name: no application is mapped to it, or it is stopped"},
	{"gorouter", 0, "no_endpoints", only(fault.CauseNoEndpoints), ""},
	{"gorouter", 0, "timeout", lateAnswer, ""},
	{"gorouter", 0, "connection_limit", only(fault.CauseConnectionLimit), ""},
	{"gorouter", 502, "", anyFailure, ""},
	{"gorouter", 503, "", anyFailure, ""},
	{"gravitee", 404, "no context-path", noRouteThere, "has no API for this host and path, or it is stopped"},
	{"gravitee", 504, "", lateAnswer, ""},
	{"gravitee", 503, "", nobodyThere, ""},
	{"gravitee", 502, "", anyFailure, ""},
	{"krakend", 500, "", append(anyFailure[:3:3], fault.CauseHeadTimeout, fault.CauseUpstreamStatus), "got no answer from its backend that it could use: its 500 stands for one that refuses, is late, or has a status of failure"},
	{"pingora", 502, "", anyFailure, ""},
	{"pingora", 504, "", lateAnswer, ""},
	{"pingora", 500, "", []fault.Cause{fault.CauseInternalError, fault.CauseNobodyAvailable}, "met an error of its own program: as a rule it found no upstream for the request"},
	{"skipper", 502, "", anyFailure, ""},
	{"skipper", 503, "", nobodyThere, ""},
	{"skipper", 504, "", lateAnswer, ""},
	{"yarp", 502, "", append(anyFailure[:3:3], fault.CauseNotHTTP), "answers 502 with an empty body, as YARP does that got no answer from its destination"},
	{"yarp", 504, "", lateAnswer, "answers 504 with an empty body, as YARP does whose destination was late"},
	{"yarp", 503, "", []fault.Cause{fault.CauseNobodyAvailable, fault.CauseUpstreamOverloaded}, "answers 503 with an empty body: YARP does so without an available destination, and an application whose own check failed does too"},
	{"apigee", 404, "unable to identify proxy|applicationnotfound", noRouteThere, "has no API proxy for this host and path"},
	{"apigee", 0, "target_connect_timeout", only(fault.CauseConnectTimeout), ""},
	{"apigee", 0, "gatewaytimeout|target_read_timeout", only(fault.CauseHeadTimeout), ""},
	{"apigee", 0, "nohealthytargets|noactivetargets", nobodyThere, ""},
	{"apigee", 0, "sslhandshake", only(fault.CauseTLSProtocolError), ""},
	{"apigee", 0, "unexpectedeof", endedFirst, ""},
	{"apigee", 503, "", append(anyFailure[:3:3], fault.CauseConnectTimeout), "got no answer from its target"},
	{"apigee", 502, "", anyAnswer, ""},
	{"ibm-api-connect", 404, "", noRouteThere, "has no API or operation for this path"},
	{"ibm-api-connect", 0, "backside connection|could not connect|url open error", []fault.Cause{fault.CauseConnectionRefused, fault.CauseConnectTimeout}, "could not connect to its backend"},
	{"wso2", 0, "101503|connecting to the back end", []fault.Cause{fault.CauseConnectionRefused, fault.CauseConnectTimeout}, "could not connect to its backend"},
	{"wso2", 0, "101504", lateAnswer, ""},
	{"wso2", 0, "101500|101501|101505", endedFirst, ""},
	{"wso2", 0, "303001", nobodyThere, "holds its backend to be down, and does not ask it (the endpoint is suspended)"},
	{"azure-api-management", 404, "", noRouteThere, "has no operation for this method and path in any of its APIs"},
	{"azure-api-management", 500, "", append(anyFailure[:3:3], fault.CauseHeadTimeout, fault.CauseRouteBroken), "could not reach its backend, or failed in a policy of its own: its trace of this activityId tells which"},
	{"google-endpoints", 404, "", noRouteThere, "has no such method and path in the API that it was given"},
	{"google-endpoints", 403, "", only(fault.CauseRequestDenied), "wants an API key"},
	{"localtunnel", 503, "", nobodyThere, "has no client for this name: the program that holds the tunnel open does not run"},
	{"spring-webflux", 503, "", []fault.Cause{fault.CauseNoEndpoints, fault.CauseNobodyAvailable}, "answers 503: a Spring Cloud Gateway, which is made with it, found no instance of the service"},
	{"spring-webflux", 504, "", only(fault.CauseHeadTimeout), "answers 504: a Spring Cloud Gateway, which is made with it, waited longer for its service than its response-timeout"},
	{"spring-webflux", 502, "", anyFailure, ""},
	{"spring-webflux", 500, "", []fault.Cause{fault.CauseApplicationError, fault.CauseConnectionRefused}, "failed on the request: of a Spring Cloud Gateway, which is made with it, that is a service that refuses or resets as well, of an application its own exception"},
}

// programStocks has those of applications' frameworks and servers for development.
var programStocks = []stock{
	{"rails", 403, "blocked host", only(fault.CauseWrongHost), "does not take this host name: config.hosts does not have it"},
	{"vite", 403, "this host (", only(fault.CauseWrongHost), "does not take this host name: server.allowedHosts does not have it"},
	{"webpack", 0, "", only(fault.CauseWrongHost), "does not take this host name: allowedHosts does not have it"},
	{"django", 400, "", only(fault.CauseWrongHost), "answers 400 to the request itself: as a rule ALLOWED_HOSTS does not have the host name"},
	{"nextcloud", 400, "", only(fault.CauseWrongHost), "does not take this host name: trusted_domains does not have it"},
	{"wordfence", 0, "", only(fault.CauseContentFilter), "refuses the request, as a firewall within the application"},
}
