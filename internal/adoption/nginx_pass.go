package adoption

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// refuses adds a route that answers 501 where what a location does could not be translated, so that no other route takes its requests:
// one that serves files would show programs.
func (n *nginx) refuses(v *nginxServer, match []pair) {
	n.add(v, &route{keys: append(slices.Clone(match), pair{"respond", "{status: 501}"})})
}

// pass adds the route of a "proxy_pass". extra are keys of its route, such as a rewrite.
func (n *nginx) pass(v *nginxServer, l *location, b *node, match, extra []pair) {
	text := n.known(b.Text(), l.scope)
	scheme, rest, _ := strings.Cut(text, "://")
	if b.Name == "grpc_pass" && !strings.Contains(text, "://") {
		scheme, rest = "grpc", text
	}
	host, uri := rest, ""
	if path, ok := strings.CutPrefix(rest, "unix:"); ok {
		socket, after, _ := strings.Cut(path, ":")
		host, uri = "unix:"+socket, after
	} else if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, uri = rest[:i], rest[i:]
	}
	r := &route{keys: slices.Clone(match)}
	if strings.Contains(host, "$") {
		n.d.note(&v.mark, b, "an upstream by variables; it is answered 501")
		n.refuses(v, match)
		return
	}
	n.common(v, l, r)
	n.bodyOf(l.scope, &r.notes)
	n.requestHeaders(l, r)
	if len(extra) == 0 && uri != "" && !n.replaced(l, r, uri, strings.Contains(b.Text(), "$")) {
		n.d.note(&r.notes, b, "a path behind the host")
	}
	r.keys = append(r.keys, extra...)
	name := n.pool(l, scheme, host, b)
	if name == "" {
		n.d.note(&v.mark, b, "no server in it; it is answered 501")
		n.refuses(v, match)
		return
	}
	if compressed(l.scope) != nil {
		r.set("compress", "on")
	}
	r.set("pool", quote(name))
	n.add(v, r)
}

// compressed is the line that has answers compressed, nil if there is none.
func compressed(s scope) *node {
	for _, name := range []string{"gzip", "brotli"} {
		if on := s.get(name); on != nil && on.Text() == "on" {
			return on
		}
	}
	return nil
}

// uncompressed tells that what is no pool's is sent as it is.
func (n *nginx) uncompressed(s scope, notes *[]Note) {
	if on := compressed(s); on != nil {
		n.d.note(notes, on, "only what a pool answers is compressed")
	}
}

// known is a text with the variables that are set to a text around it.
func (n *nginx) known(text string, s scope) string {
	return nginxVariable.ReplaceAllStringFunc(text, func(v string) string {
		if value, ok := s.variable(strings.Trim(v[1:], "{}")); ok {
			return value
		}
		return v
	})
}

// variable is the text that a "set" gives a variable, if it is the same for every request: no other one, in an if perhaps, gives it another.
func (s scope) variable(name string) (value string, ok bool) {
	for _, level := range slices.Backward(s) {
		sets := setsOf(level, "$"+name)
		if len(sets) == 0 {
			continue
		}
		one := sets[0]
		return one.Arg(1), len(sets) == 1 && slices.Contains(level, one) && !strings.Contains(one.Arg(1), "$")
	}
	return "", false
}

// setsOf are the "set" lines for a variable in a block, and in its ifs.
func setsOf(block []*node, variable string) (found []*node) {
	for _, b := range block {
		switch {
		case b.Name == "if":
			found = append(found, setsOf(b.Kids, variable)...)
		case b.Name == "set" && b.Text() == variable:
			found = append(found, b)
		}
	}
	return found
}

