package explain

import (
	"bytes"
	"syscall"

	"github.com/whygate/whygate/internal/fault"
)

// What Apache's words may stand for beside the first.
var (
	apacheClosedCauses = []fault.Cause{
		fault.CauseClosedBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseWorkerTimeout, fault.CauseWorkerKilled, fault.CauseWorkerCrashed,
	}
	apacheBackendCauses   = []fault.Cause{fault.CauseConnectionRefused, fault.CauseConnectTimeout, fault.CauseHostUnreachable}
	apacheHandshakeCauses = []fault.Cause{fault.CauseTLSProtocolError, fault.CauseTLSCertificateUntrusted, fault.CauseTLSHandshakeClosed, fault.CauseTLSToPlainPort}
)

// judgeProxy reads the numbers of mod_proxy and its protocols (modules/proxy in httpd).
func (l *apacheLine) judgeProxy(e *Entry) bool {
	switch l.code {
	case 957, 2454: // attempt to connect to ... failed
		l.judgeConnect(e)
	case 1114, 896, 974, 1079: // failed to make connection to backend: the request's line beside 957's, for HTTP, AJP, SCGI, FastCGI
		e.Again = true
		e.fail(ByGateway, fault.Dial, fault.Refused)
		e.may(apacheBackendCauses...)
		l.peer(e, "backend: ")
	case 952:
		e.fail(ByGateway, fault.Dial, fault.Exhausted)
		e.Evidence.Errno = syscall.EMFILE
	case 1102, 992, 1075, 878, 1084, 1097, 10292, 1030, 1067:
		l.judgeExchange(e)
	case 898:
		l.judgeReturned(e)
	case 1106, 10404, 10124, 2475, 2476, 1110, 1107:
		l.judgeResponse(e)
	case 941, 934, 940, 959, 1167, 1170, 1171:
		l.judgeWorkers(e)
	case 916, 917:
		client(e, ByGateway, fault.Select, fault.Denied)
	case 2428, 2429, 2430: // what of the head may not be sent on: modules/http
		e.fail(ByGateway, fault.Head, fault.Malformed)
		e.Evidence.Rule = fault.RuleFieldName
	case 3408: // octets on an idle connection: it may be no more than a 408 on its end, and nobody was given them
	case 1071, 1072: // Got error '...' from FastCGI: PHP's standard error
		judgePHP(e, l.message)
	case 1068: // a bogus version: what answers is no FastCGI
		told(e, ByGateway, fault.Head, fault.Malformed, fault.CauseWrongService)
	case 1144, 1961: // no protocol handler for the URL; SSL proxy requested but not enabled
		e.fail(ByGateway, fault.Select, fault.Misconfigured)
	case 2609:
		client(e, ByClient, fault.Receive, fault.Closed)
	default:
		return false
	}
	return true
}

// judgeConnect reads the errno of connecting to a worker.
func (l *apacheLine) judgeConnect(e *Entry) {
	l.peer(e, "connect to ")
	if len(e.Upstream) == 0 {
		l.peer(e, "connection to backend: ")
	}
	errno := errnoIn(l.errno)
	unix := l.code == 2454 || starts(e.Upstream, "unix:") || starts(e.Upstream, "/") || has(l.message, "Unix domain socket")
	switch {
	case errno != 0:
		blameConnect(e, errno, unix)
	case has(l.errno, "70007"):
		e.fail(ByGateway, fault.Dial, fault.Timeout)
		e.Evidence.Timer = fault.TimerConnect
	default:
		e.fail(ByGateway, fault.Dial, fault.Refused)
		e.may(apacheBackendCauses...)
	}
	if errno == syscall.ETIMEDOUT { // Apache says ETIMEDOUT for its own timer too
		e.Evidence.Errno, e.Evidence.Timer = 0, fault.TimerConnect
		e.may(fault.CauseConnectTimeout, fault.CauseKernelConnectTimeout)
	}
}

// peer takes the worker's address out of the message.
func (l *apacheLine) peer(e *Entry, before string) {
	rest, ok := after(l.message, before)
	if !ok {
		return
	}
	rest = bytes.TrimPrefix(rest, []byte("Unix domain socket "))
	peer, _ := cutField(rest)
	e.Upstream = bytes.TrimRight(peer, ",:")
}

