package incident

import "testing"

func TestTemplate(t *testing.T) {
	for target, want := range map[string]string{
		"/": "/", "/users/42/orders?key=1": "/users/:id/orders", "/static/app.css": "/static/app.css", "/v2/items": "/v2/items",
		"/u/550e8400-e29b-41d4-a716-446655440000": "/u/:id", "/blob/9f86d081884c7d65": "/blob/:id", "/face/decade": "/face/decade",
		"/s/Zx81LmNq2Rt7PwYk9Bv": "/s/:id", "/reference/getting-started-2026": "/reference/getting-started-2026", "*": "*",
	} {
		if got := Template(target); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

func TestAgent(t *testing.T) {
	for agent, want := range map[string]string{
		"": "", "curl/8.5": "curl", "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0 Safari/537.36": "Chrome",
		"Mozilla/5.0 (compatible; Googlebot/2.1)": "bot", "Mozilla/5.0 (Macintosh) Version/26 Safari/605.1": "Safari", "\x00\xff": "other",
	} {
		if got := Agent(agent); got != want {
			t.Errorf("%q: %s, want %s", agent, got, want)
		}
	}
}
