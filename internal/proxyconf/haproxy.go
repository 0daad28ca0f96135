package proxyconf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// section is one of HAProxy's sections: its first line, and those under it.
type section struct {
	kind, name string
	place      Place
	lines      []haproxyLine
}

type haproxyLine struct {
	words []string
	place Place
}

var haproxySections = []string{"global", "defaults", "frontend", "backend", "listen", "resolvers", "peers", "userlist", "cache", "program", "http-errors", "ring", "mailers", "fcgi-app", "crt-store", "log-forward", "traces"}

func readHAProxy(r *reader, file string) error {
	sections, err := haproxyFile(r, file)
	if err != nil {
		return err
	}
	if file == "/etc/haproxy/haproxy.cfg" {
		for _, name := range r.ending("/etc/haproxy/conf.d", ".cfg") {
			more, err := haproxyFile(r, name)
			if err != nil {
				r.problem("%v", err)
			}
			sections = append(sections, more...)
		}
	}
	for _, s := range sections {
		if s.kind == "global" {
			for _, l := range s.lines {
				if l.words[0] == "log" && len(l.words) > 1 && l.words[1] == "/dev/log" {
					r.log("/var/log/haproxy.log") // where Debian's rsyslog rule puts it
				}
				r.statsSocket(l.words)
			}
		}
	}
	r.Config.match = func(q Request) *Route { return haproxyRoute(sections, q) }
	return nil
}

// socketsMax is how many stats sockets are kept: one tells everything, except where there are several processes.
const socketsMax = 4

// statsSocket keeps the path of a "stats socket" of this machine's files.
func (r *reader) statsSocket(words []string) {
	if len(words) < 3 || words[0] != "stats" || words[1] != "socket" || len(r.Config.Sockets) >= socketsMax {
		return
	}
	if path := strings.TrimPrefix(words[2], "unix@"); strings.HasPrefix(path, "/") {
		r.Config.Sockets = append(r.Config.Sockets, path)
	}
}

// haproxyFile splits a file into sections.
func haproxyFile(r *reader, file string) ([]*section, error) {
	text, err := r.read(file)
	if err != nil {
		return nil, err
	}
	var all []*section
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if len(line) > lineMax {
			return nil, fmt.Errorf("%s:%d: a line of more than %d KiB", file, n, lineMax>>10)
		}
		words := haproxyWords(line)
		if len(words) == 0 {
			continue
		}
		if err := r.words(words); err != nil {
			return nil, err
		}
		place := Place{file, n, strings.Join(words, " ")}
		if slices.Contains(haproxySections, words[0]) && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
			s := &section{kind: words[0], place: place}
			if len(words) > 1 {
				s.name = words[1]
			}
			all = append(all, s)
			continue
		}
		if len(all) > 0 {
			s := all[len(all)-1]
			s.lines = append(s.lines, haproxyLine{words, place})
		}
	}
	return all, nil
}

// haproxyWords splits a line: quotes, backslashes, and # for the rest.
func haproxyWords(line string) []string {
	var words []string
	var b strings.Builder
	in, quote := false, byte(0)
	flush := func() {
		if in {
			words = append(words, b.String())
			b.Reset()
			in = false
		}
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
				continue
			}
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote, in = c, true
		case c == '\\' && i+1 < len(line):
			i++
			in = true
			b.WriteByte(line[i])
		case c == '#':
			flush()
			return words
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			flush()
		default:
			in = true
			b.WriteByte(c)
		}
	}
	flush()
	return words
}

// haproxyRoute finds the backend that takes the request.
func haproxyRoute(sections []*section, q Request) *Route {
	for _, fit := range []int{exactly, anywhere} {
		for _, s := range sections {
			if (s.kind == "frontend" || s.kind == "listen") && haproxyListens(s, q) == fit {
				return haproxyFrontend(sections, s, q)
			}
		}
	}
	return nil
}

// haproxyFrontend finds the backend that a frontend gives the request to.
func haproxyFrontend(sections []*section, s *section, q Request) *Route {
	route := &Route{Place: s.place, Name: s.name}
	name, place := haproxyBackend(s, q, route)
	if name == "" && route.Answer == "" && s.kind == "listen" {
		haproxyServers(s, sections, route)
		return route
	}
	if route.Answer != "" || name == "" {
		return route
	}
	route.Name, route.Place = name, place
	for _, b := range sections {
		if (b.kind == "backend" || b.kind == "listen") && b.name == name {
			haproxyServers(b, sections, route)
			return route
		}
	}
	return route
}

