package config

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shape is how a key's value is built from YAML's parts.
type shape uint8

const (
	scalarShape   shape = iota // one scalar
	listShape                  // a list of scalars, or one scalar alone
	sectionShape               // a mapping of keys
	sectionsShape              // a list of such mappings
	namedShape                 // a mapping of free names to such mappings
	fieldsShape                // a mapping of field names to values
)

// kind is how a value is written. What parse gives has the type of the Config's field, but that every number and
// duration is an int64.
type kind struct {
	shape  shape
	what   string // "a duration"
	syntax string // one sentence on how it is written, for the reference
	parse  func(k *key, s string) (any, *trouble)
	format func(n int64) string // a number as one would write it; nil for other kinds
	quoted bool                 // a bare number or boolean is taken for a mistake
	schema map[string]any       // JSON Schema of the value
	item   *kind                // of listShape
}

// trouble is what is wrong with a value. The message follows the key's name: "connect must be ...".
type trouble struct{ message, hint string }

// Shapes without a value of their own.
var (
	section  = &kind{shape: sectionShape, what: "a mapping of keys"}
	sections = &kind{shape: sectionsShape, what: "a list of mappings"}
	named    = &kind{shape: namedShape, what: "a mapping of names"}
	fields   = &kind{
		shape: fieldsShape, what: "a mapping of header names to values",
		schema: map[string]any{"type": "object", "additionalProperties": map[string]any{"type": []string{"string", "number", "boolean"}}},
	}
)

// conditions are what headers or parameters of the query must be like.
var conditions = &kind{
	shape: fieldsShape, what: "a mapping of names to values", syntax: `A value is compared to the letter; "*" is any, "" is none, and ~ begins a regular expression.`,
	schema: fields.schema,
}

// list makes a list of values of another kind. One value alone is a list of one.
func list(item *kind) *kind {
	return &kind{shape: listShape, what: "a list; each item is " + item.what, syntax: item.syntax, item: item}
}

// Kinds of numbers.
var (
	number = &kind{
		what: "a whole number", parse: parseNumber, format: formatNumber,
		schema: map[string]any{"type": "integer"},
	}
	percent = &kind{
		what: "a percentage", syntax: "A number with a percent sign: 20%.", parse: parsePercent, format: formatPercent,
		schema: map[string]any{"type": []string{"string", "integer"}, "pattern": `^[0-9]+%$`},
	}
	size = &kind{
		what: "a size", syntax: "A number of bytes, or one with a unit: 512, 64KiB, 1MiB, 2GiB.", parse: parseSize, format: formatSize,
		schema: map[string]any{"type": []string{"string", "integer"}, "pattern": `^[0-9]+(KiB|MiB|GiB|TiB)?$`, "minimum": 0},
	}
	duration = &kind{
		what: "a duration", syntax: "A number with a unit, or several: 500ms, 30s, 2m, 1h30m.", parse: parseDuration, format: formatDuration,
		schema: map[string]any{"type": []string{"string", "integer"}, "pattern": `^(0|([0-9]+(\.[0-9]+)?(us|ms|s|m|h))+)$`},
	}
)

// idleTime is a duration, or auto.
var idleTime = &kind{
	what: "a duration", syntax: duration.syntax, parse: parseIdleTime, format: formatDuration, schema: duration.schema,
}

// refreshTime is a duration, or ttl.
var refreshTime = &kind{
	what: "a duration", syntax: duration.syntax, parse: parseRefreshTime, format: formatDuration, schema: duration.schema,
}

// hedgeTime is a duration, off, or on.
var hedgeTime = &kind{
	what: "a duration", syntax: duration.syntax, parse: parseHedgeTime, format: formatDuration, schema: duration.schema,
}

