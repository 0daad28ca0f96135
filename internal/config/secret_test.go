package config

import (
	"strings"
	"testing"
)

// TestSnippetsMaskFields: the values of fields are in no problem, and neither is a value of the environment.
func TestSnippetsMaskFields(t *testing.T) {
	o := Options{Env: func(string) (string, bool) { return "ENVSECRET99", true }}
	head := "version: 1\nlisten: [{address: \":8080\"}]\npools: {web: {endpoints: [http://127.0.0.1:3000]}}\n"
	for _, text := range []string{
		head + "routes: [{pol: web, set_request: {Authorization: \"Bearer INLINESECRET\"}}]\n",
		head + "routes:\n  - pool: web\n    set_request:\n      Via: INLINESECRET\n",
		head + "routes:\n  - set_response:\n      X-A: a\n      Via: INLINESECRET\n    pool: web\n",
		strings.Replace(head, "3000]", "3000], balance: \"${TOKEN}\", timeouts: {head: \"${TOKEN}\"}", 1) + "routes: [{pool: web, host: \"${TOKEN}/\"}]\n",
	} {
		_, problems := Parse("whygate.yaml", []byte(text), o)
		all := problems.Error()
		if !problems.Failed() || strings.Contains(all, "SECRET") {
			t.Errorf("%s", all)
		}
		if public := problems.Public(); strings.Contains(public.Error(), " | ") || strings.Contains(public.Error(), "hint:") || len(public) != len(problems) {
			t.Errorf("public: %v", public)
		}
	}
}
