package diagnose

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
)

// judgeAnswer: the main request was answered in order, and the answer tells of a fault.
func judgeAnswer(w *Walk) *finding {
	x := w.main()
	if !x.answered() {
		return nil
	}
	if loop := w.HTTP.Loop; loop != "" {
		return &finding{
			cause: fault.CauseRedirectLoop, answer: x, evidence: x.Evidence, sentence: "the answer redirects in a circle: " + w.Target.URL + " leads back to " + loop,
			proof: []string{fmt.Sprintf("%d with Location: %s", x.Status, redactURL(x.field("Location"))), fmt.Sprintf("%s followed, then a URL that had been asked", plural(len(w.HTTP.Follow), "redirect"))},
		}
	}
	for _, next := range w.HTTP.Follow {
		if next.broken() {
			f := ofExchange(next)
			f.sentence = fmt.Sprintf("%s leads to %s, and there: %s", w.Target.URL, strings.TrimPrefix(next.Label, "redirected to "), fault.Fault{Cause: next.Cause}.Sentence(next.Evidence))
			return f
		}
	}
	return ofAnswer(w, x)
}

// ofAnswer is the finding that an answer's status and content make, nil if they tell of no fault.
func ofAnswer(w *Walk, x *Exchange) *finding {
	var f *finding
	switch {
	case saysTLSPort(x):
		f = &finding{cause: fault.CausePlainToTLSPort, kind: fault.TypeHTTPProtocolError, sentence: "plain HTTP was sent to a port that speaks TLS"}
		f.proof = append(f.proof, fmt.Sprintf("the answer is %d, and says so: %s", x.Status, bodyLine(x)))
	case x.Status == 400 && bodyHas(x, "no required ssl certificate was sent", "ssl certificate error"):
		f = &finding{cause: fault.CauseTLSClientCertificateRequired, kind: fault.TypeTLSAlertReceived, sentence: w.Target.label() + " requires a client certificate"}
		f.proof = append(f.proof, "the answer is 400, and says so: "+bodyLine(x))
	case x.Status == 421:
		f = &finding{cause: fault.CauseWrongHost, confidence: Likely, sentence: w.Target.label() + " does not serve the host " + w.Target.Authority + " on this connection"}
		f.proof = append(f.proof, "the answer is 421 Misdirected Request")
	case x.Status == 429:
		f = &finding{cause: fault.CauseRateLimited, sentence: "a rate limit is in force at " + w.Target.label()}
		f.proof = append(f.proof, "the answer is 429"+retryAfter(x))
	case x.Status == 403 || x.Status == 406 || x.Status == 405:
		f = ofRefusal(w, x)
	case x.Status >= 500:
		f = ofServerError(w, x)
	}
	if f != nil {
		f.answer, f.evidence = x, x.Evidence
	}
	return f
}

// saysTLSPort knows the answers with which servers tell that their port speaks TLS.
func saysTLSPort(x *Exchange) bool {
	return x.Status == 400 && bodyHas(x, "plain http request was sent to https port", "client sent an http request to an https server",
		"speaking plain http to an ssl-enabled server port", "this combination of host and port requires tls")
}

func bodyHas(x *Exchange, texts ...string) bool {
	body := strings.ToLower(string(x.answer.Body[:min(len(x.answer.Body), 8<<10)]))
	for _, t := range texts {
		if strings.Contains(body, t) {
			return true
		}
	}
	return false
}

// bodyLineMax bounds what a proof quotes of a page, in octets.
const bodyLineMax = 120

