package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// nginxVars are the variables of an access line that tell who made the status and why. A value over several attempts is
// the list as nginx wrote it.
type nginxVars struct {
	status, upstreamStatus, addr, name, length         []byte
	requestTime, connectTime, headerTime, responseTime []byte
	upstreams                                          bool // the format has variables of the upstream: an empty one says something
	ingress                                            bool // ingress-nginx, whose answer without an upstream is a service without endpoints
}

// What a status stands for where an access line has nothing else.
var (
	mayBe502 = []fault.Cause{
		fault.CauseConnectionRefused, fault.CauseClosedBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseResetBeforeAnswer, fault.CauseHeadTooLarge, fault.CauseUpstreamStatus,
	}
	mayBe503 = []fault.Cause{fault.CauseUpstreamStatus, fault.CauseRateLimited, fault.CauseMaintenance, fault.CauseNobodyAvailable}
	mayBe504 = []fault.Cause{fault.CauseHeadTimeout, fault.CauseConnectTimeout, fault.CauseUpstreamStatus}
	mayBe500 = []fault.Cause{fault.CauseUpstreamStatus, fault.CauseInternalError}
)

// judge says who made the status, and why as far as the variables tell.
func (v nginxVars) judge(e *Entry) {
	e.Status = int(max(wholeUint(v.status), 0))
	e.Attempts = countOf(v.addr)
	e.Upstream = dashed(lastOf(v.addr))
	if e.Upstream == nil {
		e.Upstream = dashed(v.name)
	}
	if d := wholeSeconds(v.requestTime); d >= 0 {
		e.Took = d
	}
	switch {
	case string(v.status) == "009": // what came was no HTTP, and nginx passed it on: ngx_http_log_status
		e.fail(ByGateway, fault.Head, fault.Malformed)
		e.Evidence.Rule = fault.RuleNotHTTP
		e.may(nginxGarbageCauses...)
	case e.Status == 499:
		e.clientGone()
	case e.Status < 400 || e.Status > 599:
		v.judgeOK(e)
	case e.Status < 500:
		v.judge4xx(e)
	case !v.upstreams:
		judgeBare(e)
	default:
		v.judge5xx(e)
	}
}

// judgeBare judges a 5xx of which a line tells nothing but the number: it could be anybody's.
func judgeBare(e *Entry) {
	e.Kind, e.Bare = KindFault, true
	e.Evidence.Told = fault.CauseUnknown
	e.Evidence.Stage, e.Evidence.End = fault.FirstByte, fault.Failed
	switch e.Status {
	case 502:
		e.may(mayBe502...)
	case 503:
		e.may(mayBe503...)
	case 504:
		e.may(mayBe504...)
	default:
		e.may(mayBe500...)
	}
	e.waited()
}

// judgeOK: it ended well, and perhaps only since another attempt saved it.
func (v *nginxVars) judgeOK(e *Entry) {
	e.Kind = KindOK
	if e.Status == 444 { // the configuration's wish: NGX_HTTP_CLOSE
		client(e, ByGateway, fault.Select, fault.Denied)
		return
	}
	if e.Status > 101 && e.Status < 200 { // an interim answer was taken for the last one
		e.told(ByGateway, fault.CauseUnaskedInterim)
		return
	}
	if countOf(v.upstreamStatus) == 0 {
		return
	}
	e.By = ByOrigin
	if e.Attempts < 2 {
		return
	}
	first := upTo(upTo(v.upstreamStatus, ','), ' ')
	switch wholeStatus(first) {
	case 502:
		e.fail(ByGateway, fault.FirstByte, fault.Failed)
		e.Evidence.Told = fault.CauseUnknown
		e.may(mayBe502[:4]...)
	case 504:
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.may(fault.CauseHeadTimeout, fault.CauseConnectTimeout)
	default:
		return
	}
	e.Upstream = upTo(upTo(v.addr, ','), ' ')
}

// judge4xx: the client's doing, but what the origin said itself is only counted.
func (v *nginxVars) judge4xx(e *Entry) {
	e.Kind = KindClient
	status := e.Status
	if v.upstreams && wholeStatus(lastOf(v.upstreamStatus)) == status {
		e.By = ByOrigin
		return
	}
	switch status {
	case 408, 413, 414, 431, 494:
		e.clientFault(status)
		if status == 408 {
			e.may(fault.CauseRequestHeadTimeout, fault.CauseRequestBodyTimeout)
		}
	case 444:
		client(e, ByGateway, fault.Select, fault.Denied)
	case 400, 495, 496, 497:
		if v.upstreams || status != 400 {
			e.clientFault(400)
		}
	case 403, 405:
		if v.upstreams {
			e.By = ByGateway
			e.Evidence.Stage, e.Evidence.End = fault.Select, fault.Denied
		}
	case 429:
		if v.upstreams {
			e.told(ByGateway, fault.CauseRateLimited)
		}
	default:
		if v.upstreams {
			e.By = ByGateway
		}
	}
}

