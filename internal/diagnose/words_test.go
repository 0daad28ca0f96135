package diagnose

import (
	"slices"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// reasoned is an answer with a reason phrase of its own.
func reasoned(x *Exchange, reason string) *Exchange {
	x.answer.Reason = reason
	return x
}

// Pages of products, as they make them.
const (
	apache503 = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\n<title>503 Service Unavailable</title>\n</head><body>\n<h1>Service Unavailable</h1>\n<p>The server is temporarily unable to service your\nrequest due to maintenance downtime or capacity\nproblems. Please try again later.</p>\n</body></html>\n"
	apache502 = "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>502 Proxy Error</title>\n</head><body>\n<h1>Proxy Error</h1>\n<p>The proxy server received an invalid\nresponse from an upstream server.<br />\r\nThe proxy server could not handle the request<p>Reason: <strong>Error reading from remote server</strong></p></p>\n</body></html>\n"
	varnish   = "<!DOCTYPE html>\n<html>\n  <head>\n    <title>503 Backend fetch failed</title>\n  </head>\n  <body>\n    <h1>Error 503 Backend fetch failed</h1>\n    <p>Backend fetch failed</p>\n    <h3>Guru Meditation:</h3>\n    <p>XID: 65570</p>\n    <hr>\n    <p>Varnish cache server</p>\n  </body>\n</html>\n"
	lighttpd  = "<!DOCTYPE html>\n<html lang=\"en\">\n <head>\n  <title>500 Internal Server Error</title>\n </head>\n <body>\n  <h1>500 Internal Server Error</h1>\n </body>\n</html>\n"
	ats       = "<HTML>\n<HEAD>\n<TITLE>Could Not Connect</TITLE>\n</HEAD>\n\n<BODY BGCOLOR=\"white\" FGCOLOR=\"black\">\n<H1>Could Not Connect</H1>\n<HR>\n\n<FONT FACE=\"Helvetica,Arial\"><B>\nDescription: Could not connect to the requested server host.\n</B></FONT>\n<HR>\n</BODY>\n"
	frps      = "<!DOCTYPE html>\n<html><head><title>Not Found</title></head>\n<body><h1>The page you requested was not found.</h1><p><em>Faithfully yours, frp.</em></p></body></html>\n"
	challenge = "<!DOCTYPE html><html lang=\"en-US\"><head><title>Just a moment...</title></head><body><noscript>Enable JavaScript and cookies to continue</noscript><script src=\"/cdn-cgi/challenge-platform/h/b/orchestrate\"></script></body></html>"
)

// wordCases are answers that say themselves what failed: the cause, and what the verdict must say.
var wordCases = map[string]struct {
	x     *Exchange
	cause fault.Cause
	says  []string // in the sentence
	never string   // nowhere
}{
	"Apache's stock 503":            {answer(503, apache503, "Server: Apache/2.4.71 (Debian)"), fault.CauseUnknown, []string{"Apache at " + gate, "worker"}, "being maintained"},
	"an application's maintenance":  {answer(503, "<h1>Down for maintenance</h1>", "Retry-After: 600"), fault.CauseMaintenance, []string{gate}, ""},
	"Apache's 502":                  {answer(502, apache502, "Server: Apache"), fault.CauseClosedBeforeAnswer, []string{"Apache at", "got no answer from its upstream"}, ""},
	"Varnish":                       {reasoned(answer(503, varnish, "Server: Varnish", "Retry-After: 5", "X-Varnish: 65569", "Age: 0", "Via: 1.1 varnish (Varnish/7.1)"), "Backend fetch failed"), fault.CauseUnknown, []string{"Varnish at", "no answer from its backend"}, "overload"},
	"Varnish behind Cloudflare":     {answer(503, varnish, "Server: cloudflare", "CF-RAY: 8f-FRA", "X-Varnish: 65569"), fault.CauseUnknown, []string{"Varnish behind Cloudflare"}, ""},
	"lighttpd's 500 is no error":    {answer(500, lighttpd, "Server: lighttpd/1.4.76"), fault.CauseClosedBeforeAnswer, []string{"lighttpd at", "stands for the 502"}, ""},
	"an application's 500 in it":    {answer(500, "{\"error\":\"oops\"}", "Server: lighttpd/1.4.76"), fault.CauseApplicationError, nil, ""},
	"Squid's errno":                 {answer(502, "", "Server: squid/5.7", "X-Squid-Error: ERR_READ_ERROR 104"), fault.CauseResetBeforeAnswer, []string{"Squid at"}, ""},
	"Squid has nobody":              {answer(503, "", "Server: squid/5.7", "X-Squid-Error: ERR_CANNOT_FORWARD 0"), fault.CauseNobodyAvailable, []string{"Squid at"}, ""},
	"Squid timed out":               {answer(504, "", "X-Squid-Error: ERR_CONNECT_FAIL 110"), fault.CauseConnectTimeout, []string{"Squid at"}, ""},
	"h2o":                           {reasoned(answer(502, "I/O timeout", "Server: h2o/2.2.5", "Content-Type: text/plain; charset=utf-8"), "Gateway Error"), fault.CauseHeadTimeout, []string{"h2o at"}, ""},
	"Traffic Server":                {reasoned(answer(502, ats, "Server: ATS/9.2.9"), "Connection refused"), fault.CauseConnectionRefused, []string{"Traffic Server at", "could not connect"}, ""},
	"frps":                          {answer(404, frps), fault.CauseNoRoute, []string{"frp at"}, ""},
	"Envoy's errno":                 {answer(503, "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: delayed connect error: 111", "server: envoy"), fault.CauseConnectionRefused, []string{"Envoy at", "connection refused"}, ""},
	"Istio":                         {answer(503, "upstream connect error or disconnect/reset before headers. reset reason: connection termination", "server: istio-envoy"), fault.CauseClosedBeforeAnswer, []string{"Istio"}, ""},
	"Envoy behind Cloudflare":       {answer(503, "no healthy upstream", "Server: cloudflare", "CF-RAY: 8f-FRA"), fault.CauseNobodyAvailable, []string{"Envoy behind Cloudflare"}, ""},
	"nginx behind Cloudflare":       {answer(502, nginxPage("502 Bad Gateway"), "Server: cloudflare", "CF-RAY: 8f-FRA"), fault.CauseUnknown, []string{"nginx behind Cloudflare", "502"}, ""},
	"nginx behind CloudFront":       {answer(504, nginxPage("504 Gateway Time-out"), "X-Cache: Error from cloudfront", "X-Amz-Cf-Id: a=="), fault.CauseHeadTimeout, []string{"nginx behind CloudFront"}, ""},
	"Cloudflare's 520":              {answer(520, "error code: 520", "Server: cloudflare", "CF-RAY: 8f"), fault.CauseUnknown, []string{"Cloudflare at", "520"}, ""},
	"Cloudflare's tunnel":           {answer(530, "error code: 1033", "Server: cloudflare", "CF-RAY: 8f"), fault.CauseNobodyAvailable, []string{"Cloudflare at"}, ""},
	"Cloudflare's origin name":      {answer(530, "error code: 1016", "Server: cloudflare", "CF-RAY: 8f"), fault.CauseDNSError, []string{"Cloudflare at"}, ""},
	"ALB without a target":          {answer(503, "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n", "Server: awselb/2.0"), fault.CauseNoEndpoints, []string{"AWS ALB at", "target"}, ""},
	"Vercel's function":             {answer(504, "An error occurred with your deployment\n\nFUNCTION_INVOCATION_TIMEOUT\n", "Server: Vercel", "X-Vercel-Error: FUNCTION_INVOCATION_TIMEOUT"), fault.CauseWorkerTimeout, []string{"Vercel at"}, ""},
	"Fly":                           {answer(502, "", "Server: Fly/abc (2026-11-01)", "Fly-Request-Id: 01J"), fault.CauseUnknown, []string{"Fly at"}, ""},
	"Linkerd":                       {answer(502, "", "L5d-Proxy-Error: endpoint 10.0.0.7:8080: Connection refused (os error 111)"), fault.CauseConnectionRefused, []string{"Linkerd at", "10.0.0.7:8080"}, ""},
	"ngrok":                         {answer(502, "<html>", "Ngrok-Error-Code: ERR_NGROK_8012"), fault.CauseConnectionRefused, []string{"ngrok at"}, ""},
	"Railway":                       {answer(502, `{"status":"error","code":502,"message":"Application failed to respond","request_id":"x"}`), fault.CauseUnknown, []string{"Railway at"}, ""},
	"Express passes a 502 on":       {answer(502, "<html><h1>502 Bad Gateway</h1></html>", "X-Powered-By: Express"), fault.CauseUpstreamStatus, nil, "Express made"},
	"http-proxy-middleware":         {answer(500, "Error occurred while trying to proxy: shop.test/x", "X-Powered-By: Express"), fault.CauseUnknown, []string{"http-proxy-middleware at"}, "application failed"},
	"its 504 is not of time":        {answer(504, "Error occurred while trying to proxy: shop.test/x", "X-Powered-By: Express"), fault.CauseUnknown, []string{"http-proxy-middleware at"}, "took too long"},
	"Node's errno in a page":        {answer(500, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n<body>\n<pre>Error: connect ECONNREFUSED 10.0.0.7:3000<br> &nbsp; &nbsp;at x</pre>\n</body>\n</html>\n", "X-Powered-By: Express"), fault.CauseConnectionRefused, []string{"Express at", "10.0.0.7:3000"}, ""},
	"Node's errno of a database":    {answer(500, "Error: connect ECONNREFUSED 10.0.0.7:6379"), fault.CauseApplicationError, []string{"Redis"}, ""},
	"a 404 of a proxy error":        {answer(404, "Not found because of proxy error: Error: connect ECONNREFUSED 10.0.0.7:3000"), fault.CauseConnectionRefused, []string{"cors-anywhere at"}, ""},
	"a 404 that tells of errors":    {answer(404, "<html>No article on ECONNREFUSED was found</html>"), fault.CauseNone, nil, ""},
	"a Deno program":                {answer(500, "Internal Server Error", "content-type: text/plain;charset=UTF-8", "date: x"), fault.CauseApplicationError, nil, "Traefik"},
	"a program with no type":        {answer(502, "Bad Gateway", "date: x"), fault.CauseUpstreamStatus, nil, "Traefik"},
	"a cached error":                {answer(503, "oops", "Age: 312", "X-Cache: HIT from edge1"), fault.CauseCachedError, []string{"from its cache", "5m12s"}, ""},
	"a cached error of CloudFront":  {answer(502, "oops", "Age: 7", "X-Cache: Error from cloudfront", "X-Amz-Cf-Id: a=="), fault.CauseCachedError, []string{"CloudFront at"}, ""},
	"a cached error by its numbers": {answer(503, "oops", "X-Varnish: 32770 32768", "Age: 0"), fault.CauseCachedError, []string{"Varnish at"}, ""},
	"no cached error either":        {answer(503, "oops", "Server-Timing: white;dur=3, db-hits;dur=1"), fault.CauseUpstreamStatus, nil, "cache"},
	"a CDN's timing of a hit":       {answer(503, "oops", "Server-Timing: cdn-cache; desc=HIT"), fault.CauseCachedError, []string{"from its cache"}, ""},
	"Squid's hit":                   {answer(503, "oops", "X-Cache: TCP_HIT from edge1"), fault.CauseCachedError, nil, ""},
	"no cached error":               {answer(503, "oops", "Age: 0", "X-Cache: MISS from edge1", "X-Cache-Lookup: HIT from edge1:3128"), fault.CauseUpstreamStatus, nil, "cache"},
	"451":                           {answer(451, "no", "Link: <https://law.test/>; rel=\"blocked-by\""), fault.CauseRequestDenied, []string{"legal"}, ""},
	"407":                           {answer(407, "", "Proxy-Authenticate: Basic realm=\"corp\"", "Server: squid/5.7", "Via: 1.1 p (squid/5.7)"), fault.CauseRequestDenied, []string{"proxy"}, ""},
	"511":                           {answer(511, "login"), fault.CauseRequestDenied, []string{"captive portal"}, "application"},
	"Cloudflare's 1020":             {answer(403, "<html><title>Access denied | shop.test used Cloudflare to restrict access</title><p>Error 1020</p></html>", "Server: cloudflare", "CF-RAY: 8f"), fault.CauseContentFilter, []string{"Cloudflare", "1020"}, ""},
	"Cloudflare's 1015":             {answer(429, "error code: 1015", "Server: cloudflare", "CF-RAY: 8f"), fault.CauseRateLimited, []string{"Cloudflare"}, ""},
	"a challenge":                   {answer(403, challenge, "Server: cloudflare", "CF-RAY: 8f", "cf-mitigated: challenge"), fault.CauseContentFilter, []string{"Cloudflare at", "challenge"}, ""},
	"a challenge with 503":          {answer(503, challenge, "Server: cloudflare", "CF-RAY: 8f"), fault.CauseContentFilter, []string{"challenge"}, "maintenance"},
	"a challenge of AWS":            {answer(405, "<html></html>", "x-amzn-waf-action: captcha", "Server: awselb/2.0"), fault.CauseContentFilter, []string{"AWS WAF"}, ""},
	"429 of a CDN":                  {answer(429, "slow down", "Server: cloudflare", "CF-RAY: 8f", "Retry-After: 7"), fault.CauseRateLimited, []string{"Cloudflare or who stands behind it"}, ""},
	"Proxy-Status with a next hop":  {answer(502, "", `Proxy-Status: gw; error=connection_refused; next-hop="10.0.0.7:80"`), fault.CauseConnectionRefused, []string{"10.0.0.7:80"}, ""},
	"lighttpd's 502":                {answer(502, strings.ReplaceAll(lighttpd, "500 Internal Server Error", "502 Bad Gateway"), "Server: lighttpd/1.4.76"), fault.CauseNotHTTP, []string{"lighttpd at"}, ""},
	"tinyproxy's 503":               {answer(503, "<html><head><title>503 Could not retrieve all the headers</title></head><body><h1>Could not retrieve all the headers</h1><p><em>Generated by <a href=\"https://tinyproxy.github.io/\">tinyproxy</a> version 1.11.1.</em></p></body></html>"), fault.CauseNotHTTP, []string{"tinyproxy at"}, ""},
	"tinyproxy's 500":               {answer(500, "<html><head><title>500 Unable to connect</title></head><body><h1>Unable to connect</h1><p><em>Generated by <a href=\"https://tinyproxy.github.io/\">tinyproxy</a> version 1.11.1.</em></p></body></html>"), fault.CauseConnectionRefused, []string{"tinyproxy at"}, ""},
	"Privoxy hears nothing":         {reasoned(answer(502, "<html><title>502 - No data received (Privoxy@x)</title></html>"), "No data received from server or forwarder"), fault.CauseClosedBeforeAnswer, []string{"Privoxy at"}, ""},
	"Privoxy is refused":            {reasoned(answer(503, "<html><title>503 - Connect failed (Privoxy@x)</title></html>"), "Connect failed"), fault.CauseConnectionRefused, []string{"Privoxy at"}, ""},
	"express-http-proxy's 504":      {answer(504, "", "X-Powered-By: Express", "X-Timeout-Reason: express-http-proxy reset the request."), fault.CauseClosedBeforeAnswer, []string{"express-http-proxy at"}, ""},
	"Fastify without a word":        {answer(500, `{"statusCode":500,"code":"FST_REPLY_FROM_INTERNAL_SERVER_ERROR","error":"Internal Server Error","message":""}`), fault.CauseUnknown, []string{"Fastify at"}, "application failed"},
	"Fastify's reset":               {answer(500, `{"statusCode":500,"code":"ECONNRESET","error":"Internal Server Error","message":"Connection Reset"}`), fault.CauseResetBeforeAnswer, []string{"Fastify at"}, ""},
	"Fastify's garbage":             {answer(500, `{"statusCode":500,"error":"Internal Server Error","message":"Response does not match the HTTP/1.1 protocol (Expected HTTP/, RTSP/ or ICE/)"}`), fault.CauseNotHTTP, nil, ""},
	"Verdaccio's uplink":            {answer(503, `{"error": "resource unavailable"}`, "X-Powered-By: verdaccio/6.10.4"), fault.CauseUnknown, []string{"Verdaccio at"}, ""},
	"Create React App's proxy":      {answer(500, "Proxy error: Could not proxy request /x from shop.test to http://10.0.0.7:3000.\nSee https://nodejs.org/api/errors.html#errors_common_system_errors for more information (ECONNREFUSED)."), fault.CauseConnectionRefused, []string{"Create React App"}, ""},
	"CloudFront's firewall":         {answer(403, "<HTML><TITLE>ERROR: The request could not be satisfied</TITLE><H1>403 ERROR</H1>Request blocked.\nGenerated by cloudfront (CloudFront)</HTML>", "Server: CloudFront"), fault.CauseContentFilter, []string{"CloudFront at", "firewall"}, ""},
	"Akamai's refusal":              {answer(403, "<HTML><H1>Access Denied</H1>Reference&#32;&#35;18&#46;5d8c</HTML>", "Server: AkamaiGHost"), fault.CauseContentFilter, []string{"Akamai at"}, ""},
	"a bucket that is gone":         {answer(404, "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code></Error>", "Server: AmazonS3"), fault.CauseWrongHost, []string{"Amazon S3 at"}, ""},
	"a pool that is stopped":        {answer(503, "<HTML><BODY><h2>Service Unavailable</h2>\r\n<hr><p>HTTP Error 503. The service is unavailable.</p></BODY></HTML>", "Server: Microsoft-HTTPAPI/2.0"), fault.CauseServiceStopped, []string{"IIS at"}, ""},
	"a 504 at once":                 {nginx(504, "504 Gateway Time-out"), fault.CauseHeadTimeout, []string{"nginx at", "did not wait"}, ""},
	"the default backend":           {answer(404, "default backend - 404"), fault.CauseNoRoute, []string{"ingress-nginx"}, ""},
	"Whygate's TLS port":            {answer(400, "This port speaks TLS: ask it by https://.\n"), fault.CausePlainToTLSPort, []string{gate, "speaks TLS"}, ""},
	"nginx's TLS port":              {answer(400, "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n<center>The plain HTTP request was sent to HTTPS port</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n", "Server: nginx"), fault.CausePlainToTLSPort, nil, ""},
	"Apache's TLS port":             {answer(400, "<title>400 Bad Request</title><p>Your browser sent a request that this server could not understand.<br />\nReason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n Instead use the HTTPS scheme to access this URL, please.</p>", "Server: Apache"), fault.CausePlainToTLSPort, nil, ""},
	"Go's TLS port":                 {answer(400, "Client sent an HTTP request to an HTTPS server.\n"), fault.CausePlainToTLSPort, nil, ""},
	"Tomcat's TLS port":             {answer(400, "Bad Request\r\nThis combination of host and port requires TLS.\r\n"), fault.CausePlainToTLSPort, nil, ""},
	"another's TLS port":            {answer(400, "Bad request: this port requires HTTPS"), fault.CausePlainToTLSPort, nil, ""},
	"a TLS port in two lines":       {answer(400, "<h1>Bad Request</h1><p>Plain HTTP requests are not allowed on\n <b>TLS</b> listeners.</p>"), fault.CausePlainToTLSPort, nil, ""},
	"a 400 about a URL's scheme":    {answer(400, `{"error":"the field callback must begin with https://"}`), fault.CauseNone, nil, "speaks TLS"},
	"a 400 of an API":               {answer(400, `{"error":"parameter q is missing"}`), fault.CauseNone, nil, "speaks TLS"},
	"a page about TLS ports":        {answer(200, "<html><title>Troubleshooting</title><body><p>The plain HTTP request was sent to HTTPS port: what it means</p></body></html>"), fault.CauseNone, nil, ""},
	"Fastly knows no such domain":   {reasoned(answer(500, "<html><title>Fastly error: unknown domain shop.test</title><p>Fastly error: unknown domain: shop.test</p></html>"), "Domain Not Found"), fault.CauseWrongHost, []string{"Fastly at"}, ""},
}

// TestAnswersWords judges them.
func TestAnswersWords(t *testing.T) {
	t.Parallel()
	for name, c := range wordCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := Judge(report(walkTo(gate, c.x)))
			if v.Cause != c.cause {
				t.Fatalf("%v, want %v\n%s\n%q", v.Cause, c.cause, v.Sentence, v.Proof)
			}
			for _, says := range c.says {
				if !strings.Contains(v.Sentence, says) {
					t.Errorf("the sentence lacks %q: %s", says, v.Sentence)
				}
			}
			all := strings.Join(slices.Concat([]string{v.Sentence, v.Product}, v.Proof, v.Advice), "\n")
			if c.never != "" && strings.Contains(all, c.never) {
				t.Errorf("%q is said:\n%s", c.never, all)
			}
		})
	}
}

// TestStocks holds that each of the products' own answers has causes, and a product that fingerprint can name.
func TestStocks(t *testing.T) {
	t.Parallel()
	for _, s := range stocks {
		if s.product == "" || len(s.causes) == 0 || s.says != strings.ToLower(s.says) || !isGateway(s.product) && s.product != "uwsgi" && s.product != "php" && s.product != "workerd" && s.product != "fastify" && !slices.ContainsFunc(programStocks, func(p stock) bool { return p.product == s.product }) && s.product != "spring-webflux" {
			t.Errorf("%+v", s)
		}
	}
}

// TestPlainText drops what nobody reads, whatever is open in the end.
func TestPlainText(t *testing.T) {
	t.Parallel()
	for page, want := range map[string]string{
		"plain\n words": "plain words",
		"<html><head><title>A &amp; B</title><style>p{}</style></head><body><p>one<script>x</script><b>two": "A & B one two",
		"<p>cut <b":          "cut",
		"<!-- no -->yes<br>": "yes",
	} {
		if got := plainText([]byte(page)); got != want {
			t.Errorf("%q: %q, want %q", page, got, want)
		}
	}
}