// Kinds of words.
var (
	boolean = &kind{
		what: "true or false", parse: parseBoolean,
		schema: map[string]any{"type": "boolean"},
	}
	choice = &kind{
		what: "a word", parse: parseChoice,
		schema: map[string]any{"type": "string"},
	}
	text = &kind{
		what: "a word", parse: parseToken, quoted: true,
		schema: map[string]any{"type": "string", "pattern": "^[-!#$%&'*+.^_`|~0-9A-Za-z]+$"},
	}
	rateKey = &kind{
		what: "what has a rate of its own", syntax: "client, route or header:NAME.", parse: parseRateKey,
		schema: map[string]any{"type": "string", "pattern": "^(client|route|header:[-!#$%&'*+.^_`|~0-9A-Za-z]+|.*\\$\\{.*)$"},
	}
	frequency = &kind{
		what: "a number of requests in a time", syntax: "A number and s, m or h: 10/s, 600/m.", parse: parseFrequency,
		schema: map[string]any{"type": "string", "pattern": "^([0-9]+/(s|m|h)|.*\\$\\{.*)$"},
	}
	hashKey = &kind{
		what: "what to choose by", syntax: "ip, path, header:NAME or cookie:NAME.", parse: parseHashKey,
		schema: map[string]any{"type": "string", "pattern": "^(ip|path|(header|cookie):[-!#$%&'*+.^_`|~0-9A-Za-z]+|.*\\$\\{.*)$"},
	}
	statusRange = &kind{
		what: "a status code or a range of them", syntax: "200, 200-299 or 2xx.", parse: parseStatusRange,
		schema: map[string]any{"type": []string{"string", "integer"}},
	}
	checkPath = &kind{
		what: "a path, with a query or without", parse: parseCheckPath,
		schema: map[string]any{"type": "string", "pattern": "^/"},
	}
	routeName = &kind{
		what: "the name of a route", parse: parseRouteName,
		schema: map[string]any{"type": "string", "pattern": "^[!-~]{1,64}$"},
	}
	portKind = &kind{
		what: "a port", parse: func(_ *key, s string) (any, *trouble) {
			n, t := portNumber(s, false)
			return int64(n), t
		},
		schema: map[string]any{"type": "integer", "minimum": 1, "maximum": 65535},
	}
	cgiAddress = &kind{
		what: "an address of an application", parse: parseCGIAddress,
		schema: map[string]any{"type": "string", "minLength": 2},
	}
	cgiRoot = &kind{
		what: "an absolute path", parse: func(k *key, s string) (any, *trouble) {
			if !strings.HasPrefix(s, "/") || strings.ContainsAny(s, "\x00\n") {
				return nil, k.not(s, "write /var/www/app")
			}
			return s, nil
		},
		schema: map[string]any{"type": "string", "pattern": "^/"},
	}
	cgiSplit = &kind{
		what: "the end of a file's name", parse: func(k *key, s string) (any, *trouble) {
			if len(s) < 2 || strings.ContainsAny(s, "/\x00\\") {
				return nil, k.not(s, "write .php")
			}
			return s, nil
		},
		schema: map[string]any{"type": "string", "minLength": 2},
	}
	fileName = &kind{what: "a file's name", parse: parseFileName, schema: map[string]any{"type": "string", "pattern": "^[^/]+$"}}
	missing  = &kind{
		what: "the path of a file below the root", parse: parseMissing,
		schema: map[string]any{"type": []string{"string", "integer"}},
	}
	target = &kind{
		what: "a place to go to", syntax: "/path, http://..., https://..., or a variable.", parse: parseTarget,
		schema: map[string]any{"type": "string", "pattern": `^(/|https?://|\$)`},
	}
	rewritten = &kind{
		what: "a path with variables", parse: parseRewritten,
		schema: map[string]any{"type": "string", "pattern": `^(/|\$)`},
	}
	answerBody = &kind{what: "a text", parse: parseAnswerBody, schema: map[string]any{"type": "string"}}
	oneLine    = &kind{what: "a text of one line", parse: parsePrintable, schema: map[string]any{"type": "string", "minLength": 1}}
	poolName   = &kind{what: "the name of a pool", parse: parsePoolName, schema: map[string]any{"type": "string"}}
	method     = &kind{what: "a method", parse: parseMethod, schema: map[string]any{"type": "string", "pattern": "^[-!#$%&'*+.^_`|~0-9A-Z]+$"}}
	pattern    = &kind{what: "a file's path, or a pattern for names in a directory", parse: parseInclude, schema: map[string]any{"type": "string", "minLength": 1}}
	file       = &kind{what: "a file's path", parse: parseFile, schema: map[string]any{"type": "string", "minLength": 1}}
)