// replaced sets the rewrite for a "proxy_pass" with a path: it stands in the place of the location's prefix.
func (n *nginx) replaced(l *location, r *route, uri string, varying bool) bool {
	to, ok := n.variables(uri, l.scope)
	switch {
	case !ok:
		return false
	case capturesOf(to) > groups(r.keys):
		return false
	case varying: // it is all of the path, and of the query
		r.set("rewrite", quote(strings.TrimSuffix(to, "?")+"?"))
		return true
	case l.kind == regexLocation:
		return false
	case l.kind == exactLocation:
		r.set("rewrite", quote(to))
		return true
	case l.path == "" || l.path == "/":
		if to == "/" {
			return true
		}
		r.keys = slices.DeleteFunc(r.keys, func(k pair) bool { return k.key == "path" })
		r.keys = append([]pair{{"path", "'/*'"}}, r.keys...)
		r.set("rewrite", quote(to+"$rest"))
		return true
	case strings.HasSuffix(l.path, "/") && plainPath(l.path):
		if to == "/" {
			r.set("strip", quote(strings.TrimSuffix(l.path, "/")))
			return true
		}
		r.set("rewrite", quote(to+"$rest"))
		return true
	}
	r.keys = slices.DeleteFunc(r.keys, func(k pair) bool { return k.key == "path" })
	r.keys = append([]pair{{"path", quote("~^" + regexp.QuoteMeta(l.path) + "(.*)$")}}, r.keys...)
	r.set("rewrite", quote(to+"$1"))
	return true
}

// byItself are headers that Whygate writes, or passes on, as these values say.
var byItself = map[string][]string{
	"connection":        nil, // whatever it is
	"upgrade":           nil,
	"x-forwarded-for":   {"$proxy_add_x_forwarded_for", "$remote_addr"},
	"x-forwarded-proto": {"$scheme"},
	"x-forwarded-host":  {"$host", "$http_host"},
	"x-request-id":      {"$request_id"},
	"host":              nil, // it is the pool's
}

// clientsOwn is what becomes of a header that the other proxy sets and Whygate cannot.
const clientsOwn = "; what clients send by this name is taken away"

// takenAway reports whether a header that the other proxy overwrites is none of those that Whygate itself writes: what clients send by its
// name would be believed.
func takenAway(name string) bool {
	name = strings.ToLower(name)
	_, own := byItself[name]
	return !own && name != "forwarded" && name != "via" && !strings.HasPrefix(name, "x-forwarded-")
}

// requestHeaders sets the headers that upstreams get.
func (n *nginx) requestHeaders(l *location, r *route) {
	var set, made []pair
	for _, name := range []string{"proxy_set_header", "grpc_set_header"} {
		for _, b := range l.scope.all(name) {
			values, known := byItself[strings.ToLower(b.Text())]
			text, ok := n.withoutCaptures(b.Arg(1), l.scope)
			switch {
			case known && (values == nil || slices.Contains(values, b.Arg(1))):
			case !ok:
				why := "a variable without a counterpart"
				if takenAway(b.Text()) {
					set, why = append(set, pair{b.Text(), ""}), why+clientsOwn
				}
				n.d.note(&r.notes, b, "%s", why)
			case strings.Contains(text, "$"):
				made = append(made, pair{b.Text(), text})
			default:
				set = append(set, pair{b.Text(), text})
			}
		}
	}
	if len(set) > 0 {
		r.set("set_request", headers(set))
	}
	if len(made) > 0 {
		r.set("make_request", headers(made))
	}
}

// pool makes the pool of a route, empty where there is no server in it.
func (n *nginx) pool(l *location, scheme, host string, pass *node) string {
	var notes []Note
	var keys []pair
	endpoints, group := n.endpoints(scheme, host, &notes)
	if len(endpoints) == 0 {
		return ""
	}
	keys = append(keys, pair{"endpoints", "[" + strings.Join(endpoints, ", ") + "]"})
	if group != nil {
		keys = append(keys, n.balance(group, &notes)...)
	}
	if h := n.hostOf(l, host, group, &notes); h != "client" {
		keys = append(keys, pair{"host", quote(h)})
	}
	if scheme == "https" || scheme == "grpcs" {
		keys = append(keys, n.tlsOf(l, &notes)...)
	}
	if scheme == "grpcs" {
		keys = append(keys, pair{"protocol", "h2"})
	}
	if t := n.timeouts(l, pass, &notes); t != "" {
		keys = append(keys, pair{"timeouts", t})
	}
	if retry := n.retry(l, &notes); retry != "" {
		keys = append(keys, pair{"retry", retry})
	}
	return n.d.pool(host, keys, notes)
}

// schemes are what endpoints are written with.
var schemes = map[string]string{"http": "http", "https": "https", "grpc": "h2c", "grpcs": "https"}

