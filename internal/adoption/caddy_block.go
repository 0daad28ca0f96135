package adoption

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Caddy's directives, in the order in which it runs them: what they set for those after, and whom they keep out.

// caddyGuards are directives that say who may ask, those of plug-ins among them.
var caddyGuards = words(`basic_auth basicauth forward_auth authenticate authorize jwtauth jwt crowdsec appsec coraza_waf waf ipfilter geofence import invoke`)

// caddyOrder is the order in which Caddy runs directives, whatever theirs is in the file.
var caddyOrder = strings.Fields(`tracing map vars fs root log_append log_skip log_name header copy_response_headers request_body redir method rewrite uri try_files basic_auth basicauth forward_auth
	request_header encode push intercept templates invoke handle handle_path route abort error copy_response respond metrics reverse_proxy php_fastcgi file_server acme_server`)

// around is what directives before have set for those after.
type around struct {
	match   []pair
	out     []pair // headers of the answer
	in      []pair // headers of the request
	root    string
	strip   string
	rewrite string
	try     *node
	encode  *node // the line that has answers compressed

	rewritten *node           // the line that changed the path
	touched   map[string]bool // headers of requests that lines have changed, in lower case, "" for any; "/method" for the method
	refused   bool            // who may ask cannot be said
}

// block translates the directives of a block, in Caddy's order, or in the file's where that is asked for by "route". What they set is in c after it.
func (s *caddySite) block(kids []*node, c *around, asWritten bool) {
	kids = slices.Clone(kids)
	if !asWritten {
		slices.SortStableFunc(kids, func(a, b *node) int {
			if o := cmp.Compare(orderOf(a), orderOf(b)); o != 0 {
				return o
			}
			return s.width(b) - s.width(a)
		})
	}
	for _, k := range kids {
		s.directive(k, c)
	}
}

// last is the last word, or line; the zero value if there is none.
func last[T any](all []T) (none T) {
	if len(all) == 0 {
		return none
	}
	return all[len(all)-1]
}

func orderOf(k *node) int {
	i := slices.Index(caddyOrder, k.Name)
	if i < 0 {
		return -1
	}
	if k.Name == "handle_path" || k.Name == "route" {
		i = slices.Index(caddyOrder, "handle")
	}
	return i
}

// width is how narrow a directive's path is: Caddy takes the longest first, and one without a matcher last.
func (s *caddySite) width(k *node) int {
	m := k.Text()
	if strings.HasPrefix(m, "/") {
		return 1000 + len(strings.TrimSuffix(m, "*"))
	}
	if d := s.matchers[m]; d != nil {
		longest := 1
		for _, p := range append(slices.Collect(d.All("path")), d) {
			if (p != d || d.Text() == "path") && len(p.Args) == map[bool]int{true: 2, false: 1}[p == d] {
				longest = max(longest, 1000+len(strings.TrimSuffix(p.Args[len(p.Args)-1], "*")))
			}
		}
		return longest
	}
	return 0
}

// directive translates one directive.
func (s *caddySite) directive(k *node, c *around) {
	args := slices.Clone(k.Args)
	var alternatives [][]pair = [][]pair{nil}
	if len(args) > 0 && (strings.HasPrefix(args[0], "/") && k.Name != "rewrite" && k.Name != "root" || strings.HasPrefix(args[0], "@") || args[0] == "*") && (k.Name != "redir" || len(args) > 1) && (k.Name != "try_files") {
		var ok bool
		alternatives, ok = s.matcher(args[0])
		changed := c.changes(alternatives) || c.try != nil && turnsAway(k) && slices.ContainsFunc(alternatives, func(keys []pair) bool {
			return slices.ContainsFunc(keys, func(k pair) bool { return k.key == "path" })
		})
		if !ok || changed {
			s.unmatched(k, changed, c)
			return
		}
		args = args[1:]
	}
	if caddyGuards[k.Name] {
		s.guard(k, alternatives, c)
		return
	}
	unmatched := len(alternatives) == 1 && alternatives[0] == nil
	switch k.Name {
	case "handle", "handle_path", "route":
		for _, keys := range alternatives {
			if match, ok := merge(c.match, keys); ok {
				inner := *c
				inner.match = match
				if k.Name == "handle_path" {
					inner.strip = strings.TrimSuffix(strings.TrimSuffix(k.Text(), "*"), "/")
				}
				s.block(k.Kids, &inner, k.Name == "route")
				if k.Name != "route" {
					s.add(&route{keys: append(slices.Clone(match), pair{"respond", "{status: 200}"})})
				} else {
					s.after(k, c, inner)
				}
			} else {
				s.pathInPath(k, c)
			}
		}
	case "redir", "respond", "reverse_proxy", "file_server", "php_fastcgi", "error", "abort":
		for _, keys := range alternatives {
			match, ok := merge(c.match, keys)
			if !ok {
				s.pathInPath(k, c)
				continue
			}
			s.answer(k, args, match, c)
		}
	default:
		if !unmatched && !strings.HasPrefix(k.Name, "@") && k.Name != "tls" && k.Name != "log" {
			s.sometimes(k, alternatives, c)
			return
		}
		s.setting(k, args, c)
	}
}

