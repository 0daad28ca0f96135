package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Google's balancers log LogEntry objects. statusDetails (global and classic external balancers) and proxyStatus (the
// Envoy-based ones, in the words of RFC 9209) say why; both are on the pages "HTTP(S) Load Balancing logging and
// monitoring" of Google Cloud.

var gcpAccess = &Format{
	marks: []string{"httpRequest"},
	Name:  "gcp-lb", Title: "Google Cloud load balancer log", Product: "gcp", Role: RoleProxy,
	Gives: "statusDetails or proxyStatus: why, in one word; the backend service, the latency, and whether the backend answered.",
	Lacks: "The endpoint, and for failed_to_connect_to_backend whether it refused or was silent.",
	Better: `gcloud compute backend-services update SERVICE --global --enable-logging --logging-sample-rate=1.0 \
  --logging-optional=INCLUDE_ALL_OPTIONAL`,
	Parse: parseGCP,
}

func parseGCP(e *Entry, line []byte) bool {
	if len(line) == 0 || line[0] != '{' || !has(line, `"httpRequest":`) || !has(line, `"statusDetails":`) && !has(line, `"proxyStatus":`) {
		return false
	}
	var details, proxy []byte
	fields := jsonObject(line)
	for fields.next() {
		v := fields.value
		switch string(fields.key) {
		case "httpRequest":
			gcpRequest(e, v)
		case "jsonPayload":
			payload := v.fields()
			for payload.next() {
				gcpPayload(e, payload.key, payload.value, &details, &proxy)
			}
		case "resource":
			e.Upstream = gcpBackend(v)
		case "timestamp":
			if t, zoned, _, ok := rfc3339Clock(v.text()); ok {
				e.Time, e.Zoned = t, zoned
			}
		case "trace":
			e.ID = v.text()
		default:
			gcpPayload(e, fields.key, v, &details, &proxy)
		}
	}
	if !fields.complete() || details == nil && proxy == nil {
		return false
	}
	e.Said = details
	switch {
	case details != nil:
		gcpDetails(e, details)
	default:
		e.Said = proxy
		gcpProxy(e, proxy)
	}
	return true
}

func gcpPayload(e *Entry, key []byte, v jsonValue, details, proxy *[]byte) {
	switch string(key) {
	case "statusDetails":
		*details = v.text()
	case "proxyStatus":
		*proxy = v.text()
	case "remoteIp":
		e.Client = v.text()
	}
}

// gcpRequest reads the HttpRequest message of Cloud Logging; latency is a number of seconds with an s behind it.
func gcpRequest(e *Entry, v jsonValue) {
	fields := v.fields()
	for fields.next() {
		text := fields.value.text()
		switch string(fields.key) {
		case "requestMethod":
			e.Method = text
		case "requestUrl":
			e.setTarget(text)
		case "status":
			e.Status = fields.value.num()
		case "remoteIp":
			e.Client = withoutPort(text)
		case "latency":
			e.Took = decimalSeconds(bytes.TrimSuffix(text, []byte("s")))
		}
	}
}

// gcpBackend reads the resource's labels: the backend service is who was asked.
func gcpBackend(v jsonValue) (name []byte) {
	resource := v.fields()
	for resource.next() {
		if string(resource.key) != "labels" {
			continue
		}
		labels := resource.value.fields()
		for labels.next() {
			switch string(labels.key) {
			case "backend_service_name", "backend_name", "backend_target_name":
				if name == nil {
					name = labels.value.text()
				}
			}
		}
	}
	return name
}

