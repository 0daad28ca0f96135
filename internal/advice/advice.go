package advice

import (
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// directive is one thing to set in a product, ready to paste.
type directive struct {
	where string            // the block or file that it belongs into; empty where only one is possible
	set   string            // the directive in the product's own syntax; empty for advice that is no directive
	why   string            // what it does about the cause, and what to mind
	newer bool              // the product has it only since a release that is not everywhere yet; why says which
	since string            // that release, where it is known: left out for a product that says it is older
	fits  func(*Facts) bool // whether it can work with what the lines show; nil for always
}

// String gives the directive with a comment behind it that says where it goes and what it does.
func (d directive) String() string {
	switch {
	case d.set == "":
		return d.why
	case d.where == "":
		return d.set + "   # " + d.why
	}
	return d.set + "   # " + d.where + ": " + d.why
}

// table has a product's directives by cause.
type table map[fault.Cause][]directive

// tables has each product's table. A product that is another one with additions has that one's as well: kin.
var tables = map[string]table{
	"nginx": ofNginx, "ingress-nginx": ofIngressNginx, "kong": ofKong, "haproxy": ofHAProxy, "envoy": ofEnvoy, "istio": ofIstio,
	"apache": ofApache, "caddy": ofCaddy, "traefik": ofTraefik, "alb": ofALB, "cloudflare": ofCloudflare, "cloudfront": ofCloudFront,
	"gcp": ofGCP, "varnish": ofVarnish, "squid": ofSquid, "trafficserver": ofTrafficServer, "iis": ofIIS, "heroku": ofHeroku,
	"gunicorn": ofGunicorn, "uwsgi": ofUWSGI, "php-fpm": ofPHPFPM, "puma": ofPuma, "node": ofNode, "tomcat": ofTomcat, "linux": ofLinux,
}

var kin = map[string]string{"openresty": "nginx", "istio": "envoy", "systemd": "linux"}

// FamilyOf gives the product whose lines another product's are: ingress-nginx, Kong and OpenResty write nginx's.
func FamilyOf(product string) string {
	switch product {
	case "ingress-nginx", "kong", "openresty", "nginx-auth":
		return "nginx"
	case "istio":
		return "envoy"
	}
	return product
}

// Knows reports whether there is a table for a product, or for the one that it is a kind of.
func Knows(product string) bool { return tables[product] != nil || kin[product] != "" }

// For says what to do about a cause where the product met it, if nothing more is known. It is never empty.
func For(product string, c fault.Cause) []string { return Of(&Facts{Product: product, Cause: c}) }

// Settings gives what to set in a product about a cause, in its own syntax; none where nothing is known.
func Settings(product string, c fault.Cause) []string {
	return (&Facts{Product: product, Cause: c}).settings()
}

// Of says what to do about what the facts tell: what the line's words call for, then what the kind of address does, then the
// catalogue's advice, whose first line goes to the root, with what to set in the product's own syntax behind that line. For
// any product except Whygate it is without what is about Whygate's own configuration. It is never empty.
func Of(f *Facts) []string {
	if !plain(f.Upstream) && f.Upstream != "" { // it goes into commands
		safe := *f
		safe.Upstream = ""
		f = &safe
	}
	general := f.Cause.Entry().Advice
	if f.Product == "whygate" {
		return general
	}
	var lines []string
	s := f.Story.story()
	if s != nil {
		lines = f.render(lines, s.do)
		if s.alone {
			return lines
		}
	}
	lines = f.render(lines, placeAdvice(f))
	lines = f.render(lines, decided(f))
	own := f.render(f.settings(), laterAdvice(f))
	if f.alone() {
		own = nil
	}
	if f.placed() {
		lines, own = append(lines, own...), nil
	}
	for i, line := range foreignAdvice(general) {
		if line != "" && !(i == 0 && f.placed()) {
			lines = append(lines, line)
			if i == 0 {
				lines, own = append(lines, own...), nil
			}
		}
	}
	if own != nil { // the catalogue's first line is about Whygate alone
		lines = append(own, lines...)
	}
	if len(lines) == 0 {
		return []string{"Read the proxy's own error log at that second: it has the reason."}
	}
	return unique(lines)
}

// settings gives what to set in the product, as far as it can work.
func (f *Facts) settings() []string {
	var lines []string
	for name := f.Product; name != ""; name = kin[name] {
		lines = f.render(lines, tables[name][f.Cause])
	}
	return lines
}

// decided gives what the application's table says, where its own line told the cause.
func decided(f *Facts) []directive {
	if f.Decider == "" || f.Decider == f.Product {
		return nil
	}
	return tables[f.Decider][f.Cause]
}

// render appends the directives that can work, with the values that the lines show.
func (f *Facts) render(lines []string, list []directive) []string {
	for _, d := range list {
		if d.fits != nil && !d.fits(f) || d.since != "" && older(f.Version, d.since) {
			continue
		}
		if strings.Contains(d.set, "{longer:") {
			if f.Waited >= longEnough {
				d = tooLong(f)
			} else if f.Waited > 0 {
				d.why = f.ranOut() + "; " + d.why
			}
		}
		set, ok := f.inModule(f.fill(d.set))
		if !ok {
			continue
		}
		d.set = set
		d.why, _ = f.inModule(f.fill(d.why))
		lines = append(lines, d.String())
	}
	return lines
}

func unique(lines []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(lines, func(line string) bool {
		was := seen[line]
		seen[line] = true
		return was
	})
}

// ownWords are the names of Whygate's configuration keys, of its commands and of what it keeps.
var ownWords = [...]string{
	"pools.", "timeouts.", "limits.connections", "limits.request", "limits.response", "limits.idle", "limits.head", "resolver.servers", "resolver.timeout", "whygate", "incident", "stage select",
}

// isOwn reports whether a text is about Whygate's own configuration.
func isOwn(text string) bool {
	for _, word := range ownWords {
		if strings.Contains(strings.ToLower(text), word) && !strings.Contains(text, "whygate explain") {
			return true
		}
	}
	return false
}

// Foreign gives a line of the catalogue as it is said of another program: up to the semicolon before what is about Whygate's
// own configuration, and empty where nothing is left.
func Foreign(line string) string {
	if !isOwn(line) {
		return line
	}
	if open := strings.Index(line, " ("); open > 0 { // (timeouts.read in Whygate)
		if end := strings.IndexByte(line[open:], ')'); end > 0 && isOwn(line[open:open+end]) {
			return Foreign(line[:open] + line[open+end+1:])
		}
	}
	var kept []string
	for part := range strings.SplitSeq(strings.TrimSuffix(line, "."), "; ") {
		if isOwn(part) { // what follows goes on about it
			break
		}
		kept = append(kept, part)
	}
	if len(kept) == 0 {
		return ""
	}
	text := strings.Join(kept, "; ") + "."
	return strings.ToUpper(text[:1]) + text[1:]
}

// foreignAdvice gives the catalogue's advice as it is said of another program, empty where a line is about Whygate alone. What
// begins with "or" stands by itself where the line before it is left out.
func foreignAdvice(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = Foreign(line)
		if rest, found := strings.CutPrefix(out[i], "Or "); found && i > 0 && out[i-1] == "" {
			out[i] = strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return out
}

// ForeignAll gives the lines as they are said of another program: see Foreign.
func ForeignAll(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		if line = Foreign(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
