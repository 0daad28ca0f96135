package redact

import (
	"regexp"
	"strings"
	"sync"
)

// setting is a name of a secret in a configuration, and its value: in quotes, or up to a semicolon or the line's end.
var setting = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)([^\s:=]*(?:` + strings.Join(words[:], "|") + `)[^\s:=]*[\s:=]+)("[^"]*"|'[^']*'|[^\s;]+[^;\n]*)`)
})

// toWrite is no secret, but what somebody is told to write in its place: words in capitals, an ellipsis.
var toWrite = regexp.MustCompile(`^"?[A-Z …]+"?(/>)?$`)

// Setting hides the secrets in lines of a configuration: the values of what is named as one, and what URLs have of them. A variable
// is none ($http_authorization).
func Setting(lines string) string {
	return setting().ReplaceAllStringFunc(URLs(lines), func(found string) string {
		m := setting().FindStringSubmatch(found)
		if toWrite.MatchString(m[2]) || strings.HasPrefix(m[2], "$") {
			return found
		}
		return m[1] + "***"
	})
}
