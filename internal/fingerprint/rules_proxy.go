package fingerprint

import (
	"slices"
	"strconv"
	"strings"
)

// The marks of reverse proxies. The pages of nginx, HAProxy, Apache, Varnish and Squid were captured from Debian's packages; the
// others are from their sources: Envoy's router.cc and utility.cc (local replies), Traefik's ErrorHandler, Kong's
// error_handlers.lua, Caddy's empty answers.

var proxyRules = []rule{
	{product: "whygate", title: "Whygate", layer: Proxy, part: PartPage, certainty: Certain, own: true, via: "whygate", knows: func(v *view) string {
		return or(page(v.page && v.says("<dt>incident</dt><dd>", "<dt>request</dt><dd>"), "its own error page"), page(v.failed() && v.says(`"instance":"urn:whygate:incident:`), "urn:whygate:incident in the problem object"),
			page(v.failed() && v.says("the gateway is working; the application behind it did not answer as it should"), "its own error page"))
	}},
	{product: "whygate", title: "Whygate", layer: Proxy, part: PartHeader, certainty: Likely, own: true, via: "whygate", knows: func(v *view) string {
		return page(v.contains("Proxy-Status", "whygate") != "" && v.contains("Proxy-Status", "error=") != "" && v.contains("Proxy-Status", "received-status=") == "", v.there("Proxy-Status"))
	}},
	{product: "whygate", title: "Whygate", layer: Proxy, part: PartHeader, certainty: Likely, via: "whygate", knows: func(v *view) string {
		return or(v.viaLine("whygate"), v.contains("Proxy-Status", "whygate"))
	}},

	{product: "openresty", title: "OpenResty", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && nginxShape(v, "openresty") && !v.says("apisix.apache.org") && v.starts("Server", "APISIX") == "", "its own error page")
	}},
	{product: "openresty", title: "OpenResty", layer: Proxy, part: PartHeader, certainty: Likely, knows: func(v *view) string { return v.starts("Server", "openresty") }},
	{product: "nginx", title: "nginx", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && nginxShape(v, "nginx"), "its own error page")
	}},
	{product: "nginx", title: "nginx", layer: Proxy, part: PartHeader, certainty: Likely, knows: func(v *view) string { return or(v.is("Server", "nginx"), v.starts("Server", "nginx/")) }},

	{product: "kong", title: "Kong", layer: Proxy, part: PartPage, certainty: Certain, own: true, via: "kong/", knows: kongPage},
	{product: "kong", title: "Kong", layer: Proxy, part: PartHeader, certainty: Likely, own: true, via: "kong/", knows: func(v *view) string {
		return page(v.has("X-Kong-Response-Latency") && !v.has("X-Kong-Upstream-Latency") && v.starts("Server", "kong/") != "", quote("X-Kong-Response-Latency", v.first("X-Kong-Response-Latency"))+" without an upstream's")
	}},
	{product: "kong", title: "Kong", layer: Proxy, part: PartHeader, certainty: Certain, via: "kong/", knows: func(v *view) string {
		return or(v.there("X-Kong-Upstream-Latency"), v.viaLine("kong/"), v.starts("Server", "kong/"), v.there("X-Kong-Request-Id"))
	}},

	{product: "haproxy", title: "HAProxy", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: haproxyPage},
	{product: "envoy", title: "Istio's Envoy", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(isIstio(v), envoyText(v))
	}},
	{product: "envoy", title: "Istio's Envoy", layer: Proxy, part: PartHeader, certainty: Likely, knows: func(v *view) string {
		return page(isIstio(v), or(v.is("Server", "istio-envoy"), v.there("X-Envoy-Decorator-Operation")))
	}},
	{product: "envoy", title: "Envoy", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: envoyText},
	{product: "envoy", title: "Envoy", layer: Proxy, part: PartHeader, certainty: Certain, own: true, knows: func(v *view) string {
		return or(v.is("X-Envoy-Overloaded", "true"), v.there("X-Envoy-Local-Overloaded"), v.there("X-Envoy-RateLimited"))
	}},
	{product: "envoy", title: "Envoy", layer: Proxy, part: PartHeader, certainty: Likely, knows: func(v *view) string {
		return or(v.there("X-Envoy-Upstream-Service-Time"), v.is("Server", "envoy"), v.is("Server", "istio-envoy"))
	}},

	{product: "traefik", title: "Traefik", layer: Proxy, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		return page(v.status == 503 && v.whole("no available server"), `"no available server" as the whole body`)
	}},
	{product: "traefik", title: "Traefik", layer: Proxy, part: PartPage, certainty: Hint, own: true, knows: traefikText},

	{product: "caddy", title: "Caddy", layer: Proxy, part: PartPage, certainty: Likely, own: true, via: "caddy", knows: func(v *view) string {
		return page(v.is("Server", "Caddy") != "" && v.body == "" && v.status >= 500 && v.viaPlace("caddy") == 0, `"Server: Caddy" and an empty body`)
	}},
	{product: "caddy", title: "Caddy", layer: Proxy, part: PartHeader, certainty: Likely, via: "caddy", knows: func(v *view) string { return or(v.viaLine("caddy"), v.is("Server", "Caddy")) }},

	{product: "apache", title: "Apache", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: apachePage},
	{product: "apache", title: "Apache", layer: Proxy, part: PartHeader, certainty: Likely, knows: func(v *view) string { return or(v.is("Server", "Apache"), v.starts("Server", "Apache/")) }},

	{product: "varnish", title: "Varnish", layer: Proxy, part: PartPage, certainty: Certain, own: true, via: "varnish", knows: func(v *view) string {
		return page(v.page && v.says("guru meditation:", "xid: ", "varnish cache server"), `"Guru Meditation" on the page`)
	}},
	{product: "varnish", title: "Varnish", layer: Proxy, part: PartHeader, certainty: Likely, own: true, via: "varnish", knows: func(v *view) string {
		return page(v.is("Server", "Varnish") != "" && v.status >= 400, `"Server: Varnish"`)
	}},
	{product: "varnish", title: "Varnish", layer: Proxy, part: PartHeader, certainty: Likely, via: "varnish", knows: func(v *view) string {
		if v.starts("X-Served-By", "cache-") != "" {
			return "" // Fastly's
		}
		return or(v.there("X-Varnish"), v.viaLine("(varnish/"), v.viaLine("varnish"))
	}},

	{product: "squid", title: "Squid", layer: Proxy, part: PartHeader, certainty: Certain, own: true, via: "(squid", knows: func(v *view) string { return v.starts("X-Squid-Error", "ERR_") }},
	{product: "squid", title: "Squid", layer: Proxy, part: PartPage, certainty: Certain, own: true, via: "(squid", knows: func(v *view) string {
		return page(v.page && v.titled("ERROR: ") && v.says("generated ", "(squid"), `"Generated … (squid)" on the page`)
	}},
	{product: "squid", title: "Squid", layer: Proxy, part: PartHeader, certainty: Likely, via: "(squid", knows: func(v *view) string { return or(v.viaLine("(squid"), v.starts("Server", "squid/")) }},

	{product: "iis", title: "IIS", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: iisPage},
	{product: "iis", title: "IIS", layer: Proxy, part: PartHeader, certainty: Likely, own: true, knows: func(v *view) string { return v.starts("Server", "Microsoft-HTTPAPI/") }},
	{product: "iis", title: "IIS", layer: Proxy, part: PartHeader, certainty: Likely, knows: func(v *view) string {
		return or(v.starts("Server", "Microsoft-IIS/"), v.starts("X-Powered-By", "ARR/"))
	}},
}

