package config

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Files with headers to set, in the three ways that people write them.
var withSecrets = []string{
	`version: 1
listen: [{address: ":8080"}]
routes:
  - pool: web
    set_request:
      Authorization: "Bearer INLINESECRET"
      X-B: INLINESECRET
      X-C: |
        INLINESECRET
        more INLINESECRET
pools:
  web:
    endpoints: [http://127.0.0.1:3000]
`, `version: 1
listen: [{address: ":8080"}]
routes: [{pool: web, set_request: {Authorization: "Bearer INLINESECRET", X-B: 'INLINESECRET'}, set_response: {A: INLINESECRET}}]
pools: {web: {endpoints: [http://127.0.0.1:3000]}}
`, `version: 1
listen:
- address: ":8080"
routes:
- pool: web
  set_request:
    Authorization: Bearer INLINESECRET
  set_response: {A: INLINESECRET,
    B: INLINESECRET}
  token: INLINESECRET
pools:
  web:
    endpoints:
    - http://127.0.0.1:3000
`,
}

// mistyped is a file with one or two characters wrong, as a slip of the finger makes it.
func mistyped(random *rand.Rand, text string) string {
	const typed = "\"'{}[]:,#-| \n&*!?\tx"
	for range 1 + random.IntN(2) {
		at, c := random.IntN(len(text)), string(typed[random.IntN(len(typed))])
		switch random.IntN(3) {
		case 0:
			text = text[:at] + text[at+1:]
		case 1:
			text = text[:at] + c + text[at:]
		default:
			text = text[:at] + c + text[at+1:]
		}
	}
	return text
}

// Whatever slip of the finger makes a file wrong, no message, hint or line that is shown has a header's value in it.
func TestNoSlipShowsASecret(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	wrong := 0
	for range 6000 {
		text := mistyped(random, withSecrets[random.IntN(len(withSecrets))])
		_, problems := Parse("whygate.yaml", []byte(text), Options{})
		if problems.Failed() {
			wrong++
		}
		for _, p := range problems {
			if all := p.String() + p.Path; strings.Contains(all, "SECRET") {
				t.Fatalf("%s\nin\n%s", all, text)
			}
		}
	}
	if wrong < 3000 {
		t.Errorf("only %d files were wrong", wrong)
	}
}
