package explain

import "bytes"

// parseNginxJSON reads an access line of log_format ... escape=json whose keys are the names of nginx's variables, as people
// write it for a log collector. Keys that it does not know are left out.
func parseNginxJSON(e *Entry, line []byte) bool {
	if indexText(line, `"status"`) < 0 || indexText(line, `"upstream_addr"`) < 0 && indexText(line, `"body_bytes_sent"`) < 0 && indexText(line, `"upstream_response_time"`) < 0 {
		return false
	}
	if indexText(line, `"response_flags"`) >= 0 { // Envoy's
		return false
	}
	var v nginxVars
	var request []byte
	fields := jsonObject(line)
	for fields.next() {
		text := fields.value.bare()
		switch string(fields.key) {
		case "status":
			v.status = text
		case "request":
			request = text
		case "request_method", "method":
			e.Method = text
		case "request_uri", "uri":
			if e.Path == nil || string(fields.key) == "request_uri" {
				e.Path = text
			}
		case "remote_addr":
			e.Client = text
		case "time_local", "time_iso8601", "time", "@timestamp", "timestamp":
			nginxJSONTime(e, text)
		case "time_total", "request_length", "bytes_sent", "body_bytes_sent":
		default:
			v.set(e, fields.key, text)
		}
	}
	if wholeStatus(v.status) == 0 || !fields.complete() {
		return false
	}
	if request != nil {
		splitRequest(e, request)
	}
	e.Said = request
	if request == nil {
		e.Said = e.Path
	}
	for _, list := range [...]*[]byte{&v.addr, &v.upstreamStatus, &v.connectTime, &v.headerTime, &v.responseTime} {
		if *list != nil && len(bytes.TrimSpace(*list)) == 0 { // escape=json writes nothing for what nginx does not know
			*list = []byte("-")
		}
	}
	v.judge(e)
	return true
}

// nginxJSONTime reads $time_local or $time_iso8601.
func nginxJSONTime(e *Entry, text []byte) {
	if t, _, zoned := commonClock(text); zoned {
		e.Time, e.Zoned = t, true
	} else if t, zoned, _, ok := rfc3339Clock(text); ok {
		e.Time, e.Zoned = t, zoned
	}
}
