package fingerprint

import (
	"strconv"
	"strings"
)

// The marks of API gateways and routers that have few pages, and of what they answer by themselves. Sources: OpenShift's
// error-page-503.http, Cloud Foundry's gorouter (X-Cf-RouterError), Gravitee's and KrakenD's documentation of response fields,
// Pingora's error_resp, YARP's forwarder, Spring's DefaultErrorAttributes of WebFlux, Envoy's router (a 404 without a body).

var gatewayRules = []rule{
	{product: "openshift", title: "OpenShift's router", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && v.says("<h1>application is not available</h1>", "the application is currently not serving requests at this endpoint"), `"Application is not available" on the page`)
	}},
	{product: "gorouter", title: "Cloud Foundry's router", layer: Proxy, part: PartHeader, certainty: Certain, own: true, knows: func(v *view) string { return v.there("X-Cf-RouterError") }},
	{product: "gorouter", title: "Cloud Foundry's router", layer: Proxy, part: PartHeader, certainty: Likely, knows: func(v *view) string { return v.there("X-Vcap-Request-Id") }},

	{product: "gravitee", title: "Gravitee", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return or(page(v.failed() && v.says("no context-path matches the request uri") && len(v.body) < 200, `"No context-path matches the request URI" as the body`),
			page(v.isGravitee() && v.says(`"http_status_code":`, strconv.Itoa(v.status)) && v.says(`"message":`), "message and http_status_code in an object, and its own fields"))
	}},
	{product: "gravitee", title: "Gravitee", layer: Proxy, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		return page(v.isGravitee() && v.status >= 500 && v.bare(), "the status in words as the whole body, and its own fields")
	}},
	{product: "gravitee", title: "Gravitee", layer: Proxy, part: PartHeader, certainty: Certain, knows: func(v *view) string {
		return or(v.there("X-Gravitee-Transaction-Id"), v.there("X-Gravitee-Request-Id"))
	}},

	{product: "krakend", title: "KrakenD", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.status >= 400 && v.has("X-Krakend") && v.is("X-Krakend-Completed", "false") != "" && v.bare(), "X-Krakend-Completed: false, and nothing in the body")
	}},
	{product: "krakend", title: "KrakenD", layer: Proxy, part: PartHeader, certainty: Certain, knows: func(v *view) string { return or(v.there("X-Krakend"), v.there("X-Krakend-Completed")) }},

	{product: "pingora", title: "Pingora", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.status >= 400 && v.starts("Server", "Pingora") != "" && v.bare(), "its name in Server, and nothing in the body")
	}},
	{product: "pingora", title: "Pingora", layer: Proxy, part: PartHeader, certainty: Likely, knows: func(v *view) string { return v.starts("Server", "Pingora") }},

	{product: "skipper", title: "Skipper", layer: Proxy, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		return page(v.status >= 400 && v.is("Server", "Skipper") != "" && v.bare() && v.is("X-Content-Type-Options", "nosniff") != "", "its name in Server, and the status in words as the whole body")
	}},
	{product: "skipper", title: "Skipper", layer: Proxy, part: PartHeader, certainty: Likely, knows: func(v *view) string { return v.is("Server", "Skipper") }},

	{product: "yarp", title: "YARP (or another program on Kestrel)", layer: Proxy, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		return page((v.status == 502 || v.status == 503 || v.status == 504) && v.body == "" && v.is("Server", "Kestrel") != "", `"Server: Kestrel" and an empty body`)
	}},

	{product: "spring-webflux", title: "Spring WebFlux", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && len(v.body) < 16<<10 && strings.HasPrefix(v.body, `{"timestamp":`) && v.says(`"path":"`, `"status":`+strconv.Itoa(v.status), `"error":"`, `"requestid":"`), "timestamp, path, status, error and requestId in an object")
	}},

	{product: "envoy", title: "Istio's Envoy", layer: Proxy, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string { return page(isIstio(v), envoyEmpty(v)) }},
	{product: "envoy", title: "Envoy", layer: Proxy, part: PartPage, certainty: Likely, own: true, knows: envoyEmpty},

	{product: "iis", title: "IIS (HTTP.sys)", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		if !v.page || len(v.body) > 1000 || v.starts("Server", "Microsoft-HTTPAPI/") == "" {
			return ""
		}
		return page(v.says("<body><h2>", "</h2>", "<hr><p>http error "+strconv.Itoa(v.status)+"."), "its own error page")
	}},
	{product: "iis", title: "IIS (ASP.NET Core's module)", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && v.says("<h2>http error "+strconv.Itoa(v.status)+".") && (v.says("asp.net core app failed to start") || v.says("ancm ") || v.says("process failure")), "its own error page")
	}},
}

// isGravitee: its fields, which it adds to what it passes on as well.
func (v *view) isGravitee() bool {
	return v.has("X-Gravitee-Transaction-Id") || v.has("X-Gravitee-Request-Id")
}

// envoyEmpty: a request that no route of Envoy's fits gets a 404 without a body, and without the time that an upstream took.
func envoyEmpty(v *view) string {
	if v.status != 404 || v.body != "" || v.has("X-Envoy-Upstream-Service-Time") || v.has("Content-Type") {
		return ""
	}
	return page(v.is("Server", "envoy", "istio-envoy") != "", "its name in Server, nothing in the body, and no time of an upstream's")
}

// bareMax bounds a body that holds a status in words and nothing else, in octets.
const bareMax = 48

// statusTexts are the words of the statuses that gateways answer with by themselves, in lower case.
var statusTexts = map[int]string{
	400: "bad request", 401: "unauthorized", 403: "forbidden", 404: "not found", 405: "method not allowed", 408: "request timeout", 413: "request entity too large", 429: "too many requests",
	500: "internal server error", 502: "bad gateway", 503: "service unavailable", 504: "gateway timeout",
}

// Bare reports whether an answer's body says nothing besides a status: it is empty, or a status of its class in words, or its number.
func Bare(a *Answer) bool { return look(a).bare() }

func (v *view) bare() bool {
	text := strings.TrimRight(strings.TrimSpace(v.lower), ".!")
	if len(text) > bareMax {
		return false
	}
	text = strings.TrimPrefix(text, "error ")
	text = strings.Trim(strings.TrimPrefix(text, strconv.Itoa(v.status)), " :-\n")
	if text == "" {
		return true
	}
	for status, words := range statusTexts {
		if text == words && status/100 == v.status/100 {
			return true
		}
	}
	return false
}
