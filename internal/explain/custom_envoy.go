package explain

import (
	"encoding/json"
	"fmt"
	"strings"
)

// isEnvoyFormat reports whether the format has command operators of Envoy: %NAME%, %NAME(ARGUMENT)%.
func isEnvoyFormat(format string) bool {
	for rest := format; ; {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			return false
		}
		rest = rest[i+1:]
		end := 0
		for end < len(rest) && (isUpper(rest[end]) || rest[end] == '_') {
			end++
		}
		if end >= 3 && end < len(rest) && (rest[end] == '%' || rest[end] == '(' || rest[end] == ':') {
			return true
		}
	}
}

// compileEnvoy compiles a format string of Envoy, or a json_format written as JSON.
func compileEnvoy(format string) (*Format, error) {
	if strings.HasPrefix(format, "{") {
		return compileEnvoyJSON(format)
	}
	l, err := cutEnvoyFormat(strings.TrimSuffix(unquote(format, "inline_string:"), `\n`))
	if err != nil {
		return nil, err
	}
	if !l.names("RESPONSE_CODE", "RESPONSE_FLAGS") {
		return nil, fmt.Errorf("%w: without %%RESPONSE_CODE%% and %%RESPONSE_FLAGS%% nothing can be said", ErrFormat)
	}
	f := *envoyDefault
	f.Name, f.Title = "access-format", "Envoy access log of the given format"
	f.Parse = func(e *Entry, line []byte) bool {
		v := envoyLine{duration: -1, serviceTime: -1, sent: -1}
		if !l.each(line, v.setOperator) || v.code == 0 && len(v.flags) == 0 {
			return false
		}
		v.judge(e)
		return true
	}
	return &f, nil
}

// cutEnvoyFormat cuts a format at its operators.
func cutEnvoyFormat(format string) (layout, error) {
	var l layout
	literal := ""
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 || i+1 == len(format) {
			return append(l, piece{literal: []byte(literal + format)}), nil
		}
		literal += format[:i]
		name, rest, ok := cutOperator(format[i+1:])
		if !ok {
			return nil, fmt.Errorf("%w: %.40q is no operator", ErrFormat, format[i:])
		}
		format = rest
		if name == "" {
			literal += "%"
			continue
		}
		if len(l) == piecesMax {
			return nil, fmt.Errorf("%w: more than %d operators", ErrFormat, piecesMax)
		}
		l = append(l, piece{literal: []byte(literal), name: name})
		literal = ""
	}
}

// cutOperator cuts NAME%, NAME(ARGUMENT)% or NAME(ARGUMENT):LENGTH%. Of %% the name is empty.
func cutOperator(b string) (name, rest string, ok bool) {
	end := 0
	for end < len(b) && (isUpper(b[end]) || b[end] == '_' || isDigit(b[end])) {
		end++
	}
	name = b[:end]
	if end < len(b) && b[end] == '(' {
		i := strings.Index(b, ")")
		if i < 0 {
			return "", "", false
		}
		name = b[:i+1]
		end = i + 1
	}
	for end < len(b) && (b[end] == ':' || isDigit(b[end])) {
		end++
	}
	if end >= len(b) || b[end] != '%' {
		return "", "", false
	}
	return name, b[end+1:], true
}

// setOperator takes the value of one operator.
func (v *envoyLine) setOperator(name string, value []byte) {
	text := dashed(value)
	switch {
	case strings.HasPrefix(name, "START_TIME"):
		if at, _, _, ok := rfc3339Clock(value); ok {
			v.at = at
		}
	case name == "REQ(:METHOD)":
		v.method = text
	case strings.HasPrefix(name, "REQ(X-ENVOY-ORIGINAL-PATH"), name == "REQ(:PATH)", name == "PATH":
		v.path = text
	case name == "REQ(:AUTHORITY)", name == "REQ(HOST)":
		v.authority = text
	case name == "REQ(X-REQUEST-ID)":
		v.id = text
	case name == "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)":
		v.serviceTime = millisOf(wholeUint(value))
	default:
		v.set([]byte(envoyKeys[name]), jsonValue(value))
	}
}

// envoyKeys gives for an operator the key that json formats have for it.
var envoyKeys = map[string]string{
	"RESPONSE_CODE": "response_code", "RESPONSE_FLAGS": "response_flags", "RESPONSE_CODE_DETAILS": "response_code_details",
	"CONNECTION_TERMINATION_DETAILS": "connection_termination_details", "UPSTREAM_TRANSPORT_FAILURE_REASON": "upstream_transport_failure_reason",
	"DURATION": "duration", "UPSTREAM_HOST": "upstream_host", "UPSTREAM_CLUSTER": "upstream_cluster", "BYTES_SENT": "bytes_sent",
	"DOWNSTREAM_REMOTE_ADDRESS": "downstream_remote_address",
}

// compileEnvoyJSON compiles a json_format: an object whose values are operators.
func compileEnvoyJSON(format string) (*Format, error) {
	var object map[string]any
	if err := json.Unmarshal([]byte(format), &object); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	operators := map[string]string{}
	for key, value := range object {
		if text, ok := value.(string); ok && strings.HasPrefix(text, "%") && strings.HasSuffix(text, "%") && len(text) > 2 {
			if name, rest, ok := cutOperator(text[1:]); ok && rest == "" {
				operators[key] = name
			}
		}
	}
	f := *envoyJSON
	f.Name, f.Title = "access-format", "Envoy access log of the given json_format"
	f.Parse = func(e *Entry, line []byte) bool {
		if len(line) == 0 || line[0] != '{' {
			return false
		}
		v := envoyLine{duration: -1, serviceTime: -1, sent: -1}
		fields := jsonObject(line)
		known := 0
		for fields.next() {
			name, ok := operators[string(fields.key)]
			if !ok {
				continue
			}
			known++
			if value := fields.value.bare(); string(value) != "null" {
				v.setOperator(name, value)
			}
		}
		if !fields.complete() || known == 0 || v.code == 0 && len(v.flags) == 0 {
			return false
		}
		v.judge(e)
		return true
	}
	return &f, nil
}
