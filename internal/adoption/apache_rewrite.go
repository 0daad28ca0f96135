package adoption

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// rewrites translates the rewrite rules of the host itself, in order. Those in directories, and of .htaccess, look at other paths.
func (h *apacheHost) rewrites() {
	for _, s := range h.sections("Directory", "DirectoryMatch", "Location", "LocationMatch", "Files", "FilesMatch") {
		var conditions []*node
		for _, k := range a2all(s.Kids, "RewriteCond", "RewriteRule") {
			if strings.EqualFold(k.Name, "RewriteCond") {
				conditions = append(conditions, k)
				continue
			}
			h.d.note(&h.mark, k, "a rule within a block")
			h.blocked = h.blocked || hasFlag(rewriteFlags(k), "F", "forbidden", "G", "gone") || strings.HasPrefix(flagValue(rewriteFlags(k), "R"), "4") ||
				hasFlag(rewriteFlags(k), "R", "redirect") && asksWho(conditions)
			conditions = nil
		}
	}
	if on := a2all(h.kids, "RewriteEngine"); len(on) == 0 || !strings.EqualFold(last(on).Text(), "on") {
		return
	}
	var conditions []*node
	chained, skipped := false, 0 // the rule is one that another one leads to, or past
	for _, k := range a2all(h.kids, "RewriteCond", "RewriteRule") {
		if strings.EqualFold(k.Name, "RewriteCond") {
			conditions = append(conditions, k)
			continue
		}
		flags := rewriteFlags(k)
		h.rewrite(rewriteRule{k, conditions, flags, chained || skipped > 0})
		chained, skipped = hasFlag(flags, "C", "chain"), skipped-1
		for _, name := range []string{"S", "skip"} {
			if n, err := strconv.Atoi(flagValue(flags, name)); err == nil {
				skipped = max(skipped, n)
			}
		}
		conditions = nil
	}
}

// rewriteRule is a rule with its conditions and flags.
type rewriteRule struct {
	*node
	conditions []*node
	flags      []string
	behind     bool // another rule, which is left out, says whether it is looked at
}

// plainTests are what a condition looks at that says where a request leads, and not who asks.
var plainTests = regexp.MustCompile(`^%\{(?:(?:LA-[UF]:)?(?:REQUEST_[A-Z]+|SCRIPT_[A-Z]+|THE_REQUEST|QUERY_STRING|HTTP_HOST|HTTPS|SERVER_[A-Z]+|DOCUMENT_[A-Z]+|PATH_INFO|TIME[A-Z_]*|HTTP_ACCEPT[A-Z_]*|HTTP_USER_AGENT|HTTP_UPGRADE|HTTP_CONNECTION|IS_SUBREQ)|HTTP:(?:Upgrade|Connection|Accept[A-Za-z-]*|Host|User-Agent))\}|^[^%]|^$|^\$[0-9]`)

// asksWho reports whether conditions look at who asks.
func asksWho(conditions []*node) bool {
	return slices.ContainsFunc(conditions, func(c *node) bool { return strings.EqualFold(c.Text(), "expr") || !plainTests.MatchString(c.Text()) })
}

// fits refuses what a rule may be for, where that is not everything; false where it may be.
func (h *apacheHost) fits(k rewriteRule) bool {
	expression := k.Text()
	if strings.HasPrefix(expression, "!") || !compiles(expression) || everyPath[expression] {
		return false
	}
	if hasFlag(k.flags, "NC", "nocase") {
		expression = "(?i)" + expression
	}
	h.add(&route{keys: []pair{{"path", quote("~" + expression)}}, refused: true})
	return true
}

// rewriteFlags are those of a rule, or a condition.
func rewriteFlags(k *node) []string {
	if len(k.Args) < 3 {
		return nil
	}
	return strings.Split(strings.ReplaceAll(strings.Trim(strings.Join(k.Args[2:], ","), "[]"), " ", ""), ",")
}

func hasFlag(flags []string, names ...string) bool {
	return slices.ContainsFunc(flags, func(f string) bool {
		f, _, _ = strings.Cut(f, "=")
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, f) })
	})
}

func flagValue(flags []string, name string) string {
	for _, f := range flags {
		if before, after, found := strings.Cut(f, "="); found && strings.EqualFold(before, name) {
			return after
		}
	}
	return ""
}

