package config

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Kinds that name a place: where to listen, what to connect to, which hosts and paths.
var (
	address = &kind{
		what: "an address to listen on", syntax: "host:port, :port, unix:/path, systemd: or systemd:NAME.", parse: parseAddress,
		schema: map[string]any{"type": "string", "minLength": 2},
	}
	storePlace = &kind{
		what: "a place to keep incidents", syntax: "memory, sqlite:PATH or postgres://user@host/database.", parse: parseStore,
		schema: map[string]any{"type": "string", "pattern": `^(memory|sqlite:.+|postgres(ql)?://.+|.*\$\{.*)$`},
	}
	vault = &kind{
		what: "a place to keep certificates", syntax: "A directory, or postgres://user@host/database.", parse: parseVault,
		schema: map[string]any{"type": "string", "minLength": 1},
	}
	webURL = &kind{
		what: "a URL", syntax: "http://... or https://...", parse: parseWebURL,
		schema: map[string]any{"type": "string", "pattern": `^(https?://.+|.*\$\{.*)$`},
	}
	argument = &kind{what: "a text", parse: parseArgument, schema: map[string]any{"type": "string", "minLength": 1}}
	server   = &kind{
		what: "a name server's address", syntax: "An IP address, with a port where it is not 53.", parse: parseServer,
		schema: map[string]any{"type": "string"},
	}
	srvName = &kind{
		what: "the name of SRV records", syntax: "_service._tcp.name.", parse: parseSRV,
		schema: map[string]any{"type": "string", "pattern": `^(_[^.]+\._tcp\..+|.*\$\{.*)$`},
	}
	prefix = &kind{
		what: "an address or a network", syntax: "192.168.1.1, 10.0.0.0/8 or 2001:db8::/32.", parse: parsePrefix,
		schema: map[string]any{"type": "string", "pattern": `^[0-9A-Fa-f.:]+(/[0-9]+)?$`},
	}
	endpoint = &kind{
		what: "an endpoint", syntax: "http://host:port, https://host:port, h2c://host:port or unix:/path.", parse: parseEndpoint,
		schema: map[string]any{"type": "string", "pattern": `^((https?|h2c)://[^/?#@]+/?|unix:/.+|.*\$\{.*)$`},
	}
	hostPattern = &kind{
		what: "a host name", syntax: "A name, an address, or *. and a name.", parse: parseHostPattern,
		schema: map[string]any{"type": "string", "minLength": 1},
	}
	hostLiteral = &kind{what: "a host name", parse: parseHostLiteral, schema: map[string]any{"type": "string", "minLength": 1}}
	serverName  = &kind{what: "a host name", parse: parseServerName, schema: map[string]any{"type": "string", "minLength": 1}}
	pathPattern = &kind{
		what: "a path", syntax: "/a, /a/* for everything below, or ~ and a regular expression.", parse: parsePathPattern,
		schema: map[string]any{"type": "string", "pattern": `^(/[^?#*]*\*?|~.+)$`},
	}
	stripPrefix = &kind{
		what: "a path without a slash at its end", parse: parseStripPrefix,
		schema: map[string]any{"type": "string", "pattern": `^/[^?#*]*[^/?#*]$`},
	}
)

// parseAddress reads something to listen on.
func parseAddress(k *key, s string) (any, *trouble) {
	const hint = "write host:port, :port or unix:/path"
	for _, c := range k.choices {
		if s == c {
			return Address{}, nil
		}
	}
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if t := socketPath(path); t != nil {
			return nil, t
		}
		return Address{"unix", filepath.Clean(path)}, nil
	}
	if name, ok := strings.CutPrefix(s, "systemd:"); ok {
		if name != "" && !isToken(name) {
			return nil, k.not(s, "write systemd:NAME with the FileDescriptorName of the .socket unit")
		}
		return Address{"systemd", name}, nil
	}
	if _, ok := decimal(s); ok {
		return nil, &trouble{"has no host and colon", "did you mean " + quote(":"+s) + "?"}
	}
	if strings.Contains(s, "://") {
		return nil, &trouble{"is an address without scheme, not " + quote(s), "did you mean " + quote(strings.TrimRight(s[strings.Index(s, "://")+3:], "/")) + "?"}
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return nil, k.not(s, hint)
	}
	if host == "*" { // other proxies' spelling of every address
		return nil, k.not(s, "did you mean "+quote(":"+port)+"?")
	}
	if host != "" && !isHost(host) {
		return nil, k.not(s, hint)
	}
	n, t := portNumber(port, true)
	if t != nil {
		return nil, t
	}
	return Address{"tcp", net.JoinHostPort(strings.ToLower(host), strconv.Itoa(n))}, nil
}

