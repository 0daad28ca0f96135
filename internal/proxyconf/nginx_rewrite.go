package proxyconf

import (
	"strings"
)

// rewrite is one rewrite that fits.
type rewrite struct {
	at   *directive
	away bool // it answers with a redirect
}

// rewritten goes through the rewrites of a block, and reports whether a location is to be looked for anew.
func (r *nginxRouter) rewritten(block []*directive) (last *rewrite, again bool) {
	for _, d := range block {
		if d.name() == "return" {
			return last, again // target sees it
		}
		if d.name() != "rewrite" {
			continue
		}
		fits, known := r.q.matches(d.arg(1), r.path)
		if !known {
			r.unsure = d.text()
		}
		if !fits {
			continue
		}
		to := d.arg(2)
		flag := d.arg(3)
		last = &rewrite{at: d, away: flag == "redirect" || flag == "permanent" || strings.HasPrefix(to, "http://") || strings.HasPrefix(to, "https://") || strings.HasPrefix(to, "$scheme")}
		if last.away {
			return last, false
		}
		to, _, _ = strings.Cut(to, "?")
		to = nginxReplaced(to, r.values())
		if strings.Contains(to, "$") {
			r.unsure = d.text() // what a group of the expression caught
			to, _, _ = strings.Cut(to, "$")
		}
		again = r.path != to
		r.path = to
		switch flag {
		case "break":
			return last, false
		case "last":
			return last, again
		}
	}
	return last, again
}

// tried follows a try_files to its last argument, where that is a path: no file is looked for.
func (r *nginxRouter) tried(at *directive) bool {
	for _, d := range at.block {
		if nginxPasses[d.name()] != "" || d.name() == "proxy_pass" || d.name() == "return" {
			return false
		}
	}
	for _, d := range at.block {
		if d.name() != "try_files" {
			continue
		}
		to, _, _ := strings.Cut(d.words[len(d.words)-1], "?")
		if !strings.HasPrefix(to, "/") || to == r.path || strings.Contains(to, "$") {
			return false
		}
		if r.unsure == "" {
			r.unsure = d.text()
		}
		r.path = to
		return true
	}
	return false
}

// values are the variables that the request itself gives.
func (r *nginxRouter) values() map[string]string {
	_, query, has := strings.Cut(r.q.Path, "?")
	values := map[string]string{
		"request_uri": r.q.Path, "uri": r.path, "document_uri": r.path, "args": query, "query_string": query, "is_args": "", "host": r.q.Host, "http_host": r.q.Host, "scheme": r.q.Scheme, "server_port": r.q.port(),
	}
	if has {
		values["is_args"] = "?"
	}
	return values
}

// nginxRouter finds where one server sends one request.
type nginxRouter struct {
	http   []*directive
	server *directive
	q      Request
	path   string // as rewrites left it, without the query
	unsure string // what could not be judged
}

// nginxRounds is how often variables within the values of variables are replaced.
const nginxRounds = 5

// nginxVariables replaces variables that the request gives, and those that set gave a constant: the one set last, as nginx goes
// through the blocks. It changes values.
func nginxVariables(path scope, text string, values map[string]string) string {
	if !strings.Contains(text, "$") {
		return text
	}
	for _, block := range path {
		for _, d := range block {
			if d.name() == "set" && len(d.words) == 3 {
				values[strings.TrimPrefix(d.words[1], "$")] = d.words[2]
			}
		}
	}
	for range nginxRounds {
		before := text
		if text = nginxReplaced(text, values); text == before {
			break
		}
	}
	return text
}

// nginxReplaced replaces each variable of a text once, up to textMax octets.
func nginxReplaced(text string, values map[string]string) string {
	var out strings.Builder
	for text != "" && out.Len() <= textMax {
		before, after, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			break
		}
		name, rest, braced := "", after, strings.HasPrefix(after, "{")
		if inside, behind, closed := strings.Cut(strings.TrimPrefix(after, "{"), "}"); braced && closed {
			name, rest = inside, behind
		} else if !braced {
			n := strings.IndexFunc(after, func(c rune) bool {
				return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
			})
			if n < 0 {
				n = len(after)
			}
			name, rest = after[:n], after[n:]
		}
		value, known := values[name]
		if !known {
			value = "$" + after[:len(after)-len(rest)]
		}
		out.WriteString(value)
		text = rest
	}
	s := out.String()
	return s[:min(len(s), textMax)]
}