// haproxyListens says how well the addresses that a section is bound to fit.
func haproxyListens(s *section, q Request) (fit int) {
	for _, l := range s.lines {
		if l.words[0] != "bind" || len(l.words) < 2 {
			continue
		}
		for address := range strings.SplitSeq(l.words[1], ",") {
			colon := strings.LastIndexByte(address, ':')
			low, high, ranged := strings.Cut(address[colon+1:], "-")
			if colon >= 0 && (low == q.port() || ranged && between(low, q.port(), high)) {
				host := strings.TrimPrefix(strings.TrimPrefix(address[:colon], "ipv4@"), "ipv6@")
				fit = max(fit, q.fits(host))
			}
		}
	}
	return fit
}

// between reports whether a port is in a range of ports.
func between(low, port, high string) bool {
	l, err1 := strconv.Atoi(low)
	p, err2 := strconv.Atoi(port)
	h, err3 := strconv.Atoi(high)
	return err1 == nil && err2 == nil && err3 == nil && l <= p && p <= h
}

// truth is what is known of a condition.
type truth int8

const (
	no truth = iota - 1
	maybe
	yes
)

// haproxyBackend finds the first use_backend whose condition holds, or the default one.
func haproxyBackend(s *section, q Request, route *Route) (string, Place) {
	acls := map[string]truth{}
	name, place := "", Place{}
	for _, l := range s.lines { // each is judged once, however many conditions name it
		if l.words[0] != "acl" || len(l.words) < 3 {
			continue
		}
		t, known := acls[l.words[1]]
		if !known {
			t = no
		}
		if t < yes {
			acls[l.words[1]] = max(t, haproxyACL(l.words[2:], q))
		}
	}
	for _, l := range s.lines {
		switch l.words[0] {
		case "default_backend":
			if name == "" && len(l.words) > 1 {
				name, place = l.words[1], l.place
			}
		case "http-request":
			if len(l.words) > 1 && (l.words[1] == "deny" || l.words[1] == "return" || l.words[1] == "redirect") && haproxyHolds(l.words, acls, q) == yes {
				route.Answer, route.Place = strings.Join(l.words, " "), l.place
				return "", Place{}
			}
		}
	}
	for _, l := range s.lines {
		if l.words[0] != "use_backend" || len(l.words) < 2 {
			continue
		}
		switch haproxyHolds(l.words, acls, q) {
		case yes:
			return l.words[1], l.place
		case maybe:
			route.Unsure = l.place.Text
		}
	}
	return name, place
}

// haproxyHolds judges the condition at the end of a line: "if a b || c", "unless a", or none.
func haproxyHolds(words []string, acls map[string]truth, q Request) truth {
	at := slices.IndexFunc(words, func(w string) bool { return w == "if" || w == "unless" })
	if at < 0 {
		return yes
	}
	any := no
	all := yes
	for i := at + 1; i < len(words); i++ {
		w := words[i]
		if w == "||" || w == "or" {
			any, all = max(any, all), yes
			continue
		}
		negated := false
		if rest, ok := strings.CutPrefix(w, "!"); ok {
			w, negated = rest, true
			if w == "" && i+1 < len(words) {
				i++
				w = words[i]
			}
		}
		var t truth
		if w == "{" {
			end := i + 1
			for end < len(words) && words[end] != "}" {
				end++
			}
			t = haproxyACL(words[i+1:end], q)
			i = end
		} else {
			known := false
			if t, known = acls[w]; !known {
				t = haproxyKnown(w, q)
			}
		}
		if negated {
			t = -t
		}
		all = min(all, t)
	}
	any = max(any, all)
	if words[at] == "unless" {
		return -any
	}
	return any
}

// haproxyKnown are the conditions that HAProxy has by itself.
func haproxyKnown(name string, q Request) truth {
	switch name {
	case "TRUE", "HTTP", "LOCALHOST":
		return yes
	case "FALSE":
		return no
	case "METH_GET":
		return truthOf(q.Method == "" || q.Method == "GET" || q.Method == "HEAD")
	case "METH_POST":
		return truthOf(q.Method == "POST")
	}
	return maybe
}

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// haproxyACL judges one expression: a fetch, flags, values.
func haproxyACL(words []string, q Request) truth {
	if len(words) == 0 {
		return maybe
	}
	fetch, _, _ := strings.Cut(words[0], ",")
	method := ""
	fold := strings.Contains(words[0], ",lower")
	values := []string{}
	for i := 1; i < len(words); i++ {
		switch {
		case words[i] == "-i":
			fold = true
		case words[i] == "-m" && i+1 < len(words):
			i++
			method = words[i]
		case words[i] == "-f":
			return maybe
		case words[i] == "--":
		default:
			values = append(values, words[i])
		}
	}
	var subject string
	switch name, kind := haproxyFetch(fetch); name {
	case "host":
		subject, fold = q.Host, true
		if method == "" {
			method = kind
		}
	case "path":
		subject = q.path()
		if method == "" {
			method = kind
		}
	case "tls":
		return truthOf(q.Scheme == "https")
	case "method":
		subject = q.Method
		if subject == "" {
			subject = "GET"
		}
	default:
		return maybe
	}
	for _, v := range values {
		if method == "reg" {
			if fold {
				v = "(?i)" + v
			}
			if fits, _ := q.matches(v, subject); fits {
				return yes
			}
		} else if haproxyFits(method, subject, v, fold) {
			return yes
		}
	}
	return no
}

