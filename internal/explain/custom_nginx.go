package explain

import (
	"fmt"
	"strings"
	"time"
)

// compileNginx compiles a log_format of nginx: text with $variables and ${variables}.
func compileNginx(format string) (*Format, error) {
	if rest, ok := strings.CutPrefix(format, "log_format"); ok { // its name, and escape=json
		rest = strings.TrimSpace(rest)
		if i := strings.IndexAny(rest, " \t\n"); i > 0 && rest[0] != '\'' && rest[0] != '"' {
			rest = strings.TrimSpace(rest[i:])
		}
		if strings.HasPrefix(rest, "escape=") {
			if i := strings.IndexAny(rest, " \t\n"); i > 0 {
				rest = strings.TrimSpace(rest[i:])
			}
		}
		format = rest
	}
	format = unquote(format, "")
	l, err := cutNginxFormat(format)
	if err != nil {
		return nil, err
	}
	if !l.names("status") {
		return nil, fmt.Errorf("%w: without $status nothing can be said", ErrFormat)
	}
	f := *nginxAccess
	f.Name, f.Title, f.quick = "access-format", "nginx access log of the given format", nil
	upstreams := l.names("upstream_status", "upstream_addr", "upstream_header_time", "upstream_connect_time", "upstream_response_time")
	f.Parse = func(e *Entry, line []byte) bool { return parseNginxLayout(l, upstreams, e, line) }
	return &f, nil
}

// cutNginxFormat cuts a format at its variables.
func cutNginxFormat(format string) (layout, error) {
	var l layout
	for {
		i := strings.IndexByte(format, '$')
		if i < 0 || i+1 == len(format) {
			return append(l, piece{literal: []byte(format)}), nil
		}
		if len(l) == piecesMax {
			return nil, fmt.Errorf("%w: more than %d variables", ErrFormat, piecesMax)
		}
		literal, rest := format[:i], format[i+1:]
		end := 0
		if rest[0] == '{' {
			if end = strings.IndexByte(rest, '}'); end < 0 {
				return nil, fmt.Errorf("%w: ${ without }", ErrFormat)
			}
			l = append(l, piece{literal: []byte(literal), name: rest[1:end]})
			format = rest[end+1:]
		} else {
			for end < len(rest) && (isDigit(rest[end]) || rest[end] == '_' || rest[end] >= 'a' && rest[end] <= 'z' || isUpper(rest[end])) {
				end++
			}
			if end == 0 {
				return nil, fmt.Errorf("%w: a $ without a name", ErrFormat)
			}
			l = append(l, piece{literal: []byte(literal), name: rest[:end]})
			format = rest[end:]
		}
		p := &l[len(l)-1]
		p.list = strings.HasPrefix(p.name, "upstream_")
	}
}

// nginxValues are the values of one line.
type nginxValues struct {
	vars nginxVars
	e    *Entry
	uri  []byte
}

func parseNginxLayout(l layout, upstreams bool, e *Entry, line []byte) bool {
	v := nginxValues{vars: nginxVars{upstreams: upstreams}, e: e}
	if !l.each(line, v.set) {
		return false
	}
	status := v.vars.status
	if len(status) != 3 || wholeUint(status) < 0 {
		return false
	}
	if e.Path == nil {
		e.Path = v.uri
	}
	if e.Said == nil {
		e.Said = e.Path
	}
	v.vars.judge(e)
	return true
}

// set takes one value.
func (v *nginxValues) set(name string, value []byte) {
	e := v.e
	switch name {
	case "status":
		v.vars.status = value
	case "remote_addr", "realip_remote_addr":
		e.Client = value
	case "time_local":
		e.Time, _, e.Zoned = commonClock(value)
	case "time_iso8601":
		e.Time, e.Zoned, _, _ = rfc3339Clock(value)
	case "msec":
		if d := wholeSeconds(value); d > 0 {
			e.Time, e.Zoned = time.Unix(0, int64(d)), true
		}
	case "request":
		splitRequest(e, value)
		e.Said = value
	case "request_method":
		e.Method = value
	case "request_uri":
		e.Path = value
	case "uri", "document_uri":
		v.uri = value
	case "host", "http_host", "server_name":
		e.Host = value
	case "request_id", "http_x_request_id", "req_id", "http_traceparent":
		e.ID = dashed(value)
	case "connection":
		e.Conn = uint64(max(wholeUint(value), 0))
	case "pid":
		e.Process = uint64(max(wholeUint(value), 0))
	default:
		v.setUpstream(name, value)
	}
}

func (v *nginxValues) setUpstream(name string, value []byte) {
	switch name {
	case "request_time":
		v.vars.requestTime = value
	case "upstream_addr":
		v.vars.addr = value
	case "upstream_status":
		v.vars.upstreamStatus = value
	case "upstream_connect_time":
		v.vars.connectTime = value
	case "upstream_header_time":
		v.vars.headerTime = value
	case "upstream_response_time":
		v.vars.responseTime = value
	case "upstream_response_length", "upstream_bytes_received":
		v.vars.length = value
	case "proxy_host", "proxy_upstream_name", "upstream_name":
		v.vars.name = value
	}
}