// parseWebURL reads the URL of a webhook, which no message repeats: what follows its host is a secret as a rule.
func parseWebURL(_ *key, s string) (any, *trouble) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, &trouble{"must be a URL", "write https://host/path"}
	}
	return s, nil
}

// parseArgument reads a word of a command.
func parseArgument(_ *key, s string) (any, *trouble) {
	if s == "" || strings.ContainsRune(s, 0) {
		return nil, &trouble{"must be a text that is not empty", ""}
	}
	return s, nil
}

// parseStore reads where incidents are kept. The decoder makes a file's path absolute.
func parseStore(k *key, s string) (any, *trouble) {
	path, file := strings.CutPrefix(s, "sqlite:")
	switch {
	case s == "memory":
		return s, nil
	case file && path != "" && !strings.HasPrefix(path, "//") && !strings.ContainsRune(path, 0):
		return s, nil
	case isPostgres(s):
		if _, err := url.Parse(s); err != nil {
			return nil, &trouble{"is a URL that cannot be read", "write postgres://user@host/database; characters such as @ and / in a password are written in percent: %40, %2F"}
		}
		return s, nil
	case strings.HasPrefix(s, "/") || strings.HasSuffix(s, ".db"):
		return nil, k.not(s, "did you mean "+quote("sqlite:"+s)+"?")
	}
	return nil, k.not(s, "write memory, sqlite:/var/lib/whygate/incidents.db or postgres://user@host/database")
}

// parseVault reads where certificates are kept: a directory, or a PostgreSQL.
func parseVault(k *key, s string) (any, *trouble) {
	if !isPostgres(s) {
		return parseFile(k, s)
	}
	if _, err := url.Parse(s); err != nil {
		return nil, &trouble{"is a URL that cannot be read", "write postgres://user@host/database; characters such as @ and / in a password are written in percent: %40, %2F"}
	}
	return s, nil
}

func isPostgres(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

// parseServer reads a name server. It has to be an address: a name would need a name server.
func parseServer(k *key, s string) (any, *trouble) {
	if a, err := netip.ParseAddr(s); err == nil {
		return net.JoinHostPort(a.String(), "53"), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 {
		return nil, k.not(s, "write an IP address, with a port where it is not 53: 10.0.0.53, 10.0.0.53:5353, [2001:db8::1]:53")
	}
	return a.String(), nil
}

// parseSRV reads the name of a service's records: RFC 2782.
func parseSRV(k *key, s string) (any, *trouble) {
	const hint = "write _http._tcp.example.internal"
	name := strings.TrimSuffix(strings.ToLower(s), ".")
	service, rest, _ := strings.Cut(name, ".")
	proto, host, _ := strings.Cut(rest, ".")
	switch {
	case strings.HasPrefix(service, "_") && proto == "_udp":
		return nil, &trouble{"is of a service over UDP, which is not spoken to endpoints: " + quote(s), hint}
	case len(service) < 2 || service[0] != '_' || proto != "_tcp" || !isHost(name) || !isHost(host):
		return nil, k.not(s, hint)
	}
	return name, nil
}

// parseEndpoint reads one endpoint of a pool.
func parseEndpoint(k *key, s string) (any, *trouble) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if t := socketPath(path); t != nil {
			return nil, t
		}
		return Place{Scheme: "unix", Path: filepath.Clean(path)}, nil
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return nil, &trouble{"has no scheme: " + quote(s), "did you mean " + quote("http://"+s) + "?"}
	}
	scheme = strings.ToLower(scheme)
	if scheme != "http" && scheme != "https" && scheme != "h2c" {
		return nil, &trouble{"has the unknown scheme " + quote(scheme), "an endpoint is http://host:port, https://host:port, h2c://host:port or unix:/path"}
	}
	authority, beyond := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, beyond = rest[:i], rest[i:]
	}
	switch {
	case strings.Contains(authority, "@"):
		return nil, &trouble{"cannot have a user or password", "send credentials with set_request: {Authorization: ...} in the route"}
	case strings.ContainsAny(beyond, "?#"):
		return nil, &trouble{"cannot have a query or fragment: " + quote(s), "did you mean " + quote(scheme+"://"+authority) + "?"}
	case strings.Trim(beyond, "/") != "":
		return nil, &trouble{"cannot have a path: " + quote(s), "write " + quote(scheme+"://"+authority) + "; the path sent is the client's, less the route's strip"}
	}
	return parseAuthority(k, scheme, authority)
}

