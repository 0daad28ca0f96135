package phrase

import (
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// Code is a flag, a number or a name that a log has by itself, and that means something only where nothing else stands.
type Code struct {
	Text   string // as the log has it
	Causes []fault.Cause
	Of     string // whose it is, and what it says there
}

// codes are the flags, numbers and names, the commonest meaning first.
var codes = []Code{
	// Envoy's response flags (access_log/usage.rst).
	{"UC", closedFirst, "Envoy: the upstream ended the connection"},
	{"UF", envoyFailure, "Envoy: the connection to the upstream failed"},
	{"UH", nobody, "Envoy: no healthy upstream"},
	{"UT", headTimeout, "Envoy: the upstream's timeout"},
	{"URX", retriesUsed, "Envoy: the retries are used up; the other flag tells why"},
	{"UO", connLimit, "Envoy: a circuit breaker's limit"},
	{"UR", streamReset, "Envoy: the upstream reset the stream"},
	{"UPE", notHTTP, "Envoy: the upstream's answer breaks the protocol"},
	{"NR", noSuchRoute, "Envoy: no route"},
	{"NC", broken, "Envoy: no such cluster"},
	{"DC", clientLeft, "Envoy: the client left"},
	{"DF", dnsError, "Envoy: the name did not resolve"},
	{"LH", nobody, "Envoy: the health check failed"},
	{"LR", headTimeout, "Envoy: reset on this side"},
	{"RL", rateLimited, "Envoy: rate limited"},
	{"SI", bodyTimeout, "Envoy: the stream was idle"},
	{"DPE", malformed, "Envoy: the client's request breaks the protocol"},
	{"UMSDR", headTimeout, "Envoy: the stream lasted too long"},
	{"NFCF", broken, "Envoy: no filter configuration"},
	{"OM", overload, "Envoy: the overload manager"},
	{"DT", headTimeout, "Envoy: the request or its connection lasted too long"},
	{"RLSE", rateLimited, "Envoy: the rate limit service failed"},

	// HAProxy's termination states (management.txt, "Session state at disconnection"): the first two letters.
	{"SC", haproxySC, "HAProxy: the server refused the connection"},
	{"sC", connectTimeout, "HAProxy: timeout connect"},
	{"SH", closed, "HAProxy: the server ended the connection before it answered"},
	{"sH", headTimeout, "HAProxy: timeout server"},
	{"SD", bodyCut, "HAProxy: the server ended the connection inside the answer"},
	{"sD", bodyTimeout, "HAProxy: timeout server, inside the answer"},
	{"sQ", queueTimeout, "HAProxy: timeout queue"},
	{"PH", badAnswer, "HAProxy: the answer is invalid, or a rule refused it; show errors has it"},
	{"PR", denied, "HAProxy: a rule or a limit refused the request"},
	{"CD", clientLeft, "HAProxy: the client left"},
	{"CH", clientLeft, "HAProxy: the client left while the server was awaited"},
	{"cD", clientLeft, "HAProxy: timeout client"},
	{"CC", clientLeft, "HAProxy: the client left while the server was being connected to"},
	{"cR", requestSlow, "HAProxy: timeout http-request"},
	{"CR", clientLeft, "HAProxy: the client left inside its request"},
	{"SL", bodyCut, "HAProxy: the server ended the connection"},
	{"RC", ports, "HAProxy: no source port, descriptor or memory"},
	{"DC--", nobody, "HAProxy: the server went down"},
	{"LR", denied, "HAProxy: answered by HAProxy itself"},
	{"sS", writeTimeout, "HAProxy: timeout server while the request was sent"},
	{"SQ", nobody, "HAProxy: no server while the request was queued"},

	// Heroku's codes.
	{"H10", failed, "Heroku: the application crashed"},
	{"H11", queueFull, "Heroku: too many requests wait"},
	{"H12", headTimeout, "Heroku: no answer in 30 s"},
	{"H13", closed, "Heroku: closed without an answer"},
	{"H14", noEndpoints, "Heroku: no web dyno runs"},
	{"H15", bodyTimeout, "Heroku: idle connection"},
	{"H17", notHTTP, "Heroku: the answer is no HTTP"},
	{"H18", resetOrClosed, "Heroku: the server broke off"},
	{"H19", connectTimeout, "Heroku: connecting took too long"},
	{"H20", failed, "Heroku: the dyno did not start in time"},
	{"H21", refused, "Heroku: the dyno refused the connection"},
	{"H22", connLimit, "Heroku: too many connections"},
	{"H27", clientLeft, "Heroku: the client left"},
	{"H28", clientLeft, "Heroku: the client was idle"},
	{"H80", maintenance, "Heroku: maintenance mode"},
	{"H81", failed, "Heroku: nothing is deployed"},
	{"H99", internal, "Heroku: the platform's error"},
	{"R10", failed, "Heroku: the dyno did not bind its port in 60 s"},
	{"R12", failed, "Heroku: the dyno did not exit"},
	{"R14", outOfMemory, "Heroku: the memory quota is exceeded"},
	{"R15", outOfMemory, "Heroku: the memory quota is vastly exceeded"},

	// IIS and HTTP.sys.
	{"502.3", iis502, "IIS: forwarding failed"},
	{"502.4", nobody, "IIS: no server of the farm"},
	{"502.5", failed, "IIS: the process did not start"},
	{"504.0", headTimeout, "IIS: the gateway's timeout"},
	{"503.2", queueFull, "IIS: the limit of concurrent requests"},
	{"500.30", failed, "ASP.NET Core: the application did not start"},
	{"500.37", failed, "ASP.NET Core: the application did not start in time"},
	{"12002", someTimeout, "WinHTTP: timeout"},
	{"12007", nxDomain, "WinHTTP: the name did not resolve"},
	{"12029", refused, "WinHTTP: cannot connect"},
	{"12030", closedOrReset, "WinHTTP: the connection ended"},
	{"12152", notHTTP, "WinHTTP: invalid answer"},
	{"12175", untrusted, "WinHTTP: TLS failed"},
	{"AppOffline", stopped, "HTTP.sys: the application pool is off"},
	{"QueueFull", queueFull, "HTTP.sys: the application pool's queue is full"},
	{"Connection_Abandoned_By_ReqQueue", workerCrashed, "HTTP.sys: the worker died at the request"},

	// Cloudflare's numbers.
	{"1033", tunnelDown, "Cloudflare: the tunnel is down"},
	{"1016", dnsError, "Cloudflare: the origin's name does not resolve"},
	{"1000", prohibited, "Cloudflare: the name points to a prohibited address"},
	{"1001", dnsError, "Cloudflare: the name does not resolve"},
	{"1015", rateLimited, "Cloudflare: rate limited"},
	{"1020", denied, "Cloudflare: a rule refused it"},
	{"1101", appError, "Cloudflare: a Worker threw an exception"},
	{"1102", workerTimeout, "Cloudflare: a Worker ran out of CPU time"},

	// Names that programs give by themselves.
	{"EOF", closedFirst, "Go: the connection ended where an answer was awaited"},
	{"io.EOF", closedFirst, "Go"},
	{"unexpected EOF", bodyCut, "Go: the connection ended inside a message"},
	{"terminated", bodyCut, "undici: the connection ended inside the body"},
	{"aborted", bodyCut, "Node: the connection ended inside the body"},
	{"137", workerKilled, "exit code: killed by SIGKILL"},
	{"139", workerCrashed, "exit code: SIGSEGV"},
	{"143", stopped, "exit code: stopped by SIGTERM"},
	{"134", workerCrashed, "exit code: SIGABRT"},
	{"exit 137", workerKilled, "killed by SIGKILL"},
	{"exit 139", workerCrashed, "SIGSEGV"},
	{"exit 143", stopped, "stopped by SIGTERM"},
	{"exit 134", workerCrashed, "SIGABRT"},
	{"exit 135", workerCrashed, "SIGBUS"},
	{"exit 132", workerCrashed, "SIGILL: a program for another processor"},
	{"exit 130", stopped, "SIGINT: stopped by hand"},
	{"exit 129", stopped, "SIGHUP: its terminal was closed"},
	{"exit 125", failed, "the container could not be started"},
	{"exit 126", failed, "the command is no program, or may not be run"},
	{"exit 127", failed, "there is no such command"},
	{"exit 128", failed, "an invalid exit code, or git's own error"},
	{"exit 1", failed, "the program gave up: its last lines say why"},
	{"exit 2", failed, "the program gave up: wrong use, or a Go panic"},
	{"exit 255", failed, "the program gave up, or the container's entry point failed"},
	{"signal 9", workerKilled, "SIGKILL"},
	{"signal 11", workerCrashed, "SIGSEGV"},
	{"signal 6", workerCrashed, "SIGABRT"},
	{"signal 7", workerCrashed, "SIGBUS"},
	{"signal 4", workerCrashed, "SIGILL"},
	{"signal 15", stopped, "SIGTERM"},
	{"signal 2", stopped, "SIGINT"},
	{"SIGABRT", workerCrashed, "crashed"},
	{"SIGBUS", workerCrashed, "crashed"},
	{"SIGKILL", workerKilled, "killed"},
	{"SIGSEGV", workerCrashed, "crashed"},
	{"SIGTERM", stopped, "stopped"},
	{"EACCES", rejectedFirst, "connecting was forbidden: SELinux, a firewall, or a socket's mode"},
	{"EPERM", rejectedFirst, "a firewall of this machine"},
	{"ENOENT", socketGone, "there is no such socket"},
	{"EAGAIN", backlog, "the socket's queue is full"},
	{"ENOMEM", memory, "no memory"},
	{"ENOBUFS", memory, "no memory for the socket"},
	{"ENFILE", descriptors, "the machine has no descriptors left"},
	{"EPIPE", uploadCut, "the other side had closed while the request was sent"},
	{"ECONNABORTED", closedOrReset, "the connection was aborted"},
	{"ETIMEDOUT", dialTimeout, "connecting, or the answer, took too long"},
	{"ENETDOWN", noNetwork, "the network is down"},
	{"ENOTCONN", closedOrReset, "the connection is gone"},
	{"EADDRNOTAVAIL", ports, "no port left to connect from"},
	{"EADDRINUSE", failed, "another program has the port"},

	// errno numbers that are status codes as well, or too small to stand by themselves.
	{"errno 1", rejectedFirst, "EPERM"},
	{"errno 2", socketGone, "ENOENT"},
	{"errno 11", backlog, "EAGAIN"},
	{"errno 12", memory, "ENOMEM"},
	{"errno 13", rejectedFirst, "EACCES"},
	{"errno 23", descriptors, "ENFILE"},
	{"errno 24", descriptors, "EMFILE"},
	{"errno 28", internal, "ENOSPC: the disk is full"},
	{"errno 32", uploadCut, "EPIPE"},
	{"errno 98", failed, "EADDRINUSE"},
	{"errno 99", ports, "EADDRNOTAVAIL"},
	{"errno 100", noNetwork, "ENETDOWN"},
	{"errno 101", noNetwork, "ENETUNREACH"},
	{"errno 103", closedOrReset, "ECONNABORTED"},
	{"errno 112", noRoute, "EHOSTDOWN"},
	{"errno 54", resetOrClosed, "ECONNRESET of macOS and the BSDs"},
	{"errno 60", dialTimeout, "ETIMEDOUT of macOS and the BSDs"},
	{"errno 61", refused, "ECONNREFUSED of macOS and the BSDs"},
	{"errno 65", noRoute, "EHOSTUNREACH of macOS and the BSDs"},

	// Windows' errors, as IIS has them in sc-win32-status.
	{"win32 64", clientLeft, "ERROR_NETNAME_DELETED: the connection is gone"},
	{"win32 121", someTimeout, "ERROR_SEM_TIMEOUT"},
	{"win32 995", clientLeft, "ERROR_OPERATION_ABORTED"},
	{"win32 1236", clientLeft, "ERROR_CONNECTION_ABORTED"},
	{"win32 1225", refused, "ERROR_CONNECTION_REFUSED"},
	{"win32 2", failed, "ERROR_FILE_NOT_FOUND: the program is not there"},
	{"win32 12002", someTimeout, "WinHTTP: timeout"},
	{"win32 12007", nxDomain, "WinHTTP: the name did not resolve"},
	{"win32 12029", refused, "WinHTTP: cannot connect"},
	{"win32 12030", closedOrReset, "WinHTTP: the connection ended"},
	{"win32 12152", notHTTP, "WinHTTP: invalid answer"},
	{"win32 12175", untrusted, "WinHTTP: TLS failed"},

	// TLS alerts, and DNS response codes.
	{"alert 0", tlsClosed, "close_notify"},
	{"alert 10", tlsBroken, "unexpected_message"},
	{"alert 20", tlsRecord, "bad_record_mac"},
	{"alert 22", tlsRecord, "record_overflow"},
	{"alert 40", noCipher, "handshake_failure"},
	{"alert 42", certRefused, "bad_certificate"},
	{"alert 43", certRefused, "unsupported_certificate"},
	{"alert 44", certRefused, "certificate_revoked"},
	{"alert 45", certRefused, "certificate_expired"},
	{"alert 46", certRefused, "certificate_unknown"},
	{"alert 47", tlsBroken, "illegal_parameter"},
	{"alert 48", certRefused, "unknown_ca"},
	{"alert 49", certRefused, "access_denied"},
	{"alert 50", tlsBroken, "decode_error"},
	{"alert 51", tlsRecord, "decrypt_error"},
	{"alert 70", tlsVersion, "protocol_version"},
	{"alert 71", noCipher, "insufficient_security"},
	{"alert 80", tlsAlert, "internal_error"},
	{"alert 112", sniUnknown, "unrecognized_name"},
	{"alert 116", certWanted, "certificate_required"},
	{"alert 120", alpn, "no_application_protocol"},
	{"rcode 1", dnsError, "FORMERR"},
	{"rcode 2", servFail, "SERVFAIL"},
	{"rcode 3", nxDomain, "NXDOMAIN"},
	{"rcode 4", dnsError, "NOTIMP"},
	{"rcode 5", dnsRefused, "REFUSED"},
	{"RST_STREAM", streamReset, "HTTP/2: the stream was reset"},
	{"connection termination", closedFirst, "Envoy: the upstream ended the connection"},
	{"connection failure", envoyFailure, "Envoy: the connection to the upstream failed"},
	{"remote reset", streamReset, "Envoy: the upstream reset the stream"},
	{"remote connection failure", envoyFailure, "Envoy: the connection to the upstream failed"},
	{"local reset", headTimeout, "Envoy: reset on this side"},
	{"overflow", connLimit, "Envoy: a circuit breaker's limit"},
	{"protocol error", notHTTP, "Envoy: the upstream's answer breaks the protocol"},
	{"HTC eof", headCut, "Varnish: the answer's head ended early, or is none"},
	{"NXDOMAIN", nxDomain, "DNS: there is no such name"},
	{"SERVFAIL", servFail, "DNS: the server failed"},
	{"NOSRV", nobody, "HAProxy: no server was chosen"},
	{"HIER_NONE", nobody, "Squid: nobody was asked"},

	// Status codes that stand in the logs of one product, or in its answers.
	{"499", clientLeft, "nginx: the client left before it was answered"},
	{"444", denied, "nginx: closed without an answer, as it was told to"},
	{"494", requestHead, "nginx: the request's head is too large"},
	{"495", denied, "nginx: the client's certificate is not accepted"},
	{"496", denied, "nginx: the client showed no certificate"},
	{"497", requestTLS, "nginx: HTTP in clear on a TLS port"},
	{"460", clientLeft, "ALB: the client left before it was answered"},
	{"463", malformed, "ALB: more than 30 addresses in X-Forwarded-For"},
	{"464", h2OnH1, "ALB: the target group speaks another version of HTTP"},
	{"561", denied, "ALB: the identity provider answered with an error"},
	{"520", cloudflare520, "Cloudflare: the origin's answer is unknown: it ended early, or its head is too large"},
	{"521", refused, "Cloudflare: the origin refused the connection"},
	{"522", connectTimeout, "Cloudflare: connecting to the origin took too long"},
	{"523", noRoute, "Cloudflare: the origin cannot be reached"},
	{"524", headTimeout, "Cloudflare: the origin did not answer in time"},
	{"525", tlsClosed, "Cloudflare: the TLS handshake with the origin failed"},
	{"526", untrusted, "Cloudflare: the origin's certificate is not valid"},
	{"530", dnsError, "Cloudflare: with 1016 the origin's name does not resolve; the page has the number"},

	// Reasons of balancers and platforms.
	{"Target.Timeout", someTimeout, "ALB: the health check had no answer"},
	{"Target.FailedHealthChecks", nobody, "ALB: the target's health checks fail"},
	{"Target.ResponseCodeMismatch", nobody, "ALB: the health check got another status than it wants"},
	{"Target.NotRegistered", noEndpoints, "ALB: the target is not registered"},
	{"Target.NotInUse", noEndpoints, "ALB: no listener uses the target group"},
	{"OriginDnsError", dnsError, "CloudFront: the origin's name does not resolve"},
	{"OriginConnectError", lost, "CloudFront: connecting to the origin failed"},
	{"OriginReadError", bodyCut, "CloudFront: the origin's answer broke off"},
	{"OriginCommError", headTimeout, "CloudFront: the origin did not answer in time"},
	{"OriginHeaderTooBigError", headTooLarge, "CloudFront: the head is over 32 KiB"},
	{"OriginInvalidResponseError", notHTTP, "CloudFront: the origin's answer is no valid HTTP"},
	{"OriginZeroSizeObjectError", closed, "CloudFront: the origin closed without an answer"},
	{"ClientCommError", clientLeft, "CloudFront: the client left"},
	{"AbortedOrigin", closedOrReset, "CloudFront: the origin broke off"},
	{"FUNCTION_INVOCATION_TIMEOUT", workerTimeout, "Vercel: the function ran too long"},
	{"FUNCTION_INVOCATION_FAILED", functionFailed, "Vercel: the function failed"},
	{"FUNCTION_THROTTLED", rateLimited, "Vercel: too many functions run"},
	{"FUNCTION_PAYLOAD_TOO_LARGE", requestBody, "Vercel: the request's body is larger than a function takes"},
	{"EDGE_FUNCTION_INVOCATION_TIMEOUT", workerTimeout, "Vercel: the edge function ran too long"},
	{"EDGE_FUNCTION_INVOCATION_FAILED", functionFailed, "Vercel: the edge function failed"},
	{"MIDDLEWARE_INVOCATION_TIMEOUT", workerTimeout, "Vercel: the middleware ran too long"},
	{"MIDDLEWARE_INVOCATION_FAILED", functionFailed, "Vercel: the middleware failed"},
	{"NO_RESPONSE_FROM_FUNCTION", closed, "Vercel: the function ended without an answer"},
	{"ROUTER_EXTERNAL_TARGET_CONNECTION_ERROR", lost, "Vercel: the rewrite's target cannot be reached"},
	{"ROUTER_EXTERNAL_TARGET_ERROR", lost, "Vercel: the rewrite's target failed"},
	{"ROUTER_EXTERNAL_TARGET_HANDSHAKE_ERROR", tlsBroken, "Vercel: TLS to the rewrite's target failed"},
	{"DNS_HOSTNAME_NOT_FOUND", nxDomain, "Vercel: the target's name does not exist"},
	{"DNS_HOSTNAME_EMPTY", noData, "Vercel: the target's name has no address"},
	{"DNS_HOSTNAME_RESOLVED_PRIVATE", prohibited, "Vercel: the target's address is a private one"},
	{"DNS_HOSTNAME_SERVER_ERROR", servFail, "Vercel: the name server of the target failed"},
	{"DNS_HOSTNAME_RESOLVE_FAILED", dnsError, "Vercel: the target's name does not resolve"},
	{"DEPLOYMENT_NOT_FOUND", wrongHost, "Vercel: the name leads to no deployment"},
	{"DEPLOYMENT_DELETED", stopped, "Vercel: the deployment was deleted"},
	{"DEPLOYMENT_DISABLED", stopped, "Vercel: the deployment is switched off"},
	{"DEPLOYMENT_PAUSED", stopped, "Vercel: the deployment is paused"},
	{"INFINITE_LOOP_DETECTED", proxyLoop, "Vercel: requests lead to themselves"},
	{"ERR_NGROK_3200", nobody, "ngrok: the tunnel is not open"},
	{"ERR_NGROK_8012", refused, "ngrok: the agent cannot connect to the application"},
	{"ERR_NGROK_3004", noAnswer, "ngrok: the application's answer is no valid HTTP, or incomplete"},
	{"ERR_NGROK_725", rateLimited, "ngrok: the account's bandwidth is used up"},
	{"ERR_NGROK_727", rateLimited, "ngrok: the account's requests are used up"},
	{"ERR_NGROK_3801", stopped, "ngrok: the address is reserved, and nothing is behind it"},
	{"OriginConnectionRefused", refused, "Azure Front Door: the origin refused the connection"},
	{"OriginConnectionError", lost, "Azure Front Door: connecting to the origin failed"},
	{"OriginConnectionAborted", closedOrReset, "Azure Front Door: the origin ended the connection"},
	{"OriginTimeout", headTimeout, "Azure Front Door: the origin did not answer in time"},
	{"OriginInvalidResponse", notHTTP, "Azure Front Door: the origin's answer is no valid HTTP"},
	{"DNSNameNotResolved", nxDomain, "Azure Front Door: the origin's name does not resolve"},
	{"DNSFailure", dnsError, "Azure Front Door: resolving the origin's name failed"},
	{"CertificateExpired", expired, "Azure Front Door: the origin's certificate has ended"},
	{"CertificateNameCheckFailed", wrongName, "Azure Front Door: the origin's certificate is for another name"},
	{"SSLHandshakeError", tlsBroken, "Azure Front Door: the TLS handshake with the origin failed"},
	{"SSLMismatchedSNI", sniUnknown, "Azure Front Door: the origin's certificate is for another name than was asked for"},
	{"SSLInvalidRootCA", unknownCA, "Azure Front Door: the authority of the origin's certificate is unknown"},
	{"SSLInvalidCipher", noCipher, "Azure Front Door: the origin has no cipher suite in common"},
	{"ERRORINFO_UPSTREAM_NO_LIVE", nobody, "Azure Application Gateway: no backend is healthy"},
	{"ERRORINFO_UPSTREAM_CLOSED_CONNECTION", race, "Azure Application Gateway: the backend closed the connection"},
	{"ERRORINFO_UPSTREAM_TIMED_OUT", someTimeout, "Azure Application Gateway: the backend did not answer in time"},
	{"Evicted", outOfMemory, "Kubernetes: the node ran out of memory or disk"},
	{"CreateContainerConfigError", failed, "Kubernetes: a ConfigMap or Secret is missing"},
	{"RunContainerError", failed, "Kubernetes: the container could not be started"},
}

// codePhrases are the codes that nobody writes by chance: words joined by underscores, or with a capital in the middle. They mean
// in a sentence, on a page or in an object what they mean by themselves.
func codePhrases() (out []Phrase) {
	for i := range codes {
		c := &codes[i]
		if len(c.Text) < nameMin || !strings.Contains(c.Text, "_") && !capitalInside(c.Text) {
			continue
		}
		of, _, _ := strings.Cut(c.Of, ":")
		out = append(out, Phrase{Text: strings.ToLower(c.Text), Causes: c.Causes, Rank: Worded, Is: Strong, By: Gateway, Product: productIDs[of]})
	}
	return out
}

// nameMin is how long a code is at least that is looked for in text.
const nameMin = 10

// productIDs are the names that package fingerprint has for whose codes are looked for in text.
var productIDs = map[string]string{"Vercel": "vercel", "ngrok": "ngrok", "Azure Front Door": "azure", "Azure Application Gateway": "azure", "CloudFront": "cloudfront", "Kubernetes": "kubernetes", "ALB": "alb"}

// capitalInside reports whether a capital follows a small letter.
func capitalInside(s string) bool {
	for i := 1; i < len(s); i++ {
		if 'a' <= s[i-1] && s[i-1] <= 'z' && 'A' <= s[i] && s[i] <= 'Z' {
			return true
		}
	}
	return false
}

// ByCode finds a flag, a number or a name: as it is written, or else whatever its case where it has three letters or more. Whose
// it is may stand before it (nginx 499, Heroku H12), and what it is (exit code 137, alert 40, errno 111). A termination state of
// HAProxy's is found by its first two letters.
func ByCode(text string) *Code {
	text = strings.Trim(text, " \t\"'`[]().:<>,;")
	of, kind := "", ""
	for range prefixesMost {
		if rest, product := cutWord(text, codeProducts[:]); product != "" {
			of, text = product, rest
		} else if text, product = cutWord(text, codeFillers[:]); product == "" {
			break
		}
	}
	for _, k := range codeKinds {
		if len(text) > len(k.before) && strings.EqualFold(text[:len(k.before)], k.before) {
			kind, text = k.kind, strings.TrimSpace(text[len(k.before):])
			break
		}
	}
	if kind != "" {
		return byKind(kind, strings.TrimLeft(text, "-"))
	}
	if len(text) == 4 && isState(text) && (of == "" || of == "haproxy") {
		if c := byText(text, of); c != nil {
			return c
		}
		return byText(text[:2], "haproxy")
	}
	if first, _, many := strings.Cut(text, ","); many && len(text) < 20 { // UF,URX: the first says why
		if c := byText(first, of); c != nil && c.Text != "URX" {
			return c
		}
		_, text, _ = strings.Cut(text, ",")
	}
	if c := byText(text, of); c != nil {
		return c
	}
	return byNumber(text)
}

// prefixesMost is how many words may stand before a code that say whose it is, or nothing: Envoy error code.
const prefixesMost = 4

// codeFillers are words before a code that say nothing.
var codeFillers = [...]string{"error", "code", "flag", "flags", "status", "state", "http", "reason", "response_flags", "termination"}

// codeProducts are words before a code that say whose it is.
var codeProducts = [...]string{"nginx", "haproxy", "envoy", "istio", "heroku", "iis", "cloudflare", "winhttp", "node", "aws", "alb", "http.sys", "vercel", "cloudfront", "ngrok", "azure front door", "azure"}

// cutWord takes one of the words, and the blank behind it, off the beginning.
func cutWord(text string, words []string) (rest, word string) {
	for _, w := range words {
		if len(text) > len(w)+1 && strings.EqualFold(text[:len(w)], w) && strings.IndexByte(" :=", text[len(w)]) >= 0 {
			return strings.TrimLeft(text[len(w)+1:], " :"), w
		}
	}
	return text, ""
}

// codeKinds are words before a code that say what it is; an empty kind says nothing.
var codeKinds = [...]struct{ before, kind string }{
	{"exited with code ", "exit"},
	{"exited with status ", "exit"},
	{"exit code: ", "exit"},
	{"exit code ", "exit"},
	{"exit status ", "exit"},
	{"exitcode ", "exit"},
	{"exited on signal ", "signal"},
	{"killed by signal ", "signal"},
	{"signal ", "signal"},
	{"ssl alert number ", "alert"},
	{"tls alert ", "alert"},
	{"ssl alert ", "alert"},
	{"alert number ", "alert"},
	{"alert ", "alert"},
	{"os error ", "errno"},
	{"errno: ", "errno"},
	{"errno ", "errno"},
	{"errno=", "errno"},
	{"rcode ", "rcode"},
	{"sc-win32-status ", "win32"},
	{"win32 ", "win32"},
	{"wsa ", "win32"},
}

// byKind finds a number of a kind: exit 137.
func byKind(kind, number string) *Code {
	if kind == "errno" || kind == "win32" {
		if c := byNumber(number); c != nil {
			return c
		}
	}
	return byText(kind+" "+number, "")
}

// byNumber finds an errno by its number: Linux's, which are small, or Windows', from 10000 on.
func byNumber(text string) *Code {
	for i := range errnoCodes {
		e := &errnoCodes[i]
		for _, n := range e.numbers {
			if n == text {
				return &Code{Text: e.name, Causes: e.causes, Of: e.name + ", an errno"}
			}
		}
	}
	return nil
}

// errnoCodes are errno numbers: of Linux, then of Windows. Numbers that are status codes too are found behind the word errno
// alone, as all those below 100 are.
var errnoCodes = []struct {
	name    string
	numbers []string
	causes  []fault.Cause
}{
	{"ECONNREFUSED", []string{"111", "10061"}, refused},
	{"ECONNRESET", []string{"104", "10054"}, resetOrClosed},
	{"ETIMEDOUT", []string{"110", "10060"}, dialTimeout},
	{"EHOSTUNREACH", []string{"113", "10065"}, noRoute},
	{"ENETUNREACH", []string{"10051"}, noNetwork},
	{"ECONNABORTED", []string{"10053"}, closedOrReset},
	{"ENOTCONN", []string{"107", "10057"}, closedOrReset},
	{"EADDRINUSE", []string{"10048"}, failed},
	{"EADDRNOTAVAIL", []string{"10049"}, ports},
	{"ENOBUFS", []string{"105", "10055"}, memory},
	{"WSAHOST_NOT_FOUND", []string{"11001"}, nxDomain},
	{"WSATRY_AGAIN", []string{"11002"}, dnsTry},
	{"WSANO_DATA", []string{"11004"}, nxDomain},
	{"EMFILE", []string{"10024"}, descriptors},
	{"EACCES", []string{"10013"}, rejectedFirst},
}

// isState reports whether a text is a termination state: two letters or dashes, then what became of the cookies.
func isState(text string) bool {
	return strings.ContainsAny(text[:1], "CSPLRDIcsKU") && strings.ContainsAny(text[1:2], "RQCHDLT") && strings.ContainsAny(text[2:3], "NIDVEOU-") && strings.ContainsAny(text[3:], "NUIPRDEA-")
}

// byText finds a code by its text, of one product where that is given.
func byText(text, of string) *Code {
	for i := range codes {
		if codes[i].Text == text && codes[i].is(of) {
			return &codes[i]
		}
	}
	for i := range codes {
		if len(text) > 2 && strings.EqualFold(codes[i].Text, text) && codes[i].is(of) {
			return &codes[i]
		}
	}
	return nil
}

// is reports whether the code is of the product, in lower case; empty for any.
func (c *Code) is(of string) bool {
	return of == "" || len(c.Of) >= len(of) && strings.EqualFold(c.Of[:len(of)], of)
}