// gcpDetails judges statusDetails.
func gcpDetails(e *Entry, details []byte) {
	v := &e.Evidence
	switch string(details) {
	case "response_sent_by_backend":
		e.originSaid(e.Status)
	case "response_from_cache", "response_from_cache_validated", "byte_range_caching", "direct_response", "websocket_closed":
		e.originSaid(e.Status)
		e.By = ByGateway
	case "failed_to_connect_to_backend":
		e.fail(ByGateway, fault.Dial, fault.Refused)
		e.waited()
		e.suspect(fault.CauseConnectionRefused, fault.CauseConnectTimeout, fault.CauseHostUnreachable)
	case "failed_to_pick_backend":
		e.fail(ByGateway, fault.Select, fault.Unavailable)
	case "backend_timeout":
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.waited()
	case "backend_connection_closed_before_data_sent_to_client", "aborted_request_due_to_backend_early_response":
		e.closedSilently(fault.Closed)
		if e.Took >= 0 && e.Took < time.Second { // Google keeps its connections for 600 s: longer than any server by default
			e.suspect(fault.CauseKeepaliveRace, fault.CauseClosedBeforeAnswer, fault.CauseWorkerCrashed)
		}
	case "backend_connection_closed_after_partial_response_sent":
		e.fail(ByGateway, fault.Body, fault.Closed)
		e.suspect(fault.CauseBodyShort, fault.CauseChunksCut, fault.CauseBodyReset)
	case "backend_early_response_with_non_error_status":
		e.fail(ByGateway, fault.Write, fault.Closed)
		v.Upload = true
	case "backend_interim_response_not_supported":
		e.fail(ByGateway, fault.Head, fault.Malformed)
		v.Rule = fault.RuleInterim
	case "backend_response_corrupted", "error_uncompressing_gzipped_body":
		e.told(ByGateway, fault.CauseBadContentCoding)
		if details[0] == 'b' {
			e.suspect(fault.CauseBadChunk, fault.CauseNotHTTP)
		}
	case "backend_response_headers_too_long":
		e.fail(ByGateway, fault.Head, fault.TooLarge)
		v.Rule = fault.RuleHeadSize
	case "failed_to_negotiate_alpn":
		e.told(ByGateway, fault.CauseTLSALPN)
	case "ssl_certificate_san_verification_failed":
		gcpCertificate(e, fault.CertWrongName)
	case "ssl_certificate_chain_verification_failed":
		gcpCertificate(e, fault.CertUnknownAuthority)
	case "request_loop_detected":
		e.fail(ByGateway, fault.Select, fault.Loop)
	case "websocket_handshake_failed":
		e.told(ByGateway, fault.CauseUpgradeRefused)
	case "config_not_found", "serverless_neg_routing_failed", "invalid_external_origin_endpoint":
		e.fail(ByGateway, fault.Select, fault.Misconfigured)
	default:
		gcpOther(e, details)
	}
}

// gcpOther judges what the client or a policy did, and what the table does not know.
func gcpOther(e *Entry, details []byte) {
	switch {
	case starts(details, "client_disconnected"), starts(details, "client_cert_"):
		e.clientGone()
	case string(details) == "client_timed_out":
		e.clientFault(408)
	case has(details, "throttled_by_security_policy"), has(details, "banned_by_security_policy"):
		e.told(ByGateway, fault.CauseRateLimited)
	case string(details) == "denied_by_security_policy":
		e.told(ByGateway, fault.CauseContentFilter)
	case starts(details, "server_cert_"):
		gcpCertificate(e, fault.CertOther)
	case starts(details, "headers_too_long"):
		e.clientFault(431)
	case e.Status >= 500:
		e.gatewayStatus(e.Status)
	case e.Status >= 400:
		e.clientFault(e.Status)
	default:
		e.originSaid(e.Status)
		e.By = ByGateway
	}
}

func gcpCertificate(e *Entry, problem fault.CertProblem) {
	e.fail(ByGateway, fault.TLS, fault.Untrusted)
	e.Evidence.Cert = &fault.Certificate{Problem: problem}
}

// gcpProxy judges proxyStatus: error="connection_timeout"; details="...", or no error where the backend answered.
func gcpProxy(e *Entry, value []byte) {
	value = unescapeJSON(value)
	token := between(value, `error="`, `"`)
	if token == nil {
		token = upTo(between(value, "error=", ""), ';')
	}
	switch {
	case len(token) == 0:
		e.originSaid(e.Status)
	case string(token) == "http_request_error" && has(value, "client_disconnected"):
		e.clientGone()
	default:
		e.proxyStatus(token)
	}
}

