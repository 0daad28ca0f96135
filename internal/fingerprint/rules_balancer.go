package fingerprint

// The marks of the clouds' load balancers and gateways. Sources: AWS' "Troubleshoot your Application Load Balancers", whose own
// answers have Server: awselb/2.0 and pages that read like nginx's without its name; API Gateway's "gateway responses";
// Google's robot page and its balancers' "Error: Server Error"; Microsoft's "Troubleshoot bad gateway errors in Application
// Gateway", whose version 2 has nginx's page with its own name.

var balancerRules = []rule{
	{product: "alb", title: "AWS ALB", layer: Balancer, part: PartHeader, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.status < 400 || v.bare() || v.page && nginxShape(v, "") || v.starts("Content-Type", "text/plain") != "", v.starts("Server", "awselb/"))
	}},
	{product: "alb", title: "AWS ALB", layer: Balancer, part: PartHeader, certainty: Certain, knows: func(v *view) string { return v.starts("Server", "awselb/") }}, // a function behind it has it too
	{product: "alb", title: "AWS ALB", layer: Balancer, part: PartPage, certainty: Hint, own: true, knows: func(v *view) string {
		if v.has("Server") || !v.page {
			return ""
		}
		return page(nginxShape(v, ""), "nginx's page without a name under it, and no Server field")
	}},
	{product: "alb", title: "AWS ALB", layer: Balancer, part: PartHeader, certainty: Hint, knows: func(v *view) string { return v.contains("Set-Cookie", "awsalb=") }},

	{product: "api-gateway", title: "Amazon API Gateway", layer: Balancer, part: PartHeader, certainty: Likely, own: true, knows: func(v *view) string {
		if v.has("X-Amz-Apigw-Id") || v.has("Apigw-Requestid") {
			return v.there("X-Amzn-ErrorType")
		}
		return ""
	}},
	{product: "api-gateway", title: "Amazon API Gateway", layer: Balancer, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		if !v.has("X-Amz-Apigw-Id") && !v.has("Apigw-Requestid") && !v.has("X-Amzn-ErrorType") {
			return ""
		}
		for _, text := range [...]string{
			`{"message":"Service Unavailable"}`, `{"message":"Internal Server Error"}`, `{"message": "Internal server error"}`, `{"message": "Endpoint request timed out"}`,
			`{"message":"Not Found"}`, `{"message":"Forbidden"}`, `{"message":"Missing Authentication Token"}`, `{"message":"Network error communicating with endpoint"}`, `{"message": "Network error communicating with endpoint"}`,
		} {
			if v.whole(text) {
				return text + " as the whole body"
			}
		}
		return ""
	}},
	{product: "api-gateway", title: "Amazon API Gateway", layer: Balancer, part: PartHeader, certainty: Certain, knows: func(v *view) string { return or(v.there("X-Amz-Apigw-Id"), v.there("Apigw-Requestid")) }},

	{product: "lambda", title: "AWS Lambda", layer: Balancer, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		if v.status != 403 && v.status < 500 || !v.has("X-Amzn-RequestId") || v.has("X-Amz-Apigw-Id") || v.has("Apigw-Requestid") || v.has("Server") || len(v.body) > 400 {
			return ""
		}
		return or(page(v.bare() || v.whole(`{"Message":null}`) || v.whole(`{"Message":"Forbidden"}`), "its field X-Amzn-RequestId, and nothing in the body"),
			page(v.says(`{"message":"forbidden.`, "function url"), `"function URL" in its own object of an error`), page(v.says(`{"reason":"`), "its own object of an error"))
	}},

	{product: "gcp", title: "Google's load balancer", layer: Balancer, part: PartPage, certainty: Certain, own: true, via: "google", knows: func(v *view) string {
		return or(page(v.page && v.says("<h1>error: server error</h1>", "<h2>the server encountered a temporary error and could not complete your request.", "please try again in 30 seconds."), `"Error: Server Error … Please try again in 30 seconds." on the page`),
			page(v.page && v.titled("Error ", "!!1") && v.says("that’s an error."), `"That’s an error." on the page`))
	}},
	{product: "gcp", title: "Google's load balancer", layer: Balancer, part: PartHeader, certainty: Likely, via: "google", knows: func(v *view) string { return v.is("Via", "1.1 google", "2 google") }},

	{product: "azure-app-gateway", title: "Azure Application Gateway", layer: Balancer, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && nginxShape(v, "microsoft-azure-application-gateway/v2"), "nginx's page with Microsoft-Azure-Application-Gateway/v2 under it")
	}},
	{product: "azure-app-gateway", title: "Azure Application Gateway", layer: Balancer, part: PartHeader, certainty: Certain, own: true, knows: func(v *view) string {
		return v.starts("Server", "Microsoft-Azure-Application-Gateway/")
	}},
	{product: "azure-app-gateway", title: "Azure Application Gateway", layer: Balancer, part: PartHeader, certainty: Hint, knows: func(v *view) string {
		return v.contains("Set-Cookie", "applicationgatewayaffinity")
	}},
}
