package explain

import (
	"bytes"
	"syscall"

	"github.com/whygate/whygate/internal/fault"
)

// judgeClient reads what clients did.
func (l *nginxLine) judgeClient(e *Entry) bool {
	m := l.message
	stage := fault.Receive
	switch {
	case has(m, "client prematurely closed connection"), has(m, "client closed connection"), starts(m, "client closed keepalive"), starts(m, "client disconnected"):
		client(e, ByClient, stage, fault.Canceled)
		if starts(m, "client closed keepalive") || starts(m, "client disconnected") {
			e.Kind, e.Evidence = KindNoise, fault.Evidence{}
		}
	case starts(m, "client intended to send too large body"), starts(m, "client intended to send too large chunked body"):
		client(e, ByGateway, stage, fault.TooLarge)
		e.Evidence.Rule = fault.RuleBodySize
	case starts(m, "client sent too long URI"):
		client(e, ByGateway, stage, fault.TooLarge)
		e.Evidence.Rule = fault.RuleTargetSize
	case starts(m, "client sent too long header line"), starts(m, "client sent too large request"), starts(m, "client sent too many headers"):
		client(e, ByGateway, stage, fault.TooLarge)
		e.Evidence.Rule = fault.RuleHeadSize
	case starts(m, "client timed out"):
		l.judgeClientTimeout(e)
	case starts(m, "client sent plain HTTP request to HTTPS port"):
		client(e, ByGateway, stage, fault.Malformed)
		e.Evidence.Rule = fault.RulePlainOnTLS
	case starts(m, "client sent "):
		client(e, ByGateway, stage, fault.Malformed)
		e.Evidence.Rule = fault.RuleRequestLine
		if starts(l.request, `\x16\x03`) || starts(l.request, "\x16\x03") {
			e.Evidence.Sample = tlsRecordSample
		}
	case e.Evidence.Stage == fault.Receive && has(m, ") failed ("), !has(m, " while ") && (starts(m, "recv() failed (") || starts(m, "send() failed (")) && l.tail && len(l.upstream) == 0:
		if errno := l.errno(); errno == syscall.EMFILE || errno == syscall.ENFILE || errno == syscall.ENOSPC {
			return false
		}
		client(e, ByClient, stage, fault.Canceled)
	default:
		return false
	}
	return true
}

// tlsRecordSample is the beginning of a TLS record, which nginx shows as \x16\x03 in the request.
var tlsRecordSample = []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01}

// judgeClientTimeout: what nginx awaited of the client when its patience ended.
func (l *nginxLine) judgeClientTimeout(e *Entry) {
	client(e, ByGateway, fault.Receive, fault.Timeout)
	e.Evidence.Timer = fault.TimerRequest
	switch {
	case has(l.message, "while reading client request body"):
		e.Evidence.Timer = fault.TimerIdle
	case has(l.message, "while sending to client"):
		client(e, ByClient, fault.Receive, fault.Canceled)
	case has(l.message, "while waiting for request"), has(l.message, "while keepalive"):
		e.Kind, e.By, e.Evidence = KindNoise, ByUnknown, fault.Evidence{}
	}
}

// judgeOwn reads what nginx says of itself: its limits, its rules, its processes.
func (l *nginxLine) judgeOwn(e *Entry) bool {
	return l.judgeMarkers(e) || l.judgeLimits(e) || l.judgeRules(e)
}

