package adoption

import (
	"net/netip"
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

// ifCondition takes apart the condition of an if: variable, operator, text.
var ifCondition = regexp.MustCompile(`^\(\s*\$([a-z_0-9]+)\s*(?:(=|!=|~\*?|!~\*?)\s*(.*?))?\s*\)$`)

// conditions adds routes for the ifs of a block that answer by themselves. Others are noted.
// lost says that who may ask cannot be said.
func (n *nginx) conditions(v *nginxServer, l *location, s scope) (lost bool) {
	for _, b := range s.own("if") {
		var answer *node
		for _, k := range b.Kids {
			if answer == nil {
				answer = answerOf(k)
			}
		}
		var match []pair
		if l != nil {
			match = l.match()
		}
		found := ifCondition.FindStringSubmatch(strings.Join(b.Args, " "))
		why := ""
		var alternatives condition
		switch {
		case answer == nil || len(b.Kids) > 1 || found == nil:
			why = "a condition without a counterpart"
		case strings.HasPrefix(found[2], "~") && capturesOf(answer.Text()+" "+answer.Arg(1)) > 0:
			why = "what the expression of a condition has taken"
		default:
			asked, ok := nginxCondition(found[1], found[2], strings.Trim(found[3], `"'`))
			if ok {
				alternatives, ok = both(condition{match}, asked)
			}
			if !ok {
				why = "a condition without a counterpart"
			}
		}
		if why != "" {
			if keepsOut(b, found) {
				why, lost = why+"; what stands below it is answered 501", true
			}
			n.d.note(&v.mark, b, "%s", why)
			continue
		}
		for _, keys := range alternatives {
			r := &route{keys: keys}
			n.returns(v, r, answer, s)
			r.refused = !answers(r.keys)
			n.add(v, r)
		}
	}
	return lost
}

// answerOf is the "return" that a line in an if is, or does the same as: a "rewrite" of every path that sends the client elsewhere. It is nil for
// any other line.
func answerOf(k *node) *node {
	if k.Name == "return" {
		return k
	}
	to, status := k.Arg(1), map[bool]string{true: "301", false: "302"}[k.Arg(2) == "permanent"]
	if k.Name != "rewrite" || !redirects(to, k.Arg(2)) {
		return nil
	}
	switch k.Text() {
	case "^", ".*", "^.*", "^.*$", ".", "^/", "^/.*", "^/.*$":
	case "(.*)", "^(.*)", "^(.*)$", "^(/.*)$":
		to = strings.ReplaceAll(to, "$1", "$uri")
	case "^/(.*)", "^/(.*)$":
		to = strings.ReplaceAll(to, "/$1", "$uri")
	default:
		return nil
	}
	switch bare, ends := strings.CutSuffix(to, "?"); {
	case ends:
		to = bare
	case strings.Contains(to, "?"): // the client's query goes behind this one
		return nil
	default:
		to += "$is_args$args"
	}
	if capturesOf(to) > 0 {
		return nil
	}
	return &node{Name: "return", Args: []string{status, to}, Place: k.Place}
}

// plainVariables are variables that say where a request leads, and not who asks: a redirect by them keeps nobody out.
var plainVariables = words(`scheme host http_host server_port server_name request_uri uri document_uri args query_string is_args https request_scheme ssl_protocol http2 http3 server_protocol`)

// keepsOut reports whether an if keeps clients out: by an error, the end of the connection, or an answer that another client would not get.
// What looks at files is a switch of the operator's, as for maintenance, unless it forbids.
func keepsOut(b *node, found []string) bool {
	for _, k := range b.Kids {
		switch {
		case k.Name == "include": // unread
			return true
		case k.Name == "rewrite": // to where it is asked for a password, or forbidden, perhaps
			if found != nil && !plainVariables[found[1]] {
				return true
			}
		case k.Name == "proxy_pass": // who is not let in may be passed elsewhere; what a client says of itself lets nobody in
			if found != nil && !plainVariables[found[1]] && !clientSays(found[1]) {
				return true
			}
		case k.Name != "return":
		case strings.HasPrefix(k.Text(), "4"):
			return true
		case found == nil:
			return strings.HasPrefix(k.Text(), "5") && !strings.HasPrefix(strings.TrimLeft(strings.Join(b.Args, " "), "( !"), "-")
		default:
			return strings.HasPrefix(k.Text(), "5") || !plainVariables[found[1]]
		}
	}
	return false
}

// clientSays reports whether a variable is what a client sends: a choice by it keeps out nobody who knows what to send.
func clientSays(name string) bool {
	return strings.HasPrefix(name, "http_") || strings.HasPrefix(name, "arg_") || strings.HasPrefix(name, "cookie_") || name == "request_method" || name == "content_type"
}

var methodsOnly = regexp.MustCompile(`^\^?\(?([A-Z]+(?:\|[A-Z]+)*)\)?\$?$`)

// nginxCondition is what a route must match for a condition to hold: alternatives.
func nginxCondition(variable, operator, text string) (out condition, ok bool) {
	expression := ""
	switch operator {
	case "":
		expression = ".*[^0].*|^..+"
	case "=":
		expression = "^" + regexp.QuoteMeta(text) + "$"
	case "~":
		expression = text
	case "~*":
		expression = "(?i)" + text
	default:
		return nil, false
	}
	if !compiles(expression) {
		return nil, false
	}
	exact := operator == "="
	one := func(key, value string) (condition, bool) { return condition{{{key, value}}}, true }
	// A value to the letter, for a header or a parameter.
	plain := func(key, name string) (condition, bool) {
		if !exact || text == "" {
			if exact {
				return one(key, mapping([]pair{{quote(name), quote("")}}))
			}
			return like(key, name, expression), true
		}
		return one(key, mapping([]pair{{quote(name), quote(literally(text))}}))
	}
	switch {
	case variable == "scheme" && exact:
		return condition{{{"scheme", quote(text)}}}, text == "http" || text == "https"
	case variable == "request_method" && exact:
		return one("method", list([]string{text}))
	case variable == "request_method" && strings.HasPrefix(operator, "~"):
		methods := methodsOnly.FindStringSubmatch(text)
		if methods == nil {
			return nil, false
		}
		return one("method", list(strings.Split(methods[1], "|")))
	case variable == "host" && exact:
		return condition{{{"header", "{Host: " + quote("~(?i)^"+regexp.QuoteMeta(text)+"(:[0-9]+)?$") + "}"}}}, text != ""
	case variable == "host" && operator != "":
		value, fits := hostWithPort(text)
		return condition{{{"header", "{Host: " + quote(value) + "}"}}}, fits
	case variable == "http_host":
		return plain("header", "Host")
	case strings.HasPrefix(variable, "http_"):
		return plain("header", strings.ReplaceAll(strings.TrimPrefix(variable, "http_"), "_", "-"))
	case strings.HasPrefix(variable, "arg_"):
		return plain("query", strings.TrimPrefix(variable, "arg_"))
	}
	return nil, false
}

// literally is a text as the value of a header or of the query: some texts would be expressions, or stand for any.
func literally(text string) string {
	if text == "*" || text == "" || strings.HasPrefix(text, "~") {
		return "~^" + regexp.QuoteMeta(text) + "$"
	}
	return text
}

// hostWithPort makes an expression for a host, which nginx has in lower case and without a port, one for the Host header.
func hostWithPort(expression string) (string, bool) {
	head, ended := strings.CutSuffix(expression, "$")
	if strings.HasSuffix(head, `\`) || strings.Contains(head, "$") || strings.ContainsAny(head, "|") && !strings.HasSuffix(head, ")") && ended {
		return "", false
	}
	if ended {
		return "~(?i)" + head + "(:[0-9]+)?$", compiles(head)
	}
	return "~(?i)" + expression, compiles(expression)
}

// common sets what holds for a location whatever answers it.
func (n *nginx) common(v *nginxServer, l *location, r *route) {
	n.access(v, l, r)
	n.limit(l, r)
	n.responseHeaders(l.scope, r)
	n.errorPages(v, l.scope, r)
}

// access sets who may ask.
func (n *nginx) access(v *nginxServer, l *location, r *route) {
	var rules []*node
	for i := len(l.scope) - 1; i >= 0 && len(rules) == 0; i-- {
		for _, b := range l.scope[i] {
			if b.Name == "allow" || b.Name == "deny" {
				rules = append(rules, b)
			}
		}
	}
	r.refused = r.refused || n.accessLost(l.scope, len(rules) > 0)
	n.addresses(rules, r)
	realm, users := l.scope.get("auth_basic"), l.scope.get("auth_basic_user_file")
	if realm == nil || realm.Text() == "off" {
		return
	}
	if users == nil || strings.Contains(users.Text()+realm.Text(), "$") {
		n.d.note(&r.notes, realm, "without a file of users whose name is known; it is answered 501")
		r.refused = true
		return
	}
	r.set("auth", mapping([]pair{{"users", quote(n.absolute(users, users.Text()))}, {"realm", quote(realm.Text())}}))
}

// guards are directives that say who may ask, and have no counterpart. What they guard is answered 501, so that nobody gets in who did not.
var guards = words(`auth_request auth_jwt auth_oidc auth_ldap auth_pam auth_digest auth_gss access_by_lua access_by_lua_block access_by_lua_file js_access secure_link secure_link_secret
	secure_link_md5 limit_except satisfy auth_delay modsecurity SecRulesEnabled testcookie app_protect_enable js_access`)

// isGuard reports whether a directive is one of them, or of a module whose names say so.
func isGuard(name string) bool {
	switch {
	case guards[name]:
		return true
	case name == "auth_basic" || name == "auth_basic_user_file" || strings.HasPrefix(name, "auth_http"): // the latter are of mail
		return false
	}
	for g := range guards {
		if strings.HasPrefix(name, g+"_") { // it says how that one works
			return false
		}
	}
	return strings.HasPrefix(name, "auth_") || strings.HasPrefix(name, "access_by_") || strings.HasPrefix(name, "rewrite_by_lua") || strings.HasPrefix(name, "server_rewrite_by_lua")
}

// unguarded are those of them that ask for nothing.
func unguarded(b *node) bool {
	return b.Text() == "off" || b.Name == "satisfy" && b.Text() != "any" || b.Name == "auth_delay"
}

// accessLost reports whether a location is guarded by what has no counterpart.
func (n *nginx) accessLost(s scope, addresses bool) bool {
	names := map[string]bool{}
	for _, level := range s {
		for _, b := range level {
			if isGuard(b.Name) {
				names[b.Name] = true
			}
		}
	}
	for name := range names {
		b := s.get(name)
		if name == "limit_except" { // it stands in a location, and is not inherited
			b = nil
			if own := s.own(name); len(own) > 0 {
				b = own[0]
			}
		}
		if b == nil || unguarded(b) {
			continue
		}
		if realm := s.get("auth_basic"); b.Name == "satisfy" && (!addresses || realm == nil || realm.Text() == "off") {
			continue // there is one way in alone
		}
		return true
	}
	return false
}

// addresses sets allow and deny. nginx takes the first line that has an address; here the smallest network decides, so a line that
// stands behind a larger network has no effect, there and here.
func (n *nginx) addresses(rules []*node, r *route) {
	lists := map[string][]string{}
	var before []netip.Prefix
	all := ""
	for _, b := range rules {
		if b.Text() == "all" {
			all = b.Name
			break
		}
		p, ok := network(b.Text())
		if !ok {
			n.d.note(&r.notes, b, "")
			continue
		}
		if slices.ContainsFunc(before, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) }) {
			continue
		}
		before = append(before, p)
		lists[b.Name] = append(lists[b.Name], p.String())
	}
	everybody := []string{"0.0.0.0/0", "::/0"}
	switch {
	case all == "deny" && len(lists["allow"]) == 0:
		lists["deny"] = everybody
	case all != "deny" && len(lists["allow"]) > 0 && len(lists["deny"]) > 0:
		lists["allow"] = append(lists["allow"], everybody...)
	case all != "deny":
		delete(lists, "allow")
	}
	for _, name := range []string{"allow", "deny"} {
		if len(lists[name]) > 0 {
			r.set(name, list(lists[name]))
		}
	}
}

// limit sets how often the location may be asked.
func (n *nginx) limit(l *location, r *route) {
	for i, b := range l.scope.all("limit_req") {
		var zone *node
		for _, a := range b.Args {
			if name, ok := strings.CutPrefix(a, "zone="); ok {
				zone = n.zones[name]
			}
			if strings.HasPrefix(a, "burst=") {
				n.d.note(&r.notes, b, "as many as in a whole second or minute may come at once here, and none is delayed")
			}
		}
		per := map[string]string{"$binary_remote_addr": "client", "$remote_addr": "client", "$server_name": "route"}[zone.Text()]
		rate := ""
		if zone != nil {
			for _, a := range zone.Args {
				if text, ok := strings.CutPrefix(a, "rate="); ok {
					rate = strings.TrimPrefix(strings.Replace(text, "r/", "/", 1), "=")
				}
			}
		}
		if per == "" || rate == "" || i > 0 {
			n.d.note(&r.notes, b, "a second limit, or a key without a counterpart")
			continue
		}
		r.set("rate", mapping([]pair{{"per", per}, {"limit", quote(rate)}}))
	}
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