// nginxShape reports whether the body is nginx's page (ngx_http_special_response.c) with the name under the line, with or
// without a version: heading and title are the same "NNN Text", and nothing else stands there. An empty name is a page
// without that part.
func nginxShape(v *view, name string) bool {
	if len(v.body) > 1200 || !isStatusTitle(v) {
		return false
	}
	page := strings.ToLower(v.squeezed())
	title := strings.ToLower(v.title)
	head := "<html><head><title>" + title + "</title></head><body"
	if !strings.HasPrefix(page, head) {
		return false
	}
	center := "<center><h1>" + strings.TrimSpace(title) + "</h1></center>"
	_, rest, found := strings.Cut(page, center)
	if !found { // the pages for 495 to 497 have a longer title than heading
		_, rest, _ = strings.Cut(page, "<center><h1>"+strconv.Itoa(v.status)+" ")
		if _, rest, found = strings.Cut(rest, "</h1></center>"); !found {
			return false
		}
	}
	if name == "" {
		return strings.HasPrefix(rest, "</body></html>")
	}
	_, signature, found := strings.Cut(rest, "<hr><center>")
	signature, _, _ = strings.Cut(signature, "</center>")
	return found && (signature == name || strings.HasPrefix(signature, name+"/") && len(signature) < len(name)+24)
}

