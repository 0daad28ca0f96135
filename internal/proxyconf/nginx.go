package proxyconf

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// directive is one of nginx's directives, simple or with a block.
type directive struct {
	words []string
	block []*directive
	place Place
}

func (d *directive) name() string { return d.words[0] }

// arg is the nth argument, empty if there is none.
func (d *directive) arg(n int) string {
	if n < len(d.words) {
		return d.words[n]
	}
	return ""
}

// nginxReader reads nginx's files.
type nginxReader struct {
	*Config
	files Files
	base  string // what relative includes start from
}

func readNginx(c *Config, file string, files Files) error {
	r := &nginxReader{Config: c, files: files, base: filepath.Dir(file)}
	root, err := r.file(file, 0)
	if err != nil {
		return err
	}
	logsOf(c, root)
	c.match = func(q Request) *Route { return nginxRoute(root, q) }
	return nil
}

// file reads one file into directives, with what it includes in place.
func (r *nginxReader) file(name string, depth int) ([]*directive, error) {
	b, err := r.files.read(name)
	if err != nil || !r.note(name) {
		return nil, err
	}
	s := &nginxScanner{text: string(b), line: 1, file: name}
	all, err := s.block(0)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, s.line, err)
	}
	return r.included(all, depth), nil
}

// included puts the directives of included files where they are included.
func (r *nginxReader) included(all []*directive, depth int) []*directive {
	var whole []*directive
	for _, d := range all {
		d.block = r.included(d.block, depth)
		if d.name() != "include" || d.arg(1) == "" {
			whole = append(whole, d)
			continue
		}
		pattern := d.arg(1)
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(r.base, pattern)
		}
		if depth >= includeMax {
			r.problem("%v: includes within includes, %d deep", d.place, depth)
			continue
		}
		for _, name := range r.files.glob(pattern) {
			more, err := r.file(name, depth+1)
			if err != nil {
				r.problem("%v: %v", d.place, err)
			}
			whole = append(whole, more...)
		}
	}
	return whole
}

// nginxScanner splits nginx's syntax.
type nginxScanner struct {
	text string
	line int
	file string
}

// nestMax bounds blocks within blocks.
const nestMax = 30

// block reads directives up to the closing brace, or to the end of the file at depth 0.
func (s *nginxScanner) block(depth int) ([]*directive, error) {
	if depth > nestMax {
		return nil, fmt.Errorf("blocks within blocks, more than %d", nestMax)
	}
	var all []*directive
	d := &directive{}
	for {
		word, kind := s.next()
		switch kind {
		case 'w':
			if len(d.words) == 0 {
				d.place = Place{File: s.file, Line: s.line}
			}
			d.words = append(d.words, word)
		case ';':
			if len(d.words) > 0 {
				all, d = append(all, d), &directive{}
			}
		case '{':
			if len(d.words) == 0 {
				return nil, fmt.Errorf("a block without a name")
			}
			inner, err := s.block(depth + 1)
			if err != nil {
				return nil, err
			}
			d.block = inner
			if strings.HasSuffix(d.name(), "_by_lua_block") {
				d.block = nil
			}
			all, d = append(all, d), &directive{}
		case '}':
			if depth == 0 {
				return nil, fmt.Errorf("a closing brace too many")
			}
			return all, nil
		default:
			if depth > 0 {
				return nil, fmt.Errorf("a block is not closed")
			}
			return all, nil
		}
	}
}

// next reads a word ('w'), one of ; { } or the end (0).
func (s *nginxScanner) next() (string, byte) {
	for s.text != "" {
		switch c := s.text[0]; c {
		case '\n':
			s.line++
			s.text = s.text[1:]
		case ' ', '\t', '\r':
			s.text = s.text[1:]
		case '#':
			_, rest, _ := strings.Cut(s.text, "\n")
			s.text = rest
			s.line++
		case ';', '{', '}':
			s.text = s.text[1:]
			return "", c
		case '"', '\'':
			return s.quoted(c), 'w'
		default:
			return s.bare(), 'w'
		}
	}
	return "", 0
}

func (s *nginxScanner) quoted(quote byte) string {
	var b strings.Builder
	for i := 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '\\' && i+1 < len(s.text):
			i++
			b.WriteByte(s.text[i])
		case c == quote:
			s.text = s.text[i+1:]
			return b.String()
		default:
			if c == '\n' {
				s.line++
			}
			b.WriteByte(c)
		}
	}
	s.text = ""
	return b.String()
}

func (s *nginxScanner) bare() string {
	for i := 0; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '$':
			if i+1 < len(s.text) && s.text[i+1] == '{' { // ${name}
				if n := strings.IndexByte(s.text[i:], '}'); n > 0 {
					i += n
				}
			}
		case ' ', '\t', '\r', '\n', ';', '{', '}':
			word := s.text[:i]
			s.text = s.text[i:]
			return word
		}
	}
	word := s.text
	s.text = ""
	return word
}

// text is the directive as it stands in the file, without its block.
func (d *directive) text() string { return strings.Join(d.words, " ") }

// at is the directive's place with its text.
func (d *directive) at() Place { return Place{d.place.File, d.place.Line, d.text()} }

