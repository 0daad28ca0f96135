package diagnose

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
	"github.com/whygate/whygate/internal/phrase"
	"github.com/whygate/whygate/internal/redact"
)

// Answers that somebody decided on: a limit, a filter, a law, a login. They are no failure, and no health either: the verdict says
// what it is and who decided it.

// ofClientError reads an answer of 400 to 499.
func ofClientError(w *Walk, x *Exchange) *finding {
	for _, read := range [...]func(*Walk, *Exchange) *finding{ofChallenge, ofDecision, ofOwnWords, ofSaid} {
		if f := read(w, x); f != nil {
			f.proof = append(f.proof, fmt.Sprintf("the answer is %d%s", x.Status, retryAfter(x)))
			return f
		}
	}
	if x.Status == 403 || x.Status == 405 || x.Status == 406 {
		if f := ofRefusal(w, x); f != nil {
			return f
		}
	}
	return ofOwnRefusal(w, x)
}

// decider names who made an answer that is a decision.
func decider(w *Walk, x *Exchange) string {
	if _, made := fingerprint.Maker(&x.answer); made {
		return subject(w, x)
	}
	if chain := fingerprint.Chain(&x.answer); len(chain) > 0 && isGateway(chain[0].Product) {
		return w.Target.label() + ", " + chain[0].Title + " or who stands behind it,"
	}
	return w.Target.label()
}

// decisions are the statuses that are decisions whoever has them.
var decisions = map[int]struct {
	cause fault.Cause
	says  string
}{
	407: {fault.CauseRequestDenied, "wants credentials for a proxy: something on the way takes this machine for its user"},
	429: {fault.CauseRateLimited, "limits requests"},
	451: {fault.CauseRequestDenied, "withholds it for legal reasons"},
	511: {fault.CauseRequestDenied, "wants a login to the network first: a captive portal stands on the way"},
	999: {fault.CauseContentFilter, "takes this for a robot, and refuses it"},
}

// ofDecision: a status, or a number of Cloudflare's, that is a decision by itself.
func ofDecision(w *Walk, x *Exchange) *finding {
	if code := cloudflareCode(x); code != "" && (madeBy(x, "cloudflare") || strings.Contains(pageTitle(x), "Cloudflare")) && x.Status != 530 {
		if f := ofCloudflareCode(w, x, code); f != nil {
			return f
		}
	}
	d, known := decisions[x.Status]
	if !known {
		return nil
	}
	f := &finding{cause: d.cause, sentence: decider(w, x) + " " + d.says}
	if x.Status == 451 {
		if by := x.field("Link"); strings.Contains(strings.ToLower(by), "blocked-by") {
			f.proof = append(f.proof, "who blocks it: Link: "+redact.URL(firstLine([]byte(by))))
		}
	}
	if realm := x.field("Proxy-Authenticate"); realm != "" && x.Status == 407 {
		f.proof = append(f.proof, "Proxy-Authenticate: "+firstLine([]byte(realm)))
	}
	if m, made := fingerprint.Maker(&x.answer); made {
		f.proof = append(f.proof, "who made it: "+m.Title+", by "+m.Why)
	}
	if text := bodyLine(x); text != "" && x.Status != 429 {
		f.proof = append(f.proof, "the page says: "+text)
	}
	for _, name := range [...]string{"X-RateLimit-Limit", "RateLimit", "RateLimit-Policy", "X-RateLimit-Reset"} {
		if v := x.field(name); v != "" && x.Status == 429 {
			f.proof = append(f.proof, name+": "+firstLine([]byte(v)))
		}
	}
	return f
}

// ofCloudflareCode: Cloudflare's numbers from 1000 on.
func ofCloudflareCode(w *Walk, x *Exchange, code string) *finding {
	number, _ := strconv.Atoi(code)
	f := &finding{confidence: Certain, proof: []string{"the page has Cloudflare's error " + code}}
	switch number {
	case 1006, 1007, 1008, 1106:
		f.cause, f.sentence = fault.CauseRequestDenied, "a rule of the site at Cloudflare forbids this address ("+code+")"
	case 1009:
		f.cause, f.sentence = fault.CauseRequestDenied, "a rule of the site at Cloudflare forbids this country (1009)"
	case 1010, 1012:
		f.cause, f.sentence = fault.CauseContentFilter, "Cloudflare takes this client for a robot and refuses it ("+code+")"
	case 1003, 1013, 1014, 1018, 1023:
		f.cause, f.sentence = fault.CauseWrongHost, "Cloudflare does not serve this host name here, or its record leads to another account ("+code+")"
	case 1015, 1027:
		f.cause, f.sentence = fault.CauseRateLimited, "a rate limit of the site at Cloudflare is in force ("+code+")"
	case 1020:
		f.cause, f.sentence = fault.CauseContentFilter, "a firewall rule of the site at Cloudflare refuses the request (1020)"
	default:
		c := phrase.ByCode(code)
		if c == nil {
			return nil
		}
		cause, _ := oneLink(c.Causes)
		f.cause, f.confidence, f.sentence = cause, Likely, fmt.Sprintf("%s answers %d with its error %s: %s", subject(w, x), x.Status, code, strings.TrimPrefix(c.Of, "Cloudflare: "))
	}
	if ray := x.field("CF-Ray"); ray != "" {
		f.proof = append(f.proof, "CF-Ray: "+firstLine([]byte(ray))+" finds it in the site's security events")
	}
	return f
}