// isStatusTitle reports whether the title begins with the answer's own status.
func isStatusTitle(v *view) bool {
	return v.status >= 300 && strings.HasPrefix(v.title, strconv.Itoa(v.status)+" ")
}

// haproxyTexts are what stands under the heading of HAProxy's own answers (http.c, http_err_msgs).
var haproxyTexts = map[int]string{
	200: "Service ready.",
	400: "Your browser sent an invalid request.",
	401: "You need a valid user and password to access this content.",
	403: "Request forbidden by administrative rules.",
	404: "The resource could not be found.",
	405: "A request was made of a resource using a request method not supported by that resource",
	407: "You need a valid user and password to access this content.",
	408: "Your browser didn't send a complete request in time.",
	410: "The resource is no longer available and will not be available again.",
	413: "The request entity exceeds the maximum allowed.",
	421: "Request sent to a non-authoritative server.",
	422: "The server cannot process the contained instructions.",
	425: "Your browser sent early data.",
	429: "You have sent too many requests in a given amount of time.",
	500: "An internal server error occurred.",
	501: "The server does not support the functionality required to fulfill the request.",
	502: "The server returned an invalid or incomplete response.",
	503: "No server is available to handle this request.",
	504: "The server didn't respond in time.",
}

func haproxyPage(v *view) string {
	text, ok := haproxyTexts[v.status]
	if !ok || len(v.body) > 400 {
		return ""
	}
	return page(strings.HasPrefix(v.body, "<html><body><h1>"+strconv.Itoa(v.status)+" ") && strings.Contains(v.body, text), strconv.Quote(text)+" on its own page")
}

// isIstio: its proxies call themselves so, and name the service that they stand before.
func isIstio(v *view) bool {
	return v.is("Server", "istio-envoy") != "" || v.has("X-Envoy-Decorator-Operation")
}

// envoyText: local replies are plain text, and these are only Envoy's (router.cc, Http::Utility::sendLocalReply).
func envoyText(v *view) string {
	for _, text := range [...]string{
		"upstream connect error or disconnect/reset before headers", "no healthy upstream", "upstream request timeout", "envoy overloaded",
		"local_rate_limited", "upstream max stream duration reached", "RBAC: access denied",
	} {
		if v.whole(text) || len(v.body) < 600 && strings.HasPrefix(v.body, text+". ") || text[0] == 'u' && len(v.body) < 600 && strings.HasPrefix(v.body, text) {
			return strconv.Quote(text) + " as the body"
		}
	}
	if v.starts("Server", "envoy") == "" && v.starts("Server", "istio-envoy") == "" {
		return "" // others say the texts below as well
	}
	for _, text := range [...]string{"stream timeout", "maintenance mode"} {
		if v.whole(text) {
			return strconv.Quote(text) + " as the body, and its name in Server"
		}
	}
	return ""
}