// parseNumber reads a plain decimal number.
func parseNumber(k *key, s string) (any, *trouble) {
	n, ok := decimal(s)
	if !ok {
		return nil, k.not(s, "write it in digits: "+k.sample())
	}
	return k.ranged(n)
}

// parsePercent reads "20%".
func parsePercent(k *key, s string) (any, *trouble) {
	digits, sign := strings.CutSuffix(s, "%")
	n, ok := decimal(strings.TrimSpace(digits))
	switch {
	case !ok:
		return nil, k.not(s, "write it with a percent sign: "+k.sample())
	case !sign && n != 0:
		return nil, &trouble{"has no unit", "did you mean " + quote(digits+"%") + "?"}
	}
	return k.ranged(n)
}

var sizeUnits = []struct {
	name   string
	octets int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// parseSize reads "65536" or "64KiB".
func parseSize(k *key, s string) (any, *trouble) {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(s)
	}
	n, ok := decimal(s[:end])
	unit := strings.TrimSpace(s[end:])
	if !ok {
		return nil, k.not(s, "write bytes or a unit: 65536, 64KiB, 1MiB")
	}
	if unit == "" {
		return k.ranged(n)
	}
	for _, u := range sizeUnits {
		if unit == u.name {
			if n > (1<<63-1)/u.octets {
				return nil, k.outside(s)
			}
			return k.ranged(n * u.octets)
		}
		if strings.EqualFold(unit[:1], u.name[:1]) {
			return nil, &trouble{"has the unknown unit " + quote(unit), "did you mean " + quote(s[:end]+u.name) + "?"}
		}
	}
	return nil, &trouble{"has the unknown unit " + quote(unit), "the units are KiB, MiB, GiB and TiB"}
}

// parseDuration reads "30s". A number without a unit is refused, but for 0: other proxies take it for seconds or for
// milliseconds, and nobody can tell which was meant.
func parseDuration(k *key, s string) (any, *trouble) {
	if n, ok := decimal(s); ok && n != 0 {
		return nil, &trouble{"has no unit", "did you mean " + quote(s+"s") + "?"}
	}
	d, err := time.ParseDuration(s)
	if err != nil || s[0] == '-' || s[0] == '+' {
		return nil, k.not(s, "write a number with a unit: 500ms, 30s, 2m, 1h30m")
	}
	return k.ranged(int64(d))
}

// parseIdleTime reads a duration or the word for one that is learned.
func parseIdleTime(k *key, s string) (any, *trouble) {
	if slices.Contains(k.choices, s) {
		return int64(IdleAuto), nil
	}
	return parseDuration(k, s)
}

// parseRefreshTime reads a duration or the word for what the records say.
func parseRefreshTime(k *key, s string) (any, *trouble) {
	if slices.Contains(k.choices, s) {
		return int64(EveryTTL), nil
	}
	return parseDuration(k, s)
}

// parseHedgeTime reads a duration or one of the words.
func parseHedgeTime(k *key, s string) (any, *trouble) {
	switch s {
	case Off:
		return int64(0), nil
	case On:
		return int64(HedgeLearned), nil
	}
	return parseDuration(k, s)
}

// parseBoolean reads what YAML 1.2 calls a boolean.
func parseBoolean(k *key, s string) (any, *trouble) {
	switch s {
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	}
	hint := "write true or false"
	switch strings.ToLower(s) {
	case "yes", "on", "1", "y":
		hint = `did you mean "true"?`
	case "no", "off", "0", "n":
		hint = `did you mean "false"?`
	}
	return nil, k.not(s, hint)
}