// parseAuthority reads an endpoint's host and port.
func parseAuthority(k *key, scheme, authority string) (any, *trouble) {
	u := url.URL{Host: authority}
	host, port := u.Hostname(), u.Port()
	if !isHost(host) || strings.Contains(host, ":") && authority[0] != '[' {
		return nil, k.not(scheme+"://"+authority, "write http://host:port; an IPv6 address stands in brackets")
	}
	if port == "" && strings.HasSuffix(authority, ":") || port == "" && !strings.HasSuffix(authority, "]") && strings.Contains(authority, ":") {
		_, t := portNumber(authority[strings.LastIndexByte(authority, ':')+1:], false)
		return nil, t
	}
	e := Place{Scheme: scheme, Host: strings.ToLower(host), Port: 80}
	if scheme == "https" {
		e.Port = 443
	}
	if port != "" {
		n, t := portNumber(port, false)
		if t != nil {
			return nil, t
		}
		e.Port = uint16(n)
	}
	return e, nil
}

// String is the endpoint as one would write it, its port included.
func (e Place) String() string {
	if e.Scheme == "unix" {
		return "unix:" + e.Path
	}
	return e.Scheme + "://" + e.Address()
}

// Address is what to dial: host:port, or the socket's path.
func (e Place) Address() string {
	if e.Scheme == "unix" {
		return e.Path
	}
	if e.At != "" {
		return net.JoinHostPort(e.At, strconv.Itoa(int(e.Port)))
	}
	return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// parseHostPattern reads the host of a route.
func parseHostPattern(k *key, s string) (any, *trouble) {
	name, wild := strings.CutPrefix(s, "*.")
	switch {
	case s == "*":
		return nil, &trouble{"cannot be * alone", "leave host out to match any host"}
	case strings.Contains(s, "://"), strings.Contains(s, "/"):
		return nil, k.not(s, "write the host alone; a path goes into path")
	}
	if host, _, err := net.SplitHostPort(s); err == nil {
		return nil, &trouble{"is a name without port, not " + quote(s), "did you mean " + quote(host) + "?"}
	}
	if strings.Contains(name, "*") {
		return nil, &trouble{"has * in the middle: " + quote(s), "* stands only for what comes before a name: *.example.com"}
	}
	host, t := parseServerName(k, name)
	if t != nil {
		return nil, t
	}
	if wild {
		return "*." + host.(string), nil
	}
	return host, nil
}

// parseHostLiteral reads what is sent as Host: one of the key's words, or a host with an optional port.
func parseHostLiteral(k *key, s string) (any, *trouble) {
	for _, c := range k.choices {
		if s == c {
			return s, nil
		}
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	} else if _, t := portNumber(port, false); t != nil {
		return nil, t
	}
	if !isHost(host) {
		return nil, &trouble{"must be " + strings.Join(k.choices, ", ") + " or a host name, not " + quote(s), ""}
	}
	return s, nil
}

// parseServerName reads a plain host name or address, without brackets.
func parseServerName(k *key, s string) (any, *trouble) {
	host := strings.TrimSuffix(strings.ToLower(s), ".")
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	if !isHost(host) {
		hint := ""
		if strings.ContainsFunc(host, func(r rune) bool { return r >= 0x80 }) {
			hint = "write an internationalised name as clients send it, beginning with xn--"
		}
		return nil, k.not(s, hint)
	}
	return host, nil
}

// parsePathPattern reads the path of a route.
func parsePathPattern(_ *key, s string) (any, *trouble) {
	if text, regex := strings.CutPrefix(s, "~"); regex {
		return s, regularExpression(text)
	}
	stem, _ := strings.CutSuffix(s, "/*")
	switch {
	case !strings.HasPrefix(s, "/"):
		return nil, &trouble{"must begin with a slash, not " + quote(s), "did you mean " + quote("/"+s) + "?"}
	case strings.Contains(stem, "*") && strings.HasSuffix(stem, "*") && strings.Count(stem, "*") == 1:
		bare := strings.TrimSuffix(stem, "*")
		return nil, &trouble{"has * not after a slash: " + quote(s), "write " + quote(bare+"/*") + " for what is below " + bare + ", and " + quote(bare) + " for itself in a route of its own"}
	case strings.Contains(stem, "*"):
		return nil, &trouble{"has * in the middle: " + quote(s), "* stands only at the end: /a/*"}
	}
	if t := plainPath(s); t != nil {
		return nil, t
	}
	return s, nil
}

// expressionMax is the longest regular expression, in bytes.
const expressionMax = 1 << 10

// regularExpression tells what is wrong with an expression, nil if nothing is.
func regularExpression(text string) *trouble {
	const hint = "the syntax is RE2's: https://github.com/google/re2/wiki/Syntax; there are no look-arounds and no backreferences"
	if text == "" || len(text) > expressionMax {
		return &trouble{"must have a regular expression of 1 to " + strconv.Itoa(expressionMax) + " bytes after ~", ""}
	}
	if strings.HasPrefix(text, " ") || strings.HasPrefix(text, "*") {
		return &trouble{"has " + quote(text[:1]) + " behind ~", "did you mean " + quote("~"+map[byte]string{' ': "", '*': "(?i)"}[text[0]]+strings.TrimLeft(text, "* ")) + "?"}
	}
	if _, err := regexp.Compile(text); err != nil {
		message := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		return &trouble{"has a regular expression that cannot be read: " + plain(message), hint}
	}
	return nil
}

// parseStripPrefix reads a prefix to take off a path.
func parseStripPrefix(_ *key, s string) (any, *trouble) {
	switch {
	case !strings.HasPrefix(s, "/") || s == "/":
		return nil, &trouble{"must be a path such as /api, not " + quote(s), ""}
	case strings.HasSuffix(s, "*"), strings.HasSuffix(s, "/"):
		return nil, &trouble{"must end without a slash: " + quote(s), "did you mean " + quote(strings.TrimRight(s, "/*")) + "?"}
	}
	if t := plainPath(s); t != nil {
		return nil, t
	}
	return s, nil
}

var dotSegment = regexp.MustCompile(`(?i)/(\.|%2e){1,2}(/|$)`)

// plainPath refuses what no request path matches, since requests are compared without query and dot segments.
func plainPath(s string) *trouble {
	switch {
	case strings.ContainsAny(s, "?#"):
		return &trouble{"is a path without query, not " + quote(s), "did you mean " + quote(s[:strings.IndexAny(s, "?#")]) + "?"}
	case dotSegment.MatchString(s):
		return &trouble{"has a dot segment: " + quote(s), "dot segments are resolved before routes are compared, so this would never match"}
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return &trouble{"has characters that a path cannot have: " + quote(s), "write them as clients send them: " + quote((&url.URL{Path: s}).EscapedPath())}
	}
	return nil
}

// socketPathMax is the longest path of a unix socket: sun_path of Linux has 108 octets with the NUL.
const socketPathMax = 107

func socketPath(path string) *trouble {
	switch {
	case !strings.HasPrefix(path, "/"):
		return &trouble{"must have an absolute path after unix:, not " + quote(path), "did you mean " + quote("unix:/"+path) + "?"}
	case len(path) > socketPathMax:
		return &trouble{"has a socket path longer than " + strconv.Itoa(socketPathMax) + " bytes, which the system cannot use", ""}
	case strings.ContainsRune(path, 0):
		return &trouble{"has a NUL in its path", ""}
	}
	return nil
}

// portNumber reads a port. 0 lets the system choose, which makes sense only for a listener.
func portNumber(s string, zero bool) (int, *trouble) {
	n, ok := decimal(s)
	if !ok || n > 65535 || n == 0 && !zero {
		return 0, &trouble{"has the port " + quote(s) + ", which must be between 1 and 65535", ""}
	}
	return int(n), nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*$`)

// IsHost reports whether a name that came from elsewhere may be an endpoint's host.
func IsHost(s string) bool { return isHost(s) }

// isHost reports whether s is an address or looks like a name. Names of four numbers that are no address are refused: RFC
// 3986 section 3.2.2 reads them as addresses first.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return len(s) <= 253 && hostName.MatchString(s) && strings.Trim(s, "0123456789.") != ""
}
