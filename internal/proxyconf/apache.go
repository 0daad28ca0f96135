package proxyconf

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// apacheLine is a directive, or the beginning of a section with what is in it.
type apacheLine struct {
	name  string // lower case; a section's begins with <
	args  []string
	inner []*apacheLine
	place Place
}

type apacheReader struct {
	*reader
	root    string
	defines map[string]string
}

func readApache(all *reader, file string) error {
	r := &apacheReader{all, filepath.Dir(file), map[string]string{"APACHE_LOG_DIR": "/var/log/apache2"}}
	if filepath.Base(r.root) == "conf" {
		r.root = filepath.Dir(r.root) // ServerRoot of an own build: files are named conf/...
	}
	lines, err := r.file(file, 0)
	if err != nil {
		return err
	}
	for _, name := range []string{"errorlog", "customlog", "transferlog"} {
		apacheWalk(lines, func(l *apacheLine) {
			if l.name == name && len(l.args) > 0 {
				r.log(l.args[0])
			}
		})
	}
	r.Config.match = func(q Request) *Route { return apacheRoute(lines, q) }
	return nil
}

func apacheWalk(all []*apacheLine, visit func(*apacheLine)) {
	for _, l := range all {
		visit(l)
		apacheWalk(l.inner, visit)
	}
}

// expand puts in what Define and the environment of Debian's package have, up to textMax octets. What it gives is charged.
func (r *apacheReader) expand(text string) (string, error) {
	if !strings.Contains(text, "${") {
		return text[:min(len(text), textMax)], nil
	}
	var out strings.Builder
	for out.Len() <= textMax {
		before, after, found := strings.Cut(text, "${")
		name, _, closed := strings.Cut(after[:min(len(after), nameMax)], "}")
		out.WriteString(before[:min(len(before), textMax)])
		if !found {
			break
		}
		if value, known := r.defines[name]; known && closed {
			out.WriteString(value)
			text = after[len(name)+1:]
			continue
		}
		out.WriteString("${")
		text = after
	}
	s := out.String()
	return s[:min(len(s), textMax)], r.build(len(s))
}

// definesMax bounds the names that Define gives a value.
const definesMax = 1000

// define notes a value. A later one of a name replaces an earlier.
func (r *apacheReader) define(name, value string) {
	if _, known := r.defines[name]; known || len(r.defines) < definesMax {
		r.defines[name] = value
	}
}

func (r *apacheReader) file(name string, depth int) ([]*apacheLine, error) {
	b, err := r.reader.read(name)
	if err != nil {
		return nil, err
	}
	root := &apacheLine{}
	open := []*apacheLine{root}
	n, first := 0, 0
	var text strings.Builder
	for line := range strings.Lines(string(b)) {
		n++
		if text.Len() == 0 {
			first = n
		}
		line = strings.TrimRight(line, "\r\n")
		rest, more := strings.CutSuffix(line, "\\")
		if text.Len()+len(rest) > lineMax {
			return nil, fmt.Errorf("%s:%d: a line of more than %d KiB", name, n, lineMax>>10)
		}
		text.WriteString(rest)
		if more {
			continue
		}
		l, err := r.line(Place{name, first, strings.TrimSpace(text.String())})
		text.Reset()
		if err != nil {
			return nil, err
		}
		if l == nil {
			continue
		}
		top := open[len(open)-1]
		switch {
		case strings.HasPrefix(l.name, "</"):
			if len(open) > 1 {
				open = open[:len(open)-1]
			}
		case strings.HasPrefix(l.name, "<"):
			if k := len(l.args); k > 0 {
				l.args[k-1] = strings.TrimSuffix(l.args[k-1], ">")
			}
			l.name = strings.TrimSuffix(l.name, ">")
			top.inner = append(top.inner, l)
			if len(open) > nestMax {
				return nil, fmt.Errorf("%s:%d: sections within sections, more than %d", name, n, nestMax)
			}
			open = append(open, l)
		case l.name == "include" || l.name == "includeoptional":
			r.include(l, top, depth)
		default:
			if l.name == "define" && len(l.args) > 1 {
				r.define(l.args[0], l.args[1])
			}
			if l.name == "serverroot" && len(l.args) > 0 {
				r.root = l.args[0]
			}
			top.inner = append(top.inner, l)
		}
	}
	return root.inner, nil
}

