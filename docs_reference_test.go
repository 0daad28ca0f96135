package whygate

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/lab"
	"github.com/whygate/whygate/internal/statuscode"
)

// The pages of docs/codes and docs/causes are made here from the same values that the command line prints.

// generatedNote is the first line of each page: who edits it would lose the edit.
const generatedNote = "<!-- Made from internal/%s by: go test . -run TestGenerated -update -->\n\n"

// referencePages gives every generated page of the two references by its path.
func referencePages() map[string][]byte {
	pages := map[string][]byte{"docs/codes/README.md": codesIndex(), "docs/causes/README.md": causesIndex()}
	for _, e := range statuscode.All() {
		pages["docs/codes/"+codeFile(e.Code)] = codePage(e)
	}
	for _, e := range fault.Catalogue() {
		pages["docs/causes/"+e.Slug+".md"] = causePage(e)
	}
	return pages
}

// codeFile is the name of a code's page. A name may not begin with a hyphen: it would look like an option.
func codeFile(code string) string { return strings.Replace(code, "-", "minus-", 1) + ".md" }

// text makes prose safe for Markdown: what has a meaning there is escaped.
func text(s string) string {
	return strings.NewReplacer("<", "&lt;", "*", "\\*", "|", "\\|", "`", "\\`", "~", "\\~").Replace(s)
}

func codesIndex() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, generatedNote, "statuscode")
	b.WriteString("# Status codes\n\nEvery code of IANA's registry and the unofficial ones that somebody who runs a gateway meets. " +
		"`whygate code 502` prints the same on the command line. The guides to read first: [502](502.md), [503](503.md), [504](504.md).\n")
	class := ""
	var substatuses []*statuscode.Entry
	for _, e := range statuscode.All() {
		if e.Kind == statuscode.Substatus {
			substatuses = append(substatuses, e)
			continue
		}
		if e.Class() != class {
			class = e.Class()
			fmt.Fprintf(&b, "\n## %s\n\n| Code | Name | Defined in |\n|---|---|---|\n", class)
		}
		where := e.Source
		if e.Owner != "" {
			where = e.Owner
		}
		fmt.Fprintf(&b, "| [%s](%s) | %s | %s |\n", e.Code, codeFile(e.Code), text(e.Title), text(where))
	}
	b.WriteString("\n## Substatuses\n\nDetails behind a code in the logs and on the error pages of Microsoft IIS, and of Application Request Routing in it.\n\n| Code | Name |\n|---|---|\n")
	for _, e := range substatuses {
		fmt.Fprintf(&b, "| [%s](%s) | %s |\n", e.Code, codeFile(e.Code), text(e.Title))
	}
	return []byte(b.String())
}

func codePage(e *statuscode.Entry) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, generatedNote, "statuscode")
	fmt.Fprintf(&b, "# %s %s\n\n%s.", e.Code, text(e.Title), e.Class())
	switch e.Kind {
	case statuscode.Unofficial, statuscode.Substatus:
		fmt.Fprintf(&b, " Not registered; used by %s.", text(e.Owner))
	case statuscode.LogOnly:
		fmt.Fprintf(&b, " Never sent: it stands in the logs of %s.", text(e.Owner))
	}
	fmt.Fprintf(&b, " Defined in %s", text(e.Source))
	if e.Earlier != "" {
		fmt.Fprintf(&b, ", earlier in %s", text(e.Earlier))
	}
	fmt.Fprintf(&b, ".\n\n%s\n\n## What a gateway does with it\n\n%s\n", text(e.Meaning), text(e.Gateway))
	writeReasons(&b, e)
	b.WriteString("\n## What to do\n")
	for i, s := range e.Steps {
		fmt.Fprintf(&b, "\n%d. **%s.** %s\n\n   ```sh\n   %s\n   ```\n", i+1, text(s.Title), text(s.Do), s.Command)
	}
	writeCodeCauses(&b, e)
	fmt.Fprintf(&b, "\n## May the request be repeated?\n\n%s\n\n## May the response be cached?\n\n%s\n", text(e.Retry), text(e.Caching))
	if constants := e.Constants(); len(constants) > 0 {
		b.WriteString("\n## What it is called\n\n| Where | Name |\n|---|---|\n")
		for _, c := range constants {
			fmt.Fprintf(&b, "| %s | `%s` |\n", text(c.Place), c.Name)
		}
	}
	if e.Request != "" {
		fmt.Fprintf(&b, "\n## Example\n\n```http\n%s\n```\n\n```http\n%s\n```\n", strings.TrimSuffix(e.Request, "\n"), strings.TrimSuffix(e.Response, "\n"))
	}
	writeCodeLinks(&b, "In the logs of IIS, more precisely", e.Substatuses())
	var related []*statuscode.Entry
	for _, code := range e.Related {
		related = append(related, statuscode.ByCode(code))
	}
	writeCodeLinks(&b, "Related", related)
	b.WriteString("\n[All status codes](README.md) · [All causes](../causes/README.md)\n")
	return []byte(b.String())
}

