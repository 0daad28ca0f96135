package adoption

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

// nginxVariables are nginx's variables and what they are called here.
var nginxVariables = map[string]string{
	"host": "$host", "http_host": "$authority", "scheme": "$scheme", "request_uri": "$uri", "uri": "$path", "document_uri": "$path",
	"args": "$query", "query_string": "$query", "remote_addr": "$client", "server_port": "$port", "request_scheme": "$scheme",
}

var nginxVariable = regexp.MustCompile(`\$(\{[a-z_0-9]+\}|[a-z_0-9]+)`)

// variables writes a text of nginx with the variables of here. ok is false where there is no such variable.
func (n *nginx) variables(text string, s scope) (out string, ok bool) {
	text = strings.ReplaceAll(text, "$is_args$args", "\x00")
	text = strings.ReplaceAll(text, "$is_args$query_string", "\x00")
	ok = true
	out = nginxVariable.ReplaceAllStringFunc(text, func(v string) string {
		name := strings.Trim(v[1:], "{}")
		if len(name) == 1 && name[0] >= '1' && name[0] <= '9' {
			return "$" + name
		}
		if here := nginxVariables[name]; here != "" {
			return here
		}
		if name == "server_name" {
			if names := s.get("server_name"); names != nil && !strings.ContainsAny(names.Text(), "*~") && names.Text() != "_" {
				return names.Text()
			}
		}
		value, known := s.variable(name)
		if !known {
			ok = false
			return v
		}
		return value
	})
	return strings.ReplaceAll(out, "\x00", "$search"), ok
}

// answer adds the route of a "return". Who may ask does not matter to it: nginx looks at that later.
func (n *nginx) answer(v *nginxServer, l *location, b *node, s scope) {
	r := &route{}
	if l != nil {
		r.keys = l.match()
	}
	n.returns(v, r, b, s)
	if !answers(r.keys) { // another location must not take its requests
		r.refused = true
	}
	n.add(v, r)
}

func answers(keys []pair) bool {
	return slices.ContainsFunc(keys, func(k pair) bool {
		return k.key == "redirect" || k.key == "respond" || k.key == "pool" || k.key == "files"
	})
}

// returns sets what a "return" answers. Nothing is set where that cannot be said.
func (n *nginx) returns(v *nginxServer, r *route, b *node, s scope) {
	code, text := b.Text(), b.Arg(1)
	if len(b.Args) == 1 && (strings.HasPrefix(code, "http") || strings.HasPrefix(code, "$scheme")) {
		code, text = "302", code
	}
	status, err := strconv.Atoi(code)
	to, ok := n.variables(text, s)
	if headed(status) || !slices.ContainsFunc(s.all("add_header"), func(b *node) bool { return !b.Has("always") }) {
		n.responseHeaders(s, r)
	}
	switch {
	case err != nil || status < 200 || status > 599 || status == 444 || status == 499:
		n.d.note(&v.mark, b, "the connection is not closed without an answer; a location or server that does so is answered 501")
	case slices.Contains([]int{301, 302, 303, 307, 308}, status) && capturesOf(to) > groups(r.keys):
		n.d.note(&v.mark, b, "what the expression of a condition has taken, or of none")
	case slices.Contains([]int{301, 302, 303, 307, 308}, status) && ok:
		r.set("redirect", mapping([]pair{{"to", quote(absolute(to))}, {"status", code}}))
	case status >= 300 && status < 400:
		n.d.note(&v.mark, b, "a variable without a counterpart")
	case text != "" && strings.Contains(text, "$"):
		n.d.note(&v.mark, b, "a text of variables; it is answered without")
		r.set("respond", mapping([]pair{{"status", code}}))
	case text != "":
		kind := "text/plain"
		if t := s.get("default_type"); t != nil {
			kind = t.Text()
		}
		r.set("respond", mapping([]pair{{"status", code}, {"body", quote(unescaped(text))}, {"type", quote(kind)}}))
	default:
		n.withoutPage(s, code, &v.mark)
		r.set("respond", mapping([]pair{{"status", code}}))
	}
}

// headed reports whether add_header without "always" holds for a status (ngx_http_headers_module).
func headed(status int) bool {
	return slices.Contains([]int{200, 201, 204, 206, 301, 302, 303, 304, 307, 308}, status)
}

