package resilience

import (
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// get is a GET with everything in its favour; post is the same for a method that is not idempotent.
var (
	get  = Ask{Idempotent: true, Replayable: true, Attempt: 1, Attempts: 3, EndpointsLeft: true}
	post = Ask{Idempotent: false, Replayable: true, Attempt: 1, Attempts: 3, EndpointsLeft: true}
)

// but changes one thing in an Ask.
func (a Ask) but(change func(*Ask)) Ask { change(&a); return a }

func alone(a *Ask) { a.EndpointsLeft = false }

func at(stage fault.Stage, end fault.End) fault.Evidence {
	e := fault.Evidence{Stage: stage, End: end, Nth: 1, Declared: -1}
	if stage > fault.Write {
		e.Sent = 100
	}
	return e
}

// unprocessed is an end of HTTP/2 whose request was sent, and not acted on.
func unprocessed(e fault.Evidence, code fault.ErrorCode) fault.Evidence {
	e.Version, e.Stream, e.Sent, e.Unprocessed, e.Code = httpmsg.HTTP2, 3, 200, true, code
	return e
}

func sent(e fault.Evidence, n int64) fault.Evidence { e.Sent = n; return e }
func got(e fault.Evidence, n int64) fault.Evidence  { e.Got = n; return e }

func errno(e fault.Evidence, no syscall.Errno) fault.Evidence { e.Errno = no; return e }

func reused(e fault.Evidence) fault.Evidence {
	e.Reused, e.Nth, e.Idle = true, 7, 5*time.Second
	return e
}

// slow makes it a connection that ended long after the request was sent.
func slow(e fault.Evidence) fault.Evidence { e.Spent[fault.FirstByte] = 9 * time.Second; return e }

func TestAgain(t *testing.T) {
	tests := []struct {
		rule string // the document that says so
		name string
		ask  Ask
		ev   fault.Evidence
		want Decision
		why  Reason
	}{
		// Nothing was written: any method (taxonomy 3.3, first row: D*, C1-C6, C9, T1-T13, T15-T17).
		{"design 5", "refused, POST", post, at(fault.Dial, fault.Refused), OtherEndpoint, NothingWritten},
		{"design 5", "refused, only endpoint", post.but(alone), at(fault.Dial, fault.Refused), No, NoOtherEndpoint},
		{"design 5", "connect timeout, POST", post, at(fault.Dial, fault.Timeout), OtherEndpoint, NothingWritten},
		{"design 5", "connect timeout, only endpoint", get.but(alone), at(fault.Dial, fault.Timeout), No, NoOtherEndpoint},
		{"design 5", "unreachable, POST", post, at(fault.Dial, fault.Unreachable), OtherEndpoint, NothingWritten},
		{"design 5", "name does not resolve, POST", post, at(fault.Resolve, fault.NoAddress), OtherEndpoint, NothingWritten},
		{"design 5", "resolver silent, POST", post, at(fault.Resolve, fault.Timeout), OtherEndpoint, NothingWritten},
		{"design 5", "TLS timeout, POST", post, at(fault.TLS, fault.Timeout), OtherEndpoint, NothingWritten},
		{"design 5", "TLS alert, POST", post, at(fault.TLS, fault.Alert), OtherEndpoint, NothingWritten},
		{"design 5", "untrusted certificate, POST", post, at(fault.TLS, fault.Untrusted), OtherEndpoint, NothingWritten},
		{"design 5", "untrusted certificate, only endpoint", post.but(alone), at(fault.TLS, fault.Untrusted), No, NoOtherEndpoint},
		{"design 5", "closed in the handshake, POST", post, at(fault.TLS, fault.Closed), OtherEndpoint, NothingWritten},
		{"design 5", "closed in the handshake, only endpoint", post.but(alone), at(fault.TLS, fault.Closed), FreshConnection, NothingWritten},
		{"RFC 9112 9.3.1", "idle connection dead before the first write, POST", post, reused(at(fault.Write, fault.Reset)), FreshConnection, NothingWritten},
		{"RFC 9112 9.3.1", "the same with one endpoint", post.but(alone), reused(at(fault.Write, fault.Reset)), FreshConnection, NothingWritten},
		{"design 5", "upstream takes nothing, POST", post, at(fault.Write, fault.Timeout), OtherEndpoint, NothingWritten},
		{"design 5", "a resent request may be sent where nothing was written", get.but(func(a *Ask) { a.SentBefore = true }), at(fault.Dial, fault.Refused), OtherEndpoint, NothingWritten},

		// What HTTP/2's peer did not act on.
		{"RFC 9113 8.7", "stream refused, POST", post, unprocessed(at(fault.FirstByte, fault.StreamReset), fault.CodeRefusedStream), OtherEndpoint, NotProcessed},
		{"RFC 9113 8.7", "stream refused, only endpoint", post.but(alone), unprocessed(at(fault.FirstByte, fault.StreamReset), fault.CodeRefusedStream), FreshConnection, NotProcessed},
		{"RFC 9113 8.7", "above GOAWAY's last stream, POST", post, unprocessed(at(fault.FirstByte, fault.GoAway), fault.CodeNoError), FreshConnection, NotProcessed},
		{"RFC 9113 8.7", "a resent request that was not processed", get.but(func(a *Ask) { a.SentBefore = true }), unprocessed(at(fault.FirstByte, fault.GoAway), fault.CodeNoError), FreshConnection, NotProcessed},
		{"RFC 9113 7", "HTTP/1.1 required, POST", post, unprocessed(at(fault.FirstByte, fault.StreamReset), fault.CodeHTTP11Required), FreshConnection, NotProcessed},
		{"RFC 9110 9.2.2", "stream reset, GET", get, at(fault.FirstByte, fault.StreamReset), OtherEndpoint, BrokenOff},
		{"RFC 9110 9.2.2", "stream reset, POST", post, at(fault.FirstByte, fault.StreamReset), No, NotIdempotent},
		{"RFC 9110 9.2.2", "connection gone with the stream, only endpoint", get.but(alone), at(fault.FirstByte, fault.GoAway), FreshConnection, BrokenOff},

		// Keep-alive race (taxonomy R2).
		{"RFC 9112 9.3.1", "reused closed, GET", get, reused(at(fault.FirstByte, fault.Closed)), FreshConnection, StaleReuse},
		{"RFC 9112 9.3.1", "reused reset, GET", get, reused(at(fault.FirstByte, fault.Reset)), FreshConnection, StaleReuse},
		{"RFC 9112 9.3.1", "reused reset, only endpoint", get.but(alone), reused(at(fault.FirstByte, fault.Reset)), FreshConnection, StaleReuse},
		{"RFC 9112 9.3.1", "reused broke while writing, GET", get, reused(sent(at(fault.Write, fault.Reset), 50)), FreshConnection, StaleReuse},
		{"taxonomy 3.3", "reused closed after long thought", get, slow(reused(at(fault.FirstByte, fault.Closed))), OtherEndpoint, BrokenOff},
		{"taxonomy 3.3", "the same, only endpoint", get.but(alone), slow(reused(at(fault.FirstByte, fault.Closed))), FreshConnection, StaleReuse},

		// Broke off on a fresh connection (taxonomy R1, R3, R4, R32).
		{"RFC 9110 9.2.2", "fresh closed, GET", get, at(fault.FirstByte, fault.Closed), OtherEndpoint, BrokenOff},
		{"RFC 9110 9.2.2", "fresh reset, GET", get, at(fault.FirstByte, fault.Reset), OtherEndpoint, BrokenOff},
		{"RFC 9110 9.2.2", "fresh closed, only endpoint", get.but(alone), at(fault.FirstByte, fault.Closed), No, NoOtherEndpoint},
		{"RFC 9110 9.2.2", "reset in the upload, PUT", get, sent(at(fault.Write, fault.Reset), 5000), OtherEndpoint, BrokenOff},
		{"RFC 9110 9.2.2", "closed inside the head, GET", get, got(at(fault.Head, fault.Closed), 12), OtherEndpoint, BrokenOff},
		{"RFC 9110 9.2.2", "reused, closed inside the head", get, got(reused(at(fault.Head, fault.Closed)), 12), OtherEndpoint, BrokenOff},
		{"RFC 9110 9.2.2", "not a second time", get.but(func(a *Ask) { a.SentBefore, a.Attempt = true, 2 }), at(fault.FirstByte, fault.Closed), No, AlreadyResent},
		{"RFC 9110 9.2.2", "not a second time, reused", get.but(func(a *Ask) { a.SentBefore, a.Attempt = true, 2 }), reused(at(fault.FirstByte, fault.Closed)), No, AlreadyResent},

		// Malformed answers (taxonomy R5-R11, R20-R23, R26; T14).
		{"design 5", "not HTTP, GET", get, got(at(fault.Head, fault.Malformed), 20), OtherEndpoint, BadAnswer},
		{"design 5", "not HTTP, only endpoint", get.but(alone), got(at(fault.Head, fault.Malformed), 20), No, NoOtherEndpoint},
		{"design 5", "head too large, GET", get, got(at(fault.Head, fault.TooLarge), 70000), OtherEndpoint, BadAnswer},
		{"design 5", "alert after the handshake, GET", get, at(fault.FirstByte, fault.Alert), OtherEndpoint, BadAnswer},

		// Timeouts after the request was sent (taxonomy R12, R15, R33).
		{"taxonomy 3.3", "head timeout, GET", get, at(fault.FirstByte, fault.Timeout), No, SlowNotBroken},
		{"taxonomy 3.3", "dripping head, GET", get, got(at(fault.Head, fault.Timeout), 10), No, SlowNotBroken},
		{"taxonomy 3.3", "upload stalls, PUT", get, sent(at(fault.Write, fault.Timeout), 10), No, SlowNotBroken},

		// Our own limits and wants (taxonomy C7, C8, C11).
		{"taxonomy C11", "connection limit, POST", post, at(fault.Dial, fault.Limit), OtherEndpoint, LocalLimit},
		{"taxonomy C11", "connection limit, only endpoint", post.but(alone), at(fault.Dial, fault.Limit), No, NoOtherEndpoint},
		{"taxonomy C7", "ports, POST", post, errno(at(fault.Dial, fault.Exhausted), syscall.EADDRNOTAVAIL), OtherEndpoint, LocalLimit},
		{"taxonomy C8", "descriptors", get, errno(at(fault.Dial, fault.Exhausted), syscall.EMFILE), No, OutOfResources},
		{"taxonomy C8", "memory", get, errno(at(fault.Dial, fault.Exhausted), syscall.ENOMEM), No, OutOfResources},

		// What must not happen.
		{"RFC 9110 9.2.2", "POST, reused closed", post, reused(at(fault.FirstByte, fault.Closed)), No, NotIdempotent},
		{"RFC 9110 9.2.2", "POST, one octet written", post, reused(sent(at(fault.Write, fault.Reset), 1)), No, NotIdempotent},
		{"RFC 9110 9.2.2", "POST, fresh closed", post, at(fault.FirstByte, fault.Closed), No, NotIdempotent},
		{"RFC 9110 9.2.2", "POST, not HTTP", post, got(at(fault.Head, fault.Malformed), 9), No, NotIdempotent},
		{"design 5", "octets went to the client", get.but(func(a *Ask) { a.BytesToClient = true }), at(fault.FirstByte, fault.Closed), No, ResponseBegun},
		{"design 5", "octets went to the client, refused", get.but(func(a *Ask) { a.BytesToClient = true }), at(fault.Dial, fault.Refused), No, ResponseBegun},
		{"design 5", "body broke off", get, got(at(fault.Body, fault.Closed), 500), No, ResponseBegun},
		{"design 5", "body malformed", get, got(at(fault.Body, fault.Malformed), 500), No, ResponseBegun},
		{"taxonomy 3.3", "body not held", get.but(func(a *Ask) { a.Replayable = false }), at(fault.Dial, fault.Refused), No, BodyGone},
		{"taxonomy 3.3", "body not held, reused closed", get.but(func(a *Ask) { a.Replayable = false }), reused(at(fault.FirstByte, fault.Closed)), No, BodyGone},
		{"issue 2", "attempts used", get.but(func(a *Ask) { a.Attempt = 3 }), at(fault.Dial, fault.Refused), No, AttemptsUsed},
		{"issue 2", "retries off", get.but(func(a *Ask) { a.Attempts = 1 }), at(fault.Dial, fault.Refused), No, AttemptsUsed},
		{"taxonomy A15", "client left while dialing", get, at(fault.Dial, fault.Canceled), No, ClientLeft},
		{"taxonomy A15", "client left while waiting", get, at(fault.FirstByte, fault.Canceled), No, ClientLeft},
		{"taxonomy A16", "client's request malformed", get, at(fault.Receive, fault.Malformed), No, NotTheUpstream},
		{"taxonomy A16", "client's upload timed out", get, at(fault.Receive, fault.Timeout), No, NotTheUpstream},
		{"taxonomy A18", "no route", get, at(fault.Select, fault.NoRoute), No, NotTheUpstream},
		{"taxonomy A11", "loop", get, at(fault.Select, fault.Loop), No, NotTheUpstream},
		{"taxonomy A1", "nobody to ask", get, at(fault.Select, fault.Unavailable), No, NoOtherEndpoint},
		{"taxonomy C10", "address prohibited", get, at(fault.Dial, fault.Denied), No, NotTheUpstream},
		{"taxonomy D9", "misconfigured", get, at(fault.Resolve, fault.Misconfigured), No, NotTheUpstream},
		{"taxonomy A17", "our bug", get, at(fault.Write, fault.Bug), No, NotTheUpstream},
		{"taxonomy A14", "no fault", get, at(fault.Done, fault.Completed), No, ResponseBegun},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, why := Again(tt.ask, &tt.ev, fault.Classify(&tt.ev), new(Budget))
			if d != tt.want || why != tt.why {
				t.Errorf("%s: got %v (%s), want %v (%s)", tt.rule, d, why, tt.want, tt.why)
			}
		})
	}
}

