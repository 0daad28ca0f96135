package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/words"
)

// The rows of a walk: one line each, as a person reads them. What comes from outside in them is not made safe to print.

func nameStep(n *Name) Step {
	s := Step{Name: "name", Took: n.Took, Cause: n.Cause}
	switch {
	case n.Cause != fault.CauseNone:
		s.Mark, s.Text = Failed, nameFailure(n)
		return s
	case n.Disagree:
		s.Mark, s.Text = Noted, "the name servers disagree: "
	case n.HostsDiffer:
		s.Mark, s.Text = Noted, "the hosts file differs from DNS: "
	}
	s.Text += n.Host + " is " + words.List(n.Addresses, 3)
	if len(n.HostsFile) > 0 {
		s.Text += " (hosts file)"
	} else if a := n.counts(); a != nil && a.Answered {
		if len(a.Aliases) > 0 {
			s.Text += ", an alias of " + a.Aliases[len(a.Aliases)-1]
		}
		s.Text += fmt.Sprintf(" (TTL %d s)", a.TTL)
	}
	return s
}

// nameFailure says how a name failed, in a few words.
func nameFailure(n *Name) string {
	d := n.dns()
	switch {
	case n.NoServer:
		return n.Host + ": no name server is configured"
	case n.Sinkhole:
		return n.Host + " is " + words.List(n.Addresses, 3) + ", which leads nowhere"
	case !d.Answered && n.counts() != nil && n.counts().errno != 0:
		return d.Server + " cannot be asked: " + n.counts().Errno
	case !d.Answered:
		return d.Server + " did not answer for " + n.Host
	}
	text := d.Server + " says " + fault.RCodeName(d.RCode) + " for " + n.Host
	if d.RCode == 0 {
		text = d.Server + " has no address for " + n.Host
	}
	if d.EDE >= 0 {
		text += ", " + strings.ToLower(fault.EDEName(d.EDE))
	}
	return text
}

func pathStep(w *Walk) Step {
	s := Step{Name: "path"}
	var good, bad []string
	for _, p := range w.Path {
		s.Took = max(s.Took, p.Took)
		if p.Cause == fault.CauseNone {
			good = append(good, p.Address)
			continue
		}
		bad = append(bad, p.Address+" "+pathFailure(p))
		s.Cause = w.worstPath().Cause
	}
	switch {
	case len(bad) == 0:
		s.Text = "connected to " + words.List(good, 3)
	case len(good) == 0:
		s.Mark, s.Text = Failed, strings.Join(bad, "; ")
	default:
		s.Mark, s.Text = Failed, strings.Join(bad, "; ")+"; connected to "+words.List(good, 3)
		if w.onlyMissingFamily() {
			s.Mark, s.Cause = Noted, fault.CauseNone
		}
	}
	return s
}

// pathFailure says how connecting failed, in a few words.
func pathFailure(p *Path) string {
	switch {
	case p.NoFamily:
		return "not tried: this machine has no IPv6 route"
	case p.ICMP != nil:
		return "is answered by " + p.ICMP.String()
	case p.Neighbour == neighbourFailed:
		return "has no machine on this link: no ARP answer"
	case p.Queue != nil && p.Queue.Length > p.Queue.Max:
		return fmt.Sprintf("takes no connection: %d wait in a queue of %d", p.Queue.Length, p.Queue.Max)
	case p.Evidence.End == fault.Timeout:
		return "does not answer"
	}
	words := map[fault.Cause]string{
		fault.CauseConnectionRefused: "refused", fault.CauseNetworkUnreachable: "has no route", fault.CauseHostUnreachable: "is unreachable",
		fault.CauseSocketMissing: "is not there", fault.CauseSocketPermission: "may not be opened", fault.CauseSocketBacklogFull: "has a full backlog",
	}[p.Cause]
	if words == "" {
		words = "failed"
	}
	if p.Evidence.Errno != 0 {
		words += " (" + fault.ErrnoName(p.Evidence.Errno) + ")"
	}
	return words
}

func tlsStep(w *Walk) Step {
	t := w.TLS
	s := Step{Name: "tls", Took: t.Took}
	e := w.HTTP.Main.Evidence
	if e.Stage == fault.TLS && e.End != fault.Completed || e.End == fault.Alert {
		s.Mark, s.Cause = Failed, w.HTTP.Main.Cause
		s.Text = fault.Fault{Cause: s.Cause}.Title()
		if e.End == fault.Alert {
			s.Text += " (alert " + fault.AlertName(e.Alert) + ")"
		}
		if t.Problem != "" && e.End == fault.Untrusted {
			s.Text = strings.TrimPrefix(t.Problem, "x509: ")
		}
		return s
	}
	s.Text = t.Version + ", " + t.ALPN
	if t.ALPN == "" {
		s.Text = t.Version + ", no ALPN"
	}
	switch {
	case !t.Trusted && t.Problem != "":
		s.Mark = Noted
		s.Text += ", not trusted: " + strings.TrimPrefix(t.Problem, "x509: ")
	case len(t.Chain) > 0:
		s.Text += ", valid for " + t.ServerName + fmt.Sprintf(" for %d days", t.DaysLeft)
		if t.DaysLeft < expirySoon {
			s.Mark = Noted
		}
	}
	return s
}