func writeReasons(b *strings.Builder, e *statuscode.Entry) {
	if len(e.Reasons) == 0 {
		return
	}
	b.WriteString("\n## Common causes\n\n")
	for _, r := range e.Reasons {
		fmt.Fprintf(b, "- **%s.** %s\n", r.Family.Title(), text(r.Text))
	}
}

func writeCodeCauses(b *strings.Builder, e *statuscode.Entry) {
	if len(e.Causes) == 0 {
		return
	}
	b.WriteString("\n## Causes in the catalogue\n")
	for _, g := range e.ByFamily() {
		if len(g.Causes) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n%s:\n\n", g.Family.Title())
		for _, c := range g.Causes {
			fmt.Fprintf(b, "- [%s](../causes/%s.md): %s\n", c, c, text(c.Entry().Title))
		}
	}
}

func writeCodeLinks(b *strings.Builder, heading string, entries []*statuscode.Entry) {
	if len(entries) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n", heading)
	for _, e := range entries {
		fmt.Fprintf(b, "- [%s %s](%s)\n", e.Code, text(e.Title), codeFile(e.Code))
	}
}

func causesIndex() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, generatedNote, "fault")
	b.WriteString("# Causes\n\nWhat makes a gateway answer with an error, by family: what happened, what proves it, what to do. " +
		"`whygate cause keepalive-race` prints the same on the command line; the access log, incidents and `whygate explain` use the same slugs. " +
		"The status codes have [pages of their own](../codes/README.md).\n")
	for f := fault.FamilyOverload; int(f) < fault.Families; f++ {
		fmt.Fprintf(&b, "\n## %s\n\n| Cause | Status | What happened |\n|---|---|---|\n", f.Title())
		for _, e := range fault.Catalogue() {
			if e.Family == f {
				fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s |\n", e.Slug, e.Slug, statusLink(e), text(e.Title))
			}
		}
	}
	return []byte(b.String())
}

// statusLink is the status that a cause is answered with, as a link to its page.
func statusLink(e *fault.Entry) string {
	status := fault.Fault{Type: e.Type, Cause: e.Cause}.Status()
	if status == 0 {
		return "passed on"
	}
	code := strconv.Itoa(status)
	return fmt.Sprintf("[%s](../codes/%s)", code, codeFile(code))
}

func causePage(e *fault.Entry) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, generatedNote, "fault")
	fmt.Fprintf(&b, "# %s\n\n`%s` · %s · ", text(e.Title), e.Slug, e.Family.Title())
	switch {
	case e.Cause == fault.CauseClientLeft:
		fmt.Fprintf(&b, "logged as %s, nobody is left to be answered", statusLink(e))
	case e.Type == fault.TypeNone:
		b.WriteString("the upstream's own answer is passed on, without an error in `Proxy-Status`")
	default:
		fmt.Fprintf(&b, "answered with %s and `Proxy-Status: …; error=%s` (RFC 9209)", statusLink(e), e.Type)
	}
	fmt.Fprintf(&b, "\n\n## What happened\n\n%s\n\n## What proves it\n\n", text(e.Meaning))
	for _, p := range e.Proof {
		fmt.Fprintf(&b, "- %s\n", text(p))
	}
	b.WriteString("\n## What to do\n\n")
	for i, a := range e.Advice {
		fmt.Fprintf(&b, "%d. %s\n", i+1, text(a))
	}
	fmt.Fprintf(&b, "\n## May the request be repeated?\n\n%s\n", text(e.Retry))
	writeSettings(&b, e)
	if reports := e.Reports(); len(reports) > 0 {
		b.WriteString("\n## How other proxies report it\n\n| Proxy | What its client gets, and what its log says |\n|---|---|\n")
		for _, r := range reports {
			name := r.Proxy
			if r.Version != "" {
				name += " (" + r.Version + ")"
			}
			fmt.Fprintf(&b, "| %s | %s |\n", name, text(r.Text))
		}
	}
	writeScenarios(&b, e)
	b.WriteString("\n## Related\n\n")
	for _, c := range e.Related {
		fmt.Fprintf(&b, "- [%s](%s.md): %s\n", c, c, text(c.Entry().Title))
	}
	b.WriteString("\n[All causes](README.md) · [All status codes](../codes/README.md)\n")
	return []byte(b.String())
}

// writeSettings says what to set in each product: what whygate explain advises beyond the catalogue.
func writeSettings(b *strings.Builder, e *fault.Entry) {
	heading := "\n## What to set\n\n| Product | Setting |\n|---|---|\n"
	for _, product := range settingProducts {
		for _, line := range advice.Settings(product, e.Cause) {
			fmt.Fprintf(b, "%s| %s | %s |\n", heading, product, text(line))
			heading = ""
		}
	}
}

