package fault

// entriesSelect are the causes met before an endpoint was chosen.
var entriesSelect = []Entry{
	{
		Cause:    CauseNobodyAvailable,
		Title:    "No endpoint is available",
		Family:   FamilyMaintenance,
		Type:     TypeDestinationUnavailable,
		sentence: "no endpoint[ of {size}] is available: each has failed lately or was tried already",
		Meaning: "The pool has endpoints, and none of them can be asked: each failed a short while ago, or failed for this very request. " +
			"The failures before this one have the reason; this is only what is left when all have failed.",
		Proof: []string{
			"The incident lists each endpoint with its last failure.",
			"Incidents just before, for the same pool, have another cause: that is the one to follow.",
		},
		Advice: []string{
			"Look at the last failure of each endpoint and follow that cause; if all have the same one, it is something that they share (a deploy, a database, a certificate, a firewall).",
			"If a deploy takes all of them down at once, roll it out one by one: maxUnavailable in Kubernetes, and a readiness probe.",
		},
		Covers:  []string{"A1"},
		Related: []Cause{CauseConnectionRefused, CauseConnectTimeout, CauseNoEndpoints},
		Retry:   retryLater,
	},
	{
		Cause:    CauseNoEndpoints,
		Title:    "The pool is empty",
		Family:   FamilyMaintenance,
		Type:     TypeDestinationUnavailable,
		sentence: "the pool of this route has no endpoint",
		Meaning:  "The route leads to a pool that has no endpoint at all. Nothing was asked; the service was scaled to zero, or its list was left empty.",
		Proof: []string{
			"pools.NAME.endpoints is empty, or its source gave none.",
			"In Kubernetes, kubectl get endpointslices shows no address: the Service's selector fits no pod, or no pod is ready.",
		},
		Advice: []string{
			"Add an endpoint, or start the service that should be in it.",
			"In Kubernetes, compare the Service's selector with the pods' labels, and look at their readiness: kubectl describe svc NAME.",
			"Where pools.NAME.resolve.srv names the endpoints, ask for its records with dig SRV, and look at /endpoints of the admin address: it says why they could not be looked up.",
		},
		Covers:  []string{"A2"},
		Related: []Cause{CauseNobodyAvailable, CauseRouteBroken, CauseDNSNoData},
		Retry:   retryLater,
	},
	{
		Cause:    CauseNoRoute,
		Title:    "No route for the request",
		Family:   FamilyMisconfiguration,
		Type:     TypeDestinationNotFound,
		Status:   404,
		sentence: "no route of the gateway matches the request's host, path and method",
		Meaning: "No rule in the configuration fits the request. " +
			"The host name is not configured here, the path is not covered, or the request came to the wrong gateway.",
		Proof: []string{
			"whygate check --route 'GET HOST/PATH' prints which rule matches, or that none does.",
			"The Host header of the request is in the access log: compare it with routes[].host, letter by letter.",
		},
		Advice: []string{
			"Add a route for this host and path, or a last route without host and path that takes the rest.",
			"If the host is right, remember that path: /a/* takes /a/ and below, and that the first route that matches wins.",
			"If many unknown hosts come, they are scanners: nothing to do.",
		},
		Covers:  []string{"A18"},
		Related: []Cause{CauseRouteBroken, CauseRequestMalformed},
		Retry:   retryNever,
	},
	{
		Cause:    CauseRouteBroken,
		Title:    "The route is broken",
		Family:   FamilyGateway,
		Type:     TypeProxyConfigurationError,
		Status:   503,
		sentence: "the gateway cannot serve this route: its configuration is broken",
		Meaning: "The request matched a route that cannot be served, because of something in its configuration: a pool that does not exist, a certificate or key that cannot be read, an endpoint that is no address. " +
			"The other routes go on serving.",
		Proof: []string{
			"whygate check -c FILE names the error with file, line and column.",
			"The incident's detail has the reason.",
		},
		Advice: []string{
			"Run whygate check -c FILE, correct what it names, then whygate reload.",
			"If a file could not be read, check its owner and mode as the gateway's user: sudo -u USER cat FILE.",
		},
		Covers:  []string{"A18", "A2"},
		Related: []Cause{CauseNoRoute, CauseDNSNoResolver, CauseNoEndpoints},
		Retry:   retryLater,
	},
	{
		Cause:    CauseProxyLoop,
		Title:    "The request goes round in a circle",
		Family:   FamilyMisconfiguration,
		Type:     TypeProxyLoopDetected,
		sentence: "the request has passed this gateway before[ on its way to {peer}]: it goes round in a loop",
		Meaning: "The request carries this gateway's own name in Via or CDN-Loop: it was forwarded, directly or through others, back to where it came from. " +
			"An endpoint's name resolves to the gateway itself, or two proxies point at each other.",
		Proof: []string{
			"Via or CDN-Loop in the request has this gateway's name.",
			"dig NAME of the endpoint gives an address that this gateway listens on, or that of the load balancer before it.",
		},
		Advice: []string{
			"Point the pool at the application itself: its inner name or address and port, not the public name.",
			"If two gateways stand in a row on purpose and have the same name, give each its own: the key name.",
		},
		Covers:  []string{"A11"},
		Related: []Cause{CauseNoRoute},
		Retry:   retryNever,
	},
}
