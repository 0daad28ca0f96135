package diagnose

import (
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/words"
)

// judgeWalk finds the fault of one walk, nil if there is none. The first question that finds something decides.
func judgeWalk(w *Walk) *finding {
	for _, question := range [...]func(*Walk) *finding{judgeName, judgePath, judgeSpeaks, judgeExchange, judgeAnswer, judgeAgain, judgeAddresses, judgeRace, judgeH2, judgeSlowName, judgeLoss} {
		if f := question(w); f != nil {
			f.finish(w)
			return f
		}
	}
	return nil
}

// finish fills in what every finding has.
func (f *finding) finish(w *Walk) {
	f.walk = w
	if f.confidence == 0 {
		f.confidence = Certain
	}
	if f.sentence == "" && f.evidence != nil {
		e := *f.evidence
		if e.End != fault.Failed {
			e.Detail = "" // it says the same in the words of a library; the proof has the facts
		}
		timed := e.Timer != fault.TimerNone
		e.Timer = fault.TimerNone // no key of a gateway sets how long a probe waits
		f.sentence = (fault.Fault{Type: f.kind, Cause: f.cause, Stage: e.Stage}).Sentence(&e)
		if timed && e.After > 0 {
			f.sentence = waitedOut(f.sentence)
		}
	}
	if f.tail != "" && !strings.HasSuffix(f.sentence, f.tail) {
		f.sentence += f.tail
		f.tail = ""
	}
	if f.evidence != nil && f.kind == fault.TypeNone {
		if own := fault.Classify(f.evidence); own.Cause == f.cause {
			f.kind = own.Type
		}
	}
	if words := w.Name.wildcardWords(); words != "" && f.cause == fault.CauseWrongHost && !strings.Contains(f.sentence, words) {
		f.sentence += "; " + words
	}
	if words := w.Name.hostsFileWords(); words != "" && !strings.Contains(f.sentence, words) && (f.evidence == nil || f.evidence.Stage >= fault.Dial) {
		f.sentence += "; " + words
		f.proof = append(f.proof, "the address is from the hosts file; DNS says otherwise")
		f.advice = append(f.advice, "See whether the line of /etc/hosts is meant: getent hosts "+w.Name.Host+" shows what programs here get.")
	}
	until := fault.Done
	if f.evidence != nil {
		until = f.evidence.Stage
	}
	if f.ruled == nil {
		f.ruled = passed(w, until)
	}
	if f.pattern == "" && w.Again != nil && w.Again.Pattern != Never {
		f.pattern = w.Again.Words()
	}
}

// passed lists what is in order before the stage.
func passed(w *Walk, until fault.Stage) (out []string) {
	if w.Name != nil && w.Name.Cause == fault.CauseNone && until > fault.Resolve {
		out = append(out, "DNS: "+w.Name.Host+" is "+words.List(w.Name.Addresses, 2))
	}
	if p := w.goodPath(); p != nil && until > fault.Dial {
		text := "network: " + p.Address + " connects in " + mono.Words(time.Duration(p.Took))
		if p.MTU != nil && p.MTU.Vanished == 0 && p.MTU.Passed > 0 {
			text += fmt.Sprintf(", packets of %d bytes pass", p.MTU.Passed)
		}
		out = append(out, text)
	}
	if t := w.TLS; t != nil && t.Completed && t.Trusted && until > fault.TLS {
		out = append(out, "TLS: "+t.Version+", the certificate is valid for "+t.ServerName)
	}
	if x := w.main(); x.answered() && until > fault.Body && x.Status < 400 {
		out = append(out, fmt.Sprintf("HTTP: %d, %s, framing in order", x.Status, size(x.BodySize)))
	}
	return out
}

func (w *Walk) goodPath() *Path {
	for _, p := range w.Path {
		if p.Cause == fault.CauseNone {
			return p
		}
	}
	return nil
}

