package diagnose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
	"github.com/whygate/whygate/internal/redact"
)

// A 200 is not yet health: what a page is, apart from its status.

// Bounds of what is taken for a page of a server rather than of a site.
const (
	pageMax     = 24 << 10 // octets of a default page: Apache's of Debian is the largest, at some 11 KiB
	softTextMax = 600      // characters that an error page with status 200 shows: an article on errors is longer
)

// ofContent reads an answer of 200 to 299.
func ofContent(w *Walk, x *Exchange) *finding {
	for _, read := range [...]func(*Walk, *Exchange) *finding{ofChallenge, ofCoding, ofCompressed, ofSoftError, ofDefaultPage, ofOtherSite} {
		if f := read(w, x); f != nil {
			return f
		}
	}
	return nil
}

// strangers are pages that stand where a site is not set up: a title, and words beside it. Titles are compared whole, in lower case.
var strangers = []struct{ title, words, what string }{
	{"welcome to nginx!", "nginx", "nginx's default page"},
	{"welcome to openresty!", "openresty", "OpenResty's default page"},
	{"welcome to tengine!", "tengine", "Tengine's default page"},
	{"welcome to angie!", "angie", "Angie's default page"},
	{"test page for the nginx http server on", "nginx", "nginx's default page"},
	{"apache2 debian default page: it works", "", "Apache's default page"},
	{"apache2 ubuntu default page: it works", "", "Apache's default page"},
	{"apache2 default page: it works", "", "Apache's default page"},
	{"apache http server test page", "", "Apache's default page"},
	{"test page for the apache http server", "", "Apache's default page"},
	{"http server test page", "", "a web server's default page"},
	{"iis windows server", "", "IIS's default page"},
	{"iis windows", "", "IIS's default page"},
	{"microsoft internet information services", "", "IIS's default page"},
	{"caddy works!", "", "Caddy's default page"},
	{"welcome page", "lighttpd", "lighttpd's default page"},
	{"apache tomcat/", "successfully installed tomcat", "Tomcat's default page"},
	{"web server's default page", "", "Plesk's default page"},
	{"domain default page", "plesk", "Plesk's default page"},
	{"default web site page", "cpanel", "cPanel's default page"},
	{"default site", "nginx proxy manager", "Nginx Proxy Manager's default page"},
	{"welcome to xampp", "", "XAMPP's default page"},
	{"welcome to litespeed web server", "", "LiteSpeed's default page"},
	{"hello! welcome to synology web station!", "", "Synology's default page"},
	{"", "congratulations! you've successfully started the nginx proxy manager", "Nginx Proxy Manager's default page"},
	{"", "if you are the owner of this website, please contact your hosting provider", "a hosting provider's default page"},
	{"", "this ip is being shared among many domains", "a hosting provider's default page"},
	{"", "sorry! if you are the owner of this website", "cPanel's default page"},
}

// parked are the marks of services that show a page for any name that leads to them.
var parked = []string{
	"sedoparking.com", "parkingcrew.net", "bodis.com", "parklogic.com", "domainmarket.com", "hugedomains.com", "afternic.com", "this domain is parked", "this domain has been parked", "parked free, courtesy of",
	"domain is for sale", "domain may be for sale", "domain name is for sale", "buy this domain", "this domain has expired", "domain has expired", "this domain name expired", "the domain has been registered", "domain parking",
	`window.location.href="/lander"`, "this web page is parked", "diese domain ist geparkt", "domain steht zum verkauf", "future home of something quite cool", "this domain was recently registered",
}

// ofDefaultPage: a web server's own first page, or that of a service which parks names.
func ofDefaultPage(w *Walk, x *Exchange) *finding {
	if x.BodySize > pageMax || len(x.answer.Body) == 0 {
		return nil
	}
	body := strings.ToLower(string(x.answer.Body))
	text := strings.ToLower(plainText(x.answer.Body))
	for _, p := range parked {
		if strings.Contains(body, p) && len(text) < 4*softTextMax {
			return strange(w, x, "a page for a parked domain", "the page has "+strconv.Quote(p),
				"See who has the domain and until when (whois), and where its name servers lead: a lapsed or mistyped name ends at such a page.")
		}
	}
	title := strings.ToLower(pageTitle(x))
	for _, s := range strangers {
		whole := title == s.title || strings.HasSuffix(s.title, "/") && strings.HasPrefix(title, s.title) || strings.HasSuffix(s.title, " on") && strings.HasPrefix(title, s.title)
		if s.what == "" || s.title != "" && !whole || !strings.Contains(body, s.words) {
			continue
		}
		return strange(w, x, s.what, fmt.Sprintf("the page's title is %q", pageTitle(x)), "Give the server a site for the name "+w.Target.Authority+" (server_name, ServerName, Host), and see that the request reaches this server and no other.")
	}
	if strings.TrimSpace(body) == "<html><body><h1>it works!</h1></body></html>" {
		return strange(w, x, "Apache's default page", "the page is \"It works!\" and nothing else", "Give the server a site for the name "+w.Target.Authority+" (ServerName).")
	}
	return nil
}