// TestNeverAgain goes through every stage and end: whatever the rules become, these must hold.
func TestNeverAgain(t *testing.T) {
	for stage := range fault.Stage(fault.Stages) {
		for end := range fault.End(fault.Ends) {
			for _, wrote := range []int64{0, 1, 1000} {
				for _, old := range []bool{false, true} {
					e := fault.Evidence{Stage: stage, End: end, Sent: wrote, Reused: old, Nth: 2, Declared: -1}
					f := fault.Classify(&e)
					again := func(a Ask) Decision { d, _ := Again(a, &e, f, new(Budget)); return d }
					if (wrote > 0 || stage > fault.Write) && end != fault.Limit && end != fault.Exhausted && again(post) != No {
						t.Errorf("POST sent again after %d octets at %v, %v", wrote, stage, end)
					}
					if again(get.but(func(a *Ask) { a.BytesToClient = true })) != No {
						t.Errorf("sent again after octets to the client at %v, %v", stage, end)
					}
					if again(get.but(func(a *Ask) { a.Replayable = false })) != No {
						t.Errorf("sent again without its body at %v, %v", stage, end)
					}
					if again(get.but(alone)) == OtherEndpoint {
						t.Errorf("another endpoint where there is none at %v, %v", stage, end)
					}
				}
			}
		}
	}
}

