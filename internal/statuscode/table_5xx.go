package statuscode

import "github.com/whygate/whygate/internal/fault"

// Contrary to house style, this file is longer than others: it is a table.

var entriesServer = []Entry{
	{
		Code: "500", Title: "Internal Server Error", Source: "RFC 9110 section 15.6.1", Earlier: "RFC 7231 section 6.6.1",
		Meaning: "The server that answered failed in a way that it did not foresee: an exception, a broken setting.",
		Gateway: "It passes the upstream's on. It makes it for its own faults only (no ports, no descriptors, a defect), never for an upstream's; some proxies do otherwise: Traefik and Apache answer 500 for TLS faults of the upstream.",
		Causes: []fault.Cause{
			fault.CauseApplicationError, fault.CauseUpstreamStatus, fault.CausePortsExhausted, fault.CauseDescriptorsExhausted,
			fault.CauseMemoryExhausted, fault.CauseDNSNoResolver, fault.CauseCertificateNotObtained, fault.CauseOwnCertificateRevoked, fault.CauseInternalError, fault.CauseUnknown,
		},
		Reasons: []Reason{
			{fault.FamilyApplication, "An exception in the application, after a deploy or for one kind of input."},
			{fault.FamilyMisconfiguration, "A wrong setting: an .htaccess, a missing environment variable, rights of a file."},
			{fault.FamilyGateway, "The gateway itself has run out of something or has a defect."},
		},
		Steps:   []Step{stepApplication, stepWho, stepLogs, stepMaintenance, stepConfiguration},
		Related: []string{"502", "503", "500.13"},
	},
	{
		Code: "501", Title: "Not Implemented", Source: "RFC 9110 section 15.6.2", Earlier: "RFC 7231 section 6.6.2",
		Meaning: "The server does not know the method at all, or the transfer coding of the request.",
		Retry:   retryChanged,
		Gateway: "It makes it for a transfer coding that it does not know (RFC 9112 section 6.1).",
		Related: []string{"405", "505"},
		Request: "FROBNICATE / HTTP/1.1\nHost: www.example.com\n",
	},
	badGateway,
	serviceUnavailable,
	gatewayTimeout,
	{
		Code: "505", Title: "HTTP Version Not Supported", Source: "RFC 9110 section 15.6.6", Earlier: "RFC 7231 section 6.6.6",
		Meaning: "The server does not speak the request's major version of HTTP.",
		Retry:   retryChanged,
		Gateway: "It makes it for versions other than 1.0, 1.1 and those that it serves.",
		Related: []string{"426", "464", "501"},
		Request: "GET / HTTP/7.0\nHost: www.example.com\n",
	},
	{
		Code: "506", Title: "Variant Also Negotiates", Source: "RFC 2295 section 8.1",
		Meaning: "Transparent content negotiation is set up in a circle: the variant that was chosen negotiates as well.",
		Retry:   retryChanged,
		Related: []string{"300", "508"},
	},
	{
		Code: "507", Title: "Insufficient Storage", Source: "RFC 4918 section 11.5", Earlier: "RFC 2518 section 10.6",
		Meaning: "WebDAV, and others since: the server has no room to store what the request needs.",
		Gateway: "It passes it on. nginx makes it if its WebDAV module has no space left.",
		Related: []string{"413", "503"},
		Request: "PUT /backup.tar HTTP/1.1\nHost: dav.example.com\nContent-Length: 10737418240\n",
	},
	{
		Code: "508", Title: "Loop Detected", Source: "RFC 5842 section 7.2",
		Meaning: "WebDAV: the server met a loop among its resources while it went through them. A loop between proxies is 502 (RFC 9209 section 2.3.32). Some hosts send it for an account's resource limit.",
		Retry:   retryChanged,
		Causes:  []fault.Cause{fault.CauseProxyLoop},
		Related: []string{"208", "502", "509"},
		Request: "PROPFIND /folder/ HTTP/1.1\nHost: dav.example.com\nDepth: infinity\nContent-Length: 0\n",
	},
	{
		Code: "510", Title: "Not Extended", Source: "RFC 2774 section 7 (obsoleted)",
		Meaning: "The HTTP extension framework: the request lacks an extension that the server wants. The framework is historic and its registration obsoleted.",
		Retry:   retryChanged,
		Related: []string{"417", "501"},
	},
	{
		Code: "511", Title: "Network Authentication Required", Source: "RFC 6585 section 6",
		Meaning: "A network's login page (hotel, airport, company Wi-Fi) stands in the way; it was not made by the site.",
		Retry:   "After logging in to the network.",
		Gateway: "It never comes from an origin. A gateway that gets it as an upstream's answer has an intercepting proxy on its own way out.",
		Causes:  []fault.Cause{fault.CauseContentFilter},
		Steps: []Step{
			{"Log in to the network", "Open any page without HTTPS and log in where you are sent to.", "curl -sv http://neverssl.com/"},
			{"Try another network", "If it goes away, the network made it.", "curl -sv URL"},
		},
		Related: []string{"401", "407"},
		Request: get, Response: response + "511 Network Authentication Required\nContent-Type: text/html\nContent-Length: 62\n\n<p>Log in first: <a href=\"https://login.example.net/\">here</a>",
	},
}

