package advice

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Facts are what the lines of a finding show, beside its cause, of what can be done about it. What is not known is left at
// its zero value.
type Facts struct {
	Product   string // whose log it is
	Version   string // of the product, as its log says: 1.22.1
	Cause     fault.Cause
	Story     Story         // what the words of the lines tell beyond the cause
	Text      string        // the line that stands for all
	Module    string        // of nginx, where it is not proxy: fastcgi, uwsgi, scgi or grpc
	Upstream  string        // who was asked: host:port, or a socket's path
	Waited    time.Duration // how long each exchange had waited when it was given up
	Served    bool          // the same upstream answered others well
	Contained bool          // the line looks as if its program ran in a container
	At        time.Time     // of the first fault
	Decider   string        // the application server whose own line told the cause
}

// fill puts what the lines show into a text: {peer:TEXT} is who was asked, {port:TEXT} its port, {longer:SECONDS} twice the
// time that ran out in whole seconds, {ran:TEXT} that time. The text behind the colon stands where it is not known.
func (f *Facts) fill(text string) string {
	open := strings.IndexByte(text, '{')
	for open >= 0 {
		name, rest, found := strings.Cut(text[open+1:], "}")
		if !found {
			break
		}
		key, otherwise, is := strings.Cut(name, ":")
		if is {
			if value, known := f.value(key); known || valueKeys[key] {
				if !known {
					value = otherwise
				}
				text = text[:open] + value + rest
				open += len(value) - 1
			}
		}
		next := strings.IndexByte(text[min(open+1, len(text)):], '{')
		if next < 0 {
			break
		}
		open += 1 + next
	}
	return text
}

var valueKeys = map[string]bool{"peer": true, "port": true, "longer": true, "ran": true, "status": true, "quoted": true, "name": true, "dir": true, "boolean": true, "host": true, "since": true, "until": true, "time": true, "clock": true, "addr": true, "bound": true}

// value finds what a line shows for a key. What goes into a command is harmless there: see plain.
func (f *Facts) value(key string) (value string, known bool) {
	switch key {
	case "peer":
		return f.Upstream, plain(f.Upstream)
	case "addr": // who was asked, where it is an address or a name with a port: HAProxy names a server of a backend
		_, port := hostAndPort(f.Upstream)
		return f.Upstream, port != "" && plain(f.Upstream) && !strings.Contains(f.Upstream, "/")
	case "bound":
		return boundPort(f.Text)
	case "port":
		_, port := hostAndPort(f.Upstream)
		return port, plain(port)
	case "host":
		host, _ := hostAndPort(f.Upstream)
		return host, plain(host) && !strings.Contains(host, "/")
	case "since":
		return moment(f.At, -2*time.Second)
	case "until":
		return moment(f.At, 3*time.Second)
	case "time":
		return moment(f.At, 0)
	case "clock":
		text, known := moment(f.At, 0)
		return text[max(0, len(text)-len(time.TimeOnly)):], known
	case "longer":
		seconds := int(f.Waited.Round(time.Second) / time.Second)
		return strconv.Itoa(2 * seconds), seconds > 0
	case "ran":
		seconds := int(f.Waited.Round(time.Second) / time.Second)
		return fmt.Sprintf("%d s", seconds), seconds > 0
	case "status":
		return statusIn(f.Text)
	case "quoted":
		return quotedIn(f.Text)
	case "name":
		name, known := quotedIn(f.Text)
		host, _ := hostAndPort(name)
		return host, known && plain(host)
	case "dir":
		return dirIn(f.Text)
	case "boolean":
		name := connectBooleans[FamilyOf(f.Product)]
		return name, name != ""
	}
	return "", false
}

// plain reports whether a text has only what hosts, ports and paths consist of: whoever writes into a log could otherwise
// have others paste a command.
func plain(text string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_:/[]%@", rune(c)) {
			return false
		}
	}
	return text != "" && len(text) < 200
}