// judgeExchange reads what happened on a connection: the errno tells a reset, a timeout and an end apart.
func (l *apacheLine) judgeExchange(e *Entry) {
	l.peer(e, "remote server ")
	if len(e.Upstream) == 0 {
		l.peer(e, "failed to ")
		if i := bytes.IndexByte(e.Upstream, ':'); i < 0 {
			e.Upstream = nil
		}
	}
	upload := l.code == 1084 || l.code == 1097 || l.code == 10292
	e.Again = l.code == 1097 || l.code == 1102 || l.code == 992 || l.code == 878 // after 1084; after mod_ssl's lines; after 1030
	stage := fault.FirstByte
	if upload {
		stage = fault.Write
		e.Evidence.Upload = true
	}
	errno := errnoIn(l.errno)
	switch {
	case errno == syscall.ETIMEDOUT || has(l.errno, "70007") || has(l.message, "timeout"):
		e.fail(ByGateway, stage, fault.Timeout)
		e.Evidence.Timer = fault.TimerHead
		if upload {
			e.Evidence.Timer = fault.TimerWrite
		}
	case upload && l.code == 1084 && has(l.message, "SSL"), has(l.errno, "20014") && upload:
		e.Again = true
		e.fail(ByGateway, fault.TLS, fault.Malformed)
		e.may(apacheHandshakeCauses...)
	case has(l.errno, "(22)"): // EINVAL: the line was read, and has octets that it may not have
		e.fail(ByGateway, fault.Head, fault.Malformed)
		e.Evidence.Rule = fault.RuleNotHTTP
		e.may(fault.CauseNotHTTP, fault.CauseWrongService, fault.CausePlainToTLSPort)
	case errno == syscall.ECONNRESET || errno == syscall.EPIPE:
		e.fail(ByGateway, stage, fault.Reset)
		e.may(nginxResetCauses...)
		if upload {
			e.may(nginxWriteCauses...)
		}
	default:
		e.fail(ByGateway, stage, fault.Closed)
		e.may(apacheClosedCauses...)
		if l.code == 1030 || l.code == 992 { // AJP connections are kept, and Tomcat ends them when they are idle
			e.suspect(fault.CauseKeepaliveRace, fault.CauseClosedBeforeAnswer, fault.CauseWorkerCrashed)
		}
		if upload {
			e.may(nginxWriteCauses...)
		}
	}
	e.Evidence.Errno = errno
}

// judgeReturned reads AH00898, "REASON returned by /uri": the request's line, of which another line has the errno.
func (l *apacheLine) judgeReturned(e *Entry) {
	if path, ok := after(l.message, " returned by "); ok {
		e.Path, _ = cutField(path)
		e.Path = bytes.TrimRight(e.Path, ",")
	}
	m := l.message
	e.Again = true
	switch {
	case starts(m, "DNS lookup failure for:"):
		e.fail(ByGateway, fault.Resolve, fault.NoAddress)
		rest, _ := after(m, "for: ")
		e.Upstream, _ = cutField(rest)
		e.may(fault.CauseDNSNXDomain, fault.CauseDNSNoData, fault.CauseDNSServFail, fault.CauseDNSTimeout)
		e.Evidence.DNS = &dnsNXDomain
	case starts(m, "Error during SSL Handshake"):
		e.fail(ByGateway, fault.TLS, fault.Malformed)
		e.may(apacheHandshakeCauses...)
	case starts(m, "Error reading from remote server"):
		e.fail(ByGateway, fault.FirstByte, fault.Closed)
		e.may(apacheClosedCauses...)
	case starts(m, "Unexpected Upgrade"):
		e.fail(ByGateway, fault.Head, fault.Malformed)
		e.Evidence.Rule = fault.RuleUnaskedUpgrade
	case has(m, "interim responses"):
		e.fail(ByGateway, fault.Head, fault.TooLarge)
		e.Evidence.Rule = fault.RuleInterimCount
	case has(m, "Corrupt status line"):
		e.fail(ByGateway, fault.Head, fault.Malformed)
		e.Evidence.Rule = fault.RuleStatusLine
	case has(m, "Timeout on 100-Continue"):
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.Evidence.Timer = fault.TimerHead
	case has(m, "Maximum number of open connections") || has(m, "Client body"):
		e.told(ByGateway, fault.CauseOwnLimit)
	default:
		e.told(ByGateway, fault.CauseUnknown)
	}
}

