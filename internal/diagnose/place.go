package diagnose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/fault"
)

// On is what advice is about: the cause, and what is known of the place where it was met.
type On struct {
	Product string // the stack that listens there or made the answer; empty if not known
	Cause   fault.Cause
	Visited bool          // it is about the URL that was asked for, and not about an upstream behind it
	URL     *Target       // what was asked for
	At      *Target       // the upstream that is at fault, or the only one there is; nil if not known
	Names   []string      // what the certificate at fault is for
	Config  []ConfigPlace // the lines of the configuration that lead there
}

// on gathers what is known of the verdict's place.
func (r *Report) on(v *Verdict) On {
	o := On{Product: v.Product, Cause: v.Cause, URL: &r.Walk.Target, Config: v.Config}
	w := r.blamed(v)
	switch {
	case w == nil:
	case w == r.Walk && !w.Target.Upstream:
		o.Visited = !w.main().answered() || aboutTheVisit(v.Cause) || slices.ContainsFunc(w.Path, func(p *Path) bool { return p.Cause == v.Cause })
	default:
		o.At = &w.Target
	}
	if o.At == nil && !o.Visited && len(r.Upstreams) == 1 {
		o.At = &r.Upstreams[0].Target
	}
	if w != nil && w.TLS != nil && len(w.TLS.Chain) > 0 {
		o.Names = w.TLS.Chain[0].Names
	}
	return o
}

// aboutTheVisit reports whether an answer tells of how the URL was asked for.
func aboutTheVisit(c fault.Cause) bool {
	return c == fault.CausePlainToTLSPort || c == fault.CauseTLSToPlainPort || c == fault.CauseTLSClientCertificateRequired
}

// StackAdvice says what to do about a cause: for the URL itself in terms of it, for what is behind it in the product's own directives,
// with the addresses, files and lines that are known. It is never empty.
func StackAdvice(o On) []string {
	if o.Visited {
		return visitedAdvice(o)
	}
	var out []string
	directed := false
	for _, line := range advice.For(o.Product, o.Cause) {
		isDirective := strings.Contains(line, comment)
		if line = o.concrete(line); line != "" {
			out, directed = append(out, line), directed || isDirective
		}
	}
	if directed { // it says so in the product's words
		out = slices.DeleteFunc(out, func(line string) bool {
			return !strings.Contains(line, comment) && strings.HasPrefix(line, "Write the endpoint")
		})
	}
	return out
}

// comment stands before what a directive is for.
const comment = "   # "

// What the products' tables write where they cannot know: this endpoint, its name, its socket, another address, the site.
var (
	exampleEndpoint = regexp.MustCompile(`(10\.0\.0\.7|app\.internal):\d+`)
	exampleName     = regexp.MustCompile(`\bapp\.internal\b`)
	exampleSocket   = regexp.MustCompile(`/run/app/app\.sock`)
	exampleAnother  = regexp.MustCompile(`\b10\.0\.0\.\d+(:\d+)?`)
	exampleSite     = regexp.MustCompile(`\bshop\.example\.com\b`)
)

// concrete puts what is known into a line of a product's advice. What is not known is a word in capitals that no program takes for an
// address: an example that is pasted would be a new fault. It is empty for a line that belongs into a block which there is not.
func (o *On) concrete(line string) string {
	set, why, isDirective := strings.Cut(line, comment)
	socket := "/PATH/OF/SOCKET"
	if o.At != nil && o.At.Network == "unix" {
		socket = o.At.Host
	} else if o.At != nil {
		line = exampleEndpoint.ReplaceAllLiteralString(line, o.At.label())
	}
	line = exampleSocket.ReplaceAllLiteralString(line, socket)
	name := "NAME"
	switch {
	case o.Cause == fault.CauseTLSCertificateWrongName && len(o.Names) > 0:
		name = strings.TrimPrefix(o.Names[0], "*.")
	case o.Cause != fault.CauseTLSCertificateWrongName && o.At != nil && o.At.ServerName != "":
		name = o.At.ServerName
	}
	line = exampleName.ReplaceAllLiteralString(line, name)
	line = exampleSite.ReplaceAllLiteralString(line, o.URL.Host)
	line = exampleAnother.ReplaceAllStringFunc(line, func(example string) string {
		if strings.Contains(example, ":") {
			return "ADDRESS:PORT"
		}
		return "ADDRESS"
	})
	if !isDirective {
		return line
	}
	block, _, placed := strings.Cut(why, ": ")
	if !placed || strings.Contains(block, " ") || len(o.Config) == 0 {
		return line
	}
	filled, _, _ := strings.Cut(line, comment)
	place := o.line(filled, block)
	if place == "" {
		if block == "upstream" { // the upstream is named in the route itself, and there is no such block
			return ""
		}
		return line
	}
	if strings.Contains(firstWord(set), "next_upstream") && o.line("", "upstream") == "" {
		return "" // nor is there a next one
	}
	set, why, _ = strings.Cut(line, comment)
	set = o.named(set)
	return set + comment + strings.Replace(why, block, block+", "+place, 1)
}

