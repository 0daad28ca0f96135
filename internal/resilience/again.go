package resilience

import (
	"syscall"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// Decision is whether and how a request is sent again.
type Decision uint8

const (
	No              Decision = iota // it is not: the client gets the fault
	FreshConnection                 // on a connection that carried nothing before; the same endpoint will do
	OtherEndpoint                   // to an endpoint that was not tried
)

var decisionNames = [...]string{"no", "fresh_connection", "other_endpoint"}

// String gives the decision's name as logs spell it.
func (d Decision) String() string { return decisionNames[d] }

// Reason is why it was decided so, as a stable slug for the log.
type Reason string

const (
	// Why not.
	NoFault          Reason = "no-fault"          // nothing failed, or the upstream's own status is passed on
	ClientLeft       Reason = "client-left"       // nobody waits for the answer
	ResponseBegun    Reason = "response-begun"    // the client has, or may have, a part of the answer
	NotTheUpstream   Reason = "not-the-upstream"  // the request itself, or the gateway's configuration, is at fault
	OutOfResources   Reason = "out-of-resources"  // the gateway has no descriptor or memory for another attempt either
	AttemptsUsed     Reason = "attempts-used"     // retry.attempts is reached
	BodyGone         Reason = "body-gone"         // a part of the request body is read and no longer held
	NotIdempotent    Reason = "not-idempotent"    // the upstream may have acted on it, and twice is not once
	SlowNotBroken    Reason = "slow-not-broken"   // it timed out after it was sent: the upstream may still be at work
	AlreadyResent    Reason = "already-resent"    // it was sent before and sent again
	NoOtherEndpoint  Reason = "no-other-endpoint" // the same endpoint would do the same
	AskedToWait      Reason = "asked-to-wait"     // the answer says by Retry-After when to come again
	BudgetExhausted  Reason = "budget-exhausted"  // retry.budget is used up
	UnknownSituation Reason = "unknown-situation" // no rule allows it

	// Why.
	NotProcessed   Reason = "not-processed"   // the upstream says that it did not act on the request
	NothingWritten Reason = "nothing-written" // the upstream cannot have seen the request
	StaleReuse     Reason = "stale-reuse"     // the connection was used before and ended before an answer
	BrokenOff      Reason = "broken-off"      // the connection ended before an answer, and the request may be repeated
	BadAnswer      Reason = "bad-answer"      // the answer was not HTTP, and another endpoint may do better
	StatusListed   Reason = "status-listed"   // retry.on names the status that the endpoint answered with
	LocalLimit     Reason = "local-limit"     // a limit of ours, or our ports, towards this endpoint only
)

// Ask is what has to be known about a request whose attempt failed.
type Ask struct {
	Idempotent    bool // by its method (RFC 9110, section 9.2.2) or by its Idempotency-Key
	Replayable    bool // it can be sent from its first octet: nothing of its body was read, or all that was read is held
	BytesToClient bool // an octet of the final response went to the client
	SentBefore    bool // an attempt before this one had given octets of the request to an upstream
	Attempt       int  // the number of this attempt, from 1
	Attempts      int  // how many there may be: retry.attempts
	EndpointsLeft bool // there is an endpoint that was not tried
	Now           mono.Time
}

// Again decides whether a request is sent again after the attempt that left e, of which f is the verdict. Every retry that
// it grants is taken from the budget, except after a lost keep-alive race (Raced).
//
// What must not happen has the first word; what is left is granted by one of a few rules. A request that is refused here is
// answered with f.
func Again(a Ask, e *fault.Evidence, f fault.Fault, b *Budget) (Decision, Reason) {
	if reason := forbidden(a, e, f); reason != "" {
		return No, reason
	}
	d, reason := allowed(a, e, f)
	switch {
	case d == No:
		return No, reason
	case d == OtherEndpoint && !a.EndpointsLeft:
		return No, NoOtherEndpoint
	case !Raced(e, f) && !b.Retry(a.Now):
		return No, BudgetExhausted
	}
	return d, reason
}

// Answer is what has to be known of an answer whose status retry.on names.
type Answer struct {
	Refused bool // 503 or 429: the endpoint says that it did not handle the request (RFC 9110, section 15.6.4; RFC 6585, section 4)
	Waits   bool // it has a Retry-After field
}

// AgainOn decides whether a request is sent again because retry.on names the status of its answer, of which nothing has gone to the
// client yet. One that is not idempotent is, where the answer says that it was not handled: that is the means to detect it that RFC
// 9110, section 9.2.2, asks for.
func AgainOn(a Ask, r Answer, b *Budget) (Decision, Reason) {
	switch {
	case a.BytesToClient:
		return No, ResponseBegun
	case a.Attempt >= a.Attempts:
		return No, AttemptsUsed
	case !a.Replayable:
		return No, BodyGone
	case r.Waits:
		return No, AskedToWait
	case !a.Idempotent && !r.Refused:
		return No, NotIdempotent
	case !a.EndpointsLeft:
		return No, NoOtherEndpoint
	case !b.Retry(a.Now):
		return No, BudgetExhausted
	}
	return OtherEndpoint, StatusListed
}

// Raced reports whether an attempt was lost to the end of an idle connection that crossed with the request: the upstream never had
// the request, so that to send it again costs nobody anything that the first sending had not been meant to cost. It is no retry as
// the budget and retry.attempts mean it.
func Raced(e *fault.Evidence, f fault.Fault) bool {
	return f.Cause == fault.CauseKeepaliveRace && e.Reused && e.Got == 0 && (e.End == fault.Closed || e.End == fault.Reset)
}

// forbidden is what rules a retry out whatever the attempt met, empty if nothing does.
func forbidden(a Ask, e *fault.Evidence, f fault.Fault) Reason {
	switch {
	case e.End == fault.Canceled, e.By == fault.PartyClient:
		return ClientLeft
	case a.BytesToClient || e.Stage > fault.Head:
		// RFC 9110, section 9.2.2 speaks of failures before the response was read. What a client got cannot be taken back.
		return ResponseBegun
	case !f.Is() || f.Cause == fault.CauseUpstreamStatus || e.End == fault.Completed:
		return NoFault
	case e.Stage == fault.Receive:
		return NotTheUpstream
	case a.Attempt >= a.Attempts:
		return AttemptsUsed
	case !a.Replayable:
		return BodyGone
	}
	switch e.End {
	case fault.NoRoute, fault.Denied, fault.Loop, fault.Misconfigured, fault.Bug:
		return NotTheUpstream
	case fault.Unavailable:
		return NoOtherEndpoint
	}
	return ""
}

// allowed finds the rule for the attempt.
func allowed(a Ask, e *fault.Evidence, f fault.Fault) (Decision, Reason) {
	switch e.End {
	case fault.Limit:
		return OtherEndpoint, LocalLimit
	case fault.Exhausted:
		return afterExhaustion(e)
	}
	if e.Unprocessed {
		return afterRefusal(a, e)
	}
	if e.SafeToRetry() {
		return afterNothing(a, e)
	}
	// From here on the upstream may have acted on the request.
	switch {
	case !a.Idempotent:
		// RFC 9110, section 9.2.2: "A proxy MUST NOT automatically retry non-idempotent requests."
		return No, NotIdempotent
	case a.SentBefore:
		// The same section: "A client SHOULD NOT automatically retry a failed automatic retry."
		return No, AlreadyResent
	}
	return afterSending(a, e, f)
}

// afterExhaustion is for the gateway's own want. Ports are counted per destination, so another endpoint may have some;
// descriptors and memory are wanting for all.
func afterExhaustion(e *fault.Evidence) (Decision, Reason) {
	if e.Errno == syscall.EADDRNOTAVAIL || e.Errno == syscall.EADDRINUSE {
		return OtherEndpoint, LocalLimit
	}
	return No, OutOfResources
}

// afterNothing is for a request of which no octet left: any method may be sent, for this is its first time. A connection
// that broke is tried anew even where there is no other endpoint. What failed for good (refused, unresolved, untrusted) or
// has had its full time is not.
func afterNothing(a Ask, e *fault.Evidence) (Decision, Reason) {
	broke := (e.End == fault.Closed || e.End == fault.Reset) && e.Stage >= fault.TLS
	if broke && (e.Reused || !a.EndpointsLeft) {
		return FreshConnection, NothingWritten
	}
	return OtherEndpoint, NothingWritten
}

// afterRefusal is for a request that was sent and that the upstream says it did not act on (RFC 9113, section 8.7): any method may be
// sent again. One that ends its connection does so for reasons of its own, and takes new ones; one that refuses a stream has enough,
// so somebody else is asked first.
func afterRefusal(a Ask, e *fault.Evidence) (Decision, Reason) {
	if e.End == fault.GoAway || e.Code == fault.CodeHTTP11Required || !a.EndpointsLeft {
		return FreshConnection, NotProcessed
	}
	return OtherEndpoint, NotProcessed
}

// afterSending is for an idempotent request that was sent for the first time, in part or in whole.
func afterSending(a Ask, e *fault.Evidence, f fault.Fault) (Decision, Reason) {
	switch e.End {
	case fault.Timeout:
		// The upstream may be at work on it still. To send it again would double the load where there is too much already.
		return No, SlowNotBroken
	case fault.Closed, fault.Reset, fault.Unreachable, fault.Failed, fault.StreamReset, fault.GoAway:
		return afterBreak(a, e, f)
	case fault.Malformed, fault.TooLarge, fault.Alert, fault.Untrusted:
		// The same endpoint would answer the same again.
		return OtherEndpoint, BadAnswer
	}
	return No, UnknownSituation
}

// afterBreak is for a connection that ended after the request was sent and before the head was read.
func afterBreak(a Ask, e *fault.Evidence, f fault.Fault) (Decision, Reason) {
	stale := e.Reused && e.Got == 0 && (e.End == fault.Closed || e.End == fault.Reset)
	switch {
	case e.End == fault.GoAway && !a.EndpointsLeft:
		return FreshConnection, BrokenOff
	case stale && f.Cause == fault.CauseKeepaliveRace:
		// RFC 9112, section 9.3.1: the upstream may close an idle connection at any time, and our request crossed with it.
		return FreshConnection, StaleReuse
	case stale && !a.EndpointsLeft:
		// It took its time, so it may have read the request and broken down over it. Another endpoint would be better.
		return FreshConnection, StaleReuse
	}
	return OtherEndpoint, BrokenOff
}