// challenges are the marks of a page that lets browsers prove that they are one.
var challenges = []struct{ field, value, body, who string }{
	{"CF-Mitigated", "challenge", "", "Cloudflare"},
	{"X-Amzn-Waf-Action", "", "", "AWS WAF"},
	{"X-Vercel-Mitigated", "challenge", "", "Vercel"},
	{"X-DataDome", "", "", "DataDome"},
	{"Ngrok-Error-Code", "err_ngrok_6024", "", "ngrok"},
	{"", "", "/cdn-cgi/challenge-platform/", "Cloudflare"},
	{"", "", "making sure you're not a bot!", "Anubis"},
	{"", "", "_incapsula_resource", "Imperva"},
	{"", "", "captcha-delivery.com", "DataDome"},
	{"", "", "px-captcha", "HUMAN"},
	{"", "", "ddos-guard", "DDoS-Guard"},
	{"", "", "sucuri_cloudproxy_js", "Sucuri"},
}

// challengePage is the largest page that is taken for a challenge: some have a script of this size in them.
const challengePage = 48 << 10

// ofChallenge: a page that a browser answers by itself or its user by hand, and a program cannot.
func ofChallenge(w *Walk, x *Exchange) *finding {
	for _, c := range challenges {
		value := x.field(c.field)
		switch {
		case c.field != "" && (value == "" || !strings.Contains(strings.ToLower(value), c.value)):
			continue
		case c.field == "X-DataDome" && x.Status < 400, c.field == "" && (x.BodySize > challengePage || !bodyHas(x, c.body)):
			continue
		case c.who == "Imperva" && x.Status >= 500: // its page of a failure has the same frame
			continue
		case c.field == "" && x.Status < 300 && c.who != "Anubis" && !bodyHas(x, "<noscript"):
			continue
		}
		f := &finding{
			cause: fault.CauseContentFilter, confidence: Likely,
			sentence: fmt.Sprintf("%s at %s answers with a challenge for browsers (%d): the request did not come to what is behind it", c.who, w.Target.label(), x.Status),
			advice:   []string{"Let programs past the challenge for this path or address (a rule of " + c.who + "'s), or ask behind it: --upstream HOST:PORT"},
		}
		if c.field != "" {
			f.proof = []string{c.field + ": " + firstLine([]byte(value))}
		} else {
			f.proof = []string{"the page has " + c.body}
		}
		return f
	}
	return nil
}

// denyField finds the names of fields in which filters say why they refuse.
var denyField = regexp.MustCompile(`(?i)(^|-)(deny|denied|block|blocked|reject|rejected|waf|firewall)(-|$)`)

// whyDenied is what a field of a refusal says of its reason, as the end of a sentence; empty where none does.
func whyDenied(x *Exchange) string {
	for _, f := range x.answer.Fields {
		if denyField.MatchString(f.Name) && f.Value != "" {
			return ", and says why: " + f.Name + ": " + firstLine([]byte(f.Value))
		}
	}
	return ""
}

// ofRefusal tells a filter from a refusal that is the application's: what else it lets through decides.
func ofRefusal(w *Walk, x *Exchange) *finding {
	ok := func(o *Exchange) bool { return o.answered() && o.Status < 400 }
	h := w.HTTP
	filter := &finding{cause: fault.CauseContentFilter, confidence: Likely, sentence: fmt.Sprintf("a filter at %s answers this request %d, and lets others pass", w.Target.label(), x.Status)}
	maker, made := fingerprint.Maker(&x.answer)
	if made {
		filter.sentence = fmt.Sprintf("a filter of %s answers this request %d, and lets others pass", subject(w, x), x.Status)
	}
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
	who := decider(w, x)
	if name := selfName(x); name != "" && who == w.Target.label() {
		who += ", which calls itself " + name + ","
	}
	f := &finding{
		cause: fault.CauseRequestDenied, confidence: Possible, sentence: who + " forbids the request" + whyDenied(x),
		proof:   []string{"the answer is 403, to any user agent"},
		missing: []string{"whether it is a rule of a gateway or the application's: the gateway's error log names its rule"},
	}
	if made {
		f.proof = append(f.proof, "who made it: "+maker.Title+", by "+maker.Why)
	}
	if text := bodyLine(x); text != "" {
		f.proof = append(f.proof, "the body says: "+text)
	}
	return f
}
