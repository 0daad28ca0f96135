package explain

import (
	"bytes"
	"time"
)

const envoyBetter = `# Envoy: access_log[].typed_config.log_format.text_format_source.inline_string
[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%`

var envoyDefault = &Format{
	dated:   datedBracket,
	Name:    "envoy",
	Title:   "Envoy access log, default format",
	Product: "envoy",
	Gives:   "The response flags, the duration, the upstream's host for each request.",
	Lacks:   "Without %RESPONSE_CODE_DETAILS% and the transport failure reason, UF is any failure to connect and UC any early end.",
	Better:  envoyBetter,
	Parse: func(e *Entry, line []byte) bool {
		v, ok := cutEnvoy(line, false)
		if !ok {
			return false
		}
		v.judge(e)
		return true
	},
}

var istio = &Format{
	dated:   datedBracket,
	Name:    "istio",
	Title:   "Istio's Envoy access log",
	Product: "istio",
	Gives:   "The response flags with their details, the transport's failure reason, cluster and route for each request.",
	Lacks:   "It does not say whether an upstream connection was reused, nor what a malformed response looked like.",
	Better:  "# MeshConfig: accessLogFile: /dev/stdout is all that there is; raise one pod's log level while it happens\nistioctl proxy-config log POD --level http:debug,router:debug,connection:debug",
	Parse: func(e *Entry, line []byte) bool {
		v, ok := cutEnvoy(line, true)
		if !ok {
			return false
		}
		v.judge(e)
		return true
	},
}

var envoyJSON = &Format{
	marks:   []string{"response_flags"},
	Name:    "envoy-json",
	Title:   "Envoy access log, JSON",
	Product: "envoy",
	Gives:   "The response flags and whatever else the json_format names.",
	Lacks:   "What the json_format leaves out: response_code_details and upstream_transport_failure_reason tell most.",
	Better:  "# json_format: add these two\nresponse_code_details: \"%RESPONSE_CODE_DETAILS%\"\nupstream_transport_failure_reason: \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\"",
	Parse:   parseEnvoyJSON,
}

// envoyLine is one line of an Envoy access log taken apart. What the format does not have, or was a dash, is empty.
type envoyLine struct {
	at                                     time.Time
	request, method, path                  []byte
	code                                   int
	flags, details, transport, termination []byte
	duration, serviceTime                  time.Duration
	sent                                   int64
	client, id, authority, host, cluster   []byte
	route                                  []byte
	hasDetails                             bool
}

// cutEnvoy takes apart the default format, or Istio's, which has three fields more behind the flags.
func cutEnvoy(line []byte, istio bool) (v envoyLine, ok bool) {
	if len(line) < 40 || line[0] != '[' || !isDigit(line[1]) {
		return v, false
	}
	at, _, rest, ok := rfc3339Clock(line[1:])
	if !ok || !starts(rest, `] "`) {
		return v, false
	}
	v.at = at
	if v.request, rest, ok = cutQuoted(rest[2:]); !ok || len(rest) < 2 || rest[0] != ' ' {
		return v, false
	}
	w := words{rest[1:]}
	code := w.next()
	if v.code = wholeStatus(code); v.code == 0 && string(code) != "0" && string(code) != "-" {
		return v, false
	}
	if v.flags = w.next(); !isFlags(v.flags) {
		return v, false
	}
	if istio && !v.cutIstio(&w) {
		return v, false
	}
	received, sent := dashNumber(w.next()), dashNumber(w.next())
	duration, service := dashNumber(w.next()), dashNumber(w.next())
	if received < -1 || sent < -1 || duration < -1 || service < -1 {
		return v, false
	}
	v.sent, v.duration, v.serviceTime = sent, millisOf(duration), millisOf(service)
	for i, field := range [...]*[]byte{&v.client, nil, &v.id, &v.authority, &v.host} {
		value, ok := w.quoted()
		if !ok {
			return v, false
		}
		if field != nil {
			*field = dashed(value)
		}
		_ = i
	}
	if !istio {
		return v, true
	}
	v.cluster = dashed(w.next())
	w.skip(2) // the addresses of the connection to the upstream and of the listener
	if remote := dashed(w.next()); remote != nil {
		v.client = withoutPort(remote)
	}
	w.skip(1)
	v.route = dashed(w.next())
	return v, true
}

