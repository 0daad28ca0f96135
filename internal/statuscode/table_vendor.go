package statuscode

import "github.com/whygate/whygate/internal/fault"

// Contrary to house style, this file is longer than others: it is a table.

// Whose the unofficial codes are, and where they are written down.
const (
	nginx       = "nginx"
	cloudflare  = "Cloudflare"
	alb         = "AWS Application Load Balancer"
	iis         = "Microsoft IIS"
	sourceNginx = "nginx source, src/http/ngx_http_request.h"
	sourceCF    = "Cloudflare documentation, 5xx errors"
	sourceALB   = "AWS documentation, Troubleshoot your Application Load Balancers"
	sourceIIS   = "Microsoft documentation, HTTP status codes in IIS"
	common      = "several products"
	sourceUsage = "no document: known from use"
)

// stepsCloudflare are what to do about an error that Cloudflare makes about the origin behind it.
var stepsCloudflare = []Step{
	{
		"Note the Ray ID", "It stands at the foot of the page and in CF-Ray; with it the request is found in Cloudflare's logs and, if they are told to log it, in the origin's.",
		"curl -sI URL | grep -iE '^(cf-ray|cf-error|server)'",
	},
	{"Ask the origin itself", "Leave Cloudflare out. If the origin answers, a firewall there most likely does not let Cloudflare's addresses in.", "curl -sv -o /dev/null --resolve NAME:443:ORIGIN_ADDRESS https://NAME/"},
	stepDiagnose, stepLogs, stepApplication, stepFirewall,
}

// stepsALB are what to do about an error that an AWS load balancer makes.
var stepsALB = []Step{
	{"Read the access log", "It has the times of each phase and the target's status beside the load balancer's own.", "whygate explain ALB_ACCESS_LOG"},
	{"Look at the targets", "Each with its health and the reason code.", "aws elbv2 describe-target-health --target-group-arn ARN"},
	stepDiagnose,
}

// stepsIIS are what to do about a substatus of IIS.
var stepsIIS = []Step{
	{"Read the log", "sc-status, sc-substatus and sc-win32-status in IIS's log, and failed request tracing for the details.", `Get-Content C:\inetpub\logs\LogFiles\W3SVC1\*.log -Tail 50`},
	{"Look at the event log", "The application's own error and the process's exit stand there.", "Get-WinEvent -LogName Application -MaxEvents 20"},
	stepDiagnose,
}

