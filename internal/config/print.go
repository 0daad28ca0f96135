package config

import (
	"fmt"
	"regexp"
	"strings"
)

// PrintFlags writes a Config made by FromFlags and Overrides as a file that means the same. What has its default is left out.
// The comment comes first, line by line.
func PrintFlags(c *Config, comment ...string) []byte {
	var b strings.Builder
	for _, line := range comment {
		fmt.Fprintf(&b, "# %s\n", line)
	}
	b.WriteString("version: 1\nlisten:\n")
	for _, l := range c.Listen {
		fmt.Fprintf(&b, "  - address: %s\n", Text(l.Address.String()))
		if l.TLS.Issue != "" {
			fmt.Fprintf(&b, "    tls: %s\n", l.TLS.Issue)
		}
	}
	printACME(&b, &c.ACME)
	for _, k := range []struct{ name, value, key string }{
		{"admin", c.Admin.String(), "admin"}, {"access_log", c.AccessLog.To, "access_log.to"}, {"error_pages", c.ErrorPages, "error_pages"},
	} {
		if k.value != find(k.key).def {
			fmt.Fprintf(&b, "%s: %s\n", k.name, Text(k.value))
		}
	}
	b.WriteString("routes:\n")
	for _, r := range c.Routes {
		printRoute(&b, &r)
	}
	b.WriteString("pools:\n")
	for _, p := range c.Pools {
		fmt.Fprintf(&b, "  %s:\n    endpoints:\n", Text(p.Name))
		for _, e := range p.Endpoints {
			fmt.Fprintf(&b, "      - %s\n", Text(e.String()))
		}
		printTLS(&b, p.TLS)
	}
	return []byte(b.String())
}

// printRoute writes a route to a pool, or one that redirects.
func printRoute(b *strings.Builder, r *Route) {
	dash := "  - "
	for _, k := range []struct{ name, value string }{{"host", r.Host}, {"scheme", r.Scheme}, {"pool", r.Pool}} {
		if k.value != "" {
			fmt.Fprintf(b, "%s%s: %s\n", dash, k.name, Text(k.value))
			dash = "    "
		}
	}
	if r.Redirect.To != "" {
		fmt.Fprintf(b, "%sredirect: {to: %s, status: %d}\n", dash, Text(r.Redirect.To), r.Redirect.Status)
	}
}

// printACME writes what of the section has not its default.
func printACME(b *strings.Builder, a *ACME) {
	head := "acme:\n"
	for _, k := range []struct{ name, value, def string }{{"email", a.Email, ""}, {"directory", a.Directory, DefaultDirectory}, {"ca", a.CA, ""}} {
		if k.value != k.def {
			fmt.Fprintf(b, "%s  %s: %s\n", head, k.name, Text(k.value))
			head = ""
		}
	}
}

func printTLS(b *strings.Builder, t UpstreamTLS) {
	if t == (UpstreamTLS{Verify: true}) {
		return
	}
	b.WriteString("    tls:\n")
	if t.CA != "" {
		fmt.Fprintf(b, "      ca: %s\n", Text(t.CA))
	}
	if t.ServerName != "" {
		fmt.Fprintf(b, "      server_name: %s\n", Text(t.ServerName))
	}
	if !t.Verify {
		b.WriteString("      verify: false\n")
	}
}

// plainText matches what is a word without quotes in YAML wherever it stands, and no number, boolean or null.
var plainText = regexp.MustCompile(`^(https?://[A-Za-z0-9.:-]+[A-Za-z0-9]|/[A-Za-z0-9._/-]+|[a-z]([a-z0-9.-]*[a-z])?)$`)

// Text writes a value so that it is read as it is: in quotes unless it is plain, with ${ as $${.
func Text(s string) string {
	switch s {
	case "null", "true", "false", "yes", "no", "on", "off":
	default:
		if plainText.MatchString(s) {
			return s
		}
	}
	s = strings.ReplaceAll(s, "${", "$${")
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfeff }) {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfeff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}
