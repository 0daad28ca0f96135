package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// reloadAt runs whygate reload for a file whose admin address is that of a server.
func reloadAt(t *testing.T, answers map[string]string) (code int, printed string, posted int32) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "whygate.yaml")
	var posts atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts.Add(1)
		}
		if to, ok := answers["redirect"]; ok {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		_, _ = fmt.Fprint(w, strings.ReplaceAll(answers[r.URL.Path], "FILE", file))
	}))
	defer s.Close()
	text := "version: 1\nlisten: [{address: \":0\"}]\nadmin: " + s.Listener.Addr().String() + "\nroutes: [{pool: web}]\npools: {web: {endpoints: [\"http://127.0.0.1:1\"]}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code = run(t.Context(), []string{"reload", "-c", file}, strings.NewReader(""), &out, &out)
	return code, out.String(), posts.Load()
}

// What listens on the admin address may be any program: it is asked for nothing but its name, and its words steer no terminal.
func TestReloadOfAForeignProgram(t *testing.T) {
	t.Parallel()
	hostile := `\u001b]0;owned\u0007\u202e`
	tests := map[string]struct {
		answers map[string]string
		code    int
		want    string
		posts   int32
	}{
		"a page":           {map[string]string{"/version": "<html>\x1b[2J</html>"}, exitUsage, "is not a Whygate", 0},
		"another's JSON":   {map[string]string{"/version": `{"status":"` + hostile + `"}`}, exitUsage, "is not a Whygate", 0},
		"a redirect":       {map[string]string{"redirect": "http://127.0.0.1:1/version"}, exitUsage, "is not a Whygate", 0},
		"an older Whygate": {map[string]string{"/version": `{"version":"v0.1.0"}`}, exitUsage, "older version", 0},
		"another's file":   {map[string]string{"/version": `{"product":"whygate","process":7,"file":"/etc/` + hostile + `"}`}, exitUsage, "(process 7) was started with /etc/", 0},
		"without a file":   {map[string]string{"/version": `{"product":"whygate","process":7,"file":""}`}, exitUsage, "started without a file", 0},
		"hostile words":    {map[string]string{"/version": `{"product":"whygate","file":"FILE"}`, "/reload": `{"error":"` + hostile + `\nline","hint":"` + hostile + `"}`}, exitFault, "not reloaded", 1},
		"reloaded":         {map[string]string{"/version": `{"product":"whygate","file":"FILE"}`, "/reload": `{"reloaded":true,"process":7}`}, exitFine, "(process 7)\n", 1},
	}
	for name, tt := range tests {
		code, printed, posts := reloadAt(t, tt.answers)
		if code != tt.code || posts != tt.posts || !strings.Contains(printed, tt.want) {
			t.Errorf("%s: exit %d, %d times asked to reload:\n%s", name, code, posts, printed)
		}
		if strings.ContainsAny(printed, "\x1b\a\u202e") {
			t.Errorf("%s steers the terminal: %q", name, printed)
		}
	}
}

// The admin address is found in a file that has mistakes elsewhere, so that nobody else is asked.
func TestReloadTellsEveryMistake(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "whygate.yaml")
	if err := os.WriteFile(file, []byte("version: 1\nlisten: [{address: \":0\"}]\nadmin: 127.0.0.1:1\ntimouts: 3\nroutes: [{pool: wbe}]\npools: {web: {endpoints: [\"http://127.0.0.1:1\"]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"reload", "-c", file}, strings.NewReader(""), &out, &errs)
	for _, want := range []string{":4:1: unknown key", "there is no pool", "not reloaded"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if code != exitFault || errs.Len() > 0 {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}