// parseChoice reads one of the key's words.
func parseChoice(k *key, s string) (any, *trouble) {
	for _, c := range k.choices {
		if s == c {
			return s, nil
		}
	}
	hint := ""
	if near := nearest(s, k.choices); near != "" {
		hint = "did you mean " + quote(near) + "?"
	}
	return nil, &trouble{"must be " + either(k.choices) + ", not " + quote(s), hint}
}

// parseToken reads a word that fits every field it is put into: RFC 9110 section 5.6.2.
func parseToken(k *key, s string) (any, *trouble) {
	if !isToken(s) {
		return nil, &trouble{"must be a word without spaces, not " + quote(s), "use letters, digits, '-', '_' and '.'"}
	}
	if int64(len(s)) > k.max {
		return nil, &trouble{"must have " + strconv.FormatInt(k.max, 10) + " characters at most", ""}
	}
	return s, nil
}

var poolNameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// parsePoolName reads a pool's name. It has no dot, so that pools.NAME.tls.ca means one thing.
func parsePoolName(_ *key, s string) (any, *trouble) {
	if !poolNameForm.MatchString(s) {
		return nil, &trouble{"must be the name of a pool, not " + quote(s), "a name has letters, digits, '-' and '_', 63 at most"}
	}
	return s, nil
}

var routeNameForm = regexp.MustCompile(`^[!-~]{1,64}$`)

// parseRouteName reads a route's name. It stands in logs and metrics.
func parseRouteName(k *key, s string) (any, *trouble) {
	if !routeNameForm.MatchString(s) {
		return nil, k.not(s, "a name has letters, digits and signs without spaces, 64 at most")
	}
	return s, nil
}

// parseMethod reads a method. Methods are case-sensitive and those in use are in capitals: RFC 9110 section 9.1.
func parseMethod(_ *key, s string) (any, *trouble) {
	switch upper := strings.ToUpper(s); {
	case !isToken(s):
		return nil, &trouble{"must be a method such as GET, not " + quote(s), "several methods are a list: [GET, HEAD]"}
	case upper == "CONNECT" || upper == "TRACE":
		return nil, &trouble{"cannot be " + upper, "the gateway never forwards " + upper + "; remove it"}
	case s != upper:
		return nil, &trouble{"must be a method in capitals, not " + quote(s), "did you mean " + quote(upper) + "?"}
	}
	return s, nil
}

// parseFile reads a path, or one of the key's words. The decoder makes it absolute.
func parseFile(_ *key, s string) (any, *trouble) {
	switch {
	case s == "" || strings.ContainsRune(s, 0):
		return nil, &trouble{"must be a file's path", ""}
	case strings.Contains(s, "\n"), strings.Contains(s, "-----BEGIN"):
		return nil, &trouble{"must be a file's path, and this is what belongs into the file", "put it into a file, and write its path here"}
	}
	return s, nil
}

// parseHashKey reads what an endpoint is chosen by.
func parseHashKey(k *key, s string) (any, *trouble) {
	by, name, named := strings.Cut(s, ":")
	switch {
	case !named && (by == HashIP || by == HashPath):
		return HashKey{By: by}, nil
	case named && (by == HashHeader || by == HashCookie) && isToken(name):
		return HashKey{by, name}, nil
	}
	return nil, k.not(s, "write ip, path, header:NAME or cookie:NAME")
}

// parseRateKey reads what has a rate of its own.
func parseRateKey(k *key, s string) (any, *trouble) {
	by, name, named := strings.Cut(s, ":")
	switch {
	case !named && (by == RateClient || by == RateRoute):
		return RateKey{By: by}, nil
	case named && by == RateHeader && isToken(name):
		return RateKey{by, name}, nil
	}
	return nil, k.not(s, "write client, route or header:NAME")
}

// frequencyMost bounds a rate: above it a limit means nothing.
const frequencyMost = 10_000_000

// parseFrequency reads 10/s.
func parseFrequency(k *key, s string) (any, *trouble) {
	const hint = "write 10/s, 600/m or 1000/h"
	number, unit, found := strings.Cut(s, "/")
	n, ok := decimal(number)
	in := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	switch {
	case !found || !ok || in == 0:
		return nil, k.not(s, hint)
	case n < 1 || n > frequencyMost:
		return nil, &trouble{"must be between 1 and " + formatNumber(frequencyMost) + " requests, not " + number, hint}
	}
	return Frequency{n, in}, nil
}

