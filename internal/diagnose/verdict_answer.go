package diagnose

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/phrase"
	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/words"
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
			proof: []string{fmt.Sprintf("%d with Location: %s", x.Status, redact.URL(x.field("Location"))), fmt.Sprintf("%s followed, then a URL that had been asked", words.Count(len(w.HTTP.Follow), "redirect"))},
		}
	}
	if f := judgeRedirected(w); f != nil {
		return f
	}
	return ofAnswer(w, x)
}

// ofAnswer is the finding that an answer's status and content make, nil if they tell of no fault.
func ofAnswer(w *Walk, x *Exchange) *finding {
	var f *finding
	switch {
	case saysTLSPort(x):
		f = &finding{cause: fault.CausePlainToTLSPort, kind: fault.TypeHTTPProtocolError, sentence: w.Target.label() + " speaks TLS, and was asked in plain HTTP"}
		f.proof = append(f.proof, fmt.Sprintf("the answer is %d, and says so: %s", x.Status, bodyLine(x)))
	case x.Status == 400 && bodyHas(x, "no required ssl certificate was sent", "ssl certificate error"):
		f = &finding{cause: fault.CauseTLSClientCertificateRequired, kind: fault.TypeTLSAlertReceived, sentence: w.Target.label() + " requires a client certificate"}
		f.proof = append(f.proof, "the answer is 400, and says so: "+bodyLine(x))
	case x.Status == 421:
		f = &finding{cause: fault.CauseWrongHost, confidence: Likely, sentence: w.Target.label() + " does not serve the host " + w.Target.Authority + " on this connection"}
		f.proof = append(f.proof, "the answer is 421 Misdirected Request")
	case x.Status < 300:
		f = ofContent(w, x)
	case x.Status >= 500:
		f = ofServerError(w, x)
	case x.Status >= 400:
		f = ofClientError(w, x)
	}
	if f != nil {
		f.answer, f.evidence = x, x.Evidence
	}
	return f
}

// tlsPort finds the sentences with which servers tell that their port speaks TLS: of plain HTTP that came to such a port, or of TLS or
// https that must be spoken to it.
var tlsPort = regexp.MustCompile(`(?i)plain http request was sent to (an? )?(https|ssl|tls)\b|http request to an? (https|ssl|tls)\b|speaking plain http to an? |` +
	`combination of host and port requires (tls|ssl|https)|\bport (speaks|uses|requires|expects|is for|only accepts|accepts only) (only )?(tls|ssl|https)\b|` +
	`(plain|clear ?text|unencrypted|insecure) http (requests? )?(is|are|was|to|on|sent|not)\b[^.]{0,40}\b(tls|ssl|https)\b|(tls|ssl|https) (is )?(required|expected) (on|for|by) this (port|listener|connection)`)

// saysTLSPort reports whether the answer says in words that its port speaks TLS. A 400 for other reasons is none.
func saysTLSPort(x *Exchange) bool {
	return x.Status == 400 && tlsPort.MatchString(plainText(x.answer.Body[:min(len(x.answer.Body), 8<<10)]))
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
	text := plainText(x.answer.Body[:min(len(x.answer.Body), 4<<10)])
	return escape([]byte(strings.ToValidUTF8(text[:min(len(text), bodyLineMax)], "")))
}

func retryAfter(x *Exchange) string {
	if v := x.field("Retry-After"); v != "" {
		return ", with Retry-After: " + v
	}
	return ""
}

// ofServerError reads an answer of 500 and above.
func ofServerError(w *Walk, x *Exchange) *finding {
	maker, made := fingerprint.Maker(&x.answer)
	gateway := made && isGateway(maker.Product)
	by := "the answer"
	if made {
		by = maker.Title + "'s answer"
	}
	for _, read := range [...]func(*Walk, *Exchange) *finding{ofChallenge, ofDecision, ofProxyStatus, ofCache, ofEdgeStatus, ofOwnWords, ofSaid, ofHealthCheck, ofUnavailable} {
		if f := read(w, x); f != nil {
			f.proof = append(f.proof, fmt.Sprintf("%s is %d%s", by, x.Status, retryAfter(x)))
			return f
		}
	}
	switch {
	case gateway && (x.Status == 502 || x.Status == 504 || x.Status == 503):
		return ofGatewayPage(w, x, makerTitle(maker))
	case gateway:
		return &finding{
			cause: fault.CauseInternalError, confidence: Possible, sentence: fmt.Sprintf("%s answers %d by itself", subject(w, x), x.Status),
			proof: []string{maker.Why}, missing: []string{maker.Title + "'s error log says why: whygate explain"},
		}
	case made && x.Status != 500 && (maker.Certainty == fingerprint.Certain && maker.Part == fingerprint.PartPage || x.Status == 503 && maker.Certainty >= fingerprint.Likely):
		return ofOrigin(w, x, maker)
	case x.Status == 529:
		return &finding{
			cause: fault.CauseUpstreamOverloaded, confidence: Possible, sentence: w.Target.label() + " answers 529, which several services have for overload",
			proof: []string{"the answer is 529" + retryAfter(x)}, missing: []string{"what the page says, or who made it"},
		}
	case fingerprint.Bare(&x.answer) && x.Status < 510 && x.Status != 508:
		return ofBare(w, x)
	case x.Status == 502 || x.Status == 503 || x.Status == 504 || x.Status > 510:
		return ofOther(w, x)
	case x.Status == 508:
		return &finding{cause: fault.CauseProxyLoop, confidence: Likely, sentence: w.Target.label() + " says that the request goes round in a circle", proof: []string{"the answer is 508"}}
	}
	return &finding{
		cause: fault.CauseApplicationError, confidence: Likely, sentence: fmt.Sprintf("%s failed on the request: it answers %d itself", application(w, x), x.Status),
		proof: []string{fmt.Sprintf("the answer is %d in %s, whole and in order: connection, framing and length are right", x.Status, mono.Words(time.Duration(x.FirstByte)))},
	}
}

