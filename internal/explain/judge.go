package explain

import (
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// This file has the sentences that many formats say of an exchange: answered well, answered by the origin with an error,
// the client left, and what a line makes likely without proving it.

// fail says that an attempt failed, where and how, as the line shows it.
func (e *Entry) fail(by By, stage fault.Stage, end fault.End) {
	e.Kind, e.By = KindFault, by
	e.Evidence.Stage, e.Evidence.End = stage, end
}

// told says that the line names the cause outright, where no observation of one attempt would.
func (e *Entry) told(by By, cause fault.Cause) {
	e.Kind, e.By = KindFault, by
	e.Evidence.Told = cause
}

// suspect lists the causes that the line may stand for, the likeliest first. The verdict is then the first of them: where
// the evidence alone would lead to another, the first is told.
func (e *Entry) suspect(causes ...fault.Cause) {
	if len(causes) > 1 {
		e.Candidates = append(e.Candidates[:0], causes...)
	}
	if fault.Classify(&e.Evidence).Cause != causes[0] {
		e.Evidence.Told = causes[0]
	}
}

// noise says that the line tells of no exchange that failed, and perhaps marks something in time.
func (e *Entry) noise(marker Marker) { e.Kind, e.Marker = KindNoise, marker }

// originSaid says that the answer is the origin's own, with its status.
func (e *Entry) originSaid(status int) {
	e.By, e.Kind = ByOrigin, KindOK
	if status < 500 || status > 599 {
		return
	}
	e.Kind = KindFault
	e.Evidence.Stage, e.Evidence.End, e.Evidence.Status = fault.Done, fault.Completed, status
	e.waited()
}

// clientGone says that the client left before it was answered.
func (e *Entry) clientGone() {
	e.Kind, e.By = KindClient, ByClient
	e.Evidence.Stage, e.Evidence.End = fault.FirstByte, fault.Canceled
	e.waited()
}

// clientFault says that the gateway refused a request for what was wrong with it.
func (e *Entry) clientFault(status int) {
	e.Kind, e.By = KindClient, ByGateway
	v := &e.Evidence
	v.Stage, v.End = fault.Receive, fault.Malformed
	switch status {
	case 401, 403, 407, 451:
		v.Stage, v.End = fault.Select, fault.Denied
	case 404:
		v.Stage, v.End = fault.Select, fault.NoRoute
	case 405, 501:
		v.Rule = fault.RuleTrace
		v.End = fault.Denied
	case 408:
		v.End, v.Timer = fault.Timeout, fault.TimerRequest
	case 413:
		v.End, v.Rule = fault.TooLarge, fault.RuleBodySize
	case 414:
		v.End, v.Rule = fault.TooLarge, fault.RuleTargetSize
	case 417:
		v.Rule = fault.RuleExpectation
	case 431, 494:
		v.End, v.Rule = fault.TooLarge, fault.RuleHeadSize
	case 505:
		v.Rule = fault.RuleVersion
	}
}

// gatewayStatus judges a status that the gateway made where the line has no more: by what such a status stands for with
// every gateway.
func (e *Entry) gatewayStatus(status int) {
	e.By, e.Kind, e.Bare = ByGateway, KindFault, true
	switch {
	case status < 400:
		e.Kind = KindOK
	case status == 499:
		e.clientGone()
	case status == 429:
		e.told(ByGateway, fault.CauseRateLimited)
	case status < 500:
		e.clientFault(status)
	case status == 502:
		e.fail(ByGateway, fault.FirstByte, fault.Closed)
		e.waited()
		e.suspect(fault.CauseConnectionRefused, fault.CauseClosedBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseResetBeforeAnswer, fault.CauseHeadTooLarge)
	case status == 503:
		e.fail(ByGateway, fault.Select, fault.Unavailable)
		e.suspect(fault.CauseNobodyAvailable, fault.CauseConnectionLimit, fault.CauseMaintenance)
	case status == 504:
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.waited()
		e.suspect(fault.CauseHeadTimeout, fault.CauseConnectTimeout)
	default:
		e.fail(ByGateway, fault.Select, fault.Bug)
	}
}

// waited puts the time that the exchange took into the stage that it ended in, where the line has nothing finer.
func (e *Entry) waited() {
	if e.Took > 0 && int(e.Evidence.Stage) < fault.Stages && e.Evidence.Spent[e.Evidence.Stage] == 0 && e.Evidence.Stage != fault.Done {
		e.Evidence.Spent[e.Evidence.Stage] = e.Took
	}
}

// closedSilently says that the connection ended and no octet of a response had come: what every proxy calls closed
// prematurely, and what stands for four stories. The wait may tell a worker's time limit.
func (e *Entry) closedSilently(end fault.End) {
	e.fail(ByGateway, fault.FirstByte, end)
	e.waited()
	first := fault.Classify(&e.Evidence).Cause
	switch {
	case first == fault.CauseWorkerTimeout:
		e.suspect(first, fault.CauseWorkerKilled, fault.CauseWorkerCrashed)
	case e.Took >= 2*time.Second: // too long for a race: see raceMax of package fault
		e.suspect(first, fault.CauseWorkerKilled, fault.CauseWorkerCrashed)
	case e.raceable():
		e.suspect(fault.CauseKeepaliveRace, first, fault.CauseWorkerCrashed)
	default:
		e.suspect(first, fault.CauseKeepaliveRace, fault.CauseWorkerCrashed)
	}
}

// raceable reports whether a request of this method would not have been repeated by itself after a keep-alive race, as
// many proxies do for safe methods (RFC 9110 section 9.2.2).
func (e *Entry) raceable() bool {
	switch string(e.Method) {
	case "POST", "PUT", "PATCH", "DELETE":
		return true
	}
	return false
}

// errno sets what the kernel said, and the end that it stands for, at the stage that the evidence has already.
func (e *Entry) errno(errno syscall.Errno) {
	v := &e.Evidence
	v.Errno = errno
	v.End = fault.EndOf(errno)
	if errno == syscall.EAGAIN || errno == syscall.ENOTSOCK || starts(e.Upstream, "/") || starts(e.Upstream, "unix:") {
		v.End = fault.EndOfUnix(errno)
	}
	e.noIPv6()
}

// noIPv6 widens EADDRNOTAVAIL at an address of IPv6: more often than all ports are in use, the machine or the container has no address of IPv6 to
// connect from.
func (e *Entry) noIPv6() {
	if e.Evidence.Errno == syscall.EADDRNOTAVAIL && starts(e.Upstream, "[") {
		e.suspect(fault.CauseNetworkUnreachable, fault.CausePortsExhausted)
	}
}

// errnoTexts are glibc's strerror texts of what a connection can meet, as logs quote them. Some have two: BSD's, or
// nginx's own table.
var errnoTexts = [...]struct {
	text  string
	errno syscall.Errno
}{
	{"onnection refused", syscall.ECONNREFUSED},
	{"onnection reset by peer", syscall.ECONNRESET},
	{"onnection timed out", syscall.ETIMEDOUT},
	{"peration timed out", syscall.ETIMEDOUT},
	{"o route to host", syscall.EHOSTUNREACH},
	{"ost is unreachable", syscall.EHOSTUNREACH},
	{"etwork is unreachable", syscall.ENETUNREACH},
	{"annot assign requested address", syscall.EADDRNOTAVAIL},
	{"an't assign requested address", syscall.EADDRNOTAVAIL},
	{"oo many open files", syscall.EMFILE},
	{"roken pipe", syscall.EPIPE},
	{"ermission denied", syscall.EACCES},
	{"peration not permitted", syscall.EPERM},
	{"o such file or directory", syscall.ENOENT},
	{"esource temporarily unavailable", syscall.EAGAIN},
	{"annot allocate memory", syscall.ENOMEM},
	{"o buffer space available", syscall.ENOBUFS},
}

// errnoIn finds the text of an errno in a message, 0 where there is none. Both capitals and small letters begin them.
func errnoIn(text []byte) syscall.Errno {
	for i := range errnoTexts {
		if has(text, errnoTexts[i].text) {
			return errnoTexts[i].errno
		}
	}
	return 0
}