// judgeMarkers reads the notices of the master process, and of workers that died.
func (l *nginxLine) judgeMarkers(e *Entry) bool {
	m := l.message
	switch {
	case starts(m, "signal process started"), has(m, "reconfiguring"):
		e.Marker = MarkerReload
	case starts(m, "start worker processes"), starts(m, "nginx/"), starts(m, "openresty/"):
		e.Marker = MarkerStart
	case starts(m, "gracefully shutting down"), has(m, "(SIGTERM) received"), has(m, "(SIGQUIT) received"), has(m, "(SIGINT) received"):
		e.Marker = MarkerStop
	case starts(m, "worker process ") && has(m, " exited on signal "):
		told(e, ByGateway, fault.Select, fault.Bug, fault.CauseInternalError)
		if has(m, "signal 9") {
			e.Evidence.Told = fault.CauseMemoryExhausted
			e.may(fault.CauseMemoryExhausted, fault.CauseInternalError)
		}
	case starts(m, "worker process ") || starts(m, "start ") || string(m) == "exiting" || string(m) == "exit":
	default:
		return false
	}
	return true
}

// judgeLimits reads nginx's own limits and the kernel's.
func (l *nginxLine) judgeLimits(e *Entry) bool {
	m := l.message
	switch {
	case has(m, "worker_connections are not enough"):
		told(e, ByGateway, fault.Select, fault.Limit, fault.CauseOwnLimit)
	case starts(m, "limiting requests"), starts(m, "limiting connections"):
		if has(m, "dry run") {
			return true
		}
		told(e, ByGateway, fault.Select, fault.Limit, fault.CauseRateLimited)
	case starts(m, "delaying request"):
	case has(m, "Too many open files"), has(m, "No file descriptors available"):
		e.fail(ByGateway, fault.Select, fault.Exhausted)
		e.Evidence.Errno = syscall.EMFILE
	case has(m, "No space left on device"):
		told(e, ByGateway, fault.Select, fault.Exhausted, fault.CauseInternalError)
	case has(m, "Cannot allocate memory"), starts(m, "malloc("), has(m, "no memory"):
		e.fail(ByGateway, fault.Select, fault.Exhausted)
		e.Evidence.Errno = syscall.ENOMEM
	default:
		return false
	}
	return true
}

// judgeRules reads what nginx's configuration refused or could not do.
func (l *nginxLine) judgeRules(e *Entry) bool {
	m := l.message
	switch {
	case starts(m, "access forbidden by rule"), starts(m, "user ") && has(m, "password mismatch"), starts(m, "no user/password"):
		client(e, ByGateway, fault.Select, fault.Denied)
	case starts(m, "ModSecurity:") || has(m, "ModSecurity: Access denied"), has(m, "NAXSI_FMT"):
		if has(m, "Access denied") || has(m, "&block=1") {
			told(e, ByGateway, fault.Select, fault.Denied, fault.CauseContentFilter)
		}
	case starts(m, "rewrite or internal redirection cycle"), starts(m, "could not find named location"), starts(m, "invalid URL prefix in"),
		starts(m, "bind() to "), starts(m, "no host in upstream"), starts(m, "invalid port in upstream"), starts(m, "no port in upstream"), has(m, `"proxy_pass" URL`):
		e.fail(ByGateway, fault.Select, fault.Misconfigured)
	case starts(m, "auth request unexpected status: "):
		l.judgeAuth(e)
	case starts(m, "open() ") || starts(m, "stat() ") || starts(m, "opendir() ") || starts(m, "mkdir() ") || starts(m, "directory index of") || has(m, " is not found ("), has(m, " is forbidden ("):
		if has(m, "Permission denied") {
			e.fail(ByGateway, fault.Select, fault.Misconfigured)
			return true
		}
		if l.tail {
			client(e, ByGateway, fault.Receive, fault.Completed)
		}
	default:
		return false
	}
	return true
}

// judgeAuth: auth_request's subrequest was answered with something that is neither yes nor no.
func (l *nginxLine) judgeAuth(e *Entry) {
	rest, _ := after(l.message, "unexpected status: ")
	field, _ := cutField(rest)
	e.fail(ByOrigin, fault.Done, fault.Completed)
	if e.Evidence.Status = wholeStatus(field); e.Evidence.Status < 500 {
		told(e, ByOrigin, fault.Done, fault.Completed, fault.CauseApplicationError)
	}
}