// isGateway reports whether the product forwards requests rather than being the application. Nitro is an application that forwards.
func isGateway(product string) bool { return product == "nitro" || fingerprint.Forwards(product) }

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
		cause: cause, kind: kind, confidence: Likely, sentence: subject(w, x) + " " + clauseOf(cause, nextHop(value)),
		proof: []string{"Proxy-Status: " + value}, missing: []string{"the same walk straight to the upstream: --upstream HOST:PORT"},
	}
}

// nextHop is the upstream that a Proxy-Status names, empty where it names none.
func nextHop(value string) string {
	_, after, found := strings.Cut(value, "next-hop=")
	if !found {
		return ""
	}
	hop, _, _ := strings.Cut(strings.TrimPrefix(after, `"`), ";")
	return strings.Trim(strings.TrimSpace(hop), `"`)
}

// whoAnswers is the beginning of a sentence on an answer whose maker is not known.
func whoAnswers(w *Walk, x *Exchange) string {
	chain := fingerprint.Chain(&x.answer)
	if n := len(chain); n > 0 && !chain[n-1].Own && isGateway(chain[n-1].Product) {
		return fmt.Sprintf("%s relays a %d of somebody behind", subject(w, x), x.Status)
	}
	if name := x.field("Server"); name != "" && len(fingerprint.Chain(&x.answer)) == 0 {
		return fmt.Sprintf("%s, which calls itself %s, answers %d", w.Target.label(), firstLine([]byte(name)), x.Status)
	}
	return fmt.Sprintf("%s itself answers %d", w.Target.label(), x.Status)
}

// edgeStatuses are the codes that Cloudflare has for failures towards the origin.
var edgeStatuses = map[int][]fault.Cause{
	520: {fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseHeadTooLarge, fault.CauseNotHTTP}, 521: only(fault.CauseConnectionRefused), 522: only(fault.CauseConnectTimeout), 523: only(fault.CauseHostUnreachable),
	524: only(fault.CauseHeadTimeout), 525: only(fault.CauseTLSProtocolError), 526: only(fault.CauseTLSCertificateUntrusted), 530: only(fault.CauseDNSError),
}

// ofEdgeStatus: Cloudflare names the failure in a code of its own.
func ofEdgeStatus(w *Walk, x *Exchange) *finding {
	causes := edgeStatuses[x.Status]
	cloudflare := x.field("CF-Ray") != "" || strings.EqualFold(x.field("Server"), "cloudflare")
	if causes == nil || x.Status == 530 && !cloudflare { // others have that number for other things
		return nil
	}
	if x.Status == 530 {
		if c := phrase.ByCode(cloudflareCode(x)); c != nil {
			causes = c.Causes
		}
	}
	cause, alone := oneLink(causes)
	f := &finding{
		cause: cause, confidence: Likely, sentence: subject(w, x) + " " + strings.Replace(clauseOf(cause, ""), "upstream", "origin", 1),
		proof: []string{fmt.Sprintf("status %d is Cloudflare's for that", x.Status)}, missing: []string{straightHint},
	}
	switch {
	case !cloudflare:
		f.confidence = Possible
	case cause == fault.CauseUnknown:
		f.confidence = Possible
		f.sentence = fmt.Sprintf("%s answers %d: the origin's answer was empty, cut, too large or no HTTP", subject(w, x), x.Status)
	}
	if !alone {
		f.missing = append(f.missing, "which it was: "+titlesOf(causes))
	}
	return f
}

// errorNumber is a number of Cloudflare's, 1000 to 1199, as its pages have it.
var errorNumber = regexp.MustCompile(`(?i)error(?: code)?:?\s+(1[01]\d\d)\b`)

// cloudflareCode is the number of Cloudflare's own error, empty where the answer has none.
func cloudflareCode(x *Exchange) string {
	if m := errorNumber.FindStringSubmatch(plainText(x.answer.Body)); m != nil {
		return m[1]
	}
	return ""
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
		sentence: fmt.Sprintf("%s failed to get an answer from its upstream, and answers %d; from here it does not show why", subject(w, x), x.Status),
		proof:    []string{fmt.Sprintf("the %d was made by %s itself, after %s", x.Status, title, mono.Words(time.Duration(x.FirstByte)))},
		missing: []string{
			"the same walk straight to the upstream: --upstream HOST:PORT",
			"on the gateway's machine: whygate diagnose --here, or its error log: whygate explain",
		},
	}
	if x.Status == 504 {
		f.cause, f.kind = fault.CauseHeadTimeout, fault.TypeConnectionReadTimeout
		if took := time.Duration(x.FirstByte); took < timerLeast {
			f.sentence = fmt.Sprintf("%s answers 504 after %s: it did not wait for its upstream now, and holds it to be down, or gives an older answer", subject(w, x), mono.Words(took))
			return f
		}
		f.sentence = fmt.Sprintf("the upstream of %s did not answer, or did not take the connection, within %s", subject(w, x), mono.Words(time.Duration(x.FirstByte)))
	}
	return f
}
