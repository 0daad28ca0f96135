package explain

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// compileHAProxy compiles a log-format of HAProxy: %var, %{flags}var, %[expression].
func compileHAProxy(format string) (*Format, error) {
	l, err := cutHAProxyFormat(strings.ReplaceAll(unquote(format, "log-format"), `\ `, " "))
	if err != nil {
		return nil, err
	}
	if !l.names("ST", "tsc", "ts") {
		return nil, fmt.Errorf("%w: without %%ST and %%tsc nothing can be said", ErrFormat)
	}
	f := *haproxyHTTP
	f.Name, f.Title = "access-format", "HAProxy log of the given format"
	stated := l.names("tsc", "ts")
	f.Parse = func(e *Entry, line []byte) bool { return parseHAProxyLayout(l, stated, e, line) }
	return &f, nil
}

// cutHAProxyFormat cuts a format at its variables. %{+Q}o turns quotes on for all that follow.
func cutHAProxyFormat(format string) (layout, error) {
	var l layout
	literal, quoteAll := "", false
	for format != "" {
		i := strings.IndexByte(format, '%')
		if i < 0 || i+1 == len(format) {
			break
		}
		literal += format[:i]
		rest := format[i+1:]
		if rest[0] == '%' {
			literal, format = literal+"%", rest[1:]
			continue
		}
		flags := ""
		if rest[0] == '{' {
			end := strings.IndexByte(rest, '}')
			if end < 0 || end+1 >= len(rest) {
				return nil, fmt.Errorf("%w: %%{ without } and a name", ErrFormat)
			}
			flags, rest = rest[1:end], rest[end+1:]
		}
		name, after, err := cutHAProxyName(rest)
		if err != nil {
			return nil, err
		}
		format = after
		if name == "o" {
			quoteAll = strings.Contains(flags, "+Q")
			if len(l) == 0 && literal == "" {
				format = strings.TrimLeft(format, " ") // spaces at the beginning are left out
			}
			continue
		}
		if len(l) == piecesMax {
			return nil, fmt.Errorf("%w: more than %d variables", ErrFormat, piecesMax)
		}
		quoted := strings.Contains(flags, "+Q") || quoteAll && !strings.Contains(flags, "-Q")
		l = append(l, piece{literal: []byte(literal), name: name, quoted: quoted, braced: name == "hr" || name == "hs"})
		literal = ""
	}
	return append(l, piece{literal: []byte(literal + format)}), nil
}

// cutHAProxyName cuts a variable's name, or an expression in brackets.
func cutHAProxyName(b string) (name, rest string, err error) {
	if b[0] == '[' {
		end := strings.IndexByte(b, ']')
		if end < 0 {
			return "", "", fmt.Errorf("%w: %%[ without ]", ErrFormat)
		}
		name, _, _ = strings.Cut(b[1:end], ",")
		return name, b[end+1:], nil
	}
	end := 0
	for end < len(b) && (b[end] >= 'a' && b[end] <= 'z' || isUpper(b[end])) {
		end++
	}
	if end == 0 {
		return "", "", fmt.Errorf("%w: a %% without a name", ErrFormat)
	}
	return b[:end], b[end:], nil
}

// haproxyValues are the values of one line.
type haproxyValues struct {
	line   haproxyLine
	method []byte
	path   []byte
	total  time.Duration
	status []byte
	zoned  bool
}

func parseHAProxyLayout(l layout, stated bool, e *Entry, line []byte) bool {
	v := haproxyValues{line: haproxyLine{receive: -1, queue: -1, connect: -1, response: -1, active: -1}, total: -1}
	if !l.each(line, v.set) {
		return false
	}
	h := &v.line
	if h.status = wholeStatus(v.status); h.status == 0 && len(v.status) > 0 && string(v.status) != "-1" && string(v.status) != "0" {
		return false
	}
	if h.active < 0 {
		h.active = v.total
	}
	if len(h.state) < 2 {
		if stated {
			return false
		}
		h.state = []byte("--")
	}
	h.tcp = len(v.status) == 0
	h.judge(e)
	e.Zoned = v.zoned
	if len(v.method) > 0 {
		e.Method = v.method
	}
	if len(v.path) > 0 {
		e.Path, e.Said = v.path, v.path
	}
	if !stated && e.Kind == KindFault && e.By == ByGateway && e.Evidence.Told == fault.CauseUnknown {
		judgeBare(e)
	}
	return true
}

// set takes one value.
func (v *haproxyValues) set(name string, value []byte) {
	h := &v.line
	switch name {
	case "ci", "si_":
		h.client = value
	case "ST":
		v.status = value
	case "tsc", "ts":
		h.state = value
	case "b":
		h.backend = value
	case "s":
		h.server = value
	case "r":
		h.request = value
	case "HM":
		v.method = value
	case "HU", "HP", "HPO":
		v.path = value
	case "rc":
		h.retries = max(wholeUint(bytes.TrimPrefix(value, []byte("+"))), 0)
	case "bc_err_name", "bc_err_str":
		h.bcErr, h.errors = dashed(value), true
	case "ssl_bc_err_str", "ssl_bc_err":
		h.sslErr = dashed(value)
	case "bc_reused":
		h.reused = string(value) == "1"
	default:
		v.setTime(name, value)
	}
}

func (v *haproxyValues) setTime(name string, value []byte) {
	h := &v.line
	switch name {
	case "t", "tr":
		h.at, _, _ = haproxyClock(value)
	case "T", "trg", "trl", "Tl":
		h.at, _, v.zoned = commonClock(value)
	case "Ts":
		if n := wholeUint(value); n > 0 {
			h.at, v.zoned = time.Unix(n, 0), true
		}
	case "TR", "Th":
		h.receive = haproxyTime(value)
	case "Tw":
		h.queue = haproxyTime(value)
	case "Tc":
		h.connect = haproxyTime(value)
	case "Tr":
		h.response = haproxyTime(value)
	case "Ta":
		h.active = haproxyTime(value)
	case "Tt":
		v.total = haproxyTime(value)
	}
}