// logsOf collects the log files, the error logs first.
func logsOf(c *Config, all []*directive) {
	for _, name := range []string{"error_log", "access_log"} {
		walk(all, func(d *directive) {
			if d.name() == name {
				c.log(d.arg(1))
			}
		})
	}
}

func walk(all []*directive, visit func(*directive)) {
	for _, d := range all {
		visit(d)
		walk(d.block, visit)
	}
}

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
		path := scope{root, h.block, server.block}
		if location := nginxLocation(server.block, q.path()); location != nil {
			return nginxTarget(h.block, append(path, location.block), location)
		}
		return nginxTarget(h.block, path, server)
	}
	return nil
}

// nginxServer chooses the server block: by the listen address, then by the name.
func nginxServer(http []*directive, q Request) *directive {
	var listening []*directive
	var first, standard *directive
	for _, d := range http {
		if d.name() != "server" {
			continue
		}
		fits, isDefault := nginxListens(d.block, q)
		if !fits {
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
					return kind(strings.ToLower(name)) && nginxNameFits(name, q.Host)
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

func nginxNameFits(name, host string) bool {
	if pattern, ok := strings.CutPrefix(name, "~"); ok {
		re, err := regexp.Compile("(?i)" + pattern)
		return err == nil && re.MatchString(host)
	}
	return hostFits(name, host)
}

// nginxListens reports whether the server listens where the client connects, and whether it is the default there.
func nginxListens(server []*directive, q Request) (fits, isDefault bool) {
	any := false
	for _, d := range server {
		if d.name() != "listen" {
			continue
		}
		any = true
		address := d.arg(1)
		if strings.HasPrefix(address, "unix:") {
			continue
		}
		port := address
		if i := strings.LastIndexByte(address, ':'); i >= 0 && !strings.HasSuffix(address, "]") {
			port = address[i+1:]
		} else if strings.Trim(address, "0123456789") != "" {
			port = "80"
		}
		if port == q.port() {
			fits = true
			isDefault = isDefault || slices.Contains(d.words, "default_server") || slices.Contains(d.words, "default")
		}
	}
	return fits || !any && q.port() == "80", isDefault
}

// nginxLocation chooses the location: exact, then the longest prefix if it says so, then the first regular expression, then
// the longest prefix.
func nginxLocation(server []*directive, path string) *directive {
	var longest *directive
	size := -1
	var patterns []*directive
	for _, d := range server {
		if d.name() != "location" {
			continue
		}
		switch prefix := d.arg(1); prefix {
		case "=":
			if d.arg(2) == path {
				return d
			}
		case "~", "~*":
			patterns = append(patterns, d)
		default:
			if prefix == "^~" {
				prefix = d.arg(2)
			}
			if strings.HasPrefix(path, prefix) && len(prefix) > size {
				longest, size = d, len(prefix)
			}
		}
	}
	if longest == nil || longest.arg(1) != "^~" {
		for _, d := range patterns {
			flags := ""
			if d.arg(1) == "~*" {
				flags = "(?i)"
			}
			if re, err := regexp.Compile(flags + d.arg(2)); err == nil && re.MatchString(path) {
				return d
			}
		}
	}
	if longest != nil {
		if inner := nginxLocation(longest.block, path); inner != nil {
			return inner
		}
	}
	return longest
}

// nginxPasses are the directives that hand a request on, with the scheme of what follows.
var nginxPasses = map[string]string{"proxy_pass": "", "grpc_pass": "grpc", "fastcgi_pass": "fastcgi", "uwsgi_pass": "uwsgi", "scgi_pass": "scgi"}

// nginxSettings are the settings that explain failures.
var nginxSettings = []string{
	"proxy_connect_timeout", "proxy_read_timeout", "proxy_send_timeout", "proxy_buffer_size", "proxy_buffers", "proxy_http_version", "proxy_ssl_verify",
	"proxy_ssl_server_name", "proxy_ssl_name", "proxy_next_upstream", "resolver", "proxy_set_header", "fastcgi_read_timeout", "uwsgi_read_timeout", "grpc_read_timeout",
}

// nginxTarget says where a location, or a server without one that fits, sends the request.
func nginxTarget(http []*directive, path scope, at *directive) *Route {
	route := &Route{Name: at.text(), Place: at.at()}
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
		target := nginxVariables(path, d.arg(1))
		if scheme != "" && !strings.Contains(target, "://") {
			target = scheme + "://" + target
		}
		route.Place = d.at()
		route.Upstreams = nginxUpstreams(http, path, target, d.at())
		if u := withURL(target, Place{}); u.Address != "" {
			route.Name = u.Address
		}
		return route
	}
	route.Answer = "files, or another module than a proxy"
	return route
}

// nginxVariables replaces variables that set gave a constant.
func nginxVariables(path scope, text string) string {
	for range 5 {
		if !strings.Contains(text, "$") {
			break
		}
		for _, block := range path {
			for _, d := range block {
				if d.name() == "set" && len(d.words) == 3 {
					name := strings.TrimPrefix(d.words[1], "$")
					text = strings.ReplaceAll(text, "${"+name+"}", d.words[2])
					text = strings.ReplaceAll(text, "$"+name, d.words[2])
				}
			}
		}
	}
	return text
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
