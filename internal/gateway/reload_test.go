//go:build linux

package gateway_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A reload that names a file is refused by the gateway of another one, and by one that has none.
func TestReloadNamesItsFile(t *testing.T) {
	t.Parallel()
	g := startText(t, pool("127.0.0.1:0", "http://127.0.0.1:1", ""))
	own, err := filepath.Abs("test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	post := func(body string) (int, map[string]any) {
		res, err := http.Post("http://"+g.Admin()+"/reload", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var answer map[string]any
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, answer
	}
	for body, want := range map[string]int{
		"":                             200,
		`{"file":"` + own + `"}`:       200,
		`{"file":"/elsewhere/w.yaml"}`: 409,
		`{"file":"test.yaml"}`:         409,
		`{"file":""}`:                  400,
		`[]`:                           400,
		strings.Repeat(" ", 20<<10):    400,
	} {
		status, answer := post(body)
		if status != want || (answer["reloaded"] == true) != (want == 200) {
			t.Errorf("%.40q: %d %v", body, status, answer)
		}
		if want == 200 && (answer["file"] != own || answer["process"] != float64(os.Getpid())) {
			t.Errorf("%.40q: %v", body, answer)
		}
		if text, _ := answer["error"].(string); want == 409 && (!strings.Contains(text, own) || answer["hint"] == "") {
			t.Errorf("%.40q: %v", body, answer)
		}
	}
}