// statusIn finds the status behind "unexpected status: ".
func statusIn(text string) (string, bool) {
	_, rest, found := strings.Cut(text, "unexpected status: ")
	if !found || len(rest) < 3 {
		return "", false
	}
	return rest[:3], rest[0] >= '1' && rest[0] <= '5'
}

// quotedIn finds the first name in quotes.
func quotedIn(text string) (string, bool) {
	for _, quote := range [...]string{`"`, "'"} {
		if _, rest, found := strings.Cut(text, quote); found {
			if name, _, found := strings.Cut(rest, quote); found && name != "" && len(name) < 80 {
				return name, true
			}
		}
	}
	return "", false
}

// boundPort finds the port that a program could not have: bind() to 0.0.0.0:80, address already in use :::3000.
func boundPort(text string) (string, bool) {
	for _, mark := range [...]string{"0.0.0.0:", "[::]:", ":::", "127.0.0.1:", "localhost:", "port: ", "port "} {
		i := strings.LastIndex(text, mark)
		if i < 0 {
			continue
		}
		rest := text[i+len(mark):]
		end := 0
		for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		if end > 0 && end <= 5 {
			return rest[:end], true
		}
	}
	return "", false
}

// dirIn finds the directory of the first file that is named in quotes.
func dirIn(text string) (string, bool) {
	_, rest, found := strings.Cut(text, `"/`)
	if !found {
		return "", false
	}
	path, _, found := strings.Cut(rest, `"`)
	if i := strings.LastIndexByte(path, '/'); found && i > 0 && plain(path[:i]) && !strings.Contains(path, "..") {
		return "/" + path[:i], true
	}
	return "", false
}

// connectBooleans are SELinux's, by the product whose domain they are of.
var connectBooleans = map[string]string{
	"nginx": "httpd_can_network_connect", "apache": "httpd_can_network_connect", "haproxy": "haproxy_connect_any", "varnish": "varnishd_connect_any", "squid": "squid_connect_any",
}

// older reports whether a version is before another; one that is not known is not.
func older(version, than string) bool {
	if version == "" {
		return false
	}
	a, b := strings.Split(version, "."), strings.Split(than, ".")
	for i := range b {
		if i >= len(a) {
			return true
		}
		x, errX := strconv.Atoi(a[i])
		y, errY := strconv.Atoi(b[i])
		if errX != nil || errY != nil {
			return false
		}
		if x != y {
			return x < y
		}
	}
	return false
}

// lacks are nginx's proxy_ directives that a module has not, by the module.
var lacks = map[string][]string{
	"fastcgi": {"proxy_http_version", "proxy_set_header", "proxy_ssl_", "proxy_redirect"},
	"scgi":    {"proxy_http_version", "proxy_set_header", "proxy_ssl_", "proxy_redirect"},
	"uwsgi":   {"proxy_http_version", "proxy_set_header", "proxy_redirect"},
	"grpc":    {"proxy_http_version", "proxy_buffers", "proxy_busy_buffers_size", "proxy_buffering", "proxy_request_buffering", "proxy_ignore_client_abort", "proxy_cache", "proxy_redirect"},
}

// passSchemes are what stands before the address behind a module's _pass.
var passSchemes = map[string]string{"grpc": "grpc://"}

// inModule gives nginx's directive as the module that asked has it: proxy_read_timeout has no effect beside fastcgi_pass. It
// is false where the module has none such.
func (f *Facts) inModule(text string) (string, bool) {
	if f.Module == "" || !strings.Contains(text, "proxy_") {
		return text, true
	}
	for _, name := range lacks[f.Module] {
		if strings.Contains(text, name) {
			return "", false
		}
	}
	text = strings.ReplaceAll(text, "proxy_pass http://", f.Module+"_pass "+passSchemes[f.Module])
	return strings.ReplaceAll(text, "proxy_", f.Module+"_"), true
}
