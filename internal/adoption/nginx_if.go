package adoption

import (
	"regexp"
	"strings"
)

// nginx's ifs: those that answer by themselves, and those that keep people out.

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