var badGateway = Entry{
	Code: "502", Title: "Bad Gateway", Source: "RFC 9110 section 15.6.3", Earlier: "RFC 7231 section 6.6.3",
	Meaning: "A gateway or proxy asked the next server for the answer and got none that it could use: the connection failed or ended, or what came was not valid HTTP. " +
		"The server that you see is well enough to say so; the one behind it, or the way to it, is not.",
	Retry:   retryAtOnce + " A keep-alive race is gone with the second try; a service that is down is not.",
	Gateway: "It makes it when an upstream refuses, resets, hangs up early, sends what is not HTTP or breaks its framing, and when its name or its TLS fails. An upstream's own 502 is passed on.",
	Reasons: []Reason{
		{fault.FamilyOverload, "The server behind has too much to do: it drops connections, its workers are killed for memory or time, its queue is full."},
		{fault.FamilyNetwork, "The gateway cannot reach it: DNS gives no or an old address, a route or a firewall stops packets, a load balancer forgot the connection."},
		{fault.FamilyMisconfiguration, "Gateway and server do not fit each other: port, scheme, TLS name or version, HTTP version, keep-alive times, sizes of heads, a cached error, checks on another port than the traffic."},
		{fault.FamilyMaintenance, "The server is being deployed, restarted, drained or is stopped."},
		{fault.FamilyApplication, "The application crashed, hung up without an answer, or sent a malformed one: an exception while it wrote, a notice printed before the head."},
		{fault.FamilySecurity, "A firewall, an intrusion prevention system or a content filter cuts the connection or rejects it, or a DNS filter blocks the name."},
	},
	Steps: []Step{
		stepRefresh, stepWho, stepDiagnose, stepLogs, stepApplication, stepListening, stepOverload, stepPing, stepTrace, stepDNS,
		stepConfiguration, stepMaintenance, stepFirewall, stepBypass, stepReproduce,
	},
	Related:  []string{"503", "504", "500", "520", "521", "525", "526", "502.3"},
	Request:  get,
	Response: response + "502 Bad Gateway\nProxy-Status: shop-gw; error=connection_refused; next-hop=\"10.0.0.7:8080\"\nContent-Type: text/html\nContent-Length: 62\n\n<title>502 Bad Gateway</title>\n<h1>Bad Gateway</h1>\n<p>...</p>",
}