// judgeName: the name gives no address.
func judgeName(w *Walk) *finding {
	n := w.Name
	if n == nil || n.Cause == fault.CauseNone {
		return nil
	}
	f := &finding{cause: n.Cause, evidence: n.Evidence}
	f.proof = append(f.proof, nameFailure(n))
	for _, s := range n.Servers {
		if d := n.dns(); s.Server != d.Server {
			f.proof = append(f.proof, s.Server+" says "+s.words())
		}
		if s.Unchecked != nil && n.Bogus {
			f.proof = append(f.proof, "without validation (CD=1) "+s.Server+" answers "+words.List(s.Unchecked.Addresses, 2))
		}
	}
	if a := n.counts(); a != nil && a.EDEText != "" {
		f.proof = append(f.proof, "the server adds: "+a.EDEText)
	}
	if a := n.counts(); a != nil && len(a.Aliases) > 0 {
		f.proof = append(f.proof, n.Host+" is an alias of "+strings.Join(a.Aliases, ", "))
	}
	if len(n.HostsFile) == 0 {
		f.proof = append(f.proof, "the hosts file does not have the name")
	}
	if n.Disagree {
		f.proof = append(f.proof, "the name servers do not agree")
	}
	refineName(w, f)
	return f
}

// words say what a server answers.
func (s *ServerSays) words() string {
	switch {
	case s.A.Errno != "":
		return s.A.Errno
	case !s.A.Answered:
		return "nothing"
	case len(s.A.Addresses)+len(s.AAAA.Addresses) > 0:
		return words.List(append(append([]string{}, s.A.Addresses...), s.AAAA.Addresses...), 2)
	}
	return s.A.RCode
}

// judgePath: no address can be connected to.
func judgePath(w *Walk) *finding {
	if len(w.Path) == 0 || w.goodPath() != nil {
		return nil
	}
	f := ofPath(w.worstPath())
	if len(w.Path) > 1 {
		f.proof = append(f.proof, fmt.Sprintf("none of %d addresses can be connected to", len(w.Path)))
	}
	return f
}

// ofPath is the finding about one address that cannot be connected to.
func ofPath(p *Path) *finding {
	f := &finding{cause: p.Cause, evidence: p.Evidence}
	if p.NoFamily {
		f.proof = append(f.proof, "this machine has no route for IPv6, and the name has an IPv6 address only")
	}
	switch {
	case p.ICMP != nil:
		f.proof = append(f.proof, "the SYN to "+p.Address+" was answered by "+p.ICMP.String())
	case p.Evidence.End == fault.Timeout:
		f.proof = append(f.proof, "SYNs to "+p.Address+" had no answer in "+mono.Words(time.Duration(p.Took)))
	case p.Evidence.Errno != 0:
		f.proof = append(f.proof, fmt.Sprintf("connect to %s: %s after %s", p.Address, fault.ErrnoName(p.Evidence.Errno), mono.Words(time.Duration(p.Took))))
	}
	if p.Evidence.End == fault.Refused || p.Evidence.End == fault.Reset {
		f.resetFrom(p)
	}
	f.proof = append(f.proof, pathProof(p)...)
	if p.Evidence.End == fault.Timeout && p.Neighbour != neighbourFailed && (p.Queue == nil || p.Queue.Length <= p.Queue.Max) {
		f.tail = p.where()
	}
	if p.Queue != nil && p.Queue.Length > p.Queue.Max {
		f.sentence = p.Address + " did not take the connection: its accept queue is full, since the program accepts none"
		f.advice = append(f.advice, "The application accepts nothing: look what its workers wait for, then give listen() a larger backlog and raise net.core.somaxconn.")
	}
	return f
}

// pathProof says what the probes beside the connection showed.
func pathProof(p *Path) (out []string) {
	if p.Neighbour == neighbourFailed {
		out = append(out, "the neighbour table has no answer for it: the address is on this link, and no machine has it")
	}
	if q := p.Queue; q != nil && q.Length > q.Max {
		out = append(out, fmt.Sprintf("its listener's accept queue is full: %d of %d; ListenOverflows rose by %d meanwhile", q.Length, q.Max, q.Rose))
	}
	if e := p.Echo; e != nil {
		if e.Answered {
			out = append(out, "the host answers a ping in "+mono.Words(time.Duration(e.Took))+": it is up, so the port is filtered or its queue is full")
			if p.Cause == fault.CauseConnectionRefused {
				out[len(out)-1] = "the host answers a ping in " + mono.Words(time.Duration(e.Took)) + ": it is up"
			}
		} else if p.Evidence.End == fault.Timeout {
			out = append(out, "a ping has no answer either")
		}
	}
	if h := lastHop(p.Hops); h != nil && !p.Hops[len(p.Hops)-1].Reached {
		out = append(out, fmt.Sprintf("the last host on the way that answers is %s, hop %d; nobody does behind it", h.From, h.TTL))
	} else if len(p.Hops) > 0 && p.Hops[0].From == "" {
		out = append(out, "no router on the way says anything")
	}
	return out
}

