package fault

// entriesPolicy are the causes that a rule or a setting of the gateway, of another proxy or of a filter brings about, and
// the answers of an upstream that point at a setting.
var entriesPolicy = []Entry{
	{
		Cause:    CauseCircuitOpen,
		Title:    "The circuit is open",
		Family:   FamilyOverload,
		Type:     TypeDestinationUnavailable,
		sentence: "the circuit to {peer} is open after recent failures: it is not asked[ for {after}]",
		Meaning: "So many requests to this upstream failed in a short time that the gateway stopped asking it for a while, to let it recover and to answer at once instead of late. " +
			"The failures before it are the cause; this is what protects from them.",
		Proof: []string{
			"The answer came within a millisecond and no connection was tried.",
			"The incidents just before it, for the same endpoint, have another cause: that is the one to follow.",
		},
		Advice: []string{
			"Follow the cause of the failures that opened it: they stand just before it in the log.",
			"If it opens over errors that are harmless, such as one bad client's, raise its threshold or leave those statuses out.",
			"If it stays open after the upstream is well again, shorten the time until it is tried.",
		},
		Covers:  []string{"A3"},
		Related: []Cause{CauseNobodyAvailable, CauseUpstreamOverloaded, CauseConnectionRefused},
		Retry:   retryLater,
	},
	{
		Cause:    CauseQueueFull,
		Title:    "The queue for the upstream is full",
		Family:   FamilyOverload,
		Type:     TypeConnectionLimitReached,
		sentence: "the queue for {peer} is full[ ({limit} waiting)]",
		Meaning: "All connections that the pool may have are in use, and as many requests wait for one as the queue holds, so this one was turned away at once. " +
			"The upstream does less than is asked of it.",
		Proof: []string{
			"The queue's length equals its limit, and connections in use equal theirs.",
			"The upstream's latency rose before the queue filled: that is what to look at.",
		},
		Advice: []string{
			"Find out why the upstream became slower, or who sends more: a longer queue only makes everybody wait longer.",
			"Add endpoints, or raise pools.NAME.limits.requests or limits.connections if the upstream can do more at once. With overload.adaptive the limit is learned; the answer's Proxy-Status and GET /endpoints say what it is.",
			"Keep the queue short: a request that waits longer than its client is work for nobody.",
		},
		Covers:  []string{"A4"},
		Related: []Cause{CauseQueueTimeout, CauseConnectionLimit, CauseWorkersBusy},
		Retry:   retryLater,
	},
	{
		Cause:    CauseQueueTimeout,
		Title:    "The request waited too long in the queue",
		Family:   FamilyOverload,
		Type:     TypeConnectionLimitReached,
		sentence: "the request waited for a free connection to {peer}[ for {after}] and got none",
		Meaning: "The request stood in the queue for a connection of the pool until its time there was over. The upstream was never asked, so this is no 504: " +
			"there are too few connections for what is asked, or each is held for too long.",
		Proof: []string{
			"The time in the queue equals its limit, and no connection was tried: Tw is high and Tc is -1 in HAProxy's log, the flags are sQ.",
			"Connections in use equal the pool's limit all the while.",
		},
		Advice: []string{
			"Look at the upstream's latency first: requests that take twice as long need twice the connections.",
			"Raise the limit if the upstream has workers to spare: maxconn in HAProxy, pools.NAME.limits.requests here, or overload.delay where the limit is learned.",
			"Give long requests (exports, uploads, streams) a pool of their own, so that short ones do not queue behind them.",
		},
		Covers:  []string{"A5"},
		Related: []Cause{CauseQueueFull, CauseConnectionLimit, CauseWorkersBusy},
		Retry:   retryLater,
	},
	{
		Cause:    CauseMaintenance,
		Title:    "Maintenance",
		Family:   FamilyMaintenance,
		Type:     TypeProxyInternalResponse,
		sentence: "the service is under maintenance: the gateway answers in its place",
		Meaning: "Somebody switched maintenance on for this route or this endpoint. Requests are answered with 503 and Retry-After, and the upstream is left alone. " +
			"It is meant; only if nobody knows of it, it is a fault.",
		Proof: []string{
			"The answer came at once, no upstream was asked, and the configuration or the admin interface says maintenance.",
			"In HAProxy, show servers state has an admin state other than 0, and the stats page says MAINT.",
		},
		Advice: []string{
			"Ask who switched it on and until when; then switch it off in the same place.",
			"Set Retry-After to the time when it will end, so that clients and search engines come back then.",
		},
		Covers:  []string{"A6"},
		Related: []Cause{CauseServiceStopped, CauseShuttingDown, CauseNobodyAvailable},
		Retry:   retryLater,
	},
	{
		Cause:    CauseRateLimited,
		Title:    "The client is over its rate limit",
		Family:   FamilySecurity,
		Type:     TypeHTTPRequestError,
		Status:   429,
		sentence: "the client sent more requests than its rate limit allows[ ({limit})]",
		Meaning: "A rule counts requests by address, key or user, and this client is over it, so it was answered in the upstream's place. " +
			"That protects from abuse. It hits the wrong ones if many clients share one address: a company, a mobile carrier, or a load balancer whose address stands in for everybody.",
		Proof: []string{
			"429 with Retry-After, or 503 from an nginx with limit_req: its error log says \"limiting requests, excess\" and the zone.",
			"All limited requests have the same address in the log: if it is that of a proxy of yours, everybody shares one limit.",
		},
		Advice: []string{
			"See which key was counted: if it is your own proxy's address, take the client's from X-Forwarded-For, trusting that proxy only.",
			"Have the client send fewer requests, and wait as long as Retry-After says.",
			"Allow short bursts: a page that loads 60 files is no attack (burst= and nodelay in nginx).",
		},
		Covers:  []string{"A8"},
		Related: []Cause{CauseRequestDenied, CauseContentFilter, CauseUpstreamOverloaded},
		Retry:   "Safe for every method, after the seconds that Retry-After names: the request was not forwarded.",
	},
	{
		Cause:    CauseContentFilter,
		Title:    "A content filter or web application firewall blocks the request",
		Family:   FamilySecurity,
		Type:     TypeHTTPRequestDenied,
		sentence: "a content filter on the way to {peer} blocked the request",
		Meaning: "A web application firewall, an intrusion prevention system, an antivirus or a company's web filter took the request for an attack or for forbidden content. " +
			"It answers 403 or a page of its own, or cuts the connection, which the proxy before it reports as 502.",
		Proof: []string{
			"Its log names the rule: ModSecurity's audit log, AWS WAF's terminatingRuleId, Cloudflare's security events.",
			"The same request passes without the suspicious part: a quotation mark, <script>, ../, SQL words, a file upload.",
			"The RST's TTL differs from that of the server's other packets: a box on the way sent it.",
		},
		Advice: []string{
			"Find the rule's number in the filter's log, and make an exception for this one path and parameter, not for the whole site.",
			"If the filter is not yours, try from another network or without VPN, and send its operator time, address and URL.",
			"If it is an attack indeed, it works as it should.",
		},
		Covers:  []string{"A9"},
		Related: []Cause{CauseRequestDenied, CauseResponseBlocked, CauseFirewallRejected, CauseResetBeforeAnswer},
		Retry:   retryNever,
	},
	{
		Cause:    CauseResponseBlocked,
		Title:    "A security rule blocks the response",
		Family:   FamilySecurity,
		Type:     TypeHTTPProtocolError,
		sentence: "a security rule of the gateway blocked the response of {peer}",
		Meaning: "The upstream answered, and a rule of the gateway, or of a filter in it, did not let the answer out: a header that must not leave, a leak of data, a cacheable answer with a session cookie. " +
			"The client gets 502 instead.",
		Proof: []string{
			"The log shows a status from the upstream and 502 for the client; in HAProxy the flags are PH.",
			"The same request straight to the upstream gets a complete answer.",
			"The filter's log names the rule: http-response deny in HAProxy, a rule of phase 3 or 4 in ModSecurity.",
		},
		Advice: []string{
			"Find the rule that matched, and see in the answer itself what it matched on.",
			"Mend the answer (take the header or the secret out), or narrow the rule to what it is meant for.",
		},
		Covers:  []string{"A10"},
		Related: []Cause{CauseContentFilter, CauseUpstreamStatus, CauseBadField},
		Retry:   retryNever,
	},
	{
		Cause:    CauseCachedError,
		Title:    "A cache repeats an old error",
		Family:   FamilyMisconfiguration,
		Type:     TypeNone,
		sentence: "the error is an old one, repeated by a cache: {peer} was not asked",
		Meaning: "The error page came out of a cache (the browser's, a CDN's, the proxy's): it was stored when the upstream failed and is served although the upstream is well. " +
			"Somebody allowed error statuses to be cached, or gave them a lifetime meant for good pages.",
		Proof: []string{
			"The response has Age, or X-Cache or CF-Cache-Status: HIT, and its Date is older than the request.",
			"A URL with a fresh query (?nocache=1) works, and so does the upstream itself.",
			"It ends after a round time by itself: 10 s, 60 s, 5 min.",
		},
		Advice: []string{
			"Purge this URL from the cache, in the browser with Ctrl+F5, then look which rule stored it.",
			"Send Cache-Control: no-store with errors, and leave 5xx out of the cache's rules: proxy_cache_valid any in nginx stores them all.",
			"Serve the last good page while the upstream fails: stale-if-error, proxy_cache_use_stale error timeout http_502 in nginx.",
		},
		Covers:  []string{"A12"},
		Related: []Cause{CauseUpstreamStatus, CauseWrongHost},
		Retry:   "Useless until the stored answer has expired or was purged.",
	},
	{
		Cause:    CauseWrongHost,
		Title:    "The upstream does not know the host name",
		Family:   FamilyMisconfiguration,
		Type:     TypeNone,
		sentence: "{peer} does not know the host name that the request asks for[: it answered {status}]",
		Meaning: "The upstream serves several names and does not know the one in the request's Host header, or it differs from the name in TLS (SNI). It answered with its default page, with 404 or with 421. " +
			"The gateway passes on the client's Host, or replaced it with the endpoint's address, and the other was wanted.",
		Proof: []string{
			"curl -H 'Host: NAME' http://ENDPOINT/ gives the right page with one name and the wrong one with another.",
			"421 Misdirected Request says it outright; a default page (\"Welcome to nginx!\", \"Unknown site\", \"no such app\") says it in its own words.",
			"With TLS, the certificate is that of another site.",
		},
		Advice: []string{
			"Send the name that the upstream expects: set the Host header for the pool, and let SNI be the same name.",
			"Or add the public name to the upstream: server_name in nginx, ServerAlias in Apache, ALLOWED_HOSTS in Django, the custom domain at a platform.",
		},
		Covers:  []string{"A19"},
		Related: []Cause{CauseTLSNameUnknown, CauseNoRoute, CauseRedirectLoop},
		Retry:   retryNever,
	},
	{
		Cause:    CauseRedirectLoop,
		Title:    "The upstream redirects in a circle",
		Family:   FamilyMisconfiguration,
		Type:     TypeNone,
		sentence: "{peer} redirects the client to where it came from[, with {status}]",
		Meaning: "The upstream answers each request with a redirect to the same URL, until the browser gives up. As a rule it wants HTTPS and does not see that the client used it: " +
			"TLS ends at the gateway, the upstream is spoken to in plain HTTP, and X-Forwarded-Proto is missing or not believed.",
		Proof: []string{
			"curl -sIL URL shows the same Location again and again, or http and https by turns.",
			"curl -H 'X-Forwarded-Proto: https' http://ENDPOINT/ gets a page instead of the redirect.",
		},
		Advice: []string{
			"Send X-Forwarded-Proto: https to the upstream, and have it trust the gateway: SECURE_PROXY_SSL_HEADER in Django, trust proxy in Express, server.forward-headers-strategy in Spring Boot.",
			"If a CDN stands before the gateway and speaks plain HTTP to it, have it speak HTTPS (Cloudflare: Full (strict) instead of Flexible).",
			"If www and the bare name redirect to each other, two rules disagree: keep one of them.",
		},
		Covers:  []string{"A20"},
		Related: []Cause{CauseWrongHost, CauseProxyLoop},
		Retry:   retryNever,
	},
	{
		Cause:    CauseUpgradeRefused,
		Title:    "The upstream refused the upgrade",
		Family:   FamilyMisconfiguration,
		Type:     TypeNone,
		sentence: "{peer} did not switch protocols[ but answered {status}]: the upgrade that the client asked for was refused",
		Meaning: "The client asked for another protocol, as a rule WebSocket, and the upstream answered with something else than 101. " +
			"A hop on the way took Upgrade and Connection off, the path is no WebSocket endpoint, or the upstream checks Origin or a session and does not like it.",
		Proof: []string{
			"The request as it reached the upstream: without Upgrade and Connection, a hop before it removed them.",
			"200 with a page or 404: the path is wrong, or the request looked like an ordinary one. 400: a Sec-WebSocket header is missing. 403: Origin. 426: it wants another version.",
			"curl -v -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' http://ENDPOINT/PATH gets 101.",
		},
		Advice: []string{
			"Let every hop pass Upgrade and Connection on: nginx needs proxy_http_version 1.1 and both headers set by hand.",
			"Check the path, and that the process which serves WebSockets is the one that the route leads to.",
			"If it is 403, allow the page's Origin in the application.",
		},
		Covers:  []string{"R27"},
		Related: []Cause{CauseUnaskedUpgrade, CauseUpstreamStatus, CauseWrongHost},
		Retry:   retryNever,
	},
	{
		Cause:    CauseBadContentCoding,
		Title:    "The body is not what Content-Encoding says",
		Family:   FamilyMisconfiguration,
		Type:     TypeHTTPResponseContentCoding,
		sentence: "{peer} sent a body that its Content-Encoding does not describe[: it begins with {sample}]",
		Meaning: "The response says gzip, br or zstd, and its body cannot be decoded as that: it is plain, it was compressed twice, or it was cut. " +
			"Two layers compress, or one replaced the body and left the header.",
		Proof: []string{
			"curl -s --raw URL | head -c 4 | xxd: gzip begins with 1f 8b, zstd with 28 b5 2f fd, plain text with itself.",
			"curl --compressed URL fails with a decoding error; without --compressed the page is right.",
			"The browser says ERR_CONTENT_DECODING_FAILED, Cloudflare answers 502, Google Cloud logs error_uncompressing_gzipped_body.",
		},
		Advice: []string{
			"Compress in one layer only: switch it off in the application or in the proxy before it.",
			"If a layer rewrites bodies (sub_filter, a plugin), have it ask for identity: Accept-Encoding empty towards the upstream.",
			"If the application sends a file that is compressed on disk, it must set the header once and not compress again.",
		},
		Covers:  []string{"R25"},
		Related: []Cause{CauseBodyShort, CauseUnknownTransferCoding},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseResponseBodyTooLarge,
		Title:    "The response body is larger than a limit",
		Family:   FamilyMisconfiguration,
		Type:     TypeHTTPResponseBodySize,
		sentence: "{peer} sent a larger response body than the gateway allows[ ({limit} bytes)][: {size} came]",
		Meaning: "A gateway on the way holds whole bodies in memory, or has a limit for them, and this response is over it. " +
			"Whygate itself streams bodies without a limit; Envoy's buffer filter, a Lambda behind an ALB (1 MB) and API gateways have one.",
		Proof: []string{
			"The size of the answer from the upstream itself is above the limit: curl -so /dev/null -w '%{size_download}' URL.",
			"Small answers of the same URL pass; the limit is a round number of bytes.",
			"Envoy's log has response_payload_too_large.",
		},
		Advice: []string{
			"Send less at once: page the result, or compress it.",
			"Put large files where nobody buffers them: object storage with a signed URL, or a route that streams.",
			"Raise the limit if the memory is there: per_connection_buffer_limit_bytes in Envoy's listener and cluster.",
		},
		Covers:  []string{"R34"},
		Related: []Cause{CauseHeadTooLarge, CauseRequestBodyTooLarge, CauseBodyShort},
		Retry:   retryElsewhere,
	},
}
