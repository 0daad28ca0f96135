package fingerprint

import (
	"strconv"
	"strings"
)

// The marks of hosted API gateways, of hosting platforms, and of filters on the client's or the site's side. Sources: the error
// references of Apigee, IBM API Connect, WSO2 API Manager, Azure API Management and Google's Endpoints; Kubernetes' Status object; the
// pages that Pantheon, Surge, Shopify, Zscaler, FortiGate, ProxySG, ModSecurity and Wordfence show.

var apiRules = []rule{
	{product: "apigee", title: "Apigee", layer: Balancer, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.object() && v.says(`"faultstring":`) && v.says(`"errorcode":`), "faultstring and errorcode in an object")
	}},
	{product: "ibm-api-connect", title: "IBM API Connect", layer: Balancer, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.object() && v.says(`"httpcode":`) && v.says(`"httpmessage":`) && v.says(`"moreinformation":`), "httpCode, httpMessage and moreInformation in an object")
	}},
	{product: "wso2", title: "WSO2 API Manager", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page((v.object() || v.page) && v.says("code", "description") && (strings.Contains(v.packed(), `"type":"statusreport"`) || v.says("<am:fault", "status report")), "a status report with code and description")
	}},
	{product: "azure-api-management", title: "Azure API Management", layer: Balancer, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.object() && strings.HasPrefix(v.body, `{ "statusCode": `+strconv.Itoa(v.status)+`, "message": "`), "statusCode and message in an object, spaced as it writes them")
	}},
	{product: "google-endpoints", title: "Google's API Gateway (ESPv2)", layer: Balancer, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.object() && (v.says("is not defined by this api") || v.says("method doesn't allow unregistered callers")), "its own words in an object")
	}},
	{product: "kubernetes", title: "Kubernetes' API server", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.object() && strings.Contains(v.packed(), `"kind":"status","apiversion":"v1"`), "a Status object")
	}},
	{product: "weblogic-plugin", title: "WebLogic's plug-in", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && strings.EqualFold(v.title, "Weblogic Bridge Message"), `"Weblogic Bridge Message" on the page`)
	}},
	{product: "localtunnel", title: "localtunnel", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && v.says("503 - tunnel unavailable"), `"Tunnel Unavailable" on the page`)
	}},

	{product: "gcs", title: "Google Cloud Storage", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && v.is("Server", "UploadServer") != "" && v.says("<error><code>"), "its own object of an error")
	}},
	{product: "shopify", title: "Shopify", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && v.shopify() && (v.says("this shop is currently unavailable") || v.says("this store is unavailable")), "its own page")
	}},
	{product: "shopify", title: "Shopify", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string { return or(v.is("Powered-By", "Shopify"), v.there("X-ShopId")) }},
	{product: "digitalocean", title: "DigitalOcean App Platform", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && v.has("X-Do-App-Origin") && (v.says("app platform failed to forward") || v.titled("DigitalOcean App Platform")), "its own error page")
	}},
	{product: "digitalocean", title: "DigitalOcean App Platform", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string { return v.there("X-Do-App-Origin") }},
	{product: "koyeb", title: "Koyeb", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && v.says("no active service") && (v.has("X-Koyeb-Glb") || v.says("koyeb")), `"No active service" on its own page`)
	}},
	{product: "koyeb", title: "Koyeb", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string { return v.there("X-Koyeb-Glb") }},
	{product: "hostinger", title: "Hostinger's CDN", layer: Edge, part: PartHeader, certainty: Certain, knows: func(v *view) string { return or(v.is("Server", "hcdn"), v.there("X-Hcdn-Request-Id")) }},
	{product: "pantheon", title: "Pantheon", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && v.says("do not know of the site which you seek"), `"Unknown Site" on its own page`)
	}},
	{product: "surge", title: "surge.sh", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && v.starts("Server", "SurgeCDN") != "" && v.says("project not found"), `"project not found" on its own page`)
	}},

	{product: "zscaler", title: "Zscaler", layer: Edge, part: PartHeader, certainty: Certain, own: true, knows: func(v *view) string { return v.starts("Server", "Zscaler") }},
	{product: "fortigate", title: "Fortinet's filter", layer: Edge, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && (v.says("fortiguard") || v.says("fortigate")) && v.says("blocked"), "its name on its page of a refusal")
	}},
	{product: "proxysg", title: "Blue Coat ProxySG", layer: Edge, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		return page(v.page && len(v.body) < 4000 && v.title == "Network Error" && v.says("network error ("), `"Network Error (…)" on its own page`)
	}},
	{product: "modsecurity", title: "ModSecurity", layer: Proxy, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.status >= 400 && len(v.body) < 2000 && (v.says("generated by mod_security") || v.says("generated by modsecurity")), `"generated by Mod_Security" on the page`)
	}},
	{product: "wordfence", title: "Wordfence", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && v.says("generated by wordfence"), `"Generated by Wordfence" on the page`)
	}},
}

// object reports whether the body is one of a program's objects, no larger than a report of an error, with a status of failure.
func (v *view) object() bool {
	return v.status >= 400 && strings.HasPrefix(v.body, "{") && len(v.body) < 4000
}

// packed is the body in lower case without white space, where it is no larger than a report of an error; empty where it is.
func (v *view) packed() string {
	if len(v.lower) > 4000 {
		return ""
	}
	return strings.Join(strings.Fields(v.lower), "")
}

func (v *view) shopify() bool { return v.is("Powered-By", "Shopify") != "" || v.has("X-ShopId") }

// nginxSignature gives the name under a page of nginx's shape that is none of those that have rules of their own: a build of nginx that its
// maker named, as those of clouds' balancers are.
func nginxSignature(v *view) string {
	if !v.page || len(v.body) > 1200 {
		return ""
	}
	_, rest, found := strings.Cut(strings.ToLower(v.squeezed()), "<hr><center>")
	name, _, closed := strings.Cut(rest, "</center>")
	base, _, _ := strings.Cut(name, "/")
	if !found || !closed || len(name) < 2 || len(name) > 40 || strings.ContainsAny(name, "<>& ,") || !nginxShape(v, base) {
		return ""
	}
	for _, known := range [...]string{"nginx", "openresty", "tengine", "angie", "freenginx", "cloudflare", "microsoft-azure-application-gateway"} {
		if base == known {
			return ""
		}
	}
	return name
}
