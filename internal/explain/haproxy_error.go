package explain

import (
	"bytes"
	"syscall"

	"github.com/whygate/whygate/internal/fault"
)

var haproxyError = &Format{
	begins: "[SHBbpCPNRL", common: true, marks: []string{" changed its IP from ", "Server ", "Backup Server ", "Health check for server ", "Connect() failed for backend ", "has no server available!"},
	Name:    "haproxy-error",
	Title:   "HAProxy error and event log",
	Product: "haproxy",
	Gives:   "Failed handshakes of clients, health checks that took a server down or up, exhausted ports, reloads.",
	Lacks:   "It tells of no request.",
	Better:  "# haproxy.cfg, in defaults: option httplog, and option log-health-checks",
	Parse: func(e *Entry, line []byte) bool {
		if starts(line, "[") {
			alert := starts(line, "[ALERT]")
			if n, _, ok := readUint(between(line, "(", ")")); ok {
				e.Process = uint64(n)
			}
			if line = haproxyLeader(line); line == nil {
				return false
			}
			switch {
			case judgeHAProxyEvent(e, line):
			case alert && (has(line, "parsing [") || has(line, "atal errors found") || has(line, "config : ")) && !has(line, "could not resolve"):
				e.Said = line
				e.fail(ByGateway, fault.Select, fault.Misconfigured)
			default:
				e.Kind, e.Said, e.unruled = KindNoise, line, alert
			}
			return true
		}
		return judgeHandshake(e, line) || judgeHAProxyEvent(e, line)
	},
}

// haproxyLeader takes off "[WARNING]  (123) : " or "[WARNING] 036/121412 (123) : ", which HAProxy writes on a terminal;
// nil where there is none.
func haproxyLeader(line []byte) []byte {
	for _, level := range [...]string{"[NOTICE]", "[WARNING]", "[ALERT]"} {
		if !starts(line, level) {
			continue
		}
		i := indexText(line, ") : ")
		if i < 0 || i > 40 {
			return nil
		}
		return line[i+4:]
	}
	return nil
}

// judgeHandshake reads the short log of a session that never became a request: CLIENT:PORT [DATE] FRONTEND/BIND: MESSAGE.
func judgeHandshake(e *Entry, line []byte) bool {
	open := bytes.IndexByte(line[:min(len(line), 64)], '[')
	if open < 4 || line[open-1] != ' ' || !isDigit(line[0]) && line[0] != ':' && line[0] != 'f' && line[0] != 'u' {
		return false
	}
	at, rest, ok := haproxyClock(line[open+1:])
	if !ok || !starts(rest, "] ") {
		return false
	}
	name, message, ok := bytes.Cut(rest[2:], []byte(": "))
	if !ok || bytes.IndexByte(name, '/') < 0 || bytes.IndexByte(name, ' ') >= 0 {
		return false
	}
	e.Time, e.Client, e.Said = at, withoutPort(line[:open-1]), message
	client(e, ByClient, fault.Receive, fault.Closed)
	if has(message, "SSL handshake") {
		e.Evidence.Rule = fault.RuleTLSHandshake
	} else if has(message, "imeout") {
		client(e, ByClient, fault.Receive, fault.Timeout)
		e.Evidence.Timer = fault.TimerRequest
	}
	return true
}