// lastHop gives the last hop that answered.
func lastHop(hops []Hop) *Hop {
	for i := len(hops) - 1; i >= 0; i-- {
		if hops[i].From != "" {
			return &hops[i]
		}
	}
	return nil
}

// judgeExchange: the main request broke.
func judgeExchange(w *Walk) *finding {
	x := w.main()
	if x == nil || !x.broken() {
		return nil
	}
	f := ofExchange(x)
	refineTLS(w, f)
	refineSilence(w, f)
	refinePlain(w, f)
	refineSpoke(w, f)
	refineSpeaks(w, f)
	refineH2(w, f)
	refineFilter(w, f)
	refineHungUp(w, f)
	if p := w.pathTo(f.evidence.Addr); p != nil && x.Evidence.End == fault.Reset {
		f.resetFrom(p)
	}
	return f
}

// pathTo is the path to an address that was asked, nil where it is not known.
func (w *Walk) pathTo(address string) *Path {
	for _, p := range w.Path {
		if p.Address == address {
			return p
		}
	}
	if len(w.Path) == 1 {
		return w.Path[0]
	}
	return nil
}

// waitedOut says behind the time of a sentence that it is the probe's own, and what follows of causes after that.
func waitedOut(sentence string) string {
	const own = ", which is as long as this probe waits"
	if what, why, found := strings.Cut(sentence, ": "); found {
		return what + own + ": " + why
	}
	return sentence + own
}

// resetFrom tells a reset that something nearer than the server sent in its name.
func (f *finding) resetFrom(p *Path) {
	n := p.TTL.nearer()
	if n == 0 {
		return
	}
	of := "its SYN-ACK"
	if p.TTL.Ping {
		of = "its reply to a ping"
	}
	f.proof = append(f.proof, fmt.Sprintf("the reset came with a TTL of %d, %s with %d: something %s nearer than the server sent it, a firewall or another middlebox", p.TTL.Reset, of, p.TTL.Answer, words.Count(n, "hop")))
	if p.Evidence.End == fault.Refused {
		f.sentence = fmt.Sprintf("the connection to %s was refused by something %s nearer than the server: a firewall or another middlebox", p.Address, words.Count(n, "hop"))
	}
	f.advice = append(f.advice, "Look at the firewalls and load balancers on the way to "+p.Address+" before the server: the reset is not its own.")
}

// ofExchange is the finding about one exchange that broke.
func ofExchange(x *Exchange) *finding {
	e := x.Evidence
	f := &finding{cause: x.Cause, evidence: e}
	f.proof = append(f.proof, fmt.Sprintf("stage %s ended by %s after %s: %d bytes sent, %d received, on a %s connection",
		e.Stage, e.End, mono.Words(spent(e)), e.Sent, e.Got, map[bool]string{true: "kept", false: "fresh"}[e.Reused]))
	switch {
	case e.End == fault.Alert:
		f.proof[0] = fmt.Sprintf("the server sent the alert %d, %s", e.Alert, fault.AlertName(e.Alert))
		if e.Stage > fault.TLS {
			f.proof[0] += ", after the handshake"
		}
	case x.Caret != nil && x.Caret.Rule != "":
		f.proof = append(f.proof, x.Caret.Rule+": "+x.Caret.Line)
	case len(e.Sample) > 0:
		f.proof = append(f.proof, "the first bytes are "+firstLine(e.Sample)+", as of "+fault.Recognise(e.Sample).String())
	}
	if e.Size > 0 && e.Limit > 0 {
		f.proof = append(f.proof, fmt.Sprintf("%s %d of at most %d", e.Field, e.Size, e.Limit))
	}
	if e.Stage == fault.Body && e.Declared > 0 {
		f.proof = append(f.proof, fmt.Sprintf("Content-Length announces %d bytes, and %d came", e.Declared, e.Body))
	}
	return f
}

