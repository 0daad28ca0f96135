package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the output that the documents show anew")

// TestREADME checks that the commands of the documents are ones that there are, with the flags that they show.
func TestREADME(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(makefile)) {
		if target, _, ok := strings.Cut(line, ":"); ok && !strings.ContainsAny(target, " \t=$") {
			known[target] = true
		}
	}
	called := regexp.MustCompile(`\./whygate( [^\x60#|]*)`)
	commands := 0
	for _, name := range []string{"../../README.md", "../../docs/cli.md"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if words := strings.Fields(line); len(words) > 1 && words[0] == "make" && !known[words[1]] {
				t.Errorf("%s says %q, and the Makefile has no %s", name, strings.TrimSpace(line), words[1])
			}
			for _, m := range called.FindAllStringSubmatch(line, -1) {
				commands++
				checkCommand(t, name, strings.Fields(m[1]))
			}
		}
	}
	if commands < 30 {
		t.Errorf("only %d commands were found", commands)
	}
}

// checkCommand checks that there is such a command and that it has the flags.
func checkCommand(t *testing.T, where string, words []string) {
	t.Helper()
	var out bytes.Buffer
	root := (&world{strings.NewReader(""), &out, &out}).rootCommand()
	cmd, rest, err := root.Find(words)
	if err != nil || cmd == root && !strings.HasPrefix(words[0], "-") {
		t.Errorf("%s: there is no command %v: %v", where, words, err)
		return
	}
	cmd.InitDefaultHelpFlag()
	for _, word := range rest {
		switch {
		case strings.HasPrefix(word, "--"):
			name, _, _ := strings.Cut(word[2:], "=")
			if cmd.Flag(name) == nil {
				t.Errorf("%s: %s has no flag %s", where, cmd.CommandPath(), word)
			}
		case len(word) == 2 && word[0] == '-' && cmd.Flags().ShorthandLookup(word[1:]) == nil:
			t.Errorf("%s: %s has no flag %s", where, cmd.CommandPath(), word)
		}
	}
}

// TestREADMEOutput runs the commands whose output the documents show, each in the directory where its files are:
// go test ./cmd/whygate -run README -update writes what they print now.
func TestREADMEOutput(t *testing.T) {
	for document, directory := range map[string]string{"README.md": "cmd/whygate/testdata/readme", "docs/explain.md": "docs/example"} {
		t.Run(document, func(t *testing.T) { outputOf(t, "../../"+document, "../../"+directory) })
	}
}

func outputOf(t *testing.T, document, directory string) {
	document, err := filepath.Abs(document)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```console\n\\$ ./whygate ([^\n]*)\n(.*?)```")
	text := string(b)
	found := block.FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		t.Fatalf("%s shows no output", document)
	}
	t.Chdir(directory)
	t.Setenv("COLUMNS", "100")
	for _, m := range found {
		var out bytes.Buffer
		if code := run(t.Context(), strings.Fields(m[1]), strings.NewReader(""), &out, &out); code == exitUsage {
			t.Errorf("%s: exit %d", m[1], code)
		}
		if out.String() == m[2] {
			continue
		}
		if !*update {
			t.Errorf("%s shows of %q\n%s\nand it prints\n%s", document, m[1], m[2], out.String())
		}
		text = strings.Replace(text, m[0], strings.TrimSuffix(m[0], m[2]+"```")+out.String()+"```", 1)
	}
	if *update {
		if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestREADMEIncident holds that what README.md shows of the gateway's terminal is in the form that the gateway writes: whygate
// explain knows it again.
func TestREADMEIncident(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d\.\d{3} 502 .*\n.*\n.*\n`).Find(b)
	var out bytes.Buffer
	run(t.Context(), []string{"explain", "--each", "-"}, bytes.NewReader(lines), &out, &out)
	if len(lines) == 0 || !strings.Contains(out.String(), `"cause":"connection-refused"`) {
		t.Errorf("%s\nis read as\n%s", lines, out.String())
	}
}

// jsonKeys gives the keys of a document with what they stand in: codes[].steps[].title.
func jsonKeys(value any, path string, keys map[string]bool) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			at := strings.TrimPrefix(path+"."+name, ".")
			keys[at] = true
			jsonKeys(inner, at, keys)
		}
	case []any:
		for _, inner := range v {
			jsonKeys(inner, path+"[]", keys)
		}
	}
}

// TestJSONIsDocumented holds that docs/cli.md names every key that the commands print with --json, and no other.
func TestJSONIsDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir() + "/broken.yaml"
	if err := os.WriteFile(broken, []byte("version: 1\nlisten:\n  - adress: :8080\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for title, commands := range map[string][]string{
		"code":        {"code --json"},
		"cause":       {"cause --json"},
		"lab list":    {"lab list --json"},
		"lab show":    {"lab show body-short --json"},
		"check":       {"check --json -c " + broken},
		"check route": {"check --json -c testdata/readme/whygate.yaml --route shop.example.com/api/x"},
		"version":     {"version --json"},
	} {
		_, section, _ := strings.Cut(string(b), "\n### "+title+"\n")
		section, _, _ = strings.Cut(section, "\n#")
		told := map[string]bool{}
		for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(section, -1) {
			told[m[1]] = true
		}
		keys := map[string]bool{}
		for _, line := range commands {
			var out, errs bytes.Buffer
			run(t.Context(), strings.Fields(line), strings.NewReader(""), &out, &errs)
			var value any
			if err := json.Unmarshal(out.Bytes(), &value); err != nil {
				t.Errorf("%s: %v\n%s", line, err, errs.String())
			}
			jsonKeys(value, "", keys)
		}
		for key := range keys {
			if !told[key] {
				t.Errorf("docs/cli.md, %s: %s is missing", title, key)
			}
		}
		for key := range told {
			if !keys[key] {
				t.Errorf("docs/cli.md, %s: %s is not printed", title, key)
			}
		}
	}
}
