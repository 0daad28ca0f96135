package statuscode

import (
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"502", "502"},
		{" HTTP 502 ", "502"},
		{"502 Bad Gateway", "502"},
		{"502.3", "502.3"},
		{"404.13", "404.13"},
		{"401.1", "401.1"},
		{"404.99", "404"},
		{"404.x", ""},
		{"200.1", ""},
		{"status 503", "503"},
		{"status 404", "404"},
		{"HTTP/1.1 502", "502"},
		{"502,", "502"},
		{"code 502", "502"},
		{"502 503 502", "502 503"},
		{"５０２", "502"},
		{"error ５０３.", "503"},
		{"status 777", ""},
		{"x", ""},
		{"x-forwarded-for", "463 400.10"},
		{"日本語", ""},
		{"gone!", "410"},
		{"-1", "-1"},
		{"000", "000"},
		{"bad gateway", "502"},
		{"Bad-Gateway", "502"},
		{"BadGateway", "502"},
		{"StatusBadGateway", "502"},
		{"http.StatusBadGateway", "502"},
		{":bad_gateway", "502"},
		{"BAD_GATEWAY", "502"},
		{"HTTP_BAD_GATEWAY", "502"},
		{"Response::HTTP_BAD_GATEWAY", "502"},
		{"HTTPStatus.BAD_GATEWAY", "502"},
		{"StatusCode::BAD_GATEWAY", "502"},
		{"HttpStatus.SC_BAD_GATEWAY", "502"},
		{"bad gatway", "502"},
		{"bda gateway", "502"},
		{"servce unavailible", "503"},
		{"gateway timeuot", "504"},
		{"I'm a teapot", "418"},
		{"teapot", "418"},
		{"client closed request", "460 499"},
		{"too large", "413 430 431 494 404.13"},
		{"gateway", "502 504"},
		{"timeout", "408 504 524 598 599 502.1"},
		{"HTTP_UNAVAILABLE", "503"},
		{"SC_REQUEST_TOO_LONG", "413"},
		{"unprocessable entity", "422"},
		{"payload too large", "413"},
		{"zzzzzzzz", ""},
		{"", ""},
		{"?", ""},
		{"777", ""},
		{"%s", ""},
	} {
		var got []string
		for _, e := range Find(tt.text) {
			got = append(got, e.Code)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("Find(%q) = %v, want %s", tt.text, got, tt.want)
		}
	}
}

// TestFindFindsItself: each title and each constant leads to its code.
func TestFindFindsItself(t *testing.T) {
	has := func(text string, e *Entry) bool {
		for _, found := range Find(text) {
			if found == e {
				return true
			}
		}
		return false
	}
	for _, e := range All() {
		if !has(e.Code, e) || !has(e.Title, e) {
			t.Errorf("%s %q does not find itself", e.Code, e.Title)
		}
		for _, c := range e.Constants() {
			if !has(c.Name, e) {
				t.Errorf("%s does not find %s", c.Name, e.Code)
			}
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"gateway", "gatway", 1}, {"gateway", "gatewya", 1}, {"kitten", "sitting", 3}, {"é", "e", 1}} {
		if got := Distance(tt.a, tt.b); got != tt.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add("bad gatway")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 {
			return
		}
		for _, e := range Find(text) {
			if e == nil {
				t.Fatal("a match that is none")
			}
		}
	})
}
