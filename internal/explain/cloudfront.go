package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// The 33 fields and the values of x-edge-detailed-result-type are those of the page "Standard logging reference" of the
// CloudFront Developer Guide. The fields stand between tabs, always in the same order; new ones are added at the end.

var cloudfrontAccess = &Format{
	begins: "#", dated: datedDashes,
	Name: "cloudfront", Title: "CloudFront standard log", Product: "cloudfront", Role: RoleProxy,
	Gives: "x-edge-detailed-result-type: which step with the origin failed; who answered, the times, the request's id.",
	Lacks: "The origin's address, its own status where CloudFront replaced it, and whether a connection was refused or silent.",
	Better: `aws cloudfront create-realtime-log-config --name why --sampling-rate 100 --end-points FILE \
  --fields timestamp c-ip sc-status cs-uri-stem x-edge-detailed-result-type origin-fbl origin-lbl x-edge-request-id`,
	Parse: parseCloudFront,
}

// Indexes of the fields that are read.
const (
	cfDate       = 0
	cfTime       = 1
	cfClient     = 4
	cfMethod     = 5
	cfStem       = 7
	cfStatus     = 8
	cfResult     = 13
	cfID         = 14
	cfHost       = 15
	cfTook       = 18
	cfResponse   = 22
	cfDetailed   = 28
	cfFieldsLow  = 24 // logs before 2019 end with cs-protocol-version
	cfFieldsHigh = 64
)

func parseCloudFront(e *Entry, line []byte) bool {
	if starts(line, "#") {
		return cloudfrontHeader(e, line)
	}
	var f [cfDetailed + 1][]byte
	count := 0
	for rest, more := line, true; more && count < cfFieldsHigh; count++ {
		var field []byte
		field, rest, more = bytes.Cut(rest, []byte("\t"))
		if count < len(f) {
			f[count] = field
		}
	}
	if count < cfFieldsLow || count == cfFieldsHigh || len(f[cfDate]) != 10 || len(f[cfTime]) != 8 {
		return false
	}
	y, m, d, c := four(f[cfDate]), two(f[cfDate][5:]), two(f[cfDate][8:]), clockOf(f[cfTime])
	if y < 0 || m < 1 || m > 12 || d < 1 || d > 31 || c < 0 || !isMethod(f[cfMethod]) {
		return false
	}
	e.Time, e.Zoned = moment(y, time.Month(m), d, c, 0, 0), true
	e.Client, e.Method, e.Path = f[cfClient], f[cfMethod], f[cfStem]
	e.ID, e.Host = dashed(f[cfID]), dashed(f[cfHost])
	e.Status, e.Took = wholeStatus(f[cfStatus]), decimalSeconds(f[cfTook])
	if e.Status == 0 && string(f[cfStatus]) != "000" && string(f[cfStatus]) != "0" {
		return false
	}
	detail := f[cfDetailed]
	if len(detail) == 0 {
		detail = f[cfResponse]
	}
	if len(detail) == 0 || detail[0] == '-' {
		detail = f[cfResult]
	}
	e.Said = detail
	cloudfrontResult(e, detail)
	return true
}

// cloudfrontHeader takes the two lines that each file begins with.
func cloudfrontHeader(e *Entry, line []byte) bool {
	e.noise(MarkerNone)
	return starts(line, "#Fields:") && has(line, "x-edge-location")
}

// cloudfrontResult judges a result type. "Error" alone says that the answer was one, and no more.
func cloudfrontResult(e *Entry, detail []byte) {
	v := &e.Evidence
	switch string(detail) {
	case "OriginDnsError":
		e.fail(ByGateway, fault.Resolve, fault.NoAddress)
	case "OriginConnectError":
		e.fail(ByGateway, fault.Dial, fault.Refused)
		e.suspect(fault.CauseConnectionRefused, fault.CauseConnectTimeout, fault.CauseTLSHandshakeClosed, fault.CauseTLSCertificateUntrusted)
	case "OriginCommError":
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.waited()
		e.suspect(fault.CauseHeadTimeout, fault.CauseConnectTimeout, fault.CauseClosedBeforeAnswer)
	case "OriginHeaderTooBigError":
		e.fail(ByGateway, fault.Head, fault.TooLarge)
		v.Rule = fault.RuleHeadSize
	case "OriginInvalidResponseError":
		e.fail(ByGateway, fault.Head, fault.Malformed)
		v.Rule = fault.RuleNotHTTP
		e.suspect(fault.CauseNotHTTP, fault.CauseBadField)
	case "OriginReadError", "OriginZeroSizeObjectError":
		e.closedSilently(fault.Closed)
	case "OriginWriteError":
		e.fail(ByGateway, fault.Write, fault.Reset)
		v.Upload = true
	case "OriginContentRangeLengthError":
		e.fail(ByGateway, fault.Body, fault.Closed)
		v.Rule = fault.RuleBodyShort
	case "OriginError":
		e.originSaid(e.Status)
		e.By = ByOrigin
	case "AbortedOrigin":
		e.closedSilently(fault.Reset)
	case "SlowReaderOriginError", "ClientCommError", "ClientHungUpRequest":
		e.clientGone()
	case "ClientGeoBlocked":
		e.clientFault(403)
	case "InvalidRequest", "InvalidRequestBlocked", "InvalidRequestCertificate", "InvalidRequestHeader", "InvalidRequestMethod":
		e.clientFault(max(e.Status, 400))
	case "LambdaExecutionError", "LambdaValidationError", "FunctionExecutionError", "FunctionValidationError":
		e.told(ByGateway, fault.CauseApplicationError)
	case "LambdaLimitExceeded", "FunctionThrottledError", "LimitExceeded", "CapacityExceeded":
		e.told(ByGateway, fault.CauseOwnLimit)
	default:
		cloudfrontPlain(e, detail)
	}
}

func cloudfrontPlain(e *Entry, detail []byte) {
	switch {
	case e.Status == 0:
		e.clientGone()
	case e.Status < 400 || string(detail) == "Hit" || string(detail) == "RefreshHit" || string(detail) == "Miss":
		e.originSaid(e.Status)
	case e.Status < 500:
		e.Kind = KindOK
	default:
		e.gatewayStatus(e.Status)
		e.By = ByUnknown // Error alone: the origin's, or CloudFront's
	}
}
