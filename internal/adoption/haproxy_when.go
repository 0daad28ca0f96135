package adoption

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// acl keeps what a name stands for. Several lines of a name are alternatives.
func (f *haproxyFront) acl(k *node) {
	name := k.Text()
	if !plainFetch(k.Arg(1)) {
		f.who = append(f.who, name)
	}
	c, ok := haproxyTest(k.Args[min(1, len(k.Args)):])
	if !ok {
		f.broken[name] = true
		f.d.note(&f.mark, k, "a test without a counterpart")
		return
	}
	f.acls[name] = append(f.acls[name], c...)
}

// haproxyTest reads a test as routes match: fetch, flags, values.
func haproxyTest(args []string) (condition, bool) {
	if len(args) == 0 {
		return nil, false
	}
	fetch, rest := args[0], args[1:]
	fold, method := "", ""
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") && len(rest[0]) > 1 {
		switch rest[0] {
		case "-i":
			fold = "(?i)"
		case "-m":
			if len(rest) > 1 {
				method, rest = rest[1], rest[1:]
			}
		case "--":
			rest = rest[1:]
			goto values
		default:
			return nil, false
		}
		rest = rest[1:]
	}
values:
	for _, m := range []string{"beg", "end", "dom", "dir", "sub", "reg", "str", "len"} {
		if base, ok := strings.CutSuffix(strings.Split(fetch, "(")[0], "_"+m); ok && method == "" {
			method = m
			fetch = base + strings.TrimPrefix(fetch, base+"_"+m)
		}
	}
	return tests(fetch, method, fold, rest)
}

// expressionFor is a regular expression for a way to compare; ok is false for one without.
func expressionFor(method, fold, value string) (string, bool) {
	text := regexp.QuoteMeta(value)
	switch method {
	case "", "str":
		text = "^" + text + "$"
	case "beg":
		text = "^" + text
	case "end":
		text += "$"
	case "sub":
	case "dir":
		text = "(^|/)" + strings.Trim(text, "/") + "(/|$)"
	case "dom":
		text = `(^|\.)` + text + `(\.|:|$)`
	case "reg":
		text = value
	case "found":
		return "*", true
	default:
		return "", false
	}
	if !compiles(fold + text) {
		return "", false
	}
	return "~" + fold + text, true
}

var fetchArgument = regexp.MustCompile(`^([a-z_.]+)(?:\(([^,)]*)[^)]*\))?((?:,[a-z_0-9(),:-]+)*)$`)

// tests are the alternatives of a test, one for each value.
func tests(fetch, method, fold string, values []string) (condition, bool) {
	parts := fetchArgument.FindStringSubmatch(fetch)
	if parts == nil {
		return nil, false
	}
	name, argument := parts[1], parts[2]
	if parts[3] != "" {
		switch parts[3] {
		case ",lower":
			fold = "(?i)"
		case ",field(1,:)", ",host_only", ",lower,host_only", ",host_only,lower":
		default:
			return nil, false
		}
	}
	if name == "ssl_fc" && len(values) == 0 {
		return condition{{{"scheme", "https"}}}, true
	}
	if name == "hdr_cnt" || name == "req.hdr_cnt" {
		return counted(argument, method, values)
	}
	if method == "found" { // without values a test of a text never holds
		values = []string{"*"}
	}
	var out condition
	for _, v := range values {
		key, ok := test(name, argument, method, fold, v)
		if !ok {
			return nil, false
		}
		out = append(out, []pair{key})
	}
	return out, len(out) > 0
}

// counted are tests of how many values a header has: none, or some.
func counted(header, method string, values []string) (condition, bool) {
	value := map[string]string{"0": "", "eq 0": "", "lt 1": "", "le 0": "", "gt 0": "*", "ge 1": "*"}
	how, known := value[strings.Join(values, " ")]
	return condition{{{"header", mapping([]pair{{quote(header), quote(how)}})}}}, known && method == "" && header != "" && !strings.EqualFold(header, "host")
}