var entriesVendor = []Entry{
	{
		Code: "419", Title: "Page Expired", Kind: Unofficial, Owner: "Laravel", Source: sourceUsage,
		Meaning: "Laravel's answer to a form whose CSRF token is missing or too old. (An early WebDAV draft meant \"Insufficient Space on Resource\", whence Java's constant.)",
		Retry:   "After loading the form again.",
		Gateway: "It passes it on. If it hits everybody, the session cookie gets lost on the way: a domain, Secure without HTTPS, or a cached form.",
		Related: []string{"403", "440"},
	},
	{
		Code: "420", Title: "Enhance Your Calm", Kind: Unofficial, Owner: "Twitter, formerly", Source: sourceUsage,
		Meaning: "Twitter's old answer to too many requests, now 429. (An early WebDAV draft meant \"Method Failure\", whence Java's constant.)",
		Retry:   "After a pause that grows each time.",
		Related: []string{"429"},
	},
	{
		Code: "430", Title: "Request Header Fields Too Large, or Security Rejection", Kind: Unofficial, Owner: "Shopify", Source: sourceUsage,
		Meaning: "Shopify refuses a request that it holds to be malicious or too demanding.",
		Related: []string{"403", "429"},
	},
	{
		Code: "440", Title: "Login Time-out", Kind: Unofficial, Owner: iis, Source: sourceUsage,
		Meaning: "Outlook on the web and others behind IIS: the session has expired, log in again.",
		Retry:   "After logging in.",
		Related: []string{"401", "419"},
	},
	{
		Code: "444", Title: "No Response", Kind: LogOnly, Owner: nginx, Source: sourceNginx + " (NGX_HTTP_CLOSE)",
		Meaning: "return 444 makes nginx close the connection without a response. It stands in the log only; the client sees an empty reply.",
		Retry:   retryChanged,
		Gateway: "nginx makes it where its configuration says so, mostly for unknown hosts. A proxy before it sees closed-before-answer and answers 502.",
		Causes:  []fault.Cause{fault.CauseClosedBeforeAnswer},
		Related: []string{"499", "502"},
	},
	{
		Code: "449", Title: "Retry With", Kind: Unofficial, Owner: iis, Source: sourceUsage,
		Meaning: "Microsoft: do what the response says (an action, an agreement) and send the request again.",
		Retry:   "After doing what the response asks for.",
		Related: []string{"428"},
	},
	{
		Code: "450", Title: "Blocked by Windows Parental Controls", Kind: Unofficial, Owner: "Microsoft", Source: sourceUsage,
		Meaning: "A filter on the user's own computer blocks the page.",
		Causes:  []fault.Cause{fault.CauseContentFilter},
		Related: []string{"403", "451"},
	},
	{
		Code: "460", Title: "Client Closed Request", Kind: LogOnly, Owner: alb, Source: sourceALB,
		Meaning: "The client closed the connection before the load balancer's idle timeout was over and before it was answered. It stands in the access log only.",
		Retry:   "Up to the client, which has left.",
		Gateway: "It is the load balancer's 499: look whether the client's timeout is shorter than the work takes.",
		Causes:  []fault.Cause{fault.CauseClientLeft},
		Steps:   stepsALB, Related: []string{"499", "000"},
	},
	{
		Code: "461", Title: "AWS 461", Kind: LogOnly, Owner: alb, Source: sourceUsage,
		Meaning: "Lists of load balancer codes have it beside 460 and 463, and AWS's own documents do not say what it means. Read the rest of the log line: target_status_code, error_reason.",
		Steps:   stepsALB, Related: []string{"460", "463"},
	},
	{
		Code: "463", Title: "Too Many IP Addresses in X-Forwarded-For", Kind: Unofficial, Owner: alb, Source: sourceALB,
		Meaning: "The request's X-Forwarded-For has more than 30 addresses: a loop between proxies, or a forged header.",
		Causes:  []fault.Cause{fault.CauseRequestMalformed, fault.CauseProxyLoop},
		Steps:   stepsALB, Related: []string{"400", "508"},
	},
	{
		Code: "464", Title: "Incompatible Protocol Versions", Kind: Unofficial, Owner: alb, Source: sourceALB,
		Meaning: "The request's protocol does not fit the target group's: gRPC over HTTP/1.1, HTTP/1.1 to a group of version gRPC or HTTP/2.",
		Causes:  []fault.Cause{fault.CauseGRPCOverHTTP1},
		Steps:   stepsALB, Related: []string{"505", "426"},
	},
	{
		Code: "494", Title: "Request Header Too Large", Kind: Unofficial, Owner: nginx, Source: sourceNginx + " (NGX_HTTP_REQUEST_HEADER_TOO_LARGE)",
		Meaning:  "The request's line or a header does not fit large_client_header_buffers. The client gets 400; the code is for error_page.",
		Gateway:  "nginx makes it before the request is passed to anybody.",
		Causes:   []fault.Cause{fault.CauseRequestHeadTooLarge},
		Related:  []string{"400", "431", "414"},
		Response: response + "400 Bad Request\nConnection: close\nContent-Length: 0\n",
	},
	{
		Code: "495", Title: "SSL Certificate Error", Kind: Unofficial, Owner: nginx, Source: sourceNginx + " (NGX_HTTPS_CERT_ERROR)",
		Meaning:  "The client showed a certificate that nginx does not accept. The client gets 400.",
		Related:  []string{"400", "496"},
		Response: response + "400 Bad Request\nConnection: close\nContent-Length: 0\n",
	},
	{
		Code: "496", Title: "SSL Certificate Required", Kind: Unofficial, Owner: nginx, Source: sourceNginx + " (NGX_HTTPS_NO_CERT)",
		Meaning:  "nginx wants a client certificate and got none. The client gets 400.",
		Related:  []string{"400", "495"},
		Response: response + "400 Bad Request\nConnection: close\nContent-Length: 0\n",
	},
	{
		Code: "497", Title: "HTTP Request Sent to HTTPS Port", Kind: Unofficial, Owner: nginx, Source: sourceNginx + " (NGX_HTTP_TO_HTTPS)",
		Meaning:  "A plain request came to a TLS port. The client gets 400: \"The plain HTTP request was sent to HTTPS port\".",
		Gateway:  "Passed on by the proxy before nginx, it says that this proxy's endpoint should be https:// and is http://.",
		Causes:   []fault.Cause{fault.CausePlainToTLSPort},
		Related:  []string{"400", "502"},
		Response: response + "400 Bad Request\nConnection: close\nContent-Length: 0\n",
	},
	{
		Code: "498", Title: "Invalid Token", Kind: Unofficial, Owner: "Esri; nginx had it for a canceled code", Source: sourceUsage,
		Meaning: "ArcGIS: the token is invalid or has expired. In old nginx sources 498 is a code for invalid host names that was never used.",
		Retry:   "With a new token.",
		Related: []string{"401", "499"},
	},
	{
		Code: "499", Title: "Client Closed Request", Kind: LogOnly, Owner: nginx + ", and Whygate, Caddy, Traefik and Cloudflare after it", Source: sourceNginx + " (NGX_HTTP_CLIENT_CLOSED_REQUEST)",
		Meaning: "The client left before it was answered: it stands in the log only. Many at a round time are the timeout of a client or of a load balancer before this proxy.",
		Retry:   "Up to the client, which has left.",
		Gateway: "It closes the upstream's connection and counts nothing against the upstream.",
		Causes:  []fault.Cause{fault.CauseClientLeft, fault.CauseHeadTimeout, fault.CauseWorkersBusy},
		Steps: []Step{
			{"See after how long clients leave", "One and the same time is somebody's timer: a client library, a load balancer, a CDN.", "whygate explain /var/log/nginx/access.log"},
			{"Measure the answer", "If the first byte takes longer than that time, the application is slow and the 499 are what a 504 would have been.", "curl -so /dev/null -w 'first %{time_starttransfer} total %{time_total}\\n' URL"},
			{"Read about the cause", "What proves it and what to do.", "whygate cause client-left"},
		},
		Related: []string{"408", "460", "504", "0", "-1"},
	},
	{
		Code: "509", Title: "Bandwidth Limit Exceeded", Kind: Unofficial, Owner: "cPanel and other hosts", Source: sourceUsage,
		Meaning: "The hosting account has used up its traffic for the month.",
		Retry:   "When the account has traffic again.",
		Causes:  []fault.Cause{fault.CauseRateLimited},
		Related: []string{"429", "508"},
	},
	{
		Code: "520", Title: "Web Server Returned an Unknown Error", Kind: Unofficial, Owner: cloudflare, Source: sourceCF,
		Meaning: "The origin closed, reset or answered with something empty, unknown or too large (heads above 128 KB): Cloudflare's 502 for the rest.",
		Causes:  []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseNotHTTP, fault.CauseWrongService, fault.CauseHeadTooLarge, fault.CauseHTTP1OnHTTP2Port},
		Steps:   stepsCloudflare, Related: []string{"502", "521", "524"},
	},
	{
		Code: "521", Title: "Web Server Is Down", Kind: Unofficial, Owner: cloudflare, Source: sourceCF,
		Meaning: "The origin refused Cloudflare's connection: nothing listens, or a firewall there rejects Cloudflare's addresses.",
		Causes:  []fault.Cause{fault.CauseConnectionRefused, fault.CauseServiceStopped, fault.CauseServiceFailed, fault.CauseFirewallRejected},
		Steps:   stepsCloudflare, Related: []string{"502", "522"},
	},
	{
		Code: "522", Title: "Connection Timed Out", Kind: Unofficial, Owner: cloudflare, Source: sourceCF,
		Meaning: "The origin did not answer the SYN within 19 s, or did not acknowledge the request within 90 s: packets are dropped, or it is overloaded.",
		Causes:  []fault.Cause{fault.CauseConnectTimeout, fault.CauseKernelConnectTimeout, fault.CauseConnectionLost},
		Steps:   stepsCloudflare, Related: []string{"504", "521", "524"},
	},
	{
		Code: "523", Title: "Origin Is Unreachable", Kind: Unofficial, Owner: cloudflare, Source: sourceCF,
		Meaning: "There is no route to the origin's address: mostly a DNS record that points at an old or private one.",
		Causes:  []fault.Cause{fault.CauseHostUnreachable, fault.CauseNetworkUnreachable},
		Steps:   append([]Step{stepDNS}, stepsCloudflare...), Related: []string{"502", "522", "530"},
	},
	{
		Code: "524", Title: "A Timeout Occurred", Kind: Unofficial, Owner: cloudflare, Source: sourceCF,
		Meaning: "Cloudflare connected, and no response came within its proxy read timeout (120 s unless set), or the request could not be written for 30 s.",
		Retry:   "Idempotent requests only, and rarely: the origin may still be working on the first one.",
		Causes:  []fault.Cause{fault.CauseHeadTimeout, fault.CauseUploadStalled, fault.CauseWorkersBusy},
		Steps:   stepsCloudflare, Related: []string{"504", "522"},
	},
	{
		Code: "525", Title: "SSL Handshake Failed", Kind: Unofficial, Owner: cloudflare, Source: sourceCF,
		Meaning: "TLS between Cloudflare and the origin failed: no common version or cipher, no certificate for the name, a plain port.",
		Causes: []fault.Cause{
			fault.CauseTLSVersionMismatch, fault.CauseTLSNoSharedCipher, fault.CauseTLSAlert, fault.CauseTLSNameUnknown, fault.CauseTLSToPlainPort,
			fault.CauseTLSHandshakeClosed, fault.CauseTLSHandshakeTimeout, fault.CauseTLSClientCertificateRequired, fault.CauseTLSALPN,
		},
		Steps: stepsCloudflare, Related: []string{"502", "526"},
	},
	{
		Code: "526", Title: "Invalid SSL Certificate", Kind: Unofficial, Owner: cloudflare, Source: sourceCF,
		Meaning: "With Full (strict), the origin's certificate must be valid, and it is not: expired, for another name, self-signed, from an unknown authority, revoked.",
		Causes: []fault.Cause{
			fault.CauseTLSCertificateExpired, fault.CauseTLSCertificateNotYetValid, fault.CauseTLSCertificateWrongName,
			fault.CauseTLSCertificateUnknownAuthority, fault.CauseTLSCertificateSelfSigned, fault.CauseTLSCertificateRevoked,
		},
		Steps: append([]Step{{
			"Look at the origin's certificate", "Its name, dates and chain, as the origin sends it for that name.",
			"openssl s_client -connect ORIGIN_ADDRESS:443 -servername NAME </dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName",
		}}, stepsCloudflare...), Related: []string{"502", "525"},
	},
	{
		Code: "527", Title: "Railgun Error", Kind: Unofficial, Owner: cloudflare, Source: sourceCF,
		Meaning: "The connection of Cloudflare's Railgun, a product that is retired, failed.",
		Steps:   stepsCloudflare, Related: []string{"520"},
	},
	{
		Code: "529", Title: "Site Is Overloaded", Kind: Unofficial, Owner: common, Source: sourceUsage,
		Meaning: "The service is overloaded at the moment, not because of this one client (that would be 429). Some APIs send it.",
		Retry:   "Idempotent requests after a pause that grows each time, or after Retry-After.",
		Causes:  []fault.Cause{fault.CauseUpstreamOverloaded},
		Related: []string{"429", "503"},
	},
	{
		Code: "530", Title: "Origin DNS Error", Kind: Unofficial, Owner: cloudflare, Source: sourceCF,
		Meaning: "Cloudflare could not resolve the origin's name; the page carries a second number (1016 for DNS, 1000 for an address of Cloudflare's own). Some hosts send 530 for a site that is frozen.",
		Causes:  []fault.Cause{fault.CauseDNSNXDomain, fault.CauseDNSNoData, fault.CauseDNSServFail, fault.CauseDNSTimeout, fault.CauseProxyLoop},
		Steps:   append([]Step{stepDNS}, stepsCloudflare...), Related: []string{"502", "523"},
	},
	{
		Code: "561", Title: "Unauthorized", Kind: Unofficial, Owner: alb, Source: sourceALB,
		Meaning: "The identity provider gave the load balancer an error when it authenticated the user; error_reason in the access log says which.",
		Retry:   "After logging in again; for everybody at once, after the provider or its settings are mended.",
		Steps:   stepsALB, Related: []string{"401", "500", "562"},
	},
	{
		Code: "562", Title: "JWKS Request Failed", Kind: Unofficial, Owner: alb, Source: sourceALB,
		Meaning: "The load balancer verifies JSON Web Tokens and could not get the keys: their URL answered other than 2xx, took more than 5 s, or sent more than 150 KB or ten keys.",
		Retry:   "Idempotent requests after a pause: the keys are asked for again.",
		Steps:   stepsALB, Related: []string{"401", "561"},
	},
	{
		Code: "598", Title: "Network Read Timeout Error", Kind: Unofficial, Owner: "some proxies", Source: sourceUsage,
		Meaning: "A proxy waited in vain for the server behind it: 504 in other words.",
		Causes:  []fault.Cause{fault.CauseHeadTimeout},
		Related: []string{"504", "599"},
	},
	{
		Code: "599", Title: "Network Connect Timeout Error", Kind: Unofficial, Owner: "some proxies and clients", Source: sourceUsage,
		Meaning: "A proxy or a client library could not connect in time. Tornado's HTTP client gives it when there was no response at all.",
		Causes:  []fault.Cause{fault.CauseConnectTimeout},
		Related: []string{"504", "598"},
	},
	{
		Code: "999", Title: "Request Denied", Kind: Unofficial, Owner: "LinkedIn", Source: sourceUsage,
		Meaning: "LinkedIn takes the client for a robot.",
		Retry:   retryChanged,
		Causes:  []fault.Cause{fault.CauseContentFilter},
		Related: []string{"403", "429"},
	},
}

