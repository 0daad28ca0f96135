package config

import (
	"os"
	"strings"
	"testing"
)

// TestSnippetsMaskFields: the values of fields are in no problem, and neither is a value of the environment.
func TestSnippetsMaskFields(t *testing.T) {
	environment := map[string]string{"SOCKET": "unix:/ENVSECRET99", "PREFIX": "/ENVSECRET99", "FILE": "file:/ENVSECRET99", "TOKEN": "ENVSECRET99", "API_TOKEN_UNSET": ""}
	o := Options{
		Env: func(name string) (string, bool) { s, set := environment[name]; return s, set },
		ReadFile: func(path string, _ int64) ([]byte, error) {
			return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
		},
	}
	head := "version: 1\nlisten: [{address: \":8080\"}]\npools: {web: {endpoints: [http://127.0.0.1:3000]}}\n"
	for _, text := range []string{
		head + "routes: [{pol: web, set_request: {Authorization: \"Bearer INLINESECRET\"}}]\n",
		head + "routes:\n  - pool: web\n    set_request:\n      Via: INLINESECRET\n",
		head + "routes:\n  - set_response:\n      X-A: a\n      Via: INLINESECRET\n    pool: web\n",
		// Wherever a key is misspelt, or is none of ours: nobody knows what stands under it.
		head + "routes: [{pool: web, headers: {Authorization: \"Bearer INLINESECRET\"}}]\n",
		head + "routes:\n  - pool: web\n    Authorization: Bearer INLINESECRET # INLINESECRET\n",
		head + "routes:\n  - pool: web\n    sett_request:\n      X-A: [INLINESECRET,\n      INLINESECRET\n",
		head + "routes:\n  - pool: web\n    set_request:\n      X-A: |\n        a: INLINESECRET\n       b: INLINESECRET\n",
		head + "routes:\n  - Authorization:INLINESECRET\n",
		head + "routes: [{pool: web, set_request: {X-A: \"a${INLINESECRET!}\"}}]\n",
		head + "routes: [{pool: web, Authorization:INLINESECRET}]\n",
		head + "routes: [{pool: web, set_request: {X-A:INLINESECRET, X-B: b}}]\n",
		head + "routes: [{pool: web, set_request: {Bearer INLINESECRET}}]\n",
		head + "routes: [{pool: web, set_request:INLINESECRET}]\n",
		head + "routes: [{pool: web, set_request: {X-A: *INLINESECRET, X-B: !INLINESECRET x}}]\n",
		head + "routes:\n  - pool: web\n    set_request:\n      X-A: |INLINESECRET\n",
		head + "routes:\n- pool: web\n  tokens:\n  - INLINESECRET\n  - INLINESECRET: x\n  -\tINLINESECRET\n",
		head + "routes: [{pool: web}]\npasswords:\n- {a: INLINESECRET}\n- \"INLINESECRET\n",
		head + "{\"routes\": [{\"pool\": \"web\", \"token\": \"INLINESECRET\"}]}\n",
		strings.Replace(head, "http://127", "http://u:INLINESECRET@127", 1) + "routes: [{pool: web}]\n",
		strings.Replace(head, "3000]", "3000], tls: {key: \"-----BEGIN PRIVATE KEY----- INLINESECRET\"}", 1) + "routes: [{pool: web}]\n",
		strings.Replace(head, "http://127", "http://INLINESECRET@127", 1) + "routes: [{pool: web}]\n",
		strings.Replace(head, "http://127", "u:INLINESECRET@127", 1) + "routes: [{pool: web}]\n",
		strings.Replace(head, "http://127.0.0.1:3000", "http://a:1/x?a=b&api_token=INLINESECRET", 1) + "routes: [{pool: web}]\n",
		strings.Replace(head, "http://127.0.0.1:3000", "postgres://u:INLINESECRET@a:1/x", 1) + "routes: [{pool: web, path: \"/a?session=INLINESECRET\", host: \"u:INLINESECRET@h\"}]\n",
		head + "routes: [{pool: web}]\nlimits: {idle: \"${API_TOKEN_UNSET:-INLINESECRET}\"}\n",
		// What is wrong between keys is told in the words of the file, too.
		"version: 1\nlisten: [{address: \"${SOCKET}\"}, {address: \"${SOCKET}\"}]\nadmin: ${SOCKET}\nroutes: [{pool: \"${TOKEN}\", path: /a, strip: \"${PREFIX}\"}]\npools: {web: {endpoints: [http://127.0.0.1:3000]}}\n",
		head + "routes: [{pool: web, set_request: {X-A: \"file:${TOKEN}\"}}]\n",
		head + "routes: [{pool: web, set_request: {X-A: \"${FILE}\"}}]\n",
		strings.Replace(head, "3000]", "3000], balance: \"${TOKEN}\", timeouts: {head: \"${TOKEN}\"}", 1) + "routes: [{pool: web, host: \"${TOKEN}/\"}]\n",
	} {
		_, problems := Parse("whygate.yaml", []byte(text), o)
		all := problems.Error()
		if !problems.Failed() || strings.Contains(all, "SECRET") {
			t.Errorf("%s\n%s", text, all)
		}
		if public := problems.Public(); strings.Contains(public.Error(), " | ") || strings.Contains(public.Error(), "hint:") || len(public) != len(problems) {
			t.Errorf("public: %v", public)
		}
	}
}