// rewriteKnown are flags that say nothing that is not done here, or that are looked at.
var rewriteKnown = []string{"R", "redirect", "P", "proxy", "L", "last", "END", "F", "forbidden", "G", "gone", "NE", "noescape", "NC", "nocase", "QSA", "qsappend", "QSD", "qsdiscard", "PT"}

// rewrite translates one rule with its conditions.
func (h *apacheHost) rewrite(k rewriteRule) {
	flags := k.flags
	status := "302"
	if v := flagValue(flags, "R"); v != "" {
		status = map[string]string{"permanent": "301", "temp": "302", "seeother": "303"}[v]
		if status == "" {
			status = v
		}
	}
	redirects := hasFlag(flags, "R", "redirect") || strings.Contains(k.Arg(1), "://") && !hasFlag(flags, "P", "proxy")
	keeps := hasFlag(flags, "F", "forbidden", "G", "gone") || redirects && strings.HasPrefix(status, "4")
	stops := k.Arg(1) == "-"                 // it leaves the path as it is
	within := !keeps && !redirects && !stops // it has another path looked at, or passed on
	ends := stops && hasFlag(flags, "L", "last", "END", "S", "skip", "C", "chain")
	sorts := !keeps && (redirects || ends) && asksWho(k.conditions) // it keeps out some, by sending them elsewhere or past other rules
	unsaid := func(why string) {
		switch {
		case (within || sorts) && h.fits(k):
			why += "; what fits it is answered 501"
		case keeps || sorts:
			why += "; what comes after it is answered 501"
			h.blocked = true
		}
		h.d.note(&h.mark, k.node, "%s", why)
	}
	if k.behind {
		unsaid("another rule says whether it is looked at")
		return
	}
	if slices.ContainsFunc(flags, func(f string) bool { return !hasFlag(rewriteKnown, f) && !hasFlag([]string{f}, rewriteKnown...) }) {
		unsaid("a flag without a counterpart")
		return
	}
	alternatives, ok := h.rewriteWhen(k.node, k.conditions, hasFlag(flags, "NC", "nocase"))
	if !ok {
		unsaid("an expression, or a condition, without a counterpart")
		return
	}
	for _, keys := range alternatives {
		r := &route{keys: keys}
		switch to, known := rewriteText(k.Arg(1)); {
		case hasFlag(flags, "F", "forbidden"):
			r.set("respond", "{status: 403}")
		case hasFlag(flags, "G", "gone"):
			r.set("respond", "{status: 410}")
		case redirects && !strings.HasPrefix(status, "3"):
			r.set("respond", mapping([]pair{{"status", status}}))
		case !stops && (!known || capturesOf(to) > groups(keys)):
			unsaid("a variable without a counterpart")
			return
		case redirects:
			r.set("redirect", mapping([]pair{{"to", quote(absolute(rewriteQuery(to, flags)))}, {"status", status}}))
		case hasFlag(flags, "P", "proxy"):
			h.before = false
			h.rewritePass(k.node, r, rewriteQuery(to, flags))
			h.before = true
			continue
		case stops:
			unsaid("it has other rules left out")
			return
		default:
			h.d.note(&h.mark, k.node, "it has another path looked at; it is answered 501")
			r.refused = true
		}
		h.add(r)
	}
}

// rewriteQuery is where a rule leads, with the client's query where Apache sends it along.
func rewriteQuery(to string, flags []string) string {
	switch {
	case hasFlag(flags, "QSD", "qsdiscard"), strings.HasSuffix(to, "?"):
		return strings.TrimSuffix(to, "?")
	case !strings.Contains(to, "?"):
		return to + "$search"
	}
	return to
}

var rewriteVariable = regexp.MustCompile(`%\{[A-Za-z_:-]+\}|%[0-9]`)

// rewriteText writes a substitution with the variables of here.
func rewriteText(text string) (string, bool) {
	names := map[string]string{
		"%{HTTP_HOST}": "$authority", "%{SERVER_NAME}": "$host", "%{REQUEST_URI}": "$path", "%{QUERY_STRING}": "$query", "%{REQUEST_SCHEME}": "$scheme", "%{SERVER_PORT}": "$port", "%{REMOTE_ADDR}": "$client",
	}
	ok := true
	out := rewriteVariable.ReplaceAllStringFunc(text, func(v string) string {
		if names[v] == "" {
			ok = false
		}
		return names[v]
	})
	return strings.ReplaceAll(out, `\%`, "%"), ok
}