// parseStatusRange reads 200, 200-299 or 2xx.
func parseStatusRange(k *key, s string) (any, *trouble) {
	const hint = "write 200, 200-299 or 2xx"
	if len(s) == 3 && strings.HasSuffix(s, "xx") && s[0] >= '1' && s[0] <= '5' {
		from := int(s[0]-'0') * 100
		return StatusRange{from, from + 99}, nil
	}
	first, last, several := strings.Cut(s, "-")
	from, ok := decimal(strings.TrimSpace(first))
	to := from
	if several && ok {
		to, ok = decimal(strings.TrimSpace(last))
	}
	if !ok {
		return nil, k.not(s, hint)
	}
	if from < 100 || to > 599 || from > to {
		return nil, &trouble{"must be between 100 and 599, the lower first, not " + quote(s), hint}
	}
	return StatusRange{int(from), int(to)}, nil
}

// parseCheckPath reads a path with or without a query.
func parseCheckPath(_ *key, s string) (any, *trouble) {
	path, _, _ := strings.Cut(s, "?")
	if !strings.HasPrefix(s, "/") {
		return nil, &trouble{"must begin with a slash, not " + quote(s), "did you mean " + quote("/"+s) + "?"}
	}
	if t := plainPath(path); t != nil {
		return nil, t
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }) {
		return nil, &trouble{"has a character that a request target cannot have: " + quote(s), "write it percent-encoded"}
	}
	return s, nil
}

// parsePrefix reads a network, or an address as a network of one.
func parsePrefix(k *key, s string) (any, *trouble) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if p != p.Masked() {
			return nil, &trouble{"has bits set outside its network: " + s, "did you mean " + quote(p.Masked().String()) + "?"}
		}
		return p, nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return nil, k.not(s, "write 10.0.0.0/8, 192.168.1.1 or 2001:db8::/32")
}

// ranged refuses a number outside the key's range.
func (k *key) ranged(n int64) (any, *trouble) {
	if n == 0 && k.zero != "" {
		return n, nil
	}
	if n < k.min || n > k.max {
		return nil, k.outside(k.kind.format(n))
	}
	return n, nil
}

// outside is the trouble of a value outside the range.
func (k *key) outside(shown string) *trouble {
	return &trouble{"must be " + k.bounds() + ", not " + shown, ""}
}

// bounds is the range in words: "between 1ms and 5m, or 0 (off)".
func (k *key) bounds() string {
	s := "between " + k.kind.format(k.min) + " and " + k.kind.format(k.max)
	if k.min == k.max {
		s = k.kind.format(k.min)
	}
	if k.zero != "" {
		s += ", or 0 (" + k.zero + ")"
	}
	return s
}

// not is the trouble of a value that is not of the kind at all.
func (k *key) not(s, hint string) *trouble {
	what := k.kind.what
	if k.kind.item != nil {
		what = k.kind.item.what
	}
	return &trouble{"must be " + what + ", not " + quote(s), hint}
}

// sample is a value to show: the default, or the example.
func (k *key) sample() string {
	if k.def != "" {
		return k.def
	}
	return k.example
}

func formatNumber(n int64) string  { return strconv.FormatInt(n, 10) }
func formatPercent(n int64) string { return strconv.FormatInt(n, 10) + "%" }

func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if n != 0 && n%u.octets == 0 {
			return strconv.FormatInt(n/u.octets, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

func formatDuration(n int64) string {
	if n == 0 {
		return "0"
	}
	s := time.Duration(n).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// decimal reads digits and nothing else.
func decimal(s string) (int64, bool) {
	if s == "" || len(s) > 18 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// isToken reports whether s is a token: RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// quote shows a value of the file in a message, without a password or a token in it, and clipped so that a mistake cannot fill the screen.
func quote(s string) string {
	s = plain(s)
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return strconv.Quote(s)
}

// either is the words with "or" before the last.
func either(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
