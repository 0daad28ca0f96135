package fingerprint

import "strings"

// The marks of platforms, tunnels and filters that stand in front of everything, besides the great CDNs of rules_edge.go. Sources:
// Fly's and Railway's documentation of response headers, ngrok's list of error codes, Imperva's and Sucuri's block pages, bunny.net's
// headers, AWS WAF's x-amzn-waf-action, Google's and GitHub's pages.

var platformRules = []rule{
	{product: "fly", title: "Fly", layer: Edge, part: PartHeader, certainty: Certain, via: "fly.io", knows: func(v *view) string {
		return or(v.there("Fly-Request-Id"), v.starts("Server", "Fly/"), v.viaLine("fly.io"))
	}},
	{product: "fly", title: "Fly", layer: Edge, part: PartHeader, certainty: Likely, own: true, via: "fly.io", knows: func(v *view) string {
		return page(v.status >= 502 && v.status <= 504 && v.body == "" && v.starts("Server", "Fly/") != "", `"Server: Fly/…" and an empty body`)
	}},
	{product: "railway", title: "Railway", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && v.says(`"message":"application failed to respond"`, `"request_id":`), `"Application failed to respond" with a request_id`)
	}},
	{product: "railway", title: "Railway", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string {
		return or(v.there("X-Railway-Request-Id"), v.there("X-Railway-Edge"), v.is("Server", "railway-edge"))
	}},
	{product: "render", title: "Render", layer: Edge, part: PartHeader, certainty: Likely, own: true, knows: func(v *view) string {
		return or(v.contains("X-Render-Routing", "no-server"), v.contains("X-Render-Routing", "error"), v.contains("X-Render-Routing", "suspend"))
	}},
	{product: "render", title: "Render", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string { return or(v.there("X-Render-Origin-Server"), v.there("Rndr-Id")) }},
	{product: "ngrok", title: "ngrok", layer: Edge, part: PartHeader, certainty: Certain, own: true, knows: func(v *view) string { return v.starts("Ngrok-Error-Code", "ERR_NGROK_") }},
	{product: "imperva", title: "Imperva", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.says("incapsula incident id"), `"Incapsula incident ID" on the page`)
	}},
	{product: "imperva", title: "Imperva", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string {
		return or(v.there("X-Iinfo"), v.is("X-CDN", "Imperva", "Incapsula"), v.contains("Set-Cookie", "incap_ses_"))
	}},
	{product: "sucuri", title: "Sucuri", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && v.says("sucuri website firewall"), `"Sucuri Website Firewall" on the page`)
	}},
	{product: "sucuri", title: "Sucuri", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string { return or(v.there("X-Sucuri-ID"), v.starts("Server", "Sucuri/")) }},
	{product: "bunny", title: "bunny.net", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string { return v.starts("Server", "BunnyCDN") }},
	{product: "keycdn", title: "KeyCDN", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string { return or(v.starts("Server", "keycdn"), v.is("X-CDN", "KeyCDN")) }},
	{product: "ddos-guard", title: "DDoS-Guard", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string { return v.is("Server", "ddos-guard") }},
	{product: "github-pages", title: "GitHub Pages", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && v.says("there isn't a github pages site here."), `"There isn't a GitHub Pages site here." on the page`)
	}},
	{product: "github-pages", title: "GitHub Pages", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string { return v.is("Server", "GitHub.com") }},
	{product: "s3", title: "Amazon S3", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && v.is("Server", "AmazonS3") != "" && v.says("<error><code>"), "its own object of an error")
	}},
	{product: "s3", title: "Amazon S3", layer: Edge, part: PartHeader, certainty: Likely, knows: func(v *view) string { return v.is("Server", "AmazonS3") }},
	{product: "aws-waf", title: "AWS WAF", layer: Edge, part: PartHeader, certainty: Certain, own: true, knows: func(v *view) string { return v.there("X-Amzn-Waf-Action") }},
	{product: "datadome", title: "DataDome", layer: Edge, part: PartHeader, certainty: Likely, own: true, knows: func(v *view) string {
		return page((v.status == 403 || v.status == 405 || v.status == 429) && v.has("X-DataDome"), v.there("X-DataDome"))
	}},
	{product: "big-ip", title: "F5 BIG-IP", layer: Balancer, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.says("the requested url was rejected. please consult with your administrator.", "your support id is"), `"The requested URL was rejected … Your support ID is" on the page`)
	}},
	{product: "big-ip", title: "F5 BIG-IP", layer: Balancer, part: PartHeader, certainty: Likely, knows: func(v *view) string {
		return or(v.is("Server", "BigIP", "BIG-IP"), v.starts("Set-Cookie", "BIGipServer"))
	}},
	{product: "netscaler", title: "NetScaler", layer: Balancer, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && strings.HasPrefix(v.lower, "<html><body><b>http/1.1 service unavailable"), `"Http/1.1 Service Unavailable" on its own page`)
	}},
	{product: "netscaler", title: "NetScaler", layer: Balancer, part: PartHeader, certainty: Likely, knows: func(v *view) string { return or(v.viaLine("ns-cache"), v.starts("Set-Cookie", "NSC_")) }, via: "ns-cache"},
	{product: "gke-default-backend", title: "GKE's default backend", layer: Balancer, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && v.says("response 404 (backend notfound), service rules for the path non-existent"), `"response 404 (backend NotFound)" as the body`)
	}},
	{product: "cloud-run", title: "Google Cloud Run", layer: Balancer, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && (v.says("the request failed because either the http response was malformed or connection to the instance had an error") || v.says("the request was aborted because there was no available instance")), "its own words")
	}},
	{product: "cloud-run", title: "Google Cloud Run", layer: Balancer, part: PartHeader, certainty: Hint, knows: func(v *view) string { return v.is("Server", "Google Frontend") }},
}
