package proxyconf

import (
	"slices"
	"strings"
)

// scope is the blocks that a directive is in, the outermost first.
type scope [][]*directive

// last gives the last directive of that name in the innermost block that has one, as nginx inherits them.
func (s scope) last(name string) *directive {
	for i := len(s) - 1; i >= 0; i-- {
		for j := len(s[i]) - 1; j >= 0; j-- {
			if s[i][j].name() == name {
				return s[i][j]
			}
		}
	}
	return nil
}

// nginxRoute finds what nginx would do with the request.
func nginxRoute(root []*directive, q Request) *Route {
	for _, h := range root {
		if h.name() != "http" {
			continue
		}
		server := nginxServer(h.block, q)
		if server == nil {
			return nil
		}
		r := &nginxRouter{http: h.block, server: server, q: q, path: q.path()}
		route := r.route(scope{root, h.block, server.block})
		route.Server = serverName(server)
		return route
	}
	return nil
}

// serverName is the first name of a server, which its log lines have.
func serverName(server *directive) string {
	for _, d := range server.block {
		if d.name() == "server_name" {
			return d.arg(1)
		}
	}
	return ""
}

// turnsMax is how often nginx looks for a location anew after a rewrite.
const turnsMax = 10

// route goes through the server's own rewrites, then looks for a location and goes through its rewrites, until one keeps the request.
func (r *nginxRouter) route(path scope) *Route {
	if answer := r.answer(r.server.block); answer != nil {
		return r.target(path, answer)
	}
	if to, _ := r.rewritten(r.server.block); to != nil && to.away {
		return &Route{Name: to.at.text(), Place: to.at.at(), Answer: to.at.text()}
	}
	for range turnsMax {
		chain := r.location(r.server.block, r.path)
		if len(chain) == 0 {
			return r.target(path, r.server)
		}
		inner := slices.Clone(path)
		for _, l := range chain {
			inner = append(inner, l.block)
		}
		last := chain[len(chain)-1]
		to, again := r.rewritten(last.block)
		switch {
		case to != nil && to.away:
			return &Route{Name: to.at.text(), Place: to.at.at(), Answer: to.at.text()}
		case !again:
			if try := r.tried(last); try {
				continue
			}
			return r.target(inner, last)
		}
	}
	return &Route{Name: "a rewrite", Place: r.server.at(), Answer: "a circle of rewrites: 500"}
}

// answer is the server's own return, which goes before every location; nil if there is none, or if whether it is reached depends
// on an if.
func (r *nginxRouter) answer(block []*directive) *directive {
	for _, d := range block {
		switch {
		case d.name() == "if" && slices.ContainsFunc(d.block, func(in *directive) bool { return in.name() == "return" }):
			r.unsure = d.text()
		case d.name() == "return":
			return r.server
		}
	}
	return nil
}

// nginxServer chooses the server block: by the listen address, then by the name. Only where no server listens at the very
// address, those that listen at every one are asked.
func nginxServer(http []*directive, q Request) *directive {
	best := anywhere
	for _, d := range http {
		if d.name() == "server" {
			fit, _ := nginxListens(d.block, q)
			best = max(best, fit)
		}
	}
	var listening []*directive
	var first, standard *directive
	for _, d := range http {
		if d.name() != "server" {
			continue
		}
		fit, isDefault := nginxListens(d.block, q)
		if fit != best {
			continue
		}
		listening = append(listening, d)
		if first == nil {
			first = d
		}
		if isDefault {
			standard = d
		}
	}
	for _, kind := range []func(string) bool{
		func(n string) bool { return n == q.Host },
		func(n string) bool { return strings.HasPrefix(n, "*.") || strings.HasPrefix(n, ".") },
		func(n string) bool { return strings.HasSuffix(n, ".*") },
		func(n string) bool { return strings.HasPrefix(n, "~") },
	} {
		for _, d := range listening {
			for _, n := range d.block {
				if n.name() == "server_name" && slices.ContainsFunc(n.words[1:], func(name string) bool {
					return kind(strings.ToLower(name)) && nginxNameFits(name, q)
				}) {
					return d
				}
			}
		}
	}
	if standard != nil {
		return standard
	}
	return first
}

