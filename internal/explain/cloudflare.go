package explain

import (
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// The fields are those of the http_requests data set of Logpush, the meaning of 520 to 530 that of the pages "Cloudflare
// 5xx errors". OriginResponseStatus is 0 where no HTTP answer came from the origin: Cloudflare made the one that was sent.

var cloudflareLog = &Format{
	marks: []string{"EdgeResponseStatus"},
	Name:  "cloudflare", Title: "Cloudflare Logpush", Product: "cloudflare", Role: RoleProxy,
	Gives: "Who made the answer (OriginResponseStatus), the 52x code that names the step, the origin's address and the times by step.",
	Lacks: "What stands behind a 520 and a 525; whether the connection was reused.",
	Better: `curl -X PUT https://api.cloudflare.com/client/v4/zones/ZONE/logpush/jobs/JOB -H "Authorization: Bearer TOKEN" --json \
 '{"output_options":{"timestamp_format":"rfc3339","field_names":["RayID","EdgeStartTimestamp","EdgeEndTimestamp","ClientIP",
   "ClientRequestMethod","ClientRequestHost","ClientRequestURI","EdgeResponseStatus","OriginIP","OriginResponseStatus",
   "OriginDNSResponseTimeMs","OriginTCPHandshakeDurationMs","OriginTLSHandshakeDurationMs",
   "OriginResponseHeaderReceiveDurationMs","OriginResponseDurationMs","SecurityAction"]}}'`,
	Parse: parseCloudflare,
}

// cloudflareLine is what a line has beside the entry's fields.
type cloudflareLine struct {
	edge, origin    int
	originKnown     bool // the line has OriginResponseStatus
	start, end      time.Time
	took            time.Duration // as the origin's side of it was measured, -1 where it was not
	dns, tcp, tls   int64         // milliseconds by step
	action          []byte
	fromCache, rate bool
}

func parseCloudflare(e *Entry, line []byte) bool {
	if len(line) == 0 || line[0] != '{' || !has(line, `"EdgeResponseStatus":`) {
		return false
	}
	l := cloudflareLine{took: -1}
	fields := jsonObject(line)
	for fields.next() {
		l.field(e, fields.key, fields.value)
	}
	if !fields.complete() {
		return false
	}
	e.Time, e.Zoned = l.start, !l.start.IsZero()
	if !l.end.IsZero() && l.end.After(l.start) {
		e.Took = l.end.Sub(l.start)
	}
	if l.took > e.Took {
		e.Took = l.took
	}
	e.Status = l.edge
	l.judge(e)
	return true
}

func (l *cloudflareLine) field(e *Entry, key []byte, v jsonValue) {
	switch string(key) {
	case "EdgeResponseStatus":
		l.edge = v.num()
	case "OriginResponseStatus":
		l.origin, l.originKnown = v.num(), true
	case "EdgeStartTimestamp":
		l.start = cloudflareTime(v)
	case "EdgeEndTimestamp":
		l.end = cloudflareTime(v)
	case "OriginResponseTime":
		if ns, ok := v.int(); ok && ns > 0 && l.took < 0 {
			l.took = time.Duration(ns)
		}
	case "OriginResponseDurationMs":
		if ms, ok := v.int(); ok && ms > 0 {
			l.took = time.Duration(ms) * time.Millisecond
		}
	case "OriginDNSResponseTimeMs":
		l.dns, _ = v.int()
	case "OriginTCPHandshakeDurationMs":
		l.tcp, _ = v.int()
	case "OriginTLSHandshakeDurationMs":
		l.tls, _ = v.int()
	case "OriginIP":
		if ip := v.text(); len(ip) > 0 {
			e.Upstream = ip
		}
	case "ClientIP":
		e.Client = v.text()
	case "ClientRequestMethod":
		e.Method = v.text()
	case "ClientRequestHost":
		e.Host = v.text()
	case "ClientRequestURI":
		e.Path = v.text()
	case "RayID":
		e.ID = v.text()
	case "SecurityAction", "WAFAction":
		if text := v.text(); len(text) > 0 && string(text) != "unknown" && string(text) != "skip" && string(text) != "log" && string(text) != "allow" {
			l.action = text
		}
	case "CacheCacheStatus":
		l.fromCache = string(v.text()) == "hit" || string(v.text()) == "stale"
	case "EdgeRateLimitAction":
		l.rate = string(v.text()) == "ban"
	}
}

// cloudflareTime reads the three layouts of timestamp_format: rfc3339, unix and unixnano.
func cloudflareTime(v jsonValue) time.Time {
	if v.isText() {
		t, _, _, _ := rfc3339Clock(v.text())
		return t
	}
	n, ok := v.int()
	switch {
	case !ok:
		return time.Time{}
	case n > 1e14:
		return time.Unix(0, n).UTC()
	}
	return time.Unix(n, 0).UTC()
}

func (l *cloudflareLine) judge(e *Entry) {
	switch {
	case l.edge == 499 || l.edge == 0:
		e.clientGone()
	case l.edge < 400 || l.fromCache:
		e.originSaid(l.edge)
	case l.edge >= 520 && l.edge <= 530:
		l.judgeOwn(e)
	case l.origin != 0 || !l.originKnown:
		e.originSaid(l.edge)
		if !l.originKnown && l.edge >= 500 {
			e.By = ByUnknown
			e.suspect(fault.CauseUpstreamStatus, fault.CauseHeadTimeout)
		}
	case l.rate || l.edge == 429:
		e.told(ByGateway, fault.CauseRateLimited)
	case l.edge == 403 && l.action != nil:
		e.told(ByGateway, fault.CauseContentFilter)
	case l.edge == 502:
		e.told(ByGateway, fault.CauseBadContentCoding)
		e.suspect(fault.CauseBadContentCoding, fault.CauseConnectionRefused, fault.CauseClosedBeforeAnswer)
	default:
		e.gatewayStatus(l.edge)
	}
}

// judgeOwn judges the codes that only Cloudflare has.
func (l *cloudflareLine) judgeOwn(e *Entry) {
	switch l.edge {
	case 520, 527:
		e.closedSilently(fault.Closed)
		e.Candidates = append(e.Candidates, fault.CauseHeadTooLarge, fault.CauseNotHTTP)
	case 521:
		e.fail(ByGateway, fault.Dial, fault.Refused)
	case 522:
		e.fail(ByGateway, fault.Dial, fault.Timeout)
		if l.tcp > 0 { // the handshake was done: the request was not acknowledged
			e.suspect(fault.CauseConnectionLost, fault.CauseConnectTimeout)
		}
	case 523:
		e.fail(ByGateway, fault.Dial, fault.Unreachable)
		e.suspect(fault.CauseHostUnreachable, fault.CauseNetworkUnreachable)
	case 524:
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
	case 525:
		e.fail(ByGateway, fault.TLS, fault.Closed)
		e.suspect(fault.CauseTLSHandshakeClosed, fault.CauseTLSNoSharedCipher, fault.CauseTLSVersionMismatch, fault.CauseTLSToPlainPort, fault.CauseTLSNameUnknown)
	case 526:
		e.fail(ByGateway, fault.TLS, fault.Untrusted)
		e.suspect(fault.CauseTLSCertificateUntrusted, fault.CauseTLSCertificateExpired, fault.CauseTLSCertificateWrongName, fault.CauseTLSCertificateSelfSigned)
	case 529:
		e.told(ByGateway, fault.CauseUpstreamOverloaded)
	case 530:
		e.fail(ByGateway, fault.Resolve, fault.NoAddress)
		e.suspect(fault.CauseDNSError, fault.CauseDNSNXDomain, fault.CauseProxyLoop)
	default:
		e.told(ByGateway, fault.CauseUnknown)
	}
	e.waited()
}