func strange(w *Walk, x *Exchange, what, proof, advice string) *finding {
	return &finding{
		cause: fault.CauseWrongHost, confidence: Likely, sentence: fmt.Sprintf("%s answers %d with %s: it has no site for %s", w.Target.label(), x.Status, what, w.Target.Authority),
		proof: []string{proof}, advice: []string{advice}, missing: []string{"whether the page is meant: the site's own has another title"},
	}
}

// pageTitle is the title of a page, empty where it has none.
func pageTitle(x *Exchange) string {
	m := titleOf.FindSubmatch(x.answer.Body)
	if m == nil {
		return ""
	}
	return plainText(m[1])
}

// Where a page says which site it belongs to.
var (
	canonicalLink = regexp.MustCompile(`(?i)<link\b[^>]*\brel=["']?canonical["']?[^>]*>`)
	siteMeta      = regexp.MustCompile(`(?i)<meta\b[^>]*\bproperty=["']?og:url["']?[^>]*>`)
	linkValue     = regexp.MustCompile(`(?i)\b(?:href|content)=["']?(https?://[^"'\s>]+)`)
	hostTitle     = regexp.MustCompile(`(?i)^(?:welcome to |site |this is )?((?:[a-z0-9-]+\.)+[a-z]{2,24})[.!]?$`)
)

// ofOtherSite: the page says that it belongs to another name, or its cookies are for another. What a page says of itself counts where
// the server gives the same to a name that nobody has: then it has no site for ours either.
func ofOtherSite(w *Walk, x *Exchange) *finding {
	asked := siteAsked(w)
	other, proof, sure := x.otherSite(asked)
	if other == "" || !sure && !sameAnswer(x, w.HTTP.Stranger) {
		return nil
	}
	f := &finding{
		cause: fault.CauseWrongHost, confidence: Likely, sentence: fmt.Sprintf("%s answers %d with a page of another site, %s, and not of %s", w.Target.label(), x.Status, other, asked),
		proof:   []string{proof},
		advice:  []string{"Give the server a site for the name " + asked + ": without one it answers with its first, or its default."},
		missing: []string{"whether " + asked + " and " + other + " are meant to be one site"},
	}
	if sameAnswer(x, w.HTTP.Stranger) {
		f.proof = append(f.proof, "asked for "+strangerHost+", which nobody has, the same page comes")
	}
	return f
}

// strangerHost is a name that nobody has: RFC 6761, section 6.4.
const strangerHost = "whygate-asks.invalid"

// siteAsked is the name that a walk asks for, empty where it is an address or a name of this machine.
func siteAsked(w *Walk) string {
	asked, _, err := net.SplitHostPort(w.Target.Authority)
	if err != nil {
		asked = w.Target.Authority
	}
	asked = strings.ToLower(strings.TrimSuffix(asked, "."))
	if net.ParseIP(strings.Trim(asked, "[]")) != nil || !strings.Contains(asked, ".") {
		return ""
	}
	return asked
}

// sameAnswer reports whether another exchange was answered with the same page.
func sameAnswer(x, other *Exchange) bool {
	return other.answered() && other.Status == x.Status && (bytes.Equal(x.answer.Body, other.answer.Body) || pageTitle(x) != "" && pageTitle(x) == pageTitle(other))
}