// haproxyFetch says what a fetch is about, and how it is matched.
func haproxyFetch(fetch string) (name, kind string) {
	base, _, _ := strings.Cut(fetch, "(")
	if strings.HasSuffix(strings.ToLower(fetch), "(host)") {
		switch base {
		case "hdr", "req.hdr", "req.fhdr", "hdr_beg", "hdr_end", "hdr_dom", "hdr_sub", "hdr_reg", "hdr_str":
			return "host", strings.TrimPrefix(strings.TrimPrefix(base, "hdr"), "_")
		}
	}
	switch base {
	case "path", "path_beg", "path_end", "path_sub", "path_reg", "path_dir", "path_str":
		return "path", strings.TrimPrefix(strings.TrimPrefix(base, "path"), "_")
	case "url_beg", "url":
		return "path", strings.TrimPrefix(strings.TrimPrefix(base, "url"), "_")
	case "ssl_fc":
		return "tls", ""
	case "method":
		return "method", ""
	}
	return "", ""
}

func haproxyFits(method, subject, value string, fold bool) bool {
	if fold {
		subject, value = strings.ToLower(subject), strings.ToLower(value)
	}
	switch method {
	case "beg":
		return strings.HasPrefix(subject, value)
	case "end":
		return strings.HasSuffix(subject, value)
	case "sub":
		return strings.Contains(subject, value)
	case "dir":
		return strings.Contains(subject+"/", "/"+strings.Trim(value, "/")+"/")
	case "dom":
		return strings.Contains("."+subject+".", "."+strings.Trim(value, ".")+".")
	}
	return subject == value
}

var haproxySettings = []string{"timeout", "retries", "option", "retry-on", "http-reuse", "maxconn", "fullconn", "balance"}

// haproxyServers adds the servers of a backend, and its settings.
func haproxyServers(b *section, sections []*section, route *Route) {
	for _, s := range sections {
		if s != b && s.kind != "defaults" {
			continue
		}
		for _, l := range s.lines {
			if slices.Contains(haproxySettings, l.words[0]) {
				route.Settings = append(route.Settings, l.place)
			}
		}
	}
	for _, l := range b.lines {
		if l.words[0] != "server" || len(l.words) < 3 {
			continue
		}
		u := Upstream{Scheme: "http", Place: l.place, Backup: slices.Contains(l.words, "backup"), Down: slices.Contains(l.words, "disabled")}
		if slices.Contains(l.words, "ssl") {
			u.Scheme = "https"
			u.Insecure = haproxyOption(l.words, "verify") == "none" || haproxyOption(l.words, "ca-file") == "" && haproxyOption(l.words, "verify") == ""
			u.ServerName = haproxyOption(l.words, "verifyhost")
			if sni := haproxyOption(l.words, "sni"); u.ServerName == "" && strings.HasPrefix(sni, "str(") {
				u.ServerName = strings.TrimSuffix(strings.TrimPrefix(sni, "str("), ")")
			}
		}
		u.SendsProxy = slices.ContainsFunc(l.words[3:], func(w string) bool { return w == "send-proxy" || strings.HasPrefix(w, "send-proxy-v2") })
		switch proto := haproxyOption(l.words, "proto"); {
		case u.Scheme == "http" && proto == "h2":
			u.Scheme = "h2c"
		case proto == "fcgi":
			u.Scheme = "fastcgi"
		}
		address := l.words[2]
		if path, ok := strings.CutPrefix(strings.TrimPrefix(address, "unix@"), "/"); ok {
			u.Unix = "/" + path
		} else {
			u.Address = withPort(strings.TrimPrefix(strings.TrimPrefix(address, "ipv4@"), "ipv6@"), map[string]string{"http": "80", "https": "443"}[u.Scheme])
		}
		route.Upstreams = append(route.Upstreams, u)
	}
}

func haproxyOption(words []string, name string) string {
	if i := slices.Index(words, name); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return ""
}
