package explain

import (
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// What HAProxy's states may stand for beside the first.
var (
	haproxyRefusedCauses = []fault.Cause{
		fault.CauseConnectionRefused, fault.CauseHostUnreachable, fault.CauseTLSProtocolError, fault.CauseKernelConnectTimeout,
		fault.CauseTLSCertificateUntrusted, fault.CauseTLSAlert, fault.CauseTLSToPlainPort, fault.CauseTLSHandshakeClosed,
	}
	haproxyBlockedCauses  = []fault.Cause{fault.CauseNotHTTP, fault.CauseBadField, fault.CauseHeadTooLarge, fault.CauseConflictingLengths, fault.CauseResponseBlocked}
	haproxyResourceCauses = []fault.Cause{fault.CausePortsExhausted, fault.CauseDescriptorsExhausted, fault.CauseMemoryExhausted}
	haproxyRetryCauses    = []fault.Cause{fault.CauseConnectionRefused, fault.CauseConnectTimeout}
)

// judge reads the termination state: who ended it, and in which phase (configuration manual, section 8.5).
func (h *haproxyLine) judge(e *Entry) {
	h.fill(e)
	who, phase := h.state[0], h.state[1]
	switch who {
	case '-':
		h.judgeEnded(e)
	case 'C', 'c':
		h.judgeClient(e, who, phase)
	case 'S', 's':
		h.judgeServer(e, who, phase)
	case 'P':
		h.judgeProxy(e, phase)
	case 'L':
		h.judgeLocal(e)
	case 'R':
		e.fail(ByGateway, fault.Dial, fault.Exhausted)
		e.Evidence.Errno = syscall.EADDRNOTAVAIL
		e.may(haproxyResourceCauses...)
	case 'I':
		e.fail(ByGateway, fault.Select, fault.Bug)
	case 'D':
		e.fail(ByGateway, fault.Body, fault.Closed)
		e.Evidence.Told = fault.CauseConnectionLost
	case 'U', 'K':
		e.fail(ByGateway, fault.Body, fault.Closed)
		e.Evidence.Told = fault.CauseMaintenance
	}
}

// fill writes what every line has. The line is written when the exchange has ended, and has the time when it began.
func (h *haproxyLine) fill(e *Entry) {
	e.Time = h.at.Add(max(h.active, 0))
	e.Client = withoutPort(h.client)
	e.Upstream = h.backend
	if string(h.server) == "<NOSRV>" && len(h.backend) > len("/<NOSRV>") {
		e.Upstream = h.backend[:len(h.backend)-len("/<NOSRV>")]
	}
	e.Status, e.Took = h.status, max(h.active, 0)
	if h.retries > 0 {
		e.Attempts = int(h.retries) + 1
	}
	e.Method, e.Path = nil, nil
	splitRequest(e, h.request)
	e.Said = h.state
	if len(h.said) > 0 {
		e.Said = h.said
	} else if len(h.request) > 0 {
		e.Said = h.request
	}
	v := &e.Evidence
	v.Reused = h.reused
	v.Spent[fault.Dial] = max(h.connect, 0)
	e.Kind = KindOK
	if h.badStatus && h.state[0] == '-' {
		e.fail(ByGateway, fault.Head, fault.Malformed)
		v.Rule = fault.RuleStatusCode
	}
}

// waitedFor is how long the response's head had been awaited when the exchange ended.
func (h *haproxyLine) waitedFor() time.Duration {
	return max(h.active-max(h.receive, 0)-max(h.queue, 0)-max(h.connect, 0), 0)
}

// judgeEnded: both sides ended well. A server's own 5xx is passed on; retries say that connecting failed before.
func (h *haproxyLine) judgeEnded(e *Entry) {
	switch {
	case h.tcp, h.badStatus:
	case h.status >= 500 && h.response >= 0:
		e.originSaid(h.status)
		e.Evidence.Spent[fault.FirstByte] = max(h.response, 0)
	case h.status >= 500:
		e.told(ByGateway, fault.CauseUnknown)
	case h.status >= 400:
		e.Kind, e.By = KindClient, ByOrigin
		if h.response < 0 {
			e.clientFault(h.status)
		}
	default:
		e.By = ByOrigin
	}
	if h.retries > 0 && e.Kind == KindOK {
		e.fail(ByGateway, fault.Dial, fault.Refused)
		e.may(haproxyRetryCauses...)
	}
}

// judgeClient: the client aborted, or was too slow.
func (h *haproxyLine) judgeClient(e *Entry, who, phase byte) {
	switch {
	case phase == 'R' && who == 'c':
		client(e, ByGateway, fault.Receive, fault.Timeout)
		e.Evidence.Timer = fault.TimerRequest
	case phase == 'R':
		client(e, ByClient, fault.Receive, fault.Closed)
	case who == 'c' && (phase == 'H' || phase == 'D') && h.status == 408:
		client(e, ByGateway, fault.Receive, fault.Timeout)
		e.Evidence.Timer = fault.TimerIdle
	case h.tcp && phase == 'D' && h.connect >= 0: // that is how a TCP session ends
		e.Kind = KindOK
	default:
		e.clientGone()
	}
}

// judgeServer: the server aborted (S), or was too slow (s).
func (h *haproxyLine) judgeServer(e *Entry, who, phase byte) {
	slow := who == 's'
	switch phase {
	case 'Q':
		cause := fault.CauseQueueFull
		if slow {
			cause = fault.CauseQueueTimeout
		}
		e.told(ByGateway, cause)
		e.Evidence.Stage, e.Evidence.End = fault.Select, fault.Limit
	case 'C':
		h.judgeConnect(e, slow)
	case 'H':
		h.judgeHead(e, slow)
	default:
		h.judgeBody(e, slow)
	}
}

func (h *haproxyLine) judgeConnect(e *Entry, slow bool) {
	switch {
	case string(h.server) == "<NOSRV>":
		e.fail(ByGateway, fault.Select, fault.Unavailable)
	case slow:
		e.fail(ByGateway, fault.Dial, fault.Timeout)
		e.Evidence.Timer = fault.TimerConnect
		e.Evidence.Spent[fault.Dial] = h.waitedFor()
	case len(h.sslErr) > 0 || has(h.bcErr, "SSL"):
		e.fail(ByGateway, fault.TLS, fault.Malformed)
		h.judgeTLS(e)
	default:
		e.fail(ByGateway, fault.Dial, fault.Refused)
		switch {
		case h.judgeError(e):
		case h.errors: // and TLS is not among them
			e.may(fault.CauseConnectionRefused, fault.CauseHostUnreachable, fault.CauseKernelConnectTimeout)
		default:
			e.may(haproxyRefusedCauses...)
		}
	}
}

// judgeError reads %[bc_err_name], where a log-format has it.
func (h *haproxyLine) judgeError(e *Entry) bool {
	v := &e.Evidence
	switch {
	case has(h.bcErr, "REFUSED"), has(h.bcErr, "refused"):
		v.Errno = syscall.ECONNREFUSED
	case has(h.bcErr, "UNREACH"), has(h.bcErr, "nreachable"):
		v.Errno, v.End = syscall.EHOSTUNREACH, fault.Unreachable
	case has(h.bcErr, "FREE_PORTS"), has(h.bcErr, "PORT_RANGE"), has(h.bcErr, "ource port"):
		v.Errno, v.End = syscall.EADDRNOTAVAIL, fault.Exhausted
	case has(h.bcErr, "FDLIM"):
		v.Errno, v.End = syscall.EMFILE, fault.Exhausted
	case has(h.bcErr, "TIMEOUT"):
		v.Errno, v.End = syscall.ETIMEDOUT, fault.Timeout
	default:
		return false
	}
	return true
}

func (h *haproxyLine) judgeTLS(e *Entry) {
	v := &e.Evidence
	switch {
	case has(h.bcErr, "SSL_MISMATCH"), has(h.bcErr, "different from the expected"):
		v.End, v.Cert = fault.Untrusted, &certWrongName
	case has(h.bcErr, "SSL_EMPTY"), has(h.bcErr, "SSL_ABORT"):
		v.End = fault.Closed
	case len(h.sslErr) > 0:
		blameTLS(e, h.sslErr, fault.TLS)
		e.nameless()
	default:
		v.End = fault.Closed
	}
}

func (h *haproxyLine) judgeHead(e *Entry, slow bool) {
	if h.blameLateTLS(e, fault.FirstByte) {
		return
	}
	if slow {
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.Evidence.Timer = fault.TimerHead
		e.Evidence.Spent[fault.FirstByte] = h.waitedFor()
		e.may(fault.CauseHeadTimeout, fault.CauseWorkersBusy)
		return
	}
	took := e.Took
	e.Took = h.waitedFor()
	e.closedSilently(fault.Closed)
	if h.reused && e.Took < 2*time.Second {
		e.Candidates = e.Candidates[:0]
	}
	e.Took = took
}

// blameLateTLS reads what TLS failed with after its handshake: the alert on a client certificate that was wanted comes with
// TLS 1.3's first read, and a record may be corrupted at any time.
func (h *haproxyLine) blameLateTLS(e *Entry, stage fault.Stage) bool {
	if len(h.sslErr) == 0 {
		return false
	}
	blameTLS(e, h.sslErr, stage)
	return true
}

func (h *haproxyLine) judgeBody(e *Entry, slow bool) {
	if h.blameLateTLS(e, fault.Body) {
		return
	}
	if h.response < 0 && !h.tcp { // no answer had come: it was the request's body
		e.fail(ByGateway, fault.Write, fault.Closed)
		e.Evidence.Upload = true
		if slow {
			e.Evidence.End, e.Evidence.Timer = fault.Timeout, fault.TimerWrite
		} else {
			e.suspect(fault.CauseUploadCut, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer)
		}
		return
	}
	if slow {
		e.fail(ByGateway, fault.Body, fault.Timeout)
		e.Evidence.Timer = fault.TimerRead
		return
	}
	e.fail(ByGateway, fault.Body, fault.Closed)
	e.may(fault.CauseBodyShort, fault.CauseChunksCut, fault.CauseBodyReset)
}

// judgeProxy: HAProxy itself ended it, for a rule, a limit, or for what it got.
func (h *haproxyLine) judgeProxy(e *Entry, phase byte) {
	switch {
	case phase == 'C':
		e.fail(ByGateway, fault.Dial, fault.Exhausted)
		e.Evidence.Errno = syscall.EMFILE
		e.may(fault.CauseDescriptorsExhausted, fault.CausePortsExhausted)
	case phase == 'D' || phase == 'L':
		e.fail(ByGateway, fault.Body, fault.Malformed)
		e.Evidence.Rule = fault.RuleChunkSize
	case phase == 'H' && h.status == 400:
		e.clientFault(400)
	case phase == 'H' && h.status == 500:
		e.fail(ByGateway, fault.Select, fault.Bug)
	case phase == 'H':
		e.fail(ByGateway, fault.Head, fault.Malformed)
		e.may(haproxyBlockedCauses...)
	case phase == 'T' || h.status == 403 || h.status == 401 || h.status == 0:
		client(e, ByGateway, fault.Select, fault.Denied)
	case h.status == 429:
		e.told(ByGateway, fault.CauseRateLimited)
	case h.status >= 500:
		e.told(ByGateway, fault.CauseMaintenance)
		e.may(fault.CauseMaintenance, fault.CauseRateLimited, fault.CauseInternalError)
	case h.status >= 400:
		e.clientFault(h.status)
	}
}

// judgeLocal: HAProxy answered by itself, as it was told to.
func (h *haproxyLine) judgeLocal(e *Entry) {
	e.By = ByGateway
	switch {
	case h.status == 429:
		e.told(ByGateway, fault.CauseRateLimited)
	case h.status >= 500:
		e.told(ByGateway, fault.CauseMaintenance)
	case h.status >= 400:
		e.clientFault(h.status)
		if h.status == 404 {
			e.Evidence.End = fault.Denied
		}
	}
}