var serviceUnavailable = Entry{
	Code: "503", Title: "Service Unavailable", Source: "RFC 9110 section 15.6.4", Earlier: "RFC 7231 section 6.6.4",
	Meaning: "The server cannot take the request for now: it is overloaded, under maintenance, or there is nobody to pass it to. It expects this to end, and Retry-After may say when.",
	Retry:   "Safe for every method after Retry-After if a gateway made it without asking anybody: a limit, maintenance, nobody available. Idempotent methods only if the upstream made it, and if the gateway is Envoy, which also answers 503 when a connection breaks after the request was sent.",
	Gateway: "It makes it when no endpoint is available, when a limit or a queue is full, in maintenance and while it shuts down, with Retry-After. HAProxy, Envoy and Apache also make it for refused connections, where others say 502.",
	Causes: append([]fault.Cause{fault.CauseUpstreamOverloaded, fault.CauseWorkersBusy, fault.CauseServiceStopped, fault.CauseServiceFailed, fault.CauseConnectionRefused, fault.CauseRateLimited},
		causesOf("503")...),
	Reasons: []Reason{
		{fault.FamilyOverload, "More requests than the service can do: a limit of connections, a full queue, all workers busy, an open circuit."},
		{fault.FamilyNetwork, "Health checks cannot reach the endpoints, so that all of them are taken out; HAProxy, Envoy and Apache answer 503 when a connection fails."},
		{fault.FamilyMisconfiguration, "The pool is empty or a selector fits nothing; the health check asks another path or port than the application serves."},
		{fault.FamilyMaintenance, "Maintenance mode is on, a deploy has taken all endpoints at once, the service is scaled to zero."},
		{fault.FamilyApplication, "Every endpoint failed its health check for the same reason: a database that they share, a broken release."},
		{fault.FamilySecurity, "A rate limit or protection against bots answers 503 (nginx limit_req does unless told otherwise)."},
	},
	Steps: []Step{
		stepRefresh, stepWho,
		{
			"Wait as long as it says", "Retry-After has seconds or a date. If there is one, somebody means it: maintenance, a limit, a queue.",
			"curl -sI URL | grep -i '^retry-after'",
		},
		stepMaintenance,
		{
			"Check which endpoints are available", "The pool's endpoints with their last failure: all of them down for one reason is something that they share.",
			"kubectl get endpointslices -l kubernetes.io/service-name=NAME; echo 'show servers state' | socat stdio /run/haproxy/admin.sock",
		},
		stepDiagnose, stepLogs, stepApplication, stepListening, stepOverload, stepPing, stepTrace, stepDNS, stepConfiguration, stepFirewall, stepBypass, stepReproduce,
	},
	Related:  []string{"502", "504", "429", "503.0", "503.2", "503.3", "503.4", "529"},
	Request:  get,
	Response: response + "503 Service Unavailable\nRetry-After: 120\nProxy-Status: shop-gw; error=destination_unavailable\nContent-Type: text/html\nContent-Length: 39\n\n<h1>Service Unavailable</h1>\n<p>...</p>",
}

var gatewayTimeout = Entry{
	Code: "504", Title: "Gateway Timeout", Source: "RFC 9110 section 15.6.5", Earlier: "RFC 7231 section 6.6.5",
	Meaning: "A gateway or proxy asked the next server for the answer and it did not come in time: the connection did not open, or nothing was sent on it until the gateway's timer fired.",
	Retry:   "Idempotent requests only, and rarely: the upstream may still be working on the first one, and each repetition adds to its load.",
	Gateway: "It makes it when one of its own timers fires, when the kernel gives up a connection, and when a name server is silent. Apache says 502 for a read timeout and HAProxy 503 for a connect timeout.",
	Causes:  causesOf("504"),
	Reasons: []Reason{
		{fault.FamilyOverload, "All workers are busy, a queue is long, the database behind the application is slow: the request waits for its turn."},
		{fault.FamilyNetwork, "Packets vanish: a firewall that drops instead of rejecting, a host that is off, a wrong address, a path MTU that lets small packets through and large ones not, a forgotten idle connection."},
		{fault.FamilyMisconfiguration, "The gateway's timeout is shorter than the work takes, or the timeouts along the way do not fit each other: each hop should wait longer than the one behind it."},
		{fault.FamilyMaintenance, "The endpoint was taken away without a word, and its address still stands in DNS or in the pool."},
		{fault.FamilyApplication, "This request takes too long: a slow query, a lock, a call to another service without a timeout, an endless loop."},
		{fault.FamilySecurity, "A firewall or security group drops packets to the port, or a filter holds the upload while it scans it."},
	},
	Steps: []Step{
		stepRefresh,
		{
			"Measure where the time goes", "Name, connection, TLS, first byte and end, in seconds. A round number (30, 60, 100, 120) is somebody's timer: find whose.",
			"curl -so /dev/null -w 'dns %{time_namelookup} connect %{time_connect} tls %{time_appconnect} first %{time_starttransfer} total %{time_total}\\n' URL",
		},
		stepWho, stepDiagnose, stepLogs, stepApplication,
		{
			"See what the application waits for", "Its slow queries, its locks, its calls to others, its workers.",
			"py-spy dump --pid PID; psql -c 'select pid, state, wait_event, left(query, 80) from pg_stat_activity'",
		},
		stepOverload, stepPing, stepTrace,
		{
			"Check the network: large packets", "If small requests work and large ones hang, packets above the path's MTU are lost.",
			"ping -M do -s 1472 -c 3 HOST",
		},
		stepDNS, stepConfiguration, stepMaintenance, stepFirewall, stepBypass, stepReproduce,
	},
	Related:  []string{"502", "503", "408", "522", "524", "598", "599"},
	Request:  "GET /report HTTP/1.1\nHost: www.example.com\n",
	Response: response + "504 Gateway Timeout\nProxy-Status: shop-gw; error=connection_read_timeout\nContent-Type: text/html\nContent-Length: 35\n\n<h1>Gateway Timeout</h1>\n<p>...</p>",
}