// withoutPage tells of a page for what is answered at once, which has none here.
func (n *nginx) withoutPage(s scope, code string, notes *[]Note) {
	for _, b := range s.all("error_page") {
		if slices.Contains(b.Args[:max(len(b.Args)-1, 0)], code) {
			n.d.note(notes, b, "its page of %s for what is answered at once", code)
		}
	}
}

var capture = regexp.MustCompile(`\$+[1-9]`)

// capturesOf is the highest number of what an expression has taken that a text asks for; 0 for none.
func capturesOf(text string) int {
	highest := 0
	for _, c := range capture.FindAllString(text, -1) {
		if strings.Count(c, "$")%2 == 1 {
			highest = max(highest, int(c[len(c)-1]-'0'))
		}
	}
	return highest
}

// groups is how many parts the expression of a route's path takes.
func groups(keys []pair) int {
	for _, k := range keys {
		if text, ok := strings.CutPrefix(k.value, "'~"); ok && k.key == "path" {
			if e, err := regexp.Compile(strings.ReplaceAll(strings.TrimSuffix(text, "'"), "''", "'")); err == nil {
				return e.NumSubexp()
			}
		}
	}
	return 0
}

// withoutCaptures is variables, for a text that no expression has taken parts for.
func (n *nginx) withoutCaptures(text string, s scope) (string, bool) {
	out, ok := n.variables(text, s)
	return out, ok && capturesOf(out) == 0
}

// unescaped is a text with its line breaks.
func unescaped(text string) string {
	return strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r").Replace(text)
}

// common sets what holds for a location whatever answers it.
func (n *nginx) common(v *nginxServer, l *location, r *route) {
	n.access(v, l, r)
	n.limit(l, r)
	n.responseHeaders(l.scope, r)
	n.errorPages(v, l.scope, r)
}

// responseHeaders sets add_header, expires and what is hidden.
func (n *nginx) responseHeaders(s scope, r *route) {
	var set, made []pair
	for _, name := range []string{"proxy_hide_header", "fastcgi_hide_header", "grpc_hide_header"} {
		for _, b := range s.all(name) {
			set = append(set, pair{b.Text(), ""})
		}
	}
	if e := s.get("expires"); e != nil && e.Text() != "off" {
		switch seconds, ok := topology.Duration(e.Text(), 1e9); {
		case e.Text() == "max":
			set = append(set, pair{"Cache-Control", "max-age=315360000"})
		case e.Text() == "epoch" || e.Text() == "-1":
			set = append(set, pair{"Cache-Control", "no-cache"})
		case ok && len(e.Args) == 1:
			set = append(set, pair{"Cache-Control", "max-age=" + strconv.Itoa(int(seconds.Seconds()))})
		default:
			n.d.note(&r.notes, e, "")
		}
	}
	names := map[string]bool{}
	for _, b := range s.all("add_header") {
		text, ok := n.withoutCaptures(b.Arg(1), s)
		name := strings.ToLower(b.Text())
		switch {
		case names[name]:
			n.d.note(&r.notes, b, "a second header of that name")
			continue
		case !ok:
			n.d.note(&r.notes, b, "a variable without a counterpart")
		case strings.Contains(text, "$"):
			made = append(made, pair{b.Text(), text})
		default:
			set = append(set, pair{b.Text(), text})
		}
		names[name] = true
	}
	if len(set) > 0 {
		r.set("set_response", headers(set))
	}
	if len(made) > 0 {
		r.set("make_response", headers(made))
	}
}

// errorPages sets the location's own pages.
func (n *nginx) errorPages(v *nginxServer, s scope, r *route) {
	var pages []string
	for _, b := range s.all("error_page") {
		if len(b.Args) < 2 {
			continue
		}
		uri := b.Args[len(b.Args)-1]
		codes := b.Args[:len(b.Args)-1]
		file, ok := n.fileOf(v, uri)
		if !ok || slices.ContainsFunc(codes, func(c string) bool { return strings.HasPrefix(c, "=") }) {
			n.d.note(&r.notes, b, "only files, with the status as it is")
			continue
		}
		page := []pair{{"status", "[" + strings.Join(codes, ", ") + "]"}, {"file", quote(file)}}
		for _, name := range []string{"proxy_intercept_errors", "fastcgi_intercept_errors"} {
			if on := s.get(name); on != nil && on.Text() == "on" {
				page = append(page, pair{"upstream", "true"})
				break
			}
		}
		pages = append(pages, mapping(page))
	}
	if len(pages) > 0 {
		r.set("errors", "["+strings.Join(pages, ", ")+"]")
	}
}
