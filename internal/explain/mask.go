package explain

import "strings"

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