// Warnings are for a file that is used, and say no more of the environment.
func TestWarningsMaskTheEnvironment(t *testing.T) {
	o := Options{Env: func(name string) (string, bool) {
		return map[string]string{"URL": "http://ENVSECRET99:80", "ADMIN": "ENVSECRET99:1"}[name], true
	}}
	text := "version: 1\nlisten: [{address: \":8080\"}]\nadmin: ${ADMIN}\nroutes: [{pool: web}]\npools: {web: {endpoints: [\"${URL}\", \"${URL}\"]}}\n"
	cfg, problems := Parse("/etc/whygate.yaml", []byte(text), o)
	all := ""
	for _, p := range problems {
		all += p.String() + "\n"
	}
	if cfg == nil || len(problems) != 2 || strings.Contains(strings.ToUpper(all), "ENVSECRET99") {
		t.Errorf("%d problems:\n%s", len(problems), all)
	}
}

func TestUnexpanded(t *testing.T) {
	o := Options{Env: func(string) (string, bool) { return "/run/ENVSECRET99", true }}
	text := "version: 1\nlisten: [{address: \":8080\"}]\naccess_log: ${DIR}/access.log\nroutes: [{pool: web}]\npools: {web: {endpoints: [\"http://a\"], tls: {ca: \"${DIR}\"}}}\n"
	cfg, _ := Parse("/etc/whygate.yaml", []byte(text), o)
	if got := cfg.Unexpanded("open /run/ENVSECRET99/access.log, stat /run/ENVSECRET99: no such file"); strings.Contains(got, "ENVSECRET99") || !strings.Contains(got, "open ${DIR}/access.log") {
		t.Errorf("%s", got)
	}
}

// What is known to be harmless is shown: a snippet that shows nothing helps nobody.
func TestSnippetsShowWhatIsKnown(t *testing.T) {
	lines := strings.Split(`pools:
  web: &web
    endpoints:
      - http://127.0.0.1:3000
      - "http://${HOST}:3000" # two
    tls: {ca: a.pem, server_name: "a: b", verify: false}
  api: {<<: *web, timeouts: {connect: 3s,
    head: ${HEAD:-5s}}}
routes:
- host: *.example.com
  set_request:
    X-A: secret
  pool: web
- {path: /a, method: [GET, HEAD], pool: "we"b}
listen:
  - address: :8080
    tls:
      key: a.pem`, "\n")
	for i, line := range lines {
		want := line
		if strings.Contains(line, "X-A") {
			want = "    X-A: ***"
		}
		if got := masked(lines, i, isYAML); got != want {
			t.Errorf("line %d: got %q, want %q", i+1, got, want)
		}
	}
}