// test is one test of one value.
func test(name, argument, method, fold, v string) (pair, bool) {
	expression, ok := expressionFor(method, fold, v)
	if !ok {
		return pair{}, false
	}
	exact := method == "" || method == "str"
	switch name {
	case "path", "url", "capture.req.uri":
		if name != "path" && (method != "beg" || strings.Contains(v, "?") || fold != "") {
			return pair{}, false // the query is of it too
		}
		if exact && fold == "" && plainPath(v) && v != "" {
			return pair{"path", quote(v)}, true
		}
		if method == "beg" && fold == "" && strings.HasSuffix(v, "/") && plainPath(v) {
			return pair{"path", quote(v + "*")}, true
		}
		return pair{"path", quote(expression)}, true
	case "hdr", "req.hdr", "req.fhdr", "req.hdr_dom":
		if strings.EqualFold(argument, "host") {
			if exact && poolHost.MatchString(v) {
				return pair{"host", quote(strings.ToLower(v))}, true
			}
			if method == "end" && strings.HasPrefix(v, ".") && poolHost.MatchString(v[1:]) {
				return pair{"host", quote("*" + strings.ToLower(v))}, true
			}
			if exact {
				expression = "~(?i)^" + regexp.QuoteMeta(v) + "(:[0-9]+)?$"
			}
		} else if text, regex := strings.CutPrefix(expression, "~"); regex && name != "req.fhdr" { // its values stand between commas
			listed, ok := inList(text)
			if !ok || !compiles(listed) {
				return pair{}, false
			}
			expression = "~" + listed
		}
		return pair{"header", mapping([]pair{{quote(argument), quote(expression)}})}, argument != ""
	case "req.cook", "cook":
		if !exact {
			return pair{}, false
		}
		return pair{"header", mapping([]pair{{"Cookie", quote("~(^|; ?)" + regexp.QuoteMeta(argument) + "=" + regexp.QuoteMeta(v) + "(;|$)")}})}, argument != ""
	case "method":
		return pair{"method", list([]string{strings.ToUpper(v)})}, exact && v != "CONNECT" && v != "TRACE"
	case "url_param", "urlp":
		return pair{"query", mapping([]pair{{quote(argument), quote(expression)}})}, argument != ""
	case "src":
		p, ok := network(v)
		return pair{"src", p.String()}, ok
	case "dst_port":
		_, err := strconv.Atoi(v)
		return pair{"port", "[" + v + "]"}, err == nil
	}
	return pair{}, false
}

// when reads "if a b || !c": alternatives, each the keys of a route. ok is false where one of them cannot be said.
func (f *haproxyFront) when(args []string) (alternatives [][]pair, ok bool) {
	if len(args) == 0 {
		return [][]pair{nil}, true
	}
	if args[0] != "if" && args[0] != "unless" {
		return nil, false
	}
	groups, ok := f.literals(args[1:])
	if !ok {
		return nil, false
	}
	if args[0] == "unless" {
		if groups = opposite(groups); groups == nil {
			return nil, false
		}
	}
	var out [][]pair
	for _, group := range groups {
		all := condition{nil}
		for _, l := range group {
			c, known := l.tests, l.known && !f.changes(l.tests)
			if l.negated {
				c, known = negate(c, known)
			}
			if !known {
				return nil, false
			}
			if all, ok = both(all, c); !ok {
				return nil, false
			}
		}
		if out = append(out, all...); len(out) > mostAlternatives {
			return nil, false
		}
	}
	return out, true
}

// changes reports whether tests look at what a line before has changed: the path, or a header. A route looks at what the client sent.
func (f *haproxyFront) changes(c condition) bool {
	return slices.ContainsFunc(c, func(keys []pair) bool {
		return slices.ContainsFunc(keys, func(k pair) bool {
			switch k.key {
			case "path", "query":
				return f.touched["path"]
			case "method":
				return f.touched["method"]
			case "host":
				return f.touched["header host"]
			case "header":
				for name := range f.touched {
					if header, ok := strings.CutPrefix(name, "header "); ok && (header == "" || named(k.value, "{"+quote(header)+": ")) {
						return true
					}
				}
			}
			return false
		})
	})
}