// otherSite gives the name of another site that a page belongs to by what it says, empty where it says none. It is sure where a browser
// could not use the page under the name that was asked for.
func (x *Exchange) otherSite(asked string) (other, proof string, sure bool) {
	if asked == "" {
		return "", "", false
	}
	for _, f := range x.answer.Fields {
		if domain := cookieDomain(f); domain != "" && !sameSite(domain, asked) {
			return domain, "its cookie is for the domain " + domain + ", and a browser refuses it", true
		}
	}
	for _, mark := range [...]*regexp.Regexp{canonicalLink, siteMeta} {
		if m := linkValue.FindSubmatch(mark.Find(x.answer.Body)); m != nil {
			if u, err := url.Parse(string(m[1])); err == nil && u.Hostname() != "" && !sameSite(strings.ToLower(u.Hostname()), asked) {
				return strings.ToLower(u.Hostname()), "the page names " + firstLine([]byte(redact.URL(string(m[1])))) + " as its own address", false
			}
		}
	}
	for _, text := range [...]string{pageTitle(x), firstHeading(x)} {
		if m := hostTitle.FindStringSubmatch(text); m != nil && !sameSite(strings.ToLower(m[1]), asked) {
			return strings.ToLower(m[1]), fmt.Sprintf("the page calls itself %q", text), false
		}
	}
	return "", "", false
}

// cookieDomain is the domain of a Set-Cookie field, empty where it has none.
func cookieDomain(f fingerprint.Field) string {
	if !strings.EqualFold(f.Name, "Set-Cookie") {
		return ""
	}
	for part := range strings.SplitSeq(f.Value, ";") {
		if name, value, _ := strings.Cut(strings.TrimSpace(part), "="); strings.EqualFold(name, "Domain") {
			return strings.ToLower(strings.TrimPrefix(value, "."))
		}
	}
	return ""
}

// sameSite reports whether two names have their last two labels in common: www.shop.test and shop.test.
func sameSite(a, b string) bool {
	end := func(host string) string {
		labels := strings.Split(strings.TrimSuffix(asciiOr(host), "."), ".")
		return strings.Join(labels[max(0, len(labels)-2):], ".")
	}
	return end(a) == end(b)
}

var heading = regexp.MustCompile(`(?is)<h1[^>]*>(.*?)</h1>`)

// firstHeading is a page's first heading.
func firstHeading(x *Exchange) string {
	m := heading.FindSubmatch(x.answer.Body)
	if m == nil {
		return ""
	}
	return plainText(m[1])
}

// errorTitle is what error pages call themselves: a status of 4xx or 5xx with its words.
var errorTitle = regexp.MustCompile(`(?i)^(?:error |http error |http status )?([45]\d\d)\b[ \-–:|]*(.{0,40})$`)

// softWords are beginnings of pages and titles that tell of a failure whatever their status.
var softWords = []struct {
	words string
	cause fault.Cause
}{
	{"error establishing a database connection", fault.CauseApplicationError},
	{"fatal error", fault.CauseApplicationError},
	{"parse error", fault.CauseApplicationError},
	{"php fatal error", fault.CauseApplicationError},
	{"traceback (most recent call last)", fault.CauseApplicationError},
	{"internal server error", fault.CauseApplicationError},
	{"whoops, looks like something went wrong", fault.CauseApplicationError},
	{"an unhandled exception occurred", fault.CauseApplicationError},
	{"database error", fault.CauseApplicationError},
	{"could not connect to the database", fault.CauseApplicationError},
	{"service unavailable", fault.CauseUpstreamStatus},
	{"service temporarily unavailable", fault.CauseUpstreamStatus},
	{"bad gateway", fault.CauseUpstreamStatus},
	{"gateway timeout", fault.CauseUpstreamStatus},
	{"gateway time-out", fault.CauseUpstreamStatus},
	{"application error", fault.CauseApplicationError},
	{"we're sorry, but something went wrong", fault.CauseApplicationError},
}

// closedWords say of a page that the site is closed for a while.
var closedWords = []string{
	"under maintenance", "maintenance mode", "down for maintenance", "site maintenance", "scheduled maintenance", "undergoing maintenance", "maintenance in progress", "be right back", "back soon", "be back shortly",
	"temporarily closed", "temporarily down", "temporarily unavailable", "wartungsarbeiten", "wartungsmodus", "wegen wartung", "en mantenimiento", "en maintenance", "in manutenzione", "in onderhoud",
}

// ofSoftError: an error or maintenance page that says 200.
func ofSoftError(w *Walk, x *Exchange) *finding {
	s := soft(x)
	if s == nil {
		return nil
	}
	f := &finding{cause: s.cause, confidence: Likely, proof: []string{fmt.Sprintf("the status is %d, and the page says: %s", x.Status, s.words)}}
	f.sentence = fmt.Sprintf("%s answers %d with an error page: %s", w.Target.label(), x.Status, s.words)
	if s.cause == fault.CauseMaintenance {
		f.sentence = fmt.Sprintf("%s answers %d with a page that says it is being maintained", w.Target.label(), x.Status)
	}
	f.advice = []string{"Let the page have the status that it tells of (nginx: error_page 503 without =200): monitors, caches and search engines take a 200 for a good page."}
	if s.as != nil {
		if own := ofAnswer(w, s.as); own != nil && own.cause != fault.CauseNone {
			f.cause, f.proof = own.cause, append(f.proof, own.proof...)
			f.sentence = fmt.Sprintf("%s, and that with status %d", own.sentence, x.Status)
		}
	}
	return f
}