// judge5xx has the upstream's variables: the status is the origin's own where it sent a head.
func (v *nginxVars) judge5xx(e *Entry) {
	said := wholeStatus(lastOf(v.upstreamStatus))
	addr := lastOf(v.addr)
	header, connect, response := secondsOf(v.headerTime), secondsOf(v.connectTime), secondsOf(v.responseTime)
	switch {
	case said == e.Status && v.answered(header):
		e.originSaid(e.Status)
		e.Evidence.Spent[fault.FirstByte] = max(header, response, 0)
	case v.addr == nil && e.Status == 504: // the format has times, and leaves the address out
		v.judgeTimeout(e, connect, response)
	case v.addr == nil && response >= 0 && e.Status == 502:
		v.judgeBroken(e, connect, response)
	case v.addr == nil && response >= 0:
		judgeBare(e)
	case len(addr) == 0 || string(addr) == "-":
		v.judgeUnasked(e)
	case !starts(addr, "unix:") && bytes.IndexByte(addr, ':') < 0:
		e.fail(ByGateway, fault.Select, fault.Unavailable)
		e.may(nginxNoLiveCauses...)
	case said == 504 || said == 0 && e.Status == 504:
		v.judgeTimeout(e, connect, response)
	default:
		v.judgeBroken(e, connect, response)
	}
}

// answered reports whether the origin sent a head: its time is known, or a body came.
func (v *nginxVars) answered(header time.Duration) bool {
	if v.headerTime != nil {
		return header >= 0
	}
	return wholeUint(lastOf(v.length)) > 0
}

// nginxHeadCauses are what a 502 stands for as well where the access log alone is to be had: the head was refused.
var nginxHeadCauses = []fault.Cause{
	fault.CauseResetBeforeAnswer, fault.CauseHeadTooLarge, fault.CauseBadField, fault.CauseConflictingLengths, fault.CauseUnknownTransferCoding,
	fault.CauseTLSAlert, fault.CauseUploadCut,
}

// judgeUnasked: nginx answered and asked nobody.
func (v *nginxVars) judgeUnasked(e *Entry) {
	switch {
	case e.Status == 503 && v.ingress:
		e.fail(ByGateway, fault.Select, fault.Unavailable)
		e.Evidence.Rule = fault.RulePoolEmpty
		e.may(fault.CauseNoEndpoints, fault.CauseRateLimited)
	case e.Status == 503:
		e.told(ByGateway, fault.CauseRateLimited)
		e.may(fault.CauseRateLimited, fault.CauseMaintenance)
	case e.Status == 502:
		e.fail(ByGateway, fault.Resolve, fault.NoAddress)
		e.may(fault.CauseDNSError, fault.CauseDNSNXDomain, fault.CauseDNSTimeout, fault.CauseDNSNoResolver)
	default:
		e.fail(ByGateway, fault.Select, fault.Bug)
		e.may(fault.CauseInternalError, fault.CauseRouteBroken)
	}
}

// judgeTimeout: which timer, the connect time tells.
func (v *nginxVars) judgeTimeout(e *Entry, connect, response time.Duration) {
	switch {
	case v.connectTime != nil && connect < 0:
		e.fail(ByGateway, fault.Dial, fault.Timeout)
		e.Evidence.Timer = fault.TimerConnect
		e.Evidence.Spent[fault.Dial] = max(response, 0)
	default:
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.Evidence.Timer = fault.TimerHead
		e.Evidence.Spent[fault.FirstByte] = max(response, 0)
		if v.connectTime == nil {
			e.may(fault.CauseHeadTimeout, fault.CauseConnectTimeout)
		} else {
			e.may(fault.CauseHeadTimeout, fault.CauseUploadStalled)
		}
	}
}

// slowRefusal is longer than a refusal takes: it is the first answer of the other end. Where no machine has the address, Linux gives up after
// three questions for it, a second each.
const slowRefusal = 900 * time.Millisecond

// judgeBroken: the connection could not be opened, or it ended without a head.
func (v *nginxVars) judgeBroken(e *Entry, connect, response time.Duration) {
	switch {
	case v.connectTime != nil && connect < 0 && response >= slowRefusal:
		e.fail(ByGateway, fault.Dial, fault.Unreachable)
		e.Evidence.Spent[fault.Dial] = response
		e.suspect(fault.CauseHostUnreachable, fault.CauseKernelConnectTimeout, fault.CauseTLSHandshakeClosed, fault.CauseNetworkUnreachable, fault.CauseConnectionRefused,
			fault.CauseTLSCertificateUntrusted, fault.CauseTLSAlert, fault.CauseTLSToPlainPort, fault.CauseTLSProtocolError, fault.CauseWrongService)
	case v.connectTime != nil && connect < 0 || v.connectTime == nil && response >= 0 && response < 2*time.Second:
		e.fail(ByGateway, fault.Dial, fault.Refused)
		e.Evidence.Spent[fault.Dial] = max(response, 0)
		if v.connectTime != nil {
			e.may(fault.CauseConnectionRefused, fault.CauseHostUnreachable, fault.CauseNetworkUnreachable, fault.CauseSocketMissing, fault.CauseKernelConnectTimeout,
				fault.CauseTLSCertificateUntrusted, fault.CauseTLSAlert, fault.CauseTLSHandshakeClosed, fault.CauseTLSToPlainPort, fault.CauseTLSProtocolError, fault.CauseWrongService,
				fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer)
		} else {
			e.may(fault.CauseConnectionRefused, fault.CauseClosedBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseResetBeforeAnswer, fault.CauseHeadTooLarge)
		}
	default:
		took := e.Took
		e.Took = max(response, 0)
		e.closedSilently(fault.Closed)
		for _, c := range nginxHeadCauses {
			e.addCandidate(c)
		}
		e.Took = took
	}
}