func nginxNameFits(name string, q Request) bool {
	if pattern, ok := strings.CutPrefix(name, "~"); ok {
		fits, _ := q.matches("(?i)"+pattern, q.Host)
		return fits
	}
	return hostFits(name, q.Host)
}

// nginxListens says how well the server's listen directives fit where the client connects, and whether it is the default there.
func nginxListens(server []*directive, q Request) (fit int, isDefault bool) {
	any := false
	for _, d := range server {
		if d.name() != "listen" {
			continue
		}
		any = true
		host, port := d.arg(1), "80"
		if strings.HasPrefix(host, "unix:") {
			continue
		}
		if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
			host, port = host[:i], host[i+1:]
		} else if strings.Trim(host, "0123456789") == "" {
			host, port = "", host
		}
		if got := q.fits(host); port == q.port() && got >= fit && got != unfit {
			isDefault = got == fit && isDefault || slices.Contains(d.words, "default_server") || slices.Contains(d.words, "default")
			fit = got
		}
	}
	if !any && q.port() == "80" {
		return anywhere, false
	}
	return fit, isDefault
}

// location chooses the location and those within it, the outermost first: exact, then the longest prefix if it says so, then
// the first regular expression, then the longest prefix.
func (r *nginxRouter) location(block []*directive, path string) []*directive {
	var longest *directive
	size := -1
	var patterns []*directive
	for _, d := range block {
		if d.name() != "location" {
			continue
		}
		switch prefix := d.arg(1); prefix {
		case "=":
			if d.arg(2) == path {
				return []*directive{d}
			}
		case "~", "~*":
			patterns = append(patterns, d)
		default:
			if prefix == "^~" {
				prefix = d.arg(2)
			}
			if !strings.HasPrefix(prefix, "@") && strings.HasPrefix(path, prefix) && len(prefix) > size {
				longest, size = d, len(prefix)
			}
		}
	}
	var inner []*directive
	if longest != nil {
		inner = r.location(longest.block, path)
	}
	settled := func(d *directive) bool { return d.arg(1) == "~" || d.arg(1) == "~*" || d.arg(1) == "=" }
	if slices.ContainsFunc(inner, settled) { // nginx looks into the longest prefix before it looks at its neighbours
		return append([]*directive{longest}, inner...)
	}
	if longest == nil || longest.arg(1) != "^~" {
		for _, d := range patterns {
			if r.matches(d, path) {
				return append([]*directive{d}, r.location(d.block, path)...)
			}
		}
	}
	if longest == nil {
		return nil
	}
	return append([]*directive{longest}, inner...)
}

// matches reports whether a location's regular expression fits. One of PCRE's own kind cannot be judged.
func (r *nginxRouter) matches(d *directive, path string) bool {
	flags := ""
	if d.arg(1) == "~*" {
		flags = "(?i)"
	}
	fits, known := r.q.matches(flags+d.arg(2), path)
	if !known {
		r.unsure = d.text()
	}
	return fits
}

// nginxPasses are the directives that hand a request on, with the scheme of what follows.
var nginxPasses = map[string]string{"proxy_pass": "", "grpc_pass": "grpc", "fastcgi_pass": "fastcgi", "uwsgi_pass": "uwsgi", "scgi_pass": "scgi"}

// nginxSettings are the settings that explain failures.
var nginxSettings = []string{
	"proxy_connect_timeout", "proxy_read_timeout", "proxy_send_timeout", "proxy_buffer_size", "proxy_buffers", "proxy_http_version", "proxy_ssl_verify",
	"proxy_ssl_server_name", "proxy_ssl_name", "proxy_next_upstream", "resolver", "proxy_set_header", "fastcgi_read_timeout", "uwsgi_read_timeout", "grpc_read_timeout",
}

