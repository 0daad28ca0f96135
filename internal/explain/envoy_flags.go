package explain

import (
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// What Envoy's flags may stand for beside the first.
var (
	envoyConnectCauses = []fault.Cause{
		fault.CauseConnectionRefused, fault.CauseConnectTimeout, fault.CauseTLSProtocolError, fault.CauseHostUnreachable,
	}
	envoyProtocolCauses = []fault.Cause{
		fault.CauseNotHTTP, fault.CauseBadField, fault.CauseHeadTooLarge, fault.CausePlainToTLSPort, fault.CauseHTTP1OnHTTP2Port, fault.CauseHTTP2ProtocolError,
	}
	envoyNoHostCauses = []fault.Cause{fault.CauseNobodyAvailable, fault.CauseNoEndpoints}
	envoyDNSCauses    = []fault.Cause{fault.CauseDNSError, fault.CauseDNSNXDomain, fault.CauseDNSTimeout}
)

// flag reports whether the line has the response flag.
func (v *envoyLine) flag(name string) bool {
	for rest := v.flags; len(rest) > 0; {
		one := upTo(rest, ',')
		if string(one) == name {
			return true
		}
		rest = rest[min(len(one)+1, len(rest)):]
	}
	return false
}

// judge reads the flags (access_log/usage.rst), the finest first; where there is none, the answer is the upstream's.
func (v *envoyLine) judge(e *Entry) {
	v.fill(e)
	if len(dashed(v.flags)) == 0 {
		v.judgeUnflagged(e)
		return
	}
	switch {
	case v.judgeUpstream(e), v.judgeSelect(e), v.judgeClient(e), v.judgeOwn(e):
	case v.flag("URX"), v.flag("RFCF"):
		v.judgeUnflagged(e)
	default:
		e.told(ByGateway, fault.CauseUnknown)
	}
}

// judgeUnflagged: the upstream's answer, or a direct one.
func (v *envoyLine) judgeUnflagged(e *Entry) {
	direct := len(v.host) == 0 || len(v.details) > 0 && !starts(v.details, "via_upstream")
	switch {
	case v.code == 0:
		e.Kind = KindOK // a TCP session that ended
	case !direct && v.code >= 500:
		e.originSaid(v.code)
		e.Evidence.Spent[fault.FirstByte] = max(v.serviceTime, 0)
	case !direct && v.code >= 400:
		e.Kind, e.By = KindClient, ByOrigin
	case v.code < 400:
		e.Kind, e.By = KindOK, ByOrigin
		if direct {
			e.By = ByGateway
		}
	case v.code < 500:
		v.judgeOwn4xx(e)
	case string(v.route) == "block_all", string(v.cluster) == "BlackHoleCluster": // Istio's outboundTrafficPolicy REGISTRY_ONLY
		e.fail(ByGateway, fault.Select, fault.NoRoute)
	case has(v.details, "ext_authz"), has(v.details, "ext_proc"), has(v.details, "filter_"):
		e.fail(ByGateway, fault.Select, fault.Bug)
	case has(v.details, "request_payload_exceeded_retry_buffer_limit"):
		e.told(ByGateway, fault.CauseOwnLimit)
	default:
		e.told(ByGateway, fault.CauseMaintenance)
	}
}

// judgeOwn4xx: Envoy refused the request.
func (v *envoyLine) judgeOwn4xx(e *Entry) {
	switch {
	case v.code == 429 || has(v.details, "rate_limited"):
		e.told(ByGateway, fault.CauseRateLimited)
	case has(v.details, "rbac_access_denied"), has(v.details, "ext_authz_denied"), has(v.details, "jwt_authn"):
		client(e, ByGateway, fault.Select, fault.Denied)
	default:
		e.clientFault(v.code)
	}
}

// judgeUpstream reads the flags of an attempt that failed.
func (v *envoyLine) judgeUpstream(e *Entry) bool {
	late := starts(v.details, "upstream_reset_after_response_started") || !v.hasDetails && v.code > 0 && v.code < 500 && v.code != 408
	switch {
	case v.flag("DF"):
		e.fail(ByGateway, fault.Resolve, fault.NoAddress)
		e.may(envoyDNSCauses...)
	case v.flag("UF"):
		v.judgeConnect(e)
	case v.flag("UPE"):
		v.judgeProtocol(e, late)
	case v.flag("UC"), v.flag("LR"):
		v.judgeClosed(e, late)
	case v.flag("UR"):
		stage := fault.FirstByte
		if late {
			stage = fault.Body
		}
		told(e, ByGateway, stage, fault.Reset, fault.CauseHTTP2StreamReset)
		if has(v.details, "refused_stream") {
			e.Evidence.Told = fault.CauseHTTP2RefusedStream
		}
	case v.flag("UT"):
		v.judgeTimeout(e, late)
	case v.flag("UMSDR"):
		e.fail(ByGateway, fault.Body, fault.Timeout)
		e.Evidence.Timer = fault.TimerResponse
		e.waited()
	default:
		return false
	}
	return true
}

// judgeTimeout: the route's timeout is for the whole response.
func (v *envoyLine) judgeTimeout(e *Entry, late bool) {
	if late {
		e.fail(ByGateway, fault.Body, fault.Timeout)
		e.Evidence.Timer = fault.TimerResponse
		e.waited()
		return
	}
	e.fail(ByGateway, fault.FirstByte, fault.Timeout)
	e.Evidence.Timer = fault.TimerHead
	e.waited()
}

// judgeConnect reads why connecting failed, from the details or from the transport's reason. Both write spaces as
// underscores, the latter not always.
func (v *envoyLine) judgeConnect(e *Entry) {
	e.fail(ByGateway, fault.Dial, fault.Refused)
	reason := v.transport
	if len(reason) == 0 {
		reason = v.details
	}
	switch errno := envoyErrno(reason); {
	case has(reason, "TLS_error") || has(reason, "TLS error") || has(reason, "OPENSSL_internal") || has(reason, "SSL routines"):
		blameTLS(e, reason, fault.TLS)
		e.nameless()
	case errno != 0:
		e.errno(errno)
		if errno == syscall.EHOSTUNREACH {
			e.may(fault.CauseHostUnreachable, fault.CauseFirewallRejected)
		}
	case has(reason, "connection_timeout"), has(reason, "connect_timeout"), has(reason, "connection timeout"):
		e.Evidence.End, e.Evidence.Timer = fault.Timeout, fault.TimerConnect
		e.waited()
	default:
		e.may(envoyConnectCauses...)
		if v.duration >= 4*time.Second { // refusing takes no time
			e.fail(ByGateway, fault.Dial, fault.Timeout)
			e.Evidence.Timer = fault.TimerConnect
			e.may(fault.CauseConnectTimeout, fault.CauseTLSHandshakeTimeout, fault.CauseKernelConnectTimeout)
			e.waited()
		}
	}
}

// envoyErrno finds an errno by its text, or by its number: delayed_connect_error:_111.
func envoyErrno(reason []byte) syscall.Errno {
	switch {
	case has(reason, "onnection_refused") || has(reason, "onnection refused"):
		return syscall.ECONNREFUSED
	case has(reason, "o_route_to_host") || has(reason, "o route to host"):
		return syscall.EHOSTUNREACH
	case has(reason, "etwork_is_unreachable") || has(reason, "etwork is unreachable"):
		return syscall.ENETUNREACH
	case has(reason, "onnection_timed_out") || has(reason, "onnection timed out"):
		return syscall.ETIMEDOUT
	case has(reason, "annot_assign_requested") || has(reason, "annot assign requested"):
		return syscall.EADDRNOTAVAIL
	case has(reason, "oo_many_open_files") || has(reason, "oo many open files"):
		return syscall.EMFILE
	case has(reason, "o_such_file") || has(reason, "o such file"):
		return syscall.ENOENT
	case has(reason, "ermission_denied") || has(reason, "ermission denied"):
		return syscall.EACCES
	}
	if rest, ok := after(reason, "connect_error:_"); ok {
		if n, _, ok := readUint(rest); ok && n < 200 {
			return syscall.Errno(n)
		}
	}
	return 0
}

// judgeClosed: the upstream's connection ended, before the response (UC with ...before_response_started) or inside it.
func (v *envoyLine) judgeClosed(e *Entry, late bool) {
	if late {
		e.fail(ByGateway, fault.Body, fault.Closed)
		e.may(bodyCutCauses...)
		return
	}
	if v.flag("LR") {
		told(e, ByGateway, fault.FirstByte, fault.Closed, fault.CauseConnectionLost)
		return
	}
	e.closedSilently(fault.Closed)
	if has(v.transport, "ALERT_CERTIFICATE_REQUIRED") || has(v.transport, "certificate required") {
		blameTLS(e, v.transport, fault.FirstByte)
		e.Candidates = e.Candidates[:0]
	}
}

// protocolDetails are the details of a response that Envoy's codecs refused.
var protocolDetails = [...]struct {
	text string
	end  fault.End
	rule fault.Rule
	told fault.Cause
}{
	{"headers_too_large", fault.TooLarge, fault.RuleHeadSize, 0},
	{"too_many_headers", fault.TooLarge, fault.RuleFieldCount, 0},
	{"headers_count_exceeds_limit", fault.TooLarge, fault.RuleFieldCount, fault.CauseTooManyFields},
	{"headers_size_exceeds_limit", fault.TooLarge, fault.RuleHeadSize, fault.CauseHeadTooLarge},
	{"content_length_and_chunked", fault.Malformed, fault.RuleLengthAndEncoding, 0},
	{"invalid_transfer_encoding", fault.Malformed, fault.RuleTransferEncoding, 0},
	{"transfer_encoding_not_allowed", fault.Malformed, fault.RuleForbiddenFraming, 0},
	{"content_length_not_allowed", fault.Malformed, fault.RuleForbiddenFraming, 0},
	{"content_length_mismatch", fault.Malformed, fault.RuleContentLengthConflict, 0},
	{"invalid_characters", fault.Malformed, fault.RuleFieldValue, 0},
	{"http2.", fault.Malformed, 0, fault.CauseHTTP2ProtocolError},
	{"http3.", fault.Malformed, 0, fault.CauseHTTP2ProtocolError},
}

func (v *envoyLine) judgeProtocol(e *Entry, late bool) {
	e.fail(ByGateway, fault.Head, fault.Malformed)
	for i := range protocolDetails {
		if d := &protocolDetails[i]; has(v.details, d.text) {
			e.Evidence.End, e.Evidence.Rule, e.Evidence.Told = d.end, d.rule, d.told
			return
		}
	}
	if late {
		e.fail(ByGateway, fault.Body, fault.Malformed)
		e.may(fault.CauseBadChunk, fault.CauseBodyShort)
		return
	}
	e.may(envoyProtocolCauses...)
}

// judgeSelect reads the flags of a request for which nobody was asked.
func (v *envoyLine) judgeSelect(e *Entry) bool {
	switch {
	case v.flag("UH"):
		e.fail(ByGateway, fault.Select, fault.Unavailable)
		e.may(envoyNoHostCauses...)
	case v.flag("UO"):
		e.fail(ByGateway, fault.Select, fault.Limit)
		if has(v.details, "maintenance_mode") {
			e.Evidence.Told = fault.CauseMaintenance
		}
	case v.flag("NC"), v.flag("NFCF"):
		e.fail(ByGateway, fault.Select, fault.Misconfigured)
	case v.flag("NR"):
		e.Kind, e.By = KindClient, ByGateway
		e.Evidence.Stage, e.Evidence.End = fault.Select, fault.NoRoute
		if v.code >= 500 || v.code == 0 {
			e.Kind = KindFault
		}
	case v.flag("LH"):
		e.fail(ByGateway, fault.Select, fault.Unavailable)
		e.Evidence.Rule = fault.RuleDraining
	default:
		return false
	}
	return true
}

// judgeClient reads the flags of what the client did.
func (v *envoyLine) judgeClient(e *Entry) bool {
	switch {
	case v.flag("DC"), v.flag("DR"):
		e.clientGone()
	case v.flag("DPE"), v.flag("IH"):
		e.clientFault(400)
		if has(v.details, "headers_too_large") || has(v.details, "too_many_headers") {
			e.clientFault(431)
		}
	case v.flag("SI"), v.flag("DT"):
		v.judgeIdle(e)
	case v.flag("UAEX"):
		client(e, ByGateway, fault.Select, fault.Denied)
		if v.code >= 500 {
			e.fail(ByGateway, fault.Select, fault.Bug)
		}
	default:
		return false
	}
	return true
}

// judgeIdle: a stream on which nothing moved. Before the response it is the client's upload, or the upstream.
func (v *envoyLine) judgeIdle(e *Entry) {
	switch {
	case v.code == 408 || has(v.details, "request_header_timeout"):
		e.clientFault(408)
		if !has(v.details, "request_header_timeout") {
			e.Evidence.Timer = fault.TimerIdle
		}
	case v.code >= 500:
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.Evidence.Timer = fault.TimerHead
		e.waited()
	default:
		e.fail(ByGateway, fault.Body, fault.Timeout)
		e.Evidence.Timer = fault.TimerRead
		e.waited()
	}
}

// judgeOwn reads the flags of Envoy's own limits and filters.
func (v *envoyLine) judgeOwn(e *Entry) bool {
	switch {
	case v.flag("RL"):
		e.told(ByGateway, fault.CauseRateLimited)
	case v.flag("RLSE"):
		e.fail(ByGateway, fault.Select, fault.Bug)
	case v.flag("OM"), v.flag("DO"), v.flag("UDO"):
		e.told(ByGateway, fault.CauseOwnLimit)
	case v.flag("FI"), v.flag("DI") && v.code >= 500:
		e.told(ByGateway, fault.CauseMaintenance)
	case v.flag("DI"):
		v.judgeUnflagged(e)
	default:
		return false
	}
	return true
}
