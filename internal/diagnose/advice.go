package diagnose

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// adviceMax is how many pieces of advice a verdict has: more are not read.
const adviceMax = 5

// advise completes the verdict's advice: first what fits these facts, then what to type, then the stack's own directives and
// the catalogue's words. A cause that is not known has none of its own there: what would tell it is in the verdict.
func advise(r *Report, of func(On) []string) {
	v := &r.Verdict
	if v.Healthy {
		return
	}
	list := slices.Clone(v.Advice)
	c := command(r, v)
	if c != "" {
		list = append(list, c)
	}
	general := v.Cause.Entry().Advice
	further := general
	switch {
	case v.alone, v.Cause == fault.CauseUnknown:
		further = nil
	case of != nil:
		further = inOrder(of(r.on(v)), general, v.Family)
	}
	for _, line := range further {
		if !saysTheSame(c, line) {
			list = append(list, line)
		}
	}
	v.Advice = list[:min(len(list), adviceMax)]
}

// saysTheSame reports whether a general line has one type what the command has already, with this address in it.
func saysTheSame(command, line string) bool {
	i := strings.LastIndex(command, ": ")
	if i < 0 || strings.Contains(line, "   # ") {
		return false
	}
	tool, _, _ := strings.Cut(command[i+2:], " ")
	return strings.Contains(line, ": "+tool+" ")
}

// command is what to type next, as a sentence with the command in it; empty where nothing fits.
func command(r *Report, v *Verdict) string {
	w := r.blamed(v)
	host, port, _ := net.SplitHostPort(v.At)
	if w != nil && w.Target.Host != "" {
		host, port = w.Target.Host, w.Target.Port
	}
	if w != nil {
		switch p := w.worstPath(); {
		case w.main().answered() && (p == nil || p.Cause == fault.CauseNone):
			return "" // its answer tells of somebody behind it, whose address is not known
		case p != nil && p.Cause != fault.CauseNone && w.goodPath() != nil:
			host, port, _ = net.SplitHostPort(p.Address) // the one address of several that fails
		}
	}
	switch v.Cause {
	case fault.CauseConnectionRefused:
		if w != nil && w.Target.Network == "unix" {
			return fmt.Sprintf("Start what is to listen at %s, or correct the path%s; which sockets there are: ss -lxp", w.Target.label(), placeOf(w))
		}
		on := ""
		if !local(host) && host != "localhost" {
			on = " (on " + host + ")"
		}
		return fmt.Sprintf("Start what is to listen at %s, or correct the port%s; what listens there%s: ss -ltnp 'sport = :%s'", net.JoinHostPort(host, port), placeOf(w), on, port)
	case fault.CauseConnectTimeout, fault.CauseKernelConnectTimeout:
		return fmt.Sprintf("On %s, see whether SYNs arrive: tcpdump -ni any 'tcp port %s and tcp[13] & 2 != 0'", host, port)
	case fault.CauseHostUnreachable, fault.CauseNetworkUnreachable:
		return fmt.Sprintf("See which way this machine takes, and give it a route if there is none: ip route get %s", addressOf(w, host))
	case fault.CauseDNSNXDomain, fault.CauseDNSNoData, fault.CauseDNSServFail, fault.CauseDNSRefused, fault.CauseDNSBogus:
		if w != nil && w.Name != nil {
			return fmt.Sprintf("Ask the name server by hand: dig %s @%s", w.Name.Host, hostOf(w.Name.dns().Server))
		}
	case fault.CauseTLSCertificateExpired, fault.CauseTLSCertificateNotYetValid, fault.CauseTLSCertificateWrongName, fault.CauseTLSCertificateUnknownAuthority, fault.CauseTLSCertificateSelfSigned:
		if w != nil {
			return fmt.Sprintf("See the chain: openssl s_client -connect %s -servername %s -showcerts </dev/null", w.Target.label(), w.Target.ServerName)
		}
	}
	return ""
}

// placeOf says where a configuration names a target, in brackets and after a space; nothing where that is not known.
func placeOf(w *Walk) string {
	if w == nil || w.Target.Place == nil {
		return ""
	}
	return fmt.Sprintf(" (%s:%d)", w.Target.Place.File, w.Target.Place.Line)
}

// blamed is the walk that the verdict is about.
func (r *Report) blamed(v *Verdict) *Walk {
	for _, w := range append([]*Walk{r.Walk}, r.Upstreams...) {
		if w != nil && w.Target.label() == v.At {
			return w
		}
	}
	return nil
}

// addressOf is the address that a name led to.
func addressOf(w *Walk, host string) string {
	if w != nil && len(w.Path) > 0 {
		return hostOf(w.Path[0].Address)
	}
	return host
}

// inOrder puts the catalogue's first word before a product's directives where the upstream is what must change: a directive of
// the gateway then only hides it.
func inOrder(list, general []string, f fault.Family) []string {
	if f != fault.FamilyApplication && f != fault.FamilyNetwork && f != fault.FamilyMaintenance {
		return list
	}
	for i, line := range list {
		if slices.Contains(general, line) {
			return slices.Concat(list[i:i+1], list[:i], list[i+1:])
		}
	}
	return list
}