// spent is how long the stage took that an attempt ended in.
func spent(e *fault.Evidence) time.Duration {
	if int(e.Stage) >= fault.Stages {
		return 0
	}
	if e.Stage == fault.FirstByte {
		return e.Spent[fault.Write] + e.Spent[fault.FirstByte]
	}
	return e.Spent[e.Stage]
}

// refineSilence tells large packets that vanish from a server that thinks.
func refineSilence(w *Walk, f *finding) {
	e := f.evidence
	if e.End != fault.Timeout || e.Stage < fault.TLS {
		return
	}
	p := w.goodPath()
	hole := p != nil && p.MTU != nil && p.MTU.Vanished > 0 && p.MTU.Passed > 0
	clamped := w.HTTP.Clamped
	passes := clamped != nil && clamped.Status != 0
	if clamped != nil && !passes {
		hole = false // small packets fare no better: it is not about their size
	}
	if !hole && !passes {
		return
	}
	f.cause, f.kind = fault.CauseConnectionLost, fault.TypeConnectionReadTimeout
	f.sentence = "large packets vanish on the way to " + w.Target.label() + ", and nobody says so (a path MTU black hole)"
	if hole {
		f.proof = append(f.proof, fmt.Sprintf("pings of %d bytes are answered, those of %d are not, and no router says why", p.MTU.Passed, p.MTU.Vanished))
	}
	if passes {
		f.proof = append(f.proof, fmt.Sprintf("with segments of %d bytes the same request is answered %d in %s", smallSegments, w.HTTP.Clamped.Status, mono.Words(time.Duration(w.HTTP.Clamped.Took))))
	}
	f.confidence = Likely
	if passes {
		f.confidence = Certain
	}
	f.advice = append(f.advice,
		"Let ICMP 3/4 (fragmentation needed) through the firewalls on the way, or clamp the segment size: iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
		"Set the MTU of the tunnel or overlay right at both of its ends.")
}

// refineSpoke tells a server that greets, or closes, before it is asked: its octets may have come before ours were written.
func refineSpoke(w *Walk, f *finding) {
	s := w.HTTP.Spoke
	if s == nil || f.evidence.End != fault.Timeout || f.evidence.Got > 0 || f.cause == fault.CausePlainToTLSPort {
		return
	}
	e := *f.evidence // as the same connection would have had it, read in time
	e.Timer, e.After = fault.TimerNone, 0
	switch {
	case s.First != "":
		e.Stage, e.End, e.Rule, e.Sample, e.Got = fault.Head, fault.Malformed, fault.RuleNotHTTP, s.sample, int64(len(s.sample))
		f.proof = append(f.proof, "before it is asked anything, the server says "+s.First)
	case s.Reset:
		e.End = fault.Reset
		f.proof = append(f.proof, "the server resets a connection before it is asked anything")
	case s.Closed:
		e.End = fault.Closed
		f.proof = append(f.proof, "the server closes a connection before it is asked anything")
	default:
		return
	}
	e.Spent[fault.Write], e.Spent[fault.FirstByte] = 0, 0
	f.cause, f.evidence = fault.Classify(&e).Cause, &e
}

// refineFilter tells a filter that ends connections by what else it lets through.
func refineFilter(w *Walk, f *finding) {
	if f.evidence.Stage < fault.Write || f.evidence.Stage > fault.Head || f.evidence.End == fault.Malformed {
		return
	}
	ok := func(x *Exchange) bool { return x.answered() && !x.broken() && x.Status < 400 }
	if w.Again != nil && w.Again.Pattern != Always {
		return // it comes and goes by itself
	}
	h := w.HTTP
	switch {
	case ok(h.Bare):
		f.proof = append(f.proof, fmt.Sprintf("the same request without its query is answered %d", h.Bare.Status))
	case ok(h.Browser) && !ok(h.Head):
		f.proof = append(f.proof, fmt.Sprintf("the same request with a browser's user agent is answered %d", h.Browser.Status))
	default:
		return
	}
	f.cause, f.kind, f.confidence = fault.CauseContentFilter, fault.TypeNone, Likely
	f.sentence = "a filter at " + w.Target.label() + " swallows or ends this request, and lets others pass"
}