var entriesLog = []Entry{
	{
		Code: "0", Title: "No Response", Kind: LogOnly, Owner: "Envoy and Google Cloud load balancers", Source: "Envoy documentation, access logging; Google Cloud documentation, statusDetails",
		Meaning: "The client left before a response began: response flag DC in Envoy, client_disconnected_before_any_response in Google Cloud.",
		Retry:   "Up to the client, which has left.",
		Gateway: "It is their 499.",
		Causes:  []fault.Cause{fault.CauseClientLeft},
		Steps:   []Step{stepLogs}, Related: []string{"499", "-1", "000"},
	},
	{
		Code: "-1", Title: "No Status", Kind: LogOnly, Owner: "HAProxy", Source: "HAProxy configuration manual, HTTP log format",
		Meaning: "The session ended before there was a status. The termination state says who ended it: C is the client, and for a reused connection that died under a request HAProxy closes without any answer.",
		Retry:   "Up to the client, which has left.",
		Gateway: "HAProxy leaves it to the browser to send the request again.",
		Causes:  []fault.Cause{fault.CauseClientLeft, fault.CauseKeepaliveRace},
		Steps:   []Step{stepLogs}, Related: []string{"499", "0"},
	},
	{
		Code: "000", Title: "Connection Ended by GOAWAY", Kind: LogOnly, Owner: alb, Source: sourceALB,
		Meaning: "Over HTTP/2, a compressed head was larger than 8 KB or the connection had served 10,000 requests: the load balancer sent GOAWAY and closed. (curl also prints 000 when it got no response.)",
		Retry:   "On a new connection.",
		Gateway: "It is the load balancer's own; the target was not asked.",
		Causes:  []fault.Cause{fault.CauseRequestHeadTooLarge, fault.CauseHTTP2GoAway},
		Steps:   stepsALB, Related: []string{"460", "0"},
	},
	{
		Code: "009", Title: "HTTP/0.9 Response", Kind: LogOnly, Owner: nginx, Source: "nginx source, src/http/modules/ngx_http_log_module.c",
		Meaning: "The upstream's answer did not begin like HTTP, so nginx took it for HTTP/0.9 and passed its bytes on without a head.",
		Retry:   retryChanged,
		Gateway: "nginx relays garbage where others answer 502.",
		Causes:  []fault.Cause{fault.CauseNotHTTP, fault.CauseWrongService, fault.CausePlainToTLSPort, fault.CauseNoHead},
		Steps:   []Step{stepLogs, stepDiagnose}, Related: []string{"502", "520"},
	},
}
