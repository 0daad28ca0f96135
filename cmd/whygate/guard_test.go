package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/term"
	"github.com/whygate/whygate/internal/visible"
)

// evil is what text from outside may have: a title for the terminal, C1, DEL, a turned line, a tag, what is not UTF-8.
const evil = "\x1b]0;PWN\x07\u009b2J\x7f\u202e\u2066\U000e0041\xff\r"

// raw tells what of a text would act on a terminal; empty if nothing would.
func raw(text string) string {
	for line := range strings.Lines(text) {
		if shown := visible.Lines(line); shown != line {
			return fmt.Sprintf("%.300q", line)
		}
	}
	return ""
}

// hostileLogs gives a directory whose files' names and lines are hostile.
func hostileLogs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	line := `2026/11/22 03:00:01 [error] 12#12: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.1, server: s` + evil +
		`, request: "GET /` + evil + ` HTTP/1.1", upstream: "http://127.0.0.1:3000/x` + evil + `", host: "s` + evil + `"` + "\n"
	for name, text := range map[string]string{"a" + evil + ".gz": "\x1f\x8b\x08\x00x", "b" + evil + ".log": line + line, "c.log": evil + "upstream timed out" + evil + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Skipf("no file of such a name can be made here: %v", err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "d"+evil), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Whatever a command is given, by its arguments, by files, by names of files or by who answers: nothing of it steers the terminal.
func TestNothingForeignReachesTheTerminal(t *testing.T) {
	t.Parallel()
	dir := hostileLogs(t)
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/version" {
			fmt.Fprintf(w, `{"product":"whygate","version":"1","process":1,"file":%q}`, filepath.Join(dir, "gate.yaml"))
			return
		}
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"error":"\u001b]0;PWN\u0007\u202e\nmore\u009b","hint":"\u001b[8mhide\u202e"}`)
	}))
	defer liar.Close()
	good := "listen: [127.0.0.1:0]\nadmin: " + strings.TrimPrefix(liar.URL, "http://") + "\nroutes: [{pool: a}]\npools: {a: {endpoints: [http://127.0.0.1:1]}}\n"
	for name, text := range map[string]string{
		"gate.yaml": good,
		"bad.yaml":  "listen: [127.0.0.1:0]\nroutes: [{pool: \"a\u202e\u2066b\"}] # \u202ex\npools: {a: {endpoints: [http://127.0.0.1:1]}}\nwhat\u202e: 1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bad := filepath.Join(dir, "bad.yaml")
	for _, args := range [][]string{
		{"explain", filepath.Join(dir, "*")},
		{"explain", "--json", filepath.Join(dir, "*.log")},
		{"explain", "--each", filepath.Join(dir, "*.log")},
		{"explain", filepath.Join(dir, "d"+evil)},
		{"explain", filepath.Join(dir, "nosuch"+evil)},
		{"explain", "--format", evil, bad},
		{"explain", "--access-format", "%" + evil, bad},
		{"explain", "--since", evil, bad},
		{"explain", "--html", filepath.Join(dir, evil, "x"), filepath.Join(dir, "c.log")},
		{"check", "-c", bad},
		{"check", "-c", bad, "--json"},
		{"check", "-c", filepath.Join(dir, "nosuch"+evil)},
		{"check", "-c", filepath.Join(dir, "gate.yaml"), "--route", "GET x" + evil + "/y"},
		{"reload", "-c", filepath.Join(dir, "gate.yaml")},
		{"reload", "--admin", evil},
		{"cause", evil},
		{"code", evil},
		{"lab", "show", evil},
		{"lab", "serve", evil},
		{"lab", "config", evil},
		{"lab", "score", evil},
		{"proxy", "--from", evil, "--to", evil},
		{"proxy", evil},
		{"diagnose", "http://" + evil},
		{"diagnose", evil},
		{"diagnose", "--kubernetes", "ingress/" + evil},
		{"diagnose", "--kubernetes", "ingress/x", "--kubeconfig", evil},
		{"run", "-c", bad},
		{"run", "--log-format", evil},
		{evil},
		{"help", evil},
		{"code", "--" + evil},
	} {
		var out, errs bytes.Buffer
		run(t.Context(), args, strings.NewReader(""), &out, &errs)
		if out.Len()+errs.Len() == 0 {
			t.Errorf("%.60q says nothing", args)
		}
		for _, text := range []string{out.String(), errs.String()} {
			if line := raw(text); line != "" {
				t.Errorf("%.60q lets through %s", args, line)
			}
		}
	}
}

// A report of a program is JSON to the last byte, and what is read of it is what stood in the log.
func TestForeignTextInJSON(t *testing.T) {
	t.Parallel()
	dir := hostileLogs(t)
	for _, flag := range []string{"--json", "--each"} {
		var out, errs bytes.Buffer
		run(t.Context(), []string{"explain", flag, filepath.Join(dir, "b*.log")}, strings.NewReader(""), &out, &errs)
		if line := raw(out.String()); line != "" {
			t.Errorf("%s: %s", flag, line)
		}
		n := 0
		for d := json.NewDecoder(bytes.NewReader(out.Bytes())); d.More(); n++ {
			var v any
			if err := d.Decode(&v); err != nil {
				t.Fatalf("%s: %v in %.300q", flag, err, out.String())
			}
		}
		if text := out.String(); n == 0 || !strings.Contains(text, `\u009b`) && !strings.Contains(text, `\u00c2\u009b`) {
			t.Errorf("%s: %d objects, and the hostile text is not among them: %.300q", flag, n, text)
		}
	}
}

// A page is looked at with a browser and with cat.
func TestForeignTextInPages(t *testing.T) {
	t.Parallel()
	dir := hostileLogs(t)
	hostile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = c.Write([]byte("HTTP/1.1 502 Bad" + evil + "\nServer: " + evil + "\nX: " + evil + "\n\n" + evil))
			_ = c.Close()
		}
	}))
	defer hostile.Close()
	for _, args := range [][]string{{"explain", filepath.Join(dir, "*.log")}, {"diagnose", hostile.URL, "--no-traceroute", "--count", "0", "--budget", "5s"}} {
		page := filepath.Join(dir, args[0]+".html")
		var out, errs bytes.Buffer
		run(t.Context(), append(args, "--html", page), strings.NewReader(""), &out, &errs)
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatalf("%v: %v\n%s%s", args, err, &out, &errs)
		}
		if line := raw(string(b)); line != "" {
			t.Errorf("%s: %s", args[0], line)
		}
		if !bytes.Contains(b, []byte("PWN")) {
			t.Errorf("%s: the hostile text is not on the page", args[0])
		}
		for _, text := range []string{out.String(), errs.String()} {
			if line := raw(text); line != "" {
				t.Errorf("%s prints %s", args[0], line)
			}
		}
		if info, err := os.Stat(page); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: a new page is %v, %v; who may read it was not asked", args[0], info.Mode(), err)
		}
	}
}

// The gateway's own log goes to its stream directly: its encoder shows what came from outside, and so do the words at the start.
func TestForeignTextInTheOwnLog(t *testing.T) {
	t.Parallel()
	for _, format := range []string{logText, logJSON} {
		var errs bytes.Buffer
		w := &world{stderr: term.NewGuard(&errs)}
		v := w.voice(&serving{logFormat: format})
		v.log.Error("refused "+evil, "error", errors.New(evil), "k", evil)
		v.look(gateway.Look{Endpoint: "http://127.0.0.1:1", Pool: "p" + evil, Text: "says " + evil, Fault: fault.Fault{Cause: fault.CauseConnectionRefused}, Advice: evil})
		if line := raw(errs.String()); line != "" || !strings.Contains(errs.String(), "PWN") {
			t.Errorf("%s: %s", format, line)
		}
		if format == logJSON {
			for line := range strings.Lines(errs.String()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("no JSON: %q", line)
				}
			}
		}
	}
}