// target says where a location, or a server without one that fits, sends the request.
func (r *nginxRouter) target(path scope, at *directive) *Route {
	route := &Route{Name: at.text(), Place: at.at(), Unsure: r.unsure}
	for _, name := range nginxSettings {
		if d := path.last(name); d != nil {
			route.Settings = append(route.Settings, d.at())
		}
	}
	for _, d := range path[len(path)-1] {
		if d.name() == "return" {
			route.Answer, route.Place = d.text(), d.at()
			return route
		}
		scheme, passes := nginxPasses[d.name()]
		if !passes {
			continue
		}
		target := nginxVariables(path, d.arg(1), r.values())
		if scheme != "" && !strings.Contains(target, "://") {
			target = scheme + "://" + target
		}
		route.Place = d.at()
		route.Upstreams = nginxUpstreams(r.http, path, target, d.at())
		if u := withURL(target, Place{}); u.Address != "" {
			route.Name = u.Address
		}
		r.request(route, path, at, d.arg(1), target)
		return route
	}
	d := path.last("try_files")
	if again := at.name() == "location" && strings.HasPrefix(at.arg(1), "@"); d != nil && at.name() == "location" && !again && strings.HasPrefix(d.words[len(d.words)-1], "@") {
		return r.named(path, d)
	}
	route.Answer = "files, or another module than a proxy"
	return route
}

// named follows a try_files to the location that takes what is no file.
func (r *nginxRouter) named(path scope, try *directive) *Route {
	name := try.words[len(try.words)-1]
	for _, l := range r.server.block {
		if l.name() == "location" && l.arg(1) == name {
			if r.unsure == "" {
				r.unsure = try.text()
			}
			return r.target(append(path[:3:3], l.block), l)
		}
	}
	return &Route{Name: try.text(), Place: try.at(), Answer: try.text()}
}

// request notes what the upstreams are asked: a proxy_pass with a path puts it in the place of the location's prefix, and the Host
// field is proxy_pass's own unless proxy_set_header says otherwise.
func (r *nginxRouter) request(route *Route, path scope, at *directive, written, target string) {
	_, rest, _ := strings.Cut(target, "://")
	host, uri, hasURI := strings.Cut(rest, "/")
	prefix := at.arg(1)
	if prefix == "^~" || prefix == "=" {
		prefix = at.arg(2)
	}
	if hasURI && at.name() == "location" && strings.HasPrefix(prefix, "/") && !strings.Contains(written, "$") {
		if asked := "/" + uri + strings.TrimPrefix(r.q.Path, prefix); asked != r.q.Path {
			route.Path = asked
		}
	}
	sets := path.last("proxy_set_header")
	for i := len(path) - 1; i >= 0 && sets != nil; i-- { // those of the innermost block that has any
		if !slices.Contains(path[i], sets) {
			continue
		}
		for _, d := range path[i] {
			if d.name() == "proxy_set_header" && strings.EqualFold(d.arg(1), "Host") {
				host = d.arg(2)
			}
		}
	}
	if !strings.Contains(host, "$") && !strings.HasPrefix(host, "unix:") { // $host and $http_host are the client's
		route.Host = strings.TrimSuffix(strings.TrimSuffix(host, ":80"), ":443")
	}
}

// nginxUpstreams gives the servers of the group that the target names, or the target itself.
func nginxUpstreams(http []*directive, path scope, target string, place Place) []Upstream {
	one := withURL(target, place)
	scheme, rest, _ := strings.Cut(target, "://")
	group, _, _ := strings.Cut(rest, "/")
	var all []Upstream
	for _, d := range http {
		if d.name() != "upstream" || d.arg(1) != group {
			continue
		}
		for _, s := range d.block {
			if s.name() != "server" {
				continue
			}
			u := withURL(scheme+"://"+s.arg(1), s.at())
			if u.Address != "" {
				u.Address = withPort(strings.TrimPrefix(s.arg(1), scheme+"://"), "80")
			}
			u.Backup, u.Down = slices.Contains(s.words, "backup"), slices.Contains(s.words, "down")
			all = append(all, u)
		}
	}
	if len(all) == 0 {
		all = []Upstream{one}
	}
	verify, name := path.last("proxy_ssl_verify"), path.last("proxy_ssl_name")
	for i := range all {
		all[i].Insecure = verify == nil || verify.arg(1) != "on"
		if name != nil && !strings.Contains(name.arg(1), "$") {
			all[i].ServerName = name.arg(1)
		}
	}
	return all
}