// named gives a server line of HAProxy the name that the server has.
func (o *On) named(set string) string {
	rest, isServer := strings.CutPrefix(set, "server app ")
	if !isServer || o.At == nil {
		return set
	}
	for _, c := range o.Config {
		if words := strings.Fields(c.Text); len(words) > 2 && words[0] == "server" && words[2] == o.At.label() {
			return "server " + words[1] + " " + rest
		}
	}
	return set
}

// passes are nginx's directives that name the upstream in a location.
var passes = []string{"proxy_pass", "fastcgi_pass", "uwsgi_pass", "grpc_pass", "scgi_pass"}

// line is where a directive goes: in the place of the same one, or beside a line of its block. It is empty where neither is known.
func (o *On) line(set, block string) string {
	directive := firstWord(set)
	for _, c := range o.Config {
		word := firstWord(c.Text)
		one := word != "server" && word != "BalancerMember" // there are several of these, and only that of the same address is meant
		if word == directive && (one || o.At != nil && strings.Contains(set, o.At.label()) && strings.Contains(c.Text, o.At.label())) {
			return fmt.Sprintf("in place of %s:%d", c.File, c.Line)
		}
	}
	for _, c := range o.Config {
		word := firstWord(c.Text)
		if block == "upstream" && word == "server" || block == "location" && slices.Contains(passes, word) || block == "balancer" && word == "BalancerMember" {
			return fmt.Sprintf("beside %s:%d", c.File, c.Line)
		}
	}
	return ""
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return word
}

// telling is what lines of a configuration have to do with a cause; a cause that is not here is told by where the request goes.
var telling = []struct {
	word   string // a part of the directive
	causes []fault.Cause
}{
	{"connect", []fault.Cause{fault.CauseConnectTimeout, fault.CauseKernelConnectTimeout, fault.CauseTLSHandshakeTimeout}},
	{"resolver", []fault.Cause{fault.CauseDNSNXDomain, fault.CauseDNSNoData, fault.CauseDNSServFail, fault.CauseDNSRefused, fault.CauseDNSError, fault.CauseDNSTimeout, fault.CauseDNSUnreachable, fault.CauseDNSNoResolver}},
	{"ssl", nil},
	{"tls", nil},
	{"verify", nil},
	{"sni", nil},           // by the name of the cause
	{"next_upstream", nil}, // never the reason
}

// broughtBy reports whether a setting may have to do with the cause. What is refused, or cannot be reached, is so whatever the timeouts
// and headers are.
func broughtBy(c fault.Cause, text string) bool {
	name, directive := c.String(), firstWord(text)
	early := c == fault.CauseConnectionRefused || c == fault.CauseHostUnreachable || c == fault.CauseNetworkUnreachable || c == fault.CauseFirewallRejected ||
		strings.HasPrefix(name, "dns-") || strings.HasPrefix(name, "socket-") || c == fault.CauseConnectTimeout || c == fault.CauseKernelConnectTimeout
	secure := strings.HasPrefix(name, "tls-") || c == fault.CausePlainToTLSPort
	for _, t := range telling {
		if !strings.Contains(directive, t.word) {
			continue
		}
		if t.causes != nil {
			return slices.Contains(t.causes, c)
		}
		return secure && t.word != "next_upstream"
	}
	return !early && !secure
}