// proxyStatus sets the evidence that an error type of RFC 9209, section 2.3, stands for.
func (e *Entry) proxyStatus(token []byte) {
	t, known := fault.ParseType(string(token))
	if !known {
		e.gatewayStatus(max(e.Status, 500))
		return
	}
	row := proxyStatusEnds[t]
	e.fail(ByGateway, row.stage, row.end)
	e.Evidence.Rule = row.rule
	switch t {
	case fault.TypeHTTPRequestError:
		e.clientFault(max(e.Status, 400))
	case fault.TypeHTTPRequestDenied:
		e.clientFault(403)
	case fault.TypeConnectionTerminated:
		e.closedSilently(fault.Closed)
	case fault.TypeHTTPUpgradeFailed:
		e.told(ByGateway, fault.CauseUpgradeRefused)
	case fault.TypeHTTPResponseContentCoding:
		e.told(ByGateway, fault.CauseBadContentCoding)
	case fault.TypeHTTPResponseBodySize:
		e.told(ByGateway, fault.CauseResponseBodyTooLarge)
	case fault.TypeProxyInternalResponse:
		e.gatewayStatus(max(e.Status, 503))
	}
	e.waited()
}

// proxyStatusEnds has, for each error type, the stage and the end that it is the type of.
var proxyStatusEnds = [fault.Types]struct {
	stage fault.Stage
	end   fault.End
	rule  fault.Rule
}{
	fault.TypeDNSTimeout:                 {fault.Resolve, fault.Timeout, 0},
	fault.TypeDNSError:                   {fault.Resolve, fault.NoAddress, 0},
	fault.TypeDestinationNotFound:        {fault.Select, fault.NoRoute, 0},
	fault.TypeDestinationUnavailable:     {fault.Select, fault.Unavailable, 0},
	fault.TypeDestinationIPProhibited:    {fault.Dial, fault.Denied, 0},
	fault.TypeDestinationIPUnroutable:    {fault.Dial, fault.Unreachable, 0},
	fault.TypeConnectionRefused:          {fault.Dial, fault.Refused, 0},
	fault.TypeConnectionTerminated:       {fault.FirstByte, fault.Closed, 0},
	fault.TypeConnectionTimeout:          {fault.Dial, fault.Timeout, 0},
	fault.TypeConnectionReadTimeout:      {fault.FirstByte, fault.Timeout, 0},
	fault.TypeConnectionWriteTimeout:     {fault.Write, fault.Timeout, 0},
	fault.TypeConnectionLimitReached:     {fault.Select, fault.Limit, 0},
	fault.TypeTLSProtocolError:           {fault.TLS, fault.Malformed, 0},
	fault.TypeTLSCertificateError:        {fault.TLS, fault.Untrusted, 0},
	fault.TypeTLSAlertReceived:           {fault.TLS, fault.Alert, 0},
	fault.TypeHTTPResponseIncomplete:     {fault.Body, fault.Closed, fault.RuleBodyShort},
	fault.TypeHTTPResponseHeaderSection:  {fault.Head, fault.TooLarge, fault.RuleHeadSize},
	fault.TypeHTTPResponseHeader:         {fault.Head, fault.TooLarge, fault.RuleFieldSize},
	fault.TypeHTTPResponseTrailerSection: {fault.Body, fault.TooLarge, fault.RuleTrailerSize},
	fault.TypeHTTPResponseTrailer:        {fault.Body, fault.TooLarge, fault.RuleTrailerSize},
	fault.TypeHTTPResponseTransferCoding: {fault.Body, fault.Malformed, fault.RuleChunkSize},
	fault.TypeHTTPResponseTimeout:        {fault.FirstByte, fault.Timeout, 0},
	fault.TypeHTTPProtocolError:          {fault.Head, fault.Malformed, fault.RuleNotHTTP},
	fault.TypeProxyInternalError:         {fault.Select, fault.Bug, 0},
	fault.TypeProxyConfigurationError:    {fault.Select, fault.Misconfigured, 0},
	fault.TypeProxyLoopDetected:          {fault.Select, fault.Loop, 0},
}
