package config

import (
	"strings"
	"testing"
)

// A variable may stand wherever a word may: in a flow list, in a flow mapping, in quotes, in a block.
func TestVariablesInFlow(t *testing.T) {
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"HOST": "app.internal", "PORT": "3902", "EVIL": "a}, pools: {x: [", "EMPTY": ""}[name]
		return v, ok
	}
	tests := []struct{ pools, want string }{
		{"{web: {endpoints: [http://${HOST}:3902]}}", "http://app.internal:3902"},
		{"{web: {endpoints: [http://${HOST}:${PORT}]}}", "http://app.internal:3902"},
		{"{web: {endpoints: [http://${HOST}:${PORT}, \"http://${HOST}:1\"]}}", "http://app.internal:3902 http://app.internal:1"},
		{"{web: {endpoints: http://${HOST}:${PORT}}}", "http://app.internal:3902"},
		{"{web: {endpoints: [${NONE:-http://a:1}]}}", "http://a:1"},
		{"{web: {endpoints: [${NONE:-http://[::1]:1}]}}", "http://[::1]:1"},
		{"{web: {endpoints: ['${NONE:-http://a:1}', http://b:2]}}", "http://a:1 http://b:2"},
		{"\n  web:\n    endpoints:\n      - http://${HOST}:${PORT} # ${NOT_SET}\n", "http://app.internal:3902"},
		{"{web: {endpoints: [http://a:${PORT}], timeouts: {head: ${NONE:-7s}}}}", "http://a:3902"},
		{"{web: {endpoints: [http://a:1], host: ${HOST}, tls: {server_name: ${NONE:-b}}}} # }", "http://a:1"},
	}
	for _, tt := range tests {
		c, problems := Parse("w.yaml", []byte("version: 1\nlisten: [{address: ':${PORT}'}]\nroutes: [{pool: web}]\npools: "+tt.pools), Options{Env: env})
		if problems.Failed() {
			t.Errorf("%s: %v", tt.pools, problems)
			continue
		}
		var got []string
		for _, e := range c.Pools[0].Endpoints {
			got = append(got, e.String())
		}
		if strings.Join(got, " ") != tt.want || c.Listen[0].Address.String() != ":3902" {
			t.Errorf("%s: %v", tt.pools, got)
		}
	}
}

// What a variable holds stays one value, and a message about it names the place where the file has it.
func TestVariablesAreNoYAML(t *testing.T) {
	head := "version: 1\nlisten: [{address: \":80\"}]\nroutes: [{pool: web, set_request: {X: ${EVIL}, Y: $${EVIL}, Z: \ue000\ue001${EVIL}}}]\npools: {web: {endpoints: [http://a]}}\n"
	evil := "a}, pools: {x: ["
	c, problems := Parse("w.yaml", []byte(head), Options{Env: func(string) (string, bool) { return evil, true }})
	if problems.Failed() {
		t.Fatal(problems)
	}
	want := []Field{{"X", evil}, {"Y", "${EVIL}"}, {"Z", "\ue000\ue001" + evil}}
	for i, f := range c.Routes[0].SetRequest {
		if f != want[i] {
			t.Errorf("%q, want %q", f, want[i])
		}
	}
	_, problems = Parse("w.yaml", []byte(strings.Replace(head, "http://a", "http://${NOT_SET}:80, http://a", 1)), Options{Env: func(string) (string, bool) { return "", false }})
	found := false
	for _, p := range problems {
		found = found || p.Line == 4 && p.Column == 27 && strings.Contains(p.Message, "NOT_SET is not set") && strings.Contains(p.Snippet, "http://${NOT_SET}:80")
	}
	if !found {
		t.Errorf("%v", problems)
	}
}

// A file that leaves no character to veil with is read as it is.
func TestVeilGivesUp(t *testing.T) {
	var all strings.Builder
	for r := privateFirst; r <= privateLast; r++ {
		all.WriteRune(r)
	}
	src := all.String() + "${A}"
	if v := veiled(src); v.text != src || v.lifted != nil {
		t.Error("a character of the file is taken for another")
	}
}
