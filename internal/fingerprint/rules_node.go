package fingerprint

import (
	"strconv"
	"strings"
)

// The marks of proxies that JavaScript programs have in themselves. Their answers were captured from the programs on loopback.

var nodeRules = []rule{
	{product: "http-proxy-middleware", title: "http-proxy-middleware", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && strings.HasPrefix(v.body, "Error occurred while trying to proxy"), `"Error occurred while trying to proxy" as the body`)
	}},
	{product: "fastify", title: "Fastify", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && strings.HasPrefix(v.body, "{") && (v.says(`"code":"fst_`) || v.says(`"statuscode":`, `"code":"`, `"error":"`, `"message":"`)), "statusCode, code, error and message in an object")
	}},
	{product: "nitro", title: "Nitro (Nuxt)", layer: Origin, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		if !v.failed() || !strings.HasPrefix(strings.TrimSpace(v.body), "{") {
			return ""
		}
		body := strings.Join(strings.Fields(v.lower), "")
		return page(strings.HasPrefix(body, `{"error":true,"url":"`) && (strings.Contains(body, `"statuscode":`) || strings.Contains(body, `"status":`)), "error, url and status in an object")
	}},
	{product: "cors-anywhere", title: "cors-anywhere", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && strings.HasPrefix(v.body, "Not found because of proxy error"), `"Not found because of proxy error" as the body`)
	}},
	{product: "create-react-app", title: "Create React App's proxy", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && strings.HasPrefix(v.body, "Proxy error: Could not proxy request"), `"Proxy error: Could not proxy request" as the body`)
	}},
	{product: "workerd", title: "workerd (wrangler)", layer: Origin, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		return page(v.status >= 500 && v.says("network connection lost."), `"Network connection lost." on the page`)
	}},
	{product: "express-http-proxy", title: "express-http-proxy", layer: Proxy, part: PartHeader, certainty: Certain, own: true, knows: func(v *view) string { return v.starts("X-Timeout-Reason", "express-http-proxy") }},
	{product: "verdaccio", title: "Verdaccio", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && v.contains("X-Powered-By", "verdaccio") != "" && v.says(`"error":`), "its own object of an error")
	}},
	{product: "verdaccio", title: "Verdaccio", layer: Proxy, part: PartHeader, certainty: Likely, knows: func(v *view) string { return v.contains("X-Powered-By", "verdaccio") }},
	{product: "vite", title: "Vite", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.status == 403 && strings.HasPrefix(v.body, "Blocked request. This host (") && v.says("allowedhosts"), `"Blocked request. This host (…) is not allowed." as the body`)
	}},
	{product: "webpack", title: "webpack's server for development", layer: Origin, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		return page(v.failed() && (v.whole("Invalid Host header") || v.whole("Invalid Host/Origin header")), strconv.Quote(strings.TrimSpace(v.body))+" as the whole body")
	}},
	{product: "vite", title: "Vite's proxy", layer: Proxy, part: PartPage, certainty: Hint, own: true, knows: func(v *view) string {
		return page((v.status == 500 || v.status == 502) && v.body == "" && v.is("Content-Type", "text/plain") != "" && v.has("Vary") && v.contains("Keep-Alive", "timeout=5") != "", "an empty answer in plain text with Node's Keep-Alive")
	}},
}
