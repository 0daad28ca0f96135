package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// FlagPool is the name of the pool in a Config made by FromFlags.
const FlagPool = "to"

// FromFlags is the configuration of "whygate proxy --from :8080 --to http://127.0.0.1:3000": every request that comes to
// one of from goes to one of to. A bare number is a port: of every address in from, of this machine in to. The error is
// of type Problems.
func FromFlags(from, to []string) (*Config, error) {
	c := &Config{Version: 1, Routes: []Route{{}}}
	setDefaults(root.child("routes"), reflect.ValueOf(&c.Routes[0]).Elem())
	c.Routes[0].Pool = FlagPool
	c.Routes[0].Timeouts = poolsTimeouts
	setDefaults(root, reflect.ValueOf(c).Elem())
	pool := Pool{Name: FlagPool}
	setDefaults(root.child("pools"), reflect.ValueOf(&pool).Elem())

	var problems Problems
	refuse := func(flag, message, hint string) {
		problems = append(problems, Problem{Path: flag, Message: flag + " " + message, Hint: hint})
	}
	for _, s := range from {
		v, t := parseAddress(root.child("listen").child("address"), listenFlag(s))
		if t != nil {
			refuse("--from", t.message, t.hint)
			continue
		}
		l := Listen{Address: v.(Address)}
		address := l.Address
		setDefaults(root.child("listen"), reflect.ValueOf(&l).Elem())
		l.Address = address
		c.Listen = append(c.Listen, l)
	}
	for _, s := range to {
		v, t := parseEndpoint(root.child("pools").child("endpoints"), endpointFlag(s))
		if t != nil {
			refuse("--to", t.message, t.hint)
			continue
		}
		pool.Endpoints = append(pool.Endpoints, Endpoint{Place: v.(Place), Weight: 1})
	}
	if len(from) == 0 {
		refuse("--from", "is missing", "say where to listen: --from :8080")
	}
	if len(to) == 0 {
		refuse("--to", "is missing", "say where to send requests: --to http://127.0.0.1:3000")
	}
	for i, l := range c.Listen {
		for _, other := range c.Listen[:i] {
			if overlap(l.Address, other.Address) {
				refuse("--from", l.Address.String()+" overlaps "+other.Address.String(), "choose another port")
			}
		}
	}
	c.Pools = []Pool{pool}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// listenFlag completes the short forms of --from.
func listenFlag(s string) string {
	if _, ok := decimal(s); ok {
		return ":" + s
	}
	return s
}

// endpointFlag completes the short forms of --to.
func endpointFlag(s string) string {
	if _, ok := decimal(s); ok {
		s = ":" + s
	}
	if strings.HasPrefix(s, ":") {
		s = "127.0.0.1" + s
	}
	if !strings.Contains(s, "://") && !strings.HasPrefix(s, "unix:") && s != "" {
		s = "http://" + s
	}
	return s
}

// Overrides are settings of the command line for a Config made by FromFlags. An empty one leaves the default.
type Overrides struct {
	Admin, AccessLog, ErrorPages string
	CA, ServerName               string // of the endpoints, which are https then
	Insecure                     bool   // their certificates are not verified

	Domains         []string // the listeners speak TLS with certificates for these, by ACME; nothing else is answered
	Email           string   // whom the authority writes to
	Directory, Root string   // the authority, and a PEM file of who signs its own certificate
	NoRedirect      bool     // port 80 is not listened on for the domains
}

// Apply puts the settings into c, or says what is wrong with them and with what they leave together. Paths become absolute.
func (o Overrides) Apply(c *Config) Problems {
	var problems Problems
	for _, s := range []struct {
		flag, value, key string
		set              func(v any)
	}{
		{"--admin", o.Admin, "admin", func(v any) { c.Admin = v.(Address) }},
		{"--access-log", o.AccessLog, "access_log.to", func(v any) { c.AccessLog.To = v.(string) }},
		{"--error-pages", o.ErrorPages, "error_pages", func(v any) { c.ErrorPages = v.(string) }},
		{"--email", o.Email, "acme.email", func(v any) { c.ACME.Email = v.(string) }},
		{"--acme-directory", o.Directory, "acme.directory", func(v any) { c.ACME.Directory = v.(string) }},
		{"--acme-ca", o.Root, "acme.ca", func(v any) { c.ACME.CA = v.(string) }},
		{"--ca", o.CA, "pools.NAME.tls.ca", func(v any) { c.Pools[0].TLS.CA = v.(string) }},
		{"--server-name", o.ServerName, "pools.NAME.tls.server_name", func(v any) { c.Pools[0].TLS.ServerName = v.(string) }},
	} {
		if s.value == "" {
			continue
		}
		k := find(s.key)
		v, t := k.kind.parse(k, s.value)
		if t != nil {
			problems = append(problems, Problem{Path: s.flag, Message: s.flag + " " + t.message, Hint: t.hint})
			continue
		}
		if k.kind == file {
			v = fromHere(k, v.(string))
		}
		s.set(v)
	}
	if c.Admin.Exposed() {
		problems = append(problems, Problem{Severity: Warning, Path: "--admin", Message: "the admin address " + c.Admin.String() + exposedWarning, Hint: exposedHint})
	}
	problems = append(append(problems, o.secure(c)...), o.certify(c)...)
	for _, l := range c.Listen {
		if overlap(l.Address, c.Admin) {
			problems = append(problems, Problem{
				Path: "--from", Message: "--from " + l.Address.String() + " overlaps the admin address " + c.Admin.String(),
				Hint: "choose another port for one of them: --admin 127.0.0.1:9503",
			})
		}
	}
	return problems
}

// secure puts in what is said about the endpoints' certificates, which they must have then.
func (o Overrides) secure(c *Config) (problems Problems) {
	refuse := func(flag, message, hint string) {
		problems = append(problems, Problem{Path: flag, Message: flag + " " + message, Hint: hint})
	}
	flag := ""
	for _, f := range []struct {
		name  string
		given bool
	}{{"--ca", o.CA != ""}, {"--server-name", o.ServerName != ""}, {"--insecure", o.Insecure}} {
		if f.given {
			flag = f.name
		}
	}
	if flag == "" {
		return nil
	}
	pool := &c.Pools[0]
	pool.TLS.Verify = !o.Insecure
	if !slices.ContainsFunc(pool.Endpoints, func(e Endpoint) bool { return e.Scheme == "https" }) {
		refuse(flag, "is about a certificate, and no --to begins with https://", "write --to https://"+strings.TrimPrefix(pool.Endpoints[0].String(), "http://"))
	}
	if o.Insecure && o.CA != "" {
		refuse("--insecure", "looks at no certificate, so that --ca has nothing to verify", "leave --insecure out")
	}
	return problems
}

// find gives the key of a path in the table, which must have it.
func find(path string) *key {
	for i := range keys {
		if keys[i].path == path {
			return &keys[i]
		}
	}
	panic("BUG: there is no key " + path)
}

// IsKey reports whether the configuration has a key of that path, as the reference spells it: pools.NAME.tls.ca.
func IsKey(path string) bool {
	return slices.ContainsFunc(keys, func(k key) bool { return k.path == path })
}

// fromHere makes a path start at the working directory, unless it is one of the key's words.
func fromHere(k *key, path string) string {
	if slices.Contains(k.choices, path) {
		return path
	}
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}