func httpStep(w *Walk) Step {
	h := w.HTTP
	x := h.Main
	s := Step{Name: "http", Took: x.Took, Cause: x.Cause}
	if x.Evidence.Stage < fault.Write && x.Evidence.End != fault.Completed {
		s.Mark, s.Text = Left, "not reached"
		return s
	}
	if x.broken() {
		s.Mark, s.Text = Failed, fault.Fault{Cause: x.Cause}.Title()
		if x.Status != 0 {
			s.Text = fmt.Sprintf("%d, and then: %s", x.Status, lowerFirst(s.Text))
		}
		return s
	}
	s.Text = fmt.Sprintf("%s: %d in %s, %s", x.Method, x.Status, mono.Words(time.Duration(x.FirstByte)), size(x.BodySize))
	if server := x.field("Server"); server != "" {
		s.Text += ", Server: " + server
	}
	switch {
	case x.Status >= 500 || x.Status == 429:
		s.Mark = Failed
	case h.Loop != "":
		s.Mark, s.Text = Failed, fmt.Sprintf("%d, and round in a circle to %s", x.Status, h.Loop)
	case x.Status >= 400:
		s.Mark = Noted
	case isRedirect(x):
		s.Text += ", to " + redact.URL(x.field("Location"))
	}
	return s
}

func againStep(w *Walk) Step {
	a := w.Again
	s := Step{Name: "again", Text: a.Words()}
	for _, x := range a.Exchanges {
		s.Took += x.Took
		if failed(x) && s.Cause == fault.CauseNone {
			s.Cause = x.Cause
		}
	}
	switch a.Pattern {
	case Never:
		s.Text = fmt.Sprintf("%d of %d requests are answered alike", a.Asked, a.Asked)
		if slices.ContainsFunc(a.Exchanges, func(x *Exchange) bool { return x.Reused }) {
			s.Text += ", on fresh and kept connections"
		}
	default:
		s.Mark, s.Text = Failed, "it fails "+s.Text
	}
	return s
}

func idleStep(i *Idle) Step {
	s := Step{Name: "idle", Took: i.Waited}
	switch {
	case i.Error != "":
		s.Mark, s.Text = Noted, i.Error
	case i.Closed && i.Waited == 0:
		s.Text = "the server keeps no connection"
	case i.Closed:
		s.Text = "the server closes an idle connection after " + mono.Words(time.Duration(i.Waited)) + ": keep it for less"
	default:
		s.Text = "an idle connection is still open after " + mono.Words(time.Duration(i.Waited))
	}
	return s
}

func saidStep(r *Report) Step {
	s := Step{Name: "said by", Text: r.Said}
	if s.Text == "" {
		s.Mark, s.Text = Noted, "the answer does not show who made it"
	}
	return s
}

func hereStep(h *Here) Step {
	s := Step{Name: "here", Text: h.Proxy}
	if h.PID != 0 {
		s.Text += fmt.Sprintf(" (process %d)", h.PID)
	}
	s.Text += " listens here"
	if len(h.Upstreams) > 0 {
		s.Text += ", with " + words.Count(len(h.Upstreams), "upstream") + " for this URL"
	}
	return s
}

// upstreamStep tells of an upstream's whole walk in one row.
func upstreamStep(w *Walk) Step {
	s := Step{Name: "upstream", Of: w.Target.label()}
	f := judgeWalk(w)
	if x := w.main(); x != nil {
		s.Took = x.Took
	} else if len(w.Path) > 0 {
		s.Took = w.worstPath().Took
	} else if w.Name != nil {
		s.Took = w.Name.Took
	}
	if f != nil {
		s.Mark, s.Cause, s.Text = Failed, f.cause, lowerFirst(fault.Fault{Cause: f.cause}.Title())
		if f.pattern != "" {
			s.Text += ", " + f.pattern
		}
		return s
	}
	if x := w.main(); x != nil {
		s.Text = fmt.Sprintf("straight to it: %d in %s", x.Status, mono.Words(time.Duration(x.FirstByte)))
	}
	return s
}

// main is the main request, nil where it was not made.
func (w *Walk) main() *Exchange {
	if w.HTTP == nil {
		return nil
	}
	return w.HTTP.Main
}

// onlyMissingFamily reports whether the only addresses that failed are of a family that this machine does not have.
func (w *Walk) onlyMissingFamily() bool {
	some, good := false, false
	for _, p := range w.Path {
		switch {
		case p.Cause == fault.CauseNone:
			good = true
		case p.NoFamily:
			some = true
		default:
			return false
		}
	}
	return some && good
}

func lowerFirst(s string) string {
	if len(s) < 2 || s[1] >= 'A' && s[1] <= 'Z' { // TLS, HTTP
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
