package diagnose

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/whygate/whygate/internal/redact"
)

// Target is what a walk goes to.
type Target struct {
	URL        string     `json:"url"`     // as it may be shown: without the values of a query, without user information
	Network    string     `json:"network"` // tcp or unix
	Secure     bool       `json:"secure"`
	Host       string     `json:"host"` // the name or address to dial; the path of a unix socket
	Port       string     `json:"port,omitempty"`
	Path       string     `json:"-"`           // the request target
	Authority  string     `json:"authority"`   // the Host field
	ServerName string     `json:"server_name"` // the SNI, and the name that a certificate is verified for
	Upstream   bool       `json:"upstream"`    // it stands behind the gateway that is diagnosed
	Insecure   bool       `json:"insecure,omitempty"`
	Address    netip.Addr `json:"-"` // dial this one; invalid where the name is looked up

	Place   *ConfigPlace `json:"config,omitempty"` // where a configuration names it
	assumed bool         // the scheme was not given
	speaks  string       // another protocol than HTTP that the gateway speaks to it, empty for HTTP
	proxied bool         // the gateway sends it a header of the PROXY protocol
	found   bool         // it was found on this machine, and nobody named it
	login   string       // the Authorization that the URL's user information stands for, empty if it has none
}

// ParseTarget understands http://…, https://… and unix:/path, and a host without a scheme as http.
func ParseTarget(o *Options) (Target, error) {
	t, err := parseTarget(o.URL)
	if err != nil {
		return t, err
	}
	t.Address = o.Address
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
		return Target{}, fmt.Errorf("%q is no URL: %w", redact.URL(text), err)
	}
	t := Target{Network: "tcp", Host: u.Hostname(), Port: u.Port(), Secure: u.Scheme == "https", assumed: assumed}
	switch port, err := strconv.ParseUint(t.Port, 10, 16); {
	case u.Scheme != "http" && u.Scheme != "https":
		return t, fmt.Errorf("%q: the scheme is http, https or unix", redact.URL(text))
	case t.Host == "":
		return t, fmt.Errorf("%q names no host", redact.URL(text))
	case t.Port != "" && (err != nil || port == 0):
		return t, fmt.Errorf("%q: the port is 1 to 65535", redact.URL(text))
	}
	if t.Host, err = ascii(t.Host); err != nil {
		return t, fmt.Errorf("%q: %w", redact.URL(text), err)
	}
	t.setRequest(u)
	return t, nil
}

// setRequest takes what is asked from a URL whose host is known already.
func (t *Target) setRequest(u *url.URL) {
	host, _, _ := strings.Cut(t.Host, "%") // a zone is this machine's own
	t.ServerName, t.Authority = host, host
	if strings.Contains(host, ":") {
		t.Authority = "[" + host + "]"
	}
	if t.Port != "" {
		t.Authority += ":" + t.Port
	} else {
		t.Port = map[bool]string{false: "80", true: "443"}[t.Secure]
	}
	if t.Path = u.EscapedPath(); t.Path == "" {
		t.Path = "/"
	}
	if u.RawQuery != "" {
		t.Path += "?" + escapeQuery(u.RawQuery, "")
	}
	if u.User != nil {
		password, _ := u.User.Password()
		t.login = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	t.URL = u.Scheme + "://" + t.Authority + redact.Query(t.Path)
}

// ascii gives a host name as DNS, TLS and HTTP carry it: that of bücher.example is xn--bcher-kva.example.
func ascii(host string) (string, error) {
	if strings.IndexFunc(host, func(r rune) bool { return r >= 0x80 }) < 0 {
		return host, nil
	}
	name, err := idna.Lookup.ToASCII(host)
	if err != nil || name == "" {
		return "", fmt.Errorf("the host name: %w", err)
	}
	return name, nil
}

// asciiOr is ascii where the name has such a form, and the name in small letters where it has none.
func asciiOr(host string) string {
	if name, err := ascii(host); err == nil {
		host = name
	}
	return strings.ToLower(host)
}

// locate resolves a reference of an answer against the URL that was asked, with the host in ASCII: bücher.example is
// xn--bcher-kva.example to DNS, TLS and HTTP, and both are one host. An error is that it is no URL.
func locate(at *url.URL, reference string) (*url.URL, error) {
	next, err := at.Parse(reference)
	if err != nil {
		return nil, err
	}
	host, err := ascii(next.Hostname())
	if err != nil {
		return nil, err
	}
	if host != next.Hostname() {
		if port := next.Port(); port != "" {
			host += ":" + port
		}
		next.Host = host
	}
	return next, nil
}

// escapeQuery escapes what a request line cannot carry, and those octets: url.Parse takes a query as it is.
func escapeQuery(query, those string) string {
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(those, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// upstreamTarget is an upstream of front's gateway: the same request, sent to another address.
func upstreamTarget(text string, front *Target) (Target, error) {
	t, err := parseTarget(text)
	if err != nil {
		return t, err
	}
	t.Upstream = true
	if t.login == "" {
		t.login = front.login
	}
	if t.Path == "/" {
		t.Path = front.Path
		if t.Network == "tcp" {
			t.URL += strings.TrimPrefix(redact.Query(t.Path), "/")
		}
	}
	t.Authority = front.Authority
	if net.ParseIP(t.Host) != nil && net.ParseIP(front.ServerName) == nil {
		t.ServerName = front.ServerName // an address has no name of its own to verify
	}
	return t, nil
}

// as makes the target speak another scheme on the same port.
func (t *Target) as(secure bool) {
	scheme := t.scheme()
	t.Secure = secure
	t.URL = t.scheme() + strings.TrimPrefix(t.URL, scheme)
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
	_, err := netip.ParseAddr(t.Host)
	return t.Network == "unix" || t.Address.IsValid() || err == nil
}

// local reports whether the address is one of this machine's loopback.
func local(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && a.IsLoopback()
}
