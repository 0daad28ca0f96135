package whygate

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/config"
)

var update = flag.Bool("update", false, "write the generated documents anew")

// TestGenerated checks that the documents made from code are those that the code makes: go test . -update writes them.
func TestGenerated(t *testing.T) {
	for name, want := range map[string][]byte{
		"docs/config.md":           []byte(config.Reference()),
		"docs/whygate.schema.json": config.Schema(),
	} {
		if *update {
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

// TestExamples checks that every YAML block of the documents is a configuration in order.
func TestExamples(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, name := range []string{"README.md", "docs/config.md", "docs/ARCHITECTURE.md", "docs/access-log.md"} {
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
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for _, name := range []string{"README.md"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(b, -1) {
			if _, err := os.Stat(string(m[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
	}
}
