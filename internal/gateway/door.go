package gateway

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/telemetry"
)

// door counts the TLS handshakes with clients that failed, by reason.
type door struct {
	failed [listener.Reasons]atomic.Uint64
	told   [listener.Reasons]seldom
}

// doorAdvice says what to do about each reason. Nothing is to be done about a client that says nothing.
var doorAdvice = [listener.Reasons]string{
	listener.PlainHTTP:     "use https:// with this port; a load balancer in front must speak TLS to it",
	listener.NotTLS:        "see what that client is: the port speaks TLS only",
	listener.NoCommonWays:  "update the client: TLS 1.2 is the least; where no certificate is configured for the name that it asks for, name it in acme.names or add its cert and key",
	listener.AlertReceived: "the client refuses us: see that the certificate's chain is whole, covers the name, and is from an authority it trusts",
	listener.LeftHalfway:   "the client gave up: a time limit of its own, or it does not want the certificate",
	listener.TooMany:       "raise limits.connections if the machine bears it; see who holds so many connections",
	listener.TooSlow:       "a slow line or a client that hangs; limits.head_time bounds the handshake",
}

// doorEnds are the ways in which each reason ends the reading of a request.
var doorEnds = [listener.Reasons]fault.End{
	listener.PlainHTTP: fault.Malformed, listener.NotTLS: fault.Malformed, listener.NoCommonWays: fault.Malformed,
	listener.AlertReceived: fault.Alert, listener.LeftHalfway: fault.Closed, listener.TooSlow: fault.Timeout, listener.TooMany: fault.Limit,
}

// handshakeFailed counts a failed handshake, and at most once a second for each reason writes a line of the access log, keeps an
// incident and logs it. What came in clear was answered, and has a line each time, as every answer. Of a connection that said nothing there
// is only the count: balancers and scanners make them all day.
func (g *Gateway) handshakeFailed(h *listener.Handshake) {
	d := &g.door
	d.failed[h.Reason].Add(1)
	if h.Reason == listener.Silent {
		return
	}
	e := &fault.Evidence{
		Stage: fault.Receive, End: doorEnds[h.Reason], Alert: h.Alert, Rule: fault.RuleTLSHandshake, Declared: -1,
		Sample: redact.Head(h.First), Detail: h.Detail,
	}
	status := 400
	switch h.Reason {
	case listener.PlainHTTP:
		e.Rule = fault.RulePlainOnTLS
	case listener.TooSlow:
		e.Timer, e.After = fault.TimerRequest, h.Limit
	case listener.TooMany:
		e.Rule, e.Limit, status = fault.RuleNone, int64(h.Max), 503
	}
	r := telemetry.Record{
		Began: mono.Now().Add(-h.Took), At: time.Now().Add(-h.Took), Duration: h.Took, Client: h.Client, Secure: h.Reason != listener.PlainHTTP, Status: status, By: telemetry.ByGateway,
		Fault: fault.Classify(e), Evidence: e,
	}
	if h.Reason != listener.PlainHTTP && h.Reason != listener.TooMany { // nobody was answered, by its own doing
		r.By = telemetry.ByClient
	}
	told := d.told[h.Reason].now()
	if told {
		r.Incident = proxy.NewIncidentID()
		g.record(newIncident(&r))
		g.tellHandshake(h, r.Incident)
	}
	if told || h.Reason == listener.PlainHTTP {
		g.writeLog(&r)
	}
}

// tellHandshake logs a failed handshake, with how many like it were not since the last one.
func (g *Gateway) tellHandshake(h *listener.Handshake, incident string) {
	args := []any{
		"reason", h.Reason.String(), "client", h.Client, "address", h.Local, "detail", h.Detail, "incident", incident, "do", doorAdvice[h.Reason],
	}
	if h.Reason == listener.NotTLS {
		args = append(args, "first_bytes", strconv.QuoteToASCII(string(redact.Head(h.First))))
	}
	g.log.Warn("TLS handshake failed", g.door.told[h.Reason].others(args)...)
}

// handshakes are the counts by reason, for the metrics.
func (d *door) handshakes() map[string]uint64 {
	out := make(map[string]uint64, listener.Reasons)
	for r := range d.failed {
		out[listener.Reason(r).String()] = d.failed[r].Load()
	}
	return out
}
