package upstream

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Endpoint is where a request can be sent.
type Endpoint struct {
	Text    string // as configured, e.g. "http://app.internal:8080" or "unix:/run/app.sock"
	Network string // "tcp" or "unix"
	Host    string // the name or address to resolve; the path of a unix socket
	Port    string // empty for a unix socket
	Secure  bool   // TLS
	Prior   bool   // HTTP/2 in clear with prior knowledge: h2c

	At netip.Addr // where the host was found to be, by who follows it; the zero Addr where it is looked up for each connection
}

// ParseEndpoint understands http://host[:port], https://host[:port], h2c://host[:port] and unix:/path.
func ParseEndpoint(text string) (Endpoint, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		if path == "" {
			return Endpoint{}, fmt.Errorf("endpoint %q: a unix socket needs a path", text)
		}
		return Endpoint{Text: text, Network: "unix", Host: path}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return Endpoint{}, fmt.Errorf("endpoint %q: want http://host:port, https://host:port, h2c://host:port or unix:/path", text)
	}
	e := Endpoint{Text: text, Network: "tcp", Host: u.Hostname(), Port: u.Port()}
	switch u.Scheme {
	case "http", "h2c":
		e.Prior = u.Scheme == "h2c"
		if e.Port == "" {
			e.Port = "80"
		}
	case "https":
		e.Secure = true
		if e.Port == "" {
			e.Port = "443"
		}
	default:
		return Endpoint{}, fmt.Errorf("endpoint %q: the scheme is http, https, h2c or unix", text)
	}
	return e, nil
}

// Authority is the endpoint's own host[:port], as a Host field spells it.
func (e *Endpoint) Authority() string {
	switch {
	case e.Network == "unix":
		return "localhost"
	case e.Secure && e.Port == "443", !e.Secure && e.Port == "80":
		if strings.Contains(e.Host, ":") {
			return "[" + e.Host + "]"
		}
		return e.Host
	}
	return net.JoinHostPort(e.Host, e.Port)
}
