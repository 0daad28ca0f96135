package adoption

import (
	"slices"
	"strings"
)

// nginx's applications that speak no HTTP, and the programs among its files.

// cgi is a location whose requests go to an application that speaks no HTTP.
func (n *nginx) cgi(v *nginxServer, l *location, b *node, match, extra []pair) {
	if b.Name != "fastcgi_pass" {
		n.d.note(&v.mark, b, "%s is not spoken; it is answered 501", strings.ToUpper(strings.TrimSuffix(b.Name, "_pass")))
		n.refuses(v, match)
		return
	}
	r := &route{keys: slices.Clone(match)}
	cgi := n.fastcgi(l, b, &r.notes)
	if cgi == "" {
		v.mark = append(v.mark, r.notes...)
		n.refuses(v, match)
		return
	}
	n.common(v, l, r)
	n.bodyOf(l.scope, &r.notes)
	n.uncompressed(l.scope, &r.notes)
	r.keys = append(r.keys, extra...)
	if t := n.timeouts(l, b, &r.notes); t != "" {
		r.set("timeouts", t)
	}
	r.set("fastcgi", cgi)
	n.add(v, r)
}

// fastcgi is the application that a location passes to, empty where that cannot be said.
func (n *nginx) fastcgi(l *location, b *node, notes *[]Note) string {
	address := n.known(strings.TrimPrefix(b.Text(), "fastcgi://"), l.scope)
	if group := n.upstreams[address]; group != nil {
		address = ""
		for _, s := range group.Kids {
			switch {
			case s.Name == "server" && address == "":
				address = s.Text()
			case s.Name == "server":
				n.d.note(notes, s, "a second server of FastCGI")
			}
		}
	}
	root := l.scope.get("root")
	switch {
	case address == "" || strings.Contains(address, "$") || !strings.HasPrefix(address, "unix:/") && !strings.Contains(address, ":"):
		n.d.note(notes, b, "an address by variables, or none; it is answered 501")
		return ""
	case root == nil || strings.Contains(root.Text(), "$"):
		n.d.note(notes, b, "a root that is not known; it is answered 501")
		return ""
	}
	keys := []pair{{"address", quote(address)}, {"root", quote(n.absolute(root, root.Text()))}}
	if index := l.scope.get("fastcgi_index"); index != nil && index.Text() != "index.php" {
		keys = append(keys, pair{"index", quote(index.Text())})
	}
	var params []pair
	for _, p := range l.scope.all("fastcgi_param") {
		name, value := p.Text(), n.known(p.Arg(1), l.scope)
		switch {
		case cgiParams[name] || value == "":
		case strings.Contains(value, "$"):
			n.d.note(notes, p, "a variable without a counterpart")
		default:
			params = append(params, pair{name, value})
		}
	}
	if len(params) > 0 {
		keys = append(keys, pair{"params", headers(params)})
	}
	return mapping(keys)
}

// cgiParams are parameters that Whygate gives every application.
var cgiParams = words(`SCRIPT_FILENAME SCRIPT_NAME QUERY_STRING REQUEST_METHOD CONTENT_TYPE CONTENT_LENGTH REQUEST_URI DOCUMENT_URI DOCUMENT_ROOT SERVER_PROTOCOL REQUEST_SCHEME
	HTTPS GATEWAY_INTERFACE SERVER_SOFTWARE REMOTE_ADDR REMOTE_PORT REMOTE_USER SERVER_ADDR SERVER_PORT SERVER_NAME REDIRECT_STATUS PATH_INFO PATH_TRANSLATED HTTP_HOST HTTP_PROXY`)

// phpOf is the location of a program's path, where it is passed by FastCGI; nil if there is none.
func (n *nginx) phpOf(v *nginxServer, uri string) (*location, *node) {
	if found, known := v.programs[uri]; known {
		return found.location, found.pass
	}
	l, pass := n.programOf(v, uri)
	v.programs[uri] = program{l, pass}
	return l, pass
}

// program is a location that passes to an application, and the line that says so.
type program struct {
	location *location
	pass     *node
}

func (n *nginx) programOf(v *nginxServer, uri string) (*location, *node) {
	for _, l := range n.locations(v) {
		if l.takes(uri) {
			if pass := l.scope.own("fastcgi_pass"); len(pass) > 0 {
				return l, pass[0]
			}
			return nil, nil
		}
	}
	return nil, nil
}

// script is a "try_files" that ends with a program.
func (n *nginx) script(v *nginxServer, l *location, b *node, last string) {
	program, _, _ := strings.Cut(last, "?")
	program, behind, _ := strings.Cut(program, "$")
	php, pass := n.phpOf(v, program)
	if php == nil {
		n.d.note(&v.mark, b, "the program %s; it is answered 501", last)
		n.refuses(v, l.match())
		return
	}
	query := ""
	if _, after, found := strings.Cut(last, "?"); found {
		query = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(after, "$args"), "$query_string"), "&")
	}
	to := program
	if behind != "" && !strings.HasPrefix(behind, "is_args") {
		to += "$path"
	}
	if query != "" {
		text, ok := n.variables(query, l.scope)
		if !ok {
			n.d.note(&v.mark, b, "a variable without a counterpart")
		} else {
			to += "?" + text
		}
	}
	n.program(v, l, php, pass, []pair{{"rewrite", quote(to)}})
}

// program runs a program for what a location has no file for, with all that the program's own location asks of requests.
func (n *nginx) program(v *nginxServer, l, php *location, pass *node, extra []pair) {
	one := &location{node: php.node, scope: php.scope, kind: l.kind, path: l.path}
	if n.conditions(v, one, php.scope) || php.lost {
		n.refuses(v, l.match())
		return
	}
	n.cgi(v, one, pass, l.match(), extra)
}
