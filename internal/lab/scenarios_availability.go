package lab

import (
	"strconv"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

const (
	whyPassed = "RFC 9110, section 15.6: it is the upstream's own answer; RFC 9209, section 2.1.4: received-status, and no error."
	whyRace   = "RFC 9112, section 9.3.1: an idempotent request may be repeated when a connection that was in use ends before an answer; what can avoid a 502 is asked to."
	idle      = 300 * time.Millisecond
)

// passed is a scenario of an answer that is the upstream's own.
func passed(name, row, status, does string, causes ...fault.Cause) Scenario {
	code, _ := strconv.Atoi(status[:3])
	return Scenario{
		Name: name, Group: Availability, Row: row, Does: does, Why: whyPassed, Plays: Serve(Answer(status, "the upstream's own words\n")),
		Want: Want{Status: []int{code}, Body: "the upstream's own words\n", Cause: causes},
	}
}

// race is a scenario of an idle connection that ends.
func race(name, row, does string, want Want, ask Ask, ending ...Step) Scenario {
	return Scenario{Name: name, Group: Availability, Row: row, Does: does, Why: whyRace, Ask: ask, Want: want, Plays: append(Plays{Await(), Answer("200 OK", okBody)}, ending...)}
}

var saved = Want{Status: []int{200}, Body: okBody, Saved: true, Cause: []fault.Cause{fault.CauseKeepaliveRace}}

var availabilityScenarios = []Scenario{
	passed("upstream-500", "A14", "500 Internal Server Error", "The upstream answers 500 itself.", fault.CauseUpstreamStatus),
	passed("upstream-502", "A14", "502 Bad Gateway", "The upstream answers 502 itself: it is a gateway too.", fault.CauseUpstreamStatus),
	passed("upstream-503", "A14", "503 Service Unavailable", "The upstream answers 503 itself.", fault.CauseUpstreamStatus),
	passed("upstream-504", "A14", "504 Gateway Timeout", "The upstream answers 504 itself.", fault.CauseUpstreamStatus),
	passed("upstream-404", "", "404 Not Found", "The upstream answers 404: no fault of any gateway's."),
	passed("upstream-418", "", "418 I'm a teapot", "The upstream answers with a status that few know."),
	passed("upstream-599", "A14", "599 Odd", "The upstream answers with a status that no registry has.", fault.CauseUpstreamStatus),
	{
		Name: "maintenance", Group: Availability, Row: "A14", Does: "The upstream answers 503 with Retry-After: it is being maintained.", Why: "RFC 9110, section 10.2.3: Retry-After reaches the client.",
		Plays: Serve(Answer("503 Service Unavailable", "back soon\n", "Retry-After: 120")), Want: Want{Status: []int{503}, Fields: []string{"Retry-After: 120"}, Body: "back soon\n", Cause: []fault.Cause{fault.CauseUpstreamStatus}},
	},
	{
		Name: "rate-limited", Group: Availability, Row: "", Does: "The upstream answers 429 with Retry-After from the third request on.", Why: "RFC 6585, section 4: it is the upstream's own answer.",
		Plays: Serve(First(2, Plays{Answer("200 OK", okBody)}, Plays{Answer("429 Too Many Requests", "slower, please\n", "Retry-After: 5")})), Ask: Ask{Times: 4}, Want: Want{Status: []int{200, 429}, AtLeast: map[int]int{200: 1, 429: 1}},
	},
	{
		Name: "overload", Group: Availability, Row: "A14", Does: "Answers take 60 ms longer for each request under way; with more than eight, the upstream answers 503.", Why: whyPassed, Alone: true,
		Plays: Serve(crowded(60*time.Millisecond, 8)), Ask: Ask{Times: 20, Together: true}, Want: Want{Status: []int{200, 503}, AtLeast: map[int]int{200: 4}, Cause: []fault.Cause{fault.CauseUpstreamStatus}},
	},
	{
		Name: "slow-start", Group: Availability, Row: "", Does: "The first answers take 900, 600 and 300 ms: caches are cold.", Why: "Slow is not broken.",
		Plays: Serve(warming(300*time.Millisecond, 3), Answer("200 OK", okBody)), Ask: Ask{Times: 4}, Want: good,
	},
	{
		Name: "flapping", Group: Availability, Row: "R1", Does: "Each third request ends with a closed connection instead of an answer.", Why: "RFC 9110, section 9.2.2: a gateway may repeat an idempotent request, or answer 502.",
		Plays: Serve(EveryNth(3, Plays{Close()}, Plays{Answer("200 OK", okBody)})), Ask: Ask{Times: 6}, Want: Want{
			Status: []int{200, 502}, AtLeast: map[int]int{200: 3}, Types: []fault.Type{fault.TypeConnectionTerminated}, Cause: []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseKeepaliveRace},
		},
	},
	{
		Name: "worker-dies", Group: Availability, Row: "R1", Does: "The worker is killed one second into the request.", Why: whyTerminated,
		Plays: Once(Wait(time.Second), Close()), Want: want502(fault.TypeConnectionTerminated, fault.CauseClosedBeforeAnswer, fault.CauseWorkerTimeout),
	},
	{
		Name: "worker-dies-reset", Group: Availability, Row: "R3", Does: "The worker is killed one second into the request, and the kernel resets the connection.", Why: whyTerminated,
		Plays: Once(Wait(time.Second), Reset()), Want: want502(fault.TypeConnectionTerminated, fault.CauseResetBeforeAnswer, fault.CauseWorkerTimeout),
	},
	{
		Name: "redirect-loop", Group: Availability, Row: "A20", Does: "Each answer is a redirect to the same URL by https.", Why: "RFC 9110, section 15.4: it is the upstream's own answer, and the client's affair.",
		Plays: Serve(Answer("301 Moved Permanently", "moved\n", "Location: https://lab.test/redirect-loop/")), Want: Want{Status: []int{301}, Fields: []string{"Location: https://lab.test/redirect-loop/"}},
	},

	{Name: "idle-close", Group: Availability, Row: "", Does: "Idle connections are closed after 300 ms; the next request comes later.", Why: whyRace, Ask: Ask{Warm: 1, Pause: 3 * idle}, Want: good, Plays: Plays{Await(), Answer("200 OK", okBody), Wait(idle), Close()}},
	{Name: "idle-reset", Group: Availability, Row: "", Does: "Idle connections are reset after 300 ms; the next request comes later.", Why: whyRace, Ask: Ask{Warm: 1, Pause: 3 * idle}, Want: good, Plays: Plays{Await(), Answer("200 OK", okBody), Wait(idle), Reset()}},
	{Name: "idle-announced", Group: Availability, Row: "", Does: "Keep-Alive: timeout=1 is announced, and kept: the connection is closed after a second.", Why: whyRace, Ask: Ask{Warm: 1, Pause: 1200 * time.Millisecond}, Want: good, Plays: Plays{Await(), Answer("200 OK", okBody, "Keep-Alive: timeout=1"), Wait(time.Second), Close()}},
	{Name: "idle-announced-reset", Group: Availability, Row: "", Does: "Keep-Alive: timeout=1 is announced, and the connection is reset after a second.", Why: whyRace, Ask: Ask{Warm: 1, Pause: 1200 * time.Millisecond}, Want: good, Plays: Plays{Await(), Answer("200 OK", okBody, "Keep-Alive: timeout=1"), Wait(time.Second), Reset()}},
	race("keepalive-race-close", "R2", "The connection is closed when the second request on it has come.", saved, Ask{Warm: 1}, AwaitHead(), Close()),
	race("keepalive-race-reset", "R2", "The connection is reset when the second request on it has come.", saved, Ask{Warm: 1}, AwaitHead(), Reset()),
	{
		Name: "keepalive-race-post", Group: Availability, Row: "R2", Does: "The connection is reset when a POST has come on it, the third request there.",
		Why: "RFC 9110, section 9.2.2: a proxy must not repeat a request that is not idempotent by itself.", Ask: Ask{Method: "POST", Body: 10, Warm: 2},
		Plays: Plays{Await(), Answer("200 OK", okBody), Await(), Answer("200 OK", okBody), AwaitHead(), Reset()},
		Want:  Want{Status: []int{502, 200}, Requests: 3, Types: []fault.Type{fault.TypeConnectionTerminated}, Cause: []fault.Cause{fault.CauseKeepaliveRace}},
	},
	race("keepalive-race-cut", "R4", "The second answer on a connection is cut in its head: the upstream has begun to answer.", Want{
		Status: []int{502, 200}, Types: cutTypes, Cause: []fault.Cause{fault.CauseHeadCut},
	}, Ask{Warm: 1}, AwaitHead(), Send(headOK+"Content-Le"), Close()),

	{
		Name: "one-of-two-refuses", Group: Availability, Row: "C1", Does: "The pool has two upstreams; the first refuses every connection.", Why: "RFC 9110, section 9.2.2: nothing was sent, so another is asked.",
		At: At{Socket: Refuses, Beside: []string{"ok"}}, Want: Want{Status: []int{200}, Body: okBody, Saved: true, Cause: []fault.Cause{fault.CauseConnectionRefused}}, Ask: Ask{Times: 4},
	},
	{
		Name: "one-of-two-hangs", Group: Availability, Row: "C2", Does: "The pool has two upstreams; the accept queue of the first is full.", Why: "RFC 9110, section 9.2.2: nothing was sent, so another is asked.",
		At: At{Socket: QueueFull, Beside: []string{"ok"}}, Want: Want{Status: []int{200}, Body: okBody, Saved: true, Cause: []fault.Cause{fault.CauseConnectTimeout}}, Ask: Ask{Times: 2},
	},
	{
		Name: "one-of-two-slow", Group: Availability, Row: "", Does: "The pool has two upstreams; the first takes 600 ms for each answer.", Why: "Slow is not broken: each request is answered, whoever answers it.",
		Plays: Serve(Wait(600*time.Millisecond), Answer("200 OK", okBody)), At: At{Beside: []string{"ok"}}, Ask: Ask{Times: 4}, Want: good,
	},
	{
		Name: "bad-canary", Group: Availability, Row: "A14", Does: "The pool has two upstreams; the first is a new release that answers each request 500.",
		Why: "A gateway that has seen one of two upstreams fail and the other not should not go on to give each the half.", Alone: true,
		Plays: Serve(Answer("500 Internal Server Error", "the release is broken\n")), At: At{Beside: []string{"ok"}}, Ask: Ask{Times: 40},
		Want: Want{Status: []int{200, 500}, AtLeast: map[int]int{200: 25}, Cause: []fault.Cause{fault.CauseUpstreamStatus}},
	},
	{
		Name: "all-refuse", Group: Availability, Row: "A1", Does: "The pool has two upstreams, and both refuse.", Why: "RFC 9209, section 2.3.4: destination_unavailable, 503; the last attempt's own 502 says more.",
		At: At{Socket: Refuses, Beside: []string{"connection-refused"}}, Ask: Ask{Times: 4},
		Want: Want{
			Status: []int{502, 503}, Types: []fault.Type{fault.TypeConnectionRefused, fault.TypeDestinationUnavailable}, Cause: []fault.Cause{fault.CauseConnectionRefused, fault.CauseNobodyAvailable},
		},
	},
}

// crowded answers more slowly the more requests are under way, and with 503 above the limit.
func crowded(each time.Duration, limit int64) Step {
	return Act("answer after "+each.String()+" for each request under way; 503 if there are more than "+strconv.FormatInt(limit, 10), func(p *Peer) error {
		n := p.stage.inflight.Add(1)
		defer p.stage.inflight.Add(-1)
		if n > limit {
			return p.write(response("503 Service Unavailable", "overloaded\n", "Retry-After: 1"))
		}
		if err := p.wait(time.Duration(n) * each); err != nil {
			return err
		}
		return p.write(response("200 OK", okBody))
	})
}

// warming waits before the first n answers, each time less.
func warming(step time.Duration, n int64) Step {
	return Act("wait before the first answers: less each time", func(p *Peer) error {
		if left := n + 1 - p.number; left > 0 {
			return p.wait(time.Duration(left) * step)
		}
		return nil
	})
}