// judgeResponse reads what was wrong with a response.
func (l *apacheLine) judgeResponse(e *Entry) {
	e.fail(ByGateway, fault.Head, fault.Malformed)
	switch l.code {
	case 1106:
		e.Again = true
		e.Evidence.Rule = fault.RuleFieldName
		e.may(fault.CauseBadField, fault.CauseHeadCut, fault.CauseHeadTooLarge)
		if rest, ok := after(l.message, "returned by "); ok {
			e.Path, _ = cutField(rest)
		}
	case 10404:
		l.judgeHead(e)
	case 10124:
		e.Evidence.End, e.Evidence.Rule = fault.TooLarge, fault.RuleFieldSize
	case 2475:
		e.Evidence.Stage, e.Evidence.Rule = fault.Body, fault.RuleChunkSize
	case 2476:
		e.Evidence.Rule = fault.RuleTransferEncoding
	case 1110:
		e.fail(ByGateway, fault.Body, fault.Closed)
		switch errnoIn(l.errno) {
		case syscall.ECONNRESET:
			e.Evidence.End = fault.Reset
		case syscall.ETIMEDOUT:
			e.Evidence.End, e.Evidence.Timer = fault.Timeout, fault.TimerRead
		default:
			switch {
			case has(l.errno, "70007"):
				e.Evidence.End, e.Evidence.Timer = fault.Timeout, fault.TimerRead
			case has(l.errno, "20014"): // APR_EGENERAL: the framing is broken; an end that came too early is 70008
				e.Evidence.End, e.Evidence.Rule = fault.Malformed, fault.RuleChunkSize
				e.suspect(fault.CauseBadChunk, fault.CauseInvalidLength, fault.CauseConflictingLengths, fault.CauseBadTrailer, fault.CauseTLSRecordCorrupt)
			default:
				e.may(bodyCutCauses...)
			}
		}
		e.Again = has(l.errno, "20014") // mod_ssl may have said why
	default:
		e.Kind, e.Evidence = KindNoise, fault.Evidence{}
	}
}

// judgeHead reads why the head could not be read to its end.
func (l *apacheLine) judgeHead(e *Entry) {
	switch {
	case has(l.errno, "70007"):
		e.fail(ByGateway, fault.Head, fault.Timeout)
		e.Evidence.Timer = fault.TimerHead
		e.suspect(fault.CauseSlowHead, fault.CauseHeadTimeout)
	case has(l.errno, "(22)"):
		e.fail(ByGateway, fault.Head, fault.Malformed)
		e.Evidence.Rule = fault.RuleFieldValue
	default:
		e.fail(ByGateway, fault.Head, fault.Closed)
	}
}

// judgeWorkers reads what mod_proxy and mod_proxy_balancer say of workers that are out of service or busy.
func (l *apacheLine) judgeWorkers(e *Entry) {
	if rest, ok := after(l.message, "for ("); ok {
		e.Upstream = upTo(rest, ')')
	}
	switch l.code {
	case 959: // disabling worker for 60 s: it follows the line that says why
		e.Kind = KindNoise
	case 940:
		e.fail(ByGateway, fault.Select, fault.Unavailable)
	case 941, 934:
		e.fail(ByGateway, fault.Select, fault.Limit)
	case 1171:
		e.fail(ByGateway, fault.Select, fault.Unavailable)
		e.Evidence.Rule = fault.RulePoolEmpty
	default:
		e.fail(ByGateway, fault.Select, fault.Unavailable)
		if has(l.message, "balancer://") {
			e.Upstream = upTo(l.message, ' ')
			e.Upstream = bytes.TrimRight(e.Upstream, ":.")
		}
	}
}

// judgeTLS reads mod_ssl's numbers for the proxy's side.
func (l *apacheLine) judgeTLS(e *Entry) bool {
	switch l.code {
	case 0:
		if !starts(l.message, "SSL Library Error:") || string(l.module) != "ssl" {
			return false
		}
		e.Again, e.Bare = true, true // which side it is about, the lines before it tell
		blameTLS(e, l.message, fault.TLS)
		if e.Evidence.End == fault.Malformed && e.Evidence.Told == 0 && e.Evidence.Rule == 0 {
			e.may(apacheHandshakeCauses...)
		}
	case 2276: // of the proxy's side if it is about a remote, of a client's if not
		if !l.remote {
			client(e, ByClient, fault.Receive, fault.Closed)
			return true
		}
		e.fail(ByGateway, fault.TLS, fault.Untrusted)
		e.Evidence.Cert = &certOther
		if rest, ok := after(l.message, "Error ("); ok {
			n, _, _ := readUint(rest)
			e.Evidence.Cert = certificateOf(n)
		}
	case 2003, 1998, 2032:
		e.Again = true
		if l.code != 2003 && !has(l.message, "proxy") && !has(l.message, "Proxy") {
			return false
		}
		blameTLS(e, l.message, fault.TLS)
		if e.Evidence.End == fault.Malformed && e.Evidence.Told == 0 && e.Evidence.Rule == 0 {
			e.may(apacheHandshakeCauses...)
		}
	case 2004:
		e.fail(ByGateway, fault.TLS, fault.Untrusted)
		e.Evidence.Cert = &certExpired
	case 2005, 2411:
		e.fail(ByGateway, fault.TLS, fault.Untrusted)
		e.Evidence.Cert = &certWrongName
	case 2039:
		e.fail(ByGateway, fault.TLS, fault.Untrusted)
		e.Evidence.Cert = &certOther
		if rest, ok := after(l.message, "Certificate Verification: Error ("); ok {
			n, _, _ := readUint(rest)
			e.Evidence.Cert = certificateOf(n)
		}
	case 2268:
		told(e, ByGateway, fault.TLS, fault.Alert, fault.CauseTLSClientCertificateRequired)
	case 10273, 10274:
		told(e, ByGateway, fault.TLS, fault.Malformed, fault.CauseTLSALPN)
	case 2008, 1993, 2041: // a client's handshake
		client(e, ByClient, fault.Receive, fault.Closed)
		e.Evidence.Rule = fault.RuleTLSHandshake
	case 1996: // HTTP spoken on HTTPS port
		client(e, ByGateway, fault.Receive, fault.Malformed)
		e.Evidence.Rule = fault.RulePlainOnTLS
	default:
		return false
	}
	return true
}