// refineHungUp: a connection that ends without an octet each time is a crashed application's, and as well that of any proxy of TCP or
// TLS that cannot reach what is behind it.
func refineHungUp(w *Walk, f *finding) {
	e := f.evidence
	if f.confidence != 0 || e.Got > 0 || e.Reused || e.Stage < fault.Write || e.End != fault.Closed && e.End != fault.Reset || f.cause != fault.CauseClosedBeforeAnswer && f.cause != fault.CauseResetBeforeAnswer {
		return
	}
	if w.Again != nil && w.Again.Pattern != Always {
		return // a proxy's dead backend does not come back at once
	}
	if p := w.pathTo(e.Addr); p != nil && p.TTL.nearer() != 0 {
		return // it was neither
	}
	f.confidence = Likely
	f.missing = append(f.missing, "whether a proxy of TCP or TLS listens there (stunnel, hitch, HAProxy with mode tcp, nginx's stream): one that cannot reach its backend ends the connection just so")
}

// judgeAgain: it went well once, and failed later.
func judgeAgain(w *Walk) *finding {
	x := w.Again.worst()
	if x == nil {
		return nil
	}
	var f *finding
	if x.broken() {
		f = ofExchange(x)
	} else {
		f = ofAnswer(w, x)
	}
	if f == nil && !failed(x) {
		f = &finding{
			cause: fault.CauseUpstreamStatus, confidence: Likely, sentence: fmt.Sprintf("%s answers the same request with %d and with %d: the servers behind it do not agree", w.Target.label(), w.main().Status, x.Status),
			advice: []string{"Ask each server behind it straight (--upstream): one of them is of another release, or lacks the route."},
		}
	}
	if f == nil {
		return nil
	}
	f.evidence = x.Evidence
	if x.Evidence.Stage == fault.Dial && x.Evidence.End == fault.Timeout {
		f.advice = append(f.advice, "Only new connections fail: look for a limit on them (a firewall's SYN rate limit, conntrack, an accept queue that overflows) and for loss.")
	}
	f.proof = append(f.proof, fmt.Sprintf("%d of %d requests failed; the first was answered %d", w.Again.Failed, w.Again.Asked, w.main().Status))
	if w.Again.Pattern == KeptOnly && x.Reused {
		f.proof = append(f.proof, "fresh connections are always answered, kept ones never")
		if f.cause != fault.CauseKeepaliveRace && (x.Evidence.End == fault.Closed || x.Evidence.End == fault.Reset) && x.Evidence.Got == 0 {
			f.cause, f.kind = fault.CauseKeepaliveRace, fault.TypeConnectionTerminated
		}
	}
	return f
}

// judgeAddresses: some address of the name fails, and others do not.
func judgeAddresses(w *Walk) *finding {
	for _, p := range w.Path {
		if p.Cause != fault.CauseNone && !p.NoFamily {
			f := ofPath(p)
			f.pattern = fmt.Sprintf("only on %s, one of %d addresses", p.Address, len(w.Path))
			f.finish(w)
			f.sentence += fmt.Sprintf(", 1 of %d addresses of %s", len(w.Path), w.Target.Host)
			f.ruled = passed(w, fault.Done)
			return f
		}
	}
	if w.Again == nil {
		return nil
	}
	for _, a := range w.Again.Addresses {
		if !a.Failed {
			continue
		}
		f := &finding{cause: a.Cause, confidence: Certain}
		if f.cause == fault.CauseNone {
			f.cause = fault.CauseUpstreamStatus
		}
		bad := 0
		for _, other := range w.Again.Addresses {
			if other.Failed {
				bad++
			}
		}
		f.sentence = fmt.Sprintf("%s fails, and the other addresses of %s do not: %d of %d", a.Address, w.Target.Host, bad, len(w.Again.Addresses))
		f.proof = append(f.proof, fmt.Sprintf("asked straight, %s answers %d (%s)", a.Address, a.Status, f.cause))
		f.pattern = w.Again.Words()
		return f
	}
	return nil
}