// sometimes tells of a directive that changes some requests alone. Those whose path it changes are answered 501: they are not those that what
// comes after it looks at.
func (s *caddySite) sometimes(k *node, alternatives [][]pair, c *around) {
	why := "only for some requests"
	switch k.Name {
	case "rewrite", "uri", "try_files", "method":
		why += "; they are answered 501"
		s.close(alternatives, c)
	case "request_header":
		c.touchBy(k)
	}
	s.d.note(&s.mark, k, "%s", why)
}

// close refuses the requests that fit one of the alternatives, or all that come after where they cannot be told from the others.
func (s *caddySite) close(alternatives [][]pair, c *around) {
	for _, keys := range alternatives {
		match, ok := merge(c.match, keys)
		if !ok || len(keys) == 0 {
			c.refused = true
			continue
		}
		s.add(&route{keys: match, refused: true})
	}
}

// after has what a "route" has set hold for what comes after it. Where the route is for some requests alone, and it guards them, or changes
// their paths, they are answered 501.
func (s *caddySite) after(k *node, c *around, inner around) {
	if slices.Equal(inner.match, c.match) {
		*c = inner
		return
	}
	if inner.refused && !c.refused || inner.rewritten != c.rewritten || inner.try != c.try || inner.touched["/method"] != c.touched["/method"] {
		s.add(&route{keys: inner.match, refused: true})
	}
	for name := range inner.touched {
		c.touch(name)
	}
	if !slices.Equal(inner.in, c.in) || !slices.Equal(inner.out, c.out) || inner.root != c.root || inner.encode != c.encode || inner.rewritten != c.rewritten || inner.try != c.try {
		s.d.note(&s.mark, k, "what it sets for some requests, and does not answer by itself")
	}
}

// unmatched tells of a directive that is left out, since its matcher has no counterpart, or looks at what another directive has changed. What
// would have turned clients away, or sent them elsewhere for who they are, has the rest answered 501.
func (s *caddySite) unmatched(k *node, changed bool, c *around) {
	if strings.HasPrefix(k.Name, "@") {
		return
	}
	why := "its matcher"
	if changed {
		why = "its matcher looks at what was changed"
	}
	who, negated := looksAtWho(s.matchers[k.Text()])
	switch {
	case turnsAway(k), who && answersCaddy[k.Name] && (negated || sendsAway(k)):
		c.refused = true
		why += "; what comes after it is answered 501"
	case k.Name == "request_header":
		c.touchBy(k)
	case k.Name == "rewrite" || k.Name == "uri" || k.Name == "try_files":
		c.rewritten = k
	case k.Name == "method":
		c.touch("/method")
	}
	s.d.note(&s.mark, k, "%s", why)
}

// answersCaddy are directives after which nothing else answers what fits their matcher.
var answersCaddy = words(`redir reverse_proxy file_server php_fastcgi handle handle_path route`)

// sendsAway reports whether a directive sends clients elsewhere, by itself or by what stands in it.
func sendsAway(k *node) bool { return k.Name == "redir" || slices.ContainsFunc(k.Kids, sendsAway) }

// turnsAway reports whether a directive may turn clients away, by itself or by what stands in it.
func turnsAway(k *node) bool {
	switch {
	case caddyGuards[k.Name], k.Name == "respond", k.Name == "error", k.Name == "abort":
		return true
	case k.Name == "handle", k.Name == "handle_path", k.Name == "route":
		return slices.ContainsFunc(k.Kids, turnsAway)
	}
	return false
}

// pathInPath tells of a directive that is left out, since it looks at a path within another one. What would have turned clients away has the
// rest answered 501.
func (s *caddySite) pathInPath(k *node, c *around) {
	why := "a path within a path"
	if turnsAway(k) {
		c.refused = true
		why += "; what comes after it is answered 501"
	}
	s.d.note(&s.mark, k, "%s", why)
}

