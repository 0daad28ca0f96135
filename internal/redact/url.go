package redact

import (
	"net/url"
	"regexp"
	"strings"
)

// queryValue is a value of a query, or of a fragment, in a text; userInfo what stands before the host of a URL in it.
var (
	queryValue = regexp.MustCompile(`([?&#][^=&\s"#]{1,64}=)[^&\s"#]+`)
	userInfo   = regexp.MustCompile(`(//)[^/\s"?#]+@`)
)

// URLs hides the secrets of the URLs in a text: user information, and the values of queries and fragments. Their names stay.
func URLs(text string) string {
	return queryValue.ReplaceAllString(userInfo.ReplaceAllString(text, "${1}***@"), "${1}***")
}

// URL hides the secrets of a URL: user information, the values of its query, its fragment.
// Of what is no URL, everything before an @ may be a password.
func URL(text string) string {
	_, err := url.Parse(text)
	text, _, _ = strings.Cut(text, "#")
	text = Query(userInfo.ReplaceAllString(text, "${1}***@"))
	if at := strings.LastIndexByte(text, '@'); err != nil && at >= 0 {
		from := 0
		if i := strings.Index(text[:at], "//"); i >= 0 {
			from = i + len("//")
		}
		text = text[:from] + "***" + text[at:]
	}
	return text
}

// Query hides the values of the query of a request target, and keeps its names.
func Query(target string) string {
	at := strings.IndexByte(target, '?')
	if at < 0 {
		return target
	}
	pairs := strings.Split(target[at+1:], "&")
	for i, p := range pairs {
		if name, value, found := strings.Cut(p, "="); found && value != "" {
			pairs[i] = name + "=***"
		} else if !found {
			pairs[i] = "***"
		}
	}
	return target[:at+1] + strings.Join(pairs, "&")
}