// cutIstio reads DETAILS TERMINATION "TRANSPORT FAILURE".
func (v *envoyLine) cutIstio(w *words) bool {
	v.details, v.termination = dashed(w.next()), dashed(w.next())
	reason, ok := w.quoted()
	v.transport, v.hasDetails = dashed(reason), true
	return ok
}

// isFlags reports whether b is a dash or response flags: capitals, commas, digits.
func isFlags(b []byte) bool {
	if string(b) == "-" {
		return true
	}
	for _, c := range b {
		if !isUpper(c) && c != ',' && !isDigit(c) {
			return false
		}
	}
	return len(b) >= 2
}

// dashNumber reads a number or a dash, which is -1; -2 for anything else.
func dashNumber(b []byte) int64 {
	if string(b) == "-" {
		return -1
	}
	if n := wholeUint(b); n >= 0 {
		return n
	}
	return -2
}

func millisOf(n int64) time.Duration {
	if n < 0 || n > 1e12 {
		return -1
	}
	return time.Duration(n) * time.Millisecond
}

// parseEnvoyJSON reads an object with the keys that Envoy's documentation, Istio and Envoy Gateway use.
func parseEnvoyJSON(e *Entry, line []byte) bool {
	if line[0] != '{' || indexText(line, `"response_flags"`) < 0 {
		return false
	}
	v := envoyLine{duration: -1, serviceTime: -1, sent: -1}
	fields := jsonObject(line)
	coded := false
	for fields.next() {
		coded = v.set(fields.key, fields.value) || coded
	}
	if !coded || !fields.complete() {
		return false
	}
	v.judge(e)
	return true
}

// set takes one field of the object. It reports true for the response's code.
func (v *envoyLine) set(key []byte, value jsonValue) bool {
	text := dashed(value.bare())
	if string(text) == "null" {
		text = nil
	}
	switch string(key) {
	case "response_code", "status", ":status":
		v.code = wholeStatus(text)
		return v.code > 0 || string(text) == "0"
	case "response_flags":
		v.flags = text
	case "response_code_details":
		v.details, v.hasDetails = text, true
	case "upstream_transport_failure_reason":
		v.transport = text
	case "connection_termination_details":
		v.termination = text
	case "start_time", "timestamp", "@timestamp", "time":
		if at, _, _, ok := rfc3339Clock(text); ok {
			v.at = at
		}
	case "method", "request_method", ":method":
		v.method = text
	case "path", "request_path", "x-envoy-origin-path", "x-envoy-original-path", ":path":
		v.path = text
	case "authority", ":authority", "request_authority":
		v.authority = text
	case "upstream_host":
		v.host = text
	case "route_name":
		v.route = text
	case "upstream_cluster":
		v.cluster = text
	case "duration":
		v.duration = millisOf(wholeUint(text))
	case "upstream_service_time", "x-envoy-upstream-service-time":
		v.serviceTime = millisOf(wholeUint(text))
	case "bytes_sent":
		v.sent = wholeUint(text)
	case "request_id", "x_request_id", "x-request-id":
		v.id = text
	case "downstream_remote_address", "downstream_address":
		v.client = withoutPort(text)
	}
	return false
}

// fill writes what every line has. The time is that of the start; what failed, failed when it ended.
func (v *envoyLine) fill(e *Entry) {
	if !v.at.IsZero() {
		e.Time, e.Zoned = v.at.Add(max(v.duration, 0)), true
	}
	e.Status, e.Took = v.code, v.duration
	e.Client, e.ID, e.Host = v.client, v.id, v.authority
	e.Upstream = bytes.TrimPrefix(v.host, []byte("tcp://"))
	if len(e.Upstream) == 0 {
		e.Upstream = v.cluster
	}
	if v.request != nil {
		splitRequest(e, v.request)
		e.Said = v.request
	} else {
		e.Method, e.Path = v.method, v.path
		e.Said = v.path
	}
	for _, said := range [...][]byte{v.flags, v.details, v.transport} {
		if len(dashed(said)) > 0 {
			e.Said = said
		}
	}
}
