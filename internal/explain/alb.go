package explain

import (
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// The fields are those of the "Access logs for your Application Load Balancer" and "Access logs for your Classic Load
// Balancer" pages of AWS. target_status_code "-" means that the balancer made the answer; the moment of the answer less
// that of the request's arrival is the time that it took, which tells its timers: 10 s to connect and to shake hands, 60 s
// of idleness by default.

var albAccess = &Format{
	begins: "hgw", marks: []string{"h2 202", "http 202", "https 202", "grpcs 202", "wss 202"},
	Name: "alb", Title: "AWS ALB access log", Product: "alb", Role: RoleProxy,
	Gives: "Who made the answer (target_status_code), the target, the three processing times, and the moments of request and answer.",
	Lacks: "Why the target's connection failed: error_reason covers authentication and Lambda only.",
	Better: `aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN --attributes \
  Key=access_logs.s3.enabled,Value=true Key=access_logs.s3.bucket,Value=BUCKET \
  Key=connection_logs.s3.enabled,Value=true Key=connection_logs.s3.bucket,Value=BUCKET`,
	Parse: parseALB,
}

var clbAccess = &Format{
	dated: datedDashes,
	Name:  "clb", Title: "AWS Classic Load Balancer access log", Product: "alb", Role: RoleProxy,
	Gives: "Who made the answer (backend_status_code), the instance and the three processing times.",
	Lacks: "Why the instance's connection failed, and the whole time of a request that was not answered.",
	Better: `aws elb modify-load-balancer-attributes --load-balancer-name NAME \
  --load-balancer-attributes "AccessLog={Enabled=true,S3BucketName=BUCKET,EmitInterval=5}"`,
	Parse: parseCLB,
}

// balancerLine is what both logs have.
type balancerLine struct {
	target              []byte
	request, wait, send time.Duration // -1 where the balancer writes -1: it did not come to that
	status, received    int           // received is 0 where the target answered nothing
	reason              []byte
}

func parseALB(e *Entry, line []byte) bool {
	w := words{line}
	switch string(w.next()) {
	case "http", "https", "h2", "grpcs", "ws", "wss":
	default:
		return false
	}
	var b balancerLine
	if !b.common(e, &w) {
		return false
	}
	if _, ok := w.quoted(); !ok { // the user agent
		return false
	}
	w.skip(3) // cipher, protocol, target group
	if trace, ok := w.quoted(); ok {
		e.ID = dashed(trace)
	}
	for range 2 { // name, certificate
		w.quoted()
	}
	w.skip(1) // the rule's priority
	if created, zoned, _, ok := rfc3339Clock(w.next()); ok && zoned {
		e.Took = max(e.Time.Sub(created), 0)
	}
	for range 2 { // actions, redirect
		w.quoted()
	}
	reason, _ := w.quoted()
	b.reason = dashed(reason)
	b.judge(e)
	return true
}

func parseCLB(e *Entry, line []byte) bool {
	var b balancerLine
	w := words{line}
	if len(line) < 20 || line[4] != '-' || line[10] != 'T' || !b.common(e, &w) {
		return false
	}
	b.judge(e)
	return true
}

// common reads from the time to the request line.
func (b *balancerLine) common(e *Entry, w *words) bool {
	t, zoned, rest, ok := rfc3339Clock(w.next())
	if !ok || !zoned || len(rest) > 0 {
		return false
	}
	e.Time, e.Zoned = t, true
	w.skip(1) // the balancer's name
	client := w.next()
	e.Client = withoutPort(client)
	b.target = dashed(w.next())
	e.Upstream = b.target
	if len(client) == len(e.Client) {
		return false
	}
	for _, d := range [...]*time.Duration{&b.request, &b.wait, &b.send} {
		n, ok := decimal(w.next())
		if !ok {
			return false
		}
		*d = max(time.Duration(n), -1)
	}
	status, received := w.next(), w.next()
	b.status, b.received = wholeStatus(status), wholeStatus(received)
	if b.status == 0 && string(status) != "-" && string(status) != "000" {
		return false
	}
	for range 2 { // octets received and sent
		if wholeUint(w.next()) < 0 {
			return false
		}
	}
	request, ok := w.quoted()
	if !ok {
		return false
	}
	e.Status = b.status
	e.setRequest(request)
	if b.request >= 0 && b.wait >= 0 && b.send >= 0 {
		e.Took = b.request + b.wait + b.send
	}
	return true
}

func (b *balancerLine) judge(e *Entry) {
	switch {
	case b.received != 0 || b.status > 0 && b.status < 400:
		e.originSaid(b.status)
	case b.status == 0, b.status == 460:
		e.clientGone()
	case b.reason != nil && b.judgeReason(e):
		// It says why.
	case b.status == 464:
		e.told(ByGateway, fault.CauseGRPCOverHTTP1)
		e.suspect(fault.CauseGRPCOverHTTP1, fault.CauseRequestVersion)
	case b.status == 561:
		e.told(ByHop, fault.CauseApplicationError) // the identity provider answered with an error
	case b.status == 502:
		b.judgeBadGateway(e)
	case b.status == 503 && b.target == nil:
		e.fail(ByGateway, fault.Select, fault.Unavailable)
		e.Evidence.Rule = fault.RulePoolEmpty
	case b.status == 504:
		b.judgeTimeout(e)
	default:
		e.gatewayStatus(b.status)
	}
}

// judgeBadGateway: without an answer from the target, the troubleshooting page names a refused connection, a FIN or RST
// while a request was outstanding, a malformed or too large head, and a TLS handshake that failed or took ten seconds.
func (b *balancerLine) judgeBadGateway(e *Entry) {
	switch {
	case b.wait < 0 && e.Took >= 9500*time.Millisecond && e.Took <= 10500*time.Millisecond:
		e.fail(ByGateway, fault.TLS, fault.Timeout)
		e.waited()
		e.suspect(fault.CauseTLSHandshakeTimeout, fault.CauseWorkerTimeout, fault.CauseClosedBeforeAnswer)
	case b.request < 0 && b.wait < 0 && e.Took < time.Second:
		e.fail(ByGateway, fault.Dial, fault.Refused)
		e.suspect(fault.CauseConnectionRefused, fault.CauseTLSHandshakeClosed, fault.CauseKeepaliveRace, fault.CauseClosedBeforeAnswer)
	default:
		if b.wait > 0 {
			e.Took = b.wait
		}
		e.closedSilently(fault.Closed)
		if e.Candidates[0] == fault.CauseClosedBeforeAnswer && e.Took < time.Second {
			// The guide's first advice for a 502 without a target's status: the target's keep-alive is the shorter one.
			e.suspect(fault.CauseKeepaliveRace, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseHeadTooLarge, fault.CauseBadField)
		}
	}
}

// judgeTimeout: the balancer waits ten seconds for a connection, and its idle timeout for an answer.
func (b *balancerLine) judgeTimeout(e *Entry) {
	if e.Took >= 9500*time.Millisecond && e.Took <= 10500*time.Millisecond {
		e.fail(ByGateway, fault.Dial, fault.Timeout)
		e.waited()
		e.suspect(fault.CauseConnectTimeout, fault.CauseHeadTimeout)
		return
	}
	e.fail(ByGateway, fault.FirstByte, fault.Timeout)
	e.waited()
	if e.Took < 0 {
		e.suspect(fault.CauseHeadTimeout, fault.CauseConnectTimeout, fault.CauseBodyStalled)
	}
}

// judgeReason reads error_reason, which only Lambda targets and authentication have.
func (b *balancerLine) judgeReason(e *Entry) bool {
	switch {
	case starts(b.reason, "LambdaConnectionTimeout"):
		e.fail(ByGateway, fault.Dial, fault.Timeout)
	case starts(b.reason, "LambdaThrottling"), starts(b.reason, "LambdaEC2Throttled"):
		e.told(ByOrigin, fault.CauseUpstreamOverloaded)
	case starts(b.reason, "LambdaResponseTooLarge"):
		e.told(ByGateway, fault.CauseResponseBodyTooLarge)
	case starts(b.reason, "LambdaBadRequest"), starts(b.reason, "LambdaRequestTooLarge"):
		e.clientFault(400)
	case starts(b.reason, "LambdaUnhandled"), starts(b.reason, "LambdaInvalidResponse"):
		e.told(ByOrigin, fault.CauseApplicationError)
	case starts(b.reason, "Lambda"):
		e.told(ByGateway, fault.CauseRouteBroken)
	case starts(b.reason, "Auth"):
		e.told(ByHop, fault.CauseApplicationError)
	default:
		return false
	}
	return true
}
