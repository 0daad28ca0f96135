package incident

import "strings"

// templateMax is how many bytes of a path are looked at: a group is told by its first segments.
const templateMax = 200

// Template is a path without what makes each of a kind another: segments that look like ids become :id, and the query goes.
func Template(target string) string {
	path, _, _ := strings.Cut(target, "?")
	if len(path) > templateMax {
		path = path[:templateMax]
	}
	path = strings.ToValidUTF8(path, "�")
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if isID(s) {
			segments[i] = ":id"
		}
	}
	return strings.Join(segments, "/")
}

// isID reports whether a segment of a path is a number, a UUID, a hash or a token, rather than a word.
func isID(s string) bool {
	digits, upper, hex := 0, 0, true
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			digits++
		case 'A' <= c && c <= 'Z':
			upper++
			hex = hex && c <= 'F'
		case 'a' <= c && c <= 'z':
			hex = hex && c <= 'f'
		case c != '-' && c != '_':
			hex = false
		}
	}
	switch {
	case s == "":
		return false
	case digits == len(s):
		return true
	case hex && len(s) >= 8 && digits > 0:
		return true
	}
	return len(s) >= 16 && digits >= 2 && (upper >= 2 || digits*4 >= len(s))
}

// agents are the families of clients, by what their User-Agent has in it. The first that fits counts: most browsers name others as well.
var agents = [...]struct{ word, family string }{
	{"bot", "bot"},
	{"spider", "bot"},
	{"crawl", "bot"},
	{"kube-probe", "kube-probe"},
	{"curl/", "curl"},
	{"wget", "wget"},
	{"go-http-client", "Go"},
	{"python", "Python"},
	{"okhttp", "okhttp"},
	{"java/", "Java"},
	{"apache-httpclient", "Java"},
	{"axios", "Node.js"},
	{"node", "Node.js"},
	{"grpc", "gRPC"},
	{"edg/", "Edge"},
	{"firefox/", "Firefox"},
	{"chrome/", "Chrome"},
	{"safari/", "Safari"},
}

// Agent is the family of a User-Agent, empty for none and "other" for one that is not known.
func Agent(userAgent string) string {
	if userAgent == "" {
		return ""
	}
	lower := strings.ToLower(userAgent[:min(len(userAgent), 300)])
	for _, a := range agents {
		if strings.Contains(lower, a.word) {
			return a.family
		}
	}
	return "other"
}