// guard refuses what a directive guards.
func (s *caddySite) guard(k *node, alternatives [][]pair, c *around) {
	if k.Name != "import" { // it is told of
		s.d.note(&s.mark, k, "what it guards is answered 501")
	}
	s.close(alternatives, c)
}

// setting takes a directive that holds for those after it.
func (s *caddySite) setting(k *node, args []string, c *around) {
	if (k.Name == "root" || k.Name == "rewrite") && len(args) > 1 { // the first is a path, whose matcher directive leaves to this
		alternatives, ok := s.matcher(args[0])
		if !ok || c.changes(alternatives) {
			s.unmatched(k, ok, c)
			return
		}
		s.sometimes(k, alternatives, c)
		return
	}
	switch k.Name {
	case "root":
		c.root = last(args)
	case "header":
		s.header(k, args, c)
	case "request_header":
		c.in = s.edit(k, args, c.in)
		c.touchBy(k)
	case "method":
		c.touch("/method")
		s.d.note(&s.mark, k, "")
	case "encode":
		for _, o := range k.Kids {
			if o.Name == "match" {
				s.d.note(&s.mark, o, "")
			}
		}
		c.encode = k
	case "uri":
		if len(args) == 2 && args[0] == "strip_prefix" {
			c.strip, c.rewritten = strings.TrimSuffix(args[1], "/"), k
			return
		}
		c.rewritten = k
		s.d.note(&s.mark, k, "")
	case "rewrite":
		to, ok := caddyText(last(args))
		if !ok || !strings.HasPrefix(to, "/") {
			c.rewritten = k
			s.d.note(&s.mark, k, "")
			return
		}
		c.rewrite, c.rewritten = to, k
	case "bind": // where it listens
	case "try_files":
		c.try = k
	case "tls", "log", "log_skip", "skip_log", "log_name", "log_append", "tracing":
		s.d.needless[k.Name] = true
	default:
		if !strings.HasPrefix(k.Name, "@") {
			s.d.note(&s.mark, k, "")
		}
	}
}

// header sets headers of the answer.
func (s *caddySite) header(k *node, args []string, c *around) {
	if len(args) > 0 {
		c.out = s.edit(k, args, c.out)
		return
	}
	for _, one := range k.Kids {
		if one.Name == "defer" || one.Name == "match" {
			s.d.note(&s.mark, one, "")
			continue
		}
		c.out = s.edit(one, append([]string{one.Name}, one.Args...), c.out)
	}
}

// edit is one change of headers: NAME VALUE, -NAME, +NAME VALUE, ?NAME VALUE.
func (s *caddySite) edit(k *node, args []string, list []pair) []pair {
	if len(args) == 0 {
		s.d.note(&s.mark, k, "")
		return list
	}
	name := headerName(args[0])
	switch {
	case strings.HasPrefix(name, "-") && len(args) == 1 && !strings.Contains(name, "*"):
		return append(slices.Clone(list), pair{name[1:], ""})
	case len(args) == 2 && !strings.ContainsAny(args[1], "{}") && !strings.HasPrefix(name, "?"):
		return append(slices.Clone(list), pair{strings.TrimPrefix(strings.TrimPrefix(name, "+"), ">"), args[1]})
	}
	s.d.note(&s.mark, k, "")
	return list
}

var caddyPlaceholder = regexp.MustCompile(`\{[^}]*\}`)

// caddyText writes a text with placeholders with the variables of here.
func caddyText(text string) (string, bool) {
	names := map[string]string{
		"{host}": "$host", "{http.request.host}": "$host", "{uri}": "$uri", "{http.request.uri}": "$uri", "{path}": "$path", "{http.request.uri.path}": "$path",
		"{scheme}": "$scheme", "{http.request.scheme}": "$scheme", "{hostport}": "$authority", "{query}": "$query", "{remote_host}": "$client", "{port}": "$port",
		"{http.request.remote.host}": "$client", "{client_ip}": "$client", "{http.request.hostport}": "$authority", "{http.request.uri.query}": "$query",
	}
	ok := true
	out := caddyPlaceholder.ReplaceAllStringFunc(strings.ReplaceAll(text, "$", "$$"), func(p string) string {
		if names[p] == "" {
			ok = false
		}
		return names[p]
	})
	return out, ok
}