// atMost are alternatives of which each request fits one that a condition holds for, and others perhaps: tests that cannot be said are left
// out. ok is false where it may hold for all.
func (f *haproxyFront) atMost(args []string) (alternatives [][]pair, ok bool) {
	if len(args) == 0 || args[0] != "if" && args[0] != "unless" {
		return nil, false
	}
	groups, ok := f.literals(args[1:])
	if !ok {
		return nil, false
	}
	if args[0] == "unless" {
		groups = opposite(groups)
	}
	for _, group := range groups {
		all := condition{nil}
		for _, l := range group {
			c, known := l.tests, l.known && !f.changes(l.tests)
			if l.negated {
				c, known = negate(c, known)
			}
			if !known || slices.ContainsFunc(c, hasSource) {
				continue
			}
			if more, fits := both(all, c); fits {
				all = more
			}
		}
		if slices.ContainsFunc(all, func(keys []pair) bool { return len(keys) == 0 }) {
			return nil, false
		}
		if alternatives = append(alternatives, all...); len(alternatives) > mostAlternatives {
			return nil, false
		}
	}
	return alternatives, len(alternatives) > 0
}

// close refuses what a line may keep out, where that cannot be said: the requests that it may be for, or all that come after it.
func (f *haproxyFront) close(k *node, when []string, why string) {
	alternatives, ok := f.atMost(when)
	if !ok {
		f.lost = true
		f.d.note(&f.mark, k, "%s; what comes after it is answered 501", why)
		return
	}
	f.d.note(&f.mark, k, "%s; what it may be for is answered 501", why)
	for _, keys := range alternatives {
		f.add(&route{keys: append(slices.Clone(keys), pair{"respond", "{status: 501}"})})
	}
}

// leads reports whether a condition looks at where a request leads alone, and not at who asks: a redirect by it keeps nobody out.
func (f *haproxyFront) leads(when []string) bool {
	for i, word := range when {
		word = strings.TrimLeft(word, "!")
		switch {
		case i == 0, word == "", word == "{", word == "}", word == "||", word == "or":
		case i > 0 && strings.HasSuffix(when[i-1], "{"):
			if !plainFetch(word) {
				return false
			}
		case slices.Contains(f.who, word):
			return false
		}
	}
	return true
}

var plainFetches = regexp.MustCompile(`^(?:(?:path|url|base|query|pathq)(?:_[a-z]+)?|(?:req\.)?hdr(?:_[a-z]+)?\(host[,)].*|ssl_fc.*|dst(?:_port)?|method|req\.ver|req\.ssl_sni.*|always_(?:true|false))(?:,.*)?$`)

// plainFetch reports whether a test looks at where a request leads.
func plainFetch(word string) bool { return plainFetches.MatchString(strings.ToLower(word)) }

// mostAlternatives is how many routes a condition may become.
const mostAlternatives = 1000

// literal is an acl in a condition, or its negation.
type literal struct {
	tests   condition
	known   bool
	negated bool
}

// literals reads "a b || !c": alternatives, all of each of which must hold.
func (f *haproxyFront) literals(args []string) ([][]literal, bool) {
	groups := [][]literal{nil}
	for i := 0; i < len(args); i++ {
		word := args[i]
		if word == "||" || word == "or" {
			groups = append(groups, nil)
			continue
		}
		var l literal
		l.negated = strings.HasPrefix(word, "!")
		word = strings.TrimPrefix(word, "!")
		if word == "" && i+1 < len(args) { // "! acl"
			i++
			word = args[i]
		}
		if word == "{" {
			end := slices.Index(args[i:], "}")
			if end < 0 {
				return nil, false
			}
			l.tests, l.known = haproxyTest(args[i+1 : i+end])
			i += end
		} else {
			l.tests, l.known = f.named(word)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], l)
	}
	return groups, !slices.ContainsFunc(groups, func(g []literal) bool { return len(g) == 0 })
}

