package diagnose

import (
	"regexp"
	"strings"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/words"
)

// What the log of this machine's proxy says of the requests of the walk.

// told gives what the proxy's log says of this very request, nil where it says nothing that explains it.
func (r *Report) told(own *finding) *HereFinding {
	if r.Here == nil {
		return nil
	}
	for i := range r.Here.Request {
		f := &r.Here.Request[i]
		if f.Cause == fault.CauseUnknown || f.Cause == fault.CauseUpstreamStatus || f.Cause == fault.CauseNone {
			continue
		}
		if f.Cause.Entry().Family == fault.FamilyClient && (own.answer == nil || own.answer.Status >= 500) {
			continue // our own connections that ended without a request
		}
		if own.answer != nil && own.answer.Status < 500 && !f.Named() {
			continue // of another request: this one was answered
		}
		return f
	}
	return nil
}

// byLog lets the proxy's log of the very request decide: it was there, and the wire shows the outcome only.
func (r *Report) byLog(own, f *finding) *finding {
	if own == nil || f == nil || own.answer == nil && (own.evidence == nil || own.evidence.Stage < fault.Write) && (own.evidence == nil || own.evidence.End != fault.Timeout) {
		return f
	}
	said := r.told(own)
	if said == nil {
		return f
	}
	when := "of this request"
	if !said.Named() {
		when = "at this time"
	}
	proof := "the log says " + when + ": " + said.Text
	if said.Line != "" {
		proof = "the log says " + when + ": " + redact.URLs(words.First(said.Line))
	}
	same := f.cause == said.Cause || f.otherProtocol() || f.cause == fault.CauseProxyLoop || f.walk != own.walk && linkOf(f.cause)&linkOf(said.Cause) != 0
	if same || f.walk != own.walk && f.confidence == Certain && linkOf(f.cause)&(linkConnect|linkName|linkTLS) != 0 {
		f.proof = append([]string{proof}, f.proof...)
		if f.cause == said.Cause && said.Named() {
			f.confidence = Certain
		}
		return f
	}
	seen := f.sentence
	out := *own
	out.cause, out.kind, out.confidence, out.missing, out.advice = said.Cause, fault.TypeNone, Certain, nil, nil
	out.sentence = subjectHere(r, own.walk) + " says " + when + " in its log: " + saidWords(said)
	out.proof = append([]string{proof}, own.proof...)
	if !said.Named() {
		out.confidence, out.missing = Likely, []string{"a line of the log that names this request"}
	}
	if seen != "" {
		out.proof = append(out.proof, "without the log: "+seen)
	}
	return &out
}

// lineMessage is the message of a line of nginx's error log: behind its number, before who asked for what.
var lineMessage = regexp.MustCompile(`\d+#\d+: (?:\*\d+ )?(.+?)(?:, client: |$)`)

// saidWords say what the log says: of the gateway's own troubles in its own words, which name the file or the limit.
func saidWords(f *HereFinding) string {
	if f.Cause.Entry().Family != fault.FamilyGateway && f.Cause != fault.CauseRouteBroken {
		return f.Text
	}
	if m := lineMessage.FindStringSubmatch(strings.TrimSpace(f.Line)); m != nil {
		return redact.URLs(m[1])
	}
	return f.Text
}

// subjectHere names the proxy of this machine.
func subjectHere(r *Report, w *Walk) string {
	if x := w.main(); x.answered() {
		if s := subject(w, x); !strings.HasPrefix(s, "the gateway") {
			return s
		}
	}
	return hereTitle(r.Here.Proxy) + " at " + w.Target.label()
}

// hereTitle is a product as people call it.
func hereTitle(product string) string {
	if t := map[string]string{
		"haproxy": "HAProxy", "apache": "Apache", "caddy": "Caddy", "traefik": "Traefik", "envoy": "Envoy", "varnish": "Varnish", "squid": "Squid", "openresty": "OpenResty", "whygate": "Whygate",
	}[product]; t != "" {
		return t
	}
	return product
}