func TestAgainTakesFromTheBudget(t *testing.T) {
	b := new(Budget)
	e := at(fault.Dial, fault.Refused)
	f := fault.Classify(&e)
	for range budgetFloor {
		if d, _ := Again(get, &e, f, b); d != OtherEndpoint {
			t.Fatal("refused within the floor")
		}
	}
	if d, why := Again(get, &e, f, b); d != No || why != BudgetExhausted {
		t.Errorf("got %v (%s) beyond the floor", d, why)
	}
}

func TestRefusedRetryCostsNothing(t *testing.T) {
	b := new(Budget)
	e := at(fault.FirstByte, fault.Closed)
	for range 10 {
		Again(post, &e, fault.Classify(&e), b)
	}
	if _, retries := b.window(0); retries != 0 {
		t.Errorf("%d retries counted", retries)
	}
}

func TestAgainOn(t *testing.T) {
	refused, broken := Answer{Refused: true}, Answer{}
	tests := []struct {
		name   string
		ask    Ask
		answer Answer
		want   Decision
		why    Reason
	}{
		{"GET", get, broken, OtherEndpoint, StatusListed},
		{"POST that was not handled", post, refused, OtherEndpoint, StatusListed},
		{"POST that may have been", post, broken, No, NotIdempotent},
		{"asked to wait", get, Answer{Refused: true, Waits: true}, No, AskedToWait},
		{"only endpoint", get.but(alone), refused, No, NoOtherEndpoint},
		{"attempts used", get.but(func(a *Ask) { a.Attempt = 3 }), refused, No, AttemptsUsed},
		{"body gone", get.but(func(a *Ask) { a.Replayable = false }), refused, No, BodyGone},
		{"head sent", get.but(func(a *Ask) { a.BytesToClient = true }), refused, No, ResponseBegun},
	}
	for _, tt := range tests {
		if d, why := AgainOn(tt.ask, tt.answer, new(Budget)); d != tt.want || why != tt.why {
			t.Errorf("%s: got %v (%s), want %v (%s)", tt.name, d, why, tt.want, tt.why)
		}
	}
	b := new(Budget)
	for range budgetFloor {
		AgainOn(get, refused, b)
	}
	if d, why := AgainOn(get, refused, b); d != No || why != BudgetExhausted {
		t.Errorf("got %v (%s) beyond the floor", d, why)
	}
}

// A lost race is in no budget: the upstream never had the request.
func TestRaceIsInNoBudget(t *testing.T) {
	b := new(Budget)
	e := reused(at(fault.FirstByte, fault.Closed))
	f := fault.Classify(&e)
	for range 100 {
		if d, why := Again(get, &e, f, b); d != FreshConnection {
			t.Fatalf("%v (%s)", d, why)
		}
	}
	if _, retries := b.window(0); retries != 0 {
		t.Errorf("%d retries counted", retries)
	}
}
