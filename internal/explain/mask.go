package explain

import "strings"

// Mask hides in a line what nobody should see who is only shown what failed: query strings, a URL's user and password,
// what stands behind Authorization, Cookie and their like, and the arguments in a stack trace.
func Mask(line string) string {
	var out strings.Builder
	trace := strings.Index(line, "Stack trace:")
	for i := 0; i < len(line); {
		end, mask := secretAt(line, i, trace)
		if mask < 0 {
			out.WriteByte(line[i])
			i++
			continue
		}
		out.WriteString(line[i:mask])
		out.WriteString("***")
		i = end
	}
	return out.String()
}

// secretAt looks for a secret that begins, with what names it, at i: the octets from mask to end are it. mask is -1 where
// there is none.
func secretAt(line string, i, trace int) (end, mask int) {
	switch c := line[i]; {
	case c == '?' && i > 0 && line[i-1] > ' ' && line[i-1] != '"':
		if end = queryEnd(line, i+1); end > i+1 {
			return end, i + 1
		}
	case c == ':' && strings.HasPrefix(line[i:], "://"):
		if end = userEnd(line, i+3); end > 0 {
			return end, i + 3
		}
	case c == '\'' && trace >= 0 && i > trace:
		if n := strings.IndexByte(line[i+1:], '\''); n > 0 {
			return i + n + 2, i
		}
		return len(line), i // cut short
	}
	if i > 0 && isWordByte(line[i-1]) {
		return 0, -1
	}
	if name := secretName(line[i:]); name != "" {
		return secretEnd(line, i, name)
	}
	return 0, -1
}

// secretEnd finds what is behind a secret's name: a scheme has one word behind it, a field's value goes on to the quote's or
// the line's end, and anything else to the next separator too.
func secretEnd(line string, i int, name string) (end, mask int) {
	start := i + len(name)
	for start < len(line) && strings.IndexByte(` :="\[`, line[start]) >= 0 {
		start++
	}
	between := line[i+len(name) : start]
	stops := `",;&'`
	switch {
	case start == len(line):
		return 0, -1
	case name == "bearer" || name == "basic":
		if strings.Trim(between, " ") != "" {
			return 0, -1
		}
		stops = " \",;&'}|"
	case !strings.ContainsAny(between, ":="):
		return 0, -1
	case strings.HasSuffix(name, "cookie"):
		stops = `"`
	}
	if strings.Contains(between, "[") { // a list of JSON
		if n := strings.Index(line[start:], "]"); n >= 0 {
			return start + n, start
		}
		return len(line), start
	}
	for end = start; end < len(line) && strings.IndexByte(stops, line[end]) < 0; end++ { //nolint:revive // the loop is its condition
	}
	return end, start
}

// queryEnd finds where a query string ends: at a space, a quote, or the line's end.
func queryEnd(line string, i int) int {
	for i < len(line) && line[i] > ' ' && line[i] != '"' && line[i] != '\'' {
		i++
	}
	return i
}

// userEnd finds the @ behind a URL's user and password (RFC 3986, section 3.2.1), 0 where there is none.
func userEnd(line string, i int) int {
	for from := i; i < len(line) && line[i] > ' ' && strings.IndexByte(`/?#"',`, line[i]) < 0; i++ {
		if line[i] == '@' && i > from {
			return i
		}
	}
	return 0
}

var secretNames = [...]string{
	"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token", "x-amz-security-token", "bearer", "basic",
	"password", "passwd", "pwd", "secret", "client_secret", "token", "access_token", "id_token", "refresh_token", "api_key", "apikey", "api-key",
	"jsessionid", "phpsessid", "sessionid", "session", "sid",
}

// secretName gives the secret's name that s begins with, empty where there is none.
func secretName(s string) string {
	if len(s) < 3 || strings.IndexByte("apcsxbtrijAPCSXBTRIJ", s[0]) < 0 {
		return ""
	}
	for _, name := range secretNames {
		if len(s) > len(name) && strings.EqualFold(s[:len(name)], name) && !isWordByte(s[len(name)]) {
			return name
		}
	}
	return ""
}

// maskCaptured hides the cookies that HAProxy captured: words with an equals sign before the request.
func maskCaptured(line string) string {
	head, rest := line, ""
	if i := strings.IndexAny(line, `"{`); i >= 0 {
		head, rest = line[:i], line[i:]
	}
	words := strings.Split(head, " ")
	for i, w := range words {
		if name, _, ok := strings.Cut(w, "="); ok {
			words[i] = name + "=***"
		}
	}
	return strings.Join(words, " ") + rest
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