// judgeLua reads OpenResty's and Kong's own messages, and nginx's where they say nginx's.
func (l *nginxLine) judgeLua(e *Entry) {
	l.fill(e)
	m := l.message
	serious := string(l.level) == "error" || string(l.level) == "crit" || string(l.level) == "alert"
	switch {
	case starts(m, "lua tcp socket connect timed out"), starts(m, "lua udp socket connect timed out"):
		e.fail(ByGateway, fault.Dial, fault.Timeout)
		luaPeer(e, m)
	case starts(m, "lua tcp socket read timed out"), starts(m, "lua tcp socket send timed out"), starts(m, "lua udp socket read timed out"):
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		luaPeer(e, m)
	case starts(m, "attempt to send data on a closed socket"):
		told(e, ByGateway, fault.Write, fault.Closed, fault.CauseConnectionLost)
	case starts(m, "lua entry thread aborted"), starts(m, "lua user thread aborted"), starts(m, "failed to run "), starts(m, "failed to load ") && serious:
		e.fail(ByGateway, fault.Select, fault.Bug)
	case l.judgeLuaNames(e):
	case has(m, "failure to get a peer"), has(m, "no peers are available"), has(m, "no peers available"), has(m, "No available target"), has(m, "all upstream targets are unhealthy"):
		e.fail(ByGateway, fault.Select, fault.Unavailable)
	case has(m, "rate limit"), has(m, "limiting requests"):
		told(e, ByGateway, fault.Select, fault.Limit, fault.CauseRateLimited)
	case starts(m, "[lua]"), starts(m, "[kong]"), starts(m, "lua "):
		e.Marker = luaMarker(m)
		e.unruled = serious && e.Marker == MarkerNone
	default:
		l.judge(e)
	}
}

// luaPeer takes the peer out of "when connecting to 10.0.0.1:6379".
func luaPeer(e *Entry, m []byte) {
	if rest, found := after(m, "connecting to "); found && !starts(rest, "upstream") {
		peer, _ := cutField(rest)
		e.Upstream = bytes.TrimRight(peer, ",")
	}
}

func luaMarker(m []byte) Marker {
	if has(m, "declarative config loaded") || has(m, "reloading") {
		return MarkerReload
	}
	return MarkerNone
}

// judgeLuaNames reads the DNS client of Kong: "dns server error: 3 name error", "dns client error: 101 empty record received".
func (l *nginxLine) judgeLuaNames(e *Entry) bool {
	m := l.message
	rest, found := after(m, "dns server error: ")
	if !found {
		rest, found = after(m, "dns client error: ")
	}
	if !found {
		if !has(m, "DNS resolution failed") && !has(m, "dns lookup pool exceeded") && !has(m, "name resolution failed") {
			return false
		}
		e.fail(ByGateway, fault.Resolve, fault.Timeout)
		if !has(m, "timeout") && !has(m, "timed out") {
			e.Evidence.End = fault.NoAddress
		}
		luaName(e, m)
		return true
	}
	n, _, _ := readUint(rest)
	e.fail(ByGateway, fault.Resolve, fault.NoAddress)
	switch n {
	case 2, 4:
		e.Evidence.DNS = &dnsServFail
	case 3:
		e.Evidence.DNS = &dnsNXDomain
	case 5:
		e.Evidence.DNS = &dnsRefused
	case 101:
		e.Evidence.DNS = &dnsNoData
	case 100: // nothing in the cache, and asking was not allowed here
		e.may(fault.CauseDNSError, fault.CauseDNSTimeout, fault.CauseDNSNXDomain)
	}
	luaName(e, m)
	return true
}

// luaName takes the name out of Tried: ["(short)NAME:(na) - ..., or of "initial dns/balancer resolve for 'NAME' with".
func luaName(e *Entry, m []byte) {
	if rest, found := after(m, "(short)"); found {
		e.Upstream = upTo(rest, ':')
	} else if rest, found := after(m, "resolve for '"); found {
		e.Upstream = upTo(rest, '\'')
	}
}
