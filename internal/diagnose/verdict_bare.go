package diagnose

import (
	"fmt"
	"strings"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
	"github.com/whygate/whygate/internal/words"
)

// Answers that say little: the status and nothing else, and refusals that a gateway makes by itself.

// ofBare: a 5xx without a word. An application hardly makes an empty 502, and the gateways that most have put a page or a name of their
// own into theirs: both is told, and no more.
func ofBare(w *Walk, x *Exchange) *finding {
	chain := fingerprint.Chain(&x.answer)
	behind := len(chain) > 0 && isGateway(chain[len(chain)-1].Product)
	gateway := x.Status == 502 || x.Status == 503 || x.Status == 504
	switch {
	case behind && gateway:
		return bareOf(w, x, chain)
	case gateway && len(chain) > 0:
		name := chain[len(chain)-1].Title
		return &finding{
			cause: fault.CauseUpstreamStatus, confidence: Likely,
			sentence: fmt.Sprintf("%s itself answers %d with no word: %s stands there, and answers so for an upstream of its own, or for itself", w.Target.label(), x.Status, name),
			proof:    []string{name + " is known by " + chain[len(chain)-1].Why}, missing: []string{"what " + name + "'s own log says of the request"},
		}
	case gateway:
		f := nameless(x)
		f.cause, f.confidence = fault.CauseUpstreamStatus, Likely
		named := "with no name and no word"
		if name := selfName(x); name != "" {
			named = "as " + name + ", with no word"
		}
		rule := "it is a gateway as a rule, since an application hardly answers so"
		if x.Status == 503 {
			rule = "a gateway that has no upstream answers so, and an application that is not ready"
		}
		f.sentence = fmt.Sprintf("%s itself answers %d, and that %s: %s", w.Target.label(), x.Status, named, rule)
		f.missing = append(f.missing, "the same walk from behind it: --upstream HOST:PORT for each of its upstreams")
		return f
	}
	f := nameless(x)
	f.cause, f.confidence = fault.CauseApplicationError, Possible
	f.sentence = fmt.Sprintf("%s failed on the request, as far as it shows: it answers %d with no word of why", application(w, x), x.Status)
	if len(chain) == 0 {
		f.sentence += ", and that names nobody"
	}
	return f
}

// bareOf: a gateway that shows by its fields stands nearest to whoever made the answer.
func bareOf(w *Walk, x *Exchange, chain []fingerprint.Match) *finding {
	last, who := chain[len(chain)-1], subject(w, x)
	if len(chain) > 1 {
		var before []string
		for _, m := range chain[:len(chain)-1] {
			before = append(before, m.Title)
		}
		who = last.Title + " behind " + join(before) + " (" + w.Target.label() + ")"
	}
	f := &finding{
		cause: fault.CauseUnknown, confidence: Possible,
		sentence: fmt.Sprintf("%s answers %d with no word: it made that itself, or a gateway behind it did, which got no answer from its upstream", who, x.Status),
		proof:    []string{"the body says nothing besides the status, and " + last.Title + " is known by " + last.Why}, missing: []string{straightHint, "what " + last.Title + "'s own log says of the request"},
	}
	if x.Status == 504 {
		f.cause = fault.CauseHeadTimeout
	}
	return f
}

// pageMakers are the gateways whose own failures have a page or a name in them, unless somebody took it out.
const pageMakers = "nginx, HAProxy, Apache, IIS, Envoy, Varnish, Squid and the great CDNs: their own failures have a page or a name in them, unless somebody took it out"

// bareMakers are programs whose own failures are as bare as this.
const bareMakers = "the log of whatever program listens there (ss -ltnp names it): proxies of Go's and Node's libraries, Pingora and YARP answer so"

