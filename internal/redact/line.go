package redact

import "strings"

// nameMax is the longest name of a secret that is looked for, in octets.
const nameMax = 64

// Line hides in a line of a log, or in a message of a program, what nobody should see who is only shown what failed: query strings, a
// URL's user and password, what stands behind Authorization, Cookie, PASSWORD and their like, JSON Web Tokens, and the arguments in a
// stack trace.
func Line(line string) string {
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
	if !isWordByte(line[i]) || i > 0 && isWordByte(line[i-1]) {
		return 0, -1
	}
	for end = i; end < len(line) && isWordByte(line[end]); end++ { //nolint:revive // the loop is its condition
	}
	switch {
	case end-i >= 12 && line[i:i+3] == "eyJ": // a JSON object in base64url, as a JSON Web Token begins (RFC 7519)
		for end < len(line) && (isWordByte(line[end]) || line[end] == '.') {
			end++
		}
		return end, i
	case end-i <= nameMax && named(line[i:end]):
		return secretEnd(line, i, end)
	}
	return 0, -1
}

// secretEnd finds what is behind a secret's name, line[i:behind]: a scheme has one word behind it, a quoted value goes on to its quote, a
// field's to the line's end, and anything else to the next separator too.
func secretEnd(line string, i, behind int) (end, mask int) {
	start := behind
	for start < len(line) && strings.IndexByte(` :="\[`, line[start]) >= 0 {
		start++
	}
	between := line[behind:start]
	name := strings.ToLower(line[i:behind])
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
	case strings.Contains(between, "["): // a list of JSON
		if n := strings.IndexByte(line[start:], ']'); n >= 0 {
			return start + n, start
		}
		return len(line), start
	case strings.HasSuffix(between, `"`), strings.HasSuffix(name, "cookie"):
		stops = `"`
	case !strings.Contains(between, ":"): // name=value
		stops += " \t"
	}
	for end = start; end < len(line) && strings.IndexByte(stops, line[end]) < 0; end++ { //nolint:revive // the loop is its condition
	}
	if end == start {
		return 0, -1
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

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