// named is what an acl's name stands for.
func (f *haproxyFront) named(word string) (condition, bool) {
	switch word {
	case "TRUE", "HTTP":
		return condition{nil}, true
	case "METH_GET":
		return condition{{{"method", "['GET', 'HEAD']"}}}, true
	case "METH_POST", "METH_OPTIONS", "METH_HEAD", "METH_DELETE", "METH_PUT":
		return condition{{{"method", list([]string{word[5:]})}}}, true
	case "LOCALHOST":
		return condition{{{"src", "127.0.0.0/8"}}}, true
	}
	return f.acls[word], f.acls[word] != nil && !f.broken[word]
}

// opposite is what holds where none of the alternatives does: of each, something does not. It is nil where that is too much to say.
func opposite(groups [][]literal) [][]literal {
	out := [][]literal{nil}
	for _, group := range groups {
		var next [][]literal
		for _, before := range out {
			for _, l := range group {
				l.negated = !l.negated
				next = append(next, append(slices.Clone(before), l))
			}
		}
		if out = next; len(out) > mostAlternatives {
			return nil
		}
	}
	return out
}

// negate is what holds where none of the alternatives does.
func negate(c condition, known bool) (condition, bool) {
	if !known {
		return nil, false
	}
	if len(c) == 1 && len(c[0]) == 1 && c[0][0].key == "scheme" {
		other := map[string]string{"https": "http", "http": "https"}[c[0][0].value]
		return condition{{{"scheme", other}}}, true
	}
	if len(c) == 1 && len(c[0]) == 1 && c[0][0].key == "header" { // there is such a header, or there is none
		if name, found := strings.CutSuffix(c[0][0].value, ": '*'}"); found {
			return condition{{{"header", name + ": ''}"}}}, true
		}
		if name, none := strings.CutSuffix(c[0][0].value, ": ''}"); none {
			return condition{{{"header", name + ": '*'}"}}}, true
		}
	}
	var nets []pair
	for _, a := range c {
		if len(a) != 1 || a[0].key != "src" {
			return nil, false
		}
		nets = append(nets, pair{"not src", a[0].value})
	}
	return condition{nets}, true
}

// both are the alternatives of two conditions that must hold together; false where a route cannot say so, or there are too many.
func both(one, other condition) (all condition, ok bool) {
	for _, a := range one {
		for _, b := range other {
			merged, fits := merge(a, b)
			if !fits || len(all) == mostAlternatives {
				return nil, false
			}
			all = append(all, merged)
		}
	}
	return all, true
}

// merge is both: fits is false where a route cannot say so.
func merge(a, b []pair) (both []pair, fits bool) {
	both = slices.Clone(a)
	for _, p := range b {
		i := slices.IndexFunc(both, func(q pair) bool { return q.key == p.key })
		switch {
		case i < 0 || p.key == "not src":
			both = append(both, p)
		case both[i] == p:
		case (p.key == "header" || p.key == "query") && !named(both[i].value, p.value):
			both[i].value = strings.TrimSuffix(both[i].value, "}") + ", " + strings.TrimPrefix(p.value, "{")
		default:
			return nil, false
		}
	}
	return both, true
}

// named reports whether a mapping has a name already that another one of a single pair begins with.
func named(mapping, one string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(one, "{"), ": ")
	name = strings.ToLower(strings.Trim(name, "'")) // the name may be written with quotes, or without
	mapping = strings.ToLower(mapping)
	for _, before := range []string{"{", ", "} {
		if strings.Contains(mapping, before+name+": ") || strings.Contains(mapping, before+"'"+name+"': ") {
			return true
		}
	}
	return false
}
