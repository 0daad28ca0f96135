package explain

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Bounds of a format that somebody wrote.
const (
	customMax = 16 << 10 // octets
	piecesMax = 256
)

// piece is a part of a log format: what stands between two values, and the value behind it.
type piece struct {
	literal []byte // what stands before the value
	name    string // of the value, empty for the last piece, which is a literal alone
	quoted  bool   // the log writes it in double quotes, which the format does not show
	braced  bool   // the log writes it in braces, or leaves it out with the space behind it
	list    bool   // it may be a list over attempts
}

// layout is a compiled log format.
type layout []piece

// ErrFormat is the error of a log format that cannot be read.
var ErrFormat = errors.New("not a log format")

// Compile compiles a log format as it stands in a configuration: nginx's log_format, HAProxy's log-format, or an Envoy
// format string. The directive's name and quotes around it may stay.
func Compile(format string) (*Format, error) {
	if len(format) > customMax {
		return nil, fmt.Errorf("%w: %d bytes are more than %d", ErrFormat, len(format), customMax)
	}
	format = strings.TrimSpace(format)
	switch {
	case format == "":
		return nil, fmt.Errorf("%w: it is empty", ErrFormat)
	case isEnvoyFormat(format):
		return compileEnvoy(format)
	case strings.HasPrefix(format, "log_format") || strings.Contains(format, "$"):
		return compileNginx(format)
	case strings.Contains(format, "%"):
		return compileHAProxy(format)
	}
	return nil, fmt.Errorf("%w: there is no $variable of nginx, no %%variable of HAProxy and no %%OPERATOR%% of Envoy in it", ErrFormat)
}

// unquote takes the directive's name and the quotes off: 'a' 'b' and "a" become ab. What is not quoted stays as it is.
func unquote(format, directive string) string {
	if rest, ok := strings.CutPrefix(format, directive); ok {
		format = strings.TrimSpace(rest)
	}
	format = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(format), ";"))
	if format == "" || format[0] != '\'' && format[0] != '"' {
		return format
	}
	var out strings.Builder
	for format != "" {
		quote := format[0]
		if quote != '\'' && quote != '"' {
			break
		}
		end := 1
		for end < len(format) && format[end] != quote {
			if format[end] == '\\' && end+1 < len(format) && (format[end+1] == quote || format[end+1] == '\\') {
				end++
			}
			out.WriteByte(format[end])
			end++
		}
		format = strings.TrimSpace(format[min(end+1, len(format)):])
	}
	return out.String()
}

// value finds the end of a value: what stands before the next piece's literal.
func (l layout) value(i int, line []byte) (value, rest []byte, ok bool) {
	p := &l[i]
	switch {
	case p.quoted:
		if value, rest, ok = cutQuoted(line); ok {
			return value, rest, true
		}
		if starts(line, `"`) { // cut short
			return line[1:], nil, true
		}
	case p.braced:
		if !starts(line, "{") {
			return nil, line, true
		}
		end := bytes.IndexByte(line, '}')
		if end < 0 {
			return nil, line, false
		}
		return line[1:end], line[end+1:], true
	}
	if i+1 == len(l) {
		return line, nil, true
	}
	next := l[i+1].literal
	switch {
	case len(next) == 0 && l[i+1].name == "":
		return line, nil, true
	case p.list && len(next) > 0 && next[0] == ' ':
		value, _ = cutList(line)
		return value, line[len(value):], true
	}
	end := bytes.Index(line, next)
	if end < 0 {
		if i+2 == len(l) && l[i+1].name == "" { // the last literal is missing: the line was cut short
			return line, nil, true
		}
		return nil, line, false
	}
	return line[:end], line[end:], true
}

// each calls set with each value of the line. It is false where the line is not of the layout.
func (l layout) each(line []byte, set func(name string, value []byte)) bool {
	for i := range l {
		p := &l[i]
		literal := p.literal
		if i > 0 && l[i-1].braced { // nothing was captured: HAProxy leaves out the space as well
			literal = bytes.TrimLeft(literal, " ")
			line = bytes.TrimLeft(line, " ")
		}
		if !bytes.HasPrefix(line, literal) {
			return p.name == "" && len(line) == 0
		}
		line = line[len(literal):]
		if p.name == "" {
			return true
		}
		value, rest, ok := l.value(i, line)
		if !ok {
			return false
		}
		set(p.name, value)
		line = rest
	}
	return true
}

// names reports whether the layout has one of the names.
func (l layout) names(any ...string) bool {
	for i := range l {
		for _, name := range any {
			if l[i].name == name {
				return true
			}
		}
	}
	return false
}
