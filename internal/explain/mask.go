package explain

import "strings"

// Mask hides in a line what nobody should see who is only shown what failed: the values of query strings, and what stands
// behind Authorization, Cookie and their like.
func Mask(line string) string {
	var out strings.Builder
	for i := 0; i < len(line); {
		c := line[i]
		if c == '?' && i > 0 && line[i-1] > ' ' && line[i-1] != '"' {
			if end := queryEnd(line, i+1); end > i+1 && strings.IndexByte(line[i:end], '=') > 0 {
				out.WriteString("?***")
				i = end
				continue
			}
		}
		if n := secretName(line[i:]); n > 0 && (i == 0 || !isWordByte(line[i-1])) {
			end := i + n
			for end < len(line) && (line[end] == ' ' || line[end] == ':' || line[end] == '=' || line[end] == '"') {
				end++
			}
			if end > i+n {
				out.WriteString(line[i:end])
				out.WriteString("***")
				for i = end; i < len(line) && line[i] != '"' && line[i] != ',' && line[i] != ';'; {
					i++
				}
				continue
			}
		}
		out.WriteByte(c)
		i++
	}
	return out.String()
}

// queryEnd finds where a query string ends: at a space, a quote, or the line's end.
func queryEnd(line string, i int) int {
	for i < len(line) && line[i] > ' ' && line[i] != '"' && line[i] != '\'' {
		i++
	}
	return i
}

var secretNames = [...]string{"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "password", "passwd", "secret", "token", "api_key", "apikey"}

// secretName gives the length of a secret's name at the beginning of s, 0 where there is none.
func secretName(s string) int {
	for _, name := range secretNames {
		if len(s) > len(name) && strings.EqualFold(s[:len(name)], name) && !isWordByte(s[len(name)]) {
			return len(name)
		}
	}
	return 0
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