// bodyLine is the text of a page in a line, for a proof.
func bodyLine(x *Exchange) string {
	var b strings.Builder
	inside := false
	for _, c := range string(x.answer.Body[:min(len(x.answer.Body), 2<<10)]) {
		switch {
		case c == '<':
			inside = true
		case c == '>':
			inside = false
			b.WriteByte(' ')
		case !inside:
			b.WriteRune(c)
		}
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	return escape([]byte(text[:min(len(text), bodyLineMax)]))
}

func retryAfter(x *Exchange) string {
	if v := x.field("Retry-After"); v != "" {
		return ", with Retry-After: " + v
	}
	return ""
}

// ofRefusal tells a filter from a refusal that is the application's: what else it lets through decides.
func ofRefusal(w *Walk, x *Exchange) *finding {
	ok := func(o *Exchange) bool { return o.answered() && o.Status < 400 }
	h := w.HTTP
	filter := &finding{cause: fault.CauseContentFilter, confidence: Likely, sentence: fmt.Sprintf("a filter at %s answers this request %d, and lets others pass", w.Target.label(), x.Status)}
	switch {
	case ok(h.Browser):
		filter.confidence = Certain
		filter.proof = []string{fmt.Sprintf("%s is answered %d, a browser's user agent %d", userAgent, x.Status, h.Browser.Status)}
		return filter
	case ok(h.Bare):
		filter.proof = []string{fmt.Sprintf("with its query the request is answered %d, without it %d", x.Status, h.Bare.Status)}
		return filter
	case x.Status != 403:
		return nil
	}
	return &finding{
		cause: fault.CauseRequestDenied, confidence: Possible, sentence: w.Target.label() + " forbids the request",
		proof:   []string{"the answer is 403, to any user agent"},
		missing: []string{"whether it is a rule of a gateway or the application's: the gateway's error log names its rule"},
	}
}

// ofServerError reads an answer of 500 and above.
func ofServerError(w *Walk, x *Exchange) *finding {
	maker, made := fingerprint.Maker(&x.answer)
	gateway := made && isGateway(maker.Product)
	by := "the answer"
	if made {
		by = maker.Title + "'s answer"
	}
	for _, read := range [...]func(*Walk, *Exchange) *finding{ofProxyStatus, ofEdgeStatus, ofUnavailable} {
		if f := read(w, x); f != nil {
			f.proof = append(f.proof, fmt.Sprintf("%s is %d%s", by, x.Status, retryAfter(x)))
			return f
		}
	}
	switch {
	case gateway && (x.Status == 502 || x.Status == 504 || x.Status == 503):
		return ofGatewayPage(w, x, maker.Title)
	case gateway:
		return &finding{
			cause: fault.CauseInternalError, confidence: Possible, sentence: fmt.Sprintf("%s at %s answers %d by itself", maker.Title, w.Target.label(), x.Status),
			proof: []string{maker.Why}, missing: []string{maker.Title + "'s error log says why: whygate explain"},
		}
	case x.Status == 529:
		return &finding{
			cause: fault.CauseUpstreamOverloaded, confidence: Possible, sentence: w.Target.label() + " answers 529, which several services have for overload",
			proof: []string{"the answer is 529" + retryAfter(x)}, missing: []string{"what the page says, or who made it"},
		}
	case x.Status == 502 || x.Status == 503 || x.Status == 504 || x.Status > 511:
		return &finding{
			cause: fault.CauseUpstreamStatus, confidence: Likely, sentence: fmt.Sprintf("%s itself answers %d: it is a gateway too, or passes another's answer on", w.Target.label(), x.Status),
			proof: []string{fmt.Sprintf("the answer is %d in %s, whole and in order", x.Status, ms(time.Duration(x.FirstByte)))}, missing: []string{"the same walk from behind it: --upstream HOST:PORT for each of its upstreams"},
		}
	case x.Status == 508:
		return &finding{cause: fault.CauseProxyLoop, confidence: Likely, sentence: w.Target.label() + " says that the request goes round in a circle", proof: []string{"the answer is 508"}}
	}
	return &finding{
		cause: fault.CauseApplicationError, confidence: Likely, sentence: fmt.Sprintf("the application at %s failed on the request: it answers %d itself", w.Target.label(), x.Status),
		proof: []string{fmt.Sprintf("the answer is %d in %s, whole and in order: connection, framing and length are right", x.Status, ms(time.Duration(x.FirstByte)))},
	}
}

// isGateway reports whether the product forwards requests rather than being the application.
func isGateway(product string) bool {
	switch product {
	case "nginx", "openresty", "ingress-nginx", "kong", "haproxy", "envoy", "istio", "traefik", "caddy", "apache", "varnish", "squid", "iis", "alb", "gcp", "cloudflare", "cloudfront",
		"fastly", "akamai", "heroku", "vercel", "netlify", "azure-front-door", "azure-app-gateway", "whygate", "api-gateway":
		return true
	}
	return false
}

// typeCauses has the cause that each type of RFC 9209 stands for when a gateway names nothing finer.
var typeCauses = map[string]fault.Cause{
	"dns_timeout": fault.CauseDNSTimeout, "dns_error": fault.CauseDNSError, "destination_unavailable": fault.CauseNobodyAvailable, "destination_not_found": fault.CauseNoRoute,
	"destination_ip_unroutable": fault.CauseHostUnreachable, "connection_refused": fault.CauseConnectionRefused, "connection_terminated": fault.CauseClosedBeforeAnswer,
	"connection_timeout": fault.CauseConnectTimeout, "connection_read_timeout": fault.CauseHeadTimeout, "connection_limit_reached": fault.CauseConnectionLimit,
	"tls_protocol_error": fault.CauseTLSProtocolError, "tls_certificate_error": fault.CauseTLSCertificateUntrusted, "tls_alert_received": fault.CauseTLSAlert,
	"http_response_incomplete": fault.CauseHeadCut, "http_response_header_section_size": fault.CauseHeadTooLarge, "http_response_header_size": fault.CauseFieldTooLarge,
	"http_response_timeout": fault.CauseResponseTooSlow, "http_protocol_error": fault.CauseNotHTTP, "http_response_transfer_coding": fault.CauseBadChunk,
	"proxy_loop_detected": fault.CauseProxyLoop, "proxy_configuration_error": fault.CauseRouteBroken, "proxy_internal_error": fault.CauseInternalError,
}

// ofProxyStatus: the gateway says itself what happened (RFC 9209).
func ofProxyStatus(w *Walk, x *Exchange) *finding {
	value := x.field("Proxy-Status")
	_, after, found := strings.Cut(value, "error=")
	if !found {
		return nil
	}
	token := strings.Trim(after[:len(after)-len(strings.TrimLeft(after, `"abcdefghijklmnopqrstuvwxyz0123456789_`))], `"`)
	cause, known := typeCauses[token]
	if !known {
		return nil
	}
	kind, _ := fault.ParseType(token)
	return &finding{
		cause: cause, kind: kind, confidence: Likely, sentence: fmt.Sprintf("the gateway at %s reports %s towards its upstream", w.Target.label(), token),
		proof: []string{"Proxy-Status: " + value}, missing: []string{"the same walk straight to the upstream: --upstream HOST:PORT"},
	}
}

// edgeStatuses are the codes that Cloudflare has for failures towards the origin.
var edgeStatuses = map[int]fault.Cause{
	521: fault.CauseConnectionRefused, 522: fault.CauseConnectTimeout, 523: fault.CauseHostUnreachable, 524: fault.CauseHeadTimeout,
	525: fault.CauseTLSProtocolError, 526: fault.CauseTLSCertificateUntrusted, 530: fault.CauseDNSError,
}

// envoyReasons are the reasons in the text that Envoy answers with, behind envoyBegins.
var envoyReasons = []struct {
	text  string
	cause fault.Cause
}{
	{"reset reason: connection timeout", fault.CauseConnectTimeout},
	{"reset reason: connection termination", fault.CauseClosedBeforeAnswer},
	{"reset reason: overflow", fault.CauseConnectionLimit},
	{"reset reason: protocol error", fault.CauseNotHTTP},
	{"tls_error", fault.CauseTLSProtocolError},
	{"connection refused", fault.CauseConnectionRefused},
	{"reset reason: remote connection failure", fault.CauseConnectionRefused},
}

const envoyBegins = "upstream connect error or disconnect/reset before headers"

// gatewayWords are whole answers that name what happened: Envoy's, and Traefik's.
var gatewayWords = map[string]fault.Cause{
	"upstream request timeout": fault.CauseHeadTimeout, "no healthy upstream": fault.CauseNobodyAvailable, "no available server": fault.CauseNobodyAvailable,
	"envoy overloaded": fault.CauseUpstreamOverloaded,
}

// ofEdgeStatus: a CDN, Envoy or Traefik names the failure in its own code or text.
func ofEdgeStatus(w *Walk, x *Exchange) *finding {
	cause, confidence := edgeStatuses[x.Status], Likely
	why := fmt.Sprintf("status %d is Cloudflare's for that", x.Status)
	cloudflare := x.field("CF-Ray") != "" || strings.EqualFold(x.field("Server"), "cloudflare")
	switch text := strings.ToLower(strings.TrimSpace(string(x.answer.Body[:min(len(x.answer.Body), 4<<10)]))); {
	case cause != fault.CauseNone && !cloudflare:
		if confidence = Possible; x.Status == 530 {
			cause = fault.CauseNone // others have that number for other things
		}
	case x.Status == 530 && bodyHas(x, "1033"):
		cause = fault.CauseNobodyAvailable // its tunnel has no connection
	case cause != fault.CauseNone:
	case strings.Contains(text, envoyBegins):
		for _, r := range envoyReasons {
			if strings.Contains(text, r.text) {
				cause = r.cause
				break
			}
		}
		why = "the answer says: " + bodyLine(x)
	default:
		cause, why = gatewayWords[text], "the answer says: "+bodyLine(x)
	}
	if cause == fault.CauseNone {
		return nil
	}
	return &finding{
		cause: cause, confidence: confidence, sentence: fmt.Sprintf("the gateway at %s reports: %s", w.Target.label(), lowerFirst(cause.Entry().Title)),
		proof: []string{why}, missing: []string{"the same walk straight to the upstream: --upstream HOST:PORT"},
	}
}

// maintenanceAfter is the Retry-After from which a 503 without a word reads as maintenance rather than load, in seconds.
const maintenanceAfter = 30

// ofUnavailable: a 503 whose words or Retry-After tell what is meant.
func ofUnavailable(w *Walk, x *Exchange) *finding {
	if x.Status != 503 {
		return nil
	}
	seconds, err := strconv.Atoi(x.field("Retry-After"))
	short := len(x.answer.Body) < 64<<10
	switch {
	case short && bodyHas(x, "maintenance", "back soon", "be back", "wartung"):
		return &finding{cause: fault.CauseMaintenance, confidence: Likely, sentence: w.Target.label() + " says that it is being maintained", proof: []string{"the page says: " + bodyLine(x)}}
	case x.field("X-Envoy-Overloaded") != "" || short && bodyHas(x, "overload", "too busy", "at capacity", "too many requests"):
		return &finding{cause: fault.CauseUpstreamOverloaded, confidence: Likely, sentence: w.Target.label() + " says that it is overloaded", proof: []string{"the page says: " + bodyLine(x)}}
	case short && bodyHas(x, "no server is available to handle this request"):
		return &finding{
			cause: fault.CauseNobodyAvailable, confidence: Likely, sentence: "HAProxy at " + w.Target.label() + " has no server for the request: each is down, refuses, or there is none",
			proof: []string{"the page is HAProxy's own for that"}, missing: []string{"the same walk straight to its servers: --upstream HOST:PORT"},
		}
	case w.Again != nil && w.Again.Pattern == Sometimes && madeBy(x, "nginx"):
		return &finding{
			cause: fault.CauseRateLimited, confidence: Likely, sentence: "nginx at " + w.Target.label() + " limits requests: limit_req and limit_conn answer 503 unless told otherwise",
			proof: []string{"nginx's own page, for some requests of several that are alike"},
		}
	case err == nil && seconds >= maintenanceAfter, err != nil && x.field("Retry-After") != "":
		return &finding{cause: fault.CauseMaintenance, confidence: Possible, sentence: w.Target.label() + " asks to come back later", missing: []string{"what the page says, or who set Retry-After"}}
	case err == nil:
		return &finding{cause: fault.CauseUpstreamOverloaded, confidence: Possible, sentence: w.Target.label() + " asks to come back in a moment", missing: []string{"what the page says, or who set Retry-After"}}
	}
	return nil
}

func madeBy(x *Exchange, product string) bool {
	m, ok := fingerprint.Maker(&x.answer)
	return ok && m.Product == product
}

// ofGatewayPage: a gateway made the answer itself, and does not say why.
func ofGatewayPage(w *Walk, x *Exchange, title string) *finding {
	f := &finding{
		cause: fault.CauseUnknown, confidence: Possible,
		sentence: fmt.Sprintf("%s at %s failed to get an answer from its upstream, and answers %d; from here it does not show why", title, w.Target.label(), x.Status),
		proof:    []string{fmt.Sprintf("the %d was made by %s itself, after %s", x.Status, title, ms(time.Duration(x.FirstByte)))},
		missing: []string{
			"the same walk straight to the upstream: --upstream HOST:PORT",
			"on the gateway's machine: whygate diagnose --here, or its error log: whygate explain",
		},
	}
	if x.Status == 504 {
		f.cause, f.kind = fault.CauseHeadTimeout, fault.TypeConnectionReadTimeout
		f.sentence = fmt.Sprintf("the upstream of %s at %s did not answer, or did not take the connection, within %s", title, w.Target.label(), ms(time.Duration(x.FirstByte)))
	}
	return f
}