// line makes a directive of a line; nil if there is none on it.
func (r *apacheReader) line(place Place) (*apacheLine, error) {
	words := haproxyWords(place.Text)
	if len(words) == 0 || strings.HasPrefix(place.Text, "#") {
		return nil, nil
	}
	l := &apacheLine{name: strings.ToLower(words[0]), place: place}
	for _, w := range words[1:] {
		arg, err := r.expand(w)
		if err != nil {
			return nil, err
		}
		l.args = append(l.args, arg)
	}
	return l, r.words(words)
}

func (r *apacheReader) include(l, into *apacheLine, depth int) {
	if len(l.args) == 0 || depth >= includeMax {
		return
	}
	pattern := l.args[0]
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(r.root, pattern)
	}
	for _, name := range r.glob(pattern) {
		more, err := r.file(name, depth+1)
		if err != nil && l.name == "include" {
			r.problem("%v: %v", l.place, err)
		}
		into.inner = append(into.inner, more...)
	}
}

// apacheFlat gives the directives of a list with those of sections that hold on conditions of the build (IfModule and the
// like), which are taken to hold.
func apacheFlat(all []*apacheLine) []*apacheLine {
	var flat []*apacheLine
	for _, l := range all {
		switch l.name {
		case "<ifmodule", "<ifdefine", "<ifversion", "<if":
			if len(l.args) == 0 || !strings.HasPrefix(l.args[0], "!") {
				flat = append(flat, apacheFlat(l.inner)...)
			}
		default:
			flat = append(flat, l)
		}
	}
	return flat
}

// apacheRoute finds the ProxyPass that takes the request.
func apacheRoute(all []*apacheLine, q Request) *Route {
	main := apacheFlat(all)
	host := apacheHost(main, q)
	groups := main
	lists := [][]*apacheLine{main}
	if host != nil {
		inner := apacheFlat(host.inner)
		groups = append(slices.Clone(main), inner...)
		lists = [][]*apacheLine{inner, main}
	}
	for _, list := range lists {
		if pass, target := apachePass(list, q); pass != nil {
			route := &Route{Name: target, Place: pass.place}
			if target == "!" {
				route.Answer = "files: this path is taken out of the proxy's"
				return route
			}
			route.Upstreams = apacheUpstreams(groups, target, pass.place)
			apacheRequest(route, pass, groups, target, q)
			for _, l := range groups {
				if strings.HasPrefix(l.name, "proxytimeout") || strings.HasPrefix(l.name, "sslproxy") || l.name == "timeout" || l.name == "proxypreservehost" {
					route.Settings = append(route.Settings, l.place)
				}
			}
			return route
		}
	}
	if host != nil {
		return &Route{Name: "files", Place: host.place, Answer: "files, or another module than a proxy"}
	}
	return nil
}

// apacheHost chooses the virtual host: those of the port, by name, else the first of them.
func apacheHost(main []*apacheLine, q Request) *apacheLine {
	var first *apacheLine
	for _, l := range main {
		if l.name != "<virtualhost" || !slices.ContainsFunc(l.args, func(a string) bool {
			colon := strings.LastIndexByte(a, ':')
			port := a[colon+1:]
			return (port == q.port() || port == "*") && q.fits(a[:max(colon, 0)]) != unfit || colon < 0
		}) {
			continue
		}
		if first == nil {
			first = l
		}
		for _, d := range apacheFlat(l.inner) {
			if d.name == "servername" || d.name == "serveralias" {
				for _, name := range d.args {
					name, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(name, "http://"), "https://"), ":")
					if hostFits(name, q.Host) {
						return l
					}
				}
			}
		}
	}
	return first
}

