package lint

import (
	"regexp"
	"strings"
)

// A line to write repeats what stands in the configuration, and that may hold a secret: a header of authorization, a user and a password
// in a URL, AJP's secret.
var (
	userinfo = regexp.MustCompile(`://[^\s/@"']+@`)
	secret   = regexp.MustCompile(`(?i)((?:authorization|api-?key|token|secret|passw(?:or)?d|cookie)["']?[\s:=]+)("[^"]*"|'[^']*'|[^\s;]+[^;\n]*)`)
	sample   = regexp.MustCompile(`^"?[A-Z …]+"?(/>)?$`)
)

// unsigned takes users and passwords out of URLs.
func unsigned(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	return userinfo.ReplaceAllString(text, "://…@")
}

// redacted takes secrets out of a line to write.
func redacted(text string) string {
	return secret.ReplaceAllStringFunc(unsigned(text), func(found string) string {
		m := secret.FindStringSubmatch(found)
		if sample.MatchString(m[2]) || strings.HasPrefix(m[2], "$") {
			return found // what is to be written instead, or a variable
		}
		return m[1] + "…"
	})
}