// softened is what a page of success says in truth.
type softened struct {
	cause fault.Cause
	words string
	as    *Exchange // the same with the status that the page tells of, nil where it tells of none
}

// soft reads what a page of success says in truth; nil where it is none of an error.
func soft(x *Exchange) *softened {
	if !x.answered() || x.Status >= 300 || x.BodySize > pageMax || len(x.answer.Body) == 0 {
		return nil
	}
	text := plainText(x.answer.Body)
	if s := softObject(x); s != nil {
		return s
	}
	if len(text) > softTextMax {
		return nil
	}
	shown := text[:min(len(text), bodyLineMax)]
	for _, title := range [...]string{pageTitle(x), firstHeading(x), text} {
		lower := strings.ToLower(title)
		if len(title) > 80 && !strings.HasPrefix(lower, "fatal error") && !strings.HasPrefix(lower, "traceback") && !strings.HasPrefix(lower, "parse error") {
			continue
		}
		if m := errorTitle.FindStringSubmatch(title); m != nil && isStatusWords(m[1], m[2]) {
			status, _ := strconv.Atoi(m[1])
			if status < 500 {
				return &softened{fault.CauseUpstreamStatus, shown, nil}
			}
			as := *x
			as.Status, as.answer.Status = status, status
			return &softened{fault.CauseUpstreamStatus, shown, &as}
		}
		for _, s := range softWords {
			if rest, begins := strings.CutPrefix(lower, s.words); begins && (rest == "" || rest[0] < 'a' || rest[0] > 'z') {
				return &softened{s.cause, shown, nil}
			}
		}
		if suspended.MatchString(title) && hoster.MatchString(text) && x.isPage() {
			return &softened{fault.CauseServiceStopped, shown, nil}
		}
		for _, words := range closedWords {
			if (strings.Contains(lower, words) || lower == "maintenance" || lower == "wartung") && x.isPage() {
				return &softened{fault.CauseMaintenance, shown, nil}
			}
		}
	}
	return nil
}

// isPage reports whether the answer is a page or a line of text, and no object of a program's.
func (x *Exchange) isPage() bool {
	kind := strings.ToLower(x.field("Content-Type"))
	return kind == "" || strings.HasPrefix(kind, "text/html") || strings.HasPrefix(kind, "text/plain") || strings.HasPrefix(kind, "application/xhtml")
}

// isStatusWords reports whether the words behind a status are that status' own, so that "500 ways to cook" is none.
func isStatusWords(status, words string) bool {
	words = strings.ToLower(strings.TrimSpace(words))
	for _, known := range [...]string{"", "error", "bad gateway", "service", "gateway time", "internal server error", "not found", "forbidden", "unauthorized", "too many requests", "server error", "proxy error", "bad request"} {
		if known == words || known != "" && strings.HasPrefix(words, known) {
			return status[0] == '5' || words != ""
		}
	}
	return false
}

// objectMax is the largest object that is read as a report of an error, in octets.
const objectMax = 2 << 10

// softObject: an object that has a status of 5xx in it.
func softObject(x *Exchange) *softened {
	body := bytes.TrimSpace(x.answer.Body)
	if len(body) == 0 || len(body) > objectMax || body[0] != '{' {
		return nil
	}
	var object map[string]any
	if json.Unmarshal(body, &object) != nil {
		return nil
	}
	for _, name := range [...]string{"status", "statusCode", "status_code", "code"} {
		number := 0
		switch v := object[name].(type) {
		case float64:
			number = int(v)
		case string:
			number, _ = strconv.Atoi(v)
		}
		if number >= 500 && number <= 599 && (object["message"] != nil || object["error"] != nil || object["title"] != nil || object["detail"] != nil) {
			as := *x
			as.Status, as.answer.Status = number, number
			return &softened{fault.CauseUpstreamStatus, escape(body[:min(len(body), bodyLineMax)]), &as}
		}
	}
	return nil
}