// apachePass finds the first ProxyPass or ProxyPassMatch that fits, and the RewriteRule that proxies, in a list.
func apachePass(list []*apacheLine, q Request) (*apacheLine, string) {
	path := q.path()
	for _, l := range list {
		switch l.name {
		case "proxypass":
			if len(l.args) > 1 && apacheUnder(path, l.args[0]) {
				return l, l.args[1]
			}
		case "proxypassmatch":
			if len(l.args) > 1 {
				if fits, _ := q.matches(l.args[0], path); fits {
					return l, l.args[1]
				}
			}
		case "rewriterule":
			if len(l.args) > 2 && strings.Contains(","+strings.Trim(l.args[2], "[]")+",", ",P") && strings.Contains(l.args[1], "://") {
				if fits, _ := q.matches(l.args[0], path); fits {
					return l, l.args[1]
				}
			}
		case "<location":
			if len(l.args) > 0 && apacheUnder(path, l.args[0]) {
				for _, d := range apacheFlat(l.inner) {
					if d.name == "proxypass" && len(d.args) > 0 {
						return d, d.args[0]
					}
				}
			}
		}
	}
	return nil, ""
}

// apacheUnder reports whether the path is under a prefix: /app takes /app and /app/x, and not /apple.
func apacheUnder(path, prefix string) bool {
	rest, found := strings.CutPrefix(path, prefix)
	return found && (rest == "" || rest[0] == '/' || strings.HasSuffix(prefix, "/"))
}

// apacheRequest notes what the upstreams are asked: ProxyPass puts its target's path in the place of its prefix, and the Host
// field is the target's unless ProxyPreserveHost is on.
func apacheRequest(route *Route, pass *apacheLine, groups []*apacheLine, target string, q Request) {
	prefix := "/"
	if pass.name == "proxypass" && len(pass.args) > 1 {
		prefix = pass.args[0]
	}
	_, rest, plain := strings.Cut(target, "://")
	host, uri, _ := strings.Cut(rest, "/")
	if !plain || pass.name != "proxypass" || len(pass.args) < 2 && pass.args[0] != target {
		return
	}
	if path := "/" + uri + strings.TrimPrefix(q.Path, prefix); len(pass.args) > 1 && path != q.Path {
		route.Path = path
	}
	for _, l := range groups {
		if l.name == "proxypreservehost" && len(l.args) > 0 && strings.EqualFold(l.args[0], "on") {
			return
		}
	}
	if !strings.HasPrefix(target, "balancer://") {
		route.Host = host
	}
}

// apacheUpstreams gives the members of a balancer, or the target itself.
func apacheUpstreams(groups []*apacheLine, target string, place Place) []Upstream {
	if socket, rest, ok := strings.Cut(target, "|"); ok && strings.HasPrefix(socket, "unix:") {
		scheme, _, _ := strings.Cut(rest, "://")
		return []Upstream{{Scheme: scheme, Unix: strings.TrimPrefix(socket, "unix:"), Place: place}}
	}
	name, balanced := strings.CutPrefix(target, "balancer://")
	if !balanced {
		u := withURL(strings.TrimSuffix(target, "$1"), place)
		u.Insecure = u.Scheme == "https" && !apacheVerifies(groups)
		return []Upstream{u}
	}
	name, _, _ = strings.Cut(name, "/")
	var all []Upstream
	for _, l := range groups {
		if l.name != "<proxy" || len(l.args) == 0 || strings.TrimSuffix(l.args[0], "/") != "balancer://"+name {
			continue
		}
		for _, m := range apacheFlat(l.inner) {
			if m.name != "balancermember" || len(m.args) == 0 {
				continue
			}
			u := withURL(m.args[0], m.place)
			u.Insecure = u.Scheme == "https" && !apacheVerifies(groups)
			u.Backup, u.Down = slices.Contains(m.args, "status=+H"), slices.Contains(m.args, "status=+D")
			all = append(all, u)
		}
	}
	return all
}

func apacheVerifies(groups []*apacheLine) bool {
	for _, l := range groups {
		if l.name == "sslproxyverify" && len(l.args) > 0 && l.args[0] == "require" {
			return true
		}
	}
	return false
}