// endpoints lists where requests go, and gives the group that they are of.
func (n *nginx) endpoints(scheme, host string, notes *[]Note) (endpoints []string, group *node) {
	own := schemes[scheme]
	if own == "" {
		return nil, nil
	}
	if path, ok := strings.CutPrefix(host, "unix:"); ok {
		return []string{quote("unix:" + path)}, nil
	}
	group = n.upstreams[host]
	if group == nil {
		return []string{quote(own + "://" + host)}, nil
	}
	for _, s := range group.Kids {
		if s.Name != "server" || s.Has("down") {
			continue
		}
		url := own + "://" + s.Text()
		if strings.HasPrefix(s.Text(), "unix:") {
			url = s.Text()
		} else if _, port := topology.HostPort(s.Text()); port == "" {
			url += ":80"
		}
		parts := []pair{{"url", quote(url)}}
		for _, a := range s.Args[1:] {
			name, value, _ := strings.Cut(a, "=")
			switch name {
			case "weight":
				if w, err := strconv.Atoi(value); err != nil || w < 1 || w > mostWeight {
					n.d.note(notes, s, "a weight that is not from 1 to %d", mostWeight)
					continue
				}
				parts = append(parts, pair{"weight", value})
			case "backup":
				parts = append(parts, pair{"backup", "true"})
			case "max_fails", "fail_timeout", "slow_start", "resolve":
				n.d.needless[name] = true
			case "max_conns":
			default:
				n.d.note(notes, s, "%s", a)
			}
		}
		if len(parts) == 1 {
			endpoints = append(endpoints, quote(url))
		} else {
			endpoints = append(endpoints, mapping(parts))
		}
	}
	return endpoints, group
}

// balance says how a group's servers are chosen.
func (n *nginx) balance(group *node, notes *[]Note) (keys []pair) {
	conns := ""
	for _, b := range group.Kids {
		switch b.Name {
		case "server":
			for _, a := range b.Args {
				if value, ok := strings.CutPrefix(a, "max_conns="); ok {
					if conns != "" && conns != value {
						n.d.note(notes, b, "servers with different limits: the first holds for all")
						continue
					}
					conns = value
				}
			}
		case "least_conn", "least_time":
			keys = append(keys, pair{"balance", "least-requests"})
		case "ip_hash":
			keys = append(keys, pair{"balance", "hash"}, pair{"hash", "ip"})
		case "hash":
			by := hashKey(b.Text())
			if by == "" {
				n.d.note(notes, b, "a key without a counterpart")
				continue
			}
			keys = append(keys, pair{"balance", "hash"}, pair{"hash", quote(by)})
		case "sticky":
			if b.Text() != "cookie" || b.Arg(1) == "" {
				n.d.note(notes, b, "")
				continue
			}
			keys = append(keys, pair{"sticky", mapping([]pair{{"cookie", quote(b.Arg(1))}})})
		case "zone", "keepalive", "keepalive_timeout", "keepalive_requests", "keepalive_time", "random", "resolver":
			n.d.needless[b.Name] = true
		default:
			n.d.note(notes, b, "")
		}
	}
	if conns != "" && conns != "0" {
		keys = append(keys, pair{"limits", mapping([]pair{{"connections", conns}})})
	}
	return keys
}

// hashKey is a key of nginx's as here.
func hashKey(text string) string {
	switch {
	case text == "$remote_addr" || text == "$binary_remote_addr":
		return "ip"
	case text == "$request_uri" || text == "$uri":
		return "path"
	case strings.HasPrefix(text, "$cookie_"):
		return "cookie:" + text[len("$cookie_"):]
	case strings.HasPrefix(text, "$http_"):
		return "header:" + strings.ReplaceAll(text[len("$http_"):], "_", "-")
	}
	return ""
}

// hostOf is the Host header that upstreams get.
func (n *nginx) hostOf(l *location, host string, group *node, notes *[]Note) string {
	for _, name := range []string{"proxy_set_header", "grpc_set_header"} {
		for _, b := range l.scope.all(name) {
			if !strings.EqualFold(b.Text(), "Host") {
				continue
			}
			switch value := n.known(b.Arg(1), l.scope); {
			case value == "$host", value == "$http_host", strings.HasPrefix(value, "$host:"), strings.HasPrefix(value, "${host}:"):
				return "client"
			case value == "$server_name":
				return n.serverNameOf(l)
			case value == "$proxy_host":
			case !strings.Contains(value, "$") && value != "":
				return value
			default:
				n.d.note(notes, b, "a variable without a counterpart")
				return "client"
			}
		}
	}
	switch {
	case group != nil && poolHost.MatchString(host):
		return host
	case strings.HasPrefix(host, "unix:"):
		return "localhost"
	}
	return "endpoint"
}

