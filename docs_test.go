package whygate

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/config"
)

var update = flag.Bool("update", false, "write the generated documents anew")

// TestGenerated checks that the documents made from code are those that the code makes: go test . -update writes them.
func TestGenerated(t *testing.T) {
	pages := referencePages()
	for name, page := range lintPages(t) {
		pages[name] = page
	}
	removeSurplus(t, pages)
	pages["docs/config.md"] = []byte(config.Reference())
	pages["docs/whygate.schema.json"] = config.Schema()
	for name, want := range pages {
		if *update {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code makes: run go test . -update", name)
		}
	}
}

// removeSurplus finds pages of codes and causes that the code does not make any more.
func removeSurplus(t *testing.T, pages map[string][]byte) {
	t.Helper()
	for _, dir := range []string{"docs/codes", "docs/causes", "docs/lint"} {
		there, err := filepath.Glob(dir + "/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range there {
			if _, made := pages[filepath.ToSlash(name)]; made {
				continue
			}
			if !*update {
				t.Errorf("%s is not made from code any more: run go test . -run TestGenerated -update", name)
			} else if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestExamples checks that every YAML block of the documents is a configuration in order.
func TestExamples(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, name := range []string{"README.md", "docs/config.md", "docs/ARCHITECTURE.md", "docs/access-log.md", "docs/run.md"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range blocks.FindAllSubmatch(b, -1) {
			if !strings.Contains(string(m[1]), "version:") {
				continue // a fragment, shown for one key
			}
			if _, problems := config.Parse(name, m[1], config.Options{Env: func(string) (string, bool) { return "value", true }, ReadFile: func(string, int64) ([]byte, error) { return []byte("secret\n"), nil }}); problems.Failed() {
				t.Errorf("%s: an example is not in order:\n%v", name, problems)
			}
		}
	}
}

// TestLinks checks that what the documents link to is there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	names := []string{"README.md"}
	for _, pattern := range []string{"docs/*.md", "docs/codes/*.md", "docs/causes/*.md", "docs/lint/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	links := 0
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(b, -1) {
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), string(m[1]))); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
	}
	if links < 1000 {
		t.Errorf("only %d links were found", links)
	}
}