// traefikFields are those that Traefik's own answers have: what Go adds by itself, and what HTTP/2 and HTTP/3 bring with them.
var traefikFields = []string{"Content-Length", "Content-Type", "Date", "Connection", "Alt-Svc", "X-Content-Type-Options", "Strict-Transport-Security"}

// traefikText: Traefik answers with the status text and nothing else, as plain text, and sets no field of its own. Applications
// that answer in the same words (Express's sendStatus) set others, and a Go program may do just the same.
func traefikText(v *view) string {
	for i := range v.fields {
		if !slices.ContainsFunc(traefikFields, func(name string) bool { return strings.EqualFold(name, v.fields[i].Name) }) {
			return ""
		}
	}
	if v.is("Content-Type", "text/plain; charset=utf-8") == "" {
		return "" // as Go writes it: Deno and Bun have no space in it, and others no charset
	}
	switch {
	case v.status == 502 && v.body == "Bad Gateway", v.status == 504 && v.body == "Gateway Timeout", v.status == 500 && v.body == "Internal Server Error":
		return strconv.Quote(v.body) + " as the whole body, and no field of anybody's"
	}
	return ""
}

// kongPage: Kong's errors are an object with a message, and since 3.0 a request_id (error_handlers.lua); as text, they need its
// name in Server.
func kongPage(v *view) string {
	for _, text := range [...]string{"An invalid response was received from the upstream server", "The upstream server is timing out", "The upstream server is currently unavailable", "no Route matched with those values", "failure to get a peer from the ring-balancer", "name resolution failed"} {
		object := strings.HasPrefix(strings.TrimSpace(v.body), "{") && (strings.Contains(v.body, `"message":"`+text+`"`) || strings.Contains(v.body, `"message": "`+text+`"`))
		if len(v.body) < 400 && (object || strings.Contains(v.body, text) && v.starts("Server", "kong/") != "") {
			return strconv.Quote(text)
		}
	}
	return ""
}

// apachePage: ap_send_error_response's page: a DOCTYPE, the title, the same as a heading, and for a proxy its reason.
func apachePage(v *view) string {
	if !v.page || len(v.body) > 2000 || !isStatusTitle(v) || !v.says(`<!doctype html public "-//`, "<html><head>\n<title>", "</title>\n</head><body>\n<h1>") {
		return ""
	}
	_, text, _ := strings.Cut(v.title, " ")
	if !v.says("<h1>"+strings.ToLower(text)+"</h1>") || !strings.HasPrefix(strings.TrimSpace(v.lower[strings.Index(v.lower, "</head><body>")+len("</head><body>"):]), "<h1>") {
		return ""
	}
	switch {
	case v.says("<address>apache"):
		return "its own error page, with its signature"
	case v.says("the proxy server received an invalid"), v.says("the proxy server could not handle the request"), v.says("the gateway did not receive a timely response"), v.says("the server is temporarily unable to service your\nrequest due to maintenance downtime or capacity\nproblems"),
		v.says("you don't have permission to access"), v.says("the requested url was not found on this server"), v.says("the server encountered an internal error or\nmisconfiguration"),
		v.says("your browser sent a request that this server could not understand."):
		return "its own error page"
	}
	return ""
}

func iisPage(v *view) string {
	switch {
	case !v.page:
		return ""
	case v.says("web server received an invalid response while acting as a gateway or proxy server"):
		return `"Web server received an invalid response while acting as a gateway or proxy server" on the page`
	case v.says("<h2>service unavailable</h2>", "http error 503. the service is unavailable."):
		return `"HTTP Error 503. The service is unavailable." on the page`
	case v.titled("IIS ", "Detailed Error"):
		return `"IIS Detailed Error" on the page`
	}
	return ""
}
