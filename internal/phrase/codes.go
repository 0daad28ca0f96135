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
	{"exit code 137", workerKilled, "killed by SIGKILL"},
	{"exit code 139", workerCrashed, "SIGSEGV"},
	{"exit code 143", stopped, "stopped by SIGTERM"},
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
}

// ByCode finds a flag, a number or a name: as it is written, or else whatever its case where it has three letters or more. A
// termination state of HAProxy's is found by its first two letters.
func ByCode(text string) *Code {
	text = strings.Trim(text, " \t\"'[]().:")
	for _, prefix := range [...]string{"error ", "errno ", "code ", "code=", "flags ", "flag ", "exit status "} {
		if len(text) > len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
			text = text[len(prefix):]
		}
	}
	if len(text) == 4 && isState(text) {
		if c := byText(text); c != nil {
			return c
		}
		for i := range codes {
			if codes[i].Text == text[:2] && strings.HasPrefix(codes[i].Of, "HAProxy") {
				return &codes[i]
			}
		}
		return nil
	}
	if first, _, many := strings.Cut(text, ","); many && len(text) < 20 { // UF,URX: the first says why
		if c := byText(first); c != nil && c.Text != "URX" {
			return c
		}
		_, text, _ = strings.Cut(text, ",")
	}
	return byText(text)
}

// isState reports whether a text is a termination state: two letters or dashes, then what became of the cookies.
func isState(text string) bool {
	return strings.ContainsAny(text[:1], "CSPLRDIcsKU") && strings.ContainsAny(text[1:2], "RQCHDLT") && strings.ContainsAny(text[2:3], "NIDVEOU-") && strings.ContainsAny(text[3:], "NUIPRDEA-")
}

func byText(text string) *Code {
	for i := range codes {
		if codes[i].Text == text {
			return &codes[i]
		}
	}
	for i := range codes {
		if len(text) > 2 && strings.EqualFold(codes[i].Text, text) {
			return &codes[i]
		}
	}
	return nil
}