// settingProducts are those whose settings a cause's page has, the proxies first.
var settingProducts = []string{
	"nginx", "haproxy", "envoy", "apache", "caddy", "traefik", "alb", "gcp", "cloudflare", "varnish", "iis",
	"gunicorn", "uwsgi", "php-fpm", "puma", "node", "tomcat", "linux",
}

// writeScenarios names the lab's scenarios that provoke a cause, or in which a proxy sees the same.
func writeScenarios(b *strings.Builder, e *fault.Entry) {
	names := append(lab.Of(e.Cause), e.SeenIn()...)
	if len(names) == 0 {
		return
	}
	b.WriteString("\n## How to reproduce it\n\n`whygate lab show NAME` has the bytes and the timing of each, `whygate lab score nginx --only NAME` plays it through a proxy.\n\n")
	for _, name := range names {
		fmt.Fprintf(b, "- `%s`: %s\n", name, text(lab.Get(name).Does))
	}
}

// TestScenarios: what a cause names is a scenario of the lab, and a cause that nothing in the lab reproduces is listed with
// the reason.
func TestScenarios(t *testing.T) {
	for _, e := range fault.Catalogue() {
		for _, name := range e.SeenIn() {
			if lab.Get(name) == nil {
				t.Errorf("%s: the lab has no scenario %q", e.Slug, name)
			}
		}
		reproduced := len(lab.Of(e.Cause))+len(e.SeenIn()) > 0
		why := notInLab[e.Cause]
		if why == "" && (e.Family == fault.FamilyClient || e.Family == fault.FamilyGateway) {
			continue // the lab is an upstream: what its client or the gateway itself does wrong is not its matter
		}
		if reproduced == (why != "") {
			t.Errorf("%s: in the lab %v, and why not: %q", e.Slug, reproduced, why)
		}
	}
}

// What keeps a cause out of the lab.
const (
	ofTheGateway = "a setting or a state of the gateway decides it, not what its upstream does"
	ofHTTP2      = "the lab's upstreams of HTTP/2 and gRPC do not do it yet"
	ofTheRequest = "the request decides it"
)

// notInLab are the causes that no scenario shows, with the reason.
var notInLab = map[fault.Cause]string{
	fault.CauseUnknown:              "it has no story",
	fault.CauseNetworkError:         "each is an error of its own",
	fault.CauseDNSUnreachable:       "the lab's name server always listens",
	fault.CauseSocketPermission:     "root, which plays the lab, may connect to every socket",
	fault.CauseCachedError:          "the lab has no cache",
	fault.CauseWrongHost:            "the lab's upstreams answer to every name",
	fault.CauseUpgradeRefused:       "no scenario asks for an upgrade",
	fault.CauseUnaskedInterim:       "no scenario asks by HTTP/1.0 for an interim answer",
	fault.CauseAddressProhibited:    ofTheGateway,
	fault.CauseConnectionLimit:      ofTheGateway,
	fault.CauseNoEndpoints:          ofTheGateway,
	fault.CauseNoRoute:              ofTheGateway,
	fault.CauseProxyLoop:            ofTheGateway,
	fault.CauseOwnLimit:             ofTheGateway,
	fault.CauseShuttingDown:         ofTheGateway,
	fault.CauseCircuitOpen:          ofTheGateway,
	fault.CauseQueueFull:            ofTheGateway,
	fault.CauseQueueTimeout:         ofTheGateway,
	fault.CauseResponseBlocked:      ofTheGateway,
	fault.CauseResponseBodyTooLarge: ofTheGateway,
	fault.CauseRequestDenied:        ofTheRequest,
	fault.CauseGRPCOverHTTP1:        ofTheRequest,
	fault.CauseGRPCDeadline:         ofTheRequest,
	fault.CauseGRPCStatusMissing:    ofHTTP2,
	fault.CauseHTTP2StreamLimit:     ofHTTP2,
	fault.CauseHTTP2ConnectionDead:  ofHTTP2,
}

// TestNamedKeys: each key of the configuration that a cause or a code names is one that there is.
func TestNamedKeys(t *testing.T) {
	reference := config.Reference()
	key := regexp.MustCompile(`\b(?:pools\.NAME\.[a-z_]+(?:\.[a-z_]+)*|(?:timeouts|limits|resolver)\.[a-z_]+)`) // and resources.limits is Kubernetes'

	named := 0
	for _, e := range fault.Catalogue() {
		for _, s := range append(append([]string{e.Meaning}, e.Proof...), e.Advice...) {
			for _, k := range key.FindAllString(strings.ReplaceAll(s, "resources.limits.", ""), -1) {
				named++
				if !strings.Contains(reference, "`"+k+"`") && !strings.Contains(reference, "`pools.NAME."+k+"`") {
					t.Errorf("%s names %s, and there is no such key: %q", e.Slug, k, s)
				}
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d keys are named", named)
	}
}