// judgeServer reads the core's and the MPM's numbers.
func (l *apacheLine) judgeServer(e *Entry) bool {
	switch l.code {
	case 163, 489, 292: // configured -- resuming normal operations
		e.Marker = MarkerStart
	case 493, 494, 171: // SIGUSR1: graceful restart; SIGHUP: attempting to restart
		e.Marker = MarkerReload
	case 169, 491, 492, 295: // SIGTERM, SIGWINCH: shutting down
		e.Marker = MarkerStop
	case 484, 161, 10159, 485: // server reached MaxRequestWorkers; scoreboard is full
		e.told(ByGateway, fault.CauseOwnLimit)
	case 51, 52, 50: // a child of Apache's own died
		if l.code != 50 && has(l.message, "exit signal") {
			told(e, ByGateway, fault.Select, fault.Bug, fault.CauseInternalError)
		}
	case 1630, 1797, 1617, 1618: // client denied by server configuration; user not found; password mismatch
		client(e, ByGateway, fault.Select, fault.Denied)
	case 127, 128: // there is no such file
		client(e, ByGateway, fault.Receive, fault.Completed)
	case 126, 135:
		client(e, ByGateway, fault.Receive, fault.Malformed)
		e.Evidence.Rule = fault.RuleRequestLine
	case 561, 563:
		e.clientFault(431)
	case 124: // redirects inside of the server beyond the limit
		e.fail(ByGateway, fault.Select, fault.Misconfigured)
	case 1215, 1220, 1232, 1264, 2811, 1276: // CGI: standard error, timeouts, missing scripts
		l.judgeCGI(e)
	default:
		return false
	}
	return true
}

func (l *apacheLine) judgeCGI(e *Entry) {
	switch {
	case l.code == 1220 || l.code == 1232:
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.Evidence.Timer = fault.TimerHead
	case l.code == 1215 && (has(l.message, "Traceback") || has(l.message, "Fatal")):
		told(e, ByOrigin, fault.FirstByte, fault.Completed, fault.CauseApplicationError)
	case l.code == 2811 || l.code == 1264 || l.code == 1276:
		e.Kind, e.By = KindClient, ByGateway
	}
}

// judgeText reads what modules without numbers say.
func (l *apacheLine) judgeText(e *Entry) bool {
	m := l.message
	switch {
	case starts(m, "ModSecurity: Access denied"):
		told(e, ByGateway, fault.Select, fault.Denied, fault.CauseContentFilter)
	case starts(m, "ModSecurity:"):
	case has(m, "Premature end of script headers"), has(m, "malformed header from script"), has(m, "End of script output before headers"):
		e.fail(ByGateway, fault.Head, fault.Closed)
		e.may(fault.CauseHeadCut, fault.CauseWorkerKilled, fault.CauseWorkerCrashed)
	case starts(m, "PHP Fatal error"), starts(m, "PHP Parse error"):
		judgePHP(e, m)
	case starts(m, "PHP "), starts(m, "PHP message"):
		judgePHP(e, m)
	case starts(m, "Script timed out before returning headers"), starts(m, "Timeout when reading response headers from daemon process"):
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.Evidence.Timer = fault.TimerHead
	case has(m, "child pid ") && has(m, "exit signal"):
		told(e, ByGateway, fault.Select, fault.Bug, fault.CauseInternalError)
	default:
		return false
	}
	return true
}
