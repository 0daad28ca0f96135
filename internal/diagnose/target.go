package diagnose

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// Target is what a walk goes to.
type Target struct {
	URL        string `json:"url"`     // as it may be shown: without the values of a query, without user information
	Network    string `json:"network"` // tcp or unix
	Secure     bool   `json:"secure"`
	Host       string `json:"host"` // the name or address to dial; the path of a unix socket
	Port       string `json:"port,omitempty"`
	Path       string `json:"-"`           // the request target
	Authority  string `json:"authority"`   // the Host field
	ServerName string `json:"server_name"` // the SNI, and the name that a certificate is verified for
	Upstream   bool   `json:"upstream"`    // it stands behind the gateway that is diagnosed
	Insecure   bool   `json:"insecure,omitempty"`

	Place   *ConfigPlace `json:"config,omitempty"` // where a configuration names it
	address netip.Addr   // dial this one
	assumed bool         // the scheme was not given
}

// ParseTarget understands http://…, https://… and unix:/path, and a host without a scheme as http.
func ParseTarget(o *Options) (Target, error) {
	t, err := parseTarget(o.URL)
	if err != nil {
		return t, err
	}
	t.address = o.Address
	t.Insecure = o.Insecure
	if o.Host != "" {
		t.Authority = o.Host
	}
	if o.ServerName != "" {
		t.ServerName = o.ServerName
	}
	return t, nil
}

func parseTarget(text string) (Target, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		if !strings.HasPrefix(path, "/") {
			return Target{}, fmt.Errorf("%q: a unix socket needs a path: unix:/run/app.sock", text)
		}
		return Target{URL: "unix:" + path, Network: "unix", Host: path, Path: "/", Authority: "localhost", ServerName: "localhost"}, nil
	}
	assumed := !strings.Contains(text, "://")
	if assumed {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return Target{}, fmt.Errorf("%q is no URL: %w", text, err)
	}
	t := Target{Network: "tcp", Host: u.Hostname(), Port: u.Port(), Authority: u.Host, assumed: assumed}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return t, fmt.Errorf("%q: the scheme is http, https or unix", text)
	case t.Host == "":
		return t, fmt.Errorf("%q names no host", text)
	}
	t.Secure = u.Scheme == "https"
	if t.Port == "" {
		t.Port = map[bool]string{false: "80", true: "443"}[t.Secure]
	}
	t.ServerName = t.Host
	if t.Path = u.EscapedPath(); t.Path == "" {
		t.Path = "/"
	}
	if u.RawQuery != "" {
		t.Path += "?" + u.RawQuery
	}
	t.URL = u.Scheme + "://" + u.Host + RedactPath(t.Path)
	return t, nil
}

// upstreamTarget is an upstream of front's gateway: the same request, sent to another address.
func upstreamTarget(text string, front *Target) (Target, error) {
	t, err := parseTarget(text)
	if err != nil {
		return t, err
	}
	t.Upstream = true
	if t.Path == "/" {
		t.Path = front.Path
		if t.Network == "tcp" {
			t.URL += strings.TrimPrefix(RedactPath(t.Path), "/")
		}
	}
	t.Authority = front.Authority
	if net.ParseIP(t.Host) != nil && net.ParseIP(front.ServerName) == nil {
		t.ServerName = front.ServerName // an address has no name of its own to verify
	}
	return t, nil
}

// label is the target in a few words: what a row of the walk begins with.
func (t *Target) label() string {
	if t.Network == "unix" {
		return "unix:" + t.Host
	}
	return net.JoinHostPort(t.Host, t.Port)
}

func (t *Target) scheme() string {
	if t.Secure {
		return "https"
	}
	return "http"
}

// literal reports whether there is no name to resolve.
func (t *Target) literal() bool {
	return t.Network == "unix" || t.address.IsValid() || net.ParseIP(t.Host) != nil
}

// local reports whether the address is one of this machine's loopback.
func local(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && a.IsLoopback()
}

// queryValue is a value of a query in a text.
var queryValue = regexp.MustCompile(`([?&][^=&\s"]{1,64}=)[^&\s"]+`)

// redactText masks the values of the queries in a text, such as a line of a log.
func redactText(text string) string { return queryValue.ReplaceAllString(text, "${1}***") }

// RedactPath masks the values of a query, and keeps its names.
func RedactPath(path string) string {
	at := strings.IndexByte(path, '?')
	if at < 0 {
		return path
	}
	parts := strings.Split(path[at+1:], "&")
	for i, p := range parts {
		if name, value, found := strings.Cut(p, "="); found && value != "" {
			parts[i] = name + "=***"
		} else if !found {
			parts[i] = "***"
		}
	}
	return path[:at+1] + strings.Join(parts, "&")
}
