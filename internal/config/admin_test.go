package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLoadAdmin(t *testing.T) {
	tests := []struct{ text, want string }{
		{"version: 1\n", "127.0.0.1:9502"},
		{"admin: 127.0.0.1:18600\ntimouts: 3\nroutes: [{pool: nowhere}]\n", "127.0.0.1:18600"},
		{"admin: unix:/run/w.sock\nlisten: {}\n", "unix:/run/w.sock"},
		{"admin: \"off\"\n", "off"},
		{"admin: nowhere\n", ""},
		{"admin: [\n", ""},
		{"admin: ${WHYGATE_TEST_NOT_SET}\n", ""},
	}
	for _, tt := range tests {
		file := filepath.Join(t.TempDir(), "w.yaml")
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := LoadAdmin(file)
		if tt.want == "" && err == nil || tt.want != "" && (err != nil || got.String() != tt.want) {
			t.Errorf("%q: %s, %v; want %s", tt.text, got, err, tt.want)
		}
	}
}

func TestOutside(t *testing.T) {
	_, problems := Parse("w.yaml", []byte("version: 1\nlisten: [{address: \"${NOT_SET}\"}]\nroutes: [{pool: web, set_request: {X: file:/secret}, colour: red}]\npools: {web: {endpoints: [\"http://a\"]}}\n"),
		Options{Env: func(string) (string, bool) { return "", false }, ReadFile: func(string, int64) ([]byte, error) { return nil, os.ErrPermission }})
	outside := 0
	for _, p := range problems {
		if p.Outside {
			outside++
		} else if p.Path != "routes[0].colour" {
			t.Errorf("not outside: %v", p)
		}
	}
	if outside != 2 {
		t.Errorf("%d of what surrounds the process: %v", outside, problems)
	}
}
