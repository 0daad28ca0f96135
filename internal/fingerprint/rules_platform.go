package fingerprint

import "strings"

// The marks of platforms, tunnels and filters that stand in front of everything, besides the great CDNs of rules_edge.go. Sources:
// Fly's and Railway's documentation of response headers, ngrok's list of error codes, Imperva's and Sucuri's block pages, bunny.net's
// headers, AWS WAF's x-amzn-waf-action, Google's and GitHub's pages.

// googleFrontend stands before Cloud Run, App Engine and Cloud Functions, and its own pages do not say which of them it is.
const googleFrontend = "Google Frontend (Cloud Run, App Engine)"

var platformRules = []rule{
	{product: "fly", title: "Fly", layer: Edge, part: PartHeader, certainty: Certain, via: "fly.io", knows: func(v *view) string {
		return or(v.there("Fly-Request-Id"), v.starts("Server", "Fly/"), v.viaLine("fly.io"))
	}},
	{product: "fly", title: "Fly", layer: Edge, part: PartHeader, certainty: Likely, own: true, via: "fly.io", knows: func(v *view) string {
		return page(v.status >= 502 && v.status <= 504 && v.body == "" && v.starts("Server", "Fly/") != "", `"Server: Fly/…" and an empty body`)
	}},
	{product: "railway", title: "Railway", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return or(page(v.failed() && v.says(`"message":"application failed to respond"`, `"request_id":`), `"Application failed to respond" with a request_id`),
			page(v.failed() && v.says(`"message":"application not found"`, `"request_id":`), `"Application not found" with a request_id`))
	}},
	{product: "railway", title: "Railway", layer: Edge, part: PartHeader, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed(), v.is("X-Railway-Fallback", "true"))
	}},
	{product: "railway", title: "Railway", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string {
		return or(v.there("X-Railway-Request-Id"), v.there("X-Railway-Edge"), v.is("Server", "railway-edge"))
	}},
	{product: "render", title: "Render", layer: Edge, part: PartHeader, certainty: Likely, own: true, knows: func(v *view) string {
		return or(v.contains("X-Render-Routing", "no-server"), v.contains("X-Render-Routing", "error"), v.contains("X-Render-Routing", "suspend"), v.contains("X-Render-Routing", "fail"))
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
	{product: "bunny", title: "bunny.net", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && v.says("domain suspended or not configured"), `"Domain suspended or not configured" on the page`)
	}},
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
	{product: "big-ip", title: "F5 BIG-IP", layer: Balancer, part: PartHeader, certainty: Likely, own: true, knows: func(v *view) string { return v.is("Server", "BigIP", "BIG-IP") }},
	{product: "big-ip", title: "F5 BIG-IP", layer: Balancer, part: PartHeader, certainty: Likely, knows: func(v *view) string {
		return or(v.starts("Set-Cookie", "BIGipServer"), v.contains("Set-Cookie", "bigipserver"))
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
	{product: "cloud-run", title: googleFrontend, layer: Balancer, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && len(v.body) < 2000 && v.is("Server", "Google Frontend") != "" && v.says("<body text=#000000 bgcolor=#ffffff>", "<h1>error: ", "<h2>"), `"Error: …" on its own page`)
	}},
	{product: "cloud-run", title: googleFrontend, layer: Balancer, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		return page(v.status >= 429 && v.is("Server", "Google Frontend") != "" && (v.bare() || v.whole("Rate exceeded.")), "the status in words as the whole body, and its name in Server")
	}},
	{product: "cloud-run", title: googleFrontend, layer: Balancer, part: PartHeader, certainty: Hint, knows: func(v *view) string { return v.is("Server", "Google Frontend") }},

	{product: "deno-deploy", title: "Deno Deploy", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && len(v.body) < 400 && v.starts("Server", "deno/") != "" && v.says("deployment", "_not_found"), "its own words, and its name in Server")
	}},
	{product: "deno-deploy", title: "Deno Deploy", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string { return v.starts("Server", "deno/") }},
}
