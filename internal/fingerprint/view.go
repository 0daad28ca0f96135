package fingerprint

import (
	"bytes"
	"strconv"
	"strings"
)

// rule is one mark of a product.
type rule struct {
	product, title string
	layer          Layer
	part           string
	certainty      Certainty
	own            bool
	via            string               // what the product calls itself in Via, lower case; empty where it does not
	knows          func(v *view) string // what was found, empty where nothing was
	calls          func(v *view) string // what the product calls itself, where title is a kind of products; nil for the title
}

// view is an answer made ready for the rules.
type view struct {
	status int
	reason string
	fields []Field
	body   string // as it came, at most BodyMax
	lower  string // the same in lower case
	title  string // what stands in <title>, white space made one
	page   bool   // the body is a whole page of markup, with no status of success, and not a large one: error pages are not
	hops   []string
}

// hopsMax is how many members of Via are looked at, the nearest to the client. More of them is a loop, or an attack.
const hopsMax = 64

// pageMax is the size above which a body is no built-in error page: Cloudflare's and Netlify's are the largest, at some 10 KiB.
const pageMax = 24 << 10

func look(a *Answer) *view {
	body := string(a.Body[:min(len(a.Body), BodyMax)])
	v := &view{status: a.Status, reason: a.Reason, fields: a.Fields, body: body, lower: lowered(body)}
	if _, rest, found := strings.Cut(v.lower, "<title"); found {
		if i := strings.IndexByte(rest, '>'); i >= 0 {
			start := len(v.body) - len(rest) + i + 1
			if end := strings.Index(v.lower[start:], "</title>"); end >= 0 {
				v.title = strings.Join(strings.Fields(v.body[start:start+end]), " ")
			}
		}
	}
	v.page = v.failed() && strings.HasPrefix(strings.TrimLeft(v.body, " \t\r\n"), "<") && len(a.Body) <= pageMax
	v.hops = v.viaHops()
	return v
}

// lowered is the text with its ASCII letters in lower case. It keeps its length, whatever octets there are, so that places
// in the one are places in the other.
func lowered(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// field gives the values of a field, all of its lines.
func (v *view) field(name string) []string {
	var values []string
	for i := range v.fields {
		if strings.EqualFold(v.fields[i].Name, name) {
			values = append(values, v.fields[i].Value)
		}
	}
	return values
}

// has reports whether the field is there.
func (v *view) has(name string) bool { return len(v.field(name)) > 0 }

// first gives the field's first value, empty where there is none.
func (v *view) first(name string) string {
	if values := v.field(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// is gives the field line if its value is one of the texts, without regard to case.
func (v *view) is(name string, texts ...string) string {
	for _, value := range v.field(name) {
		for _, text := range texts {
			if strings.EqualFold(strings.TrimSpace(value), text) {
				return quote(name, value)
			}
		}
	}
	return ""
}

// starts gives the field line if its value begins with the text, without regard to case.
func (v *view) starts(name, text string) string {
	for _, value := range v.field(name) {
		if len(value) >= len(text) && strings.EqualFold(value[:len(text)], text) {
			return quote(name, value)
		}
	}
	return ""
}

// contains gives the field line if its value has the text in it, without regard to case.
func (v *view) contains(name, text string) string {
	for _, value := range v.field(name) {
		if strings.Contains(strings.ToLower(value), text) {
			return quote(name, value)
		}
	}
	return ""
}

// there gives the field line if the field is there at all.
func (v *view) there(name string) string {
	if !v.has(name) {
		return ""
	}
	return quote(name, v.first(name))
}

// quote gives a field line as it is shown, shortened where it is long.
func quote(name, value string) string {
	if len(value) > 60 {
		value = value[:57] + "..."
	}
	return strconv.Quote(name + ": " + value)
}

// failed reports whether the status is one of an answer that a product makes by itself: a page that is sent with 200 is about
// an error page at most.
func (v *view) failed() bool { return v.status >= 300 }

// viaHops gives the members of Via from the client's side: the last of the field is the nearest (RFC 9110 section 7.6.3).
func (v *view) viaHops() []string {
	var hops []string
	values := v.field("Via")
	for i := len(values) - 1; i >= 0; i-- {
		for rest, more := values[i], true; more && len(hops) < hopsMax; {
			at := strings.LastIndexByte(rest, ',')
			hops = append(hops, strings.ToLower(strings.TrimSpace(rest[at+1:])))
			rest, more = rest[:max(at, 0)], at >= 0
		}
	}
	return hops
}

// viaPlace gives the product's place in Via, from 1 for the nearest to the client; 0 where it is not there.
func (v *view) viaPlace(name string) int {
	if name == "" {
		return 0
	}
	for i, hop := range v.hops {
		if hasWord(hop, name) {
			return i + 1
		}
	}
	return 0
}

// hasWord reports whether the name stands in the text and no letter stands before or behind it: caddy, and not caddyshack.
func hasWord(text, name string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(name)
		if (start == 0 || !isLetter(text[start-1]) || !isLetter(name[0])) && (end == len(text) || !isLetter(text[end]) || !isLetter(name[len(name)-1])) {
			return true
		}
		from = start + 1
	}
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' }

// viaLine gives the Via field if the product stands in it.
func (v *view) viaLine(name string) string {
	if v.viaPlace(name) == 0 {
		return ""
	}
	return quote("Via", v.first("Via"))
}

// titled reports whether the title has all the parts.
func (v *view) titled(parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(v.title, p) {
			return false
		}
	}
	return v.title != ""
}

// says reports whether all texts, in lower case, stand in the body in this order.
func (v *view) says(texts ...string) bool {
	rest := v.lower
	for _, text := range texts {
		i := strings.Index(rest, text)
		if i < 0 {
			return false
		}
		rest = rest[i+len(text):]
	}
	return true
}

// whole reports whether the body is exactly the text, but for white space around it.
func (v *view) whole(text string) bool { return strings.TrimSpace(v.body) == text }

// squeezed gives the body without the white space between tags, for pages that are compared as a whole.
func (v *view) squeezed() string {
	var b bytes.Buffer
	for line := range strings.Lines(v.body) {
		b.WriteString(strings.TrimSpace(line))
	}
	return b.String()
}
