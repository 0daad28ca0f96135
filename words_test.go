package whygate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// rfcWords are words of the RFCs for which everybody who reads a report says bytes and headers. What stands in braces is a fact's name, and
// what stands in backquotes or before a dot is a key of JSON or of somebody's file.
var (
	rfcWords = regexp.MustCompile(`(?i)(^|[^\w{.#` + "`" + `-])(octets?|fields?)($|[^\w}` + "`" + `=-])`)
	names    = []string{ // of others, to the letter
		"Request Header Fields Too Large", "#Fields", "accessLog.fields", "--fields timestamp", "http2.invalid.header.field",
	}
)

// asked are the packages whose prose is printed. A text of one word, or without a space, is a key or a name, and a bug is for who mends it.
var asked = []string{"internal/fault", "internal/diagnose", "internal/explain", "internal/statuscode", "internal/lab", "internal/config", "internal/certs", "internal/gateway", "internal/admin", "internal/proxyconf", "internal/conftree", "internal/topology", "internal/lint", "internal/adoption", "internal/htpasswd", "cmd/whygate"}

// TestWordsOfPeople: bytes and headers, wherever a person reads it; the code's comments may speak as the RFCs do.
func TestWordsOfPeople(t *testing.T) {
	read := 0
	for _, dir := range asked {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if f, ok := n.(*ast.Field); ok && f.Tag != nil {
					return false
				}
				l, ok := n.(*ast.BasicLit)
				if !ok || l.Kind != token.STRING {
					return true
				}
				read++
				text, err := strconv.Unquote(l.Value)
				if err == nil && strings.Contains(text, " ") && !strings.HasPrefix(text, "BUG: ") {
					unsaid(t, set.Position(l.Pos()).String(), text)
				}
				return true
			})
		}
	}
	if read < 5000 {
		t.Errorf("only %d texts were read", read)
	}
}

// TestWordsOfDocs is the same for what users read. The architecture and the glossary are for who reads the code.
func TestWordsOfDocs(t *testing.T) {
	files := []string{"README.md", "cmd/whygate/diagnose.html", "cmd/whygate/explain.html"}
	err := filepath.WalkDir("docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		switch filepath.Base(file) {
		case "ARCHITECTURE.md", "GLOSSARY.md", "DEPENDENCIES.md":
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		number := 0
		for line := range strings.Lines(string(b)) {
			number++
			unsaid(t, file+":"+strconv.Itoa(number), line)
		}
	}
}

// unsaid reports the words in a text that are not for people.
func unsaid(t *testing.T, where, text string) {
	t.Helper()
	for _, name := range names {
		text = strings.ReplaceAll(text, name, "")
	}
	if word := rfcWords.FindStringSubmatch(text); word != nil {
		t.Errorf("%s: %q in %.120q: say bytes, or headers", where, word[2], strings.TrimSpace(text))
	}
}