// poolHost is a name that may stand in a Host header here.
var poolHost = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`)

func (n *nginx) serverNameOf(l *location) string {
	if name := l.scope.get("server_name"); name != nil && poolHost.MatchString(name.Text()) && name.Text() != "_" {
		return name.Text()
	}
	return "client"
}

// tlsOf says how TLS is spoken to a pool: nginx verifies nothing unless it is told to.
func (n *nginx) tlsOf(l *location, notes *[]Note) []pair {
	var tls []pair
	verify := l.scope.get("proxy_ssl_verify")
	if verify == nil || verify.Text() != "on" {
		tls = append(tls, pair{"verify", "false"})
	} else {
		for _, f := range []pair{{"ca", "proxy_ssl_trusted_certificate"}, {"crl", "proxy_ssl_crl"}} {
			if b := l.scope.get(f.value); b != nil {
				tls = append(tls, pair{f.key, quote(n.absolute(b, b.Text()))})
			}
		}
	}
	switch name := l.scope.get("proxy_ssl_name"); {
	case name == nil || name.Text() == "$proxy_host":
	case strings.Contains(name.Text(), "$"):
		n.d.note(notes, name, "a name by variables; it is that of the endpoint")
	default:
		tls = append(tls, pair{"server_name", quote(name.Text())})
	}
	if cert, key := l.scope.get("proxy_ssl_certificate"), l.scope.get("proxy_ssl_certificate_key"); cert != nil && key != nil {
		tls = append(tls, pair{"cert", quote(n.absolute(cert, cert.Text()))}, pair{"key", quote(n.absolute(key, key.Text()))})
	}
	if len(tls) == 0 {
		return nil
	}
	return []pair{{"tls", mapping(tls)}}
}

// timeouts are the pool's, as far as the configuration sets them.
func (n *nginx) timeouts(l *location, pass *node, notes *[]Note) string {
	module := strings.TrimSuffix(pass.Name, "_pass")
	var out []pair
	for _, t := range []struct {
		name string
		keys []string
	}{{"_connect_timeout", []string{"connect"}}, {"_send_timeout", []string{"write"}}, {"_read_timeout", []string{"head", "read"}}} {
		b := l.scope.get(module + t.name)
		if b == nil {
			continue
		}
		d, ok := topology.Duration(b.Text(), time.Second)
		if !ok || d <= 0 || d > 24*time.Hour {
			n.d.note(notes, b, "")
			continue
		}
		for _, key := range t.keys {
			if key == "connect" && d > maxConnect {
				n.d.note(notes, b, "it is five minutes")
				d = maxConnect
			}
			out = append(out, pair{key, d.String()})
		}
	}
	if len(out) == 0 {
		return ""
	}
	return mapping(out)
}

// retry says when a request is sent again.
func (n *nginx) retry(l *location, notes *[]Note) string {
	var out []pair
	b := l.scope.get("proxy_next_upstream")
	if b.Has("off") {
		return "{attempts: 1}"
	}
	if tries := l.scope.get("proxy_next_upstream_tries"); tries != nil && tries.Text() != "0" {
		if k, err := strconv.Atoi(tries.Text()); err == nil {
			if k > mostAttempts {
				n.d.note(notes, tries, "%d attempts are made", mostAttempts)
			}
			out = append(out, pair{"attempts", strconv.Itoa(min(max(k, 1), mostAttempts))})
		}
	}
	var on []string
	if b != nil {
		for _, a := range b.Args {
			switch code, ok := strings.CutPrefix(a, "http_"); {
			case ok:
				on = append(on, code)
			case a == "non_idempotent":
				n.d.note(notes, b, "a request that is not idempotent is not repeated once it may have been done")
			}
		}
	}
	if len(on) > 0 {
		out = append(out, pair{"on", "[" + strings.Join(on, ", ") + "]"})
	}
	if len(out) == 0 {
		return ""
	}
	return mapping(out)
}