// judgeHAProxyEvent reads what HAProxy says of servers, of itself and of its processes.
func judgeHAProxyEvent(e *Entry, m []byte) bool {
	e.Said = m
	e.Kind = KindNoise
	switch {
	case starts(m, "Server ") || starts(m, "Health check for server "), starts(m, "Backup Server "):
		return judgeHAProxyServer(e, m)
	case (starts(m, "backend ") || starts(m, "proxy ")) && ends(m, "has no server available!"):
		e.fail(ByGateway, fault.Select, fault.Unavailable)
		_, rest, _ := cutSpaced(m)
		e.Upstream = bytes.Trim(upTo(rest, ' '), "'")
	case starts(m, "Connect() failed for backend "):
		e.fail(ByGateway, fault.Dial, fault.Exhausted)
		e.Evidence.Errno = syscall.EADDRNOTAVAIL
		if has(m, "no free ports") {
			return true
		}
		e.Evidence.Errno = syscall.EMFILE
	case has(m, " changed its IP from "):
		return bytes.IndexByte(upTo(m, ' '), '/') > 0
	case starts(m, "Proxy ") && (has(m, "reached system FD limit") || has(m, "reached process FD limit") || has(m, "reached the configured maxconn")):
		e.fail(ByGateway, fault.Receive, fault.Exhausted)
		e.Evidence.Errno = syscall.EMFILE
	case starts(m, "Proxy ") && ends(m, " started."), starts(m, "New worker ") && has(m, "forked"):
		e.Marker = MarkerStart
	case starts(m, "Stopping ") && (has(m, "proxy") || has(m, "frontend") || has(m, "backend")), starts(m, "Proxy ") && has(m, " stopped"):
		e.Marker = MarkerStop
	case starts(m, "Reexecuting Master process"), starts(m, "Reloading HAProxy"), starts(m, "Loading success"):
		e.Marker = MarkerReload
	default:
		return false
	}
	return true
}

// judgeHAProxyServer reads "Server B/S is DOWN, reason: Layer4 connection problem, info: "Connection refused", ...".
func judgeHAProxyServer(e *Entry, m []byte) bool {
	rest, ok := after(m, "erver ")
	if !ok {
		return false
	}
	e.Upstream, _ = cutField(rest)
	e.Upstream = bytes.Trim(e.Upstream, ",'")
	if bytes.IndexByte(e.Upstream, '/') < 0 {
		return false
	}
	reason, failed := after(m, "reason: ")
	switch {
	case has(m, " is UP"), has(m, " succeeded"), has(m, "is READY"), has(m, "administratively READY"), has(m, " is stopping"), has(m, "changed its IP"):
		return true
	case has(m, "maintenance"), has(m, "MAINT"):
		if has(m, "DNS") || has(m, "resolution") || has(m, "No IP") {
			e.fail(ByGateway, fault.Resolve, fault.NoAddress)
			e.may(fault.CauseDNSError, fault.CauseDNSNXDomain, fault.CauseDNSTimeout)
		}
		return true
	case !failed || !has(m, " is DOWN") && !has(m, " failed"):
		return has(m, " is DOWN") || failed
	}
	judgeCheck(e, reason)
	return true
}

// judgeCheck reads why a health check failed: the layer that it came to, and what the kernel or TLS said there.
func judgeCheck(e *Entry, reason []byte) {
	switch {
	case starts(reason, "Layer4 timeout"), starts(reason, "Layer4 unknown timeout"):
		e.fail(ByGateway, fault.Dial, fault.Timeout)
		e.Evidence.Timer = fault.TimerConnect
	case starts(reason, "Layer4"):
		e.fail(ByGateway, fault.Dial, fault.Refused)
		if errno := errnoIn(reason); errno != 0 {
			e.errno(errno)
		} else {
			e.may(haproxyRefusedCauses...)
		}
	case starts(reason, "Layer6 timeout"):
		e.fail(ByGateway, fault.TLS, fault.Timeout)
	case starts(reason, "Layer6"):
		blameTLS(e, reason, fault.TLS)
		e.nameless()
	case starts(reason, "Layer7 timeout"):
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.Evidence.Timer = fault.TimerHead
	case starts(reason, "Layer7 wrong status"):
		e.originSaid(500)
		if rest, ok := after(reason, "code: "); ok {
			n, _, _ := readUint(rest)
			if n >= 500 && n < 600 {
				e.Evidence.Status = int(n)
			} else {
				e.told(ByOrigin, fault.CauseApplicationError)
			}
		}
	case starts(reason, "Layer7"):
		e.fail(ByGateway, fault.Head, fault.Malformed)
	default:
		e.told(ByGateway, fault.CauseNobodyAvailable)
	}
}
