package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// gatewayLimits are the limits on a response head that gateways have unless told otherwise, in octets.
var gatewayLimits = map[string]struct {
	octets    int
	directive string
}{
	"nginx": {4 << 10, "proxy_buffer_size"}, "openresty": {4 << 10, "proxy_buffer_size"}, "kong": {4 << 10, "proxy_buffer_size"},
	"haproxy": {15 << 10, "tune.bufsize"}, "apache": {8190, "ResponseFieldSize"}, "alb": {32 << 10, "it is fixed"},
}

// differ explains a gateway that fails where its upstreams, asked straight, do not.
func differ(r *Report, own *finding) *finding {
	x := own.answer
	if x == nil {
		own.missing = append(own.missing, "straight to the upstreams nothing is wrong: the gateway's error log says what it met")
		return own
	}
	product := r.product()
	for _, w := range r.Upstreams {
		up := w.main()
		if !up.answered() {
			continue
		}
		if f := plainToTLS(w, up, x); f != nil {
			return f.about(r, own, w)
		}
		if f := tooLarge(w, up, product); f != nil && x.Status >= 500 {
			return f.about(r, own, w)
		}
		if f := tooSlow(w, up, x); f != nil {
			return f.about(r, own, w)
		}
		if f := noName(w, product); f != nil && x.Status >= 500 && !r.sendsName() {
			return f.about(r, own, w)
		}
	}
	if !slices.ContainsFunc(r.Upstreams, func(w *Walk) bool { return w.main().answered() }) {
		return own.withHere(r)
	}
	up := r.Upstreams[0]
	switch {
	case own.cause == fault.CauseNobodyAvailable:
		own.sentence = fmt.Sprintf("%s holds its servers to be down, but asked straight they answer: its health check or its address of them is wrong", title(r))
		own.proof = append(own.proof, straight(r)...)
		own.missing = nil
		return own
	case own.cause == fault.CauseUnknown || own.cause == fault.CauseUpstreamStatus:
		own.cause, own.confidence = fault.CauseUnknown, Possible
		own.sentence = fmt.Sprintf("%s answers %d, but asked straight %s answers well: the gateway asks in another way, at another address, or holds it to be down", title(r), x.Status, up.Target.label())
		own.proof = append(own.proof, straight(r)...)
		own.missing = []string{
			"the upstream's scheme as the gateway has it: --upstream https://HOST:PORT shows whether it speaks TLS to a plain port",
			"the line that the gateway's error log has for the request: whygate explain",
		}
	default:
		own.proof = append(own.proof, straight(r)...)
	}
	return own.withHere(r)
}

// plainToTLS: the upstream was given without a scheme and speaks TLS, and the gateway may speak as plainly to it as it was named.
func plainToTLS(w *Walk, up, own *Exchange) *finding {
	if !w.Target.assumed || !w.Target.Secure || own.Status < 400 {
		return nil
	}
	return &finding{
		cause: fault.CausePlainToTLSPort, confidence: Possible, evidence: up.Evidence,
		sentence: fmt.Sprintf("%s speaks TLS, and the gateway may send it plain HTTP", w.Target.label()),
		proof:    []string{fmt.Sprintf("straight by https it is answered %d in %s, and not in clear", up.Status, mono.Words(time.Duration(up.FirstByte)))},
		missing:  []string{"the upstream's scheme as the gateway's configuration has it: --upstream https://HOST:PORT if it is https"},
	}
}

// straight says how the upstreams answer.
func straight(r *Report) (out []string) {
	for _, w := range r.Upstreams {
		out = append(out, "straight to "+w.Target.label()+": "+answerWords(w.main()))
	}
	return out
}

// about completes a finding that a difference shows.
func (f *finding) about(r *Report, own *finding, w *Walk) *finding {
	f.finish(w)
	f.proof = append(f.proof, fmt.Sprintf("%s answers %d for it", title(r), own.answer.Status))
	f.pattern = own.pattern
	return f
}

// title is the gateway's name in a sentence.
func title(r *Report) string {
	if m := r.maker(); m != "" {
		return m
	}
	if r.Here != nil && r.Here.Proxy != "" {
		return hereTitle(r.Here.Proxy)
	}
	return "the gateway"
}