// nameless is a finding about an answer that tells nothing of who made it.
func nameless(x *Exchange) *finding {
	names := make([]string, 0, len(x.answer.Fields))
	for _, f := range x.answer.Fields {
		names = append(names, f.Name)
	}
	has := "it has no headers"
	if len(names) > 0 {
		has = "its only headers are " + words.List(names, 8)
	}
	says := "the body is empty"
	if text := strings.TrimSpace(bodyLine(x)); text != "" {
		says = "the body says " + text + " and nothing else"
	}
	f := &finding{proof: []string{"it does not show who made the answer: " + says + ", and " + has}, ruled: []string{pageMakers}, missing: []string{bareMakers}}
	if name := selfName(x); name != "" {
		f.proof[0] = "who made the answer shows by its Server header alone, " + name + ": " + says
	}
	return f
}

// refusals are what a gateway's own answer of 4xx stands for.
var refusals = map[int]struct {
	cause fault.Cause
	says  string
}{
	400: {fault.CauseRequestMalformed, "takes the request for malformed, and answers 400 by itself: nobody behind it was asked"},
	404: {fault.CauseNoRoute, "answers 404 by itself: it has no route for this host and path, and nobody behind it was asked"},
	405: {fault.CauseRequestMethodRefused, "does not take this method, and answers 405 by itself: nobody behind it was asked"},
	408: {fault.CauseRequestHeadTimeout, "answers 408 by itself: the request did not come whole in its time"},
	413: {fault.CauseRequestBodyTooLarge, "takes no body of this size, and answers 413 by itself: nobody behind it was asked"},
	414: {fault.CauseRequestTargetTooLong, "takes no URL of this length, and answers 414 by itself: nobody behind it was asked"},
	431: {fault.CauseRequestHeadTooLarge, "takes no header of this size, and answers 431 by itself: nobody behind it was asked"},
}

// ofOwnRefusal: a gateway refuses the request by itself. One that serves files too has files that are not there: its 404 is no fault.
func ofOwnRefusal(w *Walk, x *Exchange) *finding {
	maker, made := ownGateway(x)
	r, known := refusals[x.Status]
	if !made || !known || x.Status == 404 && servesFiles(maker.Product) {
		return nil
	}
	if x.Status == 400 && bodyHas(x, "header or cookie too large", "header too large", "headers too large") {
		r = refusals[431]
		r.says = strings.Replace(r.says, "431", "400", 1)
	}
	return &finding{
		cause: r.cause, confidence: Likely, decided: true, sentence: subject(w, x) + " " + r.says,
		proof: []string{fmt.Sprintf("the %d was made by %s itself: %s", x.Status, maker.Title, maker.Why)}, missing: []string{straightHint},
	}
}

// ownGateway gives the gateway that made an answer by itself, where its page or its own name shows that.
func ownGateway(x *Exchange) (fingerprint.Match, bool) {
	maker, made := fingerprint.Maker(&x.answer)
	return maker, made && isGateway(maker.Product) && (maker.Certainty == fingerprint.Certain || maker.Part == fingerprint.PartPage && maker.Certainty == fingerprint.Likely)
}

// refusedBy says of an answer of 4xx that is no fault whose it is.
func refusedBy(x *Exchange) string {
	maker, own := ownGateway(x)
	if x.Status == 404 && own {
		return fmt.Sprintf("404 is the answer of %s itself, and no fault on the way: it has no such file, and no rule that asks an application for this path", maker.Title)
	}
	if own {
		return fmt.Sprintf("%d is the answer of %s itself, and no fault on the way", x.Status, maker.Title)
	}
	return fmt.Sprintf("%d is the answer of who made it, and no fault on the way", x.Status)
}

// servesFiles reports whether a product that forwards requests serves files or pages of its own as well.
func servesFiles(product string) bool {
	switch product {
	case "nginx", "openresty", "tengine", "angie", "freenginx", "apache", "caddy", "lighttpd", "iis", "litespeed", "nginx-kin", "h2o", "s3", "gcs", "vite", "passenger", "verdaccio", "nitro", "kubernetes", "modsecurity":
		return true
	}
	return false
}
