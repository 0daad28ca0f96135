package fault

import (
	"syscall"

	"github.com/whygate/whygate/internal/httpmsg"
)

// Classify judges the evidence of one attempt. It is pure and total: each stage and end has a verdict, and it looks at
// no text. It decides by who ended the attempt and how, then by the stage, then by what the layers added.
//
// hot: on faults only, but under an outage that is every request; it allocates nothing.
func Classify(e *Evidence) Fault {
	f := Fault{Stage: e.Stage, Cause: causeOf(e)}
	if f.Cause != CauseNone {
		f.Type = typeOf(e, f.Cause)
	}
	return f
}

// causeOf finds the cause. What the gateway decided by itself comes first, for it means the same at every stage.
func causeOf(e *Evidence) Cause {
	if int(e.Stage) >= Stages || int(e.End) >= Ends || int(e.Told) >= Causes {
		return CauseUnknown
	}
	if e.Told != CauseNone {
		return e.Told
	}
	if e.By == PartyClient {
		return CauseClientLeft
	}
	switch e.End {
	case Completed:
		if e.Stage >= Body && e.Status >= 500 && e.Status <= 599 {
			return CauseUpstreamStatus
		}
		return CauseNone
	case Canceled:
		return CauseClientLeft
	case Bug:
		return CauseInternalError
	case Loop:
		return CauseProxyLoop
	case NoRoute:
		return CauseNoRoute
	case Exhausted:
		return causeOfExhausted(e.Errno)
	case Unavailable:
		return causeOfUnavailable(e)
	}
	switch e.Stage {
	case Receive:
		return causeInReceive(e)
	case Select:
		return causeInSelect(e)
	}
	if e.End == Timeout && e.Timer == TimerGRPC {
		return CauseGRPCDeadline
	}
	if e.Version == httpmsg.HTTP2 || e.End == StreamReset || e.End == GoAway {
		if c := causeOverHTTP2(e); c != CauseNone {
			return c
		}
	}
	return causeUpstream(e)
}

// causeUpstream is causeOf from the stage Resolve on: the other side is the upstream.
func causeUpstream(e *Evidence) Cause {
	switch e.End {
	case Limit:
		return CauseConnectionLimit
	case Denied:
		return CauseAddressProhibited
	case NoAddress:
		return causeOfDNS(e)
	case Alert:
		return causeOfAlert(e)
	case Untrusted:
		return causeOfCertificate(e.Cert)
	case Misconfigured:
		if e.Stage == Resolve {
			return CauseDNSNoResolver
		}
		return CauseRouteBroken
	}
	switch e.Stage {
	case Resolve:
		return causeInResolve(e)
	case Dial:
		return causeInDial(e)
	case TLS:
		return causeInTLS(e)
	case Write:
		return causeInWrite(e)
	case FirstByte:
		return causeInFirstByte(e)
	case Head:
		return causeInHead(e)
	case Body:
		return causeInBody(e)
	}
	return causeInDone(e)
}

func causeOfExhausted(errno syscall.Errno) Cause {
	switch errno {
	case syscall.EADDRNOTAVAIL, syscall.EADDRINUSE:
		return CausePortsExhausted
	case syscall.EMFILE, syscall.ENFILE:
		return CauseDescriptorsExhausted
	case syscall.ENOMEM, syscall.ENOBUFS:
		return CauseMemoryExhausted
	}
	return CauseInternalError
}

func causeOfUnavailable(e *Evidence) Cause {
	switch {
	case e.Rule == RuleDraining || e.Stage == Receive:
		return CauseShuttingDown
	case e.Rule == RulePoolEmpty:
		return CauseNoEndpoints
	}
	return CauseNobodyAvailable
}

// causeInReceive judges a client: whatever ended its request is its own doing, but for our limits.
func causeInReceive(e *Evidence) Cause {
	switch e.Rule {
	case RulePlainOnTLS:
		return CauseRequestPlainOnTLSPort
	case RuleTLSHandshake:
		return CauseRequestTLSFailed
	}
	switch e.End {
	case Timeout:
		if e.Timer == TimerIdle {
			return CauseRequestBodyTimeout
		}
		return CauseRequestHeadTimeout
	case Malformed, TooLarge, Denied, Untrusted:
		return causeOfRequest(e)
	case Limit:
		return CauseOwnLimit
	case Misconfigured:
		return CauseRouteBroken
	}
	return CauseClientLeft // Closed, Reset, Alert, and every error of its socket
}

// causeOfRequest names what is wrong with a request that was read.
func causeOfRequest(e *Evidence) Cause {
	switch e.Rule {
	case RuleVersion:
		return CauseRequestVersion
	case RuleTransferEncoding:
		return CauseRequestCoding
	case RuleConnect, RuleTrace:
		return CauseRequestMethodRefused
	case RuleExpectation:
		return CauseRequestExpectation
	case RuleTargetSize:
		return CauseRequestTargetTooLong
	case RuleBodySize:
		return CauseRequestBodyTooLarge
	case RuleHeadSize, RuleFieldSize, RuleFieldCount, RuleTrailerSize:
		return CauseRequestHeadTooLarge
	}
	switch {
	case e.End == TooLarge:
		return CauseRequestHeadTooLarge
	case e.End != Malformed:
		return CauseRequestDenied
	case Recognise(e.Sample) == ProtocolTLSRecord:
		return CauseRequestTLSOnPlainPort
	}
	return CauseRequestMalformed
}

// causeInSelect judges what stopped a request before an endpoint was asked. A socket's end cannot happen there.
func causeInSelect(e *Evidence) Cause {
	switch e.End {
	case Malformed, TooLarge, Denied, Untrusted:
		return causeOfRequest(e)
	case Limit, Timeout: // a timeout here is the wait for a connection of the pool: the upstream was never asked
		return CauseConnectionLimit
	case Misconfigured:
		return CauseRouteBroken
	case NoAddress:
		return causeOfDNS(e)
	}
	return CauseInternalError
}

// typeOf gives the cause's type, but where the same story is told by another kind of evidence: RFC 9209 keeps a peer's
// alert apart from an error that we found, and broken framing apart from a broken connection.
func typeOf(e *Evidence, c Cause) Type {
	switch {
	case c == CauseTLSVersionMismatch || c == CauseTLSNoSharedCipher || c == CauseTLSRecordCorrupt:
		if e.End == Alert {
			return TypeTLSAlertReceived
		}
		return TypeTLSProtocolError
	case c == CauseWrongService && e.Stage == TLS:
		return TypeTLSProtocolError
	case c == CauseHeadCut || c == CauseBodyShort || c == CauseChunksCut:
		return typeOfCut(e)
	case c == CauseUpgradeRefused && e.End == Malformed: // a success where HTTP/2 must have none: it cannot be passed on
		return TypeHTTPUpgradeFailed
	case c == CauseNetworkError && e.Stage > Dial:
		return TypeConnectionTerminated
	}
	return c.Entry().Type
}

// typeOfCut: http_response_incomplete where the framing proves that something is missing, connection_terminated where
// only the transport tells (RFC 9209 sections 2.3.8 and 2.3.18).
func typeOfCut(e *Evidence) Type {
	switch e.Rule {
	case RuleHeadCut, RuleBodyShort, RuleChunksCut:
		if e.End != Reset {
			return TypeHTTPResponseIncomplete
		}
	}
	return TypeConnectionTerminated
}