// tooLarge: the head passes the gateway's limit.
func tooLarge(w *Walk, up *Exchange, product string) *finding {
	limit, known := gatewayLimits[product]
	if !known {
		limit.octets, limit.directive = headLimits[0].Octets, "the least that gateways have"
	}
	if up.HeadSize <= limit.octets {
		return nil
	}
	f := &finding{
		cause: fault.CauseHeadTooLarge, confidence: Likely, evidence: up.Evidence,
		sentence: fmt.Sprintf("the response head of %s has %d bytes, more than the gateway takes", w.Target.label(), up.HeadSize),
		proof:    []string{fmt.Sprintf("straight it is answered %d with a head of %d bytes; the limit is %d unless set (%s)", up.Status, up.HeadSize, limit.octets, limit.directive)},
	}
	name, octets := largestField(up)
	f.proof = append(f.proof, fmt.Sprintf("the largest header is %s with %d bytes", name, octets))
	switch {
	case !known:
		f.confidence = Possible
		f.sentence = fmt.Sprintf("the response head of %s has %d bytes, which may be more than the gateway takes", w.Target.label(), up.HeadSize)
	case up.HeadSize > 2*limit.octets:
		f.confidence = Certain
	}
	return f
}

func largestField(x *Exchange) (name string, octets int) {
	for _, f := range x.answer.Fields {
		if n := len(f.Name) + len(f.Value) + 4; n > octets {
			name, octets = f.Name, n
		}
	}
	return name, octets
}

// slack is how much sooner than the gateway gave up an upstream may have answered, and still be too slow for it.
const slack = 300 * time.Millisecond

// timerLeast is the shortest timer that a gateway is believed to have: what it answers sooner is no timeout.
const timerLeast = 500 * time.Millisecond

// tooSlow: the upstream answers, later than the gateway waits.
func tooSlow(w *Walk, up, own *Exchange) *finding {
	took, waited := time.Duration(up.FirstByte), time.Duration(own.FirstByte)
	if own.Status != 504 && own.Status != 502 || took+slack < waited || took < time.Second/2 || waited < timerLeast {
		return nil
	}
	confidence := Certain
	if own.Status != 504 {
		confidence = Likely
	}
	return &finding{
		confidence: confidence, cause: fault.CauseHeadTimeout, kind: fault.TypeConnectionReadTimeout, evidence: up.Evidence,
		sentence: fmt.Sprintf("%s answers after %s, and the gateway gives up after %s", w.Target.label(), mono.Words(took), mono.Words(waited)),
		proof:    []string{fmt.Sprintf("straight: %d after %s", up.Status, mono.Words(took)), fmt.Sprintf("through the gateway: %d after %s", own.Status, mono.Words(waited))},
	}
}

// sendsName reports whether the gateway's configuration, as far as it was read, tells it to send a name.
func (r *Report) sendsName() bool {
	return r.Here != nil && slices.ContainsFunc(r.Here.Config, func(c ConfigPlace) bool { return strings.HasPrefix(c.Text, "proxy_ssl_server_name on") }) ||
		r.Here != nil && slices.ContainsFunc(r.Here.Upstreams, func(u HereUpstream) bool { return strings.Contains(" "+u.Text+" ", " sni ") })
}

// noName: the upstream needs SNI, and gateways such as nginx send none unless told to.
func noName(w *Walk, product string) *finding {
	t := w.TLS
	if t == nil || t.NoSNI == nil || t.NoSNI.OK && !t.NoSNI.Other {
		return nil
	}
	f := &finding{
		cause: fault.CauseTLSNameUnknown, confidence: Possible, evidence: w.HTTP.Main.Evidence,
		sentence: w.Target.label() + " needs the name in the handshake (SNI), and the gateway seems to send none",
		proof:    []string{"with SNI " + t.ServerName + " the handshake succeeds; without it: " + t.NoSNI.Detail},
	}
	if t.NoSNI.OK {
		f.proof[0] = "without SNI the server shows another certificate than for " + t.ServerName
	}
	switch product {
	case "nginx", "openresty", "haproxy":
		f.confidence = Likely
		f.proof = append(f.proof, product+" sends no name unless told to")
	}
	return f
}