// everyPath are expressions that any path fits, and whether each takes parts of it.
var everyPath = words(`^ .* ^.*$ ^/ ^/.* ^/.*$ ^/? . .? $`)

// rewriteWhen are the keys of routes for a rule and its conditions.
func (h *apacheHost) rewriteWhen(k *node, conditions []*node, fold bool) ([][]pair, bool) {
	expression := k.Text()
	if strings.HasPrefix(expression, "!") || !compiles(expression) {
		return nil, false
	}
	if fold {
		expression = "(?i)" + expression
	}
	all := condition{nil}
	if !everyPath[k.Text()] {
		all = condition{{{"path", quote("~" + expression)}}}
	}
	var group condition
	for _, c := range conditions {
		one, ok := rewriteCondition(c)
		if !ok {
			return nil, false
		}
		group = append(group, one...)
		if hasFlag(rewriteFlags(c), "OR", "ornext") {
			continue
		}
		if all, ok = both(all, group); !ok {
			return nil, false
		}
		group = nil
	}
	if group != nil {
		return nil, false
	}
	return all, true
}

var rewriteTest = regexp.MustCompile(`^%\{(HTTP:)?([A-Za-z_-]+)\}$`)

// rewriteCondition is what one RewriteCond asks of a request.
func rewriteCondition(c *node) (condition, bool) {
	parts := rewriteTest.FindStringSubmatch(c.Text())
	if parts == nil {
		return nil, false
	}
	text, not := strings.CutPrefix(c.Arg(1), "!")
	expression := text
	if exact, ok := strings.CutPrefix(text, "="); ok {
		if exact == `""` || exact == "''" {
			exact = ""
		}
		expression = "^" + regexp.QuoteMeta(exact) + "$"
	} else if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "<") || strings.HasPrefix(text, ">") {
		return nil, false
	}
	if hasFlag(rewriteFlags(c), "NC", "nocase") {
		expression = "(?i)" + expression
	}
	bare := strings.ToLower(strings.Trim(text, "^$="))
	scheme := func(tls bool) (condition, bool) {
		return condition{{{"scheme", map[bool]string{true: "https", false: "http"}[tls]}}}, true
	}
	name := strings.ToUpper(parts[2])
	header := "" // that is looked at
	switch {
	case parts[1] != "":
		header = parts[2]
	case strings.HasPrefix(name, "HTTP_"):
		header = strings.ReplaceAll(parts[2][len("HTTP_"):], "_", "-")
	}
	switch {
	case name == "HTTPS" && (bare == "on" || bare == "off"):
		return scheme((bare == "on") != not)
	case name == "SERVER_PORT" && (bare == "443" || bare == "80"):
		return scheme((bare == "443") != not)
	case name == "REQUEST_SCHEME" && (bare == "http" || bare == "https"):
		return scheme((bare == "https") != not)
	case not && regexp.MustCompile(`^(?:\^\$|=(?:""|'')?)$`).MatchString(text) && header != "" && header != "Host":
		return condition{{{"header", mapping([]pair{{quote(header), quote("~.")}})}}}, true
	case not || !compiles(expression):
		return nil, false
	case parts[1] != "":
		return like("header", parts[2], expression), true
	case name == "HTTP_HOST" && regexp.MustCompile(expression).MatchString(""):
		return like("header", "Host", expression), true
	case name == "HTTP_HOST":
		value, fits := hostWithPort(strings.TrimPrefix(expression, "(?i)"))
		return condition{{{"header", "{Host: " + quote(value) + "}"}}}, fits
	case name == "REQUEST_URI":
		return condition{{{"path", quote("~" + expression)}}}, true
	case name == "REQUEST_METHOD":
		methods := methodsOnly.FindStringSubmatch(text)
		if methods == nil {
			return nil, false
		}
		return condition{{{"method", list(strings.Split(methods[1], "|"))}}}, true
	case header != "":
		return like("header", header, expression), true
	}
	return nil, false
}
